//! [`Timestamp`]: a point in time as an inode keeps it; [`Now`]: when a call is made.

use core::cell::Cell;

use libc::timespec;

use crate::sync::{AtomicI64, AtomicU32, Ordering};

/// Seconds and nanoseconds since 1970, UTC, in twelve bytes: an inode has four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed(4))]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

impl Timestamp {
    /// The given time; `nanoseconds` below one thousand million.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        Timestamp { seconds, nanoseconds }
    }

    /// Whole seconds.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds of the second.
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// For comparison: earlier is less.
    pub const fn key(self) -> (i64, u32) {
        (self.seconds, self.nanoseconds)
    }
}

impl From<timespec> for Timestamp {
    fn from(time: timespec) -> Self {
        Timestamp { seconds: time.tv_sec, nanoseconds: time.tv_nsec as u32 }
    }
}

/// A clock. To read one takes longer than a short call does otherwise: 30 cycles and more
/// for a time-stamp counter.
pub trait Clock {
    /// The time.
    fn now(&self) -> Timestamp;
}

/// When a core last read the clock.
pub struct Recent {
    seconds: AtomicI64,
    /// How often that was good enough.
    uses: AtomicU32,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { seconds: AtomicI64::new(i64::MIN), uses: AtomicU32::new(0) }
    }
}

impl Recent {
    /// The second when the clock was last read; none for one use in 64, for which it is to be read.
    /// Threads that count on one core at once lose some.
    #[inline]
    fn seconds(&self) -> Option<i64> {
        const USES: u32 = 64;
        let uses = self.uses.load(Ordering::Relaxed);
        self.uses.store(uses.wrapping_add(1), Ordering::Relaxed);
        (!uses.is_multiple_of(USES)).then(|| self.seconds.load(Ordering::Relaxed))
    }
}

/// When a call is made: its clock is read when that is asked first, so at most once.
pub struct Now<'a> {
    clock: &'a dyn Clock,
    recent: &'a Recent,
    read: Cell<Option<Timestamp>>,
}

impl<'a> Now<'a> {
    /// By this clock; `recent` keeps what it told, near this core.
    pub fn new(clock: &'a dyn Clock, recent: &'a Recent) -> Now<'a> {
        Now { clock, recent, read: Cell::new(None) }
    }

    /// Reads the clock.
    #[inline]
    fn look(&self) -> Timestamp {
        let time = self.clock.now();
        self.recent.seconds.store(time.seconds(), Ordering::Relaxed);
        self.read.set(Some(time));
        time
    }
}

/// When a call is made, however that is known.
#[derive(Clone, Copy)]
pub enum Moment<'a> {
    /// At this time.
    At(Timestamp),
    /// Now, whenever that turns out to be.
    Now(&'a Now<'a>),
}

impl Moment<'_> {
    #[inline]
    pub(crate) fn get(self) -> Timestamp {
        match self {
            Moment::At(time) => time,
            Moment::Now(now) => now.read.get().unwrap_or_else(|| now.look()),
        }
    }

    /// The second, or a recent one.
    #[inline]
    pub(crate) fn recent_seconds(self) -> i64 {
        match self {
            Moment::At(time) => time.seconds(),
            Moment::Now(now) => match now.read.get() {
                Some(time) => time.seconds(),
                None => now.recent.seconds().unwrap_or_else(|| now.look().seconds()),
            },
        }
    }
}
