//! [`Guest`]: the system's own calls.
//!
//! None is inlined: a program that calls a library, or through a rewritten `syscall`
//! instruction, pays a function call, and so do these.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::hint::black_box;

use anchorite_syscalls::{Result, System, thread};

use super::Calls;
use super::calls::{Gate, OnCore};
use crate::io::{Failure, ToDo};

/// A system's calls.
pub struct Guest<'a>(pub &'a System);

impl Calls for Guest<'_> {
    #[inline(never)]
    fn getpid(&self) -> u32 {
        // A call whose result the compiler foresees is no call.
        black_box(black_box(self.0).getpid())
    }

    #[inline(never)]
    fn sched_yield(&self) {
        self.0.sched_yield();
    }

    #[inline(never)]
    fn chdir(&self, path: &CStr) -> Result<()> {
        self.0.chdir(path.to_bytes())
    }

    #[inline(never)]
    fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<i32> {
        self.0.open(path.to_bytes(), flags, mode)
    }

    #[inline(never)]
    fn close(&self, fd: i32) -> Result<()> {
        self.0.close(fd)
    }

    #[inline(never)]
    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        self.0.write(fd, bytes)
    }

    #[inline(never)]
    fn pread(&self, fd: i32, buffer: &mut [u8], offset: i64) -> Result<usize> {
        self.0.pread(fd, buffer, offset)
    }

    #[inline(never)]
    fn pwrite(&self, fd: i32, bytes: &[u8], offset: i64) -> Result<usize> {
        self.0.pwrite(fd, bytes, offset)
    }

    #[inline(never)]
    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        self.0.lseek(fd, offset, whence)
    }

    #[inline(never)]
    fn stat(&self, path: &CStr) -> Result<libc::stat> {
        self.0.stat(path.to_bytes())
    }

    #[inline(never)]
    fn fstat(&self, fd: i32) -> Result<libc::stat> {
        self.0.fstat(fd)
    }

    #[inline(never)]
    fn unlink(&self, path: &CStr) -> Result<()> {
        self.0.unlink(path.to_bytes())
    }

    #[inline(never)]
    fn mkdir(&self, path: &CStr, mode: u32) -> Result<()> {
        self.0.mkdir(path.to_bytes(), mode)
    }

    #[inline(never)]
    fn rmdir(&self, path: &CStr) -> Result<()> {
        self.0.rmdir(path.to_bytes())
    }

    #[inline(never)]
    fn rename(&self, old: &CStr, new: &CStr) -> Result<()> {
        self.0.rename(old.to_bytes(), new.to_bytes())
    }

    #[inline(never)]
    fn symlink(&self, target: &CStr, path: &CStr) -> Result<()> {
        self.0.symlink(target.to_bytes(), path.to_bytes())
    }

    #[inline(never)]
    fn readlink(&self, path: &CStr, buffer: &mut [u8]) -> Result<usize> {
        self.0.readlink(path.to_bytes(), buffer)
    }

    #[inline(never)]
    fn getdents64(&self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        self.0.getdents64(fd, buffer)
    }

    fn cores(&self) -> u32 {
        thread::cores(self.0)
    }

    fn on_cores(&self, cores: u32, deed: OnCore<'_>) -> core::result::Result<(), Failure> {
        let gate = Gate::new(cores);
        thread::scope(self.0, |scope| {
            let mut threads = Vec::new();
            for core in 0..cores {
                let gate = &gate;
                let deed = move || if gate.pass() { deed(core) } else { Ok(()) };
                let thread = scope.spawn(core, deed).to_do("start a thread");
                threads.push(thread.inspect_err(|_| gate.shut())?);
            }
            threads.into_iter().try_for_each(|thread| thread.join().to_do("join a thread")?)
        })
    }

    fn now_ns(&self) -> Result<u64> {
        let now = self.0.clock_gettime(libc::CLOCK_MONOTONIC)?;
        Ok(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }

    fn used_bytes(&self) -> Result<u64> {
        let info = self.0.sysinfo()?;
        Ok((info.totalram - info.freeram) * u64::from(info.mem_unit))
    }
}
