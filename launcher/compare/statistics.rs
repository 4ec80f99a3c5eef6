//! What is told of several samples of one thing.

use serde::{Deserialize, Serialize};

/// Where samples lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// A quarter of them is below.
    pub first_quartile: f64,
    /// Half of them is below.
    pub median: f64,
    /// Three quarters of them are below.
    pub third_quartile: f64,
    /// The most.
    pub most: f64,
    /// How many there are.
    pub samples: usize,
}

impl Spread {
    /// Of these samples; nothing if there are none.
    pub fn of(samples: &[f64]) -> Option<Spread> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Spread {
            least: *sorted.first()?,
            first_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            third_quartile: quantile(&sorted, 0.75),
            most: *sorted.last()?,
            samples: sorted.len(),
        })
    }
}

/// One thing, measured several times, and the most that it is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// What its values are in.
    pub unit: String,
    /// The median; nothing where it cannot be measured.
    pub value: Option<f64>,
    /// What is to be reached, if anything is: `at_most` that.
    pub goal: Option<f64>,
    /// `at_most`, where there is a goal.
    pub goal_is: Option<String>,
    /// Whether it is reached.
    pub met: Option<bool>,
    /// Where the samples lie.
    pub spread: Option<Spread>,
    /// All of them, in the order in which they were taken.
    pub samples: Vec<f64>,
}

impl Row {
    /// A row of these samples; of none where it cannot be measured.
    pub fn new(
        name: impl Into<String>,
        unit: &str,
        samples: Vec<f64>,
        at_most: Option<f64>,
    ) -> Row {
        let spread = Spread::of(&samples);
        let value = spread.map(|spread| spread.median);
        Row {
            name: name.into(),
            unit: unit.to_owned(),
            value,
            goal: at_most,
            goal_is: at_most.map(|_| "at_most".to_owned()),
            met: value.zip(at_most).map(|(value, most)| value <= most),
            spread,
            samples,
        }
    }
}

/// The middle one; of an even number the mean of the two in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    Spread::of(values).map_or(0.0, |spread| spread.median)
}

/// What `part` of the values, which are sorted and not none, are below: between two of
/// them on the straight line.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * part;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn quartiles_part_the_samples() {
        assert_eq!(Spread::of(&[]), None);
        let spread = Spread::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.least, spread.most, spread.samples), (1.0, 5.0, 5));
        assert_eq!((spread.first_quartile, spread.third_quartile), (2.0, 4.0));
        let spread = Spread::of(&[1.0, 2.0]).unwrap();
        assert_eq!((spread.first_quartile, spread.third_quartile), (1.25, 1.75));
        let one = Spread::of(&[9.0]).unwrap();
        assert_eq!((one.least, one.first_quartile, one.most), (9.0, 9.0, 9.0));
    }
}
