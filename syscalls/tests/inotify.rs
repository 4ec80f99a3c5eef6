//! inotify between threads: who waits is woken, events of one name come in the order in which it
//! changed, none is lost or told twice; and what takes too many calls for a row: limits and the
//! overflow of a queue. What one thread can tell is in rows, which are compared with Linux:
//! `posix/inotify.txt`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchorite_syscalls::{Errno, System, thread};
use libc::{
    IN_ALL_EVENTS, IN_ATTRIB, IN_CREATE, IN_DELETE, IN_IGNORED, IN_ISDIR, IN_MODIFY, IN_MOVED_FROM,
    IN_MOVED_TO, IN_NONBLOCK, IN_OPEN, IN_Q_OVERFLOW,
};

/// A test that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(50);
/// Long enough for a thread to get to where it waits; if it did not, a test passes all the same.
const A_WHILE: Duration = Duration::from_millis(20);

/// An event without what pads it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    wd: i32,
    mask: u32,
    cookie: u32,
    name: String,
}

/// Does a test on a new system with a directory `/d`, and ends the program if it does not end.
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
    system.mkdir(b"/d", 0o777).unwrap();
    test(&system);
    ended.store(true, Ordering::Relaxed);
    let report = system.check().unwrap();
    assert!(report.problems.is_empty(), "{report}");
}

/// The events that one read gets.
fn read(system: &System, fd: i32) -> Result<Vec<Event>, Errno> {
    let mut buffer = vec![0; 1 << 20];
    let len = system.read(fd, &mut buffer)?;
    let mut rest = &buffer[..len];
    let mut events = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<16>() {
        let word = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap());
        let (name, after) = after.split_at(word(12) as usize);
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8(name.to_vec()).unwrap();
        events.push(Event { wd: word(0) as i32, mask: word(4), cookie: word(8), name });
        rest = after;
    }
    Ok(events)
}

fn event(wd: i32, mask: u32, name: &str) -> Event {
    Event { wd, mask, cookie: 0, name: name.to_owned() }
}

#[test]
fn reader_waits_for_an_event() {
    watched(|system| {
        let fd = system.inotify_init().unwrap();
        let wd = system.inotify_add_watch(fd, b"/d", IN_CREATE).unwrap();
        thread::scope(system, |scope| {
            let reader = scope.spawn(0, move || read(system, fd)).unwrap();
            std::thread::sleep(A_WHILE);
            system.chmod(b"/d", 0o700).unwrap();
            std::thread::sleep(A_WHILE);
            system.mkdir(b"/d/x", 0o755).unwrap();
            assert_eq!(reader.join().unwrap(), Ok(vec![event(wd, IN_CREATE | IN_ISDIR, "x")]));
        });
    });
}

/// Whoever gets to it first; the others wait on.
#[test]
fn each_event_is_for_one_of_several_readers() {
    const READERS: usize = 3;
    watched(|system| {
        let fd = system.inotify_init().unwrap();
        system.inotify_add_watch(fd, b"/d", IN_CREATE).unwrap();
        thread::scope(system, |scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|at| {
                    let core = at as u32 % thread::cores(system);
                    let wait = move || {
                        let mut buffer = [0; 32];
                        system.read(fd, &mut buffer).map(|len| (len, buffer[16]))
                    };
                    scope.spawn(core, wait).unwrap()
                })
                .collect();
            std::thread::sleep(A_WHILE);
            for name in ["/d/a", "/d/b", "/d/c"] {
                system.mkdir(name.as_bytes(), 0o755).unwrap();
            }
            let mut got: Vec<_> =
                readers.into_iter().map(|reader| reader.join().unwrap().unwrap()).collect();
            got.sort_unstable();
            assert_eq!(got, [(32, b'a'), (32, b'b'), (32, b'c')]);
        });
    });
}

