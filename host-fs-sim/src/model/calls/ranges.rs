//! Ranges of files: fallocate, copy_file_range, sendfile; and advice: fadvise64, readahead.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::Object;
use super::super::file::{MAX_SIZE, PAGE};
use super::super::tree::{Id, Kind};
use super::super::{Done, Model};
use super::transfer::{TRANSFER_MAX, check_area, read, write};
use super::{done, pipes};

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    let (int, long) = (|at| given.int(at), |at| given.long(at));
    let position = |at| given.numbers(at).map(|list| list[0]);
    Some(match name {
        "fallocate" => done(allocate(model, int(0), int(1), long(2), long(3))),
        "copy_file_range" => {
            let (from, to) = ((int(0), position(1)), (int(2), position(3)));
            copy_file_range(model, from, to, long(4) as u64, given.id(5))
        }
        "sendfile" => sendfile(model, int(0), int(1), position(2), long(3)),
        "fadvise64" => done(advise(model, int(0), long(2), int(3))),
        "readahead" => done(read_ahead(model, int(0), long(2))),
        _ => return None,
    })
}

fn allocate(model: &mut Model, fd: i32, mode: i32, offset: i64, len: i64) -> Result<(), Errno> {
    const KEEP: i32 = libc::FALLOC_FL_KEEP_SIZE;
    const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE;
    const WRITE_ZEROES: i32 = 0x80;
    let description = model.descriptors.file(fd)?;
    if offset < 0 || len <= 0 {
        return Err(Errno::EINVAL);
    }
    // There is one operation, and some have a size of their own to keep.
    match (mode & !KEEP, mode & KEEP != 0) {
        (0 | libc::FALLOC_FL_UNSHARE_RANGE | libc::FALLOC_FL_ZERO_RANGE, _) => {}
        (PUNCH, true) => {}
        (libc::FALLOC_FL_COLLAPSE_RANGE | libc::FALLOC_FL_INSERT_RANGE | WRITE_ZEROES, false) => {}
        _ => return Err(Errno::EOPNOTSUPP),
    }
    description.check_writable()?;
    let object = description.object;
    if pipes::is_pipe(model, object).is_some() {
        return Err(Errno::ESPIPE);
    }
    let Object::Inode(id) = object else { return Err(Errno::ENODEV) };
    let Kind::File(content) = &model.tree.get(id).kind else { return Err(Errno::ENODEV) };
    let end = offset.checked_add(len).ok_or(Errno::EFBIG)? as u64;
    let (offset, size) = (offset as u64, content.size());
    match mode {
        0 | KEEP => {
            if end > size && end > model.limit(libc::RLIMIT_FSIZE) {
                return Err(Errno::EFBIG);
            }
            if content.missing(offset, end) > model.tree.free_pages() {
                return Err(Errno::ENOSPC);
            }
            model.tree.change_content(id, |content| {
                content.allocate(offset, end);
                if mode == 0 && end > size {
                    content.truncate(end);
                }
            })?;
        }
        mode if mode == PUNCH | KEEP => {
            model.tree.change_content(id, |content| content.punch(offset, end))?;
        }
        _ => return Err(Errno::EOPNOTSUPP),
    }
    let mode = model.identity.files.mode_after_write(model.tree.get(id));
    let inode = model.tree.get_mut(id);
    inode.mode = mode;
    inode.lose_capabilities();
    inode.touch(model.now);
    Ok(())
}

/// # Errors
/// EISDIR; EINVAL for what else is no regular file.
fn regular(model: &Model, object: Object) -> Result<Id, Errno> {
    match object {
        Object::Inode(id) => match model.tree.get(id).kind {
            Kind::File(_) => Ok(id),
            Kind::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        },
        Object::Console => Err(Errno::EINVAL),
    }
}

