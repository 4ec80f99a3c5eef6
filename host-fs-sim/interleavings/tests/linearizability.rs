//! Real threads call at once, and the history of their calls must be one that calls in some
//! order have: of a directory as a set of names, and of a file as its bytes.
//!
//! `ANCHORITE_ROUNDS` is how many histories of each kind there are (100), and
//! `ANCHORITE_SEED` what they are made from (1).

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use anchorite_interleavings::ground::{ROOMY, system};
use anchorite_interleavings::linear::{Event, Spec, linearize};
use anchorite_programs::posix::methods::entries;
use anchorite_syscalls::{Errno, System};

const THREADS: usize = 4;
/// Calls of each thread in one history.
const CALLS: usize = 24;
const RW: i32 = libc::O_RDWR | libc::O_CREAT;

/// A small generator of numbers; xorshift.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

fn variable(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => default,
    }
}

/// Makes histories by calls that `call` chooses, and checks each.
fn check<S: Spec<Call: Send>>(
    initial: impl Fn() -> (System, S),
    call: impl Fn(&System, usize, &mut Random) -> S::Call + Sync,
) {
    let (rounds, first) = (variable("ANCHORITE_ROUNDS", 100), variable("ANCHORITE_SEED", 1));
    let mut overlaps = 0;
    for seed in first..first + rounds {
        let (system, state) = initial();
        let (clock, start) = (AtomicU64::new(0), Barrier::new(THREADS));
        let of_thread = |thread: usize| {
            let mut random = Random::new(seed * THREADS as u64 + thread as u64);
            start.wait();
            let calls = (0..CALLS).map(|_| {
                let start = clock.fetch_add(1, Ordering::SeqCst);
                // Even one processor is to let calls overlap.
                let pause = |now: bool| {
                    if now {
                        std::thread::yield_now()
                    }
                };
                pause(random.below(2) == 0);
                let call = call(&system, thread, &mut random);
                pause(random.below(4) == 0);
                Event { thread, call, start, end: clock.fetch_add(1, Ordering::SeqCst) }
            });
            calls.collect::<Vec<_>>()
        };
        let of_thread = &of_thread;
        let history: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..THREADS).map(|thread| scope.spawn(move || of_thread(thread))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        overlaps += history.iter().filter(|event| event.end > event.start + 1).count();
        if let Err(told) = linearize(&state, &history) {
            panic!("ANCHORITE_ROUNDS=1 ANCHORITE_SEED={seed} makes the same calls: {told}");
        }
        let report = system.check().expect("memory to check with");
        assert!(report.problems.is_empty(), "ANCHORITE_SEED={seed}: {:?}", report.problems);
    }
    println!(
        "{rounds} histories of {} calls from seed {first}; {overlaps} calls overlapped",
        THREADS * CALLS
    );
    assert!(overlaps as u64 > 10 * rounds, "the threads ran one after another");
}

/// Names and the inodes that they name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Names(BTreeMap<Vec<u8>, u64>);

#[derive(Debug)]
enum OfNames {
    Create(Vec<u8>, Result<u64, Errno>),
    Unlink(Vec<u8>, Result<(), Errno>),
    /// Of a file by its number, which a descriptor names: `link` itself looks for the old
    /// name before it makes the new one, on Linux too.
    Link(u64, Vec<u8>, Result<(), Errno>),
    Rename(Vec<u8>, Vec<u8>, Result<(), Errno>),
    LookUp(Vec<u8>, Result<u64, Errno>),
    List(Vec<Vec<u8>>),
}

impl Spec for Names {
    type Call = OfNames;

