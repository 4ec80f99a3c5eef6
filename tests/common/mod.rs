//! What the end-to-end tests share: the command under test, run with a time limit,
//! and what to do where a guest cannot boot.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any test's command takes; a command that takes longer hangs.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// `anchorite`, free of the tester's own settings.
pub fn anchorite(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anchorite"));
    for variable in
        ["ISLE", "CPUS", "MEM", "VERBOSE", "QEMU", "KVM", "MONITOR", "PORT", "DEBUG", "GDB"]
    {
        command.env_remove(format!("HERMIT_{variable}"));
    }
    if args.windows(2).any(|pair| pair == ["--isle", "qemu"]) {
        // The same everywhere, whatever KVM there is.
        command.env("HERMIT_KVM", "0");
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs `anchorite` with `args` to its end.
pub fn run(args: &[&str]) -> Output {
    finish(anchorite(args))
}

/// Runs `command` to its end, both outputs captured.
pub fn finish(mut command: Command) -> Output {
    let child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    wait(child)
}

/// Waits for a started command; one that exceeds the time limit fails the test.
pub fn wait(mut child: Child) -> Output {
    fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut bytes);
            }
            bytes
        })
    }
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = Instant::now() + TIME_LIMIT;
    let status = loop {
        match child.try_wait().expect("the command can be waited for") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                panic!("the command hangs");
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// The command's standard output, as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The command's standard error, as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks that the command ended with `status` and one sentence with `words` in it,
/// and printed nothing else.
#[track_caller]
pub fn assert_refused(output: &Output, status: i32, words: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{told}");
    assert_eq!(stdout(output), "");
    assert!(told.starts_with("anchorite: "), "{told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
    assert!(told.contains(words), "`{words}` is not in: {told}");
    assert!(!told.contains("panicked"), "{told}");
}

/// The isles to run a test on here.
#[track_caller]
pub fn isles(test: &str) -> Vec<&'static str> {
    let mut isles = machines(test);
    isles.push("hosted");
    isles
}

/// The isles that are virtual machines, to run a test on here.
#[track_caller]
pub fn machines(test: &str) -> Vec<&'static str> {
    let mut machines = Vec::new();
    machines.extend(can_boot(test).then_some("uhyve"));
    machines.extend(has_qemu(test).then_some("qemu"));
    machines
}

/// Whether QEMU is here. Where not, says so, as [`can_boot`] does.
#[track_caller]
pub fn has_qemu(test: &str) -> bool {
    let found = Command::new("qemu-system-x86_64").arg("--version").output();
    let is_there = found.is_ok_and(|found| found.status.success());
    if !is_there {
        skip(test, "QEMU is missing: apt-get install qemu-system-x86");
    }
    is_there
}

/// Whether guests can boot here under uhyve. Where not, says so past the test harness's
/// capture; in CI that is a failure.
#[track_caller]
pub fn can_boot(test: &str) -> bool {
    match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => true,
        Err(error) => {
            skip(test, &format!("/dev/kvm cannot be used: {error}"));
            false
        }
    }
}

/// Says that a test was skipped, and why; in CI that is a failure.
#[track_caller]
pub fn skip(test: &str, why: &str) {
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "{test} must run in CI: {why}");
    say_skipped(test, why);
}

/// Says, past the test harness's capture, that a test was skipped for what CI cannot have either.
pub fn say_skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}
