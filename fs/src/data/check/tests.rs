//! Each problem inside a file, made on purpose.

use super::*;
use crate::InodeRef;
use crate::check::tests::Sample;
use crate::data::{LENT_WHOLE, Node, free_node, new_node, slot_of};
use crate::inode::Body;

fn change<T>(inode: &InodeRef, change: impl FnOnce(&mut FileData) -> T) -> T {
    match &mut inode.state.write().body {
        Body::File(data) => change(data),
        _ => panic!("no regular file"),
    }
}

#[test]
fn sizes_are_such_as_a_file_can_have() {
    let sample = Sample::new();
    let ino = sample.small.number();
    let set = |size| move |sample: &Sample| change(&sample.small, |data| data.size = size);
    for size in [MAX_FILE_BYTES + 1, u64::MAX] {
        sample.demand(set(size), &[Problem::Size { ino, size }], set(5));
    }
}

#[test]
fn counts_of_pages_are_right() {
    let sample = Sample::new();
    for (inode, pages) in [(&sample.small, 1), (&sample.large, 70)] {
        let ino = inode.number();
        for counted in [0, pages + 1] {
            sample.demand(
                |_| change(inode, |data| data.pages = counted),
                &[Problem::PageCount { ino, counted: counted.into(), pages: pages.into() }],
                |_| change(inode, |data| data.pages = pages),
            );
        }
    }
}

#[test]
fn heights_and_buffers_are_such_as_a_file_needs() {
    let sample = Sample::new();
    let uncounted = |found| Problem::Pages { charged: 72, found };
    let ino = sample.large.number();
    let set = |height| move |sample: &Sample| change(&sample.large, |data| data.height = height);
    for height in [HIGHEST + 1, LENT_WHOLE - 1] {
        sample.demand(set(height), &[Problem::Height { ino, height }, uncounted(2)], set(2));
    }
    let ino = sample.small.number();
    let set = |log2| move |sample: &Sample| change(&sample.small, |data| data.reach_log2 = log2);
    for capacity_log2 in [0, 5, 13, 255] {
        let problem = Problem::Buffer { ino, capacity_log2 };
        sample.demand(set(capacity_log2), &[problem, uncounted(71)], set(6));
    }
    let ino = sample.large.number();
    let set = |log2| move |sample: &Sample| change(&sample.large, |data| data.reach_log2 = log2);
    for reach_log2 in [0, 3, 6, 8, 10, 11, 13, 255] {
        let problem = Problem::Reach { ino, reach_log2 };
        sample.demand(set(reach_log2), &[problem, uncounted(2)], set(9));
    }
    let ino = sample.small.number();
    // A height of nothing.
    let root = core::cell::Cell::new(core::ptr::null_mut());
    sample.demand(
        |sample| {
            root.set(change(&sample.small, |data| {
                data.height = 1;
                core::mem::replace(&mut data.root, core::ptr::null_mut())
            }));
        },
        &[Problem::Height { ino, height: 1 }, uncounted(71)],
        |sample| {
            change(&sample.small, |data| (data.height, data.root) = (0, root.get()));
        },
    );
}

#[test]
fn nodes_lead_to_pages() {
    let sample = Sample::new();
    let ino = sample.large.number();
    let set = |node: *mut u8| {
        change(&sample.large, |data| {
            let root: Node = data.root.cast();
            // SAFETY: the sample is a tree of two levels, whose root has few slots.
            unsafe { core::mem::replace(&mut *slot_of(root, 5 << SLOT_BITS, 1), node) }
        })
    };
    sample.demand(
        |_| assert!(set(new_node(SLOT_BITS).unwrap().cast()).is_null()),
        &[Problem::EmptyNodes { ino, nodes: 1 }],
        |_| {
            let node = set(core::ptr::null_mut());
            // SAFETY: made by `new_node` above.
            unsafe { free_node(node.cast(), SLOT_BITS) };
        },
    );
}

#[test]
fn pages_behind_the_end_are_zeros() {
    let sample = Sample::new();
    let ino = sample.large.number();
    for (page, at) in [(68, 0), (68, PAGE_BYTES - 1), (69, 5)] {
        let set = |byte: u8| {
            change(&sample.large, |data| {
                let (page, held) = data.page(page, &mut crate::data::Lowest::none());
                assert_eq!(held, PAGE_BYTES);
                // SAFETY: the page holds that many bytes.
                unsafe { page.add(at).write(byte) };
            })
        };
        sample.demand(|_| set(1), &[Problem::NotZero { ino, page }], |_| set(0));
    }
    // A file that ends where its buffer begins has nothing in it.
    let (ino, size) = (sample.small.number(), |size| {
        move |sample: &Sample| change(&sample.small, |data| data.size = size)
    });
    change(&sample.small, |data| {
        // SAFETY: the smallest buffer, whose bytes behind the first five were not written.
        unsafe { data.root.add(5).write_bytes(0, SMALLEST_BUFFER - 5) };
    });
    sample.demand(size(0), &[Problem::NotZero { ino, page: 0 }], size(5));
}
