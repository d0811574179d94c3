//! `tenure generate`: realistic, reproducible customer events.
//!
//! Owns the arguments and the loop that carries records from the generator to a sink: pace,
//! progress, interruption, summary. Does not know how records come about or how they travel.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::command::signal::watch_for_interruption;
use crate::event::Timestamp;
use crate::generate::sink::lines::Lines;
use crate::generate::sink::pace::Pace;
use crate::generate::sink::tally::Tally;
use crate::generate::sink::topic::{Topic, TopicSettings};
use crate::generate::sink::{Sink, SinkError};
use crate::generate::{Generator, GeneratorSettings, InvalidSettings, Record, Scenario};

/// The default end of the span on standard output, where the same arguments shall give the same
/// bytes: 2026-01-01T00:00:00Z.
const FIXED_UNTIL: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// Progress is shown, and interruption seen, at least this often.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// Records between two looks at the clock at full speed.
const LOOK_AROUND_EVERY: u64 = 1024;
/// Steps of the progress bar.
const STEPS: i64 = 1000;

const EXAMPLES: &str = "\
Examples:
  # A month of a shop with 10,000 customers, as lines; the same bytes every time
  tenure generate > events.ndjson

  # What does an NPS that falls look like? The numbers, without Kafka
  tenure generate --customers 50000 --days 90 --scenario nps-drop | tenure replay -

  # A year of a million customers, ending now, into a new topic of 12 partitions
  tenure generate --customers 1000000 --days 365 --to kafka --create-topic --partitions 12

  # 200 events a second to a secured cluster
  tenure generate --to kafka --rate 200 --bootstrap-servers kafka.example.com:9093 \\
    --property security.protocol=SSL

  # A shop that lives: 200 days of history if the topic is empty, then 20 events a second
  tenure generate --to kafka --days 200 --live 20
";

const NOTES: &str = "\
The same arguments, --until included, give the same bytes on every machine. The effective --until
is printed on stderr: pass it to get the same stream again.
There are about 3.75 events a customer whatever the days, which stretch the customers' lives: one
sign-up, two orders, half an answer, a quarter of a churn. About 1 % are delivered twice, 2 % come
hours late, 0.3 % days. Records come in the order of their arrival; what would arrive after the
span is left out.";

/// Generate realistic, reproducible customer events
#[derive(Debug, Clone, clap::Args)]
#[command(before_long_help = EXAMPLES, after_long_help = NOTES)]
pub struct GenerateArgs {
    /// Customers who sign up within the span
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub customers: u32,

    /// Length of the span in days
    #[arg(long, value_name = "D", default_value_t = 30)]
    pub days: u32,

    /// Another seed, other customers
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// What happens in the last days of the span
    #[arg(long, value_enum, default_value_t)]
    pub scenario: Scenario,

    /// End of the span, RFC 3339 [default: now for Kafka, 2026-01-01T00:00:00Z for stdout]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Timestamp>,

    /// Events a second at most [default: as fast as possible]
    #[arg(long, value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,

    /// Go on after the span, with so many events a second on average, each when its time comes,
    /// until interrupted; a topic that holds records gets no other history
    #[arg(long, value_name = "R", value_parser = live_rate, conflicts_with_all = ["rate", "until"])]
    pub live: Option<f64>,

    /// Where the events go
    #[arg(long, value_enum, default_value_t)]
    pub to: Target,

    #[command(flatten)]
    pub kafka: KafkaArgs,
}

/// Where generated events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Target {
    /// One JSON object a line
    #[default]
    Stdout,
    /// Keyed by customer, with the arrival as timestamp
    Kafka,
}

/// Arguments that only matter with `--to kafka`.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "With --to kafka")]
pub struct KafkaArgs {
    /// Brokers to begin with, comma-separated
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092")]
    pub bootstrap_servers: String,

    /// Topic to fill
    #[arg(long, default_value = "customer-events")]
    pub topic: String,

    /// Create the topic if it does not exist, keeping its records for ever
    #[arg(long)]
    pub create_topic: bool,

    /// Partitions of a topic that is created
    #[arg(long, value_name = "N", default_value_t = 6, requires = "create_topic",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub partitions: u32,

    /// A property of the Kafka client (librdkafka); may be repeated
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = property)]
    pub properties: Vec<(String, String)>,
}

