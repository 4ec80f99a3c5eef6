//! PostMark 1.51, the file-system benchmark that NetApp published for mail,
//! news and web servers: many small files, short lives.
//!
//! It is a port written from the original's behaviour (Debian's `postmark`,
//! watched with `strace` and `ltrace`), none of its code. The same seed makes
//! the same files in the same order, by the same calls: stdio's buffering is
//! part of it. It runs wherever something implements [`Calls`].
//!
//! The layers, from the ground up:
//!
//! - [`Calls`]: where file calls, console and clock go; [`Bare`]: files that are only bytes;
//! - [`Random`]: the Mersenne Twister that everything is drawn from;
//! - `stdio`: buffered files with glibc's sequence of calls;
//! - `free`, `pool`: the table of files, and which slot a new one takes;
//! - [`Settings`], `command`: what can be set, and how lines are understood;
//! - `workload`: the benchmark itself;
//! - [`Report`]: its result and how that is told;
//! - `console`, `show`, [`main`]: the program.
//!
//! There is no locking: a program is one thread.
//!
//! # Deviations
//!
//! On purpose:
//!
//! - Seconds are real ones with three decimals where the original prints whole
//!   ones and never less than 1; rates are computed from the real ones.
//! - `del location PATH` does what `set location -PATH` does; the original
//!   knows only the latter (and `help` lists neither).
//! - `--json` before the configuration file, as [`main`] describes.
//!
//! Where the original crashes:
//!
//! - Fewer than 10 transactions (it divides by zero): they are made, with one
//!   dot each.
//! - A location longer than the original's field (about 80 bytes): it works.
//! - No memory for the source file, the table or the index of locations: after
//!   the original's error the run ends; the original goes on and crashes. For
//!   the read buffer, where it has no words, the error is "failed to allocate
//!   read buffer of size N".
//! - Weights that add up to more than an `int`: the error about the index of
//!   locations, and the run ends.
//!
//! Where there is less to work with:
//!
//! - `!COMMAND` where [`Calls::shell`] has no shell: "Error: there is no shell
//!   here".
//! - A file that loads itself ends after 1,021 levels, whatever the limit of
//!   open files.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod bare;
mod calls;
mod command;
mod console;
mod free;
mod pool;
mod random;
mod report;
mod session;
mod settings;
mod show;
mod stdio;
#[cfg(test)]
mod stdio_tests;
mod workload;
#[cfg(test)]
mod workload_tests;

pub use anchorite_syscalls::{Errno, Result};
pub use bare::Bare;
pub use calls::{Calls, Stat};
pub use random::Random;
pub use report::{Counts, Data, Outcome, Report, Times};
pub use session::{main, main_with};
pub use settings::{Buffering, Format, Location, Settings};
