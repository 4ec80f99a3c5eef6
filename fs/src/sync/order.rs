//! Keeps what each thread holds, and asserts the order in which locks are taken.

use core::cell::Cell;
use core::panic::Location;

use super::Class;

#[cfg(anchorite_model = "loom")]
use loom::thread_local;
#[cfg(anchorite_model = "shuttle")]
use shuttle::thread_local;
#[cfg(not(anchorite_model))]
use std::thread_local;

/// How many classes there are.
const CLASSES: usize = Class::Last as usize + 1;

thread_local! {
    /// What this thread holds: at most one lock of each class. No vector, since it is
    /// filled while tests let allocations fail.
    #[allow(clippy::missing_const_for_thread_local)] // loom's macro takes no `const`
    static HOLDS: Cell<[Option<Hold>; CLASSES]> = Cell::new([None; CLASSES]);
}

/// A lock that is held.
#[derive(Clone, Copy)]
struct Hold {
    class: Class,
    /// Where the lock is in memory.
    lock: usize,
    taken_at: &'static Location<'static>,
}

/// A lock's place in the order.
#[derive(Clone, Copy)]
pub(super) struct Kept(Class);

/// What a guard notes when it goes: the lock is held no more.
pub(super) struct Held(Class);

impl Kept {
    pub(super) const fn new(class: Class) -> Kept {
        Kept(class)
    }

    /// Asserts that `lock` may be taken now, before it is waited for, and notes it.
    #[track_caller]
    pub(super) fn take<T>(self, lock: &T) -> Held {
        let class = self.0;
        let new = Hold { class, lock: address(lock), taken_at: Location::caller() };
        let mut holds = HOLDS.with(Cell::get);
        for held in holds.iter().flatten() {
            let rule = if held.lock == new.lock {
                "it is the same lock"
            } else if held.class == class {
                "a thread holds one of a class"
            } else if held.class > class {
                "it comes first"
            } else {
                continue;
            };
            panic!(
                "lock order: {class:?} ({:#x}, {}) is asked for while {:?} ({:#x}, {}) is held: \
                 {rule}; fs/src/sync.rs has the order",
                new.lock, new.taken_at, held.class, held.lock, held.taken_at,
            );
        }
        let needed: &[Class] = match class {
            Class::SecondDirectory => &[Class::Rename, Class::Inode],
            Class::Child => &[Class::Inode],
            _ => &[],
        };
        for &needed in needed {
            assert!(
                holds[needed as usize].is_some(),
                "lock order: {class:?} ({:#x}, {}) is asked for, and {needed:?} is not held; \
                 fs/src/sync.rs has the order",
                new.lock,
                new.taken_at,
            );
        }
        holds[class as usize] = Some(new);
        HOLDS.with(|all| all.set(holds));
        Held(class)
    }

    /// Whether this thread holds `lock`.
    pub(super) fn is_held<T>(lock: &T) -> bool {
        HOLDS.with(Cell::get).iter().flatten().any(|hold| hold.lock == address(lock))
    }
}

fn address<T>(lock: &T) -> usize {
    core::ptr::from_ref(lock).addr()
}

impl Held {
    /// Lets the lock be of another class from now on, of which none is held.
    pub(super) fn become_of(&mut self, class: Class) {
        let mut holds = HOLDS.with(Cell::get);
        let hold = holds[self.0 as usize].take();
        let former = core::mem::replace(&mut holds[class as usize], hold);
        assert!(former.is_none(), "lock order: a thread holds one of {class:?} already");
        if let Some(hold) = &mut holds[class as usize] {
            hold.class = class;
        }
        HOLDS.with(|all| all.set(holds));
        self.0 = class;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holds = HOLDS.with(Cell::get);
        holds[self.0 as usize] = None;
        HOLDS.with(|all| all.set(holds));
    }
}

#[cfg(all(test, not(anchorite_model)))]
mod tests;
