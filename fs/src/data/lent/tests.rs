//! Lent content against a plain vector of bytes, and what becomes of the memory.

// One range is one piece.
#![allow(clippy::single_range_in_vec_init)]

use alloc::boxed::Box;
use alloc::sync::Arc as Shared;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::data::SLOT_BITS;
use crate::data::tests_support::superblock;
use crate::mem::Arc;
use crate::{Lender, Loan, Sink};

/// Memory that tells whether it was given back.
struct Told(Vec<u8>, Shared<AtomicBool>);

// SAFETY: as for the vector alone.
unsafe impl Lender for Told {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

/// A file made of lent memory, the bytes that it should hold, and those that were lent.
struct Case {
    superblock: Arc<Superblock>,
    loan: Option<Loan>,
    data: FileData,
    model: Vec<u8>,
    archive: Vec<u8>,
    is_returned: Shared<AtomicBool>,
}

/// Bytes of which no page is like another.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u32).wrapping_mul(0x9e37_79b1).to_le_bytes()[3] | 1).collect()
}

impl Case {
    /// A file of `size` bytes whose data are the ranges `pieces`, each from the same place of
    /// the memory, moved on by `shift`.
    fn new(limit: u64, size: usize, shift: usize, pieces: &[Range<usize>]) -> (Case, Result<()>) {
        let superblock = superblock(limit);
        let is_returned = Shared::new(AtomicBool::new(false));
        let archive = pattern(size + shift + 1);
        let lender = Box::new(Told(archive.clone(), is_returned.clone()));
        let loan = Loan::new(&superblock, lender).unwrap();
        // Memory of bytes may begin at an odd address; under Miri it does.
        let shift = shift + loan.bytes().as_ptr().addr() % 2;
        let mut data = FileData::EMPTY;
        let mut model = vec![0; size];
        for range in pieces {
            model[range.clone()].copy_from_slice(&archive[shift..][range.clone()]);
        }
        let of_loan = &loan.bytes()[shift..];
        let pieces: Vec<Piece<'_>> = (pieces.iter())
            .map(|range| Piece { offset: range.start as u64, bytes: &of_loan[range.clone()] })
            .collect();
        let filled = data.fill(&superblock, Content { size: size as u64, pieces: &pieces });
        (Case { superblock, loan: Some(loan), data, model, archive, is_returned }, filled)
    }

    fn whole(size: usize, shift: usize) -> Case {
        let (case, filled) = Case::new(u64::MAX, size, shift, &[0..size]);
        assert_eq!(filled, Ok(()));
        case
    }

