//! [`ResourceLimits`]: what the process may use, `getrlimit(2)`.

use anchorite_fs::sync::{AtomicU64, Ordering};

use crate::{Errno, Result};

/// How many resources Linux has limits for: RLIM_NLIMITS.
const RESOURCES: usize = 16;
const NOFILE: usize = libc::RLIMIT_NOFILE as usize;
const FSIZE: usize = libc::RLIMIT_FSIZE as usize;
/// What RLIMIT_NOFILE begins as, and what it may be raised to, as on Linux.
const DESCRIPTORS: (u64, u64) = (1024, 1024 * 1024);

/// A limit that is in force, and what it may be raised to without privilege.
struct Limit {
    soft: AtomicU64,
    hard: AtomicU64,
}

/// The limits of a process. Those of descriptors and of file sizes are in force; the
/// others are kept for who asks.
///
/// Each number is atomic by itself: two programs' threads that set a limit at once may
/// leave one's soft and the other's hard number, as if both had been in turn.
pub(crate) struct ResourceLimits {
    limits: [Limit; RESOURCES],
}

impl ResourceLimits {
    pub(crate) fn new() -> ResourceLimits {
        let limit = |resource| {
            let (soft, hard) = match resource {
                NOFILE => DESCRIPTORS,
                _ => (libc::RLIM_INFINITY, libc::RLIM_INFINITY),
            };
            Limit { soft: AtomicU64::new(soft), hard: AtomicU64::new(hard) }
        };
        ResourceLimits { limits: core::array::from_fn(limit) }
    }

    /// Numbers below this one can be descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        self.limits[NOFILE].soft.load(Ordering::Relaxed).min(DESCRIPTORS.1) as usize
    }

    /// Bytes that a file may grow to.
    pub(crate) fn file_size(&self) -> u64 {
        self.limits[FSIZE].soft.load(Ordering::Relaxed)
    }

    /// # Errors
    /// EINVAL for an unknown resource.
    pub(crate) fn get(&self, resource: u32) -> Result<libc::rlimit> {
        let limit = self.limits.get(resource as usize).ok_or(Errno::EINVAL)?;
        Ok(libc::rlimit {
            rlim_cur: limit.soft.load(Ordering::Relaxed),
            rlim_max: limit.hard.load(Ordering::Relaxed),
        })
    }

    /// # Errors
    /// EINVAL for an unknown resource, or a soft limit above the hard one; EPERM to raise
    /// the hard limit without privilege, or that of descriptors above what there can be.
    pub(crate) fn set(&self, resource: u32, new: libc::rlimit, privileged: bool) -> Result<()> {
        let limit = self.limits.get(resource as usize).ok_or(Errno::EINVAL)?;
        if new.rlim_cur > new.rlim_max {
            return Err(Errno::EINVAL);
        }
        let too_many = resource as usize == NOFILE && new.rlim_max > DESCRIPTORS.1;
        let raises = new.rlim_max > limit.hard.load(Ordering::Relaxed);
        if too_many || raises && !privileged {
            return Err(Errno::EPERM);
        }
        limit.soft.store(new.rlim_cur, Ordering::Relaxed);
        limit.hard.store(new.rlim_max, Ordering::Relaxed);
        Ok(())
    }
}
