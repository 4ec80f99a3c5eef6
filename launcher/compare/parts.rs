//! Where the nanoseconds of a read and of a file made go: calls that do ever more, and the
//! differences of what they take.
//!
//! The program is `microbench --parts`: it takes the samples ([`STEPS`](rows::STEPS)); what they
//! are differences of is here ([`PARTS`]).

use anchorite_programs::microbench::Options;
use anchorite_programs::microbench::rows::{
    self, CLOSE, GETPID, MAKE_OPEN, OPEN_EXISTING, PREAD_0, PREAD_1, PREAD_512, PREAD_BAD, REMOVE,
    STAT_FILE, STAT_NONE,
};
use comfy_table::CellAlignment;
use serde::{Deserialize, Serialize};

use super::microbench::{PROGRAM, Told};
use super::progress::Progress;
use super::session::{DIRECTORY, Samples, Session, Way};
use super::statistics::median;
use super::tables::{Style, dash, notes, number};
use crate::cli::{self, CallsArgs};
use crate::failure::Result;
use crate::machine::Machine;
use crate::order::Word;

/// `anchorite compare parts --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What was measured on.
    pub machine: Machine,
    /// How often each way was run.
    pub runs: u32,
    /// The calls.
    pub steps: Vec<Step>,
    /// What they are taken apart into: for each subject in order, the sum being the whole.
    pub parts: Vec<Part>,
}

/// A call, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it does.
    pub name: String,
    /// What its values are in: `ns`, of one call.
    pub unit: String,
    /// The samples, on the ramdisk and natively.
    pub samples: Samples,
}

/// A part of what a subject takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What is taken apart: `pread 512 B`, `create`, `close` or `unlink`.
    pub subject: String,
    /// The part.
    pub name: String,
    /// What it is the difference of, by names of steps.
    pub is: String,
    /// Nanoseconds on the ramdisk, by medians; below zero where the difference is less than
    /// what measurements differ by.
    pub ramdisk: Option<f64>,
    /// The same natively.
    pub native: Option<f64>,
}

/// A part as a sum of steps, each so many times.
struct Sum {
    subject: &'static str,
    name: &'static str,
    terms: &'static [(i32, &'static str)],
}

const fn sum(
    subject: &'static str,
    name: &'static str,
    terms: &'static [(i32, &'static str)],
) -> Sum {
    Sum { subject, name, terms }
}

/// All parts. Each subject's add up to one step.
const PARTS: [Sum; 13] = [
    sum("pread 512 B", "the call itself", &[(1, GETPID)]),
    sum("pread 512 B", "the table of descriptors", &[(1, PREAD_BAD), (-1, GETPID)]),
    sum("pread 512 B", "the open file, and the file behind it", &[(1, PREAD_0), (-1, PREAD_BAD)]),
    sum("pread 512 B", "a byte: its page, and the copy", &[(1, PREAD_1), (-1, PREAD_0)]),
    sum("pread 512 B", "511 bytes more to copy", &[(1, PREAD_512), (-1, PREAD_1)]),
    sum("create", "the call itself", &[(1, GETPID)]),
    sum("create", "the look-up of the name", &[(1, STAT_NONE), (-1, GETPID)]),
    sum("create", "a descriptor and an open file", &[(1, OPEN_EXISTING), (-1, STAT_FILE)]),
    sum(
        "create",
        "the inode and the directory's entry",
        &[(1, MAKE_OPEN), (-1, STAT_NONE), (-1, OPEN_EXISTING), (1, STAT_FILE)],
    ),
    sum("close", "the whole call", &[(1, CLOSE)]),
    sum("unlink", "the call itself", &[(1, GETPID)]),
    sum("unlink", "the look-up of the name", &[(1, STAT_NONE), (-1, GETPID)]),
    sum("unlink", "the entry and the inode", &[(1, REMOVE), (-1, STAT_NONE)]),
];

/// `anchorite compare parts`.
pub fn parts(args: &CallsArgs) -> Result<u8> {
    super::tell(&measure(args)?, &args.form, render)
}