    #[track_caller]
    fn check(&self) {
        let mut buffer = vec![0xaa; self.model.len() + 10];
        let done = self.data.read(0, &mut Sink::from(&mut buffer[..]));
        assert!(done == self.model.len() && buffer[..done] == self.model[..]);
        assert_eq!(self.data.size(), self.model.len() as u64);
        assert_eq!(self.superblock.pages_charged(), self.data.pages());
        if let Some(loan) = &self.loan {
            assert!(loan.bytes() == self.archive, "lent memory was written to");
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let done = self.data.write(&self.superblock, offset as u64, &mut Source::from(bytes));
        assert_eq!(done, Ok(bytes.len()));
        if !bytes.is_empty() {
            self.model.resize(max(self.model.len(), offset + bytes.len()), 0);
            self.model[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }

    fn truncate(&mut self, size: usize) {
        assert_eq!(self.data.truncate(&self.superblock, size as u64), Ok(()));
        self.model.resize(size, 0);
    }

    fn punch(&mut self, range: Range<usize>) {
        let (start, end) = (range.start as u64, range.end as u64);
        assert_eq!(self.data.punch(&self.superblock, start, end), Ok(()));
        let end = min(range.end, self.model.len());
        self.model[min(range.start, end)..end].fill(0);
    }

    fn references(&self) -> u64 {
        self.superblock.loans.references()
    }

    fn is_returned(&self) -> bool {
        self.is_returned.load(Ordering::Relaxed)
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        self.data.free(&self.superblock);
        assert_eq!(self.superblock.pages_charged(), 0);
        assert_eq!(self.references(), 0);
        assert_eq!(self.is_returned(), self.loan.is_none(), "while the loan is open it stays");
        self.loan = None;
        assert!(self.is_returned());
    }
}

const LEAF: usize = PAGE_BYTES << SLOT_BITS;
const SIZES: [usize; 12] =
    [1, 63, 64, 65, 4095, 4096, 4097, 8192, 12_345, LEAF - 1, LEAF + 1, LEAF + 4096];

#[test]
fn a_write_copies_the_page_that_it_is_in_and_no_other() {
    for &size in if cfg!(miri) { &SIZES[4..9] } else { &SIZES[..] } {
        for at in [0, size / 2, size - 1] {
            let mut case = Case::whole(size, 512);
            case.check();
            assert_eq!(case.references(), 1, "one for the whole");
            case.write(at, b"!");
            case.check();
            let whole_pages = if size <= PAGE_BYTES { 0 } else { size / PAGE_BYTES };
            let is_whole = at / PAGE_BYTES < size / PAGE_BYTES && size > PAGE_BYTES;
            let lent = whole_pages - usize::from(is_whole);
            assert_eq!(case.references(), lent as u64, "{size} bytes, written at {at}");
        }
    }
}

#[test]
fn writes_of_every_overlap_are_right_at_both_ends() {
    let edges = [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 10_000, 12_288, 13_000];
    let shifts = if cfg!(miri) { &[0][..] } else { &[0, 1, 4] };
    for &shift in shifts {
        for start in edges {
            for end in edges.into_iter().filter(|end| *end > start) {
                let mut case = Case::whole(12_000, shift);
                case.write(start, &vec![b'w'; end - start]);
                case.check();
            }
        }
    }
}

#[test]
fn files_cut_and_grown_have_zeros_behind_what_was_cut() {
    let sizes = if cfg!(miri) { &SIZES[4..7] } else { &SIZES[..] };
    for &full in sizes {
        for &cut in sizes.iter().filter(|cut| **cut <= full) {
            for longer in [cut, cut + 1, cut + 5000] {
                for by_write in [false, true] {
                    let mut case = Case::whole(full, 512);
                    case.truncate(cut);
                    case.check();
                    if by_write {
                        case.write(longer, b"y");
                    } else {
                        case.truncate(longer);
                    }
                    case.check();
                }
            }
        }
    }
}

#[test]
fn random_changes_read_as_from_a_vector() {
    let (seeds, rounds) = if cfg!(miri) { (2, 10) } else { (40, 100) };
    for seed in 1..=seeds {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
        let mut below = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % limit as u64) as usize
        };
        let size = [900, 4096, 9000, 30_000, LEAF + 5000][seed as usize % 5];
        let size = if cfg!(miri) { min(size, 9000) } else { size };
        let shift = [0, 512, 1, 4][below(4)];
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < size && seed % 3 != 0 {
            let end = min(at + 1 + below(20_000), size);
            pieces.push(at..end);
            at = end + below(9000);
        }
        if pieces.is_empty() {
            pieces.push(0..size);
        }
        let (mut case, filled) = Case::new(u64::MAX, size, shift, &pieces);
        assert_eq!(filled, Ok(()), "seed {seed}");
        case.check();
        for round in 0..rounds {
            let start = below(size + 5000);
            let longest = [10, 5000, 20_000][below(3)];
            let len = below(longest);
            match below(8) {
                0 => case.truncate(start),
                1 if len > 0 => case.punch(start..start + len),
                2 if len > 0 => {
                    let end = (start + len) as u64;
                    let done = case.data.allocate(&case.superblock, start as u64, end);
                    assert_eq!(done, Ok(()), "seed {seed}");
                }
                _ => case.write(start, &vec![round as u8; len]),
            }
            case.check();
            if round == rounds / 2 {
                case.loan = None;
            }
        }
    }
}

#[test]
fn memory_goes_back_with_the_last_reference() {
    let mut case = Case::whole(3 * PAGE_BYTES, 0);
    case.loan = None;
    assert!(!case.is_returned());
    case.write(0, b"x");
    case.write(PAGE_BYTES, b"x");
    assert!(!case.is_returned(), "the last page is lent");
    case.truncate(2 * PAGE_BYTES);
    assert!(case.is_returned());
    case.check();

    for end in [Case::truncate as fn(&mut Case, usize), |case, _| case.punch(0..20_000)] {
        let mut case = Case::whole(3 * PAGE_BYTES, 0);
        case.loan = None;
        end(&mut case, 0);
        assert!(case.is_returned());
        case.check();
    }
}

#[test]
fn pieces_are_lent_by_whole_pages() {
    let page = PAGE_BYTES;
    for (pieces, lent) in [
        (&[0..3 * page][..], 3),
        (&[page..3 * page], 2),
        (&[1..3 * page], 2),
        (&[0..page, 2 * page..3 * page], 2),
        (&[0..page + 1, 2 * page - 1..3 * page], 2),
        (&[page - 1..page + 1], 0),
        (&[], 0),
    ] {
        // One byte more, so that no piece is the whole file.
        let (case, filled) = Case::new(u64::MAX, 3 * page + 1, 0, pieces);
        assert_eq!(filled, Ok(()));
        case.check();
        assert_eq!(case.references(), lent, "{pieces:?}");
    }
}

#[test]
fn content_that_cannot_be_is_refused() {
    let superblock = superblock(u64::MAX);
    let bytes = [1; 10];
    let piece = |offset, len| Piece { offset, bytes: &bytes[..len] };
    for (size, pieces, errno) in [
        (5, &[piece(0, 6)][..], Errno::EINVAL),
        (20, &[piece(0, 6), piece(5, 6)], Errno::EINVAL),
        (20, &[piece(8, 6), piece(0, 6)], Errno::EINVAL),
        (u64::MAX, &[], Errno::EFBIG),
        (MAX_FILE_BYTES, &[piece(u64::MAX - 4, 6)], Errno::EINVAL),
    ] {
        let mut data = FileData::EMPTY;
        assert_eq!(data.fill(&superblock, Content { size, pieces }), Err(errno));
        assert_eq!((data.size(), superblock.pages_charged()), (0, 0));
    }
}

/// Neither the lent pages nor the copied ones of a file that finds no room are left.
#[test]
fn a_file_that_finds_no_room_leaves_nothing() {
    let page = PAGE_BYTES;
    for limit in 0..5 {
        for pieces in [&[0..4 * page + 9][..], &[0..page, page + 1..4 * page + 9]] {
            let (case, filled) = Case::new(limit * PAGE, 4 * page + 9, 0, pieces);
            assert_eq!(filled, Err(Errno::ENOSPC), "{limit} pages");
            assert_eq!((case.references(), case.superblock.pages_charged()), (0, 0));
        }
    }
    // What is lent is paid for: a write finds room.
    let (mut case, filled) = Case::new(5 * PAGE, 4 * page + 9, 0, &[0..4 * page + 9]);
    assert_eq!(filled, Ok(()));
    case.write(0, &vec![b'n'; 4 * page + 9]);
    case.check();
}
