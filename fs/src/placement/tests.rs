//! What is placed is there as it was described, and what was there before is gone.

use alloc::boxed::Box;
use alloc::vec;

use super::*;
use crate::check::Held;
use crate::check::tests::as_root;
use crate::{Attributes, Limits, New, Piece, Ramdisk, Sink};

const OWNER: Owner = Owner { uid: 7, gid: 8 };
const ATIME: Timestamp = Timestamp::new(-5, 9);
const MTIME: Timestamp = Timestamp::new(12, 34);

fn ramdisk(inodes: u64) -> Ramdisk {
    let limits = Limits { size_bytes: 1 << 20, inodes };
    as_root(|caller| Ramdisk::new(caller, 0o755, limits, 1, 0)).unwrap()
}

fn placed(what: What<'_>) -> Placement<'_> {
    Placement { what, mode: 0o4751, owner: OWNER, atime: ATIME, mtime: MTIME, xattrs: &[] }
}

fn place(dir: &InodeRef, name: &[u8], what: What<'_>) -> Result<InodeRef> {
    let missing = as_root(|caller| dir.lookup(caller, name)).is_err();
    let (inode, created) = as_root(|caller| Inode::place(dir, caller, name, placed(what)))?;
    assert_eq!(created == Created::Yes, missing);
    Ok(inode)
}

fn whole<'a>(pieces: &'a [Piece<'a>]) -> What<'a> {
    let size = pieces.iter().map(|piece| piece.bytes.len() as u64).sum();
    What::Regular(Content { size, pieces })
}

#[track_caller]
fn check(ramdisk: &Ramdisk, files: u64, directories: u64) {
    let report = ramdisk.check(Held::Unknown).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!((report.files, report.directories, report.orphans), (files, directories, 0));
}

fn described(inode: &Inode) -> (u32, u32, u32, Timestamp, Timestamp) {
    let Attributes { mode, uid, gid, atime, mtime, .. } = inode.attributes();
    (mode, uid, gid, atime, mtime)
}

#[test]
fn each_type_has_the_attributes_that_it_was_placed_with() {
    let ramdisk = ramdisk(100);
    let root = ramdisk.root();
    let before = root.attributes();
    let pieces = [Piece { offset: 0, bytes: b"content" }];
    let device = What::Node(FileType::CharDevice, 0x501);
    for (name, what) in [
        (&b"file"[..], whole(&pieces)),
        (b"directory", What::Directory),
        (b"link", What::Symlink(b"to")),
        (b"device", device),
    ] {
        let inode = place(root, name, what).unwrap();
        assert_eq!(described(&inode), (0o4751, 7, 8, ATIME, MTIME));
        let found = as_root(|caller| root.lookup(caller, name)).unwrap();
        assert!(Arc::ptr_eq(&inode, &found));
    }
    let after = root.attributes();
    assert_eq!((after.mtime, after.ctime, after.nlink), (before.mtime, before.ctime, 3));
    check(&ramdisk, 1, 2);
}

#[test]
fn a_later_file_replaces_what_had_its_name() {
    let pieces = [Piece { offset: 0, bytes: b"new" }];
    let kinds = [whole(&pieces), What::Directory, What::Symlink(b"to")];
    for first in kinds {
        for second in kinds {
            let ramdisk = ramdisk(100);
            let root = ramdisk.root();
            let old = place(root, b"x", first).unwrap();
            let new = place(root, b"x", second).unwrap();
            let both_directories = old.is_directory() && new.is_directory();
            assert_eq!(Arc::ptr_eq(&old, &new), both_directories);
            assert_eq!(old.attributes().nlink > 0, both_directories);
            assert_eq!(root.attributes().nlink, if new.is_directory() { 3 } else { 2 });
            drop((old, new));
            let report = ramdisk.check(Held::These(&[])).unwrap();
            assert_eq!((report.problems, report.names), (vec![], 1));
        }
    }
}

#[test]
fn a_directory_with_entries_is_not_replaced_but_stays() {
    let ramdisk = ramdisk(100);
    let root = ramdisk.root();
    let directory = place(root, b"d", What::Directory).unwrap();
    let file = place(&directory, b"f", whole(&[])).unwrap();
    assert_eq!(place(root, b"d", What::Symlink(b"x")).err(), Some(Errno::ENOTEMPTY));
    let linked = as_root(|caller| Inode::place_link(root, caller, b"d", &file, None));
    assert_eq!((linked, file.attributes().nlink), (Err(Errno::ENOTEMPTY), 1));
    let again = place(root, b"d", What::Directory).unwrap();
    assert!(Arc::ptr_eq(&again, &directory));
    assert_eq!(place(&file, b"x", What::Directory).err(), Some(Errno::ENOTDIR));
    assert_eq!(place(root, &[b'n'; 256], What::Directory).err(), Some(Errno::ENAMETOOLONG));
    directory.count_mount(None).unwrap();
    assert_eq!(place(root, b"d", What::Directory).err(), Some(Errno::EBUSY));
    directory.uncount_mount(None);
    drop((file, directory, again));
    check(&ramdisk, 1, 2);
}

#[test]
fn links_are_counted_and_one_content_is_seen_by_all_names() {
    let ramdisk = ramdisk(100);
    let root = ramdisk.root();
    let file = place(root, b"a", whole(&[])).unwrap();
    let other = place(root, b"b", whole(&[])).unwrap();
    as_root(|caller| {
        assert_eq!(Inode::place_link(root, caller, b"a", &file, None), Ok(()), "to itself");
        assert_eq!(Inode::place_link(root, caller, b"b", &file, None), Ok(()));
        assert_eq!((file.attributes().nlink, other.attributes().nlink), (2, 0));
        assert_eq!(Inode::place_link(root, caller, b"c", &other, None), Err(Errno::ENOENT));
        assert_eq!(Inode::place_link(root, caller, b"c", root, None), Err(Errno::EPERM));
        let pieces = [Piece { offset: 0, bytes: b"later" }];
        let refill = Some(placed(whole(&pieces)));
        assert_eq!(Inode::place_link(root, caller, b"a", &file, refill), Ok(()));
        let mut bytes = [0; 8];
        let mut sink = Sink::from(&mut bytes[..]);
        assert_eq!(root.lookup(caller, b"b").unwrap().read(caller, 0, &mut sink), Ok(5));
        assert_eq!(&bytes, b"later\0\0\0");
        let (link, _) = Inode::place(root, caller, b"l", placed(What::Symlink(b"x"))).unwrap();
        let linked = Inode::place_link(root, caller, b"c", &link, refill);
        assert_eq!((linked, link.attributes().nlink), (Err(Errno::EINVAL), 1), "no content");
    });
    drop((file, other));
    check(&ramdisk, 1, 1);
}

#[test]
fn without_room_all_stays_as_it_was() {
    let ramdisk = ramdisk(2);
    let root = ramdisk.root();
    let old = place(root, b"a", whole(&[])).unwrap();
    for what in [whole(&[]), What::Directory, What::Symlink(b"x")] {
        assert_eq!(place(root, b"a", what).err(), Some(Errno::ENOSPC));
        assert_eq!(place(root, b"b", what).err(), Some(Errno::ENOSPC));
    }
    let large = What::Regular(Content { size: 2 << 20, pieces: &[] });
    let refill =
        |what| as_root(|caller| Inode::place_link(root, caller, b"a", &old, Some(placed(what))));
    assert_eq!(refill(large), Ok(()), "a hole");
    let bytes = vec![1; 2 << 20];
    let pieces = [Piece { offset: 0, bytes: &bytes }];
    assert_eq!(refill(whole(&pieces)), Err(Errno::ENOSPC));
    assert_eq!((old.attributes().size, old.attributes().blocks), (2 << 20, 0));
    drop(old);
    check(&ramdisk, 1, 1);
}

#[test]
fn extended_attributes_are_placed_with_the_file_or_not_at_all() {
    let ramdisk = ramdisk(10);
    let root = ramdisk.root();
    let all = |inode: &Inode| {
        let mut all = vec![];
        let told = inode.each_xattr(|name, value| {
            all.push((name.to_vec(), value.to_vec()));
            Ok(())
        });
        assert_eq!(told, Ok(()));
        all
    };
    fn with<'a>(what: What<'a>, xattrs: &'a [(&'a [u8], &'a [u8])]) -> Placement<'a> {
        Placement { xattrs, ..placed(what) }
    }
    let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
    let good: &[(&[u8], &[u8])] = &[(b"user.a", b"1"), (b"trusted.b", b"2"), (b"user.a", b"3")];
    let kept = [pair(b"user.a", b"3"), pair(b"trusted.b", b"2")];
    let (big, long) = ([0; 9000], [b'n'; 256]);
    as_root(|caller| {
        for what in [whole(&[]), What::Directory, What::Symlink(b"x")] {
            for round in 0..2 {
                let (inode, _) = Inode::place(root, caller, b"x", with(what, good)).unwrap();
                assert_eq!(all(&inode), kept, "round {round}");
            }
            for (name, value, errno) in [
                (&b""[..], &b"1"[..], Errno::ERANGE),
                (&long, b"1", Errno::ERANGE),
                (b"user.a\0b", b"1", Errno::EINVAL),
                (b"user.", b"1", Errno::EINVAL),
                (b"system.posix_acl_access", b"1", Errno::EOPNOTSUPP),
                (b"security.capability", b"1", Errno::EINVAL),
                (b"user.a", &big, Errno::ENOSPC),
            ] {
                let xattrs = &[(&b"user.b"[..], &b"2"[..]), (name, value)];
                let used = ramdisk.usage();
                for entry in [&b"x"[..], b"y"] {
                    let done = Inode::place(root, caller, entry, with(what, xattrs));
                    assert_eq!(done.err(), Some(errno));
                }
                assert_eq!(root.place_over(caller, with(What::Directory, xattrs)), Err(errno));
                let old = root.lookup(caller, b"x").unwrap();
                if matches!(what, What::Regular(_)) {
                    let refill = Some(with(what, xattrs));
                    let linked = Inode::place_link(root, caller, b"z", &old, refill);
                    assert_eq!((linked, old.attributes().nlink), (Err(errno), 1));
                    assert_eq!(root.lookup(caller, b"z").err(), Some(Errno::ENOENT));
                }
                assert_eq!((all(&old), ramdisk.usage()), (kept.to_vec(), used), "{errno:?}");
            }
        }
        assert_eq!(root.place_over(caller, with(What::Directory, good)), Ok(()));
        assert_eq!(all(root), kept);
    });
    check(&ramdisk, 0, 1);
}

/// A preloaded file takes the memory of an empty one, and a checker finds a reference to
/// what is lent that was counted wrongly.
#[test]
fn references_to_lent_memory_are_checked() {
    let ramdisk = ramdisk(10);
    let loan = ramdisk.borrow(Box::new(vec![7u8; 10_000])).unwrap();
    assert_eq!(ramdisk.lent_bytes(), 10_000);
    let pieces = [Piece { offset: 0, bytes: &loan.bytes()[..9000] }];
    let file = place(ramdisk.root(), b"a", whole(&pieces)).unwrap();
    assert_eq!((file.attributes().size, file.attributes().blocks), (9000, 24));
    let report = ramdisk.check(Held::These(&[])).unwrap();
    assert_eq!((report.problems, report.lent), (vec![], 1));
    drop(loan);
    ramdisk.superblock.loans.miscount();
    let report = ramdisk.check(Held::These(&[])).unwrap();
    let found = crate::check::Problem::Lent { counted: 2, found: 1 };
    assert_eq!(report.problems, [found]);
    as_root(|caller| ramdisk.root().unlink(caller, b"a")).unwrap();
    drop(file);
    assert_eq!(ramdisk.lent_bytes(), 10_000, "the reference that was miscounted is left");
}

#[test]
fn directories_can_be_placed_in_those_that_a_create_made() {
    let ramdisk = ramdisk(10);
    as_root(|caller| {
        let dir = Inode::create(ramdisk.root(), caller, b"d", New::Directory, 0o755).unwrap();
        let (inner, _) = Inode::place(&dir, caller, b"e", placed(What::Directory)).unwrap();
        assert_eq!(dir.place_over(caller, placed(What::Directory)), Ok(()));
        assert_eq!(described(&dir), (0o4751, 7, 8, ATIME, MTIME));
        assert_eq!(dir.place_over(caller, placed(whole(&[]))), Err(Errno::EINVAL));
        let mut path = vec![];
        let mut copy = |name: &[u8]| {
            path.extend_from_slice(name);
            Ok(())
        };
        inner.name_in_parent(&mut copy).unwrap();
        assert_eq!((path, dir.attributes().nlink), (b"e".to_vec(), 3));
    });
    check(&ramdisk, 0, 3);
}
