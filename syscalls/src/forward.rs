//! A directory of the host's as a mounted file system: each path call is one call of
//! the host with the whole path, each call on an open file one with its descriptor.
//!
//! The host keeps the file offset, so `read` and `write` need no more than that;
//! `pread` and `pwrite`, which hosts do not offer, move it there and back under a
//! lock. What a host does not offer at all is ENOSYS: rename, link, symlink, readlink,
//! rmdir, truncate and the calls that change attributes.
//!
//! A host is not believed what cannot be: counts beyond what was asked for are cut off;
//! offsets and sizes below zero, and listings with records that a program could not walk
//! or with names that are no names, are EIO.

use alloc::sync::Arc as StdArc;
use alloc::vec::Vec;
use core::ffi::CStr;

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{Class, Mutex};
use anchorite_fs::{
    Access, Attributes, Caller, Change, EntryName, FileType, NAME_MAX, New, Sink, Source,
};

use crate::file::{At, Object};
use crate::host::{HostFd, HostFiles};
use crate::node::Files;
use crate::user::PATH_MAX;
use crate::walk::LastLink;
use crate::{Errno, Result};

/// The longest listing that is asked of the host at once.
const LISTING_BYTES: usize = 32 * 1024;
/// Bytes before the name in a record of `getdents64(2)`.
const DIRENT_HEAD: usize = 19;

/// A path on the host. Whether something is there is for the host to say, when it is
/// asked to do something with it. One word, since walks move nodes of any kind about.
#[derive(Clone)]
pub(crate) struct HostNode(Arc<HostPath>);

struct HostPath {
    host: StdArc<dyn HostFiles>,
    /// Absolute, ending in NUL.
    bytes: Vec<u8>,
    /// Length of the part that is the mount's root.
    root_len: usize,
}

impl HostNode {
    /// Opens the file that `name` names in this directory, made if there is none: O_CREAT.
    ///
    /// # Errors
    /// ENAMETOOLONG, ENOMEM; the host's.
    pub(crate) fn open_or_make(
        &self,
        caller: &Caller<'_>,
        name: EntryName<'_>,
        flags: i32,
        mode: u32,
    ) -> Result<(HostNode, Object)> {
        let child = self.child(caller, name)?;
        let object = child.opened(flags, mode & !caller.umask)?;
        Ok((child, object))
    }

    /// The root of a mount: the host's directory `path`, absolute, without a slash at
    /// its end.
    ///
    /// # Errors
    /// ENAMETOOLONG, ENOMEM.
    pub(crate) fn root(host: StdArc<dyn HostFiles>, path: &[u8]) -> Result<HostNode> {
        HostPath::make(&host, &[path], path.len())
    }

    fn c_path(&self) -> Result<&CStr> {
        CStr::from_bytes_with_nul(&self.0.bytes).map_err(|_| Errno::EINVAL)
    }

    fn opened(&self, flags: i32, mode: u32) -> Result<Object> {
        let fd = self.0.host.open(self.c_path()?, flags, mode)?;
        Ok(Object::Host(HostFile {
            host: Some(self.0.host.clone()),
            fd,
            moving: Mutex::new(Class::Lookup, ()),
        }))
    }
}

impl HostPath {
    fn make(host: &StdArc<dyn HostFiles>, parts: &[&[u8]], root_len: usize) -> Result<HostNode> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len + 1).map_err(|_| Errno::ENOMEM)?;
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes.push(0);
        let host = host.clone();
        Ok(HostNode(Arc::try_new(HostPath { host, bytes, root_len })?))
    }

    fn without_nul(&self) -> &[u8] {
        self.bytes.strip_suffix(&[0]).unwrap_or(&self.bytes)
    }
}

impl Files for HostNode {
    fn file_type(&self) -> Option<FileType> {
        None
    }

    fn child(&self, _: &Caller<'_>, name: EntryName<'_>) -> Result<HostNode> {
        if name.bytes.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let parent = self.0.without_nul();
        let parent = parent.strip_suffix(b"/").unwrap_or(parent);
        let slash: &[u8] = if name.directory_only { b"/" } else { b"" };
        let parts = [parent, b"/", name.bytes, slash];
        HostPath::make(&self.0.host, &parts, self.0.root_len)
    }

    fn parent(&self) -> Result<Option<HostNode>> {
        let path = self.0.without_nul();
        let path = path.strip_suffix(b"/").unwrap_or(path);
        if path.len() <= self.0.root_len {
            return Ok(None);
        }
        let parent = path.iter().rposition(|&byte| byte == b'/').map_or(path, |at| &path[..at]);
        HostPath::make(&self.0.host, &[parent], self.0.root_len).map(Some)
    }

    fn attributes(&self, last_link: LastLink) -> Result<Attributes> {
        let path = self.c_path()?;
        let stat = match last_link {
            LastLink::Follow => self.0.host.stat(path)?,
            LastLink::Stay => match self.0.host.lstat(path) {
                Err(Errno::ENOSYS) => self.0.host.stat(path)?,
                told => told?,
            },
        };
        attributes(&stat)
    }

    fn check(&self, _: &Caller<'_>, _: Access) -> Result<()> {
        // The host checks when it is asked to do something; here, existence alone.
        self.attributes(LastLink::Follow).map(drop)
    }

    fn open(&self, _: &Caller<'_>, flags: i32) -> Result<Object> {
        self.opened(flags, 0)
    }

    fn create(&self, caller: &Caller<'_>, name: &[u8], new: New<'_>, mode: u32) -> Result<()> {
        let New::Directory = new else { return Err(Errno::ENOSYS) };
        let child = self.child(caller, EntryName { bytes: name, directory_only: false })?;
        self.0.host.mkdir(child.c_path()?, mode & !caller.umask)
    }

    fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        let child = self.child(caller, EntryName { bytes: name, directory_only: false })?;
        self.0.host.unlink(child.c_path()?)
    }

    fn rmdir(&self, _: &Caller<'_>, _: &[u8]) -> Result<()> {
        Err(Errno::ENOSYS)
    }

    fn read_link(&self, _: &Caller<'_>, _: &mut Sink<'_>) -> Result<usize> {
        Err(Errno::ENOSYS)
    }

    fn change(&self, _: &Caller<'_>, _: Change) -> Result<()> {
        Err(Errno::ENOSYS)
    }

    fn truncate(&self, _: &Caller<'_>, _: u64) -> Result<()> {
        Err(Errno::ENOSYS)
    }
}

impl HostNode {
    /// The part of the path below the mount's root: empty, or starting with a slash.
    pub(crate) fn below_root(&self) -> &[u8] {
        let path = &self.0.without_nul()[self.0.root_len..];
        path.strip_suffix(b"/").unwrap_or(path)
    }
}

/// An open file of the host's.
pub(crate) struct HostFile {
    /// None once it is closed.
    host: Option<StdArc<dyn HostFiles>>,
    fd: HostFd,
    /// Held while the host's file offset is elsewhere than the program left it.
    moving: Mutex<()>,
}

impl HostFile {
    fn host(&self) -> Result<&dyn HostFiles> {
        self.host.as_deref().ok_or(Errno::EBADF)
    }

    pub(crate) fn read(&self, at: At, sink: &mut Sink<'_>) -> Result<usize> {
        let host = self.host()?;
        self.at(at, || {
            let mut done = 0;
            loop {
                let (to, len) = sink.piece();
                // SAFETY: a sink is writable as far as it says.
                let piece = match unsafe { host.read(self.fd, to, len) } {
                    Ok(piece) => piece.min(len),
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => return Ok(done),
                };
                sink.skip(piece);
                done += piece;
                if piece < len || sink.remaining() == 0 {
                    return Ok(done);
                }
            }
        })
    }

    pub(crate) fn write(&self, at: At, source: &mut Source<'_>) -> Result<usize> {
        let host = self.host()?;
        self.at(at, || {
            let mut done = 0;
            loop {
                let (from, len) = source.piece();
                // SAFETY: a source is readable as far as it says.
                let piece = match unsafe { host.write(self.fd, from, len) } {
                    Ok(piece) => piece.min(len),
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => return Ok(done),
                };
                source.skip(piece);
                done += piece;
                if piece < len || source.remaining() == 0 {
                    return Ok(done);
                }
            }
        })
    }

    pub(crate) fn seek(&self, delta: i64, whence: i32) -> Result<u64> {
        let _moving = self.moving.lock();
        self.move_to(delta, whence).map(|offset| offset as u64)
    }

    /// Moves the host's file offset; returns where it is, which is not below zero.
    ///
    /// # Errors
    /// The host's; EIO for what is no offset.
    fn move_to(&self, delta: i64, whence: i32) -> Result<i64> {
        let offset = self.host()?.lseek(self.fd, delta, whence)?;
        i64::try_from(offset).map_err(|_| Errno::EIO)
    }

    pub(crate) fn list(&self, sink: &mut Sink<'_>) -> Result<usize> {
        let mut listing = Vec::new();
        let len = sink.remaining().min(LISTING_BYTES);
        listing.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        listing.resize(len, 0);
        let done = self.host()?.getdents64(self.fd, &mut listing)?.min(len);
        check_records(&listing[..done])?;
        Ok(sink.put(&listing[..done]))
    }

    pub(crate) fn attributes(&self) -> Result<Attributes> {
        attributes(&self.host()?.fstat(self.fd)?)
    }

    pub(crate) fn close(mut self) -> Result<()> {
        match self.host.take() {
            Some(host) => host.close(self.fd),
            None => Ok(()),
        }
    }

    /// Does a transfer with the host's file offset where `at` says.
    fn at(&self, at: At, mut transfer: impl FnMut() -> Result<usize>) -> Result<usize> {
        let _moving = self.moving.lock();
        let At::Position(position) = at else { return transfer() };
        let position = i64::try_from(position).map_err(|_| Errno::EINVAL)?;
        let before = self.move_to(0, libc::SEEK_CUR)?;
        self.move_to(position, libc::SEEK_SET)?;
        let done = transfer();
        self.move_to(before, libc::SEEK_SET)?;
        done
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            // Nobody is left who could be told of an error.
            let _ = host.close(self.fd);
        }
    }
}

/// What the host says of a file.
///
/// # Errors
/// EIO for a size or room below zero.
fn attributes(stat: &libc::stat) -> Result<Attributes> {
    if stat.st_size < 0 || stat.st_blocks < 0 {
        return Err(Errno::EIO);
    }
    Ok(crate::abi::attributes(stat))
}

/// Checks that a program can walk these records of `getdents64(2)`, as Linux does with those
/// of its own file systems (`fs/readdir.c`, `verify_dirent_name`).
///
/// # Errors
/// EIO.
fn check_records(mut records: &[u8]) -> Result<()> {
    while !records.is_empty() {
        let (head, _) = records.split_first_chunk::<DIRENT_HEAD>().ok_or(Errno::EIO)?;
        let len = usize::from(u16::from_ne_bytes([head[16], head[17]]));
        let name = records.get(DIRENT_HEAD..len).ok_or(Errno::EIO)?;
        let end = name.iter().position(|&byte| byte == 0).ok_or(Errno::EIO)?;
        if end == 0 || end > NAME_MAX || name[..end].contains(&b'/') {
            return Err(Errno::EIO);
        }
        records = &records[len..];
    }
    Ok(())
}
