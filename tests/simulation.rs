//! The simulation: the real shard, checkpoints and choice at restore, against a log, a store and
//! processes that fail in every way at every step.
//!
//! One thread, and time that is only counted: what happens is decided by a seed, and the same seed
//! makes the same happen again. `TENURE_SEED=17 cargo test --test simulation` repeats one schedule,
//! `TENURE_SCHEDULES=1000000` makes it a soak.

#![cfg(test)]

#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/log.rs"]
mod log;
#[path = "simulation/reference.rs"]
mod reference;
#[path = "simulation/store.rs"]
mod store;
#[path = "simulation/tally.rs"]
mod tally;
#[path = "simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use tally::Tally;
use world::World;

/// In the ordinary test.
const SCHEDULES: u64 = 50_000;

/// Among so many every fault happens.
const ENOUGH: u64 = 10_000;
/// Kinds of faults.
const FAULTS: usize = 21;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn commit() -> String {
    let head = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = head
        .ok()
        .and_then(|head| String::from_utf8(head.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[test]
fn whatever_happens_a_shard_is_the_fold_of_the_records_before_its_position() {
    let seeds = match number("TENURE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TENURE_SCHEDULES").unwrap_or(SCHEDULES),
    };
    let mut sum = Tally::default();
    let many = seeds.end - seeds.start >= ENOUGH;
    for seed in seeds {
        let tally = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
        let repeat = format!("TENURE_SEED={seed} cargo test --test simulation");
        let tally = tally.ok();
        let tally =
            tally.unwrap_or_else(|| panic!("seed {seed} at commit {}, again: {repeat}", commit()));
        sum.merge(&tally);
    }
    println!("{sum}");
    assert!(
        !many || sum.faults() == FAULTS,
        "{} kinds of faults",
        sum.faults()
    );
}
