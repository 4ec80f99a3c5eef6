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
//!    is EFAULT even where walking the first would fail, and a bad pointer is even where flags
//!    are bad too. Pinned by
//!    `rename_checks_both_pointers_first`.
//! 3. **A listing that came to its end goes on** if an entry is made after that; tmpfs waits
//!    for a rewind. POSIX.1-2024, readdir(): it is unspecified. Pinned by
//!    `listing_goes_on_after_its_end`.
//! 4. **truncate to the size that a file has marks its times**; tmpfs does so only where the
//!    file holds pages, an accident. Pinned by `truncate_to_the_same_size_marks_times`.
//! 5. **Ranges that fallocate took are data** to SEEK_DATA and SEEK_HOLE even before they
//!    are written; tmpfs tells such pages apart. `lseek(2)` leaves it to the file system,
//!    and a mark on every page would cost a look on every write. Pinned by
//!    `allocated_ranges_are_data`.
//! 6. **Sticky directories that all may write guard no links against O_CREAT.** Linux denies
//!    that with O_NOFOLLOW on another user's link (and on such a device), even to root, as a side effect of
//!    hardening (`fs.protected_regular`, `fs.protected_fifos`, off by default), which POSIX
//!    does not know. Pinned by `sticky_directories_guard_no_links`.
//! 7. **A hole punched up to a file's end frees the page that the end is in**; tmpfs only
//!    zeroes it. Only `st_blocks` tells. Pinned by `hole_up_to_the_end_frees_the_last_page`.
//! 8. **linkat with AT_EMPTY_PATH does not ask who opened the descriptor.** Linux wants it to
//!    be a caller with the very credentials of the open, or one with CAP_DAC_READ_SEARCH. In a
//!    single process whoever has the descriptor was given it. Nor are links to other users'
//!    files denied (`fs.protected_hardlinks`), hardening as in 6. Pinned by
//!    `link_by_descriptor_does_not_ask_who_opened_it`.
//! 9. **Root's rights on files follow the file-system user.** On Linux they are capabilities, which
//!    setfsuid() takes and gives; another call that makes that user root again does not give
//!    them back, and one that makes it another does not always take them. There are no
//!    capabilities here. Pinned by `rights_of_root_follow_the_file_system_user` and
//!    `rights_of_root_are_nobody_elses`.
//!
//! Random sequences leave these out: `host_fs_sim::campaign::deviations` says how.
//!
//! # Rows as text
//! Rows without pointers that lead astray are text (see `scripts`): those that a guest can do
//! too are in `kernel/programs/src/posix`, with Linux' outcomes, and the program `posix` does
//! them there. `grids` generates rows for every class of user.

mod calls;
mod data;
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
