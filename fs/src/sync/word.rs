//! The word of a lock: who has it, and the waiting for it.

use super::cores::this_line;
use super::published::Noted;
use super::readers::{self, Note};
use super::{AtomicU32, Ordering, alone};
use crate::planted;

/// Somebody has the lock for itself, or waits only for those who share it to go. Nobody comes
/// to share it meanwhile.
const TAKEN: u32 = 1 << 31;
/// The lock is left to the core from where it was taken last: who has its address in the first place
/// of that core's line has the lock for itself. Nobody else has it or shares it.
const LEFT: u32 = 1 << 30;
/// Who shares the lock notes it elsewhere, if there is room: [`readers`].
const NOTED: u32 = 1 << 29;
/// How the lock was shared since it was taken last: what there is to show that it is worth to
/// be noted. Or how often it was taken by those of one core who had noted it before.
const PROOF: u32 = 0x1ff << USE.trailing_zeros();
/// It came to be shared from another core than before.
const CHANGE: u32 = 32 * USE;
/// It was shared by one who had its address noted, and had to be counted all the same; or taken by
/// one.
const USE: u32 = 1 << 20;
/// What is enough. One who is short of it may add a change and a use at once: these have room
/// above it.
const ENOUGH: u32 = 14 * CHANGE;
const _: () = assert!(ENOUGH - USE + CHANGE + USE <= PROOF);
/// How often a lock is taken from one core, and shared from no other, before it is left to it.
const ENOUGH_TAKEN: u32 = if cfg!(anchorite_model) { USE } else { 8 * USE };
/// One and the line of the core from where it was shared last, or taken by one who had noted it;
/// 0 if it was not.
const LAST: u32 = 0x1f << ONE_LINE.trailing_zeros();
const ONE_LINE: u32 = 1 << 15;
/// How many share the lock and are counted here. Each is a thread with a stack, and there
/// are never so many.
const SHARERS: u32 = ONE_LINE - 1;

/// A lock's word, which threads wait for by looking at it again and again. Whoever takes it
/// keeps further ones from sharing it first, so these cannot starve it by following one
/// another without a gap.
///
/// A lock that is shared from several cores by turns, and not taken in between, is shared
/// without a write to the word from then on. Who takes it ends that, at the cost of a look at
/// the lines of all cores; so the lock must prove itself again.
///
/// One that is taken from the same core again and again, by who has noted it before, is left to
/// that core: it is then taken without a write to the word. Whoever else wants it ends that in the
/// same way.
pub struct Word(AtomicU32);

/// How a lock is shared: what [`Word::share`] gives and [`Word::leave`] takes.
pub struct Share(How);

enum How {
    /// Nowhere, by who is alone.
    Unseen,
    /// Counted in the word.
    Counted,
    /// Noted elsewhere.
    Noted(Note),
}

/// What [`Word::share_noted`] hands out: nothing that the note does not say, or a share that had
/// to be counted. It is no [`How`] of its own, since all that share a lock would look for it.
pub struct ShareNoted(Option<Share>);

/// What [`Word::take_noted`] hands out: what is to be in the word afterwards, if it is not as before.
pub struct TakenNoted(Option<u32>);

