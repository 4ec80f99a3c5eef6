//! `/proc`, as far as programs ask: [`ProcNode`], a file of it, and [`ProcFile`], one that is
//! open. `proc(5)`.
//!
//! Nothing of it is kept: directories are tables here, contents are made up ([`text`]) when they
//! are read from their start, and stay as they are for the rest of that read, as on Linux. There
//! is one process, number 1, so `self` leads to `1`. What `self/fd` has for each descriptor, and
//! `self/cwd` and `self/root`, are links that lead to a file itself and not to a path ([`jump`](ProcNode::jump)):
//! to one that has lost its name, too, or never had any.

mod link;
mod text;

use alloc::vec::Vec;

use anchorite_fs::sync::{Class, Mutex};
use anchorite_fs::{
    Access, Attributes, Caller, Change, EntryName, FileType, InodeNo, Listed, NAME_MAX, New, Sink,
    Timestamp,
};

use crate::file::Object;
use crate::node::Files;
use crate::ramdisk::wanted_access;
use crate::system::System;
use crate::walk::LastLink;
use crate::{Errno, Result};

use self::text::Text;

/// `st_dev` of proc, wherever it is mounted.
pub(crate) const DEVICE: u64 = 3;

/// A file of proc.
#[derive(Clone, Copy)]
pub(crate) struct ProcNode {
    entry: Entry,
    /// When somebody came by: nanoseconds since 1970. All of its times.
    since: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// `/`
    Root,
    /// `/1`
    Process,
    /// `/1/fd`
    Descriptors,
    /// `/1/fd/N`, and its permissions, which tell what the descriptor is open for.
    Descriptor(i32, u8),
    /// A link to a file.
    Jump(Target),
    /// A link to a path.
    Link(Path),
    /// A file.
    File(Text),
}

/// What a link leads to, beside files of descriptors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    WorkingDirectory,
    Root,
    /// The program: a name without a file.
    Program,
}

/// A path that a link leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    Myself,
    Mounts,
}

impl Path {
    fn text(self) -> &'static [u8] {
        match self {
            Path::Myself => b"1",
            Path::Mounts => b"self/mounts",
        }
    }
}

/// A directory, the number of its first entry as an inode, and its entries.
struct Table {
    directory: Entry,
    first: u64,
    entries: &'static [(&'static str, Entry)],
}

static ROOT: Table = Table {
    directory: Entry::Root,
    first: 2,
    entries: &[
        ("1", Entry::Process),
        ("cpuinfo", Entry::File(Text::Cpuinfo)),
        ("filesystems", Entry::File(Text::Filesystems)),
        ("loadavg", Entry::File(Text::Loadavg)),
        ("meminfo", Entry::File(Text::Meminfo)),
        ("mounts", Entry::Link(Path::Mounts)),
        ("self", Entry::Link(Path::Myself)),
        ("stat", Entry::File(Text::Stat)),
        ("uptime", Entry::File(Text::Uptime)),
        ("version", Entry::File(Text::Version)),
    ],
};

static PROCESS: Table = Table {
    directory: Entry::Process,
    first: 100,
    entries: &[
        ("cmdline", Entry::File(Text::Cmdline)),
        ("comm", Entry::File(Text::Comm)),
        ("cwd", Entry::Jump(Target::WorkingDirectory)),
        ("exe", Entry::Jump(Target::Program)),
        ("fd", Entry::Descriptors),
        ("mounts", Entry::File(Text::Mounts)),
        ("root", Entry::Jump(Target::Root)),
        ("stat", Entry::File(Text::ProcessStat)),
        ("statm", Entry::File(Text::Statm)),
        ("status", Entry::File(Text::Status)),
    ],
};

static TABLES: [&Table; 2] = [&ROOT, &PROCESS];

/// The number of the root as an inode.
const ROOT_NUMBER: u64 = 1;
/// The number of descriptor 0's link as an inode.
const FIRST_DESCRIPTOR: u64 = 1000;
/// Cookies of a listing that are for `.` and `..`.
const DOTS: u64 = 2;
/// Digits of a descriptor, at most.
const DIGITS: usize = 10;

impl ProcNode {
    /// The root, as it is at this time.
    pub(crate) fn root(now: Timestamp) -> ProcNode {
        ProcNode { entry: Entry::Root, since: 0 }.at(now)
    }

    fn at(self, now: Timestamp) -> ProcNode {
        let seconds = now.seconds().saturating_mul(1_000_000_000);
        ProcNode { since: seconds.saturating_add(now.nanoseconds().into()), ..self }
    }

    /// Whether both are the same file.
    pub(crate) fn is(self, other: ProcNode) -> bool {
        self.number() == other.number()
    }

