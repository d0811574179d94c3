//! How far instances that share the work can grow: what one of them has to do for each instant of the
//! grid, by the number of partitions, of instances and of segments.
//!
//! Owns the arithmetic and what it rests on. Promises that what is timed is what an instance does: parts
//! of real shards, as bytes; a real board that hears all of them; a real report and its page. The topic
//! between instances is left out: its bytes are counted. Needs neither Kafka nor the network.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

#[expect(dead_code, reason = "nothing is folded event by event here")]
mod history;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::time::{ClockId, clock_gettime};

use history::{Folding, UNTIL};
use tenure::cluster::board::Board;
use tenure::cluster::grid::Grid;
use tenure::cluster::record::{Contribution, Definition, Held, Presence, Subject};
use tenure::event::Timestamp;
use tenure::ledger::settings::FoldSettings;
use tenure::measure::partial::Partial;
use tenure::measure::pass::evaluate;
use tenure::measure::publish::{Context, reports};
use tenure::measure::question::Question;
use tenure::measure::settings::EvaluationSettings;

/// The program's own; allocation is part of what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Instants of the grid that are played through.
const STEPS: i64 = 4;

/// Measures what each instance does for an instant of the grid, and says where it ends
#[derive(Debug, Parser)]
#[command(name = "scale")]
struct Args {
    /// Customers of each partition, of whom there is one real shard
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    customers: u32,

    /// Numbers of partitions
    #[arg(long, value_delimiter = ',', default_values_t = [12, 48, 192, 768])]
    partitions: Vec<i32>,

    /// Numbers of instances
    #[arg(long, value_delimiter = ',', default_values_t = [3, 12])]
    instances: Vec<i32>,

    /// Passed by cargo bench; without it nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        println!("scale: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    println!(
        "| segments | partitions | instances | bytes of a part, packed | topic, packed, a second | write \
         own | hear all | add up and write the page | of one core | memory of the board |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    for dimensions in [&[][..], &["plan", "country"][..]] {
        let ground = Ground::of(args.customers, dimensions);
        for partitions in &args.partitions {
            for instances in args.instances.iter().filter(|count| *count <= partitions) {
                println!("{}", ground.play(*partitions, *instances));
            }
        }
    }
    ExitCode::SUCCESS
}

/// The part of one shard, from which all others are made.
struct Ground {
    partial: Partial,
    question: Arc<Question>,
    segments: usize,
    dimensions: Vec<String>,
    fold: FoldSettings,
}

/// What an instance did.
#[derive(Default)]
struct Work {
    writing: Duration,
    hearing: Duration,
    adding: Duration,
    bytes: usize,
}

impl Ground {
    fn of(customers: u32, dimensions: &[&str]) -> Self {
        let fold = FoldSettings {
            dimensions: dimensions.iter().map(ToString::to_string).collect(),
            ..FoldSettings::default()
        };
        let folding = Folding::of_history_with(fold.clone(), customers);
        let grid = Grid::of(Duration::ZERO);
        let settings = EvaluationSettings {
            churn_events_complete: true,
            ..EvaluationSettings::default()
        };
        let question = Arc::new(Question::at(grid.floor(UNTIL), Arc::new(settings)));
        let partial = evaluate(&folding.shard, 0, &question);
        let partial = partial.unwrap_or_else(|gone| panic!("{gone}"));
        Self {
            segments: partial.instants[0].segments.len(),
            dimensions: fold.dimensions.clone(),
            partial,
            question,
            fold,
        }
    }

    /// Lets an instance live through some instants, and says what it did for each.
    fn play(&self, partitions: i32, instances: i32) -> String {
        let grid = Grid::of(Duration::ZERO);
        let definition = Definition::of(["scale"]);
        let mut board = Board::new("tenure", definition, grid);
        board.know_partitions(partitions);
        board.catch_up();
        let before = resident();
        let mut work = Work::default();
        let packed = packed(&self.contribution(0, partitions, UNTIL, definition));
        for step in 1..=STEPS {
            let at = grid.after(grid.floor(UNTIL), step);
            self.step(
                &mut board,
                at,
                (partitions, instances),
                definition,
                &mut work,
            );
        }
        let held = resident().saturating_sub(before);
        let each = |spent: Duration| spent.as_secs_f64() / STEPS as f64;
        let (writing, hearing, adding) =
            (each(work.writing), each(work.hearing), each(work.adding));
        let seconds = grid.step_millis() as f64 / 1000.0;
        format!(
            "| {} | {partitions} | {instances} | {:.1} KiB, {:.1} KiB | {:.0} KiB | {:.1} ms | {:.1} ms | \
             {:.1} ms | {:.2} % | {:.0} MiB |",
            self.segments,
            kib(work.bytes as f64 / STEPS as f64 / f64::from(partitions)),
            kib(packed as f64),
            kib(packed as f64) * f64::from(partitions) / seconds,
            writing * 1e3,
            hearing * 1e3,
            adding * 1e3,
            (writing + hearing + adding) / seconds * 100.0,
            held as f64 / f64::from(1 << 20),
        )
    }

