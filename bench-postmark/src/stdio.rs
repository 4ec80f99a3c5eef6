//! [`Stream`]: buffered files whose calls are those of glibc's stdio.
//!
//! PostMark's `set buffering true` measures a file system through stdio, so
//! the buffer's rules are part of the workload: the size comes from `fstat` on
//! the first transfer, reading fills the whole buffer, a request of a buffer
//! or more goes past it in whole blocks, writing fills the buffer to its end
//! first, and opening to append asks for the end.
//!
//! Life of a stream: closed, then open without a buffer, then open with one.
//! The memory for the buffer is taken once, in [`Stream::new`], and kept.

use alloc::vec::Vec;

use anchorite_syscalls::{Errno, Result};
use arrayvec::ArrayVec;

use crate::Calls;

/// The most that glibc takes for a buffer, and what it takes if `fstat` tells
/// nothing: `BUFSIZ`.
const MOST_BYTES: usize = 8192;
/// From this size on, a transfer past the buffer is of whole blocks only.
const BLOCKS_FROM_BYTES: usize = 128;
/// The longest line that `fgets` is asked for, without the NUL.
pub const LINE_BYTES: usize = 254;

/// One line of commands.
pub type Line = ArrayVec<u8, LINE_BYTES>;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `fopen`'s `"r"`.
    Read,
    /// `fopen`'s `"w"`.
    Write,
    /// `fopen`'s `"a"`.
    Append,
}

/// Whether a newline sends the buffer off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushing {
    WhenFull,
    ByLine,
}

/// A `FILE`.
pub struct Stream {
    fd: i32,
    /// Immutable length of [`MOST_BYTES`]; the first `size` are in use.
    memory: Vec<u8>,
    /// The buffer's size in bytes; 0 until the first transfer.
    size: usize,
    /// While reading, the bytes `start..end` of the buffer are still to be
    /// had; while writing, `0..end` are still to be sent.
    start: usize,
    end: usize,
    /// No more to be read, for good.
    at_end: bool,
    flushing: Flushing,
}

