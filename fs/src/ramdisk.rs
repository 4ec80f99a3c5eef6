//! [`Ramdisk`]: a whole file system — its limits, its root, its end.

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use crate::cold::{Filled, Warmth};
use crate::covered::CoveredNames;
use crate::home::{Home, Homes};
use crate::inode::{Inode, InodeRef};
use crate::loan::{Lender, Loan, Loans};
use crate::mem::Arc;
use crate::namespace::{New, Owner};
use crate::quota::Quota;
use crate::sync::{Class, Counter, Mutex, Once, PerCore, Ranges, alone};
use crate::watch::Watcher;
use crate::{Caller, Errno, PAGE_BYTES, Result};

/// How large a ramdisk may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of file data, in whole pages; [`Limits::NONE`] for as many as there is memory for.
    pub size_bytes: u64,
    /// Number of inodes, the root's included; extended attributes count too. As many as there
    /// is memory for: [`Limits::NONE`].
    pub inodes: u64,
}

impl Limits {
    /// No limit.
    pub const NONE: u64 = u64::MAX;

    /// The limits of a ramdisk on a machine with `memory_bytes`: half of it for file data,
    /// as tmpfs has it, and an inode for each KiB, since an empty file takes 256 bytes.
    pub const fn of_memory(memory_bytes: u64) -> Limits {
        Limits { size_bytes: memory_bytes / 2, inodes: memory_bytes / 1024 }
    }
}

/// What a ramdisk holds, beside its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The limits.
    pub limits: Limits,
    /// Pages of file data.
    pub pages: u64,
    /// Inodes, those included that are open but have no name, and one for each 1024 bytes of
    /// extended attributes.
    pub inodes: u64,
}

/// What a quota has for a limit where there is none: more than a count comes to, and so much
/// below the largest number that sums do not overflow.
const NO_LIMIT: u64 = u64::MAX / PAGE_BYTES as u64;

fn pages_of(size_bytes: u64) -> u64 {
    size_bytes / PAGE_BYTES as u64
}

/// The number of a root directory, which is made first: servers of file systems, FUSE's among
/// them, know it by this.
const ROOT_NUMBER: u64 = 1;
/// Bits of a name's last byte that its hash has as they are: as many as tell the places apart that
/// a line of a directory's table has.
const NEIGHBOURS: u8 = 0b11;

/// Bytes of extended attributes that count as an inode, as on tmpfs.
const INODE_BYTES: u64 = 1024;

/// Inodes that the quota counts for so many bytes of extended attributes.
pub(crate) fn xattr_inodes(bytes: u64) -> u64 {
    bytes.div_ceil(INODE_BYTES)
}

/// What all inodes of a ramdisk share.
pub(crate) struct Superblock {
    /// `st_dev`. Immutable.
    pub(crate) device: u64,
    /// Held by a rename from one directory to another: while it is, no directory moves.
    pub(crate) rename: Mutex<()>,
    /// Immutable.
    hasher: FixedState,
    pub(crate) homes: Homes,
    /// Which of the pages that are allocated next are in a cache.
    warmth: PerCore<Warmth>,
    pub(crate) loans: Loans,
    pages: Quota,
    inodes: Quota,
    /// What all extended attributes take. The quota of inodes is charged for it.
    xattr_bytes: Mutex<u64>,
    pub(crate) covered: CoveredNames,
    /// No inode has this number, or a higher one.
    pub(crate) next_number: Counter,
    pub(crate) numbers: Ranges,
    /// Who is told when a file goes that is watched.
    pub(crate) watcher: Once<Box<dyn Watcher>>,
}

impl Superblock {
    /// Takes a page from the quota and makes it with `allocate`.
    ///
    /// # Errors
    /// ENOSPC; `allocate`'s.
    pub(crate) fn charged<T>(&self, allocate: impl FnOnce() -> Result<T>) -> Result<T> {
        self.charge(1)?;
        allocate().inspect_err(|_| self.uncharge(1))
    }

    /// Takes `pages` from the quota.
    ///
    /// # Errors
    /// ENOSPC.
    pub(crate) fn charge(&self, pages: u64) -> Result<()> {
        self.pages.charge(pages)
    }

    /// Gives `pages` back to the quota.
    pub(crate) fn uncharge(&self, pages: u64) {
        self.pages.uncharge(pages);
    }

    /// Takes an inode from the quota; returns its number, never used before.
    ///
    /// # Errors
    /// ENOSPC.
    pub(crate) fn charge_inode(&self) -> Result<u64> {
        self.inodes.charge(1)?;
        if alone() || self.next_number.get() == ROOT_NUMBER {
            return Ok(self.next_number.add(1));
        }
        Ok(self.numbers.next(|count| self.next_number.add(count)))
    }

    /// What is used now.
    pub(crate) fn usage(&self) -> Usage {
        let size_bytes = match self.pages.limit() {
            NO_LIMIT => Limits::NONE,
            pages => pages * PAGE_BYTES as u64,
        };
        let inodes = match self.inodes.limit() {
            NO_LIMIT => Limits::NONE,
            inodes => inodes,
        };
        let limits = Limits { size_bytes, inodes };
        Usage { limits, pages: self.pages.used(), inodes: self.inodes.used() }
    }

    /// Notes that this core allocated a page.
    #[inline(never)]
    pub(crate) fn page_allocated(&self) -> Filled {
        self.warmth.here().allocate()
    }

    /// Notes that this core freed so many pages of a file.
    #[inline(never)]
    pub(crate) fn pages_freed(&self, filled: Filled, pages: u32) {
        self.warmth.here().free(filled, pages);
    }

