//! The keeper: makes every shard durable, one at a time.
//!
//! Owns the thread that asks for copies of shards, and the knowledge of what is durable. Promises that
//! folding waits for the copy alone and never for the store, that a copy becomes durable only after
//! the topics were found to be still those that were read, and that the end of the service waits for
//! the last copies no longer than it is allowed to.
//!
//! ```text
//!  worker            keeper                                   store
//!    |  <--- copy ---  |
//!    |  --- bytes -->  |   are the topics still the same?
//!    |  folds on       |   are all rejected records before it acknowledged?
//!    |                 |  ------------ save, thin out ---------> |
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::consumer::CommitMode;

use crate::checkpoint::{Accepted, Changed, Header, Hex, Saved, Shelf, StoreError, TopicId};
use crate::engine::live::Live;
use crate::engine::worker::{Copied, CopyOf, Label, Task, owner};
use crate::event::Timestamp;
use crate::kafka::Place;
use crate::kafka::commits::Commits;
use crate::kafka::identity::Identity;
use crate::ledger::settings::FoldSettings;
use crate::ledger::snapshot::fingerprint;
use crate::ledger::{Shard, snapshot};
use crate::telemetry::CheckpointFailure;
use crate::telemetry::partition::Degradation;
use crate::telemetry::throttle::Throttle;

/// How soon a stop, or a shard whose turn has come, is noticed.
const NAP: Duration = Duration::from_millis(20);
/// A worker that does not copy within this time is stuck, or waits for the dead-letter topic.
const PATIENCE: Duration = Duration::from_mins(1);
/// After a failure a shard has its turn again after this long, or after the interval if that is
/// shorter.
const AGAIN: Duration = Duration::from_secs(15);

/// How long a copy waits for the dead-letter topic before it is dropped.
const LETTERS: Duration = Duration::from_secs(10);

/// Makes shards durable by the clock, and at the end.
pub struct Keeper {
    pub live: Arc<Live>,
    pub queues: Vec<Sender<Task>>,
    pub shelf: Arc<Shelf>,
    pub identity: Arc<Identity>,
    pub commits: Arc<Commits>,
    pub interval: Duration,
    pub fold: Arc<FoldSettings>,
    /// The shards that it keeps, as they come and go.
    pub tidings: Receiver<Tidings>,
    /// Names and identities of the topics.
    pub topics: Vec<(String, Option<TopicId>)>,
    /// Of the shards that are here, and of those that were let go of and may come back.
    pub kept: BTreeMap<i32, Kept>,
    pub here: BTreeSet<i32>,
}

/// What the keeper is told of shards.
pub enum Tidings {
    /// A shard is here now, and so much of it is durable; nothing is told of one that comes back.
    Came { partition: i32, kept: Option<Kept> },
    /// A shard is no longer here. It is made durable once more if it is given along.
    Went {
        partition: i32,
        last: Option<Farewell>,
    },
}

/// A shard that nobody changes any more.
pub struct Farewell {
    pub shard: Arc<Shard>,
    pub complete_until: Option<Timestamp>,
}

/// What of a shard is durable.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The sum of the next offsets of the newest checkpoint.
    pub offset: Option<i64>,
    /// Everything that was applied by then is in it.
    pub at: Option<Timestamp>,
    /// Losses that were accepted.
    pub accepted: Arc<[Accepted]>,
    /// Under which settings it was folded before.
    pub changed: Arc<[Changed]>,
    /// When its turn comes; nothing while that is not decided.
    pub due: Option<Instant>,
}

impl Kept {
    /// Of a shard that begins empty, so its turn comes at once.
    #[must_use]
    pub fn nothing(accepted: Vec<Accepted>) -> Self {
        Self {
            offset: None,
            at: None,
            accepted: accepted.into(),
            changed: Arc::from([]),
            due: None,
        }
    }

    /// Of a shard that was restored. What was moved over a loss, or is to be labelled with another
    /// number of partitions, is not what lies in its checkpoint.
    #[must_use]
    pub fn restored(header: &Header, shard: &Shard, partitions: i32) -> Self {
        let same_settings = header.fold == Hex(fingerprint(shard.settings()));
        let moved = (header.topics.iter().enumerate()).any(|(topic, written)| {
            written.base_offset != shard.position(topic).map(|position| position.base_offset)
        });
        let as_written = !moved && same_settings && header.partitions == partitions;
        Self {
            offset: as_written.then(|| header.offset()),
            at: Some(Timestamp::from_millis(header.created_at)),
            accepted: header.accepted.clone().into(),
            changed: header.changed.clone().into(),
            due: None,
        }
    }
}

