//! [`Locks`]: who has locked what of which file. They bind nobody but those who ask: `flock(2)`,
//! and `fcntl(2)`, "Advisory record locking" and "Open file description locks".
//!
//! There are two kinds, that know nothing of each other. A lock on the *whole* file is an open
//! file description's. Locks on *ranges* of bytes are a description's, or the process's: all its
//! threads have these together, so they keep nobody out but descriptions with locks of their own.
//!
//! What a description has goes with it ([`Holder`]); what the process has of a file goes when any
//! of its descriptors for that file is closed ([`Locks::closed`]).
//!
//! # Where
//! The locks are in a table beside the files: a file without any has no entry there, and nothing in
//! its inode. Who closes a descriptor looks at one counter to know that there is nothing to do.
//!
//! # Order
//! The ranges of an owner lie together, in the order of their bytes, and owners in the order in
//! which they came, as on Linux: so F_GETLK tells of the same one. Ranges of an owner that touch
//! and are of one kind are one.
//!
//! # Waiting
//! As for pipes: whoever waits is in the file's list, under the lock under which it found that it
//! has to. Whoever gives anything of the file up empties the list and unparks all; they try again.
//! No lock is held meanwhile.
//!
//! # Deadlock
//! As Linux does (`fs/locks.c`, `posix_locks_deadlock`), only the process's requests are checked.
//! Its threads cannot keep one another waiting, so what is left is one case: the process would
//! wait for a description for which another thread waits, in turn, for the process.
//!
//! # Locking
//! One lock for the table, for a moment.

use alloc::sync::Arc as StdArc;
use alloc::vec::Vec;
use core::array;

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{AtomicU32, AtomicU64, Class, Mutex, Ordering};
use arrayvec::ArrayVec;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::pipe::{Parking, Waits};
use crate::{Errno, Platform, Result};

/// How many locks there can be in a system.
const MOST: usize = 8192;
/// The last byte that there can be in a file.
pub(crate) const LAST_BYTE: u64 = i64::MAX as u64;
/// Counters of files with locks of the process.
const COUNTERS: usize = if cfg!(anchorite_model) { 1 } else { 64 };

/// What a file is known by: an address that it alone has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) usize);

/// Who has a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

impl Owner {
    /// The process.
    pub(crate) const PROCESS: Owner = Owner(0);
}

/// What a lock keeps others from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From locking it to write.
    Read,
    /// From locking it.
    Write,
}

/// Bytes of a file, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Range {
    fn meets(self, other: Range) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// A range that somebody has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) owner: Owner,
    pub(crate) range: Range,
    pub(crate) kind: Kind,
}

/// All locks.
pub(crate) struct Locks {
    platform: StdArc<dyn Platform>,
    table: Mutex<Table>,
    /// In how many files the process has locks, by [`counter`]. Changed by who holds `table`; who
    /// has just closed a descriptor looks without: who sets a lock at that time looks for the
    /// descriptor after that.
    of_process: [AtomicU32; COUNTERS],
    /// The last number that was given to a description.
    last_owner: AtomicU64,
}

struct Table {
    files: HashTable<FileLocks>,
    /// How many locks there are in all of them.
    count: usize,
}

/// The locks of a file, at least one.
struct FileLocks {
    key: Key,
    ranges: Vec<Held>,
    /// Of the whole file.
    wholes: Vec<(Owner, Kind)>,
    waiting: Vec<Waiting>,
}

/// A thread that waits for a lock.
struct Waiting {
    thread: u32,
    owner: Owner,
    /// The first of those for whom it waits.
    blocked_by: Owner,
}

/// What an open file description has of the table: it is an owner there. What it has locked is
/// given up when this is dropped.
pub(crate) struct Holder {
    locks: Arc<Locks>,
    key: Key,
    owner: Owner,
}

impl Holder {
    pub(crate) fn new(locks: &Arc<Locks>, key: Key) -> Holder {
        let owner = Owner(locks.last_owner.fetch_add(1, Ordering::Relaxed) + 1);
        Holder { locks: locks.clone(), key, owner }
    }

    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.locks.release(self.key, self.owner);
    }
}

