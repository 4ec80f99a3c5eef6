//! [`HostFiles`]: the file calls that a host offers to forward to.
//!
//! The set is uhyve's hypercall interface, version 2; what is not in it
//! (rename, readlink, symlink, link, rmdir, truncate, …) cannot be forwarded.

use core::ffi::CStr;

use crate::Result;

/// A descriptor of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFd(pub i32);

/// Files on the host, by host call. Paths are absolute guest paths (such as
/// `/host/a/b`), which the host maps to its own.
///
/// Every method returns the host's errno where the host tells one.
pub trait HostFiles: Send + Sync {
    /// `open(2)`; `flags` are Linux's.
    fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<HostFd>;
    /// `read(2)` into the `len` bytes at `buf`.
    ///
    /// # Safety
    /// `buf` is valid for writes of `len` bytes.
    unsafe fn read(&self, fd: HostFd, buf: *mut u8, len: usize) -> Result<usize>;
    /// `write(2)` of the `len` bytes at `buf`.
    ///
    /// # Safety
    /// `buf` is valid for reads of `len` bytes.
    unsafe fn write(&self, fd: HostFd, buf: *const u8, len: usize) -> Result<usize>;
    /// `lseek(2)`.
    fn lseek(&self, fd: HostFd, offset: i64, whence: i32) -> Result<u64>;
    /// `close(2)`.
    fn close(&self, fd: HostFd) -> Result<()>;
    /// `unlink(2)`.
    fn unlink(&self, path: &CStr) -> Result<()>;
    /// `mkdir(2)`.
    fn mkdir(&self, path: &CStr, mode: u32) -> Result<()>;
    /// `stat(2)`.
    fn stat(&self, path: &CStr) -> Result<libc::stat>;
    /// `lstat(2)`; a host without it answers ENOSYS.
    fn lstat(&self, path: &CStr) -> Result<libc::stat>;
    /// `fstat(2)`.
    fn fstat(&self, fd: HostFd) -> Result<libc::stat>;
    /// `getdents64(2)`: fills `buf` with Linux's records, returns their bytes.
    fn getdents64(&self, fd: HostFd, buf: &mut [u8]) -> Result<usize>;
}
