//! A store in memory, and the rules of the shelf and of the choice, one row for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::choice::{
    Accept, Bounds, Choice, Chosen, CommitMark, Log, Loss, Note, Situation, Witnessed, choose,
};
use super::format::{Accepted, Circumstances, Header, TopicId};
use super::name::{DAMAGED, SUPERSEDED};
use super::shelf::Shelf;
use super::store::{Listed, Storage, StoreError, StoreErrorKind};
use crate::event::mapping::path::Path;
use crate::event::mapping::rule::{
    Case, Envelope, Format, Instant, Otherwise, Rule, Rules, Text, TextSource, TimeForm,
};
use crate::event::{Attributes, Body, Event, Timestamp};
use crate::ledger::Shard;
use crate::ledger::settings::{Better, DigestKey, FoldSettings};
use crate::ledger::shard::{LastRecord, LogStart};
use crate::ledger::snapshot::{self, fingerprint};
use crate::ledger::sources::Sources;

const TOPIC: &str = "customer-events";
const ID: TopicId = TopicId([1; 16]);
const OTHER_ID: TopicId = TopicId([2; 16]);

/// Objects in memory, and what goes wrong with them.
#[derive(Default)]
struct Memory {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// The operation that fails, and whether it does its work before.
    fails: Mutex<Option<(&'static str, bool)>>,
}

impl Memory {
    fn attempt<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let failing = *self.fails.lock().unwrap();
        let failure = failing.filter(|(fails, _)| *fails == operation);
        let failed = || StoreError::new(StoreErrorKind::Failed, operation, "asked for");
        if let Some((_, false)) = failure {
            return Err(failed());
        }
        let outcome = work(&mut self.objects.lock().unwrap());
        failure.map_or(outcome, |_| Err(failed()))
    }

    fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    /// Changes one byte of the object under a key.
    fn damage(&self, key: &str) {
        let mut objects = self.objects.lock().unwrap();
        let bytes = objects.get_mut(key).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
}

fn missing(key: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Missing,
        format!("find {key}"),
        "no such object",
    )
}

impl Storage for Memory {
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let folder = format!("{prefix}/");
        self.attempt("list", |objects| {
            let under = objects.iter().filter(|(key, _)| key.starts_with(&folder));
            let listed = under.map(|(key, bytes)| Listed {
                key: key.clone(),
                bytes: bytes.len() as u64,
            });
            Ok(listed.collect())
        })
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.attempt("get", |objects| {
            objects.get(key).cloned().ok_or_else(|| missing(key))
        })
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.attempt("put", |objects| {
            objects.insert(key.to_owned(), bytes);
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.attempt("rename", |objects| {
            let bytes = objects.remove(from).ok_or_else(|| missing(from))?;
            objects.insert(to.to_owned(), bytes);
            Ok(())
        })
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.attempt("delete", |objects| {
            objects.remove(key).map(|_| ()).ok_or_else(|| missing(key))
        })
    }
}

fn settings() -> Arc<FoldSettings> {
    Arc::new(FoldSettings::default())
}

/// A shard that read a topic from `base` and has folded an event of each offset up to `next`.
fn shard(settings: &Arc<FoldSettings>, base: i64, next: i64) -> Shard {
    let mut shard = Shard::new(Arc::clone(settings), 1);
    shard.start_at(0, base);
    for offset in base..next {
        fold(&mut shard, offset);
    }
    shard
}

fn fold(shard: &mut Shard, offset: i64) {
    let at = Timestamp::FIRST.plus_millis(offset * 1000);
    assert!(shard.advance(0, offset, Some(at)));
    shard.fold(&Event {
        id: offset.to_string().into(),
        customer: offset.to_string().into(),
        occurred_at: at,
        body: Body::Signup,
        attributes: Attributes::default(),
    });
    shard.saw(0, last(offset));
}

fn last(offset: i64) -> LastRecord {
    LastRecord {
        offset,
        hash: u128::from(offset.cast_unsigned()),
        leader_epoch: Some(0),
    }
}

fn header(shard: &Shard, id: Option<TopicId>, accepted: &[Accepted]) -> Header {
    Header::of(
        shard,
        &Circumstances {
            partition: 0,
            partitions: 4,
            topics: &[(TOPIC.to_owned(), id)],
            complete_until: None,
            created_at: Timestamp::FIRST,
            accepted,
            changed: &[],
        },
    )
}

fn shelf(memory: &Arc<Memory>, settings: &FoldSettings, keep: usize) -> Shelf {
    let storage: Arc<dyn Storage> = Arc::<Memory>::clone(memory);
    Shelf::new(storage, &[TOPIC.to_owned()], fingerprint(settings), keep)
}

fn save(shelf: &Shelf, shard: &Shard, accepted: &[Accepted]) -> super::shelf::Saved {
    shelf
        .save(header(shard, Some(ID), accepted), snapshot::write(shard))
        .unwrap()
}

/// The offsets of the checkpoints that are in use.
fn offsets(shelf: &Shelf) -> Vec<i64> {
    let entries = shelf.newest_first(0).unwrap();
    entries.iter().map(|entry| entry.offset).collect()
}

/// A log as the rows of the table describe it.
#[derive(Clone, Copy)]
struct Scripted {
    low: i64,
    high: i64,
    id: Option<TopicId>,
    /// The record from which on the log is another one.
    other_from: i64,
    answers: bool,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            low: 0,
            high: 1000,
            id: Some(ID),
            other_from: i64::MAX,
            answers: true,
        }
    }
}

