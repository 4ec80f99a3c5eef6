//! Pipes: pipe, pipe2, the opening and closing of fifos, transfers, sizes. A call that would
//! wait is a mistake in a test, since there is nobody to wait for: it panics.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::{Description, Object};
use super::super::file::PAGE;
use super::super::pipe::{Form, Pipe};
use super::super::tree::{Id, Kind};
use super::super::{Done, Model};

/// Bytes that a pipe may have for anybody.
const FOR_ALL: u64 = 1 << 20;
const MOST: u64 = 1 << 31;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    Some(match name {
        "pipe" => pipe(model, 0),
        "pipe2" => pipe(model, given.int(0)),
        _ => return None,
    })
}

fn pipe(model: &mut Model, flags: i32) -> Done {
    if flags & !(libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let limit = model.limit(libc::RLIMIT_NOFILE);
    let output = model.descriptors.free(0, limit)?;
    let input = model.descriptors.free(output + 1, limit)?;
    let id = model.tree.make_pipe(&model.identity.files, model.now);
    let nonblock = flags & libc::O_NONBLOCK;
    let ends = [
        (output, libc::O_RDONLY | nonblock),
        (input, libc::O_WRONLY | nonblock | flags & libc::O_DIRECT),
    ];
    for (fd, flags_of_end) in ends {
        model.tree.pin(id);
        count(model, id, flags_of_end);
        let description = Description::new(Object::Inode(id), flags_of_end);
        model.descriptors.open(fd, description, flags & libc::O_CLOEXEC != 0);
    }
    Ok(Reply::Numbers(0, vec![output.into(), input.into()]))
}

/// Whether it is a fifo, with a name or without.
pub fn is_pipe(model: &Model, object: Object) -> Option<Id> {
    let Object::Inode(id) = object else { return None };
    match model.tree.get(id).kind {
        Kind::Pipe | Kind::Node(libc::S_IFIFO, _) => Some(id),
        _ => None,
    }
}

fn reads(flags: i32) -> bool {
    matches!(flags & libc::O_ACCMODE, libc::O_RDONLY | libc::O_RDWR)
}

fn writes(flags: i32) -> bool {
    matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR)
}

fn count(model: &mut Model, id: Id, flags: i32) {
    let pipe = model.pipes.entry(id).or_default();
    pipe.readers += usize::from(reads(flags));
    pipe.writers += usize::from(writes(flags));
    pipe.opened_to_write += usize::from(writes(flags));
}

/// Opens a fifo; how often it had been opened to write, if a reader is to know that.
///
/// # Errors
/// EINVAL for no access mode; ENXIO; EINVAL for O_DIRECT.
pub fn open(model: &mut Model, id: Id, flags: i32) -> Result<usize, Errno> {
    if !reads(flags) && !writes(flags) {
        return Err(Errno::EINVAL);
    }
    let (readers, writers, opened) = model
        .pipes
        .get(&id)
        .map_or((0, 0, 0), |pipe| (pipe.readers, pipe.writers, pipe.opened_to_write));
    let waits = flags & libc::O_NONBLOCK == 0;
    let is_alone = match (reads(flags), writes(flags)) {
        (true, false) => writers == 0,
        (false, true) => readers == 0,
        _ => false,
    };
    assert!(!(is_alone && waits), "the open of a fifo would wait for ever");
    if is_alone && writes(flags) {
        return Err(Errno::ENXIO);
    }
    if flags & libc::O_DIRECT != 0 {
        return Err(Errno::EINVAL);
    }
    count(model, id, flags);
    Ok(if is_alone { opened } else { 0 })
}

/// Closes a description of a pipe.
pub fn close(model: &mut Model, id: Id, flags: i32) {
    let Some(pipe) = model.pipes.get_mut(&id) else { return };
    pipe.readers -= usize::from(reads(flags));
    pipe.writers -= usize::from(writes(flags));
    if (pipe.readers, pipe.writers) == (0, 0) {
        model.pipes.remove(&id);
    }
}

fn of(model: &mut Model, id: Id) -> &mut Pipe {
    model.pipes.get_mut(&id).expect("an open fifo has a pipe")
}

/// Whether transfers mark times: of a pipe that `pipe(2)` made they do not, on Linux since 6.15.
fn has_name(model: &Model, id: Id) -> bool {
    !matches!(model.tree.get(id).kind, Kind::Pipe)
}

/// # Errors
/// EAGAIN.
pub fn read(model: &mut Model, id: Id, flags: i32, len: usize) -> Result<Vec<u8>, Errno> {
    let pipe = of(model, id);
    if len == 0 || pipe.is_empty() && pipe.writers == 0 {
        return Ok(Vec::new());
    }
    let bytes = pipe.read(len);
    if bytes.is_empty() {
        assert!(flags & libc::O_NONBLOCK != 0, "a read of a pipe would wait for ever");
        return Err(Errno::EAGAIN);
    }
    if flags & libc::O_NOATIME == 0 && has_name(model, id) {
        model.tree.get_mut(id).access(model.now);
    }
    Ok(bytes)
}

/// # Errors
/// EPIPE, EAGAIN.
pub fn write(model: &mut Model, id: Id, flags: i32, bytes: &[u8]) -> Result<usize, Errno> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let pipe = of(model, id);
    if pipe.readers == 0 {
        return Err(Errno::EPIPE);
    }
    let form = if flags & libc::O_DIRECT != 0 { Form::Packet } else { Form::Stream };
    let done = pipe.write(bytes, form);
    let waits = flags & libc::O_NONBLOCK == 0;
    assert!(!(waits && done < bytes.len()), "a write to a pipe would wait for ever");
    if done == 0 {
        return Err(Errno::EAGAIN);
    }
    if has_name(model, id) {
        model.tree.get_mut(id).touch(model.now);
    }
    Ok(done)
}

/// Whether there is room for what is sent.
///
/// # Errors
/// EPIPE, EAGAIN.
pub fn room(model: &mut Model, id: Id, flags: i32) -> Result<(), Errno> {
    let pipe = of(model, id);
    if pipe.readers == 0 {
        return Err(Errno::EPIPE);
    }
    let is_full = pipe.is_full();
    assert!(!is_full || flags & libc::O_NONBLOCK != 0, "sending to a pipe would wait for ever");
    if is_full { Err(Errno::EAGAIN) } else { Ok(()) }
}

/// Sends a page to where there is room for it.
pub fn send(model: &mut Model, id: Id, bytes: &[u8]) -> usize {
    of(model, id).write(bytes, Form::Page)
}

/// F_GETPIPE_SZ, or F_SETPIPE_SZ.
///
/// # Errors
/// EBADF, EINVAL, EPERM, EBUSY.
pub fn size(model: &mut Model, object: Object, new: Option<u32>) -> Done {
    let id = is_pipe(model, object).ok_or(Errno::EBADF)?;
    let is_root = model.identity.is_privileged();
    let pipe = of(model, id);
    if let Some(new) = new {
        let new = u64::from(new).max(PAGE).next_power_of_two();
        let pieces = (new / PAGE) as usize;
        if new > MOST {
            return Err(Errno::EINVAL);
        }
        if pieces > pipe.capacity && new > FOR_ALL && !is_root {
            return Err(Errno::EPERM);
        }
        if !pipe.resize(pieces) {
            return Err(Errno::EBUSY);
        }
    }
    i32::try_from(pipe.capacity as u64 * PAGE)
        .map_or(Err(Errno::EINVAL), |size| Ok(Reply::Done(size.into())))
}
