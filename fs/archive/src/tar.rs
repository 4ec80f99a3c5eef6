//! tar: ustar, v7, GNU's, and pax.
//!
//! A walk over headers. Those of type `x`, `g`, `L` and `K` say more about the entry after
//! them (`g`: about all of them); what they say is collected in [`Pending`] until that entry
//! comes. Where the next header is, is settled before anything else of an entry is looked
//! at, so that one damaged entry need not end the walk.
//!
//! What stands in doubt is decided as GNU tar 1.34 does it, if nothing else is said:
//! * The first block of zeros ends the archive, and so does the archive's end where a header
//!   could be; what follows the zeros is not looked at.
//! * Types `0`, NUL and `7` are files, unless the path ends in a slash: then directories, as
//!   before POSIX; so are dump directories (`D`), whose list of names is passed over. Volume
//!   labels (`V`) and Solaris' additions to other entries (`A`, `E`, `I`) are passed over.
//!   A type that is nobody's is a file, as POSIX says.
//! * Extended headers (`x`, and Solaris' `X`) before one entry add up, the later record wins,
//!   and an empty value takes an earlier one back, so that the header's counts. A later `L`
//!   or `K` takes the place of an earlier one; a long name ends at its first NUL byte, or with
//!   its data. Global records count for all entries whose own headers follow.
//! * Only files have content; sizes of others say nothing (POSIX.1-2024 pax, ustar
//!   Interchange Format, size). A hard link has content in a pax archive only: if extended
//!   headers came before, or if what follows it is no header (as libarchive guesses).
//! * A checksum may be of signed bytes, as some old programs made it.
//! * Access control lists, and attributes in the notations of others than star and GNU tar
//!   (`SCHILY.xattr.`), are passed over like all records that are unknown.
//! * Access times of GNU headers, which GNU tar itself uses for dumps only, are not read.

mod number;
mod records;
mod sparse;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::mem::take;

use tar_core::{HEADER_SIZE, Header, USTAR_MAGIC};

use crate::{Content, Damage, Device, Entry, Kind, METADATA_LIMIT, Time, What};
use number::{number, unsigned};
use records::Records;

/// How long what global records say may be, in bytes: every entry takes it over.
const GLOBAL_LIMIT: usize = 4096;

/// The walk.
#[derive(Clone, Debug)]
pub(crate) struct Tar<'a> {
    bytes: &'a [u8],
    /// Where the next header is, at most at the end.
    at: usize,
    /// What counts for all that follow.
    globals: Records<'a>,
    /// Whether an extended header was seen.
    is_pax: bool,
    is_done: bool,
}

/// What extended headers say about the entry to come.
struct Pending<'a> {
    records: Records<'a>,
    long_name: Option<&'a [u8]>,
    long_link: Option<&'a [u8]>,
    /// The first of them.
    start: Option<usize>,
    /// Bytes in them.
    bytes: usize,
    /// What is wrong with one of them, and where.
    damage: Option<(usize, What)>,
}

/// Whether an archive begins with a tar header, its checksum included.
pub(crate) fn is_tar(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(is_checksum_right)
}

/// Whether an archive begins with what would be a tar header with a right checksum.
pub(crate) fn is_like_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