impl std::fmt::Debug for KafkaArgs {
    /// Properties may hold secrets: only their names are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("KafkaArgs")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("topic", &self.topic)
            .field("create_topic", &self.create_topic)
            .field("partitions", &self.partitions)
            .field("properties", &names)
            .finish()
    }
}

impl GenerateArgs {
    fn settings(&self) -> GeneratorSettings {
        GeneratorSettings {
            customers: self.customers,
            days: self.days,
            seed: self.seed,
            until: self.until.unwrap_or_else(|| match (self.to, self.live) {
                (Target::Stdout, None) => FIXED_UNTIL,
                (Target::Kafka, _) | (_, Some(_)) => now(),
            }),
            scenario: self.scenario,
            live_rate: self.live,
        }
    }
}

impl KafkaArgs {
    fn settings(&self) -> TopicSettings {
        TopicSettings {
            bootstrap_servers: self.bootstrap_servers.clone(),
            topic: self.topic.clone(),
            create_with_partitions: self.create_topic.then_some(self.partitions),
            properties: self.properties.iter().cloned().collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Why no events were generated, or not all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not generate: {0}")]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("could not watch for interruption: {0}")]
    Signals(io::Error),
}

/// Generates events until the span is over, the reader goes away or the user interrupts; each of
/// these is a success.
///
/// # Errors
/// When an argument is out of its range or the events can't be delivered.
pub fn run(args: &GenerateArgs) -> Result<(), Error> {
    let settings = args.settings();
    let (since, until) = (settings.since(), settings.until);
    eprintln!("generating {since} to {until} (--until {until})");
    let interrupted = watch_for_interruption().map_err(Error::Signals)?;
    let started = Instant::now();
    let generator = Generator::new(settings)?;
    let mut left_out_before = None;
    let sink: Box<dyn Sink> = match args.to {
        Target::Stdout => Box::new(Lines::new(standard_output()?)),
        Target::Kafka => {
            let topic = Topic::open(&args.kafka.settings())?;
            if args.live.is_some() && topic.holds_records()? {
                eprintln!("the topic has a history already: only what comes now is sent");
                left_out_before = Some(until);
            }
            Box::new(topic)
        }
    };
    let mut run = Run {
        generator,
        sink,
        left_out_before,
        turn: Turn::of(args),
        interrupted,
        tally: Tally::default(),
        progress: Progress::new(&settings, args.to),
    };
    let ended = run.send_all().and_then(|()| run.sink.finish());
    run.progress.bar.finish_and_clear();
    eprintln!("{}", run.tally.summary(started.elapsed()));
    match ended {
        Err(SinkError::Closed) => Ok(()),
        ended => Ok(ended?),
    }
}

/// What a run needs on its way.
struct Run {
    generator: Generator,
    sink: Box<dyn Sink>,
    /// Records that arrive before this are generated, since later ones rest on them, but not sent.
    left_out_before: Option<Timestamp>,
    turn: Turn,
    interrupted: Arc<AtomicBool>,
    tally: Tally,
    progress: Progress,
}

/// When a record is due.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// As soon as the one before it is sent.
    AtOnce,
    /// So that a rate is kept.
    Paced(Pace),
    /// When the clock reaches its arrival.
    OnTime,
}

impl Turn {
    fn of(args: &GenerateArgs) -> Self {
        match (args.live, args.rate.and_then(Pace::new)) {
            (Some(_), _) => Self::OnTime,
            (None, Some(pace)) => Self::Paced(pace),
            (None, None) => Self::AtOnce,
        }
    }

    /// How long a record still has to wait, when so many were sent in the time elapsed.
    fn wait(self, record: &Record, sent: u64, elapsed: Duration) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Paced(pace) => pace.wait(sent, elapsed),
            Self::OnTime => {
                let millis = record.arrives_at.as_millis() - now().as_millis();
                Duration::from_millis(u64::try_from(millis).unwrap_or(0))
            }
        }
    }
}

