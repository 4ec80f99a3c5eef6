//! inotify: who watches files is told what calls do to them, `inotify(7)`. [`Listener`] is all
//! instances of a process with their watches; [`Handle`] is one of them, as an open file has it.
//!
//! What Linux 6.18 does on tmpfs is what is done here: which call tells which events in which order,
//! which name is told, when events become one, and when a file is gone. An event is told once the
//! call has succeeded, to who watches the directory first and then to who watches the file.
//!
//! * `queue`: events that wait to be read.
//! * `watches`: who watches what; to whom an event goes.
//! * `names`: under which name a file was found, for who watches its directory.
//!
//! Differences, all of files that were open before there was an instance: `names`. Of a file
//! with several names of which the last is removed while it is open by another, Linux tells IN_DELETE_SELF at
//! once; here it comes with the last close. Files of a host and of proc cannot be watched.
//! Mapped memory and programs started are nothing that there is.
//!
//! # Locking
//! One lock for all of it, of class Last. Entries hold their directories, as Linux' do: so they are
//! dropped after the lock, since with the last reference a directory tells that it goes.
//! Who waits for an event waits as for a pipe: [`pipe`](crate::pipe) tells how.

use alloc::boxed::Box;
use alloc::sync::Arc as StdArc;
use alloc::vec::Vec;

use anchorite_fs::mem::{Arc, try_box};
use anchorite_fs::sync::{Class, Mutex};
use anchorite_fs::{
    AccessTime, Caller, EntryName, FileId, FileType, Gone, Inode, InodeRef, Left, New, RenameMode,
    Sink, Watcher,
};
use libc::{
    IN_ACCESS, IN_ATTRIB, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_CREATE, IN_DELETE, IN_ISDIR,
    IN_MODIFY, IN_MOVE_SELF, IN_MOVED_FROM, IN_MOVED_TO, IN_OPEN,
};

use crate::file::OpenFile;
use crate::node::Node;
use crate::notify::{Given, Instance, Notified};
use crate::pipe::{Parking, Waits};
use crate::system::System;
use crate::walk::Place;
use crate::{Errno, Platform, Result};

use names::{Entry, Found, Names, address, child, find, inode_of};
use watches::{Event, Watches};

mod names;
mod queue;
mod watches;

/// Bytes of memory for which there can be one watch, and how many there can be at least and at
/// most: Linux' `max_user_watches` is a hundredth of memory.
const MEMORY_OF_WATCH: u64 = 128 * 1024;
const WATCHES: [u64; 2] = [8192, 1 << 20];
/// The set-ID bits.
const SET_IDS: u32 = 0o6000;

/// All instances of a process.
pub(crate) struct Listener {
    platform: StdArc<dyn Platform>,
    state: Mutex<State>,
}

/// What the lock protects.
struct State {
    watches: Watches,
    names: Names,
}

/// A reference to the listener, which others know by what it can do.
struct Shared(Arc<Listener>);

/// An instance. It ends when dropped.
struct Handle {
    listener: Arc<Listener>,
    /// Its number. Immutable.
    instance: usize,
}

/// How an event is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    /// Through an open file: who asked to hear nothing of what has no name any more does not, and
    /// who watches a directory hears nothing of bytes that go through a special file.
    OpenFile,
    /// As a change of the entry.
    Entry,
}

/// A new instance for the process `system`.
///
/// # Errors
/// EMFILE; ENOMEM.
pub(crate) fn new_instance(system: &System) -> Result<Box<dyn Instance>> {
    let [least, most] = WATCHES;
    let notified = system.notify.listener(|| {
        let most = (system.memory_bytes() / MEMORY_OF_WATCH).clamp(least, most);
        let watches = Watches::new(most as usize);
        let platform = system.shared_platform();
        let state = Mutex::new(Class::Last, State { watches, names: Names::new() });
        let listener = Arc::try_new(Listener { platform, state })?;
        let notified: Box<dyn Notified> = try_box(Shared(listener))?;
        Ok(notified)
    })?;
    notified.new_instance(system)
}