impl<'a> Tar<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Tar { bytes, at: 0, globals: Records::default(), is_pax: false, is_done: false }
    }

    /// The next entry, if there is one.
    pub(crate) fn next(&mut self) -> Option<Result<Entry<'a>, Damage>> {
        if self.is_done {
            return None;
        }
        let mut pending = Pending {
            records: self.globals.clone(),
            long_name: None,
            long_link: None,
            start: None,
            bytes: 0,
            damage: None,
        };
        loop {
            let offset = self.at;
            let header = match header_at(self.bytes, offset) {
                Ok(Some(header)) => header,
                Ok(None) => {
                    self.is_done = true;
                    let start = pending.start?;
                    return Some(Err(pending.damaged(start, None, What::Orphan)));
                }
                Err(what) => {
                    self.is_done = true;
                    return Some(Err(pending.damaged(offset, None, what)));
                }
            };
            let said = match header.as_ustar().typeflag[0] {
                flag @ (b'x' | b'X' | b'g' | b'L' | b'K') => {
                    self.extend(&mut pending, flag, header)
                }
                // Whatever came before it was about it.
                b'V' | b'A' | b'E' | b'I' => unsigned(&header.as_ustar().size, "size")
                    .and_then(|size| self.body(offset + HEADER_SIZE, size))
                    .map(|_| {
                        pending.records = self.globals.clone();
                        (pending.long_name, pending.long_link) = (None, None);
                        (pending.start, pending.bytes, pending.damage) = (None, 0, None);
                    }),
                flag => return Some(self.entry(pending, flag, header)),
            };
            if let Err(what) = said {
                self.is_done = true;
                return Some(Err(pending.damaged(offset, None, what)));
            }
        }
    }

    /// Takes in an extended header. An error is one after which nothing can be found.
    fn extend(
        &mut self,
        pending: &mut Pending<'a>,
        flag: u8,
        header: &'a Header,
    ) -> Result<(), What> {
        let offset = self.at;
        let size = unsigned(&header.as_ustar().size, "extended header's size")?;
        let body = self.body(offset + HEADER_SIZE, size)?;
        let said = match flag {
            b'g' => self.globals.take(body).and_then(|()| self.globals.limited(GLOBAL_LIMIT)),
            _ => {
                pending.bytes = pending.bytes.saturating_add(body.len());
                match flag {
                    _ if pending.bytes > METADATA_LIMIT => {
                        Err(What::Metadata { limit: METADATA_LIMIT })
                    }
                    b'L' => {
                        pending.long_name = Some(before_nul(body));
                        Ok(())
                    }
                    b'K' => {
                        pending.long_link = Some(before_nul(body));
                        Ok(())
                    }
                    _ => pending.records.take(body),
                }
            }
        };
        self.is_pax |= matches!(flag, b'x' | b'X' | b'g');
        if flag == b'g' && pending.start.is_none() {
            pending.records = self.globals.clone();
        } else if flag != b'g' {
            pending.start.get_or_insert(offset);
        }
        if let Err(what) = said {
            pending.damage.get_or_insert((offset, what));
        }
        Ok(())
    }

    /// An entry, whose header is the next.
    fn entry(
        &mut self,
        mut pending: Pending<'a>,
        flag: u8,
        header: &'a Header,
    ) -> Result<Entry<'a>, Damage> {
        let offset = self.at;
        let fields = header.as_ustar();
        let xattrs = take(&mut pending.records.xattrs);
        let records = &pending.records;
        let name = records.sparse.name.or(records.path).or(pending.long_name);
        let path = name.map_or_else(|| path(header), Cow::Borrowed);
        let damaged = |what| pending.damaged(offset, Some(&path), what);

        // Where its data are, and with that where the next header is.
        let start = offset + HEADER_SIZE;
        let mut map = 0;
        let found = match flag {
            b'1' if !self.has_link_content(header, records) => self.body(start, 0),
            b'2'..=b'6' => self.body(start, 0),
            _ => self.size(header, records).and_then(|size| {
                if flag == b'S' {
                    map = sparse::map_blocks(self.bytes, start, header)? * HEADER_SIZE;
                }
                self.body(start + map, size)
            }),
        };
        let data = found.map_err(|what| {
            self.is_done = true;
            damaged(what)
        })?;
        if let Some((offset, what)) = pending.damage {
            return Err(Damage { offset: offset as u64, ..damaged(what) });
        }

        let target = || {
            let link = records.linkpath.or(pending.long_link);
            checked(link.unwrap_or_else(|| header.link_name_bytes()), "link's target")
        };
        let device = || -> Result<Device, What> {
            let major = narrow(unsigned(&fields.dev_major, "device number")?, "device number")?;
            let minor = narrow(unsigned(&fields.dev_minor, "device number")?, "device number")?;
            Ok(Device { major, minor })
        };
        let kind = || -> Result<Kind<'a>, What> {
            Ok(match flag {
                b'1' => Kind::HardLink {
                    target: Cow::Borrowed(target()?),
                    content: (!data.is_empty()).then(|| Content::whole(data)),
                },
                b'2' => Kind::Symlink(Cow::Borrowed(target()?)),
                b'3' => Kind::CharDevice(device()?),
                b'4' => Kind::BlockDevice(device()?),
                b'5' | b'D' => Kind::Directory,
                b'6' => Kind::Fifo,
                b'M' => return Err(What::Continued),
                b'S' => Kind::File(sparse::old(header, &self.bytes[start..start + map], data)?),
                _ if records.sparse.is_sparse() => Kind::File(records.sparse.content(data)?),
                b'0' | b'7' | 0 if path.ends_with(b"/") => Kind::Directory,
                _ => Kind::File(Content::whole(data)),
            })
        };
        let owner = |record: Option<u64>, field: &[u8], name| {
            narrow(record.map_or_else(|| unsigned(field, name), Ok)?, name)
        };
        let described = || {
            checked(&path, "path")?;
            let mtime = match records.mtime {
                Some(mtime) => mtime,
                None => Time { seconds: number(&fields.mtime, "mtime")?, nanoseconds: 0 },
            };
            let uid = owner(records.uid, &fields.uid, "uid")?;
            let gid = owner(records.gid, &fields.gid, "gid")?;
            Ok((number(&fields.mode, "mode")?, uid, gid, mtime, kind()?))
        };
        let (mode, uid, gid, mtime, kind) = described().map_err(damaged)?;
        let (offset, mode, atime) = (offset as u64, (mode & 0o7777) as u32, records.atime);
        Ok(Entry { offset, path, kind, mode, uid, gid, mtime, atime, xattrs })
    }

    /// How many bytes of data an entry says it has.
    fn size(&self, header: &Header, records: &Records<'_>) -> Result<u64, What> {
        let size = records.size.map_or_else(|| unsigned(&header.as_ustar().size, "size"), Ok)?;
        if size > i64::MAX as u64 { Err(What::OutOfRange("size")) } else { Ok(size) }
    }

    /// Whether a hard link's size counts.
    fn has_link_content(&self, header: &Header, records: &Records<'_>) -> bool {
        header.as_ustar().magic == *USTAR_MAGIC
            && self.size(header, records) != Ok(0)
            && (self.is_pax || header_at(self.bytes, self.at + HEADER_SIZE).is_err())
    }

    /// The bytes of an extended header's or an entry's data; the next header is after them.
    fn body(&mut self, start: usize, size: u64) -> Result<&'a [u8], What> {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let padded = size.checked_next_multiple_of(HEADER_SIZE as u64);
        match padded.and_then(|padded| usize::try_from(padded).ok()) {
            Some(padded) if padded <= rest.len() => {
                self.at = start + padded;
                // Not longer than `padded`.
                Ok(&rest[..size as usize])
            }
            _ => Err(What::Truncated {
                needed: padded.unwrap_or(u64::MAX).saturating_add((start - self.at) as u64),
                found: (self.bytes.len() - self.at) as u64,
            }),
        }
    }
}

