//! How many instructions each call takes, held against `instructions.txt`: no figure may grow by
//! more than a twentieth. Under QEMU, which counts, they repeat exactly, whatever else the machine
//! does; another compiler gives others. Times are measured elsewhere, and not judged by tests.
//!
//! `ANCHORITE_RENEW=1 cargo test --test instructions` writes the table anew.

mod common;

use std::fmt::Write as _;
use std::process::Command;
use std::{env, fs};

use common::{assert_refused, has_qemu, run, stderr};
use serde_json::Value;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/instructions.txt");
const RENEW: &str = "ANCHORITE_RENEW=1 cargo test --test instructions";
/// What a figure may grow by.
const GROWTH: f64 = 1.05;

/// The rows of one benchmark, counted.
fn count(benchmark: &str, options: &[&str]) -> Vec<(String, f64)> {
    let args = [&["compare", benchmark, "--isle", "qemu", "--json"], options].concat();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
    assert!(document["qemu"].as_str().is_some_and(|version| !version.is_empty()), "{document}");
    let rows = document["rows"].as_array().expect("rows").iter();
    let row = |row: &Value| {
        let name = row["name"].as_str().expect("a name");
        (format!("{benchmark}: {name}"), row["instructions"].as_f64().expect("a number"))
    };
    rows.map(row).collect()
}

fn compiler() -> String {
    let said = Command::new("rustc").arg("--version").output().expect("rustc built this");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// The table: a comment, then a row in each line, its count after the last blank.
fn table(rows: &[(String, f64)]) -> String {
    let mut text = format!(
        "# Instructions of one operation, as QEMU counts them; renewed by\n# {RENEW}\n# {}\n",
        compiler()
    );
    for (name, instructions) in rows {
        let _ = writeln!(text, "{name} {instructions:.1}");
    }
    text
}

fn read(table: &str) -> Vec<(String, f64)> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| {
        let (name, count) = line.rsplit_once(' ').expect(line);
        (name.to_owned(), count.parse().expect(line))
    };
    lines.map(row).collect()
}

/// What is wrong with the rows, beside those of the table.
fn complaints(table: &[(String, f64)], rows: &[(String, f64)]) -> Vec<String> {
    let find = |rows: &[(String, f64)], name: &str| {
        rows.iter().find(|(known, _)| known == name).map(|(_, count)| *count)
    };
    let mut complaints = Vec::new();
    for (name, now) in rows {
        match find(table, name) {
            None => complaints.push(format!("{name}: not in the table")),
            Some(before) if *now > before * GROWTH => {
                complaints.push(format!("{name}: {before:.1} instructions before, {now:.1} now"));
            }
            Some(_) => {}
        }
    }
    let gone = table.iter().filter(|(name, _)| find(rows, name).is_none());
    complaints.extend(gone.map(|(name, _)| format!("{name}: not counted any more")));
    complaints
}

#[test]
fn no_call_takes_many_more_instructions_than_it_did() {
    if !has_qemu("no_call_takes_many_more_instructions") {
        return;
    }
    let rows = [count("microbench", &[]), count("postmark", &[])].concat();
    assert!(rows.len() > 30, "{rows:?}");
    if env::var_os("ANCHORITE_RENEW").is_some() {
        fs::write(TABLE, table(&rows)).unwrap();
        return;
    }
    let text = fs::read_to_string(TABLE).unwrap();
    let complaints = complaints(&read(&text), &rows);
    assert!(
        complaints.is_empty(),
        "{}\nIf that is as it should be: {RENEW}\nThe table is of\n{}\nand this is {}",
        complaints.join("\n"),
        text.lines().filter(|line| line.starts_with("# rustc")).collect::<Vec<_>>().join("\n"),
        compiler()
    );
}

#[test]
fn a_growth_of_more_than_a_twentieth_is_told_with_both_figures() {
    let rows = |count: f64| vec![("microbench: getpid".to_owned(), count)];
    let text = table(&rows(100.0));
    assert_eq!(read(&text), rows(100.0));
    assert_eq!(complaints(&rows(100.0), &rows(104.9)), [""; 0]);
    assert_eq!(complaints(&rows(100.0), &rows(50.0)), [""; 0]);
    let told = complaints(&rows(100.0), &rows(105.2));
    assert_eq!(told, ["microbench: getpid: 100.0 instructions before, 105.2 now"]);
    assert_eq!(complaints(&[], &rows(1.0)).len(), 1);
    assert_eq!(complaints(&rows(1.0), &[]).len(), 1);
}

#[test]
fn counts_repeat_exactly() {
    if !has_qemu("counts_repeat_exactly") {
        return;
    }
    let options = ["--filter", "stat a/b/c/f", "--filter", "create among many", "--files", "500"];
    let [first, second] = [(); 2].map(|()| count("microbench", &options));
    let names: Vec<_> = first.iter().map(|(name, _)| name.as_str()).collect();
    let rows = ["stat a/b/c/f", "create among many, new memory", "create among many"];
    assert_eq!(names, rows.map(|row| format!("microbench: {row}")));
    assert_eq!(first, second);
    assert!(first.iter().all(|(_, count)| *count > 100.0), "{first:?}");
    assert_eq!(count("postmark", &[]), count("postmark", &[]));
}

#[test]
fn what_is_about_time_is_refused_where_instructions_are_counted() {
    for (benchmark, options) in [
        ("microbench", &["--native-dir", "/tmp"][..]),
        ("microbench", &["--runs", "2"]),
        ("microbench", &["--quick"]),
        ("postmark", &["--native-dir", "/tmp"]),
        ("postmark", &["--goals"]),
    ] {
        let output = run(&[&["compare", benchmark, "--isle", "qemu"], options].concat());
        assert_refused(&output, 2, options[0]);
    }
    let output = run(&["compare", "microbench", "--isle", "qemu", "--filter", "hourglass"]);
    assert_refused(&output, if has_qemu("hourglass") { 2 } else { 125 }, "");
    assert_refused(&run(&["compare", "postmark", "--isle", "xen"]), 2, "xen");
}
