//! The program at work: catching up from the first record, idle, under load, started again.
//!
//! Everything is seen from outside: by scrapes, which are measured too, and in `/proc`.

use std::thread;
use std::time::{Duration, Instant};

use crate::load::{Load, MARKER_CURRENCY};
use crate::machine::{cpu_seconds, resident_bytes, resident_bytes_max};
use crate::page::{Page, Scraper};
use crate::real::free_ports;
use crate::real::process::{Process, Signal, new_folder, tenure};
use crate::table::{Table, grouped, latencies, median, quantile, seconds};
use crate::topic::{Topic, now};
use std::path::Path;
use tenure::event::EventType;
use tenure::generate::Record;
use tenure::generate::sink::Sink;

/// Between two scrapes while catching up and under load: often enough that the ends of what is measured
/// are sharp.
const SCRAPE_EVERY: Duration = Duration::from_millis(20);
/// Scrapes of an idle process, and between them.
const IDLE_SCRAPES: usize = 200;
const IDLE_SCRAPE_EVERY: Duration = Duration::from_millis(50);
/// Between two looks for one event.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const MIB: f64 = 1024.0 * 1024.0;
/// The series that counts the markers.
const MARKER: (&str, &str) = ("currency", MARKER_CURRENCY);
const PERIOD: (&str, &str) = ("period", "24h");
/// For everything that is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long memory has to settle before it is looked at.
const SETTLE: Duration = Duration::from_secs(10);
/// The part of the topic whose reading tells the speed among all customers.
const LAST_PART: f64 = 0.1;

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
    pub until_numbers: Duration,
    cpu_seconds: f64,
    broker_cpu_seconds: f64,
    /// Events a second over the last part of the topic, when nearly all customers are known.
    pub last_events_per_second: f64,
    pub scrapes: Vec<Duration>,
}

/// What was seen of a service under load.
#[derive(Debug, Clone)]
pub struct Live {
    pub events_per_second: f64,
    pub cpu_seconds_per_million: f64,
    /// How old the report was at each scrape, in seconds.
    pub ages: Vec<f64>,
    /// From each marker's acknowledgement to the first page that counts it, in seconds.
    pub delays: Vec<f64>,
    pub scrapes: Vec<Duration>,
}

impl Reading {
    pub fn events_per_second(&self) -> f64 {
        self.events / self.took.as_secs_f64()
    }

    pub fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.events
    }

    pub fn broker_cpu_per_million(&self) -> f64 {
        self.broker_cpu_seconds * 1e6 / self.events
    }
}

