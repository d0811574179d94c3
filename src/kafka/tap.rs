//! The tap: records as they are in the topics, for people who look on.
//!
//! Has a client of its own that joins no group and commits nothing, so it disturbs nobody who reads.
//! Takes topics as they are, of any numbers of partitions. Unlike the reader it may lose records
//! without a word, when the log has deleted them before they were asked for.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::metadata::MetadataPartition;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::event::Timestamp;
use crate::event::record::Record;
use crate::kafka::client::{Consumer, Context, configuration, failure};
use crate::kafka::headers::Headers;
use crate::kafka::watch::Unreadable;
use crate::telemetry::{Failure, Telemetry};

/// How long the brokers may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a poll waits, and so how late an end is noticed.
const POLL: Duration = Duration::from_millis(100);

/// From where the topics are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// The first record that each partition has.
    Beginning,
    /// So many of the newest records, shared among the partitions.
    Newest(u64),
    /// The first record that comes.
    End,
    /// This offset of each partition, or the nearest that it has.
    Offset(i64),
}

/// One partition with its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bounds {
    topic: String,
    partition: i32,
    first: i64,
    end: i64,
}

/// A client that looks on.
pub struct Tap {
    consumer: Consumer,
    partitions: Vec<Bounds>,
}

impl Tap {
    /// Asks the brokers which partitions there are and what they hold.
    ///
    /// # Errors
    /// If a topic does not exist, or no broker answers.
    pub fn open(
        settings: &KafkaSettings,
        telemetry: Arc<Telemetry>,
        topics: &[String],
    ) -> Result<Self, Unreadable> {
        let client = |error: KafkaError| Unreadable::Client(error.to_string());
        let mut configuration = configuration(settings);
        // Somebody looks at a few records: what waits in memory is small.
        configuration.set("queued.min.messages", "1000");
        let consumer: Consumer = configuration
            .create_with_context(Context::new(telemetry))
            .map_err(client)?;
        let mut partitions = Vec::new();
        for topic in topics {
            for partition in of_topic(&consumer, topic)? {
                let (first, end) = consumer
                    .fetch_watermarks(topic, partition, PATIENCE)
                    .map_err(client)?;
                partitions.push(Bounds {
                    topic: topic.clone(),
                    partition,
                    first,
                    end,
                });
            }
        }
        Ok(Self {
            consumer,
            partitions,
        })
    }

    /// How many partitions are read.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Hands on records until `each` breaks or `ended` says so, which is asked some ten times a
    /// second.
    ///
    /// # Errors
    /// If the brokers refuse to hand out records.
    pub fn read(
        &self,
        begin: Begin,
        ended: &dyn Fn() -> bool,
        each: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> KafkaResult<()> {
        self.consumer.assign(&self.list(begin)?)?;
        let mut headers = Headers::default();
        while !ended() {
            let message = match self.consumer.poll(POLL) {
                None => continue,
                Some(Ok(message)) => message,
                Some(Err(error)) => match failure(&error) {
                    Failure::Authorization | Failure::Authentication | Failure::Fatal => {
                        return Err(error);
                    }
                    // The client tries again by itself.
                    _ => continue,
                },
            };
            if hand_on(message, &mut headers, each).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn list(&self, begin: Begin) -> KafkaResult<TopicPartitionList> {
        let counts = self.partitions.iter().map(|it| it.end - it.first);
        let most = match begin {
            Begin::Newest(records) => share(counts.collect(), records),
            Begin::Beginning | Begin::End | Begin::Offset(_) => 0,
        };
        let mut list = TopicPartitionList::new();
        for bounds in &self.partitions {
            let offset = match begin {
                Begin::Beginning => bounds.first,
                Begin::Newest(_) => (bounds.end - most).max(bounds.first),
                Begin::End => bounds.end,
                Begin::Offset(offset) => offset.clamp(bounds.first, bounds.end),
            };
            let offset = Offset::Offset(offset);
            list.add_partition_offset(&bounds.topic, bounds.partition, offset)?;
        }
        Ok(list)
    }
}

/// The most records of one partition, so that all together have at least so many if they can.
fn share(mut counts: Vec<i64>, records: u64) -> i64 {
    counts.sort_unstable();
    let mut wanted = i64::try_from(records).unwrap_or(i64::MAX);
    let mut most = 0;
    for (number, count) in counts.iter().enumerate() {
        let left = i64::try_from(counts.len() - number).unwrap_or(i64::MAX);
        most = wanted.div_euclid(left) + i64::from(wanted.rem_euclid(left) > 0);
        if *count > most {
            break;
        }
        wanted -= count;
    }
    most
}

fn of_topic(consumer: &Consumer, topic: &str) -> Result<Vec<i32>, Unreadable> {
    let metadata = consumer
        .fetch_metadata(Some(topic), PATIENCE)
        .map_err(|error| Unreadable::Client(error.to_string()))?;
    let found = metadata.topics().iter().find(|it| it.name() == topic);
    let partitions = found.filter(|it| it.error().is_none() && !it.partitions().is_empty());
    match partitions {
        Some(found) => Ok(found
            .partitions()
            .iter()
            .map(MetadataPartition::id)
            .collect()),
        None => Err(Unreadable::Missing {
            topic: topic.to_owned(),
        }),
    }
}

fn hand_on(
    mut message: BorrowedMessage<'_>,
    headers: &mut Headers,
    each: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    headers.read(&mut message);
    let recorded_at = message.timestamp().to_millis();
    let recorded_at = recorded_at.filter(|millis| *millis >= 0);
    each(Record {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        recorded_at: recorded_at.map(Timestamp::from_millis),
        key: message.key(),
        headers: &headers.list(),
        value: message.payload(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_records_are_shared_among_the_partitions() {
        for (counts, records, expected) in [
            (vec![100, 100], 20, 10),
            (vec![100, 0], 20, 20),
            (vec![3, 100, 0, 100], 20, 9),
            (vec![1, 1], 20, 19),
            (vec![100, 100, 100], 1, 1),
            (vec![], 20, 0),
        ] {
            let most = share(counts.clone(), records);
            assert_eq!(most, expected, "{counts:?}");
            let there: i64 = counts.iter().sum();
            let read: i64 = counts.iter().map(|count| (*count).min(most)).sum();
            assert!(read >= there.min(records as i64), "{counts:?}");
        }
    }
}
