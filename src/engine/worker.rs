//! A worker: the one owner of its shards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::config::Settings;
use crate::engine::intake::{Fate, Tally, take};
use crate::engine::live::Live;
use crate::event::decode::Decoder;
use crate::event::{Reason, Timestamp};
use crate::kafka::batch::Batch;
use crate::kafka::progress::{Applied, Progress};
use crate::kafka::{Delivery, Place, Sink};
use crate::ledger::Shard;
use crate::ledger::settings::FoldSettings;
use crate::measure::partial::Partial;
use crate::measure::pass::{HistoryGone, evaluate};
use crate::measure::question::Question;
use crate::telemetry::Telemetry;
use crate::telemetry::throttle::Throttle;

/// Tasks waiting for one worker: batches of 256 KiB and one record, so about 8 MiB, and 40 MiB if
/// every last record is as large as brokers take by default.
const QUEUE: usize = 32;

/// What a worker is asked to do, in order.
pub enum Task {
    Deliver(Delivery),
    Evaluate(Ask),
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
    /// Facts before it are no longer kept one by one.
    pub prune_line: Option<Timestamp>,
}

/// A queue in front of a worker.
pub fn queue() -> (Sender<Task>, Receiver<Task>) {
    bounded(QUEUE)
}

/// Hands deliveries to the worker that owns the shard.
pub struct Dispatcher {
    queues: Vec<Sender<Task>>,
    lost: Arc<AtomicBool>,
}

impl Dispatcher {
    #[must_use]
    pub fn new(queues: Vec<Sender<Task>>, lost: Arc<AtomicBool>) -> Self {
        Self { queues, lost }
    }
}

impl Sink for Dispatcher {
    fn deliver(&mut self, delivery: Delivery) -> bool {
        let place = match &delivery {
            Delivery::Begin { place, .. } | Delivery::SkipTo { place, .. } => *place,
            Delivery::Records(batch) => batch.place,
            Delivery::Lost => {
                self.lost.store(true, Ordering::Relaxed);
                return true;
            }
        };
        owner(&self.queues, place.partition)
            .send(Task::Deliver(delivery))
            .is_ok()
    }
}

/// The queue of the worker that owns the shard of a partition: the only place that says so.
pub fn owner(queues: &[Sender<Task>], partition: i32) -> &Sender<Task> {
    let number = usize::try_from(partition).unwrap_or(0) % queues.len();
    &queues[number]
}

/// Folds what is delivered into its shards, and evaluates them when asked.
pub struct Worker {
    tasks: Receiver<Task>,
    fold: Arc<FoldSettings>,
    topics: Vec<String>,
    decoder: Decoder,
    shards: BTreeMap<i32, Shard>,
    progress: Arc<Progress>,
    telemetry: Arc<Telemetry>,
    rejections: [Throttle; Reason::ALL.len()],
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
            decoder: Decoder::new(settings.fold.decoding()),
            fold: Arc::new(settings.fold.clone()),
            topics: settings.kafka.topics.clone(),
            shards: BTreeMap::new(),
            progress: live.progress(),
            telemetry: live.telemetry(),
            rejections: Default::default(),
            held: Held::default(),
        }
    }

    /// Works until nobody can ask for anything any more.
    pub fn run(mut self) {
        while let Ok(task) = self.tasks.recv() {
            match task {
                Task::Deliver(Delivery::Begin {
                    place,
                    first_offset,
                }) => {
                    self.shard(place.partition)
                        .start_at(place.topic, first_offset);
                }
                Task::Deliver(Delivery::Records(batch)) => self.fold(&batch),
                Task::Deliver(Delivery::SkipTo { place, next_offset }) => {
                    self.shard(place.partition)
                        .skip_to(place.topic, next_offset);
                    self.report_progress(place);
                }
                Task::Deliver(Delivery::Lost) => {}
                Task::Evaluate(ask) => self.answer(ask),
            }
        }
    }

    fn shard(&mut self, partition: i32) -> &mut Shard {
        let (fold, topics) = (&self.fold, self.topics.len());
        self.shards
            .entry(partition)
            .or_insert_with(|| Shard::new(Arc::clone(fold), topics))
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
        for record in batch.records() {
            if !shard.advance(topic, record.offset, record.recorded_at) {
                continue;
            }
            let fate = take(shard, &self.decoder, record.value, record.recorded_at);
            tally.add(fate);
            match fate {
                Fate::Folded { occurred_at, .. } => {
                    let delay = (now.as_millis() - occurred_at.as_millis()).max(0);
                    delays.observe(delay as f64 / 1000.0);
                }
                Fate::Rejected(rejection) => {
                    let throttle = &self.rejections[rejection.reason as usize];
                    if let Some(suppressed) = throttle.pass() {
                        tracing::warn!(
                            reason = rejection.reason.name(),
                            field = rejection.field,
                            hint = rejection.hint,
                            topic = self.topics[topic],
                            partition,
                            offset = record.offset,
                            suppressed,
                            "rejected a record"
                        );
                    }
                }
                Fate::Tombstone => {}
            }
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
        let shard = self.shard(partition);
        let number = usize::try_from(partition).unwrap_or(0);
        let partial = evaluate(shard, number, &question);
        // Who asked may have given up.
        let _ = answer.send(Answer {
            partial,
            prune_line: shard.prune_line(),
        });
    }
}
