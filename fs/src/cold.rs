//! Memory that is in no cache: which pages those are, and copies to them.
//!
//! Problem: a store to a line that is in no cache first reads that line, so to fill such a page takes
//! 480 ns on a processor that fills one in its first cache in 20. Stores that go past the caches
//! (`movntps`) read nothing: 180 ns. But they take 180 for a page that is in a cache, too, and
//! who reads it next waits for memory.
//!
//! Choice: a page that is allocated is most likely the one that this core freed last. If that was
//! filled lately, it is still in a cache; if not, or if none was freed, it is not. So each core counts the
//! pages that it allocates, which is its clock; a file notes the time of its last one ([`Filled`]); and
//! who frees a file compares. A wrong guess costs time, nothing else.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

/// Pages that make a tick of the clock, as a base-2 logarithm.
const TICK_PAGES_LOG2: u32 = 4;
/// Pages are in a cache for so many ticks: 512 KiB, which a core's own cache holds.
const WARM_TICKS: u16 = 8;
/// The most pages that are remembered to be in a cache.
const WARM_PAGES_MAX: u32 = 128;

/// What a core knows of the pages that it will allocate.
#[derive(Default)]
pub struct Warmth {
    /// Pages allocated so far.
    allocated: AtomicU32,
    /// How many of the next ones are in a cache. (The core's own to change; threads that share
    /// one by mistake make it wrong.)
    warm: AtomicU32,
}

/// When the last page of a file was allocated, and whether it was in no cache.
#[derive(Clone, Copy)]
pub struct Filled(u16);

impl Filled {
    /// The bit of a page that was in no cache; the others are the time, which repeats.
    const COLD: u16 = 1 << 15;

    /// No page.
    pub const NEVER: Filled = Filled(0);

    /// Whether the page was in no cache.
    #[inline(always)]
    pub fn is_cold(self) -> bool {
        self.0 & Filled::COLD != 0
    }
}

impl Warmth {
    /// A page is allocated.
    pub fn allocate(&self) -> Filled {
        let time = self.allocated.load(Ordering::Relaxed).wrapping_add(1);
        self.allocated.store(time, Ordering::Relaxed);
        let warm = self.warm.load(Ordering::Relaxed);
        self.warm.store(warm.saturating_sub(1), Ordering::Relaxed);
        let ticks = (time >> TICK_PAGES_LOG2) as u16 & !Filled::COLD;
        Filled(if warm > 0 { ticks } else { ticks | Filled::COLD })
    }

    /// So many pages of a file are freed.
    pub fn free(&self, filled: Filled, pages: u32) {
        let now = (self.allocated.load(Ordering::Relaxed) >> TICK_PAGES_LOG2) as u16;
        let age = now.wrapping_sub(filled.0) & !Filled::COLD;
        let is_warm = age < WARM_TICKS || pages == 0;
        let warm = self.warm.load(Ordering::Relaxed);
        let warm = if is_warm { warm.saturating_add(pages).min(WARM_PAGES_MAX) } else { 0 };
        self.warm.store(warm, Ordering::Relaxed);
    }
}

