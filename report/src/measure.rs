//! Measures everything, part after part, as `anchorite compare` does: each part is the command
//! line that is told beside it, carried out by the function behind that command.

mod conformance;

use std::time::Instant;

use anchorite_launcher::compare::{
    self, boot, growth, microbench, parts, postmark, preload, sizes,
};
use anchorite_launcher::machine::{Machine, memory_bytes, qemu_version};
use anyhow::Result;
use clap::{Args, Command};

use crate::data::{Data, Section, VERSION};

/// Arguments of each command: of the full run, and of the quick one.
struct Words {
    full: &'static str,
    quick: &'static str,
}

const MICROBENCH: Words = Words { full: "--runs 2", quick: "--quick" };
const PARTS: Words = Words { full: "--runs 3", quick: "--runs 1 --quick" };
const SIZES: Words = Words { full: "--runs 2", quick: "--runs 1 --quick" };
const POSTMARK: Words =
    Words { full: "--goals --further --runs 2", quick: "--goals --quick --further --runs 1" };
const POSTMARK_FILES: Words = Words {
    full: "--files 1000,10000,100000 --further --runs 1",
    quick: "--files 100,1000 --further --runs 1",
};
const GROWTH: Words =
    Words { full: "--files 10000000 --tree-files 1000000 --mib 1024", quick: "--quick" };
const BOOT: Words = Words { full: "--runs 20", quick: "--runs 3" };
const PRELOAD: Words =
    Words { full: "--runs 2 --beside", quick: "--runs 1 --files 10000 --mib 16 --beside" };

/// How many parts there are.
const PARTS_OF_ALL: u32 = 9;

/// Measures everything; what cannot be measured here is told to be absent, and why.
///
/// # Errors
/// Nothing can be measured at all.
pub fn measure(is_quick: bool) -> Result<Data> {
    let start = Instant::now();
    let mut run = Run { is_quick, done: 0 };
    let boot = run.section("boot", &BOOT, boot::measure);
    let microbench = run.section("microbench", &MICROBENCH, microbench::measure);
    let parts = run.section("parts", &PARTS, parts::measure);
    let sizes = run.section("sizes", &SIZES, sizes::measure);
    let postmark = run.section("postmark", &POSTMARK, checked_postmark);
    let postmark_files = run.section("postmark", &POSTMARK_FILES, checked_postmark);
    let preload = run.section("preload", &PRELOAD, preload::measure);
    let growth = run.section("growth", &GROWTH, growth::measure);
    let conformance = run.part("conformance", conformance::measure);

    // A guest has told what KVM there is.
    let told = [
        microbench.document.as_ref().map(|document| &document.machine),
        boot.document.as_ref().map(|document| &document.machine),
    ];
    let told = told.into_iter().flatten().find(|machine| machine.kvm.is_some()).cloned();
    let machine = told.unwrap_or_else(|| Machine::here("/dev/shm".as_ref()));
    let command =
        format!("cargo run --release -p report{}", if is_quick { " -- --quick" } else { "" });
    Ok(Data {
        version: VERSION,
        quick: is_quick,
        command,
        seconds: start.elapsed().as_secs_f64(),
        machine,
        qemu: qemu_version(),
        memory_bytes: memory_bytes(),
        microbench,
        parts,
        sizes,
        postmark,
        postmark_files,
        growth,
        boot,
        preload,
        conformance,
    })
}

/// PostMark's times compare only where every way did the same.
fn checked_postmark(args: &compare::PostmarkArgs) -> compare::Result<postmark::Document> {
    let document = postmark::measure(args)?;
    postmark::check(&document)?;
    Ok(document)
}

/// How far it is.
struct Run {
    is_quick: bool,
    done: u32,
}

impl Run {
    /// Carries out `anchorite compare NAME WORDS`.
    fn section<A: Args, T>(
        &mut self,
        name: &str,
        words: &Words,
        measure: fn(&A) -> compare::Result<T>,
    ) -> Section<T> {
        let words = if self.is_quick { words.quick } else { words.full };
        let line = format!("compare {name} {words}");
        self.part(&line, |_| {
            let args = arguments(words)?;
            let document = measure(&args)?;
            Ok((format!("anchorite {line} --json"), document))
        })
    }

    /// Does one part, and tells how far it is.
    fn part<T>(
        &mut self,
        title: &str,
        measure: impl FnOnce(bool) -> Result<(String, T)>,
    ) -> Section<T> {
        self.done += 1;
        eprintln!("[{}/{PARTS_OF_ALL}] {title}", self.done);
        let start = Instant::now();
        let measured = measure(self.is_quick);
        let seconds = start.elapsed().as_secs_f64();
        match measured {
            Ok((command, document)) => {
                Section { command, seconds, document: Some(document), absent: None }
            }
            Err(error) => {
                eprintln!("    absent: {error:#}");
                let command = format!("anchorite {title} --json");
                Section { command, seconds, document: None, absent: Some(format!("{error:#}")) }
            }
        }
    }
}

/// A command's arguments.
fn arguments<A: Args>(words: &str) -> Result<A> {
    let command = A::augment_args(Command::new("compare").no_binary_name(true));
    Ok(A::from_arg_matches(&command.try_get_matches_from(words.split_whitespace())?)?)
}
