//! The watch: asks the brokers what partitions there are, where they end, and whether their topics
//! are still the same.
//!
//! Runs on a thread of its own, so that a silent broker never holds up the reader.

use std::collections::BTreeSet;
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
    /// Set while the topics have different numbers of partitions.
    pub repartitioned: Arc<AtomicBool>,
    /// Is told when the topics have more partitions than before: how many, and how many there were.
    pub grown: Box<dyn Fn(i32, i32) + Send + Sync>,
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
            } else if metadata_at.elapsed() > METADATA_EVERY || self.progress.is_to_be_counted() {
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
        if places.is_empty() {
            // Whether the brokers answer is still to be known.
            return self
                .consumer
                .fetch_metadata(self.topics.first().map(String::as_str), PATIENCE)
                .map(|_| ());
        }
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
        if list.count() == 0 {
            return worked;
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

    /// The bounds of the partitions with these numbers, asked for until there is an answer; nothing if
    /// stopped.
    #[must_use]
    pub fn starts_of(&self, numbers: &BTreeSet<i32>, stop: &AtomicBool) -> Option<Vec<Start>> {
        let mut complained_at: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            match bounds_of(&self.consumer, &self.topics, numbers) {
                Ok(starts) => return Some(starts),
                Err(error) => {
                    if complained_at.is_none_or(|at| at.elapsed() > METADATA_EVERY) {
                        complained_at = Some(Instant::now());
                        tracing::warn!(%error, "cannot read new partitions yet, trying again");
                    }
                }
            }
            nap(Duration::from_millis(500), stop);
        }
        None
    }

    fn count_partitions(&self, starts: &[Start]) {
        self.progress.partitions_there_are(starts.len());
        let numbers: BTreeSet<i32> = starts.iter().map(|start| start.place.partition).collect();
        let numbers = i32::try_from(numbers.len()).unwrap_or(i32::MAX);
        self.progress.partition_numbers_are(numbers);
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

    /// Other partitions than before mean that keys moved: customers may be split.
    fn check_partitions(&self) {
        let Ok(counts) = partition_counts(&self.consumer, &self.topics) else {
            return;
        };
        for (name, count) in self.topics.iter().zip(&counts) {
            let of_topic = self.telemetry.kafka.topic(name);
            of_topic.partitions.set(i64::from(*count));
        }
        let together = counts
            .iter()
            .map(|count| usize::try_from(*count).unwrap_or(0));
        self.progress.partitions_there_are(together.sum());
        let (before, now) = (self.progress.partition_numbers(), counts[0]);
        let alike = counts.iter().all(|count| *count == now);
        // Fewer are another topic of the same name, which is found out elsewhere.
        let wrong = !alike || now < before;
        if wrong != self.repartitioned.swap(wrong, Ordering::Relaxed) && wrong {
            tracing::error!(
                partitions = listing(&self.topics, &counts),
                before,
                "the topics no longer have the same number of partitions: the numbers are withheld \
                 until they have"
            );
        }
        if !wrong && now > before {
            tracing::error!(
                partitions = now,
                before,
                "the topics have more partitions than before, so that keys are spread anew and \
                 customers may be in two of them: customer measures are withheld \
                 (tenure_rekey_suspected); see \"More partitions\" in docs/instances.md"
            );
            self.progress.partition_numbers_are(now);
            (self.grown)(now, before);
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
        return Err(Unreadable::NotCopartitioned {
            listing: listing(topics, &counts),
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

/// The bounds of the partitions with these numbers, of each topic.
///
/// # Errors
/// If no broker answers.
pub fn bounds_of(
    consumer: &Consumer,
    topics: &[String],
    numbers: &BTreeSet<i32>,
) -> Result<Vec<Start>, Unreadable> {
    let places = (0..topics.len())
        .flat_map(|topic| (numbers.iter()).map(move |&partition| Place { topic, partition }));
    places
        .map(|place| bounds_at(consumer, topics, place))
        .collect()
}

fn bounds(
    consumer: &Consumer,
    topics: &[String],
    counts: Vec<i32>,
) -> Result<Vec<Start>, Unreadable> {
    let places = counts
        .into_iter()
        .enumerate()
        .flat_map(|(topic, count)| (0..count).map(move |partition| Place { topic, partition }));
    places
        .map(|place| bounds_at(consumer, topics, place))
        .collect()
}

fn bounds_at(consumer: &Consumer, topics: &[String], place: Place) -> Result<Start, Unreadable> {
    let topic = &topics[place.topic];
    let bounds = consumer.fetch_watermarks(topic, place.partition, PATIENCE);
    let (first_offset, end_offset) =
        bounds.map_err(|error| Unreadable::Client(error.to_string()))?;
    Ok(Start {
        place,
        topic: topic.as_str().into(),
        first_offset,
        end_offset,
    })
}

fn listing(topics: &[String], counts: &[i32]) -> String {
    let listing = topics.iter().zip(counts);
    let listing: Vec<String> = listing
        .map(|(topic, count)| format!("{topic}: {count}"))
        .collect();
    listing.join(", ")
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
