//! A state refolded from the log, and set beside the one that a checkpoint holds.
//!
//! Owns what must be equal, and what must hold for two states to be comparable at all. Promises that
//! a difference is a difference of the states and not of what was known of the log; where that cannot
//! be told it says why instead. Does not know files of events, nor what is printed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::checkpoint::{Accepted, Checkpoint, TopicId};
use crate::command::Failure;
use crate::command::schemas::KnownSchemas;
use crate::command::topics::{Topics, failed};
use crate::config::Settings;
use crate::engine::intake::take_from;
use crate::event::Timestamp;
use crate::event::source::Source;
use crate::kafka::Place;
use crate::kafka::range::{Range, RangeError};
use crate::ledger::Shard;
use crate::ledger::corrections::Whence;
use crate::ledger::hash::{Hashes, checksum};
use crate::ledger::shard::{LastRecord, Position};
use crate::ledger::snapshot;

/// What is kept of a checkpoint while others are looked at: all that a refolded state must equal.
#[derive(Debug, Clone)]
pub struct Target {
    /// The sum of the next offsets.
    pub offset: i64,
    pub digest: u128,
    pub prune_line: Option<Timestamp>,
    positions: Vec<Option<Position>>,
    accepted: Vec<Accepted>,
    ids: Vec<Option<TopicId>>,
    /// Of the whole state, what is remembered beside the facts included.
    sum: u128,
}

impl Target {
    #[must_use]
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { header, shard } = checkpoint;
        let topics = 0..header.topics.len();
        Self {
            offset: header.name().offset,
            digest: shard.digest(),
            prune_line: shard.prune_line(),
            positions: topics.map(|topic| shard.position(topic)).collect(),
            accepted: header.accepted.clone(),
            ids: header.topics.iter().map(|topic| topic.id).collect(),
            sum: checksum(&snapshot::write(shard)),
        }
    }

    /// Whether the log still has everything behind the positions, and the same of it.
    ///
    /// # Errors
    /// With the reason if it does not.
    pub fn led_on_from(&self, partition: i32, topics: &Topics) -> Result<(), String> {
        for (topic, position) in self.positions.iter().enumerate() {
            let place = Place { topic, partition };
            let Some(position) = position else {
                return Err("it was written before all topics were read".to_owned());
            };
            let Some(start) = topics.start(place) else {
                return Err("the topic has no such partition any more".to_owned());
            };
            if start.first_offset > position.next_offset {
                return Err(format!(
                    "the log of {} begins at offset {} now, behind this checkpoint at {}",
                    start.topic, start.first_offset, position.next_offset
                ));
            }
        }
        Ok(())
    }

    /// Whether the log still has everything that is in the state.
    ///
    /// # Errors
    /// With the reason if it does not.
    pub fn led_up_to(&self, partition: i32, topics: &Topics) -> Result<(), String> {
        self.led_on_from(partition, topics)?;
        if !self.accepted.is_empty() {
            return Err("records before it were lost, which was accepted".to_owned());
        }
        for (topic, position) in self.positions.iter().enumerate() {
            let place = Place { topic, partition };
            if let (Some(position), Some(start)) = (position, topics.start(place))
                && start.first_offset > position.base_offset
            {
                return Err(format!(
                    "the log of {} begins at offset {} now, and the state at {}",
                    start.topic, start.first_offset, position.base_offset
                ));
            }
        }
        Ok(())
    }

    /// An empty state that begins where this one did.
    #[must_use]
    pub fn beginning(&self, settings: &Settings) -> Shard {
        let mut shard = Shard::new(settings.fold.clone().into(), self.positions.len());
        for (topic, position) in self.positions.iter().enumerate() {
            if let Some(position) = position {
                shard.start_at(topic, position.base_offset);
            }
        }
        shard
    }

    /// The checkpoint's ids and losses are those of another one, so that one log made both.
    fn of_one_log_with(&self, other: &Self) -> bool {
        let same = |(a, b): (&Option<TopicId>, &Option<TopicId>)| match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        self.accepted == other.accepted && self.ids.iter().zip(&other.ids).all(same)
    }
}

/// How a comparison ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Equal,
    /// The states are different, in this.
    Differs(&'static str),
    /// Nothing is known about it, for this reason.
    NotCompared(String),
}

/// One comparison, and what it took.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub verdict: Verdict,
    pub records: u64,
    pub took: Duration,
    /// The digest that came out, if it came to that.
    pub refolded: Option<u128>,
}

impl Comparison {
    /// One that was not made.
    #[must_use]
    pub const fn none(why: String) -> Self {
        Self {
            verdict: Verdict::NotCompared(why),
            records: 0,
            took: Duration::ZERO,
            refolded: None,
        }
    }
}

/// A state that is folded on, from one checkpoint's positions to the next one's.
pub struct Refold<'a> {
    settings: &'a Settings,
    topics: &'a Topics,
    partition: i32,
    /// In the order of the topics.
    sources: Vec<Source>,
    schemas: &'a KnownSchemas,
    hashes: Hashes,
    shard: Shard,
    /// The checkpoint that it began with; none if it began at the beginning.
    from: Option<Target>,
}

impl<'a> Refold<'a> {
    #[must_use]
    pub fn new(
        settings: &'a Settings,
        topics: &'a Topics,
        schemas: &'a KnownSchemas,
        partition: i32,
        shard: Shard,
        from: Option<Target>,
    ) -> Self {
        Self {
            settings,
            topics,
            partition,
            sources: schemas.given_to_all(settings.fold.sources_of(&settings.kafka.topics)),
            schemas,
            hashes: Hashes::new(settings.fold.digest_key),
            shard,
            from,
        }
    }

