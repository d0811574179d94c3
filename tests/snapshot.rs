//! Snapshots: what is read back is what was written, goes on like it, and no damage to a fact goes
//! unnoticed.

#![cfg(test)]

#[expect(dead_code, reason = "only random logs are needed of the oracle")]
mod oracle;

use std::sync::Arc;

use oracle::log::{Log, Record};
use oracle::random::{Stragglers, pruned_case, random_case};
use oracle::settings::Settings;
use tenure::engine::intake::{Fate, take};
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::ledger::Shard;
use tenure::ledger::settings::{CesMax, CesScale, DigestKey, FoldSettings};
use tenure::ledger::snapshot::{Unusable, read, write};

fn settings(of: &Settings) -> Arc<FoldSettings> {
    let ces = FoldSettings::default().ces;
    Arc::new(FoldSettings {
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
        ..FoldSettings::default()
    })
}

fn empty(settings: &Arc<FoldSettings>) -> Shard {
    let mut shard = Shard::new(Arc::clone(settings), 2);
    shard.start_at(0, 0);
    shard
}

/// Folds records from this offset on; what became of each.
fn fold(shard: &mut Shard, records: &[Record], first: usize) -> Vec<Fate> {
    let decoder = Decoder::new(shard.settings().decoding());
    let mut fates = Vec::new();
    for (offset, record) in (first as i64..).zip(records) {
        let recorded_at = record.kafka_timestamp.map(Timestamp::from_millis);
        assert!(shard.advance(0, offset, recorded_at));
        let json = record.json();
        fates.push(take(shard, &decoder, Some(json.as_bytes()), recorded_at));
    }
    fates
}

/// Writes and reads a shard in the middle of a log, and goes on with both.
fn check(log: &Log, of: &Settings, seed: u64) {
    let settings = settings(of);
    let middle = log.records.len() * (seed % 5) as usize / 4;
    let (before, after) = log.records.split_at(middle);
    let mut shard = empty(&settings);
    fold(&mut shard, before, 0);
    let bytes = write(&shard);
    let mut again = read(&bytes, Arc::clone(&settings)).unwrap();
    assert_eq!(write(&again), bytes, "seed {seed}: one state has one form");
    assert_eq!(again.position(0), shard.position(0));
    assert_eq!(again.position(1), None);
    let fates = [&mut shard, &mut again].map(|shard| fold(shard, after, middle));
    assert_eq!(fates[0], fates[1], "seed {seed}");
    assert_eq!(again.digest(), shard.digest(), "seed {seed}");
    assert_eq!(again.digest(), again.digest_recomputed());
    assert_eq!(write(&again), write(&shard), "seed {seed}");
}

#[test]
fn a_shard_that_was_read_back_goes_on_as_the_one_that_was_written() {
    for seed in 0..1000 {
        let case = random_case(seed);
        check(&case.log, &case.settings, seed);
    }
}

#[test]
fn bases_and_prune_lines_come_back_too() {
    for seed in 0..300 {
        let case = pruned_case(seed, Stragglers::Some);
        check(&case.log, &case.settings, seed);
    }
}

#[test]
fn customers_with_thousands_of_facts_come_back() {
    let settings = Arc::new(FoldSettings::default());
    let mut shard = empty(&settings);
    let decoder = Decoder::new(settings.decoding());
    for number in 0..3000_i64 {
        let customer = if number % 3 == 0 { "small" } else { "giant" };
        let at = 1_780_000_000_000 + number * 1000;
        let record = format!(
            r#"{{"event_id":"{number}","type":"purchase","customer_id":"{customer} {}","occurred_at":{at},"amount":"1","currency":"EUR"}}"#,
            number % 3 * number
        );
        let record = if number % 3 == 0 {
            record
        } else {
            record.replace(&format!("giant {}", number % 3 * number), "giant")
        };
        assert!(shard.advance(0, number, None));
        take(&mut shard, &decoder, Some(record.as_bytes()), None);
    }
    let again = read(&write(&shard), settings).unwrap();
    assert_eq!(again.digest(), shard.digest());
    assert_eq!(again.customers().len(), shard.customers().len());
}

#[test]
fn every_missing_end_is_noticed_and_so_is_every_damaged_fact() {
    let case = pruned_case(7, Stragglers::Some);
    let settings = settings(&case.settings);
    let mut shard = empty(&settings);
    fold(&mut shard, &case.log.records, 0);
    let bytes = write(&shard);
    for end in 0..bytes.len() {
        assert!(
            read(&bytes[..end], Arc::clone(&settings)).is_err(),
            "cut at {end}"
        );
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            // What is no fact, such as a clock, is left to the checksum of who keeps the bytes.
            if let Ok(other) = read(&damaged, Arc::clone(&settings)) {
                assert_eq!(other.digest(), shard.digest(), "bit {bit} of byte {at}");
            }
        }
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(read(&longer, settings).is_err());
}

#[test]
fn a_snapshot_belongs_to_its_settings() {
    let settings = Arc::new(FoldSettings::default());
    let bytes = write(&empty(&settings));
    let others = [
        FoldSettings {
            digest_key: DigestKey(*b"another-key-here"),
            ..FoldSettings::default()
        },
        FoldSettings {
            dimensions: vec!["plan".to_owned()],
            ..FoldSettings::default()
        },
        FoldSettings {
            history_millis: 1,
            ..FoldSettings::default()
        },
    ];
    for other in others {
        let outcome = read(&bytes, Arc::new(other)).map(|_| ());
        assert_eq!(outcome, Err(Unusable::OtherSettings));
    }
    let late = FoldSettings {
        late_after_millis: 1,
        ..FoldSettings::default()
    };
    assert!(read(&bytes, Arc::new(late)).is_ok(), "it decides no fact");
    assert_eq!(
        read(b"PNG and so on", settings).map(|_| ()),
        Err(Unusable::Foreign)
    );
}
