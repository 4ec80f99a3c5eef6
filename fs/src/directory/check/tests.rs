//! Each problem inside a directory, made on purpose.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::check::tests::{Sample, as_root};
use crate::directory::{Index, Slot};
use crate::name::Name;
use crate::{Inode, New};

/// Calls `change` with the directory `/d`, whose entries are `e` and `hard`.
fn change<T>(sample: &Sample, change: impl FnOnce(&mut Directory) -> T) -> T {
    change(sample.directory.state.write().directory_mut().unwrap())
}

/// The entry in the log's place `at`.
fn entry(directory: &mut Directory, at: u32) -> &mut Entry {
    directory.entry_mut(Slot(at))
}

/// Gives a directory of a few entries the index that one of more has.
fn index(sample: &Sample) {
    change(sample, |d| {
        d.index = Index::with_room(d.live + 1).unwrap();
        d.index_all();
    });
}

#[test]
fn entries_are_found_by_their_names() {
    let sample = Sample::new();
    index(&sample);
    let directory = sample.directory.number();
    let name = || b"hard".to_vec();

    let hash = change(&sample, |d| entry(d, 1).hash);
    sample.demand(
        |sample| change(sample, |d| entry(d, 1).hash ^= 1),
        &[Problem::Hash { directory, name: name() }],
        |sample| change(sample, |d| entry(d, 1).hash ^= 1),
    );

    let take = |d: &mut Directory| {
        d.index.remove(hash, 1);
    };
    let put = |d: &mut Directory, at: u32| {
        d.index.insert(hash, at, 0);
    };
    sample.demand(
        |sample| change(sample, take),
        &[
            Problem::Unindexed { directory, name: name() },
            Problem::IndexCount { directory, indexed: 1, entries: 2 },
        ],
        |sample| change(sample, |d| put(d, 1)),
    );

    // Out of the log, by a little and by much.
    for slot in [2, 256, u32::MAX - 1] {
        sample.demand(
            |sample| change(sample, |d| put(d, slot)),
            &[
                Problem::Dangling { directory, slot },
                Problem::IndexCount { directory, indexed: 3, entries: 2 },
            ],
            |sample| {
                change(sample, |d| {
                    d.index.remove(hash, slot);
                })
            },
        );
    }
}

#[test]
fn a_name_is_there_once() {
    let sample = Sample::new();
    let directory = sample.directory.number();
    let hash = sample.ramdisk.superblock.hash(b"hard");
    let problem = Problem::SameName { directory, name: b"hard".to_vec() };
    let again = Problem::LinkCount { ino: sample.small.number(), nlink: 2, names: 3 };
    let mut second = None;
    sample.demand(
        |sample| {
            change(sample, |d| {
                let prepared = d.prepare(hash, b"hard").unwrap();
                let cookie = prepared.insert(sample.small.clone());
                second = Some(cookie);
            })
        },
        &[problem, again],
        |sample| {
            let removed = change(sample, |d| d.remove(Slot(2)));
            drop(removed);
        },
    );
    assert_eq!(second, Some(4));
}

#[test]
fn names_are_such_as_paths_have() {
    let sample = Sample::new();
    let directory = sample.directory.number();
    for name in [&b""[..], b".", b"..", b"a/b", b"nul\0"] {
        let hash = sample.ramdisk.superblock.hash(name);
        sample.demand(
            |sample| {
                change(sample, |d| {
                    let prepared = d.prepare(hash, name).unwrap();
                    prepared.insert(sample.small.clone());
                });
                sample.small.state.write().meta.nlink += 1;
            },
            &[Problem::Name { directory, name: name.to_vec() }],
            |sample| {
                let removed = change(sample, |d| d.remove(Slot(2)));
                drop(removed);
                sample.small.state.write().meta.nlink -= 1;
            },
        );
    }
}

#[test]
fn counts_are_right() {
    let sample = Sample::new();
    let directory = sample.directory.number();
    for counted in [0, 1, 3] {
        let problem = Problem::EntryCount { directory, counted, entries: 2 };
        sample.demand(
            |sample| change(sample, |d| d.live = counted),
            &[problem],
            |sample| change(sample, |d| d.live = 2),
        );
    }
}

#[test]
fn cookies_grow() {
    let sample = Sample::new();
    let directory = sample.directory.number();
    let set = |cookie| move |sample: &Sample| change(sample, |d| entry(d, 1).cookie = cookie);
    for cookie in [0, 1, 2] {
        sample.demand(set(cookie), &[Problem::Cookie { directory, cookie, neighbour: 2 }], set(3));
    }
    for cookie in [4, u64::MAX] {
        sample.demand(set(cookie), &[Problem::Cookie { directory, cookie, neighbour: 4 }], set(3));
    }
    // Below the cookies of `.` and `..`.
    let set = |cookie| {
        move |sample: &Sample| {
            change(sample, |d| entry(d, 0).cookie = cookie);
            sample.inner.state.write().directory_mut().unwrap().place = cookie;
        }
    };
    sample.demand(set(1), &[Problem::Cookie { directory, cookie: 1, neighbour: 1 }], set(2));
}

