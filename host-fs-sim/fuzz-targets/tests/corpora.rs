//! Every input of the corpora once more, on whatever compiler builds the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anchorite_fuzz_targets::TARGETS;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
/// What a corpus may have: it is cloned with the sources, and done in each test.
const MOST_FILES: usize = 100;
const MOST_BYTES: usize = 200 << 10;

/// Says which input it was.
struct Trying<'a>(&'a Path);

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("the input is {}", self.0.display());
        }
    }
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(FUZZ).join(dir)).unwrap();
    let paths = entries.map(|entry| PathBuf::from(entry.unwrap().file_name()));
    let mut names: Vec<_> =
        paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_target_can_be_fuzzed_and_has_a_corpus() {
    let mut targets: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    targets.sort();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

#[test]
fn every_input_is_borne() {
    for target in &TARGETS {
        let corpus = Path::new(FUZZ).join("corpus").join(target.name);
        let (mut files, mut bytes) = (0, 0);
        for entry in fs::read_dir(corpus).unwrap() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            let trying = Trying(&path);
            (target.run)(&input);
            drop(trying);
            files += 1;
            bytes += input.len();
        }
        println!("{}: {files} inputs, {bytes} bytes", target.name);
        assert!(files > 0, "{}", target.name);
        assert!(files <= MOST_FILES && bytes <= MOST_BYTES, "{} is too large", target.name);
    }
}
