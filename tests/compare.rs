//! `anchorite compare postmark`, end to end: the JSON's shape, equal counts, and
//! what is refused in a sentence.

mod common;

use std::fs;

use common::{anchorite, assert_refused, can_boot, finish, has_qemu, run, stderr, stdout};
use serde_json::Value;

/// What PostMark prints for its default configuration, whatever it runs on.
const DEFAULT_COUNTS: [(&str, u64); 8] = [
    ("created", 764),
    ("created_alone", 500),
    ("created_mixed", 264),
    ("read", 243),
    ("appended", 257),
    ("deleted", 764),
    ("deleted_alone", 528),
    ("deleted_mixed", 236),
];

fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("nothing but JSON on standard output")
}

#[test]
fn the_default_configuration_counts_the_same_each_way() {
    if !can_boot("the_default_configuration") {
        return;
    }
    let document = json(&["compare", "postmark", "--json", "--runs", "2"]);
    let ways = document["configurations"][0]["ways"].as_array().unwrap();
    let names: Vec<_> = ways.iter().map(|way| way["way"].as_str().unwrap()).collect();
    assert_eq!(names, ["ramdisk", "forwarded", "native"]);
    for way in ways {
        for (count, value) in DEFAULT_COUNTS {
            assert_eq!(way["counts"][count], value, "{count} in {way}");
        }
        assert_eq!(way["counts"], ways[0]["counts"]);
        assert!(way["counts"]["bytes_read"].as_u64().unwrap() > 1_000_000, "{way}");
        assert!(way["counts"]["bytes_written"].as_u64().unwrap() > 4_000_000, "{way}");
        assert_eq!(way["seconds"].as_array().unwrap().len(), 2, "{way}");
        assert!(way["transactions_per_second"].as_f64().unwrap() > 0.0, "{way}");
    }
    assert_eq!(ways[0]["isle"], "uhyve");
    let machine = &document["machine"];
    for field in ["cpu", "kernel", "uhyve", "native_file_system"] {
        assert!(machine[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    assert!(machine["kvm"]["hypercall_ns"].as_u64().unwrap() > 0);
}

#[test]
fn a_configuration_of_the_users_is_run_each_way() {
    if !can_boot("a_configuration_of_the_users") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("my config.cfg");
    let text = "set number 20\nset transactions 30\nset subdirectories 3\nset seed 7\n";
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let document = json(&["compare", "postmark", "--json", "--runs", "1", "--config", &config]);
    let ways = document["configurations"][0]["ways"].as_array().unwrap();
    assert_eq!(ways.len(), 3);
    assert!(ways.iter().all(|way| way["counts"] == ways[0]["counts"]));
    assert_eq!(ways[0]["counts"]["created_alone"], 20);
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
}

#[test]
fn the_table_names_the_ground() {
    if !can_boot("the_table_names_the_ground") {
        return;
    }
    let output = run(&["compare", "postmark", "--runs", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = stdout(&output);
    for words in ["764", "ramdisk", "forwarded", "native", "KVM", "hypercall", "uhyve", "Linux"] {
        assert!(table.contains(words), "`{words}` is not in:\n{table}");
    }
}

/// As the README's first command does it, where there is no KVM, and where there is no QEMU either.
#[test]
fn without_kvm_the_table_says_what_its_figures_are_worth() {
    if !has_qemu("without_kvm_the_table_says") {
        return;
    }
    for (qemu, words) in [("", "isle qemu"), ("/no/such/qemu", "isle hosted")] {
        let mut command = anchorite(&["compare", "postmark", "--runs", "1"]);
        command.envs([("HERMIT_KVM", "0"), ("HERMIT_QEMU", qemu)]);
        let output = finish(command);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let table = stdout(&output);
        for words in ["764", "ramdisk", "native", "KVM: none", words, "figures are not"] {
            assert!(table.contains(words), "`{words}` is not in:\n{table}");
        }
        let told = stderr(&output);
        for words in ["KVM is not to be used", "left out", words] {
            assert!(told.contains(words), "`{words}` is not in: {told}");
        }
    }
}

#[test]
fn the_native_directory_is_left_as_it_was() {
    if !can_boot("the_native_directory_is_left_as_it_was") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("mine"), "kept").unwrap();
    let directory = place.path().display().to_string();
    json(&["compare", "postmark", "--json", "--runs", "1", "--native-dir", &directory]);
    let names: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mine"]);
}

#[test]
fn files_that_are_not_there_are_told_in_a_sentence() {
    let output = run(&["compare", "postmark", "--config", "/no/such/file"]);
    assert_refused(&output, 2, "/no/such/file");
    let output = run(&["compare", "postmark", "--config", "/"]);
    assert_refused(&output, 2, "--config");
    let output = run(&["compare", "postmark", "--native-dir", "/no/such/dir"]);
    assert_refused(&output, 2, "/no/such/dir");
}

#[test]
fn a_configuration_that_is_broken_is_told() {
    if !can_boot("a_configuration_that_is_broken_is_told") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("broken");
    fs::write(&config, "set transactions nonsense\nmake me a sandwich\n\u{0}\n").unwrap();
    let mut command = anchorite(&["compare", "postmark", "--json", "--runs", "1", "--config"]);
    command.arg(&config);
    let output = finish(command);
    assert_ne!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("anchorite: "), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[test]
fn weighted_relative_locations_are_made_each_way() {
    if !can_boot("weighted_relative_locations") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("locations.cfg");
    fs::write(&config, "set location a/b 3\nset location +c 1\nset number 50\n").unwrap();
    let document = json(&["compare", "postmark", "--json", "--config", config.to_str().unwrap()]);
    let ways = document["configurations"][0]["ways"].as_array().unwrap();
    assert_eq!(ways.len(), 3);
    for way in ways {
        assert!(way["counts"]["created"].as_u64().unwrap() >= 50, "{way}");
        assert_eq!(way["counts"], ways[0]["counts"]);
    }
}

/// Debian's program is another than ours, and does the same.
#[test]
fn further_ways_do_the_same_over_numbers_of_files_or_tell_why_not() {
    if !can_boot("further_ways_do_the_same") {
        return;
    }
    let args = ["compare", "postmark", "--json", "--runs", "1", "--files", "20,50", "--further"];
    // It is ext4 on few machines.
    let document = json(&[&args[..], &["--ext4-dir", "/proc"]].concat());
    let absent = document["absent"].as_object().unwrap();
    assert!(absent["ext4"].as_str().unwrap().contains("/proc: none is on ext4"), "{absent:?}");
    let mut ways = vec!["ramdisk", "forwarded", "native"];
    match absent.get("debian") {
        Some(why) => assert!(why.as_str().unwrap().contains("apt install postmark"), "{why}"),
        None => ways.push("debian"),
    }
    let configurations = document["configurations"].as_array().unwrap();
    assert_eq!(configurations.len(), 2);
    for (configuration, files) in configurations.iter().zip([20, 50]) {
        assert_eq!(configuration["files"], files);
        let found = configuration["ways"].as_array().unwrap();
        let names: Vec<_> = found.iter().map(|way| way["way"].as_str().unwrap()).collect();
        assert_eq!(names, ways);
        for way in found {
            assert_eq!(way["counts"]["created_alone"], files, "{way}");
            assert_eq!(way["counts"]["deleted"], found[0]["counts"]["deleted"], "{way}");
        }
    }
}

/// Times depend on the machine; memory does not.
#[test]
fn preloaded_files_take_little_memory_beside_their_archive() {
    if !can_boot("preloaded_files_take_little_memory") {
        return;
    }
    let args = ["--json", "--runs", "1", "--files", "20000", "--mib", "8", "--beside"];
    let document = json(&[&["compare", "preload"][..], &args].concat());
    let beside = document["beside"].as_array().unwrap();
    let shapes: Vec<_> = beside.iter().map(|row| (&row["files"], &row["bytes"])).collect();
    let [small, large] = [[200, 2000, 20_000], [32_768, 131_072, 524_288]];
    let wanted = small.map(|files| (files, 100)).into_iter().chain(large.map(|size| (4, size)));
    let wanted: Vec<_> = wanted.map(|(files, bytes)| (files.into(), bytes.into())).collect();
    assert_eq!(shapes, wanted.iter().map(|(files, bytes)| (files, bytes)).collect::<Vec<_>>());
    for row in beside {
        let samples =
            |way: &str| row[way].as_array().unwrap().iter().map(|it| it.as_f64().unwrap());
        let preload: f64 = samples("preload").sum();
        assert!(
            0.0 < samples("placing").sum() && samples("placing").sum::<f64>() < preload,
            "{row}"
        );
        assert!(samples("native").sum::<f64>() > 0.0, "{row}");
        // Too many calls for this way.
        let is_forwarded = row["files"].as_u64() <= Some(10_000);
        assert_eq!(samples("forwarded").count(), usize::from(is_forwarded), "{row}");
        assert!(samples("forwarded").all(|milliseconds| milliseconds > 0.0), "{row}");
    }
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert!(row["value"].as_f64().is_some_and(|value| value > 0.0), "{row}");
    }
    let memory: Vec<_> = rows.iter().filter(|row| row["unit"] == "bytes").collect();
    assert_eq!(memory.len(), 2, "in one directory, and in many");
    for row in memory {
        assert_eq!((&row["met"], &row["goal"]), (&true.into(), &256.0.into()), "{row}");
    }
}
