//! Restoring: from what a shard goes on that comes to this instance.
//!
//! Promises that no shard begins empty where there was a state before: either a checkpoint is found
//! that the log still continues, or the log is read again from where the state began, or the shard is
//! degraded, visibly and with its reason, until an operator accepts the loss.
//!
//! ```text
//!  checkpoints of the shard          the log as it is now             committed: "there was a state"
//!          |                                 |                                   |
//!          +---------> checkpoint::choose <--+-----------------------------------+
//!                             |
//!          resume             |   fresh                  degraded
//!          adopt, read on     |   read from its start    keep, say why, read nothing
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;
use tenure_librdkafka::{CommittedMetadata, committed_metadata};

use crate::checkpoint::name::first_half;
use crate::checkpoint::{
    self, Accept, Accepted, Bounds, Checkpoint, Choice, CommitMark, Hex, Log, Loss, Note, Objects,
    OpenError, Shelf, Situation, StoreError, TopicId, Unusable, Witnessed,
};
use crate::config::Settings;
use crate::engine::Terms;
use crate::engine::keeper::Kept;
use crate::engine::live::Live;
use crate::engine::worker::{Task, owner};
use crate::event::Timestamp;
use crate::kafka::client::{Consumer, failure};
use crate::kafka::identity::Identity;
use crate::kafka::peek::{Peek, Peeked};
use crate::kafka::progress::{Resumed, Start};
use crate::kafka::reader::Assignment;
use crate::kafka::watch::Watch;
use crate::kafka::{Place, sentence};
use crate::ledger::Shard;
use crate::ledger::hash::Hashes;
use crate::ledger::settings::FoldSettings;
use crate::ledger::shard::LastRecord;
use crate::ledger::snapshot::fingerprint;
use crate::telemetry::partition::Degradation;
use crate::telemetry::{Failure, RestoreFailure};

/// How long a broker may take to show one record.
const PEEK: Duration = Duration::from_secs(5);
/// How long the brokers may take to say what was committed.
const COMMITTED: Duration = Duration::from_secs(5);
/// Between two attempts to reach the store.
const AGAIN: Duration = Duration::from_secs(2);
/// How often it is said that the store does not answer.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// Restores shards.
#[derive(Clone)]
pub struct Restore {
    settings: Settings,
    fold: Arc<FoldSettings>,
    terms: Terms,
    live: Arc<Live>,
    queues: Vec<Sender<Task>>,
    /// Nothing if the state is in memory only.
    shelf: Option<Arc<Shelf>>,
}

/// What reading and keeping begin with.
#[derive(Debug, Default)]
pub struct Restored {
    /// Partitions that are degraded are not among them.
    pub assignments: Vec<Assignment>,
    /// What is committed beside the offsets of each place.
    pub marks: HashMap<Place, String>,
    pub kept: BTreeMap<i32, Kept>,
    /// Shards that had a checkpoint.
    pub restored: usize,
}

/// What is asked while one shard is restored.
struct Questions<'a> {
    starts: &'a [Start],
    ids: &'a [Option<TopicId>],
    partitions: i32,
    committed: HashMap<Place, CommitMark>,
    stop: &'a AtomicBool,
}

impl Restore {
    /// Opens the store.
    ///
    /// # Errors
    /// If there is no such store, or it cannot be used.
    pub fn new(
        settings: &Settings,
        terms: Terms,
        live: &Arc<Live>,
        queues: &[Sender<Task>],
    ) -> Result<Self, OpenError> {
        let url = settings.state.url.as_ref();
        let objects = url.map(Objects::open).transpose()?;
        let shelf = objects.map(|objects| {
            Arc::new(Shelf::new(
                Arc::new(objects),
                &settings.kafka.topics,
                fingerprint(&settings.fold),
                settings.state.keep,
            ))
        });
        Ok(Self {
            fold: Arc::new(settings.fold.clone()),
            settings: settings.clone(),
            terms,
            live: Arc::clone(live),
            queues: queues.to_vec(),
            shelf,
        })
    }

