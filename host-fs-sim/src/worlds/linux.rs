//! Linux itself, in a thread that has its own files.

use std::ffi::CStr;
use std::io;

use anyhow::{Context, Result, bail};

/// Runs `program` in a thread that has an empty tmpfs for its root, and descriptors,
/// directory, mask and identity of its own; [`linux_call`] there is Linux.
///
/// # Errors
/// The kernel does not permit that: it wants root, or CAP_SYS_ADMIN, CAP_SYS_CHROOT and a mount
/// namespace of one's own.
///
/// # Panics
/// As `program` does.
pub fn on_linux<T: Send>(program: impl FnOnce() -> T + Send) -> Result<T> {
    let told = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let entered = enter_empty_tmpfs().map_err(|what| (what, io::Error::last_os_error()));
            entered.map(|()| program())
        });
        thread.join()
    });
    match told {
        Ok(told) => told
            .or_else(|(what, error)| Err(error).with_context(|| format!("{what}, which root may"))),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Most bytes of what [`on_furnished_linux`] tells.
const TOLD_MAX: usize = 16 << 20;

/// As [`on_linux`], but in a process of its own, the only one that it sees: so `/proc/self` is
/// about it alone, and getpid is 1. The tmpfs has `/proc`, and `/dev` with the devices and
/// links that every program finds there. What `program` returns comes back.
///
/// # Errors
/// Those of [`on_linux`]; the process ended without an answer.
pub fn on_furnished_linux(program: impl FnOnce() -> String + Send) -> Result<String> {
    on_linux(|| in_child(program))?
}

/// Runs `program` in a child of this thread. No pipe brings the answer, which would be one more
/// open file.
fn in_child(program: impl FnOnce() -> String) -> Result<String> {
    let failed = |what| Err(io::Error::last_os_error()).context(what);
    // SAFETY: memory of its own, shared with the child, which fills it before it ends. The child
    // has this thread alone, whose locks are its own; it ends without running anybody's
    // destructors.
    unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let told = libc::mmap(std::ptr::null_mut(), 8 + TOLD_MAX, access, kind, -1, 0);
        if told == libc::MAP_FAILED {
            return failed("mmap");
        }
        let (len, bytes) = (told.cast::<usize>(), told.cast::<u8>().add(8));
        if libc::unshare(libc::CLONE_NEWPID) != 0 {
            return failed("a name space of processes");
        }
        match libc::fork() {
            -1 => return failed("fork"),
            0 => {
                let run = std::panic::AssertUnwindSafe(|| {
                    furnish()?;
                    Ok(program())
                });
                let status = match std::panic::catch_unwind(run) {
                    Ok(Ok(text)) if text.len() <= TOLD_MAX => {
                        bytes.copy_from_nonoverlapping(text.as_ptr(), text.len());
                        len.write(text.len());
                        0
                    }
                    Ok(Err(error)) => {
                        let error: io::Error = error;
                        error.raw_os_error().unwrap_or(1)
                    }
                    _ => 255,
                };
                libc::_exit(status);
            }
            child => {
                let mut status = 0;
                if libc::waitpid(child, &mut status, 0) != child {
                    return failed("waitpid");
                }
                if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
                    bail!("the process that was to tell ended with {status:#x}");
                }
            }
        }
        let text = String::from_utf8_lossy(std::slice::from_raw_parts(bytes, len.read()));
        let text = text.into_owned();
        libc::munmap(told, 8 + TOLD_MAX);
        Ok(text)
    }
}

/// Fills `/dev` and `/proc`.
fn furnish() -> io::Result<()> {
    let done = |result: i32| if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    let devices: [(&CStr, u32, u32, u32); 6] = [
        (c"/dev/null", 1, 3, 0o666),
        (c"/dev/zero", 1, 5, 0o666),
        (c"/dev/full", 1, 7, 0o666),
        (c"/dev/random", 1, 8, 0o666),
        (c"/dev/urandom", 1, 9, 0o666),
        (c"/dev/tty", 5, 0, 0o666),
    ];
    let links = [
        (c"/proc/self/fd", c"/dev/fd"),
        (c"/proc/self/fd/0", c"/dev/stdin"),
        (c"/proc/self/fd/1", c"/dev/stdout"),
        (c"/proc/self/fd/2", c"/dev/stderr"),
    ];
    // SAFETY: strings that end in NUL.
    unsafe {
        libc::umask(0);
        done(libc::mkdir(c"/dev".as_ptr(), 0o755))?;
        done(libc::mkdir(c"/proc".as_ptr(), 0o555))?;
        let kind = c"tmpfs".as_ptr();
        done(libc::mount(kind, c"/dev".as_ptr(), kind, 0, c"mode=755".as_ptr().cast()))?;
        let kind = c"proc".as_ptr();
        done(libc::mount(kind, c"/proc".as_ptr(), kind, 0, std::ptr::null()))?;
        for (path, major, minor, mode) in devices {
            let number = libc::makedev(major, minor);
            done(libc::mknod(path.as_ptr(), libc::S_IFCHR | mode, number))?;
        }
        done(libc::mknod(c"/dev/console".as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(5, 1)))?;
        for (target, path) in links {
            done(libc::symlink(target.as_ptr(), path.as_ptr()))?;
        }
        libc::umask(0o022);
    }
    Ok(())
}

fn enter_empty_tmpfs() -> Result<(), &'static str> {
    let done = |what, result: i32| if result == 0 { Ok(()) } else { Err(what) };
    let null = std::ptr::null();
    // SAFETY: the strings end in NUL; what changes is this thread's alone, but for the
    // limit, which is the same for all.
    unsafe {
        let own = libc::CLONE_NEWNS | libc::CLONE_FS | libc::CLONE_FILES;
        done("unshare", libc::unshare(own))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        done("private mounts", libc::mount(null, c"/".as_ptr(), null, private, null.cast()))?;
        let (kind, at) = (c"tmpfs".as_ptr(), c"/tmp".as_ptr());
        done("tmpfs", libc::mount(kind, at, kind, 0, c"mode=1777,size=1g".as_ptr().cast()))?;
        done("chdir", libc::chdir(at))?;
        let here = c".".as_ptr();
        if libc::syscall(libc::SYS_pivot_root, here, here) == 0 {
            // The former root lies over the new one, with copies of all mounts: let go of
            // them, so that others can unmount what they mounted.
            done("umount", libc::umount2(here, libc::MNT_DETACH))?;
        } else {
            // Not where the former root is the first file system of all.
            done("chroot", libc::chroot(here))?;
        }
        done("chdir", libc::chdir(c"/".as_ptr()))?;
        done("close_range", libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) as i32)?;
        let limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
        done("setrlimit", libc::setrlimit(libc::RLIMIT_NOFILE, &limit))?;
        libc::umask(0o022);
    }
    Ok(())
}

/// A call of Linux in this thread.
pub fn linux_call(number: i64, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    // SAFETY: the calls change this thread's files and write to the arena alone, or to
    // where nothing is mapped.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    // SAFETY: the thread's own errno.
    if result == -1 { -i64::from(unsafe { *libc::__errno_location() }) } else { result }
}
