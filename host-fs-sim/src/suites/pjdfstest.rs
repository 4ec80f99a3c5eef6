//! pjdfstest: what POSIX says of each call on files, case by case.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::trial::tail;
use super::{Failure, Outcome, Trial};
use crate::programs::Package;

/// The crate.
pub const PACKAGE: Package = Package { name: "pjdfstest", version: "0.2.2" };
const LIMIT: Duration = Duration::from_secs(300);

/// What the file system has, beyond what every file system must. Users are the suite's
/// default ones: nobody and [`super::USER`].
const CONFIGURATION: &str = "\
[features]
posix_fallocate = {}
rename_ctime = {}
utimensat = {}
utime_now = {}

[settings]
# Seconds between two changes; above the tick of the host's coarse clock.
naptime = 0.02
";

/// Runs all cases.
///
/// # Errors
/// The program is missing or cannot be started, or says other numbers than were counted
/// though it had time.
pub fn run(root: &Path, trial: &mut Trial) -> Result<Outcome> {
    let program = PACKAGE.find(root).context("pjdfstest is missing")?;
    let configuration = trial.scratch().join("pjdfstest.toml");
    fs::write(&configuration, CONFIGURATION)?;
    let ground = trial.ground();
    let dir = ground.make_directory(&directory_name(ground.dir()))?;
    let mut command = Command::new(program);
    command.arg("--configuration-file").arg(&configuration).arg("--path").arg(&dir);
    let ran = match trial.run(&mut command, LIMIT)? {
        Ok(ran) => ran,
        Err(expired) => return Ok(Outcome { failures: vec![expired], ..Outcome::default() }),
    };
    let outcome = count(&ran.output);
    let summary = ran.output.lines().find(|line| line.starts_with("Summary:"));
    let summary = summary.with_context(|| {
        format!("pjdfstest ended with {}: {}", ran.status, tail(&ran.output, 3))
    })?;
    outcome.check(summary)?;
    Ok(outcome)
}

fn count(output: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in output.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.last()) {
            (Some(case), Some("FAILED")) => outcome.failures.push(Failure::of(case, "")),
            (Some(_), Some("ok")) => outcome.passed += 1,
            (Some(case), Some("skipped")) => outcome.skipped.push(case.into()),
            _ => {}
        }
    }
    outcome
}

impl Outcome {
    /// Compares what was counted with what the suite says itself.
    fn check(&self, summary: &str) -> Result<()> {
        let numbers: Vec<usize> =
            summary.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
        let own = [self.failures.len(), self.skipped.len(), self.passed];
        anyhow::ensure!(numbers.starts_with(&own), "counted {own:?} cases, but: {summary}");
        Ok(())
    }
}

/// A name for the directory under `parent` that the suite runs in. It builds a path of
/// PATH_MAX bytes from pieces of 127, and panics where the remainder is nothing: that
/// is so where its directory's path is 9 bytes long, or a multiple of 127 longer.
fn directory_name(parent: &Path) -> String {
    let len = parent.as_os_str().len() + "/work".len();
    if len % 127 == 9 { "works".into() } else { "work".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_avoids_the_length_that_the_suite_fails_at() {
        for len in 1..300 {
            let parent = "x".repeat(len);
            let path = Path::new(&parent).join(directory_name(Path::new(&parent)));
            assert_ne!(path.as_os_str().len() % 127, 9, "{len}");
        }
    }

    #[test]
    fn the_summary_must_agree_with_the_count() {
        let outcome = count("a FAILED\nb ok\nc skipped\n\nd x skipped\ne ok\nf ok\nTests: x\n");
        assert_eq!(outcome.skipped, ["c", "d"]);
        assert!(outcome.fails("a"));
        let summary = |numbers: &str| outcome.check(&format!("Summary: {numbers}"));
        assert!(summary("1 failed, 2 skipped, 3 passed, 0 expected failures, 6 total").is_ok());
        assert!(summary("0 failed, 2 skipped, 3 passed, 0 expected failures, 5 total").is_err());
        assert!(summary("").is_err());
    }
}
