//! `tenure dead-letters`: what became of rejected records, and the way back for them.

mod list;
mod replay;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::command::Failure;
use crate::config::Settings;
use crate::event::Reason;
use crate::kafka::client::{Consumer, Context, configuration};
use crate::kafka::letters::opening::Unreadable;
use crate::telemetry::Telemetry;

const EXAMPLES: &str = "\
Examples:
  # What was rejected, and why
  tenure dead-letters list --config tenure.yaml

  # What would be valid with the configuration as it is now?
  tenure dead-letters replay --config tenure.yaml --dry-run
";

/// Look at rejected records, and give them another try
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    List(list::ListArgs),
    Replay(replay::ReplayArgs),
}

/// Runs the one that was asked for.
pub fn run(args: &DeadLettersArgs) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list::run(args),
        Command::Replay(args) => replay::run(args),
    }
}

/// The names of all reasons.
fn reasons() -> PossibleValuesParser {
    PossibleValuesParser::new(Reason::ALL.map(Reason::name))
}

/// The topic of the letters and a client to read it.
fn open(settings: &Settings) -> Result<(String, Consumer), Failure> {
    let topic = settings.dead_letters.topic.clone().ok_or_else(|| {
        Failure::configuration(
            "dead_letters.topic is not set, so nothing says where rejected records are kept: name the \
             topic in the configuration, or with --set dead_letters.topic=TOPIC",
        )
    })?;
    let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
    let consumer: Result<Consumer, _> =
        configuration(&settings.kafka).create_with_context(Context::new(Arc::new(telemetry)));
    let consumer =
        consumer.map_err(|error| Failure::configuration(format!("kafka.properties: {error}")))?;
    Ok((topic, consumer))
}

fn unreadable(error: &Unreadable, settings: &Settings) -> Failure {
    let servers = &settings.kafka.bootstrap_servers;
    Failure::unavailable(match error {
        Unreadable::Missing(_) => format!("{error}; check dead_letters.topic"),
        Unreadable::Client(_) | Unreadable::Silence { .. } => format!(
            "{error}; check that the brokers answer at {servers}, and the permission to READ"
        ),
    })
}

/// A bar on a terminal, nothing elsewhere.
fn bar(letters: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} letters");
    ProgressBar::new(letters).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
