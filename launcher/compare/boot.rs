//! What a start costs: how long until the program's first line, the kernel's part of it,
//! the size of images, and the least memory that `hello` runs in.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::RUN_COMMAND;
use super::progress::Progress;
use super::session::Session;
use super::statistics::Row;
use super::tables::{Style, dash, goal, goals, measured, met, notes, thousands};
use crate::cli::{self, BootArgs};
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::machine::{Machine, field};
use crate::order::{Order, Verbosity};
use crate::programs;
use crate::size::{DEFAULT_BYTES, MIB, MIN_BYTES, STEP_BYTES};
use crate::supervise::{Captured, this_executable_apart};

/// The program that is started.
const PROGRAM: &str = "hello";

/// From the start of the process `anchorite` to the program's first line.
const WHOLE: (&str, &str, f64) = ("process start to the first line", "ms", 25.0);
/// The same on the isles that are not the usual one, which have no goal.
const OTHERS: [(Isle, &str); 3] = [
    (Isle::Uhyve, "process start to the first line, isle uhyve"),
    (Isle::Qemu, "process start to the first line, isle qemu"),
    (Isle::Hosted, "process start to the first line, isle hosted"),
];
/// From the kernel's first instruction to the program's.
const KERNEL: (&str, &str, f64) = ("the kernel's part", "ms", 2.0);
/// Bytes of the program's image.
const IMAGE: (&str, &str, f64) = ("image of hello", "KiB", 300.0);
/// The least memory that it runs in; uhyve gives no less than the goal.
const MEMORY: (&str, &str, f64) = ("least memory for hello", "MiB", 16.0);

/// `anchorite compare boot --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What was measured on.
    pub machine: Machine,
    /// How often each start was measured.
    pub runs: u32,
    /// What was measured.
    pub rows: Vec<Row>,
    /// All images of this version's.
    pub images: Vec<Image>,
}

/// A program's image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The program.
    pub name: String,
    /// The image's size.
    pub bytes: usize,
}

/// `anchorite compare boot`.
pub fn boot(args: &BootArgs) -> Result<u8> {
    super::tell(&measure(args)?, &args.form, render)
}

/// What it measures.
///
/// # Errors
/// The program cannot be started, or does not end well.
pub fn measure(args: &BootArgs) -> Result<Document> {
    let session = Session::new(cli::isle(None)?, None)?;
    let mut others: Vec<_> = OTHERS
        .into_iter()
        .filter(|(isle, _)| *isle != session.isle && isle.is_here())
        .map(|(isle, name)| (isle, name, Vec::new()))
        .collect();
    let mut progress = Progress::new(args.runs * (2 + others.len() as u32) + 1);
    let (mut whole, mut kernel) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        progress.begin("to the first line");
        let milliseconds = first_line_ms(session.isle)?;
        progress.end(milliseconds / 1e3);
        whole.push(milliseconds);
        for (isle, name, samples) in &mut others {
            progress.begin(name);
            let milliseconds = first_line_ms(*isle)?;
            progress.end(milliseconds / 1e3);
            samples.push(milliseconds);
        }

        progress.begin("the kernel's part");
        let start = Instant::now();
        kernel.extend(kernel_ms(&session)?);
        progress.end(start.elapsed().as_secs_f64());
    }
    progress.begin("the least memory");
    let start = Instant::now();
    let memory = least_memory(session.isle)?;
    progress.end(start.elapsed().as_secs_f64());
    drop(progress);

    let images: Vec<Image> = programs::names()
        .into_iter()
        .filter_map(|name| {
            Some(Image { name: name.to_owned(), bytes: programs::built_in(name)?.len() })
        })
        .collect();
    let hello = images.iter().find(|image| image.name == PROGRAM);
    let mut rows = vec![
        row(WHOLE, whole),
        row(KERNEL, kernel),
        row(IMAGE, hello.map(|image| image.bytes as f64 / 1024.0).into_iter().collect()),
        row(MEMORY, memory.map(|bytes| bytes as f64 / MIB as f64).into_iter().collect()),
    ];
    rows.extend(
        others.into_iter().map(|(_, name, samples)| Row::new(name, WHOLE.1, samples, None)),
    );
    let machine = session.machine();
    if machine.is_emulated() {
        rows.iter_mut().for_each(|row| row.met = None);
    }
    Ok(Document { machine, runs: args.runs, rows, images })
}

/// A row that is to be at most so much.
fn row((name, unit, most): (&str, &str, f64), samples: Vec<f64>) -> Row {
    Row::new(name, unit, samples, Some(most))
}

