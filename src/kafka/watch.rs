//! The watch: asks the brokers what partitions there are, where they end, and whether their topics
//! are still the same.
//!
//! Runs on a thread of its own, so that a silent broker never holds up the reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::kafka::client::{Consumer, failure};
use crate::kafka::identity::Identity;
use crate::kafka::progress::{Progress, Start};
use crate::kafka::{Place, now};
use crate::telemetry::{Failure, Telemetry};

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked at what was committed; the reader commits as often.
const COMMITTED_EVERY: Duration = Duration::from_secs(5);
const METADATA_EVERY: Duration = Duration::from_secs(30);
/// Numbers of a topic that was made anew are wrong for so long at most.
const IDENTITY_EVERY: Duration = Duration::from_secs(2);
/// How soon a stop is noticed.
const NAP: Duration = Duration::from_millis(20);

/// Asks for ends and metadata until told to stop.
pub struct Watch {
    pub consumer: Arc<Consumer>,
    pub topics: Vec<String>,
    pub telemetry: Arc<Telemetry>,
    pub progress: Arc<Progress>,
    pub identity: Arc<Identity>,
    /// How often ends are asked for.
    pub interval: Duration,
    /// Set once the topics no longer have the partitions that are read.
    pub repartitioned: Arc<AtomicBool>,
}

/// Why a topic cannot be read as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("topic `{topic}` does not exist")]
    Missing { topic: String },
    #[error(
        "topics have different numbers of partitions ({listing}), so one customer's events cannot \
         be in partitions of one number: give them the same number and key them alike, or read one \
         topic that holds all events"
    )]
    NotCopartitioned { listing: String },
    #[error("{0}")]
    Client(String),
}

impl Watch {
    /// Waits until the topics exist and answers with each partition's bounds; nothing if stopped.
    #[must_use]
    pub fn starts(&self, stop: &AtomicBool) -> Option<Vec<Start>> {
        let mut complained_at: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            match starts(&self.consumer, &self.topics) {
                Ok(starts) => {
                    self.telemetry.kafka.up.set(1);
                    self.count_partitions(&starts);
                    return Some(starts);
                }
                Err(error) => {
                    self.telemetry
                        .kafka
                        .up
                        .set(i64::from(!matches!(error, Unreadable::Client(_))));
                    if complained_at.is_none_or(|at| at.elapsed() > METADATA_EVERY) {
                        complained_at = Some(Instant::now());
                        tracing::warn!(%error, "cannot read yet, trying again");
                    }
                }
            }
            nap(Duration::from_secs(1), stop);
        }
        None
    }

    /// Keeps asking until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        let (mut metadata_at, mut identity_at) = (Instant::now(), Instant::now());
        let (mut committed_at, mut commits_work) = (Instant::now(), true);
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let answer = self.ask_for_ends();
            // That a topic is not there is an answer too.
            let answers = answer
                .as_ref()
                .map_or_else(|error| failure(error) == Failure::UnknownTopic, |()| true);
            self.telemetry.kafka.up.set(i64::from(answers));
            if let Err(error) = answer {
                self.consumer.context().failed(&error);
            }
            if identity_at.elapsed() > IDENTITY_EVERY {
                identity_at = Instant::now();
                // What is found is noted where everybody looks.
                let _ = self.identity.check(&self.progress);
            } else if metadata_at.elapsed() > METADATA_EVERY {
                metadata_at = Instant::now();
                self.check_partitions();
            } else if committed_at.elapsed() > COMMITTED_EVERY {
                committed_at = Instant::now();
                commits_work = self.look_at_commits(commits_work);
            }
            // Never busy for more than a quarter of the time, however many partitions there are.
            nap(self.interval.max(asked.elapsed() * 3), stop);
        }
    }

    fn ask_for_ends(&self) -> Result<(), KafkaError> {
        let places: Vec<Place> = self
            .progress
            .positions()
            .into_iter()
            .map(|(place, _)| place)
            .collect();
        let mut list = TopicPartitionList::new();
        for place in &places {
            list.add_partition_offset(&self.topics[place.topic], place.partition, Offset::End)?;
        }
        let asked_at = now();
        // The instant "end" makes the question the same as one for the high watermark, but for all
        // partitions at once.
        let ends = self.consumer.offsets_for_times(list, PATIENCE)?;
        for element in ends.elements() {
            element.error()?;
            let topic = self
                .topics
                .iter()
                .position(|topic| topic == element.topic());
            if let (Some(topic), Offset::Offset(end)) = (topic, element.offset()) {
                let place = Place {
                    topic,
                    partition: element.partition(),
                };
                self.progress.ends_at(place, end, asked_at);
            }
        }
        Ok(())
    }

    /// What the brokers have as committed; answers whether they say so. The client itself does not
    /// tell the outcome of a commit that nobody waits for.
    fn look_at_commits(&self, worked: bool) -> bool {
        let mut list = TopicPartitionList::new();
        for (place, _) in self.progress.positions() {
            list.add_partition(&self.topics[place.topic], place.partition);
        }
        let committed = match self.consumer.committed_offsets(list, PATIENCE) {
            Ok(committed) => committed,
            Err(error) => {
                self.telemetry.errors.of(Failure::Commit).inc();
                if worked {
                    tracing::warn!(
                        %error,
                        "positions cannot be committed, which matters to lag tools alone"
                    );
                }
                return false;
            }
        };
        for element in committed.elements() {
            let topic = self
                .topics
                .iter()
                .position(|topic| topic == element.topic());
            if let (Some(topic), Offset::Offset(offset)) = (topic, element.offset()) {
                let place = Place {
                    topic,
                    partition: element.partition(),
                };
                self.progress.committed(place, offset, now());
            }
        }
        true
    }

    fn count_partitions(&self, starts: &[Start]) {
        for (topic, name) in self.topics.iter().enumerate() {
            let count = starts
                .iter()
                .filter(|start| start.place.topic == topic)
                .count();
            self.telemetry
                .kafka
                .topic(name)
                .partitions
                .set(count as i64);
        }
    }

    /// Other partitions than those that are read mean that keys moved: customers may be split.
    fn check_partitions(&self) {
        let Ok(counts) = partition_counts(&self.consumer, &self.topics) else {
            return;
        };
        let read = self.progress.positions();
        let there_are = counts
            .iter()
            .map(|count| usize::try_from(*count).unwrap_or(0))
            .sum();
        self.progress.partitions_there_are(there_are);
        for (topic, (name, count)) in self.topics.iter().zip(counts).enumerate() {
            self.telemetry
                .kafka
                .topic(name)
                .partitions
                .set(i64::from(count));
            let expected = read
                .iter()
                .filter(|(place, _)| place.topic == topic)
                .count();
            let changed = usize::try_from(count).unwrap_or(0) != expected;
            if changed {
                self.telemetry.durability.rekey_suspected.set(1);
            }
            if changed && !self.repartitioned.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    topic = name,
                    partitions = count,
                    read = expected,
                    "the topic's number of partitions changed: its keys are spread anew, so the \
                     numbers are withheld; restart to read all partitions"
                );
            }
        }
    }
}

