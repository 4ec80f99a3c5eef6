//! COVERAGE.md names tests that exist.

use std::fs;
use std::path::Path;

/// Where rows and tests are, from this package's folder.
const PLACES: [&str; 6] =
    ["tests", "src", "../fs", "../kernel/programs", "../host-fs-sim", "../tests"];

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            sources(&path, all);
        } else if let Some("rs" | "txt") = extension {
            all.push_str(&fs::read_to_string(&path).unwrap());
            all.push('\n');
        }
    }
}

#[test]
fn each_test_that_the_coverage_names_exists() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    for place in PLACES {
        sources(&package.join(place), &mut all);
    }
    let coverage = fs::read_to_string(package.join("COVERAGE.md")).unwrap();
    let cells = coverage.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | "));
    let names: Vec<&str> = cells
        .flat_map(|(_, tests)| tests.split(", "))
        .filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'))
        .collect();
    assert!(names.len() > 100, "only {} names were found", names.len());
    let exists = |name: &str| {
        [format!("row {name}\n"), format!("fn {name}("), format!("    {name}: [")]
            .iter()
            .any(|form| all.contains(form))
    };
    let missing: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "no such rows or tests: {missing:?}");
}
