//! The stress run and the histories of real threads, under the compiler's sanitizers.
//!
//! They are the nightly compiler's: where it, or the source of its standard library, is
//! missing, that is said.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::driver::{nested_cargo, target_directory};

/// The target that libraries with a sanitizer in them are built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What is run: package and test.
const TESTS: [(&str, &str); 2] =
    [("anchorite-syscalls", "stress"), ("anchorite-interleavings", "linearizability")];

/// A sanitizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sanitizer {
    /// Looks for data races. The standard library must be built with it, too.
    Thread,
    /// Looks for accesses outside of what is allocated, and for leaks.
    Address,
}

/// Runs both sanitizers over both tests, and prints what comes of each; whether all was well.
/// One that is missing is skipped, and that is well but in CI.
///
/// # Errors
/// A sentence, if cargo cannot be started.
pub fn sanitizers() -> Result<bool, String> {
    let mut all = true;
    for sanitizer in [Sanitizer::Thread, Sanitizer::Address] {
        if let Err(why) = sanitizer.is_there() {
            println!("skipped: {sanitizer}: {why}");
            all &= std::env::var_os("CI").is_none_or(|ci| ci != "true");
            continue;
        }
        for (package, test) in TESTS {
            all &= sanitizer.run(package, test)?;
        }
    }
    Ok(all)
}

impl fmt::Display for Sanitizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}Sanitizer")
    }
}

impl Sanitizer {
    /// Whether this machine has what it takes.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    fn is_there(self) -> Result<(), String> {
        let told = Command::new("rustc")
            .args(["+nightly", "--print", "sysroot"])
            .stdin(Stdio::null())
            .output();
        let sysroot = match told {
            Ok(told) if told.status.success() => {
                PathBuf::from(String::from_utf8_lossy(&told.stdout).trim())
            }
            _ => {
                return Err("there is no nightly compiler; `rustup toolchain install nightly \
                     --component rust-src` installs it"
                    .to_owned());
            }
        };
        let source = sysroot.join("lib/rustlib/src/rust/library/Cargo.lock");
        if self == Sanitizer::Thread && !source.is_file() {
            return Err("the source of the nightly standard library is missing; `rustup \
                 component add rust-src --toolchain nightly` installs it"
                .to_owned());
        }
        Ok(())
    }

    /// Runs a test; whether it passed without a report.
    fn run(self, package: &str, test: &str) -> Result<bool, String> {
        let (name, build_std): (_, &[_]) = match self {
            Sanitizer::Thread => ("thread", &["-Zbuild-std"]),
            Sanitizer::Address => ("address", &[]),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let start = Instant::now();
        let output = nested_cargo("cargo")
            .env("CARGO_ENCODED_RUSTFLAGS", format!("-Zsanitizer={name}"))
            .args(["+nightly", "test", "--locked", "--package", package, "--test", test])
            .args(build_std)
            .args(["--target", TARGET, "--target-dir"])
            .arg(target_directory(&root).join("sanitizers").join(name))
            .args(["--", "--nocapture"])
            .current_dir(&root)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot start cargo: {error}"))?;
        let seconds = start.elapsed().as_secs();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let passed = output.status.success();
        // What the test tells, and its sum; all, if there is more to tell.
        for line in out.lines().filter(|_| passed) {
            if line.contains(" histories of ") || line.starts_with("test result") {
                println!("{self}, {test}: {line}");
            }
        }
        let verdict = if passed { "no report" } else { "FAILED" };
        println!("{self}, {test}: {verdict}, {seconds} s with the build");
        if !passed {
            let built = |line: &&str| line.trim_start().starts_with("Compiling ");
            println!("{out}");
            err.lines().filter(|line| !built(line)).for_each(|line| println!("{line}"));
        }
        Ok(passed)
    }
}
