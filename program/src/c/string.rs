//! Text. `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp` and `strlen` are the kernel's.
//!
//! Bytes are read one by one, each no further than a text's NUL: nobody knows what is behind it.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::ptr::null_mut;

use super::memory::malloc;
use super::posix::set_errno;

/// The bytes of a text up to its NUL, that included.
///
/// # Safety
/// There is one.
unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(text) }.to_bytes_with_nul()
}

/// A copy of `text` in memory of `malloc`'s; null without memory.
pub fn memory_of(text: &CStr) -> *mut c_char {
    let bytes = text.to_bytes_with_nul();
    let memory = malloc(bytes.len()).cast::<u8>();
    if !memory.is_null() {
        // SAFETY: new memory of that size.
        unsafe { memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }
    memory.cast()
}

/// The difference of the first bytes that differ among `len`, or 0.
///
/// # Safety
/// Both have as many bytes, or a NUL before.
unsafe fn compare(a: *const c_char, b: *const c_char, len: usize) -> c_int {
    for at in 0..len {
        // SAFETY: by the caller; nothing is read behind a NUL.
        let (a, b) = unsafe { (a.add(at).read() as u8, b.add(at).read() as u8) };
        if a != b || a == 0 {
            return c_int::from(a) - c_int::from(b);
        }
    }
    0
}

/// `strcmp(3)`.
///
/// # Safety
/// Both are texts.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcmp(a: *const c_char, b: *const c_char) -> c_int {
    // SAFETY: by the caller.
    unsafe { compare(a, b, usize::MAX) }
}

/// `strncmp(3)`.
///
/// # Safety
/// Both are texts, or have `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn strncmp(a: *const c_char, b: *const c_char, len: usize) -> c_int {
    // SAFETY: by the caller.
    unsafe { compare(a, b, len) }
}

/// `strnlen(3)`.
///
/// # Safety
/// It is a text, or has `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn strnlen(text: *const c_char, len: usize) -> usize {
    // SAFETY: by the caller; nothing is read behind a NUL.
    (0..len).find(|&at| unsafe { text.add(at).read() } == 0).unwrap_or(len)
}

/// `stpcpy(3)`.
///
/// # Safety
/// `from` is a text, and there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn stpcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: by the caller.
    unsafe {
        let bytes = bytes(from);
        to.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        to.add(bytes.len() - 1)
    }
}

/// `strcpy(3)`.
///
/// # Safety
/// `from` is a text, and there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: by the caller.
    unsafe { stpcpy(to, from) };
    to
}

/// `strncpy(3)`.
///
/// # Safety
/// `from` is a text or has `len` bytes, for which there is room.
#[unsafe(no_mangle)]
unsafe extern "C" fn strncpy(to: *mut c_char, from: *const c_char, len: usize) -> *mut c_char {
    // SAFETY: by the caller.
    unsafe {
        let copied = strnlen(from, len);
        to.copy_from_nonoverlapping(from, copied);
        to.add(copied).write_bytes(0, len - copied);
    }
    to
}

/// `strcat(3)`.
///
/// # Safety
/// Both are texts, and there is room for the second behind the first.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcat(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: by the caller.
    unsafe { stpcpy(to.add(bytes(to).len() - 1), from) };
    to
}

/// `strchr(3)`.
///
/// # Safety
/// It is a text.
#[unsafe(no_mangle)]
unsafe extern "C" fn strchr(text: *const c_char, byte: c_int) -> *mut c_char {
    // SAFETY: by the caller.
    let found = unsafe { bytes(text) }.iter().position(|it| *it == byte as u8);
    found.map_or(null_mut(), |at| text.wrapping_add(at).cast_mut())
}

/// `strrchr(3)`.
///
/// # Safety
/// It is a text.
#[unsafe(no_mangle)]
unsafe extern "C" fn strrchr(text: *const c_char, byte: c_int) -> *mut c_char {
    // SAFETY: by the caller.
    let found = unsafe { bytes(text) }.iter().rposition(|it| *it == byte as u8);
    found.map_or(null_mut(), |at| text.wrapping_add(at).cast_mut())
}