    fn after(&self, call: &OfNames) -> Option<Names> {
        let mut after = self.clone();
        let names = &mut after.0;
        let fits = match call {
            OfNames::Create(name, Ok(ino)) => names.insert(name.clone(), *ino).is_none(),
            OfNames::Create(name, Err(Errno::EEXIST)) => names.contains_key(name),
            OfNames::Unlink(name, Ok(())) => names.remove(name).is_some(),
            OfNames::Unlink(name, Err(Errno::ENOENT)) => !names.contains_key(name),
            OfNames::Link(ino, new, Ok(())) => names.insert(new.clone(), *ino).is_none(),
            OfNames::Link(_, new, Err(Errno::EEXIST)) => names.contains_key(new),
            // Both names of one file: nothing is done.
            OfNames::Rename(old, new, Ok(())) if names.get(old) == names.get(new) => {
                names.contains_key(old)
            }
            OfNames::Rename(old, new, Ok(())) => match names.remove(old) {
                Some(ino) => {
                    names.insert(new.clone(), ino);
                    true
                }
                None => false,
            },
            OfNames::Rename(old, _, Err(Errno::ENOENT)) => !names.contains_key(old),
            OfNames::LookUp(name, Ok(ino)) => names.get(name) == Some(ino),
            OfNames::LookUp(name, Err(Errno::ENOENT)) => !names.contains_key(name),
            OfNames::List(listed) => names.keys().eq(listed),
            _ => false,
        };
        fits.then_some(after)
    }
}

fn path(name: &[u8]) -> Vec<u8> {
    [b"/d/", name].concat()
}

#[test]
fn a_directory_is_a_set_of_names() {
    let initial = || {
        let system = system(ROOMY);
        system.mkdir(b"/d", 0o755).unwrap();
        assert_eq!(system.open(b"/other", RW, 0o644), Ok(3));
        (system, Names(BTreeMap::new()))
    };
    check(initial, |system, _, random| {
        let mut name = || format!("n{}", random.below(4)).into_bytes();
        let (one, two) = (name(), name());
        match random.below(8) {
            0 | 1 => {
                let fd = system.open(&path(&one), RW | libc::O_EXCL, 0o644);
                let ino = fd.map(|fd| {
                    let ino = system.fstat(fd).unwrap().st_ino;
                    system.close(fd).unwrap();
                    ino
                });
                OfNames::Create(one, ino)
            }
            2 => {
                let done = system.unlink(&path(&one));
                OfNames::Unlink(one, done)
            }
            3 => {
                let flags = libc::AT_EMPTY_PATH;
                let done = system.linkat(3, b"", libc::AT_FDCWD, &path(&one), flags);
                OfNames::Link(system.fstat(3).unwrap().st_ino, one, done)
            }
            4 | 5 => {
                let done = system.rename(&path(&one), &path(&two));
                OfNames::Rename(one, two, done)
            }
            6 => {
                let ino = system.stat(&path(&one)).map(|stat| stat.st_ino);
                OfNames::LookUp(one, ino)
            }
            _ => {
                let fd = system.open(b"/d", libc::O_RDONLY, 0).unwrap();
                let mut buffer = [0; 1000];
                let len = system.getdents64(fd, &mut buffer).unwrap();
                system.close(fd).unwrap();
                let names = entries(&buffer[..len]).into_iter().map(|(name, _)| name);
                let mut names: Vec<_> =
                    names.filter(|name| !matches!(&name[..], b"." | b"..")).collect();
                names.sort();
                OfNames::List(names)
            }
        }
    });
}

/// Bytes of a unit: so that two and a part of them make a page.
const UNIT: usize = 1700;
/// Units that a file has at most before appends.
const UNITS: usize = 5;

/// A file's units, each of one letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Bytes(Vec<u8>);

#[derive(Debug)]
enum OfBytes {
    Read { at: usize, units: usize, found: Option<Vec<u8>> },
    Write { at: usize, units: Vec<u8> },
    Append(Vec<u8>),
    Truncate(usize),
    Size(usize),
}

impl Spec for Bytes {
    type Call = OfBytes;

    fn after(&self, call: &OfBytes) -> Option<Bytes> {
        let mut after = self.clone();
        let bytes = &mut after.0;
        match call {
            OfBytes::Read { at, units, found } => {
                let end = bytes.len().min(at + units);
                let there = bytes.get(*at..end).unwrap_or_default();
                return (Some(there) == found.as_deref()).then_some(after);
            }
            OfBytes::Write { at, units } => {
                let end = at + units.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(units);
            }
            OfBytes::Append(units) => bytes.extend(units),
            OfBytes::Truncate(units) => bytes.resize(*units, 0),
            OfBytes::Size(units) => return (bytes.len() == *units).then_some(after),
        }
        Some(after)
    }
}

