//! [`Daemon`]: the ramdisk as fuser asks for it.
//!
//! Each request works on the ramdisk's inodes directly; their numbers are the kernel's
//! too, and are never used twice, so the generation is always 0. There are no file
//! handles: an open file's inode is known by its number until it is closed, and
//! the ramdisk's cookies let a listing go on without any state.
//!
//! # Who may do what
//! The mount has `default_permissions`: the kernel has checked modes, owners, sticky
//! and set-ID bits, with all groups and capabilities of the process, before it asks. A
//! request tells neither groups nor capabilities, so a check here could only be wrong.
//! Every call is made as root therefore, and new files are given the request's user
//! and group ([`Inode::create_for`]). The kernel also clears set-ID bits by itself, by
//! a chmod, before a write by a process without privilege; only where it bypasses its
//! page cache does it ask for that along with the write. (Of set-group-ID without group
//! execute, which is no privilege, it clears less than tmpfs does.)
//!
//! # What the kernel may keep
//! Nothing changes but through this one mount, so names, directories and nodes are
//! kept for long; the kernel drops what its own calls change. A regular file's
//! attributes are asked for each time: what a process wrote by `mmap` is written back
//! later, and changes times and blocks then.
//!
//! # Room that comes back late
//! The kernel closes and forgets an unlinked file in its own time, after the calls that
//! unlinked and closed it have returned. So what finds no room while there are such
//! files waits a moment for them, that a file may be replaced on a full ramdisk.
//!
//! # What is absent
//! Locks, so that the kernel keeps them: a lock that waited here would hold a thread,
//! and fuser could not be told to give up. `O_TMPFILE`, which fuser does not know.
//! Whiteouts, which overlayfs alone makes.

mod known;
mod translate;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anchorite_fs::check::{Held, Report};
use anchorite_fs::{
    Allocation, Caller, Change, Credentials, EntryName, Errno, FileType, Inode, InodeRef, Left,
    New, Owner, PAGE_BYTES, Ramdisk, Region, RenameMode, Result, SetTime, SetXattr, Sink, Source,
    XATTR_LIST_MAX, XattrName,
};
use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileAttr, FileHandle, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use known::Known;

/// For how long the kernel keeps what cannot change behind its back.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// Inodes are numbered once only.
const GENERATION: Generation = Generation(0);
/// No request needs a handle.
const NO_HANDLE: FileHandle = FileHandle(0);
/// Bytes that a copy holds at once.
const PIECE: usize = 256 * 1024;
/// Bytes that one request copies at most; the kernel asks again for the rest.
const COPY_MAX: u64 = 64 << 20;

/// How long a call that finds no room waits for files that are on their way out.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long it waits where none is known: a request that is just being answered may hold
/// the last reference to one.
const GRACE: Duration = Duration::from_millis(10);
/// How often it looks.
const TICK: Duration = Duration::from_millis(1);

/// Who keeps the content of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// The kernel keeps a copy, and reads are answered from it.
    PageCache,
    /// Every read and write is asked of the ramdisk.
    Direct,
}

/// What is to be done when the mount is gone, with what the checker says of the ramdisk.
pub type AtEnd = Box<dyn Fn(Result<Report>) + Send + Sync>;

/// The ramdisk behind a FUSE mount.
pub struct Daemon {
    ramdisk: Ramdisk,
    known: Known,
    caching: Caching,
    /// Called when the mount is gone.
    at_end: AtEnd,
}

/// Root: the kernel has checked the caller.
static KERNEL: Credentials = Credentials { uid: 0, gid: 0, groups: Vec::new() };

impl Daemon {
    /// Serves `ramdisk`; `at_end` is called when the mount is gone.
    pub fn new(ramdisk: Ramdisk, caching: Caching, at_end: AtEnd) -> Daemon {
        let known = Known::new(ramdisk.root().clone());
        Daemon { ramdisk, known, caching, at_end }
    }

