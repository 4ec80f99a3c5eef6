//! pax tar, as a stream.
//!
//! A header of ustar's holds what fits it; the rest is in records of an extended header
//! before it: sizes from 8 GiB, owners from 2,097,152, times with nanoseconds or before the
//! epoch, extended attributes, paths that are too long. Files with holes are in GNU's format
//! 1.0. Nothing is collected: records are counted first, and then passed on.
//!
//! A long path that is not ASCII stands in a long-name entry of GNU's instead: of pax
//! records, libarchive expects UTF-8 or warns, unless `hdrcharset` says otherwise, over which
//! GNU tar warns. Both take GNU's entries, which hold bytes, in silence.

use core::fmt::{self, Display, Formatter};

use tar_core::{EntryType, HEADER_SIZE, Header};

use crate::tar::checked;
use crate::{Attribute, Device, METADATA_LIMIT, PIECES_LIMIT, Time, What};

/// The most that a field of 8 bytes and one of 12 hold.
const MOST_IN_8: u64 = 0o7777777;
const MOST_IN_12: u64 = 0o77777777777;
static ZEROS: [u8; HEADER_SIZE] = [0; HEADER_SIZE];

/// An entry to write.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its path: not empty, no NUL byte in it, and no slash at a file's end.
    pub path: &'a [u8],
    /// What it is.
    pub body: Body<'a>,
    /// Permission bits, set-ID bits and the sticky bit.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// When the content changed last.
    pub mtime: Time,
    /// When it was read last, if that is to be told.
    pub atime: Option<Time>,
    /// Extended attributes.
    pub xattrs: &'a [Attribute<'a>],
}

/// What an entry is. There are no sockets in tar: leave them out, as GNU tar does.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A regular file; its bytes are passed to [`Writer::data`] afterwards.
    File {
        /// How many; at most `i64::MAX`.
        size: u64,
    },
    /// A file with holes; the bytes of its pieces are passed to [`Writer::data`] afterwards.
    Sparse {
        /// The file's size, holes included; at most `i64::MAX`.
        size: u64,
        /// Offsets and lengths of its pieces: in order, disjoint, within the size, at most
        /// [`PIECES_LIMIT`]. All lengths but the last are multiples of 512: GNU tar
        /// looks for each piece in a block of its own.
        map: &'a [(u64, u64)],
    },
    /// Another name of the entry with this path, which was written before.
    HardLink(&'a [u8]),
    /// A directory.
    Directory,
    /// A symbolic link to this path.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
    /// A character device, with numbers below 2,097,152.
    CharDevice(Device),
    /// A block device, likewise.
    BlockDevice(Device),
}

/// Writes an archive to a sink, entry by entry.
///
/// ```
/// use anchorite_archive::{Body, Member, Time, Writer};
///
/// let mut archive = Vec::new();
/// let mut writer = Writer::new(|bytes: &[u8]| {
///     archive.extend_from_slice(bytes);
///     Ok::<_, ()>(())
/// });
/// let mtime = Time { seconds: 1_700_000_000, nanoseconds: 0 };
/// let member = Member {
///     path: b"greeting",
///     body: Body::File { size: 5 },
///     mode: 0o644,
///     uid: 0,
///     gid: 0,
///     mtime,
///     atime: None,
///     xattrs: &[],
/// };
/// writer.begin(&member).unwrap();
/// writer.data(b"hello").unwrap();
/// writer.finish().unwrap();
/// assert_eq!(archive.len(), 4 * 512);
/// ```
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    /// Bytes of the entry's content that are still to come.
    owed: u64,
    /// Zeros after them.
    padding: usize,
}

/// Why an archive could not be written. It cannot be gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError<E> {
    /// What the sink said.
    Sink(E),
    /// An entry that cannot be in an archive; nothing of it was written.
    Entry(What),
    /// Content came that was not announced: so many bytes.
    Surplus(u64),
    /// Announced content did not come: so many bytes.
    Missing(u64),
}

