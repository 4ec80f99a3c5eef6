//! [`Tree`]: the inodes of the file system, by their numbers.

use std::collections::BTreeMap;

use anchorite_fs::Limits;
use anchorite_syscalls::Errno;

use super::file::{Content, PAGE};
use super::permission::Who;

/// An inode's number.
pub type Id = u64;

/// The root directory's number.
pub const ROOT: Id = 1;

/// Bytes in the longest name.
const NAME_MAX: usize = 255;
/// Bytes that an entry adds to a directory's size, on tmpfs.
const ENTRY_SIZE: u64 = 20;
/// A target from this length on takes a page, on tmpfs.
const LONG_TARGET: usize = 128;
/// Seconds after which an access time is renewed anyway: `mount(8)`, relatime.
const DAY: i64 = 24 * 60 * 60;

/// Bytes that an inode counts for, where extended attributes count too, on tmpfs.
const INODE_BYTES: u64 = 1024;

/// Bytes that an extended attribute counts for, on tmpfs.
pub fn xattr_bytes(name: &[u8], value: &[u8]) -> u64 {
    40 + (name.len() + value.len()) as u64
}

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanoseconds: i64,
}

/// A file of any type.
#[derive(Debug)]
pub struct Inode {
    /// What differs by type.
    pub kind: Kind,
    /// The twelve permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names; a directory's: 2 and one for each subdirectory, 0 once it is removed.
    pub links: u32,
    /// Last access.
    pub accessed: Time,
    /// Last change of the content.
    pub modified: Time,
    /// Last change of anything.
    pub changed: Time,
    /// Whether a file without a name may get one: O_TMPFILE without O_EXCL.
    pub linkable: bool,
    /// Extended attributes. A listing begins with the greatest name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How many open files, working directories and subdirectories' `..` refer to it.
    pins: usize,
}

/// What differs by type.
#[derive(Debug)]
pub enum Kind {
    /// A regular file.
    File(Content),
    /// A directory.
    Directory(Directory),
    /// A symbolic link to this target.
    Link(Vec<u8>),
    /// A fifo, socket or device of this type, and a device's number. The character device 0 is
    /// a whiteout.
    Node(u32, u64),
    /// A fifo without a name, which is in a file system of its own.
    Pipe,
}

/// What is in a directory.
#[derive(Debug)]
pub struct Directory {
    /// Where `..` leads.
    pub parent: Id,
    /// By name. A listing is in the order of the cookies.
    pub entries: BTreeMap<Vec<u8>, Entry>,
    next_cookie: u64,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The file.
    pub id: Id,
    /// The place in listings, which only grows.
    pub cookie: u64,
}

/// All inodes.
#[derive(Debug)]
pub struct Tree {
    inodes: BTreeMap<Id, Inode>,
    next_id: Id,
    /// The limits of pages and of inodes.
    limits: Limits,
    /// Pages in use.
    pages: u64,
    /// How many of the inodes are pipes: they are not counted here.
    pipes: u64,
}

impl Directory {
    /// An empty directory. The first cookies are those of `.` and `..`.
    pub fn new(parent: Id) -> Directory {
        Directory { parent, entries: BTreeMap::new(), next_cookie: 2 }
    }

    /// Adds an entry. A name that is there keeps its place.
    pub fn insert(&mut self, name: &[u8], id: Id) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.id = id;
            return;
        }
        self.entries.insert(name.to_vec(), Entry { id, cookie: self.next_cookie });
        self.next_cookie += 1;
    }

    /// Gives an entry another name, which is not there. It keeps its place.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) {
        if let Some(entry) = self.entries.remove(old) {
            self.entries.insert(new.to_vec(), entry);
        }
    }
}