    /// Checks the ramdisk. Other threads may be forgetting files still when the mount is
    /// gone: so what is wrong counts only if it stays.
    ///
    /// # Errors
    /// ENOMEM.
    fn check(&self) -> Result<Report> {
        let start = Instant::now();
        loop {
            let report = self.ramdisk.check(Held::These(&self.known.inodes()))?;
            if report.problems.is_empty() || start.elapsed() >= PATIENCE {
                return Ok(report);
            }
            sleep(TICK);
        }
    }

    fn get(&self, number: INodeNo) -> Result<InodeRef> {
        self.known.get(number.0)
    }

    /// Makes a file and counts the kernel's lookup of it.
    fn make(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new: New<'_>,
        mode: u32,
    ) -> Result<InodeRef> {
        let parent = self.get(parent)?;
        self.known.make_room()?;
        let owner = Owner { uid: request.uid(), gid: request.gid() };
        let name = name.as_bytes();
        let made =
            self.with_room(|| Inode::create_for(&parent, &caller(), owner, name, new, mode))?;
        self.known.count(&made);
        Ok(made)
    }

    /// Makes a `call` again that finds no room while unlinked files are on their way out.
    fn with_room<T>(&self, mut call: impl FnMut() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            let result = call();
            let Err(Errno::ENOSPC) = result else { return result };
            let patience = if self.known.holds_unlinked() { PATIENCE } else { GRACE };
            if start.elapsed() >= patience {
                return result;
            }
            sleep(TICK);
        }
    }

    fn open_flags(&self) -> FopenFlags {
        match self.caching {
            Caching::PageCache => FopenFlags::empty(),
            Caching::Direct => FopenFlags::FOPEN_DIRECT_IO,
        }
    }

    fn find(&self, parent: INodeNo, name: &OsStr) -> Result<InodeRef> {
        let parent = self.get(parent)?;
        self.known.make_room()?;
        let found = parent.lookup(&caller(), name.as_bytes())?;
        self.known.count(&found);
        Ok(found)
    }

    fn link_to(&self, target: INodeNo, parent: INodeNo, name: &OsStr) -> Result<InodeRef> {
        let (target, parent) = (self.get(target)?, self.get(parent)?);
        self.known.make_room()?;
        Inode::link(&parent, &caller(), name.as_bytes(), &target)?;
        self.known.count(&target);
        Ok(target)
    }

    fn copy(
        &self,
        (from, mut at): (INodeNo, u64),
        (to, to_at): (INodeNo, u64),
        len: u64,
    ) -> Result<u32> {
        let (from, to) = (self.get(from)?, self.get(to)?);
        let (mut to_at, end) = (to_at, at.saturating_add(len.min(COPY_MAX)));
        let mut piece = room((end - at).min(PIECE as u64) as usize)?;
        let mut done = 0;
        while at < end {
            let wanted = piece.len().min((end - at) as usize);
            let read = from.read(&caller(), at, &mut Sink::from(&mut piece[..wanted]))?;
            let write = || to.write(&caller(), Some(to_at), &mut Source::from(&piece[..read]));
            let written = match self.with_room(write) {
                Ok((written, _)) => written,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            };
            done += written as u32;
            at += written as u64;
            to_at += written as u64;
            if written < wanted {
                break;
            }
        }
        Ok(done)
    }
}

/// What a setattr request asks for.
struct Wanted {
    size: Option<u64>,
    owner: (Option<u32>, Option<u32>),
    mode: Option<u32>,
    times: (SetTime, SetTime),
}

impl Wanted {
    /// The size comes first, as it alone may fail; the mode after the owner, since a
    /// change of owner clears set-ID bits and the kernel has thought of that in the mode.
    fn apply(self, inode: &Inode) -> Result<()> {
        let caller = caller();
        if let Some(size) = self.size {
            inode.truncate(&caller, size)?;
        }
        if self.owner != (None, None) {
            inode.change(&caller, Change::Owner(self.owner.0, self.owner.1))?;
        }
        if let Some(mode) = self.mode {
            inode.change(&caller, Change::Mode(mode))?;
        }
        inode.change(&caller, Change::Times(self.times.0, self.times.1))
    }
}

