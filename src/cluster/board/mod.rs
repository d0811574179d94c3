//! The board: everything that was heard from the report topic, and what follows from it.
//!
//! Owns which instant is complete, what an owner should evaluate next, and who owns what. Promises
//! that a report is put together from contributions of one instant, one of each partition, all of
//! which count the partitions alike; that the instant never goes back; and that what is remembered is
//! bounded by the number of partitions. Does not know clocks, Kafka, nor what is in a contribution.
//!
//! ```text
//!               T-1     T     T+1    T+2    T+3   ...    M
//!  partition 0   x      x      x      x      .           x
//!  partition 1   x      x      x      .      .           x
//!  partition 2   x      x      .      .      .           .
//!                       ^                    ^           ^
//!                       complete             |           what all have reached
//!                                            nobody goes further by itself
//! ```
//!
//! Evaluating costs, so nobody evaluates what cannot become complete soon. An owner contributes to the
//! instant that all partitions are known to have reached; else to the last one that its own partition
//! has, a few steps after the complete one at most. Where all are at the end of their logs the second
//! rule alone suffices, and a report takes one trip through the topic. Where one partition is behind,
//! the others follow it from instant to instant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::grid::Grid;
use crate::cluster::record::{
    Contribution, Definition, Held, Key, Presence, Refused, SLOTS, Subject,
};
use crate::event::Timestamp;

/// How many steps after the complete instant an owner contributes to by itself. With the complete one
/// they fill the slots of a partition.
const AHEAD: i64 = SLOTS as i64 - 1;
/// How many instants of a partition are remembered.
const MOST_INSTANTS: usize = 8;
/// How many records of the topic are looked after; there are a few for each partition and instance.
const MOST_RECORDS: usize = 100_000;
/// How much later than it was recorded the instant of a contribution may be: clocks differ.
const CLOCKS_DIFFER_MILLIS: i64 = 60_000;
/// An instance that was not heard of for so long is not asked anything.
const PRESENT_MILLIS: i64 = 30_000;
/// After so long a presence is taken out of the topic.
const GONE_MILLIS: i64 = 10 * 60_000;
/// After so long a contribution is taken out of the topic.
const OLD_MILLIS: i64 = 24 * 3_600_000;

/// What the topic says.
#[derive(Debug)]
pub struct Board {
    group: String,
    definition: Definition,
    grid: Grid,
    caught_up: bool,
    /// The greatest number of partitions that anybody knows of.
    partitions: Option<i32>,
    /// By instant and partition: the best of what was contributed, from the complete instant on.
    contributed: BTreeMap<Timestamp, BTreeMap<i32, Arc<Contribution>>>,
    latest: BTreeMap<i32, Latest>,
    complete: Option<Arc<Complete>>,
    /// Of the newest instant that ever was complete.
    completed: Option<Timestamp>,
    slots: BTreeMap<i32, [Option<Timestamp>; SLOTS as usize]>,
    /// By partition and slot: what this instance writes there, and has not read yet.
    pending: BTreeMap<(i32, u8), Timestamp>,
    presences: BTreeMap<String, Present>,
    /// When each record of the group was written, whatever its definition.
    records: BTreeMap<Key, Timestamp>,
    /// How many records were heard.
    heard: u64,
}

/// The contributions of all partitions to one instant.
#[derive(Debug, PartialEq)]
pub struct Complete {
    pub at: Timestamp,
    /// By partition, from 0 up to the number of them.
    pub contributions: Vec<Arc<Contribution>>,
}

/// Who owns a shard, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub instance: String,
    /// Where it answers questions.
    pub address: String,
    pub generation: u64,
    /// The instant up to which the shard is complete.
    pub reached: Option<Timestamp>,
    /// Its numbers would be wrong.
    pub degraded: bool,
}

/// What was contributed last by whoever owns a partition.
#[derive(Debug, Clone, Copy)]
struct Latest {
    /// The newest instant, of whatever owner.
    at: Timestamp,
    /// Of the latest owner who contributed.
    generation: u64,
    /// The newest instant of that owner, and when it was heard.
    of_owner: Timestamp,
    heard: u64,
}

