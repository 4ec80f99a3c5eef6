//! Locks and atomics. Everything in this crate and in the call layer takes them
//! from here, so that a model checker can replace them all at once: built with
//! `--cfg anchorite_model --cfg anchorite_model="loom"`, or `"shuttle"`, they are the
//! checker's.
//!
//! The locks are words that are waited for by looking at them again; while the program has
//! one thread they cost next to nothing ([`declare_alone`]).
//!
//! # Lock order
//! Each lock has a [`Class`], and a thread takes locks in the order of their classes, at
//! most one of each:
//!
//! ```text
//! Names                          while somebody watches files: a call that changes names, from
//! │                               before its look-ups until it has told of the change
//! Identity                       System::identity, shared, for the time of a call. Under Names
//! └── WorkingDirectory            shared, as long as a walk is there
//!     └── Offset                   an open file's offset, over a transfer
//!         └── Rename                Superblock::rename: from one directory to another
//!             └── Above              shared, the directory in which a descent found where it is
//!                 └── Inode           the first or only other inode: `read`, `write`
//!                     └── SecondDirectory only under Rename: below the first, or with a
//!                         │                higher number than the first, which it is not above
//!                         └── Child         an entry of a directory that is held, or a file to
//!                                            be made one
//! Lookup                         a table held for a look-up alone: descriptors, mounts; a
//!                                host file's place; the sum of extended attributes. Under any
//!                                of the above
//! └── Last                        a descriptor, what is common of a count. Nothing is taken
//!                                 inside
//! ```
//!
//! A call that uses an open file without counting it ([`Published`]) is waited for by who closes
//! that, who holds nothing; it comes before all classes. One that has noted an inode's lock in
//! advance is waited for by who takes that lock, and waits for nothing itself. While one thread is
//! [`alone`](alone()), calls look at what locks protect without taking them, and short writes change it so:
//! nobody else does either meanwhile.
//!
//! An inode's lock is of class Inode; where it is taken as the second directory or as a
//! child, the place that takes it says so. With the feature `lock-order`, and in a model,
//! builds with debug assertions keep for each thread what it holds, and panic at a lock
//! that is out of order. Otherwise nothing of it is left in the code.

use core::ops::{Deref, DerefMut};

pub use ::spin::Once;

mod alone;
#[cfg(all(debug_assertions, any(feature = "lock-order", anchorite_model)))]
mod order;
#[cfg(not(all(debug_assertions, any(feature = "lock-order", anchorite_model))))]
mod order {
    //! No order is kept.

    use super::Class;

    /// Nothing, for want of anybody who asks.
    #[derive(Clone, Copy)]
    pub(super) struct Kept;

    /// What a guard has to give back: nothing.
    pub(super) struct Held;

    #[cfg(not(anchorite_model))]
    const _: () = assert!(size_of::<super::RwLock<u32>>() == 2 * size_of::<u32>());

    impl Kept {
        pub(super) const fn new(_: Class) -> Kept {
            Kept
        }

        #[inline(always)]
        pub(super) fn take<T: ?Sized>(self, _: &T) -> Held {
            Held
        }

        #[inline(always)]
        pub(super) fn is_held<T: ?Sized>(_: &T) -> bool {
            true
        }
    }

    impl Held {
        #[inline(always)]
        pub(super) fn become_of(&mut self, _: Class) {}
    }
}

#[cfg(anchorite_model = "loom")]
use loom::sync as ground;
#[cfg(anchorite_model = "loom")]
pub use loom::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
#[cfg(anchorite_model = "shuttle")]
use shuttle::sync as ground;
#[cfg(anchorite_model = "shuttle")]
pub use shuttle::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

#[cfg(not(anchorite_model))]
pub use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
#[cfg(not(anchorite_model))]
#[allow(unsafe_code)]
mod spin;
#[cfg(not(anchorite_model))]
use spin as ground;

pub(crate) use alone::References;
pub use alone::{Counter, alone, declare_alone, declare_shared};
#[cfg(anchorite_model)]
pub use cores::be_on;
pub use cores::{PerCore, declare_cores};
mod cores;
#[allow(unsafe_code)]
mod published;
mod readers;
pub use published::{Borrowed, Noted, Published, Withdrawn};
mod spares;
pub(crate) use spares::{BATCH, MOST_OF_ALL, Ranges, Spares};
mod word;
pub use word::{Share, ShareNoted, TakenNoted, Word};

/// What other cores are to write to without being in the way of what lies beside it: it has
/// what a processor fetches at a time for itself.
#[repr(align(128))]
pub struct Apart<T>(pub T);

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Where a lock is in the order: the module's header has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What lets names change one after the other, where that is told.
    Names,
    /// The identity of a process.
    Identity,
    /// The working directory of a process.
    WorkingDirectory,
    /// The offset of an open file.
    Offset,
    /// What stops directories from moving.
    Rename,
    /// The directory above the first inode, shared by who came down by it.
    Above,
    /// The first inode, or the only one.
    Inode,
    /// The second parent of a rename.
    SecondDirectory,
    /// An inode whose directory is held.
    Child,
    /// A table, for a look-up; or a sum.
    Lookup,
    /// What is held for a moment, under any other.
    Last,
}

