//! The list of deviations and the rows that say that Linux differs, held against each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anchorite_programs::posix::ROWS;
use anchorite_programs::posix::script::rows;
use host_fs_sim::deviations::DEVIATIONS;

use crate::scripts::TEXTS;

/// The rows in texts, and those in tables here, of which some step is not as on Linux.
fn rows_unlike_linux() -> BTreeSet<String> {
    let texts = ROWS.iter().chain(TEXTS).flat_map(|(_, text)| rows(text));
    let unlike = texts.filter(|row| row.lines().any(|line| line.linux.is_some()));
    let mut names: BTreeSet<String> = unlike.map(|row| row.name.to_owned()).collect();
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    for entry in fs::read_dir(tables).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        // Where the step is made, and who calls what makes it for them.
        for call in [".unlike_linux(", "&differs("] {
            for (at, _) in text.match_indices(call) {
                let before = &text[..at];
                let rest = before.rsplit_once("\nfn ").map(|(_, rest)| rest);
                match rest.and_then(|rest| Some(rest.split_once('(')?.0)) {
                    Some("differs" | "rows_unlike_linux") => {}
                    Some(name) => drop(names.insert(name.to_owned())),
                    None => panic!("{}: {call} is in no test", path.display()),
                }
            }
        }
    }
    names
}

#[test]
fn rows_unlike_linux_are_those_of_the_listed_deviations() {
    let listed = DEVIATIONS.iter().flat_map(|deviation| deviation.rows);
    let listed: BTreeSet<String> = listed.map(|row| (*row).to_owned()).collect();
    assert_eq!(rows_unlike_linux(), listed);
    assert!(DEVIATIONS.iter().all(|deviation| !deviation.rows.is_empty()));
}
