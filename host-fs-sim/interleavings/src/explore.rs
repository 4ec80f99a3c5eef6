//! Explores one scenario: `NAME MODE NUMBER SEED`, where the mode is a scheduler of shuttle's
//! (`random`, `pct`: that many schedules; `replay`: the schedule SEED) or of loom's
//! (`exhaustive`: with at most so many preemptions, for at most SEED seconds). Prints how
//! many interleavings it went through, and how many different outcomes they had; any other
//! end is a panic that says what is wrong.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anchorite_fs::sync::{AtomicU32, Published, Word, be_on};
use anchorite_interleavings::scenario::{Orders, Scenario, find};

#[cfg(anchorite_model = "loom")]
use loom::thread;
#[cfg(anchorite_model = "shuttle")]
use shuttle::thread;

pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, mode, number, seed] = &arguments[..] else {
        eprintln!("usage: NAME MODE NUMBER SEED; `interleavings` starts this by itself");
        return ExitCode::from(2);
    };
    let number = number.parse().expect("a number of schedules, or of preemptions");
    let count = match name.as_str() {
        "last_references" => model(mode, number, seed, last_references),
        "a_tree_goes_while_it_is_walked" => model(mode, number, seed, teardown),
        "a_noted_lock_is_taken" => model(mode, number, seed, noted),
        "a_lock_noted_before_is_taken" => model(mode, number, seed, noted_before),
        "a_lock_left_to_a_core_is_taken" => model(mode, number, seed, left),
        "two_of_a_core_have_its_lock" => model(mode, number, seed, left_to_two),
        "what_is_published_is_withdrawn" => model(mode, number, seed, published),
        "a_shared_lock_is_taken" => model(mode, number, seed, shared),
        "inodes_are_made_on_two_cores" => model(mode, number, seed, inodes),
        name => {
            let scenario = find(name).expect("a scenario of this name");
            let orders = Arc::new(in_model(move || scenario.orders()));
            let scenario = find(name).expect("a scenario of this name");
            model(mode, number, seed, move || {
                let outcome = act(&scenario, &orders);
                OUTCOMES.lock().expect("no panic before").insert(outcome);
            })
        }
    };
    println!("{count} {}", OUTCOMES.lock().expect("no panic before").len().max(1));
    ExitCode::SUCCESS
}

/// The outcomes that there were.
static OUTCOMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The scenario, once; its outcome.
fn act(scenario: &Scenario, orders: &Arc<Orders>) -> String {
    let system = Arc::new(scenario.begin());
    let clock = Arc::new(AtomicU64::new(0));
    let others: Vec<_> = (1..scenario.threads.len())
        .map(|at| {
            let (scenario, system, clock) = (scenario.clone(), system.clone(), clock.clone());
            thread::spawn(move || scenario.call(&system, at, &clock))
        })
        .collect();
    let mut done = vec![scenario.call(&system, 0, &clock)];
    done.extend(others.into_iter().map(|other| other.join().expect("a thread that ends")));
    scenario.judge(orders, &system, &done)
}

/// Two threads give up the last references to a value at once: it is dropped once, after
/// both used it, and one of them at most gets it out.
fn last_references() {
    use anchorite_fs::mem::Arc as Counted;

    struct Value<'a>(&'a AtomicU64);
    impl Drop for Value<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    static DROPS: AtomicU64 = AtomicU64::new(0);
    DROPS.store(0, Ordering::Relaxed);
    let mine = Counted::try_new(Value(&DROPS)).expect("memory");
    let theirs = mine.clone();
    let other = thread::spawn(move || {
        assert_eq!(theirs.0.load(Ordering::Relaxed), 0, "used after it was dropped");
        drop(theirs);
    });
    assert_eq!(mine.0.load(Ordering::Relaxed), 0, "used after it was dropped");
    drop(Counted::into_inner(mine));
    other.join().expect("a thread that ends");
    assert_eq!(DROPS.load(Ordering::Relaxed), 1);
}

