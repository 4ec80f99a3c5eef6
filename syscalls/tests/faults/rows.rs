//! The rows that are compared with Linux elsewhere, done here by numbers while memory or room
//! runs out: each call of each of them, at each of its allocations, and under each limit.

use std::cell::Cell;
use std::collections::BTreeSet;

use anchorite_programs::posix::ROWS;
use anchorite_programs::posix::script::{Reply, Row, Value, World, rows};
use anchorite_syscalls::{Errno, Limits, System};
use host_fs_sim::campaign::judge::may_wait;
use host_fs_sim::worlds::{Numbers, ROOMY, assert_whole, system_by_numbers};

use crate::full_sweep;
use crate::heap::{Fails, failing, live};
use crate::tree::{Contents, clear, dump_with};

/// Rows that have no method, and rows that need a process of their own.
const MORE: [&str; 3] = [
    include_str!("../oracle/rows/by_number.txt"),
    include_str!("../oracle/rows/by_number_inotify.txt"),
    include_str!("../oracle/rows/identity.txt"),
];
/// Calls of which the rows' language is made: they look, or let time pass.
const LOOKS: [&str; 2] = ["clock_gettime", "sched_yield"];
/// Calls that may do less than they were asked to.
const TRANSFERS: [&str; 7] =
    ["write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile"];

/// A row in which a look in between is seen.
const SHY: &str = "a_mount_expires_when_it_was_not_used";

fn all_rows() -> impl Iterator<Item = Row<'static>> {
    // Not those that want `/dev` and `/proc`: what is there is another at each look, the trees
    // before and after a call would never be the same.
    let texts = ROWS.iter().map(|(_, text)| *text).chain(MORE);
    let all = texts.filter(|text| !text.starts_with("# furnished")).flat_map(rows);
    all.filter(|row| row.name != SHY)
}

/// The names of all calls in all rows, and of those that a row is done with.
pub fn names() -> BTreeSet<&'static str> {
    let name = |call: &'static str| {
        let call =
            call.strip_prefix("watch ").map_or(call, |watch| watch.split_once(": ").unwrap().1);
        call.split(' ').next().unwrap()
    };
    let calls = all_rows().flat_map(|row| row.lines().map(|line| line.call).collect::<Vec<_>>());
    calls.map(name).chain(LOOKS).collect()
}

/// What of the tree is looked at between the calls of a row.
fn contents(row: Row<'_>) -> Contents {
    if row.lines().any(|line| line.call.starts_with("inotify_init")) {
        return Contents::Unseen;
    }
    let locks = row.lines().any(|line| line.call.starts_with("fcntl_setlk"));
    if locks { Contents::Left } else { Contents::Read }
}

/// A call of a row.
type Said = (String, Vec<Value>);

fn say(system: &System, fails: Option<Fails>, (name, arguments): &Said) -> (Option<Reply>, bool) {
    let failed = Cell::new(false);
    let syscall = |number, words| match fails {
        None => system.syscall(number, words),
        Some(fails) => {
            let (result, any) = failing(fails, || system.syscall(number, words));
            failed.set(any);
            result
        }
    };
    (Numbers { syscall: &syscall }.call(name, arguments), failed.get())
}

/// A world in which each allocation of each call fails once before the call succeeds.
struct Failing {
    system: System,
    contents: Contents,
    /// What was said since the beginning.
    said: Vec<Said>,
    failures: usize,
}

impl World for Failing {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Reply> {
        let call = (name.to_owned(), arguments.to_vec());
        let looks = LOOKS.contains(&name);
        let mut done = Vec::new();
        let mut before = if looks { Vec::new() } else { dump_with(&self.system, self.contents) };
        let reply = (0..).find_map(|nth| {
            let fails = if looks { None } else { Some(Fails::Nth(nth)) };
            let (reply, failed) = say(&self.system, fails, &call);
            if !failed {
                return Some(reply);
            }
            self.failures += 1;
            match reply {
                // Even a call that fails may be told to somebody.
                Some(Reply::Failed(_)) if self.contents != Contents::Unseen => {
                    assert_eq!(
                        dump_with(&self.system, self.contents),
                        before,
                        "{call:?}, allocation {nth}"
                    );
                    assert_whole(&self.system);
                }
                _ => {
                    // Done all the same, or in part: from the beginning, to see the next fail.
                    assert_whole(&self.system);
                    self.begin_again();
                    before = dump_with(&self.system, self.contents);
                }
            }
            done.push(reply);
            None
        });
        let reply = reply.expect("a call that allocates without end");
        for done in done.into_iter().flatten() {
            expect_short(&call, done, reply.as_ref());
        }
        self.said.push(call);
        reply
    }
}

