//! The ramdisk as a process on Linux.
//!
//! # Modules, from the bottom
//! * [`deviations`]: where the system is not like Linux, on purpose.
//! * [`worlds`]: Linux, and the call layer over the ramdisk, as worlds that do calls by name.
//! * [`grids`]: generated rows of calls.
//! * [`model`]: what the calls do, said as simply as can be: a world to compare with.
//! * [`sequence`]: random sequences of calls.
//! * [`campaign`]: sequences in two worlds side by side, compared.
//! * [`soak`], [`check`]: the commands that run campaigns, and replay what they print.
//! * [`size`]: sizes as `mount -o size=` takes them.
//! * [`fuse`]: the ramdisk as a FUSE file system.
//! * `output`: what the commands tell.
//! * [`programs`]: programs of others, and time limits for them.
//! * [`mount`]: the command that mounts it.
//! * [`suites`]: third-party suites, run over a mount and beside it on tmpfs.
#![deny(unsafe_code)]

pub mod campaign;
pub mod check;
pub mod deviations;
pub mod fuse;
pub mod grids;
pub mod model;
pub mod mount;
mod output;
pub mod programs;
pub mod sequence;
pub mod size;
pub mod soak;
pub mod suites;
pub mod worlds;
