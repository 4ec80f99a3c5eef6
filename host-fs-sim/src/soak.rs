//! The command `soak`: campaigns, for as long as is asked for.

use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anchorite_syscalls::declare_alone;
use anyhow::{Context, Result};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::campaign::judge::Against;
use crate::campaign::{Case, Failure, Tally};
use crate::output::tell;
use crate::programs::INTERRUPTED;
use crate::worlds::on_linux;

/// How often progress is told where it is not to a terminal.
const PERIOD: Duration = Duration::from_secs(30);
/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);
/// When a case takes so long that it may hang, it is told.
const LONG: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Stop after so many minutes
    #[arg(long, default_value_t = 1.0, value_parser = minutes, value_name = "N")]
    minutes: f64,
    /// Stop after so many calls on the ramdisk, whatever the time
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..))]
    operations: Option<u64>,
    /// Where the random numbers begin; the time of day unless given
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many threads, each with cases of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), value_name = "N")]
    threads: u16,
    /// Let the ramdisk be that of a program of one thread, which does without atomics
    #[arg(long, conflicts_with = "threads")]
    alone: bool,
    /// What the ramdisk, called by numbers, is compared with
    #[arg(long, value_enum, default_value = "all")]
    against: Other,
    /// How many calls a sequence has
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "N")]
    length: u16,
    /// Print a last line of JSON
    #[arg(long)]
    json: bool,
    /// Do the case of this number alone
    #[arg(long, value_name = "K", requires = "seed")]
    case: Option<u64>,
}

/// What to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Other {
    /// Linux' tmpfs, as root
    Linux,
    /// The same ramdisk, called by methods
    Methods,
    /// A naive model of the calls
    Model,
    /// Each in turn; Linux if it may be had
    All,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.0..=1e6).contains(&minutes) => Ok(minutes),
        _ => Err("minutes are a number from 0 to 1000000".to_owned()),
    }
}

