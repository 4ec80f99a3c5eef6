//! Ranges of files: fallocate, copy_file_range, sendfile; and advice about them, which is
//! checked and then has no effect: posix_fadvise, readahead.

use anchorite_fs::{Allocation, FileType, Sink, Source};

use crate::file::{Append, At, Object, OpenFile};
use crate::pipe::Waits;
use crate::system::System;
use crate::{Errno, Result};

/// Bytes copied from file to file at once.
const PIECE: usize = 4096;
/// Bytes that one call copies at most, as on Linux.
const COPY_MAX: usize = 0x7fff_f000;

impl System {
    /// `fallocate(2)` with mode 0, FALLOC_FL_KEEP_SIZE, or FALLOC_FL_PUNCH_HOLE with
    /// FALLOC_FL_KEEP_SIZE: allocates `len` bytes at `offset`, or makes them a hole.
    ///
    /// # Errors
    /// EBADF; EINVAL for an offset below zero or a length not above; EOPNOTSUPP for a mode
    /// that Linux does not know; EBADF unless it is open for writing; ESPIPE for a pipe; ENODEV for what is no
    /// file; EFBIG for a range that no offset can end; EOPNOTSUPP for a mode that tmpfs does
    /// not know; EFBIG over the limit of file sizes; ENOSPC or ENOMEM: then the file is as it
    /// was; ENOSYS on the host.
    pub fn fallocate(&self, fd: i32, mode: i32, offset: i64, len: i64) -> Result<()> {
        const KEEP: i32 = libc::FALLOC_FL_KEEP_SIZE;
        const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE;
        const WRITE_ZEROES: i32 = 0x80; // the C library does not have it yet
        let file = self.file(fd)?;
        if offset < 0 || len <= 0 {
            return Err(Errno::EINVAL);
        }
        // One operation at a time, and some choose the size themselves.
        match (mode & !KEEP, mode & KEEP != 0) {
            (0 | libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_UNSHARE_RANGE, _) => {}
            (PUNCH, true) => {}
            (libc::FALLOC_FL_COLLAPSE_RANGE | libc::FALLOC_FL_INSERT_RANGE, false) => {}
            (WRITE_ZEROES, false) => {}
            _ => return Err(Errno::EOPNOTSUPP),
        }
        file.check_writable()?;
        match &file.object {
            Object::Pipe(_) => return Err(Errno::ESPIPE),
            Object::Device(_) | Object::Path => return Err(Errno::ENODEV),
            Object::Proc(_) => return Err(Errno::EOPNOTSUPP),
            Object::Inotify(_) => return Err(Errno::ENODEV),
            Object::Inode(_) | Object::Host(_) => {}
        }
        let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
        let allocation = match (mode & !KEEP, mode & KEEP != 0) {
            (0, false) => Allocation::Extend,
            (0, true) => Allocation::KeepSize,
            (PUNCH, _) => Allocation::PunchHole,
            _ => return Err(Errno::EOPNOTSUPP),
        };
        let notified = self.notified().map(|notified| (notified, file.mode()));
        match &file.object {
            Object::Inode(inode) => self.as_caller(|caller| {
                inode.allocate_range(caller, offset as u64, end as u64, allocation)
            })?,
            Object::Host(_) => return Err(Errno::ENOSYS),
            _ => return Err(Errno::ENODEV),
        }
        if let Some((notified, mode_before)) = notified {
            notified.modified(&file, mode_before);
        }
        Ok(())
    }