impl Keeper {
    /// Keeps until told to stop; then, once `read_out` says that nothing more is read, makes the last
    /// copies, until `until` at most.
    pub fn run(mut self, stop: &AtomicBool, read_out: &AtomicBool, until: &OnceLock<Instant>) {
        let mut complaints = Throttle::default();
        while !stop.load(Ordering::Relaxed) {
            self.hear(&mut complaints);
            let now = Instant::now();
            let here = |(partition, _): &(&i32, &Kept)| self.here.contains(partition);
            let next = self
                .kept
                .iter()
                .filter(here)
                .min_by_key(|(_, kept)| kept.due);
            match next.and_then(|(partition, kept)| Some((*partition, kept.due?))) {
                Some((partition, due)) if due <= now => {
                    self.turn(partition, now + PATIENCE, false, &mut complaints);
                }
                _ => std::thread::sleep(NAP),
            }
        }
        let until = until.get().copied().unwrap_or_else(Instant::now);
        while !read_out.load(Ordering::Acquire) && Instant::now() < until {
            std::thread::sleep(NAP);
        }
        self.hear(&mut complaints);
        self.finish(until);
    }

    /// Hears of shards that came and went.
    fn hear(&mut self, complaints: &mut Throttle) {
        let (mut came, mut went) = (false, Vec::new());
        while let Ok(tidings) = self.tidings.try_recv() {
            match tidings {
                Tidings::Came { partition, kept } => {
                    let known = self.kept.remove(&partition);
                    let mut kept = kept.or(known).unwrap_or_else(|| Kept::nothing(Vec::new()));
                    kept.due = None;
                    self.kept.insert(partition, kept);
                    self.here.insert(partition);
                    came = true;
                }
                Tidings::Went { partition, last } => {
                    self.here.remove(&partition);
                    went.extend(last.map(|last| (partition, last)));
                }
            }
        }
        if came {
            self.spread();
        }
        for (partition, last) in went {
            self.keep_farewell(partition, &last, complaints);
        }
    }

    /// Makes a shard durable that was let go of, so that whoever owns it next has less to read; and so
    /// has this instance, if it comes back.
    fn keep_farewell(&mut self, partition: i32, last: &Farewell, complaints: &mut Throttle) {
        let until = Instant::now() + PATIENCE;
        let (wish, _) = self.wish(partition);
        let Some(copied) = Copied::of(&last.shard, &wish, last.complete_until) else {
            return;
        };
        let outcome = self.keep_copy(partition, copied, until, true);
        self.note(partition, outcome, complaints);
    }

    /// Lets the shards that came have their turns one after the other, evenly; those that are not as
    /// they were written at once.
    fn spread(&mut self) {
        let now = Instant::now();
        let here = &self.here;
        let came = |shard: i32, kept: &Kept| kept.due.is_none() && here.contains(&shard);
        let count = self.kept.iter().filter(|(shard, kept)| came(**shard, kept));
        let count = u32::try_from(count.count()).unwrap_or(u32::MAX).max(1);
        let kept = self.kept.iter_mut();
        let kept = kept.filter(|(shard, kept)| came(**shard, kept));
        for (number, (_, kept)) in (1..).zip(kept) {
            kept.due = Some(match kept.offset {
                None if kept.at.is_some() || !kept.accepted.is_empty() => now,
                _ => now + self.interval * number / count,
            });
        }
    }

    /// The last copies, and the last commit.
    fn finish(&mut self, until: Instant) {
        let partitions: Vec<i32> = self.here.iter().copied().collect();
        let mut complaints = Throttle::default();
        let mut durable = 0;
        for partition in &partitions {
            if Instant::now() >= until {
                break;
            }
            durable += usize::from(self.turn(*partition, until, true, &mut complaints));
        }
        self.commits.commit(CommitMode::Sync);
        tracing::info!(
            durable,
            shards = partitions.len(),
            "the last checkpoints are written"
        );
    }

