//! A disk as clouds take it: [`Clouds`].
//!
//! Google Compute Engine imports a file `disk.raw` of whole GiB, in a tar archive of GNU's old
//! format with its holes left out, compressed by gzip. OpenStack's users upload a qcow2, which
//! `qemu-img` makes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, HeaderMode};

use super::{find_in, run, search_dirs};
use crate::cli::ImageArgs;
use crate::export::{Target, writable};
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::preload::path_of;

/// What the file in Google's archive is called.
const MEMBER_NAME: &str = "disk.raw";

/// What a disk is packed as, beside itself.
pub struct Clouds {
    /// The archive for Google's platform.
    gce: Option<PathBuf>,
    /// The qcow2, and what makes it.
    qcow2: Option<(PathBuf, PathBuf)>,
}

impl Clouds {
    /// What the command line asks for, for the disk at `output`.
    ///
    /// # Errors
    /// It cannot be, or what it takes is missing.
    pub fn ready(args: &ImageArgs, output: &Path) -> Result<Self> {
        let gce = args.gce.then(|| beside("--gce", output, "tar.gz")).transpose()?;
        let qcow2 = match args.qcow2 {
            false => None,
            true => {
                let tool = find_in(&search_dirs(), "qemu-img").ok_or_else(|| {
                    Failure::isle(
                        "--qcow2: qemu-img is missing: apt-get install qemu-utils, or leave the \
                         option out and convert the disk elsewhere",
                    )
                })?;
                Some((beside("--qcow2", output, "qcow2")?, tool))
            }
        };
        Ok(Clouds { gce, qcow2 })
    }

    /// Packs the disk; the files have no names yet.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn pack(&self, disk: &Target) -> Result<Vec<Target>> {
        let mut packed = Vec::new();
        if let Some(path) = &self.gce {
            let target = Target::new("--gce", path)?;
            archive(disk.file(), target.file())
                .map_err(|error| unwritten("--gce", path, &describe(&error)))?;
            packed.push(target);
        }
        if let Some((path, tool)) = &self.qcow2 {
            let target = Target::new("--qcow2", path)?;
            let mut command = Command::new(tool);
            command.args(["convert", "-f", "raw", "-O", "qcow2"]);
            command.args([path_of(disk.file()), path_of(target.file())]);
            run(command).map_err(|why| unwritten("--qcow2", path, &why))?;
            packed.push(target);
        }
        Ok(packed)
    }
}

fn unwritten(option: &str, path: &Path, why: &str) -> Failure {
    Failure::isle(format!(
        "{option} {}: it cannot be written ({why}): see whether there is room",
        path.display()
    ))
}

/// The file beside the disk with another ending, which can be.
fn beside(option: &str, output: &Path, ending: &str) -> Result<PathBuf> {
    let path = output.with_extension(ending);
    let name = output.as_os_str().as_bytes();
    if name.ends_with(ending.as_bytes()) {
        return Err(Failure::usage(format!(
            "{option}: --output {} is to be the disk itself: give that another name, such as \
             disk.raw",
            output.display()
        )));
    }
    writable(option, &path)
}

/// Writes the archive for Google's platform.
fn archive(disk: &File, out: &File) -> io::Result<()> {
    let gzip = GzEncoder::new(BufWriter::new(out), Compression::default());
    let mut builder = Builder::new(gzip);
    // Whoever makes it, and when, it is the same; holes are left out.
    builder.mode(HeaderMode::Deterministic);
    builder.sparse(true);
    builder.append_file(MEMBER_NAME, &mut disk.try_clone()?)?;
    builder.into_inner()?.finish()?.flush()
}
