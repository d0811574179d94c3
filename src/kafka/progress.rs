//! Progress: how far each partition is read, and until when it is known to be complete.
//!
//! ```text
//!   asked at 12:00:05 for the end: 1000          applied up to 1000 or more
//!          |                                        |
//!   -------v----------------------------------------v------->  complete up to 12:00:05
//! ```
//!
//! A partition whose end, asked for at some instant, has been applied is complete up to that
//! instant. While it lags it is complete up to the instant that the Kafka timestamps of its applied
//! records have reached, or up to the last instant at which it was complete. So what is known never
//! moves back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::event::Timestamp;
use crate::kafka::Place;
use crate::telemetry::partition::{Degradation, PartitionStatus, ShardState};

/// What is known of every partition that is read; shared by reader, watch, workers and scrapes.
///
/// Partitions come and go as this instance is given them. What is told of others is not heard.
#[derive(Debug, Default)]
pub struct Progress {
    /// Ordered by topic and partition.
    partitions: ArcSwap<Vec<Arc<Entry>>>,
    /// Who changes the list, one at a time.
    changing: Mutex<()>,
    /// Partitions in the metadata of the cluster, of all topics, which may have become more.
    there_are: AtomicUsize,
    /// The same of each topic, where all have the same number of them.
    numbers: AtomicI32,
    /// Somebody has seen another number of partitions.
    to_count: AtomicBool,
    /// How often a partition was degraded, or recovered.
    changes: AtomicU64,
    /// Timestamps of records tell nothing of those behind them.
    mixed: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    topic: Arc<str>,
    /// The end when reading began: the partition is ready once it was reached.
    end_at_start: i64,
    reading: Mutex<Reading>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    /// Whether it is decided from where it is read.
    resumed: bool,
    degraded: Option<Degradation>,
    first_offset: i64,
    next_offset: i64,
    last_record_at: Option<Timestamp>,
    /// How far the applied records have come in time.
    reached_at: Option<Timestamp>,
    /// The end offset, and when it was asked for.
    end: Option<(i64, Timestamp)>,
    complete_until: Option<Timestamp>,
    committed: Option<(i64, Timestamp)>,
}

/// One partition as the brokers have it when the process starts.
#[derive(Debug, Clone)]
pub struct Start {
    pub place: Place,
    pub topic: Arc<str>,
    /// The first offset that the log still has.
    pub first_offset: i64,
    /// The offset that its next record will have.
    pub end_offset: i64,
}

/// From where a partition is read, once that is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// The first offset to read.
    pub next_offset: i64,
    /// The instant up to which the state before that offset is complete, if there is a state.
    pub complete_until: Option<Timestamp>,
}

/// How far a partition was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Everything before this offset.
    pub next_offset: i64,
    /// The Kafka timestamp of the last record.
    pub last_record_at: Option<Timestamp>,
    /// The instant that the Kafka timestamps have reached for certain.
    pub reached_at: Option<Timestamp>,
}

impl Reading {
    fn state(&self, end_at_start: i64) -> ShardState {
        match self.degraded {
            Some(reason) => ShardState::Degraded(reason),
            None if !self.resumed => ShardState::Restoring,
            None if self.next_offset < end_at_start => ShardState::CatchingUp,
            None => ShardState::Ready,
        }
    }

    fn settle(&mut self) {
        if !self.resumed {
            return;
        }
        let reached = match self.end {
            Some((end, asked_at)) if self.next_offset >= end => Some(asked_at),
            // A producer's clock that is ahead of ours proves nothing.
            Some((_, asked_at)) => self.reached_at.filter(|at| *at <= asked_at),
            None => None,
        };
        self.complete_until = self.complete_until.max(reached);
    }
}

impl Progress {
    /// Takes up partitions: they will be read, once it is decided from where.
    pub fn take_up(&self, starts: Vec<Start>) {
        let taken = starts.into_iter().map(|start| Arc::new(Entry::new(start)));
        let taken: Vec<Arc<Entry>> = taken.collect();
        self.change(|entries| {
            entries.retain(|entry| taken.iter().all(|taken| taken.place != entry.place));
            entries.extend(taken);
            entries.sort_by_key(|entry| entry.place);
        });
    }

