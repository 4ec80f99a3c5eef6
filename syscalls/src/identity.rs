//! [`Identity`]: whom the process acts as, `credentials(7)`.

use alloc::vec::Vec;

use anchorite_fs::Credentials;

use crate::{Errno, Result};

/// Supplementary groups that a process may have: NGROUPS_MAX, `getgroups(2)`.
const GROUPS_MAX: usize = 65536;

/// A user's or a group's numbers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ids {
    pub(crate) real: u32,
    pub(crate) effective: u32,
    pub(crate) saved: u32,
}

/// Users and groups of the process. Protected by the system's lock `identity`.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) user: Ids,
    pub(crate) group: Ids,
    /// What file accesses are checked against.
    pub(crate) files: Credentials,
}

impl Ids {
    /// `setuid(2)`, `setgid(2)`.
    ///
    /// # Errors
    /// EINVAL for -1; EPERM.
    pub(crate) fn set(&mut self, id: u32, privileged: bool) -> Result<()> {
        if id == u32::MAX {
            return Err(Errno::EINVAL);
        }
        if privileged {
            *self = Ids { real: id, effective: id, saved: id };
        } else if id == self.real || id == self.saved {
            self.effective = id;
        } else {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// `setreuid(2)`, `setregid(2)`: -1 leaves a number as it is.
    ///
    /// # Errors
    /// EPERM.
    pub(crate) fn set_two(&mut self, real: u32, effective: u32, privileged: bool) -> Result<()> {
        let before = *self;
        let may = |id: u32, allowed: &[u32]| privileged || allowed.contains(&id);
        if real != u32::MAX {
            if !may(real, &[before.real, before.effective]) {
                return Err(Errno::EPERM);
            }
            self.real = real;
        }
        if effective != u32::MAX {
            if !may(effective, &[before.real, before.effective, before.saved]) {
                *self = before;
                return Err(Errno::EPERM);
            }
            self.effective = effective;
        }
        if real != u32::MAX || effective != u32::MAX && effective != before.real {
            self.saved = self.effective;
        }
        Ok(())
    }

    /// `setresuid(2)`, `setresgid(2)`: -1 leaves a number as it is.
    ///
    /// # Errors
    /// EPERM.
    pub(crate) fn set_three(&mut self, ids: [u32; 3], privileged: bool) -> Result<()> {
        let Ids { real, effective, saved } = *self;
        let allowed = |id: &u32| [u32::MAX, real, effective, saved].contains(id);
        if !privileged && !ids.iter().all(allowed) {
            return Err(Errno::EPERM);
        }
        let or = |id, former| if id == u32::MAX { former } else { id };
        let [new_real, new_effective, new_saved] = ids;
        *self = Ids {
            real: or(new_real, real),
            effective: or(new_effective, effective),
            saved: or(new_saved, saved),
        };
        Ok(())
    }

    /// Whether `setresuid(2)` or `setresgid(2)` with `ids` changes nothing, where `current`
    /// is the number for file accesses. Then Linux leaves that one too.
    pub(crate) fn holds(&self, ids: [u32; 3], current: u32) -> bool {
        let [real, effective, saved] = ids;
        let same = |id, own| id == u32::MAX || id == own;
        same(real, self.real)
            && same(saved, self.saved)
            && (effective == u32::MAX || effective == self.effective && effective == current)
    }

    /// Whether `setfsuid(2)` or `setfsgid(2)` may take `id` without privilege, where
    /// `current` is what it is now.
    pub(crate) fn includes(&self, id: u32, current: u32) -> bool {
        [self.real, self.effective, self.saved, current].contains(&id)
    }
}

impl Identity {
    /// Whether the process may take any identity (CAP_SETUID and CAP_SETGID).
    pub(crate) fn is_privileged(&self) -> bool {
        self.user.effective == 0
    }

    /// What file accesses of the real user and group would be checked against.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn real_credentials(&self) -> Result<Credentials> {
        let mut groups = Vec::new();
        groups.try_reserve_exact(self.files.groups.len()).map_err(|_| Errno::ENOMEM)?;
        groups.extend_from_slice(&self.files.groups);
        Ok(Credentials { uid: self.user.real, gid: self.group.real, groups })
    }

    /// Changes the user by `change`; the file-system user follows the effective one.
    ///
    /// # Errors
    /// What `change` says; then nothing has changed.
    pub(crate) fn change_user(
        &mut self,
        change: impl FnOnce(&mut Ids, bool) -> Result<()>,
    ) -> Result<()> {
        let privileged = self.is_privileged();
        change(&mut self.user, privileged)?;
        self.files.uid = self.user.effective;
        Ok(())
    }

    /// Changes the group by `change`; the file-system group follows the effective one.
    ///
    /// # Errors
    /// What `change` says; then nothing has changed.
    pub(crate) fn change_group(
        &mut self,
        change: impl FnOnce(&mut Ids, bool) -> Result<()>,
    ) -> Result<()> {
        let privileged = self.is_privileged();
        change(&mut self.group, privileged)?;
        self.files.gid = self.group.effective;
        Ok(())
    }

    /// Sets the supplementary groups to the `count` that `next` tells.
    ///
    /// # Errors
    /// EPERM; EINVAL for more than 65536, or for -1; ENOMEM; what `next` says.
    pub(crate) fn set_groups(
        &mut self,
        count: usize,
        mut next: impl FnMut(usize) -> Result<u32>,
    ) -> Result<()> {
        if !self.is_privileged() {
            return Err(Errno::EPERM);
        }
        if count > GROUPS_MAX {
            return Err(Errno::EINVAL);
        }
        let mut groups = Vec::new();
        groups.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for at in 0..count {
            match next(at)? {
                u32::MAX => return Err(Errno::EINVAL),
                group => groups.push(group),
            }
        }
        groups.sort_unstable();
        self.files.groups = groups;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Ids = Ids { real: 1, effective: 2, saved: 3 };

    fn numbers(ids: Ids) -> [u32; 3] {
        [ids.real, ids.effective, ids.saved]
    }

    #[test]
    fn without_privilege_only_numbers_that_one_has() {
        let mut ids = USER;
        assert_eq!(ids.set(3, false), Ok(()));
        assert_eq!(numbers(ids), [1, 3, 3]);
        let mut ids = USER;
        assert_eq!(ids.set(2, false), Err(Errno::EPERM));
        assert_eq!(ids.set(u32::MAX, true), Err(Errno::EINVAL));
        assert_eq!(ids.set_two(3, u32::MAX, false), Err(Errno::EPERM));
        assert_eq!(ids.set_two(2, 4, false), Err(Errno::EPERM));
        assert_eq!(numbers(ids), [1, 2, 3]);
        assert_eq!(ids.set_two(2, 1, false), Ok(()));
        assert_eq!(numbers(ids), [2, 1, 1]);
        let mut ids = USER;
        assert_eq!(ids.set_three([3, 1, u32::MAX], false), Ok(()));
        assert_eq!(numbers(ids), [3, 1, 3]);
        assert_eq!(ids.set_three([9, 1, 1], false), Err(Errno::EPERM));
    }

    #[test]
    fn the_saved_number_follows_a_new_effective_one() {
        let mut ids = USER;
        assert_eq!(ids.set_two(u32::MAX, 1, false), Ok(()));
        assert_eq!(numbers(ids), [1, 1, 3]); // the former real one: saved stays
        assert_eq!(ids.set_two(u32::MAX, 7, true), Ok(()));
        assert_eq!(numbers(ids), [1, 7, 7]);
    }
}
