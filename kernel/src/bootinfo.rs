//! What uhyve tells: boot info and the device tree, checked; and where things lie in memory.
//!
//! Boot info is `hermit-entry`'s structure; the device tree adds the command
//! line, the frequency and whatever else the hypervisor hands over. Both come
//! from outside, so nothing here panics on odd input: what cannot be read is
//! absent, and what contradicts itself is an error with a reason.
//!
//! Nothing here allocates: it runs before there is a heap.

use core::iter;
use core::ops::Range;

use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};

/// Bytes of a page.
pub const PAGE_BYTES: u64 = 4096;
/// Memory cannot reach up to here: four-level page tables end, and the host
/// would have to have more than any of today.
const ADDRESS_LIMIT: u64 = 1 << 47;
/// Bytes of a device tree's header that tell its size.
const HEADER_BYTES: usize = 8;

/// What the device tree tells; see the module's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTree<'a> {
    /// `/chosen/bootargs`, for [`crate::cmdline::parse`].
    pub bootargs: &'a [u8],
    /// A Hermit image in memory: `/chosen/linux,initrd-start` and `-end`. It
    /// must stay out of the heap: the host lets it be read only.
    pub initrd: Option<Range<u64>>,
    /// `/hermit,tsc/khz`: the time-stamp counter's frequency.
    pub tsc_khz: Option<u32>,
    /// `/uhyve,mounts/mounts`: guest directories that the host's are mapped to,
    /// each ended by a NUL.
    pub mounts: &'a [u8],
}

impl<'a> DeviceTree<'a> {
    /// Reads the device tree at the start of `bytes`; an empty one if there is
    /// none that can be read.
    pub fn parse(bytes: &'a [u8]) -> Self {
        let Some(Ok(tree)) = size_bytes(bytes).and_then(|size| bytes.get(..size)).map(Fdt::new)
        else {
            return Self::default();
        };
        let value = |node: &str, property: &str| -> Option<&'a [u8]> {
            let node = tree.find_node(node)?;
            let found = node.properties().find(|found| found.name() == property)?;
            // The crate lends a value as long as its property only; the bytes
            // are ours.
            let value = found.value();
            let at = (value.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
            bytes.get(at..at + value.len())
        };
        let number = |node, property| match *value(node, property)? {
            [a, b, c, d] => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
            [a, b, c, d, e, f, g, h] => Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            _ => None,
        };
        let initrd = number("/chosen", "linux,initrd-start")
            .zip(number("/chosen", "linux,initrd-end"))
            .map(|(start, end)| start..end)
            .filter(|range| !range.is_empty());
        let bootargs = value("/chosen", "bootargs").unwrap_or_default();
        Self {
            bootargs: bootargs.strip_suffix(b"\0").unwrap_or(bootargs),
            initrd,
            tsc_khz: number("/hermit,tsc", "khz")
                .and_then(|khz| u32::try_from(khz).ok())
                .filter(|khz| *khz != 0),
            mounts: value("/uhyve,mounts", "mounts").unwrap_or_default(),
        }
    }
}

/// The size that the device tree at the start of `bytes` says it has.
fn size_bytes(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, _, a, b, c, d] = *bytes.first_chunk::<HEADER_BYTES>()?;
    Some(u32::from_be_bytes([a, b, c, d]) as usize)
}

/// Where things lie in memory. Addresses are physical, and mapped to themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// All memory.
    pub memory: Range<u64>,
    /// The loaded image, whole pages.
    pub image: Range<u64>,
    /// What is to stay as it is: the Hermit image, or what a multiboot loader left.
    pub kept: Kept,
    /// More memory above that, whole pages; may be empty.
    pub high: Range<u64>,
}

