//! Threads on cores, in the manner of `std::thread`.
//!
//! What differs from `std::thread`: each function is told the process, as in
//! [`api`](crate::api); whoever starts a thread says on which core, where it stays; and to
//! start one can fail. Scheduling is cooperative: on its core a thread runs until it
//! yields, parks, joins or ends, so one that waits for another by looking again and again
//! has to [`yield_now`] in between. A core without a thread that can run polls for one.
//!
//! A panic or a fault on any core ends the program, and so does an exit. If every thread
//! waits for another, a program on the bare machine ends with a panic that says so.
//!
//! ```
//! use anchorite_syscalls::{Errno, System, thread};
//!
//! fn count_on_each_core(sys: &System) -> Result<u32, Errno> {
//!     thread::scope(sys, |scope| {
//!         let mut threads = Vec::new();
//!         for core in 0..thread::cores(sys) {
//!             threads.push(scope.spawn(core, move || core + 1)?);
//!         }
//!         threads.into_iter().map(|thread| thread.join()).sum()
//!     })
//! }
//! # let sys = anchorite_example::system();
//! # assert_eq!(count_on_each_core(&sys), Ok((1..=thread::cores(&sys)).sum()));
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::mem;

use anchorite_fs::mem::{Arc, try_box};
use anchorite_fs::sync::{Class, Mutex};

use crate::{Errno, Result, System};

/// A thread's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(u32);

impl ThreadId {
    /// As `gettid(2)` tells it.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// How many cores there are to start threads on, from core 0.
pub fn cores(sys: &System) -> u32 {
    sys.platform().cores()
}

/// The core that the calling thread runs on.
pub fn core(sys: &System) -> u32 {
    sys.platform().core()
}

/// The calling thread's number.
pub fn current(sys: &System) -> ThreadId {
    ThreadId(sys.platform().thread_id())
}

/// Lets the other threads on this core run, if any can.
pub fn yield_now(sys: &System) {
    sys.platform().yield_now();
}

/// Waits until the calling thread is unparked; at once if it was since it last parked. May
/// return without that, too: whoever waits for something looks again.
pub fn park(sys: &System) {
    sys.platform().park();
}

/// Lets `thread` return from [`park`], now or when it next parks. Nothing if it has ended.
pub fn unpark(sys: &System, thread: ThreadId) {
    sys.platform().unpark(thread.0);
}

/// Starts a thread on core `core` that may outlive its maker. What it borrows lives for
/// ever; [`scope`] is for what does not.
///
/// # Errors
/// EINVAL: there is no such core. ENOMEM, EAGAIN: there is no room for another thread.
/// ENOSYS: no thread can be started here.
pub fn spawn<T, F>(sys: &System, core: u32, run: F) -> Result<JoinHandle<'_, T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: nothing is borrowed.
    unsafe { start(sys, core, run) }
}

/// A thread that was started. Dropped, it leaves the thread to itself.
pub struct JoinHandle<'a, T> {
    sys: &'a System,
    id: ThreadId,
    result: Arc<Slot<T>>,
}

impl<T> JoinHandle<'_, T> {
    /// The thread.
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Waits for its end, and returns what it returned.
    ///
    /// # Errors
    /// EDEADLK: it is the calling thread. ESRCH: it ended by a panic, where that does not
    /// end the program (in a test on a host).
    pub fn join(self) -> Result<T> {
        self.sys.platform().join(self.id.0)?;
        // SAFETY: the thread has ended, and this is the only handle.
        unsafe { (*self.result.0.get()).take() }.ok_or(Errno::ESRCH)
    }
}

impl<T> fmt::Debug for JoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.id).finish()
    }
}

/// Where a thread leaves its result.
struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: the thread writes it once before it ends, and the one handle reads it after.
unsafe impl<T: Send> Sync for Slot<T> {}

/// Threads that may borrow what lives longer than they do: all have ended when [`scope`]
/// returns.
pub struct Scope<'scope, 'env: 'scope> {
    sys: &'env System,
    /// All threads that may not have ended.
    started: Mutex<Vec<ThreadId>>,
    /// Invariant in both, as `std::thread::Scope` is.
    lives: PhantomData<(&'scope mut &'scope (), &'env mut &'env ())>,
}

/// Calls `body` with a scope to start threads in, and waits for all of them.
pub fn scope<'env, T>(
    sys: &'env System,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
) -> T {
    let started = Mutex::new(Class::Lookup, Vec::new());
    let scope = Scope { sys, started, lives: PhantomData };
    // Also if `body` unwinds, where a panic does.
    let _waits = JoinAll(&scope);
    body(&scope)
}

/// Joins what a scope has started.
struct JoinAll<'a, 'scope, 'env>(&'a Scope<'scope, 'env>);

impl Drop for JoinAll<'_, '_, '_> {
    fn drop(&mut self) {
        loop {
            // Those that end may start others first. The lock is for a look.
            let thread = self.0.started.lock().pop();
            let Some(thread) = thread else { return };
            // Nobody's own: what runs here began before any of them.
            let _ = self.0.sys.platform().join(thread.0);
        }
    }
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Starts a thread on core `core`.
    ///
    /// # Errors
    /// Those of [`spawn`].
    pub fn spawn<T, F>(&'scope self, core: u32, run: F) -> Result<JoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let mut started = self.started.lock();
        started.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        // SAFETY: `scope` returns after the thread has ended.
        let handle = unsafe { start(self.sys, core, run) }?;
        started.push(handle.id);
        Ok(handle)
    }
}

/// Starts a thread.
///
/// # Safety
/// What `run` borrows lives until the thread has ended.
unsafe fn start<'a, T, F>(sys: &'a System, core: u32, run: F) -> Result<JoinHandle<'a, T>>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let result = Arc::try_new(Slot(UnsafeCell::new(None)))?;
    let its = result.clone();
    let run = try_box(move || {
        let value = run();
        // SAFETY: nobody reads it before this thread has ended.
        unsafe { *its.0.get() = Some(value) };
    })?;
    let run: Box<dyn FnOnce() + Send + '_> = run;
    // SAFETY: only the lifetime changes, by this function's contract.
    let run: Box<dyn FnOnce() + Send> = unsafe { mem::transmute(run) };
    let id = ThreadId(sys.platform().spawn(core, run)?);
    Ok(JoinHandle { sys, id, result })
}
