//! What the tests share: whether the host can have a mount, and what is said if not.
#![allow(dead_code)] // each test binary uses a part

use std::env;
use std::io::{self, Write};
use std::thread;

use anyhow::{Result, bail};
use host_fs_sim::mount::check_host;
use nix::unistd::geteuid;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_host-fs-sim");

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

/// Says, past the test harness's capture, why a test is skipped; in CI that is a failure.
#[track_caller]
pub fn skip(reason: &anyhow::Error) {
    let is_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(!is_ci, "{test} must run in CI: {reason:#}");
    let _ = writeln!(io::stderr(), "skipped: {test}: {reason:#}");
}
