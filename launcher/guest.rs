//! How an image is built: what this package's build script and `anchorite build` have in common.
//! Cargo's profile `guest` and `kernel/link-arguments` have the rest.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

/// The images' target: the only one that uhyve's and our kernel's x86-64 needs.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Cargo's profile, in the workspace's manifest.
pub const PROFILE: &str = "guest";
/// What takes the place of a user's `RUSTFLAGS`. Symbols are a sixth of an image that nothing here
/// reads: whoever has an address to explain builds without this, since each build has its own
/// layout.
pub const RUSTFLAGS: &str = "-Cstrip=symbols";

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
