//! The figures: each drawn of the facts by one of the forms in [`chart`].

mod chart;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::{Facts, Part, Point, Row, Stat};
use chart::{Axis, Panel, Scale, Series, Side, Unit};

/// A figure.
pub struct Figure {
    /// Its name in the text.
    pub name: &'static str,
    /// What it is.
    pub svg: String,
}

/// A figure's name, the part that it is of, and how it is drawn: nothing where the part has
/// not what it takes.
type Drawing = (&'static str, &'static str, fn(&Part) -> Option<Result<String, String>>);

/// All of them, in the order of the text.
const DRAWINGS: [Drawing; 11] = [
    ("calls", "microbench", calls),
    ("hourglass", "microbench", hourglass),
    ("sizes", "sizes", sizes),
    ("postmark", "postmark", postmark),
    ("postmark-files", "postmark_files", postmark_files),
    ("growth", "growth", growth),
    ("memory", "microbench", memory),
    ("cores", "microbench", cores),
    ("boot", "boot", boot),
    ("preload", "preload", preload),
    ("parts", "parts", parts),
];

/// The figures' names, and the part of the data that each is of.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    DRAWINGS.iter().map(|(name, part, _)| (*name, *part))
}

/// The figures that these facts have enough for.
///
/// # Errors
/// One cannot be drawn.
pub fn all(facts: &Facts) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for (name, part, draw) in DRAWINGS {
        let Some(drawn) = facts.part(part).and_then(draw) else { continue };
        let svg = drawn.map_err(|error| format!("figure {name}: {error}"))?;
        figures.push(Figure { name, svg });
    }
    Ok(figures)
}

const RAMDISK: (&str, &str, Side) = ("ramdisk", "ramdisk", Side::Ramdisk);
const NATIVE: (&str, &str, Side) = ("native", "Linux, tmpfs", Side::Native);
const FORWARDED: (&str, &str, Side) = ("forwarded", "forwarded", Side::Forwarded);
const EXT4: (&str, &str, Side) = ("ext4", "Linux, ext4", Side::Ext4);
const DEBIAN: (&str, &str, Side) = ("debian", "Debian’s program, tmpfs", Side::Other);

