//! The outbox: rejected records on their way to the dead-letter topic.
//!
//! Owns what waits, and a producer on a thread of its own. Promises that what is handed over is
//! written or tried for ever, but for a record that the topic can never take; that what waits is
//! bounded in bytes; and to know, of each partition, from which offset on something is not yet
//! acknowledged. Nothing durable may move past that offset: after a crash the records from there on
//! are read, rejected and handed over again.
//!
//! ```text
//!  workers --hand_over--> [ waiting ] --produce--> [ in flight ] --acknowledged--> gone
//!                              ^                         |
//!                              +------- refused ---------+
//! ```

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use tenure_librdkafka::{Header as Raw, Outgoing, produce};

use crate::config::KafkaSettings;
use crate::event::{Reason, Timestamp};
use crate::kafka::Place;
use crate::kafka::client::producer_configuration;
use crate::kafka::letters::producer::{Outcome, Producer, code, producer};
use crate::kafka::letters::{Header, Letter, Origin};
use crate::telemetry::throttle::Throttle;
use crate::telemetry::{DeadLetterCounters, Telemetry};

/// What may wait, in bytes. One letter more than that only if nothing else waits, so that each can
/// be written however large it is.
pub const MOST_BYTES: usize = 64 << 20;
/// What the producer may hold of it at a time, as copies of its own.
const IN_FLIGHT: usize = 4 << 20;
/// What a letter costs beside its bytes, and a header beside its own.
const LETTER: usize = 256;
const HEADER: usize = 64;

/// How long one round takes while nothing happens; also how soon a new letter is seen.
const ROUND: Duration = Duration::from_millis(20);
/// How long the brokers may take to say what they know of the topic.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts, after one that was refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes letters from anybody and writes them, on the thread that runs it.
pub struct Outbox {
    config: ClientConfig,
    topic: String,
    sources: Vec<String>,
    pile: Mutex<Pile>,
    /// Told when something was acknowledged, and at the end.
    room: Condvar,
    telemetry: Arc<Telemetry>,
    counters: Vec<DeadLetterCounters>,
    refusals: Throttle,
}

/// What is not acknowledged yet.
#[derive(Default)]
struct Pile {
    waiting: VecDeque<Waiting>,
    in_flight: HashMap<usize, Waiting>,
    unacknowledged: BTreeSet<(Place, i64)>,
    bytes: usize,
    /// Nobody waits for room any more: the process ends.
    closing: bool,
    full: bool,
}

/// A letter with its bytes.
struct Waiting {
    place: Place,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
    reason: Reason,
    /// Refused with others, so that it is not known which of them is to blame.
    alone: bool,
}

impl Waiting {
    fn of(letter: &Letter<'_>, source: &str) -> Self {
        let origin = Origin {
            reason: letter.reason.name().to_owned(),
            field: letter.field.map(str::to_owned),
            topic: source.to_owned(),
            partition: letter.place.partition,
            offset: letter.offset,
        };
        let own = letter.envelope.headers();
        let own = own.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
        Self {
            place: letter.place,
            offset: letter.offset,
            timestamp: letter.recorded_at.map(Timestamp::as_millis),
            key: letter.envelope.key.map(<[u8]>::to_vec),
            value: letter.value.map(<[u8]>::to_vec),
            headers: own.chain(origin.headers()).collect(),
            reason: letter.reason,
            alone: false,
        }
    }

    fn bytes(&self) -> usize {
        let header =
            |(name, value): &Header| name.len() + value.as_ref().map_or(0, Vec::len) + HEADER;
        let headers: usize = self.headers.iter().map(header).sum();
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        LETTER + length(&self.key) + length(&self.value) + headers
    }

    fn produce(
        &self,
        producer: &Producer,
        topic: &str,
        partitions: i32,
        number: usize,
    ) -> Result<(), KafkaError> {
        let headers: Vec<Raw<'_>> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_deref()))
            .collect();
        let partition = self.place.partition;
        let record = Outgoing {
            topic,
            partition: (partition < partitions).then_some(partition),
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        };
        produce(producer, &record, number)
    }
}