/// What it measures.
///
/// # Errors
/// A program cannot be run, or does not end well.
pub fn measure(args: &CallsArgs) -> Result<Document> {
    let asked = if args.quick { Options::quick() } else { Options::full() };
    let options = [
        "--parts".to_owned(),
        "--samples".to_owned(),
        asked.samples.to_string(),
        "--sample-us".to_owned(),
        (asked.sample_ns / 1000).to_string(),
    ];
    let session = Session::new(cli::isle(None)?, args.native_dir.as_deref())?;
    let rounds = |way| if way == Way::Forwarded { 0 } else { args.runs };
    let mut progress = Progress::new(session.ways().iter().map(|way| rounds(*way)).sum());
    let mut told = Told::default();
    session.interleave(&mut progress, "parts of calls", rounds, |way| {
        let said = if way == Way::Ramdisk {
            let words = options.iter().map(|option| Word::from(option.as_str()));
            session.guest_on(PROGRAM, 1, words)?
        } else {
            let files = session.scratch.fresh()?;
            let place = [DIRECTORY.into(), files.path().as_os_str().to_owned()];
            session.native(PROGRAM, place.into_iter().chain(options.iter().map(Into::into)))?
        };
        told.push(way, rows::STEPS, said.output(PROGRAM, way)?)
    })?;
    drop(progress);
    let steps: Vec<Step> = rows::STEPS
        .iter()
        .map(|step| Step {
            name: step.name.to_owned(),
            unit: step.unit.to_owned(),
            samples: told.all(step.name),
        })
        .collect();
    let parts = PARTS.iter().map(|sum| sum.of(&steps)).collect();
    Ok(Document { machine: session.machine(), runs: args.runs, steps, parts })
}

impl Sum {
    fn of(&self, steps: &[Step]) -> Part {
        let value = |way| {
            let term = |(times, name): &(i32, &str)| {
                let step = steps.iter().find(|step| step.name == *name)?;
                Some(f64::from(*times) * median(step.samples.get(&way)?))
            };
            self.terms.iter().map(term).sum()
        };
        let sign = |times: &i32| if *times < 0 { "− " } else { "+ " };
        let terms = self.terms.iter().map(|(times, name)| format!("{}{name}", sign(times)));
        let is = terms.collect::<Vec<_>>().join(" ");
        Part {
            subject: self.subject.to_owned(),
            name: self.name.to_owned(),
            is: is.trim_start_matches("+ ").to_owned(),
            ramdisk: value(Way::Ramdisk),
            native: value(Way::Native),
        }
    }
}

fn render(style: Style, document: &Document) -> String {
    let value = |value: Option<f64>| value.map_or_else(dash, number);
    let mut table = style.table();
    table.set_header(["of", "part", "which is", "ramdisk, ns", "native, ns"]);
    for (index, part) in document.parts.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| document.parts.get(before));
        let is_first = before.is_none_or(|before| before.subject != part.subject);
        table.add_row([
            if is_first { part.subject.clone() } else { String::new() },
            part.name.clone(),
            part.is.clone(),
            value(part.ramdisk),
            value(part.native),
        ]);
    }
    let mut steps = style.table();
    steps.set_header(["call", "ramdisk, ns", "native, ns"]);
    for step in &document.steps {
        let of = |way| value(step.samples.get(&way).map(|samples| median(samples)));
        steps.add_row([step.name.clone(), of(Way::Ramdisk), of(Way::Native)]);
    }
    for column in table.column_iter_mut().skip(3).chain(steps.column_iter_mut().skip(1)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines = vec!["Medians, and differences of medians.".to_owned()];
    lines.extend(notes(&document.machine));
    format!("{table}\n\n{steps}\n\n{}", style.paragraph(&lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_subject_add_up_to_one_step() {
        for (subject, whole) in [
            ("pread 512 B", PREAD_512),
            ("create", MAKE_OPEN),
            ("close", CLOSE),
            ("unlink", REMOVE),
        ] {
            let parts = PARTS.iter().filter(|part| part.subject == subject);
            let mut left: Vec<(&str, i32)> = Vec::new();
            for (times, name) in parts.flat_map(|part| part.terms) {
                match left.iter_mut().find(|(known, _)| known == name) {
                    Some((_, count)) => *count += times,
                    None => left.push((name, *times)),
                }
            }
            left.retain(|(_, count)| *count != 0);
            assert_eq!(left, [(whole, 1)], "{subject}");
        }
    }

    #[test]
    fn every_term_is_measured() {
        let is_step = |name: &str| rows::STEPS.iter().any(|step| step.name == name);
        assert!(PARTS.iter().flat_map(|part| part.terms).all(|(_, name)| is_step(name)));
    }

    #[test]
    fn a_part_is_a_difference_of_medians() {
        let step = |name: &str, samples: &[f64]| Step {
            name: name.to_owned(),
            unit: "ns".to_owned(),
            samples: Samples::from([(Way::Ramdisk, samples.to_vec())]),
        };
        let steps = [step(PREAD_0, &[9.0, 10.0, 30.0]), step(PREAD_BAD, &[4.0])];
        let part = PARTS[2].of(&steps);
        assert_eq!((part.ramdisk, part.native), (Some(6.0), None));
        assert_eq!(part.is, format!("{PREAD_0} − {PREAD_BAD}"));
    }
}