fn spread(units: &[u8]) -> Vec<u8> {
    units.iter().flat_map(|&unit| [unit; UNIT]).collect()
}

/// The units in these bytes; none if one is torn.
fn gathered(bytes: &[u8]) -> Option<Vec<u8>> {
    let unit = |unit: &[u8]| {
        (unit.len() == UNIT && unit.iter().all(|&byte| byte == unit[0])).then_some(unit[0])
    };
    bytes.chunks(UNIT).map(unit).collect()
}

#[test]
fn a_file_is_its_bytes() {
    let initial = || {
        let system = system(ROOMY);
        assert_eq!(system.open(b"/f", RW, 0o644), Ok(3));
        assert_eq!(system.open(b"/f", libc::O_WRONLY | libc::O_APPEND, 0), Ok(4));
        (system, Bytes(Vec::new()))
    };
    let letter = AtomicU64::new(0);
    check(initial, |system, _, random| {
        let units = |count: usize| -> Vec<u8> {
            let next = || 1 + (letter.fetch_add(1, Ordering::Relaxed) % 250) as u8;
            (0..count).map(|_| next()).collect()
        };
        let (at, count) = (random.below(UNITS), 1 + random.below(3));
        match random.below(7) {
            0 | 1 => {
                let mut buffer = vec![0xff; UNIT * count];
                let len = system.pread(3, &mut buffer, (at * UNIT) as i64).unwrap();
                OfBytes::Read { at, units: count, found: gathered(&buffer[..len]) }
            }
            2 | 3 => {
                let units = units(count);
                let bytes = spread(&units);
                assert_eq!(system.pwrite(3, &bytes, (at * UNIT) as i64), Ok(bytes.len()));
                OfBytes::Write { at, units }
            }
            4 => {
                let units = units(count);
                let bytes = spread(&units);
                assert_eq!(system.write(4, &bytes), Ok(bytes.len()));
                OfBytes::Append(units)
            }
            5 => {
                system.ftruncate(3, (at * UNIT) as i64).unwrap();
                OfBytes::Truncate(at)
            }
            _ => {
                let size = system.fstat(3).unwrap().st_size as usize;
                assert_eq!(size % UNIT, 0, "a torn size");
                OfBytes::Size(size / UNIT)
            }
        }
    });
}

/// What a lost append and a torn read look like is refused.
#[test]
fn broken_histories_of_files_and_directories_are_refused() {
    let at_once = |calls: Vec<OfBytes>| -> Vec<_> {
        let event = |(thread, call)| Event { thread, call, start: 2 * thread as u64, end: 100 };
        calls.into_iter().enumerate().map(event).collect()
    };
    let appends = || vec![OfBytes::Append(vec![1]), OfBytes::Append(vec![2])];
    let with = |last: OfBytes| {
        let mut history = at_once(appends());
        history.push(Event { thread: 0, call: last, start: 101, end: 102 });
        linearize(&Bytes(Vec::new()), &history)
    };
    let read = |found| OfBytes::Read { at: 0, units: 3, found };
    assert!(with(read(Some(vec![2, 1]))).is_ok());
    assert!(with(OfBytes::Size(1)).is_err(), "a lost append");
    assert!(with(read(Some(vec![1, 1]))).is_err(), "an append over another");
    assert!(with(read(None)).is_err(), "a torn read");

    let name = |name: &str| name.as_bytes().to_vec();
    let history = [
        Event { thread: 0, call: OfNames::Create(name("a"), Ok(2)), start: 0, end: 1 },
        Event { thread: 1, call: OfNames::Rename(name("a"), name("b"), Ok(())), start: 2, end: 5 },
        Event { thread: 0, call: OfNames::List(vec![]), start: 3, end: 4 },
    ];
    assert!(linearize(&Names(BTreeMap::new()), &history).is_err(), "gone between two names");
    let twice = vec![name("a"), name("b")];
    let history = [(OfNames::Create(name("a"), Ok(2)), 0), (OfNames::List(twice), 2)];
    let history = history.map(|(call, start)| Event { thread: 0, call, start, end: start + 1 });
    assert!(linearize(&Names(BTreeMap::new()), &history).is_err(), "a name that nobody made");
}