/// A ramdisk is taken apart while a thread that has a directory of it works there.
fn teardown() {
    use anchorite_fs::{Caller, Credentials, Errno, Inode, Limits, New, Ramdisk, Timestamp};

    let credentials = Credentials::default();
    let caller = Caller::new(&credentials, Timestamp::default());
    let limits = Limits { size_bytes: 1 << 20, inodes: 100 };
    let ramdisk = Ramdisk::new(&caller, 0o755, limits, 1, 0).expect("memory");
    let make = |at, name: &[u8]| Inode::create(at, &caller, name, New::Directory, 0o755);
    let directory = make(ramdisk.root(), b"d").expect("memory");
    make(&directory, b"e").expect("memory");
    let other = thread::spawn(move || drop(ramdisk));
    let found = directory.lookup(&caller, b"e").map(|e| e.attributes().nlink);
    assert!(matches!(found, Ok(2) | Err(Errno::ENOENT)), "{found:?}");
    drop(directory.parent());
    drop(directory);
    other.join().expect("a thread that ends");
}

/// One thread shares a lock that all note near their core, and another takes it: either is
/// there without the other.
fn noted() {
    let word = Word::new();
    // What proves that several cores share it and nobody takes it.
    for turn in 0..16 {
        be_on(turn % 2);
        word.leave(word.share());
    }
    share_and_take(word);
}

/// The same, where those who share the lock are counted in its word.
fn shared() {
    share_and_take(Word::new());
}

/// Two numbers are written under the lock and are always found equal.
fn share_and_take(word: Word) {
    let both = Arc::new((word, [AtomicU32::new(0), AtomicU32::new(0)]));
    let look = |(word, numbers): &(Word, [AtomicU32; 2])| {
        let share = word.share();
        let [one, other] = numbers.each_ref().map(|number| number.load(Ordering::Relaxed));
        assert_eq!(one, other, "written while it is shared");
        word.leave(share);
        one
    };
    let theirs = both.clone();
    let other = thread::spawn(move || {
        be_on(1);
        look(&theirs)
    });
    be_on(0);
    let (word, numbers) = &*both;
    word.take();
    numbers.iter().for_each(|number| number.store(1, Ordering::Relaxed));
    word.give();
    assert_eq!(look(&both), 1);
    assert!(other.join().expect("a thread that ends") <= 1);
}

/// One thread uses what is published, and another withdraws it: it is given up when it is used
/// no more.
fn published() {
    use anchorite_fs::mem::Arc as Counted;

    struct Value;
    impl Drop for Value {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::Relaxed);
        }
    }
    static DROPS: AtomicU64 = AtomicU64::new(0);
    DROPS.store(0, Ordering::Relaxed);
    let place = Arc::new((Published::new(), Word::new(), AtomicU32::new(0)));
    place.0.publish(&Counted::try_new(Value).expect("memory"), place.1.address());
    let theirs = place.clone();
    let other = thread::spawn(move || {
        be_on(1);
        for _ in 0..2 {
            let used = theirs.0.borrow();
            // A moment in which others can do something.
            theirs.2.load(Ordering::Relaxed);
            if used.is_some() {
                assert_eq!(DROPS.load(Ordering::Relaxed), 0, "used after it was dropped");
            }
        }
    });
    be_on(0);
    drop(place.0.withdraw().expect("it is published"));
    assert_eq!(DROPS.load(Ordering::Relaxed), 1);
    assert!(place.0.borrow().is_none());
    other.join().expect("a thread that ends");
    assert_eq!(DROPS.load(Ordering::Relaxed), 1);
}

