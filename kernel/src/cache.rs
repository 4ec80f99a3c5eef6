//! What each core keeps of the heap for itself: recently freed blocks.
//!
//! A [`Cache`] answers an allocation of a usual size without a lock or an atomic
//! operation, since its own core alone takes from it and gives to it. Where it has no
//! block, it takes a batch from the shared [`Heap`] under one lock; where it has too
//! many, it gives half of them back. A block may be freed on another core than it was
//! allocated on: it goes to that core's cache, and from there, in time, to the heap.
//!
//! **Bounds.** A stack holds [`Heap::cached_bytes_max`] at most, so all caches together
//! hold a 64th of the heap at most (or 64 KiB each, where that is more). Before an
//! allocation fails, a cache gives back all that it has; those of other cores cannot be
//! asked to, so that much may be missing at the very end of memory. (A core without
//! anything to do gives up its cache by itself.)

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::memory::{ALIGN_MIN, Heap, Shared, room};

/// Sizes up to this many units have a stack each.
const SMALL_UNITS: usize = 32;
/// Larger sizes share these.
const SHARED: usize = 32;
/// All stacks of a cache.
pub const STACKS: usize = SMALL_UNITS + SHARED;
/// `talc` gives memory in units of this many bytes.
const UNIT: usize = 32;
/// Larger blocks are not kept.
const KEPT_BYTES_MAX: usize = 16 << 10;
/// Blocks aligned to more are not kept.
const ALIGN_MAX: usize = 4096;

/// One core's blocks.
pub struct Cache {
    stacks: [Stack; STACKS],
}

/// Blocks of one class, linked through their first words, the last freed first. It
/// belongs to whichever class uses it while it is not empty.
struct Stack {
    /// Its blocks' [`Class`]. Other cores may read it, and `count`.
    class: AtomicUsize,
    top: Cell<*mut u8>,
    count: AtomicU32,
    /// How many blocks it may hold.
    keep: Cell<u32>,
}

/// Layouts that take the same room: bytes of that room, a multiple of [`UNIT`], and below
/// it the alignment. 0 is no class.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Class(usize);

impl Class {
    /// None if such blocks are not kept.
    #[inline(always)]
    fn of(layout: Layout) -> Option<Self> {
        if layout.size() > KEPT_BYTES_MAX || layout.align() > ALIGN_MAX {
            return None;
        }
        let (room, align) = room(layout.size());
        let align = layout.align().max(align).ilog2() - ALIGN_MIN.ilog2();
        Some(Self(room | align as usize))
    }

    #[inline(always)]
    fn room(self) -> usize {
        self.0 & !(UNIT - 1)
    }

    /// The layout that all of the class are rounded to.
    fn layout(self) -> Option<Layout> {
        let align = ALIGN_MIN << (self.0 % UNIT);
        Layout::from_size_align(self.room().checked_sub(8)?, align).ok()
    }

    #[inline(always)]
    fn index(self) -> usize {
        let units = self.0 / UNIT;
        if units <= SMALL_UNITS {
            units - 1
        } else {
            let mixed = (self.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            SMALL_UNITS + mixed as usize % SHARED
        }
    }
}

// SAFETY: the pointers are to memory that the cache owns.
unsafe impl Send for Cache {}
// SAFETY: whoever allocates or frees promises to be the only one; what others read is
// atomic.
unsafe impl Sync for Cache {}

impl Cache {
    /// A cache without any blocks.
    pub const fn new() -> Self {
        Self { stacks: [const { Stack::new() }; STACKS] }
    }

    /// Bytes of the blocks in it, which the heap takes for used. Exact while nobody
    /// allocates or frees by it.
    pub fn held_bytes(&self) -> usize {
        let held = |stack: &Stack| stack.class().room() * stack.count() as usize;
        self.stacks.iter().map(held).sum()
    }

    /// Allocates; `None` if there is no room.
    ///
    /// # Safety
    /// `layout` has a size; this is the only use of the cache, and `heap` its only heap.
    #[inline(always)]
    pub unsafe fn allocate(&self, layout: Layout, heap: &Shared) -> Option<NonNull<u8>> {
        if let Some(class) = Class::of(layout) {
            let stack = &self.stacks[class.index()];
            if stack.class() == class
                && let Some(block) = stack.pop()
            {
                return Some(block);
            }
        }
        // SAFETY: by this function's contract.
        unsafe { self.allocate_slowly(layout, heap) }
    }

    /// Frees.
    ///
    /// # Safety
    /// `block` came from a cache of `heap`'s for this `layout`; this is the only use of
    /// the cache.
    #[inline(always)]
    pub unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout, heap: &Shared) {
        if let Some(class) = Class::of(layout) {
            let stack = &self.stacks[class.index()];
            if stack.class() == class && stack.count() < stack.keep.get() {
                // SAFETY: the block is free, and of this class.
                unsafe { stack.push(block) };
                return;
            }
        }
        // SAFETY: by this function's contract.
        unsafe { self.deallocate_slowly(block, layout, heap) };
    }

