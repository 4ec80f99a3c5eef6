//! Text to the console, failures as sentences; arguments and files as the programs that look
//! at files take them.

use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::mem::ManuallyDrop;

use anchorite_syscalls::Errno;
use anchorite_syscalls::api::File;
use anchorite_syscalls::check::Report;
pub use anchorite_syscalls::program::Text;
use anchorite_syscalls::program::write_all;

use crate::Context;

/// Bytes of a file that are read at once, or collected for standard output.
const PIECE_BYTES: usize = 64 << 10;

/// Standard output for much of it, text or not: it is written in large pieces, and by
/// [`end`](Output::end). A program that gives up before drops what is not written yet.
pub struct Output<'a> {
    context: &'a Context<'a>,
    buffer: Vec<u8>,
}

impl<'a> Output<'a> {
    /// # Errors
    /// There is no memory for the buffer.
    pub fn new(context: &'a Context<'a>) -> Result<Output<'a>, Failure> {
        let mut buffer = piece()?;
        buffer.clear();
        Ok(Output { context, buffer })
    }

    /// Writes `bytes`, now or later.
    ///
    /// # Errors
    /// [`Failure::Console`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.buffer.len() + bytes.len() > PIECE_BYTES {
            self.flush()?;
        }
        if bytes.len() >= PIECE_BYTES {
            return Ok(write_all(self.context, libc::STDOUT_FILENO, bytes)?);
        }
        // There is room: it was made for a whole piece.
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`Failure::Console`].
    pub fn end(mut self) -> Result<(), Failure> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        write_all(self.context, libc::STDOUT_FILENO, &self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Room for a piece of a file.
///
/// # Errors
/// There is no memory for it.
pub fn piece() -> Result<Vec<u8>, Failure> {
    let mut piece = Vec::new();
    let reserved = piece.try_reserve_exact(PIECE_BYTES).map_err(|_| Errno::ENOMEM);
    reserved.to_do("get a buffer")?;
    piece.resize(PIECE_BYTES, 0);
    Ok(piece)
}

/// Lets `act` read the file at `path`; `-` is standard input, which stays open.
///
/// # Errors
/// Those of opening it, and of `act`.
pub fn with_input<T>(
    context: &Context<'_>,
    path: &[u8],
    act: impl FnOnce(&File<'_>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if path == b"-" {
        return act(&ManuallyDrop::new(File::from_fd(context.sys, libc::STDIN_FILENO)));
    }
    act(&File::open(context.sys, path)?)
}

/// The letters of all options, which are `known`, and the other arguments. Options may come
/// after those, but not after `--`; `-` is none.
///
/// # Errors
/// [`Failure::Usage`] for one that is not known.
pub fn options<'a>(
    context: &Context<'a>,
    known: &[u8],
    usage: &'static str,
) -> Result<(Vec<u8>, Vec<&'a [u8]>), Failure> {
    let (mut letters, mut others) = (Vec::new(), Vec::new());
    let mut args = context.args.iter().skip(1);
    while let Some(&arg) = args.next() {
        match arg {
            b"--" => others.extend(args.by_ref()),
            [b'-', found @ ..] if !found.is_empty() => {
                if !found.iter().all(|letter| known.contains(letter)) {
                    return Err(Failure::Usage(usage));
                }
                letters.extend_from_slice(found);
            }
            _ => others.push(arg),
        }
    }
    Ok((letters, others))
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
    run_to_status(context, |context| body(context).map(|()| 0))
}

/// As [`run`], for a body that has a status of its own.
pub fn run_to_status(
    context: &Context<'_>,
    body: impl FnOnce(&Context<'_>) -> Result<i32, Failure>,
) -> i32 {
    body(context).unwrap_or_else(|failure| {
        complain(context, format_args!("{failure}"));
        match failure {
            Failure::Usage(_) => crate::STATUS_USAGE,
            _ => 1,
        }
    })
}

/// A line on standard error, after the program's name.
pub fn complain(context: &Context<'_>, text: fmt::Arguments<'_>) {
    let name = context.args.first().copied().unwrap_or(b"program");
    // Standard error that fails has nobody to tell.
    let _ = writeln!(Text::stderr(context), "{}: {text}", name.escape_ascii());
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
