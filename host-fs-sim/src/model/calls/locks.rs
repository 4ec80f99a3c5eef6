//! Locks: flock, and fcntl with a `struct flock`. A call that would wait is a mistake in a test: it
//! panics.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::descriptors::{Description, Object};
use super::super::locks::{Kind, Owner, Request, meet};
use super::super::tree::Kind as File;
use super::super::{Done, Model};
use super::done;

/// What `flock(2)` takes no notice of.
const LOCK_MAND: i32 = 32;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    Some(match name {
        "flock" => done(flock(model, given.int(0), given.int(1))),
        "fcntl_setlk" | "fcntl_getlk" => {
            let told = ranges(model, given);
            told.map(|lock| match name {
                "fcntl_getlk" => Reply::Numbers(0, lock),
                _ => Reply::Done(0),
            })
        }
        _ => return None,
    })
}

fn flock(model: &mut Model, fd: i32, operation: i32) -> Result<(), Errno> {
    if operation & LOCK_MAND != 0 {
        return Ok(());
    }
    let kind = match operation & !libc::LOCK_NB {
        libc::LOCK_SH => Some(Kind::Read),
        libc::LOCK_EX => Some(Kind::Write),
        libc::LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let number = model.descriptors.number(fd)?;
    let file = model.descriptors.file(fd)?;
    if kind.is_some() && file.check_readable().is_err() {
        file.check_writable()?;
    }
    let object = file.object;
    let locks = model.locks.entry(object).or_default();
    let is_done = match kind {
        Some(kind) => locks.lock_whole(number, kind),
        None => {
            locks.unlock_whole(number);
            true
        }
    };
    tidy(model, object);
    assert!(is_done || operation & libc::LOCK_NB != 0, "flock would wait for ever");
    if is_done { Ok(()) } else { Err(Errno::EAGAIN) }
}

/// Does what is asked; returns the fields of the lock as they are then.
fn ranges(model: &mut Model, given: Arguments<'_>) -> Result<Vec<i64>, Errno> {
    let (fd, command) = (given.int(0), given.int(1));
    let file = model.descriptors.file(fd)?.clone();
    let (is_process, asks) = match command {
        libc::F_GETLK => (true, true),
        libc::F_SETLK | libc::F_SETLKW => (true, false),
        libc::F_OFD_GETLK => (false, true),
        libc::F_OFD_SETLK | libc::F_OFD_SETLKW => (false, false),
        _ => return Err(Errno::EINVAL),
    };
    let lock = given.numbers(2).ok_or(Errno::EFAULT)?;
    let kind = match lock[0] as i16 {
        0 => Ok(Some(Kind::Read)),
        1 => Ok(Some(Kind::Write)),
        2 => Ok(None),
        _ => Err(Errno::EINVAL),
    };
    if command == libc::F_GETLK && kind?.is_none() {
        return Err(Errno::EINVAL);
    }
    let bytes = bytes(model, &file, lock[1] as i16, lock[2], lock[3])?;
    let kind = kind?;
    match kind {
        Some(Kind::Read) if !asks => file.check_readable()?,
        Some(Kind::Write) if !asks => file.check_writable()?,
        _ => {}
    }
    if !is_process && lock[4] as i32 != 0 {
        return Err(Errno::EINVAL);
    }
    let owner = match is_process {
        true => Owner::Process,
        false => Owner::Description(model.descriptors.number(fd)?),
    };
    let request = Request { owner, bytes, kind };
    let locks = model.locks.entry(file.object).or_default();
    let mut found = locks.conflict(request);
    if asks && kind.is_none() {
        let own = locks.of(owner).into_iter().find(|(other, _)| meet(*other, bytes));
        found = own.map(|(bytes, kind)| (owner, bytes, kind));
    }
    let mut told = lock;
    if asks {
        match found {
            None => told[0] = 2,
            Some((owner, (first, last), kind)) => {
                let len = if last == i64::MAX { 0 } else { last - first + 1 };
                let pid = if owner == Owner::Process { 1 } else { -1 };
                told = vec![(kind == Kind::Write).into(), 0, first, len, pid];
            }
        }
    } else if found.is_none() {
        locks.grant(request);
    }
    tidy(model, file.object);
    let waits = matches!(command, libc::F_SETLKW | libc::F_OFD_SETLKW);
    assert!(!waits || found.is_none(), "fcntl would wait for ever");
    if !asks && found.is_some() { Err(Errno::EAGAIN) } else { Ok(told) }
}

/// The bytes that a lock names.
///
/// # Errors
/// EINVAL, EOVERFLOW.
fn bytes(
    model: &Model,
    file: &Description,
    whence: i16,
    start: i64,
    len: i64,
) -> Result<(i64, i64), Errno> {
    let base = match (whence, file.object) {
        (0, _) => 0,
        (1, _) => file.offset,
        (2, Object::Inode(id)) => match &model.tree.get(id).kind {
            File::File(_) | File::Directory(_) => model.tree.get(id).size(),
            _ => 0,
        },
        (2, Object::Console) => 0,
        _ => return Err(Errno::EINVAL),
    };
    // In numbers that are large enough for any sum.
    let (start, len) = (i128::from(base) + i128::from(start), i128::from(len));
    let end = i128::from(i64::MAX);
    if start > end {
        return Err(Errno::EOVERFLOW);
    }
    let (first, last) = match len {
        0 => (start, end),
        1.. => (start, start + len - 1),
        _ => (start + len, start - 1),
    };
    if start < 0 || first < 0 {
        return Err(Errno::EINVAL);
    }
    if last > end {
        return Err(Errno::EOVERFLOW);
    }
    Ok((first as i64, last as i64))
}

/// What the closing of a descriptor does: the process loses its locks of the file.
pub fn descriptor_closed(model: &mut Model, file: &Description) {
    if !file.is_path()
        && let Some(locks) = model.locks.get_mut(&file.object)
    {
        locks.give_up(Owner::Process);
        tidy(model, file.object);
    }
}

/// What the closing of the last descriptor of a description does: it loses its own.
pub fn description_closed(model: &mut Model, number: usize, object: Object) {
    if let Some(locks) = model.locks.get_mut(&object) {
        locks.give_up(Owner::Description(number));
        locks.unlock_whole(number);
        tidy(model, object);
    }
}

fn tidy(model: &mut Model, object: Object) {
    if model.locks.get(&object).is_some_and(|locks| locks.is_empty()) {
        model.locks.remove(&object);
    }
}
