//! How a program in C begins and ends, and its environment.

use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::format;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_uint};
use core::ptr::null_mut;

use anchorite_syscalls::c::anchorite_exit_group;

use super::stdio::say;
use crate::Context;

/// Exit status after `abort`: 128 + SIGABRT.
const STATUS_ABORTED: c_int = 134;

unsafe extern "C" {
    /// The program's.
    fn main(argc: c_int, argv: *mut *mut c_char, envp: *mut *mut c_char) -> c_int;
    /// Its name, which `anchorite build` sees to.
    static anchorite_program_name: c_char;
    /// What is to be called before `main`; the linker marks where they begin and end.
    static __init_array_start: [extern "C" fn(); 0];
    static __init_array_end: [extern "C" fn(); 0];
}

/// The environment: words, and a null.
#[unsafe(no_mangle)]
static mut environ: *mut *mut c_char = null_mut();

/// Starts `main`.
pub fn run(context: &Context<'_>) -> c_int {
    // SAFETY: a text in the image.
    let name = unsafe { CStr::from_ptr(&raw const anchorite_program_name) };
    let args = context.args.iter().skip(1).map(|arg| text(arg));
    let argv = words([name.to_owned()].into_iter().chain(args));
    let envp = words(context.env.iter().map(|variable| text(variable)));
    // SAFETY: there is one thread, and C has not begun; the linker's marks bound an array of
    // functions; `main` is as C has it.
    unsafe {
        environ = envp;
        let mut next = (&raw const __init_array_start).cast::<extern "C" fn()>();
        while next < (&raw const __init_array_end).cast() {
            (*next)();
            next = next.add(1);
        }
        main(context.args.len() as c_int, argv, envp)
    }
}

/// A word as C has it; what is behind a NUL, which none has, would be lost.
fn text(word: &[u8]) -> CString {
    let end = word.iter().position(|byte| *byte == 0).unwrap_or(word.len());
    CString::new(&word[..end]).unwrap_or_default()
}

/// Words as C has them, for as long as the program runs.
fn words(texts: impl Iterator<Item = CString>) -> *mut *mut c_char {
    let mut words: Vec<_> = texts.map(CString::into_raw).collect();
    words.push(null_mut());
    words.leak().as_mut_ptr()
}

/// `getenv(3)`.
///
/// # Safety
/// `name` is a text.
#[unsafe(no_mangle)]
unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
    // SAFETY: by the caller; the environment ends in a null, and its words in a NUL.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes();
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            let variable = CStr::from_ptr(*next).to_bytes();
            if variable.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"=")) {
                return (*next).add(name.len() + 1);
            }
            next = next.add(1);
        }
    }
    null_mut()
}

/// `_exit(2)`.
#[unsafe(no_mangle)]
extern "C" fn _exit(status: c_int) -> ! {
    loop {
        anchorite_exit_group(status);
    }
}

/// `exit(3)`: nothing is kept back that would have to be written now.
#[unsafe(no_mangle)]
extern "C" fn exit(status: c_int) -> ! {
    _exit(status)
}

/// `abort(3)`.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    _exit(STATUS_ABORTED)
}

/// What `assert(3)` calls.
///
/// # Safety
/// All are texts; `function` may be null.
#[unsafe(no_mangle)]
unsafe extern "C" fn __assert_fail(
    what: *const c_char,
    file: *const c_char,
    line: c_uint,
    function: *const c_char,
) -> ! {
    let shown = |text: *const c_char| match text.is_null() {
        true => "?".into(),
        // SAFETY: by the caller.
        false => unsafe { CStr::from_ptr(text) }.to_string_lossy(),
    };
    let (what, file, function) = (shown(what), shown(file), shown(function));
    let text = format!("{file}:{line}: {function}: assertion `{what}` failed\n");
    say(libc::STDERR_FILENO, text.as_bytes());
    abort()
}
