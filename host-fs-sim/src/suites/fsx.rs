//! fsx: random reads, writes, maps, truncations and holes in one file, compared with a
//! copy in memory after each read.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::trial::tail;
use super::{Failure, Outcome, Trial};
use crate::programs::Package;

/// The crate.
pub const PACKAGE: Package = Package { name: "fsx", version: "0.3.2" };

/// Every kind of operation that the suite knows. Reads by mmap are few: fsx 0.3.2 never
/// unmaps what it read, every truncation visits all those maps, and a process can have
/// 65,530 of them.
const CONFIGURATION: &str = "\
flen = 262144

[opsize]
max = 65536

[weights]
close_open = 1
invalidate = 1
read = 10
write = 10
mapread = 2
mapwrite = 10
truncate = 4
fsync = 1
fdatasync = 1
posix_fallocate = 2
punch_hole = 4
sendfile = 2
posix_fadvise = 1
copy_file_range = 4
";

/// Lines of a failed run's log that are told.
const TOLD: usize = 12;

/// Runs `operations` for each seed from 1 to `seeds`, each on a file of its own; a
/// seed counts as one case.
///
/// # Errors
/// The program is missing or cannot be started.
pub fn run(root: &Path, trial: &mut Trial, operations: u64, seeds: u64) -> Result<Outcome> {
    let program = PACKAGE.find(root).context("fsx is missing")?;
    let configuration = trial.scratch().join("fsx.toml");
    fs::write(&configuration, CONFIGURATION)?;
    let dir = trial.ground().make_directory("fsx")?;
    let mut outcome = Outcome::default();
    for seed in 1..=seeds {
        let mut command = Command::new(&program);
        command.arg("-f").arg(&configuration).arg("-P").arg(trial.scratch());
        command.arg("-N").arg(operations.to_string()).arg("-S").arg(seed.to_string());
        command.arg(dir.join(format!("seed-{seed}")));
        match trial.run(&mut command, limit(operations))? {
            Ok(ran) if ran.status.success() => outcome.passed += 1,
            Ok(ran) => {
                // No other ground excuses it: what fails there may be something else.
                let tail = tail(&ran.output, TOLD);
                let story = format!("seed {seed}, {}:\n    {tail}", ran.status);
                outcome.failures.push(Failure::of_run(story));
            }
            Err(expired) => {
                outcome.failures.push(expired);
                break;
            }
        }
    }
    Ok(outcome)
}

/// Ten times what an operation takes on a slow machine with two cores.
fn limit(operations: u64) -> Duration {
    Duration::from_secs(30) + Duration::from_millis(4) * operations.min(1 << 30) as u32
}
