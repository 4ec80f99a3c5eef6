//! Content: read, write, pread64, pwrite64, lseek, truncate, ftruncate; fsync, fdatasync,
//! sync, syncfs.

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::alone;
use anchorite_fs::{Access, FileType, InodeRef, Sink, Source};

use crate::file::{Append, At, Object, OpenFile, TRANSFER_MAX, check_end};
use crate::node::Files;
use crate::notify::{Given, Notified};
use crate::pipe::End;
use crate::proc::ProcFile;
use crate::system::System;
use crate::walk::LastLink;
use crate::{Errno, Result};

impl System {
    /// `read(2)`: reads up to `buf.len()` bytes at the file offset; returns how many, 0 at
    /// the end. Of a pipe: what is there; while nothing is, but somebody could write, it waits.
    ///
    /// # Errors
    /// EBADF; EINVAL if the offset after `buf.len()` bytes would be above `i64::MAX`; EISDIR;
    /// EAGAIN instead of waiting with O_NONBLOCK; EIO.
    pub fn read(&self, fd: i32, buf: &mut [u8]) -> Result<usize> {
        self.read_into(fd, At::Offset, || Ok(Sink::from(buf)))
    }

    /// `pread(2)`: reads at `offset`; the file offset stays.
    ///
    /// # Errors
    /// EINVAL for an offset below zero; EBADF; ESPIPE; EBADF; EINVAL as for
    /// [`read`](System::read); EISDIR; EIO.
    pub fn pread(&self, fd: i32, buf: &mut [u8], offset: i64) -> Result<usize> {
        self.read_into(fd, position(offset)?, || Ok(Sink::from(buf)))
    }

    /// `write(2)`: writes at the file offset, or at the end with O_APPEND; returns how
    /// many bytes found room. To a pipe: all bytes, and up to PIPE_BUF (4096) together; it waits for
    /// room.
    ///
    /// # Errors
    /// EBADF; EPIPE for a pipe that nobody can read, without a signal: there are none; EAGAIN
    /// instead of waiting with O_NONBLOCK, if not one byte found room; EINVAL if the offset after `buf.len()` bytes would be above `i64::MAX`; EFBIG
    /// for appending to a file of that size; ENOSPC or ENOMEM if not one byte found room;
    /// EIO.
    pub fn write(&self, fd: i32, buf: &[u8]) -> Result<usize> {
        self.write_from(fd, (At::Offset, Append::AsOpened), || Ok(Source::from(buf)))
    }

