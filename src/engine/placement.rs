//! Placement: brings the shards to this instance that are its own, and lets go of those that are not.
//!
//! Owns the thread that acts on what the group gives and takes. Promises that the member's polling never
//! waits for any of it, that a shard is somewhere once at every moment (with its worker, or kept warm
//! here), and that what was let go of says its last part of the report before. Does not know why the
//! group decides as it does.
//!
//! ```text
//!  given:  warm here?   yes: to its worker, read on from where it was: nothing is loaded
//!                       no:  restore: newest checkpoint, else the log
//!
//!  taken:  last part of the report | the reader lets go | the worker gives the shard back
//!          | a checkpoint, if much is not durable, in the keeper's time | kept warm for a while
//! ```
//!
//! Letting go late does no harm: the state is a function of the log, so two instances that fold the same
//! partition hold the same, and of what they say of one instant one is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::engine::contributing::Contributor;
use crate::engine::keeper::{Farewell, Tidings};
use crate::engine::live::Live;
use crate::engine::restore::{Restore, Restored};
use crate::engine::worker::{Task, owner};
use crate::event::Timestamp;
use crate::kafka::Place;
use crate::kafka::commits::Commits;
use crate::kafka::member::{Membership, Ownership};
use crate::kafka::progress::Start;
use crate::kafka::reader::Order;
use crate::kafka::watch::Watch;
use crate::ledger::Shard;

/// How soon a stop is noticed.
const PULSE: Duration = Duration::from_millis(100);
/// A shard that was let go of is kept for so long, in case that it comes back.
const WARM: Duration = Duration::from_mins(10);
/// Further behind than this, a checkpoint of whoever had it meanwhile is looked for.
const WARM_RECORDS: i64 = 5_000_000;
/// So much has to be not durable yet for a last checkpoint: it is read again in a blink.
const WORTH_KEEPING: i64 = 20_000;
/// How long the reader and a worker may take to give a shard back.
const PATIENCE: Duration = Duration::from_mins(1);

/// Acts on what the group gives and takes.
pub struct Placement {
    pub live: Arc<Live>,
    pub membership: Arc<Membership>,
    pub restore: Restore,
    pub watch: Arc<Watch>,
    pub queues: Vec<Sender<Task>>,
    pub orders: Sender<Order>,
    /// Nothing if the state is in memory only.
    pub tidings: Option<Sender<Tidings>>,
    pub commits: Arc<Commits>,
    /// Who says the parts of the report, where instances share the work.
    pub contributor: Option<Contributor>,
    pub placed: BTreeMap<i32, u64>,
    pub warm: BTreeMap<i32, Warm>,
    /// The positions up to which shards were durable when they came, by the sum of offsets.
    pub came_at: BTreeMap<i32, i64>,
}

/// A shard that was let go of.
pub struct Warm {
    shard: Arc<Shard>,
    complete_until: Option<Timestamp>,
    since: Instant,
}

