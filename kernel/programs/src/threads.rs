//! `threads [ROUNDS]`: starts threads on every core, lets them wait for one another, hand
//! each other bytes and work on files together, and checks all of it: results, cores, memory,
//! the ramdisk.

use alloc::format;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::{AtomicU32, Ordering};

use anchorite_syscalls::thread::{self, ThreadId};
use anchorite_syscalls::{Errno, System};

use crate::io::{Failure, Text, ToDo, check_ramdisk, run};
use crate::{Context, Program};

/// See the module.
pub const THREADS: Program = Program {
    name: "threads",
    summary: "[ROUNDS]: starts threads on every core, which wait and share files; checks them",
    main: |context| run(context, threads),
};

const USAGE: &str = "threads [ROUNDS], 1 to 1000000";
const MOST: u32 = 1_000_000;
const ROUNDS: u32 = 500;
/// Threads on each core, where that matters.
const ON_A_CORE: u32 = 3;
/// Threads on each core that all wait at once.
const WAITING: u32 = 20;
/// Threads that start one another.
const DEPTH: u32 = 8;
/// Files that threads fight for.
const SHARED_FILES: u32 = 5;
/// Bytes of a file's content at most.
const CONTENT: usize = 10_000;

fn threads(context: &Context<'_>) -> Result<(), Failure> {
    let rounds = match context.args {
        [] | [_] => ROUNDS,
        [_, rounds] => {
            let number = core::str::from_utf8(rounds).ok().and_then(|text| text.parse().ok());
            number.filter(|rounds| (1..=MOST).contains(rounds)).ok_or(Failure::Usage(USAGE))?
        }
        _ => return Err(Failure::Usage(USAGE)),
    };
    let (sys, mut out) = (context.sys, Text::stdout(context));
    let cores = thread::cores(sys);
    let inodes = sys.usage().inodes;
    writeln!(out, "{cores} cores, {rounds} rounds")?;
    results(sys, cores)?;
    writeln!(out, "threads run where they were started, and tell their results.")?;
    turns(sys, cores, rounds)?;
    writeln!(out, "threads that yield take turns.")?;
    tokens(sys, cores, rounds)?;
    writeln!(out, "threads that park are woken, by whatever core.")?;
    crowd(sys, cores)?;
    writeln!(out, "{} threads wait at once.", WAITING * cores)?;
    nested(sys, cores, DEPTH)?;
    writeln!(out, "threads start threads.")?;
    fifo(sys, cores, rounds)?;
    records(sys, cores, rounds)?;
    writeln!(out, "threads hand each other bytes, through a fifo and a pipe.")?;
    match memory(sys, cores, rounds) {
        Err(Failure::Call(_, Errno::ENOSYS)) => writeln!(out, "memory is the host's.")?,
        counted => {
            counted?;
            writeln!(out, "no memory is lost.")?;
        }
    }
    files(sys, cores, rounds)?;
    check_ramdisk(context, &mut out)?;
    if sys.usage().inodes != inodes {
        return Err(Failure::Wrong("files are left that nobody can name"));
    }
    writeln!(out, "files are as they were left, and the ramdisk is whole.")?;
    Ok(())
}

/// What a thread started with `spawn` ended with.
fn joined<T>(handle: thread::JoinHandle<'_, Result<T, Failure>>) -> Result<T, Failure> {
    handle.join().to_do("join a thread")?
}

/// Each thread runs on its core, with a number of its own.
fn results(sys: &System, cores: u32) -> Result<(), Failure> {
    let mut numbers = Vec::from([thread::current(sys).number()]);
    thread::scope(sys, |scope| {
        let mut handles = Vec::new();
        for nth in 0..cores * ON_A_CORE {
            let seen = move || (nth, thread::core(sys), thread::current(sys), sys.gettid());
            handles.push(scope.spawn(nth % cores, seen).to_do("start a thread")?);
        }
        // The last first: those before have ended or wait for nobody.
        while let Some(handle) = handles.pop() {
            let (wanted, id) = (handles.len() as u32, handle.id());
            let (nth, core, own, number) = handle.join().to_do("join a thread")?;
            if (nth, core, own, number) != (wanted, wanted % cores, id, id.number()) {
                return Err(Failure::Wrong("a thread is not what was started"));
            }
            numbers.push(number);
        }
        Ok(())
    })?;
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() as u32 != 1 + cores * ON_A_CORE {
        return Err(Failure::Wrong("two threads have one number"));
    }
    match thread::spawn(sys, cores, || ()) {
        Err(Errno::EINVAL) => Ok(()),
        _ => Err(Failure::Wrong("a thread is started on a core that is not there")),
    }
}

