//! [`OpenFile`]: an open file description — the offset and flags that descriptors
//! share — over an [`Object`] of one kind or another.

use alloc::boxed::Box;

use anchorite_fs::sync::{AtomicU32, Class, Mutex, Noted, Once, Ordering};
use anchorite_fs::{
    AccessTime, Attributes, Caller, FileType, Inode, InodeRef, Listed, Region, Sink, Source,
};

use crate::abi::{ANONYMOUS_DEVICE, Dirent, put_dirent};
use crate::device::{Device, console_attributes};
use crate::forward::HostFile;
use crate::locks::{Holder, Key};
use crate::node::{Files, Node};
use crate::notify::Instance;
use crate::pipe::{End, Form, Waits};
use crate::proc::ProcFile;
use crate::system::System;
use crate::walk::{LastLink, Place};
use crate::{Errno, Result};

/// Bytes that one call transfers at most, as on Linux (`read(2)`, NOTES). What is asked for is cut off
/// there once all of it is known to end where an offset can be.
pub(crate) const TRANSFER_MAX: usize = 0x7fff_f000;

/// An open file description: POSIX.1-2024, 3.234.
///
/// A block of memory may end in the line where the next one begins, by the count of references
/// to it that calls change. So what comes last is what they do not look at.
#[repr(C)]
pub(crate) struct OpenFile {
    /// What is open. Immutable.
    pub(crate) object: Object,
    /// Access mode and status flags, as F_GETFL has them.
    flags: AtomicU32,
    /// The file offset, or the cookie of a listing. Held over a transfer, so that
    /// transfers through one description do not mix (POSIX.1-2024, 2.9.7). Taken
    /// before any inode's lock.
    offset: Mutex<u64>,
    /// Where it was found; none for a console that has no node. Immutable.
    pub(crate) place: Option<Place>,
    /// What it has locked. Made when it is first asked for a lock.
    pub(crate) holder: Once<Holder>,
}

/// What an open file description stands for.
pub(crate) enum Object {
    /// A file of a ramdisk. A fifo only until its pipe is found.
    Inode(InodeRef),
    /// An end of a pipe.
    Pipe(End),
    /// A file of the host.
    Host(HostFile),
    /// A character device.
    Device(Device),
    /// A file of proc.
    Proc(ProcFile),
    /// An instance of inotify.
    Inotify(Box<dyn Instance>),
    /// A place in the tree and nothing more: O_PATH. It can be neither read nor written.
    Path,
}

impl Object {
    /// Whether both may be in one file system: they are not in two ramdisks.
    pub(crate) fn is_beside(&self, other: &Object) -> bool {
        match (self, other) {
            (Object::Inode(inode), Object::Inode(other)) => inode.is_beside(other),
            _ => true,
        }
    }
}

/// Where a transfer starts.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// At the file offset, which it moves.
    Offset,
    /// Here; the file offset stays.
    Position(u64),
}

/// What F_GETFL tells of every file on a machine of 64 bits. The C library's constant is 0.
const O_LARGEFILE: i32 = 0o100_000;

/// What the mount says about access times, beside the flags of an open file: a read then looks
/// at one word for all that there is to know. Programs do not see them.
const KEEP_ACCESS_TIME: u32 = 1 << 30;
/// As above: each read changes it.
const ALWAYS_ACCESS_TIME: u32 = 1 << 29;
/// Both.
const OF_MOUNT: u32 = KEEP_ACCESS_TIME | ALWAYS_ACCESS_TIME;

/// What keeps a read from changing the access time.
const KEEP: u32 = libc::O_NOATIME as u32 | KEEP_ACCESS_TIME;

/// What the mount says.
fn of_mount(access_time: AccessTime) -> u32 {
    match access_time {
        AccessTime::Update => 0,
        AccessTime::Always => ALWAYS_ACCESS_TIME,
        AccessTime::Keep => KEEP_ACCESS_TIME,
    }
}

/// Whether a write goes to the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Append {
    /// As O_APPEND says.
    AsOpened,
    /// Yes: RWF_APPEND.
    Yes,
    /// No: RWF_NOAPPEND.
    No,
}

