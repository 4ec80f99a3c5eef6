//! [`pack`]: a directory of the host's as an archive, for `--preload HOST_DIRECTORY`.
//!
//! As tar does it: links are packed, not followed; files with several names are packed once; and
//! what is mounted below goes along. A file that changes meanwhile is an error, since half of
//! what it was is nothing that anybody wants.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anchorite_archive::{Attribute, Body, Device, Member, PIECES_LIMIT, Time, WriteError, Writer};
use nix::unistd::{Whence, lseek64};
use walkdir::WalkDir;

use crate::forward::describe;
use crate::preload::Spoilt;

/// How much of a file is read at once.
const PIECE_BYTES: usize = 1 << 20;
/// Where pieces of files with holes begin and end: at multiples of this.
const PAGE_BYTES: u64 = 4096;
/// Attributes that are packed; the others' values are their host's affair.
const PACKED_ATTRIBUTES: &[u8] = b"user.";

/// Packs all of `directory` into `out`.
pub fn pack(
    directory: &Path,
    out: &mut dyn FnMut(&[u8]) -> Result<(), Spoilt>,
) -> Result<(), Spoilt> {
    let mut packer =
        Packer { writer: Writer::new(out), linked: HashMap::new(), buffer: vec![0; PIECE_BYTES] };
    for entry in WalkDir::new(directory).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(directory).to_owned();
            unreadable(&path, &error.into())
        })?;
        let below = entry.path().strip_prefix(directory).unwrap_or(Path::new(""));
        let name = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let found = entry.metadata().map_err(|error| unreadable(entry.path(), &error.into()))?;
        packer.add(entry.path(), name, &found).map_err(|error| match error {
            WriteError::Sink(spoilt) => spoilt,
            error => spoilt(entry.path(), &error),
        })?;
    }
    packer.writer.finish().map(drop).map_err(|error| match error {
        WriteError::Sink(spoilt) => spoilt,
        error => spoilt(directory, &error),
    })
}

struct Packer<S> {
    writer: Writer<S>,
    /// Files with several names: the first of them, by device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
    buffer: Vec<u8>,
}

type Packed = Result<(), WriteError<Spoilt>>;

impl<S: FnMut(&[u8]) -> Result<(), Spoilt>> Packer<S> {
    fn add(&mut self, path: &Path, name: &Path, found: &Metadata) -> Packed {
        let kind = found.file_type();
        if kind.is_socket() {
            let _ = writeln!(
                io::stderr(),
                "anchorite: --preload: the socket {} is left out",
                path.display()
            );
            return Ok(());
        }
        let first = (found.nlink() > 1 && !kind.is_dir())
            .then(|| self.linked.insert((found.dev(), found.ino()), name.to_owned()))
            .flatten();
        if let Some(first) = first {
            let body = Body::HardLink(first.as_os_str().as_bytes());
            self.begin(path, name, found, body)?;
            // Later names link to the first, which is the one with the content.
            self.linked.insert((found.dev(), found.ino()), first);
            return Ok(());
        }
        let target;
        let number = Device { major: libc::major(found.rdev()), minor: libc::minor(found.rdev()) };
        let body = match () {
            () if kind.is_file() => return self.add_file(path, name),
            () if kind.is_dir() => Body::Directory,
            () if kind.is_symlink() => {
                target = fs::read_link(path).map_err(|error| unreadable(path, &error))?;
                Body::Symlink(target.as_os_str().as_bytes())
            }
            () if kind.is_fifo() => Body::Fifo,
            () if kind.is_char_device() => Body::CharDevice(number),
            () => Body::BlockDevice(number),
        };
        self.begin(path, name, found, body)
    }

