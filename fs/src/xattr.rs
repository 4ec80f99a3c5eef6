//! Extended attributes: names with values that a program gives to a file, `xattr(7)`.
//!
//! An inode has them behind one pointer, which is null for a file that has none. They are in
//! one vector in the order of listings, tmpfs's: the greatest name first. Each is one piece of
//! memory, of the name and the value.
//!
//! # What they cost
//! As on tmpfs, they are paid for with inodes: each takes 40 bytes, its name's and its
//! value's, and 1024 bytes are an inode ([`Superblock::charge_xattr`]).
//!
//! # Who may
//! It goes by the name's beginning. `user.` is for regular files and directories and follows
//! the permissions of the file; `trusted.` is root's and seen by nobody else; `security.` is
//! read by all and written by root. Others are not supported, nor are access control lists
//! (`system.posix_acl_access`).
//!
//! `security.capability` says what a program may do that is executed. None is here, but tools
//! that copy programs look after it: a value must have the form that Linux wants, and who
//! changes the file's content or owner takes it away.
//!
//! All is protected by the inode's lock. What a call replaces is freed after it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use bitflags::bitflags;

use crate::check::{Problem, Report};
use crate::inode::{Body, Inode, State};
use crate::mem::try_box;
use crate::ramdisk::Superblock;
use crate::{Access, Caller, Errno, InodeNo, Result, Sink, Source};

/// Bytes in the longest name of an extended attribute: XATTR_NAME_MAX.
pub const XATTR_NAME_MAX: usize = 255;
/// Bytes in the longest value of an extended attribute: XATTR_SIZE_MAX.
pub const XATTR_SIZE_MAX: usize = 65536;
/// Bytes in the longest list of names of extended attributes: XATTR_LIST_MAX.
pub const XATTR_LIST_MAX: usize = 65536;

/// What the quota counts for an attribute beside its name and value, as tmpfs has it.
const OVERHEAD_BYTES: u64 = 40;
/// So many attributes take no more memory than they need; with more, there is some to spare.
const FEW: usize = 4;
/// What a program may do that is executed from the file: `capabilities(7)`.
const CAPABILITY: &[u8] = b"security.capability";
/// The bit in the first word of capabilities that is no part of their revision.
const EFFECTIVE: u32 = 1;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_2_BYTES: usize = 20;
/// As revision 2, and the user who is root in the namespace that they are for.
const REVISION_3: u32 = 0x0300_0000;
const REVISION_3_BYTES: usize = 24;

/// The name of an extended attribute: 1 to [`XATTR_NAME_MAX`] bytes, none of them NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XattrName<'a>(&'a [u8]);

bitflags! {
    /// What [`Inode::set_xattr`] asks of an attribute: `setxattr(2)`. With both, it fails.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SetXattr: i32 {
        /// That it is not there yet.
        const CREATE = libc::XATTR_CREATE;
        /// That it is there.
        const REPLACE = libc::XATTR_REPLACE;
    }
}

/// Whose an attribute is, by its name's beginning.
enum Namespace {
    User,
    Trusted,
    Security,
    System,
    Unknown,
}

/// An attribute.
struct Xattr {
    /// The name, and behind it the value.
    bytes: Vec<u8>,
    name_len: u8,
}

/// The attributes of an inode.
#[derive(Default)]
pub(crate) struct Xattrs(Option<Box<List>>);

/// Attributes, at least one, in descending order of their names.
struct List(Vec<Xattr>);

impl Inode {
    /// `setxattr(2)`: gives the attribute `name` the value of what is left in `value`.
    ///
    /// # Errors
    /// E2BIG for a value of more than [`XATTR_SIZE_MAX`] bytes; ENOMEM; EINVAL and EPERM for
    /// capabilities; EPERM for a name that the caller, or a file of this type, must not have;
    /// EACCES; EOPNOTSUPP for an unknown namespace; EINVAL for a namespace alone; ENOSPC;
    /// EEXIST ([`SetXattr::CREATE`]); ENODATA ([`SetXattr::REPLACE`]).
    pub fn set_xattr(
        &self,
        caller: &Caller<'_>,
        name: XattrName<'_>,
        value: &mut Source<'_>,
        set: SetXattr,
    ) -> Result<()> {
        let mut new = Xattr::new(name, value)?;
        let is_root = caller.credentials.is_root();
        if name.0 == CAPABILITY && !new.value().is_empty() {
            new.check_capability()?;
            if !is_root {
                return Err(Errno::EPERM);
            }
            new.settle_capability()?;
        }
        let _former = {
            let mut state = self.state.write();
            state.may_use(caller, name, Access::WRITE)?;
            // An empty value of capabilities is anybody's to set, on Linux too.
            if name.is_security() && name.0 != CAPABILITY && !is_root {
                return Err(Errno::EPERM);
            }
            name.check_namespace()?;
            let former = state.xattrs.set(&self.superblock, new, set)?;
            state.meta.touch_status(caller.now());
            former // dropped after the lock
        };
        Ok(())
    }