impl Word {
    /// The word of a lock that nobody has.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Word {
        Word(AtomicU32::new(0))
    }

    /// Waits for the lock. Who is alone says so too: others may come while he has it.
    #[inline]
    pub fn take(&self) {
        if alone() && self.0.load(Ordering::Relaxed) & (TAKEN | LEFT | NOTED | SHARERS) == 0 {
            self.0.store(TAKEN, Ordering::Relaxed);
        } else {
            self.take_from_others();
        }
    }

    fn take_from_others(&self) {
        // Without a look at it before: that would fetch the word's cache line once more.
        let is_free = self.0.compare_exchange(0, TAKEN, Ordering::SeqCst, Ordering::Relaxed);
        if is_free.is_err() {
            let word = self.0.fetch_or(TAKEN, Ordering::SeqCst);
            if word & (TAKEN | LEFT | NOTED | SHARERS) != 0 {
                self.wait_to_take(word);
            }
        }
    }

    /// Lets go of a lock that was taken.
    #[inline]
    pub fn give(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Waits for the lock to share it.
    pub fn share(&self) -> Share {
        // Alone first: another core may have changed the word until it says so by ending.
        if alone() {
            let word = self.0.load(Ordering::Relaxed);
            if word < LEFT {
                self.0.store(word + 1, Ordering::Relaxed);
                return Share(How::Counted);
            }
        }
        self.share_with_others()
    }

    /// As [`share`](Word::share), but who is alone leaves no trace of it: so others must not come, nor
    /// the lock be taken, before it is left.
    #[inline]
    pub(super) fn share_unseen(&self) -> Share {
        if alone() {
            debug_assert!(!self.is_taken());
            return Share(How::Unseen);
        }
        self.share_with_others()
    }

    /// Shares the lock, whose address is noted, as long as it is; none if that would be to
    /// wait. Whoever takes the lock waits for the note in any case, so its holder must not.
    #[inline]
    pub fn share_noted(&self, noted: &Noted) -> Option<ShareNoted> {
        if !noted.is_of(self.address()) {
            return None;
        }
        let word = self.0.load(Ordering::SeqCst);
        if word & (TAKEN | LEFT | NOTED) == NOTED || is_left_to(noted, word) {
            return Some(ShareNoted(None));
        }
        if word >= LEFT {
            return None;
        }
        let counted = self.count(word, proven(with_change(word) + USE) + 1)?;
        Some(ShareNoted(Some(counted)))
    }

    /// Lets go of a lock that was shared by one who had its address noted.
    #[inline]
    pub fn leave_noted(&self, share: ShareNoted) {
        if let Some(counted) = share.0 {
            self.leave(counted);
        }
    }

    /// Takes the lock, whose address is noted, as long as it is; none if that would be to wait.
    #[inline]
    pub fn take_noted(&self, noted: &Noted) -> Option<TakenNoted> {
        if !noted.is_of(self.address()) {
            return None;
        }
        let word = self.0.load(Ordering::SeqCst);
        if is_left_to(noted, word) {
            return Some(TakenNoted(None));
        }
        if word & (TAKEN | LEFT | NOTED | SHARERS) != 0 {
            return None;
        }
        let (taken, lost) = (Ordering::Acquire, Ordering::Relaxed);
        self.0.compare_exchange(word, TAKEN, taken, lost).ok()?;
        let here = line_of(noted);
        let next = match word & PROOF {
            _ if here == 0 || word & LAST != here => here,
            ENOUGH_TAKEN.. => LEFT | here,
            _ => word + USE,
        };
        Some(TakenNoted(Some(next)))
    }

    /// Lets go of a lock that was taken by one who had its address noted.
    #[inline]
    pub fn give_noted(&self, taken: TakenNoted) {
        if let TakenNoted(Some(next)) = taken {
            self.0.store(next, Ordering::Release);
        }
    }

    /// Lets go of a lock that was shared.
    #[inline]
    pub fn leave(&self, share: Share) {
        match share.0 {
            How::Unseen => {}
            How::Counted => self.discount(),
            How::Noted(note) => drop(note),
        }
    }

    fn discount(&self) {
        if alone() {
            self.0.store(self.0.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        } else {
            self.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// Out of line: who is alone is to have short code.
    #[inline(never)]
    fn share_with_others(&self) -> Share {
        let word = self.0.load(Ordering::Relaxed);
        self.try_share(word).unwrap_or_else(|| self.wait_to_share())
    }

    #[inline]
    fn try_share(&self, word: u32) -> Option<Share> {
        if word >= LEFT {
            return None;
        }
        if word & NOTED == 0 {
            return self.count(word, with_change(word) + 1);
        }
        let Some(note) = Note::take(self.address()) else { return self.count(word, word + 1) };
        // Who takes the lock from here on sees the note; who did before is seen.
        let now = self.0.load(Ordering::SeqCst);
        (now & (TAKEN | LEFT | NOTED) == NOTED).then_some(Share(How::Noted(note)))
    }

    #[inline]
    fn count(&self, from: u32, to: u32) -> Option<Share> {
        let (taken, lost) = (Ordering::Acquire, Ordering::Relaxed);
        let is_done = self.0.compare_exchange(from, to, taken, lost).is_ok();
        is_done.then_some(Share(How::Counted))
    }

    /// Waits after [`take`](Word::take) found `word`.
    #[cold]
    fn wait_to_take(&self, mut word: u32) {
        let mut pause = Pause::new();
        while word & TAKEN != 0 {
            pause.wait();
            word = self.0.load(Ordering::Relaxed);
            if word & TAKEN == 0 {
                word = self.0.fetch_or(TAKEN, Ordering::SeqCst);
            }
        }
        while self.0.load(Ordering::Acquire) & SHARERS != 0 {
            pause.wait();
        }
        if word & (LEFT | NOTED) != 0 && !planted!("core_that_has_a_lock_is_not_waited_for") {
            readers::wait_for_all(self.address(), || pause.wait());
        }
    }

    #[cold]
    fn wait_to_share(&self) -> Share {
        let mut pause = Pause::new();
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if word & (TAKEN | LEFT) == LEFT {
                self.take_from_others();
                self.0.store(1, Ordering::Release);
                return Share(How::Counted);
            }
            if let Some(share) = self.try_share(word) {
                return share;
            }
            pause.wait();
        }
    }

    /// Whether somebody has taken it; already old when it returns.
    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Relaxed) & TAKEN != 0
    }

    /// Whether who shares it notes it elsewhere; already old when it returns.
    #[inline]
    pub(super) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed) & NOTED != 0
    }

    /// What is noted of it.
    pub fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

