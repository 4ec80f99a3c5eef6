//! What `mount(2)` is told about a mount and its file system: flags, and options in text.

use anchorite_fs::{AccessTime, Limits, PAGE_BYTES};
use bitflags::bitflags;

use crate::{Errno, Result};

bitflags! {
    /// What holds for one mount of a file system, by the bits that `statfs(2)` has for it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct MountFlags: u32 {
        /// Nothing can be changed by way of it.
        const READ_ONLY = libc::ST_RDONLY as u32;
        /// Set-ID bits are not honoured when a program is started, which nobody does here.
        const NO_SET_ID = libc::ST_NOSUID as u32;
        /// Devices cannot be opened.
        const NO_DEVICES = libc::ST_NODEV as u32;
        /// Nothing can be started.
        const NO_PROGRAMS = libc::ST_NOEXEC as u32;
        /// To read changes no access time …
        const NO_ACCESS_TIME = libc::ST_NOATIME as u32;
        /// … and to read a directory does not.
        const NO_DIRECTORY_ACCESS_TIME = libc::ST_NODIRATIME as u32;
        /// To read changes an access time that is older than the last change, or a day.
        const RELATIVE_ACCESS_TIME = libc::ST_RELATIME as u32;
    }
}

/// Flags of `mount(2)` about access times.
pub(crate) const MS_ACCESS: u64 =
    libc::MS_NOATIME | libc::MS_NODIRATIME | libc::MS_RELATIME | libc::MS_STRICTATIME;

impl MountFlags {
    /// As a new mount has them without being told.
    pub(crate) const DEFAULT: MountFlags = MountFlags::RELATIVE_ACCESS_TIME;

    const OF_ACCESS: MountFlags = MountFlags::NO_ACCESS_TIME
        .union(MountFlags::NO_DIRECTORY_ACCESS_TIME)
        .union(MountFlags::RELATIVE_ACCESS_TIME);

    /// What the flags of `mount(2)` ask for.
    pub(crate) fn of(flags: u64) -> MountFlags {
        let mut told = MountFlags::empty();
        if flags & libc::MS_NOATIME == 0 {
            told |= MountFlags::RELATIVE_ACCESS_TIME;
        }
        for (flag, means) in [
            (libc::MS_RDONLY, MountFlags::READ_ONLY),
            (libc::MS_NOSUID, MountFlags::NO_SET_ID),
            (libc::MS_NODEV, MountFlags::NO_DEVICES),
            (libc::MS_NOEXEC, MountFlags::NO_PROGRAMS),
            (libc::MS_NOATIME, MountFlags::NO_ACCESS_TIME),
            (libc::MS_NODIRATIME, MountFlags::NO_DIRECTORY_ACCESS_TIME),
        ] {
            if flags & flag != 0 {
                told |= means;
            }
        }
        if flags & libc::MS_STRICTATIME != 0 {
            told -= MountFlags::RELATIVE_ACCESS_TIME | MountFlags::NO_ACCESS_TIME;
        }
        told
    }

    /// What the flags of `mount(2)` with MS_REMOUNT make of these: what is about access times
    /// stays, unless they say something about that.
    pub(crate) fn remounted(self, flags: u64) -> MountFlags {
        let told = MountFlags::of(flags);
        if flags & MS_ACCESS != 0 {
            return told;
        }
        (told - MountFlags::OF_ACCESS) | (self & MountFlags::OF_ACCESS)
    }

    /// Their names in `/proc/mounts`, each after a comma; whether it is read-only is told
    /// apart.
    #[cold]
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let names = [
            (MountFlags::NO_SET_ID, ",nosuid"),
            (MountFlags::NO_DEVICES, ",nodev"),
            (MountFlags::NO_PROGRAMS, ",noexec"),
            (MountFlags::NO_ACCESS_TIME, ",noatime"),
            (MountFlags::NO_DIRECTORY_ACCESS_TIME, ",nodiratime"),
            (MountFlags::RELATIVE_ACCESS_TIME, ",relatime"),
        ];
        names.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }

    /// What reading does to the access time of a file, or of a directory.
    pub(crate) fn access_time(self, is_directory: bool) -> AccessTime {
        let none = MountFlags::READ_ONLY | MountFlags::NO_ACCESS_TIME;
        if self.intersects(none)
            || is_directory && self.contains(MountFlags::NO_DIRECTORY_ACCESS_TIME)
        {
            AccessTime::Keep
        } else if self.contains(MountFlags::RELATIVE_ACCESS_TIME) {
            AccessTime::Update
        } else {
            AccessTime::Always
        }
    }
}

