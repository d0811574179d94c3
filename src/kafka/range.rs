//! A range: a stretch of one partition, read once from its first offset to its end.
//!
//! Owns reading as commands need it. Promises every record of the range in order, each once, or an
//! error that says why not; and an end also where the last offsets hold no records: markers of
//! transactions, records that were aborted or compacted away. It commits nothing, joins no group, and
//! never seeks: offsets are given when a partition is assigned. Does not know what records hold.
//!
//! One partition is read at a time. So a partition that has ended takes no part of what is fetched,
//! and the client's word that a partition has ended, which does not name the topic, can only mean
//! this one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::event::Timestamp;
use crate::event::record::Record;
use crate::kafka::Place;
use crate::kafka::client::{Consumer, Context, configuration, failure};
use crate::kafka::headers::Headers;
use crate::kafka::progress::Start;
use crate::kafka::watch::{Unreadable, starts};
use crate::telemetry::{Failure, Telemetry};

/// How long the brokers may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a poll waits for a record.
const POLL: Duration = Duration::from_millis(100);
/// How often a batch that cannot be read is fetched anew before it counts as damaged.
const ATTEMPTS: u32 = 5;

/// What is to be read: the offsets from `from` up to `until`, without `until` itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub place: Place,
    pub from: i64,
    pub until: i64,
}

/// Why a range was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It will not get better: the log has lost its beginning.
    #[error(
        "{topic} partition {partition} begins at offset {low}: what was at {offset} is no longer there"
    )]
    Gone {
        topic: String,
        partition: i32,
        offset: i64,
        low: i64,
    },
    /// The log is shorter than expected: truncated, or made anew.
    #[error("{topic} partition {partition} ends at offset {high}, before {until}")]
    Short {
        topic: String,
        partition: i32,
        until: i64,
        high: i64,
    },
    /// The brokers hold records that cannot be read.
    #[error("{topic} partition {partition}: the records at offset {offset} are damaged")]
    Damaged {
        topic: String,
        partition: i32,
        offset: i64,
    },
    /// Trying again later may help.
    #[error(
        "{topic} partition {partition}: nothing came for {} s at offset {offset} of {until}{why}",
        waited.as_secs()
    )]
    Silent {
        topic: String,
        partition: i32,
        offset: i64,
        until: i64,
        waited: Duration,
        /// What the client said last, after a colon.
        why: String,
    },
    #[error("{0}")]
    Client(String),
}

/// Reads ranges of the configured topics with a client of its own.
pub struct Ranges {
    consumer: Consumer,
    topics: Vec<String>,
    /// Those topics of which records come with their headers.
    with_headers: Vec<bool>,
    patience: Duration,
}

impl Ranges {
    /// A reader that gives up when nothing has come for `patience`.
    ///
    /// # Errors
    /// If the client refuses its configuration.
    pub fn new(settings: &KafkaSettings, patience: Duration) -> Result<Self, KafkaError> {
        let refused = |error: prometheus::Error| KafkaError::ClientCreation(error.to_string());
        let context = Context::new(Arc::new(Telemetry::new().map_err(refused)?));
        let consumer = configuration(settings)
            // The one way to tell an end behind which only markers lie from a silent broker.
            .set("enable.partition.eof", "true")
            .create_with_context(context)?;
        Ok(Self {
            consumer,
            topics: settings.topics.clone(),
            with_headers: vec![false; settings.topics.len()],
            patience,
        })
    }

    /// The same with the headers of records of those topics, in the order of the configuration, for
    /// which it is wanted. Without them records have none.
    #[must_use]
    pub fn with_headers(self, with_headers: Vec<bool>) -> Self {
        Self {
            with_headers,
            ..self
        }
    }

    /// The client, for questions about brokers and topics.
    #[must_use]
    pub const fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// Where each partition of each topic begins and ends now.
    ///
    /// # Errors
    /// If a topic is missing, if the topics have different numbers of partitions, or if no broker
    /// answers.
    pub fn starts(&self) -> Result<Vec<Start>, Unreadable> {
        starts(&self.consumer, &self.topics)
    }

