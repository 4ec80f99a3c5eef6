//! [`Directory`]: the entries of one directory.
//!
//! Problem: a listing that is under way while entries come and go must show each
//! entry that stays exactly once, resume where it stopped, and cost the same for
//! each entry; and a name must be found in constant time among millions.
//!
//! Choice: entries stand in a log, in the order of their *cookies*, numbers that
//! only grow. A removed entry leaves a gap in the log; when gaps outnumber entries
//! the log closes up, which changes no cookie and no order. An entry that gets another name in its
//! directory keeps its place, if nothing had that name. A listing resumes by binary search for its
//! cookie. A hash table over the log finds names; in a log of a few entries, which most directories
//! have, looking at each is faster. The log is made of chunks, so it grows without being copied.
//!
//! The inode's lock protects all of it.

mod check;
mod index;

use alloc::vec::Vec;
use core::mem::{ManuallyDrop, forget};

use crate::inode::{FileType, Inode, InodeNo, InodeRef};
use crate::mem::prefetch_line;
use crate::name::Name;
use crate::{Errno, Result, planted};

use index::Index;

/// Entries in one chunk of the log.
const CHUNK: usize = 256;
/// Entries of a log that has no hash table yet: all of them are in the first chunk.
const FEW: usize = 8;
/// Gaps that are not worth closing.
const FEW_GAPS: usize = 64;
/// The cookie at which a listing starts, with the entry `.`.
const DOT: u64 = 0;
/// The cookie of the entry `..`.
const DOT_DOT: u64 = 1;
const FIRST_COOKIE: u64 = 2;

/// How many entries ahead of a listing an inode's memory is fetched. The entries themselves are fetched
/// twice as far ahead, since they tell where the inode is.
const AHEAD: usize = 8;

/// An entry of the log; a gap if it has no child.
struct Entry {
    cookie: u64,
    child: Option<InodeRef>,
    hash: u32,
    name: Name,
}

impl Entry {
    fn is_gap(&self) -> bool {
        self.child.is_none()
    }

    fn is_called(&self, name: &[u8]) -> bool {
        !self.is_gap() && self.name.is(name)
    }
}

/// A place in the log. Good until the next change of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

/// A new entry with all that it takes, so that adding it cannot fail: a gap at the end of the log,
/// which goes again if nothing is added.
pub(crate) struct Prepared<'a> {
    directory: &'a mut Directory,
    hash: u32,
}

impl Prepared<'_> {
    /// Adds the entry; returns its cookie.
    #[inline]
    pub(crate) fn insert(self, child: InodeRef) -> u64 {
        let mut prepared = ManuallyDrop::new(self);
        let hash = prepared.hash;
        prepared.directory.fill_last_gap(hash, child)
    }
}

impl Drop for Prepared<'_> {
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        self.directory.drop_last_gaps();
    }
}

/// One entry of a listing. The two numbers are apart, as those of [`Attributes`](crate::Attributes) are.
#[repr(C)]
pub struct Listed<'a> {
    /// The number of the inode that it names.
    pub ino: InodeNo,
    /// The entry's name.
    pub name: &'a [u8],
    /// Where a listing goes on after this entry.
    pub next: u64,
    /// The type of that inode.
    pub file_type: FileType,
}

/// The entries of a directory, and where it hangs in the tree.
pub(crate) struct Directory {
    /// The parent; none for a root. Changed only under `Superblock::rename`.
    pub(crate) parent: Option<InodeRef>,
    /// The cookie of this directory's own entry in its parent.
    pub(crate) place: u64,
    chunks: Vec<Vec<Entry>>,
    /// Places in the log, by name. Without any capacity while the log has few entries.
    index: Index,
    live: usize,
    next_cookie: u64,
}

impl Directory {
    pub(crate) fn new(parent: Option<InodeRef>) -> Directory {
        Directory {
            parent,
            place: 0,
            chunks: Vec::new(),
            index: Index::new(),
            live: 0,
            next_cookie: FIRST_COOKIE,
        }
    }

