//! Threads, by a platform on the standard library's, and by one that has none.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anchorite_syscalls::{Errno, Platform, Result, Stream, System, thread};
use host_fs_sim::worlds::ROOMY;

#[test]
fn a_scope_waits_for_those_that_nobody_joins() {
    let sys = anchorite_example::system();
    let ended = AtomicU32::new(0);
    let returned = thread::scope(&sys, |scope| {
        for _ in 0..20 {
            let started = scope.spawn(0, || {
                // One that is started by another ends before the scope, too.
                let last = || std::thread::sleep(std::time::Duration::from_millis(20));
                drop(scope.spawn(0, last).unwrap());
                ended.fetch_add(1, Ordering::Relaxed)
            });
            drop(started.unwrap());
        }
        7
    });
    assert_eq!((returned, ended.into_inner()), (7, 20));
}

#[test]
fn threads_have_numbers_and_results_of_their_own() {
    let sys = anchorite_example::system();
    let handle = thread::spawn(&sys, 0, || String::from("result")).unwrap();
    let id = handle.id();
    assert_ne!(id, thread::current(&sys));
    assert_eq!(thread::current(&sys).number(), sys.gettid());
    assert_eq!(handle.join().unwrap(), "result");
    // It is gone: nobody is woken, and nobody waited for.
    thread::unpark(&sys, id);

    thread::scope(&sys, |scope| {
        let own = scope.spawn(0, || (thread::current(&sys), sys.gettid())).unwrap();
        let id = own.id();
        assert_eq!(own.join().unwrap(), (id, id.number()));
    });
}

#[test]
fn a_token_that_is_there_is_taken() {
    let sys = &anchorite_example::system();
    thread::scope(sys, |scope| {
        let own = thread::current(sys);
        scope.spawn(0, move || thread::unpark(sys, own)).unwrap().join().unwrap();
        // Would wait for ever without it.
        thread::park(sys);
    });
}

#[test]
fn what_cannot_be_is_an_error() {
    let sys = anchorite_example::system();
    let captured = Arc::new(());
    let its = captured.clone();
    let refused = thread::spawn(&sys, thread::cores(&sys), move || drop(its));
    assert_eq!(refused.err(), Some(Errno::EINVAL));
    assert_eq!(Arc::strong_count(&captured), 1, "what it was to run is dropped");

    let panicked = thread::spawn(&sys, 0, || panic!("asked to")).unwrap();
    assert_eq!(panicked.join(), Err(Errno::ESRCH));
}

#[test]
fn a_platform_without_threads_says_so() {
    let sys = System::new(Arc::new(Bare), ROOMY).unwrap();
    assert_eq!((thread::cores(&sys), thread::core(&sys)), (1, 0));
    assert_eq!(thread::spawn(&sys, 0, || ()).err(), Some(Errno::ENOSYS));
    let id = thread::current(&sys);
    thread::scope(&sys, |scope| assert_eq!(scope.spawn(0, || ()).err(), Some(Errno::ENOSYS)));
    thread::unpark(&sys, id);
    thread::park(&sys);
    thread::yield_now(&sys);
    assert_eq!(Bare.join(id.number()), Err(Errno::ENOSYS));
}

#[test]
fn a_thread_knows_its_core() {
    let sys = anchorite_example::system();
    thread::scope(&sys, |scope| {
        for core in 0..thread::cores(&sys) {
            let its = scope.spawn(core, || thread::core(&sys)).unwrap();
            assert_eq!(its.join(), Ok(core));
        }
    });
}

/// Nothing but what a platform must have.
struct Bare;

impl Platform for Bare {
    fn user_memory(&self) -> &[Range<usize>] {
        &[]
    }

    fn write_console(&self, _: Stream, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn read_console(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn realtime(&self) -> libc::timespec {
        libc::timespec { tv_sec: 0, tv_nsec: 0 }
    }

    fn monotonic(&self) -> libc::timespec {
        self.realtime()
    }

    fn fill_random(&self, _: &mut [u8]) -> Result<()> {
        Err(Errno::ENOSYS)
    }

    fn yield_now(&self) {}

    fn thread_id(&self) -> u32 {
        1
    }

    fn exit(&self, status: i32) -> ! {
        panic!("the program ended with {status}")
    }
}
