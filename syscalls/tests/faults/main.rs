//! Want of memory and of room: each allocation of each call fails, and every limit of pages
//! and inodes is met.
//!
//! A call that fails must answer ENOMEM or ENOSPC and leave the tree as it was, to the last
//! byte; the checker must find nothing then, and nothing may leak. A transfer may be short
//! instead. `rows` does so for calls by number, with the rows that are compared with Linux
//! elsewhere; `methods` for each method; `convenience` for the API in the manner of `std::fs`.
//! `preload` does so for a tree filled from an archive. `coverage` sees that none is missing.
//!
//! Limits are tried with gaps between large ones; with `ANCHORITE_SWEEP=full` in the
//! environment, one by one.
//!
//! What this found: open allocated the open file description after it had made or emptied
//! the file, so with O_CREAT or O_TRUNC it could fail and leave its mark.

mod convenience;
mod coverage;
mod heap;
mod methods;
mod preload;
mod rows;
mod tree;

/// Whether every limit is wanted.
fn full_sweep() -> bool {
    std::env::var_os("ANCHORITE_SWEEP").is_some_and(|sweep| sweep == "full")
}