#[derive(Debug)]
struct Present {
    presence: Presence,
    recorded_at: Timestamp,
    heard: u64,
}

impl Board {
    /// A board on which nothing stands yet, for instances of this group.
    #[must_use]
    pub fn new(group: &str, definition: Definition, grid: Grid) -> Self {
        Self {
            group: group.to_owned(),
            definition,
            grid,
            caught_up: false,
            partitions: None,
            contributed: BTreeMap::new(),
            latest: BTreeMap::new(),
            complete: None,
            completed: None,
            slots: BTreeMap::new(),
            pending: BTreeMap::new(),
            presences: BTreeMap::new(),
            records: BTreeMap::new(),
            heard: 0,
        }
    }

    /// Takes in a record of the topic, in the order of the topic; no value is a tombstone.
    ///
    /// Records of other groups are passed over.
    ///
    /// # Errors
    /// Why it was not heard. Nothing follows from such a record.
    pub fn heard(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        recorded_at: Timestamp,
    ) -> Result<(), Refused> {
        let key = Key::read(key).ok_or(Refused::Decode)?;
        if key.group != self.group {
            return Ok(());
        }
        self.heard += 1;
        if value.is_none() {
            self.records.remove(&key);
        } else if self.records.len() < MOST_RECORDS || self.records.contains_key(&key) {
            self.records.insert(key.clone(), recorded_at);
        }
        if key.definition != self.definition {
            return value.map_or(Ok(()), |_| Err(Refused::Definition));
        }
        match (key.subject, value) {
            (Subject::Partition { partition, slot }, None) => {
                self.mark(partition, slot, None);
                Ok(())
            }
            (Subject::Partition { partition, slot }, Some(value)) => {
                let said = Contribution::decode(value, self.definition)?;
                let right = said.partition == partition && self.grid.has(said.at);
                right.then_some(()).ok_or(Refused::Decode)?;
                if said.at > recorded_at.plus_millis(CLOCKS_DIFFER_MILLIS) {
                    return Err(Refused::Future);
                }
                self.mark(partition, slot, Some(said.at));
                self.hear_contribution(said)
            }
            (Subject::Instance(instance), None) => {
                self.presences.remove(&instance);
                Ok(())
            }
            (Subject::Instance(instance), Some(value)) => {
                let presence = Presence::decode(value, self.definition)?;
                let right = presence.instance == instance;
                right.then_some(()).ok_or(Refused::Decode)?;
                self.know_partitions(presence.partitions);
                let present = Present {
                    presence,
                    recorded_at,
                    heard: self.heard,
                };
                self.presences.insert(instance, present);
                Ok(())
            }
        }
    }

    /// What is in a slot from now on.
    fn mark(&mut self, partition: i32, slot: u8, at: Option<Timestamp>) {
        let slots = self.slots.entry(partition).or_default();
        if let Some(place) = slots.get_mut(usize::from(slot)) {
            *place = at;
        }
        if self.pending.get(&(partition, slot)).copied() == at {
            self.pending.remove(&(partition, slot));
        }
    }

    fn hear_contribution(&mut self, said: Contribution) -> Result<(), Refused> {
        self.know_partitions(said.partitions);
        let (partition, at, generation) = (said.partition, said.at, said.generation);
        let known = self.latest.get(&partition);
        let former = known.is_some_and(|known| generation < known.generation);
        self.note_latest(&said);
        let counted = self.partitions == Some(said.partitions);
        let too_old = self.completed.is_some_and(|completed| at < completed);
        let of_instant = self.contributed.get(&at);
        let held = of_instant.and_then(|held| held.get(&partition));
        if !counted || too_old || held.is_some_and(|held| said.rank() <= held.rank()) {
            return if former {
                Err(Refused::OldGeneration)
            } else {
                Ok(())
            };
        }
        let of_instant = self.contributed.entry(at).or_default();
        of_instant.insert(partition, Arc::new(said));
        self.bound(partition, at);
        self.look_whether_complete(at);
        Ok(())
    }

