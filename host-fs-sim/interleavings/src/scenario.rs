//! [`Scenario`]: calls of two or three threads, and which outcomes are right.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use anchorite_programs::posix::methods::{Methods, entries};
use anchorite_programs::posix::script::outcome;
use anchorite_syscalls::{Errno, Limits, System};

use crate::ground::{ROOMY, be_thread, system};

/// The scenarios that are written down.
const TEXT: &str = include_str!("scenarios.txt");
/// What the names of scenarios begin with that are made from a seed.
const RANDOM: &str = "random:";

/// Calls to be done at once.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    limits: Limits,
    weak: bool,
    /// Whether calls wait for those of others, so that they cannot be done one after another.
    waits: bool,
    setup: Vec<String>,
    /// The calls of each thread.
    pub threads: Vec<Vec<String>>,
    /// Where calls wait: what each call may return.
    expected: Vec<Vec<Vec<String>>>,
}

/// A call, done: what it returned, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    outcome: String,
    start: u64,
    end: u64,
}

/// What one order of the calls returns and leaves.
struct Explanation {
    /// The thread whose call is next, for each call.
    order: Vec<usize>,
    outcomes: Vec<Vec<String>>,
    left: String,
}

/// What each order of a scenario's calls returns and leaves.
pub struct Orders(Vec<Explanation>);

impl Orders {
    /// How many outcomes there are to tell apart.
    pub fn outcomes(&self) -> usize {
        let Orders(orders) = self;
        let told = orders.iter().map(|order| (&order.outcomes, &order.left));
        told.collect::<HashSet<_>>().len()
    }
}