impl Log for Scripted {
    fn bounds(&mut self, _: usize) -> Bounds {
        Bounds {
            low: self.low,
            high: self.high,
        }
    }

    fn topic_id(&mut self, _: usize) -> Option<TopicId> {
        self.id
    }

    fn witness(&mut self, _: usize, witness: &LastRecord) -> Witnessed {
        assert_eq!(*witness, last(witness.offset));
        if !self.answers {
            Witnessed::Unknown
        } else if witness.offset < self.low {
            Witnessed::Gone
        } else if witness.offset >= self.other_from {
            Witnessed::Other
        } else {
            Witnessed::Same
        }
    }
}

/// A row: checkpoints at offsets 10, 20 and 30 of a log that began at `base`, and what is different.
#[derive(Clone, Copy)]
struct Row {
    base: i64,
    /// What is done to the shelf before.
    prepare: fn(&Memory, &Shelf),
    log: Scripted,
    mark: Option<CommitMark>,
    accept: bool,
    id: Option<TopicId>,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            base: 0,
            prepare: |_, _| {},
            log: Scripted::default(),
            mark: None,
            accept: false,
            id: Some(ID),
        }
    }
}

fn mark(base_offset: i64, id: TopicId) -> CommitMark {
    CommitMark {
        base_offset,
        fold: 7,
        id: Some(id),
    }
}

fn damage(memory: &Memory, shelf: &Shelf, newest: usize) {
    for entry in shelf.newest_first(0).unwrap().iter().take(newest) {
        memory.damage(&entry.key);
    }
}

fn empty(memory: &Memory, _: &Shelf) {
    memory.objects.lock().unwrap().clear();
}

/// The outcome of a row as a line, and what is left in the store.
fn outcome(row: Row) -> (String, Chosen, Arc<Memory>) {
    let (memory, settings) = (Arc::new(Memory::default()), settings());
    let shelf = shelf(&memory, &settings, 3);
    for next in [10, 20, 30] {
        let shard = shard(&settings, row.base, row.base + next);
        let header = header(&shard, row.id, &[]);
        shelf.save(header, snapshot::write(&shard)).unwrap();
    }
    (row.prepare)(&memory, &shelf);
    let mut log = row.log;
    let situation = Situation {
        partition: 0,
        partitions: 4,
        settings: &settings,
        committed: &[row.mark],
        accept: Accept {
            history_loss: row.accept,
        },
    };
    let chosen = choose(&shelf, &situation, &mut log).unwrap();
    let line = match &chosen.choice {
        Choice::Fresh { accepted } => format!("fresh{}", gaps(accepted)),
        Choice::Resume(checkpoint) => {
            let position = checkpoint.shard.position(0).unwrap();
            let accepted = gaps(&checkpoint.header.accepted);
            let customers = checkpoint.shard.customers().len();
            format!("resume {} with {customers}{accepted}", position.next_offset)
        }
        Choice::Degraded {
            loss,
            gaps: lost,
            resume,
        } => {
            let resume = resume.as_ref().map_or("nothing".to_owned(), |checkpoint| {
                checkpoint.header.offset().to_string()
            });
            format!("degraded {} at {resume}{}", loss.name(), gaps(lost))
        }
    };
    (line, chosen, memory)
}

