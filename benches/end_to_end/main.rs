//! The whole program: from a topic in a real Apache Kafka to the metrics page.
//!
//! Owns the experiment: fill a topic, drain it with the bare client, run `tenure` on it, and look
//! at the page and at `/proc` from outside. Promises that everything it starts is ended, whatever
//! happens, and that it takes no longer than its deadline. Knows of the program only its command
//! line and its page; the two figures of the state alone come from the library.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

#[path = "../history/mod.rs"]
mod history;
mod machine;
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

use real::kafka::{Kafka, KafkaOptions, Purpose};
use table::Table;
use topic::Topic;

const EXAMPLES: &str = "\
Examples:
  # A million customers, 3.7 million events, 12 partitions; the table for ARCHITECTURE.md
  ./scripts/bench end_to_end

  # A quick look
  ./scripts/bench end_to_end --customers 100000 --runs 1";

/// Measures Tenure from a real Apache Kafka to the metrics page
#[derive(Debug, Parser)]
#[command(name = "end_to_end", after_help = EXAMPLES)]
struct Args {
    /// Customers whose year of events fills the topic, about 3.7 events each
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    customers: u32,

    /// Partitions of the topic
    #[arg(long, value_name = "N", default_value_t = 12)]
    partitions: u32,

    /// How often the topic is drained and read; the median and the best are shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// How often the way of a single event to the page is timed
    #[arg(long, value_name = "N", default_value_t = 20)]
    events: u32,

    /// Give up, with everything ended, after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
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
    let table = measure(&args);
    println!("\n{table}");
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

fn measure(args: &Args) -> Table {
    let mut table = Table::new(machine::describe());
    eprintln!("starting Apache Kafka");
    let kafka = Kafka::start(&KafkaOptions {
        purpose: Purpose::Benchmark,
        heap_mib: 1024,
        ..KafkaOptions::default()
    });
    let topic = Topic::fill(&kafka, args.customers, args.partitions);
    topic.describe(&mut table);
    let mut drains = Vec::new();
    let mut readings = Vec::new();
    for run in 1..=args.runs {
        eprintln!("run {run} of {}: the bare client, then tenure", args.runs);
        drains.push(topic.drain());
        let service = service::Service::start(&topic);
        let reading = service.catch_up();
        eprintln!("  {:.0} events a second", reading.events_per_second());
        if run == args.runs {
            service.describe_idle(&reading, args.events, &mut table);
        }
        readings.push(reading);
    }
    service::describe_readings(&drains, &readings, &mut table);
    drop(kafka);
    state::describe(&mut table);
    table
}