impl<E: Display> Display for WriteError<E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Sink(error) => error.fmt(f),
            WriteError::Entry(what) => what.fmt(f),
            WriteError::Surplus(bytes) => write!(f, "its content has {bytes} bytes too many"),
            WriteError::Missing(bytes) => write!(f, "its content has {bytes} bytes too few"),
        }
    }
}

impl<E: fmt::Debug + Display> core::error::Error for WriteError<E> {}

impl<E> From<What> for WriteError<E> {
    fn from(what: What) -> Self {
        WriteError::Entry(what)
    }
}

/// The sink said no.
struct Stopped;

/// Takes bytes of the archive. What a sink's error is, is none of a plan's business: so its code
/// is there once, whatever the sinks.
type Out<'o> = &'o mut dyn FnMut(&[u8]) -> Result<(), Stopped>;

impl<S, E> Writer<S>
where
    S: FnMut(&[u8]) -> Result<(), E>,
{
    /// An archive without entries so far.
    pub fn new(sink: S) -> Self {
        Writer { sink, owed: 0, padding: 0 }
    }

    /// Begins an entry: writes all of it but its content.
    ///
    /// # Errors
    /// [`WriteError::Missing`] for the entry before; [`WriteError::Entry`];
    /// [`WriteError::Sink`].
    pub fn begin(&mut self, member: &Member<'_>) -> Result<(), WriteError<E>> {
        self.settled()?;
        let plan = Plan::new(member)?;
        let mut said = Ok(());
        let written = plan.write(&mut |bytes| {
            said = (self.sink)(bytes);
            said.as_ref().map_err(|_| Stopped).copied()
        });
        said.map_err(WriteError::Sink)?;
        debug_assert!(written.is_ok(), "only the sink stops it");
        self.owed = plan.data;
        // Of the map of a sparse file, whole blocks are written already.
        self.padding = padding(plan.data);
        Ok(())
    }

    /// Writes a piece of the entry's content. Of a file with holes, that is its pieces one
    /// after another, without the holes.
    ///
    /// # Errors
    /// [`WriteError::Surplus`], before anything is written; [`WriteError::Sink`].
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), WriteError<E>> {
        let len = bytes.len() as u64;
        let owed =
            self.owed.checked_sub(len).ok_or(WriteError::Surplus(len - self.owed.min(len)))?;
        if len > 0 {
            (self.sink)(bytes).map_err(WriteError::Sink)?;
        }
        self.owed = owed;
        if owed == 0 && self.padding > 0 {
            (self.sink)(&ZEROS[..self.padding]).map_err(WriteError::Sink)?;
            self.padding = 0;
        }
        Ok(())
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// [`WriteError::Missing`] for the last entry; [`WriteError::Sink`].
    pub fn finish(mut self) -> Result<(), WriteError<E>> {
        self.settled()?;
        for _ in 0..2 {
            (self.sink)(&ZEROS).map_err(WriteError::Sink)?;
        }
        Ok(())
    }

    /// Whether an entry's content is complete.
    fn settled(&self) -> Result<(), WriteError<E>> {
        if self.owed > 0 { Err(WriteError::Missing(self.owed)) } else { Ok(()) }
    }
}

fn padding(len: u64) -> usize {
    // Below a block.
    (len.wrapping_neg() % HEADER_SIZE as u64) as usize
}

/// Where a path or a link's target goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Into the header, the first so many bytes as ustar's prefix.
    Header(usize),
    /// Into a record.
    Record,
    /// Into an entry of GNU's.
    Gnu,
}

/// How an entry is written.
struct Plan<'a> {
    member: &'a Member<'a>,
    path: Place,
    target: &'a [u8],
    target_place: Place,
    /// Bytes of records.
    records: u64,
    /// Bytes of a sparse file's map.
    map: u64,
    /// Bytes of content to come.
    data: u64,
}

