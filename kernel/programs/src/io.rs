//! Text to the console, and failures as sentences.

use core::fmt::{self, Write};

use anchorite_syscalls::Errno;
use anchorite_syscalls::check::Report;
use arrayvec::ArrayVec;

use crate::Context;

/// Bytes collected before a call writes them.
const BUFFER: usize = 1024;

/// A console stream that text can be formatted to; what is collected is written when
/// the buffer is full, at each end of a line, and when it is dropped.
pub struct Text<'a> {
    context: &'a Context<'a>,
    fd: i32,
    buffer: ArrayVec<u8, BUFFER>,
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
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            match self.context.sys.write(self.fd, rest) {
                Ok(done) if done > 0 => rest = &rest[done..],
                _ => return Err(fmt::Error),
            }
        }
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.as_bytes().split_inclusive(|&byte| byte == b'\n') {
            for piece in line.chunks(BUFFER) {
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

/// Why a program gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A call failed: what it was to do, and why it did not.
    Call(&'static str, Errno),
    /// A call succeeded with a wrong result.
    Wrong(&'static str),
    /// The program was called the wrong way: how it is called.
    Usage(&'static str),
    /// The console cannot be written.
    Console,
}

impl From<fmt::Error> for Failure {
    fn from(_: fmt::Error) -> Self {
        Failure::Console
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Call(what, errno) => write!(f, "cannot {what}: {errno}"),
            Failure::Wrong(what) => write!(f, "wrong result: {what}"),
            Failure::Usage(usage) => write!(f, "usage: {usage}"),
            Failure::Console => f.write_str("cannot write to the console"),
        }
    }
}

/// Checks the ramdisk, for the end of a program; `out` is told what is wrong.
///
/// # Errors
/// There is no memory to check with; the ramdisk is not whole.
pub fn check_ramdisk(context: &Context<'_>, out: &mut Text<'_>) -> Result<(), Failure> {
    expect_whole(&context.sys.check().to_do("check the ramdisk")?, out)
}

fn expect_whole(report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    if report.problems.is_empty() {
        return Ok(());
    }
    writeln!(out, "{report}")?;
    Err(Failure::Wrong("the ramdisk is not whole"))
}

/// Names the deed that a call was to do, for the sentence about its failure.
pub trait ToDo<T> {
    /// # Errors
    /// [`Failure::Call`].
    fn to_do(self, what: &'static str) -> Result<T, Failure>;
}

impl<T> ToDo<T> for Result<T, Errno> {
    fn to_do(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|errno| Failure::Call(what, errno))
    }
}

/// Runs a program's body; a failure becomes a sentence on standard error and a status.
pub fn run(context: &Context<'_>, body: impl FnOnce(&Context<'_>) -> Result<(), Failure>) -> i32 {
    let Err(failure) = body(context) else { return 0 };
    let name = context.args.first().copied().unwrap_or(b"program");
    let mut stderr = Text::stderr(context);
    let _ = writeln!(stderr, "{}: {failure}", name.escape_ascii());
    match failure {
        Failure::Usage(_) => crate::STATUS_USAGE,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use anchorite_syscalls::check::Problem;

    use super::*;

    #[test]
    fn a_ramdisk_that_is_not_whole_is_a_failure_and_told() {
        let mut told = String::new();
        assert_eq!(expect_whole(&Report::default(), &mut told), Ok(()));
        assert_eq!(told, "");
        let problems = vec![Problem::Inodes { charged: 5, found: 4 }];
        let report = Report { problems, ..Report::default() };
        let failure = Failure::Wrong("the ramdisk is not whole");
        assert_eq!(expect_whole(&report, &mut told), Err(failure));
        assert!(
            told.ends_with(": 1 problem\nthe quota counts 5 inodes, but 4 were found\n"),
            "{told}"
        );
    }
}
