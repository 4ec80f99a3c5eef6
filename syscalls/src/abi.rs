//! Linux's structures on x86-64, made from the ramdisk's.

use anchorite_fs::{
    Attributes, FileType, Limits, Listed, NAME_MAX, PAGE_BYTES, Sink, Timestamp, Usage,
};

/// `st_dev` of what is open and no file: an instance of inotify. On Linux it has no type.
pub(crate) const ANONYMOUS_DEVICE: u64 = crate::proc::DEVICE + 1;

/// Type and permissions.
fn mode(attributes: &Attributes) -> u32 {
    match attributes.device {
        ANONYMOUS_DEVICE => attributes.mode,
        _ => attributes.file_type as u32 | attributes.mode,
    }
}

/// `struct stat`, as `stat(2)` describes it.
pub(crate) fn stat(attributes: &Attributes) -> libc::stat {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    stat.st_dev = attributes.device;
    stat.st_ino = attributes.ino.0;
    stat.st_nlink = attributes.nlink.into();
    stat.st_mode = mode(attributes);
    stat.st_uid = attributes.uid;
    stat.st_gid = attributes.gid;
    stat.st_rdev = attributes.rdev;
    stat.st_size = attributes.size as i64;
    stat.st_blksize = PAGE_BYTES as i64;
    stat.st_blocks = attributes.blocks as i64;
    (stat.st_atime, stat.st_atime_nsec) = split(attributes.atime);
    (stat.st_mtime, stat.st_mtime_nsec) = split(attributes.mtime);
    (stat.st_ctime, stat.st_ctime_nsec) = split(attributes.ctime);
    stat
}