impl<'a> Plan<'a> {
    // As with the reader, images have it and `write` compiled for size.
    #[inline(never)]
    fn new(member: &'a Member<'a>) -> Result<Self, What> {
        let path = checked(member.path, "path")?;
        let target = match member.body {
            Body::HardLink(target) | Body::Symlink(target) => checked(target, "link's target")?,
            _ => b"",
        };
        let (path_place, target_place) = (place(path, 155), place(target, 0));
        let (mut map, mut data) = (0, 0);
        match member.body {
            Body::File { size } => data = size,
            Body::Sparse { size, map: pieces } => {
                data = check_map(size, pieces)?;
                let _ = each_line(size, pieces, &mut counter(&mut map));
            }
            Body::CharDevice(Device { major, minor })
            | Body::BlockDevice(Device { major, minor })
                if u64::from(major.max(minor)) > MOST_IN_8 =>
            {
                return Err(What::OutOfRange("device number"));
            }
            _ => {}
        }
        let is_file = matches!(member.body, Body::File { .. } | Body::Sparse { .. });
        if is_file && path.ends_with(b"/") {
            return Err(What::Type);
        }
        // The whole of an entry is to have a size.
        if data > i64::MAX as u64 - (map + 2 * HEADER_SIZE as u64) {
            return Err(What::OutOfRange("size"));
        }
        for (name, _) in member.xattrs {
            checked(name, "attribute's name")?;
        }
        let mut plan =
            Plan { member, path: path_place, target, target_place, records: 0, map, data };
        let mut records = 0;
        let _ = plan.each_record(&mut counter(&mut records));
        plan.records = records;
        let names =
            |place, name: &[u8]| if place == Place::Gnu { name.len() as u64 + 1 } else { 0 };
        let metadata = records + names(path_place, path) + names(target_place, target);
        if metadata > METADATA_LIMIT as u64 {
            return Err(What::Metadata { limit: METADATA_LIMIT });
        }
        Ok(plan)
    }

    #[inline(never)]
    fn write(&self, out: Out<'_>) -> Result<(), Stopped> {
        let names = [
            (self.path, self.member.path, EntryType::GnuLongName),
            (self.target_place, self.target, EntryType::GnuLongLink),
        ];
        for (place, name, entry_type) in names {
            if place == Place::Gnu {
                let len = name.len() as u64 + 1;
                extension(&[b"././@LongLink"], entry_type, len, out)?;
                out(name)?;
                out(&[0])?;
                out(&ZEROS[..padding(len)])?;
            }
        }
        if self.records > 0 {
            // For programs that take it for a file, beside the entry's own name.
            let last = self.member.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let last = &last[..last.len().min(80)];
            extension(&[b"PaxHeaders/", last], EntryType::XHeader, self.records, out)?;
            self.each_record(out)?;
            out(&ZEROS[..padding(self.records)])?;
        }
        out(self.header().as_bytes())?;
        if let Body::Sparse { size, map } = self.member.body {
            each_line(size, map, out)?;
            out(&ZEROS[..padding(self.map)])?;
        }
        Ok(())
    }

    /// The size in the header: of all that follows it.
    fn stored(&self) -> u64 {
        self.map + padding(self.map) as u64 + self.data
    }

    fn header(&self) -> Header {
        let member = self.member;
        let mut header = Header::new_ustar();
        let fields = header.as_ustar_mut();
        match self.path {
            Place::Header(0) => fill(&mut fields.name, member.path),
            Place::Header(prefix) => {
                fill(&mut fields.prefix, &member.path[..prefix]);
                fill(&mut fields.name, &member.path[prefix + 1..]);
            }
            _ => fill(&mut fields.name, member.path),
        }
        fill(&mut fields.linkname, self.target);
        octal(&mut fields.mode, u64::from(member.mode & 0o7777));
        octal(&mut fields.uid, u64::from(member.uid).min(MOST_IN_8));
        octal(&mut fields.gid, u64::from(member.gid).min(MOST_IN_8));
        octal(&mut fields.size, self.stored().min(MOST_IN_12));
        octal(&mut fields.mtime, member.mtime.seconds.clamp(0, MOST_IN_12 as i64) as u64);
        let (entry_type, device) = match member.body {
            Body::File { .. } | Body::Sparse { .. } => (EntryType::Regular, None),
            Body::HardLink(_) => (EntryType::Link, None),
            Body::Directory => (EntryType::Directory, None),
            Body::Symlink(_) => (EntryType::Symlink, None),
            Body::Fifo => (EntryType::Fifo, None),
            Body::CharDevice(device) => (EntryType::Char, Some(device)),
            Body::BlockDevice(device) => (EntryType::Block, Some(device)),
        };
        let Device { major, minor } = device.unwrap_or(Device { major: 0, minor: 0 });
        octal(&mut fields.dev_major, u64::from(major));
        octal(&mut fields.dev_minor, u64::from(minor));
        header.set_entry_type(entry_type);
        header.set_checksum();
        header
    }

