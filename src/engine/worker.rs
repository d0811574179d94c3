//! A worker: the one owner of its shards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use rustix::time::{ClockId, clock_gettime};

use crate::checkpoint::{Accepted, Changed, Circumstances, Header, TopicId};
use crate::config::Settings;
use crate::engine::ground::Ground;
use crate::engine::intake::{Fate, Group, Tally, prepare, take_after, take_prepared};
use crate::engine::live::Live;
use crate::engine::slices::{Sliced, Wanted};
use crate::event::schema::Schemas;
use crate::event::source::Source;
use crate::event::{Event, Reason, Rejection, Timestamp, record};
use crate::kafka::batch::Batch;
use crate::kafka::letters::Letter;
use crate::kafka::letters::outbox::Outbox;
use crate::kafka::progress::{Applied, Progress};
use crate::kafka::{Delivery, Place, Sink};
use crate::ledger::corrections::Whence;
use crate::ledger::customers::FETCHED_TOGETHER;
use crate::ledger::shard::LastRecord;
use crate::ledger::{Shard, snapshot};
use crate::measure::customer::Customer;
use crate::measure::partial::Partial;
use crate::measure::pass::{HistoryGone, evaluate};
use crate::measure::question::Question;
use crate::measure::settings::EvaluationSettings;
use crate::telemetry::Telemetry;
use crate::telemetry::throttle::Throttle;

/// Tasks waiting for one worker: batches of 256 KiB and one record, so about 8 MiB, and 40 MiB if
/// every last record is as large as brokers take by default.
const QUEUE: usize = 32;

/// While a question is answered in slices, the tasks between two of them may take about so long.
const BETWEEN_SLICES: Duration = Duration::from_millis(4);

/// What a worker is asked to do, in order.
pub enum Task {
    Deliver(Delivery),
    /// To be answered at once.
    Evaluate(Ask),
    /// To be answered in slices, between other tasks, as of the moment at which its turn came. There
    /// is one such question at a time: a further one takes the place of the last.
    EvaluateInSlices(Ask, Wanted),
    LookUp(LookUp),
    /// A shard to begin with: restored, or empty at the offsets from which it will be read.
    Adopt {
        partition: i32,
        shard: Box<Shard>,
    },
    /// A copy of a shard as it is when the turn comes.
    Copy(CopyOf),
    /// Gives a shard away, as it is when the turn comes; nothing if there is none.
    LetGo {
        partition: i32,
        answer: Sender<Option<Box<Shard>>>,
    },
}

/// A wish for a copy of a shard.
pub struct CopyOf {
    pub partition: i32,
    /// The sum of the next offsets up to which there is a copy already.
    pub known: Option<i64>,
    pub label: Arc<Label>,
    /// Losses that were accepted for this shard.
    pub accepted: Arc<[Accepted]>,
    /// Under which settings it was folded before.
    pub changed: Arc<[Changed]>,
    /// Nothing if there is no such shard, or nothing new in it.
    pub answer: Sender<Option<Copied>>,
}

/// What the headers of all checkpoints say.
#[derive(Debug, Clone)]
pub struct Label {
    /// How many partitions each topic has, or had when customers were assigned to them.
    pub partitions: i32,
    /// Names and identities, by number of the topic.
    pub topics: Vec<(String, Option<TopicId>)>,
}

/// A shard as bytes.
pub struct Copied {
    pub header: Header,
    pub body: Vec<u8>,
    /// How long folding waited for it.
    pub pause: Duration,
}

impl Copied {
    /// A copy of a shard; nothing if there is nothing new in it.
    #[must_use]
    pub fn of(shard: &Shard, wish: &CopyOf, complete_until: Option<Timestamp>) -> Option<Self> {
        let started = Instant::now();
        let circumstances = Circumstances {
            partition: wish.partition,
            partitions: wish.label.partitions,
            topics: &wish.label.topics,
            complete_until,
            created_at: Live::now(),
            accepted: &wish.accepted,
            changed: &wish.changed,
        };
        let header = Header::of(shard, &circumstances);
        (wish.known != Some(header.offset())).then(|| Self {
            header,
            body: snapshot::write(shard),
            pause: started.elapsed(),
        })
    }
}

