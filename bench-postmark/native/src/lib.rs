//! [`Native`]: PostMark's calls as the C library's, so that the very code that
//! runs in a guest also runs as a Linux process.
#![deny(unsafe_code)]

mod native;

pub use anchorite_postmark as postmark;
pub use native::Native;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Runs PostMark as a Linux process does: with the arguments after the
/// program's name. Returns the exit status.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args: Vec<OsString> = args.into_iter().collect();
    let args: Vec<&[u8]> = args.iter().map(|each| each.as_bytes()).collect();
    postmark::main(&Native::new(), &args)
}
