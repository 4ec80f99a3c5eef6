//! [`File`]: an open file.

use alloc::vec::Vec;
use core::fmt;

use super::descriptor::Descriptor;
use super::metadata::{FileTimes, Metadata};
use super::options::OpenOptions;
use crate::{Errno, Result, System};

/// Bytes by which a buffer grows whose file's length is not known.
const PIECE_BYTES: usize = 4096;
/// How much a file is taken to hold by its size alone, before it is read.
const BELIEVED_BYTES: usize = 64 << 20;

/// Where [`File::seek`] goes: `std::io::SeekFrom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// So many bytes from the start.
    Start(u64),
    /// So many bytes from the end; less than zero is before it.
    End(i64),
    /// So many bytes from where it is.
    Current(i64),
}

/// An open file, closed when dropped: `std::fs::File`.
///
/// What is read and written through it starts at the file offset, which moves, unless
/// the method has a place of its own. Threads may share a file: each call is one step.
///
/// ```
/// use anchorite_syscalls::api::{File, SeekFrom};
/// # let sys = &anchorite_example::system();
///
/// let file = File::create_new(sys, "f")?;
/// file.write_all(b"anchorite")?;
/// file.seek(SeekFrom::Start(6))?;
/// let mut end = [0; 3];
/// file.read_exact(&mut end)?;
/// assert_eq!(&end, b"ite");
/// file.close()?;
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
#[derive(Debug)]
pub struct File<'a>(pub(super) Descriptor<'a>);

