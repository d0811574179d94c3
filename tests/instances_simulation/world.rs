//! Instances, their group, the log and the report topic, one step after the other.
//!
//! Time is only counted. Instances are real boards and real records around shards that are three
//! numbers; who owns what is decided by a coordinator that is no better than Kafka's: what it says
//! arrives late, so that a partition has two owners for a while.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tenure::cluster::board::Board;
use tenure::cluster::grid::Grid;
use tenure::cluster::record::{Contribution, Definition, Held, Presence, Subject};
use tenure::event::Timestamp;
use tenure::ledger::shard::LogStart;
use tenure::measure::partial::{Partial, Sums};

use super::dice::Dice;
use super::log::{LATE, Partition};
use super::tally::Tally;
use super::topic::Topic;

/// Some day in 2026.
const BEGIN: i64 = 1_793_491_200_000;
const STEP: i64 = 1_000;
const GRID: i64 = 5_000;
/// A member that was not heard of for so long has no partitions.
const SESSION: i64 = 8_000;
const CLOCKS: i64 = 1_000;
/// With faults, then without.
const STORMY: usize = 120;
const CALM: i64 = 45_000;
/// How far an instance may be behind once all is well.
const SOON: i64 = 4 * GRID;

pub fn definition() -> Definition {
    Definition::of(["simulated"])
}

fn grid() -> Grid {
    Grid::of(Duration::from_millis(GRID.unsigned_abs()))
}

fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_millis(at)
}

#[derive(Clone, Copy)]
struct Shard {
    generation: u64,
    base: i64,
    next: i64,
    reached: Option<i64>,
}

/// What waits to be written under a key.
struct Waiting {
    value: Option<Vec<u8>>,
    in_flight: bool,
    newer: bool,
}

/// What the coordinator said: from then on these partitions, with the generation of each.
struct Order {
    arrives_at: i64,
    shards: BTreeMap<usize, u64>,
}

/// What an instance was told of a partition and instant under some number of partitions: the order
/// of what it knows.
type Ranks = HashMap<(i32, i64, i32), (i64, i64, u64)>;

struct Instance {
    /// Of this process: a restart has another.
    number: usize,
    name: String,
    clock: i64,
    paused_until: Option<i64>,
    board: Board,
    position: usize,
    caught_up_at: usize,
    known_partitions: usize,
    shards: BTreeMap<usize, Shard>,
    warm: BTreeMap<usize, (i64, i64)>,
    orders: Vec<Order>,
    outgoing: BTreeMap<String, (Subject, Waiting)>,
    /// What was complete when it began.
    complete_at_start: Option<i64>,
    served: Option<i64>,
    heard: Ranks,
}

struct Flight {
    lands_at: i64,
    from: usize,
    key: String,
    value: Option<Vec<u8>>,
}

/// What the coordinator knows.
struct Member {
    name: String,
    number: usize,
    seen_at: i64,
    shards: BTreeMap<usize, u64>,
}

