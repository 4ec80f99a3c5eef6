//! [`Pool`]: the table of the files that exist at one moment.
//!
//! It has two slots for each file of `set number`. Files are chosen at random
//! by slot, drawing again for an empty one, so *which* slot a new file takes
//! decides every later draw. The rule, found by watching: the slot after the
//! one taken last if that is free, else the first free one.

use alloc::vec::Vec;

use anchorite_syscalls::{Errno, Result};

use crate::free::FreeSlots;
use crate::random::Random;

/// One file. Its path is made anew for each use: that is cheaper than what
/// keeping it would cost in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name: the how-manieth file of the run, from 1.
    pub number: u32,
    /// Its size in bytes.
    pub size: i32,
    /// Which location it is in; without meaning if there are none.
    pub location: u32,
    /// Which subdirectory it is in; without meaning if there are none.
    pub subdirectory: u32,
}

/// The files that exist.
pub struct Pool {
    /// The slots that have been taken at least once; there is room for all.
    /// Without meaning where `free` says so.
    files: Vec<File>,
    slots: usize,
    free: FreeSlots,
    live: usize,
    /// The slot after the one taken last.
    next: usize,
}

impl Pool {
    /// An empty table.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(slots: usize) -> Result<Pool> {
        let mut files = Vec::new();
        files.try_reserve_exact(slots).map_err(|_| Errno::ENOMEM)?;
        Ok(Pool { files, slots, free: FreeSlots::all(slots)?, live: 0, next: 0 })
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Whether there is no free slot.
    pub fn is_full(&self) -> bool {
        self.live == self.slots
    }

    /// The file in `slot`.
    pub fn get(&self, slot: usize) -> Option<File> {
        (slot < self.files.len() && !self.free.contains(slot)).then(|| self.files[slot])
    }

    /// Adds a file to a table that is not full.
    pub fn add(&mut self, file: File) {
        let slot = if self.free.contains(self.next) {
            self.next
        } else {
            self.free.first().expect("a slot is free: not full")
        };
        self.free.remove(slot);
        // A slot is the first free one or follows a taken one, so it is at
        // most one beyond those that were taken.
        match self.files.get_mut(slot) {
            Some(place) => *place = file,
            None => self.files.push(file),
        }
        self.live += 1;
        self.next = slot + 1;
    }

    /// The file in `slot`, which has one, grew by `bytes`.
    pub fn grow(&mut self, slot: usize, bytes: i32) {
        self.files[slot].size += bytes;
    }

    /// Takes the file out of `slot`, which has one.
    pub fn remove(&mut self, slot: usize) {
        debug_assert!(!self.free.contains(slot));
        self.free.insert(slot);
        self.live -= 1;
    }

    /// Draws slots until one has a file. The table is not empty.
    pub fn choose(&self, random: &mut Random) -> usize {
        // The slots are twice an `i32`, checked not to overflow.
        let slots = self.slots as i32;
        loop {
            let slot = random.below(slots) as usize;
            if !self.free.contains(slot) {
                return slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u32) -> File {
        File { number, size: 1, location: 0, subdirectory: 0 }
    }

    fn numbers(pool: &Pool) -> Vec<u32> {
        (0..pool.slots()).map(|slot| pool.get(slot).map_or(0, |file| file.number)).collect()
    }

    #[test]
    fn a_new_file_takes_the_slot_after_the_last_or_the_first_free_one() {
        let mut pool = Pool::new(8).unwrap();
        (1..=4).for_each(|number| pool.add(file(number)));
        pool.remove(1);
        pool.add(file(5));
        assert_eq!(numbers(&pool), [1, 0, 3, 4, 5, 0, 0, 0]);
        (6..=8).for_each(|number| pool.add(file(number)));
        assert_eq!(numbers(&pool), [1, 0, 3, 4, 5, 6, 7, 8]);
        pool.remove(4);
        pool.add(file(9));
        assert_eq!(numbers(&pool), [1, 9, 3, 4, 0, 6, 7, 8]);
        // The slot after the last is taken: not the next free one, the first.
        pool.remove(0);
        pool.add(file(10));
        assert_eq!(numbers(&pool), [10, 9, 3, 4, 0, 6, 7, 8]);
        pool.add(file(11));
        assert!(pool.is_full());
    }

    #[test]
    fn a_chosen_slot_has_a_file() {
        let mut pool = Pool::new(100).unwrap();
        (1..=3).for_each(|number| pool.add(file(number)));
        let mut random = Random::new(5);
        for _ in 0..100 {
            assert!(pool.choose(&mut random) < 3);
        }
    }
}
