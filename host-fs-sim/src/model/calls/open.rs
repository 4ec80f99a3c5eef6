//! Making and ending descriptors: open, openat, creat, close, close_range, dup, dup2, dup3,
//! fcntl.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::{Description, Object};
use super::super::file::Content;
use super::super::permission::{EXECUTE, READ, WRITE};
use super::super::tree::{Id, Kind};
use super::super::walk::{Last, LastLink, check_path};
use super::super::{Done, Model};
use super::{O_LARGEFILE, done, fd, locks, pipes};

/// The bit of O_TMPFILE that is not O_DIRECTORY.
const TMPFILE: i32 = libc::O_TMPFILE & !libc::O_DIRECTORY;
/// Flags that count beside O_PATH.
const PATH_FLAGS: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
/// Flags of the opening alone, not of the open file.
const OPENING_FLAGS: i32 =
    libc::O_CREAT | libc::O_EXCL | libc::O_NOCTTY | libc::O_TRUNC | libc::O_CLOEXEC;
/// Flags that F_SETFL changes.
const SETTABLE: i32 = libc::O_APPEND | libc::O_NONBLOCK | libc::O_DIRECT | libc::O_NOATIME;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    let (int, id) = (|at| given.int(at), |at| given.id(at));
    Some(match name {
        "open" => fd(open_at(model, libc::AT_FDCWD, given.text(0), int(1), id(2))),
        "openat" => fd(open_at(model, int(0), given.text(1), int(2), id(3))),
        "creat" => {
            let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
            fd(open_at(model, libc::AT_FDCWD, given.text(0), flags, id(1)))
        }
        "close" => done(close(model, int(0))),
        "close_range" => done(close_range(model, id(0), id(1), id(2))),
        "dup" => fd(duplicate(model, int(0), 0, false)),
        "dup2" if int(0) == int(1) => fd(model.descriptors.any(int(0)).map(|_| int(1))),
        "dup2" => fd(dup3(model, int(0), int(1), 0)),
        "dup3" => fd(dup3(model, int(0), int(1), int(2))),
        "fcntl" => fcntl(model, int(0), int(1), given.int(2)),
        _ => return None,
    })
}