/// Runs campaigns until time or count is reached, at Ctrl-C, or until one finds something.
///
/// # Errors
/// Ctrl-C cannot be caught; Linux is to be compared with and does not let this process.
pub fn run(options: &Options) -> Result<ExitCode> {
    ctrlc::set_handler(|| {
        // A case that hangs does not end by itself.
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    let linux = on_linux(|| ());
    let others: &[Against] = match (options.against, linux) {
        (Other::Linux, Err(why)) => {
            return Err(why).context("Linux cannot be compared with: run it as root");
        }
        (Other::All, Err(why)) => {
            tell(format_args!("skipped: the comparison with Linux: {why:#}"));
            &[Against::Model, Against::Methods]
        }
        (Other::All, Ok(())) => &[Against::Linux, Against::Model, Against::Methods],
        (Other::Linux, Ok(())) => &[Against::Linux],
        (Other::Model, _) => &[Against::Model],
        (Other::Methods, _) => &[Against::Methods],
    };
    let seed = options.seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64)
    });
    // At once: who ends this by force wants to know, too.
    tell(format_args!("seed {seed}"));
    tell_first_panic();
    if options.alone {
        be_alone();
    }
    let soak = Soak::new(options, others, seed);
    let failure = soak.run();
    let (all, succeeded) = soak.tally.lock().expect("no thread panics with it").total();
    let seconds = soak.start.elapsed().as_secs_f64();
    tell(format_args!(
        "seed {seed}: {} cases, {} calls in {seconds:.1} s, {:.0} a second, {:.0} % of them successful",
        HumanCount(soak.cases.load(Ordering::Relaxed)),
        HumanCount(all),
        all as f64 / seconds.max(0.001),
        100.0 * succeeded as f64 / all.max(1) as f64,
    ));
    if options.json {
        let against = options.against.to_possible_value();
        tell(json!({
            "against": against.as_ref().map(PossibleValue::get_name), "seed": seed,
            "cases": soak.cases.load(Ordering::Relaxed), "calls": all, "succeeded": succeeded,
            "seconds": seconds, "found": failure.as_ref().map(ToString::to_string),
        }));
        return Ok(ExitCode::from(u8::from(failure.is_some())));
    }
    match failure {
        Some(failure) => {
            tell(format_args!("FAILED: {failure}"));
            Ok(ExitCode::FAILURE)
        }
        None => {
            tell("nothing was found");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Lets a panic be told once: a sequence that ends in one does so again in each attempt to
/// make it smaller.
fn tell_first_panic() {
    let tell = panic::take_hook();
    let is_told = AtomicBool::new(false);
    panic::set_hook(Box::new(move |info| {
        if !is_told.swap(true, Ordering::Relaxed) {
            tell(info);
        }
    }));
}

/// Lets ramdisks be those of a program of one thread.
#[allow(unsafe_code)]
fn be_alone() {
    // SAFETY: there is one worker; the other threads of this program use no ramdisk.
    unsafe { declare_alone() };
}

struct Soak<'a> {
    options: &'a Options,
    others: &'a [Against],
    seed: u64,
    start: Instant,
    next: AtomicU64,
    cases: AtomicU64,
    is_over: AtomicBool,
    tally: Mutex<Tally>,
    failure: Mutex<Option<Box<Failure>>>,
    /// The cases under way, and when each is told to take long.
    under_way: Mutex<Vec<(Case, Instant)>>,
}

impl<'a> Soak<'a> {
    fn new(options: &'a Options, others: &'a [Against], seed: u64) -> Soak<'a> {
        Soak {
            options,
            others,
            seed,
            start: Instant::now(),
            next: AtomicU64::new(0),
            cases: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            tally: Mutex::default(),
            failure: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    fn run(&self) -> Option<Box<Failure>> {
        let bar = ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{spinner} {msg}").expect("the template is right"),
        );
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.options.threads).map(|_| scope.spawn(|| self.work())).collect();
            let mut told = Instant::now();
            while workers.iter().any(|worker| !worker.is_finished()) {
                thread::sleep(TICK);
                bar.set_message(self.progress());
                bar.tick();
                bar.suspend(|| self.tell_long());
                if bar.is_hidden() && told.elapsed() >= PERIOD {
                    tell(self.progress());
                    told = Instant::now();
                }
            }
        });
        bar.finish_and_clear();
        self.failure.lock().expect("no thread panics with it").take()
    }

    fn progress(&self) -> String {
        let (calls, _) = self.tally.lock().expect("no thread panics with it").total();
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = calls as f64 / seconds.max(0.001);
        let cases = HumanCount(self.cases.load(Ordering::Relaxed));
        format!("{seconds:.0} s: {cases} cases, {} calls, {rate:.0} a second", HumanCount(calls))
    }

    /// Tells of each case that takes long, again whenever it takes as long once more.
    fn tell_long(&self) {
        let now = Instant::now();
        for (case, at) in &mut *self.under_way.lock().expect("no thread panics with it") {
            if now >= *at {
                tell(format_args!("this takes long, or hangs: {}", case.command()));
                *at = now + LONG;
            }
        }
    }

    /// Does cases until there is no more to do.
    fn work(&self) {
        while !self.is_over.load(Ordering::Relaxed) && !INTERRUPTED.load(Ordering::Relaxed) {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            if self.options.case.is_some() && turn > 0 {
                return;
            }
            let index = self.options.case.unwrap_or(turn);
            // By rounds of three, as a case's limits go by its number.
            let against = self.others[(index / 3) as usize % self.others.len()];
            let len = self.options.length.into();
            let alone = self.options.alone;
            let case = Case { seed: self.seed, index, against, len, alone };
            let mut under_way = self.under_way.lock().expect("no thread panics with it");
            under_way.push((case, Instant::now() + LONG));
            drop(under_way);
            let came = case.run();
            let mut under_way = self.under_way.lock().expect("no thread panics with it");
            under_way.retain(|(other, _)| other.index != index);
            drop(under_way);
            match came {
                Ok(tally) => {
                    let mut all = self.tally.lock().expect("no thread panics with it");
                    all.add(&tally);
                    let limit = self.options.operations.unwrap_or(u64::MAX);
                    let minutes = Duration::from_secs_f64(60.0 * self.options.minutes);
                    let is_late =
                        self.options.operations.is_none() && self.start.elapsed() >= minutes;
                    if all.total().0 >= limit || is_late {
                        self.is_over.store(true, Ordering::Relaxed);
                    }
                }
                Err(failure) => {
                    self.is_over.store(true, Ordering::Relaxed);
                    let mut first = self.failure.lock().expect("no thread panics with it");
                    first.get_or_insert(failure);
                }
            }
            self.cases.fetch_add(1, Ordering::Relaxed);
        }
    }
}