/// The order of checks is that of Linux' `generic_copy_file_checks`.
fn copy_file_range(
    model: &mut Model,
    (input, input_at): (i32, Option<i64>),
    (output, output_at): (i32, Option<i64>),
    len: u64,
    flags: u32,
) -> Done {
    let from = model.descriptors.file(input)?.clone();
    let to = model.descriptors.file(output)?.clone();
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let ids = [regular(model, from.object), regular(model, to.object)];
    if ids.contains(&Err(Errno::EISDIR)) {
        return Err(Errno::EISDIR);
    }
    let [from_id, to_id] = [ids[0]?, ids[1]?];
    from.check_readable()?;
    to.check_writable()?;
    if to.flags & libc::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    let first = input_at.unwrap_or(from.offset as i64);
    let second = output_at.unwrap_or(to.offset as i64);
    for start in [first, second] {
        (start as u64).checked_add(len).ok_or(Errno::EOVERFLOW)?;
    }
    let size = model.tree.get(from_id).size() as i64;
    let left = if first >= size { 0 } else { size.saturating_sub(first) as u64 };
    let limit = model.limit(libc::RLIMIT_FSIZE);
    let at_limit = second >= 0 && second as u64 >= limit.min(MAX_SIZE);
    if at_limit {
        return Err(Errno::EFBIG);
    }
    if first < 0 || second < 0 {
        return Err(Errno::EINVAL);
    }
    let len = len.min(left).min(limit - second as u64).min(MAX_SIZE - second as u64) as i64;
    if from_id == to_id && first < second + len && second < first + len {
        return Err(Errno::EINVAL);
    }
    let len = (len as usize).min(TRANSFER_MAX);
    let done = copy((model, len), (input, first as u64), (output, Some(second as u64)))? as i64;
    if input_at.is_none() {
        model.descriptors.file(input)?.offset = (first + done) as u64;
    }
    if output_at.is_none() {
        model.descriptors.file(output)?.offset = (second + done) as u64;
    }
    let positions = [input_at, output_at].into_iter().flatten();
    Ok(Reply::Numbers(done, positions.map(|position| position + done).collect()))
}

fn sendfile(model: &mut Model, output: i32, input: i32, position: Option<i64>, len: i64) -> Done {
    let from = model.descriptors.file(input)?.clone();
    from.check_readable()?;
    let from_pipe = pipes::is_pipe(model, from.object);
    if position.is_some() && (from.object == Object::Console || from_pipe.is_some()) {
        return Err(Errno::ESPIPE);
    }
    let start = position.unwrap_or(from.offset as i64);
    if start < 0 || len < 0 {
        return Err(Errno::EINVAL);
    }
    check_area(start as u64, len as usize)?;
    let len = (len as usize).min(TRANSFER_MAX);
    let to = model.descriptors.file(output)?.clone();
    to.check_writable()?;
    check_area(to.offset, len)?;
    let to_pipe = pipes::is_pipe(model, to.object);
    if to.flags & libc::O_APPEND != 0 && to_pipe.is_none() {
        return Err(Errno::EINVAL);
    }
    match (from_pipe, to_pipe) {
        (_, Some(pipe)) => pipes::room(model, pipe, to.flags)?,
        (Some(_), None) => return Err(Errno::EINVAL),
        (None, None) => {}
    }
    let mut done = 0;
    let is_regular = regular(model, from.object).is_ok();
    if len == 0 || !is_regular {
        if let Object::Inode(id) = from.object
            && from.flags & libc::O_NOATIME == 0
            && to_pipe.is_none()
        {
            model.tree.get_mut(id).access(model.now); // as Linux has it
        }
        if len > 0 {
            return Err(Errno::EINVAL);
        }
    } else {
        done = copy((model, len), (input, start as u64), (output, None))? as i64;
    }
    match position {
        Some(position) => Ok(Reply::Numbers(done, vec![position + done])),
        None => {
            if done > 0 {
                model.descriptors.file(input)?.offset = (start + done) as u64;
            }
            Ok(Reply::Numbers(done, Vec::new()))
        }
    }
}

/// Copies up to `len` bytes, a page at a time, to a position or to the file offset, until
/// the input ends or room does.
fn copy(
    (model, len): (&mut Model, usize),
    (input, first): (i32, u64),
    (output, second): (i32, Option<u64>),
) -> Result<usize, Errno> {
    let mut done = 0;
    while done < len {
        let start = first + done as u64;
        let piece =
            read(model, input, Some(start), (len - done).min((PAGE - start % PAGE) as usize))?;
        if piece.is_empty() {
            break;
        }
        let object = model.descriptors.file(output)?.object;
        if let Some(pipe) = pipes::is_pipe(model, object) {
            if model.pipes[&pipe].is_full() {
                break; // what was sent is enough
            }
            done += pipes::send(model, pipe, &piece);
            continue;
        }
        let place = second.map(|second| second + done as u64);
        match write(model, output, place, &piece, None) {
            Ok(written) => {
                done += written;
                if written < piece.len() {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}

fn advise(model: &mut Model, fd: i32, len: i64, advice: i32) -> Result<(), Errno> {
    let object = model.descriptors.file(fd)?.object;
    if pipes::is_pipe(model, object).is_some() {
        return Err(Errno::ESPIPE);
    }
    let description = model.descriptors.file(fd)?;
    let known = libc::POSIX_FADV_NORMAL..=libc::POSIX_FADV_NOREUSE;
    if description.object == Object::Console || len < 0 || !known.contains(&advice) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn read_ahead(model: &mut Model, fd: i32, len: i64) -> Result<(), Errno> {
    let description = model.descriptors.file(fd)?;
    description.check_readable()?;
    let object = description.object;
    regular(model, object).map(drop).map_err(|_| Errno::EINVAL)?;
    if len < 0 { Err(Errno::EINVAL) } else { Ok(()) }
}
