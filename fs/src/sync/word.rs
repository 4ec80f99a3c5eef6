//! The word of a lock: who has it, and the waiting for it.

use super::{AtomicU32, Ordering, alone};

/// Somebody has the lock for itself.
const TAKEN: u32 = 1 << 31;
/// Somebody waits to have it so. Below this bit, those are counted that share it.
const WANTED: u32 = 1 << 30;

/// A lock's word, which threads wait for by looking at it again and again. Whoever waits to
/// have it alone keeps further ones from sharing it, so these cannot starve it by
/// following one another without a gap.
pub struct Word(AtomicU32);

impl Word {
    /// The word of a lock that nobody has.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Word {
        Word(AtomicU32::new(0))
    }

    /// Waits for the lock.
    #[inline]
    pub fn take(&self) {
        if !self.try_take(0) {
            self.wait_to_take();
        }
    }

    /// Lets go of a lock that was taken. Whoever waits to take it says so again: somebody
    /// may come to share it before.
    #[inline]
    pub fn give(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Waits for the lock to share it.
    #[inline]
    pub fn share(&self) {
        if !self.try_share() {
            self.wait_to_share();
        }
    }

    /// Lets go of a lock that was shared.
    #[inline]
    pub fn leave(&self) {
        if alone() {
            self.0.store(self.0.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        } else {
            self.0.fetch_sub(1, Ordering::Release);
        }
    }

    #[inline(always)]
    fn try_take(&self, free: u32) -> bool {
        self.exchange(free, TAKEN)
    }

    #[inline(always)]
    fn try_share(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        // Each that shares it is a thread with a stack: their count never reaches WANTED.
        word < WANTED && self.exchange(word, word + 1)
    }

    #[inline(always)]
    fn exchange(&self, from: u32, to: u32) -> bool {
        if alone() {
            let same = self.0.load(Ordering::Relaxed) == from;
            if same {
                self.0.store(to, Ordering::Relaxed);
            }
            return same;
        }
        self.0.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn wait_to_take(&self) {
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if word & !WANTED == 0 {
                if self.try_take(word) {
                    return;
                }
            } else if word & WANTED == 0 {
                let _ = self.exchange(word, word | WANTED);
            } else {
                relax();
            }
        }
    }

    #[cold]
    fn wait_to_share(&self) {
        while !self.try_share() {
            relax();
        }
    }
}

/// Waits a moment.
fn relax() {
    #[cfg(not(anchorite_model))]
    core::hint::spin_loop();
    #[cfg(anchorite_model = "loom")]
    loom::thread::yield_now();
    #[cfg(anchorite_model = "shuttle")]
    shuttle::thread::yield_now();
}
