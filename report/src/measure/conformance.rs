//! What the tests of others and random sequences find, by `host-fs-sim`, which is run as the
//! program that it is: it mounts file systems, changes users, and asserts what would slow what is
//! measured here.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

use crate::data::{Campaign, Conformance, Suite};

/// The workspace that this was built in.
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
/// Suites that end soon and count cases.
const SUITES: [&str; 2] = ["pjdfstest", "fsx"];
/// What sequences are compared with.
const CAMPAIGNS: [&str; 3] = ["linux", "model", "methods"];
/// Where their random numbers begin.
const SEED: u64 = 1;
/// Calls of each, of the full run and of the quick one.
const CALLS: [u64; 2] = [200_000, 10_000];
/// Operations of fsx for each seed, likewise.
const OPERATIONS: [u64; 2] = [20_000, 1000];

/// What `host-fs-sim` is told, by the suite's name or by what is compared with.
fn suites(is_quick: bool) -> [(&'static str, String); 2] {
    let operations = OPERATIONS[usize::from(is_quick)];
    SUITES
        .map(|suite| (suite, format!("suites {suite} --quick --ops {operations} --seeds 1 --json")))
}

fn campaigns(is_quick: bool) -> [(&'static str, String); 3] {
    let calls = CALLS[usize::from(is_quick)];
    CAMPAIGNS.map(|against| {
        (against, format!("soak --against {against} --seed {SEED} --operations {calls} --json"))
    })
}

/// The command lines, each on a line.
pub fn command(is_quick: bool) -> String {
    let words = suites(is_quick).into_iter().chain(campaigns(is_quick)).map(|(_, words)| words);
    let lines = words.map(|words| format!("cargo run --release -p host-fs-sim -- {words}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What they find.
///
/// # Errors
/// None of them can be run here.
pub fn measure(is_quick: bool) -> Result<Conformance> {
    if !Path::new(MANIFEST).is_file() {
        bail!("the sources that this was built from are gone: run it where they are");
    }
    let mut found = Conformance::default();
    for (suite, words) in suites(is_quick) {
        match told::<Vec<Suite>>(&words) {
            Ok(suites) => found.suites.extend(suites),
            Err(why) => drop(found.absent.insert(suite.to_owned(), format!("{why:#}"))),
        }
    }
    for (against, words) in campaigns(is_quick) {
        match told::<Campaign>(&words) {
            Ok(campaign) => found.campaigns.push(campaign),
            Err(why) => drop(found.absent.insert(against.to_owned(), format!("{why:#}"))),
        }
    }
    if found.suites.is_empty() && found.campaigns.is_empty() {
        bail!("{}", found.absent.into_values().collect::<Vec<_>>().join("; "));
    }
    Ok(found)
}

/// What `host-fs-sim` prints on its last line when told `words`.
fn told<T: DeserializeOwned>(words: &str) -> Result<T> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .args([
            "run",
            "--quiet",
            "--release",
            "--manifest-path",
            MANIFEST,
            "-p",
            "host-fs-sim",
            "--",
        ])
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo cannot be started: have it in the PATH")?;
    let stdout = child.stdout.take();
    let stdout = thread::spawn(move || {
        let mut text = String::new();
        stdout.map(|mut pipe| pipe.read_to_string(&mut text)).transpose().map(|_| text)
    });
    let mut last = String::new();
    for line in child.stderr.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
        let line = line?;
        eprintln!("    {line}");
        last = line;
    }
    let status = child.wait()?;
    let Ok(stdout) = stdout.join() else { bail!("what host-fs-sim prints cannot be read") };
    let stdout = stdout.context("what host-fs-sim prints cannot be read")?;
    // A failure that it found is a result, too; one of its own has none.
    match stdout.lines().last().map(serde_json::from_str) {
        Some(Ok(told)) => Ok(told),
        _ => bail!("{} ({status})", last.strip_prefix("host-fs-sim: ").unwrap_or(&last)),
    }
}
