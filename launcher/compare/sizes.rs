//! What it costs to read and to write by size, from a byte to a MiB, and beside it the copy of as
//! much memory, which is what both come to.
//!
//! The program is `microbench --sizes`.

use std::collections::BTreeMap;

use anchorite_programs::microbench::Options;
use comfy_table::CellAlignment;
use serde::{Deserialize, Serialize};

use super::microbench::PROGRAM;
use super::progress::Progress;
use super::series::{self, Point, Told};
use super::session::{DIRECTORY, Session, Way};
use super::tables::{Style, dash, notes, number, thousands};
use crate::cli::{self, CallsArgs};
use crate::failure::Result;
use crate::forward::{Access, DEFAULT_GUEST_DIR, Forward};
use crate::machine::Machine;
use crate::order::Word;

/// A forwarded call may take a thousand times as long: these are all the samples.
const FORWARDED_SAMPLES: u64 = 3;

/// `anchorite compare sizes --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What was measured on.
    pub machine: Machine,
    /// How often the ramdisk and the native way were run; the forwarded one once.
    pub runs: u32,
    /// `pread` and `pwrite` of the first bytes of a file, again and again, and `memcpy`, which
    /// has no forwarded way.
    pub series: Vec<Series>,
}

/// One kind of operation, at all sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is: `pread`, `pwrite` or `memcpy`.
    pub name: String,
    /// What its values are in: `ns`, of one operation.
    pub unit: String,
    /// Costs by bytes.
    pub points: Vec<Point>,
}

/// `anchorite compare sizes`.
pub fn sizes(args: &CallsArgs) -> Result<u8> {
    super::tell(&measure(args)?, &args.form, render)
}

/// What it measures.
///
/// # Errors
/// A program cannot be run, or does not end well.
pub fn measure(args: &CallsArgs) -> Result<Document> {
    let asked = if args.quick { Options::quick() } else { Options::full() };
    let options = |samples: u64| {
        let sample_us = asked.sample_ns / 1000;
        let numbers = [("--samples", samples), ("--sample-us", sample_us)];
        let numbers = numbers.map(|(option, number)| [option.to_owned(), number.to_string()]);
        ["--sizes".to_owned()].into_iter().chain(numbers.into_iter().flatten())
    };
    let session = Session::new(cli::isle(None)?, args.native_dir.as_deref())?;
    let rounds = |way| if way == Way::Forwarded { 1 } else { args.runs };
    let mut progress = Progress::new(session.ways().iter().map(|way| rounds(*way)).sum());
    let mut told = Told::new();
    session.interleave(&mut progress, "sizes", rounds, |way| {
        let said = match way {
            Way::Ramdisk => {
                let options = options(asked.samples);
                session.guest_on(PROGRAM, 1, options.map(|option| Word::from(option.as_str())))?
            }
            Way::Forwarded => {
                let files = session.scratch.fresh()?;
                let forward =
                    Forward::new("--forward", files.path(), DEFAULT_GUEST_DIR, Access::ReadWrite)?;
                let place =
                    [DIRECTORY, DEFAULT_GUEST_DIR, "--filter", "pread", "--filter", "pwrite"];
                let options = options(asked.samples.min(FORWARDED_SAMPLES));
                let words = place.into_iter().map(str::to_owned).chain(options);
                let words = words.map(|word| Word::from(word.as_str()));
                session.guest(PROGRAM, words, vec![forward], Vec::new())?
            }
            Way::Native | Way::Ext4 | Way::Debian | Way::Bare => {
                let files = session.scratch.fresh()?;
                let place = [DIRECTORY.into(), files.path().as_os_str().to_owned()];
                let options = options(asked.samples).map(Into::into);
                session.native(PROGRAM, place.into_iter().chain(options))?
            }
        };
        series::push(&mut told, way, said.output(PROGRAM, way)?)
    })?;
    drop(progress);
    let series = told.into_iter().map(|(name, sizes)| Series {
        name,
        unit: "ns".to_owned(),
        points: series::points(sizes),
    });
    Ok(Document { machine: session.machine(), runs: args.runs, series: series.collect() })
}

fn render(style: Style, document: &Document) -> String {
    let Document { machine, series, .. } = document;
    let copies = series.iter().find(|series| series.name == MEMCPY);
    let copies: BTreeMap<u64, f64> = copies
        .iter()
        .flat_map(|series| &series.points)
        .filter_map(|point| Some((point.size, point.ramdisk?)))
        .collect();
    let mut table = style.table();
    let header = ["ns an operation", "bytes", "ramdisk", "forwarded", "native", "ratio", "memcpy"];
    table.set_header(header);
    for series in series.iter().filter(|series| series.name != MEMCPY) {
        for (index, point) in series.points.iter().enumerate() {
            let value = |value: Option<f64>| value.map_or_else(dash, number);
            let ratio = point.ramdisk.zip(point.native).map(|(ramdisk, native)| native / ramdisk);
            table.add_row([
                if index == 0 { series.name.clone() } else { String::new() },
                thousands(point.size),
                value(point.ramdisk),
                value(point.forwarded),
                value(point.native),
                ratio.map_or_else(dash, |ratio| format!("{}x", number(ratio))),
                value(copies.get(&point.size).copied()),
            ]);
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines = vec![
        "Medians; the ratio is native to ramdisk; memcpy is in the guest, of memory to memory."
            .to_owned(),
    ];
    lines.extend(notes(machine));
    format!("{table}\n\n{}", style.paragraph(&lines))
}

/// The series that is the limit.
pub const MEMCPY: &str = "memcpy";
