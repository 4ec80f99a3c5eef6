//! [`Pipe`]: what is on its way through a pipe, as pieces of a page at most.

use std::collections::{BTreeMap, VecDeque};

use super::file::PAGE;
use super::tree::Id;

/// The pipes of all fifos that are open, with a name or without.
pub type Pipes = BTreeMap<Id, Pipe>;

/// Bytes in a piece, at most.
const PIECE: usize = PAGE as usize;

/// A pipe.
#[derive(Debug)]
pub struct Pipe {
    pieces: VecDeque<Piece>,
    /// How many pieces there can be.
    pub capacity: usize,
    /// How many descriptions are open to read, and to write.
    pub readers: usize,
    pub writers: usize,
    /// How often it was opened to write.
    pub opened_to_write: usize,
}

/// What a piece may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Longer, by the next write.
    Stream,
    /// Nothing: it is read alone.
    Packet,
    /// Nothing: it was sent.
    Page,
}

/// Bytes that were written together, and how many of them were read.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    read: usize,
    form: Form,
}

impl Default for Pipe {
    fn default() -> Pipe {
        let (readers, writers, opened_to_write) = (0, 0, 0);
        Pipe { pieces: VecDeque::new(), capacity: 16, readers, writers, opened_to_write }
    }
}

impl Pipe {
    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether there is room for no further piece.
    pub fn is_full(&self) -> bool {
        self.pieces.len() >= self.capacity
    }

    /// Gives room for so many pieces; whether those that are there find it.
    pub fn resize(&mut self, capacity: usize) -> bool {
        let fits = self.pieces.len() <= capacity;
        if fits {
            self.capacity = capacity;
        }
        fits
    }

    /// Up to `len` bytes, at most a packet.
    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < len
            && let Some(piece) = self.pieces.front_mut()
        {
            let end = piece.bytes.len().min(piece.read + len - all.len());
            all.extend_from_slice(&piece.bytes[piece.read..end]);
            piece.read = end;
            let is_packet = piece.form == Form::Packet;
            if is_packet || end == piece.bytes.len() {
                self.pieces.pop_front();
            }
            if is_packet {
                break;
            }
        }
        all
    }

    /// Writes what finds room; how many bytes that were. What is over whole pages goes to the last
    /// piece, if all of it does.
    pub fn write(&mut self, bytes: &[u8], form: Form) -> usize {
        let over = bytes.len() % PIECE;
        let mut done = 0;
        if let Some(last) = self.pieces.back_mut()
            && last.form == Form::Stream
            && form != Form::Page
            && last.bytes.len() + over <= PIECE
        {
            last.bytes.extend_from_slice(&bytes[..over]);
            done = over;
        }
        for piece in bytes[done..].chunks(PIECE) {
            if self.is_full() {
                break;
            }
            self.pieces.push_back(Piece { bytes: piece.to_vec(), read: 0, form });
            done += piece.len();
        }
        done
    }
}
