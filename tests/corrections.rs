//! Corrections: folding with one is folding the log without the records that it skips.

#![cfg(test)]

#[expect(dead_code, reason = "only random logs are needed of the oracle")]
mod oracle;

use std::collections::BTreeSet;
use std::sync::Arc;

use oracle::log::Record;
use oracle::random::{Dice, Stragglers, pruned_case, random_case};
use oracle::settings::Settings;
use tenure::engine::intake::{Fate, Tally, take, take_from};
use tenure::event::decode::Decoder;
use tenure::event::record::Record as Read;
use tenure::event::source::Source;
use tenure::event::{EventType, Timestamp};
use tenure::ledger::Shard;
use tenure::ledger::corrections::{Correction, Corrections, EventIds, Offsets, Skip, Whence};
use tenure::ledger::settings::{CesMax, CesScale, DigestKey, FoldSettings};
use tenure::ledger::snapshot::{Unusable, read, write};
use tenure::telemetry::Telemetry;

const TOPIC: &str = "events";
const KEY: DigestKey = DigestKey::BUILT_IN;

fn fold_settings(of: &Settings, corrections: Vec<Correction>) -> FoldSettings {
    let ces = FoldSettings::default().ces;
    FoldSettings {
        history_millis: of.history,
        duplicate_window_millis: of.duplicate_window,
        max_future_skew_millis: of.max_future_skew,
        dimensions: of.dimensions.clone(),
        ces: CesScale {
            max: if of.ces_max == 7 {
                CesMax::Seven
            } else {
                CesMax::Five
            },
            ..ces
        },
        corrections: Arc::new(Corrections::new(corrections, KEY)),
        ..FoldSettings::default()
    }
}

fn offsets(first: i64, last: i64) -> Correction {
    Correction {
        note: "a range".to_owned(),
        skip: Skip::Offsets(Offsets {
            topic: TOPIC.to_owned(),
            partition: 0,
            first,
            last,
        }),
        event: None,
    }
}

fn ids(ids: &[&str]) -> Correction {
    Correction {
        note: "ids".to_owned(),
        skip: Skip::Ids(EventIds::new(ids.iter().copied(), KEY)),
        event: None,
    }
}

fn event_type(record: &Record) -> EventType {
    let name = record.fact.body.event_type();
    let types = EventType::ALL.into_iter();
    let mut named = types.filter(|event| event.name() == name);
    named.next().unwrap()
}

/// Folds records at these offsets; those in `without` are there without their value.
/// What becomes of a record of native events, which is one thing.
fn fate(shard: &mut Shard, source: &Source, whence: Whence<'_>, read: Read<'_>) -> Fate {
    let mut fates = Vec::new();
    take_from(shard, source, Some(whence), read, |fate| fates.push(fate));
    assert_eq!(fates.len(), 1);
    fates[0]
}

fn fold(
    settings: FoldSettings,
    records: &[(i64, &Record)],
    without: &BTreeSet<i64>,
) -> (Shard, Tally) {
    let source = Source::native(settings.decoding());
    let mut shard = Shard::new(Arc::new(settings), 1);
    shard.start_at(0, 0);
    let mut tally = Tally::default();
    for (at, (offset, record)) in records.iter().enumerate() {
        let recorded_at = record.kafka_timestamp.map(Timestamp::from_millis);
        assert!(shard.advance(0, at as i64, recorded_at));
        let json = record.json();
        let value = (!without.contains(offset)).then_some(json.as_bytes());
        let whence = Whence {
            topic: TOPIC,
            partition: 0,
            offset: *offset,
        };
        let read = Read {
            recorded_at,
            value,
            ..Read::of_value(b"")
        };
        tally.add(fate(&mut shard, &source, whence, read));
    }
    (shard, tally)
}

/// Chooses corrections of all kinds, and which offsets they skip.
fn choose(records: &[Record], dice: &mut Dice) -> (Vec<Correction>, BTreeSet<i64>) {
    let below = |dice: &mut Dice, most: usize| (dice.next() % most.max(1) as u64) as usize;
    let mut corrections = Vec::new();
    let mut skipped = BTreeSet::new();
    let count = records.len();
    let (first, length) = (below(dice, count), below(dice, 1 + count / 4));
    let range = first..(first + length + 1).min(count);
    let narrowed = EventType::ALL[below(dice, 4)];
    let narrow = dice.next().is_multiple_of(3).then_some(narrowed);
    corrections.push(Correction {
        event: narrow,
        ..offsets(range.start as i64, range.end as i64 - 1)
    });
    let of_type = |at: &usize| narrow.is_none_or(|narrow| event_type(&records[*at]) == narrow);
    skipped.extend(range.filter(of_type).map(|at| at as i64));
    let chosen: Vec<&str> = (0..below(dice, 4))
        .map(|_| records[below(dice, count)].fact.id.as_str())
        .collect();
    let narrow = dice.next().is_multiple_of(3).then_some(narrowed);
    corrections.push(Correction {
        event: narrow,
        ..ids(&chosen)
    });
    for (at, record) in records.iter().enumerate() {
        let typed = narrow.is_none_or(|narrow| event_type(record) == narrow);
        if typed && chosen.contains(&record.fact.id.as_str()) {
            skipped.insert(at as i64);
        }
    }
    (corrections, skipped)
}

