//! [`System`]: one process and everything that it can name.

use alloc::sync::Arc;

use crate::{Errno, HostFiles, Platform, Result, Stream};

/// How large a ramdisk may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of file data.
    pub size_bytes: u64,
    /// Number of inodes.
    pub inodes: u64,
}

/// One process: its file descriptors, directory, mask, and the mounts below `/`.
pub struct System {
    platform: Arc<dyn Platform>,
}

impl System {
    /// A process with a new, empty ramdisk at `/`, and the console as its
    /// descriptors 0, 1 and 2.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(platform: Arc<dyn Platform>, limits: Limits) -> Result<System> {
        let _ = limits;
        Ok(System { platform })
    }

    /// Mounts the host's files at the absolute path `dir`, made if missing.
    ///
    /// # Errors
    /// Those of `mkdir(2)`; ENOMEM.
    pub fn mount_host(&self, dir: &[u8], host: Arc<dyn HostFiles>) -> Result<()> {
        let _ = (dir, host);
        Err(Errno::ENOSYS)
    }

    /// `write(2)`.
    ///
    /// # Errors
    /// EBADF.
    pub fn write(&self, fd: i32, buf: &[u8]) -> Result<usize> {
        match fd {
            1 => self.platform.write_console(Stream::Stdout, buf)?,
            2 => self.platform.write_console(Stream::Stderr, buf)?,
            _ => return Err(Errno::EBADF),
        }
        Ok(buf.len())
    }
}
