//! Generated rows: permissions, set-ID bits, sticky directories and times, by every class
//! of user; see [`host_fs_sim::grids`].

use host_fs_sim::grids::{grids, random_rows};

use crate::scripts::check_generated;

#[test]
fn every_combination_is_as_on_linux() {
    for (name, text) in grids() {
        check_generated(name, &text);
    }
}

/// Rows of the whole suite: of the texts, of these grids, and of the tables in Rust. What is
/// one long sequence counts as nothing, however many combinations it goes through.
#[test]
fn there_are_a_thousand_rows_at_least() {
    use anchorite_programs::posix::{ROWS, script::rows};
    // A row is told from the others by its name, which is its directory's too.
    let mut names = std::collections::HashSet::new();
    let mut count = |text: &str| rows(text).filter(|row| names.insert(row.name.to_owned())).count();
    let texts = ROWS.iter().chain(crate::scripts::TEXTS).map(|(_, text)| count(text));
    let texts: usize = texts.sum();
    let grids: usize = grids().iter().map(|(_, text)| count(text)).sum();
    let tables: usize = [
        crate::data::ROWS,
        crate::listing::ROWS,
        crate::metadata::ROWS,
        crate::names::ROWS,
        crate::opens::ROWS,
        crate::paths::ROWS,
        crate::pointers::ROWS,
    ]
    .iter()
    .sum();
    println!("{texts} rows in texts, {grids} in grids, {tables} in tables");
    assert!(texts + grids + tables >= 1000);
    let portable: usize = ROWS.iter().map(|(_, text)| rows(text).count()).sum();
    assert!(portable >= 50);
}

/// Users by turns make, change, remove and try files of one another: random rows, 60 unless
/// `ANCHORITE_ROWS` says otherwise, from the seed `ANCHORITE_SEED`, or 1.
#[test]
fn random_rows_of_several_users_are_as_on_linux() {
    let number = |name: &str, unless: u64| {
        std::env::var(name).map_or(unless, |text| text.parse().expect("a number"))
    };
    let text = random_rows(number("ANCHORITE_ROWS", 60), number("ANCHORITE_SEED", 1));
    check_generated("random rows", &text);
}
