//! Locks between threads: who waits is woken, nobody gets what another has, and nothing is left
//! behind. And sequences of one thread over few bytes, against a map of each byte. What one thread
//! can tell else is in rows, which are compared with Linux: `posix/locks.txt`.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anchorite_syscalls::{Errno, Result, System, thread};

/// A test that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(50);
/// Long enough for a thread to get to where it waits; if it did not, a test passes all the same.
const A_WHILE: Duration = Duration::from_millis(20);
const FILE: &[u8] = b"/file";
const READ: i32 = libc::F_RDLCK;
const WRITE: i32 = libc::F_WRLCK;
const NONE: i32 = libc::F_UNLCK;

/// Does a test on a new system with a file, and ends the program if it does not end. Afterwards
/// nobody has anything locked.
fn watched(test: impl FnOnce(&System)) {
    let (ended, ends) = mpsc::channel::<()>();
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::spawn(move || {
        if ends.recv_timeout(WATCHDOG) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} did not end: somebody waits for ever");
            std::process::abort();
        }
    });
    let system = anchorite_example::system();
    system.creat(FILE, 0o600).and_then(|fd| system.close(fd)).unwrap();
    test(&system);
    assert_free(&system);
    drop(ended);
    let report = system.check().unwrap();
    assert!(report.problems.is_empty(), "{report}");
}

/// Asserts that nobody has anything of the file.
fn assert_free(system: &System) {
    let fd = open(system);
    assert_eq!(system.flock(fd, libc::LOCK_EX | libc::LOCK_NB), Ok(()));
    assert_eq!(set(system, fd, libc::F_OFD_SETLK, WRITE, 0, 0), Ok(()));
    system.close(fd).unwrap();
}

fn open(system: &System) -> i32 {
    system.open(FILE, libc::O_RDWR, 0).unwrap()
}

fn lock(kind: i32, l_start: i64, l_len: i64) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: 0, l_start, l_len, l_pid: 0 }
}

fn set(system: &System, fd: i32, command: i32, kind: i32, start: i64, len: i64) -> Result<()> {
    system.fcntl_lock(fd, command, &mut lock(kind, start, len))
}

/// Starts `waits`, which is to be still at it after a while, then does `wakes`; what came of
/// the first.
fn woken<T: Send>(system: &System, waits: impl FnOnce() -> T + Send, wakes: impl FnOnce()) -> T {
    let done = AtomicBool::new(false);
    thread::scope(system, |scope| {
        let waiting = scope.spawn(thread::cores(system) - 1, || {
            let result = waits();
            done.store(true, Ordering::SeqCst);
            result
        });
        std::thread::sleep(A_WHILE);
        assert!(!done.load(Ordering::SeqCst), "it did not wait");
        wakes();
        waiting.unwrap().join().unwrap()
    })
}

#[test]
fn flock_waits_until_the_other_lets_go() {
    watched(|system| {
        for (held, wanted) in [
            (libc::LOCK_EX, libc::LOCK_EX),
            (libc::LOCK_EX, libc::LOCK_SH),
            (libc::LOCK_SH, libc::LOCK_EX),
        ] {
            let unlock = |fd| system.flock(fd, libc::LOCK_UN);
            let close = |fd| system.close(fd);
            let replace = |fd| system.dup2(0, fd).map(|_| ());
            let close_all = |fd| system.close_range(fd as u32, fd as u32, 0);
            let ways: [&dyn Fn(i32) -> Result<()>; 4] = [&unlock, &close, &replace, &close_all];
            for way in ways {
                let (one, other) = (open(system), open(system));
                system.flock(one, held).unwrap();
                let wait = || system.flock(other, wanted);
                assert_eq!(woken(system, wait, || way(one).unwrap()), Ok(()));
                let third = open(system);
                let try_lock = system.flock(third, libc::LOCK_EX | libc::LOCK_NB);
                assert_eq!(try_lock, Err(Errno::EAGAIN), "it has the lock now");
                system.close_range(3, u32::MAX, 0).unwrap();
            }
        }
        // One that is shared from now on lets others in.
        let (one, other) = (open(system), open(system));
        system.flock(one, libc::LOCK_EX).unwrap();
        let share = || system.flock(one, libc::LOCK_SH).unwrap();
        assert_eq!(woken(system, || system.flock(other, libc::LOCK_SH), share), Ok(()));
        // Both want it alone: each lets go of what it has first, so neither waits for ever.
        let alone = || system.flock(one, libc::LOCK_EX);
        let also = || system.flock(other, libc::LOCK_EX).unwrap();
        let both = || {
            also();
            system.flock(other, libc::LOCK_UN).unwrap();
        };
        assert_eq!(woken(system, alone, both), Ok(()));
        system.close_range(3, u32::MAX, 0).unwrap();
    });
}