impl Outbox {
    /// An outbox for the records of these topics, which writes to `topic` once it is run.
    #[must_use]
    pub fn new(settings: &KafkaSettings, topic: &str, telemetry: Arc<Telemetry>) -> Self {
        let counters = settings
            .topics
            .iter()
            .map(|topic| telemetry.dead_letters.topic(topic))
            .collect();
        Self {
            config: producer_configuration(settings),
            topic: topic.to_owned(),
            sources: settings.topics.clone(),
            pile: Mutex::default(),
            room: Condvar::new(),
            telemetry,
            counters,
            refusals: Throttle::default(),
        }
    }

    /// Takes a letter over; waits while there is no room.
    ///
    /// From here on [`acknowledged_below`](Self::acknowledged_below) knows of it. Once the outbox is
    /// closed it takes everything at once, as nothing durable can move past it.
    pub fn hand_over(&self, letter: &Letter<'_>) {
        let letter = Waiting::of(letter, &self.sources[letter.place.topic]);
        let bytes = letter.bytes();
        let mut pile = self.pile();
        while !pile.closing && pile.bytes > 0 && pile.bytes + bytes > MOST_BYTES {
            if !pile.full {
                pile.full = true;
                tracing::warn!(
                    topic = self.topic,
                    letters = pile.unacknowledged.len(),
                    "rejected records wait for the dead-letter topic, and there is no room for more: \
                     reading waits, and the numbers stand still"
                );
            }
            pile = self.room.wait(pile).unwrap_or_else(PoisonError::into_inner);
        }
        pile.bytes += bytes;
        pile.unacknowledged.insert((letter.place, letter.offset));
        pile.waiting.push_back(letter);
        self.telemetry.dead_letters.pending.inc();
    }

    /// The lowest offset of a partition that is not acknowledged yet, if there is one: whatever is
    /// durable must not be past it.
    #[must_use]
    pub fn acknowledged_below(&self, place: Place) -> Option<i64> {
        let pile = self.pile();
        let mut of_place = pile
            .unacknowledged
            .range((place, i64::MIN)..=(place, i64::MAX));
        of_place.next().map(|(_, offset)| *offset)
    }

    /// How far a position may be made durable. Ask for the position first: what was handed over
    /// before the position moved is known here then.
    #[must_use]
    pub fn durable(&self, place: Place, next_offset: i64) -> i64 {
        let below = self.acknowledged_below(place);
        below.map_or(next_offset, |below| next_offset.min(below))
    }

    /// From now on nobody waits for room.
    pub fn close(&self) {
        self.pile().closing = true;
        self.room.notify_all();
    }

    /// Writes what is handed over, until told to stop and nothing waits any more.
    ///
    /// # Errors
    /// If the client does not take its configuration.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), KafkaError> {
        let mut round = Round {
            outbox: self,
            producer: producer(&self.config)?,
            partitions: None,
            numbers: 0,
            not_before: Instant::now(),
            refused: false,
        };
        while !stop.load(Ordering::Relaxed) || !self.is_empty() {
            round.go();
        }
        // Closing the client can wait for brokers that are gone, and everything is written.
        std::mem::forget(round.producer);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.pile().unacknowledged.is_empty()
    }

    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a letter off the books.
    fn done_with(&self, pile: &mut Pile, letter: &Waiting) {
        pile.bytes -= letter.bytes();
        pile.unacknowledged.remove(&(letter.place, letter.offset));
        if pile.full && pile.bytes < MOST_BYTES / 2 {
            pile.full = false;
            tracing::info!(
                topic = self.topic,
                "the dead-letter topic keeps up again: reading goes on"
            );
        }
        self.telemetry.dead_letters.pending.dec();
        self.room.notify_all();
    }
}

/// The producer at work.
struct Round<'a> {
    outbox: &'a Outbox,
    producer: Producer,
    /// Of the topic, as far as it is known to be there.
    partitions: Option<i32>,
    /// The number of the next letter in flight.
    numbers: usize,
    not_before: Instant,
    /// Whether the last attempt was, and the log said so.
    refused: bool,
}

