//! `--profile` and `flamegraph`: where a program is known to spend its time is what the profile
//! says, on each isle that is a machine; and what is refused.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use common::{
    anchorite, assert_refused, can_boot, finish, has_qemu, machines, run, stderr, stdout,
};

/// Runs `program` on `isle`, profiled into `file`.
fn profile(isle: &str, options: &[&str], file: &Path, program: &[&str]) -> Output {
    let file = file.display().to_string();
    let head = ["run", "--isle", isle, "--profile", &file];
    let output = run(&[&head[..], options, program].concat());
    assert_eq!(output.status.code(), Some(0), "{isle}: {}", stderr(&output));
    output
}

/// The stacks of a file, each with its number of samples.
fn stacks(file: &Path) -> Vec<(String, u64)> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| {
        let (stack, count) = line.rsplit_once(' ').expect(line);
        (stack.to_owned(), count.parse().expect(line))
    });
    lines.collect()
}

/// How many samples are in stacks that `is_meant`.
fn samples(stacks: &[(String, u64)], is_meant: impl Fn(&str) -> bool) -> u64 {
    stacks.iter().filter(|(stack, _)| is_meant(stack)).map(|(_, count)| count).sum()
}

/// A signal that came when the guest had ended once read the registers of a virtual processor
/// that was gone: one start in sixteen ended by SIGSEGV.
#[test]
fn the_end_of_a_guest_is_not_sampled() {
    if !can_boot("the_end_of_a_guest_is_not_sampled") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    for _ in 0..64 {
        let output = profile("uhyve", &[], &place.path().join("stacks"), &["hello"]);
        assert_eq!(stdout(&output).lines().count(), 2);
    }
}

/// Sums over many bytes are made in one function. They are made of the same file again and again,
/// so that what is done once, however slow a busy host makes it (reading the archive, a PC's
/// firmware), is a small part of the samples.
#[test]
fn time_is_found_where_it_is_spent() {
    let place = tempfile::tempdir().unwrap();
    let files = place.path().join("files");
    fs::create_dir(&files).unwrap();
    for isle in machines("time_is_found_where_it_is_spent") {
        let (mib, times) = if isle == "uhyve" { (64, 12) } else { (16, 8) };
        fs::write(files.join("bytes"), vec![0x5a; mib << 20]).unwrap();
        let preload = files.display().to_string();
        let out = place.path().join(isle);
        let program = [&["sha256sum"], vec!["/bytes"; times].as_slice()].concat();
        let output = profile(isle, &["--preload", &preload], &out, &program);
        let plain = run(&[&["run", "--isle", isle, "--preload", &preload][..], &program].concat());
        assert_eq!(stdout(&output), stdout(&plain), "{isle}");

        let stacks = stacks(&out);
        let all = samples(&stacks, |_| true);
        assert!(all >= 50, "{isle}: {stacks:?}");
        let hashing = samples(&stacks, |stack| stack.contains("sha256"));
        assert!(hashing * 10 >= all * 8, "{isle}: {hashing} of {all}: {stacks:?}");
        let rooted = samples(&stacks, |stack| stack.starts_with("anchorite_kernel::"));
        assert!(rooted * 10 >= all * 8, "{isle}: {rooted} of {all}: {stacks:?}");
        let unknown = samples(&stacks, |stack| stack.contains("[unknown]"));
        assert!(unknown * 10 <= all, "{isle}: {unknown} of {all}: {stacks:?}");
        let told = format!("{}: {all} samples, of which {unknown} (", out.display());
        assert!(stderr(&output).contains(&told), "`{told}` is not in: {}", stderr(&output));

        let svg = place.path().join("picture.svg");
        let (from, to) = (out.display().to_string(), svg.display().to_string());
        let drawn = run(&["flamegraph", &from, "-o", &to]);
        assert_eq!(drawn.status.code(), Some(0), "{}", stderr(&drawn));
        let picture = fs::read_to_string(&svg).unwrap();
        assert!(picture.contains("<svg") && picture.contains("sha256"), "{isle}");
        // Where no picture is named, it lies beside the file.
        assert_eq!(run(&["flamegraph", &from]).status.code(), Some(0));
        assert_eq!(fs::read_to_string(out.with_extension("svg")).unwrap(), picture);
    }
}

