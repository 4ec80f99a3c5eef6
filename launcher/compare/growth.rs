//! How costs grow: with files, in one directory and in a tree; with the components of a
//! path; with the bytes of a file. On the ramdisk and natively.
//!
//! The program is `microbench --growth`. The native way has a tmpfs of its own, where one
//! can be mounted, since `/dev/shm` does not hold ten million files.
//!
//! The rule: from the least size to the greatest, a cost may grow by what the logarithm of
//! size + 1 grows by, times [`TOLERANCE`]. Reading memory does not keep to that: a place in
//! 256 KB is in a cache, one in 2 GB is not, nor is what tells where it lies. So beside the
//! calls are bare reads at random of as much memory, and what a cost grows by beyond the
//! logarithm is told in such reads: by how many of them, each as much slower as they are. A
//! call may make a number of reads that does not depend on the size: [`READS`].

use std::collections::BTreeMap;

use anchorite_programs::microbench::Options;
use comfy_table::CellAlignment;
use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use super::microbench::{PRIVATE, PROGRAM};
use super::progress::Progress;
use super::series::{self, Point, Told};
use super::session::{Samples, Session, Way};
use super::tables::{Style, dash, met, notes, number, thousands};
use crate::cli::{self, GrowthArgs};
use crate::failure::{Failure, Result};
use crate::machine::{Machine, available_memory_bytes};
use crate::order::Word;
use crate::size::{DEFAULT_BYTES, GIB, LIMIT_BYTES, MIB, STEP_BYTES};

/// Files of the largest directory and tree, unless another number is asked for.
const FILES: u32 = 1_000_000;
/// Bytes of the longest file, unless another number is asked for.
const BYTES: u64 = 1 << 30;
/// Samples of what takes a moment.
const SAMPLES: u64 = 5;
/// Memory that a file takes natively, a little more than that; more than in a guest.
const NATIVE_FILE_BYTES: u64 = 1200;
/// Files of the tree for which there is a directory more, at least.
const LEAF_FILES: u64 = 90;
/// What a guest has beside its files' memory.
const GUEST_ROOM_BYTES: u64 = 64 * MIB;
/// How much faster than the logarithm a cost may seem to grow, since no two runs take
/// the same time.
const TOLERANCE: f64 = 1.25;
/// Reads of memory that a call may make in places that no cache holds: for each component
/// of the tree's paths an inode, its directory, the index, the entry.
const READS: f64 = 12.0;
/// How the series begin that have what memory itself takes.
const MEMORY: &str = "memory read at random";

/// `anchorite compare growth --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What was measured on.
    pub machine: Machine,
    /// How often each way was run.
    pub runs: u32,
    /// All series.
    pub series: Vec<Series>,
}

/// One kind of operation, at all sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// What its values are in: `ns`, of one operation.
    pub unit: String,
    /// Costs by size: files, components of a path, or bytes.
    pub points: Vec<Point>,
    /// From the least size to the greatest.
    pub growth: Growth,
}

/// How many times as much the greatest size costs as the least.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// On the ramdisk.
    pub ramdisk: Option<f64>,
    /// Natively.
    pub native: Option<f64>,
    /// What the sizes' logarithms grow by.
    pub logarithm: f64,
    /// Whether the ramdisk keeps to that.
    pub within: Option<bool>,
    /// Reads of memory that would take what it takes beyond that, where reads of as much
    /// memory were measured, and grow.
    pub reads: Option<f64>,
}

/// `anchorite compare growth`.
pub fn growth(args: &GrowthArgs) -> Result<u8> {
    super::tell(&measure(args)?, &args.form, render)
}