impl Round<'_> {
    fn go(&mut self) {
        if Instant::now() >= self.not_before {
            match self.partitions {
                None => self.look_for_topic(),
                Some(partitions) => self.send(partitions),
            }
        }
        self.producer.poll(ROUND);
        for outcome in self.producer.client().context().take() {
            self.settle(outcome);
        }
        if self.producer.client().fatal_error().is_some() {
            self.begin_anew();
        }
    }

    /// Nothing is produced to a topic that is not there: the client would fail each record after
    /// half a minute.
    fn look_for_topic(&mut self) {
        let topic = &self.outbox.topic;
        let metadata = self.producer.client().fetch_metadata(Some(topic), PATIENCE);
        let found = metadata.map(|metadata| {
            let topic = metadata
                .topics()
                .iter()
                .find(|found| found.name() == topic)?;
            let count = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
            (topic.error().is_none() && count > 0).then_some(count)
        });
        match found {
            Ok(Some(partitions)) => self.partitions = Some(partitions),
            Ok(None) => self.refuse("the topic does not exist, or may not be written to"),
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    fn send(&mut self, partitions: i32) {
        let outbox = self.outbox;
        let mut pile = outbox.pile();
        let mut flying: usize = pile.in_flight.values().map(Waiting::bytes).sum();
        let mut failed = Vec::new();
        while pile.in_flight.is_empty()
            || (flying < IN_FLIGHT && !pile.in_flight.values().any(|letter| letter.alone))
        {
            let Some(letter) = pile.waiting.pop_front() else {
                break;
            };
            if letter.alone && !pile.in_flight.is_empty() {
                pile.waiting.push_front(letter);
                break;
            }
            self.numbers += 1;
            match letter.produce(&self.producer, &outbox.topic, partitions, self.numbers) {
                Ok(()) => {
                    flying += letter.bytes();
                    pile.in_flight.insert(self.numbers, letter);
                }
                Err(error) if code(&error) == RDKafkaErrorCode::QueueFull => {
                    pile.waiting.push_front(letter);
                    break;
                }
                Err(error) => {
                    failed.push((letter, code(&error)));
                    break;
                }
            }
        }
        drop(pile);
        for (mut letter, code) in failed {
            // What the client itself finds too large, it found of this letter and no other.
            letter.alone |= code == RDKafkaErrorCode::MessageSizeTooLarge;
            self.failed(letter, code);
        }
    }

    fn settle(&mut self, (number, outcome): Outcome) {
        let outbox = self.outbox;
        let mut pile = outbox.pile();
        let Some(letter) = pile.in_flight.remove(&number) else {
            return;
        };
        match outcome {
            Ok(()) => {
                outbox.done_with(&mut pile, &letter);
                drop(pile);
                let counters = &outbox.counters[letter.place.topic];
                counters.written(letter.reason).inc();
                if std::mem::take(&mut self.refused) {
                    tracing::info!(
                        topic = outbox.topic,
                        "the dead-letter topic takes records again"
                    );
                }
            }
            Err(code) => {
                drop(pile);
                self.failed(letter, code);
            }
        }
    }

    /// What was refused waits again, unless it can never be written.
    fn failed(&mut self, mut letter: Waiting, code: RDKafkaErrorCode) {
        use RDKafkaErrorCode as E;
        let outbox = self.outbox;
        match code {
            E::MessageSizeTooLarge if letter.alone => {
                tracing::error!(
                    topic = outbox.sources[letter.place.topic],
                    partition = letter.place.partition,
                    offset = letter.offset,
                    bytes = letter.bytes(),
                    "a rejected record is too large for the dead-letter topic, so it is not kept: \
                     raise max.message.bytes there"
                );
                outbox.counters[letter.place.topic].failures.inc();
                outbox.done_with(&mut outbox.pile(), &letter);
                return;
            }
            // Brokers refuse a batch for one of its records.
            E::MessageSizeTooLarge
            | E::InvalidMessage
            | E::InvalidRecord
            | E::InvalidDifferentRecord
            | E::InvalidTimestamp => letter.alone = true,
            E::UnknownTopic | E::UnknownPartition | E::UnknownTopicOrPartition => {
                self.partitions = None;
            }
            _ => {}
        }
        outbox.pile().waiting.push_back(letter);
        self.refuse(&code.to_string());
    }

    fn refuse(&mut self, reason: &str) {
        self.refused = true;
        self.not_before = Instant::now() + PAUSE;
        if let Some(suppressed) = self.outbox.refusals.pass() {
            let waiting = self.outbox.pile().unacknowledged.len();
            tracing::warn!(
                topic = self.outbox.topic,
                reason,
                waiting,
                suppressed,
                "rejected records cannot be written to the dead-letter topic, trying again; durable \
                 positions wait for them"
            );
        }
    }

    /// The client has given up, for instance because of a permission. What it held may have been
    /// written; written again does no harm.
    fn begin_anew(&mut self) {
        let outbox = self.outbox;
        match producer(&outbox.config) {
            Ok(producer) => {
                let old = std::mem::replace(&mut self.producer, producer);
                // Its end can wait for brokers.
                std::thread::spawn(move || drop(old));
                let mut pile = outbox.pile();
                let held: Vec<Waiting> = pile.in_flight.drain().map(|(_, letter)| letter).collect();
                pile.waiting.extend(held);
                drop(pile);
                self.partitions = None;
                self.refuse("the producer had to be made anew");
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::kafka::batch::{Batch, Record};

    fn outbox() -> Outbox {
        let settings = KafkaSettings {
            bootstrap_servers: "localhost:1".to_owned(),
            topics: vec!["first".to_owned(), "second".to_owned()],
            group_id: "test".to_owned(),
            properties: BTreeMap::new(),
        };
        let telemetry = Telemetry::new().expect("the catalogue has no clash");
        Outbox::new(&settings, "dead", Arc::new(telemetry))
    }

    fn hand_over(outbox: &Outbox, place: Place, offset: i64, bytes: usize) {
        let value = vec![b'.'; bytes];
        let mut batch = Batch::new(place);
        batch.push(Record {
            offset,
            recorded_at: None,
            value: Some(&value),
        });
        outbox.hand_over(&Letter {
            place,
            offset,
            recorded_at: None,
            envelope: batch.envelope(0),
            value: Some(&value),
            reason: Reason::InvalidJson,
            field: None,
        });
    }

    fn acknowledge(outbox: &Outbox, offset: i64) {
        let mut pile = outbox.pile();
        let of_offset = |letter: &Waiting| letter.offset == offset;
        let index = pile.waiting.iter().position(of_offset).unwrap();
        let letter = pile.waiting.remove(index).unwrap();
        outbox.done_with(&mut pile, &letter);
    }

    const PLACES: [Place; 2] = [
        Place {
            topic: 0,
            partition: 5,
        },
        Place {
            topic: 1,
            partition: 5,
        },
    ];

    #[test]
    fn a_position_is_durable_up_to_the_first_letter_that_is_not_acknowledged() {
        let outbox = outbox();
        for offset in [12, 10, 11] {
            hand_over(&outbox, PLACES[0], offset, 10);
        }
        assert_eq!(outbox.acknowledged_below(PLACES[0]), Some(10));
        assert_eq!(outbox.acknowledged_below(PLACES[1]), None);
        assert_eq!(outbox.durable(PLACES[0], 20), 10);
        assert_eq!(outbox.durable(PLACES[0], 9), 9);
        assert_eq!(outbox.durable(PLACES[1], 20), 20);
        acknowledge(&outbox, 11);
        assert_eq!(outbox.durable(PLACES[0], 20), 10);
        acknowledge(&outbox, 10);
        assert_eq!(outbox.durable(PLACES[0], 20), 12);
        acknowledge(&outbox, 12);
        assert_eq!(outbox.durable(PLACES[0], 20), 20);
        assert_eq!(outbox.telemetry.dead_letters.pending.get(), 0);
    }

    #[test]
    fn who_hands_over_waits_for_room_and_no_longer_than_the_outbox_is_open() {
        let outbox = outbox();
        let half = MOST_BYTES / 2 - 2 * LETTER - 1000;
        hand_over(&outbox, PLACES[0], 0, half);
        hand_over(&outbox, PLACES[0], 1, half);
        std::thread::scope(|scope| {
            let third = scope.spawn(|| hand_over(&outbox, PLACES[0], 2, half));
            while !outbox.pile().full {
                std::thread::yield_now();
            }
            assert!(!third.is_finished());
            acknowledge(&outbox, 0);
            third.join().unwrap();
            let fourth = scope.spawn(|| hand_over(&outbox, PLACES[0], 3, half));
            outbox.close();
            fourth.join().unwrap();
        });
        assert_eq!(outbox.pile().waiting.len(), 3);
        assert_eq!(outbox.acknowledged_below(PLACES[0]), Some(1));
    }

    #[test]
    fn a_letter_larger_than_the_bound_is_taken_when_nothing_else_waits() {
        let outbox = outbox();
        hand_over(&outbox, PLACES[0], 0, MOST_BYTES + 1);
        assert_eq!(outbox.pile().waiting.len(), 1);
    }
}
