//! Between the ramdisk's vocabulary and fuser's: attributes, times, errors.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anchorite_fs::{Attributes, Errno, FileType, PAGE_BYTES, SetTime, Timestamp};
use fuser::{FileAttr, INodeNo, TimeOrNow};

pub(super) fn errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw())
}

pub(super) fn attributes(from: &Attributes) -> FileAttr {
    FileAttr {
        ino: INodeNo(from.ino.0),
        size: from.size,
        blocks: from.blocks,
        atime: system_time(from.atime),
        mtime: system_time(from.mtime),
        ctime: system_time(from.ctime),
        crtime: system_time(from.btime),
        kind: file_type(from.file_type),
        perm: from.mode as u16,
        nlink: from.nlink,
        uid: from.uid,
        gid: from.gid,
        rdev: from.rdev as u32,
        blksize: PAGE_BYTES as u32,
        flags: 0,
    }
}

pub(super) fn file_type(from: FileType) -> fuser::FileType {
    match from {
        FileType::Regular => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
    }
}

/// The type in the upper bits of an `st_mode`; none if there is no such type.
pub(super) fn type_of_mode(mode: u32) -> Option<FileType> {
    Some(match mode & libc::S_IFMT {
        libc::S_IFREG => FileType::Regular,
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFLNK => FileType::Symlink,
        libc::S_IFIFO => FileType::Fifo,
        libc::S_IFSOCK => FileType::Socket,
        libc::S_IFCHR => FileType::CharDevice,
        libc::S_IFBLK => FileType::BlockDevice,
        _ => return None,
    })
}

/// The host's time.
pub(super) fn now() -> Timestamp {
    let time = SystemTime::now();
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp::new(since.as_secs() as i64, since.subsec_nanos()),
        Err(_) => Timestamp::new(0, 0),
    }
}

pub(super) fn set_time(from: Option<TimeOrNow>) -> SetTime {
    match from {
        None => SetTime::Omit,
        Some(TimeOrNow::Now) => SetTime::Now,
        Some(TimeOrNow::SpecificTime(time)) => SetTime::To(received(time)),
    }
}

/// A time as fuser hands it over. One before 1970 arrives mirrored: fuser subtracts the
/// nanoseconds that it should add, so seconds and nanoseconds are read off as they are.
fn received(time: SystemTime) -> Timestamp {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp::new(since.as_secs() as i64, since.subsec_nanos()),
        Err(error) => {
            let before = error.duration();
            Timestamp::new(0i64.wrapping_sub_unsigned(before.as_secs()), before.subsec_nanos())
        }
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    let (seconds, nanoseconds) = time.key();
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = match seconds {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    // Every timestamp is a time that the host can express: its seconds are an i64 too.
    start.and_then(|start| start.checked_add(Duration::new(0, nanoseconds))).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_pass_as_what_they_are() {
        for (seconds, nanoseconds) in
            [(0, 0), (0, 5), (1, 999_999_999), (-1, 0), (-1, 1), (-2, 999_999_999)]
        {
            let time = system_time(Timestamp::new(seconds, nanoseconds));
            let expected = if seconds < 0 {
                UNIX_EPOCH - Duration::from_secs((-seconds) as u64)
                    + Duration::from_nanos(nanoseconds.into())
            } else {
                UNIX_EPOCH + Duration::new(seconds as u64, nanoseconds)
            };
            assert_eq!(time, expected, "{seconds} {nanoseconds}");
        }
        for seconds in [i64::MIN, i64::MAX] {
            system_time(Timestamp::new(seconds, 999_999_999));
        }
    }

    #[test]
    fn a_received_time_before_1970_is_read_off() {
        let mirrored = UNIX_EPOCH - Duration::new(2, 250);
        assert_eq!(received(mirrored), Timestamp::new(-2, 250));
        assert_eq!(received(UNIX_EPOCH + Duration::new(2, 250)), Timestamp::new(2, 250));
    }

    #[test]
    fn the_type_comes_back_from_the_mode() {
        for file_type in [FileType::Regular, FileType::Directory, FileType::Fifo] {
            assert_eq!(type_of_mode(file_type as u32 | 0o644), Some(file_type));
        }
        assert_eq!(type_of_mode(0o644), None);
    }
}