/// A lock that one thread has at a time.
pub struct Mutex<T> {
    class: order::Kept,
    inner: ground::Mutex<T>,
}

/// What a [`Mutex`] protects, while it is held.
pub struct MutexGuard<'a, T>(ground::MutexGuard<'a, T>, #[allow(dead_code)] order::Held);

/// A lock that many threads have to read, or one to write.
pub struct RwLock<T> {
    class: order::Kept,
    inner: ground::RwLock<T>,
}

/// What an [`RwLock`] protects, to read.
pub struct RwLockReadGuard<'a, T>(ground::RwLockReadGuard<'a, T>, #[allow(dead_code)] order::Held);

/// What an [`RwLock`] protects, to read, for one who has its address noted.
pub struct NotedReadGuard<'a, T>(
    #[cfg(not(anchorite_model))] ground::NotedReadGuard<'a, T>,
    #[cfg(anchorite_model)] ground::RwLockReadGuard<'a, T>,
    #[allow(dead_code)] order::Held,
);

/// What an [`RwLock`] protects, to write, for one who has its address noted.
pub struct NotedWriteGuard<'a, T>(
    #[cfg(not(anchorite_model))] ground::NotedWriteGuard<'a, T>,
    #[cfg(anchorite_model)] ground::RwLockWriteGuard<'a, T>,
    #[allow(dead_code)] order::Held,
);

/// What an [`RwLock`] protects, to write.
pub struct RwLockWriteGuard<'a, T>(
    ground::RwLockWriteGuard<'a, T>,
    #[allow(dead_code)] order::Held,
);

impl<T> Mutex<T> {
    /// A lock of this class.
    pub fn new(class: Class, value: T) -> Mutex<T> {
        Mutex { class: order::Kept::new(class), inner: ground::Mutex::new(value) }
    }

    /// Waits for the lock.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let held = self.class.take(&self.inner);
        MutexGuard(whole(self.inner.lock()), held)
    }

    /// What is protected, to read, without the lock: for one who is [`alone`](alone()).
    ///
    /// # Safety
    /// As long as the value is used, the caller is alone, waits for nothing and does not take the
    /// lock, nor has it.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub unsafe fn peek(&self) -> &T {
        debug_assert!(alone());
        #[cfg(anchorite_model)]
        unreachable!("no thread of a model is alone");
        #[cfg(not(anchorite_model))]
        // SAFETY: the caller's promise.
        unsafe {
            self.inner.peek()
        }
    }
}

impl<T> RwLock<T> {
    /// A lock of this class.
    pub fn new(class: Class, value: T) -> RwLock<T> {
        RwLock { class: order::Kept::new(class), inner: ground::RwLock::new(value) }
    }

