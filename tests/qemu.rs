//! What is QEMU's alone: how it is found and chosen, its monitor, a PC's clock, memory and cores,
//! and what its isle cannot. That guests do there what they do elsewhere is in the other tests,
//! which run on each isle.

mod common;

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use common::{anchorite, assert_refused, can_boot, finish, has_qemu, run, stderr, stdout};

/// Runs `hello` with variables set.
fn hello(options: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = anchorite(&[&["run"], options, &["hello"]].concat());
    command.envs(variables.iter().copied());
    finish(command)
}

/// A program that says `text` for whatever it is asked.
fn sayer(place: &Path, name: &str, text: &str) -> String {
    let path = place.join(name);
    fs::write(&path, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_qemu_that_will_not_do_is_told_in_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let old = sayer(place.path(), "old", "QEMU emulator version 5.2.0 (Debian 1:5.2)");
    let none = sayer(place.path(), "none", "GNU bash, version 5.2");
    for (qemu, words) in [
        ("/no/such/qemu", "HERMIT_QEMU names /no/such/qemu"),
        (&old, "5.2.0, which is too old: install 6.1 or later (`apt-get install qemu-system-x86`)"),
        (&none, "does not tell its version"),
        ("/dev/null", "HERMIT_QEMU"),
    ] {
        assert_refused(&hello(&["--isle", "qemu"], &[("HERMIT_QEMU", qemu)]), 125, words);
    }
    let nowhere = place.path().join("empty").display().to_string();
    let missing = hello(&["--isle", "qemu"], &[("PATH", &nowhere)]);
    assert_refused(&missing, 125, "QEMU is missing");
    assert!(stderr(&missing).contains("apt-get install qemu-system-x86"), "{}", stderr(&missing));
}

#[test]
fn what_belongs_to_another_isle_is_refused() {
    if !has_qemu("what_belongs_to_another_isle") {
        return;
    }
    let forward = ["--isle", "qemu", "--forward", "."];
    assert_refused(&hello(&forward, &[]), 2, "cannot reach the host's files");
    for isle in ["hosted", "uhyve"] {
        let monitor = hello(&["--isle", isle], &[("HERMIT_MONITOR", "1")]);
        assert_refused(&monitor, 2, "HERMIT_MONITOR");
    }
    assert_refused(&hello(&["--isle", "uhyve"], &[("HERMIT_KVM", "0")]), 125, "HERMIT_KVM=0");
    for (isle, value) in [("qemu", "2"), ("qemu", "yes"), ("uhyve", "no"), ("hosted", "off")] {
        assert_refused(&hello(&["--isle", isle], &[("HERMIT_KVM", value)]), 2, "HERMIT_KVM");
    }
}

#[test]
fn without_kvm_qemu_is_taken_and_without_that_the_host() {
    if !has_qemu("without_kvm_qemu_is_taken") {
        return;
    }
    let unwanted = ("HERMIT_KVM", "0");
    for (options, variables, words) in [
        (&[][..], &[unwanted][..], "running under QEMU, emulated"),
        (&[], &[unwanted, ("HERMIT_QEMU", "/no/such/qemu")], "running hosted"),
        (&["--forward", "."], &[unwanted], "running hosted"),
    ] {
        let output = hello(options, variables);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).starts_with("Hello from anchorite!\n"));
        let told = stderr(&output);
        assert!(told.contains(words) && told.lines().count() == 1, "{words}: {told}");
    }
}

