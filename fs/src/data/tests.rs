//! Content against a plain vector of bytes.

use super::tests_support::superblock;
use super::*;
use crate::InodeNo;
use crate::check::Report;
use crate::mem::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// A file and the bytes that it should hold.
struct Pair {
    superblock: Arc<Superblock>,
    data: FileData,
    model: Vec<u8>,
}

impl Pair {
    fn new() -> Pair {
        Pair { superblock: superblock(u64::MAX), data: FileData::EMPTY, model: vec![] }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let done = self.data.write(&self.superblock, offset as u64, &mut Source::from(bytes));
        assert_eq!(done, Ok(bytes.len()));
        if !bytes.is_empty() {
            let end = offset + bytes.len();
            self.model.resize(max(self.model.len(), end), 0);
            self.model[offset..end].copy_from_slice(bytes);
        }
        assert_eq!(self.data.size(), self.model.len() as u64);
    }

    fn truncate(&mut self, size: usize) {
        assert_eq!(self.data.truncate(&self.superblock, size as u64), Ok(()));
        self.model.resize(size, 0);
        assert_eq!(self.data.size(), size as u64);
        assert!(self.data.pages() <= (size as u64).div_ceil(PAGE), "pages behind the end");
    }

    #[track_caller]
    fn check(&self, offset: usize, len: usize) {
        let mut buffer = vec![0xaa; len];
        let done = self.data.read(offset as u64, &mut Sink::from(&mut buffer[..]));
        let expected = self.model.get(offset..).unwrap_or_default();
        let expected = &expected[..min(len, expected.len())];
        assert_eq!(done, expected.len());
        // As a whole first: Miri compares slices fast, bytes slowly.
        if buffer[..done] != *expected {
            let at = (0..done).find(|&at| buffer[at] != expected[at]).unwrap();
            panic!("byte {} is {}, not {}", offset + at, buffer[at], expected[at]);
        }
        assert!(buffer[done..].iter().all(|&byte| byte == 0xaa), "written behind the end");
        assert_eq!(self.superblock.pages_charged(), self.data.pages());
        let mut in_place = vec![0xaa; len];
        match self.data.read_in_place(offset as u64, &mut Sink::from(&mut in_place[..])) {
            Some(len) => assert!(len == done && in_place == buffer, "{offset}, {len}"),
            None => assert!(in_place.iter().all(|&byte| byte == 0xaa), "nothing is done"),
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.data.free(&self.superblock);
        assert_eq!(self.superblock.pages_charged(), 0, "pages given back");
    }
}

/// A small generator of numbers; xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Bytes that a root with few slots, and a node, lead to in the lowest level.
const FEW: usize = PAGE_BYTES << FEW_SLOT_BITS;
const LEAF: usize = PAGE_BYTES << SLOT_BITS;

#[test]
fn random_writes_and_cuts_read_as_from_a_vector() {
    let (seeds, rounds) = if cfg!(miri) { (2, 12) } else { (20, 200) };
    for seed in 1..=seeds {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        // Each seed has files of another size, from buffers to two levels of the tree.
        let reach = [100, 5000, 70_000, LEAF + 9000, 2 * LEAF][seed as usize % 5];
        let reach = if cfg!(miri) { min(reach, 9000) } else { reach };
        let mut pair = Pair::new();
        for round in 0..rounds {
            let offset = random.below(reach);
            match random.below(8) {
                0 => pair.truncate(random.below(reach)),
                1 => pair.truncate([0, 1, 64, 4095, 4096, 4097][random.below(6)]),
                kind => {
                    let len = random.below([10, 100, 5000, 20_000][kind % 4]);
                    pair.write(offset, &vec![round as u8; len]);
                }
            }
            pair.check(random.below(reach), random.below(reach));
            pair.check(random.below(reach), random.below(100));
        }
        pair.check(0, pair.model.len() + 10);
    }
}

#[test]
fn a_tree_grows_with_its_file_and_leads_nowhere_else() {
    let edges = [1, 7, 8, 9, 63, 64, 65, 511, 512, 513, 4095, 4096, 32_767, 32_768, 1 << 24];
    let superblock = superblock(1 << 20);
    let read = |data: &FileData, offset, len| {
        let mut bytes = vec![0xee; len];
        let done = data.read(offset, &mut (&mut bytes[..]).into());
        bytes.truncate(done);
        bytes
    };
    let write = |data: &mut FileData, page: u64| {
        let done = data.write(&superblock, page * PAGE, &mut Source::from(&[page as u8 | 1][..]));
        assert_eq!(done, Ok(1));
    };
    // One page after the other, and each alone behind a hole.
    let mut all = FileData::EMPTY;
    for (at, &page) in edges.iter().enumerate() {
        let mut alone = FileData::EMPTY;
        for data in [&mut all, &mut alone] {
            write(data, page);
            assert_eq!(data.size(), page * PAGE + 1);
        }
        for &earlier in &edges[..=at] {
            assert_eq!(read(&all, earlier * PAGE, 1), [earlier as u8 | 1], "{page} {earlier}");
            let expected = if earlier == page { page as u8 | 1 } else { 0 };
            assert_eq!(read(&alone, earlier * PAGE, 1), [expected], "{page} {earlier}");
        }
        assert_eq!((all.pages(), alone.pages()), (at as u64 + 1, 1));
        alone.free(&superblock);
    }
    all.free(&superblock);
    // What a longer file's root does not lead to is a hole, also in the middle of a transfer.
    for pages in [9, 64, 70, 600] {
        let mut data = FileData::EMPTY;
        for page in 0..2 {
            write(&mut data, page);
        }
        assert_eq!(data.truncate(&superblock, pages * PAGE), Ok(()));
        let mut expected = vec![0; (pages * PAGE) as usize];
        (expected[0], expected[PAGE_BYTES]) = (1, 1);
        assert_eq!(read(&data, 0, expected.len() + 1), expected, "{pages}");
        assert_eq!(data.find(PAGE, Region::Hole), Some(2 * PAGE));
        assert_eq!(data.find(2 * PAGE, Region::Data), None);
        assert_eq!(data.punch(&superblock, 0, pages * PAGE), Ok(()));
        assert_eq!((data.pages(), superblock.pages_charged()), (0, 0));
        data.free(&superblock);
    }
    assert_eq!(superblock.pages_charged(), 0);
}

#[test]
fn cut_and_grown_files_have_zeros_at_every_edge() {
    let few = [0, 1, 63, 64, 65, 4095, 4096, 4097, FEW - 1, FEW, FEW + 1, LEAF - 1, LEAF, LEAF + 1];
    let sizes = if cfg!(miri) { &[0, 65, 4095, 4097][..] } else { &few[..] };
    for &full in sizes {
        for &cut in sizes.iter().filter(|cut| **cut <= full) {
            for &longer in sizes.iter().filter(|longer| **longer >= cut) {
                for by_write in [false, true] {
                    let mut pair = Pair::new();
                    pair.write(0, &vec![b'x'; full]);
                    pair.truncate(cut);
                    if by_write {
                        pair.write(longer, b"y");
                    } else {
                        pair.truncate(longer);
                    }
                    pair.check(0, longer + 10);
                    pair.write(0, b"z");
                    pair.check(0, longer + 10);
                }
            }
        }
    }
}

#[test]
fn sparse_files_reach_the_largest_offset() {
    let superblock = superblock(u64::MAX);
    let mut data = FileData::EMPTY;
    let mut offsets = vec![MAX_FILE_BYTES - 1];
    offsets.extend((0..63).map(|bit| 1u64 << bit).filter(|offset| *offset < MAX_FILE_BYTES));
    for offset in &offsets {
        assert_eq!(data.write(&superblock, *offset, &mut Source::from(&b"x"[..])), Ok(1));
    }
    assert_eq!(data.size(), MAX_FILE_BYTES);
    for offset in &offsets {
        let mut buffer = [0xaa; 1];
        assert_eq!(data.read(*offset, &mut Sink::from(&mut buffer[..])), 1);
        assert_eq!(&buffer, b"x", "{offset}");
    }
    let full = data.write(&superblock, MAX_FILE_BYTES, &mut Source::from(&b"x"[..]));
    assert_eq!(full, Err(Errno::EFBIG));
    for bit in (0..63).rev() {
        assert_eq!(data.truncate(&superblock, (1 << bit) + 1), Ok(()));
        let mut buffer = [0xaa; 3];
        let done = data.read(1 << bit, &mut Sink::from(&mut buffer[..]));
        assert_eq!((done, buffer[0]), (1, b'x'), "cut behind bit {bit}");
    }
    assert_eq!(data.pages(), 1);
    data.free(&superblock);
    assert_eq!(superblock.pages_charged(), 0);
}

#[test]
fn write_that_finds_no_page_leaves_all_as_it_was() {
    for limit in 0..6 {
        let superblock = superblock(limit * PAGE);
        let mut data = FileData::EMPTY;
        let bytes = vec![b'x'; 4 * PAGE_BYTES + 10];
        let written = data.write(&superblock, 100, &mut Source::from(&bytes[..]));
        let fits = (limit as usize * PAGE_BYTES).saturating_sub(100).min(bytes.len());
        match limit {
            0 => assert_eq!(written, Err(Errno::ENOSPC)),
            _ => assert_eq!(written, Ok(fits), "{limit} pages"),
        }
        let size = data.size();
        assert_eq!(size, if limit == 0 { 0 } else { 100 + fits as u64 });
        if limit < 5 {
            let behind = data.write(&superblock, 1 << 40, &mut Source::from(&b"y"[..]));
            assert_eq!(behind, Err(Errno::ENOSPC));
            assert_eq!(data.size(), size);
        }
        data.free(&superblock);
        assert_eq!(superblock.pages_charged(), 0);
    }
}

/// What the checker found, when the guest program `posix` asked it at its end: a write far
/// into an empty file made a node for each level below the first, to lead to pages that
/// were never there; and a write or fallocate that found no room left the nodes it had made
/// on the way. The quota counts none of them: on a full ramdisk, each failing write at
/// another offset took memory for good.
#[test]
fn nodes_without_pages_are_not_left_behind() {
    let whole = |data: &FileData| {
        let mut report = Report::default();
        data.check(InodeNo(1), &mut report).unwrap();
        assert_eq!(report.problems, []);
    };
    for bit in 12..63 {
        let offset = 1 << bit;
        for first in [None, Some(0), Some(70 * PAGE)] {
            let superblock = superblock(2 * PAGE);
            let mut data = FileData::EMPTY;
            if let Some(first) = first {
                data.write(&superblock, first, &mut Source::from(&b"x"[..])).unwrap();
            }
            assert_eq!(data.write(&superblock, offset, &mut Source::from(&b"y"[..])), Ok(1));
            whole(&data);
            superblock.charge(2 - data.pages()).unwrap();
            for far in [5 << 6, 5 << 12, 5 << 18, 5 << 30, 5 << 48u64] {
                let full = data.write(&superblock, far * PAGE, &mut Source::from(&b"z"[..]));
                assert_eq!(full, Err(Errno::ENOSPC), "{bit} {far}");
                whole(&data);
            }
            data.free(&superblock);
        }
    }
}

/// The last byte of the largest file can be written, and no byte behind it.
#[test]
fn writes_end_where_the_largest_file_ends() {
    let superblock = superblock(u64::MAX);
    let mut data = FileData::EMPTY;
    let mut write = |offset| data.write(&superblock, offset, &mut Source::from(&b"abc"[..]));
    assert_eq!(write(MAX_FILE_BYTES - 1), Ok(1));
    assert_eq!(write(MAX_FILE_BYTES - 2), Ok(2));
    assert_eq!(write(MAX_FILE_BYTES), Err(Errno::EFBIG));
    assert_eq!((data.size(), data.pages()), (MAX_FILE_BYTES, 1));
    let mut room = [b'.'; 4];
    assert_eq!(data.read(MAX_FILE_BYTES - 2, &mut Sink::from(&mut room[..])), 2);
    assert_eq!(&room, b"ab..");
    data.free(&superblock);
    assert_eq!(superblock.pages_charged(), 0);
}
