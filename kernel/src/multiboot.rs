//! What a multiboot loader tells (Multiboot Specification 0.6.96, 3.3), checked.
//!
//! It comes from outside, so nothing here panics on odd input: what cannot be read is
//! absent. Nothing here allocates: it runs before there is a heap.

use core::ops::Range;

use crate::bootinfo::PAGE_BYTES;

/// Bytes of the information that are read.
pub const INFO_BYTES: usize = 52;
/// Bytes of a module's entry.
const MODULE_BYTES: usize = 16;
/// Bytes of a command line that are read.
const LINE_BYTES: u64 = 1 << 20;
/// Below this lie the firmware's tables and the hole for devices.
pub const LOW_BYTES: u64 = 1 << 20;

const HAS_COMMAND_LINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
const HAS_MEMORY_MAP: u32 = 1 << 6;

/// What the loader tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multiboot<'a> {
    /// The command line. QEMU has the image's name at its start, GRUB what it was told.
    pub command_line: &'a [u8],
    /// The modules' entries.
    pub modules: &'a [u8],
    map: &'a [u8],
}

/// A file that the loader put into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// Where it starts.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The last word of what was said of it.
    pub name: &'a [u8],
}

/// The memory that is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The range that holds the image.
    pub low: Range<u64>,
    /// The largest range above it; may be empty. A PC has one above 4 GiB if it has more
    /// than about 3 GiB in all.
    pub high: Range<u64>,
}

impl<'a> Multiboot<'a> {
    /// Reads the information at `address`. `memory` gives the bytes at an address: so
    /// many, or as many as can be read.
    pub fn read(address: u64, memory: impl Fn(u64, u64) -> &'a [u8]) -> Self {
        let info = memory(address, INFO_BYTES as u64);
        let flags = word(info, 0).unwrap_or(0);
        let said = |flag: u32, at: usize| (flags & flag != 0).then(|| word(info, at)).flatten();
        let line = said(HAS_COMMAND_LINE, 16).map_or(&[][..], |at| memory(at.into(), LINE_BYTES));
        let modules = said(HAS_MODULES, 20).zip(word(info, 24)).map_or(&[][..], |(count, at)| {
            memory(at.into(), u64::from(count) * MODULE_BYTES as u64)
        });
        let map = said(HAS_MEMORY_MAP, 44)
            .zip(word(info, 48))
            .map_or(&[][..], |(bytes, at)| memory(at.into(), bytes.into()));
        Self { command_line: text(line), modules, map }
    }

