//! Attributes: stat, lstat, fstat, newfstatat, statx; access, faccessat, faccessat2; chmod,
//! fchmod, fchmodat; chown, lchown, fchown, fchownat; umask; statfs, fstatfs.

use anchorite_fs::{Access, Attributes, Caller, Change, FileType, Inode, InodeRef};

use crate::file::Object;
use crate::mounts::options::MountFlags;
use crate::node::{Files, Node};
use crate::notify::{Given, events_of};
use crate::system::System;
use crate::walk::{LastLink, Place};
use crate::{Errno, Result, abi, in_place};

/// Flags of `fstatat(2)`: AT_STATX_SYNC_TYPE and AT_NO_AUTOMOUNT change nothing here.
const STAT_FLAGS: i32 = libc::AT_SYMLINK_NOFOLLOW
    | libc::AT_EMPTY_PATH
    | libc::AT_NO_AUTOMOUNT
    | libc::AT_STATX_FORCE_SYNC
    | libc::AT_STATX_DONT_SYNC;

/// What `statfs(2)` tells of what is in no file system: ANON_INODE_FS_MAGIC.
const ANONYMOUS_MAGIC: i64 = 0x0904_1934;

impl System {
    /// `stat(2)`.
    ///
    /// # Errors
    /// Those of the path.
    pub fn stat(&self, path: &[u8]) -> Result<libc::stat> {
        self.fstatat(libc::AT_FDCWD, path, 0)
    }

    /// `lstat(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of the path.
    pub fn lstat(&self, path: &[u8]) -> Result<libc::stat> {
        self.fstatat(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW)
    }

    /// `fstat(2)`.
    ///
    /// # Errors
    /// EBADF; EIO.
    pub fn fstat(&self, fd: i32) -> Result<libc::stat> {
        let file = self.file_or_path(fd)?;
        if let Object::Inode(inode) = &file.object {
            // Told by itself, it goes straight into its place.
            return Ok(abi::stat(&Inode::attributes(inode)));
        }
        Ok(abi::stat(&file.attributes()?))
    }

    /// `fstatat(2)`: as [`stat`](System::stat), a relative path from `at`; with
    /// AT_SYMLINK_NOFOLLOW as [`lstat`](System::lstat), with AT_EMPTY_PATH and an empty
    /// path as [`fstat`](System::fstat).
    ///
    /// # Errors
    /// EINVAL for other flags; EBADF and ENOTDIR for `at`; those of the path.
    #[inline]
    pub fn fstatat(&self, at: i32, path: &[u8], flags: i32) -> Result<libc::stat> {
        self.attributes_at(at, path, flags, abi::stat)
    }

    /// `statx(2)`: all that there is to tell, whatever `mask` asks for, as it may.
    ///
    /// # Errors
    /// EINVAL for a reserved bit in `mask` or other flags; EBADF and ENOTDIR for `at`;
    /// those of the path.
    pub fn statx(&self, at: i32, path: &[u8], flags: i32, mask: u32) -> Result<libc::statx> {
        const BOTH: i32 = libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC;
        const RESERVED: u32 = 1 << 31;
        if mask & RESERVED != 0 || flags & BOTH == BOTH {
            return Err(Errno::EINVAL);
        }
        self.attributes_at(at, path, flags, abi::statx)
    }

    /// `access(2)`: whether the real user and group may read (4), write (2), execute or search
    /// (1), or whether the file exists (0).
    ///
    /// # Errors
    /// EINVAL for another mode; those of the path; EACCES.
    pub fn access(&self, path: &[u8], mode: u32) -> Result<()> {
        self.faccessat(libc::AT_FDCWD, path, mode, 0)
    }

