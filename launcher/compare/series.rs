//! What `microbench` tells of ever greater sizes: a series of points for each kind of operation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::session::{Samples, Way};
use super::statistics::Spread;
use crate::failure::{Failure, Result};

/// A line of what the program prints.
#[derive(Deserialize)]
struct Line {
    series: Option<String>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    samples: Vec<f64>,
    done: Option<usize>,
}

/// What something costs at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The size, in what the series tells.
    pub size: u64,
    /// The median on the ramdisk, in nanoseconds of one operation.
    pub ramdisk: Option<f64>,
    /// The median of forwarded calls.
    pub forwarded: Option<f64>,
    /// The median of Linux' own.
    pub native: Option<f64>,
    /// The samples, each way, in nanoseconds and in the order in which they were taken.
    pub samples: Samples,
}

/// Samples by series, in the order in which they came; by size; by way.
pub type Told = Vec<(String, BTreeMap<u64, Samples>)>;

/// Takes in what one run printed.
///
/// # Errors
/// It is not what a run prints, or only a part of it.
pub fn push(told: &mut Told, way: Way, output: &str) -> Result<()> {
    let broken = |what: String| {
        let title = way.title();
        Err(Failure::isle(format!("microbench ({title}) printed {what}: run it again, alone")))
    };
    let (mut lines, mut done) = (0, None);
    for text in output.lines() {
        let Ok(line) = serde_json::from_str::<Line>(text) else {
            return broken(format!("`{text}`, which is no result"));
        };
        done = done.or(line.done);
        let Some(name) = line.series else { continue };
        lines += 1;
        let place = told.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            told.push((name, BTreeMap::new()));
            told.len() - 1
        });
        let sizes = &mut told[place].1;
        sizes.entry(line.size).or_default().entry(way).or_default().extend(line.samples);
    }
    if done != Some(lines) || lines == 0 {
        return broken("only a part of its results".to_owned());
    }
    Ok(())
}

/// The points of one series, by size.
pub fn points(sizes: BTreeMap<u64, Samples>) -> Vec<Point> {
    let point = |(size, samples): (u64, Samples)| {
        let median = |way| Some(Spread::of(samples.get(&way)?)?.median);
        Point {
            size,
            ramdisk: median(Way::Ramdisk),
            forwarded: median(Way::Forwarded),
            native: median(Way::Native),
            samples,
        }
    };
    sizes.into_iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_results_is_refused() {
        let line = r#"{"series":"a","size":1,"samples":[1.0]}"#;
        for output in ["", "panic", line, &format!("{line}\n{{\"done\":2}}"), "{\"done\":0}"] {
            assert!(push(&mut Told::new(), Way::Native, output).is_err(), "{output}");
        }
    }

    #[test]
    fn samples_of_all_runs_are_put_together() {
        let mut told = Told::new();
        for (way, size, samples) in [
            (Way::Native, 8, "5.0"),
            (Way::Native, 1, "3.0,4.0"),
            (Way::Ramdisk, 1, "1.0"),
            (Way::Native, 1, "2.0"),
        ] {
            let line = format!(r#"{{"series":"a","size":{size},"samples":[{samples}]}}"#);
            push(&mut told, way, &format!("{line}\n{{\"done\":1}}")).unwrap();
        }
        let [(_, sizes)] = told.try_into().unwrap();
        let points = points(sizes);
        assert_eq!((points[0].size, points[1].size), (1, 8));
        assert_eq!((points[0].ramdisk, points[0].native), (Some(1.0), Some(3.0)));
        assert_eq!(points[0].samples[&Way::Native], [3.0, 4.0, 2.0]);
        assert_eq!((points[1].ramdisk, points[1].forwarded), (None, None));
    }
}