    /// Where checkpoints are kept.
    #[must_use]
    pub fn shelf(&self) -> Option<Arc<Shelf>> {
        self.shelf.clone()
    }

    /// What decides the state.
    #[must_use]
    pub fn fold(&self) -> Arc<FoldSettings> {
        Arc::clone(&self.fold)
    }

    /// Decides for every shard that has starts, and hands those that are known to their workers; each
    /// topic has this many `partitions`. Nothing if it was told to stop, or if the service cannot go on.
    pub fn run(
        &self,
        starts: &[Start],
        partitions: i32,
        watch: &Watch,
        stop: &AtomicBool,
    ) -> Option<Restored> {
        let begun = Instant::now();
        let shards = starts.iter().map(|start| start.place.partition);
        let shards: BTreeSet<i32> = shards.collect();
        let ids = ids(&watch.identity, stop)?;
        let mut committed = HashMap::new();
        if let Some(shelf) = &self.shelf {
            self.refuse_another_key(shelf, stop)?;
            let listed = self.patiently(stop, || shelf.all())?;
            // A log that has its beginning gives everything again, whatever there was.
            let needed = starts.iter().any(|start| {
                start.first_offset > 0 && !listed.contains_key(&start.place.partition)
            });
            committed = self.committed(&watch.consumer, starts, needed, stop)?;
        }
        let questions = Questions {
            starts,
            ids: &ids,
            partitions,
            committed,
            stop,
        };
        let chosen = self.choose_all(&shards, &questions)?;
        let restored = self.adopt_all(chosen, &questions);
        let took = begun.elapsed().as_secs_f64();
        let telemetry = self.live.telemetry();
        telemetry.durability.restore_duration.set(took);
        Some(restored)
    }

    /// What was committed by an earlier process: where there is no checkpoint, and the log has lost
    /// its head, it tells a lost state from a first start. If it is `needed` for that, it is asked for
    /// until there is an answer, unless it may not be asked.
    fn committed(
        &self,
        consumer: &Consumer,
        starts: &[Start],
        needed: bool,
        stop: &AtomicBool,
    ) -> Option<HashMap<Place, CommitMark>> {
        loop {
            let error = match self.committed_now(consumer, starts) {
                Ok(marks) => return Some(marks),
                Err(error) => error,
            };
            if !needed || failure(&error) == Failure::Authorization {
                tracing::warn!(
                    %error,
                    "the brokers do not say what was committed, which would tell a lost state from a \
                     first start"
                );
                return Some(HashMap::new());
            }
            tracing::warn!(%error, "cannot restore yet, asking again what was committed");
            nap(AGAIN, stop)?;
        }
    }

    fn committed_now(
        &self,
        consumer: &Consumer,
        starts: &[Start],
    ) -> KafkaResult<HashMap<Place, CommitMark>> {
        let mut list = TopicPartitionList::new();
        for start in starts {
            list.add_partition(&start.topic, start.place.partition);
        }
        let committed = consumer.committed_offsets(list, COMMITTED)?;
        for element in committed.elements() {
            element.error()?;
        }
        let marks = committed_metadata(&committed).into_iter();
        let mark = |committed: CommittedMetadata| {
            let CommittedMetadata {
                topic,
                partition,
                metadata,
            } = committed;
            let topics = &self.settings.kafka.topics;
            let topic = topics.iter().position(|name| *name == topic)?;
            let mark = std::str::from_utf8(&metadata).ok()?.parse().ok()?;
            Some((Place { topic, partition }, mark))
        };
        Ok(marks.filter_map(mark).collect())
    }