    /// `getxattr(2)`: copies the value of the attribute `name`, or nothing if there is no room
    /// at all; returns the value's bytes.
    ///
    /// # Errors
    /// ENODATA for a name that the caller, or a file of this type, must not have; EACCES;
    /// EOPNOTSUPP for an unknown namespace; EINVAL for a namespace alone; ENODATA; EINVAL for
    /// capabilities without a value; ERANGE for less room than needed.
    pub fn get_xattr(
        &self,
        caller: &Caller<'_>,
        name: XattrName<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        let state = self.state.read();
        state.may_use(caller, name, Access::READ)?;
        name.check_namespace()?;
        let value = state.xattrs.get(name.0).ok_or(Errno::ENODATA)?.value();
        if name.0 == CAPABILITY && value.is_empty() {
            return Err(Errno::EINVAL);
        }
        match sink.remaining() {
            0 => Ok(value.len()),
            room if room < value.len() => Err(Errno::ERANGE),
            _ => Ok(sink.put(value)),
        }
    }

    /// `listxattr(2)`: copies the names of all attributes that the caller may see, each ended
    /// by NUL, or nothing if there is no room at all; returns their bytes.
    ///
    /// # Errors
    /// ERANGE for less room than needed; E2BIG if no room would do.
    pub fn list_xattrs(&self, caller: &Caller<'_>, sink: &mut Sink<'_>) -> Result<usize> {
        sink.truncate(XATTR_LIST_MAX);
        let state = self.state.read();
        let is_root = caller.credentials.is_root();
        let seen = || {
            let all = state.xattrs.iter().map(|xattr| xattr.name());
            all.filter(|name| is_root || !matches!(name.namespace(), Namespace::Trusted))
        };
        let needed = seen().map(|name| name.0.len() + 1).sum();
        match sink.remaining() {
            0 => return Ok(needed),
            XATTR_LIST_MAX if needed > XATTR_LIST_MAX => return Err(Errno::E2BIG),
            room if room < needed => return Err(Errno::ERANGE),
            _ => {}
        }
        for name in seen() {
            sink.put(name.0);
            sink.put(b"\0");
        }
        Ok(needed)
    }

    /// `removexattr(2)`.
    ///
    /// # Errors
    /// EPERM for a name that the caller, or a file of this type, must not have; EACCES;
    /// EOPNOTSUPP for an unknown namespace; EINVAL for a namespace alone; ENODATA.
    pub fn remove_xattr(&self, caller: &Caller<'_>, name: XattrName<'_>) -> Result<()> {
        let _removed = {
            let mut state = self.state.write();
            state.may_use(caller, name, Access::WRITE)?;
            if name.is_security() && !caller.credentials.is_root() {
                return Err(Errno::EPERM);
            }
            name.check_namespace()?;
            let removed = state.xattrs.remove(&self.superblock, name.0).ok_or(Errno::ENODATA)?;
            state.meta.touch_status(caller.now());
            removed // dropped after the lock
        };
        Ok(())
    }

    /// Calls `each` with the name and the value of every attribute, whoever may see it, in the
    /// order of listings, until it fails. The file is locked meanwhile.
    ///
    /// # Errors
    /// What `each` says.
    pub fn each_xattr(&self, mut each: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.state.read().xattrs.iter().try_for_each(|xattr| each(xattr.name().0, xattr.value()))
    }
}