    /// How many entries there are, without `.` and `..`.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Where the entry with this name is. Its hash is asked for where there is a table.
    #[inline]
    pub(crate) fn find(&self, hash: impl FnOnce() -> u32, name: &[u8]) -> Option<Slot> {
        if self.is_indexed() {
            return self.find_in_index(hash(), name);
        }
        self.find_among_few(name)
    }

    /// What the entry with this name names. Its hash is asked for where there is a table.
    pub(crate) fn find_child(&self, hash: impl FnOnce() -> u32, name: &[u8]) -> Option<&InodeRef> {
        if self.is_indexed() {
            return self.find_in_index(hash(), name).map(|slot| self.child(slot));
        }
        self.few()?.iter().find(|entry| entry.is_called(name))?.child.as_ref()
    }

    fn find_among_few(&self, name: &[u8]) -> Option<Slot> {
        self.few()?.iter().position(|entry| entry.is_called(name)).map(|at| Slot(at as u32))
    }

    /// A log that has no table.
    fn few(&self) -> Option<&[Entry]> {
        self.chunks.first().map(Vec::as_slice)
    }

    fn find_in_index(&self, hash: u32, name: &[u8]) -> Option<Slot> {
        let is_it = |at| {
            let entry = self.entry(Slot(at));
            entry.hash == hash && entry.name.is(name)
        };
        self.index.find(hash, is_it).map(Slot)
    }

    fn is_indexed(&self) -> bool {
        self.index.exists()
    }

    /// The inode that the entry at `slot` names.
    pub(crate) fn child(&self, slot: Slot) -> &InodeRef {
        self.entry(slot).child.as_ref().expect("an indexed slot is no gap")
    }

    pub(crate) fn cookie(&self, slot: Slot) -> u64 {
        self.entry(slot).cookie
    }

    /// The name and inode of the entry with this cookie.
    pub(crate) fn at_cookie(&self, cookie: u64) -> Option<(&[u8], &InodeRef)> {
        let entry = self.entries_from(cookie).flatten().next()?;
        Some((entry.name.as_bytes(), entry.child.as_ref().filter(|_| entry.cookie == cookie)?))
    }

