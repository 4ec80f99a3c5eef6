//! [`HostFiles`] by uhyve's file hypercalls.
//!
//! Facts of uhyve 0.10.0, from its `src/hypercall/` and `src/isolation/`, and
//! what is done about each here:
//!
//! - **What panics the VMM.** A write to a descriptor that is unknown, not open
//!   for writing, a directory, or a file of a Hermit image; a write that the host
//!   refuses for whatever reason (a full disk cannot be foreseen); a negative
//!   descriptor; a path or parameters outside of memory. So a table of what is
//!   open decides first: EBADF for an unknown descriptor or the wrong access
//!   mode (a directory is never open for writing). Buffers are checked against
//!   memory: EFAULT (`read` itself would write beyond the guest's memory). A
//!   transfer of no bytes never leaves. One hypercall carries at most
//!   [`TRANSFER_BYTES`].
//! - **Errors.** Ten errnos are translated (EBADF, EEXIST, EFAULT, EINVAL, EIO,
//!   EISDIR, EOVERFLOW, EPERM, ENOENT, EROFS); any other comes as EPERM from open,
//!   read, lseek, close and unlink, and as EIO from stat, mkdir and getdents. So
//!   EACCES, ENOTDIR, ENAMETOOLONG, ENOTEMPTY or ENOSPC cannot be told apart here.
//! - **Paths** must be UTF-8 (EINVAL), are cleaned of `.`, `..` and `//` as text,
//!   and start with a mapping. The root itself is never found (ENOENT).
//! - **open** keeps O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC, O_APPEND and O_DIRECTORY,
//!   drops every other flag, refuses O_CREAT with O_DIRECTORY (EINVAL), and
//!   follows links always: O_NOFOLLOW is done here by a look first, O_TMPFILE
//!   (which contains O_DIRECTORY) is EOPNOTSUPP. O_CREAT outside of a mapping
//!   makes a file in the VMM's temporary directory. The VMM's umask applies. A
//!   mapped directory that only holds mappings opens with O_DIRECTORY only.
//! - **A Hermit image's files** (mode `external`) can be opened for writing though
//!   they cannot be written. [`UhyveFiles::new`] looks for such an image; if there
//!   is one, each open for writing looks at what it got: EROFS.
//! - **Descriptors** are never used twice, and start at 3.
//! - **mkdir** has no mode: 0777 without the VMM's umask.
//! - **unlink** of a mapping forgets the mapping even if the host then refuses:
//!   EISDIR here for every mapped directory that the device tree names.
//! - **stat** follows links; **lstat** is the same call with another kind.
//!   Times are whole. A mapped directory has mode 0755 and no inode number.
//! - **getdents64** is Linux's on a host directory. In a directory that only holds
//!   mappings each record has inode number 1 and offset 0, and there is no `.`
//!   or `..`.
//!
//! Locking: the table's lock is taken before the heap's (the table grows) and no
//! other, and is never held during a hypercall. A descriptor that is closed while
//! it is used elsewhere is the caller's mistake; the call layer counts references.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ops::Range;

use anchorite_syscalls::{Errno, HostFd, HostFiles, Result};
use libc::{O_ACCMODE, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, O_TMPFILE, O_WRONLY};
use spin::Mutex;
use uhyve_interface::v2::HypercallAddress as Port;
use uhyve_interface::v2::parameters::{
    CloseParams, FileAttr, FstatParams, GetdentParams, GetdentResult, LseekParams, MkdirParams,
    MkdirResult, OpenParams, ReadParams, StatKind, StatParams, StatResult, Timespec, UnlinkParams,
    WriteParams,
};

use crate::hypercall::{address, call};

/// The most that one hypercall reads or writes.
pub const TRANSFER_BYTES: usize = 1 << 30;

