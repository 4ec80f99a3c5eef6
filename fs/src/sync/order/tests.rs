//! Each rule of the order, broken.

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;

use super::super::{Class, Mutex, RwLock};

const ALL: [Class; 10] = [
    Class::Names,
    Class::Identity,
    Class::WorkingDirectory,
    Class::Offset,
    Class::Rename,
    Class::Inode,
    Class::SecondDirectory,
    Class::Child,
    Class::Lookup,
    Class::Last,
];

/// What `act` panics with; nothing if it does not.
fn panic_of(act: impl FnOnce()) -> String {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(()) => String::new(),
        Err(payload) => *payload.downcast::<String>().unwrap_or_else(|_| Box::default()),
    }
}

/// Asserts that the panic names all of `parts`.
#[track_caller]
fn assert_tells(panic: &str, parts: &[&str]) {
    assert!(panic.starts_with("lock order: "), "{panic:?}");
    for part in parts {
        assert!(panic.contains(part), "{part:?} is not in {panic:?}");
    }
}

#[test]
fn all_classes_can_be_held_in_order_and_again() {
    let locks = ALL.map(|class| Mutex::new(class, ()));
    for _ in 0..2 {
        let guards = locks.each_ref().map(Mutex::lock);
        drop(guards);
    }
}

#[test]
fn a_class_is_refused_under_each_later_one() {
    for (at, &later) in ALL.iter().enumerate() {
        for &earlier in &ALL[..at] {
            let (first, second) = (Mutex::new(later, ()), Mutex::new(earlier, ()));
            let before: [Mutex<()>; 2] =
                [Class::Rename, Class::Inode].map(|class| Mutex::new(class, ()));
            let panic = panic_of(|| {
                // What the later class needs; the earlier must not be among it.
                let needed = before.iter().zip([Class::Rename, Class::Inode]);
                let _needed: [_; 2] = core::array::from_fn(|at| {
                    let (lock, class) = needed.clone().nth(at)?;
                    let wanted = class < later && class != earlier;
                    wanted.then(|| lock.lock())
                });
                let _held = first.lock();
                let _asked = second.lock();
            });
            // Without what it needs the later class is refused itself.
            assert_tells(&panic, &[std::format!("{earlier:?}").as_str()]);
        }
    }
}

#[test]
fn two_of_a_class_are_refused() {
    let locks = [(); 2].map(|()| RwLock::new(Class::Inode, ()));
    let panic = panic_of(|| {
        let _held = locks[0].read();
        let _asked = locks[1].read();
    });
    assert_tells(&panic, &["Inode", "one of a class", "order/tests.rs"]);
}

#[test]
fn the_same_lock_is_refused_twice_even_to_read() {
    let lock = RwLock::new(Class::Inode, ());
    let panic = panic_of(|| {
        let _held = lock.read();
        let _asked = lock.read_as(Class::Child);
    });
    assert_tells(&panic, &["Inode", "Child", "the same lock"]);
}

#[test]
fn a_child_is_refused_without_its_directory() {
    let lock = RwLock::new(Class::Inode, ());
    let panic = panic_of(|| drop(lock.write_as(Class::Child)));
    assert_tells(&panic, &["Child", "Inode is not held"]);
}

#[test]
fn a_second_directory_is_refused_without_rename() {
    let locks = [(); 2].map(|()| RwLock::new(Class::Inode, ()));
    let panic = panic_of(|| {
        let _first = locks[0].write();
        let _second = locks[1].write_as(Class::SecondDirectory);
    });
    assert_tells(&panic, &["SecondDirectory", "Rename is not held"]);
}

#[test]
fn a_lock_is_forgotten_with_its_guard_even_in_a_panic() {
    let lock = Mutex::new(Class::Offset, ());
    let panic = panic_of(|| {
        let _held = lock.lock();
        panic!("{}", "something else");
    });
    assert_eq!(panic, "something else");
    drop(Mutex::new(Class::Identity, ()).lock());
}

#[test]
fn each_thread_has_an_order_of_its_own() {
    let (late, early) = (Mutex::new(Class::Lookup, ()), Mutex::new(Class::Identity, ()));
    let _held = late.lock();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(early.lock()));
    });
    assert!(!panic_of(|| drop(early.lock())).is_empty());
}
