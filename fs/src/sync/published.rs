//! [`Published`]: a reference that threads use without counting it.
//!
//! Problem: who counts a reference for the time of a call does two atomics, and a third to find
//! it unchanged: three out of five of a short call's.
//!
//! Choice: where it is used often, the one who keeps the reference publishes it. Who uses it
//! notes so in a line of its core ([`readers`](super::readers)), which is one atomic, and sees
//! that it is published still. Who withdraws it looks at the lines of all, and waits for those
//! that use it, before it gives the reference up. (Michael, Hazard Pointers, 2004; there, who
//! withdraws puts the rest off instead. Here a file's memory is to be free when `close` returns.)
//!
//! Whoever waits for those must hold nothing that they may wait for.

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;

use super::readers::{self, Note};
use super::word::Pause;
use super::{AtomicU64, AtomicUsize, Ordering};
use crate::mem::Arc;
use crate::planted;

/// A place for a counted reference that anybody may use without counting it.
pub struct Published<T> {
    /// Which publication this is, never the same twice; [`NONE`], or [`CHANGES`].
    current: AtomicU64,
    /// How many there were. Changed, as what follows, by who let `current` be [`CHANGES`].
    count: AtomicU64,
    /// The address of what is published …
    value: AtomicUsize,
    /// … and that of the lock that its users share or take. It is what they note: so whoever waits for
    /// them, and whoever takes the lock, looks for one and the same.
    lock: AtomicUsize,
    owns: PhantomData<Arc<T>>,
}

/// Nothing is published.
const NONE: u64 = 0;
/// Somebody is about to publish, or withdraws.
const CHANGES: u64 = u64::MAX;

/// The value while it is used. Whoever has it must not wait for anything: who takes the lock
/// that is noted waits for it.
pub struct Borrowed<'a, T> {
    value: ManuallyDrop<Arc<T>>,
    note: Noted,
    lives: PhantomData<&'a Published<T>>,
}

/// Something that is noted in a line of this core.
pub struct Noted {
    address: usize,
    note: Note,
}

/// A reference that is published no more, but may be used. When it is dropped, or given, all
/// its users are waited for.
pub struct Withdrawn<T> {
    value: ManuallyDrop<Arc<T>>,
    lock: usize,
}

impl<T> Published<T> {
    /// A place where nothing is published.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Published<T> {
        Published {
            current: AtomicU64::new(NONE),
            count: AtomicU64::new(0),
            value: AtomicUsize::new(0),
            lock: AtomicUsize::new(0),
            owns: PhantomData,
        }
    }

    /// Publishes `value`, whose users share the lock at this address, unless something is.
    pub fn publish(&self, value: &Arc<T>, lock: usize) {
        if !self.change(NONE) {
            return;
        }
        let next = self.count.load(Ordering::Relaxed) + 1;
        self.count.store(next, Ordering::Relaxed);
        self.value.store(Arc::into_address(value.clone()), Ordering::Release);
        self.lock.store(lock, Ordering::Release);
        self.current.store(next, Ordering::SeqCst);
    }

    /// Whether something is published; already old when it returns.
    #[inline]
    pub fn is_there(&self) -> bool {
        self.current.load(Ordering::Acquire) != NONE
    }

    /// Publishes it no more; none if nothing is published, or somebody else is changing that.
    pub fn withdraw(&self) -> Option<Withdrawn<T>> {
        let current = self.current.load(Ordering::Acquire);
        // Who notes a use from here on sees this; who did before is seen when it is waited for.
        if current == NONE || current == CHANGES || !self.change(current) {
            return None;
        }
        let value = self.value.load(Ordering::Relaxed);
        let lock = self.lock.load(Ordering::Relaxed);
        self.current.store(NONE, Ordering::Release);
        // SAFETY: the reference that was published; only who changed `current` makes it one.
        let value = ManuallyDrop::new(unsafe { Arc::from_address(value) });
        Some(Withdrawn { value, lock })
    }

    /// Uses what is published; none if nothing is, or there is no room to note it.
    #[inline]
    pub fn borrow(&self) -> Option<Borrowed<'_, T>> {
        let current = self.current.load(Ordering::Acquire);
        if current == NONE || current == CHANGES {
            return None;
        }
        let value = self.value.load(Ordering::Acquire);
        let address = self.lock.load(Ordering::Acquire);
        let note = Noted { address, note: Note::take(address)? };
        // If it is published still, it was so all the while, and both addresses are its own: one
        // of a later publication would have been stored after this was withdrawn, and who saw
        // that store sees the withdrawal.
        if self.current.load(Ordering::SeqCst) != current {
            return None;
        }
        // SAFETY: the reference is not given up before the note is gone, nor used as one here.
        let value = ManuallyDrop::new(unsafe { Arc::from_address(value) });
        Some(Borrowed { value, note, lives: PhantomData })
    }

    /// Lets the caller alone publish or withdraw, if it is that publication.
    fn change(&self, from: u64) -> bool {
        let (to, lost) = (Ordering::SeqCst, Ordering::Relaxed);
        self.current.compare_exchange(from, CHANGES, to, lost).is_ok()
    }
}

