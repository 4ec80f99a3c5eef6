//! Linux's structures on x86-64, made from the ramdisk's.

use anchorite_fs::{Attributes, FileType, Listed, NAME_MAX, PAGE_BYTES, Sink, Timestamp, Usage};

/// `struct stat`, as `stat(2)` describes it.
pub(crate) fn stat(attributes: &Attributes) -> libc::stat {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    stat.st_dev = attributes.device;
    stat.st_ino = attributes.ino.0;
    stat.st_nlink = attributes.nlink.into();
    stat.st_mode = attributes.file_type as u32 | attributes.mode;
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

/// `struct statfs`, as `statfs(2)` describes it, in pages. The ramdisk says that it is a
/// tmpfs: programs that look want to know whether files outlive the machine.
pub(crate) fn statfs(usage: &Usage) -> libc::statfs64 {
    const ST_VALID: i64 = 0x20;
    // SAFETY: all fields are integers, for which zero is a value.
    let mut statfs: libc::statfs64 = unsafe { core::mem::zeroed() };
    statfs.f_type = libc::TMPFS_MAGIC;
    statfs.f_bsize = PAGE_BYTES as i64;
    statfs.f_frsize = PAGE_BYTES as i64;
    statfs.f_blocks = usage.limits.size_bytes / PAGE_BYTES as u64;
    statfs.f_bfree = statfs.f_blocks.saturating_sub(usage.pages);
    statfs.f_bavail = statfs.f_bfree;
    statfs.f_files = usage.limits.inodes;
    statfs.f_ffree = statfs.f_files.saturating_sub(usage.inodes);
    statfs.f_namelen = NAME_MAX as i64;
    statfs.f_flags = ST_VALID | libc::ST_RELATIME as i64;
    statfs
}

/// Puts a `struct linux_dirent64` (`getdents64(2)`); false if it has no room.
pub(crate) fn put_dirent(listed: &Listed<'_>, sink: &mut Sink<'_>) -> bool {
    const NAME_AT: usize = 19;
    let len = (NAME_AT + listed.name.len() + 1).next_multiple_of(8);
    if sink.remaining() < len {
        return false;
    }
    let mut head = [0; NAME_AT];
    head[..8].copy_from_slice(&listed.ino.0.to_ne_bytes());
    head[8..16].copy_from_slice(&listed.next.to_ne_bytes());
    head[16..18].copy_from_slice(&(len as u16).to_ne_bytes());
    head[18] = (listed.file_type as u32 >> 12) as u8; // DT_* are S_IF* without the mode
    sink.put(&head);
    sink.put(listed.name);
    sink.put_zeros(len - NAME_AT - listed.name.len());
    true
}

fn split(time: Timestamp) -> (i64, i64) {
    (time.seconds(), time.nanoseconds().into())
}
