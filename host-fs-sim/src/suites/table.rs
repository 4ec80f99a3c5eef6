//! The results as a table, and what failed or was skipped where.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::{Failure, Kind, Outcome, Suite};

/// A suite, and what it found on each of [`Kind::ALL`].
pub struct Row {
    /// The suite.
    pub suite: Suite,
    /// In the order of [`Kind::ALL`].
    pub outcomes: [Outcome; 4],
}

impl Row {
    /// Whether the ramdisk fails nowhere but where a comparison fails too.
    pub fn is_good(&self) -> bool {
        let (compared, ours): (Vec<_>, Vec<_>) =
            Kind::ALL.into_iter().zip(&self.outcomes).partition(|(kind, _)| kind.is_comparison());
        let compared: Vec<_> = compared.into_iter().map(|(_, outcome)| outcome).collect();
        ours.into_iter().all(|(_, outcome)| outcome.is_excused_by(&compared))
    }
}

/// Everything, with a line feed at its end.
pub fn render(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let names = Kind::ALL.map(Kind::name);
    table.set_header(["passed / failed / skipped, time"].into_iter().chain(names));
    for row in rows {
        let cells = row.outcomes.each_ref().map(cell);
        table.add_row([row.suite.name().to_owned()].into_iter().chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    for row in rows {
        add_failures(&mut text, row);
        add_skipped(&mut text, row);
    }
    text
}

/// Everything, as JSON on one line: a list of suites, each with what it found on each file system.
pub fn json(rows: &[Row]) -> Value {
    let outcome = |(kind, outcome): (Kind, &Outcome)| {
        let Outcome { passed, skipped, failures, seconds } = outcome;
        let name = |failure: &Failure| match &failure.case {
            Some(case) => case.clone(),
            None => failure.story.clone(),
        };
        let failed: Vec<String> = failures.iter().map(name).collect();
        json!({
            "ground": kind.name(), "is_comparison": kind.is_comparison(), "passed": passed,
            "failed": failed, "skipped": skipped, "seconds": seconds,
        })
    };
    let suite = |row: &Row| {
        let outcomes = Kind::ALL.into_iter().zip(&row.outcomes).map(outcome);
        json!({"suite": row.suite.name(), "outcomes": outcomes.collect::<Vec<_>>()})
    };
    rows.iter().map(suite).collect()
}

/// The numbers of one outcome, as the table has them.
pub fn cell(outcome: &Outcome) -> String {
    let Outcome { passed, skipped, failures, seconds } = outcome;
    format!("{passed} / {} / {}, {seconds:.0} s", failures.len(), skipped.len())
}

/// Each failure once, with every place where it fails, and the story of the first.
fn add_failures(text: &mut String, row: &Row) {
    let mut stories: Vec<(Option<&str>, Vec<&str>, &str)> = Vec::new();
    for (kind, outcome) in Kind::ALL.into_iter().zip(&row.outcomes) {
        for failure in &outcome.failures {
            let case = failure.case.as_deref();
            let known = stories.iter_mut().find(|known| case.is_some() && known.0 == case);
            match known {
                Some((_, places, _)) => places.push(kind.name()),
                None => stories.push((case, vec![kind.name()], &failure.story)),
            }
        }
    }
    for (case, places, story) in stories {
        let (suite, case, places) =
            (row.suite.name(), case.unwrap_or("the run itself"), places.join("; "));
        *text += &format!("{suite}, {case} fails on: {places}\n");
        if !story.is_empty() {
            *text += &format!("    {story}\n");
        }
    }
}

/// Skipped cases; those that are the same cases everywhere are not worth their names.
fn add_skipped(text: &mut String, row: &Row) {
    let mut cases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, outcome) in Kind::ALL.into_iter().zip(&row.outcomes) {
        for case in &outcome.skipped {
            cases.entry(case).or_default().push(kind.name());
        }
    }
    let mut by_places: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for (case, places) in cases {
        by_places.entry(places).or_default().push(case);
    }
    for (places, cases) in by_places {
        let everywhere = places.len() == Kind::ALL.len();
        let places = if everywhere { "everything".into() } else { places.join("; ") };
        *text += &format!("{} skips on {places}: {}\n", row.suite.name(), cases.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: &[Failure], through: &[Failure], tmpfs: &[Failure]) -> Row {
        let outcome = |failures: &[Failure]| Outcome {
            passed: 7,
            skipped: vec!["s".into()],
            failures: failures.to_vec(),
            seconds: 2.4,
        };
        let outcomes = [outcome(ours), outcome(&[]), outcome(through), outcome(tmpfs)];
        Row { suite: Suite::Fio, outcomes }
    }

    #[test]
    fn a_failure_is_told_once_with_all_its_places() {
        let failure = [Failure::of("case", "story")];
        let row = row(&failure, &[], &failure);
        let text = render(std::slice::from_ref(&row));
        assert!(text.contains("7 / 1 / 1, 2 s"), "{text}");
        assert!(text.contains("fio, case fails on: ramdisk; tmpfs\n    story\n"), "{text}");
        assert!(text.contains("fio skips on everything: s\n"), "{text}");
        assert!(row.is_good());
        let json = json(&[row]);
        assert_eq!(json[0]["suite"], "fio");
        assert_eq!(json[0]["outcomes"][0]["failed"][0], "case");
        assert_eq!(json[0]["outcomes"][0]["passed"], 7);
        assert_eq!(json[0]["outcomes"][3]["ground"], "tmpfs");
        assert_eq!(json[0]["outcomes"][3]["is_comparison"], true);
    }

    #[test]
    fn failures_of_the_comparison_alone_are_good_and_of_the_ramdisk_alone_are_not() {
        let failure = [Failure::of("case", "")];
        assert!(row(&[], &failure, &failure).is_good());
        assert!(row(&failure, &failure, &[]).is_good());
        assert!(!row(&failure, &[], &[]).is_good());
    }
}
