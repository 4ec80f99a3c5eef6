//! The console as an open file: descriptors 0, 1 and 2 of a new process.

use anchorite_fs::{Attributes, FileType, InodeNo, Sink, Source, Timestamp};

use crate::platform::Stream;
use crate::system::System;
use crate::{Errno, Result};

/// One direction of the console.
#[derive(Clone, Copy)]
pub(crate) enum Console {
    Input,
    Output(Stream),
}

/// Bytes handed to the platform at once: each time may be an exit to the hypervisor.
const PIECE: usize = 4096;
/// The device number of `/dev/console` on Linux.
const CONSOLE_DEVICE: u64 = 5 << 8 | 1;

impl Console {
    pub(crate) fn read(self, system: &System, sink: &mut Sink<'_>) -> Result<usize> {
        let Console::Input = self else { return Err(Errno::EBADF) };
        let mut piece = [0; PIECE];
        let room = sink.remaining().min(PIECE);
        let done = system.platform().read_console(&mut piece[..room])?.min(room);
        Ok(sink.put(&piece[..done]))
    }

    pub(crate) fn write(self, system: &System, source: &mut Source<'_>) -> Result<usize> {
        let Console::Output(stream) = self else { return Err(Errno::EBADF) };
        let mut done = 0;
        let mut piece = [0; PIECE];
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

    pub(crate) fn attributes(self) -> Attributes {
        let never = Timestamp::default();
        Attributes {
            device: 0,
            ino: InodeNo(1),
            file_type: FileType::CharDevice,
            mode: 0o620,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: CONSOLE_DEVICE,
            size: 0,
            blocks: 0,
            atime: never,
            mtime: never,
            ctime: never,
            btime: never,
        }
    }
}