    /// Hands each record of a range to `each`, in the order of offsets.
    ///
    /// # Errors
    /// If the log does not have all of the range, or the brokers do not hand it out. What was handed
    /// on until then was right.
    pub fn read(&self, range: Range, each: &mut dyn FnMut(Record<'_>)) -> Result<(), RangeError> {
        if range.from >= range.until {
            return Ok(());
        }
        self.check_bounds(range, range.from)?;
        let mut reading = Reading {
            ranges: self,
            range,
            next: range.from,
            heard: Instant::now(),
            attempts: 0,
            said: None,
        };
        let outcome = reading.read(each);
        // Nothing that comes now is wanted; a client that is about to go needs no word.
        let _ = self.consumer.unassign();
        outcome
    }

    /// Whether the log still has everything of a range from an offset on.
    fn check_bounds(&self, range: Range, offset: i64) -> Result<(), RangeError> {
        let topic = &self.topics[range.place.topic];
        let partition = range.place.partition;
        let (low, high) = self
            .consumer
            .fetch_watermarks(topic, partition, PATIENCE)
            .map_err(|error| {
                RangeError::Client(format!("{topic} partition {partition}: {error}"))
            })?;
        if offset < low {
            return Err(RangeError::Gone {
                topic: topic.clone(),
                partition,
                offset,
                low,
            });
        }
        if high < range.until {
            return Err(RangeError::Short {
                topic: topic.clone(),
                partition,
                until: range.until,
                high,
            });
        }
        Ok(())
    }

    fn assign(&self, place: Place, offset: i64) -> Result<(), RangeError> {
        let client = |error: KafkaError| RangeError::Client(error.to_string());
        let mut list = TopicPartitionList::new();
        let topic = &self.topics[place.topic];
        list.add_partition_offset(topic, place.partition, Offset::Offset(offset))
            .map_err(client)?;
        self.consumer.assign(&list).map_err(client)
    }
}

/// A range being read.
struct Reading<'a> {
    ranges: &'a Ranges,
    range: Range,
    /// The first offset that has not been handed on.
    next: i64,
    heard: Instant,
    attempts: u32,
    /// What the client complained of since a record came.
    said: Option<KafkaError>,
}

impl Reading<'_> {
    fn read(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), RangeError> {
        let Range { place, until, .. } = self.range;
        self.ranges.assign(place, self.next)?;
        let with_headers = self.ranges.with_headers[place.topic];
        let mut headers = Headers::default();
        while self.next < until {
            match self.ranges.consumer.poll(POLL) {
                None => self.check_patience()?,
                Some(Ok(mut message)) => {
                    let ours = message.partition() == place.partition
                        && message.topic() == self.ranges.topics[place.topic];
                    let offset = message.offset();
                    if !ours || offset < self.next {
                        continue;
                    }
                    self.next = offset + 1;
                    (self.heard, self.attempts, self.said) = (Instant::now(), 0, None);
                    if offset < until {
                        let recorded_at = message.timestamp().to_millis();
                        let recorded_at = recorded_at.filter(|millis| *millis >= 0);
                        if with_headers {
                            headers.read(&mut message);
                        }
                        each(Record {
                            topic: &self.ranges.topics[place.topic],
                            partition: place.partition,
                            offset,
                            recorded_at: recorded_at.map(Timestamp::from_millis),
                            key: message.key(),
                            headers: &headers.list(),
                            value: message.payload(),
                        });
                    }
                }
                // The log had all of the range when reading began, so its end lies behind that.
                Some(Err(KafkaError::PartitionEOF(partition))) if partition == place.partition => {
                    return Ok(());
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => self.failed(error)?,
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: KafkaError) -> Result<(), RangeError> {
        let (place, offset) = (self.range.place, self.next);
        match failure(&error) {
            Failure::Fatal | Failure::Authentication | Failure::Authorization => {
                Err(RangeError::Client(error.to_string()))
            }
            Failure::OffsetOutOfRange => {
                self.ranges.check_bounds(self.range, offset)?;
                self.fetch_again(error)
            }
            // The client has skipped the damaged batch.
            Failure::BadMessage if self.attempts >= ATTEMPTS => Err(RangeError::Damaged {
                topic: self.ranges.topics[place.topic].clone(),
                partition: place.partition,
                offset,
            }),
            Failure::BadMessage => self.fetch_again(error),
            _ => {
                self.said = Some(error);
                self.check_patience()
            }
        }
    }

    fn fetch_again(&mut self, error: KafkaError) -> Result<(), RangeError> {
        self.attempts += 1;
        self.said = Some(error);
        self.check_patience()?;
        self.ranges.assign(self.range.place, self.next)
    }

    fn check_patience(&self) -> Result<(), RangeError> {
        let waited = self.heard.elapsed();
        if waited < self.ranges.patience {
            return Ok(());
        }
        let said = self.said.as_ref();
        Err(RangeError::Silent {
            topic: self.ranges.topics[self.range.place.topic].clone(),
            partition: self.range.place.partition,
            offset: self.next,
            until: self.range.until,
            waited,
            why: said.map_or_else(String::new, |error| format!(": {error}")),
        })
    }
}
