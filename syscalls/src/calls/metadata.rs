//! Attributes: stat, lstat, fstat; chmod, fchmod, chown, lchown, fchown; umask.

use anchorite_fs::Change;

use crate::file::Object;
use crate::node::Files;
use crate::system::System;
use crate::walk::LastLink;
use crate::{Errno, Result, abi};

impl System {
    /// `stat(2)`.
    ///
    /// # Errors
    /// Those of the path.
    pub fn stat(&self, path: &[u8]) -> Result<libc::stat> {
        self.stat_at(path, LastLink::Follow)
    }

    /// `lstat(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of the path.
    pub fn lstat(&self, path: &[u8]) -> Result<libc::stat> {
        self.stat_at(path, LastLink::Stay)
    }

    /// `fstat(2)`.
    ///
    /// # Errors
    /// EBADF; EIO.
    pub fn fstat(&self, fd: i32) -> Result<libc::stat> {
        Ok(abi::stat(&self.file(fd)?.attributes()?))
    }

    /// `chmod(2)`.
    ///
    /// # Errors
    /// Those of the path; EPERM; ENOSYS on the host.
    pub fn chmod(&self, path: &[u8], mode: u32) -> Result<()> {
        self.change_at(path, LastLink::Follow, Change::Mode(mode))
    }

    /// `fchmod(2)`.
    ///
    /// # Errors
    /// EBADF; EPERM; ENOSYS on the host; EINVAL for the console.
    pub fn fchmod(&self, fd: i32, mode: u32) -> Result<()> {
        self.change_open(fd, Change::Mode(mode))
    }

    /// `chown(2)`: -1 leaves the owner or the group as it is.
    ///
    /// # Errors
    /// Those of the path; EPERM; ENOSYS on the host.
    pub fn chown(&self, path: &[u8], uid: u32, gid: u32) -> Result<()> {
        self.change_at(path, LastLink::Follow, owner(uid, gid))
    }

    /// `lchown(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of the path; EPERM; ENOSYS on the host.
    pub fn lchown(&self, path: &[u8], uid: u32, gid: u32) -> Result<()> {
        self.change_at(path, LastLink::Stay, owner(uid, gid))
    }

    /// `fchown(2)`.
    ///
    /// # Errors
    /// EBADF; EPERM; ENOSYS on the host; EINVAL for the console.
    pub fn fchown(&self, fd: i32, uid: u32, gid: u32) -> Result<()> {
        self.change_open(fd, owner(uid, gid))
    }

    /// `umask(2)`: sets the mask; returns the former one.
    pub fn umask(&self, mask: u32) -> u32 {
        self.set_umask(mask)
    }

    fn stat_at(&self, path: &[u8], last_link: LastLink) -> Result<libc::stat> {
        self.as_caller(|caller| {
            let place = self.place_at(caller, libc::AT_FDCWD, path, last_link, 0)?;
            Ok(abi::stat(&place.node.attributes(last_link)?))
        })
    }
    fn change_at(&self, path: &[u8], last_link: LastLink, change: Change) -> Result<()> {
        self.as_caller(|caller| {
            let place = self.place_at(caller, libc::AT_FDCWD, path, last_link, 0)?;
            place.node.change(caller, change)
        })
    }

    fn change_open(&self, fd: i32, change: Change) -> Result<()> {
        let file = self.file(fd)?;
        match &file.object {
            Object::Inode(inode) => self.as_caller(|caller| inode.change(caller, change)),
            Object::Host(_) => Err(Errno::ENOSYS),
            Object::Console(_) => Err(Errno::EINVAL),
        }
    }
}

fn owner(uid: u32, gid: u32) -> Change {
    let given = |id: u32| (id != u32::MAX).then_some(id);
    Change::Owner(given(uid), given(gid))
}
