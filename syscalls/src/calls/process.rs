//! The process itself, time and chance: getpid, gettid, sched_yield, clock_gettime,
//! getrandom, getrlimit, setrlimit, sysinfo, uname, exit_group.

use crate::system::System;
use crate::{Errno, Result};

/// The one process is the first.
const PID: u32 = 1;

impl System {
    /// `getpid(2)`: 1, since there is one process.
    pub fn getpid(&self) -> u32 {
        PID
    }

    /// `gettid(2)`.
    pub fn gettid(&self) -> u32 {
        self.platform().thread_id()
    }

    /// `sched_yield(2)`.
    pub fn sched_yield(&self) {
        self.platform().yield_now();
    }

    /// `clock_gettime(2)` of the real-time and monotonic clocks, coarse, raw and boot-time
    /// ones included.
    ///
    /// # Errors
    /// EINVAL for another clock.
    pub fn clock_gettime(&self, clock: i32) -> Result<libc::timespec> {
        match clock {
            libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Ok(self.platform().realtime()),
            libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_BOOTTIME => Ok(self.platform().monotonic()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// `getrandom(2)`: fills `buf`, whatever its length.
    ///
    /// # Errors
    /// EINVAL for unknown flags, or GRND_RANDOM with GRND_INSECURE; ENOSYS where the
    /// machine has no source of entropy.
    pub fn getrandom(&self, buf: &mut [u8], flags: u32) -> Result<usize> {
        check_random_flags(flags)?;
        self.platform().fill_random(buf)?;
        Ok(buf.len())
    }

    /// `getrlimit(2)`.
    ///
    /// # Errors
    /// EINVAL for an unknown resource.
    pub fn getrlimit(&self, resource: u32) -> Result<libc::rlimit> {
        self.limits.get(resource)
    }

    /// `setrlimit(2)`. RLIMIT_NOFILE and RLIMIT_FSIZE are in force, the latter without its
    /// signal; the others are kept for [`getrlimit`](System::getrlimit).
    ///
    /// # Errors
    /// EINVAL for an unknown resource, or a soft limit above the hard one; EPERM.
    pub fn setrlimit(&self, resource: u32, limit: libc::rlimit) -> Result<()> {
        let privileged = self.identity.read().is_privileged();
        self.limits.set(resource, limit, privileged)
    }

    /// `sysinfo(2)`: `uptime` in seconds, `totalram` and `freeram` in bytes, one process; the
    /// machine has no swap space and counts no load.
    ///
    /// # Errors
    /// ENOSYS where the memory is not this system's to count, as in a host's process.
    pub fn sysinfo(&self) -> Result<libc::sysinfo> {
        let memory = self.platform().memory()?;
        // SAFETY: all fields are integers, for which zero is a value.
        let mut info: libc::sysinfo = unsafe { core::mem::zeroed() };
        info.uptime = self.platform().monotonic().tv_sec;
        info.totalram = memory.total_bytes;
        info.freeram = memory.free_bytes;
        info.procs = 1;
        info.mem_unit = 1;
        Ok(info)
    }

    /// `uname(2)`.
    pub fn uname(&self) -> libc::utsname {
        // SAFETY: all fields are arrays of integers, for which zero is a value.
        let mut names: libc::utsname = unsafe { core::mem::zeroed() };
        let version = env!("CARGO_PKG_VERSION");
        for (field, text) in [
            (&mut names.sysname, "anchorite"),
            (&mut names.nodename, "anchorite"),
            (&mut names.release, version),
            (&mut names.version, concat!("anchorite ", env!("CARGO_PKG_VERSION"))),
            (&mut names.machine, "x86_64"),
        ] {
            for (to, from) in field.iter_mut().zip(text.bytes()) {
                *to = from as libc::c_char;
            }
        }
        names
    }

    /// `exit_group(2)`: ends the program; the host sees the low eight bits of `status`.
    pub fn exit_group(&self, status: i32) -> ! {
        self.platform().exit(status & 0xff)
    }
}

/// # Errors
/// EINVAL for unknown flags, or GRND_RANDOM with GRND_INSECURE.
pub(crate) fn check_random_flags(flags: u32) -> Result<()> {
    let both = libc::GRND_RANDOM | libc::GRND_INSECURE;
    if flags & !(both | libc::GRND_NONBLOCK) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    Ok(())
}
