//! Many threads on one system: races that must neither deadlock nor break the tree.
//! After each race the checker must find nothing, and the tree is walked by calls: every directory's links are two and one for each
//! subdirectory, `..` leads to where the walk came from, every file's links are the names
//! it was found by, and the quota counts what was found.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anchorite_syscalls::{Errno, System};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

const RACE: Duration = Duration::from_millis(400);
/// Rounds of each racer, however long they take: under a sanitizer some do.
const ROUNDS: usize = 12;
/// A race that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(50);
const RW: i32 = libc::O_RDWR | libc::O_CREAT;

/// A call or two, given the number of the round.
type Racer<'a> = &'a (dyn Fn(&System, usize) + Sync);

/// Runs the racers for a while, each with the number of its round, then checks the tree.
fn race(system: System, racers: &[Racer<'_>]) -> System {
    let finished = Arc::new(AtomicBool::new(false));
    let watched = finished.clone();
    std::thread::spawn(move || {
        std::thread::sleep(WATCHDOG);
        if !watched.load(Ordering::Relaxed) {
            eprintln!("deadlock: a race did not end");
            std::process::abort();
        }
    });
    let start = Instant::now();
    std::thread::scope(|scope| {
        for racer in racers {
            scope.spawn(|| {
                let mut round = 0;
                while start.elapsed() < RACE || round < ROUNDS {
                    racer(&system, round);
                    round += 1;
                }
            });
        }
    });
    finished.store(true, Ordering::Relaxed);
    assert_whole(&system);
    check_tree(&system);
    system
}

fn check_tree(system: &System) {
    let mut names: HashMap<u64, u64> = HashMap::new();
    let mut links: HashMap<u64, u64> = HashMap::new();
    let root = system.stat(b"/").unwrap().st_ino;
    let mut to_visit = vec![(b"/".to_vec(), root)];
    let mut found = 1;
    while let Some((path, parent)) = to_visit.pop() {
        let stat = system.stat(&path).unwrap();
        let dotdot = system.stat(&[&path[..], b"/.."].concat()).unwrap();
        assert_eq!(dotdot.st_ino, parent, "{}/..", path.escape_ascii());
        let mut subdirectories = 0;
        let entries = list(system, &path);
        assert_eq!(stat.st_size as usize, (entries.len() + 2) * 20);
        for name in entries {
            let child = [&path[..], b"/", &name].concat();
            let attributes = system.lstat(&child).unwrap();
            if attributes.st_mode & libc::S_IFMT == libc::S_IFDIR {
                subdirectories += 1;
                found += 1;
                to_visit.push((child, stat.st_ino));
            } else {
                links.insert(attributes.st_ino, attributes.st_nlink);
                *names.entry(attributes.st_ino).or_default() += 1;
            }
        }
        assert_eq!(stat.st_nlink, 2 + subdirectories, "links of {}", path.escape_ascii());
    }
    assert_eq!(names, links, "names and links of files");
    assert_eq!(system.usage().inodes, found + names.len() as u64, "nothing out of reach");
}

fn list(system: &System, path: &[u8]) -> Vec<Vec<u8>> {
    let fd = system.open(path, libc::O_RDONLY | libc::O_DIRECTORY, 0).unwrap();
    let (mut buffer, mut names) = ([0; 2000], Vec::new());
    loop {
        let len = system.getdents64(fd, &mut buffer).unwrap();
        let mut at = 0;
        while at < len {
            let next = at + usize::from(u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]));
            let name = buffer[at + 19..next].split(|&byte| byte == 0).next().unwrap();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
            at = next;
        }
        if len == 0 {
            system.close(fd).unwrap();
            return names;
        }
    }
}

/// Succeeds or fails in one of the expected ways.
#[track_caller]
fn may<T>(result: Result<T, Errno>, errors: &[Errno]) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(errno) => {
            assert!(errors.contains(&errno), "{errno:?}");
            None
        }
    }
}

/// For racers whose calls may fail.
fn ignore(_: Option<()>) {}

#[test]
fn renames_between_two_directories_in_both_directions() {
    let system = system(ROOMY);
    for path in [&b"/a"[..], b"/b", b"/a/sub", b"/a/sub/x", b"/b/sub2"] {
        system.mkdir(path, 0o755).unwrap();
    }
    system.creat(b"/a/f", 0o644).and_then(|fd| system.close(fd)).unwrap();
    let gone = [Errno::ENOENT, Errno::ENOTEMPTY, Errno::EISDIR, Errno::ENOTDIR];
    race(
        system,
        &[
            &|system, _| ignore(may(system.rename(b"/a/f", b"/b/f"), &gone)),
            &|system, _| ignore(may(system.rename(b"/b/f", b"/a/f"), &gone)),
            &|system, _| ignore(may(system.rename(b"/a/sub", b"/b/sub"), &gone)),
            &|system, _| ignore(may(system.rename(b"/b/sub", b"/a/sub"), &gone)),
            &|system, _| {
                may(system.stat(b"/b/sub/x/../../sub2/../../a"), &gone);
                may(system.stat(b"/a/sub/x/.."), &gone);
            },
        ],
    );
}

