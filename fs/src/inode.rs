//! [`Inode`]: a file of any type, and the calls on one file.
//!
//! Life of an inode: *made* by a create in a directory; *linked* while its link
//! count is above zero; *orphaned* when the last name is gone but references remain
//! (open files, working directories, mounts); *freed* with the last reference.
//! Directory entries and a directory's `parent` hold references too.
//!
//! The number, type and superblock never change; one lock protects all else.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::covered::NameRef;
use crate::data::{FileData, Region};
use crate::directory::{Directory, Listed, Slot};
use crate::home::Home;
use crate::mem::{Arc, Room, prefetch_line, try_box_with, try_bytes};
use crate::namespace::{New, Owner};
use crate::permission::check;
use crate::ramdisk::Superblock;
use crate::sync::{
    AtomicBool, AtomicU16, Class, Noted, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use crate::xattr::Xattrs;
use crate::{
    Access, AccessTime, Caller, Credentials, Errno, MAX_FILE_BYTES, PAGE_BYTES, Result, Sink,
    Source, Timestamp, planted,
};

/// An inode's number; never used again for another inode of the same ramdisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeNo(pub u64);

impl fmt::Display for InodeNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inode {}", self.0)
    }
}

/// A counted reference to an inode.
pub type InodeRef = Arc<Inode>;

/// What kind of file an inode is, by the bits that `st_mode` has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FileType {
    /// A regular file.
    Regular = libc::S_IFREG,
    /// A directory.
    Directory = libc::S_IFDIR,
    /// A symbolic link.
    Symlink = libc::S_IFLNK,
    /// A first-in-first-out special file.
    Fifo = libc::S_IFIFO,
    /// A socket.
    Socket = libc::S_IFSOCK,
    /// A character device.
    CharDevice = libc::S_IFCHR,
    /// A block device.
    BlockDevice = libc::S_IFBLK,
}

/// What `stat(2)` tells of a file.
///
/// What stands side by side there does not here: or the compiler copies two numbers by one load,
/// right after they were stored one by one, which is not forwarded from the store buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Bytes in the file; of a symbolic link, in its target.
    pub size: u64,
    /// The inode's number.
    pub ino: InodeNo,
    /// The device that a device node stands for.
    pub rdev: u64,
    /// Allocated room in units of 512 bytes.
    pub blocks: u64,
    /// The file system.
    pub device: u64,
    /// Owner.
    pub uid: u32,
    /// Number of names; a directory's: 2 and one for each subdirectory.
    pub nlink: u32,
    /// Group.
    pub gid: u32,
    /// The type.
    pub file_type: FileType,
    /// Permissions with the set-ID and sticky bits: twelve bits.
    pub mode: u32,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last change of content or attributes.
    pub ctime: Timestamp,
    /// Birth.
    pub btime: Timestamp,
}

/// How a time is to be set: `utimensat(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Left as it is (UTIME_OMIT).
    Omit,
    /// Now (UTIME_NOW).
    Now,
    /// To this time.
    To(Timestamp),
}

/// A change of attributes, for [`Inode::change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `chmod(2)`: the twelve permission bits.
    Mode(u32),
    /// `chown(2)`: owner and group, each where given.
    Owner(Option<u32>, Option<u32>),
    /// `utimensat(2)`: access and modification time.
    Times(SetTime, SetTime),
}

/// What [`Inode::allocate_range`] does: `fallocate(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Allocates what is missing; the file becomes longer where the range ends after it.
    Extend,
    /// Allocates what is missing; the size stays (FALLOC_FL_KEEP_SIZE).
    KeepSize,
    /// Makes the range a hole; the size stays (FALLOC_FL_PUNCH_HOLE).
    PunchHole,
}

