//! Content: read, write, pread64, pwrite64, lseek, truncate, ftruncate; fsync, fdatasync,
//! sync, syncfs.

use anchorite_fs::sync::{By, alone};
use anchorite_fs::{Sink, Source};

use crate::file::{Append, At, Object};
use crate::node::Files;
use crate::system::System;
use crate::walk::LastLink;
use crate::{Errno, Result};

/// Bytes that one call transfers at most, as on Linux (`read(2)`, NOTES).
const TRANSFER_MAX: usize = 0x7fff_f000;

impl System {
    /// `read(2)`: reads up to `buf.len()` bytes at the file offset; returns how many, 0 at
    /// the end.
    ///
    /// # Errors
    /// EBADF; EINVAL if the offset after `buf.len()` bytes would be above `i64::MAX`; EISDIR;
    /// EIO.
    pub fn read(&self, fd: i32, buf: &mut [u8]) -> Result<usize> {
        self.read_into(fd, At::Offset, || Ok(Sink::from(buf)))
    }

    /// `pread(2)`: reads at `offset`; the file offset stays.
    ///
    /// # Errors
    /// EINVAL for an offset below zero; EBADF; EINVAL as for [`read`](System::read); ESPIPE;
    /// EISDIR; EIO.
    pub fn pread(&self, fd: i32, buf: &mut [u8], offset: i64) -> Result<usize> {
        self.read_into(fd, position(offset)?, || Ok(Sink::from(buf)))
    }

    /// `write(2)`: writes at the file offset, or at the end with O_APPEND; returns how
    /// many bytes found room.
    ///
    /// # Errors
    /// EBADF; EINVAL if the offset after `buf.len()` bytes would be above `i64::MAX`; EFBIG
    /// for appending to a file of that size; ENOSPC or ENOMEM if not one byte found room;
    /// EIO.
    pub fn write(&self, fd: i32, buf: &[u8]) -> Result<usize> {
        self.write_from(fd, (At::Offset, Append::AsOpened), || Ok(Source::from(buf)))
    }

    /// `pwrite(2)`: writes at `offset`, or at the end with O_APPEND, as Linux does; the
    /// file offset stays.
    ///
    /// # Errors
    /// EINVAL for an offset below zero; EBADF; ESPIPE; the others of [`write`](System::write).
    pub fn pwrite(&self, fd: i32, buf: &[u8], offset: i64) -> Result<usize> {
        self.write_from(fd, (position(offset)?, Append::AsOpened), || Ok(Source::from(buf)))
    }

    /// `lseek(2)` by SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA or SEEK_HOLE; returns the new offset. It never
    /// changes the file.
    ///
    /// # Errors
    /// EBADF; ESPIPE; ENXIO if there is no more data, or for SEEK_DATA and SEEK_HOLE from the
    /// end on; EINVAL for another `whence`, or a result below zero or above
    /// `i64::MAX`.
    pub fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        self.file(fd)?.seek(offset, whence)
    }

    /// `truncate(2)`: makes the file at `path` `length` bytes long, by a hole if longer.
    ///
    /// # Errors
    /// EINVAL for a length below zero; those of the path; EISDIR; EINVAL for what is no
    /// regular file; EACCES; ENOSYS on the host.
    pub fn truncate(&self, path: &[u8], length: i64) -> Result<()> {
        let size = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        self.as_caller(|caller| {
            let place = self.place_at(caller, libc::AT_FDCWD, path, LastLink::Follow, 0)?;
            place.node.truncate(caller, size)
        })
    }

    /// `ftruncate(2)`: as [`truncate`](System::truncate), by descriptor.
    ///
    /// # Errors
    /// EINVAL for a length below zero; EBADF; EINVAL unless it is a regular file open for
    /// writing; ENOSYS on the host.
    pub fn ftruncate(&self, fd: i32, length: i64) -> Result<()> {
        let size = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        let file = self.file(fd)?;
        file.check_writable().map_err(|_| Errno::EINVAL)?;
        self.as_caller(|caller| file.truncate(caller, size))
    }

    /// `fsync(2)` and `fdatasync(2)`: memory is all the storage that a ramdisk has; what was
    /// forwarded is with the host.
    ///
    /// # Errors
    /// EBADF; EINVAL for the console.
    pub fn fsync(&self, fd: i32) -> Result<()> {
        match self.file(fd)?.object {
            Object::Console(_) => Err(Errno::EINVAL),
            _ => Ok(()),
        }
    }

    /// `sync(2)`.
    pub fn sync(&self) {}

    /// `syncfs(2)`.
    ///
    /// # Errors
    /// EBADF.
    pub fn syncfs(&self, fd: i32) -> Result<()> {
        self.file(fd).map(drop)
    }

    /// Reads into what `sink` gives, which is asked once the descriptor is known to be
    /// readable.
    pub(crate) fn read_into<'a>(
        &self,
        fd: i32,
        at: At,
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        if !alone() {
            return self.read_beside_others(fd, at, sink);
        }
        let file = self.file(fd)?;
        file.check_readable()?;
        let mut sink = sink()?;
        sink.truncate(TRANSFER_MAX);
        self.as_caller(|caller| file.read(self, caller, at, &mut sink))
    }

    /// [`read_into`](System::read_into) with as few atomics as can be. Out of line, as the one
    /// for writes: who is alone is to have short code.
    #[inline(never)]
    fn read_beside_others<'a>(
        &self,
        fd: i32,
        at: At,
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        let mut sink = Asked::Not(sink);
        if let At::Position(position) = at
            && let Some(file) = self.descriptors.borrow(fd, By::Lock)
        {
            file.check_readable()?;
            let sink = sink.get()?;
            sink.truncate(TRANSFER_MAX);
            let noted = file.noted();
            let done = self.as_anybody(|caller| file.read_noted(noted, caller, position, sink))?;
            if let Some(done) = done {
                return Ok(done);
            }
            // Whatever is to be waited for may wait for the note. Once more, without it.
        }
        let file = self.descriptors.borrow_or_get(fd)?;
        file.check_not_path()?;
        file.check_readable()?;
        let sink = sink.get()?;
        sink.truncate(TRANSFER_MAX);
        self.as_caller(|caller| file.read(self, caller, at, sink))
    }

    /// Writes what `source` gives, which is asked once the descriptor is known to be
    /// writable.
    pub(crate) fn write_from<'a>(
        &self,
        fd: i32,
        (at, append): (At, Append),
        source: impl FnOnce() -> Result<Source<'a>>,
    ) -> Result<usize> {
        let file = self.file(fd)?;
        file.check_writable()?;
        let mut source = source()?;
        source.truncate(TRANSFER_MAX);
        self.as_caller(|caller| file.write(self, caller, (at, append), &mut source))
    }
}

/// Where a call puts what it reads, which is asked for once.
enum Asked<'a, F> {
    Not(F),
    Is(Sink<'a>),
    /// It was refused.
    Failed,
}

impl<'a, F: FnOnce() -> Result<Sink<'a>>> Asked<'a, F> {
    fn get(&mut self) -> Result<&mut Sink<'a>> {
        if let Asked::Not(_) = self
            && let Asked::Not(ask) = core::mem::replace(self, Asked::Failed)
        {
            *self = Asked::Is(ask()?);
        }
        match self {
            Asked::Is(sink) => Ok(sink),
            _ => Err(Errno::EFAULT),
        }
    }
}

/// # Errors
/// EINVAL for an offset below zero.
pub(crate) fn position(offset: i64) -> Result<At> {
    u64::try_from(offset).map(At::Position).map_err(|_| Errno::EINVAL)
}