/// Options in text: names, or names and values, with commas between them.
#[derive(Clone, Copy)]
pub(crate) struct Data<'a>(pub(crate) &'a [u8]);

impl<'a> Data<'a> {
    /// Each option with its value, but for those that any file system knows.
    pub(crate) fn options(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.all().filter(|(name, value)| value.is_some() || !is_common(name))
    }

    /// Whether the file system is to be read-only; none if nothing says so.
    pub(crate) fn read_only(self) -> Option<bool> {
        let told = self.all().filter_map(|(name, value)| match (name, value) {
            (b"ro", None) => Some(true),
            (b"rw", None) => Some(false),
            _ => None,
        });
        told.last()
    }

    fn all(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let options = self.0.split(|&byte| byte == b',').filter(|option| !option.is_empty());
        options.map(|option| match option.iter().position(|&byte| byte == b'=') {
            Some(at) => (&option[..at], Some(&option[at + 1..])),
            None => (option, None),
        })
    }
}

/// Options that Linux takes for any file system (`fs/fs_context.c`). All but the first two are
/// about when disks are written, of which there are none.
fn is_common(name: &[u8]) -> bool {
    const COMMON: [&[u8]; 9] = [
        b"ro",
        b"rw",
        b"sync",
        b"async",
        b"dirsync",
        b"lazytime",
        b"nolazytime",
        b"mand",
        b"nomand",
    ];
    COMMON.contains(&name)
}