/// uhyve's files.
#[derive(Debug)]
pub struct UhyveFiles {
    memory: Range<usize>,
    /// Mapped directories, without a slash at the end. Immutable.
    mounts: Vec<Vec<u8>>,
    image: ImageFiles,
    /// By descriptor, in ascending order: a new one is greater than all before it.
    open: Mutex<Vec<(i32, OpenFile)>>,
}

/// Whether a Hermit image's files can be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ImageFiles {
    Absent,
    Present,
}

/// What is known of an open descriptor.
#[derive(Clone, Copy, Debug)]
struct OpenFile {
    /// O_RDONLY, O_WRONLY or O_RDWR.
    access: i32,
}

impl UhyveFiles {
    /// The host's files, for a guest whose memory is `memory`; `mounts` is
    /// [`crate::bootinfo::DeviceTree::mounts`].
    pub fn new(memory: Range<usize>, mounts: &[u8]) -> Self {
        let mounts = mounts.split(|byte| *byte == 0).filter(|dir| !dir.is_empty());
        let mut files = Self {
            memory,
            mounts: mounts.map(<[u8]>::to_vec).collect(),
            image: ImageFiles::Absent,
            open: Mutex::new(Vec::new()),
        };
        if files.stat(c"/hermit.toml").is_ok_and(|stat| is_image_file(&stat)) {
            files.image = ImageFiles::Present;
        }
        files
    }

    fn check(&self, fd: HostFd, wrong: i32) -> Result<()> {
        let open = self.open.lock();
        match find(&open, fd) {
            Ok(at) if open[at].1.access != wrong => Ok(()),
            _ => Err(Errno::EBADF),
        }
    }

    /// The part of a buffer that one hypercall may use.
    fn part(&self, start: usize, len: usize) -> Result<u64> {
        let len = len.min(TRANSFER_BYTES);
        let end = start.checked_add(len).ok_or(Errno::EFAULT)?;
        if start < self.memory.start || end > self.memory.end {
            return Err(Errno::EFAULT);
        }
        Ok(len as u64)
    }

    fn stat_kind(&self, path: &CStr, kind: StatKind) -> Result<libc::stat> {
        let mut attr = FileAttr::default();
        let mut params = StatParams {
            name: self.path(path)?,
            kind,
            attr: address(&raw mut attr),
            ret: StatResult::None,
        };
        // SAFETY: a path in memory, and room for the attributes.
        unsafe { call(Port::FileStat, &mut params) };
        stat_result(params.ret, &attr)
    }

    /// A path's address, which must lie in memory.
    fn path(&self, path: &CStr) -> Result<uhyve_interface::GuestPhysAddr> {
        let bytes = path.to_bytes_with_nul();
        self.part(bytes.as_ptr() as usize, bytes.len())?;
        Ok(address(bytes.as_ptr()))
    }

    /// Remembers a descriptor that was just opened.
    fn remember(&self, fd: i32, access: i32) -> Result<HostFd> {
        let mut open = self.open.lock();
        let room = open.try_reserve(1).is_ok();
        if room {
            // A host that hands a descriptor out again is believed.
            match find(&open, HostFd(fd)) {
                Ok(at) => open[at].1 = OpenFile { access },
                Err(at) => open.insert(at, (fd, OpenFile { access })),
            }
        }
        drop(open);
        if !room {
            self.close_raw(fd)?;
            return Err(Errno::ENOMEM);
        }
        Ok(HostFd(fd))
    }

    fn close_raw(&self, fd: i32) -> Result<()> {
        let mut params = CloseParams { fd, ret: 0 };
        // SAFETY: no addresses in the parameters.
        unsafe { call(Port::FileClose, &mut params) };
        result(i64::from(params.ret)).map(drop)
    }

