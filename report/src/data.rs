//! [`Data`]: all that was measured, with every sample, as it lies in a file of JSON.
//!
//! A part of it is a [`Section`]: a document of `anchorite compare`'s (what `--json` prints there)
//! beside the command line that measures it, or why there is none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anchorite_launcher::compare::{boot, growth, microbench, parts, postmark, preload, sizes};
use anchorite_launcher::machine::Machine;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The version of what is in the file; another is not read.
pub const VERSION: u32 = 1;

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// [`VERSION`].
    pub version: u32,
    /// Whether samples were short and sizes small, to see that everything works: no figure is to
    /// be taken from it then.
    pub quick: bool,
    /// The command line that all this came of.
    pub command: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What it was measured on: processor, kernel, KVM as a guest found it, versions, commit, date.
    pub machine: Machine,
    /// QEMU's version; nothing where it is not installed.
    pub qemu: Option<String>,
    /// Memory of the machine, in bytes.
    pub memory_bytes: Option<u64>,
    /// Single calls on the ramdisk, forwarded and natively; HermitCore's table (rows whose unit is
    /// `cycles`); memory of a file (rows whose unit is `bytes`); cores; the hourglass.
    pub microbench: Section<microbench::Document>,
    /// Where the nanoseconds of a read and of a file made go.
    pub parts: Section<parts::Document>,
    /// Reading and writing by size, and memcpy.
    pub sizes: Section<sizes::Document>,
    /// PostMark in three configurations, each way: ramdisk, forwarded, native on tmpfs, native on
    /// ext4, Debian's own program.
    pub postmark: Section<postmark::Document>,
    /// PostMark over numbers of files ([`postmark::Comparison::files`]).
    pub postmark_files: Section<postmark::Document>,
    /// Costs against the number of files, and of components and bytes.
    pub growth: Section<growth::Document>,
    /// Starts of each isle, images, the least memory.
    pub boot: Section<boot::Document>,
    /// Preloads by size and count, and copies of the same files.
    pub preload: Section<preload::Document>,
    /// What the tests of others and random sequences find, on the ramdisk and on tmpfs.
    pub conformance: Section<Conformance>,
}

/// A part of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section<T> {
    /// The command line by which a user gets the same.
    pub command: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was measured.
    pub document: Option<T>,
    /// If nothing was: why, as a sentence.
    pub absent: Option<String>,
}

impl<T> Section<T> {
    /// What was measured.
    ///
    /// # Errors
    /// Why there is nothing.
    pub fn get(&self) -> Result<&T, &str> {
        let why = self.absent.as_deref().unwrap_or("it was not measured");
        self.document.as_ref().ok_or(why)
    }
}

/// What tests find.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conformance {
    /// Suites of others.
    pub suites: Vec<Suite>,
    /// Random sequences of calls, compared call by call.
    pub campaigns: Vec<Campaign>,
    /// What of both could not be run, by the suite's name or by what is compared with, and why.
    pub absent: BTreeMap<String, String>,
}

/// A suite of others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// Its name, such as `pjdfstest`.
    pub suite: String,
    /// What it found, on each file system.
    pub outcomes: Vec<Outcome>,
}

/// What a suite found on a file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which, such as `ramdisk` (through FUSE) or `tmpfs`.
    pub ground: String,
    /// Whether it is there to be compared with: not the ramdisk.
    pub is_comparison: bool,
    /// Cases that passed.
    pub passed: usize,
    /// Names of cases that failed.
    pub failed: Vec<String>,
    /// Names of cases that the suite skipped.
    pub skipped: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Random sequences of calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// What the ramdisk was compared with: `linux`, `model` or `methods`.
    pub against: String,
    /// Where the random numbers began.
    pub seed: u64,
    /// Sequences.
    pub cases: u64,
    /// Calls on the ramdisk.
    pub calls: u64,
    /// Of these, those that succeeded.
    pub succeeded: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The first difference that was found, if any was.
    pub found: Option<String>,
}

impl Data {
    /// Reads them from a file.
    ///
    /// # Errors
    /// There is none, or it has something else.
    pub fn read(path: &Path) -> Result<Data> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{}: name a file that --data wrote", path.display()))?;
        Data::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads them from JSON.
    ///
    /// # Errors
    /// They are of another version, or something else.
    pub fn parse(text: &str) -> Result<Data> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let remedy = "measure again, or take the report of the version that wrote it";
        let Versioned { version } = serde_json::from_str(text)
            .with_context(|| format!("this is not what was measured: {remedy}"))?;
        if version != VERSION {
            bail!("the data are of version {version}, and this reads {VERSION}: {remedy}");
        }
        serde_json::from_str(text).with_context(|| format!("the data are broken: {remedy}"))
    }

    /// Writes them to a file, with its directory.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let written = || -> Result<()> {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(path, self.text()?)?;
            Ok(())
        };
        written().with_context(|| format!("{} cannot be written", path.display()))
    }

    /// As JSON, with a line feed at its end.
    ///
    /// # Errors
    /// A number is none.
    pub fn text(&self) -> Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}