impl Failing {
    fn begin_again(&mut self) {
        self.system = system_by_numbers(ROOMY);
        for call in &self.said {
            say(&self.system, None, call);
        }
    }
}

/// What a call answered while memory was short: that there was none, or as it should, or
/// fewer bytes.
fn expect_short(call: &Said, short: Reply, right: Option<&Reply>) {
    match (&short, right) {
        (Reply::Failed(Errno::ENOMEM), _) => {}
        (Reply::Failed(errno), Some(Reply::Failed(right))) if errno == right => {}
        (Reply::Done(done), Some(Reply::Done(right)))
        | (Reply::Numbers(done, _), Some(Reply::Numbers(right, _))) => {
            let transfer = TRANSFERS.contains(&call.0.as_str());
            assert!(done == right || transfer && (1..*right).contains(done), "{call:?}: {short:?}");
        }
        // Events that could not be kept are lost, no more.
        (short, Some(right)) if short.to_string() == right.to_string() => {}
        _ => panic!("{call:?}: {short:?} instead of {right:?}"),
    }
}

#[test]
fn nth_allocation_of_each_call_fails_and_the_tree_is_as_it_was() {
    let mut failures = 0;
    for row in all_rows() {
        let before = live();
        {
            let (system, contents) = (system_by_numbers(ROOMY), contents(row));
            let mut world = Failing { system, contents, said: Vec::new(), failures: 0 };
            row.run(&mut world, &mut |line, outcome| {
                if let Some(recorded) = line.recorded {
                    assert_eq!(outcome, recorded, "{}: {}", row.name, line.call);
                }
            });
            failures += world.failures;
        }
        assert_eq!(live(), before, "{}: bytes leaked", row.name);
    }
    println!("{failures} failed allocations");
    assert!(failures > 1500, "{failures} failures were met");
}

/// `/dev` and `/proc` are made as a whole, or there is no memory for it and nothing is lost; and
/// so is what each file and link there tells.
#[test]
fn nth_allocation_of_what_is_made_up_fails_and_nothing_is_lost() {
    let before = live();
    for nth in 0.. {
        let system = system_by_numbers(ROOMY);
        let (made, failed) = failing(Fails::From(nth), || system.furnish());
        if !failed {
            made.unwrap();
            break;
        }
        assert_eq!(made, Err(Errno::ENOMEM));
    }
    assert_eq!(live(), before);
    let system = system_by_numbers(ROOMY);
    system.furnish().unwrap();
    system.mkdir(b"/d", 0o755).unwrap();
    let fd = system.open(b"/d/f", libc::O_CREAT | libc::O_RDWR, 0o600).unwrap();
    let mut failures = 0;
    let mut try_all = |call: &dyn Fn() -> Result<usize, Errno>| {
        call().unwrap();
        let before = live();
        for nth in 0.. {
            let (told, failed) = failing(Fails::From(nth), call);
            assert_eq!(live(), before, "bytes leaked");
            if !failed {
                return assert!(told.is_ok_and(|len| len > 0));
            }
            failures += 1;
            assert_eq!(told, Err(Errno::ENOMEM));
        }
    };
    for name in ["meminfo", "cpuinfo", "stat", "mounts", "self/status", "self/stat", "filesystems"]
    {
        let path = format!("/proc/{name}");
        try_all(&|| {
            let fd = system.open(path.as_bytes(), libc::O_RDONLY, 0)?;
            let told = system.read(fd, &mut [0; 4096]);
            system.close(fd)?;
            told
        });
    }
    for path in [format!("/proc/self/fd/{fd}"), "/dev/fd/1".to_owned()] {
        try_all(&|| system.readlink(path.as_bytes(), &mut [0; 100]));
    }
    assert!(failures > 20, "{failures} failures were met");
}

/// A world in which a call that finds no room must leave all as it was.
struct Full<'a> {
    system: System,
    contents: Contents,
    limits: Limits,
    /// Whether something else came of a call than without limits.
    differs: &'a Cell<bool>,
}

