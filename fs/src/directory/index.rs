//! [`Index`]: from a name's hash to a place in the log.
//!
//! A search in a large directory waits for memory, once for each line that it did not
//! foresee. So a bucket has all that leads on: the hash, by which a table that grows need not
//! look at the entries again; the place in the log; and where the inode is, whose lines are
//! fetched while the name is compared. Open addressing, linear probing, three quarters full
//! at most; a removal moves up those behind it.

use alloc::vec::Vec;

use crate::mem::prefetch;
use crate::{Errno, Result};

const SMALLEST: usize = 16;

#[derive(Clone, Copy)]
struct Bucket {
    hash: u32,
    /// A place in the log, or [`EMPTY`].
    slot: u32,
    /// Where in memory that is which the entry names. Only a hint: it may be old.
    hint: usize,
}

/// No log has as many entries.
const EMPTY: u32 = u32::MAX;

/// A hash table of places in a log.
pub(super) struct Index {
    /// A power of two, or none.
    buckets: Vec<Bucket>,
    len: usize,
}

impl Index {
    /// One that holds nothing and takes no memory.
    pub(super) const fn new() -> Index {
        Index { buckets: Vec::new(), len: 0 }
    }

    /// An empty one with room for `count`.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn with_room(count: usize) -> Result<Index> {
        let wanted = count.checked_mul(4).ok_or(Errno::ENOMEM)? / 3 + 1;
        let len = wanted.next_power_of_two().max(SMALLEST);
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        buckets.resize(len, Bucket { hash: 0, slot: EMPTY, hint: 0 });
        Ok(Index { buckets, len: 0 })
    }

    /// Whether it has room for anything.
    pub(super) fn exists(&self) -> bool {
        !self.buckets.is_empty()
    }

    /// How many places it holds.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The places that it holds, in no order.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.buckets.iter().map(|bucket| bucket.slot).filter(|&slot| slot != EMPTY)
    }

    /// A place that was put in with this hash and that `is_it`.
    #[inline]
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.buckets.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let bucket = self.buckets[at];
            if bucket.slot == EMPTY {
                return None;
            }
            if bucket.hash == hash {
                prefetch(bucket.hint);
                if is_it(bucket.slot) {
                    return Some(bucket.slot);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes room for one more.
    ///
    /// # Errors
    /// ENOMEM: then nothing changed.
    pub(super) fn reserve(&mut self) -> Result<()> {
        if self.has_room() {
            return Ok(());
        }
        let mut larger = Index::with_room(self.len + 1)?;
        for bucket in self.buckets.iter().filter(|bucket| bucket.slot != EMPTY) {
            larger.put(*bucket);
        }
        *self = larger;
        Ok(())
    }

    /// Adds a place, for which there is room; what it leads to is at `hint`.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, slot: u32, hint: usize) {
        debug_assert!(self.has_room());
        self.put(Bucket { hash, slot, hint });
    }

    /// Notes that the place `slot` leads to `hint` now.
    pub(super) fn redirect(&mut self, hash: u32, slot: u32, hint: usize) {
        if let Some(at) = self.position(hash, slot) {
            self.buckets[at].hint = hint;
        }
    }

    /// Removes a place, if it is there.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let Some(mut gap) = self.position(hash, slot) else { return };
        let mask = self.buckets.len() - 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let bucket = self.buckets[at];
            if bucket.slot == EMPTY {
                break;
            }
            // It moves up unless it would come before where its hash leads.
            let from_home = at.wrapping_sub(bucket.hash as usize) & mask;
            let from_gap = at.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.buckets[gap] = bucket;
                gap = at;
            }
        }
        self.buckets[gap].slot = EMPTY;
        self.len -= 1;
    }

    /// Removes all; the room stays.
    pub(super) fn clear(&mut self) {
        self.buckets.iter_mut().for_each(|bucket| bucket.slot = EMPTY);
        self.len = 0;
    }

    fn has_room(&self) -> bool {
        (self.len + 1) * 4 <= self.buckets.len() * 3
    }

    #[inline]
    fn put(&mut self, bucket: Bucket) {
        let mask = self.buckets.len() - 1;
        let mut at = bucket.hash as usize & mask;
        while self.buckets[at].slot != EMPTY {
            at = (at + 1) & mask;
        }
        self.buckets[at] = bucket;
        self.len += 1;
    }

    fn position(&self, hash: u32, slot: u32) -> Option<usize> {
        let mask = self.buckets.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            match self.buckets[at].slot {
                EMPTY => return None,
                found if found == slot => return Some(at),
                _ => at = (at + 1) & mask,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    /// Places with few hashes, added and removed, against a map.
    #[test]
    fn random_changes_agree_with_a_map() {
        let rounds = if cfg!(miri) { 400 } else { 40_000 };
        for hashes in [1, 3, 50, 1 << 31] {
            let (mut index, mut model) = (Index::new(), BTreeMap::new());
            let mut random = 0x2545_f491_4f6c_dd1du64;
            for round in 0..rounds {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let slot = (random >> 40) as u32 % 40;
                let hash = slot.wrapping_mul(0x9e37_79b9) % hashes;
                if model.remove(&slot).is_some() {
                    index.remove(hash, slot);
                    index.remove(hash, slot);
                } else if round % 1000 < 700 || model.len() < 10 {
                    index.reserve().unwrap();
                    index.insert(hash, slot, 0);
                    model.insert(slot, hash);
                }
                assert_eq!(index.len(), model.len());
                let found = index.find(hash, |found| found == slot);
                assert_eq!(found, model.contains_key(&slot).then_some(slot));
            }
            for (&slot, &hash) in &model {
                assert_eq!(index.find(hash, |found| found == slot), Some(slot));
            }
            assert_eq!(index.slots().count(), model.len());
            index.clear();
            assert_eq!((index.len(), index.slots().count()), (0, 0));
        }
    }

    #[test]
    fn an_index_that_is_none_finds_nothing() {
        let mut index = Index::new();
        assert_eq!(index.find(7, |_| true), None);
        index.remove(7, 7);
        index.redirect(7, 7, 7);
        assert!(!index.exists());
    }

    #[test]
    fn there_is_always_an_empty_bucket() {
        for count in 0..1000 {
            let index = Index::with_room(count).unwrap();
            assert!(count * 4 <= index.buckets.len() * 3, "{count}");
        }
    }
}