/// Bars or marks for `sides`, of those that any of the rows has.
fn columns<'a>(
    rows: &[&Row],
    sides: &[(&str, &'a str, Side)],
) -> Vec<(&'a str, Side, Vec<Option<Stat>>)> {
    sides
        .iter()
        .map(|(key, label, side)| {
            (*label, *side, rows.iter().map(|row| row.sides.get(*key).copied()).collect())
        })
        .filter(|(_, _, stats): &(_, _, Vec<Option<Stat>>)| stats.iter().any(Option::is_some))
        .collect()
}

/// Lines of one series.
fn line_of(series: &BTreeMap<String, Vec<Point>>, sides: &[(&str, &str, Side)]) -> Vec<Series> {
    let line = |(key, label, side): &(&str, &str, Side)| {
        let points = series.get(*key)?.iter().map(|point| (point.x, point.y)).collect();
        Some(Series { label: (*label).to_owned(), side: *side, points })
    };
    sides.iter().filter_map(line).collect()
}

/// Each call that takes nanoseconds, in the order in which they were measured.
fn calls(part: &Part) -> Option<Result<String, String>> {
    let wanted = |(name, row): &&(String, Row)| {
        row.unit == "ns"
            && row.sides.contains_key("ramdisk")
            && row.sides.contains_key("native")
            && !name.ends_with("core")
            && !name.ends_with("cores")
            && !name.starts_with("atomic")
    };
    let rows: Vec<&(String, Row)> = part.rows.0.iter().filter(wanted).collect();
    if rows.is_empty() {
        return None;
    }
    let names: Vec<String> = rows.iter().map(|(name, _)| name.clone()).collect();
    let values: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
    let axis = Axis { label: "one operation", unit: Unit::Nanoseconds };
    Some(chart::dots(&axis, &names, &columns(&values, &[RAMDISK, NATIVE, FORWARDED])))
}

/// Gaps in a loop that reads the time-stamp counter.
fn hourglass(part: &Part) -> Option<Result<String, String>> {
    let bins = |side: &str| -> Option<Vec<(f64, f64)>> {
        let bins = part.more.get("hourglass")?.get(side)?.as_object()?;
        let mut found: BTreeMap<u32, f64> = bins
            .iter()
            .filter_map(|(bit, count)| Some((bit.parse().ok()?, count.as_f64()?)))
            .collect();
        // What lies between was seen never.
        let (least, most) = (*found.first_key_value()?.0, *found.last_key_value()?.0);
        for bit in least..=most {
            found.entry(bit).or_default();
        }
        Some(found.into_iter().map(|(bit, count)| (2f64.powi(bit as i32), count)).collect())
    };
    let sides: Vec<_> = [(RAMDISK, "anchorite"), (NATIVE, "Linux")]
        .into_iter()
        .filter_map(|((key, _, side), label)| Some((label, side, bins(key)?)))
        .collect();
    if sides.is_empty() {
        return None;
    }
    Some(chart::histogram("length of a gap, cycles", "gaps", &sides))
}

/// Reading and writing by size.
fn sizes(part: &Part) -> Option<Result<String, String>> {
    let copy = part
        .series
        .get("memcpy")
        .map(|series| line_of(series, &[("ramdisk", "memcpy in the guest", Side::Limit)]));
    let panel = |name: &'static str, title: &'static str| {
        let mut series = line_of(part.series.get(name)?, &[RAMDISK, NATIVE, FORWARDED]);
        series.extend(copy.iter().flatten().map(|copy| Series {
            label: copy.label.clone(),
            side: copy.side,
            points: copy.points.clone(),
        }));
        (!series.is_empty()).then_some(Panel { title, series })
    };
    let panels: Vec<Panel<'_>> =
        [panel("pread", "pread"), panel("pwrite", "pwrite")].into_iter().flatten().collect();
    if panels.is_empty() {
        return None;
    }
    let x = Axis { label: "bytes of a call", unit: Unit::Bytes };
    let y = Axis { label: "one call", unit: Unit::Nanoseconds };
    Some(chart::lines(&x, &y, &panels))
}

/// PostMark, its configurations side by side.
fn postmark(part: &Part) -> Option<Result<String, String>> {
    let rows: Vec<&Row> = part.rows.0.iter().map(|(_, row)| row).collect();
    let names: Vec<String> =
        (0..rows.len()).map(|index| format!("configuration {}", letter(index))).collect();
    let sides = columns(&rows, &[RAMDISK, FORWARDED, NATIVE, EXT4, DEBIAN]);
    if sides.is_empty() {
        return None;
    }
    let y = Axis { label: "whole run", unit: Unit::Seconds };
    Some(chart::bars(&y, Scale::Log, &names, &sides))
}

/// A, B, C, …
fn letter(index: usize) -> char {
    char::from_u32('A' as u32 + index as u32).unwrap_or('?')
}

/// PostMark against the number of files.
fn postmark_files(part: &Part) -> Option<Result<String, String>> {
    let series = line_of(part.series.get("seconds")?, &[RAMDISK, NATIVE, FORWARDED, EXT4, DEBIAN]);
    if series.is_empty() {
        return None;
    }
    let x = Axis { label: "files, and as many transactions", unit: Unit::Count };
    let y = Axis { label: "whole run", unit: Unit::Seconds };
    Some(chart::lines(&x, &y, &[Panel { title: "", series }]))
}

/// Costs against the number of files.
fn growth(part: &Part) -> Option<Result<String, String>> {
    let panel = |title: &'static str| {
        let series = line_of(part.series.get(title)?, &[RAMDISK, NATIVE]);
        (!series.is_empty()).then_some(Panel { title, series })
    };
    let panels: Vec<Panel<'_>> =
        ["create in one directory", "stat in one directory", "unlink in one directory"]
            .into_iter()
            .filter_map(panel)
            .collect();
    if panels.is_empty() {
        return None;
    }
    let x = Axis { label: "files", unit: Unit::Count };
    let y = Axis { label: "one call", unit: Unit::Nanoseconds };
    Some(chart::lines(&x, &y, &panels))
}

/// Memory of a file.
fn memory(part: &Part) -> Option<Result<String, String>> {
    let rows = ["memory of an empty file", "memory of a 100-byte file"];
    let found: Vec<(&str, &Row)> =
        rows.into_iter().filter_map(|name| Some((name, part.rows.get(name)?))).collect();
    let values: Vec<&Row> = found.iter().map(|(_, row)| *row).collect();
    let names: Vec<String> =
        found.iter().map(|(name, _)| name.replacen("memory of ", "", 1)).collect();
    let sides = columns(&values, &[RAMDISK, NATIVE]);
    if sides.is_empty() {
        return None;
    }
    let y = Axis { label: "bytes of memory, each file", unit: Unit::Count };
    Some(chart::bars(&y, Scale::FromZero { reference: None }, &names, &sides))
}

