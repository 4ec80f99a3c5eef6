//! A preload while memory runs out, and changes of preloaded files.

use anchorite_syscalls::{Errno, Lender, OnDamage, PreloadError, System, api};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};
use tar::{Builder, EntryType, Header};

use crate::heap::{Fails, failing, live};
use crate::tree::{clear, dump};

/// Bytes of the large file.
const LARGE: usize = 3 * 4096 + 100;

/// Entries of each kind, with names that are and are not in place; no path so long that its
/// header has a second part.
fn archive() -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let long = "dir/a name of more bytes than an entry holds in place";
    for (path, entry_type, link, bytes) in [
        ("dir/sub", EntryType::Directory, "", 0),
        ("dir/small", EntryType::Regular, "", 10),
        (long, EntryType::Regular, "", LARGE),
        ("dir/link", EntryType::Symlink, "sub", 0),
        ("dir/link/fifo", EntryType::Fifo, "", 0),
        ("hard", EntryType::Link, long, 0),
        ("dir/small", EntryType::Regular, "", 20),
    ] {
        let mut header = Header::new_ustar();
        header.set_entry_type(entry_type);
        header.set_path(path).unwrap();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        header.set_size(bytes as u64);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        builder.append(&header, &vec![b'p'; bytes][..]).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn nth_allocation_of_a_preload_fails_and_what_is_there_is_whole() {
    let archive = archive();
    for fails in [Fails::Nth as fn(usize) -> Fails, Fails::From] {
        let mut failures = 0;
        for number in 0.. {
            let before = live();
            let sys = system(ROOMY);
            let lender: Box<dyn Lender> = Box::new(archive.clone());
            let (done, has_failed) =
                failing(fails(number), || sys.preload(b"/in/here", lender, OnDamage::Skip));
            match &done {
                Ok(done) => assert_eq!((done.entries, done.skipped), (7, 0)),
                Err(PreloadError::Directory(errno) | PreloadError::Room(_, errno)) => {
                    assert_eq!(*errno, Errno::ENOMEM);
                    failures += 1;
                }
                Err(error) => panic!("{number}: {error}"),
            }
            assert_whole(&sys);
            if let Ok(content) = api::read(&sys, "/in/here/hard") {
                assert_eq!(content, [b'p'; LARGE]);
            }
            clear(&sys);
            drop((sys, done));
            assert_eq!(live(), before, "leaked with allocation {number}");
            if !has_failed {
                break;
            }
        }
        assert!(failures > 15, "{failures}");
    }
}

type Change = fn(&System) -> anchorite_syscalls::Result<()>;

/// Each call on a lent file, done while each of its allocations fails in turn.
#[test]
fn nth_allocation_of_a_change_fails_and_lent_content_is_as_it_was() {
    const CHANGES: [(&str, Change); 7] = [
        ("write", |sys| sys.pwrite(3, b"x", 4095).map(drop)),
        ("write at the end", |sys| sys.pwrite(3, b"x", LARGE as i64).map(drop)),
        ("write far behind", |sys| sys.pwrite(3, b"x", 1 << 25).map(drop)),
        ("grow", |sys| sys.ftruncate(3, LARGE as i64 + 5)),
        ("punch", |sys| {
            let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            sys.fallocate(3, punch, 100, 9000)
        }),
        ("allocate", |sys| sys.fallocate(3, 0, 5000, 40_000)),
        ("cut", |sys| sys.ftruncate(3, 5000)),
    ];
    let archive = archive();
    let preloaded = || {
        let sys = system(ROOMY);
        sys.preload(b"/", Box::new(archive.clone()), OnDamage::Stop).unwrap();
        assert_eq!(sys.open(b"/hard", libc::O_RDWR, 0), Ok(3));
        sys
    };
    for (name, change) in CHANGES {
        let mut failures = 0;
        for number in 0.. {
            let sys = preloaded();
            let before = dump(&sys);
            let (done, has_failed) = failing(Fails::Nth(number), || change(&sys));
            if !has_failed {
                assert_eq!(done, Ok(()), "{name}");
                break;
            }
            assert_eq!(done, Err(Errno::ENOMEM), "{name}, allocation {number}");
            assert_eq!(dump(&sys), before, "{name}, allocation {number}");
            clear(&sys);
            failures += 1;
        }
        assert!(failures > 0 || name == "cut", "{name}");
    }
}
