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
    /// … and that of a lock that most of its users share; 0 if there is none.
    lock: AtomicUsize,
    owns: PhantomData<Arc<T>>,
}

/// Nothing is published.
const NONE: u64 = 0;
/// Somebody is about to publish, or withdraws.
const CHANGES: u64 = u64::MAX;

/// What somebody who uses the value notes: everybody who waits for its users looks for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// That it is used.
    Use,
    /// The lock: who has it so noted has it shared ([`RwLock::read_noted`](super::RwLock)) without
    /// another note. It must not wait for anything meanwhile: whoever takes the lock waits for it.
    Lock,
}

/// The value while it is used.
pub struct Borrowed<'a, T> {
    value: ManuallyDrop<Arc<T>>,
    note: Noted,
    lives: PhantomData<&'a Published<T>>,
}

/// Something that is noted in a line of this core.
pub struct Noted {
    address: usize,
    _note: Note,
}

/// A reference that is published no more, but may be used. When it is dropped, or given, all
/// its users are waited for.
pub struct Withdrawn<T> {
    value: ManuallyDrop<Arc<T>>,
    addresses: [usize; 2],
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

    /// Publishes `value`, with the address of a lock, or 0, unless something is.
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
        Some(Withdrawn { value, addresses: [self.address(), lock] })
    }

    /// Uses what is published; none if nothing is, or there is no room to note it.
    #[inline]
    pub fn borrow(&self, by: By) -> Option<Borrowed<'_, T>> {
        let current = self.current.load(Ordering::Acquire);
        if current == NONE || current == CHANGES {
            return None;
        }
        let value = self.value.load(Ordering::Acquire);
        let address = match by {
            By::Use => self.address(),
            By::Lock => self.lock.load(Ordering::Acquire),
        };
        if address == 0 {
            return None;
        }
        let note = Noted { address, _note: Note::take(address)? };
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

    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
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
}

impl<T> Drop for Withdrawn<T> {
    #[inline]
    fn drop(&mut self) {
        if !planted!("users_are_not_waited_for") {
            wait_for_users(self.addresses);
        }
        // SAFETY: dropped once, here; nobody uses it any more.
        unsafe { ManuallyDrop::drop(&mut self.value) };
    }
}

/// Waits until neither address is noted; 0 is none. Out of line: it is seldom needed, where a
/// file is closed.
#[cold]
#[inline(never)]
fn wait_for_users(addresses: [usize; 2]) {
    let mut pause = Pause::new();
    for address in addresses.into_iter().filter(|address| *address != 0) {
        readers::wait_for_all(address, || pause.wait());
    }
}

#[cfg(all(test, not(anchorite_model)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_there_until_it_is_withdrawn() {
        let place = Published::new();
        let (one, other) = (Arc::try_new(1).unwrap(), Arc::try_new(2).unwrap());
        assert!(place.borrow(By::Use).is_none());
        place.publish(&one, 0);
        place.publish(&other, 0);
        assert_eq!(place.borrow(By::Use).as_deref(), Some(&1));
        assert!(place.borrow(By::Lock).is_none(), "there is no lock");
        assert_eq!((Arc::count(&one), Arc::count(&other)), (2, 1));
        drop(place.withdraw());
        assert!(place.borrow(By::Use).is_none());
        assert!(place.withdraw().is_none());
        assert_eq!(Arc::count(&one), 1);
        place.publish(&other, 0);
        assert_eq!(place.borrow(By::Use).as_deref(), Some(&2));
        drop(place);
        assert_eq!(Arc::count(&other), 1);
    }

    #[test]
    fn users_are_waited_for() {
        let place = Published::new();
        let value = Arc::try_new(1).unwrap();
        place.publish(&value, 0);
        let used = place.borrow(By::Use).unwrap();
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
