//! The names that rows have for numbers.

/// The number that `word` stands for. Panics over an unknown name: rows are ours.
pub fn number(word: &str) -> i64 {
    word.split('|').fold(0, |all, part| all | one(part))
}

fn one(word: &str) -> i64 {
    let octal = word.strip_prefix('0').filter(|rest| !rest.is_empty());
    let parsed = match octal {
        Some(digits) => i64::from_str_radix(digits, 8).ok(),
        None => word.parse().ok(),
    };
    let named = || CONSTANTS.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    match parsed.or_else(named) {
        Some(value) => value,
        None => panic!("{word} is no number"),
    }
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
    fcntl { F_DUPFD F_DUPFD_CLOEXEC F_GETFD F_SETFD F_GETFL F_SETFL FD_CLOEXEC }
    close_range { CLOSE_RANGE_CLOEXEC CLOSE_RANGE_UNSHARE }
    seek { SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE }
    rename { RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT }
    fallocate { FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE FALLOC_FL_ZERO_RANGE
                FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_INSERT_RANGE FALLOC_FL_UNSHARE_RANGE }
    access { F_OK R_OK W_OK X_OK }
    times { UTIME_NOW UTIME_OMIT }
    advice { POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED
             POSIX_FADV_DONTNEED POSIX_FADV_NOREUSE }
    statx { STATX_BASIC_STATS STATX_ALL STATX_BTIME }
}
