//! `host-fs-sim`: the ramdisk as a process on Linux.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use host_fs_sim::{check, mount, soak, suites};

/// The anchorite ramdisk as a process on Linux
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Mount an empty ramdisk on a directory, until `umount` or Ctrl-C
    Mount(mount::Options),
    /// Do random sequences of calls on the ramdisk and elsewhere, and compare
    Soak(soak::Options),
    /// Do sequences of calls that are written down, and compare with what is recorded
    Check(check::Options),
    /// Run test suites of others over a mount, and beside it on tmpfs
    Suites(suites::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Mount(options) => mount::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Soak(options) => soak::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Suites(options) => suites::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("host-fs-sim: {error:#}");
        ExitCode::FAILURE
    })
}
