//! stub
use anyhow::Result;
use std::path::PathBuf;
/// o
#[derive(Clone, Debug, clap::Args)]
pub struct Options {}
/// r
pub fn run(_: &Options) -> Result<std::process::ExitCode> {
    todo!()
}
/// f
pub fn find_on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(program)).find(|p| p.is_file())
}
