//! The kept inputs of the fuzz targets, with the usual compiler: whatever was worth keeping, or was
//! once a finding, goes on holding.

#![cfg(test)]

#[path = "../fuzz/src/lib.rs"]
mod properties;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

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
