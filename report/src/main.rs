//! Measures, and typesets the report.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Error, Result};
use clap::Parser;
use report::data::Data;
use report::facts::Facts;
use report::measure;
use report::typeset::typeset;

/// Measures what system calls cost on this machine, and typesets a report of it
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Short samples and small sizes, in under two minutes, to see that everything works
    #[arg(long, conflicts_with = "from")]
    quick: bool,
    /// Typeset what was measured before, from DATA
    #[arg(long, value_name = "DATA")]
    from: Option<PathBuf>,
    /// Where to write what is measured [default: data/full.json or data/quick.json in DIR]
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    data: Option<PathBuf>,
    /// Where to write the report
    #[arg(short, long, value_name = "DIR", default_value = env!("CARGO_MANIFEST_DIR"))]
    output: PathBuf,
}

fn main() -> Result<()> {
    // This executable is started again for each isle.
    anchorite_launcher::serve();
    let cli = Cli::parse();
    let data = match &cli.from {
        Some(path) => Data::read(path)?,
        None => {
            let data = measure::measure(cli.quick)?;
            let name = if cli.quick { "data/quick.json" } else { "data/full.json" };
            let path = cli.data.unwrap_or_else(|| cli.output.join(name));
            data.write(&path)?;
            eprintln!("{}: written", path.display());
            data
        }
    };
    let report = typeset(&Facts::of(&data)).map_err(Error::msg)?;
    for (name, bytes) in [("report.pdf", &report.pdf[..]), ("report.html", report.html.as_bytes())]
    {
        let path = cli.output.join(name);
        fs::create_dir_all(&cli.output)
            .and_then(|()| fs::write(&path, bytes))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        eprintln!("{}: written", path.display());
    }
    Ok(())
}
