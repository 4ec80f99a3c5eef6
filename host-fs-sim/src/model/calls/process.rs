//! The process: clock_gettime, sched_yield; getrlimit, setrlimit, prlimit64.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::{Done, Model};
use super::done;

/// What RLIMIT_NOFILE may be raised to: `/proc/sys/fs/nr_open`.
const DESCRIPTORS_MAX: u64 = 1 << 20;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    Some(match name {
        "sched_yield" => Ok(Reply::Done(0)),
        "clock_gettime" => match given.int(0) {
            libc::CLOCK_REALTIME
            | libc::CLOCK_REALTIME_COARSE
            | libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_BOOTTIME => {
                Ok(Reply::Numbers(0, vec![model.now.seconds, model.now.nanoseconds]))
            }
            _ => Err(Errno::EINVAL),
        },
        "getrlimit" => limit(model, given.id(0)).map(|(soft, hard)| told(soft, hard)),
        "setrlimit" => done(match given.numbers(1) {
            Some(new) => set_limit(model, given.id(0), new[0] as u64, new[1] as u64),
            None => Err(Errno::EFAULT),
        }),
        "prlimit64" => prlimit(model, given),
        _ => return None,
    })
}

fn told(soft: u64, hard: u64) -> Reply {
    Reply::Numbers(0, vec![soft as i64, hard as i64])
}

fn limit(model: &mut Model, resource: u32) -> Result<(u64, u64), Errno> {
    model.limits.get(resource as usize).copied().ok_or(Errno::EINVAL)
}

fn set_limit(model: &mut Model, resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let (_, former) = limit(model, resource)?;
    if soft > hard {
        return Err(Errno::EINVAL);
    }
    let too_many = resource == libc::RLIMIT_NOFILE && hard > DESCRIPTORS_MAX;
    if too_many || hard > former && !model.identity.is_privileged() {
        return Err(Errno::EPERM);
    }
    model.limits[resource as usize] = (soft, hard);
    Ok(())
}

/// Tells the limits as they were, and sets new ones where some are given.
fn prlimit(model: &mut Model, given: Arguments<'_>) -> Done {
    // The process itself, which is the first.
    if ![0, 1].contains(&given.long(0)) {
        return Err(Errno::ESRCH);
    }
    let (soft, hard) = limit(model, given.id(1))?;
    if let Some(new) = given.numbers(2) {
        set_limit(model, given.id(1), new[0] as u64, new[1] as u64)?;
    }
    Ok(told(soft, hard))
}
