//! The reader: the one thread that polls.
//!
//! It does no I/O of its own and folds nothing: it copies values into batches, and hands a batch on
//! when it is full or when nothing more is there. Offsets are always given when partitions are
//! assigned; the reader never seeks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::event::Timestamp;
use crate::kafka::batch::{Batch, Record};
use crate::kafka::client::{Consumer, failure};
use crate::kafka::progress::{Progress, Start};
use crate::kafka::{Delivery, Place, Sink};
use crate::telemetry::{Failure, Telemetry, TopicTelemetry};

/// How long a broker may take to tell the bounds of a partition.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a poll waits for a record; also how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(50);
/// Records wait in a batch that is not full for at most about this long.
const LINGER: Duration = Duration::from_millis(20);
/// Records polled between two looks at the clock.
const LOOK_AROUND_EVERY: u32 = 256;
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// How often positions are compared with those of the client, which steps over control records.
const CONTROL_RECORDS_EVERY: Duration = Duration::from_millis(200);
/// How often a batch that cannot be read is fetched anew before it counts as lost.
const ATTEMPTS: u32 = 5;

/// Reads all partitions and delivers their records.
pub struct Reader<S> {
    consumer: Arc<Consumer>,
    topics: Vec<String>,
    counters: Vec<TopicTelemetry>,
    telemetry: Arc<Telemetry>,
    progress: Arc<Progress>,
    sink: S,
    partitions: HashMap<Place, Partition>,
    waiting: usize,
    attempts: u32,
}

#[derive(Debug)]
struct Partition {
    /// The offset at which reading began.
    first: i64,
    /// The offset after the last record polled.
    polled: i64,
    batch: Batch,
    /// Bytes of the keys and values in the batch.
    received_bytes: u64,
}

/// Why reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Nobody takes deliveries any more.
    Abandoned,
    /// The client cannot go on.
    Fatal(String),
}

impl Partition {
    /// Delivers the batch, and counts what was in it: once a batch, which costs nothing.
    fn hand_on(&mut self, counters: &TopicTelemetry, sink: &mut impl Sink) -> bool {
        counters.events_received.inc_by(self.batch.len() as u64);
        counters.received_bytes.inc_by(self.received_bytes);
        self.received_bytes = 0;
        sink.deliver(Delivery::Records(self.batch.take()))
    }
}

impl<S: Sink> Reader<S> {
    #[must_use]
    pub fn new(
        consumer: Arc<Consumer>,
        topics: Vec<String>,
        telemetry: Arc<Telemetry>,
        progress: Arc<Progress>,
        sink: S,
    ) -> Self {
        let counters = topics
            .iter()
            .map(|topic| telemetry.kafka.topic(topic))
            .collect();
        Self {
            consumer,
            topics,
            counters,
            telemetry,
            progress,
            sink,
            partitions: HashMap::new(),
            waiting: 0,
            attempts: 0,
        }
    }

    /// Assigns the partitions at their first offsets and reads until told to stop.
    pub fn run(mut self, starts: &[Start], stop: &AtomicBool) -> Ended {
        for start in starts {
            let Start {
                place,
                first_offset,
                ..
            } = *start;
            let partition = Partition {
                first: first_offset,
                polled: first_offset,
                batch: Batch::new(place),
                received_bytes: 0,
            };
            self.partitions.insert(place, partition);
            self.counters[place.topic].assigned_partitions.inc();
            if !self.sink.deliver(Delivery::Begin {
                place,
                first_offset,
            }) {
                return Ended::Abandoned;
            }
        }
        if let Err(error) = self.assign() {
            return Ended::Fatal(error.to_string());
        }
        let ended = self.read(stop);
        self.commit(CommitMode::Async);
        ended
    }

    fn read(&mut self, stop: &AtomicBool) -> Ended {
        let mut polled = 0_u32;
        let (mut flushed, mut committed, mut stepped) =
            (Instant::now(), Instant::now(), Instant::now());
        while !stop.load(Ordering::Relaxed) {
            // The clone lets the message borrow from it while the reader is changed.
            let consumer = Arc::clone(&self.consumer);
            let wait = if self.waiting > 0 {
                Duration::ZERO
            } else {
                POLL
            };
            let idle = match consumer.poll(wait) {
                Some(Ok(message)) => {
                    if !self.take(&message) {
                        return Ended::Abandoned;
                    }
                    false
                }
                Some(Err(error)) => {
                    if let Some(ended) = self.failed(&error) {
                        return ended;
                    }
                    false
                }
                None => true,
            };
            polled = polled.wrapping_add(1);
            if !idle && !polled.is_multiple_of(LOOK_AROUND_EVERY) {
                continue;
            }
            let now = Instant::now();
            if idle || now - flushed >= LINGER {
                flushed = now;
                if !self.flush() {
                    return Ended::Abandoned;
                }
            }
            if idle && now - stepped >= CONTROL_RECORDS_EVERY {
                stepped = now;
                if !self.step_over_control_records() {
                    return Ended::Abandoned;
                }
            }
            if now - committed >= COMMIT_EVERY {
                committed = now;
                self.commit(CommitMode::Async);
            }
        }
        if self.flush() {
            Ended::Stopped
        } else {
            Ended::Abandoned
        }
    }

