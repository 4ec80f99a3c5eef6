//! `--gdb`: the command that is printed is typed as it is, for a guest that stands still, and gdb
//! stops it at a system call; and what is refused. uhyve's stub needs KVM of the hardware kind: on
//! any other it is seen that nobody is promised anything.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{
    anchorite, assert_refused, can_boot, finish, has_qemu, run, say_skipped, skip, stderr, stdout,
};

const HELLO: &str = "Hello from anchorite!\nhello.txt: 36 bytes written, read back, the same.\n";

/// A port that nobody has.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn has_gdb(test: &str) -> bool {
    let found = Command::new("gdb").arg("--version").output();
    let is_there = found.is_ok_and(|found| found.status.success());
    if !is_there {
        skip(test, "gdb is missing: apt-get install gdb");
    }
    is_there
}

/// Whether guests run on KVM of the hardware kind.
fn has_hardware_kvm() -> bool {
    let output = run(&["run", "--isle", "uhyve", "--memory", "16M", "--verbose", "hello"]);
    stderr(&output).contains("machine: kvm=hardware ")
}

/// Starts a guest that waits; returns it, and the command that it tells the user to type.
fn start(mut command: Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    while !told.contains("waiting for a debugger: ") {
        told.clear();
        assert_ne!(lines.read_line(&mut told).unwrap(), 0, "it does not wait");
    }
    // What follows must not fill the pipe.
    std::thread::spawn(move || lines.read_to_string(&mut String::new()));
    let (_, typed) = told.trim_end().split_once("waiting for a debugger: ").unwrap();
    (child, typed.to_owned())
}

/// Types `typed` and then `commands`; returns what gdb says.
fn debug(typed: &str, commands: &[&str]) -> String {
    let commands: String = commands.iter().map(|command| format!(" -ex '{command}'")).collect();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec {typed} -nx -batch{commands} 2>&1")).stdin(Stdio::null());
    let output = finish(shell);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn wait(mut child: Child) -> Output {
    let mut stdout = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    Output { status: child.wait().unwrap(), stdout, stderr: Vec::new() }
}

/// Whoever is debugged on `isle` stops at its first call to open a file, and goes on to the end.
fn stop_in_hello(isle: &str, options: &[&str]) {
    let port = free_port().to_string();
    let (child, typed) =
        start(anchorite(&[&["run", "--isle", isle], options, &["--gdb", &port, "hello"]].concat()));
    assert!(typed.contains(&format!("localhost:{port}")), "{typed}");
    let said = debug(
        &typed,
        &[
            "break anchorite_syscalls::system::System::openat",
            "continue",
            "backtrace",
            "delete",
            "continue",
        ],
    );
    let output = wait(child);
    for words in ["Breakpoint 1, ", "openat (", "hello.rs:", "anchorite_kernel::start::start"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), HELLO), "{said}");
}

#[test]
fn a_program_of_ours_stops_at_a_call_by_its_name() {
    let test = "a_program_of_ours_stops_at_a_call_by_its_name";
    if has_gdb(test) && has_qemu(test) {
        stop_in_hello("qemu", &["--cpus", "2"]);
    }
}

#[test]
fn under_uhyve_too_where_kvm_stops_a_guest() {
    let test = "under_uhyve_too_where_kvm_stops_a_guest";
    if !has_gdb(test) || !can_boot(test) {
        return;
    }
    if has_hardware_kvm() {
        return stop_in_hello("uhyve", &[]);
    }
    let refused = run(&["run", "--isle", "uhyve", "--gdb", "hello"]);
    assert_refused(&refused, 2, "page-table virtualised");
    // Hardware is all that is missing, which CI may lack.
    say_skipped(test, "breakpoints need KVM of the hardware kind");
}

