//! The whole program: from a topic in a real Apache Kafka to the metrics page.
//!
//! Owns the experiment, for each number of customers in turn: fill a topic, drain it with the bare
//! client, run `tenure` on it, send it more while it serves, start it again, and look at the page
//! and at `/proc` from outside. Promises that everything it starts is ended, whatever happens, and
//! that it takes no longer than its deadline. Knows of the program only its command line and its
//! page; the figures of the state alone come from the library.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

mod goals;
#[path = "../history/mod.rs"]
mod history;
mod load;
mod machine;
mod names;
mod page;
#[path = "../../tests/real/mod.rs"]
#[expect(
    dead_code,
    reason = "there is no Prometheus here, and nothing is signalled"
)]
mod real;
mod service;
mod state;
mod table;
mod topic;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;

use goals::Measured;
use real::kafka::{Kafka, KafkaOptions, Purpose};
use table::Table;
use topic::Topic;

const EXAMPLES: &str = "\
Examples:
  # A million customers, 3.8 million events, 12 partitions
  ./scripts/bench end_to_end

  # Every goal, up to ten million customers; takes 20 minutes, 8 GiB of disk and 6 GiB of memory
  ./scripts/bench end_to_end --goals

  # A quick look
  ./scripts/bench end_to_end --customers 100000 --runs 1 --live-seconds 5

  # What other compression of the topic costs
  ./scripts/bench end_to_end --compression zstd";

/// Customers of the sizes between which the goals compare.
const SIZES: [u32; 3] = [100_000, 1_000_000, 10_000_000];

/// Measures Tenure from a real Apache Kafka to the metrics page
#[derive(Debug, Parser)]
#[command(name = "end_to_end", after_help = EXAMPLES)]
struct Args {
    /// Customers whose year of events fills a topic, about 3.8 events each; several sizes come one
    /// after the other
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_values_t = [1_000_000],
        conflicts_with = "goals"
    )]
    customers: Vec<u32>,

    /// Measure all sizes that the goals compare, and print the table of goals
    #[arg(long)]
    goals: bool,

    /// Partitions of the topic
    #[arg(long, value_name = "N", default_value_t = 12)]
    partitions: u32,

    /// How the records are compressed: none, gzip, snappy, lz4 or zstd
    #[arg(long, value_name = "CODEC", default_value = "lz4")]
    compression: String,

    /// How often each topic is drained and read; medians are shown, with the least and the most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// How often the way of a single event to the page of an idle service is timed
    #[arg(long, value_name = "N", default_value_t = 20)]
    events: u32,

    /// Events a second that are sent to the service once it has caught up; 0 leaves it idle
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    live_rate: u32,

    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 40)]
    live_seconds: u64,

    /// Give up, with everything ended, after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    deadline: u64,

    /// Passed by cargo bench; without it nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        println!("end_to_end: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    watch(Duration::from_secs(args.deadline));
    measure(&args);
    ExitCode::SUCCESS
}

/// Ends this process once the time is up. What it has started ends with it.
fn watch(deadline: Duration) {
    thread::spawn(move || {
        thread::sleep(deadline);
        eprintln!("gave up after {deadline:?}; --deadline takes another number of seconds");
        std::process::exit(1);
    });
}

fn measure(args: &Args) {
    let machine = machine::describe();
    println!("{machine}");
    eprintln!("starting Apache Kafka");
    let kafka = Kafka::start(&KafkaOptions {
        purpose: Purpose::Benchmark,
        heap_mib: 1024,
        ..KafkaOptions::default()
    });
    let sizes = if args.goals {
        &SIZES[..]
    } else {
        &args.customers
    };
    let mut measured = Vec::new();
    for customers in sizes {
        let mut table = Table::new(format!(
            "{} customers",
            table::grouped(f64::from(*customers))
        ));
        measured.push(measure_size(args, &kafka, *customers, &mut table));
        println!("\n{table}");
    }
    drop(kafka);
    let mut table = Table::new("The state alone".to_owned());
    state::describe(&mut table);
    println!("\n{table}");
    if args.goals {
        println!("\n{}", goals::table(&measured, &state::evaluations()));
    }
}

fn measure_size(args: &Args, kafka: &Kafka, customers: u32, table: &mut Table) -> Measured {
    let topic = Topic::fill(kafka, customers, args.partitions, &args.compression);
    topic.describe(table);
    let mut measured = Measured::of(customers);
    for run in 1..=args.runs {
        eprintln!("run {run} of {}: the bare client, then tenure", args.runs);
        let drain = topic.drain();
        let state = real::process::new_folder("state");
        let service = service::Service::start(&topic, state.path());
        let reading = service.catch_up();
        eprintln!(
            "  {:.0} events a second of {:.0}",
            reading.events_per_second(),
            drain.by_lists.records_per_second
        );
        let last = run == args.runs;
        if last {
            measured.resident_bytes = service.describe_idle(args.events, table);
            if args.live_rate > 0 {
                let live = service.under_load(
                    args.live_rate,
                    Duration::from_secs(args.live_seconds),
                    table,
                );
                measured.live = Some(live);
            }
        }
        measured.runs.push((drain, reading));
        if last {
            measured.restart = Some(service.restart(state.path(), table));
        }
    }
    measured.describe_runs(table);
    kafka.delete_topic(topic.name());
    measured
}
