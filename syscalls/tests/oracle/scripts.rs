//! The rows that are text, on Linux, on the system by numbers and by methods: those that
//! the guest program `posix` does, those of calls without a method, and generated ones.
//!
//! What is recorded in the texts is Linux' outcome. With `ANCHORITE_RECORD` in the
//! environment it is recorded anew; else it must be what Linux does now.

use std::fmt::Write;
use std::path::Path;

use anchorite_programs::posix::script::{World, rows};
use anchorite_syscalls::System;
use host_fs_sim::worlds::{
    Methods, Numbers, ROOMY, Whole, linux_call, on_furnished_linux, system, system_by_numbers,
};

use crate::worlds::on_linux;

/// Texts of rows whose calls have no method, and of rows that need a process of their own.
pub const TEXTS: &[(&str, &str)] = &[
    ("by_number", include_str!("rows/by_number.txt")),
    ("by_number_inotify", include_str!("rows/by_number_inotify.txt")),
    ("identity", include_str!("rows/identity.txt")),
];

/// Compares a text's rows; its file is recorded anew if that is wanted.
pub fn check_recorded(name: &str, text: &str, file: &Path) {
    let Some(linux) = outcomes(text, On::Linux) else { return };
    if std::env::var_os("ANCHORITE_RECORD").is_some() {
        std::fs::write(file, recorded(text, &linux)).expect("the text can be written");
        return;
    }
    let mut wrong = String::new();
    for (row, outcomes) in rows(text).zip(&linux) {
        for (line, outcome) in row.lines().zip(outcomes) {
            if line.linux.or(line.recorded) != Some(outcome) {
                let _ = writeln!(wrong, "{}: {}\n  Linux: {outcome}", row.name, line.text);
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: what is recorded is not what Linux does:\n{wrong}");
    check_ours(name, text, &linux);
}

/// Compares rows of which nothing is recorded.
pub fn check_generated(name: &str, text: &str) {
    if let Some(linux) = outcomes(text, On::Linux) {
        check_ours(name, text, &linux);
    }
}

fn check_ours(name: &str, text: &str, linux: &[Vec<String>]) {
    let mut wrong = String::new();
    let ways = match name.starts_with("by_number") {
        true => &[On::Numbers][..],
        false => &[On::Numbers, On::Methods],
    };
    for &on in ways {
        let ours = outcomes(text, on).expect("ours is always there");
        for ((row, ours), linux) in rows(text).zip(&ours).zip(linux) {
            let mut before = String::new();
            for ((line, ours), linux) in row.lines().zip(ours).zip(linux) {
                let same = match line.linux {
                    Some(_) => line.recorded == Some(ours),
                    None => ours == linux,
                };
                if !same && ours != "no such call" {
                    let _ = write!(wrong, "{} ({on:?}):\n{before}", row.name);
                    let _ =
                        writeln!(wrong, "  {}\n    ours:  {ours}\n    Linux: {linux}", line.call);
                    before.clear();
                } else {
                    let _ = writeln!(before, "  {} = {ours}", line.call);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: ours is not what Linux does:\n{wrong}");
}

/// Who does the calls.
#[derive(Clone, Copy, Debug)]
enum On {
    Linux,
    Numbers,
    Methods,
}

/// Whether the rows of a text want `/dev` and `/proc`.
fn is_furnished(text: &str) -> bool {
    text.starts_with("# furnished")
}

/// The outcomes of each line of each row; none where Linux does not let this process try.
/// A text that says `# alone` has a world of its own for each row.
fn outcomes(text: &str, on: On) -> Option<Vec<Vec<String>>> {
    if !text.starts_with("# alone") {
        return outcomes_together(text, on);
    }
    let alone = rows(text).map(|row| {
        let lines: Vec<&str> = row.lines().map(|line| line.text).collect();
        let text = format!("\nrow {}\n{}\n", row.name, lines.join("\n"));
        Some(outcomes_together(&text, on)?.remove(0))
    });
    alone.collect()
}

fn outcomes_together(text: &str, on: On) -> Option<Vec<Vec<String>>> {
    let all = |world: &mut dyn World| -> Vec<Vec<String>> {
        let told = rows(text).map(|row| {
            let mut told = Vec::new();
            row.run(world, &mut |_, outcome| told.push(outcome.to_owned()));
            told
        });
        told.collect()
    };
    let furnish = |system: &System| {
        if is_furnished(text) {
            system.furnish().unwrap();
        }
    };
    match on {
        On::Linux if is_furnished(text) => {
            let linux = on_furnished_linux(|| {
                let told = all(&mut Numbers { syscall: &linux_call });
                told.iter().map(|row| row.join("\n") + "\n\n").collect()
            });
            let linux = linux.inspect_err(|why| println!("skipped: comparing with Linux: {why:#}"));
            let rows = linux.ok()?;
            let lines = |row: &str| row.lines().map(str::to_owned).collect();
            Some(rows.split_terminator("\n\n").map(lines).collect())
        }
        On::Linux => on_linux(|_| all(&mut Numbers { syscall: &linux_call })),
        On::Methods => {
            let system = Whole(system(ROOMY));
            furnish(&system);
            Some(all(&mut Methods(&system)))
        }
        On::Numbers => {
            let system = Whole(system_by_numbers(ROOMY));
            furnish(&system);
            let syscall = |number, words| system.syscall(number, words);
            Some(all(&mut Numbers { syscall: &syscall }))
        }
    }
}

/// `text` with these outcomes.
fn recorded(text: &str, linux: &[Vec<String>]) -> String {
    let mut rows = linux.iter();
    let mut outcomes = [].iter();
    let mut result = String::new();
    for line in text.lines() {
        let call = line.trim();
        if line.starts_with("row ") {
            outcomes = rows.next().expect("as many rows as outcomes").iter();
            result += line;
        } else if call.is_empty() || call.starts_with('#') {
            result += line;
        } else {
            let linux = outcomes.next().expect("as many lines as outcomes");
            let (call, former) = call.split_once(" = ").unwrap_or((call, ""));
            let _ = match former.split_once(" !linux ") {
                Some((ours, _)) => write!(result, "  {call} = {ours} !linux {linux}"),
                None => write!(result, "  {call} = {linux}"),
            };
        }
        result.push('\n');
    }
    result
}

/// Where the portable texts are.
fn portable(name: &str) -> std::path::PathBuf {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel/programs/src/posix");
    programs.join(name).with_extension("txt")
}

macro_rules! texts {
    ($($name:ident from $texts:ident in $folder:ident;)*) => {
        $(#[test] fn $name() {
            let (name, text) = $texts.iter().find(|(name, _)| *name == stringify!($name)).unwrap();
            let folder = $folder;
            check_recorded(name, text, &folder(name));
        })*
    };
}

fn own(name: &str) -> std::path::PathBuf {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/rows");
    rows.join(name).with_extension("txt")
}

use anchorite_programs::posix::ROWS;

texts! {
    descriptors from ROWS in portable;
    ranges from ROWS in portable;
    names from ROWS in portable;
    metadata from ROWS in portable;
    permissions from ROWS in portable;
    pipes from ROWS in portable;
    attributes from ROWS in portable;
    locks from ROWS in portable;
    devices from ROWS in portable;
    mounts from ROWS in portable;
    proc from ROWS in portable;
    inotify from ROWS in portable;
    by_number from TEXTS in own;
    by_number_inotify from TEXTS in own;
    identity from TEXTS in own;
}
