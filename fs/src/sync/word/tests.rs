use alloc::boxed::Box;
use alloc::vec::Vec;
use std::cell::Cell;
use std::{iter, thread};

use super::*;
use crate::mem::Arc;
use crate::sync::declare_cores;
use crate::sync::{AtomicU64, Published};

std::thread_local! {
    static CORE: Cell<usize> = const { Cell::new(0) };
}

/// Lets this thread be on a core.
fn be_on(core: usize) {
    declare_cores(|| CORE.get());
    CORE.set(core);
}

fn is_noted(share: &Share) -> bool {
    matches!(share.0, How::Noted(_))
}

/// The word after it was shared from these cores, one after the other.
fn shared_from(cores: impl Iterator<Item = usize>) -> (Word, u32) {
    let word = Word::new();
    for core in cores {
        be_on(core);
        let share = word.share();
        word.leave(share);
    }
    let now = word.0.load(Ordering::Relaxed);
    (word, now)
}

#[test]
fn a_lock_that_is_shared_from_one_core_is_counted_in() {
    let (_, word) = shared_from([3; 1000].into_iter());
    assert_eq!(word, 4 * ONE_LINE);
}

#[test]
fn a_lock_that_is_shared_by_turns_is_noted_until_it_is_taken() {
    let (word, now) = shared_from((0..16).map(|at| at % 2));
    assert_ne!(now & NOTED, 0);
    let (first, second) = (word.share(), word.share());
    assert!(is_noted(&first) && is_noted(&second));
    assert_eq!(word.0.load(Ordering::Relaxed), now, "nothing is written");
    word.leave(first);
    word.leave(second);
    word.take();
    assert_ne!(word.0.load(Ordering::Relaxed) & TAKEN, 0);
    word.give();
    let share = word.share();
    assert!(!is_noted(&share));
    word.leave(share);
}

#[test]
fn a_lock_noted_before_is_shared_by_that_once_it_has_proved_itself() {
    let (word, published) = (Word::new(), Published::new());
    published.publish(&Arc::try_new(()).unwrap(), word.address());
    be_on(5);
    let mut counted = 0;
    loop {
        let used = published.borrow().unwrap();
        let share = word.share_noted(used.noted()).unwrap();
        let is_by_note = share.0.is_none();
        word.leave_noted(share);
        if is_by_note {
            break;
        }
        counted += 1;
    }
    assert_eq!(counted, ENOUGH / USE);
    word.take();
    let used = published.borrow().unwrap();
    assert!(word.share_noted(used.noted()).is_none(), "it is taken");
    drop(used);
    word.give();
    let used = published.borrow().unwrap();
    let share = word.share_noted(used.noted()).unwrap();
    assert!(share.0.is_some(), "it has to prove itself again");
    word.leave_noted(share);
    assert!(Word::new().share_noted(used.noted()).is_none(), "another lock is noted");
}

#[test]
fn proof_never_grows_into_what_is_above_it() {
    for from_one in 0..=ENOUGH / USE {
        let (word, published) = (Word::new(), Published::new());
        published.publish(&Arc::try_new(()).unwrap(), word.address());
        for core in iter::repeat_n(0, from_one as usize).chain([1, 0, 1]) {
            be_on(core);
            let used = published.borrow().unwrap();
            let share = word.share_noted(used.noted()).unwrap();
            word.leave_noted(share);
        }
        let free = word.0.load(Ordering::Relaxed);
        assert_eq!(free & (TAKEN | LEFT | SHARERS), 0, "after {from_one}: {free:#x}");
    }
}

/// A word whose lock was taken so often from this core, noted before, and where it is noted.
fn taken_noted(times: u32) -> Box<(Word, Published<()>)> {
    let both = Box::new((Word::new(), Published::new()));
    let (word, published) = &*both;
    published.publish(&Arc::try_new(()).unwrap(), word.address());
    for _ in 0..times {
        let used = published.borrow().unwrap();
        let taken = word.take_noted(used.noted()).unwrap();
        assert!(word.take_noted(used.noted()).is_none() || taken.0.is_none(), "taken twice");
        word.give_noted(taken);
    }
    both
}

fn is_left(word: &Word) -> bool {
    word.0.load(Ordering::Relaxed) & LEFT != 0
}

#[test]
fn a_lock_taken_from_one_core_is_left_to_it() {
    be_on(5);
    assert!(!is_left(&taken_noted(ENOUGH_TAKEN / USE + 1).0));
    let (word, published) = &*taken_noted(ENOUGH_TAKEN / USE + 2);
    assert!(is_left(word));
    let free = word.0.load(Ordering::Relaxed);
    let used = published.borrow().unwrap();
    let taken = word.take_noted(used.noted()).unwrap();
    assert_eq!(word.0.load(Ordering::Relaxed), free, "nothing is written");
    word.give_noted(taken);
    // Who has not the first place of the line does not have the lock.
    let other = published.borrow().unwrap();
    assert!(word.take_noted(other.noted()).is_none());
    assert!(word.share_noted(other.noted()).is_none());
    let share = word.share_noted(used.noted()).unwrap();
    word.leave_noted(share);
    drop((other, used));
    be_on(6);
    let used = published.borrow().unwrap();
    assert!(word.take_noted(used.noted()).is_none(), "it is another core's");
    assert!(word.share_noted(used.noted()).is_none(), "it is another core's");
}

