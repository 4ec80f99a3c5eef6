//! What atomics cost while nobody else is there: nothing.
//!
//! An atomic read-modify-write takes about twenty cycles on x86-64, a load and a store one or
//! two, and a short call does several, for its locks and its counted references. While this
//! program has one thread, nobody can come between the load and the store, so they do. (The C
//! library does likewise by `__libc_single_threaded`, Linux by `fdget`, which counts no
//! reference where a table of descriptors has one user.)

use super::{AtomicU64, AtomicUsize, Ordering};

/// Not a model's: a model has several threads, whatever is declared.
static ALONE: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

/// Whether one thread alone uses this crate.
#[inline(always)]
pub fn alone() -> bool {
    !cfg!(anchorite_model) && ALONE.load(Ordering::Acquire)
}

/// Declares that no other thread uses anything of this crate or of one above it, from now on
/// until [`declare_shared`].
///
/// # Safety
/// That is so. Threads that take turns on one processor count as one, if a call lets another run
/// only where it waits for something; it then holds no lock, and nothing that it has not counted. And
/// what calls call (a clock, a platform, the drop of what was lent) calls none of these crates.
#[allow(unsafe_code)]
pub unsafe fn declare_alone() {
    ALONE.store(true, Ordering::Release);
}

/// Declares that there may be other threads, as is so to begin with. To be called before one
/// is started.
pub fn declare_shared() {
    crate::cold::settle();
    ALONE.store(false, Ordering::Release);
}

/// A count that threads share.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A count that starts at `value`.
    pub fn new(value: u64) -> Counter {
        Counter(AtomicU64::new(value))
    }

    /// The count; already old when it returns.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the count, whatever others do.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds; returns what the count was.
    #[inline]
    pub fn add(&self, more: u64) -> u64 {
        if alone() {
            let value = self.get();
            self.set(value.wrapping_add(more));
            return value;
        }
        self.0.fetch_add(more, Ordering::Relaxed)
    }

    /// Subtracts.
    #[inline]
    pub fn subtract(&self, less: u64) {
        self.add(less.wrapping_neg());
    }

    /// Adds unless the count would pass `limit`; whether it did. A refused count is never to
    /// be seen, so that it refuses nobody else.
    #[inline]
    pub fn add_below(&self, more: u64, limit: u64) -> bool {
        // Before the look at the count, which another core may change until it ends.
        let is_alone = alone();
        let mut value = self.get();
        loop {
            let Some(sum) = value.checked_add(more).filter(|&sum| sum <= limit) else {
                return false;
            };
            if is_alone {
                self.set(sum);
                return true;
            }
            let (same, no_order) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.0.compare_exchange_weak(value, sum, same, no_order) {
                Ok(_) => return true,
                Err(other) => value = other,
            }
        }
    }
}

/// How many references there are to something.
pub(crate) struct References(AtomicUsize);

impl References {
    /// One.
    pub(crate) fn new() -> References {
        References(AtomicUsize::new(1))
    }

    /// How many; with what the holders of those that are gone did.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// So many more, by somebody who has one.
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// So many less, by somebody who has another.
    pub(crate) fn subtract(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Release);
    }

    /// One more, by somebody who has one.
    #[inline]
    pub(crate) fn increment(&self) {
        if alone() {
            self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One less; whether it was the last.
    #[inline]
    pub(crate) fn decrement(&self) -> bool {
        if alone() {
            let count = self.0.load(Ordering::Relaxed) - 1;
            self.0.store(count, Ordering::Relaxed);
            return count == 0;
        }
        self.0.fetch_sub(1, Ordering::Release) == 1
    }
}
