//! The command `check`: rows of text, done in each world and compared with what is recorded;
//! then the checker, on the ramdisk that is left.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anchorite_fs::{Limits, PAGE_BYTES};
use anchorite_programs::posix::ROWS;
use anchorite_programs::posix::script::{self, Row, Run, World, rows};
use anchorite_syscalls::System;
use anyhow::{Context, Result, bail};

use crate::campaign::judge::{PROCESS_LIMITS, without_method};
use crate::campaign::{LIMITS, left_over, unsound};
use crate::model::{BEYOND, Model};
use crate::output::tell;
use crate::worlds::{self, Methods, Numbers, linux_call, on_linux, system, system_by_numbers};

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Texts of rows, as `soak` prints them; those that are built in unless given
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Limits that no sensible row meets, and that this machine can bear.
const LARGE: Limits = Limits { size_bytes: 1 << 30, inodes: 1 << 20 };

/// Who does the calls.
#[derive(Clone, Copy, Debug)]
enum Way {
    Numbers,
    Methods,
    Model,
    Linux,
}

/// Checks all texts; the status is 1 if anything differs.
///
/// # Errors
/// A file cannot be read, or is no text of rows.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for file in &options.files {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        check_text(&text).with_context(|| format!("{name} is no text of rows"))?;
        limits(&text).with_context(|| format!("{name} is no text of rows"))?;
        texts.push((name, text));
    }
    if texts.is_empty() {
        texts.extend(ROWS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    }
    let mut wrong = 0;
    for (name, text) in &texts {
        for way in [Way::Numbers, Way::Methods, Way::Model, Way::Linux] {
            if options.files.is_empty()
                && let Some(why) = cannot_do(name, way)
            {
                tell(format_args!("skipped: {name}, {way:?}: {why}"));
                continue;
            }
            match differences(text, way) {
                Ok(told) => {
                    let rows = rows(text).count();
                    tell(format_args!("{name}, {way:?}: {rows} rows, {} differences", told.len()));
                    told.iter().for_each(tell);
                    wrong += told.len();
                }
                Err(why) => tell(format_args!("skipped: {name}, {way:?}: {why:#}")),
            }
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why nobody does the built-in rows `name` in this way here.
fn cannot_do(name: &str, way: Way) -> Option<&'static str> {
    match (name, way) {
        ("proc", _) => Some("worlds have no /proc: guests and the oracle of the calls do these"),
        (_, Way::Model) => BEYOND.iter().find(|(text, _)| *text == name).map(|(_, why)| *why),
        _ => None,
    }
}

/// Whether `text` is of rows, of calls that there are.
fn check_text(text: &str) -> Result<()> {
    script::check(text)?;
    for row in rows(text) {
        for line in row.lines() {
            if let Err(what) = worlds::check(&line.statement()?) {
                bail!("row {}, `{}`: {what}", row.name, line.call);
            }
        }
    }
    Ok(())
}

/// Why a row is not done in this way.
fn objection(row: &Row<'_>, way: Way) -> Option<&'static str> {
    let mut statements = row.lines().filter_map(|line| line.statement().ok());
    match way {
        Way::Methods => statements
            .any(|one| without_method(&one).is_some())
            .then_some("some of its calls have no method"),
        Way::Linux => statements
            .any(|one| PROCESS_LIMITS.contains(&&*one.name))
            .then_some("the limits would be those of this process"),
        Way::Numbers | Way::Model => None,
    }
}

/// What is not as it is recorded; and what the checker finds.
fn differences(text: &str, way: Way) -> Result<Vec<String>> {
    let limits = limits(text)?.unwrap_or(LARGE);
    if !text.starts_with("# alone") {
        return in_a_world(text, None, way, limits);
    }
    let names: Vec<&str> = rows(text).map(|row| row.name).collect();
    let told: Result<Vec<_>> =
        names.into_iter().map(|name| in_a_world(text, Some(name), way, limits)).collect();
    Ok(told?.concat())
}

/// The limits that a text of `soak` was found under, if it tells any.
fn limits(text: &str) -> Result<Option<Limits>> {
    let Some(line) = text.lines().find_map(|line| line.strip_prefix(LIMITS)) else {
        return Ok(None);
    };
    let numbers: Option<Vec<u64>> = line.split(' ').map(|word| word.parse().ok()).collect();
    let told = match numbers.as_deref() {
        Some(&[pages, inodes]) => pages.checked_mul(PAGE_BYTES as u64).zip(Some(inodes)),
        _ => None,
    };
    let Some((size_bytes, inodes)) = told else {
        bail!("`{LIMITS}{line}`: limits are a number of pages and one of inodes");
    };
    Ok(Some(Limits { size_bytes, inodes }))
}

/// Does all rows, or the one of this name, in a new world.
fn in_a_world(text: &str, name: Option<&str>, way: Way, limits: Limits) -> Result<Vec<String>> {
    // The checker looks before a row's files are closed, and after.
    let all = |world: &mut dyn World, checked: &dyn Fn() -> Option<String>| {
        let mut told = Vec::new();
        for row in rows(text).filter(|row| name.is_none_or(|name| name == row.name)) {
            if let Some(why) = objection(&row, way) {
                tell(format_args!("skipped: {}, {way:?}: {why}", row.name));
                continue;
            }
            let mut run = Run::begin(world, row.name);
            for line in row.lines() {
                let outcome = match line.statement() {
                    Ok(statement) => run.perform(&statement).told(),
                    Err(malformed) => malformed.to_string(),
                };
                let is_linux = matches!(way, Way::Linux);
                let recorded = if is_linux { line.linux.or(line.recorded) } else { line.recorded };
                if recorded.is_some_and(|recorded| recorded != outcome) {
                    told.push(format!("  {}: {}\n    here: {outcome}", row.name, line.text));
                }
            }
            told.extend(checked().map(|problem| format!("  {}: {problem}", row.name)));
            run.end();
        }
        told
    };
    let ended = |system: &System, mut told: Vec<String>| {
        let problem = unsound(system).or_else(|| left_over(system));
        told.extend(problem.map(|problem| format!("  at the end: {problem}")));
        told
    };
    Ok(match way {
        Way::Linux if limits != LARGE => bail!("its tmpfs has no such limits"),
        Way::Linux => on_linux(|| all(&mut Numbers { syscall: &linux_call }, &|| None))?,
        Way::Model => all(&mut Model::new(limits), &|| None),
        Way::Methods => {
            let system = system(limits);
            let told = all(&mut Methods(&system), &|| unsound(&system));
            ended(&system, told)
        }
        Way::Numbers => {
            let system = system_by_numbers(limits);
            let syscall = |number, words| system.syscall(number, words);
            let told = all(&mut Numbers { syscall: &syscall }, &|| unsound(&system));
            ended(&system, told)
        }
    })
}
