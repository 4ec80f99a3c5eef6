//! The call layer and the ramdisk against an oracle: Linux's own tmpfs.
//!
//! Each row is a sequence of calls. It is run three times: on Linux, in a thread with a
//! private tmpfs for its root; on a [`System`](anchorite_syscalls::System) by numbers,
//! with pointers; and on another by methods. Each outcome, and the tree afterwards, must
//! be the same, but for what no two file systems share (inode and device numbers,
//! cookies, the order of listings). Where the kernel does not let this process make that
//! thread, the comparison is `skipped:`, and what rows say themselves is still checked.
//!
//! Where the system is not like Linux on purpose, and why, is listed in
//! [`host_fs_sim::deviations`], with the rows that pin it; `deviations` here sees to it that
//! no other row says so.
//!
//! # Rows as text
//! Rows without pointers that lead astray are text (see `scripts`): those that a guest can do
//! too are in `kernel/programs/src/posix`, with Linux' outcomes, and the program `posix` does
//! them there. `grids` generates rows for every class of user.

mod calls;
mod data;
mod deviations;
mod grids;
mod listing;
mod metadata;
mod names;
mod opens;
mod paths;
mod pointers;
mod scripts;
mod steps;
mod worlds;
