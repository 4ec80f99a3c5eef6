//! The ramdisk: a tree of inodes in memory, each behind a lock of its own.
//!
//! The crate knows inodes, directory entries and file data. It knows nothing of
//! descriptors, paths of more than one component, processes or hypervisors: those
//! are the call layer's. Time and identity are passed in with each call, as a
//! [`Caller`].
//!
//! # Layers, from the bottom
//! * [`errno`](Errno): the one vocabulary of errors, Linux's.
//! * [`sync`]: locks and atomics, all from one place, so that a model checker can
//!   stand in for them.
//! * [`mem`]: allocation that can fail.
//! * [`buffer`](Sink): the caller's bytes, as raw ranges that are only ever copied.
//! * [`time`](Timestamp), [`permission`](Credentials): values that inodes carry and checks
//!   on them.
//! * [`cold`]: which memory is in no cache, and copies to it.
//! * [`loan`](Loan): memory of others that files refer to.
//! * `data`: a file's content, pages in a radix tree.
//! * `directory`: a directory's entries, a log with a hash index.
//! * [`inode`](Inode): what a file of any type is, and the calls on one inode.
//! * `xattr`: extended attributes, and the calls on them.
//! * [`watch`](Watcher): who is told when a file goes.
//! * `namespace`: the calls on directories — create, link, unlink, rename.
//! * [`descent`](Descent): down the tree by locks.
//! * `placement`: files placed as an archive describes them.
//! * [`ramdisk`](Ramdisk): a whole file system: limits, root, teardown.
//! * [`check`]: whether a ramdisk is whole.
//!
//! # Lock order
//! [`sync`] has it as a tree. Of inodes: a directory is locked before its entry; of two
//! directories, an ancestor before its descendant, and two that are not related in
//! ascending number, and only under `Superblock::rename`.
//!
//! Two directories are held at once only by a rename between them and, as parent
//! and child, by rmdir, by a rename over a directory, and by a [`Descent`], which holds none while
//! `rename` is waited for. That no cycle can form:
//! whoever holds one directory waits only for an entry of it, downward; whoever
//! waits for a directory beside the one it holds has `rename`, under which no
//! directory moves, so its order agrees with the tree's (the argument of Linux'
//! `Documentation/filesystems/directory-locking.rst`). Debug builds with the feature
//! `lock-order` assert it.
//!
//! References are dropped after the locks: the last one to an inode frees its data.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "lock-order", anchorite_model, anchorite_plants))]
extern crate std;

#[allow(unsafe_code)]
mod buffer;
pub mod check;
#[allow(unsafe_code)]
pub mod cold;
mod covered;
#[allow(unsafe_code)]
mod data;
#[allow(unsafe_code)]
mod descent;
mod directory;
mod errno;
#[allow(unsafe_code)]
mod home;
mod inode;
#[allow(unsafe_code)]
mod loan;
#[allow(unsafe_code)]
pub mod mem;
#[allow(unsafe_code)]
mod name;
mod namespace;
mod permission;
mod placement;
pub mod plants;
mod quota;
mod ramdisk;
pub mod sync;
mod time;
mod watch;
mod xattr;

pub use buffer::{Segment, Sink, Source};
pub use covered::NameRef;
pub use data::{Content, Piece, Region};
pub use descent::Descent;
pub use directory::Listed;
pub use errno::{Errno, Result};
pub use inode::{Allocation, Attributes, Change, FileType, Inode, InodeNo, InodeRef, SetTime};
pub use loan::{Lender, Loan};
pub use name::NAME_MAX;
pub use namespace::{Created, EntryName, Left, Linkable, New, Owner, RenameMode, rename};
pub use permission::{Access, AccessTime, Caller, Credentials};
pub use placement::{Placement, What};
pub use ramdisk::{Limits, Ramdisk, Usage};
pub use time::{Clock, Moment, Now, Recent, Timestamp};
pub use watch::{FileId, Gone, Watcher};
pub use xattr::{SetXattr, XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX, XattrName};

/// Bytes in a page: the unit of allocation, of quotas and of `st_blksize`.
pub const PAGE_BYTES: usize = 4096;

/// The largest size of a file, as tmpfs has it.
pub const MAX_FILE_BYTES: u64 = i64::MAX as u64;