/// Who opens a fifo waits for somebody who may have to change names first.
#[test]
fn names_change_while_a_fifo_waits_to_be_opened() {
    watched(|system| {
        system.mknod(b"/d/fifo", libc::S_IFIFO | 0o666, 0).unwrap();
        let fd = system.inotify_init1(IN_NONBLOCK).unwrap();
        let wd = system.inotify_add_watch(fd, b"/d", IN_OPEN | IN_MOVED_TO).unwrap();
        thread::scope(system, |scope| {
            let reader =
                scope.spawn(0, move || system.open(b"/d/fifo", libc::O_RDONLY, 0)).unwrap();
            std::thread::sleep(A_WHILE);
            system.rename(b"/d/fifo", b"/d/moved").unwrap();
            let writer = system.open(b"/d/moved", libc::O_WRONLY, 0).unwrap();
            system.close(writer).unwrap();
            system.close(reader.join().unwrap().unwrap()).unwrap();
        });
        let events = read(system, fd).unwrap();
        assert_eq!(events[0].mask, IN_MOVED_TO);
        // Told when both have opened, by the name that there is then; two alike are one event.
        assert_eq!(events[1..], [event(wd, IN_OPEN, "moved")]);
        // What is not opened in the end is forgotten.
        let writer = system.open(b"/d/moved", libc::O_WRONLY | libc::O_NONBLOCK, 0);
        assert_eq!(writer, Err(Errno::ENXIO));
        assert_eq!(read(system, fd), Err(Errno::EAGAIN));
    });
}

#[test]
fn waiting_reader_with_too_little_room_is_einval_at_the_event() {
    watched(|system| {
        let fd = system.inotify_init().unwrap();
        system.inotify_add_watch(fd, b"/d", IN_CREATE).unwrap();
        thread::scope(system, |scope| {
            let wait = move || system.read(fd, &mut [0; 31]);
            let reader = scope.spawn(0, wait).unwrap();
            std::thread::sleep(A_WHILE);
            system.mkdir(b"/d/x", 0o755).unwrap();
            assert_eq!(reader.join().unwrap(), Err(Errno::EINVAL));
        });
        assert_eq!(read(system, fd).map(|events| events.len()), Ok(1));
    });
}

#[test]
fn poll_and_select_are_woken_by_an_event() {
    watched(|system| {
        let fd = system.inotify_init().unwrap();
        let [end, _] = system.pipe().unwrap();
        system.inotify_add_watch(fd, b"/d", IN_CREATE | IN_DELETE).unwrap();
        let asked = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        thread::scope(system, |scope| {
            let wait = move || {
                let mut files = [asked(end), asked(fd)];
                let count = system.poll(&mut files, -1);
                (count, files.map(|file| file.revents))
            };
            let waiter = scope.spawn(0, wait).unwrap();
            std::thread::sleep(A_WHILE);
            system.mkdir(b"/d/x", 0o755).unwrap();
            assert_eq!(waiter.join().unwrap(), (Ok(1), [0, libc::POLLIN]));
            read(system, fd).unwrap();
            let wait = move || {
                let mut set = [1 << fd | 1 << end];
                (system.select(fd.max(end) + 1, [Some(&mut set), None, None], None), set)
            };
            let waiter = scope.spawn(0, wait).unwrap();
            std::thread::sleep(A_WHILE);
            system.rmdir(b"/d/x").unwrap();
            assert_eq!(waiter.join().unwrap(), (Ok(1), [1 << fd]));
        });
        assert_eq!(read(system, fd).map(|events| events.len()), Ok(1));
    });
}