    /// Whether `path` names a mapped directory itself.
    ///
    /// # Errors
    /// ENOMEM.
    fn is_mount(&self, path: &CStr) -> Result<bool> {
        let path = path.to_bytes();
        for mount in &self.mounts {
            // Almost every path is longer, and then nothing is compared.
            if path.len() <= mount.len() + 8 && names(path)? == names(mount)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where a descriptor is, or belongs.
fn find(open: &[(i32, OpenFile)], fd: HostFd) -> core::result::Result<usize, usize> {
    open.binary_search_by_key(&fd.0, |(fd, _)| *fd)
}

/// The names in a path, without `.`, and without what `..` takes away.
///
/// # Errors
/// ENOMEM.
fn names(path: &[u8]) -> Result<Vec<&[u8]>> {
    let mut names = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            _ => {
                names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                names.push(name);
            }
        }
    }
    Ok(names)
}

impl HostFiles for UhyveFiles {
    fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<HostFd> {
        let access = flags & O_ACCMODE;
        if access == O_ACCMODE {
            return Err(Errno::EINVAL);
        }
        if flags & O_TMPFILE == O_TMPFILE || flags & O_PATH != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if flags & O_NOFOLLOW != 0
            && let Ok(stat) = self.lstat(path)
            && stat.st_mode & libc::S_IFMT == libc::S_IFLNK
        {
            return Err(if flags & O_DIRECTORY != 0 { Errno::ENOTDIR } else { Errno::ELOOP });
        }
        let mut params = OpenParams {
            name: self.path(path)?,
            flags,
            mode: (mode & 0o7777).cast_signed(),
            ret: -1,
        };
        // SAFETY: a path in memory.
        unsafe { call(Port::FileOpen, &mut params) };
        let fd = result(i64::from(params.ret))? as i32;
        let fd = self.remember(fd, access)?;
        if access != O_RDONLY
            && self.image == ImageFiles::Present
            && self.fstat(fd).is_ok_and(|stat| is_image_file(&stat))
        {
            self.close(fd)?;
            return Err(Errno::EROFS);
        }
        Ok(fd)
    }

    unsafe fn read(&self, fd: HostFd, buf: *mut u8, len: usize) -> Result<usize> {
        self.check(fd, O_WRONLY)?;
        let len = self.part(buf as usize, len)?;
        if len == 0 {
            return Ok(0);
        }
        let mut params = ReadParams { len, ret: 0, buf: address(buf), fd: fd.0 };
        // SAFETY: the buffer is the caller's for `len` bytes, and in memory.
        unsafe { call(Port::FileRead, &mut params) };
        result(params.ret)
    }

    unsafe fn write(&self, fd: HostFd, buf: *const u8, len: usize) -> Result<usize> {
        self.check(fd, O_RDONLY)?;
        let len = self.part(buf as usize, len)?;
        if len == 0 {
            return Ok(0);
        }
        let mut params = WriteParams { len, ret: 0, buf: address(buf), fd: fd.0 };
        // SAFETY: the buffer is the caller's for `len` bytes, and in memory; the
        // descriptor is open for writing, so it is no directory.
        unsafe { call(Port::FileWrite, &mut params) };
        result(params.ret)
    }

    fn lseek(&self, fd: HostFd, offset: i64, whence: i32) -> Result<u64> {
        self.check(fd, -1)?;
        if whence < 0 {
            return Err(Errno::EINVAL);
        }
        let mut params = LseekParams { offset, whence: whence.cast_unsigned(), fd: fd.0 };
        // SAFETY: no addresses in the parameters.
        unsafe { call(Port::FileLseek, &mut params) };
        result(params.offset).map(|offset| offset as u64)
    }

    fn close(&self, fd: HostFd) -> Result<()> {
        {
            let mut open = self.open.lock();
            let at = find(&open, fd).map_err(|_| Errno::EBADF)?;
            open.remove(at);
        }
        self.close_raw(fd.0)
    }

    fn unlink(&self, path: &CStr) -> Result<()> {
        if self.is_mount(path)? {
            return Err(Errno::EISDIR);
        }
        let mut params = UnlinkParams { name: self.path(path)?, ret: -1 };
        // SAFETY: a path in memory.
        unsafe { call(Port::FileUnlink, &mut params) };
        result(i64::from(params.ret)).map(drop)
    }

