//! [`Session`]: the path that every comparison measures by: one program, run again and
//! again, each [`Way`] in turn. Each run is a process of its own.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::scratch::Scratch;
use super::warm::warm;
use super::{microbench, postmark};
use crate::archive::Archive;
use crate::complain;
use crate::failure::{Failure, Result};
use crate::forward::{Forward, describe};
use crate::isle::Isle;
use crate::machine::{Kvm, Machine, available_memory_bytes};
use crate::order::{Order, Verbosity, Word};
use crate::size::{DEFAULT_BYTES, GIB, STEP_BYTES};
use crate::supervise::{Captured, die_with_parent, this_executable_apart};

/// Exit status of a comparison in which a program failed.
const STATUS_FAILED: u8 = 1;
/// The most memory that a comparison gives its guest.
const MAX_GUEST_BYTES: u64 = 32 * GIB;
/// The option of each program that is compared: where to work.
pub const DIRECTORY: &str = "--directory";

/// The hidden subcommand that runs a program natively.
pub const NATIVE_COMMAND: &str = "__native";

/// Where a program's calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// To the ramdisk inside the unikernel.
    Ramdisk,
    /// Out of the unikernel to the host, one hypercall each.
    Forwarded,
    /// To Linux.
    Native,
    /// To Linux, with files on ext4.
    Ext4,
    /// To Linux, from Debian's own program instead of ours.
    Debian,
    /// Inside the unikernel, to files that are nothing but their bytes.
    Bare,
}

impl Way {
    /// How tables call it.
    pub fn title(self) -> &'static str {
        match self {
            Way::Ramdisk => "ramdisk",
            Way::Forwarded => "forwarded",
            Way::Native => "native",
            Way::Ext4 => "native, ext4",
            Way::Debian => "Debian's, native",
            Way::Bare => "bare",
        }
    }

    /// What it runs on, where guests run on `isle`.
    pub fn isle_name(self, isle: Isle) -> &'static str {
        match self {
            Way::Ramdisk | Way::Forwarded | Way::Bare => isle.name(),
            Way::Native | Way::Ext4 | Way::Debian => "linux",
        }
    }
}

/// The samples of one thing, each way, in the order in which they were taken.
pub type Samples = BTreeMap<Way, Vec<f64>>;

/// What one run of a program said.
pub struct Said {
    /// Its exit status.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// The kernel's lines about the machine.
    pub log: Vec<String>,
}

impl Said {
    /// The output of a program that ended well.
    ///
    /// # Errors
    /// It did not; the last line of its standard error says why.
    pub fn output(&self, program: &str, way: Way) -> Result<&str> {
        if self.status == 0 {
            return Ok(&self.stdout);
        }
        let why = self.stderr.lines().rev().find(|line| !line.trim().is_empty());
        Err(Failure::new(
            STATUS_FAILED,
            format!(
                "{program} ({}) ended with status {}: {}",
                way.title(),
                self.status,
                why.unwrap_or("it does not say why")
            ),
        ))
    }
}

/// What all runs of a comparison share.
pub struct Session {
    /// What guests live on.
    pub isle: Isle,
    /// Where files of the host go.
    pub scratch: Scratch,
    /// In the order of tables.
    ways: Vec<Way>,
    machine: Machine,
    /// As the first guest found it.
    kvm: OnceCell<Kvm>,
}

impl Session {
    /// On `isle`, or the one that can be had here, with the host's files below `native_dir`;
    /// says so if calls cannot be forwarded from there.
    ///
    /// # Errors
    /// That directory cannot be used.
    pub fn new(isle: Option<Isle>, native_dir: Option<&Path>) -> Result<Self> {
        let isle = isle.unwrap_or_else(|| {
            let (isle, line) = Isle::default_for(&Order::new(postmark::PROGRAM));
            if let Some(line) = line {
                complain(&line);
            }
            isle
        });
        if isle != Isle::Uhyve {
            complain(&format!(
                "calls are forwarded from the isle uhyve only, so that way is left out: the \
                 ramdisk is on the isle {}",
                isle.name()
            ));
        }
        let scratch = Scratch::new(native_dir)?;
        let machine = Machine::here(scratch.native_parent());
        let ways = match isle {
            Isle::Uhyve => vec![Way::Ramdisk, Way::Forwarded, Way::Native],
            Isle::Qemu | Isle::Hosted => vec![Way::Ramdisk, Way::Native],
        };
        Ok(Session { isle, scratch, ways, machine, kvm: OnceCell::new() })
    }

    /// The ways that there are here.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// A further way.
    pub fn add(&mut self, way: Way) {
        self.ways.push(way);
    }

    /// What was measured on, as far as guests have told.
    pub fn machine(&self) -> Machine {
        Machine { kvm: self.kvm.get().cloned(), ..self.machine.clone() }
    }