    /// What `name` names in this directory, which is all that depends on the process.
    ///
    /// # Errors
    /// ENOTDIR, ENAMETOOLONG, ENOENT.
    #[cold]
    #[inline(never)]
    pub(crate) fn find(
        self,
        system: &System,
        caller: &Caller<'_>,
        name: EntryName<'_>,
    ) -> Result<ProcNode> {
        if self.entry != Entry::Descriptors {
            return self.child(caller, name);
        }
        let fd = descriptor(name.bytes).ok_or(Errno::ENOENT)?;
        let file = system.file_or_path(fd).map_err(|_| Errno::ENOENT)?;
        let access = match file.flags() & (libc::O_ACCMODE | libc::O_PATH) {
            libc::O_RDONLY => Access::READ | Access::EXECUTE,
            libc::O_WRONLY => Access::WRITE | Access::EXECUTE,
            flags if flags & libc::O_PATH != 0 => Access::empty(),
            _ => Access::READ | Access::WRITE | Access::EXECUTE,
        };
        let access = access.bits() as u8;
        Ok(ProcNode { entry: Entry::Descriptor(fd, access), ..self }.at(caller.now()))
    }

    /// Calls `emit` for each entry from `cookie` on until it returns false.
    ///
    /// # Errors
    /// ENOTDIR.
    #[cold]
    #[inline(never)]
    pub(crate) fn list(
        self,
        system: &System,
        cookie: u64,
        emit: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<()> {
        let mut cookie = cookie;
        let mut emit = |name: &[u8], at: u64, node: ProcNode| {
            let (ino, file_type) = (InodeNo(node.number()), node.type_of());
            emit(Listed { name, ino, file_type, next: at + 1 })
        };
        if self.type_of() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        while cookie < DOTS {
            let (name, node) = match cookie {
                0 => (&b"."[..], self),
                _ => (&b".."[..], self.above().unwrap_or(self)),
            };
            if !emit(name, cookie, node) {
                return Ok(());
            }
            cookie += 1;
        }
        let Some(table) = self.table() else {
            let first = |cookie: u64| u32::try_from(cookie - DOTS).ok();
            while let Some(fd) = first(cookie).and_then(|from| system.descriptors.next_open(from)) {
                let node = ProcNode { entry: Entry::Descriptor(fd, 0), ..self };
                let at = DOTS + fd as u64;
                if !emit(node.name(&mut [0; DIGITS]), at, node) {
                    break;
                }
                cookie = at + 1;
            }
            return Ok(());
        };
        let skipped = usize::try_from(cookie - DOTS).unwrap_or(usize::MAX);
        for (at, (name, entry)) in table.entries.iter().enumerate().skip(skipped) {
            if !emit(name.as_bytes(), DOTS + at as u64, ProcNode { entry: *entry, ..self }) {
                break;
            }
        }
        Ok(())
    }

    /// The directory that this is in; none for the root.
    pub(crate) fn above(self) -> Option<ProcNode> {
        let entry = match self.entry {
            Entry::Root => return None,
            Entry::Descriptor(..) => Entry::Descriptors,
            _ => self.listed()?.0.directory,
        };
        Some(ProcNode { entry, ..self })
    }

    /// Its name there.
    pub(crate) fn name(self, digits: &mut [u8; DIGITS]) -> &[u8] {
        if let Entry::Descriptor(fd, _) = self.entry {
            let (mut rest, mut start) = (fd as u32, DIGITS);
            while start == DIGITS || rest > 0 {
                start -= 1;
                digits[start] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            return &digits[start..];
        }
        self.listed().map_or(b"", |(table, at)| table.entries[at].0.as_bytes())
    }

    /// The table that it is in, and where.
    #[cold]
    #[inline(never)]
    fn listed(self) -> Option<(&'static Table, usize)> {
        let at = |table: &&'static Table| {
            let at = table.entries.iter().position(|(_, known)| *known == self.entry)?;
            Some((*table, at))
        };
        TABLES.iter().find_map(at)
    }

    fn table(self) -> Option<&'static Table> {
        match self.entry {
            Entry::Root => Some(&ROOT),
            Entry::Process => Some(&PROCESS),
            _ => None,
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn number(self) -> u64 {
        match self.entry {
            Entry::Root => ROOT_NUMBER,
            Entry::Descriptor(fd, _) => FIRST_DESCRIPTOR + fd as u64,
            _ => self.listed().map_or(0, |(table, at)| table.first + at as u64),
        }
    }

    fn type_of(self) -> FileType {
        match self.entry {
            Entry::Root | Entry::Process | Entry::Descriptors => FileType::Directory,
            Entry::Descriptor(..) | Entry::Jump(_) | Entry::Link(_) => FileType::Symlink,
            Entry::File(_) => FileType::Regular,
        }
    }

    fn mode(self) -> u32 {
        match self.entry {
            Entry::Root | Entry::Process => 0o555,
            Entry::Descriptors => 0o500,
            Entry::Descriptor(_, access) => u32::from(access) << 6,
            Entry::Jump(_) | Entry::Link(_) => 0o777,
            Entry::File(Text::Comm) => 0o644,
            Entry::File(_) => 0o444,
        }
    }

    /// # Errors
    /// What a change of a name in this directory says: EPERM, but ENOENT for a name that there is
    /// not.
    #[cold]
    #[inline(never)]
    fn refuse(self, caller: &Caller<'_>, name: &[u8]) -> Errno {
        let is_there = match self.entry {
            Entry::Descriptors => descriptor(name).is_some(),
            _ => self.child(caller, EntryName { bytes: name, directory_only: false }).is_ok(),
        };
        match caller.credentials.is_root() {
            _ if !is_there => Errno::ENOENT,
            true => Errno::EPERM,
            false => Errno::EACCES,
        }
    }
}

/// The descriptor that a name is of: decimal, without zeros before it.
fn descriptor(name: &[u8]) -> Option<i32> {
    if name.is_empty() || name.len() > DIGITS || name.len() > 1 && name[0] == b'0' {
        return None;
    }
    name.iter().try_fold(0i32, |fd, byte| {
        let digit = byte.is_ascii_digit().then(|| i32::from(byte - b'0'))?;
        fd.checked_mul(10)?.checked_add(digit)
    })
}

impl Files for ProcNode {
    fn file_type(&self) -> Option<FileType> {
        Some(self.type_of())
    }

    /// Descriptors are [found](ProcNode::find) by who knows the process.
    #[cold]
    #[inline(never)]
    fn child(&self, caller: &Caller<'_>, name: EntryName<'_>) -> Result<ProcNode> {
        if self.type_of() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if name.bytes.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let mut entries = self.table().map_or(&[][..], |table| table.entries).iter();
        let found = entries.find(|(known, _)| known.as_bytes() == name.bytes);
        let (_, entry) = found.ok_or(Errno::ENOENT)?;
        Ok(ProcNode { entry: *entry, ..*self }.at(caller.now()))
    }

    fn parent(&self) -> Result<Option<ProcNode>> {
        Ok(self.above())
    }

    #[cold]
    #[inline(never)]
    fn attributes(&self, _: LastLink) -> Result<Attributes> {
        const DESCRIPTOR_SIZE: u64 = 64; // as Linux has it, whatever the path
        let time = Timestamp::new(
            self.since.div_euclid(1_000_000_000),
            self.since.rem_euclid(1_000_000_000) as u32,
        );
        let directories = |table: &Table| {
            let directory = |entry: &Entry| matches!(entry, Entry::Process | Entry::Descriptors);
            table.entries.iter().filter(|(_, entry)| directory(entry)).count() as u32
        };
        Ok(Attributes {
            device: DEVICE,
            ino: InodeNo(self.number()),
            file_type: self.type_of(),
            mode: self.mode(),
            nlink: match self.type_of() {
                FileType::Directory => 2 + self.table().map_or(0, directories),
                _ => 1,
            },
            uid: 0,
            gid: 0,
            rdev: 0,
            size: match self.entry {
                Entry::Descriptor(..) => DESCRIPTOR_SIZE,
                Entry::Link(Path::Mounts) => Path::Mounts.text().len() as u64,
                _ => 0,
            },
            blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
            btime: time,
        })
    }

    #[cold]
    #[inline(never)]
    fn check(&self, caller: &Caller<'_>, wanted: Access) -> Result<()> {
        // A process may always look at its own descriptors, whoever it is.
        let mode = if self.entry == Entry::Descriptors { 0o777 } else { self.mode() };
        let mut allowed = Access::from_bits_truncate(mode & 7);
        if caller.credentials.is_root() {
            allowed |= Access::READ | Access::WRITE;
        }
        if allowed.contains(wanted) { Ok(()) } else { Err(Errno::EACCES) }
    }

    #[cold]
    #[inline(never)]
    fn open(&self, caller: &Caller<'_>, flags: i32) -> Result<Object> {
        let wanted = wanted_access(flags);
        match self.type_of() {
            FileType::Symlink => return Err(Errno::ELOOP),
            FileType::Directory if wanted.contains(Access::WRITE) => return Err(Errno::EISDIR),
            _ => {}
        }
        self.check(caller, wanted)?;
        if flags & libc::O_NOATIME != 0 && !caller.credentials.is_root() {
            return Err(Errno::EPERM);
        }
        if flags & libc::O_DIRECT != 0 {
            return Err(Errno::EINVAL);
        }
        let text = Mutex::new(Class::Last, None);
        Ok(Object::Proc(ProcFile { node: *self, text }))
    }

    #[cold]
    #[inline(never)]
    fn create(&self, caller: &Caller<'_>, name: &[u8], _: New<'_>, _: u32) -> Result<()> {
        match self.refuse(caller, name) {
            Errno::ENOENT => Err(Errno::ENOENT),
            _ => Err(Errno::EEXIST),
        }
    }

    fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        Err(self.refuse(caller, name))
    }

    #[cold]
    #[inline(never)]
    fn rmdir(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        let found = self.child(caller, EntryName { bytes: name, directory_only: false });
        let is_file = found.is_ok_and(|child| child.type_of() == FileType::Regular);
        Err(if is_file { Errno::ENOTDIR } else { self.refuse(caller, name) })
    }

    /// Of a link that leads to a path; [`ProcNode::target`] tells of the others.
    fn read_link(&self, _: &Caller<'_>, sink: &mut Sink<'_>) -> Result<usize> {
        match self.entry {
            Entry::Link(path) => Ok(sink.put(path.text())),
            _ => Err(Errno::EINVAL),
        }
    }

    fn change(&self, _: &Caller<'_>, _: Change) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Does nothing, as on Linux: there is nothing that could become shorter.
    #[cold]
    #[inline(never)]
    fn truncate(&self, caller: &Caller<'_>, _: u64) -> Result<()> {
        match self.type_of() {
            FileType::Directory => Err(Errno::EISDIR),
            _ => self.check(caller, Access::WRITE),
        }
    }
}

/// An open file of proc.
pub(crate) struct ProcFile {
    /// Immutable.
    pub(crate) node: ProcNode,
    /// What was made up when it was last read from the start.
    text: Mutex<Option<Vec<u8>>>,
}

impl ProcFile {
    /// Makes up what a read from `position` on is to find. Nothing is held meanwhile.
    ///
    /// # Errors
    /// EISDIR; ENOMEM.
    #[cold]
    #[inline(never)]
    pub(crate) fn refresh(&self, system: &System, position: u64) -> Result<()> {
        let Entry::File(text) = self.node.entry else { return Err(Errno::EISDIR) };
        if position == 0 || self.text.lock().is_none() {
            let text = text.made_up(system)?;
            let former = self.text.lock().replace(text);
            drop(former); // outside the lock
        }
        Ok(())
    }

    /// Fills `sink` from `position` on with what was [made up](ProcFile::refresh).
    ///
    /// # Errors
    /// EISDIR.
    #[cold]
    #[inline(never)]
    pub(crate) fn read(&self, position: u64, sink: &mut Sink<'_>) -> Result<usize> {
        let Entry::File(_) = self.node.entry else { return Err(Errno::EISDIR) };
        let text = self.text.lock();
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let left = text.as_ref().and_then(|text| text.get(position..));
        Ok(left.map_or(0, |left| sink.put(left)))
    }

    /// What a write says: EIO, but EINVAL of what is about a process.
    pub(crate) fn refuse(&self) -> Errno {
        match self.node.above().map(|directory| directory.entry) {
            Some(Entry::Process) => Errno::EINVAL,
            _ => Errno::EIO,
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.node.type_of() == FileType::Directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn each_entry_has_a_number_of_its_own_and_its_place() {
        let mut seen = BTreeSet::from([ROOT_NUMBER]);
        for (table, above) in [(&ROOT, Entry::Root), (&PROCESS, Entry::Process)] {
            assert!(table.entries.is_sorted_by_key(|(name, _)| name));
            for (name, entry) in table.entries {
                let node = ProcNode { entry: *entry, since: 0 };
                assert!(seen.insert(node.number()), "{name}");
                assert!(node.number() < FIRST_DESCRIPTOR);
                assert_eq!(node.name(&mut [0; DIGITS]), name.as_bytes());
                assert!(node.above().is_some_and(|node| node.entry == above), "{name}");
            }
        }
    }

    #[test]
    fn descriptors_have_one_name() {
        for fd in [0, 1, 9, 10, 1023, i32::MAX] {
            let node = ProcNode { entry: Entry::Descriptor(fd, 4), since: 0 };
            let mut digits = [0; DIGITS];
            assert_eq!(descriptor(node.name(&mut digits)), Some(fd));
        }
        let none: [&[u8]; 8] =
            [b"", b"00", b"01", b"-1", b"1x", b"2147483648", b"99999999999", b"+1"];
        none.iter().for_each(|name| assert_eq!(descriptor(name), None));
    }
}
