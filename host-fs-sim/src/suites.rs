//! The command `suites`: tests of others over a fresh mount of the ramdisk, with the
//! kernel's page cache and without, and beside it on tmpfs and on tmpfs behind a FUSE
//! file system that passes everything on; each under a time limit that ends the daemon.

pub mod fio;
pub mod fsx;
mod ground;
mod needs;
mod outcome;
pub mod pjdfstest;
pub mod sqlite;
pub mod stress_ng;
mod table;
mod trial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::output::{tell, tell_progress};
use crate::programs::INTERRUPTED;

pub use ground::{Bound, Ground, Kind, PASS_THROUGH, new_directory};
pub use needs::{Need, USER};
pub use outcome::{Failure, Outcome};
pub use trial::{Ran, Trial};

/// Where suites are installed to, unless told otherwise.
pub const DEFAULT_ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/suites");

/// Of whatever is counted on the command line; so that times can be added.
const MOST: u64 = 1_000_000_000;

/// A suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Cases from POSIX.
    Pjdfstest,
    /// Random operations on one file.
    Fsx,
    /// Checksummed data.
    Fio,
    /// Many processes at each call.
    StressNg,
    /// Databases.
    Sqlite,
}

/// Suites as the command line names them: one, or all.
#[derive(Clone, Debug)]
pub struct Selection(Vec<Suite>);

/// What to run, and how much of it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// pjdfstest, fsx, fio, stress-ng, sqlite, or all
    #[arg(value_name = "SUITE", default_value = "all")]
    pub suites: Selection,
    /// A few minutes of everything, instead of about an hour
    #[arg(long)]
    pub quick: bool,
    /// Operations of fsx for each seed [default: 200000; quick: 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    pub ops: Option<u64>,
    /// Seeds of fsx, from 1 on [default: 10; quick: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    pub seeds: Option<u64>,
    /// Seconds of each job of fio and of each stressor [default: 10 and 3; quick: 1 and 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    pub seconds: Option<u64>,
    /// Minutes after which a suite on one file system is ended, and has failed [default:
    /// 60; quick: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    pub minutes: Option<u64>,
    /// Print a last line of JSON instead of the table
    #[arg(long)]
    pub json: bool,
    /// Install first what is missing: by cargo, by apt-get, the user `tests` by useradd, and
    /// SQLite's tests from the distribution's source package
    #[arg(long)]
    pub install: bool,
    /// Where suites are installed to and looked for, before the PATH [default:
    /// target/suites in the sources]
    #[arg(long, value_name = "DIR", default_value = DEFAULT_ROOT, hide_default_value = true)]
    pub root: PathBuf,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Of fsx, for each seed.
    pub operations: u64,
    /// Of fsx.
    pub seeds: u64,
    /// Of a job of fio.
    pub job: Duration,
    /// Of a stressor.
    pub stressor: Duration,
    /// Of a stressor.
    pub stressor_operations: u64,
    /// Of SQLite's tests.
    pub sqlite: sqlite::Extent,
    /// For a suite on one ground.
    pub limit: Duration,
}

impl Scale {
    /// As much as is sensible.
    pub const FULL: Scale = Scale {
        operations: 200_000,
        seeds: 10,
        job: Duration::from_secs(10),
        stressor: Duration::from_secs(3),
        stressor_operations: 1_000_000,
        sqlite: sqlite::Extent::VeryQuick,
        limit: Duration::from_secs(60 * 60),
    };
    /// A little of everything.
    pub const QUICK: Scale = Scale {
        operations: 20_000,
        seeds: 2,
        job: Duration::from_secs(1),
        stressor: Duration::from_secs(1),
        stressor_operations: 20,
        sqlite: sqlite::Extent::Files,
        limit: Duration::from_secs(5 * 60),
    };

    fn of(options: &Options) -> Scale {
        let scale = if options.quick { Scale::QUICK } else { Scale::FULL };
        let seconds = options.seconds.map(Duration::from_secs);
        let minutes = options.minutes.map(|minutes| Duration::from_secs(60 * minutes));
        Scale {
            operations: options.ops.unwrap_or(scale.operations),
            seeds: options.seeds.unwrap_or(scale.seeds),
            job: seconds.unwrap_or(scale.job),
            stressor: seconds.unwrap_or(scale.stressor),
            limit: minutes.unwrap_or(scale.limit),
            ..scale
        }
    }
}