impl<'a> XattrName<'a> {
    /// The name of these bytes, of whatever namespace.
    ///
    /// # Errors
    /// ERANGE for none, or more than [`XATTR_NAME_MAX`]; EINVAL for a NUL among them.
    pub fn new(bytes: &'a [u8]) -> Result<XattrName<'a>> {
        match bytes.len() {
            1..=XATTR_NAME_MAX if bytes.contains(&0) => Err(Errno::EINVAL),
            1..=XATTR_NAME_MAX => Ok(XattrName(bytes)),
            _ => Err(Errno::ERANGE),
        }
    }

    fn namespace(self) -> Namespace {
        let dot = self.0.iter().position(|&byte| byte == b'.');
        match dot.map(|dot| &self.0[..dot]) {
            Some(b"user") => Namespace::User,
            Some(b"trusted") => Namespace::Trusted,
            Some(b"security") => Namespace::Security,
            Some(b"system") => Namespace::System,
            _ => Namespace::Unknown,
        }
    }

    fn is_security(self) -> bool {
        matches!(self.namespace(), Namespace::Security)
    }

    /// # Errors
    /// EOPNOTSUPP for a namespace that is not kept; EINVAL for one with nothing behind it.
    fn check_namespace(self) -> Result<()> {
        match self.namespace() {
            Namespace::System | Namespace::Unknown => Err(Errno::EOPNOTSUPP),
            _ if self.0.iter().position(|&byte| byte == b'.') == Some(self.0.len() - 1) => {
                Err(Errno::EINVAL)
            }
            _ => Ok(()),
        }
    }
}

impl State {
    /// Whether the caller may read (READ) or change (WRITE) the attribute `name`, if there is
    /// such an attribute: Linux' `xattr_permission`.
    ///
    /// # Errors
    /// EPERM if it may not be changed; ENODATA if it may not be read; EACCES.
    fn may_use(&self, caller: &Caller<'_>, name: XattrName<'_>, wanted: Access) -> Result<()> {
        let who = caller.credentials;
        let refused = if wanted == Access::WRITE { Errno::EPERM } else { Errno::ENODATA };
        match name.namespace() {
            Namespace::Security | Namespace::System => Ok(()),
            Namespace::Trusted if who.is_root() => Ok(()),
            Namespace::Trusted => Err(refused),
            Namespace::User => {
                match self.body {
                    Body::File(_) => {}
                    Body::Directory(_) => {
                        let sticky = self.meta.mode & libc::S_ISVTX != 0;
                        let owns = who.is_root() || who.uid == self.meta.uid;
                        if sticky && wanted == Access::WRITE && !owns {
                            return Err(Errno::EPERM);
                        }
                    }
                    _ => return Err(refused),
                }
                self.check(caller, wanted)
            }
            Namespace::Unknown => self.check(caller, wanted),
        }
    }
}

impl Xattr {
    /// # Errors
    /// E2BIG, ENOMEM.
    fn new(name: XattrName<'_>, value: &mut Source<'_>) -> Result<Xattr> {
        let name = name.0;
        let (name_len, len) = (name.len() as u8, name.len() + value.remaining());
        if value.remaining() > XATTR_SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(name);
        bytes.resize(len, 0);
        value.copy_to(&mut bytes[name.len()..]);
        Ok(Xattr { bytes, name_len })
    }

    fn name(&self) -> XattrName<'_> {
        XattrName(&self.bytes[..usize::from(self.name_len)])
    }

    fn value(&self) -> &[u8] {
        &self.bytes[usize::from(self.name_len)..]
    }

    /// What the quota counts for it.
    fn space(&self) -> u64 {
        OVERHEAD_BYTES + self.bytes.len() as u64
    }

