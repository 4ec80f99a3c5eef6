//! Campaigns: random sequences in two worlds side by side, compared reply by reply.
//!
//! A [`Case`] is a seed and an index, from which its sequence follows. The sequence is done on
//! the ramdisk by numbers, then in the other world; every reply must be the same, and the
//! tree at the end. Of what no two worlds share,
//! * inode numbers are compared by which are equal: each is told by when it was first seen;
//! * a time that was set is compared exactly; one since the start is `now`, but a `watch` tells
//!   which times a call moves;
//! * a listing is a set.
//!
//! On the way the ramdisk must stay within its limits; at the end it must pass its checker,
//! and hold but the root when all is closed and removed.

pub mod judge;
mod tree;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use anchorite_fs::{Limits, PAGE_BYTES};
use anchorite_programs::posix::script::{Outcome, Reply, Run, Statement, Value, World};
use anchorite_syscalls::{Errno, PATH_MAX, System};
use anyhow::Result;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::judge::{Against, Judge};
use crate::model::Model;
use crate::sequence::{ROW, Sequences, Shrinking};
use crate::worlds::{Methods, Numbers, ROOMY, linux_call, on_linux, system, system_by_numbers};

/// Begins the line of a text that tells its limits: pages and inodes.
pub(crate) const LIMITS: &str = "# limits ";
/// How often a failing sequence is tried smaller.
const MOST_SHRINKS: u32 = 20_000;
/// And for how long, in milliseconds: long sequences take long, each time.
const SHRINKING: u32 = 120_000;

/// One sequence of a campaign.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The campaign's seed.
    pub seed: u64,
    /// Which of its cases.
    pub index: u64,
    /// What the ramdisk is compared with.
    pub against: Against,
    /// Statements.
    pub len: usize,
    /// Whether the ramdisk is that of a program of one thread.
    pub alone: bool,
}

/// What a sequence showed that should not be.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The case.
    pub case: Case,
    /// What is wrong.
    pub what: String,
    /// The shortest sequence that shows it, as a row.
    pub row: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Failure { case, what, row } = self;
        writeln!(f, "{what}\nThe shortest sequence found that shows it:\n\n{row}")?;
        write!(f, "To replay it: {}", case.command())
    }
}

/// How many calls were made, by name, and how many of them succeeded.
#[derive(Clone, Debug, Default)]
pub struct Tally(pub BTreeMap<String, (u64, u64)>);

impl Tally {
    /// All calls, and all that succeeded.
    pub fn total(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Counts those of `other` too.
    pub fn add(&mut self, other: &Tally) {
        for (name, (made, succeeded)) in &other.0 {
            let one = self.0.entry(name.clone()).or_default();
            *one = (one.0 + made, one.1 + succeeded);
        }
    }

    fn count(&mut self, name: &str, outcome: &Outcome) {
        let one = self.0.entry(name.to_owned()).or_default();
        let failed = matches!(outcome.reply, None | Some(Reply::Failed(_)));
        *one = (one.0 + 1, one.1 + u64::from(!failed));
    }
}

impl Case {
    /// The command that does it again.
    pub fn command(&self) -> String {
        let Case { seed, index, against, len, alone } = self;
        let against = format!("{against:?}").to_lowercase();
        let alone = if *alone { " --alone" } else { "" };
        format!(
            "host-fs-sim soak --against {against} --seed {seed} --case {index} --length {len}{alone}"
        )
    }

    /// The limits of the ramdisk: of three cases the second has few pages and inodes, the third
    /// some, but for what is compared with Linux, which counts others.
    pub fn limits(&self) -> Limits {
        let few = |pages: u64, inodes| Limits { size_bytes: pages * PAGE_BYTES as u64, inodes };
        match (self.against, self.index % 3) {
            (Against::Linux, _) | (_, 0) => ROOMY,
            (_, 1) => few(8, 12),
            _ => few(60, 30),
        }
    }