/// One thread has the address of a lock noted and shares it by that, if that needs no waiting,
/// and another takes it, once while it is counted in and once while it is noted.
fn noted_before() {
    use anchorite_fs::mem::Arc as Counted;

    let numbers = || [AtomicU32::new(0), AtomicU32::new(0)];
    let place = Arc::new((Published::new(), Word::new(), numbers()));
    let (published, word, numbers) = &*place;
    published.publish(&Counted::try_new(()).expect("memory"), word.address());
    // What proves that several cores share it and nobody takes it.
    for turn in 0..16 {
        be_on(turn % 2);
        word.leave(word.share());
    }
    let theirs = place.clone();
    let other = thread::spawn(move || {
        be_on(1);
        let (published, word, numbers) = &*theirs;
        for _ in 0..2 {
            let used = published.borrow().expect("it is published");
            let Some(share) = word.share_noted(used.noted()) else { continue };
            let [one, other] = numbers.each_ref().map(|number| number.load(Ordering::Relaxed));
            assert_eq!(one, other, "written while it is shared");
            word.leave_noted(share);
        }
    });
    be_on(0);
    for number in [1, 2] {
        word.take();
        numbers.iter().for_each(|each| each.store(number, Ordering::Relaxed));
        word.give();
    }
    other.join().expect("a thread that ends");
}

/// A lock, where it is noted, and what it protects: two numbers that are equal.
struct Guarded {
    published: Published<()>,
    word: Word,
    numbers: [AtomicU32; 2],
}

impl Guarded {
    /// A lock that is left to this thread's core.
    fn left() -> Arc<Guarded> {
        use anchorite_fs::mem::Arc as Counted;

        let numbers = [AtomicU32::new(0), AtomicU32::new(0)];
        let (published, word) = (Published::new(), Word::new());
        let guarded = Arc::new(Guarded { published, word, numbers });
        let Guarded { published, word, .. } = &*guarded;
        published.publish(&Counted::try_new(()).expect("memory"), word.address());
        for _ in 0..3 {
            let used = published.borrow().expect("it is published");
            let taken = word.take_noted(used.noted()).expect("nobody else has it");
            word.give_noted(taken);
        }
        guarded
    }

    fn change(&self) {
        let [one, other] = self.numbers.each_ref().map(|number| number.load(Ordering::Relaxed));
        assert_eq!(one, other, "changed by another meanwhile");
        self.numbers[0].store(one + 1, Ordering::Relaxed);
        self.numbers[1].store(one + 1, Ordering::Relaxed);
    }

    fn look(&self) {
        let [one, other] = self.numbers.each_ref().map(|number| number.load(Ordering::Relaxed));
        assert_eq!(one, other, "changed while it is shared");
    }

    /// Changes the numbers if that needs no waiting; how often it did.
    fn change_noted(&self) -> u32 {
        let used = self.published.borrow().expect("it is published");
        let Some(taken) = self.word.take_noted(used.noted()) else { return 0 };
        self.change();
        self.word.give_noted(taken);
        1
    }

    fn look_noted(&self) {
        let used = self.published.borrow().expect("it is published");
        let Some(share) = self.word.share_noted(used.noted()) else { return };
        self.look();
        self.word.leave_noted(share);
    }

    fn assert_changed(&self, times: u32) {
        self.word.take();
        assert_eq!(self.numbers[0].load(Ordering::Relaxed), times);
        self.word.give();
    }
}

/// A lock is left to a core, from which it is taken and shared, while another takes and shares it.
fn left() {
    be_on(1);
    let guarded = Guarded::left();
    let theirs = guarded.clone();
    let other = thread::spawn(move || {
        be_on(1);
        let changed = theirs.change_noted();
        theirs.look_noted();
        changed
    });
    be_on(0);
    guarded.word.take();
    guarded.change();
    guarded.word.give();
    let share = guarded.word.share();
    guarded.look();
    guarded.word.leave(share);
    let changed = other.join().expect("a thread that ends");
    guarded.assert_changed(changed + 1);
}

/// A lock is left to a core that two threads are on, or seem to be, while a third shares it.
fn left_to_two() {
    be_on(1);
    let guarded = Guarded::left();
    let theirs = guarded.clone();
    let other = thread::spawn(move || {
        be_on(1);
        theirs.change_noted()
    });
    let shares = guarded.clone();
    let third = thread::spawn(move || {
        be_on(0);
        let share = shares.word.share();
        shares.look();
        shares.word.leave(share);
    });
    let mine = guarded.change_noted();
    let changed = other.join().expect("a thread that ends");
    third.join().expect("a thread that ends");
    guarded.assert_changed(changed + mine);
}