    /// `pwrite(2)`: writes at `offset`, or at the end with O_APPEND, as Linux does; the
    /// file offset stays.
    ///
    /// # Errors
    /// EINVAL for an offset below zero; EBADF; ESPIPE; EBADF; the others of [`write`](System::write).
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
    #[inline]
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
            // What is no regular file says so first.
            let is_file = place.node.file_type().is_none_or(|known| known == FileType::Regular);
            let mount = self.mount_of(&place.mount);
            if is_file && mount.is_read_only() {
                if !mount.file_system.is_read_only() {
                    place.node.check(caller, Access::WRITE)?;
                }
                return Err(Errno::EROFS);
            }
            let Some(notified) = self.notified() else {
                return place.node.truncate(caller, size);
            };
            let mode_before = place.node.mode();
            place.node.truncate(caller, size)?;
            let given = Given { at: libc::AT_FDCWD, path, last_link: LastLink::Follow };
            notified.changed_at(self, caller, given, (&place, mode_before), libc::IN_MODIFY);
            Ok(())
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
        let notified = self.notified().map(|notified| (notified, file.mode()));
        self.as_caller(|caller| file.truncate(caller, size))?;
        if let Some((notified, mode_before)) = notified {
            notified.changed(&file, libc::IN_MODIFY, mode_before);
        }
        Ok(())
    }

    /// `fsync(2)` and `fdatasync(2)`: memory is all the storage that a ramdisk has; what was
    /// forwarded is with the host.
    ///
    /// # Errors
    /// EBADF; EINVAL for a pipe, a device and what is in proc.
    pub fn fsync(&self, fd: i32) -> Result<()> {
        match self.file(fd)?.object {
            Object::Pipe(_) | Object::Device(_) | Object::Proc(_) | Object::Inotify(_) => {
                Err(Errno::EINVAL)
            }
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

    /// The open file description of `fd`, to be read at `at`.
    ///
    /// # Errors
    /// EBADF; ESPIPE for a position where there is none; EBADF unless it is open for reading.
    #[inline]
    pub(crate) fn file_to_read(&self, fd: i32, at: At) -> Result<Arc<OpenFile>> {
        let file = self.file(fd)?;
        file.check_position(at)?;
        file.check_readable()?;
        Ok(file)
    }

    /// As [`file_to_read`](System::file_to_read), to be written.
    ///
    /// # Errors
    /// Those of [`file_to_read`](System::file_to_read), for writing.
    #[inline]
    pub(crate) fn file_to_write(&self, fd: i32, at: At) -> Result<Arc<OpenFile>> {
        let file = self.file(fd)?;
        file.check_position(at)?;
        file.check_writable()?;
        Ok(file)
    }

    /// Reads from a pipe. It may wait, so nothing is held: neither the identity nor a lock.
    #[cold]
    fn read_pipe(&self, file: &OpenFile, end: &End, sink: &mut Sink<'_>) -> Result<usize> {
        let done = end.read(file.waits(), sink)?;
        // Linux marks no times of a pipe without a name, since 6.15.
        if done > 0 && !end.is_anonymous() {
            if let Some(notified) = self.notified() {
                notified.transferred(file, libc::IN_ACCESS);
            }
            self.as_caller(|caller| {
                file.mark_access(caller);
                Ok(())
            })?;
        }
        Ok(done)
    }

    /// Has a file of proc ready for a read. What is to be told of the process takes its locks, so
    /// nothing is held.
    #[cold]
    pub(crate) fn refresh(&self, file: &OpenFile, made_up: &ProcFile, at: At) -> Result<()> {
        let position = match at {
            At::Position(position) => position,
            At::Offset => file.seek(0, libc::SEEK_CUR)?,
        };
        made_up.refresh(self, position)
    }

    /// Writes to a pipe, as [`read_pipe`](System::read_pipe) reads.
    #[cold]
    fn write_pipe(&self, file: &OpenFile, end: &End, source: &mut Source<'_>) -> Result<usize> {
        source.truncate(TRANSFER_MAX);
        let done = end.write(file.waits(), file.form(), source)?;
        if done > 0 && !end.is_anonymous() {
            if let Some(notified) = self.notified() {
                notified.transferred(file, libc::IN_MODIFY);
            }
            self.as_caller(|caller| {
                end.inode().mark_change(caller);
                Ok(())
            })?;
        }
        Ok(done)
    }

    /// The open file description of `fd` and its inode of a ramdisk, for one who is alone and is
    /// watched by nobody; none where the one or the other is not so. It is not counted, so nothing must
    /// be waited for, nor closed, as long as it is used.
    #[allow(unsafe_code)]
    #[inline(always)]
    fn file_alone(&self, fd: i32) -> Option<(&OpenFile, &InodeRef)> {
        if !alone() || self.notified().is_some() {
            return None;
        }
        // SAFETY: a transfer to or from an inode neither closes a descriptor nor lets another thread
        // run.
        let file = unsafe { self.descriptors.peek(fd) }?;
        match &file.object {
            Object::Inode(inode) => Some((file, inode)),
            _ => None,
        }
    }

    /// Reads into what `sink` gives. If that fails, so it is told once the descriptor is known to be
    /// readable.
    #[inline(always)] // what is known of `at` decides
    pub(crate) fn read_into<'a>(
        &self,
        fd: i32,
        at: At,
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        if let Some((file, inode)) = self.file_alone(fd) {
            file.check_readable()?;
            let mut sink = sink()?;
            if let At::Position(position) = at
                && let Some(done) = self.read_alone(file, inode, position, &mut sink)
            {
                return Ok(done);
            }
            return self.as_anybody(None, |caller| file.read_inode(inode, caller, at, &mut sink));
        }
        match at {
            At::Position(position) if !alone() => self.pread_beside_others(fd, position, sink()),
            _ => {
                let file = self.file_to_read(fd, at)?;
                self.read_counted(&file, at, sink())
            }
        }
    }

    /// `pread` with one atomic, where that can be. Out of line: who is alone is to have short code.
    #[inline(never)]
    fn pread_beside_others(
        &self,
        fd: i32,
        position: u64,
        mut sink: Result<Sink<'_>>,
    ) -> Result<usize> {
        if self.notified().is_none() {
            if let Some(file) = self.descriptors.borrow(fd) {
                file.check_readable()?;
                let sink = sink.as_mut().map_err(|errno| *errno)?;
                let noted = file.noted();
                let done = self.as_anybody(Some(noted), |caller| {
                    file.read_noted(noted, caller, position, sink)
                })?;
                if let Some(done) = done {
                    return Ok(done);
                }
                // Whatever is to be waited for may wait for the note. Once more, without it.
            } else {
                self.descriptors.count_use(fd);
            }
        }
        let at = At::Position(position);
        self.read_counted(&*self.file_to_read(fd, at)?, at, sink)
    }

    /// Reads from what is known to be readable, at a position that it can have.
    #[inline(never)]
    pub(crate) fn read_counted(
        &self,
        file: &OpenFile,
        at: At,
        sink: Result<Sink<'_>>,
    ) -> Result<usize> {
        let mut sink = sink?;
        if let Some(notified) = self.notified() {
            return self.read_and_tell(notified, file, at, &mut sink);
        }
        self.read_quietly(file, at, &mut sink)
    }

    #[inline(always)]
    fn read_quietly(&self, file: &OpenFile, at: At, sink: &mut Sink<'_>) -> Result<usize> {
        match &file.object {
            Object::Pipe(end) => return self.read_pipe(file, end, sink),
            Object::Proc(made_up) => self.refresh(file, made_up, at)?,
            // Nothing is held: it may wait.
            Object::Inotify(instance) => return instance.read(file.waits(), sink),
            _ => {}
        }
        self.as_caller(|caller| file.read(self, caller, at, sink))
    }

    /// Reads while somebody is told of it.
    #[cold]
    fn read_and_tell(
        &self,
        notified: &dyn Notified,
        file: &OpenFile,
        at: At,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        let done = self.read_quietly(file, at, sink)?;
        // A pipe tells itself: it may have waited.
        if done > 0 && !matches!(file.object, Object::Pipe(_)) {
            notified.transferred(file, libc::IN_ACCESS);
        }
        Ok(done)
    }

    /// Writes what `source` gives. If that fails, so it is told once the descriptor is known to be
    /// writable.
    #[inline(always)] // what is known of `at` decides
    pub(crate) fn write_from<'a>(
        &self,
        fd: i32,
        (at, append): (At, Append),
        source: impl FnOnce() -> Result<Source<'a>>,
    ) -> Result<usize> {
        if let Some((file, inode)) = self.file_alone(fd) {
            file.check_writable()?;
            let mut source = source()?;
            if let At::Position(position) = at
                && let Some(done) =
                    self.overwrite_alone(file, inode, (position, append), &mut source)
            {
                return Ok(done);
            }
            let place = (at, append);
            return self.as_caller(|caller| file.write_inode(inode, caller, place, &mut source));
        }
        match at {
            At::Position(position) if !alone() => {
                self.pwrite_beside_others(fd, (position, append), source())
            }
            _ => {
                let file = self.file_to_write(fd, at)?;
                self.write_counted(&file, (at, append), source())
            }
        }
    }

    /// Reads from a file of a ramdisk what is in one page, for who is alone. None, with nothing done, where
    /// it is not to be done so.
    #[allow(unsafe_code)]
    #[inline(always)]
    fn read_alone(
        &self,
        file: &OpenFile,
        inode: &InodeRef,
        position: u64,
        sink: &mut Sink<'_>,
    ) -> Option<usize> {
        if !file.has_usual_access_time() || check_end(position, sink.remaining()).is_err() {
            return None;
        }
        // SAFETY: nothing lets another thread run, or changes the inode.
        self.as_anybody(None, |caller| unsafe { inode.read_alone(caller, position, sink) })
    }

    /// Writes to a file of a ramdisk over bytes that are there, for who is alone. None, with nothing done, where
    /// it is not to be done so.
    #[allow(unsafe_code)]
    #[inline(always)]
    fn overwrite_alone(
        &self,
        file: &OpenFile,
        inode: &InodeRef,
        (position, append): (u64, Append),
        source: &mut Source<'_>,
    ) -> Option<usize> {
        if file.appends(append) {
            return None;
        }
        // SAFETY: nothing lets another thread run, or looks at the inode.
        self.as_anybody(None, |caller| unsafe { inode.overwrite_alone(caller, position, source) })
    }

    /// `pwrite` with one atomic or two, where that can be. Out of line: who is alone is to have
    /// short code.
    #[inline(never)]
    fn pwrite_beside_others(
        &self,
        fd: i32,
        (position, append): (u64, Append),
        mut source: Result<Source<'_>>,
    ) -> Result<usize> {
        if self.notified().is_none() {
            if let Some(file) = self.descriptors.borrow(fd) {
                file.check_writable()?;
                let source = source.as_mut().map_err(|errno| *errno)?;
                let (noted, place) = (file.noted(), (position, append));
                let done = self.as_anybody(Some(noted), |caller| {
                    file.overwrite_noted(noted, caller, place, source)
                })?;
                if let Some(done) = done {
                    return Ok(done);
                }
                // Whatever is to be waited for may wait for the note. Once more, without it.
            } else {
                self.descriptors.count_use(fd);
            }
        }
        let at = At::Position(position);
        self.write_counted(&*self.file_to_write(fd, at)?, (at, append), source)
    }

    /// Writes to what is known to be writable, at a position that it can have.
    #[inline(never)]
    pub(crate) fn write_counted(
        &self,
        file: &OpenFile,
        (at, append): (At, Append),
        source: Result<Source<'_>>,
    ) -> Result<usize> {
        let mut source = source?;
        if let Object::Pipe(end) = &file.object {
            return self.write_pipe(file, end, &mut source);
        }
        if let Some(notified) = self.notified() {
            return self.write_and_tell(notified, file, (at, append), &mut source);
        }
        self.as_caller(|caller| file.write(self, caller, (at, append), &mut source))
    }
}

impl System {
    /// Writes while somebody is told of it.
    #[cold]
    fn write_and_tell(
        &self,
        notified: &dyn Notified,
        file: &OpenFile,
        place: (At, Append),
        source: &mut Source<'_>,
    ) -> Result<usize> {
        let mode_before = file.mode();
        let done = self.as_caller(|caller| file.write(self, caller, place, source))?;
        if done > 0 {
            notified.modified(file, mode_before);
        }
        Ok(done)
    }
}

/// # Errors
/// EINVAL for an offset below zero.
pub(crate) fn position(offset: i64) -> Result<At> {
    u64::try_from(offset).map(At::Position).map_err(|_| Errno::EINVAL)
}
