//! Single calls compared: what each costs on the ramdisk, forwarded, and natively, beside
//! the goals.
//!
//! The program is [`anchorite_programs::microbench`]; [`native`] is its calls on Linux;
//! [`goals`] what is to be reached; [`results`] puts what it told side by side;
//! [`table`] prints.

mod goals;
mod native;
mod results;
mod table;

use std::collections::BTreeMap;

use anchorite_programs::microbench::{self, Group, Options, ROWS, Row};
use serde::{Deserialize, Serialize};

use super::instructions;
use super::progress::Progress;
use super::session::{DIRECTORY, Session, Way};
use crate::cli::{self, MicrobenchArgs};
use crate::failure::{Failure, Result};
use crate::forward::{Access, DEFAULT_GUEST_DIR, Forward, describe};
use crate::isle::Isle;
use crate::machine::Machine;
use crate::order::Word;
use goals::CORES;
use native::Native;
pub use results::{Compared, Histogram, Told};

/// The program that is compared.
pub const PROGRAM: &str = "microbench";

/// The native way's option: a directory to mount a tmpfs of its own on, and to work in.
pub const PRIVATE: &str = "--tmpfs";

/// A forwarded call may take a thousand times as long as one on the ramdisk: of files
/// there are this many at most …
const FORWARDED_FILES: u32 = 1000;
/// … a file grows to this many bytes …
const FORWARDED_APPEND_BYTES: u64 = 4 << 20;
/// … and these are all the samples.
const FORWARDED_SAMPLES: u64 = 3;

/// `anchorite compare microbench --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What was measured on.
    pub machine: Machine,
    /// Runs of the ramdisk's and of the native way; of the forwarded one there is one.
    pub runs: u32,
    /// What each of them was asked for.
    pub asked: Asked,
    /// What was measured, and what is reckoned of it.
    pub rows: Vec<Compared>,
    /// How many gaps there were in a loop that reads the time-stamp counter, by the highest bit
    /// of their cycles.
    pub hourglass: BTreeMap<Way, Histogram>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Samples in a run of each row whose calls are repeated.
    pub samples: u64,
    /// How long each of them takes, in microseconds.
    pub sample_us: u64,
    /// Files in one directory.
    pub files: u32,
    /// Bytes that a file grows to.
    pub append_bytes: u64,
    /// How long gaps are looked for, in milliseconds.
    pub hourglass_ms: u64,
    /// Cores that work at once where several do.
    pub threads: u32,
}

impl Asked {
    fn new(args: &MicrobenchArgs) -> Asked {
        let options = if args.quick { Options::quick() } else { Options::full() };
        Asked {
            samples: args.samples.map_or(options.samples, u64::from),
            sample_us: options.sample_ns / 1000,
            files: args.files.unwrap_or(options.files),
            append_bytes: args.append_mib.map_or(options.append_bytes, |mib| u64::from(mib) << 20),
            hourglass_ms: options.hourglass_ns / 1_000_000,
            threads: CORES,
        }
    }

    /// Less of everything, for calls that take so much longer.
    fn forwarded(self) -> Asked {
        Asked {
            samples: self.samples.min(FORWARDED_SAMPLES),
            files: self.files.min(FORWARDED_FILES),
            append_bytes: self.append_bytes.min(FORWARDED_APPEND_BYTES),
            ..self
        }
    }

    /// As the program takes it, for these rows.
    fn options(self, rows: &[Row]) -> Vec<String> {
        let numbers = [
            ("--samples", self.samples),
            ("--sample-us", self.sample_us),
            ("--files", self.files.into()),
            ("--append", self.append_bytes),
            ("--hourglass-ms", self.hourglass_ms),
            ("--threads", self.threads.into()),
        ];
        let numbers = numbers.map(|(option, number)| [option.to_owned(), number.to_string()]);
        let rows = rows.iter().map(|row| ["--filter".to_owned(), row.name.to_owned()]);
        numbers.into_iter().chain(rows).flatten().collect()
    }
}

/// `anchorite compare microbench`.
pub fn microbench(args: &MicrobenchArgs) -> Result<u8> {
    if cli::isle(args.isle.as_deref())? == Some(Isle::Qemu) {
        return instructions::microbench(args, &chosen(&args.filter)?);
    }
    super::tell(&measure(args)?, &args.form, table::render)
}

