//! Files for programs in Rust, in the manner of `std::fs`.
//!
//! What differs from `std::fs`: each function is told the process that calls it, since
//! there is no other way to know; a path is bytes, as the kernel has it; and every
//! allocation can fail, with ENOMEM, as any other step can. An error is the
//! [`Errno`](crate::Errno) of the call that failed, so that the manual pages hold here;
//! each item says under "Errors" what it adds to them.
//!
//! * [`File`], opened by [`OpenOptions`]: content.
//! * [`Dir`], an open directory, and [`ReadDir`], what is in it, as [`DirEntry`]s.
//! * [`Metadata`]: what `stat(2)` tells.
//! * [`get_xattr()`], [`set_xattr()`], …: extended attributes.
//! * [`pipe()`]: bytes between threads; [`Inotify`]: being told what happens to files.
//! * Functions by path: [`read()`], [`write()`], [`copy()`], [`rename()`], ….
//!
//! A [`File`] and a [`Dir`] are descriptors: they are closed when dropped, where an error
//! has nobody to tell, or by `close`, which returns it. The descriptors' numbers lead to
//! the calls of [`System`](crate::System) and back; nothing is buffered in between.
//!
//! Deliberately absent: `canonicalize`, which would need the name of a directory that is
//! not the working one.
//!
//! ```
//! use anchorite_syscalls::api::{self, File};
//! use anchorite_syscalls::{Errno, System};
//!
//! fn diary(sys: &System) -> Result<(), Errno> {
//!     api::create_dir_all(sys, "cell/desk")?;
//!     let mut file = File::create(sys, "cell/desk/diary")?;
//!     writeln!(file, "day {}: quiet", 1)?;
//!     file.close()?;
//!
//!     for entry in api::read_dir(sys, "cell/desk")? {
//!         assert_eq!(entry?.name(), b"diary");
//!     }
//!     assert_eq!(api::read(sys, "cell/desk/diary")?, b"day 1: quiet\n");
//!     api::remove_dir_all(sys, "cell")
//! }
//! # diary(&anchorite_example::system()).unwrap();
//! ```
#![forbid(unsafe_code)]

mod content;
mod descriptor;
mod dir;
mod file;
mod inotify;
mod metadata;
mod mounts;
mod names;
mod options;
mod pipe;
mod trees;
mod xattrs;

pub use anchorite_fs::{FileType, Timestamp};

pub use content::{copy, read, read_to_string, write};
pub use dir::{Dir, DirEntry, ReadDir, read_dir};
pub use file::{File, SeekFrom};
pub use inotify::{Inotify, InotifyEvent, InotifyEvents};
pub use metadata::{
    FileTimes, Metadata, chown, exists, lchown, metadata, set_permissions, set_times,
    symlink_metadata,
};
pub use mounts::{bind, mount_ramdisk, set_root_dir, unmount};
pub use names::{
    create_dir, create_fifo, current_dir, hard_link, read_link, remove_dir, remove_file, rename,
    set_current_dir, symlink,
};
pub use options::OpenOptions;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use trees::{create_dir_all, export, remove_dir_all};
pub use xattrs::{XattrNames, get_xattr, list_xattrs, remove_xattr, set_xattr};
