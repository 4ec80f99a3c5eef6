//! [`Native`]: the calls of `microbench` as the C library's.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::panic::resume_unwind;
use std::thread::{self, Builder, ScopedJoinHandle};
use std::{fs, io, mem, ptr};

use anchorite_programs::io::{Failure, ToDo};
use anchorite_programs::microbench::Calls;
use anchorite_programs::microbench::calls::{Gate, OnCore};
use anchorite_syscalls::{Errno, Result, hosted};

/// What a thread ends with.
type Outcome = std::result::Result<(), Failure>;

/// This process's own calls.
pub struct Native;

impl Calls for Native {
    fn getpid(&self) -> u32 {
        // SAFETY: no memory is passed.
        unsafe { libc::getpid() as u32 }
    }

    fn sched_yield(&self) {
        // SAFETY: no memory is passed.
        unsafe { libc::sched_yield() };
    }

    fn chdir(&self, path: &CStr) -> Result<()> {
        // SAFETY: `path` ends with a NUL.
        done(unsafe { libc::chdir(path.as_ptr()) })
    }

    fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<i32> {
        // SAFETY: `path` ends with a NUL.
        check(unsafe { libc::open(path.as_ptr(), flags, mode) } as isize).map(|fd| fd as i32)
    }

    fn close(&self, fd: i32) -> Result<()> {
        // SAFETY: no memory is passed. Descriptors are the program's own.
        done(unsafe { libc::close(fd) })
    }

    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        // SAFETY: `bytes` is valid for reads of its length.
        check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) })
    }

    fn pread(&self, fd: i32, buffer: &mut [u8], offset: i64) -> Result<usize> {
        // SAFETY: `buffer` is valid for writes of its length.
        check(unsafe { libc::pread(fd, buffer.as_mut_ptr().cast(), buffer.len(), offset) })
    }

    fn pwrite(&self, fd: i32, bytes: &[u8], offset: i64) -> Result<usize> {
        // SAFETY: `bytes` is valid for reads of its length.
        check(unsafe { libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), offset) })
    }

    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        // SAFETY: no memory is passed.
        check(unsafe { libc::lseek(fd, offset, whence) } as isize).map(|at| at as u64)
    }

    fn stat(&self, path: &CStr) -> Result<libc::stat> {
        // SAFETY: a `stat` is integers, for which all zeros is a value.
        let mut stat: libc::stat = unsafe { mem::zeroed() };
        // SAFETY: `path` ends with a NUL, and `stat` is valid for writes.
        done(unsafe { libc::stat(path.as_ptr(), &mut stat) }).map(|()| stat)
    }

    fn fstat(&self, fd: i32) -> Result<libc::stat> {
        // SAFETY: a `stat` is integers, for which all zeros is a value.
        let mut stat: libc::stat = unsafe { mem::zeroed() };
        // SAFETY: `stat` is valid for writes.
        done(unsafe { libc::fstat(fd, &mut stat) }).map(|()| stat)
    }

    fn unlink(&self, path: &CStr) -> Result<()> {
        // SAFETY: `path` ends with a NUL.
        done(unsafe { libc::unlink(path.as_ptr()) })
    }

    fn mkdir(&self, path: &CStr, mode: u32) -> Result<()> {
        // SAFETY: `path` ends with a NUL.
        done(unsafe { libc::mkdir(path.as_ptr(), mode) })
    }

    fn rmdir(&self, path: &CStr) -> Result<()> {
        // SAFETY: `path` ends with a NUL.
        done(unsafe { libc::rmdir(path.as_ptr()) })
    }

    fn rename(&self, old: &CStr, new: &CStr) -> Result<()> {
        // SAFETY: both end with a NUL.
        done(unsafe { libc::rename(old.as_ptr(), new.as_ptr()) })
    }

    fn symlink(&self, target: &CStr, path: &CStr) -> Result<()> {
        // SAFETY: both end with a NUL.
        done(unsafe { libc::symlink(target.as_ptr(), path.as_ptr()) })
    }

    fn readlink(&self, path: &CStr, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: `path` ends with a NUL, and `buffer` is valid for writes of its length.
        check(unsafe { libc::readlink(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) })
    }

    fn getdents64(&self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: `buffer` is valid for writes of its length.
        check(unsafe {
            libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len()) as isize
        })
    }

    fn cores(&self) -> u32 {
        hosted::processors()
    }

    fn on_cores(&self, cores: u32, deed: OnCore<'_>) -> Outcome {
        let gate = Gate::new(cores);
        let on_core = &|core| {
            hosted::pin(core).to_do("keep a thread on a core").inspect_err(|_| gate.shut())?;
            if gate.pass() { deed(core) } else { Ok(()) }
        };
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for core in 0..cores {
                let thread = Builder::new().spawn_scoped(scope, move || on_core(core));
                let thread = thread.map_err(|error| errno(&error)).to_do("start a thread");
                threads.push(thread.inspect_err(|_| gate.shut())?);
            }
            let joined = |thread: ScopedJoinHandle<'_, Outcome>| match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => resume_unwind(panic),
            };
            threads.into_iter().try_for_each(joined)
        })
    }

    fn now_ns(&self) -> Result<u64> {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is valid for writes.
        done(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) })?;
        Ok(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }

    /// The whole machine's slabs (inodes and names among them) and shared memory (pages
    /// of tmpfs): whatever else runs is in it.
    fn used_bytes(&self) -> Result<u64> {
        let text = fs::read_to_string("/proc/meminfo").map_err(|error| errno(&error))?;
        let kib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        };
        match (kib("Slab:"), kib("Shmem:")) {
            (Some(slab), Some(shared)) => Ok((slab + shared) * 1024),
            _ => Err(Errno::ENOSYS),
        }
    }
}

/// Mounts a tmpfs without a limit of files on `directory`, for this process alone, and
/// works in it. Who may not mount works in the directory as it is.
///
/// # Errors
/// Those of the calls, but for EPERM.
pub fn enter_tmpfs(directory: &str) -> io::Result<()> {
    let path = CString::new(directory)?;
    // SAFETY: no memory is passed; this process has one thread, which is what leaves its
    // mounts.
    let mounted = done(unsafe { libc::unshare(libc::CLONE_NEWNS) })
        .and_then(|()| {
            let private = libc::MS_REC | libc::MS_PRIVATE;
            let none = c"none".as_ptr();
            // SAFETY: strings end with a NUL, and this kind of mount has no data.
            done(unsafe { libc::mount(none, c"/".as_ptr(), ptr::null(), private, ptr::null()) })
        })
        .and_then(|()| {
            let (kind, data) = (c"tmpfs".as_ptr(), c"nr_inodes=0,size=90%".as_ptr());
            // SAFETY: strings end with a NUL.
            done(unsafe { libc::mount(kind, path.as_ptr(), kind, 0, data.cast()) })
        });
    match mounted {
        Ok(()) | Err(Errno::EPERM) => std::env::set_current_dir(directory),
        Err(errno) => Err(io::Error::from_raw_os_error(errno.raw())),
    }
}

/// What a call returned, with the error that it left.
#[inline]
fn check(returned: isize) -> Result<usize> {
    usize::try_from(returned).map_err(|_| errno(&io::Error::last_os_error()))
}

#[inline]
fn done(returned: i32) -> Result<()> {
    check(returned as isize).map(drop)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
