//! rename, renameat, renameat2.

use anchorite_syscalls::Errno;

use super::super::Model;
use super::super::permission::{EXECUTE, WRITE};
use super::super::tree::{Id, Kind, ROOT};
use super::super::walk::Last;
use super::names::may_delete;

/// Renames. The order of checks is that of Linux' `do_renameat2` and `vfs_rename`.
///
/// # Errors
/// Those of `renameat2(2)`.
pub fn rename(
    model: &mut Model,
    (old_at, old): (i32, &[u8]),
    (new_at, new): (i32, &[u8]),
    flags: u32,
) -> Result<(), Errno> {
    let [no_replace, exchange, whiteout] =
        [libc::RENAME_NOREPLACE, libc::RENAME_EXCHANGE, libc::RENAME_WHITEOUT]
            .map(|flag| flags & flag != 0);
    let known = libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE | libc::RENAME_WHITEOUT;
    if flags & !known != 0 || exchange && (no_replace || whiteout) {
        return Err(Errno::EINVAL);
    }
    let (old_dir, old) = model.walk_to_last(old_at, old)?;
    let (new_dir, new) = model.walk_to_last(new_at, new)?;
    let Last::Name { name: old, slash: old_slash } = old else { return Err(Errno::EBUSY) };
    let Last::Name { name: new, slash: new_slash } = new else {
        return Err(if no_replace { Errno::EEXIST } else { Errno::EBUSY });
    };
    let source = model.tree.lookup(old_dir, &old)?;
    let target = model.tree.find(new_dir, &new)?;
    let is_directory = |id: Id| model.tree.get(id).is_directory();
    match target {
        Some(_) if no_replace => return Err(Errno::EEXIST),
        None if exchange => return Err(Errno::ENOENT),
        Some(target) if exchange && new_slash && !is_directory(target) => {
            return Err(Errno::ENOTDIR);
        }
        _ => {}
    }
    if !is_directory(source) && (old_slash || new_slash && !exchange) {
        return Err(Errno::ENOTDIR);
    }
    if old_dir != new_dir {
        if is_at_or_above(model, source, new_dir) {
            return Err(Errno::EINVAL);
        }
        if target.is_some_and(|target| is_at_or_above(model, target, old_dir)) {
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
    }
    if target == Some(source) {
        return Ok(());
    }
    check_permissions(model, (old_dir, source), (new_dir, target), exchange)?;
    if let (Some(target), false) = (target, exchange)
        && let Kind::Directory(directory) = &model.tree.get(target).kind
        && !directory.entries.is_empty()
    {
        return Err(Errno::ENOTEMPTY);
    }

    let left = match whiteout {
        true => {
            let who = &model.identity.files;
            Some(model.tree.make(old_dir, Kind::Node(libc::S_IFCHR, 0), 0, who, model.now)?)
        }
        false => None,
    };
    let left = if exchange { target } else { left };
    match left {
        // The entry only gets another name.
        None if old_dir == new_dir && target.is_none() => {
            model.tree.directory_mut(old_dir)?.rename(&old, &new);
        }
        left => {
            model.tree.directory_mut(new_dir)?.insert(&new, source);
            let directory = model.tree.directory_mut(old_dir)?;
            match left {
                Some(left) => directory.insert(&old, left),
                None => drop(directory.entries.remove(&old)),
            }
        }
    }
    moved(model, source, old_dir, new_dir);
    for directory in [old_dir, new_dir] {
        model.tree.get_mut(directory).touch(model.now);
    }
    if let Some(target) = target {
        if exchange {
            moved(model, target, new_dir, old_dir);
        } else {
            removed(model, target, new_dir);
        }
    }
    Ok(())
}

/// # Errors
/// EACCES, EPERM; ENOTDIR, EISDIR; ENOENT in a removed directory.
fn check_permissions(
    model: &Model,
    (old_dir, source): (Id, Id),
    (new_dir, target): (Id, Option<Id>),
    exchange: bool,
) -> Result<(), Errno> {
    let who = &model.identity.files;
    let is_directory = |id: Id| model.tree.get(id).is_directory();
    may_delete(model, old_dir, source, is_directory(source))?;
    match target {
        None => who.check(model.tree.get(new_dir), WRITE | EXECUTE)?,
        Some(target) => {
            let of = if exchange { target } else { source };
            may_delete(model, new_dir, target, is_directory(of))?;
        }
    }
    if old_dir != new_dir {
        // The `..` of what moves is written.
        for moved in [Some(source), target.filter(|_| exchange)].into_iter().flatten() {
            if is_directory(moved) {
                who.check(model.tree.get(moved), WRITE)?;
            }
        }
    }
    Ok(())
}

/// Whether the way from the directory `below` to the root leads through `above`.
fn is_at_or_above(model: &Model, above: Id, below: Id) -> bool {
    let mut at = below;
    loop {
        if at == above {
            return true;
        }
        match model.tree.get(at).directory() {
            Ok(directory) if at != ROOT => at = directory.parent,
            _ => return false,
        }
    }
}

/// Notes that a file has moved from one directory to another, or has another name.
fn moved(model: &mut Model, id: Id, from: Id, to: Id) {
    let inode = model.tree.get_mut(id);
    inode.changed = model.now;
    if inode.is_directory() {
        model.tree.get_mut(from).links -= 1;
        model.tree.get_mut(to).links += 1;
        model.tree.set_parent(id, to);
    }
}

/// Notes that a file in `directory` was replaced.
fn removed(model: &mut Model, id: Id, directory: Id) {
    let inode = model.tree.get_mut(id);
    inode.changed = model.now;
    if inode.is_directory() {
        inode.links = 0;
        model.tree.get_mut(directory).links -= 1;
    } else {
        inode.links -= 1;
    }
    model.tree.free_if_unused(id);
}
