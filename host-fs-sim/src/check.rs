//! The command `check`: rows of text, done in each world and compared with what is recorded;
//! then the checker, on the ramdisk that is left.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anchorite_programs::posix::ROWS;
use anchorite_programs::posix::script::{self, Row, World, rows};
use anchorite_syscalls::System;
use anyhow::{Context, Result, bail};

use crate::campaign::deviations::without_method;
use crate::model::Model;
use crate::worlds::{
    self, Methods, Numbers, ROOMY, linux_call, on_linux, system, system_by_numbers,
};

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Texts of rows, as `soak` prints them; those that are built in unless given
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

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
        texts.push((name, text));
    }
    if texts.is_empty() {
        texts.extend(ROWS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    }
    let mut wrong = 0;
    for (name, text) in &texts {
        for way in [Way::Numbers, Way::Methods, Way::Model, Way::Linux] {
            match differences(text, way) {
                Ok(told) => {
                    let rows = rows(text).count();
                    println!("{name}, {way:?}: {rows} rows, {} differences", told.len());
                    told.iter().for_each(|line| println!("{line}"));
                    wrong += told.len();
                }
                Err(why) => println!("skipped: {name}, {way:?}: {why:#}"),
            }
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn has_methods(row: &Row<'_>) -> bool {
    row.lines().all(|line| line.statement().is_ok_and(|one| without_method(&one).is_none()))
}

/// What is not as it is recorded; and what the checker finds.
fn differences(text: &str, way: Way) -> Result<Vec<String>> {
    if !text.starts_with("# alone") {
        return in_a_world(text, None, way);
    }
    let names: Vec<&str> = rows(text).map(|row| row.name).collect();
    let told: Result<Vec<_>> =
        names.into_iter().map(|name| in_a_world(text, Some(name), way)).collect();
    Ok(told?.concat())
}

/// Does all rows, or the one of this name, in a new world.
fn in_a_world(text: &str, name: Option<&str>, way: Way) -> Result<Vec<String>> {
    let all = |world: &mut dyn World| {
        let mut told = Vec::new();
        for row in rows(text).filter(|row| name.is_none_or(|name| name == row.name)) {
            if matches!(way, Way::Methods) && !has_methods(&row) {
                println!("skipped: {}, Methods: some of its calls have no method", row.name);
                continue;
            }
            row.run(world, &mut |line, outcome| {
                let is_linux = matches!(way, Way::Linux);
                let recorded = if is_linux { line.linux.or(line.recorded) } else { line.recorded };
                if recorded.is_some_and(|recorded| recorded != outcome) {
                    told.push(format!("  {}: {}\n    here: {outcome}", row.name, line.text));
                }
            });
        }
        told
    };
    let checked = |system: &System, mut told: Vec<String>| {
        match system.check() {
            Ok(report) => told.extend(report.problems.iter().map(|problem| format!("  {problem}"))),
            Err(errno) => told.push(format!("  the checker answers {errno:?}")),
        }
        told
    };
    Ok(match way {
        Way::Linux => on_linux(|| all(&mut Numbers { syscall: &linux_call }))?,
        Way::Model => all(&mut Model::new(ROOMY)),
        Way::Methods => {
            let system = system(ROOMY);
            let told = all(&mut Methods(&system));
            checked(&system, told)
        }
        Way::Numbers => {
            let system = system_by_numbers(ROOMY);
            let syscall = |number, words| system.syscall(number, words);
            let told = all(&mut Numbers { syscall: &syscall });
            checked(&system, told)
        }
    })
}