    fn mkdir(&self, path: &CStr, _mode: u32) -> Result<()> {
        let mut params = MkdirParams {
            path: self.path(path)?,
            len: path.to_bytes_with_nul().len() as u64,
            ret: MkdirResult::None,
        };
        // SAFETY: a path in memory.
        unsafe { call(Port::Mkdir, &mut params) };
        match params.ret {
            MkdirResult::Success => Ok(()),
            MkdirResult::Error(number) => Err(Errno::from_raw(number)),
            MkdirResult::None => Err(Errno::EIO),
        }
    }

    fn stat(&self, path: &CStr) -> Result<libc::stat> {
        self.stat_kind(path, StatKind::Stat)
    }

    fn lstat(&self, path: &CStr) -> Result<libc::stat> {
        self.stat_kind(path, StatKind::LStat)
    }

    fn fstat(&self, fd: HostFd) -> Result<libc::stat> {
        self.check(fd, -1)?;
        let mut attr = FileAttr::default();
        let mut params =
            FstatParams { fd: fd.0, attr: address(&raw mut attr), ret: StatResult::None };
        // SAFETY: room for the attributes.
        unsafe { call(Port::FileFstat, &mut params) };
        stat_result(params.ret, &attr)
    }

    fn getdents64(&self, fd: HostFd, buf: &mut [u8]) -> Result<usize> {
        self.check(fd, -1)?;
        let len = self.part(buf.as_mut_ptr() as usize, buf.len())?;
        let mut params = GetdentParams {
            fd: fd.0,
            buf: address(buf.as_mut_ptr()),
            len,
            ret: GetdentResult::None,
        };
        // SAFETY: the buffer is ours for `len` bytes, and in memory.
        unsafe { call(Port::Getdents, &mut params) };
        match params.ret {
            GetdentResult::Success(bytes) => Ok((bytes as usize).min(buf.len())),
            GetdentResult::EndOfDirectory => Ok(0),
            GetdentResult::Error(number) => Err(Errno::from_raw(number)),
            GetdentResult::None => Err(Errno::EIO),
        }
    }
}

/// A number that is negated if it is an errno.
fn result(number: i64) -> Result<usize> {
    // Not by `-number`, of which the least has none.
    usize::try_from(number).map_err(|_| match i32::try_from(number.unsigned_abs()) {
        Ok(number) => Errno::from_raw(number),
        Err(_) => Errno::EIO,
    })
}

/// A file of a Hermit image: the VMM makes its attributes up, without an inode.
fn is_image_file(stat: &libc::stat) -> bool {
    stat.st_ino == 0 && stat.st_dev == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFREG
}

fn stat_result(ret: StatResult, attr: &FileAttr) -> Result<libc::stat> {
    match ret {
        StatResult::Success => {}
        StatResult::Error(number) => return Err(Errno::from_raw(number)),
        StatResult::None => return Err(Errno::EIO),
    }
    // SAFETY: a structure of integers, for which zeros are values.
    let mut stat: libc::stat = unsafe { MaybeUninit::zeroed().assume_init() };
    stat.st_dev = attr.st_dev;
    stat.st_ino = attr.st_ino;
    stat.st_nlink = attr.st_nlink;
    stat.st_mode = attr.st_mode;
    stat.st_uid = attr.st_uid;
    stat.st_gid = attr.st_gid;
    stat.st_rdev = attr.st_rdev;
    stat.st_size = attr.st_size;
    stat.st_blksize = attr.st_blksize;
    stat.st_blocks = attr.st_blocks;
    (stat.st_atime, stat.st_atime_nsec) = time(attr.st_atim);
    (stat.st_mtime, stat.st_mtime_nsec) = time(attr.st_mtim);
    (stat.st_ctime, stat.st_ctime_nsec) = time(attr.st_ctim);
    Ok(stat)
}

fn time(time: Timespec) -> (i64, i64) {
    (time.tv_sec, i64::from(time.tv_nsec))
}