/// Several threads make, rename and remove names of their own and one that all want; each name's
/// events are told in an order in which that can have happened.
#[test]
fn events_of_a_name_come_in_the_order_of_its_changes() {
    const ROUNDS: usize = 300;
    const WRITERS: usize = 3;
    watched(|system| {
        let fd = system.inotify_init1(IN_NONBLOCK).unwrap();
        let mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
        system.inotify_add_watch(fd, b"/d", mask).unwrap();
        thread::scope(system, |scope| {
            for writer in 0..WRITERS {
                let work = move || {
                    let own = format!("/d/{writer}");
                    for _ in 0..ROUNDS {
                        system.mknod(own.as_bytes(), 0o644, 0).unwrap();
                        let _ = system.rename(own.as_bytes(), b"/d/common");
                        let _ = system.unlink(b"/d/common");
                        let _ = system.mkdir(b"/d/dir", 0o755);
                        let _ = system.rmdir(b"/d/dir");
                        let _ = system.unlink(own.as_bytes());
                    }
                };
                scope.spawn(writer as u32 % thread::cores(system), work).unwrap();
            }
        });
        let mut there: HashMap<String, bool> = HashMap::new();
        let mut moved = None;
        let events = read(system, fd).unwrap();
        for Event { mask, cookie, name, .. } in events {
            let is_there = there.entry(name.clone()).or_default();
            match mask & !IN_ISDIR {
                IN_CREATE => assert!(!std::mem::replace(is_there, true), "{name} is made twice"),
                IN_DELETE => assert!(std::mem::replace(is_there, false), "{name} is not there"),
                IN_MOVED_FROM => {
                    assert!(std::mem::replace(is_there, false), "{name} is not there");
                    assert_eq!(moved.replace(cookie), None);
                }
                IN_MOVED_TO => {
                    *is_there = true; // what was there was replaced
                    assert_eq!(moved.take(), Some(cookie));
                }
                other => panic!("{other:#x} of {name}"),
            }
        }
        assert_eq!(there.get("0"), Some(&false));
        assert!(!there.values().any(|is_there| *is_there), "{there:?}");
        assert_eq!(system.rmdir(b"/d"), Ok(()));
    });
}

