//! [`Descent`]: down the tree from directory to directory, by locks instead of counts.
//!
//! Problem: who looks into a directory beside other threads has to keep it from being freed. A counted
//! reference takes two atomics, on a line of memory that all who come by write to.
//!
//! Choice: the lock of the directory above, shared, until that of the next one is. An entry stays as
//! long as its directory's lock is shared, and with the entry the inode that it names. That holds for
//! the directory that is left behind, too: before one is freed, its own lock is taken, to see that it
//! is empty. (Bayer and Schkolnick, Concurrency of Operations on B-Trees, 1977: lock coupling.)

use core::ptr::NonNull;

use crate::inode::{InodeRef, State};
use crate::sync::RwLockReadGuard;
use crate::{Caller, Result};

/// A file that was reached from a directory downward. Until it goes, nobody removes or renames
/// the name by which it was reached.
pub struct Descent<'a> {
    /// Where it is: the start, or in an entry of `above`.
    inode: NonNull<InodeRef>,
    /// The directory that the file was found in, of class `Above`; none at the start.
    above: Option<RwLockReadGuard<'a, State>>,
}

impl<'a> Descent<'a> {
    /// At a directory to which somebody has a reference.
    pub fn from(start: &'a InodeRef) -> Descent<'a> {
        Descent { inode: NonNull::from(start), above: None }
    }

    /// The file that is reached.
    #[inline]
    pub fn inode(&self) -> &InodeRef {
        // SAFETY: the start's reference is there for longer than this is; another is in an entry of a
        // directory whose lock is shared, so nobody changes the entry or moves it.
        unsafe { self.inode.as_ref() }
    }

    /// Goes down to what `name` names in the directory that is reached, if that is `wanted`; whether it
    /// did. Waits for who changes the directory.
    ///
    /// # Errors
    /// Those of [`lookup`](crate::Inode::lookup): then it is where it was.
    #[inline(never)]
    pub fn enter(
        &mut self,
        caller: &Caller<'_>,
        name: &[u8],
        wanted: &dyn Fn(&InodeRef) -> bool,
    ) -> Result<bool> {
        // SAFETY: as in `inode`; and while it is locked here, it is not freed.
        let directory: &'a InodeRef = unsafe { self.inode.as_ref() };
        let state = directory.state.read();
        let child = directory.child_in(&state, caller, name)?;
        if !wanted(child) {
            return Ok(false);
        }
        self.inode = NonNull::from(child);
        drop(self.above.take());
        self.above = Some(state.into_above());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::{Credentials, Errno, Inode, Limits, New, Ramdisk, Timestamp};
    use alloc::vec::Vec;

    static ROOT: Credentials = Credentials { uid: 0, gid: 0, groups: Vec::new() };

    fn root() -> Caller<'static> {
        Caller::new(&ROOT, Timestamp::new(0, 0))
    }

    fn tree() -> Ramdisk {
        let ramdisk = Ramdisk::new(&root(), 0o755, Limits::of_memory(1 << 20), 1, 0).unwrap();
        let mut at = ramdisk.root().clone();
        for name in [b"a", b"b", b"c"] {
            at = Inode::create(&at, &root(), name, New::Directory, 0o755).unwrap();
        }
        ramdisk
    }

    #[test]
    fn goes_down_by_names() {
        let ramdisk = tree();
        let mut at = Descent::from(ramdisk.root());
        for name in [b"a", b"b", b"c"] {
            assert_eq!(at.enter(&root(), name, &|_| true), Ok(true));
        }
        assert_eq!(at.enter(&root(), b"d", &|_| true), Err(Errno::ENOENT));
        let reached = at.inode().number();
        drop(at);
        let b = ramdisk.root().lookup(&root(), b"a").unwrap().lookup(&root(), b"b").unwrap();
        assert_eq!(reached, b.lookup(&root(), b"c").unwrap().number());
        let mut at = Descent::from(ramdisk.root());
        assert_eq!(at.enter(&root(), b"a", &|_| false), Ok(false));
        assert_eq!(at.inode().number(), ramdisk.root().number());
    }

    #[test]
    fn what_is_reached_is_not_removed_until_it_is_left() {
        let ramdisk = tree();
        let mut at = Descent::from(ramdisk.root());
        for name in [b"a", b"b", b"c"] {
            assert_eq!(at.enter(&root(), name, &|_| true), Ok(true));
        }
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let root_directory = ramdisk.root();
            scope.spawn(move || {
                let a = root_directory.lookup(&root(), b"a").unwrap();
                let b = a.lookup(&root(), b"b").unwrap();
                tell.send(b.rmdir(&root(), b"c")).unwrap();
            });
            assert!(told.recv_timeout(Duration::from_millis(20)).is_err(), "it was removed");
            assert!(at.inode().is_directory());
            drop(at);
            assert_eq!(told.recv().unwrap(), Ok(()));
        });
    }
}
