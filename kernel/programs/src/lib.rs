//! The guest programs. Each is a function from a [`Context`] to an exit status, so
//! that the same code runs in a bare-metal image and in a host process.
//!
//! * `cat`, `ls`, `sha256sum`: as Linux has them, to look at files; `manifest`: a whole tree in
//!   lines that can be compared.
//! * `hello`: one file, written and read back.
//! * `tree`: a directory with a few files, listed, renamed, linked.
//! * `many`: thousands of files and directories, each step timed.
//! * `microbench`: what each call costs.
//! * `threads`: threads on every core, which wait for one another and share files.
//! * `posix`: rows of calls, each compared with its outcome on Linux.
//!
//! [`io`] has what they share: text to the console, and sentences for errors; those that look
//! at files share `tree_walk`, `digest` and `escape` too.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod cat;
mod digest;
mod escape;
mod hello;
pub mod io;
mod ls;
mod manifest;
mod many;
pub mod microbench;
pub mod posix;
mod postmark;
mod sha256sum;
mod threads;
mod tree;
mod tree_walk;

pub use anchorite_syscalls::program::{Context, Program};

pub use cat::CAT;
pub use hello::HELLO;
pub use ls::LS;
pub use manifest::MANIFEST;
pub use many::MANY;
pub use microbench::MICROBENCH;
pub use posix::POSIX;
pub use postmark::POSTMARK;
pub use sha256sum::SHA256SUM;
pub use threads::THREADS;
pub use tree::TREE;

/// All programs, in alphabetical order.
pub const PROGRAMS: &[&Program] = &[
    &CAT,
    &HELLO,
    &LS,
    &MANIFEST,
    &MANY,
    &MICROBENCH,
    &POSIX,
    &POSTMARK,
    &SHA256SUM,
    &THREADS,
    &TREE,
];

/// Exit status of a program that was called the wrong way.
pub const STATUS_USAGE: i32 = 2;