    /// Allocates all that adding an entry named `name` takes. The name must not be there.
    ///
    /// # Errors
    /// ENAMETOOLONG, ENOMEM; ENOSPC for the four thousand millionth entry.
    pub(crate) fn prepare(&mut self, hash: u32, name: &[u8]) -> Result<Prepared<'_>> {
        if self.is_indexed() {
            self.index.reserve()?;
        } else if self.log_len() >= FEW {
            self.index = Index::with_room(FEW + 1)?;
            self.index_all();
        }
        if self.log_len() >= u32::MAX as usize {
            return Err(Errno::ENOSPC);
        }
        let first_chunk = self.chunks.is_empty();
        let cookie = self.next_cookie;
        let gap = || Entry { cookie, child: None, hash, name: Name::NONE };
        match self.chunks.last_mut() {
            // The first chunk grows by doubling: most directories are small.
            Some(last) if last.len() < CHUNK => {
                if last.len() == last.capacity() {
                    let more = last.capacity().max(4).min(CHUNK - last.len());
                    last.try_reserve_exact(more).map_err(|_| Errno::ENOMEM)?;
                }
                last.resize_with(last.len() + 1, gap); // in place, as a push would not be
            }
            _ => {
                let mut chunk = Vec::new();
                chunk
                    .try_reserve_exact(if first_chunk { 4 } else { CHUNK })
                    .map_err(|_| Errno::ENOMEM)?;
                self.chunks.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                chunk.push(gap());
                self.chunks.push(chunk);
            }
        }
        let prepared = Prepared { directory: self, hash };
        prepared.directory.last_entry().name.set(name)?;
        Ok(prepared)
    }

    fn last_entry(&mut self) -> &mut Entry {
        self.chunks.last_mut().and_then(|chunk| chunk.last_mut()).expect("`prepare` added one")
    }

    /// Lets the gap at the end of the log be the entry of `child`; returns its cookie.
    fn fill_last_gap(&mut self, hash: u32, child: InodeRef) -> u64 {
        let at = self.log_len() as u32 - 1;
        let cookie = self.next_cookie;
        let hint = address(&child);
        forget(self.last_entry().child.replace(child)); // a gap had none
        if self.is_indexed() {
            self.index.insert(hash, at, hint);
        }
        self.next_cookie += 1;
        self.live += 1;
        cookie
    }

    /// Gives back what the log has room for beyond its entries, if there is memory to copy
    /// them to. The directory grows again as before.
    pub(crate) fn trim(&mut self) {
        let Some(last) = self.chunks.last_mut() else { return };
        let mut exact = Vec::new();
        if last.len() < last.capacity() && exact.try_reserve_exact(last.len()).is_ok() {
            exact.append(last);
            *last = exact;
        }
    }

    /// Removes the entry at `slot`; the caller drops the reference outside the lock.
    pub(crate) fn remove(&mut self, slot: Slot) -> InodeRef {
        let hash = self.entry(slot).hash;
        self.index.remove(hash, slot.0);
        let child = self.entry_mut(slot).child.take().expect("an indexed slot is no gap");
        self.live -= 1;
        if planted!("cookie_is_used_again") {
            self.next_cookie -= 1;
        }
        self.drop_last_gaps();
        if self.log_len() > 2 * self.live + FEW_GAPS {
            self.close_gaps();
        }
        child
    }

    /// Lets the entry at `slot` name `child`; returns what it named.
    pub(crate) fn replace(&mut self, slot: Slot, child: InodeRef) -> InodeRef {
        let hash = self.entry(slot).hash;
        self.index.redirect(hash, slot.0, address(&child));
        let old = self.entry_mut(slot).child.replace(child);
        old.expect("an indexed slot is no gap")
    }

    /// Lets the entry at `slot` have another name, which must not be there. It keeps its cookie: a
    /// listing under way shows it once.
    ///
    /// # Errors
    /// ENAMETOOLONG, ENOMEM: then nothing changed.
    pub(crate) fn rename(&mut self, slot: Slot, hash: u32, name: &[u8]) -> Result<()> {
        let entry = self.entry_mut(slot);
        entry.name.replace(name)?;
        let former = core::mem::replace(&mut entry.hash, hash);
        let hint = entry.child.as_ref().map_or(0, address);
        if self.is_indexed() {
            self.index.remove(former, slot.0);
            self.index.insert(hash, slot.0, hint);
        }
        Ok(())
    }

    /// Removes any entry. For teardown: names are found slowly from then on.
    pub(crate) fn pop(&mut self) -> Option<InodeRef> {
        // Freed at the first, since to clear it takes as long as it is large.
        self.index = Index::new();
        loop {
            let entry = self.chunks.last_mut()?.pop();
            match entry {
                Some(entry) => {
                    if entry.child.is_some() {
                        self.live -= 1;
                        return entry.child;
                    }
                }
                None => drop(self.chunks.pop()),
            }
        }
    }

    /// Calls `emit` for each entry from `cookie` on, `.` and `..` included, until it
    /// returns false. `own` is this directory's number.
    pub(crate) fn list(&self, own: InodeNo, cookie: u64, emit: &mut dyn FnMut(Listed<'_>) -> bool) {
        let parent = self.parent.as_ref().map_or(own, |parent| parent.number());
        let dots = [(DOT, &b"."[..], own), (DOT_DOT, b"..", parent)];
        for (at, name, ino) in dots {
            let listed = Listed { name, ino, file_type: FileType::Directory, next: at + 1 };
            if cookie <= at && !emit(listed) {
                return;
            }
        }
        let mut chunks = self.entries_from(cookie).peekable();
        while let Some(entries) = chunks.next() {
            let next = chunks.peek().copied().unwrap_or_default();
            for (at, entry) in entries.iter().enumerate() {
                let after = |at: usize| entries.get(at).or_else(|| next.get(at - entries.len()));
                if let Some(Entry { child: Some(later), .. }) = after(at + AHEAD) {
                    later.fetch_identity();
                }
                if let Some(entry) = after(at + 2 * AHEAD) {
                    prefetch_line(core::ptr::from_ref(entry).addr());
                }
                let Some(child) = &entry.child else { continue };
                let listed = Listed {
                    name: entry.name.as_bytes(),
                    ino: child.number(),
                    file_type: child.file_type(),
                    next: entry.cookie + 1,
                };
                if !emit(listed) {
                    return;
                }
            }
        }
    }

    /// The log, gaps included, from the first entry whose cookie is not below `cookie`.
    fn entries_from(&self, cookie: u64) -> impl Iterator<Item = &[Entry]> {
        let before = |chunk: &Vec<Entry>| chunk.last().is_some_and(|last| last.cookie < cookie);
        let chunk = self.chunks.partition_point(before);
        let first = self.chunks.get(chunk).map_or(&[][..], |entries| {
            &entries[entries.partition_point(|entry| entry.cookie < cookie)..]
        });
        let rest = self.chunks.get(chunk + 1..).unwrap_or_default();
        core::iter::once(first).chain(rest.iter().map(Vec::as_slice))
    }

    fn log_len(&self) -> usize {
        match self.chunks.as_slice() {
            [] => 0,
            [full @ .., last] => full.len() * CHUNK + last.len(),
        }
    }

    #[inline]
    fn entry(&self, slot: Slot) -> &Entry {
        entry(&self.chunks, slot)
    }

    #[inline]
    fn entry_mut(&mut self, Slot(at): Slot) -> &mut Entry {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    /// Shortens the log by the gaps at its end, so that making and removing a file
    /// again and again leaves it as it was. An empty last chunk stays while the one
    /// before is full: no chunk is made and freed in turn.
    fn drop_last_gaps(&mut self) {
        while let Some(last) = self.chunks.last_mut() {
            // Not `pop`, which would move it.
            while last.last().is_some_and(Entry::is_gap) {
                last.truncate(last.len() - 1);
            }
            match self.chunks.as_slice() {
                [.., before, last]
                    if last.is_empty() && before.last().is_some_and(Entry::is_gap) =>
                {
                    self.chunks.pop();
                }
                _ => break,
            }
        }
    }

    /// Moves entries down over the gaps, in order, and indexes them anew, in a table
    /// of the right size if there is memory for one, or in none if they are few. It need
    /// allocate nothing: no chunk and no table gets more entries than it had room for.
    fn close_gaps(&mut self) {
        if self.live <= FEW {
            self.index = Index::new();
        } else if let Ok(smaller) = Index::with_room(self.live) {
            self.index = smaller;
        } else {
            self.index.clear();
        }
        let (mut chunk, mut at) = (0, 0);
        for from in 0..self.chunks.len() {
            for position in 0..self.chunks[from].len() {
                if self.chunks[from][position].child.is_none() {
                    continue;
                }
                if (chunk, at) != (from, position) {
                    let [into, out] = self.two_entries((chunk, at), (from, position));
                    core::mem::swap(into, out);
                }
                at += 1;
                if at == CHUNK {
                    (chunk, at) = (chunk + 1, 0);
                }
            }
        }
        self.chunks.truncate(chunk + 1);
        if let Some(last) = self.chunks.get_mut(chunk) {
            last.truncate(at);
        }
        if self.is_indexed() {
            self.index_all();
        }
    }

    /// Puts each entry into the index, which is empty and has room.
    fn index_all(&mut self) {
        for (at, entry) in self.chunks.iter().flatten().enumerate() {
            if let Some(child) = &entry.child {
                self.index.insert(entry.hash, at as u32, address(child));
            }
        }
    }

    /// Two different places of the log at once; the first is before the second.
    fn two_entries(&mut self, first: (usize, usize), second: (usize, usize)) -> [&mut Entry; 2] {
        if first.0 == second.0 {
            let (low, high) = self.chunks[first.0].split_at_mut(second.1);
            [&mut low[first.1], &mut high[0]]
        } else {
            let (low, high) = self.chunks.split_at_mut(second.0);
            [&mut low[first.0][first.1], &mut high[0][second.1]]
        }
    }
}

#[inline]
fn entry(chunks: &[Vec<Entry>], Slot(at): Slot) -> &Entry {
    &chunks[at as usize / CHUNK][at as usize % CHUNK]
}

/// Where in memory an inode is.
fn address(inode: &InodeRef) -> usize {
    core::ptr::from_ref::<Inode>(inode).addr()
}

#[cfg(test)]
mod tests;