impl Inode {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        matches!(self.kind, Kind::Link(_))
    }

    /// The directory in it.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn directory(&self) -> Result<&Directory, Errno> {
        match &self.kind {
            Kind::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The type, by its bits in `st_mode`.
    pub fn file_type(&self) -> u32 {
        match self.kind {
            Kind::File(_) => libc::S_IFREG,
            Kind::Directory(_) => libc::S_IFDIR,
            Kind::Link(_) => libc::S_IFLNK,
            Kind::Node(file_type, _) => file_type,
            Kind::Pipe => libc::S_IFIFO,
        }
    }

    /// `st_size`.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.size(),
            Kind::Directory(directory) => (2 + directory.entries.len() as u64) * ENTRY_SIZE,
            Kind::Link(target) => target.len() as u64,
            Kind::Node(..) | Kind::Pipe => 0,
        }
    }

    /// Pages that it takes.
    pub fn pages(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.pages(),
            Kind::Link(target) => u64::from(target.len() >= LONG_TARGET),
            Kind::Directory(_) | Kind::Node(..) | Kind::Pipe => 0,
        }
    }

    /// The content or the owner changes: the file loses what a program may do that is executed.
    /// Linux lets an empty word of it stay.
    pub fn lose_capabilities(&mut self) {
        self.xattrs.retain(|name, value| name != b"security.capability" || value.is_empty());
    }

    /// The content or the entries changed.
    pub fn touch(&mut self, now: Time) {
        self.modified = now;
        self.changed = now;
    }

    /// It was read: the access time is renewed where that is news, `mount(8)`, relatime.
    pub fn access(&mut self, now: Time) {
        let news = self.accessed <= self.modified
            || self.accessed <= self.changed
            || now.seconds.saturating_sub(self.accessed.seconds) >= DAY;
        if news {
            self.accessed = now;
        }
    }
}

impl Tree {
    /// A tree of a root that all may write, sticky.
    pub fn new(limits: Limits, now: Time) -> Tree {
        let root = Inode {
            kind: Kind::Directory(Directory::new(ROOT)),
            mode: 0o1777,
            uid: 0,
            gid: 0,
            links: 2,
            accessed: now,
            modified: now,
            changed: now,
            linkable: false,
            xattrs: BTreeMap::new(),
            pins: 1,
        };
        Tree {
            inodes: BTreeMap::from([(ROOT, root)]),
            next_id: ROOT + 1,
            limits,
            pages: 0,
            pipes: 0,
        }
    }

    /// The inode with this number, which must be one that something refers to.
    pub fn get(&self, id: Id) -> &Inode {
        self.inodes.get(&id).expect("what is referred to is there")
    }

    /// As [`get`](Tree::get), to be changed.
    pub fn get_mut(&mut self, id: Id) -> &mut Inode {
        self.inodes.get_mut(&id).expect("what is referred to is there")
    }