pub struct World {
    dice: Dice,
    now: i64,
    partitions: Vec<Partition>,
    checkpoints: Vec<(i64, i64)>,
    topic: Topic,
    flights: Vec<Flight>,
    instances: Vec<Instance>,
    members: Vec<Member>,
    generation: u64,
    numbers: usize,
    outage_until: i64,
    calm: bool,
    /// Everything that was ever written to the topic, heard at once.
    observer: Board,
    tally: Tally,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let partitions = 1 + dice.below(5);
        let mut world = Self {
            now: BEGIN,
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            checkpoints: vec![(0, 0); partitions],
            topic: Topic::default(),
            flights: Vec::new(),
            instances: Vec::new(),
            members: Vec::new(),
            generation: 0,
            numbers: 0,
            outage_until: 0,
            calm: false,
            observer: board(),
            tally: Tally::default(),
            dice,
        };
        world.observer.catch_up();
        for _ in 0..2 + world.dice.below(4) {
            world.start(None);
        }
        world
    }

    pub fn run(mut self) -> Tally {
        for _ in 0..STORMY {
            self.fault();
            self.step();
        }
        self.mend();
        let end = self.now + CALM;
        while self.now < end {
            self.step();
        }
        self.check_liveness();
        self.tally
    }

    fn start(&mut self, name: Option<String>) {
        self.numbers += 1;
        let number = self.numbers;
        let clock = self.dice.between(-CLOCKS, CLOCKS);
        let caught_up_at = self.topic.end();
        self.instances.push(Instance {
            number,
            name: name.unwrap_or_else(|| format!("i{number}")),
            clock,
            paused_until: None,
            board: board(),
            position: 0,
            caught_up_at,
            known_partitions: self.partitions.len(),
            shards: BTreeMap::new(),
            warm: BTreeMap::new(),
            orders: Vec::new(),
            outgoing: BTreeMap::new(),
            complete_at_start: self.newest(),
            served: None,
            heard: HashMap::new(),
        });
    }

    fn fault(&mut self) {
        let dice = &mut self.dice;
        let one = dice.below(self.instances.len().max(1));
        let there = one < self.instances.len();
        match dice.below(60) {
            0 if there => {
                self.tally.kills += 1;
                let killed = self.instances.swap_remove(one);
                // Under its old name, as one that a restart keeps, or under another.
                let name = self.dice.one_in(2).then_some(killed.name);
                if self.dice.one_in(2) {
                    self.tally.restarts += 1;
                    self.start(name);
                }
            }
            1 if self.instances.len() < 6 => {
                self.tally.joins += 1;
                self.start(None);
            }
            2 if there => {
                self.tally.pauses += 1;
                let pause = dice.between(2_000, 40_000);
                self.instances[one].paused_until = Some(self.now + pause);
            }
            3 => {
                self.tally.outages += 1;
                self.outage_until = self.now + dice.between(1_000, 20_000);
            }
            4..=7 => {
                self.tally.compactions += 1;
                self.topic.compact(dice);
            }
            8 if !self.members.is_empty() => {
                // Somebody gives a partition away without a reason.
                self.tally.moves += 1;
                let from = dice.below(self.members.len());
                self.members[from].shards.pop_first();
                self.rebalance();
            }
            9 if there => {
                self.tally.clock_changes += 1;
                self.instances[one].clock = dice.between(-CLOCKS, CLOCKS);
            }
            10 if there && dice.one_in(3) => {
                self.tally.lost_histories += 1;
                let shards = &mut self.instances[one].shards;
                for shard in shards.values_mut() {
                    shard.base = shard.next;
                }
            }
            11 if self.partitions.len() < 7 && dice.one_in(3) => {
                self.tally.grown_topics += 1;
                self.partitions.push(Partition::default());
                self.checkpoints.push((0, 0));
                self.rebalance();
            }
            12 | 13 => {
                self.read_afresh();
            }
            _ => {}
        }
    }

    /// What is complete for who hears everything at once.
    fn newest(&self) -> Option<i64> {
        let newest = self.observer.complete();
        newest.map(|complete| complete.at.as_millis())
    }

    /// What an instance would serve that begins now.
    fn read_afresh(&mut self) -> Option<i64> {
        self.topic.compact(&mut self.dice);
        let mut fresh = board();
        for written in self.topic.read(0, self.topic.end()) {
            let value = written.value.as_deref();
            let _ = fresh.heard(
                written.key.as_bytes(),
                value,
                timestamp(written.recorded_at),
            );
        }
        fresh.catch_up();
        let found = fresh.complete().map(|complete| complete.at.as_millis());
        let newest = self.newest();
        if let Some(newest) = newest {
            self.tally.fresh += 1;
            self.tally.fresh_with_nothing += u64::from(found.is_none());
            self.tally.fresh_older += u64::from(found.is_some_and(|found| found < newest));
        }
        assert!(
            found <= newest,
            "a fresh reader knows more than was written"
        );
        found
    }

    fn mend(&mut self) {
        self.calm = true;
        self.outage_until = 0;
        for instance in &mut self.instances {
            instance.paused_until = None;
        }
        if self.instances.is_empty() {
            self.start(None);
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        for partition in &mut self.partitions {
            let dice = &mut self.dice;
            for _ in 0..dice.below(3) {
                partition.append(self.now - dice.between(0, STEP - 1), dice);
            }
        }
        self.land();
        self.heartbeats();
        for place in 0..self.instances.len() {
            let mut instance = self.instances.swap_remove(place);
            if instance.paused_until.is_none_or(|until| until <= self.now) {
                instance.paused_until = None;
                self.tick(&mut instance);
            }
            self.instances.push(instance);
            let last = self.instances.len() - 1;
            self.instances.swap(place, last);
        }
    }

    /// What was sent arrives at the topic, whoever still waits for an answer.
    fn land(&mut self) {
        if self.now < self.outage_until {
            return;
        }
        let now = self.now;
        let (landed, flying) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|flight| flight.lands_at <= now);
        self.flights = flying;
        for flight in landed {
            let Flight {
                from, key, value, ..
            } = flight;
            let at = timestamp(now);
            let _ = self.observer.heard(key.as_bytes(), value.as_deref(), at);
            self.topic.append(&key, value, now);
            let sender = self.instances.iter_mut().find(|i| i.number == from);
            if let Some(sender) = sender
                && let Some((_, waiting)) = sender.outgoing.get_mut(&key)
            {
                if waiting.newer {
                    waiting.in_flight = false;
                    waiting.newer = false;
                } else {
                    sender.outgoing.remove(&key);
                }
            }
        }
    }

    fn heartbeats(&mut self) {
        let now = self.now;
        let mut changed = false;
        for instance in self.instances.iter().filter(|i| i.paused_until.is_none()) {
            let member = self.members.iter_mut().find(|m| m.name == instance.name);
            match member {
                Some(member) => {
                    // A member that is back under its name is told what it has.
                    changed |= member.number != instance.number;
                    member.number = instance.number;
                    member.seen_at = now;
                }
                None => {
                    self.members.push(Member {
                        name: instance.name.clone(),
                        number: instance.number,
                        seen_at: now,
                        shards: BTreeMap::new(),
                    });
                    changed = true;
                }
            }
        }
        let before = self.members.len();
        self.members.retain(|member| member.seen_at + SESSION > now);
        if changed || before != self.members.len() {
            self.rebalance();
        }
    }

    fn rebalance(&mut self) {
        self.generation += 1;
        self.tally.rebalances += 1;
        let free = (0..self.partitions.len()).filter(|partition| {
            let mut members = self.members.iter();
            !members.any(|member| member.shards.contains_key(partition))
        });
        let free: Vec<usize> = free.collect();
        for partition in free {
            let fewest = self.members.iter_mut().min_by_key(|m| m.shards.len());
            if let Some(member) = fewest {
                member.shards.insert(partition, self.generation);
            }
        }
        let most = self.members.iter().map(|m| m.shards.len()).max();
        let least = self.members.iter().map(|m| m.shards.len()).min();
        if let (Some(most), Some(least)) = (most, least)
            && most > least + 1
        {
            let from = self.members.iter_mut().find(|m| m.shards.len() == most);
            let moved = from.and_then(|member| member.shards.pop_last());
            let to = self.members.iter_mut().find(|m| m.shards.len() == least);
            if let (Some((partition, _)), Some(to)) = (moved, to) {
                to.shards.insert(partition, self.generation);
            }
        }
        for member in &self.members {
            let arrives_at = self.now + self.dice.between(0, 4_000);
            let to = self
                .instances
                .iter_mut()
                .find(|i| i.number == member.number);
            if let Some(instance) = to {
                instance.orders.push(Order {
                    arrives_at,
                    shards: member.shards.clone(),
                });
            }
        }
        // Who is no member any more hears that, too.
        for instance in &mut self.instances {
            let still = self.members.iter().any(|m| m.number == instance.number);
            if !still {
                instance.orders.push(Order {
                    arrives_at: self.now + 2_000,
                    shards: BTreeMap::new(),
                });
            }
        }
    }

    fn tick(&mut self, instance: &mut Instance) {
        self.read(instance);
        // A zombie goes on for a moment before it hears that it is one.
        self.fold(instance);
        self.contribute(instance);
        self.obey(instance);
        if self.calm || self.dice.one_in(2) {
            self.announce(instance);
        }
        self.send(instance);
        self.check(instance);
    }

    fn read(&mut self, instance: &mut Instance) {
        let end = self.topic.end();
        let to = if self.calm || !self.dice.one_in(4) {
            end
        } else {
            instance.position + self.dice.below(end - instance.position + 1)
        };
        for written in self.topic.read(instance.position, to) {
            let at = timestamp(written.recorded_at);
            let value = written.value.as_deref();
            let heard = instance.board.heard(written.key.as_bytes(), value, at);
            if let Err(reason) = heard {
                self.tally.reject(reason);
            }
            if let Some(said) = value.and_then(decoded) {
                let rank = rank(&said);
                let key = (said.partition, said.at.as_millis(), said.partitions);
                let best = instance.heard.entry(key).or_insert(rank);
                *best = (*best).max(rank);
            }
        }
        instance.position = to;
        if to >= instance.caught_up_at {
            instance.board.catch_up();
        }
        if self.calm || self.dice.one_in(5) {
            instance.known_partitions = self.partitions.len();
        }
        let known = i32::try_from(instance.known_partitions).unwrap();
        instance.board.know_partitions(known);
    }

    /// Takes and gives away partitions as the coordinator said some time ago.
    fn obey(&mut self, instance: &mut Instance) {
        let now = self.now;
        let arrived = instance.orders.iter().rposition(|o| o.arrives_at <= now);
        let Some(arrived) = arrived else {
            return;
        };
        let order = instance.orders.drain(..=arrived).next_back().unwrap();
        let had: Vec<usize> = instance.shards.keys().copied().collect();
        for partition in had {
            if !order.shards.contains_key(&partition) {
                let shard = instance.shards.remove(&partition).unwrap();
                instance.warm.insert(partition, (shard.base, shard.next));
                if self.dice.one_in(2) {
                    self.checkpoint(partition, shard);
                }
            }
        }
        for (partition, generation) in order.shards {
            // Who is given a partition knows that it is there.
            instance.known_partitions = instance.known_partitions.max(partition + 1);
            let warm = instance.warm.remove(&partition);
            let known = instance.shards.get(&partition).copied();
            let shard = known.unwrap_or_else(|| {
                let (base, next) = warm.unwrap_or(self.checkpoints[partition]);
                Shard {
                    generation,
                    base,
                    next,
                    reached: None,
                }
            });
            let shard = Shard {
                generation,
                ..shard
            };
            instance.shards.insert(partition, shard);
        }
        let known = i32::try_from(instance.known_partitions).unwrap();
        instance.board.know_partitions(known);
    }

    fn checkpoint(&mut self, partition: usize, shard: Shard) {
        let newest = &mut self.checkpoints[partition];
        if newest.1 < shard.next {
            *newest = (shard.base, shard.next);
        }
    }

    fn fold(&mut self, instance: &mut Instance) {
        let now = self.now;
        let clock = now + instance.clock;
        let partitions: Vec<usize> = instance.shards.keys().copied().collect();
        for number in partitions {
            let partition = &self.partitions[number];
            let end = partition.end(now);
            let most = if self.calm || !self.dice.one_in(6) {
                i64::MAX
            } else {
                self.dice.between(0, 3)
            };
            let shard = instance.shards.get_mut(&number).unwrap();
            shard.next += (end - shard.next).clamp(0, most);
            let reached = if shard.next >= end {
                Some(clock)
            } else if shard.next > shard.base {
                Some(partition.event(shard.next - 1).recorded_at)
            } else {
                None
            };
            shard.reached = shard.reached.max(reached);
            let shard = *shard;
            if self.dice.one_in(40) {
                self.checkpoint(number, shard);
            }
        }
    }

    fn contribute(&mut self, instance: &mut Instance) {
        let own: Vec<(i32, Option<Timestamp>)> = instance
            .shards
            .iter()
            .map(|(number, shard)| {
                let number = i32::try_from(*number).unwrap();
                (number, shard.reached.map(timestamp))
            })
            .collect();
        for (partition, at) in instance.board.wanted(&own) {
            let number = usize::try_from(partition).unwrap();
            let shard = instance.shards[&number];
            let at = at.as_millis();
            assert!(Some(at) <= shard.reached, "asked for what is not complete");
            assert_eq!(at % GRID, 0);
            let contribution = self.evaluate(instance, partition, &shard, at);
            let value = contribution.encode(definition()).unwrap();
            let slot = instance.board.place(partition, timestamp(at));
            let subject = Subject::Partition { partition, slot };
            give(instance, subject, Some(value));
            self.tally.contributions += 1;
        }
    }

    fn evaluate(
        &self,
        instance: &Instance,
        partition: i32,
        shard: &Shard,
        at: i64,
    ) -> Contribution {
        let number = usize::try_from(partition).unwrap();
        let mut sums = Sums::default();
        sums.now.customers = self.partitions[number].truth(at, shard.base, shard.next);
        Contribution {
            partition,
            at: timestamp(at),
            partitions: i32::try_from(instance.known_partitions).unwrap(),
            keyed_by: 1,
            offsets: vec![Some((shard.base, shard.next)), None],
            digest: u128::from(shard.next.unsigned_abs()),
            generation: shard.generation,
            partial: Partial {
                instants: vec![sums],
                log_start: LogStart::Whole,
                prune_line: None,
                samples: Vec::new(),
            },
        }
    }

    fn announce(&mut self, instance: &mut Instance) {
        let held = |(number, shard): (&usize, &Shard)| Held {
            partition: i32::try_from(*number).unwrap(),
            generation: shard.generation,
            reached: shard.reached.map(timestamp),
            degraded: false,
        };
        let count = instance.known_partitions;
        let shards = instance
            .shards
            .iter()
            .filter(|(number, _)| **number < count);
        let presence = Presence {
            instance: instance.name.clone(),
            address: "http://nowhere:1".to_owned(),
            written_at: timestamp(self.now + instance.clock),
            partitions: i32::try_from(count).unwrap(),
            shards: shards.map(held).collect(),
        };
        let value = presence.encode(definition()).unwrap();
        let subject = Subject::Instance(instance.name.clone());
        give(instance, subject, Some(value));
    }

    fn send(&mut self, instance: &mut Instance) {
        for (key, (_, waiting)) in &mut instance.outgoing {
            if waiting.in_flight {
                continue;
            }
            waiting.in_flight = true;
            let most = if self.calm { 500 } else { 3_000 };
            self.flights.push(Flight {
                lands_at: self.now + self.dice.between(0, most),
                from: instance.number,
                key: key.clone(),
                value: waiting.value.clone(),
            });
        }
    }

    /// What an instance serves is true, complete, the best it has heard, and never goes back.
    fn check(&mut self, instance: &mut Instance) {
        let remembered = instance.board.instants().len();
        assert!(
            remembered <= 8 * self.partitions.len(),
            "{remembered} instants"
        );
        let Some(complete) = instance.board.complete() else {
            return;
        };
        let at = complete.at.as_millis();
        assert!(instance.served <= Some(at), "went back");
        if instance.served.is_none() {
            self.tally.first += 1;
            let older = Some(at) < instance.complete_at_start;
            self.tally.first_older += u64::from(older);
        }
        if instance.served < Some(at) {
            self.tally.served += 1;
            instance.heard.retain(|(_, of, _), _| *of >= at);
        }
        instance.served = Some(at);
        let count = complete.contributions.len();
        assert!(count >= instance.known_partitions, "a partition is missing");
        for (number, said) in complete.contributions.iter().enumerate() {
            assert_eq!(usize::try_from(said.partition).unwrap(), number);
            assert_eq!(usize::try_from(said.partitions).unwrap(), count, "mixed");
            assert_eq!(said.at.as_millis(), at, "instants are mixed");
            let (base, next) = said.offsets[0].unwrap();
            let partition = &self.partitions[number];
            let counted = said.partial.instants[0].now.customers;
            assert_eq!(counted, partition.truth(at, base, next), "not the truth");
            let least = partition.recorded_before(at - LATE - CLOCKS - STEP);
            assert!(next >= least, "incomplete: {next} of {least}");
            let best = instance.heard.get(&(said.partition, at, said.partitions));
            assert_eq!(best, Some(&rank(said)), "not the best");
        }
    }

    fn check_liveness(&mut self) {
        let soon = self.now - SOON;
        for instance in &self.instances {
            assert!(
                instance.served.is_some_and(|served| served >= soon),
                "{} of {} serves {:?} at {}",
                instance.name,
                self.instances.len(),
                instance.served,
                self.now
            );
        }
        let fresh = self.read_afresh();
        assert!(
            fresh.is_some_and(|fresh| fresh >= soon),
            "a fresh reader finds {fresh:?} at {}",
            self.now
        );
    }
}

fn board() -> Board {
    Board::new("group", definition(), grid())
}

fn decoded(value: &[u8]) -> Option<Contribution> {
    Contribution::decode(value, definition()).ok()
}

/// What is known of the beginning, of the end, and by whom.
fn rank(said: &Contribution) -> (i64, i64, u64) {
    let (base, next) = said.offsets[0].unwrap();
    (-base, next, said.generation)
}

fn give(instance: &mut Instance, subject: Subject, value: Option<Vec<u8>>) {
    let key = instance.board.key(subject.clone()).to_string();
    let known = instance.outgoing.get(&key);
    let in_flight = known.is_some_and(|(_, waiting)| waiting.in_flight);
    let waiting = Waiting {
        value,
        in_flight,
        newer: in_flight,
    };
    instance.outgoing.insert(key, (subject, waiting));
}
