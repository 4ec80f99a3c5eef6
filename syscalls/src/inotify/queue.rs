//! [`Queue`]: the events of an instance of inotify, in the layout in which they are read.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use anchorite_fs::Sink;
use anchorite_fs::mem::try_bytes;

use crate::{Errno, Platform, Result};

/// Events that wait to be read, at most; one more says that others were lost. Linux'
/// `max_queued_events`.
const EVENTS_MAX: usize = 16384;
/// Bytes of a `struct inotify_event` without the name, which is padded to a multiple of it.
const HEAD: usize = size_of::<libc::inotify_event>();

/// An event, as a program reads it.
struct Event {
    wd: i32,
    mask: u32,
    cookie: u32,
    /// Without a NUL; empty if the event is the watched file's own.
    name: Vec<u8>,
}

/// What is not read yet, the oldest first.
pub(super) struct Queue {
    /// There is room for one more, unless that is in it which says that others were lost.
    events: VecDeque<Event>,
    /// Whether that is in it.
    overflows: bool,
    /// What all would take to be read.
    bytes: usize,
    /// The threads that wait for an event, each once.
    waiting: Vec<u32>,
}

impl Event {
    /// Bytes of the name with what pads it, which begins with a NUL; none without a name.
    fn padded(&self) -> usize {
        if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEAD) }
    }

    fn len(&self) -> usize {
        HEAD + self.padded()
    }
}

impl Queue {
    /// # Errors
    /// ENOMEM.
    pub(super) fn new() -> Result<Queue> {
        let mut events = VecDeque::new();
        events.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        Ok(Queue { events, overflows: false, bytes: 0, waiting: Vec::new() })
    }

    /// Adds an event, unless it is the same as the last one. Where there is no room it is lost,
    /// and an event says so.
    pub(super) fn push(
        &mut self,
        platform: &dyn Platform,
        (wd, mask): (i32, u32),
        cookie: u32,
        name: &[u8],
    ) {
        let is_same = |last: &Event| (last.wd, last.mask, &*last.name) == (wd, mask, name);
        let is_full = self.events.len() >= EVENTS_MAX;
        if !is_full && mask & libc::IN_IGNORED == 0 && self.events.back().is_some_and(is_same) {
            return;
        }
        let event = match try_bytes(name) {
            Ok(name) if !is_full && self.events.try_reserve(2).is_ok() => {
                Event { wd, mask, cookie, name }
            }
            _ if self.overflows => return,
            _ => {
                self.overflows = true;
                Event { wd: -1, mask: libc::IN_Q_OVERFLOW, cookie: 0, name: Vec::new() }
            }
        };
        self.bytes += event.len();
        self.events.push_back(event);
        for thread in self.waiting.drain(..) {
            platform.unpark(thread);
        }
    }

    /// Moves events to `sink`, as many as find room; how many bytes that were. None if there is
    /// no event.
    ///
    /// # Errors
    /// EINVAL if the first finds no room.
    pub(super) fn take(&mut self, sink: &mut Sink<'_>) -> Result<Option<usize>> {
        let mut done = 0;
        while let Some(event) = self.events.front() {
            let len = event.len();
            if len > sink.remaining() {
                return if done == 0 { Err(Errno::EINVAL) } else { Ok(Some(done)) };
            }
            let words = [event.wd as u32, event.mask, event.cookie, event.padded() as u32];
            words.iter().for_each(|word| _ = sink.put(&word.to_ne_bytes()));
            sink.put(&event.name);
            sink.put_zeros(event.padded() - event.name.len());
            self.overflows &= event.mask & libc::IN_Q_OVERFLOW == 0;
            self.bytes -= len;
            done += len;
            self.events.pop_front();
        }
        Ok((done > 0).then_some(done))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What all events would take to be read.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets `thread` be unparked at the next event.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn watch(&mut self, thread: u32) -> Result<()> {
        if !self.waiting.contains(&thread) {
            self.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.waiting.push(thread);
        }
        Ok(())
    }

    /// Forgets that `thread` waits.
    pub(super) fn forget(&mut self, thread: u32) {
        self.waiting.retain(|waiting| *waiting != thread);
    }
}
