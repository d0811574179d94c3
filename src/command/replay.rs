//! `tenure replay`: the metrics page of a file of events, or the curve of inactivity timeouts.

use std::path::PathBuf;

use crate::command::configuration::ConfigurationArgs;
use crate::command::paper::print;
use crate::command::{Failure, curve, file};
use crate::event::Timestamp;
use crate::serve::exposition::Format;
use crate::serve::page;

const EXAMPLES: &str = "\
Examples:
  # As of one millisecond after the newest event
  tenure replay events.ndjson

  # The end of October in Berlin, with an inactivity timeout
  tenure replay --at 2026-11-01T00:00:00+01:00 --set time_zone=Europe/Berlin \\
    --set inactivity_timeout=90d events.ndjson

  # Which inactivity timeout is right? Retention, departures and returns under each
  tenure replay --inactivity-timeout 30d,60d,90d,120d events.ndjson

  # Values of a topic of the configuration that does not hold native events
  tenure replay --config tenure.yaml --source shop-orders orders.ndjson

  # Straight from Kafka, with kcat
  kcat -C -b localhost:9092 -t customer-events -e -q | tenure replay -
";

const NOTES: &str = "\
A file counts as complete history, so nothing is withheld because of its beginning. Lines have no
Kafka timestamps: nothing is too far in the future and nothing is pruned. Rejected lines are counted
by reason on stderr.";

/// Read events from a file and print the metrics page as of an instant
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct ReplayArgs {
    /// Newline-delimited events; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The instant, RFC 3339 [default: one millisecond after the newest event]
    #[arg(long, value_name = "TIME", value_parser = file::instant)]
    pub at: Option<Timestamp>,

    /// Instead of the page, what each of these inactivity timeouts would mean, comma-separated
    #[arg(long, value_name = "LENGTH", value_delimiter = ',')]
    pub inactivity_timeout: Vec<String>,

    #[command(flatten)]
    pub lines: file::LinesArgs,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// Prints the page, or the curve, to stdout and the counts to stderr.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    if !args.inactivity_timeout.is_empty() {
        return curve::run(args);
    }
    let settings = args.configuration.load()?;
    let (shard, _) = file::read(&args.file, &args.lines, &settings)?;
    let at = file::instant_or_newest(args.at, &shard)?;
    let report = file::evaluate_at(&shard, at, &settings.evaluation)?;
    print(&page::render(&report, Format::Text004))
}