    /// `copy_file_range(2)`: copies up to `len` bytes between two files, at the positions
    /// given or at the file offsets, which move; returns how many were copied. The
    /// positions are updated.
    ///
    /// # Errors
    /// EBADF, also for O_APPEND on the output; EINVAL for flags; EISDIR; EINVAL for what is
    /// no regular file; EXDEV for files of two ramdisks; EOVERFLOW for a range that no number can end; EFBIG for an output at
    /// the limit of file sizes; EINVAL for ranges of one file that overlap, as far as there is
    /// something to copy, or for a position below zero; those of reading and writing.
    pub fn copy_file_range(
        &self,
        (input, input_at): (i32, Option<&mut i64>),
        (output, output_at): (i32, Option<&mut i64>),
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        let (from, to) = (self.file(input)?, self.file(output)?);
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let start = |file: &OpenFile, at: &Option<&mut i64>| match at {
            Some(position) => Ok(**position),
            None => file.seek(0, libc::SEEK_CUR).map(|offset| offset as i64),
        };
        let types = [from.attributes()?.file_type, to.attributes()?.file_type];
        if types.contains(&FileType::Directory) {
            return Err(Errno::EISDIR);
        }
        if types != [FileType::Regular; 2] {
            return Err(Errno::EINVAL);
        }
        from.check_readable()?;
        to.check_writable()?;
        if to.flags() & libc::O_APPEND != 0 {
            return Err(Errno::EBADF);
        }
        if !from.object.is_beside(&to.object) {
            return Err(Errno::EXDEV);
        }
        let (first, second) = (start(&from, &input_at)?, start(&to, &output_at)?);
        // The order of `generic_copy_file_checks` in Linux, where these words have no sign.
        let ends = [first, second].map(|at| (at as u64).checked_add(len as u64));
        if ends.contains(&None) {
            return Err(Errno::EOVERFLOW);
        }
        let (a, b) = (from.attributes()?, to.attributes()?);
        let left = (a.size as i64).saturating_sub(first);
        let len = if left <= 0 { 0 } else { len.min(left as usize) };
        // Even where nothing is to be copied.
        let limit = i64::try_from(self.limits.file_size()).unwrap_or(i64::MAX);
        if second >= limit {
            return Err(Errno::EFBIG);
        }
        let len = len.min(limit.saturating_sub(second) as usize);
        let (first_end, second_end) = (first + len as i64, second + len as i64);
        let one_file = (a.device, a.ino) == (b.device, b.ino);
        if one_file && first < second_end && second < first_end || first < 0 || second < 0 {
            return Err(Errno::EINVAL);
        }
        let done = self.copy((&from, first as u64), (&to, Some(second as u64)), len)?;
        advance(&from, input_at, first, done)?;
        advance(&to, output_at, second, done)?;
        Ok(done)
    }

    /// `sendfile(2)`: copies up to `len` bytes from `input`, at the position given or at its
    /// offset, to `output`, at its offset; returns how many were copied. It waits for room in
    /// a pipe, and then copies what finds room there.
    ///
    /// # Errors
    /// EBADF for the input; ESPIPE for a position in a pipe; EINVAL for a position below zero, or a range that ends where no
    /// offset is; EBADF for the output; EINVAL for such a range of it, for O_APPEND on what is no pipe, or for an
    /// input that is neither a regular file nor a device that has bytes; EPIPE and EAGAIN of a pipe; those of reading and writing.
    pub fn sendfile(
        &self,
        output: i32,
        input: i32,
        position: Option<&mut i64>,
        len: usize,
    ) -> Result<usize> {
        let from = self.file(input)?;
        from.check_readable()?;
        let start = match (&position, &from.object) {
            (Some(_), Object::Pipe(_)) => return Err(Errno::ESPIPE),
            (None, Object::Pipe(_)) => 0,
            (Some(position), _) => **position,
            (None, _) => from.seek(0, libc::SEEK_CUR)? as i64,
        };
        let wanted = i64::try_from(len).map_err(|_| Errno::EINVAL)?;
        if start < 0 || start.checked_add(wanted).is_none() {
            return Err(Errno::EINVAL);
        }
        let to = self.file(output)?;
        to.check_writable()?;
        to.check_transfer(At::Offset, len.min(COPY_MAX))?;
        // A pipe is written to at its end in any case.
        if to.flags() & libc::O_APPEND != 0 && !matches!(to.object, Object::Pipe(_)) {
            return Err(Errno::EINVAL);
        }
        match (&from.object, &to.object) {
            (_, Object::Pipe(end)) => end.wait_for_room(to.waits())?,
            (Object::Pipe(_), _) => return Err(Errno::EINVAL),
            (_, Object::Device(device)) if !device.can_be_sent_to() => return Err(Errno::EINVAL),
            _ => {}
        }
        let can_be_sent = match &from.object {
            Object::Device(device) => device.can_be_sent(),
            _ => from.attributes()?.file_type == FileType::Regular,
        };
        if len == 0 || !can_be_sent {
            // Linux takes it for an access all the same, unless it goes into a pipe.
            if !matches!(to.object, Object::Pipe(_)) {
                self.as_caller(|caller| {
                    from.mark_access(caller);
                    Ok(())
                })?;
            }
            return if len == 0 { Ok(0) } else { Err(Errno::EINVAL) };
        }
        if let Object::Proc(made_up) = &from.object {
            self.refresh(&from, made_up, At::Position(start as u64))?;
        }
        let copy = || self.copy((&from, start as u64), (&to, None), len);
        let done = match &to.object {
            Object::Pipe(end) => loop {
                end.wait_for_room(to.waits())?;
                match copy() {
                    // Somebody else took the room meanwhile.
                    Err(Errno::EAGAIN) if to.waits() == Waits::Yes => {}
                    done => break done?,
                }
            },
            _ => copy()?,
        };
        if !matches!(from.object, Object::Device(_)) {
            advance(&from, position, start, done)?;
        }
        Ok(done)
    }

