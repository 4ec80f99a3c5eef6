//! The checker: whether a ramdisk that is in use is whole, as `fsck(8)` asks of a disk.
//!
//! [`check()`] walks the tree from the root, breadth first and without recursion, and
//! compares what stands in two places: a link count and the names that were found, a
//! directory and its `..`, the log of a directory and its index, a file's pages and its count
//! of them, the quota and the sum of all, extended attributes included. What it finds wrong is a [`Problem`] in the
//! [`Report`]; it changes nothing.
//!
//! # While others change the ramdisk
//! On a ramdisk at rest a report is exact. It holds the rename lock from the first directory
//! to the last, so no directory moves meanwhile, and each directory's lock, shared, while it
//! compares the directory with its subdirectories. So what is inside one inode, and what is
//! between a directory and its subdirectories, is right even while others are at work.
//! Sums over many inodes are not then: [`Problem::LinkCount`], [`Problem::Pages`],
//! [`Problem::Inodes`] and [`Problem::XattrBytes`] may be false alarms.
//!
//! # Trust
//! Counts, numbers, names, times and the links between inodes may hold anything: nothing
//! that is wrong with them makes the checker panic or run forever. Addresses are believed.

use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashTable;

use crate::inode::{Body, InodeRef, Meta, State, target_pages};
use crate::mem::{Arc, try_bytes};
use crate::ramdisk::{Ramdisk, Superblock, xattr_inodes};
use crate::sync::Class;
use crate::{Errno, FileType, Inode, InodeNo, PAGE_BYTES, Result};

/// Which inodes are referenced from outside the tree, by open files and the like. It tells
/// inodes that rightly live without a name from those that were forgotten.
#[derive(Clone, Copy)]
pub enum Held<'a> {
    /// These and no others. Inodes of other ramdisks among them are passed over.
    These(&'a [InodeRef]),
    /// Nobody knows: inodes and pages that the quota counts, but the tree does not have,
    /// are taken for theirs.
    Unknown,
}