/// What it measures.
///
/// # Errors
/// There is no room for so much; a program cannot be run, or does not end well.
pub fn measure(args: &GrowthArgs) -> Result<Document> {
    let quick = Options::quick();
    let files = args.files.unwrap_or(if args.quick { quick.files } else { FILES });
    let tree_files = args.tree_files.unwrap_or(files).min(files);
    let bytes = match args.mib {
        Some(mib) => u64::from(mib) << 20,
        None if args.quick => quick.append_bytes,
        None => BYTES,
    };
    let guest_bytes = guest_bytes(files, bytes)?;
    check_memory(files, bytes, available_memory_bytes())?;
    let sample_us = if args.quick { quick.sample_ns } else { Options::full().sample_ns } / 1000;
    let options = [
        "--growth".to_owned(),
        "--samples".to_owned(),
        if args.quick { quick.samples } else { SAMPLES }.to_string(),
        "--sample-us".to_owned(),
        sample_us.to_string(),
        "--files".to_owned(),
        files.to_string(),
        "--tree-files".to_owned(),
        tree_files.to_string(),
        "--append".to_owned(),
        bytes.to_string(),
    ];
    let session = Session::new(cli::isle(None)?, args.native_dir.as_deref())?;
    check_native_files(&session, files)?;
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
            session.guest_with(PROGRAM, options, guest_bytes)?
        };
        series::push(&mut told, way, said.output(PROGRAM, way)?)
    })?;
    drop(progress);

    Ok(Document { machine: session.machine(), runs: args.runs, series: all_series(told) })
}

/// Memory of a guest whose ramdisk holds all that: of that half is for data, and there may
/// be an inode for each KiB. The host gives what is used.
///
/// # Errors
/// No guest can have so much.
fn guest_bytes(files: u32, bytes: u64) -> Result<u64> {
    let inodes = u64::from(files) + u64::from(files) / LEAF_FILES;
    let wanted = (inodes * 1024).max(bytes * 2) + GUEST_ROOM_BYTES;
    let wanted = wanted.max(DEFAULT_BYTES).next_multiple_of(STEP_BYTES);
    if wanted < LIMIT_BYTES {
        return Ok(wanted);
    }
    Err(Failure::usage(format!(
        "{} files and {} MiB take a guest with {} GiB of memory, and a guest's stays under {} GiB: \
         take less by --files and --mib",
        thousands(files.into()),
        bytes / MIB,
        wanted.div_ceil(GIB),
        LIMIT_BYTES / GIB
    )))
}

/// # Errors
/// What is `available`, if that is known, is not enough for what is asked for.
fn check_memory(files: u32, bytes: u64, available: Option<u64>) -> Result<()> {
    let wanted = (u64::from(files) * NATIVE_FILE_BYTES).max(bytes) + GUEST_ROOM_BYTES;
    match available {
        Some(available) if available < wanted => Err(Failure::usage(format!(
            "{} files and {} MiB take {} MiB of memory, and {} MiB are free: take less by --files \
             and --mib",
            thousands(files.into()),
            bytes / MIB,
            wanted / MIB,
            available / MIB
        ))),
        _ => Ok(()),
    }
}

/// # Errors
/// No tmpfs can be mounted, and the one that there is does not hold so many files.
fn check_native_files(session: &Session, files: u32) -> Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    let directory = session.scratch.native_parent();
    let wanted = u64::from(files) + u64::from(files) / LEAF_FILES;
    match statvfs(directory) {
        // Where files are not counted, there are none.
        Ok(room) if room.files() > 0 && room.files_available() < wanted => {
            Err(Failure::usage(format!(
                "{} has room for {} files: run this as root, so that it can mount a tmpfs of its \
                 own, or take less by --files",
                directory.display(),
                thousands(room.files_available())
            )))
        }
        _ => Ok(()),
    }
}

/// The series, each held against one of memory that has the same sizes.
fn all_series(told: Told) -> Vec<Series> {
    let mut all: Vec<Series> =
        told.into_iter().map(|(name, sizes)| Series::new(name, sizes)).collect();
    let of_memory: Vec<Series> = all.iter().filter(|series| series.is_memory()).cloned().collect();
    for series in all.iter_mut().filter(|series| !series.is_memory()) {
        let Some((sizes, [first, last])) = series.ends() else { continue };
        let mut memory = of_memory.iter().filter_map(|memory| memory.at(sizes));
        let Some([fast, slow]) = memory.next().filter(|[fast, slow]| slow > fast) else {
            continue;
        };
        let beyond = last - first * series.growth.logarithm * TOLERANCE;
        series.growth.reads = Some(beyond.max(0.0) / (slow - fast));
    }
    all
}