impl Layout {
    /// Checks that the image lies within memory and that what is kept lies apart from it, and
    /// rounds them to whole pages.
    ///
    /// # Errors
    /// A sentence for the person who started this machine.
    pub fn check(memory: Range<u64>, image: Range<u64>, kept: Kept) -> Result<Self, &'static str> {
        if memory.is_empty() || memory.start == 0 || memory.end > ADDRESS_LIMIT {
            return Err("the loader tells a range of memory that cannot be");
        }
        // A last page that memory ends within is no use to anyone.
        let memory = up(memory.start)..down(memory.end);
        let image = down(image.start)..up(image.end.min(ADDRESS_LIMIT));
        if image.is_empty() || image.start < memory.start || image.end > memory.end {
            return Err("the loader tells that the image lies outside of memory");
        }
        if kept.ranges().iter().any(|range| range.start < image.end && image.start < range.end) {
            return Err("the loader tells of files where this image is");
        }
        Ok(Self { memory, image, kept, high: 0..0 })
    }

    /// The same with more memory above, unless that cannot be.
    #[must_use]
    pub fn with_high(self, high: Range<u64>) -> Self {
        let high = up(high.start)..down(high.end.min(ADDRESS_LIMIT));
        if high.is_empty() || high.start < self.memory.end { self } else { Self { high, ..self } }
    }

    /// What is free of the memory below the image, once what was told is no longer needed.
    pub fn free_below(&self) -> impl Iterator<Item = Range<u64>> {
        self.kept.free(self.memory.start..self.image.start)
    }

    /// What is free of the memory above the image.
    pub fn free_above(&self) -> impl Iterator<Item = Range<u64>> {
        self.kept.free(self.image.end..self.memory.end).chain(self.kept.free(self.high.clone()))
    }

    /// The largest free range between the image and the end of `memory`; may be empty.
    pub fn room(&self) -> Range<u64> {
        let free = self.kept.free(self.image.end..self.memory.end);
        free.max_by_key(|range| range.end - range.start).unwrap_or(0..0)
    }

    /// Whether all of `range` is memory that is mapped as such.
    pub fn has(&self, range: &Range<u64>) -> bool {
        [&self.memory, &self.high]
            .iter()
            .any(|all| all.start <= range.start && range.end <= all.end)
    }
}

/// How many ranges [`Kept`] tells apart.
const KEPT_RANGES: usize = 8;

/// Ranges of memory that hold something: whole pages, in order, none touching another. If there
/// are too many, the ones nearest to each other become one with what lies between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    ranges: [Range<u64>; KEPT_RANGES],
    len: usize,
}

impl Kept {
    /// The ranges.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges[..self.len]
    }

    /// Adds the pages of a range, which may overlap others.
    #[inline(never)]
    pub fn add(&mut self, range: Range<u64>) {
        let mut new = down(range.start)..up(range.end.min(ADDRESS_LIMIT));
        if range.is_empty() || new.is_empty() {
            return;
        }
        while let Some(at) = self.touched(&new) {
            new = union(&new, &self.remove(at));
        }
        if self.len == KEPT_RANGES
            && let Some(at) = self.nearest(&new)
        {
            new = union(&new, &self.remove(at));
        }
        let mut at = self.len;
        self.ranges[at] = new;
        self.len += 1;
        while at > 0 && self.ranges[at].start < self.ranges[at - 1].start {
            self.ranges.swap(at, at - 1);
            at -= 1;
        }
    }

    /// What of `within` holds nothing.
    pub fn free(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut rest = within;
        iter::from_fn(move || {
            let free = self.first_free(&rest)?;
            rest.start = free.end;
            Some(free)
        })
    }

    #[inline(never)]
    fn first_free(&self, within: &Range<u64>) -> Option<Range<u64>> {
        let (mut start, mut end) = (within.start, within.end);
        for range in self.ranges() {
            if start < range.start {
                end = end.min(range.start);
                break;
            }
            start = start.max(range.end);
        }
        (start < end).then_some(start..end)
    }

    fn touched(&self, new: &Range<u64>) -> Option<usize> {
        self.ranges().iter().position(|range| range.start <= new.end && new.start <= range.end)
    }

    fn nearest(&self, new: &Range<u64>) -> Option<usize> {
        let gap = |range: &Range<u64>| {
            new.start.saturating_sub(range.end).max(range.start.saturating_sub(new.end))
        };
        (0..self.len).min_by_key(|at| gap(&self.ranges[*at]))
    }

    fn remove(&mut self, at: usize) -> Range<u64> {
        self.len -= 1;
        for at in at..self.len {
            self.ranges.swap(at, at + 1);
        }
        self.ranges[self.len].clone()
    }
}

