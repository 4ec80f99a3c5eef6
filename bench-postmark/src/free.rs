//! [`FreeSlots`]: which slots of the table are free, and which is the first.
//!
//! The original looks for a slot from the table's start, one by one. A bitmap
//! with a summary bit for each word, and a summary of the summaries, finds the
//! same slot in a handful of steps, whatever the table's size.

use alloc::vec::Vec;

use anchorite_syscalls::{Errno, Result};

/// Slots in a word.
const WORD: usize = 64;

/// A set of slots, with the smallest at hand.
pub struct FreeSlots {
    /// Level 0 has one bit a slot, 1 for free; level n + 1 has one bit a word
    /// of level n, 1 if the word is not 0. The last level is one word.
    levels: Vec<Vec<u64>>,
}

impl FreeSlots {
    /// All of `slots` slots, free.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn all(slots: usize) -> Result<FreeSlots> {
        let mut levels = Vec::new();
        let mut bits = slots;
        loop {
            let words = bits.div_ceil(WORD).max(1);
            let mut level = Vec::new();
            level.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
            level.resize(words, u64::MAX);
            // The last word may have room for slots that there are not.
            level[words - 1] = match bits - (words - 1) * WORD {
                0 => 0,
                used => u64::MAX >> (WORD - used),
            };
            levels.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            levels.push(level);
            if words == 1 {
                return Ok(FreeSlots { levels });
            }
            bits = words;
        }
    }

    /// Whether `slot` is free. A slot beyond the table is not.
    pub fn contains(&self, slot: usize) -> bool {
        let word = self.levels[0].get(slot / WORD).copied().unwrap_or(0);
        word >> (slot % WORD) & 1 == 1
    }

    /// The first free slot.
    pub fn first(&self) -> Option<usize> {
        let mut at = 0;
        for level in self.levels.iter().rev() {
            let word = level[at];
            if word == 0 {
                return None;
            }
            at = at * WORD + word.trailing_zeros() as usize;
        }
        Some(at)
    }

    /// Marks `slot` as free. It is in the table.
    pub fn insert(&mut self, slot: usize) {
        let mut at = slot;
        for level in &mut self.levels {
            let was = level[at / WORD];
            level[at / WORD] = was | 1 << (at % WORD);
            if was != 0 {
                return;
            }
            at /= WORD;
        }
    }

    /// Marks `slot` as taken. It is in the table.
    pub fn remove(&mut self, slot: usize) {
        let mut at = slot;
        for level in &mut self.levels {
            level[at / WORD] &= !(1 << (at % WORD));
            if level[at / WORD] != 0 {
                return;
            }
            at /= WORD;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn agrees_with_a_plain_set_at_every_size() {
        for slots in [0, 1, 2, 63, 64, 65, 4095, 4096, 4097, 300_000] {
            let mut free = FreeSlots::all(slots).unwrap();
            let mut plain: BTreeSet<usize> = (0..slots).collect();
            let mut random = crate::Random::new(slots as u32 + 1);
            for step in 0..2000 {
                assert_eq!(free.first(), plain.first().copied(), "{slots} slots, {step}");
                if slots == 0 {
                    continue;
                }
                let slot = random.below(slots.min(100) as i32) as usize * slots.div_ceil(101);
                assert_eq!(free.contains(slot), plain.contains(&slot));
                if slot < slots && random.below(2) == 0 {
                    free.insert(slot);
                    plain.insert(slot);
                } else if slot < slots {
                    free.remove(slot);
                    plain.remove(&slot);
                }
            }
        }
    }

    #[test]
    fn a_slot_beyond_the_table_is_not_free() {
        let free = FreeSlots::all(10).unwrap();
        assert!(free.contains(9));
        assert!(!free.contains(10));
        assert!(!free.contains(64));
        assert!(!free.contains(usize::MAX));
    }
}
