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

use anchorite_syscalls::System;

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

/// What a program is started with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The process that it is.
    pub sys: &'a System,
    /// Arguments; the first is the program's name.
    pub args: &'a [&'a [u8]],
    /// Environment, each `KEY=VALUE`.
    pub env: &'a [&'a [u8]],
}

/// A guest program.
#[derive(Clone, Copy)]
pub struct Program {
    /// Its name, as `anchorite run NAME` takes it.
    pub name: &'static str,
    /// A line about it.
    pub summary: &'static str,
    /// Its entry point; returns the exit status.
    pub main: fn(&Context<'_>) -> i32,
}

/// Exit status of a program that was called the wrong way.
pub const STATUS_USAGE: i32 = 2;
