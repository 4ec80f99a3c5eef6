//! The command: builds explorers, runs them on scenarios, tells what they found.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::sanitizers::sanitizers;
use crate::scenario::{self, Scenario};

const USAGE: &str = "usage: interleavings shuttle|loom|plants [OPTIONS]
       interleavings sanitizers
  --schedules N   schedules of each scenario by each scheduler (shuttle: 300)
  --seed S        the first seed (1)
  --scenario NAME only this one; random:S is made from a seed
  --random N      beside those that are written down, so many made from seeds (20)
  --scheduler X   only random, or only pct
  --replay TEXT   the first schedule that shuttle printed, with --scenario
  --bound N       loom: preemptions (2)
  --seconds N     loom: gives a scenario up after so long (60)
  --plant NAME    only this planted bug
  --jobs N        processes at a time (2)";

/// Planted bugs: the name, and what is expected to catch it.
pub const PLANTS: &[(&str, Model, &str)] = &[
    ("replaced_file_keeps_its_link", Model::Shuttle, "one_thread_links_and_lists"),
    ("append_finds_its_place_unlocked", Model::Shuttle, "append_against_append"),
    ("cookie_is_used_again", Model::Shuttle, "listing_in_pieces_against_unlink_and_create"),
    ("moved_directory_keeps_its_parent", Model::Shuttle, "renames_of_directories_that_cross"),
    ("directories_move_meanwhile", Model::Shuttle, "renames_into_descendants"),
    ("punched_pages_stay_charged", Model::Shuttle, "punch_against_write"),
    ("removed_directory_takes_files", Model::Shuttle, "rmdir_against_create"),
    ("limit_is_checked_apart", Model::Shuttle, "last_page_is_given_once"),
    ("last_reference_unordered", Model::Loom, "last_references"),
    ("closed_descriptor_keeps_locks", Model::Shuttle, "process_locks_against_close"),
    ("sleeper_is_listed_late", Model::Shuttle, "reader_waits_for_what_is_written"),
    ("core_that_has_a_lock_is_not_waited_for", Model::Shuttle, "a_lock_left_to_a_core_is_taken"),
    ("users_are_not_waited_for", Model::Shuttle, "what_is_published_is_withdrawn"),
];

/// Scenarios that are code: `explore.rs`.
const CODED: [&str; 9] = [
    "last_references",
    "a_tree_goes_while_it_is_walked",
    "a_shared_lock_is_taken",
    "a_noted_lock_is_taken",
    "a_lock_noted_before_is_taken",
    "a_lock_left_to_a_core_is_taken",
    "two_of_a_core_have_its_lock",
    "what_is_published_is_withdrawn",
    "inodes_are_made_on_two_cores",
];

/// A model checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Random schedules.
    Shuttle,
    /// All schedules with few preemptions, and what weak memory allows.
    Loom,
}

/// What the command is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Schedules of each scenario by each of shuttle's schedulers.
    pub schedules: usize,
    /// The first seed.
    pub seed: u64,
    /// Only the scenario of this name.
    pub scenario: Option<String>,
    /// How many scenarios are made from seeds.
    pub random: usize,
    /// Only this scheduler of shuttle's.
    pub scheduler: Option<String>,
    /// A schedule to replay.
    pub replay: Option<String>,
    /// How many preemptions loom makes at most.
    pub bound: usize,
    /// After how many seconds loom gives a scenario up.
    pub seconds: usize,
    /// Only this planted bug.
    pub plant: Option<String>,
    /// How many processes run at a time.
    pub jobs: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            schedules: 300,
            seed: 1,
            scenario: None,
            random: 20,
            scheduler: None,
            replay: None,
            bound: 2,
            seconds: 60,
            plant: None,
            jobs: 2,
        }
    }
}

/// What came of a run on one scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command that does it again.
    pub command: String,
    /// How many interleavings there were.
    pub interleavings: usize,
    /// How many different outcomes they had.
    pub outcomes: usize,
    /// Whether loom gave up before it had all.
    pub cut: bool,
    /// What is wrong.
    pub failure: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Does what the words of a command line say; whether all was well.
