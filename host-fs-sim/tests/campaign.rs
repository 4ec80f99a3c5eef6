//! Short campaigns, and the commands `soak` and `check`. Long ones are `host-fs-sim soak`.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use anchorite_programs::posix::script::{Row, Statement, Value, check, rows};
use host_fs_sim::campaign::judge::{Against, WITHOUT_METHOD};
use host_fs_sim::campaign::{Case, Tally};
use host_fs_sim::sequence::generate::CALLS;
use host_fs_sim::worlds::{self, Methods, ROOMY, World, names, on_linux, system};
use proptest::strategy::ValueTree;
use support::{PROGRAM, skip};

/// Of the campaigns here.
const SEED: u64 = 20;

fn campaign(against: Against, cases: u64) -> Tally {
    let mut all = Tally::default();
    for index in 0..cases {
        match (Case { seed: SEED, index, against, len: 100, alone: false }).run() {
            Ok(tally) => all.add(&tally),
            Err(failure) => panic!("{failure}"),
        }
    }
    let (made, succeeded) = all.total();
    assert!(made >= 90 * cases, "{made} calls");
    assert!(20 * succeeded > 9 * made, "of {made} calls only {succeeded} succeeded");
    all
}

#[test]
fn random_calls_do_what_linux_does() {
    match on_linux(|| ()) {
        Ok(()) => drop(campaign(Against::Linux, 100)),
        Err(why) => skip(&why),
    }
}

#[test]
fn random_calls_do_the_same_by_number_and_by_method() {
    campaign(Against::Methods, 60);
}

/// And each call of the table is among them, and succeeds at least once.
#[test]
fn random_calls_do_what_the_model_does() {
    let told = campaign(Against::Model, 150);
    let never: Vec<&str> = CALLS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| told.0.get(*name).is_none_or(|(_, succeeded)| *succeeded == 0))
        // Instead of these `list` is done, which does getdents64.
        .filter(|name| !name.starts_with("getdents"))
        // The model has one file system, and one root.
        .filter(|name| !["mount", "umount2", "chroot", "statvfs"].contains(name))
        .collect();
    assert_eq!(never, [""; 0], "never succeeded");
}

#[test]
fn every_call_of_the_table_is_generated() {
    let generated: BTreeSet<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    // The model tells nobody what happens to files, and knows nobody who asks.
    let is_told =
        |name: &&str| name.starts_with("inotify_") || ["read_events", "ioctl"].contains(name);
    let known = names().filter(|name| !is_told(name));
    let known: BTreeSet<&str> = known.chain(["list", "stamp"]).collect();
    assert_eq!(generated, known);
    assert_eq!(generated.len(), CALLS.len(), "a call is there twice");
}

#[test]
fn calls_without_method_are_those_that_methods_do_not_know() {
    let system = system(ROOMY);
    let mut methods = Methods(&system);
    for name in WITHOUT_METHOD {
        assert!(methods.call(name, &[]).is_none(), "{name}");
    }
}

fn statements() -> impl Iterator<Item = Statement> {
    (0..40).flat_map(|index| {
        let case = Case { seed: SEED, index, against: Against::Model, len: 100, alone: false };
        case.sequence().current()
    })
}

#[test]
fn statements_are_read_as_they_are_written() {
    for statement in statements() {
        let text = statement.to_string();
        assert_eq!(text.parse(), Ok(statement.clone()), "{text}");
        assert_eq!(worlds::check(&statement), Ok(()), "{text}");
        // As a line of a row, too.
        let row = format!("row x\n  {text} = 0\n");
        check(&row).unwrap();
        let row: Row<'_> = rows(&row).next().unwrap();
        let line = row.lines().next().unwrap();
        assert_eq!((line.statement(), line.recorded), (Ok(statement), Some("0")), "{text}");
    }
}

#[test]
fn each_byte_is_read_as_it_is_written() {
    for byte in 0..=255u8 {
        for text in [vec![byte], vec![byte; 300], vec![byte, b' ', byte, b'x']] {
            let list = Value::List(vec![Value::Text(text.clone()), Value::Room(3)]);
            let arguments = vec![Value::Text(text), list, Value::Null];
            let statement = Statement { watched: Vec::new(), name: "x".to_owned(), arguments };
            let text = statement.to_string();
            assert_eq!(text.parse(), Ok(statement), "{text}");
        }
    }
}

#[test]
fn a_case_is_the_same_each_time() {
    let case = |index| Case { seed: SEED, index, against: Against::Linux, len: 100, alone: false };
    let sequence = |index| case(index).sequence().current();
    assert_eq!(sequence(7), sequence(7));
    assert_ne!(sequence(7), sequence(8));
}