/// What is known of the entry by which a file was found.
#[derive(Clone, Copy)]
enum Known<'a> {
    /// Just this.
    Entry(Option<&'a Entry>),
    /// What is noted of an open file; or else this.
    OpenFile(usize, Option<&'a Entry>),
    /// What is noted of any open file that is the same.
    Any,
}

impl Listener {
    /// Tells an event of a file, to who watches its directory first.
    fn tell(&self, inode: &InodeRef, known: Known<'_>, events: u32, through: Through) {
        if events == 0 {
            return;
        }
        let mask = if inode.is_directory() { events | IN_ISDIR } else { events };
        let mut state = self.state.lock();
        let State { watches, names } = &mut *state;
        let entry = match known {
            Known::Entry(entry) => entry,
            Known::OpenFile(open, entry) => names.find(open).or(entry),
            Known::Any => names.find_any(inode.id()),
        };
        let by_file = through == Through::OpenFile;
        let is_unlinked = by_file && entry.is_some_and(|entry| entry.is_unlinked);
        let is_special =
            !matches!(Inode::file_type(inode), FileType::Regular | FileType::Directory);
        let is_silent = by_file && is_special && events & (IN_ACCESS | IN_MODIFY) != 0;
        if let Some(entry) = entry.filter(|_| !is_silent) {
            let event = Event { mask, cookie: 0, name: &entry.name, is_unlinked };
            watches.tell(&*self.platform, entry.parent.id(), event);
        }
        let event = Event { is_unlinked, ..Event::of_self(mask) };
        watches.tell(&*self.platform, inode.id(), event);
    }

    /// [`tell`](Listener::tell) of an open file.
    fn tell_open(&self, file: &OpenFile, events: u32, through: Through) {
        let Some(inode) = inode_of(file) else { return };
        let open = address(file);
        // A directory always knows its name.
        let is_noted = !inode.is_directory() || self.state.lock().names.find(open).is_some();
        let own = if is_noted { None } else { Entry::of_directory(inode) };
        self.tell(inode, Known::OpenFile(open, own.as_ref()), events, through);
    }

    /// Tells who watches a directory of a name in it, and nobody else.
    fn tell_name(&self, parent: &Node, mask: u32, cookie: u32, name: &[u8]) {
        let Node::Ramdisk(parent) = parent else { return };
        let event = Event { mask, cookie, name, is_unlinked: false };
        self.state.lock().watches.tell(&*self.platform, parent.id(), event);
    }

    /// Tells who watches a file of an event of its own, and nobody else.
    fn tell_self(&self, inode: &InodeRef, mask: u32) {
        self.state.lock().watches.tell(&*self.platform, inode.id(), Event::of_self(mask));
    }

    /// Tells both ends of a rename, and that the file moved.
    fn tell_move(
        &self,
        (old_dir, old): (&Node, EntryName<'_>),
        (new_dir, new): (&Node, EntryName<'_>),
        moved: &InodeRef,
        replaced: Option<&InodeRef>,
    ) {
        let cookie = self.state.lock().watches.new_cookie();
        let is_dir = if moved.is_directory() { IN_ISDIR } else { 0 };
        self.tell_name(old_dir, IN_MOVED_FROM | is_dir, cookie, old.bytes);
        self.tell_name(new_dir, IN_MOVED_TO | is_dir, cookie, new.bytes);
        if let Some(replaced) = replaced {
            let is_dir = if replaced.is_directory() { IN_ISDIR } else { 0 };
            self.tell_self(replaced, IN_ATTRIB | is_dir);
        }
        self.tell_self(moved, IN_MOVE_SELF);
    }

    /// Notes how an open file was found.
    fn note(&self, file: &OpenFile, entry: Option<Entry>) {
        let (Some(inode), Some(entry)) = (inode_of(file), entry) else { return };
        let mut state = self.state.lock();
        // Where the last instance ended meanwhile, nothing is kept.
        let former = match state.watches.is_on() {
            true => state.names.note(address(file), inode.id(), entry),
            false => Some(entry),
        };
        drop(state);
        drop(former); // outside the lock: it may be the last reference to the directory
    }

    /// Looks in a directory that is watched for what was open before there was an instance.
    fn adopt(&self, system: &System, directory: &InodeRef) {
        let mut missing = Vec::new();
        let mut from = 0;
        while let Some(fd) = system.descriptors.next_open(from) {
            from = fd as u32 + 1;
            let Ok(file) = system.descriptors.get(fd) else { continue };
            let is_noted = self.state.lock().names.find(address(&file)).is_some();
            if !is_noted && inode_of(&file).is_some() && missing.try_reserve(1).is_ok() {
                missing.push(file);
            }
        }
        if missing.is_empty() {
            return;
        }
        system.as_anybody(None, |caller| {
            let caller = Caller { access_time: AccessTime::Keep, ..*caller };
            let _ = directory.list(&caller, 0, &mut |listed| {
                let is_it = |file: &&Arc<OpenFile>| {
                    inode_of(file).is_some_and(|inode| {
                        inode.number() == listed.ino && inode.is_beside(directory)
                    })
                };
                if !matches!(listed.name, b"." | b"..") {
                    for file in missing.iter().filter(is_it) {
                        self.note(file, Entry::new(directory, listed.name).ok());
                    }
                }
                true
            });
        });
        for file in missing {
            // Who closed it meanwhile did not find the note.
            if Arc::count(&file) == 1 {
                let former = self.state.lock().names.forget(address(&file));
                drop(former);
            }
        }
    }
}

impl Notified for Shared {
    fn new_instance(&self, system: &System) -> Result<Box<dyn Instance>> {
        let listener = self.0.clone();
        let mut state = self.0.state.lock();
        let instance = state.watches.create()?;
        system.notify.set_on(true);
        drop(state);
        let handle: Box<dyn Instance> = try_box(Handle { listener, instance })?;
        Ok(handle)
    }

    fn open(
        &self,
        system: &System,
        given: Given<'_>,
        flags: i32,
        open: &mut dyn FnMut() -> Result<Arc<OpenFile>>,
    ) -> Result<Arc<OpenFile>> {
        let names = system.notify.names();
        let found = system.as_caller(|caller| Ok(find(system, caller, given)))?;
        let before = found.as_ref().and_then(|found| found.inode.clone());
        let mode_before = before.as_ref().map_or(0, |inode| Inode::attributes(inode).mode);
        let mut file = open()?;
        let Some(inode) = inode_of(&file).cloned() else { return Ok(file) };
        let inode = &inode;
        let entry = found.and_then(|found| found.entry);
        let is_made = before.is_none();
        let is_found = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, inode));
        let entry = match &before {
            Some(directory) if !is_found && directory.is_directory() => unnamed(directory, inode),
            _ if is_found || is_made => entry,
            _ => None,
        };
        if let Some(entry) = entry.as_ref().filter(|_| is_made) {
            let event = Event { mask: IN_CREATE, cookie: 0, name: &entry.name, is_unlinked: false };
            self.0.state.lock().watches.tell(&*self.0.platform, entry.parent.id(), event);
        }
        self.0.note(&file, entry);
        let mut names = Some(names);
        if file.is_fifo() {
            // It may wait for somebody who changes names.
            names = None;
            system.find_pipe(&mut file).inspect_err(|_| self.forget(system, &file))?;
        }
        if file.flags() & libc::O_PATH == 0 {
            self.0.tell_open(&file, IN_OPEN, Through::OpenFile);
            if is_found && flags & libc::O_TRUNC != 0 && inode.file_type() == FileType::Regular {
                self.changed(&file, IN_MODIFY, mode_before);
            }
        }
        drop(names);
        Ok(file)
    }

    fn closed(&self, system: &System, file: &Arc<OpenFile>) {
        let mut is_last = Arc::count(file) == 1;
        if !is_last {
            // Others have it by a descriptor, or for the time of a call that is under way.
            let mut is_there = false;
            let _ = system.descriptors.each(|other| {
                is_there |= core::ptr::eq(other, &raw const **file);
                Ok(())
            });
            is_last = !is_there;
        }
        if !is_last {
            return;
        }
        if file.flags() & libc::O_PATH == 0 {
            let writes = file.check_writable().is_ok();
            let event = if writes { IN_CLOSE_WRITE } else { IN_CLOSE_NOWRITE };
            self.0.tell_open(file, event, Through::OpenFile);
        }
        self.forget(system, file);
    }

    fn transferred(&self, file: &OpenFile, events: u32) {
        self.0.tell_open(file, events, Through::OpenFile);
    }

    fn modified(&self, file: &OpenFile, mode_before: u32) {
        self.changed(file, 0, mode_before);
        self.0.tell_open(file, IN_MODIFY, Through::OpenFile);
    }

    fn changed(&self, file: &OpenFile, events: u32, mode_before: u32) {
        let Some(inode) = inode_of(file) else { return };
        self.0.tell_open(file, events | lost_bits(inode, mode_before), Through::Entry);
    }

    fn changed_at(
        &self,
        system: &System,
        caller: &Caller<'_>,
        given: Given<'_>,
        (place, mode_before): (&Place, u32),
        events: u32,
    ) {
        let Node::Ramdisk(inode) = &place.node else { return };
        let events = events | lost_bits(inode, mode_before);
        if given.path.is_empty()
            && let Ok(file) = system.file_or_path(given.at)
        {
            return self.0.tell_open(&file, events, Through::Entry);
        }
        let found = find(system, caller, given);
        let found = found
            .filter(|found| found.inode.as_ref().is_some_and(|found| Arc::ptr_eq(found, inode)));
        let entry = found.and_then(|found: Found| found.entry);
        let known = entry.as_ref().map_or(Known::Any, |entry| Known::Entry(Some(entry)));
        self.0.tell(inode, known, events, Through::Entry);
    }

    fn create(
        &self,
        caller: &Caller<'_>,
        parent: &Node,
        name: &[u8],
        new: New<'_>,
        mode: u32,
    ) -> Result<()> {
        use crate::node::Files;
        parent.create(caller, name, new, mode)?;
        let is_dir = if new == New::Directory { IN_ISDIR } else { 0 };
        self.0.tell_name(parent, IN_CREATE | is_dir, 0, name);
        Ok(())
    }

    fn link(&self, caller: &Caller<'_>, parent: &Node, name: &[u8], target: &Node) -> Result<()> {
        parent.link(caller, name, target)?;
        if let Node::Ramdisk(inode) = target {
            self.0.tell_self(inode, IN_ATTRIB);
        }
        self.0.tell_name(parent, IN_CREATE, 0, name);
        Ok(())
    }

    fn unlink(&self, caller: &Caller<'_>, parent: &Node, name: &[u8]) -> Result<()> {
        use crate::node::Files;
        let removed = child(caller, parent, EntryName { bytes: name, directory_only: false });
        parent.unlink(caller, name)?;
        self.unlinked(parent, name);
        if let Some(inode) = &removed {
            self.0.tell_self(inode, IN_ATTRIB);
        }
        drop(removed); // tells, if it was the last reference, before the name is told
        self.0.tell_name(parent, IN_DELETE, 0, name);
        Ok(())
    }

    fn rmdir(&self, caller: &Caller<'_>, parent: &Node, name: &[u8]) -> Result<()> {
        use crate::node::Files;
        parent.rmdir(caller, name)?;
        self.unlinked(parent, name);
        self.0.tell_name(parent, IN_DELETE | IN_ISDIR, 0, name);
        Ok(())
    }

    fn rename(
        &self,
        caller: &Caller<'_>,
        old: (&Node, EntryName<'_>),
        new: (&Node, EntryName<'_>),
        how: (RenameMode, Left),
    ) -> Result<()> {
        let moved = child(caller, old.0, old.1);
        let other = child(caller, new.0, new.1);
        old.0.rename(caller, old.1, new.0, new.1, how)?;
        let (Some(moved), Node::Ramdisk(old_dir), Node::Ramdisk(new_dir)) = (moved, old.0, new.0)
        else {
            return Ok(());
        };
        if other.as_ref().is_some_and(|other| Arc::ptr_eq(other, &moved)) {
            return Ok(()); // nothing was done
        }
        let (one, two) = ((old_dir, old.1.bytes), (new_dir, new.1.bytes));
        let mut state = self.0.state.lock();
        if how.0 == RenameMode::Exchange {
            state.names.exchanged(one, two);
        } else {
            state.names.unlinked(two.0, two.1);
            state.names.renamed(one, two);
        }
        drop(state);
        if how.0 == RenameMode::Exchange {
            self.0.tell_move(old, new, &moved, None);
            if let Some(other) = &other {
                self.0.tell_move(new, old, other, None);
            }
        } else {
            self.0.tell_move(old, new, &moved, other.as_ref());
        }
        Ok(())
    }

    fn each_held(&self, hold: &mut dyn FnMut(&InodeRef) -> Result<()>) -> Result<()> {
        self.0.state.lock().names.parents().try_for_each(hold)
    }
}

impl Shared {
    /// Forgets how a file was found that is open no more. If there is no instance any more, nobody has
    /// to tell.
    fn forget(&self, system: &System, file: &OpenFile) {
        let mut state = self.0.state.lock();
        let former = state.names.forget(address(file));
        if !state.watches.is_on() {
            system.notify.set_on(false);
        }
        drop(state);
        drop(former); // outside the lock: it may be the last reference to the directory
    }

    fn unlinked(&self, parent: &Node, name: &[u8]) {
        if let Node::Ramdisk(parent) = parent {
            self.0.state.lock().names.unlinked(parent, name);
        }
    }
}

impl Watcher for Shared {
    fn gone(&self, file: FileId, how: Gone) {
        self.0.state.lock().watches.gone(&*self.0.platform, file, how);
    }
}

impl Instance for Handle {
    fn read(&self, waits: Waits, sink: &mut Sink<'_>) -> Result<usize> {
        let mut parking = Parking::new(&*self.listener.platform);
        loop {
            let mut state = self.listener.state.lock();
            let queue = state.watches.queue(self.instance).ok_or(Errno::EINVAL)?;
            match queue.take(sink)? {
                Some(done) => return Ok(done),
                None if waits == Waits::No => return Err(Errno::EAGAIN),
                None => queue.watch(parking.thread)?,
            }
            drop(state);
            parking.park();
        }
    }

    fn poll(&self, wanted: i16, watch: Option<u32>) -> Result<i16> {
        const READ: i16 = libc::POLLIN | libc::POLLRDNORM;
        let mut state = self.listener.state.lock();
        let queue = state.watches.queue(self.instance).ok_or(Errno::EINVAL)?;
        let events = if queue.is_empty() { 0 } else { READ };
        if let Some(thread) = watch
            && events & wanted == 0
        {
            queue.watch(thread)?;
        }
        Ok(events)
    }

    fn forget(&self, thread: u32) {
        if let Some(queue) = self.listener.state.lock().watches.queue(self.instance) {
            queue.forget(thread);
        }
    }

    fn bytes(&self) -> usize {
        let mut state = self.listener.state.lock();
        state.watches.queue(self.instance).map_or(0, |queue| queue.bytes())
    }

    fn add(&self, system: &System, inode: &InodeRef, mask: u32) -> Result<i32> {
        inode.watch(|| {
            let watcher: Box<dyn Watcher> = try_box(Shared(self.listener.clone()))?;
            Ok(watcher)
        })?;
        let wd = self.listener.state.lock().watches.add(self.instance, inode.id(), mask)?;
        if inode.is_directory() {
            self.listener.adopt(system, inode);
        }
        Ok(wd)
    }

    fn remove(&self, wd: i32) -> Result<()> {
        let mut state = self.listener.state.lock();
        state.watches.remove(&*self.listener.platform, self.instance, wd)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.listener.state.lock();
        let is_last = state.watches.end(self.instance);
        let names = is_last.then(|| core::mem::replace(&mut state.names, Names::new()));
        drop(state);
        drop(names); // outside the lock: directories may go with it
    }
}

/// The entry that Linux gives a file without a name (O_TMPFILE).
fn unnamed(directory: &InodeRef, inode: &InodeRef) -> Option<Entry> {
    let mut entry = Entry::new(directory, b"#").ok()?;
    entry.name.try_reserve(u64::MAX.ilog10() as usize + 1).ok()?;
    let number = inode.number().0;
    for place in (0..=number.checked_ilog10().unwrap_or(0)).rev() {
        entry.name.push(b'0' + (number / 10u64.pow(place) % 10) as u8);
    }
    entry.is_unlinked = true;
    Some(entry)
}

/// IN_ATTRIB if a change of the content took set-ID bits off.
fn lost_bits(inode: &InodeRef, mode_before: u32) -> u32 {
    let lost = mode_before & !Inode::attributes(inode).mode & SET_IDS;
    if lost != 0 { IN_ATTRIB } else { 0 }
}
