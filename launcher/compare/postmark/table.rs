//! The one table of postmark: every configuration, every way, and what each ran on.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::results::WayResults;
use super::{Comparison, Document};
use crate::compare::session::Way;
use crate::compare::tables::{notes, thousands};
use crate::machine::Machine;

/// PostMark's megabyte.
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// The whole table, with a line feed at its end.
pub fn render(document: &Document) -> String {
    let Document { machine, configurations: comparisons, absent, .. } = document;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let ways: Vec<&WayResults> = comparisons.iter().flat_map(|one| &one.ways).collect();
    let columns = comparisons.first().map_or(0, |one| one.ways.len());

    let mut header = vec!["postmark".to_owned()];
    header.extend(ways.iter().take(columns).map(|way| heading(machine, way.way).to_owned()));
    table.set_header(header);
    for comparison in comparisons {
        add_comparison(&mut table, comparison);
    }
    for (name, value) in GROUND {
        let mut row = vec![name.to_owned()];
        row.extend(ways.iter().take(columns).map(|way| value(machine, way.way)));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }

    let mut text = format!("{table}\n");
    let absences = absent.iter().map(|(way, why)| format!("Without {}: {why}.", way.title()));
    for line in notes(machine).into_iter().chain(absences) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn heading(machine: &Machine, way: Way) -> &'static str {
    match way {
        Way::Ramdisk if machine.kvm.is_none() => "ramdisk in a process",
        Way::Ramdisk => "ramdisk in the unikernel",
        Way::Forwarded => "forwarded to the host",
        Way::Native => "native Linux",
        Way::Ext4 => "native Linux, ext4",
        Way::Debian => "Debian's postmark, native",
        Way::Bare => "nothing but bytes",
    }
}

fn add_comparison(table: &mut Table, comparison: &Comparison) {
    let mut row = |name: &str, value: &dyn Fn(&WayResults) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(comparison.ways.iter().map(value));
        table.add_row(cells);
    };
    row(&comparison.title, &|_| String::new());
    let names = comparison
        .ways
        .iter()
        .find_map(|way| way.counts.as_ref())
        .map(|counts| counts.fields().map(|(name, _)| name))
        .unwrap_or_default();
    for (index, name) in names.into_iter().enumerate() {
        row(&format!("  {}", name.replace('_', " ")), &|way| {
            let count = way.counts.as_ref().map(|counts| counts.fields()[index].1);
            count.map_or_else(|| "-".to_owned(), thousands)
        });
    }
    row("  seconds, median", &|way| seconds(way.median_seconds()));
    row("  seconds, least to most (runs)", &|way| {
        let least = way.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = way.seconds.iter().copied().fold(0.0, f64::max);
        format!("{} to {} ({})", seconds(least), seconds(most), way.seconds.len())
    });
    row("  transactions per second", &|way| {
        let rate = way.transactions_per_second;
        rate.map_or_else(|| "-".to_owned(), |rate| thousands(rate.round() as u64))
    });
    row("  megabytes read per second", &|way| {
        megabytes_per_second(way, way.counts.as_ref().map_or(0, |counts| counts.bytes_read))
    });
    row("  megabytes written per second", &|way| {
        megabytes_per_second(way, way.counts.as_ref().map_or(0, |counts| counts.bytes_written))
    });
    let native = seconds_of(comparison, Way::Native);
    row("  times as fast as native", &|way| ratio(native, way));
    let forwarded = seconds_of(comparison, Way::Forwarded);
    if forwarded.is_some() {
        row("  times as fast as forwarded", &|way| ratio(forwarded, way));
    }
}

/// A row about what each way ran on.
type GroundRow = (&'static str, fn(&Machine, Way) -> String);

/// What each way ran on.
const GROUND: [GroundRow; 3] =
    [("files on", files), ("kernel", kernel), ("virtual machine", virtual_machine)];

fn files(machine: &Machine, way: Way) -> String {
    match way {
        Way::Ramdisk => "the ramdisk".to_owned(),
        Way::Bare => "memory".to_owned(),
        Way::Ext4 => "ext4".to_owned(),
        Way::Forwarded | Way::Native | Way::Debian => machine.native_file_system.clone(),
    }
}

fn kernel(machine: &Machine, way: Way) -> String {
    match way {
        Way::Ramdisk | Way::Forwarded | Way::Bare if machine.kvm.is_some() => {
            format!("anchorite {}", machine.anchorite)
        }
        _ => machine.kernel.clone(),
    }
}

fn virtual_machine(machine: &Machine, way: Way) -> String {
    match (way, &machine.kvm) {
        (Way::Native | Way::Ext4 | Way::Debian, _) => "none".to_owned(),
        (_, Some(_)) if machine.is_emulated() => "QEMU, emulated".to_owned(),
        (_, Some(kvm)) => format!("uhyve {}, {} KVM", machine.uhyve, kvm.kind),
        (_, None) => "none (isle hosted)".to_owned(),
    }
}

fn seconds_of(comparison: &Comparison, way: Way) -> Option<f64> {
    let results = comparison.ways.iter().find(|results| results.way == way)?;
    Some(results.median_seconds())
}

fn ratio(base: Option<f64>, way: &WayResults) -> String {
    match base {
        Some(base) if way.median_seconds() > 0.0 => {
            let ratio = base / way.median_seconds();
            let digits = if ratio < 0.1 { 3 } else { 2 };
            format!("{ratio:.digits$}")
        }
        _ => "-".to_owned(),
    }
}

fn megabytes_per_second(way: &WayResults, bytes: u64) -> String {
    let seconds = way.median_seconds().max(1e-9);
    format!("{:.2}", bytes as f64 / MEGABYTE / seconds)
}

fn seconds(value: f64) -> String {
    let digits = if value < 0.1 { 4 } else { 3 };
    format!("{value:.digits$}")
}
