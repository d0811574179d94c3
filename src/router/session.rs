//! A session: one membership in the group with one producer, until something breaks.
//!
//! ```text
//!   poll --> decode --> events --> producer          at most 16 MiB under way, else the partitions
//!              |                      |              are paused, and polling goes on for the group
//!              +--> rejected --> outbox
//!                                     |
//!   commit, five times a second <-----+
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tenure_librdkafka::Outgoing;

use crate::event::encode::encode;
use crate::event::record::Record;
use crate::event::source::Decoded;
use crate::event::{Event, Reason, Rejection, Timestamp};
use crate::kafka::Place;
use crate::kafka::batch::Envelope;
use crate::kafka::client::failure;
use crate::kafka::letters::producer::producer;
use crate::kafka::letters::{Letter, PlaceHeaders};
use crate::router::traffic::{Member, Traffic};
use crate::router::waiting::{Parcel, Waiting};
use crate::router::{Router, RouterError};
use crate::telemetry::throttle::Throttle;
use crate::telemetry::{Failure, TopicTelemetry};

/// What may be under way, in bytes.
const MOST_BYTES: usize = 16 << 20;
/// How long a poll waits for a record; also how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(20);
/// The same while something is under way.
const POLL_BUSY: Duration = Duration::from_millis(2);
/// Records polled between two looks around.
const LOOK_AROUND_EVERY: u32 = 128;
const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// Why a session ended.
#[derive(Debug)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Another one may do better.
    Broken(String),
}

/// One membership in the group.
pub struct Session<'a> {
    router: &'a Router,
    consumer: BaseConsumer<Member>,
    traffic: Arc<Traffic>,
    counters: Vec<TopicTelemetry>,
    rejections: [Throttle; Reason::ALL.len()],
    paused: bool,
    /// Records that cannot be read yet; their partitions are paused.
    waiting: Waiting,
    /// Up to which of the handovers of partitions that is true.
    handovers: u64,
    written: Vec<u8>,
}

impl<'a> Session<'a> {
    /// Makes the clients.
    ///
    /// # Errors
    /// If they do not take their configuration.
    pub fn begin(router: &'a Router) -> Result<Self, RouterError> {
        let telemetry = &router.telemetry;
        let topics = router.kafka.topics.clone();
        let counters = topics.iter().map(|topic| telemetry.kafka.topic(topic));
        let counters = counters.collect();
        let traffic = Arc::new(Traffic::new(
            producer(&router.producer_config())?,
            router.outbox.clone(),
            topics,
            Arc::clone(telemetry),
        ));
        let joined = Arc::clone(&router.joined);
        let member = Member::new(Arc::clone(&traffic), move || {
            joined.store(true, Ordering::Relaxed);
        });
        Ok(Self {
            router,
            consumer: router.consumer_config().create_with_context(member)?,
            traffic,
            counters,
            rejections: Default::default(),
            paused: false,
            waiting: Waiting::default(),
            handovers: 0,
            written: Vec::new(),
        })
    }

    /// Routes until told to stop, or until something breaks; then gives its partitions away.
    pub fn run(mut self, stop: &AtomicBool) -> Ended {
        let topics: Vec<&str> = self
            .router
            .kafka
            .topics
            .iter()
            .map(String::as_str)
            .collect();
        if let Err(error) = self.consumer.subscribe(&topics) {
            return Ended::Broken(error.to_string());
        }
        let (mut polled, mut committed) = (0_u32, Instant::now());
        loop {
            if let Some(reason) = self.traffic.broken() {
                return Ended::Broken(reason);
            }
            if stop.load(Ordering::Relaxed) {
                // Leaving the group, as the consumer does when it is dropped, drains and commits.
                return Ended::Stopped;
            }
            let idle = !self.poll();
            polled = polled.wrapping_add(1);
            if !idle && !polled.is_multiple_of(LOOK_AROUND_EVERY) {
                continue;
            }
            self.traffic.settle(Duration::ZERO);
            self.read_what_waited();
            self.hold_or_go_on();
            if committed.elapsed() >= COMMIT_EVERY {
                committed = Instant::now();
                if idle {
                    self.step_over_control_records();
                }
                self.traffic.commit(&self.consumer, CommitMode::Async);
            }
        }
    }