    /// Lets go of the partitions with this number, of all topics.
    pub fn let_go(&self, partition: i32) {
        self.change(|entries| entries.retain(|entry| entry.place.partition != partition));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Entry>>)) {
        let _alone: MutexGuard<'_, ()> =
            self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::clone(&self.partitions.load());
        change(&mut entries);
        self.partitions.store(Arc::new(entries));
    }

    /// From now on timestamps of records prove nothing: the partitions hold records of several logs
    /// side by side. A partition is complete only where its end was reached.
    pub fn mixes_times(&self) {
        self.mixed.store(true, Ordering::Relaxed);
    }

    /// Whether it is known how many partitions there are.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.there_are.load(Ordering::Relaxed) > 0
    }

    /// Whether it is decided of every partition that was taken up from where it is read.
    #[must_use]
    pub fn all_resumed(&self) -> bool {
        self.entries().iter().all(|entry| entry.read().resumed)
    }

    /// Whether every partition that there is is read here.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.begun() && self.entries().len() == self.there_are.load(Ordering::Relaxed)
    }

    /// Notes from where a partition is read.
    pub fn resume(&self, place: Place, resumed: Resumed) {
        self.update(place, |reading| {
            reading.resumed = true;
            reading.first_offset = resumed.next_offset;
            reading.next_offset = resumed.next_offset;
            reading.complete_until = resumed.complete_until;
        });
    }

    /// Notes that the numbers of a partition would be wrong. A worse reason takes the place of a
    /// lesser one. True if this is new.
    pub fn degrade(&self, place: Place, reason: Degradation) -> bool {
        let mut new = false;
        self.update(place, |reading| {
            new = reading.degraded < Some(reason);
            reading.degraded = reading.degraded.max(Some(reason));
        });
        self.changes.fetch_add(u64::from(new), Ordering::Release);
        new
    }

    /// Takes back that a partition is degraded, if it is for this reason.
    pub fn recover(&self, place: Place, reason: Degradation) {
        let mut passed = false;
        self.update(place, |reading| {
            passed = reading.degraded == Some(reason);
            reading.degraded = reading.degraded.filter(|_| !passed);
        });
        self.changes.fetch_add(u64::from(passed), Ordering::Release);
    }

    /// Grows whenever a partition is degraded or recovers: whoever has seen this number knows all.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether the numbers of any partition would be wrong.
    #[must_use]
    pub fn degraded(&self) -> bool {
        let entries = self.entries();
        entries.iter().any(|entry| entry.read().degraded.is_some())
    }

    /// Whether and why the numbers of this partition would be wrong.
    #[must_use]
    pub fn degradation(&self, place: Place) -> Option<Degradation> {
        self.read(place)?.degraded
    }

    /// Until when a partition is complete, if that is known.
    #[must_use]
    pub fn complete_at(&self, place: Place) -> Option<Timestamp> {
        self.read(place)?.complete_until
    }

    /// Until when the partitions with this number are complete, if that is known of all of them.
    #[must_use]
    pub fn shard_complete_until(&self, partition: i32) -> Option<Timestamp> {
        let entries = self.entries();
        let of_shard = entries
            .iter()
            .filter(|entry| entry.place.partition == partition);
        earliest(of_shard)
    }

    /// Whether the numbers of the shard with this number would be wrong.
    #[must_use]
    pub fn shard_degraded(&self, partition: i32) -> bool {
        let entries = self.entries();
        let mut of_shard = entries
            .iter()
            .filter(|entry| entry.place.partition == partition);
        of_shard.any(|entry| entry.read().degraded.is_some())
    }

    /// The next offset to apply of every partition that is read and sound: what may be told to the
    /// brokers.
    #[must_use]
    pub fn sound_positions(&self) -> Vec<(Place, i64)> {
        let sound = |entry: &Arc<Entry>| {
            let reading = entry.read();
            let sound = reading.resumed && reading.degraded.is_none();
            sound.then_some((entry.place, reading.next_offset))
        };
        self.entries().iter().filter_map(sound).collect()
    }

    /// Notes what was applied.
    pub fn applied(&self, place: Place, applied: Applied) {
        let proves = !self.mixed.load(Ordering::Relaxed);
        self.update(place, |reading| {
            reading.next_offset = reading.next_offset.max(applied.next_offset);
            reading.last_record_at = applied.last_record_at.or(reading.last_record_at);
            let reached_at = applied.reached_at.filter(|_| proves);
            reading.reached_at = reached_at.or(reading.reached_at);
            reading.settle();
        });
    }

    /// Notes how many partitions the topics have by now, together.
    pub fn partitions_there_are(&self, count: usize) {
        self.there_are.store(count, Ordering::Relaxed);
    }

    /// Notes how many partitions each topic has by now.
    pub fn partition_numbers_are(&self, count: i32) {
        self.numbers.store(count, Ordering::Relaxed);
    }

    /// How many partitions each topic has; 0 while that is not known.
    #[must_use]
    pub fn partition_numbers(&self) -> i32 {
        self.numbers.load(Ordering::Relaxed)
    }

    /// Asks for the partitions to be counted once more.
    pub fn count_again(&self) {
        self.to_count.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked for them to be counted; once for each time.
    #[must_use]
    pub fn is_to_be_counted(&self) -> bool {
        self.to_count.swap(false, Ordering::Relaxed)
    }

    /// The numbers of the partitions that are read and of which it is decided from where.
    #[must_use]
    pub fn shards(&self) -> BTreeSet<i32> {
        let entries = self.entries();
        let mut shards: BTreeSet<i32> = entries.iter().map(|entry| entry.place.partition).collect();
        for entry in entries.iter().filter(|entry| !entry.read().resumed) {
            shards.remove(&entry.place.partition);
        }
        shards
    }

    /// Notes a partition's end offset, and when it was asked for.
    pub fn ends_at(&self, place: Place, end_offset: i64, asked_at: Timestamp) {
        self.update(place, |reading| {
            reading.end = Some((end_offset, asked_at));
            reading.settle();
        });
    }

    /// Notes a committed offset, and when it was first seen.
    pub fn committed(&self, place: Place, offset: i64, at: Timestamp) {
        self.update(place, |reading| {
            if reading.committed.is_none_or(|(known, _)| known != offset) {
                reading.committed = Some((offset, at));
            }
        });
    }

    /// The next offset to apply of every partition.
    #[must_use]
    pub fn positions(&self) -> Vec<(Place, i64)> {
        self.entries()
            .iter()
            .map(|entry| (entry.place, entry.read().next_offset))
            .collect()
    }

    /// The ends that are known.
    #[must_use]
    pub fn ends(&self) -> Vec<(Place, i64)> {
        let end = |entry: &Arc<Entry>| Some((entry.place, entry.read().end?.0));
        self.entries().iter().filter_map(end).collect()
    }

    /// The instant up to which every partition that is read is complete; nothing while one of them has
    /// not begun to be, or while there is none.
    #[must_use]
    pub fn complete_until(&self) -> Option<Timestamp> {
        earliest(self.entries().iter())
    }

    /// The share of partitions that are complete up to some instant, 0 to 1.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        let entries = self.entries();
        if entries.is_empty() {
            return 0.0;
        }
        let begun = entries
            .iter()
            .filter(|entry| entry.read().complete_until.is_some())
            .count();
        begun as f64 / entries.len().max(self.there_are.load(Ordering::Relaxed)) as f64
    }

    /// Each partition for a scrape, ordered by topic and partition.
    #[must_use]
    pub fn snapshot(&self) -> Vec<PartitionStatus> {
        let status = |entry: &Arc<Entry>| {
            let reading = entry.read();
            PartitionStatus {
                topic: Arc::clone(&entry.topic),
                partition: entry.place.partition,
                first_offset: reading.resumed.then_some(reading.first_offset),
                position: reading.resumed.then_some(reading.next_offset),
                end_offset: reading.end.map(|(end, _)| end),
                committed: reading.committed.map(|(offset, _)| offset),
                committed_at: reading.committed.map(|(_, at)| at),
                complete_until: reading.complete_until,
                last_record_at: reading.last_record_at,
                state: reading.state(entry.end_at_start),
            }
        };
        self.entries().iter().map(status).collect()
    }

    fn entries(&self) -> Arc<Vec<Arc<Entry>>> {
        self.partitions.load_full()
    }

    fn read(&self, place: Place) -> Option<Reading> {
        let entries = self.partitions.load();
        let entry = entries.iter().find(|entry| entry.place == place)?;
        Some(entry.read())
    }

    fn update(&self, place: Place, change: impl FnOnce(&mut Reading)) {
        let entries = self.partitions.load();
        if let Some(entry) = entries.iter().find(|entry| entry.place == place) {
            change(&mut entry.reading.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Until when all of these are complete, if that is known of each, and there is any.
fn earliest<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Option<Timestamp> {
    let all: Option<Vec<Timestamp>> = entries.map(|entry| entry.read().complete_until).collect();
    all?.into_iter().min()
}

impl Entry {
    fn new(start: Start) -> Self {
        Self {
            place: start.place,
            topic: start.topic,
            end_at_start: start.end_offset,
            reading: Mutex::new(Reading {
                resumed: false,
                degraded: None,
                first_offset: start.first_offset,
                next_offset: start.first_offset,
                last_record_at: None,
                reached_at: None,
                end: None,
                complete_until: None,
                committed: None,
            }),
        }
    }

    fn read(&self) -> Reading {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 2] = [
        Place {
            topic: 0,
            partition: 0,
        },
        Place {
            topic: 0,
            partition: 1,
        },
    ];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_793_527_800_000 + second * 1000)
    }

    fn resumed(next_offset: i64) -> Resumed {
        Resumed {
            next_offset,
            complete_until: None,
        }
    }

    fn progress() -> Progress {
        let progress = Progress::default();
        let start = |place| Start {
            place,
            topic: "t".into(),
            first_offset: 10,
            end_offset: 100,
        };
        progress.take_up(PLACES.map(start).to_vec());
        progress.partitions_there_are(PLACES.len());
        for place in PLACES {
            progress.resume(place, resumed(10));
        }
        progress
    }

    fn applied(next_offset: i64, second: i64) -> Applied {
        let at = Some(at(second));
        Applied {
            next_offset,
            last_record_at: at,
            reached_at: at,
        }
    }

    #[test]
    fn a_partition_at_its_end_is_complete_up_to_the_instant_the_end_was_asked_for() {
        let progress = progress();
        progress.ends_at(PLACES[0], 100, at(5));
        progress.ends_at(PLACES[1], 10, at(6));
        assert_eq!(progress.complete_until(), None);
        progress.applied(PLACES[0], applied(50, 1));
        assert_eq!(progress.complete_until(), Some(at(1)));
        progress.applied(PLACES[0], applied(100, 2));
        assert_eq!(progress.complete_until(), Some(at(5)));
        assert_eq!(progress.snapshot()[0].state, ShardState::Ready);
        assert_eq!(progress.snapshot()[1].state, ShardState::CatchingUp);
    }

    #[test]
    fn what_a_restored_state_knew_is_known_until_its_end_is_reached() {
        let progress = progress();
        let restored = |place, second| {
            let complete_until = Some(at(second));
            let resumed = Resumed {
                next_offset: 50,
                complete_until,
            };
            progress.resume(place, resumed);
        };
        restored(PLACES[0], 7);
        restored(PLACES[1], 5);
        assert_eq!(progress.complete_until(), Some(at(5)));
        progress.ends_at(PLACES[1], 60, at(20));
        progress.applied(PLACES[1], applied(55, 4));
        assert_eq!(progress.complete_until(), Some(at(5)));
        progress.applied(PLACES[1], applied(60, 6));
        assert_eq!(progress.complete_until(), Some(at(7)));
    }

    #[test]
    fn the_worst_reason_stays_and_a_passing_one_passes() {
        use Degradation::{Recreated, TopicMissing, Truncated};
        let progress = progress();
        let check = |expected: Option<Degradation>| {
            assert_eq!(progress.degradation(PLACES[1]), expected);
            assert_eq!(progress.degraded(), expected.is_some());
            let sound = 2 - usize::from(expected.is_some());
            assert_eq!(progress.sound_positions().len(), sound);
        };
        check(None);
        assert!(progress.degrade(PLACES[1], TopicMissing));
        check(Some(TopicMissing));
        progress.recover(PLACES[1], TopicMissing);
        check(None);
        assert!(progress.degrade(PLACES[1], Truncated));
        assert!(progress.degrade(PLACES[1], Recreated));
        assert!(!progress.degrade(PLACES[1], TopicMissing));
        progress.recover(PLACES[1], TopicMissing);
        check(Some(Recreated));
    }

    #[test]
    fn what_is_complete_never_moves_back() {
        let progress = progress();
        progress.ends_at(PLACES[1], 10, at(60));
        progress.ends_at(PLACES[0], 10, at(60));
        assert_eq!(progress.complete_until(), Some(at(60)));
        // A record came that is not applied yet, and the one before it is days old.
        progress.ends_at(PLACES[0], 11, at(61));
        assert_eq!(progress.complete_until(), Some(at(60)));
        progress.applied(PLACES[0], applied(11, -90_000));
        progress.ends_at(PLACES[1], 10, at(61));
        assert_eq!(progress.complete_until(), Some(at(61)));
    }

    #[test]
    fn a_timestamp_ahead_of_the_clock_proves_nothing() {
        let progress = progress();
        progress.ends_at(PLACES[0], 100, at(5));
        progress.ends_at(PLACES[1], 10, at(7));
        progress.applied(PLACES[0], applied(20, 1));
        progress.applied(PLACES[0], applied(30, 1_000_000));
        assert_eq!(progress.complete_until(), Some(at(1)));
    }

    #[test]
    fn where_times_are_mixed_an_end_that_was_reached_is_the_only_proof() {
        let progress = progress();
        progress.mixes_times();
        progress.ends_at(PLACES[1], 10, at(7));
        progress.ends_at(PLACES[0], 100, at(7));
        progress.applied(PLACES[0], applied(50, 1));
        assert_eq!(progress.complete_until(), None);
        progress.applied(PLACES[0], applied(100, 2));
        assert_eq!(progress.complete_until(), Some(at(7)));
    }

    #[test]
    fn a_partition_that_nobody_reads_lowers_the_coverage() {
        let progress = progress();
        for place in PLACES {
            progress.ends_at(place, 10, at(1));
        }
        assert_eq!(progress.coverage(), 1.0);
        progress.partitions_there_are(4);
        assert_eq!(progress.coverage(), 0.5);
    }
}