impl<'a> File<'a> {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// Those of [`System::open`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::File};
    /// # let sys = &anchorite_example::system();
    /// assert_eq!(File::open(sys, "missing").unwrap_err(), Errno::ENOENT);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn open(sys: &'a System, path: impl AsRef<[u8]>) -> Result<File<'a>> {
        OpenOptions::new().read(true).open(sys, path)
    }

    /// Opens the file at `path` for writing, made if missing, emptied if not.
    ///
    /// # Errors
    /// Those of [`System::open`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::File};
    /// # let sys = &anchorite_example::system();
    /// let file = File::create(sys, "f")?;
    /// assert_eq!(file.read(&mut [0]), Err(Errno::EBADF));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn create(sys: &'a System, path: impl AsRef<[u8]>) -> Result<File<'a>> {
        OpenOptions::new().write(true).create(true).truncate(true).open(sys, path)
    }

    /// Makes a file at `path` and opens it for reading and writing.
    ///
    /// # Errors
    /// EEXIST if there is one; those of [`System::open`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::File};
    /// # let sys = &anchorite_example::system();
    /// let file = File::create_new(sys, "f")?;
    /// assert_eq!(File::create_new(sys, "f").unwrap_err(), Errno::EEXIST);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn create_new(sys: &'a System, path: impl AsRef<[u8]>) -> Result<File<'a>> {
        OpenOptions::new().read(true).write(true).create_new(true).open(sys, path)
    }

    /// Takes over the descriptor `fd`, whoever opened it.
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// let fd = sys.creat(b"f", 0o644)?;
    /// File::from_fd(sys, fd).write_all(b"closed at the end of this line")?;
    /// assert!(sys.close(fd).is_err());
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn from_fd(sys: &'a System, fd: i32) -> File<'a> {
        File(Descriptor { sys, fd })
    }

    /// The descriptor, for the calls of [`System`]; it stays the file's.
    pub fn fd(&self) -> i32 {
        self.0.fd
    }

    /// The descriptor, which nobody closes now.
    pub fn into_fd(self) -> i32 {
        self.0.into_fd()
    }

    /// A further descriptor, with the same file offset.
    ///
    /// # Errors
    /// Those of [`System::dup`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// let file = File::create(sys, "f")?;
    /// file.try_clone()?.write_all(b"one ")?;
    /// file.write_all(b"two")?;
    /// assert_eq!(api::read(sys, "f")?, b"one two");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn try_clone(&self) -> Result<File<'a>> {
        let sys = self.0.sys;
        sys.dup(self.0.fd).map(|fd| File::from_fd(sys, fd))
    }

    /// Locks the whole file for whoever has this file or a [clone](File::try_clone) of it; waits
    /// while somebody else has a lock of it. Given up by [`unlock`](File::unlock) or when the last
    /// of them is closed. Nobody who does not ask for a lock is kept from anything.
    ///
    /// # Errors
    /// Those of [`System::flock`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::File};
    /// # let sys = &anchorite_example::system();
    /// let (file, other) = (File::create(sys, "f")?, File::open(sys, "f")?);
    /// file.lock()?;
    /// assert_eq!(other.try_lock(), Err(Errno::EAGAIN));
    /// file.close()?;
    /// other.lock()?;
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn lock(&self) -> Result<()> {
        self.0.sys.flock(self.0.fd, libc::LOCK_EX)
    }

    /// As [`lock`](File::lock), together with all others who share.
    ///
    /// # Errors
    /// Those of [`System::flock`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::File};
    /// # let sys = &anchorite_example::system();
    /// let (file, other) = (File::create(sys, "f")?, File::open(sys, "f")?);
    /// file.lock_shared()?;
    /// other.lock_shared()?;
    /// assert_eq!(file.try_lock(), Err(Errno::EAGAIN));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn lock_shared(&self) -> Result<()> {
        self.0.sys.flock(self.0.fd, libc::LOCK_SH)
    }

    /// As [`lock`](File::lock), without waiting. A shared lock that it had is lost if it fails.
    ///
    /// # Errors
    /// EAGAIN if somebody else has a lock; those of [`System::flock`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// File::create(sys, "f")?.try_lock()?;
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn try_lock(&self) -> Result<()> {
        self.0.sys.flock(self.0.fd, libc::LOCK_EX | libc::LOCK_NB)
    }

    /// As [`lock_shared`](File::lock_shared), without waiting.
    ///
    /// # Errors
    /// EAGAIN if somebody else has a lock that is not shared; those of [`System::flock`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::File};
    /// # let sys = &anchorite_example::system();
    /// let (file, other) = (File::create(sys, "f")?, File::open(sys, "f")?);
    /// file.lock()?;
    /// assert_eq!(other.try_lock_shared(), Err(Errno::EAGAIN));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn try_lock_shared(&self) -> Result<()> {
        self.0.sys.flock(self.0.fd, libc::LOCK_SH | libc::LOCK_NB)
    }

    /// Gives the lock up, if there is one.
    ///
    /// # Errors
    /// Those of [`System::flock`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// let (file, other) = (File::create(sys, "f")?, File::open(sys, "f")?);
    /// file.lock()?;
    /// file.unlock()?;
    /// other.try_lock()?;
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn unlock(&self) -> Result<()> {
        self.0.sys.flock(self.0.fd, libc::LOCK_UN)
    }

    /// Closes it. Dropping does so too, and ignores what goes wrong.
    ///
    /// # Errors
    /// Those of [`System::close`]; it is closed all the same.
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// File::create(sys, "f")?.close()?;
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn close(self) -> Result<()> {
        self.0.close()
    }

    /// Reads up to `buf.len()` bytes; returns how many, 0 at the end.
    ///
    /// # Errors
    /// Those of [`System::read`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "abc")?;
    /// let (file, mut buf) = (File::open(sys, "f")?, [0; 8]);
    /// assert_eq!(file.read(&mut buf), Ok(3));
    /// assert_eq!(file.read(&mut buf), Ok(0));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn read(&self, buf: &mut [u8]) -> Result<usize> {
        self.0.sys.read(self.0.fd, buf)
    }

    /// Reads up to `buf.len()` bytes from `offset` on; the file offset stays.
    ///
    /// # Errors
    /// EINVAL for an offset above `i64::MAX`; those of [`System::pread`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "abc")?;
    /// let mut buf = [0; 8];
    /// assert_eq!(File::open(sys, "f")?.read_at(&mut buf, 1), Ok(2));
    /// assert_eq!(&buf[..2], b"bc");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.0.sys.pread(self.0.fd, buf, signed(offset)?)
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// ENODATA if the file ends before: `buf` then has what there was, and the file
    /// offset is at the end; those of [`System::read`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::{self, File}};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "abc")?;
    /// let (file, mut buf) = (File::open(sys, "f")?, [0; 2]);
    /// assert_eq!(file.read_exact(&mut buf), Ok(()));
    /// assert_eq!(file.read_exact(&mut buf), Err(Errno::ENODATA));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn read_exact(&self, buf: &mut [u8]) -> Result<()> {
        fill(buf, |rest, _| self.read(rest))
    }

    /// Reads from `offset` on until `buf` is full; the file offset stays.
    ///
    /// # Errors
    /// ENODATA if the file ends before: `buf` then has what there was; those of
    /// [`File::read_at`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::{self, File}};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "abc")?;
    /// let mut buf = [0; 2];
    /// assert_eq!(File::open(sys, "f")?.read_exact_at(&mut buf, 2), Err(Errno::ENODATA));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        fill(buf, |rest, done| self.read_at(rest, further(offset, done)?))
    }

    /// Appends to `content` all from the file offset to the end; returns how many bytes.
    ///
    /// # Errors
    /// ENOMEM; those of [`System::read`]. What was read before stays in `content`.
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File, SeekFrom};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "abc")?;
    /// let file = File::open(sys, "f")?;
    /// file.seek(SeekFrom::Start(1))?;
    /// let mut content = b"a".to_vec();
    /// assert_eq!(file.read_to_end(&mut content), Ok(2));
    /// assert_eq!(content, b"abc");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn read_to_end(&self, content: &mut Vec<u8>) -> Result<usize> {
        let start = content.len();
        let mut filled = start;
        // One byte more, to see the end without growing. What a host says may not be so, and
        // is not touched before it comes.
        let left = self.left();
        content.try_reserve(left.saturating_add(1)).map_err(|_| Errno::ENOMEM)?;
        let mut room = left.min(BELIEVED_BYTES) + 1;
        let done = loop {
            if filled == content.len() {
                if content.try_reserve(room).is_err() {
                    break Err(Errno::ENOMEM);
                }
                content.resize(filled + room, 0);
                room = PIECE_BYTES.max(filled - start);
            }
            match self.read(&mut content[filled..]) {
                Ok(0) => break Ok(filled - start),
                Ok(got) => filled += got,
                Err(Errno::EINTR) => {}
                Err(errno) => break Err(errno),
            }
        };
        content.truncate(filled);
        done
    }

    /// Writes `buf`, or as much as finds room; returns how many bytes.
    ///
    /// # Errors
    /// Those of [`System::write`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// assert_eq!(File::create(sys, "f")?.write(b"abc"), Ok(3));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn write(&self, buf: &[u8]) -> Result<usize> {
        self.0.sys.write(self.0.fd, buf)
    }

    /// Writes `buf`, or as much as finds room, from `offset` on, or at the end if it was
    /// opened for appending; returns how many bytes. The file offset stays.
    ///
    /// # Errors
    /// EINVAL for an offset above `i64::MAX`; those of [`System::pwrite`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// let file = File::create(sys, "f")?;
    /// assert_eq!(file.write_at(b"c", 2), Ok(1));
    /// assert_eq!(file.write_at(b"ab", 0), Ok(2));
    /// assert_eq!(api::read(sys, "f")?, b"abc");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize> {
        self.0.sys.pwrite(self.0.fd, buf, signed(offset)?)
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// Those of [`System::write`]; some of `buf` may be written then.
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// File::create(sys, "f")?.write_all(&[7; 100_000])?;
    /// assert_eq!(api::metadata(sys, "f")?.len(), 100_000);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn write_all(&self, buf: &[u8]) -> Result<()> {
        drain(buf, |rest, _| self.write(rest))
    }

    /// Writes all of `buf` from `offset` on; the file offset stays.
    ///
    /// # Errors
    /// Those of [`File::write_at`]; some of `buf` may be written then.
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// File::create(sys, "f")?.write_all_at(b"abc", 10)?;
    /// assert_eq!(api::metadata(sys, "f")?.len(), 13);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        drain(buf, |rest, done| self.write_at(rest, further(offset, done)?))
    }

    /// Writes text, for `write!` and `writeln!`. Each piece between two braces is a call.
    ///
    /// # Errors
    /// Those of [`System::write`]; EIO for a `Display` that fails of itself.
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// write!(File::create(sys, "f")?, "{:03}", 7)?;
    /// assert_eq!(api::read(sys, "f")?, b"007");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn write_fmt(&self, text: fmt::Arguments<'_>) -> Result<()> {
        let mut writer = Writer { file: self, failure: Errno::EIO };
        fmt::write(&mut writer, text).map_err(|fmt::Error| writer.failure)
    }

    /// Moves the file offset; returns where it is now. The file stays as it is.
    ///
    /// # Errors
    /// EINVAL for a place above `i64::MAX` or before the start; ESPIPE for the console.
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::{self, File, SeekFrom}};
    /// # let sys = &anchorite_example::system();
    /// api::write(sys, "f", "abc")?;
    /// let file = File::open(sys, "f")?;
    /// assert_eq!(file.seek(SeekFrom::End(-1)), Ok(2));
    /// assert_eq!(file.seek(SeekFrom::Current(-3)), Err(Errno::EINVAL));
    /// assert_eq!(file.seek(SeekFrom::Start(9)), Ok(9));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (signed(offset)?, libc::SEEK_SET),
            SeekFrom::End(offset) => (offset, libc::SEEK_END),
            SeekFrom::Current(offset) => (offset, libc::SEEK_CUR),
        };
        self.0.sys.lseek(self.0.fd, offset, whence)
    }

    /// The file offset.
    ///
    /// # Errors
    /// ESPIPE for the console.
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// let file = File::create(sys, "f")?;
    /// file.write_all(b"abc")?;
    /// assert_eq!(file.stream_position(), Ok(3));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn stream_position(&self) -> Result<u64> {
        self.seek(SeekFrom::Current(0))
    }

    /// Makes it `size_bytes` long: cut off, or lengthened by a hole.
    ///
    /// # Errors
    /// EFBIG for a size above `i64::MAX`; those of [`System::ftruncate`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{self, File};
    /// # let sys = &anchorite_example::system();
    /// let file = File::create(sys, "f")?;
    /// file.write_all(b"abc")?;
    /// file.set_len(1)?;
    /// file.set_len(2)?;
    /// assert_eq!(api::read(sys, "f")?, b"a\0");
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn set_len(&self, size_bytes: u64) -> Result<()> {
        let size = i64::try_from(size_bytes).map_err(|_| Errno::EFBIG)?;
        self.0.sys.ftruncate(self.0.fd, size)
    }

    /// Waits until content and attributes are stored.
    ///
    /// # Errors
    /// Those of [`System::fsync`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// File::create(sys, "f")?.sync_all()?;
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn sync_all(&self) -> Result<()> {
        self.0.sys.fsync(self.0.fd)
    }

    /// Waits until the content is stored.
    ///
    /// # Errors
    /// Those of [`System::fsync`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// File::create(sys, "f")?.sync_data()?;
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn sync_data(&self) -> Result<()> {
        self.sync_all()
    }

    /// What there is to know about it.
    ///
    /// # Errors
    /// Those of [`System::fstat`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// assert!(File::create(sys, "f")?.metadata()?.is_file());
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn metadata(&self) -> Result<Metadata> {
        Metadata::of_descriptor(self.0.sys, self.0.fd)
    }

    /// Sets its permissions, with the set-ID and sticky bits: the low twelve bits of `mode`.
    ///
    /// # Errors
    /// Those of [`System::fchmod`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// let file = File::create(sys, "f")?;
    /// file.set_permissions(0o400)?;
    /// assert_eq!(file.metadata()?.permissions(), 0o400);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn set_permissions(&self, mode: u32) -> Result<()> {
        self.0.sys.fchmod(self.0.fd, mode)
    }

    /// Sets its times.
    ///
    /// # Errors
    /// Those of [`System::futimens`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::{File, FileTimes, Timestamp};
    /// # let sys = &anchorite_example::system();
    /// let (file, then) = (File::create(sys, "f")?, Timestamp::new(86_400, 0));
    /// file.set_times(FileTimes::new().set_accessed(then))?;
    /// assert_eq!(file.metadata()?.accessed(), then);
    /// assert_ne!(file.metadata()?.modified(), then);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn set_times(&self, times: FileTimes) -> Result<()> {
        self.0.sys.futimens(self.0.fd, Some(times.words()))
    }

    /// Bytes from the file offset to the end, as far as that can be told.
    fn left(&self) -> usize {
        let (Ok(metadata), Ok(at)) = (self.metadata(), self.stream_position()) else { return 0 };
        usize::try_from(metadata.len().saturating_sub(at)).unwrap_or(usize::MAX)
    }
}