/// What two cores do of what one does.
fn cores(part: &Part) -> Option<Result<String, String>> {
    const SUFFIX: &str = ", two cores to one";
    let rows: Vec<&(String, Row)> =
        part.rows.0.iter().filter(|(name, _)| name.ends_with(SUFFIX)).collect();
    let names: Vec<String> = rows
        .iter()
        .map(|(name, _)| name.trim_end_matches(SUFFIX).replacen(", ", "\n", 1))
        .collect();
    let values: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
    let sides = columns(&values, &[RAMDISK, NATIVE]);
    if sides.is_empty() {
        return None;
    }
    let y = Axis { label: "two cores to one, times", unit: Unit::Count };
    Some(chart::bars(&y, Scale::FromZero { reference: Some(2.0) }, &names, &sides))
}

/// From process start to the first line, on each isle.
fn boot(part: &Part) -> Option<Result<String, String>> {
    const START: &str = "process start to the first line";
    let starts = part.rows.0.iter().filter(|(name, row)| {
        (name.starts_with(START) || name == "the kernel's part") && row.sides.contains_key("value")
    });
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, row) in starts {
        names.push(match name.strip_prefix(START) {
            Some("") => "the default isle".to_owned(),
            Some(isle) => isle.trim_start_matches(", ").to_owned(),
            None => "of it, the kernel’s".to_owned(),
        });
        values.push(row.sides.get("value").copied());
    }
    if values.is_empty() {
        return None;
    }
    let y = Axis { label: "time", unit: Unit::Milliseconds };
    Some(chart::bars(&y, Scale::Log, &names, &[("to the first line", Side::Ramdisk, values)]))
}

/// A preload beside copies of the same files.
fn preload(part: &Part) -> Option<Result<String, String>> {
    let shapes = part.more.get("beside")?.as_array()?;
    let stat = |value: &Value| {
        let number = |key: &str| value.get(key)?.as_f64();
        Some(Stat {
            least: number("least")?,
            q1: number("q1")?,
            median: number("median")?,
            q3: number("q3")?,
            most: number("most")?,
            count: number("count")? as usize,
        })
    };
    let names: Vec<String> = shapes
        .iter()
        .map(|shape| {
            let number = |key: &str| shape.get(key).and_then(Value::as_f64).unwrap_or_default();
            let bytes = number("bytes");
            format!("{} ×\n{}", Unit::Count.tick(number("files")), Unit::Bytes.tick(bytes))
        })
        .collect();
    let sides: Vec<_> = [
        ("preload", "preload", Side::Ramdisk),
        ("native", "copied, Linux tmpfs", Side::Native),
        ("tar", "tar, Linux tmpfs", Side::Other),
        ("forwarded", "copied from forwarded", Side::Forwarded),
    ]
    .into_iter()
    .map(|(key, label, side)| {
        let stats: Vec<Option<Stat>> =
            shapes.iter().map(|shape| stat(shape.get("sides")?.get(key)?)).collect();
        (label, side, stats)
    })
    .filter(|(_, _, stats)| stats.iter().any(Option::is_some))
    .collect();
    if sides.is_empty() {
        return None;
    }
    let y = Axis { label: "all files there", unit: Unit::Milliseconds };
    Some(chart::bars(&y, Scale::Log, &names, &sides))
}

/// Where the nanoseconds go.
fn parts(part: &Part) -> Option<Result<String, String>> {
    let parts = part.more.get("parts")?.as_array()?;
    let mut rows: Vec<(String, Vec<(String, f64)>)> = Vec::new();
    for part in parts {
        let text = |key: &str| part.get(key)?.as_str().map(str::to_owned);
        // A difference below zero is no part of a bar; the table has it.
        let Some(value) = part.get("ramdisk").and_then(Value::as_f64) else { continue };
        let subject = text("subject")?;
        if rows.last().is_none_or(|(last, _)| *last != subject) {
            rows.push((subject, Vec::new()));
        }
        // Numbered, as the table under the figure has them.
        if let Some((_, parts)) = rows.last_mut() {
            parts.push(((parts.len() + 1).to_string(), value.max(0.0)));
        }
    }
    if rows.is_empty() {
        return None;
    }
    Some(chart::parts("nanoseconds", &rows))
}
