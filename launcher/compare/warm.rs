//! Memory that a program can have at once.
//!
//! Where the host is a virtual machine itself, a page that it has not used yet, or that
//! it reported as free, has to be found by the host's own host first: 8 µs each on the
//! machine that this was written on, many times what a file call costs. Which program meets
//! how many of these is chance. So that none does, as much memory as a program may use
//! is touched and given back before each run.

use std::hint::black_box;

use crate::machine::available_memory_bytes;
use crate::size::GIB;

/// More than any run of a comparison touches, growth aside.
const MOST_BYTES: u64 = 4 * GIB;
const PAGE_BYTES: usize = 4096;

/// Touches and gives back memory of the host: up to half of what is available.
pub fn warm() {
    let bytes = available_memory_bytes().map_or(0, |bytes| (bytes / 2).min(MOST_BYTES));
    let mut memory: Vec<u8> = Vec::new();
    // Without the memory nothing is warm, which is no error.
    if memory.try_reserve_exact(bytes as usize).is_err() {
        return;
    }
    for page in memory.spare_capacity_mut().chunks_mut(PAGE_BYTES) {
        if let Some(byte) = black_box(page).first_mut() {
            byte.write(1);
        }
    }
}
