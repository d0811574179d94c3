//! Traffic: the producer with what is under way, and the member of the group that gives it away.
//!
//! Promises that partitions leave only after what is under way was waited for, for a while, and what
//! is acknowledged was committed. Everything here happens on the thread of the router: the client
//! calls the member when that thread polls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tenure_librdkafka::{Outgoing, produce};

use crate::kafka::Place;
use crate::kafka::client::Context;
use crate::kafka::letters::outbox::Outbox;
use crate::kafka::letters::producer::{Producer, code};
use crate::router::flights::Flights;
use crate::telemetry::{Failure, Telemetry};

/// How long what is under way may take when partitions are given away. What takes longer is read
/// and written again by the next owner.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the brokers may take to say where partitions begin, end, and were committed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at the producer.
const ROUND: Duration = Duration::from_millis(10);
/// What an event costs in the producer beside its bytes.
const OVERHEAD: usize = 256;

/// What is shared by the session and the member.
pub struct Traffic {
    pub producer: Producer,
    flights: Mutex<Flights>,
    outbox: Option<Arc<Outbox>>,
    topics: Vec<String>,
    telemetry: Arc<Telemetry>,
    written: prometheus::IntCounter,
    broken: Mutex<Option<String>>,
}

/// From where a partition is read, and what was lost of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begin {
    offset: i64,
    lost: i64,
    /// The log ends before what was committed.
    cut_off: bool,
}

impl Traffic {
    #[must_use]
    pub fn new(
        producer: Producer,
        outbox: Option<Arc<Outbox>>,
        topics: Vec<String>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            producer,
            flights: Mutex::default(),
            outbox,
            topics,
            written: telemetry.router.events(),
            telemetry,
            broken: Mutex::default(),
        }
    }

    /// The number of a topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| topic == name)
    }

    /// Where a record stands; nothing for one of a topic that is not routed.
    #[must_use]
    pub fn place(&self, message: &impl Message) -> Option<Place> {
        Some(Place {
            topic: self.topic(message.topic())?,
            partition: message.partition(),
        })
    }

    pub fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the session cannot go on, if so.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        let broken = self.broken.lock();
        broken.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why the session cannot go on; the first reason stays.
    pub fn fail(&self, reason: String) {
        let broken = self.broken.lock();
        let mut broken = broken.unwrap_or_else(PoisonError::into_inner);
        broken.get_or_insert(reason);
    }

    /// Hands an event of a record to the producer; waits while its queue is full.
    pub fn send(&self, place: Place, offset: i64, event: &Outgoing<'_>) {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let bytes = OVERHEAD + length(event.key) + length(event.value);
        let number = self.flights().takes_off(place, offset, bytes);
        while self.broken().is_none() {
            match produce(&self.producer, event, number) {
                Ok(()) => return,
                Err(error) if code(&error) == RDKafkaErrorCode::QueueFull => self.settle(ROUND),
                Err(error) => self.refused(code(&error)),
            }
        }
    }

    /// Takes in what became of events, waiting so long for the first.
    pub fn settle(&self, wait: Duration) {
        self.producer.poll(wait);
        let outcomes = self.producer.client().context().take();
        if !outcomes.is_empty() {
            let mut flights = self.flights();
            for (number, outcome) in outcomes {
                match outcome {
                    Ok(()) => {
                        flights.landed(number);
                        self.written.inc();
                    }
                    Err(code) => self.refused(code),
                }
            }
        }
        if let Some((code, _)) = self.producer.client().fatal_error() {
            self.refused(code);
        }
    }

    fn refused(&self, code: RDKafkaErrorCode) {
        self.telemetry.errors.of(Failure::Client).inc();
        let way = match code {
            RDKafkaErrorCode::InvalidTimestamp => {
                ": raise message.timestamp.before.max.ms and message.timestamp.after.max.ms of the \
                 topic under router.to, since events keep the timestamps of their records"
            }
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                ": the router needs WRITE on the topic under router.to"
            }
            _ => "",
        };
        self.fail(format!("an event could not be written: {code}{way}"));
    }

    /// Waits until nothing is under way and no rejected record waits, but not for long.
    fn drain(&self) {
        let until = Instant::now() + DRAIN;
        while Instant::now() < until && self.broken().is_none() {
            self.settle(ROUND);
            let open = self.durable();
            let flights = self.flights();
            let behind = |(place, offset): &(Place, i64)| !flights.expects(*place, *offset);
            if flights.is_empty() && !open.iter().any(behind) {
                return;
            }
        }
    }

    /// Up to where each partition may be committed.
    fn durable(&self) -> Vec<(Place, i64)> {
        let mut durable = self.flights().durable();
        // Asked after the flights: what was rejected before them is known by now.
        if let Some(outbox) = &self.outbox {
            for (place, offset) in &mut durable {
                *offset = outbox.durable(*place, *offset);
            }
        }
        durable
    }

    /// Commits what is news.
    pub fn commit<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>, mode: CommitMode) {
        let mut news = self.durable();
        let mut flights = self.flights();
        news.retain(|(place, offset)| flights.is_news(*place, *offset));
        if news.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (place, offset) in &news {
            let (topic, offset) = (&self.topics[place.topic], Offset::Offset(*offset));
            if list
                .add_partition_offset(topic, place.partition, offset)
                .is_err()
            {
                return;
            }
        }
        for (place, offset) in news {
            flights.committed(place, offset);
        }
        drop(flights);
        if let Err(error) = consumer.commit(&list, mode) {
            self.not_committed(&error);
        }
    }

    fn not_committed(&self, error: &KafkaError) {
        self.telemetry.errors.of(Failure::Commit).inc();
        self.flights().commit_again();
        tracing::debug!(%error, "positions of the router could not be committed, trying again");
    }
}

