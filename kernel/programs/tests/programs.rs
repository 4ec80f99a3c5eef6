//! The programs, run in this process over a platform that keeps what they print.

mod common;

use anchorite_programs::microbench::ROWS;
use anchorite_programs::microbench::rows::STEPS;
use anchorite_syscalls::Limits;

use common::Machine;

struct Ended {
    status: i32,
    out: String,
    err: String,
    inodes_left: u64,
}

fn run(args: &[&str], limits: Limits) -> Ended {
    let machine = Machine::new(limits);
    let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    let printed = machine.run(&args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        status: printed.status,
        out: text(printed.out),
        err: text(printed.err),
        inodes_left: machine.sys.usage().inodes,
    }
}

const LIMITS: Limits = Limits { size_bytes: 1 << 30, inodes: 1 << 20 };

#[test]
fn hello_reads_back_what_it_wrote() {
    let ended = run(&["hello"], LIMITS);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    assert!(ended.out.contains("36 bytes written, read back, the same"), "{}", ended.out);
}

#[test]
fn tree_lists_renames_and_follows_and_leaves_nothing() {
    let ended = run(&["tree"], LIMITS);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    assert!(ended.out.contains("tree: apple birch cedar grove\n"), "{}", ended.out);
    assert!(ended.out.contains("after two renames: cedar grove\n"), "{}", ended.out);
    assert_eq!(ended.inodes_left, 1);
}

#[test]
fn posix_finds_every_row_as_on_linux() {
    // Its rows know of /dev and /proc, and of the program's name, as an isle has them.
    let machine = Machine::new(LIMITS);
    machine.sys.furnish().unwrap();
    machine.sys.set_program(&[b"posix"]).unwrap();
    let ended = machine.run(&[b"posix"]);
    let out = String::from_utf8(ended.out).unwrap();
    assert_eq!((ended.status, &*ended.err), (0, &b""[..]), "{out}");
    let (rows, same) = out.trim().split_once(" rows, ").unwrap();
    assert_eq!(same, format!("{rows} as on Linux"));
}

#[test]
fn many_removes_all_that_it_made() {
    for args in [
        &["many", "10000"][..],
        &["many", "1"],
        &["many", "3000", "7"],
        &["many", "5", "50"],
        &["many", "--threads", "3", "10000"],
        &["many", "--threads", "2", "1"],
    ] {
        let ended = run(args, LIMITS);
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{args:?}");
        assert!(ended.out.ends_with("all removed.\n"), "{}", ended.out);
        assert_eq!(ended.inodes_left, 1);
    }
}

#[test]
fn many_says_how_it_is_called() {
    for args in [
        &["many", "x"][..],
        &["many", "0"],
        &["many", "1", "0"],
        &["many", "1", "2", "3"],
        &["many", "--threads"],
        &["many", "--threads", "0"],
        &["many", "--threads", "4", "100"],
    ] {
        let ended = run(args, LIMITS);
        assert_eq!(ended.status, 2, "{args:?}");
        assert!(ended.err.starts_with("many: usage: many [--threads N] [FILES"), "{}", ended.err);
    }
}

#[test]
fn many_says_when_the_ramdisk_is_full() {
    let ended = run(&["many", "1000"], Limits { inodes: 500, ..LIMITS });
    assert_eq!(ended.status, 1);
    assert_eq!(ended.err, "many: cannot make a file: No space left on device\n");
}

#[test]
fn threads_wait_and_share_files_and_leave_nothing() {
    let ended = run(&["threads", "50"], LIMITS);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", ended.out);
    assert!(ended.out.starts_with("3 cores, 50 rounds\n"), "{}", ended.out);
    assert!(ended.out.ends_with("the ramdisk is whole.\n"), "{}", ended.out);
    assert_eq!(ended.inodes_left, 1);
    for args in [&["threads", "0"][..], &["threads", "x"], &["threads", "1", "1"]] {
        assert_eq!(run(args, LIMITS).status, 2, "{args:?}");
    }
}

/// The arguments that make `microbench` as short as can be.
const TINY: [&str; 11] = [
    "microbench",
    "--samples",
    "2",
    "--sample-us",
    "10",
    "--files",
    "100",
    "--append",
    "409600",
    "--hourglass-ms",
    "1",
];