    /// Pages that the quota was charged for.
    #[cfg(test)]
    pub(crate) fn pages_charged(&self) -> u64 {
        self.pages.used()
    }

    /// Lets the quota count this, true or not.
    #[cfg(test)]
    pub(crate) fn set_usage(&self, pages: u64, inodes: u64) {
        self.pages.set(pages);
        self.inodes.set(inodes);
    }

    #[inline]
    pub(crate) fn uncharge_inode(&self) {
        self.inodes.uncharge(1);
    }

    /// Takes `bytes` for an extended attribute from the quota of inodes.
    ///
    /// # Errors
    /// ENOSPC.
    pub(crate) fn charge_xattr(&self, bytes: u64) -> Result<()> {
        let mut held = self.xattr_bytes.lock();
        let sum = held.checked_add(bytes).ok_or(Errno::ENOSPC)?;
        match xattr_inodes(sum) - xattr_inodes(*held) {
            0 => {}
            inodes => self.inodes.charge(inodes)?,
        }
        *held = sum;
        Ok(())
    }

    /// Gives `bytes` of extended attributes back to the quota of inodes.
    pub(crate) fn uncharge_xattr(&self, bytes: u64) {
        let mut held = self.xattr_bytes.lock();
        let rest = held.saturating_sub(bytes);
        match xattr_inodes(*held) - xattr_inodes(rest) {
            0 => {}
            inodes => self.inodes.uncharge(inodes),
        }
        *held = rest;
    }

    /// Bytes of extended attributes that the quota was charged for.
    pub(crate) fn xattr_bytes(&self) -> u64 {
        *self.xattr_bytes.lock()
    }

    /// A hash for a directory's table. Those of names which differ in the last bits of the last
    /// byte only, as `f0` to `f3` do, differ in those bits only: they share a line of the table.
    pub(crate) fn hash(&self, name: &[u8]) -> u32 {
        let (last, rest) = name.split_last().unwrap_or((&0, name));
        let mut hasher = self.hasher.build_hasher();
        hasher.write(rest);
        hasher.write_u8(last & !NEIGHBOURS);
        hasher.finish() as u32 ^ u32::from(last & NEIGHBOURS)
    }
}

/// A file system in memory. Dropping it frees the tree; inodes that are still
/// referenced live on, without names.
pub struct Ramdisk {
    pub(crate) superblock: Arc<Superblock>,
    root: InodeRef,
}

impl Ramdisk {
    /// An empty ramdisk whose root has permissions `mode` and belongs to the caller.
    /// `device` is its `st_dev`; `seed` varies the hash of names.
    ///
    /// # Errors
    /// ENOMEM; ENOSPC if the limits allow no inode.
    pub fn new(
        caller: &Caller<'_>,
        mode: u32,
        limits: Limits,
        device: u64,
        seed: u64,
    ) -> Result<Ramdisk> {
        let superblock = Arc::try_new(Superblock {
            device,
            rename: Mutex::new(Class::Rename, ()),
            hasher: FixedState::with_seed(seed),
            homes: Homes::new(),
            warmth: PerCore::default(),
            loans: Loans::new(),
            pages: Quota::new(pages_of(limits.size_bytes)),
            inodes: Quota::new(limits.inodes.min(NO_LIMIT)),
            xattr_bytes: Mutex::new(Class::Lookup, 0),
            covered: CoveredNames::new(),
            next_number: Counter::new(ROOT_NUMBER),
            numbers: Ranges::new(),
            watcher: Once::new(),
        })?;
        let owner = Owner::of(caller.credentials);
        let root = Inode::make(&superblock, None, New::Directory, caller.now(), owner, mode)
            .inspect_err(|_| Home::end(&superblock))?;
        Ok(Ramdisk { superblock, root })
    }

    /// The root directory.
    pub fn root(&self) -> &InodeRef {
        &self.root
    }

    /// What is used now.
    pub fn usage(&self) -> Usage {
        self.superblock.usage()
    }

    /// Changes the limits.
    ///
    /// # Errors
    /// EINVAL if more than that is used; then nothing has changed.
    pub fn set_limits(&self, limits: Limits) -> Result<()> {
        let Superblock { pages, inodes, .. } = &*self.superblock;
        let former = pages.limit();
        pages.set_limit(pages_of(limits.size_bytes))?;
        inodes.set_limit(limits.inodes.min(NO_LIMIT)).inspect_err(|_| {
            // What was allowed before may be used again by now: it stays allowed.
            let _ = pages.set_limit(former);
        })
    }
}

impl Ramdisk {
    /// Takes memory that files can be made to refer to.
    ///
    /// # Errors
    /// ENOMEM; the lender is dropped.
    pub fn borrow(&self, lender: Box<dyn Lender>) -> Result<Loan> {
        Loan::new(&self.superblock, lender)
    }

    /// Bytes that are lent to it.
    #[cfg(test)]
    pub(crate) fn lent_bytes(&self) -> u64 {
        self.superblock.loans.bytes()
    }
}

impl Drop for Ramdisk {
    /// Takes the tree apart from the leaves, without recursion: a tree may be deeper
    /// than any stack. Parent and child refer to one another, so dropping the root
    /// alone would free nothing.
    fn drop(&mut self) {
        let mut current = self.root.clone();
        loop {
            match current.pop_entry() {
                Some(child) if child.is_directory() => current = child,
                Some(_leaf) => {}
                None if Arc::ptr_eq(&current, &self.root) => break,
                None => match current.parent() {
                    Some(parent) => current = parent,
                    None => break,
                },
            }
        }
        Home::end(&self.superblock);
    }
}

#[cfg(test)]
mod tests;