/// All scenarios that are written down.
pub fn written() -> Vec<Scenario> {
    TEXT.split("\nscenario ").skip(1).map(Scenario::parse).collect()
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<Scenario> {
    match name.strip_prefix(RANDOM) {
        Some(seed) => seed.parse().ok().map(Scenario::random),
        None => written().into_iter().find(|scenario| scenario.name == name),
    }
}

impl Scenario {
    fn parse(text: &str) -> Scenario {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut heading = lines.next().unwrap_or_default().split(' ');
        let name = heading.next().unwrap_or_default().to_owned();
        let kind = heading.next();
        let mut scenario = Scenario {
            name,
            limits: ROOMY,
            weak: kind == Some("weak"),
            waits: kind == Some("waits"),
            setup: Vec::new(),
            threads: Vec::new(),
            expected: Vec::new(),
        };
        for line in lines {
            if let Some(limits) = line.strip_prefix("limits ") {
                let mut numbers = limits.split(' ').map(|word| word.parse().expect("a number"));
                let mut next = || numbers.next().expect("pages and inodes");
                scenario.limits = Limits { size_bytes: 4096 * next(), inodes: next() };
            } else if line == "thread" {
                scenario.threads.push(Vec::new());
                scenario.expected.push(Vec::new());
            } else if let (true, Some(calls), Some(expected), Some((call, outcomes))) = (
                scenario.waits,
                scenario.threads.last_mut(),
                scenario.expected.last_mut(),
                line.rsplit_once(" = "),
            ) {
                calls.push(call.to_owned());
                expected.push(outcomes.split(" | ").map(str::to_owned).collect());
            } else {
                let calls = scenario.threads.last_mut().unwrap_or(&mut scenario.setup);
                calls.push(line.to_owned());
            }
        }
        scenario
    }

    /// A scenario made from `seed`: two threads with two or three calls each among few names
    /// in four directories, of which some are below others. Directories, and what is linked,
    /// are named by descriptors, so that each call looks and acts once: no path is walked
    /// while it changes.
    pub fn random(seed: u64) -> Scenario {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
        let mut below = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) as usize % limit
        };
        let mut call = || {
            let mut name = || {
                let (directory, name) = (4 + below(4), ["d", "e", "f"][below(3)]);
                format!("{directory} \"{name}\"")
            };
            let (one, two) = (name(), name());
            match below(18) {
                0..3 => format!("renameat2 {one} {two} 0"),
                3 => format!("renameat2 {one} {two} RENAME_NOREPLACE"),
                4 | 5 => format!("renameat2 {one} {two} RENAME_EXCHANGE"),
                6 => format!("linkat 3 \"\" {one} AT_EMPTY_PATH"),
                7 => format!("unlinkat {one} 0"),
                8 => format!("unlinkat {one} AT_REMOVEDIR"),
                9 => format!("mkdirat {one} 0755"),
                10 => format!("openat {one} O_RDWR|O_CREAT 0644"),
                11 => format!("openat {one} O_RDWR|O_CREAT|O_EXCL|O_TRUNC 0644"),
                12 => format!("symlinkat \"f\" {one}"),
                13 => format!("faccessat {one} F_OK"),
                14 => "write 8 \"yy\"".to_owned(),
                15 => "pread64 3 [5000] 0".to_owned(),
                16 => "ftruncate 3 1".to_owned(),
                _ => format!("getdents64 {} [4096]", 4 + below(4)),
            }
        };
        let setup = [
            "open \"/f\" O_RDWR|O_CREAT 0644",
            "mkdir \"/a\" 0755",
            "mkdir \"/b\" 0755",
            "mkdir \"/a/d\" 0755",
            "mkdir \"/a/d/e\" 0755",
            "open \"/a\" O_RDONLY 0",
            "open \"/b\" O_RDONLY 0",
            "open \"/a/d\" O_RDONLY 0",
            "open \"/a/d/e\" O_RDONLY 0",
            "open \"/f\" O_RDWR|O_APPEND 0644",
            "link \"/f\" \"/a/f\"",
            "write 3 \"xxxx\"",
        ];
        let lens = [2 + seed as usize % 2, 2];
        Scenario {
            name: format!("{RANDOM}{seed}"),
            limits: ROOMY,
            weak: false,
            waits: false,
            expected: Vec::new(),
            setup: setup.map(str::to_owned).to_vec(),
            threads: lens.map(|len| (0..len).map(|_| call()).collect()).to_vec(),
        }
    }

    /// A new system after the calls of the setup.
    pub fn begin(&self) -> System {
        let system = system(self.limits);
        let mut caller = Caller::new(&system);
        for call in &self.setup {
            let outcome = caller.call(call);
            let done = outcome == "fd" || outcome.starts_with(|first: char| first.is_ascii_digit());
            assert!(done, "{}: {call} = {outcome}", self.name);
        }
        system
    }

    /// Does the calls of a thread.
    pub fn call(&self, system: &System, thread: usize, clock: &AtomicU64) -> Vec<Done> {
        be_thread(thread as u32 + 1);
        let mut caller = Caller::new(system);
        let calls = self.threads[thread].iter();
        let done = calls.map(|call| {
            let start = clock.fetch_add(1, Ordering::Relaxed);
            let outcome = caller.call(call);
            Done { outcome, start, end: clock.fetch_add(1, Ordering::Relaxed) }
        });
        done.collect()
    }

    /// Does the calls in each order, one after another; none where they wait for others.
    pub fn orders(&self) -> Orders {
        let mut orders = Vec::new();
        if self.waits {
            return Orders(orders);
        }
        let mut unfinished = vec![Vec::new()];
        while let Some(order) = unfinished.pop() {
            let is_left = |&thread: &usize| {
                let done = order.iter().filter(|&&other| other == thread).count();
                done < self.threads[thread].len()
            };
            let before = unfinished.len();
            for thread in (0..self.threads.len()).filter(is_left) {
                unfinished.push([&order[..], &[thread]].concat());
            }
            if unfinished.len() == before {
                orders.push(self.in_order(order));
            }
        }
        Orders(orders)
    }

    fn in_order(&self, order: Vec<usize>) -> Explanation {
        let system = self.begin();
        let mut callers: Vec<_> = self.threads.iter().map(|_| Caller::new(&system)).collect();
        let mut outcomes = vec![Vec::new(); self.threads.len()];
        for &thread in &order {
            let call = &self.threads[thread][outcomes[thread].len()];
            outcomes[thread].push(callers[thread].call(call));
        }
        Explanation { order, outcomes, left: left(&system) }
    }

    /// Asserts that some order explains what the threads' calls did, and that what they
    /// left is sound. Returns what they returned and left, told.
    pub fn judge(&self, orders: &Orders, system: &System, done: &[Vec<Done>]) -> String {
        if self.waits {
            return self.judge_waiting(system, done);
        }
        let left = left(system);
        let explains = |explanation: &&Explanation| {
            explanation.left == left
                && explanation.outcomes.iter().zip(done).all(|(expected, done)| {
                    expected.iter().eq(done.iter().map(|done| &done.outcome))
                })
                && in_time(&explanation.order, done)
        };
        let found = orders.0.iter().find(explains);
        assert!(self.weak || found.is_some(), "{}", self.told(orders, done, &left));
        let outcomes = done.iter().flatten().map(|done| format!("{}\n", done.outcome));
        outcomes.chain([left]).collect()
    }

    /// As [`judge`](Scenario::judge), by what each call may return.
    fn judge_waiting(&self, system: &System, done: &[Vec<Done>]) -> String {
        let mut told = String::new();
        for ((calls, expected), done) in self.threads.iter().zip(&self.expected).zip(done) {
            for ((call, expected), Done { outcome, .. }) in calls.iter().zip(expected).zip(done) {
                let _ = writeln!(told, "{call} = {outcome}");
                let is_right = expected.contains(outcome);
                assert!(is_right, "{}: {call} = {outcome}, not {expected:?}", self.name);
            }
        }
        let report = system.check().expect("there is memory to check with");
        assert!(report.problems.is_empty(), "System::check: {:?}", report.problems);
        told
    }

    fn told(&self, orders: &Orders, done: &[Vec<Done>], left: &str) -> String {
        let mut text = format!("{}: no order of the calls explains\n", self.name);
        for (thread, (calls, done)) in self.threads.iter().zip(done).enumerate() {
            for (call, Done { outcome, start, end }) in calls.iter().zip(done) {
                let _ = writeln!(text, "  thread {thread} {start:3}..{end:<3} {call} = {outcome}");
            }
        }
        let _ = writeln!(text, "which left\n{left}");
        for Explanation { order, outcomes, left } in &orders.0 {
            let _ = writeln!(text, "In order {order:?} they are {outcomes:?} and leave\n{left}");
        }
        text
    }
}

