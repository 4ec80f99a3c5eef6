//! Each target for a moment under libFuzzer and AddressSanitizer, where the nightly compiler
//! and cargo-fuzz are installed. A finding is a file in `host-fs-sim/fuzz/artifacts`.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use anchorite_fuzz_targets::TARGETS;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
/// Inputs that each target takes, those of its corpus included.
const RUNS: u32 = 2000;
/// Seconds after which a target stops before it took them all.
const MOST_SECONDS: u32 = 8;

/// `cargo fuzz` by the nightly compiler, which has the sanitizers.
fn cargo_fuzz(command: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["+nightly", "fuzz", command]);
    cargo
}

/// Why nothing can be fuzzed here, if so.
fn missing() -> Option<String> {
    let output = match cargo_fuzz("--version").output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!(
        "`cargo +nightly fuzz` does not run ({output}); install it with `rustup toolchain \
         install nightly` and `cargo install cargo-fuzz`"
    ))
}

#[test]
fn every_target_is_fuzzed_for_a_moment() {
    if let Some(reason) = missing() {
        let is_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!is_ci, "this must run in CI: {reason}");
        // Past the test harness's capture.
        let _ = writeln!(io::stdout(), "skipped: fuzzing: {reason}");
        return;
    }
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for target in &TARGETS {
        // New inputs go to the first directory; the committed ones stay as they are.
        let found = scratch.join("corpus").join(target.name);
        let _ = fs::remove_dir_all(&found);
        fs::create_dir_all(&found).unwrap();
        let output = cargo_fuzz("run")
            .args(["--fuzz-dir", FUZZ, "--target-dir"])
            .arg(scratch.join("fuzz"))
            .arg(target.name)
            .arg(&found)
            .arg(Path::new(FUZZ).join("corpus").join(target.name))
            .arg("--")
            .args([format!("-runs={RUNS}"), format!("-max_total_time={MOST_SECONDS}")])
            .args(["-max_len=1024", "-timeout=25"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{told}", target.name, output.status);
        let done = told.lines().rfind(|line| line.starts_with("Done "));
        println!("{}: {}", target.name, done.expect("libFuzzer tells how much it did"));
    }
}
