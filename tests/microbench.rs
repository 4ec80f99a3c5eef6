//! `anchorite compare microbench`, `growth`, `sizes`, `parts` and `boot`, end to end: every row is measured, the JSON's shape, what is refused in a sentence. No figure is judged.

mod common;

use std::fs;

use anchorite_programs::microbench::ROWS;
use common::{assert_refused, can_boot, has_qemu, run, stderr, stdout};
use serde_json::Value;

fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("nothing but JSON on standard output")
}

fn row<'a>(document: &'a Value, name: &str) -> &'a Value {
    let mut rows = document["rows"].as_array().expect("rows").iter();
    rows.find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {document}"))
}

/// The hidden subcommand by which the native way is run.
#[test]
fn linux_does_each_row_natively_and_nothing_is_left() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let parent = std::process::id().to_string();
    let path = directory.path().to_str().unwrap();
    let output = run(&[
        "__native",
        &parent,
        "microbench",
        "--directory",
        path,
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
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    for row in ROWS {
        let line = lines.iter().find(|line| line["name"] == row.name);
        let line = line.unwrap_or_else(|| panic!("no {} in {text}", row.name));
        assert_eq!(line["unit"], row.unit, "{line}");
        let samples = line["samples"].as_array().expect("samples");
        assert!(!samples.is_empty(), "{line}");
        // Of so few files the memory may be lost in what else the machine does.
        let is_some = |sample: &Value| row.unit == "bytes" || sample.as_f64().unwrap() > 0.0;
        assert!(samples.iter().all(is_some), "{line}");
    }
    assert_eq!(lines.last().unwrap()["done"], ROWS.len());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_native_call_that_fails_is_told_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data"), "in the way").unwrap();
    let parent = std::process::id().to_string();
    let path = directory.path().to_str().unwrap();
    let args = ["__native", &parent, "microbench", "--directory", path, "--filter", "lseek"];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "microbench: cannot make a file: File exists\n");
}

