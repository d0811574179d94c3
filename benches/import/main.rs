//! The import of all customers of a shop whose topic holds seven days, through a real Apache Kafka.
//!
//! Owns the experiment: a year of events, of which the topic gets the last week and a file the
//! customers as they were before it; the numbers that a service shows before, after the import and
//! after a second one. Promises that everything it starts is ended, whatever happens. Knows of the
//! program only its command line and its page; the events alone come from the library.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

#[path = "../history/mod.rs"]
#[expect(dead_code, reason = "nothing is folded here")]
mod history;
#[path = "../end_to_end/machine.rs"]
#[expect(dead_code, reason = "the processes are measured by the clock alone")]
mod machine;
#[path = "../../tests/real/mod.rs"]
#[expect(dead_code, reason = "a broker and the program alone are needed")]
mod real;
#[path = "../end_to_end/table.rs"]
#[expect(dead_code, reason = "there are no distributions here")]
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;

use real::kafka::{Kafka, KafkaOptions, Purpose};
use real::process::{Process, new_folder};
use real::{free_ports, http};
use table::{Table, grouped};
use tenure::event::decode::{DecodeSettings, Decoder};
use tenure::event::{Amount, Body, Timestamp};
use tenure::generate::Record;
use tenure::generate::sink::Sink as _;
use tenure::generate::sink::topic::{Topic, TopicSettings};

const TOPIC: &str = "customer-events";
const WEEK: i64 = 7 * 86_400_000;
/// For everything that is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
/// Numbers to show before and after.
const SHOWN: [&str; 5] = [
    "tenure_customers",
    "tenure_retention_ratio{period=\"6d\"}",
    "tenure_churn_ratio{period=\"6d\"}",
    "tenure_period_customers{period=\"6d\",status=\"new\"}",
    "tenure_ordering_customers{period=\"6d\",buyer=\"returning\"}",
];

/// Measures the import of a shop's customers into a topic of seven days
#[derive(Debug, Parser)]
#[command(name = "import")]
struct Args {
    /// Customers of the shop
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    customers: u32,

    /// Partitions of the topic
    #[arg(long, value_name = "N", default_value_t = 12)]
    partitions: i32,

    /// The program to measure instead of the one built with this benchmark
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_tenure"))]
    program: String,

    /// Passed by cargo bench; without it nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        println!("import: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    println!("\n{}", measure(&Args::parse()));
    ExitCode::SUCCESS
}

