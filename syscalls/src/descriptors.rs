//! [`Descriptors`]: the table from descriptor numbers to open file descriptions.
//!
//! Problem: whoever opens a file gets the lowest number that is free, so those who open and
//! close must know of one another; whoever uses a descriptor need not.
//!
//! Choice: which numbers are taken is one set of bits, with a lock. What each number stands
//! for is in a slot with a lock of its own; slots never move, and neighbours do not share a
//! cache line. A number that is taken while its slot is empty is promised to an open under
//! way. Whatever empties a slot, or fills one whose number it did not reserve, holds the set.
//! What a number of a file of a ramdisk stands for is published there once it has been used some
//! times: a transfer then counts no reference, and who closes the file waits for those under
//! way, after it has let go of all locks ([`Published`]).

use alloc::vec::Vec;
use core::array;

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{
    Apart, AtomicU32, Borrowed, Class, Mutex, MutexGuard, Once, Ordering, Published, Withdrawn,
};

use crate::file::{Object, OpenFile};
use crate::{Errno, Result};

/// Slots of the first block; each further one has twice as many as that before.
const FIRST_BLOCK: usize = 64;
/// Blocks, enough for more than a million numbers.
const BLOCKS: usize = 15;
/// Bits in a word of the set.
const BITS: usize = u64::BITS as usize;

/// Whether a descriptor is closed when the process starts another program. There is
/// no such call; the flag is kept for F_GETFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnExec {
    Keep,
    Close,
}

/// What a number stands for; nothing if it is free, or promised to an open under way.
type Open = Option<(Arc<OpenFile>, OnExec)>;

/// How often a descriptor is used, with other threads about, before it is published: who closes
/// it has to look at a line of each core then.
const USES: u32 = if cfg!(anchorite_model) { 1 } else { 8 };

/// Where it is kept what a number stands for.
struct Slot {
    open: Mutex<Open>,
    /// What `open` has, after [`USES`]. Changed by who holds that.
    published: Published<OpenFile>,
    /// Uses since it was filled. Changed by who holds `open`.
    uses: AtomicU32,
}

/// What a number stood for. When it goes, transfers of it under way are waited for: that must
/// be when no lock is held.
pub(crate) struct Former {
    file: Arc<OpenFile>,
    withdrawn: Option<Withdrawn<OpenFile>>,
}

impl Former {
    /// The open file description, when it is no more used by this number.
    pub(crate) fn into_file(self) -> Arc<OpenFile> {
        drop(self.withdrawn);
        self.file
    }
}

impl Slot {
    fn new() -> Slot {
        let open = Mutex::new(Class::Last, None);
        Slot { open, published: Published::new(), uses: AtomicU32::new(0) }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock()
    }

    /// Puts something in the place of what is there; `open` is this slot's.
    fn replace(&self, open: &mut Open, by: Open) -> Option<Former> {
        if self.published.is_there() {
            return self.replace_published(open, by);
        }
        self.uses.store(0, Ordering::Relaxed);
        core::mem::replace(open, by).map(|(file, _)| Former { file, withdrawn: None })
    }

    #[cold]
    fn replace_published(&self, open: &mut Open, by: Open) -> Option<Former> {
        self.uses.store(0, Ordering::Relaxed);
        // First: whoever finds the slot changed must not find it published after that.
        let withdrawn = self.published.withdraw();
        core::mem::replace(open, by).map(|(file, _)| Former { file, withdrawn })
    }

    /// Counts a use of `file`, which `open` of this slot, that is held, has.
    fn count_use(&self, file: &Arc<OpenFile>) {
        let uses = self.uses.load(Ordering::Relaxed) + 1;
        self.uses.store(uses.min(USES), Ordering::Relaxed);
        if uses == USES
            && let Object::Inode(inode) = &file.object
        {
            self.published.publish(file, inode.lock_address());
        }
    }
}

/// A process's descriptors.
pub(crate) struct Descriptors {
    taken: Apart<Mutex<Numbers>>,
    /// Made when a number in them is first taken.
    blocks: [Once<Vec<Slot>>; BLOCKS],
}