    /// Waits for the lock, shared.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        let held = self.class.take(&self.inner);
        RwLockReadGuard(whole(self.inner.read()), held)
    }

    /// [`read`](RwLock::read), of which there is no trace while one is [`alone`](alone()).
    ///
    /// # Safety
    /// Who is alone stays so, and lets no other thread run, as long as the guard is there; nor is the lock
    /// taken to write.
    #[allow(unsafe_code)]
    #[inline]
    #[track_caller]
    pub unsafe fn look(&self) -> RwLockReadGuard<'_, T> {
        let held = self.class.take(&self.inner);
        #[cfg(not(anchorite_model))]
        // SAFETY: the caller's promise.
        let guard = unsafe { self.inner.look() };
        #[cfg(anchorite_model)]
        let guard = whole(self.inner.read());
        RwLockReadGuard(guard, held)
    }

    /// [`read`](RwLock::read) for one who has noted the lock's [`address`](RwLock::address), as
    /// long as that is noted; none instead of waiting.
    #[inline]
    #[track_caller]
    pub fn read_noted<'a>(&'a self, noted: &'a Noted) -> Option<NotedReadGuard<'a, T>> {
        let held = self.class.take(&self.inner);
        #[cfg(not(anchorite_model))]
        let guard = self.inner.read_noted(noted)?;
        #[cfg(anchorite_model)]
        let guard = noted.is_of(self.address()).then(|| self.inner.try_read().ok())??;
        Some(NotedReadGuard(guard, held))
    }

    /// [`write`](RwLock::write) for one who has noted the lock's [`address`](RwLock::address), as
    /// long as that is noted; none instead of waiting.
    #[inline]
    #[track_caller]
    pub fn write_noted<'a>(&'a self, noted: &'a Noted) -> Option<NotedWriteGuard<'a, T>> {
        let held = self.class.take(&self.inner);
        #[cfg(not(anchorite_model))]
        let guard = self.inner.write_noted(noted)?;
        #[cfg(anchorite_model)]
        let guard = noted.is_of(self.address()).then(|| self.inner.try_write().ok())??;
        Some(NotedWriteGuard(guard, held))
    }

    /// What to note before [`read_noted`](RwLock::read_noted) or [`write_noted`](RwLock::write_noted).
    pub fn address(&self) -> usize {
        #[cfg(not(anchorite_model))]
        return self.inner.address();
        #[cfg(anchorite_model)]
        return core::ptr::from_ref(self).addr();
    }

    /// Waits for the lock.
    #[inline]
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        let held = self.class.take(&self.inner);
        RwLockWriteGuard(whole(self.inner.write()), held)
    }

    /// [`read`](RwLock::read), in another place of the order than the lock's own.
    #[inline]
    #[track_caller]
    pub fn read_as(&self, class: Class) -> RwLockReadGuard<'_, T> {
        let held = order::Kept::new(class).take(&self.inner);
        RwLockReadGuard(whole(self.inner.read()), held)
    }

    /// [`write`](RwLock::write), in another place of the order than the lock's own.
    #[inline]
    #[track_caller]
    pub fn write_as(&self, class: Class) -> RwLockWriteGuard<'_, T> {
        let held = order::Kept::new(class).take(&self.inner);
        RwLockWriteGuard(whole(self.inner.write()), held)
    }

    /// What is protected, to read, without the lock: for one who is [`alone`](alone()).
    ///
    /// # Safety
    /// As long as the value is used, the caller is alone, waits for nothing and does not take the
    /// lock to write, nor has it.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub unsafe fn peek(&self) -> &T {
        debug_assert!(alone());
        #[cfg(anchorite_model)]
        unreachable!("no thread of a model is alone");
        #[cfg(not(anchorite_model))]
        // SAFETY: the caller's promise.
        unsafe {
            self.inner.peek()
        }
    }

    /// What is protected, to change, without the lock: for one who is [`alone`](alone()).
    ///
    /// # Safety
    /// As long as the value is used, the caller is alone, waits for nothing, and uses it in no other way; nor
    /// has anybody the lock.
    #[allow(unsafe_code, clippy::mut_from_ref)]
    #[inline(always)]
    pub unsafe fn peek_mut(&self) -> &mut T {
        debug_assert!(alone());
        #[cfg(anchorite_model)]
        unreachable!("no thread of a model is alone");
        #[cfg(not(anchorite_model))]
        // SAFETY: the caller's promise.
        unsafe {
            self.inner.peek_mut()
        }
    }

    /// Whether it is shared by several threads by turns, and hardly ever taken; already old when it
    /// returns.
    #[inline]
    pub fn is_mostly_read(&self) -> bool {
        #[cfg(not(anchorite_model))]
        return self.inner.is_mostly_read();
        #[cfg(anchorite_model)]
        false
    }

    /// Whether this thread holds the lock; true where that is not kept. For assertions.
    pub fn is_held(&self) -> bool {
        order::Kept::is_held(&self.inner)
    }

    /// What is protected, by the only reference.
    pub fn get_mut(&mut self) -> &mut T {
        whole(self.inner.get_mut())
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> RwLockReadGuard<'_, T> {
    /// The same, of class [`Above`](Class::Above).
    #[inline(always)]
    pub(crate) fn into_above(mut self) -> Self {
        self.1.become_of(Class::Above);
        self
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for NotedReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for NotedWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for NotedWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A guard as the ground gives it.
#[cfg(not(anchorite_model))]
#[inline(always)]
fn whole<G>(guard: G) -> G {
    guard
}

/// A guard as the ground gives it: a model's locks tell whether a holder panicked, which
/// ends the model anyway.
#[cfg(anchorite_model)]
fn whole<G>(guard: std::sync::LockResult<G>) -> G {
    guard.unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Tells a model of the accesses to a value that is shared by counted references: they
/// must be ordered by the count. Nothing elsewhere.
#[cfg(not(anchorite_model = "loom"))]
pub(crate) struct Accesses;

#[cfg(not(anchorite_model = "loom"))]
impl Accesses {
    pub(crate) const fn new() -> Accesses {
        Accesses
    }

    #[inline(always)]
    pub(crate) fn shared(&self) {}

    #[inline(always)]
    pub(crate) fn exclusive(&self) {}
}

/// Tells the model of the accesses to a value that is shared by counted references: they
/// must be ordered by the count.
#[cfg(anchorite_model = "loom")]
pub(crate) struct Accesses(loom::cell::UnsafeCell<()>);

#[cfg(anchorite_model = "loom")]
impl Accesses {
    pub(crate) fn new() -> Accesses {
        Accesses(loom::cell::UnsafeCell::new(()))
    }

    /// The value is used.
    pub(crate) fn shared(&self) {
        self.0.with(|_| ());
    }

    /// The value is moved out or dropped.
    pub(crate) fn exclusive(&self) {
        self.0.with_mut(|_| ());
    }
}