/// What [`check()`] found.
#[derive(Debug, Default)]
pub struct Report {
    /// Directories, the root included.
    pub directories: u64,
    /// Regular files.
    pub files: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Fifos, sockets and devices.
    pub nodes: u64,
    /// Inodes that live without a name; counted above too if they were told to be held.
    pub orphans: u64,
    /// Names in all directories, without `.` and `..`.
    pub names: u64,
    /// Pages of the inodes counted above.
    pub pages: u64,
    /// Those of them that lie wholly behind the end of their file: FALLOC_FL_KEEP_SIZE.
    pub pages_behind_end: u64,
    /// Extended attributes of the inodes counted above.
    pub xattrs: u64,
    /// Bytes that the quota should count for them.
    pub xattr_bytes: u64,
    /// References of them to lent memory.
    pub lent: u64,
    /// What is wrong. Empty if the ramdisk is whole.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a ramdisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A file's link count is not the number of its names.
    LinkCount {
        /// The file.
        ino: InodeNo,
        /// Its link count.
        nlink: u32,
        /// Names that were found.
        names: u64,
    },
    /// A directory's link count is not 2 and one for each subdirectory.
    SubdirectoryCount {
        /// The directory.
        ino: InodeNo,
        /// Its link count.
        nlink: u32,
        /// Subdirectories that were found.
        subdirectories: u64,
    },
    /// A directory without a name has links or entries, although only an empty one can be
    /// removed.
    Removed {
        /// The directory.
        ino: InodeNo,
        /// Its link count, which should be 0.
        nlink: u32,
        /// Its entries, of which there should be none.
        entries: usize,
    },
    /// A directory has another name already: the tree is none, or has a cycle.
    TwoNames {
        /// The directory in which the further name is.
        directory: InodeNo,
        /// The name.
        name: Vec<u8>,
        /// What it names.
        ino: InodeNo,
    },
    /// `..` of a directory does not lead to the directory that names it.
    Parent {
        /// The directory that names it.
        directory: InodeNo,
        /// The name.
        name: Vec<u8>,
        /// The subdirectory.
        ino: InodeNo,
        /// Where its `..` leads to; none if nowhere.
        parent: Option<InodeNo>,
    },
    /// A root has a parent.
    RootParent {
        /// The root.
        ino: InodeNo,
        /// Its parent.
        parent: InodeNo,
    },
    /// A directory remembers another place in its parent than that of its name.
    Place {
        /// The parent.
        directory: InodeNo,
        /// The name.
        name: Vec<u8>,
        /// The subdirectory.
        ino: InodeNo,
        /// The cookie that it remembers.
        place: u64,
        /// The cookie of its name.
        cookie: u64,
    },
    /// An inode is not of this ramdisk.
    Foreign {
        /// The directory that names it.
        directory: InodeNo,
        /// The name.
        name: Vec<u8>,
        /// The inode's number in its own ramdisk.
        ino: InodeNo,
    },
    /// Two inodes have one number.
    SameNumber {
        /// The number.
        ino: InodeNo,
    },
    /// A number was never given out, or would be given out again.
    Number {
        /// The number.
        ino: InodeNo,
        /// The number that the next new inode gets.
        next: u64,
    },
    /// An inode's content is not that of its type.
    Content {
        /// The inode.
        ino: InodeNo,
        /// Its type.
        file_type: FileType,
    },
    /// An inode's mode has bits that are no permissions.
    Mode {
        /// The inode.
        ino: InodeNo,
        /// Its mode.
        mode: u32,
    },
    /// A timestamp's nanoseconds are a second or more.
    Time {
        /// The inode.
        ino: InodeNo,
        /// `atime`, `mtime`, `ctime` or `btime`.
        which: &'static str,
        /// Its nanoseconds.
        nanoseconds: u32,
    },
    /// An entry's name is none that a path could have.
    Name {
        /// The directory.
        directory: InodeNo,
        /// The name.
        name: Vec<u8>,
    },
    /// An entry keeps another hash than its name's.
    Hash {
        /// The directory.
        directory: InodeNo,
        /// The entry's name.
        name: Vec<u8>,
    },
    /// A look-up does not find an entry.
    Unindexed {
        /// The directory.
        directory: InodeNo,
        /// The entry's name.
        name: Vec<u8>,
    },
    /// A look-up finds another entry of the same name.
    SameName {
        /// The directory.
        directory: InodeNo,
        /// The name.
        name: Vec<u8>,
    },
    /// A directory's index leads to a gap, or out of the log.
    Dangling {
        /// The directory.
        directory: InodeNo,
        /// The place in the log to which it leads.
        slot: u32,
    },
    /// A directory's index does not have as many places as there are entries.
    IndexCount {
        /// The directory.
        directory: InodeNo,
        /// Places in the index.
        indexed: usize,
        /// Entries in the log.
        entries: usize,
    },
    /// A directory's count of entries is wrong.
    EntryCount {
        /// The directory.
        directory: InodeNo,
        /// The count.
        counted: usize,
        /// Entries in the log.
        entries: usize,
    },
    /// A cookie is not above the one before it, or not below the next to be given out: a
    /// listing would leave out entries or repeat them.
    Cookie {
        /// The directory.
        directory: InodeNo,
        /// The cookie.
        cookie: u64,
        /// The one before it; or the next to be given out, for the last of the log.
        neighbour: u64,
    },
    /// A directory's log has more gaps than it should keep, or ends in one.
    Gaps {
        /// The directory.
        directory: InodeNo,
        /// Gaps in the log.
        gaps: usize,
        /// Entries in the log.
        entries: usize,
    },
    /// A chunk of a directory's log, not the last, is not full: places are miscounted.
    Chunk {
        /// The directory.
        directory: InodeNo,
        /// Which chunk.
        chunk: usize,
        /// Entries and gaps in it.
        len: usize,
    },
    /// A file is larger than a file can be.
    Size {
        /// The file.
        ino: InodeNo,
        /// Its size in bytes.
        size: u64,
    },
    /// A file's tree of pages is higher than any file needs.
    Height {
        /// The file.
        ino: InodeNo,
        /// Levels of nodes.
        height: u8,
    },
    /// A small file's buffer has a size that no buffer has.
    Buffer {
        /// The file.
        ino: InodeNo,
        /// Base-2 logarithm of its bytes.
        capacity_log2: u8,
    },
    /// A file's tree covers a number of pages that no tree of its height does.
    Reach {
        /// The file.
        ino: InodeNo,
        /// Base-2 logarithm of the pages.
        reach_log2: u8,
    },
    /// A file's tree has nodes that lead to no page: the quota does not count them.
    EmptyNodes {
        /// The file.
        ino: InodeNo,
        /// How many there are.
        nodes: u64,
    },
    /// A file's count of pages is wrong.
    PageCount {
        /// The file.
        ino: InodeNo,
        /// The count.
        counted: u64,
        /// Pages that it has.
        pages: u64,
    },
    /// A page behind the end of a file is not all zeros: they would be seen when it grows.
    NotZero {
        /// The file.
        ino: InodeNo,
        /// The page's number in the file.
        page: u64,
    },
    /// An extended attribute has a name that none can have, or too long a value.
    Xattr {
        /// The file.
        ino: InodeNo,
        /// The attribute's name.
        name: Vec<u8>,
        /// Bytes in its value.
        len: usize,
    },
    /// An extended attribute does not come after the one before it: it is not found, or twice.
    XattrOrder {
        /// The file.
        ino: InodeNo,
        /// The attribute's name.
        name: Vec<u8>,
    },
    /// A file without extended attributes keeps memory for them.
    NoXattrs {
        /// The file.
        ino: InodeNo,
    },
    /// The quota's count of extended attributes is not the sum over all inodes.
    XattrBytes {
        /// Bytes that the quota counts.
        charged: u64,
        /// Bytes that were found.
        found: u64,
    },
    /// The quota's count of pages is not the sum over all inodes.
    Pages {
        /// Pages that the quota counts.
        charged: u64,
        /// Pages that were found.
        found: u64,
    },
    /// The count of references to lent memory is not what files have of it.
    Lent {
        /// References that are counted.
        counted: u64,
        /// References that were found.
        found: u64,
    },
    /// The quota's count of inodes is not what the tree has and what is held: inodes were
    /// forgotten, or freed twice.
    Inodes {
        /// Inodes that the quota counts, without what it counts for extended attributes.
        charged: u64,
        /// Inodes that were found.
        found: u64,
    },
    /// There are more pages than the limit allows.
    PagesOverLimit {
        /// Pages that the quota counts.
        charged: u64,
        /// The limit in pages.
        limit: u64,
    },
    /// There are more inodes than the limit allows.
    InodesOverLimit {
        /// Inodes that the quota counts, extended attributes included.
        charged: u64,
        /// The limit.
        limit: u64,
    },
}

