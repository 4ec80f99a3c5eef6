//! Content: read, write, their kin with positions and vectors, lseek, truncate, ftruncate,
//! fsync, fdatasync, sync, syncfs.

use anchorite_programs::posix::script::{Reply, Value};
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::Object;
use super::super::file::MAX_SIZE;
use super::super::permission::WRITE;
use super::super::tree::{Id, Kind};
use super::super::walk::LastLink;
use super::super::{Done, Model};
use super::{done, pipes};

/// Bytes that one call transfers at most: `read(2)`, NOTES.
pub const TRANSFER_MAX: usize = 0x7fff_f000;
/// Buffers that one call takes: IOV_MAX.
const BUFFERS_MAX: usize = 1024;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    let (int, long) = (|at| given.int(at), |at| given.long(at));
    Some(match name {
        "read" => read_call(model, int(0), None, given.room(1)),
        "pread64" => at(long(2)).and_then(|at| read_call(model, int(0), Some(at), given.room(1))),
        "write" => write_call(model, int(0), None, given.text(1)),
        "pwrite64" => at(long(2)).and_then(|at| write_call(model, int(0), Some(at), given.text(1))),
        "readv" => readv(model, int(0), None, given.list(1), 0),
        "writev" => writev(model, int(0), None, given.list(1), 0),
        "preadv" => at(long(2)).and_then(|at| readv(model, int(0), Some(at), given.list(1), 0)),
        "pwritev" => at(long(2)).and_then(|at| writev(model, int(0), Some(at), given.list(1), 0)),
        "preadv2" => {
            let place = at_or_offset(long(2));
            place.and_then(|at| readv(model, int(0), at, given.list(1), int(3)))
        }
        "pwritev2" => {
            let place = at_or_offset(long(2));
            place.and_then(|at| writev(model, int(0), at, given.list(1), int(3)))
        }
        "lseek" => seek(model, int(0), long(1), int(2)),
        "truncate" => done(truncate(model, given.text(0), long(1))),
        "ftruncate" => done(ftruncate(model, int(0), long(1))),
        "fsync" | "fdatasync" => done(sync(model, int(0))),
        "syncfs" => done(model.descriptors.file(int(0)).map(drop)),
        "sync" => Ok(Reply::Done(0)),
        _ => return None,
    })
}

/// # Errors
/// EINVAL for a position below zero.
fn at(position: i64) -> Result<u64, Errno> {
    u64::try_from(position).map_err(|_| Errno::EINVAL)
}

/// As [`at`]; none, the file offset, for -1.
fn at_or_offset(position: i64) -> Result<Option<u64>, Errno> {
    if position == -1 { Ok(None) } else { at(position).map(Some) }
}