    /// Another key would make everybody a new customer: that is a mistake, and not a change of mind.
    fn refuse_another_key(&self, shelf: &Shelf, stop: &AtomicBool) -> Option<()> {
        let others = self.patiently(stop, || shelf.others())?;
        let key = Hex(Hashes::new(self.fold.digest_key).mark_of_key());
        let another = others.iter().filter_map(|others| others.header.as_ref());
        let another = another.filter(|header| header.digest_key != key).count();
        let own = self.patiently(stop, || shelf.all())?;
        if another == 0 || !own.is_empty() {
            return Some(());
        }
        self.live.failed(
            "the checkpoints at state.url were made with another customer_digest_key_file, so every \
             customer would be a new one: restore that file; or, to begin anew, use another \
             state.url, or delete them with `tenure state prune --other-settings`"
                .to_owned(),
        );
        None
    }

    /// Asks the store until it answers. Nothing if told to stop: never an empty start because of a
    /// store.
    fn patiently<T>(
        &self,
        stop: &AtomicBool,
        ask: impl Fn() -> Result<T, StoreError>,
    ) -> Option<T> {
        let mut complained_at: Option<Instant> = None;
        loop {
            match ask() {
                Ok(answer) => return Some(answer),
                Err(error) => {
                    let telemetry = self.live.telemetry();
                    telemetry
                        .durability
                        .not_restored(RestoreFailure::Store)
                        .inc();
                    if complained_at.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
                        complained_at = Some(Instant::now());
                        tracing::warn!(%error, "cannot restore yet, asking the store again");
                    }
                }
            }
            nap(AGAIN, stop)?;
        }
    }

    /// Decides for every shard, as many at a time as there are cores.
    fn choose_all(
        &self,
        partitions: &BTreeSet<i32>,
        questions: &Questions<'_>,
    ) -> Option<BTreeMap<i32, Choice>> {
        let Some(shelf) = &self.shelf else {
            let fresh = |partition: &i32| {
                let accepted = Vec::new();
                (*partition, Choice::Fresh { accepted })
            };
            return Some(partitions.iter().map(fresh).collect());
        };
        let waiting: Vec<i32> = partitions.iter().copied().collect();
        let next = AtomicUsize::new(0);
        let chosen = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..self.queues.len().min(waiting.len()) {
                scope.spawn(|| {
                    // Only who finds something to look at needs a client of its own.
                    let mut peek = None;
                    while let Some(partition) = waiting.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let choice = self.choose(shelf, *partition, questions, &mut peek);
                        let Some(choice) = choice else { return };
                        let mut chosen = chosen.lock().unwrap_or_else(PoisonError::into_inner);
                        chosen.insert(*partition, choice);
                    }
                });
            }
        });
        let chosen = chosen.into_inner().unwrap_or_else(PoisonError::into_inner);
        (chosen.len() == waiting.len()).then_some(chosen)
    }

    fn choose(
        &self,
        shelf: &Shelf,
        partition: i32,
        questions: &Questions<'_>,
        peek: &mut Option<Peek>,
    ) -> Option<Choice> {
        let topics = self.settings.kafka.topics.len();
        let committed: Vec<Option<CommitMark>> = (0..topics)
            .map(|topic| {
                questions
                    .committed
                    .get(&Place { topic, partition })
                    .copied()
            })
            .collect();
        let situation = Situation {
            partition,
            partitions: questions.partitions,
            settings: &self.fold,
            committed: &committed,
            accept: Accept {
                history_loss: self.terms.accept_history_loss,
            },
        };
        let mut log = PresentLog {
            restore: self,
            questions,
            partition,
            peek,
        };
        let log = std::cell::RefCell::new(&mut log);
        let chosen = self.patiently(questions.stop, || {
            checkpoint::choose(shelf, &situation, *log.borrow_mut())
        })?;
        for note in &chosen.notes {
            self.tell(partition, note);
        }
        Some(chosen.choice)
    }

    fn tell(&self, partition: i32, note: &Note) {
        let telemetry = self.live.telemetry();
        let reason = match note {
            Note::SetAside { .. } => RestoreFailure::Damaged,
            Note::Left {
                why: Unusable::OtherSettings,
                ..
            } => RestoreFailure::Settings,
            Note::Left { .. } => RestoreFailure::Format,
            _ => {
                tracing::warn!(partition, "{note}");
                return;
            }
        };
        telemetry.durability.not_restored(reason).inc();
        tracing::error!(partition, reason = reason.name(), "{note}");
    }

    /// Hands every shard to its worker, and says from where it is read.
    fn adopt_all(&self, chosen: BTreeMap<i32, Choice>, questions: &Questions<'_>) -> Restored {
        let keyed_by = self.keyed_by(&chosen, questions.partitions);
        let mut restored = Restored::default();
        for (partition, choice) in chosen {
            match choice {
                Choice::Fresh { accepted } => {
                    let mut shard = Shard::new(Arc::clone(&self.fold), questions.ids.len());
                    for start in questions.of(partition) {
                        shard.start_at(start.place.topic, start.first_offset);
                    }
                    lost(partition, &accepted, "accepted");
                    let kept = Kept::nothing(accepted);
                    self.adopt(partition, shard, None, kept, questions, &mut restored);
                }
                Choice::Resume(found) => {
                    let Checkpoint { header, mut shard } = *found;
                    for start in questions.of(partition) {
                        shard.step_back(start.place.topic, start.first_offset);
                    }
                    restored.restored += 1;
                    let complete_until = header.complete_until.map(Timestamp::from_millis);
                    let kept = Kept::restored(&header, &shard, keyed_by);
                    lost(partition, &kept.accepted, "accepted");
                    self.adopt(
                        partition,
                        shard,
                        complete_until,
                        kept,
                        questions,
                        &mut restored,
                    );
                }
                Choice::Degraded { loss, gaps, .. } => {
                    lost(partition, &gaps, "not accepted");
                    let reason = degradation(loss);
                    for start in questions.of(partition) {
                        self.live.progress().degrade(start.place, reason);
                    }
                    tracing::error!(partition, reason = reason.name(), "{}", sentence(reason));
                }
            }
        }
        restored
    }

    fn adopt(
        &self,
        partition: i32,
        shard: Shard,
        complete_until: Option<Timestamp>,
        kept: Kept,
        questions: &Questions<'_>,
        restored: &mut Restored,
    ) {
        for (topic, id) in questions.ids.iter().copied().enumerate() {
            let place = Place { topic, partition };
            if let Some(position) = shard.position(topic) {
                let mark = CommitMark {
                    base_offset: position.base_offset,
                    fold: first_half(fingerprint(&self.fold)),
                    id,
                };
                restored.marks.insert(place, mark.to_string());
            }
        }
        let fresh = kept.at.is_none();
        restored.kept.insert(partition, kept);
        let assignments = self.place(partition, Box::new(shard), complete_until, fresh);
        restored.assignments.extend(assignments);
    }

    /// Hands a shard to its worker, and says from where it is read on.
    pub fn place(
        &self,
        partition: i32,
        shard: Box<Shard>,
        complete_until: Option<Timestamp>,
        fresh: bool,
    ) -> Vec<Assignment> {
        let places = (0..self.settings.kafka.topics.len()).map(|topic| Place { topic, partition });
        let assignments = places.filter_map(|place| {
            let next_offset = shard.position(place.topic)?.next_offset;
            Some(Assignment {
                place,
                next_offset,
                fresh,
            })
        });
        let assignments: Vec<Assignment> = assignments.collect();
        // A worker that is gone has said why.
        let _ = owner(&self.queues, partition).send(Task::Adopt { partition, shard });
        // Only now, since whoever sees it asks the worker.
        for assignment in &assignments {
            let resumed = Resumed {
                next_offset: assignment.next_offset,
                complete_until,
            };
            self.live.progress().resume(assignment.place, resumed);
        }
        assignments
    }

    /// By how many partitions customers were assigned to shards, as far as the state tells; with
    /// another number now they may be in two.
    fn keyed_by(&self, chosen: &BTreeMap<i32, Choice>, partitions: i32) -> i32 {
        let told = chosen.values().filter_map(|choice| match choice {
            Choice::Resume(found) => Some(found.header.partitions),
            Choice::Fresh { .. } | Choice::Degraded { .. } => None,
        });
        let told = told.min().unwrap_or(partitions);
        let told = if self.terms.accept_new_partitions {
            partitions
        } else {
            told
        };
        self.live.was_keyed_by(told);
        let keyed_by = self.live.keyed_by();
        if keyed_by == partitions {
            return partitions;
        }
        tracing::error!(
            partitions,
            before = keyed_by,
            "the topics have another number of partitions than when the state was made, so customers \
             may be in two of them: customer measures are withheld (tenure_rekey_suspected); send \
             the events to a new topic, or restart with --accept-new-partitions if no customer moved"
        );
        keyed_by
    }
}

