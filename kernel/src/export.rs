//! Files that leave the machine when its program ends, as archives: [`at_end`].
//!
//! Each is a file of the host's that is there already, empty, and is written in large pieces; where
//! the machine cannot write files, the pieces go to the launcher. Only
//! an end that the program chose exports: after a panic or an exception nobody knows what the
//! locks protect.

use alloc::ffi::CString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use anchorite_interface::{Kind, MAX_PAYLOAD_BYTES, STATUS_ISLE_FAILED};
use anchorite_syscalls::{Errno, ExportError, Exported, HostFd, HostFiles, Result, System};
use spin::Once;

use crate::cmdline::Archive;
use crate::host_files::UhyveFiles;
use crate::output::{self, Progress};

/// How much is gathered for one write.
const PIECE_BYTES: usize = 1 << 20;

/// What is to be written at the end.
struct Exports {
    system: &'static System,
    /// Where there are none, the launcher writes.
    files: Option<Arc<UhyveFiles>>,
    archives: Vec<Archive>,
}

static EXPORTS: Once<Exports> = Once::new();

/// Has `archives` written at the end.
pub fn prepare(system: &'static System, files: Option<Arc<UhyveFiles>>, archives: Vec<Archive>) {
    EXPORTS.call_once(|| Exports { system, files, archives });
}

/// Writes what is to be written, for the first thread that ends the machine; others wait here
/// for its end. A failure ends the machine too.
///
/// It does not claim the end, as [`output::claim_end`] does: a thread that panics meanwhile, and
/// whose locks stay locked for ever, goes first.
pub fn at_end() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    let Some(exports) = EXPORTS.get() else {
        return;
    };
    while BEGUN.swap(true, Ordering::Relaxed) {
        core::hint::spin_loop();
    }
    #[cfg(anchorite_counts)]
    if let Err(error) = crate::counts::leave(exports.system) {
        output::report(format_args!("anchorite: the counts cannot be left: {error}\n"));
    }
    for (number, archive) in (0u32..).zip(&exports.archives) {
        match exports.write(archive) {
            Ok(Exported { sockets, .. }) => {
                if sockets > 0 {
                    output::report(format_args!(
                        "anchorite: {}: {sockets} sockets are left out of the archive\n",
                        archive.dir.escape_ascii(),
                    ));
                }
                output::with(|console| console.tell(Kind::Exported, &number.to_le_bytes()));
            }
            Err(error) => {
                output::report(format_args!(
                    "anchorite: the files below {} cannot be exported: {error}; the archive is not \
                     written\n",
                    archive.dir.escape_ascii(),
                ));
                output::exit(STATUS_ISLE_FAILED);
            }
        }
    }
}

impl Exports {
    fn write(&self, archive: &Archive) -> core::result::Result<Exported, ExportError> {
        let to = match &self.files {
            Some(files) => {
                let path = CString::new(archive.file.clone());
                let path = path.map_err(|_| ExportError::Out(Errno::EINVAL))?;
                let fd = files.open(&path, libc::O_WRONLY, 0).map_err(ExportError::Out)?;
                To::File(files, fd)
            }
            None => To::Launcher,
        };
        let progress = Progress::new(0);
        let mut writer = Writer { to, pending: Vec::new(), written: 0, progress };
        // Without it pieces leave as they come.
        let _ = writer.pending.try_reserve_exact(PIECE_BYTES);
        let exported = self.system.export(&archive.dir, &mut |bytes| writer.write(bytes))?;
        writer.finish().map_err(ExportError::Out)?;
        Ok(exported)
    }
}

/// Where an archive goes.
enum To<'a> {
    /// Into a file of the host's.
    File(&'a UhyveFiles, HostFd),
    /// In frames.
    Launcher,
}

/// Gathers an archive's bytes.
struct Writer<'a> {
    to: To<'a>,
    /// Never grows.
    pending: Vec<u8>,
    written: u64,
    progress: Progress,
}

impl Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > self.pending.capacity() - self.pending.len() {
            self.flush()?;
        }
        if bytes.len() > self.pending.capacity() {
            return self.send(bytes);
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut pending = core::mem::take(&mut self.pending);
        let sent = self.send(&pending);
        pending.clear();
        self.pending = pending;
        sent
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let sent = match self.to {
                // SAFETY: bytes that are borrowed.
                To::File(files, fd) => unsafe { files.write(fd, bytes.as_ptr(), bytes.len()) }?,
                To::Launcher => {
                    let piece = &bytes[..bytes.len().min(MAX_PAYLOAD_BYTES)];
                    output::with(|console| console.tell(Kind::Archive, piece));
                    piece.len()
                }
            };
            bytes = bytes.get(sent.max(1)..).ok_or(Errno::EIO)?;
            self.written += sent as u64;
            self.progress.at(self.written);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        match self.to {
            To::File(files, fd) => files.close(fd),
            To::Launcher => Ok(()),
        }
    }
}
