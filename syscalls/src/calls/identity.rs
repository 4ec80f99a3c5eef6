//! Whom the process acts as: getuid, geteuid, getgid, getegid, getresuid, getresgid,
//! getgroups; setuid, setgid, setreuid, setregid, setresuid, setresgid, setfsuid,
//! setfsgid, setgroups. They begin as root's.

use crate::system::System;
use crate::{Errno, Result};

impl System {
    /// `getresuid(2)`: real, effective and saved user.
    pub fn getresuid(&self) -> [u32; 3] {
        let user = self.identity.read().user;
        [user.real, user.effective, user.saved]
    }

    /// `getresgid(2)`: real, effective and saved group.
    pub fn getresgid(&self) -> [u32; 3] {
        let group = self.identity.read().group;
        [group.real, group.effective, group.saved]
    }

    /// `setuid(2)`.
    ///
    /// # Errors
    /// EINVAL for -1; EPERM.
    pub fn setuid(&self, uid: u32) -> Result<()> {
        self.identity.write().change_user(|user, privileged| user.set(uid, privileged))
    }

    /// `setgid(2)`.
    ///
    /// # Errors
    /// EINVAL for -1; EPERM.
    pub fn setgid(&self, gid: u32) -> Result<()> {
        self.identity.write().change_group(|group, privileged| group.set(gid, privileged))
    }

    /// `setreuid(2)`: -1 leaves a number as it is.
    ///
    /// # Errors
    /// EPERM.
    pub fn setreuid(&self, real: u32, effective: u32) -> Result<()> {
        let mut identity = self.identity.write();
        identity.change_user(|user, privileged| user.set_two(real, effective, privileged))
    }

    /// `setregid(2)`: -1 leaves a number as it is.
    ///
    /// # Errors
    /// EPERM.
    pub fn setregid(&self, real: u32, effective: u32) -> Result<()> {
        let mut identity = self.identity.write();
        identity.change_group(|group, privileged| group.set_two(real, effective, privileged))
    }

    /// `setresuid(2)`: -1 leaves a number as it is.
    ///
    /// # Errors
    /// EPERM.
    pub fn setresuid(&self, real: u32, effective: u32, saved: u32) -> Result<()> {
        let ids = [real, effective, saved];
        let mut identity = self.identity.write();
        if identity.user.holds(ids, identity.files.uid) {
            return Ok(());
        }
        identity.change_user(|user, privileged| user.set_three(ids, privileged))
    }

    /// `setresgid(2)`: -1 leaves a number as it is.
    ///
    /// # Errors
    /// EPERM.
    pub fn setresgid(&self, real: u32, effective: u32, saved: u32) -> Result<()> {
        let ids = [real, effective, saved];
        let mut identity = self.identity.write();
        if identity.group.holds(ids, identity.files.gid) {
            return Ok(());
        }
        identity.change_group(|group, privileged| group.set_three(ids, privileged))
    }

    /// `setfsuid(2)`: sets the user that file accesses are checked against, if the process
    /// may; returns the former one, whether it was set or not.
    pub fn setfsuid(&self, uid: u32) -> u32 {
        let mut identity = self.identity.write();
        let former = identity.files.uid;
        let may = identity.is_privileged() || identity.user.includes(uid, former);
        if may && uid != u32::MAX {
            identity.files.uid = uid;
        }
        former
    }

    /// `setfsgid(2)`: sets the group that file accesses are checked against, if the
    /// process may; returns the former one, whether it was set or not.
    pub fn setfsgid(&self, gid: u32) -> u32 {
        let mut identity = self.identity.write();
        let former = identity.files.gid;
        let may = identity.is_privileged() || identity.group.includes(gid, former);
        if may && gid != u32::MAX {
            identity.files.gid = gid;
        }
        former
    }

    /// `setgroups(2)`.
    ///
    /// # Errors
    /// EPERM; EINVAL for more than 65536, or for -1; ENOMEM.
    pub fn setgroups(&self, groups: &[u32]) -> Result<()> {
        self.identity.write().set_groups(groups.len(), |at| Ok(groups[at]))
    }

    /// `getgroups(2)`: copies the supplementary groups, in ascending order; returns how
    /// many there are. With no room at all it only counts.
    ///
    /// # Errors
    /// EINVAL if there is room for some but not for all.
    pub fn getgroups(&self, groups: &mut [u32]) -> Result<usize> {
        self.each_group(groups.len(), |at, group| {
            groups[at] = group;
            Ok(())
        })
    }

    pub(crate) fn setgroups_raw(&self, count: i32, list: u64) -> Result<()> {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let memory = self.user_memory();
        self.identity.write().set_groups(count, |at| {
            let mut bytes = [0; 4];
            memory.source((list as usize).wrapping_add(4 * at), 4)?.copy_to(&mut bytes);
            Ok(u32::from_ne_bytes(bytes))
        })
    }

    pub(crate) fn getgroups_raw(&self, room: i32, list: u64) -> Result<usize> {
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        self.each_group(room, |at, group| {
            self.user_memory().put((list as usize).wrapping_add(4 * at), &group)
        })
    }

    /// # Errors
    /// EINVAL if `room` is neither 0 nor enough; what `put` says.
    fn each_group(
        &self,
        room: usize,
        mut put: impl FnMut(usize, u32) -> Result<()>,
    ) -> Result<usize> {
        let identity = self.identity.read();
        let groups = identity.files.groups.as_slice();
        if room == 0 {
            return Ok(groups.len());
        }
        if room < groups.len() {
            return Err(Errno::EINVAL);
        }
        for (at, &group) in groups.iter().enumerate() {
            put(at, group)?;
        }
        Ok(groups.len())
    }
}
