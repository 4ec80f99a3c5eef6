//! Builds the guest images with a nested cargo and hands them to
//! `launcher/programs.rs` as `images.rs`, a table from program names to bytes.
//!
//! The images are bare metal, but for the host's own target (see
//! `kernel/src/lib.rs`), so whatever stable toolchain builds the launcher builds
//! them too. They get a target directory of their own: the outer cargo holds the
//! lock of the usual one.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

/// The package whose binaries are the images.
const KERNEL: &str = "anchorite-kernel";
/// The images' target: the only one that uhyve's and our kernel's x86-64 needs.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What images are made of; a change makes new ones.
const SOURCES: [&str; 6] =
    ["kernel", "fs", "syscalls", "bench-postmark", "Cargo.toml", "Cargo.lock"];

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rerun-if-changed=launcher/build.rs");
    tell_versions(&root);

    let target = variable("TARGET");
    if target != TARGET {
        fail(&format!("anchorite runs on {TARGET}, and this build is for {target}"));
    }
    let images = build_images(&root, &out);
    let mut table = String::from("static IMAGES: &[(&str, &[u8])] = &[\n");
    for (name, path) in images {
        let path = path.display().to_string();
        let _ = writeln!(table, "    ({name:?}, include_bytes!({path:?})),");
    }
    table.push_str("];\n");
    if let Err(error) = fs::write(out.join("images.rs"), table) {
        fail(&format!("cannot write images.rs: {error}"));
    }
}

/// Runs the nested cargo; returns each image's name and path, by name.
fn build_images(root: &Path, out: &Path) -> Vec<(String, PathBuf)> {
    let mut cargo = Command::new(variable("CARGO"));
    for (name, _) in env::vars_os() {
        if is_outer(&name) {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        // In place of those of a user's configuration; the linker's arguments are in
        // kernel/build.rs. Symbols are a sixth of an image that nothing here reads: whoever has
        // an address to explain builds without this, since each build has its own layout.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Cstrip=symbols")
        .args(["build", "--package", KERNEL, "--bins", "--features", "bare-metal"])
        .args(["--profile", "guest", "--target", TARGET, "--locked"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(out.join("guest"))
        .current_dir(root)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => fail(&format!("cannot start cargo for the guest images: {error}")),
    };
    if !output.status.success() {
        fail(&format!(
            "the guest images do not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let mut images: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable)
        .map(|path| {
            let name = path.file_name().unwrap_or_default();
            (name.to_string_lossy().into_owned(), path.clone())
        })
        .collect();
    images.sort();
    if images.is_empty() {
        fail("cargo names no guest image among what it built");
    }
    images
}

/// Whether a variable is the outer build's and would change the nested one: all
/// of cargo's but where it keeps things and how it reaches the network, and the
/// wrappers by which clippy and coverage tools put themselves in rustc's place.
fn is_outer(name: &OsString) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let keep = [
        "CARGO_MAKEFLAGS",
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    let drop = [
        "CARGO",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC",
        "CLIPPY_",
        "RUST_LOG",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "OUT_DIR",
        "NUM_JOBS",
        "LLVM_PROFILE_FILE",
        "DEP_",
    ];
    !keep.iter().any(|prefix| name.starts_with(prefix))
        && drop.iter().any(|prefix| name.starts_with(prefix))
}

/// The path in a line of cargo's that tells of a finished executable. A JSON
/// parser would be a build dependency for one string.
fn executable(line: &str) -> Option<PathBuf> {
    if !line.contains(r#""reason":"compiler-artifact""#) {
        return None;
    }
    let (_, rest) = line.split_once(r#""executable":""#)?;
    let (path, _) = rest.split_once('"')?;
    Some(PathBuf::from(path.replace(r"\\", r"\")))
}

/// Tells the launcher uhyve's version, from the lock file, and the commit.
fn tell_versions(root: &Path) {
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let uhyve = lock
        .split_once("name = \"uhyve\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version);
    println!("cargo::rustc-env=ANCHORITE_UHYVE_VERSION={uhyve}");

    let commit = git(root, &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    println!("cargo::rustc-env=ANCHORITE_COMMIT={}", commit.unwrap_or_default());
    if let Some(head) = git(root, &["rev-parse", "--git-path", "logs/HEAD"]) {
        let head = root.join(head);
        if head.exists() {
            println!("cargo::rerun-if-changed={}", head.display());
        }
    }
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(args).current_dir(root).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| fail(&format!("cargo sets no {name}: {error}")))
}

fn fail(text: &str) -> ! {
    eprintln!("{text}");
    exit(1)
}
