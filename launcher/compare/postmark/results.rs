//! What postmark reported: one run's [`Outcome`], one way's [`WayResults`].

use serde::{Deserialize, Serialize};

use super::Comparison;
use crate::compare::session::Way;
use crate::compare::statistics::median;
use crate::failure::{Failure, Result};

/// Exit status of a comparison whose counts differ.
const STATUS_DIFFERENT: u8 = 1;
/// A hundredth of a megabyte, to which Debian's program tells bytes.
const DEBIANS_BYTES: u64 = (1 << 20) / 100;

/// What postmark did; the same for the same configuration, whatever it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Files created.
    pub created: u64,
    /// Of these, before the transactions.
    pub created_alone: u64,
    /// Of these, among the transactions.
    pub created_mixed: u64,
    /// Files read.
    pub read: u64,
    /// Files appended to.
    pub appended: u64,
    /// Files deleted.
    pub deleted: u64,
    /// Of these, after the transactions.
    pub deleted_alone: u64,
    /// Of these, among the transactions.
    pub deleted_mixed: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

impl Counts {
    /// Whether `others`, told by `way`, are the same. Debian's program adds bytes up file by file in
    /// a `float`, and tells them to the hundredth of a megabyte.
    fn are(&self, others: &Counts, way: Way) -> bool {
        let [.., (_, read), (_, written)] = self.fields();
        match way {
            Way::Debian => {
                let exact = Counts { bytes_read: read, bytes_written: written, ..others.clone() };
                *self == exact
                    && is_near(read, others.bytes_read, self.read)
                    && is_near(written, others.bytes_written, self.created + self.appended)
            }
            _ => self == others,
        }
    }

    /// All of them, by the names of the JSON.
    pub fn fields(&self) -> [(&'static str, u64); 10] {
        [
            ("created", self.created),
            ("created_alone", self.created_alone),
            ("created_mixed", self.created_mixed),
            ("read", self.read),
            ("appended", self.appended),
            ("deleted", self.deleted),
            ("deleted_alone", self.deleted_alone),
            ("deleted_mixed", self.deleted_mixed),
            ("bytes_read", self.bytes_read),
            ("bytes_written", self.bytes_written),
        ]
    }
}

/// Whether `told` is what Debian's program may tell of `bytes`, the sum of `files` sizes: each
/// addition rounds to the 24 bits that a `float` has (IEEE 754, binary32), so that it is off by half
/// the last one at most.
fn is_near(bytes: u64, told: u64, files: u64) -> bool {
    let half = bytes.checked_ilog2().map_or(0, |exponent| (1 << exponent) >> f32::MANTISSA_DIGITS);
    bytes.abs_diff(told) <= DEBIANS_BYTES + files * half
}

/// One run, as `postmark --json` prints it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Outcome {
    /// What it did.
    #[serde(flatten)]
    pub counts: Counts,
    /// It ended early, with no file left to work on.
    pub out_of_files: bool,
    /// Seconds from its first call to its last.
    pub total_seconds: f64,
    /// Of these, the transactions'.
    pub transaction_seconds: f64,
    /// Transactions.
    pub transactions: u64,
}

/// Every run of one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WayResults {
    /// Which.
    pub way: Way,
    /// What it ran on.
    pub isle: String,
    /// Each run's total, from its first call to its last; of Debian's program, that of the process.
    pub seconds: Vec<f64>,
    /// Of the median run; nothing of Debian's program, which counts whole seconds.
    pub transactions_per_second: Option<f64>,
    /// The same in every run.
    pub counts: Option<Counts>,
    /// Each run's transactions per second.
    pub rates: Vec<f64>,
}

impl WayResults {
    /// Without a run.
    pub fn new(way: Way, isle: &str) -> Self {
        WayResults {
            way,
            isle: isle.to_owned(),
            seconds: Vec::new(),
            transactions_per_second: None,
            counts: None,
            rates: Vec::new(),
        }
    }

    /// Adds a run.
    ///
    /// # Errors
    /// It did something else than the runs before.
    pub fn push(&mut self, outcome: Outcome) -> Result<()> {
        if let Some(before) = &self.counts
            && *before != outcome.counts
        {
            let (title, what) = (self.way.title(), difference(before, &outcome.counts));
            return Err(Failure::new(
                STATUS_DIFFERENT,
                format!("two runs of postmark ({title}) differ: {what}"),
            ));
        }
        self.counts = Some(outcome.counts);
        self.seconds.push(outcome.total_seconds);
        if self.way != Way::Debian {
            // A clock's tick may be longer than a short run.
            let seconds = outcome.transaction_seconds.max(1e-9);
            self.rates.push(outcome.transactions as f64 / seconds);
            self.transactions_per_second = Some(median(&self.rates));
        }
        Ok(())
    }