impl<'a> Service<'a> {
    /// Starts the program with its defaults but for addresses, and with its state in a folder.
    pub fn start(topic: &'a Topic<'a>, state: &Path) -> Self {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        let started = Instant::now();
        let mut command = tenure(state);
        command.args(["run", "--listen", &listen]);
        command.args(["--bootstrap-servers", topic.kafka.bootstrap_servers()]);
        command.args(["--topics", topic.name()]);
        let process = Process::start(new_folder("tenure"), &command);
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
        let mut last_part = None;
        loop {
            self.check();
            let before = look();
            let applied = scraper.scrape().total("tenure_events_total");
            if applied == 0.0 {
                begin = before;
            }
            if applied >= expected * (1.0 - LAST_PART) {
                last_part.get_or_insert((Instant::now(), applied));
            }
            if applied >= expected {
                break;
            }
            thread::sleep(SCRAPE_EVERY);
        }
        let end = look();
        let last_events_per_second = last_part.map_or(f64::NAN, |(since, applied)| {
            (expected - applied) / (end.0 - since).as_secs_f64()
        });
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
            last_events_per_second,
            scrapes,
        }
    }

    /// What is measured once everything is read: memory, evaluations, scrapes, single events. Gives
    /// the resident bytes.
    pub fn describe_idle(&self, events: u32, table: &mut Table) -> f64 {
        let mut scraper = Scraper::new(&self.url);
        let first = scraper.scrape();
        let settled = Instant::now() + SETTLE;
        while scraper.took.len() < IDLE_SCRAPES || Instant::now() < settled {
            thread::sleep(IDLE_SCRAPE_EVERY);
            scraper.scrape();
        }
        let page = scraper.scrape();
        let resident_bytes = self.describe_memory(&page, table);
        describe_evaluations(&first, &page, table);
        table.row("scrape when idle, p50 / p99", latencies(&scraper.took));
        table.row("page", format!("{} bytes", grouped(page.bytes() as f64)));
        self.describe_single_events(&mut scraper, events, table);
        resident_bytes
    }

    /// Sends events at a rate for a while, and follows the markers among them and the report's age.
    pub fn under_load(&self, rate: u32, span: Duration, table: &mut Table) -> Live {
        eprintln!("{rate} events a second for {span:?}");
        let mut scraper = Scraper::new(&self.url);
        let marked = |page: &Page| page.of("tenure_revenue", &[MARKER, PERIOD]).unwrap_or(0.0);
        let seen_before = marked(&scraper.scrape()) as usize;
        let (own, end) = (self.process.pid(), Instant::now() + span);
        let before = (
            cpu_seconds(own),
            scraper.scrape().total("tenure_events_total"),
        );
        let ((pages, after), markers, events_per_second) = Load::run(self.topic, rate, || {
            let mut pages = Vec::new();
            while Instant::now() < end {
                self.check();
                let page = scraper.scrape();
                let age =
                    now().as_millis() as f64 / 1e3 - page.total("tenure_report_timestamp_seconds");
                pages.push((Instant::now(), marked(&page) as usize - seen_before, age));
                thread::sleep(SCRAPE_EVERY);
            }
            let after = (
                cpu_seconds(own),
                scraper.scrape().total("tenure_events_total"),
            );
            (pages, after)
        });
        let live = Live {
            events_per_second,
            cpu_seconds_per_million: (after.0 - before.0) * 1e6 / (after.1 - before.1),
            ages: pages.iter().map(|(_, _, age)| *age).collect(),
            delays: delays(&markers, &pages),
            scrapes: scraper.took,
        };
        live.describe(table);
        live
    }

    /// Ends the service as an operator would, starts it again, and tells how long restoring took, and
    /// how long it was until numbers were served, in seconds.
    pub fn restart(mut self, state: &Path, table: &mut Table) -> (f64, f64) {
        self.process.send(Signal::Terminate);
        let code = self.process.wait(PATIENCE);
        assert_eq!(code, 0, "{}", self.process.tail());
        let topic = self.topic;
        drop(self);
        let again = Self::start(topic, state);
        let mut scraper = Scraper::new(&again.url);
        again.await_page(&mut scraper, |page| page.sum("tenure_customers").is_some());
        let until_numbers = again.started.elapsed().as_secs_f64();
        let restored = scraper
            .scrape()
            .total("tenure_restore_last_duration_seconds");
        table.row(
            "restart: restoring, and from the start of the process to its numbers",
            format!("{restored:.1} s, {until_numbers:.1} s"),
        );
        (restored, until_numbers)
    }

    fn describe_memory(&self, page: &Page, table: &mut Table) -> f64 {
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
        resident
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
        "one evaluation of all measures, by all workers, when idle",
        format!(
            "{:.0} ms, {:.0} ns a customer (mean of {count:.0})",
            mean * 1e3,
            mean * 1e9 / customers
        ),
    );
}

/// From each marker's acknowledgement to the first page that counts it; markers that came too late
/// to be seen are left out, but those of the last second alone.
fn delays(markers: &[Instant], pages: &[(Instant, usize, f64)]) -> Vec<f64> {
    let mut delays = Vec::new();
    for (number, acknowledged) in markers.iter().enumerate() {
        let shown = pages.partition_point(|(_, counted, _)| *counted <= number);
        if let Some((at, _, _)) = pages.get(shown) {
            delays.push(at.saturating_duration_since(*acknowledged).as_secs_f64());
        } else if let Some((end, _, _)) = pages.last() {
            // Not on any page: at least as late as the last one.
            let waited = end.saturating_duration_since(*acknowledged).as_secs_f64();
            if waited > 2.0 {
                delays.push(waited);
            }
        }
    }
    delays
}

impl Live {
    fn describe(&self, table: &mut Table) {
        let rate = grouped(self.events_per_second);
        let figures = |values: &[f64]| {
            format!(
                "{:.2} s / {:.2} s / {:.2} s ({} times)",
                median(values),
                quantile(values, 0.99),
                quantile(values, 1.0),
                values.len()
            )
        };
        table.row(
            &format!("at {rate} events a second: age of the report, p50 / p99 / max"),
            figures(&self.ages),
        );
        table.row(
            &format!(
                "at {rate} events a second: from an event's arrival to the page, p50 / p99 / max"
            ),
            figures(&self.delays),
        );
        table.row(
            &format!("at {rate} events a second: scrape, p50 / p99"),
            latencies(&self.scrapes),
        );
        table.row(
            &format!("at {rate} events a second: CPU per million events, evaluations included"),
            format!("{:.2} s", self.cpu_seconds_per_million),
        );
    }
}
