//! [`Outcome`]: what a program's `main` may return.

use core::fmt::Display;

use crate::{Context, eprintln};

/// What becomes an exit status when `main` returns it, as `std::process::Termination` has it:
/// nothing (0), a status, or a `Result` whose error is told on standard error (1).
pub trait Outcome {
    /// The exit status, of which the low eight bits reach whoever waits.
    fn status(self, context: &Context<'_>) -> i32;
}

impl Outcome for () {
    fn status(self, _: &Context<'_>) -> i32 {
        0
    }
}

impl Outcome for i32 {
    fn status(self, _: &Context<'_>) -> i32 {
        self
    }
}

impl<T: Outcome, E: Display> Outcome for Result<T, E> {
    fn status(self, context: &Context<'_>) -> i32 {
        match self {
            Ok(outcome) => outcome.status(context),
            Err(error) => {
                let name = context.args.first().copied().unwrap_or(b"program");
                eprintln!(context, "{}: {error}", name.escape_ascii());
                1
            }
        }
    }
}
