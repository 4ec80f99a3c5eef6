//! Threads of a host's process, by the standard library, for platforms that live in one
//! (feature `std`). A core is one of the processors that the process may use.
//!
//! The process has one table of threads, whatever number of platforms it has.

extern crate std;

use alloc::boxed::Box;
use core::cell::{Cell, OnceCell};
use core::mem;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, Thread};

use crate::{Errno, Result, declare_shared};

/// All threads that were started, or have asked for their number. Those that wait for the
/// end of one are told of each.
static THREADS: Mutex<BTreeMap<u32, Thread>> = Mutex::new(BTreeMap::new());
static ENDED: Condvar = Condvar::new();

std::thread_local! {
    /// The thread's number; 0 before it asks.
    static NUMBER: Cell<u32> = const { Cell::new(0) };
    static CORE: Cell<u32> = const { Cell::new(0) };
    /// Of a thread that was not started here: what takes it out of the table.
    static STRANGER: OnceCell<Registered> = const { OnceCell::new() };
}

/// The calling thread's number is in the table.
struct Registered(u32);

impl Registered {
    fn new() -> Registered {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        threads().insert(number, thread::current());
        NUMBER.set(number);
        Registered(number)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        threads().remove(&self.0);
        ENDED.notify_all();
    }
}

/// [`Platform::thread_id`](crate::Platform::thread_id): 1 for the first thread that asks.
pub fn thread_id() -> u32 {
    if NUMBER.get() == 0 {
        STRANGER.with(|place| place.set(Registered::new()).is_ok());
    }
    NUMBER.get()
}

/// [`Platform::core`](crate::Platform::core).
pub fn core() -> u32 {
    CORE.get()
}

/// How many processors this process may use; 1 if that cannot be known.
pub fn processors() -> u32 {
    thread::available_parallelism().map_or(1, |count| count.get() as u32)
}

/// [`Platform::spawn`](crate::Platform::spawn), with `cores` of them. The process is
/// declared to be shared from then on, for good.
///
/// # Errors
/// EINVAL: there is no such core. EAGAIN: the host gives no thread.
pub fn spawn(cores: u32, core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
    if core >= cores {
        return Err(Errno::EINVAL);
    }
    declare_shared();
    let (sender, receiver) = sync_channel(1);
    let first_steps = move || {
        CORE.set(core);
        // A host that does not let threads be pinned moves them as it likes.
        let _ = pin(core);
        // The thread's end, also by a panic, takes it out of the table.
        let own = Registered::new();
        if sender.send(own.0).is_ok() {
            run();
        }
    };
    Builder::new().spawn(first_steps).map_err(|_| Errno::EAGAIN)?;
    receiver.recv().map_err(|_| Errno::EAGAIN)
}

/// [`Platform::join`](crate::Platform::join).
///
/// # Errors
/// EDEADLK for the calling thread.
pub fn join(thread: u32) -> Result<()> {
    if thread == thread_id() {
        return Err(Errno::EDEADLK);
    }
    let mut threads = threads();
    while threads.contains_key(&thread) {
        threads = ENDED.wait(threads).unwrap_or_else(PoisonError::into_inner);
    }
    Ok(())
}

/// [`Platform::park`](crate::Platform::park).
pub fn park() {
    // Others know this thread by its number, which it has from now on.
    thread_id();
    thread::park();
}

/// [`Platform::unpark`](crate::Platform::unpark).
pub fn unpark(thread: u32) {
    if let Some(thread) = threads().get(&thread) {
        thread.unpark();
    }
}

/// Keeps the calling thread on processor `core` of those that the process may use.
///
/// # Errors
/// EINVAL: there are not so many. Those of `sched_setaffinity(2)`.
pub fn pin(core: u32) -> Result<()> {
    // SAFETY: sets are arrays of integers, for which zero is a value; the calls take this
    // thread's, in sets of the given size.
    unsafe {
        let mut allowed: libc::cpu_set_t = mem::zeroed();
        let bytes = size_of_val(&allowed);
        check(libc::sched_getaffinity(libc::getpid(), bytes, &mut allowed))?;
        let all = 0..libc::CPU_SETSIZE as usize;
        let mut there = all.filter(|cpu| libc::CPU_ISSET(*cpu, &allowed));
        let cpu = there.nth(core as usize).ok_or(Errno::EINVAL)?;
        let mut one: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut one);
        check(libc::sched_setaffinity(0, bytes, &one))
    }
}

fn check(returned: i32) -> Result<()> {
    if returned == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw(errno.unwrap_or(libc::EIO)))
}

fn threads() -> MutexGuard<'static, BTreeMap<u32, Thread>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}
