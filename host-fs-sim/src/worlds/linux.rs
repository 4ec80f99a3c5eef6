//! Linux itself, in a thread that has its own files.

use std::io;

use anyhow::{Context, Result};

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
