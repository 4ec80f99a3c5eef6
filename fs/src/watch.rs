//! [`Watcher`]: somebody who is told when a file that is watched goes: what `inotify(7)` knows as
//! IN_DELETE_SELF and IN_UNMOUNT, which come when nobody can be asked any more.
//!
//! A ramdisk has one watcher at most, from the first watch on. An inode has a bit that says
//! whether it is watched: it is looked at when the inode is freed, and never else. The bit is
//! not taken back: the watcher knows what it still wants to hear of.

use alloc::boxed::Box;

use crate::Result;
use crate::inode::{FileType, Inode, InodeNo};
use crate::sync::Ordering;

/// A file, apart from all others that there ever are: its ramdisk's `st_dev` and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The ramdisk.
    pub device: u64,
    /// The inode in it.
    pub number: InodeNo,
}

/// How a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It had no name, and now nobody has it open either.
    Deleted,
    /// Its ramdisk goes.
    Unmounted(FileType),
}

/// Is told when a watched file goes.
pub trait Watcher: Send + Sync {
    /// The file is being freed, and this is the last that is heard of it. Locks may be held, up
    /// to those of class Lookup.
    fn gone(&self, file: FileId, how: Gone);
}

impl Inode {
    /// What tells it from all other files.
    pub fn id(&self) -> FileId {
        FileId { device: self.superblock.device, number: self.number() }
    }

    /// Lets the ramdisk's watcher be told when this inode goes; `make` makes the watcher, if there
    /// is none yet.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn watch(&self, make: impl FnOnce() -> Result<Box<dyn Watcher>>) -> Result<()> {
        self.superblock.watcher.try_call_once(make)?;
        self.watched.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Tells the watcher that this inode, of which it is the only reference, goes; once.
    #[cold]
    pub(crate) fn tell_gone(&mut self) {
        self.watched.store(false, Ordering::Relaxed);
        let how = match self.state.get_mut().meta.nlink {
            0 => Gone::Deleted,
            _ => Gone::Unmounted(self.file_type()),
        };
        if let Some(watcher) = self.superblock.watcher.get() {
            watcher.gone(self.id(), how);
        }
    }
}
