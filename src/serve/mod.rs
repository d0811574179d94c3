//! The HTTP endpoint: the metrics page, health, readiness, the API, and the console for people.
//!
//! Owns the text formats, their negotiation, who is let in, and the accept loop with its limits. Promises that a
//! page is always of one immutable report, that scrapes never wait for an evaluation or for each
//! other, that the endpoint answers without Kafka and before the first report, and that nothing a
//! client sends comes back in an answer. Does not know how reports are made, nor Kafka.

pub mod access;
pub mod api;
pub mod exposition;
pub mod http;
pub mod negotiation;
pub mod page;
pub mod peers;
pub mod readiness;

mod connection;
mod console;

use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};

use crate::event::Timestamp;
use crate::measure::report::Report;
use crate::serve::exposition::Format;
use crate::serve::readiness::Readiness;
use crate::telemetry::partition::PartitionStatus;

/// Where the endpoint gets what it shows. Every answer is a snapshot and comes at once.
pub trait Source: Send + Sync + 'static {
    /// The latest report, once there is one.
    fn published(&self) -> Option<Arc<Published>>;

    /// Each partition owned by this instance, ordered by topic and partition.
    fn partitions(&self) -> Vec<PartitionStatus>;

    /// Whether the page is complete, and what it waits for.
    fn readiness(&self) -> Readiness;

    /// Whether every thread that must run does; independent of Kafka.
    fn alive(&self) -> bool;

    /// The instances that share the work; nothing where this one does not tell others of its part.
    fn sharing(&self) -> Option<Sharing> {
        None
    }
}

/// What is known of the instances that share the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharing {
    /// What this one is called by the others.
    pub instance: String,
    /// Whether everything is heard that was in the report topic at the start.
    pub caught_up: bool,
    /// How many partitions there are to share, as far as anybody knows.
    pub partitions: Option<i32>,
    /// Those that were heard of, this one among them, by name.
    pub instances: Vec<Instance>,
}

/// An instance as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub name: String,
    /// Where it answers questions of others.
    pub address: String,
    /// When the brokers had its word last.
    pub heard_at: Timestamp,
    /// The partitions that it owns, ascending.
    pub partitions: Vec<i32>,
    /// Those of them whose numbers would be wrong, ascending.
    pub degraded: Vec<i32>,
    /// The instant up to which all of them are complete; nothing while that of one is unknown, and for
    /// an instance that owns none.
    pub complete_until: Option<Timestamp>,
}

/// A report as it is served: with what goes with it, and its text once a scrape has asked for it.
///
/// A withheld report is one whose families have no samples.
#[derive(Debug)]
pub struct Published {
    pub report: Arc<Report>,
    /// Share of the partitions that are in the report, 0 to 1.
    pub coverage: f64,
    /// From when on every event is kept one by one; `None` while nothing was pruned or read.
    pub history_start: Option<Timestamp>,
    /// What part of the log is in the report; empty where nothing was evaluated.
    pub basis: Basis,
    text_004: OnceLock<String>,
    openmetrics_100: OnceLock<String>,
}

impl Published {
    #[must_use]
    pub fn new(report: Arc<Report>, coverage: f64, history_start: Option<Timestamp>) -> Self {
        Self {
            report,
            coverage,
            history_start,
            basis: Basis::default(),
            text_004: OnceLock::new(),
            openmetrics_100: OnceLock::new(),
        }
    }

    /// The same, and what part of the log is in it.
    #[must_use]
    pub fn resting_on(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    /// The part of the page that is the report's, written at the first call for each format.
    fn text(&self, format: Format) -> &str {
        let cell = match format {
            Format::Text004 => &self.text_004,
            Format::OpenMetrics100 => &self.openmetrics_100,
        };
        cell.get_or_init(|| page::published(self, format))
    }
}

/// The part of the log that is in an answer: whoever reads exactly this part gets the same numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// By topic and partition.
    pub positions: Vec<LogPosition>,
    /// By partition number.
    pub digests: Vec<ShardDigest>,
}

/// The records of one partition that are in an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LogPosition {
    #[serde(serialize_with = "text")]
    pub topic: Arc<str>,
    pub partition: i32,
    /// The first offset that is in it.
    pub base_offset: i64,
    /// The first offset that is not in it any more.
    pub next_offset: i64,
}

/// The digest of the facts of one partition number, of all topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ShardDigest {
    pub partition: i32,
    /// As 32 hexadecimal digits.
    #[serde(serialize_with = "hexadecimal")]
    pub digest: u128,
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn hexadecimal<S: Serializer>(digest: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{digest:032x}"))
}
