//! Peeking: one record of a log, by its offset.
//!
//! Tells whether a log still holds the record that a state was made of. Has a client of its own, so
//! that it disturbs nobody who reads.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::event::Timestamp;
use crate::kafka::client::{configuration, failure};
use crate::telemetry::Failure;

/// How long a poll waits.
const POLL: Duration = Duration::from_millis(20);

/// A client that looks at single records.
pub struct Peek {
    consumer: BaseConsumer,
}

/// What a log holds at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peeked {
    Record {
        recorded_at: Option<Timestamp>,
        value: Option<Vec<u8>>,
    },
    /// No record has this offset any more: compaction, retention or a marker took its place.
    Gone,
    /// No answer in time.
    Unknown,
}

impl Peek {
    /// A client of its own, with the connection settings of the service.
    ///
    /// # Errors
    /// If the client does not take its configuration.
    pub fn new(settings: &KafkaSettings) -> KafkaResult<Self> {
        let mut configuration = configuration(settings);
        // One record is all that is wanted.
        configuration.set("fetch.message.max.bytes", "4096");
        configuration.set("queued.min.messages", "1");
        configuration.set("fetch.wait.max.ms", "10");
        configuration.create().map(|consumer| Self { consumer })
    }

    /// Looks at the record at an offset of a partition, for so long at most.
    pub fn record(&self, topic: &str, partition: i32, offset: i64, patience: Duration) -> Peeked {
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(topic, partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&list));
        if assigned.is_err() {
            return Peeked::Unknown;
        }
        let until = Instant::now() + patience;
        let peeked = loop {
            if Instant::now() >= until {
                break Peeked::Unknown;
            }
            match self.consumer.poll(POLL) {
                Some(Ok(message)) if message.offset() == offset => {
                    let recorded_at = message
                        .timestamp()
                        .to_millis()
                        .filter(|millis| *millis >= 0);
                    break Peeked::Record {
                        recorded_at: recorded_at.map(Timestamp::from_millis),
                        value: message.payload().map(<[u8]>::to_vec),
                    };
                }
                Some(Ok(_)) => break Peeked::Gone,
                Some(Err(error)) if failure(&error) == Failure::OffsetOutOfRange => {
                    break Peeked::Gone;
                }
                None if self.passed(topic, partition, offset) => break Peeked::Gone,
                // Whatever else it says may pass.
                Some(Err(_)) | None => {}
            }
        };
        // The next look assigns anew; a failure to let go shows there.
        let _ = self.consumer.unassign();
        peeked
    }

    /// Whether the client has gone past the offset without finding a record.
    fn passed(&self, topic: &str, partition: i32, offset: i64) -> bool {
        let Ok(positions) = self.consumer.position() else {
            return false;
        };
        positions
            .find_partition(topic, partition)
            .is_some_and(|element| matches!(element.offset(), Offset::Offset(at) if at > offset))
    }
}