    fn each_record(&self, out: Out<'_>) -> Result<(), Stopped> {
        let member = self.member;
        let mut number = |key: &str, value: u64, limit: u64| match value > limit {
            true => record(&[key.as_bytes()], Number::new(value).digits(), out),
            false => Ok(()),
        };
        number("size", self.stored(), MOST_IN_12)?;
        number("uid", u64::from(member.uid), MOST_IN_8)?;
        number("gid", u64::from(member.gid), MOST_IN_8)?;
        if let Body::Sparse { size, .. } = member.body {
            record(&[b"GNU.sparse.major"], b"1", out)?;
            record(&[b"GNU.sparse.minor"], b"0", out)?;
            record(&[b"GNU.sparse.realsize"], Number::new(size).digits(), out)?;
        }
        if self.path == Place::Record {
            record(&[b"path"], member.path, out)?;
        }
        if self.target_place == Place::Record {
            record(&[b"linkpath"], self.target, out)?;
        }
        let Time { seconds, nanoseconds } = member.mtime;
        if nanoseconds > 0 || !(0..=MOST_IN_12 as i64).contains(&seconds) {
            time_record(b"mtime", member.mtime, out)?;
        }
        if let Some(atime) = member.atime {
            time_record(b"atime", atime, out)?;
        }
        for (name, value) in member.xattrs {
            xattr_record(name, value, out)?;
        }
        Ok(())
    }
}

/// Counts the bytes that it takes, and never stops.
fn counter(count: &mut u64) -> impl FnMut(&[u8]) -> Result<(), Stopped> {
    |bytes| {
        *count += bytes.len() as u64;
        Ok(())
    }
}

/// Where a name goes, if a prefix of so many bytes and a slash may be split off.
fn place(name: &[u8], prefix: usize) -> Place {
    const NAME: usize = 100;
    if name.len() <= NAME {
        return Place::Header(0);
    }
    let splits = name.len().saturating_sub(NAME + 1)..name.len().min(prefix + 1);
    // Both parts have something in them.
    let mut splits = splits.filter(|at| *at > 0 && *at + 1 < name.len() && name[*at] == b'/');
    match splits.next() {
        Some(at) => Place::Header(at),
        None if name.is_ascii() => Place::Record,
        None => Place::Gnu,
    }
}

/// How many bytes are in the pieces of a file with holes.
fn check_map(size: u64, map: &[(u64, u64)]) -> Result<u64, What> {
    if size > i64::MAX as u64 {
        return Err(What::OutOfRange("size"));
    }
    if map.len() >= PIECES_LIMIT {
        return Err(What::Sparse("has too many pieces"));
    }
    let (mut end, mut sum) = (0, 0);
    for (at, &(offset, len)) in map.iter().enumerate() {
        if offset < end {
            return Err(What::Sparse("overlaps itself or is out of order"));
        }
        let within = offset.checked_add(len).filter(|end| *end <= size);
        end = within.ok_or(What::Sparse("reaches past the file's end"))?;
        if at + 1 < map.len() && !len.is_multiple_of(HEADER_SIZE as u64) {
            return Err(What::Sparse("has a piece that ends within a block of 512 bytes"));
        }
        // Not more than the size.
        sum += len;
    }
    Ok(sum)
}

/// The lines of a sparse file's map. An empty piece at the end tells GNU tar how long a file
/// is that ends in a hole.
fn each_line(size: u64, map: &[(u64, u64)], out: Out<'_>) -> Result<(), Stopped> {
    let mut line = |value: u64| {
        out(Number::new(value).digits())?;
        out(b"\n")
    };
    let is_open = map.last().is_none_or(|(offset, len)| offset + len < size);
    line(map.len() as u64 + u64::from(is_open))?;
    let end = is_open.then_some((size, 0));
    for (offset, len) in map.iter().copied().chain(end) {
        line(offset)?;
        line(len)?;
    }
    Ok(())
}

