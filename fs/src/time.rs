//! [`Timestamp`]: a point in time as an inode keeps it; [`Now`]: when a call is made.

use core::cell::Cell;

use libc::timespec;

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

    /// The time when it was last read, for those who can do with that.
    fn recent(&self) -> Timestamp;
}

/// When a call is made: its clock is read when that is asked first, so at most once.
pub struct Now<'a> {
    clock: &'a dyn Clock,
    read: Cell<Option<Timestamp>>,
}

impl<'a> Now<'a> {
    /// By this clock.
    pub fn new(clock: &'a dyn Clock) -> Now<'a> {
        Now { clock, read: Cell::new(None) }
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
            Moment::Now(now) => now.read.get().unwrap_or_else(|| {
                let time = now.clock.now();
                now.read.set(Some(time));
                time
            }),
        }
    }

    /// The time, or a recent one.
    pub(crate) fn recent(self) -> Timestamp {
        match self {
            Moment::At(time) => time,
            Moment::Now(now) => now.read.get().unwrap_or_else(|| now.clock.recent()),
        }
    }
}
