//! [`Metadata`], and setting what can be set of it: permissions, owner, times.

use anchorite_fs::{FileType, Timestamp};
use libc::timespec;

use crate::{Errno, Result, System};

/// What there is to know about a file: `std::fs::Metadata`.
///
/// ```
/// use anchorite_syscalls::api::{self, FileType};
/// # let sys = &anchorite_example::system();
///
/// api::write(sys, "f", "abc")?;
/// api::hard_link(sys, "f", "g")?;
/// let metadata = api::metadata(sys, "f")?;
/// assert_eq!(metadata.file_type(), FileType::Regular);
/// assert!(metadata.is_file() && !metadata.is_dir() && !metadata.is_symlink());
/// assert_eq!((metadata.len(), metadata.nlink()), (3, 2));
/// assert_eq!(metadata.mode(), 0o100644);
/// assert_eq!(metadata.permissions(), 0o644);
/// assert_eq!((metadata.uid(), metadata.gid()), (0, 0));
/// assert_eq!((metadata.blocks() * 512, metadata.rdev()), (4096, 0));
/// assert!(metadata.created().key() <= metadata.modified().key());
///
/// let same = api::metadata(sys, "g")?;
/// assert_eq!((metadata.dev(), metadata.ino()), (same.dev(), same.ino()));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Metadata(libc::statx);

impl Metadata {
    /// # Errors
    /// Those of [`System::statx`].
    fn of_path(sys: &System, path: &[u8], flags: i32) -> Result<Metadata> {
        Metadata::at(sys, libc::AT_FDCWD, path, flags)
    }

    /// # Errors
    /// Those of [`System::statx`].
    pub(super) fn of_descriptor(sys: &System, fd: i32) -> Result<Metadata> {
        Metadata::at(sys, fd, b"", libc::AT_EMPTY_PATH)
    }

    /// # Errors
    /// Those of [`System::statx`].
    pub(super) fn at(sys: &System, at: i32, path: &[u8], flags: i32) -> Result<Metadata> {
        let wanted = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        sys.statx(at, path, flags, wanted).map(Metadata)
    }

    /// The type.
    pub fn file_type(&self) -> FileType {
        // A type that Linux does not have cannot come out of the call layer.
        file_type(self.mode() & libc::S_IFMT).unwrap_or(FileType::Regular)
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type() == FileType::Regular
    }

    /// Whether it is a symbolic link, which only [`symlink_metadata`] tells.
    pub fn is_symlink(&self) -> bool {
        self.file_type() == FileType::Symlink
    }

    /// Bytes in the file; of a symbolic link, in its target.
    #[expect(clippy::len_without_is_empty, reason = "as in std::fs: it is no collection")]
    pub fn len(&self) -> u64 {
        self.0.stx_size
    }

    /// Type and permissions, as `st_mode` has them.
    pub fn mode(&self) -> u32 {
        self.0.stx_mode.into()
    }

    /// Permissions, with the set-ID and sticky bits: twelve bits.
    pub fn permissions(&self) -> u32 {
        self.mode() & 0o7777
    }

    /// Number of names; a directory's: 2 and one for each subdirectory.
    pub fn nlink(&self) -> u64 {
        self.0.stx_nlink.into()
    }

    /// Owner.
    pub fn uid(&self) -> u32 {
        self.0.stx_uid
    }

    /// Group.
    pub fn gid(&self) -> u32 {
        self.0.stx_gid
    }

    /// The inode's number, which no other file of the file system has.
    pub fn ino(&self) -> u64 {
        self.0.stx_ino
    }

    /// The file system, by its device's number.
    pub fn dev(&self) -> u64 {
        libc::makedev(self.0.stx_dev_major, self.0.stx_dev_minor)
    }

    /// Which device it is, of a character or block device; otherwise 0.
    pub fn rdev(&self) -> u64 {
        libc::makedev(self.0.stx_rdev_major, self.0.stx_rdev_minor)
    }

    /// Allocated room in units of 512 bytes.
    pub fn blocks(&self) -> u64 {
        self.0.stx_blocks
    }

    /// Last access.
    pub fn accessed(&self) -> Timestamp {
        timestamp(self.0.stx_atime)
    }

    /// Last change of the content.
    pub fn modified(&self) -> Timestamp {
        timestamp(self.0.stx_mtime)
    }

    /// Last change of content or attributes.
    pub fn changed(&self) -> Timestamp {
        timestamp(self.0.stx_ctime)
    }

    /// When it was made; the last change where a host does not tell.
    pub fn created(&self) -> Timestamp {
        timestamp(self.0.stx_btime)
    }
}

