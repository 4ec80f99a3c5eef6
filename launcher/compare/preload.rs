//! What a preload costs: how long it takes to place files beside reading their archive, and
//! the memory that they take beside it.

use std::path::Path;
use std::time::Instant;
use std::{fs, io};

use anchorite_archive::{Body, Member, Time, WriteError, Writer};
use serde::Serialize;

use super::progress::Progress;
use super::session::{Said, Session, Way};
use super::statistics::Spread;
use super::tables::{Style, dash, goal, goals, measured, met, notes, thousands};
use super::warm::warm;
use crate::archive::Archive;
use crate::cli::{self, PreloadArgs};
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::machine::{Machine, field};
use crate::size::{MIB, STEP_BYTES};

/// The program that is started.
const PROGRAM: &str = "hello";
/// Bytes of each of the small files.
const SMALL_BYTES: u64 = 100;
/// How many of the small files are in each directory of a tree. The memory of a directory's table
/// doubles from time to time, and so is not the same for a file in each.
const TO_A_DIRECTORY: u64 = 100;
/// The large files.
const LARGE_FILES: u64 = 4;
/// What a goal of so many milliseconds for so many small files is.
const PLACING: (f64, f64) = (100.0, 100_000.0);
/// What a file is to take at most beside its archive, its directory's share included, in bytes.
const MEMORY: Option<f64> = Some(256.0);
/// Memory beside archives and what is counted for their files.
const ROOM_BYTES: u64 = 64 * MIB;

/// `anchorite compare preload --json`.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    rows: &'a [Row],
}

/// Something measured about a preload.
#[derive(Serialize)]
struct Row {
    name: String,
    unit: &'static str,
    /// The median.
    value: Option<f64>,
    goal: Option<f64>,
    goal_is: Option<&'static str>,
    met: Option<bool>,
    spread: Option<Spread>,
}

impl Row {
    fn new(name: String, unit: &'static str, samples: &[f64], goal: Option<f64>) -> Row {
        let spread = Spread::of(samples);
        let value = spread.map(|spread| spread.median);
        let met = value.zip(goal).map(|(value, goal)| value <= goal);
        Row { name, unit, value, goal, goal_is: goal.map(|_| "at_most"), met, spread }
    }
}

/// What the kernel says of one preload.
#[derive(Clone, Copy)]
struct Told {
    entries: f64,
    bytes: f64,
    read_ns: f64,
    place_ns: f64,
    used_bytes: f64,
}

impl Told {
    fn of(said: &Said) -> Result<Told> {
        said.output(PROGRAM, Way::Ramdisk)?;
        let found = said.log.iter().find_map(|line| {
            let number = |name| field(line, "preload:", name)?.parse().ok();
            Some(Told {
                entries: number("entries")?,
                bytes: number("bytes")?,
                read_ns: number("read_ns")?,
                place_ns: number("place_ns")?,
                used_bytes: number("used_bytes")?,
            })
        });
        found.ok_or_else(|| Failure::isle("the kernel does not say what a preload took"))
    }
}

/// `anchorite compare preload`.
pub fn preload(args: &PreloadArgs) -> Result<u8> {
    let session = Session::new(cli::isle(None)?, None)?;
    if session.isle == Isle::Hosted {
        return Err(Failure::isle(
            "without KVM there is no virtual machine whose start could be measured: see \
             anchorite run --preload",
        ));
    }
    let place = session.scratch.fresh()?;
    let files = u64::from(args.files);
    let shapes = [
        Shape { files, bytes: SMALL_BYTES, to_a_directory: files },
        Shape { files, bytes: SMALL_BYTES, to_a_directory: TO_A_DIRECTORY },
        Shape {
            files: LARGE_FILES,
            bytes: u64::from(args.mib) * MIB / LARGE_FILES,
            to_a_directory: LARGE_FILES,
        },
    ];
    let paths = ["small.tar", "tree.tar", "large.tar"].map(|name| place.path().join(name));
    let mut progress = Progress::new(3 + 3 * args.runs);
    for (path, shape) in paths.iter().zip(&shapes) {
        progress.begin("making an archive");
        let start = Instant::now();
        make(path, shape)?;
        progress.end(start.elapsed().as_secs_f64());
    }
    let mut told = [const { Vec::new() }; 3];
    for _ in 0..args.runs {
        for ((path, shape), told) in paths.iter().zip(&shapes).zip(&mut told) {
            progress.begin("preload");
            warm();
            let start = Instant::now();
            told.push(run(&session, path, shape.files)?);
            progress.end(start.elapsed().as_secs_f64());
        }
    }
    drop(progress);

    let mut rows = rows(args, &told);
    let machine = session.machine();
    if machine.is_emulated() {
        rows.iter_mut().for_each(|row| row.met = None);
    }
    if args.json {
        return super::print_json(&Document { machine: &machine, rows: &rows });
    }
    let style = if args.markdown { Style::Markdown } else { Style::Text };
    crate::print(&render(style, &machine, args.runs, &rows))?;
    Ok(0)
}

