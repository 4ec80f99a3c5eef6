//! Files with holes: GNU's old format (type `S`), and its three in pax records.
//!
//! Each is a list of offsets and lengths; the pieces' bytes are stored one after another.
//! In 0.0 the list is a sequence of records, in 0.1 one record, in 1.0 it is in lines at the
//! beginning of the data, and in the old format in the header and in blocks after it.

use alloc::vec::Vec;

use tar_core::{HEADER_SIZE, Header};

use super::number::{decimal, unsigned};
use crate::{Content, PIECES_LIMIT, Piece, Pieces, What};

const MALFORMED: What = What::Sparse("is malformed");

/// What records say about a sparse file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse<'a> {
    /// The file's own path: the header's is made up for other programs.
    pub(super) name: Option<&'a [u8]>,
    version: (u64, u64),
    size: Option<u64>,
    /// 0.0: offsets and lengths.
    pairs: Vec<(u64, Option<u64>)>,
    /// 0.1: `OFFSET,LENGTH,…`.
    map: Option<&'a [u8]>,
}

impl<'a> Sparse<'a> {
    /// Takes in a record.
    pub(super) fn take(&mut self, key: &[u8], value: Option<&'a [u8]>) -> Result<(), What> {
        let number = || decimal(value.unwrap_or_default(), "sparse file's record");
        match key {
            b"major" => self.version.0 = number()?,
            b"minor" => self.version.1 = number()?,
            b"name" => self.name = value,
            b"size" | b"realsize" => self.size = Some(number()?),
            b"map" => self.map = value,
            b"offset" => self.pairs.push((number()?, None)),
            b"numbytes" => match self.pairs.last_mut() {
                Some((_, len @ None)) => *len = Some(number()?),
                _ => return Err(MALFORMED),
            },
            // How many there are is seen.
            _ => {}
        }
        Ok(())
    }

    /// The length of what may be of any length.
    pub(super) fn weight(&self) -> usize {
        let texts = [self.name, self.map].into_iter().flatten().map(<[u8]>::len);
        texts.sum::<usize>() + self.pairs.len() * size_of::<(u64, Option<u64>)>()
    }

    /// Whether the entry is a file with holes.
    pub(super) fn is_sparse(&self) -> bool {
        self.size.is_some() || self.version.0 != 0
    }

    /// The file's content, of the entry's data.
    pub(super) fn content(&self, data: &'a [u8]) -> Result<Content<'a>, What> {
        let size = self.size.ok_or(What::Sparse("has no size"))?;
        match self.version {
            (1, 0) => lines(size, data),
            (0, _) => match self.map {
                Some(map) => commas(size, data, map),
                None => {
                    let mut builder = Builder::new(size, data)?;
                    for (offset, len) in &self.pairs {
                        builder.push(*offset, len.ok_or(MALFORMED)?)?;
                    }
                    builder.finish()
                }
            },
            _ => Err(What::Sparse("has an unknown version")),
        }
    }
}

/// 1.0: a count, then offsets and lengths, each on a line, up to a whole block.
fn lines<'a>(size: u64, data: &'a [u8]) -> Result<Content<'a>, What> {
    let mut rest = data;
    let mut line = || {
        // No number is longer.
        let end = rest.iter().take(21).position(|byte| *byte == b'\n').ok_or(MALFORMED)?;
        let (digits, after) = rest.split_at(end);
        rest = &after[1..];
        Ok((decimal(digits, "sparse file's map")?, data.len() - rest.len()))
    };
    let (count, mut taken) = line()?;
    // First the whole map, since only its end tells where the bytes begin.
    for _ in 0..count.checked_mul(2).ok_or(MALFORMED)? {
        (_, taken) = line()?;
    }
    let stored = data.get(taken.next_multiple_of(HEADER_SIZE)..).ok_or(MALFORMED)?;
    let mut builder = Builder::new(size, stored)?;
    let mut numbers = data[..taken].split(|byte| *byte == b'\n').skip(1);
    let mut number = || decimal(numbers.next().unwrap_or_default(), "sparse file's map");
    for _ in 0..count {
        builder.push(number()?, number()?)?;
    }
    builder.finish()
}

