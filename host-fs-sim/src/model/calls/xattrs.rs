//! Extended attributes: setxattr, getxattr, listxattr, removexattr, and with `l` and `f`;
//! `xattr(7)`.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::Object;
use super::super::permission::{READ, WRITE};
use super::super::tree::{Id, Inode, Kind, xattr_bytes};
use super::super::walk::LastLink;
use super::super::{Done, Model};
use super::done;

/// Bytes in the longest name.
const NAME_MAX: usize = 255;
/// Bytes in the longest value, and in the longest list.
const SIZE_MAX: usize = 65536;
const CAPABILITY: &[u8] = b"security.capability";

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    let (call, named): (&str, Named) = match name.strip_suffix("xattr")? {
        call @ ("set" | "get" | "list" | "remove") => (call, path),
        call => match call.split_at_checked(1)? {
            ("l", call) => (call, link),
            ("f", call) => (call, descriptor),
            _ => return None,
        },
    };
    Some(match call {
        "set" => done(set(model, named, given)),
        "get" => get(model, named, given),
        "list" => list(model, named, given),
        "remove" => done(remove(model, named, given)),
        _ => return None,
    })
}

/// How the first argument names a file.
type Named = fn(&mut Model, Arguments<'_>) -> Result<Id, Errno>;

fn path(model: &mut Model, given: Arguments<'_>) -> Result<Id, Errno> {
    model.resolve(libc::AT_FDCWD, given.text(0)?, LastLink::Follow, 0)
}

fn link(model: &mut Model, given: Arguments<'_>) -> Result<Id, Errno> {
    model.resolve(libc::AT_FDCWD, given.text(0)?, LastLink::Stay, 0)
}

fn descriptor(model: &mut Model, given: Arguments<'_>) -> Result<Id, Errno> {
    match model.descriptors.file(given.int(0))?.object {
        Object::Inode(id) => Ok(id),
        Object::Console => Err(Errno::EOPNOTSUPP),
    }
}

fn set(model: &mut Model, named: Named, given: Arguments<'_>) -> Result<(), Errno> {
    let flags = given.int(3);
    if flags & !(libc::XATTR_CREATE | libc::XATTR_REPLACE) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = name(given)?;
    let mut value = given.text(2)?.to_vec();
    if value.len() > SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    let id = named(model, given)?;
    let capable = model.identity.files.is_capable();
    if name == CAPABILITY && !value.is_empty() {
        value = match capabilities(value) {
            Some(_) if !capable => return Err(Errno::EPERM),
            Some(kept) => kept?,
            None => return Err(Errno::EINVAL),
        };
    }
    may_use(model, model.tree.get(id), name, WRITE)?;
    if name.starts_with(b"security.") && name != CAPABILITY && !capable {
        return Err(Errno::EPERM);
    }
    is_kept(name)?;
    let is_counted = !matches!(model.tree.get(id).kind, Kind::Pipe);
    if is_counted && xattr_bytes(name, &value) > model.tree.free_inode_bytes() {
        return Err(Errno::ENOSPC);
    }
    let inode = model.tree.get_mut(id);
    match inode.xattrs.contains_key(name) {
        true if flags & libc::XATTR_CREATE != 0 => return Err(Errno::EEXIST),
        false if flags & libc::XATTR_REPLACE != 0 => return Err(Errno::ENODATA),
        _ => {}
    }
    inode.xattrs.insert(name.to_vec(), value);
    inode.changed = model.now;
    Ok(())
}

fn get(model: &mut Model, named: Named, given: Arguments<'_>) -> Done {
    let name = name(given)?;
    let id = named(model, given)?;
    let inode = model.tree.get(id);
    may_use(model, inode, name, READ)?;
    is_kept(name)?;
    let value = inode.xattrs.get(name).ok_or(Errno::ENODATA)?;
    if name == CAPABILITY && value.is_empty() {
        return Err(Errno::EINVAL);
    }
    match given.room(2) {
        0 => Ok(Reply::Done(value.len() as i64)),
        room if room < value.len() => Err(Errno::ERANGE),
        _ => Ok(Reply::Data(value.clone())),
    }
}

fn list(model: &mut Model, named: Named, given: Arguments<'_>) -> Done {
    let id = named(model, given)?;
    let capable = model.identity.files.is_capable();
    let seen = |name: &&Vec<u8>| capable || !name.starts_with(b"trusted.");
    let all = model.tree.get(id).xattrs.keys().rev();
    let names: Vec<Vec<u8>> = all.filter(seen).cloned().collect();
    let len = names.iter().map(|name| name.len() + 1).sum::<usize>();
    match given.room(1) {
        0 => Ok(Reply::Done(len as i64)),
        room if room >= SIZE_MAX && len > SIZE_MAX => Err(Errno::E2BIG),
        room if room < len => Err(Errno::ERANGE),
        _ => Ok(Reply::Names(names)),
    }
}

fn remove(model: &mut Model, named: Named, given: Arguments<'_>) -> Result<(), Errno> {
    let name = name(given)?;
    let id = named(model, given)?;
    may_use(model, model.tree.get(id), name, WRITE)?;
    if name.starts_with(b"security.") && !model.identity.files.is_capable() {
        return Err(Errno::EPERM);
    }
    is_kept(name)?;
    let inode = model.tree.get_mut(id);
    inode.xattrs.remove(name).ok_or(Errno::ENODATA)?;
    inode.changed = model.now;
    Ok(())
}

/// # Errors
/// EFAULT, ERANGE.
fn name<'a>(given: Arguments<'a>) -> Result<&'a [u8], Errno> {
    let name = given.text(1)?;
    if (1..=NAME_MAX).contains(&name.len()) { Ok(name) } else { Err(Errno::ERANGE) }
}