/// A file in the ramdisk.
///
/// An allocator's block of 160 bytes shares a line of 64 with a neighbour, at its beginning or its
/// end. So a read or write in place looks neither at the first 32 bytes, which are the count of
/// references and all but the state here, nor at the last 16, which are the group and the time of
/// birth: two cores with a file each would wait for one another.
#[repr(C)]
pub struct Inode {
    /// Immutable.
    pub(crate) superblock: Home,
    /// Immutable.
    number: InodeNo,
    /// Immutable.
    file_type: FileType,
    /// How many mounts are here. Counted by the call layer; a walk reads it
    /// without the lock, and then asks the table of mounts.
    mounts: AtomicU16,
    /// Whether a file that never had a name may get one: O_TMPFILE. Protected by `state`.
    linkable: AtomicBool,
    /// Whether somebody is told when it goes.
    pub(crate) watched: AtomicBool,
    pub(crate) state: RwLock<State>,
}

#[cfg(not(anchorite_model))]
const _: () = {
    use core::mem::offset_of;
    // The count of references is before the inode, the lock before its state.
    let head = size_of::<usize>() + offset_of!(Inode, state);
    let tail = head + size_of::<usize>() + offset_of!(State, meta) + offset_of!(Meta, gid);
    assert!(head == 32 && tail == 128);
};

/// What the inode's lock protects.
#[repr(C)]
pub(crate) struct State {
    pub(crate) body: Body,
    pub(crate) xattrs: Xattrs,
    pub(crate) meta: Meta,
}

/// Attributes that every type of file has.
#[repr(C)]
pub(crate) struct Meta {
    /// Twelve bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) nlink: u32,
    pub(crate) atime: Timestamp,
    pub(crate) mtime: Timestamp,
    pub(crate) ctime: Timestamp,
    pub(crate) gid: u32,
    pub(crate) btime: Timestamp,
}

/// What differs by type.
pub(crate) enum Body {
    File(FileData),
    Directory(Box<Directory>),
    /// The target.
    Symlink(Vec<u8>),
    /// A fifo, socket or device, with the device's number.
    Node(u64),
    /// Nothing any more: the inode is being freed.
    Given,
}

/// Bytes that an entry adds to a directory's size, as tmpfs counts.
const ENTRY_SIZE: u64 = 20;
/// A symbolic link's target from this length on takes a page, as in tmpfs.
const LONG_TARGET: usize = 128;
/// A read updates an access time older than this: `mount(8)`, relatime.
const RELATIME_SECONDS: i64 = 24 * 60 * 60;

impl Meta {
    /// The attributes of a new file with one link.
    pub(crate) fn new(now: Timestamp, Owner { uid, gid }: Owner, mode: u32) -> Meta {
        Meta { mode, uid, gid, nlink: 1, atime: now, mtime: now, ctime: now, btime: now }
    }

    /// The content changed.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.mtime = now;
        self.ctime = now;
    }

    /// An attribute or the link count changed.
    pub(crate) fn touch_status(&mut self, now: Timestamp) {
        self.ctime = now;
    }

    /// Whether a read by the caller is to update the access time.
    fn access_is_news(&self, caller: &Caller<'_>) -> bool {
        self.access_is_news_in_place(caller)
    }

    /// [`access_is_news`](Meta::access_is_news) for who has little else to do.
    #[inline(always)]
    fn access_is_news_in_place(&self, caller: &Caller<'_>) -> bool {
        if caller.access_time == AccessTime::Keep {
            return false;
        }
        let atime = self.atime.key();
        if caller.access_time == AccessTime::Always
            || atime <= self.mtime.key()
            || atime <= self.ctime.key()
        {
            return atime != caller.now().key();
        }
        let age = caller.recent_seconds().saturating_sub(atime.0);
        age >= RELATIME_SECONDS && atime != caller.now().key()
    }

    fn owner(&self) -> (u32, u32, u32) {
        (self.uid, self.gid, self.mode)
    }

    /// The mode without the set-ID bits that a change by `who` must clear. Without group
    /// execute, set-group-ID is no privilege, and those of the file's group may keep it.
    fn without_set_ids(&self, who: &Credentials) -> u32 {
        let mode = self.mode & !libc::S_ISUID;
        if mode & libc::S_IXGRP != 0 || !who.is_root() && !who.in_group(self.gid) {
            return mode & !libc::S_ISGID;
        }
        mode
    }

    /// Clears the set-ID bits that a change by `who` must clear.
    fn drop_set_ids(&mut self, who: &Credentials) {
        self.mode = self.without_set_ids(who);
    }
}

