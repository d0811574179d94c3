//! The bytes of contributions: what is read is what was written, and everything else is refused.

#![cfg(test)]

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tenure::cluster::record::{Contribution, Definition, Held, Key, Presence, Refused, Subject};
use tenure::engine::intake::{Fate, take};
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::measure::partial::Partial;
use tenure::measure::pass::evaluate;
use tenure::measure::publish::{Context, reports};
use tenure::measure::question::Question;
use tenure::measure::report::Report;
use tenure::measure::settings::EvaluationSettings;

const NOVEMBER: i64 = 1_793_491_200_000;
const HOUR: i64 = 3_600_000;
const SHARDS: usize = 3;

fn definition() -> Definition {
    Definition::of(["these settings", "that topic"])
}

/// Numbers that a seed decides.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)) >> 20) % end
    }
}

/// Shards of random customers, in segments of so many plans and countries.
fn shards(seed: u64, events: u64, customers: u64, plans: u64, countries: u64) -> Vec<Shard> {
    let dimensions = ["plan", "country"].map(str::to_owned);
    let fold = Arc::new(FoldSettings {
        dimensions: dimensions.into_iter().filter(|_| plans > 0).collect(),
        ..FoldSettings::default()
    });
    let decoder = Decoder::new(fold.decoding());
    let new = |_| {
        let mut shard = Shard::new(Arc::clone(&fold), 1);
        shard.start_at(0, 0);
        shard
    };
    let mut shards: Vec<Shard> = (0..SHARDS).map(new).collect();
    let mut dice = Dice(seed);
    for number in 0..events {
        let customer = dice.below(customers);
        let at = NOVEMBER - i64::try_from(dice.below(24 * 120)).unwrap() * HOUR;
        let what = match dice.below(10) {
            0 | 1 => r#""type":"signup""#.to_owned(),
            2 => format!(r#""type":"churn","reason":"r{}""#, dice.below(4)),
            3 => format!(
                r#""type":"survey_submitted","survey":"nps","score":{},"channel":"c{}""#,
                dice.below(11),
                dice.below(3)
            ),
            4 => format!(
                r#""type":"survey_submitted","survey":"csat","score":{}"#,
                1 + dice.below(5)
            ),
            _ => format!(
                r#""type":"purchase","amount":"{}.5","currency":"{}""#,
                dice.below(500),
                ["EUR", "USD"][usize::from(dice.below(9) == 0)]
            ),
        };
        let segment = customer.wrapping_mul(0x9e37_79b9) >> 3;
        let attributes = if plans > 0 {
            let (plan, country) = (segment % plans, segment / plans % countries);
            format!(r#","attributes":{{"plan":"plan-{plan}","country":"C{country}"}}"#)
        } else {
            String::new()
        };
        let record = format!(
            r#"{{"event_id":"{number}","customer_id":"c{customer}","occurred_at":{at},{what}{attributes}}}"#
        );
        let shard = &mut shards[usize::try_from(customer).unwrap() % SHARDS];
        assert!(shard.advance(0, i64::try_from(number).unwrap(), None));
        let fate = take(shard, &decoder, Some(record.as_bytes()), None);
        assert!(matches!(fate, Fate::Folded { .. }), "{record}: {fate:?}");
    }
    shards
}

fn question() -> Arc<Question> {
    let at = Timestamp::from_millis(NOVEMBER);
    Arc::new(Question::at(at, Arc::new(EvaluationSettings::default())))
}

fn contribution(shard: &Shard, number: usize) -> Contribution {
    Contribution {
        partition: i32::try_from(number).unwrap(),
        at: Timestamp::from_millis(NOVEMBER),
        partitions: i32::try_from(SHARDS).unwrap(),
        keyed_by: i32::try_from(SHARDS).unwrap(),
        offsets: vec![Some((0, 1_000_000)), None],
        digest: shard.digest(),
        generation: 7,
        partial: evaluate(shard, number, &question()).unwrap(),
    }
}

fn merged(parts: &[Partial], shard: &Shard) -> Vec<Report> {
    let question = question();
    let mut merged = Partial::empty(&question);
    for part in parts {
        merged.merge(part);
    }
    let context = Context {
        ces: shard.settings().ces,
        dimensions: &shard.settings().dimensions,
        rekeyed: false,
    };
    reports(&merged, &question, context)
}

#[test]
fn a_report_of_contributions_that_were_written_and_read_is_the_report() {
    for seed in 0..20 {
        let plans = seed % 4;
        let shards = shards(seed, 600, 80, plans, 5);
        let numbered = shards.iter().zip(0..);
        let parts: Vec<Contribution> = numbered
            .map(|(shard, number)| contribution(shard, number))
            .collect();
        let read: Vec<Contribution> = parts
            .iter()
            .map(|part| {
                let bytes = part.clone().encode(definition()).unwrap();
                let read = Contribution::decode(&bytes, definition()).unwrap();
                assert_eq!(bytes, read.clone().encode(definition()).unwrap(), "{seed}");
                read
            })
            .collect();
        let before: Vec<Partial> = parts.into_iter().map(|part| part.partial).collect();
        let after: Vec<Partial> = read.into_iter().map(|part| part.partial).collect();
        let expected = merged(&before, &shards[0]);
        let found = merged(&after, &shards[0]);
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "seed {seed}");
    }
}

#[test]
fn customers_in_two_shards_are_found_in_what_was_written() {
    let shards = shards(3, 9_000, 4_500, 0, 1);
    // The first shard once more under another number: all its customers live twice.
    let parts = [(0, 0), (1, 1), (0, 2)];
    let partial = parts.map(|(shard, number)| {
        let bytes = contribution(&shards[shard], number).encode(definition());
        Contribution::decode(&bytes.unwrap(), definition())
            .unwrap()
            .partial
    });
    let sampled = partial.iter().flat_map(|partial| &partial.samples);
    assert!(
        sampled
            .into_iter()
            .all(|sample| sample.customers.len() <= 512)
    );
    let mut merged = Partial::empty(&question());
    for part in &partial {
        merged.merge(part);
    }
    let split = merged.split();
    assert_eq!(split.shards, [0, 2]);
    assert!(split.customers > 100, "{}", split.customers);
}

fn small() -> Vec<u8> {
    let shards = shards(1, 60, 12, 2, 2);
    contribution(&shards[1], 1).encode(definition()).unwrap()
}

fn presence() -> Presence {
    let held = |partition| Held {
        partition,
        generation: 5,
        reached: Some(Timestamp::from_millis(NOVEMBER)),
        degraded: partition == 1,
    };
    Presence {
        instance: "tenure-0".to_owned(),
        address: "http://tenure-0.tenure:9736".to_owned(),
        written_at: Timestamp::from_millis(NOVEMBER),
        partitions: 3,
        shards: (0..2).map(held).collect(),
    }
}

/// Whether bytes are refused both as a contribution and as a presence.
fn refused(bytes: &[u8]) -> bool {
    Contribution::decode(bytes, definition()).is_err()
        && Presence::decode(bytes, definition()).is_err()
}

#[test]
fn damage_at_any_byte_is_found() {
    for written in [small(), presence().encode(definition()).unwrap()] {
        assert!(!refused(&written));
        for place in 0..written.len() {
            assert!(refused(&written[..place]), "cut at {place}");
            for flip in [1, 0x80, 0xff] {
                let mut damaged = written.clone();
                damaged[place] ^= flip;
                assert!(refused(&damaged), "{flip:#x} at {place}");
            }
        }
        let mut longer = written.clone();
        longer.push(0);
        assert!(refused(&longer));
    }
}

#[test]
fn another_definition_is_told_from_damage() {
    let other = Definition::of(["these settingst", "hat topic"]);
    assert_ne!(other, definition());
    let refused = Contribution::decode(&small(), other).unwrap_err();
    assert_eq!(refused, Refused::Definition);
    let written = presence().encode(definition()).unwrap();
    assert_eq!(Presence::decode(&written, other), Err(Refused::Definition));
    // One is not taken for the other.
    assert_eq!(
        Contribution::decode(&written, definition()),
        Err(Refused::Decode)
    );
}

#[test]
fn keys_can_be_read_by_people_and_by_instances() {
    let check = |subject: Subject, expected: &str| {
        let key = Key {
            group: "a/b".to_owned(),
            definition: definition(),
            subject,
        };
        let expected = expected.replace('D', &definition().to_string());
        assert_eq!(key.to_string(), expected);
        assert_eq!(Key::read(expected.as_bytes()), Some(key));
    };
    let of = |partition, slot| Subject::Partition { partition, slot };
    check(of(7, 2), "c/a/b/D/00007/2");
    check(of(123_456, 0), "c/a/b/D/123456/0");
    check(Subject::Instance("tenure-0".to_owned()), "p/a/b/D/tenure-0");
    let definition = definition().to_string();
    for wrong in [
        String::new(),
        "c/g/D/00007".to_owned(),
        format!("c/g/{definition}/7/2"),
        format!("c/g/{definition}/00007/4"),
        format!("c/g/{definition}/-0007/1"),
        format!("c/g/{}/00007/1", definition.to_uppercase()),
        format!("x/g/{definition}/00007/1"),
        format!("p/{definition}"),
    ] {
        assert_eq!(Key::read(wrong.as_bytes()), None, "{wrong}");
    }
    assert_eq!(Key::read(&[b'c', b'/', 0xff]), None);
}

/// Figures for the documentation: `cargo test --test contributions -- --ignored --nocapture`.
#[test]
#[ignore = "prints sizes"]
fn sizes_of_contributions() {
    for (plans, countries) in [(0, 1), (3, 11), (3, 101)] {
        let shards = shards(5, 90_000, 30_000, plans, countries);
        let bytes = contribution(&shards[0], 0).encode(definition()).unwrap();
        let partial = evaluate(&shards[0], 0, &question()).unwrap();
        let segments = partial.instants[0].segments.len();
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&bytes).unwrap();
        let packed = packed.finish().unwrap().len();
        let begun = std::time::Instant::now();
        let read = Contribution::decode(&bytes, definition()).unwrap();
        let decoded = begun.elapsed();
        let begun = std::time::Instant::now();
        let again = read.encode(definition()).unwrap();
        println!(
            "{segments} segments: {} bytes, {packed} packed, decoded in {decoded:?}, encoded in {:?}",
            again.len(),
            begun.elapsed()
        );
    }
}

