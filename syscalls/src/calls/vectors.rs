//! Reading and writing several buffers at once: readv, writev, preadv, pwritev, preadv2,
//! pwritev2. One call is one transfer: nothing comes between its buffers.

use anchorite_fs::{Segment, Sink, Source};
use arrayvec::ArrayVec;

use crate::calls::position;
use crate::file::{Append, At, OpenFile};
use crate::system::System;
use crate::{Errno, Result};

/// Buffers that one call takes: IOV_MAX, `readv(2)`.
const BUFFERS_MAX: usize = 1024;

type Segments = ArrayVec<Segment, BUFFERS_MAX>;

impl System {
    /// `readv(2)`: fills the buffers in turn from the file offset on.
    ///
    /// # Errors
    /// EBADF; EINVAL for more than 1024 buffers; EISDIR; EIO.
    pub fn readv(&self, fd: i32, buffers: &mut [&mut [u8]]) -> Result<usize> {
        let mut segments = Segments::new();
        for buffer in buffers {
            push(&mut segments, buffer.as_mut_ptr(), buffer.len())?;
        }
        // SAFETY: the slices are borrowed for the time of the call.
        self.read_vector(fd, At::Offset, unsafe { Sink::from_segments(&segments) }, 0)
    }

    /// `writev(2)`: writes the buffers in turn at the file offset.
    ///
    /// # Errors
    /// EBADF; EINVAL for more than 1024 buffers; EFBIG; ENOSPC; ENOMEM; EIO.
    pub fn writev(&self, fd: i32, buffers: &[&[u8]]) -> Result<usize> {
        let mut segments = Segments::new();
        for buffer in buffers {
            push(&mut segments, buffer.as_ptr().cast_mut(), buffer.len())?;
        }
        // SAFETY: the slices are borrowed for the time of the call.
        self.write_vector(fd, At::Offset, unsafe { Source::from_segments(&segments) }, 0)
    }

    /// `readv(2)` and its kin by the addresses of a program; `flags` are `preadv2(2)`'s.
    ///
    /// # Errors
    /// EBADF; EINVAL for more than 1024 buffers, or more than `isize::MAX` bytes; EFAULT;
    /// those of [`read_vector`](System::read_vector).
    pub(crate) fn readv_raw(
        &self,
        fd: i32,
        at: At,
        (vector, count): (u64, u64),
        flags: u64,
    ) -> Result<usize> {
        self.file_to_read(fd, at)?;
        let segments = self.segments(vector, count)?;
        // SAFETY: each was checked to be mapped.
        self.read_vector(fd, at, unsafe { Sink::from_segments(&segments) }, flags)
    }

    /// `writev(2)` and its kin by the addresses of a program; `flags` are `pwritev2(2)`'s.
    ///
    /// # Errors
    /// EBADF; EINVAL for more than 1024 buffers, or more than `isize::MAX` bytes; EFAULT;
    /// those of [`write_vector`](System::write_vector).
    pub(crate) fn writev_raw(
        &self,
        fd: i32,
        at: At,
        (vector, count): (u64, u64),
        flags: u64,
    ) -> Result<usize> {
        self.file_to_write(fd, at)?;
        let segments = self.segments(vector, count)?;
        // SAFETY: each was checked to be mapped.
        self.write_vector(fd, at, unsafe { Source::from_segments(&segments) }, flags)
    }

    /// Fills `sink`. Where it has no room at all, nothing else is looked at, as on Linux.
    ///
    /// # Errors
    /// EBADF; EINVAL if the transfer would end where no offset is; EOPNOTSUPP and EINVAL for
    /// flags; those of [`pread`](System::pread).
    fn read_vector(&self, fd: i32, at: At, sink: Sink<'_>, flags: u64) -> Result<usize> {
        let file = self.file_to_read(fd, at)?;
        if sink.remaining() == 0 {
            self.tell_empty_read(&file);
            return Ok(0);
        }
        file.check_transfer(at, sink.remaining())?;
        if file.is_directory() && flags as u32 & !(libc::RWF_HIPRI as u32) != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        append_by_flags(flags)?;
        let done = self.read_counted(&file, at, Ok(sink))?;
        if done == 0 {
            self.tell_empty_read(&file);
        }
        Ok(done)
    }