/// The member of the group: decides from where partitions are read, and lets go of them.
pub struct Member {
    client: Context,
    traffic: Arc<Traffic>,
    /// Told once there was an assignment.
    joined: Box<dyn Fn() + Send + Sync>,
}

impl Member {
    #[must_use]
    pub fn new(traffic: Arc<Traffic>, joined: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            client: Context::new(Arc::clone(&traffic.telemetry)),
            traffic,
            joined: Box::new(joined),
        }
    }

    /// What the client says.
    #[must_use]
    pub fn client(&self) -> &Context {
        &self.client
    }

    fn assigned(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let begins = self.begins(consumer, partitions)?;
        let mut list = TopicPartitionList::new();
        for (place, begin) in &begins {
            let topic = &self.traffic.topics[place.topic];
            let offset = Offset::Offset(begin.offset);
            list.add_partition_offset(topic, place.partition, offset)?;
            self.tell_of_losses(*place, *begin);
        }
        let mut flights = self.traffic.flights();
        for (place, begin) in begins {
            flights.begin(place, begin.offset);
        }
        drop(flights);
        consumer.assign(&list)?;
        // The client keeps a partition paused that went away and came back; what it was paused for is
        // forgotten by then.
        consumer.resume(&list)?;
        tracing::info!(partitions = list.count(), "the router has its partitions");
        (self.joined)();
        Ok(())
    }

    /// From where each partition is read: from what was committed, or else from its beginning.
    fn begins(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> KafkaResult<Vec<(Place, Begin)>> {
        if partitions.count() == 0 {
            return Ok(Vec::new());
        }
        let committed = consumer.committed_offsets(partitions.clone(), PATIENCE)?;
        let mut bounds = [Offset::Beginning, Offset::End].into_iter().map(|bound| {
            let mut list = partitions.clone();
            list.set_all_offsets(bound)?;
            consumer.offsets_for_times(list, PATIENCE)
        });
        let (Some(lows), Some(highs)) = (bounds.next(), bounds.next()) else {
            return Ok(Vec::new());
        };
        let (lows, highs) = (lows?, highs?);
        let offset = |list: &TopicPartitionList, topic: &str, partition| {
            let element = list.find_partition(topic, partition)?;
            match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        };
        let mut begins = Vec::new();
        for element in partitions.elements() {
            let (name, partition) = (element.topic(), element.partition());
            let Some(topic) = self.traffic.topic(name) else {
                continue;
            };
            let bounds = (
                offset(&lows, name, partition),
                offset(&highs, name, partition),
            );
            let (Some(low), Some(high)) = bounds else {
                return Err(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition));
            };
            let begin = begin(offset(&committed, name, partition), low, high);
            begins.push((Place { topic, partition }, begin));
        }
        Ok(begins)
    }

    fn tell_of_losses(&self, place: Place, begin: Begin) {
        let topic = &self.traffic.topics[place.topic];
        let (partition, next) = (place.partition, begin.offset);
        if begin.lost > 0 {
            let lost = u64::try_from(begin.lost).unwrap_or(0);
            self.traffic.telemetry.router.lost(topic).inc_by(lost);
            tracing::error!(
                topic,
                partition,
                lost,
                next,
                "records were deleted before they were routed: their events are missing from the \
                 numbers; give the topic a longer retention, and send them again if you have them"
            );
        } else if begin.cut_off {
            tracing::error!(
                topic,
                partition,
                next,
                "the log ends before what was routed, so it was cut off or is another one: it is \
                 routed from its beginning; events that were routed before count once"
            );
        }
    }
}

/// From where a partition is read that has records from `low` to before `high`.
const fn begin(committed: Option<i64>, low: i64, high: i64) -> Begin {
    match committed {
        Some(committed) if committed > high => Begin {
            offset: low,
            lost: 0,
            cut_off: true,
        },
        Some(committed) if committed >= low => Begin {
            offset: committed,
            lost: 0,
            cut_off: false,
        },
        Some(committed) => Begin {
            offset: low,
            lost: low - committed,
            cut_off: false,
        },
        None => Begin {
            offset: low,
            lost: 0,
            cut_off: false,
        },
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let done = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assigned(consumer, partitions)
            }
            _ => {
                self.traffic.drain();
                self.traffic.commit(consumer, CommitMode::Sync);
                self.traffic.flights().forget_all();
                consumer.unassign()
            }
        };
        if let Err(error) = done {
            self.traffic
                .fail(format!("partitions could not be taken over: {error}"));
            // The session ends, and the next one asks again.
            let _ = consumer.unassign();
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            self.traffic.not_committed(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_begins_at_what_was_committed_and_loss_is_told() {
        let check = |committed, (low, high), (offset, lost, cut_off)| {
            let expected = Begin {
                offset,
                lost,
                cut_off,
            };
            assert_eq!(begin(committed, low, high), expected, "{committed:?}");
        };
        check(None, (0, 9), (0, 0, false));
        check(None, (4, 9), (4, 0, false));
        check(Some(4), (4, 9), (4, 0, false));
        check(Some(9), (4, 9), (9, 0, false));
        check(Some(3), (4, 9), (4, 1, false));
        check(Some(10), (4, 9), (4, 0, true));
    }
}
