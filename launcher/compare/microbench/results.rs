//! What `microbench` told, each way, put side by side.

use std::collections::BTreeMap;

use anchorite_programs::microbench::rows::HOURGLASS;
use anchorite_programs::microbench::{ROWS, Row};
use serde::{Deserialize, Serialize};

use super::goals::{Goal, IN_CYCLES, LIMITS, RECKONED, goal, ratio};
use crate::compare::session::{Samples, Way};
use crate::compare::statistics::{Spread, median};
use crate::failure::{Failure, Result};

/// A line of what the program prints.
#[derive(Clone, Debug, Default, Deserialize)]
struct Line {
    /// A row's name.
    name: Option<String>,
    /// Its samples, in the row's unit.
    #[serde(default)]
    samples: Vec<f64>,
    /// The same in cycles.
    #[serde(default)]
    cycles: Vec<f64>,
    /// Why there are none.
    absent: Option<String>,
    /// The hourglass' histogram: the highest bit of a gap's cycles, how many gaps.
    #[serde(default)]
    gaps: Vec<(u32, u64)>,
    /// The last line: how many rows there were.
    done: Option<usize>,
}

/// A row's samples, one way, of all runs.
#[derive(Clone, Debug, Default)]
struct Both {
    values: Vec<f64>,
    cycles: Vec<f64>,
}

/// The histogram of gaps: how many, by the highest bit of their cycles.
pub type Histogram = BTreeMap<u32, u64>;

/// All that was told so far.
#[derive(Clone, Debug, Default)]
pub struct Told {
    samples: BTreeMap<(Way, String), Both>,
    /// Each way's gaps.
    pub hourglass: BTreeMap<Way, Histogram>,
}

impl Told {
    /// Takes in what one run printed, which was asked for `rows`.
    ///
    /// # Errors
    /// It is not what a run prints, or rows are missing.
    pub fn push(&mut self, way: Way, rows: &[Row], output: &str) -> Result<()> {
        let broken = |what: String| {
            Err(Failure::isle(format!(
                "microbench ({}) printed {what}: run it again, alone, to see why",
                way.title()
            )))
        };
        let mut told = Vec::new();
        let mut done = None;
        for text in output.lines() {
            let Ok(line) = serde_json::from_str::<Line>(text) else {
                return broken(format!("`{text}`, which is no result"));
            };
            done = done.or(line.done);
            match line.name {
                Some(name) if name == HOURGLASS => {
                    let histogram = self.hourglass.entry(way).or_default();
                    for (bits, count) in line.gaps {
                        *histogram.entry(bits).or_default() += count;
                    }
                }
                Some(name) => {
                    if line.samples.is_empty() && line.absent.is_none() {
                        return broken(format!("no samples of `{name}`"));
                    }
                    let samples = self.samples.entry((way, name.clone())).or_default();
                    samples.values.extend(line.samples);
                    samples.cycles.extend(line.cycles);
                    told.push(name);
                }
                None => {}
            }
        }
        let missing = rows.iter().find(|row| !told.iter().any(|name| name == row.name));
        match missing {
            Some(row) => broken(format!("nothing of `{}`", row.name)),
            None if done != Some(told.len()) => broken("only a part of its results".to_owned()),
            None => Ok(()),
        }
    }

    /// The table's rows: those of `names`, in order, and those that are reckoned of them.
    pub fn rows(&self, names: &[&str]) -> Vec<Compared> {
        let mut rows = Vec::new();
        for row in ROWS.iter().filter(|row| names.contains(&row.name)) {
            let values = |way| self.samples(way, row.name).values;
            let limit = self.limit(row.name);
            rows.push(Compared { limit, ..Compared::new(row.name, row.unit, values) });
            for reckoned in RECKONED {
                // Below the later of the two that it is reckoned of.
                let parts = [reckoned.dividend, reckoned.divisor];
                let later = ROWS.iter().rev().find(|row| parts.contains(&row.name));
                let is_told = parts.iter().all(|part| names.contains(part));
                if later == Some(row) && is_told {
                    let values = |way| self.reckon(way, reckoned.dividend, reckoned.divisor);
                    let limit = self.limit(reckoned.name);
                    rows.push(Compared { limit, ..Compared::new(reckoned.name, "times", values) });
                }
            }
        }
        for name in IN_CYCLES.into_iter().filter(|name| names.contains(name)) {
            rows.push(Compared::new(name, "cycles", |way| self.samples(way, name).cycles));
        }
        rows
    }

    /// A row's samples, each way.
    pub fn all(&self, name: &str) -> Samples {
        let of_name = self.samples.iter().filter(|((_, known), _)| known == name);
        of_name.map(|((way, _), both)| (*way, both.values.clone())).collect()
    }

