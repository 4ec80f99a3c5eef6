//! Counts how often each block of the kernel's code is executed, and keeps that beside this
//! package, as `images.profdata`, `compiler` and `crates`: images are built by it (profile-guided
//! optimisation), which makes most calls a sixth to a third shorter.
//!
//! `cargo run --release --package anchorite-training`, with `rustup component add llvm-tools` before, where KVM
//! can be used. To be done again when a call is changed so much that `tests/instructions.rs`
//! finds it longer, and when the compiler changes: its names of functions hold for one compiler.
//!
//! The kernel's functions have one name in an image of this workspace and another in a program of
//! one's own, which depends on the kernel by another path. So both are built and run.

#[path = "../../../launcher/guest.rs"]
#[allow(dead_code, reason = "the launcher's")]
mod guest;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use guest::{ALIKE, PROFILE, TARGET};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The link by which a program of one's own depends on the kernel.
const LINK: &str = ".anchorite";
/// Where an instrumented kernel leaves its counts (`kernel/src/counts.rs`).
const COUNTS_DIR: &str = "/counts";
const COUNTS_FILE: &str = "raw";
/// What rustc is told: to count. The counting functions that come with it would write a file at the
/// end by the C library, which is not there and not called.
const COUNTING: [&str; 5] = [
    "-Cprofile-generate",
    ALIKE[0],
    ALIKE[1],
    "-Clink-arg=-Wl,--unresolved-symbols=ignore-all",
    "--cfg=anchorite_counts",
];
/// The programs that are run.
const PROGRAMS: [(&str, &str); 3] =
    [("hello", "HELLO"), ("microbench", "MICROBENCH"), ("postmark", "POSTMARK")];
/// Functions with no block that was executed so often keep no counts: as if nothing were known of
/// them. The others are a quarter of the bytes.
const OFTEN: u64 = 300;

/// PostMark's commands: files as by default, enough of them for directories of all kinds.
const POSTMARK: &str = "set number 500\nset transactions 5000\nset subdirectories 10\n\
                        set size 500 10000\nrun\nquit\n";
/// Rows of `microbench` that are calls by one thread alone. Each is repeated for a moment, so that long
/// calls count about as much as short ones.
const ALONE: [&str; 15] = [
    "getpid",
    "sched_yield",
    "lseek",
    "pwrite",
    "pread",
    "stat",
    "open+close",
    "create",
    "mkdir",
    "renames",
    "readlink",
    "getdents",
    "unlink",
    "append",
    "malloc",
];
/// Rows of two cores at once.
const TOGETHER: [&str; 2] = ["all cores", "thread,"];
const MOMENTS: [&str; 8] =
    ["--samples", "40", "--sample-us", "20", "--files", "5000", "--append", "2097152"];

