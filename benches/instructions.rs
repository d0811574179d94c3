//! Instructions of the parts on the way of an event, counted by valgrind: figures that do not depend
//! on the machine's mood, so that a change can be judged by them.
//!
//! Owns the choice of what is counted: each function is given so many events or customers, and the
//! count divided by that number is the cost of one. Says nothing of waiting for memory, which is
//! half of what folding costs among many customers: the benchmark `parts` times that.

#![expect(
    unused_qualifications,
    reason = "the macros name the functions by their whole paths"
)]

#[expect(dead_code, reason = "records are folded, not events")]
mod history;

use std::hint::black_box;
use std::sync::Arc;

use gungraun::{library_benchmark, library_benchmark_group, main};

use history::{Folding, UNTIL, history};
use tenure::event::decode::{DecodeSettings, Decoder};
use tenure::generate::Record;
use tenure::ledger::Shard;
use tenure::measure::pass::evaluate;
use tenure::measure::question::Question;
use tenure::measure::settings::EvaluationSettings;

/// Events that are decoded or folded, and customers that are evaluated.
const MANY: usize = 10_000;
/// Customers whose year the events are from.
const CUSTOMERS: u32 = 10_000;
/// Live events a second.
const RATE: f64 = 1000.0;

/// The year's first events.
fn records() -> Vec<Record> {
    taken(None)
}

/// A shard that holds the year, and the events after it.
fn shard_and_records() -> (Folding, Vec<Record>) {
    (Folding::of_history(CUSTOMERS), taken(Some(RATE)))
}

fn taken(live_rate: Option<f64>) -> Vec<Record> {
    let mut generator = history(CUSTOMERS, UNTIL, live_rate);
    let mut record = Record::buffer();
    let mut records = Vec::with_capacity(MANY);
    while records.len() < MANY && generator.next_into(&mut record) {
        if !record.repeat && (live_rate.is_none() || record.arrives_at >= UNTIL) {
            records.push(record.clone());
        }
    }
    records
}

fn shard() -> (Shard, Arc<Question>) {
    let question = Question::at(UNTIL, Arc::new(EvaluationSettings::default()));
    (Folding::of_history(CUSTOMERS).shard, Arc::new(question))
}

// 10,000 events.
#[library_benchmark(setup = records)]
fn decode(records: Vec<Record>) -> usize {
    let decoder = Decoder::new(DecodeSettings::default());
    let decode = |record: &&Record| {
        let decoded = decoder.decode(black_box(&record.payload), Some(record.arrives_at));
        black_box(decoded).is_ok()
    };
    records.iter().filter(decode).count()
}

// 10,000 events, from their bytes to the facts of a shard of 10,000 customers.
#[library_benchmark(setup = shard_and_records)]
fn decode_and_fold((mut folding, records): (Folding, Vec<Record>)) -> Folding {
    for record in &records {
        folding.take(black_box(record));
    }
    folding
}

// 10,000 customers, all measures, seven periods.
#[library_benchmark(setup = shard)]
fn evaluation((shard, question): (Shard, Arc<Question>)) -> Shard {
    black_box(evaluate(&shard, 0, &question).is_ok());
    shard
}

library_benchmark_group!(
    name = parts,
    benchmarks = [decode, decode_and_fold, evaluation]
);

main!(library_benchmark_groups = parts);
