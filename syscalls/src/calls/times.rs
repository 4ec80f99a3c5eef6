//! Setting times: utimensat, futimens, utimes, futimesat, utime.

use anchorite_fs::{Change, SetTime, Timestamp};
use libc::timespec;

use crate::system::System;
use crate::{Errno, Result};

const NANOSECONDS: i64 = 1_000_000_000;

impl System {
    /// `utimensat(2)`: sets the access and the modification time of the file at `path`, a
    /// relative one from `at`; both to now where `times` is none. A time's nanoseconds may
    /// be UTIME_NOW or UTIME_OMIT. With AT_SYMLINK_NOFOLLOW, of a symbolic link itself;
    /// with AT_EMPTY_PATH and an empty path, of what `at` is a descriptor of.
    ///
    /// # Errors
    /// EINVAL for other flags; EBADF and ENOTDIR for `at`; those of the path; EINVAL for
    /// nanoseconds out of range; EPERM; EACCES; ENOSYS on the host.
    pub fn utimensat(
        &self,
        at: i32,
        path: &[u8],
        times: Option<[timespec; 2]>,
        flags: i32,
    ) -> Result<()> {
        match change(times) {
            // Linux looks at nothing else then.
            Ok(Change::Times(SetTime::Omit, SetTime::Omit)) => Ok(()),
            change => self.change_at(at, path, flags, change),
        }
    }

    /// `futimens(3)`: as [`utimensat`](System::utimensat), by descriptor.
    ///
    /// # Errors
    /// EBADF; EINVAL for nanoseconds out of range; EPERM; EACCES; ENOSYS on the host.
    pub fn futimens(&self, fd: i32, times: Option<[timespec; 2]>) -> Result<()> {
        match change(times) {
            Ok(Change::Times(SetTime::Omit, SetTime::Omit)) => Ok(()),
            change => self.change_open(fd, change),
        }
    }

    /// `utimensat(2)` by a program's addresses: without a path it means the descriptor.
    pub(crate) fn utimensat_raw(&self, at: i32, path: u64, times: u64, flags: i32) -> Result<()> {
        let times = self.times(times, Ok)?;
        if let Ok(Change::Times(SetTime::Omit, SetTime::Omit)) = change(times) {
            return Ok(());
        }
        if path == 0 && at != libc::AT_FDCWD {
            return if flags == 0 { self.futimens(at, times) } else { Err(Errno::EINVAL) };
        }
        self.utimensat(at, &self.user_memory().string(path as usize)?, times, flags)
    }

    /// `utimes(2)` and `futimesat(2)` by a program's addresses: times in microseconds.
    pub(crate) fn utimes_raw(&self, at: i32, path: u64, times: u64) -> Result<()> {
        let times = self.times(times, |microseconds| match microseconds {
            0..1_000_000 => Ok(microseconds * 1000),
            _ => Err(Errno::EINVAL),
        })?;
        if path == 0 && at != libc::AT_FDCWD {
            return self.futimens(at, times);
        }
        self.utimensat(at, &self.user_memory().string(path as usize)?, times, 0)
    }

    /// `utime(2)` by a program's addresses: times in seconds.
    pub(crate) fn utime_raw(&self, path: u64, times: u64) -> Result<()> {
        let times = match times {
            0 => None,
            _ => Some(
                self.user_memory()
                    .get::<2>(times as usize)?
                    .map(|seconds| timespec { tv_sec: seconds as i64, tv_nsec: 0 }),
            ),
        };
        let path = self.user_memory().string(path as usize)?;
        self.utimensat(libc::AT_FDCWD, &path, times, 0)
    }

    /// Copies two times from a program, each of seconds and parts that `nanoseconds`
    /// converts.
    fn times(
        &self,
        address: u64,
        nanoseconds: impl Fn(i64) -> Result<i64>,
    ) -> Result<Option<[timespec; 2]>> {
        if address == 0 {
            return Ok(None);
        }
        let [a, b, c, d] = self.user_memory().get::<4>(address as usize)?;
        let time = |seconds: usize, parts: usize| {
            let tv_nsec = nanoseconds(parts as i64)?;
            Ok(timespec { tv_sec: seconds as i64, tv_nsec })
        };
        Ok(Some([time(a, b)?, time(c, d)?]))
    }
}

/// # Errors
/// EINVAL for nanoseconds out of range.
fn change(times: Option<[timespec; 2]>) -> Result<Change> {
    let Some([access, modification]) = times else {
        return Ok(Change::Times(SetTime::Now, SetTime::Now));
    };
    let set = |time: timespec| match time.tv_nsec {
        libc::UTIME_NOW => Ok(SetTime::Now),
        libc::UTIME_OMIT => Ok(SetTime::Omit),
        // The first and the last second are not divided: `timestamp_truncate` in Linux.
        0..NANOSECONDS if matches!(time.tv_sec, i64::MIN | i64::MAX) => {
            Ok(SetTime::To(Timestamp::new(time.tv_sec, 0)))
        }
        0..NANOSECONDS => Ok(SetTime::To(Timestamp::from(time))),
        _ => Err(Errno::EINVAL),
    };
    Ok(Change::Times(set(access)?, set(modification)?))
}