impl Run {
    fn send_all(&mut self) -> Result<(), SinkError> {
        let started = Instant::now();
        let mut record = Record::buffer();
        while self.generator.next_into(&mut record) {
            if self
                .left_out_before
                .is_some_and(|time| record.arrives_at < time)
            {
                continue;
            }
            if !self.wait_for_turn(&record, started)? {
                return Ok(());
            }
            self.sink.send(&record)?;
            self.tally.add(&record);
            if self.tally.events().is_multiple_of(LOOK_AROUND_EVERY) {
                self.progress.show(record.arrives_at);
            }
        }
        Ok(())
    }

    /// Waits until the record is due; false when interrupted.
    fn wait_for_turn(&mut self, record: &Record, started: Instant) -> Result<bool, SinkError> {
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let sent = self.tally.events();
            let wait = self.turn.wait(record, sent, started.elapsed());
            // Below a millisecond sleeping costs more than it paces.
            if wait < Duration::from_millis(1) {
                return Ok(true);
            }
            self.sink.flush()?;
            std::thread::sleep(wait.min(LOOK_AROUND));
        }
    }
}

/// How far the span is told, on a terminal.
struct Progress {
    bar: ProgressBar,
    since: i64,
    millis: i64,
}

impl Progress {
    fn new(settings: &GeneratorSettings, to: Target) -> Self {
        let (since, until) = (settings.since().as_millis(), settings.until.as_millis());
        // Events on the same terminal would be torn apart by the bar.
        let hidden = to == Target::Stdout && io::stdout().is_terminal();
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(STEPS as u64), target).with_style(style);
        Self {
            bar,
            since,
            millis: until - since,
        }
    }

    fn show(&self, at: Timestamp) {
        if self.bar.is_hidden() {
            return;
        }
        let steps = (at.as_millis() - self.since) * STEPS / self.millis;
        self.bar.set_position(steps.unsigned_abs());
        self.bar.set_message(at.to_string());
    }
}

/// Standard output without the line buffering of the standard library.
fn standard_output() -> Result<File, SinkError> {
    let owned = io::stdout().as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(SinkError::Write)
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text)
        .ok_or_else(|| "an RFC 3339 time is expected, like 2026-01-01T00:00:00Z".into())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| Pace::new(*rate).is_some())
        .ok_or_else(|| "a number of events a second above 0 is expected".into())
}

/// What the generator takes as the rate of its live part.
fn live_rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| *rate > 0.0 && *rate <= 10_000.0)
        .ok_or_else(|| "a number of events a second above 0 and up to 10000 is expected".into())
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("NAME=VALUE is expected".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    enum Program {
        Generate(GenerateArgs),
    }

    fn parse(line: &str) -> Result<GenerateArgs, clap::Error> {
        let Program::Generate(args) = Program::try_parse_from(line.split_whitespace())?;
        Ok(args)
    }

    #[test]
    fn every_example_of_the_help_is_accepted() {
        let joined = EXAMPLES.replace("\\\n", " ");
        let mut count = 0;
        for line in joined
            .lines()
            .filter(|line| line.starts_with("  tenure generate"))
        {
            let command = line.split(['>', '|']).next().unwrap_or_default();
            assert!(parse(command).is_ok(), "{command}");
            count += 1;
        }
        assert_eq!(count, 5);
    }

    #[test]
    fn arguments_are_read_or_refused() {
        let args = parse("tenure generate --to kafka --property a=b=c --property d= --rate 0.5");
        let args = args.expect("valid arguments");
        let properties = [("a".into(), "b=c".into()), ("d".into(), String::new())];
        assert_eq!(args.kafka.properties, properties);
        assert_eq!(args.rate, Some(0.5));
        assert!(!format!("{args:?}").contains("b=c"));
        for wrong in [
            "--rate 0",
            "--rate nan",
            "--live 0",
            "--live 10001",
            "--live 5 --rate 5",
            "--live 5 --until 2026-01-01T00:00:00Z",
            "--until 2026-01-01",
            "--property =x",
            "--property x",
            "--partitions 3",
            "--partitions 0 --create-topic",
            "--customers -1",
            "--scenario calm",
            "--to file",
        ] {
            assert!(
                parse(&format!("tenure generate {wrong}")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_fixed_end_is_the_documented_one() {
        assert_eq!(FIXED_UNTIL.to_string(), "2026-01-01T00:00:00.000Z");
        assert!(EXAMPLES.is_ascii() && NOTES.is_ascii());
    }
}
