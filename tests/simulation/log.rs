//! The log: partitions of topics with everything that happens to them.
//!
//! Owns the records, also those that are gone: a log that was cut or made anew begins another
//! timeline, and the old one stays for comparison.
//!
//! ```text
//!  timeline 0   0 1 2 3 4 5 6 7          topic A
//!  timeline 1         `-3 4 5 6 7 8      cut at 3, by an unclean election: the same topic
//!  timeline 2   0 1 2                    made anew: another topic of the same name
//!                 ^ low: what is before is deleted
//! ```

use std::sync::Arc;

use tenure::checkpoint::{Bounds, TopicId};
use tenure::event::Timestamp;

use super::dice::Dice;

/// 2026-03-01, in milliseconds since 1970; no step of the prune line is near.
const BEGINNING: i64 = 1_772_323_200_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A record as Kafka has it.
#[derive(Debug, Clone)]
pub struct Record {
    pub recorded_at: Option<Timestamp>,
    pub value: Option<Arc<[u8]>>,
    pub leader_epoch: i32,
}

/// One life of one partition.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// The one it goes on from, and its first own offset.
    parent: Option<(usize, i64)>,
    id: TopicId,
    /// By offset; nothing where a marker of a transaction or a compacted record was.
    slots: Vec<Option<Record>>,
    /// Epochs of leaders, and the first offset of each; brokers remember them whatever is compacted.
    epochs: Vec<(i32, i64)>,
}

/// One partition of one topic.
#[derive(Debug)]
pub struct PartitionLog {
    topic: usize,
    partition: i32,
    timelines: Vec<Timeline>,
    low: i64,
    epoch: i32,
    /// How the log's time goes on with each record, at most.
    pace: i64,
    now: i64,
    /// Ids may come again with other content.
    conflicts: bool,
    produced: u64,
}

/// A stretch of a timeline: from the first to before the second offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    pub timeline: usize,
    pub from: i64,
    pub to: i64,
}

impl PartitionLog {
    /// An empty log. With `pruning` its time goes so fast that facts are pruned, and some ids
    /// contradict each other; then the order of records matters.
    pub fn new(topic: usize, generation: u64, partition: i32, pruning: bool) -> Self {
        let mut log = Self {
            topic,
            partition,
            timelines: Vec::new(),
            low: 0,
            epoch: 0,
            pace: if pruning { 20 * HOUR } else { 3 * MINUTE },
            now: BEGINNING,
            conflicts: pruning,
            produced: 0,
        };
        log.begin(generation);
        log
    }

    fn begin(&mut self, generation: u64) {
        let mut id = [0; 16];
        id[0] = 1 + self.topic as u8;
        id[8..].copy_from_slice(&generation.to_be_bytes());
        self.timelines.push(Timeline {
            parent: None,
            id: TopicId(id),
            slots: Vec::new(),
            epochs: Vec::new(),
        });
    }

    pub fn current(&self) -> usize {
        self.timelines.len() - 1
    }

    fn slots(&self) -> &[Option<Record>] {
        &self.timelines[self.current()].slots
    }

    pub fn id(&self) -> TopicId {
        self.timelines[self.current()].id
    }

    pub fn bounds(&self) -> Bounds {
        Bounds {
            low: self.low,
            high: self.slots().len() as i64,
        }
    }

    /// The record at an offset, unless it was deleted, compacted, or never was.
    pub fn visible(&self, offset: i64) -> Option<&Record> {
        let there = offset >= self.low;
        self.slots()
            .get(offset as usize)?
            .as_ref()
            .filter(|_| there)
    }

    /// The record at an offset of any timeline, deleted or not.
    pub fn ever(&self, timeline: usize, offset: i64) -> Option<&Record> {
        self.timelines[timeline]
            .slots
            .get(offset as usize)?
            .as_ref()
    }

    /// The same stretch by the oldest timeline that has all of it.
    pub fn oldest(&self, segment: Segment) -> Segment {
        let mut timeline = segment.timeline;
        while let Some((parent, fork)) = self.timelines[timeline].parent
            && segment.to <= fork
        {
            timeline = parent;
        }
        Segment {
            timeline,
            ..segment
        }
    }

    /// Whether the log as it is has the records of a stretch, or had them until they were deleted.
    pub fn continues(&self, segment: Segment) -> bool {
        let now = Segment {
            timeline: self.current(),
            ..segment
        };
        self.oldest(now) == self.oldest(segment)
    }

    /// Where records of leaders later than this epoch begin: what a broker tells a client that asks
    /// whether its position still is one.
    pub fn end_of_epoch(&self, epoch: i32) -> i64 {
        let epochs = &self.timelines[self.current()].epochs;
        let later = epochs.iter().find(|(later, _)| *later > epoch);
        later.map_or(self.bounds().high, |(_, first)| *first)
    }

    // What happens to it.

