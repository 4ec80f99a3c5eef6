//! [`Facts`]: the data as the text and the figures ask for them.
//!
//! The data have a document for each part, each of a form of its own; text and figures ask
//! for a part, a row or a series in it, and a side. All statistics are made here, of the
//! samples, so that text and figures cannot disagree.

use std::collections::BTreeMap;

use anchorite_launcher::compare::{Samples, Spread, Way, series};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::data::{Data, Section};
use crate::figures::Figure;

/// Where samples lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stat {
    /// The least.
    pub least: f64,
    /// The lower quartile.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub q3: f64,
    /// The most.
    pub most: f64,
    /// How many there are.
    pub count: usize,
}

impl Stat {
    /// Of these samples; nothing of none.
    pub fn of(samples: &[f64]) -> Option<Stat> {
        let spread = Spread::of(samples)?;
        Some(Stat {
            least: spread.least,
            q1: spread.first_quartile,
            median: spread.median,
            q3: spread.third_quartile,
            most: spread.most,
            count: spread.samples,
        })
    }

    /// Of a value that was not measured, but reckoned.
    fn exactly(value: f64) -> Stat {
        Stat { least: value, q1: value, median: value, q3: value, most: value, count: 1 }
    }
}

/// One thing, on each side that it was measured on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// What its values are in.
    pub unit: String,
    /// By side: `ramdisk`, `forwarded`, `native`, `ext4`, `debian`, `bare`; `value` where there is one only.
    pub sides: BTreeMap<String, Stat>,
    /// What is to be reached.
    pub goal: Option<f64>,
    /// `times_native`, `at_most` or `at_least` that.
    pub goal_is: Option<String>,
    /// Whether it is.
    pub met: Option<bool>,
    /// The most that can be reached on this machine.
    pub limit: Option<f64>,
}

/// A value at a size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// The size.
    pub x: f64,
    /// The value.
    pub y: Stat,
}

/// In the order in which they were told, and a map in JSON.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named(Vec::new())
    }
}

impl<T> Named<T> {
    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, found)| found)
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A part of what was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Part {
    /// The command line by which a user gets the same.
    pub command: String,
    /// Why there is nothing of it.
    pub absent: Option<String>,
    /// Single things.
    pub rows: Named<Row>,
    /// Things at several sizes, by side.
    pub series: Named<BTreeMap<String, Vec<Point>>>,
    /// What is in neither form.
    pub more: Value,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// The machine, the versions, the commit and the date.
    machine: Value,
    /// Whether no figure is to be taken from it.
    quick: bool,
    /// The command line that all this came of.
    command: String,
    /// How long it took, in seconds.
    seconds: f64,
    /// The parts, by the names that `data.rs` has for them.
    pub parts: BTreeMap<&'static str, Part>,
}

impl Facts {
    /// Of these data.
    pub fn of(data: &Data) -> Facts {
        let machine = json!({
            "cpu": data.machine.cpu,
            "cores": data.machine.cores,
            "kernel": data.machine.kernel,
            "memory_bytes": data.memory_bytes,
            "kvm": data.machine.kvm,
            "uhyve": data.machine.uhyve,
            "qemu": data.qemu,
            "anchorite": data.machine.anchorite,
            "commit": data.machine.commit,
            "date": data.machine.date,
            "native_dir": data.machine.native_dir,
            "native_file_system": data.machine.native_file_system,
        });
        let parts = BTreeMap::from([
            (
                "microbench",
                part(&data.microbench, |document, part| {
                    part.rows.0 = document
                        .rows
                        .iter()
                        .map(|row| {
                            (
                                row.name.clone(),
                                Row {
                                    unit: row.unit.clone(),
                                    sides: sides(&row.samples),
                                    goal: row.goal,
                                    goal_is: row.goal_is.clone(),
                                    met: row.met,
                                    limit: row.limit,
                                },
                            )
                        })
                        .collect();
                    part.more = json!({
                        "runs": document.runs,
                        "asked": document.asked,
                        "hourglass": document.hourglass,
                    });
                }),
            ),
            (
                "parts",
                part(&data.parts, |document, part| {
                    part.rows.0 = document
                        .parts
                        .iter()
                        .map(|one| {
                            let sides = [("ramdisk", one.ramdisk), ("native", one.native)];
                            let sides = sides.into_iter().filter_map(|(side, value)| {
                                Some((side.to_owned(), Stat::exactly(value?)))
                            });
                            (
                                format!("{}: {}", one.subject, one.name),
                                Row {
                                    unit: "ns".to_owned(),
                                    sides: sides.collect(),
                                    ..Row::default()
                                },
                            )
                        })
                        .collect();
                    part.more = json!({ "parts": document.parts, "runs": document.runs });
                }),
            ),
            (
                "sizes",
                part(&data.sizes, |document, part| {
                    part.series.0 = document
                        .series
                        .iter()
                        .map(|series| (series.name.clone(), points(&series.points)))
                        .collect();
                    part.more = json!({ "runs": document.runs });
                }),
            ),
            (
                "postmark",
                part(&data.postmark, |document, part| {
                    part.rows.0 = document
                        .configurations
                        .iter()
                        .map(|one| (one.title.clone(), seconds(&one.ways)))
                        .collect();
                    part.more = postmark_more(document);
                }),
            ),
            (
                "postmark_files",
                part(&data.postmark_files, |document, part| {
                    let mut by_side: BTreeMap<String, Vec<Point>> = BTreeMap::new();
                    for one in &document.configurations {
                        let Some(files) = one.files else { continue };
                        for (side, y) in seconds(&one.ways).sides {
                            by_side.entry(side).or_default().push(Point { x: f64::from(files), y });
                        }
                    }
                    part.series.0 = vec![("seconds".to_owned(), by_side)];
                    part.more = postmark_more(document);
                }),
            ),
            (
                "growth",
                part(&data.growth, |document, part| {
                    part.series.0 = document
                        .series
                        .iter()
                        .map(|series| (series.name.clone(), points(&series.points)))
                        .collect();
                    let growths = document
                        .series
                        .iter()
                        .map(|series| (series.name.clone(), json!(series.growth)));
                    part.more = json!({
                        "runs": document.runs,
                        "growth": Value::Object(growths.collect()),
                    });
                }),
            ),
            (
                "boot",
                part(&data.boot, |document, part| {
                    part.rows.0 = document.rows.iter().map(single).collect();
                    part.more = json!({ "runs": document.runs, "images": document.images });
                }),
            ),
            (
                "preload",
                part(&data.preload, |document, part| {
                    part.rows.0 = document.rows.iter().map(single).collect();
                    let beside = document.beside.iter().map(|one| {
                        let sides = [
                            ("preload", &one.preload),
                            ("placing", &one.placing),
                            ("forwarded", &one.forwarded),
                            ("native", &one.native),
                            ("tar", &one.tar),
                        ];
                        let sides: BTreeMap<&str, Stat> = sides
                            .into_iter()
                            .filter_map(|(side, samples)| Some((side, Stat::of(samples)?)))
                            .collect();
                        json!({ "files": one.files, "bytes": one.bytes, "sides": sides })
                    });
                    part.more =
                        json!({ "runs": document.runs, "beside": beside.collect::<Vec<_>>() });
                }),
            ),
            (
                "conformance",
                part(&data.conformance, |document, part| {
                    part.more = json!(document);
                }),
            ),
        ]);
        Facts {
            machine,
            quick: data.quick,
            command: data.command.clone(),
            seconds: data.seconds,
            parts,
        }
    }