#[test]
fn microbench_tells_each_row_and_leaves_nothing() {
    let ended = run(&TINY, LIMITS);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", ended.out);
    for row in ROWS {
        let line =
            ended.out.lines().find(|line| line.contains(&format!("\"name\":\"{}\"", row.name)));
        let line = line.unwrap_or_else(|| panic!("no {} in {}", row.name, ended.out));
        // Nobody counts the memory of this process.
        let told = match row.unit {
            "bytes" => "\"absent\":\"Function not implemented\"".to_owned(),
            unit => format!("\"unit\":\"{unit}\",\"samples\":["),
        };
        assert!(line.contains(&told), "{line}");
    }
    assert!(ended.out.ends_with(&format!("{{\"done\":{}}}\n", ROWS.len())), "{}", ended.out);
    assert_eq!(ended.inodes_left, 1);
}

#[test]
fn microbench_does_what_is_asked_for() {
    let names = |filters: &[&str]| -> Vec<String> {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let ended = run(&TINY.into_iter().chain(filters).collect::<Vec<_>>(), LIMITS);
        assert_eq!((ended.status, ended.inodes_left), (0, 1), "{}{}", ended.out, ended.err);
        let lines = ended.out.lines().filter(|line| line.contains("unit"));
        lines.map(|line| line.split('"').nth(3).unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["pread 51"]), ["pread 512 B"]);
    assert_eq!(names(&["last tenth", "readlink"]), ["append 4 KiB, last tenth", "readlink"]);
    assert_eq!(names(&["an entry"]), ["getdents64, an entry"]);
    assert_eq!(names(&["getpid"]), ["getpid"]);
    let one_file = ["pread 4 KiB, one file, one core", "pread 4 KiB, one file, all cores"];
    assert_eq!(names(&["one file"]), one_file);
}

#[test]
fn microbench_works_on_as_many_cores_as_are_asked_for() {
    for (threads, told) in [
        ("1", "\"absent\":\"there is one core only\""),
        ("2", "],\"threads\":2}"),
        ("64", "],\"threads\":3}"),
    ] {
        let args = [&TINY[..], &["--filter", "all cores", "--threads", threads]].concat();
        let ended = run(&args, LIMITS);
        assert_eq!((ended.status, ended.inodes_left), (0, 1), "{}{}", ended.out, ended.err);
        assert_eq!(ended.out.lines().count(), 6, "{}", ended.out);
        let rows = ended.out.lines().filter(|line| line.contains("all cores"));
        assert!(rows.clone().all(|line| line.contains(told)), "{}", ended.out);
        assert_eq!(rows.count(), 5, "{}", ended.out);
    }
}

#[test]
fn microbench_tells_how_costs_grow_and_leaves_nothing() {
    let args = [&TINY[..], &["--growth", "--files", "10000", "--tree-files", "1000"]].concat();
    let ended = run(&args, LIMITS);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", ended.out);
    for (series, size) in [
        ("memory read at random, 256 B a file", 10_000),
        ("memory read at random, of a file's length", 409_600),
        ("create in one directory", 1000),
        ("stat in one directory", 10_000),
        ("unlink in one directory", 10_000),
        ("create in a tree", 1000),
        ("stat in a tree", 1000),
        ("unlink in a tree", 1000),
        ("stat, each component of a path", 1),
        ("stat, each component of a path", 64),
        ("pread 512 B at random", 1024),
        ("pwrite 512 B at random", 409_600),
    ] {
        let line =
            format!("{{\"series\":\"{series}\",\"size\":{size},\"unit\":\"ns\",\"samples\":[");
        assert!(ended.out.contains(&line), "no {line} in {}", ended.out);
    }
    assert!(!ended.out.contains("in a tree\",\"size\":10000"), "{}", ended.out);
    assert_eq!(ended.inodes_left, 1);
}

#[test]
fn microbench_reads_and_writes_each_size_and_leaves_nothing() {
    let ended = run(&[&TINY[..], &["--sizes"]].concat(), LIMITS);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", ended.out);
    for series in ["pread", "pwrite", "memcpy"] {
        for size in (0..=20).map(|bits| 1 << bits) {
            let line =
                format!("{{\"series\":\"{series}\",\"size\":{size},\"unit\":\"ns\",\"samples\":[");
            assert!(ended.out.contains(&line), "no {line} in {}", ended.out);
        }
    }
    assert_eq!(ended.inodes_left, 1);
    let one = run(&[&TINY[..], &["--sizes", "--filter", "pwrite"]].concat(), LIMITS);
    assert!(one.out.contains("pwrite") && !one.out.contains("pread"), "{}", one.out);
}