/// The numbers that are taken.
struct Numbers {
    /// The bits of the lowest numbers, beside the lock.
    lowest: u64,
    /// Those of the others, 64 in a word.
    others: Vec<u64>,
}

impl Descriptors {
    pub(crate) fn new() -> Descriptors {
        let none = Numbers { lowest: 0, others: Vec::new() };
        Descriptors {
            taken: Apart(Mutex::new(Class::Lookup, none)),
            blocks: array::from_fn(|_| Once::new()),
        }
    }

    /// The open file description of descriptor `fd`.
    ///
    /// # Errors
    /// EBADF.
    #[inline]
    pub(crate) fn get(&self, fd: i32) -> Result<Arc<OpenFile>> {
        match &*self.slot(fd)?.lock() {
            Some((file, _)) => Ok(file.clone()),
            None => Err(Errno::EBADF),
        }
    }

    /// The open file description of descriptor `fd`, without a count, for one who is alone; none if
    /// there is none.
    ///
    /// # Safety
    /// As long as it is used, the caller is alone, waits for nothing and neither closes nor replaces a
    /// descriptor.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) unsafe fn peek(&self, fd: i32) -> Option<&OpenFile> {
        // SAFETY: what a slot has is changed by who opens, duplicates or closes.
        let open = unsafe { self.slot(fd).ok()?.open.peek() };
        open.as_ref().map(|(file, _)| &**file)
    }

    /// The file of a ramdisk that descriptor `fd` is for, without a count; none if that is not
    /// worth it, or it is something else. Who closes it waits: so it is not to be kept while
    /// something outside is waited for.
    #[inline]
    pub(crate) fn borrow(&self, fd: i32) -> Option<Borrowed<'_, OpenFile>> {
        self.slot(fd).ok()?.published.borrow()
    }

    /// Counts a use of descriptor `fd`, if there is one, by which it might be
    /// [borrowed](Descriptors::borrow) next time.
    pub(crate) fn count_use(&self, fd: i32) {
        if let Ok(slot) = self.slot(fd)
            && let Some((file, _)) = &*slot.lock()
        {
            slot.count_use(file);
        }
    }

    /// Reserves the lowest free number, which must be below `limit`.
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub(crate) fn reserve(&self, limit: usize) -> Result<i32> {
        self.reserve_from(&mut self.taken.lock(), 0, limit)
    }

    /// Gives a reserved number back.
    pub(crate) fn release(&self, fd: i32) {
        self.taken.lock().remove(fd as usize);
    }

    /// Makes a reserved number a descriptor of `file`.
    pub(crate) fn install(&self, fd: i32, file: Arc<OpenFile>, on_exec: OnExec) {
        if let Ok(slot) = self.slot(fd) {
            let former = slot.lock().replace((file, on_exec));
            debug_assert!(former.is_none(), "a reserved slot is empty");
        }
    }

    /// Makes the lowest free number that is not below `least` a descriptor of what `fd` is
    /// one of; it must be below `limit`.
    ///
    /// # Errors
    /// EBADF, EMFILE, ENOMEM.
    pub(crate) fn duplicate(
        &self,
        fd: i32,
        least: usize,
        on_exec: OnExec,
        limit: usize,
    ) -> Result<i32> {
        let mut taken = self.taken.lock();
        let file = self.get(fd)?;
        let new = self.reserve_from(&mut taken, least, limit)?;
        self.install(new, file, on_exec);
        Ok(new)
    }

    /// Makes the number `new` a descriptor of what `fd` is one of; returns what it was one of.
    ///
    /// # Errors
    /// EBADF, also for a number that no descriptor can have; EBUSY for one that is promised
    /// to an open under way, as on Linux (`dup2(2)`); ENOMEM.
    pub(crate) fn replace(
        &self,
        fd: i32,
        new: i32,
        on_exec: OnExec,
        limit: usize,
    ) -> Result<Option<Former>> {
        let mut taken = self.taken.lock();
        let file = self.get(fd)?;
        let at = usize::try_from(new).ok().filter(|&at| at < limit).ok_or(Errno::EBADF)?;
        let slot = self.make_slot(&mut taken, at)?;
        let mut open = slot.lock();
        if open.is_none() && !taken.insert(at) {
            return Err(Errno::EBUSY);
        }
        Ok(slot.replace(&mut open, Some((file, on_exec))))
    }

    /// Takes a descriptor out of the table, and waits for transfers by it under way.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn remove(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let slot = self.slot(fd)?;
        let mut taken = self.taken.lock();
        let mut open = slot.lock();
        if slot.published.is_there() {
            let former = slot.replace_published(&mut open, None);
            taken.remove(fd as usize);
            drop((open, taken));
            // Apart from the rest: to move about what may be withdrawn takes as long as a tenth
            // of an open and close.
            return former.map(Former::into_file).ok_or(Errno::EBADF);
        }
        slot.uses.store(0, Ordering::Relaxed);
        let (file, _) = open.take().ok_or(Errno::EBADF)?;
        taken.remove(fd as usize);
        Ok(file)
    }

    /// Takes the lowest descriptor from `first` to `last` out of the table.
    pub(crate) fn remove_first(&self, first: u32, last: u32) -> Option<(i32, Former)> {
        let mut taken = self.taken.lock();
        let (fd, slot, mut open) = self.first_open(&taken, first, last)?;
        let former = slot.replace(&mut open, None)?;
        taken.remove(fd as usize);
        Some((fd, former))
    }

    /// Sets what happens to each descriptor from `first` to `last` when another program is
    /// started.
    pub(crate) fn set_on_exec_of_all(&self, first: u32, last: u32, on_exec: OnExec) {
        let taken = self.taken.lock();
        let mut next = first;
        while let Some((fd, _, mut open)) = self.first_open(&taken, next, last) {
            if let Some((_, kept)) = &mut *open {
                *kept = on_exec;
            }
            next = fd as u32 + 1;
        }
    }

    /// Calls `with` with the open file description of each descriptor.
    ///
    /// # Errors
    /// The first of `with`.
    pub(crate) fn each(&self, mut with: impl FnMut(&OpenFile) -> Result<()>) -> Result<()> {
        let taken = self.taken.lock();
        let mut next = 0;
        while let Some((fd, _, open)) = self.first_open(&taken, next, u32::MAX) {
            if let Some((file, _)) = &*open {
                with(file)?;
            }
            next = fd as u32 + 1;
        }
        Ok(())
    }

    /// The lowest descriptor from `from` on.
    pub(crate) fn next_open(&self, from: u32) -> Option<i32> {
        self.first_open(&self.taken.lock(), from, u32::MAX).map(|(fd, ..)| fd)
    }

    /// What happens to a descriptor when another program is started.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn on_exec(&self, fd: i32) -> Result<OnExec> {
        self.slot(fd)?.lock().as_ref().map(|(_, on_exec)| *on_exec).ok_or(Errno::EBADF)
    }

    /// Sets what happens to a descriptor when another program is started.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn set_on_exec(&self, fd: i32, on_exec: OnExec) -> Result<()> {
        let mut slot = self.slot(fd)?.lock();
        slot.as_mut().map(|(_, kept)| *kept = on_exec).ok_or(Errno::EBADF)
    }

    /// The lowest descriptor from `first` to `last`, with its slot.
    fn first_open(
        &self,
        taken: &Numbers,
        first: u32,
        last: u32,
    ) -> Option<(i32, &Slot, MutexGuard<'_, Open>)> {
        let mut from = first as usize;
        loop {
            let fd = taken.first_taken(from).filter(|&fd| fd <= last as usize)?;
            if let Ok(slot) = self.slot(fd as i32) {
                let open = slot.lock();
                if open.is_some() {
                    return Some((fd as i32, slot, open));
                }
            }
            from = fd + 1;
        }
    }

    #[inline]
    fn reserve_from(&self, taken: &mut Numbers, least: usize, limit: usize) -> Result<i32> {
        let fd = taken.first_free(least);
        if fd >= limit {
            return Err(Errno::EMFILE);
        }
        if fd >= FIRST_BLOCK || self.blocks[0].get().is_none() {
            self.make_slot(taken, fd)?;
        }
        taken.insert(fd);
        Ok(fd as i32)
    }

    /// The slot of a number.
    ///
    /// # Errors
    /// EBADF for a number that was never taken.
    #[inline]
    fn slot(&self, fd: i32) -> Result<&Slot> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if fd >= FIRST_BLOCK {
            return self.further_slot(fd);
        }
        let slots = self.blocks[0].get().ok_or(Errno::EBADF)?;
        slots.get(apart(fd)).ok_or(Errno::EBADF)
    }

    /// [`slot`](Descriptors::slot) of a number that is not in the first block, where most are.
    #[inline(never)]
    fn further_slot(&self, fd: usize) -> Result<&Slot> {
        let (block, at) = place(fd);
        let slots = self.blocks.get(block).and_then(Once::get).ok_or(Errno::EBADF)?;
        slots.get(at).ok_or(Errno::EBADF)
    }

    /// The slot of a number, made if it is missing, and room for its bit.
    ///
    /// # Errors
    /// ENOMEM.
    #[inline(never)]
    fn make_slot(&self, taken: &mut Numbers, fd: usize) -> Result<&Slot> {
        taken.make_room(fd)?;
        let (block, at) = place(fd);
        let slots = self.blocks.get(block).ok_or(Errno::EBADF)?.try_call_once(|| {
            let mut slots = Vec::new();
            let count = FIRST_BLOCK << block;
            slots.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
            slots.resize_with(count, Slot::new);
            Ok(slots)
        })?;
        slots.get(at).ok_or(Errno::EBADF)
    }
}