fn open_at(
    model: &mut Model,
    at: i32,
    path: Result<&[u8], Errno>,
    flags: i32,
    mode: u32,
) -> Result<i32, Errno> {
    let has = |flag: i32| flags & flag != 0;
    let flags = if has(libc::O_PATH) { flags & PATH_FLAGS } else { flags };
    let has_also = |flag: i32| flags & flag != 0;
    if has_also(libc::O_CREAT) && has_also(libc::O_DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    if has_also(TMPFILE) {
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
        if !has_also(libc::O_DIRECTORY) || has_also(libc::O_CREAT) || !writes {
            return Err(Errno::EINVAL);
        }
    }
    let path = path?;
    check_path(path)?;
    let fd = model.descriptors.free(0, model.limit(libc::RLIMIT_NOFILE))?;
    let mode = mode & 0o7777;
    let id = if has_also(TMPFILE) {
        open_unnamed(model, at, path, flags, mode)?
    } else if has_also(libc::O_PATH) {
        open_path(model, at, path, flags)?
    } else {
        open_named(model, at, path, flags, mode)?
    };
    let object = Object::Inode(id);
    let is_pipe = !has_also(libc::O_PATH) && pipes::is_pipe(model, object).is_some();
    let seen = if is_pipe { pipes::open(model, id, flags)? } else { 0 };
    model.tree.pin(id);
    let kept = flags & !OPENING_FLAGS;
    let kept = if has_also(libc::O_PATH) { kept } else { kept | O_LARGEFILE };
    let mut description = Description::new(object, kept);
    description.seen = seen;
    model.descriptors.open(fd, description, has_also(libc::O_CLOEXEC));
    Ok(fd)
}

fn last_link(flags: i32) -> LastLink {
    if flags & libc::O_NOFOLLOW != 0 { LastLink::Stay } else { LastLink::Follow }
}

fn open_unnamed(
    model: &mut Model,
    at: i32,
    path: &[u8],
    flags: i32,
    mode: u32,
) -> Result<Id, Errno> {
    let directory = model.resolve(at, path, last_link(flags), 0)?;
    model.tree.get(directory).directory()?;
    let who = &model.identity.files;
    who.check(model.tree.get(directory), WRITE | EXECUTE)?;
    let kind = Kind::File(Content::default());
    let file = model.tree.make(directory, kind, mode, who, model.now)?;
    // After a set-group-ID directory saw what was asked for.
    model.tree.get_mut(file).mode &= !model.umask;
    let inode = model.tree.get_mut(file);
    inode.links = 0;
    inode.linkable = flags & libc::O_EXCL == 0;
    Ok(file)
}

fn open_path(model: &mut Model, at: i32, path: &[u8], flags: i32) -> Result<Id, Errno> {
    let id = model.resolve(at, path, last_link(flags), 0)?;
    if flags & libc::O_DIRECTORY != 0 {
        model.tree.get(id).directory()?;
    }
    Ok(id)
}

fn open_named(model: &mut Model, at: i32, path: &[u8], flags: i32, mode: u32) -> Result<Id, Errno> {
    let create = flags & libc::O_CREAT != 0;
    // A file that must be new is no link's target.
    let exclusive = create && flags & libc::O_EXCL != 0;
    let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
    let mut directory_only = flags & libc::O_DIRECTORY != 0;
    let mut walk = model.walk(at, path)?;
    let id = loop {
        let last = walk.reach_last(&mut model.tree, &model.identity.files, model.now)?;
        let (name, slash) = match last {
            Last::Name { name, slash } => (name, slash),
            Last::Dot | Last::Root => break walk.at,
            Last::DotDot => break walk.above(&model.tree)?,
        };
        if create && slash {
            return Err(Errno::EISDIR);
        }
        directory_only |= slash;
        let found = model.tree.find(walk.at, &name)?;
        match found {
            None if create => return create_named(model, walk.at, &name, mode),
            None => return Err(Errno::ENOENT),
            Some(link) if model.tree.get(link).is_link() && (follow || slash) => {
                walk.follow(&mut model.tree, link, model.now)?;
            }
            Some(id) => break id,
        }
    };
    let inode = model.tree.get(id);
    if exclusive {
        return Err(Errno::EEXIST);
    }
    if create && inode.is_directory() {
        return Err(Errno::EISDIR);
    }
    if directory_only && !inode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    may_open(model, id, flags)?;
    if flags & libc::O_TRUNC != 0 && matches!(model.tree.get(id).kind, Kind::File(_)) {
        super::transfer::resize(model, id, 0)?;
    }
    Ok(id)
}

fn create_named(model: &mut Model, directory: Id, name: &[u8], mode: u32) -> Result<Id, Errno> {
    let who = &model.identity.files;
    who.check(model.tree.get(directory), WRITE | EXECUTE)?;
    let kind = Kind::File(Content::default());
    let file = model.tree.make(directory, kind, mode, who, model.now)?;
    // After a set-group-ID directory saw what was asked for.
    model.tree.get_mut(file).mode &= !model.umask;
    model.tree.directory_mut(directory)?.insert(name, file);
    model.tree.get_mut(directory).touch(model.now);
    Ok(file)
}

/// Whether a file that exists may be opened.
///
/// # Errors
/// ELOOP for a symbolic link; EISDIR; EACCES; EPERM for O_NOATIME; ENXIO for a device that
/// nobody drives; EINVAL for O_DIRECT on a directory.
fn may_open(model: &Model, id: Id, flags: i32) -> Result<(), Errno> {
    let inode = model.tree.get(id);
    let mut wanted = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => READ,
        libc::O_WRONLY => WRITE,
        _ => READ | WRITE,
    };
    if flags & libc::O_TRUNC != 0 {
        wanted |= WRITE;
    }
    match inode.kind {
        Kind::Link(_) => return Err(Errno::ELOOP),
        Kind::Directory(_) if wanted & WRITE != 0 => return Err(Errno::EISDIR),
        _ => {}
    }
    let who = &model.identity.files;
    who.check(inode, wanted)?;
    if flags & libc::O_NOATIME != 0 && !who.owns(inode) {
        return Err(Errno::EPERM);
    }
    if let Kind::Node(libc::S_IFSOCK | libc::S_IFCHR | libc::S_IFBLK, _) = inode.kind {
        return Err(Errno::ENXIO);
    }
    check_direct(model, id, flags)
}

