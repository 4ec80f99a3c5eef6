//! The calls themselves: the crate's only unsafe code.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use anchorite_postmark::{Calls, Errno, Result, Stat};

/// Paths up to this long, NUL included, are put on the stack.
const SHORT_PATH: usize = 512;

/// The process's own files, by the C library.
pub struct Native {
    start: Instant,
}

impl Native {
    /// Everything is the process's: there is nothing to set up.
    pub fn new() -> Native {
        Native { start: Instant::now() }
    }
}

impl Default for Native {
    fn default() -> Native {
        Native::new()
    }
}

impl Calls for Native {
    fn open(&self, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        with_c_path(path, |path| {
            // SAFETY: `path` ends with a NUL and lives through the call.
            let fd = check(unsafe { libc::open(path, flags, mode) } as isize)?;
            // It came from an `int`.
            Ok(fd as i32)
        })
    }

    fn close(&self, fd: i32) -> Result<()> {
        // SAFETY: no memory is passed. Descriptors are this program's own.
        check(unsafe { libc::close(fd) } as isize).map(drop)
    }

    fn read(&self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: `buffer` is valid for writes of its length.
        check(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) })
    }

    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        // SAFETY: `bytes` is valid for reads of its length.
        check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) })
    }

    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        // SAFETY: no memory is passed.
        check(unsafe { libc::lseek(fd, offset, whence) } as isize).map(|at| at as u64)
    }

    fn fstat(&self, fd: i32) -> Result<Stat> {
        // SAFETY: a `stat` is integers, for which all zeros is a value.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `stat` is valid for the write of a `stat`.
        check(unsafe { libc::fstat(fd, &mut stat) } as isize)?;
        Ok(Stat { mode: stat.st_mode, block_size: stat.st_blksize })
    }

    fn unlink(&self, path: &[u8]) -> Result<()> {
        with_c_path(path, |path| {
            // SAFETY: `path` ends with a NUL and lives through the call.
            check(unsafe { libc::unlink(path) } as isize).map(drop)
        })
    }

    fn mkdir(&self, path: &[u8], mode: u32) -> Result<()> {
        with_c_path(path, |path| {
            // SAFETY: `path` ends with a NUL and lives through the call.
            check(unsafe { libc::mkdir(path, mode) } as isize).map(drop)
        })
    }

    fn rmdir(&self, path: &[u8]) -> Result<()> {
        with_c_path(path, |path| {
            // SAFETY: `path` ends with a NUL and lives through the call.
            check(unsafe { libc::rmdir(path) } as isize).map(drop)
        })
    }

    fn getcwd(&self, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: `buffer` is valid for writes of its length.
        let path = unsafe { libc::getcwd(buffer.as_mut_ptr().cast(), buffer.len()) };
        if path.is_null() {
            return Err(last_error());
        }
        let end = buffer.iter().position(|byte| *byte == 0);
        Ok(end.unwrap_or(buffer.len()))
    }

    fn now_ns(&self) -> u64 {
        // 584 years fit.
        self.start.elapsed().as_nanos() as u64
    }

    fn shell(&self, command: &[u8]) -> Result<()> {
        let command = if command.is_empty() {
            std::env::var_os("SHELL").ok_or(Errno::ENOENT)?
        } else {
            OsStr::from_bytes(command).to_owned()
        };
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command);
        match shell.arg0("sh").status() {
            Ok(_) => Ok(()),
            Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }
}

/// Calls `call` with `path` and a NUL after it.
///
/// # Errors
/// EINVAL if there is a NUL in it; those of `call`.
fn with_c_path<T>(path: &[u8], call: impl FnOnce(*const c_char) -> Result<T>) -> Result<T> {
    if path.contains(&0) {
        return Err(Errno::EINVAL);
    }
    if path.len() < SHORT_PATH {
        let mut short = [0u8; SHORT_PATH];
        short[..path.len()].copy_from_slice(path);
        call(short.as_ptr().cast())
    } else {
        let long = CString::new(path).map_err(|_| Errno::EINVAL)?;
        call(long.as_ptr())
    }
}

/// A call's result, with the error that it left.
fn check(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| last_error())
}

fn last_error() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
