//! Locks that were taken by the only thread, when it is the only one no more, and the other way round.
//! There is one test in this program, since for a while it has to be the only thread that uses locks.
//!
//! Who was alone once did not write down what it held: a scope's list of threads, held while
//! the first thread was started on another core, was open to that thread as well.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anchorite_fs::sync::{Class, Counter, Mutex, RwLock};
use anchorite_syscalls::{declare_alone, declare_shared};

/// How long somebody waits who must not get a lock.
const WHILE: Duration = Duration::from_millis(50);

/// How often somebody ends while another counts.
const ENDS: u64 = 50_000;

#[test]
fn only_thread() {
    locks_of_the_only_thread_are_held_when_others_come();
    what_the_last_other_thread_did_is_seen();
}

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

/// Who ends says so on its own core, at any time in a call of another's. That one may be alone from
/// then on, but has to see what was counted before.
fn what_the_last_other_thread_did_is_seen() {
    const START: u64 = 1_000_000;
    let count = Counter::new(START);
    // Which end is under way; and which came last.
    let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = |number: u64| {
        while begun.load(Ordering::Acquire) != number {
            thread::yield_now();
        }
        (0..number * 7 % 41).for_each(|_| core::hint::spin_loop());
        count.subtract(1);
        // SAFETY: from here on it uses nothing but the two numbers until the next round.
        unsafe { declare_alone() };
        ended.store(number, Ordering::Release);
    };
    let mut lost = 0;
    thread::scope(|scope| {
        scope.spawn(|| (1..=ENDS).for_each(end));
        for number in 1..=ENDS {
            declare_shared();
            count.set(START);
            begun.store(number, Ordering::Release);
            let mut added = 0;
            while ended.load(Ordering::Acquire) != number {
                added += u64::from(count.add_below(1, u64::MAX));
            }
            lost += u64::from(count.get() != START + added - 1);
        }
    });
    declare_shared();
    assert_eq!(lost, 0, "what was counted by who ended was lost, of {ENDS} times");
}
