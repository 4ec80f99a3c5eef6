//! SQLite's own tests: databases, journals, write-ahead logs, shared memory and locks,
//! as an ordinary user's programs use them.

mod build;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::User;

use super::ground::Bound;
use super::trial::tail;
use super::{Failure, Outcome, Trial, USER};

pub use build::{build, is_built};

/// How many of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All but those that simulate failures of memory and I/O: about 300,000.
    VeryQuick,
    /// Of these, files that are about files: about 4,000.
    Files,
}

/// The files of [`Extent::Files`].
const FILES: &str = "attach backup bigfile exclusive io journal3 lock lock2 lock5 mmap1 nolock \
                     pager1 superlock symlink tempdb temptable unixexcl vacuum wal walmode zipfile";

/// Runs the tests as [`USER`], in a directory on the ground, with temporary files there
/// too. A test counts as one case.
///
/// # Errors
/// The user is missing, or the program cannot be started.
pub fn run(root: &Path, trial: &mut Trial, extent: Extent, limit: Duration) -> Result<Outcome> {
    let user = User::from_name(USER)?.with_context(|| format!("no user {USER}"))?;
    // Sources may be in a home that no one else may enter.
    let bound = Bound::new(&build::home(root))?;
    let dir = trial.ground().make_directory_of("sqlite", &user)?;
    let mut command = Command::new(bound.dir().join("build/testfixture"));
    let tests = bound.dir().join("source/test");
    match extent {
        Extent::VeryQuick => {
            command.arg(tests.join("veryquick.test"));
        }
        Extent::Files => {
            let files = FILES.split_whitespace().map(|name| format!("{name}.test"));
            command.arg(tests.join("permutations.test")).arg("veryquick").args(files);
        }
    }
    command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    command.current_dir(&dir).env("SQLITE_TMPDIR", &dir);
    Ok(match trial.run(&mut command, limit)? {
        Ok(ran) => outcome(&ran.output)
            .unwrap_or_else(|| incomplete(format!("{}: {}", ran.status, tail(&ran.output, 4)))),
        Err(expired) => Outcome { failures: vec![expired], ..Outcome::default() },
    })
}

fn incomplete(story: String) -> Outcome {
    let failure = Failure::of_run(format!("the tests did not come to their end: {story}"));
    Outcome { failures: vec![failure], ..Outcome::default() }
}

/// What the output says; none if it has no summary.
fn outcome(output: &str) -> Option<Outcome> {
    let (errors, tests) = output.lines().find_map(summary)?;
    let mut outcome = Outcome { passed: tests.checked_sub(errors)?, ..Outcome::default() };
    let names = output.lines().find_map(|line| line.strip_prefix("!Failures on these tests:"));
    for name in names.unwrap_or_default().split_whitespace() {
        outcome.failures.push(Failure::of(name, story(output, name)));
    }
    if outcome.failures.len() < errors {
        let missing = errors - outcome.failures.len();
        outcome.failures.push(Failure::of_run(format!("{missing} more, without a name")));
    }
    Some(outcome)
}

/// Errors and tests of a line as `1 errors out of 298233 tests on …`.
fn summary(line: &str) -> Option<(usize, usize)> {
    let (errors, rest) = line.split_once(" errors out of ")?;
    let (tests, _) = rest.split_once(" tests")?;
    Some((errors.parse().ok()?, tests.parse().ok()?))
}

/// What was expected of a test, and what came.
fn story(output: &str, name: &str) -> String {
    let about = |line: &&str| {
        let rest = line.strip_prefix("! ").and_then(|line| line.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(' '))
    };
    let lines: Vec<_> = output.lines().filter(about).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
io-5.4... Ok
io-5.5...
! io-5.5 expected: [8192]
! io-5.5 got:      [16384]
io-5.50... Ok
Time: io.test 46 ms
SQLite 2022-12-28 14:03:47 df5c253c
2 errors out of 3647 tests on vm Linux 64-bit little-endian
!Failures on these tests: io-5.5 lock-1.2
All memory allocations freed - no leaks
";

    #[test]
    fn the_summary_and_the_failures_are_read() {
        let outcome = outcome(OUTPUT).unwrap();
        assert_eq!(outcome.passed, 3645);
        let story = "! io-5.5 expected: [8192]; ! io-5.5 got:      [16384]";
        assert_eq!(outcome.failures, [Failure::of("io-5.5", story), Failure::of("lock-1.2", "")]);
    }

    #[test]
    fn no_failure_is_no_failure() {
        let outcome = outcome("0 errors out of 12 tests on vm Linux 64-bit\n").unwrap();
        assert_eq!((outcome.passed, outcome.failures.len()), (12, 0));
    }

    #[test]
    fn errors_without_names_are_not_lost() {
        let outcome = outcome("3 errors out of 12 tests on vm\n!Failures on these tests: a\n");
        let failures = outcome.unwrap().failures;
        assert_eq!(failures.len(), 2);
        assert_eq!(failures[1].case, None);
    }

    #[test]
    fn output_without_a_summary_is_none() {
        for output in ["", "io-5.4... Ok\nSegmentation fault\n", "x errors out of 3 tests\n"] {
            assert!(outcome(output).is_none(), "{output}");
        }
    }
}
