//! What is counted in one place, taken from there in advance, and kept near each core.

use super::cores::{LINES, this_line};
use super::{Apart, AtomicU64, Ordering};

/// How many are taken in advance at once.
pub(crate) const BATCH: u64 = 64;
/// How many a core keeps at most.
const MOST: u64 = 4 * BATCH;
/// A core keeps nothing, until somebody lets it.
const CLOSED: u64 = u64::MAX;

/// How many of all the cores keep at most, roughly.
pub(crate) const MOST_OF_ALL: u64 = LINES as u64 * MOST;

/// Spare units of a common count, by core: counted there, and used by nobody. So cores that
/// take one and give it back write no line in common.
pub(crate) struct Spares([Apart<AtomicU64>; LINES]);

impl Spares {
    /// Nothing, and nobody keeps anything.
    pub(crate) fn new() -> Spares {
        Spares(core::array::from_fn(|_| Apart(AtomicU64::new(CLOSED))))
    }

    /// Takes so many of those that this core keeps; whether there were so many.
    #[inline]
    pub(crate) fn take(&self, count: u64) -> bool {
        self.change(|kept| if kept == CLOSED { None } else { kept.checked_sub(count) })
    }

    /// Gives this core so many to keep; whether it has room.
    #[inline]
    pub(crate) fn give(&self, count: u64) -> bool {
        self.change(|kept| kept.checked_add(count).filter(|&sum| sum <= MOST))
    }

    /// Gives this core a batch to keep. Not at once with [`close`](Spares::close).
    pub(crate) fn refill(&self) {
        self.change(|kept| Some(if kept == CLOSED { BATCH } else { kept + BATCH }));
    }

    /// Takes all that is kept; from now on nobody keeps anything, until a refill.
    pub(crate) fn close(&self) -> u64 {
        self.0
            .iter()
            .map(|kept| {
                if kept.load(Ordering::Relaxed) == CLOSED {
                    0
                } else {
                    value(kept.swap(CLOSED, Ordering::AcqRel))
                }
            })
            .sum()
    }

    /// How many are kept; already old when it returns.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|kept| value(kept.load(Ordering::Relaxed))).sum()
    }

    #[inline]
    fn change(&self, to: impl Fn(u64) -> Option<u64>) -> bool {
        let kept = &self.0[this_line()];
        let mut old = kept.load(Ordering::Relaxed);
        while let Some(new) = to(old) {
            match kept.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => old = other,
            }
        }
        false
    }
}

fn value(kept: u64) -> u64 {
    if kept == CLOSED { 0 } else { kept }
}

/// Numbers that are given once, to each core out of a range of its own.
pub(crate) struct Ranges([Apart<AtomicU64>; LINES]);

impl Ranges {
    /// No core has a range.
    pub(crate) fn new() -> Ranges {
        Ranges(core::array::from_fn(|_| Apart(AtomicU64::new(0))))
    }

    /// Lets every core go on with this number.
    #[cfg(test)]
    pub(crate) fn set(&self, next: u64) {
        self.0.iter().for_each(|range| range.store(next, Ordering::Relaxed));
    }

    /// A number; `more` gives the first of as many as are asked for, when the range has ended.
    #[inline]
    pub(crate) fn next(&self, more: impl FnOnce(u64) -> u64) -> u64 {
        let next = &self.0[this_line()];
        let mut old = next.load(Ordering::Relaxed);
        // Ranges begin and end at whole batches.
        while !old.is_multiple_of(BATCH) {
            match next.compare_exchange_weak(old, old + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return old,
                Err(other) => old = other,
            }
        }
        let first = more(2 * BATCH).next_multiple_of(BATCH);
        // Where somebody else put another range, this one has one number only.
        let _ = next.compare_exchange(old, first + 1, Ordering::Relaxed, Ordering::Relaxed);
        first
    }
}