    /// Checks the form of a value of capabilities.
    ///
    /// # Errors
    /// EINVAL.
    fn check_capability(&self) -> Result<()> {
        let value = self.value();
        let magic = value.first_chunk().map(|magic| u32::from_le_bytes(*magic) & !EFFECTIVE);
        match (magic, value.len()) {
            (Some(REVISION_2), REVISION_2_BYTES) | (Some(REVISION_3), REVISION_3_BYTES) => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Takes capabilities, of which the form is checked, as they are kept: those that name root
    /// as the root of their namespace are read as such that name none.
    ///
    /// # Errors
    /// EINVAL for the number of no user.
    fn settle_capability(&mut self) -> Result<()> {
        let start = usize::from(self.name_len);
        let Some(root) = self.bytes.get(start + REVISION_2_BYTES..) else { return Ok(()) };
        match root.first_chunk().map(|root| u32::from_le_bytes(*root)) {
            Some(u32::MAX) => Err(Errno::EINVAL),
            Some(0) => {
                self.bytes[start + 3] = (REVISION_2 >> 24) as u8;
                self.bytes.truncate(start + REVISION_2_BYTES);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Xattrs {
    /// These attributes, each a name and a value, whoever may; of two with one name the later.
    ///
    /// # Errors
    /// ERANGE for a name that is none; E2BIG; EOPNOTSUPP for an unknown namespace; EINVAL for a
    /// namespace alone, and for capabilities without form; ENOSPC; ENOMEM.
    pub(crate) fn of(superblock: &Superblock, all: &[(&[u8], &[u8])]) -> Result<Xattrs> {
        let mut new = Xattrs::default();
        let filled = all.iter().try_for_each(|(name, value)| {
            let name = XattrName::new(name)?;
            let mut xattr = Xattr::new(name, &mut Source::from(*value))?;
            if name.0 == CAPABILITY {
                xattr.check_capability()?;
                xattr.settle_capability()?;
            }
            name.check_namespace()?;
            new.set(superblock, xattr, SetXattr::empty()).map(drop)
        });
        match filled {
            Ok(()) => Ok(new),
            Err(errno) => {
                new.free(superblock);
                Err(errno)
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Xattr> {
        self.0.iter().flat_map(|list| &list.0)
    }

    #[inline]
    fn get(&self, name: &[u8]) -> Option<&Xattr> {
        let list = self.0.as_ref()?;
        list.find(name).ok().map(|at| &list.0[at])
    }

    /// Adds or replaces an attribute; returns the one that it replaces.
    ///
    /// # Errors
    /// ENOSPC: there must be room beside what is replaced, as on tmpfs; EEXIST; ENODATA;
    /// ENOMEM.
    fn set(&mut self, superblock: &Superblock, new: Xattr, set: SetXattr) -> Result<Option<Xattr>> {
        let space = new.space();
        superblock.charge_xattr(space)?;
        match self.put(new, set) {
            Ok(former) => {
                former.iter().for_each(|former| superblock.uncharge_xattr(former.space()));
                Ok(former)
            }
            Err(errno) => {
                superblock.uncharge_xattr(space);
                Err(errno)
            }
        }
    }

    fn put(&mut self, new: Xattr, set: SetXattr) -> Result<Option<Xattr>> {
        let found = self.0.as_ref().map_or(Err(0), |list| list.find(new.name().0));
        match (found, &mut self.0) {
            (Ok(_), _) if set.contains(SetXattr::CREATE) => Err(Errno::EEXIST),
            (Err(_), _) if set.contains(SetXattr::REPLACE) => Err(Errno::ENODATA),
            (Ok(at), Some(list)) => Ok(Some(core::mem::replace(&mut list.0[at], new))),
            (Err(at), Some(list)) => {
                list.reserve()?;
                list.0.insert(at, new);
                Ok(None)
            }
            (_, none) => {
                let mut list = try_box(List(Vec::new()))?;
                list.reserve()?;
                list.0.push(new);
                *none = Some(list);
                Ok(None)
            }
        }
    }

    /// Takes an attribute out.
    fn remove(&mut self, superblock: &Superblock, name: &[u8]) -> Option<Xattr> {
        let list = self.0.as_mut()?;
        let removed = list.0.remove(list.find(name).ok()?);
        superblock.uncharge_xattr(removed.space());
        list.shrink();
        if list.0.is_empty() {
            self.0 = None;
        }
        Some(removed)
    }

    /// Whether there are none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Takes away what a file must not keep when its content or owner changes. Linux does not
    /// mind capabilities that are empty.
    #[inline]
    pub(crate) fn drop_capability(&mut self, superblock: &Superblock) {
        let Some(xattr) = self.get(CAPABILITY) else { return };
        if !xattr.value().is_empty() {
            self.remove(superblock, CAPABILITY);
        }
    }

    /// Frees all, and gives their quota back.
    pub(crate) fn free(&mut self, superblock: &Superblock) {
        if let Some(list) = self.0.take() {
            superblock.uncharge_xattr(list.0.iter().map(Xattr::space).sum());
        }
    }

    /// What is wrong with the attributes of the inode `ino` goes to `report`.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn check(&self, ino: InodeNo, report: &mut Report) -> Result<()> {
        if self.0.as_ref().is_some_and(|list| list.0.is_empty()) {
            report.problem(Problem::NoXattrs { ino })?;
        }
        let mut before: Option<&Xattr> = None;
        for xattr in self.iter() {
            let name = xattr.name();
            report.xattrs += 1;
            report.xattr_bytes = report.xattr_bytes.saturating_add(xattr.space());
            let is_valid = XattrName::new(name.0).and_then(XattrName::check_namespace).is_ok();
            if !is_valid || xattr.value().len() > XATTR_SIZE_MAX {
                let (name, len) = (crate::mem::try_bytes(name.0)?, xattr.value().len());
                report.problem(Problem::Xattr { ino, name, len })?;
            }
            if before.is_some_and(|before| before.name().0 <= name.0) {
                let name = crate::mem::try_bytes(name.0)?;
                report.problem(Problem::XattrOrder { ino, name })?;
            }
            before = Some(xattr);
        }
        Ok(())
    }
}

impl List {
    /// Where `name` is, or where it belongs.
    fn find(&self, name: &[u8]) -> core::result::Result<usize, usize> {
        self.0.binary_search_by(|xattr| -> Ordering { name.cmp(xattr.name().0) })
    }

    /// Takes room for one more.
    ///
    /// # Errors
    /// ENOMEM.
    fn reserve(&mut self) -> Result<()> {
        let reserved =
            if self.0.len() < FEW { self.0.try_reserve_exact(1) } else { self.0.try_reserve(1) };
        reserved.map_err(|_| Errno::ENOMEM)
    }

    /// Gives room back that is spared in plenty, if there is memory to do so.
    fn shrink(&mut self) {
        let len = self.0.len();
        if self.0.capacity() <= FEW.max(4 * len) {
            return;
        }
        let mut less = Vec::new();
        if less.try_reserve_exact(2 * len).is_ok() {
            less.append(&mut self.0);
            self.0 = less;
        }
    }
}

#[cfg(test)]
mod tests;