impl State {
    /// Reads bytes that are in one page, where the access is no news; none, with nothing done, otherwise.
    #[inline(always)]
    fn read_in_place(
        &self,
        caller: &Caller<'_>,
        offset: u64,
        sink: &mut Sink<'_>,
    ) -> Option<usize> {
        let Body::File(data) = &self.body else { return None };
        if self.meta.access_is_news_in_place(caller) {
            return None;
        }
        data.read_in_place(offset, sink)
    }

    /// Writes over bytes that are there. None, with nothing done, as [`Inode::overwrite_noted`] says.
    #[inline(always)] // in both of its places, which have little else to do
    fn overwrite(
        &mut self,
        caller: &Caller<'_>,
        offset: u64,
        source: &mut Source<'_>,
    ) -> Option<usize> {
        let Body::File(data) = &mut self.body else { return None };
        let meta = &mut self.meta;
        let end = offset.checked_add(source.remaining() as u64)?;
        let has_privileges =
            meta.mode & (libc::S_ISUID | libc::S_ISGID) != 0 || !self.xattrs.is_empty();
        if has_privileges || end == offset || end > caller.file_size_limit {
            return None;
        }
        let done = data.overwrite(offset, source)?;
        meta.touch(caller.now());
        Some(done)
    }

    /// # Errors
    /// ENOTDIR.
    pub(crate) fn directory(&self) -> Result<&Directory> {
        match &self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// # Errors
    /// ENOTDIR.
    pub(crate) fn directory_mut(&mut self) -> Result<&mut Directory> {
        match &mut self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// # Errors
    /// EACCES.
    #[inline]
    pub(crate) fn check(&self, caller: &Caller<'_>, wanted: Access) -> Result<()> {
        let is_directory = matches!(self.body, Body::Directory(_));
        check(caller.credentials, wanted, self.meta.owner(), is_directory)
    }
}

impl Inode {
    /// Makes an inode; a directory's parent is none for a root. The quota is charged for it.
    ///
    /// # Errors
    /// ENOSPC, ENOMEM.
    pub(crate) fn make(
        superblock: &Arc<Superblock>,
        parent: Option<&InodeRef>,
        new: New<'_>,
        now: Timestamp,
        owner: Owner,
        mode: u32,
    ) -> Result<InodeRef> {
        // Built in place, and as an empty file to begin with: what is moved by wide loads right
        // after it was stored in pieces waits until it is in the cache.
        let mut made = Inode::allocate(superblock, new.file_type(), Meta::new(now, owner, mode))?;
        let state = Arc::get_mut(&mut made).map(|inode| inode.state.get_mut());
        let State { meta, body, .. } = state.expect("a new inode has one reference");
        match new {
            New::Regular => {}
            New::Directory => {
                *body = Body::Directory(try_box_with(|| Directory::new(parent.cloned()))?);
                meta.nlink = 2;
            }
            New::Symlink(target) => {
                let target = try_bytes(target)?;
                superblock.charge(target_pages(&target))?;
                *body = Body::Symlink(target);
            }
            New::Node(_, rdev) => *body = Body::Node(rdev),
        }
        Ok(made)
    }

    #[inline(always)]
    fn allocate(superblock: &Arc<Superblock>, file_type: FileType, meta: Meta) -> Result<InodeRef> {
        let room = Room::try_new()?;
        let number = InodeNo(superblock.charge_inode()?);
        let body = Body::File(FileData::EMPTY);
        // From here on the quota is given back by the inode's drop.
        Ok(room.fill(Inode {
            superblock: Home::of(superblock),
            number,
            file_type,
            mounts: AtomicU16::new(0),
            linkable: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            state: RwLock::new(Class::Inode, State { meta, body, xattrs: Xattrs::default() }),
        }))
    }

    /// Shares the lock for a moment: the caller neither waits for anything nor changes this inode
    /// before it lets go.
    #[allow(unsafe_code)]
    #[inline]
    #[track_caller]
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, State> {
        // SAFETY: so nothing lets another thread run, or begin.
        unsafe { self.state.look() }
    }

    /// Locks an entry of a directory that the caller holds, or a file that is to become one.
    #[track_caller]
    pub(crate) fn write_child(&self) -> RwLockWriteGuard<'_, State> {
        let state = self.state.write_as(Class::Child);
        debug_assert!(
            match &state.body {
                Body::Directory(own) => own.parent.as_ref().is_none_or(|up| up.state.is_held()),
                _ => true,
            },
            "lock order: the directory of an entry is held",
        );
        state
    }

    /// The inode's number.
    pub fn number(&self) -> InodeNo {
        self.number
    }

    /// The inode's type.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// Starts to fetch what tells number and type.
    #[inline]
    pub(crate) fn fetch_identity(&self) {
        prefetch_line(core::ptr::from_ref(&self.number).addr());
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.file_type == FileType::Directory
    }

    /// Lets a file without a name get one. The caller holds the lock, or the only
    /// reference.
    pub(crate) fn set_linkable(&self, linkable: bool) {
        self.linkable.store(linkable, Ordering::Relaxed);
    }

    /// Whether a file without a name may get one. The caller holds the lock.
    pub(crate) fn is_linkable(&self) -> bool {
        self.linkable.load(Ordering::Relaxed)
    }

    /// Whether something is mounted here.
    pub fn is_mount_point(&self) -> bool {
        self.mounts.load(Ordering::Acquire) != 0
    }

    /// Counts something that is mounted here, in this mount of the ramdisk or another; over a file
    /// that is no directory, by which of its names, none if it is the root of a mount. While
    /// there is any, the name can be neither removed nor renamed. Who counts up or down
    /// excludes all others who do.
    ///
    /// # Errors
    /// ENOSPC for more than 65535; ENOMEM.
    pub fn count_mount(&self, name: Option<&NameRef>) -> Result<()> {
        let count = self.mounts.load(Ordering::Relaxed).checked_add(1).ok_or(Errno::ENOSPC)?;
        if !self.is_directory() {
            self.superblock.covered.add(self.number, name)?;
        }
        self.mounts.store(count, Ordering::Release);
        Ok(())
    }

    /// Counts a mount less, by the name that it was counted with.
    pub fn uncount_mount(&self, name: Option<&NameRef>) {
        let count = self.mounts.load(Ordering::Relaxed);
        self.mounts.store(count.saturating_sub(1), Ordering::Release);
        if !self.is_directory() {
            self.superblock.covered.remove(self.number, name);
        }
    }

    /// Whether a mount keeps this entry of the directory `directory` from being removed or renamed.
    /// The caller holds the directory's lock.
    pub(crate) fn is_kept(&self, directory: &Inode, entries: &Directory, slot: Slot) -> bool {
        self.is_mount_point()
            && (self.is_directory()
                || self.superblock.covered.include(
                    directory.number,
                    entries.cookie(slot),
                    self.number,
                ))
    }

    /// Lets `mount` mount something here, by no name, which [counts](Inode::count_mount) it. The last
    /// name is not removed meanwhile.
    ///
    /// # Errors
    /// ENOENT for what has no name any more; what `mount` says.
    pub fn cover<T>(&self, mount: impl FnOnce() -> Result<T>) -> Result<T> {
        let state = self.state.write();
        if state.meta.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        mount()
    }

    /// Whether both are of one ramdisk.
    pub fn is_beside(&self, other: &Inode) -> bool {
        Arc::ptr_eq(&self.superblock, &other.superblock)
    }

    /// Whether it is `top` or below; already old when it returns, unless nobody moves
    /// directories.
    pub fn is_below(this: &InodeRef, top: &InodeRef) -> bool {
        let mut current = this.clone();
        loop {
            if Arc::ptr_eq(&current, top) {
                return true;
            }
            match current.parent() {
                Some(parent) => current = parent,
                None => return false,
            }
        }
    }

    /// `stat(2)`.
    pub fn attributes(&self) -> Attributes {
        let state = self.look();
        let meta = &state.meta;
        let (size, pages, rdev) = match &state.body {
            Body::File(data) => (data.size(), data.pages(), 0),
            Body::Directory(directory) => ((directory.len() as u64 + 2) * ENTRY_SIZE, 0, 0),
            Body::Symlink(target) => (target.len() as u64, target_pages(target), 0),
            Body::Node(rdev) => (0, 0, *rdev),
            Body::Given => (0, 0, 0),
        };
        Attributes {
            device: self.superblock.device,
            ino: self.number,
            file_type: self.file_type,
            mode: meta.mode,
            nlink: meta.nlink,
            uid: meta.uid,
            gid: meta.gid,
            rdev,
            size,
            blocks: pages * (PAGE_BYTES as u64 / 512),
            atime: meta.atime,
            mtime: meta.mtime,
            ctime: meta.ctime,
            btime: meta.btime,
        }
    }

    /// `access(2)`: checks the mode.
    ///
    /// # Errors
    /// EACCES.
    pub fn check(&self, caller: &Caller<'_>, wanted: Access) -> Result<()> {
        self.look().check(caller, wanted)
    }

    /// As [`check`](Inode::check), for a file that is about to be read or written: starts to fetch
    /// what leads to its content.
    ///
    /// # Errors
    /// EACCES.
    pub fn check_to_transfer(&self, caller: &Caller<'_>, wanted: Access) -> Result<()> {
        let state = self.look();
        if let Body::File(data) = &state.body {
            data.fetch();
        }
        state.check(caller, wanted)
    }

    /// `pread(2)`: fills `sink` from `offset` on; returns how many bytes there were.
    ///
    /// # Errors
    /// EISDIR; EINVAL for what has no content.
    pub fn read(&self, caller: &Caller<'_>, offset: u64, sink: &mut Sink<'_>) -> Result<usize> {
        let state = self.look();
        let done = match &state.body {
            Body::File(data) => data.read(offset, sink),
            Body::Directory(_) => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        };
        let news = state.meta.access_is_news(caller);
        drop(state);
        if news {
            self.accessed(caller.now());
        }
        Ok(done)
    }

    /// [`read`](Inode::read) by somebody who has noted the address of the inode's lock
    /// ([`lock_address`](Inode::lock_address)), and must not wait. None, with nothing done, if
    /// it cannot be read so: the lock is taken, it is no file, the access is news. Who calls
    /// does not matter.
    #[inline]
    pub fn read_noted(
        &self,
        noted: &Noted,
        caller: &Caller<'_>,
        offset: u64,
        sink: &mut Sink<'_>,
    ) -> Option<usize> {
        let state = self.state.read_noted(noted)?;
        match &state.body {
            Body::File(data) if !state.meta.access_is_news_in_place(caller) => {
                Some(data.read(offset, sink))
            }
            _ => None,
        }
    }

    /// [`write`](Inode::write) over bytes that are there, by somebody who has noted the address
    /// of the inode's lock and must not wait. None, with nothing done, if it cannot be written so:
    /// the lock is taken, it is no file, the bytes are not the file's own and in one page, its
    /// privileges would change, the limit is in the way. Who calls does not matter.
    #[inline]
    pub fn overwrite_noted(
        &self,
        noted: &Noted,
        caller: &Caller<'_>,
        offset: u64,
        source: &mut Source<'_>,
    ) -> Option<usize> {
        self.state.write_noted(noted)?.overwrite(caller, offset, source)
    }

    /// [`read`](Inode::read) of bytes that are in one page, where the access is no news, by one who is
    /// [`alone`](crate::sync::alone()). None, with nothing done, if it cannot be read so. Who calls does
    /// not matter.
    ///
    /// # Safety
    /// That is so, and nobody changes the inode meanwhile.
    #[allow(unsafe_code)]
    #[inline(always)] // the whole of what a short read does
    pub unsafe fn read_alone(
        &self,
        caller: &Caller<'_>,
        offset: u64,
        sink: &mut Sink<'_>,
    ) -> Option<usize> {
        // SAFETY: the caller's promise; and a clock calls nothing of this crate.
        unsafe { self.state.peek() }.read_in_place(caller, offset, sink)
    }

    /// As [`overwrite_noted`](Inode::overwrite_noted), for one who is
    /// [`alone`](crate::sync::alone()).
    ///
    /// # Safety
    /// That is so, and nobody looks at the inode meanwhile.
    #[allow(unsafe_code)]
    #[inline(always)] // the whole of what a short write does
    pub unsafe fn overwrite_alone(
        &self,
        caller: &Caller<'_>,
        offset: u64,
        source: &mut Source<'_>,
    ) -> Option<usize> {
        // SAFETY: the caller's promise; and a clock calls nothing of this crate.
        unsafe { self.state.peek_mut() }.overwrite(caller, offset, source)
    }

    /// What to note before [`read_noted`](Inode::read_noted) or
    /// [`overwrite_noted`](Inode::overwrite_noted).
    pub fn lock_address(&self) -> usize {
        self.state.address()
    }

    /// `pwrite(2)`: writes `source` at `offset`, or at the end where `offset` is none;
    /// returns how many bytes found room and the offset after them.
    ///
    /// # Errors
    /// EISDIR; EINVAL for what has no content; EFBIG; ENOSPC or ENOMEM if not one byte
    /// found room.
    pub fn write(
        &self,
        caller: &Caller<'_>,
        offset: Option<u64>,
        source: &mut Source<'_>,
    ) -> Result<(usize, u64)> {
        let planted_end =
            planted!("append_finds_its_place_unlocked").then(|| self.attributes().size);
        let mut state = self.state.write();
        let State { meta, body, xattrs } = &mut *state;
        let data = match body {
            Body::File(data) => data,
            Body::Directory(_) => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        };
        let offset = offset.or(planted_end);
        let offset = offset.unwrap_or(data.size());
        if source.remaining() > 0 {
            // A transfer stops at the limit; one that would begin there fails.
            let room = caller.file_size_limit.saturating_sub(offset);
            if room == 0 {
                return Err(Errno::EFBIG);
            }
            source.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        let done = data.write(&self.superblock, offset, source)?;
        if done > 0 {
            meta.touch(caller.now());
            if !caller.credentials.is_root() {
                meta.drop_set_ids(caller.credentials);
            }
            xattrs.drop_capability(&self.superblock);
        }
        Ok((done, offset + done as u64))
    }

    /// `ftruncate(2)`: makes the file `size` bytes long.
    ///
    /// # Errors
    /// EISDIR; EINVAL for what has no content; EFBIG; ENOMEM if a part of lent content was to
    /// be copied, and then the file is as it was.
    pub fn truncate(&self, caller: &Caller<'_>, size: u64) -> Result<()> {
        let mut state = self.state.write();
        let State { meta, body, xattrs } = &mut *state;
        match body {
            Body::File(_) if size > MAX_FILE_BYTES => return Err(Errno::EFBIG),
            Body::File(data) if size > data.size() && size > caller.file_size_limit => {
                return Err(Errno::EFBIG);
            }
            Body::File(data) => data.truncate(&self.superblock, size)?,
            Body::Directory(_) => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        meta.touch(caller.now());
        if !caller.credentials.is_root() {
            meta.drop_set_ids(caller.credentials);
        }
        xattrs.drop_capability(&self.superblock);
        Ok(())
    }

    /// `fallocate(2)`: allocates the range from `offset` up to `end`, which is above it, or
    /// makes it a hole.
    ///
    /// # Errors
    /// EISDIR; ENODEV for what has no content; EFBIG; ENOSPC, ENOMEM: then the file is as
    /// it was.
    pub fn allocate_range(
        &self,
        caller: &Caller<'_>,
        offset: u64,
        end: u64,
        allocation: Allocation,
    ) -> Result<()> {
        let mut state = self.state.write();
        let State { meta, body, xattrs } = &mut *state;
        let data = match body {
            Body::File(data) => data,
            Body::Directory(_) => return Err(Errno::EISDIR),
            _ => return Err(Errno::ENODEV),
        };
        let grows = allocation == Allocation::Extend && end > data.size();
        // The limit binds what is behind the end too, as on Linux.
        let behind = allocation != Allocation::PunchHole && end > data.size();
        if end > MAX_FILE_BYTES || behind && end > caller.file_size_limit {
            return Err(Errno::EFBIG);
        }
        if allocation == Allocation::PunchHole {
            data.punch(&self.superblock, offset, end)?;
        } else {
            data.allocate(&self.superblock, offset, end)?;
            if grows {
                data.truncate(&self.superblock, end)?;
            }
        }
        meta.touch(caller.now());
        if !caller.credentials.is_root() {
            meta.drop_set_ids(caller.credentials);
        }
        xattrs.drop_capability(&self.superblock);
        Ok(())
    }

    /// The first offset from `offset` on that is in a `region`: `lseek(2)`, SEEK_DATA and
    /// SEEK_HOLE. The file ends in a hole.
    ///
    /// # Errors
    /// EINVAL for what has no content; ENXIO if `offset` is not before the end, or nothing
    /// is found.
    pub fn find_region(&self, offset: u64, region: Region) -> Result<u64> {
        match &self.state.read().body {
            Body::File(data) => data.find(offset, region).ok_or(Errno::ENXIO),
            _ => Err(Errno::EINVAL),
        }
    }

    /// `readlink(2)`: copies the target, cut off where the room ends; returns how many
    /// bytes were copied.
    ///
    /// # Errors
    /// EINVAL if it is no symbolic link.
    pub fn read_link(&self, caller: &Caller<'_>, sink: &mut Sink<'_>) -> Result<usize> {
        let state = self.look();
        let Body::Symlink(target) = &state.body else { return Err(Errno::EINVAL) };
        let done = sink.put(target);
        let news = state.meta.access_is_news(caller);
        drop(state);
        if news {
            self.accessed(caller.now());
        }
        Ok(done)
    }

    /// `getdents64(2)`: calls `emit` for each entry from `cookie` on until it returns
    /// false. The first cookie is 0; each entry tells the next.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT if the directory was removed.
    pub fn list(
        &self,
        caller: &Caller<'_>,
        cookie: u64,
        emit: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<()> {
        let state = self.state.read();
        let directory = state.directory()?;
        if state.meta.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        directory.list(self.number, cookie, emit);
        let news = state.meta.access_is_news(caller);
        drop(state);
        if news {
            self.accessed(caller.now());
        }
        Ok(())
    }

    /// Changes attributes: `chmod(2)`, `chown(2)`, `utimensat(2)`.
    ///
    /// # Errors
    /// EPERM if the caller may not; EACCES for setting times to now without owning or
    /// being able to write the file.
    pub fn change(&self, caller: &Caller<'_>, change: Change) -> Result<()> {
        let mut state = self.state.write();
        let who = caller.credentials;
        let owns = who.is_root() || who.uid == state.meta.uid;
        match change {
            Change::Mode(mode) => {
                if !owns {
                    return Err(Errno::EPERM);
                }
                let meta = &mut state.meta;
                meta.mode = mode & 0o7777;
                if !who.is_root() && !who.in_group(meta.gid) {
                    meta.mode &= !libc::S_ISGID;
                }
            }
            Change::Owner(uid, gid) => {
                let State { meta, xattrs, .. } = &mut *state;
                let uid_allowed = uid.is_none_or(|uid| owns && uid == meta.uid);
                let gid_allowed =
                    gid.is_none_or(|gid| owns && (gid == meta.gid || who.in_group(gid)));
                if !(who.is_root() || uid_allowed && gid_allowed) {
                    return Err(Errno::EPERM);
                }
                if !self.is_directory() {
                    // To take the bits off is a change of the mode, whoever asks for it.
                    let mode = meta.without_set_ids(who);
                    if mode != meta.mode && !owns {
                        return Err(Errno::EPERM);
                    }
                    meta.mode = mode;
                    xattrs.drop_capability(&self.superblock);
                }
                meta.uid = uid.unwrap_or(meta.uid);
                meta.gid = gid.unwrap_or(meta.gid);
            }
            Change::Times(SetTime::Omit, SetTime::Omit) => return Ok(()),
            Change::Times(atime, mtime) => {
                let to_now = (atime, mtime) == (SetTime::Now, SetTime::Now);
                if !owns && !to_now {
                    return Err(Errno::EPERM);
                }
                if !owns {
                    state.check(caller, Access::WRITE)?;
                }
                let set = |time: Timestamp, how| match how {
                    SetTime::Omit => time,
                    SetTime::Now => caller.now(),
                    SetTime::To(to) => to,
                };
                let meta = &mut state.meta;
                meta.atime = set(meta.atime, atime);
                meta.mtime = set(meta.mtime, mtime);
            }
        }
        state.meta.touch_status(caller.now());
        Ok(())
    }

    /// The parent directory; none for a root, and for what is no directory.
    pub fn parent(&self) -> Option<InodeRef> {
        self.state.read().directory().ok()?.parent.clone()
    }

    /// Removes any entry. For teardown.
    pub(crate) fn pop_entry(&self) -> Option<InodeRef> {
        self.state.write().directory_mut().ok()?.pop()
    }

    /// Updates the access time as a read does, where nothing is read.
    pub fn mark_access(&self, caller: &Caller<'_>) {
        let news = self.state.read().meta.access_is_news(caller);
        if news {
            self.accessed(caller.now());
        }
    }

    /// Updates the other times as a write does, where nothing is written here.
    pub fn mark_change(&self, caller: &Caller<'_>) {
        self.state.write().meta.touch(caller.now());
    }

    fn accessed(&self, now: Timestamp) {
        self.state.write().meta.atime = now;
    }
}

impl Drop for Inode {
    /// Frees the content. The parent's reference is dropped here in a loop: removed
    /// directories that are held by nothing but their children could otherwise be
    /// nested deeper than the stack.
    fn drop(&mut self) {
        let mut parent = self.give_up();
        while let Some(inode) = parent {
            parent = Arc::into_inner(inode).and_then(|mut inode| inode.give_up());
        }
    }
}

impl Inode {
    /// Gives content and quota back and takes the reference to the parent out; what
    /// is left can be dropped without freeing any other inode.
    fn give_up(&mut self) -> Option<InodeRef> {
        if self.watched.load(Ordering::Relaxed) {
            self.tell_gone();
        }
        let state = self.state.get_mut();
        let body = core::mem::replace(&mut state.body, Body::Given);
        state.xattrs.free(&self.superblock);
        let parent = match body {
            Body::File(mut data) => {
                data.free(&self.superblock);
                None
            }
            Body::Directory(mut directory) => directory.parent.take(),
            Body::Symlink(target) => {
                self.superblock.uncharge(target_pages(&target));
                None
            }
            Body::Node(_) => None,
            Body::Given => return None,
        };
        self.superblock.uncharge_inode();
        parent
    }
}

/// Pages that the quota counts for a symbolic link's target.
pub(crate) fn target_pages(target: &[u8]) -> u64 {
    u64::from(target.len() >= LONG_TARGET)
}
