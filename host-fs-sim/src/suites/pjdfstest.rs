//! pjdfstest: what POSIX says of each call on files, case by case.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::unistd::User;

use super::{Ground, Outcome};
use crate::programs::{Ended, Package, run_limited};

/// The crate.
pub const PACKAGE: Package = Package { name: "pjdfstest", version: "0.2.2" };
/// The user, beside nobody, that cases run as, with a group of the same name.
pub const USER: &str = "tests";

const LIMIT: Duration = Duration::from_secs(300);

/// What the file system has, beyond what every file system must. Users are the suite's
/// default ones: nobody and [`USER`].
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

/// Whether the users are there.
///
/// # Errors
/// Those of `getpwnam(3)`.
pub fn users_exist() -> Result<bool> {
    Ok(User::from_name("nobody")?.is_some() && User::from_name(USER)?.is_some())
}

/// The command that makes the user [`USER`].
pub fn user_command() -> Command {
    let mut command = Command::new("useradd");
    command.args(["--no-create-home", "--shell", "/usr/sbin/nologin", USER]);
    command
}

/// Runs all cases on `ground`.
///
/// # Errors
/// The program cannot be started, or its summary is missing though it had time.
pub fn run(program: &Path, ground: &mut Ground, scratch: &Path) -> Result<Outcome> {
    let configuration = scratch.join("pjdfstest.toml");
    fs::write(&configuration, CONFIGURATION)?;
    let dir = ground.make_directory(&directory_name(ground.dir()))?;
    let log = scratch.join("pjdfstest.log");
    let mut command = Command::new(program);
    command.arg("--configuration-file").arg(&configuration).arg("--path").arg(&dir);
    let start = Instant::now();
    let ended = run_limited(&mut command, LIMIT, &File::create(&log)?, || ground.kill_daemon())?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let mut outcome = Outcome { seconds: start.elapsed().as_secs_f64(), ..Outcome::default() };
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.last()) {
            (Some(case), Some("FAILED")) => outcome.failures.push(case.into()),
            (Some(_), Some("ok")) => outcome.passed += 1,
            (Some(_), Some("skipped")) => outcome.skipped += 1,
            _ => {}
        }
    }
    match ended {
        Ended::Expired => outcome.failures.push("ran out of time".into()),
        Ended::Exited(status) => {
            let tail = || text.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
            let summary = text.lines().find(|line| line.starts_with("Summary:"));
            let summary =
                summary.with_context(|| format!("pjdfstest ended with {status}: {}", tail()))?;
            outcome.check(summary)?;
        }
    }
    Ok(outcome)
}

impl Outcome {
    /// Compares what was counted with what the suite says itself.
    fn check(&self, summary: &str) -> Result<()> {
        let numbers: Vec<usize> =
            summary.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
        let own = [self.failures.len(), self.skipped, self.passed];
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
        let outcome = Outcome { passed: 3, skipped: 2, failures: vec!["a".into()], seconds: 0.0 };
        let summary = |numbers: &str| outcome.check(&format!("Summary: {numbers}"));
        assert!(summary("1 failed, 2 skipped, 3 passed, 0 expected failures, 6 total").is_ok());
        assert!(summary("0 failed, 2 skipped, 3 passed, 0 expected failures, 5 total").is_err());
        assert!(summary("").is_err());
    }
}
