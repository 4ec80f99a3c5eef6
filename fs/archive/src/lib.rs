//! Archives in memory: their entries are read without copying file contents.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod damage;
mod entry;
mod reader;

pub use damage::{Damage, What};
pub use entry::{Attribute, Content, Device, Entry, Kind, Piece, Pieces, Time};
pub use reader::Reader;
