//! Where attributes are kept and what they cost; what the calls answer is pinned by rows of
//! calls, which are done on Linux too.

extern crate std;

use std::vec;

use super::*;
use crate::check::tests::{Sample, as_root};
use crate::check::{Held, check};
use crate::{Caller, Change, Credentials, InodeRef, Limits, New, Ramdisk, Timestamp};

const ANY: SetXattr = SetXattr::empty();

fn name(bytes: &[u8]) -> XattrName<'_> {
    XattrName::new(bytes).unwrap()
}

fn set(inode: &Inode, key: &[u8], value: &[u8]) -> Result<()> {
    as_root(|caller| inode.set_xattr(caller, name(key), &mut Source::from(value), ANY))
}

fn remove(inode: &Inode, key: &[u8]) -> Result<()> {
    as_root(|caller| inode.remove_xattr(caller, name(key)))
}

fn all(inode: &Inode) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    let told = inode.each_xattr(|name, value| {
        all.push((name.to_vec(), value.to_vec()));
        Ok(())
    });
    assert_eq!(told, Ok(()));
    all
}

fn pair(name: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (name.to_vec(), value.to_vec())
}

/// A ramdisk with a file, and room for so many inodes, those two included.
fn file(inodes: u64) -> (Ramdisk, InodeRef) {
    as_root(|caller| {
        let limits = Limits { size_bytes: 1 << 20, inodes };
        let ramdisk = Ramdisk::new(caller, 0o755, limits, 1, 0).unwrap();
        let file = Inode::create(ramdisk.root(), caller, b"f", New::Regular, 0o644).unwrap();
        (ramdisk, file)
    })
}

/// Of the kernel's allocator an inode takes 160 bytes, references and all.
#[test]
fn a_file_without_attributes_pays_nothing_for_them() {
    assert_eq!(size_of::<Xattrs>(), size_of::<usize>());
    if cfg!(not(any(feature = "lock-order", anchorite_model))) {
        // Behind the count of references, and the allocator's word.
        assert!(size_of::<Inode>() + 2 * size_of::<usize>() <= 160, "{}", size_of::<Inode>());
    }
}

#[test]
fn attributes_are_paid_for_with_inodes_and_paid_back() {
    let (ramdisk, file) = file(10);
    let used = || ramdisk.usage().inodes;
    assert_eq!(used(), 2);
    // 40 bytes, 6 of the name, 978: the 1024th is the last of an inode.
    for (len, inodes) in [(978, 3), (979, 4), (978, 3), (0, 3), (6 * 1024, 9)] {
        assert_eq!(set(&file, b"user.a", &vec![b'x'; len]), Ok(()));
        assert_eq!(used(), inodes, "{len}");
    }
    // There is no room for both the old and the new.
    assert_eq!(set(&file, b"user.a", &[b'y'; 2048]), Err(Errno::ENOSPC));
    assert_eq!(set(&file, b"user.b", &[b'y'; 2048]), Err(Errno::ENOSPC));
    assert_eq!(all(&file), [pair(b"user.a", &[b'x'; 6 * 1024])]);
    assert_eq!(used(), 9);
    assert_eq!(set(&file, b"user.b", b""), Ok(()));
    assert_eq!(remove(&file, b"user.a"), Ok(()));
    assert_eq!(remove(&file, b"user.a"), Err(Errno::ENODATA));
    assert_eq!(used(), 3);
    as_root(|caller| ramdisk.root().unlink(caller, b"f")).unwrap();
    assert_eq!(used(), 3, "it is held");
    drop(file);
    assert_eq!(used(), 1);
    assert_eq!(check(ramdisk.root(), Held::These(&[])).unwrap().problems, []);
}

