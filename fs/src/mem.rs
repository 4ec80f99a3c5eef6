//! Allocation that can fail: a box, a shared reference and a vector whose makers
//! answer ENOMEM instead of ending the program.
//!
//! `alloc::sync::Arc` has no fallible constructor in stable Rust; [`Arc`] here is
//! the part of it that the crate needs: strong references only.

use alloc::alloc::{Layout, alloc, dealloc};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::Deref;
use core::ptr::{NonNull, drop_in_place};

use crate::planted;
use crate::sync::{Accesses, References};
use crate::{Errno, Result};

/// Boxes `value`.
///
/// # Errors
/// ENOMEM; the value is dropped.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    try_box_with(|| value)
}

/// Boxes what `make` makes, which is asked once there is memory: so it can be made where it is to
/// be.
///
/// # Errors
/// ENOMEM.
#[inline]
pub fn try_box_with<T>(make: impl FnOnce() -> T) -> Result<Box<T>> {
    let layout = Layout::new::<T>();
    let ptr = if layout.size() == 0 {
        NonNull::dangling().as_ptr() // a box of nothing is no allocation
    } else {
        // SAFETY: the layout's size is not zero.
        unsafe { alloc(layout) }.cast::<T>()
    };
    if ptr.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: `ptr` comes from the global allocator with T's layout, or T has no size;
    // it is initialised before the box takes it.
    unsafe {
        ptr.write(make());
        Ok(Box::from_raw(ptr))
    }
}

/// A vector of exactly `bytes`.
///
/// # Errors
/// ENOMEM.
pub fn try_bytes(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    vec.extend_from_slice(bytes);
    Ok(vec)
}

/// Starts to fetch the first lines of what lies at an address, if anything does.
#[inline(always)]
pub(crate) fn prefetch(address: usize) {
    for line in [0, 64, 128] {
        prefetch_line(address.wrapping_add(line));
    }
}

/// Starts to fetch the line that an address is in, if there is memory.
#[inline(always)]
pub(crate) fn prefetch_line(address: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which does nothing where no memory is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// A value shared by counted references, freed with the last.
pub struct Arc<T> {
    counted: NonNull<Counted<T>>,
    owns: PhantomData<Counted<T>>,
}

#[repr(C)]
struct Counted<T> {
    references: References,
    accesses: Accesses,
    value: T,
}

/// Memory for a value that is to be shared, taken before the value is made: so a call
/// can do last what cannot be undone.
pub struct Room<T>(Box<MaybeUninit<Counted<T>>>);

impl<T> Room<T> {
    /// # Errors
    /// ENOMEM.
    pub fn try_new() -> Result<Room<T>> {
        try_box(MaybeUninit::uninit()).map(Room)
    }

    /// The first reference to `value`.
    pub fn fill(self, value: T) -> Arc<T> {
        let (references, accesses) = (References::new(), Accesses::new());
        let counted = Box::write(self.0, Counted { references, accesses, value });
        Arc { counted: NonNull::from(Box::leak(counted)), owns: PhantomData }
    }
}

// SAFETY: an `Arc` gives shared access to `T` from any thread that holds one and
// drops it on whichever thread is last, as `alloc::sync::Arc` does.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// The first reference to `value`.
    ///
    /// # Errors
    /// ENOMEM; the value is dropped.
    pub fn try_new(value: T) -> Result<Arc<T>> {
        Ok(Room::try_new()?.fill(value))
    }

    /// The value, if this is the only reference.
    pub fn get_mut(this: &mut Arc<T>) -> Option<&mut T> {
        if Arc::count(this) != 1 {
            return None;
        }
        this.be_last();
        // SAFETY: nobody else has a reference, and nobody gets one while this is borrowed.
        Some(unsafe { &mut (*this.counted.as_ptr()).value })
    }

    /// Whether both are references to the same value.
    pub fn ptr_eq(a: &Arc<T>, b: &Arc<T>) -> bool {
        a.counted == b.counted
    }

    /// How many references there are; already old when it returns.
    pub fn count(this: &Arc<T>) -> usize {
        this.counted().references.get()
    }

    /// Counts so many references that nobody has yet.
    pub(crate) fn count_ahead(this: &Arc<T>, count: usize) {
        this.counted().references.add(count);
    }

    /// A reference out of those that are counted and nobody has.
    ///
    /// # Safety
    /// There is one.
    pub(crate) unsafe fn take_counted(this: &Arc<T>) -> Arc<T> {
        Arc { counted: this.counted, owns: PhantomData }
    }

    /// Counts so many references less, that nobody has.
    ///
    /// # Safety
    /// There are so many.
    pub(crate) unsafe fn discount(this: &Arc<T>, count: usize) {
        this.counted().references.subtract(count);
    }

    /// The reference as an address.
    pub(crate) fn into_address(this: Arc<T>) -> usize {
        ManuallyDrop::new(this).counted.as_ptr().expose_provenance()
    }

    /// The reference that was made an address.
    ///
    /// # Safety
    /// It was, and what it counts for is used once.
    pub(crate) unsafe fn from_address(address: usize) -> Arc<T> {
        let counted = core::ptr::with_exposed_provenance_mut(address);
        // SAFETY: a reference's address is not null.
        Arc { counted: unsafe { NonNull::new_unchecked(counted) }, owns: PhantomData }
    }

    /// The reference once more, without counting it.
    ///
    /// # Safety
    /// As long as it is used, somebody has a counted one.
    pub unsafe fn uncounted<'a>(this: &Arc<T>) -> Uncounted<'a, T> {
        let again = Arc { counted: this.counted, owns: PhantomData };
        Uncounted(ManuallyDrop::new(again), PhantomData)
    }

    /// Gives up the reference; the value, if it was the last.
    pub fn into_inner(this: Arc<T>) -> Option<T> {
        let this = ManuallyDrop::new(this);
        if !this.counted().references.decrement() {
            return None;
        }
        this.be_last();
        // SAFETY: this was the last reference, so nobody else reaches the value; it
        // is moved out once and its memory freed without dropping it again.
        unsafe {
            let value = (&raw const (*this.counted.as_ptr()).value).read();
            drop_in_place(&raw mut (*this.counted.as_ptr()).references);
            drop_in_place(&raw mut (*this.counted.as_ptr()).accesses);
            dealloc(this.counted.as_ptr().cast(), Layout::new::<Counted<T>>());
            Some(value)
        }
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: the allocation lives while this reference does.
        unsafe { self.counted.as_ref() }
    }

    /// What whoever had the last reference does first.
    fn be_last(&self) {
        // All that other holders did happens before what the last one does. A load, since
        // ThreadSanitizer knows no fences.
        if !planted!("last_reference_unordered") {
            self.counted().references.get();
        }
        self.counted().accesses.exclusive();
    }

    /// Drops the value and gives its memory back.
    ///
    /// # Safety
    /// There is no reference any more, and whoever had the last one calls this once.
    #[cold]
    #[inline(never)]
    unsafe fn free(&mut self) {
        self.be_last();
        // SAFETY: this was the last reference to an allocation that a box made.
        drop(unsafe { Box::from_raw(self.counted.as_ptr()) });
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let counted = self.counted();
        counted.accesses.shared();
        &counted.value
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        // Each reference takes memory, so the count cannot reach usize::MAX.
        self.counted().references.increment();
        Arc { counted: self.counted, owns: PhantomData }
    }
}

