//! The calls, each a method of [`System`](crate::System) by the name that its manual
//! page has, and each with a twin that takes a [`Sink`](anchorite_fs::Sink) or
//! [`Source`](anchorite_fs::Source) where the caller's bytes may not be borrowed.
//!
//! Errors are listed in the order in which they are checked, which is Linux's.

mod data;
mod descriptors;
mod identity;
mod inotify;
mod locks;
mod metadata;
mod mounts;
mod names;
mod pipes;
mod poll;
mod process;
mod ranges;
mod times;
mod vectors;
mod working_directory;
mod xattrs;

pub(crate) use data::position;
pub(crate) use descriptors::check_flags;
pub(crate) use mounts::check_umount_flags;
pub(crate) use names::new_node;
pub(crate) use process::check_random_flags;
pub(crate) use vectors::position_or_offset;
pub(crate) use working_directory::{BackwardPath, Reached};
pub(crate) use xattrs::{XattrsOf, check_value_len, set_xattr};