    fn add_file(&mut self, path: &Path, name: &Path) -> Packed {
        let refuse = |error: io::Error| unreadable(path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .map_err(refuse)?;
        let before = file.metadata().map_err(refuse)?;
        let size = before.len();
        let pieces = if before.blocks() * 512 < size { pieces(&file, size) } else { None };
        match &pieces {
            Some(map) => {
                self.begin(path, name, &before, Body::Sparse { size, map })?;
                for (offset, len) in map {
                    file.seek(SeekFrom::Start(*offset)).map_err(refuse)?;
                    self.content(path, &mut file, *len)?;
                }
            }
            None => {
                self.begin(path, name, &before, Body::File { size })?;
                self.content(path, &mut file, size)?;
            }
        }
        let after = file.metadata().map_err(refuse)?;
        let state = |found: &Metadata| (found.len(), found.mtime(), found.mtime_nsec());
        if state(&before) != state(&after) { Err(changed(path).into()) } else { Ok(()) }
    }

    fn begin(&mut self, path: &Path, name: &Path, found: &Metadata, body: Body<'_>) -> Packed {
        let xattrs = attributes(path).map_err(|error| unreadable(path, &error))?;
        self.writer.begin(&Member {
            path: name.as_os_str().as_bytes(),
            body,
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            mtime: Time { seconds: found.mtime(), nanoseconds: found.mtime_nsec() as u32 },
            atime: None,
            xattrs: &xattrs,
        })
    }

    fn content(&mut self, path: &Path, file: &mut File, len: u64) -> Packed {
        let mut left = len;
        while left > 0 {
            let wanted = left.min(PIECE_BYTES as u64) as usize;
            let got = match file.read(&mut self.buffer[..wanted]) {
                Ok(0) => return Err(changed(path).into()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(path, &error).into()),
            };
            self.writer.data(&self.buffer[..got])?;
            left -= got as u64;
        }
        Ok(())
    }
}

impl From<Spoilt> for WriteError<Spoilt> {
    fn from(spoilt: Spoilt) -> Self {
        WriteError::Sink(spoilt)
    }
}

/// What lies between a file's holes, as offsets and lengths; `None` if its file system does not
/// tell, or if there are too many.
fn pieces(file: &File, size: u64) -> Option<Vec<(u64, u64)>> {
    let seek = |from: u64, whence| match lseek64(file, from as i64, whence) {
        Ok(at) => Some(at as u64),
        // Nothing but a hole from there.
        Err(nix::errno::Errno::ENXIO) => Some(size),
        Err(_) => None,
    };
    let mut pieces: Vec<(u64, u64)> = Vec::new();
    let mut at = 0;
    while at < size {
        if pieces.len() + 1 >= PIECES_LIMIT {
            return None;
        }
        let start = seek(at, Whence::SeekData)?;
        if start >= size {
            break;
        }
        let end = seek(start, Whence::SeekHole)?;
        let start = start - start % PAGE_BYTES;
        at = end.next_multiple_of(PAGE_BYTES).min(size);
        match pieces.last_mut() {
            Some((before, len)) if *before + *len >= start => *len = at - *before,
            _ => pieces.push((start, at - start)),
        }
    }
    Some(pieces)
}

fn attributes(path: &Path) -> io::Result<Vec<Attribute<'static>>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut found = vec![];
    for name in names.filter(|name| name.as_bytes().starts_with(PACKED_ATTRIBUTES)) {
        // It may be gone since.
        if let Some(value) = xattr::get(path, &name)? {
            found.push((name.as_bytes().to_vec().into(), value.into()));
        }
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &io::Error) -> Spoilt {
    Spoilt::Source(format!(
        "{} cannot be read ({}): see whether it is yours to read",
        path.display(),
        describe(error)
    ))
}

fn changed(path: &Path) -> Spoilt {
    Spoilt::Source(format!(
        "{} changed while it was read: run it again when nobody writes there",
        path.display()
    ))
}

fn spoilt(path: &Path, error: &WriteError<Spoilt>) -> Spoilt {
    let why = match error {
        WriteError::Entry(what) => what.to_string(),
        error => format!("{error:?}"),
    };
    Spoilt::Source(format!("{} cannot be packed ({why}): move it elsewhere", path.display()))
}