fn gaps(accepted: &[Accepted]) -> String {
    let gaps = accepted.iter();
    let gaps: Vec<String> = gaps
        .map(|gap| format!(", {} {}..{}", gap.reason, gap.from, gap.to))
        .collect();
    gaps.concat()
}

#[test]
fn the_rules_of_the_choice() {
    let log = Scripted::default();
    let row = Row::default();
    let cut = |high| Scripted { high, ..log };
    let from = |low| Scripted { low, ..log };
    let changed = |other_from| Scripted { other_from, ..log };
    let anew = Scripted {
        id: Some(OTHER_ID),
        ..log
    };
    let ids_unknown = |log: Scripted| Row {
        id: None,
        log: Scripted { id: None, ..log },
        ..row
    };
    let with = |log| Row { log, ..row };
    let accepted = |row: Row| Row {
        accept: true,
        ..row
    };
    let damaged = |newest: fn(&Memory, &Shelf)| Row {
        prepare: newest,
        ..row
    };
    let nothing = Row {
        prepare: empty,
        ..row
    };
    let all_damaged: fn(&Memory, &Shelf) = |memory, shelf| damage(memory, shelf, 3);
    let table: &[(&str, Row, &str)] = &[
        ("the log goes on", row, "resume 30 with 30"),
        ("exactly at its end", with(cut(30)), "resume 30 with 30"),
        (
            "it begins at the position",
            with(from(30)),
            "resume 30 with 30",
        ),
        ("ids are unknown", ids_unknown(log), "resume 30 with 30"),
        (
            "the last record was compacted",
            with(Scripted {
                low: 30,
                other_from: 0,
                ..log
            }),
            "resume 30 with 30",
        ),
        (
            "nobody answers",
            with(Scripted {
                answers: false,
                ..log
            }),
            "resume 30 with 30",
        ),
        // Damage.
        (
            "the newest is damaged",
            damaged(|memory, shelf| damage(memory, shelf, 1)),
            "resume 20 with 20",
        ),
        (
            "two are damaged",
            damaged(|memory, shelf| damage(memory, shelf, 2)),
            "resume 10 with 10",
        ),
        ("all are damaged", damaged(all_damaged), "fresh"),
        (
            "all are damaged, and the head of the log is gone",
            Row {
                log: from(5),
                ..damaged(all_damaged)
            },
            "degraded history_gone at nothing, history_gone 0..5",
        ),
        (
            "the same, but the commits tell that the state began there",
            Row {
                log: from(5),
                mark: Some(mark(5, ID)),
                ..damaged(all_damaged)
            },
            "fresh",
        ),
        // Truncation.
        (
            "the log ends before the newest",
            with(cut(25)),
            "resume 20 with 20",
        ),
        (
            "another record before the newest",
            with(changed(25)),
            "resume 20 with 20",
        ),
        (
            "another record before all",
            with(changed(5)),
            "degraded truncated at 30, truncated 30..0",
        ),
        (
            "the log ends before all",
            with(cut(5)),
            "degraded truncated at 30, truncated 30..0",
        ),
        (
            "the same, accepted: everything there is, is read again",
            accepted(with(cut(5))),
            "resume 0 with 30, truncated 30..0",
        ),
        (
            "another record before all, ids unknown",
            ids_unknown(changed(5)),
            "degraded recreated at 30, recreated 30..0",
        ),
        (
            "the newest is damaged, the log ends before the next",
            Row {
                log: cut(15),
                ..damaged(|memory, shelf| damage(memory, shelf, 1))
            },
            "resume 10 with 10",
        ),
        // Another topic.
        (
            "the topic was made anew and is past the position",
            with(anew),
            "degraded recreated at 30, recreated 30..0",
        ),
        (
            "the topic was made anew and is shorter",
            with(Scripted { high: 3, ..anew }),
            "degraded recreated at 30, recreated 30..0",
        ),
        (
            "the same, accepted",
            accepted(with(Scripted { high: 3, ..anew })),
            "resume 0 with 30, recreated 30..0",
        ),
        // Retention.
        (
            "records were deleted before they were read",
            with(from(31)),
            "degraded records_deleted at 30, records_deleted 30..31",
        ),
        (
            "the same, accepted",
            accepted(with(from(31))),
            "resume 31 with 30, records_deleted 30..31",
        ),
        // No checkpoint.
        ("a first start", nothing, "fresh"),
        (
            "a first start in an old log",
            Row {
                log: from(5),
                ..nothing
            },
            "fresh",
        ),
        (
            "a log that has everything",
            Row {
                mark: Some(mark(0, ID)),
                ..nothing
            },
            "fresh",
        ),
        (
            "a log that has everything from where it was read",
            Row {
                mark: Some(mark(5, ID)),
                log: from(5),
                ..nothing
            },
            "fresh",
        ),
        (
            "there was state, and the log has lost its head",
            Row {
                mark: Some(mark(0, ID)),
                log: from(5),
                ..nothing
            },
            "degraded history_gone at nothing, history_gone 0..5",
        ),
        (
            "the same, accepted",
            accepted(Row {
                mark: Some(mark(0, ID)),
                log: from(5),
                ..nothing
            }),
            "fresh, history_gone 0..5",
        ),
        (
            "there was state of another topic of that name",
            Row {
                mark: Some(mark(0, OTHER_ID)),
                ..nothing
            },
            "degraded recreated at nothing, recreated 0..0",
        ),
        // An acceptance that nothing needs.
        ("accepted in advance", accepted(row), "resume 30 with 30"),
    ];
    for (what, row, expected) in table {
        let (line, _, _) = outcome(*row);
        assert_eq!(line, *expected, "{what}");
    }
}