/// What [`LAST`] is for the core in whose line the note has the first place, which no other has at
/// that time; 0 for other notes.
#[inline]
fn line_of(noted: &Noted) -> u32 {
    noted.first_of_line().map_or(0, |line| (line as u32 + 1) * ONE_LINE)
}

/// Whether the word is that of a lock that whoever noted this has for itself.
#[inline]
fn is_left_to(noted: &Noted, word: u32) -> bool {
    word == LEFT | line_of(noted)
}

/// A word that is counted in from this core.
#[inline]
fn with_change(word: u32) -> u32 {
    let here = (this_line() as u32 + 1) * ONE_LINE;
    let last = word & LAST;
    if last == here {
        return word;
    }
    let changed = word - last + here + if last == 0 { 0 } else { CHANGE };
    proven(changed)
}

/// The word, for which there may be proof enough.
#[inline]
fn proven(word: u32) -> u32 {
    if word & PROOF >= ENOUGH { word | NOTED } else { word }
}

/// Waits for a moment, and a longer one each time: who looks at a word takes it away from
/// who is to write it.
pub(super) struct Pause(u32);

impl Pause {
    const LONGEST: u32 = 16;

    pub(super) fn new() -> Pause {
        Pause(1)
    }

    #[cfg(not(anchorite_model))]
    pub(super) fn wait(&mut self) {
        for _ in 0..self.0 {
            core::hint::spin_loop();
        }
        self.0 = (2 * self.0).min(Pause::LONGEST);
    }

    #[cfg(anchorite_model)]
    pub(super) fn wait(&mut self) {
        self.0 = Pause::LONGEST;
        #[cfg(anchorite_model = "loom")]
        loom::thread::yield_now();
        #[cfg(anchorite_model = "shuttle")]
        shuttle::thread::yield_now();
    }
}

#[cfg(all(test, not(anchorite_model)))]
mod tests;