    /// Takes what the client has. False if that was nothing.
    fn poll(&mut self) -> bool {
        let wait = if self.traffic.flights().is_empty() {
            POLL
        } else {
            POLL_BUSY
        };
        // Rebalances happen in here, on this thread.
        let mut message = match self.consumer.poll(wait) {
            None => return false,
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                self.failed(&error);
                return true;
            }
        };
        let handovers = self.traffic.flights().handovers();
        forget_after(handovers, &mut self.handovers, &mut self.waiting);
        let Some(place) = self.traffic.place(&message) else {
            return true;
        };
        if self.waiting.holds(place) {
            self.waiting.hold_behind(Parcel::of(place, &mut message));
            return true;
        }
        let awaited = self
            .router
            .admission()
            .awaits(place, message.key(), message.payload());
        if let Some(awaited) = awaited {
            let parcel = Parcel::of(place, &mut message);
            drop(message);
            self.waiting.hold(parcel, awaited);
            self.change(&[place], true);
            return true;
        }
        let post = Post {
            router: self.router,
            traffic: &self.traffic,
            counters: &self.counters,
            rejections: &self.rejections,
        };
        post.take(place, &mut message, &mut self.written);
        true
    }

    /// Reads the records for which what they waited for has come, and lets their partitions go on.
    fn read_what_waited(&mut self) {
        let handovers = self.traffic.flights().handovers();
        forget_after(handovers, &mut self.handovers, &mut self.waiting);
        while let Some(parcel) = self.waiting.take(|one| self.router.admission().came(one)) {
            let (place, key) = (parcel.place, parcel.envelope().key);
            let awaited = self.router.admission().awaits(place, key, parcel.value());
            if let Some(awaited) = awaited {
                self.waiting.hold(parcel, awaited);
                continue;
            }
            let post = Post {
                router: self.router,
                traffic: &self.traffic,
                counters: &self.counters,
                rejections: &self.rejections,
            };
            post.take_parcel(&parcel, &mut self.written);
        }
        let free = self.waiting.take_emptied();
        if !self.paused && !free.is_empty() {
            self.change(&free, false);
        }
    }

    /// Pauses partitions, or lets them go on, as far as they are this member's.
    fn change(&self, places: &[Place], pause: bool) {
        let topics = &self.router.kafka.topics;
        let done = self.consumer.assignment().and_then(|mine| {
            let mut list = TopicPartitionList::new();
            for place in places {
                let topic = &topics[place.topic];
                if mine.find_partition(topic, place.partition).is_some() {
                    list.add_partition(topic, place.partition);
                }
            }
            match (list.count(), pause) {
                (0, _) => Ok(()),
                (_, true) => self.consumer.pause(&list),
                (_, false) => self.consumer.resume(&list),
            }
        });
        if let Err(error) = done {
            self.traffic.fail(error.to_string());
        }
    }

    fn failed(&self, error: &KafkaError) {
        self.consumer.context().client().failed(error);
        let failure = failure(error);
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        // The client has skipped a damaged batch, and has no offset any more where one is gone; the
        // others pass.
        if fatal || matches!(failure, Failure::BadMessage | Failure::OffsetOutOfRange) {
            self.traffic.fail(error.to_string());
        }
    }

    /// Fetches nothing more while there is no room, but polls on: who does not is thrown out of the
    /// group.
    fn hold_or_go_on(&mut self) {
        let bytes = self.traffic.flights().bytes();
        let changed = if self.paused {
            bytes < MOST_BYTES / 2
        } else {
            bytes >= MOST_BYTES
        };
        if !changed {
            return;
        }
        let all = self.consumer.assignment();
        let done = all.and_then(|all| {
            if self.paused {
                self.consumer.resume(&all)
            } else {
                self.consumer.pause(&all)
            }
        });
        if self.paused {
            self.change(&self.waiting.places(), true);
        }
        match done {
            Ok(()) => self.paused = !self.paused,
            Err(error) => self.traffic.fail(error.to_string()),
        }
    }

    /// At quiescence the client's position may be ahead of ours: it has stepped over the markers of
    /// transactions, which are no records. It is also ahead of what waits, which is still to be read.
    fn step_over_control_records(&self) {
        let Ok(positions) = self.consumer.position() else {
            return;
        };
        let mut flights = self.traffic.flights();
        for element in positions.elements() {
            let topic = self.traffic.topic(element.topic());
            if let (Some(topic), Offset::Offset(next)) = (topic, element.offset()) {
                let partition = element.partition();
                let place = Place { topic, partition };
                // Of a partition that waits, the client has handed out what is not read yet.
                if !self.waiting.holds(place) {
                    flights.steps_to(place, next);
                }
            }
        }
    }
}

/// Forgets what waits once partitions were given away: whoever has them now reads from what was
/// committed, and a record that is read out of its turn would hide those before it.
fn forget_after(handovers: u64, seen: &mut u64, waiting: &mut Waiting) {
    if *seen != handovers {
        *seen = handovers;
        *waiting = Waiting::default();
    }
}

/// Where one record goes.
struct Post<'a> {
    router: &'a Router,
    traffic: &'a Traffic,
    counters: &'a [TopicTelemetry],
    rejections: &'a [Throttle; Reason::ALL.len()],
}

/// Where a record stands.
#[derive(Clone, Copy)]
struct Origin<'a> {
    place: Place,
    topic: &'a str,
    offset: i64,
    recorded_at: Option<Timestamp>,
}