#[test]
fn renames_into_descendants_never_make_a_loop() {
    let system = system(ROOMY);
    for path in [&b"/a"[..], b"/b", b"/a/x", b"/b/y"] {
        system.mkdir(path, 0o755).unwrap();
    }
    let errors = [Errno::ENOENT, Errno::ENOTEMPTY, Errno::EINVAL];
    race(
        system,
        &[
            &|system, _| ignore(may(system.rename(b"/a", b"/b/y/a"), &errors)),
            &|system, _| ignore(may(system.rename(b"/b", b"/a/x/b"), &errors)),
            &|system, _| ignore(may(system.rename(b"/b/y/a", b"/a"), &errors)),
            &|system, _| ignore(may(system.rename(b"/a/x/b", b"/b"), &errors)),
            &|system, round| {
                if may(system.chdir(b"/a/x"), &errors).is_some() {
                    may(system.getcwd(&mut [0; 4096]), &errors);
                    may(system.rename(b"../x", &[b"../x", &b"z"[..round % 2]].concat()), &errors);
                }
            },
        ],
    );
}

#[test]
fn creates_links_and_unlinks_in_one_directory() {
    let system = system(ROOMY);
    system.mkdir(b"/d", 0o755).unwrap();
    let name = |number: usize| format!("/d/{}", number * 7919 % 13).into_bytes();
    let create = |system: &System, round| {
        if let Some(fd) = may(system.open(&name(round), RW, 0o644), &[Errno::EISDIR]) {
            system.write(fd, b"some text").unwrap();
            system.close(fd).unwrap();
        }
    };
    let errors = [Errno::ENOENT, Errno::EEXIST, Errno::EISDIR, Errno::ENOTDIR, Errno::EPERM];
    race(
        system,
        &[
            &create,
            &create,
            &|system, round| ignore(may(system.unlink(&name(round)), &errors)),
            &|system, round| ignore(may(system.link(&name(round), &name(round + 3)), &errors)),
            &|system, round| ignore(may(system.rename(&name(round + 1), &name(round)), &errors)),
            &|system, round| ignore(may(system.mkdir(&name(round * 5), 0o755), &errors)),
            &|system, round| ignore(may(system.rmdir(&name(round * 5 + 1)), &errors)),
        ],
    );
}

/// mkdir in a directory that is being removed either comes first or finds none.
#[test]
fn creates_in_directories_that_are_removed() {
    let errors = [Errno::ENOENT, Errno::EEXIST, Errno::ENOTEMPTY];
    race(
        system(ROOMY),
        &[
            &|system, _| ignore(may(system.mkdir(b"/d", 0o755), &errors)),
            &|system, _| ignore(may(system.rmdir(b"/d"), &errors)),
            &|system, _| ignore(may(system.mkdir(b"/d/e", 0o755), &errors)),
            &|system, _| ignore(may(system.rmdir(b"/d/e"), &errors)),
            &|system, _| ignore(may(system.mkdir(b"/other", 0o755), &errors)),
            &|system, _| ignore(may(system.rename(b"/other", b"/d"), &errors)),
        ],
    );
}

/// Records of one writer come in order and whole; none is lost.
#[test]
fn appends_are_neither_torn_nor_lost() {
    let system = system(ROOMY);
    system.open(b"/log", RW, 0o644).unwrap();
    let written = [AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0)];
    let append = |system: &System, writer: usize, len: usize| {
        let fd = system.open(b"/log", libc::O_WRONLY | libc::O_APPEND, 0).unwrap();
        let mut record = vec![b'a' + writer as u8; len];
        record[len - 1] = b'\n';
        assert_eq!(system.write(fd, &record), Ok(len));
        written[writer].fetch_add(1, Ordering::Relaxed);
        system.close(fd).unwrap();
    };
    let lens = [7, 100, 5000];
    let system = race(
        system,
        &[
            &|system, _| append(system, 0, lens[0]),
            &|system, _| append(system, 1, lens[1]),
            &|system, round| {
                if round % 50 == 0 {
                    append(system, 2, lens[2]);
                }
            },
        ],
    );
    let mut text = vec![0; system.fstat(3).unwrap().st_size as usize];
    assert_eq!(system.pread(3, &mut text, 0), Ok(text.len()));
    let mut found = [0; 3];
    for record in text.split_inclusive(|&byte| byte == b'\n') {
        let writer = usize::from(record[0] - b'a');
        assert_eq!(record.len(), lens[writer]);
        assert!(record[..record.len() - 1].iter().all(|&byte| byte == record[0]), "torn");
        found[writer] += 1;
    }
    assert_eq!(found, written.map(AtomicUsize::into_inner));
}