    /// The command line without the image's name, which is the first word unless that can only be
    /// an argument.
    pub fn arguments(&self) -> &'a [u8] {
        let line = self.command_line;
        let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (first, rest) = line.split_at(end);
        let is_argument =
            first == b"--" || first.starts_with(b"anchorite.") || first.starts_with(b"env=");
        if is_argument { line } else { rest.strip_prefix(b" ").unwrap_or(rest) }
    }

    /// The modules; `memory` as for [`Multiboot::read`].
    pub fn modules(
        &self,
        memory: impl Fn(u64, u64) -> &'a [u8],
    ) -> impl Iterator<Item = Module<'a>> {
        self.modules.as_chunks::<MODULE_BYTES>().0.iter().filter_map(move |entry| {
            let (start, end) = (word(entry, 0)?.into(), word(entry, 4)?.into());
            let said = text(memory(word(entry, 8)?.into(), LINE_BYTES));
            let name = said.rsplit(|byte| *byte == b' ').next().unwrap_or(said);
            (start <= end).then_some(Module { start, end, name })
        })
    }

    /// The memory to use, for an image that begins at `image`.
    pub fn memory(&self, image: u64) -> Memory {
        let above = || self.usable().map(|range| range.start.max(LOW_BYTES)..range.end);
        let low = above().find(|range| range.contains(&image));
        let low = low.map_or(0..0, |range| self.grown(range));
        let mut found = Memory { low, high: 0..0 };
        for range in above().filter(|range| range.start > image && range.start >= found.low.end) {
            let range = self.grown(range);
            if length(&range) > length(&found.high) {
                found.high = range;
            }
        }
        found
    }

    /// The range with what follows it directly: a firmware may tell one range in pieces.
    fn grown(&self, range: Range<u64>) -> Range<u64> {
        let mut end = range.end;
        while let Some(next) = self.usable().find(|next| next.start == end && next.end > end) {
            end = next.end;
        }
        range.start..end
    }

    /// The memory that there is, by whole pages.
    fn usable(&self) -> impl Iterator<Item = Range<u64>> {
        const USABLE: u32 = 1;
        let mut rest = self.map;
        core::iter::from_fn(move || {
            // An entry's size does not count itself.
            let bytes = word(rest, 0)? as usize;
            let entry = rest.get(4..4 + bytes)?;
            rest = &rest[4 + bytes..];
            let (start, len) = (long(entry, 0)?, long(entry, 8)?);
            let start = start.checked_next_multiple_of(PAGE_BYTES)?;
            let end = start.saturating_add(len) & !(PAGE_BYTES - 1);
            Some(if word(entry, 16) == Some(USABLE) { start..end } else { 0..0 })
        })
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

#[inline(never)]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What stands before the first NUL.
#[inline(never)]
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// Memory from address 0 on.
    struct Room(Vec<u8>);

    impl Room {
        fn words(&mut self, at: usize, words: &[u32]) {
            for (nth, word) in words.iter().enumerate() {
                self.0[at + 4 * nth..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }

        fn text(&mut self, at: usize, text: &[u8]) {
            self.0[at..][..text.len()].copy_from_slice(text);
        }

        fn at(&self, at: u64, len: u64) -> &[u8] {
            let rest = self.0.get(at as usize..).unwrap_or_default();
            &rest[..rest.len().min(len as usize)]
        }
    }

    /// As QEMU tells it of 4 GiB, with two modules.
    fn room() -> Room {
        let mut room = Room(vec![0; 4096]);
        room.words(0x100, &[HAS_COMMAND_LINE | HAS_MODULES | HAS_MEMORY_MAP]);
        room.words(0x110, &[0x200, 2, 0x300]);
        room.words(0x12c, &[24 * 4, 0x400]);
        room.text(0x200, b"/dev/fd/3 anchorite.framed -- a\0");
        room.words(0x300, &[0x30_0000, 0x30_0007, 0x380, 0, 0x40_0000, 0x40_0000, 0x3c0, 0]);
        room.text(0x380, b"/dev/fd/4 /one\0");
        room.text(0x3c0, b"/two\0");
        for (nth, entry) in [
            [20, 0, 0, 0x9fc00, 0, 1],
            [20, 0xf0000, 0, 0x10000, 0, 2],
            [20, 0x10_0000, 0, 0xbfee_0000, 0, 1],
            [20, 0, 1, 0x4000_0000, 0, 1],
        ]
        .iter()
        .enumerate()
        {
            room.words(0x400 + 24 * nth, entry);
        }
        room
    }

    #[test]
    fn what_a_loader_tells_is_read() {
        let room = room();
        let found = Multiboot::read(0x100, |at, len| room.at(at, len));
        assert_eq!(found.command_line, b"/dev/fd/3 anchorite.framed -- a");
        assert_eq!(found.arguments(), b"anchorite.framed -- a");
        for (line, arguments) in [
            (&b"/boot/kernel"[..], &b""[..]),
            (b"/boot/kernel ", b""),
            (b"-- a", b"-- a"),
            (b"--", b"--"),
            (b"anchorite.verbose -- a", b"anchorite.verbose -- a"),
            (b"env=A=b -- a", b"env=A=b -- a"),
            (b"", b""),
        ] {
            let told = Multiboot { command_line: line, ..Multiboot::default() };
            assert_eq!(told.arguments(), arguments, "{}", line.escape_ascii());
        }
        let modules: Vec<_> = found.modules(|at, len| room.at(at, len)).collect();
        assert_eq!(
            modules,
            [
                Module { start: 0x30_0000, end: 0x30_0007, name: b"/one" },
                Module { start: 0x40_0000, end: 0x40_0000, name: b"/two" },
            ]
        );
        let memory = found.memory(0x20_0000);
        assert_eq!(memory.low, 0x10_0000..0xbffe_0000);
        assert_eq!(memory.high, 0x1_0000_0000..0x1_4000_0000);
        assert_eq!(found.memory(0xf_0000), Memory { low: 0..0, high: memory.low });
    }

    /// As some firmwares have it: one range in two pieces, the second told first, and a hole.
    #[test]
    fn memory_that_is_told_in_pieces_is_one() {
        let mut room = room();
        for (nth, entry) in [
            [20, 0x20_0000, 0, 0x60_0000, 0, 1],
            [20, 0x10_0000, 0, 0x10_0000, 0, 1],
            [20, 0x80_0000, 0, 0x1000, 0, 3],
            [20, 0x80_1000, 0, 0x1000, 0, 1],
        ]
        .iter()
        .enumerate()
        {
            room.words(0x400 + 24 * nth, entry);
        }
        let memory = Multiboot::read(0x100, |at, len| room.at(at, len)).memory(0x20_0000);
        assert_eq!(memory, Memory { low: 0x20_0000..0x80_0000, high: 0x80_1000..0x80_2000 });
        let memory = Multiboot::read(0x100, |at, len| room.at(at, len)).memory(0x1f_f000);
        assert_eq!(memory, Memory { low: 0x10_0000..0x80_0000, high: 0x80_1000..0x80_2000 });
    }

    /// Whatever a loader says, something is read of it, or nothing.
    #[test]
    fn a_loader_that_talks_nonsense_harms_nobody() {
        for at in 0..0x60 {
            for value in [0, 1, 0xff, u32::MAX] {
                let mut room = room();
                room.words(0x100 + at, &[value]);
                room.words(0x400 + at, &[value]);
                let found = Multiboot::read(0x100, |at, len| room.at(at, len));
                let count = found.modules(|at, len| room.at(at, len)).count();
                assert!(count <= 4096 / MODULE_BYTES, "{at} {value}");
                let memory = found.memory(0x20_0000);
                assert!(memory.low.is_empty() || memory.low.contains(&0x20_0000), "{at} {value}");
            }
        }
        assert_eq!(Multiboot::read(0, |_, _| &[]), Multiboot::default());
        assert_eq!(Multiboot::default().arguments(), b"");
    }
}
