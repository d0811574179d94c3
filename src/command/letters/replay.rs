//! `tenure dead-letters replay`: rejected records that are valid by now go back to where they came
//! from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::command::Failure;
use crate::command::configuration::ConfigurationArgs;
use crate::command::letters::{bar, open, reasons, unreadable};
use crate::command::paper::{Paper, emphasis, print};
use crate::command::schemas::KnownSchemas;
use crate::config::Settings;
use crate::event::record::{Header, Record};
use crate::event::source::{Decoded, Source};
use crate::kafka::letters::Origin;
use crate::kafka::letters::opening::{Letters, Opened};
use crate::kafka::letters::returns::{ReturnError, Returns};

const EXAMPLES: &str = "\
Examples:
  # Which of them are valid with the configuration as it is now?
  tenure dead-letters replay --config tenure.yaml --dry-run

  # Write those back to their topics
  tenure dead-letters replay --config tenure.yaml

  # After POINTS were added to `currencies`
  tenure dead-letters replay --config tenure.yaml --reason unknown_currency
";

const NOTES: &str = "\
Every letter that is there when the command begins is decoded with the present configuration, each by
the source of its topic. A record that is valid now is written to the topic and partition it came from, with its key, value,
headers and timestamp as they were; only topics that are configured under kafka.topics are written
to. Letters stay where they are, so a second replay writes the same records again. That is harmless:
the same event counts once, however often it is read. Needs the permission to WRITE to the topics
that are read.";

/// Write rejected records that are valid now back to their topics
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct ReplayArgs {
    /// Only those that were rejected for this reason
    #[arg(long, value_name = "REASON", value_parser = reasons())]
    pub reason: Option<String>,

    /// Count only: write nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// What became of the letters with one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    valid: u64,
    rejected: u64,
    /// Valid, but from a topic or partition that is not read.
    elsewhere: u64,
}

/// The counts by the reason for which records were rejected first.
#[derive(Debug, Default)]
struct Tally {
    reasons: BTreeMap<String, Counts>,
    /// Records that Tenure did not write.
    foreign: u64,
}

/// Writes back what is valid, and the counts to stdout.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    let (topic, consumer) = open(&settings)?;
    let refused = |error| unreadable(&error, &settings);
    let letters = Letters::find(&consumer, &topic).map_err(refused)?;
    let mut returns =
        Returns::open(&settings.kafka_as_configured()).map_err(|error| failed(&error))?;
    let schemas = KnownSchemas::of(&settings)?;
    let mut sources = BTreeMap::new();
    let bar = bar(letters.about());
    let mut tally = Tally::default();
    let (mut outcome, mut unread) = (Ok(()), Ok(()));
    let read = letters.read(|letter| {
        bar.inc(1);
        if let Some(Origin { topic, .. }) = &letter.origin {
            let source = || schemas.given_to(settings.source_of(topic));
            let source = sources.entry(topic.clone()).or_insert_with(source);
            outcome = look_at(args, source, &letter, &mut returns, &mut tally);
            // Without its schema a record looks as if it were still to be rejected.
            unread = schemas.complete();
        } else {
            tally.foreign += 1;
        }
        if outcome.is_ok() && unread.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let outcome = outcome.and_then(|()| returns.finish());
    bar.finish_and_clear();
    read.map_err(refused)?;
    unread?;
    let written = outcome.map_err(|error| failed(&error))?;
    print(&tally.table())?;
    tell(&tally, args.dry_run, written, &settings);
    Ok(())
}

fn look_at(
    args: &ReplayArgs,
    source: &Source,
    letter: &Opened,
    returns: &mut Returns,
    tally: &mut Tally,
) -> Result<(), ReturnError> {
    let Some(origin) = &letter.origin else {
        tally.foreign += 1;
        return Ok(());
    };
    if args
        .reason
        .as_ref()
        .is_some_and(|reason| *reason != origin.reason)
    {
        return Ok(());
    }
    let counts = tally.reasons.entry(origin.reason.clone()).or_default();
    if rejected(source, letter, origin) {
        counts.rejected += 1;
    } else if !returns.takes(&origin.topic, origin.partition) {
        counts.elsewhere += 1;
    } else {
        counts.valid += 1;
        if !args.dry_run {
            returns.give_back(letter, &origin.topic, origin.partition)?;
        }
    }
    Ok(())
}

/// Whether any part of the record is still rejected.
fn rejected(source: &Source, letter: &Opened, origin: &Origin) -> bool {
    let headers: Vec<Header<'_>> = letter
        .headers
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_deref()))
        .collect();
    let record = Record {
        topic: &origin.topic,
        partition: origin.partition,
        offset: origin.offset,
        recorded_at: letter.recorded_at,
        key: letter.key.as_deref(),
        headers: &headers,
        value: letter.value.as_deref(),
    };
    let mut rejected = false;
    source.decode(record, |part| {
        rejected |= matches!(part, Decoded::Rejected(_));
    });
    rejected
}

fn failed(error: &ReturnError) -> Failure {
    match error {
        ReturnError::Client(_) => Failure::configuration(error.to_string()),
        ReturnError::Source { .. } => Failure::unavailable(format!(
            "{error}; check kafka.topics, the brokers, and the permission to WRITE"
        )),
        ReturnError::Refused { .. } => Failure::unavailable(format!(
            "{error}; check the brokers and the permission to WRITE, and replay again: repeats are \
             harmless"
        )),
    }
}

impl Tally {
    fn table(&self) -> String {
        if self.reasons.is_empty() {
            return "no letters\n".to_owned();
        }
        let row = |name: &str, counts: Counts| {
            let Counts {
                valid,
                rejected,
                elsewhere,
            } = counts;
            let numbers = [valid, rejected, elsewhere].map(|number| number.to_string());
            [vec![name.to_owned()], numbers.to_vec()].concat()
        };
        let heading = [
            "reason",
            "valid now",
            "still rejected",
            "not of a topic read",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        let mut all = Counts::default();
        for (reason, counts) in &self.reasons {
            all.valid += counts.valid;
            all.rejected += counts.rejected;
            all.elsewhere += counts.elsewhere;
            rows.push(row(reason, *counts));
        }
        rows.push(row("all", all));
        let mut paper = Paper::new(emphasis());
        paper.table(1, &rows);
        paper.finish()
    }
}

/// What was done, for people.
fn tell(tally: &Tally, dry_run: bool, written: u64, settings: &Settings) {
    if tally.foreign > 0 {
        eprintln!(
            "{} records are no letters of Tenure and were passed over",
            tally.foreign
        );
    }
    let topics = settings.router.from.join(", ");
    if dry_run {
        eprintln!("nothing was written: this was a dry run");
    } else {
        eprintln!("{written} records were written back to {topics}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_a_table_by_reason_with_a_sum() {
        let mut tally = Tally::default();
        assert_eq!(tally.table(), "no letters\n");
        let counts = |valid, rejected, elsewhere| Counts {
            valid,
            rejected,
            elsewhere,
        };
        let reasons = [
            ("unknown_currency", counts(3, 0, 1)),
            ("invalid_json", counts(0, 12, 0)),
        ];
        tally.reasons = reasons
            .map(|(name, counts)| (name.to_owned(), counts))
            .into();
        assert_eq!(
            tally.table(),
            "  reason            valid now  still rejected  not of a topic read\n  \
               invalid_json              0              12                    0\n  \
               unknown_currency          3               0                    1\n  \
               all                       3              12                    1\n"
        );
    }
}
