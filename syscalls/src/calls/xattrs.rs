//! Extended attributes: setxattr, getxattr, listxattr, removexattr, each by path, by the path
//! of a link that stays one, and by descriptor.

use anchorite_fs::{Caller, Inode, SetXattr, Sink, Source, XATTR_SIZE_MAX, XattrName};

use crate::file::Object;
use crate::node::Node;
use crate::notify::Given;
use crate::system::System;
use crate::walk::{LastLink, Place};
use crate::{Errno, Result};

/// Whose attributes a call is about.
#[derive(Clone, Copy)]
pub(crate) enum XattrsOf<'a> {
    /// The file's that a path names.
    Path(&'a [u8], LastLink),
    /// The file's that a descriptor is of.
    Descriptor(i32),
}

/// What a call does to attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Look,
    Change,
}

impl System {
    /// `setxattr(2)`: gives the extended attribute `name` of the file at `path` this value.
    /// `flags` are 0, XATTR_CREATE for one that is not there yet, or XATTR_REPLACE for one that
    /// is. A name begins with `user.` (regular files and directories, by their permissions),
    /// `trusted.` (root's alone) or `security.` (read by all, written by root).
    ///
    /// # Errors
    /// EINVAL for other flags; ERANGE for a name without bytes, or of more than 255; E2BIG for
    /// a value of more than 65536; those of the path; EINVAL and EPERM for capabilities; EPERM;
    /// EACCES; EOPNOTSUPP for other names and on the host; EINVAL for a name that ends with its
    /// first dot; ENOSPC; EEXIST; ENODATA; ENOMEM.
    pub fn setxattr(&self, path: &[u8], name: &[u8], value: &[u8], flags: i32) -> Result<()> {
        self.set_by_slices(XattrsOf::Path(path, LastLink::Follow), name, value, flags)
    }

    /// `lsetxattr(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of [`setxattr`](System::setxattr).
    pub fn lsetxattr(&self, path: &[u8], name: &[u8], value: &[u8], flags: i32) -> Result<()> {
        self.set_by_slices(XattrsOf::Path(path, LastLink::Stay), name, value, flags)
    }

    /// `fsetxattr(2)`: of an open file.
    ///
    /// # Errors
    /// Those of [`setxattr`](System::setxattr), with EBADF for those of the path.
    pub fn fsetxattr(&self, fd: i32, name: &[u8], value: &[u8], flags: i32) -> Result<()> {
        self.set_by_slices(XattrsOf::Descriptor(fd), name, value, flags)
    }

    /// `getxattr(2)`: copies the value of an extended attribute to `buf`; returns its bytes.
    /// An empty `buf` asks how many there are.
    ///
    /// # Errors
    /// ERANGE for a name without bytes, or of more than 255; those of the path; ENODATA;
    /// EACCES; EOPNOTSUPP for names of another kind and on the host; EINVAL for a name that
    /// ends with its first dot; ERANGE if `buf` is too small.
    pub fn getxattr(&self, path: &[u8], name: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.get_to_slice(XattrsOf::Path(path, LastLink::Follow), name, buf)
    }

    /// `lgetxattr(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of [`getxattr`](System::getxattr).
    pub fn lgetxattr(&self, path: &[u8], name: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.get_to_slice(XattrsOf::Path(path, LastLink::Stay), name, buf)
    }

    /// `fgetxattr(2)`: of an open file, however it was opened.
    ///
    /// # Errors
    /// Those of [`getxattr`](System::getxattr), with EBADF for those of the path.
    pub fn fgetxattr(&self, fd: i32, name: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.get_to_slice(XattrsOf::Descriptor(fd), name, buf)
    }

    /// `listxattr(2)`: copies the names of all extended attributes to `buf`, each ended by NUL,
    /// in descending order as on tmpfs; returns their bytes. An empty `buf` asks how many there
    /// are. Who is not root does not see those of `trusted.`.
    ///
    /// # Errors
    /// Those of the path; EOPNOTSUPP on the host; ERANGE if `buf` is too small; E2BIG if they
    /// are more than 65536.
    pub fn listxattr(&self, path: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.list_xattrs(XattrsOf::Path(path, LastLink::Follow), || Ok(Sink::from(buf)))
    }

    /// `llistxattr(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of [`listxattr`](System::listxattr).
    pub fn llistxattr(&self, path: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.list_xattrs(XattrsOf::Path(path, LastLink::Stay), || Ok(Sink::from(buf)))
    }

    /// `flistxattr(2)`: of an open file.
    ///
    /// # Errors
    /// Those of [`listxattr`](System::listxattr), with EBADF for those of the path.
    pub fn flistxattr(&self, fd: i32, buf: &mut [u8]) -> Result<usize> {
        self.list_xattrs(XattrsOf::Descriptor(fd), || Ok(Sink::from(buf)))
    }

    /// `removexattr(2)`: removes an extended attribute.
    ///
    /// # Errors
    /// ERANGE for a name without bytes, or of more than 255; those of the path; EPERM; EACCES;
    /// EOPNOTSUPP for names of another kind and on the host; EINVAL for a name that ends with
    /// its first dot; ENODATA.
    pub fn removexattr(&self, path: &[u8], name: &[u8]) -> Result<()> {
        self.remove_xattr(XattrsOf::Path(path, LastLink::Follow), XattrName::new(name)?)
    }

