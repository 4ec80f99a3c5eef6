//! [`Report`]: what a run counted and how long it took, and how that is told.
//!
//! The words and the order of the numbers are the original's. Its whole
//! seconds (never less than 1) are here real ones, with three decimals, and
//! the rates are computed from them.

use core::fmt::{self, Display, Formatter, Write};

use crate::settings::Format;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files created.
    pub created: u64,
    /// Of these, before the transactions.
    pub created_alone: u64,
    /// Of these, by transactions.
    pub created_mixed: u64,
    /// Files read.
    pub read: u64,
    /// Files appended to.
    pub appended: u64,
    /// Files deleted.
    pub deleted: u64,
    /// Of these, after the transactions.
    pub deleted_alone: u64,
    /// Of these, by transactions.
    pub deleted_mixed: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

/// Bytes read and written, summed up file by file in the original's `float`s,
/// which above 16 MiB are no longer exact: its reports show these sums.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Data {
    /// Bytes read.
    pub read: f32,
    /// Bytes written.
    pub written: f32,
}

/// How long a run took, in nanoseconds. Making and removing subdirectories is
/// not part of it, as in the original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the first file to the last.
    pub total_ns: u64,
    /// Of the files created before the transactions.
    pub creation_ns: u64,
    /// Of the transactions.
    pub transactions_ns: u64,
    /// Of the files deleted after the transactions.
    pub deletion_ns: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All transactions were made.
    Complete,
    /// There was no file left to work on, so the transactions ended early. The
    /// original then has no report, and neither have we, except in JSON.
    OutOfFiles,
}

/// A run's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// `set transactions`, as it was for this run.
    pub transactions: u64,
    /// What was done.
    pub counts: Counts,
    /// The bytes read and written as the original sums them up and shows them.
    pub data: Data,
    /// How long it took.
    pub times: Times,
    /// Whether it was all done.
    pub outcome: Outcome,
}

impl Report {
    /// Seconds of the whole run.
    pub fn total_seconds(&self) -> f64 {
        seconds(self.times.total_ns)
    }

    /// Seconds of the transactions.
    pub fn transaction_seconds(&self) -> f64 {
        seconds(self.times.transactions_ns)
    }

    /// Tells it in words or in numbers.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn tell(&self, format: Format, out: &mut dyn Write) -> fmt::Result {
        match format {
            Format::Verbose => self.tell_verbosely(out),
            Format::Terse => self.tell_tersely(out),
        }
    }

    fn tell_verbosely(&self, out: &mut dyn Write) -> fmt::Result {
        let Report { counts, data, times, .. } = self;
        let Times { total_ns, creation_ns, transactions_ns, deletion_ns } = *times;
        let whole = |count: u64, ns: u64| rate(count as f64, ns) as u64;
        writeln!(out, "Time:")?;
        writeln!(out, "\t{:.3} seconds total", self.total_seconds())?;
        writeln!(
            out,
            "\t{:.3} seconds of transactions ({} per second)",
            self.transaction_seconds(),
            whole(self.transactions, transactions_ns)
        )?;
        writeln!(out, "\nFiles:")?;
        for (tabs, words, files, count, ns) in [
            ("\t", "created", "", counts.created, total_ns),
            ("\t\t", "Creation alone:", " files", counts.created_alone, creation_ns),
            ("\t\t", MIXED, " files", counts.created_mixed, transactions_ns),
            ("\t", "read", "", counts.read, transactions_ns),
            ("\t", "appended", "", counts.appended, transactions_ns),
            ("\t", "deleted", "", counts.deleted, total_ns),
            ("\t\t", "Deletion alone:", " files", counts.deleted_alone, deletion_ns),
            ("\t\t", MIXED, " files", counts.deleted_mixed, transactions_ns),
        ] {
            let per_second = whole(count, ns);
            if files.is_empty() {
                writeln!(out, "{tabs}{count} {words} ({per_second} per second)")?;
            } else {
                writeln!(out, "{tabs}{words} {count}{files} ({per_second} per second)")?;
            }
        }
        writeln!(out, "\nData:")?;
        for (bytes, word) in [(data.read, "read"), (data.written, "written")] {
            let bytes = f64::from(bytes);
            let per_second = Scaled(rate(bytes, total_ns));
            writeln!(out, "\t{} {word} ({per_second} per second)", Scaled(bytes))?;
        }
        Ok(())
    }

    fn tell_tersely(&self, out: &mut dyn Write) -> fmt::Result {
        let Report { counts, data, times, .. } = self;
        write!(out, "{:.3} {:.3}", self.total_seconds(), self.transaction_seconds())?;
        for (amount, ns) in [
            (self.transactions as f64, times.transactions_ns),
            (counts.created as f64, times.total_ns),
            (counts.created_alone as f64, times.creation_ns),
            (counts.created_mixed as f64, times.transactions_ns),
            (counts.read as f64, times.transactions_ns),
            (counts.appended as f64, times.transactions_ns),
            (counts.deleted as f64, times.total_ns),
            (counts.deleted_alone as f64, times.deletion_ns),
            (counts.deleted_mixed as f64, times.transactions_ns),
            (f64::from(data.read), times.total_ns),
            (f64::from(data.written), times.total_ns),
        ] {
            write!(out, " {:.2}", rate(amount, ns))?;
        }
        writeln!(out)
    }

    /// Tells it to a machine, as one line: our addition.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn tell_json(&self, out: &mut dyn Write) -> fmt::Result {
        let Report { counts, times, .. } = self;
        write!(out, "{{\"out_of_files\":{}", self.outcome == Outcome::OutOfFiles)?;
        for (name, value) in [
            ("transactions", self.transactions),
            ("created", counts.created),
            ("created_alone", counts.created_alone),
            ("created_mixed", counts.created_mixed),
            ("read", counts.read),
            ("appended", counts.appended),
            ("deleted", counts.deleted),
            ("deleted_alone", counts.deleted_alone),
            ("deleted_mixed", counts.deleted_mixed),
            ("bytes_read", counts.bytes_read),
            ("bytes_written", counts.bytes_written),
        ] {
            write!(out, ",\"{name}\":{value}")?;
        }
        for (name, ns) in [
            ("total_seconds", times.total_ns),
            ("creation_seconds", times.creation_ns),
            ("transaction_seconds", times.transactions_ns),
            ("deletion_seconds", times.deletion_ns),
        ] {
            write!(out, ",\"{name}\":{:.9}", seconds(ns))?;
        }
        writeln!(out, "}}")
    }
}

