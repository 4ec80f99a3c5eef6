//! The port beside Debian's `postmark`: the same lines, the same files, the
//! same system calls.
//!
//! Times and rates are what differs; they are blotted out. Without the
//! original (or `strace`, for the traces) these tests say `skipped: …`, unless
//! `CI=true`, where they fail.

mod side;

use side::{Case, OURS, original, run, strace, trace};

/// Seeds for the counts, the ends of their range among them.
const SEEDS: [i32; 24] = [
    1,
    2,
    3,
    5,
    7,
    11,
    42,
    43,
    97,
    100,
    255,
    256,
    1000,
    4095,
    4096,
    12345,
    65535,
    65536,
    99999,
    1_000_003,
    16_777_216,
    305_419_896,
    2_147_483_646,
    2_147_483_647,
];

/// What each seed is run with. Directories `a`, `b` and `c` exist.
const CONFIGURATIONS: [(&str, &str); 14] = [
    ("the defaults", "set transactions 300\nset number 200\n"),
    ("no buffering", "set buffering false\nset number 50\nset transactions 200\n"),
    ("subdirectories", "set subdirectories 7\nset number 30\nset transactions 150\n"),
    ("one subdirectory", "set subdirectories 1\nset number 30\nset transactions 100\n"),
    (
        "small blocks",
        "set read 100\nset write 7\nset size 1 5000\nset number 20\nset transactions 99\n",
    ),
    (
        "blocks around the buffer",
        "set read 4097\nset write 4095\nset size 4096 20000\nset number 20\nset transactions 60\n",
    ),
    (
        "large blocks without buffering",
        "set read 65536\nset write 4096\nset buffering false\nset size 4096\nset number 20\n\
         set transactions 60\n",
    ),
    (
        "large blocks with buffering",
        "set read 8192\nset write 10000\nset size 3000 40000\nset number 20\nset transactions 60\n",
    ),
    ("biases", "set bias read 8\nset bias create 3\nset number 60\nset transactions 200\n"),
    (
        "a full table",
        "set bias create 9\nset bias read 1\nset number 10\nset transactions 200\nset size 9 99\n",
    ),
    (
        "biases off",
        "set bias create 5\nset bias read -1\nset number 40\nset transactions 400\nset size 9 99\n",
    ),
    ("running out of files", "set bias create 1\nset number 20\nset transactions 200\n"),
    (
        "weighted locations",
        "set location a 3\nset location +b/ 1\nset location +c 5\nset number 30\n\
         set transactions 150\n",
    ),
    (
        "weighted locations with subdirectories, without buffering",
        "set location a 3\nset location +b 1\nset subdirectories 3\nset buffering false\n\
         set number 30\nset transactions 150\n",
    ),
];

/// Commands, mistakes and forms that are not known.
const COMMANDS: &str = "help\nshow\nhe\nru\nset\nset foo\nfoo\n\n run\nset size\nset size 100\n\
    set size 5 3\nset size 0\nset size x\nset size 7 x\nset size 5  9\nset sizex4\nshow\n\
    set number\nset number 0\nset number -5\nset number abc\nset number 4294967299\n\
    set numberX9\nset seed\nset seed abc\nset seed -1\nset seed 2147483648\n\
    set transactions\nset transactions -4\nset transactions 12x\nset subdirectories\n\
    set subdirectories -1\nset subdirectories 1\nshow\nset subdirectories 2\nset read\n\
    set read abc\nset read 0\nset read 1024\nset read 1048576\nset write\nset write 0\n\
    set write 1023\nset buffering\nset buffering maybe\nset buffering TRUE\nset buffering t\n\
    set buffering false\nset bias\nset bias read\nset bias read 11\nset bias read -2\n\
    set bias read 10\nset bias create\nset bias create 12\nset bias create -1\nset report\n\
    set report foo\nset report ver\nset report terse\nload\nload nofile\nloadnofile\n\
    show\nset location\nset location a 3\nset location +b\nshow\nset location +c 0\n\
    set location +c x\nset location +c \nset location -nowhere\nset location -a\nshow\n\
    set location a b 4\nset location +\nset location -\nshow\nshow none/file\nshowing\n\
    set location a\nshow\nhelpme\nexitx\nexit now\nquitx\nshow\n";

