//! cpio: the format newc, with checksums (070702) or without (070701), as an initramfs has
//! it: several archives may follow one another, with zeros between them.
//!
//! An archive ends with an entry `TRAILER!!!`. Unlike Linux, which lets an initramfs end
//! anywhere between entries, this walk demands it: it is all that tells a whole archive.
//!
//! Names of one file have the device and inode number in common, and a count above one. The
//! first of them in an archive is the file; the others are hard links to it. GNU cpio stores
//! the content with the last.
//!
//! Files' checksums are compared where there is content: GNU cpio states one for the names
//! without content, too. Symbolic links and directories have none.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry as Slot;
use alloc::vec::Vec;

use crate::reader::compressed_by;
use crate::tar::checked;
use crate::{Content, Damage, Device, Entry, Kind, Time, What};

const MAGIC_BYTES: usize = 6;
/// Eight hexadecimal digits each.
const FIELD_BYTES: usize = 8;
const FIELDS: usize = 13;
const FIELD_NAMES: [&str; FIELDS] = [
    "inode number",
    "mode",
    "uid",
    "gid",
    "number of links",
    "mtime",
    "size",
    "device number",
    "device number",
    "device number",
    "device number",
    "path's length",
    "checksum",
];
const HEADER_BYTES: usize = MAGIC_BYTES + FIELDS * FIELD_BYTES;
/// What names and contents are padded to, counted from the archive's start.
const ALIGNMENT: usize = 4;
const TRAILER: &[u8] = b"TRAILER!!!";

/// Whether an archive with this beginning may be cpio.
pub(crate) fn is_cpio(bytes: &[u8]) -> bool {
    bytes.starts_with(b"070701") || bytes.starts_with(b"070702")
}

/// The walk.
#[derive(Clone, Debug)]
pub(crate) struct Cpio<'a> {
    bytes: &'a [u8],
    /// Where the archive that the walk is in begins.
    start: usize,
    /// Where the next header is.
    at: usize,
    /// The first name of each file that has several, by its type and number, in that archive.
    names: BTreeMap<(u32, FileId), &'a [u8]>,
    is_done: bool,
}

/// Device and inode number.
type FileId = (u32, u32, u32);

/// A header's numbers, by their names in cpio(5).
struct Header {
    has_checksum: bool,
    file: FileId,
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    mtime: u32,
    filesize: u32,
    rdev: Device,
    namesize: u32,
    check: u32,
}

impl<'a> Cpio<'a> {
    /// `start` is where the first header is.
    pub(crate) fn new(bytes: &'a [u8], start: usize) -> Self {
        Cpio { bytes, start, at: start, names: BTreeMap::new(), is_done: false }
    }