/// The block of a number's slot, and where it is there.
fn place(fd: usize) -> (usize, usize) {
    let block = (fd / FIRST_BLOCK + 1).ilog2() as usize;
    let at = fd - FIRST_BLOCK * ((1 << block) - 1);
    (block, at - at % FIRST_BLOCK + apart(at % FIRST_BLOCK))
}

/// Where the slot of one of [`FIRST_BLOCK`] numbers is: those of numbers that follow one another are
/// four slots apart.
#[inline]
fn apart(at: usize) -> usize {
    (at << 2 | at >> 4) % FIRST_BLOCK
}

impl Numbers {
    /// 64 bits, from number `64 * at` on; none that is taken where there is no room.
    fn word(&self, at: usize) -> u64 {
        if at == 0 { self.lowest } else { self.others.get(at - 1).copied().unwrap_or(0) }
    }

    /// The word for number `fd`, and its bit there.
    fn word_mut(&mut self, fd: usize) -> (Option<&mut u64>, u64) {
        let word = match fd / BITS {
            0 => Some(&mut self.lowest),
            at => self.others.get_mut(at - 1),
        };
        (word, 1 << (fd % BITS))
    }

    /// The lowest number from `from` on that is free.
    fn first_free(&self, from: usize) -> usize {
        let mut below = below(from);
        (from / BITS..)
            .find_map(|at| {
                let free = !self.word(at) & !core::mem::take(&mut below);
                (free != 0).then(|| at * BITS + free.trailing_zeros() as usize)
            })
            .unwrap_or(usize::MAX)
    }

