//! Programs and hosts that fail: each ends in a status of its own and in words,
//! never in a hang, a success, or the monitor's backtrace.

mod common;

use std::fs;
use std::process::Command;

use common::{anchorite, can_boot, finish, machines, run, skip, stderr, stdout};

#[test]
fn each_fault_has_its_status() {
    for isle in machines("each_fault_has_its_status") {
        for (kind, status) in [
            ("wild-pointer", 139),
            ("null-call", 139),
            ("stack-overflow", 139),
            ("division", 136),
            ("invalid-opcode", 132),
            ("panic", 101),
            ("out-of-memory", 137),
        ] {
            let output = run(&["run", "--isle", isle, "--memory", "64M", "fault", kind]);
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(status), "{isle} {kind}: {told}");
            assert_ne!(told, "", "{kind} says nothing");
            assert!(!told.contains("uhyve"), "{kind}: {told}");
        }
    }
}

#[test]
fn what_happens_on_another_core_ends_the_program() {
    for isle in machines("what_happens_on_another_core_ends_the_program") {
        for (kind, status, words) in [
            ("other-core", 139, "stack overflow: the stack of thread 2 on core 1 is full"),
            ("thread-overflow", 139, "stack overflow: the stack of thread 2 on core 0 is full"),
            ("other-core-panic", 101, "asked to panic elsewhere"),
            ("other-core-exit", 42, ""),
            ("other-core-out-of-memory", 137, "out of memory"),
            ("all-wait", 101, "every thread waits for another"),
        ] {
            let args = ["--isle", isle, "--cpus", "2", "--memory", "64M", "fault", kind];
            let output = run(&[&["run"], &args[..]].concat());
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(status), "{isle} {kind}: {told}");
            assert!(told.contains(words), "{kind}: `{words}` is not in: {told}");
            assert!(!told.contains("while"), "{kind}: one report: {told}");
        }
        let output = run(&["run", "--isle", isle, "fault", "other-core"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("run it with --cpus 2"), "{}", stderr(&output));
    }
}

#[test]
fn memory_that_threads_ran_out_of_comes_back() {
    for isle in machines("memory_that_threads_ran_out_of_comes_back") {
        for (cpus, memory) in [("1", "32M"), ("2", "64M")] {
            let args = ["--cpus", cpus, "--memory", memory, "fault", "fallible-threads"];
            let output = run(&[&["run", "--isle", isle], &args[..]].concat());
            let told = stdout(&output);
            assert_eq!(output.status.code(), Some(0), "{cpus}: {told}{}", stderr(&output));
            assert!(told.contains("blocks and threads"), "{cpus}: {told}");
        }
    }
}

#[test]
fn an_unknown_fault_is_a_usage_error() {
    for isle in machines("an_unknown_fault_is_a_usage_error") {
        let output = run(&["run", "--isle", isle, "fault", "no-such-fault"]);
        assert_ne!(output.status.code(), Some(0));
        assert_ne!(stderr(&output), "");
    }
}

#[test]
fn a_full_host_disk_is_told_in_a_sentence() {
    let test = "a_full_host_disk_is_told_in_a_sentence";
    if !can_boot(test) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(place.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        skip(test, "a small tmpfs cannot be mounted (not root)");
        return;
    }
    // Small enough to fit; the 500 files that it makes are not.
    fs::write(place.path().join("commands"), "run\nquit\n").unwrap();
    let forward = place.path().display().to_string();
    let mut command = anchorite(&["run", "--forward", &forward]);
    command.args(["postmark", "--directory", "/host", "/host/commands"]);
    let output = finish(command);
    let unmounted = Command::new("umount").arg(place.path()).status().unwrap();
    assert!(unmounted.success());

    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(125), "{told}{}", stdout(&output));
    assert!(told.contains("anchorite: "), "{told}");
    assert!(told.contains("No space left on device"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}
