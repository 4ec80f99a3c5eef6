//! [`pipe()`]: bytes from one thread to another.

use alloc::vec::Vec;
use core::fmt;

use super::descriptor::Descriptor;
use super::file::File;
use crate::{Result, System};

/// A new pipe, of 64 KiB: `std::io::pipe`. Both ends are closed when dropped.
///
/// # Errors
/// Those of [`System::pipe2`].
///
/// ```
/// use anchorite_syscalls::api::pipe;
/// # let sys = &anchorite_example::system();
///
/// let (output, input) = pipe(sys)?;
/// input.write_all(b"anchorite")?;
/// drop(input);
/// let mut told = Vec::new();
/// output.read_to_end(&mut told)?;
/// assert_eq!(told, b"anchorite");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn pipe(sys: &System) -> Result<(PipeReader<'_>, PipeWriter<'_>)> {
    let file = |fd| File(Descriptor { sys, fd });
    let [output, input] = sys.pipe2(libc::O_CLOEXEC)?;
    Ok((PipeReader(file(output)), PipeWriter(file(input))))
}

/// The end of a pipe that is read: `std::io::PipeReader`.
#[derive(Debug)]
pub struct PipeReader<'a>(File<'a>);

/// The end of a pipe that is written: `std::io::PipeWriter`.
#[derive(Debug)]
pub struct PipeWriter<'a>(File<'a>);

impl<'a> PipeReader<'a> {
    /// Reads what is there, or waits for it; 0 once nobody can write any more.
    ///
    /// # Errors
    /// Those of [`System::read`].
    pub fn read(&self, buf: &mut [u8]) -> Result<usize> {
        self.0.read(buf)
    }

    /// Fills all of `buf`.
    ///
    /// # Errors
    /// Those of [`File::read_exact`].
    pub fn read_exact(&self, buf: &mut [u8]) -> Result<()> {
        self.0.read_exact(buf)
    }

    /// Adds to `content` all that comes until nobody can write any more; how many bytes that were.
    ///
    /// # Errors
    /// Those of [`File::read_to_end`].
    pub fn read_to_end(&self, content: &mut Vec<u8>) -> Result<usize> {
        self.0.read_to_end(content)
    }

    /// A further descriptor of this end.
    ///
    /// # Errors
    /// Those of [`System::fcntl`].
    pub fn try_clone(&self) -> Result<PipeReader<'a>> {
        self.0.try_clone().map(PipeReader)
    }

    /// The descriptor, for the calls of [`System`]; it stays this end's.
    pub fn fd(&self) -> i32 {
        self.0.fd()
    }

    /// The descriptor, which nobody closes now.
    pub fn into_fd(self) -> i32 {
        self.0.into_fd()
    }
}

impl<'a> PipeWriter<'a> {
    /// Writes all of `buf`, and waits for room.
    ///
    /// # Errors
    /// Those of [`System::write`]: EPIPE if nobody can read any more.
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::pipe};
    /// # let sys = &anchorite_example::system();
    /// let (output, input) = pipe(sys)?;
    /// drop(output);
    /// assert_eq!(input.write(b"x"), Err(Errno::EPIPE));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn write(&self, buf: &[u8]) -> Result<usize> {
        self.0.write(buf)
    }

    /// As [`write`](PipeWriter::write), whatever it takes.
    ///
    /// # Errors
    /// Those of [`File::write_all`].
    pub fn write_all(&self, buf: &[u8]) -> Result<()> {
        self.0.write_all(buf)
    }

    /// Writes text, for `write!`.
    ///
    /// # Errors
    /// Those of [`File::write_fmt`].
    pub fn write_fmt(&self, text: fmt::Arguments<'_>) -> Result<()> {
        self.0.write_fmt(text)
    }

    /// A further descriptor of this end.
    ///
    /// # Errors
    /// Those of [`System::fcntl`].
    pub fn try_clone(&self) -> Result<PipeWriter<'a>> {
        self.0.try_clone().map(PipeWriter)
    }

    /// The descriptor, for the calls of [`System`]; it stays this end's.
    pub fn fd(&self) -> i32 {
        self.0.fd()
    }

    /// The descriptor, which nobody closes now.
    pub fn into_fd(self) -> i32 {
        self.0.into_fd()
    }
}
