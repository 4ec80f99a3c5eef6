//! Threads of a host's process, by the standard library, for platforms that live in one
//! (feature `std`). A core is one of the processors that the process may use.
//!
//! The process has one table of threads, whatever number of platforms it has.

extern crate std;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::{Cell, OnceCell};
use core::mem;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

use crate::{Errno, Result, declare_cores, declare_shared};

/// All threads that were started, or have asked for their number. Those that wait for the
/// end of one are told of each.
static THREADS: Mutex<BTreeMap<u32, Arc<Token>>> = Mutex::new(BTreeMap::new());
static ENDED: Condvar = Condvar::new();

std::thread_local! {
    static OWN: OnceCell<Own> = const { OnceCell::new() };
    static CORE: Cell<u32> = const { Cell::new(0) };
}

/// What a thread waits for when it parks. The standard library's own is also taken by what
/// waits inside it.
#[derive(Default)]
struct Token {
    is_there: Mutex<bool>,
    given: Condvar,
}

/// A thread's entry in the table, which it takes out at its end, also by a panic.
struct Own {
    number: u32,
    token: Arc<Token>,
}

impl Own {
    fn new() -> Own {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let own = Own { number: NEXT.fetch_add(1, Ordering::Relaxed), token: Arc::default() };
        lock(&THREADS).insert(own.number, own.token.clone());
        own
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        lock(&THREADS).remove(&self.number);
        ENDED.notify_all();
    }
}

/// [`Platform::thread_id`](crate::Platform::thread_id): 1 for the first thread that asks.
pub fn thread_id() -> u32 {
    OWN.with(|own| own.get_or_init(Own::new).number)
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
    declare_cores(|| CORE.get() as usize);
    declare_shared();
    let (sender, receiver) = sync_channel(1);
    let first_steps = move || {
        CORE.set(core);
        // A host that does not let threads be pinned moves them as it likes.
        let _ = pin(core);
        if sender.send(thread_id()).is_ok() {
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
    let mut threads = lock(&THREADS);
    while threads.contains_key(&thread) {
        threads = ENDED.wait(threads).unwrap_or_else(PoisonError::into_inner);
    }
    Ok(())
}

/// [`Platform::park`](crate::Platform::park).
pub fn park() {
    let token = OWN.with(|own| own.get_or_init(Own::new).token.clone());
    let mut is_there = lock(&token.is_there);
    while !*is_there {
        is_there = token.given.wait(is_there).unwrap_or_else(PoisonError::into_inner);
    }
    *is_there = false;
}

/// [`Platform::unpark`](crate::Platform::unpark).
pub fn unpark(thread: u32) {
    let token = lock(&THREADS).get(&thread).cloned();
    if let Some(token) = token {
        *lock(&token.is_there) = true;
        token.given.notify_one();
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