/// What a ramdisk is told by its options: `tmpfs(5)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RamdiskOptions {
    pub(crate) size_bytes: Option<u64>,
    pub(crate) inodes: Option<u64>,
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl RamdiskOptions {
    /// `size`, `nr_blocks`, `nr_inodes`, `mode`, `uid`, `gid`; `inode32` and `inode64`, which
    /// mean nothing here. `memory_bytes` is what `size=…%` is a part of.
    ///
    /// # Errors
    /// EINVAL for others, and for values that are none.
    #[cold]
    pub(crate) fn parse(data: Data<'_>, memory_bytes: u64) -> Result<RamdiskOptions> {
        let mut told = RamdiskOptions::default();
        for (name, value) in data.options() {
            match (name, value) {
                (b"size", Some(value)) => told.size_bytes = Some(size(value, memory_bytes)?),
                (b"nr_blocks", Some(value)) => {
                    let pages = whole_quantity(value)?;
                    let bytes = pages.checked_mul(PAGE_BYTES as u64).ok_or(Errno::EINVAL)?;
                    told.size_bytes = Some(or_none(bytes));
                }
                (b"nr_inodes", Some(value)) => {
                    told.inodes = Some(or_none(whole_quantity(value)?));
                }
                (b"mode", Some(value)) => told.mode = Some(mode(value)?),
                (b"uid", Some(value)) => told.uid = Some(id(value)?),
                (b"gid", Some(value)) => told.gid = Some(id(value)?),
                (b"inode32" | b"inode64", None) => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(told)
    }
}

/// Permissions, in octal digits.
///
/// # Errors
/// EINVAL for what is no number.
pub(crate) fn mode(value: &[u8]) -> Result<u32> {
    Ok(number(value, 8)? & 0o7777)
}

#[cold]
fn id(value: &[u8]) -> Result<u32> {
    let (base, digits) = match value {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', digits @ ..] if !digits.is_empty() => (8, digits),
        digits => (10, digits),
    };
    number(digits, base).and_then(|id| if id == u32::MAX { Err(Errno::EINVAL) } else { Ok(id) })
}

#[cold]
fn number(value: &[u8], base: u32) -> Result<u32> {
    let text = core::str::from_utf8(value).map_err(|_| Errno::EINVAL)?;
    u32::from_str_radix(text, base).map_err(|_| Errno::EINVAL)
}

/// A size in whole pages; 0 is for no limit.
#[cold]
fn size(value: &[u8], memory_bytes: u64) -> Result<u64> {
    let (bytes, rest) = quantity(value);
    let bytes = match rest {
        b"" => bytes,
        b"%" => u64::try_from(u128::from(bytes) * u128::from(memory_bytes) / 100)
            .map_err(|_| Errno::EINVAL)?,
        _ => return Err(Errno::EINVAL),
    };
    let pages = bytes.div_ceil(PAGE_BYTES as u64);
    Ok(or_none(pages.saturating_mul(PAGE_BYTES as u64)))
}

fn or_none(limit: u64) -> u64 {
    if limit == 0 { Limits::NONE } else { limit }
}

/// # Errors
/// EINVAL for what is more than a quantity, or less.
fn whole_quantity(value: &[u8]) -> Result<u64> {
    match quantity(value) {
        (quantity, b"") => Ok(quantity),
        _ => Err(Errno::EINVAL),
    }
}

/// The number that `value` begins with, in decimal, octal or hexadecimal digits, times what a
/// letter after it stands for; and what follows. As Linux has it (`lib/cmdline.c`, memparse):
/// no digits are 0.
#[cold]
fn quantity(value: &[u8]) -> (u64, &[u8]) {
    let (base, digits) = match value {
        [b'0', b'x' | b'X', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, digits)
        }
        [b'0', ..] => (8, value),
        _ => (10, value),
    };
    let mut number: u64 = 0;
    let mut len = 0;
    while let Some(digit) = digits.get(len).and_then(|&byte| char::from(byte).to_digit(base)) {
        number = number.wrapping_mul(base.into()).wrapping_add(digit.into());
        len += 1;
    }
    let rest = &digits[len..];
    let powers: [&[u8; 2]; 6] = [b"kK", b"mM", b"gG", b"tT", b"pP", b"eE"];
    let unit = rest.first().and_then(|unit| powers.iter().position(|both| both.contains(unit)));
    match unit {
        Some(power) => (number.wrapping_shl(10 * (power as u32 + 1)), &rest[1..]),
        None => (number, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: u64 = 1 << 30;

    fn parse(data: &str) -> Result<RamdiskOptions> {
        RamdiskOptions::parse(Data(data.as_bytes()), MEMORY)
    }

    #[test]
    fn sizes_are_whole_pages_with_units_or_parts_of_memory() {
        let size = |text| parse(text).map(|told| told.size_bytes);
        for (text, bytes) in [
            ("size=1", 4096),
            ("size=4097", 8192),
            ("size=64k", 64 << 10),
            ("size=2M", 2 << 20),
            ("size=1g", 1 << 30),
            ("size=0x10k", 16 << 10),
            ("size=010k", 8 << 10),
            ("size=50%", MEMORY / 2),
            ("size=0", Limits::NONE),
            ("size=", Limits::NONE),
            ("nr_blocks=3", 3 * 4096),
            ("nr_blocks=1k", 4 << 20),
            ("size=1,nr_blocks=2", 8192),
            (",,size=1,,", 4096),
        ] {
            assert_eq!(size(text), Ok(Some(bytes)), "{text}");
        }
        for text in ["size=x", "size=1kk", "size=1%%", "size=-1", "size", "size=1 ", "Size=1"] {
            assert_eq!(size(text), Err(Errno::EINVAL), "{text}");
        }
    }

    #[test]
    fn other_options_are_told_or_refused() {
        let told = parse("nr_inodes=10,mode=750,uid=1,gid=0x10,ro,inode64").unwrap();
        let expected = RamdiskOptions {
            inodes: Some(10),
            mode: Some(0o750),
            uid: Some(1),
            gid: Some(16),
            size_bytes: None,
        };
        assert_eq!(told, expected);
        for text in [
            "mode=8",
            "mode",
            "uid=-1",
            "uid=4294967295",
            "uid=x",
            "what",
            "ro=1",
            "=",
            "nr_inodes=1x",
        ] {
            assert_eq!(parse(text), Err(Errno::EINVAL), "{text}");
        }
        assert_eq!(Data(b"ro,size=1").read_only(), Some(true));
        assert_eq!(Data(b"ro,rw").read_only(), Some(false));
        assert_eq!(Data(b"size=1").read_only(), None);
    }

    #[test]
    fn access_times_are_relative_unless_told_otherwise() {
        let access = |flags, is_directory| MountFlags::of(flags).access_time(is_directory);
        assert_eq!(access(0, false), AccessTime::Update);
        assert_eq!(access(libc::MS_NOATIME, false), AccessTime::Keep);
        assert_eq!(access(libc::MS_STRICTATIME, false), AccessTime::Always);
        assert_eq!(access(libc::MS_NODIRATIME, false), AccessTime::Update);
        assert_eq!(access(libc::MS_NODIRATIME, true), AccessTime::Keep);
        assert_eq!(access(libc::MS_RDONLY | libc::MS_STRICTATIME, false), AccessTime::Keep);
        let kept = MountFlags::of(libc::MS_NOATIME).remounted(libc::MS_RDONLY);
        assert_eq!(kept, MountFlags::NO_ACCESS_TIME | MountFlags::READ_ONLY);
        let changed = MountFlags::of(libc::MS_NOATIME).remounted(libc::MS_RELATIME);
        assert_eq!(changed, MountFlags::RELATIVE_ACCESS_TIME);
    }
}
