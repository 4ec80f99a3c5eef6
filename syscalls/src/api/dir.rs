//! [`Dir`]: an open directory; [`ReadDir`]: what is in it.

use alloc::vec::Vec;
use core::fmt;
use core::iter::FusedIterator;

use anchorite_fs::{FileType, NAME_MAX};
use arrayvec::ArrayVec;

use super::descriptor::Descriptor;
use super::file::File;
use super::metadata::{Metadata, file_type};
use super::names::{copied, read_link_at};
use super::options::OpenOptions;
use crate::{Errno, Result, System};

/// Bytes of records that one call lists: some hundred names.
const LISTING_BYTES: usize = 4096;
/// Where a record of `getdents64(2)` has its length, its type and its name.
const LENGTH_AT: usize = 16;
const TYPE_AT: usize = 18;
const NAME_AT: usize = 19;

/// An open directory, closed when dropped. Paths that its methods are given start from
/// it, wherever it is moved meanwhile.
///
/// ```
/// use anchorite_syscalls::api::{self, Dir, OpenOptions};
/// # let sys = &anchorite_example::system();
///
/// api::create_dir(sys, "d")?;
/// let dir = Dir::open(sys, "d")?;
/// api::rename(sys, "d", "e")?;
/// dir.open_file("f", OpenOptions::new().write(true).create(true))?.write_all(b"abc")?;
/// dir.create_dir("sub")?;
/// assert_eq!(dir.entries()?.count(), 2);
/// assert_eq!(dir.symlink_metadata("f")?.len(), 3);
/// assert_eq!(api::read(sys, "e/f")?, b"abc");
///
/// dir.remove_dir("sub")?;
/// dir.remove_file("f")?;
/// assert_eq!(dir.entries()?.count(), 0);
/// dir.close()?;
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
#[derive(Debug)]
pub struct Dir<'a>(Descriptor<'a>);

