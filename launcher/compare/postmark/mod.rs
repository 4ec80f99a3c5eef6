//! PostMark compared: on the ramdisk inside the unikernel, inside the unikernel with
//! each call forwarded to the host, natively on Linux.
//!
//! Further ways: natively on ext4, and [`debian`]'s own program; with the goals, what postmark takes by
//! itself, on files that are nothing but their bytes.
//!
//! [`ground`] runs it once, one way; [`results`] holds what came of it, and the JSON;
//! [`table`] prints; [`goals`] has the configurations with goals, and a table of their own.

mod debian;
mod goals;
mod ground;
mod results;
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use goals::{Goal, Row};
pub use ground::{Files, GUEST_CONFIG_DIR, PROGRAM};
pub use results::{Counts, Outcome, WayResults};

use super::instructions;
use super::progress::Progress;
use super::scratch::Scratch;
use super::session::{Session, Way};
use super::tables::{Style, thousands};
use crate::cli::{self, PostmarkArgs};
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::machine::{Machine, file_system};
use ground::{Further, Ground};
use results::check_counts;

/// A configuration in which the native run takes about a second. It makes about
/// 800,000 calls, each a hypercall when forwarded: half a minute to a minute on
/// page-table virtualised KVM.
const LARGER: &str = "set number 8000\nset transactions 80000\nset size 500 10000\n";

/// How often each way is run, unless another number is asked for.
const RUNS: u32 = 3;
/// What part of the configurations that have goals is run where that is to be quick.
const QUICK_PART: u32 = 20;
/// The title of postmark's own configuration.
const DEFAULT: &str = "PostMark's default: 500 files, 500 transactions";
/// With more files than these a configuration that is one of several is not forwarded, which would
/// take minutes.
const FORWARDED_FILES: u32 = 10_000;

/// The longest configuration that is read; a device may have no end.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// One comparison's subject: what postmark is told.
#[derive(Default)]
pub struct Configuration {
    /// How the table calls it.
    pub title: String,
    /// The file that it is from, as given.
    pub file: Option<String>,
    /// How many files it begins with, where it is one of several that differ by that.
    pub files: Option<u32>,
    /// The commands, byte for byte; nothing for postmark's own default.
    pub commands: Option<Vec<u8>>,
}

/// What came of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How the table calls it.
    pub title: String,
    /// The file of commands, as given; nothing for a configuration of ours, or postmark's default.
    pub file: Option<String>,
    /// How many files it begins with, where it is one of several that differ by that.
    pub files: Option<u32>,
    /// What postmark was told; nothing for its default.
    pub commands: Option<String>,
    /// Each way's results.
    pub ways: Vec<WayResults>,
}

/// `anchorite compare postmark --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What was measured on.
    pub machine: Machine,
    /// How often each way was run; of long configurations, only the ramdisk and Linux' tmpfs.
    pub runs: u32,
    /// The directory of the way `ext4`, where there is one.
    pub ext4_dir: Option<String>,
    /// All that was run.
    pub configurations: Vec<Comparison>,
    /// The same beside goals, where that was asked for.
    pub goals: Vec<Row>,
    /// Why further ways that were asked for are not there.
    pub absent: BTreeMap<Way, String>,
}

/// The main job: two configurations, one table.
pub fn main_job() -> Result<u8> {
    let configurations = [
        Configuration { title: DEFAULT.to_owned(), ..Configuration::default() },
        Configuration {
            title: "8,000 files of 500 to 10,000 bytes, 80,000 transactions".to_owned(),
            commands: Some(LARGER.as_bytes().to_vec()),
            ..Configuration::default()
        },
    ];
    // Forwarding the larger one takes long; its spread is small beside that.
    let runs = |configuration: &Configuration, way: Way| match (&configuration.commands, way) {
        (Some(_), Way::Forwarded) => 1,
        _ => RUNS,
    };
    let session = Session::new(cli::isle(None)?, None)?;
    let configurations = compare(&session, &configurations, &runs, &Further::default())?;
    let document = Document {
        machine: session.machine(),
        runs: RUNS,
        ext4_dir: None,
        configurations,
        goals: Vec::new(),
        absent: BTreeMap::new(),
    };
    crate::print(&table::render(&document))?;
    check(&document)?;
    Ok(0)
}

/// `anchorite compare postmark`.
pub fn postmark(args: &PostmarkArgs) -> Result<u8> {
    if cli::isle(args.isle.as_deref())? == Some(Isle::Qemu) {
        let commands = args.config.as_deref().map(read_config).transpose()?;
        return instructions::postmark(args, commands.as_deref());
    }
    let document = measure(args)?;
    if args.json {
        super::print_json(&document)?;
    } else {
        if args.goals {
            let style = if args.markdown { Style::Markdown } else { Style::Text };
            crate::print(&goals::render(&document.machine, &document.goals, style))?;
        }
        if !args.goals || args.further {
            crate::print(&table::render(&document))?;
        }
    }
    check(&document)?;
    Ok(0)
}