impl Ramdisk {
    /// Checks that the ramdisk is whole: [`check()`].
    ///
    /// # Errors
    /// ENOMEM: it has no memory to check with.
    pub fn check(&self, held: Held<'_>) -> Result<Report> {
        check(self.root(), held)
    }
}

/// Checks that the ramdisk with this root is whole. `held` says which inodes are referenced
/// from outside the tree. It takes about 40 bytes for each inode meanwhile, and lets renames
/// from one directory to another wait.
///
/// # Errors
/// ENOMEM: it has no memory to check with.
pub fn check(root: &InodeRef, held: Held<'_>) -> Result<Report> {
    let superblock = &root.superblock;
    // Declared before the lock, so dropped after it: these may be the last references.
    let mut check = Check::new(superblock);
    let _no_directory_moves = superblock.rename.lock();
    check.tree(root)?;
    if let Held::These(held) = held {
        check.held(held)?;
    }
    check.inodes()?;
    check.quota(held)?;
    Ok(check.report)
}

/// An inode that was found.
struct Found {
    inode: InodeRef,
    names: u32,
}

/// A check under way.
struct Check<'a> {
    superblock: &'a Arc<Superblock>,
    /// In the order in which they were found.
    found: Vec<Found>,
    /// Places in `found`, by number of the inode.
    by_number: HashTable<usize>,
    report: Report,
}

