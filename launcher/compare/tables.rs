//! What all tables of measurements share: how they are drawn, how numbers are written,
//! what is said below about goals and the machine.

use std::fmt::Write as _;

use comfy_table::Table;
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};

use super::statistics::Spread;
use crate::machine::Machine;

/// How a table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal.
    Text,
    /// For a document.
    Markdown,
}

impl Style {
    /// An empty table.
    pub fn table(self) -> Table {
        let mut table = Table::new();
        table.load_style(match self {
            Style::Text => UTF8_FULL_CONDENSED,
            Style::Markdown => ASCII_MARKDOWN,
        });
        table
    }

    /// Sentences below a table: a line each in a terminal, an item of a list in a
    /// document. Empty ones are left out.
    pub fn paragraph(self, sentences: &[String]) -> String {
        let mut text = String::new();
        for sentence in sentences.iter().filter(|sentence| !sentence.is_empty()) {
            let _ = match self {
                Style::Text => writeln!(text, "{sentence}"),
                Style::Markdown => writeln!(text, "- {sentence}"),
            };
        }
        text
    }
}

/// How many goals are met, and which are missed, of rows with their names; nothing if
/// none is known.
pub fn goals<'a>(rows: impl Iterator<Item = (&'a str, Option<bool>)>) -> String {
    let known: Vec<_> = rows.filter_map(|(name, met)| Some((name, met?))).collect();
    let missed: Vec<_> = known.iter().filter(|(_, met)| !met).map(|(name, _)| *name).collect();
    match (known.len(), missed.len()) {
        (0, _) => String::new(),
        (all, 0) => format!("Goals: all {all} met."),
        (all, count) => {
            format!("Goals: {} of {all} met; missed: {}.", all - count, missed.join("; "))
        }
    }
}

/// A goal, by its number and what that is.
pub fn goal(number: Option<f64>, is: Option<&str>) -> String {
    match (number, is) {
        (Some(most), Some("at_most")) => format!("≤ {most}"),
        (Some(least), Some("at_least")) => format!("≥ {least}"),
        (Some(times), _) => format!("{times}x"),
        (None, _) => String::new(),
    }
}

/// Whether a goal is met.
pub fn met(met: Option<bool>) -> &'static str {
    met.map_or("", |met| if met { "yes" } else { "no" })
}

/// A median, and its quartiles if there are more samples than one.
pub fn measured(spread: &Spread) -> String {
    let (low, high) = (spread.first_quartile, spread.third_quartile);
    match spread.samples {
        1 => number(spread.median),
        _ => format!("{} ({}–{})", number(spread.median), number(low), number(high)),
    }
}

/// Sentences about the machine.
pub fn notes(machine: &Machine) -> Vec<String> {
    let mut notes = vec![format!(
        "Machine: {}, {} cores, {}; {}.",
        machine.cpu, machine.cores, machine.kernel, machine.date
    )];
    match &machine.kvm {
        Some(kvm) if kvm.kind == "page-table" => notes.push(format!(
            "KVM: page-table virtualised (nested): one hypercall costs {} cycles, {:.1} µs here; \
             on hardware KVM it is one or two µs, and forwarding that much faster.",
            thousands(kvm.hypercall_cycles),
            kvm.hypercall_ns as f64 / 1000.0
        )),
        Some(_) if machine.is_emulated() => notes.push(
            "KVM: none: QEMU emulated the guest (isle qemu), so its figures are not \
             comparable with native ones, nor with those of a guest on KVM, and no goal is \
             judged by them."
                .to_owned(),
        ),
        Some(kvm) => notes.push(format!(
            "KVM: {}: one hypercall costs {} cycles, {:.1} µs here.",
            kvm.kind,
            thousands(kvm.hypercall_cycles),
            kvm.hypercall_ns as f64 / 1000.0
        )),
        None => notes.push(
            "KVM: none: the ramdisk ran in a process of this host (isle hosted), so its \
                 figures are not a guest's."
                .to_owned(),
        ),
    }
    notes.push(format!(
        "Native and forwarded files: {} on {}. anchorite {}{}, uhyve {}.",
        machine.native_dir,
        machine.native_file_system,
        machine.anchorite,
        machine.commit.as_ref().map_or_else(String::new, |commit| format!(" ({commit})")),
        machine.uhyve
    ));
    notes
}

/// Where there is no value.
pub fn dash() -> String {
    "-".to_owned()
}

/// A value in three digits or so.
pub fn number(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ if value < 0.0 => format!("{value:.0}"),
        _ => thousands(value.round() as u64),
    }
}

/// A whole number with a comma at every thousand.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn numbers_have_three_digits_or_so() {
        for (value, text) in [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (123.4, "123"),
            (12345.6, "12,346"),
            (-250.4, "-250"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn goals_are_told_apart() {
        let rows = [("a", Some(true)), ("b", None), ("c", Some(false)), ("d", Some(true))];
        assert_eq!(goals(rows.into_iter()), "Goals: 2 of 3 met; missed: c.");
        assert_eq!(goals(rows[..2].iter().copied()), "Goals: all 1 met.");
        assert_eq!(goals(rows[1..2].iter().copied()), "");
    }
}
