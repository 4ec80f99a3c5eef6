//! Measures everything, part after part, as `anchorite compare` does: each part is the command
//! line that is told beside it, carried out by the function behind that command.

mod conformance;

use std::time::Instant;

use anchorite_launcher::compare::{
    self, boot, growth, microbench, parts, postmark, preload, sizes,
};
use anchorite_launcher::machine::{Machine, memory_bytes, qemu_version};
use anyhow::{Result, bail};
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
/// Nothing of all that can be measured, and why the first part cannot.
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
    let conformance = run.part("conformance", conformance::command(is_quick), conformance::measure);

    let is_there = [
        boot.document.is_some(),
        microbench.document.is_some(),
        parts.document.is_some(),
        sizes.document.is_some(),
        postmark.document.is_some(),
        postmark_files.document.is_some(),
        preload.document.is_some(),
        growth.document.is_some(),
        conformance.document.is_some(),
    ];
    if !is_there.contains(&true) {
        bail!("nothing can be measured here: {}", boot.absent.unwrap_or_default());
    }
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
        self.part(&line, format!("anchorite {line} --json"), |_| Ok(measure(&arguments(words)?)?))
    }

    /// Does one part, which `command` does too, and tells how far it is.
    fn part<T>(
        &mut self,
        title: &str,
        command: String,
        measure: impl FnOnce(bool) -> Result<T>,
    ) -> Section<T> {
        self.done += 1;
        eprintln!("[{}/{PARTS_OF_ALL}] {title}", self.done);
        let start = Instant::now();
        let measured = measure(self.is_quick);
        let seconds = start.elapsed().as_secs_f64();
        match measured {
            Ok(document) => Section { command, seconds, document: Some(document), absent: None },
            Err(error) => {
                eprintln!("    absent: {error:#}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_line_is_one_of_the_commands() {
        fn check<A: Args>(words: &Words) {
            for words in [words.full, words.quick] {
                if let Err(error) = arguments::<A>(words) {
                    panic!("{words}: {error:#}");
                }
            }
        }
        check::<compare::BootArgs>(&BOOT);
        check::<compare::GrowthArgs>(&GROWTH);
        check::<compare::MicrobenchArgs>(&MICROBENCH);
        check::<compare::CallsArgs>(&PARTS);
        check::<compare::PostmarkArgs>(&POSTMARK);
        check::<compare::PostmarkArgs>(&POSTMARK_FILES);
        check::<compare::PreloadArgs>(&PRELOAD);
        check::<compare::CallsArgs>(&SIZES);
        assert!(arguments::<compare::BootArgs>("--no-such-option").is_err());
    }

    #[test]
    fn what_cannot_be_measured_is_absent_and_says_why() {
        let mut run = Run { is_quick: true, done: 0 };
        let words = Words { full: "", quick: "--runs 2" };
        let section: Section<u32> = run.section("boot", &words, |args: &compare::BootArgs| {
            Err(compare::Failure { status: 125, sentence: Some(format!("no room: {}", args.runs)) })
        });
        assert_eq!(section.command, "anchorite compare boot --runs 2 --json");
        assert_eq!(section.get(), Err("no room: 2"));
        let there = run.section("boot", &words, |args: &compare::BootArgs| Ok(args.runs));
        assert_eq!((there.get(), run.done), (Ok(&2), 2));
    }
}