    fn note_latest(&mut self, said: &Contribution) {
        let of_this = Latest {
            at: said.at,
            generation: said.generation,
            of_owner: said.at,
            heard: self.heard,
        };
        let known = self.latest.entry(said.partition).or_insert(of_this);
        known.at = known.at.max(said.at);
        if said.generation > known.generation {
            *known = Latest {
                at: known.at,
                ..of_this
            };
        } else if said.generation == known.generation && said.at >= known.of_owner {
            known.of_owner = said.at;
            known.heard = self.heard;
        }
    }

    /// Forgets an instant of a partition if there are too many: the oldest, or the newest after an
    /// older one came in, as somebody is behind and will not get to the newest soon.
    fn bound(&mut self, partition: i32, came: Timestamp) {
        let of_partition = |(at, said): (&Timestamp, &BTreeMap<i32, Arc<Contribution>>)| {
            said.contains_key(&partition).then_some(*at)
        };
        let known: Vec<Timestamp> = self.contributed.iter().filter_map(of_partition).collect();
        if known.len() <= MOST_INSTANTS {
            return;
        }
        let newest = known.last().copied();
        let mut droppable = known.into_iter();
        let drop = if newest == Some(came) {
            droppable.find(|at| Some(*at) != self.completed)
        } else {
            newest
        };
        if let Some(drop) = drop
            && let Some(said) = self.contributed.get_mut(&drop)
        {
            said.remove(&partition);
            if said.is_empty() {
                self.contributed.remove(&drop);
            }
        }
    }

    fn look_whether_complete(&mut self, at: Timestamp) {
        let (Some(count), Some(said)) = (self.partitions, self.contributed.get(&at)) else {
            return;
        };
        if !said.keys().copied().eq(0..count) {
            return;
        }
        let complete = Complete {
            at,
            contributions: said.values().cloned().collect(),
        };
        self.complete = Some(Arc::new(complete));
        self.completed = Some(at);
        self.contributed = self.contributed.split_off(&at);
    }

    /// Says that topics have so many partitions. What was said when they had fewer is forgotten: there
    /// may be events in the new ones that it does not count.
    pub fn know_partitions(&mut self, count: i32) {
        if self.partitions.is_some_and(|known| count <= known) {
            return;
        }
        self.partitions = Some(count);
        self.complete = None;
        self.contributed.clear();
    }

    /// The greatest number of partitions that anybody knows of; nothing while nobody does.
    #[must_use]
    pub fn partitions(&self) -> Option<i32> {
        self.partitions
    }

    /// Says that everything was heard that was in the topic at the start.
    pub fn catch_up(&mut self) {
        self.caught_up = true;
    }

    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// The newest instant to which every partition has contributed, with the contributions; nothing
    /// before the topic was read once. Never goes back. Another one of the same instant knows more.
    #[must_use]
    pub fn complete(&self) -> Option<Arc<Complete>> {
        self.complete.clone().filter(|_| self.caught_up)
    }

    /// The instant that all partitions have reached, as far as is known: by what this instance's own
    /// partitions have at present, and by what others have said. Nothing while one says nothing.
    #[must_use]
    pub fn reached(&self, own: &[(i32, Option<Timestamp>)]) -> Option<Timestamp> {
        let said = self.owners_heard_of(|_| true);
        let of = |partition: i32| {
            let mine = own.iter().find(|(other, _)| *other == partition);
            mine.map_or_else(
                || self.said_to_have_reached(partition, said.get(&partition)),
                |(_, reached)| *reached,
            )
        };
        let all: Option<Vec<Timestamp>> = (0..self.partitions?).map(of).collect();
        all?.into_iter().min()
    }