#[test]
fn damaged_ones_are_renamed_and_others_stay() {
    let (_, chosen, memory) = outcome(Row {
        prepare: |memory, shelf| damage(memory, shelf, 2),
        ..Row::default()
    });
    let set_aside = |note: &&Note| matches!(note, Note::SetAside { renamed: true, .. });
    assert_eq!(chosen.notes.iter().filter(set_aside).count(), 2);
    let keys = memory.keys();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert_eq!(keys.iter().filter(|key| key.ends_with(DAMAGED)).count(), 2);
}

#[test]
fn what_the_log_contradicts_is_set_aside_once_an_older_one_fits() {
    for (log, set_aside) in [
        (
            Scripted {
                high: 25,
                ..Scripted::default()
            },
            1,
        ),
        (
            Scripted {
                other_from: 15,
                ..Scripted::default()
            },
            2,
        ),
        // Nothing fits, so nothing is touched.
        (
            Scripted {
                other_from: 5,
                ..Scripted::default()
            },
            0,
        ),
    ] {
        let (_, chosen, memory) = outcome(Row {
            log,
            ..Row::default()
        });
        let superseded = |note: &&Note| matches!(note, Note::Superseded { renamed: true, .. });
        assert_eq!(chosen.notes.iter().filter(superseded).count(), set_aside);
        let keys = memory.keys();
        let renamed = keys.iter().filter(|key| key.ends_with(SUPERSEDED));
        assert_eq!(renamed.count(), set_aside);
    }
}

#[test]
fn an_accepted_loss_takes_the_head_of_the_log_and_leaves_the_facts() {
    let (_, chosen, _) = outcome(Row {
        log: Scripted {
            low: 31,
            ..Scripted::default()
        },
        accept: true,
        ..Row::default()
    });
    let Choice::Resume(checkpoint) = chosen.choice else {
        panic!("{chosen:?}");
    };
    let shard = checkpoint.shard;
    assert_eq!(shard.position(0).unwrap().base_offset, 31);
    assert_eq!(shard.log_start(), LogStart::Unknown);
    assert_eq!(
        shard.digest(),
        super::tests::shard(&settings(), 0, 30).digest()
    );
}