///
/// # Errors
/// A sentence, for words that are no command, and for explorers that do not build.
pub fn command(words: &[String]) -> Result<bool, String> {
    let [what, words @ ..] = words else { return Err(USAGE.to_owned()) };
    if what == "sanitizers" && words.is_empty() {
        return sanitizers();
    }
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(option) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        let number = || {
            value.parse::<usize>().map_err(|_| format!("{option} takes a number, not {value:?}"))
        };
        match option.as_str() {
            "--schedules" => options.schedules = number()?,
            "--seed" => options.seed = number()? as u64,
            "--random" => options.random = number()?,
            "--bound" => options.bound = number()?,
            "--seconds" => options.seconds = number()?,
            "--jobs" => options.jobs = number()?.max(1),
            "--scenario" => options.scenario = Some(value.clone()),
            "--scheduler" => options.scheduler = Some(value.clone()),
            "--replay" => options.replay = Some(value.clone()),
            "--plant" => options.plant = Some(value.clone()),
            _ => return Err(USAGE.to_owned()),
        }
    }
    match what.as_str() {
        "shuttle" => explore(Model::Shuttle, &options).map(|outcomes| summed_up(&outcomes)),
        "loom" => explore(Model::Loom, &options).map(|outcomes| summed_up(&outcomes)),
        "plants" => plants(&options),
        _ => Err(USAGE.to_owned()),
    }
}

/// Explores the scenarios with a model checker, and prints what comes of each.
///
/// # Errors
/// A sentence, if there is no such scenario or the explorer does not build.
pub fn explore(model: Model, options: &Options) -> Result<Vec<Outcome>, String> {
    let explorer = build(model)?;
    let runs = runs(model, options)?;
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run.start(&explorer, None);
                    println!("{outcome}");
                    outcomes.lock().unwrap_or_else(|poison| poison.into_inner()).push(outcome);
                }
            });
        }
    });
    Ok(outcomes.into_inner().unwrap_or_else(|poison| poison.into_inner()))
}

/// Wakes each planted bug; whether each was caught.
///
/// # Errors
/// A sentence, if there is no such plant or an explorer does not build.
pub fn plants(options: &Options) -> Result<bool, String> {
    let chosen = |name: &str| options.plant.as_ref().is_none_or(|plant| plant == name);
    if !PLANTS.iter().any(|(name, ..)| chosen(name)) {
        return Err(format!("there is no such plant; there are {PLANTS:?}"));
    }
    let mut all = true;
    for &(plant, model, scenario) in PLANTS.iter().filter(|(name, ..)| chosen(name)) {
        let explorer = build(model)?;
        let options = Options { scenario: Some(scenario.to_owned()), ..options.clone() };
        let caught = runs(model, &options)?.iter().find_map(|run| {
            run.start(&explorer, Some(plant)).failure.map(|failure| (run.words.clone(), failure))
        });
        match caught {
            Some((by, failure)) => {
                let mut lines = failure.lines().skip_while(|line| !line.contains(" panicked at "));
                let why = lines.nth(1).unwrap_or_default();
                println!("{plant}: caught by {}: {why}", by.join(" "));
            }
            None => {
                all = false;
                println!("{plant}: NOT CAUGHT by {scenario}");
            }
        }
    }
    Ok(all)
}

/// Prints the sums of the outcomes; whether none is a failure.
pub fn summed_up(outcomes: &[Outcome]) -> bool {
    let interleavings: usize = outcomes.iter().map(|outcome| outcome.interleavings).sum();
    let cut = outcomes.iter().filter(|outcome| outcome.cut).count();
    let failures = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    println!(
        "{} runs, {interleavings} interleavings, {cut} given up, {failures} failures",
        outcomes.len()
    );
    failures == 0
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { command, interleavings, outcomes, seconds, .. } = self;
        let given_up = if self.cut { ", given up" } else { "" };
        write!(
            f,
            "{command}: {interleavings} interleavings{given_up}, {outcomes} outcomes, {seconds:.1} s"
        )?;
        match &self.failure {
            Some(failure) => write!(f, "\nFAILED\n{failure}\nreplay: {command}"),
            None => Ok(()),
        }
    }
}

/// A process to be started.
struct Run {
    model: Model,
    /// Scenario, mode, number, seed.
    words: [String; 4],
}