    /// Gives all blocks back to the heap; tells how many there were.
    ///
    /// # Safety
    /// This is the only use of the cache, and `heap` its only heap.
    pub unsafe fn flush(&self, heap: &Shared) -> usize {
        let mut flushed = 0;
        for stack in self.stacks.iter().filter(|stack| stack.count() > 0) {
            // SAFETY: by this function's contract.
            flushed += heap.with(|heap| unsafe { stack.give_back(stack.count(), heap) });
        }
        flushed
    }

    /// What [`Cache::allocate`] does without a block in the stack.
    #[cold]
    #[inline(never)]
    unsafe fn allocate_slowly(&self, layout: Layout, heap: &Shared) -> Option<NonNull<u8>> {
        // SAFETY: by this function's contract.
        heap.with(|heap| unsafe { self.allocate_from(layout, heap) }).or_else(|| {
            // SAFETY: by this function's contract.
            unsafe {
                if self.flush(heap) == 0 { None } else { heap.with(|heap| heap.allocate(layout)) }
            }
        })
    }

    /// Takes a block from the heap, and some for later into an empty stack.
    ///
    /// # Safety
    /// That of [`Cache::allocate`].
    unsafe fn allocate_from(&self, layout: Layout, heap: &mut Heap) -> Option<NonNull<u8>> {
        // SAFETY: `layout` has a size.
        let block = unsafe { heap.allocate(layout) }?;
        if let Some(class) = Class::of(layout) {
            let stack = &self.stacks[class.index()];
            if stack.count() == 0 {
                stack.begin(class, heap);
                let more = (stack.keep.get() / 2).saturating_sub(1) as usize;
                // SAFETY: `layout` has a size, and these blocks are of its class.
                unsafe { heap.allocate_ahead(layout, more, |block| stack.push(block)) };
            }
        }
        Some(block)
    }

    /// What [`Cache::deallocate`] does without room in the stack.
    #[cold]
    #[inline(never)]
    unsafe fn deallocate_slowly(&self, block: NonNull<u8>, layout: Layout, heap: &Shared) {
        // SAFETY: by this function's contract.
        heap.with(|heap| unsafe { self.deallocate_to(block, layout, heap) });
    }