    /// The directory `id`, to be changed.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn directory_mut(&mut self, id: Id) -> Result<&mut Directory, Errno> {
        match &mut self.get_mut(id).kind {
            Kind::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// What `name` stands for in a directory, which may have been removed.
    ///
    /// # Errors
    /// ENOTDIR, ENOENT, ENAMETOOLONG.
    pub fn lookup(&self, directory: Id, name: &[u8]) -> Result<Id, Errno> {
        let inode = self.get(directory);
        let entries = &inode.directory()?.entries;
        if inode.links == 0 {
            return Err(Errno::ENOENT);
        }
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        entries.get(name).map(|entry| entry.id).ok_or(Errno::ENOENT)
    }

    /// As [`lookup`](Tree::lookup); none if the name is free.
    ///
    /// # Errors
    /// ENOTDIR, ENAMETOOLONG; ENOENT if the directory was removed.
    pub fn find(&self, directory: Id, name: &[u8]) -> Result<Option<Id>, Errno> {
        match self.lookup(directory, name) {
            Ok(id) => Ok(Some(id)),
            Err(Errno::ENOENT) if self.get(directory).links > 0 => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Makes an inode in the manner of the directory `parent`, without a name yet.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn make(
        &mut self,
        parent: Id,
        kind: Kind,
        mode: u32,
        who: &Who,
        now: Time,
    ) -> Result<Id, Errno> {
        let (gid, mode) = who.group_and_mode(self.get(parent), &kind, mode);
        let links = if let Kind::Directory(_) = kind { 2 } else { 1 };
        let [accessed, modified, changed] = [now; 3];
        let (uid, linkable, xattrs, pins) = (who.uid, false, BTreeMap::new(), 0);
        #[rustfmt::skip]
        let inode = Inode {
            kind, mode, uid, gid, links, accessed, modified, changed, linkable, xattrs, pins,
        };
        if self.free_inode_bytes() < INODE_BYTES || inode.pages() > self.free_pages() {
            return Err(Errno::ENOSPC);
        }
        if let Kind::Directory(directory) = &inode.kind {
            self.pin(directory.parent);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.pages += inode.pages();
        self.inodes.insert(id, inode);
        Ok(id)
    }

    /// Makes a pipe, which has no name.
    pub fn make_pipe(&mut self, who: &Who, now: Time) -> Id {
        let [accessed, modified, changed] = [now; 3];
        let (kind, mode, links, linkable, pins) = (Kind::Pipe, 0o600, 0, false, 0);
        let (uid, gid, xattrs) = (who.uid, who.gid, BTreeMap::new());
        #[rustfmt::skip]
        let inode = Inode {
            kind, mode, uid, gid, links, accessed, modified, changed, linkable, xattrs, pins,
        };
        let id = self.next_id;
        self.next_id += 1;
        self.pipes += 1;
        self.inodes.insert(id, inode);
        id
    }

    /// Pages that can still be allocated.
    pub fn free_pages(&self) -> u64 {
        (self.limits.size_bytes / PAGE).saturating_sub(self.pages)
    }

    /// Room for inodes and extended attributes, of which the limit of inodes is made.
    pub fn free_inode_bytes(&self) -> u64 {
        let limit = self.limits.inodes.saturating_mul(INODE_BYTES);
        let inodes = self.inodes.len() as u64 - self.pipes;
        limit.saturating_sub(inodes * INODE_BYTES + self.xattr_bytes())
    }

    fn xattr_bytes(&self) -> u64 {
        let counts = |inode: &&Inode| !matches!(inode.kind, Kind::Pipe);
        let all = self.inodes.values().filter(counts).flat_map(|inode| &inode.xattrs);
        all.map(|(name, value)| xattr_bytes(name, value)).sum()
    }

    /// Changes a regular file's content, and counts its pages.
    ///
    /// # Errors
    /// EINVAL for what is no regular file.
    pub fn change_content<T>(
        &mut self,
        id: Id,
        change: impl FnOnce(&mut Content) -> T,
    ) -> Result<T, Errno> {
        let Kind::File(content) = &mut self.get_mut(id).kind else { return Err(Errno::EINVAL) };
        let before = content.pages();
        let result = change(content);
        let after = content.pages();
        self.pages = self.pages + after - before;
        Ok(result)
    }

    /// Notes that something refers to the inode.
    pub fn pin(&mut self, id: Id) {
        self.get_mut(id).pins += 1;
    }

    /// Takes a reference back; what nothing refers to and has no name is freed.
    pub fn unpin(&mut self, id: Id) {
        self.get_mut(id).pins -= 1;
        self.free_if_unused(id);
    }

    /// Lets the `..` of a directory lead to `parent`.
    pub fn set_parent(&mut self, id: Id, parent: Id) {
        if let Ok(directory) = self.directory_mut(id) {
            let former = std::mem::replace(&mut directory.parent, parent);
            self.pin(parent);
            self.unpin(former);
        }
    }

    /// Frees the inode if it has no name and nothing refers to it; and what it referred to.
    pub fn free_if_unused(&mut self, id: Id) {
        let inode = self.get(id);
        if inode.links > 0 || inode.pins > 0 {
            return;
        }
        if let Some(inode) = self.inodes.remove(&id) {
            self.pages -= inode.pages();
            self.pipes -= u64::from(matches!(inode.kind, Kind::Pipe));
            if let Kind::Directory(directory) = inode.kind {
                self.unpin(directory.parent);
            }
        }
    }

    /// Inodes, those that extended attributes count for included, and pages in use.
    pub fn usage(&self) -> (u64, u64) {
        let inodes = self.inodes.len() as u64 - self.pipes;
        (inodes + self.xattr_bytes().div_ceil(INODE_BYTES), self.pages)
    }
}