    /// A part.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.get(name)
    }

    /// As the text gets them: JSON, with the names of the figures that there are.
    pub(crate) fn text(&self, figures: &[Figure]) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Told<'a> {
            #[serde(flatten)]
            facts: &'a Facts,
            figures: Vec<&'a str>,
        }
        let figures = figures.iter().map(|figure| figure.name).collect();
        serde_json::to_vec(&Told { facts: self, figures })
    }
}

/// A part, or why there is none of it.
fn part<T>(section: &Section<T>, fill: impl FnOnce(&T, &mut Part)) -> Part {
    let mut part = Part { command: section.command.clone(), ..Part::default() };
    match section.get() {
        Ok(document) => fill(document, &mut part),
        Err(why) => part.absent = Some(why.trim_end_matches('.').to_owned()),
    }
    part
}

fn name(way: Way) -> &'static str {
    match way {
        Way::Ramdisk => "ramdisk",
        Way::Forwarded => "forwarded",
        Way::Native => "native",
        Way::Ext4 => "ext4",
        Way::Debian => "debian",
        Way::Bare => "bare",
    }
}

fn sides(samples: &Samples) -> BTreeMap<String, Stat> {
    samples
        .iter()
        .filter_map(|(way, samples)| Some((name(*way).to_owned(), Stat::of(samples)?)))
        .collect()
}

/// Points of a series, by side.
fn points(points: &[series::Point]) -> BTreeMap<String, Vec<Point>> {
    let mut by_side: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for point in points {
        for (side, y) in sides(&point.samples) {
            by_side.entry(side).or_default().push(Point { x: point.size as f64, y });
        }
    }
    by_side
}

/// What is measured in one way only.
fn single(row: &anchorite_launcher::compare::Row) -> (String, Row) {
    let sides = Stat::of(&row.samples).map(|stat| ("value".to_owned(), stat));
    (
        row.name.clone(),
        Row {
            unit: row.unit.clone(),
            sides: sides.into_iter().collect(),
            goal: row.goal,
            goal_is: row.goal_is.clone(),
            met: row.met,
            limit: None,
        },
    )
}

fn seconds(ways: &[anchorite_launcher::compare::postmark::WayResults]) -> Row {
    let sides = ways
        .iter()
        .filter_map(|results| Some((name(results.way).to_owned(), Stat::of(&results.seconds)?)));
    Row { unit: "s".to_owned(), sides: sides.collect(), ..Row::default() }
}

fn postmark_more(document: &anchorite_launcher::compare::postmark::Document) -> Value {
    let absent = document.absent.iter().map(|(way, why)| (name(*way).to_owned(), json!(why)));
    // The same for every way, or there would be no document.
    let counts = document
        .configurations
        .iter()
        .filter_map(|one| Some((one.title.clone(), json!(one.ways.first()?.counts.as_ref()?))));
    json!({
        "runs": document.runs,
        "ext4_dir": document.ext4_dir,
        "goals": document.goals,
        "absent": Value::Object(absent.collect()),
        "counts": Value::Object(counts.collect()),
    })
}
