//! [`Names`]: by which name each open file was found, and has now; and the name that a path leads
//! to. Those who watch a directory are told names, and inodes have none.
//!
//! Problem: an event of an open file goes to who watches the directory in which it was found, with
//! the name that this has by now; also when it has other names, or none any more. A file that is
//! open knows its inode alone, and more than that would cost each open something.
//!
//! Choice: while there is an instance of inotify, each open notes directory and name beside the
//! open file, and whatever changes names looks through the notes. What was open before is looked for
//! in a directory when that is first watched: so of a file that has several names there, or had one
//! before, or is moved into it later, nothing or another name is told than Linux would, as
//! long as it was opened before there was an instance.

use alloc::vec::Vec;

use anchorite_fs::mem::{Arc, try_bytes};
use anchorite_fs::{Caller, EntryName, FileId, InodeRef};
use hashbrown::HashTable;

use crate::file::{Object, OpenFile};
use crate::node::{Files, Node};
use crate::notify::Given;
use crate::system::System;
use crate::walk::{Last, LastLink, Path};
use crate::{Errno, Result};

/// A name in a directory.
pub(super) struct Entry {
    pub(super) parent: InodeRef,
    pub(super) name: Vec<u8>,
    /// Whether it was removed; then something else may have it.
    pub(super) is_unlinked: bool,
}

/// The entries by which open files were found.
pub(super) struct Names(HashTable<Note>);

struct Note {
    /// Where the open file is in memory.
    open: usize,
    file: FileId,
    entry: Entry,
}

/// Where an open file is in memory: that is another for each while it is open.
pub(super) fn address(file: &OpenFile) -> usize {
    core::ptr::from_ref(file).addr()
}

