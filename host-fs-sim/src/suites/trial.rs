//! [`Trial`]: one suite at work on one ground, with an end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Failure, Ground, Kind, new_directory};
use crate::programs::{Ended, run_limited};

/// Room on each mount.
const SIZE: &str = "2g";

/// A ground, a directory beside it, and the time that is left.
pub struct Trial {
    ground: Ground,
    scratch: Scratch,
    start: Instant,
    limit: Duration,
}

/// How a program ended that had time to.
pub struct Ran {
    /// Its status.
    pub status: ExitStatus,
    /// What it printed.
    pub output: String,
}

impl Trial {
    /// A fresh ground, `limit` after which everything on it ends. `program` is
    /// `host-fs-sim`.
    ///
    /// # Errors
    /// What hinders the mount.
    pub fn new(kind: Kind, program: &Path, limit: Duration) -> Result<Trial> {
        let ground = Ground::new(kind, program, SIZE)?;
        let scratch = Scratch { dir: new_directory()? };
        Ok(Trial { ground, scratch, start: Instant::now(), limit })
    }

    /// What the suite works on.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// A directory of the host, for configurations and results.
    pub fn scratch(&self) -> &Path {
        &self.scratch.dir
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Runs `command` for `limit`, or as much of it as is left, then kills it, and the
    /// daemon first; what remains to be done on the ground cannot be done then.
    ///
    /// # Errors
    /// The command cannot be started. The inner error: its time was up.
    pub fn run(
        &mut self,
        command: &mut Command,
        limit: Duration,
    ) -> Result<std::result::Result<Ran, Failure>> {
        let log = self.scratch().join("output");
        let limit = limit.min(self.limit.saturating_sub(self.start.elapsed()));
        let output = File::create(&log)?;
        let ended = run_limited(command, limit, &output, || self.ground.kill_daemon())?;
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(match ended {
            Ended::Exited(status) => Ok(Ran { status, output }),
            Ended::Expired => {
                let seconds = limit.as_secs_f64();
                let tail = tail(&output, 3);
                Err(Failure::of_run(format!("time limit of {seconds:.0} s, after: {tail}")))
            }
        })
    }

    /// Unmounts.
    ///
    /// # Errors
    /// As [`Ground::end`].
    pub fn end(self) -> Result<()> {
        self.ground.end()
    }
}

/// Removed with all that is in it when dropped.
struct Scratch {
    dir: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n    ")
}
