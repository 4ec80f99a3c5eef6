//! `--preload ARCHIVE[:DIR]`: makes of what the user names an archive that an isle can read as
//! it is ([`ready`]).
//!
//! A plain archive is handed over as it is. What is compressed is unpacked, and a directory is
//! packed ([`crate::pack`]), into a file without a name, which is gone when the last process that
//! has it open is, however that ends. The isle opens each by this process's descriptor, so odd
//! paths trouble nobody, and nothing is exchanged for something else on the way.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anchorite_archive::{Damage, DecompressError, What, decompress, is_compressed};

use crate::archive::Archive;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::pack;
use crate::transfer::Transfer;

/// Bytes by which a compressed archive is known.
const MAGIC_BYTES: usize = 16;
/// How a cpio archive begins. Others may follow it, and those may be compressed.
const CPIO_MAGIC: &[u8] = b"0707";

/// Reads the option's argument and sees whether there is something to read.
pub fn parse(argument: &std::ffi::OsStr) -> Result<Archive> {
    let archive = Archive::parse("--preload", argument)?;
    let looked = fs::metadata(&archive.host).and_then(|found| {
        if found.is_dir() {
            fs::read_dir(&archive.host).map(drop)
        } else if found.is_file() {
            File::open(&archive.host).map(drop)
        } else {
            // To open a pipe is to wait for whoever writes into it.
            Ok(())
        }
    });
    looked.map(|()| archive.clone()).map_err(|error| {
        Failure::usage(format!(
            "--preload {}: {}: name an archive or a directory of this host",
            archive.host.display(),
            describe(&error)
        ))
    })
}

/// What no archive may exceed.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// The end of a sentence about one that does, with the remedy.
    pub why: &'static str,
}

impl Limit {
    /// A guest's memory.
    pub fn memory(bytes: u64) -> Self {
        Limit { bytes, why: "the guest's memory: give it more with --memory" }
    }
}

/// The archive as a file that an isle can read, and the archive with the path at which it does,
/// as long as this process keeps the file.
pub fn ready(archive: &Archive, limit: Limit) -> Result<(Archive, File)> {
    let source = Source { archive, limit };
    let file = source.file()?;
    Ok((Archive { host: path_of(&file), ..archive.clone() }, file))
}

/// The path at which other processes of this user can open `file`.
pub fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()))
}

/// What the user named.
struct Source<'a> {
    archive: &'a Archive,
    limit: Limit,
}

impl Source<'_> {
    fn file(&self) -> Result<File> {
        let host = &self.archive.host;
        let found = fs::metadata(host).map_err(|error| self.unreadable(&error))?;
        if found.is_dir() {
            return self
                .scratch(&mut |scratch| pack::pack(host, &mut |bytes| scratch.write(bytes)));
        }
        let mut file = File::open(host).map_err(|error| self.unreadable(&error))?;
        if !found.is_file() {
            // A pipe is read once, so what it gave is kept.
            let bytes = self.read(&mut file)?;
            return match is_compressed(&bytes) {
                true => self.decompressed(&bytes),
                false => self.scratch(&mut |scratch| scratch.write(&bytes)),
            };
        }
        let mut magic = Vec::new();
        let read = (&file).take(MAGIC_BYTES as u64).read_to_end(&mut magic);
        read.map_err(|error| self.unreadable(&error))?;
        if is_compressed(&magic) || magic.starts_with(CPIO_MAGIC) {
            file.rewind().map_err(|error| self.unreadable(&error))?;
            let bytes = self.read(&mut file)?;
            if is_compressed(&bytes) {
                return self.decompressed(&bytes);
            }
        }
        if found.len() > self.limit.bytes {
            return Err(self.too_large());
        }
        Ok(file)
    }

    fn read(&self, file: &mut File) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = self.limit.bytes.saturating_add(1);
        let read = file.take(limit).read_to_end(&mut bytes);
        match read.map_err(|error| self.unreadable(&error))? as u64 {
            len if len == limit => Err(self.too_large()),
            _ => Ok(bytes),
        }
    }

    fn decompressed(&self, bytes: &[u8]) -> Result<File> {
        self.scratch(&mut |scratch| {
            decompress(bytes, self.limit.bytes, &mut |piece| scratch.write(piece)).map_err(
                |error| match error {
                    DecompressError::Out(spoilt) => spoilt,
                    DecompressError::Damage(Damage { what: What::Bomb { .. }, .. }) => {
                        Spoilt::TooLarge
                    }
                    DecompressError::Damage(damage) => {
                        Spoilt::Source(format!("{damage}: make it anew"))
                    }
                },
            )
        })
    }

    /// A file without a name that `fill` fills: in memory, or where that has no room in the
    /// directory for temporary files.
    fn scratch(
        &self,
        fill: &mut dyn FnMut(&mut Scratch) -> std::result::Result<(), Spoilt>,
    ) -> Result<File> {
        let mut refusal = io::Error::from(ErrorKind::NotFound);
        for place in [PathBuf::from("/dev/shm"), std::env::temp_dir()] {
            let filled = Scratch::new(&place, self).and_then(|mut scratch| {
                fill(&mut scratch)?;
                scratch.finish()
            });
            match filled {
                Ok(file) => return Ok(file),
                Err(Spoilt::Place(error)) => refusal = error,
                Err(Spoilt::TooLarge) => return Err(self.too_large()),
                Err(Spoilt::Source(why)) => {
                    let host = self.archive.host.display();
                    return Err(Failure::isle(format!("--preload {host}: {why}")));
                }
            }
        }
        Err(Failure::isle(format!(
            "--preload {}: there is no room to unpack it ({}): set TMPDIR to a directory that has",
            self.archive.host.display(),
            describe(&refusal)
        )))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::isle(format!(
            "--preload {}: it cannot be read ({}): see whether it is there and yours to read",
            self.archive.host.display(),
            describe(error)
        ))
    }

    fn too_large(&self) -> Failure {
        Failure::isle(format!(
            "--preload {}: it holds more than {}",
            self.archive.host.display(),
            self.limit.why,
        ))
    }
}

/// Why an archive could not be made ready.
#[derive(Debug)]
pub enum Spoilt {
    /// The place where it was to be cannot be written.
    Place(io::Error),
    /// It has more bytes than it may.
    TooLarge,
    /// What it is made from; a sentence.
    Source(String),
}

/// A file without a name that is being filled.
struct Scratch {
    file: BufWriter<File>,
    written: u64,
    limit: u64,
    transfer: Transfer,
}

impl Scratch {
    fn new(place: &Path, source: &Source<'_>) -> std::result::Result<Self, Spoilt> {
        let file = tempfile::tempfile_in(place).map_err(Spoilt::Place)?;
        let name = source.archive.host.display();
        Ok(Scratch {
            file: BufWriter::with_capacity(1 << 20, file),
            written: 0,
            limit: source.limit.bytes,
            transfer: Transfer::new(format!("unpacking {name}")),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), Spoilt> {
        self.written += bytes.len() as u64;
        if self.written > self.limit {
            return Err(Spoilt::TooLarge);
        }
        self.file.write_all(bytes).map_err(Spoilt::Place)?;
        self.transfer.at(self.written, 0);
        Ok(())
    }

    fn finish(self) -> std::result::Result<File, Spoilt> {
        self.file.into_inner().map_err(|error| Spoilt::Place(error.into_error()))
    }
}