/// Threads count in turn: those of a core among themselves, and all together.
fn turns(sys: &System, cores: u32, rounds: u32) -> Result<(), Failure> {
    let all = cores * ON_A_CORE;
    let turn = AtomicU32::new(0);
    thread::scope(sys, |scope| {
        for nth in 0..all {
            let turn = &turn;
            let take_turns = move || {
                for round in 0..rounds {
                    while turn.load(Ordering::Acquire) != round * all + nth {
                        thread::yield_now(sys);
                    }
                    turn.fetch_add(1, Ordering::Release);
                }
            };
            // Neighbours in turn share a core, and the last meets the first of the next.
            scope.spawn(nth / ON_A_CORE, take_turns).to_do("start a thread")?;
        }
        Ok::<(), Failure>(())
    })?;
    match turn.into_inner() == rounds * all {
        true => Ok(()),
        false => Err(Failure::Wrong("a turn was not taken")),
    }
}

/// A ball is thrown to and fro between this thread and one of each core.
fn tokens(sys: &System, cores: u32, rounds: u32) -> Result<(), Failure> {
    for core in 0..cores {
        let ball = AtomicU32::new(0);
        let home = thread::current(sys);
        let throw = |side: u32, other: ThreadId| {
            for round in 0..rounds {
                while ball.load(Ordering::Acquire) != round * 2 + side {
                    thread::park(sys);
                }
                ball.fetch_add(1, Ordering::Release);
                thread::unpark(sys, other);
            }
        };
        thread::scope(sys, |scope| {
            let away = scope.spawn(core, || throw(1, home)).to_do("start a thread")?;
            throw(0, away.id());
            away.join().to_do("join a thread")
        })?;
        // A token that is there already, and one for a thread that is not there.
        thread::unpark(sys, home);
        thread::park(sys);
        if ball.into_inner() != rounds * 2 {
            return Err(Failure::Wrong("the ball was lost"));
        }
    }
    Ok(())
}

/// Very many threads wait at once, and are all woken.
fn crowd(sys: &System, cores: u32) -> Result<(), Failure> {
    let (waiting, go) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(sys, |scope| {
        let mut ids = Vec::new();
        let wait = || {
            waiting.fetch_add(1, Ordering::Relaxed);
            while go.load(Ordering::Acquire) == 0 {
                thread::park(sys);
            }
        };
        let mut started = Ok(());
        for nth in 0..cores * WAITING {
            match scope.spawn(nth % cores, wait).to_do("start a thread") {
                Ok(handle) => ids.push(handle.id()),
                Err(failure) => started = Err(failure),
            }
        }
        while waiting.load(Ordering::Relaxed) != ids.len() as u32 {
            thread::yield_now(sys);
        }
        go.store(1, Ordering::Release);
        ids.iter().for_each(|id| thread::unpark(sys, *id));
        started
    })
}

/// A thread starts a thread, on the next core, and waits for it; and leaves one to the
/// scope that it is in itself.
fn nested(sys: &System, cores: u32, depth: u32) -> Result<(), Failure> {
    let count = AtomicU32::new(0);
    let deepest = descend(sys, cores, depth, &count)?;
    thread::scope(sys, |scope| {
        let leave = || {
            let more = || _ = count.fetch_add(1, Ordering::Relaxed);
            scope.spawn(cores - 1, more).map(drop).to_do("start a thread")
        };
        joined(scope.spawn(0, leave).to_do("start a thread")?)
    })?;
    match (deepest, count.into_inner() == depth + 1) {
        (0, true) => Ok(()),
        _ => Err(Failure::Wrong("a thread of a thread is missing")),
    }
}

fn descend(sys: &System, cores: u32, depth: u32, count: &AtomicU32) -> Result<u32, Failure> {
    if depth == 0 {
        return Ok(0);
    }
    thread::scope(sys, |scope| {
        let next = move || {
            count.fetch_add(1, Ordering::Relaxed);
            descend(sys, cores, depth - 1, count)
        };
        joined(scope.spawn(depth % cores, next).to_do("start a thread")?)
    })
}

