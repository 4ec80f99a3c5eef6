//! Archives made byte by byte.
#![allow(dead_code)]

use std::fmt::Write;

use anchorite_archive::{Content, Kind, Pieces, Reader};

/// A tar header's block, in the making.
#[derive(Clone)]
pub struct Block(pub [u8; 512]);

impl Block {
    /// ustar's header of an empty file, mode 0644, at the epoch.
    pub fn new(name: &str, flag: u8) -> Self {
        let block = Block([0; 512]).at(0, name.as_bytes()).at(100, b"0000644\0");
        let block = block.at(108, b"0000000\0").at(116, b"0000000\0").at(156, &[flag]);
        block.size(0).at(136, b"00000000000\0").at(257, b"ustar\x0000")
    }

    /// GNU's header.
    pub fn gnu(name: &str, flag: u8) -> Self {
        Block::new(name, flag).at(257, b"ustar  \0")
    }

    /// With these bytes at an offset.
    pub fn at(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub fn size(self, size: u64) -> Self {
        self.at(124, format!("{size:011o}\0").as_bytes())
    }

    pub fn link(self, target: &str) -> Self {
        self.at(157, target.as_bytes())
    }

    /// The block with its checksum.
    pub fn sum(mut self) -> Vec<u8> {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.at(148, format!("{sum:06o}\0 ").as_bytes()).0.to_vec()
    }

    /// The block, its size set to that of the data, and the data after it.
    pub fn with(self, data: &[u8]) -> Vec<u8> {
        [self.size(data.len() as u64).sum(), padded(data)].concat()
    }
}

/// Data, up to a whole block.
pub fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(512), 0);
    data
}

/// A record of an extended header.
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let len = (rest..).find(|len| rest + len.to_string().len() == *len).unwrap();
    [format!("{len} {key}=").as_bytes(), value, b"\n"].concat()
}

/// An extended header with these records.
pub fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let all: Vec<_> = records.iter().map(|(key, value)| record(key, value)).collect();
    Block::new("PaxHeaders/x", b'x').with(&all.concat())
}

pub fn file(name: &str, data: &[u8]) -> Vec<u8> {
    Block::new(name, b'0').with(data)
}

/// The end of an archive.
pub const END: [u8; 1024] = [0; 1024];

/// The fields of a cpio header.
#[derive(Clone, Copy)]
pub struct Newc<'a> {
    pub magic: &'a [u8],
    pub ino: u32,
    pub mode: u32,
    pub nlink: u32,
    pub name: &'a [u8],
    pub data: &'a [u8],
    pub check: u32,
}

impl<'a> Newc<'a> {
    pub fn new(name: &'a str, mode: u32, data: &'a [u8]) -> Self {
        let name = name.as_bytes();
        Newc { magic: b"070701", ino: 0, mode, nlink: 1, name, data, check: 0 }
    }

    /// The entry, with a NUL byte after its name.
    pub fn entry(&self) -> Vec<u8> {
        let fields = [self.ino, self.mode, 0, 0, self.nlink, 1, self.data.len() as u32, 8, 1, 5, 7];
        let mut entry = self.magic.to_vec();
        for field in fields.into_iter().chain([self.name.len() as u32 + 1, self.check]) {
            entry.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        entry.extend_from_slice(self.name);
        entry.push(0);
        entry.resize(entry.len().next_multiple_of(4), 0);
        entry.extend_from_slice(self.data);
        entry.resize(entry.len().next_multiple_of(4), 0);
        entry
    }
}

pub fn trailer() -> Vec<u8> {
    Newc { nlink: 1, ..Newc::new("TRAILER!!!", 0, b"") }.entry()
}

/// What a reader tells, a line for each entry or damage.
pub fn told(archive: &[u8]) -> Vec<String> {
    let reader = match Reader::new(archive) {
        Ok(reader) => reader,
        Err(damage) => return vec![format!("! {damage}")],
    };
    reader
        .map(|entry| {
            let entry = match entry {
                Ok(entry) => entry,
                Err(damage) => return format!("! {damage}"),
            };
            let mut line = format!("{} ", entry.path.escape_ascii());
            match &entry.kind {
                Kind::File(content) => line += &shown(content),
                Kind::HardLink { target, content } => {
                    let _ = write!(line, "hard link to {}", target.escape_ascii());
                    if let Some(content) = content {
                        let _ = write!(line, " with {}", shown(content));
                    }
                }
                Kind::Symlink(target) => {
                    let _ = write!(line, "link to {}", target.escape_ascii());
                }
                kind => {
                    let _ = write!(line, "{kind:?}");
                }
            }
            if entry.mtime.seconds != 0 || entry.mtime.nanoseconds != 0 {
                let _ = write!(line, " at {}.{:09}", entry.mtime.seconds, entry.mtime.nanoseconds);
            }
            if (entry.uid, entry.gid) != (0, 0) {
                let _ = write!(line, " of {}:{}", entry.uid, entry.gid);
            }
            for (name, value) in &entry.xattrs {
                let _ = write!(line, " {}={}", name.escape_ascii(), value.escape_ascii());
            }
            line
        })
        .collect()
}

fn shown(content: &Content<'_>) -> String {
    match &content.pieces {
        Pieces::Whole(bytes) => {
            assert_eq!(bytes.len() as u64, content.size);
            format!("\"{}\"", bytes.escape_ascii())
        }
        Pieces::Sparse(pieces) => {
            let mut end = 0;
            let mut line = format!("{} bytes", content.size);
            for piece in pieces {
                assert!(piece.offset >= end && !piece.bytes.is_empty());
                end = piece.offset + piece.bytes.len() as u64;
                assert!(end <= content.size);
                let _ = write!(line, ", \"{}\" at {}", piece.bytes.escape_ascii(), piece.offset);
            }
            line
        }
    }
}
