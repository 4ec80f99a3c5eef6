//! Links the images as what they are: bare-metal, static, position-independent
//! executables that start at `_start`. Only binaries are linked so, and there
//! are none without the feature `images`. The arguments are in `link-arguments`, since
//! programs outside this package are linked by the same ones; there are no read-only
//! relocations because nothing remaps pages after relocation, and code has pages of its own
//! because the kernel maps it without writing.
//!
//! The crate `libc` asks for the C library. An image has none, and must not get
//! a part of the host's by accident: empty archives stand in for it, so that a
//! function that is missing is an error of the linker's, and nobody needs the
//! static C library installed. Whatever is linked with the kernel finds them first.

use std::env;
use std::fs;
use std::path::PathBuf;

fn main() {
    for file in ["build.rs", "link-arguments", "discard.ld"] {
        println!("cargo::rerun-if-changed={file}");
    }
    if env::var_os("CARGO_FEATURE_BARE_METAL").is_none() {
        return;
    }
    let stand_ins = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for library in ["c", "m", "rt", "pthread", "util", "dl", "gcc_s", "gcc"] {
        let archive = stand_ins.join(format!("lib{library}.a"));
        fs::write(archive, "!<arch>\n").expect("cargo's OUT_DIR can be written");
    }
    println!("cargo::rustc-link-search=native={}", stand_ins.display());
    // A copy there too: a path into the sources would be wrong once the checkout has moved.
    let script = stand_ins.join("discard.ld");
    fs::write(&script, include_str!("discard.ld")).expect("cargo's OUT_DIR can be written");
    println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    for argument in include_str!("link-arguments").lines() {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
