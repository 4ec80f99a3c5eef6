//! What a preload costs: how long it takes to place files beside reading their archive, and
//! the memory that they take beside it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use std::{fs, io};

use anchorite_archive::{Body, Member, Time, WriteError, Writer};
use serde::{Deserialize, Serialize};

use super::microbench;
use super::progress::Progress;
use super::series::{self, Told as Series};
use super::session::{DIRECTORY, Said, Session, Way};
use super::statistics::{Row, Spread};
use super::tables::{Style, dash, goal, goals, measured, met, notes, thousands};
use super::warm::warm;
use crate::archive::Archive;
use crate::cli::{self, PreloadArgs};
use crate::failure::{Failure, Result};
use crate::forward::{Access, DEFAULT_GUEST_DIR, Forward, describe};
use crate::isle::Isle;
use crate::machine::{Machine, field};
use crate::order::Word;
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
/// More files than these are not copied from a directory that is forwarded, which takes a
/// millisecond for each on slow KVM.
const FORWARDED_FILES: u64 = 10_000;
/// Memory beside archives and what is counted for their files.
const ROOM_BYTES: u64 = 64 * MIB;

/// `anchorite compare preload --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What was measured on.
    pub machine: Machine,
    /// How often a guest was started with each archive.
    pub runs: u32,
    /// What was measured about preloads.
    pub rows: Vec<Row>,
    /// Preloads beside copies of the same files, where that was asked for.
    pub beside: Vec<Beside>,
}

/// A preload of so many files in one directory, and other ways to have these; all samples are
/// milliseconds for all of the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// How many.
    pub files: u64,
    /// Bytes of each.
    pub bytes: u64,
    /// Reading the archive and placing its files, as the kernel tells it.
    pub preload: Vec<f64>,
    /// Of this the placing.
    pub placing: Vec<f64>,
    /// Copied in a guest to the ramdisk, from a directory that is forwarded; none where these
    /// would be too many calls.
    pub forwarded: Vec<f64>,
    /// Copied natively by the same program, from tmpfs to tmpfs.
    pub native: Vec<f64>,
    /// Extracted natively to tmpfs by tar(1), the process; none where there is none.
    pub tar: Vec<f64>,
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
    super::tell(&measure(args)?, &args.form, render)
}

