//! `soak` to its bitter end: with a planted bug awake it must fail, and what it prints must lead
//! back to the bug, and to nothing where the bug sleeps.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::PROGRAM;

/// Bugs that one thread meets; `interleavings plants` has them all.
const PLANTS: [&str; 4] = [
    "replaced_file_keeps_its_link",
    "cookie_is_used_again",
    "moved_directory_keeps_its_parent",
    "punched_pages_stay_charged",
];

/// The program with all planted bugs asleep in it. Only the crates of this workspace are built
/// another time: the flag is given by a wrapper of their compiler.
fn with_plants() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let wrapper = scratch.join("with-plants");
    // Written once: cargo takes a newer compiler for another one.
    let script = "#!/bin/sh\nexec \"$@\" --cfg anchorite_plants\n";
    if fs::read_to_string(&wrapper).ok().as_deref() != Some(script) {
        fs::write(&wrapper, script).unwrap();
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Its directory is named after its profile.
    let profile = Path::new(PROGRAM).parent().unwrap();
    let target = profile.parent().unwrap();
    let profile = match profile.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--locked",
        "--quiet",
        "--package",
        "host-fs-sim",
        "--bin",
        "host-fs-sim",
    ]);
    // The others' crates are there; the program goes elsewhere than the one that tests run.
    let place = scratch.join("planted");
    cargo.args(["--profile", profile, "--target-dir"]).arg(&place);
    cargo.env("CARGO_BUILD_BUILD_DIR", target).env("RUSTC_WORKSPACE_WRAPPER", &wrapper);
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    place.join(Path::new(PROGRAM).strip_prefix(target).unwrap())
}

fn run(program: &Path, arguments: &[&str], plant: &str) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env("ANCHORITE_PLANT", plant).output().unwrap()
}

#[test]
fn what_soak_prints_of_a_planted_bug_leads_back_to_it() {
    let program = with_plants();
    let file = std::env::temp_dir().join(format!("anchorite-plant-{}", std::process::id()));
    for plant in PLANTS {
        let soak = ["soak", "--against", "model", "--seed", "1", "--operations", "200000"];
        let output = run(&program, &soak, plant);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{plant}: {text}");
        assert!(text.starts_with("seed 1\n") && text.contains("FAILED: "), "{plant}: {text}");
        let told = text.split_once("that shows it:\n\n").and_then(|(_, rest)| {
            let (row, command) = rest.split_once("\nTo replay it: host-fs-sim ")?;
            Some((row, command.lines().next()?))
        });
        let Some((row, command)) = told else { panic!("{plant}: no row and command in\n{text}") };
        let calls = row.lines().filter(|line| line.starts_with("  ")).count();
        println!("{plant}: {calls} calls; {command}\n{row}");
        assert!((1..=12).contains(&calls), "{plant} was not shrunk:\n{row}");
        fs::write(&file, row).unwrap();
        let check = ["check", file.to_str().unwrap()];
        let replay: Vec<&str> = command.split(' ').collect();
        for arguments in [&check[..], &replay] {
            let awake = run(&program, arguments, plant);
            assert_eq!(awake.status.code(), Some(1), "{plant}, {arguments:?}: {awake:?}");
            let asleep = run(&program, arguments, "none");
            assert!(asleep.status.success(), "{plant}, {arguments:?}: {asleep:?}");
        }
        let again = run(&program, &replay, plant);
        assert!(String::from_utf8_lossy(&again.stdout).contains(row), "{plant}: {again:?}");
        // As it is without any plant.
        let usual = run(Path::new(PROGRAM), &check, plant);
        assert!(usual.status.success(), "{plant}: {usual:?}");
    }
    fs::remove_file(&file).unwrap();
}
