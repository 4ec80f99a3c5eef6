//! Reading and writing several buffers at once: readv, writev, preadv, pwritev, preadv2,
//! pwritev2. One call is one transfer: nothing comes between its buffers.

use anchorite_fs::{FileType, Segment, Sink, Source};
use arrayvec::ArrayVec;

use crate::calls::data::TRANSFER_MAX;
use crate::calls::position;
use crate::file::{Append, At};
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
        if !has_bytes(&segments) {
            return self.file(fd)?.check_readable().map(|()| 0);
        }
        // SAFETY: the slices are borrowed for the time of the call.
        self.read_into(fd, At::Offset, || Ok(unsafe { Sink::from_segments(&segments) }))
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
        if !has_bytes(&segments) {
            return self.file(fd)?.check_writable().map(|()| 0);
        }
        self.write_from(fd, (At::Offset, Append::AsOpened), || {
            // SAFETY: the slices are borrowed for the time of the call.
            Ok(unsafe { Source::from_segments(&segments) })
        })
    }

    /// `readv(2)` and its kin by the addresses of a program, with the flags of `preadv2(2)`.
    ///
    /// # Errors
    /// EBADF; EINVAL for more than 1024 buffers, or more than `isize::MAX` bytes; EFAULT;
    /// those of [`append_by_flags`]; those of [`pread`](System::pread).
    pub(crate) fn readv_raw(
        &self,
        fd: i32,
        at: At,
        flags: u64,
        (vector, count): (u64, u64),
    ) -> Result<usize> {
        let file = self.file(fd)?;
        file.check_readable()?;
        let segments = self.segments(vector, count)?;
        if !has_bytes(&segments) {
            return Ok(0);
        }
        if flags != 0 {
            file.check_area(at, bytes(&segments))?;
            let is_directory = file.attributes()?.file_type == FileType::Directory;
            if is_directory && flags as i32 & !libc::RWF_HIPRI != 0 {
                return Err(Errno::EOPNOTSUPP);
            }
            append_by_flags(flags)?;
        }
        // SAFETY: each was checked to be mapped.
        self.read_into(fd, at, || Ok(unsafe { Sink::from_segments(&segments) }))
    }

    /// `writev(2)` and its kin by the addresses of a program, with the flags of `pwritev2(2)`, as
    /// [`readv_raw`](System::readv_raw).
    ///
    /// # Errors
    /// EBADF; EINVAL for more than 1024 buffers, or more than `isize::MAX` bytes; EFAULT;
    /// those of [`append_by_flags`]; those of [`pwrite`](System::pwrite).
    pub(crate) fn writev_raw(
        &self,
        fd: i32,
        at: At,
        flags: u64,
        (vector, count): (u64, u64),
    ) -> Result<usize> {
        let file = self.file(fd)?;
        file.check_writable()?;
        let segments = self.segments(vector, count)?;
        if !has_bytes(&segments) {
            return Ok(0);
        }
        if flags != 0 {
            file.check_area(at, bytes(&segments))?;
        }
        let append = append_by_flags(flags)?;
        // SAFETY: each was checked to be mapped.
        self.write_from(fd, (at, append), || Ok(unsafe { Source::from_segments(&segments) }))
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

/// Whether there is anything to transfer. If not, Linux looks neither at flags nor at what
/// kind of file it is.
fn has_bytes(segments: &Segments) -> bool {
    bytes(segments) > 0
}

/// How many bytes one call would transfer.
fn bytes(segments: &Segments) -> usize {
    segments.iter().map(Segment::len).sum::<usize>().min(TRANSFER_MAX)
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