impl Pending<'_> {
    /// Damage of the entry that it is about.
    fn damaged(&self, offset: usize, path: Option<&[u8]>, what: What) -> Damage {
        let path = path.or(self.records.path).or(self.long_name);
        Damage { offset: offset as u64, entry: path.map(<[u8]>::to_vec), what }
    }
}

/// The header there; none where the archive ends.
fn header_at(bytes: &[u8], at: usize) -> Result<Option<&Header>, What> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(block) = rest.first_chunk::<HEADER_SIZE>() else {
        if is_zero(rest) {
            return Ok(None);
        }
        return Err(What::Truncated { needed: HEADER_SIZE as u64, found: rest.len() as u64 });
    };
    if is_zero(block) {
        return Ok(None);
    }
    if !is_checksum_right(block) {
        return Err(What::HeaderChecksum);
    }
    Ok(Some(Header::from_bytes(block)))
}

fn is_zero(bytes: &[u8]) -> bool {
    // Nearly all headers show it by their first byte.
    bytes.first().is_none_or(|first| *first == 0) && bytes.iter().all(|byte| *byte == 0)
}

/// Whether the checksum is that of the header's bytes, its own taken as spaces. Blocks of
/// zeros have none.
fn is_checksum_right(block: &[u8; HEADER_SIZE]) -> bool {
    const FIELD: core::ops::Range<usize> = 148..156;
    let field = &block[FIELD];
    if !field.iter().any(u8::is_ascii_digit) {
        return false;
    }
    let Ok(stated) = number(field, "checksum") else { return false };
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let unsigned = i64::from(sum(block) - sum(field)) + 8 * i64::from(b' ');
    // Each byte with its high bit set counts 256 less as a signed one.
    let high = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte >> 7)).sum::<u32>();
    stated == unsigned || stated == unsigned - 256 * i64::from(high(block) - high(field))
}

/// The path in a header: ustar's is in two parts.
fn path(header: &Header) -> Cow<'_, [u8]> {
    let (fields, name) = (header.as_ustar(), header.path_bytes());
    if fields.magic != *USTAR_MAGIC || fields.prefix[0] == 0 {
        return Cow::Borrowed(name);
    }
    let mut path = Vec::with_capacity(fields.prefix.len() + 1 + name.len());
    path.extend_from_slice(before_nul(&fields.prefix));
    path.push(b'/');
    path.extend_from_slice(name);
    Cow::Owned(path)
}

fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A path or a link's target, if it can be one.
pub(crate) fn checked<'a>(path: &'a [u8], name: &'static str) -> Result<&'a [u8], What> {
    if path.is_empty() {
        return Err(What::Empty(name));
    }
    if path.contains(&0) { Err(What::Nul(name)) } else { Ok(path) }
}

fn narrow(number: u64, name: &'static str) -> Result<u32, What> {
    number.try_into().map_err(|_| What::OutOfRange(name))
}