impl World for Full<'_> {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Reply> {
        let call = (name.to_owned(), arguments.to_vec());
        let before =
            if LOOKS.contains(&name) { Vec::new() } else { dump_with(&self.system, self.contents) };
        // Once a file is missing, a row may meet a pipe that it did not fill.
        let syscall = |number, words| self.system.syscall(number, words);
        if self.differs.get() && may_wait(&mut Numbers { syscall: &syscall }, name, arguments) {
            return Some(Reply::Failed(Errno::EAGAIN));
        }
        let (reply, _) = say(&self.system, None, &call);
        if let Some(Reply::Failed(Errno::ENOSPC)) = reply {
            assert_eq!(
                dump_with(&self.system, self.contents),
                before,
                "{call:?} {:?}",
                self.limits
            );
            assert_whole(&self.system);
        }
        reply
    }
}

/// Does a row under these limits and removes everything; whether the limits were met.
fn is_met(row: Row<'_>, limits: Limits) -> bool {
    let before = live();
    let differs = Cell::new(false);
    {
        let system = system_by_numbers(limits);
        let mut world = Full { system, contents: contents(row), limits, differs: &differs };
        row.run(&mut world, &mut |line, outcome| {
            if line.recorded.is_some_and(|recorded| recorded != outcome) {
                differs.set(true);
            }
        });
        let used = world.system.usage();
        assert!(used.pages * 4096 <= limits.size_bytes && used.inodes <= limits.inodes);
        assert_whole(&world.system);
        // Some rows give up the rights that this takes.
        if world.system.getresuid() == [0; 3] {
            clear(&world.system);
        }
    }
    assert_eq!(live(), before, "{} {limits:?}: bytes leaked", row.name);
    differs.get()
}

/// Limits from `first` on: each, or unless everything is wanted, more and more apart.
pub fn sizes(first: u64) -> impl Iterator<Item = u64> {
    let next = |last: &u64| Some(if full_sweep() { last + 1 } else { last + 1 + last / 4 });
    std::iter::successors(Some(first), next)
}

/// Does each row under each limit, up to the one under which it does what it does without;
/// how often one was met.
fn sweep(first: u64, limits: impl Fn(u64) -> Limits) -> usize {
    let met = |row| sizes(first).take_while(|&size| is_met(row, limits(size))).count();
    all_rows().map(met).sum()
}

#[test]
fn each_limit_of_pages_leaves_the_tree_as_it_was_and_nothing_behind() {
    let met = sweep(0, |pages| Limits { size_bytes: pages * 4096 + pages % 4096, ..ROOMY });
    println!("{met} rows met a limit of pages");
    assert!(met > 50, "{met} rows met a limit");
}

#[test]
fn each_limit_of_inodes_leaves_the_tree_as_it_was_and_nothing_behind() {
    let met = sweep(1, |inodes| Limits { inodes, ..ROOMY });
    println!("{met} rows met a limit of inodes");
    assert!(met > 300, "{met} rows met a limit");
}

/// The calls for which rows have no words.
#[test]
fn each_other_call_by_number_does_without_memory() {
    let sys = system_by_numbers(ROOMY);
    let mut room = [0u64; 100];
    let room = room.as_mut_ptr().expose_provenance() as u64;
    let limit = [100u64, 1000]; // soft, hard
    let limit = limit.as_ptr().expose_provenance() as u64;
    let files = libc::RLIMIT_NOFILE as u64;
    for (number, words, result) in [
        (libc::SYS_getpid, [0; 6], 1),
        (libc::SYS_gettid, [0; 6], 1),
        (libc::SYS_getrandom, [room, 700, 0, 0, 0, 0], 700),
        (libc::SYS_sysinfo, [room, 0, 0, 0, 0, 0], 0),
        (libc::SYS_uname, [room, 0, 0, 0, 0, 0], 0),
        (libc::SYS_getrlimit, [files, room, 0, 0, 0, 0], 0),
        (libc::SYS_setrlimit, [files, limit, 0, 0, 0, 0], 0),
        (libc::SYS_prlimit64, [0, files, limit, room, 0, 0], 0),
    ] {
        let told = failing(Fails::From(0), || sys.syscall(number, words));
        assert_eq!(told, (result, false), "call {number}");
    }
}