/// Whether no call comes after one that began when it had ended.
fn in_time(order: &[usize], done: &[Vec<Done>]) -> bool {
    let mut next = vec![0; done.len()];
    let mut latest_start = 0;
    for &thread in order {
        let Done { start, end, .. } = done[thread][next[thread]];
        next[thread] += 1;
        if end < latest_start {
            return false;
        }
        latest_start = latest_start.max(start);
    }
    true
}

/// A thread's calls.
struct Caller<'a> {
    system: &'a System,
    /// The descriptor that `$` stands for.
    fd: String,
}

impl<'a> Caller<'a> {
    fn new(system: &'a System) -> Caller<'a> {
        Caller { system, fd: "-1".to_owned() }
    }

    /// The outcome of a call. Which number a descriptor gets says nothing: it is taken
    /// before the call has its effect, on Linux too.
    fn call(&mut self, call: &str) -> String {
        let outcome = outcome(&mut Methods(self.system), &call.replace('$', &self.fd));
        let opens = ["open", "dup"].iter().any(|name| call.starts_with(name));
        if opens && outcome.parse::<u32>().is_ok() {
            self.fd = outcome;
            return "fd".to_owned();
        }
        outcome
    }
}

/// What is left, told: the tree, its locks, the open files, the working directory and the quota.
/// Asserts that it is sound.
fn left(system: &System) -> String {
    let report = system.check().expect("there is memory to check with");
    assert!(report.problems.is_empty(), "System::check: {:?}", report.problems);
    let mut text = String::new();
    // Inodes by number, as they are found: numbers differ from order to order.
    let mut known: HashMap<(u64, u64), usize> = HashMap::new();
    let mut open: Vec<String> = Vec::new();
    let mut paths = vec!["/".to_owned()];
    while let Some(path) = paths.pop() {
        let stat = system.lstat(path.as_bytes()).expect("what is listed is there");
        let count = known.len();
        let inode = *known.entry((stat.st_dev, stat.st_ino)).or_insert(count);
        let _ = write!(text, "  {path} #{inode} {}", attributes(&stat));
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
            let mut names = list(system, path.as_bytes(), 4096);
            let pieces = list(system, path.as_bytes(), 80);
            assert_eq!(names, pieces, "{path}, listed whole and in pieces");
            let dots = [&b"."[..], b".."].map(<[u8]>::to_vec);
            names.retain(|name| !dots.contains(name));
            names.sort();
            for name in names.iter().rev() {
                let name = String::from_utf8_lossy(name);
                paths.push(format!("{}/{name}", path.trim_end_matches('/')));
            }
        } else if stat.st_mode & libc::S_IFMT == libc::S_IFREG {
            let fd = system.open(path.as_bytes(), libc::O_RDONLY, 0).expect("a file to read");
            let _ = write!(text, " {}{}", content(system, fd), locks(system, fd));
            system.close(fd).expect("an open file");
        }
        text.push('\n');
    }
    for fd in 3..16 {
        let Ok(stat) = system.fstat(fd) else { continue };
        let at = system.lseek(fd, 0, libc::SEEK_CUR).expect("an offset");
        let file = match stat.st_mode & libc::S_IFMT {
            libc::S_IFDIR => String::new(),
            _ => format!("at {at} {}", content(system, fd)),
        };
        let inode = known
            .get(&(stat.st_dev, stat.st_ino))
            .map_or("no name".to_owned(), |at| format!("#{at}"));
        open.push(format!("  open {inode} {} {file}\n", attributes(&stat)));
    }
    open.sort();
    let mut buffer = [0; 4096];
    let cwd = match system.getcwd(&mut buffer) {
        Ok(len) => String::from_utf8_lossy(&buffer[..len - 1]).into_owned(),
        Err(errno) => format!("{errno:?}"),
    };
    let usage = system.usage();
    let _ =
        write!(text, "{}  in {cwd}, {} pages, {} inodes", open.concat(), usage.pages, usage.inodes);
    text
}