#[test]
fn a_sequence_shrinks_to_what_shows_the_failure() {
    let shows = |sequence: &[Statement]| {
        let mkdir = sequence.iter().position(|one| one.name == "mkdir");
        let write = sequence.iter().rposition(|one| {
            one.name == "write" && matches!(&one.arguments[1], Value::Text(text) if text.len() >= 3)
        });
        matches!((mkdir, write), (Some(mkdir), Some(write)) if mkdir < write)
    };
    let case = Case { seed: SEED, index: 0, against: Against::Model, len: 200, alone: false };
    let mut tree = case.sequence();
    assert!(shows(&tree.current()), "the seed makes a sequence without");
    let mut goes_on = tree.simplify();
    for _ in 0..20_000 {
        if !goes_on {
            break;
        }
        goes_on = if shows(&tree.current()) { tree.simplify() } else { tree.complicate() };
    }
    assert!(!goes_on, "shrinking does not end");
    let smallest = tree.current();
    assert!(shows(&smallest));
    let names: Vec<&str> = smallest.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["mkdir", "write"]);
    let Value::Text(text) = &smallest[1].arguments[1] else { panic!("write takes text") };
    assert!(text.len() < 6, "{smallest:?}");
}

fn program(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn soak_tells_what_it_did() {
    for threads in [&["--threads", "2"][..], &["--alone"]] {
        let soak = ["soak", "--seed", "3", "--operations", "500", "--against", "model"];
        let output = program(&[&soak[..], threads].concat());
        assert!(output.status.success(), "{output:?}");
        let text = stdout(&output);
        assert!(text.contains("seed 3: ") && text.contains("nothing was found"), "{text}");
    }
}

#[test]
fn soak_refuses_what_makes_no_sense() {
    for arguments in [
        &["--threads", "0"][..],
        &["--minutes", "-1"],
        &["--minutes", "NaN"],
        &["--length", "0"],
        &["--operations", "0"],
        &["--against", "nobody"],
        &["--case", "3"],
    ] {
        let output = program(&[&["soak"][..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}

#[test]
fn check_does_the_rows_that_are_built_in() {
    let output = program(&["check"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("names, Numbers: ") && text.contains("permissions, Model: "), "{text}");
}

/// A closed pipe or a full disk is no failure: the status tells all the same.
#[test]
fn nobody_needs_to_listen() {
    for arguments in [&["check"][..], &["soak", "--operations", "100", "--against", "model"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(PROGRAM).args(arguments).stdout(full).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

/// The limits under which `soak` found something are in the text that it prints: without them
/// `check` would not do the same.
#[test]
fn check_does_a_text_under_its_limits() {
    let path = std::env::temp_dir().join(format!("anchorite-limits-{}", std::process::id()));
    let check = |limits: &str| {
        let row = "row a\n  mkdir \"d\" 0755 = 0\n  mkdir \"e\" 0755 = ENOSPC\n";
        fs::write(&path, format!("# alone\n{limits}\n{row}")).unwrap();
        program(&["check", path.to_str().unwrap()])
    };
    let output = check("# limits 8 3");
    assert!(output.status.success(), "{output:?}");
    assert!(stdout(&output).contains("Linux: its tmpfs has no such limits"), "{output:?}");
    assert_eq!(check("").status.code(), Some(1));
    assert_eq!(check("# limits 8 4").status.code(), Some(1));
    for limits in ["# limits 8", "# limits 8 x", "# limits 99999999999999999999 1"] {
        let output = check(limits);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("a number of pages and one of inodes"), "{error}");
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn check_tells_differences_and_what_is_no_row() {
    let path = std::env::temp_dir().join(format!("anchorite-check-{}", std::process::id()));
    let file = path.to_str().unwrap();
    let check = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        program(&["check", file])
    };
    assert!(check(b"row a\n  mkdir \"d\" 0755 = 0\n").status.success());
    let output = check(b"row a\n  mkdir \"d\" 0755 = EPERM\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("a: mkdir \"d\" 0755 = EPERM\n    here: 0"), "{output:?}");

    for (text, told) in [
        (&b""[..], "line 1: there is no row"),
        (b"mkdir \"d\" 0755\n", "line 1: a row begins with"),
        (b"row a\n\n  mkdir \"d 0755\n", "line 3: a string ends with"),
        (b"row a\n  mkdir \"d\" frob\n", "line 2: `frob` is no number"),
        (b"row a\n  mkdir \"d\"*99999999999 0\n", "line 2: a string is repeated"),
        (b"row a\n  write 3 \"\\q\"\n", "line 2: after \\ comes"),
        (b"row a\n  read 3 [x]\n", "line 2: `x` is no size of room"),
        (b"row a\n  readv 3 {[16777000] [300]}\n", "line 2: `300` is no size of room"),
        (b"row a\n  readv 3 {[1]\n", "line 2: a list ends with }"),
        (b"row a\n  watch \"a\" mkdir\n", "line 2: watch wants a colon"),
        (b"row a\nrow a\n", "line 2: there is a row `a` before"),
        (b"row a/b\n", "line 1: `a/b` names no row"),
        (b"row a\n  reboot 1\n", "there is no call `reboot`"),
        (b"row a\n  mkdir 5 5\n", "`mkdir` wants 2 arguments: a string, a number"),
        (b"row a\n  mkdir \"d\"\n", "`mkdir` wants 2 arguments"),
        (b"row a\n  getgroups 99999999\n", "a number up to 65536"),
        (b"\xff\xff", "cannot read"),
    ] {
        let output = check(text);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(error.contains(told) && !error.contains("panicked"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let output = program(&["check", file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read"), "{output:?}");
}
