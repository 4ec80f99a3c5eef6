//! The tree of pages: its nodes, and walks over them.
//!
//! A node has 64 slots; the root has eight as long as they are enough, in 64 bytes instead of
//! 512.

use alloc::alloc::{Layout, dealloc};
use core::ops::Range;
use core::ptr;

use super::lent::{bytes_of, is_lent};
use super::{allocate, page_layout};
use crate::Result;
use crate::ramdisk::Superblock;

/// Base-2 logarithm of a node's slots …
pub(super) const SLOT_BITS: u32 = 6;
/// … and of those of a root that leads to little.
pub(super) const FEW_SLOT_BITS: u32 = 3;

const SLOTS: u64 = 1 << SLOT_BITS;

/// A node: the first of its slots, each a page's in the lowest level, a node's above.
pub(super) type Node = *mut *mut u8;

/// A node of a tree, with what of the tree is below it.
#[derive(Clone, Copy)]
pub(super) struct Branch {
    node: Node,
    slot_bits: u32,
    /// Levels of nodes below it.
    level: u8,
    /// The number of its first page.
    base: u64,
}

impl Branch {
    /// The whole tree.
    ///
    /// # Safety
    /// `root` is the root of a tree of this height, which is above 0, with as many slots.
    pub(super) unsafe fn whole(root: *mut u8, slot_bits: u32, height: u8) -> Branch {
        Branch { node: root.cast(), slot_bits, level: height - 1, base: 0 }
    }

    /// Whether its slots are pages'.
    pub(super) fn is_lowest(self) -> bool {
        self.level == 0
    }

    /// How many slots it has.
    pub(super) fn slots(self) -> u64 {
        1 << self.slot_bits
    }

    /// One of its slots.
    pub(super) fn slot(self, number: u64) -> *mut *mut u8 {
        debug_assert!(number < self.slots());
        self.node.wrapping_add(number as usize)
    }

    /// The numbers of the pages that one of its slots leads to.
    pub(super) fn pages(self, number: u64) -> Range<u64> {
        let start = self.base + (number << self.shift());
        start..start + (1 << self.shift())
    }

    /// The first slot that leads to the page `first`, or to one after it.
    pub(super) fn first_slot(self, first: u64) -> u64 {
        first.saturating_sub(self.base) >> self.shift()
    }

    /// What is below one of its slots, which has `node`. It is not the lowest.
    pub(super) fn below(self, number: u64, node: *mut u8) -> Branch {
        Branch {
            node: node.cast(),
            slot_bits: SLOT_BITS,
            level: self.level - 1,
            base: self.pages(number).start,
        }
    }

    fn shift(self) -> u32 {
        u32::from(self.level) * SLOT_BITS
    }

    /// Frees the pages of the range, unless they are kept, and the nodes left empty; true if this
    /// one is now empty itself. Recursion is as deep as the tree: nine levels.
    ///
    /// # Safety
    /// The branch is a tree's, and nobody else uses that.
    pub(super) unsafe fn prune(
        self,
        range: &Range<u64>,
        pages: Pages<'_>,
        freed: &mut u32,
    ) -> bool {
        let mut empty = true;
        for number in 0..self.slots() {
            // SAFETY: a node's slot, by the caller's promise.
            let child = unsafe { &mut *self.slot(number) };
            if child.is_null() {
                continue;
            }
            let held = self.pages(number);
            if held.start >= range.end || held.end <= range.start {
                empty = false;
            } else if self.is_lowest() {
                let Pages::Free(superblock) = pages else {
                    empty = false;
                    continue;
                };
                if is_lent(*child) {
                    superblock.loans.give(bytes_of(*child).addr());
                } else {
                    // SAFETY: in the lowest level, what is not null and not lent is a page.
                    unsafe { dealloc(*child, page_layout()) };
                }
                *child = ptr::null_mut();
                *freed += 1;
            } else {
                // SAFETY: above the lowest level, what is not null is a node.
                if unsafe { self.below(number, *child).prune(range, pages, freed) } {
                    // SAFETY: it is empty, and nothing else names it.
                    unsafe { free_node(child.cast(), SLOT_BITS) };
                    *child = ptr::null_mut();
                } else {
                    empty = false;
                }
            }
        }
        empty
    }
}

/// What becomes of the pages in a range that is pruned.
#[derive(Clone, Copy)]
pub(super) enum Pages<'a> {
    /// They are freed, or given back to whom this superblock has them from.
    Free(&'a Superblock),
    /// Only nodes without pages are freed.
    Keep,
}

