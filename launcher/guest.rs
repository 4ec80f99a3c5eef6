//! How an image is built: what this package's build script and `anchorite build` have in common.
//! Cargo's profile `guest` and `kernel/link-arguments` have the rest.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The images' target: the only one that uhyve's and our kernel's x86-64 needs.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Cargo's profile, in the workspace's manifest.
pub const PROFILE: &str = "guest";
/// What takes the place of a user's `RUSTFLAGS` where nobody will want to look inside.
#[allow(dead_code, reason = "for the launcher")]
pub const STRIPPED: &str = "-Cstrip=symbols";
/// The same for an image that keeps its symbols, with what is needed to tell functions, those
/// that were inlined too, and lines. Nothing of it is loaded.
#[allow(dead_code, reason = "for the build script")]
pub const WITH_LINES: &str = "-Cdebuginfo=limited\x1f-Cstrip=none";
/// The same with types and variables besides.
#[allow(dead_code, reason = "for the launcher")]
pub const WITH_VARIABLES: &str = "-Cdebuginfo=full\x1f-Cstrip=none";

/// How often each block of the kernel was executed in a training run, which the compiler builds
/// images by; from the root of the sources. `kernel/training` makes it.
pub const COUNTS: &str = "kernel/training/images.profdata";
/// The compiler whose counts they are, as `rustc -vV` tells of it. Another one gives functions other
/// names and might not know the form.
#[allow(dead_code, reason = "for the build script")]
pub const COUNTS_COMPILER: &str = "kernel/training/compiler";

/// The crates whose counts they are, as rustc names their objects: a name and a number, one a line.
/// The number is another where a crate has other features or other versions below it, or a
/// workspace around it; then so are all its functions' names.
#[allow(dead_code, reason = "for the launcher")]
pub const COUNTED_CRATES: &str = include_str!("../kernel/training/crates");

/// rustc's arguments for an image that is built by the counts at `path`. A function that has
/// changed since has no counts, and no warning either (`-no-pgo-warn-mismatch`).
#[allow(dead_code, reason = "for those who build images")]
pub fn by_counts(path: &Path) -> String {
    let use_counts = format!("-Cprofile-use={}", path.display());
    let [before, only] = ALIKE;
    [&use_counts, "-Cllvm-args=-no-pgo-warn-mismatch", before, only].join("\x1f")
}

/// What rustc must be told both when code is made to count and when it is built by the counts: nothing
/// is inlined before the counting, and only blocks are counted.
pub const ALIKE: [&str; 2] = ["-Cllvm-args=-disable-preinline", "-Cllvm-args=-disable-vp"];

/// Why an image of `rustc`'s cannot be built by the counts of `compiler`, and what to do; nothing
/// if it can.
#[allow(dead_code, reason = "for those who build images")]
pub fn uncounted(rustc: impl AsRef<OsStr>, compiler: &str) -> Option<String> {
    let said = command(rustc).arg("-vV").output().ok()?; // Cargo tells what is missing.
    if said.stdout.trim_ascii() == compiler.trim().as_bytes() {
        return None;
    }
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let version = compiler.split(' ').nth(1).unwrap_or_default();
    Some(format!(
        "this is {}, and the counts by which images are made fast are of {}: calls take up to two \
         thirds longer, and a few twice as long; RUSTUP_TOOLCHAIN={version} is what has them",
        first(&String::from_utf8_lossy(&said.stdout)),
        first(compiler),
    ))
}

/// What is loaded of an image, without the symbols and the tables that follow it in the file;
/// nothing for what is no ELF file of 64 bits.
#[allow(dead_code, reason = "for the build script")]
pub fn loaded(elf: &[u8]) -> Option<Vec<u8>> {
    // System V ABI, ELF-64 object file format: offsets of what is read and written here.
    const PROGRAM_HEADERS: usize = 32;
    const SECTION_HEADERS: usize = 40;
    const PROGRAM_HEADER_BYTES: usize = 56;
    const NUMBER_OF_PROGRAM_HEADERS: usize = 56;
    const NUMBER_OF_SECTION_HEADERS: usize = 60;
    const OFFSET_IN_FILE: usize = 8;
    const BYTES_IN_FILE: usize = 32;
    let word = |at: usize| Some(u64::from_le_bytes(*elf.get(at..)?.first_chunk()?) as usize);
    let half = |at: usize| Some(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    if !elf.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let mut end = 0;
    for number in 0..usize::from(half(NUMBER_OF_PROGRAM_HEADERS)?) {
        let header = word(PROGRAM_HEADERS)?.checked_add(number * PROGRAM_HEADER_BYTES)?;
        let segment_end =
            word(header + OFFSET_IN_FILE)?.checked_add(word(header + BYTES_IN_FILE)?)?;
        end = end.max(segment_end);
    }
    let mut loaded = elf.get(..end)?.to_vec();
    loaded.get_mut(SECTION_HEADERS..SECTION_HEADERS + 8)?.fill(0);
    // Their number, and that of the one with their names.
    loaded.get_mut(NUMBER_OF_SECTION_HEADERS..NUMBER_OF_SECTION_HEADERS + 4)?.fill(0);
    Some(loaded)
}

/// `program`, which is cargo or a compiler, with nothing of the build that this process may be
/// a part of.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if is_outer(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable is the outer build's and would change the nested one: all
/// of cargo's but where it keeps things, how it shows itself and how it reaches the network, and
/// the wrappers by which clippy and coverage tools put themselves in rustc's place.
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
        "CARGO_TERM_",
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

/// The path in a line of cargo's messages that tells of a finished executable. A JSON
/// parser would be a build dependency for one string.
pub fn executable(line: &str) -> Option<PathBuf> {
    if !line.contains(r#""reason":"compiler-artifact""#) {
        return None;
    }
    let (_, rest) = line.split_once(r#""executable":""#)?;
    let (path, _) = rest.split_once('"')?;
    Some(PathBuf::from(path.replace(r"\\", r"\")))
}
