//! [`Known`]: the inodes that the kernel knows by number.
//!
//! Life of an entry: the kernel learns of an inode by a *lookup*, which creates count
//! as too, and may do so many times over; it *forgets* as many lookups as it chooses;
//! with the last the entry goes, and with it, if no name is left, the inode. So a file
//! that is unlinked while it is open lives until the kernel has closed it. The root is
//! never forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anchorite_fs::{Errno, InodeNo, InodeRef, Result};

/// Entries that stay free for the lookups of all threads: more than there are threads.
const SPARE: usize = 64;

struct Entry {
    inode: InodeRef,
    lookups: u64,
}

/// The inodes that the kernel knows, and how often it looked them up.
pub(super) struct Known {
    root: InodeRef,
    entries: Mutex<HashMap<InodeNo, Entry>>,
    /// Inodes that are forgotten already and being freed. Counted up under the lock.
    leaving: AtomicUsize,
}

impl Known {
    pub(super) fn new(root: InodeRef) -> Known {
        Known { root, entries: Mutex::default(), leaving: AtomicUsize::new(0) }
    }

    /// The inode with this number.
    ///
    /// # Errors
    /// ESTALE for a number that the kernel was never told, or has forgotten.
    pub(super) fn get(&self, number: u64) -> Result<InodeRef> {
        let number = InodeNo(number);
        if number == self.root.number() {
            return Ok(self.root.clone());
        }
        let entries = self.entries();
        entries.get(&number).map(|entry| entry.inode.clone()).ok_or(Errno::ESTALE)
    }

    /// Makes room for one lookup by each thread, so that what is made after this can be
    /// counted.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn make_room(&self) -> Result<()> {
        self.entries().try_reserve(SPARE).map_err(|_| Errno::ENOMEM)
    }

    /// Counts a lookup. There is room for it.
    pub(super) fn count(&self, inode: &InodeRef) {
        let mut entries = self.entries();
        let entry = entries.entry(inode.number());
        entry.or_insert_with(|| Entry { inode: inode.clone(), lookups: 0 }).lookups += 1;
    }

    /// All that the kernel knows.
    pub(super) fn inodes(&self) -> Vec<InodeRef> {
        self.entries().values().map(|entry| entry.inode.clone()).collect()
    }

    /// Whether any of them has no name any more, or is being freed just now.
    pub(super) fn holds_unlinked(&self) -> bool {
        let entries = self.entries();
        self.leaving.load(Ordering::Acquire) > 0
            || entries.values().any(|entry| entry.inode.attributes().nlink == 0)
    }

    /// Takes `lookups` back.
    pub(super) fn forget(&self, number: u64, lookups: u64) {
        let number = InodeNo(number);
        let dropped_after_the_lock = {
            let mut entries = self.entries();
            let Some(entry) = entries.get_mut(&number) else { return };
            entry.lookups = entry.lookups.saturating_sub(lookups);
            if entry.lookups > 0 {
                return;
            }
            self.leaving.fetch_add(1, Ordering::Relaxed);
            entries.remove(&number)
        };
        drop(dropped_after_the_lock);
        self.leaving.fetch_sub(1, Ordering::Release);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<InodeNo, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchorite_fs::{Caller, Credentials, Inode, Limits, New, Ramdisk, Timestamp};

    #[test]
    fn an_inode_is_known_until_each_lookup_is_forgotten() {
        let credentials = Credentials::default();
        let caller = Caller::new(&credentials, Timestamp::new(0, 0));
        let limits = Limits { size_bytes: 1 << 20, inodes: 10 };
        let ramdisk = Ramdisk::new(&caller, 0o755, limits, 1, 1).unwrap();
        let known = Known::new(ramdisk.root().clone());
        let file = Inode::create(ramdisk.root(), &caller, b"f", New::Regular, 0o644).unwrap();
        let number = file.number().0;
        assert_eq!(known.get(number).err(), Some(Errno::ESTALE));
        known.make_room().unwrap();
        known.count(&file);
        known.count(&file);
        assert!(!known.holds_unlinked());
        ramdisk.root().unlink(&caller, b"f").unwrap();
        assert!(known.holds_unlinked());
        drop(file);
        known.forget(number, 1);
        assert_eq!(known.get(number).unwrap().attributes().nlink, 0);
        assert_eq!(
            known.inodes().iter().map(|inode| inode.number().0).collect::<Vec<_>>(),
            [number]
        );
        assert_eq!(ramdisk.usage().inodes, 2);
        known.forget(number, 1);
        assert_eq!(known.get(number).err(), Some(Errno::ESTALE));
        assert_eq!(ramdisk.usage().inodes, 1);
        known.forget(number, 1);
        known.forget(ramdisk.root().number().0, 7);
        assert!(known.get(ramdisk.root().number().0).is_ok());
    }
}