/// Says which records are lost.
fn lost(partition: i32, gaps: &[Accepted], standing: &str) {
    for gap in gaps {
        tracing::warn!(
            partition,
            topic = gap.topic,
            from = gap.from,
            to = gap.to,
            reason = gap.reason,
            standing,
            "part of the log is lost"
        );
    }
}

/// How a loss shows while the service runs.
fn degradation(loss: Loss) -> Degradation {
    match loss {
        Loss::HistoryGone => Degradation::HistoryGone,
        Loss::RecordsDeleted => Degradation::RecordsDeleted,
        Loss::Truncated => Degradation::Truncated,
        Loss::Recreated => Degradation::Recreated,
    }
}

impl Questions<'_> {
    /// The places of a shard.
    fn of(&self, partition: i32) -> impl Iterator<Item = &Start> {
        let starts = self.starts.iter();
        starts.filter(move |start| start.place.partition == partition)
    }
}

/// The log of one shard as the brokers have it.
struct PresentLog<'a> {
    restore: &'a Restore,
    questions: &'a Questions<'a>,
    partition: i32,
    peek: &'a mut Option<Peek>,
}

impl Log for PresentLog<'_> {
    fn bounds(&mut self, topic: usize) -> Bounds {
        let mut starts = self.questions.of(self.partition);
        let start = starts.find(|start| start.place.topic == topic);
        start.map_or(Bounds { low: 0, high: 0 }, |start| Bounds {
            low: start.first_offset,
            high: start.end_offset,
        })
    }

    fn topic_id(&mut self, topic: usize) -> Option<TopicId> {
        self.questions.ids.get(topic).copied().flatten()
    }

    fn witness(&mut self, topic: usize, last: &LastRecord) -> Witnessed {
        let kafka = &self.restore.settings.kafka;
        if self.peek.is_none() {
            *self.peek = Peek::new(kafka).ok();
        }
        let Some(peek) = self.peek else {
            return Witnessed::Unknown;
        };
        match peek.record(&kafka.topics[topic], self.partition, last.offset, PEEK) {
            Peeked::Record { recorded_at, value } => {
                let hashes = Hashes::new(self.restore.fold.digest_key);
                if hashes.record(recorded_at, value.as_deref()) == last.hash {
                    Witnessed::Same
                } else {
                    Witnessed::Other
                }
            }
            Peeked::Gone => Witnessed::Gone,
            Peeked::Unknown => Witnessed::Unknown,
        }
    }
}

/// The identities of the topics; none of a broker that does not tell.
pub fn ids(identity: &Identity, stop: &AtomicBool) -> Option<Vec<Option<TopicId>>> {
    loop {
        match identity.learn() {
            Ok(ids) => {
                let ids = ids.iter();
                return Some(ids.map(|id| id.map(TopicId)).collect());
            }
            Err(error) => tracing::warn!(%error, "cannot read yet, trying again"),
        }
        nap(AGAIN, stop)?;
    }
}

/// Waits; nothing if told to stop.
fn nap(length: Duration, stop: &AtomicBool) -> Option<()> {
    let until = Instant::now() + length;
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(())
}
