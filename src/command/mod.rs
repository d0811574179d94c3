//! The command line: one file for each command.
//!
//! Owns arguments, exit codes, and what is written to the terminal. Promises that data goes to
//! stdout and everything else to stderr, that no command asks back (but for a password, which nothing
//! else could take from a terminal), and that the exit code tells
//! what kind of thing went wrong. Deliberately knows no rules: those are in the modules it calls.

pub mod becoming;
pub mod check;
pub mod completions;
pub mod configuration;
pub mod corrections;
pub mod curve;
pub mod demo;
pub mod explain;
pub mod file;
pub mod generate;
pub mod healthcheck;
pub mod import;
pub mod letters;
pub mod log;
pub mod paper;
pub mod password;
pub mod presets;
pub mod replay;
pub mod route;
pub mod rules;
pub mod run;
pub mod service;
pub mod serving;
pub mod signal;
pub mod state;
pub mod statement;
pub mod tap;
pub mod test;
pub mod topics;
pub mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  # See it work, with nothing installed
  tenure demo

  # Is the configuration right, and what is in the topic?
  tenure check --config tenure.yaml

  # Consume and serve on http://0.0.0.0:9736/metrics
  tenure run --config tenure.yaml

  # The numbers of a file of events, as of an instant
  tenure replay --at 2026-11-01T00:00:00Z events.ndjson

  # Where does a number come from, and what moved it?
  tenure explain retention_ratio period=30d --url http://localhost:9736
";

const EXIT_CODES: &str = "\
Exit codes:
  0   success
  1   failure while working
  2   wrong usage
  69  something needed is unavailable: a broker, a topic, a port
  78  wrong configuration";

/// Live retention, churn, NPS, CSAT and CES from Kafka customer events, for Prometheus
#[derive(Debug, Parser)]
#[command(name = "tenure", version = version(), before_help = EXAMPLES, after_help = EXIT_CODES,
          disable_help_subcommand = true, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Route(route::RouteArgs),
    Check(check::CheckArgs),
    Import(import::ImportArgs),
    Tap(tap::TapArgs),
    Test(test::TestArgs),
    Presets(presets::PresetsArgs),
    Replay(replay::ReplayArgs),
    Explain(explain::ExplainArgs),
    Statement(statement::StatementArgs),
    State(state::StateArgs),
    Corrections(corrections::CorrectionsArgs),
    Verify(verify::VerifyArgs),
    DeadLetters(letters::DeadLettersArgs),
    HashPassword(password::HashPasswordArgs),
    Rules(rules::RulesArgs),
    Generate(generate::GenerateArgs),
    Demo(demo::DemoArgs),
    Healthcheck(healthcheck::HealthcheckArgs),
    Completions(completions::CompletionsArgs),
}

/// The form of what a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Why a command did not succeed: what to say, and the exit code that says what kind it is.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Work,
    Usage,
    Unavailable,
    Configuration,
}

impl Failure {
    /// Something went wrong while working.
    #[must_use]
    pub fn work(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Work,
            message: message.into(),
        }
    }

    /// What was asked for is not clear, or there is no such thing.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.into(),
        }
    }

    /// Something that is needed is not there: trying again later may help.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Unavailable,
            message: message.into(),
        }
    }

    /// The configuration is wrong: trying again does not help.
    #[must_use]
    pub fn configuration(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Configuration,
            message: message.into(),
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Work => ExitCode::FAILURE,
            Kind::Usage => ExitCode::from(2),
            Kind::Unavailable => ExitCode::from(69),
            Kind::Configuration => ExitCode::from(78),
        }
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Route(args) => route::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Tap(args) => tap::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Presets(args) => presets::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Statement(args) => statement::run(&args),
        Command::State(args) => state::run(&args),
        Command::Corrections(args) => corrections::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::DeadLetters(args) => letters::run(&args),
        Command::HashPassword(args) => password::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Generate(args) => generate::run(&args).map_err(|error| match error {
            generate::Error::Sink(error @ crate::generate::sink::SinkError::Undelivered { .. }) => {
                Failure::unavailable(error.to_string())
            }
            error => Failure::work(error.to_string()),
        }),
        Command::Demo(args) => demo::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Rendered complaints bring their own prefix.
            let prefix = if failure.message.starts_with("error") {
                ""
            } else {
                "error: "
            };
            eprintln!("{prefix}{}", failure.message.trim_end());
            failure.exit_code()
        }
    }
}

/// The version with what it was built from, and the Kafka client inside.
fn version() -> &'static str {
    use std::sync::OnceLock;
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
        let own = crate::telemetry::VERSION;
        let revision = crate::telemetry::REVISION;
        format!("{own} (revision {revision}, librdkafka {librdkafka})")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