    fn samples(&self, way: Way, name: &str) -> Both {
        self.samples.get(&(way, name.to_owned())).cloned().unwrap_or_default()
    }

    /// The most that a row can reach on the ramdisk here, where that is known.
    fn limit(&self, name: &str) -> Option<f64> {
        let limit = LIMITS.iter().find(|limit| limit.name == name)?;
        let median = |way, row: &str| {
            let values = self.samples(way, row).values;
            if values.is_empty() { None } else { Some(median(&values)) }
        };
        limit.times(median(Way::Native, name), |row| median(Way::Ramdisk, row))
    }

    /// Each sample of a row over the median of another.
    fn reckon(&self, way: Way, dividend: &str, divisor: &str) -> Vec<f64> {
        let divisor = median(&self.samples(way, divisor).values);
        if divisor <= 0.0 {
            return Vec::new();
        }
        let values = self.samples(way, dividend).values;
        values.iter().map(|value| value / divisor).collect()
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// What its values are in: `ns`, `cycles`, `bytes`, or `times` another row.
    pub unit: String,
    /// The median on the ramdisk; nothing where it cannot be measured.
    pub ramdisk: Option<f64>,
    /// The median of forwarded calls.
    pub forwarded: Option<f64>,
    /// The median of Linux' own.
    pub native: Option<f64>,
    /// How many times less the ramdisk takes than Linux; nothing where more is better.
    pub ratio: Option<f64>,
    /// What is to be reached, if anything is …
    pub goal: Option<f64>,
    /// … and whether that is a ratio, `times_native`, or a value, `at_most` or `at_least`.
    pub goal_is: Option<String>,
    /// Whether it is.
    pub met: Option<bool>,
    /// The most that can be reached on this machine, by what it takes for what cannot be done
    /// without; nothing where that is not known.
    pub limit: Option<f64>,
    /// Where the samples lie, each way.
    pub spread: BTreeMap<Way, Spread>,
    /// The samples, each way, in the row's unit and in the order in which they were taken.
    pub samples: Samples,
}

impl Compared {
    /// Whether the goal is missed, and above what can be reached here.
    pub fn is_out_of_reach(&self) -> bool {
        let is_above = self.goal.zip(self.limit).is_some_and(|(goal, limit)| goal > limit);
        is_above && self.met == Some(false)
    }

