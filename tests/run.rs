//! `anchorite run` and `anchorite list`, end to end: what goes in, what comes out,
//! and what is refused in a sentence.

mod common;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use common::{anchorite, assert_refused, finish, isles, machines, run, stderr, stdout, wait};

/// The process that is the virtual machine monitor of the launcher `pid`, well
/// after its guest began.
fn monitor_of(pid: u32) -> String {
    let child = || {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("the kernel tells a process's children");
        children.split_whitespace().next().map(str::to_owned)
    };
    for _ in 0..500 {
        thread::sleep(Duration::from_millis(10));
        if let Some(first) = child() {
            // The first may be one that tells QEMU's version only.
            thread::sleep(Duration::from_millis(300));
            if child().as_ref() == Some(&first) {
                return first;
            }
        }
    }
    panic!("the launcher starts no monitor");
}

#[test]
fn hello_prints_and_ends_well_on_each_isle() {
    for isle in isles("hello") {
        let output = run(&["run", "--isle", isle, "hello"]);
        assert_eq!(output.status.code(), Some(0), "{isle}: {}", stderr(&output));
        assert!(stdout(&output).starts_with("Hello from anchorite!\n"), "{isle}");
        assert_eq!(stderr(&output), "", "{isle}");
    }
}

#[test]
fn each_isle_prints_the_same() {
    let isles = isles("each_isle_prints_the_same");
    let outputs: Vec<_> =
        isles.iter().map(|isle| stdout(&run(&["run", "--isle", isle, "tree"]))).collect();
    assert!(outputs[0].contains("removed."), "{}", outputs[0]);
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[test]
fn the_guest_does_what_linux_does() {
    for isle in isles("the_guest_does_what_linux_does") {
        let output = run(&["run", "--isle", isle, "posix"]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{isle}: {text}{}", stderr(&output));
        let (rows, same) = text.trim().split_once(" rows, ").expect("two numbers");
        assert_eq!(same, format!("{rows} as on Linux"), "{isle}");
        assert!(rows.parse::<u32>().is_ok_and(|rows| rows >= 50), "{isle}: {text}");
    }
}

#[test]
fn threads_run_on_every_core() {
    for isle in isles("threads_run_on_every_core") {
        // Four cores are more than some hosts have: those that wait take time from the rest.
        for (cpus, rounds) in [("1", "200"), ("2", "200"), ("4", "10")] {
            let output = run(&["run", "--isle", isle, "--cpus", cpus, "threads", rounds]);
            let text = stdout(&output);
            assert_eq!(output.status.code(), Some(0), "{isle}: {text}{}", stderr(&output));
            let first = format!("{cpus} cores, {rounds} rounds\n");
            assert!(text.starts_with(&first), "{isle}: {text}");
            assert!(text.ends_with("the ramdisk is whole.\n"), "{isle}: {text}");
            // Where memory can be counted, it is.
            assert_eq!(text.contains("no memory is lost"), isle != "hosted", "{isle}: {text}");
        }
    }
}

#[test]
fn files_are_made_by_threads() {
    for isle in isles("files_are_made_by_threads") {
        let args = ["run", "--isle", isle, "--cpus", "2", "many", "--threads", "2", "2000"];
        let output = run(&args);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{isle}: {text}{}", stderr(&output));
        assert!(text.starts_with("2000 files in 100 directories, by 2 threads\n"), "{text}");
        assert!(text.ends_with("all removed.\n"), "{isle}: {text}");
        let output = run(&["run", "--isle", isle, "many", "--threads", "2", "2000"]);
        assert_eq!(output.status.code(), Some(2), "{isle}: {}", stderr(&output));
    }
}

#[test]
fn the_command_works_from_any_directory() {
    let mut command = anchorite(&["run", "--isle", "hosted", "hello"]);
    command.current_dir("/");
    assert_eq!(finish(command).status.code(), Some(0));
}

#[test]
fn a_usage_error_of_the_program_is_on_stderr_and_in_the_status() {
    for isle in isles("a_usage_error_of_the_program") {
        let output = run(&["run", "--isle", isle, "many", "not-a-number"]);
        assert_eq!(output.status.code(), Some(2), "{isle}");
        assert_eq!(stdout(&output), "", "{isle}");
        assert_ne!(stderr(&output), "", "{isle}");
    }
}

#[test]
fn arguments_and_environment_arrive_unharmed() {
    for isle in machines("arguments_and_environment_arrive_unharmed") {
        let odd: [&[u8]; 12] = [
            b"plain",
            b"",
            b" ",
            b"a  b",
            b"it's",
            b"\"q\"",
            b"line\nfeed",
            b"\xc3\xbc",
            b"\xff",
            b"--",
            b"--verbose",
            b"50%20",
        ];
        let mut command = anchorite(&["run", "--isle", isle]);
        for (nth, value) in odd.iter().enumerate() {
            let variable = [format!("V{nth}=").as_bytes(), value].concat();
            command.arg("--env").arg(OsStr::from_bytes(&variable));
        }
        command.args(["probe", "words"]).args(odd.map(OsStr::from_bytes));
        let output = finish(command);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        for (nth, word) in odd.iter().enumerate() {
            let word = word.escape_ascii();
            let argument = format!("arg {} \"{word}\"", nth + 2);
            let variable = format!("env \"V{nth}={word}\"");
            for line in [argument, variable] {
                assert!(text.lines().any(|told| told == line), "no `{line}` in:\n{text}");
            }
        }
        assert_eq!(text.lines().count(), 2 + 2 * odd.len(), "{text}");
    }
}

#[test]
fn an_unknown_program_is_told_the_known_ones() {
    for isle in ["uhyve", "qemu", "hosted"] {
        let output = run(&["run", "--isle", isle, "no-such-program"]);
        assert_refused(&output, 127, "hello");
    }
    assert_refused(&run(&["run", "--isle", "hosted", ""]), 127, "hello");
    assert_refused(&run(&["run", "--isle", "hosted", "../hello"]), 127, "hello");
}

#[test]
fn an_isle_that_is_not_there_is_refused() {
    assert_refused(&run(&["run", "--isle", "xen", "hello"]), 2, "--isle `xen`");
}

#[test]
fn command_lines_that_make_no_sense_are_refused() {
    for args in [
        &["run"][..],
        &["run", "--isle"],
        &["run", "--bogus", "hello"],
        &["walk"],
        &["compare"],
        &["compare", "bonnie"],
        &["compare", "postmark", "--runs", "0"],
        &["compare", "postmark", "--runs", "many"],
        &["compare", "postmark", "--markdown"],
        &["compare", "postmark", "--goals", "--config", "file"],
        &["run", "--env", "NOVALUE", "hello"],
        &["run", "--env", "=value", "hello"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_refused(&output, 2, "");
    }
}

#[test]
fn memory_sizes_are_checked_before_uhyve_sees_them() {
    for size in ["0", "-2M", "1M", "15M", "17M", "60G", "61G", "512", "512MB", "1.5G", "lots", ""] {
        let output = run(&["run", "--isle", "uhyve", "--memory", size, "hello"]);
        assert_refused(&output, 2, "--memory");
    }
    let mut command = anchorite(&["run", "hello"]);
    command.env("HERMIT_MEM", "15M");
    assert_refused(&finish(command), 2, "HERMIT_MEM");
}

#[test]
fn memory_sizes_of_every_spelling_boot() {
    for isle in machines("memory_sizes_of_every_spelling_boot") {
        for size in ["64M", "66m", "512MiB", "1048576K", "2G", "3gib", "16G", "59G", "61438M"] {
            let output = run(&["run", "--isle", isle, "--memory", size, "hello"]);
            assert_eq!(output.status.code(), Some(0), "{isle} {size}: {}", stderr(&output));
        }
    }
}

#[test]
fn the_least_memory_is_enough_or_ends_in_a_sentence() {
    for isle in machines("the_least_memory") {
        for size in ["16M", "18M", "32M"] {
            let output = run(&["run", "--isle", isle, "--memory", size, "hello"]);
            if output.status.code() != Some(0) {
                assert_eq!(stdout(&output), "", "{size}");
                assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
                assert_ne!(stderr(&output), "", "{size}");
            }
        }
    }
}

#[test]
fn numbers_of_cores_are_checked_before_uhyve_sees_them() {
    for cpus in ["0", "-1", "two", "", "1000000", "65"] {
        let output = run(&["run", "--isle", "uhyve", "--cpus", cpus, "hello"]);
        assert_refused(&output, 2, "--cpus");
    }
    let mut command = anchorite(&["run", "hello"]);
    command.env("HERMIT_CPUS", "none");
    assert_refused(&finish(command), 2, "HERMIT_CPUS");
}

/// Three cores and more did not start: their stacks' guards make more ranges of memory
/// than the call layer could hold.
#[test]
fn several_cores_boot() {
    for isle in machines("several_cores_boot") {
        for cpus in ["2", "3", "8"] {
            let output = run(&["run", "--isle", isle, "--cpus", cpus, "hello"]);
            assert_eq!(output.status.code(), Some(0), "{isle} {cpus}: {}", stderr(&output));
        }
    }
}

#[test]
fn options_win_over_variables_and_empty_variables_say_nothing() {
    let mut command =
        anchorite(&["run", "--isle", "hosted", "--memory", "64M", "--cpus", "1", "hello"]);
    command.envs([("HERMIT_ISLE", "xen"), ("HERMIT_MEM", "lots"), ("HERMIT_CPUS", "0")]);
    let output = finish(command);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let mut command = anchorite(&["run", "hello"]);
    command.envs([("HERMIT_ISLE", "hosted"), ("HERMIT_MEM", ""), ("HERMIT_CPUS", "")]);
    command.env("HERMIT_VERBOSE", "");
    let output = finish(command);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn the_kernels_log_is_on_stderr_only_when_asked_for() {
    for isle in isles("the_kernels_log") {
        let quiet = run(&["run", "--isle", isle, "hello"]);
        assert_eq!(stderr(&quiet), "", "{isle}");
        let verbose = run(&["run", "--isle", isle, "--verbose", "hello"]);
        assert_ne!(stderr(&verbose), "", "{isle}");
        assert_eq!(verbose.stdout, quiet.stdout, "{isle}");
        let mut command = anchorite(&["run", "--isle", isle, "hello"]);
        command.env("HERMIT_VERBOSE", "1");
        assert_ne!(stderr(&finish(command)), "", "{isle}");
        let mut command = anchorite(&["run", "--isle", isle, "hello"]);
        command.env("HERMIT_VERBOSE", "0");
        assert_eq!(stderr(&finish(command)), "", "{isle}");
    }
}

#[test]
fn what_is_too_long_for_a_guest_is_refused() {
    let long = "x".repeat(16 * 1024);
    let variable = format!("A={long}");
    for isle in isles("what_is_too_long") {
        assert_refused(&run(&["run", "--isle", isle, "hello", &long]), 2, "arguments");
        let output = run(&["run", "--isle", isle, "--env", &variable, "hello"]);
        assert_refused(&output, 2, "environment");
    }
}

#[test]
fn what_is_almost_too_long_boots() {
    for isle in machines("what_is_almost_too_long_boots") {
        let long = format!("A={}", "x".repeat(15 * 1024 - 20));
        let output = run(&["run", "--isle", isle, "--env", &long, "hello"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn a_closed_output_ends_the_command_quietly() {
    for isle in isles("a_closed_output") {
        let mut child = anchorite(&["run", "--isle", isle, "hello"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = wait(child);
        assert_eq!(stderr(&output), "", "{isle}");
        assert_eq!(output.status.code(), Some(141), "{isle}");
    }
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let mut command = anchorite(&["run", "--isle", "hosted", "hello"]);
    command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    assert_refused(&wait(child), 125, "No space left on device");
}

#[test]
fn forwards_that_cannot_be_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name).display().to_string();
    fs::create_dir(path("a:b")).unwrap();
    fs::write(path("file"), "").unwrap();
    symlink(path("a:b"), path("link")).unwrap();
    for (argument, words) in [
        (path("missing"), "No such file or directory"),
        (path("file"), "not a directory"),
        (path("a:b"), "colon"),
        (path("link"), "colon"),
        (format!("{}:/host", path("a:b")), "colon"),
        (format!("{}:relative", parent.path().display()), "absolute"),
        (format!("{}:/", parent.path().display()), "root"),
        (format!("{}:/a/../b", parent.path().display()), ".."),
        (":/host".to_owned(), "host directory"),
        (String::new(), "host directory"),
    ] {
        for isle in ["uhyve", "hosted"] {
            let output = run(&["run", "--isle", isle, "--forward", &argument, "hello"]);
            assert_refused(&output, 2, words);
        }
    }
    let both = parent.path().display().to_string();
    let output = run(&["run", "--isle", "hosted", "--forward", &both, "--forward", &both, "hello"]);
    assert_refused(&output, 2, "--forward");
}

#[test]
fn mounts_are_there_before_the_files_come() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("file"), [b'x'; 20_000]).expect("it can be written");
    let shown = directory.path().display();
    let (preload, host) = (format!("{shown}:/a/in"), format!("host:{shown}:/h:ro"));
    for isle in isles("mounts_are_there_before_the_files_come") {
        let with = |options: &[&str], program: &[&str]| {
            let mut args = vec!["run", "--isle", isle];
            args.extend(options.iter().flat_map(|option| ["--mount", option]));
            args.extend(["--preload", &preload]);
            args.extend(program);
            run(&args)
        };
        let bound = with(&["tmpfs:/a:size=1m", "bind:/a/in:/b/c"], &["cat", "/b/c/file"]);
        assert_eq!(stdout(&bound), "x".repeat(20_000), "{isle}: {}", stderr(&bound));
        let host = with(&[&host], &["cat", "/h/file"]);
        if isle == "qemu" {
            assert_refused(&host, 2, "cannot reach the host's files");
        } else {
            assert_eq!(stdout(&host), "x".repeat(20_000), "{isle}: {}", stderr(&host));
        }
        let small = with(&["tmpfs:/a:nr_inodes=2"], &["ls", "/"]);
        assert_refused(&small, 125, "there is no room for it");
        let file = with(&["tmpfs:/a/in", "tmpfs:/a/in/d", "bind:/a:/a/in/d"], &["ls", "/a/in/d"]);
        assert_eq!(stdout(&file), "in\n", "{isle}: {}", stderr(&file));
    }
}

#[test]
fn mounts_that_cannot_be_are_refused() {
    for (spec, words) in [
        ("tmpfs", "give it as tmpfs:DIR[:OPTIONS]"),
        ("swap:/a", "there is no such file system"),
        ("tmpfs:a", "give it from the root"),
        ("tmpfs:/", "name a directory below it"),
        ("tmpfs:/a:size=lots", "an option is unknown"),
        ("host:/nonexistent/anchorite:/a", "name a directory of this host"),
        ("host:/", "host:HOST_DIR:DIR"),
    ] {
        assert_refused(&run(&["run", "--mount", spec, "hello"]), 2, words);
    }
}

#[test]
fn a_host_path_that_is_not_utf8_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let odd = parent.path().join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();
    let mut command = anchorite(&["run", "--isle", "hosted", "--forward"]);
    command.arg(&odd).arg("hello");
    assert_refused(&finish(command), 2, "UTF-8");
}

#[test]
fn a_killed_virtual_machine_is_told_in_a_sentence() {
    for isle in machines("a_killed_virtual_machine") {
        let child = anchorite(&["run", "--isle", isle, "many", "10000000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let monitor = monitor_of(child.id());
        let killed = Command::new("kill").args(["-KILL", &monitor]).status().unwrap();
        assert!(killed.success());
        let output = wait(child);
        assert_eq!(output.status.code(), Some(125));
        let told = stderr(&output);
        assert!(told.starts_with("anchorite: the virtual machine was killed by SIGKILL"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_killed_launcher_takes_its_virtual_machine_along() {
    for isle in machines("a_killed_launcher") {
        let mut child = anchorite(&["run", "--isle", isle, "many", "10000000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let monitor = monitor_of(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            // A zombie, until somebody reaps it, has no command line.
            fs::read(format!("/proc/{monitor}/cmdline")).map_or(true, |line| line.is_empty())
        });
        assert!(gone, "process {monitor} outlives its launcher");
    }
}

#[test]
fn nothing_is_left_behind() {
    for isle in machines("nothing_is_left_behind") {
        let place = tempfile::tempdir().unwrap();
        let mut command = anchorite(&["run", "--isle", isle, "hello"]);
        command.env("TMPDIR", place.path());
        assert_eq!(finish(command).status.code(), Some(0));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

/// A host directory to look at from a guest: `directory/abc`, and a MiB of all bytes.
fn directory_to_look_at() -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join("directory")).unwrap();
    fs::write(parent.path().join("directory/abc"), "abc").unwrap();
    let mib: Vec<u8> = (0..1 << 20).map(|at: u32| (at ^ at >> 8 ^ at >> 16) as u8).collect();
    fs::write(parent.path().join("mib"), mib).unwrap();
    for (name, mode) in [("directory/abc", 0o640), ("directory", 0o750), ("mib", 0o604)] {
        let path = parent.path().join(name);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
    parent
}

/// Runs a program on the directory that is to be looked at, at `/host`; where it cannot be
/// forwarded, on a copy.
fn look(isle: &str, directory: &Path, args: &[&str]) -> Output {
    let option = if isle == "qemu" { "--preload" } else { "--forward" };
    let mut command = anchorite(&["run", "--isle", isle, option]);
    command.arg(format!("{}:/host", directory.display())).args(args);
    finish(command)
}

#[test]
fn cat_writes_a_file_as_it_is() {
    let directory = directory_to_look_at();
    let abc = "/host/directory/abc";
    let mib = fs::read(directory.path().join("mib")).unwrap();
    for isle in isles("cat_writes_a_file_as_it_is") {
        let output = look(isle, directory.path(), &["cat", abc, "/host/mib", "/none", abc]);
        assert_eq!(output.status.code(), Some(1), "{isle}");
        assert_eq!(stderr(&output), "cat: /none: No such file or directory\n", "{isle}");
        let expected = [b"abc", &mib[..], b"abc"].concat();
        assert!(output.stdout == expected, "{isle}: {} bytes", output.stdout.len());
    }
}

#[test]
fn ls_lists_a_directory_and_all_below_it() {
    let directory = directory_to_look_at();
    let owner = directory.path().metadata().unwrap();
    let owner = format!("{} {}", owner.uid(), owner.gid());
    for isle in isles("ls_lists_a_directory_and_all_below_it") {
        let output = look(isle, directory.path(), &["ls", "-R", "/host"]);
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{isle}");
        let expected = "/host:\ndirectory\nmib\n\n/host/directory:\nabc\n";
        assert_eq!(stdout(&output), expected, "{isle}");
        let output = look(isle, directory.path(), &["ls", "-l", "/host/mib"]);
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{isle}");
        let expected = format!("-rw----r-- 1 {owner} 1048576 2023-11-14T22:13:20Z /host/mib\n");
        assert_eq!(stdout(&output), expected, "{isle}");
    }
}

#[test]
fn sha256sum_tells_and_checks_what_files_hold() {
    let directory = directory_to_look_at();
    let sums = "\
        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  /host/directory/abc\n\
        9a058339229372b03c3b56553873e3681bb2ec068f7b9f08d7d6c9dd93157cbd  /host/mib\n";
    let files = ["sha256sum", "/host/directory/abc", "/host/mib"];
    fs::write(directory.path().join("sums"), sums).unwrap();
    for isle in isles("sha256sum_tells_and_checks_what_files_hold") {
        let output = look(isle, directory.path(), &files);
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{isle}");
        assert_eq!(stdout(&output), sums, "{isle}");
        let output = look(isle, directory.path(), &["sha256sum", "-c", "/host/sums"]);
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{isle}");
        let expected = "/host/directory/abc: OK\n/host/mib: OK\n";
        assert_eq!(stdout(&output), expected, "{isle}");
    }
}

#[test]
fn manifest_tells_a_tree() {
    let directory = directory_to_look_at();
    let owner = directory.path().metadata().unwrap();
    let owner = format!("{} {}", owner.uid(), owner.gid());
    let time = "1700000000.123456789";
    let expected = format!(
        "d 0750 {owner} - {time} - - ./directory\n\
         f 0640 {owner} 3 {time} 1 \
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ./directory/abc\n\
         f 0604 {owner} 1048576 {time} 1 \
         9a058339229372b03c3b56553873e3681bb2ec068f7b9f08d7d6c9dd93157cbd ./mib\n"
    );
    for isle in isles("manifest_tells_a_tree") {
        let output = look(isle, directory.path(), &["manifest", "/host"]);
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{isle}");
        let text = stdout(&output);
        let (top, below) = text.split_once('\n').expect("a line");
        assert!(top.starts_with("d ") && top.ends_with(" - - ."), "{isle}: {top}");
        assert_eq!(below, expected, "{isle}");
        // What is mounted is left out, unless it is asked for; a copy is not mounted.
        let output = look(isle, directory.path(), &["manifest"]);
        let text = stdout(&output);
        let (lines, last) = if isle == "qemu" { (5, " ./host/mib\n") } else { (1, " .\n") };
        assert_eq!(
            (output.status.code(), text.lines().count()),
            (Some(0), lines),
            "{isle}: {text}"
        );
        assert!(text.ends_with(last), "{isle}: {text}");
        let output = look(isle, directory.path(), &["manifest", "-m"]);
        let text = stdout(&output);
        // Whatever lists the open descriptors has one more, which is gone when it is looked at.
        let complaint = stderr(&output);
        assert!(
            complaint.lines().all(|line| line.contains("'./proc/1/fd/")),
            "{isle}: {complaint}"
        );
        let of_host = text.lines().filter(|line| line.contains(" ./host"));
        assert_eq!(of_host.count(), 4, "{isle}: {text}");
        for line in [" ./dev/null\t1:3\n", " ./proc/self\t1\n", " ./host/mib\n"] {
            assert!(text.contains(line), "{isle}: {text}");
        }
    }
}

#[test]
fn list_names_every_program_with_a_line() {
    let output = run(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let looking = ["cat", "ls", "manifest", "sha256sum"];
    for program in ["hello", "tree", "many", "posix", "postmark"].iter().chain(&looking) {
        let line = text.lines().find(|line| line.starts_with(program));
        let words = line.map_or(0, |line| line.split_whitespace().count());
        assert!(words > 1, "{program} has no line in:\n{text}");
    }
}

#[test]
fn postmark_without_its_file_says_so() {
    for isle in isles("postmark_without_its_file") {
        let output = run(&["run", "--isle", isle, "postmark", "/none"]);
        assert_eq!(output.status.code(), Some(1), "{isle}");
        let sentence = "postmark: cannot open the file of commands: No such file or directory\n";
        assert_eq!(stderr(&output), sentence, "{isle}");
    }
}
