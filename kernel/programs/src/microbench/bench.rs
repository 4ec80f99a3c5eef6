//! [`Bench`]: takes samples, and prints a line of JSON for each row.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::hint::black_box;

use anchorite_syscalls::Errno;

use super::time_stamp::time_stamp;
use super::{Calls, Options};
use crate::io::{Failure, ToDo};

/// A run.
pub struct Bench<'a, C> {
    /// Where calls go.
    pub calls: &'a C,
    /// What is asked for.
    pub options: &'a Options<'a>,
    /// Rows told.
    rows: u64,
}

/// How long something took, by two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed {
    /// Nanoseconds.
    pub ns: u64,
    /// Cycles of the time-stamp counter.
    pub cycles: u64,
}

/// A row's samples, of one operation each.
#[derive(Debug, Default)]
pub struct Samples {
    ns: Vec<f64>,
    cycles: Vec<f64>,
}

impl Samples {
    /// One sample: `elapsed` for `operations`.
    pub fn of(elapsed: Elapsed, operations: u64) -> Samples {
        let mut samples = Samples::default();
        samples.push(elapsed, operations);
        samples
    }

    /// Takes each sample for that of `parts` equal parts.
    pub fn divide(&mut self, parts: f64) {
        self.ns.iter_mut().chain(&mut self.cycles).for_each(|sample| *sample /= parts);
    }

    fn list(&self, line: &mut String) -> Result<(), Failure> {
        list(line, "samples", &self.ns)?;
        list(line, "cycles", &self.cycles)
    }

    /// Adds a sample: `elapsed` for `operations` of them.
    pub fn push(&mut self, elapsed: Elapsed, operations: u64) {
        let operations = operations as f64;
        self.ns.push(elapsed.ns as f64 / operations);
        self.cycles.push(elapsed.cycles as f64 / operations);
    }
}

impl<'a, C: Calls> Bench<'a, C> {
    /// Nothing is measured yet.
    pub fn new(calls: &'a C, options: &'a Options<'a>) -> Self {
        Bench { calls, options, rows: 0 }
    }

