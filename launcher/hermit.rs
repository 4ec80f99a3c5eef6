//! `anchorite image --hermit PROGRAM`: a Hermit image, which stock uhyve starts.
//!
//! That is a tar archive compressed by gzip, with `hermit.toml` at its root, which names the
//! kernel's file and its arguments. In uhyve's image mode `internal` the guest finds the whole of
//! it in its memory, for reading only; the archives in it are members, plain, which the kernel
//! finds by name (`anchorite.preload=@preload/0:/`) and whose contents stay where they are.
//!
//! What uhyve 0.10 asks for: names byte for byte as written here and below 256 bytes, no member
//! compressed, all words UTF-8. It joins arguments by blanks, so each is quoted as for a shell.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use anchorite_archive::{Body, Member, Time, WriteError, Writer};
use anchorite_interface::{PRELOAD, PRELOAD_LENIENT, VERBOSE, escape};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::cli::ImageArgs;
use crate::export::Target;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::order::{Damaged, Order, Verbosity};
use crate::preload::Limit;
use crate::size::MIB;
use crate::transfer::Transfer;
use crate::{mount, preload, programs};

/// What uhyve looks for.
const CONFIG_NAME: &str = "hermit.toml";
/// The kernel's file.
const KERNEL_NAME: &str = "kernel";
/// Memory that any program needs beside what the image takes.
const LEAST_BYTES: u64 = 16 * MIB;
/// uhyve takes memory in steps of this.
const MEMORY_STEP_BYTES: u64 = 2 * MIB;
/// How much of an archive is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// `hermit.toml`.
#[derive(Serialize)]
struct Config {
    version: &'static str,
    kernel: &'static str,
    input: Input,
    requirements: Requirements,
}

#[derive(Serialize)]
struct Input {
    kernel_args: Vec<String>,
    app_args: Vec<String>,
    env_vars: Vec<String>,
}

#[derive(Serialize)]
struct Requirements {
    memory: String,
    cpus: u32,
}

/// Does what the command line says.
pub fn image(args: &ImageArgs) -> Result<()> {
    let mut order = args.order()?;
    let _image = programs::ready(&mut order, Isle::Uhyve)?;
    programs::check(Isle::Uhyve, &order)?;
    order.check()?;
    let kernel = programs::image(&order)?;
    let target = Target::new("--output", &args.output()?)?;
    let mut archives = Vec::new();
    for archive in &order.preloads {
        let (_, file) = preload::ready(archive, Limit::memory(order.memory_bytes))?;
        let found = file.metadata().map_err(|error| unwritten(&target, &error))?;
        archives.push((file, found.len()));
    }
    let archive_bytes: u64 = archives.iter().map(|(_, size)| size).sum();
    let needed_bytes = LEAST_BYTES + 2 * kernel.len() as u64 + archive_bytes;
    let memory_bytes = args.memory_bytes()?.unwrap_or(needed_bytes);
    let config = config(&order, memory_bytes)?;

    let mut gzip = GzEncoder::new(BufWriter::new(target.file()), Compression::default());
    let mut transfer = Transfer::new(format!("writing {}", target.path().display()));
    let mut written = 0;
    let mut out = |bytes: &[u8]| {
        written += bytes.len() as u64;
        transfer.at(written, archive_bytes);
        gzip.write_all(bytes)
    };
    let written = write(&mut out, &config, &kernel, &archives)
        .and_then(|()| gzip.finish().and_then(|mut file| file.flush()).map_err(WriteError::Sink));
    written.map_err(|error| match error {
        WriteError::Sink(error) => unwritten(&target, &error),
        error => unwritten(&target, &io::Error::other(format!("{error:?}"))),
    })?;
    drop(transfer);
    target.keep()
}

fn unwritten(target: &Target, error: &io::Error) -> Failure {
    Failure::isle(format!(
        "--output {}: the image cannot be written ({}): see whether there is room",
        target.path().display(),
        describe(error)
    ))
}

/// Writes the image's members, not compressed.
fn write(
    out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    config: &str,
    kernel: &[u8],
    archives: &[(File, u64)],
) -> std::result::Result<(), WriteError<io::Error>> {
    let mut writer = Writer::new(out);
    for (name, content) in [(CONFIG_NAME, config.as_bytes()), (KERNEL_NAME, kernel)] {
        writer.begin(&member(name.as_bytes(), content.len() as u64))?;
        writer.data(content)?;
    }
    let mut buffer = vec![0; PIECE_BYTES];
    for (number, (file, size)) in archives.iter().enumerate() {
        writer.begin(&member(member_name(number).as_bytes(), *size))?;
        let mut at = 0;
        while at < *size {
            let wanted = (*size - at).min(PIECE_BYTES as u64) as usize;
            let got = file.read_at(&mut buffer[..wanted], at).map_err(WriteError::Sink)?;
            if got == 0 {
                let error = io::Error::new(ErrorKind::UnexpectedEof, "an archive became shorter");
                return Err(WriteError::Sink(error));
            }
            writer.data(&buffer[..got])?;
            at += got as u64;
        }
    }
    writer.finish().map(drop)
}

/// A file in the image. Whoever makes it, and when, it is the same.
fn member(path: &[u8], size: u64) -> Member<'_> {
    Member {
        path,
        body: Body::File { size },
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        atime: None,
        xattrs: &[],
    }
}

fn member_name(number: usize) -> String {
    format!("preload/{number}")
}

fn config(order: &Order, memory_bytes: u64) -> Result<String> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| {
            Failure::usage(format!(
                "`{}` is not UTF-8, which is all that an image's arguments and environment can be: \
                 have the program read it from a file",
                bytes.escape_ascii()
            ))
        })
    };
    let mut kernel_args: Vec<_> = order
        .preloads
        .iter()
        .enumerate()
        .map(|(number, archive)| {
            format!("{PRELOAD}=@{}:{}", member_name(number), escape(archive.dir.as_bytes()))
        })
        .collect();
    if order.damaged == Damaged::Skipped {
        kernel_args.push(PRELOAD_LENIENT.to_owned());
    }
    kernel_args.extend(order.mounts.iter().map(mount::kernel_argument));
    if order.verbosity == Verbosity::Log {
        kernel_args.push(VERBOSE.to_owned());
    }
    let mut app_args = Vec::new();
    for arg in &order.args {
        app_args.push(shell_words::quote(&text(arg.bytes())?).into_owned());
    }
    let mut env_vars = Vec::new();
    for variable in &order.env {
        env_vars.push(text(&[variable.name.bytes(), b"=", variable.value.bytes()].concat())?);
    }
    let memory_bytes = memory_bytes.next_multiple_of(MEMORY_STEP_BYTES);
    let config = Config {
        version: "1",
        kernel: KERNEL_NAME,
        input: Input { kernel_args, app_args, env_vars },
        requirements: Requirements {
            memory: format!("{} MiB", memory_bytes / MIB),
            cpus: order.cpus,
        },
    };
    toml::to_string(&config)
        .map_err(|error| Failure::isle(format!("hermit.toml cannot be written ({error})")))
}
