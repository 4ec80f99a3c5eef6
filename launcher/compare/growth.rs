//! How costs grow: with files, in one directory and in a tree; with the components of a
//! path; with the bytes of a file. On the ramdisk and natively.
//!
//! The program is `microbench --growth`. The native way has a tmpfs of its own, where one
//! can be mounted, since `/dev/shm` does not hold ten million files.

use std::collections::BTreeMap;

use anchorite_programs::microbench::Options;
use comfy_table::CellAlignment;
use serde::{Deserialize, Serialize};

use super::microbench::{PRIVATE, PROGRAM};
use super::progress::Progress;
use super::session::{Session, Way};
use super::statistics::Spread;
use super::tables::{Style, dash, met, notes, number, thousands};
use crate::cli::GrowthArgs;
use crate::failure::{Failure, Result};
use crate::machine::{Machine, available_memory_bytes};
use crate::order::Word;

/// Files of the largest directory and tree.
const FILES: u32 = 10_000_000;
/// Bytes of the longest file.
const BYTES: u64 = 4 << 30;
/// Memory that a file takes natively, a little more than that.
const NATIVE_FILE_BYTES: u64 = 1200;
/// How much faster than the logarithm a cost may seem to grow, since no two runs take
/// the same time.
const TOLERANCE: f64 = 1.25;
/// What must be read at random, once for each file: the machine's own growth.
const MEMORY: &str = "memory read at random, 256 B a file";

/// A line of what the program prints.
#[derive(Deserialize)]
struct Line {
    series: Option<String>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    samples: Vec<f64>,
    done: Option<usize>,
}

/// `anchorite compare growth --json`.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    series: &'a [Series],
}

/// One kind of operation, at all sizes.
#[derive(Debug, Serialize)]
struct Series {
    name: String,
    unit: &'static str,
    points: Vec<Point>,
    /// From the least size to the greatest.
    growth: Growth,
}

/// The cost at one size.
#[derive(Debug, Serialize)]
struct Point {
    size: u64,
    ramdisk: Option<f64>,
    native: Option<f64>,
}

/// How many times as much the greatest size costs as the least.
#[derive(Debug, Serialize)]
struct Growth {
    ramdisk: Option<f64>,
    native: Option<f64>,
    /// What the sizes' logarithms grow by.
    logarithm: f64,
    /// Whether the ramdisk keeps to that.
    within: Option<bool>,
}

/// Samples by series, in the order in which they came; by size; by way.
type Told = Vec<(String, BTreeMap<u64, BTreeMap<Way, Vec<f64>>>)>;

/// `anchorite compare growth`.
pub fn growth(args: &GrowthArgs) -> Result<u8> {
    let quick = Options::quick();
    let files = args.files.unwrap_or(if args.quick { quick.files } else { FILES });
    let bytes = match args.mib {
        Some(mib) => u64::from(mib) << 20,
        None if args.quick => quick.append_bytes,
        None => BYTES,
    };
    check_memory(files, bytes)?;
    let sample_us = if args.quick { quick.sample_ns } else { Options::full().sample_ns } / 1000;
    let options = [
        "--growth".to_owned(),
        "--samples".to_owned(),
        quick.samples.to_string(),
        "--sample-us".to_owned(),
        sample_us.to_string(),
        "--files".to_owned(),
        files.to_string(),
        "--append".to_owned(),
        bytes.to_string(),
    ];
    let session = Session::new(args.native_dir.as_deref())?;
    let rounds = |way| if way == Way::Forwarded { 0 } else { args.runs };
    let steps = session.ways().iter().map(|way| rounds(*way)).sum();
    let mut progress = Progress::new(steps);
    let mut told = Told::new();
    session.interleave(&mut progress, "growth", rounds, |way| {
        let said = if way == Way::Native {
            let files = session.scratch.fresh()?;
            let place = [PRIVATE.into(), files.path().as_os_str().to_owned()];
            let options = options.iter().map(Into::into);
            session.native(PROGRAM, place.into_iter().chain(options))?
        } else {
            let options = options.iter().map(|option| Word::from(option.as_str()));
            session.guest(PROGRAM, options, Vec::new())?
        };
        push(&mut told, way, said.output(PROGRAM, way)?)
    })?;
    drop(progress);

    let machine = session.machine();
    let series: Vec<Series> =
        told.into_iter().map(|(name, sizes)| Series::new(name, &sizes)).collect();
    if args.json {
        return super::print_json(&Document { machine: &machine, series: &series });
    }
    let style = if args.markdown { Style::Markdown } else { Style::Text };
    crate::print(&render(style, &machine, &series))?;
    Ok(0)
}

