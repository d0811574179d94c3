//! Opening: the letters of the dead-letter topic, read from its beginning to its end.
//!
//! The end is that of the moment at which reading begins, so it comes even while letters are written.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tenure_librdkafka::each_header;

use crate::event::Timestamp;
use crate::kafka::client::{Consumer, failure};
use crate::kafka::letters::{Header, Origin};
use crate::telemetry::Failure;

/// How long the brokers may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
/// How long nothing may come before reading is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// A record of the dead-letter topic: the rejected record as it was, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Where the letter is.
    pub partition: i32,
    pub offset: i64,
    pub recorded_at: Option<Timestamp>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Those of the rejected record alone.
    pub headers: Vec<Header>,
    /// Nothing if the record was not written by Tenure.
    pub origin: Option<Origin>,
}

/// The letters could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("topic `{0}` does not exist")]
    Missing(String),
    #[error("the letters could not be read: {0}")]
    Client(#[from] KafkaError),
    #[error("nothing came for {} seconds, with {left} partitions not read to their end", SILENCE.as_secs())]
    Silence { left: usize },
}

/// The partitions of the topic, each with what is to be read of it.
pub struct Letters<'a> {
    consumer: &'a Consumer,
    topic: &'a str,
    /// Next offset and end, by partition; those that are read to their end are gone.
    left: BTreeMap<i32, (i64, i64)>,
}

impl<'a> Letters<'a> {
    /// Looks at where the topic begins and ends now.
    ///
    /// # Errors
    /// If there is no such topic, or if no broker answers.
    pub fn find(consumer: &'a Consumer, topic: &'a str) -> Result<Self, Unreadable> {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let partitions = found
            .filter(|found| found.error().is_none() && !found.partitions().is_empty())
            .ok_or_else(|| Unreadable::Missing(topic.to_owned()))?
            .partitions();
        let mut left = BTreeMap::new();
        for partition in partitions {
            let number = partition.id();
            let (low, high) = consumer.fetch_watermarks(topic, number, PATIENCE)?;
            if low < high {
                left.insert(number, (low, high));
            }
        }
        Ok(Self {
            consumer,
            topic,
            left,
        })
    }

    /// About how many letters there are: compaction and transactions leave gaps.
    #[must_use]
    pub fn about(&self) -> u64 {
        self.left
            .values()
            .map(|(low, high)| (high - low).unsigned_abs())
            .sum()
    }

    /// Calls `take` with each letter, in the order of each partition, until it breaks or all are
    /// read.
    ///
    /// # Errors
    /// If the brokers refuse, or fall silent.
    pub fn read(
        mut self,
        mut take: impl FnMut(Opened) -> ControlFlow<()>,
    ) -> Result<(), Unreadable> {
        let mut list = TopicPartitionList::new();
        for (partition, (low, _)) in &self.left {
            list.add_partition_offset(self.topic, *partition, Offset::Offset(*low))?;
        }
        self.consumer.assign(&list)?;
        let mut heard = Instant::now();
        while !self.left.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(mut message)) => {
                    heard = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    let end = self.left.get(&partition).map(|(_, end)| *end);
                    if end.is_some_and(|end| offset < end) && take(open(&mut message)).is_break() {
                        return Ok(());
                    }
                    self.reached(partition, offset + 1);
                }
                Some(Err(error)) => match failure(&error) {
                    Failure::Authorization
                    | Failure::Authentication
                    | Failure::Fatal
                    | Failure::OffsetOutOfRange
                    | Failure::BadMessage => return Err(error.into()),
                    _ => {}
                },
                // What the end of a transaction left behind is no record.
                None => self.look_at_positions()?,
            }
            if heard.elapsed() > SILENCE {
                return Err(Unreadable::Silence {
                    left: self.left.len(),
                });
            }
        }
        Ok(())
    }

    fn look_at_positions(&mut self) -> Result<(), Unreadable> {
        for element in self.consumer.position()?.elements() {
            if let Offset::Offset(next) = element.offset() {
                self.reached(element.partition(), next);
            }
        }
        Ok(())
    }

    fn reached(&mut self, partition: i32, next: i64) {
        if self
            .left
            .get(&partition)
            .is_some_and(|(_, end)| next >= *end)
        {
            self.left.remove(&partition);
        }
    }
}

fn open(message: &mut BorrowedMessage<'_>) -> Opened {
    let mut headers = Vec::new();
    let readable = each_header(message, |name, value| {
        headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
    });
    // What is no headers cannot be ours.
    let origin = readable.ok().and_then(|()| Origin::take_from(&mut headers));
    let millis = message
        .timestamp()
        .to_millis()
        .filter(|millis| *millis >= 0);
    Opened {
        partition: message.partition(),
        offset: message.offset(),
        recorded_at: millis.map(Timestamp::from_millis),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
        origin,
    }
}
