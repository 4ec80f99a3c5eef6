//! [`Console`]: the program's standard output and standard error.
//!
//! Output goes through stdio's buffer and is flushed where the original
//! flushes it; errors go out at once, in one call each.

use core::fmt::{self, Arguments, Write};

use alloc::vec::Vec;
use anchorite_syscalls::Result;

use crate::Calls;
use crate::stdio::{Stream, send};

/// Standard output and standard error. Output that fails is lost, as the
/// original ignores it.
pub struct Console<'c, C: Calls> {
    calls: &'c C,
    output: Stream,
    /// The message being put together; kept for its memory.
    message: Vec<u8>,
}

impl<'c, C: Calls> Console<'c, C> {
    /// The console on descriptors 1 and 2.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(calls: &'c C) -> Result<Console<'c, C>> {
        Ok(Console { calls, output: Stream::on(1)?, message: Vec::new() })
    }

    /// Prints.
    pub fn print(&mut self, text: Arguments<'_>) {
        let _ = self.write_fmt(text);
    }

    /// Prints bytes, which may be no text.
    pub fn print_bytes(&mut self, bytes: &[u8]) {
        let _ = self.output.write(self.calls, bytes);
    }

    /// Sends what was printed.
    pub fn flush(&mut self) {
        let _ = self.output.flush(self.calls);
    }

    /// Reports an error: "Error: " and `pieces`.
    pub fn error(&mut self, pieces: &[&[u8]]) {
        self.message.clear();
        self.message.extend_from_slice(b"Error: ");
        pieces.iter().for_each(|piece| self.message.extend_from_slice(piece));
        self.message.push(b'\n');
        let _ = send(self.calls, 2, &self.message);
    }

    /// Reports an error that holds numbers.
    pub fn error_fmt(&mut self, text: Arguments<'_>) {
        self.error(&[alloc::format!("{text}").as_bytes()]);
    }
}

impl<C: Calls> Write for Console<'_, C> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.print_bytes(text.as_bytes());
        Ok(())
    }
}

/// Where a report goes: a file, or the console.
pub enum Sink<'a, 'c, C: Calls> {
    /// The standard output.
    Console(&'a mut Console<'c, C>),
    /// A file that is open for writing.
    File(&'c C, &'a mut Stream),
}

impl<C: Calls> Sink<'_, '_, C> {
    /// Prints bytes, which may be no text. What fails is lost.
    pub fn print_bytes(&mut self, bytes: &[u8]) {
        match self {
            Sink::Console(console) => console.print_bytes(bytes),
            Sink::File(calls, file) => {
                let _ = file.write(*calls, bytes);
            }
        }
    }

    /// Prints.
    pub fn print(&mut self, text: Arguments<'_>) {
        let _ = self.write_fmt(text);
    }
}

impl<C: Calls> Write for Sink<'_, '_, C> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.print_bytes(text.as_bytes());
        Ok(())
    }
}
