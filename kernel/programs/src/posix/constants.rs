//! The names that rows have for numbers.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::script::Value;

/// The number that `word` stands for; none if it stands for none.
pub fn number(word: &str) -> Option<i64> {
    word.split('|').try_fold(0, |all, part| Some(all | one(part)?))
}

fn one(word: &str) -> Option<i64> {
    let octal = word.strip_prefix('0').filter(|rest| !rest.is_empty());
    let parsed = match octal {
        Some(digits) => i64::from_str_radix(digits, 8).ok(),
        None => word.parse().ok(),
    };
    parsed.or_else(|| CONSTANTS.iter().find(|(name, _)| *name == word).map(|(_, value)| *value))
}

/// How people write the argument number `at` of the call `name`; none if by its digits.
pub fn spelled(name: &str, at: usize, argument: &Value) -> Option<String> {
    let Value::Word(word) = *argument else { return None };
    let prefix = match (name, at) {
        (_, 0..=2) if word == libc::AT_FDCWD.into() => "AT_FDCWD",
        ("open", 1) | ("openat", 2) => "O_",
        ("lseek", 2) => "SEEK_",
        ("renameat2", 4) => "RENAME_",
        ("fallocate", 1) => "FALLOC_",
        ("fcntl" | "fcntl_setlk" | "fcntl_getlk", 1) => "F_",
        ("flock", 1) => "LOCK_",
        ("inotify_init1", 0) | ("inotify_add_watch", 2) => "IN_",
        ("setxattr" | "lsetxattr" | "fsetxattr", 3) => "XATTR_",
        ("access", 1) | ("faccessat" | "faccessat2", 2) => "_OK",
        ("unlinkat" | "newfstatat" | "faccessat2" | "fchmodat2" | "utimensat", _) if at >= 2 => {
            "AT_"
        }
        ("linkat" | "fchownat", 4) => "AT_",
        ("open" | "fchmodat" | "mkdirat" | "fchmodat2", 2) | ("openat", 3) => "0",
        ("mkdir" | "chmod" | "fchmod" | "creat", 1) | ("umask", 0) => "0",
        _ => return None,
    };
    if prefix == "0" && (0..1 << 32).contains(&word) {
        return Some(if word == 0 { "0".to_owned() } else { format!("0{word:o}") });
    }
    names(prefix, word).filter(|text| number(text) == Some(word))
}

/// The names of the bits of an event of inotify, without what they begin with.
pub fn event_names(mask: u32) -> String {
    let mask = i64::from(mask);
    let is_bit = |value: i64| value.count_ones() == 1 && value & mask != 0;
    let named = CONSTANTS.iter().filter(|(name, value)| {
        name.starts_with("IN_") && !matches!(*name, "IN_CLOEXEC" | "IN_NONBLOCK") && is_bit(*value)
    });
    let names: Vec<&str> = named.map(|(name, _)| &name["IN_".len()..]).collect();
    names.join("|")
}

/// The names that begin or end so and make up `word`.
fn names(part: &str, word: i64) -> Option<String> {
    let fit = |name: &str| (name.starts_with(part) || name.ends_with(part)) && name != "O_ACCMODE";
    let fitting = || CONSTANTS.iter().filter(|(name, _)| fit(name));
    if let Some((name, _)) = fitting().find(|(_, value)| *value == word) {
        return Some((*name).to_owned());
    }
    let mut text = String::new();
    // Of numbers that are made of others, those with more bits come first.
    let mut rest = word;
    while rest != 0 {
        let inside = fitting().filter(|(_, value)| *value > 0 && value & rest == *value);
        let (name, value) = inside.max_by_key(|(_, value)| value.count_ones())?;
        text += if text.is_empty() { "" } else { "|" };
        text += name;
        rest &= !value;
    }
    Some(text).filter(|text| !text.is_empty())
}

macro_rules! constants {
    ($($prefix:ident { $($name:ident)* })*) => {
        #[rustfmt::skip]
        const CONSTANTS: &[(&str, i64)] = &[
            ("MAX", i64::MAX),
            ("MIN", i64::MIN),
            $($((stringify!($name), libc::$name as i64),)*)*
        ];
    };
}

constants! {
    open { O_RDONLY O_WRONLY O_RDWR O_ACCMODE O_CREAT O_EXCL O_TRUNC O_APPEND O_DIRECTORY
           O_NOFOLLOW O_PATH O_TMPFILE O_CLOEXEC O_NONBLOCK O_DIRECT O_SYNC O_DSYNC O_NOATIME
           O_LARGEFILE }
    at { AT_FDCWD AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH AT_EACCESS
         AT_NO_AUTOMOUNT AT_STATX_FORCE_SYNC AT_STATX_DONT_SYNC }
    fcntl { F_DUPFD F_DUPFD_CLOEXEC F_GETFD F_SETFD F_GETFL F_SETFL F_GETPIPE_SZ F_SETPIPE_SZ
            FD_CLOEXEC }
    locks { F_GETLK F_SETLK F_SETLKW F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_RDLCK F_WRLCK F_UNLCK
            LOCK_SH LOCK_EX LOCK_UN LOCK_NB }
    poll { POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLWRNORM }
    close_range { CLOSE_RANGE_CLOEXEC CLOSE_RANGE_UNSHARE }
    seek { SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE }
    rename { RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT }
    fallocate { FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE FALLOC_FL_ZERO_RANGE
                FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_INSERT_RANGE FALLOC_FL_UNSHARE_RANGE }
    mount { MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_NOATIME MS_NODIRATIME MS_RELATIME
            MS_STRICTATIME MS_REMOUNT MS_BIND MS_REC MS_MOVE MS_PRIVATE MS_SHARED MS_SILENT
            MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW }
    inotify { IN_ACCESS IN_MODIFY IN_ATTRIB IN_CLOSE_WRITE IN_CLOSE_NOWRITE IN_OPEN IN_MOVED_FROM
              IN_MOVED_TO IN_CREATE IN_DELETE IN_DELETE_SELF IN_MOVE_SELF IN_UNMOUNT IN_Q_OVERFLOW
              IN_IGNORED IN_ONLYDIR IN_DONT_FOLLOW IN_EXCL_UNLINK IN_MASK_CREATE IN_MASK_ADD IN_ISDIR
              IN_ONESHOT IN_ALL_EVENTS IN_CLOEXEC IN_NONBLOCK }
    ioctl { FIONREAD FIONBIO FIOCLEX FIONCLEX }
    xattr { XATTR_CREATE XATTR_REPLACE }
    access { F_OK R_OK W_OK X_OK }
    types { S_IFREG S_IFDIR S_IFLNK S_IFIFO S_IFSOCK S_IFCHR S_IFBLK S_IFMT }
    times { UTIME_NOW UTIME_OMIT }
    advice { POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED
             POSIX_FADV_DONTNEED POSIX_FADV_NOREUSE }
    statx { STATX_BASIC_STATS STATX_ALL STATX_BTIME }
}