impl<T> Drop for Published<T> {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}

impl<T> Borrowed<'_, T> {
    /// What is noted as long as the value is used.
    pub fn noted(&self) -> &Noted {
        &self.note
    }
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl Noted {
    pub(super) fn is_of(&self, address: usize) -> bool {
        self.address == address
    }

    /// Which of the [`LINES`](super::cores::LINES) it is in.
    #[inline]
    pub(super) fn line(&self) -> usize {
        self.note.line()
    }

    /// [`Note::first_of_line`].
    #[inline]
    pub(super) fn first_of_line(&self) -> Option<usize> {
        self.note.first_of_line()
    }
}

impl<T> Drop for Withdrawn<T> {
    #[inline]
    fn drop(&mut self) {
        if !planted!("users_are_not_waited_for") {
            wait_for_users(self.lock);
        }
        // SAFETY: dropped once, here; nobody uses it any more.
        unsafe { ManuallyDrop::drop(&mut self.value) };
    }
}

/// Waits until the address is noted no more. Out of line: it is seldom needed, where a file is
/// closed.
#[cold]
#[inline(never)]
fn wait_for_users(address: usize) {
    let mut pause = Pause::new();
    readers::wait_for_all(address, || pause.wait());
}

#[cfg(all(test, not(anchorite_model)))]
mod tests {
    use super::*;

    /// An address that nothing else notes.
    const LOCK: usize = 64;

    #[test]
    fn what_is_published_is_there_until_it_is_withdrawn() {
        let place = Published::new();
        let (one, other) = (Arc::try_new(1).unwrap(), Arc::try_new(2).unwrap());
        assert!(place.borrow().is_none());
        place.publish(&one, LOCK);
        place.publish(&other, LOCK);
        assert_eq!(place.borrow().as_deref(), Some(&1));
        assert_eq!((Arc::count(&one), Arc::count(&other)), (2, 1));
        drop(place.withdraw());
        assert!(place.borrow().is_none());
        assert!(place.withdraw().is_none());
        assert_eq!(Arc::count(&one), 1);
        place.publish(&other, LOCK);
        assert_eq!(place.borrow().as_deref(), Some(&2));
        drop(place);
        assert_eq!(Arc::count(&other), 1);
    }

    #[test]
    fn users_are_waited_for() {
        let place = Published::new();
        let value = Arc::try_new(1).unwrap();
        place.publish(&value, LOCK);
        let used = place.borrow().unwrap();
        let withdrawn = place.withdraw();
        std::thread::scope(|scope| {
            let waits = scope.spawn(move || drop(withdrawn));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!waits.is_finished());
            assert_eq!((*used, Arc::count(&value)), (1, 2));
            drop(used);
        });
        assert_eq!(Arc::count(&value), 1);
    }
}
