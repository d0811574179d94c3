//! The reader: the one thread that polls.
//!
//! It does no I/O of its own and folds nothing: it copies values into batches, and hands a batch on
//! when it is full or when nothing more is there. Offsets are always given when partitions are
//! assigned; the reader never seeks.
//!
//! Whenever partitions are assigned anew, each is fetched from the last record that was handed on:
//!
//! ```text
//!   handed on: .. 40 41 42        polled: 43 44
//!                        |
//!   assigned at          42  --> the same record as before?  yes: go on with 45
//!                                                            no: this is another log
//! ```
//!
//! A record that cannot be handed on yet holds its partition: it is not fetched until the record can
//! be, and then from the last record that was handed on.
//!
//! The checksum of a batch does not cover its first offset. A bit of it changed on the way moves the
//! batch up or down, which looks like a gap, as compaction and transactions leave them. So the first
//! gaps are fetched once more, and are believed if they are there again:
//!
//! ```text
//!   .. 41 42 43 | 626 627 628     626 was 44 once     again from 43: 44, and no gap
//!   .. 41 42 43 | 47 48 49        44 was 0 once, which the client drops     the same
//! ```

use std::collections::HashMap;
use std::hash::Hasher;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use siphasher::sip::SipHasher13;
use tenure_librdkafka::{Failed, Fetched, Pump, Pumped, Run};

use crate::event::Timestamp;
use crate::kafka::admission::{Admission, Awaited, Open};
use crate::kafka::batch::{Batch, Record, Spares};
use crate::kafka::client::{Consumer, Context, failure};
use crate::kafka::commits::Commits;
use crate::kafka::progress::Progress;
use crate::kafka::{Delivery, Place, Sink, sentence};
use crate::telemetry::partition::Degradation;
use crate::telemetry::{Failure, Telemetry, TopicTelemetry};

/// How long a broker may take to tell the bounds of a partition.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a poll waits for a record; also how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(50);
/// Records wait in a batch that is not full for at most about this long.
const LINGER: Duration = Duration::from_millis(20);
/// The same while nothing more is there: a client that is emptied faster than it fills has nothing
/// more every few records, and a batch has its price. Who was not busy lately does not wait.
const GATHER: Duration = Duration::from_millis(5);
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// How often positions are compared with those of the client, which steps over control records.
const CONTROL_RECORDS_EVERY: Duration = Duration::from_millis(200);
/// How often everything is fetched anew before the partition with the damaged batch is looked for.
const ATTEMPTS: u32 = 3;
/// Between two of these attempts, so that a damage on the way has time to pass.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);
/// Attempts further apart than this have nothing to do with each other.
const ATTEMPTS_FORGOTTEN: Duration = Duration::from_secs(30);
/// How long a partition that is fetched alone may take to show whether it can be read.
const ALONE: Duration = Duration::from_secs(2);
/// Topics that have shown so many gaps together are of those that have them: further ones are
/// believed.
const GAPS_FETCHED_AGAIN: u32 = 16;

/// A partition that is behind and gives nothing for so long is fetched anew.
const STANDS_STILL: Duration = Duration::from_secs(30);

/// Reads all partitions and delivers their records.
pub struct Reader<S> {
    consumer: Arc<Consumer>,
    topics: Vec<String>,
    counters: Vec<TopicTelemetry>,
    telemetry: Arc<Telemetry>,
    progress: Arc<Progress>,
    commits: Arc<Commits>,
    /// Of which topics keys and headers are kept with the records.
    envelopes: Vec<bool>,
    sink: S,
    admission: Box<dyn Admission>,
    partitions: HashMap<Place, Partition>,
    spares: Spares,
    waiting: usize,
    attempts: u32,
    attempted_at: Option<Instant>,
    /// What of the changes of degraded partitions has been looked at.
    changes_seen: u64,
    /// Gaps that were there again.
    gaps: u32,
}

/// What the reader is to read from now on, and what no longer.
#[derive(Debug)]
pub enum Order {
    /// These too.
    Take(Vec<Assignment>),
    /// The partitions with this number no longer, of no topic. `done` is dropped once everything that was
    /// polled of them is handed on, after which nothing of them comes any more.
    LetGo { partition: i32, done: Sender<()> },
}