impl<'a> Origin<'a> {
    /// The record that stands there, without key and headers.
    fn record<'r>(&self, value: Option<&'r [u8]>) -> Record<'r>
    where
        'a: 'r,
    {
        Record {
            topic: self.topic,
            partition: self.place.partition,
            offset: self.offset,
            recorded_at: self.recorded_at,
            key: None,
            headers: &[],
            value,
        }
    }
}

impl Post<'_> {
    /// Writes the events of a record, and keeps it if it was rejected.
    fn take(&self, place: Place, message: &mut BorrowedMessage<'_>, written: &mut Vec<u8>) {
        let source = &self.router.sources[place.topic];
        if source.needs_envelope() {
            self.take_parcel(&Parcel::of(place, message), written);
            return;
        }
        let recorded_at = message.timestamp().to_millis();
        let recorded_at = recorded_at.filter(|millis| *millis >= 0);
        let origin = Origin {
            place,
            topic: &self.router.kafka.topics[place.topic],
            offset: message.offset(),
            recorded_at: recorded_at.map(Timestamp::from_millis),
        };
        if !self.begin(origin, message.key_len() + message.payload_len()) {
            return;
        }
        let rejected = self.route(origin, origin.record(message.payload()), written);
        if let Some(rejection) = rejected {
            self.keep(origin, &Parcel::of(place, message), rejection);
        }
        self.traffic.flights().read(place, origin.offset);
    }

    /// The same of a record that was copied.
    fn take_parcel(&self, parcel: &Parcel, written: &mut Vec<u8>) {
        let origin = Origin {
            place: parcel.place,
            topic: &self.router.kafka.topics[parcel.place.topic],
            offset: parcel.offset,
            recorded_at: parcel.recorded_at,
        };
        let (envelope, value) = (parcel.envelope(), parcel.value());
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        if !self.begin(origin, length(envelope.key) + length(value)) {
            return;
        }
        let headers: Vec<_> = Envelope::headers(&envelope).collect();
        let record = Record {
            key: envelope.key,
            headers: &headers,
            ..origin.record(value)
        };
        let rejected = self.route(origin, record, written);
        if let Some(rejection) = rejected {
            self.keep(origin, parcel, rejection);
        }
        self.traffic.flights().read(origin.place, origin.offset);
    }

    /// Counts a record; false for one that was polled before its partition was given away.
    fn begin(&self, origin: Origin<'_>, bytes: usize) -> bool {
        if !self.traffic.flights().expects(origin.place, origin.offset) {
            return false;
        }
        let counters = &self.counters[origin.place.topic];
        counters.events_received.inc();
        counters.received_bytes.inc_by(bytes as u64);
        true
    }

    /// Keeps a record that was rejected, if they are kept.
    fn keep(&self, origin: Origin<'_>, parcel: &Parcel, rejection: Rejection) {
        if let Some(outbox) = &self.router.outbox {
            outbox.hand_over(&Letter {
                place: origin.place,
                offset: origin.offset,
                recorded_at: origin.recorded_at,
                envelope: parcel.envelope(),
                value: parcel.value(),
                reason: rejection.reason,
                field: rejection.field,
            });
        }
    }

    /// Writes the events of a record; answers with the first of its rejections.
    fn route(
        &self,
        origin: Origin<'_>,
        record: Record<'_>,
        written: &mut Vec<u8>,
    ) -> Option<Rejection> {
        let source = &self.router.sources[origin.place.topic];
        let outcomes = &self.router.telemetry.fold;
        let mut rejected = None;
        source.decode(record, |decoded| match decoded {
            Decoded::Event(event) => self.send(origin, &event, written),
            Decoded::Tombstone => outcomes.outcomes.tombstone.inc(),
            Decoded::Skipped => outcomes.outcomes.skipped.inc(),
            Decoded::Rejected(rejection) => {
                rejected = rejected.or(Some(rejection));
                outcomes.outcomes.rejected.inc();
                outcomes.rejected(rejection.reason).inc();
                self.log(origin, rejection);
            }
        });
        rejected
    }

    fn send(&self, origin: Origin<'_>, event: &Event<'_>, written: &mut Vec<u8>) {
        written.clear();
        encode(event, &self.router.dimensions, written);
        let whence = PlaceHeaders::of(origin.topic, origin.place.partition, origin.offset);
        let outgoing = Outgoing {
            topic: &self.router.to,
            partition: None,
            timestamp: origin.recorded_at.map(Timestamp::as_millis),
            key: Some(event.customer.as_bytes()),
            value: Some(written),
            headers: &whence.headers(),
        };
        self.traffic.send(origin.place, origin.offset, &outgoing);
    }

    /// Says what was rejected and where, but not what it holds, and not too often.
    fn log(&self, origin: Origin<'_>, rejection: Rejection) {
        if let Some(suppressed) = self.rejections[rejection.reason as usize].pass() {
            tracing::warn!(
                reason = rejection.reason.name(),
                field = rejection.field,
                hint = rejection.hint,
                topic = origin.topic,
                partition = origin.place.partition,
                offset = origin.offset,
                suppressed,
                "rejected a record"
            );
        }
    }
}