#[test]
fn every_seed_and_configuration_gives_the_same_lines_and_leaves_no_file() {
    let Some(original) = original() else { return };
    for (name, configuration) in CONFIGURATIONS {
        for seed in SEEDS {
            let script = format!("{configuration}set seed {seed}\nrun\nquit\n");
            let case = Case::new(&format!("{name}, seed {seed}"), &script);
            let expected = case.compare(&original);
            assert_eq!(expected.left, Vec::<String>::new(), "{name}, seed {seed}");
        }
    }
}

#[test]
fn commands_and_mistakes_are_answered_alike() {
    let Some(original) = original() else { return };
    Case::new("on the standard input", COMMANDS).compare(&original);
    let script = "set report verbose\nset transactions 10\nset number 5\nrun\n";
    for (name, file, args) in [
        ("in a file", "config", &["config"][..]),
        ("in the usual file", ".pmrc", &[]),
        ("in a file that is not meant", "config", &["config", "more"]),
        ("in a file that is not there", "config", &["nofile"]),
        ("in a directory", "config", &["a"]),
        ("in a file without a name", "config", &[""]),
    ] {
        let commands = COMMANDS.replace("quitx\n", "");
        for (how, commands) in [
            ("to its end", commands.clone()),
            ("to quit", format!("{commands}quit\nshow\n")),
            ("without a newline", format!("{commands}show")),
        ] {
            Case::new(&format!("{name}, {how}"), script)
                .args(args)
                .file(file, &commands)
                .compare(&original);
        }
    }
    let loads = "load one\nset number 9\nshow\nload two\nload one\nquit\nshow\n";
    let case = Case::new("files that load files", loads)
        .file("one", "set number 8\nload two\nset seed 3\nquit\nset seed 4\n")
        .file("two", "show\nquit\nset number 1\n");
    case.compare(&original);
    let long = format!("set location {}\nset number {}\nshow\n", "a".repeat(70), "1".repeat(700));
    Case::new("lines longer than a line", &long).compare(&original);
    Case::new("bytes that are no text", "\u{e9}\nset number 5\0 6\n\0\nhelp\0\nshow\n")
        .compare(&original);
}

#[test]
fn reports_and_settings_go_to_the_files_that_are_named() {
    let Some(original) = original() else { return };
    let script = "set number 5\nset transactions 10\nrun out\nshow out\nset location a 2\n\
                  show out\nset report terse\nrun out\nrun none/out\nset bias create 0\nrun out\n";
    let expected = Case::new("reports", script).compare(&original);
    assert_eq!(expected.left, ["out"]);
}

#[test]
fn what_cannot_be_opened_or_deleted_is_reported_alike() {
    let Some(original) = original() else { return };
    for buffering in ["true", "false"] {
        for seed in [1, 2, 3, 4, 5] {
            let script = format!(
                "set seed {seed}\nset buffering {buffering}\nset number 6\nset transactions 40\n\
                 set subdirectories 2\nset location none 2\nset location +a 1\nset size 9 99\nrun\n"
            );
            Case::new(&format!("no directory, {buffering}, {seed}"), &script).compare(&original);
        }
    }
}

#[test]
fn the_same_system_calls_are_made() {
    let Some(original) = original() else { return };
    if !strace() {
        return;
    }
    let scripts = CONFIGURATIONS.iter().map(|(name, script)| (*name, format!("{script}run\n")));
    let commands = [("commands", format!("{COMMANDS}quit\nmore\n"))];
    for (name, script) in scripts.chain(commands) {
        let script = script.replace("transactions 300", "transactions 40");
        let case = Case::new(name, &script).file("config", "set number 12\n").args(&["config"]);
        let expected = trace(&original.0, &case);
        let ours = trace(OURS, &case);
        assert!(expected.len() > 50, "{name}: {expected:?}");
        for (index, (expected, ours)) in expected.iter().zip(&ours).enumerate() {
            assert_eq!(ours, expected, "{name}: call {index}");
        }
        assert_eq!(ours.len(), expected.len(), "{name}");
    }
}