fn caller<'a>() -> Caller<'a> {
    Caller::new(&KERNEL, translate::now())
}

/// # Errors
/// ENOMEM.
fn room(len: usize) -> Result<Vec<u8>> {
    let mut room = Vec::new();
    room.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    room.resize(len, 0);
    Ok(room)
}

/// Attributes of a file, and for how long they hold.
fn attributes(inode: &Inode) -> (FileAttr, Duration) {
    let for_long = inode.file_type() != FileType::Regular;
    let attributes = translate::attributes(&inode.attributes());
    (attributes, if for_long { LONG } else { Duration::ZERO })
}

fn reply_entry(result: Result<InodeRef>, reply: ReplyEntry) {
    match result {
        Ok(inode) => {
            let (attributes, ttl) = attributes(&inode);
            reply.entry_with_ttls(&ttl, &LONG, &attributes, GENERATION);
        }
        Err(errno) => reply.error(translate::errno(errno)),
    }
}

fn reply_attributes(result: Result<InodeRef>, reply: ReplyAttr) {
    match result {
        Ok(inode) => {
            let (attributes, ttl) = attributes(&inode);
            reply.attr(&ttl, &attributes);
        }
        Err(errno) => reply.error(translate::errno(errno)),
    }
}

fn reply_empty(result: Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(translate::errno(errno)),
    }
}

fn reply_written(result: Result<u32>, reply: ReplyWrite) {
    match result {
        Ok(done) => reply.written(done),
        Err(errno) => reply.error(translate::errno(errno)),
    }
}

