//! Who calls, and what a file's mode lets them do: `path_resolution(7)`,
//! `credentials(7)`.

use alloc::vec::Vec;

use bitflags::bitflags;

use crate::{Errno, Moment, Now, Result, Timestamp};

/// The identity that file accesses are checked against.
#[derive(Debug, Default)]
pub struct Credentials {
    /// File-system user; 0 is root, whom permissions do not stop.
    pub uid: u32,
    /// File-system group.
    pub gid: u32,
    /// Supplementary groups, in ascending order.
    pub groups: Vec<u32>,
}

impl Credentials {
    /// Whether permissions do not apply (CAP_DAC_OVERRIDE, CAP_FOWNER and their kin).
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether `gid` is the group or one of the supplementary groups.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.binary_search(&gid).is_ok()
    }
}

/// Who calls, when, and within what bounds.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The caller's identity.
    pub credentials: &'a Credentials,
    /// When the call is made.
    pub moment: Moment<'a>,
    /// Permissions that a new file does not get: `umask(2)`. A symbolic link has them all.
    pub umask: u32,
    /// The size that the caller may let a file grow to: RLIMIT_FSIZE.
    pub file_size_limit: u64,
    /// What reading does to a file's access time.
    pub access_time: AccessTime,
}

/// What reading does to a file's access time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTime {
    /// Updates it where that is news: `mount(8)`, relatime.
    Update,
    /// Updates it: `mount(8)`, strictatime.
    Always,
    /// Leaves it: O_NOATIME; `mount(8)`, noatime.
    Keep,
}

/// Somebody without rights.
static ANYBODY: Credentials = Credentials { uid: u32::MAX, gid: u32::MAX, groups: Vec::new() };

impl<'a> Caller<'a> {
    /// Whoever calls, now: for what does not depend on that.
    pub fn anybody(now: &'a Now<'a>) -> Caller<'a> {
        Caller::by_clock(&ANYBODY, now)
    }

    /// A caller without bounds or mask, at this time.
    pub const fn new(credentials: &'a Credentials, time: Timestamp) -> Caller<'a> {
        Caller::without_bounds(credentials, Moment::At(time))
    }

    /// A caller without bounds or mask, now.
    pub const fn by_clock(credentials: &'a Credentials, now: &'a Now<'a>) -> Caller<'a> {
        Caller::without_bounds(credentials, Moment::Now(now))
    }

    const fn without_bounds(credentials: &'a Credentials, moment: Moment<'a>) -> Caller<'a> {
        let access_time = AccessTime::Update;
        Caller { credentials, moment, umask: 0, file_size_limit: u64::MAX, access_time }
    }

    /// The time that the call stamps on what it changes.
    #[inline]
    pub fn now(&self) -> Timestamp {
        self.moment.get()
    }

    /// The second, or that in which the time was last asked for: good for what is about hours.
    #[inline]
    pub(crate) fn recent_seconds(&self) -> i64 {
        self.moment.recent_seconds()
    }
}

bitflags! {
    /// Kinds of access, by the bits of a mode and of `access(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u32 {
        /// Read a file, list a directory.
        const READ = 4;
        /// Write a file, change a directory's entries.
        const WRITE = 2;
        /// Execute a file, search a directory.
        const EXECUTE = 1;
    }
}

/// Checks `wanted` against a file's owner and mode.
///
/// # Errors
/// EACCES.
#[inline]
pub(crate) fn check(
    credentials: &Credentials,
    wanted: Access,
    (uid, gid, mode): (u32, u32, u32),
    is_directory: bool,
) -> Result<()> {
    if credentials.is_root() {
        // Root may do all but execute a file that nobody may execute.
        let denied = wanted.contains(Access::EXECUTE) && !is_directory && mode & 0o111 == 0;
        return if denied { Err(Errno::EACCES) } else { Ok(()) };
    }
    let granted = if credentials.uid == uid {
        mode >> 6
    } else if credentials.in_group(gid) {
        mode >> 3
    } else {
        mode
    };
    if Access::from_bits_truncate(granted & 7).contains(wanted) {
        Ok(())
    } else {
        Err(Errno::EACCES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_first_class_that_fits_decides() {
        let user = Credentials { uid: 10, gid: 20, groups: vec![30] };
        let file = |uid, gid, mode| check(&user, Access::READ, (uid, gid, mode), false);
        assert_eq!(file(10, 0, 0o400), Ok(()));
        assert_eq!(file(10, 20, 0o077), Err(Errno::EACCES));
        assert_eq!(file(1, 20, 0o040), Ok(()));
        assert_eq!(file(1, 30, 0o040), Ok(()));
        assert_eq!(file(1, 30, 0o404), Err(Errno::EACCES));
        assert_eq!(file(1, 2, 0o004), Ok(()));
        assert_eq!(file(1, 2, 0o770), Err(Errno::EACCES));
    }

    #[test]
    fn root_needs_one_execute_bit_on_files_only() {
        let root = Credentials::default();
        assert_eq!(check(&root, Access::READ | Access::WRITE, (9, 9, 0), false), Ok(()));
        assert_eq!(check(&root, Access::EXECUTE, (9, 9, 0o666), false), Err(Errno::EACCES));
        assert_eq!(check(&root, Access::EXECUTE, (9, 9, 0o001), false), Ok(()));
        assert_eq!(check(&root, Access::EXECUTE, (9, 9, 0), true), Ok(()));
    }
}