    /// Makes one shard durable if it has anything new. True if all of it is durable now.
    fn turn(
        &mut self,
        partition: i32,
        until: Instant,
        last: bool,
        complaints: &mut Throttle,
    ) -> bool {
        let outcome = self.keep(partition, until, last);
        self.note(partition, outcome, complaints)
    }

    /// Notes what became of a turn. True if all of the shard is durable now.
    fn note(
        &mut self,
        partition: i32,
        outcome: Result<Turn, NotKept>,
        complaints: &mut Throttle,
    ) -> bool {
        let telemetry = &self.live.telemetry().durability;
        let Some(kept) = self.kept.get_mut(&partition) else {
            return false;
        };
        match outcome {
            Ok(Turn::Durable(offset)) => {
                kept.offset = Some(offset);
                kept.at = Some(Live::now());
            }
            Ok(Turn::Unchanged) => kept.at = Some(Live::now()),
            Ok(Turn::Unsound) => {
                kept.due = Some(Instant::now() + self.interval);
                return false;
            }
            Err(error) => {
                telemetry.failed(error.reason).inc();
                if let Some(suppressed) = complaints.pass() {
                    tracing::warn!(
                        partition,
                        reason = error.reason.name(),
                        error = error.what,
                        suppressed,
                        "a checkpoint was not written; the numbers go on, and a restart would read \
                         more again"
                    );
                }
                kept.due = Some(Instant::now() + self.interval.min(AGAIN));
                return false;
            }
        }
        kept.due = Some(Instant::now() + self.interval);
        let here = self.here.iter().filter_map(|shard| self.kept.get(shard));
        if let Some(oldest) = here.map(|kept| kept.at).min().flatten() {
            telemetry.succeeded(oldest.as_seconds());
        }
        true
    }

    fn keep(&self, partition: i32, until: Instant, last: bool) -> Result<Turn, NotKept> {
        if self.unsound(partition) {
            return Ok(Turn::Unsound);
        }
        let Some(copied) = self.copy(partition, until)? else {
            return Ok(Turn::Unchanged);
        };
        self.keep_copy(partition, copied, until, last)
    }

    /// Makes a copy durable.
    fn keep_copy(
        &self,
        partition: i32,
        copied: Copied,
        until: Instant,
        last: bool,
    ) -> Result<Turn, NotKept> {
        let begun = Instant::now();
        let telemetry = self.live.telemetry();
        let telemetry = &telemetry.durability;
        telemetry.attempts.inc();
        telemetry.pause.observe(copied.pause.as_secs_f64());
        self.wait_for_letters(partition, &copied, until)?;
        if !self.vouched_for(partition, &copied) {
            return Err(NotKept {
                reason: CheckpointFailure::Identity,
                what: "it is not certain that all of it is of the topics that were there at the \
                       start"
                    .to_owned(),
            });
        }
        if self.unsound(partition) {
            return Ok(Turn::Unsound);
        }
        // At the end there may be no time for it; a start makes the same check.
        if !last {
            self.check(&copied)?;
        }
        let offset = copied.header.offset();
        // At the end older ones are left to the next start: looking through them takes time.
        let bytes = if last {
            self.shelf.add(copied.header, copied.body)?.bytes
        } else {
            let saved = self.shelf.save(copied.header, copied.body)?;
            tell(partition, &saved);
            saved.entry.bytes
        };
        telemetry.last_size.set(bytes as i64);
        telemetry.last_duration.set(begun.elapsed().as_secs_f64());
        Ok(Turn::Durable(offset))
    }

    /// Reads the copy back: its facts must have the digest that was kept while folding, or the next
    /// start could do nothing with it.
    fn check(&self, copied: &Copied) -> Result<(), NotKept> {
        match snapshot::read(&copied.body, Arc::clone(&self.fold)) {
            Ok(_) => Ok(()),
            Err(error) => Err(NotKept {
                reason: CheckpointFailure::SelfCheck,
                what: format!("the copy could not be read back ({error}), which is a bug"),
            }),
        }
    }