/// What came of a try.
enum Tried {
    Done,
    /// It is in the way, and the thread is in the list.
    Waits,
}

impl Locks {
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(platform: StdArc<dyn Platform>) -> Result<Arc<Locks>> {
        let table = Table { files: HashTable::new(), count: 0 };
        Arc::try_new(Locks {
            platform,
            table: Mutex::new(Class::Lookup, table),
            of_process: array::from_fn(|_| AtomicU32::new(0)),
            last_owner: AtomicU64::new(0),
        })
    }

    /// What is in the way of this lock, the first.
    pub(crate) fn conflict(&self, key: Key, wanted: Held) -> Option<Held> {
        let table = self.table.lock();
        let locks = table.files.find(hash(key), |locks| locks.key == key)?;
        locks.conflict(wanted)
    }

    /// The first lock in `range` that `owner` has itself.
    pub(crate) fn own(&self, key: Key, owner: Owner, range: Range) -> Option<Held> {
        let table = self.table.lock();
        let locks = table.files.find(hash(key), |locks| locks.key == key)?;
        let is_it = |held: &&Held| held.owner == owner && held.range.meets(range);
        locks.ranges.iter().find(is_it).copied()
    }

    /// Locks a range, in place of whatever `wanted.owner` had there.
    ///
    /// # Errors
    /// EAGAIN if somebody is in the way, without waiting; EDEADLK if that would be for ever;
    /// ENOLCK; ENOMEM.
    pub(crate) fn lock_range(&self, key: Key, wanted: Held, waits: Waits) -> Result<()> {
        self.wait_until(key, wanted.owner, waits, |locks, count| {
            let Some(held) = locks.conflict(wanted) else {
                let former =
                    locks.set_range(wanted.owner, wanted.range, Some(wanted.kind), count)?;
                // What was locked to write may be read now.
                if wanted.kind == Kind::Read && former.is_some() {
                    locks.wake(&*self.platform);
                }
                return Ok(None);
            };
            // Only those who wait for the process itself are known to be waited for.
            let is_circle = |waiting: &Waiting| {
                waiting.owner == held.owner && waiting.blocked_by == Owner::PROCESS
            };
            let asks = waits == Waits::Yes && wanted.owner == Owner::PROCESS;
            if asks && locks.waiting.iter().any(is_circle) {
                return Err(Errno::EDEADLK);
            }
            Ok(Some(held.owner))
        })
    }

    /// Gives up what `owner` has in a range.
    ///
    /// # Errors
    /// ENOLCK, ENOMEM if that makes two locks of one, for which there is no room.
    pub(crate) fn unlock_range(&self, key: Key, owner: Owner, range: Range) -> Result<()> {
        self.in_file(key, Missing::IsNothing, |locks, count| {
            if locks.set_range(owner, range, None, count)?.is_some() {
                locks.wake(&*self.platform);
            }
            Ok(())
        })
        .map(|_| ())
    }

    /// Locks the whole file. What `owner` had of it before, if it is of another kind, is given up
    /// first, whatever comes of it.
    ///
    /// # Errors
    /// EAGAIN if somebody is in the way, without waiting; ENOLCK; ENOMEM.
    pub(crate) fn lock_whole(
        &self,
        key: Key,
        owner: Owner,
        kind: Kind,
        waits: Waits,
    ) -> Result<()> {
        self.wait_until(key, owner, waits, |locks, count| {
            match locks.wholes.iter().position(|(other, _)| *other == owner) {
                Some(at) if locks.wholes[at].1 == kind => return Ok(None),
                Some(at) => {
                    locks.wholes.remove(at);
                    *count -= 1;
                    locks.wake(&*self.platform);
                }
                None if *count >= MOST => return Err(Errno::ENOLCK),
                None => locks.wholes.try_reserve(1).map_err(|_| Errno::ENOMEM)?,
            }
            let excludes =
                |(_, other): &&(Owner, Kind)| kind == Kind::Write || *other == Kind::Write;
            if let Some((other, _)) = locks.wholes.iter().find(excludes) {
                return Ok(Some(*other));
            }
            // There is room: what was there before has left it, or it was reserved.
            locks.wholes.push((owner, kind));
            *count += 1;
            Ok(None)
        })
    }