/// # Errors
/// EINVAL for O_DIRECT on a directory.
fn check_direct(model: &Model, id: Id, flags: i32) -> Result<(), Errno> {
    if flags & libc::O_DIRECT != 0 && model.tree.get(id).is_directory() {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn close(model: &mut Model, fd: i32) -> Result<(), Errno> {
    let (number, file) = (model.descriptors.number(fd)?, model.descriptors.any(fd)?.clone());
    let closed = model.descriptors.close(fd)?;
    locks::descriptor_closed(model, &file);
    if closed.is_some() {
        locks::description_closed(model, number, file.object);
    }
    if let Some(closed) = closed
        && let Object::Inode(id) = closed.object
    {
        if !closed.is_path() && pipes::is_pipe(model, closed.object).is_some() {
            pipes::close(model, id, closed.flags);
        }
        model.tree.unpin(id);
    }
    Ok(())
}

fn close_range(model: &mut Model, first: u32, last: u32, flags: u32) -> Result<(), Errno> {
    if flags & !(libc::CLOSE_RANGE_CLOEXEC | libc::CLOSE_RANGE_UNSHARE) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    let mut next = first;
    while let Some(fd) = model.descriptors.next_open(next, last) {
        if flags & libc::CLOSE_RANGE_CLOEXEC != 0 {
            model.descriptors.get(fd)?.close_on_exec = true;
        } else {
            close(model, fd)?;
        }
        next = fd as u32 + 1;
    }
    Ok(())
}

fn duplicate(model: &mut Model, old: i32, least: i32, cloexec: bool) -> Result<i32, Errno> {
    model.descriptors.any(old)?;
    let new = model.descriptors.free(least, model.limit(libc::RLIMIT_NOFILE))?;
    model.descriptors.copy(old, new, cloexec)?;
    Ok(new)
}

fn dup3(model: &mut Model, old: i32, new: i32, flags: i32) -> Result<i32, Errno> {
    if flags & !libc::O_CLOEXEC != 0 || old == new {
        return Err(Errno::EINVAL);
    }
    if new < 0 || new as u64 >= model.limit(libc::RLIMIT_NOFILE) {
        return Err(Errno::EBADF);
    }
    model.descriptors.any(old)?;
    match close(model, new) {
        Ok(()) | Err(Errno::EBADF) => {}
        Err(errno) => return Err(errno),
    }
    model.descriptors.copy(old, new, flags & libc::O_CLOEXEC != 0)?;
    Ok(new)
}

fn fcntl(model: &mut Model, number: i32, command: i32, argument: i32) -> Done {
    let description = model.descriptors.any(number)?.clone();
    match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
            if argument < 0 || argument as u64 >= model.limit(libc::RLIMIT_NOFILE) {
                return Err(Errno::EINVAL);
            }
            fd(duplicate(model, number, argument, command == libc::F_DUPFD_CLOEXEC))
        }
        libc::F_GETFD => Ok(Reply::Done(model.descriptors.get(number)?.close_on_exec.into())),
        libc::F_SETFD => {
            model.descriptors.get(number)?.close_on_exec = argument & libc::FD_CLOEXEC != 0;
            Ok(Reply::Done(0))
        }
        libc::F_GETFL => Ok(Reply::Done(description.flags.into())),
        _ if description.is_path() => Err(Errno::EBADF),
        libc::F_GETPIPE_SZ => pipes::size(model, description.object, None),
        libc::F_SETPIPE_SZ => pipes::size(model, description.object, Some(argument as u32)),
        libc::F_SETFL => {
            let who = &model.identity.files;
            if let Object::Inode(id) = description.object {
                let noatime = argument & !description.flags & libc::O_NOATIME != 0;
                if noatime && !who.owns(model.tree.get(id)) {
                    return Err(Errno::EPERM);
                }
                check_direct(model, id, argument)?;
            }
            let kept = description.flags & !SETTABLE;
            model.descriptors.any(number)?.flags = kept | argument & SETTABLE;
            Ok(Reply::Done(0))
        }
        _ => Err(Errno::EINVAL),
    }
}