/// Runs the suites and prints a table. The exit code is success if nothing failed on the
/// ramdisk that does not fail on tmpfs, directly or passed through, too.
///
/// # Errors
/// Something is missing, with the remedy; or a file system cannot be mounted.
pub fn run(options: &Options) -> Result<ExitCode> {
    if !geteuid().is_root() {
        bail!("the suites mount file systems and change users: run as root");
    }
    let Selection(suites) = &options.suites;
    let needs = suites.iter().flat_map(|suite| suite.needs()).chain(&[Need::Debian(PASS_THROUGH)]);
    for need in needs {
        if !need.is_met(&options.root)? {
            if !options.install {
                bail!("{}", need.missing(&options.root));
            }
            need.install(&options.root)?;
        }
    }
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C")?;
    let own = std::env::current_exe()?;
    let scale = Scale::of(options);
    let mut rows = Vec::new();
    for &suite in suites {
        let mut outcomes = Vec::new();
        for kind in Kind::ALL {
            tell_progress(format_args!("{} on {} ...", suite.name(), kind.name()));
            let outcome = suite.run(kind, &own, &options.root, &scale)?;
            tell_progress(format_args!("    {}", table::cell(&outcome)));
            outcomes.push(outcome);
        }
        if let Ok(outcomes) = outcomes.try_into() {
            rows.push(table::Row { suite, outcomes });
        }
    }
    match options.json {
        true => tell(table::json(&rows)),
        false => tell(table::render(&rows).trim_end()),
    }
    let good = rows.iter().all(table::Row::is_good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Suite {
    /// All of them.
    pub const ALL: [Suite; 5] =
        [Suite::Pjdfstest, Suite::Fsx, Suite::Fio, Suite::StressNg, Suite::Sqlite];

    /// As the command line and tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Pjdfstest => "pjdfstest",
            Suite::Fsx => "fsx",
            Suite::Fio => "fio",
            Suite::StressNg => "stress-ng",
            Suite::Sqlite => "sqlite",
        }
    }

    /// What it needs of the host, beside what mounts.
    pub fn needs(self) -> &'static [Need] {
        match self {
            Suite::Pjdfstest => &[Need::Crate(pjdfstest::PACKAGE), Need::Users],
            Suite::Fsx => &[Need::Crate(fsx::PACKAGE)],
            Suite::Fio => &[Need::Debian(fio::PACKAGE)],
            Suite::StressNg => &[Need::Debian(stress_ng::PACKAGE)],
            Suite::Sqlite => &[Need::Users, Need::Testfixture],
        }
    }

    /// Runs it on a fresh ground. `program` is `host-fs-sim`, and `root` where suites are
    /// installed.
    ///
    /// # Errors
    /// Something is missing, or nothing can be mounted; or Ctrl-C.
    pub fn run(self, kind: Kind, program: &Path, root: &Path, scale: &Scale) -> Result<Outcome> {
        let mut trial = Trial::new(kind, program, scale.limit)?;
        let outcome = match self {
            Suite::Pjdfstest => pjdfstest::run(root, &mut trial),
            Suite::Fsx => fsx::run(root, &mut trial, scale.operations, scale.seeds),
            Suite::Fio => fio::run(&mut trial, scale.job),
            Suite::StressNg => {
                stress_ng::run(&mut trial, scale.stressor, scale.stressor_operations)
            }
            Suite::Sqlite => sqlite::run(root, &mut trial, scale.sqlite, scale.limit),
        };
        let seconds = trial.seconds();
        if INTERRUPTED.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let ended = trial.end();
        let mut outcome = Outcome { seconds, ..outcome? };
        if let Err(error) = ended {
            outcome.failures.push(Failure::of_run(format!("{error:#}")));
        }
        Ok(outcome)
    }
}

impl FromStr for Selection {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Selection> {
        if text == "all" {
            return Ok(Selection(Suite::ALL.to_vec()));
        }
        let Some(suite) = Suite::ALL.into_iter().find(|suite| suite.name() == text) else {
            bail!("there are {} and all", Suite::ALL.map(Suite::name).join(", "));
        };
        Ok(Selection(vec![suite]))
    }
}
