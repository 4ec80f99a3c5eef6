//! [`Failure`]: why the command ends, as one sentence and an exit status.

use std::{fmt, io};

use anchorite_interface::STATUS_ISLE_FAILED;

use crate::forward::describe;

/// Exit status for a command line that cannot be obeyed.
pub const STATUS_USAGE: u8 = 2;
/// Exit status for a program that does not exist, as a shell has it.
pub const STATUS_UNKNOWN_PROGRAM: u8 = 127;
/// Exit status of a command whose reader went away (128 + SIGPIPE).
pub const STATUS_CLOSED_OUTPUT: u8 = 141;

/// The end of a command that did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The command's exit status, never 0.
    pub status: u8,
    /// One sentence and its remedy; nothing for an output that was closed,
    /// about which a Unix tool is silent.
    pub sentence: Option<String>,
}

/// A result whose error ends the command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The command line asks for something that cannot be.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(STATUS_USAGE, sentence)
    }

    /// The isle, or the launcher itself, failed.
    pub fn isle(sentence: impl Into<String>) -> Self {
        Self::new(STATUS_ISLE_FAILED as u8, sentence)
    }

    /// No program has this name.
    pub fn unknown_program(sentence: impl Into<String>) -> Self {
        Self::new(STATUS_UNKNOWN_PROGRAM, sentence)
    }

    /// Standard output did not take what was written. A reader who went away
    /// is no reason to say anything.
    pub fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure { status: STATUS_CLOSED_OUTPUT, sentence: None };
        }
        Self::isle(format!(
            "the output cannot be written ({}): see where it is sent",
            describe(&error)
        ))
    }

    /// A failure with a status of its own.
    pub fn new(status: u8, sentence: impl Into<String>) -> Self {
        Failure { status, sentence: Some(sentence.into()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence.as_deref().unwrap_or("the output was closed"))
    }
}

impl std::error::Error for Failure {}