#[test]
fn state_under_other_settings_is_a_witness_too() {
    let (memory, old) = (Arc::new(Memory::default()), settings());
    save(&shelf(&memory, &old, 3), &shard(&old, 0, 10), &[]);
    let new = Arc::new(FoldSettings {
        digest_key: DigestKey(*b"another-key-here"),
        ..FoldSettings::default()
    });
    let shelf = shelf(&memory, &new, 3);
    let others = shelf.others().unwrap();
    assert_eq!(others.len(), 1);
    let told = others[0].header.as_ref().unwrap();
    assert_ne!(
        told.digest_key,
        header(&shard(&new, 0, 0), None, &[]).digest_key
    );
    let situation = Situation {
        partition: 0,
        partitions: 4,
        settings: &new,
        committed: &[None],
        accept: Accept::default(),
    };
    let choice = |low| {
        let mut log = Scripted {
            low,
            ..Scripted::default()
        };
        choose(&shelf, &situation, &mut log).unwrap().choice
    };
    assert!(matches!(choice(0), Choice::Fresh { .. }));
    let Choice::Degraded { loss, .. } = choice(1) else {
        panic!("the log has lost what the other state began with");
    };
    assert_eq!(loss, Loss::HistoryGone);
    assert_eq!(memory.keys().len(), 1, "it is left where it is");
}

#[test]
fn a_store_that_does_not_answer_is_no_empty_start() {
    for operation in ["list", "get"] {
        let (memory, settings) = (Arc::new(Memory::default()), settings());
        let shelf = shelf(&memory, &settings, 3);
        save(&shelf, &shard(&settings, 0, 10), &[]);
        *memory.fails.lock().unwrap() = Some((operation, false));
        let situation = Situation {
            partition: 0,
            partitions: 4,
            settings: &settings,
            committed: &[None],
            accept: Accept { history_loss: true },
        };
        let outcome = choose(&shelf, &situation, &mut Scripted::default());
        assert!(outcome.is_err(), "{operation}");
    }
}

#[test]
fn a_write_whose_answer_was_lost_has_happened() {
    let (memory, settings) = (Arc::new(Memory::default()), settings());
    let shelf = shelf(&memory, &settings, 3);
    let shard = shard(&settings, 0, 10);
    let attempt = || shelf.save(header(&shard, Some(ID), &[]), snapshot::write(&shard));
    *memory.fails.lock().unwrap() = Some(("put", false));
    assert!(attempt().is_err());
    *memory.fails.lock().unwrap() = Some(("put", true));
    assert!(attempt().is_ok());
    assert_eq!(offsets(&shelf), [10]);
}

#[test]
fn the_newest_whole_ones_are_kept_and_damaged_ones_do_not_count() {
    let (memory, settings) = (Arc::new(Memory::default()), settings());
    let writer = shelf(&memory, &settings, 2);
    for next in [1, 2, 3] {
        save(&writer, &shard(&settings, 0, next), &[]);
    }
    assert_eq!(offsets(&writer), [3, 2]);
    damage(&memory, &writer, 2);
    // Another process, which knows nothing of what it did not write.
    let writer = shelf(&memory, &settings, 2);
    let saved = save(&writer, &shard(&settings, 0, 4), &[]);
    assert_eq!((saved.deleted.len(), saved.damaged.len()), (0, 2));
    save(&writer, &shard(&settings, 0, 5), &[]);
    let saved = save(&writer, &shard(&settings, 0, 6), &[]);
    assert_eq!(saved.deleted[0].offset, 4);
    assert_eq!(offsets(&writer), [6, 5]);
    assert_eq!(memory.keys().len(), 4, "what was set aside is not deleted");
}

#[test]
fn a_writer_that_is_behind_deletes_only_below_its_own() {
    let (memory, settings) = (Arc::new(Memory::default()), settings());
    let [ahead, behind] = [(); 2].map(|()| shelf(&memory, &settings, 2));
    for step in 1..20 {
        save(&ahead, &shard(&settings, 0, 3 * step), &[]);
        save(&behind, &shard(&settings, 0, step), &[]);
        let left = offsets(&ahead);
        let newest: Vec<i64> = (1..=step).rev().take(2).map(|step| 3 * step).collect();
        assert_eq!(left[..newest.len()], newest, "after {step} steps");
        assert!(left.contains(&step), "what was just written is there");
    }
}

