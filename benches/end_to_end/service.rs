//! The program at work: catching up from the first record, then idle.
//!
//! Everything is seen from outside: by scrapes, which are measured too, and in `/proc`.

use std::thread;
use std::time::{Duration, Instant};

use crate::machine::{cpu_seconds, resident_bytes, resident_bytes_max};
use crate::page::{Page, Scraper};
use crate::real::free_ports;
use crate::real::process::Process;
use crate::table::{Table, grouped, latencies, median, quantile, seconds};
use crate::topic::{Drain, NAME, Topic, now};
use tenure::event::EventType;
use tenure::generate::Record;
use tenure::generate::sink::Sink;

/// Between two scrapes while catching up: often enough that the ends of the measured span are sharp.
const SCRAPE_EVERY: Duration = Duration::from_millis(20);
/// Scrapes of an idle process, and between them.
const IDLE_SCRAPES: usize = 200;
const IDLE_SCRAPE_EVERY: Duration = Duration::from_millis(50);
/// Between two looks for one event.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const MIB: f64 = 1024.0 * 1024.0;
/// For everything that is waited for.
const PATIENCE: Duration = Duration::from_mins(5);

/// A running `tenure run`.
pub struct Service<'a> {
    topic: &'a Topic<'a>,
    process: Process,
    url: String,
    started: Instant,
}

/// One reading of the whole topic.
pub struct Reading {
    events: f64,
    /// From the last look at which nothing was applied to the first at which everything was.
    took: Duration,
    /// From the start of the process to the first page with all numbers.
    until_numbers: Duration,
    cpu_seconds: f64,
    broker_cpu_seconds: f64,
    scrapes: Vec<Duration>,
}

impl Reading {
    pub fn events_per_second(&self) -> f64 {
        self.events / self.took.as_secs_f64()
    }
}

impl<'a> Service<'a> {
    /// Starts the program with its defaults but for addresses.
    pub fn start(topic: &'a Topic<'a>) -> Self {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        let servers = topic.kafka.bootstrap_servers();
        let started = Instant::now();
        let process = Process::tenure(&[
            "run",
            "--listen",
            &listen,
            "--bootstrap-servers",
            servers,
            "--topics",
            NAME,
        ]);
        let url = format!("http://{listen}");
        process.wait_for_page(&format!("{url}/-/healthy"), PATIENCE);
        Self {
            topic,
            process,
            url: format!("{url}/metrics"),
            started,
        }
    }

    /// Follows the process until every record is applied and the numbers are out.
    pub fn catch_up(&self) -> Reading {
        let (own, broker) = (self.process.pid(), self.topic.kafka.process().pid());
        let expected = self.topic.records as f64;
        let mut scraper = Scraper::new(&self.url);
        let look = || (Instant::now(), cpu_seconds(own), cpu_seconds(broker));
        let mut begin = look();
        loop {
            self.check();
            let before = look();
            let applied = scraper.scrape().total("tenure_events_total");
            if applied == 0.0 {
                begin = before;
            }
            if applied >= expected {
                break;
            }
            thread::sleep(SCRAPE_EVERY);
        }
        let end = look();
        let scrapes = std::mem::take(&mut scraper.took);
        self.await_page(&mut scraper, |page| {
            page.sum("tenure_kafka_partition_lag_records") == Some(0.0)
                && page.sum("tenure_customers").is_some()
        });
        Reading {
            events: expected,
            took: end.0 - begin.0,
            until_numbers: self.started.elapsed(),
            cpu_seconds: end.1 - begin.1,
            broker_cpu_seconds: end.2 - begin.2,
            scrapes,
        }
    }

    /// What is measured once everything is read: memory, evaluations, scrapes, single events.
    pub fn describe_idle(&self, reading: &Reading, events: u32, table: &mut Table) {
        let mut scraper = Scraper::new(&self.url);
        let first = scraper.scrape();
        for _ in 1..IDLE_SCRAPES {
            thread::sleep(IDLE_SCRAPE_EVERY);
            scraper.scrape();
        }
        let page = scraper.scrape();
        self.describe_memory(&page, table);
        describe_evaluations(&first, &page, table);
        table.row(
            "scrape while catching up, p50 / p99",
            latencies(&reading.scrapes),
        );
        table.row("scrape when idle, p50 / p99", latencies(&scraper.took));
        table.row("page", format!("{} bytes", grouped(page.bytes() as f64)));
        self.describe_single_events(&mut scraper, events, table);
    }

    fn describe_memory(&self, page: &Page, table: &mut Table) {
        let pid = self.process.pid();
        let customers = page.total("tenure_state_customers");
        let state = page.total("tenure_state_bytes");
        let mib = |bytes: f64| format!("{:.0} MiB", bytes / MIB);
        table.row(
            "state",
            format!("{}, {:.0} bytes a customer", mib(state), state / customers),
        );
        let resident = resident_bytes(pid);
        table.row(
            "resident memory after catching up",
            format!(
                "{}, {:.0} bytes a customer; {} at most",
                mib(resident),
                resident / customers,
                mib(resident_bytes_max(pid))
            ),
        );
    }

