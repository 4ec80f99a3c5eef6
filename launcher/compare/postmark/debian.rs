//! The C program of Debian's package `postmark`, beside its port.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::results::{Counts, Outcome};
use crate::failure::{Failure, Result};
use crate::forward::describe;

/// Its name.
const NAME: &str = "postmark";
/// Whoever lacks it.
const MISSING: &str = "there is no postmark in the PATH: install it (`apt install postmark`)";

/// Where it is.
///
/// # Errors
/// It is not installed.
pub fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(NAME));
    found.into_iter().find(|file| file.is_file()).ok_or_else(|| Failure::usage(MISSING))
}

/// Runs `program` once in `directory`, by the commands in `config`. Seconds are those of the whole
/// process, since it counts whole ones only.
///
/// # Errors
/// It cannot be started, or does not end with its report.
pub fn run(program: &Path, directory: &Path, config: &Path) -> Result<Outcome> {
    let start = Instant::now();
    let said =
        Command::new(program).arg(config).current_dir(directory).stdin(Stdio::null()).output();
    let total_seconds = start.elapsed().as_secs_f64();
    let said = said.map_err(|error| {
        let (name, why) = (program.display(), describe(&error));
        Failure::isle(format!("{name} cannot be started ({why}): install it anew"))
    })?;
    let text = String::from_utf8_lossy(&said.stdout);
    let counts = parse(&text).ok_or_else(|| {
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Failure::isle(format!("{}, {}, ended without a report: {last}", NAME, said.status))
    })?;
    let out_of_files = counts.deleted < counts.created;
    Ok(Outcome { counts, out_of_files, total_seconds, transaction_seconds: 0.0, transactions: 0 })
}

/// The counts in its report; bytes to the hundredth of a megabyte, as it tells them.
pub fn parse(report: &str) -> Option<Counts> {
    let (_, report) = report.split_once("Files:")?;
    let lines: Vec<&str> = report.lines().map(str::trim).collect();
    let number = |line: &&str| line.split_whitespace().next()?.parse::<f64>().ok();
    let whole = |line: &&str| number(line).map(|number| number as u64);
    let after = |heading: &str, at: usize| {
        let mut found = lines.iter().filter_map(|line| line.strip_prefix(heading));
        found.nth(at).and_then(|rest| whole(&rest.trim()))
    };
    let count = |what: &str| whole(lines.iter().find(|line| line.contains(what))?);
    let bytes = |what: &str| {
        let units = [("megabytes", 1024.0 * 1024.0), ("kilobytes", 1024.0), ("bytes", 1.0)];
        units.into_iter().find_map(|(unit, bytes)| {
            let line = lines.iter().find(|line| line.contains(&format!(" {unit} {what} (")))?;
            Some((number(line)? * bytes).round() as u64)
        })
    };
    Some(Counts {
        created: count(" created (")?,
        created_alone: after("Creation alone:", 0)?,
        created_mixed: after("Mixed with transactions:", 0)?,
        read: count(" read (")?,
        appended: count(" appended (")?,
        deleted: count(" deleted (")?,
        deleted_alone: after("Deletion alone:", 0)?,
        deleted_mixed: after("Mixed with transactions:", 1)?,
        bytes_read: bytes("read")?,
        bytes_written: bytes("written")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the original's words.
    const REPORT: &str = "\
Creating files...Done
Performing transactions..........Done
Deleting files...Done
Time:
\t1 seconds total
\t1 seconds of transactions (5000 per second)

Files:
\t4440 created (4440 per second)
\t\tCreation alone: 2000 files (2000 per second)
\t\tMixed with transactions: 2440 files (2440 per second)
\t2473 read (2473 per second)
\t2522 appended (2522 per second)
\t4440 deleted (4440 per second)
\t\tDeletion alone: 1880 files (1880 per second)
\t\tMixed with transactions: 2560 files (2560 per second)

Data:
\t14.55 megabytes read (14.55 megabytes per second)
\t900.50 kilobytes written (27.01 megabytes per second)
";

    #[test]
    fn its_report_is_read() {
        let counts = parse(REPORT).unwrap();
        let values = counts.fields().map(|(_, value)| value);
        let bytes = [15_256_781, 922_112];
        assert_eq!(values[..8], [4440, 2000, 2440, 2473, 2522, 4440, 1880, 2560]);
        assert_eq!(values[8..], bytes);
    }

    #[test]
    fn a_part_of_a_report_is_none() {
        for end in (0..REPORT.len() - 60).step_by(7) {
            assert_eq!(parse(&REPORT[..end]), None, "{end}");
        }
        assert_eq!(parse("Error: cannot create\n"), None);
    }
}
