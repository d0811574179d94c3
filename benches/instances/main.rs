//! The same load on one instance and on three: what sharing the work costs.
//!
//! Owns the experiment: one topic, read by one instance alone, by one that tells a report topic, and
//! by three that share it, each from the first record; then live events, then none. Promises that
//! everything it starts is ended, whatever happens, and that it takes no longer than its deadline.
//! Knows of the program only its command line and its page, and what `/proc` tells of its processes.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

mod figures;
#[path = "../history/mod.rs"]
#[expect(dead_code, reason = "nothing is folded here")]
mod history;
mod installation;
#[path = "../end_to_end/load.rs"]
mod load;
#[path = "../end_to_end/machine.rs"]
#[expect(dead_code, reason = "only the processor's time counts here")]
mod machine;
#[path = "../end_to_end/names.rs"]
mod names;
#[path = "../end_to_end/page.rs"]
#[expect(dead_code, reason = "scrapes are not measured here")]
mod page;
#[path = "../../tests/real/mod.rs"]
#[expect(dead_code, reason = "a broker and the program alone are needed")]
mod real;
#[path = "../end_to_end/table.rs"]
#[expect(dead_code, reason = "this table has several columns")]
mod table;
#[path = "../end_to_end/topic.rs"]
#[expect(dead_code, reason = "the topic is not drained here")]
mod topic;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;

use figures::Figures;
use installation::{Case, Installation};
use real::kafka::{Kafka, KafkaOptions, Purpose};
use topic::Topic;

const EXAMPLES: &str = "\
Examples:
  # A million customers, 3.8 million events, then 20,000 events a second
  ./scripts/bench instances

  # A quick look
  ./scripts/bench instances --customers 100000 --runs 1 --live-seconds 10";

/// Measures one instance beside several that share its work
#[derive(Debug, Parser)]
#[command(name = "instances", after_help = EXAMPLES)]
struct Args {
    /// Customers whose year of events fills the topic, about 3.8 events each
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    customers: u32,

    /// Partitions of the topic
    #[arg(long, value_name = "N", default_value_t = 12)]
    partitions: u32,

    /// How many instances share the work in the last case
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=12))]
    instances: u16,

    /// How often each case is run; medians are shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Events a second that are sent once everything is read
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    live_rate: u32,

    /// For how long, and for how long nothing is sent after it
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
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
        println!("instances: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let deadline = Duration::from_secs(args.deadline);
    thread::spawn(move || {
        thread::sleep(deadline);
        eprintln!("gave up after {deadline:?}; --deadline takes another number of seconds");
        std::process::exit(1);
    });
    measure(&args);
    ExitCode::SUCCESS
}

fn measure(args: &Args) {
    println!("{}", machine::describe());
    eprintln!("starting Apache Kafka");
    let kafka = Kafka::start(&KafkaOptions {
        purpose: Purpose::Benchmark,
        heap_mib: 1024,
        ..KafkaOptions::default()
    });
    let topic = Topic::fill(&kafka, args.customers, args.partitions, "lz4");
    let cases = [
        Case {
            instances: 1,
            reports: false,
        },
        Case {
            instances: 1,
            reports: true,
        },
        Case {
            instances: args.instances,
            reports: true,
        },
    ];
    let span = Duration::from_secs(args.live_seconds);
    let mut columns = cases.map(|case| (case, Vec::new()));
    for run in 1..=args.runs {
        // One case after the other in each run, so that the machine's mood is spread over all.
        for (case, measured) in &mut columns {
            eprintln!("run {run} of {}: {case}", args.runs);
            let name = format!("run-{run}-{}-{}", case.instances, case.reports);
            let installation = Installation::start(&topic, args.partitions, *case, &name);
            let figures = Figures {
                reading: installation.catch_up(),
                live: installation.under_load(args.live_rate, span),
                idle: installation.idle(span),
            };
            measured.push(figures);
        }
    }
    println!("\n{}", figures::table(&columns));
}