impl<'a> Dir<'a> {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// ENOTDIR if it is none; those of [`System::open`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::{self, Dir}};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "")?;
    /// assert_eq!(Dir::open(sys, "f").unwrap_err(), Errno::ENOTDIR);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn open(sys: &'a System, path: impl AsRef<[u8]>) -> Result<Dir<'a>> {
        Dir::open_at(sys, libc::AT_FDCWD, path.as_ref(), 0)
    }

    pub(super) fn open_at(sys: &'a System, at: i32, path: &[u8], flags: i32) -> Result<Dir<'a>> {
        let flags = flags | libc::O_RDONLY | libc::O_DIRECTORY;
        Descriptor::open(sys, at, path, flags, 0).map(Dir)
    }

    /// The descriptor, for the calls of [`System`]; it stays the directory's.
    pub fn fd(&self) -> i32 {
        self.0.fd
    }

    /// Closes it. Dropping does so too, and ignores what goes wrong.
    ///
    /// # Errors
    /// Those of [`System::close`]; it is closed all the same.
    pub fn close(self) -> Result<()> {
        self.0.close()
    }

    /// What is in it, read anew from the first on.
    ///
    /// # Errors
    /// ENOMEM; those of [`System::openat`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, Dir};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "")?;
    /// let root = Dir::open(sys, "/")?;
    /// let (mut one, mut other) = (root.entries()?, root.entries()?);
    /// assert_eq!(one.next().unwrap()?.name(), b"f");
    /// assert_eq!(other.next().unwrap()?.name(), b"f");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn entries(&self) -> Result<ReadDir<'a>> {
        // A description of its own, for an offset of its own.
        ReadDir::new(self.open_dir(".")?)
    }

    /// What is in it, from where it was read to: from the first, if it was not. Unlike
    /// [`entries`](Dir::entries) this opens nothing, and does without search permission.
    ///
    /// # Errors
    /// ENOMEM.
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, Dir};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "")?;
    /// let mut entries = Dir::open(sys, "/")?.into_entries()?;
    /// assert_eq!(entries.next().unwrap()?.name(), b"f");
    /// let root = entries.into_dir();
    /// assert_eq!(root.symlink_metadata("f")?.len(), 0);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn into_entries(self) -> Result<ReadDir<'a>> {
        ReadDir::new(self)
    }

    /// Opens the directory at `path`; a symbolic link in last place is not followed.
    ///
    /// # Errors
    /// ENOTDIR if it is none; those of [`System::openat`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::{self, Dir}};
    /// # let sys = &anchorite_example::system();
    /// api::create_dir_all(sys, "d/e")?;
    /// api::symlink(sys, "/d", "d/link")?;
    /// let dir = Dir::open(sys, "d")?;
    /// assert!(dir.open_dir("e").is_ok());
    /// assert_eq!(dir.open_dir("link").unwrap_err(), Errno::ENOTDIR);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn open_dir(&self, path: impl AsRef<[u8]>) -> Result<Dir<'a>> {
        Dir::open_at(self.0.sys, self.0.fd, path.as_ref(), libc::O_NOFOLLOW)
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Those of [`OpenOptions::open`], and of [`System::openat`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, Dir, OpenOptions};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "")?;
    /// let file = Dir::open(sys, "/")?.open_file("f", OpenOptions::new().read(true))?;
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn open_file(&self, path: impl AsRef<[u8]>, options: &OpenOptions) -> Result<File<'a>> {
        options.open_at(self.0.sys, self.0.fd, path.as_ref())
    }

    /// Makes a directory, with permissions 0777, masked.
    ///
    /// # Errors
    /// Those of [`System::mkdirat`].
    pub fn create_dir(&self, path: impl AsRef<[u8]>) -> Result<()> {
        self.0.sys.mkdirat(self.0.fd, path.as_ref(), 0o777)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Those of [`System::unlinkat`].
    pub fn remove_dir(&self, path: impl AsRef<[u8]>) -> Result<()> {
        self.0.sys.unlinkat(self.0.fd, path.as_ref(), libc::AT_REMOVEDIR)
    }

    /// Removes a name that is no directory's.
    ///
    /// # Errors
    /// Those of [`System::unlinkat`].
    pub fn remove_file(&self, path: impl AsRef<[u8]>) -> Result<()> {
        self.0.sys.unlinkat(self.0.fd, path.as_ref(), 0)
    }

    /// What there is to know about the directory.
    ///
    /// # Errors
    /// Those of [`System::fstat`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::Dir;
    /// # let sys = &anchorite_example::system();
    /// assert_eq!(Dir::open(sys, "/")?.metadata()?.nlink(), 2);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn metadata(&self) -> Result<Metadata> {
        Metadata::of_descriptor(self.0.sys, self.0.fd)
    }

    /// What there is to know about the file at `path`; of a symbolic link, about itself.
    ///
    /// # Errors
    /// Those of [`System::statx`].
    pub fn symlink_metadata(&self, path: impl AsRef<[u8]>) -> Result<Metadata> {
        Metadata::at(self.0.sys, self.0.fd, path.as_ref(), libc::AT_SYMLINK_NOFOLLOW)
    }

    /// The target of the symbolic link at `path`.
    ///
    /// # Errors
    /// Those of [`System::readlinkat`]; ENOMEM.
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, Dir};
    /// # let sys = &anchorite_example::system();
    /// api::symlink(sys, "there", "link")?;
    /// assert_eq!(Dir::open(sys, "/")?.read_link("link")?, b"there");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn read_link(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        read_link_at(self.0.sys, self.0.fd, path.as_ref())
    }
}

/// What is in the directory at `path`, in no order, without `.` and `..`.
///
/// # Errors
/// ENOTDIR if it is none; ENOMEM; those of [`System::open`].
///
/// ```
/// # use anchorite_syscalls::{Result, api};
/// # let sys = &anchorite_example::system();
/// api::create_dir_all(sys, "d/e")?;
/// api::write(sys, "d/f", "")?;
/// let mut entries = api::read_dir(sys, "d")?.collect::<Result<Vec<_>>>()?;
/// entries.sort_unstable_by(|a, b| a.name().cmp(b.name()));
/// let names: Vec<&[u8]> = entries.iter().map(|entry| entry.name()).collect();
/// assert_eq!(names, [b"e", b"f"]);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn read_dir<'a>(sys: &'a System, path: impl AsRef<[u8]>) -> Result<ReadDir<'a>> {
    ReadDir::new(Dir::open(sys, path)?)
}

/// What is in a directory, without `.` and `..`: `std::fs::ReadDir`. It keeps one buffer,
/// however many names there are.
///
/// What is made or removed meanwhile may or may not be seen; all else is, once. After an
/// error, those of [`System::getdents64`], nothing more comes.
pub struct ReadDir<'a> {
    dir: Dir<'a>,
    /// Room for one listing.
    listing: Vec<u8>,
    /// Where the next record is in `listing`.
    next: usize,
    /// Where the records end; 0 when there are no more.
    end: usize,
    state: State,
}

/// Whether a further call may list more.
#[derive(PartialEq, Eq)]
enum State {
    More,
    Done,
}