    /// By who owns the partition and by what it contributed since it said so.
    fn said_to_have_reached(
        &self,
        partition: i32,
        owner: Option<&(&Present, &Held)>,
    ) -> Option<Timestamp> {
        let latest = self.latest.get(&partition);
        let Some((present, held)) = owner else {
            return latest.map(|latest| latest.at);
        };
        let since = latest.filter(|latest| {
            latest.generation > held.generation
                || latest.generation == held.generation && latest.heard > present.heard
        });
        held.reached.max(since.map(|latest| latest.of_owner))
    }

    /// What the owner of these partitions, which have reached these instants, should contribute next:
    /// at most one instant for each. Nothing before the topic was read once.
    #[must_use]
    pub fn wanted(&self, own: &[(i32, Option<Timestamp>)]) -> Vec<(i32, Timestamp)> {
        if !self.caught_up {
            return Vec::new();
        }
        let common = self.reached(own).map(|reached| self.grid.floor(reached));
        let from = self.completed.or(common);
        let furthest = from.map(|from| self.grid.after(from, AHEAD));
        let is_wanted = |partition: i32, at: Timestamp| {
            self.completed.is_none_or(|completed| at > completed) && !self.has(partition, at)
        };
        let of = |(partition, reached): &(i32, Option<Timestamp>)| {
            let by_itself = self.grid.floor((*reached)?);
            let by_itself =
                Some(by_itself).filter(|at| furthest.is_none_or(|furthest| *at <= furthest));
            let mut candidates = common.into_iter().chain(by_itself);
            let at = candidates.find(|at| is_wanted(*partition, *at))?;
            Some((*partition, at))
        };
        own.iter().filter_map(of).collect()
    }

    /// Whether a partition has contributed to an instant, or is about to.
    fn has(&self, partition: i32, at: Timestamp) -> bool {
        let said = self.contributed.get(&at);
        let slots = (partition, 0)..=(partition, SLOTS);
        let mut pending = self.pending.range(slots);
        said.is_some_and(|said| said.contains_key(&partition)) || pending.any(|(_, to)| *to == at)
    }

    /// The slot into which a contribution goes: one that nobody needs any more. From now on it counts
    /// as said, until [`give_up`](Self::give_up).
    ///
    /// The complete instant stays. Beside it the oldest goes; but the newest after an older one came,
    /// as somebody is behind.
    pub fn place(&mut self, partition: i32, at: Timestamp) -> u8 {
        let held = self.slots.get(&partition).copied().unwrap_or_default();
        let mut slots = Vec::with_capacity(held.len());
        for (slot, held) in (0..SLOTS).zip(held) {
            let pending = self.pending.get(&(partition, slot)).copied();
            slots.push((pending.or(held), slot));
        }
        // The oldest first, and before these the empty ones.
        slots.sort_unstable();
        let completed = self.completed;
        let same = slots.iter().find(|(held, _)| *held == Some(at));
        let old = slots
            .first()
            .filter(|(held, _)| *held < completed || held.is_none());
        let mut rest = slots.iter().filter(|(held, _)| *held != completed);
        let newest = slots.last().is_none_or(|(newest, _)| *newest < Some(at));
        let found = same.or(old).or_else(|| {
            if newest {
                rest.next()
            } else {
                rest.next_back()
            }
        });
        let slot = found.map_or(0, |(_, slot)| *slot);
        self.pending.insert((partition, slot), at);
        slot
    }

    /// What was to be written to this slot will not be.
    pub fn give_up(&mut self, partition: i32, slot: u8) {
        self.pending.remove(&(partition, slot));
    }

    /// The topic was made anew: what was written to it before will not be read.
    pub fn begin_anew(&mut self) {
        self.pending.clear();
        self.slots.clear();
        self.records.clear();
    }

    /// By partition, who owns it: of those heard of in the last half minute the one of the greatest
    /// generation, then the one heard last.
    #[must_use]
    pub fn owners(&self, now: Timestamp) -> BTreeMap<i32, Owner> {
        let since = now.minus_millis(PRESENT_MILLIS);
        let owners = self.owners_heard_of(|present| present.recorded_at >= since);
        let owner = |(partition, (present, held)): (i32, (&Present, &Held))| {
            let owner = Owner {
                instance: present.presence.instance.clone(),
                address: present.presence.address.clone(),
                generation: held.generation,
                reached: held.reached,
                degraded: held.degraded,
            };
            (partition, owner)
        };
        owners.into_iter().map(owner).collect()
    }

