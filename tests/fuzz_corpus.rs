//! The kept inputs of the fuzz targets, with the usual compiler: whatever was worth keeping, or was
//! once a finding, goes on holding.

#![cfg(test)]

#[path = "../fuzz/src/lib.rs"]
mod properties;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use properties::{checkpoint, configuration, decode, fold, mapping};

/// Gives every kept input of a target to its property.
fn check(target: &str, least: usize, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(
        inputs.len() >= least,
        "{} inputs in {}",
        inputs.len(),
        folder.display()
    );
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        let outcome = catch_unwind(|| property(&bytes));
        assert!(outcome.is_ok(), "{}", input.display());
    }
}

#[test]
fn kept_records_are_decoded_within_bounds_or_refused_for_a_true_reason() {
    check("decode", 200, decode::check);
}

/// What is put into records: half of a thing, a thing twice, another thing.
const PUT_IN: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0065",
    "\\ud800",
    "0",
    "-",
    "1.5e3",
    "true",
    "null",
    " ",
    "\n",
    "\u{1f}",
    "é",
    "\"x\":1,",
    "\"x\":{\"a\":1,\"a\":2},",
    "\"\\ud800\":1,",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
];

/// Samples of every type, to be changed.
const SAMPLES: [&str; 4] = [
    r#"{"event_id":"7r","type":"signup","customer_id":"c-1","occurred_at":"2026-10-01T09:30:00.123Z","source":"ads","attributes":{"plan":"pro","country":"TR"}}"#,
    r#"{"event_id":"7s","type":"purchase","customer_id":42,"occurred_at":1761995400123,"order_id":"o-7","amount":"129.90","currency":"TRY","channel":"web","attributes":{"plan":"free"}}"#,
    r#"{"event_id":"7t","type":"survey_submitted","customer_id":"c-1","occurred_at":"2026-10-08T18:00:00+03:00","survey":"nps","score":9,"channel":"e\u006dail"}"#,
    r#"{"event_id":"7u","type":"churn","customer_id":"c-1","occurred_at":"2026-10-20T11:00:00Z","reason":"price","more":[{"a":{"b":[1,2]}},{"a":0}]}"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn changed_records_are_decoded_within_bounds_or_refused_for_a_true_reason(
        sample in select(&SAMPLES[..]),
        changes in prop::collection::vec((any::<Index>(), 0..4_usize, prop_oneof![
            select(&PUT_IN[..]).prop_map(|text| text.as_bytes().to_vec()),
            any::<u8>().prop_map(|byte| vec![byte]),
        ]), 1..4),
    ) {
        let mut record = sample.as_bytes().to_vec();
        for (place, taken, put_in) in changes {
            let at = place.index(record.len() + 1);
            let end = (at + taken).min(record.len());
            record.splice(at..end, put_in);
        }
        decode::check(&record);
    }
}

#[test]
fn kept_logs_fold_alike_in_every_order_and_split() {
    check("fold", 200, fold::check);
}

#[test]
fn kept_snapshots_are_refused_or_written_again_the_same() {
    check("checkpoint", 200, checkpoint::check);
}

#[test]
fn kept_configurations_show_no_secret() {
    check("configuration", 200, configuration::check);
}

#[test]
fn kept_records_are_mapped_within_bounds_and_copied_as_native_ones() {
    check("mapping", 100, mapping::check);
}
