//! That each subject does what is measured: all that it can, again and again, and to the
//! files that it should.

use anchorite_bench_fs::subject::Maker;
use anchorite_bench_fs::work::{FILE_BYTES, NEW_BYTE, OLD_BYTE};
use anchorite_bench_fs::{CALLS, INODES, Work};

/// More often than it takes the file that grows to begin anew.
const TIMES: usize = 300;

fn all_works() -> Vec<Work> {
    let mut works = Work::OF_CALLS.to_vec();
    works.extend(Work::OF_INODES.iter().filter(|work| !Work::OF_CALLS.contains(work)));
    works
}

fn makers() -> Vec<Maker> {
    INODES.into_iter().chain(CALLS.into_iter().take(2)).collect()
}

/// What it cannot, which the crate's documentation has a table of.
#[test]
fn each_lacks_what_the_documentation_says() {
    for (name, make) in makers() {
        let subject = make();
        let lacks: Vec<Work> =
            all_works().into_iter().filter(|work| subject.prepare(*work).is_none()).collect();
        let expected: &[Work] = match name {
            "anchorite-fs" => &[Work::Getpid, Work::Lseek, Work::OpenClose],
            "vfs MemoryFS" => &[Work::Getpid, Work::Fstat, Work::Readlink, Work::Renames],
            "axfs_ramfs" => &[Work::Getpid, Work::Lseek, Work::Readlink, Work::Renames],
            "rsfs mem" => &[Work::Getpid],
            "fs-core" => &[Work::Getpid, Work::Readlink],
            _ => &[],
        };
        assert_eq!(lacks, expected, "{name}");
    }
}

#[test]
fn each_can_be_done_again_and_leaves_the_directory_as_it_was() {
    for (name, make) in makers() {
        for work in all_works() {
            let subject = make();
            let Some(mut operation) = subject.prepare(work) else { continue };
            for _ in 0..TIMES {
                operation();
            }
            drop(operation);
            // Lists the directory, and counts.
            subject.prepare(Work::List).expect(name)();
            subject.prepare(Work::Lookup).expect(name)();
            subject.prepare(Work::Stat).expect(name)();
        }
    }
}

#[test]
fn what_is_written_is_there_for_others_and_nothing_else_is() {
    for (name, make) in makers() {
        for bytes in [1, 512, 4096, FILE_BYTES] {
            let subject = make();
            assert!(subject.content() == [OLD_BYTE; FILE_BYTES], "{name}");
            let mut write = subject.prepare(Work::Write(bytes)).expect(name);
            write();
            // Before the file is closed.
            let content = subject.content();
            assert_eq!(content.len(), FILE_BYTES, "{name}, {bytes}");
            let (new, old) = content.split_at(bytes);
            assert!(new.iter().all(|byte| *byte == NEW_BYTE), "{name}, {bytes}");
            assert!(old.iter().all(|byte| *byte == OLD_BYTE), "{name}, {bytes}");
        }
    }
}
