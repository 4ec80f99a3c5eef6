//! [`Pipe`]: bytes on their way from those who write to those who read, first in, first out:
//! `pipe(7)`. [`Pipes`] knows which fifo has which pipe, while anybody has it open: `fifo(7)`.
//!
//! A pipe is a queue of pieces, at most a page each and as many as its capacity says, as on
//! Linux: so a write of up to PIPE_BUF bytes is in one piece, hence atomic, and a pipe is full
//! when Linux' is. A pipe that `pipe(2)` makes is a fifo without a name, in a file system of its own
//! that is mounted nowhere.
//!
//! # Waiting
//! Whoever waits puts its thread's number into the pipe's list, under the lock under which it found
//! that it has to, and parks. Whoever changes anything that somebody may wait for empties the list
//! and unparks all that were in it; they look again. So nobody is forgotten, and nobody
//! who finds what it waited for is still in the list. No lock is held while a thread is parked.
//! A thread that was parked here may have taken the token that somebody else gave it for
//! something else: at the end it gives itself one ([`Parking`]), and looks once more in vain at
//! worst.
//!
//! There are no signals: a write without readers is EPIPE alone, and nothing interrupts who waits. If
//! nobody is left who could end the waiting, it lasts for ever, as on Linux; on the
//! bare machine a program in which every thread waits ends with a panic that says so.
//!
//! # Locking
//! The table's lock is taken before a pipe's, which is for a moment: bytes are copied under it.

use alloc::collections::VecDeque;
use alloc::sync::Arc as StdArc;
use alloc::vec::Vec;

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{AtomicBool, Class, Mutex, Ordering};
use anchorite_fs::{Access, InodeRef, PAGE_BYTES, Sink, Source};
use hashbrown::HashTable;

use crate::{Errno, Platform, Result};

/// Pieces that a new pipe has room for: 64 KiB, if they are full.
const PIECES: usize = 16;
/// The largest pipe that a user who is not root can ask for, in bytes: `pipe-max-size`.
const MOST_UNPRIVILEGED: usize = 1 << 20;
/// The largest pipe, in bytes.
const MOST: usize = 1 << 31;

/// Whether a call waits for what is not there yet: O_NONBLOCK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    Yes,
    No,
}

/// How what is written becomes pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What fills no page may share a piece with what was written before.
    Stream,
    /// Each is a packet, read alone: O_DIRECT of `pipe2(2)`.
    Packets,
    /// Each is a piece, as what `sendfile(2)` sends.
    Pages,
}

/// The pipes of all fifos that are open.
pub(crate) struct Pipes {
    platform: StdArc<dyn Platform>,
    /// By the number of the fifo's inode.
    fifos: Mutex<HashTable<Arc<Pipe>>>,
}

/// A pipe, with at least one [`End`].
pub(crate) struct Pipe {
    pipes: Arc<Pipes>,
    /// The fifo. Immutable.
    inode: InodeRef,
    /// Immutable.
    kind: Kind,
    /// Whether it is in the table. Changed with its lock.
    is_listed: AtomicBool,
    state: Mutex<State>,
}

/// Where a pipe comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `pipe(2)` made it. In the table it is since somebody looked for it by its descriptor.
    Anonymous,
    /// Opening a fifo did. It is in the table.
    Fifo,
}

/// What the lock of a pipe protects.
struct State {
    /// The oldest first. None is empty.
    pieces: VecDeque<Piece>,
    /// How many there can be.
    capacity: usize,
    /// A page for the next piece.
    spare: Option<Vec<u8>>,
    /// How many ends are open to read and to write.
    readers: u32,
    writers: u32,
    /// How often it was opened for each: so who waits for a partner sees one that has gone
    /// again.
    opened_to_read: u32,
    opened_to_write: u32,
    /// The threads that wait for a change, each once.
    waiting: Vec<u32>,
}

/// Bytes that came together.
struct Piece {
    /// PAGE_BYTES of memory, of which …
    page: Vec<u8>,
    /// … these are the piece's: from `start` to `end`.
    start: usize,
    end: usize,
    form: Form,
}

/// What an open file has of a pipe. Closed when dropped.
pub(crate) struct End {
    pipe: Arc<Pipe>,
    /// What it is open for. Immutable.
    access: Access,
    /// How often the pipe had been opened to write when this was opened without waiting and without
    /// writers: until one more was, it is not at its end. Else 0. Immutable.
    seen: u32,
}

impl Pipes {
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(platform: StdArc<dyn Platform>) -> Result<Arc<Pipes>> {
        Arc::try_new(Pipes { platform, fifos: Mutex::new(Class::Lookup, HashTable::new()) })
    }