/// From where a partition is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    pub place: Place,
    pub next_offset: i64,
    /// Whether there is no state yet, so that a head that retention takes away meanwhile was never
    /// promised.
    pub fresh: bool,
}

#[derive(Debug)]
struct Partition {
    fresh: bool,
    /// The offset at which reading began.
    first: i64,
    /// The offset after the last record polled, or after what is stepped over behind it.
    polled: i64,
    /// The offset after the last record polled.
    behind: i64,
    /// The last record handed on.
    last: Option<Seen>,
    /// The record that must come first after an assignment, if it is still there.
    expected: Option<Seen>,
    stood: Option<Stood>,
    /// What the next record waits for; until then the partition is not fetched.
    held: Option<Awaited>,
    /// The last offset that the client gave since the assignment.
    given: Option<i64>,
    /// Where the client takes the partition to be since an error, and no record has led to.
    moved: Option<i64>,
    /// The gap seen last: the offset that was missing, and the one that came instead.
    gap: Option<(i64, i64)>,
    batch: Batch,
    /// Bytes of the keys and values in the batch.
    received_bytes: u64,
}

/// A record that was read before, to know it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    offset: i64,
    hash: u64,
}

impl Seen {
    /// Not keyed and never kept: it is compared within one process.
    fn of(record: &Record<'_>) -> Self {
        let mut hasher = SipHasher13::new();
        let at = record.recorded_at.map_or(i64::MIN, Timestamp::as_millis);
        hasher.write_i64(at);
        hasher.write_u8(u8::from(record.value.is_some()));
        hasher.write(record.value.unwrap_or_default());
        Self {
            offset: record.offset,
            hash: hasher.finish(),
        }
    }
}

/// Where a partition was when it was last looked whether it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stood {
    polled: i64,
    since: Instant,
}

/// Why what was polled is not taken to its end. All that was not taken has to be fetched anew, for
/// the client gives it out once.
#[derive(Debug)]
enum Broken {
    /// A partition has to be held.
    Held,
    /// There is a gap that has to be fetched once more.
    Doubtful,
    /// Offsets do not ascend.
    Contradicted,
    /// The client has lost its way, or cannot go on.
    Failed(KafkaError),
    /// Nobody takes deliveries any more.
    Abandoned,
}

/// What is done with a record that was polled.
enum Verdict {
    Taken,
    /// It is not the one that was read at its offset before.
    Another,
    Broken(Broken),
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
    fn new(assignment: Assignment, spares: &Spares) -> Self {
        let Assignment {
            place, next_offset, ..
        } = assignment;
        Self {
            fresh: assignment.fresh,
            first: next_offset,
            polled: next_offset,
            behind: next_offset,
            last: None,
            expected: None,
            stood: None,
            held: None,
            given: None,
            moved: None,
            gap: None,
            batch: Batch::with_spares(place, spares.clone()),
            received_bytes: 0,
        }
    }

    /// Delivers the batch, and counts what was in it: once a batch, which costs nothing.
    fn hand_on(&mut self, counters: &TopicTelemetry, sink: &mut impl Sink) -> bool {
        counters.events_received.inc_by(self.batch.len() as u64);
        counters.received_bytes.inc_by(self.received_bytes);
        self.received_bytes = 0;
        self.last = self
            .batch
            .last()
            .map(|record| Seen::of(&record))
            .or(self.last);
        sink.deliver(Delivery::Records(self.batch.take()))
    }

    /// Whether a record can be the next one. False if the log has another record where one was read.
    fn continues(&mut self, record: &Record<'_>) -> bool {
        match self.expected.take() {
            Some(expected) if expected.offset == record.offset => expected == Seen::of(record),
            // Compaction or retention took it, or something has been read since.
            Some(_) | None => true,
        }
    }

    /// Notes an offset that the client gives. False if it cannot follow the one before.
    fn ascends(&mut self, offset: i64) -> bool {
        let ascends = self.given.is_none_or(|given| given < offset);
        self.given = Some(offset);
        ascends
    }

    /// Whether something behind the last record, that was none, has been stepped over.
    fn stepped_over(&self) -> bool {
        self.polled > self.behind
    }

    /// Where to fetch from: the last record again, to see whether it is still the same.
    fn fetch_from(&mut self) -> i64 {
        self.expected = self.last;
        self.given = None;
        self.moved = None;
        self.last.map_or(self.polled, |last| last.offset)
    }
}