impl Stream {
    /// A closed stream.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Stream> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(MOST_BYTES).map_err(|_| Errno::ENOMEM)?;
        memory.resize(MOST_BYTES, 0);
        Ok(Stream {
            fd: -1,
            memory,
            size: 0,
            start: 0,
            end: 0,
            at_end: false,
            flushing: Flushing::WhenFull,
        })
    }

    /// A stream on a descriptor that is already open, such as the console's.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn on(fd: i32) -> Result<Stream> {
        let mut stream = Stream::new()?;
        stream.fd = fd;
        Ok(stream)
    }

    /// Opens `path` as `fopen` does. The stream was closed.
    ///
    /// # Errors
    /// Those of `open(2)`; when appending, those of `lseek(2)` but ESPIPE.
    pub fn open<C: Calls>(&mut self, calls: &C, path: &[u8], mode: Mode) -> Result<()> {
        let flags = match mode {
            Mode::Read => libc::O_RDONLY,
            Mode::Write => libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC,
            Mode::Append => libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND,
        };
        self.fd = calls.open(path, flags, 0o666)?;
        if mode == Mode::Append
            && let Err(error) = calls.lseek(self.fd, 0, libc::SEEK_END)
            && error != Errno::ESPIPE
        {
            let _ = calls.close(self.fd);
            return Err(error);
        }
        self.size = 0;
        self.start = 0;
        self.end = 0;
        self.at_end = false;
        self.flushing = Flushing::WhenFull;
        Ok(())
    }

    /// Closes a stream that was read from.
    ///
    /// # Errors
    /// Those of `close(2)`.
    pub fn close_reading<C: Calls>(&mut self, calls: &C) -> Result<()> {
        calls.close(self.fd)
    }

    /// Sends what is left and closes a stream that was written to.
    ///
    /// # Errors
    /// Those of `write(2)`, then those of `close(2)`. It is closed either way.
    pub fn close_writing<C: Calls>(&mut self, calls: &C) -> Result<()> {
        let flushed = self.flush(calls);
        calls.close(self.fd).and(flushed)
    }

    /// Reads until `buffer` is full, as `fread` does; returns how many bytes
    /// came. Fewer mean the file's end or an error, as with the original.
    pub fn read<C: Calls>(&mut self, calls: &C, buffer: &mut [u8]) -> usize {
        self.take_buffer(calls);
        let mut done = 0;
        while done < buffer.len() {
            let wanted = buffer.len() - done;
            let here = wanted.min(self.end - self.start);
            buffer[done..done + here].copy_from_slice(&self.memory[self.start..self.start + here]);
            self.start += here;
            done += here;
            let wanted = wanted - here;
            if wanted == 0 {
                break;
            }
            if wanted < self.size {
                if !self.fill(calls) {
                    break;
                }
                continue;
            }
            self.start = 0;
            self.end = 0;
            match calls.read(self.fd, &mut buffer[done..done + self.whole_blocks(wanted)]) {
                Ok(count) if count > 0 => done += count.min(wanted),
                _ => {
                    self.at_end = true;
                    break;
                }
            }
        }
        done
    }

    /// The next line with its newline, cut at [`LINE_BYTES`], as `fgets` has
    /// it; `None` at the end.
    pub fn read_line<C: Calls>(&mut self, calls: &C) -> Option<Line> {
        let mut line = Line::new();
        self.take_buffer(calls);
        while !line.is_full() {
            if self.start == self.end && !self.fill(calls) {
                break;
            }
            let here = &self.memory[self.start..self.end];
            let here = &here[..here.len().min(line.remaining_capacity())];
            let newline = here.iter().position(|byte| *byte == b'\n');
            let count = newline.map_or(here.len(), |at| at + 1);
            line.extend(here[..count].iter().copied());
            self.start += count;
            if newline.is_some() {
                break;
            }
        }
        (!line.is_empty()).then_some(line)
    }

    /// Writes `bytes` as `fwrite` does.
    ///
    /// # Errors
    /// Those of `write(2)`. The bytes not yet sent are lost.
    pub fn write<C: Calls>(&mut self, calls: &C, bytes: &[u8]) -> Result<()> {
        if self.flushing == Flushing::ByLine {
            return self.write_lines(calls, bytes);
        }
        // Without a buffer, `size` is 0 and so is the room.
        let room = bytes.len().min(self.size - self.end);
        let (here, rest) = bytes.split_at(room);
        self.memory[self.end..self.end + room].copy_from_slice(here);
        self.end += room;
        if rest.is_empty() {
            return Ok(());
        }
        self.take_buffer(calls);
        if self.flushing == Flushing::ByLine {
            return self.write_lines(calls, rest);
        }
        self.flush(calls)?;
        let (past, rest) = rest.split_at(self.whole_blocks(rest.len()));
        send(calls, self.fd, past)?;
        self.memory[..rest.len()].copy_from_slice(rest);
        self.end = rest.len();
        Ok(())
    }

    /// Sends what is in the buffer.
    ///
    /// # Errors
    /// Those of `write(2)`. The bytes not yet sent are lost.
    pub fn flush<C: Calls>(&mut self, calls: &C) -> Result<()> {
        let count = core::mem::take(&mut self.end);
        send(calls, self.fd, &self.memory[..count])
    }

    /// Takes back what was read ahead, as the program's end does with its
    /// standard input.
    pub fn give_back<C: Calls>(&mut self, calls: &C) {
        if self.start < self.end {
            // At most MOST_BYTES, so it fits.
            let _ = calls.lseek(self.fd, -((self.end - self.start) as i64), libc::SEEK_CUR);
        }
    }

    /// Finds the buffer's size, once.
    fn take_buffer<C: Calls>(&mut self, calls: &C) {
        if self.size != 0 {
            return;
        }
        self.size = MOST_BYTES;
        if let Ok(stat) = calls.fstat(self.fd) {
            if stat.mode & libc::S_IFMT == libc::S_IFCHR {
                self.flushing = Flushing::ByLine;
            }
            match usize::try_from(stat.block_size) {
                Ok(block) if (1..MOST_BYTES).contains(&block) => self.size = block,
                _ => {}
            }
        }
    }

    /// Reads a bufferful; whether there is something now.
    fn fill<C: Calls>(&mut self, calls: &C) -> bool {
        if self.at_end {
            return false;
        }
        self.start = 0;
        // A call that says more than it was asked for is not believed.
        self.end = calls.read(self.fd, &mut self.memory[..self.size]).unwrap_or(0).min(self.size);
        self.at_end = self.end == 0;
        !self.at_end
    }

    /// How much of a transfer of `bytes` goes past the buffer.
    fn whole_blocks(&self, bytes: usize) -> usize {
        if self.size >= BLOCKS_FROM_BYTES { bytes - bytes % self.size } else { bytes }
    }

    /// Writes to a terminal: whole lines at once, the rest later.
    fn write_lines<C: Calls>(&mut self, calls: &C, bytes: &[u8]) -> Result<()> {
        let lines = bytes.iter().rposition(|byte| *byte == b'\n');
        let (lines, rest) = bytes.split_at(lines.map_or(0, |at| at + 1));
        for piece in lines.chunks(self.size).chain(rest.chunks(self.size)) {
            if self.end + piece.len() > self.size {
                self.flush(calls)?;
            }
            self.memory[self.end..self.end + piece.len()].copy_from_slice(piece);
            self.end += piece.len();
            if piece.ends_with(b"\n") {
                self.flush(calls)?;
            }
        }
        Ok(())
    }
}

/// Writes all of `bytes`, in as many calls as it takes.
///
/// # Errors
/// Those of `write(2)`; EIO for a call that writes nothing (glibc would ask
/// for ever).
pub fn send<C: Calls>(calls: &C, fd: i32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let count = calls.write(fd, bytes)?;
        if count == 0 {
            return Err(Errno::EIO);
        }
        bytes = &bytes[count.min(bytes.len())..];
    }
    Ok(())
}

/// `remove(3)`: `unlink`, and `rmdir` for a directory.
///
/// # Errors
/// Those of `unlink(2)` but EISDIR; those of `rmdir(2)`.
pub fn remove<C: Calls>(calls: &C, path: &[u8]) -> Result<()> {
    match calls.unlink(path) {
        Err(Errno::EISDIR) => calls.rmdir(path),
        result => result,
    }
}
