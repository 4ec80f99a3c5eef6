//! Files placed as something else describes them: an archive, that is.
//!
//! Unlike a create, a placement checks no permission, replaces what has the name, gives a
//! file its attributes and content before anybody sees it, and leaves the times of its
//! directory alone: so a tree can be placed in any order, and one that is placed twice is as
//! if it were placed once. An error leaves everything as it was.

use crate::data::{Content, FileData};
use crate::directory::Slot;
use crate::inode::{Body, Inode, InodeRef, State};
use crate::mem::Arc;
use crate::namespace::{Created, drop_link, kill_empty_directory};
use crate::sync::RwLockWriteGuard;
use crate::xattr::Xattrs;
use crate::{Caller, Errno, FileType, NAME_MAX, New, Owner, Result, Timestamp};

/// A file as an archive describes it.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// What it is.
    pub what: What<'a>,
    /// Twelve permission bits.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Extended attributes, names and values; of two with one name the later counts.
    pub xattrs: &'a [(&'a [u8], &'a [u8])],
}

/// What is placed.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A regular file.
    Regular(Content<'a>),
    /// A directory. One that is there stays, with what is in it, and gets the attributes.
    Directory,
    /// A symbolic link to this target.
    Symlink(&'a [u8]),
    /// A fifo, socket or device, with the device's number.
    Node(FileType, u64),
}

impl Inode {
    /// Gives back the memory that a directory holds for entries to come, for when all of them
    /// are there. More can still be added. Does nothing to other files.
    pub fn trim(&self) {
        if let Body::Directory(directory) = &mut self.state.write().body {
            directory.trim();
        }
    }

    /// Places a file in this directory under a name; tells whether the name is new. What had
    /// it is removed; a directory only if it is empty.
    ///
    /// # Errors
    /// ENOTDIR if this is no directory; ENOENT if it was removed; ENAMETOOLONG; EBUSY for a
    /// mount point; ENOTEMPTY for a directory with entries that a file is to replace; EFBIG
    /// and EINVAL for content that cannot be; ERANGE, EINVAL, E2BIG and EOPNOTSUPP for
    /// attributes that cannot be; ENOSPC; ENOMEM.
    pub fn place(
        this: &InodeRef,
        caller: &Caller<'_>,
        name: &[u8],
        placement: Placement<'_>,
    ) -> Result<(InodeRef, Created)> {
        let state = this.state.write();
        let found = Found::by_name(this, &state, name)?;
        if let Some((_, old)) = &found.entry
            && matches!(placement.what, What::Directory)
            && old.is_directory()
        {
            let (old, xattrs) = (old.clone(), Xattrs::of(&this.superblock, placement.xattrs)?);
            let mut former = placement.describe(&mut old.write_child(), xattrs, caller.now());
            drop(state);
            former.free(&this.superblock);
            return Ok((old, Created::No));
        }
        let created = if found.entry.is_some() { Created::No } else { Created::Yes };
        let inode = placement.make(this, caller)?;
        found.become_entry(state, caller, name, &inode)?;
        Ok((inode, created))
    }

    /// Gives a directory that is there already the attributes of a placement.
    ///
    /// # Errors
    /// EINVAL if this, or what is to be placed, is no directory; those of attributes.
    pub fn place_over(&self, caller: &Caller<'_>, placement: Placement<'_>) -> Result<()> {
        if !self.is_directory() || !matches!(placement.what, What::Directory) {
            return Err(Errno::EINVAL);
        }
        let xattrs = Xattrs::of(&self.superblock, placement.xattrs)?;
        let mut former = placement.describe(&mut self.state.write(), xattrs, caller.now());
        former.free(&self.superblock);
        Ok(())
    }

    /// Places a further name of `target`, which is no directory and of the same ramdisk; with a
    /// placement, which is of a regular file, `target` gets its content and attributes, and all
    /// of its names see them. What had the name is removed; a directory only if it is empty.
    ///
    /// # Errors
    /// Those of [`place`](Inode::place); EXDEV for an inode of another ramdisk; EPERM if
    /// `target` is a directory; EINVAL if it is to get content and is no regular file; ENOENT if
    /// it has no name any more; EMLINK.
    pub fn place_link(
        this: &InodeRef,
        caller: &Caller<'_>,
        name: &[u8],
        target: &InodeRef,
        refill: Option<Placement<'_>>,
    ) -> Result<()> {
        if !Arc::ptr_eq(&this.superblock, &target.superblock) {
            return Err(Errno::EXDEV);
        }
        if target.is_directory() {
            return Err(Errno::EPERM);
        }
        let Some(placement) = refill else { return Inode::add_link(this, caller, name, target) };
        let (What::Regular(content), FileType::Regular) = (placement.what, target.file_type())
        else {
            return Err(Errno::EINVAL);
        };
        // All that can fail first.
        let mut data = FileData::EMPTY;
        data.fill(&this.superblock, content)?;
        let mut xattrs = Xattrs::of(&this.superblock, placement.xattrs)
            .inspect_err(|_| data.free(&this.superblock))?;
        let linked = Inode::add_link(this, caller, name, target);
        if linked.is_ok() {
            let mut state = target.state.write();
            if let Body::File(former) = &mut state.body {
                core::mem::swap(former, &mut data);
            }
            xattrs = placement.describe(&mut state, xattrs, caller.now());
        }
        // What the file had, or what it is not to have.
        data.free(&this.superblock);
        xattrs.free(&this.superblock);
        linked
    }

    fn add_link(
        this: &InodeRef,
        caller: &Caller<'_>,
        name: &[u8],
        target: &InodeRef,
    ) -> Result<()> {
        let state = this.state.write();
        let found = Found::by_name(this, &state, name)?;
        if found.entry.as_ref().is_some_and(|(_, old)| Arc::ptr_eq(old, target)) {
            return Ok(());
        }
        {
            let meta = &mut target.write_child().meta;
            if meta.nlink == 0 {
                return Err(Errno::ENOENT);
            }
            meta.nlink = meta.nlink.checked_add(1).ok_or(Errno::EMLINK)?;
        }
        found
            .become_entry(state, caller, name, target)
            .inspect_err(|_| target.state.write().meta.nlink -= 1)
    }
}

impl Placement<'_> {
    /// Writes the attributes down; returns the extended ones that there were.
    fn describe(&self, state: &mut State, xattrs: Xattrs, now: Timestamp) -> Xattrs {
        let meta = &mut state.meta;
        meta.mode = self.mode & 0o7777;
        (meta.uid, meta.gid) = (self.owner.uid, self.owner.gid);
        (meta.atime, meta.mtime, meta.ctime) = (self.atime, self.mtime, now);
        core::mem::replace(&mut state.xattrs, xattrs)
    }

    /// The inode, without a name yet.
    fn make(&self, parent: &InodeRef, caller: &Caller<'_>) -> Result<InodeRef> {
        let now = caller.now();
        let new = match self.what {
            What::Regular(_) => New::Regular,
            What::Directory => New::Directory,
            What::Symlink(target) => New::Symlink(target),
            What::Node(file_type, rdev) => New::Node(file_type, rdev),
        };
        let superblock = &parent.superblock;
        let inode = Inode::make(superblock, Some(parent), new, now, self.owner, self.mode)?;
        let xattrs = Xattrs::of(&parent.superblock, self.xattrs)?;
        {
            let mut state = inode.write_child();
            // It had none before.
            self.describe(&mut state, xattrs, now).free(&parent.superblock);
            if let What::Regular(content) = self.what
                && let Body::File(data) = &mut state.body
            {
                data.fill(&parent.superblock, content)?;
            }
        }
        Ok(inode)
    }
}