/// What it measures.
///
/// # Errors
/// No row is chosen; a program cannot be run, or does not end well.
pub fn measure(args: &MicrobenchArgs) -> Result<Document> {
    let rows = chosen(&args.filter)?;
    let isle = cli::isle(args.isle.as_deref())?;
    let asked = Asked::new(args);
    let runs = args.runs.unwrap_or(if args.quick { 1 } else { 3 });
    let session = Session::new(isle, args.native_dir.as_deref())?;
    // Each group in a process of its own: how it leaves memory would tell on the next.
    let groups: Vec<Vec<Row>> = Group::ALL
        .into_iter()
        .map(|group| rows.iter().copied().filter(|row| row.group == group).collect())
        .filter(|rows: &Vec<Row>| !rows.is_empty())
        .collect();
    let rounds = |rows: &[Row], way| match way {
        Way::Forwarded if forwardable(rows).is_empty() => 0,
        Way::Forwarded => 1,
        _ => runs,
    };
    let steps = groups.iter().flat_map(|rows| session.ways().iter().map(|way| rounds(rows, *way)));
    let mut progress = Progress::new(steps.sum());
    let mut told = Told::default();
    for rows in &groups {
        let title = rows.first().map_or("", |row| row.group.title());
        session.interleave(
            &mut progress,
            title,
            |way| rounds(rows, way),
            |way| run(&session, way, asked, rows, &mut told),
        )?;
    }
    drop(progress);

    let machine = session.machine();
    let names: Vec<_> = rows.iter().map(|row| row.name).collect();
    let mut rows = told.rows(&names);
    if machine.is_emulated() {
        rows.iter_mut().for_each(|row| row.met = None);
    }
    Ok(Document { machine, runs, asked, rows, hourglass: told.hourglass })
}

/// The hidden subcommand: the program on this host's own calls.
pub fn native_main(mut args: &[String]) -> i32 {
    if let [option, directory, rest @ ..] = args
        && option == PRIVATE
    {
        if let Err(error) = native::enter_tmpfs(directory) {
            eprintln!("a tmpfs cannot be mounted on {directory}: {}", describe(&error));
            return 1;
        }
        args = rest;
    }
    let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
    microbench::main(&Native, &args)
}

/// Runs the program once, one way.
fn run(session: &Session, way: Way, asked: Asked, rows: &[Row], told: &mut Told) -> Result<()> {
    let said = match way {
        Way::Ramdisk => {
            let args = asked.options(rows);
            // A core more would be one that polls beside what is measured.
            let is_about_cores = rows.iter().any(|row| row.group == Group::Cores);
            let cpus = if is_about_cores { asked.threads } else { 1 };
            let args = args.iter().map(|arg| Word::from(arg.as_str()));
            session.guest_on(PROGRAM, cpus, args)?
        }
        Way::Forwarded => {
            let files = session.scratch.fresh()?;
            let forward =
                Forward::new("--forward", files.path(), DEFAULT_GUEST_DIR, Access::ReadWrite)?;
            let args = asked.forwarded().options(&forwardable(rows));
            let args = [DIRECTORY, DEFAULT_GUEST_DIR]
                .into_iter()
                .chain(args.iter().map(String::as_str))
                .map(Word::from);
            session.guest(PROGRAM, args, vec![forward], Vec::new())?
        }
        Way::Native | Way::Ext4 | Way::Debian | Way::Bare => {
            let files = session.scratch.fresh()?;
            let args = [DIRECTORY.into(), files.path().as_os_str().to_owned()]
                .into_iter()
                .chain(asked.options(rows).into_iter().map(Into::into));
            session.native(PROGRAM, args)?
        }
    };
    let asked_for = if way == Way::Forwarded { &forwardable(rows) } else { rows };
    told.push(way, asked_for, said.output(PROGRAM, way)?)
}

/// Those of the rows that differ where files are forwarded. Of the host's memory a guest
/// knows nothing.
fn forwardable(rows: &[Row]) -> Vec<Row> {
    let is_forwardable = |row: &&Row| row.group.is_about_files() && row.unit == "ns";
    rows.iter().filter(is_forwardable).copied().collect()
}

/// The rows with one of `filters` in their names: of a reckoned row those that it and its
/// limit are reckoned of.
fn chosen(filters: &[String]) -> Result<Vec<Row>> {
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let rows: Vec<Row> = ROWS
        .iter()
        .copied()
        .filter(|row| {
            let is_part = |reckoned: &&goals::Reckoned| {
                [reckoned.dividend, reckoned.divisor].contains(&row.name)
            };
            let is_limit = |limit: &&goals::Limit| limit.is_of(row.name);
            is_wanted(row.name)
                || goals::RECKONED.iter().filter(is_part).any(|row| is_wanted(row.name))
                || goals::LIMITS.iter().filter(is_limit).any(|limit| is_wanted(limit.name))
        })
        .collect();
    if rows.is_empty() {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(Failure::usage(format!(
            "--filter {}: no row has that in its name: the rows are {}",
            filters.join(", "),
            names.join("; ")
        )));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_what_is_in_their_names() {
        let names = |filters: &[&str]| -> Vec<&str> {
            let filters: Vec<_> = filters.iter().map(ToString::to_string).collect();
            chosen(&filters).unwrap().iter().map(|row| row.name).collect()
        };
        assert_eq!(names(&[]).len(), ROWS.len());
        assert_eq!(names(&["getpid", "stat a"]), ["getpid", "stat a/b/c/f", "stat a missing name"]);
        assert_eq!(
            names(&["last tenth to"]),
            ["append 4 KiB, first tenth", "append 4 KiB, last tenth"]
        );
        assert_eq!(
            names(&["one directory, two cores to"]),
            [
                "atomic, line of one core",
                "atomic, line of another core",
                "create, one directory, one core",
                "create, one directory, all cores"
            ]
        );
        assert_eq!(chosen(&["no such row".to_owned()]).unwrap_err().status, 2);
    }
}