#[test]
fn seconds_are_real_with_three_decimals_and_rates_agree_with_them() {
    let script = "set number 2000\nset transactions 2000\nrun\nset report terse\nrun\n";
    let text = run(OURS, &Case::new("seconds", script)).output;
    let after = |words: &str| -> &str {
        let at = text.find(words).unwrap_or_else(|| panic!("{words} in {text}"));
        text[..at].rsplit(['\t', '(', ' ']).next().unwrap()
    };
    let total = after(" seconds total");
    assert_eq!(total.split_once('.').unwrap().1.len(), 3, "{total}");
    let seconds: f64 = after(" seconds of transactions").parse().unwrap();
    let start = text.find("seconds of transactions (").unwrap();
    let rate = text[start..].split(['(', ' ']).nth(4).unwrap();
    let rate: f64 = rate.parse().unwrap();
    // The printed seconds are rounded to half a millisecond.
    assert!((rate + 1.0) * (seconds + 0.0006) >= 2000.0, "{rate} {seconds}");
    assert!(rate * (seconds - 0.0006) <= 2000.0, "{rate} {seconds}");
    let terse = text.lines().rev().nth(1).unwrap();
    assert_eq!(terse.split(' ').count(), 13, "{terse}");
}

#[test]
fn json_is_one_line_with_the_counts() {
    let case = Case::new("json", "").file("config", "run\nquit\n").args(&["--json", "config"]);
    let side = run(OURS, &case);
    let lines: Vec<&str> = side.output.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(lines.len(), 1, "{}", side.output);
    assert!(lines[0].ends_with('}'));
    for part in [
        "\"created\":764,\"created_alone\":500,\"created_mixed\":264,\"read\":243,\
         \"appended\":257,\"deleted\":764,\"deleted_alone\":528,\"deleted_mixed\":236,",
        "\"total_seconds\":",
        "\"transaction_seconds\":",
    ] {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
    let case = Case::new("json without a file", "").args(&["--json", "nofile"]);
    let side = run(OURS, &case);
    assert_eq!(side.status, Some(1));
    assert_eq!(side.errors, "Error: cannot read configuration file 'nofile'\n");
}

#[test]
fn deviations_are_as_documented() {
    let script = "set transactions 3\nset number 5\nset location a 2\nset location +b\n\
                  del location a\ndel location\ndel location c\nshow\nrun\n";
    let side = run(OURS, &Case::new("deviations", script));
    assert!(side.output.contains("Working directory: \n\tb (weight=1)\n"), "{}", side.output);
    assert!(side.output.contains("Performing transactions...Done\n"), "{}", side.output);
    assert_eq!(
        side.errors,
        "Error: no directory name specified\nError: cannot find location 'c'\n"
    );
    let long = "long".repeat(40);
    let script = format!("set location {long}\nset number 3\nset transactions 10\nrun\n");
    let side = run(OURS, &Case::new("a long location", &script));
    assert!(side.errors.contains(&format!("cannot open '{long}/1' for writing")));
    for (script, error) in [
        (
            "set size 1 2000000000\nrun\n",
            "Error: failed to allocate source file of size -294967296\n",
        ),
        ("set number 2000000000\nrun\n", "Error: Failed to allocate table for -294967296 files\n"),
        (
            "set location a 2147483647\nset location +b 1\nrun\n",
            "Error: cannot build weighted index of locations\n",
        ),
    ] {
        let side = run(OURS, &Case::new("no memory", script));
        assert_eq!((side.errors.as_str(), side.status), (error, Some(0)));
        assert!(!side.output.contains("Creating"), "{}", side.output);
    }
}