    /// Gives up the lock on the whole file.
    pub(crate) fn unlock_whole(&self, key: Key, owner: Owner) {
        // Taking out needs no room.
        let _ = self.in_file(key, Missing::IsNothing, |locks, count| {
            if locks.remove_whole(owner, count) {
                locks.wake(&*self.platform);
            }
            Ok(())
        });
    }

    /// Does what the closing of a descriptor of a file does: the process gives up all ranges of it.
    #[inline]
    pub(crate) fn closed(&self, key: Key) {
        // What was locked by the descriptor that is closed was counted before it was found open
        // for the last time, under the lock of its slot. A lock that another thread sets by
        // another descriptor is set after this, unless that thread has been heard of.
        if self.of_process[counter(key)].load(Ordering::Relaxed) != 0 {
            self.release(key, Owner::PROCESS);
        }
    }

    /// Gives up all that `owner` has of a file.
    #[cold]
    fn release(&self, key: Key, owner: Owner) {
        let all = Range { first: 0, last: LAST_BYTE };
        // Taking out needs no room.
        let _ = self.in_file(key, Missing::IsNothing, |locks, count| {
            let ranges = locks.set_range(owner, all, None, count)?;
            if locks.remove_whole(owner, count) || ranges.is_some() {
                locks.wake(&*self.platform);
            }
            Ok(())
        });
    }

    /// Tries until nobody is in the way: until `attempt` does not say who is.
    ///
    /// # Errors
    /// EAGAIN without waiting; ENOMEM if there is no room to wait; those of `attempt`.
    fn wait_until(
        &self,
        key: Key,
        owner: Owner,
        waits: Waits,
        mut attempt: impl FnMut(&mut FileLocks, &mut usize) -> Result<Option<Owner>>,
    ) -> Result<()> {
        let mut parking = Parking::new(&*self.platform);
        let thread = parking.thread;
        loop {
            let tried = self.in_file(key, Missing::IsMade, |locks, count| {
                // It may have been woken by somebody else than who empties the list.
                locks.waiting.retain(|waiting| waiting.thread != thread);
                let Some(blocked_by) = attempt(locks, count)? else { return Ok(Tried::Done) };
                if waits == Waits::No {
                    return Err(Errno::EAGAIN);
                }
                locks.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                locks.waiting.push(Waiting { thread, owner, blocked_by });
                Ok(Tried::Waits)
            });
            match tried? {
                Some(Tried::Waits) => parking.park(),
                _ => return Ok(()),
            }
        }
    }

    /// Does something with the locks of a file and the count of all; nothing if there are none,
    /// unless they are to be made.
    ///
    /// # Errors
    /// ENOMEM; those of `work`.
    fn in_file<T>(
        &self,
        key: Key,
        missing: Missing,
        work: impl FnOnce(&mut FileLocks, &mut usize) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut table = self.table.lock();
        let Table { files, count } = &mut *table;
        if missing == Missing::IsMade {
            files.try_reserve(1, |locks| hash(locks.key)).map_err(|_| Errno::ENOMEM)?;
        } else if files.is_empty() {
            return Ok(None);
        }
        let is_it = |locks: &FileLocks| locks.key == key;
        // There is room, so the table does not grow.
        let mut entry = match files.entry(hash(key), is_it, |locks| hash(locks.key)) {
            Entry::Vacant(_) if missing == Missing::IsNothing => return Ok(None),
            Entry::Vacant(entry) => entry.insert(FileLocks::new(key)),
            Entry::Occupied(entry) => entry,
        };
        let locks = entry.get_mut();
        let had = locks.has_of_process();
        let done = work(locks, count);
        let counter = &self.of_process[counter(key)];
        match (had, locks.has_of_process()) {
            (false, true) => _ = counter.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = counter.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
        if locks.ranges.is_empty() && locks.wholes.is_empty() {
            debug_assert!(locks.waiting.is_empty(), "nobody waits for nothing");
            entry.remove();
        }
        done.map(Some)
    }
}

/// What it means that a file has no locks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// There is nothing to do.
    IsNothing,
    /// It is to have some.
    IsMade,
}

