//! Instances that share the work, simulated: real boards and records, against a log, a topic and a
//! group that delay, lose, move and double whatever they can.
//!
//! One thread, and time that is only counted: what happens is decided by a seed, and the same seed
//! makes the same happen again. `TENURE_SEED=17 cargo test --test instances_simulation` repeats one
//! schedule, `TENURE_SCHEDULES=100000` makes it a soak.

#![cfg(test)]

#[path = "simulation/dice.rs"]
#[expect(dead_code, reason = "not every kind of throw is needed")]
mod dice;
#[path = "instances_simulation/log.rs"]
mod log;
#[path = "instances_simulation/tally.rs"]
mod tally;
#[path = "instances_simulation/topic.rs"]
mod topic;
#[path = "instances_simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tally::Tally;
use world::World;

/// In the ordinary test.
const SCHEDULES: u64 = 500;
/// Among so many everything happens.
const ENOUGH: u64 = 500;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_happens_every_instance_serves_the_truth_of_one_instant() {
    let seeds = match number("TENURE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TENURE_SCHEDULES").unwrap_or(SCHEDULES),
    };
    let many = seeds.end - seeds.start >= ENOUGH;
    let mut sum = Tally::default();
    for seed in seeds {
        let tally = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
        let tally = tally.ok().unwrap_or_else(|| {
            panic!("again: TENURE_SEED={seed} cargo test --test instances_simulation")
        });
        sum.merge(&tally);
    }
    println!("{sum}");
    let mut missing = sum.missing();
    let late = sum.fresh_older + sum.fresh_with_nothing + sum.first_older;
    assert!(
        late * 1_000 <= sum.fresh,
        "slots do not keep what is complete: {late} of {} fresh readers",
        sum.fresh
    );
    // That compaction took what was complete may happen, and need not.
    missing.retain(|what| !what.starts_with("of these"));
    assert!(!many || missing.is_empty(), "never happened: {missing:?}");
}
