//! Threads: each stays on the core that it was started on, and runs until it waits.
//!
//! A core has a queue of threads that can run. Only the core itself touches it; what
//! other cores want to run goes to the core's inbox, a list that they push to and the
//! core takes all at once. A thread leaves its core to the next one when it yields,
//! parks, joins or ends. There is no preemption: a thread that does none of these keeps
//! its core.
//!
//! A core with nothing to run polls its inbox with a `pause` between two looks: there is
//! no interrupt that would wake it (the machine has no device that this kernel drives),
//! so a core that waits takes its share of the host's processor, if not of its
//! execution units. After a while without work it gives back to the heap what it keeps
//! of it.
//!
//! **Waiting.** [`park`] and [`unpark`] are a token: whoever parks waits for the token and
//! takes it. A thread that joins waits in a list of the thread that it joins. If every
//! thread of the machine waits, nothing can ever wake one: that is a panic.
//!
//! **Ending.** A thread cannot free the stack that it runs on: whoever runs next on its
//! core does, takes it out of the table, and wakes those who join it. So its memory is
//! given back when a join returns; but for [`KEPT_STACKS`] of each core, which the next
//! threads there get.
//!
//! **Alone.** While no thread is on another core than the first, the call layer is told so:
//! its locks and counts then cost next to nothing ([`declare_alone`]).
//!
//! **A stack** is [`stack::BYTES`], of which the lowest page is not mapped and the last
//! bytes are its [`Thread`].
//!
//! Locking: the lock of the table comes before those of kept stacks, of the page tables and of the
//! heap.

use alloc::boxed::Box;
use core::arch::naked_asm;
use core::cell::Cell;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use anchorite_syscalls::{Errno, Result, declare_alone, declare_shared};
use hashbrown::HashTable;
use spin::Mutex;

use crate::cpu::{self, Core, MAX_CORES};
use crate::{heap, stack};

/// The first thread's number.
const FIRST: u32 = 1;
/// Stacks of ended threads that a core keeps for new ones.
const KEPT_STACKS: u32 = 2;
/// How often an idle core looks for work before it gives up its part of the heap.
const IDLE_LOOKS: u32 = 20_000;

/// Nobody has unparked the thread, and it does not wait.
const NO_TOKEN: u32 = 0;
/// Somebody has unparked it.
const TOKEN: u32 = 1;
/// It waits for the token.
const PARKED: u32 = 2;

/// A thread, or what a core does without any.
pub struct Thread {
    id: u32,
    core: u32,
    token: AtomicU32,
    /// Where its registers are, while it does not run.
    stack_pointer: Cell<*mut u8>,
    /// The next in whichever list it is in: a queue, an inbox, or those who join.
    next: Cell<*const Thread>,
    /// Those who wait for its end. Under the lock of the table.
    joiners: Cell<*const Thread>,
    /// The unmapped range below its stack.
    guard: Cell<(usize, usize)>,
    /// What it is to run.
    run: Cell<Option<NonNull<dyn FnOnce() + Send>>>,
    /// Whether its core may remember that its guard is mapped.
    is_new: Cell<bool>,
}

// SAFETY: cells are read and written by the core that the thread is on, but for `next`,
// which belongs to whoever has the thread in a list, and `joiners`, which has a lock.
unsafe impl Sync for Thread {}

impl Thread {
    const fn new(id: u32, core: u32, guard: Range<usize>) -> Self {
        Self {
            id,
            core,
            token: AtomicU32::new(NO_TOKEN),
            stack_pointer: Cell::new(ptr::null_mut()),
            next: Cell::new(ptr::null()),
            joiners: Cell::new(ptr::null()),
            guard: Cell::new((guard.start, guard.end)),
            run: Cell::new(None),
            is_new: Cell::new(false),
        }
    }
}

/// The first thread: the one that the boot becomes.
static MAIN: Thread = Thread::new(FIRST, 0, 0..0);

/// How many threads do not wait.
static RUNNABLE: AtomicU32 = AtomicU32::new(1);

