//! What can be wrong with an archive, and where.

use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter, Write};

/// Bytes of a path that a message shows.
const SHOWN_BYTES: usize = 200;

/// Something wrong in an archive. Displayed, it is a clause: "the entry `a/b` at byte 1536:
/// its header's checksum is wrong".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where, in bytes from the archive's start: the header of what is damaged.
    pub offset: u64,
    /// The path of the damaged entry, as far as it is known.
    pub entry: Option<Vec<u8>>,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// No archive, as far as one can see.
    Unrecognised,
    /// Compressed data, by the program of that name, where an archive was expected.
    Compressed(&'static str),
    /// The archive ends too early.
    Truncated {
        /// Bytes that should be there from the damage's offset.
        needed: u64,
        /// Bytes that are.
        found: u64,
    },
    /// A cpio archive ends without the entry that ends it.
    NoTrailer,
    /// Other bytes where only zeros or another archive may follow.
    Garbage,
    /// An entry that does not begin with its format's magic number.
    Magic,
    /// The checksum of a tar header differs.
    HeaderChecksum,
    /// The checksum of a file's content differs.
    ContentChecksum,
    /// A field that should hold a number does not.
    NoNumber(&'static str),
    /// A number that is negative or too large for what it counts.
    OutOfRange(&'static str),
    /// A path, a link's target or an attribute's name that is empty.
    Empty(&'static str),
    /// A path or a link's target with a NUL byte in it.
    Nul(&'static str),
    /// A cpio entry's path that does not end with a NUL byte.
    Unterminated,
    /// A type that is not one.
    Type,
    /// A tar entry that continues a file of another volume.
    Continued,
    /// Records of an extended header that are not as POSIX has them.
    Records,
    /// A map of a sparse file that does not fit it.
    Sparse(&'static str),
    /// More names and attributes, in bytes, than an entry may have.
    Metadata {
        /// The most that it may have.
        limit: usize,
    },
    /// Extended headers with no entry after them.
    Orphan,
    /// Whoever places the entries refuses one, for this reason.
    Refused(&'static str),
    /// Compressed data that cannot be decompressed.
    Corrupt(&'static str),
    /// Compressed data that would become longer than allowed.
    Bomb {
        /// The allowed bytes.
        limit: u64,
    },
}

impl Display for Damage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(path) => {
                f.write_str("the entry `")?;
                show(path, f)?;
                write!(f, "` at byte {}: {}", self.offset, self.what)
            }
            None => write!(f, "at byte {}: {}", self.offset, self.what),
        }
    }
}

/// A path on a terminal, where it can do no harm.
fn show(path: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    for chunk in path[..path.len().min(SHOWN_BYTES)].utf8_chunks() {
        for char in chunk.valid().chars() {
            f.write_char(if char.is_control() { '?' } else { char })?;
        }
        if !chunk.invalid().is_empty() {
            f.write_char('?')?;
        }
    }
    if path.len() > SHOWN_BYTES { f.write_str("…") } else { Ok(()) }
}

impl Display for What {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            What::Unrecognised => f.write_str("it is no tar archive and no cpio archive (newc)"),
            What::Compressed(by) => {
                write!(f, "what follows is compressed by {by}, and must be decompressed first")
            }
            What::Truncated { needed, found } => {
                write!(
                    f,
                    "the archive ends within it, {found} bytes from there instead of {needed}"
                )
            }
            What::NoTrailer => f.write_str("the cpio archive ends without a trailer"),
            What::Garbage => f.write_str("what follows the archive is neither zeros nor another"),
            What::Magic => f.write_str("its header does not begin with cpio's magic number"),
            What::HeaderChecksum => f.write_str("its header's checksum is wrong"),
            What::ContentChecksum => f.write_str("its content's checksum is wrong"),
            What::NoNumber(field) => write!(f, "its {field} is not a number"),
            What::OutOfRange(field) => write!(f, "its {field} is negative or too large"),
            What::Empty(name) => write!(f, "its {name} is empty"),
            What::Nul(name) => write!(f, "its {name} has a NUL byte in it"),
            What::Unterminated => f.write_str("its path does not end with a NUL byte"),
            What::Type => f.write_str("its type is unknown"),
            What::Continued => f.write_str("it continues a file of another volume"),
            What::Records => f.write_str("its extended header is malformed"),
            What::Sparse(how) => write!(f, "its map of a sparse file {how}"),
            What::Metadata { limit } => {
                write!(f, "its names and attributes take more than {limit} bytes")
            }
            What::Orphan => f.write_str("its extended header has no entry after it"),
            What::Refused(why) => f.write_str(why),
            What::Corrupt(how) => write!(f, "the compressed data are damaged: {how}"),
            What::Bomb { limit } => {
                write!(f, "decompressed it is longer than the {limit} bytes there are for it")
            }
        }
    }
}

impl core::error::Error for Damage {}
