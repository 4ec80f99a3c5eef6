//! Directories, as `<dirent.h>` has them. On x86-64 a `struct dirent` is what `getdents64(2)`
//! writes, but that the last may be shorter.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use anchorite_syscalls::c::{
    anchorite_close, anchorite_getdents64, anchorite_lseek, anchorite_open,
};

use super::memory::{free, malloc};
use super::posix::answer;

/// Bytes that are listed at once.
const BUFFER_BYTES: usize = 4096;

/// `DIR`.
struct Dir {
    fd: c_int,
    /// Where the next entry is.
    at: usize,
    /// Where the last one ends.
    end: usize,
    records: Records,
}

/// Aligned as a record's first field is; with room behind for a whole `struct dirent` wherever a
/// record begins.
#[repr(C, align(8))]
struct Records([u8; BUFFER_BYTES], MaybeUninit<libc::dirent>);

/// `opendir(3)`.
#[unsafe(no_mangle)]
extern "C" fn opendir(path: *const c_char) -> *mut Dir {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    match answer(anchorite_open(path, flags, 0)) {
        -1 => null_mut(),
        fd => of(fd as c_int),
    }
}

/// `fdopendir(3)`, which does not look whether it is a directory: reading it will tell.
#[unsafe(no_mangle)]
extern "C" fn fdopendir(fd: c_int) -> *mut Dir {
    let memory = malloc(size_of::<Dir>()).cast::<Dir>();
    if !memory.is_null() {
        let records = Records([0; BUFFER_BYTES], MaybeUninit::uninit());
        // SAFETY: memory of that size.
        unsafe { memory.write(Dir { fd, at: 0, end: 0, records }) };
    }
    memory
}

/// A `DIR` of `fd`, which is closed if there is no memory.
fn of(fd: c_int) -> *mut Dir {
    let dir = fdopendir(fd);
    if dir.is_null() {
        anchorite_close(fd);
    }
    dir
}

/// `readdir(3)`: null at the end, and for an error with `errno`.
///
/// # Safety
/// `dir` was opened and not closed since.
#[unsafe(no_mangle)]
unsafe extern "C" fn readdir(dir: *mut Dir) -> *mut libc::dirent {
    // SAFETY: by the caller; C has one thread.
    let dir = unsafe { &mut *dir };
    if dir.at == dir.end {
        let records = dir.records.0.as_mut_ptr();
        let got = answer(anchorite_getdents64(dir.fd, records.cast(), BUFFER_BYTES as u32));
        if got <= 0 {
            return null_mut();
        }
        (dir.at, dir.end) = (0, got as usize);
    }
    // SAFETY: the call wrote whole records, and there is room behind the last.
    unsafe {
        let record = (&raw mut dir.records).cast::<u8>().add(dir.at).cast::<libc::dirent>();
        dir.at += usize::from((*record).d_reclen);
        record
    }
}

/// `rewinddir(3)`.
///
/// # Safety
/// `dir` was opened and not closed since.
#[unsafe(no_mangle)]
unsafe extern "C" fn rewinddir(dir: *mut Dir) {
    // SAFETY: by the caller; C has one thread.
    let dir = unsafe { &mut *dir };
    anchorite_lseek(dir.fd, 0, libc::SEEK_SET);
    (dir.at, dir.end) = (0, 0);
}

/// `dirfd(3)`.
///
/// # Safety
/// `dir` was opened and not closed since.
#[unsafe(no_mangle)]
unsafe extern "C" fn dirfd(dir: *mut Dir) -> c_int {
    // SAFETY: by the caller.
    unsafe { (*dir).fd }
}

/// `closedir(3)`.
///
/// # Safety
/// `dir` was opened and not closed since.
#[unsafe(no_mangle)]
unsafe extern "C" fn closedir(dir: *mut Dir) -> c_int {
    // SAFETY: by the caller; the memory is `malloc`'s.
    unsafe {
        let fd = (*dir).fd;
        free(dir.cast());
        answer(anchorite_close(fd)) as c_int
    }
}