    /// Whether the record before each position is still the one that was folded.
    ///
    /// # Errors
    /// If Kafka hands nothing out. What was lost or compacted proves nothing.
    pub fn witnessed(&self) -> Result<bool, Failure> {
        for topic in 0..self.settings.kafka.topics.len() {
            let position = self.shard.position(topic);
            let Some(last) = position.and_then(|position| position.last) else {
                continue;
            };
            let place = Place {
                topic,
                partition: self.partition,
            };
            let range = Range {
                place,
                from: last.offset,
                until: last.offset + 1,
            };
            let mut found = None;
            let read = self.topics.read(range, &mut |record| {
                found = Some(self.hashes.record(record.recorded_at, record.value));
            });
            match read {
                Ok(_) if found.is_some_and(|found| found != last.hash) => return Ok(false),
                Ok(_) | Err(RangeError::Gone { .. }) => {}
                Err(RangeError::Short { .. }) => return Ok(false),
                Err(error) => return Err(failed(&error)),
            }
        }
        Ok(true)
    }

    /// Folds on to the positions of a checkpoint and compares.
    ///
    /// # Errors
    /// If Kafka hands nothing out, or the schema registry does not.
    pub fn compare(&mut self, target: &Target) -> Result<Comparison, Failure> {
        if let Err(why) = self.comparable(target) {
            return Ok(Comparison::none(why));
        }
        let started = Instant::now();
        let mut records = 0;
        let mut witnesses = BTreeMap::new();
        for topic in 0..target.positions.len() {
            match self.fold_on(topic, target, &mut witnesses) {
                Ok(folded) => records += folded,
                Err(error @ (RangeError::Silent { .. } | RangeError::Client(_))) => {
                    return Err(failed(&error));
                }
                Err(error) => return Ok(Comparison::none(error.to_string())),
            }
        }
        self.schemas.complete()?;
        let took = started.elapsed();
        Ok(Comparison {
            verdict: self.verdict(target, &witnesses),
            records,
            took,
            refolded: Some(self.shard.digest()),
        })
    }

    fn comparable(&self, target: &Target) -> Result<(), String> {
        if let Some(from) = &self.from
            && !from.of_one_log_with(target)
        {
            return Err(
                "between the two the topic was made anew, or a loss was accepted".to_owned(),
            );
        }
        for (topic, position) in target.positions.iter().enumerate() {
            let (Some(now), Some(then)) = (self.shard.position(topic), position) else {
                return Err("it was written before all topics were read".to_owned());
            };
            if now.base_offset != then.base_offset {
                return Err(format!(
                    "one begins at offset {}, the other at {}",
                    now.base_offset, then.base_offset
                ));
            }
            if now.next_offset > then.next_offset {
                return Err("of another topic it had read less than an older checkpoint".to_owned());
            }
        }
        Ok(())
    }

    /// Folds one topic up to the checkpoint's position, and hashes the record that it names as its
    /// last.
    fn fold_on(
        &mut self,
        topic: usize,
        target: &Target,
        witnesses: &mut BTreeMap<usize, u128>,
    ) -> Result<u64, RangeError> {
        let (Some(now), Some(then)) = (self.shard.position(topic), target.positions[topic]) else {
            return Ok(0);
        };
        let partition = self.partition;
        let range = Range {
            place: Place { topic, partition },
            from: now.next_offset,
            until: then.next_offset,
        };
        let (shard, source, hashes) = (&mut self.shard, &self.sources[topic], self.hashes);
        let last = then.last.map(|last| last.offset);
        let records = self.topics.read(range, &mut |record| {
            let whence = Whence {
                topic: record.topic,
                partition,
                offset: record.offset,
            };
            if last == Some(record.offset) {
                witnesses.insert(topic, hashes.record(record.recorded_at, record.value));
            }
            if shard.advance(topic, record.offset, record.recorded_at) {
                take_from(shard, source, Some(whence), record, |_| {});
            }
        })?;
        self.shard.skip_to(topic, then.next_offset);
        Ok(records)
    }

    fn verdict(&mut self, target: &Target, witnesses: &BTreeMap<usize, u128>) -> Verdict {
        let several = target.positions.len() > 1;
        for (topic, position) in target.positions.iter().enumerate() {
            let Some(last) = position.and_then(|position| position.last) else {
                continue;
            };
            let hash = witnesses.get(&topic).copied().unwrap_or(last.hash);
            if hash != last.hash {
                return Verdict::Differs("the record before its position is another one");
            }
            self.shard.saw(topic, LastRecord { hash, ..last });
        }
        if self.shard.prune_line() != target.prune_line {
            // The line follows the newest timestamps, and those of several topics come in any order.
            return if several {
                Verdict::NotCompared(
                    "of several topics, the order of arrival has moved the prune line".to_owned(),
                )
            } else {
                Verdict::Differs("the prune line")
            };
        }
        if self.shard.digest() != target.digest {
            return Verdict::Differs("the facts");
        }
        // In which order several topics arrived is not in the log, and what is remembered of ids
        // depends on it.
        if !several && checksum(&snapshot::write(&self.shard)) != target.sum {
            return Verdict::Differs("what is remembered beside the facts");
        }
        Verdict::Equal
    }
}
