//! Setting times: utimensat, futimens, utimes, futimesat, utime.

use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::permission::WRITE;
use super::super::tree::{Id, Time};
use super::super::{Done, Model, last_link};
use super::attributes::open;
use super::done;

const HERE: i32 = libc::AT_FDCWD;
const NOW: i64 = libc::UTIME_NOW;
const OMIT: i64 = libc::UTIME_OMIT;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    Some(done(match name {
        "utimensat" => {
            let (path, times) = (given.text_or_null(1), given.times(2));
            unless_omitted(times, |times| set(model, given.int(0), path, times, given.int(3)))
        }
        "futimens" => {
            unless_omitted(given.times(1), |times| set(model, given.int(0), None, times, 0))
        }
        "utimes" => micro(given.times(1))
            .and_then(|times| set(model, HERE, given.text_or_null(0), times, 0)),
        "futimesat" => micro(given.times(2))
            .and_then(|times| set(model, given.int(0), given.text_or_null(1), times, 0)),
        "utime" => {
            let time = |seconds| Time { seconds, nanoseconds: 0 };
            let times = given.numbers(1).map(|list| [time(list[0]), time(list[1])]);
            set(model, HERE, given.text_or_null(0), times, 0)
        }
        _ => return None,
    }))
}

/// Sets times, unless both are left as they are: then nothing is looked at.
fn unless_omitted(
    times: Option<[Time; 2]>,
    set: impl FnOnce(Option<[Time; 2]>) -> Result<(), Errno>,
) -> Result<(), Errno> {
    match times {
        Some([Time { nanoseconds: OMIT, .. }, Time { nanoseconds: OMIT, .. }]) => Ok(()),
        times => set(times),
    }
}

/// Times that have microseconds.
///
/// # Errors
/// EINVAL for more than a second of them.
fn micro(times: Option<[Time; 2]>) -> Result<Option<[Time; 2]>, Errno> {
    let Some(times) = times else { return Ok(None) };
    if !times.iter().all(|time| (0..1_000_000).contains(&time.nanoseconds)) {
        return Err(Errno::EINVAL);
    }
    Ok(Some(times.map(|time| Time { nanoseconds: time.nanoseconds * 1000, ..time })))
}

fn set(
    model: &mut Model,
    at: i32,
    path: Option<&[u8]>,
    times: Option<[Time; 2]>,
    flags: i32,
) -> Result<(), Errno> {
    let id = match path {
        None if at != HERE => {
            if flags != 0 {
                return Err(Errno::EINVAL);
            }
            open(model, at)?
        }
        path => {
            let path = path.ok_or(Errno::EFAULT)?;
            if flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
                return Err(Errno::EINVAL);
            }
            model.resolve(at, path, last_link(flags), flags)?
        }
    };
    change(model, id, times)
}

/// Sets access and modification time; to now for none.
fn change(model: &mut Model, id: Id, times: Option<[Time; 2]>) -> Result<(), Errno> {
    let now = Time { seconds: 0, nanoseconds: NOW };
    let [access, modification] = times.unwrap_or([now; 2]);
    let special = [NOW, OMIT];
    for part in [access.nanoseconds, modification.nanoseconds] {
        if !(0..1_000_000_000).contains(&part) && !special.contains(&part) {
            return Err(Errno::EINVAL);
        }
    }
    let who = &model.identity.files;
    let inode = model.tree.get_mut(id);
    let both_now = access.nanoseconds == NOW && modification.nanoseconds == NOW;
    if !who.owns(inode) {
        if !both_now {
            return Err(Errno::EPERM);
        }
        who.check(inode, WRITE)?;
    }
    let chosen = |time: Time, former: Time| match time.nanoseconds {
        OMIT => former,
        NOW => model.now,
        // The first and the last second are not divided.
        _ if [i64::MIN, i64::MAX].contains(&time.seconds) => Time { nanoseconds: 0, ..time },
        _ => time,
    };
    inode.accessed = chosen(access, inode.accessed);
    inode.modified = chosen(modification, inode.modified);
    inode.changed = model.now;
    Ok(())
}
