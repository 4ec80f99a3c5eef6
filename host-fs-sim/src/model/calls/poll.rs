//! Readiness: poll, ppoll, select, pselect6. A call that would wait for ever is a mistake in a
//! test: it panics.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::{Done, Model};
use super::pipes;

const ALWAYS: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
const READ: i16 = libc::POLLIN | libc::POLLRDNORM;
const WRITE: i16 = libc::POLLOUT | libc::POLLWRNORM;
/// What counts in each of the three sets of select.
const SETS: [i16; 3] = [
    READ | libc::POLLRDBAND | ALWAYS,
    WRITE | libc::POLLWRBAND | libc::POLLERR | libc::POLLNVAL,
    libc::POLLPRI | libc::POLLNVAL,
];

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    Some(match name {
        "poll" => poll(model, given, given.int(1) < 0),
        "ppoll" => check_time(given.numbers(1), 1)
            .and_then(|()| poll(model, given, given.list(1).is_none())),
        "select" => check_time(given.numbers(4), 1000).and_then(|()| select(model, given)),
        "pselect6" => check_time(given.numbers(4), 1).and_then(|()| select(model, given)),
        _ => return None,
    })
}

/// # Errors
/// EINVAL for a time below zero, or with more nanoseconds than a second has.
fn check_time(time: Option<Vec<i64>>, unit: i64) -> Result<(), Errno> {
    let Some(time) = time else { return Ok(()) };
    let is_time = time[0] >= 0 && time[1] >= 0 && (unit > 1 || time[1] < 1_000_000_000);
    if is_time { Ok(()) } else { Err(Errno::EINVAL) }
}

/// What is true of a descriptor.
fn events(model: &mut Model, fd: i32) -> i16 {
    let Ok(description) = model.descriptors.file(fd).cloned() else { return libc::POLLNVAL };
    let Some(id) = pipes::is_pipe(model, description.object) else { return READ | WRITE };
    let pipe = &model.pipes[&id];
    let mut events = 0;
    if description.check_readable().is_ok() {
        events |= if pipe.is_empty() { 0 } else { READ };
        let ended = pipe.writers == 0 && pipe.opened_to_write != description.seen;
        events |= if ended { libc::POLLHUP } else { 0 };
    }
    if description.check_writable().is_ok() {
        events |= if pipe.is_full() { 0 } else { WRITE };
        events |= if pipe.readers == 0 { libc::POLLERR } else { 0 };
    }
    events
}

fn poll(model: &mut Model, given: Arguments<'_>, for_ever: bool) -> Done {
    let numbers = given.numbers(0).unwrap_or_default();
    if numbers.len() as u64 / 2 > model.limit(libc::RLIMIT_NOFILE) {
        return Err(Errno::EINVAL);
    }
    let told = numbers.chunks_exact(2).map(|pair| match pair[0] as i32 {
        ..0 => 0,
        fd => i64::from(events(model, fd) & (pair[1] as i16 | ALWAYS)),
    });
    let told: Vec<i64> = told.collect();
    let count = told.iter().filter(|told| **told != 0).count();
    assert!(count > 0 || !for_ever, "poll would wait for ever");
    Ok(Reply::Numbers(count as i64, told))
}

fn select(model: &mut Model, given: Arguments<'_>) -> Done {
    let count = given.int(0);
    if count < 0 {
        return Err(Errno::EINVAL);
    }
    let sets = [1, 2, 3].map(|at| given.numbers(at).map(|words| words[0] as u64));
    // Of no descriptor nothing is looked at.
    let mut told = if count == 0 { sets } else { sets.map(|set| set.map(|_| 0)) };
    let mut bits = 0;
    for fd in 0..count.min(64) {
        let bit = 1 << fd;
        let is_asked = |set: &Option<u64>| set.is_some_and(|set| set & bit != 0);
        if !sets.iter().any(is_asked) {
            continue;
        }
        model.descriptors.any(fd)?;
        let events = events(model, fd);
        for ((set, told), counts) in sets.iter().zip(&mut told).zip(SETS) {
            if let Some(told) = told
                && is_asked(set)
                && events & counts != 0
            {
                *told |= bit;
                bits += 1;
            }
        }
    }
    assert!(bits > 0 || given.list(4).is_some(), "select would wait for ever");
    let told = told.iter().flatten().map(|set| *set as i64);
    Ok(Reply::Numbers(bits, told.collect()))
}