#[test]
fn microbench_tells_each_step_of_a_call_and_leaves_nothing() {
    let ended = run(&[&TINY[..], &["--parts"]].concat(), LIMITS);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", ended.out);
    for step in STEPS {
        let line = format!("{{\"name\":\"{}\",\"unit\":\"ns\",\"samples\":[", step.name);
        assert_eq!(ended.out.matches(&line).count(), 1, "{line} in {}", ended.out);
    }
    assert!(ended.out.ends_with(&format!("{{\"done\":{}}}\n", STEPS.len())), "{}", ended.out);
    assert_eq!(ended.inodes_left, 1);
}

#[test]
fn microbench_copies_the_files_of_a_directory() {
    let machine = Machine::new(LIMITS);
    machine.sys.mkdir(b"/from", 0o755).unwrap();
    machine.sys.mkdir(b"/to", 0o755).unwrap();
    let write = |path: &[u8], bytes: &[u8]| {
        let fd = machine.sys.open(path, libc::O_CREAT | libc::O_WRONLY, 0o644).unwrap();
        assert_eq!(machine.sys.write(fd, bytes), Ok(bytes.len()));
        machine.sys.close(fd).unwrap();
    };
    // More than one piece; nothing; what is behind a gap in the numbers.
    let long: Vec<u8> = (0..600_000).map(|at| (at % 251) as u8).collect();
    write(b"/from/0000000", &long);
    write(b"/from/0000001", b"");
    write(b"/from/0000003", b"not reached");
    let copy = |from: &[u8]| machine.run(&[b"microbench", b"--directory", b"/to", b"--copy", from]);
    let ended = copy(b"/from");
    let out = String::from_utf8(ended.out).unwrap();
    assert!(out.starts_with("{\"series\":\"copy\",\"size\":2,\"unit\":\"ns\","), "{out}");
    let fd = machine.sys.open(b"/to/0000000", libc::O_RDONLY, 0).unwrap();
    let mut copied = vec![0; long.len() + 1];
    assert_eq!(machine.sys.read(fd, &mut copied), Ok(long.len()));
    assert!(copied[..long.len()] == long);
    assert_eq!(machine.sys.stat(b"/to/0000001").unwrap().st_size, 0);
    assert!(machine.sys.stat(b"/to/0000003").is_err());
    // Nothing is overwritten, and nothing is not a directory.
    assert!(copy(b"/from").err.ends_with(b"cannot make a file: File exists\n"));
    let missing = copy(b"/missing");
    assert_eq!(missing.status, 1);
    assert!(missing.err.ends_with(b"cannot open a file to copy: No such file or directory\n"));
}

#[test]
fn microbench_says_what_is_wrong() {
    for args in [
        &["--files", "1"][..],
        &["--samples"],
        &["--samples", "many"],
        &["--sample-us", "0"],
        &["--threads", "0"],
        &["--threads", "65"],
        &["--no", "1"],
        &["x"],
        &["--directory", "a\0b"],
    ] {
        let ended = run(&[&["microbench"], args].concat(), LIMITS);
        assert_eq!(ended.status, 2, "{args:?}");
        assert!(ended.err.starts_with("microbench: usage: microbench [--dir"), "{}", ended.err);
    }
    let ended = run(&["microbench", "--filter", "nothing of this name"], LIMITS);
    assert_eq!(ended.status, 1);
    assert_eq!(ended.err, "microbench: wrong result: no row has the filter in its name\n");
    let ended = run(&TINY, Limits { inodes: 50, ..LIMITS });
    assert_eq!(ended.status, 1);
    assert_eq!(ended.err, "microbench: cannot make a file: No space left on device\n");
    let ended = run(&["microbench", "--directory", "missing"], LIMITS);
    assert_eq!(
        ended.err,
        "microbench: cannot change to the directory: No such file or directory\n"
    );
}