const MIXED: &str = "Mixed with transactions:";

/// A number of bytes as the original writes an amount of data: in kilobytes
/// unless it is more than a megabyte, or nothing.
pub struct Scaled(pub f64);

impl Display for Scaled {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > MEGABYTE => write!(f, "{:.2} megabytes", bytes / MEGABYTE),
            bytes if bytes > 0.0 => write!(f, "{:.2} kilobytes", bytes / KILOBYTE),
            bytes => write!(f, "{bytes:.6} bytes"),
        }
    }
}

/// A number of bytes as the original writes a setting.
pub struct ScaledWhole(pub i32);

impl Display for ScaledWhole {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match f64::from(self.0) {
            bytes if bytes >= MEGABYTE => write!(f, "{:.2} megabytes", bytes / MEGABYTE),
            bytes if bytes >= KILOBYTE => write!(f, "{:.2} kilobytes", bytes / KILOBYTE),
            _ => write!(f, "{} bytes", self.0),
        }
    }
}

const KILOBYTE: f64 = 1024.0;
const MEGABYTE: f64 = 1024.0 * 1024.0;

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// How many a second. A phase shorter than the clock's tick took 1 ns.
fn rate(amount: f64, ns: u64) -> f64 {
    amount * 1e9 / ns.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    const REPORT: Report = Report {
        transactions: 500,
        counts: Counts {
            created: 764,
            created_alone: 500,
            created_mixed: 264,
            read: 243,
            appended: 257,
            deleted: 764,
            deleted_alone: 528,
            deleted_mixed: 236,
            bytes_read: 1_426_063,
            bytes_written: 900,
        },
        data: Data { read: 1_426_063.0, written: 900.0 },
        times: Times {
            total_ns: 2_000_400_000,
            creation_ns: 500_000_000,
            transactions_ns: 1_000_000_000,
            deletion_ns: 0,
        },
        outcome: Outcome::Complete,
    };

    fn told(format: Format) -> String {
        let mut text = String::new();
        REPORT.tell(format, &mut text).unwrap();
        text
    }

    #[test]
    fn the_verbose_report_has_the_originals_words_and_real_seconds() {
        let text = told(Format::Verbose);
        assert!(text.starts_with(
            "Time:\n\t2.000 seconds total\n\
             \t1.000 seconds of transactions (500 per second)\n\n\
             Files:\n\t764 created (381 per second)\n\
             \t\tCreation alone: 500 files (1000 per second)\n\
             \t\tMixed with transactions: 264 files (264 per second)\n\
             \t243 read (243 per second)\n"
        ));
        assert!(text.ends_with(
            "\nData:\n\t1.36 megabytes read (696.18 kilobytes per second)\n\
             \t0.88 kilobytes written (0.44 kilobytes per second)\n"
        ));
    }

    #[test]
    fn the_terse_report_is_one_line_of_thirteen_numbers() {
        let text = told(Format::Terse);
        assert!(text.starts_with("2.000 1.000 500.00 381.92 1000.00 264.00 243.00 257.00 "));
        assert_eq!(text.lines().count(), 1);
        assert_eq!(text.split_whitespace().count(), 13);
    }

    #[test]
    fn the_json_report_is_one_line() {
        let mut text = String::new();
        REPORT.tell_json(&mut text).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("{\"out_of_files\":false,\"transactions\":500,\"created\":764,"));
        assert!(text.contains("\"total_seconds\":2.000400000,"));
        assert!(text.ends_with("\"deletion_seconds\":0.000000000}\n"));
    }

    #[test]
    fn sizes_change_their_unit_at_powers_of_two() {
        for (bytes, text) in [
            (1, "1 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.00 kilobytes"),
            (1_048_575, "1024.00 kilobytes"),
            (1_048_576, "1.00 megabytes"),
            (i32::MAX, "2048.00 megabytes"),
        ] {
            assert_eq!(ScaledWhole(bytes).to_string(), text);
        }
        for (bytes, text) in [
            (0.0, "0.000000 bytes"),
            (0.1, "0.00 kilobytes"),
            (2.0, "0.00 kilobytes"),
            (1_048_576.0, "1024.00 kilobytes"),
            (1_048_577.0, "1.00 megabytes"),
        ] {
            assert_eq!(Scaled(bytes).to_string(), text);
        }
    }
}
