//! The guest programs. Each is a function from a [`Context`] to an exit status, so
//! that the same code runs in a bare-metal image and in a host process.
//!
//! * `hello`: one file, written and read back.
//! * `tree`: a directory with a few files, listed, renamed, linked.
//! * `many`: thousands of files and directories, each step timed.
//! * `microbench`: what each call costs.
//! * `threads`: threads on every core, which wait for one another and share files.
//! * `posix`: rows of calls, each compared with its outcome on Linux.
//!
//! [`io`] has what they share: text to the console, and sentences for errors.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod hello;
pub mod io;
mod many;
pub mod microbench;
pub mod posix;
mod postmark;
mod threads;
mod tree;

use anchorite_syscalls::System;

pub use hello::HELLO;
pub use many::MANY;
pub use microbench::MICROBENCH;
pub use posix::POSIX;
pub use postmark::POSTMARK;
pub use threads::THREADS;
pub use tree::TREE;

/// All programs, in alphabetical order.
pub const PROGRAMS: &[&Program] = &[&HELLO, &MANY, &MICROBENCH, &POSIX, &POSTMARK, &THREADS, &TREE];

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