    /// The next entry, if there is one.
    pub(crate) fn next(&mut self) -> Option<Result<Entry<'a>, Damage>> {
        while !self.is_done {
            let offset = self.at;
            // An error here is one after which nothing can be found.
            let found = self.header().and_then(|header| {
                let name = self.name(&header)?;
                Ok((header, name))
            });
            let (header, name) = match found {
                Ok(found) => found,
                Err(what) => {
                    self.is_done = true;
                    return Some(Err(Damage { offset: offset as u64, entry: None, what }));
                }
            };
            let (path, is_terminated) = match name {
                [path @ .., 0] => (path, true),
                _ => (name, false),
            };
            let damaged = |offset: usize, what| Damage {
                offset: offset as u64,
                entry: Some(path.to_vec()),
                what,
            };
            let data = match self.data(header.filesize) {
                Ok(data) => data,
                Err(what) => {
                    self.is_done = true;
                    return Some(Err(damaged(offset, what)));
                }
            };
            if path == TRAILER {
                if let Err(what) = self.go_on() {
                    return Some(Err(Damage { offset: self.at as u64, entry: None, what }));
                }
                continue;
            }
            let entry = match is_terminated {
                true => self.entry(offset, &header, path, data),
                false => Err(What::Unterminated),
            };
            return Some(entry.map_err(|what| damaged(offset, what)));
        }
        None
    }

    /// Where the archive that it is in ends, the trailer included.
    #[cfg(feature = "compression")]
    pub(crate) fn end(mut self) -> Result<usize, Damage> {
        loop {
            let offset = self.at;
            let mut passed = || {
                let header = self.header()?;
                let name = self.name(&header)?;
                self.data(header.filesize)?;
                Ok(name)
            };
            match passed() {
                Ok([name @ .., 0]) if name == TRAILER => return Ok(self.at),
                Ok(_) => {}
                Err(what) => return Err(Damage { offset: offset as u64, entry: None, what }),
            }
        }
    }

    fn header(&self) -> Result<Header, What> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Err(What::NoTrailer);
        }
        let magic = rest.get(..MAGIC_BYTES).unwrap_or(rest);
        if !is_cpio(magic) && !b"070701".starts_with(magic) {
            return Err(What::Magic);
        }
        let Some((header, _)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Err(self.truncated(HEADER_BYTES));
        };
        let mut numbers = [0; FIELDS];
        let fields = header[MAGIC_BYTES..].as_chunks::<FIELD_BYTES>().0;
        for ((number, field), name) in numbers.iter_mut().zip(fields).zip(FIELD_NAMES) {
            for byte in field {
                let digit = char::from(*byte).to_digit(16).ok_or(What::NoNumber(name))?;
                *number = *number << 4 | digit;
            }
        }
        let [ino, mode, uid, gid, nlink, mtime, filesize, rest @ ..] = numbers;
        let [devmajor, devminor, major, minor, namesize, check] = rest;
        Ok(Header {
            has_checksum: magic == b"070702",
            file: (devmajor, devminor, ino),
            mode,
            uid,
            gid,
            nlink,
            mtime,
            filesize,
            rdev: Device { major, minor },
            namesize,
            check,
        })
    }

    /// The name after a header, its NUL byte included; the content follows.
    fn name(&mut self, header: &Header) -> Result<&'a [u8], What> {
        self.taken(HEADER_BYTES, header.namesize)
    }

    fn data(&mut self, size: u32) -> Result<&'a [u8], What> {
        self.taken(0, size)
    }

    /// Some bytes and their padding.
    fn taken(&mut self, skipped: usize, len: u32) -> Result<&'a [u8], What> {
        let start = self.at + skipped;
        let needed = start - self.start + len as usize;
        let next = self.start + needed.next_multiple_of(ALIGNMENT);
        if next > self.bytes.len() {
            return Err(self.truncated(next - self.at));
        }
        self.at = next;
        Ok(&self.bytes[start..start + len as usize])
    }

    fn truncated(&self, needed: usize) -> What {
        What::Truncated { needed: needed as u64, found: (self.bytes.len() - self.at) as u64 }
    }

    /// Goes on to the next archive, if there is one.
    fn go_on(&mut self) -> Result<(), What> {
        self.names.clear();
        let rest = &self.bytes[self.at..];
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        self.at += zeros;
        self.start = self.at;
        self.is_done = !is_cpio(&rest[zeros..]);
        match (&rest[zeros..], compressed_by(&rest[zeros..])) {
            (_, Some(by)) => Err(What::Compressed(by)),
            ([], None) => Ok(()),
            _ if self.is_done => Err(What::Garbage),
            _ => Ok(()),
        }
    }

    fn entry(
        &mut self,
        offset: usize,
        header: &Header,
        path: &'a [u8],
        data: &'a [u8],
    ) -> Result<Entry<'a>, What> {
        checked(path, "path")?;
        let format = header.mode & 0o170000;
        if header.has_checksum && format == 0o100000 && !data.is_empty() {
            let sum = data.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
            if sum != header.check {
                return Err(What::ContentChecksum);
            }
        }
        let kind = match format {
            0o100000 => Kind::File(Content::whole(data)),
            0o040000 => Kind::Directory,
            // Linux' own gen_init_cpio stores the target with a NUL byte at its end.
            0o120000 => {
                let target = data.strip_suffix(&[0]).unwrap_or(data);
                Kind::Symlink(Cow::Borrowed(checked(target, "link's target")?))
            }
            0o010000 => Kind::Fifo,
            0o140000 => Kind::Socket,
            0o020000 => Kind::CharDevice(header.rdev),
            0o060000 => Kind::BlockDevice(header.rdev),
            _ => return Err(What::Type),
        };
        let kind = match self.first_name(header, format, path) {
            Some(target) => Kind::HardLink {
                target: Cow::Borrowed(target),
                content: (format == 0o100000 && !data.is_empty()).then(|| Content::whole(data)),
            },
            None => kind,
        };
        Ok(Entry {
            offset: offset as u64,
            path: Cow::Borrowed(path),
            kind,
            mode: header.mode & 0o7777,
            uid: header.uid,
            gid: header.gid,
            mtime: Time { seconds: i64::from(header.mtime), nanoseconds: 0 },
            atime: None,
            xattrs: Vec::new(),
        })
    }

    /// The first name of a file, if this is another one. Links to directories are what `.`
    /// and `..` count; links to symbolic links are not kept, as nobody keeps them.
    fn first_name(&mut self, header: &Header, format: u32, path: &'a [u8]) -> Option<&'a [u8]> {
        if header.nlink < 2 || matches!(format, 0o040000 | 0o120000) {
            return None;
        }
        match self.names.entry((format, header.file)) {
            Slot::Occupied(first) => Some(*first.get()),
            Slot::Vacant(slot) => {
                slot.insert(path);
                None
            }
        }
    }
}