/// Milliseconds from the start of a process `anchorite` to the first line that its
/// program prints.
fn first_line_ms(isle: Isle) -> Result<f64> {
    let mut command = this_executable_apart();
    for variable in ["HERMIT_CPUS", "HERMIT_MEM", "HERMIT_VERBOSE"] {
        command.env_remove(variable);
    }
    command.args([RUN_COMMAND, "--isle", isle.name(), PROGRAM]).stdout(Stdio::piped());
    let cannot =
        |error| Failure::isle(format!("{PROGRAM} cannot be started ({})", describe(&error)));
    let start = Instant::now();
    let mut child = command.spawn().map_err(cannot)?;
    let mut line = String::new();
    let read = child.stdout.take().map(|pipe| {
        let mut reader = BufReader::new(pipe);
        let read = reader.read_line(&mut line);
        let elapsed = start.elapsed();
        // To its end: a closed pipe would be an error to it.
        read.and_then(|_| std::io::copy(&mut reader, &mut std::io::sink())).map(|_| elapsed)
    });
    let status = child.wait().map_err(cannot)?;
    match read {
        Some(Ok(elapsed)) if status.success() && line.ends_with('\n') => {
            Ok(elapsed.as_secs_f64() * 1e3)
        }
        Some(Err(error)) => Err(cannot(error)),
        _ => Err(Failure::isle(format!(
            "{PROGRAM} did not print its first line: run it alone (`anchorite run {PROGRAM}`) to see \
             why"
        ))),
    }
}

/// Milliseconds that the kernel says it took; nothing where there is none.
fn kernel_ms(session: &Session) -> Result<Option<f64>> {
    if session.isle == Isle::Hosted {
        return Ok(None);
    }
    let said = session.guest_with(PROGRAM, [], DEFAULT_BYTES)?;
    let nanoseconds =
        said.log.iter().find_map(|line| field(line, "machine:", "boot_ns")?.parse::<f64>().ok());
    let nanoseconds = nanoseconds.ok_or_else(|| {
        Failure::isle("the kernel does not say how long its start took".to_owned())
    })?;
    Ok(Some(nanoseconds / 1e6))
}

/// The least memory that the program runs in: what it runs in, and not in a step less.
fn least_memory(isle: Isle) -> Result<Option<u64>> {
    if isle == Isle::Hosted {
        return Ok(None);
    }
    let runs_in = |bytes| {
        let mut order = Order::new(PROGRAM);
        order.memory_bytes = bytes;
        order.verbosity = Verbosity::Quiet;
        // Too little memory is the guest's status, or the isle's failure.
        isle.run(&order, &mut Captured::default()) == Ok(0)
    };
    let (mut too_little, mut enough) = (MIN_BYTES - STEP_BYTES, MIN_BYTES);
    while !runs_in(enough) {
        if enough >= DEFAULT_BYTES {
            return Err(Failure::isle(format!(
                "{PROGRAM} does not run in {} MiB: run it alone to see why",
                enough / MIB
            )));
        }
        (too_little, enough) = (enough, enough * 2);
    }
    while enough - too_little > STEP_BYTES {
        let middle = (too_little + (enough - too_little) / 2) / STEP_BYTES * STEP_BYTES;
        if runs_in(middle) { enough = middle } else { too_little = middle }
    }
    Ok(Some(enough))
}

fn render(style: Style, document: &Document) -> String {
    let Document { machine, runs, rows, images } = document;
    let mut table = style.table();
    table.set_header(["start", "unit", "median (quartiles)", "goal", "met"]);
    for row in rows {
        table.add_row([
            row.name.clone(),
            row.unit.clone(),
            row.spread.as_ref().map_or_else(dash, measured),
            goal(row.goal, row.goal_is.as_deref()),
            met(row.met).to_owned(),
        ]);
    }
    let sizes: Vec<_> = images
        .iter()
        .map(|image| format!("{} {}", image.name, thousands(image.bytes as u64)))
        .collect();
    let mut lines = vec![
        goals(rows.iter().map(|row| (row.name.as_str(), row.met))),
        format!("{runs} starts with {} MiB of memory.", DEFAULT_BYTES / MIB),
        format!("Bytes of images: {}.", sizes.join(", ")),
    ];
    if rows.iter().any(|row| row.name == MEMORY.0 && row.value == Some(MEMORY.2)) {
        lines.push(format!("{} MiB is the least that uhyve gives.", MIN_BYTES / MIB));
    }
    lines.extend(notes(machine));
    format!("{table}\n\n{}", style.paragraph(&lines))
}