/// The bounds of every partition of the topics.
///
/// # Errors
/// If a topic is missing, if the topics have different numbers of partitions, or if no broker
/// answers.
pub fn starts(consumer: &Consumer, topics: &[String]) -> Result<Vec<Start>, Unreadable> {
    let counts = partition_counts(consumer, topics)?;
    if counts.iter().any(|count| *count != counts[0]) {
        let listing: Vec<String> = topics
            .iter()
            .zip(&counts)
            .map(|(topic, count)| format!("{topic}: {count}"))
            .collect();
        return Err(Unreadable::NotCopartitioned {
            listing: listing.join(", "),
        });
    }
    bounds(consumer, topics, counts)
}

/// The same of topics that need not have anything to do with each other, as a router reads them.
///
/// # Errors
/// If a topic is missing, or if no broker answers.
pub fn starts_of_any(consumer: &Consumer, topics: &[String]) -> Result<Vec<Start>, Unreadable> {
    bounds(consumer, topics, partition_counts(consumer, topics)?)
}

fn bounds(
    consumer: &Consumer,
    topics: &[String],
    counts: Vec<i32>,
) -> Result<Vec<Start>, Unreadable> {
    let client = |error: KafkaError| Unreadable::Client(error.to_string());
    let mut starts = Vec::new();
    for (topic, (name, count)) in topics.iter().zip(counts).enumerate() {
        for partition in 0..count {
            let (first_offset, end_offset) = consumer
                .fetch_watermarks(name, partition, PATIENCE)
                .map_err(client)?;
            let place = Place { topic, partition };
            starts.push(Start {
                place,
                topic: name.as_str().into(),
                first_offset,
                end_offset,
            });
        }
    }
    Ok(starts)
}

fn partition_counts(consumer: &Consumer, topics: &[String]) -> Result<Vec<i32>, Unreadable> {
    let count = |name: &String| {
        let metadata = consumer
            .fetch_metadata(Some(name), PATIENCE)
            .map_err(|error| Unreadable::Client(error.to_string()))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        match topic {
            Some(topic) if topic.error().is_none() && !topic.partitions().is_empty() => {
                Ok(i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX))
            }
            _ => Err(Unreadable::Missing {
                topic: name.clone(),
            }),
        }
    };
    topics.iter().map(count).collect()
}

fn nap(length: Duration, stop: &AtomicBool) {
    let until = Instant::now() + length;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(NAP.min(length));
    }
}
