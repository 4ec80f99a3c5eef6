//! [`Node`]: a file of any mounted file system, and [`Files`], what a file system
//! does to be mounted.
//!
//! The trait is small and by name: one component at a time for the walk, and calls
//! on a directory and a name for the last one. A file system may answer
//! [`Files::child`] without looking (the forwarded one does), so that a path call
//! there is one call of the host, whatever the path's length.

use anchorite_fs::mem::Arc;
use anchorite_fs::{
    Access, Attributes, Caller, Change, EntryName, FileType, InodeRef, Left, Linkable, New,
    RenameMode, Sink,
};

use crate::file::Object;
use crate::forward::HostNode;
use crate::proc::ProcNode;
use crate::walk::LastLink;
use crate::{Errno, Result};

/// What a mounted file system does. `Self` is a reference to one of its files.
pub(crate) trait Files: Sized {
    /// The type, if it is known without asking anybody.
    fn file_type(&self) -> Option<FileType>;

    /// The file that `name` names in this directory.
    ///
    /// # Errors
    /// ENOTDIR, EACCES, ENAMETOOLONG, ENOENT, ENOMEM.
    fn child(&self, caller: &Caller<'_>, name: EntryName<'_>) -> Result<Self>;

    /// The parent directory; none at the file system's root.
    ///
    /// # Errors
    /// ENOMEM.
    fn parent(&self) -> Result<Option<Self>>;

    /// `stat(2)`, or `lstat(2)` where a link stays one. The walk has followed all
    /// links that it knows of.
    ///
    /// # Errors
    /// The host's.
    fn attributes(&self, last_link: LastLink) -> Result<Attributes>;