/// `strstr(3)`.
///
/// # Safety
/// Both are texts.
#[unsafe(no_mangle)]
unsafe extern "C" fn strstr(text: *const c_char, part: *const c_char) -> *mut c_char {
    // SAFETY: by the caller.
    let (bytes, part) = unsafe { (bytes(text), CStr::from_ptr(part).to_bytes()) };
    let mut places = 0..=bytes.len().saturating_sub(part.len() + 1);
    let found = places.find(|&at| bytes[at..].starts_with(part));
    found.map_or(null_mut(), |at| text.wrapping_add(at).cast_mut())
}

/// `strdup(3)`.
///
/// # Safety
/// It is a text.
#[unsafe(no_mangle)]
unsafe extern "C" fn strdup(text: *const c_char) -> *mut c_char {
    // SAFETY: by the caller.
    memory_of(unsafe { CStr::from_ptr(text) })
}

/// `memchr(3)`.
///
/// # Safety
/// `memory` has a byte like that, or `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memchr(memory: *const c_void, byte: c_int, len: usize) -> *mut c_void {
    let start = memory.cast::<u8>();
    // SAFETY: by the caller; nothing is read behind what is found.
    let found = (0..len).find(|&at| unsafe { start.add(at).read() } == byte as u8);
    found.map_or(null_mut(), |at| start.wrapping_add(at).cast_mut().cast())
}

/// `strtol(3)`.
///
/// # Safety
/// It is a text; `end` is null or can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn strtol(text: *const c_char, end: *mut *mut c_char, base: c_int) -> c_long {
    // SAFETY: by the caller.
    let all = unsafe { CStr::from_ptr(text) }.to_bytes();
    let (number, used) = number(all, base);
    if !end.is_null() {
        // SAFETY: by the caller.
        unsafe { end.write(text.wrapping_add(used).cast_mut()) };
    }
    let saturated = number.clamp(c_long::MIN.into(), c_long::MAX.into());
    if saturated != number {
        set_errno(libc::ERANGE);
    }
    saturated as c_long
}

/// The name that newer headers have for [`strtol`], for binary numbers, of which there are none
/// here.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
unsafe extern "C" fn __isoc23_strtol(
    text: *const c_char,
    end: *mut *mut c_char,
    base: c_int,
) -> c_long {
    // SAFETY: by the caller.
    unsafe { strtol(text, end, base) }
}

/// `atol(3)`.
///
/// # Safety
/// It is a text.
#[unsafe(no_mangle)]
unsafe extern "C" fn atol(text: *const c_char) -> c_long {
    // SAFETY: by the caller.
    unsafe { strtol(text, null_mut(), 10) }
}

/// `atoi(3)`.
///
/// # Safety
/// It is a text.
#[unsafe(no_mangle)]
unsafe extern "C" fn atoi(text: *const c_char) -> c_int {
    // SAFETY: by the caller.
    unsafe { atol(text) as c_int }
}

/// The number at the beginning of `text`, and how many bytes it takes; 0 if there is none. One
/// that a `long` cannot hold is one that it cannot.
fn number(text: &[u8], base: c_int) -> (i128, usize) {
    let space = |byte: &&u8| byte.is_ascii_whitespace() || **byte == 0x0b;
    let mut at = text.iter().take_while(space).count();
    let sign = text.get(at);
    at += usize::from(matches!(sign, Some(b'+' | b'-')));
    let is_hex = matches!(text.get(at..), Some([b'0', b'x' | b'X', digit, ..])
        if digit.is_ascii_hexdigit());
    let base = match (base, text.get(at)) {
        (0 | 16, _) if is_hex => {
            at += 2;
            16
        }
        (0, Some(b'0')) => 8,
        (0, _) => 10,
        (base, _) => base.clamp(2, 36) as u32,
    };
    let digits = text.get(at..).unwrap_or_default().iter();
    let digits = digits.map_while(|byte| char::from(*byte).to_digit(base));
    let mut number: i128 = 0;
    let mut count = 0;
    for digit in digits {
        number = (number * i128::from(base) + i128::from(digit)).min(1 << 64);
        count += 1;
    }
    match count {
        0 => (0, 0),
        _ => (if sign == Some(&b'-') { -number } else { number }, at + count),
    }
}
