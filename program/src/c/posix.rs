//! The calls by their names in POSIX: an error is -1, and its number `errno`.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::ptr::{null, null_mut};

use anchorite_syscalls::c::*;

use super::string::memory_of;

struct ErrorNumber(UnsafeCell<c_int>);

// SAFETY: programs in C have one thread.
unsafe impl Sync for ErrorNumber {}

static ERRNO: ErrorNumber = ErrorNumber(UnsafeCell::new(0));

/// Where `errno` is; C's headers make the name of it. (In Linux Standard Base.)
#[unsafe(no_mangle)]
pub extern "C" fn __errno_location() -> *mut c_int {
    ERRNO.0.get()
}

pub fn set_errno(number: c_int) {
    // SAFETY: as above.
    unsafe { *ERRNO.0.get() = number };
}

/// What a call returned, as POSIX has it.
pub fn answer(returned: c_long) -> c_long {
    if returned < 0 {
        set_errno(-returned as c_int);
        return -1;
    }
    returned
}

/// Defines functions that differ from the call only in how they tell an error.
macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*) -> $returned:ty = $call:ident($($given:expr),*);)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, as its manual page has it.")]
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: $type),*) -> $returned {
                answer($call($($given),*)) as $returned
            }
        )*
    };
}

type Path = *const c_char;

functions! {
    open(path: Path, flags: c_int, mode: c_uint) -> c_int = anchorite_open(path, flags, mode);
    openat(at: c_int, path: Path, flags: c_int, mode: c_uint) -> c_int
        = anchorite_openat(at, path, flags, mode);
    creat(path: Path, mode: c_uint) -> c_int = anchorite_creat(path, mode);
    close(fd: c_int) -> c_int = anchorite_close(fd);
    dup(fd: c_int) -> c_int = anchorite_dup(fd);
    dup2(fd: c_int, copy: c_int) -> c_int = anchorite_dup2(fd, copy);
    dup3(fd: c_int, copy: c_int, flags: c_int) -> c_int = anchorite_dup3(fd, copy, flags);
    pipe(fds: *mut c_int) -> c_int = anchorite_pipe(fds);
    pipe2(fds: *mut c_int, flags: c_int) -> c_int = anchorite_pipe2(fds, flags);
    poll(files: *mut libc::pollfd, count: c_ulong, timeout_ms: c_int) -> c_int
        = anchorite_poll(files, count as c_uint, timeout_ms);
    select(
        count: c_int, read: *mut libc::fd_set, write: *mut libc::fd_set,
        except: *mut libc::fd_set, timeout: *mut libc::timeval
    ) -> c_int = anchorite_select(count, read, write, except, timeout);
    inotify_init() -> c_int = anchorite_inotify_init();
    inotify_init1(flags: c_int) -> c_int = anchorite_inotify_init1(flags);
    inotify_add_watch(fd: c_int, path: Path, mask: c_uint) -> c_int
        = anchorite_inotify_add_watch(fd, path, mask);
    inotify_rm_watch(fd: c_int, wd: c_int) -> c_int = anchorite_inotify_rm_watch(fd, wd);
    fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int
        = anchorite_fcntl(fd, command, argument);

    read(fd: c_int, buf: *mut c_void, len: usize) -> isize = anchorite_read(fd, buf, len);
    pread(fd: c_int, buf: *mut c_void, len: usize, offset: c_long) -> isize
        = anchorite_pread64(fd, buf, len, offset);
    readv(fd: c_int, buffers: *const libc::iovec, count: c_int) -> isize
        = anchorite_readv(fd, buffers, count as c_ulong);
    write(fd: c_int, buf: *const c_void, len: usize) -> isize = anchorite_write(fd, buf, len);
    pwrite(fd: c_int, buf: *const c_void, len: usize, offset: c_long) -> isize
        = anchorite_pwrite64(fd, buf, len, offset);
    writev(fd: c_int, buffers: *const libc::iovec, count: c_int) -> isize
        = anchorite_writev(fd, buffers, count as c_ulong);
    lseek(fd: c_int, offset: c_long, whence: c_int) -> c_long
        = anchorite_lseek(fd, offset, whence);
    truncate(path: Path, length: c_long) -> c_int = anchorite_truncate(path, length);
    ftruncate(fd: c_int, length: c_long) -> c_int = anchorite_ftruncate(fd, length);
    fsync(fd: c_int) -> c_int = anchorite_fsync(fd);
    fdatasync(fd: c_int) -> c_int = anchorite_fdatasync(fd);
    fallocate(fd: c_int, mode: c_int, offset: c_long, len: c_long) -> c_int
        = anchorite_fallocate(fd, mode, offset, len);

    mkdir(path: Path, mode: c_uint) -> c_int = anchorite_mkdir(path, mode);
    mkdirat(at: c_int, path: Path, mode: c_uint) -> c_int = anchorite_mkdirat(at, path, mode);
    mkfifo(path: Path, mode: c_uint) -> c_int
        = anchorite_mknod(path, libc::S_IFIFO | mode & !libc::S_IFMT, 0);
    rmdir(path: Path) -> c_int = anchorite_rmdir(path);
    unlink(path: Path) -> c_int = anchorite_unlink(path);
    unlinkat(at: c_int, path: Path, flags: c_int) -> c_int = anchorite_unlinkat(at, path, flags);
    link(from: Path, to: Path) -> c_int = anchorite_link(from, to);
    symlink(target: Path, path: Path) -> c_int = anchorite_symlink(target, path);
    readlink(path: Path, buf: *mut c_char, len: usize) -> isize
        = anchorite_readlink(path, buf, c_int::try_from(len).unwrap_or(c_int::MAX));
    rename(from: Path, to: Path) -> c_int = anchorite_rename(from, to);
    renameat(from_at: c_int, from: Path, to_at: c_int, to: Path) -> c_int
        = anchorite_renameat(from_at, from, to_at, to);
    chdir(path: Path) -> c_int = anchorite_chdir(path);
    fchdir(fd: c_int) -> c_int = anchorite_fchdir(fd);

    stat(path: Path, stat: *mut libc::stat) -> c_int = anchorite_stat(path, stat);
    lstat(path: Path, stat: *mut libc::stat) -> c_int = anchorite_lstat(path, stat);
    fstat(fd: c_int, stat: *mut libc::stat) -> c_int = anchorite_fstat(fd, stat);
    fstatat(at: c_int, path: Path, stat: *mut libc::stat, flags: c_int) -> c_int
        = anchorite_newfstatat(at, path, stat, flags);
    access(path: Path, mode: c_int) -> c_int = anchorite_access(path, mode);
    chmod(path: Path, mode: c_uint) -> c_int = anchorite_chmod(path, mode);
    fchmod(fd: c_int, mode: c_uint) -> c_int = anchorite_fchmod(fd, mode);
    chown(path: Path, uid: c_uint, gid: c_uint) -> c_int = anchorite_chown(path, uid, gid);
    lchown(path: Path, uid: c_uint, gid: c_uint) -> c_int = anchorite_lchown(path, uid, gid);
    fchown(fd: c_int, uid: c_uint, gid: c_uint) -> c_int = anchorite_fchown(fd, uid, gid);
    umask(mask: c_uint) -> c_uint = anchorite_umask(mask);
    statfs(path: Path, statfs: *mut libc::statfs) -> c_int = anchorite_statfs(path, statfs);
    fstatfs(fd: c_int, statfs: *mut libc::statfs) -> c_int = anchorite_fstatfs(fd, statfs);
    utimensat(at: c_int, path: Path, times: *const libc::timespec, flags: c_int) -> c_int
        = anchorite_utimensat(at, path, times, flags);
    futimens(fd: c_int, times: *const libc::timespec) -> c_int
        = anchorite_utimensat(fd, null(), times, 0);

    setxattr(path: Path, name: Path, value: *const c_void, len: usize, flags: c_int) -> c_int
        = anchorite_setxattr(path, name, value, len, flags);
    getxattr(path: Path, name: Path, value: *mut c_void, len: usize) -> isize
        = anchorite_getxattr(path, name, value, len);
    listxattr(path: Path, names: *mut c_char, len: usize) -> isize
        = anchorite_listxattr(path, names, len);
    removexattr(path: Path, name: Path) -> c_int = anchorite_removexattr(path, name);

    getuid() -> c_uint = anchorite_getuid();
    geteuid() -> c_uint = anchorite_geteuid();
    getgid() -> c_uint = anchorite_getgid();
    getegid() -> c_uint = anchorite_getegid();
    getpid() -> c_int = anchorite_getpid();
    sched_yield() -> c_int = anchorite_sched_yield();
    clock_gettime(clock: c_int, time: *mut libc::timespec) -> c_int
        = anchorite_clock_gettime(clock, time);
    getrandom(buf: *mut c_void, len: usize, flags: c_uint) -> isize
        = anchorite_getrandom(buf, len, flags);
    uname(names: *mut libc::utsname) -> c_int = anchorite_uname(names);
}