fn attributes(stat: &libc::stat) -> String {
    let libc::stat { st_mode, st_nlink, st_size, st_blocks, .. } = stat;
    format!("{st_mode:o} links {st_nlink} size {st_size} blocks {st_blocks}")
}

/// What keeps `fd`, which nobody else has, from locking its file; nothing if nobody does.
fn locks(system: &System, fd: i32) -> String {
    let whole = system.flock(fd, libc::LOCK_EX | libc::LOCK_NB);
    let mut lock = libc::flock { l_type: 1, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    system.fcntl_lock(fd, libc::F_OFD_GETLK, &mut lock).expect("an answer");
    let libc::flock { l_type, l_start, l_len, l_pid, .. } = lock;
    match (whole, i32::from(l_type)) {
        (Ok(()), libc::F_UNLCK) => String::new(),
        (whole, _) => format!("locked {whole:?} {l_type} {l_start} {l_len} {l_pid}"),
    }
}

/// What a file holds, by runs of the same byte.
fn content(system: &System, fd: i32) -> String {
    let mut bytes = vec![0; 16 * 1024];
    let len = match system.pread(fd, &mut bytes, 0) {
        Ok(len) => len,
        Err(errno) => return format!("{errno:?}"),
    };
    let runs = bytes[..len].chunk_by(|a, b| a == b);
    runs.map(|run| format!("{}*{} ", run[0].escape_ascii(), run.len())).collect()
}

/// The names in a directory, listed with room for so many bytes at a time.
fn list(system: &System, path: &[u8], room: usize) -> Vec<Vec<u8>> {
    let fd = system.open(path, libc::O_RDONLY | libc::O_DIRECTORY, 0).expect("a directory");
    let (mut buffer, mut names) = (vec![0; room], Vec::new());
    loop {
        match system.getdents64(fd, &mut buffer) {
            Ok(0) | Err(Errno::ENOENT) => break,
            Ok(len) => names.extend(entries(&buffer[..len]).into_iter().map(|(name, _)| name)),
            Err(errno) => panic!("getdents64: {errno:?}"),
        }
        assert!(names.len() < 1000, "a listing that ends");
    }
    system.close(fd).expect("an open directory");
    names
}