/// With corrections, and without the records that they skip: the same facts, in this order of
/// arrival and in another one.
fn check(records: &[Record], of: &Settings, seed: u64) -> u64 {
    if records.is_empty() {
        return 0;
    }
    let mut dice = Dice::new(seed ^ 0x5eed);
    let (corrections, skipped) = choose(records, &mut dice);
    let mut arrivals: Vec<(i64, &Record)> = (0..).zip(records).collect();
    for _ in 0..2 {
        let (with, tally) = fold(
            fold_settings(of, corrections.clone()),
            &arrivals,
            &BTreeSet::new(),
        );
        let (without, _) = fold(fold_settings(of, Vec::new()), &arrivals, &skipped);
        assert_eq!(with.digest(), without.digest(), "seed {seed}");
        assert_eq!(with.digest(), with.digest_recomputed(), "seed {seed}");
        assert_eq!(
            with.customers().len(),
            without.customers().len(),
            "seed {seed}"
        );
        assert_eq!(with.position(0), without.position(0), "seed {seed}");
        // What cannot be decoded is not of any type and has no id.
        let undecoded: u64 = tally.rejected().map(|(_, count)| count).sum();
        assert!(tally.skipped <= skipped.len() as u64, "seed {seed}");
        assert!(
            tally.skipped + undecoded >= skipped.len() as u64,
            "seed {seed}"
        );
        assert_eq!(tally.received(), records.len() as u64, "seed {seed}");
        // Offsets stay those of the records: what is skipped does not go by the order.
        for at in (1..arrivals.len()).rev() {
            arrivals.swap(at, (dice.next() % (at as u64 + 1)) as usize);
        }
    }
    skipped.len() as u64
}

#[test]
fn a_fold_with_corrections_is_the_fold_without_those_records() {
    let mut skipped = 0;
    for seed in 0..600 {
        let case = random_case(seed);
        skipped += check(&case.log.records, &case.settings, seed);
    }
    for seed in 0..200 {
        let case = pruned_case(seed, Stragglers::Some);
        skipped += check(&case.log.records, &case.settings, seed);
    }
    assert!(skipped > 1000, "{skipped} records were to be skipped");
}

const SIGNUP: &str =
    r#"{"event_id":"wrong","type":"signup","customer_id":"a","occurred_at":1780000000000}"#;
const CHURN: &str =
    r#"{"event_id":"wrong","type":"churn","customer_id":"b","occurred_at":1790000000000}"#;
const OTHER: &str =
    r#"{"event_id":"right","type":"signup","customer_id":"c","occurred_at":1780000000000}"#;

#[test]
fn a_skipped_id_stays_skipped_whoever_uses_it_and_however_late() {
    let settings = fold_settings(&Settings::default(), vec![ids(&["wrong"])]);
    let decoder = Decoder::new(settings.decoding());
    let mut shard = Shard::new(Arc::new(settings), 1);
    let mut tally = Tally::default();
    for value in [SIGNUP, OTHER, SIGNUP, CHURN, OTHER] {
        tally.add(take(&mut shard, &decoder, Some(value.as_bytes()), None));
    }
    assert_eq!((tally.skipped, tally.applied, tally.duplicates), (3, 1, 1));
    assert_eq!(shard.customers().len(), 1);
    let telemetry = Telemetry::new().unwrap();
    tally.flush(&telemetry.fold);
    assert_eq!(telemetry.fold.outcomes.skipped.get(), 3);
}

#[test]
fn a_line_of_a_file_has_no_offset_and_a_tombstone_is_one_before_all_else() {
    let settings = fold_settings(&Settings::default(), vec![offsets(0, 9)]);
    let decoder = Decoder::new(settings.decoding());
    let mut shard = Shard::new(Arc::new(settings), 1);
    let whence = |partition, offset| Whence {
        topic: TOPIC,
        partition,
        offset,
    };
    let value = Some(OTHER.as_bytes());
    let source = Source::native(shard.settings().decoding());
    let mut fate = |whence, value| {
        let read = Read {
            value,
            ..Read::of_value(b"")
        };
        fate(&mut shard, &source, whence, read)
    };
    assert_eq!(fate(whence(0, 3), None), Fate::Tombstone);
    assert_eq!(fate(whence(0, 3), value), Fate::Skipped);
    assert_eq!(fate(whence(0, 3), Some(b"no json")), Fate::Skipped);
    assert!(matches!(fate(whence(1, 3), value), Fate::Folded { .. }));
    assert!(matches!(fate(whence(0, 10), Some(b"{")), Fate::Rejected(_)));
    assert!(matches!(
        take(&mut shard, &decoder, value, None),
        Fate::Folded { .. }
    ));
}

#[test]
fn a_state_with_corrections_is_another_state() {
    let corrected = |corrections| Arc::new(fold_settings(&Settings::default(), corrections));
    let plain = corrected(Vec::new());
    let bytes = write(&Shard::new(Arc::clone(&plain), 1));
    assert!(read(&bytes, plain).is_ok());
    let other = read(&bytes, corrected(vec![offsets(1, 2)])).map(|_| ());
    assert_eq!(other, Err(Unusable::OtherSettings));
    let bytes = write(&Shard::new(corrected(vec![offsets(1, 2), ids(&["x"])]), 1));
    let same = corrected(vec![ids(&["x"]), offsets(1, 1), offsets(2, 2)]);
    assert!(read(&bytes, same).is_ok());
}