/// Whether an attribute may be read or written, as Linux' `xattr_permission` has it.
///
/// # Errors
/// EPERM or ENODATA; EACCES.
fn may_use(model: &Model, inode: &Inode, name: &[u8], wanted: u32) -> Result<(), Errno> {
    let who = &model.identity.files;
    let refused = Err(if wanted == WRITE { Errno::EPERM } else { Errno::ENODATA });
    if name.starts_with(b"security.") || name.starts_with(b"system.") {
        return Ok(());
    }
    if name.starts_with(b"trusted.") {
        return if who.is_capable() { Ok(()) } else { refused };
    }
    if name.starts_with(b"user.") {
        if !matches!(inode.kind, Kind::File(_) | Kind::Directory(_)) {
            return refused;
        }
        let sticky = inode.is_directory() && inode.mode & libc::S_ISVTX != 0;
        if sticky && wanted == WRITE && !who.owns(inode) {
            return Err(Errno::EPERM);
        }
    }
    who.check(inode, wanted)
}

/// Whether there can be such an attribute.
///
/// # Errors
/// EOPNOTSUPP; EINVAL for a namespace alone.
fn is_kept(name: &[u8]) -> Result<(), Errno> {
    let behind = [&b"user."[..], b"trusted.", b"security."]
        .iter()
        .find_map(|namespace| name.strip_prefix(*namespace));
    match behind {
        None => Err(Errno::EOPNOTSUPP),
        Some([]) => Err(Errno::EINVAL),
        Some(_) => Ok(()),
    }
}

/// Capabilities as they are kept: those of a namespace whose root is root have none. None for
/// what is no capabilities.
fn capabilities(mut value: Vec<u8>) -> Option<Result<Vec<u8>, Errno>> {
    match (value.len(), &value[..]) {
        (20, [0 | 1, 0, 0, 2, ..]) => Some(Ok(value)),
        (24, [0 | 1, 0, 0, 3, .., 0xff, 0xff, 0xff, 0xff]) => Some(Err(Errno::EINVAL)),
        (24, [0 | 1, 0, 0, 3, .., 0, 0, 0, 0]) => {
            value.truncate(20);
            value[3] = 2;
            Some(Ok(value))
        }
        (24, [0 | 1, 0, 0, 3, ..]) => Some(Ok(value)),
        _ => None,
    }
}