#[test]
fn a_lock_is_left_to_no_core_that_may_have_two_threads_in_it() {
    be_on(7);
    let (word, published) = &*taken_noted(0);
    let first = published.borrow().unwrap();
    for _ in 0..2 * PROOF / USE {
        let used = published.borrow().unwrap();
        let taken = word.take_noted(used.noted()).unwrap();
        word.give_noted(taken);
        assert_eq!(word.0.load(Ordering::Relaxed), 0, "nothing is proved");
    }
    drop(first);
}

#[test]
fn a_lock_that_was_left_is_had_by_others_again() {
    be_on(5);
    let (word, _) = &*taken_noted(20);
    assert!(is_left(word));
    let share = word.share();
    assert!(!is_noted(&share) && !is_left(word));
    word.leave(share);
    let (word, published) = &*taken_noted(20);
    word.take();
    let used = published.borrow().unwrap();
    assert!(word.take_noted(used.noted()).is_none() && word.share_noted(used.noted()).is_none());
    drop(used);
    word.give();
    assert_eq!(word.0.load(Ordering::Relaxed), 0, "it has to prove itself again");
}

#[test]
fn a_lock_taken_by_turns_is_left_to_nobody() {
    let (word, published) = &*taken_noted(0);
    for turn in 0..1000 {
        be_on(turn / 5 % 2);
        let used = published.borrow().unwrap();
        let taken = word.take_noted(used.noted()).unwrap();
        word.give_noted(taken);
        assert!(!is_left(word));
    }
}

/// Threads on two cores, two on each, have the lock in every way that there is.
#[test]
fn who_has_a_lock_that_is_left_has_it_alone() {
    let (word, published) = &*taken_noted(0);
    let (value, times) = ([AtomicU64::new(0), AtomicU64::new(0)], AtomicU64::new(0));
    let change = || {
        let had = value[0].load(Ordering::Relaxed);
        value.iter().for_each(|each| each.store(had + 1, Ordering::Relaxed));
        times.fetch_add(1, Ordering::Relaxed);
    };
    let look = || {
        let [one, other] = value.each_ref().map(|each| each.load(Ordering::Relaxed));
        assert_eq!(one, other);
    };
    let left = thread::scope(|scope| {
        let racers = [0, 0, 1, 1].map(|core| {
            let (change, look) = (&change, &look);
            scope.spawn(move || {
                be_on(core);
                let mut left = 0;
                for at in 0..20_000 {
                    // Long enough at one thing for the lock to be left.
                    match at / 100 % 40 + at % 2 {
                        20 => {
                            word.take();
                            change();
                            word.give();
                        }
                        10 => {
                            let share = word.share();
                            look();
                            word.leave(share);
                        }
                        how => {
                            let used = published.borrow().unwrap();
                            if how == 30 {
                                if let Some(share) = word.share_noted(used.noted()) {
                                    look();
                                    word.leave_noted(share);
                                }
                            } else if let Some(taken) = word.take_noted(used.noted()) {
                                left += u32::from(taken.0.is_none());
                                change();
                                word.give_noted(taken);
                            }
                        }
                    }
                }
                left
            })
        });
        racers.into_iter().map(|racer| racer.join().unwrap()).sum::<u32>()
    });
    assert!(left > 0, "the lock was left to nobody");
    assert_eq!(value[0].load(Ordering::Relaxed), times.load(Ordering::Relaxed));
}

#[test]
fn a_full_line_makes_locks_be_counted_in() {
    let (word, _) = shared_from((0..16).map(|at| at % 2));
    be_on(2);
    let shares: Vec<_> = (0..20).map(|_| word.share()).collect();
    assert!(shares.iter().any(is_noted));
    assert!(!shares.iter().all(is_noted));
    shares.into_iter().for_each(|share| word.leave(share));
    word.take();
    word.give();
}

#[test]
fn who_takes_a_noted_lock_has_it_alone() {
    let (word, value) = (Word::new(), [AtomicU64::new(0), AtomicU64::new(0)]);
    thread::scope(|scope| {
        for core in 0..4 {
            let (word, value) = (&word, &value);
            scope.spawn(move || {
                be_on(core);
                for at in 0..20_000 {
                    if at % 100 == 0 {
                        word.take();
                        let had = value[0].load(Ordering::Relaxed);
                        value[0].store(had + 1, Ordering::Relaxed);
                        value[1].store(had + 1, Ordering::Relaxed);
                        word.give();
                    } else {
                        let share = word.share();
                        let [one, other] = value.each_ref().map(|v| v.load(Ordering::Relaxed));
                        assert_eq!(one, other);
                        word.leave(share);
                    }
                }
            });
        }
    });
    assert_eq!(value[0].load(Ordering::Relaxed), 4 * 200);
}
