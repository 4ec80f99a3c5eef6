//! fsx: random reads, writes, maps, truncations and holes in one file, compared with a
//! copy in memory after each read.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Ground, Outcome};
use crate::programs::{Ended, Package, run_limited};

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
/// The program cannot be started.
pub fn run(
    program: &Path,
    ground: &mut Ground,
    scratch: &Path,
    operations: u64,
    seeds: u64,
) -> Result<Outcome> {
    let configuration = scratch.join("fsx.toml");
    fs::write(&configuration, CONFIGURATION)?;
    let dir = ground.make_directory("fsx")?;
    let log = scratch.join("fsx.log");
    let start = Instant::now();
    let mut outcome = Outcome::default();
    for seed in 1..=seeds {
        let mut command = Command::new(program);
        command.arg("-f").arg(&configuration).arg("-P").arg(scratch);
        command.arg("-N").arg(operations.to_string()).arg("-S").arg(seed.to_string());
        command.arg(dir.join(format!("seed-{seed}")));
        let output = File::create(&log)?;
        let limit = limit(operations);
        match run_limited(&mut command, limit, &output, || ground.kill_daemon())? {
            Ended::Exited(status) if status.success() => outcome.passed += 1,
            Ended::Exited(status) => {
                let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
                let lines: Vec<_> = text.lines().collect();
                let tail = lines[lines.len().saturating_sub(TOLD)..].join("\n    ");
                outcome.failures.push(format!("seed {seed}, {status}:\n    {tail}"));
            }
            Ended::Expired => {
                outcome.failures.push(format!("seed {seed} ran out of time"));
                break;
            }
        }
    }
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Ten times what an operation takes on a slow machine with two cores.
fn limit(operations: u64) -> Duration {
    Duration::from_secs(30) + Duration::from_millis(4) * operations.min(1 << 30) as u32
}