/// The node of the lowest level that was used last, so that a transfer walks the tree once
/// for all of its pages.
pub(super) struct Lowest {
    /// Null where there is none for those pages.
    node: Node,
    /// The pages that it leads to.
    first: u64,
    count: u64,
}

impl Lowest {
    pub(super) fn none() -> Lowest {
        Lowest { node: ptr::null_mut(), first: 0, count: 0 }
    }

    /// The node that leads to the page `index`, if it was used last; otherwise null.
    #[inline]
    pub(super) fn get(&self, index: u64) -> Node {
        if self.has(index) { self.node } else { ptr::null_mut() }
    }

    /// Notes the node that leads to the page `index`, and how many slots it has; null if there is
    /// none for that page and those after it that a node would lead to.
    #[inline]
    pub(super) fn set(&mut self, index: u64, node: Node, slot_bits: u32) {
        *self = if node.is_null() {
            Lowest { node, first: index, count: SLOTS - index % SLOTS }
        } else {
            Lowest { node, first: index & !(SLOTS - 1), count: 1 << slot_bits }
        };
    }

    #[inline]
    pub(super) fn find(&mut self, index: u64, walk: impl FnOnce() -> (Node, u32)) -> Node {
        if !self.has(index) {
            let (node, slot_bits) = walk();
            self.set(index, node, slot_bits);
        }
        self.node
    }

    fn has(&self, index: u64) -> bool {
        index.wrapping_sub(self.first) < self.count
    }
}

/// The slot of a node at `level` that leads to the page with number `index`.
#[inline]
pub(super) fn slot_of(node: Node, index: u64, level: u8) -> *mut *mut u8 {
    node.wrapping_add((index >> (u32::from(level) * SLOT_BITS)) as usize % SLOTS as usize)
}

/// Levels of nodes that lead to the page with number `index`, at least one, and what slots the
/// root must have for it.
pub(super) fn tree_for(index: u64) -> (u8, u32) {
    let bits = u64::BITS - index.leading_zeros();
    let height = bits.div_ceil(SLOT_BITS).max(1);
    let of_root = bits.saturating_sub((height - 1) * SLOT_BITS);
    (height as u8, if of_root <= FEW_SLOT_BITS { FEW_SLOT_BITS } else { SLOT_BITS })
}

/// A node without anything.
///
/// # Errors
/// ENOMEM.
pub(super) fn new_node(slot_bits: u32) -> Result<Node> {
    let node: Node = allocate(node_layout(slot_bits))?.cast();
    // SAFETY: just allocated with this layout.
    unsafe { node.write_bytes(0, 1 << slot_bits) };
    Ok(node)
}

/// # Safety
/// The node has as many slots, and nothing names it any more.
pub(super) unsafe fn free_node(node: Node, slot_bits: u32) {
    // SAFETY: `new_node` made it with this layout.
    unsafe { dealloc(node.cast(), node_layout(slot_bits)) };
}

fn node_layout(slot_bits: u32) -> Layout {
    let slot = Layout::new::<*mut u8>();
    // SAFETY: a power of two, and few of them.
    unsafe { Layout::from_size_align_unchecked(slot.size() << slot_bits, slot.align()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_as_high_and_as_wide_as_its_last_page_asks() {
        let few = [(0, 1), (7, 1), (64, 2), (511, 2), (4096, 3), (32767, 3)];
        let all = [(8, 1), (63, 1), (512, 2), (4095, 2), (32768, 3)];
        for (index, height) in few {
            assert_eq!(tree_for(index), (height, FEW_SLOT_BITS), "{index}");
        }
        for (index, height) in all {
            assert_eq!(tree_for(index), (height, SLOT_BITS), "{index}");
        }
    }

    #[test]
    fn the_lowest_node_is_kept_for_its_pages_alone() {
        let mut slots = [ptr::null_mut(); 64];
        let node: Node = slots.as_mut_ptr();
        let mut lowest = Lowest::none();
        assert!(lowest.get(0).is_null());
        lowest.set(3, node, FEW_SLOT_BITS);
        assert_eq!((lowest.get(0), lowest.get(7)), (node, node));
        assert!(lowest.get(8).is_null());
        lowest.set(70, node, SLOT_BITS);
        assert_eq!((lowest.get(64), lowest.get(127)), (node, node));
        assert!(lowest.get(63).is_null() && lowest.get(128).is_null());
        lowest.set(9, ptr::null_mut(), FEW_SLOT_BITS);
        let walked = |lowest: &mut Lowest, index| {
            let mut walked = false;
            lowest.find(index, || {
                walked = true;
                (node, FEW_SLOT_BITS)
            });
            walked
        };
        assert!(!walked(&mut lowest, 63) && walked(&mut lowest, 8));
    }
}