/// An evaluation of one shard.
pub struct Ask {
    pub partition: i32,
    pub question: Arc<Question>,
    pub answer: Sender<Answer>,
}

/// What a shard says to a question.
pub struct Answer {
    pub partial: Result<Partial, HistoryGone>,
    /// Processor time that an evaluation at once took; slices keep to a share of their own.
    pub took: Duration,
    /// Facts before it are no longer kept one by one.
    pub prune_line: Option<Timestamp>,
    pub ground: Ground,
}

/// A question for one customer of one shard.
pub struct LookUp {
    pub partition: i32,
    /// Personal: for the shard's hash alone.
    pub id: Arc<str>,
    pub settings: Arc<EvaluationSettings>,
    pub at: Timestamp,
    /// Nothing if the shard does not know the customer.
    pub answer: Sender<Option<Customer>>,
}

/// A queue in front of a worker.
pub fn queue() -> (Sender<Task>, Receiver<Task>) {
    bounded(QUEUE)
}

/// Hands deliveries to the worker that owns the shard.
pub struct Dispatcher {
    queues: Vec<Sender<Task>>,
}

impl Dispatcher {
    #[must_use]
    pub fn new(queues: Vec<Sender<Task>>) -> Self {
        Self { queues }
    }
}

impl Sink for Dispatcher {
    fn deliver(&mut self, delivery: Delivery) -> bool {
        let place = match &delivery {
            Delivery::Begin { place, .. } | Delivery::SkipTo { place, .. } => *place,
            Delivery::Records(batch) => batch.place,
        };
        owner(&self.queues, place.partition)
            .send(Task::Deliver(delivery))
            .is_ok()
    }
}

/// How long this thread has had a processor.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The queue of the worker that owns the shard of a partition: the only place that says so.
pub fn owner(queues: &[Sender<Task>], partition: i32) -> &Sender<Task> {
    let number = usize::try_from(partition).unwrap_or(0) % queues.len();
    &queues[number]
}

/// Folds what is delivered into its shards, and evaluates them when asked.
pub struct Worker {
    tasks: Receiver<Task>,
    topics: Vec<String>,
    /// In the order of the topics.
    sources: Vec<Source>,
    shards: BTreeMap<i32, Shard>,
    /// The question that is answered in slices.
    sliced: Option<Sliced>,
    progress: Arc<Progress>,
    telemetry: Arc<Telemetry>,
    rejections: [Throttle; Reason::ALL.len()],
    /// Where rejected records go, if they are kept.
    outbox: Option<Arc<Outbox>>,
    held: Held,
}

/// What of the state's size has been reported.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    customers: i64,
    bytes: i64,
}

impl Worker {
    #[must_use]
    pub fn new(settings: &Settings, live: &Live, tasks: Receiver<Task>) -> Self {
        Self {
            tasks,
            sources: sources(settings, live),
            topics: settings.kafka.topics.clone(),
            shards: BTreeMap::new(),
            sliced: None,
            progress: live.progress(),
            telemetry: live.telemetry(),
            rejections: Default::default(),
            outbox: live.outbox(),
            held: Held::default(),
        }
    }

    /// Works until nobody can ask for anything any more.
    pub fn run(mut self) {
        loop {
            let open = if self.sliced.is_some() {
                self.slice();
                self.work_between_slices()
            } else {
                let task = self.tasks.recv();
                task.map(|task| self.work(task)).is_ok()
            };
            if !open {
                return;
            }
        }
    }

