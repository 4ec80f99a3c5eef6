//! Other file systems in memory. What they lack is told in the crate's documentation.

pub mod fs_core;
pub mod ramfs;
pub mod rsfs;
pub mod vfs;

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, by the clock that the calls and most of the others ask.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}