#[test]
fn gaps_are_few_and_none_is_last() {
    let sample = Sample::new();
    let directory = sample.directory.number();
    let gap = |d: &mut Directory| {
        let cookie = d.next_cookie;
        d.next_cookie += 1;
        let name = Name::new(b"was").unwrap();
        d.chunks[0].try_reserve(1).unwrap();
        d.chunks[0].push(Entry { cookie, child: None, hash: 0, name });
    };
    sample.demand(
        |sample| change(sample, gap),
        &[Problem::Gaps { directory, gaps: 1, entries: 2 }],
        |sample| change(sample, |d| d.drop_last_gaps()),
    );

    // Gaps among entries, as many as may stay and one more.
    let allowed = 3 + FEW_GAPS;
    as_root(|caller| {
        change(&sample, |d| (0..allowed).for_each(|_| gap(d)));
        Inode::create(&sample.directory, caller, b"behind", New::Regular, 0).unwrap();
        assert_eq!(sample.check().problems, []);
        change(&sample, |d| entry(d, 1).child.take());
        change(&sample, |d| {
            d.live -= 1;
            let hash = entry(d, 1).hash;
            d.index.remove(hash, 1);
        });
        sample.small.state.write().meta.nlink = 1;
        let gaps = allowed + 1;
        assert_eq!(sample.check().problems, [Problem::Gaps { directory, gaps, entries: 2 }]);
    });
}

#[test]
fn index_that_leads_to_a_gap_is_found() {
    let sample = Sample::new();
    index(&sample);
    let directory = sample.directory.number();
    sample.demand(
        |sample| {
            let child = change(sample, |d| entry(d, 0).child.take());
            drop(child);
            change(sample, |d| d.live = 1);
            sample.directory.state.write().meta.nlink = 2;
        },
        &[
            Problem::Dangling { directory, slot: 0 },
            Problem::IndexCount { directory, indexed: 2, entries: 1 },
            Problem::Inodes { charged: 7, found: 6 },
        ],
        |sample| {
            change(sample, |d| entry(d, 0).child = Some(sample.inner.clone()));
            change(sample, |d| d.live = 2);
            sample.directory.state.write().meta.nlink = 3;
        },
    );
}

/// Without an index, too.
#[test]
fn one_of_few_names_twice_is_found() {
    let sample = Sample::new();
    let directory = sample.directory.number();
    let former = change(&sample, |d| {
        let (hash, name) = (entry(d, 0).hash, Name::new(entry(d, 0).name.as_bytes()).unwrap());
        let second = entry(d, 1);
        let former = (second.hash, core::mem::replace(&mut second.name, name));
        second.hash = hash;
        former
    });
    let name = change(&sample, |d| entry(d, 0).name.as_bytes().to_vec());
    assert_eq!(sample.check().problems, [Problem::SameName { directory, name }]);
    change(&sample, |d| (entry(d, 1).hash, entry(d, 1).name) = former);
    assert_eq!(sample.check().problems, []);
}

/// Behind the last of a few entries, an index is missing.
#[test]
fn many_entries_without_an_index_are_found() {
    let sample = Sample::new();
    let directory = sample.inner.number();
    as_root(|caller| {
        for number in 0..=FEW {
            let name = format!("{number}");
            Inode::create(&sample.inner, caller, name.as_bytes(), New::Regular, 0).unwrap();
        }
        let entries = sample.inner.state.read().directory().unwrap().len();
        let of_inner = |change: &dyn Fn(&mut Directory)| {
            change(sample.inner.state.write().directory_mut().unwrap());
        };
        of_inner(&|d| d.index = Index::new());
        let problems = sample.check().problems;
        assert_eq!(problems, [Problem::IndexCount { directory, indexed: 0, entries }]);
        of_inner(&|d| {
            d.index = Index::with_room(d.live + 1).unwrap();
            d.index_all();
        });
        assert_eq!(sample.check().problems, []);
    });
}

#[test]
fn chunks_but_the_last_are_full() {
    let sample = Sample::new();
    let directory = sample.inner.number();
    as_root(|caller| {
        for number in 0..90 {
            let name = format!("{number}");
            Inode::create(&sample.inner, caller, name.as_bytes(), New::Regular, 0).unwrap();
        }
    });
    assert_eq!(sample.check().problems, []);
    let mut state = sample.inner.state.write();
    let inner = state.directory_mut().unwrap();
    inner.chunks.push(Vec::new());
    drop(state);
    assert_eq!(sample.check().problems, [Problem::Chunk { directory, chunk: 0, len: 90 }]);
    let empty = sample.inner.state.write().directory_mut().unwrap().chunks.pop();
    assert_eq!(empty.map(|chunk| chunk.len()), Some(0));
    assert_eq!(sample.check().problems, vec![]);
}
