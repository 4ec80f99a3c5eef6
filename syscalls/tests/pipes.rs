//! Pipes and fifos between threads: who waits is woken, what is written arrives whole and in
//! order, and nothing is held meanwhile. What one thread can tell is in rows, which are compared
//! with Linux: `posix/pipes.txt`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchorite_syscalls::{Errno, System, thread};

/// A test that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(50);
/// Long enough for a thread to get to where it waits; if it did not, a test passes all the same.
const A_WHILE: Duration = Duration::from_millis(20);
const FIFO: &[u8] = b"/fifo";
const READ: i32 = libc::O_RDONLY;
const WRITE: i32 = libc::O_WRONLY;
const BOTH: i32 = libc::O_RDWR;

/// Does a test on a new system with a fifo, and ends the program if it does not end.
fn watched(test: impl FnOnce(&System)) {
    let ended = Arc::new(AtomicBool::new(false));
    let watched = ended.clone();
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::spawn(move || {
        std::thread::sleep(WATCHDOG);
        if !watched.load(Ordering::Relaxed) {
            eprintln!("{name} did not end: somebody waits for ever");
            std::process::abort();
        }
    });
    let system = anchorite_example::system();
    system.mknod(FIFO, libc::S_IFIFO | 0o666, 0).unwrap();
    test(&system);
    ended.store(true, Ordering::Relaxed);
    let report = system.check().unwrap();
    assert!(report.problems.is_empty(), "{report}");
}

/// The byte at an offset of what is sent.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 16) as u8
}

/// Sends `total` bytes in writes of `size`, and closes.
fn send(system: &System, fd: i32, size: usize, total: usize) {
    let mut sent = 0;
    while sent < total {
        let len = size.min(total - sent);
        let bytes: Vec<u8> = (sent..sent + len).map(byte).collect();
        assert_eq!(system.write(fd, &bytes), Ok(len), "a write that waits is never short");
        sent += len;
    }
    system.close(fd).unwrap();
}

/// Reads up to the end by `size` bytes, and closes; how many there were.
fn receive(system: &System, fd: i32, size: usize) -> usize {
    let mut buffer = vec![0; size];
    let mut received = 0;
    loop {
        let len = system.read(fd, &mut buffer).unwrap();
        if len == 0 {
            system.close(fd).unwrap();
            return received;
        }
        let right = (received..received + len).map(byte);
        assert!(buffer[..len].iter().copied().eq(right), "bytes from {received} on");
        received += len;
    }
}

const SIZES: [usize; 9] = [1, 7, 4095, 4096, 4097, 10_000, 65_535, 65_536, 200_000];

#[test]
fn bytes_arrive_in_order_whatever_the_sizes() {
    watched(|system| {
        for writes in SIZES {
            for reads in SIZES {
                let total = 3000 * writes.min(reads).min(100) + writes;
                let [output, input] = system.pipe().unwrap();
                thread::scope(system, |scope| {
                    let sent = scope.spawn(0, move || send(system, input, writes, total));
                    assert_eq!(receive(system, output, reads), total, "{writes} by {reads}");
                    sent.unwrap().join().unwrap();
                });
            }
        }
    });
}

#[test]
fn bytes_go_through_a_fifo_that_both_open_by_name() {
    watched(|system| {
        for size in SIZES {
            thread::scope(system, |scope| {
                let send =
                    move || send(system, system.open(FIFO, WRITE, 0).unwrap(), size, 300_000);
                let sent = scope.spawn(thread::cores(system) - 1, send).unwrap();
                let fd = system.open(FIFO, READ, 0).unwrap();
                assert_eq!(receive(system, fd, 5000), 300_000, "{size}");
                sent.join().unwrap();
            });
        }
    });
}

/// Each write of several threads is a record of one letter and its length; a longer one may be
/// mixed with others, one of PIPE_BUF bytes may not.
#[test]
fn writes_of_up_to_4096_bytes_are_never_mixed() {
    const WRITERS: usize = 4;
    const RECORDS: usize = 400;
    watched(|system| {
        for record in [3, 100, 2049, 4095, 4096] {
            let [output, input] = system.pipe().unwrap();
            thread::scope(system, |scope| {
                for writer in 0..WRITERS {
                    let fd = system.dup(input).unwrap();
                    let write = move || {
                        let bytes = vec![b'a' + writer as u8; record];
                        for _ in 0..RECORDS {
                            assert_eq!(system.write(fd, &bytes), Ok(record));
                        }
                        system.close(fd).unwrap();
                    };
                    scope.spawn(writer as u32 % thread::cores(system), write).unwrap();
                }
                system.close(input).unwrap();
                let mut all = Vec::new();
                let mut buffer = [0; 5001];
                loop {
                    match system.read(output, &mut buffer).unwrap() {
                        0 => break,
                        len => all.extend_from_slice(&buffer[..len]),
                    }
                }
                assert_eq!(all.len(), WRITERS * RECORDS * record);
                for (at, bytes) in all.chunks(record).enumerate() {
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]), "record {at} of {record}");
                }
                for writer in 0..WRITERS {
                    let of_writer = |byte: &&u8| **byte == b'a' + writer as u8;
                    assert_eq!(all.iter().filter(of_writer).count(), RECORDS * record);
                }
            });
            system.close(output).unwrap();
        }
    });
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
fn fifo_opened_one_way_waits_for_the_other() {
    watched(|system| {
        for (waits, wakes) in [
            (READ, WRITE),
            (WRITE, READ),
            (READ, WRITE | libc::O_NONBLOCK),
            (WRITE, READ | libc::O_NONBLOCK),
            (READ, BOTH),
            (WRITE, BOTH),
        ] {
            let fd = woken(
                system,
                || system.open(FIFO, waits, 0).unwrap(),
                // Gone again at once: it was there all the same.
                || system.close(system.open(FIFO, wakes, 0).unwrap()).unwrap(),
            );
            match waits {
                READ => assert_eq!(system.read(fd, &mut [0]), Ok(0)),
                _ => assert_eq!(system.write(fd, b"x"), Err(Errno::EPIPE)),
            }
            system.close(fd).unwrap();
            let alone = system.open(FIFO, WRITE | libc::O_NONBLOCK, 0);
            assert_eq!(alone, Err(Errno::ENXIO), "nothing is left of it");
        }
    });
}