    /// Takes a record into the batch of its partition. False once nobody takes batches.
    fn take(&mut self, message: &BorrowedMessage<'_>) -> bool {
        let Some(topic) = self.topic_of(message) else {
            return true;
        };
        let place = Place {
            topic,
            partition: message.partition(),
        };
        let value = message.payload();
        let Some(partition) = self.partitions.get_mut(&place) else {
            return true;
        };
        let offset = message.offset();
        partition.polled = offset + 1;
        let bytes = message.key_len() + value.map_or(0, <[u8]>::len);
        partition.received_bytes += bytes as u64;
        self.waiting += usize::from(partition.batch.is_empty());
        let recorded_at = message
            .timestamp()
            .to_millis()
            .filter(|millis| *millis >= 0);
        let recorded_at = recorded_at.map(Timestamp::from_millis);
        partition.batch.push(Record {
            offset,
            recorded_at,
            value,
        });
        self.attempts = 0;
        if partition.batch.full() {
            self.waiting -= 1;
            return partition.hand_on(&self.counters[topic], &mut self.sink);
        }
        true
    }

    fn topic_of(&self, message: &BorrowedMessage<'_>) -> Option<usize> {
        match self.topics.len() {
            1 => Some(0),
            _ => self
                .topics
                .iter()
                .position(|topic| topic == message.topic()),
        }
    }

    fn flush(&mut self) -> bool {
        if self.waiting == 0 {
            return true;
        }
        self.waiting = 0;
        for (place, partition) in &mut self.partitions {
            if !partition.batch.is_empty()
                && !partition.hand_on(&self.counters[place.topic], &mut self.sink)
            {
                return false;
            }
        }
        true
    }

    /// At quiescence the client's position may be ahead of ours: it has stepped over the markers of
    /// transactions, which are no records.
    fn step_over_control_records(&mut self) -> bool {
        let Ok(positions) = self.consumer.position() else {
            return true;
        };
        for element in positions.elements() {
            let Some(topic) = self
                .topics
                .iter()
                .position(|topic| topic == element.topic())
            else {
                continue;
            };
            let place = Place {
                topic,
                partition: element.partition(),
            };
            let (Some(partition), Offset::Offset(next_offset)) =
                (self.partitions.get_mut(&place), element.offset())
            else {
                continue;
            };
            if next_offset > partition.polled {
                partition.polled = next_offset;
                if !self.sink.deliver(Delivery::SkipTo { place, next_offset }) {
                    return false;
                }
            }
        }
        true
    }

    fn failed(&mut self, error: &KafkaError) -> Option<Ended> {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            self.telemetry.errors.of(Failure::Fatal).inc();
            return Some(Ended::Fatal(code.to_string()));
        }
        self.consumer.context().failed(error);
        match failure(error) {
            Failure::OffsetOutOfRange => self.out_of_range(),
            // The client has skipped the damaged batch, so everything is fetched again from where
            // we are.
            Failure::BadMessage => self.fetch_again(),
            _ => None,
        }
    }

    /// The client does not say which partition it was, so each is looked at.
    fn out_of_range(&mut self) -> Option<Ended> {
        let mut lost = false;
        for (place, partition) in &mut self.partitions {
            let topic = &self.topics[place.topic];
            let bounds = self
                .consumer
                .fetch_watermarks(topic, place.partition, PATIENCE);
            let Ok((low, high)) = bounds else { continue };
            let begun = partition.polled > partition.first;
            if (low..=high).contains(&partition.polled) {
                continue;
            }
            if begun || partition.polled > high {
                lost = true;
                tracing::error!(
                    topic,
                    partition = place.partition,
                    next = partition.polled,
                    low,
                    high,
                    "the log no longer has the offset that is to be read next: records were \
                     deleted before they were read, or the topic was made anew; the numbers are \
                     withheld until a restart reads what there is"
                );
                continue;
            }
            // Retention took the head between the question for it and the first fetch.
            partition.first = low;
            partition.polled = low;
            if !self.sink.deliver(Delivery::Begin {
                place: *place,
                first_offset: low,
            }) {
                return Some(Ended::Abandoned);
            }
        }
        if lost {
            self.lost()
        } else {
            self.fetch_again()
        }
    }

    fn fetch_again(&mut self) -> Option<Ended> {
        self.attempts += 1;
        if self.attempts > ATTEMPTS {
            tracing::error!("records stay unreadable; the numbers are withheld");
            return self.lost();
        }
        tracing::warn!(
            attempt = self.attempts,
            "records could not be read, fetching them again"
        );
        match self.assign() {
            Ok(()) => None,
            Err(error) => Some(Ended::Fatal(error.to_string())),
        }
    }

    fn lost(&mut self) -> Option<Ended> {
        if self.flush() && self.sink.deliver(Delivery::Lost) {
            None
        } else {
            Some(Ended::Abandoned)
        }
    }

    /// Assigns every partition at the offset after the last record polled.
    fn assign(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (place, partition) in &self.partitions {
            let topic = &self.topics[place.topic];
            list.add_partition_offset(topic, place.partition, Offset::Offset(partition.polled))?;
        }
        self.consumer.assign(&list)
    }

    /// Commits what was applied. Nothing rests on it: it is for tools that show lag.
    fn commit(&self, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for (place, offset) in self.progress.positions() {
            let topic = &self.topics[place.topic];
            if list
                .add_partition_offset(topic, place.partition, Offset::Offset(offset))
                .is_err()
            {
                return;
            }
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, mode)
        {
            self.consumer.context().failed(&error);
        }
    }
}