fn hash(open: usize) -> u64 {
    (open as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Names {
    pub(super) fn new() -> Names {
        Names(HashTable::new())
    }

    /// Notes how a file was found. What is returned is to be dropped when nothing is held; there is
    /// nothing to be done about want of memory.
    #[must_use]
    pub(super) fn note(&mut self, open: usize, file: FileId, entry: Entry) -> Option<Entry> {
        let former = self.forget(open);
        if self.0.try_reserve(1, |note| hash(note.open)).is_err() {
            return Some(entry);
        }
        self.0.insert_unique(hash(open), Note { open, file, entry }, |note| hash(note.open));
        former
    }

    /// Forgets an open file.
    #[must_use]
    pub(super) fn forget(&mut self, open: usize) -> Option<Entry> {
        let found = self.0.find_entry(hash(open), |note| note.open == open).ok()?;
        Some(found.remove().0.entry)
    }

    /// How an open file was found.
    pub(super) fn find(&self, open: usize) -> Option<&Entry> {
        self.0.find(hash(open), |note| note.open == open).map(|note| &note.entry)
    }

    /// How any open file was found that is this one.
    pub(super) fn find_any(&self, file: FileId) -> Option<&Entry> {
        self.0.iter().find(|note| note.file == file).map(|note| &note.entry)
    }

    /// A name was removed, or names something else by now.
    pub(super) fn unlinked(&mut self, parent: &InodeRef, name: &[u8]) {
        self.each_of(parent, name, |entry| entry.is_unlinked = true);
    }

    /// A file was renamed: what it replaced was [unlinked](Names::unlinked) before.
    pub(super) fn renamed(&mut self, old: (&InodeRef, &[u8]), new: (&InodeRef, &[u8])) {
        self.each_of(old.0, old.1, |entry| entry.become_entry(new.0, new.1));
    }

    /// Two files exchanged their names.
    pub(super) fn exchanged(&mut self, one: (&InodeRef, &[u8]), other: (&InodeRef, &[u8])) {
        for note in &mut self.0 {
            let entry = &mut note.entry;
            if entry.is(one.0, one.1) {
                entry.become_entry(other.0, other.1);
            } else if entry.is(other.0, other.1) {
                entry.become_entry(one.0, one.1);
            }
        }
    }

    /// All directories that are noted.
    pub(super) fn parents(&self) -> impl Iterator<Item = &InodeRef> {
        self.0.iter().map(|note| &note.entry.parent)
    }

    fn each_of(&mut self, parent: &InodeRef, name: &[u8], mut with: impl FnMut(&mut Entry)) {
        let entries = self.0.iter_mut().map(|note| &mut note.entry);
        entries.filter(|entry| entry.is(parent, name)).for_each(&mut with);
    }
}

impl Entry {
    /// # Errors
    /// ENOMEM.
    pub(super) fn new(parent: &InodeRef, name: &[u8]) -> Result<Entry> {
        Ok(Entry { parent: parent.clone(), name: try_bytes(name)?, is_unlinked: false })
    }

    /// The name of a directory, which has one; none for a root.
    pub(super) fn of_directory(inode: &InodeRef) -> Option<Entry> {
        let mut name = Ok(Vec::new());
        let parent = inode.name_in_parent(&mut |found| {
            name = try_bytes(found);
            Ok(())
        });
        Entry::new(&parent.ok()??, &name.ok()?).ok()
    }

    fn is(&self, parent: &InodeRef, name: &[u8]) -> bool {
        !self.is_unlinked && self.name == name && Arc::ptr_eq(&self.parent, parent)
    }

    /// Without memory for the name it is none from here on.
    fn become_entry(&mut self, parent: &InodeRef, name: &[u8]) {
        // The call that renames has the former directory too: this is not the last reference.
        self.parent = parent.clone();
        match try_bytes(name) {
            Ok(name) => self.name = name,
            Err(_) => self.is_unlinked = true,
        }
    }
}

/// What a path leads to.
pub(super) struct Found {
    /// The name in last place; none if that is no name in a ramdisk.
    pub(super) entry: Option<Entry>,
    /// The file, if there is one.
    pub(super) inode: Option<InodeRef>,
}

/// What `given` leads to; none if it does not get so far as to a name.
pub(super) fn find(system: &System, caller: &Caller<'_>, given: Given<'_>) -> Option<Found> {
    let mut walk = system.walk(caller, given.at, Path::new(given.path).ok()?).ok()?;
    let place = loop {
        walk.reach_parent().ok()?;
        let name = match walk.last() {
            Last::Name(name) => name,
            Last::DotDot => break system.parent(&walk.place).ok()?,
            Last::Dot | Last::Root => break walk.place.clone(),
        };
        let child = match walk.child(name) {
            Ok(child) => child,
            Err(Errno::ENOENT) => {
                let Node::Ramdisk(parent) = &walk.place.node else { return None };
                return Some(Found { entry: Entry::new(parent, name.bytes).ok(), inode: None });
            }
            Err(_) => return None,
        };
        let follows = given.last_link == LastLink::Follow || name.directory_only;
        if child.node.is_symlink() && follows {
            walk.follow(&child.node).ok()?;
            continue;
        }
        if !child.node.is_not_directory() || !child.mount.is(&walk.place.mount) {
            break child;
        }
        let (Node::Ramdisk(parent), Node::Ramdisk(inode)) = (&walk.place.node, child.node) else {
            return None;
        };
        return Some(Found { entry: Entry::new(parent, name.bytes).ok(), inode: Some(inode) });
    };
    let Node::Ramdisk(inode) = place.node else { return None };
    let entry = if inode.is_directory() { Entry::of_directory(&inode) } else { None };
    Some(Found { entry, inode: Some(inode) })
}

/// The file of a ramdisk that something names in a directory.
pub(super) fn child(caller: &Caller<'_>, parent: &Node, name: EntryName<'_>) -> Option<InodeRef> {
    match parent {
        Node::Ramdisk(parent) => parent.child(caller, name).ok(),
        Node::Host(_) | Node::Proc(_) => None,
    }
}

/// The file of a ramdisk that is open, if it is one.
pub(super) fn inode_of(file: &OpenFile) -> Option<&InodeRef> {
    match (&file.object, file.place.as_ref().map(|place| &place.node)) {
        (Object::Inode(inode), _) => Some(inode),
        (Object::Pipe(end), _) => (!end.is_anonymous()).then(|| end.inode()),
        (Object::Device(_) | Object::Path, Some(Node::Ramdisk(inode))) => Some(inode),
        _ => None,
    }
}