    /// A read into a vector is told even if it got nothing, as by Linux.
    fn tell_empty_read(&self, file: &OpenFile) {
        if let Some(notified) = self.notified() {
            notified.transferred(file, libc::IN_ACCESS);
        }
    }

    /// Writes what is in `source`. Where it is nothing, nothing else is looked at.
    ///
    /// # Errors
    /// EBADF; EINVAL if the transfer would end where no offset is; EOPNOTSUPP and EINVAL for
    /// flags; those of [`pwrite`](System::pwrite).
    fn write_vector(&self, fd: i32, at: At, source: Source<'_>, flags: u64) -> Result<usize> {
        let file = self.file_to_write(fd, at)?;
        if source.remaining() == 0 {
            return Ok(0);
        }
        file.check_transfer(at, source.remaining())?;
        let append = append_by_flags(flags)?;
        self.write_counted(&file, (at, append), Ok(source))
    }

    /// Copies a program's array of `struct iovec` and checks what it names.
    fn segments(&self, vector: u64, count: u64) -> Result<Segments> {
        let memory = self.user_memory();
        let count = usize::try_from(count).ok().filter(|&count| count <= BUFFERS_MAX);
        let count = count.ok_or(Errno::EINVAL)?;
        let mut segments = Segments::new();
        let mut total = 0usize;
        for at in 0..count {
            let address = (vector as usize).wrapping_add(at * size_of::<[usize; 2]>());
            let [start, len]: [usize; 2] = memory.get(address)?;
            total = total
                .checked_add(len)
                .filter(|&total| total <= isize::MAX as usize)
                .ok_or(Errno::EINVAL)?;
            memory.check(start, len)?;
            push(&mut segments, core::ptr::with_exposed_provenance_mut(start), len)?;
        }
        Ok(segments)
    }
}

/// Where `preadv2(2)` and `pwritev2(2)` transfer: -1 is the file offset.
///
/// # Errors
/// EINVAL for another offset below zero.
pub(crate) fn position_or_offset(offset: i64) -> Result<At> {
    if offset == -1 { Ok(At::Offset) } else { position(offset) }
}

/// What the flags of `preadv2(2)` and `pwritev2(2)` ask for. RWF_HIPRI, RWF_DSYNC, RWF_SYNC
/// and RWF_NOSIGNAL change nothing where all is memory; RWF_NOWAIT, RWF_ATOMIC and
/// RWF_DONTCACHE are refused, as on tmpfs.
///
/// # Errors
/// EOPNOTSUPP for other flags; EINVAL for RWF_APPEND with RWF_NOAPPEND.
fn append_by_flags(flags: u64) -> Result<Append> {
    const APPEND: u64 = libc::RWF_APPEND as u64;
    const NO_APPEND: u64 = 0x20;
    const NO_SIGNAL: u64 = 0x100;
    const WITHOUT_EFFECT: u64 =
        (libc::RWF_HIPRI | libc::RWF_DSYNC | libc::RWF_SYNC) as u64 | NO_SIGNAL;
    match flags as u32 as u64 & !WITHOUT_EFFECT {
        0 => Ok(Append::AsOpened),
        APPEND => Ok(Append::Yes),
        NO_APPEND => Ok(Append::No),
        both if both == APPEND | NO_APPEND => Err(Errno::EINVAL),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

fn push(segments: &mut Segments, start: *mut u8, len: usize) -> Result<()> {
    segments.try_push(Segment::new(start, len)).map_err(|_| Errno::EINVAL)
}