#[test]
fn ranges_wait_until_the_other_lets_go() {
    watched(|system| {
        let (one, other) = (open(system), open(system));
        let wait = || set(system, other, libc::F_OFD_SETLKW, WRITE, 5, 5);
        let give_up = |kind, start, len| {
            move || set(system, one, libc::F_OFD_SETLK, kind, start, len).unwrap()
        };
        // All of it, just that part, piece by piece.
        set(system, one, libc::F_OFD_SETLK, WRITE, 0, 20).unwrap();
        assert_eq!(woken(system, wait, give_up(NONE, 0, 0)), Ok(()));
        set(system, other, libc::F_OFD_SETLK, NONE, 0, 0).unwrap();
        set(system, one, libc::F_OFD_SETLK, WRITE, 0, 20).unwrap();
        let piece_by_piece = || {
            give_up(NONE, 5, 2)();
            give_up(NONE, 9, 4)();
            std::thread::sleep(A_WHILE);
            give_up(NONE, 7, 2)();
        };
        assert_eq!(woken(system, wait, piece_by_piece), Ok(()));
        assert_eq!(set(system, one, libc::F_OFD_SETLK, READ, 9, 1), Err(Errno::EAGAIN));
        set(system, other, libc::F_OFD_SETLK, NONE, 0, 0).unwrap();
        // One who may read now.
        set(system, one, libc::F_OFD_SETLK, WRITE, 0, 20).unwrap();
        let read = || set(system, other, libc::F_OFD_SETLKW, READ, 5, 5);
        assert_eq!(woken(system, read, give_up(READ, 0, 20)), Ok(()));
        set(system, other, libc::F_OFD_SETLK, NONE, 0, 0).unwrap();
        // The last descriptor goes.
        let copy = system.dup(one).unwrap();
        let close = || {
            system.close(one).unwrap();
            std::thread::sleep(A_WHILE);
            system.close(copy).unwrap();
        };
        assert_eq!(woken(system, wait, close), Ok(()));
        system.close(other).unwrap();
    });
}

/// The process waits for descriptions, and they for it; any descriptor of the file that is closed
/// ends its locks.
#[test]
fn process_and_descriptions_wait_for_each_other() {
    watched(|system| {
        let (one, other) = (open(system), open(system));
        let process = |kind| move || set(system, one, libc::F_SETLKW, kind, 0, 10);
        let description = || set(system, other, libc::F_OFD_SETLKW, WRITE, 9, 1);
        process(WRITE)().unwrap();
        // Threads of the process have its locks together.
        let again =
            thread::scope(system, |scope| scope.spawn(0, process(WRITE)).unwrap().join().unwrap());
        assert_eq!(again, Ok(()));
        assert_eq!(woken(system, description, || process(NONE)().unwrap()), Ok(()));
        let give_up = || set(system, other, libc::F_OFD_SETLK, NONE, 0, 0).unwrap();
        assert_eq!(woken(system, process(READ), give_up), Ok(()));
        let third = open(system);
        assert_eq!(woken(system, description, || system.close(third).unwrap()), Ok(()));
        system.close_range(3, u32::MAX, 0).unwrap();
    });
}

/// As on Linux: the process is told that it would wait for ever for a description that waits for
/// it; a description is not told.
#[test]
fn process_is_told_that_it_would_wait_for_who_waits_for_it() {
    watched(|system| {
        let (one, other) = (open(system), open(system));
        set(system, one, libc::F_SETLK, WRITE, 0, 1).unwrap();
        set(system, other, libc::F_OFD_SETLK, WRITE, 1, 1).unwrap();
        let description = || set(system, other, libc::F_OFD_SETLKW, WRITE, 0, 1);
        let process = || {
            let told = set(system, one, libc::F_SETLKW, WRITE, 1, 1);
            assert_eq!(told, Err(Errno::EDEADLK));
            let told = set(system, one, libc::F_SETLK, WRITE, 1, 1);
            assert_eq!(told, Err(Errno::EAGAIN), "without waiting there is no danger");
            set(system, one, libc::F_SETLK, NONE, 0, 1).unwrap();
        };
        assert_eq!(woken(system, description, process), Ok(()));
        // Who waits for another description is not known to be waited for.
        let third = open(system);
        let description = || set(system, third, libc::F_OFD_SETLKW, WRITE, 0, 1);
        set(system, third, libc::F_OFD_SETLK, WRITE, 5, 1).unwrap();
        let others = || {
            let process = || set(system, one, libc::F_SETLKW, WRITE, 5, 1);
            let give_up = || set(system, third, libc::F_OFD_SETLK, NONE, 5, 1).unwrap();
            assert_eq!(woken(system, process, give_up), Ok(()));
            set(system, other, libc::F_OFD_SETLK, NONE, 0, 0).unwrap();
        };
        assert_eq!(woken(system, description, others), Ok(()));
        system.close_range(3, u32::MAX, 0).unwrap();
    });
}

