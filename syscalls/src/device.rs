//! [`Device`]: the drivers of character devices, found by a node's number when it is opened,
//! whatever its name: `null(4)`, `full(4)`, `random(4)`, `tty(4)`, `console(4)`.
//!
//! | number | | read | write |
//! |---|---|---|---|
//! | 1:3 | null | at its end | swallows |
//! | 1:5 | zero | zeros | swallows |
//! | 1:7 | full | zeros | ENOSPC |
//! | 1:8, 1:9 | random, urandom | from the platform's source, and never waits | swallows |
//! | 5:0, 5:1 | tty, console | the console's input | standard output |
//!
//! The devices of memory have no content that an offset would be in: lseek answers 0, and
//! pread is read. The console has no positions at all, and is what descriptors 0, 1 and 2 of a
//! new process are. On Linux `tty` is the terminal that controls the process, if there is one; here
//! it is the console.

use anchorite_fs::{Attributes, FileType, InodeNo, Sink, Source, Timestamp};

use crate::platform::Stream;
use crate::system::System;
use crate::{Errno, Result};

/// A driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Null,
    Zero,
    Full,
    /// What both random devices are, but for what `poll(2)` tells of them.
    Random(Chance),
    /// The console, which writes go to as this stream.
    Console(Stream),
}

/// Which of the random devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chance {
    Random,
    Urandom,
}

/// Bytes handed to the platform at once: each time may be an exit to the hypervisor.
const CONSOLE_PIECE: usize = 4096;
/// Random bytes made at once.
const RANDOM_PIECE: usize = 256;

impl Device {
    /// The driver of a device's number, which is packed as `makedev(3)` does.
    ///
    /// # Errors
    /// ENXIO: there is none.
    pub(crate) fn by_number(number: u64) -> Result<Device> {
        Ok(match number {
            NULL => Device::Null,
            ZERO => Device::Zero,
            FULL => Device::Full,
            RANDOM => Device::Random(Chance::Random),
            URANDOM => Device::Random(Chance::Urandom),
            TTY | CONSOLE => Device::Console(Stream::Stdout),
            _ => return Err(Errno::ENXIO),
        })
    }

    /// Whether a transfer can be at a position, which makes no difference to it.
    pub(crate) fn has_positions(self) -> bool {
        !matches!(self, Device::Console(_))
    }

    /// # Errors
    /// EIO where the platform has no random bytes, or its console failed.
    pub(crate) fn read(self, system: &System, sink: &mut Sink<'_>) -> Result<usize> {
        match self {
            Device::Null => Ok(0),
            Device::Zero | Device::Full => {
                let len = sink.remaining();
                sink.put_zeros(len);
                Ok(len)
            }
            Device::Random(_) => {
                let mut done = 0;
                let mut piece = [0; RANDOM_PIECE];
                while sink.remaining() > 0 {
                    let room = sink.remaining().min(RANDOM_PIECE);
                    let filled = system.platform().fill_random(&mut piece[..room]);
                    if filled.is_err() {
                        return if done == 0 { Err(Errno::EIO) } else { Ok(done) };
                    }
                    done += sink.put(&piece[..room]);
                }
                Ok(done)
            }
            Device::Console(_) => {
                let mut piece = [0; CONSOLE_PIECE];
                let room = sink.remaining().min(CONSOLE_PIECE);
                let done = system.platform().read_console(&mut piece[..room])?.min(room);
                Ok(sink.put(&piece[..done]))
            }
        }
    }

    /// # Errors
    /// ENOSPC; EIO if the console failed.
    pub(crate) fn write(self, system: &System, source: &mut Source<'_>) -> Result<usize> {
        match self {
            Device::Null | Device::Zero | Device::Random(_) => Ok(source.remaining()),
            Device::Full => Err(Errno::ENOSPC),
            Device::Console(stream) => {
                let mut done = 0;
                let mut piece = [0; CONSOLE_PIECE];
                while source.remaining() > 0 {
                    let copied = source.copy_to(&mut piece);
                    match system.platform().write_console(stream, &piece[..copied]) {
                        Ok(()) => done += copied,
                        Err(errno) if done == 0 => return Err(errno),
                        Err(_) => break,
                    }
                }
                Ok(done)
            }
        }
    }

    /// `lseek(2)`: there is one offset.
    ///
    /// # Errors
    /// EINVAL for an unknown `whence`; ESPIPE for the console.
    pub(crate) fn seek(self, whence: i32) -> Result<u64> {
        match whence {
            libc::SEEK_SET..=libc::SEEK_HOLE if self.has_positions() => Ok(0),
            libc::SEEK_SET..=libc::SEEK_HOLE => Err(Errno::ESPIPE),
            _ => Err(Errno::EINVAL),
        }
    }

    /// `poll(2)`: what is true of it.
    pub(crate) fn poll(self) -> i16 {
        const READ: i16 = libc::POLLIN | libc::POLLRDNORM;
        const WRITE: i16 = libc::POLLOUT | libc::POLLWRNORM;
        match self {
            // Linux says that it can be written while it has no entropy, and else not.
            Device::Random(Chance::Random) => READ,
            _ => READ | WRITE,
        }
    }

    /// Whether `sendfile(2)` takes it for a source: on Linux a driver says so itself.
    pub(crate) fn can_be_sent(self) -> bool {
        matches!(self, Device::Zero | Device::Full | Device::Random(_))
    }

    /// Whether `sendfile(2)` can send something there.
    pub(crate) fn can_be_sent_to(self) -> bool {
        self != Device::Full
    }
}

/// The number of the device with these two, as `makedev(3)` packs small ones.
const fn number(major: u64, minor: u64) -> u64 {
    major << 8 | minor
}

pub(crate) const NULL: u64 = number(1, 3);
pub(crate) const ZERO: u64 = number(1, 5);
pub(crate) const FULL: u64 = number(1, 7);
pub(crate) const RANDOM: u64 = number(1, 8);
pub(crate) const URANDOM: u64 = number(1, 9);
pub(crate) const TTY: u64 = number(5, 0);
pub(crate) const CONSOLE: u64 = number(5, 1);

/// The attributes of the console where it has no node.
pub(crate) fn console_attributes() -> Attributes {
    let never = Timestamp::default();
    Attributes {
        device: 0,
        ino: InodeNo(1),
        file_type: FileType::CharDevice,
        mode: 0o620,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: CONSOLE,
        size: 0,
        blocks: 0,
        atime: never,
        mtime: never,
        ctime: never,
        btime: never,
    }
}
