//! [`Identity`]: whom the process acts as, and [`Who`], what of it counts for files;
//! `credentials(7)`, `inode(7)`.

use std::sync::Arc;

use anchorite_syscalls::Errno;

use super::tree::{Inode, Kind};

/// Read permission.
pub const READ: u32 = 4;
/// Write permission.
pub const WRITE: u32 = 2;
/// Permission to execute, or to search.
pub const EXECUTE: u32 = 1;

const SET_USER: u32 = libc::S_ISUID;
const SET_GROUP: u32 = libc::S_ISGID;
const GROUP_EXECUTE: u32 = libc::S_IXGRP;

/// Real, effective and saved number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Who started the process.
    pub real: u32,
    /// As whom it acts.
    pub effective: u32,
    /// As whom it may act again.
    pub saved: u32,
}

/// The users and groups of the process.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Users.
    pub user: Ids,
    /// Groups.
    pub group: Ids,
    /// Who accesses files.
    pub files: Who,
}

/// Who accesses files.
#[derive(Clone, Debug)]
pub struct Who {
    /// The file-system user.
    pub uid: u32,
    /// The file-system group.
    pub gid: u32,
    /// The supplementary groups, in ascending order.
    pub groups: Arc<[u32]>,
}

impl Identity {
    /// Root.
    pub fn root() -> Identity {
        let files = Who { uid: 0, gid: 0, groups: Arc::new([]) };
        Identity { user: Ids::default(), group: Ids::default(), files }
    }

    /// CAP_SETUID and CAP_SETGID, which go with the effective user.
    pub fn is_privileged(&self) -> bool {
        self.user.effective == 0
    }

    /// Takes new users; the file-system user becomes the effective one.
    pub fn set_users(&mut self, new: Ids) {
        self.user = new;
        self.files.uid = new.effective;
    }

    /// Takes new groups; the file-system group becomes the effective one.
    pub fn set_group_ids(&mut self, new: Ids) {
        self.group = new;
        self.files.gid = new.effective;
    }

    /// Who accesses files by the real user and group, as `access(2)` asks.
    pub fn real(&self) -> Who {
        let groups = self.files.groups.clone();
        Who { uid: self.user.real, gid: self.group.real, groups }
    }
}

impl Who {
    /// Whether the caller has the capabilities for files, such as CAP_DAC_OVERRIDE: they go
    /// with the user.
    pub fn is_capable(&self) -> bool {
        self.uid == 0
    }

    /// Whether `gid` is one of the caller's groups.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether the caller owns the file or may act as if (CAP_FOWNER).
    pub fn owns(&self, inode: &Inode) -> bool {
        self.uid == inode.uid || self.is_capable()
    }

    /// Checks the permissions `wanted` of a file: `path_resolution(7)`.
    ///
    /// # Errors
    /// EACCES.
    pub fn check(&self, inode: &Inode, wanted: u32) -> Result<(), Errno> {
        let class = if self.uid == inode.uid {
            inode.mode >> 6
        } else if self.in_group(inode.gid) {
            inode.mode >> 3
        } else {
            inode.mode
        };
        let granted = wanted & !class & 7 == 0;
        let executable = inode.is_directory() || inode.mode & 0o111 != 0;
        let overridden = self.is_capable() && (wanted & EXECUTE == 0 || executable);
        if granted || overridden { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Whether a sticky `directory` keeps the caller from removing `child`.
    pub fn is_kept_by_sticky_bit(&self, directory: &Inode, child: &Inode) -> bool {
        directory.mode & libc::S_ISVTX != 0
            && self.uid != child.uid
            && self.uid != directory.uid
            && !self.is_capable()
    }

    /// The mode of a file after a change of its owner: without the set-user-ID bit, and
    /// without the set-group-ID bit where that is a privilege.
    pub fn without_set_ids(&self, inode: &Inode) -> u32 {
        let mode = inode.mode & !SET_USER;
        let harmless = mode & GROUP_EXECUTE == 0 && (self.in_group(inode.gid) || self.is_capable());
        if harmless { mode } else { mode & !SET_GROUP }
    }

    /// The mode of a file after a change of its content.
    pub fn mode_after_write(&self, inode: &Inode) -> u32 {
        if self.is_capable() { inode.mode } else { self.without_set_ids(inode) }
    }

    /// `mode`, without the set-group-ID bit if the caller may not give it to `gid`.
    pub fn mode_for_group(&self, mode: u32, gid: u32) -> u32 {
        if self.in_group(gid) || self.is_capable() { mode } else { mode & !SET_GROUP }
    }

    /// Group and mode of a new file in `parent`: a set-group-ID directory gives its group
    /// to its files and the bit to its directories.
    pub fn group_and_mode(&self, parent: &Inode, kind: &Kind, mode: u32) -> (u32, u32) {
        if parent.mode & SET_GROUP == 0 {
            return (self.gid, mode);
        }
        match kind {
            Kind::Directory(_) => (parent.gid, mode | SET_GROUP),
            _ if mode & GROUP_EXECUTE != 0 => (parent.gid, self.mode_for_group(mode, parent.gid)),
            _ => (parent.gid, mode),
        }
    }
}