/// Times to set: `std::fs::FileTimes`. What is not mentioned stays.
///
/// ```
/// use anchorite_syscalls::api::{self, FileTimes, Timestamp};
/// # let sys = &anchorite_example::system();
///
/// api::write(sys, "f", "")?;
/// let (dawn, noon) = (Timestamp::new(6 * 3600, 0), Timestamp::new(12 * 3600, 500));
/// api::set_times(sys, "f", FileTimes::new().set_accessed(noon).set_modified(dawn))?;
/// assert_eq!(api::metadata(sys, "f")?.accessed(), noon);
/// assert_eq!(api::metadata(sys, "f")?.modified(), dawn);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FileTimes {
    accessed: Option<Timestamp>,
    modified: Option<Timestamp>,
}

impl FileTimes {
    /// None to set yet.
    pub const fn new() -> FileTimes {
        FileTimes { accessed: None, modified: None }
    }

    /// Sets the last access.
    pub const fn set_accessed(mut self, time: Timestamp) -> FileTimes {
        self.accessed = Some(time);
        self
    }

    /// Sets the last change of the content.
    pub const fn set_modified(mut self, time: Timestamp) -> FileTimes {
        self.modified = Some(time);
        self
    }

    /// As `utimensat(2)` takes them.
    pub(super) fn words(self) -> [timespec; 2] {
        [self.accessed, self.modified].map(|time| match time {
            Some(time) => timespec { tv_sec: time.seconds(), tv_nsec: time.nanoseconds().into() },
            None => timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT },
        })
    }
}

/// What there is to know about the file at `path`.
///
/// # Errors
/// Those of [`System::stat`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// assert!(api::metadata(sys, "/")?.is_dir());
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn metadata(sys: &System, path: impl AsRef<[u8]>) -> Result<Metadata> {
    Metadata::of_path(sys, path.as_ref(), 0)
}

/// What there is to know about the file at `path`; of a symbolic link, about itself.
///
/// # Errors
/// Those of [`System::lstat`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::symlink(sys, "/", "link")?;
/// assert!(api::symlink_metadata(sys, "link")?.is_symlink());
/// assert!(api::metadata(sys, "link")?.is_dir());
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn symlink_metadata(sys: &System, path: impl AsRef<[u8]>) -> Result<Metadata> {
    Metadata::of_path(sys, path.as_ref(), libc::AT_SYMLINK_NOFOLLOW)
}

/// Whether there is a file at `path`; of a symbolic link, whether it leads to one.
///
/// # Errors
/// Those of [`System::stat`], but not ENOENT.
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// assert_eq!(api::exists(sys, "f"), Ok(false));
/// api::write(sys, "f", "")?;
/// assert_eq!(api::exists(sys, "f"), Ok(true));
/// assert_eq!(api::exists(sys, "f/g"), Err(Errno::ENOTDIR));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn exists(sys: &System, path: impl AsRef<[u8]>) -> Result<bool> {
    match metadata(sys, path) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Sets permissions, with the set-ID and sticky bits: the low twelve bits of `mode`.
///
/// # Errors
/// Those of [`System::chmod`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// api::set_permissions(sys, "f", 0o600)?;
/// assert_eq!(api::metadata(sys, "f")?.permissions(), 0o600);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn set_permissions(sys: &System, path: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    sys.chmod(path.as_ref(), mode)
}

/// Sets owner and group; what is none stays.
///
/// # Errors
/// Those of [`System::chown`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// api::chown(sys, "f", Some(5), None)?;
/// assert_eq!(api::metadata(sys, "f")?.uid(), 5);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn chown(
    sys: &System,
    path: impl AsRef<[u8]>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<()> {
    sys.chown(path.as_ref(), or_keep(uid), or_keep(gid))
}

/// As [`chown`]; of a symbolic link, of itself.
///
/// # Errors
/// Those of [`System::lchown`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::symlink(sys, "nowhere", "link")?;
/// api::lchown(sys, "link", None, Some(7))?;
/// assert_eq!(api::symlink_metadata(sys, "link")?.gid(), 7);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn lchown(
    sys: &System,
    path: impl AsRef<[u8]>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<()> {
    sys.lchown(path.as_ref(), or_keep(uid), or_keep(gid))
}

/// Sets times. [`FileTimes`] has an example.
///
/// # Errors
/// Those of [`System::utimensat`].
pub fn set_times(sys: &System, path: impl AsRef<[u8]>, times: FileTimes) -> Result<()> {
    sys.utimensat(libc::AT_FDCWD, path.as_ref(), Some(times.words()), 0)
}

/// The type with these bits of `st_mode`.
pub(super) fn file_type(format: u32) -> Option<FileType> {
    let types = [
        FileType::Regular,
        FileType::Directory,
        FileType::Symlink,
        FileType::Fifo,
        FileType::Socket,
        FileType::CharDevice,
        FileType::BlockDevice,
    ];
    types.into_iter().find(|&known| known as u32 == format)
}

fn timestamp(time: libc::statx_timestamp) -> Timestamp {
    Timestamp::new(time.tv_sec, time.tv_nsec)
}

/// As `chown(2)` says that an owner stays.
fn or_keep(id: Option<u32>) -> u32 {
    id.unwrap_or(u32::MAX)
}