/// What a core has of its own.
pub struct Scheduler {
    current: Cell<*const Thread>,
    /// What the core does without a thread.
    idle: Thread,
    /// Threads that can run, the first that shall …
    front: Cell<*const Thread>,
    /// … and the last.
    back: Cell<*const Thread>,
    /// The thread that ended before what runs now.
    ended: Cell<*const Thread>,
    inbox: Inbox,
}

/// On a cache line of its own, since other cores write it.
#[repr(align(64))]
struct Inbox(AtomicPtr<Thread>);

impl Scheduler {
    /// That of core `id`, which waits on a stack above `guard`.
    pub(crate) const fn new(id: u32, guard: Range<usize>) -> Self {
        Self {
            current: Cell::new(ptr::null()),
            idle: Thread::new(0, id, guard),
            front: Cell::new(ptr::null()),
            back: Cell::new(ptr::null()),
            ended: Cell::new(ptr::null()),
            inbox: Inbox(AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// What runs on this core, which is the caller's.
    #[inline(always)]
    fn current(&self) -> &Thread {
        // SAFETY: set before anything runs here that asks; a thread that runs lives.
        unsafe { &*self.current.get() }
    }

    /// The number of the thread that runs, 0 if none does; for reports.
    pub(crate) fn thread_id(&self) -> u32 {
        // SAFETY: as for `current`, if it is set.
        unsafe { self.current.get().as_ref() }.map_or(FIRST, |thread| thread.id)
    }

    /// The unmapped range below the stack that this core runs on; for reports.
    pub(crate) fn guard(&self) -> Range<usize> {
        // SAFETY: as for `current`, if it is set.
        let current = unsafe { self.current.get().as_ref() };
        let (start, end) = current.map_or((0, 0), |thread| thread.guard.get());
        start..end
    }

    /// Puts `thread` at the end of the queue.
    fn push(&self, thread: &Thread) {
        thread.next.set(ptr::null());
        // SAFETY: threads in the queue live.
        match unsafe { self.back.replace(thread).as_ref() } {
            Some(last) => last.next.set(thread),
            None => self.front.set(thread),
        }
    }

    /// Takes the thread that shall run next, if any can.
    #[inline(always)]
    fn take_next(&self) -> Option<&Thread> {
        if !self.inbox.0.load(Ordering::Relaxed).is_null() {
            self.empty_inbox();
        }
        // SAFETY: threads in the queue live.
        let thread = unsafe { self.front.get().as_ref() }?;
        self.front.set(thread.next.get());
        if self.front.get().is_null() {
            self.back.set(ptr::null());
        }
        Some(thread)
    }

    /// Puts what other cores left into the queue, in the order in which it came.
    #[cold]
    fn empty_inbox(&self) {
        let mut newest = self.inbox.0.swap(ptr::null_mut(), Ordering::Acquire).cast_const();
        let mut oldest: *const Thread = ptr::null();
        // SAFETY: threads in the inbox live.
        while let Some(thread) = unsafe { newest.as_ref() } {
            newest = thread.next.replace(oldest);
            oldest = thread;
        }
        // SAFETY: as above.
        while let Some(thread) = unsafe { oldest.as_ref() } {
            oldest = thread.next.get();
            self.push(thread);
        }
    }

    /// Runs `next` in place of what runs now, until that is to run again.
    fn switch_to(&self, next: &Thread) {
        let former = self.current();
        self.current.set(next);
        // SAFETY: `next` was left by this function, or prepared as if it had been.
        unsafe { switch(former.stack_pointer.as_ptr(), next.stack_pointer.get()) };
        self.bury_ended();
    }

    /// Frees the thread that ended before this began to run.
    fn bury_ended(&self) {
        let ended = self.ended.replace(ptr::null());
        // SAFETY: `end` left it, and nothing runs on its stack any more.
        if let Some(ended) = unsafe { ended.as_ref() } {
            bury(ended);
        }
    }

    /// Leaves the core until somebody lets the current thread run again: it is in a list
    /// or marked, so that somebody will.
    fn wait(&self) {
        count_down();
        let next = self.take_next().unwrap_or(&self.idle);
        // It may be this very thread already.
        if !ptr::eq(next, self.current()) {
            self.switch_to(next);
        }
    }
}

/// All threads but those that end.
static THREADS: Mutex<Threads> =
    Mutex::new(Threads { by_id: HashTable::new(), last_id: FIRST, elsewhere: 0 });

/// Each core's stacks for new threads.
static KEPT: [Mutex<Kept>; MAX_CORES] =
    [const { Mutex::new(Kept { top: None, count: 0 }) }; MAX_CORES];

struct Threads {
    by_id: HashTable<NonNull<Thread>>,
    last_id: u32,
    /// How many are on other cores than the first.
    elsewhere: u32,
}

/// Stacks that are linked by their first words above the guards.
struct Kept {
    top: Option<NonNull<u8>>,
    count: u32,
}

// SAFETY: the pointers are to threads that the table owns.
unsafe impl Send for Threads {}

// SAFETY: the pointers are to stacks that nothing uses.
unsafe impl Send for Kept {}

impl Kept {
    /// Takes a stack that nothing uses, if there are not too many.
    fn put(&mut self, block: NonNull<u8>) -> bool {
        if self.count == KEPT_STACKS {
            return false;
        }
        // SAFETY: a stack that nothing uses.
        unsafe { link(block).write(self.top) };
        self.top = Some(block);
        self.count += 1;
        true
    }

    fn take(&mut self) -> Option<NonNull<u8>> {
        let block = self.top?;
        // SAFETY: `put` wrote it.
        self.top = unsafe { link(block).read() };
        self.count -= 1;
        Some(block)
    }
}

impl Threads {
    fn find(&self, id: u32) -> Option<&Thread> {
        let is_it = |thread: &NonNull<Thread>| id_of(thread) == id;
        // SAFETY: threads in the table live.
        self.by_id.find(hash(id), is_it).map(|thread| unsafe { thread.as_ref() })
    }

    /// Takes in a thread that is to run on `core`, for which there is room.
    fn add(&mut self, id: u32, core: u32, thread: &Thread) {
        if core != 0 {
            if self.elsewhere == 0 {
                declare_shared();
            }
            self.elsewhere += 1;
        }
        self.by_id.insert_unique(hash(id), thread.into(), |thread| hash(id_of(thread)));
    }

    /// Leaves out a thread that has ended.
    fn remove(&mut self, id: u32, core: u32) {
        if let Ok(entry) = self.by_id.find_entry(hash(id), |thread| id_of(thread) == id) {
            entry.remove();
        }
        if core != 0 {
            self.elsewhere -= 1;
            if self.elsewhere == 0 {
                // SAFETY: whatever thread there is takes turns on the first core, or waits
                // for the lock of this table to start another.
                unsafe { declare_alone() };
            }
        }
    }

    /// A number that no thread has.
    fn new_id(&mut self) -> u32 {
        loop {
            // As a `pid_t`, positive; the first thread is not in the table.
            self.last_id = if self.last_id == i32::MAX as u32 { 2 } else { self.last_id + 1 };
            if self.find(self.last_id).is_none() {
                return self.last_id;
            }
        }
    }
}

/// Where a kept stack has its link.
fn link(block: NonNull<u8>) -> NonNull<Option<NonNull<u8>>> {
    // SAFETY: within the block.
    unsafe { block.add(stack::GUARD_BYTES).cast() }
}

fn id_of(thread: &NonNull<Thread>) -> u32 {
    // SAFETY: threads in the table live.
    unsafe { thread.as_ref() }.id
}

fn hash(id: u32) -> u64 {
    u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Tells where the first thread's guard is.
pub fn set_first_guard(guard: Range<usize>) {
    MAIN.guard.set((guard.start, guard.end));
}

/// Makes what runs now, on the first core, the first thread.
pub fn begin() {
    let scheduler = &cpu::current().scheduler;
    scheduler.current.set(&raw const MAIN);
    // SAFETY: the boot stack is left for ever; its upper half is the idle loop's.
    let idle = unsafe { prepare(cpu::boot_stack_top(), idle) };
    scheduler.idle.stack_pointer.set(idle);
}

/// The number of the calling thread, from 1 for the first.
pub fn id() -> u32 {
    cpu::current().scheduler.current().id
}

/// Starts a thread on `core`; tells its number.
///
/// # Errors
/// EINVAL if there is no such core; ENOMEM.
pub fn spawn(core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
    let target = cpu::get(core).ok_or(Errno::EINVAL)?;
    let kept = KEPT[core as usize].lock().take();
    let (block, is_new) = match kept {
        Some(block) => (block, false),
        None => (stack::take()?, true),
    };
    // SAFETY: the end of a block that is ours, which is whole pages.
    let thread = unsafe {
        let place = block.add(stack::BYTES).cast::<Thread>().sub(1);
        place.write(Thread::new(0, core, stack::guard(block)));
        &mut *place.as_ptr()
    };
    let top = ptr::from_ref(thread).addr() & !15;
    // SAFETY: the block's end, below the thread.
    thread.stack_pointer.set(unsafe { prepare(top, first_steps) });
    thread.is_new.set(is_new);

    let mut threads = THREADS.lock();
    if threads.by_id.try_reserve(1, |thread| hash(id_of(thread))).is_err() {
        drop(threads);
        stack::give(block);
        return Err(Errno::ENOMEM);
    }
    thread.run.set(NonNull::new(Box::into_raw(run)));
    thread.id = threads.new_id();
    let (thread, id) = (&*thread, thread.id);
    threads.add(id, core, thread);
    RUNNABLE.fetch_add(1, Ordering::Relaxed);
    let_run(target, thread);
    Ok(id)
}

/// Lets the other threads of this core run, if any can.
#[inline]
pub fn yield_now() {
    let scheduler = &cpu::current().scheduler;
    if let Some(next) = scheduler.take_next() {
        scheduler.push(scheduler.current());
        scheduler.switch_to(next);
    }
}

/// Waits for the calling thread's token, and takes it.
pub fn park() {
    let scheduler = &cpu::current().scheduler;
    let token = &scheduler.current().token;
    if token.swap(NO_TOKEN, Ordering::Acquire) == TOKEN {
        return;
    }
    let parked =
        token.compare_exchange(NO_TOKEN, PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if parked {
        scheduler.wait();
    }
    // Not a store: what was done before any of the tokens was given is to be seen.
    token.swap(NO_TOKEN, Ordering::Acquire);
}

/// Gives thread `id` its token, if it is there and has none.
pub fn unpark(id: u32) {
    let threads = THREADS.lock();
    let thread = if id == FIRST { Some(&MAIN) } else { threads.find(id) };
    if let Some(thread) = thread
        && thread.token.swap(TOKEN, Ordering::Release) == PARKED
    {
        wake(thread);
    }
}

/// Waits until thread `id` has ended, if it is there.
///
/// # Errors
/// EDEADLK for the calling thread and for the first, which ends with the program.
pub fn join(id: u32) -> Result<()> {
    let scheduler = &cpu::current().scheduler;
    let current = scheduler.current();
    if id == current.id || id == FIRST {
        return Err(Errno::EDEADLK);
    }
    {
        let threads = THREADS.lock();
        let Some(thread) = threads.find(id) else {
            return Ok(());
        };
        current.next.set(thread.joiners.replace(current));
    }
    scheduler.wait();
    Ok(())
}

/// What a core other than the first does for ever.
pub(crate) fn run_threads(core: &'static Core) -> ! {
    core.scheduler.current.set(&raw const core.scheduler.idle);
    idle()
}

/// The loop of a core without a thread.
extern "C" fn idle() -> ! {
    let scheduler = &cpu::current().scheduler;
    scheduler.bury_ended();
    let mut looks = 0;
    loop {
        if let Some(next) = scheduler.take_next() {
            scheduler.switch_to(next);
            looks = 0;
            continue;
        }
        core::hint::spin_loop();
        looks += 1;
        if looks == IDLE_LOOKS {
            heap::give_back();
        }
    }
}

/// The first function on a thread's stack.
extern "C" fn first_steps() -> ! {
    let scheduler = &cpu::current().scheduler;
    scheduler.bury_ended();
    let thread = scheduler.current();
    if thread.is_new.get() {
        cpu::forget_mappings();
    }
    if let Some(run) = thread.run.take() {
        // SAFETY: `spawn` took it out of its box.
        let run = unsafe { Box::from_raw(run.as_ptr()) };
        run();
    }
    end()
}

/// Ends the calling thread.
fn end() -> ! {
    let scheduler = &cpu::current().scheduler;
    scheduler.ended.set(scheduler.current());
    let next = scheduler.take_next().unwrap_or(&scheduler.idle);
    scheduler.switch_to(next);
    unreachable!("a thread that has ended runs")
}

/// Takes a thread that has ended out of the table, gives back its stack, and lets those
/// go on who wait for its end.
fn bury(thread: &Thread) {
    let (id, core) = (thread.id, thread.core);
    // The guard is the beginning of the block, whose end the thread is.
    let block = ptr::with_exposed_provenance_mut(thread.guard.get().0);
    let mut joiner = {
        let mut threads = THREADS.lock();
        threads.remove(id, core);
        let joiner = thread.joiners.replace(ptr::null());
        // Before anybody sees that the thread is gone.
        let kept = &KEPT[core as usize];
        if let Some(block) = NonNull::new(block).filter(|block| !kept.lock().put(*block)) {
            stack::give(block);
        }
        joiner
    };
    // SAFETY: threads that wait live.
    while let Some(thread) = unsafe { joiner.as_ref() } {
        joiner = thread.next.get();
        wake(thread);
    }
    count_down();
}

/// Lets a thread run that waits.
fn wake(thread: &Thread) {
    RUNNABLE.fetch_add(1, Ordering::Relaxed);
    if let Some(core) = cpu::get(thread.core) {
        let_run(core, thread);
    }
}

/// Gives a thread that is in no list to its core.
fn let_run(core: &'static Core, thread: &Thread) {
    if ptr::eq(core, cpu::current()) {
        core.scheduler.push(thread);
        return;
    }
    let inbox = &core.scheduler.inbox.0;
    let mut newest = inbox.load(Ordering::Relaxed);
    loop {
        thread.next.set(newest);
        let new = ptr::from_ref(thread).cast_mut();
        match inbox.compare_exchange_weak(newest, new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => newest = now,
        }
    }
}

/// One thread less can run.
fn count_down() {
    if RUNNABLE.fetch_sub(1, Ordering::Relaxed) == 1 {
        panic!("every thread waits for another, so that none can ever go on");
    }
}

/// Makes a stack that ends at `top` look as if [`switch`] had left it before `run`; tells
/// the stack pointer.
///
/// # Safety
/// `top` is a multiple of 16, and at least 128 bytes below it are nobody's.
unsafe fn prepare(top: usize, run: extern "C" fn() -> !) -> *mut u8 {
    const MXCSR: u64 = 0x1f80;
    const X87_CONTROL: u64 = 0x37f;
    // Control words, six registers, where to return to, and no caller of that.
    let frame = [MXCSR | X87_CONTROL << 32, 0, 0, 0, 0, 0, 0, run as usize as u64, 0];
    let place = (top - size_of_val(&frame)) as *mut u8;
    // SAFETY: by this function's contract.
    unsafe { place.cast::<[u64; 9]>().write(frame) };
    place
}

/// Saves what a function has to preserve on this stack, leaves the stack pointer in
/// `from`, and goes on where the stack `to` was left.
///
/// # Safety
/// `to` was left by this function, or [`prepare`]d.
#[unsafe(naked)]
unsafe extern "C" fn switch(from: *mut *mut u8, to: *mut u8) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}
