//! What uhyve tells: boot info and the device tree, checked; and where things lie in memory.
//!
//! Boot info is `hermit-entry`'s structure; the device tree adds the command
//! line, the frequency and whatever else the hypervisor hands over. Both come
//! from outside, so nothing here panics on odd input: what cannot be read is
//! absent, and what contradicts itself is an error with a reason.
//!
//! Nothing here allocates: it runs before there is a heap.

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
    /// The Hermit image, or what a multiboot loader left, whole pages; may be empty.
    pub initrd: Range<u64>,
    /// More memory above that, whole pages; may be empty.
    pub high: Range<u64>,
}

impl Layout {
    /// Checks that the image and the Hermit image lie within memory, apart from
    /// each other, and rounds them to whole pages.
    ///
    /// # Errors
    /// A sentence for the person who started this machine.
    pub fn check(
        memory: Range<u64>,
        image: Range<u64>,
        initrd: Option<Range<u64>>,
    ) -> Result<Self, &'static str> {
        if memory.is_empty() || memory.start == 0 || memory.end > ADDRESS_LIMIT {
            return Err("the loader tells a range of memory that cannot be");
        }
        // A last page that memory ends within is no use to anyone.
        let memory = up(memory.start)..down(memory.end);
        let image = down(image.start)..up(image.end.min(ADDRESS_LIMIT));
        if image.is_empty() || image.start < memory.start || image.end > memory.end {
            return Err("the loader tells that the image lies outside of memory");
        }
        let initrd = initrd
            .map(|range| down(range.start)..up(range.end.min(ADDRESS_LIMIT)))
            .unwrap_or(image.end..image.end);
        if initrd.start < image.end || initrd.end > memory.end || initrd.start > initrd.end {
            return Err("the loader tells of files outside of memory");
        }
        Ok(Self { memory, image, initrd, high: 0..0 })
    }

    /// The same with more memory above, unless that cannot be.
    #[must_use]
    pub fn with_high(self, high: Range<u64>) -> Self {
        let high = up(high.start)..down(high.end.min(ADDRESS_LIMIT));
        if high.is_empty() || high.start < self.memory.end { self } else { Self { high, ..self } }
    }

    /// Where free memory starts after the image. A Hermit image that follows it
    /// directly is passed over; one further up is [`Layout::heap`]'s business.
    pub fn free_start(&self) -> u64 {
        if self.initrd.start == self.image.end { self.initrd.end } else { self.image.end }
    }

    /// The free ranges from `start` on, which is not below
    /// [`Layout::free_start`]; the second may be empty.
    pub fn heap(&self, start: u64) -> [Range<u64>; 2] {
        if start >= self.initrd.end {
            [start..self.memory.end, 0..0]
        } else {
            [start..self.initrd.start.max(start), self.initrd.end..self.memory.end]
        }
    }
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

    #[test]
    fn the_layout_is_rounded_to_pages() {
        let base = 0x1_0000_0000;
        let got = Layout::check(base..base + 0x100_0800, base + 0x40000..base + 0x80001, None);
        let got = got.unwrap();
        assert_eq!(got.memory, base..base + 0x100_0000);
        assert_eq!(got.image, base + 0x40000..base + 0x81000);
        assert_eq!(got.free_start(), base + 0x81000);
        assert_eq!(got.heap(base + 0x90000), [base + 0x90000..base + 0x100_0000, 0..0]);
    }

    #[test]
    fn a_hermit_image_stays_out_of_the_heap() {
        let base = 0x1_0000_0000;
        let check =
            |initrd| Layout::check(base..base + 0x100_0000, base..base + 0x1000, Some(initrd));
        let after = check(base + 0x1000..base + 0x2345).unwrap();
        assert_eq!(after.free_start(), base + 0x3000);
        assert_eq!(after.heap(base + 0x4000), [base + 0x4000..base + 0x100_0000, 0..0]);
        let apart = check(base + 0x8000..base + 0x9000).unwrap();
        assert_eq!(apart.free_start(), base + 0x1000);
        assert_eq!(
            apart.heap(base + 0x2000),
            [base + 0x2000..base + 0x8000, base + 0x9000..base + 0x100_0000]
        );
        assert!(check(base..base + 0x1000).is_err());
        assert!(check(base + 0x2000..base + 0x200_0000).is_err());
    }

    #[test]
    fn a_layout_that_cannot_be_is_an_error() {
        assert!(Layout::check(0..0x1000, 0..0x1000, None).is_err());
        assert!(Layout::check(0x5000..0x5000, 0x5000..0x6000, None).is_err());
        assert!(Layout::check(0x5000..0x9000, 0x4000..0x6000, None).is_err());
        assert!(Layout::check(0x5000..0x9000, 0x8000..u64::MAX, None).is_err());
        assert!(Layout::check(0x5000..u64::MAX, 0x6000..0x7000, None).is_err());
    }
}
