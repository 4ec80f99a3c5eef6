//! The guest programs. Each is a function from a [`Context`] to an exit status,
//! so that the same code runs in a bare-metal image and in a host process.
#![no_std]
#![forbid(unsafe_code)]

use anchorite_syscalls::System;

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
