//! `microbench`: what each call costs, one at a time: the time of a call, of calls among
//! many files, of growing a file; the memory of a file; and how long the machine is away.
//!
//! The same code runs in a guest, over the system's calls, and as a Linux process, over
//! the C library's: [`Calls`] is what differs. It prints a line of JSON for each row
//! ([`ROWS`] has them all) and a last one that tells that nothing is missing:
//!
//! ```text
//! {"name":"lseek","unit":"ns","samples":[5.214,…],"cycles":[13.6,…]}
//! {"name":"two renames","absent":"Function not implemented"}
//! {"name":"create, one directory, all cores",…,"threads":2}
//! {"name":"hourglass","gaps":[[5,31415],…]}
//! {"done":3}
//! ```
//!
//! How it measures: a call is repeated so often that one sample takes
//! [`Options::sample_ns`]; each sample is the mean of its calls, by the monotonic clock
//! and by the time-stamp counter. Loop and closure cost about a cycle, and are not taken
//! off. Each call's result is checked, and a call that fails ends the program with a
//! sentence; only one that is not there (ENOSYS) makes its row absent.
//!
//! * [`calls`]: the door to the outside; [`guest`]: the one that a guest has.
//! * [`options`], [`rows`]: what is asked for, what there is.
//! * [`bench`]: takes samples and prints them; [`time_stamp`]: the counter.
//! * [`single`]: calls repeated; [`many`], [`append`]: calls among many files, and to a
//!   growing one; [`memory`]: blocks and pages; [`hourglass`]: gaps in time;
//!   [`cores`]: work on several cores.
//! * Something else, on demand: [`growth`], how costs grow with what there is; [`sizes`], reading and
//!   writing by size; [`parts`], calls that do ever more; [`copy`], of a directory's files.

mod append;
mod bench;
pub mod calls;
mod copy;
mod cores;
mod growth;
mod guest;
mod hourglass;
mod many;
mod memory;
mod options;
mod parts;
pub mod rows;
mod single;
mod sizes;
#[allow(unsafe_code)]
mod time_stamp;

pub use calls::Calls;
pub use options::{Options, Subject};
pub use rows::{Group, ROWS, Row};

use alloc::format;

use crate::Program;
use crate::io::{self, Failure};
use bench::Bench;
use guest::Guest;

/// See the module.
pub const MICROBENCH: Program = Program {
    name: "microbench",
    summary: "[--filter TEXT] [--quick] …: measures calls one at a time, and prints JSON",
    main: |context| {
        let args = context.args.get(1..).unwrap_or_default();
        io::run(context, |context| measure(&Guest(context.sys), args))
    },
};

/// Runs it with the arguments after its name; returns the exit status.
pub fn main(calls: &impl Calls, args: &[&[u8]]) -> i32 {
    let Err(failure) = measure(calls, args) else { return 0 };
    // A console that fails has nobody to tell.
    let _ = calls.write(libc::STDERR_FILENO, format!("microbench: {failure}\n").as_bytes());
    match failure {
        Failure::Usage(_) => crate::STATUS_USAGE,
        _ => 1,
    }
}

fn measure(calls: &impl Calls, args: &[&[u8]]) -> Result<(), Failure> {
    let options = Options::parse(args)?;
    options.go_to_directory(calls)?;
    let mut bench = Bench::new(calls, &options);
    match options.subject {
        Subject::Rows => {}
        Subject::Growth => {
            growth::growth(&mut bench)?;
            return bench.finish();
        }
        Subject::Sizes => {
            sizes::sizes(&mut bench)?;
            return bench.finish();
        }
        Subject::Parts => {
            parts::parts(&mut bench)?;
            return bench.finish();
        }
        Subject::Copy(from) => {
            copy::copy(&mut bench, from)?;
            return bench.finish();
        }
    }
    // What wants memory that was never touched comes first.
    memory::first_write(&mut bench)?;
    memory::malloc(&mut bench)?;
    append::append(&mut bench)?;
    many::one_directory(&mut bench)?;
    many::small_files(&mut bench)?;
    memory::in_no_cache(&mut bench)?;
    single::machine(&mut bench)?;
    single::files(&mut bench)?;
    hourglass::hourglass(&mut bench)?;
    cores::cores(&mut bench)?;
    bench.finish()
}
