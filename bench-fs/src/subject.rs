//! [`Subject`]: who does the work.

use crate::others::fs_core::FsCore;
use crate::others::ramfs::Ramfs;
use crate::others::rsfs::Rsfs;
use crate::others::vfs::MemoryFs;
use crate::ours::{Inodes, Methods, Numbers};
use crate::work::Work;

/// A [`Work`], prepared: each call of it does it once, and panics where its outcome is not
/// what it must be.
pub type Operation<'a> = Box<dyn FnMut() + 'a>;

/// A file system with the files that [`work`](crate::work) tells of.
pub trait Subject {
    /// Prepares `work`; `None` where there is nothing of the kind, and where what there is
    /// does another thing.
    fn prepare(&self, work: Work) -> Option<Operation<'_>>;

    /// What [`FILE`](crate::work::FILE) holds for whoever opens it now.
    fn content(&self) -> Vec<u8>;
}

/// A subject's name, and how to make one.
pub type Maker = (&'static str, fn() -> Box<dyn Subject>);

/// The inodes, and the others.
pub const INODES: [Maker; 5] =
    [("anchorite-fs", || Box::new(Inodes::new())), OTHERS[0], OTHERS[1], OTHERS[2], OTHERS[3]];

/// The calls, and the others.
pub const CALLS: [Maker; 6] = [
    ("anchorite-syscalls, methods", || Box::new(Methods::new())),
    ("anchorite-syscalls, numbers", || Box::new(Numbers::new())),
    OTHERS[0],
    OTHERS[1],
    OTHERS[2],
    OTHERS[3],
];

const OTHERS: [Maker; 4] = [
    ("vfs MemoryFS", || Box::new(MemoryFs::new())),
    ("axfs_ramfs", || Box::new(Ramfs::new())),
    ("rsfs mem", || Box::new(Rsfs::new())),
    ("fs-core", || Box::new(FsCore::new())),
];
