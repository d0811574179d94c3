//! One schedule: a log, a store and processes, and everything that happens to them by the dice.
//!
//! The loop of a process is that of the engine, cut at every point where something else can come in
//! between: restore, read a batch, copy a shard, look at the topics, save, commit. After each step
//! that has a result it is compared with the reference.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tenure::checkpoint::name::{Name, Standing};
use tenure::checkpoint::{
    Accept, Accepted, Bounds, Checkpoint, Choice, Chosen, Circumstances, CommitMark, Header, Log,
    Loss, Note, Shelf, Situation, TopicId, Witnessed, choose, format, name,
};
use tenure::event::Timestamp;
use tenure::ledger::hash::checksum;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::shard::LastRecord;
use tenure::ledger::snapshot::fingerprint;
use tenure::ledger::{Shard, snapshot};
use tenure::measure::partial::Partial;
use tenure::measure::pass::evaluate;
use tenure::measure::publish::{Context, reports};
use tenure::measure::question::Question;
use tenure::measure::report::Report;
use tenure::measure::settings::EvaluationSettings;

use super::dice::Dice;
use super::log::{PartitionLog, Segment};
use super::reference::{Digests, Folding, Lineage};
use super::store::{Seen, Store, Trouble};
use super::tally::Tally;

const DAY: i64 = 86_400_000;
/// More processes than these are never alive at once.
const MOST_PROCESSES: usize = 3;
const MOST_PARTITIONS: usize = 3;

/// What stays the same in a schedule.
struct Plan {
    topics: Vec<String>,
    keep: usize,
    /// One topic whose facts are pruned: the order of records matters, and every byte is compared.
    /// Otherwise records may be compacted, and two topics come in any order.
    exact: bool,
    /// Whether brokers tell ids of topics.
    ids: bool,
    folding: Folding,
}

pub struct World {
    plan: Plan,
    dice: Dice,
    /// By partition, then by topic.
    logs: Vec<Vec<PartitionLog>>,
    /// How often each topic was made anew.
    generations: Vec<u64>,
    store: Arc<Store>,
    /// By partition and topic.
    marks: Vec<Vec<Option<CommitMark>>>,
    processes: Vec<Process>,
    started: u32,
    /// Nothing goes wrong any more.
    calm: bool,
    /// Tombstones were taken out of a log.
    compacted: bool,
    /// A change of the log could not be noticed: a question about a witness had no answer, or the
    /// log was cut behind the last record that was folded, where only markers had been.
    blind: bool,
    truth: Truth,
    tally: Tally,
}

/// What is known of states, beside the service.
#[derive(Default)]
struct Truth {
    /// By partition.
    digests: Vec<Digests>,
    /// By partition and the checksum of a body, what it was folded from.
    bodies: HashMap<(usize, u128), Origin>,
    /// By the number of its content, what an object of the store is.
    objects: HashMap<u64, Object>,
    /// By lineage, the checksum of the only body it can have.
    canonical: HashMap<(usize, Lineage), u128>,
}

/// What an object of the store is.
enum Object {
    /// With the checksum of its body.
    Checkpoint(Rc<Header>, u128),
    Damaged,
    Foreign,
}

/// What a body was folded from.
#[derive(Clone)]
struct Origin {
    lineage: Lineage,
    /// Records of two logs are in it, which nobody could notice.
    mixed: bool,
}

struct Process {
    number: u32,
    shelf: Shelf,
    /// As they were at the start, by topic.
    ids: Vec<Option<TopicId>>,
    shards: Vec<Stand>,
    /// A shard that was copied and is not saved yet.
    copied: Option<Copied>,
}

/// How a process stands with a shard.
enum Stand {
    /// The store has not answered yet.
    Waiting,
    Running(Box<Running>),
    /// With what it held when that was noticed.
    Degraded(Option<Box<Running>>),
}

struct Running {
    shard: Shard,
    origin: Origin,
    accepted: Vec<Accepted>,
    /// The sum of the next offsets of the newest checkpoint.
    kept: Option<i64>,
    /// The leader epoch of the newest record, by topic.
    epochs: Vec<Option<i32>>,
}

struct Copied {
    partition: usize,
    header: Header,
    body: Vec<u8>,
    origin: Origin,
}

/// The log of one partition as a process asks for it while it restores.
struct Present<'a> {
    logs: &'a [PartitionLog],
    plan: &'a Plan,
    dice: &'a mut Dice,
    /// One in so many questions about a record gets no answer.
    silent: usize,
    unanswered: bool,
}