impl<'a> ReadDir<'a> {
    fn new(dir: Dir<'a>) -> Result<ReadDir<'a>> {
        let mut listing = Vec::new();
        listing.try_reserve_exact(LISTING_BYTES).map_err(|_| Errno::ENOMEM)?;
        listing.resize(LISTING_BYTES, 0);
        Ok(ReadDir { dir, listing, next: 0, end: 0, state: State::More })
    }

    /// The directory.
    ///
    /// ```
    /// # use anchorite_syscalls::api;
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "abc")?;
    /// let mut entries = api::read_dir(sys, "/")?;
    /// let entry = entries.next().unwrap()?;
    /// assert_eq!(entries.dir().symlink_metadata(entry.name())?.len(), 3);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn dir(&self) -> &Dir<'a> {
        &self.dir
    }

    /// The directory, for further use. [`Dir::into_entries`] has an example.
    pub fn into_dir(self) -> Dir<'a> {
        self.dir
    }

    /// The next record, `.` and `..` included; none at the end.
    fn record(&mut self) -> Result<Option<DirEntry>> {
        if self.next == self.end {
            self.next = 0;
            self.end = self.dir.0.sys.getdents64(self.dir.0.fd, &mut self.listing)?;
        }
        let records = self.listing.get(self.next..self.end).ok_or(Errno::EIO)?;
        if records.is_empty() {
            return Ok(None);
        }
        let (entry, length) = DirEntry::parse(records)?;
        self.next += length;
        Ok(Some(entry))
    }
}

impl Iterator for ReadDir<'_> {
    type Item = Result<DirEntry>;

    fn next(&mut self) -> Option<Result<DirEntry>> {
        while self.state == State::More {
            match self.record() {
                Ok(Some(entry)) if matches!(entry.name(), b"." | b"..") => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => self.state = State::Done,
                Err(errno) => {
                    self.state = State::Done;
                    return Some(Err(errno));
                }
            }
        }
        None
    }
}

impl FusedIterator for ReadDir<'_> {}

impl fmt::Debug for ReadDir<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadDir").field(&self.dir.0).finish()
    }
}

/// A name in a directory: `std::fs::DirEntry`.
///
/// ```
/// use anchorite_syscalls::api::{self, FileType};
/// # let sys = &anchorite_example::system();
///
/// api::create_dir_all(sys, "d/e")?;
/// let entry = api::read_dir(sys, "d")?.next().unwrap()?;
/// assert_eq!(entry.name(), b"e");
/// assert_eq!(entry.path_in("d")?, b"d/e");
/// assert_eq!(entry.file_type(), Some(FileType::Directory));
/// assert_eq!(entry.ino(), api::metadata(sys, "d/e")?.ino());
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
#[derive(Clone, Debug)]
pub struct DirEntry {
    ino: u64,
    file_type: Option<FileType>,
    name: ArrayVec<u8, NAME_MAX>,
}

impl DirEntry {
    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The inode's number.
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// The type; none if the file system does not tell, so that
    /// [`Dir::symlink_metadata`] must be asked.
    pub fn file_type(&self) -> Option<FileType> {
        self.file_type
    }

    /// The path of the entry, if `dir` is that of the directory.
    ///
    /// # Errors
    /// ENOMEM.
    ///
    /// ```
    /// # use anchorite_syscalls::api;
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "")?;
    /// let entry = api::read_dir(sys, "/")?.next().unwrap()?;
    /// assert_eq!(entry.path_in("/")?, b"/f");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn path_in(&self, dir: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let dir = dir.as_ref();
        let slash: &[u8] = if dir.is_empty() || dir.ends_with(b"/") { b"" } else { b"/" };
        copied(&[dir, slash, self.name()])
    }

    /// The first of these records of `getdents64(2)`, and its length.
    ///
    /// # Errors
    /// EIO if it is cut off; ENAMETOOLONG.
    fn parse(records: &[u8]) -> Result<(DirEntry, usize)> {
        let ino = records.first_chunk().ok_or(Errno::EIO)?;
        let length = records.get(LENGTH_AT..TYPE_AT).and_then(|bytes| bytes.first_chunk());
        let length = usize::from(u16::from_ne_bytes(*length.ok_or(Errno::EIO)?));
        let record = records.get(..length).ok_or(Errno::EIO)?;
        let kind = u32::from(*record.get(TYPE_AT).ok_or(Errno::EIO)?);
        let name = record.get(NAME_AT..).and_then(|rest| rest.split(|&byte| byte == 0).next());
        let name = ArrayVec::try_from(name.ok_or(Errno::EIO)?).map_err(|_| Errno::ENAMETOOLONG)?;
        // DT_* are S_IF* without the mode.
        let file_type = file_type(kind << 12);
        Ok((DirEntry { ino: u64::from_ne_bytes(*ino), file_type, name }, length))
    }
}