impl FileLocks {
    fn new(key: Key) -> FileLocks {
        FileLocks { key, ranges: Vec::new(), wholes: Vec::new(), waiting: Vec::new() }
    }

    /// Whether the process has any of the ranges.
    fn has_of_process(&self) -> bool {
        self.ranges.iter().any(|held| held.owner == Owner::PROCESS)
    }

    fn conflict(&self, wanted: Held) -> Option<Held> {
        let is_in_the_way = |held: &&Held| {
            held.owner != wanted.owner
                && held.range.meets(wanted.range)
                && (held.kind == Kind::Write || wanted.kind == Kind::Write)
        };
        self.ranges.iter().find(is_in_the_way).copied()
    }

    /// Makes what `owner` has of a range a lock of this kind, or none; whether there was anything.
    /// `count` is of all files.
    ///
    /// # Errors
    /// ENOLCK, ENOMEM, with nothing done.
    fn set_range(
        &mut self,
        owner: Owner,
        range: Range,
        kind: Option<Kind>,
        count: &mut usize,
    ) -> Result<Option<()>> {
        let start = self.ranges.iter().position(|held| held.owner == owner);
        let start = start.unwrap_or(self.ranges.len());
        let own = self.ranges[start..].iter().take_while(|held| held.owner == owner);
        // Those that it overlaps or touches.
        let before = own.clone().take_while(|held| held.range.last + 1 < range.first).count();
        let touched = own.skip(before).take_while(|held| held.range.first <= range.last + 1);
        let touched = start + before..start + before + touched.count();
        let mut new = range;
        let (mut left, mut right, mut was_there) = (None, None, None);
        for held in &self.ranges[touched.clone()] {
            was_there = was_there.or(held.range.meets(range).then_some(()));
            if Some(held.kind) == kind {
                new.first = new.first.min(held.range.first);
                new.last = new.last.max(held.range.last);
                continue;
            }
            // What of it is outside stays.
            if held.range.first < range.first {
                let last = held.range.last.min(range.first - 1);
                left = Some(Held { range: Range { last, ..held.range }, ..*held });
            }
            if held.range.last > range.last {
                let first = held.range.first.max(range.last + 1);
                right = Some(Held { range: Range { first, ..held.range }, ..*held });
            }
        }
        let new = kind.map(|kind| Held { owner, range: new, kind });
        let by: ArrayVec<Held, 3> = [left, new, right].into_iter().flatten().collect();
        let more = by.len().saturating_sub(touched.len());
        if *count + more > MOST {
            return Err(Errno::ENOLCK);
        }
        self.ranges.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        *count = *count + by.len() - touched.len();
        self.ranges.splice(touched, by);
        Ok(was_there)
    }

    /// Takes the lock on the whole file away from `owner`; whether it had one.
    fn remove_whole(&mut self, owner: Owner, count: &mut usize) -> bool {
        let before = self.wholes.len();
        self.wholes.retain(|(other, _)| *other != owner);
        *count -= before - self.wholes.len();
        self.wholes.len() < before
    }

    /// Lets all who wait try again.
    fn wake(&mut self, platform: &dyn Platform) {
        for waiting in self.waiting.drain(..) {
            platform.unpark(waiting.thread);
        }
    }
}

fn hash(key: Key) -> u64 {
    (key.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Which counter a file has.
fn counter(key: Key) -> usize {
    (hash(key) >> 32) as usize % COUNTERS
}
