//! Locks that are waited for by looking at their [`Word`].

use core::cell::UnsafeCell;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use super::published::Noted;
use super::word::{Share, ShareNoted, TakenNoted, Word};

/// A lock that one thread has at a time.
pub(super) struct Mutex<T>(RwLock<T>);

/// What a [`Mutex`] protects, while it is held.
pub(super) type MutexGuard<'a, T> = RwLockWriteGuard<'a, T>;

/// A lock that many threads have to read, or one to write.
#[repr(C)]
pub(super) struct RwLock<T> {
    word: Word,
    value: UnsafeCell<T>,
}

/// What an [`RwLock`] protects, to read.
pub(super) struct RwLockReadGuard<'a, T>(&'a RwLock<T>, ManuallyDrop<Share>);

/// The same, for one who has the lock's address noted.
pub(super) struct NotedReadGuard<'a, T>(&'a RwLock<T>, ManuallyDrop<ShareNoted>);

/// What an [`RwLock`] protects, to write.
pub(super) struct RwLockWriteGuard<'a, T>(&'a RwLock<T>);

/// The same, for one who has the lock's address noted.
pub(super) struct NotedWriteGuard<'a, T>(&'a RwLock<T>, ManuallyDrop<TakenNoted>);

// SAFETY: the lock hands its value to one thread that may change it, or to several that read it.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}
// SAFETY: a mutex hands its value to one thread at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Mutex<T> {
        Mutex(RwLock::new(value))
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.write()
    }

    /// [`RwLock::peek`].
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub(super) unsafe fn peek(&self) -> &T {
        // SAFETY: the caller's promise.
        unsafe { self.0.peek() }
    }
}

impl<T> RwLock<T> {
    pub(super) fn new(value: T) -> RwLock<T> {
        RwLock { word: Word::new(), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard(self, ManuallyDrop::new(self.word.share()))
    }

    /// [`read`](RwLock::read) without a trace, for who is alone.
    ///
    /// # Safety
    /// Who is alone stays so, and does not take the lock to write, as long as the guard is there.
    #[inline]
    pub(super) unsafe fn look(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard(self, ManuallyDrop::new(self.word.share_unseen()))
    }

    #[inline]
    pub(super) fn read_noted<'a>(&'a self, noted: &'a Noted) -> Option<NotedReadGuard<'a, T>> {
        Some(NotedReadGuard(self, ManuallyDrop::new(self.word.share_noted(noted)?)))
    }

    /// Whether it is shared by turns and hardly ever taken.
    #[inline]
    pub(super) fn is_mostly_read(&self) -> bool {
        self.word.is_noted()
    }

    /// What is noted of it.
    pub(super) fn address(&self) -> usize {
        self.word.address()
    }

    #[inline]
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.word.take();
        RwLockWriteGuard(self)
    }

    #[inline]
    pub(super) fn write_noted<'a>(&'a self, noted: &'a Noted) -> Option<NotedWriteGuard<'a, T>> {
        Some(NotedWriteGuard(self, ManuallyDrop::new(self.word.take_noted(noted)?)))
    }

    /// What is protected, to read, without the lock.
    ///
    /// # Safety
    /// Nobody takes the lock to write as long as the value is used, and nobody has it so.
    #[inline(always)]
    pub(super) unsafe fn peek(&self) -> &T {
        debug_assert!(!self.word.is_taken());
        // SAFETY: the caller's promise.
        unsafe { &*self.value.get() }
    }

    /// What is protected, to change, without the lock.
    ///
    /// # Safety
    /// Nobody else uses the value as long as this is used.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(super) unsafe fn peek_mut(&self) -> &mut T {
        debug_assert!(!self.word.is_taken());
        // SAFETY: the caller's promise.
        unsafe { &mut *self.value.get() }
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is shared as long as the guard lives, so nobody changes the value.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard, which goes, held it.
        self.0.word.leave(unsafe { ManuallyDrop::take(&mut self.1) });
    }
}

impl<T> Deref for NotedReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is shared as long as the guard lives, so nobody changes the value.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> Drop for NotedReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard, which goes, held it.
        self.0.word.leave_noted(unsafe { ManuallyDrop::take(&mut self.1) });
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken as long as the guard lives.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is taken as long as the guard lives.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Deref for NotedWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken as long as the guard lives.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for NotedWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is taken as long as the guard lives.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for NotedWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard, which goes, held it.
        self.0.word.give_noted(unsafe { ManuallyDrop::take(&mut self.1) });
    }
}

impl<T> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.word.give();
    }
}
