//! The guest programs that this executable carries: portable ones, which any
//! isle runs, and their images for the bare machine.

use std::fmt::Write as _;

use anchorite_programs::{PROGRAMS, Program};

use crate::failure::{Failure, Result};
use crate::isle::Isle;

// `IMAGES: &[(&str, &[u8])]`, by name, as launcher/build.rs found them.
include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// Images that are for tests of the bare machine and have no portable part.
const TEST_IMAGES: [(&str, &str); 2] = [
    ("fault", "KIND: fails, in the way named; for tests, not hosted"),
    ("probe", "[WHAT]: prints its arguments, or what the kernel gave it; for tests, likewise"),
];

/// The program called `name`.
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().copied().find(|program| program.name == name)
}

/// The bare-metal image of the program called `name`.
pub fn image(name: &str) -> Option<&'static [u8]> {
    IMAGES.iter().find_map(|(known, image)| (*known == name).then_some(*image))
}

/// Checks that `isle` can run the program called `name`.
pub fn check(isle: Isle, name: &str) -> Result<()> {
    let is_there = match isle {
        Isle::Uhyve | Isle::Qemu => image(name).is_some(),
        Isle::Hosted => find(name).is_some(),
    };
    if is_there {
        return Ok(());
    }
    if image(name).is_some() || find(name).is_some() {
        return Err(Failure::unknown_program(format!(
            "the program `{name}` does not run on the isle {}: take another --isle",
            isle.name()
        )));
    }
    Err(Failure::unknown_program(format!(
        "there is no program `{name}`: the programs are {}",
        names().join(", ")
    )))
}

/// All programs' names, in the order of `anchorite list`.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
    for (name, _) in IMAGES {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
}

/// What `anchorite list` prints.
pub fn list() -> String {
    let names = names();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for name in names {
        let summary = summary(name);
        let _ = writeln!(text, "{name:width$}  {summary}");
    }
    text
}

fn summary(name: &str) -> &'static str {
    let for_tests = || {
        let found = TEST_IMAGES.iter().find(|(known, _)| *known == name);
        found.map_or("an image without a portable part", |(_, summary)| summary)
    };
    find(name).map_or_else(for_tests, |program| program.summary)
}
