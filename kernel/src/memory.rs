//! The heap: all memory that the host gives and nothing else has taken.
//!
//! The allocator is `talc`. With two million live objects of 16 to 512 bytes,
//! replaced in random order, one replacement took 508 ns with it, 1,184 ns with
//! `rlsf` and 683 ns with glibc on the same machine (`buddy_system_allocator`
//! frees in linear time, and was left out). But for a size above a few hundred
//! bytes `talc` and `rlsf` look only into bins whose every block is large enough:
//! a block of 4 KiB freed a moment ago is passed over for memory that was never
//! touched, and the first touch of a page costs 10,000 to 31,000 cycles here, a
//! second one 250. So [`Heap`] keeps what was freed last in short stacks, one for
//! each exact size (`Recent`), and hands that out first (the same replacement:
//! 331 ns; freeing and allocating one size: 6 ns, where `talc` takes 13). The rest
//! goes back to `talc`, and everything does before an allocation may fail.
//!
//! Free memory is never written except for the allocator's own links. `talc` has one at the end of
//! each range that it is given, so what was not touched yet is given to it when there is no other
//! ([`Heap::claim_later`]).
//!
//! A heap is for one core at a time, and [`Shared`] sees to that; [`crate::cache`] is what each
//! core keeps of it.

use core::alloc::Layout;
use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use spin::{Mutex, MutexGuard};
use talc::DefaultBinning;
use talc::base::Talc;
use talc::source::Manual;

use crate::cache;

/// Number of exact sizes whose freed blocks are kept.
const STACKS: usize = 128;
/// A stack keeps this many bytes, but at least one block …
const STACK_BYTES: usize = 1 << 20;
/// … unless blocks are larger than this.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Blocks aligned to more than this go to `talc` at once.
const ALIGN_MAX: usize = 4096;
/// Every block is aligned to this, which is `talc`'s unit …
pub(crate) const ALIGN_MIN: usize = 32;
/// … and to a line of memory, whole lines of which it takes, if it takes more than
/// [`LINED_FROM`]: to copy 4 KiB between places that are apart by whole lines takes two thirds
/// of the time.
const LINE: usize = 64;
const LINED_FROM: usize = 1024;
/// One part in this many of the heap is in caches at most.
const CACHED_SHARE: usize = 64;
/// Least and most bytes of a cache's stack.
const CACHED_BYTES: Range<usize> = 1 << 10..64 << 10;
/// Ranges that can be kept for later.
const LATER: usize = 16;
/// Blocks above this size are handed out ahead of their need only if they were used
/// before: to touch memory for the first time is its user's affair.
const SMALL_BYTES: usize = 1024;

/// An allocator over claimed ranges.
pub struct Heap {
    talc: Talc<Manual, DefaultBinning>,
    recent: [Recent; STACKS],
    claimed_bytes: usize,
    used_bytes: usize,
    /// Ranges that `talc` is given when it has no room, the first one first; the others are empty.
    later: [Range<usize>; LATER],
    /// The end of the range that `talc` was given last.
    end: usize,
    /// Caches that blocks are given to, but for the first: a heap without memory is all zeros
    /// then, and takes no room in an image.
    more_caches: usize,
}

/// A heap that all cores share. Where there is one core its lock is none: an atomic would wait for
/// all that was stored past the caches, which are the pages that the ramdisk filled last.
pub struct Shared {
    heap: UnsafeCell<Heap>,
    lock: Mutex<()>,
    /// Whether several cores use it. Set before the second one starts.
    several: AtomicBool,
}

/// The blocks of one size that were freed last, linked through their first
/// words. A stack belongs to whichever size uses it while it is not empty.
#[derive(Clone, Copy)]
struct Recent {
    size: usize,
    align: usize,
    count: usize,
    top: *mut u8,
}

// SAFETY: the pointers are to memory that the heap owns.
unsafe impl Send for Heap {}

