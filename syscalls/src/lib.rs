//! The system-call layer: what a program calls, over the ramdisk of
//! [`anchorite_fs`] and directories forwarded to a host.
//!
//! A [`System`] is one process. A program calls its methods, which are named as the
//! manual pages are ([`System::open`], [`System::rename`], …), or
//! [`System::syscall`] with Linux's numbers and pointers; either way a system call is
//! a function call. [`api`] has the same in the manner of `std::fs`, with files that
//! close themselves; [`c`] has functions for C.
//!
//! # Layers, from the bottom
//! * [`platform`], [`host`]: the two doors to the ground below, traits that the kernel
//!   and the hosted isle implement.
//! * `user`: the program's memory, checked.
//! * `node`: a file of any mounted file system. `ramdisk`, `forward` and `proc` are the
//!   three that there are; `mounts` says which is where, and how another is added
//!   (`mounts::file_system`); `mount_spec` reads a mount from a command line; `dev` has what is
//!   mounted from the start.
//! * `walk`: from a path to a file.
//! * `file`, `device`, `pipe`: open file descriptions; `descriptors`: the table of them.
//! * `notify`: what calls tell of what they did; `inotify`: who is told.
//! * `locks`: what open file descriptions and the process have locked.
//! * `identity`: users and groups; `limits`: of resources; `system`: the process; `calls`: its calls, a module per family; `dispatch`: calls by
//!   number; `abi`: Linux's structures.
//! * [`preload`], [`export`]: the tree filled from an archive, and written out as one.
//! * [`api`], [`c`]: the calls for Rust and for C; [`thread`]: threads on cores;
//!   [`program`]: what a program is started with.
//! * `hosted` (feature `std`): threads for platforms in a process of a host.
//!
//! # Calls
//!
//! | calls | manual pages | module | tests |
//! |---|---|---|---|
//! | open, openat, creat, close, close_range, dup, dup2, dup3, fcntl | `open(2)`, `close(2)`, `close_range(2)`, `dup(2)`, `fcntl(2)` | `calls::descriptors` | `every_flag_on_every_kind_of_file`, rows in `posix/descriptors.txt` |
//! | read, write, pread64, pwrite64, lseek, truncate, ftruncate, fsync, fdatasync, sync, syncfs | `read(2)`, `write(2)`, `pread(2)`, `lseek(2)`, `truncate(2)` | `calls::data` | `oracle/data.rs`, `truncate_to_every_kind_of_length` |
//! | fallocate, copy_file_range, sendfile, posix_fadvise, readahead | each its own | `calls::ranges` | rows in `posix/ranges.txt` |
//! | pipe, pipe2; fifos by open, and F_GETPIPE_SZ and F_SETPIPE_SZ by fcntl | `pipe(2)`, `pipe(7)`, `fifo(7)` | `calls::pipes` | rows in `posix/pipes.txt`, `tests/pipes.rs` |
//! | inotify_init, inotify_init1, inotify_add_watch, inotify_rm_watch; ioctl with FIONREAD, FIONBIO, FIOCLEX, FIONCLEX | `inotify(7)`, each its own; `ioctl(2)` | `calls::inotify` | rows in `posix/inotify.txt`, `tests/inotify.rs` |
//! | flock; F_GETLK, F_SETLK, F_SETLKW and F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW by fcntl | `flock(2)`, `fcntl(2)` | `calls::locks` | rows in `posix/locks.txt`, `tests/locks.rs` |
//! | poll, ppoll, select, pselect6 | `poll(2)`, `select(2)` | `calls::poll` | rows in `posix/pipes.txt`, `tests/pipes.rs` |
//! | readv, writev, preadv, pwritev, preadv2, pwritev2 | `readv(2)` | `calls::vectors` | rows in `oracle/rows/by_number.txt` |
//! | mkdir, mknod, rmdir, unlink, link, symlink, readlink, rename, and with `at`; renameat2; getdents64, getdents | each its own | `calls::names` | `oracle/names.rs`, `oracle/listing.rs`, rows in `posix/names.txt` |
//! | chdir, fchdir, getcwd | each its own | `calls::working_directory` | `oracle/paths.rs` |
//! | mount, umount2, chroot | each its own | `calls::mounts` | rows in `posix/mounts.txt`, `tests/mounts.rs` |
//! | stat, lstat, fstat, statx, access, chmod, fchmod, chown, lchown, fchown, and with `at`; umask, statfs, fstatfs | `stat(2)`, `access(2)`, `chmod(2)`, `chown(2)`, `umask(2)`, `statfs(2)` | `calls::metadata` | `oracle/metadata.rs`, rows in `posix/metadata.txt` and `posix/permissions.txt` |
//! | utimensat, futimesat, utimes, utime | `utimensat(2)`, `utime(2)` | `calls::times` | rows in `posix/metadata.txt` |
//! | setxattr, getxattr, listxattr, removexattr, and with `l` and `f` | `xattr(7)`, each its own | `calls::xattrs` | rows in `posix/attributes.txt` |
//! | calls on devices, `/dev` and `/proc` | `null(4)`, `full(4)`, `random(4)`, `proc(5)` | `device`, `dev`, `proc` | rows in `posix/devices.txt` and `posix/proc.txt`, `tests/devices.rs`, `tests/proc.rs` |
//! | getuid, setuid, and all their kin; getgroups, setgroups | `credentials(7)` | `calls::identity` | rows in `oracle/rows/identity.txt`, `oracle/grids.rs` |
//! | getrlimit, setrlimit, prlimit64 | `getrlimit(2)` | `calls::process` | `tests/limits.rs` |
//! | getpid, gettid, sched_yield, clock_gettime, getrandom, sysinfo, uname, exit, exit_group | each its own | `calls::process` | `calls_that_are_not_about_files` |
//!
//! Any other number answers ENOSYS. `COVERAGE.md` has the tests line by line.
//!
//! # Locks
//! [`anchorite_fs::sync`] has the order of all locks. `System::identity` is held shared for
//! the time of a call (but never by one that waits for a pipe or a lock), an open file's offset over a
//! transfer; the table of descriptors, the
//! table of mounts and the working directory are each locked for a look-up alone, with
//! nothing taken inside.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

