//! [`Quota`]: how much of something there is, and may be.

use crate::sync::{AtomicU64, BATCH, Class, Counter, MOST_OF_ALL, Mutex, Ordering, Spares, alone};
use crate::{Errno, Result, planted};

/// What is used of something that is limited.
///
/// Problem: the limit is exact, and cores that use and free something are not to write one
/// count in turns.
///
/// Choice: as long as there is room for it, a core takes a batch at a time, and what it does
/// not use is kept as a spare. When there is not, what all keep is called back, and the one
/// count is exact: nobody is refused who had room.
pub(crate) struct Quota {
    /// What is used, the spares included.
    taken: Counter,
    spares: Spares,
    /// Changed by who has the turn.
    limit: AtomicU64,
    /// Held to let cores keep spares, to call them back, or to change the limit.
    turn: Mutex<()>,
}

impl Quota {
    pub(crate) fn new(limit: u64) -> Quota {
        let turn = Mutex::new(Class::Last, ());
        let limit = AtomicU64::new(limit);
        Quota { taken: Counter::new(0), spares: Spares::new(), limit, turn }
    }

    /// How much there may be.
    #[inline]
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes the limit. Who charges at this very moment may still do so by the former one.
    ///
    /// # Errors
    /// EINVAL if more than that is used; then nothing has changed.
    pub(crate) fn set_limit(&self, limit: u64) -> Result<()> {
        let _turn = self.turn.lock();
        self.taken.subtract(self.spares.close());
        if self.taken.get() > limit {
            return Err(Errno::EINVAL);
        }
        self.limit.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// Takes so many.
    ///
    /// # Errors
    /// ENOSPC.
    pub(crate) fn charge(&self, count: u64) -> Result<()> {
        if planted!("limit_is_checked_apart") {
            let room = self.used().checked_add(count).is_some_and(|sum| sum <= self.limit());
            self.taken.add(if room { count } else { 0 });
            return if room { Ok(()) } else { Err(Errno::ENOSPC) };
        }
        let is_done = if alone() {
            self.taken.add_below(count, self.limit())
        } else {
            self.spares.take(count)
        };
        if is_done { Ok(()) } else { self.charge_all(count) }
    }

    /// Gives so many back.
    pub(crate) fn uncharge(&self, count: u64) {
        if alone() || !self.spares.give(count) {
            self.taken.subtract(count);
        }
    }

    /// How many are used. Exact while nobody charges or gives back.
    pub(crate) fn used(&self) -> u64 {
        self.taken.get().saturating_sub(self.spares.sum())
    }

    /// Lets the quota count this, true or not.
    #[cfg(test)]
    pub(crate) fn set(&self, used: u64) {
        self.spares.close();
        self.taken.set(used);
    }

    #[cold]
    fn charge_all(&self, count: u64) -> Result<()> {
        let _turn = self.turn.lock();
        let roomy = self.limit().saturating_sub(MOST_OF_ALL);
        if count <= roomy && self.taken.add_below(count + BATCH, roomy) {
            self.spares.refill();
            return Ok(());
        }
        // Who finds no spares waits for the turn, so nobody misses those that are on the way.
        self.taken.subtract(self.spares.close());
        if self.taken.add_below(count, self.limit()) { Ok(()) } else { Err(Errno::ENOSPC) }
    }
}