    /// Gives some of a full stack back to the heap, and keeps the block, if it can be.
    ///
    /// # Safety
    /// That of [`Cache::deallocate`].
    unsafe fn deallocate_to(&self, block: NonNull<u8>, layout: Layout, heap: &mut Heap) {
        if let Some(class) = Class::of(layout) {
            let stack = &self.stacks[class.index()];
            if stack.count() == 0 {
                stack.begin(class, heap);
            }
            // Of another class it loses a block each time that it is in the way, so that
            // a size no longer used makes room.
            let give = if stack.class() == class { stack.count().div_ceil(2) } else { 1 };
            // SAFETY: by `deallocate`'s contract.
            unsafe { stack.give_back(give.min(stack.count()), heap) };
            if stack.class() == class && stack.keep.get() > 0 {
                // SAFETY: the block is free, and of this class.
                unsafe { stack.push(block) };
                return;
            }
        }
        // SAFETY: by `deallocate`'s contract.
        unsafe { heap.deallocate(block.as_ptr(), layout) };
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

impl Stack {
    const fn new() -> Self {
        Self {
            class: AtomicUsize::new(0),
            top: Cell::new(ptr::null_mut()),
            count: AtomicU32::new(0),
            keep: Cell::new(0),
        }
    }

    #[inline(always)]
    fn class(&self) -> Class {
        Class(self.class.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// Gives the empty stack to `class`.
    fn begin(&self, class: Class, heap: &Heap) {
        self.class.store(class.0, Ordering::Relaxed);
        self.keep.set((heap.cached_bytes_max() / class.room()) as u32);
    }

    #[inline(always)]
    fn pop(&self) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.top.get())?;
        // SAFETY: a kept block's first word is the next one.
        self.top.set(unsafe { block.cast::<*mut u8>().read() });
        self.count.store(self.count() - 1, Ordering::Relaxed);
        Some(block)
    }

    /// # Safety
    /// The block is free, and of this stack's class.
    #[inline(always)]
    unsafe fn push(&self, block: NonNull<u8>) {
        // SAFETY: no block is smaller than a word.
        unsafe { block.cast::<*mut u8>().write(self.top.get()) };
        self.top.set(block.as_ptr());
        self.count.store(self.count() + 1, Ordering::Relaxed);
    }

    /// Gives `count` blocks, which it has, to the heap, and tells how many that were.
    ///
    /// # Safety
    /// They are that heap's.
    unsafe fn give_back(&self, count: u32, heap: &mut Heap) -> usize {
        let Some(layout) = self.class().layout() else {
            return 0;
        };
        let blocks = (0..count).map_while(|_| self.pop());
        // SAFETY: by this function's contract; a class' layout takes what its own take.
        blocks.map(|block| unsafe { heap.deallocate(block.as_ptr(), layout) }).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::mpsc;
    use std::vec::Vec;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// A heap of `bytes` that is never given back, with `caches`.
    fn heap(bytes: usize, caches: usize) -> (&'static Shared, Vec<Cache>) {
        let arena = Vec::leak(std::vec![0u64; bytes / 8]).as_mut_ptr() as usize;
        let mut heap = Heap::new();
        // SAFETY: memory of nobody else's.
        unsafe { heap.claim(arena..arena + bytes) };
        let heap = std::boxed::Box::leak(std::boxed::Box::new(Shared::new(heap)));
        heap.set_caches(caches);
        (heap, (0..caches).map(|_| Cache::new()).collect())
    }

    fn used(heap: &Shared, caches: &[Cache]) -> usize {
        heap.with(|heap| heap.used_bytes()) - caches.iter().map(Cache::held_bytes).sum::<usize>()
    }

    #[test]
    fn what_was_freed_last_is_handed_out_first_without_the_heap() {
        let (heap, caches) = heap(64 << 20, 2);
        let cache = &caches[0];
        for (size, align) in [(1, 1), (24, 8), (200, 64), (1024, 8), (4096, 8), (4096, 4096)] {
            let layout = layout(size, align);
            // SAFETY: sizes are not 0; each block is freed once.
            unsafe {
                let a = cache.allocate(layout, heap).unwrap();
                let b = cache.allocate(layout, heap).unwrap();
                assert!(a.addr().get().is_multiple_of(align) && b != a);
                cache.deallocate(a, layout, heap);
                // A lock that is held would hang.
                heap.with(|_| assert_eq!(cache.allocate(layout, heap), Some(a), "{size}"));
                cache.deallocate(b, layout, heap);
                cache.deallocate(a, layout, heap);
            }
        }
        assert_eq!(used(heap, &caches), 0);
    }

    #[test]
    fn what_one_core_allocates_and_another_frees_does_not_pile_up() {
        const BYTES: usize = 8 << 20;
        let (heap, caches) = heap(BYTES, 2);
        for size in [64, 300, 1024] {
            let layout = layout(size, 8);
            // Twice the whole heap of it.
            for nth in 0..2 * BYTES / size {
                // SAFETY: sizes are not 0; each block is freed once.
                unsafe {
                    let block = caches[0].allocate(layout, heap).expect("memory comes back");
                    caches[1].deallocate(block, layout, heap);
                }
                if nth % 100 == 0 {
                    let held: usize = caches.iter().map(Cache::held_bytes).sum();
                    assert!(held > 0 && held <= BYTES / 64, "{held}");
                }
            }
        }
        assert_eq!(used(heap, &caches), 0);
    }

    #[test]
    fn a_cache_gives_all_back_before_an_allocation_fails() {
        let (heap, caches) = heap(8 << 20, 1);
        let (small, all) = (layout(200, 8), layout((8 << 20) - 2048, 8));
        // SAFETY: sizes are not 0; each block is freed once.
        unsafe {
            let mut blocks = Vec::new();
            while let Some(block) = caches[0].allocate(small, heap) {
                blocks.push(block);
            }
            assert!(blocks.len() > (8 << 20) / 256, "{}", blocks.len());
            assert_eq!(caches[0].held_bytes(), 0);
            for block in blocks {
                caches[0].deallocate(block, small, heap);
            }
            assert_ne!(caches[0].held_bytes(), 0);
            let block = caches[0].allocate(all, heap).expect("everything");
            let rounded = crate::memory::rounded(all).unwrap();
            assert_eq!(used(heap, &caches), crate::memory::taken(rounded));
            caches[0].deallocate(block, all, heap);
            assert_eq!(caches[0].flush(heap), 0);
        }
        assert_eq!((used(heap, &caches), heap.with(|heap| heap.used_bytes())), (0, 0));
    }

    #[test]
    fn layouts_that_are_not_kept_go_to_the_heap() {
        let (heap, caches) = heap(32 << 20, 1);
        for layout in [layout(KEPT_BYTES_MAX + 1, 8), layout(64, 8192), layout(8 << 20, 4096)] {
            // SAFETY: sizes are not 0; each block is freed once.
            unsafe {
                let block = caches[0].allocate(layout, heap).unwrap();
                assert!(block.addr().get().is_multiple_of(layout.align()));
                caches[0].deallocate(block, layout, heap);
            }
            assert_eq!((caches[0].held_bytes(), heap.with(|heap| heap.used_bytes())), (0, 0));
        }
        // SAFETY: sizes are not 0.
        unsafe {
            assert_eq!(caches[0].allocate(layout(isize::MAX as usize - 63, 8), heap), None);
        }
        // A heap too small for any page to be kept.
        let (heap, caches) = self::heap(2 << 20, 1);
        // SAFETY: as above.
        unsafe {
            let block = caches[0].allocate(layout(4096, 8), heap).unwrap();
            caches[0].deallocate(block, layout(4096, 8), heap);
        }
        assert_eq!((caches[0].held_bytes(), heap.with(|heap| heap.used_bytes())), (0, 0));
    }

    #[test]
    fn classes_have_layouts_of_their_own() {
        let mut seen = BTreeMap::new();
        for align in (0..=12).map(|bits| 1 << bits) {
            for size in (1..=KEPT_BYTES_MAX).step_by(29) {
                let layout = layout(size, align);
                let class = Class::of(layout).unwrap();
                assert!(class.index() < STACKS);
                let rounded = crate::memory::rounded(layout).unwrap();
                assert_eq!(class.layout(), Some(rounded));
                assert_eq!(class.room(), crate::memory::taken(rounded));
                seen.insert((rounded.size(), rounded.align()), class.0);
            }
        }
        let classes: std::collections::BTreeSet<_> = seen.values().collect();
        assert_eq!(classes.len(), seen.len());
        assert_eq!(Class(0).layout(), None);
    }

    /// Random sizes by three caches in turn, each block freed by whichever comes.
    #[test]
    fn random_blocks_never_overlap_and_are_all_counted() {
        let (heap, caches) = heap(4 << 20, 3);
        let mut live: BTreeMap<usize, Layout> = BTreeMap::new();
        let mut taken = 0;
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) as usize % below
        };
        let room = |layout| crate::memory::taken(crate::memory::rounded(layout).unwrap());
        for step in 0..60_000 {
            let cache = &caches[next(3)];
            // SAFETY: blocks come from `allocate` and go once.
            unsafe {
                if next(100) < 51 {
                    let bits = next(15);
                    let wanted = layout(1 + next(1 << bits), 1 << next(13));
                    let Some(block) = cache.allocate(wanted, heap) else { continue };
                    let at = block.addr().get();
                    assert!(at.is_multiple_of(wanted.align()));
                    let below = live.range(..at + wanted.size()).next_back();
                    assert!(below.is_none_or(|(start, layout)| start + layout.size() <= at));
                    block.as_ptr().write_bytes(0x5a, wanted.size());
                    taken += room(wanted);
                    live.insert(at, wanted);
                } else if next(5000) == 0 {
                    cache.flush(heap);
                    assert_eq!(cache.held_bytes(), 0);
                } else if let Some((at, old)) =
                    live.range(next(usize::MAX)..).next().or(live.iter().next())
                {
                    let (at, old) = (*at, *old);
                    live.remove(&at);
                    taken -= room(old);
                    cache.deallocate(NonNull::new(at as *mut u8).unwrap(), old, heap);
                }
            }
            if step % 64 == 0 {
                assert_eq!(used(heap, &caches), taken);
            }
        }
        assert!(live.len() > 100, "{}", live.len());
    }

    /// Threads as cores, each with its cache, that free what the one before allocated.
    #[test]
    fn cores_share_a_heap() {
        const ROUNDS: usize = 1000;
        let (heap, mut caches) = heap(16 << 20, 3);
        let mut channels: Vec<_> =
            (0..3).map(|_| mpsc::sync_channel::<(usize, usize)>(4)).collect();
        let receivers: Vec<_> = channels
            .iter_mut()
            .map(|channel| std::mem::replace(&mut channel.1, mpsc::channel().1))
            .collect();
        std::thread::scope(|scope| {
            for (nth, (cache, receiver)) in caches.iter_mut().zip(receivers).enumerate() {
                let sender = channels[(nth + 1) % 3].0.clone();
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let size = 1 + (round * 37 + nth * 1001) % 6000;
                        // SAFETY: the cache is this thread's; each block is freed once.
                        unsafe {
                            let block = cache.allocate(layout(size, 8), heap).expect("memory");
                            block.as_ptr().write_bytes(nth as u8, size);
                            sender.send((block.addr().get(), size)).unwrap();
                            let (at, size) = receiver.recv().unwrap();
                            let block = NonNull::new(at as *mut u8).unwrap();
                            let bytes = core::slice::from_raw_parts(block.as_ptr(), size);
                            assert!(bytes.iter().all(|byte| *byte == (nth as u8 + 2) % 3));
                            cache.deallocate(block, layout(size, 8), heap);
                        }
                    }
                });
            }
        });
        assert_eq!(used(heap, &caches), 0);
    }
}
