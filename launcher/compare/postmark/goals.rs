//! The goals of postmark, and the table that holds what was measured against them.

use comfy_table::CellAlignment;
use serde::{Deserialize, Serialize};

use super::results::WayResults;
use super::{Comparison, Configuration};
use crate::compare::session::Way;
use crate::compare::tables::{Style, dash, goals, met, notes, number, thousands};
use crate::machine::Machine;

/// How many times as fast as natively each configuration is to be.
const TIMES_NATIVE: f64 = 5.0;
/// How many times as fast as forwarded the first is to be …
const TIMES_FORWARDED: f64 = 50.0;
/// … where a hypercall takes as long as this. Where it is quicker, the ratio is told
/// beside what one takes.
const SLOW_HYPERCALL_NS: u64 = 25_000;

/// The configurations that have goals, or with a part of their files and transactions, one in
/// `part`.
pub fn configurations(part: u32) -> Vec<Configuration> {
    let count = |whole: u32| (whole / part).max(1);
    let number = |whole: u32| thousands(count(whole).into());
    let mail = format!(
        "set number {}\nset transactions {}\nset size 500 10000\n",
        count(20_000),
        count(200_000)
    );
    [
        (
            format!(
                "{} files of 500 to 10,000 bytes in 100 directories, {} transactions",
                number(20_000),
                number(200_000)
            ),
            format!("{mail}set subdirectories 100\n"),
        ),
        ("the same in one directory".to_owned(), mail),
        (
            format!(
                "HermiTux's: {} files of 500 to 131,072 bytes, {} transactions, blocks of 4,096",
                number(3000),
                number(20_000)
            ),
            format!(
                "set number {}\nset transactions {}\nset size 500 131072\nset read 4096\n\
                 set write 4096\n",
                count(3000),
                count(20_000)
            ),
        ),
    ]
    .map(|(title, commands)| Configuration {
        title,
        commands: Some(commands.into_bytes()),
        ..Configuration::default()
    })
    .into()
}

/// One configuration's seconds beside its goals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The configuration's title.
    pub name: String,
    /// Seconds, the median of runs; null where there is no such way.
    pub ramdisk: Option<f64>,
    /// The same, forwarded.
    pub forwarded: Option<f64>,
    /// The same, natively.
    pub native: Option<f64>,
    /// The same in the unikernel, on files that are nothing but their bytes: what postmark itself
    /// and the copying of its bytes take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bare: Option<f64>,
    /// The most that `times_native` can be on this machine: of native seconds to bare ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// How many times as long as on the ramdisk it takes natively.
    pub times_native: Goal,
    /// How many times as long it takes forwarded.
    pub times_forwarded: Goal,
}

/// A ratio and what it is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// The ratio.
    pub ratio: Option<f64>,
    /// The least that it is to be.
    pub goal: Option<f64>,
    /// Whether it is.
    pub met: Option<bool>,
}

impl Goal {
    fn new(slower: Option<f64>, ramdisk: Option<f64>, goal: Option<f64>) -> Goal {
        let ratio = slower.zip(ramdisk.filter(|&seconds| seconds > 0.0)).map(|(a, b)| a / b);
        Goal { ratio, goal, met: ratio.zip(goal).map(|(ratio, goal)| ratio >= goal) }
    }
}

/// What was measured, beside the goals.
pub fn rows(machine: &Machine, comparisons: &[Comparison]) -> Vec<Row> {
    let is_slow = machine.kvm.as_ref().is_some_and(|kvm| kvm.hypercall_ns >= SLOW_HYPERCALL_NS);
    let row = |(index, comparison): (usize, &Comparison)| {
        let seconds = |way: Way| {
            let results = comparison.ways.iter().find(|results| results.way == way);
            results.map(WayResults::median_seconds)
        };
        let ramdisk = seconds(Way::Ramdisk);
        let (forwarded, native) = (seconds(Way::Forwarded), seconds(Way::Native));
        let bare = seconds(Way::Bare);
        // The goal is the first configuration's.
        let forwarded_goal = (index == 0 && is_slow).then_some(TIMES_FORWARDED);
        let native_goal = (!machine.is_emulated()).then_some(TIMES_NATIVE);
        Row {
            name: comparison.title.clone(),
            ramdisk,
            forwarded,
            native,
            bare,
            limit: Goal::new(native, bare, None).ratio,
            times_native: Goal::new(native, ramdisk, native_goal),
            times_forwarded: Goal::new(forwarded, ramdisk, forwarded_goal),
        }
    };
    comparisons.iter().enumerate().map(row).collect()
}

/// The table, with a line feed at its end.
pub fn render(machine: &Machine, rows: &[Row], style: Style) -> String {
    let mut table = style.table();
    let header = [
        "postmark, seconds",
        "ramdisk",
        "forwarded",
        "native",
        "bare",
        "native / ramdisk",
        "goal",
        "limit",
        "met",
        "forwarded / ramdisk",
        "goal",
        "met",
    ];
    table.set_header(header);
    let seconds = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.3}"));
    for row in rows {
        let mut cells = vec![
            row.name.clone(),
            seconds(row.ramdisk),
            seconds(row.forwarded),
            seconds(row.native),
            seconds(row.bare),
        ];
        let times = |ratio| format!("{}x", number(ratio));
        for (Goal { ratio, goal, met: is_met }, limit) in
            [(&row.times_native, Some(row.limit)), (&row.times_forwarded, None)]
        {
            cells.push(ratio.map_or_else(dash, times));
            cells.push(goal.map_or_else(String::new, |goal| format!("{goal}x")));
            cells.extend(limit.map(|limit| limit.map_or_else(dash, times)));
            cells.push(met(*is_met).to_owned());
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let verdicts = rows.iter().flat_map(|row| {
        [(row.name.as_str(), row.times_native.met), (row.name.as_str(), row.times_forwarded.met)]
    });
    let mut sentences = vec![goals(verdicts)];
    if rows.iter().any(|row| row.bare.is_some()) {
        sentences.push(
            "Bare: postmark in the unikernel on files that are nothing but their bytes, its own work \
             and copying; limit: native / bare."
                .to_owned(),
        );
    }
    sentences.extend(notes(machine));
    format!("{table}\n\n{}", style.paragraph(&sentences))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_configuration_is_told_as_such() {
        let commands = |part: u32| {
            let all = configurations(part).into_iter();
            all.map(|one| (one.title, String::from_utf8(one.commands.unwrap()).unwrap()))
        };
        let (title, text) = commands(1).next().unwrap();
        assert!(title.starts_with("20,000 files") && text.starts_with("set number 20000\n"));
        let (title, text) = commands(20).next_back().unwrap();
        assert!(title.contains("150 files") && text.contains("set transactions 1000\n"), "{title}");
    }

    #[test]
    fn a_goal_is_met_from_its_ratio_on() {
        let goal = Goal::new(Some(10.0), Some(2.0), Some(5.0));
        assert_eq!((goal.ratio, goal.met), (Some(5.0), Some(true)));
        assert_eq!(Goal::new(Some(9.9), Some(2.0), Some(5.0)).met, Some(false));
        assert_eq!(Goal::new(None, Some(2.0), Some(5.0)).met, None);
        assert_eq!(Goal::new(Some(1.0), Some(0.0), Some(5.0)).ratio, None);
        assert_eq!(Goal::new(Some(10.0), Some(2.0), None).met, None);
    }
}