    /// One instant: an instance writes its own parts, hears those of all, and serves the report.
    fn step(
        &self,
        board: &mut Board,
        at: Timestamp,
        (partitions, instances): (i32, i32),
        definition: Definition,
        work: &mut Work,
    ) {
        let mut written = Vec::new();
        for partition in 0..partitions {
            let begun = processor_time();
            let bytes = self.contribution(partition, partitions, at, definition);
            let took = processor_time().saturating_sub(begun);
            if partition % instances == 0 {
                work.writing += took;
            }
            work.bytes += bytes.len();
            written.push(bytes);
        }
        let presences =
            (0..instances).map(|instance| presence(instance, instances, partitions, at));
        let presences: Vec<Presence> = presences.collect();
        let begun = processor_time();
        for presence in presences {
            let key = board
                .key(Subject::Instance(presence.instance.clone()))
                .to_string();
            let value = presence
                .encode(definition)
                .unwrap_or_else(|error| panic!("{error}"));
            let heard = board.heard(key.as_bytes(), Some(&value), at);
            assert!(heard.is_ok(), "{heard:?}");
        }
        for (partition, bytes) in (0..).zip(&written) {
            let slot = board.place(partition, at);
            let key = board
                .key(Subject::Partition { partition, slot })
                .to_string();
            let heard = board.heard(key.as_bytes(), Some(bytes), at);
            assert!(heard.is_ok(), "{heard:?}");
        }
        work.hearing += processor_time().saturating_sub(begun);
        drop(written);
        let begun = processor_time();
        let complete = board.complete().filter(|complete| complete.at == at);
        let complete = complete.unwrap_or_else(|| panic!("{at} is not complete"));
        let mut merged = Partial::empty(&self.question);
        for said in &complete.contributions {
            merged.merge(&said.partial);
        }
        let context = Context {
            ces: self.fold.ces,
            dimensions: &self.dimensions,
            rekeyed: false,
        };
        let served: BTreeSet<&str> = reports(&merged, &self.question, context)
            .into_iter()
            .flat_map(|report| report.families)
            .map(|family| family.measure.name)
            .collect();
        work.adding += processor_time().saturating_sub(begun);
        assert!(served.len() > 40, "{served:?}");
    }

    fn contribution(
        &self,
        partition: i32,
        partitions: i32,
        at: Timestamp,
        definition: Definition,
    ) -> Vec<u8> {
        let mut partial = self.partial.clone();
        for sample in &mut partial.samples {
            // Customers of other shards are others.
            sample.shard = usize::try_from(partition).unwrap_or(0);
            for customer in &mut sample.customers {
                customer.0 = (customer.0 << 12) ^ (u128::from(partition.unsigned_abs()) << 90);
            }
        }
        let contribution = Contribution {
            partition,
            at,
            partitions,
            keyed_by: partitions,
            offsets: vec![Some((0, 1_000_000))],
            digest: 1,
            generation: 1,
            partial,
        };
        contribution
            .encode(definition)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

fn presence(instance: i32, instances: i32, partitions: i32, at: Timestamp) -> Presence {
    let shards = (0..partitions).filter(|partition| partition % instances == instance);
    Presence {
        instance: format!("tenure-{instance}"),
        address: format!("http://tenure-{instance}.tenure:9736"),
        written_at: at,
        partitions,
        shards: shards
            .map(|partition| Held {
                partition,
                generation: 1,
                reached: Some(at),
                degraded: false,
            })
            .collect(),
    }
}

/// About what compression on the way makes of it.
fn packed(bytes: &[u8]) -> usize {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = packer.write_all(bytes).and_then(|()| packer.finish());
    packed.map_or(bytes.len(), |packed| packed.len())
}

fn kib(bytes: f64) -> f64 {
    bytes / 1024.0
}

/// How long this thread has had a processor.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
