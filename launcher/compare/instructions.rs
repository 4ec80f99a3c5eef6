//! Instructions instead of time: under emulation time says little, but QEMU counts. Its
//! time-stamp counter then advances by one with each instruction (`-icount shift=0`), and with
//! its clock and its random numbers begun alike, a run repeats exactly.
//!
//! So the programs measure as ever, in counts of that counter, and nothing else needs to be known
//! here: what they give as nanoseconds are instructions.

use anchorite_programs::microbench::{Group, Row};
use serde::{Deserialize, Serialize};

use super::statistics::median;
use super::tables::{Style, number};
use super::{microbench, postmark};
use crate::archive::Archive;
use crate::cli::{MicrobenchArgs, PostmarkArgs};
use crate::failure::{Failure, Result};
use crate::isle::Isle;
use crate::machine::Machine;
use crate::order::{Order, Word};
use crate::qemu::{Accelerator, Setup};
use crate::supervise::Captured;

/// Files in one directory, where nobody says how many.
const FILES: u32 = 2000;
/// How much a file grows.
const APPEND_BYTES: &str = "4194304";
/// Virtual time that a sample takes.
const SAMPLE_US: &str = "200";

/// What `--isle qemu --json` prints.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    /// QEMU's version.
    qemu: &'a str,
    rows: &'a [Counted],
}

/// Something counted.
#[derive(Serialize)]
struct Counted {
    name: String,
    /// Instructions of one operation.
    instructions: f64,
}

/// `anchorite compare microbench --isle qemu`, of these rows.
pub fn microbench(args: &MicrobenchArgs, rows: &[Row]) -> Result<u8> {
    let in_time = [
        ("--runs", args.runs.is_some()),
        ("--samples", args.samples.is_some()),
        ("--append-mib", args.append_mib.is_some()),
        ("--quick", args.quick),
        ("--native-dir", args.native_dir.is_some()),
    ];
    refuse(&in_time)?;
    let counting = Counting::new()?;
    let is_counted =
        |row: &&Row| row.unit == "ns" && !matches!(row.group, Group::Cores | Group::Hourglass);
    let rows: Vec<Row> = rows.iter().filter(is_counted).copied().collect();
    let mut counted = Vec::new();
    for group in Group::ALL {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
        if rows.is_empty() {
            continue;
        }
        let files = args.files.unwrap_or(FILES).to_string();
        let sizes = [
            "--samples",
            "1",
            "--sample-us",
            SAMPLE_US,
            "--files",
            &files,
            "--append",
            APPEND_BYTES,
        ];
        let names = rows.iter().flat_map(|row| ["--filter", row.name]);
        let mut order = Order::new(microbench::PROGRAM);
        order.args = sizes.into_iter().chain(names).map(Word::from).collect();
        let told = counting.run(order)?;
        for line in told.lines() {
            let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
            if rows.iter().any(|row| row.name == line.name) {
                let instructions = median(&line.samples);
                counted.push(Counted { name: line.name, instructions });
            }
        }
        if let Some(missing) = rows.iter().find(|row| counted.iter().all(|is| is.name != row.name))
        {
            return Err(silent(missing.name));
        }
    }
    if counted.is_empty() {
        return Err(Failure::usage(
            "--filter: what it leaves is not counted in instructions: choose rows in ns of one core",
        ));
    }
    counting.print(&counted, args.form.json, args.form.markdown)
}

/// `anchorite compare postmark --isle qemu`.
pub fn postmark(args: &PostmarkArgs, commands: Option<&[u8]>) -> Result<u8> {
    let in_time = [
        ("--native-dir", args.native_dir.is_some()),
        ("--goals", args.goals),
        ("--files", !args.files.is_empty()),
        ("--further", args.further),
    ];
    refuse(&in_time)?;
    let counting = Counting::new()?;
    let place = tempfile::tempdir().map_err(|error| {
        Failure::isle(format!("there is no room for a temporary directory ({error}): set TMPDIR"))
    })?;
    let config = postmark::Files::new(place.path(), commands.unwrap_or_default())?;
    let mut order = Order::new(postmark::PROGRAM);
    order.preloads = vec![Archive::of_directory(place.path(), postmark::GUEST_CONFIG_DIR)];
    order.args = config.guest_args().iter().map(|arg| Word::from(arg.as_str())).collect();
    let told = counting.run(order)?;
    let outcome =
        told.lines().find_map(|line| serde_json::from_str::<postmark::Outcome>(line).ok());
    let outcome = outcome.ok_or_else(|| silent(postmark::PROGRAM))?;
    let transactions = outcome.transactions.max(1) as f64;
    let counted = [
        ("a transaction", outcome.transaction_seconds * 1e9 / transactions),
        ("the whole run", outcome.total_seconds * 1e9),
    ];
    let counted = counted.map(|(name, instructions)| Counted { name: name.into(), instructions });
    counting.print(&counted, args.json, false)
}

/// A line of `microbench`'s.
#[derive(Deserialize)]
struct Line {
    name: String,
    samples: Vec<f64>,
}

/// QEMU that counts.
struct Counting {
    setup: Setup,
    machine: Machine,
}

impl Counting {
    fn new() -> Result<Self> {
        let setup = Setup { accelerator: Accelerator::Counting, ..Setup::find_emulator()? };
        Ok(Counting { setup, machine: Machine::here("/".as_ref()) })
    }

    /// What the order's program says.
    fn run(&self, order: Order) -> Result<String> {
        let order = Order { qemu: Some(self.setup.clone()), ..order };
        let mut said = Captured::default();
        let status = Isle::Qemu.run(&order, &mut said)?;
        if status != 0 {
            let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
            return Err(Failure::isle(format!(
                "{} ended with status {status}: {why}",
                order.program
            )));
        }
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    fn print(&self, rows: &[Counted], json: bool, markdown: bool) -> Result<u8> {
        let Counting { setup, machine } = self;
        if json {
            return super::print_json(&Document { machine, qemu: &setup.version, rows });
        }
        let style = if markdown { Style::Markdown } else { Style::Text };
        let mut table = style.table();
        table.set_header(["", "instructions"]);
        for row in rows {
            table.add_row([row.name.clone(), number(row.instructions)]);
        }
        let lines = [
            format!(
                "Instructions of one operation, as QEMU {} counts them: a string instruction once \
                 for each repetition.",
                setup.version
            ),
            format!(
                "anchorite {}{}.",
                machine.anchorite,
                machine.commit.as_ref().map_or_else(String::new, |commit| format!(" ({commit})")),
            ),
        ];
        crate::print(&format!("{table}\n\n{}", style.paragraph(&lines)))?;
        Ok(0)
    }
}

/// Refuses the options that are about time.
fn refuse(given: &[(&str, bool)]) -> Result<()> {
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::usage(format!(
            "{option}: on the isle qemu instructions of the ramdisk are counted, once and nothing \
             else: leave it out, or take another --isle"
        ))),
    }
}

fn silent(what: &str) -> Failure {
    Failure::isle(format!("nothing is told of {what}: run it alone to see why"))
}