/// What a name names now.
struct Found {
    hash: u32,
    entry: Option<(Slot, InodeRef)>,
}

impl Found {
    fn by_name(inode: &Inode, state: &State, name: &[u8]) -> Result<Found> {
        let directory = state.directory()?;
        if state.meta.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let hash = inode.superblock.hash(name);
        let entry = directory.find(|| hash, name).map(|slot| (slot, directory.child(slot).clone()));
        match &entry {
            Some((slot, old)) if old.is_kept(inode, directory, *slot) => Err(Errno::EBUSY),
            _ => Ok(Found { hash, entry }),
        }
    }

    /// Lets the name name `new`, a file that counts the name already.
    fn become_entry(
        self,
        mut state: RwLockWriteGuard<'_, State>,
        caller: &Caller<'_>,
        name: &[u8],
        new: &InodeRef,
    ) -> Result<()> {
        let State { meta, body: Body::Directory(directory), .. } = &mut *state else {
            return Err(Errno::ENOTDIR);
        };
        let (cookie, replaced) = match &self.entry {
            Some((slot, old)) => {
                if old.is_directory() {
                    kill_empty_directory(old, caller)?;
                    meta.nlink -= 1;
                } else {
                    drop_link(old, caller);
                }
                let replaced = directory.replace(*slot, new.clone());
                (directory.cookie(*slot), Some(replaced))
            }
            None => {
                let prepared = directory.prepare(self.hash, name)?;
                (prepared.insert(new.clone()), None)
            }
        };
        if new.is_directory() {
            meta.nlink += 1;
            if let Ok(own) = new.write_child().directory_mut() {
                own.place = cookie;
            }
        }
        drop(state);
        drop((replaced, self)); // after the lock: the last reference frees the data
        Ok(())
    }
}

#[cfg(test)]
mod tests;