/// Two cores make inodes and free them: their numbers differ, and they are counted.
fn inodes() {
    use anchorite_fs::{Caller, Credentials, Inode, Limits, Linkable, New, Ramdisk, Timestamp};

    let credentials = Credentials::default();
    let caller = Caller::new(&credentials, Timestamp::default());
    let limits = Limits { size_bytes: 1 << 40, inodes: 1 << 40 };
    let ramdisk = Ramdisk::new(&caller, 0o755, limits, 1, 0).expect("memory");
    let root = ramdisk.root().clone();
    let make = |root: &_| {
        let credentials = Credentials::default();
        let caller = Caller::new(&credentials, Timestamp::default());
        Inode::create_unnamed(root, &caller, New::Regular, 0o644, Linkable::No).expect("memory")
    };
    let other = thread::spawn(move || {
        be_on(1);
        make(&root)
    });
    be_on(0);
    let mine = make(ramdisk.root());
    let theirs = other.join().expect("a thread that ends");
    assert_ne!(mine.number(), theirs.number());
    assert_eq!(ramdisk.usage().inodes, 3);
    drop(theirs);
    let late = thread::spawn(move || drop(ramdisk));
    drop(mine);
    late.join().expect("a thread that ends");
}

/// Does `act` once, where the locks are a model's.
fn in_model<T: Send + 'static>(act: impl Fn() -> T + Send + Sync + 'static) -> T {
    let result = Arc::new(Mutex::new(None));
    let told = result.clone();
    let act = move || *told.lock().expect("no panic before") = Some(act());
    #[cfg(anchorite_model = "shuttle")]
    shuttle::Runner::new(shuttle::scheduler::RoundRobinScheduler::new(1), config()).run(act);
    #[cfg(anchorite_model = "loom")]
    builder(0).check(act);
    result.lock().expect("no panic before").take().expect("it was done")
}

#[cfg(anchorite_model = "shuttle")]
fn config() -> shuttle::Config {
    let mut config = shuttle::Config::new();
    config.stack_size = 256 * 1024;
    config.max_steps = shuttle::MaxSteps::FailAfter(1_000_000);
    config
}

/// Explores; returns how many schedules there were.
#[cfg(anchorite_model = "shuttle")]
fn model(mode: &str, number: usize, seed: &str, act: impl Fn() + Send + Sync + 'static) -> usize {
    use shuttle::Runner;
    use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};

    /// How many changes of priority PCT makes: it finds bugs of that depth.
    const DEPTH: usize = 3;
    let number_of = || seed.parse().expect("a seed");
    match mode {
        "random" => {
            Runner::new(RandomScheduler::new_from_seed(number_of(), number), config()).run(act)
        }
        "pct" => {
            // PCT learns from the first schedules how long one is.
            let scheduler = PctScheduler::new_from_seed(number_of(), DEPTH, number);
            Runner::new(scheduler, config()).run(act)
        }
        "replay" => Runner::new(ReplayScheduler::new_from_encoded(seed), config()).run(act),
        mode => panic!("{mode} is no scheduler"),
    }
}

#[cfg(anchorite_model = "loom")]
fn builder(preemptions: usize) -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 1_000_000;
    builder
}

/// Explores; returns how many interleavings there were. Ends the process if they were not all.
#[cfg(anchorite_model = "loom")]
fn model(mode: &str, number: usize, seed: &str, act: impl Fn() + Send + Sync + 'static) -> usize {
    assert_eq!(mode, "exhaustive", "the one mode of loom's");
    let seconds = std::time::Duration::from_secs(seed.parse().expect("seconds"));
    let start = std::time::Instant::now();
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    builder(number).check(move || {
        let before = counted.fetch_add(1, Ordering::Relaxed);
        if start.elapsed() >= seconds {
            println!("{before} {}", OUTCOMES.lock().expect("no panic before").len());
            std::process::exit(3);
        }
        act();
    });
    count.load(Ordering::Relaxed) as usize
}