    /// Both ends of a new pipe: to read, to write. `inode` is nobody else's.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn create(this: &Arc<Pipes>, inode: InodeRef) -> Result<[End; 2]> {
        let pipe = Pipe::new(this, inode, Kind::Anonymous)?;
        Ok([Access::READ, Access::WRITE].map(|access| {
            pipe.state.lock().open(access);
            End { pipe: pipe.clone(), access, seen: 0 }
        }))
    }

    /// Opens a fifo, for all of `access`; waits until its other end is open.
    ///
    /// # Errors
    /// ENXIO to write without waiting and without readers; ENOMEM.
    pub(crate) fn open(
        this: &Arc<Pipes>,
        inode: InodeRef,
        access: Access,
        waits: Waits,
    ) -> Result<End> {
        let only_writes = access == Access::WRITE;
        let (end, others) = {
            let mut fifos = this.fifos.lock();
            let hash = hash(&inode);
            let found = fifos.find(hash, |pipe| Arc::ptr_eq(&pipe.inode, &inode)).cloned();
            let is_read = found.as_ref().is_some_and(|pipe| pipe.state.lock().readers > 0);
            // Who names a pipe by its descriptor waits for nobody.
            let is_pipe = found.as_ref().is_some_and(|pipe| pipe.kind == Kind::Anonymous);
            if only_writes && waits == Waits::No && !is_read && !is_pipe {
                return Err(Errno::ENXIO);
            }
            let pipe = match found {
                Some(pipe) => pipe,
                None => {
                    let pipe = Pipe::new(this, inode, Kind::Fifo)?;
                    Pipe::list(&pipe, &mut fifos)?;
                    pipe
                }
            };
            let mut state = pipe.state.lock();
            state.open(access);
            state.wake(&*this.platform);
            let others = match access {
                Access::READ if state.writers == 0 => Some(state.opened_to_write),
                Access::WRITE if state.readers == 0 => Some(state.opened_to_read),
                _ => None,
            };
            let others = others.filter(|_| !is_pipe);
            drop(state);
            let seen = if only_writes { 0 } else { others.unwrap_or(0) };
            let seen = if waits == Waits::No { seen } else { 0 };
            (End { pipe, access, seen }, others)
        };
        if let (Some(before), Waits::Yes) = (others, waits) {
            end.pipe.wait_until(|state| {
                let now = if only_writes { state.opened_to_read } else { state.opened_to_write };
                (now != before).then_some(())
            })?;
        }
        Ok(end)
    }
}

