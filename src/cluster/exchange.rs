//! The exchange: the way to the report topic and back, around a board.
//!
//! Owns the topic, which it makes if it is not there, a consumer that reads all of it, and a producer.
//! Promises that every record of the topic is heard in order, whoever else reads it and wherever the
//! topic is made anew; that of what it is given the newest of each key is written in the end; and that
//! brokers that are gone cost no memory and hold nobody up. Does not know how contributions come about,
//! nor what is done with a complete instant.
//!
//! ```text
//!  contribute, announce --> [ one record of each key ] --produce--> report topic, partition 0
//!                                     ^        |                            |
//!                                     +-refused+                            v
//!  complete, wanted, owners <------------------------- board <--poll-- all of it, from the beginning
//! ```
//!
//! Everything runs on the one thread of [`Exchange::run`]; the others only give and look.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tenure_librdkafka::{Outgoing, TopicId, produce, topic_ids};

use crate::cluster::board::Board;
use crate::cluster::grid::Grid;
use crate::cluster::record::{
    Contribution, Definition, Key, Presence, Refused, Subject, Unwritable,
};
use crate::cluster::topic::{Found, ensure};
use crate::config::KafkaSettings;
use crate::event::Timestamp;
use crate::kafka::client::{Consumer, Context, configuration, producer_configuration};
use crate::kafka::letters::producer::{Outcome, Producer, code, producer};
use crate::telemetry::Telemetry;
use crate::telemetry::throttle::Throttle;

/// The topic has one partition, so that all records have one order.
const PARTITION: i32 = 0;
/// How long one round takes while nothing happens; also how soon something given is written.
const ROUND: Duration = Duration::from_millis(20);
/// Records are heard for so long at most before something is written again.
const LISTEN: Duration = Duration::from_millis(100);
/// How long the brokers may take to say whether the topic is still the same, and where it ends.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often they are asked.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two attempts, after one that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the topic is rid of what nobody needs.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// At the end, for so long what was given is still written.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the producer does here beyond what every producer does.
const OF_PRODUCER: [(&str, &str); 1] = [("linger.ms", "0")];
/// Numbers pack well, and the brokers keep every contribution for a while.
const COMPRESSION: (&str, &str) = ("compression.type", "zstd");

/// The report topic as one instance reads and writes it.
pub struct Exchange {
    kafka: KafkaSettings,
    topic: String,
    instance: String,
    definition: Definition,
    board: Mutex<Board>,
    outgoing: Mutex<BTreeMap<Key, Record>>,
    telemetry: Arc<Telemetry>,
    refusals: Throttle,
    rejections: Throttle,
}

/// What is to be written under one key.
struct Record {
    /// Nothing is a tombstone.
    value: Option<Arc<[u8]>>,
    /// Whether the producer has it, or an earlier one of this key.
    in_flight: bool,
    /// It was given after the one that the producer has.
    newer: bool,
}

impl Exchange {
    /// For an instance of this name, with instances under the same definition. Nothing happens before
    /// it is run.
    #[must_use]
    pub fn new(
        kafka: &KafkaSettings,
        topic: &str,
        instance: &str,
        definition: Definition,
        grid: Grid,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        telemetry.reports.begin(&Refused::ALL.map(Refused::name));
        Self {
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            instance: instance.to_owned(),
            definition,
            board: Mutex::new(Board::new(&kafka.group_id, definition, grid)),
            outgoing: Mutex::default(),
            telemetry,
            refusals: Throttle::default(),
            rejections: Throttle::default(),
        }
    }

    /// What was heard. To be held for a moment only, as nothing is heard meanwhile.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a contribution, as soon as the brokers take it. Returns at once.
    ///
    /// # Errors
    /// If it has no bytes, which is not known to happen.
    pub fn contribute(&self, contribution: Contribution) -> Result<(), Unwritable> {
        let (partition, at) = (contribution.partition, contribution.at);
        let value = contribution.encode(self.definition)?;
        let mut board = self.board();
        let slot = board.place(partition, at);
        let key = board.key(Subject::Partition { partition, slot });
        drop(board);
        self.give(key, Some(value.into()));
        Ok(())
    }

    /// Writes what this instance has, as soon as the brokers take it. Returns at once.
    ///
    /// # Errors
    /// If it has no bytes, which is not known to happen.
    pub fn announce(&self, presence: &Presence) -> Result<(), Unwritable> {
        let value = presence.encode(self.definition)?;
        let key = self
            .board()
            .key(Subject::Instance(presence.instance.clone()));
        self.give(key, Some(value.into()));
        Ok(())
    }