    /// `access(2)`.
    ///
    /// # Errors
    /// EACCES; the host's.
    fn check(&self, caller: &Caller<'_>, wanted: Access) -> Result<()>;

    /// Opens the file, which exists; `flags` are those of `open(2)`. The caller has
    /// checked what the flags demand of a known type, and finds the pipe of a fifo, which may
    /// take time.
    ///
    /// # Errors
    /// EACCES; the host's.
    fn open(&self, caller: &Caller<'_>, flags: i32) -> Result<Object>;

    /// Makes a file in this directory: `mkdir(2)`, `symlink(2)`, `mknod(2)`.
    ///
    /// # Errors
    /// Those of the calls; ENOSYS for what the host cannot do.
    fn create(&self, caller: &Caller<'_>, name: &[u8], new: New<'_>, mode: u32) -> Result<()>;

    /// `unlink(2)`.
    ///
    /// # Errors
    /// Those of the call.
    fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()>;

    /// `rmdir(2)`.
    ///
    /// # Errors
    /// Those of the call; ENOSYS for what the host cannot do.
    fn rmdir(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()>;

    /// `readlink(2)`.
    ///
    /// # Errors
    /// EINVAL; ENOSYS for what the host cannot do.
    fn read_link(&self, caller: &Caller<'_>, sink: &mut Sink<'_>) -> Result<usize>;

    /// `chmod(2)`, `chown(2)`, `utimensat(2)`.
    ///
    /// # Errors
    /// Those of the calls; ENOSYS for what the host cannot do.
    fn change(&self, caller: &Caller<'_>, change: Change) -> Result<()>;

    /// `truncate(2)`.
    ///
    /// # Errors
    /// Those of the call; ENOSYS for what the host cannot do.
    fn truncate(&self, caller: &Caller<'_>, size: u64) -> Result<()>;
}

/// A file of any mounted file system.
#[derive(Clone)]
pub(crate) enum Node {
    Ramdisk(InodeRef),
    Host(HostNode),
    Proc(ProcNode),
}

/// Evaluates `$body` with `$node` bound to whichever file it is.
macro_rules! each {
    ($self:expr, $node:ident => $body:expr) => {
        match $self {
            Node::Ramdisk($node) => $body,
            Node::Host($node) => $body,
            Node::Proc($node) => $body,
        }
    };
}

impl Files for Node {
    fn file_type(&self) -> Option<FileType> {
        each!(self, node => Files::file_type(node))
    }

    fn child(&self, caller: &Caller<'_>, name: EntryName<'_>) -> Result<Node> {
        Ok(match self {
            Node::Ramdisk(node) => Node::Ramdisk(node.child(caller, name)?),
            Node::Host(node) => Node::Host(node.child(caller, name)?),
            Node::Proc(node) => Node::Proc(node.child(caller, name)?),
        })
    }

    fn parent(&self) -> Result<Option<Node>> {
        Ok(match self {
            Node::Ramdisk(node) => Files::parent(node)?.map(Node::Ramdisk),
            Node::Host(node) => node.parent()?.map(Node::Host),
            Node::Proc(node) => node.parent()?.map(Node::Proc),
        })
    }

    #[inline]
    fn attributes(&self, last_link: LastLink) -> Result<Attributes> {
        each!(self, node => Files::attributes(node, last_link))
    }

    fn check(&self, caller: &Caller<'_>, wanted: Access) -> Result<()> {
        each!(self, node => Files::check(node, caller, wanted))
    }

    fn open(&self, caller: &Caller<'_>, flags: i32) -> Result<Object> {
        each!(self, node => node.open(caller, flags))
    }

    fn create(&self, caller: &Caller<'_>, name: &[u8], new: New<'_>, mode: u32) -> Result<()> {
        each!(self, node => Files::create(node, caller, name, new, mode))
    }

    #[inline]
    fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        each!(self, node => Files::unlink(node, caller, name))
    }

    #[inline]
    fn rmdir(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        each!(self, node => Files::rmdir(node, caller, name))
    }

    #[inline]
    fn read_link(&self, caller: &Caller<'_>, sink: &mut Sink<'_>) -> Result<usize> {
        each!(self, node => Files::read_link(node, caller, sink))
    }

    fn change(&self, caller: &Caller<'_>, change: Change) -> Result<()> {
        each!(self, node => Files::change(node, caller, change))
    }

    fn truncate(&self, caller: &Caller<'_>, size: u64) -> Result<()> {
        each!(self, node => Files::truncate(node, caller, size))
    }
}

impl Node {
    /// Whether both are the same file.
    pub(crate) fn is(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Ramdisk(node), Node::Ramdisk(other)) => Arc::ptr_eq(node, other),
            (Node::Host(node), Node::Host(other)) => node.below_root() == other.below_root(),
            (Node::Proc(node), Node::Proc(other)) => node.is(*other),
            _ => false,
        }
    }

    /// Permissions with the set-ID and sticky bits, of a file of a ramdisk. For who looks whether
    /// they change.
    #[cold]
    pub(crate) fn mode(&self) -> u32 {
        match self {
            Node::Ramdisk(inode) => anchorite_fs::Inode::attributes(inode).mode,
            Node::Host(_) | Node::Proc(_) => 0,
        }
    }

    /// Whether it is certainly no directory.
    pub(crate) fn is_not_directory(&self) -> bool {
        self.file_type().is_some_and(|file_type| file_type != FileType::Directory)
    }

    /// Whether its files are made up, and nobody can make others.
    pub(crate) fn is_made_up(&self) -> bool {
        matches!(self, Node::Proc(_))
    }

    /// Whether it is certainly a symbolic link.
    pub(crate) fn is_symlink(&self) -> bool {
        self.file_type() == Some(FileType::Symlink)
    }

    /// `link(2)` of `target` into this directory. Both are of one mount.
    ///
    /// # Errors
    /// Those of the call; ENOSYS where the host cannot do it.
    pub(crate) fn link(&self, caller: &Caller<'_>, name: &[u8], target: &Node) -> Result<()> {
        match (self, target) {
            (Node::Ramdisk(node), Node::Ramdisk(target)) => {
                anchorite_fs::Inode::link(node, caller, name, target)
            }
            (Node::Proc(node), _) => node.create(caller, name, New::Regular, 0),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// Makes a file without a name, in the file system of this directory: O_TMPFILE.
    ///
    /// # Errors
    /// ENOTDIR, EACCES, ENOSPC, ENOMEM; EOPNOTSUPP where the host cannot do it.
    pub(crate) fn create_unnamed(
        &self,
        caller: &Caller<'_>,
        mode: u32,
        linkable: Linkable,
    ) -> Result<Node> {
        match self {
            Node::Ramdisk(node) => {
                let new = New::Regular;
                let made = anchorite_fs::Inode::create_unnamed(node, caller, new, mode, linkable);
                made.map(Node::Ramdisk)
            }
            Node::Host(_) | Node::Proc(_) => Err(Errno::EOPNOTSUPP),
        }
    }

    /// `renameat2(2)` from this directory to another of the same mount.
    ///
    /// # Errors
    /// Those of the call; ENOSYS where the host cannot do it.
    pub(crate) fn rename(
        &self,
        caller: &Caller<'_>,
        old: EntryName<'_>,
        new_dir: &Node,
        new: EntryName<'_>,
        (mode, left): (RenameMode, Left),
    ) -> Result<()> {
        match (self, new_dir) {
            (Node::Ramdisk(old_dir), Node::Ramdisk(new_dir)) => {
                anchorite_fs::rename(caller, old_dir, old, new_dir, new, mode, left)
            }
            (Node::Proc(old_dir), Node::Proc(new_dir)) => match old_dir.unlink(caller, old.bytes) {
                Err(Errno::ENOENT) => Err(Errno::ENOENT),
                _ => new_dir.unlink(caller, new.bytes),
            },
            _ => Err(Errno::ENOSYS),
        }
    }
}
