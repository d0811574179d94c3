//! Alerts: how often they page for nothing, and how soon they find what happened.
//!
//! Owns the command and its table. Promises the same table for the same arguments. Needs neither
//! Kafka nor Prometheus nor the network.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

mod simulation;

use std::io::Write;
use std::process::ExitCode;

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
    tables(size, |row| {
        print!("{row}");
        // A row takes seconds; whoever waits sees each.
        let _ = std::io::stdout().flush();
    });
    ExitCode::SUCCESS
}
