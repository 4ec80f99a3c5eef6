//! Archives in memory: read without copying file contents, and written as a stream.
//!
//! The crate knows nothing of inodes and paths: it says what an archive holds, as it is
//! stored. Whether an entry may land where its path says is for who places it.
//!
//! # Layers, from the bottom
//! * [`entry`](Entry): what an archive holds. Contents are slices of the archive, paths too
//!   where they are stored in one piece.
//! * [`damage`](Damage): what can be wrong, and where.
//! * `tar`: ustar, v7, GNU's format and pax; with numbers, records and maps of sparse files in
//!   modules of their own.
//! * `cpio`: newc, with checksums or without, several archives one after another.
//! * [`reader`](Reader): which of them it is, by content.
//! * [`writer`](Writer): pax tar.
//! * `compression` (a feature, for hosts): gzip and zstd.
//!
//! # Hostile archives
//! Every byte is somebody else's. A reader takes time in proportion to the archive; it never
//! takes more memory than a small multiple of what the archive has of one entry's names,
//! attributes and maps ([`METADATA_LIMIT`], [`PIECES_LIMIT`]), and of the paths of cpio's
//! files with several names. Damage is told with its place; what follows is read if it is
//! known where that is. An archive's size bounds that of every content: larger ones are
//! [`What::Truncated`], which says how much there is.
//!
//! # Of other crates
//! tar-core 0.1 has the layout of tar's headers, which is used here, and a parser, which is
//! not. It is `forbid(unsafe_code)` and has limits; but the sum of extended headers' sizes
//! overflows in it, a panic in debug builds. It refuses times before the epoch and a
//! second extended header, drops access times and fractions of seconds, leaves global
//! records to its caller, does not bound maps of sparse files by the file's size, and takes a
//! `size` record of GNU's sparse format 1.0 for the size without the map. Its numbers wrap at
//! 64 bits, so that -1 in binary is a large size; they may have a plus sign. Its iterator over
//! records ends without a word at a length that is no number.
//!
//! No crate for cpio fits: `cpio_reader` ends silently at damage, and wants UTF-8.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(feature = "compression")]
mod compression;
mod cpio;
mod damage;
mod entry;
mod reader;
mod tar;
mod writer;

#[cfg(feature = "compression")]
pub use compression::{DecompressError, decompress, is_compressed};
pub use damage::{Damage, What};
pub use entry::{Attribute, Content, Device, Entry, Kind, Piece, Pieces, Time};
pub use reader::Reader;
pub use writer::{Body, Member, WriteError, Writer};

/// Bytes of names, targets, attributes and other records that headers before one entry may
/// have, in sum.
pub const METADATA_LIMIT: usize = 16 << 20;

/// Pieces that a file with holes may have.
pub const PIECES_LIMIT: usize = 1 << 20;
