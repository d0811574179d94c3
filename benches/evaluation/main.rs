//! Evaluations alone: what a report and a series cost by the number of customers, and the bytes.
//!
//! Owns the sizes and the questions. Promises that every figure is taken in one thread, on a shard
//! that holds a generated year. Needs neither Kafka nor the network.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

#[path = "../history/mod.rs"]
#[expect(dead_code, reason = "nothing is folded event by event here")]
mod history;
#[path = "../end_to_end/table.rs"]
#[expect(dead_code, reason = "there are no scrapes to time")]
mod table;

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Parser, ValueEnum};

use history::{Folding, UNTIL};
use table::{Table, grouped, median};
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::measure::catalogue::measure;
use tenure::measure::pass::evaluate;
use tenure::measure::question::{Question, Sections};
use tenure::measure::settings::EvaluationSettings;

/// Measures evaluations, in one thread and without Kafka
#[derive(Debug, Parser)]
#[command(name = "evaluation")]
struct Args {
    /// Customers of the shards, each with a year of events, about 3.8
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [100_000, 1_000_000, 10_000_000])]
    customers: Vec<u32>,

    /// How often each is timed; the median and the best are shown
    #[arg(long, value_name = "N", default_value_t = 7)]
    runs: usize,

    /// What is timed
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', default_values_t = [What::Plain, What::Segments, What::Series])]
    what: Vec<What>,

    /// Passed by cargo bench; without it nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be timed by itself, so that instructions can be counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A report.
    Plain,
    /// A report with segments.
    Segments,
    /// Series of 90 days, of at most a million customers.
    Series,
}

/// Metrics whose series of 90 days are timed, one of each kind.
const SERIES: [&str; 7] = [
    "tenure_retention_ratio",
    "tenure_nps_score",
    "tenure_revenue",
    "tenure_low_score_ratio",
    "tenure_cohort_retention_ratio",
    "tenure_segment_customers",
    "tenure_event_usual_gap_seconds",
];
/// Series take long, and say nothing more of more customers.
const MOST_IN_SERIES: u32 = 1_000_000;
/// Steps of a series, a day each.
const STEPS: i64 = 90;
const DAY: i64 = 86_400_000;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        println!("evaluation: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut table = Table::new(format!("{}, one thread of {cores} cores", processor()));
    for customers in &args.customers {
        describe(*customers, &args, &mut table);
    }
    println!("\n{table}");
    ExitCode::SUCCESS
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name)
        .to_owned()
}

fn describe(customers: u32, args: &Args, table: &mut Table) {
    eprintln!("a year of {} customers", grouped(f64::from(customers)));
    let wanted = |what| args.what.contains(&what);
    let with_series = wanted(What::Series) && customers <= MOST_IN_SERIES;
    for dimensions in [&[][..], &["plan", "country"][..]] {
        let (report, series) = if dimensions.is_empty() {
            (wanted(What::Plain), false)
        } else {
            (wanted(What::Segments), with_series)
        };
        if !report && !series {
            continue;
        }
        let shard = folded(customers, dimensions);
        let count = shard.customers().len() as f64;
        let name = if dimensions.is_empty() {
            format!("{} customers", grouped(f64::from(customers)))
        } else {
            format!(
                "{} customers, in {} segments by plan and country",
                grouped(f64::from(customers)),
                shard.attributes().len()
            )
        };
        let bytes = shard.customers().bytes() as f64 / count;
        let settings = Arc::new(EvaluationSettings::default());
        let question = Arc::new(Question::at(UNTIL, settings));
        if series {
            describe_series(&shard, table);
        }
        if !report {
            continue;
        }
        let (median, best) = time(&shard, &question, args.runs);
        table.row(
            &format!("all measures, seven periods: {name}"),
            format!(
                "{:.0} ms, {:.0} ns a customer (best {:.0}); {bytes:.0} bytes a customer",
                median * 1e3,
                median * 1e9 / count,
                best * 1e9 / count
            ),
        );
    }
}

fn describe_series(shard: &Shard, table: &mut Table) {
    let settings = Arc::new(EvaluationSettings {
        periods: "30d".parse().into_iter().collect(),
        ..EvaluationSettings::default()
    });
    for name in SERIES {
        let Some(measure) = measure(name) else {
            continue;
        };
        let steps = (0..STEPS).map(|step| UNTIL.minus_millis(step * DAY));
        let sections = Sections::only(measure.section);
        let question = Arc::new(Question::of(steps, sections, Arc::clone(&settings)));
        let (median, _) = time(shard, &question, 1);
        let count = shard.customers().len() as f64;
        table.row(
            &format!("{name} of 90 days, {} customers", grouped(count)),
            format!(
                "{:.0} ms, {:.0} ns a customer, {:.1} ns a customer and step",
                median * 1e3,
                median * 1e9 / count,
                median * 1e9 / count / STEPS as f64
            ),
        );
    }
}

/// Seconds of an evaluation: the median and the best of so many.
fn time(shard: &Shard, question: &Arc<Question>, runs: usize) -> (f64, f64) {
    let once = |_| {
        let started = Instant::now();
        let answer = evaluate(shard, 0, question);
        assert!(answer.is_ok(), "the whole history is kept");
        started.elapsed().as_secs_f64()
    };
    let times: Vec<f64> = (0..runs.max(1)).map(once).collect();
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    (median(&times), best)
}

fn folded(customers: u32, dimensions: &[&str]) -> Shard {
    let settings = FoldSettings {
        dimensions: dimensions.iter().map(ToString::to_string).collect(),
        ..FoldSettings::default()
    };
    Folding::of_history_with(settings, customers).shard
}
