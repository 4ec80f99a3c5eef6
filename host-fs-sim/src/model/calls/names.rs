//! Names: mkdir, mkdirat, mknod, mknodat, rmdir, unlink, unlinkat, link, linkat, symlink, symlinkat,
//! readlink, readlinkat, chdir, fchdir, chroot, getcwd, getdents, getdents64. Renaming is in
//! [`rename`](super::rename).

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::Object;
use super::super::file::Content;
use super::super::permission::{EXECUTE, WRITE};
use super::super::tree::{Directory, Id, Kind, ROOT};
use super::super::walk::{Last, LastLink, PATH_MAX, check_path};
use super::super::{Done, Model};
use super::done;

const HERE: i32 = libc::AT_FDCWD;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    done_or_failed(model, name, given).transpose()
}

fn done_or_failed(
    model: &mut Model,
    name: &str,
    given: Arguments<'_>,
) -> Result<Option<Reply>, Errno> {
    let (int, id, text) = (|at| given.int(at), |at| given.id(at), |at| given.text(at));
    let result = match name {
        "mkdir" => mkdir(model, HERE, text(0)?, id(1)),
        "mkdirat" => mkdir(model, int(0), text(1)?, id(2)),
        "mknod" => mknod(model, HERE, given.text(0), (id(1), id(2))),
        "mknodat" => mknod(model, int(0), given.text(1), (id(2), id(3))),
        "rmdir" => rmdir(model, HERE, text(0)?),
        "unlink" => unlink(model, HERE, text(0)?),
        "unlinkat" => match int(2) {
            0 => unlink(model, int(0), text(1)?),
            libc::AT_REMOVEDIR => rmdir(model, int(0), text(1)?),
            _ => Err(Errno::EINVAL),
        },
        "link" => link(model, (HERE, text(0)?), (HERE, text(1)?), 0),
        "linkat" => link(model, (int(0), text(1)?), (int(2), text(3)?), int(4)),
        "symlink" => symlink(model, text(0)?, HERE, text(1)?),
        "symlinkat" => symlink(model, text(0)?, int(1), text(2)?),
        "rename" => super::rename::rename(model, (HERE, text(0)?), (HERE, text(1)?), 0),
        "renameat" => super::rename::rename(model, (int(0), text(1)?), (int(2), text(3)?), 0),
        "renameat2" => super::rename::rename(model, (int(0), text(1)?), (int(2), text(3)?), id(4)),
        "chdir" => chdir(model, text(0)?),
        "chroot" => chroot(model, text(0)?),
        "fchdir" => fchdir(model, int(0)),
        "readlink" => {
            return readlink(model, HERE, given.text(0), given.room(1)).map(Some);
        }
        "readlinkat" => {
            return readlink(model, int(0), given.text(1), given.room(2)).map(Some);
        }
        "getcwd" => return getcwd(model, given.room(0)).map(Some),
        "getdents" | "getdents64" => return list(model, int(0), given.room(1)).map(Some),
        _ => return Ok(None),
    };
    done(result).map(Some)
}

/// A directory and a name in it that is free.
///
/// # Errors
/// Those of the walk; EEXIST; ENOENT for a slash after what is to be no directory; ENOENT in
/// a removed directory.
fn new_name(
    model: &mut Model,
    at: i32,
    path: &[u8],
    slash_allowed: bool,
) -> Result<(Id, Vec<u8>), Errno> {
    let (directory, last) = model.walk_to_last(at, path)?;
    let Last::Name { name, slash } = last else { return Err(Errno::EEXIST) };
    if model.tree.find(directory, &name)?.is_some() {
        return Err(Errno::EEXIST);
    }
    if slash && !slash_allowed {
        return Err(Errno::ENOENT);
    }
    Ok((directory, name))
}

/// Makes a file with a new name.
///
/// # Errors
/// EACCES, ENOSPC.
fn create(
    model: &mut Model,
    directory: Id,
    name: &[u8],
    kind: Kind,
    mode: u32,
) -> Result<(), Errno> {
    let who = &model.identity.files;
    who.check(model.tree.get(directory), WRITE | EXECUTE)?;
    let is_directory = matches!(kind, Kind::Directory(_));
    let child = model.tree.make(directory, kind, mode, who, model.now)?;
    model.tree.directory_mut(directory)?.insert(name, child);
    let parent = model.tree.get_mut(directory);
    parent.links += u32::from(is_directory);
    parent.touch(model.now);
    Ok(())
}

fn mkdir(model: &mut Model, at: i32, path: &[u8], mode: u32) -> Result<(), Errno> {
    let (directory, name) = new_name(model, at, path, true)?;
    let mode = mode & 0o1777 & !model.umask;
    create(model, directory, &name, Kind::Directory(Directory::new(directory)), mode)
}

