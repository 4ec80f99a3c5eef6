//! What an archive holds: its entries, as they are stored, and what they carry.

use alloc::borrow::Cow;
use alloc::vec::Vec;

/// A time since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds since that second, below a milliard.
    pub nanoseconds: u32,
}

/// The numbers of a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// An extended attribute's name and value.
pub type Attribute<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// One entry. It borrows from the archive what it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where its header is in the archive, in bytes. Extended headers stand before it.
    pub offset: u64,
    /// Its path, as stored: it may be absolute, have `..` in it or end in a slash; it is
    /// not empty and has no NUL byte.
    pub path: Cow<'a, [u8]>,
    /// What it is.
    pub kind: Kind<'a>,
    /// Permission bits, set-ID bits and the sticky bit: the low twelve bits.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// When the content changed last.
    pub mtime: Time,
    /// When it was read last, where the archive says so: in pax records only.
    pub atime: Option<Time>,
    /// Extended attributes: names with their namespace (`user.a`), and values, as they are in
    /// the archive: of those with one name, the last counts.
    pub xattrs: Vec<Attribute<'a>>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A regular file.
    File(Content<'a>),
    /// One more name of an earlier entry.
    HardLink {
        /// That entry's path, as stored; neither empty nor with a NUL byte.
        target: Cow<'a, [u8]>,
        /// The file's content, when it is stored with this name. It replaces what the
        /// earlier entry had, which is nothing in a cpio archive.
        content: Option<Content<'a>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link to a path, which is neither empty nor has a NUL byte.
    Symlink(Cow<'a, [u8]>),
    /// A named pipe.
    Fifo,
    /// A socket's name. Only cpio has it.
    Socket,
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The file's size in bytes, holes included; at most `i64::MAX`.
    pub size: u64,
    /// Its bytes.
    pub pieces: Pieces<'a>,
}

/// A file's bytes, as slices of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pieces<'a> {
    /// All of them; as many as the size says.
    Whole(&'a [u8]),
    /// What lies between holes, in order: disjoint, none empty, all within the size.
    Sparse(Vec<Piece<'a>>),
}

/// Bytes between holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Where in the file they are.
    pub offset: u64,
    /// The bytes; at least one.
    pub bytes: &'a [u8],
}

impl<'a> Content<'a> {
    /// Content without holes.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Content { size: bytes.len() as u64, pieces: Pieces::Whole(bytes) }
    }
}