/// Answers with what `fill` writes to room for `size` bytes, or with how many bytes it would be
/// if there is none.
fn reply_xattr(size: u32, fill: impl FnOnce(&mut Sink<'_>) -> Result<usize>, reply: ReplyXattr) {
    let asked = || {
        let mut bytes = room((size as usize).min(XATTR_LIST_MAX))?;
        let len = fill(&mut Sink::from(&mut bytes[..]))?;
        bytes.truncate(len);
        Ok((bytes, len))
    };
    match asked() {
        Ok((_, len)) if size == 0 => reply.size(len as u32),
        Ok((bytes, _)) => reply.data(&bytes),
        Err(errno) => reply.error(translate::errno(errno)),
    }
}

impl Filesystem for Daemon {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        let wanted = [InitFlags::FUSE_PARALLEL_DIROPS, InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP];
        for flag in wanted {
            // An older kernel does without: slower, or no shared mmap with direct I/O.
            let _ = config.add_capabilities(flag);
        }
        Ok(())
    }

    fn destroy(&mut self) {
        (self.at_end)(self.check());
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        reply_entry(self.find(parent, name), reply);
    }

    fn forget(&self, _request: &Request, number: INodeNo, lookups: u64) {
        self.known.forget(number.0, lookups);
    }

    fn getattr(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        reply_attributes(self.get(number), reply);
    }

    fn setattr(
        &self,
        _request: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let times = (translate::set_time(atime), translate::set_time(mtime));
        let wanted = Wanted { size, owner: (uid, gid), mode, times };
        let changed = self.get(number).and_then(|inode| wanted.apply(&inode).map(|()| inode));
        reply_attributes(changed, reply);
    }

    fn readlink(&self, _request: &Request, number: INodeNo, reply: ReplyData) {
        let target = self.get(number).and_then(|inode| {
            let mut target = room(libc::PATH_MAX as usize)?;
            let len = inode.read_link(&caller(), &mut Sink::from(&mut target[..]))?;
            target.truncate(len);
            Ok(target)
        });
        match target {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(translate::errno(errno)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let new = match translate::type_of_mode(mode) {
            Some(FileType::Regular) => Ok(New::Regular),
            Some(FileType::Directory | FileType::Symlink) | None => Err(Errno::EINVAL),
            Some(node) => Ok(New::Node(node, rdev.into())),
        };
        let mode = mode & !umask;
        let made = new.and_then(|new| self.make(request, parent, name, new, mode));
        reply_entry(made, reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        reply_entry(self.make(request, parent, name, New::Directory, mode & !umask), reply);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.get(parent).and_then(|dir| dir.unlink(&caller(), name.as_bytes()));
        reply_empty(done, reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.get(parent).and_then(|dir| dir.rmdir(&caller(), name.as_bytes()));
        reply_empty(done, reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let new = New::Symlink(target.as_os_str().as_bytes());
        reply_entry(self.make(request, parent, name, new, 0o777), reply);
    }

    fn rename(
        &self,
        _request: &Request,
        old_parent: INodeNo,
        old: &OsStr,
        new_parent: INodeNo,
        new: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let rename = || {
            let mode = match flags {
                flags if flags.is_empty() => RenameMode::Replace,
                RenameFlags::RENAME_NOREPLACE => RenameMode::NoReplace,
                RenameFlags::RENAME_EXCHANGE => RenameMode::Exchange,
                _ => return Err(Errno::EINVAL),
            };
            let (old_parent, new_parent) = (self.get(old_parent)?, self.get(new_parent)?);
            let old = EntryName { bytes: old.as_bytes(), directory_only: false };
            let new = EntryName { bytes: new.as_bytes(), directory_only: false };
            anchorite_fs::rename(&caller(), &old_parent, old, &new_parent, new, mode, Left::Nothing)
        };
        reply_empty(rename(), reply);
    }

    fn link(
        &self,
        _request: &Request,
        target: INodeNo,
        parent: INodeNo,
        name: &OsStr,
        reply: ReplyEntry,
    ) {
        reply_entry(self.link_to(target, parent, name), reply);
    }

    fn open(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.get(number) {
            Ok(_) => reply.opened(NO_HANDLE, self.open_flags()),
            Err(errno) => reply.error(translate::errno(errno)),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.make(request, parent, name, New::Regular, mode & !umask) {
            Ok(inode) => {
                // The reply has one time for the name and the attributes.
                let (attributes, ttl) = attributes(&inode);
                reply.created(&ttl, &attributes, GENERATION, NO_HANDLE, self.open_flags());
            }
            Err(errno) => reply.error(translate::errno(errno)),
        }
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let bytes = self.get(number).and_then(|inode| {
            let mut bytes = room(size as usize)?;
            let len = inode.read(&caller(), offset, &mut Sink::from(&mut bytes[..]))?;
            bytes.truncate(len);
            Ok(bytes)
        });
        match bytes {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(translate::errno(errno)),
        }
    }

    fn write(
        &self,
        request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // Not root's even where root asks: without CAP_FSETID it must clear the bits too.
        let stranger = Credentials { uid: u32::MAX - 1, gid: request.gid(), groups: Vec::new() };
        let mut caller = caller();
        if write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
            caller.credentials = &stranger;
        }
        let written = self.get(number).and_then(|inode| {
            let write = || inode.write(&caller, Some(offset), &mut Source::from(data));
            Ok(self.with_room(write)?.0 as u32)
        });
        reply_written(written, reply);
    }

    fn flush(
        &self,
        _request: &Request,
        _number: INodeNo,
        _handle: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // Nothing is held back. ENOSYS: the kernel need not ask again.
        reply.error(fuser::Errno::ENOSYS);
    }

    fn fsync(
        &self,
        _request: &Request,
        _number: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        // As for flush; the kernel has written its own pages back before it asks.
        reply.error(fuser::Errno::ENOSYS);
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        _number: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn readdir(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        cookie: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = self.get(number).and_then(|inode| {
            inode.list(&caller(), cookie, &mut |entry| {
                let file_type = translate::file_type(entry.file_type);
                let name = OsStr::from_bytes(entry.name);
                let full = reply.add(INodeNo(entry.ino.0), entry.next, file_type, name);
                !full
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(translate::errno(errno)),
        }
    }

    fn statfs(&self, _request: &Request, _number: INodeNo, reply: ReplyStatfs) {
        let usage = self.ramdisk.usage();
        let page = PAGE_BYTES as u64;
        // A limit of zero pages means none here, as tmpfs shows it.
        let pages = usage.limits.size_bytes / page;
        let pages = if usage.limits.size_bytes == u64::MAX { 0 } else { pages };
        let free = pages.saturating_sub(usage.pages);
        let inodes = usage.limits.inodes;
        let free_inodes = inodes.saturating_sub(usage.inodes);
        let name_max = anchorite_fs::NAME_MAX as u32;
        reply.statfs(pages, free, free, inodes, free_inodes, page as u32, name_max, page as u32);
    }

    fn setxattr(
        &self,
        _request: &Request,
        number: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let set = || {
            let set = SetXattr::from_bits(flags).ok_or(Errno::EINVAL)?;
            let (inode, name) = (self.get(number)?, XattrName::new(name.as_bytes())?);
            self.with_room(|| inode.set_xattr(&caller(), name, &mut Source::from(value), set))
        };
        reply_empty(set(), reply);
    }

    fn getxattr(
        &self,
        _request: &Request,
        number: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let get = |sink: &mut Sink<'_>| {
            let name = XattrName::new(name.as_bytes())?;
            self.get(number)?.get_xattr(&caller(), name, sink)
        };
        reply_xattr(size, get, reply);
    }

    fn listxattr(&self, request: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        // The kernel leaves it to the file system whom it shows the names that are root's.
        let credentials = Credentials { uid: request.uid(), ..Credentials::default() };
        let caller = Caller { credentials: &credentials, ..caller() };
        let list = |sink: &mut Sink<'_>| self.get(number)?.list_xattrs(&caller, sink);
        reply_xattr(size, list, reply);
    }

    fn removexattr(&self, _request: &Request, number: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let remove = || {
            let name = XattrName::new(name.as_bytes())?;
            self.get(number)?.remove_xattr(&caller(), name)
        };
        reply_empty(remove(), reply);
    }

    fn access(&self, _request: &Request, _number: INodeNo, _mask: AccessFlags, reply: ReplyEmpty) {
        // The kernel checks, and asks only once.
        reply.error(fuser::Errno::ENOSYS);
    }

    fn fallocate(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        len: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let allocate = || {
            let allocation = match mode {
                0 => Allocation::Extend,
                libc::FALLOC_FL_KEEP_SIZE => Allocation::KeepSize,
                PUNCH => Allocation::PunchHole,
                _ => return Err(Errno::EOPNOTSUPP),
            };
            let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
            let inode = self.get(number)?;
            self.with_room(|| inode.allocate_range(&caller(), offset, end, allocation))
        };
        reply_empty(allocate(), reply);
    }

    fn lseek(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let seek = || {
            let region = match whence {
                libc::SEEK_DATA => Region::Data,
                libc::SEEK_HOLE => Region::Hole,
                _ => return Err(Errno::EINVAL),
            };
            let offset = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            self.get(number)?.find_region(offset, region)
        };
        match seek() {
            Ok(offset) => reply.offset(offset as i64),
            Err(errno) => reply.error(translate::errno(errno)),
        }
    }

    fn copy_file_range(
        &self,
        _request: &Request,
        from: INodeNo,
        _from_handle: FileHandle,
        from_offset: u64,
        to: INodeNo,
        _to_handle: FileHandle,
        to_offset: u64,
        len: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        reply_written(self.copy((from, from_offset), (to, to_offset), len), reply);
    }
}
