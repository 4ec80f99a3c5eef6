//! How a comparison of single calls is printed: for a terminal, and as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table};

use super::{Document, Histogram};
use crate::compare::session::Way;
use crate::compare::tables::{Style, dash, goal, goals, measured, met, notes, number, thousands};

/// The whole of it, with a line feed at its end.
pub fn render(style: Style, document: &Document) -> String {
    let Document { machine, runs, asked, rows, hourglass } = document;
    let mut table = style.table();
    table.set_header([
        "",
        "unit",
        "ramdisk",
        "forwarded",
        "native",
        "ratio",
        "goal",
        "limit",
        "met",
    ]);
    for row in rows {
        let way = |way| row.spread.get(&way).map_or_else(dash, measured);
        table.add_row([
            row.name.clone(),
            row.unit.clone(),
            way(Way::Ramdisk),
            way(Way::Forwarded),
            way(Way::Native),
            row.ratio.map_or_else(dash, |ratio| format!("{}x", number(ratio))),
            goal(row.goal, row.goal_is.as_deref()),
            row.limit.map_or_else(String::new, number),
            met(row.met).to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    if !hourglass.is_empty() {
        let _ = write!(text, "\nGaps in a loop that reads the time-stamp counter:\n\n");
        let _ = writeln!(text, "{}", gaps(style, hourglass));
    }
    text.push('\n');
    let mut lines = vec![goals(rows.iter().map(|row| (row.name.as_str(), row.met)))];
    let beyond: Vec<_> = rows.iter().filter(|row| row.is_out_of_reach()).collect();
    if !beyond.is_empty() {
        let names: Vec<_> = beyond.iter().map(|row| row.name.as_str()).collect();
        lines.push(format!(
            "Of those, above what can be reached by copies, memory, atomics and lines handed over as \
             they were measured in this run (limit): {}.",
            names.join("; ")
        ));
    }
    let less = asked.forwarded();
    lines.push(format!(
        "Medians (quartiles) of one operation; {} each way, {} samples in each where calls are \
         repeated; {} files in a directory, {} MiB appended (forwarded: {} files, {} MiB). The ratio \
         is native to ramdisk.",
        if *runs == 1 { "one run".to_owned() } else { format!("{runs} runs") },
        asked.samples,
        thousands(asked.files.into()),
        asked.append_bytes >> 20,
        thousands(less.files.into()),
        less.append_bytes >> 20,
    ));
    lines.extend(notes(machine));
    text.push_str(&style.paragraph(&lines));
    text
}

/// The hourglass' histogram.
fn gaps(style: Style, hourglass: &BTreeMap<Way, Histogram>) -> Table {
    let mut table = style.table();
    let mut header = vec!["cycles, from".to_owned()];
    header.extend(hourglass.keys().map(|way| way.title().to_owned()));
    table.set_header(header);
    let bins: BTreeSet<u32> =
        hourglass.values().flat_map(|histogram| histogram.keys().copied()).collect();
    for bits in bins {
        let mut cells = vec![thousands(1u64.checked_shl(bits).unwrap_or(u64::MAX))];
        cells.extend(
            hourglass
                .values()
                .map(|histogram| histogram.get(&bits).map_or_else(dash, |count| thousands(*count))),
        );
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