/// # Errors
/// EINVAL for a transfer whose last byte would be behind the largest offset.
pub fn check_area(start: u64, len: usize) -> Result<(), Errno> {
    match start.checked_add(len as u64) {
        Some(end) if end <= MAX_SIZE => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// # Errors
/// ESPIPE for a position where there is none.
fn check_position(model: &mut Model, fd: i32, at: Option<u64>) -> Result<(), Errno> {
    let object = model.descriptors.file(fd)?.object;
    let has_none = object == Object::Console || pipes::is_pipe(model, object).is_some();
    if at.is_some() && has_none { Err(Errno::ESPIPE) } else { Ok(()) }
}

fn read_call(model: &mut Model, fd: i32, at: Option<u64>, len: usize) -> Done {
    check_position(model, fd, at)?;
    model.descriptors.file(fd)?.check_readable()?;
    read(model, fd, at, len).map(Reply::Data)
}

fn write_call(model: &mut Model, fd: i32, at: Option<u64>, bytes: Result<&[u8], Errno>) -> Done {
    check_position(model, fd, at)?;
    model.descriptors.file(fd)?.check_writable()?;
    write(model, fd, at, bytes?, None).map(|done| Reply::Done(done as i64))
}

/// Reads up to `len` bytes at a position, or at the file offset, which moves. The
/// descriptor is readable.
///
/// # Errors
/// EINVAL, EISDIR, ESPIPE.
pub fn read(model: &mut Model, fd: i32, at: Option<u64>, len: usize) -> Result<Vec<u8>, Errno> {
    let description = model.descriptors.file(fd)?;
    let (object, flags) = (description.object, description.flags);
    let start = at.unwrap_or(description.offset);
    let Object::Inode(id) = object else {
        // Nobody types.
        return if at.is_some() { Err(Errno::ESPIPE) } else { Ok(Vec::new()) };
    };
    if pipes::is_pipe(model, object).is_some() {
        return pipes::read(model, id, flags, len);
    }
    check_area(start, len)?;
    let bytes = match &model.tree.get(id).kind {
        Kind::File(content) => content.read(start, len.min(TRANSFER_MAX)),
        Kind::Directory(_) => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    };
    if flags & libc::O_NOATIME == 0 {
        model.tree.get_mut(id).access(model.now);
    }
    if at.is_none() {
        model.descriptors.file(fd)?.offset = start + bytes.len() as u64;
    }
    Ok(bytes)
}

/// Writes `bytes` at a position, or at the file offset, which moves; at the end of the file
/// as `append` says, or else O_APPEND. The descriptor is writable.
///
/// # Errors
/// EINVAL, ESPIPE, EFBIG, ENOSPC.
pub fn write(
    model: &mut Model,
    fd: i32,
    at: Option<u64>,
    bytes: &[u8],
    append: Option<bool>,
) -> Result<usize, Errno> {
    let description = model.descriptors.file(fd)?;
    let (object, flags) = (description.object, description.flags);
    let start = at.unwrap_or(description.offset);
    let Object::Inode(id) = object else {
        return if at.is_some() { Err(Errno::ESPIPE) } else { Ok(bytes.len()) };
    };
    if pipes::is_pipe(model, object).is_some() {
        return pipes::write(model, id, flags, bytes);
    }
    check_area(start, bytes.len())?;
    if bytes.is_empty() {
        return Ok(0);
    }
    let append = append.unwrap_or(flags & libc::O_APPEND != 0);
    let inode = model.tree.get(id);
    let start = if append { inode.size() } else { start };
    let mode = model.identity.files.mode_after_write(inode);
    // A transfer stops at a limit; one that would begin there fails.
    let limit = model.limit(libc::RLIMIT_FSIZE).min(MAX_SIZE);
    if start >= limit {
        return Err(Errno::EFBIG);
    }
    let len = bytes.len().min(TRANSFER_MAX).min((limit - start) as usize);
    let free = model.tree.free_pages();
    let written =
        model.tree.change_content(id, |content| content.write(start, &bytes[..len], free))?;
    if written == 0 {
        return Err(Errno::ENOSPC);
    }
    let inode = model.tree.get_mut(id);
    inode.mode = mode;
    inode.lose_capabilities();
    inode.touch(model.now);
    if at.is_none() {
        model.descriptors.file(fd)?.offset = start + written as u64;
    }
    Ok(written)
}

/// What RWF_APPEND and RWF_NOAPPEND say.
///
/// # Errors
/// EOPNOTSUPP, EINVAL: `preadv2(2)`.
fn append_by_flags(flags: i32) -> Result<Option<bool>, Errno> {
    const NO_APPEND: i32 = 0x20;
    const NO_SIGNAL: i32 = 0x100;
    const WITHOUT_EFFECT: i32 = libc::RWF_HIPRI | libc::RWF_DSYNC | libc::RWF_SYNC | NO_SIGNAL;
    if flags & !(WITHOUT_EFFECT | libc::RWF_APPEND | NO_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    match (flags & libc::RWF_APPEND != 0, flags & NO_APPEND != 0) {
        (true, true) => Err(Errno::EINVAL),
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (false, false) => Ok(None),
    }
}

/// # Errors
/// EFAULT for no vector; EINVAL for too long a one.
fn vector<'a>(list: Option<Arguments<'a>>) -> Result<&'a [Value], Errno> {
    let Arguments(list) = list.ok_or(Errno::EFAULT)?;
    if list.len() > BUFFERS_MAX { Err(Errno::EINVAL) } else { Ok(list) }
}

fn readv(
    model: &mut Model,
    fd: i32,
    at: Option<u64>,
    list: Option<Arguments<'_>>,
    flags: i32,
) -> Done {
    check_position(model, fd, at)?;
    model.descriptors.file(fd)?.check_readable()?;
    let list = vector(list)?;
    let len = (0..list.len()).map(|at| Arguments(list).room(at)).sum();
    // Nothing is looked at for nothing.
    if len == 0 {
        return Ok(Reply::Data(Vec::new()));
    }
    let description = model.descriptors.file(fd)?;
    if let Object::Inode(id) = description.object {
        check_area(at.unwrap_or(description.offset), len)?;
        if model.tree.get(id).is_directory() && flags & !libc::RWF_HIPRI != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
    }
    append_by_flags(flags)?;
    read(model, fd, at, len).map(Reply::Data)
}

fn writev(
    model: &mut Model,
    fd: i32,
    at: Option<u64>,
    list: Option<Arguments<'_>>,
    flags: i32,
) -> Done {
    check_position(model, fd, at)?;
    model.descriptors.file(fd)?.check_writable()?;
    let list = Arguments(vector(list)?);
    let mut bytes = Vec::new();
    for at in 0..list.0.len() {
        bytes.extend_from_slice(list.text(at)?);
    }
    if bytes.is_empty() {
        return Ok(Reply::Done(0));
    }
    let description = model.descriptors.file(fd)?;
    if let Object::Inode(_) = description.object {
        check_area(at.unwrap_or(description.offset), bytes.len())?;
    }
    let append = append_by_flags(flags)?;
    write(model, fd, at, &bytes, append).map(|done| Reply::Done(done as i64))
}

fn seek(model: &mut Model, fd: i32, offset: i64, whence: i32) -> Done {
    let description = model.descriptors.file(fd)?;
    let (object, start) = (description.object, description.offset);
    let (Object::Inode(id), None) = (object, pipes::is_pipe(model, object)) else {
        let is_known = (libc::SEEK_SET..=libc::SEEK_HOLE).contains(&whence);
        return Err(if is_known { Errno::ESPIPE } else { Errno::EINVAL });
    };
    let sum = |base: u64| (base as i64).checked_add(offset).filter(|sum| *sum >= 0);
    let inode = model.tree.get(id);
    let found = match (whence, &inode.kind) {
        (libc::SEEK_SET, _) => sum(0),
        (libc::SEEK_CUR, _) => sum(start),
        (libc::SEEK_END, Kind::File(content)) => sum(content.size()),
        (libc::SEEK_DATA | libc::SEEK_HOLE, Kind::File(content)) => {
            let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            let found = match whence {
                libc::SEEK_DATA => content.data(from),
                _ => content.hole(from),
            };
            Some(found.ok_or(Errno::ENXIO)? as i64)
        }
        _ => None,
    };
    let found = found.ok_or(Errno::EINVAL)?;
    model.descriptors.file(fd)?.offset = found as u64;
    Ok(Reply::Done(found))
}

/// Makes a file `size` bytes long, if it is a regular one.
///
/// # Errors
/// EFBIG.
pub fn resize(model: &mut Model, id: Id, size: u64) -> Result<(), Errno> {
    let inode = model.tree.get(id);
    if size > inode.size() && size > model.limit(libc::RLIMIT_FSIZE) {
        return Err(Errno::EFBIG);
    }
    let mode = model.identity.files.mode_after_write(inode);
    model.tree.change_content(id, |content| content.truncate(size))?;
    let inode = model.tree.get_mut(id);
    inode.mode = mode;
    inode.lose_capabilities();
    inode.touch(model.now);
    Ok(())
}

fn truncate(model: &mut Model, path: Result<&[u8], Errno>, size: i64) -> Result<(), Errno> {
    let size = at(size)?;
    let id = model.resolve(libc::AT_FDCWD, path?, LastLink::Follow, 0)?;
    let inode = model.tree.get(id);
    match inode.kind {
        Kind::File(_) => {}
        Kind::Directory(_) => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    model.identity.files.check(inode, WRITE)?;
    resize(model, id, size)
}

fn ftruncate(model: &mut Model, fd: i32, size: i64) -> Result<(), Errno> {
    let size = at(size)?;
    let description = model.descriptors.file(fd)?;
    description.check_writable().map_err(|_| Errno::EINVAL)?;
    let object = description.object;
    match object {
        _ if pipes::is_pipe(model, object).is_some() => Err(Errno::EINVAL),
        Object::Inode(id) => resize(model, id, size),
        Object::Console => Err(Errno::EINVAL),
    }
}

fn sync(model: &mut Model, fd: i32) -> Result<(), Errno> {
    let object = model.descriptors.file(fd)?.object;
    match object {
        _ if pipes::is_pipe(model, object).is_some() => Err(Errno::EINVAL),
        Object::Inode(_) => Ok(()),
        Object::Console => Err(Errno::EINVAL),
    }
}
