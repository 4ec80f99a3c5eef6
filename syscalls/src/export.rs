//! [`System::export`]: a tree written out as an archive.
//!
//! The archive is a pax tar (POSIX.1-2024, pax; GNU's format 1.0 for files with holes). Paths
//! in it are relative to the directory, which comes first, as `./`; directories come before
//! what is in them, in the order in which they list it. Kept are types, modes, owners, times
//! to the nanosecond, extended attributes, hard links and holes. An access time is told where it is another than
//! the modification time, which is what a preload takes it for otherwise.
//!
//! It is written in pieces of up to 64 KiB, and takes memory for one such piece, for the
//! directories from the top to where it is, for the holes of one file, and for the path of
//! each file with several names. It is one ramdisk that is written, as if nothing were
//! mounted in it: what a mount covers is in the archive, what is mounted is not, nor are
//! directories that are only there to be covered ([`System::furnish`]). tar has no sockets: they
//! are left out and counted.
//!
//! Other threads may go on: an entry is as it was when its turn came, and a file that becomes
//! shorter meanwhile is filled up with zeros.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter};

use anchorite_archive::{Body, Device, Member, PIECES_LIMIT, Time, What, WriteError, Writer};
use anchorite_fs::mem::{Arc, try_bytes};
use anchorite_fs::{
    AccessTime, Caller, Credentials, FileType, Inode, InodeNo, InodeRef, PAGE_BYTES, Region, Sink,
    Timestamp,
};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::node::Node;
use crate::system::System;
use crate::walk::{LastLink, Path};
use crate::{Errno, Result};

/// Bytes of a file that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries that were written.
    pub entries: u64,
    /// Sockets, which were left out.
    pub sockets: u64,
}

/// Why a tree was not exported as a whole. Displayed, it is a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportError {
    /// The directory cannot be had.
    Directory(Errno),
    /// The file with this path cannot be in an archive.
    Entry(Vec<u8>, What),
    /// There is no memory for it.
    Memory,
    /// What takes the archive says so.
    Out(Errno),
}

impl ExportError {
    /// The errno that tells most of it.
    pub fn errno(&self) -> Errno {
        match self {
            ExportError::Directory(errno) | ExportError::Out(errno) => *errno,
            ExportError::Entry(..) => Errno::EOVERFLOW,
            ExportError::Memory => Errno::ENOMEM,
        }
    }
}

impl Display for ExportError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Directory(errno) => {
                write!(f, "the directory to be exported: {}", errno.message())
            }
            ExportError::Entry(path, what) => write!(f, "`{}`: {what}", path.escape_ascii()),
            ExportError::Memory => f.write_str("there is no memory for it"),
            ExportError::Out(errno) => write!(f, "writing it: {}", errno.message()),
        }
    }
}

impl core::error::Error for ExportError {}

type Exporting<T> = core::result::Result<T, ExportError>;

/// What takes the archive, piece by piece.
type Out<'o> = &'o mut dyn FnMut(&[u8]) -> Result<()>;

impl System {
    /// Writes the tree below the directory `dir` to `out` as an archive, as root; the
    /// [module](crate::export) says what is in it.
    ///
    /// # Errors
    /// No such directory, or none of a ramdisk; a path of more than 16 MiB, or a device's
    /// number of more than seven octal digits; no memory; what `out` says. What was written
    /// until then is no whole archive.
    pub fn export(&self, dir: &[u8], out: Out<'_>) -> Exporting<Exported> {
        self.export_without(dir, None, out)
    }

    /// [`export`](System::export) to where the descriptor `fd` writes. The file that it is of
    /// is not in the archive, should it be in the tree.
    ///
    /// # Errors
    /// Those of [`export`](System::export); EBADF and the others of
    /// [`write`](System::write).
    pub fn export_to(&self, dir: &[u8], fd: i32) -> Exporting<Exported> {
        let file = self.file(fd).map_err(ExportError::Out)?;
        let itself = match file.place.as_ref().map(|place| &place.node) {
            Some(Node::Ramdisk(inode)) => Some(inode.clone()),
            _ => None,
        };
        self.export_without(dir, itself, &mut |mut bytes| {
            while !bytes.is_empty() {
                match self.write(fd, bytes)? {
                    0 => return Err(Errno::EIO),
                    done => bytes = &bytes[done..],
                }
            }
            Ok(())
        })
    }

