//! Sharing a lock without writing to it.
//!
//! To count itself in a lock's word, a thread needs the word's cache line for itself: 50 to
//! 100 cycles where another core had it last, for every call of each. Where a lock is shared by
//! several cores and hardly ever taken, a thread therefore notes the lock in a line of its own
//! core, and who takes the lock looks at the lines of all. (Dice and Kogan, BRAVO: Biased
//! Locking for Reader-Writer Locks, 2019; there, the lines are one table that is hashed into.)

use super::cores::{LINES, this_line};
use super::{Apart, AtomicUsize, Ordering};

/// Places in a line. A thread holds fewer locks at once.
#[cfg(not(anchorite_model))]
const PLACES: usize = 8;
#[cfg(anchorite_model)]
const PLACES: usize = 2;

/// Addresses of locks that are shared; 0 for none.
type Line = Apart<[AtomicUsize; PLACES]>;

#[cfg(not(anchorite_model))]
static READERS: [Line; LINES] = [const { Apart([const { AtomicUsize::new(0) }; PLACES]) }; LINES];
#[cfg(anchorite_model = "loom")]
loom::lazy_static! {
    static ref READERS: [Line; LINES] = new();
}
#[cfg(anchorite_model = "shuttle")]
shuttle::lazy_static! {
    static ref READERS: [Line; LINES] = new();
}
#[cfg(anchorite_model)]
fn new() -> [Line; LINES] {
    core::array::from_fn(|_| Apart(core::array::from_fn(|_| AtomicUsize::new(0))))
}

/// A place in a core's line, where a lock is noted.
pub(super) struct Note(&'static AtomicUsize);

impl Note {
    /// Notes a lock in the line of this core, unless that is full. Everybody who looks at the
    /// lines from now on sees it, or what they wrote before is seen from here.
    #[inline]
    pub(super) fn take(lock: usize) -> Option<Note> {
        for place in &READERS[this_line()].0 {
            if place.load(Ordering::Relaxed) == 0
                && place.compare_exchange(0, lock, Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                in_one_order();
                return Some(Note(place));
            }
        }
        None
    }

    /// The line in which it has the first place. There is one note at a time for which that is so.
    #[inline]
    pub(super) fn first_of_line(&self) -> Option<usize> {
        self.place().is_multiple_of(size_of::<Line>()).then(|| self.line())
    }

    /// Which line it is in.
    #[inline]
    pub(super) fn line(&self) -> usize {
        self.place() / size_of::<Line>() % LINES
    }

    /// Bytes before its place.
    #[inline]
    fn place(&self) -> usize {
        core::ptr::from_ref(self.0).addr() - core::ptr::from_ref(&READERS[0].0[0]).addr()
    }
}

impl Drop for Note {
    #[inline]
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Calls `wait` until nobody has the lock noted. Of those who note it later, each sees what
/// the caller wrote before.
pub(super) fn wait_for_all(lock: usize, mut wait: impl FnMut()) {
    in_one_order();
    for place in READERS.iter().flat_map(|line| &line.0) {
        while place.load(Ordering::SeqCst) == lock {
            wait();
        }
    }
}

/// Orders what was written before with what is read after, for all who do so. The accesses
/// themselves are so ordered; loom takes them for less.
#[inline(always)]
fn in_one_order() {
    #[cfg(anchorite_model = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}