    /// The median run's seconds.
    pub fn median_seconds(&self) -> f64 {
        median(&self.seconds)
    }
}

/// Checks that every way did the same.
///
/// # Errors
/// Which count differs, and how.
pub fn check_counts(comparison: &Comparison) -> Result<()> {
    let mut ways = comparison.ways.iter();
    let Some((first, counts)) = ways.next().and_then(|way| Some((way, way.counts.as_ref()?)))
    else {
        return Err(Failure::isle("no run of postmark gave counts"));
    };
    for way in ways {
        if !way.counts.as_ref().is_some_and(|others| counts.are(others, way.way)) {
            let what = match &way.counts {
                Some(other) => difference(counts, other),
                None => "there are none".to_owned(),
            };
            return Err(Failure::new(
                STATUS_DIFFERENT,
                format!(
                    "the counts of {} and {} differ, so their times do not compare: {what}",
                    first.way.title(),
                    way.way.title()
                ),
            ));
        }
    }
    Ok(())
}

fn difference(one: &Counts, other: &Counts) -> String {
    one.fields()
        .iter()
        .zip(other.fields())
        .filter(|((_, a), (_, b))| a != b)
        .map(|((name, a), (_, b))| format!("{name} is {a} and {b}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(created: u64, seconds: f64) -> Outcome {
        Outcome {
            counts: Counts {
                created,
                created_alone: 1,
                created_mixed: 2,
                read: 3,
                appended: 4,
                deleted: 5,
                deleted_alone: 6,
                deleted_mixed: 7,
                bytes_read: 8,
                bytes_written: 9,
            },
            out_of_files: false,
            total_seconds: seconds,
            transaction_seconds: seconds / 2.0,
            transactions: 500,
        }
    }

    #[test]
    fn medians_are_taken_over_runs() {
        let mut results = WayResults::new(Way::Native, "linux");
        for seconds in [1.0, 4.0, 2.0] {
            results.push(outcome(764, seconds)).unwrap();
        }
        assert_eq!(results.median_seconds(), 2.0);
        assert_eq!(results.transactions_per_second, Some(500.0));
        assert_eq!(results.rates, [1000.0, 250.0, 500.0]);
    }

    #[test]
    fn counts_that_differ_are_an_error_that_names_them() {
        let mut results = WayResults::new(Way::Native, "linux");
        results.push(outcome(764, 1.0)).unwrap();
        let failure = results.push(outcome(763, 1.0)).unwrap_err();
        assert!(failure.to_string().contains("created is 764 and 763"), "{failure}");

        let mut other = WayResults::new(Way::Ramdisk, "uhyve");
        other.push(outcome(763, 1.0)).unwrap();
        let ways = vec![results, other];
        let comparison = Comparison { ways, ..Comparison::default() };
        assert_eq!(check_counts(&comparison).unwrap_err().status, STATUS_DIFFERENT);
    }

    #[test]
    fn debians_bytes_are_rounded_and_nothing_else() {
        let counts = outcome(764, 1.0).counts;
        let rounded = Counts { bytes_read: 8 + DEBIANS_BYTES, ..counts.clone() };
        assert!(counts.are(&rounded, Way::Debian) && !counts.are(&rounded, Way::Native));
        let more = Counts { bytes_read: 9 + DEBIANS_BYTES, ..counts.clone() };
        let other = Counts { read: 4, ..counts.clone() };
        assert!(!counts.are(&more, Way::Debian) && !counts.are(&other, Way::Debian));
    }

    /// What it tells of 20,000 files of 500 to 10,000 bytes and 200,000 transactions, where the sum
    /// of its `float`s is a tenth of a megabyte short.
    #[test]
    fn debians_floats_are_allowed_for() {
        let told = |megabytes: f64| (megabytes * f64::from(1 << 20)) as u64;
        assert!(is_near(660_024_542, told(629.36), 100_000));
        assert!(!is_near(660_024_542, told(629.36), 1000));
        assert!(!is_near(660_024_542, told(625.0), 100_000));
        assert!(is_near(0, 0, 0) && !is_near(1 << 24, 1 << 23, 100));
    }
}