#[test]
fn fifo_that_is_unlinked_meanwhile_is_still_waited_for() {
    watched(|system| {
        system.link(FIFO, b"/other").unwrap();
        let fd = woken(
            system,
            || system.open(FIFO, READ, 0).unwrap(),
            || {
                system.unlink(FIFO).unwrap();
                system.mknod(FIFO, libc::S_IFIFO | 0o666, 0).unwrap();
                let another = system.open(FIFO, WRITE | libc::O_NONBLOCK, 0);
                assert_eq!(another, Err(Errno::ENXIO), "it is another fifo");
                let fd = system.open(b"/other", WRITE, 0).unwrap();
                system.write(fd, b"through").unwrap();
            },
        );
        assert_eq!(system.read(fd, &mut [0; 9]), Ok(7));
    });
}

#[test]
fn reader_is_woken_by_bytes_and_by_the_last_close() {
    watched(|system| {
        let [output, input] = system.pipe().unwrap();
        let read = || system.read(output, &mut [0; 9]);
        assert_eq!(woken(system, read, || _ = system.write(input, b"abc").unwrap()), Ok(3));
        let copy = system.dup(input).unwrap();
        let close = || {
            system.close(input).unwrap();
            std::thread::sleep(A_WHILE);
            system.close(copy).unwrap();
        };
        assert_eq!(woken(system, read, close), Ok(0));
        let [output, input] = system.pipe().unwrap();
        let replace = || _ = system.dup2(output, input).unwrap();
        assert_eq!(woken(system, || system.read(output, &mut [0; 9]), replace), Ok(0));
    });
}

#[test]
fn writer_is_woken_by_room_and_by_the_last_close() {
    watched(|system| {
        let full = || {
            let [output, input] = system.pipe().unwrap();
            assert_eq!(system.write(input, &[1; 65_536]), Ok(65_536));
            (output, input)
        };
        let (output, input) = full();
        let write = || system.write(input, &[2; 4096]);
        let read = || {
            // Not yet: a piece is in the way as long as any of it is.
            assert_eq!(system.read(output, &mut [0; 4095]), Ok(4095));
            std::thread::sleep(A_WHILE);
            assert_eq!(system.read(output, &mut [0; 1]), Ok(1));
        };
        assert_eq!(woken(system, write, read), Ok(4096));
        assert_eq!(woken(system, write, || system.close(output).unwrap()), Err(Errno::EPIPE));

        let (output, input) = full();
        let part = || {
            assert_eq!(system.read(output, &mut [0; 4096]), Ok(4096));
            std::thread::sleep(A_WHILE);
            system.close(output).unwrap();
        };
        assert_eq!(woken(system, || system.write(input, &[2; 10_000]), part), Ok(4096));

        let (output, input) = full();
        let grow = || _ = system.fcntl(output, libc::F_SETPIPE_SZ, 1 << 17).unwrap();
        assert_eq!(woken(system, || system.write(input, &[2; 4096]), grow), Ok(4096));
        let file = system.open(b"/file", BOTH | libc::O_CREAT, 0o600).unwrap();
        system.pwrite(file, &[3; 9000], 0).unwrap();
        assert_eq!(system.write(input, &[2; 15 * 4096]), Ok(15 * 4096));
        let send = || system.sendfile(input, file, Some(&mut 0), 9000);
        let read = || _ = system.read(output, &mut [0; 4096]).unwrap();
        assert_eq!(woken(system, send, read), Ok(4096), "what finds room is sent");
    });
}