/// The attributes that a host's `struct stat` tells. What is no type that Linux has
/// is taken for a regular file.
pub(crate) fn attributes(stat: &libc::stat) -> Attributes {
    let time = |seconds, nanoseconds: i64| Timestamp::new(seconds, nanoseconds as u32);
    let types = [
        FileType::Directory,
        FileType::Symlink,
        FileType::Fifo,
        FileType::Socket,
        FileType::CharDevice,
        FileType::BlockDevice,
    ];
    let format = stat.st_mode & libc::S_IFMT;
    let file_type = types.into_iter().find(|&known| known as u32 == format);
    Attributes {
        device: stat.st_dev,
        ino: anchorite_fs::InodeNo(stat.st_ino),
        file_type: file_type.unwrap_or(FileType::Regular),
        mode: stat.st_mode & 0o7777,
        nlink: stat.st_nlink as u32,
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev,
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        btime: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// `struct statfs`, as `statfs(2)` describes it, in pages. Where there is no limit there is
/// nothing to tell.
pub(crate) fn statfs(magic: i64, flags: i64, usage: Option<&Usage>) -> libc::statfs64 {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut statfs: libc::statfs64 = unsafe { core::mem::zeroed() };
    statfs.f_type = magic;
    statfs.f_bsize = PAGE_BYTES as i64;
    statfs.f_frsize = PAGE_BYTES as i64;
    statfs.f_namelen = NAME_MAX as i64;
    statfs.f_flags = flags;
    let Some(Usage { limits, pages, inodes }) = usage else { return statfs };
    if limits.size_bytes != Limits::NONE {
        statfs.f_blocks = limits.size_bytes / PAGE_BYTES as u64;
        statfs.f_bfree = statfs.f_blocks.saturating_sub(*pages);
        statfs.f_bavail = statfs.f_bfree;
    }
    if limits.inodes != Limits::NONE {
        statfs.f_files = limits.inodes;
        statfs.f_ffree = statfs.f_files.saturating_sub(*inodes);
    }
    statfs
}

/// `struct statx`, as `statx(2)` describes it, with the birth time.
pub(crate) fn statx(attributes: &Attributes) -> libc::statx {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut statx: libc::statx = unsafe { core::mem::zeroed() };
    let time = |time: Timestamp| {
        // SAFETY: as above.
        let mut stamp: libc::statx_timestamp = unsafe { core::mem::zeroed() };
        stamp.tv_sec = time.seconds();
        stamp.tv_nsec = time.nanoseconds();
        stamp
    };
    statx.stx_mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    statx.stx_blksize = PAGE_BYTES as u32;
    statx.stx_nlink = attributes.nlink;
    statx.stx_uid = attributes.uid;
    statx.stx_gid = attributes.gid;
    statx.stx_mode = mode(attributes) as u16;
    statx.stx_ino = attributes.ino.0;
    statx.stx_size = attributes.size;
    statx.stx_blocks = attributes.blocks;
    statx.stx_atime = time(attributes.atime);
    statx.stx_btime = time(attributes.btime);
    statx.stx_ctime = time(attributes.ctime);
    statx.stx_mtime = time(attributes.mtime);
    (statx.stx_rdev_major, statx.stx_rdev_minor) = device(attributes.rdev);
    (statx.stx_dev_major, statx.stx_dev_minor) = device(attributes.device);
    statx
}

/// The two layouts of a directory entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dirent {
    /// `struct linux_dirent64`: the type before the name.
    Dirent64,
    /// `struct linux_dirent`: the type in the record's last byte.
    Dirent,
}

/// Bytes of a record before type and name.
const HEAD: usize = 18;

/// Puts a directory entry (`getdents(2)`) to a sink of one range; false if it has no room.
#[allow(unsafe_code)]
pub(crate) fn put_dirent(layout: Dirent, listed: &Listed<'_>, sink: &mut Sink<'_>) -> bool {
    // Both layouts have one byte for the type and one NUL.
    let len = (HEAD + 2 + listed.name.len()).next_multiple_of(8);
    let (place, room) = sink.piece();
    if room < len {
        return false;
    }
    // In its place: a copy of what was stored a moment before would wait for that.
    // SAFETY: there is room for it.
    unsafe { write_record(layout, listed, len, place) };
    sink.skip(len);
    true
}

/// Writes a record of `len` bytes, which has room for the name, the type and a NUL.
///
/// # Safety
/// So many bytes are writable at `to`.
#[allow(unsafe_code)]
#[inline]
unsafe fn write_record(layout: Dirent, listed: &Listed<'_>, len: usize, to: *mut u8) {
    let (type_at, name_at) = match layout {
        Dirent::Dirent64 => (HEAD, HEAD + 1),
        Dirent::Dirent => (len - 1, HEAD),
    };
    let file_type = (listed.file_type as u32 >> 12) as u8; // DT_* are S_IF* without the mode
    let name = listed.name;
    // SAFETY: all of it is below `len`, which is 24 or more. What is behind the name is nine bytes at most: a
    // NUL, and what the last eight have of it.
    unsafe {
        to.add(len - 8).cast::<u64>().write_unaligned(0);
        to.cast::<u64>().write_unaligned(listed.ino.0);
        to.add(8).cast::<u64>().write_unaligned(listed.next);
        to.add(16).cast::<u16>().write_unaligned(len as u16);
        to.add(name_at).copy_from(name.as_ptr(), name.len());
        to.add(name_at + name.len()).write(0);
        to.add(type_at).write(file_type);
    }
}

/// Major and minor number of a device, as glibc's `makedev(3)` packs them.
fn device(packed: u64) -> (u32, u32) {
    let major = packed >> 8 & 0xfff | packed >> 32 & !0xfff;
    let minor = packed & 0xff | packed >> 12 & !0xff;
    (major as u32, minor as u32)
}

fn split(time: Timestamp) -> (i64, i64) {
    (time.seconds(), time.nanoseconds().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use anchorite_fs::InodeNo;

    #[test]
    fn records_have_each_byte_written() {
        for layout in [Dirent::Dirent64, Dirent::Dirent] {
            for length in 1..=NAME_MAX {
                let name = vec![b'n'; length];
                let listed = Listed {
                    ino: InodeNo(0x1122_3344_5566_7788),
                    name: &name,
                    next: 0x99aa_bbcc_ddee_ff00,
                    file_type: FileType::Regular,
                };
                let mut buffer = vec![0xcc; 2 * (HEAD + 2 + NAME_MAX)];
                let mut sink = Sink::from(&mut buffer[..]);
                let room = sink.remaining();
                assert!(put_dirent(layout, &listed, &mut sink));
                let len = room - sink.remaining();
                let (record, behind) = buffer.split_at(len);
                let padding = len - HEAD - 1 - length;
                let mut expected = Vec::new();
                expected.extend(listed.ino.0.to_ne_bytes());
                expected.extend(listed.next.to_ne_bytes());
                expected.extend((len as u16).to_ne_bytes());
                match layout {
                    Dirent::Dirent64 => {
                        expected.push(8); // DT_REG
                        expected.extend(&name);
                        expected.extend(vec![0; padding]);
                    }
                    Dirent::Dirent => {
                        expected.extend(&name);
                        expected.extend(vec![0; padding]);
                        expected.push(8);
                    }
                }
                assert_eq!(record, expected, "{length}");
                assert!(len % 8 == 0 && (1..=8).contains(&padding), "{length}");
                assert!(behind.iter().all(|&byte| byte == 0xcc), "{length}");
                let mut short = Sink::from(&mut buffer[..len - 1]);
                assert!(!put_dirent(layout, &listed, &mut short), "{length}");
            }
        }
    }

    #[test]
    fn devices_come_apart_as_they_were_packed() {
        for (major, minor) in [(0, 0), (5, 1), (0xfff, 0xff), (0x1234_5678, 0x9abc_def0)] {
            assert_eq!(device(libc::makedev(major, minor)), (major, minor));
        }
    }
}