impl OpenFile {
    /// Of a file that was opened with these flags; its mount says what reading does to its access
    /// time.
    #[inline]
    pub(crate) fn new(
        object: Object,
        place: Option<Place>,
        flags: i32,
        access_time: AccessTime,
    ) -> OpenFile {
        let kept = flags & !(libc::O_CREAT | libc::O_EXCL | libc::O_NOCTTY | libc::O_TRUNC);
        let kept = kept & !libc::O_CLOEXEC;
        // A descriptor that only names a file has no size to be large for.
        let kept = if kept & libc::O_PATH == 0 { kept | O_LARGEFILE } else { kept };
        // Bits that mean nothing in `open(2)` are not the mount's.
        let kept = kept & !(OF_MOUNT as i32) | of_mount(access_time) as i32;
        OpenFile::with_flags(object, place, kept)
    }

    /// As [`new`](OpenFile::new), with just these flags, and an access time as usual.
    #[inline]
    pub(crate) fn with_flags(object: Object, place: Option<Place>, flags: i32) -> OpenFile {
        OpenFile {
            object,
            place,
            flags: AtomicU32::new(flags as u32),
            offset: Mutex::new(Class::Offset, 0),
            holder: Once::new(),
        }
    }

    pub(crate) fn flags(&self) -> i32 {
        (self.flags.load(Ordering::Relaxed) & !OF_MOUNT) as i32
    }

    /// Notes what the file's mount says about access times.
    pub(crate) fn set_access_time(&self, access_time: AccessTime) {
        let kept = self.flags.load(Ordering::Relaxed) & !OF_MOUNT;
        self.flags.store(kept | of_mount(access_time), Ordering::Relaxed);
    }

    /// Where in the tree the file is.
    ///
    /// # Errors
    /// ENOENT for what is in no tree.
    pub(crate) fn place(&self) -> Result<Place> {
        self.place.clone().ok_or(Errno::ENOENT)
    }

    /// Sets those status flags that F_SETFL can set.
    pub(crate) fn set_flags(&self, flags: i32) {
        let settable = libc::O_APPEND | libc::O_NONBLOCK | libc::O_DIRECT | libc::O_NOATIME;
        // Two at once mix as if one had come first: each bit is set by one of them.
        let kept = self.flags.load(Ordering::Relaxed) & !(settable as u32);
        self.flags.store(kept | (flags & settable) as u32, Ordering::Relaxed);
    }