    /// Appends records: events, repeats, what is late, what nobody can read, tombstones, markers.
    pub fn produce(&mut self, count: usize, dice: &mut Dice) {
        for _ in 0..count {
            self.now += dice.between(0, self.pace);
            let record = match dice.below(24) {
                0 if self.may_hide() => None,
                1 => Some(None),
                2 => Some(Some(Arc::from(dice.pick(&NO_EVENTS)))),
                3..=5 => Some(self.repeated(dice)),
                _ => Some(Some(self.event(dice))),
            };
            let recorded_at = match dice.below(40) {
                0 => None,
                1 => Some(self.now - dice.between(0, 2 * HOUR)),
                2 if self.conflicts => Some(self.now + dice.between(0, 400 * DAY)),
                _ => Some(self.now),
            };
            let leader_epoch = self.epoch;
            let slot = record.map(|value| Record {
                recorded_at: recorded_at.map(Timestamp::from_millis),
                value,
                leader_epoch,
            });
            let current = self.current();
            self.timelines[current].slots.push(slot);
        }
    }

    /// Soon after a cut every offset has a record: where there is none, a broker that tells of no
    /// epochs leaves a client no way to notice.
    fn may_hide(&self) -> bool {
        self.timelines[self.current()]
            .parent
            .is_none_or(|(_, fork)| self.bounds().high > fork + 60)
    }

    fn repeated(&self, dice: &mut Dice) -> Option<Arc<[u8]>> {
        let slots = self.slots();
        if slots.is_empty() {
            return None;
        }
        let earlier = slots[dice.below(slots.len())].as_ref()?;
        earlier.value.clone()
    }

    fn event(&mut self, dice: &mut Dice) -> Arc<[u8]> {
        self.produced += 1;
        let id = match dice.below(12) {
            0 if self.conflicts => dice.below(5) as u64,
            _ => 5 + self.produced,
        };
        let late = match dice.below(10) {
            0 => dice.between(0, 30 * DAY),
            1 | 2 => dice.between(0, DAY),
            _ => dice.between(0, HOUR),
        };
        // Even in one topic, odd in the other: no two facts of different topics are the same.
        let at = (self.now - late) / 2 * 2 + self.topic as i64;
        let what = match dice.below(8) {
            0 | 1 => r#""type":"signup","attributes":{"plan":"pro"}"#.to_owned(),
            2..=4 => format!(
                r#""type":"purchase","amount":"{}.50","currency":"{}""#,
                dice.below(200),
                dice.pick(&["EUR", "USD"])
            ),
            5 => format!(
                r#""type":"churn","reason":"{}""#,
                dice.pick(&["price", "moved", ""])
            ),
            _ => format!(
                r#""type":"survey_submitted","survey":"nps","score":{}"#,
                dice.below(11)
            ),
        };
        let (topic, partition) = (self.topic, self.partition);
        let customer = dice.below(6);
        format!(
            r#"{{"event_id":"{topic}-{partition}-{id}","customer_id":"{partition}-{customer}","occurred_at":{at},{what}}}"#
        )
        .into_bytes()
        .into()
    }

    /// The oldest records go.
    pub fn retain(&mut self, dice: &mut Dice) {
        let Bounds { low, high } = self.bounds();
        self.low = dice.between(low, high);
    }

    /// Some tombstones go, as they do at last in a compacted topic.
    pub fn compact(&mut self) {
        let current = self.current();
        for slot in &mut self.timelines[current].slots {
            if slot.as_ref().is_some_and(|record| record.value.is_none()) {
                *slot = None;
            }
        }
    }

    /// Another leader, with everything the last one had.
    pub fn change_leader(&mut self) {
        self.epoch += 1;
        let (current, high) = (self.current(), self.bounds().high);
        self.timelines[current].epochs.push((self.epoch, high));
    }

    /// A leader that lacks the newest records: they are gone, and others take their offsets.
    pub fn cut(&mut self, dice: &mut Dice) {
        let Bounds { low, high } = self.bounds();
        let fork = dice.between(low.max(high - 12), high);
        let parent = self.current();
        let kept = self.slots()[..fork as usize].to_vec();
        let mut epochs = self.timelines[parent].epochs.clone();
        epochs.retain(|(_, first)| *first < fork);
        self.epoch += 1;
        epochs.push((self.epoch, fork));
        self.timelines.push(Timeline {
            parent: Some((parent, fork)),
            id: self.id(),
            slots: kept,
            epochs,
        });
    }

    /// The topic is deleted and made anew.
    pub fn recreate(&mut self, generation: u64) {
        self.begin(generation);
        self.low = 0;
        self.epoch = 0;
    }
}

/// Records that are no events.
const NO_EVENTS: [&[u8]; 6] = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[1,2,3]",
    br#"{"event_id":"1","type":"signup","customer_id":"c"}"#,
    br#"{"event_id":"1","event_id":"2"}"#,
];
