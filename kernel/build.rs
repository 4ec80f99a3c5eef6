//! Links the images as what they are: bare-metal, static, position-independent
//! executables that start at `_start`. Only binaries are linked so, and there
//! are none without the feature `bare-metal`.
//!
//! The crate `libc` asks for the C library. An image has none, and must not get
//! a part of the host's by accident: empty archives stand in for it, so that a
//! function that is missing is an error of the linker's, and nobody needs the
//! static C library installed.

use std::env;
use std::fs;
use std::path::PathBuf;

/// A linker script that adds to the linker's own.
const DISCARD: &str =
    "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table*) } } INSERT AFTER .text;\n";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let stand_ins = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for library in ["c", "m", "rt", "pthread", "util", "dl", "gcc_s", "gcc"] {
        let archive = stand_ins.join(format!("lib{library}.a"));
        fs::write(archive, "!<arch>\n").expect("cargo's OUT_DIR can be written");
    }
    println!("cargo::rustc-link-arg-bins=-L{}", stand_ins.display());
    // Nothing is ever unwound: an image needs none of the tables that say how.
    let script = stand_ins.join("discard.ld");
    fs::write(&script, DISCARD).expect("cargo's OUT_DIR can be written");
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}", script.display());
    let arguments = [
        "-nostartfiles",
        "-nostdlib",
        "-static-pie",
        // Nothing remaps pages after relocation.
        "-Wl,-z,norelro",
        // Code has pages of its own, which the kernel maps without writing.
        "-Wl,-z,separate-code",
        "-Wl,-z,max-page-size=4096",
        "-Wl,--build-id=none",
        "-Wl,-e,_start",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
