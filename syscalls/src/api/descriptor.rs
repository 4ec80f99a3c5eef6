//! [`Descriptor`]: a file descriptor that closes itself.

use core::{fmt, mem};

use crate::{Result, System};

/// Owns descriptor `fd` of the process `sys`.
pub(super) struct Descriptor<'a> {
    pub(super) sys: &'a System,
    pub(super) fd: i32,
}

impl<'a> Descriptor<'a> {
    /// Opens `path`, a relative one from the directory `at`.
    ///
    /// # Errors
    /// Those of [`System::openat`].
    pub(super) fn open(
        sys: &'a System,
        at: i32,
        path: &[u8],
        flags: i32,
        mode: u32,
    ) -> Result<Descriptor<'a>> {
        sys.openat(at, path, flags, mode).map(|fd| Descriptor { sys, fd })
    }

    /// Closes it; returns what dropping would ignore.
    pub(super) fn close(self) -> Result<()> {
        let sys = self.sys;
        sys.close(self.into_fd())
    }

    /// The number alone, left open.
    pub(super) fn into_fd(self) -> i32 {
        let fd = self.fd;
        mem::forget(self);
        fd
    }
}

impl Drop for Descriptor<'_> {
    fn drop(&mut self) {
        // Nobody is left to tell; `close` is for those who want to know.
        let _ = self.sys.close(self.fd);
    }
}

impl fmt::Debug for Descriptor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fd)
    }
}