    /// Does `run` for each way as often as `rounds` says, interleaved, so that a slow
    /// moment of the host's meets every way, and in warm memory.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn interleave(
        &self,
        progress: &mut Progress,
        title: &str,
        rounds: impl Fn(Way) -> u32,
        mut run: impl FnMut(Way) -> Result<()>,
    ) -> Result<()> {
        let most = self.ways().iter().map(|way| rounds(*way)).max();
        for round in 0..most.unwrap_or(0) {
            for way in self.ways().iter().filter(|way| round < rounds(**way)) {
                progress.begin(&format!("{title}, {}", way.title()));
                warm();
                let start = Instant::now();
                run(*way)?;
                progress.end(start.elapsed().as_secs_f64());
            }
        }
        Ok(())
    }

    /// Runs `program` once in a guest.
    ///
    /// # Errors
    /// The isle's.
    pub fn guest(
        &self,
        program: &str,
        args: impl IntoIterator<Item = Word>,
        forwards: Vec<Forward>,
        preloads: Vec<Archive>,
    ) -> Result<Said> {
        let args = args.into_iter().collect();
        let memory_bytes = guest_memory_bytes();
        self.run(Order { args, memory_bytes, forwards, preloads, ..Order::new(program) })
    }

    /// Runs `program` once in a guest with `cpus` cores.
    ///
    /// # Errors
    /// The isle's.
    pub fn guest_on(
        &self,
        program: &str,
        cpus: u32,
        args: impl IntoIterator<Item = Word>,
    ) -> Result<Said> {
        let args = args.into_iter().collect();
        let memory_bytes = guest_memory_bytes();
        self.run(Order { cpus, args, memory_bytes, ..Order::new(program) })
    }

    /// Runs `program` once in a guest with `memory_bytes`.
    ///
    /// # Errors
    /// The isle's.
    pub fn guest_with(
        &self,
        program: &str,
        args: impl IntoIterator<Item = Word>,
        memory_bytes: u64,
    ) -> Result<Said> {
        let args = args.into_iter().collect();
        self.run(Order { memory_bytes, args, ..Order::new(program) })
    }

    /// Runs `program` once in a guest with `memory_bytes` that begins with the files of an
    /// archive.
    ///
    /// # Errors
    /// The isle's.
    pub fn guest_with_archive(
        &self,
        program: &str,
        archive: Archive,
        memory_bytes: u64,
    ) -> Result<Said> {
        self.run(Order { memory_bytes, preloads: vec![archive], ..Order::new(program) })
    }

    fn run(&self, mut order: Order) -> Result<Said> {
        order.verbosity = Verbosity::Machine;
        let mut output = Captured::default();
        let status = self.isle.run(&order, &mut output)?;
        if let Some(kvm) = output.log.iter().find_map(|line| Kvm::parse(line)) {
            // The first guest's word counts.
            let _ = self.kvm.set(kvm);
        }
        Ok(Said { log: output.log, ..said(status, &output.stdout, &output.stderr) })
    }

    /// Runs `program` once as a process of this host.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn native(
        &self,
        program: &str,
        args: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<Said> {
        let mut command = this_executable_apart();
        command.arg(NATIVE_COMMAND).arg(std::process::id().to_string()).arg(program).args(args);
        let output = command.output().map_err(|error| {
            Failure::isle(format!("the native run cannot be started ({})", describe(&error)))
        })?;
        let status = output.status.code().unwrap_or(128);
        Ok(said(status, &output.stdout, &output.stderr))
    }
}

/// The hidden subcommand: a program on this host's own calls.
pub fn native_main(parent: &str, program: &str, args: &[String]) -> ! {
    die_with_parent(parent);
    let mut args = args;
    if let [option, directory, rest @ ..] = args
        && option == DIRECTORY
    {
        if let Err(error) = std::env::set_current_dir(directory) {
            eprintln!("{directory}: {}", describe(&error));
            std::process::exit(1);
        }
        args = rest;
    }
    std::process::exit(match program {
        microbench::PROGRAM => microbench::native_main(args),
        postmark::PROGRAM => anchorite_postmark_native::main(args.iter().map(OsString::from)),
        _ => {
            eprintln!("{program}: there is no such program natively");
            1
        }
    })
}

fn said(status: i32, stdout: &[u8], stderr: &[u8]) -> Said {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Said { status, stdout: text(stdout), stderr: text(stderr), log: Vec::new() }
}

/// Half of what the host can spare, since a ramdisk's files are memory; the host
/// gives only what is used.
fn guest_memory_bytes() -> u64 {
    let half = available_memory_bytes().unwrap_or(0) / 2;
    let bytes = half.clamp(DEFAULT_BYTES, MAX_GUEST_BYTES);
    bytes / STEP_BYTES * STEP_BYTES
}