/// # Errors
/// The host has not the memory for what is asked for.
fn check_memory(files: u32, bytes: u64) -> Result<()> {
    let wanted = (u64::from(files) * NATIVE_FILE_BYTES).max(bytes);
    match available_memory_bytes() {
        Some(available) if available < wanted => Err(Failure::usage(format!(
            "{} files and {} MiB take {} MiB of memory, and {} MiB are free: take less by --files \
             and --mib",
            thousands(files.into()),
            bytes >> 20,
            wanted >> 20,
            available >> 20
        ))),
        _ => Ok(()),
    }
}

/// Takes in what one run printed.
fn push(told: &mut Told, way: Way, output: &str) -> Result<()> {
    let broken = |what: String| {
        let title = way.title();
        Err(Failure::isle(format!("microbench ({title}) printed {what}: run it again, alone")))
    };
    let (mut lines, mut done) = (0, None);
    for text in output.lines() {
        let Ok(line) = serde_json::from_str::<Line>(text) else {
            return broken(format!("`{text}`, which is no result"));
        };
        done = done.or(line.done);
        let Some(name) = line.series else { continue };
        lines += 1;
        let place = told.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            told.push((name, BTreeMap::new()));
            told.len() - 1
        });
        let sizes = &mut told[place].1;
        sizes.entry(line.size).or_default().entry(way).or_default().extend(line.samples);
    }
    if done != Some(lines) || lines == 0 {
        return broken("only a part of its results".to_owned());
    }
    Ok(())
}

impl Series {
    fn new(name: String, sizes: &BTreeMap<u64, BTreeMap<Way, Vec<f64>>>) -> Series {
        let value = |ways: &BTreeMap<Way, Vec<f64>>, way| {
            let spread = Spread::of(ways.get(&way)?)?;
            Some(spread.median)
        };
        let points: Vec<Point> = sizes
            .iter()
            .map(|(size, ways)| Point {
                size: *size,
                ramdisk: value(ways, Way::Ramdisk),
                native: value(ways, Way::Native),
            })
            .collect();
        let growth = Growth::of(&points);
        Series { name, unit: "ns", points, growth }
    }
}

impl Growth {
    fn of(points: &[Point]) -> Growth {
        let ends = points.first().zip(points.last());
        let times = |value: &dyn Fn(&Point) -> Option<f64>| {
            let (first, last) = ends?;
            let least = value(first).filter(|least| *least > 0.0)?;
            Some(value(last)? / least)
        };
        // One more, since a path may have one component, whose logarithm is 0.
        let log = |point: &Point| ((point.size + 1) as f64).ln();
        let logarithm = ends.map_or(1.0, |(first, last)| log(last) / log(first));
        let ramdisk = times(&|point| point.ramdisk);
        Growth {
            ramdisk,
            native: times(&|point| point.native),
            logarithm,
            within: ramdisk.map(|times| times <= logarithm * TOLERANCE),
        }
    }
}