#[test]
fn poll_and_select_are_woken_by_any_of_theirs() {
    watched(|system| {
        let pipes = [(); 3].map(|()| system.pipe().unwrap());
        let wait = || {
            let mut files =
                pipes.map(|[fd, _]| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
            let count = system.poll(&mut files, -1).unwrap();
            (count, files.map(|file| file.revents))
        };
        let write = |at: usize| move || _ = system.write(pipes[at][1], b"x").unwrap();
        for at in 0..3 {
            let (count, told) = woken(system, wait, write(at));
            assert_eq!((count, told[at]), (1, libc::POLLIN));
            assert_eq!(system.read(pipes[at][0], &mut [0; 9]), Ok(1));
        }
        let select = || {
            let mut set = [pipes.iter().fold(0, |set, [fd, _]| set | 1 << fd)];
            let count = system.select(64, [Some(&mut set), None, None], None);
            (count, set)
        };
        let (count, set) = woken(system, select, write(2));
        assert_eq!((count, set), (Ok(1), [1 << pipes[2][0]]));
        let (_, told) = woken(
            system,
            || system.read(pipes[2][0], &mut [0]).map(|_| wait()).unwrap(),
            || system.close(pipes[0][1]).unwrap(),
        );
        assert_eq!(told, [libc::POLLHUP, 0, 0]);
    });
}

#[test]
fn poll_for_a_time_is_over_then_or_earlier() {
    watched(|system| {
        let [output, input] = system.pipe().unwrap();
        let poll = |milliseconds| {
            let mut file = [libc::pollfd { fd: output, events: libc::POLLIN, revents: 0 }];
            system.poll(&mut file, milliseconds)
        };
        let start = std::time::Instant::now();
        assert_eq!(poll(50), Ok(0));
        assert!(start.elapsed() >= Duration::from_millis(50));
        let written = || _ = system.write(input, b"x").unwrap();
        assert_eq!(woken(system, || poll(40_000), written), Ok(1));
    });
}

/// While somebody waits, others may become other users, go elsewhere and close what is waited
/// for. Waiting in a call that held the identity would keep them waiting too.
#[test]
fn nothing_is_held_while_somebody_waits() {
    watched(|system| {
        let change = || {
            system.setgroups(&[7]).unwrap();
            system.setresuid(u32::MAX, 0, u32::MAX).unwrap();
            system.mkdir(b"/d", 0o755).unwrap_or_default();
            system.chdir(b"/d").unwrap();
            system.rename(FIFO, b"/moved").unwrap();
            system.rename(b"/moved", FIFO).unwrap();
        };
        let [output, input] = system.pipe().unwrap();
        let write = || {
            change();
            system.write(input, b"x").unwrap();
        };
        assert_eq!(woken(system, || system.read(output, &mut [0]), write), Ok(1));
        let open = || {
            change();
            system.open(FIFO, WRITE, 0).unwrap();
        };
        let relative = || {
            system.chdir(b"/").unwrap();
            system.open(b"fifo", READ, 0)
        };
        woken(system, relative, open).unwrap();
        let mut file = [libc::pollfd { fd: output, events: libc::POLLIN, revents: 0 }];
        assert_eq!(woken(system, || system.poll(&mut file, -1), write), Ok(1));
        // The one who reads still has its end.
        assert_eq!(system.read(output, &mut [0]), Ok(1));
        let close = || {
            system.close(output).unwrap();
            system.write(input, b"x").unwrap();
        };
        assert_eq!(woken(system, || system.read(output, &mut [0]), close), Ok(1));
        assert_eq!(system.write(input, b"x"), Err(Errno::EPIPE));
    });
}

/// A read that waits parks the thread, and so could take the token that another thread gave it
/// for something else.
#[test]
fn token_for_something_else_is_there_afterwards() {
    watched(|system| {
        let [output, input] = system.pipe().unwrap();
        thread::scope(system, |scope| {
            let read = move || {
                assert_eq!(system.read(output, &mut [0]), Ok(1));
                // Would wait for ever without it.
                thread::park(system);
            };
            let reading = scope.spawn(0, read).unwrap();
            std::thread::sleep(A_WHILE);
            thread::unpark(system, reading.id());
            std::thread::sleep(A_WHILE);
            system.write(input, b"x").unwrap();
            reading.join().unwrap();
        });
    });
}

/// Many open and close a fifo at once, in both directions, with and without waiting.
#[test]
fn fifo_comes_and_goes_with_those_who_have_it_open() {
    const ROUNDS: usize = 3000;
    watched(|system| {
        thread::scope(system, |scope| {
            for nth in 0..4 {
                let flags = [READ, WRITE, BOTH, READ][nth] | libc::O_NONBLOCK;
                let come_and_go = move || {
                    for _ in 0..ROUNDS {
                        match system.open(FIFO, flags, 0) {
                            Ok(fd) => {
                                let _ = system.write(fd, b"x");
                                let _ = system.read(fd, &mut [0; 4]);
                                system.close(fd).unwrap();
                            }
                            Err(errno) => assert_eq!(errno, Errno::ENXIO),
                        }
                    }
                };
                scope.spawn(nth as u32 % thread::cores(system), come_and_go).unwrap();
            }
        });
        let alone = system.open(FIFO, WRITE | libc::O_NONBLOCK, 0);
        assert_eq!(alone, Err(Errno::ENXIO), "nobody has it open");
        let fd = system.open(FIFO, READ | libc::O_NONBLOCK, 0).unwrap();
        assert_eq!(system.read(fd, &mut [0; 4]), Ok(0), "it is empty");
    });
}