    fn owners_heard_of(
        &self,
        trusted: impl Fn(&Present) -> bool,
    ) -> BTreeMap<i32, (&Present, &Held)> {
        let mut owners: BTreeMap<i32, (&Present, &Held)> = BTreeMap::new();
        for present in self.presences.values().filter(|present| trusted(present)) {
            for held in &present.presence.shards {
                let order = |(present, held): (&Present, &Held)| (held.generation, present.heard);
                let known = owners.get(&held.partition);
                if known.is_none_or(|known| order(*known) < order((present, held))) {
                    owners.insert(held.partition, (present, held));
                }
            }
        }
        owners
    }

    /// The partitions of which their owners say that their numbers would be wrong, ascending.
    #[must_use]
    pub fn degraded(&self, now: Timestamp) -> Vec<i32> {
        let owners = self.owners(now).into_iter();
        let degraded = owners.filter(|(_, owner)| owner.degraded);
        degraded.map(|(partition, _)| partition).collect()
    }

    /// By partition, the newest instant to which it has contributed, ascending.
    pub fn as_of(&self) -> impl Iterator<Item = (i32, Timestamp)> {
        let latest = self.latest.iter();
        latest.map(|(partition, latest)| (*partition, latest.at))
    }

    /// The share of the partitions, 0 to 1, that have contributed to an instant from `since` on.
    #[must_use]
    pub fn coverage(&self, since: Timestamp) -> f64 {
        let Some(count) = self.partitions.filter(|count| *count > 0) else {
            return 0.0;
        };
        let there = self
            .as_of()
            .filter(|(partition, at)| (0..count).contains(partition) && *at >= since);
        there.count() as f64 / f64::from(count)
    }

    /// What nobody needs any more, of whatever definition: contributions after a day, presences after
    /// ten minutes. Nothing if another instance that is there sees to it.
    #[must_use]
    pub fn outdated(&self, instance: &str, now: Timestamp) -> Vec<Key> {
        let since = now.minus_millis(PRESENT_MILLIS);
        let here = self.presences.values();
        let mut here = here.filter(|present| present.recorded_at >= since);
        if !self.caught_up || here.any(|present| present.presence.instance.as_str() < instance) {
            return Vec::new();
        }
        let is_outdated = |(key, recorded_at): &(&Key, &Timestamp)| {
            let after = match &key.subject {
                Subject::Instance(_) => GONE_MILLIS,
                Subject::Partition { partition, slot } => {
                    let slots = self.slots.get(partition);
                    let held = slots.and_then(|slots| slots.get(usize::from(*slot)));
                    let needed = held.copied().flatten() == self.completed;
                    if needed && key.definition == self.definition {
                        return false;
                    }
                    OLD_MILLIS
                }
            };
            **recorded_at < now.minus_millis(after)
        };
        let records = self.records.iter().filter(is_outdated);
        records.map(|(key, _)| key.clone()).collect()
    }

    /// The definition under which records are heard.
    #[must_use]
    pub fn definition(&self) -> Definition {
        self.definition
    }

    /// The key of a record of this group and definition.
    #[must_use]
    pub fn key(&self, subject: Subject) -> Key {
        Key {
            group: self.group.clone(),
            definition: self.definition,
            subject,
        }
    }

    /// The instances that were heard of, by name, with when that was recorded.
    pub fn instances(&self) -> impl Iterator<Item = (&Presence, Timestamp)> {
        let presences = self.presences.values();
        presences.map(|present| (&present.presence, present.recorded_at))
    }

    /// The instants of which something is remembered, ascending.
    #[must_use]
    pub fn instants(&self) -> BTreeSet<Timestamp> {
        self.contributed.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests;