/// One descriptor, many threads: each byte is read, and each record written, once.
#[test]
fn transfers_by_one_descriptor_share_its_offset() {
    let system = system(ROOMY);
    let fd = system.open(b"/f", RW, 0o644).unwrap();
    let count = AtomicUsize::new(0);
    let write = |system: &System, _| {
        assert_eq!(system.write(fd, b"0123456789"), Ok(10));
        count.fetch_add(10, Ordering::Relaxed);
    };
    let system = race(system, &[&write, &write, &write]);
    assert_eq!(system.fstat(fd).unwrap().st_size as usize, count.into_inner());
}

#[test]
fn reads_see_old_text_or_zeros_while_a_file_is_truncated() {
    let system = system(ROOMY);
    let fd = system.open(b"/f", RW, 0o644).unwrap();
    let sizes = [0i64, 1, 63, 100, 4095, 4096, 5000, 64 * 4096 + 5, 300_000];
    let text = vec![b'x'; 70_000];
    race(
        system,
        &[
            &|system, round| system.ftruncate(fd, sizes[round % sizes.len()]).unwrap(),
            &|system, round| {
                let at = sizes[round % sizes.len()];
                system.pwrite(fd, &text[..1 + round % 70_000], at).unwrap();
            },
            &|system, round| {
                let mut buffer = vec![1; 20_000];
                let len = system.pread(fd, &mut buffer, sizes[round % sizes.len()]).unwrap();
                assert!(buffer[..len].iter().all(|byte| matches!(byte, 0 | b'x')));
                assert!(buffer[len..].iter().all(|&byte| byte == 1));
            },
        ],
    );
}

/// Entries that stay are in every listing once, whatever comes and goes beside them.
#[test]
fn listings_see_what_stays_once_while_others_come_and_go() {
    let system = system(ROOMY);
    system.mkdir(b"/d", 0o755).unwrap();
    for number in 0..100 {
        system.mkdir(format!("/d/stays{number:03}").as_bytes(), 0o755).unwrap();
    }
    let come_and_go = |system: &System, from: usize| {
        for number in from..from + 150 {
            system.close(system.creat(format!("/d/{number}").as_bytes(), 0).unwrap()).unwrap();
        }
        for number in from..from + 150 {
            system.unlink(format!("/d/{number}").as_bytes()).unwrap();
        }
    };
    race(
        system,
        &[
            &|system, _| come_and_go(system, 0),
            &|system, _| come_and_go(system, 1000),
            &|system, _| {
                // Others may be seen twice: removed, and made again further on.
                let mut names = list(system, b"/d");
                names.retain(|name| name.starts_with(b"stays"));
                names.sort();
                assert_eq!(names.len(), 100);
                names.dedup();
                assert_eq!(names.len(), 100, "listed twice");
            },
        ],
    );
}

/// A file is written over by descriptors that are used often, and read, looked at and cut off in
/// between: whoever reads finds one write's bytes, not two's.
#[test]
fn writes_over_what_others_read() {
    const LEN: usize = 4096;
    let system = system(ROOMY);
    let file = system.open(b"/f", RW, 0o644).unwrap();
    system.write(file, &[0; LEN]).unwrap();
    let descriptors: Vec<_> = (0..4).map(|_| system.open(b"/f", RW, 0).unwrap()).collect();
    let write = |system: &System, fd: i32, byte: u8| {
        for _ in 0..100 {
            assert_eq!(system.pwrite(fd, &[byte; LEN], 0), Ok(LEN));
        }
    };
    let system = race(
        system,
        &[
            &|system, round| write(system, descriptors[0], round as u8),
            &|system, round| write(system, descriptors[1], !round as u8),
            &|system, _| {
                for _ in 0..100 {
                    let mut text = [0; LEN];
                    let len = system.pread(descriptors[2], &mut text, 0).unwrap();
                    assert!(text[..len].iter().all(|byte| *byte == text[0]), "two writes' bytes");
                }
            },
            &|system, round| {
                let size = system.fstat(descriptors[3]).unwrap().st_size;
                assert!(size == 0 || size == LEN as i64);
                if round % 10 == 0 {
                    system.ftruncate(descriptors[3], 0).unwrap();
                }
            },
        ],
    );
    assert_eq!(system.pwrite(file, &[1; LEN], 0), Ok(LEN));
}