/// What it measures.
///
/// # Errors
/// There is no virtual machine to start; there is no room; a program does not end well.
pub fn measure(args: &PreloadArgs) -> Result<Document> {
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
    // The archives are memory, too.
    drop(place);
    let beside = if args.beside { all_beside(&session, args)? } else { Vec::new() };
    let machine = session.machine();
    if machine.is_emulated() {
        rows.iter_mut().for_each(|row| row.met = None);
    }
    Ok(Document { machine, runs: args.runs, rows: rows.into(), beside })
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
        Row::new(name("reading the archive"), "ms", of(small, reading), None),
        Row::new(name("placing them"), "ms", of(small, placing), placing_goal),
        Row::new(name(memory_of_one), "bytes", of(small, memory), MEMORY),
        Row::new(tree_name("placing them"), "ms", of(tree, placing), placing_goal),
        Row::new(tree_name(memory_of_one), "bytes", of(tree, memory), MEMORY),
        Row::new(large_name("reading the archive"), "ms", of(large, reading), None),
        Row::new(large_name("placing them"), "ms", of(large, placing), None),
        Row::new(
            large_name("placing beside reading"),
            "%",
            of(large, |told| 100.0 * told.place_ns / told.read_ns),
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

/// The same files by every way, of several counts and sizes.
fn all_beside(session: &Session, args: &PreloadArgs) -> Result<Vec<Beside>> {
    let few = |files: u64, bytes: u64| Shape { files, bytes, to_a_directory: files };
    let (files, bytes) = (u64::from(args.files), u64::from(args.mib) * MIB / LARGE_FILES);
    let shapes = [
        few(files.div_ceil(100), SMALL_BYTES),
        few(files.div_ceil(10), SMALL_BYTES),
        few(files, SMALL_BYTES),
        few(LARGE_FILES, bytes / 64),
        few(LARGE_FILES, bytes / 16),
        few(LARGE_FILES, bytes / 4),
    ];
    let mut progress = Progress::new(args.runs * shapes.len() as u32);
    shapes.iter().map(|shape| beside(session, shape, args.runs, &mut progress)).collect()
}

/// One shape, by every way in turn.
fn beside(session: &Session, shape: &Shape, runs: u32, progress: &mut Progress) -> Result<Beside> {
    let Shape { files, bytes, .. } = *shape;
    let place = session.scratch.fresh()?;
    let archive = place.path().join("files.tar");
    make(&archive, shape)?;
    let source = place.path().join("files/00000");
    make_files(&source, shape)?;
    let mut row = Beside {
        files,
        bytes,
        preload: Vec::new(),
        placing: Vec::new(),
        forwarded: Vec::new(),
        native: Vec::new(),
        tar: Vec::new(),
    };
    let options = |from: &str| ["--copy", from].map(str::to_owned);
    // One file's nanoseconds as the milliseconds of all.
    let milliseconds = |way, output: &str| -> Result<f64> {
        let mut told = Series::new();
        series::push(&mut told, way, output)?;
        let samples =
            told.iter().flat_map(|(_, sizes)| sizes.values().flat_map(|ways| &ways[&way]));
        Ok(samples.sum::<f64>() * files as f64 / 1e6)
    };
    for _ in 0..runs {
        progress.begin(&format!("{} files of {} bytes", thousands(files), thousands(bytes)));
        let start = Instant::now();
        warm();
        let told = run(session, &archive, files)?;
        row.preload.push((told.read_ns + told.place_ns) / 1e6);
        row.placing.push(told.place_ns / 1e6);

        if session.ways().contains(&Way::Forwarded) && files <= FORWARDED_FILES {
            warm();
            let forward = Forward::new("--forward", &source, DEFAULT_GUEST_DIR, Access::ReadOnly)?;
            let words = options(DEFAULT_GUEST_DIR);
            let words = words.iter().map(|word| Word::from(word.as_str()));
            let said = session.guest(microbench::PROGRAM, words, vec![forward], Vec::new())?;
            let output = said.output(microbench::PROGRAM, Way::Forwarded)?;
            row.forwarded.push(milliseconds(Way::Forwarded, output)?);
        }

        warm();
        let to = session.scratch.fresh()?;
        let from = source.display().to_string();
        let directory = [DIRECTORY.into(), to.path().as_os_str().to_owned()];
        let words = directory.into_iter().chain(options(&from).map(Into::into));
        let said = session.native(microbench::PROGRAM, words)?;
        let output = said.output(microbench::PROGRAM, Way::Native)?;
        row.native.push(milliseconds(Way::Native, output)?);
        drop(to);

        warm();
        let to = session.scratch.fresh()?;
        row.tar.extend(extract(&archive, to.path())?);
        progress.end(start.elapsed().as_secs_f64());
    }
    Ok(row)
}

/// Milliseconds that tar(1) takes; nothing where there is none.
fn extract(archive: &Path, to: &Path) -> Result<Option<f64>> {
    let start = Instant::now();
    let said = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(to).output();
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    match said {
        Ok(said) if said.status.success() => Ok(Some(milliseconds)),
        Ok(said) => Err(Failure::isle(format!(
            "tar does not extract {}: {}",
            archive.display(),
            String::from_utf8_lossy(&said.stderr).trim()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::isle(format!("tar cannot be started ({})", describe(&error)))),
    }
}

/// The files of a shape of one directory, as such.
fn make_files(directory: &Path, shape: &Shape) -> Result<()> {
    let made = fs::create_dir_all(directory).and_then(|()| {
        let bytes = vec![b'x'; shape.bytes as usize];
        (0..shape.files)
            .try_for_each(|number| fs::write(directory.join(format!("{number:07}")), &bytes))
    });
    made.map_err(|error| unusable(directory, &error))
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

fn render(style: Style, document: &Document) -> String {
    let Document { machine, runs, rows, beside } = document;
    let mut table = style.table();
    table.set_header(["preload", "unit", "median (quartiles)", "goal", "met"]);
    for row in rows {
        table.add_row([
            row.name.clone(),
            row.unit.clone(),
            row.spread.as_ref().map_or_else(dash, measured),
            goal(row.goal, row.goal_is.as_deref()),
            met(row.met).to_owned(),
        ]);
    }
    let mut text = format!("{table}\n\n");
    if !beside.is_empty() {
        let mut table = style.table();
        table.set_header(["ms for all files", "preload", "placing", "copied", "native", "tar -x"]);
        for row in beside {
            let samples = [&row.preload, &row.placing, &row.forwarded, &row.native, &row.tar];
            let value =
                |samples: &Vec<f64>| Spread::of(samples).as_ref().map_or_else(dash, measured);
            let name = format!("{} of {} bytes", thousands(row.files), thousands(row.bytes));
            table.add_row([name].into_iter().chain(samples.map(value)));
        }
        let _ = write!(text, "{table}\n\n");
    }
    let mut lines = vec![
        goals(rows.iter().filter(|row| row.goal.is_some()).map(|row| (row.name.as_str(), row.met))),
        format!("{runs} starts with each archive, plain tar."),
    ];
    if !beside.is_empty() {
        lines.push(
            "Copied: by a program in the guest, from a directory that is forwarded; native: by the \
             same program, from tmpfs to tmpfs."
                .to_owned(),
        );
    }
    lines.extend(notes(machine));
    text + &style.paragraph(&lines)
}