/// A counter, in the file, that is read and written back by whoever has the lock; and what a lock
/// to read keeps as it is.
#[test]
fn locks_keep_all_others_out_under_contention() {
    const ROUNDS: i64 = 150;
    type Lock = fn(&System, i32, bool) -> Result<()>;
    let whole: Lock =
        |system, fd, alone| system.flock(fd, if alone { libc::LOCK_EX } else { libc::LOCK_SH });
    let range: Lock = |system, fd, alone| {
        set(system, fd, libc::F_OFD_SETLKW, if alone { WRITE } else { READ }, 3, 4)
    };
    type Unlock = fn(&System, i32) -> Result<()>;
    let kinds: [(Lock, Unlock); 2] = [
        (whole, |system, fd| system.flock(fd, libc::LOCK_UN)),
        (range, |system, fd| set(system, fd, libc::F_OFD_SETLK, NONE, 0, 0)),
    ];
    for (lock, unlock) in kinds {
        watched(|system| {
            let get = |fd| {
                let mut bytes = [0; 8];
                system.pread(fd, &mut bytes, 0).unwrap();
                i64::from_ne_bytes(bytes)
            };
            let expected = AtomicI64::new(0);
            thread::scope(system, |scope| {
                for nth in 0..4 {
                    let expected = &expected;
                    let work = move || {
                        let fd = open(system);
                        for round in 0..ROUNDS {
                            let alone = (round + nth) % 3 > 0;
                            lock(system, fd, alone).unwrap();
                            let before = get(fd);
                            system.sched_yield();
                            if alone {
                                system.pwrite(fd, &(before + 1).to_ne_bytes(), 0).unwrap();
                                expected.fetch_add(1, Ordering::Relaxed);
                            } else {
                                assert_eq!(get(fd), before, "it changed while locked to read");
                            }
                            unlock(system, fd).unwrap();
                        }
                        system.close(fd).unwrap();
                    };
                    scope.spawn(nth as u32 % thread::cores(system), work).unwrap();
                }
            });
            let fd = open(system);
            assert_eq!(get(fd), expected.into_inner());
            system.close(fd).unwrap();
        });
    }
}

/// A lock that is set while another thread closes the descriptor is not left behind.
#[test]
fn locks_are_not_left_behind_by_a_close_meanwhile() {
    const ROUNDS: usize = 1000;
    watched(|system| {
        for round in 0..ROUNDS {
            let fd = open(system);
            thread::scope(system, |scope| {
                let commands = [libc::F_SETLK, libc::F_OFD_SETLK];
                let lock = move || set(system, fd, commands[round % 2], WRITE, 0, 9);
                let locked = scope.spawn(thread::cores(system) - 1, lock).unwrap();
                system.close(fd).unwrap();
                let told = locked.join().unwrap();
                assert!(matches!(told, Ok(()) | Err(Errno::EBADF)), "{told:?}");
            });
            assert_free(system);
        }
    });
}

/// Nothing is held while somebody waits, and who waits takes no token that was meant for
/// something else.
#[test]
fn nothing_is_held_while_somebody_waits_for_a_lock() {
    watched(|system| {
        let (one, other) = (open(system), open(system));
        system.flock(one, libc::LOCK_EX).unwrap();
        thread::scope(system, |scope| {
            let wait = move || {
                system.flock(other, libc::LOCK_SH).unwrap();
                // Would wait for ever without its token.
                thread::park(system);
            };
            let waiting = scope.spawn(0, wait).unwrap();
            std::thread::sleep(A_WHILE);
            thread::unpark(system, waiting.id());
            std::thread::sleep(A_WHILE);
            system.setresuid(u32::MAX, 0, u32::MAX).unwrap();
            system.rename(FILE, b"/moved").unwrap();
            system.rename(b"/moved", FILE).unwrap();
            system.chdir(b"/").unwrap();
            // Of another file, too.
            let third = system.open(b"/third", libc::O_RDWR | libc::O_CREAT, 0o600).unwrap();
            system.flock(third, libc::LOCK_EX).unwrap();
            system.close(third).unwrap();
            // The one who waits keeps its description.
            system.close(other).unwrap();
            system.flock(one, libc::LOCK_UN).unwrap();
            waiting.join().unwrap();
        });
        system.close(one).unwrap();
    });
}