#[test]
fn rows_are_compared_each_way() {
    if !can_boot("rows_are_compared_each_way") {
        return;
    }
    let document = json(&[
        "compare",
        "microbench",
        "--json",
        "--quick",
        "--filter",
        "getpid",
        "--filter",
        "stat a/b",
        "--filter",
        "two renames",
        "--filter",
        "memory of an empty",
        "--filter",
        "least gap",
        "--filter",
        "last tenth to first",
        "--filter",
        "one file, two cores",
    ]);
    let machine = &document["machine"];
    assert!(machine["cpu"].as_str().is_some_and(|cpu| !cpu.is_empty()), "{machine}");
    assert!(machine["kvm"]["tsc_khz"].as_u64().unwrap() > 0, "{machine}");
    let names: Vec<_> =
        document["rows"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(
        names,
        [
            "getpid",
            "stat a/b/c/f",
            "two renames",
            "memory of an empty file",
            "append 4 KiB, first tenth",
            "append 4 KiB, last tenth",
            "append 4 KiB, last tenth to first",
            "hourglass, least gap",
            "pread 4 KiB, one file, one core",
            "pread 4 KiB, one file, all cores",
            "pread 4 KiB, one file, two cores to one",
            "getpid, in cycles",
        ]
    );

    let stat = row(&document, "stat a/b/c/f");
    let value = |name: &str| stat[name].as_f64().unwrap_or_else(|| panic!("{name} in {stat}"));
    assert_eq!((&stat["unit"], value("goal")), (&Value::from("ns"), 10.0));
    assert!(value("ramdisk") > 0.0 && value("native") > 0.0 && value("forwarded") > 0.0, "{stat}");
    let ratio = value("native") / value("ramdisk");
    assert!((value("ratio") - ratio).abs() < 1e-9 * ratio, "{stat}");
    assert_eq!(stat["met"].as_bool(), Some(ratio >= 10.0), "{stat}");
    let spread = &stat["spread"]["ramdisk"];
    assert_eq!(spread["samples"], 3, "{stat}");
    assert_eq!(stat["samples"]["ramdisk"].as_array().unwrap().len(), 3, "{stat}");
    assert!(spread["least"].as_f64() <= spread["median"].as_f64(), "{stat}");

    // Not about files; not there to be forwarded; not in times.
    assert_eq!(row(&document, "getpid")["forwarded"], Value::Null);
    assert_eq!(row(&document, "two renames")["forwarded"], Value::Null);
    assert!(row(&document, "two renames")["ramdisk"].as_f64().unwrap() > 0.0);
    let memory = row(&document, "memory of an empty file");
    assert_eq!((&memory["unit"], &memory["goal_is"]), (&"bytes".into(), &"at_most".into()));
    let bytes = memory["ramdisk"].as_f64().unwrap();
    assert!((50.0..2000.0).contains(&bytes), "{memory}");
    let times = row(&document, "pread 4 KiB, one file, two cores to one");
    let of = |row: &Value| row["spread"]["ramdisk"]["median"].as_f64().unwrap();
    let (one, all) = (
        of(row(&document, "pread 4 KiB, one file, one core")),
        of(row(&document, "pread 4 KiB, one file, all cores")),
    );
    assert!((of(times) - one / all).abs() < 1e-9, "{times}");
    assert_eq!((&times["goal_is"], &times["ratio"]), (&"at_least".into(), &Value::Null));
    assert_eq!(times["met"].as_bool(), Some(one / all >= 1.8), "{times}");
    assert_eq!(row(&document, "hourglass, least gap")["goal"], Value::Null);
    assert!(document["hourglass"]["ramdisk"].as_object().is_some_and(|bins| !bins.is_empty()));
}

#[test]
fn tables_tell_goals_and_the_machine() {
    if !can_boot("tables_tell_goals_and_the_machine") {
        return;
    }
    for (option, mark) in [(None, "│"), (Some("--markdown"), "| readlink")] {
        let args = ["compare", "microbench", "--quick", "--filter", "readlink"];
        let output = run(&args.into_iter().chain(option).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let table = stdout(&output);
        for words in [mark, "readlink", "10x", "Goals: ", "KVM", "uhyve", "Linux", "UTC"] {
            assert!(table.contains(words), "`{words}` is not in:\n{table}");
        }
    }
}

#[test]
fn a_row_that_is_not_there_is_refused() {
    let output = run(&["compare", "microbench", "--filter", "no such row"]);
    assert_refused(&output, 2, "no such row");
    let output = run(&["compare", "microbench", "--json", "--markdown"]);
    assert_refused(&output, 2, "--markdown");
}

#[test]
fn growth_is_measured() {
    if !can_boot("growth_is_measured") {
        return;
    }
    let document = json(&["compare", "growth", "--json", "--quick", "--mib", "1"]);
    let series = document["series"].as_array().unwrap();
    assert_eq!(series.len(), 11, "{document}");
    for series in series {
        let points = series["points"].as_array().unwrap();
        assert!(points.len() >= 2, "{series}");
        for point in points {
            assert!(point["ramdisk"].as_f64().unwrap() > 0.0, "{series}");
            assert!(point["native"].as_f64().unwrap() > 0.0, "{series}");
        }
        let (first, last) = (&points[0], &points[points.len() - 1]);
        assert!(first["size"].as_u64() < last["size"].as_u64(), "{series}");
        let times = last["ramdisk"].as_f64().unwrap() / first["ramdisk"].as_f64().unwrap();
        let growth = &series["growth"];
        assert!((growth["ramdisk"].as_f64().unwrap() - times).abs() < 1e-9 * times, "{series}");
        let within = times <= growth["logarithm"].as_f64().unwrap() * 1.25;
        assert_eq!(growth["within"].as_bool(), Some(within), "{series}");
    }
    let find = |name: &str| series.iter().find(|series| series["name"] == name).expect(name);
    let ends = |name: &str| {
        let points = find(name)["points"].as_array().unwrap();
        [&points[0], &points[points.len() - 1]].map(|point| point["ramdisk"].as_f64().unwrap())
    };
    for (name, memory) in [
        ("stat in a tree", "memory read at random, 256 B a file"),
        ("pread 512 B at random", "memory read at random, of a file's length"),
    ] {
        let ([first, last], [fast, slow]) = (ends(name), ends(memory));
        let growth = &find(name)["growth"];
        let beyond = last - first * growth["logarithm"].as_f64().unwrap() * 1.25;
        let reads = (slow > fast).then(|| beyond.max(0.0) / (slow - fast));
        match (growth["reads"].as_f64(), reads) {
            (Some(told), Some(reads)) => assert!((told - reads).abs() < 1e-6, "{document}"),
            (told, reads) => assert_eq!(told, reads, "{document}"),
        }
    }
    assert!(find("stat, each component of a path")["growth"]["reads"].is_null(), "{document}");
}

#[test]
fn growth_beyond_what_there_is_is_refused() {
    // More than any guest has.
    for args in [["--mib", "1048576"], ["--files", "100000000"]] {
        let output = run(&[&["compare", "growth"][..], &args].concat());
        assert_refused(&output, 2, "--files and --mib");
    }
}

#[test]
fn a_start_is_measured() {
    if !can_boot("a_start_is_measured") {
        return;
    }
    let document = json(&["compare", "boot", "--json", "--runs", "2"]);
    let rows = document["rows"].as_array().unwrap();
    let others =
        if has_qemu("a_start_is_measured") { &["qemu", "hosted"][..] } else { &["hosted"] };
    assert_eq!(rows.len(), 4 + others.len(), "{document}");
    for row in &rows[..4] {
        let (value, goal) = (row["value"].as_f64().unwrap(), row["goal"].as_f64().unwrap());
        assert!(value > 0.0 && goal > 0.0, "{row}");
        assert_eq!(row["met"].as_bool(), Some(value <= goal), "{row}");
    }
    for (row, isle) in rows[4..].iter().zip(others) {
        assert_eq!(row["name"], format!("process start to the first line, isle {isle}"));
        assert!(row["value"].as_f64().is_some_and(|value| value > 0.0), "{row}");
    }
    assert_eq!(row(&document, "process start to the first line")["spread"]["samples"], 2);
    assert_eq!(row(&document, "the kernel's part")["samples"].as_array().unwrap().len(), 2);
    // What uhyve cannot give less of is enough for it.
    assert_eq!(row(&document, "least memory for hello")["value"], 16.0);
    let images = document["images"].as_array().unwrap();
    assert!(images.iter().any(|image| image["name"] == "hello"), "{document}");
    assert!(images.iter().all(|image| image["bytes"].as_u64().unwrap() > 4096), "{document}");
}

#[test]
fn reads_and_writes_are_measured_by_size() {
    if !can_boot("reads_and_writes_are_measured_by_size") {
        return;
    }
    let document = json(&["compare", "sizes", "--json", "--quick", "--runs", "2"]);
    let series = document["series"].as_array().unwrap();
    let names: Vec<_> = series.iter().map(|series| series["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pread", "pwrite", "memcpy"]);
    for series in series {
        let points = series["points"].as_array().unwrap();
        let sizes: Vec<_> = points.iter().map(|point| point["size"].as_u64().unwrap()).collect();
        assert_eq!(sizes, (0..=20).map(|bits| 1 << bits).collect::<Vec<u64>>());
        for point in points {
            for (way, samples) in [("ramdisk", 6), ("native", 6), ("forwarded", 3)] {
                let there = point["samples"][way].as_array();
                if series["name"] == "memcpy" && way == "forwarded" {
                    assert!(there.is_none() && point[way].is_null(), "{point}");
                    continue;
                }
                assert_eq!(there.map(Vec::len), Some(samples), "{way}: {point}");
                assert!(point[way].as_f64().unwrap() > 0.0, "{way}: {point}");
            }
        }
    }
    let table = stdout(&run(&["compare", "sizes", "--quick", "--runs", "1", "--markdown"]));
    assert!(table.contains("| pwrite ") && table.contains("1,048,576"), "{table}");
}

#[test]
fn a_call_is_taken_apart_into_what_adds_up_to_it() {
    if !can_boot("a_call_is_taken_apart") {
        return;
    }
    let document = json(&["compare", "parts", "--json", "--quick", "--runs", "1"]);
    let steps = document["steps"].as_array().unwrap();
    let parts = document["parts"].as_array().unwrap();
    for way in ["ramdisk", "native"] {
        for (subject, whole) in [("pread 512 B", "pread 512 B"), ("create", "open a new file")] {
            let step = steps.iter().find(|step| step["name"] == whole).expect(whole);
            let samples = step["samples"][way].as_array().unwrap();
            let mut samples: Vec<_> = samples.iter().map(|it| it.as_f64().unwrap()).collect();
            samples.sort_by(f64::total_cmp);
            assert_eq!(samples.len(), 3, "{step}");
            let parts = parts.iter().filter(|part| part["subject"] == subject);
            let values: Vec<_> = parts.map(|part| part[way].as_f64().unwrap()).collect();
            assert!(values.len() >= 4, "{values:?}");
            let sum: f64 = values.iter().sum();
            assert!((sum - samples[1]).abs() < 1e-6 * samples[1], "{values:?} {samples:?}");
        }
    }
    let table = stdout(&run(&["compare", "parts", "--quick", "--runs", "1"]));
    assert!(table.contains("the look-up of the name"), "{table}");
}
