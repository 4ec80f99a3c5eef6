//! Measures, and typesets the report.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use report::data::Data;
use report::measure;

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
    let _data = match &cli.from {
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
    Ok(())
}
