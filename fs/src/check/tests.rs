//! Each problem that the checker knows, made on purpose: it must find that one and no other.
//! Those inside a directory and inside a file are made beside the code that looks for them.

extern crate std;

use alloc::format;
use alloc::vec;

use super::*;
use crate::directory::Directory;
use crate::namespace::Owner;
use crate::{Allocation, Caller, Credentials, Limits, New, Source, Timestamp, mem};

/// A ramdisk with a file of each type and layout, two directories, a name for each.
pub(crate) struct Sample {
    pub(crate) ramdisk: Ramdisk,
    /// `/d`, with `/d/e` in it.
    pub(crate) directory: InodeRef,
    /// `/d/e`, empty.
    pub(crate) inner: InodeRef,
    /// `/small` and `/d/hard`, a few bytes.
    pub(crate) small: InodeRef,
    /// `/large`, a tree of 70 pages, two of them behind its end.
    pub(crate) large: InodeRef,
}

pub(crate) fn as_root<T>(call: impl FnOnce(&Caller<'_>) -> T) -> T {
    let credentials = Credentials::default();
    call(&Caller::new(&credentials, Timestamp::default()))
}

fn ramdisk() -> Ramdisk {
    let limits = Limits { size_bytes: 1 << 20, inodes: 100 };
    as_root(|caller| Ramdisk::new(caller, 0o755, limits, 1, 0)).unwrap()
}

impl Sample {
    pub(crate) fn new() -> Sample {
        as_root(|caller| {
            let ramdisk = ramdisk();
            let root = ramdisk.root();
            let make = |parent: &InodeRef, name: &[u8], new| {
                Inode::create(parent, caller, name, new, 0o755).unwrap()
            };
            let directory = make(root, b"d", New::Directory);
            let inner = make(&directory, b"e", New::Directory);
            let small = make(root, b"small", New::Regular);
            small.write(caller, None, &mut Source::from(&b"bytes"[..])).unwrap();
            Inode::link(&directory, caller, b"hard", &small).unwrap();
            let large = make(root, b"large", New::Regular);
            let bytes = vec![b'x'; 67 * PAGE_BYTES + 1];
            large.write(caller, None, &mut Source::from(&bytes[..])).unwrap();
            let (start, end) = (68 * PAGE_BYTES as u64, 70 * PAGE_BYTES as u64);
            large.allocate_range(caller, start, end, Allocation::KeepSize).unwrap();
            make(root, b"long", New::Symlink(&[b't'; 200]));
            make(root, b"fifo", New::Node(FileType::Fifo, 0));
            Sample { directory, inner, small, large, ramdisk }
        })
    }

    pub(crate) fn check(&self) -> Report {
        self.ramdisk.check(Held::These(&[])).unwrap()
    }

    /// Demands these problems of a sample that `corrupt` was done to, and none when `repair`
    /// was done too.
    #[track_caller]
    pub(crate) fn demand(
        &self,
        corrupt: impl FnOnce(&Sample),
        problems: &[Problem],
        repair: impl FnOnce(&Sample),
    ) {
        assert_eq!(self.check().problems, [], "before");
        corrupt(self);
        let report = self.check();
        repair(self);
        assert_eq!(report.problems, problems);
        assert_eq!(self.check().problems, [], "after repair");
    }

    pub(crate) fn root(&self) -> &InodeRef {
        self.ramdisk.root()
    }
}

/// The number of `inode`.
fn number(inode: &Inode) -> InodeNo {
    inode.number()
}

/// Gives `child` a name, whatever it is.
fn add_name(directory: &InodeRef, name: &[u8], child: &InodeRef) {
    let hash = directory.superblock.hash(name);
    let mut state = directory.state.write();
    let directory = state.directory_mut().unwrap();
    let prepared = directory.prepare(hash, name).unwrap();
    prepared.insert(child.clone());
}

/// Takes a name away, whatever it names.
fn take_name(directory: &InodeRef, name: &[u8]) {
    let hash = directory.superblock.hash(name);
    let mut state = directory.state.write();
    let directory = state.directory_mut().unwrap();
    let slot = directory.find(|| hash, name).unwrap();
    let child = directory.remove(slot);
    drop(state);
    drop(child);
}

#[test]
fn whole_ramdisk_has_no_problems_and_is_counted() {
    let sample = Sample::new();
    let report = sample.check();
    assert_eq!(report.problems, []);
    let counts = (report.directories, report.files, report.symlinks, report.nodes);
    assert_eq!(counts, (3, 2, 1, 1));
    assert_eq!((report.inodes(), report.names, report.orphans), (7, 7, 0));
    assert_eq!((report.pages, report.pages_behind_end), (1 + 70 + 1, 2));
    assert_eq!(
        format!("{report}"),
        "3 directories, 2 files, 1 symbolic links, 1 special files, 7 names, \
         0 inodes without a name, 72 pages: no problems"
    );
}

#[test]
fn link_counts_are_the_names_that_were_found() {
    let sample = Sample::new();
    let ino = number(&sample.small);
    let set = |nlink| move |sample: &Sample| sample.small.state.write().meta.nlink = nlink;
    for nlink in [0, 1, 3, u32::MAX] {
        sample.demand(set(nlink), &[Problem::LinkCount { ino, nlink, names: 2 }], set(2));
    }
    let (ino, subdirectories) = (number(&sample.directory), 1);
    let set = |nlink| move |sample: &Sample| sample.directory.state.write().meta.nlink = nlink;
    for nlink in [0, 1, 2, 4] {
        let problem = Problem::SubdirectoryCount { ino, nlink, subdirectories };
        sample.demand(set(nlink), &[problem], set(3));
    }
}

#[test]
fn a_lost_name_is_an_unbalanced_quota_unless_the_file_is_held() {
    let sample = Sample::new();
    let hard = |sample: &Sample| add_name(&sample.directory, b"hard", &sample.small);
    let ino = number(&sample.small);
    let problem = Problem::LinkCount { ino, nlink: 2, names: 1 };
    sample.demand(|sample| take_name(&sample.directory, b"hard"), &[problem], hard);

    take_name(&sample.directory, b"hard");
    take_name(sample.root(), b"small");
    sample.small.state.write().meta.nlink = 0;
    let lost =
        [Problem::Inodes { charged: 7, found: 6 }, Problem::Pages { charged: 72, found: 71 }];
    assert_eq!(sample.check().problems, lost);
    for held in [Held::Unknown, Held::These(core::slice::from_ref(&sample.small))] {
        let report = sample.ramdisk.check(held).unwrap();
        assert_eq!((report.problems, report.orphans), (vec![], 1));
    }
}

#[test]
fn quota_that_counts_too_little_is_found_whatever_is_held() {
    let sample = Sample::new();
    let superblock = sample.ramdisk.superblock.clone();
    superblock.uncharge_inode();
    superblock.uncharge(1);
    let problems =
        [Problem::Inodes { charged: 6, found: 7 }, Problem::Pages { charged: 71, found: 72 }];
    assert_eq!(sample.ramdisk.check(Held::Unknown).unwrap().problems, problems);
    assert_eq!(sample.check().problems, problems);
}

#[test]
fn more_than_the_limits_allow_is_found() {
    let sample = Sample::new();
    let superblock = sample.ramdisk.superblock.clone();
    superblock.set_usage(257, 101);
    let report = sample.ramdisk.check(Held::Unknown).unwrap();
    let problems = [
        Problem::PagesOverLimit { charged: 257, limit: 256 },
        Problem::InodesOverLimit { charged: 101, limit: 100 },
    ];
    assert_eq!(report.problems, problems);
    superblock.set_usage(72, 7);
}

#[test]
fn removed_directories_are_held_by_what_is_below_and_must_be_empty() {
    let sample = Sample::new();
    as_root(|caller| {
        take_name(&sample.directory, b"hard");
        sample.small.state.write().meta.nlink = 1;
        sample.directory.rmdir(caller, b"e").unwrap();
        sample.root().rmdir(caller, b"d").unwrap();
    });
    let held = [sample.inner.clone()];
    let report = sample.ramdisk.check(Held::These(&held)).unwrap();
    assert_eq!((report.problems, report.orphans), (vec![], 2));

    add_name(&sample.inner, b"in nowhere", &sample.small);
    sample.inner.state.write().meta.nlink = 2;
    let ino = number(&sample.inner);
    let report = sample.ramdisk.check(Held::These(&held)).unwrap();
    assert_eq!(report.problems, [Problem::Removed { ino, nlink: 2, entries: 1 }]);
    take_name(&sample.inner, b"in nowhere");
}

#[test]
fn tree_is_one_and_a_cycle_ends_the_check() {
    let sample = Sample::new();
    let named = |directory: &InodeRef, ino: &InodeRef| Problem::TwoNames {
        directory: number(directory),
        name: b"again".to_vec(),
        ino: number(ino),
    };
    for (directory, child) in [
        (sample.root(), &sample.inner),     // a further name
        (&sample.inner, &sample.directory), // a cycle
        (&sample.inner, sample.root()),     // a cycle through the root
        (&sample.inner, &sample.inner),     // of one
    ] {
        let count = |by: i64| {
            let mut state = directory.state.write();
            state.meta.nlink = (i64::from(state.meta.nlink) + by) as u32;
        };
        sample.demand(
            |_| {
                add_name(directory, b"again", child);
                count(1);
            },
            &expected(&sample, directory, child, named(directory, child)),
            |_| {
                take_name(directory, b"again");
                count(-1);
            },
        );
    }

    /// A name nearer to the root is found first: then the right one is the further one.
    fn expected(
        sample: &Sample,
        directory: &InodeRef,
        child: &InodeRef,
        named: Problem,
    ) -> Vec<Problem> {
        if !Arc::ptr_eq(directory, sample.root()) {
            return vec![named];
        }
        let place = child.state.read().directory().unwrap().place;
        let (name, ino) = (b"again".to_vec(), number(child));
        let wrong_parent = Problem::Parent {
            directory: number(directory),
            name: name.clone(),
            ino,
            parent: Some(number(&sample.directory)),
        };
        let cookie = directory.state.read().directory().unwrap().entries().count() as u64 + 2;
        let wrong_place = Problem::Place { directory: number(directory), name, ino, place, cookie };
        let again =
            Problem::TwoNames { directory: number(&sample.directory), name: b"e".to_vec(), ino };
        vec![wrong_parent, wrong_place, again]
    }
}

#[test]
fn parents_and_places_are_those_of_the_name() {
    let sample = Sample::new();
    let (directory, ino) = (number(&sample.directory), number(&sample.inner));
    let set = |parent: Option<&InodeRef>| {
        let parent = parent.cloned();
        move |sample: &Sample| {
            let mut state = sample.inner.state.write();
            let former = core::mem::replace(&mut state.directory_mut().unwrap().parent, parent);
            drop((state, former));
        }
    };
    let right = || set(Some(&sample.directory));
    for wrong in [None, Some(sample.root())] {
        let parent = wrong.map(|wrong| number(wrong));
        let problem = Problem::Parent { directory, name: b"e".to_vec(), ino, parent };
        sample.demand(set(wrong), &[problem], right());
    }
    let problem = Problem::RootParent { ino: number(sample.root()), parent: directory };
    let set_root = |parent: Option<InodeRef>| {
        move |sample: &Sample| {
            let mut state = sample.root().state.write();
            let former = core::mem::replace(&mut state.directory_mut().unwrap().parent, parent);
            drop((state, former));
        }
    };
    sample.demand(set_root(Some(sample.directory.clone())), &[problem], set_root(None));

    let set_place = |place| {
        move |sample: &Sample| {
            sample.inner.state.write().directory_mut().unwrap().place = place;
        }
    };
    let problem = Problem::Place { directory, name: b"e".to_vec(), ino, place: 77, cookie: 2 };
    sample.demand(set_place(77), &[problem], set_place(2));
}

#[test]
fn inodes_of_another_ramdisk_are_found() {
    let (sample, other) = (Sample::new(), ramdisk());
    let stranger =
        as_root(|caller| Inode::create(other.root(), caller, b"f", New::Regular, 0).unwrap());
    let ino = number(&stranger);
    let problem =
        Problem::Foreign { directory: number(&sample.directory), name: b"stranger".to_vec(), ino };
    sample.demand(
        |sample| add_name(&sample.directory, b"stranger", &stranger),
        &[problem],
        |sample| take_name(&sample.directory, b"stranger"),
    );
    // One that is held is nobody's business here.
    let held = [stranger];
    assert_eq!(sample.ramdisk.check(Held::These(&held)).unwrap().problems, []);
}

#[test]
fn numbers_are_given_out_once() {
    let sample = Sample::new();
    let superblock = &sample.ramdisk.superblock;
    let next = &superblock.next_number;
    let right = next.get();
    let create = |name| {
        as_root(|caller| Inode::create(sample.root(), caller, name, New::Regular, 0).unwrap())
    };
    let last = number(&create(b"last")).0;
    let problem = Problem::Number { ino: InodeNo(last), next: last };
    sample.demand(|_| next.set(last), &[problem], |_| next.set(right));
    superblock.numbers.set(number(&sample.small).0);
    create(b"twin");
    let twin = Problem::SameNumber { ino: number(&sample.small) };
    let uncounted = Problem::Inodes { charged: 9, found: 8 };
    assert_eq!(sample.check().problems, [twin, uncounted]);
}

#[test]
fn content_is_of_the_inodes_type() {
    let sample = Sample::new();
    let superblock = &sample.ramdisk.superblock;
    let directory = || Body::Directory(mem::try_box(Directory::new(None)).unwrap());
    for (file_type, body) in [
        (FileType::Regular, Body::Given),
        (FileType::Regular, Body::Node(0)),
        (FileType::Regular, directory()),
        (FileType::Directory, Body::Symlink(vec![])),
        (FileType::Symlink, Body::Node(1)),
        (FileType::Fifo, Body::Symlink(vec![])),
        (FileType::BlockDevice, directory()),
    ] {
        let owner = Owner { uid: 0, gid: 0 };
        let (new, now) = (New::Node(file_type, 0), Timestamp::default());
        let wrong = Inode::make(superblock, None, new, now, owner, 0).unwrap();
        wrong.state.write().body = body;
        let ino = number(&wrong);
        add_name(sample.root(), b"wrong", &wrong);
        let is_directory = u32::from(file_type == FileType::Directory);
        sample.root().state.write().meta.nlink += is_directory;
        let report = sample.check();
        let problem = Problem::Content { ino, file_type };
        assert_eq!(report.problems, [problem], "{file_type:?}");
        sample.root().state.write().meta.nlink -= is_directory;
        take_name(sample.root(), b"wrong");
        // What has no content was freed, as the quota has it.
        if matches!(wrong.state.write().body, Body::Given) {
            superblock.uncharge_inode();
        }
    }
    assert_eq!(sample.check().problems, []);
}

#[test]
fn modes_and_times_are_valid() {
    let sample = Sample::new();
    let ino = number(&sample.large);
    let set = |mode| move |sample: &Sample| sample.large.state.write().meta.mode = mode;
    let mode = libc::S_IFREG | 0o755;
    sample.demand(set(mode), &[Problem::Mode { ino, mode }], set(0o755));

    type Field = fn(&mut Meta) -> &mut Timestamp;
    let fields: [(&str, Field); 4] = [
        ("atime", |meta| &mut meta.atime),
        ("mtime", |meta| &mut meta.mtime),
        ("ctime", |meta| &mut meta.ctime),
        ("btime", |meta| &mut meta.btime),
    ];
    for (which, field) in fields {
        let set = |nanoseconds| {
            move |sample: &Sample| {
                *field(&mut sample.large.state.write().meta) = Timestamp::new(-5, nanoseconds);
            }
        };
        for nanoseconds in [1_000_000_000, u32::MAX] {
            let problem = Problem::Time { ino, which, nanoseconds };
            sample.demand(set(nanoseconds), &[problem], set(999_999_999));
        }
    }
}

#[test]
fn tree_deeper_than_any_stack_is_checked() {
    let depth = if cfg!(miri) { 50 } else { 100_000 };
    as_root(|caller| {
        let limits = Limits { size_bytes: 0, inodes: u64::MAX };
        let ramdisk = Ramdisk::new(caller, 0o755, limits, 1, 0).unwrap();
        let mut at = ramdisk.root().clone();
        for _ in 0..depth {
            at = Inode::create(&at, caller, b"d", New::Directory, 0o755).unwrap();
        }
        let report = ramdisk.check(Held::These(&[])).unwrap();
        assert_eq!((report.directories, report.problems), (depth + 1, vec![]));
    });
}

#[test]
fn every_problem_says_where_it_is() {
    let (directory, ino, name) = (InodeNo(7), InodeNo(7), || b"a\xffname".to_vec());
    let told = [
        Problem::TwoNames { directory, name: name(), ino: InodeNo(9) },
        Problem::Parent { directory, name: name(), ino: InodeNo(9), parent: None },
        Problem::Place { directory, name: name(), ino: InodeNo(9), place: 1, cookie: 2 },
        Problem::Foreign { directory, name: name(), ino: InodeNo(9) },
        Problem::SameName { directory, name: name() },
        Problem::Unindexed { directory, name: name() },
        Problem::Hash { directory, name: name() },
        Problem::Name { directory, name: name() },
    ];
    for problem in told {
        let text = format!("{problem}");
        assert!(text.starts_with("inode 7: \"a\\xffname\" "), "{text}");
    }
    let full = Problem::SubdirectoryCount { ino, nlink: 1, subdirectories: u64::MAX };
    assert!(format!("{full}").starts_with("inode 7: the link count is 1"));
    let problems = vec![Problem::SameNumber { ino }, Problem::Mode { ino, mode: 0o10000 }];
    let report = Report { problems, ..Report::default() };
    let text = format!("{report}");
    let mut lines = text.lines();
    assert!(lines.next().unwrap().ends_with(": 2 problems"));
    assert_eq!(lines.next(), Some("inode 7: two inodes have this number"));
    assert_eq!(lines.next(), Some("inode 7: the mode is 0o10000"));
}
