//! The topics of the configuration, as a command reads them: once, up to the ends they have now.
//!
//! Owns the way from a failure of Kafka to an exit code, and the bar that shows how far reading is.
//! Promises that a partition is read as a service would: from its first record, or from where a state
//! ends. Knows nothing of what is made of the records.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer as _;

use crate::command::Failure;
use crate::config::{KafkaSettings, Settings};
use crate::event::record::Record;
use crate::kafka::Place;
use crate::kafka::client::configuration;
use crate::kafka::progress::Start;
use crate::kafka::range::{Range, RangeError, Ranges};
use crate::kafka::watch::Unreadable;

/// How long the brokers may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// Records between two steps of the bar.
const STEP: u64 = 4096;

/// The topics with the bounds that they had when they were opened.
pub struct Topics {
    ranges: Ranges,
    starts: Vec<Start>,
    bar: ProgressBar,
}

impl Topics {
    /// Asks the brokers what there is.
    ///
    /// # Errors
    /// If they do not answer, or a topic cannot be read as it is configured.
    pub fn open(settings: &Settings) -> Result<Self, Failure> {
        let ranges = Ranges::new(&settings.kafka, SILENCE)
            .map_err(|error| Failure::configuration(format!("kafka.properties: {error}")))?
            .with_headers(settings.topics_with_envelopes());
        let servers = &settings.kafka.bootstrap_servers;
        if let Err(error) = ranges.consumer().fetch_metadata(None, PATIENCE) {
            return Err(Failure::unavailable(format!(
                "no broker answers at {servers}: {error}; check kafka.bootstrap_servers and, for TLS \
                 or SASL, kafka.properties"
            )));
        }
        let starts = ranges.starts().map_err(|error| match error {
            Unreadable::NotCopartitioned { .. } => Failure::configuration(error.to_string()),
            Unreadable::Missing { .. } | Unreadable::Client(_) => Failure::unavailable(format!(
                "{error}; check kafka.topics and the permission to READ"
            )),
        })?;
        Ok(Self {
            ranges,
            starts,
            bar: ProgressBar::hidden(),
        })
    }

    /// Shows on a terminal how far reading so many offsets is.
    pub fn show_progress(&mut self, offsets: i64) {
        if io::stderr().is_terminal() {
            let style = "{bar:40} {pos}/{len} records  {per_sec}  {eta} left";
            let style = ProgressStyle::with_template(style);
            self.bar = ProgressBar::new(offsets.unsigned_abs())
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
    }

    /// How many partitions each topic has.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        let numbers = self.starts.iter().map(|start| start.place.partition + 1);
        numbers.max().unwrap_or(0)
    }

    /// The bounds of one partition number in all topics, in the order of the configuration.
    pub fn starts_of(&self, partition: i32) -> impl Iterator<Item = &Start> {
        let of_partition = move |start: &&Start| start.place.partition == partition;
        self.starts.iter().filter(of_partition)
    }

    /// The bounds of a place, if there is such a partition.
    #[must_use]
    pub fn start(&self, place: Place) -> Option<&Start> {
        self.starts.iter().find(|start| start.place == place)
    }

    /// Offsets from the first to the end, over all partitions.
    #[must_use]
    pub fn offsets(&self) -> i64 {
        let lengths = self.starts.iter();
        lengths
            .map(|start| start.end_offset - start.first_offset)
            .sum()
    }

    /// Hands on each record of a range; answers how many there were.
    ///
    /// # Errors
    /// As [`Ranges::read`].
    pub fn read(&self, range: Range, each: &mut dyn FnMut(Record<'_>)) -> Result<u64, RangeError> {
        let (mut records, mut shown) = (0_u64, range.from);
        self.ranges.read(range, &mut |record| {
            records += 1;
            if records.is_multiple_of(STEP) {
                self.bar.inc(record.offset.abs_diff(shown));
                shown = record.offset;
            }
            each(record);
        })?;
        self.bar.inc(range.until.abs_diff(shown));
        Ok(records)
    }

    /// Does something that writes to the terminal, too.
    pub fn beside_the_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What a range that was not read means for a command that needs it.
#[must_use]
pub fn failed(error: &RangeError) -> Failure {
    match error {
        RangeError::Silent { .. } | RangeError::Client(_) => {
            Failure::unavailable(error.to_string())
        }
        RangeError::Gone { .. } | RangeError::Short { .. } | RangeError::Damaged { .. } => {
            Failure::work(error.to_string())
        }
    }
}

/// Names and values of a topic's own configuration.
pub type Entries = Vec<(String, Option<String>)>;

/// The configuration of each of these topics, where it may be read.
#[must_use]
pub fn describe(settings: &KafkaSettings, topics: &[String]) -> Vec<Option<Entries>> {
    let nothing = || topics.iter().map(|_| None).collect();
    let admin: Result<AdminClient<DefaultClientContext>, _> = configuration(settings).create();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (Ok(admin), Ok(runtime)) = (admin, runtime) else {
        return nothing();
    };
    let resources: Vec<ResourceSpecifier<'_>> = topics
        .iter()
        .map(|topic| ResourceSpecifier::Topic(topic))
        .collect();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let answers = runtime.block_on(admin.describe_configs(&resources, &options));
    let Ok(answers) = answers else {
        return nothing();
    };
    answers
        .into_iter()
        .map(|answer| {
            let entries = answer.ok()?.entries.into_iter();
            Some(entries.map(|entry| (entry.name, entry.value)).collect())
        })
        .collect()
}