    /// The lowest number from `from` on that is taken.
    fn first_taken(&self, from: usize) -> Option<usize> {
        let mut below = below(from);
        (from / BITS..=self.others.len()).find_map(|at| {
            let taken = self.word(at) & !core::mem::take(&mut below);
            (taken != 0).then(|| at * BITS + taken.trailing_zeros() as usize)
        })
    }

    /// Makes room for number `fd`.
    ///
    /// # Errors
    /// ENOMEM.
    fn make_room(&mut self, fd: usize) -> Result<()> {
        let words = fd / BITS;
        if words > self.others.len() {
            let more = words - self.others.len();
            self.others.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            self.others.resize(words, 0);
        }
        Ok(())
    }

    /// Takes a number, for which there is room; whether it was free.
    #[inline]
    fn insert(&mut self, fd: usize) -> bool {
        let (Some(word), bit) = self.word_mut(fd) else { return false };
        let was_free = *word & bit == 0;
        *word |= bit;
        was_free
    }

    fn remove(&mut self, fd: usize) {
        if let (Some(word), bit) = self.word_mut(fd) {
            *word &= !bit;
        }
    }
}

/// In the word of number `fd`, the bits below.
fn below(fd: usize) -> u64 {
    (1 << (fd % BITS)) - 1
}