/// The byte at an offset of what goes through the fifo.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 16) as u8
}

/// A thread of each core in turn sends bytes through a fifo, which both open by its name, in
/// writes of all kinds of sizes; this one reads them, and waits most of the time.
fn fifo(sys: &System, cores: u32, rounds: u32) -> Result<(), Failure> {
    const SIZES: [usize; 6] = [1, 100, 4095, 4096, 4097, 70_000];
    const FIFO: &[u8] = b"fifo";
    sys.mknod(FIFO, libc::S_IFIFO | 0o600, 0).to_do("make a fifo")?;
    let writes = rounds as usize / 10 + SIZES.len();
    let send = move || {
        let fd = sys.open(FIFO, libc::O_WRONLY, 0).to_do("open a fifo to write")?;
        let mut sent = 0;
        for size in SIZES.iter().cycle().take(writes) {
            let bytes: Vec<u8> = (sent..sent + size).map(byte).collect();
            if sys.write(fd, &bytes).to_do("write to a fifo")? != *size {
                return Err(Failure::Wrong("a write to a fifo is short"));
            }
            sent += size;
        }
        sys.close(fd).to_do("close a fifo")?;
        Ok(sent)
    };
    for core in 0..cores {
        thread::scope(sys, |scope| {
            let sender = scope.spawn(core, send).to_do("start a thread")?;
            let fd = sys.open(FIFO, libc::O_RDONLY, 0).to_do("open a fifo to read")?;
            let received = receive(sys, fd);
            // Whatever it was: the sender waits no longer.
            sys.close(fd).to_do("close a fifo")?;
            match received? == joined(sender)? {
                true => Ok(()),
                false => Err(Failure::Wrong("bytes of a fifo are missing")),
            }
        })?;
    }
    sys.unlink(FIFO).to_do("remove a fifo")
}

/// Reads all that comes through a fifo; how many bytes that were.
fn receive(sys: &System, fd: i32) -> Result<usize, Failure> {
    let mut received = 0;
    let mut buffer = alloc::vec![0; 5000];
    loop {
        let len = sys.read(fd, &mut buffer).to_do("read from a fifo")?;
        if len == 0 {
            return Ok(received);
        }
        if !buffer[..len].iter().copied().eq((received..received + len).map(byte)) {
            return Err(Failure::Wrong("bytes of a fifo are not what was written"));
        }
        received += len;
    }
}

/// Threads of all cores write records to one pipe, each of a letter of its own: none may be
/// mixed with another. Who reads waits by `poll(2)`.
fn records(sys: &System, cores: u32, rounds: u32) -> Result<(), Failure> {
    const RECORD: usize = 4096; // PIPE_BUF
    let writers = cores * ON_A_CORE;
    let [output, input] = sys.pipe().to_do("make a pipe")?;
    thread::scope(sys, |scope| {
        for nth in 0..writers {
            let write = move || {
                let record = [nth as u8; RECORD];
                (0..rounds).try_for_each(|_| match sys.write(input, &record) {
                    Ok(RECORD) => Ok(()),
                    Ok(_) => Err(Failure::Wrong("a record is short")),
                    Err(errno) => Err(errno).to_do("write to a pipe"),
                })
            };
            scope.spawn(nth % cores, write).to_do("start a thread")?;
        }
        let mut counts = alloc::vec![0; writers as usize];
        let mut record = [0; RECORD];
        let counted = (0..writers * rounds).try_for_each(|_| {
            let mut file = [libc::pollfd { fd: output, events: libc::POLLIN, revents: 0 }];
            sys.poll(&mut file, -1).to_do("wait for a pipe")?;
            let len = sys.read(output, &mut record).to_do("read from a pipe")?;
            let is_whole = len == RECORD && record.iter().all(|byte| *byte == record[0]);
            match counts.get_mut(usize::from(record[0])) {
                Some(count) if is_whole => *count += 1,
                _ => return Err(Failure::Wrong("two records are mixed")),
            }
            Ok(())
        });
        // Whatever it was: the writers wait no longer.
        sys.close(output).to_do("close a pipe")?;
        counted?;
        match counts.iter().all(|count| *count == rounds) {
            true => Ok(()),
            false => Err(Failure::Wrong("a record is missing")),
        }
    })?;
    sys.close(input).to_do("close a pipe")
}