    /// `lremovexattr(2)`: of a symbolic link, the link's own.
    ///
    /// # Errors
    /// Those of [`removexattr`](System::removexattr).
    pub fn lremovexattr(&self, path: &[u8], name: &[u8]) -> Result<()> {
        self.remove_xattr(XattrsOf::Path(path, LastLink::Stay), XattrName::new(name)?)
    }

    /// `fremovexattr(2)`: of an open file.
    ///
    /// # Errors
    /// Those of [`removexattr`](System::removexattr), with EBADF for those of the path.
    pub fn fremovexattr(&self, fd: i32, name: &[u8]) -> Result<()> {
        self.remove_xattr(XattrsOf::Descriptor(fd), XattrName::new(name)?)
    }

    fn set_by_slices(&self, of: XattrsOf<'_>, name: &[u8], value: &[u8], flags: i32) -> Result<()> {
        let set = set_xattr(flags)?;
        let name = XattrName::new(name)?;
        check_value_len(value.len())?;
        self.set_xattr(of, name, Source::from(value), set)
    }

    fn get_to_slice(&self, of: XattrsOf<'_>, name: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.get_xattr(of, XattrName::new(name)?, || Ok(Sink::from(buf)))
    }

    pub(crate) fn set_xattr(
        &self,
        of: XattrsOf<'_>,
        name: XattrName<'_>,
        mut value: Source<'_>,
        set: SetXattr,
    ) -> Result<()> {
        self.with_xattrs(of, Wants::Change, |inode, caller| {
            inode.set_xattr(caller, name, &mut value, set)
        })
    }

    /// Fills what `sink` gives, which is asked once the file is found.
    pub(crate) fn get_xattr<'a>(
        &self,
        of: XattrsOf<'_>,
        name: XattrName<'_>,
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        self.with_xattrs(of, Wants::Look, |inode, caller| {
            inode.get_xattr(caller, name, &mut sink()?)
        })
    }

    /// Fills what `sink` gives, which is asked once the file is found.
    pub(crate) fn list_xattrs<'a>(
        &self,
        of: XattrsOf<'_>,
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        let list = |inode: &Inode, caller: &Caller<'_>| inode.list_xattrs(caller, &mut sink()?);
        match self.with_xattrs(of, Wants::Look, list) {
            // Of what is no file.
            Err(Errno::ENODATA) => Ok(0),
            told => told,
        }
    }

    pub(crate) fn remove_xattr(&self, of: XattrsOf<'_>, name: XattrName<'_>) -> Result<()> {
        self.with_xattrs(of, Wants::Change, |inode, caller| inode.remove_xattr(caller, name))
    }

    /// # Errors
    /// Those of the path, or EBADF; EROFS to change them in a read-only mount; EOPNOTSUPP for what is in no ramdisk; what `call` says.
    fn with_xattrs<T>(
        &self,
        of: XattrsOf<'_>,
        wants: Wants,
        call: impl FnOnce(&Inode, &Caller<'_>) -> Result<T>,
    ) -> Result<T> {
        let check = |place: &Place| match wants {
            Wants::Look => Ok(()),
            Wants::Change => self.check_writable(place),
        };
        match of {
            XattrsOf::Path(path, last_link) => self.as_caller(|caller| {
                let place = self.place_at(caller, libc::AT_FDCWD, path, last_link, 0)?;
                check(&place)?;
                let done = match &place.node {
                    Node::Ramdisk(inode) => call(inode, caller)?,
                    Node::Host(_) | Node::Proc(_) => return Err(Errno::EOPNOTSUPP),
                };
                if wants == Wants::Change
                    && let Some(notified) = self.notified()
                {
                    let given = Given { at: libc::AT_FDCWD, path, last_link };
                    let changed = (&place, place.node.mode());
                    notified.changed_at(self, caller, given, changed, libc::IN_ATTRIB);
                }
                Ok(done)
            }),
            XattrsOf::Descriptor(fd) => {
                let file = self.file(fd)?;
                file.place.as_ref().map_or(Ok(()), check)?;
                let done = match &file.object {
                    Object::Inode(inode) => self.as_caller(|caller| call(inode, caller)),
                    Object::Pipe(end) => self.as_caller(|caller| call(end.inode(), caller)),
                    Object::Device(_) => match file.place.as_ref().map(|place| &place.node) {
                        Some(Node::Ramdisk(inode)) => self.as_caller(|caller| call(inode, caller)),
                        _ => Err(Errno::EOPNOTSUPP),
                    },
                    // As if it were a file that has none and lets nobody add any.
                    Object::Inotify(_) if wants == Wants::Change => Err(Errno::EPERM),
                    Object::Inotify(_) => Err(Errno::ENODATA),
                    Object::Host(_) | Object::Proc(_) | Object::Path => Err(Errno::EOPNOTSUPP),
                }?;
                if wants == Wants::Change
                    && let Some(notified) = self.notified()
                {
                    notified.changed(&file, libc::IN_ATTRIB, 0);
                }
                Ok(done)
            }
        }
    }
}

/// What the flags of `setxattr(2)` ask for.
///
/// # Errors
/// EINVAL for other flags.
pub(crate) fn set_xattr(flags: i32) -> Result<SetXattr> {
    SetXattr::from_bits(flags).ok_or(Errno::EINVAL)
}

/// # Errors
/// E2BIG for more bytes than a value can have.
pub(crate) fn check_value_len(len: usize) -> Result<()> {
    if len > XATTR_SIZE_MAX { Err(Errno::E2BIG) } else { Ok(()) }
}