    /// Works on what is waiting, but not for long. False if nobody can ask any more.
    fn work_between_slices(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < BETWEEN_SLICES {
            match self.tasks.try_recv() {
                Ok(task) => self.work(task),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn slice(&mut self) {
        self.sliced = self.sliced.take().and_then(|sliced| {
            let shard = self.shards.get(&sliced.partition())?;
            sliced.slice(shard)
        });
    }

    fn work(&mut self, task: Task) {
        match task {
            Task::Deliver(Delivery::Begin {
                place,
                first_offset,
            }) => {
                if let Some(shard) = self.shards.get_mut(&place.partition) {
                    shard.start_at(place.topic, first_offset);
                }
            }
            Task::Deliver(Delivery::Records(batch)) => self.fold(&batch),
            Task::Deliver(Delivery::SkipTo { place, next_offset }) => {
                if let Some(shard) = self.shards.get_mut(&place.partition) {
                    shard.skip_to(place.topic, next_offset);
                }
                self.report_progress(place);
            }
            Task::Evaluate(ask) => self.answer(ask),
            Task::EvaluateInSlices(ask, wanted) => {
                // Of a shard that is somebody else's by now nobody gets an answer.
                if let Some(shard) = self.shards.get(&ask.partition) {
                    let ground = Ground::of(shard, ask.partition, self.topics.len());
                    self.sliced = Sliced::begin(shard, ask, ground, wanted);
                }
            }
            Task::LookUp(look_up) => self.look_up(look_up),
            Task::Adopt { partition, shard } => {
                self.shards.insert(partition, *shard);
                for topic in 0..self.topics.len() {
                    self.report_progress(Place { topic, partition });
                }
                self.report_size();
            }
            Task::Copy(wish) => self.copy(wish),
            Task::LetGo { partition, answer } => {
                let own = |sliced: &Sliced| sliced.partition() == partition;
                self.sliced = self.sliced.take().filter(|sliced| !own(sliced));
                // Who asked may have given up; the shard is read again then.
                let _ = answer.send(self.shards.remove(&partition).map(Box::new));
                self.report_size();
            }
        }
    }

    fn copy(&mut self, wish: CopyOf) {
        let complete_until = self.progress.shard_complete_until(wish.partition);
        let copied = self
            .shards
            .get(&wish.partition)
            .and_then(|shard| Copied::of(shard, &wish, complete_until));
        // Who asked may have given up.
        let _ = wish.answer.send(copied);
    }

    fn fold(&mut self, batch: &Batch) {
        let started = Instant::now();
        let now = Live::now();
        let mut tally = Tally::default();
        let delays = self.telemetry.fold.event_delay.local();
        let Place { topic, partition } = batch.place;
        let Some(shard) = self.shards.get_mut(&partition) else {
            return;
        };
        let mut sliced = self
            .sliced
            .as_mut()
            .filter(|sliced| sliced.partition() == partition);
        let source = &self.sources[topic];
        let wrapped = source.needs_envelope();
        // Of one allocation for the whole batch, and of none for native events.
        let mut headers: Vec<record::Header<'_>> = Vec::new();
        let (mut ahead, mut prepared) = (batch.records(), Group::new());
        for (index, record) in batch.records().enumerate() {
            if index % FETCHED_TOGETHER == 0
                && let Source::Native(decoder) = source
            {
                let group = ahead.by_ref().take(FETCHED_TOGETHER);
                let group = group.map(|record| (record.value, record.recorded_at));
                prepare(&mut prepared, shard, decoder, group);
            }
            if !shard.advance(topic, record.offset, record.recorded_at) {
                continue;
            }
            let whence = Whence {
                topic: &self.topics[topic],
                partition,
                offset: record.offset,
            };
            let (key, headers) = if wrapped {
                let envelope = batch.envelope(index);
                headers.clear();
                headers.extend(envelope.headers());
                (envelope.key, headers.as_slice())
            } else {
                (None, [].as_slice())
            };
            let whole = record::Record {
                topic: whence.topic,
                partition,
                offset: record.offset,
                recorded_at: record.recorded_at,
                key,
                headers,
                value: record.value,
            };
            let mut rejected = None;
            let mut each = |fate| {
                tally.add(fate);
                match fate {
                    Fate::Folded { occurred_at, .. } => {
                        let delay = (now.as_millis() - occurred_at.as_millis()).max(0);
                        delays.observe(delay as f64 / 1000.0);
                    }
                    Fate::Rejected(rejection) => {
                        rejected = rejected.or(Some(rejection));
                        log_rejection(&self.rejections, rejection, whence);
                    }
                    Fate::Tombstone | Fate::Skipped => {}
                }
            };
            let before = |shard: &Shard, event: &Event<'_>| {
                if let Some(sliced) = &mut sliced {
                    sliced.before_change(shard, &event.customer);
                }
            };
            match prepared.get(index % FETCHED_TOGETHER) {
                Some(prepared) => each(take_prepared(shard, whence, prepared, before)),
                None => take_after(shard, source, Some(whence), whole, before, &mut each),
            }
            // The whole record is kept, once, however many of its parts were rejected.
            if let (Some(rejection), Some(outbox)) = (rejected, &self.outbox) {
                outbox.hand_over(&Letter {
                    place: batch.place,
                    offset: record.offset,
                    recorded_at: record.recorded_at,
                    envelope: batch.envelope(index),
                    value: record.value,
                    reason: rejection.reason,
                    field: rejection.field,
                });
            }
        }
        if let Some(last) = batch.last() {
            let witness = LastRecord {
                offset: last.offset,
                hash: shard.record_hash(last.recorded_at, last.value),
                leader_epoch: batch.leader_epoch,
            };
            shard.saw(topic, witness);
        }
        delays.flush();
        tally.flush(&self.telemetry.fold);
        self.report_progress(batch.place);
        self.report_size();
        self.telemetry
            .fold
            .apply_duration
            .observe(started.elapsed().as_secs_f64());
    }

    fn report_progress(&self, place: Place) {
        let position = self
            .shards
            .get(&place.partition)
            .and_then(|shard| shard.position(place.topic));
        if let Some(position) = position {
            let applied = Applied {
                next_offset: position.next_offset,
                last_record_at: position.last_record_at,
                reached_at: position.reached_at(),
            };
            self.progress.applied(place, applied);
        }
    }

    fn report_size(&mut self) {
        let held = Held {
            customers: self
                .shards
                .values()
                .map(|shard| shard.customers().len() as i64)
                .sum(),
            bytes: self.shards.values().map(|shard| shard.bytes() as i64).sum(),
        };
        self.telemetry
            .fold
            .state_customers
            .add(held.customers - self.held.customers);
        self.telemetry
            .fold
            .state_bytes
            .add(held.bytes - self.held.bytes);
        self.held = held;
    }

    fn answer(&mut self, ask: Ask) {
        let Ask {
            partition,
            question,
            answer,
        } = ask;
        // Of a shard that is somebody else's by now nobody gets an answer.
        let Some(shard) = self.shards.get(&partition) else {
            return;
        };
        let number = usize::try_from(partition).unwrap_or(0);
        let before = processor_time();
        let partial = evaluate(shard, number, &question);
        // Who asked may have given up.
        let _ = answer.send(Answer {
            partial,
            took: processor_time().saturating_sub(before),
            prune_line: shard.prune_line(),
            ground: Ground::of(shard, partition, self.topics.len()),
        });
    }

    fn look_up(&mut self, look_up: LookUp) {
        let Some(shard) = self.shards.get(&look_up.partition) else {
            return;
        };
        let customer = shard.customer(&look_up.id);
        let found = Customer::find(shard, customer, &look_up.settings, look_up.at);
        // Who asked may have given up.
        let _ = look_up.answer.send(found);
    }
}

/// How the records of each topic become events, in the order of the topics.
fn sources(settings: &Settings, live: &Live) -> Vec<Source> {
    let sources = settings.fold.sources_of(&settings.kafka.topics);
    let Some(registry) = live.registry() else {
        return sources;
    };
    let schemas: Arc<dyn Schemas> = registry;
    sources
        .into_iter()
        .map(|source| source.with_schemas(&schemas))
        .collect()
}

/// Says what was rejected and where, but not what it holds, and not too often.
fn log_rejection(
    throttles: &[Throttle; Reason::ALL.len()],
    rejection: Rejection,
    whence: Whence<'_>,
) {
    if let Some(suppressed) = throttles[rejection.reason as usize].pass() {
        tracing::warn!(
            reason = rejection.reason.name(),
            field = rejection.field,
            hint = rejection.hint,
            topic = whence.topic,
            partition = whence.partition,
            offset = whence.offset,
            suppressed,
            "rejected a record"
        );
    }
}