#[test]
fn the_kernel_tells_what_it_runs_on() {
    if !has_qemu("the_kernel_tells_what_it_runs_on") {
        return;
    }
    let args = ["--isle", "qemu", "--cpus", "2", "--memory", "4G", "--verbose"];
    let output = hello(&args, &[]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for words in ["machine: kvm=none tsc_khz=", "memory: 4096 MiB at ", "cores: 2 online\n"] {
        assert!(told.contains(words), "`{words}` is not in: {told}");
    }
    // The memory above the hole for devices is used as well.
    let heap = told.lines().find_map(|line| line.split_once(" MiB at ")?.1.split(' ').nth(1));
    let kib: u64 = heap.and_then(|kib| kib.parse().ok()).expect(&told);
    assert!(kib > 4_000_000, "{told}");
}

#[test]
fn a_pcs_clocks_go_right() {
    if !has_qemu("a_pcs_clocks_go_right") {
        return;
    }
    let seconds =
        || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let before = seconds();
    let output = run(&["run", "--isle", "qemu", "probe", "clock"]);
    let after = seconds();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(!text.contains("set back"), "{text}");
    let told = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .find_map(|word| word.parse::<f64>().ok().filter(|number| *number > 1e9));
    // The clock shows whole seconds.
    let told = told.expect(&text);
    assert!((before - 2.0..after + 1.0).contains(&told), "{before} {told} {after}: {text}");
}

#[test]
fn the_monitor_answers_where_it_is_said_to() {
    if !has_qemu("the_monitor_answers") {
        return;
    }
    // Some port, and the one after it, that nobody has.
    let port = (0..100)
        .find_map(|_| {
            let one = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
            TcpListener::bind(("127.0.0.1", one.checked_add(1)?)).ok().map(|_| one)
        })
        .expect("two ports");
    let mut command = anchorite(&["run", "--isle", "qemu", "fault", "hang"]);
    command.env("HERMIT_MONITOR", "1").env("HERMIT_PORT", port.to_string());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut monitor = (0..500)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            TcpStream::connect(("127.0.0.1", port + 1)).ok()
        })
        .expect("QEMU listens");
    // As long as QEMU has it, nobody else gets the port.
    let mut second = anchorite(&["run", "--isle", "qemu", "hello"]);
    second.env("HERMIT_MONITOR", "1").env("HERMIT_PORT", port.to_string());
    assert_refused(&finish(second), 125, "HERMIT_PORT");
    monitor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    monitor.write_all(b"info status\nquit\n").unwrap();
    let mut said = Vec::new();
    let _ = monitor.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("QEMU") && said.contains("VM status: running"), "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(125));

    for port in ["many", "65535", "-1"] {
        let variables = [("HERMIT_MONITOR", "1"), ("HERMIT_PORT", port)];
        assert_refused(&hello(&["--isle", "qemu"], &variables), 2, "HERMIT_PORT");
    }
}

/// More than the pipe and the serial port's queue hold, so that both have to wait for the reader.
#[test]
fn a_slow_reader_loses_nothing() {
    if !has_qemu("a_slow_reader_loses_nothing") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..300_000u32).map(|at| (at ^ at >> 7) as u8).collect();
    fs::write(place.path().join("bytes"), &bytes).unwrap();
    let preload = place.path().display().to_string();
    let mut command = anchorite(&["run", "--isle", "qemu", "--preload", &preload, "cat", "/bytes"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let mut read = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(read == bytes, "{} of {} bytes", read.len(), bytes.len());
}

/// Where ring 0 is interpreted, a PC's firmware takes some ten seconds.
#[test]
fn kvm_runs_a_guest_of_qemus() {
    let test = "kvm_runs_a_guest_of_qemus";
    if !has_qemu(test) || !can_boot(test) {
        return;
    }
    let kind = |output: &Output| {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
        let told = stderr(output);
        let (_, kind) = told.split_once("machine: kvm=").expect(&told);
        kind.split(' ').next().unwrap_or_default().to_owned()
    };
    let under_uhyve = kind(&hello(&["--isle", "uhyve", "--verbose"], &[]));
    assert_ne!(under_uhyve, "none");
    let output = hello(&["--isle", "qemu", "--verbose"], &[("HERMIT_KVM", "1")]);
    assert_eq!(kind(&output), under_uhyve);
    // By default only hardware's is used.
    let mut command = anchorite(&["run", "--verbose", "hello"]);
    let by_default = kind(&finish({
        command.env("HERMIT_ISLE", "qemu");
        command
    }));
    assert_eq!(by_default, if under_uhyve == "hardware" { "hardware" } else { "none" });
}