fn render(style: Style, machine: &Machine, series: &[Series]) -> String {
    let mut table = style.table();
    table.set_header(["ns an operation", "size", "ramdisk", "native", "ratio"]);
    for series in series {
        for (index, point) in series.points.iter().enumerate() {
            let ratio = point.ramdisk.zip(point.native).map(|(ramdisk, native)| native / ramdisk);
            table.add_row([
                if index == 0 { series.name.clone() } else { String::new() },
                thousands(point.size),
                point.ramdisk.map_or_else(dash, number),
                point.native.map_or_else(dash, number),
                ratio.map_or_else(dash, |ratio| format!("{}x", number(ratio))),
            ]);
        }
    }
    let mut growths = style.table();
    growths.set_header(["growth", "ramdisk", "native", "logarithm", "within"]);
    for series in series {
        let Growth { ramdisk, native, logarithm, within } = &series.growth;
        growths.add_row([
            series.name.clone(),
            ramdisk.map_or_else(dash, |times| format!("{}x", number(times))),
            native.map_or_else(dash, |times| format!("{}x", number(times))),
            format!("{}x", number(*logarithm)),
            met(*within).to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).chain(growths.column_iter_mut().skip(1)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines = vec![verdict(series)];
    lines.extend(notes(machine));
    format!("{table}\n\n{growths}\n\n{}", style.paragraph(&lines))
}

/// Whether anything grows faster than the logarithm.
fn verdict(series: &[Series]) -> String {
    let calls = series.iter().filter(|series| series.name != MEMORY);
    let faster: Vec<_> = calls
        .filter(|series| series.growth.within == Some(false))
        .map(|series| series.name.as_str())
        .collect();
    if faster.is_empty() {
        return "Nothing grows faster than the logarithm.".to_owned();
    }
    let memory = series.iter().find(|series| series.name == MEMORY);
    let memory = memory.and_then(|series| series.growth.ramdisk).map(|times| {
        format!(
            " Reading one place of memory for each file grows {}x: a cache does not hold what they \
             take.",
            number(times)
        )
    });
    format!("Faster than the logarithm: {}.{}", faster.join("; "), memory.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, points: &[(u64, f64)]) -> Series {
        let mut told = Told::new();
        let lines = points.iter().map(|(size, value)| {
            format!("{{\"series\":\"{name}\",\"size\":{size},\"samples\":[{value}]}}\n")
        });
        let output: String = lines.chain([format!("{{\"done\":{}}}", points.len())]).collect();
        push(&mut told, Way::Ramdisk, &output).unwrap();
        let (name, sizes) = told.remove(0);
        Series::new(name, &sizes)
    }

    #[test]
    fn growth_is_held_against_the_logarithm() {
        let constant = series("a", &[(1000, 50.0), (10_000, 51.0), (10_000_000, 55.0)]);
        assert_eq!(constant.growth.within, Some(true));
        assert!((constant.growth.logarithm - 7.0 / 3.0).abs() < 0.001, "{constant:?}");
        let logarithmic = series("b", &[(1000, 30.0), (10_000_000, 70.0)]);
        assert_eq!(logarithmic.growth.within, Some(true));
        let root = series("c", &[(1000, 30.0), (10_000_000, 3000.0)]);
        assert_eq!((root.growth.ramdisk, root.growth.within), (Some(100.0), Some(false)));
        // From one component to 64.
        let components = series("d", &[(1, 60.0), (64, 20.0)]);
        assert_eq!(components.growth.within, Some(true));
        assert!(components.growth.logarithm > 6.0, "{components:?}");

        assert_eq!(verdict(&[constant, logarithmic]), "Nothing grows faster than the logarithm.");
        let memory = series(MEMORY, &[(1000, 1.0), (10_000_000, 90.0)]);
        let told = verdict(&[root, memory]);
        assert!(told.starts_with("Faster than the logarithm: c. Reading"), "{told}");
    }

    #[test]
    fn a_part_of_the_results_is_refused() {
        let line = r#"{"series":"a","size":1,"samples":[1.0]}"#;
        for output in ["", "panic", line, &format!("{line}\n{{\"done\":2}}"), "{\"done\":0}"] {
            assert!(push(&mut Told::new(), Way::Native, output).is_err(), "{output}");
        }
    }
}
