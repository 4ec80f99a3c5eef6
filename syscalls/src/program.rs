//! What a program is, and what it is started with: the same in a bare-metal image and in a
//! process of a host.

use core::fmt::{self, Write};

use arrayvec::ArrayVec;

use crate::System;

/// Bytes collected before a call writes them.
const BUFFER_BYTES: usize = 1024;

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

/// A console stream that text can be formatted to; what is collected is written when
/// the buffer is full, at each end of a line, and when it is dropped.
pub struct Text<'a> {
    context: &'a Context<'a>,
    fd: i32,
    buffer: ArrayVec<u8, BUFFER_BYTES>,
}

impl<'a> Text<'a> {
    /// Standard output.
    pub fn stdout(context: &'a Context<'a>) -> Text<'a> {
        Text { context, fd: libc::STDOUT_FILENO, buffer: ArrayVec::new() }
    }

    /// Standard error.
    pub fn stderr(context: &'a Context<'a>) -> Text<'a> {
        Text { context, fd: libc::STDERR_FILENO, buffer: ArrayVec::new() }
    }

    fn flush(&mut self) -> fmt::Result {
        write_all(self.context, self.fd, &self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Writes all of `rest` to `fd`.
///
/// # Errors
/// A call fails, or takes nothing.
pub fn write_all(context: &Context<'_>, fd: i32, mut rest: &[u8]) -> fmt::Result {
    while !rest.is_empty() {
        match context.sys.write(fd, rest) {
            Ok(done) if done > 0 => rest = &rest[done..],
            _ => return Err(fmt::Error),
        }
    }
    Ok(())
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.as_bytes().split_inclusive(|&byte| byte == b'\n') {
            for piece in line.chunks(BUFFER_BYTES) {
                if self.buffer.remaining_capacity() < piece.len() {
                    self.flush()?;
                }
                // There is room: a piece is no longer than an empty buffer.
                let _ = self.buffer.try_extend_from_slice(piece);
            }
            if line.ends_with(b"\n") {
                self.flush()?;
            }
        }
        Ok(())
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        // A console that fails has nobody to tell.
        let _ = self.flush();
    }
}