    /// The caller of a read that does not change the access time as usual; none for others.
    #[inline]
    fn with_access_time<'a>(&self, caller: &Caller<'a>) -> Option<Caller<'a>> {
        if self.has_usual_access_time() {
            return None;
        }
        let keeps = self.flags.load(Ordering::Relaxed) & KEEP != 0;
        let access_time = if keeps { AccessTime::Keep } else { AccessTime::Always };
        Some(Caller { access_time, ..*caller })
    }

    /// Whether reads change the access time as usual.
    #[inline]
    pub(crate) fn has_usual_access_time(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & (KEEP | ALWAYS_ACCESS_TIME) == 0
    }

    /// # Errors
    /// EPERM unless the caller owns the file.
    pub(crate) fn check_owner(&self, caller: &Caller<'_>) -> Result<()> {
        let owner = self.attributes()?.uid;
        let who = caller.credentials;
        if who.is_root() || who.uid == owner { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// # Errors
    /// EBADF for what O_PATH made.
    #[inline]
    pub(crate) fn check_not_path(&self) -> Result<()> {
        if self.flags() & libc::O_PATH != 0 { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// # Errors
    /// EBADF unless it is open for reading.
    pub(crate) fn check_readable(&self) -> Result<()> {
        match self.flags() & libc::O_ACCMODE {
            libc::O_RDONLY | libc::O_RDWR => Ok(()),
            _ => Err(Errno::EBADF),
        }
    }

    /// # Errors
    /// EBADF unless it is open for writing.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match self.flags() & libc::O_ACCMODE {
            libc::O_WRONLY | libc::O_RDWR => Ok(()),
            _ => Err(Errno::EBADF),
        }
    }

    /// # Errors
    /// ESPIPE for a position where there is none.
    #[inline]
    pub(crate) fn check_position(&self, at: At) -> Result<()> {
        match (at, &self.object) {
            (At::Position(_), Object::Pipe(_) | Object::Inotify(_)) => Err(Errno::ESPIPE),
            (At::Position(_), Object::Device(device)) if !device.has_positions() => {
                Err(Errno::ESPIPE)
            }
            _ => Ok(()),
        }
    }

    /// Whether a transfer waits for what is not there yet.
    pub(crate) fn waits(&self) -> Waits {
        if self.flags() & libc::O_NONBLOCK != 0 { Waits::No } else { Waits::Yes }
    }

    /// What writes to a pipe become there.
    pub(crate) fn form(&self) -> Form {
        if self.flags() & libc::O_DIRECT != 0 { Form::Packets } else { Form::Stream }
    }

    /// Whether it is a fifo whose pipe is still to be found.
    #[inline]
    pub(crate) fn is_fifo(&self) -> bool {
        matches!(&self.object, Object::Inode(inode) if Inode::file_type(inode) == FileType::Fifo)
    }

    /// What its locks are kept by.
    ///
    /// # Errors
    /// ENOLCK for a file of the host, who knows of no locks; EBADF for what O_PATH made.
    #[inline]
    pub(crate) fn lock_key(&self) -> Result<Key> {
        match &self.object {
            Object::Inode(inode) => Ok(Key(inode.lock_address())),
            Object::Pipe(end) => Ok(Key(end.inode().lock_address())),
            Object::Device(_) => match self.place.as_ref().map(|place| &place.node) {
                Some(Node::Ramdisk(inode)) => Ok(Key(inode.lock_address())),
                // The one console that has no node: nothing else is there.
                _ => Ok(Key(0)),
            },
            // No address is odd.
            Object::Proc(file) => Ok(Key(file.node.number() as usize * 2 + 1)),
            // Neither is this one; Linux has one file for all of them.
            Object::Inotify(_) => Ok(Key(1)),
            Object::Host(_) => Err(Errno::ENOLCK),
            Object::Path => Err(Errno::EBADF),
        }
    }

    /// Where the bytes of a lock are counted from.
    ///
    /// # Errors
    /// EINVAL for a `whence` that locks do not know; the host's.
    pub(crate) fn lock_base(&self, whence: i32) -> Result<i64> {
        let is_seekable = matches!(self.object, Object::Inode(_) | Object::Host(_));
        let base = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => *self.offset.lock(),
            libc::SEEK_END if is_seekable => self.attributes()?.size,
            libc::SEEK_END => 0,
            _ => return Err(Errno::EINVAL),
        };
        i64::try_from(base).map_err(|_| Errno::EOVERFLOW)
    }

    /// Whether O_DIRECT can be set, as far as this side knows.
    pub(crate) fn can_be_direct(&self) -> bool {
        !self.is_directory()
            && !matches!(self.object, Object::Device(_) | Object::Proc(_) | Object::Inotify(_))
    }

    /// Whether it is a directory of a ramdisk, or of proc.
    pub(crate) fn is_directory(&self) -> bool {
        match &self.object {
            Object::Inode(inode) => inode.is_directory(),
            Object::Proc(file) => file.is_directory(),
            _ => false,
        }
    }

    /// # Errors
    /// ENOTDIR for what is known to be no directory; a host says so itself.
    pub(crate) fn check_listable(&self) -> Result<()> {
        match &self.object {
            Object::Inode(inode) if inode.is_directory() => Ok(()),
            Object::Proc(file) if file.is_directory() => Ok(()),
            Object::Host(_) => Ok(()),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Whether a transfer of `len` bytes would end where an offset can be.
    ///
    /// # Errors
    /// EINVAL.
    pub(crate) fn check_transfer(&self, at: At, len: usize) -> Result<()> {
        match (&self.object, at) {
            (Object::Inode(_) | Object::Device(_), At::Position(position)) => {
                check_end(position, len)
            }
            (Object::Inode(_), At::Offset) => check_end(*self.offset.lock(), len),
            _ => Ok(()),
        }
    }

    /// Updates the access time as a read does, where nothing is read.
    pub(crate) fn mark_access(&self, caller: &Caller<'_>) {
        let inode = match &self.object {
            Object::Inode(inode) => inode,
            Object::Pipe(end) => end.inode(),
            _ => return,
        };
        inode.mark_access(self.with_access_time(caller).as_ref().unwrap_or(caller));
    }

    /// Fills `sink`; returns how many bytes there were. Never waits for a pipe.
    ///
    /// # Errors
    /// EAGAIN of a pipe; EINVAL if the transfer would end where no offset is; EISDIR; ESPIPE for a position
    /// where there is none; the host's.
    pub(crate) fn read(
        &self,
        system: &System,
        caller: &Caller<'_>,
        at: At,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        match &self.object {
            Object::Inode(inode) => self.read_inode(inode, caller, at, sink),
            _ => self.read_special(system, at, sink),
        }
    }

    /// [`read`](OpenFile::read) of a file of a ramdisk, which is `inode`. Who calls does not matter.
    ///
    /// # Errors
    /// EINVAL, EISDIR, as there.
    #[inline]
    pub(crate) fn read_inode(
        &self,
        inode: &InodeRef,
        caller: &Caller<'_>,
        at: At,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        let with_access_time = self.with_access_time(caller);
        let caller = with_access_time.as_ref().unwrap_or(caller);
        match at {
            At::Position(position) => {
                check_end(position, sink.remaining())?;
                sink.truncate(TRANSFER_MAX);
                inode.read(caller, position, sink)
            }
            At::Offset => {
                let mut offset = self.offset.lock();
                check_end(*offset, sink.remaining())?;
                sink.truncate(TRANSFER_MAX);
                let done = inode.read(caller, *offset, sink)?;
                *offset += done as u64;
                Ok(done)
            }
        }
    }

    /// [`read`](OpenFile::read) of what is no inode alone. Apart, as some take a page of stack.
    #[inline(never)]
    fn read_special(&self, system: &System, at: At, sink: &mut Sink<'_>) -> Result<usize> {
        self.check_transfer(at, sink.remaining())?;
        sink.truncate(TRANSFER_MAX);
        match (&self.object, at) {
            (Object::Host(file), at) => file.read(at, sink),
            (Object::Pipe(end), At::Offset) => end.read(Waits::No, sink),
            (Object::Inotify(instance), At::Offset) => instance.read(Waits::No, sink),
            (Object::Device(device), _) => device.read(system, sink),
            (Object::Proc(file), At::Position(position)) => file.read(position, sink),
            (Object::Proc(file), At::Offset) => {
                let mut offset = self.offset.lock();
                let done = file.read(*offset, sink)?;
                *offset += done as u64;
                Ok(done)
            }
            (Object::Pipe(_) | Object::Inotify(_), At::Position(_)) => Err(Errno::ESPIPE),
            (Object::Path | Object::Inode(_), _) => Err(Errno::EBADF),
        }
    }

    /// [`read`](OpenFile::read) at a position, where the lock of the ramdisk's inode is noted.
    /// None, with nothing done, where it cannot be done so.
    ///
    /// # Errors
    /// EINVAL, as there.
    #[inline]
    pub(crate) fn read_noted(
        &self,
        noted: &Noted,
        caller: &Caller<'_>,
        position: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Option<usize>> {
        let Object::Inode(inode) = &self.object else { return Ok(None) };
        let with_access_time = self.with_access_time(caller);
        let caller = with_access_time.as_ref().unwrap_or(caller);
        check_end(position, sink.remaining())?;
        sink.truncate(TRANSFER_MAX);
        Ok(inode.read_noted(noted, caller, position, sink))
    }

    /// Writes `source`; returns how many bytes found room. Of a pipe
    /// it is what `sendfile(2)` does, and never waits.
    ///
    /// # Errors
    /// EAGAIN, EPIPE of a pipe; EINVAL if the transfer would end where no offset is; ESPIPE for a position where
    /// there is none; EFBIG, ENOSPC, ENOMEM; the host's.
    pub(crate) fn write(
        &self,
        system: &System,
        caller: &Caller<'_>,
        (at, append): (At, Append),
        source: &mut Source<'_>,
    ) -> Result<usize> {
        match &self.object {
            Object::Inode(inode) => self.write_inode(inode, caller, (at, append), source),
            _ => self.write_special(system, at, source),
        }
    }

    /// [`write`](OpenFile::write) to a file of a ramdisk, which is `inode`.
    ///
    /// # Errors
    /// EINVAL, EFBIG, ENOSPC, ENOMEM, as there.
    #[inline]
    pub(crate) fn write_inode(
        &self,
        inode: &InodeRef,
        caller: &Caller<'_>,
        (at, append): (At, Append),
        source: &mut Source<'_>,
    ) -> Result<usize> {
        let append = self.appends(append);
        match at {
            // With O_APPEND, Linux writes at the end whatever the position: `pwrite(2)`, BUGS.
            At::Position(position) => {
                check_end(position, source.remaining())?;
                source.truncate(TRANSFER_MAX);
                let position = (!append).then_some(position);
                inode.write(caller, position, source).map(|(done, _)| done)
            }
            At::Offset => {
                let mut offset = self.offset.lock();
                check_end(*offset, source.remaining())?;
                source.truncate(TRANSFER_MAX);
                let (done, end) = inode.write(caller, (!append).then_some(*offset), source)?;
                if done > 0 {
                    *offset = end;
                }
                Ok(done)
            }
        }
    }

    /// [`write`](OpenFile::write) of what is no inode alone. Apart, as some take a page of stack.
    #[inline(never)]
    fn write_special(&self, system: &System, at: At, source: &mut Source<'_>) -> Result<usize> {
        self.check_transfer(at, source.remaining())?;
        source.truncate(TRANSFER_MAX);
        match (&self.object, at) {
            (Object::Host(file), at) => file.write(at, source),
            (Object::Pipe(end), At::Offset) => end.write(Waits::No, Form::Pages, source),
            (Object::Device(device), _) => device.write(system, source),
            (Object::Proc(file), _) => Err(file.refuse()),
            (Object::Pipe(_), At::Position(_)) => Err(Errno::ESPIPE),
            (Object::Path | Object::Inotify(_) | Object::Inode(_), _) => Err(Errno::EBADF),
        }
    }

    /// [`write`](OpenFile::write) at a position, over bytes that are there, where the lock of the
    /// ramdisk's inode is noted. None, with nothing done, where it cannot be done so.
    ///
    /// # Errors
    /// EINVAL, as there.
    #[inline]
    pub(crate) fn overwrite_noted(
        &self,
        noted: &Noted,
        caller: &Caller<'_>,
        (position, append): (u64, Append),
        source: &mut Source<'_>,
    ) -> Result<Option<usize>> {
        let Object::Inode(inode) = &self.object else { return Ok(None) };
        if self.appends(append) {
            return Ok(None);
        }
        check_end(position, source.remaining())?;
        Ok(inode.overwrite_noted(noted, caller, position, source))
    }

    /// Whether a write goes to the end of the file.
    #[inline]
    pub(crate) fn appends(&self, append: Append) -> bool {
        match append {
            Append::AsOpened => self.flags() & libc::O_APPEND != 0,
            Append::Yes => true,
            Append::No => false,
        }
    }

    /// `lseek(2)`.
    ///
    /// # Errors
    /// EINVAL for a `whence` that no file knows; ESPIPE for a pipe and the console (other devices are at 0 always); ENXIO for SEEK_DATA and SEEK_HOLE from the end on, or with no
    /// more data; EINVAL for an unknown `whence` or a result below zero or
    /// above what an offset can hold; the host's.
    pub(crate) fn seek(&self, delta: i64, whence: i32) -> Result<u64> {
        let inode = match &self.object {
            Object::Inode(inode) => inode,
            Object::Host(file) => return file.seek(delta, whence),
            Object::Device(device) => return device.seek(whence),
            Object::Proc(_) => return self.seek_text(delta, whence),
            Object::Pipe(_) => {
                let is_known = (libc::SEEK_SET..=libc::SEEK_HOLE).contains(&whence);
                return Err(if is_known { Errno::ESPIPE } else { Errno::EINVAL });
            }
            Object::Inotify(_) => {
                let is_known = (libc::SEEK_SET..=libc::SEEK_HOLE).contains(&whence);
                return if is_known { Ok(0) } else { Err(Errno::EINVAL) };
            }
            Object::Path => return Err(Errno::EBADF),
        };
        let mut offset = self.offset.lock();
        let region = match whence {
            // A listing's offsets are cookies: there is no data among them, nor an end.
            libc::SEEK_DATA if !inode.is_directory() => Some(Region::Data),
            libc::SEEK_HOLE if !inode.is_directory() => Some(Region::Hole),
            _ => None,
        };
        if let Some(region) = region {
            let from = u64::try_from(delta).map_err(|_| Errno::ENXIO)?;
            *offset = inode.find_region(from, region)?;
            return Ok(*offset);
        }
        let base = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => *offset,
            libc::SEEK_END if !inode.is_directory() => Inode::attributes(inode).size,
            _ => return Err(Errno::EINVAL),
        };
        let base = i64::try_from(base).map_err(|_| Errno::EINVAL)?;
        let sum = base.checked_add(delta).ok_or(Errno::EINVAL)?;
        *offset = u64::try_from(sum).map_err(|_| Errno::EINVAL)?;
        Ok(*offset)
    }

    /// `lseek(2)` in a file of proc, which has no end until it is read.
    ///
    /// # Errors
    /// EINVAL for any `whence` but SEEK_SET and SEEK_CUR, and for a result below zero.
    fn seek_text(&self, delta: i64, whence: i32) -> Result<u64> {
        let mut offset = self.offset.lock();
        let base = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => i64::try_from(*offset).map_err(|_| Errno::EINVAL)?,
            _ => return Err(Errno::EINVAL),
        };
        let sum = base.checked_add(delta).ok_or(Errno::EINVAL)?;
        *offset = u64::try_from(sum).map_err(|_| Errno::EINVAL)?;
        Ok(*offset)
    }

    /// `getdents64(2)`, `getdents(2)`.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT if the directory was removed; EINVAL if not one entry has room.
    pub(crate) fn list(
        &self,
        system: &System,
        caller: &Caller<'_>,
        layout: Dirent,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        let with_access_time = self.with_access_time(caller);
        let caller = with_access_time.as_ref().unwrap_or(caller);
        let inode = match &self.object {
            Object::Inode(inode) if inode.is_directory() => Some(inode),
            Object::Host(file) if layout == Dirent::Dirent64 => return file.list(sink),
            Object::Host(_) => return Err(Errno::ENOSYS),
            Object::Proc(_) => None,
            _ => return Err(Errno::ENOTDIR),
        };
        let mut cookie = self.offset.lock();
        let (room, start) = (sink.remaining(), *cookie);
        let mut refused = false;
        let mut emit = |listed: Listed<'_>| {
            refused = !put_dirent(layout, &listed, sink);
            if !refused {
                *cookie = listed.next;
            }
            !refused
        };
        match (inode, &self.object) {
            (Some(inode), _) => inode.list(caller, start, &mut emit)?,
            (None, Object::Proc(file)) => file.node.list(system, start, &mut emit)?,
            _ => {}
        }
        match room - sink.remaining() {
            0 if refused => Err(Errno::EINVAL),
            done => Ok(done),
        }
    }

    /// `ftruncate(2)`; it is open for writing.
    ///
    /// # Errors
    /// EINVAL for what is no regular file; EFBIG; ENOSYS where the host cannot do it.
    pub(crate) fn truncate(&self, caller: &Caller<'_>, size: u64) -> Result<()> {
        match &self.object {
            // The right to write was checked when it was opened.
            Object::Inode(inode) => Inode::truncate(inode, caller, size),
            Object::Host(_) => Err(Errno::ENOSYS),
            // There is nothing that could become shorter.
            Object::Proc(_) => Ok(()),
            Object::Pipe(_) | Object::Device(_) | Object::Inotify(_) => Err(Errno::EINVAL),
            Object::Path => Err(Errno::EBADF),
        }
    }

    /// `fstat(2)`.
    ///
    /// # Errors
    /// The host's.
    #[inline]
    pub(crate) fn attributes(&self) -> Result<Attributes> {
        match &self.object {
            Object::Inode(inode) => Ok(Inode::attributes(inode)),
            _ => self.attributes_of_special(),
        }
    }

    /// [`attributes`](OpenFile::attributes) of what is not an inode alone.
    #[cold]
    fn attributes_of_special(&self) -> Result<Attributes> {
        match &self.object {
            Object::Inode(inode) => Ok(Inode::attributes(inode)),
            Object::Host(file) => file.attributes(),
            Object::Pipe(end) => {
                let attributes = Inode::attributes(end.inode());
                // One that has no name has one link all the same, as on Linux.
                let nlink = if end.is_anonymous() { 1 } else { attributes.nlink };
                Ok(Attributes { nlink, ..attributes })
            }
            Object::Proc(file) => Files::attributes(&file.node, LastLink::Stay),
            Object::Inotify(_) => Ok(Attributes {
                device: ANONYMOUS_DEVICE,
                // Neither content nor entries.
                file_type: FileType::Socket,
                mode: 0o600,
                rdev: 0,
                ..console_attributes()
            }),
            Object::Device(_) if self.place.is_none() => Ok(console_attributes()),
            Object::Device(_) | Object::Path => {
                Files::attributes(&self.place()?.node, LastLink::Stay)
            }
        }
    }

    /// Permissions with the set-ID and sticky bits; none of what is of a host or of proc. For
    /// who looks whether they change.
    #[cold]
    pub(crate) fn mode(&self) -> u32 {
        match (&self.object, &self.place) {
            (Object::Inode(inode), _) => Inode::attributes(inode).mode,
            (Object::Device(_), Some(place)) => place.node.mode(),
            (Object::Pipe(end), _) => Inode::attributes(end.inode()).mode,
            _ => 0,
        }
    }

    /// Forgets that `thread` waits, where it does so for other files too.
    pub(crate) fn forget(&self, thread: u32) {
        match &self.object {
            Object::Pipe(end) => end.forget(thread),
            Object::Inotify(instance) => instance.forget(thread),
            _ => {}
        }
    }

    /// `poll(2)`: what is true of it now. All but pipes and instances of inotify are always ready, as on Linux.
    ///
    /// # Errors
    /// Those of [`End::poll`].
    pub(crate) fn poll(&self, wanted: i16, watch: Option<u32>) -> Result<i16> {
        const READY: i16 = libc::POLLIN | libc::POLLRDNORM | libc::POLLOUT | libc::POLLWRNORM;
        match &self.object {
            Object::Pipe(end) => end.poll(wanted, watch),
            Object::Inotify(instance) => instance.poll(wanted, watch),
            Object::Device(device) => Ok(device.poll()),
            _ => Ok(READY),
        }
    }

    /// Ends the last reference.
    ///
    /// # Errors
    /// The host's; the file is closed all the same.
    pub(crate) fn close(self) -> Result<()> {
        match self.object {
            Object::Host(file) => file.close(),
            Object::Inode(_)
            | Object::Pipe(_)
            | Object::Device(_)
            | Object::Proc(_)
            | Object::Inotify(_)
            | Object::Path => Ok(()),
        }
    }
}

/// Linux refuses a transfer whose last byte would lie behind the largest offset, however
/// short the file is (`fs/read_write.c`, `rw_verify_area`).
///
/// # Errors
/// EINVAL.
pub(crate) fn check_end(start: u64, len: usize) -> Result<()> {
    let end = start.checked_add(len as u64).ok_or(Errno::EINVAL)?;
    i64::try_from(end).map(drop).map_err(|_| Errno::EINVAL)
}
