//! [`Timestamp`]: a point in time as an inode keeps it.

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