impl<S: Sink> Reader<S> {
    #[must_use]
    pub fn new(
        consumer: Arc<Consumer>,
        topics: Vec<String>,
        telemetry: Arc<Telemetry>,
        progress: Arc<Progress>,
        commits: Arc<Commits>,
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
            commits,
            envelopes: Vec::new(),
            sink,
            admission: Box::new(Open),
            partitions: HashMap::new(),
            spares: Spares::default(),
            waiting: 0,
            attempts: 0,
            attempted_at: None,
            changes_seen: 0,
            gaps: 0,
        }
    }

    /// The same with keys and headers in the batches of the topics, by their places, for which it is
    /// wanted: for sources that look at them, and for a service that keeps what it rejects.
    #[must_use]
    pub fn with_envelopes(self, envelopes: Vec<bool>) -> Self {
        Self { envelopes, ..self }
    }

    /// The same with somebody who says which records have to wait.
    #[must_use]
    pub fn with_admission(self, admission: Box<dyn Admission>) -> Self {
        Self { admission, ..self }
    }

    /// Reads what it is ordered to until told to stop.
    pub fn run(mut self, orders: &Receiver<Order>, stop: &AtomicBool) -> Ended {
        // The clone lets what is polled borrow from it while the reader is changed.
        let consumer = Arc::clone(&self.consumer);
        let Some(mut pump) = Pump::assigned(&consumer) else {
            return Ended::Fatal("the client was given no group".to_owned());
        };
        self.read(&mut pump, orders, stop)
    }

    /// Does what was ordered meanwhile. What it reads on is fetched anew, from where it is.
    fn obey(&mut self, orders: &Receiver<Order>) -> Option<Ended> {
        let Ok(mut order) = orders.try_recv() else {
            return None;
        };
        // What was polled belongs to the shards, whoever owns them next.
        if !self.flush() {
            return Some(Ended::Abandoned);
        }
        let mut let_go = Vec::new();
        loop {
            match order {
                Order::Take(assignments) => self.take_up(&assignments),
                Order::LetGo { partition, done } => {
                    self.partitions
                        .retain(|place, _| place.partition != partition);
                    let_go.push(done);
                }
            }
            match orders.try_recv() {
                Ok(next) => order = next,
                Err(_) => break,
            }
        }
        self.count_assigned();
        let ended = self.let_go().or_else(|| self.assigned());
        drop(let_go);
        ended
    }

    fn take_up(&mut self, assignments: &[Assignment]) {
        for assignment in assignments {
            let partition = Partition::new(*assignment, &self.spares);
            self.partitions.insert(assignment.place, partition);
        }
    }

    fn count_assigned(&self) {
        for (topic, counters) in self.counters.iter().enumerate() {
            let places = self.partitions.keys();
            let count = places.filter(|place| place.topic == topic).count();
            counters.assigned_partitions.set(count as i64);
        }
    }

    fn read(
        &mut self,
        pump: &mut Pump<'_, Context>,
        orders: &Receiver<Order>,
        stop: &AtomicBool,
    ) -> Ended {
        let (mut flushed, mut committed, mut stepped) =
            (Instant::now(), Instant::now(), Instant::now());
        while !stop.load(Ordering::Relaxed) {
            if let Some(ended) = self.obey(orders) {
                return ended;
            }
            let wait = if self.waiting > 0 {
                GATHER.saturating_sub(flushed.elapsed())
            } else {
                POLL
            };
            let idle = match pump.poll(wait, |pumped| self.take(pumped)) {
                ControlFlow::Continue(came) => !came,
                ControlFlow::Break(broken) => {
                    if let Some(ended) = self.begin_anew(broken, pump) {
                        return ended;
                    }
                    false
                }
            };
            let now = Instant::now();
            if let Some(ended) = self.heed_changes() {
                return ended;
            }
            if let Some(ended) = self.let_go_on() {
                return ended;
            }
            if now - flushed >= if idle { GATHER } else { LINGER } {
                flushed = now;
                if !self.flush() {
                    return Ended::Abandoned;
                }
            }
            // What waits has to be handed on first.
            if idle && self.waiting == 0 && now - stepped >= CONTROL_RECORDS_EVERY {
                stepped = now;
                if !self.step_over_control_records() {
                    return Ended::Abandoned;
                }
            }
            if now - committed >= COMMIT_EVERY
                && self.stands_still(now)
                && let Some(ended) = self.assigned()
            {
                return ended;
            }
            if now - committed >= COMMIT_EVERY {
                committed = now;
                self.commits.commit(CommitMode::Async);
            }
        }
        if self.flush() {
            Ended::Stopped
        } else {
            Ended::Abandoned
        }
    }

    /// Takes what the client gives: records, or an error in their place.
    fn take(&mut self, pumped: Pumped<'_>) -> ControlFlow<Broken> {
        match pumped {
            Pumped::Records(run) => self.take_records(run),
            Pumped::Failed(failed) => self.take_failed(failed),
        }
    }

    /// Takes records into the batch of their partition.
    fn take_records(&mut self, run: Run<'_>) -> ControlFlow<Broken> {
        let Some(place) = self.place_of(run.topic, run.partition) else {
            return ControlFlow::Continue(());
        };
        let Some(partition) = self.partitions.get_mut(&place) else {
            return ControlFlow::Continue(());
        };
        if partition.held.is_some() {
            return ControlFlow::Continue(());
        }
        let mut taking = Taking {
            place,
            topic: &self.topics[place.topic],
            counters: &self.counters[place.topic],
            telemetry: &self.telemetry,
            with_envelope: self
                .envelopes
                .get(place.topic)
                .is_some_and(|wanted| *wanted),
            admission: &mut *self.admission,
            sink: &mut self.sink,
            waiting: &mut self.waiting,
            gaps: &mut self.gaps,
        };
        for mut record in run {
            match taking.take(partition, &mut record) {
                Verdict::Taken => {}
                Verdict::Broken(broken) => return ControlFlow::Break(broken),
                Verdict::Another => {
                    self.give_up(place, Degradation::Truncated);
                    break;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Notes an error that the client gets over by itself.
    fn take_failed(&mut self, failed: Failed<'_>) -> ControlFlow<Broken> {
        if let Some(moved) = failed.moved
            && let Some(place) = self.place_of(moved.topic, moved.partition)
            && let Some(partition) = self.partitions.get_mut(&place)
        {
            partition.moved = Some(moved.to);
        }
        let fatal = matches!(failed.error, KafkaError::MessageConsumptionFatal(_));
        match failure(&failed.error) {
            _ if fatal => ControlFlow::Break(Broken::Failed(failed.error)),
            Failure::OffsetOutOfRange | Failure::BadMessage => {
                ControlFlow::Break(Broken::Failed(failed.error))
            }
            _ => {
                self.consumer.context().failed(&failed.error);
                ControlFlow::Continue(())
            }
        }
    }

    fn place_of(&self, topic: &str, partition: i32) -> Option<Place> {
        let topic = self.topics.iter().position(|name| name == topic)?;
        Some(Place { topic, partition })
    }

    /// Fetches everything anew after what was polled was not taken to its end.
    fn begin_anew(&mut self, broken: Broken, pump: &mut Pump<'_, Context>) -> Option<Ended> {
        match broken {
            Broken::Held => self.fetch_others(),
            Broken::Doubtful => self.fetch_gap_again(),
            Broken::Contradicted => self.fetch_again(pump),
            Broken::Failed(error) => self.failed(&error, pump),
            Broken::Abandoned => Some(Ended::Abandoned),
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
            let Some(place) = self.place_of(element.topic(), element.partition()) else {
                continue;
            };
            let (Some(partition), Offset::Offset(next_offset)) =
                (self.partitions.get_mut(&place), element.offset())
            else {
                continue;
            };
            if next_offset > partition.polled && partition.moved != Some(next_offset) {
                partition.polled = next_offset;
                if !self.sink.deliver(Delivery::SkipTo { place, next_offset }) {
                    return false;
                }
            }
        }
        true
    }

    fn failed(&mut self, error: &KafkaError, pump: &mut Pump<'_, Context>) -> Option<Ended> {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            self.telemetry.errors.of(Failure::Fatal).inc();
            return Some(Ended::Fatal(code.to_string()));
        }
        self.consumer.context().failed(error);
        if failure(error) == Failure::OffsetOutOfRange {
            self.out_of_range(pump)
        } else {
            // The client has skipped the damaged batch, so everything is fetched again from where we
            // are.
            self.fetch_again(pump)
        }
    }

    /// The client does not say which partition it was, so each is looked at.
    fn out_of_range(&mut self, pump: &mut Pump<'_, Context>) -> Option<Ended> {
        if !self.flush() {
            return Some(Ended::Abandoned);
        }
        let (mut lost, mut explained) = (Vec::new(), false);
        for (place, partition) in &mut self.partitions {
            let topic = &self.topics[place.topic];
            let bounds = self
                .consumer
                .fetch_watermarks(topic, place.partition, PATIENCE);
            let Ok((low, high)) = bounds else { continue };
            if partition.last.is_some_and(|last| last.offset < low) {
                // Retention took the record by which the log would be known again.
                partition.last = None;
                explained = true;
            }
            let next = partition.polled;
            if !(low..=high).contains(&next) {
                tracing::warn!(
                    topic,
                    partition = place.partition,
                    next,
                    low,
                    high,
                    "the log does not have the offset that is to be read next"
                );
            }
            if partition.polled > high {
                lost.push((*place, Degradation::Truncated));
            } else if partition.polled < low
                && partition.fresh
                && partition.polled == partition.first
            {
                // Retention took the head between the question for it and the first fetch.
                explained = true;
                partition.first = low;
                partition.polled = low;
                partition.behind = low;
                let begin = Delivery::Begin {
                    place: *place,
                    first_offset: low,
                };
                if !self.sink.deliver(begin) {
                    return Some(Ended::Abandoned);
                }
            } else if partition.polled < low {
                lost.push((*place, Degradation::RecordsDeleted));
            }
        }
        if lost.is_empty() && !explained {
            // The broker found the log cut off, though it has our offset again. Where markers were
            // stepped over, other records may be by now; elsewhere the last record will tell.
            let stepped = self.partitions.iter();
            let stepped = stepped.filter(|(_, partition)| partition.stepped_over());
            lost.extend(stepped.map(|(place, _)| (*place, Degradation::Truncated)));
        }
        for (place, reason) in lost {
            self.give_up(place, reason);
        }
        self.fetch_again(pump)
    }

    /// Fetches everything anew but the partitions that are held.
    fn fetch_others(&mut self) -> Option<Ended> {
        if !self.flush() {
            return Some(Ended::Abandoned);
        }
        if let Some(ended) = self.let_go() {
            return Some(ended);
        }
        self.assigned()
    }

    /// Fetches the partitions again whose next record can be handed on by now.
    fn let_go_on(&mut self) -> Option<Ended> {
        let mut some = false;
        for partition in self.partitions.values_mut() {
            if partition.held.is_some_and(|held| self.admission.came(held)) {
                partition.held = None;
                some = true;
            }
        }
        if some { self.fetch_others() } else { None }
    }

    /// Fetches everything anew from before a gap.
    fn fetch_gap_again(&mut self) -> Option<Ended> {
        if !self.flush() {
            return Some(Ended::Abandoned);
        }
        if let Some(ended) = self.let_go() {
            return Some(ended);
        }
        self.assigned()
    }

    /// Fetches everything anew from where we are: the client skips what it cannot read.
    fn fetch_again(&mut self, pump: &mut Pump<'_, Context>) -> Option<Ended> {
        // What was polled is part of what the log must still have.
        if !self.flush() {
            return Some(Ended::Abandoned);
        }
        let recent = self
            .attempted_at
            .is_some_and(|at| at.elapsed() < ATTEMPTS_FORGOTTEN);
        self.attempts = if recent { self.attempts + 1 } else { 1 };
        self.attempted_at = Some(Instant::now());
        if let Some(ended) = self.let_go() {
            return Some(ended);
        }
        if self.attempts > ATTEMPTS {
            self.attempts = 0;
            if let Some(ended) = self.look_for_the_damaged(pump) {
                return Some(ended);
            }
        } else {
            tracing::warn!(
                attempt = self.attempts,
                "records could not be read, fetching them again"
            );
            std::thread::sleep(BETWEEN_ATTEMPTS);
        }
        self.assigned()
    }

    /// Fetches each partition that is behind its end alone, and gives up those that fail at once.
    fn look_for_the_damaged(&mut self, pump: &mut Pump<'_, Context>) -> Option<Ended> {
        let behind: Vec<Place> = self
            .partitions
            .iter()
            .filter(|(place, partition)| {
                if partition.held.is_some() {
                    return false;
                }
                let topic = &self.topics[place.topic];
                let bounds = self
                    .consumer
                    .fetch_watermarks(topic, place.partition, PATIENCE);
                bounds.is_ok_and(|(_, high)| partition.polled < high)
            })
            .map(|(place, _)| *place)
            .collect();
        for place in behind {
            match self.can_be_read(place, pump) {
                Ok(true) => {}
                Ok(false) => self.give_up(place, Degradation::BadBatch),
                Err(ended) => return Some(ended),
            }
        }
        None
    }

    /// Whether a partition that is fetched alone gives a record, or at least no error, for a while.
    fn can_be_read(&mut self, place: Place, pump: &mut Pump<'_, Context>) -> Result<bool, Ended> {
        let fatal = |error: KafkaError| Ended::Fatal(error.to_string());
        if let Some(ended) = self.let_go() {
            return Err(ended);
        }
        let polled = |reader: &Self| reader.partitions.get(&place).map(|found| found.polled);
        let before = polled(self);
        let list = self.list(|candidate| candidate == place).map_err(fatal)?;
        self.consumer.assign(&list).map_err(fatal)?;
        let begun = Instant::now();
        // The record read before, which is fetched again, says nothing about the next.
        while begun.elapsed() < ALONE && polled(self) == before {
            match pump.poll(POLL, |pumped| self.take(pumped)) {
                ControlFlow::Continue(_) => {}
                ControlFlow::Break(Broken::Abandoned) => return Err(Ended::Abandoned),
                ControlFlow::Break(Broken::Contradicted) => return Ok(false),
                ControlFlow::Break(Broken::Failed(error)) => {
                    return match error {
                        KafkaError::MessageConsumptionFatal(code) => {
                            Err(Ended::Fatal(code.to_string()))
                        }
                        error => Ok(failure(&error) != Failure::BadMessage),
                    };
                }
                // It gives records, and shows the rest again once everything is assigned.
                ControlFlow::Break(Broken::Held | Broken::Doubtful) => return Ok(true),
            }
        }
        Ok(true)
    }

    /// Reads a partition no longer: its numbers would be wrong.
    fn give_up(&mut self, place: Place, reason: Degradation) {
        let Some(partition) = self.partitions.remove(&place) else {
            return;
        };
        self.waiting -= usize::from(!partition.batch.is_empty());
        if self.progress.degrade(place, reason) {
            tracing::error!(
                topic = self.topics[place.topic],
                partition = place.partition,
                next = partition.polled,
                reason = reason.name(),
                "{}",
                sentence(reason)
            );
        }
    }

    /// Whether a partition has stayed behind its end for long without an error, as happens when the
    /// client has lost its way; it is noted from one call to the next.
    fn stands_still(&mut self, now: Instant) -> bool {
        let mut still = false;
        let snapshot = self.progress.ends();
        for (place, end) in snapshot {
            let Some(partition) = self.partitions.get_mut(&place) else {
                continue;
            };
            if partition.held.is_some() {
                partition.stood = None;
                continue;
            }
            let polled = partition.polled;
            let stood = partition.stood.filter(|stood| stood.polled == polled);
            let stood = stood.unwrap_or(Stood { polled, since: now });
            partition.stood = (polled < end).then_some(stood);
            if partition.stood.is_some() && now - stood.since > STANDS_STILL {
                partition.stood = None;
                still = true;
                tracing::warn!(
                    topic = self.topics[place.topic],
                    partition = place.partition,
                    next = polled,
                    end,
                    "nothing comes from a partition that has more: fetching again"
                );
            }
        }
        still
    }

    /// Others find out too that a partition cannot be trusted, or that it can again.
    fn heed_changes(&mut self) -> Option<Ended> {
        let changes = self.progress.changes();
        if changes == self.changes_seen {
            return None;
        }
        self.changes_seen = changes;
        let lost: Vec<(Place, Degradation)> = self
            .partitions
            .keys()
            .filter_map(|place| Some((*place, self.progress.degradation(*place)?)))
            // A topic that is missing can come back, and its partitions are polled on.
            .filter(|(_, reason)| *reason != Degradation::TopicMissing)
            .collect();
        for (place, reason) in lost {
            self.give_up(place, reason);
        }
        self.assigned()
    }

    /// Stops fetching. The client, left alone with a damaged batch, moves past it and finds the end of
    /// the log overrun; that error would come through to the next assignment.
    fn let_go(&self) -> Option<Ended> {
        let fatal = |error: KafkaError| Some(Ended::Fatal(error.to_string()));
        self.consumer.unassign().map_or_else(fatal, |()| None)
    }

    fn assigned(&mut self) -> Option<Ended> {
        let fatal = |error: KafkaError| Some(Ended::Fatal(error.to_string()));
        self.assign().map_or_else(fatal, |()| None)
    }

    /// Assigns every partition from the last record handed on.
    fn assign(&mut self) -> Result<(), KafkaError> {
        let list = self.list(|_| true)?;
        self.consumer.assign(&list)
    }

    fn list(&mut self, wanted: impl Fn(Place) -> bool) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (place, partition) in &mut self.partitions {
            if !wanted(*place) || partition.held.is_some() {
                continue;
            }
            let topic = &self.topics[place.topic];
            let from = partition.fetch_from();
            list.add_partition_offset(topic, place.partition, Offset::Offset(from))?;
        }
        Ok(list)
    }
}

/// What taking records of one partition needs beside it.
struct Taking<'a, S> {
    place: Place,
    topic: &'a str,
    counters: &'a TopicTelemetry,
    telemetry: &'a Telemetry,
    /// Whether keys and headers are kept with the records.
    with_envelope: bool,
    admission: &'a mut dyn Admission,
    sink: &'a mut S,
    waiting: &'a mut usize,
    gaps: &'a mut u32,
}

