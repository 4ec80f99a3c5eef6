//! Records of pax's extended headers.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::checked;
use super::number::{decimal, time};
use super::sparse::Sparse;
use crate::{Attribute, Time, What};

/// What records said.
#[derive(Clone, Debug, Default)]
pub(super) struct Records<'a> {
    pub(super) path: Option<&'a [u8]>,
    pub(super) linkpath: Option<&'a [u8]>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Time>,
    pub(super) atime: Option<Time>,
    /// As they came.
    pub(super) xattrs: Vec<Attribute<'a>>,
    pub(super) sparse: Sparse<'a>,
}

impl<'a> Records<'a> {
    /// Takes in the records of a header; later ones win, and an empty value takes back.
    pub(super) fn take(&mut self, mut rest: &'a [u8]) -> Result<(), What> {
        while !rest.is_empty() {
            let (key, value, after) = split(rest).ok_or(What::Records)?;
            rest = after;
            let given = (!value.is_empty()).then_some(value);
            match key {
                b"path" => self.path = given,
                b"linkpath" => self.linkpath = given,
                b"size" => self.size = given.map(|value| decimal(value, "size")).transpose()?,
                b"uid" => self.uid = given.map(|value| decimal(value, "uid")).transpose()?,
                b"gid" => self.gid = given.map(|value| decimal(value, "gid")).transpose()?,
                b"mtime" => self.mtime = given.map(|value| time(value, "mtime")).transpose()?,
                b"atime" => self.atime = given.map(|value| time(value, "atime")).transpose()?,
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        let name = checked(name, "attribute's name")?;
                        self.xattrs.push((unescaped(name), Cow::Borrowed(value)));
                    } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                        self.sparse.take(key, given)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Forgets all that may be of any length, if it is longer than so many bytes: who takes the
    /// records over reads and copies that again.
    pub(super) fn limited(&mut self, limit: usize) -> Result<(), What> {
        let names = self.xattrs.iter().map(|(name, _)| name.len() + size_of::<Attribute<'_>>());
        let paths = [self.path, self.linkpath].into_iter().flatten().map(<[u8]>::len);
        if names.chain(paths).sum::<usize>() + self.sparse.weight() <= limit {
            return Ok(());
        }
        (self.path, self.linkpath) = (None, None);
        self.xattrs.clear();
        self.sparse = Sparse::default();
        Err(What::Metadata { limit })
    }
}

/// The first record: `LENGTH KEY=VALUE\n`, where the length is of all of it. tar-core's
/// iterator ends, as if there were no more, at a length that is no number.
fn split(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = records.iter().take(21).position(|byte| *byte == b' ')?;
    let len = decimal(&records[..digits], "length").ok()?;
    let (record, rest) = records.split_at_checked(usize::try_from(len).ok()?)?;
    let record = record.get(digits + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// An attribute's name: GNU tar writes `=` as `%3D`, and therefore `%` as `%25`.
fn unescaped(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'%') {
        return Cow::Borrowed(name);
    }
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, after @ ..] = rest {
        let (byte, after) = match rest {
            [b'%', b'3', b'D', after @ ..] => (b'=', after),
            [b'%', b'2', b'5', after @ ..] => (b'%', after),
            _ => (*first, after),
        };
        plain.push(byte);
        rest = after;
    }
    Cow::Owned(plain)
}
