//! Locks that were taken by the only thread, when it is the only one no more. There is one test
//! in this program, since for a while it has to be the only thread that uses locks.
//!
//! Who was alone once did not write down what it held: a scope's list of threads, held while
//! the first thread was started on another core, was open to that thread as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anchorite_fs::sync::{Class, Mutex, RwLock};
use anchorite_syscalls::{declare_alone, declare_shared};

/// How long somebody waits who must not get a lock.
const WHILE: Duration = Duration::from_millis(50);

#[test]
fn locks_of_the_only_thread_are_held_when_others_come() {
    let (list, table) = (Mutex::new(Class::Lookup, 0), RwLock::new(Class::Inode, 0));
    let (has_list, has_table) = (AtomicBool::new(false), AtomicBool::new(false));
    // SAFETY: the other thread of this program waits for this one.
    unsafe { declare_alone() };
    let shared = table.read();
    let held = list.lock();
    declare_shared();
    thread::scope(|scope| {
        scope.spawn(|| {
            *list.lock() += 1;
            has_list.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            *table.write() += 1;
            has_table.store(true, Ordering::Release);
        });
        thread::sleep(WHILE);
        assert!(!has_list.load(Ordering::Acquire), "a lock was taken twice");
        assert!(!has_table.load(Ordering::Acquire), "a lock was taken that is shared");
        drop((held, shared));
    });
    let of_others = (read(&list), *table.read());
    assert_eq!(of_others, (1, 1));
    // SAFETY: the threads have ended.
    unsafe { declare_alone() };
    let added = *table.read();
    *list.lock() += added;
    let of_alone = (read(&list), *table.read());
    declare_shared();
    assert_eq!(of_alone, (2, 1));
    let at_last = *table.write();
    assert_eq!(at_last, 1);
}

fn read(list: &Mutex<i32>) -> i32 {
    *list.lock()
}
