//! Which core a thread runs on.

use super::{Apart, Noted, alone};

/// Tells the number of the core; null where nobody knows.
static CORE: core::sync::atomic::AtomicPtr<()> =
    core::sync::atomic::AtomicPtr::new(core::ptr::null_mut());

/// For how many cores there is something apart: those with higher numbers share it, which is
/// slower.
pub(crate) const LINES: usize = if cfg!(anchorite_model) { 2 } else { 16 };

/// Something for each core, in lines of their own.
pub struct PerCore<T>([Apart<T>; LINES]);

impl<T: Default> Default for PerCore<T> {
    fn default() -> PerCore<T> {
        PerCore(core::array::from_fn(|_| Apart(T::default())))
    }
}

impl<T> PerCore<T> {
    /// That of the core that this thread runs on, or ran on lately; of any, while it is alone.
    #[inline]
    pub fn here(&self) -> &T {
        &self.0[if alone() { 0 } else { this_line() }].0
    }

    /// That of the core in whose line something is noted.
    #[inline]
    pub fn beside(&self, noted: &Noted) -> &T {
        &self.0[noted.line()].0
    }
}

/// Which of the [`LINES`] is this core's.
#[inline]
pub(crate) fn this_line() -> usize {
    this_core() % LINES
}

/// Which core this thread runs on, or one that it ran on lately: good for what may be any,
/// and is best near.
#[inline(always)]
fn this_core() -> usize {
    #[cfg(anchorite_model)]
    return MODEL.with(core::cell::Cell::get);
    #[cfg(not(anchorite_model))]
    of_declared()
}

#[cfg(not(anchorite_model))]
#[allow(unsafe_code)]
#[inline(always)]
fn of_declared() -> usize {
    let declared = CORE.load(core::sync::atomic::Ordering::Relaxed);
    if declared.is_null() {
        return 0;
    }
    // SAFETY: what is not null was a function of this type.
    let core = unsafe { core::mem::transmute::<*mut (), fn() -> usize>(declared) };
    core()
}

/// Declares how to learn which core a thread runs on: numbers from 0 on. With that, cores stay
/// out of one another's way. A wrong number makes nothing wrong, only slow; it must cost next
/// to nothing. A model's threads say it themselves.
pub fn declare_cores(core: fn() -> usize) {
    CORE.store(core as *mut (), core::sync::atomic::Ordering::Relaxed);
}

#[cfg(anchorite_model = "loom")]
use loom::thread_local;
#[cfg(anchorite_model = "shuttle")]
use shuttle::thread_local;

#[cfg(anchorite_model)]
thread_local! {
    #[allow(clippy::missing_const_for_thread_local)] // loom's macro takes no `const`
    static MODEL: core::cell::Cell<usize> = core::cell::Cell::new(0);
}

/// Lets this thread of a model run on a core.
#[cfg(anchorite_model)]
pub fn be_on(core: usize) {
    MODEL.with(|number| number.set(core));
}