fn main() -> Result<()> {
    let merger = merger()?;
    let work = tempfile::tempdir()?;
    let work = work.path();
    fs::write(work.join("postmark"), POSTMARK)?;
    let mut counts = Vec::new();
    for images in [workspace_images(&work.join("workspace"))?, own_images(&work.join("own"))?] {
        for (program, cores, args) in runs() {
            let file = work.join(format!("{}.profraw", counts.len()));
            fs::write(&file, train(&images.join(program), cores, &args, work)?)?;
            counts.push(file);
        }
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = keep(&merger, &counts, work, &here.join("images.profdata"))?;
    fs::write(here.join("crates"), crates_of(&kept))?;
    fs::write(here.join("compiler"), said(Command::new("rustc").arg("-vV"))?)?;
    Ok(())
}

/// Builds the workspace's images so that they count; returns where they are.
fn workspace_images(work: &Path) -> Result<PathBuf> {
    let target = work.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--package", "anchorite-kernel", "--features", "images", "--locked"])
        .current_dir(ROOT);
    for (program, _) in PROGRAMS {
        cargo.args(["--bin", program]);
    }
    build(&mut cargo, &target, &COUNTING)
}

/// Builds the same programs as a user's crate, which `anchorite build` would build alike; returns
/// where they are.
fn own_images(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir.join("src/bin"))?;
    std::os::unix::fs::symlink(fs::canonicalize(ROOT)?, dir.join(LINK))?;
    let manifest = format!(
        "[package]\nname = \"own\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n\
         anchorite = {{ package = \"anchorite-program\", path = \"{LINK}/program\", \
         features = [\"bare-metal\"] }}\n\
         anchorite-programs = {{ path = \"{LINK}/kernel/programs\" }}\n\
         [workspace]\nexclude = [\"{LINK}\"]\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest)?;
    fs::copy(Path::new(ROOT).join("Cargo.lock"), dir.join("Cargo.lock"))?;
    for (program, constant) in PROGRAMS {
        let text = format!(
            "#![no_std]\n#![no_main]\nuse anchorite::kernel;\n\
             kernel::image!(anchorite_programs::{constant});\n"
        );
        fs::write(dir.join(format!("src/bin/{program}.rs")), text)?;
    }
    let config = dir.join("profile.toml");
    fs::write(&config, profile()?)?;
    let mut flags: Vec<_> = COUNTING.iter().map(|&flag| flag.to_owned()).collect();
    let arguments = fs::read_to_string(Path::new(ROOT).join("kernel/link-arguments"))?;
    flags.extend(arguments.lines().map(|argument| format!("-Clink-arg={argument}")));
    flags.push(format!("-Clink-arg=-T{}/kernel/discard.ld", fs::canonicalize(ROOT)?.display()));
    let mut cargo = Command::new("cargo");
    cargo.arg("build").arg("--bins").arg("--config").arg(&config).current_dir(dir);
    build(&mut cargo, &dir.join("target"), &flags)
}

/// The profile of images alone, as `anchorite build` gives it to cargo.
fn profile() -> Result<String> {
    let manifest: toml::Table = fs::read_to_string(Path::new(ROOT).join("Cargo.toml"))?.parse()?;
    let profile = manifest["profile"][PROFILE].clone();
    let profiles = toml::Table::from_iter([(PROFILE.to_owned(), profile)]);
    Ok(toml::Table::from_iter([("profile".to_owned(), profiles.into())]).to_string())
}

fn build(cargo: &mut Command, target: &Path, flags: &[impl AsRef<str>]) -> Result<PathBuf> {
    let flags: Vec<_> = flags.iter().map(AsRef::as_ref).collect();
    said(
        cargo
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .args(["--profile", PROFILE, "--target", TARGET])
            .arg("--target-dir")
            .arg(target),
    )?;
    Ok(target.join(TARGET).join(PROFILE))
}

/// What is run: programs, on how many cores, with which arguments.
fn runs() -> [(&'static str, &'static str, Vec<&'static str>); 4] {
    let rows = |filters: &[&'static str]| {
        filters.iter().flat_map(|filter| ["--filter", filter]).chain(MOMENTS).collect()
    };
    [
        ("hello", "1", Vec::new()),
        ("microbench", "1", rows(&ALONE)),
        ("microbench", "2", rows(&TOGETHER)),
        ("postmark", "1", vec!["/host/postmark"]),
    ]
}

/// Runs an image; returns its counts.
fn train(image: &Path, cores: &str, args: &[&str], work: &Path) -> Result<Vec<u8>> {
    let archive = work.join("counts.tar");
    let mut export = archive.clone().into_os_string();
    export.push(format!(":{COUNTS_DIR}"));
    said(
        Command::new("cargo")
            .args(["run", "--quiet", "--release", "--package", "anchorite", "--", "run"])
            .args(["--isle", "uhyve", "--cpus", cores, "--forward"])
            .arg(work)
            .arg("--export")
            .arg(export)
            .arg(image)
            .args(args)
            .current_dir(ROOT),
    )?;
    let mut archive = tar::Archive::new(File::open(&archive)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.file_name() == Some(OsStr::new(COUNTS_FILE)) {
            let mut counts = Vec::new();
            entry.read_to_end(&mut counts)?;
            return Ok(counts);
        }
    }
    bail!("{} has left no counts", image.display())
}

/// LLVM's program that merges counts, of the compiler's own version.
fn merger() -> Result<PathBuf> {
    let root = said(Command::new("rustc").args(["--print", "sysroot"]))?;
    let merger = Path::new(root.trim()).join(format!("lib/rustlib/{TARGET}/bin/llvm-profdata"));
    ensure!(
        merger.exists(),
        "there is no {}: get it by `rustup component add llvm-tools`",
        merger.display()
    );
    Ok(merger)
}

/// Merges counts, and writes those of the functions that were executed often to `file`; returns
/// them as text.
fn keep(merger: &Path, counts: &[PathBuf], work: &Path, file: &Path) -> Result<String> {
    let text = said(Command::new(merger).args(["merge", "-text", "-o", "-"]).args(counts))?;
    let kept = often_executed(&text);
    let often = work.join("often.proftext");
    fs::write(&often, &kept)?;
    said(Command::new(merger).args(["merge", "-o"]).arg(file).arg(often))?;
    Ok(kept)
}

/// The crates that a profile as text is of, as rustc names their objects: a function that only its own
/// object knows has `CRATE.NUMBER-cgu.0;` before its name.
fn crates_of(text: &str) -> String {
    let ours = ["anchorite_fs.", "anchorite_kernel.", "anchorite_syscalls."];
    let names: BTreeSet<_> = text
        .lines()
        .filter(|line| ours.iter().any(|name| line.starts_with(name)))
        .filter_map(|line| line.split_once("-cgu.").map(|(name, _)| name))
        .collect();
    names.into_iter().map(|name| format!("{name}\n")).collect()
}

/// The functions of a profile as text that were executed often. (LLVM's documentation of
/// `llvm-profdata`, "Profile data text format": lines of `:` tell of all, then comes a paragraph
/// for each function, with comments: its name, a number of its form, how many counts, and these.)
fn often_executed(text: &str) -> String {
    let about = text.lines().filter(|line| line.starts_with(':'));
    let mut kept = about.map(|line| format!("{line}\n")).collect::<String>();
    for function in text.split("\n\n") {
        let lines = function.lines().filter(|line| !line.starts_with([':', '#']));
        let lines: Vec<_> = lines.collect();
        let counts = lines.iter().skip(3).filter_map(|line| line.parse().ok());
        if counts.max().is_some_and(|most: u64| most >= OFTEN) {
            kept += &lines.join("\n");
            kept += "\n\n";
        }
    }
    kept
}

/// What a command says, which must succeed.
fn said(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_told_by_their_objects() {
        let text =
            "anchorite_fs.0f-cgu.0;a\n7\nanchorite_fs.0f-cgu.0;b\nmicrobench.1-cgu.0;c\n_ZN1d\n";
        assert_eq!(crates_of(text), "anchorite_fs.0f\n");
    }

    #[test]
    fn what_was_executed_often_is_kept() {
        let function = |name: &str, count: u64| {
            format!(
                "{name}\n# Func Hash:\n7\n# Num Counters:\n2\n# Counter Values:\n0\n{count}\n\n"
            )
        };
        let text = ["# IR level\n:ir\n", &function("often", OFTEN), &function("once", 1)].concat();
        assert_eq!(often_executed(&text), format!(":ir\noften\n7\n2\n0\n{OFTEN}\n\n"));
    }
}