/// A program with types and variables of its own, which is built for it.
#[test]
fn a_call_tells_its_arguments_and_its_caller() {
    let test = "a_call_tells_its_arguments_and_its_caller";
    if !has_gdb(test) || !has_qemu(test) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let source = "#include <fcntl.h>\n#include <unistd.h>\n#include <stdio.h>\n\
                  static int keep(const char *path, int count) {\n\
                  \x20 int fd = open(path, O_RDWR | O_CREAT, 0640);\n\
                  \x20 return fd < 0 ? -1 : (int) write(fd, \"kept\", count);\n}\n\
                  int main(void) {\n\
                  \x20 int kept = keep(\"/kept.txt\", 4);\n\
                  \x20 puts(kept == 4 ? \"well\" : \"badly\");\n  return kept;\n}\n";
    fs::write(place.path().join("keep.c"), source).unwrap();
    let in_place = |args: &[&str]| {
        let mut command = anchorite(args);
        command
            .current_dir(place.path())
            .env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
            .env("CARGO_NET_OFFLINE", "true")
            .env("CFLAGS", "-O1 -fno-inline")
            .env_remove("CC");
        command
    };
    let port = free_port().to_string();
    let (child, typed) = start(in_place(&["run", "--isle", "qemu", "--gdb", &port, "./keep.c"]));
    let said = debug(
        &typed,
        &[
            "break open",
            "continue",
            "backtrace",
            "frame function keep",
            "info args",
            "delete",
            "break write",
            "continue",
            "print/d $rdx",
            "x/s $rsi",
            "delete",
            "continue",
        ],
    );
    let output = wait(child);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(4), "well\n"), "{said}");
    // O_RDWR | O_CREAT, and 0640.
    let call = said.lines().find(|line| line.contains("::open (path=")).expect(&said);
    assert!(call.contains("flags=") && call.contains("=66, ") && call.contains("=416)"), "{call}");
    for words in ["\"/kept.txt\"", "count = 4", "main () at ", "keep.c:9"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    assert!(said.contains("$1 = 4") && said.contains("\"kept\""), "{said}");

    // Without symbols there is nothing to be told.
    let strip = ["-o", "bare.image", "keep"];
    let stripped = Command::new("strip").args(strip).current_dir(place.path()).status();
    assert!(stripped.unwrap().success());
    for option in ["--gdb", "--profile=out"] {
        let refused = finish(in_place(&["run", "--isle", "qemu", option, "./bare.image"]));
        assert_refused(&refused, 2, "./bare.image: it has no symbols");
        assert!(stderr(&refused).contains("anchorite build --debug"), "{}", stderr(&refused));
    }
    assert!(!place.path().join("out").exists());
}

#[test]
fn what_cannot_be_debugged_is_told_in_a_sentence() {
    let hosted = ["run", "--isle", "hosted", "--gdb", "hello"];
    assert_refused(&run(&hosted), 2, "no machine");
    for port in ["0", "65536", "99999999999999999999"] {
        let refused = run(&["run", "--isle", "qemu", "--gdb", port, "hello"]);
        assert_refused(&refused, 2, "is not a port");
        let joined = format!("--gdb={port}");
        assert_refused(&run(&["run", "--isle", "qemu", &joined, "hello"]), 2, "is not a port");
    }
    assert_refused(&run(&["run", "--gdb=many", "hello"]), 2, "`many` is not a port");
    // A program may be called what it likes.
    assert_refused(&run(&["run", "--isle", "qemu", "--gdb", "helo"]), 127, "no program `helo`");
    assert_refused(&run(&["run", "--isle", "qemu", "--gdb"]), 2, "anchorite --help");
    let test = "what_cannot_be_debugged_is_told_in_a_sentence";
    if !has_qemu(test) {
        return;
    }
    let mut missing = anchorite(&["run", "--isle", "qemu", "--gdb", "hello"]);
    missing.env("HERMIT_GDB", "/no/such/gdb");
    assert_refused(&finish(missing), 125, "apt-get install gdb");
    let mut missing = anchorite(&["run", "--isle", "qemu", "--gdb", "hello"]);
    missing.env("HERMIT_QEMU", "/usr/bin/qemu-system-x86_64").env("PATH", "/nowhere");
    if Path::new("/usr/bin/qemu-system-x86_64").exists() {
        assert_refused(&finish(missing), 125, "gdb is missing");
    }
    if has_gdb(test) {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let refused = run(&["run", "--isle", "qemu", "--gdb", &port, "hello"]);
        assert_refused(&refused, 125, &format!("port {port}"));
    }
}

/// By the variable, at the usual port; and nothing is left of it.
#[test]
fn who_waits_ends_with_its_launcher() {
    let test = "who_waits_ends_with_its_launcher";
    if !has_gdb(test) || !has_qemu(test) {
        return;
    }
    if TcpListener::bind((Ipv4Addr::LOCALHOST, 1234)).is_err() {
        say_skipped(test, "somebody has the port 1234");
        return;
    }
    let mut command = anchorite(&["run", "--isle", "qemu", "hello"]);
    command.env("HERMIT_DEBUG", "1");
    let (mut child, typed) = start(command);
    assert!(typed.contains("localhost:1234"), "{typed}");
    let is_there = || TcpStream::connect((Ipv4Addr::LOCALHOST, 1234)).is_ok();
    let until = |wanted: bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while is_there() != wanted {
            assert!(Instant::now() < deadline, "the port is there: {}", !wanted);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(true);
    child.kill().unwrap();
    child.wait().unwrap();
    until(false);
}