fn rows(args: &PreloadArgs, [small, tree, large]: &[Vec<Told>; 3]) -> [Row; 8] {
    let of = |told: &[Told], value: fn(&Told) -> f64| told.iter().map(value).collect::<Vec<_>>();
    let reading = |told: &Told| told.read_ns / 1e6;
    let placing = |told: &Told| told.place_ns / 1e6;
    let memory = |told: &Told| (told.used_bytes - told.bytes) / told.entries;
    let files = thousands(args.files.into());
    let name = |what: &str| format!("{files} files of {SMALL_BYTES} bytes, {what}");
    let tree_name = |what: &str| format!("the same, {TO_A_DIRECTORY} to a directory, {what}");
    let large_name = |what: &str| format!("{} MiB in {LARGE_FILES} files, {what}", args.mib);
    let placing_goal = Some(PLACING.0 * f64::from(args.files) / PLACING.1);
    let memory_of_one = "memory of one beside the archive";
    [
        Row::new(name("reading the archive"), "ms", &of(small, reading), None),
        Row::new(name("placing them"), "ms", &of(small, placing), placing_goal),
        Row::new(name(memory_of_one), "bytes", &of(small, memory), MEMORY),
        Row::new(tree_name("placing them"), "ms", &of(tree, placing), placing_goal),
        Row::new(tree_name(memory_of_one), "bytes", &of(tree, memory), MEMORY),
        Row::new(large_name("reading the archive"), "ms", &of(large, reading), None),
        Row::new(large_name("placing them"), "ms", &of(large, placing), None),
        Row::new(
            large_name("placing beside reading"),
            "%",
            &of(large, |told| 100.0 * told.place_ns / told.read_ns),
            Some(1.0),
        ),
    ]
}

/// Starts the program once with an archive.
fn run(session: &Session, path: &Path, files: u64) -> Result<Told> {
    let bytes = fs::metadata(path).map_err(|error| unusable(path, &error))?.len();
    // Each file counts a page of the half of memory that is for files.
    let memory_bytes = (2 * (bytes + files * 4096) + ROOM_BYTES).next_multiple_of(STEP_BYTES);
    let archive = Archive::parse("--preload", path.as_os_str())?;
    Told::of(&session.guest_with_archive(PROGRAM, archive, memory_bytes)?)
}

/// What an archive has in it.
struct Shape {
    files: u64,
    /// Bytes of each.
    bytes: u64,
    to_a_directory: u64,
}

/// Makes an archive. It has no entries of the directories.
fn make(path: &Path, shape: &Shape) -> Result<()> {
    let written = fs::File::create(path)
        .map_err(WriteError::Sink)
        .and_then(|file| write(&mut io::BufWriter::new(file), shape));
    written.map_err(|error| match error {
        WriteError::Sink(error) => unusable(path, &error),
        error => Failure::isle(format!("{}: {error:?}", path.display())),
    })
}

fn write(
    out: &mut impl io::Write,
    shape: &Shape,
) -> std::result::Result<(), WriteError<io::Error>> {
    let mut writer = Writer::new(|bytes: &[u8]| out.write_all(bytes));
    let piece = vec![b'x'; MIB as usize];
    for number in 0..shape.files {
        let name = format!("files/{:05}/{number:07}", number / shape.to_a_directory);
        writer.begin(&Member {
            path: name.as_bytes(),
            body: Body::File { size: shape.bytes },
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: Time { seconds: 1_000_000_000, nanoseconds: 0 },
            atime: None,
            xattrs: &[],
        })?;
        let mut left = shape.bytes;
        while left > 0 {
            let len = left.min(MIB);
            writer.data(&piece[..len as usize])?;
            left -= len;
        }
    }
    writer.finish()?;
    out.flush().map_err(WriteError::Sink)
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::isle(format!(
        "{} cannot be written ({}): see whether there is room",
        path.display(),
        describe(error)
    ))
}

fn render(style: Style, machine: &Machine, runs: u32, rows: &[Row]) -> String {
    let mut table = style.table();
    table.set_header(["preload", "unit", "median (quartiles)", "goal", "met"]);
    for row in rows {
        table.add_row([
            row.name.clone(),
            row.unit.to_owned(),
            row.spread.as_ref().map_or_else(dash, measured),
            goal(row.goal, row.goal_is),
            met(row.met).to_owned(),
        ]);
    }
    let mut lines = vec![
        goals(rows.iter().filter(|row| row.goal.is_some()).map(|row| (row.name.as_str(), row.met))),
        format!("{runs} starts with each archive, plain tar."),
    ];
    lines.extend(notes(machine));
    format!("{table}\n\n{}", style.paragraph(&lines))
}