    /// What generates the sequence, always the same.
    fn runner(&self) -> (TestRunner, Sequences) {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&self.index.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let config = Config {
            failure_persistence: None,
            max_shrink_iters: MOST_SHRINKS,
            max_shrink_time: SHRINKING,
            ..Config::default()
        };
        let sequences = Sequences { against: self.against, limits: self.limits(), len: self.len };
        (TestRunner::new_with_rng(config, rng), sequences)
    }

    /// The sequence, to be shrunk.
    pub fn sequence(&self) -> Shrinking {
        let (mut runner, sequences) = self.runner();
        sequences.new_tree(&mut runner).expect("sequences reject nothing")
    }

    /// Does the sequence in both worlds; tells what calls it made.
    ///
    /// # Errors
    /// The worlds differ, or the ramdisk is not whole.
    pub fn run(&self) -> Result<Tally, Box<Failure>> {
        let (mut runner, _) = self.runner();
        let tree = self.sequence();
        let tally = RefCell::new(None);
        let limits = self.limits();
        let tried = runner.run_one(tree, |statements| {
            let told = compare(&statements, self.against, limits).map_err(TestCaseError::fail)?;
            tally.borrow_mut().get_or_insert(told);
            Ok(())
        });
        match tried {
            Ok(_) => Ok(tally.into_inner().unwrap_or_default()),
            Err(TestError::Fail(why, statements)) => {
                let why = why.message().to_owned();
                let (what, row) = why.split_once("\n\n").map_or_else(
                    // A panic.
                    || (why.clone(), row(statements.iter().map(|one| (one, None, None)), limits)),
                    |(what, row)| (what.to_owned(), row.to_owned()),
                );
                Err(Box::new(Failure { case: *self, what, row }))
            }
            Err(TestError::Abort(why)) => {
                Err(Box::new(Failure { case: *self, what: why.to_string(), row: String::new() }))
            }
        }
    }
}

/// What came of a sequence in a world.
#[derive(Debug, Default)]
struct Ran {
    told: Vec<Told>,
    tree: Vec<String>,
}

/// What came of a statement.
#[derive(Debug)]
struct Told {
    /// As rows have it.
    text: String,
    /// What rows leave out.
    more: String,
    /// What must be the same in both worlds.
    compared: String,
}

/// Does `statements` in both worlds, but for those to which there is an objection
/// ([`judge`]); tells what calls it made.
///
/// # Errors
/// What differs or is not whole, an empty line, and a row that shows it.
pub fn compare(
    statements: &[Statement],
    against: Against,
    limits: Limits,
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (mut done, mut asked_before) = (Vec::new(), Vec::new());
    let system_ = system_by_numbers(limits);
    let syscall = |number, words| system_.syscall(number, words);
    let mut numbers = Numbers { syscall: &syscall };
    let mut judge = Judge::new(against);
    let mut asked = Vec::new();
    let mut problem = None;
    let ours = ran(&mut numbers, &mut |run| {
        let mut teller = Teller::new(against);
        let mut told = Vec::new();
        for statement in statements {
            let mut asks = Asks { world: run.world(), calls: &mut asked };
            if judge.objection(&mut asks, statement).is_some() {
                continue;
            }
            judge.note(&mut asks, statement);
            let outcome = run.perform(statement);
            tally.count(&statement.name, &outcome);
            told.push(teller.tell(run, statement, &outcome));
            done.push(statement.clone());
            asked.retain(|asked| {
                against != Against::Methods || judge::without_method(asked).is_none()
            });
            asked_before.push(std::mem::take(&mut asked));
            problem = problem.take().or_else(|| outside_limits(&system_));
            if problem.is_some() {
                break;
            }
        }
        problem = problem.take().or_else(|| unsound(&system_));
        told
    });
    let problem = problem.or_else(|| left_over(&system_));
    if let Some(problem) = problem {
        let lines = done.iter().zip(&ours.told).map(|(one, told)| (one, Some(&*told.text), None));
        return Err(format!("{problem}\n\n{}", row(lines, limits)));
    }
    let all = |run: &mut Run<'_>| {
        let mut teller = Teller::new(against);
        let told = done.iter().zip(&asked_before).map(|(statement, asked)| {
            for Statement { name, arguments, .. } in asked {
                run.world().call(name, arguments);
            }
            let outcome = run.perform(statement);
            teller.tell(run, statement, &outcome)
        });
        told.collect()
    };
    let theirs = match against {
        Against::Linux => on_linux(|| ran(&mut Numbers { syscall: &linux_call }, &mut { all }))
            .map_err(|why| format!("Linux does not let this process try: {why:#}"))?,
        Against::Methods => ran(&mut Methods(&system(limits)), &mut { all }),
        Against::Model => ran(&mut Model::new(limits), &mut { all }),
    };
    differences(&done, &ours, &theirs, limits).map_or(Ok(tally), Err)
}