    fn export_without(
        &self,
        dir: &[u8],
        left_out: Option<InodeRef>,
        out: Out<'_>,
    ) -> Exporting<Exported> {
        let credentials = Credentials::default();
        let now = self.platform().realtime().into();
        let caller = Caller { access_time: AccessTime::Keep, ..Caller::new(&credentials, now) };
        let top = self.ramdisk_directory_at(&caller, dir).map_err(ExportError::Directory)?;
        let mut buffer = Vec::new();
        reserve(&mut buffer, BUFFER_BYTES)?;
        buffer.resize(BUFFER_BYTES, 0);
        let mut export = Export {
            system: self,
            caller: &caller,
            writer: Writer::new(out),
            left_out,
            path: Vec::new(),
            linked: HashMap::with_hasher(FixedState::default()),
            buffer,
            done: Exported::default(),
        };
        export.tree(top)?;
        let Export { writer, done, .. } = export;
        writer.finish().map_err(|error| write_error(error, &[]))?;
        Ok(done)
    }

    /// The directory of a ramdisk that a path names.
    fn ramdisk_directory_at(&self, caller: &Caller<'_>, path: &[u8]) -> Result<InodeRef> {
        let path = Path::new(path)?;
        let place = self.walk(caller, libc::AT_FDCWD, path)?.finish(LastLink::Follow)?;
        match place.node {
            Node::Ramdisk(inode) if inode.is_directory() => Ok(inode),
            Node::Ramdisk(_) => Err(Errno::ENOTDIR),
            Node::Host(_) | Node::Proc(_) => Err(Errno::EXDEV),
        }
    }
}

/// A directory that is being listed.
struct Level {
    directory: InodeRef,
    /// Where the listing goes on.
    cookie: u64,
    /// Bytes of its path, the slash at the end included.
    path_len: usize,
}

/// An export under way.
struct Export<'a> {
    system: &'a System,
    caller: &'a Caller<'a>,
    writer: Writer<Out<'a>>,
    left_out: Option<InodeRef>,
    /// The path of the entry that is being written.
    path: Vec<u8>,
    /// The path in the archive of each file with several names that was written.
    linked: HashMap<InodeNo, Vec<u8>, FixedState>,
    buffer: Vec<u8>,
    done: Exported,
}

impl Export<'_> {
    /// Writes the tree, from the top down and without recursion.
    fn tree(&mut self, top: InodeRef) -> Exporting<()> {
        self.begin(b"./", Body::Directory, &top)?;
        let mut levels = Vec::new();
        reserve(&mut levels, 1)?;
        levels.push(Level { directory: top, cookie: 0, path_len: 0 });
        while let Some(level) = levels.last_mut() {
            self.path.truncate(level.path_len);
            let Some(inode) = self.next(level)? else {
                levels.pop();
                continue;
            };
            if self.left_out.as_ref().is_some_and(|left_out| Arc::ptr_eq(left_out, &inode))
                || self.system.is_made_to_be_covered(&inode)
            {
                continue;
            }
            if !inode.is_directory() {
                self.file(&inode)?;
                continue;
            }
            reserve(&mut self.path, 1)?;
            self.path.push(b'/');
            self.begin_here(Body::Directory, &inode)?;
            reserve(&mut levels, 1)?;
            let path_len = self.path.len();
            levels.push(Level { directory: inode, cookie: 0, path_len });
        }
        Ok(())
    }

    /// The next entry of a directory, whose name is added to the path.
    fn next(&mut self, level: &mut Level) -> Exporting<Option<InodeRef>> {
        loop {
            self.path.truncate(level.path_len);
            let (path, mut found) = (&mut self.path, Ok(false));
            let listed = level.directory.list(self.caller, level.cookie, &mut |listed| {
                level.cookie = listed.next;
                if matches!(listed.name, b"." | b"..") {
                    return true;
                }
                found = reserve(path, listed.name.len()).map(|()| {
                    path.extend_from_slice(listed.name);
                    true
                });
                false
            });
            // A directory that was removed meanwhile has nothing in it.
            if listed.is_err() || !found? {
                return Ok(None);
            }
            // A name that was removed meanwhile is passed over.
            if let Ok(inode) = level.directory.lookup(self.caller, &self.path[level.path_len..]) {
                return Ok(Some(inode));
            }
        }
    }

    /// Writes what is no directory.
    fn file(&mut self, inode: &InodeRef) -> Exporting<()> {
        let attributes = inode.attributes();
        if attributes.file_type == FileType::Socket {
            self.done.sockets += 1;
            return Ok(());
        }
        if attributes.nlink > 1 {
            if let Some(first) = self.linked.get(&attributes.ino) {
                let first = copy(first)?;
                return self.begin_here(Body::HardLink(&first), inode);
            }
            self.linked.try_reserve(1).map_err(|_| ExportError::Memory)?;
            self.linked.insert(attributes.ino, copy(&self.path)?);
        }
        let device =
            || Device { major: libc::major(attributes.rdev), minor: libc::minor(attributes.rdev) };
        match attributes.file_type {
            FileType::Symlink => {
                let mut target = Vec::new();
                reserve(&mut target, attributes.size as usize)?;
                target.resize(attributes.size as usize, 0);
                let sink = &mut Sink::from(&mut target[..]);
                let len = inode.read_link(self.caller, sink).map_err(ExportError::Directory)?;
                self.begin_here(Body::Symlink(&target[..len]), inode)
            }
            FileType::Fifo => self.begin_here(Body::Fifo, inode),
            FileType::CharDevice => self.begin_here(Body::CharDevice(device()), inode),
            FileType::BlockDevice => self.begin_here(Body::BlockDevice(device()), inode),
            _ => self.content(inode, attributes.size),
        }
    }

    fn content(&mut self, inode: &Inode, size: u64) -> Exporting<()> {
        let first_hole = inode.find_region(0, Region::Hole).unwrap_or(size);
        if first_hole >= size {
            self.begin_here(Body::File { size }, inode)?;
            return self.data(inode, 0, size);
        }
        let map = pieces(inode, size)?;
        self.begin_here(Body::Sparse { size, map: &map }, inode)?;
        map.iter().try_for_each(|&(offset, len)| self.data(inode, offset, len))
    }

    /// Writes a range of a file; zeros for what is not there any more.
    fn data(&mut self, inode: &Inode, offset: u64, len: u64) -> Exporting<()> {
        let mut done = 0;
        while done < len {
            let piece = (len - done).min(BUFFER_BYTES as u64) as usize;
            let sink = &mut Sink::from(&mut self.buffer[..piece]);
            let read = inode.read(self.caller, offset + done, sink).unwrap_or(0);
            self.buffer[read..piece].fill(0);
            let written = self.writer.data(&self.buffer[..piece]);
            written.map_err(|error| write_error(error, &self.path))?;
            done += piece as u64;
        }
        Ok(())
    }

    fn begin_here(&mut self, body: Body<'_>, inode: &Inode) -> Exporting<()> {
        let path = core::mem::take(&mut self.path);
        let begun = self.begin(&path, body, inode);
        self.path = path;
        begun
    }

    fn begin(&mut self, path: &[u8], body: Body<'_>, inode: &Inode) -> Exporting<()> {
        let attributes = inode.attributes();
        let mut xattrs = Vec::new();
        if !matches!(body, Body::HardLink(_)) {
            let collected = inode.each_xattr(|name, value| {
                xattrs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                xattrs.push((Cow::Owned(try_bytes(name)?), Cow::Owned(try_bytes(value)?)));
                Ok(())
            });
            collected.map_err(|_| ExportError::Memory)?;
        }
        let (mtime, atime) = (time(attributes.mtime), time(attributes.atime));
        let member = Member {
            path,
            body,
            mode: attributes.mode,
            uid: attributes.uid,
            gid: attributes.gid,
            mtime,
            atime: (atime != mtime).then_some(atime),
            xattrs: &xattrs,
        };
        self.writer.begin(&member).map_err(|error| write_error(error, path))?;
        self.done.entries += 1;
        Ok(())
    }
}

