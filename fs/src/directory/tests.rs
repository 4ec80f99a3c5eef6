//! A directory's entries against an ordered map, while listings are under way.

extern crate std;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use super::*;
use crate::ramdisk::{Limits, Ramdisk};
use crate::{Caller, Credentials, Inode, NAME_MAX, New, Timestamp};

/// A small generator of numbers; xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A listing under way: which entries were there when it began and stayed, and how often
/// each was seen.
struct Listing {
    cookie: u64,
    stayed: BTreeSet<u64>,
    seen: BTreeMap<u64, usize>,
}

impl Listing {
    fn begin(model: &BTreeMap<String, u64>) -> Listing {
        let stayed = model.values().copied().collect();
        Listing { cookie: 0, stayed, seen: BTreeMap::new() }
    }

    /// Lists up to `count` entries more; false at the end.
    fn go_on(&mut self, directory: &Directory, count: usize) -> bool {
        let mut listed = 0;
        let mut next = self.cookie;
        directory.list(InodeNo(0), self.cookie, &mut |entry| {
            if listed == count {
                return false;
            }
            listed += 1;
            assert!(entry.next > next, "cookies grow");
            next = entry.next;
            if !matches!(entry.name, b"." | b"..") {
                *self.seen.entry(entry.ino.0).or_default() += 1;
            }
            true
        });
        self.cookie = next;
        listed == count
    }

    fn end(&self) {
        for ino in &self.stayed {
            assert_eq!(self.seen.get(ino), Some(&1), "inode {ino} stayed");
        }
        assert!(self.seen.values().all(|&times| times == 1), "none is listed twice");
    }
}

#[test]
fn random_changes_agree_with_a_map_and_listings_see_what_stays_once() {
    let (seeds, rounds) = if cfg!(miri) { (1, 120) } else { (6, 4000) };
    for seed in 1..=seeds {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let credentials = Credentials::default();
        let caller = Caller::new(&credentials, Timestamp::default());
        let limits = Limits { size_bytes: u64::MAX, inodes: u64::MAX };
        let ramdisk = Ramdisk::new(&caller, 0o755, limits, 1, seed).unwrap();
        let hash = |name: &str| {
            // Few hashes, so that names collide.
            name.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31) + u32::from(byte)) % 97
        };
        let mut directory = Directory::new(None);
        let mut model = BTreeMap::new();
        let mut listing = Listing::begin(&model);
        let names = [20, 300, 1500, 7][seed as usize % 4];
        for round in 0..rounds {
            // Now mostly growing, now mostly shrinking: so the log closes up.
            let removing = if round / (names / 2) % 2 == 0 { 2 } else { 8 };
            let name = format!("{:0width$}", random.below(names), width = 1 + names % 40);
            let found = directory.find(|| hash(&name), name.as_bytes());
            assert_eq!(found.is_some(), model.contains_key(&name));
            match (found, random.below(10) < removing) {
                (Some(slot), true) => {
                    let ino = model.remove(&name).unwrap();
                    listing.stayed.remove(&ino);
                    assert_eq!(directory.child(slot).number().0, ino);
                    let cookie = directory.cookie(slot);
                    assert_eq!(directory.remove(slot).number().0, ino);
                    assert!(directory.at_cookie(cookie).is_none());
                }
                (None, false) => {
                    let file = Inode::create(ramdisk.root(), &caller, b"x", New::Regular, 0);
                    let file = file.unwrap();
                    ramdisk.root().unlink(&caller, b"x").unwrap();
                    model.insert(name.clone(), file.number().0);
                    let prepared = directory.prepare(hash(&name), name.as_bytes()).unwrap();
                    let cookie = prepared.insert(file);
                    let (found, _) = directory.at_cookie(cookie).unwrap();
                    assert_eq!(found, name.as_bytes());
                }
                _ => {}
            }
            let other = format!("{:0width$}", random.below(names), width = 1 + names % 40);
            if let Some(slot) = directory.find(|| hash(&name), name.as_bytes())
                && !model.contains_key(&other)
                && random.below(4) == 0
            {
                let cookie = directory.cookie(slot);
                let too_long = directory.rename(slot, 0, &[b'x'; NAME_MAX + 1]);
                assert_eq!(too_long, Err(Errno::ENAMETOOLONG));
                directory.rename(slot, hash(&other), other.as_bytes()).unwrap();
                let ino = model.remove(&name).unwrap();
                model.insert(other.clone(), ino);
                let (found, child) = directory.at_cookie(cookie).unwrap();
                assert_eq!((found, child.number().0), (other.as_bytes(), ino));
                assert_eq!(directory.find(|| hash(&name), name.as_bytes()), None);
                assert_eq!(directory.find(|| hash(&other), other.as_bytes()), Some(slot));
            }
            if random.below(10) == 0 {
                directory.trim();
                let room = directory.chunks.last().map_or(0, |last| last.capacity() - last.len());
                assert_eq!(room, 0, "trimmed to its entries");
            }
            assert_eq!(directory.len(), model.len());
            assert!(directory.log_len() <= 2 * directory.len() + FEW_GAPS + 1);
            if random.below(5) == 0 && !listing.go_on(&directory, 1 + random.below(names / 4)) {
                listing.end();
                listing = Listing::begin(&model);
            }
        }
        for (name, ino) in &model {
            let slot = directory.find(|| hash(name), name.as_bytes()).unwrap();
            assert_eq!(directory.child(slot).number().0, *ino);
        }
        let mut popped = 0;
        while directory.pop().is_some() {
            popped += 1;
            assert!(!directory.is_indexed(), "no table to be gone over for each entry");
        }
        assert_eq!(popped, model.len());
        drop(directory);
        assert_eq!(ramdisk.usage().inodes, 1, "the root alone");
    }
}

/// What is prepared and not added leaves the log as it was, whatever is done to it by that: a first
/// chunk, a table, another chunk.
#[test]
fn an_entry_that_is_not_added_leaves_no_gap() {
    let credentials = Credentials::default();
    let caller = Caller::new(&credentials, Timestamp::default());
    let limits = Limits { size_bytes: 1 << 20, inodes: 2 };
    let ramdisk = Ramdisk::new(&caller, 0o755, limits, 1, 0).unwrap();
    let file = Inode::create(ramdisk.root(), &caller, b"x", New::Regular, 0).unwrap();
    let full = Inode::create(ramdisk.root(), &caller, b"y", New::Regular, 0);
    assert_eq!(full.err(), Some(Errno::ENOSPC));
    let long = format!("{:0200}", 0);
    let mut directory = Directory::new(None);
    for number in 0..2 * CHUNK {
        let before = (directory.len(), directory.next_cookie, directory.log_len());
        for name in ["unused", &long] {
            drop(directory.prepare(7, name.as_bytes()).unwrap());
            assert_eq!((directory.len(), directory.next_cookie, directory.log_len()), before);
            assert!(directory.find(|| 7, name.as_bytes()).is_none());
        }
        let too_long = [b'n'; NAME_MAX + 1];
        assert_eq!(directory.prepare(7, &too_long).err(), Some(Errno::ENAMETOOLONG));
        assert_eq!((directory.len(), directory.next_cookie, directory.log_len()), before);
        let name = format!("{number}");
        directory.prepare(number as u32, name.as_bytes()).unwrap().insert(file.clone());
        let found = directory.find(|| number as u32, name.as_bytes()).unwrap();
        assert_eq!(directory.child(found).number(), file.number());
    }
    assert!(ramdisk.check(crate::check::Held::Unknown).unwrap().problems.is_empty());
}
