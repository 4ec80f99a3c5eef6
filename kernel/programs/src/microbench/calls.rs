//! [`Calls`]: the one door to the outside. Each method is one Linux call, so that the
//! same calls are measured wherever they go.
//!
//! Paths are C strings, as a C program has them: neither side copies a path before the
//! call begins. Dispatch is static.

use core::ffi::CStr;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use anchorite_syscalls::Result;

use crate::io::Failure;

/// What is to be done on core so-and-so.
pub type OnCore<'a> = &'a (dyn Fn(u32) -> core::result::Result<(), Failure> + Sync);

/// Where threads wait for one another before they do anything, each on a core.
pub struct Gate {
    /// How many have not come yet; [`Gate::SHUT`] if not all will.
    missing: AtomicU32,
}

impl Gate {
    const SHUT: u32 = u32::MAX;

    /// For so many threads.
    pub fn new(threads: u32) -> Gate {
        Gate { missing: AtomicU32::new(threads) }
    }

    /// Waits for all of them; false if somebody shut the gate.
    pub fn pass(&self) -> bool {
        let come = |missing| if missing == Gate::SHUT { None } else { Some(missing - 1) };
        if self.missing.fetch_update(Ordering::AcqRel, Ordering::Acquire, come).is_err() {
            return false;
        }
        loop {
            match self.missing.load(Ordering::Acquire) {
                0 => return true,
                Gate::SHUT => return false,
                _ => spin_loop(),
            }
        }
    }

    /// Lets nobody pass: not all threads will come.
    pub fn shut(&self) {
        self.missing.store(Gate::SHUT, Ordering::Release);
    }
}

/// The calls that are measured; each fails as its manual page says.
#[allow(clippy::missing_errors_doc, reason = "the manual pages have them")]
pub trait Calls: Sync {
    /// `getpid(2)`.
    fn getpid(&self) -> u32;
    /// `sched_yield(2)`.
    fn sched_yield(&self);
    /// `chdir(2)`.
    fn chdir(&self, path: &CStr) -> Result<()>;
    /// `open(2)`.
    fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<i32>;
    /// `close(2)`.
    fn close(&self, fd: i32) -> Result<()>;
    /// `write(2)`.
    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize>;
    /// `pread(2)`.
    fn pread(&self, fd: i32, buffer: &mut [u8], offset: i64) -> Result<usize>;
    /// `pwrite(2)`.
    fn pwrite(&self, fd: i32, bytes: &[u8], offset: i64) -> Result<usize>;
    /// `lseek(2)`.
    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64>;
    /// `stat(2)`.
    fn stat(&self, path: &CStr) -> Result<libc::stat>;
    /// `fstat(2)`.
    fn fstat(&self, fd: i32) -> Result<libc::stat>;
    /// `unlink(2)`.
    fn unlink(&self, path: &CStr) -> Result<()>;
    /// `mkdir(2)`.
    fn mkdir(&self, path: &CStr, mode: u32) -> Result<()>;
    /// `rmdir(2)`.
    fn rmdir(&self, path: &CStr) -> Result<()>;
    /// `rename(2)`.
    fn rename(&self, old: &CStr, new: &CStr) -> Result<()>;
    /// `symlink(2)`.
    fn symlink(&self, target: &CStr, path: &CStr) -> Result<()>;
    /// `readlink(2)`.
    fn readlink(&self, path: &CStr, buffer: &mut [u8]) -> Result<usize>;
    /// `getdents64(2)`.
    fn getdents64(&self, fd: i32, buffer: &mut [u8]) -> Result<usize>;

    /// How many cores there are.
    fn cores(&self) -> u32;
    /// Does `deed` on each core below `cores` at once, in a thread of its own that stays
    /// there and passes a [`Gate`] first, and waits for all.
    ///
    /// # Errors
    /// A failure of `deed`; or nothing is done, since a thread cannot be started, or does
    /// not stay on its core.
    fn on_cores(&self, cores: u32, deed: OnCore<'_>) -> core::result::Result<(), Failure>;

    /// Nanoseconds of the monotonic clock.
    fn now_ns(&self) -> Result<u64>;

    /// Bytes of memory that the kernel's files take, with whatever else cannot be told
    /// from them: a difference over many files is what is meant.
    ///
    /// # Errors
    /// ENOSYS where nobody counts.
    fn used_bytes(&self) -> Result<u64>;
}