    /// Takes back what [`announce`](Self::announce) said, before the end.
    pub fn depart(&self) {
        let key = self.board().key(Subject::Instance(self.instance.clone()));
        self.give(key, None);
    }

    /// How many records wait to be written, or are not acknowledged yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outgoing().len()
    }

    /// Reads and writes until told to stop, and then writes what it still has, for three seconds at
    /// most.
    ///
    /// # Errors
    /// If the client does not take its configuration.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), KafkaError> {
        let mut round = Round::new(self)?;
        while !stop.load(Ordering::Relaxed) {
            round.go();
        }
        let end = Instant::now() + LAST_WORDS;
        while self.waiting() > 0 && Instant::now() < end {
            round.go();
        }
        // Closing the client can wait for brokers that are gone.
        std::mem::forget(round.producer);
        Ok(())
    }

    fn outgoing(&self) -> MutexGuard<'_, BTreeMap<Key, Record>> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, key: Key, value: Option<Arc<[u8]>>) {
        let mut outgoing = self.outgoing();
        let in_flight = outgoing.get(&key).is_some_and(|record| record.in_flight);
        let record = Record {
            value,
            in_flight,
            newer: in_flight,
        };
        outgoing.insert(key, record);
    }

    fn hear(&self, key: &[u8], value: Option<&[u8]>, recorded_at: Timestamp) {
        let Err(reason) = self.board().heard(key, value, recorded_at) else {
            return;
        };
        self.telemetry.reports.rejected(reason.name()).inc();
        if reason == Refused::OldGeneration {
            return;
        }
        if let Some(suppressed) = self.rejections.pass() {
            tracing::warn!(
                topic = self.topic,
                reason = reason.name(),
                suppressed,
                "a record of the report topic is not heard: {}",
                advice(reason)
            );
        }
    }

    fn refuse(&self, reason: &str) {
        if let Some(suppressed) = self.refusals.pass() {
            tracing::warn!(
                topic = self.topic,
                reason,
                waiting = self.waiting(),
                suppressed,
                "the report topic (cluster.report_topic) cannot be read or written, trying again; \
                 until then instances serve what they have heard, and withhold it once it is older \
                 than max_staleness"
            );
        }
    }
}

/// What may be wrong when records are not heard.
const fn advice(reason: Refused) -> &'static str {
    match reason {
        Refused::OldGeneration => "a former owner wrote it",
        Refused::Definition => {
            "another instance of the group has other settings or topics, or another version; its \
             parts count again once all are alike"
        }
        Refused::Decode => "it is damaged, or something else writes to the topic",
        Refused::Future => {
            "it is of an instant that had not come yet: set the clocks of the instances and brokers"
        }
    }
}

/// The clients at work.
struct Round<'a> {
    exchange: &'a Exchange,
    consumer: Consumer,
    producer: Producer,
    producer_config: ClientConfig,
    /// Whether the topic was there when it was looked for last.
    found: bool,
    /// The topic that is read, as far as the brokers can tell.
    id: Option<TopicId>,
    /// Everything there is was read.
    at_end: bool,
    not_before: Instant,
    look_at: Instant,
    sweep_at: Instant,
    numbers: usize,
    in_flight: HashMap<usize, Key>,
}

impl<'a> Round<'a> {
    fn new(exchange: &'a Exchange) -> Result<Self, KafkaError> {
        let mut config = configuration(&exchange.kafka);
        config.set("enable.partition.eof", "true");
        let context = Context::new(Arc::clone(&exchange.telemetry));
        let consumer: Consumer = config.create_with_context(context)?;
        let mut producer_config = producer_configuration(&exchange.kafka);
        let chosen = |name: &str| name.starts_with("compression.");
        if !exchange.kafka.properties.keys().any(|name| chosen(name)) {
            producer_config.set(COMPRESSION.0, COMPRESSION.1);
        }
        for (name, value) in OF_PRODUCER {
            producer_config.set(name, value);
        }
        let now = Instant::now();
        Ok(Self {
            exchange,
            consumer,
            producer: producer(&producer_config)?,
            producer_config,
            found: false,
            id: None,
            at_end: false,
            not_before: now,
            look_at: now,
            sweep_at: now + SWEEP_EVERY,
            numbers: 0,
            in_flight: HashMap::new(),
        })
    }