/// Calls of PostMark's, most of which are inlined into one another, on two cores of which one
/// is idle.
#[test]
fn calls_are_told_apart_in_postmark() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("files")).unwrap();
    let preload = place.path().join("files").display().to_string();
    for isle in machines("calls_are_told_apart_in_postmark") {
        // Enough for several samples of the rarest call.
        let transactions = if isle == "uhyve" { 100_000 } else { 20_000 };
        let commands = format!(
            "set number 2000\nset transactions {transactions}\nset location /\nrun\nquit\n"
        );
        fs::write(place.path().join("files/commands"), commands).unwrap();
        let out = place.path().join(isle);
        let options = ["--cpus", "2", "--preload", &preload];
        let output = profile(isle, &options, &out, &["postmark", "/commands"]);
        assert!(stdout(&output).contains("transactions"), "{}", stdout(&output));
        let stacks = stacks(&out);
        let all = samples(&stacks, |_| true);
        let postmark = samples(&stacks, |stack| stack.contains("postmark"));
        let idle = samples(&stacks, |stack| stack.contains("idle"));
        assert!(postmark * 4 >= all && idle > 0, "{isle}: {postmark}, {idle} of {all}: {stacks:?}");
        for name in ["System>::openat", "System>::write", "System>::unlink", "memcpy"] {
            assert!(
                samples(&stacks, |stack| stack.contains(name)) > 0,
                "{isle}: {name}: {stacks:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_profiled_is_told_in_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    let out = path("out");
    let refused = |options: &[&str], status, words| {
        let output = run(&[&["run"], options, &["hello"]].concat());
        assert_refused(&output, status, words);
    };
    refused(&["--isle", "hosted", "--profile", &out], 2, "no machine");
    refused(&["--isle", "qemu", "--profile", &out, "--gdb"], 2, "leave one out");
    refused(&["--profile", &path("no/out")], 2, "--profile");
    refused(&["--profile", &path("")], 2, "no file");
    refused(&["--profile", "/proc/out"], 2, "--profile");
    assert_refused(&run(&["run", "--profile", &out, "nosuch"]), 127, "no program");
    assert!(!Path::new(&out).exists());
}

#[test]
fn what_is_no_profile_is_not_drawn() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("stacks");
    let named = file.display().to_string();
    assert_refused(&run(&["flamegraph", &named]), 2, "No such file");
    assert_refused(&run(&["flamegraph", &place.path().display().to_string()]), 2, "directory");
    for (bytes, words) in [
        (&b""[..], "no sample"),
        (b"main 0\n", "no sample"),
        (b"main;read 3\nhello there\n", "line 2 is no stack"),
        (b"main;read\n", "line 1"),
        (b"\x7fELF\xff\xfe\0", "no file of collapsed stacks"),
        (b"main 18446744073709551615\nread 18446744073709551615\n", "too many"),
    ] {
        fs::write(&file, bytes).unwrap();
        assert_refused(&run(&["flamegraph", &named]), 2, words);
    }
    fs::write(&file, "main;read 3\nmain;write 1\n").unwrap();
    assert_refused(&run(&["flamegraph", &named, "-o", &named]), 2, "another place");
    assert_refused(&run(&["flamegraph", &named, "-o", "/no/such/place.svg"]), 2, "--output");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    assert_eq!(run(&["flamegraph", &named]).status.code(), Some(0));
    assert!(fs::read_to_string(file.with_extension("svg")).unwrap().contains("<svg"));
}

/// A launcher that is killed takes its isle with it, and leaves no file.
#[test]
fn nothing_is_left_of_what_is_killed() {
    let test = "nothing_is_left_of_what_is_killed";
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out").display().to_string();
    let isles = [("uhyve", can_boot(test)), ("qemu", has_qemu(test))];
    for isle in isles.into_iter().filter_map(|(isle, is_here)| is_here.then_some(isle)) {
        let args = ["run", "--isle", isle, "--profile", &out, "many", "--threads", "1", "50000000"];
        let mut child = anchorite(&args).stdout(Stdio::null()).spawn().unwrap();
        let id = child.id();
        let deadline = Instant::now() + Duration::from_secs(30);
        let isles: Vec<String> = loop {
            let listed = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
            let listed: Vec<_> = listed.split_whitespace().map(str::to_owned).collect();
            if !listed.is_empty() {
                break listed;
            }
            assert!(Instant::now() < deadline, "{isle}: no process was started");
            std::thread::sleep(Duration::from_millis(10));
        };
        std::thread::sleep(Duration::from_millis(500));
        child.kill().unwrap();
        child.wait().unwrap();
        for process in isles {
            // What nobody waits for may stay as a zombie of another's.
            let is_there = || {
                let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
            };
            while is_there() {
                assert!(Instant::now() < deadline, "{isle}: {process} lives");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{isle}");
    }
    // A program that ends at once has few samples or none, and its own status.
    if can_boot(test) {
        let args = ["run", "--isle", "uhyve", "--profile", &out, "ls", "/nosuch"];
        let output = finish(anchorite(&args));
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(" samples, of which "), "{}", stderr(&output));
        assert!(Path::new(&out).exists());
    }
}