#[cfg(all(test, not(anchorite_model)))]
mod tests {
    use super::*;
    use crate::device::Device;

    fn file() -> Arc<OpenFile> {
        Arc::try_new(OpenFile::with_flags(Object::Device(Device::Null), None, 0)).unwrap()
    }

    #[test]
    fn each_number_has_a_slot_of_its_own() {
        let mut seen = alloc::collections::BTreeSet::new();
        for fd in 0..5000 {
            let (block, at) = place(fd);
            assert!(at < FIRST_BLOCK << block, "{fd}");
            assert!(seen.insert((block, at)), "{fd}");
        }
        assert!(place(1024 * 1024 - 1).0 < BLOCKS);
    }

    #[test]
    fn the_lowest_free_number_is_reserved() {
        let table = Descriptors::new();
        for fd in 0..200 {
            assert_eq!(table.reserve(1024), Ok(fd));
            table.install(fd, file(), OnExec::Keep);
        }
        for fd in [130, 3, 64, 63] {
            table.remove(fd).map(drop).unwrap();
        }
        for fd in [3, 63, 64, 130, 200] {
            assert_eq!(table.reserve(1024), Ok(fd));
        }
        assert_eq!(table.reserve(201), Err(Errno::EMFILE));
        assert_eq!(table.duplicate(0, 150, OnExec::Keep, 1024), Ok(201));
        assert_eq!(table.duplicate(0, 500, OnExec::Keep, 1024), Ok(500));
        assert_eq!(table.duplicate(3, 0, OnExec::Keep, 1024), Err(Errno::EBADF), "reserved");
    }

    #[test]
    fn a_promised_number_cannot_be_replaced() {
        let table = Descriptors::new();
        let fd = table.reserve(10).unwrap();
        table.install(fd, file(), OnExec::Keep);
        let promised = table.reserve(10).unwrap();
        let busy = table.replace(fd, promised, OnExec::Keep, 10).map(|_| ());
        assert_eq!(busy, Err(Errno::EBUSY));
        table.release(promised);
        assert!(table.replace(fd, promised, OnExec::Close, 10).unwrap().is_none());
        assert!(table.replace(fd, promised, OnExec::Close, 10).unwrap().is_some());
        assert_eq!(table.on_exec(promised), Ok(OnExec::Close));
    }

    #[test]
    fn those_of_a_range_are_found() {
        let table = Descriptors::new();
        for fd in [0, 70, 700] {
            let fd = table.duplicate_for_test(fd);
            assert_eq!(table.on_exec(fd), Ok(OnExec::Keep));
        }
        table.set_on_exec_of_all(1, 70, OnExec::Close);
        assert_eq!(table.on_exec(70), Ok(OnExec::Close));
        assert_eq!(table.on_exec(700), Ok(OnExec::Keep));
        let mut count = 0;
        table
            .each(|_| {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 3);
        assert_eq!(table.remove_first(1, u32::MAX).map(|(fd, _)| fd), Some(70));
        assert!(table.remove_first(1, 699).is_none());
        assert_eq!(table.remove_first(1, 700).map(|(fd, _)| fd), Some(700));
    }

    impl Descriptors {
        /// Makes a descriptor with this number.
        fn duplicate_for_test(&self, fd: usize) -> i32 {
            let fd = self.reserve_from(&mut self.taken.lock(), fd, 1024).unwrap();
            self.install(fd, file(), OnExec::Keep);
            fd
        }
    }
}
