//! [`Calls`]: the one door to the outside — where the file calls, the console
//! and the clock go.
//!
//! Each method is one Linux call, so that what the benchmark measures is
//! exactly the calls that the original makes. Dispatch is static: a program is
//! compiled once for each ground it runs on.

use anchorite_syscalls::{Errno, Result};

/// What the benchmark asks of `fstat(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `st_mode`: type and permissions.
    pub mode: u32,
    /// `st_blksize`: the size that stdio takes for its buffer.
    pub block_size: i64,
}

/// The calls that PostMark makes. Paths hold no NUL and are relative to the
/// working directory or absolute; descriptors 0, 1 and 2 are the console.
pub trait Calls {
    /// `open(2)`; `flags` and `mode` are Linux's.
    ///
    /// # Errors
    /// Those of `open(2)`.
    fn open(&self, path: &[u8], flags: i32, mode: u32) -> Result<i32>;

    /// `close(2)`.
    ///
    /// # Errors
    /// Those of `close(2)`.
    fn close(&self, fd: i32) -> Result<()>;

    /// `read(2)`: how many bytes came, 0 at the end.
    ///
    /// # Errors
    /// Those of `read(2)`.
    fn read(&self, fd: i32, buffer: &mut [u8]) -> Result<usize>;

    /// `write(2)`: how many bytes went.
    ///
    /// # Errors
    /// Those of `write(2)`.
    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize>;

    /// `lseek(2)`: the new offset, in bytes from the start.
    ///
    /// # Errors
    /// Those of `lseek(2)`.
    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64>;

    /// `fstat(2)`.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    fn fstat(&self, fd: i32) -> Result<Stat>;

    /// `unlink(2)`.
    ///
    /// # Errors
    /// Those of `unlink(2)`.
    fn unlink(&self, path: &[u8]) -> Result<()>;

    /// `mkdir(2)`.
    ///
    /// # Errors
    /// Those of `mkdir(2)`.
    fn mkdir(&self, path: &[u8], mode: u32) -> Result<()>;

    /// `rmdir(2)`.
    ///
    /// # Errors
    /// Those of `rmdir(2)`.
    fn rmdir(&self, path: &[u8]) -> Result<()>;

    /// `getcwd(2)`: the length of the absolute path now in `buffer`, its NUL
    /// not counted. Asked by `show` only.
    ///
    /// # Errors
    /// Those of `getcwd(2)`.
    fn getcwd(&self, buffer: &mut [u8]) -> Result<usize>;

    /// Nanoseconds since some fixed point, never set back.
    fn now_ns(&self) -> u64;

    /// Has a shell run `command`, or an interactive shell if it is empty: the
    /// original's `!`.
    ///
    /// # Errors
    /// ENOSYS, by default, where there is no shell.
    fn shell(&self, command: &[u8]) -> Result<()> {
        let _ = command;
        Err(Errno::ENOSYS)
    }
}