#[test]
fn after_an_accepted_loss_lower_offsets_are_the_newest() {
    let (memory, settings) = (Arc::new(Memory::default()), settings());
    let writer = shelf(&memory, &settings, 2);
    for next in [10, 20, 30] {
        save(&writer, &shard(&settings, 0, next), &[]);
    }
    let accepted = [Accepted {
        topic: TOPIC.to_owned(),
        from: 30,
        to: 0,
        reason: Loss::Recreated.name().to_owned(),
    }];
    let mut shard = shard(&settings, 0, 30);
    shard.accept_gap(0, 0);
    for next in 0..4 {
        fold(&mut shard, next);
        let saved = save(&writer, &shard, &accepted);
        assert_eq!(saved.superseded.len(), if next == 0 { 2 } else { 0 });
        assert_eq!(offsets(&writer)[0], next + 1);
    }
    assert_eq!(offsets(&writer), [4, 3]);
}

/// A mapping of which nothing matters but that it is one.
fn mapping() -> Sources {
    let fixed = |text: &str| Text {
        source: TextSource::Fixed(text.to_owned()),
        map: None,
        otherwise: None,
        case: Case::AsItIs,
    };
    let rule = Rule {
        when: Vec::new(),
        each: None,
        each_when: Vec::new(),
        event_id: fixed("1"),
        event_type: fixed("signup"),
        customer_id: fixed("c"),
        occurred_at: Instant {
            first: vec![Path::parse("record.timestamp").unwrap()],
            form: TimeForm::Native,
        },
        amount: None,
        currency: None,
        reason: None,
        survey: None,
        score: None,
        channel: None,
        attributes: BTreeMap::new(),
    };
    let rules = Rules {
        envelope: Envelope::None,
        format: Format::Json,
        key_format: Format::Json,
        skip: Vec::new(),
        events: vec![rule],
        otherwise: Otherwise::Unmapped,
    };
    Sources::new(BTreeMap::from([("orders".to_owned(), rules)]))
}

#[test]
fn a_state_goes_on_under_changed_settings_where_the_log_cannot_be_read_again() {
    let before = settings();
    let check = |low: i64, other_from: i64, change: fn(&mut FoldSettings), expected: &str| {
        let memory = Arc::new(Memory::default());
        let old = shelf(&memory, &before, 3);
        for next in [10, 20, 30] {
            save(&old, &shard(&before, 0, next), &[]);
        }
        let mut settings = FoldSettings::clone(&before);
        change(&mut settings);
        let settings = Arc::new(settings);
        let situation = Situation {
            partition: 0,
            partitions: 4,
            settings: &settings,
            committed: &[None],
            accept: Accept::default(),
        };
        let mut log = Scripted {
            low,
            other_from,
            ..Scripted::default()
        };
        let new = shelf(&memory, &settings, 3);
        let chosen = choose(&new, &situation, &mut log).unwrap();
        let line = match chosen.choice {
            Choice::Fresh { .. } => "fresh".to_owned(),
            Choice::Resume(checkpoint) => {
                assert_eq!(*checkpoint.shard.settings(), *settings);
                let [changed] = &checkpoint.header.changed[..] else {
                    panic!("{:?}", checkpoint.header.changed);
                };
                assert_eq!(changed.fold.0, fingerprint(&before));
                // It is written anew, and gone on from, as a state of the new settings.
                let (shard, next) = (checkpoint.shard, changed.until);
                save(&new, &shard, &[]);
                assert_eq!(offsets(&new), [next]);
                format!("resume {next}")
            }
            Choice::Degraded { loss, .. } => format!("degraded {}", loss.name()),
        };
        assert_eq!(line, expected);
    };
    let never = i64::MAX;
    let longer: fn(&mut FoldSettings) = |settings| settings.history_millis *= 2;
    let wider: fn(&mut FoldSettings) = |settings| settings.dimensions = vec!["plan".to_owned()];
    let rescaled: fn(&mut FoldSettings) = |settings| settings.ces.better = Better::High;
    let mapped: fn(&mut FoldSettings) = |settings| settings.sources = Arc::new(mapping());
    // What can be read again is read again.
    check(0, never, longer, "fresh");
    check(0, never, mapped, "fresh");
    check(5, never, mapped, "resume 30");
    check(5, never, longer, "resume 30");
    check(30, never, wider, "resume 30");
    check(5, 25, longer, "resume 20");
    check(31, never, longer, "degraded history_gone");
    check(5, never, rescaled, "degraded history_gone");
}
