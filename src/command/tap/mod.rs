//! `tenure tap`: live records, each with what it becomes and why.

mod shown;
mod tally;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::command::becoming::{Became, Reading, Sight};
use crate::command::configuration::ConfigurationArgs;
use crate::command::paper::print;
use crate::command::signal::watch_for_interruption;
use crate::command::{Failure, Form};
use crate::config::{Settings, length_of_time};
use crate::event::Reason;
use crate::event::record::Record;
use crate::kafka::tap::{Begin, Tap};
use crate::kafka::watch::Unreadable;
use crate::telemetry::Telemetry;
use shown::Shown;
use tally::Tally;

const EXAMPLES: &str = "\
Examples:
  # The newest records of all topics, and what each becomes
  tenure tap --config tenure.yaml

  # What is rejected or has no rule, among all records there are
  tenure tap --config tenure.yaml --from beginning --only rejected

  # One topic for a minute, for a machine
  tenure tap --config tenure.yaml --topic shop-orders --limit 0 --for 60s --format json
";

const NOTES: &str = "\
Reads beside the service: joins no group, commits nothing, changes nothing. Of ids and payloads only
the shape is shown (`a` for a letter, `9` for a digit), but for texts that the mapping itself names,
because they are personal data; --show-values shows them. With --limit 0 it goes on until Ctrl-C. At
the end it counts what was seen, on stderr.

Exit codes: 0 success, 69 Kafka or a topic is unavailable, 78 the configuration is wrong.";

/// Nobody looks on for longer than a day.
const LONGEST: i64 = 86_400_000;

/// Look at live records: what each becomes, and why
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct TapArgs {
    /// Only these of the configured topics; may be repeated
    #[arg(long, value_name = "TOPIC")]
    pub topic: Vec<String>,

    /// Records to show; 0 is without end
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u64,

    /// End after so long, as in 30s
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Where to begin: newest, beginning, end or an offset
    #[arg(long, value_name = "WHERE", default_value = "newest", value_parser = from)]
    pub from: From,

    /// Only records that become one of these, separated by commas
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub only: Vec<Only>,

    /// Show ids, keys, headers and values: personal data
    #[arg(long)]
    pub show_values: bool,

    /// Text for people or one JSON object a line
    #[arg(long, value_enum, default_value = "text")]
    pub format: Form,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With as many of the newest records as are to be shown.
    Newest,
    Exactly(Begin),
}

/// What records can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Only {
    Event,
    Signup,
    Purchase,
    Churn,
    #[value(name = "survey_submitted")]
    SurveySubmitted,
    Skipped,
    Rejected,
    Unmapped,
    Tombstone,
}

/// How one topic is read and shown.
struct Channel {
    reading: Reading,
    sight: Sight,
}

impl Only {
    fn fits(self, became: &Became) -> bool {
        match (self, became) {
            (Self::Event, Became::Event(_))
            | (Self::Skipped, Became::Skipped)
            | (Self::Rejected, Became::Rejected(_))
            | (Self::Tombstone, Became::Tombstone) => true,
            (Self::Unmapped, Became::Rejected(rejection)) => rejection.reason == Reason::Unmapped,
            (Self::Signup, it) => it.word() == "signup",
            (Self::Purchase, it) => it.word() == "purchase",
            (Self::Churn, it) => it.word() == "churn",
            (Self::SurveySubmitted, it) => it.word() == "survey_submitted",
            _ => false,
        }
    }
}