impl Heap {
    /// A heap without any memory.
    pub const fn new() -> Self {
        let empty = Recent { size: 0, align: 0, count: 0, top: ptr::null_mut() };
        Self {
            talc: Talc::new(Manual),
            recent: [empty; STACKS],
            claimed_bytes: 0,
            used_bytes: 0,
            later: [const { 0..0 }; LATER],
            end: 0,
            more_caches: 0,
        }
    }

    /// Tells how many caches share this heap.
    pub fn set_caches(&mut self, caches: usize) {
        self.more_caches = caches.saturating_sub(1);
    }

    /// How many bytes each of a cache's stacks may hold: all stacks of all caches hold
    /// [`CACHED_SHARE`] of the heap at most, where that leaves each more than the least.
    pub fn cached_bytes_max(&self) -> usize {
        let stacks = cache::STACKS * (1 + self.more_caches);
        let share = self.claimed_bytes / CACHED_SHARE / stacks;
        share.clamp(CACHED_BYTES.start, CACHED_BYTES.end)
    }

    /// Adds a range of memory; too small a range is left out.
    ///
    /// # Safety
    /// The range is mapped, writable, and the heap's alone from now on.
    pub unsafe fn claim(&mut self, range: Range<usize>) {
        // SAFETY: by this function's contract.
        if unsafe { self.give(&range) } {
            self.claimed_bytes += range.len();
        }
    }

    /// Adds a range of memory that is not touched until an allocation finds no room in what was
    /// added before; unless [`LATER`] ranges wait already.
    ///
    /// # Safety
    /// That of [`Heap::claim`].
    pub unsafe fn claim_later(&mut self, range: Range<usize>) {
        let Some(free) = self.later.iter_mut().find(|later| Range::is_empty(later)) else {
            // SAFETY: by this function's contract.
            return unsafe { self.claim(range) };
        };
        self.claimed_bytes += range.len();
        *free = range;
    }

    /// Gives a range to `talc`, unless it is too small.
    ///
    /// # Safety
    /// That of [`Heap::claim`].
    unsafe fn give(&mut self, range: &Range<usize>) -> bool {
        let Range { start, end } = *range;
        let former = NonNull::new(start as *mut u8).filter(|_| start == self.end && start < end);
        // SAFETY: by this function's contract; what was given before ended here, and `talc` grows
        // and shrinks nothing by itself.
        let given = unsafe {
            match former {
                Some(former) => Some(self.talc.extend(former, end as *mut u8)),
                None => self.talc.claim(start as *mut u8, range.len()),
            }
        };
        self.end = given.map_or(self.end, |end| end.as_ptr() as usize);
        given.is_some()
    }

    /// Gives `talc` the first of the ranges that were kept for later; whether there was one.
    #[cold]
    fn give_more(&mut self) -> bool {
        let range = core::mem::replace(&mut self.later[0], 0..0);
        if range.is_empty() {
            return false;
        }
        self.later.rotate_left(1);
        // SAFETY: by the contract of `claim_later`.
        if !unsafe { self.give(&range) } {
            self.claimed_bytes -= range.len();
        }
        true
    }

    /// Bytes that were claimed.
    pub fn claimed_bytes(&self) -> usize {
        self.claimed_bytes
    }