impl Series {
    /// Whether it tells what memory takes, not a call.
    fn is_memory(&self) -> bool {
        self.name.starts_with(MEMORY)
    }

    /// The least and the greatest size, and what they cost on the ramdisk.
    fn ends(&self) -> Option<([u64; 2], [f64; 2])> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        Some(([first.size, last.size], [first.ramdisk?, last.ramdisk?]))
    }

    /// What these sizes cost on the ramdisk, if they were measured.
    fn at(&self, sizes: [u64; 2]) -> Option<[f64; 2]> {
        let cost = |size| self.points.iter().find(|point| point.size == size)?.ramdisk;
        Some([cost(sizes[0])?, cost(sizes[1])?])
    }

    fn new(name: String, sizes: BTreeMap<u64, Samples>) -> Series {
        let points = series::points(sizes);
        let growth = Growth::of(&points);
        Series { name, unit: "ns".to_owned(), points, growth }
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
            reads: None,
        }
    }

    /// Whether what is beyond the logarithm are reads of memory, no more than a call makes.
    fn is_of_memory(&self) -> bool {
        self.within == Some(false) && self.reads.is_some_and(|reads| reads <= READS)
    }
}

fn render(style: Style, document: &Document) -> String {
    let Document { machine, series, .. } = document;
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
    growths.set_header(["growth", "ramdisk", "native", "logarithm", "reads", "within"]);
    for series in series {
        let growth = &series.growth;
        let times =
            |growth: Option<f64>| growth.map_or_else(dash, |times| format!("{}x", number(times)));
        let within = match growth.within {
            _ if series.is_memory() => "",
            Some(false) if growth.is_of_memory() => "memory",
            within => met(within),
        };
        growths.add_row([
            series.name.clone(),
            times(growth.ramdisk),
            times(growth.native),
            times(Some(growth.logarithm)),
            growth.reads.map_or_else(dash, number),
            within.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).chain(growths.column_iter_mut().skip(1)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut lines = notes(machine);
    lines.push(format!(
        "The rule: from the least size to the greatest, a cost grows at most {TOLERANCE} times as \
         much as the logarithm of size + 1; what it grows by beyond that are at most {READS} reads \
         at random of as much memory, four for each component of a path, since caches hold little."
    ));
    lines.push(verdict(series));
    format!("{table}\n\n{growths}\n\n{}", style.paragraph(&lines))
}

/// Whether anything grows faster than the logarithm.
fn verdict(series: &[Series]) -> String {
    let named = |is_wanted: &dyn Fn(&Growth) -> bool| {
        let calls = series.iter().filter(|series| !series.is_memory());
        let names = calls.filter(|series| is_wanted(&series.growth)).map(|it| it.name.as_str());
        names.collect::<Vec<_>>().join("; ")
    };
    let faster = named(&|growth| growth.within == Some(false) && !growth.is_of_memory());
    let of_memory = named(&Growth::is_of_memory);
    let but = match of_memory.as_str() {
        "" => String::new(),
        names => format!(" By reads of memory, no more than {READS}: {names}."),
    };
    match faster.as_str() {
        "" if of_memory.is_empty() => "Nothing grows faster than the logarithm.".to_owned(),
        "" => format!("Nothing but reads of memory grows faster than the logarithm.{but}"),
        names => format!("Faster than the logarithm: {names}.{but}"),
    }
}

#[cfg(test)]
mod tests {
    use anchorite_syscalls::Limits;

    use super::*;

    fn told(told: &mut Told, name: &str, points: &[(u64, f64)]) {
        let lines = points.iter().map(|(size, value)| {
            format!("{{\"series\":\"{name}\",\"size\":{size},\"samples\":[{value}]}}\n")
        });
        let output: String = lines.chain([format!("{{\"done\":{}}}", points.len())]).collect();
        series::push(told, Way::Ramdisk, &output).unwrap();
    }

    #[test]
    fn growth_is_held_against_the_logarithm() {
        let mut samples = Told::new();
        told(&mut samples, "constant", &[(1000, 50.0), (10_000, 51.0), (10_000_000, 55.0)]);
        told(&mut samples, "logarithmic", &[(1000, 30.0), (10_000_000, 70.0)]);
        // From one component to 64.
        told(&mut samples, "components", &[(1, 60.0), (64, 20.0)]);
        let mut slow = samples.clone();
        let series = all_series(samples);
        assert!(series.iter().all(|series| series.growth.within == Some(true)), "{series:?}");
        assert!((series[0].growth.logarithm - 7.0 / 3.0).abs() < 0.001, "{series:?}");
        assert!(series[2].growth.logarithm > 6.0, "{series:?}");
        assert_eq!(verdict(&series), "Nothing grows faster than the logarithm.");

        told(&mut slow, "root", &[(1000, 30.0), (10_000_000, 3000.0)]);
        let series = all_series(slow.clone());
        let Growth { ramdisk, within, reads, .. } = series[3].growth;
        assert_eq!((ramdisk, within, reads), (Some(100.0), Some(false), None));
        assert_eq!(verdict(&series), "Faster than the logarithm: root.");

        // Memory of other sizes is no measure; of the same it is.
        told(&mut slow, "memory read at random, a", &[(1000, 1.0), (1_000_000, 901.0)]);
        told(&mut slow, "memory read at random, b", &[(1000, 1.0), (10_000_000, 101.0)]);
        told(&mut slow, "looks", &[(1000, 96.0), (10_000_000, 880.0)]);
        let series = all_series(slow.clone());
        assert!((series[3].growth.reads.unwrap() - 29.1).abs() < 0.1, "{series:?}");
        assert_eq!(series[0].growth.reads, Some(0.0));
        assert!((series[6].growth.reads.unwrap() - 6.0).abs() < 0.1, "{series:?}");
        let end = "By reads of memory, no more than 12: looks.";
        assert_eq!(verdict(&series), format!("Faster than the logarithm: root. {end}"));
        slow.retain(|(name, _)| name != "root");
        assert_eq!(
            verdict(&all_series(slow)),
            format!("Nothing but reads of memory grows faster than the logarithm. {end}")
        );
    }

    #[test]
    fn a_guest_has_room_for_what_it_makes() {
        assert_eq!(guest_bytes(1000, MIB).unwrap(), DEFAULT_BYTES);
        for (files, bytes) in [(10_000_000, 4 * GIB), (1_000_000, 8 * GIB), (55_000_000, GIB)] {
            let memory = guest_bytes(files, bytes).unwrap();
            let limits = Limits::of_memory(memory);
            // With the directories of the tree.
            let inodes = u64::from(files) + u64::from(files).div_ceil(100) + 1000;
            assert!(limits.inodes > inodes && limits.size_bytes > bytes, "{files} {limits:?}");
            assert!(memory.is_multiple_of(STEP_BYTES) && memory < LIMIT_BYTES, "{memory}");
        }
        for (files, bytes) in [(100_000_000, MIB), (1000, 30 * GIB), (1000, 1 << 40)] {
            let failure = guest_bytes(files, bytes).unwrap_err();
            assert!(
                failure.sentence.unwrap().contains("take less by --files and --mib"),
                "{files}"
            );
        }
    }

    #[test]
    fn what_the_host_has_no_memory_for_is_refused() {
        for (files, bytes, enough) in [(10_000_000, GIB, 13 * GIB), (1000, 4 * GIB, 5 * GIB)] {
            for available in [Some(enough), None] {
                check_memory(files, bytes, available).unwrap();
            }
            let failure = check_memory(files, bytes, Some(enough - 2 * GIB)).unwrap_err();
            assert_eq!(failure.status, 2);
            assert!(failure.sentence.unwrap().contains("take less by --files and --mib"));
        }
    }
}
