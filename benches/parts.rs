//! The parts on the way of an event, each alone: decode, map, fold, evaluate.
//!
//! Owns the measuring of single functions in one process and one thread, on events of the
//! generator. Knows nothing of Kafka, threads or HTTP: those are in the benchmark `end_to_end`.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

mod history;
mod shapes;

use std::cell::LazyCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};

use history::{Folding, UNTIL, history};
use tenure::event::decode::{DecodeSettings, Decoder};
use tenure::event::record::Header;
use tenure::event::source::{Decoded, Source};
use tenure::event::{self, Event, Timestamp};
use tenure::generate::{Generator, Record};
use tenure::measure::pass::evaluate;
use tenure::measure::question::Question;
use tenure::measure::settings::EvaluationSettings;

/// The program's own; allocation is part of what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Different records that are decoded in turn: some 20 MB, more than the caches hold.
const DECODED: usize = 100_000;
/// Events folded into a shard before it is built anew, so that it keeps about its size.
const FOLDED: usize = 200_000;
/// Events a second after the year, so that they all are of less than an hour.
const LIVE_RATE: f64 = 1000.0;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("parts: nothing to do without --bench; see ./scripts/bench --help");
        return;
    }
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .configure_from_args();
    decode(&mut criterion);
    map(&mut criterion);
    fold(&mut criterion);
    evaluations(&mut criterion);
    criterion.final_summary();
}

/// One iteration is one record.
fn decode(criterion: &mut Criterion) {
    let decoder = Decoder::new(DecodeSettings::default());
    let records = take(&mut history(50_000, UNTIL, None), DECODED);
    let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes((bytes / records.len()) as u64));
    let mut all = records.iter().cycle();
    group.bench_function("an event of the mix", |bencher| {
        bencher.iter(|| {
            all.next()
                .map(|record| decoder.decode(black_box(&record.payload), Some(record.arrives_at)))
        });
    });
    group.finish();
}

/// One iteration is one record; what it would cost as a native event is in the group before.
fn map(criterion: &mut Criterion) {
    let native = take(&mut history(50_000, UNTIL, None), DECODED);
    let native: Vec<Vec<u8>> = native.into_iter().map(|record| record.payload).collect();
    let mut group = criterion.benchmark_group("map");
    for (topic, name, headers, records) in [
        (
            "copied",
            "an event of the mix, field by field",
            &[][..],
            native,
        ),
        ("segment", "a call of Segment", &[], shapes::segment()),
        (
            "shopify",
            "an order of Shopify",
            &shapes::SHOPIFY_HEADERS[..],
            shapes::shopify(),
        ),
        ("batch", "a batch of answers", &[], shapes::batch()),
    ] {
        let source = shapes::source(topic);
        let bytes: usize = records.iter().map(Vec::len).sum();
        group.throughput(Throughput::Bytes((bytes / records.len()) as u64));
        let made: usize = records
            .iter()
            .map(|value| events(&source, headers, value))
            .sum();
        assert!(3 * made >= records.len(), "{name}: {made} events");
        let mut all = records.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                all.next()
                    .map(|value| events(&source, headers, black_box(value)))
            });
        });
    }
    group.finish();
}

/// How many events a source makes of a record.
fn events(source: &Source, headers: &[Header<'_>], value: &[u8]) -> usize {
    let record = event::record::Record {
        headers,
        ..event::record::Record::of_value(value)
    };
    let mut events = 0;
    source.decode(record, |decoded| {
        events += usize::from(matches!(black_box(decoded), Decoded::Event(_)));
    });
    events
}

/// One iteration is one decoded event, of a customer that the shard mostly knows.
fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(1));
    for customers in [10_000, 1_000_000] {
        // Made only if it is among what is asked for.
        let records = LazyCell::new(|| live(customers, FOLDED));
        let events = LazyCell::new(|| decoded(&records));
        let mut stream = None;
        group.bench_function(BenchmarkId::new("among customers", customers), |bencher| {
            let stream = stream.get_or_insert_with(|| Stream::new(customers, &events));
            bencher.iter_custom(|iterations| stream.fold(iterations));
        });
    }
    group.finish();
}

/// One iteration is one evaluation of a shard, of all measures with the default periods; the
/// throughput tells customers a second.
fn evaluations(criterion: &mut Criterion) {
    let question = Arc::new(Question::at(UNTIL, Arc::new(EvaluationSettings::default())));
    let mut group = criterion.benchmark_group("evaluate");
    for customers in [100_000, 1_000_000] {
        let shard = LazyCell::new(|| Folding::of_history(customers).shard);
        group.throughput(Throughput::Elements(u64::from(customers)));
        group.bench_function(BenchmarkId::new("customers", customers), |bencher| {
            let shard = LazyCell::force(&shard);
            bencher.iter(|| evaluate(shard, 0, &question).is_ok());
        });
    }
    group.finish();
}

fn decoded<'a>(records: &'a [Record]) -> Vec<(Timestamp, Event<'a>)> {
    let decoder = Decoder::new(DecodeSettings::default());
    let decode = |record: &'a Record| {
        let Record {
            payload,
            arrives_at,
            ..
        } = record;
        Some((
            *arrives_at,
            decoder.decode(payload, Some(*arrives_at)).ok()?,
        ))
    };
    records.iter().filter_map(decode).collect()
}

/// The next records of a stream, each once: repeats would only be recognised.
fn take(generator: &mut Generator, count: usize) -> Vec<Record> {
    let mut records = Vec::with_capacity(count);
    let mut record = Record::buffer();
    while records.len() < count && generator.next_into(&mut record) {
        if !record.repeat {
            records.push(record.clone());
        }
    }
    records
}

/// What comes after the year of these customers.
fn live(customers: u32, count: usize) -> Vec<Record> {
    let mut generator = history(customers, UNTIL, Some(LIVE_RATE));
    let mut record = Record::buffer();
    while generator.next_into(&mut record) && record.arrives_at < UNTIL {}
    take(&mut generator, count)
}

/// Folds events after a history, which is made anew, unmeasured, when the events are used up.
struct Stream<'a> {
    customers: u32,
    events: &'a [(Timestamp, Event<'a>)],
    folding: Folding,
    next: usize,
}

impl<'a> Stream<'a> {
    fn new(customers: u32, events: &'a [(Timestamp, Event<'a>)]) -> Self {
        Self {
            customers,
            events,
            folding: Folding::of_history(customers),
            next: 0,
        }
    }

    fn fold(&mut self, count: u64) -> Duration {
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        let mut elapsed = Duration::ZERO;
        while left > 0 {
            if self.next == self.events.len() {
                *self = Self::new(self.customers, self.events);
            }
            let end = self.events.len().min(self.next.saturating_add(left));
            let events = &self.events[self.next..end];
            let started = Instant::now();
            for (recorded_at, event) in events {
                black_box(self.folding.fold(event, *recorded_at));
            }
            elapsed += started.elapsed();
            left -= events.len();
            self.next = end;
        }
        elapsed
    }
}
