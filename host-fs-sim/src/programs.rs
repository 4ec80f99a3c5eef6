//! Programs of others: where they are, how they are installed, and how long they may run.

use std::env;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How often a process is asked whether it has ended.
const TICK: Duration = Duration::from_millis(10);
/// How long a killed process may take to go.
const GRACE: Duration = Duration::from_secs(10);

/// Set by Ctrl-C: whatever runs is over its limit.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A crate with a binary of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Of crate and binary.
    pub name: &'static str,
    /// The one version that results are known for.
    pub version: &'static str,
}

impl Package {
    /// The binary, in `root/bin` or on the PATH; none if it is not there in this version.
    /// (Another `fsx` is widespread.)
    pub fn find(self, root: &Path) -> Option<PathBuf> {
        let own = Some(root.join("bin").join(self.name)).filter(|path| path.is_file());
        own.into_iter().chain(find_on_path(self.name)).find(|path| self.is_this(path))
    }

    fn is_this(self, path: &Path) -> bool {
        let told = Command::new(path).arg("--version").stdin(Stdio::null()).output();
        told.is_ok_and(|told| {
            let text = String::from_utf8_lossy(&told.stdout);
            text.split_whitespace().eq([self.name, self.version])
        })
    }

    /// The command that installs it to `root/bin`.
    pub fn install_command(self, root: &Path) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(["install", self.name, "--version", self.version, "--locked", "--root"]);
        cargo.arg(root);
        cargo
    }
}

/// The first file of this name in the directories of `PATH` and of the super-user.
pub fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(program)).find(|path| path.is_file())
}

/// How a process with a time limit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed when its time was up.
    Expired,
}

/// A command as one would type it.
pub fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs `command` to its end.
///
/// # Errors
/// It cannot be started, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// The command that installs packages of Debian's.
pub fn apt_command(packages: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["install", "-y", "--no-install-recommends", "--no-upgrade"]).args(packages);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Runs `command` in a process group of its own, with both outputs to `output`. When
/// `limit` is over, or at Ctrl-C, `at_expiry` is called first: a process that waits for a
/// file system cannot be killed before that answers or ends.
///
/// # Errors
/// The command cannot be started.
pub fn run_limited(
    command: &mut Command,
    limit: Duration,
    output: &File,
    at_expiry: impl FnOnce(),
) -> Result<Ended> {
    let name = command.get_program().display().to_string();
    let outputs = (output.try_clone()?, output.try_clone()?);
    let command = command.stdin(Stdio::null()).stdout(outputs.0).stderr(outputs.1);
    let mut child =
        command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
    if let Some(status) = wait(&mut child, limit)? {
        return Ok(Ended::Exited(status));
    }
    at_expiry();
    let group = Pid::from_raw(child.id() as i32);
    // Its children may hold the mount too. An error means that all are gone.
    let _ = killpg(group, Signal::SIGKILL);
    wait_through_interrupt(&mut child, GRACE)?;
    Ok(Ended::Expired)
}

/// Waits for a process to end; none if it does not within `limit`, or at Ctrl-C.
///
/// # Errors
/// Those of `waitpid(2)`.
pub fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    wait_until(child, limit, || INTERRUPTED.load(Ordering::Relaxed))
}

/// As [`wait`], for what is to end whether or not Ctrl-C was pressed.
///
/// # Errors
/// Those of `waitpid(2)`.
pub fn wait_through_interrupt(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    wait_until(child, limit, || false)
}

fn wait_until(
    child: &mut Child,
    limit: Duration,
    give_up: impl Fn() -> bool,
) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit || give_up() {
            return Ok(None);
        }
        sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> File {
        File::options().write(true).open("/dev/null").unwrap()
    }

    #[test]
    fn a_process_with_time_left_ends_by_itself() {
        let mut command = Command::new("sh");
        let ended =
            run_limited(command.args(["-c", "exit 3"]), GRACE, &output(), || panic!("expired"));
        assert!(matches!(ended.unwrap(), Ended::Exited(status) if status.code() == Some(3)));
    }

    #[test]
    fn a_process_is_killed_with_its_children_when_its_time_is_up() {
        let start = Instant::now();
        let mut called = false;
        let mut command = Command::new("sh");
        let ended = run_limited(
            command.args(["-c", "sleep 60 & sleep 60"]),
            Duration::from_millis(100),
            &output(),
            || called = true,
        );
        assert_eq!(ended.unwrap(), Ended::Expired);
        assert!(called);
        assert!(start.elapsed() < GRACE);
    }

    #[test]
    fn a_program_of_another_version_is_not_the_one() {
        let shell = Package { name: "sh", version: "0.0.1" };
        assert_eq!(shell.find(Path::new("/nowhere")), None);
    }
}
