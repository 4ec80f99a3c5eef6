//! PostMark compared: on the ramdisk inside the unikernel, inside the unikernel with
//! each call forwarded to the host, natively on Linux.
//!
//! [`ground`] runs it once, one way; [`results`] holds what came of it, and the JSON;
//! [`table`] prints; [`goals`] has the configurations with goals, and a table of their own.

mod goals;
mod ground;
mod results;
mod table;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;

pub use ground::{Files, GUEST_CONFIG_DIR, PROGRAM};
pub use results::Outcome;

use super::instructions;
use super::progress::Progress;
use super::session::{Session, Way};
use super::tables::Style;
use crate::cli::{self, PostmarkArgs};
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::machine::Machine;
use ground::Ground;
use results::{WayResults, check_counts};

/// A configuration in which the native run takes about a second. It makes about
/// 800,000 calls, each a hypercall when forwarded: half a minute to a minute on
/// page-table virtualised KVM.
const LARGER: &str = "set number 8000\nset transactions 80000\nset size 500 10000\n";

/// The longest configuration that is read; a device may have no end.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// One comparison's subject: what postmark is told.
pub struct Configuration {
    /// How the table calls it.
    pub title: String,
    /// The commands, byte for byte; nothing for postmark's own default.
    pub commands: Option<Vec<u8>>,
}

/// What came of one configuration.
pub struct Comparison {
    /// How the table calls it.
    pub title: String,
    /// Each way's results.
    pub ways: Vec<WayResults>,
}

/// `anchorite compare postmark --json`.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    config: Config<'a>,
    ways: &'a [WayResults],
}

/// `anchorite compare postmark --goals --json`.
#[derive(Serialize)]
struct Goals<'a> {
    machine: &'a Machine,
    rows: &'a [goals::Row],
}

#[derive(Serialize)]
struct Config<'a> {
    /// The file's path, as given; null for postmark's default.
    file: Option<String>,
    /// What postmark was told.
    commands: Option<&'a str>,
    runs: u32,
}

/// The main job: two configurations, one table.
pub fn main_job() -> Result<u8> {
    let configurations = [
        Configuration {
            title: "PostMark's default: 500 files, 500 transactions".to_owned(),
            commands: None,
        },
        Configuration {
            title: "8,000 files of 500 to 10,000 bytes, 80,000 transactions".to_owned(),
            commands: Some(LARGER.as_bytes().to_vec()),
        },
    ];
    // Forwarding the larger one takes long; its spread is small beside that.
    let runs = |configuration: &Configuration, way: Way| match (&configuration.commands, way) {
        (Some(_), Way::Forwarded) => 1,
        _ => 3,
    };
    let (machine, comparisons) = compare(cli::isle(None)?, &configurations, &runs, None)?;
    crate::print(&table::render(&machine, &comparisons))?;
    comparisons.iter().try_for_each(check_counts)?;
    Ok(0)
}

/// `anchorite compare postmark --goals`.
fn goals(isle: Option<Isle>, args: &PostmarkArgs) -> Result<u8> {
    let configurations = goals::configurations();
    let runs = |_: &Configuration, way| if way == Way::Forwarded { 1 } else { args.runs };
    let (machine, comparisons) = compare(isle, &configurations, &runs, args.native_dir.as_deref())?;
    let rows = goals::rows(&machine, &comparisons);
    if args.json {
        super::print_json(&Goals { machine: &machine, rows: &rows })?;
    } else {
        let style = if args.markdown { Style::Markdown } else { Style::Text };
        crate::print(&goals::render(&machine, &rows, style))?;
    }
    comparisons.iter().try_for_each(check_counts)?;
    Ok(0)
}

/// `anchorite compare postmark`.
pub fn postmark(args: &PostmarkArgs) -> Result<u8> {
    let isle = cli::isle(args.isle.as_deref())?;
    let commands = args.config.as_deref().map(read_config).transpose()?;
    if isle == Some(Isle::Qemu) {
        return instructions::postmark(args, commands.as_deref());
    }
    if args.goals {
        return goals(isle, args);
    }
    let title = match &args.config {
        Some(path) => path.display().to_string(),
        None => "PostMark's default: 500 files, 500 transactions".to_owned(),
    };
    let configurations = [Configuration { title, commands }];
    let runs = |_: &Configuration, _| args.runs;
    let (machine, comparisons) = compare(isle, &configurations, &runs, args.native_dir.as_deref())?;
    let [comparison] = comparisons.as_slice() else {
        return Err(Failure::isle("one configuration gave no result"));
    };
    if args.json {
        let commands = configurations[0].commands.as_deref();
        let commands = commands.map(String::from_utf8_lossy);
        let document = Document {
            machine: &machine,
            config: Config {
                file: args.config.as_ref().map(|path| path.display().to_string()),
                commands: commands.as_deref(),
                runs: args.runs,
            },
            ways: &comparison.ways,
        };
        super::print_json(&document)?;
    } else {
        crate::print(&table::render(&machine, &comparisons))?;
    }
    check_counts(comparison)?;
    Ok(0)
}

/// Runs every configuration every way.
fn compare(
    isle: Option<Isle>,
    configurations: &[Configuration],
    runs: &dyn Fn(&Configuration, Way) -> u32,
    native_dir: Option<&Path>,
) -> Result<(Machine, Vec<Comparison>)> {
    let session = Session::new(isle, native_dir)?;
    let (isle, ways) = (session.isle, session.ways());
    let steps = configurations
        .iter()
        .flat_map(|configuration| ways.iter().map(move |way| runs(configuration, *way)))
        .sum();
    let mut progress = Progress::new(steps);
    let mut comparisons = Vec::new();
    for configuration in configurations {
        let ground = Ground::new(&session, configuration)?;
        let mut results: Vec<WayResults> =
            ways.iter().map(|way| WayResults::new(*way, way.isle_name(isle))).collect();
        let rounds = |way| runs(configuration, way);
        session.interleave(&mut progress, &configuration.title, rounds, |way| {
            let outcome = ground.run(way)?;
            let results = results.iter_mut().find(|results| results.way == way);
            results.map_or(Ok(()), |results| results.push(outcome))
        })?;
        comparisons.push(Comparison { title: configuration.title.clone(), ways: results });
    }
    Ok((session.machine(), comparisons))
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