/// What a fifo is found by.
fn hash(inode: &InodeRef) -> u64 {
    inode.number().0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Pipe {
    fn new(pipes: &Arc<Pipes>, inode: InodeRef, kind: Kind) -> Result<Arc<Pipe>> {
        let state = State {
            pieces: VecDeque::new(),
            capacity: PIECES,
            spare: None,
            readers: 0,
            writers: 0,
            opened_to_read: 0,
            opened_to_write: 0,
            waiting: Vec::new(),
        };
        let state = Mutex::new(Class::Last, state);
        let is_listed = AtomicBool::new(false);
        Arc::try_new(Pipe { pipes: pipes.clone(), inode, kind, is_listed, state })
    }

    fn platform(&self) -> &dyn Platform {
        &*self.pipes.platform
    }

    /// Lets it be found by its inode.
    ///
    /// # Errors
    /// ENOMEM.
    fn list(this: &Arc<Pipe>, fifos: &mut HashTable<Arc<Pipe>>) -> Result<()> {
        let again = |pipe: &Arc<Pipe>| hash(&pipe.inode);
        fifos.try_reserve(1, again).map_err(|_| Errno::ENOMEM)?;
        fifos.insert_unique(hash(&this.inode), this.clone(), again);
        this.is_listed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until `look` finds something.
    ///
    /// # Errors
    /// ENOMEM: there is no room to wait.
    fn wait_until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> Result<T> {
        let mut parking = Parking::new(self.platform());
        loop {
            let mut state = self.state.lock();
            if let Some(found) = look(&mut state) {
                return Ok(found);
            }
            state.watch(parking.thread)?;
            drop(state);
            parking.park();
        }
    }
}

impl State {
    fn open(&mut self, access: Access) {
        if access.contains(Access::READ) {
            self.readers += 1;
            self.opened_to_read = self.opened_to_read.wrapping_add(1);
        }
        if access.contains(Access::WRITE) {
            self.writers += 1;
            self.opened_to_write = self.opened_to_write.wrapping_add(1);
        }
    }

    /// Lets `thread` be unparked at the next change.
    ///
    /// # Errors
    /// ENOMEM.
    fn watch(&mut self, thread: u32) -> Result<()> {
        if !self.waiting.contains(&thread) {
            self.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.waiting.push(thread);
        }
        Ok(())
    }

    /// Tells all who wait of a change.
    fn wake(&mut self, platform: &dyn Platform) {
        for thread in self.waiting.drain(..) {
            platform.unpark(thread);
        }
    }

    /// What `poll(2)` tells of an end that is open for `access`.
    fn events(&self, access: Access, seen: u32) -> i16 {
        let mut events = 0;
        if access.contains(Access::READ) {
            if !self.pieces.is_empty() {
                events |= libc::POLLIN | libc::POLLRDNORM;
            }
            if self.writers == 0 && self.opened_to_write != seen {
                events |= libc::POLLHUP;
            }
        }
        if access.contains(Access::WRITE) {
            if !self.is_full() {
                events |= libc::POLLOUT | libc::POLLWRNORM;
            }
            if self.readers == 0 {
                events |= libc::POLLERR;
            }
        }
        events
    }

    fn is_full(&self) -> bool {
        self.pieces.len() >= self.capacity
    }

    /// Moves what is there to `sink`, at most a packet; how many bytes that were.
    fn take(&mut self, sink: &mut Sink<'_>) -> usize {
        let mut done = 0;
        while sink.remaining() > 0
            && let Some(piece) = self.pieces.front_mut()
        {
            let taken = sink.put(&piece.page[piece.start..piece.end]);
            piece.start += taken;
            done += taken;
            let form = piece.form;
            // What is left of a packet is lost.
            if (piece.start == piece.end || form == Form::Packets)
                && let Some(piece) = self.pieces.pop_front()
            {
                self.spare = Some(piece.page);
            }
            if form == Form::Packets {
                break;
            }
        }
        done
    }

    /// Moves what is in `source` to where there is room.
    ///
    /// # Errors
    /// ENOMEM; something may have been moved.
    fn put(&mut self, source: &mut Source<'_>, form: Form, start: Start) -> Result<()> {
        let odd = source.remaining() % PAGE_BYTES;
        if start == Start::Yes
            && form != Form::Pages
            && let Some(last) = self.pieces.back_mut()
            && last.form == Form::Stream
            && last.end + odd <= PAGE_BYTES
        {
            // What fills no page goes to the last piece, if it has room for all of it.
            last.end += source.copy_to(&mut last.page[last.end..last.end + odd]);
        }
        while source.remaining() > 0 && !self.is_full() {
            let mut page = self.new_page()?;
            let end = source.copy_to(&mut page);
            self.pieces.push_back(Piece { page, start: 0, end, form });
        }
        Ok(())
    }

    /// A page for a piece, for which there is room in the queue.
    ///
    /// # Errors
    /// ENOMEM.
    fn new_page(&mut self) -> Result<Vec<u8>> {
        self.pieces.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        if let Some(page) = self.spare.take() {
            return Ok(page);
        }
        let mut page = Vec::new();
        page.try_reserve_exact(PAGE_BYTES).map_err(|_| Errno::ENOMEM)?;
        page.resize(PAGE_BYTES, 0);
        Ok(page)
    }
}

/// Whether nothing of a write was moved yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Yes,
    No,
}

impl End {
    /// The fifo.
    pub(crate) fn inode(&self) -> &InodeRef {
        &self.pipe.inode
    }

    /// Lets a pipe that `pipe(2)` made be opened by its inode, as a fifo.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn list(&self) -> Result<()> {
        let mut fifos = self.pipe.pipes.fifos.lock();
        match self.pipe.is_listed.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Pipe::list(&self.pipe, &mut fifos),
        }
    }

    /// Whether `pipe(2)` made it.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.pipe.kind == Kind::Anonymous
    }

    /// `read(2)`: what is there, or 0 once nobody can write any more.
    ///
    /// # Errors
    /// EAGAIN; ENOMEM if there is no room to wait.
    pub(crate) fn read(&self, waits: Waits, sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        self.pipe.wait_until(|state| match state.take(sink) {
            0 if state.writers == 0 => Some(Ok(0)),
            0 => (waits == Waits::No).then_some(Err(Errno::EAGAIN)),
            done => {
                state.wake(self.pipe.platform());
                Some(Ok(done))
            }
        })?
    }

    /// `write(2)`: all of it, or as much as finds room without waiting.
    ///
    /// # Errors
    /// If not one byte was written: EPIPE without readers; EAGAIN; ENOMEM.
    pub(crate) fn write(&self, waits: Waits, form: Form, source: &mut Source<'_>) -> Result<usize> {
        if source.remaining() == 0 {
            return Ok(0);
        }
        let all = source.remaining();
        let mut start = Start::Yes;
        let outcome = self.pipe.wait_until(|state| {
            if state.readers == 0 {
                return Some(Err(Errno::EPIPE));
            }
            let before = source.remaining();
            let put = state.put(source, form, start);
            if source.remaining() < before {
                state.wake(self.pipe.platform());
            }
            start = Start::No;
            match (put, source.remaining()) {
                (Err(errno), _) => Some(Err(errno)),
                (Ok(()), 0) => Some(Ok(())),
                _ => (waits == Waits::No).then_some(Err(Errno::EAGAIN)),
            }
        });
        match (outcome.flatten(), all - source.remaining()) {
            (Err(errno), 0) => Err(errno),
            (_, done) => Ok(done),
        }
    }

    /// Waits until there is room for a piece.
    ///
    /// # Errors
    /// EPIPE without readers; EAGAIN; ENOMEM.
    pub(crate) fn wait_for_room(&self, waits: Waits) -> Result<()> {
        self.pipe.wait_until(|state| match state.readers {
            0 => Some(Err(Errno::EPIPE)),
            _ if !state.is_full() => Some(Ok(())),
            _ => (waits == Waits::No).then_some(Err(Errno::EAGAIN)),
        })?
    }

    /// `poll(2)`: what is true of this end now. If that is none of `wanted`, thread `watch` is
    /// unparked at the next change.
    ///
    /// # Errors
    /// ENOMEM if there is no room to wait.
    pub(crate) fn poll(&self, wanted: i16, watch: Option<u32>) -> Result<i16> {
        let mut state = self.pipe.state.lock();
        let events = state.events(self.access, self.seen);
        if let Some(thread) = watch
            && events & wanted == 0
        {
            state.watch(thread)?;
        }
        Ok(events)
    }

    /// Forgets that `thread` waits, where it does so for other files too.
    pub(crate) fn forget(&self, thread: u32) {
        self.pipe.state.lock().waiting.retain(|waiting| *waiting != thread);
    }

    /// FIONREAD: bytes that are in it.
    pub(crate) fn bytes(&self) -> usize {
        let state = self.pipe.state.lock();
        state.pieces.iter().map(|piece| piece.end - piece.start).sum()
    }

    /// F_GETPIPE_SZ: bytes that there is room for, at most.
    pub(crate) fn size(&self) -> usize {
        self.pipe.state.lock().capacity * PAGE_BYTES
    }

    /// F_SETPIPE_SZ: makes room for `size` bytes, rounded up to a power of two of pages; how many
    /// it became.
    ///
    /// # Errors
    /// EINVAL for more than there can be; EPERM to make it larger than 1 MiB for who is not
    /// `privileged`; EBUSY if more is in it.
    pub(crate) fn resize(&self, size: usize, privileged: bool) -> Result<usize> {
        if size > MOST {
            return Err(Errno::EINVAL);
        }
        let size = size.max(PAGE_BYTES).next_power_of_two();
        let mut state = self.pipe.state.lock();
        let pieces = size / PAGE_BYTES;
        if pieces > state.capacity && size > MOST_UNPRIVILEGED && !privileged {
            return Err(Errno::EPERM);
        }
        if pieces < state.pieces.len() {
            return Err(Errno::EBUSY);
        }
        state.capacity = pieces;
        state.wake(self.pipe.platform());
        Ok(size)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Who lists it has an end of it, so nobody does when the last one goes.
        let is_listed = self.pipe.is_listed.load(Ordering::Relaxed);
        let fifos = is_listed.then(|| self.pipe.pipes.fifos.lock());
        let mut state = self.pipe.state.lock();
        state.readers -= u32::from(self.access.contains(Access::READ));
        state.writers -= u32::from(self.access.contains(Access::WRITE));
        state.wake(self.pipe.platform());
        let is_last = state.readers == 0 && state.writers == 0;
        drop(state);
        if let (true, Some(mut fifos)) = (is_last, fifos) {
            let is_it = |pipe: &Arc<Pipe>| Arc::ptr_eq(pipe, &self.pipe);
            // This end still has the pipe: it is freed after the lock.
            if let Ok(entry) = fifos.find_entry(hash(&self.pipe.inode), is_it) {
                entry.remove();
            }
        }
    }
}

/// A thread that parks, perhaps, and leaves the token there if it did.
pub(crate) struct Parking<'a> {
    platform: &'a dyn Platform,
    /// Its number.
    pub(crate) thread: u32,
    has_parked: bool,
}

impl<'a> Parking<'a> {
    pub(crate) fn new(platform: &'a dyn Platform) -> Parking<'a> {
        Parking { platform, thread: platform.thread_id(), has_parked: false }
    }

    pub(crate) fn park(&mut self) {
        self.has_parked = true;
        self.platform.park();
    }
}

impl Drop for Parking<'_> {
    fn drop(&mut self) {
        if self.has_parked {
            self.platform.unpark(self.thread);
        }
    }
}