/// Locks take memory of the kernel: there are so many and no more, and as many again once they were
/// given up.
#[test]
fn locks_end_at_their_limit_with_enolck() {
    const MOST: i64 = 8192;
    watched(|system| {
        let (fd, other) = (open(system), open(system));
        for _ in 0..2 {
            for nth in 0..MOST {
                assert_eq!(set(system, fd, libc::F_OFD_SETLK, WRITE, 3 * nth, 2), Ok(()));
            }
            assert_eq!(set(system, fd, libc::F_SETLK, WRITE, 3 * MOST, 2), Err(Errno::ENOLCK));
            assert_eq!(system.flock(other, libc::LOCK_EX), Err(Errno::ENOLCK));
            // One that would become two.
            set(system, fd, libc::F_OFD_SETLK, WRITE, 1, 3).unwrap();
            set(system, fd, libc::F_OFD_SETLK, WRITE, 3 * MOST, 1).unwrap();
            assert_eq!(set(system, fd, libc::F_OFD_SETLK, NONE, 2, 1), Err(Errno::ENOLCK));
            assert_eq!(set(system, fd, libc::F_OFD_SETLK, READ, 2, 1), Err(Errno::ENOLCK));
            // What makes none more is done.
            set(system, fd, libc::F_OFD_SETLK, READ, 6, 2).unwrap();
            set(system, fd, libc::F_OFD_SETLK, NONE, 9, 2).unwrap();
            assert_eq!(system.flock(other, libc::LOCK_EX), Ok(()));
            system.flock(other, libc::LOCK_UN).unwrap();
            set(system, fd, libc::F_OFD_SETLK, NONE, 0, 0).unwrap();
        }
        system.close_range(3, u32::MAX, 0).unwrap();
    });
}

/// Who has what of each byte, by a map of bytes.
#[test]
fn random_ranges_are_as_in_a_map_of_bytes() {
    const BYTES: usize = 24;
    const OWNERS: usize = 3;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % limit
    };
    watched(|system| {
        let fds = [open(system), open(system), open(system)];
        // The last is the process.
        let command = |owner: usize, set: i32, of_description: i32| {
            if owner == OWNERS - 1 { set } else { of_description }
        };
        let mut map = [[NONE; BYTES]; OWNERS];
        let (mut granted, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let (owner, start) = (below(OWNERS), below(BYTES));
            let len = 1 + below((BYTES - start).min(9));
            let kind = [READ, WRITE, NONE][below(3)];
            let is_in_the_way = |other: i32| kind != NONE && (kind == WRITE || other == WRITE);
            let range = start..start + len;
            let is_free = !range.clone().any(|byte| {
                let all = (0..OWNERS).filter(|at| *at != owner).map(|at| map[at][byte]);
                all.filter(|other| *other != NONE).any(is_in_the_way)
            });
            let how = command(owner, libc::F_SETLK, libc::F_OFD_SETLK);
            let told = set(system, fds[owner], how, kind, start as i64, len as i64);
            assert_eq!(told, if is_free { Ok(()) } else { Err(Errno::EAGAIN) });
            if is_free {
                map[owner][range].fill(kind);
                granted += 1;
            } else {
                refused += 1;
            }
            // Each byte alone, as another sees it.
            let byte = below(BYTES);
            let how = command(owner, libc::F_GETLK, libc::F_OFD_GETLK);
            let mut found = lock(WRITE, byte as i64, 1);
            system.fcntl_lock(fds[owner], how, &mut found).unwrap();
            let other = (0..OWNERS).filter(|at| *at != owner).map(|at| map[at][byte]);
            let kinds: Vec<i32> = other.filter(|kind| *kind != NONE).collect();
            if kinds.is_empty() {
                assert_eq!(i32::from(found.l_type), NONE, "{map:?}");
            } else {
                assert!(kinds.contains(&found.l_type.into()), "{kinds:?}");
                // It is told whole: as far as it is of this kind, and of one owner.
                let (first, len) = (found.l_start as usize, found.l_len as usize);
                let is_run = |of: &[i32; BYTES]| {
                    of[first..first + len].iter().all(|kind| *kind == found.l_type.into())
                        && (first == 0 || of[first - 1] != found.l_type.into())
                        && of.get(first + len) != Some(&found.l_type.into())
                };
                let owners = (0..OWNERS).filter(|at| *at != owner);
                assert!(owners.clone().any(|at| is_run(&map[at])), "{first}, {len}: {map:?}");
            }
        }
        assert!(granted > 4000 && refused > 4000, "{granted} granted, {refused} refused");
        system.close_range(3, u32::MAX, 0).unwrap();
    });
}