/// Text on its way to a file, and why it did not arrive.
struct Writer<'a> {
    file: &'a File<'a>,
    failure: Errno,
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.file.write_all(text.as_bytes()).map_err(|errno| {
            self.failure = errno;
            fmt::Error
        })
    }
}

/// Calls `read` with what is left of `buf`, and with how many bytes are done, until
/// nothing is left.
///
/// # Errors
/// ENODATA if there is nothing more to read; those of `read`, but not EINTR.
fn fill(buf: &mut [u8], read: impl Fn(&mut [u8], usize) -> Result<usize>) -> Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match read(&mut buf[done..], done) {
            Ok(0) => return Err(Errno::ENODATA),
            Ok(got) => done += got,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Calls `write` with what is left of `buf`, and with how many bytes are done, until
/// nothing is left.
///
/// # Errors
/// EIO if nothing is written and no reason is given; those of `write`, but not EINTR.
fn drain(buf: &[u8], write: impl Fn(&[u8], usize) -> Result<usize>) -> Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match write(&buf[done..], done) {
            Ok(0) => return Err(Errno::EIO),
            Ok(put) => done += put,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// # Errors
/// EINVAL above `i64::MAX`.
fn signed(offset: u64) -> Result<i64> {
    i64::try_from(offset).map_err(|_| Errno::EINVAL)
}

/// The place `done` bytes behind `offset`.
///
/// # Errors
/// EINVAL if there is none.
fn further(offset: u64, done: usize) -> Result<u64> {
    offset.checked_add(done as u64).ok_or(Errno::EINVAL)
}
