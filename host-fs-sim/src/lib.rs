//! The ramdisk as a process on Linux.
//!
//! # Modules, from the bottom
//! * [`worlds`]: Linux, and the call layer over the ramdisk, as worlds that do calls by name.
//! * [`size`]: sizes as `mount -o size=` takes them.
//! * [`fuse`]: the ramdisk as a FUSE file system.
//! * [`programs`]: programs of others, and time limits for them.
//! * [`mount`]: the command that mounts it.
//! * [`suites`]: third-party suites, run over a mount and beside it on tmpfs.
#![deny(unsafe_code)]

pub mod fuse;
pub mod mount;
pub mod programs;
pub mod size;
pub mod suites;
pub mod worlds;