impl<'a> Check<'a> {
    fn new(superblock: &'a Arc<Superblock>) -> Check<'a> {
        let (found, by_number) = (Vec::new(), HashTable::new());
        Check { superblock, found, by_number, report: Report::default() }
    }

    /// Finds everything that has a name, from `root` on.
    fn tree(&mut self, root: &InodeRef) -> Result<()> {
        self.find(root, 1)?;
        if let Some(parent) = root.parent() {
            let (ino, parent) = (root.number(), parent.number());
            self.report.problem(Problem::RootParent { ino, parent })?;
        }
        let mut at = 0;
        while let Some(found) = self.found.get(at) {
            let inode = found.inode.clone();
            if inode.is_directory() {
                self.directory(&inode)?;
            }
            at += 1;
        }
        Ok(())
    }

    /// Finds what has no name but is held, and the removed directories above it.
    fn held(&mut self, held: &[InodeRef]) -> Result<()> {
        for inode in held {
            let mut next = Some(inode.clone());
            while let Some(inode) = next.take() {
                let of_others = !Arc::ptr_eq(&inode.superblock, self.superblock);
                if of_others || self.find(&inode, 0)? == Seen::Before {
                    break;
                }
                if inode.is_directory() {
                    let state = inode.state.read();
                    let entries = state.directory().map_or(0, |directory| directory.len());
                    let nlink = state.meta.nlink;
                    drop(state);
                    if nlink != 0 || entries != 0 {
                        let ino = inode.number();
                        self.report.problem(Problem::Removed { ino, nlink, entries })?;
                    }
                    next = inode.parent();
                }
            }
        }
        Ok(())
    }

    /// Notes an inode, with one name more than before if it was found by one.
    fn find(&mut self, inode: &InodeRef, names: u32) -> Result<Seen> {
        let hash = |number: InodeNo| number.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let number = inode.number();
        let found = &self.found;
        let is_it = |&at: &usize| found.get(at).is_some_and(|at| at.inode.number() == number);
        if let Some(&at) = self.by_number.find(hash(number), is_it) {
            if !Arc::ptr_eq(&self.found[at].inode, inode) {
                self.report.problem(Problem::SameNumber { ino: number })?;
                return Ok(Seen::Before);
            }
            self.found[at].names = self.found[at].names.saturating_add(names);
            return Ok(Seen::Before);
        }
        self.by_number
            .try_reserve(1, |&at| found.get(at).map_or(0, |at| hash(at.inode.number())))
            .map_err(|_| Errno::ENOMEM)?;
        let at = self.found.len();
        push(&mut self.found, Found { inode: inode.clone(), names })?;
        self.by_number.insert_unique(hash(number), at, |_| 0); // room was reserved
        self.report.orphans += u64::from(names == 0);
        Ok(Seen::New)
    }

    /// Checks a directory that has a name, and finds what it names.
    fn directory(&mut self, inode: &InodeRef) -> Result<()> {
        let state = inode.state.read();
        let Ok(directory) = state.directory() else { return Ok(()) };
        let ino = inode.number();
        directory.check(ino, self.superblock, &mut self.report)?;
        let mut subdirectories = 0;
        for (name, cookie, child) in directory.entries() {
            self.report.names += 1;
            if !Arc::ptr_eq(&child.superblock, self.superblock) {
                let (name, number) = (try_bytes(name)?, child.number());
                let problem = Problem::Foreign { directory: ino, name, ino: number };
                self.report.problem(problem)?;
                continue;
            }
            let seen = self.find(child, 1)?;
            if !child.is_directory() {
                continue;
            }
            subdirectories += 1;
            if seen == Seen::Before {
                let (name, child) = (try_bytes(name)?, child.number());
                self.report.problem(Problem::TwoNames { directory: ino, name, ino: child })?;
            } else {
                self.subdirectory(inode, name, cookie, child)?;
            }
        }
        let nlink = state.meta.nlink;
        if u64::from(nlink) != 2 + subdirectories {
            self.report.problem(Problem::SubdirectoryCount { ino, nlink, subdirectories })?;
        }
        Ok(())
    }

    /// Checks that the subdirectory `child` knows where it is in `parent`, whose lock is held.
    /// They are not the same: it was not found before.
    fn subdirectory(
        &mut self,
        parent: &InodeRef,
        name: &[u8],
        cookie: u64,
        child: &InodeRef,
    ) -> Result<()> {
        let state = child.state.read_as(Class::Child);
        let Ok(own) = state.directory() else { return Ok(()) };
        let (directory, ino, place) = (parent.number(), child.number(), own.place);
        if !own.parent.as_ref().is_some_and(|own| Arc::ptr_eq(own, parent)) {
            let (name, parent) = (try_bytes(name)?, own.parent.as_ref().map(|own| own.number()));
            self.report.problem(Problem::Parent { directory, name, ino, parent })?;
        }
        if place != cookie {
            let name = try_bytes(name)?;
            self.report.problem(Problem::Place { directory, name, ino, place, cookie })?;
        }
        Ok(())
    }

    /// Checks each inode by itself.
    fn inodes(&mut self) -> Result<()> {
        let next = self.superblock.next_number.get();
        for Found { inode, names } in &self.found {
            let (ino, report) = (inode.number(), &mut self.report);
            if ino.0 == 0 || ino.0 >= next {
                report.problem(Problem::Number { ino, next })?;
            }
            let state = inode.state.read();
            let State { meta, body, xattrs } = &*state;
            report.attributes(ino, meta)?;
            xattrs.check(ino, report)?;
            report.content(inode, body)?;
            let (nlink, names) = (meta.nlink, u64::from(*names));
            if !inode.is_directory() && u64::from(nlink) != names {
                report.problem(Problem::LinkCount { ino, nlink, names })?;
            }
        }
        Ok(())
    }

    /// Compares what was found with what the quota counts, and that with the limits.
    fn quota(&mut self, held: Held<'_>) -> Result<()> {
        let usage = self.superblock.usage();
        let (found, pages) = (self.found.len() as u64, self.report.pages);
        let (xattrs, xattrs_found) = (self.superblock.xattr_bytes(), self.report.xattr_bytes);
        // The rest of what the quota counts is for extended attributes.
        let inodes = usage.inodes.saturating_sub(xattr_inodes(xattrs));
        let wrong = |charged: u64, found: u64| match held {
            Held::These(_) => charged != found,
            Held::Unknown => charged < found,
        };
        if wrong(inodes, found) {
            self.report.problem(Problem::Inodes { charged: inodes, found })?;
        } else {
            self.report.orphans += inodes - found;
        }
        if wrong(xattrs, xattrs_found) {
            let problem = Problem::XattrBytes { charged: xattrs, found: xattrs_found };
            self.report.problem(problem)?;
        }
        if wrong(usage.pages, pages) {
            self.report.problem(Problem::Pages { charged: usage.pages, found: pages })?;
        }
        let (counted, found) = (self.superblock.loans.references(), self.report.lent);
        if wrong(counted, found) {
            self.report.problem(Problem::Lent { counted, found })?;
        }
        let limit = usage.limits.size_bytes / PAGE_BYTES as u64;
        if usage.pages > limit {
            self.report.problem(Problem::PagesOverLimit { charged: usage.pages, limit })?;
        }
        let limit = usage.limits.inodes;
        if usage.inodes > limit {
            self.report.problem(Problem::InodesOverLimit { charged: usage.inodes, limit })?;
        }
        Ok(())
    }
}

/// Whether an inode was found before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    New,
    Before,
}

