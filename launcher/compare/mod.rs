//! Comparisons of the ways that a program's calls can go: to the ramdisk inside the
//! unikernel, out of it to the host, to Linux.
//!
//! [`session`] is how all of them measure, in memory that is [`warm`]; [`statistics`] what is
//! told of samples;
//! [`scratch`] holds the directories that a comparison needs and removes them however it
//! ends; [`progress`] tells how far it is; [`tables`] has what all
//! tables share. Then each benchmark:
//! [`postmark`], [`microbench`], and what those are in [`instructions`]; [`growth`] and [`sizes`],
//! which have [`series`]; [`parts`]; [`preload`]; and [`boot`], which has no other way to compare
//! with. Each has a `measure` that answers with all samples, in the `Document` that `--json` prints;
//! the report is made of these.

pub mod boot;
pub mod growth;
mod instructions;
pub mod microbench;
pub mod parts;
pub mod postmark;
pub mod preload;
mod progress;
mod scratch;
pub mod series;
mod session;
pub mod sizes;
mod statistics;
mod tables;
mod warm;

use serde::Serialize;

use tables::Style;

pub use session::{NATIVE_COMMAND, Samples, Way, native_main};
pub use statistics::{Row, Spread};

pub use crate::cli::{
    BootArgs, CallsArgs, Form, GrowthArgs, MicrobenchArgs, PostmarkArgs, PreloadArgs,
};
pub use crate::failure::{Failure, Result};

/// The hidden subcommand that is `run`, in whatever executable measures it.
pub const RUN_COMMAND: &str = "__run";

/// Prints a comparison's results in the form that is asked for; returns the exit status.
fn tell<D: Serialize>(
    document: &D,
    form: &Form,
    render: impl FnOnce(Style, &D) -> String,
) -> Result<u8> {
    if form.json {
        return print_json(document);
    }
    let style = if form.markdown { Style::Markdown } else { Style::Text };
    crate::print(&render(style, document))?;
    Ok(0)
}

/// Prints a comparison's results as JSON; returns the exit status.
fn print_json(document: &impl Serialize) -> Result<u8> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::isle(format!("the results cannot be written ({error})")))?;
    crate::print(&format!("{text}\n"))?;
    Ok(0)
}