/// 0.1: offsets and lengths between commas.
fn commas<'a>(size: u64, data: &'a [u8], map: &[u8]) -> Result<Content<'a>, What> {
    let mut builder = Builder::new(size, data)?;
    let mut numbers = map.split(|byte| *byte == b',');
    while let Some(offset) = numbers.next() {
        let len = numbers.next().ok_or(MALFORMED)?;
        builder.push(decimal(offset, "sparse file's map")?, decimal(len, "sparse file's map")?)?;
    }
    builder.finish()
}

/// The old format's map: in the header four pairs of numbers, in each block after it 21, and
/// behind them whether another block follows.
const PAIR_BYTES: usize = 24;
const IN_HEADER: core::ops::Range<usize> = 386..482;
const IN_BLOCK: core::ops::Range<usize> = 0..504;

/// How many blocks of an old sparse file's map follow its header, from `start`.
pub(super) fn map_blocks(bytes: &[u8], start: usize, header: &Header) -> Result<usize, What> {
    if header.as_gnu().isextended[0] == 0 {
        return Ok(0);
    }
    let (blocks, _) = bytes.get(start..).unwrap_or_default().as_chunks::<HEADER_SIZE>();
    let last = blocks.iter().position(|block| block[IN_BLOCK.end] == 0);
    last.map(|last| last + 1).ok_or(What::Truncated {
        needed: ((blocks.len() + 2) * HEADER_SIZE) as u64,
        found: (bytes.len() + HEADER_SIZE - start) as u64,
    })
}

/// The content of an old sparse file, whose map goes on in `blocks`.
pub(super) fn old<'a>(header: &Header, blocks: &[u8], data: &'a [u8]) -> Result<Content<'a>, What> {
    const NAME: &str = "sparse file's map";
    let mut builder = Builder::new(unsigned(&header.as_gnu().realsize, "size")?, data)?;
    let blocks = blocks.as_chunks::<HEADER_SIZE>().0.iter().map(|block| &block[IN_BLOCK]);
    for pairs in [&header.as_bytes()[IN_HEADER]].into_iter().chain(blocks) {
        for pair in pairs.as_chunks::<PAIR_BYTES>().0 {
            let (offset, len) = pair.split_at(PAIR_BYTES / 2);
            // Unused ones are zeros.
            if len[0] != 0 {
                builder.push(unsigned(offset, NAME)?, unsigned(len, NAME)?)?;
            }
        }
    }
    builder.finish()
}

/// A file in the making.
struct Builder<'a> {
    size: u64,
    /// Where the last piece ends.
    end: u64,
    /// Bytes that no piece has yet.
    rest: &'a [u8],
    pieces: Vec<Piece<'a>>,
}

impl<'a> Builder<'a> {
    fn new(size: u64, rest: &'a [u8]) -> Result<Self, What> {
        if size > i64::MAX as u64 {
            return Err(What::OutOfRange("size"));
        }
        Ok(Builder { size, end: 0, rest, pieces: Vec::new() })
    }

    fn push(&mut self, offset: u64, len: u64) -> Result<(), What> {
        if offset < self.end {
            return Err(What::Sparse("overlaps itself or is out of order"));
        }
        let end = offset.checked_add(len).filter(|end| *end <= self.size);
        self.end = end.ok_or(What::Sparse("reaches past the file's end"))?;
        let stored = usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len));
        let (bytes, rest) = stored.ok_or(What::Sparse("has more bytes than are stored"))?;
        self.rest = rest;
        // GNU tar marks a file that ends in a hole by an empty piece at its end.
        if !bytes.is_empty() {
            if self.pieces.len() == PIECES_LIMIT {
                return Err(What::Sparse("has too many pieces"));
            }
            self.pieces.push(Piece { offset, bytes });
        }
        Ok(())
    }

    fn finish(self) -> Result<Content<'a>, What> {
        if !self.rest.is_empty() {
            return Err(What::Sparse("has fewer bytes than are stored"));
        }
        let pieces = match *self.pieces {
            [Piece { offset: 0, bytes }] if bytes.len() as u64 == self.size => Pieces::Whole(bytes),
            _ => Pieces::Sparse(self.pieces),
        };
        Ok(Content { size: self.size, pieces })
    }
}