    /// Sends events into the idle topic one by one and waits for each to be in the numbers.
    fn describe_single_events(&self, scraper: &mut Scraper, events: u32, table: &mut Table) {
        if events == 0 {
            return;
        }
        let (mut applied, mut published) = (Vec::new(), Vec::new());
        for number in 0..events {
            let (to_state, to_page) = self.follow_event(scraper, number);
            applied.push(to_state);
            published.push(to_page);
        }
        for (what, delays) in [
            ("from an event's arrival to the state, p50 / max", applied),
            (
                "from an event's arrival to the numbers on the page, p50 / max",
                published,
            ),
        ] {
            let delays = seconds(&delays);
            table.row(
                what,
                format!(
                    "{:.0} ms / {:.0} ms ({events} events)",
                    median(&delays) * 1e3,
                    quantile(&delays, 1.0) * 1e3
                ),
            );
        }
    }

    /// From the acknowledgement of a new customer's sign-up to its being applied, and to its being
    /// counted among the customers.
    fn follow_event(&self, scraper: &mut Scraper, number: u32) -> (Duration, Duration) {
        let before = scraper.scrape();
        let (seen, customers) = (
            before.total("tenure_events_total"),
            before.total("tenure_customers"),
        );
        // Spreads the arrivals over the tick of the evaluation.
        thread::sleep(Duration::from_millis(u64::from(number) * 137 % 1000));
        let produced = self.topic.producer(&[("linger.ms", "0")]);
        let produced = produced.and_then(|mut producer| {
            producer.send(&signup(number))?;
            producer.finish()
        });
        let arrived = Instant::now();
        produced.unwrap_or_else(|error| panic!("cannot produce an event: {error}"));
        self.await_page(scraper, |page| page.total("tenure_events_total") > seen);
        let applied = arrived.elapsed();
        self.await_page(scraper, |page| page.total("tenure_customers") > customers);
        (applied, arrived.elapsed())
    }

    fn await_page(&self, scraper: &mut Scraper, condition: impl Fn(&Page) -> bool) {
        let started = Instant::now();
        while !condition(&scraper.scrape()) {
            self.check();
            assert!(
                started.elapsed() < PATIENCE,
                "waited in vain\n{}",
                self.process.tail()
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    fn check(&self) {
        if let Some(code) = self.process.exit_code() {
            panic!("tenure ended with {code}\n{}", self.process.tail());
        }
    }
}

fn signup(number: u32) -> Record {
    let at = now();
    let customer = format!("single-{number}");
    let payload = format!(
        r#"{{"event_id":"single-{number}","type":"signup","customer_id":"{customer}","occurred_at":{}}}"#,
        at.as_millis()
    );
    Record {
        key: customer,
        payload: payload.into_bytes(),
        event_type: EventType::Signup,
        occurred_at: at,
        arrives_at: at,
        repeat: false,
    }
}

fn describe_evaluations(first: &Page, last: &Page, table: &mut Table) {
    let between = |name: &str| last.total(name) - first.total(name);
    let count = between("tenure_evaluation_duration_seconds_count");
    let mean = between("tenure_evaluation_duration_seconds_sum") / count;
    let customers = last.total("tenure_state_customers");
    table.row(
        "one evaluation of all measures, all partitions, when idle",
        format!(
            "{:.0} ms, {:.0} ns a customer (mean of {count:.0})",
            mean * 1e3,
            mean * 1e9 / customers
        ),
    );
}

/// Figures of all runs: medians, and the best.
pub fn describe_readings(drains: &[Drain], readings: &[Reading], table: &mut Table) {
    let drained: Vec<f64> = drains
        .iter()
        .map(|drain| drain.records_per_second)
        .collect();
    let read: Vec<f64> = readings.iter().map(Reading::events_per_second).collect();
    let rate = |rates: &[f64]| {
        format!(
            "{} a second (median of {}), best {}",
            grouped(median(rates)),
            rates.len(),
            grouped(quantile(rates, 1.0))
        )
    };
    table.row("events from the topic to the state", rate(&read));
    table.row("records drained by the bare client", rate(&drained));
    table.row(
        "share of the bare client's speed",
        format!("{:.0} %", 100.0 * median(&read) / median(&drained)),
    );
    let per_million = |cpu: fn(&Reading) -> f64| {
        let figures: Vec<f64> = readings
            .iter()
            .map(|reading| cpu(reading) * 1e6 / reading.events)
            .collect();
        format!("{:.2} s", median(&figures))
    };
    table.row(
        "CPU of tenure per million events",
        per_million(|reading| reading.cpu_seconds),
    );
    table.row(
        "CPU of the broker per million events",
        per_million(|reading| reading.broker_cpu_seconds),
    );
    let drain_cpu: Vec<f64> = drains.iter().map(|drain| drain.cpu_seconds).collect();
    let millions = readings
        .first()
        .map_or(f64::NAN, |reading| reading.events / 1e6);
    table.row(
        "CPU of the bare client per million events",
        format!("{:.2} s", median(&drain_cpu) / millions),
    );
    let until_numbers: Vec<Duration> = readings
        .iter()
        .map(|reading| reading.until_numbers)
        .collect();
    table.row(
        "from the start of the process to its numbers",
        format!("{:.1} s", median(&seconds(&until_numbers))),
    );
}