fn runs(model: Model, options: &Options) -> Result<Vec<Run>, String> {
    let mut names: Vec<String> = CODED.map(str::to_owned).to_vec();
    for scenario in scenario::written() {
        // Loom is for two threads: with three it has too much to do.
        if model == Model::Shuttle || scenario.threads.len() == 2 {
            names.push(scenario.name);
        }
    }
    if options.scenario.is_none() {
        // Most pairs of calls do not meet; those are chosen whose order tells.
        let tells = |seed: &u64| Scenario::random(*seed).orders().outcomes() > 2;
        let seeds = (options.seed..).filter(tells).take(options.random);
        names.extend(seeds.map(|seed| format!("random:{seed}")));
    }
    if let Some(name) = &options.scenario {
        if !names.contains(name) && scenario::find(name).is_none() {
            return Err(format!("there is no scenario {name}; there are {names:?}"));
        }
        names = vec![name.clone()];
    }
    let schedulers: &[&str] = match (model, options.scheduler.as_deref(), &options.replay) {
        (Model::Loom, ..) => &["exhaustive"],
        (_, _, Some(_)) => &["replay"],
        (_, None, _) => &["random", "pct"],
        (_, Some("random"), _) => &["random"],
        (_, Some("pct"), _) => &["pct"],
        (_, Some(other), _) => return Err(format!("{other:?} is neither random nor pct")),
    };
    let mut runs = Vec::new();
    for name in names {
        for &mode in schedulers {
            let (number, seed) = match (model, &options.replay) {
                (Model::Loom, _) => (options.bound, options.seconds.to_string()),
                (_, Some(schedule)) => (1, schedule.clone()),
                // PCT refuses scenarios of one thread.
                _ if mode == "pct" && is_alone(&name) => continue,
                _ => (options.schedules, options.seed.to_string()),
            };
            let words = [name.clone(), mode.to_owned(), number.to_string(), seed];
            runs.push(Run { model, words });
        }
    }
    Ok(runs)
}

fn is_alone(name: &str) -> bool {
    scenario::find(name).is_some_and(|scenario| scenario.threads.len() == 1)
}

impl Run {
    fn start(&self, explorer: &Path, plant: Option<&str>) -> Outcome {
        let [name, mode, number, seed] = &self.words;
        let mut command = match (self.model, mode.as_str()) {
            (Model::Loom, _) => format!("loom --scenario {name} --bound {number} --seconds {seed}"),
            (_, "replay") => format!("shuttle --scenario {name} --replay {seed}"),
            _ => format!(
                "shuttle --scenario {name} --scheduler {mode} --schedules {number} --seed {seed}"
            ),
        };
        command.insert_str(0, "cargo run -p anchorite-interleavings -- ");
        let start = Instant::now();
        let mut process = Command::new(explorer);
        process.args(&self.words).env_remove("ANCHORITE_PLANT").stdin(Stdio::null());
        process.env("RUST_BACKTRACE", "0").env("SHUTTLE_SILENCE_WARNINGS", "1");
        if let Some(plant) = plant {
            process.env("ANCHORITE_PLANT", plant);
        }
        let (out, err, code) = match process.output() {
            Ok(output) => (output.stdout, output.stderr, output.status.code()),
            Err(error) => (Vec::new(), error.to_string().into_bytes(), None),
        };
        let out = String::from_utf8_lossy(&out);
        let mut numbers = out.lines().last().unwrap_or_default().split(' ').map(str::parse);
        let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
        let (interleavings, outcomes) = (number(), number());
        let cut = code == Some(3);
        let failed = !cut && code != Some(0);
        Outcome {
            command,
            interleavings,
            outcomes,
            cut,
            failure: failed.then(|| format!("{out}{}", String::from_utf8_lossy(&err))),
            seconds: start.elapsed().as_secs_f64(),
        }
    }
}

/// Builds the explorer for `model`, with the planted bugs asleep in it.
fn build(model: Model) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let name = if model == Model::Loom { "loom" } else { "shuttle" };
    let flags = format!(
        "--cfg\x1fanchorite_model\x1f--cfg\x1fanchorite_model=\"{name}\"\x1f--cfg\x1fanchorite_plants"
    );
    let target = target_directory(&root).join("interleavings").join(name);
    let output = nested_cargo(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .args(["build", "--locked", "--quiet", "--package", "anchorite-interleavings", "--bins"])
        // Fast, and with the assertions of debug builds.
        .args(["--config", "profile.dev.opt-level=2", "--config", "profile.dev.debug=1"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(&root)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start cargo for the explorers: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the explorer with {name} does not build:\n{why}"));
    }
    Ok(target.join("debug/interleavings"))
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from)
}

/// A cargo that an outer one does not change.
pub(crate) fn nested_cargo(program: impl AsRef<OsStr>) -> Command {
    let mut cargo = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        if is_outer(&variable.to_string_lossy()) {
            cargo.env_remove(variable);
        }
    }
    cargo
}

/// Whether a variable is an outer cargo's and would change the nested one: all but where
/// cargo keeps things and how it reaches the network.
fn is_outer(name: &str) -> bool {
    let keep = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_"];
    let drop = ["CARGO", "RUSTFLAGS", "RUSTC", "CLIPPY_", "LLVM_PROFILE_FILE", "OUT_DIR"];
    !keep.iter().any(|prefix| name.starts_with(prefix))
        && drop.iter().any(|prefix| name.starts_with(prefix))
}