/// Threads open, write and close files while others add and remove watches and instances.
#[test]
fn watches_come_and_go_while_files_are_used() {
    watched(|system| {
        let is_over = AtomicBool::new(false);
        let is_over = &is_over;
        thread::scope(system, |scope| {
            let use_files = move || {
                for round in 0..2000 {
                    let path = format!("/d/{}", round % 3);
                    let flags = libc::O_RDWR | libc::O_CREAT;
                    let Ok(fd) = system.open(path.as_bytes(), flags, 0o644) else { continue };
                    system.write(fd, b"x").unwrap();
                    system.pread(fd, &mut [0], 0).unwrap();
                    let copy = system.dup(fd).unwrap();
                    let _ = system.unlink(path.as_bytes());
                    system.close(fd).unwrap();
                    system.close(copy).unwrap();
                }
                is_over.store(true, Ordering::Relaxed);
            };
            let using = scope.spawn(thread::cores(system) - 1, use_files).unwrap();
            loop {
                let fd = system.inotify_init1(IN_NONBLOCK).unwrap();
                let wd = system.inotify_add_watch(fd, b"/d", IN_ALL_EVENTS).unwrap();
                let _ = system.inotify_add_watch(fd, b"/d/1", IN_ALL_EVENTS);
                thread::yield_now(system);
                system.inotify_rm_watch(fd, wd).unwrap();
                let events = read(system, fd).unwrap();
                assert!(events.contains(&event(wd, IN_IGNORED, "")), "{events:?}");
                system.close(fd).unwrap();
                // After one at least, however fast the other is.
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
            using.join().unwrap();
        });
    });
}

#[test]
fn queue_of_16384_events_overflows_once() {
    watched(|system| {
        let fd = system.inotify_init1(IN_NONBLOCK).unwrap();
        let wd = system.inotify_add_watch(fd, b"/d", IN_CREATE | IN_DELETE).unwrap();
        for at in 0..8200 {
            let path = format!("/d/{at}");
            system.mkdir(path.as_bytes(), 0o755).unwrap();
            system.rmdir(path.as_bytes()).unwrap();
        }
        assert_eq!(system.bytes_to_read(fd), Ok(16384 * 32 + 16));
        let events = read(system, fd).unwrap();
        assert_eq!(events.len(), 16385);
        assert_eq!(events[16383], event(wd, IN_DELETE | IN_ISDIR, "8191"));
        assert_eq!(events[16384], event(-1, IN_Q_OVERFLOW, ""));
        // From then on events are told again, and lost ones too.
        system.mkdir(b"/d/x", 0o755).unwrap();
        assert_eq!(read(system, fd), Ok(vec![event(wd, IN_CREATE | IN_ISDIR, "x")]));
        for _ in 0..8193 {
            system.rmdir(b"/d/x").unwrap();
            system.mkdir(b"/d/x", 0o755).unwrap();
        }
        let events = read(system, fd).unwrap();
        assert_eq!(events.last(), Some(&event(-1, IN_Q_OVERFLOW, "")));
        assert_eq!(events.len(), 16385);
    });
}

/// After an overflow event that was not read yet, events that find room come behind it.
#[test]
fn events_follow_an_overflow() {
    watched(|system| {
        let fd = system.inotify_init1(IN_NONBLOCK).unwrap();
        let wd = system.inotify_add_watch(fd, b"/d", IN_CREATE | IN_DELETE).unwrap();
        for _ in 0..8200 {
            system.mkdir(b"/d/x", 0o755).unwrap();
            system.rmdir(b"/d/x").unwrap();
        }
        assert_eq!(system.read(fd, &mut [0; 3 * 32]), Ok(3 * 32));
        system.mkdir(b"/d/y", 0o755).unwrap();
        let events = read(system, fd).unwrap();
        assert_eq!(events[16381], event(-1, IN_Q_OVERFLOW, ""));
        assert_eq!(events[16382..], [event(wd, IN_CREATE | IN_ISDIR, "y")]);
    });
}

#[test]
fn instances_are_limited_to_128() {
    watched(|system| {
        let fds: Vec<_> = (0..128).map(|_| system.inotify_init().unwrap()).collect();
        assert_eq!(system.inotify_init(), Err(Errno::EMFILE));
        let next = system.open(b"/d", libc::O_RDONLY, 0).unwrap();
        assert_eq!(next, fds[127] + 1, "no descriptor was lost");
        system.close(fds[5]).unwrap();
        assert_eq!(system.inotify_init(), Ok(fds[5]));
    });
}

#[test]
fn watches_are_limited() {
    watched(|system| {
        let fd = system.inotify_init().unwrap();
        let mut count = 0;
        let refused = loop {
            let path = format!("/d/{count}");
            system.mkdir(path.as_bytes(), 0o755).unwrap();
            match system.inotify_add_watch(fd, path.as_bytes(), IN_MODIFY) {
                Ok(wd) => assert_eq!(wd, count + 1),
                Err(errno) => break errno,
            }
            count += 1;
        };
        assert_eq!(refused, Errno::ENOSPC);
        assert!(count >= 8192, "{count}");
        // One that is there can be changed, and one that ends makes room.
        assert_eq!(system.inotify_add_watch(fd, b"/d/0", IN_ATTRIB), Ok(1));
        system.inotify_rm_watch(fd, 2).unwrap();
        assert_eq!(system.inotify_add_watch(fd, b"/d", IN_MODIFY), Ok(count + 1));
    });
}

/// What is in proc changes without a call, so there is nobody who could tell.
#[test]
fn files_of_proc_cannot_be_watched() {
    watched(|system| {
        system.furnish().unwrap();
        let fd = system.inotify_init().unwrap();
        let of_proc = system.inotify_add_watch(fd, b"/proc/mounts", IN_ALL_EVENTS);
        assert_eq!(of_proc, Err(Errno::EOPNOTSUPP));
        let mut target = [0; 99];
        let len = system.readlink(format!("/proc/self/fd/{fd}").as_bytes(), &mut target).unwrap();
        assert_eq!(&target[..len], b"anon_inode:inotify");
        let reopened = system.open(format!("/proc/self/fd/{fd}").as_bytes(), libc::O_RDONLY, 0);
        assert_eq!(reopened, Err(Errno::ENXIO));
    });
}

/// A file that is changed by the link of its descriptor in proc is told by the name that this
/// found it by.
#[test]
fn link_of_proc_leads_to_the_name_of_the_open_file() {
    watched(|system| {
        system.furnish().unwrap();
        let fd = system.inotify_init1(IN_NONBLOCK).unwrap();
        let file = system.open(b"/d/f", libc::O_RDWR | libc::O_CREAT, 0o644).unwrap();
        let wd = system.inotify_add_watch(fd, b"/d", IN_ATTRIB).unwrap();
        system.chmod(format!("/proc/self/fd/{file}").as_bytes(), 0o600).unwrap();
        assert_eq!(read(system, fd), Ok(vec![event(wd, IN_ATTRIB, "f")]));
    });
}