impl<S: Sink> Taking<'_, S> {
    fn take(&mut self, partition: &mut Partition, fetched: &mut Fetched<'_>) -> Verdict {
        let offset = fetched.offset();
        let record = Record {
            offset,
            recorded_at: fetched.timestamp().map(Timestamp::from_millis),
            value: fetched.value(),
        };
        if !partition.continues(&record) {
            return Verdict::Another;
        }
        if !partition.ascends(offset) {
            // One of the two is not true. If it is the one before, the log has another record there.
            return Verdict::Broken(Broken::Contradicted);
        }
        if offset < partition.polled {
            return Verdict::Taken;
        }
        if offset > partition.polled && *self.gaps < GAPS_FETCHED_AGAIN {
            let gap = Some((partition.polled, offset));
            if partition.gap != gap {
                partition.gap = gap;
                return Verdict::Broken(Broken::Doubtful);
            }
            *self.gaps += 1;
        }
        if partition.gap.is_some_and(|(missing, _)| missing == offset) {
            partition.gap = None;
            self.tell_of_damage(offset);
        }
        let key = fetched.key();
        if let Some(awaited) = self.admission.awaits(self.place, key, record.value) {
            partition.held = Some(awaited);
            return Verdict::Broken(Broken::Held);
        }
        partition.polled = offset + 1;
        partition.behind = offset + 1;
        let bytes = key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        partition.received_bytes += bytes as u64;
        *self.waiting += usize::from(partition.batch.is_empty());
        partition.batch.push(record);
        partition.batch.leader_epoch = fetched.leader_epoch();
        if self.with_envelope {
            keep_envelope(&mut partition.batch, fetched);
        }
        if partition.batch.full() {
            *self.waiting -= 1;
            if !partition.hand_on(self.counters, self.sink) {
                return Verdict::Broken(Broken::Abandoned);
            }
        }
        Verdict::Taken
    }

    fn tell_of_damage(&self, offset: i64) {
        self.telemetry.errors.of(Failure::BadMessage).inc();
        tracing::warn!(
            topic = self.topic,
            partition = self.place.partition,
            offset,
            "the offset of a batch was damaged on its way: fetched again"
        );
    }
}

/// Keeps key and headers of the record that was put into the batch last.
fn keep_envelope(batch: &mut Batch, fetched: &mut Fetched<'_>) {
    batch.push_key(fetched.key());
    // Headers that the client cannot read are no headers: the rest of the record is kept.
    let _ = fetched.each_header(|name, value| batch.push_header(name, value));
}
