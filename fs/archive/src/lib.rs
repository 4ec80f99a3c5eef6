//! Archives in memory: their entries are read without copying file contents.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpio;
mod damage;
mod entry;
mod reader;
mod tar;
mod writer;

pub use damage::{Damage, What};
pub use entry::{Attribute, Content, Device, Entry, Kind, Piece, Pieces, Time};
pub use reader::Reader;
pub use writer::{Body, Member, WriteError, Writer};

/// Bytes of names, targets, attributes and other records that headers before one entry may
/// have, in sum.
pub const METADATA_LIMIT: usize = 16 << 20;

/// Pieces that a file with holes may have.
pub const PIECES_LIMIT: usize = 1 << 20;