impl Placement {
    /// Places shards until told to stop.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut seen = 0;
        let mut first = true;
        while !stop.load(Ordering::Relaxed) {
            let owned = self.membership.wait_for_change(seen, PULSE);
            self.warm.retain(|_, warm| warm.since.elapsed() < WARM);
            if owned.changes == seen || !owned.known {
                continue;
            }
            let begun = Instant::now();
            if self.place(&owned, stop).is_none() {
                return;
            }
            if self.placed.len() < owned.partitions.len() {
                // The group has seen new partitions before the watch did.
                self.live.progress().count_again();
                std::thread::sleep(PULSE);
                continue;
            }
            seen = owned.changes;
            let telemetry = self.live.telemetry();
            let took = begun.elapsed().as_secs_f64();
            telemetry.ownership.duration.observe(took);
            if std::mem::take(&mut first) && owned.partitions.is_empty() {
                tracing::info!(
                    "the group has no partition for this instance: it stands by (there are as many \
                     partitions as can be shared)"
                );
            }
        }
    }

    /// Makes what is here what is owned; nothing if told to stop.
    fn place(&mut self, owned: &Ownership, stop: &AtomicBool) -> Option<()> {
        let partitions = self.live.progress().partition_numbers();
        let wanted: BTreeMap<i32, u64> = owned
            .partitions
            .range(0..partitions)
            .map(|(partition, generation)| (*partition, *generation))
            .collect();
        let gone = self
            .placed
            .keys()
            .filter(|shard| !wanted.contains_key(shard));
        let gone: Vec<i32> = gone.copied().collect();
        let come = wanted
            .keys()
            .filter(|shard| !self.placed.contains_key(shard));
        let come: BTreeSet<i32> = come.copied().collect();
        for partition in &gone {
            self.let_go(*partition);
        }
        self.live.owns(wanted.clone());
        if !come.is_empty() {
            self.take(&come, partitions, stop)?;
        }
        if !gone.is_empty() || !come.is_empty() {
            tracing::info!(
                owned = wanted.len(),
                partitions,
                came = come.len(),
                went = gone.len(),
                "partitions of this instance"
            );
        }
        self.placed = wanted;
        Some(())
    }

    fn take(&mut self, come: &BTreeSet<i32>, partitions: i32, stop: &AtomicBool) -> Option<()> {
        let starts = self.watch.starts_of(come, stop)?;
        self.live.progress().take_up(starts.clone());
        self.live.reads_others();
        let mut rest = Vec::new();
        let mut assignments = Vec::new();
        for partition in come {
            let of_shard = starts
                .iter()
                .filter(|start| start.place.partition == *partition);
            let of_shard: Vec<Start> = of_shard.cloned().collect();
            match self
                .warm
                .remove(partition)
                .and_then(|warm| warm.fit(&of_shard))
            {
                Some((shard, complete_until)) => {
                    let partition = *partition;
                    tracing::info!(partition, "a partition came back: its shard is still here");
                    self.came_at
                        .insert(partition, next_offsets(&shard, self.topics()));
                    let own = self.restore.place(partition, shard, complete_until, false);
                    assignments.extend(own);
                    self.tell(Tidings::Came {
                        partition,
                        kept: None,
                    });
                }
                None => rest.extend(of_shard),
            }
        }
        if !assignments.is_empty() {
            self.order(Order::Take(assignments));
        }
        if rest.is_empty() {
            return Some(());
        }
        let restored = self.restore.run(&rest, partitions, &self.watch, stop)?;
        self.read(&rest, restored);
        Some(())
    }

    /// Lets what was restored be read and kept.
    fn read(&mut self, starts: &[Start], restored: Restored) {
        super::tell(starts, &restored, &self.watch.topics);
        self.commits.mark(restored.marks);
        for assignment in &restored.assignments {
            let came_at = self.came_at.entry(assignment.place.partition).or_insert(0);
            *came_at = 0;
        }
        for assignment in &restored.assignments {
            let came_at = self.came_at.entry(assignment.place.partition).or_insert(0);
            *came_at += assignment.next_offset;
        }
        for (partition, kept) in restored.kept {
            let kept = Some(kept);
            self.tell(Tidings::Came { partition, kept });
        }
        self.order(Order::Take(restored.assignments));
    }

    /// Gives a shard away. What is in it stays true, whoever has it next.
    fn let_go(&mut self, partition: i32) {
        let progress = self.live.progress();
        let sound = !progress.shard_degraded(partition);
        if sound && let Some(contributor) = &mut self.contributor {
            contributor.say_last(partition);
        }
        let (done, handed_on) = bounded(0);
        self.order(Order::LetGo { partition, done });
        // Dropped, never sent to, once nothing of the partition comes any more.
        let handed_on = handed_on.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected);
        let (answer, answered) = bounded(1);
        let asked = owner(&self.queues, partition).send(Task::LetGo { partition, answer });
        let shard = asked
            .ok()
            .and_then(|()| answered.recv_timeout(PATIENCE).ok()?);
        let complete_until = progress.shard_complete_until(partition);
        let shard = shard.filter(|_| sound && handed_on).map(Arc::from);
        let last = shard
            .as_ref()
            .filter(|shard| self.is_worth_keeping(partition, shard));
        let last = last.map(|shard| Farewell {
            shard: Arc::clone(shard),
            complete_until,
        });
        if last.is_some() {
            // What is durable has to be of the topics that were there at the start; it is asked while it
            // is still known what was read.
            let _ = self.watch.identity.check(&progress);
        }
        progress.let_go(partition);
        self.live.reads_others();
        self.tell(Tidings::Went { partition, last });
        if let Some(shard) = shard {
            let warm = Warm {
                shard,
                complete_until,
                since: Instant::now(),
            };
            self.warm.insert(partition, warm);
        }
    }

    fn is_worth_keeping(&self, partition: i32, shard: &Shard) -> bool {
        let came_at = self.came_at.get(&partition).copied().unwrap_or(0);
        next_offsets(shard, self.topics()) - came_at >= WORTH_KEEPING
    }

    fn topics(&self) -> usize {
        self.watch.topics.len()
    }

    fn order(&self, order: Order) {
        // A reader that is gone has said why.
        let _ = self.orders.send(order);
    }

    fn tell(&self, tidings: Tidings) {
        if let Some(keeper) = &self.tidings {
            // A keeper that is gone has said why.
            let _ = keeper.send(tidings);
        }
    }
}

impl Warm {
    /// The shard, if the log leads on from it and it is not far behind, and if its last checkpoint is no
    /// longer being written.
    fn fit(self, starts: &[Start]) -> Option<(Box<Shard>, Option<Timestamp>)> {
        let mut behind = 0;
        for start in starts {
            let Place { topic, .. } = start.place;
            let next = self.shard.position(topic)?.next_offset;
            if next < start.first_offset || next > start.end_offset {
                return None;
            }
            behind += start.end_offset - next;
        }
        let shard = Arc::try_unwrap(self.shard).ok()?;
        (behind <= WARM_RECORDS).then(|| (Box::new(shard), self.complete_until))
    }
}

/// How far a shard has come, in one number.
fn next_offsets(shard: &Shard, topics: usize) -> i64 {
    let positions = (0..topics).filter_map(|topic| shard.position(topic));
    positions.map(|position| position.next_offset).sum()
}