    /// Whether every record of a copy is of the topics that were there at the start. Asked after the
    /// copy, if what is known by then does not say it.
    fn vouched_for(&self, partition: i32, copied: &Copied) -> bool {
        let vouched_for = || {
            let mut topics = copied.header.topics.iter().enumerate();
            topics.all(|(topic, position)| {
                let place = Place { topic, partition };
                let next_offset = position.next_offset;
                next_offset.is_none_or(|offset| self.identity.vouches_for(place, offset))
            })
        };
        vouched_for() || {
            // Whether anything changed is noted where everybody looks.
            let _ = self.identity.check(&self.live.progress());
            vouched_for()
        }
    }

    /// Whether what a shard holds may be nothing that its log leads on from, so that it must not
    /// become durable. Records that are missing behind its position take nothing from it, and neither
    /// does a topic that went away, or was made anew, after what is vouched for.
    fn unsound(&self, partition: i32) -> bool {
        let progress = self.live.progress();
        let topics = 0..self.topics.len();
        let mut reasons =
            topics.filter_map(|topic| progress.degradation(Place { topic, partition }));
        reasons.any(|reason| matches!(reason, Degradation::Truncated | Degradation::HistoryGone))
    }

    /// Waits until every rejected record before the copy is acknowledged by the dead-letter topic.
    fn wait_for_letters(
        &self,
        partition: i32,
        copied: &Copied,
        until: Instant,
    ) -> Result<(), NotKept> {
        let Some(outbox) = self.live.outbox() else {
            return Ok(());
        };
        let until = until.min(Instant::now() + LETTERS);
        for (topic, position) in copied.header.topics.iter().enumerate() {
            let place = Place { topic, partition };
            let next = position.next_offset.unwrap_or(0);
            let waits = || {
                let waiting = outbox.acknowledged_below(place);
                waiting.is_some_and(|offset| offset < next)
            };
            while waits() {
                if Instant::now() >= until {
                    return Err(NotKept {
                        reason: CheckpointFailure::DeadLetters,
                        what: "rejected records are not yet acknowledged by the dead-letter topic"
                            .to_owned(),
                    });
                }
                std::thread::sleep(NAP);
            }
        }
        Ok(())
    }

    /// A wish for a copy of a shard, and where the answer comes.
    fn wish(&self, partition: i32) -> (CopyOf, Receiver<Option<Copied>>) {
        let kept = self.kept.get(&partition);
        let (answer, answered) = bounded(1);
        let label = Label {
            partitions: self.live.keyed_by(),
            topics: self.topics.clone(),
        };
        let wish = CopyOf {
            partition,
            known: kept.and_then(|kept| kept.offset),
            label: Arc::new(label),
            accepted: kept.map_or_else(|| Arc::from([]), |kept| Arc::clone(&kept.accepted)),
            changed: kept.map_or_else(|| Arc::from([]), |kept| Arc::clone(&kept.changed)),
            answer,
        };
        (wish, answered)
    }

    fn copy(&self, partition: i32, until: Instant) -> Result<Option<Copied>, NotKept> {
        let late = |()| NotKept {
            reason: CheckpointFailure::Timeout,
            what: "the shard was not copied in time".to_owned(),
        };
        let (wish, answered) = self.wish(partition);
        owner(&self.queues, partition)
            .send_deadline(Task::Copy(wish), until)
            .map_err(|_| ())
            .and_then(|()| answered.recv_deadline(until).map_err(|_| ()))
            .map_err(late)
    }
}

/// What was found while older checkpoints were looked through.
fn tell(partition: i32, saved: &Saved) {
    for entry in &saved.damaged {
        tracing::error!(
            partition,
            key = entry.key,
            "a checkpoint is damaged, and was set aside"
        );
    }
    for entry in &saved.superseded {
        tracing::warn!(
            partition,
            key = entry.key,
            "a checkpoint of a log that is gone was set aside"
        );
    }
    if let Some(error) = &saved.not_thinned {
        tracing::warn!(partition, %error, "older checkpoints could not be looked through");
    }
}

/// What became of a shard's turn.
enum Turn {
    /// It is durable up to offsets of this sum.
    Durable(i64),
    /// It was already.
    Unchanged,
    /// Its numbers would be wrong, so it is left as it was.
    Unsound,
}

/// Why a shard did not become durable. Holds nothing personal.
struct NotKept {
    reason: CheckpointFailure,
    what: String,
}

impl From<StoreError> for NotKept {
    fn from(error: StoreError) -> Self {
        Self {
            reason: CheckpointFailure::Store,
            what: error.to_string(),
        }
    }
}
