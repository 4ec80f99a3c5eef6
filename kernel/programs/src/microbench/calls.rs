//! [`Calls`]: the one door to the outside. Each method is one Linux call, so that the
//! same calls are measured wherever they go.
//!
//! Paths are C strings, as a C program has them: neither side copies a path before the
//! call begins. Dispatch is static.

use core::ffi::CStr;

use anchorite_syscalls::Result;

/// The calls that are measured; each fails as its manual page says.
#[allow(clippy::missing_errors_doc, reason = "the manual pages have them")]
pub trait Calls {
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

    /// Nanoseconds of the monotonic clock.
    fn now_ns(&self) -> Result<u64>;

    /// Bytes of memory that the kernel's files take, with whatever else cannot be told
    /// from them: a difference over many files is what is meant.
    ///
    /// # Errors
    /// ENOSYS where nobody counts.
    fn used_bytes(&self) -> Result<u64>;
}