    /// Whether the row called `name` is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.options.wants(name)
    }

    /// Measures `operation` for the row called `name`, if it is asked for.
    ///
    /// # Errors
    /// Those of `operation`, but for a call that is not there.
    pub fn repeat(
        &mut self,
        name: &'static str,
        mut operation: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.wants(name) {
            return Ok(());
        }
        let taken = self.take_samples(&mut operation);
        self.tell_or_absent(name, taken)
    }

    /// The samples of an operation that is repeated.
    ///
    /// # Errors
    /// Those of `operation`; the clock's.
    pub fn take_samples(
        &mut self,
        operation: &mut impl FnMut() -> Result<(), Failure>,
    ) -> Result<Samples, Failure> {
        let sample_ns = self.options.sample_ns;
        let mut count = 1;
        // Also what warms everything up.
        let count = loop {
            let ns = self.clocked(|| repeated(count, operation))?.ns;
            if ns >= sample_ns {
                break (count as u128 * sample_ns as u128 / ns as u128).max(1) as u64;
            }
            // A guess, not too bold: the first calls are slower than the later ones.
            let wanted = count as u128 * sample_ns as u128 / u128::from(ns.max(1));
            count = (wanted as u64 + 1).clamp(count * 2, count * 16);
        };
        let mut samples = Samples::default();
        for _ in 0..self.options.samples {
            samples.push(self.clocked(|| repeated(count, operation))?, count);
        }
        Ok(samples)
    }

    /// How long `deed` takes.
    ///
    /// # Errors
    /// Those of `deed`; the clock's.
    pub fn clocked(&self, deed: impl FnOnce() -> Result<(), Failure>) -> Result<Elapsed, Failure> {
        let start_ns = self.now_ns()?;
        let start = time_stamp();
        deed()?;
        let end = time_stamp();
        let end_ns = self.now_ns()?;
        Ok(Elapsed {
            ns: end_ns.checked_sub(start_ns).ok_or(Failure::Wrong("the clock was set back"))?,
            cycles: end.saturating_sub(start),
        })
    }

    /// The monotonic clock.
    pub fn now_ns(&self) -> Result<u64, Failure> {
        self.calls.now_ns().to_do("read the clock")
    }

    /// Tells a row's samples, or that a call of it is not there.
    ///
    /// # Errors
    /// Any other failure of `taken`; the console's.
    pub fn tell_or_absent(
        &mut self,
        name: &'static str,
        taken: Result<Samples, Failure>,
    ) -> Result<(), Failure> {
        match taken {
            Ok(samples) => self.tell(name, &samples),
            Err(failure) => self.absent(name, failure),
        }
    }

    /// Tells a row's samples, if it is asked for.
    ///
    /// # Errors
    /// The console's.
    pub fn tell(&mut self, name: &'static str, samples: &Samples) -> Result<(), Failure> {
        if !self.wants(name) {
            return Ok(());
        }
        let line = self.begin(name, "ns")?;
        self.tell_line(line, samples)
    }

    /// Tells the samples of a row that so many threads did, if it is asked for.
    ///
    /// # Errors
    /// The console's.
    pub fn tell_threads(
        &mut self,
        name: &'static str,
        threads: u32,
        samples: &Samples,
    ) -> Result<(), Failure> {
        if !self.wants(name) {
            return Ok(());
        }
        let mut line = self.begin(name, "ns")?;
        samples.list(&mut line)?;
        write!(line, ",\"threads\":{threads}")?;
        self.end(line)
    }

    /// Tells samples on a line that has begun.
    ///
    /// # Errors
    /// The console's.
    pub fn tell_line(&mut self, mut line: String, samples: &Samples) -> Result<(), Failure> {
        samples.list(&mut line)?;
        self.end(line)
    }

    /// Tells the one value of a row that is not in nanoseconds, if it is asked for.
    ///
    /// # Errors
    /// The console's.
    pub fn tell_value(
        &mut self,
        name: &'static str,
        unit: &str,
        value: f64,
    ) -> Result<(), Failure> {
        if !self.wants(name) {
            return Ok(());
        }
        let mut line = self.begin(name, unit)?;
        list(&mut line, "samples", &[value])?;
        self.end(line)
    }

    /// Tells that a call of a row is not there, if the row is asked for.
    ///
    /// # Errors
    /// `failure` if it is another; the console's.
    pub fn absent(&mut self, name: &'static str, failure: Failure) -> Result<(), Failure> {
        let Failure::Call(_, errno @ Errno::ENOSYS) = failure else { return Err(failure) };
        self.tell_absent(name, errno.message())
    }

    /// Tells why a row is not there, if it is asked for.
    ///
    /// # Errors
    /// The console's.
    pub fn tell_absent(&mut self, name: &'static str, why: &str) -> Result<(), Failure> {
        if !self.wants(name) {
            return Ok(());
        }
        let mut line = String::new();
        write!(line, "{{\"name\":\"{name}\",\"absent\":\"{why}\"")?;
        self.end(line)
    }

    /// Prints a line.
    ///
    /// # Errors
    /// The console's.
    pub fn print(&mut self, line: &str) -> Result<(), Failure> {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.calls.write(libc::STDOUT_FILENO, rest) {
                Ok(done) if done > 0 => rest = rest.get(done..).unwrap_or_default(),
                _ => return Err(Failure::Console),
            }
        }
        Ok(())
    }

    /// Tells how many rows there were, so that a reader knows that none is missing.
    ///
    /// # Errors
    /// No row has any of the filters in its name; the console's.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.rows == 0 {
            return Err(Failure::Wrong("no row has the filter in its name"));
        }
        let mut line = String::new();
        writeln!(line, "{{\"done\":{}}}", self.rows)?;
        self.print(&line)
    }

    fn begin(&self, name: &str, unit: &str) -> Result<String, Failure> {
        let mut line = String::new();
        write!(line, "{{\"name\":\"{name}\",\"unit\":\"{unit}\"")?;
        Ok(line)
    }

    fn end(&mut self, mut line: String) -> Result<(), Failure> {
        line.push_str("}\n");
        self.rows += 1;
        self.print(&line)
    }
}

/// Does `operation` `count` times.
fn repeated(
    count: u64,
    operation: &mut impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    for _ in 0..black_box(count) {
        operation()?;
    }
    Ok(())
}

fn list(line: &mut String, name: &str, values: &[f64]) -> Result<(), Failure> {
    write!(line, ",\"{name}\":[")?;
    for (index, value) in values.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(line, "{comma}{value:.3}")?;
    }
    line.push(']');
    Ok(())
}
