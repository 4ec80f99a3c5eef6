//! [`Options`]: what a run is asked for.

use alloc::ffi::CString;
use alloc::vec::Vec;

use super::rows::{Group, ROWS};
use super::{Calls, cores};
use crate::io::{Failure, ToDo};

const USAGE: &str = "microbench [--directory DIR] [--filter TEXT]… [--samples 1-1000] \
                     [--sample-us 1-1000000] [--files 10-100000000] \
                     [--tree-files 1000-100000000] [--append BYTES] \
                     [--hourglass-ms 1-60000] [--threads 1-64] [--quick] \
                     [--growth | --sizes | --parts | --copy DIR]";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// What calls cost: [`ROWS`].
    Rows,
    /// How that grows.
    Growth,
    /// Reading and writing by size.
    Sizes,
    /// Calls that do ever more.
    Parts,
    /// Copying this directory's files.
    Copy(&'a [u8]),
}

/// What a run is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// What is measured.
    pub subject: Subject<'a>,
    /// Where to work; nothing for the working directory.
    pub directory: Option<&'a [u8]>,
    /// Only rows with one of these in their name; all of them if there are none.
    pub filters: Vec<&'a [u8]>,
    /// Samples of each row whose calls are repeated.
    pub samples: u64,
    /// How long one of them takes, in nanoseconds.
    pub sample_ns: u64,
    /// Files in one directory, and of growth in a tree; a tenth of it of those with data.
    pub files: u32,
    /// Files of the largest tree of growth, if not as many as in one directory.
    pub tree_files: Option<u32>,
    /// Bytes of a file that grows, as far as that is measured; it takes a tenth more.
    pub append_bytes: u64,
    /// How long gaps are looked for, in nanoseconds.
    pub hourglass_ns: u64,
    /// How many cores are to work at once, at most.
    pub threads: u32,
}

impl<'a> Options<'a> {
    /// Those of the goals: a million files, a GiB.
    pub fn full() -> Options<'a> {
        Options {
            subject: Subject::Rows,
            directory: None,
            filters: Vec::new(),
            samples: 9,
            sample_ns: 5_000_000,
            files: 1_000_000,
            tree_files: None,
            append_bytes: 1 << 30,
            hourglass_ns: 1_000_000_000,
            threads: cores::MOST,
        }
    }

    /// A hundredth of it, to see whether everything works.
    pub fn quick() -> Options<'a> {
        Options {
            samples: 3,
            sample_ns: 500_000,
            files: 10_000,
            append_bytes: 10 << 20,
            hourglass_ns: 10_000_000,
            ..Self::full()
        }
    }

    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub fn parse(mut args: &[&'a [u8]]) -> Result<Options<'a>, Failure> {
        let mut options = Self::full();
        loop {
            args = match args {
                [] => return Ok(options),
                [b"--quick", rest @ ..] => {
                    let Options { subject, directory, filters, threads, .. } = options;
                    options = Options { subject, directory, filters, threads, ..Self::quick() };
                    rest
                }
                [b"--growth", rest @ ..] => {
                    options.subject = Subject::Growth;
                    rest
                }
                [b"--sizes", rest @ ..] => {
                    options.subject = Subject::Sizes;
                    rest
                }
                [b"--parts", rest @ ..] => {
                    options.subject = Subject::Parts;
                    rest
                }
                [option, value, rest @ ..] => {
                    options.set(option, value)?;
                    rest
                }
                [_] => return Err(Failure::Usage(USAGE)),
            }
        }
    }

    fn set(&mut self, option: &[u8], value: &'a [u8]) -> Result<(), Failure> {
        match option {
            b"--directory" => self.directory = Some(value),
            b"--copy" => self.subject = Subject::Copy(value),
            b"--filter" => self.filters.push(value),
            b"--samples" => self.samples = number(value, 1, 1000)?,
            b"--sample-us" => self.sample_ns = number(value, 1, 1_000_000)? * 1000,
            b"--files" => self.files = number(value, 10, 100_000_000)? as u32,
            b"--tree-files" => {
                self.tree_files = Some(number(value, 1000, 100_000_000)? as u32);
            }
            b"--append" => self.append_bytes = number(value, 40 << 10, 1 << 40)?,
            b"--hourglass-ms" => self.hourglass_ns = number(value, 1, 60_000)? * 1_000_000,
            b"--threads" => self.threads = number(value, 1, cores::MOST.into())? as u32,
            _ => return Err(Failure::Usage(USAGE)),
        }
        Ok(())
    }

    /// Whether the row called `name` is asked for.
    pub fn wants(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let is_in_name = |text: &&[u8]| name.windows(text.len().max(1)).any(|part| part == *text);
        self.filters.is_empty() || self.filters.iter().any(is_in_name)
    }

    /// Whether any row of `group` is asked for.
    pub fn wants_any(&self, group: Group) -> bool {
        ROWS.iter().any(|row| row.group == group && self.wants(row.name))
    }

    /// Changes to the directory, if one is given.
    pub(super) fn go_to_directory(&self, calls: &impl Calls) -> Result<(), Failure> {
        let Some(directory) = self.directory else { return Ok(()) };
        let path = CString::new(directory).map_err(|_| Failure::Usage(USAGE))?;
        calls.chdir(&path).to_do("change to the directory")
    }
}

/// A number from `least` to `most`.
fn number(text: &[u8], least: u64, most: u64) -> Result<u64, Failure> {
    let number = core::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.filter(|number| (least..=most).contains(number)).ok_or(Failure::Usage(USAGE))
}
