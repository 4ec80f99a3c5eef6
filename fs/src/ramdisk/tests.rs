//! Quotas and teardown, by the crate's own calls.

extern crate std;

use alloc::format;
use alloc::vec::Vec;

use super::*;
use crate::{Created, Credentials, EntryName, Errno, New, RenameMode, Source, Timestamp, rename};

const ROOMY: Limits = Limits { size_bytes: u64::MAX, inodes: u64::MAX };

fn as_root<T>(call: impl FnOnce(&Caller<'_>) -> T) -> T {
    let credentials = Credentials::default();
    call(&Caller::new(&credentials, Timestamp::default()))
}

fn name(bytes: &[u8]) -> EntryName<'_> {
    EntryName { bytes, directory_only: false }
}

/// How deep a tree is: deeper than a stack of recursive drops.
const DEEP: usize = if cfg!(miri) { 100 } else { 1_000_000 };

/// It was 64 when cores came to take numbers in batches, and nothing could be made in the root of
/// a mount.
#[test]
fn the_root_has_number_one_and_no_other() {
    as_root(|caller| {
        for seed in 0..2 {
            let ramdisk = Ramdisk::new(caller, 0o755, ROOMY, 1, seed).unwrap();
            let made = Inode::create(ramdisk.root(), caller, b"f", New::Regular, 0o644).unwrap();
            assert_eq!(ramdisk.root().number().0, 1);
            assert!(made.number().0 > 1);
        }
    });
}

#[test]
fn names_numbered_in_turn_are_neighbours_in_a_table_and_others_are_not() {
    as_root(|caller| {
        let ramdisk = Ramdisk::new(caller, 0o755, ROOMY, 1, 7).unwrap();
        let hash = |name: &str| ramdisk.superblock.hash(name.as_bytes());
        for stem in ["", "f", "f123456", "a name of more than sixteen bytes "] {
            let four = ["0", "1", "2", "3"].map(|last| hash(&format!("{stem}{last}")));
            assert_eq!([1, 2, 3].map(|nth| four[nth] ^ four[0]), [1, 2, 3], "{stem}");
            assert_ne!(hash(&format!("{stem}4")) / 4, four[0] / 4, "{stem}");
            assert_ne!(hash(&format!("0{stem}.")) / 4, hash(&format!("1{stem}.")) / 4, "{stem}");
        }
        let names = (0..10_000).map(|nth| hash(&format!("f{nth}")));
        let different: std::collections::BTreeSet<_> = names.collect();
        assert!(different.len() >= 9_998, "{}", different.len());
    });
}

#[test]
fn tree_of_a_million_levels_is_torn_down_without_recursion() {
    as_root(|caller| {
        let ramdisk = Ramdisk::new(caller, 0o755, ROOMY, 1, 0).unwrap();
        let superblock = ramdisk.superblock.clone();
        let mut at = ramdisk.root().clone();
        for _ in 0..DEEP {
            at = Inode::create(&at, caller, b"d", New::Directory, 0o755).unwrap();
        }
        assert_eq!(ramdisk.usage().inodes, DEEP as u64 + 1);
        drop(at);
        drop(ramdisk);
        assert_eq!(superblock.inodes.used(), 0);
        assert_eq!(Arc::count(&superblock), 1);
    });
}

#[test]
fn removed_directories_are_held_by_the_deepest_and_go_with_it() {
    as_root(|caller| {
        let ramdisk = Ramdisk::new(caller, 0o755, ROOMY, 1, 0).unwrap();
        let mut at = ramdisk.root().clone();
        for _ in 0..DEEP {
            at = Inode::create(&at, caller, b"d", New::Directory, 0o755).unwrap();
        }
        let deepest = at.clone();
        while let Some(parent) = at.parent() {
            parent.rmdir(caller, b"d").unwrap();
            at = parent;
        }
        drop(at);
        assert_eq!(ramdisk.usage().inodes, DEEP as u64 + 1, "each held by its child");
        drop(deepest);
        assert_eq!(ramdisk.usage().inodes, 1);
    });
}

