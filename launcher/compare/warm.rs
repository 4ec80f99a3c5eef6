//! Memory that a program can have at once.
//!
//! Where the host is a virtual machine itself, a huge page that was free for some seconds has
//! been given back to the host's own host, and takes that one 10 µs for each 4 KiB to find
//! again: many times what a file call costs. Which program meets how many of these is
//! chance: PostMark in a guest took 0.18 s or 0.93 s by it. So that none does, memory is
//! touched and given back right before each run, in huge pages, which is how guests get theirs.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::machine::available_memory_bytes;

/// More than a run uses that does not use its memory twice itself.
const MOST_BYTES: usize = 1 << 30;
const PAGE_BYTES: usize = 4096;

/// Touches and gives back memory of the host: up to half of what is available. Where that
/// cannot be done, nothing is warm, which is no error.
pub fn warm() {
    let bytes = available_memory_bytes().map_or(0, |bytes| bytes / 2);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(MOST_BYTES);
    let Some(len) = NonZeroUsize::new(bytes) else { return };
    let (access, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
    // SAFETY: a new mapping, at a place that the kernel chooses.
    let Ok(start) = (unsafe { mmap_anonymous(None, len, access, flags) }) else { return };
    // SAFETY: the mapping is this function's own. Without huge pages it is still touched.
    let _ = unsafe { madvise(start, bytes, MmapAdvise::MADV_HUGEPAGE) };
    let first: NonNull<u8> = start.cast();
    for at in (0..bytes).step_by(PAGE_BYTES) {
        // SAFETY: inside of the mapping, which can be written.
        unsafe { first.add(at).write_volatile(1) };
    }
    // SAFETY: nothing refers to the mapping any more.
    let _ = unsafe { munmap(start, bytes) };
}
