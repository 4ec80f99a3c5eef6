//! Standard output and standard error, without a buffer: as much of `<stdio.h>` as needs no
//! formats and opens no files.

use alloc::format;
use core::ffi::{CStr, c_char, c_int, c_void};

use anchorite_syscalls::Errno;
use anchorite_syscalls::c::anchorite_write;

use super::posix::{__errno_location, answer};

/// `EOF`.
const END_OF_FILE: c_int = -1;

/// `FILE`: a descriptor.
struct File(c_int);

/// A pointer that C reads.
#[repr(transparent)]
struct Pointer(*const File);

// SAFETY: what it points to is never written.
unsafe impl Sync for Pointer {}

static FILES: [File; 2] = [File(libc::STDOUT_FILENO), File(libc::STDERR_FILENO)];

/// `stdout(3)`.
#[unsafe(no_mangle)]
static stdout: Pointer = Pointer(&raw const FILES[0]);
/// `stderr(3)`.
#[unsafe(no_mangle)]
static stderr: Pointer = Pointer(&raw const FILES[1]);

/// Writes all of `bytes` to `fd`; [`END_OF_FILE`], and `errno`, if that cannot be.
pub fn say(fd: c_int, mut bytes: &[u8]) -> c_int {
    while !bytes.is_empty() {
        match answer(anchorite_write(fd, bytes.as_ptr().cast(), bytes.len())) {
            done @ 1.. => bytes = &bytes[done as usize..],
            _ => return END_OF_FILE,
        }
    }
    0
}

/// `puts(3)`.
///
/// # Safety
/// It is a text.
#[unsafe(no_mangle)]
unsafe extern "C" fn puts(text: *const c_char) -> c_int {
    // SAFETY: by the caller.
    let line = [unsafe { CStr::from_ptr(text) }.to_bytes(), b"\n"].concat();
    say(libc::STDOUT_FILENO, &line)
}

/// `fputs(3)`.
///
/// # Safety
/// It is a text, and `file` is `stdout` or `stderr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fputs(text: *const c_char, file: *const File) -> c_int {
    // SAFETY: by the caller.
    unsafe { say((*file).0, CStr::from_ptr(text).to_bytes()) }
}

/// `fwrite(3)`.
///
/// # Safety
/// There are `count` things of `len` bytes, and `file` is `stdout` or `stderr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fwrite(
    things: *const c_void,
    len: usize,
    count: usize,
    file: *const File,
) -> usize {
    let mut rest = len.saturating_mul(count);
    while rest > 0 {
        let done = len.saturating_mul(count) - rest;
        // SAFETY: by the caller.
        let fd = unsafe { (*file).0 };
        match answer(anchorite_write(fd, things.wrapping_byte_add(done), rest)) {
            written @ 1.. => rest -= written as usize,
            _ => return done / len,
        }
    }
    if len == 0 { 0 } else { count }
}

/// `fputc(3)`.
///
/// # Safety
/// `file` is `stdout` or `stderr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fputc(byte: c_int, file: *const File) -> c_int {
    let byte = byte as u8;
    // SAFETY: by the caller.
    let said = say(unsafe { (*file).0 }, &[byte]);
    if said == END_OF_FILE { END_OF_FILE } else { c_int::from(byte) }
}

/// `putc(3)`.
///
/// # Safety
/// `file` is `stdout` or `stderr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn putc(byte: c_int, file: *const File) -> c_int {
    // SAFETY: by the caller.
    unsafe { fputc(byte, file) }
}

/// `putchar(3)`.
#[unsafe(no_mangle)]
extern "C" fn putchar(byte: c_int) -> c_int {
    // SAFETY: that is standard output.
    unsafe { fputc(byte, &raw const FILES[0]) }
}

/// `fflush(3)`: nothing is kept back.
#[unsafe(no_mangle)]
extern "C" fn fflush(_: *const File) -> c_int {
    0
}

/// `perror(3)`.
///
/// # Safety
/// It is a text, or null.
#[unsafe(no_mangle)]
unsafe extern "C" fn perror(what: *const c_char) {
    // SAFETY: the one thread's.
    let errno = Errno::from_raw(unsafe { *__errno_location() });
    if !what.is_null() {
        // SAFETY: by the caller.
        let what = unsafe { CStr::from_ptr(what) }.to_bytes();
        if !what.is_empty() {
            say(libc::STDERR_FILENO, &[what, b": "].concat());
        }
    }
    say(libc::STDERR_FILENO, format!("{}\n", errno.message()).as_bytes());
}
