//! The call layer and the ramdisk against an oracle: Linux's own tmpfs.
//!
//! Each row is a sequence of calls. It is run three times: on Linux, in a thread with a
//! private tmpfs for its root; on a [`System`](anchorite_syscalls::System) by numbers,
//! with pointers; and on another by methods. Each outcome, and the tree afterwards, must
//! be the same, but for what no two file systems share (inode and device numbers,
//! cookies, the order of listings). Where the kernel does not let this process make that
//! thread, the comparison is `skipped:`, and what rows say themselves is still checked.
//!
//! # Where the system is not like Linux, on purpose
//! 1. **A buffer is checked as a whole, before the call is done.** Linux finds out while
//!    it copies, so a buffer of which too little is used may reach outside, and an error
//!    that needs no copy comes first. Checking first keeps faults out of copies made
//!    under a lock. Pinned by the rows `…_is_checked_whole`.
//! 2. **Strings are copied before the call starts**: with two paths, a bad second pointer
//!    is EFAULT even where walking the first would fail. Pinned by
//!    `rename_checks_both_pointers_first`.
//! 3. **O_PATH and O_TMPFILE are ENOSYS**: not there yet; silently opening something else
//!    would be worse. Pinned by `missing_open_flags_are_enosys`.
//! 4. **lseek by SEEK_DATA and SEEK_HOLE is EINVAL**: not there yet, and the errno that
//!    `lseek(2)` has for a file system without them. Pinned by `seek_data_is_einval`.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod data;
mod listing;
mod metadata;
mod names;
mod opens;
mod paths;
mod pointers;
mod steps;
mod worlds;