/// A number that is used often is used without a count: what it stands for is freed by who
/// closes it or puts another file there, and by nobody while it is read or written.
#[test]
fn transfers_by_a_number_that_comes_to_stand_for_other_files() {
    const FD: i32 = 100;
    let system = system(ROOMY);
    let read = |system: &System, at: Option<i64>| {
        for _ in 0..50 {
            let mut text = [0; 6000];
            let got = match at {
                Some(at) => system.pread(FD, &mut text, at),
                None => system.read(FD, &mut text),
            };
            if let Some(len) = may(got, &[Errno::EBADF]) {
                let same = text[..len].iter().all(|byte| *byte == text[0]);
                assert!(same && [0, 6000].contains(&len), "{len} bytes of one file");
            }
        }
    };
    let put = |system: &System, letter: u8| {
        let path = [b"/", &[letter][..]].concat();
        let file = system.open(&path, RW, 0o644).unwrap();
        assert_eq!(system.write(file, &[letter; 6000]), Ok(6000));
        // The number is what keeps the file.
        system.unlink(&path).unwrap();
        assert_eq!(system.dup2(file, FD), Ok(FD));
        system.close(file).unwrap();
        for _ in 0..20 {
            if let Some(len) = may(system.pwrite(FD, &[], 0), &[Errno::EBADF]) {
                assert_eq!(len, 0);
            }
        }
        ignore(may(system.close(FD), &[Errno::EBADF]));
    };
    let system = race(
        system,
        &[
            &|system, _| read(system, Some(0)),
            &|system, _| read(system, None),
            &|system, _| put(system, b'a'),
            &|system, _| put(system, b'b'),
        ],
    );
    assert_eq!(system.usage().inodes, 1, "files that nothing stands for are freed");
    assert_eq!(system.usage().pages, 0);
}

/// Descriptors are opened and closed on all sides: each number is one open's alone.
#[test]
fn descriptors_are_given_once() {
    let system = system(ROOMY);
    let open = |system: &System, round: usize| {
        let path = format!("/{}", round % 5);
        let fds = [0; 4].map(|_| system.open(path.as_bytes(), RW, 0o644).unwrap());
        let ino = system.stat(path.as_bytes()).unwrap().st_ino;
        for fd in fds {
            assert_eq!(system.fstat(fd).unwrap().st_ino, ino);
            system.close(fd).unwrap();
        }
    };
    race(system, &[&open, &open, &open]);
}

/// Each racer takes back what it gave, or the file goes: the quota, which they share, must
/// count to zero again. Names in listings are whole, and so are values.
#[test]
fn extended_attributes_are_given_and_taken_back() {
    let system = system(ROOMY);
    for file in [&b"/f"[..], b"/g"] {
        let fd = system.creat(file, 0o644).unwrap();
        system.close(fd).unwrap();
    }
    let gone = [Errno::ENOENT, Errno::ENODATA, Errno::EEXIST];
    let setter = |which: u8| {
        move |system: &System, round: usize| {
            let file = [&b"/f"[..], b"/g"][round % 2];
            let (own, value) = ([b"user.", &[which][..]].concat(), vec![which; round * 37 % 3000]);
            may(system.setxattr(file, &own, &value, 0), &gone);
            may(system.setxattr(file, b"user.common", &value, libc::XATTR_CREATE), &gone);
            may(system.removexattr(file, b"user.common"), &gone);
            may(system.removexattr(file, &own), &gone);
        }
    };
    let looker = |system: &System, _: usize| {
        let names = [&b"user.a\0"[..], b"user.b\0", b"user.common\0"];
        let mut buffer = [0; 4000];
        if let Some(len) = may(system.listxattr(b"/f", &mut buffer), &gone) {
            let mut listed = buffer[..len].split_inclusive(|&byte| byte == 0);
            assert!(listed.all(|name| names.contains(&name)));
        }
        if let Some(len) = may(system.getxattr(b"/f", b"user.common", &mut buffer), &gone) {
            assert!(buffer[..len].windows(2).all(|pair| pair[0] == pair[1]));
        }
    };
    let remover = |system: &System, round: usize| {
        may(system.unlink(b"/g"), &gone);
        let fd = system.open(b"/g", RW, 0o644).unwrap();
        system.fsetxattr(fd, b"user.own", &vec![0; round % 3000], 0).unwrap();
        if round.is_multiple_of(2) {
            system.fremovexattr(fd, b"user.own").unwrap();
        } else {
            system.unlink(b"/g").unwrap();
        }
        system.close(fd).unwrap();
    };
    let (first, second) = (setter(b'a'), setter(b'b'));
    let system = race(system, &[&first, &second, &looker, &remover]);
    assert_eq!(system.listxattr(b"/f", &mut []), Ok(0));
}
