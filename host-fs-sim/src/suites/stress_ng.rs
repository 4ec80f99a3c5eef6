//! stress-ng's stressors of the class `filesystem`: many processes at once at each call,
//! hostile arguments among them.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::trial::tail;
use super::{Failure, Outcome, Trial};
use crate::programs::shown;

/// The Debian package, and its program.
pub const PACKAGE: &str = "stress-ng";

/// The stressors. Of Debian 12's class `filesystem` these are absent, as they ask nothing
/// of the file system that they are given: `bind-mount` (mounts `/`, and is disabled as
/// dangerous), `binderfs` (mounts another file system), `eventfd` (descriptors without a
/// file), `io` (`sync` of the whole host), `procfs` (reads `/proc`).
pub const STRESSORS: [&str; 43] = [
    "access",
    "chattr",
    "chdir",
    "chmod",
    "chown",
    "copy-file",
    "dentry",
    "dir",
    "dirdeep",
    "dirmany",
    "dnotify",
    "dup",
    "fallocate",
    "fanotify",
    "fcntl",
    "fiemap",
    "file-ioctl",
    "filename",
    "flock",
    "fpunch",
    "fsize",
    "fstat",
    "getdent",
    "handle",
    "hdd",
    "inode-flags",
    "inotify",
    "iomix",
    "ioprio",
    "lease",
    "link",
    "locka",
    "lockf",
    "lockofd",
    "mknod",
    "open",
    "rename",
    "symlink",
    "sync-file",
    "touch",
    "utime",
    "verity",
    "xattr",
];

/// Sizes of files, so that two processes find room; the defaults are up to 1 GiB each.
const SIZES: &str = "--fallocate-bytes 8M --fiemap-bytes 8M --hdd-bytes 8M --iomix-bytes 8M \
                     --sync-file-bytes 8M";

/// How long a stressor may take to set up and clean up.
const MARGIN: Duration = Duration::from_secs(60);

/// So many times longer may a stressor take that did nothing.
const LONGER: u32 = 10;

/// Status: the options are wrong, or the stressor is unknown.
const REFUSED: i32 = 1;
/// Statuses: there is no room for it, or the host lacks the feature.
const NOT_HERE: [i32; 2] = [3, 4];

/// Runs each stressor in two processes until it has made `operations` of its own unit, or
/// for `duration`; whole seconds. A stressor counts as one case.
///
/// # Errors
/// The program cannot be started, or is another version that does not know its options.
pub fn run(trial: &mut Trial, duration: Duration, operations: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for stressor in STRESSORS {
        let mut verdict = stress(trial, stressor, duration, operations)?;
        if verdict == Ok(Verdict::Skipped) {
            // On a busy machine a round may take longer than that.
            verdict = stress(trial, stressor, duration * LONGER, operations)?;
        }
        match verdict {
            Ok(Verdict::Passed) => outcome.passed += 1,
            Ok(Verdict::Skipped) => outcome.skipped.push(stressor.into()),
            Ok(Verdict::Failed(story)) => outcome.failures.push(Failure::of(stressor, story)),
            Err(story) => {
                outcome.failures.push(Failure::of_run(format!("{stressor}: {story}")));
                break;
            }
        }
    }
    Ok(outcome)
}

/// Runs one stressor; the story of one that does not end.
fn stress(
    trial: &mut Trial,
    stressor: &str,
    duration: Duration,
    operations: u64,
) -> Result<std::result::Result<Verdict, String>> {
    let dir = trial.ground().make_directory(stressor)?;
    let report = trial.scratch().join("stress-ng.yaml");
    let mut command = Command::new(PACKAGE);
    command.arg(format!("--{stressor}")).arg("2");
    command.arg(format!("--{stressor}-ops")).arg(operations.to_string());
    command.arg("--timeout").arg(format!("{}s", duration.as_secs().max(1)));
    command.args(SIZES.split_whitespace()).args(["--verify", "--metrics"]);
    command.arg("--temp-path").arg(&dir).arg("--yaml").arg(&report);
    // Where it would leave a core.
    command.current_dir(trial.scratch());
    let ran = match trial.run(&mut command, duration + MARGIN)? {
        Ok(ran) => ran,
        Err(expired) => return Ok(Err(expired.story)),
    };
    // It would fail everywhere, and so count nowhere.
    let refused = ran.status.code() == Some(REFUSED);
    ensure!(!refused, "{PACKAGE} does not know `{}`: {}", shown(&command), tail(&ran.output, 2));
    let done = operations_done(&fs::read_to_string(&report).unwrap_or_default());
    fs::remove_dir_all(&dir)?;
    Ok(Ok(verdict(ran.status.code(), &ran.output, done)))
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Skipped,
    Failed(String),
}

fn verdict(status: Option<i32>, output: &str, done: u64) -> Verdict {
    let complaints: Vec<_> = output
        .lines()
        .filter(|line| line.contains(" fail: ") || line.contains(" error: "))
        .collect();
    match status {
        Some(0) if complaints.is_empty() && done > 0 => Verdict::Passed,
        // It found nothing that it could do, or not one round fitted into its time.
        Some(0) if complaints.is_empty() => Verdict::Skipped,
        Some(code) if NOT_HERE.contains(&code) && complaints.is_empty() => Verdict::Skipped,
        _ => {
            let text = if complaints.is_empty() { output.into() } else { complaints.join("\n") };
            let status = status.map_or("killed".into(), |code| format!("status {code}"));
            Verdict::Failed(format!("{status}: {}", tail(&text, 4)))
        }
    }
}

/// What the report says that was done, in the stressor's own unit.
fn operations_done(report: &str) -> u64 {
    let numbers = report.lines().filter_map(|line| line.trim().strip_prefix("bogo-ops: "));
    numbers.filter_map(|number| number.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_nothing_has_not_passed() {
        let report = "metrics:\n    - stressor: iomix\n      bogo-ops: 95\n";
        assert_eq!(operations_done(report), 95);
        assert_eq!(operations_done("metrics:\n"), 0);
        assert_eq!(verdict(Some(0), "", 95), Verdict::Passed);
        assert_eq!(
            verdict(Some(0), "stress-ng: info:  [1] not supported, skipping", 0),
            Verdict::Skipped
        );
        assert_eq!(verdict(Some(3), "stress-ng: warn:  [1] aborted early", 0), Verdict::Skipped);
    }

    #[test]
    fn a_complaint_is_a_failure_whatever_the_status() {
        let output = "stress-ng: info:  [1] go\nstress-ng: fail:  [2] rename: gone\n";
        for status in [Some(0), Some(2), Some(3), None] {
            let Verdict::Failed(story) = verdict(status, output, 5) else { panic!("{status:?}") };
            assert!(story.contains("rename: gone") && !story.contains("go\n"), "{story}");
        }
        for status in [Some(1), Some(2), None] {
            assert!(matches!(verdict(status, "", 5), Verdict::Failed(_)), "{status:?}");
        }
    }
}