    /// Bytes that allocated blocks take, `talc`'s own word of each included. Kept blocks
    /// are free.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Allocates; `None` if there is no room.
    ///
    /// # Safety
    /// `layout` has a size.
    pub unsafe fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let layout = rounded(layout)?;
        // SAFETY: `layout` has a size.
        let block = unsafe { self.take(layout) }?;
        self.used_bytes += taken(layout);
        Some(block)
    }

    /// Calls `keep` with up to `count` more blocks, as far as they are easy to have:
    /// nothing else is given back for them.
    ///
    /// # Safety
    /// `layout` has a size.
    pub unsafe fn allocate_ahead(
        &mut self,
        layout: Layout,
        count: usize,
        mut keep: impl FnMut(NonNull<u8>),
    ) {
        let Some(layout) = rounded(layout) else {
            return;
        };
        for _ in 0..count {
            let block = match self.recent[index(layout)].pop(layout) {
                None if layout.size() <= SMALL_BYTES => {
                    // SAFETY: `layout` has a size.
                    unsafe { self.talc.allocate(layout) }
                }
                recent => recent,
            };
            let Some(block) = block else {
                return;
            };
            self.used_bytes += taken(layout);
            keep(block);
        }
    }

    /// A kept block, or else one of `talc`'s.
    ///
    /// # Safety
    /// `layout` has a size, and is rounded.
    unsafe fn take(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if let Some(block) = self.recent[index(layout)].pop(layout) {
            return Some(block);
        }
        loop {
            // SAFETY: `layout` has a size.
            if let Some(block) = unsafe { self.talc.allocate(layout) } {
                fetch_ahead(block, layout);
                return Some(block);
            }
            if !self.give_more() && self.flush() == 0 {
                return None;
            }
        }
    }

    /// Frees.
    ///
    /// # Safety
    /// `block` came from [`Heap::allocate`] for this `layout`.
    pub unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout) {
        let Some(layout) = rounded(layout) else {
            return;
        };
        self.used_bytes -= taken(layout);
        let stack = &mut self.recent[index(layout)];
        if stack.count == 0 {
            (stack.size, stack.align, stack.top) = (layout.size(), layout.align(), ptr::null_mut());
        }
        let keep = (STACK_BYTES / layout.size()).max(1);
        if stack.size == layout.size()
            && stack.align == layout.align()
            && stack.count < keep
            && layout.size() <= KEPT_BYTES_MAX
            && layout.align() <= ALIGN_MAX
        {
            // SAFETY: the block is free, and `rounded` made it a word at least.
            unsafe { block.cast::<*mut u8>().write(stack.top) };
            stack.top = block;
            stack.count += 1;
        } else {
            if stack.size != layout.size() || stack.align != layout.align() {
                // Another size has this stack. It loses a block each time that
                // it is in the way, so that a size no longer used makes room.
                stack.drop_one(&mut self.talc);
            }
            // SAFETY: by this function's contract; `rounded` is the same again.
            unsafe { self.talc.deallocate(block, layout) };
        }
    }

    /// Makes `block` hold `size` bytes where it lies, if that can be.
    ///
    /// # Safety
    /// `block` came from [`Heap::allocate`] for this `layout`; `size` is not 0.
    pub unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> bool {
        let (Some(old), Some(new)) =
            (rounded(layout), Layout::from_size_align(size, layout.align()).ok().and_then(rounded))
        else {
            return false;
        };
        if !block.addr().is_multiple_of(new.align()) {
            return false;
        }
        // SAFETY: by this function's contract.
        let is_resized = old.size() == new.size()
            || unsafe { self.talc.try_realloc_in_place(block, old, new.size()) };
        if is_resized {
            self.used_bytes = self.used_bytes - taken(old) + taken(new);
        }
        is_resized
    }

    /// Gives every kept block back, and tells how many there were.
    fn flush(&mut self) -> usize {
        let mut flushed = 0;
        for stack in &mut self.recent {
            while stack.count > 0 {
                stack.drop_one(&mut self.talc);
                flushed += 1;
            }
        }
        flushed
    }
}

// SAFETY: one core at a time uses the heap: it is the only one, or has the lock.
unsafe impl Sync for Shared {}

impl Shared {
    /// A heap for one core, until [`Shared::set_caches`].
    pub const fn new(heap: Heap) -> Self {
        let heap = UnsafeCell::new(heap);
        Self { heap, lock: Mutex::new(()), several: AtomicBool::new(false) }
    }