    /// `posix_fadvise(2)`: checks its arguments; there is nothing to advise.
    ///
    /// # Errors
    /// EBADF; ESPIPE for a pipe; EINVAL for a console without a node, for a length below zero or unknown advice.
    pub fn fadvise(&self, fd: i32, _offset: i64, len: i64, advice: i32) -> Result<()> {
        let file = self.file(fd)?;
        match file.object {
            Object::Pipe(_) => return Err(Errno::ESPIPE),
            Object::Device(_) if file.place.is_none() => return Err(Errno::EINVAL),
            _ => {}
        }
        let known = libc::POSIX_FADV_NORMAL..=libc::POSIX_FADV_NOREUSE;
        if len < 0 || !known.contains(&advice) { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// `readahead(2)`: checks its arguments; all is in memory.
    ///
    /// # Errors
    /// EBADF unless it is open for reading; EINVAL for what is no regular file, or for more than
    /// `i64::MAX` bytes.
    pub fn readahead(&self, fd: i32, len: usize) -> Result<()> {
        let file = self.file(fd)?;
        file.check_readable()?;
        match file.attributes()?.file_type {
            FileType::Regular if i64::try_from(len).is_ok() => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Copies up to `len` bytes, to a position or to the file offset; stops at the end of
    /// `from`, or when room runs out.
    fn copy(
        &self,
        (from, first): (&OpenFile, u64),
        (to, second): (&OpenFile, Option<u64>),
        len: usize,
    ) -> Result<usize> {
        let notified = self.notified().map(|notified| (notified, to.mode()));
        let len = len.min(COPY_MAX);
        let mut piece = [0; PIECE];
        let mut done = 0;
        self.as_caller(|caller| {
            while done < len {
                let start = first + done as u64;
                // Up to the end of a page: in a pipe there is no more of it in a piece.
                let room = (PIECE - start as usize % PIECE).min(len - done);
                let at = At::Position(start);
                let got = match from.read(self, caller, at, &mut Sink::from(&mut piece[..room])) {
                    Ok(got) if got > 0 => got,
                    Err(errno) if done == 0 => return Err(errno),
                    _ => break,
                };
                let at = second.map_or(At::Offset, |second| At::Position(second + done as u64));
                let place = (at, Append::AsOpened);
                match to.write(self, caller, place, &mut Source::from(&piece[..got])) {
                    Ok(put) if put > 0 => done += put,
                    Err(errno) if done == 0 => return Err(errno),
                    _ => break,
                }
            }
            Ok(())
        })?;
        if let Some((notified, mode_before)) = notified
            && done > 0
        {
            notified.transferred(from, libc::IN_ACCESS);
            notified.modified(to, mode_before);
        }
        Ok(done)
    }
}

/// Moves what a copy started from: the position that was given, or the file offset.
fn advance(file: &OpenFile, position: Option<&mut i64>, start: i64, done: usize) -> Result<()> {
    let end = start + done as i64;
    match position {
        Some(position) => *position = end,
        None => {
            // Set, not moved: with one description for both ends, the write moved it already.
            file.seek(end, libc::SEEK_SET)?;
        }
    }
    Ok(())
}