fn mknod(
    model: &mut Model,
    at: i32,
    path: Result<&[u8], Errno>,
    (mode, number): (u32, u32),
) -> Result<(), Errno> {
    let file_type = mode & libc::S_IFMT;
    let kind = match file_type {
        0 | libc::S_IFREG => Kind::File(Content::default()),
        libc::S_IFIFO | libc::S_IFSOCK => Kind::Node(file_type, 0),
        libc::S_IFCHR | libc::S_IFBLK => Kind::Node(file_type, number.into()),
        libc::S_IFDIR => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    let (directory, name) = new_name(model, at, path?, false)?;
    let who = &model.identity.files;
    who.check(model.tree.get(directory), WRITE | EXECUTE)?;
    let is_device = matches!(file_type, libc::S_IFCHR | libc::S_IFBLK);
    let is_whiteout = file_type == libc::S_IFCHR && number == 0;
    if is_device && !is_whiteout && !who.is_capable() {
        return Err(Errno::EPERM);
    }
    let child = model.tree.make(directory, kind, mode & 0o7777, who, model.now)?;
    // After a set-group-ID directory saw what was asked for.
    model.tree.get_mut(child).mode &= !model.umask;
    model.tree.directory_mut(directory)?.insert(&name, child);
    model.tree.get_mut(directory).touch(model.now);
    Ok(())
}

fn symlink(model: &mut Model, target: &[u8], at: i32, path: &[u8]) -> Result<(), Errno> {
    check_path(target)?;
    let (directory, name) = new_name(model, at, path, false)?;
    create(model, directory, &name, Kind::Link(target.to_vec()), 0o777)
}

fn link(
    model: &mut Model,
    (old_at, old): (i32, &[u8]),
    (new_at, new): (i32, &[u8]),
    flags: i32,
) -> Result<(), Errno> {
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let last_link = match flags & libc::AT_SYMLINK_FOLLOW {
        0 => LastLink::Stay,
        _ => LastLink::Follow,
    };
    let id = model.resolve(old_at, old, last_link, flags)?;
    let (directory, name) = new_name(model, new_at, new, false)?;
    if let Kind::Pipe = model.tree.get(id).kind {
        return Err(Errno::EXDEV);
    }
    model.identity.files.check(model.tree.get(directory), WRITE | EXECUTE)?;
    let inode = model.tree.get_mut(id);
    if inode.is_directory() {
        return Err(Errno::EPERM);
    }
    if inode.links == 0 && !inode.linkable {
        return Err(Errno::ENOENT);
    }
    inode.links += 1;
    inode.linkable = false;
    inode.changed = model.now;
    model.tree.directory_mut(directory)?.insert(&name, id);
    model.tree.get_mut(directory).touch(model.now);
    Ok(())
}

/// Whether the caller may remove the name of `child` from `directory`, which is to be a
/// directory's name or not.
///
/// # Errors
/// EACCES; EPERM in a sticky directory; ENOTDIR, EISDIR.
pub fn may_delete(
    model: &Model,
    directory: Id,
    child: Id,
    to_be_directory: bool,
) -> Result<(), Errno> {
    let who = &model.identity.files;
    let (parent, child) = (model.tree.get(directory), model.tree.get(child));
    who.check(parent, WRITE | EXECUTE)?;
    if who.is_kept_by_sticky_bit(parent, child) {
        return Err(Errno::EPERM);
    }
    match (to_be_directory, child.is_directory()) {
        (true, false) => Err(Errno::ENOTDIR),
        (false, true) => Err(Errno::EISDIR),
        _ => Ok(()),
    }
}

fn unlink(model: &mut Model, at: i32, path: &[u8]) -> Result<(), Errno> {
    let (directory, last) = model.walk_to_last(at, path)?;
    let Last::Name { name, slash } = last else { return Err(Errno::EISDIR) };
    let child = model.tree.lookup(directory, &name)?;
    if slash {
        let is_directory = model.tree.get(child).is_directory();
        return Err(if is_directory { Errno::EISDIR } else { Errno::ENOTDIR });
    }
    may_delete(model, directory, child, false)?;
    model.tree.directory_mut(directory)?.entries.remove(&name);
    model.tree.get_mut(directory).touch(model.now);
    let inode = model.tree.get_mut(child);
    inode.links -= 1;
    inode.changed = model.now;
    model.tree.free_if_unused(child);
    Ok(())
}

fn rmdir(model: &mut Model, at: i32, path: &[u8]) -> Result<(), Errno> {
    let (directory, last) = model.walk_to_last(at, path)?;
    let name = match last {
        Last::Name { name, .. } => name,
        Last::Dot => return Err(Errno::EINVAL),
        Last::DotDot => return Err(Errno::ENOTEMPTY),
        Last::Root => return Err(Errno::EBUSY),
    };
    let child = model.tree.lookup(directory, &name)?;
    may_delete(model, directory, child, true)?;
    if !model.tree.get(child).directory()?.entries.is_empty() {
        return Err(Errno::ENOTEMPTY);
    }
    model.tree.directory_mut(directory)?.entries.remove(&name);
    let parent = model.tree.get_mut(directory);
    parent.links -= 1;
    parent.touch(model.now);
    let inode = model.tree.get_mut(child);
    inode.links = 0;
    inode.changed = model.now;
    model.tree.free_if_unused(child);
    Ok(())
}

fn readlink(model: &mut Model, at: i32, path: Result<&[u8], Errno>, room: usize) -> Done {
    if room == 0 {
        return Err(Errno::EINVAL);
    }
    let path = path?;
    let id = model.resolve(at, path, LastLink::Stay, libc::AT_EMPTY_PATH)?;
    let inode = model.tree.get_mut(id);
    let Kind::Link(target) = &inode.kind else {
        return Err(if path.is_empty() { Errno::ENOENT } else { Errno::EINVAL });
    };
    let target = target[..room.min(target.len())].to_vec();
    inode.access(model.now);
    Ok(Reply::Data(target))
}

fn go(model: &mut Model, id: Id) -> Result<(), Errno> {
    let inode = model.tree.get(id);
    inode.directory()?;
    model.identity.files.check(inode, EXECUTE)?;
    model.tree.pin(id);
    let former = std::mem::replace(&mut model.working_directory, id);
    model.tree.unpin(former);
    Ok(())
}

fn chdir(model: &mut Model, path: &[u8]) -> Result<(), Errno> {
    let id = model.resolve(HERE, path, LastLink::Follow, 0)?;
    go(model, id)
}

fn chroot(model: &mut Model, path: &[u8]) -> Result<(), Errno> {
    let id = model.resolve(HERE, path, LastLink::Follow, 0)?;
    let inode = model.tree.get(id);
    inode.directory()?;
    model.identity.files.check(inode, EXECUTE)?;
    if !model.identity.is_privileged() {
        return Err(Errno::EPERM);
    }
    model.tree.pin(id);
    let former = std::mem::replace(&mut model.root, id);
    model.tree.unpin(former);
    Ok(())
}

fn fchdir(model: &mut Model, fd: i32) -> Result<(), Errno> {
    match model.descriptors.any(fd)?.object {
        Object::Inode(id) => go(model, id),
        Object::Console => Err(Errno::ENOTDIR),
    }
}

fn getcwd(model: &mut Model, room: usize) -> Done {
    let mut path = vec![0];
    let mut at = model.working_directory;
    if model.tree.get(at).links == 0 {
        return Err(Errno::ENOENT);
    }
    while at != model.root && at != ROOT {
        let parent = model.tree.get(at).directory()?.parent;
        let entries = &model.tree.get(parent).directory()?.entries;
        let name = entries.iter().find(|(_, entry)| entry.id == at).map(|(name, _)| name);
        path.splice(..0, [b"/", &name.ok_or(Errno::ENOENT)?[..]].concat());
        at = parent;
    }
    if path == [0] {
        path = b"/\0".to_vec();
    }
    if at != model.root {
        // Nothing below the root directory.
        path.splice(..0, *b"(unreachable)");
    }
    if path.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    if path.len() > room { Err(Errno::ERANGE) } else { Ok(Reply::Data(path)) }
}

/// Lists as many entries as there is room for records, `.` and `..` first, then in the order
/// in which the names were made.
fn list(model: &mut Model, fd: i32, room: usize) -> Done {
    let description = model.descriptors.file(fd)?;
    let Object::Inode(id) = description.object else { return Err(Errno::ENOTDIR) };
    let inode = model.tree.get(id);
    let directory = inode.directory()?;
    if inode.links == 0 {
        return Err(Errno::ENOENT);
    }
    let mut all: Vec<(u64, &[u8], Id)> = vec![(0, b".", id), (1, b"..", directory.parent)];
    all.extend(directory.entries.iter().map(|(name, entry)| (entry.cookie, &name[..], entry.id)));
    all.retain(|(cookie, ..)| *cookie >= description.offset);
    all.sort_unstable_by_key(|(cookie, ..)| *cookie);
    let (mut left, mut listed) = (room, Vec::new());
    let mut refused = false;
    for (cookie, name, child) in all {
        let record = (20 + name.len()).next_multiple_of(8);
        refused = record > left;
        if refused {
            break;
        }
        left -= record;
        // The types of entries are those of modes, without the permissions.
        listed.push((name.to_vec(), (model.tree.get(child).file_type() >> 12) as u8));
        description.offset = cookie + 1;
    }
    if description.flags & libc::O_NOATIME == 0 {
        model.tree.get_mut(id).access(model.now);
    }
    if refused && listed.is_empty() { Err(Errno::EINVAL) } else { Ok(Reply::Entries(listed)) }
}