    /// Tells how many cores have a cache of the heap. To be called by the only one that runs.
    pub fn set_caches(&self, caches: usize) {
        self.several.store(caches > 1, Ordering::Relaxed);
        self.with(|heap| heap.set_caches(caches));
    }

    #[inline(never)]
    fn lock(&self) -> Option<MutexGuard<'_, ()>> {
        self.several.load(Ordering::Relaxed).then(|| self.lock.lock())
    }

    /// Calls `call` with the heap, which no other core uses meanwhile. `call` does not come back
    /// here.
    #[inline]
    pub fn with<R>(&self, call: impl FnOnce(&mut Heap) -> R) -> R {
        let _held = self.lock();
        // SAFETY: this core alone uses it, and not twice at once; nothing interrupts it.
        call(unsafe { &mut *self.heap.get() })
    }
}

impl Recent {
    /// The block that was freed last, if this stack has any of `layout`.
    fn pop(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if self.count == 0 || self.size != layout.size() || self.align != layout.align() {
            return None;
        }
        let block = self.top;
        // SAFETY: a kept block's first word is the next one.
        self.top = unsafe { block.cast::<*mut u8>().read() };
        self.count -= 1;
        NonNull::new(block)
    }

    /// Gives the top block back; there is one.
    fn drop_one(&mut self, talc: &mut Talc<Manual, DefaultBinning>) {
        let block = self.top;
        // SAFETY: a stack's size and alignment are its blocks' own, and a kept
        // block's first word is the next one.
        unsafe {
            self.top = block.cast::<*mut u8>().read();
            talc.deallocate(block, Layout::from_size_align_unchecked(self.size, self.align));
        }
        self.count -= 1;
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts to fetch what `talc` will write, if another block like this one follows. It cuts them
/// from the beginning of what is free, and notes in that block's last word what it is, and behind
/// it what is left: in lines that nobody used lately, and whoever fills the block waits for them.
#[inline]
fn fetch_ahead(block: NonNull<u8>, layout: Layout) {
    if layout.size() > SMALL_BYTES {
        let rest = block.as_ptr().wrapping_add(2 * taken(layout));
        for line in [rest, rest.wrapping_sub(8)] {
            // SAFETY: a hint, which does nothing where no memory is.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line.cast()) };
        }
    }
}

/// The size and alignment that a block of this layout gets, so that layouts that take the same
/// room share a stack. `None` if that overflows. What is rounded stays as it is.
pub(crate) fn rounded(layout: Layout) -> Option<Layout> {
    let (room, align) = room(layout.size());
    Layout::from_size_align(room - 8, layout.align().max(align)).ok()
}

/// The room that a block of this size takes, which no layout's makes overflow, and its alignment.
#[inline(always)]
pub(crate) fn room(size: usize) -> (usize, usize) {
    // `talc` adds a word of its own. Both roundings are by constants: by a number that is not
    // known to be a power of two it would be a division.
    match (size + 8).next_multiple_of(ALIGN_MIN) {
        room @ ..=LINED_FROM => (room, ALIGN_MIN),
        room => (room.next_multiple_of(LINE), LINE),
    }
}

/// Bytes that a block of this rounded layout takes.
pub(crate) fn taken(layout: Layout) -> usize {
    layout.size() + 8
}

fn index(layout: Layout) -> usize {
    // Neighbouring sizes and the usual powers of two spread over the stacks.
    let mixed = (layout.size() as u64 ^ ((layout.align() as u64) << 40))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 57) as usize % STACKS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    fn heap(bytes: usize) -> (Heap, Vec<u64>) {
        let mut arena = Vec::with_capacity(bytes / 8);
        arena.resize(bytes / 8, 0xaaaa_aaaa_aaaa_aaaa);
        let start = arena.as_mut_ptr() as usize;
        let mut heap = Heap::new();
        // SAFETY: the arena outlives the heap in every test.
        unsafe { heap.claim(start..start + bytes) };
        (heap, arena)
    }

    #[test]
    fn what_was_freed_last_is_handed_out_first() {
        let (mut heap, _arena) = heap(32 << 20);
        for (size, align) in
            [(24, 8), (100, 8), (4096, 8), (4096, 4096), (4112, 16), (65536, 16), (3 << 20, 8)]
        {
            let layout = layout(size, align);
            // SAFETY: sizes are not 0; each block is freed once.
            unsafe {
                let a = heap.allocate(layout).unwrap();
                let b = heap.allocate(layout).unwrap();
                heap.deallocate(a.as_ptr(), layout);
                assert_eq!(heap.allocate(layout), Some(a), "{size}");
                if size <= STACK_BYTES / 2 {
                    heap.deallocate(b.as_ptr(), layout);
                    heap.deallocate(a.as_ptr(), layout);
                    assert_eq!(heap.allocate(layout), Some(a), "{size}");
                    assert_eq!(heap.allocate(layout), Some(b), "{size}");
                }
                heap.deallocate(a.as_ptr(), layout);
                heap.deallocate(b.as_ptr(), layout);
            }
        }
    }

    #[test]
    fn kept_blocks_are_given_back_before_an_allocation_fails() {
        let (mut heap, _arena) = heap(8 << 20);
        let small = layout(4096, 8);
        // SAFETY: sizes are not 0; each block is freed once.
        unsafe {
            let mut blocks = Vec::new();
            while let Some(block) = heap.allocate(small) {
                blocks.push(block);
            }
            assert!(blocks.len() > 2000, "{}", blocks.len());
            for block in blocks {
                heap.deallocate(block.as_ptr(), small);
            }
            let all = layout((8 << 20) - 8192, 8);
            let block = heap.allocate(all).unwrap();
            heap.deallocate(block.as_ptr(), all);
        }
    }

    #[test]
    fn what_is_for_later_is_not_touched_before_it_is_needed() {
        #[derive(Clone, Copy, PartialEq)]
        #[repr(align(4096))]
        struct Page([u64; 512]);
        const UNTOUCHED: Page = Page([0xaaaa_aaaa_aaaa_aaaa; 512]);
        const PART: usize = 1 << 20;
        let mut arena = Vec::with_capacity((LATER + 4) * PART / 4096);
        arena.resize((LATER + 4) * PART / 4096, UNTOUCHED);
        let start = arena.as_mut_ptr() as usize;
        let part = |at: usize| start + at * PART..start + (at + 1) * PART;
        let untouched = |arena: &[Page], parts: Range<usize>| {
            let pages = parts.start * PART / 4096..parts.end * PART / 4096;
            arena[pages].iter().all(|page| *page == UNTOUCHED)
        };
        let mut heap = Heap::new();
        // SAFETY: the arena outlives the heap; sizes are not 0; each block is freed once.
        unsafe {
            heap.claim(part(0));
            // Those behind the third are apart from one another.
            for at in [1, 2].into_iter().chain(4..LATER + 2) {
                heap.claim_later(part(at));
            }
            assert!(untouched(&arena, 1..LATER + 4));
            // This one finds no place to wait in.
            heap.claim_later(part(LATER + 3));
            assert_eq!(heap.claimed_bytes(), (LATER + 2) * PART);
            let small = layout(32 << 10, 8);
            for _ in 0..PART / small.size() * 3 / 2 {
                heap.allocate(small).unwrap();
            }
            assert!(untouched(&arena, 1..LATER + 3) && !untouched(&arena, 0..1));
            // Neighbours become one.
            let large = layout(2 * PART - 2 * LINE, 8);
            let block = heap.allocate(large).unwrap().as_ptr() as usize;
            assert!((start + PART..start + 3 * PART).contains(&block));
            assert!(untouched(&arena, 3..LATER + 3));
            let block = heap.allocate(large).unwrap().as_ptr() as usize;
            assert!((start + 4 * PART..start + 6 * PART).contains(&block));
            // Everything is given before an allocation fails, and nothing else.
            assert!(heap.allocate(layout(LATER * PART, 8)).is_none());
            assert!(untouched(&arena, 3..4) && untouched(&arena, LATER + 2..LATER + 3));
        }
        assert_eq!(heap.claimed_bytes(), (LATER + 2) * PART);
    }

    #[test]
    fn large_blocks_begin_lines_of_memory() {
        let (mut heap, _arena) = heap(32 << 20);
        // SAFETY: sizes are not 0.
        unsafe {
            for size in [1016, 1017, 1024, 2048, 4096, 65536, 100, 4096, 8, 5000, 4096, 32 << 10] {
                for (size, align) in [(size, 1), (size + 31, 16), (24, 8)] {
                    let wanted = layout(size, align);
                    let block = heap.allocate(wanted).unwrap().addr().get();
                    let is_large = taken(rounded(wanted).unwrap()) > LINED_FROM;
                    assert_eq!(is_large, size > LINED_FROM - 8, "{size}");
                    assert!(block.is_multiple_of(if is_large { LINE } else { ALIGN_MIN }));
                }
            }
            // One that becomes large stays only where it begins a line.
            let small = layout(500, 8);
            for _ in 0..10 {
                let block = heap.allocate(small).unwrap().as_ptr();
                let is_resized = heap.resize(block, small, 2000);
                assert!(!is_resized || block.addr().is_multiple_of(LINE));
            }
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_none() {
        let (mut heap, _arena) = heap(1 << 20);
        for size in [2 << 20, isize::MAX as usize - 4095, isize::MAX as usize - 7] {
            // SAFETY: sizes are not 0.
            assert_eq!(unsafe { heap.allocate(layout(size, 8)) }, None);
        }
        // SAFETY: sizes are not 0.
        assert_eq!(unsafe { Heap::new().allocate(layout(1, 1)) }, None);
    }

    #[test]
    fn random_blocks_never_overlap() {
        let (mut heap, _arena) = heap(4 << 20);
        let mut live: BTreeMap<usize, Layout> = BTreeMap::new();
        let mut seed = 7u64;
        let mut next = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) as usize % below
        };
        for _ in 0..100_000 {
            // SAFETY: blocks come from `allocate` and go once.
            unsafe {
                match next(5) {
                    0..3 => {
                        let (bits, align) = (next(17), 1 << next(13));
                        let wanted = layout(1 + next(1 << bits), align);
                        let Some(block) = heap.allocate(wanted) else { continue };
                        let at = block.as_ptr() as usize;
                        assert!(at.is_multiple_of(wanted.align()));
                        let below = live.range(..at + wanted.size()).next_back();
                        assert!(below.is_none_or(|(start, layout)| start + layout.size() <= at));
                        block.as_ptr().write_bytes(0x5a, wanted.size());
                        live.insert(at, wanted);
                    }
                    3 => {
                        let Some((at, old)) =
                            live.range(next(usize::MAX)..).next().or(live.iter().next())
                        else {
                            continue;
                        };
                        let (at, old) = (*at, *old);
                        let size = 1 + next(old.size() * 2);
                        if heap.resize(at as *mut u8, old, size) {
                            let above = live.range(at + 1..).next();
                            assert!(above.is_none_or(|(start, _)| at + size <= *start));
                            live.insert(at, layout(size, old.align()));
                        }
                    }
                    _ => {
                        let nth = next(live.len() + 1);
                        let Some((at, old)) = live.iter().nth(nth % live.len().max(1)) else {
                            continue;
                        };
                        let (at, old) = (*at, *old);
                        live.remove(&at);
                        heap.deallocate(at as *mut u8, old);
                    }
                }
            }
        }
        let used = live.values().map(|layout| taken(rounded(*layout).unwrap())).sum();
        assert_eq!(heap.used_bytes(), used);
    }
}