#[test]
fn attributes_leave_no_room_for_inodes_that_they_took() {
    let (ramdisk, file) = file(4);
    set(&file, b"user.a", &[0; 1500]).unwrap();
    as_root(|caller| {
        let create = |name| Inode::create(ramdisk.root(), caller, name, New::Regular, 0).map(drop);
        assert_eq!(create(b"g"), Err(Errno::ENOSPC));
        assert_eq!(remove(&file, b"user.a"), Ok(()));
        assert_eq!((create(b"g"), create(b"h")), (Ok(()), Ok(())));
    });
    assert_eq!(set(&file, b"user.a", b""), Err(Errno::ENOSPC));
}

#[test]
fn greatest_name_comes_first_however_they_came_and_went() {
    let (ramdisk, file) = file(10_000);
    let key = |number: usize| std::format!("user.{}", number * 7919 % 1000).into_bytes();
    let mut expected = std::collections::BTreeMap::new();
    for number in 0..3000 {
        if number % 3 == 2 {
            let removed = expected.remove(&key(number / 2));
            assert_eq!(remove(&file, &key(number / 2)).is_ok(), removed.is_some());
        } else {
            set(&file, &key(number), &number.to_le_bytes()).unwrap();
            expected.insert(key(number), number.to_le_bytes().to_vec());
        }
        if number % 500 == 0 {
            assert!(all(&file).into_iter().eq(expected.clone().into_iter().rev()));
        }
    }
    assert!(all(&file).into_iter().eq(expected.clone().into_iter().rev()));
    assert!(expected.len() > 100);
    assert_eq!(check(ramdisk.root(), Held::These(&[])).unwrap().problems, []);
    // Memory is given back on the way, and the last attribute takes all of it along.
    for key in expected.keys() {
        remove(&file, key).unwrap();
        let state = file.state.read();
        if let Some(list) = &state.xattrs.0 {
            assert!(list.0.capacity() <= FEW.max(4 * list.0.len()), "{}", list.0.capacity());
        }
    }
    assert!(file.state.read().xattrs.0.is_none());
    assert_eq!(ramdisk.usage().inodes, 2);
}

/// A value that Linux would read as another is kept as that.
#[test]
fn capabilities_of_root_lose_their_root() {
    let (_ramdisk, file) = file(10);
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let key = b"security.capability";
    for (given, kept) in [
        (vec![0x0200_0001, 1, 2, 3, 4], Some(vec![0x0200_0001, 1, 2, 3, 4])),
        (vec![0x0300_0001, 1, 2, 3, 4, 0], Some(vec![0x0200_0001, 1, 2, 3, 4])),
        (vec![0x0300_0000, 1, 2, 3, 4, 5], Some(vec![0x0300_0000, 1, 2, 3, 4, 5])),
        (vec![0x0300_0000, 1, 2, 3, 4, u32::MAX], None),
        (vec![0x0300_0000, 1, 2, 3, 4], None),
        (vec![0x0200_0000, 1, 2, 3, 4, 0], None),
        (vec![0x0200_0002, 1, 2, 3, 4], None),
        (vec![0x0100_0000, 1, 2], None),
    ] {
        let result = set(&file, key, &words(&given));
        match kept {
            Some(kept) => {
                assert_eq!((result, all(&file)), (Ok(()), vec![pair(key, &words(&kept))]));
            }
            None => assert_eq!(result, Err(Errno::EINVAL), "{given:x?}"),
        }
    }
}