/// Threads come and go, and leave as much memory as there was.
fn memory(sys: &System, cores: u32, rounds: u32) -> Result<(), Failure> {
    let come_and_go = |count: u32| -> Result<(), Failure> {
        for _ in 0..count {
            thread::scope(sys, |scope| -> Result<(), Failure> {
                for core in 0..cores {
                    let allocate = || Vec::<u8>::with_capacity(1000).capacity();
                    scope.spawn(core, allocate).to_do("start a thread")?;
                }
                Ok(())
            })?;
        }
        Ok(())
    };
    let free = || sys.sysinfo().map(|info| info.freeram).to_do("count the memory");
    // What tables grow to, and stacks that are kept.
    come_and_go(3)?;
    let before = free()?;
    come_and_go(rounds)?;
    match free()? == before {
        true => Ok(()),
        false => Err(Failure::Wrong("threads took memory with them")),
    }
}

/// Threads make, write, rename, read and remove files, each in a directory of its own and
/// all in one.
fn files(sys: &System, cores: u32, rounds: u32) -> Result<(), Failure> {
    sys.mkdir(b"shared", 0o755).to_do("make a directory")?;
    thread::scope(sys, |scope| {
        let mut workers = Vec::new();
        for nth in 0..cores * ON_A_CORE {
            let worker = move || work(sys, nth, rounds);
            workers.push(scope.spawn(nth % cores, worker).to_do("start a thread")?);
        }
        workers.into_iter().try_for_each(joined)
    })?;
    for at in 0..SHARED_FILES {
        present(sys.unlink(format!("shared/{at}").as_bytes()))?;
    }
    sys.rmdir(b"shared").to_do("remove a directory")
}

fn work(sys: &System, nth: u32, rounds: u32) -> Result<(), Failure> {
    let own = format!("own-{nth}");
    sys.mkdir(own.as_bytes(), 0o755).to_do("make a directory")?;
    let mut random = nth.wrapping_mul(0x9e37_79b9) | 1;
    for round in 0..rounds {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let (file, moved) = (format!("{own}/{round}"), format!("{own}/moved"));
        let content = [nth as u8 ^ round as u8].repeat(random as usize % CONTENT);
        write(sys, &file, libc::O_EXCL, &content)?;
        sys.rename(file.as_bytes(), moved.as_bytes()).to_do("rename a file")?;
        if read(sys, &moved)? != content {
            return Err(Failure::Wrong("a file is not as its thread left it"));
        }
        let shared = format!("shared/{}", (random >> 8) % SHARED_FILES);
        let other = format!("shared/{}", (random >> 16) % SHARED_FILES);
        match random % 5 {
            0 => write(sys, &shared, libc::O_TRUNC, &content)?,
            1 => present(sys.rename(shared.as_bytes(), other.as_bytes()))?,
            2 => present(sys.unlink(shared.as_bytes()))?,
            3 => present(sys.link(moved.as_bytes(), other.as_bytes()))?,
            _ => thread::yield_now(sys),
        }
        sys.unlink(moved.as_bytes()).to_do("remove a file")?;
    }
    sys.rmdir(own.as_bytes()).to_do("remove a directory")
}

/// The outcome of a call on names that other threads make and remove.
fn present(outcome: Result<(), Errno>) -> Result<(), Failure> {
    match outcome {
        Ok(()) | Err(Errno::ENOENT | Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno).to_do("work on a file that others have too"),
    }
}

fn write(sys: &System, path: &str, how: i32, content: &[u8]) -> Result<(), Failure> {
    let flags = libc::O_CREAT | libc::O_WRONLY | how;
    let fd = sys.open(path.as_bytes(), flags, 0o644).to_do("make a file")?;
    let written = sys.write(fd, content).to_do("write a file");
    sys.close(fd).to_do("close a file")?;
    match written? == content.len() {
        true => Ok(()),
        false => Err(Failure::Wrong("not all of a file was written")),
    }
}

fn read(sys: &System, path: &str) -> Result<Vec<u8>, Failure> {
    let fd = sys.open(path.as_bytes(), libc::O_RDONLY, 0).to_do("open a file")?;
    let mut content = alloc::vec![0; CONTENT + 1];
    let len = sys.read(fd, &mut content).to_do("read a file");
    sys.close(fd).to_do("close a file")?;
    content.truncate(len?);
    Ok(content)
}