/// The header of an entry that says something about the next one.
fn extension(
    name: &[&[u8]],
    entry_type: EntryType,
    size: u64,
    out: Out<'_>,
) -> Result<(), Stopped> {
    let mut header = Header::new_ustar();
    let fields = header.as_ustar_mut();
    let bytes = name.iter().copied().flatten();
    for (to, from) in fields.name.iter_mut().zip(bytes) {
        *to = *from;
    }
    octal(&mut fields.mode, 0o644);
    octal(&mut fields.uid, 0);
    octal(&mut fields.gid, 0);
    octal(&mut fields.size, size);
    octal(&mut fields.mtime, 0);
    header.set_entry_type(entry_type);
    header.set_checksum();
    out(header.as_bytes())
}

/// One record; its key is in pieces.
fn record(key: &[&[u8]], value: &[u8], out: Out<'_>) -> Result<(), Stopped> {
    let key_len: usize = key.iter().map(|piece| piece.len()).sum();
    // A space, an equals sign and a newline; and as many digits as the sum has.
    let rest = (key_len + value.len() + 3) as u64;
    let mut len = rest + 1;
    while rest + Number::new(len).digits().len() as u64 > len {
        len += 1;
    }
    out(Number::new(len).digits())?;
    out(b" ")?;
    for piece in key {
        out(piece)?;
    }
    out(b"=")?;
    out(value)?;
    out(b"\n")
}

/// An attribute's record: GNU tar writes an equals sign in a name as `%3D`.
fn xattr_record(name: &[u8], value: &[u8], out: Out<'_>) -> Result<(), Stopped> {
    const PREFIX: &[u8] = b"SCHILY.xattr.";
    if !name.iter().any(|byte| matches!(byte, b'=' | b'%')) {
        return record(&[PREFIX, name], value, out);
    }
    let escape = |byte: &u8| match byte {
        b'=' => *b"%3D",
        b'%' => *b"%25",
        _ => [*byte, 0, 0],
    };
    let escaped: alloc::vec::Vec<u8> =
        name.iter().flat_map(escape).filter(|byte| *byte != 0).collect();
    record(&[PREFIX, &escaped], value, out)
}

fn time_record(key: &[u8], time: Time, out: Out<'_>) -> Result<(), Stopped> {
    const BILLION: u32 = 1_000_000_000;
    let nanoseconds = time.nanoseconds.min(BILLION - 1);
    // As a sign, and a number of seconds away from the epoch.
    let (sign, whole, fraction) = match (time.seconds, nanoseconds) {
        (0.., _) => (&b""[..], time.seconds.unsigned_abs(), nanoseconds),
        (_, 0) => (&b"-"[..], time.seconds.unsigned_abs(), 0),
        _ => (&b"-"[..], time.seconds.unsigned_abs() - 1, BILLION - nanoseconds),
    };
    let mut value = [0; 32];
    let mut len = 0;
    // A one before the nine digits keeps their zeros.
    let fraction = Number::new(u64::from(fraction + BILLION));
    for part in [sign, Number::new(whole).digits(), b".", &fraction.digits()[1..]] {
        value[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    record(&[key], &value[..len], out)
}

/// As much of a name as a field holds.
fn fill(field: &mut [u8], name: &[u8]) {
    let len = name.len().min(field.len());
    field[..len].copy_from_slice(&name[..len]);
}

/// A number in a field, which holds it: octal digits and a NUL byte.
fn octal(field: &mut [u8], mut value: u64) {
    if let Some((_, digits)) = field.split_last_mut() {
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (value & 7) as u8;
            value >>= 3;
        }
    }
}

/// A number's decimal digits.
struct Number([u8; 20], usize);

impl Number {
    fn new(mut value: u64) -> Self {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return Number(digits, start);
            }
        }
    }

    fn digits(&self) -> &[u8] {
        &self.0[self.1..]
    }
}