#[test]
fn whoever_changes_content_or_owner_takes_capabilities_away() {
    let (_ramdisk, file) = file(100);
    let key = b"security.capability";
    let give = || {
        set(&file, b"user.a", b"1").unwrap();
        set(&file, key, &[&[0, 0, 0, 2], &[0; 16][..]].concat()).unwrap();
    };
    let kept = || all(&file).len() == 2;
    fn write(file: &Inode, caller: &Caller<'_>, bytes: &[u8]) {
        assert_eq!(
            file.write(caller, None, &mut Source::from(bytes)).map(|(done, _)| done),
            Ok(bytes.len())
        );
    }
    type Call = fn(&Inode, &Caller<'_>);
    let calls: [(Call, bool); 7] = [
        (|file, caller| write(file, caller, b"x"), false),
        (|file, caller| write(file, caller, b""), true),
        (|file, caller| file.truncate(caller, 1).unwrap(), false),
        (
            |file, caller| {
                file.allocate_range(caller, 0, 1, crate::Allocation::KeepSize).unwrap();
            },
            false,
        ),
        (|file, caller| file.change(caller, Change::Owner(None, None)).unwrap(), false),
        (|file, caller| file.change(caller, Change::Mode(0)).unwrap(), true),
        (|file, caller| file.mark_access(caller), true),
    ];
    for (number, (call, keeps)) in calls.into_iter().enumerate() {
        give();
        as_root(|caller| call(&file, caller));
        assert_eq!(kept(), keeps, "call {number}");
        assert!(all(&file).contains(&pair(b"user.a", b"1")));
    }
}

#[test]
fn other_users_see_neither_trusted_names_nor_values() {
    let (_ramdisk, file) = file(100);
    set(&file, b"trusted.t", b"1").unwrap();
    set(&file, b"user.a", b"2").unwrap();
    let other = Credentials { uid: 5, gid: 5, groups: Vec::new() };
    let caller = Caller::new(&other, Timestamp::default());
    let mut room = [0xaa; 20];
    assert_eq!(file.list_xattrs(&caller, &mut Sink::from(&mut room[..])), Ok(7));
    assert_eq!(&room[..8], b"user.a\0\xaa");
    let get = |key| file.get_xattr(&caller, name(key), &mut Sink::from(&mut [0; 9][..]));
    assert_eq!((get(b"trusted.t"), get(b"user.a")), (Err(Errno::ENODATA), Ok(1)));
}

#[test]
fn attributes_that_cannot_be_are_found() {
    let sample = Sample::new();
    let small = &sample.small;
    set(small, b"user.b", b"1").unwrap();
    set(small, b"user.a", b"1").unwrap();
    let ino = small.number();
    fn with_list(sample: &Sample, change: impl FnOnce(&mut Vec<Xattr>)) {
        change(&mut sample.small.state.write().xattrs.0.as_mut().unwrap().0);
    }
    let order = Problem::XattrOrder { ino, name: b"user.b".to_vec() };
    let swap = |sample: &Sample| with_list(sample, |list| list.swap(0, 1));
    sample.demand(swap, &[order], swap);

    let rename = |to: &'static [u8; 6]| {
        move |sample: &Sample| {
            with_list(sample, |list| list[0].bytes[..6].copy_from_slice(to));
        }
    };
    let twice = Problem::XattrOrder { ino, name: b"user.a".to_vec() };
    sample.demand(rename(b"user.a"), &[twice], rename(b"user.b"));
    let strange = Problem::Xattr { ino, name: b"usor.b".to_vec(), len: 1 };
    sample.demand(rename(b"usor.b"), &[strange], rename(b"user.b"));

    let superblock = &sample.ramdisk.superblock;
    let found = 2 * (40 + 6 + 1);
    for charged in [found - 1, found + 1] {
        let problem = Problem::XattrBytes { charged, found };
        let [more, less] = [charged.saturating_sub(found), found.saturating_sub(charged)];
        sample.demand(
            |_| {
                superblock.charge_xattr(more).unwrap();
                superblock.uncharge_xattr(less);
            },
            &[problem],
            |_| {
                superblock.charge_xattr(less).unwrap();
                superblock.uncharge_xattr(more);
            },
        );
    }
    let taken = core::cell::RefCell::new(Vec::new());
    sample.demand(
        |sample| {
            superblock.uncharge_xattr(found);
            with_list(sample, |list| *taken.borrow_mut() = core::mem::take(list));
        },
        &[Problem::NoXattrs { ino }],
        |sample| {
            superblock.charge_xattr(found).unwrap();
            with_list(sample, |list| *list = taken.take());
        },
    );
    assert_eq!((sample.check().xattrs, sample.check().xattr_bytes), (2, found));
}