fn measure(args: &Args) -> Table {
    let mut table = Table::new(machine::describe());
    eprintln!("starting Apache Kafka");
    let kafka = Kafka::start(&KafkaOptions {
        purpose: Purpose::Benchmark,
        heap_mib: 1024,
        ..KafkaOptions::default()
    });
    kafka.create_topic(TOPIC, args.partitions, &[("retention.ms", "-1")]);
    let folder = new_folder("import");
    let file = folder.path().join("customers.csv");
    eprintln!("a year of {} customers", args.customers);
    let shop = Shop::live(args, &kafka, &file);
    let size = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
    table.row("customers in the file", grouped(shop.customers as f64));
    table.row("the file", format!("{:.0} MB", size as f64 / 1e6));
    table.row(
        "events in the topic's seven days",
        grouped(shop.events as f64),
    );

    let since = shop.since.to_string();
    let run = |more: &[&str]| {
        let mut command = Command::new(&args.program);
        command.arg("import").arg(&file).args(["--print-only"]);
        command.args(["--bootstrap-servers", kafka.bootstrap_servers()]);
        command.args(["--complete-since", &since]).args(more);
        let started = Instant::now();
        let output = command.output();
        let output = output.unwrap_or_else(|error| panic!("the import did not start: {error}"));
        assert!(output.status.success(), "{output:?}");
        (
            started.elapsed(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let before = numbers(args, &kafka, &[]);
    let (checked, _) = run(&["--dry-run"]);
    let (took, said) = run(&[]);
    eprintln!("{said}");
    let known = format!("customer_base_complete_since={since}");
    let after = numbers(args, &kafka, &["--set", &known]);
    let (again, _) = run(&[]);
    let twice = numbers(args, &kafka, &["--set", &known]);
    table.row(
        "checking alone (--dry-run)",
        format!("{:.1} s", checked.as_secs_f64()),
    );
    let rate = shop.customers as f64 / took.as_secs_f64();
    table.row(
        "the import",
        format!(
            "{:.1} s, {} customers a second",
            took.as_secs_f64(),
            grouped(rate)
        ),
    );
    table.row("a second import", format!("{:.1} s", again.as_secs_f64()));
    for series in SHOWN {
        let of = |page: &BTreeMap<String, f64>| {
            page.get(series)
                .map_or("withheld".to_owned(), |value| format!("{value:.6}"))
        };
        let row = format!("{} / {} / {}", of(&before), of(&after), of(&twice));
        table.row(&format!("`{series}` before, after, after two"), row);
    }
    table
}

/// What was lived, as far as the measurement needs it.
struct Shop {
    customers: u64,
    /// Events in the topic.
    events: u64,
    /// When the topic's seven days begin.
    since: Timestamp,
}

/// A customer as a backend has it before the seven days.
#[derive(Default)]
struct Customer {
    active_since: Option<Timestamp>,
    last_activity: Option<Timestamp>,
    first_order: Option<(Timestamp, Amount, String)>,
    last_order: Option<(Timestamp, Amount, String)>,
    churned_at: Option<Timestamp>,
}

impl Shop {
    /// Fills the topic with the last week and the file with what was before.
    fn live(args: &Args, kafka: &Kafka, file: &Path) -> Self {
        let until = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let week = until.minus_millis(WEEK);
        let mut topic = Topic::open(&TopicSettings {
            bootstrap_servers: kafka.bootstrap_servers().to_owned(),
            topic: TOPIC.to_owned(),
            create_with_partitions: None,
            properties: BTreeMap::new(),
        })
        .unwrap_or_else(|error| panic!("no topic: {error}"));
        let decoder = Decoder::new(DecodeSettings::default());
        let mut customers = BTreeMap::<String, Customer>::new();
        let mut generator = history::history(args.customers, until, None);
        let mut record = Record::buffer();
        let (mut events, mut since) = (0, None);
        while generator.next_into(&mut record) {
            if record.arrives_at >= week {
                since = since.or(Some(record.arrives_at));
                let sent = topic.send(&record);
                sent.unwrap_or_else(|error| panic!("cannot fill the topic: {error}"));
                events += 1;
            }
            if record.occurred_at < since.unwrap_or(week) && !record.repeat {
                let event = decoder.decode(&record.payload, None);
                let event = event.unwrap_or_else(|rejection| panic!("{rejection:?}"));
                let customer = customers.entry(record.key.clone()).or_default();
                customer.live(event.occurred_at, &event.body);
            }
        }
        let finished = topic.finish();
        finished.unwrap_or_else(|error| panic!("cannot fill the topic: {error}"));
        Self {
            customers: write(&customers, file),
            events,
            since: since.unwrap_or(week),
        }
    }
}

impl Customer {
    fn live(&mut self, at: Timestamp, body: &Body<'_>) {
        match body {
            Body::Churn { .. } => self.churned_at = self.churned_at.max(Some(at)),
            Body::Survey { .. } => {}
            Body::Signup | Body::Purchase { .. } => {
                self.active_since = Some(self.active_since.map_or(at, |since| since.min(at)));
                self.last_activity = self.last_activity.max(Some(at));
            }
        }
        if let Body::Purchase { amount, currency } = body {
            let order = (at, *amount, currency.to_string());
            if self.first_order.as_ref().is_none_or(|first| at < first.0) {
                self.first_order = Some(order.clone());
            }
            if self.last_order.as_ref().is_none_or(|last| at >= last.0) {
                self.last_order = Some(order);
            }
        }
    }
}

/// Writes those who ever were customers; answers how many.
fn write(customers: &BTreeMap<String, Customer>, file: &Path) -> u64 {
    let written = File::create(file).and_then(|file| {
        let mut out = BufWriter::new(file);
        writeln!(
            out,
            "customer_id,active_since,last_activity,first_order_at,first_order_amount,\
             first_order_currency,last_order_at,last_order_amount,last_order_currency,churned_at"
        )?;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let order = |order: &Option<(Timestamp, Amount, String)>| match order {
            Some((at, amount, currency)) => format!("{at},{amount},{currency}"),
            None => ",,".to_owned(),
        };
        let mut count = 0;
        for (id, customer) in customers {
            if customer.active_since.is_none() {
                continue;
            }
            count += 1;
            writeln!(
                out,
                "{id},{},{},{},{},{}",
                time(customer.active_since),
                time(customer.last_activity),
                order(&customer.first_order),
                order(&customer.last_order),
                time(customer.churned_at),
            )?;
        }
        out.flush().map(|()| count)
    });
    written.unwrap_or_else(|error| panic!("cannot write the file: {error}"))
}

/// The page of a service that has read everything.
fn numbers(args: &Args, kafka: &Kafka, more: &[&str]) -> BTreeMap<String, f64> {
    let [port] = free_ports();
    let listen = format!("127.0.0.1:{port}");
    let mut command = Command::new(&args.program);
    command.args([
        "run",
        "--listen",
        &listen,
        "--bootstrap-servers",
        kafka.bootstrap_servers(),
    ]);
    command.args(["--set", "state.url=null", "--set", "periods=24h,6d,30d"]);
    // A topic that lost its head looks like that only once records are deleted: here it is said.
    command.args(if more.is_empty() {
        &["--set", "customer_base_complete_since=2069-01-01T00:00:00Z"]
    } else {
        more
    });
    let process = Process::start(new_folder("tenure"), &command);
    let end: i64 = (0..args.partitions)
        .map(|partition| kafka.offsets(TOPIC, partition).1)
        .sum();
    let look = || {
        let text = http::get_ok(&format!("http://{listen}/metrics"), &[])?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Ok::<BTreeMap<String, f64>, String>(samples.collect())
    };
    process.wait_for(PATIENCE, "all records", || {
        let page = look()?;
        let position = |(series, _): &(&String, &f64)| {
            series.starts_with("tenure_kafka_partition_position_offset")
        };
        let read: f64 = page.iter().filter(position).map(|(_, value)| value).sum();
        if read as i64 >= end {
            Ok(())
        } else {
            Err(format!("{read} of {end}"))
        }
    });
    let read_at = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
    process.wait_for(PATIENCE, "a report from after that", || {
        let page = look()?;
        let at = page.get("tenure_report_timestamp_seconds").copied();
        if at.is_some_and(|at| at >= read_at) && page.contains_key("tenure_customers") {
            Ok(page)
        } else {
            Err(format!("of {at:?}"))
        }
    })
}