fn union(one: &Range<u64>, other: &Range<u64>) -> Range<u64> {
    one.start.min(other.start)..one.end.max(other.end)
}

fn down(address: u64) -> u64 {
    address & !(PAGE_BYTES - 1)
}

fn up(address: u64) -> u64 {
    down(address + (PAGE_BYTES - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::slice;
    use std::vec::Vec;

    const BEGIN: u32 = 1;
    const END: u32 = 2;
    const PROPERTY: u32 = 3;
    const FINISH: u32 = 9;

    /// A device tree, as far as these tests need one.
    #[derive(Default)]
    struct Builder {
        structure: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Builder {
        fn word(mut self, word: u32) -> Self {
            self.structure.extend(word.to_be_bytes());
            self
        }

        fn padded(mut self, bytes: &[u8]) -> Self {
            self.structure.extend_from_slice(bytes);
            while !self.structure.len().is_multiple_of(4) {
                self.structure.push(0);
            }
            self
        }

        fn node(self, name: &str) -> Self {
            self.word(BEGIN).padded(&[name.as_bytes(), b"\0"].concat())
        }

        fn property(mut self, name: &str, value: &[u8]) -> Self {
            let at = self.strings.len() as u32;
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            self.word(PROPERTY).word(value.len() as u32).word(at).padded(value)
        }

        fn build(self) -> Vec<u8> {
            let this = self.word(FINISH);
            let (structure, strings) = (this.structure.len() as u32, this.strings.len() as u32);
            let total = 40 + 16 + structure + strings;
            let header = [0xd00dfeed, total, 56, 56 + structure, 40, 17, 16, 0, strings, structure];
            let mut tree: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
            tree.extend([0; 16]);
            tree.extend(this.structure);
            tree.extend(this.strings);
            tree
        }
    }

    fn tree() -> Vec<u8> {
        Builder::default()
            .node("")
            .node("hermit,tsc")
            .property("khz", &2_500_000u32.to_be_bytes())
            .word(END)
            .node("uhyve,mounts")
            .property("mounts", b"/host\0/b\0")
            .word(END)
            .node("chosen")
            .property("bootargs", b"a -- b\0")
            .property("linux,initrd-start", &0x1_0000_0000u64.to_be_bytes())
            .property("linux,initrd-end", &0x1_0000_1234u64.to_be_bytes())
            .word(END)
            .word(END)
            .build()
    }

    #[test]
    fn a_device_tree_tells_what_is_asked() {
        let mut bytes = tree();
        bytes.extend([0xaa; 100]);
        let want = DeviceTree {
            bootargs: b"a -- b",
            initrd: Some(0x1_0000_0000..0x1_0000_1234),
            tsc_khz: Some(2_500_000),
            mounts: b"/host\0/b\0",
        };
        assert_eq!(DeviceTree::parse(&bytes), want);
    }

    #[test]
    fn no_device_tree_panics() {
        assert_eq!(DeviceTree::parse(b""), DeviceTree::default());
        let whole = tree();
        for len in 0..whole.len() {
            DeviceTree::parse(&whole[..len]);
            for byte in [0, 1, 0x7f, 0xff] {
                let mut odd = whole.clone();
                odd[len] = byte;
                DeviceTree::parse(&odd);
            }
        }
    }

    fn kept(ranges: &[Range<u64>]) -> Kept {
        let mut kept = Kept::default();
        ranges.iter().for_each(|range| kept.add(range.clone()));
        kept
    }

    fn free(layout: &Layout) -> Vec<Range<u64>> {
        layout.free_below().chain(layout.free_above()).collect()
    }

    #[test]
    fn the_layout_is_rounded_to_pages() {
        let base = 0x1_0000_0000;
        let got =
            Layout::check(base..base + 0x100_0800, base + 0x40000..base + 0x80001, Kept::default());
        let got = got.unwrap();
        assert_eq!(got.memory, base..base + 0x100_0000);
        assert_eq!(got.image, base + 0x40000..base + 0x81000);
        assert_eq!(free(&got), [base..base + 0x40000, base + 0x81000..base + 0x100_0000]);
        assert_eq!(got.room(), base + 0x81000..base + 0x100_0000);
    }

    #[test]
    fn what_is_kept_stays_out_of_the_heap() {
        let base = 0x1_0000_0000;
        let check_all = |ranges: &[Range<u64>]| {
            let (memory, image) = (base..base + 0x100_0000, base + 0x4000..base + 0x5000);
            Layout::check(memory, image, kept(ranges))
        };
        let check = |range: Range<u64>| check_all(slice::from_ref(&range));
        let after = check(base + 0x5000..base + 0x6345).unwrap();
        assert_eq!(free(&after), [base..base + 0x4000, base + 0x7000..base + 0x100_0000]);
        let apart = check(base + 0x8000..base + 0x9000).unwrap();
        assert_eq!(
            free(&apart),
            [base..base + 0x4000, base + 0x5000..base + 0x8000, base + 0x9000..base + 0x100_0000,]
        );
        assert_eq!(apart.room(), base + 0x9000..base + 0x100_0000);
        // Where GRUB puts what is small, and what has no room there.
        let below = check_all(&[base + 0x1000..base + 0x1001, base + 0xff_f000..base + 0x200_0000]);
        let below = below.unwrap().with_high(base + 0x180_0000..base + 0x300_0000);
        assert_eq!(
            free(&below),
            [
                base..base + 0x1000,
                base + 0x2000..base + 0x4000,
                base + 0x5000..base + 0xff_f000,
                base + 0x200_0000..base + 0x300_0000,
            ]
        );
        assert!(below.has(&(base + 0x1000..base + 0x2000)));
        assert!(!below.has(&(base + 0xff_f000..base + 0x200_0000)));
        for range in [0..0x5000, 0x3000..0x4001, 0x4fff..0x5000, 0..u64::MAX - base] {
            let range = base + range.start..base + range.end;
            assert!(check(range.clone()).is_err(), "{range:x?}");
        }
        assert_eq!(check(base + 0x5000..base + 0x100_0000).unwrap().room(), 0..0);
    }

    /// Beside a set of pages.
    #[test]
    fn whatever_is_kept_is_whole_and_in_order() {
        let mut seed = 1u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for round in 0..200 {
            let mut pages = [false; 256];
            let (mut kept, mut was_full) = (Kept::default(), false);
            for _ in 0..=next(40) {
                let start = next(250) * PAGE_BYTES + next(3);
                let end = start + next(if round % 2 == 0 { 2 } else { 5 }) * PAGE_BYTES;
                kept.add(start..end);
                was_full |= kept.ranges().len() == KEPT_RANGES;
                if start < end {
                    let whole = start / PAGE_BYTES..end.div_ceil(PAGE_BYTES);
                    whole.for_each(|page| pages[page as usize] = true);
                }
            }
            let ranges = kept.ranges();
            assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
            let holds = |page: u64| ranges.iter().any(|range| range.contains(&(page * PAGE_BYTES)));
            for (page, is_kept) in (0..).zip(pages) {
                assert!(holds(page) == is_kept || was_full && holds(page), "{page} {ranges:?}");
            }
            let within = 8 * PAGE_BYTES..240 * PAGE_BYTES;
            let free: Vec<_> = kept.free(within.clone()).collect();
            for page in 0..256 {
                let is_free = free.iter().any(|range| range.contains(&(page * PAGE_BYTES)));
                let want = within.contains(&(page * PAGE_BYTES)) && !holds(page);
                assert_eq!(is_free, want, "{page} {ranges:?}");
            }
        }
    }

    #[test]
    fn a_layout_that_cannot_be_is_an_error() {
        let check = |memory, image| Layout::check(memory, image, Kept::default());
        assert!(check(0..0x1000, 0..0x1000).is_err());
        assert!(check(0x5000..0x5000, 0x5000..0x6000).is_err());
        assert!(check(0x5000..0x9000, 0x4000..0x6000).is_err());
        assert!(check(0x5000..0x9000, 0x8000..u64::MAX).is_err());
        assert!(check(0x5000..u64::MAX, 0x6000..0x7000).is_err());
    }
}
