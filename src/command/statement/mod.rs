//! `tenure statement`: one page about one period, which an auditor can run again.
//!
//! Owns what is on the page and that its sums are checked before anybody signs it. The numbers are
//! those of a report, of a file or of a running service.

mod figures;
mod page;
mod text;

use std::path::PathBuf;

use crate::command::configuration::ConfigurationArgs;
use crate::command::paper::print;
use crate::command::service::ServiceArgs;
use crate::command::statement::figures::{Check, Figures, Origin, ReportJson};
use crate::command::{Failure, file};
use crate::event::Timestamp;
use crate::measure::period::Period;

const EXAMPLES: &str = "\
Examples:
  # The last quarter, from the running service
  tenure statement --period last_quarter --url http://localhost:9736

  # The same from a file, in Berlin, as Markdown for the report
  tenure statement --period last_quarter --at 2026-10-02T00:00:00Z \\
    --set time_zone=Europe/Berlin --format markdown events.ndjson > statement.md
";

const NOTES: &str = "\
A file can be asked about any period, a service about the ones it is configured for. Exit code 1 if
the numbers do not add up.";

/// Print a statement of one period: customers, retention, churn, settings, and how to run it again
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct StatementArgs {
    /// Newline-delimited events; `-` is standard input
    #[arg(
        value_name = "FILE",
        required_unless_present = "url",
        conflicts_with = "url"
    )]
    pub file: Option<PathBuf>,

    /// The period, as in last_quarter, this_month or 30d
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    pub period: Period,

    /// The instant, RFC 3339 [default: the latest]
    #[arg(long, value_name = "TIME", value_parser = file::instant)]
    pub at: Option<Timestamp>,

    /// Form of the page
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,

    #[command(flatten)]
    pub service: ServiceArgs,

    #[command(flatten)]
    pub lines: file::LinesArgs,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// The form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Markdown,
}

fn period(text: &str) -> Result<Period, String> {
    text.parse()
        .map_err(|error: crate::measure::period::UnknownPeriod| error.to_string())
}

/// Prints the statement to stdout.
///
/// # Errors
/// If the file or the service fails, or the numbers do not add up.
pub fn run(args: &StatementArgs) -> Result<(), Failure> {
    let figures = match (&args.file, &args.service.url) {
        (Some(path), _) => of_file(args, path)?,
        (None, Some(url)) => of_service(args, url)?,
        (None, None) => return Err(Failure::usage("give a file of events, or --url")),
    };
    let checks = figures.checks();
    print(&text::drawn(&figures, &checks, args.format))?;
    if checks.iter().all(Check::holds) {
        Ok(())
    } else {
        Err(Failure::work(
            "the numbers of this statement do not add up: please report it as a bug",
        ))
    }
}

fn of_file(args: &StatementArgs, path: &std::path::Path) -> Result<Figures, Failure> {
    let settings = args.configuration.load()?;
    let mut evaluation = settings.evaluation.clone();
    if !evaluation.periods.contains(&args.period) {
        evaluation.periods.push(args.period);
    }
    let (shard, tally) = file::read(path, &args.lines, &settings)?;
    let at = file::instant_or_newest(args.at, &shard)?;
    let report = file::evaluate_at(&shard, at, &evaluation)?;
    let origin = Origin::File {
        path: path.display().to_string(),
        lines: shard.position(0).map_or(0, |position| position.next_offset),
        digest: format!("{:032x}", shard.digest()),
        records: file::records(&tally),
    };
    Figures::of_report(&report, args.period, &settings, origin)
}

fn of_service(args: &StatementArgs, url: &str) -> Result<Figures, Failure> {
    let at = args.at.map(|at| ("at".to_owned(), at.to_string()));
    let query: Vec<(String, String)> = at.into_iter().collect();
    let report: ReportJson = args.service.get(url, "/api/v1/report", &query)?;
    Figures::of_service(report, args.period, url)
}