impl Report {
    /// Inodes that were found.
    pub fn inodes(&self) -> u64 {
        self.directories + self.files + self.symlinks + self.nodes
    }

    pub(crate) fn problem(&mut self, problem: Problem) -> Result<()> {
        push(&mut self.problems, problem)
    }

    fn attributes(&mut self, ino: InodeNo, meta: &Meta) -> Result<()> {
        if meta.mode & !0o7777 != 0 {
            self.problem(Problem::Mode { ino, mode: meta.mode })?;
        }
        let times = [
            ("atime", meta.atime),
            ("mtime", meta.mtime),
            ("ctime", meta.ctime),
            ("btime", meta.btime),
        ];
        for (which, time) in times {
            let nanoseconds = time.nanoseconds();
            if nanoseconds >= 1_000_000_000 {
                self.problem(Problem::Time { ino, which, nanoseconds })?;
            }
        }
        Ok(())
    }

    fn content(&mut self, inode: &Inode, body: &Body) -> Result<()> {
        let (ino, file_type) = (inode.number(), inode.file_type());
        match (file_type, body) {
            (FileType::Regular, Body::File(data)) => {
                self.files += 1;
                data.check(ino, self)
            }
            (FileType::Directory, Body::Directory(_)) => {
                self.directories += 1;
                Ok(())
            }
            (FileType::Symlink, Body::Symlink(target)) => {
                self.symlinks += 1;
                self.pages += target_pages(target);
                Ok(())
            }
            (FileType::Fifo | FileType::Socket, Body::Node(_))
            | (FileType::CharDevice | FileType::BlockDevice, Body::Node(_)) => {
                self.nodes += 1;
                Ok(())
            }
            _ => self.problem(Problem::Content { ino, file_type }),
        }
    }
}