    fn new(name: &str, unit: &str, samples: impl Fn(Way) -> Vec<f64>) -> Self {
        let samples: Samples = [Way::Ramdisk, Way::Forwarded, Way::Native]
            .into_iter()
            .map(|way| (way, samples(way)))
            .filter(|(_, samples)| !samples.is_empty())
            .collect();
        let spread: BTreeMap<Way, Spread> = samples
            .iter()
            .filter_map(|(way, samples)| Some((*way, Spread::of(samples)?)))
            .collect();
        let median = |way| spread.get(&way).map(|spread| spread.median);
        let (ramdisk, native) = (median(Way::Ramdisk), median(Way::Native));
        // HermitCore's rows are told a second time, in cycles; their goal is told once.
        let is_again = unit == "cycles" && IN_CYCLES.contains(&name);
        let goal = if is_again { None } else { goal(name) };
        Compared {
            name: if is_again { format!("{name}, in cycles") } else { name.to_owned() },
            unit: unit.to_owned(),
            ramdisk,
            forwarded: median(Way::Forwarded),
            native,
            ratio: match goal {
                // More is better: that Linux has times less of it tells nothing.
                Some(Goal::AtLeast(_)) => None,
                _ => ratio(ramdisk, native),
            },
            goal: goal.map(|goal| goal.parts().0),
            goal_is: goal.map(|goal| goal.parts().1.to_owned()),
            met: goal.and_then(|goal| goal.is_met(ramdisk, native)),
            limit: None,
            spread,
            samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> Vec<Row> {
        ROWS.iter().copied().filter(|row| names.contains(&row.name)).collect()
    }

    fn told(lines: &[(Way, &str)]) -> Told {
        let mut told = Told::default();
        for (way, line) in lines {
            told.push(*way, &[], &format!("{line}\n{{\"done\":1}}\n")).unwrap();
        }
        told
    }

    #[test]
    fn samples_of_all_runs_are_put_together() {
        let told = told(&[
            (Way::Native, r#"{"name":"getpid","unit":"ns","samples":[90,100],"cycles":[9,10]}"#),
            (Way::Native, r#"{"name":"getpid","unit":"ns","samples":[95],"cycles":[9]}"#),
            (Way::Ramdisk, r#"{"name":"getpid","unit":"ns","samples":[2,2.5,3],"cycles":[5]}"#),
        ]);
        let rows = told.rows(&["getpid"]);
        let [row, cycles] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.ramdisk, row.forwarded, row.native), (Some(2.5), None, Some(95.0)));
        assert_eq!(
            (row.ratio, row.goal, row.goal_is.as_deref()),
            (Some(38.0), Some(30.0), Some("times_native"))
        );
        assert_eq!(row.met, Some(true));
        assert_eq!(row.spread[&Way::Native].samples, 3);
        assert_eq!(row.samples[&Way::Native], [90.0, 100.0, 95.0]);
        assert_eq!((cycles.name.as_str(), cycles.unit.as_str()), ("getpid, in cycles", "cycles"));
        assert_eq!((cycles.native, cycles.goal, cycles.met), (Some(9.0), None, None));
    }

    #[test]
    fn rows_are_reckoned_of_others() {
        let told = told(&[
            (Way::Ramdisk, r#"{"name":"memcpy 64 KiB","samples":[400,500,600]}"#),
            (Way::Ramdisk, r#"{"name":"pread 64 KiB","samples":[1000,800]}"#),
        ]);
        let rows = told.rows(&["memcpy 64 KiB", "pread 64 KiB"]);
        let reckoned = rows.iter().find(|row| row.name == "pread 64 KiB to memcpy").unwrap();
        assert_eq!((reckoned.unit.as_str(), reckoned.ramdisk), ("times", Some(1.8)));
        assert_eq!((reckoned.native, reckoned.met), (None, Some(false)));
        assert!(told.rows(&["pread 64 KiB"]).iter().all(|row| row.unit == "ns"));
    }

    #[test]
    fn what_can_be_reached_is_told_beside_the_goal() {
        let reckoned = |samples: &[(&str, f64)]| {
            let lines: Vec<_> = samples
                .iter()
                .map(|(name, ns)| format!("{{\"name\":\"{name}\",\"samples\":[{ns}]}}"))
                .collect();
            let lines: Vec<_> = lines.iter().map(|line| (Way::Ramdisk, line.as_str())).collect();
            let rows = told(&lines).rows(&ROWS.iter().map(|row| row.name).collect::<Vec<_>>());
            let name = "create, one directory, two cores to one";
            rows.into_iter().find(|row| row.name == name).unwrap()
        };
        let one = ("create, one directory, one core", 200.0);
        let all = ("create, one directory, all cores", 200.0);
        let atomic = ("atomic, line of one core", 5.0);
        let row = reckoned(&[one, all, atomic]);
        assert_eq!((row.met, row.limit, row.is_out_of_reach()), (Some(false), None, false));
        let row = reckoned(&[one, all, atomic, ("atomic, line of another core", 195.0)]);
        assert_eq!((row.met, row.limit, row.is_out_of_reach()), (Some(false), Some(1.0), true));
        let row = reckoned(&[one, all, atomic, ("atomic, line of another core", 45.0)]);
        assert_eq!((row.met, row.limit, row.is_out_of_reach()), (Some(false), Some(1.6), false));
    }

    #[test]
    fn a_call_that_is_not_there_is_no_value() {
        let told = told(&[(
            Way::Forwarded,
            r#"{"name":"two renames","absent":"Function not implemented"}"#,
        )]);
        let rows = told.rows(&["two renames"]);
        assert_eq!((rows[0].forwarded, rows[0].met), (None, None));
        assert!(rows[0].spread.is_empty());
    }

    #[test]
    fn gaps_add_up() {
        let line = r#"{"name":"hourglass","gaps":[[5,10],[12,1]]}"#;
        let mut told = Told::default();
        for _ in 0..2 {
            told.push(Way::Native, &[], &format!("{line}\n{{\"done\":0}}")).unwrap();
        }
        assert_eq!(told.hourglass[&Way::Native], Histogram::from([(5, 20), (12, 2)]));
    }

    #[test]
    fn what_is_not_all_is_refused() {
        for output in [
            "",
            "Segmentation fault\n",
            r#"{"name":"getpid","samples":[1]}"#,
            "{\"name\":\"getpid\",\"samples\":[1]}\n{\"done\":2}",
            "{\"name\":\"getpid\",\"samples\":[]}\n{\"done\":1}",
            "{\"done\":0}",
        ] {
            let result = Told::default().push(Way::Native, &rows(&["getpid"]), output);
            assert_eq!(result.map_err(|failure| failure.status), Err(125), "{output}");
        }
    }
}