    /// `faccessat2(2)`: as [`access`](System::access), a relative path from `at`, with
    /// AT_EACCESS, which asks for the effective user and group, AT_SYMLINK_NOFOLLOW and
    /// AT_EMPTY_PATH.
    ///
    /// # Errors
    /// EINVAL for another mode or other flags; EBADF and ENOTDIR for `at`; those of the
    /// path; EACCES.
    pub fn faccessat(&self, at: i32, path: &[u8], mode: u32, flags: i32) -> Result<()> {
        let wanted = Access::from_bits(mode).ok_or(Errno::EINVAL)?;
        let known = libc::AT_EACCESS | libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
        if flags & !known != 0 {
            return Err(Errno::EINVAL);
        }
        let check = |caller: &Caller<'_>| {
            let place = self.place_at(caller, at, path, last_link(flags), flags)?;
            self.check_access(caller, &place, wanted)
        };
        if flags & libc::AT_EACCESS != 0 {
            self.as_caller(check)
        } else {
            self.as_real_caller(check)
        }
    }

    /// `chmod(2)`.
    ///
    /// # Errors
    /// Those of the path; EPERM; ENOSYS on the host.
    pub fn chmod(&self, path: &[u8], mode: u32) -> Result<()> {
        self.fchmodat(libc::AT_FDCWD, path, mode, 0)
    }

    /// `fchmod(2)`.
    ///
    /// # Errors
    /// EBADF; EPERM; ENOSYS on the host; EINVAL for a console without a node.
    pub fn fchmod(&self, fd: i32, mode: u32) -> Result<()> {
        self.change_open(fd, Ok(Change::Mode(mode)))
    }

    /// `fchmodat2(2)`: as [`chmod`](System::chmod), a relative path from `at`, with
    /// AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
    ///
    /// # Errors
    /// EINVAL for other flags; EBADF and ENOTDIR for `at`; those of
    /// [`chmod`](System::chmod); EOPNOTSUPP for a symbolic link itself.
    pub fn fchmodat(&self, at: i32, path: &[u8], mode: u32, flags: i32) -> Result<()> {
        self.change_at(at, path, flags, Ok(Change::Mode(mode)))
    }

    /// `chown(2)`: -1 leaves the owner or the group as it is.
    ///
    /// # Errors
    /// Those of the path; EPERM; ENOSYS on the host.
    pub fn chown(&self, path: &[u8], uid: u32, gid: u32) -> Result<()> {
        self.fchownat(libc::AT_FDCWD, path, uid, gid, 0)
    }

    /// `lchown(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of the path; EPERM; ENOSYS on the host.
    pub fn lchown(&self, path: &[u8], uid: u32, gid: u32) -> Result<()> {
        self.fchownat(libc::AT_FDCWD, path, uid, gid, libc::AT_SYMLINK_NOFOLLOW)
    }

    /// `fchown(2)`.
    ///
    /// # Errors
    /// EBADF; EPERM; ENOSYS on the host; EINVAL for a console without a node.
    pub fn fchown(&self, fd: i32, uid: u32, gid: u32) -> Result<()> {
        self.change_open(fd, Ok(owner(uid, gid)))
    }

    /// `fchownat(2)`: as [`chown`](System::chown), a relative path from `at`, with
    /// AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
    ///
    /// # Errors
    /// EINVAL for other flags; EBADF and ENOTDIR for `at`; those of
    /// [`chown`](System::chown).
    pub fn fchownat(&self, at: i32, path: &[u8], uid: u32, gid: u32, flags: i32) -> Result<()> {
        self.change_at(at, path, flags, Ok(owner(uid, gid)))
    }

    /// `umask(2)`: sets the mask; returns the former one.
    pub fn umask(&self, mask: u32) -> u32 {
        self.set_umask(mask)
    }

    /// `statfs(2)`: the limits of the file system that `path` is in, and what is used.
    ///
    /// # Errors
    /// Those of the path; ENOSYS on the host.
    pub fn statfs(&self, path: &[u8]) -> Result<libc::statfs64> {
        self.as_caller(|caller| {
            let place = self.place_at(caller, libc::AT_FDCWD, path, LastLink::Follow, 0)?;
            self.statfs_of(&place)
        })
    }

    /// `fstatfs(2)`.
    ///
    /// # Errors
    /// EBADF; ENOSYS on the host and for the console.
    pub fn fstatfs(&self, fd: i32) -> Result<libc::statfs64> {
        let file = self.file_or_path(fd)?;
        if let Object::Inotify(_) = &file.object {
            return Ok(abi::statfs(ANONYMOUS_MAGIC, 0, None));
        }
        self.statfs_of(file.place.as_ref().ok_or(Errno::ENOSYS)?)
    }

    /// `access(2)` of a place: what its mount says too.
    fn check_access(&self, caller: &Caller<'_>, place: &Place, wanted: Access) -> Result<()> {
        let mount = self.mount_of(&place.mount);
        let file_type = place.node.file_type();
        let is_started = wanted.contains(Access::EXECUTE) && file_type == Some(FileType::Regular);
        if is_started && mount.flags().contains(MountFlags::NO_PROGRAMS) {
            return Err(Errno::EACCES);
        }
        // What is no file is not written to its file system.
        let is_written = wanted.contains(Access::WRITE) && !is_special(file_type);
        if is_written && mount.file_system.is_read_only() {
            return Err(Errno::EROFS);
        }
        place.node.check(caller, wanted)?;
        if is_written { self.check_writable(place) } else { Ok(()) }
    }

    /// The attributes of the file at `path`, as `form` tells them.
    fn attributes_at<T>(
        &self,
        at: i32,
        path: &[u8],
        flags: i32,
        form: impl Fn(&Attributes) -> T,
    ) -> Result<T> {
        if flags & !STAT_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 && at != libc::AT_FDCWD {
            return self.file_or_path(at)?.attributes().map(|attributes| form(&attributes));
        }
        let last_link = last_link(flags);
        self.as_caller(|caller| {
            if let Some((_, inode)) = self.found_alone(caller, at, path, last_link)? {
                // As in `fstat`.
                return Ok(form(&Inode::attributes(inode)));
            }
            let tell = |inode: &InodeRef| form(&Inode::attributes(inode));
            if let Some(told) = self.found_beside_others(caller, at, path, last_link, tell)? {
                return Ok(told);
            }
            let mut place = self.place_at(caller, at, path, last_link, flags);
            let node = &in_place(&mut place)?.node;
            if let Node::Ramdisk(inode) = node {
                return Ok(form(&Inode::attributes(inode)));
            }
            node.attributes(last_link).map(|attributes| form(&attributes))
        })
    }

    fn statfs_of(&self, place: &Place) -> Result<libc::statfs64> {
        let mount = self.mount_of(&place.mount);
        mount.file_system.statfs(mount.flags())
    }

    /// Changes the file at `path`. What is wrong with the change itself comes after what is
    /// wrong with the path, as on Linux.
    pub(crate) fn change_at(
        &self,
        at: i32,
        path: &[u8],
        flags: i32,
        change: Result<Change>,
    ) -> Result<()> {
        if flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        self.as_caller(|caller| {
            let place = self.place_at(caller, at, path, last_link(flags), flags)?;
            let change = change?;
            self.check_writable(&place)?;
            if matches!(change, Change::Mode(_)) && place.node.is_symlink() {
                return Err(Errno::EOPNOTSUPP);
            }
            let Some(notified) = self.notified() else { return place.node.change(caller, change) };
            let mode_before = place.node.mode();
            place.node.change(caller, change)?;
            let given = Given { at, path, last_link: last_link(flags) };
            notified.changed_at(self, caller, given, (&place, mode_before), events_of(change));
            Ok(())
        })
    }

    /// As [`change_at`](System::change_at), by descriptor.
    pub(crate) fn change_open(&self, fd: i32, change: Result<Change>) -> Result<()> {
        let file = self.file(fd)?;
        let change = change?;
        if let Some(place) = &file.place {
            self.check_writable(place)?;
        }
        let notified = self.notified().map(|notified| (notified, file.mode()));
        match &file.object {
            Object::Inode(inode) => self.as_caller(|caller| inode.change(caller, change)),
            Object::Pipe(end) => self.as_caller(|caller| end.inode().change(caller, change)),
            Object::Host(_) | Object::Path => Err(Errno::ENOSYS),
            Object::Proc(_) => Err(Errno::EPERM),
            Object::Device(_) => match &file.place {
                Some(place) => self.as_caller(|caller| place.node.change(caller, change)),
                None => Err(Errno::EINVAL),
            },
            Object::Inotify(_) => Err(Errno::EOPNOTSUPP),
        }?;
        if let Some((notified, mode_before)) = notified {
            notified.changed(&file, events_of(change), mode_before);
        }
        Ok(())
    }
}

/// Whether what is written to a file of this type is not written to its file system.
pub(crate) fn is_special(file_type: Option<FileType>) -> bool {
    use FileType::{BlockDevice, CharDevice, Fifo, Socket};
    matches!(file_type, Some(Fifo | Socket | CharDevice | BlockDevice))
}

fn last_link(flags: i32) -> LastLink {
    if flags & libc::AT_SYMLINK_NOFOLLOW != 0 { LastLink::Stay } else { LastLink::Follow }
}

fn owner(uid: u32, gid: u32) -> Change {
    let given = |id: u32| (id != u32::MAX).then_some(id);
    Change::Owner(given(uid), given(gid))
}
