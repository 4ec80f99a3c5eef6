//! A short run of the explorers, and of the planted bugs that they must catch. The full
//! run is the same command with more schedules:
//! `cargo run -p anchorite-interleavings -- shuttle --schedules 50000`.

use anchorite_interleavings::driver::{Model, Options, PLANTS, explore, plants, summed_up};
use anchorite_interleavings::scenario;

#[test]
fn schedules_of_shuttle_find_nothing() {
    let options = Options { schedules: 100, random: 10, ..Options::default() };
    let outcomes = explore(Model::Shuttle, &options).unwrap();
    assert!(summed_up(&outcomes), "see the failures above");
    let interleavings: usize = outcomes.iter().map(|outcome| outcome.interleavings).sum();
    assert!(interleavings > 8000, "only {interleavings} interleavings");
}

#[test]
fn interleavings_of_loom_find_nothing() {
    let options = Options { random: 5, ..Options::default() };
    let outcomes = explore(Model::Loom, &options).unwrap();
    assert!(summed_up(&outcomes), "see the failures above");
    assert!(outcomes.iter().all(|outcome| !outcome.cut), "a scenario was given up");
    let interleavings: usize = outcomes.iter().map(|outcome| outcome.interleavings).sum();
    assert!(interleavings > 4000, "only {interleavings} interleavings");
}

#[test]
fn each_planted_bug_is_caught() {
    assert!(plants(&Options::default()).unwrap(), "a planted bug was not caught");
}

/// A bug that nobody can wake is none; one that nobody lists is never tried.
#[test]
fn plants_are_those_in_the_source() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    let mut to_visit = vec![root.join("fs/src"), root.join("syscalls/src")];
    while let Some(path) = to_visit.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            to_visit.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        if path.ends_with("fs/src/plants.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let names = text.split("planted!(\"").skip(1);
        found.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    found.sort();
    let mut listed: Vec<_> = PLANTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn scenarios_are_written_with_two_or_three_threads_or_for_plants() {
    let mut names = std::collections::HashSet::new();
    for scenario in scenario::written() {
        let count = scenario.threads.len();
        let planted = PLANTS.iter().any(|(.., name)| *name == scenario.name);
        assert!(matches!(count, 2 | 3) || count == 1 && planted, "{}", scenario.name);
        assert!(scenario.threads.iter().all(|calls| !calls.is_empty()), "{}", scenario.name);
        assert!(names.insert(scenario.name.clone()), "{} twice", scenario.name);
    }
    assert!(names.len() >= 30, "only {} scenarios", names.len());
}
