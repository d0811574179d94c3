//! Alerts: how often they page for nothing, and how soon they find what happened.
//!
//! Owns the command and its tables. Promises the same tables for the same arguments, on stdout or in a
//! document. Needs neither Kafka nor Prometheus nor the network.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

mod simulation;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;

use simulation::{DOCUMENTED, Size, tables};

/// Simulates years of days and the alerts on NPS and churn
#[derive(Debug, Parser)]
#[command(name = "alerts")]
struct Args {
    /// Years in which nothing happens, for each rate
    #[arg(long, value_name = "N", default_value_t = DOCUMENTED.years)]
    years: u64,

    /// Drops and spikes, for each rate and extent
    #[arg(long, value_name = "N", default_value_t = DOCUMENTED.runs)]
    runs: u64,

    /// Another seed, other days
    #[arg(long, value_name = "S", default_value_t = DOCUMENTED.seed)]
    seed: u64,

    /// Puts the tables into this document too, between its marks
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,

    /// Passed by cargo bench; without it nothing is simulated
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        println!("alerts: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let size = Size {
        seed: args.seed,
        years: args.years,
        runs: args.runs,
    };
    let mut all = String::new();
    tables(size, |row| {
        print!("{row}");
        // A row takes seconds; whoever waits sees each.
        let _ = io::stdout().flush();
        all.push_str(row);
    });
    let written = args.document.map(|path| (write_into(&path, &all), path));
    if let Some((Err(error), path)) = written {
        eprintln!("alerts: could not write into {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Replaces what stands between the marks of a document.
fn write_into(path: &Path, tables: &str) -> io::Result<()> {
    const MARKS: [&str; 2] = ["<!-- tables -->\n", "<!-- end of tables -->"];
    let text = fs::read_to_string(path)?;
    let unmarked = || io::Error::other("it has no marks for tables");
    let (before, rest) = text.split_once(MARKS[0]).ok_or_else(unmarked)?;
    let (_, after) = rest.split_once(MARKS[1]).ok_or_else(unmarked)?;
    let [begin, end] = MARKS;
    fs::write(path, format!("{before}{begin}\n{tables}\n{end}{after}"))
}
