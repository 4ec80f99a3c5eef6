//! The word of a lock: who has it, and the waiting for it.

use super::readers::{self, Note};
use super::{AtomicU32, Ordering, alone};

/// Somebody has the lock for itself.
const TAKEN: u32 = 1 << 31;
/// Somebody waits to have it so.
const WANTED: u32 = 1 << 30;
/// Who shares the lock notes it elsewhere, if there is room: [`readers`].
const NOTED: u32 = 1 << 29;
/// How often the lock came to be shared from another core than before.
const CHANGES: u32 = 0xf << CHANGE.trailing_zeros();
const CHANGE: u32 = 1 << 21;
/// One and the line of the core from where it was shared last; 0 if it was not.
const LAST: u32 = 0x1f << ONE_LINE.trailing_zeros();
const ONE_LINE: u32 = 1 << 16;
/// How many share the lock and are counted here. Each is a thread with a stack, and there
/// are never so many.
const SHARERS: u32 = ONE_LINE - 1;

/// A lock's word, which threads wait for by looking at it again and again. Whoever waits to
/// have it alone keeps further ones from sharing it, so these cannot starve it by
/// following one another without a gap.
///
/// A lock that is shared from several cores by turns, and not taken in between, is shared
/// without a write to the word from then on. Who takes it ends that, at the cost of a look at
/// the lines of all cores; so the lock must prove itself again.
pub struct Word(AtomicU32);

/// How a lock is shared: what [`Word::share`] gives and [`Word::leave`] takes.
pub struct Share(Option<Note>);

impl Word {
    /// The word of a lock that nobody has.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Word {
        Word(AtomicU32::new(0))
    }

    /// Waits for the lock.
    #[inline]
    pub fn take(&self) {
        let word = self.0.load(Ordering::Relaxed);
        let is_free = word & (TAKEN | WANTED | NOTED | SHARERS) == 0;
        if !(is_free && self.exchange(word, TAKEN)) {
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
    pub fn share(&self) -> Share {
        if alone() {
            let word = self.0.load(Ordering::Relaxed);
            if word < WANTED {
                self.0.store(word + 1, Ordering::Relaxed);
                return Share(None);
            }
        }
        self.share_with_others()
    }

    /// Lets go of a lock that was shared.
    #[inline]
    pub fn leave(&self, share: Share) {
        if alone() {
            // Nothing is noted elsewhere by who is alone.
            debug_assert!(share.0.is_none());
            core::mem::forget(share);
            self.0.store(self.0.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        } else {
            self.leave_with_others(share);
        }
    }

    /// Out of line, as its counterpart: who is alone is to have short code.
    #[inline(never)]
    fn share_with_others(&self) -> Share {
        let word = self.0.load(Ordering::Relaxed);
        self.try_share(word).unwrap_or_else(|| self.wait_to_share())
    }

    #[inline(never)]
    fn leave_with_others(&self, share: Share) {
        if share.0.is_none() {
            self.0.fetch_sub(1, Ordering::Release);
        }
    }

    #[inline]
    fn try_share(&self, word: u32) -> Option<Share> {
        if word >= WANTED {
            return None;
        }
        if word & NOTED == 0 {
            return self.exchange(word, with_change(word) + 1).then_some(Share(None));
        }
        let Some(note) = Note::take(self.address()) else {
            return self.exchange(word, word + 1).then_some(Share(None));
        };
        // Who takes the lock from here on sees the note; who did before is seen.
        let now = self.0.load(Ordering::SeqCst);
        (now & (TAKEN | WANTED | NOTED) == NOTED).then_some(Share(Some(note)))
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
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn wait_to_take(&self) {
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if word & (TAKEN | SHARERS) == 0 {
                if self.exchange(word, TAKEN) {
                    if word & NOTED != 0 {
                        readers::wait_for_all(self.address(), relax);
                    }
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
    fn wait_to_share(&self) -> Share {
        loop {
            if let Some(share) = self.try_share(self.0.load(Ordering::Relaxed)) {
                return share;
            }
            relax();
        }
    }

    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

/// A word that is counted in from this core.
#[inline]
fn with_change(word: u32) -> u32 {
    let here = (readers::line() as u32 + 1) * ONE_LINE;
    let last = word & LAST;
    if last == here {
        return word;
    }
    let changed = word - last + here + if last == 0 { 0 } else { CHANGE };
    if changed & CHANGES == CHANGES { changed | NOTED } else { changed }
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

#[cfg(all(test, not(anchorite_model)))]
mod tests;
