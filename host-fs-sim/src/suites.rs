//! The command `suites`: pjdfstest and fsx over a fresh mount of the ramdisk, and beside
//! it on tmpfs, each under a time limit that ends the daemon when it is over.

pub mod fsx;
mod ground;
pub mod pjdfstest;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::fuse::Caching;
use crate::programs::{INTERRUPTED, Package};

pub use ground::{Ground, Kind, new_directory};

/// Where suites are installed to, unless told otherwise.
pub const DEFAULT_ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/suites");

/// Room on each mount.
const SIZE: &str = "1g";

/// Which suites to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// Cases from POSIX
    Pjdfstest,
    /// Random operations on one file
    Fsx,
    /// Both
    All,
}

/// What to run, and how much of it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The suite
    #[arg(value_enum, default_value = "all")]
    pub suite: Suite,
    /// Operations of fsx for each seed
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub ops: u64,
    /// Seeds of fsx, from 1 on
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub seeds: u64,
    /// Install first what is missing: the suites by cargo, the user `tests` by useradd
    #[arg(long)]
    pub install: bool,
    /// Where suites are installed to and looked for, before the PATH [default:
    /// target/suites in the sources]
    #[arg(long, value_name = "DIR", default_value = DEFAULT_ROOT, hide_default_value = true)]
    pub root: PathBuf,
}

/// What a suite found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that do not apply.
    pub skipped: usize,
    /// What failed, one name or story each.
    pub failures: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Runs the suites and prints a table. The exit code is success if nothing failed on the
/// ramdisk that does not fail on tmpfs too.
///
/// # Errors
/// Something is missing, with the remedy; or a file system cannot be mounted.
pub fn run(options: &Options) -> Result<ExitCode> {
    if !geteuid().is_root() {
        bail!("the suites mount file systems and change users: run as root");
    }
    if options.install {
        install(options)?;
    }
    let programs = Programs::find(options)?;
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C")?;
    let own = std::env::current_exe()?;
    let (mut rows, mut good) = (Vec::new(), true);
    for suite in [Suite::Pjdfstest, Suite::Fsx] {
        if options.suite != suite && options.suite != Suite::All {
            continue;
        }
        let on_tmpfs = programs.run(suite, Kind::Tmpfs, &own, options)?;
        for caching in [Caching::PageCache, Caching::Direct] {
            let kind = Kind::Ramdisk(caching);
            let outcome = programs.run(suite, kind, &own, options)?;
            for failure in &outcome.failures {
                let shared = on_tmpfs.failures.contains(failure);
                good &= shared;
                let note = if shared { " (on tmpfs too)" } else { "" };
                println!("{}, {}: {failure}{note}", suite.name(), kind.name());
            }
            rows.push((suite, kind, outcome));
        }
        rows.push((suite, Kind::Tmpfs, on_tmpfs));
    }
    print_table(&rows, options);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Suite::Pjdfstest => "pjdfstest",
            Suite::Fsx => "fsx",
            Suite::All => "all",
        }
    }

    fn packages(self) -> &'static [Package] {
        match self {
            Suite::Pjdfstest => &[pjdfstest::PACKAGE],
            Suite::Fsx => &[fsx::PACKAGE],
            Suite::All => &[pjdfstest::PACKAGE, fsx::PACKAGE],
        }
    }
}

/// The suites' binaries; the path of one that is not wanted is empty.
#[derive(Default)]
struct Programs {
    pjdfstest: PathBuf,
    fsx: PathBuf,
}

impl Programs {
    fn find(options: &Options) -> Result<Programs> {
        let mut programs = Programs::default();
        for &package in options.suite.packages() {
            let found = package.find(&options.root).with_context(|| {
                let command = shown(&package.install_command(&options.root));
                format!("{} {} is missing: `{command}`", package.name, package.version)
            })?;
            match package.name {
                "fsx" => programs.fsx = found,
                _ => programs.pjdfstest = found,
            }
        }
        if options.suite != Suite::Fsx && !pjdfstest::users_exist()? {
            bail!("pjdfstest needs the users nobody and tests: `{}`", user_command());
        }
        Ok(programs)
    }

    fn run(&self, suite: Suite, kind: Kind, own: &Path, options: &Options) -> Result<Outcome> {
        eprintln!("{} on {} ...", suite.name(), kind.name());
        let mut ground = Ground::new(kind, own, SIZE)?;
        let scratch = new_directory()?;
        let outcome = match suite {
            Suite::Fsx => fsx::run(&self.fsx, &mut ground, &scratch, options.ops, options.seeds),
            _ => pjdfstest::run(&self.pjdfstest, &mut ground, &scratch),
        };
        fs::remove_dir_all(&scratch)?;
        if INTERRUPTED.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let mut outcome = outcome?;
        if let Err(error) = ground.end() {
            outcome.failures.push(format!("{error:#}"));
        }
        Ok(outcome)
    }
}

fn install(options: &Options) -> Result<()> {
    for &package in options.suite.packages() {
        if package.find(&options.root).is_none() {
            package.install(&options.root)?;
        }
    }
    if options.suite != Suite::Fsx && !pjdfstest::users_exist()? {
        let status = pjdfstest::user_command().status().context("cannot start useradd")?;
        if !status.success() {
            bail!("`{}` failed", user_command());
        }
    }
    Ok(())
}

fn user_command() -> String {
    shown(&pjdfstest::user_command())
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn print_table(rows: &[(Suite, Kind, Outcome)], options: &Options) {
    println!("suite      file system          passed  failed  skipped  seconds");
    for (suite, kind, outcome) in rows {
        println!(
            "{:<10} {:<19} {:>7} {:>7} {:>8} {:>8.1}",
            suite.name(),
            kind.name(),
            outcome.passed,
            outcome.failures.len(),
            outcome.skipped,
            outcome.seconds
        );
    }
    if options.suite != Suite::Pjdfstest {
        println!("(of fsx, a case is a seed with {} operations)", options.ops);
    }
}