/// A world that the judge asks, and what it is asked: the other one is to be asked the same, since
/// that leaves something behind, the access times of links on the way.
struct Asks<'a> {
    world: &'a mut dyn World,
    calls: &'a mut Vec<Statement>,
}

impl World for Asks<'_> {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Reply> {
        let call =
            Statement { watched: Vec::new(), name: name.to_owned(), arguments: arguments.to_vec() };
        self.calls.push(call);
        self.world.call(name, arguments)
    }
}

/// Does a row by `program`; tells the tree afterwards too.
fn ran(world: &mut dyn World, program: &mut dyn FnMut(&mut Run<'_>) -> Vec<Told>) -> Ran {
    let mut run = Run::begin(world, ROW);
    let told = program(&mut run);
    let start = run.start();
    run.end();
    Ran { told, tree: tree::tree(world, start) }
}

fn differences(done: &[Statement], ours: &Ran, theirs: &Ran, limits: Limits) -> Option<String> {
    let all = || done.iter().zip(&ours.told).zip(&theirs.told);
    let first = all().position(|((_, ours), theirs)| ours.compared != theirs.compared);
    let what = match first {
        Some(at) => {
            let (ours, theirs) = (&ours.told[at], &theirs.told[at]);
            let more = |told: &Told| format!("{}{}", told.text, told.more);
            format!("{}\n  ours:   {}\n  theirs: {}", done[at], more(ours), more(theirs))
        }
        None if ours.tree == theirs.tree => return None,
        None => {
            let only = |a: &[String], b: &[String]| -> String {
                a.iter()
                    .filter(|line| !b.contains(line))
                    .map(|line| format!("\n    {line}"))
                    .collect()
            };
            let (ours, theirs) = (only(&ours.tree, &theirs.tree), only(&theirs.tree, &ours.tree));
            format!("the trees afterwards differ\n  ours:{ours}\n  theirs:{theirs}")
        }
    };
    let until = first.map_or(done.len(), |at| at + 1);
    let lines = all().take(until).map(|((statement, ours), theirs)| {
        (statement, Some(&*theirs.text), (ours.compared != theirs.compared).then_some(&*ours.text))
    });
    Some(format!("{what}\n\n{}", row(lines, limits)))
}

/// A row as text: each statement, what came of it, and what came of it on ours if that is not
/// the same. It has a world of its own, as paths may lead out of the row's directory.
pub fn row<'a>(
    lines: impl Iterator<Item = (&'a Statement, Option<&'a str>, Option<&'a str>)>,
    limits: Limits,
) -> String {
    let mut text = "# alone\n".to_owned();
    if limits != ROOMY {
        let (pages, inodes) = (limits.size_bytes / PAGE_BYTES as u64, limits.inodes);
        let _ = writeln!(text, "{LIMITS}{pages} {inodes}");
    }
    let _ = write!(text, "\nrow {ROW}\n");
    for (statement, outcome, ours) in lines {
        // No two clocks tell the same.
        let outcome = outcome.filter(|_| statement.name != "clock_gettime");
        let outcome = outcome.map(|outcome| format!(" = {outcome}")).unwrap_or_default();
        let _ = writeln!(text, "  {statement}{outcome}");
        if let Some(ours) = ours {
            let _ = writeln!(text, "  # ours: {ours}");
        }
    }
    text
}

/// Tells outcomes such that those of different worlds can be compared.
struct Teller {
    ticks: Ticks,
    /// When each inode number was first seen.
    inodes: HashMap<(u64, u64), usize>,
}

/// How a world's clock goes.
#[derive(Clone, Copy)]
enum Ticks {
    /// Each call has a time of its own.
    Fine,
    /// Many calls have the same time.
    Coarse,
}

impl Teller {
    fn new(against: Against) -> Teller {
        let ticks = if against == Against::Linux { Ticks::Coarse } else { Ticks::Fine };
        Teller { ticks, inodes: HashMap::new() }
    }

    fn tell(&mut self, run: &mut Run<'_>, statement: &Statement, outcome: &Outcome) -> Told {
        let mut text = outcome.told();
        let mut more = String::new();
        match (&outcome.reply, &*statement.name) {
            (Some(Reply::Numbers(_, time)), "clock_gettime") => {
                text = run.told_time((time[0], 0));
            }
            (Some(Reply::Stat(stat)), _) => {
                let number = self.inodes.len();
                let number = *self.inodes.entry((stat.st_dev, stat.st_ino)).or_insert(number);
                let times = [
                    (stat.st_atime, stat.st_atime_nsec),
                    (stat.st_mtime, stat.st_mtime_nsec),
                    (stat.st_ctime, stat.st_ctime_nsec),
                ];
                let [access, modification, change] = times.map(|time| run.told_time(time));
                let _ = write!(
                    more,
                    "; inode #{number} blocks of {} device {} times {access} {modification} {change}",
                    stat.st_blksize, stat.st_rdev
                );
            }
            _ => {}
        }
        let mut compared = outcome.reply.as_ref().map_or_else(|| text.clone(), Reply::to_string);
        if statement.name == "clock_gettime" {
            compared.clone_from(&text);
        }
        if let Some(Reply::Data(bytes)) = &outcome.reply {
            compared += &tree::sum(bytes);
        }
        compared += &more;
        compared += &match self.ticks {
            Ticks::Fine => outcome.moved.clone(),
            Ticks::Coarse => without_access(&outcome.moved),
        };
        Told { text, more, compared }
    }
}

/// What `watch` tells, without access times. Whether a read marks them depends on whether they
/// are before the other times (`relatime`), and those of a coarse clock may be equal.
fn without_access(moved: &str) -> String {
    let piece = |piece: &str| match piece.rsplit_once(' ') {
        Some((path, "a" | "a<")) => format!("{path} -"),
        Some((path, times)) if !matches!(times, "made" | "missing" | "removed") => {
            format!("{path} {}", times.trim_start_matches('a').trim_start_matches('<'))
        }
        _ => piece.to_owned(),
    };
    moved.split(", ").map(piece).collect::<Vec<_>>().join(", ")
}

fn outside_limits(system: &System) -> Option<String> {
    let usage = system.usage();
    let most_pages = usage.limits.size_bytes / PAGE_BYTES as u64;
    let inside = (1..=usage.limits.inodes).contains(&usage.inodes) && usage.pages <= most_pages;
    (!inside).then(|| format!("the ramdisk is outside its limits: {usage:?}"))
}

/// What the checker finds.
pub(crate) fn unsound(system: &System) -> Option<String> {
    match system.check() {
        Ok(report) if report.problems.is_empty() => None,
        Ok(report) => {
            let problems = report.problems.iter().map(|problem| format!("\n  {problem}"));
            Some(format!("the checker finds{}", problems.collect::<String>()))
        }
        Err(errno) => Some(format!("the checker answers {errno:?}")),
    }
}

/// Closes and removes everything, if the process may become root; tells what stays.
pub(crate) fn left_over(system: &System) -> Option<String> {
    const KEEP: u32 = u32::MAX;
    system.setresuid(KEEP, 0, KEEP).ok()?;
    let most = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
    system.setrlimit(libc::RLIMIT_NOFILE, most).ok()?;
    if let Err(errno) = unmount_all(system) {
        return Some(format!("the mounts cannot be taken away: {errno:?}"));
    }
    let mut methods = Methods(system);
    let removed = tree::remove_all(&mut methods);
    let usage = system.usage();
    match removed {
        Err(what) => Some(what),
        Ok(()) if (usage.inodes, usage.pages) != (1, 0) => {
            Some(format!("when all is closed and removed, this is left: {usage:?}"))
        }
        Ok(()) => unsound(system),
    }
}

/// Closes all descriptors but the first three, and takes away all that is mounted, from the root
/// of the tree, whatever the root directory is by now: that is `/` again.
///
/// # Errors
/// The process cannot find its way back: its root directory was removed, or is in what was
/// detached or left what was bound.
pub fn unmount_all(system: &System) -> Result<(), Errno> {
    system.close_range(3, u32::MAX, 0)?;
    system.chdir(b"/")?;
    let number = |path: &[u8]| system.stat(path).map(|stat| (stat.st_dev, stat.st_ino));
    if number(b"/")? != judge::FIRST_ROOT {
        // Who may change the root can leave it: for one that the working directory is not in.
        system.mount(None, b"/", Some(b"ramfs"), 0, None)?;
        system.chroot(b"/..")?;
        // Of no other place in the tree it is all that getcwd tells.
        const TOP: &[u8] = b"(unreachable)/\0";
        let mut path = [0; PATH_MAX];
        loop {
            match system.getcwd(&mut path) {
                Ok(len) if &path[..len] == TOP => break,
                // What is mounted on the way may have been removed where it was bound.
                Ok(_) | Err(Errno::ENAMETOOLONG | Errno::ENOENT) => system.chdir(b"..")?,
                Err(errno) => return Err(errno),
            }
        }
        system.chroot(b".")?;
    }
    for flags in [libc::MS_REMOUNT, libc::MS_REMOUNT | libc::MS_BIND] {
        system.mount(None, b"/", None, flags, None)?;
    }
    loop {
        let text = system.mounts_text()?;
        let lines = text.split(|byte| *byte == b'\n').rev();
        for path in lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(1)) {
            // Whatever is mounted in it goes with it, and the first mount stays. What others cover
            // is reached later, and its path may lead nowhere until then.
            let told = system.umount2(&unescaped(path), libc::MNT_DETACH);
            if let Err(errno @ (Errno::EBUSY | Errno::EPERM | Errno::ENOMEM)) = told {
                return Err(errno);
            }
        }
        // What another one covered is reached when that is gone.
        if system.mounts_text()?.len() == text.len() {
            return Ok(());
        }
    }
}

/// A path of `proc_pid_mounts(5)`, in which some bytes are told by three octal digits.
fn unescaped(mut path: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&first, rest)) = path.split_first() {
        let digit = |at: usize| rest.get(at).map_or(0, |digit| digit.wrapping_sub(b'0'));
        if first == b'\\' && rest.len() >= 3 {
            bytes.push(digit(0) << 6 | digit(1) << 3 | digit(2));
            path = &rest[3..];
        } else {
            bytes.push(first);
            path = rest;
        }
    }
    bytes
}

/// The arguments of a call of one path.
fn path(path: &[u8]) -> [Value; 1] {
    [Value::Text(path.to_vec())]
}