fn any_presence() -> impl Strategy<Value = Presence> {
    let held = (any::<u64>(), any::<Option<i64>>(), any::<bool>());
    let shards = proptest::collection::vec(held, 0..9);
    (".*", ".*", any::<i64>(), shards).prop_map(|(instance, address, at, shards)| {
        let numbered = shards.into_iter().zip(0..);
        let shards: Vec<Held> = numbered
            .map(|((generation, reached, degraded), partition)| Held {
                partition,
                generation,
                reached: reached.map(Timestamp::from_millis),
                degraded,
            })
            .collect();
        Presence {
            instance,
            address,
            written_at: Timestamp::from_millis(at),
            partitions: i32::try_from(shards.len()).unwrap(),
            shards,
        }
    })
}

/// Bytes around a body as they would be around one that was written.
fn wrapped(kind: u8, body: &[u8]) -> Vec<u8> {
    let written = small();
    let mut bytes = written[..22].to_vec();
    bytes[5] = kind;
    bytes.extend(body);
    let sum = tenure::ledger::hash::checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

proptest! {
    #[test]
    fn presences_are_read_as_they_were_written(presence in any_presence()) {
        let bytes = presence.encode(definition()).unwrap();
        prop_assert_eq!(Presence::decode(&bytes, definition()), Ok(presence));
    }

    #[test]
    fn contributions_are_read_as_they_were_written(
        seed in 0..1_000_u64,
        generation in any::<u64>(),
        digest in any::<u128>(),
        offsets in proptest::collection::vec(proptest::option::of((0..9_i64, 9..i64::MAX)), 0..4),
    ) {
        let shards = shards(seed, 40, 9, seed % 3, 3);
        let mut written = contribution(&shards[2], 2);
        (written.generation, written.digest, written.offsets) = (generation, digest, offsets);
        let bytes = written.clone().encode(definition()).unwrap();
        written.partial.thin(512);
        prop_assert_eq!(Contribution::decode(&bytes, definition()), Ok(written));
    }

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(refused(&bytes));
        prop_assert_eq!(Key::read(&bytes), None);
    }

    /// Whoever can compute the checksum still cannot make reading fail or grow.
    #[test]
    fn random_bodies_are_read_or_refused(
        contribution in any::<bool>(),
        body in proptest::collection::vec(any::<u8>(), 0..500),
    ) {
        let bytes = wrapped(if contribution { b'c' } else { b'p' }, &body);
        let _ = Contribution::decode(&bytes, definition());
        let _ = Presence::decode(&bytes, definition());
    }

    #[test]
    fn bodies_with_changed_bytes_are_read_or_refused(
        place in 22..200_usize,
        change in proptest::collection::vec(any::<u8>(), 1..12),
    ) {
        let written = small();
        let mut body = written[22..written.len() - 16].to_vec();
        let from = (place - 22).min(body.len());
        let to = (from + change.len()).min(body.len());
        body.splice(from..to, change);
        let _ = Contribution::decode(&wrapped(b'c', &body), definition());
    }
}