#[test]
fn open_files_outlive_the_ramdisk() {
    as_root(|caller| {
        let ramdisk = Ramdisk::new(caller, 0o755, ROOMY, 1, 0).unwrap();
        let superblock = ramdisk.superblock.clone();
        let dir = Inode::create(ramdisk.root(), caller, b"d", New::Directory, 0o755).unwrap();
        let file = Inode::create(&dir, caller, b"f", New::Regular, 0o644).unwrap();
        file.write(caller, Some(0), &mut Source::from(&b"text"[..])).unwrap();
        drop(ramdisk);
        let mut buffer = [0; 4];
        let done = file.read(caller, 0, &mut crate::Sink::from(&mut buffer[..]));
        assert_eq!((done, &buffer), (Ok(4), b"text"));
        drop(dir);
        assert_eq!(superblock.pages.used(), 1);
        drop(file);
        assert_eq!(superblock.pages_charged(), 0);
        assert_eq!(superblock.inodes.used(), 0);
    });
}

#[test]
fn quotas_come_back_when_everything_is_removed() {
    as_root(|caller| {
        let ramdisk = Ramdisk::new(caller, 0o755, ROOMY, 1, 0).unwrap();
        let root = ramdisk.root();
        let count = if cfg!(miri) { 8 } else { 1000 };
        let mut open = Vec::new();
        for number in 0..count {
            let (file, text) = (format!("f{number}"), format!("l{number}"));
            let (made, created) =
                Inode::find_or_create(root, caller, file.as_bytes(), 0o644).unwrap();
            assert_eq!(created, Created::Yes);
            let bytes = alloc::vec![1; number * 37];
            made.write(caller, None, &mut Source::from(&bytes[..])).unwrap();
            Inode::link(root, caller, format!("h{number}").as_bytes(), &made).unwrap();
            let target = alloc::vec![b't'; 1 + number % 300];
            Inode::create(root, caller, text.as_bytes(), New::Symlink(&target), 0o777).unwrap();
            if number % 2 == 0 {
                open.push(made);
            }
        }
        assert_eq!(ramdisk.usage().inodes, 2 * count as u64 + 1);
        for number in 0..count {
            let file = format!("f{number}");
            // Over the hard link of the one before: the last name of that one goes.
            let over = format!("h{}", (number + count - 1) % count);
            let mode = RenameMode::Replace;
            rename(
                caller,
                root,
                name(file.as_bytes()),
                root,
                name(over.as_bytes()),
                mode,
                crate::Left::Nothing,
            )
            .unwrap();
            root.unlink(caller, format!("l{number}").as_bytes()).unwrap();
        }
        for number in 0..count {
            root.unlink(caller, format!("h{number}").as_bytes()).unwrap();
        }
        assert_eq!(ramdisk.usage().inodes, open.len() as u64 + 1);
        assert!(ramdisk.usage().pages > 0);
        drop(open);
        assert_eq!((ramdisk.usage().inodes, ramdisk.usage().pages), (1, 0));
        assert_eq!(root.attributes().size, 40);
    });
}

#[test]
fn inode_limit_counts_open_files_without_names() {
    as_root(|caller| {
        let limits = Limits { size_bytes: 0, inodes: 2 };
        let ramdisk = Ramdisk::new(caller, 0o755, limits, 1, 0).unwrap();
        let make = || Inode::create(ramdisk.root(), caller, b"f", New::Regular, 0);
        let open = make().unwrap();
        ramdisk.root().unlink(caller, b"f").unwrap();
        assert_eq!(make().map(drop), Err(Errno::ENOSPC));
        drop(open);
        drop(make().unwrap());
        let none = Limits { size_bytes: 0, inodes: 0 };
        assert_eq!(Ramdisk::new(caller, 0, none, 1, 0).map(drop), Err(Errno::ENOSPC));
    });
}

/// Debug builds that keep the order of locks refuse an entry whose directory is not held.
#[cfg(all(feature = "lock-order", not(anchorite_model)))]
#[test]
fn entry_of_another_directory_is_not_locked_as_a_child() {
    as_root(|caller| {
        let ramdisk = Ramdisk::new(caller, 0o755, ROOMY, 1, 0).unwrap();
        let make = |at: &InodeRef| Inode::create(at, caller, b"d", New::Directory, 0o755).unwrap();
        let child = make(ramdisk.root());
        let grandchild = make(&child);
        let lock = std::panic::AssertUnwindSafe(|| {
            let _directory = ramdisk.root().state.read();
            drop(grandchild.write_child());
        });
        let panic = std::panic::catch_unwind(lock).expect_err("a panic");
        let text = panic.downcast_ref::<&str>().expect("a text");
        assert!(text.starts_with("lock order: "), "{text}");
    });
}
