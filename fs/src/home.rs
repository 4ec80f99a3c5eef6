//! [`Home`]: an inode's reference to what all of its ramdisk share.

use core::mem::ManuallyDrop;
use core::ops::Deref;

use crate::mem::Arc;
use crate::ramdisk::Superblock;
use crate::sync::{BATCH, Class, Mutex, Spares, alone};

/// A counted reference to a superblock. Each inode has one, so cores that make and free inodes
/// would write its count in turns; instead each core keeps some that are counted.
pub(crate) struct Home(ManuallyDrop<Arc<Superblock>>);

/// References to a superblock that are counted and that no inode has.
pub(crate) struct Homes {
    spares: Spares,
    /// Whether the ramdisk has ended: nobody keeps spares any more. Held to change that.
    has_ended: Mutex<bool>,
}

impl Homes {
    pub(crate) fn new() -> Homes {
        Homes { spares: Spares::new(), has_ended: Mutex::new(Class::Last, false) }
    }
}

impl Home {
    /// A reference for an inode.
    pub(crate) fn of(superblock: &Arc<Superblock>) -> Home {
        Home(ManuallyDrop::new(reference(superblock)))
    }

    /// Gives up what no inode has: the ramdisk ends, and with the last inode the superblock.
    pub(crate) fn end(superblock: &Arc<Superblock>) {
        let mut has_ended = superblock.homes.has_ended.lock();
        *has_ended = true;
        let spares = superblock.homes.spares.close();
        // SAFETY: each spare is a reference that is counted and that nobody has; these are
        // spares no more.
        unsafe { Arc::discount(superblock, spares as usize) };
    }
}

fn reference(superblock: &Arc<Superblock>) -> Arc<Superblock> {
    if alone() {
        return superblock.clone();
    }
    let homes = &superblock.homes;
    if !homes.spares.take(1) {
        let has_ended = homes.has_ended.lock();
        if *has_ended {
            return superblock.clone();
        }
        // The spares, and one that is taken below.
        Arc::count_ahead(superblock, BATCH as usize + 1);
        homes.spares.refill();
    }
    // SAFETY: a spare was taken, or one more was counted than there are spares.
    unsafe { Arc::take_counted(superblock) }
}

impl Deref for Home {
    type Target = Arc<Superblock>;

    #[inline]
    fn deref(&self) -> &Arc<Superblock> {
        &self.0
    }
}

impl Drop for Home {
    #[inline]
    fn drop(&mut self) {
        if alone() || !self.0.homes.spares.give(1) {
            // SAFETY: dropped once, here. It is no spare.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}