#[allow(unsafe_code)]
mod abi;
pub mod api;
#[allow(unsafe_code)]
pub mod c;
#[allow(unsafe_code)]
mod calls;
mod descriptors;
mod dev;
mod device;
mod dispatch;
pub mod export;
mod file;
#[allow(unsafe_code)]
mod forward;
#[allow(unsafe_code)]
pub mod host;
#[cfg(feature = "std")]
#[allow(unsafe_code)]
pub mod hosted;
mod identity;
mod inotify;
mod limits;
mod locks;
mod mount_spec;
mod mounts;
mod node;
mod notify;
mod pipe;
pub mod platform;
pub mod preload;
mod proc;
pub mod program;
mod ramdisk;
mod system;
#[allow(unsafe_code)]
pub mod thread;
#[allow(unsafe_code)]
mod user;
mod walk;

pub use anchorite_archive as archive;
pub use anchorite_fs::sync::{declare_alone, declare_cores, declare_shared};
pub use anchorite_fs::{Errno, Lender, Limits, Result, Usage, check, cold};
pub use export::{ExportError, Exported};
pub use host::{HostFd, HostFiles};
pub use mount_spec::{MountSpec, MountSpecError};
pub use platform::{Memory, Platform, Stream};
pub use preload::{OnDamage, PreloadError, Preloaded};
pub use system::System;
pub use user::PATH_MAX;

/// What a result has, where it is. `?` would move it: what was stored in pieces a moment before, and
/// is then loaded wide to be moved, is not forwarded from the store buffer of an x86-64 processor: it
/// waits some 15 cycles.
///
/// # Errors
/// The result's.
#[inline(always)]
pub(crate) fn in_place<T>(result: &mut Result<T>) -> Result<&mut T> {
    result.as_mut().map_err(|errno| *errno)
}