/// Offsets and lengths of a file's data, of which there are at most as many as an archive
/// takes: where there are more, the shortest holes are taken for data.
fn pieces(inode: &Inode, size: u64) -> Exporting<Vec<(u64, u64)>> {
    let mut shortest_hole = PAGE_BYTES as u64;
    loop {
        let mut map: Vec<(u64, u64)> = Vec::new();
        let mut at = 0;
        while map.len() < PIECES_LIMIT
            && let Ok(start) = inode.find_region(at, Region::Data)
            && start < size
        {
            let end = inode.find_region(start, Region::Hole).unwrap_or(size).min(size);
            match map.last_mut() {
                Some((offset, len)) if start - (*offset + *len) < shortest_hole => {
                    *len = end - *offset;
                }
                _ => {
                    reserve(&mut map, 1)?;
                    map.push((start, end - start));
                }
            }
            at = end;
        }
        if map.len() < PIECES_LIMIT {
            return Ok(map);
        }
        shortest_hole *= 2;
    }
}

fn write_error(error: WriteError<Errno>, path: &[u8]) -> ExportError {
    match error {
        WriteError::Sink(errno) => ExportError::Out(errno),
        WriteError::Entry(what) => match copy(path) {
            Ok(path) => ExportError::Entry(path, what),
            Err(error) => error,
        },
        // As many bytes are written as were announced.
        WriteError::Surplus(_) | WriteError::Missing(_) => ExportError::Out(Errno::EIO),
    }
}

fn time(time: Timestamp) -> Time {
    Time { seconds: time.seconds(), nanoseconds: time.nanoseconds() }
}

fn copy(bytes: &[u8]) -> Exporting<Vec<u8>> {
    try_bytes(bytes).map_err(|_| ExportError::Memory)
}

fn reserve<T>(vec: &mut Vec<T>, more: usize) -> Exporting<()> {
    vec.try_reserve(more).map_err(|_| ExportError::Memory)
}
