//! Attributes: stat, lstat, fstat, newfstatat, statx, statfs, fstatfs; access, faccessat,
//! faccessat2; chmod, fchmod, fchmodat, fchmodat2; chown, lchown, fchown, fchownat; umask.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::Object;
use super::super::file::PAGE;
use super::super::tree::{Id, Kind};
use super::super::walk::LastLink;
use super::super::{Done, Model, last_link};
use super::done;

const HERE: i32 = libc::AT_FDCWD;
const STAY: i32 = libc::AT_SYMLINK_NOFOLLOW;
const SYNC_FLAGS: i32 = libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC;
/// The type, the size of a block and the longest name of a tmpfs.
const FILE_SYSTEM: [i64; 3] = [libc::TMPFS_MAGIC, PAGE as i64, 255];
/// The same of the one that pipes are in.
const PIPE_FILE_SYSTEM: [i64; 3] = [0x5049_5045, PAGE as i64, 255];

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
        "stat" => return stat(model, HERE, text(0)?, 0).map(Some),
        "lstat" => return stat(model, HERE, text(0)?, STAY).map(Some),
        "fstat" => return stat_open(model, int(0)).map(Some),
        "newfstatat" => {
            let path = path_or_empty(given, 1, int(2))?;
            return stat(model, int(0), path, int(2)).map(Some);
        }
        "statx" => return statx(model, given).map(Some),
        "statfs" => {
            model.resolve(HERE, text(0)?, LastLink::Follow, 0)?;
            return Ok(Some(Reply::Numbers(0, FILE_SYSTEM.to_vec())));
        }
        "fstatfs" => match model.descriptors.any(int(0))?.object {
            Object::Inode(id) => {
                let is_pipe = matches!(model.tree.get(id).kind, Kind::Pipe);
                let told = if is_pipe { PIPE_FILE_SYSTEM } else { FILE_SYSTEM };
                return Ok(Some(Reply::Numbers(0, told.to_vec())));
            }
            Object::Console => Err(Errno::ENOSYS),
        },
        "access" => access(model, HERE, text(0)?, id(1), 0),
        "faccessat" => access(model, int(0), text(1)?, id(2), 0),
        "faccessat2" => access(model, int(0), text(1)?, id(2), int(3)),
        "chmod" => chmod(model, HERE, text(0)?, id(1), 0),
        "fchmodat" => chmod(model, int(0), text(1)?, id(2), 0),
        "fchmodat2" => chmod(model, int(0), text(1)?, id(2), int(3)),
        "fchmod" => open(model, int(0)).and_then(|file| change_mode(model, file, id(1))),
        "chown" => chown(model, HERE, text(0)?, (id(1), id(2)), 0),
        "lchown" => chown(model, HERE, text(0)?, (id(1), id(2)), STAY),
        "fchownat" => chown(model, int(0), text(1)?, (id(2), id(3)), int(4)),
        "fchown" => open(model, int(0)).and_then(|file| change_owner(model, file, id(1), id(2))),
        "umask" => {
            let former = std::mem::replace(&mut model.umask, id(0) & 0o777);
            return Ok(Some(Reply::Done(former.into())));
        }
        _ => return Ok(None),
    };
    done(result).map(Some)
}

/// The file of a descriptor, to be changed.
///
/// # Errors
/// EBADF; EINVAL for the console.
pub fn open(model: &mut Model, fd: i32) -> Result<Id, Errno> {
    match model.descriptors.file(fd)?.object {
        Object::Inode(id) => Ok(id),
        Object::Console => Err(Errno::EINVAL),
    }
}

/// A path, which may be missing with AT_EMPTY_PATH.
///
/// # Errors
/// EFAULT.
fn path_or_empty<'a>(given: Arguments<'a>, at: usize, flags: i32) -> Result<&'a [u8], Errno> {
    match given.text_or_null(at) {
        None if flags & libc::AT_EMPTY_PATH != 0 => Ok(b""),
        path => path.ok_or(Errno::EFAULT),
    }
}

fn stat(model: &mut Model, at: i32, path: &[u8], flags: i32) -> Done {
    let known = STAY | libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT | SYNC_FLAGS;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 && at != HERE {
        return stat_open(model, at);
    }
    let id = model.resolve(at, path, last_link(flags), flags)?;
    Ok(attributes(model, id))
}

fn stat_open(model: &mut Model, fd: i32) -> Done {
    match model.descriptors.any(fd)?.object {
        Object::Inode(id) => Ok(attributes(model, id)),
        Object::Console => {
            let mut stat = model.stat;
            (stat.st_dev, stat.st_ino) = (0, 1);
            (stat.st_mode, stat.st_nlink) = (libc::S_IFCHR | 0o620, 1);
            (stat.st_uid, stat.st_gid, stat.st_rdev) = (0, 0, libc::makedev(5, 1));
            (stat.st_size, stat.st_blocks, stat.st_blksize) = (0, 0, PAGE as i64);
            (stat.st_atime, stat.st_mtime, stat.st_ctime) = (0, 0, 0);
            (stat.st_atime_nsec, stat.st_mtime_nsec, stat.st_ctime_nsec) = (0, 0, 0);
            Ok(Reply::Stat(stat))
        }
    }
}