/// Appends `bytes` to `to`, which has room for them: past the caches, if it is memory that `is_cold`.
pub fn extend(to: &mut Vec<u8>, bytes: &[u8], is_cold: bool) {
    if !is_cold || to.capacity() - to.len() < bytes.len() {
        return to.extend_from_slice(bytes);
    }
    let room = to.spare_capacity_mut().as_mut_ptr().cast();
    // SAFETY: there is room, apart from `bytes`, and it is filled.
    unsafe {
        copy(bytes.as_ptr(), room, bytes.len());
        to.set_len(to.len() + bytes.len());
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) use past_caches::{copy, settle};
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) use through_caches::{copy, settle};

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod past_caches {
    use core::arch::asm;
    use core::arch::x86_64::_mm_sfence;
    use core::ptr;

    use crate::sync::alone;

    const LINE: usize = 64;
    /// Fewer bytes are copied as any are …
    const LEAST: usize = 4 * LINE;
    /// … and fewer than this while others are to see them: to wait until they can takes as long
    /// as reading some twenty lines.
    const LEAST_AMONG_OTHERS: usize = 2048;

    /// Copies `len` bytes as [`ptr::copy`] does, to memory that is in no cache; but what is to be copied
    /// may change meanwhile, also by this copy, if it overlaps.
    ///
    /// # Safety
    /// That of [`ptr::copy`].
    #[inline(never)]
    pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        let is_alone = alone();
        if len < if is_alone { LEAST } else { LEAST_AMONG_OTHERS } {
            // SAFETY: the caller's promise.
            return unsafe { ptr::copy(from, to, len) };
        }
        let head = to.addr().wrapping_neg() % LINE;
        let lines = (len - head) / LINE * LINE;
        // SAFETY: three ranges of `len` bytes; the second is whole lines, at least one.
        unsafe {
            ptr::copy(from, to, head);
            copy_lines(from.add(head), to.add(head), lines);
            let done = head + lines;
            ptr::copy(from.add(done), to.add(done), len - done);
        }
        if !is_alone {
            settle();
        }
    }

    /// Copies `len` bytes, whole lines and at least one, to the beginning of a line.
    ///
    /// # Safety
    /// Of both, so many bytes are valid. Other cores see the copy in no order with what this one stores
    /// later, until this one calls [`settle`].
    unsafe fn copy_lines(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: by the caller's promise. This core sees its stores in order, as any others.
        unsafe {
            asm!(
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "add {from}, 64",
                "movntps [{to}], {a}",
                "movntps [{to} + 16], {b}",
                "movntps [{to} + 32], {c}",
                "movntps [{to} + 48], {d}",
                "add {to}, 64",
                "cmp {to}, {end}",
                "jb 2b",
                from = inout(reg) from => _,
                to = inout(reg) to => _,
                end = in(reg) to.wrapping_add(len),
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
    }

    /// Lets other cores see what this one copied before anything that it stores after.
    #[inline(always)]
    pub(crate) fn settle() {
        // SAFETY: every x86-64 processor has it.
        unsafe { _mm_sfence() };
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod through_caches {
    pub(crate) use core::ptr::copy;

    pub(crate) fn settle() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn every_length_and_place_is_copied_and_nothing_else() {
        let from: Vec<u8> = (0..5000u32).map(|at| (at * 31 + at / 256 * 7) as u8).collect();
        for len in (0..700).chain(2030..2200).chain([4000, 4095, 4096]) {
            for (from_at, to_at) in [(0, 0), (1, 64), (3, 1), (64, 63), (17, 40)] {
                let mut to = vec![0xaau8; 4300];
                // SAFETY: both hold `len` bytes from there on.
                unsafe { copy(from.as_ptr().add(from_at), to.as_mut_ptr().add(to_at), len) };
                assert!(to[to_at..to_at + len] == from[from_at..from_at + len], "{len} {to_at}");
                assert!(to[..to_at].iter().all(|&byte| byte == 0xaa));
                assert!(to[to_at + len..].iter().all(|&byte| byte == 0xaa));
            }
        }
    }

    #[test]
    fn what_is_appended_is_there_with_and_without_room() {
        let bytes: Vec<u8> = (0..3000u32).map(|at| (at % 251) as u8).collect();
        for (capacity, is_cold) in [(0, true), (4000, true), (4000, false), (3001, true)] {
            let mut to = Vec::with_capacity(capacity);
            to.push(7);
            extend(&mut to, &bytes, is_cold);
            assert!(to[0] == 7 && to[1..] == bytes, "{capacity}");
        }
    }

    #[test]
    fn what_was_filled_lately_is_warm_when_it_is_freed() {
        let warmth = Warmth::default();
        let first = warmth.allocate();
        assert!(first.is_cold());
        warmth.free(first, 1);
        let again = warmth.allocate();
        assert!(!again.is_cold() && warmth.allocate().is_cold());
        // Many pages later it is not.
        let last = (0..10_000).map(|_| warmth.allocate()).last().expect("there are some");
        warmth.free(again, 1);
        assert!(warmth.allocate().is_cold());
        warmth.free(last, 3);
        assert_eq!([(); 4].map(|()| warmth.allocate().is_cold()), [false, false, false, true]);
        // What is cold comes first, if it was freed last.
        warmth.free(last, 3);
        warmth.free(again, 1);
        assert!(warmth.allocate().is_cold());
    }

    #[test]
    fn no_more_is_warm_than_a_cache_holds() {
        let warmth = Warmth::default();
        warmth.free(warmth.allocate(), u32::MAX);
        let warm = (0..1000).filter(|_| !warmth.allocate().is_cold()).count();
        assert_eq!(warm, WARM_PAGES_MAX as usize);
    }
}