/// `remove(3)`.
#[unsafe(no_mangle)]
extern "C" fn remove(path: Path) -> c_int {
    match anchorite_unlink(path) {
        is_directory if is_directory == -c_long::from(libc::EISDIR) => rmdir(path),
        returned => answer(returned) as c_int,
    }
}

/// `sync(2)`.
#[unsafe(no_mangle)]
extern "C" fn sync() {
    anchorite_sync();
}

/// `getcwd(3)`; without a buffer it is one of `malloc`'s, as in Linux' C libraries.
///
/// # Safety
/// `buf` is null or has room for `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getcwd(buf: *mut c_char, len: usize) -> *mut c_char {
    if !buf.is_null() {
        return if answer(anchorite_getcwd(buf, len as c_ulong)) < 0 { null_mut() } else { buf };
    }
    let mut text = [0; libc::PATH_MAX as usize];
    let given = text.as_mut_ptr();
    if answer(anchorite_getcwd(given, text.len() as c_ulong)) < 0 {
        return null_mut();
    }
    // SAFETY: the call ended it by a NUL.
    memory_of(unsafe { CStr::from_ptr(given) })
}

/// `time(2)`.
///
/// # Safety
/// `seconds` is null or can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(seconds: *mut libc::time_t) -> libc::time_t {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    anchorite_clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
    if !seconds.is_null() {
        // SAFETY: by the caller.
        unsafe { seconds.write(now.tv_sec) };
    }
    now.tv_sec
}