impl fmt::Display for Report {
    /// What there is, in one line, and each problem in a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { directories, files, symlinks, nodes, orphans, names, pages, .. } = self;
        write!(f, "{directories} directories, {files} files, {symlinks} symbolic links, ")?;
        write!(f, "{nodes} special files, {names} names, {orphans} inodes without a name, ")?;
        write!(f, "{pages} pages: ")?;
        match self.problems.len() {
            0 => write!(f, "no problems"),
            1 => write!(f, "1 problem"),
            count => write!(f, "{count} problems"),
        }?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Problem::*;
        match self {
            LinkCount { ino, nlink, names } => {
                write!(f, "{ino}: the link count is {nlink}, but it has {names} names")
            }
            SubdirectoryCount { ino, nlink, subdirectories } => write!(
                f,
                "{ino}: the link count is {nlink}, but with {subdirectories} subdirectories it \
                 should be {}",
                subdirectories.saturating_add(2)
            ),
            Removed { ino, nlink, entries } => write!(
                f,
                "{ino}: a directory without a name has {nlink} links and {entries} entries"
            ),
            TwoNames { directory, name, ino } => {
                let name = name.escape_ascii();
                write!(f, "{directory}: \"{name}\" is a further name of the directory {ino}")
            }
            Parent { directory, name, ino, parent: Some(parent) } => {
                let name = name.escape_ascii();
                write!(f, "{directory}: \"{name}\" is {ino}, whose parent is {parent}")
            }
            Parent { directory, name, ino, parent: None } => {
                let name = name.escape_ascii();
                write!(f, "{directory}: \"{name}\" is {ino}, which has no parent")
            }
            RootParent { ino, parent } => write!(f, "{ino}: the root has {parent} as a parent"),
            Place { directory, name, ino, place, cookie } => write!(
                f,
                "{directory}: \"{}\" has the cookie {cookie}, but {ino} takes it to be {place}",
                name.escape_ascii()
            ),
            Foreign { directory, name, ino } => {
                let name = name.escape_ascii();
                write!(f, "{directory}: \"{name}\" is {ino} of another ramdisk")
            }
            SameNumber { ino } => write!(f, "{ino}: two inodes have this number"),
            Number { ino, next } => write!(f, "{ino}: the next new inode would be {next}"),
            Content { ino, file_type } => {
                write!(f, "{ino}: the content is not of the type {file_type:?}")
            }
            Mode { ino, mode } => write!(f, "{ino}: the mode is {mode:#o}"),
            Time { ino, which, nanoseconds } => {
                write!(f, "{ino}: {which} has {nanoseconds} nanoseconds")
            }
            Name { directory, name } => {
                write!(f, "{directory}: \"{}\" is no name", name.escape_ascii())
            }
            Hash { directory, name } => {
                write!(f, "{directory}: \"{}\" has a wrong hash", name.escape_ascii())
            }
            Unindexed { directory, name } => {
                write!(f, "{directory}: \"{}\" is not in the index", name.escape_ascii())
            }
            SameName { directory, name } => {
                write!(f, "{directory}: \"{}\" is there twice", name.escape_ascii())
            }
            Dangling { directory, slot } => {
                write!(f, "{directory}: the index leads to {slot}, where no entry is")
            }
            IndexCount { directory, indexed, entries } => {
                write!(f, "{directory}: the index has {indexed} places for {entries} entries")
            }
            EntryCount { directory, counted, entries } => {
                write!(f, "{directory}: {counted} entries are counted, but there are {entries}")
            }
            Cookie { directory, cookie, neighbour } => {
                write!(f, "{directory}: the cookie {cookie} is beside {neighbour}")
            }
            Gaps { directory, gaps, entries } => {
                write!(f, "{directory}: {gaps} gaps are left among {entries} entries")
            }
            Chunk { directory, chunk, len } => {
                write!(f, "{directory}: the log's chunk {chunk} has {len} places")
            }
            Size { ino, size } => write!(f, "{ino}: the size is {size} bytes"),
            Height { ino, height } => write!(f, "{ino}: the tree of pages is {height} levels high"),
            Buffer { ino, capacity_log2 } => {
                write!(f, "{ino}: the buffer has 2 to the power of {capacity_log2} bytes")
            }
            Reach { ino, reach_log2 } => {
                write!(f, "{ino}: the tree covers 2 to the power of {reach_log2} pages")
            }
            EmptyNodes { ino, nodes } => {
                write!(f, "{ino}: {nodes} nodes of the tree of pages lead to none")
            }
            PageCount { ino, counted, pages } => {
                write!(f, "{ino}: {counted} pages are counted, but it has {pages}")
            }
            NotZero { ino, page } => {
                write!(f, "{ino}: page {page}, behind the end, is not all zeros")
            }
            Xattr { ino, name, len } => {
                let name = name.escape_ascii();
                write!(f, "{ino}: \"{name}\", with {len} bytes, is no extended attribute")
            }
            XattrOrder { ino, name } => {
                let name = name.escape_ascii();
                write!(f, "{ino}: the extended attribute \"{name}\" is out of order")
            }
            NoXattrs { ino } => write!(f, "{ino}: there is a list of no extended attributes"),
            XattrBytes { charged, found } => write!(
                f,
                "the quota counts {charged} bytes of extended attributes, but {found} were found"
            ),
            Lent { counted, found } => {
                write!(f, "{counted} references to lent memory are counted, {found} were found")
            }
            Pages { charged, found } => {
                write!(f, "the quota counts {charged} pages, but {found} were found")
            }
            Inodes { charged, found } => {
                write!(f, "the quota counts {charged} inodes, but {found} were found")
            }
            PagesOverLimit { charged, limit } => {
                write!(f, "there are {charged} pages, but the limit is {limit}")
            }
            InodesOverLimit { charged, limit } => {
                write!(f, "there are {charged} inodes, but the limit is {limit}")
            }
        }
    }
}

fn push<T>(to: &mut Vec<T>, value: T) -> Result<()> {
    to.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    to.push(value);
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