impl Log for Present<'_> {
    fn bounds(&mut self, topic: usize) -> Bounds {
        self.logs[topic].bounds()
    }

    fn topic_id(&mut self, topic: usize) -> Option<TopicId> {
        self.plan.ids.then(|| self.logs[topic].id())
    }

    fn witness(&mut self, topic: usize, last: &LastRecord) -> Witnessed {
        if self.silent > 0 && self.dice.one_in(self.silent) {
            self.unanswered = true;
            return Witnessed::Unknown;
        }
        match self.logs[topic].visible(last.offset) {
            None => Witnessed::Gone,
            Some(record) if self.plan.folding.witness(last.offset, record).hash == last.hash => {
                Witnessed::Same
            }
            Some(_) => Witnessed::Other,
        }
    }
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let exact = dice.one_in(2);
        let topics = if exact || dice.one_in(2) { 1 } else { 2 };
        let partitions = dice.pick(&[1, 1, 1, 1, 2, 3]);
        let history_millis = if exact { 14 * DAY } else { 800 * DAY };
        let keep = dice.pick(&[1, 2, 3, 3]);
        let fsync = !dice.one_in(4);
        let store = Store::new(fsync, keep, Dice::new(!seed));
        let mut world = Self {
            plan: Plan {
                topics: (0..topics).map(|topic| format!("topic-{topic}")).collect(),
                keep,
                exact,
                ids: !dice.one_in(6),
                folding: Folding::new(FoldSettings {
                    history_millis,
                    dimensions: vec!["plan".to_owned()],
                    ..FoldSettings::default()
                }),
            },
            dice,
            logs: Vec::new(),
            generations: vec![0; topics],
            store,
            marks: Vec::new(),
            processes: Vec::new(),
            started: 0,
            calm: false,
            compacted: false,
            blind: false,
            truth: Truth::default(),
            tally: Tally::default(),
        };
        for _ in 0..partitions {
            world.add_partition();
        }
        world.tally.volume("schedules", 1);
        world
    }

    /// Lets things happen, then makes everything well again and checks the end.
    pub fn run(mut self) -> Tally {
        let steps = 16 + self.dice.below(40);
        for partition in 0..self.logs.len() {
            self.produce(partition);
        }
        self.start();
        for _ in 0..self.dice.below(4) {
            self.settle();
        }
        for _ in 0..steps {
            self.store.tick();
            self.step();
        }
        self.end();
        self.tally.merge(&self.store.take_tally());
        self.tally
    }

    /// Some work without trouble, so that there is something to lose.
    fn settle(&mut self) {
        let partition = self.partition();
        self.produce(partition);
        for process in 0..self.processes.len() {
            self.read_batch(process, partition, 0, 8);
            self.copy_of(process, partition);
            self.save_copied(process);
        }
        self.bury();
    }

    fn step(&mut self) {
        match self.dice.below(64) {
            0..=13 => {
                let partition = self.partition();
                self.produce(partition);
            }
            14..=33 => self.read(),
            34..=40 => self.copy(),
            41..=47 => self.save(),
            48..=49 => self.commit(),
            50..=52 => self.observe_all(),
            53 => self.change_log(),
            54 => self.kill(),
            55..=56 => self.start_another(),
            57 => self.die_in_the_store(),
            58..=59 => self.change_trouble(),
            60 => self.damage(),
            61 => self.restart_with_accept(),
            62 => self.retry_waiting(),
            _ => self.rare(),
        }
    }

    fn partition(&mut self) -> usize {
        self.dice.below(self.logs.len())
    }

    fn process(&mut self) -> Option<usize> {
        let alive = self.processes.len();
        (alive > 0).then(|| self.dice.below(alive))
    }

    // The log.

    fn add_partition(&mut self) {
        let partition = self.logs.len();
        let topics = self.plan.topics.len();
        let log = |topic| {
            let generation = self.generations[topic];
            PartitionLog::new(topic, generation, partition as i32, self.plan.exact)
        };
        self.logs.push((0..topics).map(log).collect());
        self.marks.push(vec![None; topics]);
        self.truth.digests.push(Digests::default());
    }

    fn produce(&mut self, partition: usize) {
        let topic = self.dice.below(self.plan.topics.len());
        let count = 1 + self.dice.below(6);
        self.tally.volume("log records", count as u64);
        self.logs[partition][topic].produce(count, &mut self.dice);
    }

    fn change_log(&mut self) {
        let partition = self.partition();
        let topic = self.dice.below(self.plan.topics.len());
        let log = &mut self.logs[partition][topic];
        let fault = match self.dice.below(8) {
            0 | 1 => {
                log.retain(&mut self.dice);
                "oldest records deleted"
            }
            2 | 3 => {
                log.cut(&mut self.dice);
                let more = self.dice.below(20);
                log.produce(more, &mut self.dice);
                "log cut by an unclean election"
            }
            4 => {
                self.recreate(topic);
                "topic deleted and made anew"
            }
            5 if !self.plan.exact => {
                log.compact();
                self.compacted = true;
                "tombstones compacted"
            }
            _ => {
                log.change_leader();
                "leader changed"
            }
        };
        self.tally.fault(fault);
    }

    /// A topic is made anew with all its partitions, and grows past where the old one was, or not.
    fn recreate(&mut self, topic: usize) {
        let more = self.dice.pick(&[0, 3, 30]);
        self.generations[topic] += 1;
        for (logs, marks) in self.logs.iter_mut().zip(&mut self.marks) {
            logs[topic].recreate(self.generations[topic]);
            logs[topic].produce(more, &mut self.dice);
            // Kafka forgets what was committed for a deleted topic, sooner or later.
            if self.dice.one_in(2) {
                marks[topic] = None;
            }
        }
    }

    fn rare(&mut self) {
        match self.dice.below(3) {
            0 if self.logs.len() < MOST_PARTITIONS => {
                self.tally.fault("partition added");
                self.add_partition();
            }
            1 => {
                self.tally.fault("power lost");
                self.processes.clear();
                self.store.lose_power();
                self.start();
            }
            _ => self.litter(),
        }
    }

    // The store.

    fn change_trouble(&mut self) {
        let how_often = [0, 0, 0, 12, 4];
        let trouble = Trouble {
            refused: self.dice.pick(&how_often),
            answer_lost: self.dice.pick(&how_often),
            hanging: self.dice.pick(&how_often),
            hidden: self.dice.pick(&[0, 0, 0, 1, 2, 9]),
        };
        self.store.set_trouble(trouble);
    }

    fn damage(&mut self) {
        self.store.rot();
    }

    /// Objects of other versions and of nobody, also under the name of a checkpoint.
    fn litter(&mut self) {
        let partition = self.partition() as i32;
        let folder = name::partition(
            &name::topics(&self.plan.topics),
            name::first_half(fingerprint(&self.plan.folding.settings)),
            partition,
        );
        let offset = self.dice.below(200);
        match self.dice.below(3) {
            0 => self
                .store
                .litter(&format!("{folder}/notes.txt"), b"notes".to_vec()),
            1 => {
                let key = format!("{folder}/{offset:020}-00000000000000aa.ckpt");
                let mut later = b"tenure\x00\n".to_vec();
                later.extend_from_slice(&(format::FORMAT + 1).to_le_bytes());
                later.extend_from_slice(b"something nobody knows yet");
                let sum = checksum(&later);
                later.extend_from_slice(&sum.to_le_bytes());
                self.store.litter(&key, later);
            }
            _ => {
                let key = format!("{folder}/{offset:020}-00000000000000bb.ckpt");
                self.store.litter(&key, b"not written by us".to_vec());
            }
        }
    }

    // Processes.

    fn kill(&mut self) {
        if let Some(process) = self.process() {
            self.tally.fault("process killed");
            self.processes.remove(process);
        }
        if self.processes.is_empty() {
            self.start();
        }
    }

    /// A process that others do not know of: the old ones go on for a while.
    fn start_another(&mut self) {
        if self.processes.len() < MOST_PROCESSES {
            if !self.processes.is_empty() {
                self.tally.fault("a second owner of the same partitions");
            }
            self.start();
        }
    }

    fn die_in_the_store(&mut self) {
        if let Some(process) = self.process() {
            let number = self.processes[process].number;
            let after = self.dice.below(8) as u32;
            self.store.let_die(number, after);
        }
    }

    /// An operator looks at what is degraded, and accepts.
    fn restart_with_accept(&mut self) {
        let degraded = |process: &Process| {
            let mut shards = process.shards.iter();
            shards.any(|stand| matches!(stand, Stand::Degraded(_)))
        };
        if let Some(process) = self.processes.iter().position(degraded) {
            self.processes.remove(process);
            self.begin_process(Accept { history_loss: true });
        }
    }

    fn start(&mut self) {
        self.begin_process(Accept::default());
    }

    fn begin_process(&mut self, accept: Accept) {
        self.started += 1;
        self.tally.volume("processes", 1);
        let number = self.started;
        let seen = Seen {
            store: Arc::clone(&self.store),
            process: number,
        };
        let settings = &self.plan.folding.settings;
        let shelf = Shelf::new(
            Arc::new(seen),
            &self.plan.topics,
            fingerprint(settings),
            self.plan.keep,
        );
        let topics = 0..self.plan.topics.len();
        let ids = topics.map(|topic| self.plan.ids.then(|| self.logs[0][topic].id()));
        if !self.calm && self.dice.one_in(12) {
            let after = self.dice.below(6) as u32;
            self.store.let_die(number, after);
        }
        self.processes.push(Process {
            number,
            shelf,
            ids: ids.collect(),
            shards: self.logs.iter().map(|_| Stand::Waiting).collect(),
            copied: None,
        });
        let process = self.processes.len() - 1;
        for partition in 0..self.logs.len() {
            self.restore(process, partition, accept);
            if self.bury() {
                return;
            }
        }
    }

    /// Removes processes that died in the store; true if there were any.
    fn bury(&mut self) -> bool {
        let before = self.processes.len();
        let store = Arc::clone(&self.store);
        self.processes.retain(|process| !store.died(process.number));
        before > self.processes.len()
    }

    fn retry_waiting(&mut self) {
        for process in 0..self.processes.len() {
            for partition in 0..self.processes[process].shards.len() {
                let stand = &self.processes[process].shards[partition];
                if matches!(stand, Stand::Waiting) {
                    self.restore(process, partition, Accept::default());
                    if self.bury() {
                        return;
                    }
                }
            }
        }
    }

    /// Restores one shard, and compares the choice with what the truth demands.
    fn restore(&mut self, process: usize, partition: usize, accept: Accept) {
        let hidden = self.store.hides();
        let expected = self.expected(partition, accept);
        let situation = Situation {
            partition: partition as i32,
            partitions: self.logs.len() as i32,
            settings: &self.plan.folding.settings,
            committed: &self.marks[partition],
            accept,
        };
        let mut present = Present {
            logs: &self.logs[partition],
            plan: &self.plan,
            silent: if self.calm {
                0
            } else {
                self.dice.pick(&[0, 0, 0, 0, 6])
            },
            dice: &mut self.dice,
            unanswered: false,
        };
        let chosen = choose(&self.processes[process].shelf, &situation, &mut present);
        let unanswered = present.unanswered;
        let sure = !hidden && !unanswered;
        self.blind |= unanswered;
        let Ok(Chosen { choice, notes }) = chosen else {
            self.tally.outcome("nothing yet: the store did not answer");
            return;
        };
        for note in &notes {
            self.tally.outcome(match note {
                Note::SetAside { .. } => "(a damaged checkpoint set aside)",
                Note::Left { .. } => "(a foreign checkpoint left alone)",
                Note::PassedOver { .. } => "(a checkpoint passed over)",
                Note::Superseded { .. } => "(a checkpoint of a lost log set aside)",
                Note::NotWitnessed { .. } => "(the witness not asked)",
                Note::PartitionsChanged { .. } => "(another number of partitions)",
                Note::SettingsChanged { .. } => unreachable!("settings stay what they are"),
            });
        }
        let stand = self.adopt(partition, choice, sure.then_some(expected));
        self.processes[process].shards[partition] = stand;
        self.observe(process, partition);
    }

    /// What a choice comes to, after a comparison with the one that is expected.
    fn adopt(&mut self, partition: usize, choice: Choice, expected: Option<Expected>) -> Stand {
        let topics = self.plan.topics.len();
        match choice {
            Choice::Fresh { accepted } => {
                if let Some(expected) = expected {
                    assert!(
                        matches!(expected, Expected::Fresh),
                        "a fresh start, expected {expected:?}"
                    );
                }
                self.tally.outcome("fresh");
                let settings = &self.plan.folding.settings;
                let mut shard = Shard::new(Arc::clone(settings), topics);
                let mut lineage = Vec::new();
                for (topic, log) in self.logs[partition].iter().enumerate() {
                    let low = log.bounds().low;
                    shard.start_at(topic, low);
                    lineage.push(vec![Segment {
                        timeline: log.current(),
                        from: low,
                        to: low,
                    }]);
                }
                Stand::Running(Box::new(Running {
                    shard,
                    origin: Origin {
                        lineage,
                        mixed: false,
                    },
                    accepted,
                    kept: None,
                    epochs: vec![None; topics],
                }))
            }
            Choice::Resume(checkpoint) => {
                let Checkpoint { header, mut shard } = *checkpoint;
                let (mut origin, torn) = self.origin_of(partition, &header, &shard);
                if let Some(expected) = expected {
                    let Expected::Resume(fits) = &expected else {
                        panic!("resumed, expected {expected:?}");
                    };
                    assert_eq!(fits.offset, header.offset());
                    assert!(!fits.torn.is_empty() || !torn, "{:?}", header.accepted);
                    for topic in &fits.torn {
                        let position = shard.position(*topic).expect("a position");
                        let low = self.logs[partition][*topic].bounds().low;
                        assert_eq!((position.base_offset, position.next_offset), (low, low));
                    }
                    for key in fits.passed.iter().filter(|_| self.calm) {
                        let there = self.store.truth().iter().any(|(other, _)| other == key);
                        assert!(!there, "{key} is of a log that is gone, and in use");
                    }
                }
                for (topic, segments) in origin.lineage.iter_mut().enumerate() {
                    shard.step_back(topic, self.logs[partition][topic].bounds().low);
                    let position = shard.position(topic).expect("a position");
                    if let Some(segment) = segments.last_mut() {
                        segment.to = position.next_offset;
                    }
                }
                self.tally.outcome(if torn {
                    "resumed, a loss accepted"
                } else {
                    "resumed"
                });
                let stretches = self.logs[partition].iter().zip(&origin.lineage);
                let otherwise = stretches
                    .filter_map(|(log, segments)| Some((log, *segments.last()?)))
                    .any(|(log, segment)| !log.continues(segment));
                if otherwise {
                    origin.mixed = true;
                    self.blind |= self.cut_under_markers(partition, &shard, &origin.lineage);
                    self.tally
                        .outcome("(of a log that no longer is, and nothing tells)");
                }
                let epoch = |topic: usize| shard.position(topic)?.last?.leader_epoch;
                Stand::Running(Box::new(Running {
                    epochs: (0..topics).map(epoch).collect(),
                    kept: (!torn).then(|| header.offset()),
                    accepted: header.accepted,
                    origin,
                    shard,
                }))
            }
            Choice::Degraded { loss, resume, .. } => {
                if let Some(expected) = expected {
                    let Expected::Degraded(reason, offset) = &expected else {
                        panic!("degraded by {loss:?}, expected {expected:?}");
                    };
                    assert_eq!(*reason, loss);
                    let found = resume.as_ref().map(|found| found.header.offset());
                    assert_eq!(*offset, found);
                }
                self.tally.outcome(match loss {
                    Loss::HistoryGone => "degraded: history gone",
                    Loss::RecordsDeleted => "degraded: records deleted",
                    Loss::Truncated => "degraded: truncated",
                    Loss::Recreated => "degraded: recreated",
                });
                let held = resume.map(|found| {
                    let Checkpoint { header, shard } = *found;
                    let (origin, torn) = self.origin_of(partition, &header, &shard);
                    assert!(!torn, "a loss was accepted by nobody");
                    Box::new(Running {
                        epochs: vec![None; topics],
                        kept: Some(header.offset()),
                        accepted: header.accepted,
                        origin,
                        shard,
                    })
                });
                Stand::Degraded(held)
            }
        }
    }

    /// Whether all records that were folded are still those of the log, which then differs only where
    /// a position has gone past markers.
    fn cut_under_markers(&self, partition: usize, shard: &Shard, lineage: &Lineage) -> bool {
        let topics = lineage.iter().zip(&self.logs[partition]);
        topics.enumerate().all(|(topic, (segments, log))| {
            segments.last().is_none_or(|segment| {
                let last = shard.position(topic).and_then(|position| position.last);
                let to = last.map_or(segment.from, |last| last.offset + 1);
                to == segment.from || log.continues(Segment { to, ..*segment })
            })
        })
    }

    /// What a restored state was folded from, by its bytes; and whether a loss was accepted just now.
    fn origin_of(&mut self, partition: usize, header: &Header, shard: &Shard) -> (Origin, bool) {
        assert_eq!(shard.digest(), shard.digest_recomputed());
        let sum = checksum(&snapshot::write(shard));
        let moved = header.topics.iter().enumerate().any(|(topic, told)| {
            let position = shard.position(topic);
            told.next_offset != position.map(|position| position.next_offset)
                || told.base_offset != position.map(|position| position.base_offset)
        });
        if let Some(origin) = self.truth.bodies.get(&(partition, sum)) {
            return (origin.clone(), moved);
        }
        // Positions were moved over what is lost: the header tells of the state before, and that is
        // the one with these facts.
        let told = |topic: usize| {
            let told = &header.topics[topic];
            told.base_offset.zip(told.next_offset)
        };
        let is_told = |(topic, segments): (usize, &Vec<Segment>)| {
            let segment = segments.last();
            segment.map(|segment| (segment.from, segment.to)) == told(topic)
        };
        let mut before: Vec<(&Lineage, bool)> = self
            .truth
            .bodies
            .iter()
            .filter(|((home, _), _)| *home == partition)
            .filter(|(_, origin)| origin.lineage.iter().enumerate().all(is_told))
            .map(|(_, origin)| (&origin.lineage, origin.mixed))
            .collect();
        before.sort();
        let digests = &mut self.truth.digests[partition];
        let (folding, logs) = (&self.plan.folding, &self.logs[partition]);
        let found = before.into_iter().find(|(lineage, mixed)| {
            *mixed || digests.of(folding, logs, lineage) == shard.digest()
        });
        let (lineage, mixed) =
            found.unwrap_or_else(|| panic!("restored what nobody wrote: {header:?}"));
        let mut lineage = lineage.clone();
        for (topic, segments) in lineage.iter_mut().enumerate() {
            let position = shard.position(topic).expect("a position");
            let low = position.base_offset;
            let gap = |gap: &&Accepted| gap.topic == self.plan.topics[topic];
            let gap = header.accepted.iter().rev().find(gap);
            let end = told(topic).map(|(_, next_offset)| next_offset);
            let accepted = gap.is_some_and(|gap| gap.to == low && Some(gap.from) == end);
            if accepted && position.last.is_none() && position.next_offset == low {
                segments.push(Segment {
                    timeline: logs[topic].current(),
                    from: low,
                    to: low,
                });
            }
        }
        (Origin { lineage, mixed }, true)
    }

    /// Reads a batch of one topic into one shard.
    fn read(&mut self) {
        let Some(process) = self.process() else {
            return;
        };
        let partition = self.dice.below(self.processes[process].shards.len());
        let topic = self.dice.below(self.plan.topics.len());
        let count = 1 + self.dice.below(12);
        self.read_batch(process, partition, topic, count);
    }

    fn read_batch(&mut self, process: usize, partition: usize, topic: usize, count: usize) {
        let watched = self.dice.one_in(2);
        let log = &self.logs[partition][topic];
        let known = self.processes[process].ids[topic];
        let Stand::Running(running) = &mut self.processes[process].shards[partition] else {
            return;
        };
        let Some(position) = running.shard.position(topic) else {
            panic!("a running shard without a position");
        };
        let next_offset = position.next_offset;
        let Bounds { low, high } = log.bounds();
        let other = known.is_some_and(|known| known != log.id());
        let cut = running.epochs[topic]
            .is_some_and(|epoch| !other && log.end_of_epoch(epoch) < next_offset);
        let loss = if watched && other {
            Some(Loss::Recreated)
        } else if cut {
            Some(Loss::Truncated)
        } else if next_offset > high {
            Some(if other {
                Loss::Recreated
            } else {
                Loss::Truncated
            })
        } else if next_offset < low {
            Some(Loss::RecordsDeleted)
        } else {
            None
        };
        if let Some(loss) = loss {
            self.degrade(process, partition, loss);
            return;
        }
        if let Some(segment) = running.origin.lineage[topic].last()
            && !log.continues(*segment)
        {
            let to = position.last.map_or(segment.from, |last| last.offset + 1);
            self.blind |= to == segment.from || log.continues(Segment { to, ..*segment });
        }
        let folding = &self.plan.folding;
        let mut last = None;
        let mut offset = next_offset;
        let mut read = 0;
        while offset < high && read < count {
            if let Some(record) = log.visible(offset) {
                assert!(folding.fold(&mut running.shard, topic, offset, record));
                if self.dice.one_in(16) {
                    let again = folding.fold(&mut running.shard, topic, offset, record);
                    assert!(!again, "offset {offset} was folded twice");
                    self.tally.fault("record delivered twice");
                }
                running.epochs[topic] = Some(record.leader_epoch);
                last = Some((offset, record));
                read += 1;
            }
            offset += 1;
        }
        // As a batch: the witness is its last record.
        if let Some((offset, record)) = last {
            running.shard.saw(topic, folding.witness(offset, record));
        }
        let behind = last.map_or(next_offset, |(offset, _)| offset + 1);
        let trailing = (behind..high).all(|offset| log.visible(offset).is_none());
        if trailing && behind < high && self.dice.one_in(2) {
            running.shard.skip_to(topic, high);
        }
        self.tally.volume("records folded", read as u64);
        let reached = running.shard.position(topic).map_or(0, |at| at.next_offset);
        if let Some(segment) = running.origin.lineage[topic].last_mut()
            && reached > segment.to
        {
            let before = *segment;
            segment.to = reached;
            segment.timeline = log.current();
            running.origin.mixed |= !log.continues(before);
        }
    }

    /// Notices at run time that the log does not go on.
    fn degrade(&mut self, process: usize, partition: usize, loss: Loss) {
        let stand = &mut self.processes[process].shards[partition];
        let Stand::Running(running) = std::mem::replace(stand, Stand::Waiting) else {
            panic!("only what runs can stop");
        };
        *stand = Stand::Degraded(Some(running));
        self.tally.outcome(match loss {
            Loss::HistoryGone => panic!("nobody can notice that while running"),
            Loss::RecordsDeleted => "degraded while running: records deleted",
            Loss::Truncated => "degraded while running: truncated",
            Loss::Recreated => "degraded while running: recreated",
        });
    }

    /// The first half of a turn of the keeper: a copy, if there is anything new.
    fn copy(&mut self) {
        let Some(process) = self.process() else {
            return;
        };
        let partition = self.dice.below(self.processes[process].shards.len());
        self.copy_of(process, partition);
    }

    fn copy_of(&mut self, process: usize, partition: usize) {
        // The clock of the wall goes anywhere.
        let created_at = 1_772_323_200_000 + self.dice.between(-400 * DAY, 400 * DAY);
        let partitions = self.logs.len() as i32;
        let process = &mut self.processes[process];
        let Stand::Running(running) = &process.shards[partition] else {
            return;
        };
        let names = self.plan.topics.iter().cloned();
        let topics: Vec<(String, Option<TopicId>)> =
            names.zip(process.ids.iter().copied()).collect();
        let header = Header::of(
            &running.shard,
            &Circumstances {
                partition: partition as i32,
                partitions,
                topics: &topics,
                complete_until: None,
                created_at: Timestamp::from_millis(created_at),
                accepted: &running.accepted,
                changed: &[],
            },
        );
        if running.kept == Some(header.offset()) {
            return;
        }
        process.copied = Some(Copied {
            partition,
            header,
            body: snapshot::write(&running.shard),
            origin: running.origin.clone(),
        });
    }

    /// The second half: a look at the topics, and the checkpoint is written.
    fn save(&mut self) {
        if let Some(process) = self.process() {
            self.save_copied(process);
            if self.bury() && self.processes.is_empty() {
                self.start();
            }
        }
    }

    fn save_copied(&mut self, process: usize) {
        let number = self.processes[process].number;
        let Some(copied) = self.processes[process].copied.take() else {
            return;
        };
        let partition = copied.partition;
        for topic in 0..self.plan.topics.len() {
            let known = self.processes[process].ids[topic];
            if known.is_some_and(|known| known != self.logs[partition][topic].id()) {
                let stand = &self.processes[process].shards[partition];
                if matches!(stand, Stand::Running(_)) {
                    self.degrade(process, partition, Loss::Recreated);
                }
                return;
            }
        }
        if !matches!(self.processes[process].shards[partition], Stand::Running(_)) {
            return;
        }
        let sum = checksum(&copied.body);
        let lineage = self.normal(partition, &copied.origin.lineage);
        if !copied.origin.mixed {
            self.check_canonical(partition, &lineage, sum);
            self.tally.check("checkpoint canonical");
        }
        let mixed = copied.origin.mixed;
        let origin = Origin { lineage, mixed };
        self.truth.bodies.insert((partition, sum), origin);
        let offset = copied.header.offset();
        let mark = |topic| CommitMark::of(&copied.header, topic);
        let marks: Vec<Option<CommitMark>> = (0..self.plan.topics.len()).map(mark).collect();
        let shelf = &self.processes[process].shelf;
        let Ok(saved) = shelf.save(copied.header, copied.body) else {
            self.tally.outcome("(a checkpoint not saved)");
            return;
        };
        assert_eq!(saved.entry.offset, offset);
        self.tally.volume("checkpoints saved", 1);
        self.tally
            .volume("checkpoints thinned out", saved.deleted.len() as u64);
        if self.store.died(number) {
            return;
        }
        if let Stand::Running(running) = &mut self.processes[process].shards[partition] {
            running.kept = Some(offset);
        }
        if self.dice.one_in(2) {
            self.marks[partition] = marks;
        }
    }

    /// One state has one form, whoever wrote it and after whatever.
    fn check_canonical(&mut self, partition: usize, lineage: &Lineage, sum: u128) {
        if self.plan.exact {
            let key = (partition, lineage.clone());
            let known = *self.truth.canonical.entry(key).or_insert(sum);
            assert_eq!(known, sum, "two forms of one state: {lineage:?}");
        }
    }

    fn normal(&self, partition: usize, lineage: &Lineage) -> Lineage {
        let topics = lineage.iter().zip(&self.logs[partition]);
        topics
            .map(|(segments, log)| {
                segments
                    .iter()
                    .map(|segment| log.oldest(*segment))
                    .collect()
            })
            .collect()
    }

    /// What is committed beside the offsets.
    fn commit(&mut self) {
        let Some(process) = self.process() else {
            return;
        };
        let process = &self.processes[process];
        for (partition, stand) in process.shards.iter().enumerate() {
            let Stand::Running(running) = stand else {
                continue;
            };
            for topic in 0..self.plan.topics.len() {
                let position = running.shard.position(topic).expect("a position");
                self.marks[partition][topic] = Some(CommitMark {
                    base_offset: position.base_offset,
                    fold: name::first_half(fingerprint(&self.plan.folding.settings)),
                    id: process.ids[topic],
                });
            }
        }
    }

    // Comparisons.

    fn observe_all(&mut self) {
        for process in 0..self.processes.len() {
            for partition in 0..self.processes[process].shards.len() {
                self.observe(process, partition);
            }
        }
    }

    /// Whatever a shard holds is the fold of exactly the records before its positions.
    fn observe(&mut self, process: usize, partition: usize) {
        let running = match &self.processes[process].shards[partition] {
            Stand::Running(running) => running,
            Stand::Degraded(Some(held)) => held,
            Stand::Waiting | Stand::Degraded(None) => return,
        };
        if running.origin.mixed {
            return;
        }
        let logs = &self.logs[partition];
        for (topic, segments) in running.origin.lineage.iter().enumerate() {
            let position = running.shard.position(topic).expect("a position");
            let segment = segments.last().expect("a stretch");
            assert_eq!(
                (position.base_offset, position.next_offset),
                (segment.from, segment.to)
            );
        }
        let digests = &mut self.truth.digests[partition];
        let expected = digests.of(&self.plan.folding, logs, &running.origin.lineage);
        assert_eq!(
            running.shard.digest(),
            expected,
            "not the fold of its records: {:?}",
            running.origin.lineage
        );
        self.tally.check("shard equals its reference");
    }

    /// The whole shard and its numbers, against a fold in one go.
    fn observe_closely(&mut self, process: usize, partition: usize) {
        let Stand::Running(running) = &self.processes[process].shards[partition] else {
            return;
        };
        if running.origin.mixed {
            return;
        }
        let reference = self
            .plan
            .folding
            .reference(&self.logs[partition], &running.origin.lineage);
        assert_eq!(running.shard.digest(), reference.digest());
        if self.plan.exact {
            assert!(
                snapshot::write(&running.shard) == snapshot::write(&reference),
                "the bytes differ from those of a fold in one go"
            );
            self.tally.check("shard equals its reference in every byte");
        }
        // Since tombstones went, nobody knows when what is left of the log begins.
        if !self.compacted && self.dice.one_in(4) {
            let at = Timestamp::from_millis(1_772_323_200_000 + self.dice.between(0, 60 * DAY));
            assert!(
                report(&running.shard, at) == report(&reference, at),
                "the numbers differ at {at:?}: {:?}",
                running.origin.lineage
            );
            self.tally.check("report equals that of the reference");
        }
    }

    // What a restore has to come to, by what is known beside the service.

    fn expected(&mut self, partition: usize, accept: Accept) -> Expected {
        let folder = name::partition(
            &name::topics(&self.plan.topics),
            name::first_half(fingerprint(&self.plan.folding.settings)),
            partition as i32,
        );
        let mut damaged = false;
        let mut candidates: Vec<Rc<Header>> = Vec::new();
        for (key, content) in self.store.truth() {
            if !key.starts_with(&folder) {
                continue;
            }
            match Name::of_key(&key).map(|name| name.standing) {
                Some(Standing::Listed) => {}
                Some(Standing::Damaged) => {
                    damaged = true;
                    continue;
                }
                Some(Standing::Superseded) | None => continue,
            }
            match self.object(&key, content) {
                Object::Checkpoint(header, sum) => {
                    let (header, sum) = (Rc::clone(header), *sum);
                    let known = self.truth.bodies.contains_key(&(partition, sum));
                    assert!(known, "nobody else writes checkpoints");
                    candidates.push(header);
                }
                Object::Damaged => damaged = true,
                Object::Foreign => {}
            }
        }
        candidates.sort_by_key(|header| std::cmp::Reverse(header.offset()));
        let mut worst: Option<(Loss, Fitting)> = None;
        let mut passed = Vec::new();
        for header in &candidates {
            let offset = header.offset();
            let losses = self.losses(partition, header);
            let Some(loss) = losses.iter().map(|(_, loss)| *loss).max() else {
                return Expected::Resume(Fitting {
                    offset,
                    torn: Vec::new(),
                    passed,
                });
            };
            if !(self.plan.ids && loss == Loss::Recreated) {
                passed.push(header.name().key());
            }
            worst.get_or_insert_with(|| {
                let torn = losses.into_iter().map(|(topic, _)| topic).collect();
                let passed = Vec::new();
                (
                    loss,
                    Fitting {
                        offset,
                        torn,
                        passed,
                    },
                )
            });
            if loss == Loss::RecordsDeleted {
                break;
            }
        }
        match worst {
            Some((_, fitting)) if accept.history_loss => Expected::Resume(fitting),
            Some((loss, fitting)) => Expected::Degraded(loss, Some(fitting.offset)),
            None => match self.lost_without_state(partition, damaged) {
                Some(loss) if !accept.history_loss => Expected::Degraded(loss, None),
                _ => Expected::Fresh,
            },
        }
    }

    fn object(&mut self, key: &str, content: u64) -> &Object {
        let store = &self.store;
        let objects = &mut self.truth.objects;
        objects
            .entry(content)
            .or_insert_with(|| match format::decode(&store.content(key)) {
                Ok((header, body)) => Object::Checkpoint(Rc::new(header), checksum(body)),
                Err(format::Unusable::Damaged(_)) => Object::Damaged,
                Err(_) => Object::Foreign,
            })
    }

    /// What of a state the log contradicts or lacks, by topic, as far as the log can tell.
    fn losses(&self, partition: usize, header: &Header) -> Vec<(usize, Loss)> {
        let topics = header.topics.iter().zip(&self.logs[partition]);
        let losses = topics.enumerate().filter_map(|(topic, (told, log))| {
            let next_offset = told.next_offset?;
            let Bounds { low, high } = log.bounds();
            if told.id.is_some_and(|id| id != log.id()) {
                return Some((topic, Loss::Recreated));
            }
            let behind = told.last.map_or(told.base_offset?, |last| last.offset + 1);
            if high < behind {
                return Some((topic, Loss::Truncated));
            }
            if low > next_offset {
                return Some((topic, Loss::RecordsDeleted));
            }
            let last = told.last?;
            let record = log.visible(last.offset)?;
            let same = self.plan.folding.witness(last.offset, record).hash == last.hash.0;
            let another = if self.plan.ids {
                Loss::Truncated
            } else {
                Loss::Recreated
            };
            (!same).then_some((topic, another))
        });
        losses.collect()
    }

    /// Whether the log lacks records with which a state once began, by what is left of it.
    fn lost_without_state(&self, partition: usize, damaged: bool) -> Option<Loss> {
        let logs = &self.logs[partition];
        let whole = logs.iter().all(|log| log.bounds().low == 0);
        let topics = logs.iter().zip(&self.marks[partition]);
        topics
            .filter_map(|(log, mark)| match mark {
                Some(mark) if mark.id.is_some_and(|id| self.plan.ids && id != log.id()) => {
                    Some(Loss::Recreated)
                }
                Some(mark) => (mark.base_offset < log.bounds().low).then_some(Loss::HistoryGone),
                None => (damaged && !whole && log.bounds().low > 0).then_some(Loss::HistoryGone),
            })
            .max()
    }

    // The end.

    /// Everything works again: one process restores, reads to the ends and saves; and another one
    /// finds exactly that.
    fn end(&mut self) {
        self.observe_all();
        self.store.heal();
        self.calm = true;
        self.processes.clear();
        self.begin_process(Accept::default());
        let degraded = |stand: &Stand| matches!(stand, Stand::Degraded(_));
        if self.processes[0].shards.iter().any(degraded) {
            self.processes.clear();
            self.begin_process(Accept { history_loss: true });
        }
        for partition in 0..self.logs.len() {
            let stand = &self.processes[0].shards[partition];
            assert!(
                matches!(stand, Stand::Running(_)),
                "it does not run at last"
            );
            for topic in 0..self.plan.topics.len() {
                self.read_batch(0, partition, topic, usize::MAX);
            }
            if let Stand::Running(running) = &self.processes[0].shards[partition]
                && running.origin.mixed
            {
                assert!(
                    !self.plan.ids || self.blind,
                    "nothing told of two logs in one state: {:?}",
                    running.origin.lineage
                );
                self.tally.outcome(if self.plan.ids {
                    "(two logs in one state: no answer, or cut under markers)"
                } else {
                    "(two logs in one state: the brokers have no topic ids)"
                });
            }
            self.observe(0, partition);
            if self.dice.one_in(if self.plan.exact { 2 } else { 4 }) {
                self.observe_closely(0, partition);
            }
            self.copy_of(0, partition);
            let saved = self.tally.clone();
            self.save_copied(0);
            if self.tally != saved {
                self.check_shelf(partition);
            }
        }
        self.step_back_all();
        let states = self.states();
        self.processes.clear();
        self.begin_process(Accept::default());
        let again = self.states();
        let restored = |(before, after): (&Option<Vec<u8>>, &Option<Vec<u8>>)| {
            before.is_none() || after.is_none() || before == after
        };
        for (partition, both) in states.iter().zip(&again).enumerate() {
            if restored(both) {
                self.tally.check("restored as it was saved");
                continue;
            }
            // Where markers were cut off, an older checkpoint can have the greater offset.
            for topic in 0..self.plan.topics.len() {
                self.read_batch(0, partition, topic, usize::MAX);
            }
            self.tally
                .check("restored from before, and the same once read");
        }
        self.step_back_all();
        for (partition, both) in states.iter().zip(&self.states()).enumerate() {
            assert!(restored(both), "partition {partition} came back otherwise");
        }
    }

    /// A restore goes on behind the last records, not behind the markers after them.
    fn step_back_all(&mut self) {
        for (stand, logs) in self.processes[0].shards.iter_mut().zip(&self.logs) {
            if let Stand::Running(running) = stand {
                for (topic, log) in logs.iter().enumerate() {
                    running.shard.step_back(topic, log.bounds().low);
                }
            }
        }
    }

    /// The bytes of the shards of the first process that run and are of one log.
    fn states(&self) -> Vec<Option<Vec<u8>>> {
        let shards = self.processes[0].shards.iter();
        shards
            .map(|stand| match stand {
                Stand::Running(running) if !running.origin.mixed => {
                    Some(snapshot::write(&running.shard))
                }
                _ => None,
            })
            .collect()
    }

    /// No more is kept than is to be.
    fn check_shelf(&mut self, partition: usize) {
        let Stand::Running(running) = &self.processes[0].shards[partition] else {
            return;
        };
        let Some(kept) = running.kept else {
            return;
        };
        let accepted = running.accepted.clone();
        let entries = self.processes[0].shelf.newest_first(partition as i32);
        let entries = entries.expect("the store works");
        for entry in entries.iter().filter(|entry| entry.offset > kept) {
            let truth = self.store.truth();
            let content = truth.iter().find(|(key, _)| *key == entry.key);
            let content = content.map_or(0, |(_, content)| *content);
            let Object::Checkpoint(header, _) = self.object(&entry.key, content) else {
                continue;
            };
            let before = header.accepted.clone();
            assert!(
                before.len() >= accepted.len() || !accepted.starts_with(&before),
                "{} knows nothing of a loss that was accepted, and is in use",
                entry.key
            );
        }
        let below: Vec<_> = entries
            .iter()
            .filter(|entry| entry.offset <= kept)
            .collect();
        let Some(last) = below.get(self.plan.keep - 1) else {
            return;
        };
        let listed = |key: &String| entries.iter().any(|entry| entry.key == *key);
        let mut useless = 0;
        for (key, content) in self.store.truth() {
            let object = listed(&key).then(|| self.object(&key, content));
            useless += usize::from(!matches!(object, None | Some(Object::Checkpoint(..))));
        }
        if useless == 0 {
            let spare = below.iter().filter(|entry| entry.offset < last.offset);
            assert_eq!(spare.count(), 0, "more is kept than is to be: {entries:?}");
            self.tally.check("no more kept than needed");
        }
    }
}

/// What a restore has to come to.
#[derive(Debug)]
enum Expected {
    Fresh,
    Resume(Fitting),
    Degraded(Loss, Option<i64>),
}

#[derive(Debug)]
struct Fitting {
    /// Of the checkpoint.
    offset: i64,
    /// Topics of which a loss is accepted with it.
    torn: Vec<usize>,
    /// Checkpoints that the log contradicts, which nothing may tell later.
    passed: Vec<String>,
}

fn report(shard: &Shard, at: Timestamp) -> Vec<Report> {
    let settings = EvaluationSettings {
        periods: ["24h", "7d"]
            .map(|period| period.parse().expect("a period"))
            .to_vec(),
        inactivity_timeout_millis: Some(5 * DAY),
        ..EvaluationSettings::default()
    };
    let question = Arc::new(Question::at(at, Arc::new(settings)));
    let Ok(part) = evaluate(shard, 0, &question) else {
        return Vec::new();
    };
    let mut partial = Partial::empty(&question);
    partial.merge(&part);
    let context = Context {
        ces: shard.settings().ces,
        dimensions: &shard.settings().dimensions,
        rekeyed: false,
    };
    reports(&partial, &question, context)
}
