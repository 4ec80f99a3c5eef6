//! What the tests share: a mount if the host can have one, and time limits.

use std::env;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use host_fs_sim::mount::check_host;
use host_fs_sim::suites::{Ground, Kind};
use nix::unistd::geteuid;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_host-fs-sim");

/// How long work on a mount may take before the daemon counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Why nothing can be mounted, if so.
///
/// # Errors
/// What is missing.
pub fn can_mount() -> Result<()> {
    if !geteuid().is_root() {
        bail!("only root can mount for all users");
    }
    check_host()
}

/// Says loudly why a test is skipped. Where CI runs nothing may be missing.
pub fn skip(reason: &anyhow::Error) {
    println!("skipped: {reason:#}");
    eprintln!("skipped: {reason:#}");
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must have it: {reason:#}");
}

/// Runs `work` on a fresh mount. If it hangs, the daemon is killed, so that it goes on
/// with errors; nothing is left mounted either way.
#[allow(dead_code)] // as below
pub fn on_mount(kind: Kind, size: &str, work: impl FnOnce(&Path) + Send) {
    if let Err(reason) = can_mount() {
        return skip(&reason);
    }
    let mut ground = Ground::new(kind, PROGRAM.as_ref(), size).unwrap();
    let dir = ground.dir().to_owned();
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let _done = done; // dropped at the end, and by a panic too
            work(&dir);
        });
        let expired = ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        if expired {
            ground.kill_daemon();
        }
        let result = worker.join();
        assert!(!expired, "the daemon hung");
        result.unwrap();
    });
    ground.end().unwrap();
}

/// Runs the program with `args` until it ends; what it said on standard error.
///
/// # Errors
/// It did not end in time.
#[allow(dead_code)] // not every test file runs the program by itself
pub fn run_program(args: &[&str]) -> Result<(ExitStatus, String)> {
    use std::process::{Command, Stdio};
    let mut command = Command::new(PROGRAM);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start the program")?;
    let status = host_fs_sim::programs::wait(&mut child, LIMIT)?;
    let _ = child.kill();
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((status.context("it did not end")?, errors))
}