impl<T> Drop for Arc<T> {
    // Short, to be where it is done: a path walk drops a reference for each component.
    #[inline]
    fn drop(&mut self) {
        if self.counted().references.decrement() {
            // SAFETY: this was the last reference, and is dropped once.
            unsafe { self.free() };
        }
    }
}

/// An [`Arc`] that was not counted: [`Arc::uncounted`].
pub struct Uncounted<'a, T>(ManuallyDrop<Arc<T>>, PhantomData<&'a T>);

impl<T> Deref for Uncounted<'_, T> {
    type Target = Arc<T>;

    #[inline]
    fn deref(&self) -> &Arc<T> {
        &self.0
    }
}

/// An [`Arc`] that is seldom met: to count it is out of line, so that whoever might have one has
/// short code.
pub struct Seldom<T>(ManuallyDrop<Arc<T>>);

impl<T> From<Arc<T>> for Seldom<T> {
    fn from(reference: Arc<T>) -> Seldom<T> {
        Seldom(ManuallyDrop::new(reference))
    }
}

impl<T> Deref for Seldom<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.0
    }
}

impl<T> Clone for Seldom<T> {
    #[cold]
    #[inline(never)]
    fn clone(&self) -> Seldom<T> {
        Seldom(self.0.clone())
    }
}

impl<T> Drop for Seldom<T> {
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

impl<T: fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{AtomicUsize, Ordering};

    struct Counter<'a>(&'a AtomicUsize);

    impl Drop for Counter<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn last_reference_drops_the_value_once() {
        let drops = AtomicUsize::new(0);
        let first = Arc::try_new(Counter(&drops)).unwrap();
        let second = first.clone();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(Arc::count(&first), 2);
        drop(first);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(second);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn into_inner_gives_the_value_to_the_last_holder_only() {
        let drops = AtomicUsize::new(0);
        let first = Arc::try_new(Counter(&drops)).unwrap();
        let second = first.clone();
        assert!(Arc::into_inner(first).is_none());
        let value = Arc::into_inner(second).unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(value);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_only_reference_gives_the_value_to_change() {
        let mut first = Arc::try_new(1).unwrap();
        let second = first.clone();
        assert!(Arc::get_mut(&mut first).is_none());
        drop(second);
        *Arc::get_mut(&mut first).unwrap() += 1;
        assert_eq!(*first, 2);
    }

    #[test]
    fn zero_sized_values_can_be_boxed() {
        assert_eq!(*try_box(()).unwrap(), ());
    }
}
