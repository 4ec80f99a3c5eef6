//! That nothing is missing from the other modules: each call that is dispatched, each method
//! and each function of the API is there, by the sources themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::convenience::{STEPS, WITHOUT_MEMORY};
use crate::methods::SCRIPT;
use crate::rows;

/// Calls without a row: `each_other_call_by_number_does_without_memory` does them, but for the last two,
/// which do not return.
const OTHERS: [&str; 10] = [
    "sysinfo",
    "getpid",
    "gettid",
    "getrandom",
    "uname",
    "getrlimit",
    "setrlimit",
    "prlimit64",
    "exit",
    "exit_group",
];
/// Methods that are no calls, and the one that does not return.
const NO_CALLS: [&str; 6] = ["new", "mount_host", "usage", "check", "exit_group", "syscall"];

/// The words that follow `before` in the sources below `folder`.
fn words(folder: &str, before: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let files = if path.is_dir() {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    } else {
        vec![path]
    };
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        found.extend(
            text.split(before)
                .skip(1)
                .map(|rest| rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())].to_owned()),
        );
    }
    assert!(found.len() > 20, "{folder}: {found:?}");
    found
}

fn missing(wanted: BTreeSet<String>, there: impl Fn(&str) -> bool) -> Vec<String> {
    wanted.into_iter().filter(|name| !there(name)).collect()
}

#[test]
fn each_dispatched_call_is_in_a_row() {
    let rows = rows::names();
    let there = |name: &str| rows.contains(name) || OTHERS.contains(&name);
    assert_eq!(missing(words("dispatch.rs", "libc::SYS_"), there), [""; 0]);
    // What C calls are the same numbers.
    assert_eq!(missing(words("c.rs", " = SYS_"), there), [""; 0]);
}

#[test]
fn each_method_is_in_the_script() {
    let script: BTreeSet<&str> =
        SCRIPT.iter().map(|(name, _)| name.split(' ').next().unwrap()).collect();
    let there = |name: &str| script.contains(name) || NO_CALLS.contains(&name);
    assert_eq!(missing(words("calls", "    pub fn "), there), [""; 0]);
}

#[test]
fn each_function_of_the_api_is_a_step() {
    let steps: BTreeSet<&str> =
        STEPS.iter().map(|(name, ..)| name.rsplit(':').next().unwrap()).collect();
    let there = |name: &str| steps.contains(name) || WITHOUT_MEMORY.contains(&name);
    assert_eq!(missing(words("api", "pub fn "), there), [""; 0]);
    let functions = words("api", "pub fn ");
    let gone: Vec<_> = STEPS
        .iter()
        .map(|(name, ..)| name.rsplit(':').next().unwrap())
        .filter(|name| !functions.contains(*name))
        .collect();
    assert_eq!(gone, [""; 0]);
}