/// Writes what each record becomes to stdout, and counts to stderr at the end.
pub fn run(args: &TapArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    let topics = chosen(&args.topic, &settings)?;
    let channels: BTreeMap<&str, Channel> = topics
        .iter()
        .map(|topic| (topic.as_str(), Channel::of(&settings, topic, args)))
        .collect();
    let interrupted = watch_for_interruption().map_err(|error| Failure::work(error.to_string()))?;
    let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
    let tap = Tap::open(
        &settings.kafka_as_configured(),
        Arc::new(telemetry),
        &topics,
    )
    .map_err(|error| unreadable(&error, &settings))?;
    begin(args, topics.len(), &tap);
    let started = Instant::now();
    let ended = || {
        interrupted.load(Ordering::Relaxed)
            || args.duration.is_some_and(|most| started.elapsed() >= most)
    };
    let (mut tally, mut shown, mut outcome) = (Tally::default(), 0, Ok(()));
    let read = tap.read(args.begin(), &ended, &mut |record| {
        let Some(channel) = channels.get(record.topic) else {
            return ControlFlow::Continue(());
        };
        let Some(text) = channel.tell(record, args, &mut tally) else {
            return ControlFlow::Continue(());
        };
        outcome = text.and_then(|text| print(&text));
        shown += 1;
        if outcome.is_err() || shown == args.limit {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    outcome?;
    eprint!("{}", tally.sentences(shown, args.show_values));
    read.map_err(|error| unreadable(&Unreadable::Client(error.to_string()), &settings))
}

impl TapArgs {
    fn begin(&self) -> Begin {
        match self.from {
            From::Exactly(begin) => begin,
            // Without an end there is no number of records to begin with.
            From::Newest if self.limit == 0 => Begin::Newest(20),
            From::Newest => Begin::Newest(self.limit),
        }
    }
}

impl Channel {
    fn of(settings: &Settings, topic: &str, args: &TapArgs) -> Self {
        let reading = Reading::of(settings, topic);
        let sight = if args.show_values {
            Sight::open()
        } else {
            Sight::masked(reading.rules())
        };
        Self { reading, sight }
    }

    /// What is written about a record, if it is one of those that are wanted.
    fn tell(
        &self,
        record: Record<'_>,
        args: &TapArgs,
        tally: &mut Tally,
    ) -> Option<Result<String, Failure>> {
        let account = self.reading.account(record);
        tally.add(&account.parts);
        let wanted = |became: &Became| {
            args.only.is_empty() || args.only.iter().any(|only| only.fits(became))
        };
        if !account.parts.iter().any(wanted) {
            return None;
        }
        let shown = Shown {
            record,
            account: &account,
            sight: &self.sight,
            values: args.show_values,
        };
        Some(match args.format {
            Form::Text => Ok(shown.text()),
            Form::Json => shown.json(),
        })
    }
}

fn chosen(wanted: &[String], settings: &Settings) -> Result<Vec<String>, Failure> {
    let topics = &settings.router.from;
    if wanted.is_empty() {
        return Ok(topics.clone());
    }
    match wanted.iter().find(|topic| !topics.contains(topic)) {
        Some(stranger) => Err(Failure::usage(format!(
            "the configuration has no topic `{stranger}`: kafka.topics are {}",
            topics.join(", ")
        ))),
        None => Ok(wanted.to_vec()),
    }
}

fn begin(args: &TapArgs, topics: usize, tap: &Tap) {
    if !io::stderr().is_terminal() {
        return;
    }
    let until = match args.limit {
        0 => "until Ctrl-C".to_owned(),
        limit => format!("until {limit} records are shown, or Ctrl-C"),
    };
    eprintln!(
        "looking at {} partitions of {topics} topics, {until}",
        tap.partitions()
    );
}

fn unreadable(error: &Unreadable, settings: &Settings) -> Failure {
    let servers = &settings.kafka.bootstrap_servers;
    Failure::unavailable(match error {
        Unreadable::Missing { .. } => {
            format!("{error}; check kafka.topics and the permission to READ")
        }
        _ => format!(
            "{error}; check that the brokers answer at {servers}, kafka.properties, and the \
             permission to READ"
        ),
    })
}

fn from(text: &str) -> Result<From, String> {
    Ok(match text {
        "newest" => From::Newest,
        "beginning" => From::Exactly(Begin::Beginning),
        "end" => From::Exactly(Begin::End),
        _ => {
            let offset = text.parse().ok().filter(|offset| *offset >= 0);
            let offset = offset.ok_or("write newest, beginning, end or an offset, as in 1200")?;
            From::Exactly(Begin::Offset(offset))
        }
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let millis = length_of_time(text, 1000..=LONGEST)?;
    Ok(Duration::from_millis(millis.unsigned_abs()))
}