    fn go(&mut self) {
        let now = Instant::now();
        if now >= self.not_before {
            if self.found {
                self.send();
            } else {
                self.find();
            }
        }
        self.listen();
        self.producer.poll(Duration::ZERO);
        for outcome in self.producer.client().context().take() {
            self.settle(outcome);
        }
        if self.producer.client().fatal_error().is_some() {
            self.begin_writing_anew();
        }
        if self.found && now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.look();
        }
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP_EVERY;
            self.sweep();
        }
    }

    /// Makes sure that the topic is there, and begins to read it.
    fn find(&mut self) {
        let topic = &self.exchange.topic;
        match ensure(&self.producer_config, topic) {
            Ok(found) => {
                if let Found::There(Some(warning)) = &found {
                    tracing::warn!(topic, "{warning}");
                }
                self.found = true;
                self.begin_reading();
            }
            Err(reason) => self.refuse(&reason),
        }
    }

    fn begin_reading(&mut self) {
        self.at_end = false;
        self.id = None;
        self.look_at = Instant::now();
        let mut list = TopicPartitionList::new();
        let begin = list
            .add_partition_offset(&self.exchange.topic, PARTITION, Offset::Beginning)
            .and_then(|()| self.consumer.assign(&list));
        if let Err(error) = begin {
            self.found = false;
            self.refuse(&error.to_string());
        }
    }

    /// Hears what there is, for a while.
    fn listen(&mut self) {
        let until = Instant::now() + LISTEN;
        let mut wait = ROUND;
        while let Some(polled) = self.consumer.poll(wait) {
            wait = Duration::ZERO;
            match polled {
                Ok(message) => {
                    self.at_end = false;
                    let at = message.timestamp().to_millis();
                    let at = Timestamp::from_millis(at.unwrap_or(0));
                    let key = message.key().unwrap_or_default();
                    self.exchange.hear(key, message.payload(), at);
                }
                Err(KafkaError::PartitionEOF(_)) => self.reached_end(),
                Err(error) => {
                    self.stumble(&error);
                    return;
                }
            }
            if Instant::now() >= until {
                return;
            }
        }
    }

    fn reached_end(&mut self) {
        let exchange = self.exchange;
        self.at_end = true;
        exchange.telemetry.reports.lags(0);
        let mut board = exchange.board();
        for (partition, at) in board.as_of() {
            exchange.telemetry.reports.as_of(partition, at.as_seconds());
        }
        if !board.is_caught_up() {
            board.catch_up();
            let complete = board.complete();
            drop(board);
            let complete = complete.map(|complete| complete.at.to_string());
            tracing::info!(
                topic = exchange.topic,
                complete,
                "has read the report topic to its end"
            );
        }
    }

    /// What the log no longer has, or where there is none, is no loss: what matters is written again.
    fn stumble(&mut self, error: &KafkaError) {
        use RDKafkaErrorCode as E;

        self.consumer.client().context().failed(error);
        match error.rdkafka_error_code() {
            Some(E::OffsetOutOfRange | E::AutoOffsetReset) => {
                self.exchange.board().begin_anew();
                self.begin_reading();
            }
            Some(E::UnknownTopic | E::UnknownPartition | E::UnknownTopicOrPartition) => {
                self.lose();
                self.refuse("the topic is not there any more");
            }
            Some(E::Fatal) => self.lose(),
            _ => {}
        }
    }

    /// The topic is looked for again, and read from its beginning.
    fn lose(&mut self) {
        self.found = false;
        self.exchange.board().begin_anew();
    }

    /// Asks whether the topic is still the same, and how much of it is not read yet.
    fn look(&mut self) {
        let topic = self.exchange.topic.as_str();
        let ids = topic_ids(self.consumer.client(), &[topic], PATIENCE);
        if let Ok(Some(id)) = ids.map(|ids| ids.first().copied().flatten()) {
            if self.id.is_some_and(|known| known != id) {
                tracing::warn!(
                    topic,
                    "the report topic was made anew: reading it from its beginning"
                );
                self.exchange.board().begin_anew();
                self.begin_reading();
            }
            self.id = Some(id);
        }
        if self.at_end {
            return;
        }
        let ends = self.consumer.fetch_watermarks(topic, PARTITION, PATIENCE);
        let position = self.consumer.position().ok();
        let position =
            position.and_then(|list| list.find_partition(topic, PARTITION)?.offset().to_raw());
        if let Ok((low, high)) = ends {
            let position = position.filter(|at| *at >= 0).unwrap_or(low);
            let lag = high.saturating_sub(position).max(0);
            self.exchange.telemetry.reports.lags(lag);
        }
    }

    /// Hands the producer every record of which it has none of the same key.
    fn send(&mut self) {
        let exchange = self.exchange;
        let mut outgoing = exchange.outgoing();
        let waiting = outgoing.iter_mut().filter(|(_, record)| !record.in_flight);
        let mut refused = None;
        for (key, record) in waiting {
            self.numbers += 1;
            let name = key.to_string();
            let outgoing = Outgoing {
                topic: &exchange.topic,
                partition: Some(PARTITION),
                timestamp: Some(jiff::Timestamp::now().as_millisecond()),
                key: Some(name.as_bytes()),
                value: record.value.as_deref(),
                headers: &[],
            };
            match produce(&self.producer, &outgoing, self.numbers) {
                Ok(()) => {
                    record.in_flight = true;
                    record.newer = false;
                    self.in_flight.insert(self.numbers, key.clone());
                }
                Err(error) => {
                    refused = Some((code(&error), key.clone()));
                    break;
                }
            }
        }
        drop(outgoing);
        if let Some((code, key)) = refused {
            self.failed(&key, code);
        }
    }

    fn settle(&mut self, (number, result): Outcome) {
        let Some(key) = self.in_flight.remove(&number) else {
            return;
        };
        match result {
            Ok(()) => {
                let mut outgoing = self.exchange.outgoing();
                match outgoing.get_mut(&key) {
                    Some(record) if record.newer => {
                        record.in_flight = false;
                        record.newer = false;
                    }
                    _ => {
                        outgoing.remove(&key);
                    }
                }
                if let Subject::Partition { .. } = key.subject {
                    self.exchange.telemetry.reports.written().inc();
                }
            }
            Err(code) => self.failed(&key, code),
        }
    }

    /// Tries a record again, unless the topic can never take it.
    fn failed(&mut self, key: &Key, code: RDKafkaErrorCode) {
        use RDKafkaErrorCode as E;

        let exchange = self.exchange;
        exchange.telemetry.reports.failures().inc();
        let mut outgoing = exchange.outgoing();
        let hopeless = matches!(code, E::MessageSizeTooLarge | E::InvalidRecord);
        match outgoing.get_mut(key) {
            Some(record) if record.newer || !hopeless => {
                record.in_flight = false;
                record.newer = false;
            }
            _ => {
                outgoing.remove(key);
            }
        }
        drop(outgoing);
        if let (true, Subject::Partition { partition, slot }) = (hopeless, &key.subject) {
            exchange.board().give_up(*partition, *slot);
        }
        let gone = [
            E::UnknownTopic,
            E::UnknownPartition,
            E::UnknownTopicOrPartition,
        ];
        self.found &= !gone.contains(&code);
        let reason = if hopeless {
            format!("{code}; give the topic a larger max.message.bytes, for instance 16777216")
        } else {
            code.to_string()
        };
        self.refuse(&reason);
    }

    fn refuse(&mut self, reason: &str) {
        self.not_before = Instant::now() + PAUSE;
        self.exchange.refuse(reason);
    }

    /// The client has given up, for instance because of a permission. What it held may have been
    /// written; written again does no harm.
    fn begin_writing_anew(&mut self) {
        match producer(&self.producer_config) {
            Ok(producer) => {
                let old = std::mem::replace(&mut self.producer, producer);
                // Its end can wait for brokers.
                std::thread::spawn(move || drop(old));
                self.in_flight.clear();
                for record in self.exchange.outgoing().values_mut() {
                    record.in_flight = false;
                    record.newer = false;
                }
                self.refuse("the producer had to be made anew");
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    /// Takes out of the topic what nobody needs any more.
    fn sweep(&mut self) {
        let exchange = self.exchange;
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let outdated = exchange.board().outdated(&exchange.instance, now);
        for key in outdated {
            let mut outgoing = exchange.outgoing();
            outgoing.entry(key).or_insert(Record {
                value: None,
                in_flight: false,
                newer: false,
            });
        }
    }
}