fn statx(model: &mut Model, given: Arguments<'_>) -> Done {
    const RESERVED: u32 = 1 << 31;
    let flags = given.int(2);
    let path = path_or_empty(given, 1, flags)?;
    if given.id(3) & RESERVED != 0 || flags & SYNC_FLAGS == SYNC_FLAGS {
        return Err(Errno::EINVAL);
    }
    stat(model, given.int(0), path, flags)
}

fn attributes(model: &Model, id: Id) -> Reply {
    let inode = model.tree.get(id);
    let mut stat = model.stat;
    let number = if let Kind::Node(_, number) = inode.kind { number } else { 0 };
    (stat.st_dev, stat.st_ino, stat.st_rdev) = (1, id, number);
    (stat.st_mode, stat.st_nlink) = (inode.file_type() | inode.mode, inode.links.into());
    if let Kind::Pipe = inode.kind {
        (stat.st_dev, stat.st_nlink) = (2, 1);
    }
    (stat.st_uid, stat.st_gid) = (inode.uid, inode.gid);
    (stat.st_size, stat.st_blksize) = (inode.size() as i64, PAGE as i64);
    stat.st_blocks = (inode.pages() * (PAGE / 512)) as i64;
    (stat.st_atime, stat.st_atime_nsec) = (inode.accessed.seconds, inode.accessed.nanoseconds);
    (stat.st_mtime, stat.st_mtime_nsec) = (inode.modified.seconds, inode.modified.nanoseconds);
    (stat.st_ctime, stat.st_ctime_nsec) = (inode.changed.seconds, inode.changed.nanoseconds);
    Reply::Stat(stat)
}

fn access(model: &mut Model, at: i32, path: &[u8], wanted: u32, flags: i32) -> Result<(), Errno> {
    let known = libc::AT_EACCESS | STAY | libc::AT_EMPTY_PATH;
    if wanted & !7 != 0 || flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    // The walk too is the real user's.
    let files = model.identity.files.clone();
    if flags & libc::AT_EACCESS == 0 {
        model.identity.files = model.identity.real();
    }
    let found = model.resolve(at, path, last_link(flags), flags);
    let result = found.and_then(|id| model.identity.files.check(model.tree.get(id), wanted));
    model.identity.files = files;
    result
}

fn change_flags(flags: i32) -> Result<(), Errno> {
    if flags & !(STAY | libc::AT_EMPTY_PATH) != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

fn chmod(model: &mut Model, at: i32, path: &[u8], mode: u32, flags: i32) -> Result<(), Errno> {
    change_flags(flags)?;
    let id = model.resolve(at, path, last_link(flags), flags)?;
    change_mode(model, id, mode)
}

fn change_mode(model: &mut Model, id: Id, mode: u32) -> Result<(), Errno> {
    let inode = model.tree.get_mut(id);
    let who = &model.identity.files;
    if inode.is_link() {
        return Err(Errno::EOPNOTSUPP);
    }
    if !who.owns(inode) {
        return Err(Errno::EPERM);
    }
    inode.mode = who.mode_for_group(mode & 0o7777, inode.gid);
    inode.changed = model.now;
    Ok(())
}

fn chown(
    model: &mut Model,
    at: i32,
    path: &[u8],
    (uid, gid): (u32, u32),
    flags: i32,
) -> Result<(), Errno> {
    change_flags(flags)?;
    let id = model.resolve(at, path, last_link(flags), flags)?;
    change_owner(model, id, uid, gid)
}

/// `chown(2)`: root may give to anybody; the owner may give to a group of theirs. -1 leaves
/// things as they are.
fn change_owner(model: &mut Model, id: Id, uid: u32, gid: u32) -> Result<(), Errno> {
    const KEEP: u32 = u32::MAX;
    let inode = model.tree.get_mut(id);
    let who = &model.identity.files;
    let is_owner = who.uid == inode.uid;
    let may_give = uid == KEEP || who.is_capable() || is_owner && uid == inode.uid;
    let own_group = gid == inode.gid || who.in_group(gid);
    let may_share = gid == KEEP || who.is_capable() || is_owner && own_group;
    if !may_give || !may_share {
        return Err(Errno::EPERM);
    }
    if !inode.is_directory() {
        // To take the set-ID bits off is to change the mode, which is the owner's to do.
        let mode = who.without_set_ids(inode);
        if mode != inode.mode && !who.owns(inode) {
            return Err(Errno::EPERM);
        }
        inode.mode = mode;
        inode.lose_capabilities();
    }
    inode.uid = if uid == KEEP { inode.uid } else { uid };
    inode.gid = if gid == KEEP { inode.gid } else { gid };
    inode.changed = model.now;
    Ok(())
}