/// What it measures.
///
/// # Errors
/// The configuration cannot be read or run; a program does not end well.
pub fn measure(args: &PostmarkArgs) -> Result<Document> {
    let isle = cli::isle(args.isle.as_deref())?;
    let configurations = configurations(args)?;
    let runs = |configuration: &Configuration, way| match (way, configuration.files) {
        (Way::Forwarded, Some(files)) if files > FORWARDED_FILES => 0,
        (Way::Forwarded, Some(_)) => 1,
        (Way::Forwarded | Way::Ext4 | Way::Debian, None) if args.goals => 1,
        _ => args.runs,
    };
    let mut session = Session::new(isle, args.native_dir.as_deref())?;
    let mut further = Further::default();
    let mut absent = BTreeMap::new();
    if args.further {
        match ext4(args.ext4_dir.as_deref()) {
            Ok(place) => further.ext4 = Some(place),
            Err(why) => drop(absent.insert(Way::Ext4, why.to_string())),
        }
        match debian::find() {
            Ok(program) => further.debian = Some(program),
            Err(why) => drop(absent.insert(Way::Debian, why.to_string())),
        }
        let is_there =
            [(Way::Ext4, further.ext4.is_some()), (Way::Debian, further.debian.is_some())];
        is_there.iter().filter(|(_, is_there)| *is_there).for_each(|(way, _)| session.add(*way));
    }
    if args.goals {
        session.add(Way::Bare);
    }
    let configurations = compare(&session, &configurations, &runs, &further)?;
    let machine = session.machine();
    let goals = if args.goals { goals::rows(&machine, &configurations) } else { Vec::new() };
    let ext4_dir = further.ext4.map(|place| place.native_parent().display().to_string());
    Ok(Document { machine, runs: args.runs, ext4_dir, configurations, goals, absent })
}

/// Checks that every way did the same.
///
/// # Errors
/// Which count differs, and how.
pub fn check(document: &Document) -> Result<()> {
    document.configurations.iter().try_for_each(check_counts)
}

/// What is to be run.
fn configurations(args: &PostmarkArgs) -> Result<Vec<Configuration>> {
    if args.goals {
        return Ok(goals::configurations(if args.quick { QUICK_PART } else { 1 }));
    }
    if !args.files.is_empty() {
        return Ok(args.files.iter().map(|files| of_files(*files)).collect());
    }
    let (title, commands) = match &args.config {
        Some(path) => (path.display().to_string(), Some(read_config(path)?)),
        None => (DEFAULT.to_owned(), None),
    };
    let file = args.config.as_ref().map(|path| path.display().to_string());
    Ok(vec![Configuration { title, file, files: None, commands }])
}

/// As many files as transactions, in one directory.
fn of_files(files: u32) -> Configuration {
    let commands = format!("set number {files}\nset transactions {files}\nset size 500 10000\n");
    Configuration {
        title: format!(
            "{0} files of 500 to 10,000 bytes, {0} transactions",
            thousands(files.into())
        ),
        file: None,
        files: Some(files),
        commands: Some(commands.into_bytes()),
    }
}

/// A place on ext4: the one that is given, or one that is usual.
fn ext4(given: Option<&Path>) -> Result<Scratch> {
    let usual =
        [std::env::temp_dir(), "/var/tmp".into(), std::env::current_dir().unwrap_or_default()];
    let candidates = given.map_or(usual.to_vec(), |path| vec![path.to_owned()]);
    let is_ext4 = |path: &&PathBuf| file_system(path).as_deref() == Some("ext4");
    let names = || candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let found = candidates.iter().find(is_ext4).ok_or_else(|| {
        Failure::usage(format!("{}: none is on ext4: name one by --ext4-dir", names().join(", ")))
    })?;
    Scratch::new(Some(found))
}

/// Runs every configuration every way.
fn compare(
    session: &Session,
    configurations: &[Configuration],
    runs: &dyn Fn(&Configuration, Way) -> u32,
    further: &Further,
) -> Result<Vec<Comparison>> {
    let (isle, ways) = (session.isle, session.ways());
    let steps = configurations
        .iter()
        .flat_map(|configuration| ways.iter().map(move |way| runs(configuration, *way)))
        .sum();
    let mut progress = Progress::new(steps);
    let mut comparisons = Vec::new();
    for configuration in configurations {
        let ground = Ground::new(session, configuration, further)?;
        let rounds = |way| runs(configuration, way);
        let mut results: Vec<WayResults> = ways
            .iter()
            .filter(|way| rounds(**way) > 0)
            .map(|way| WayResults::new(*way, way.isle_name(isle)))
            .collect();
        session.interleave(&mut progress, &configuration.title, rounds, |way| {
            let outcome = ground.run(way)?;
            let results = results.iter_mut().find(|results| results.way == way);
            results.map_or(Ok(()), |results| results.push(outcome))
        })?;
        let commands = configuration.commands.as_deref();
        comparisons.push(Comparison {
            title: configuration.title.clone(),
            file: configuration.file.clone(),
            files: configuration.files,
            commands: commands.map(|commands| String::from_utf8_lossy(commands).into_owned()),
            ways: results,
        });
    }
    Ok(comparisons)
}

fn read_config(path: &Path) -> Result<Vec<u8>> {
    let mut commands = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_end(&mut commands));
    let why = match read {
        Ok(length) if length as u64 <= MAX_CONFIG_BYTES => return Ok(commands),
        Ok(_) => "longer than any configuration".to_owned(),
        Err(error) => describe(&error),
    };
    Err(Failure::usage(format!(
        "--config {}: {why}: name a file of postmark commands",
        path.display()
    )))
}
