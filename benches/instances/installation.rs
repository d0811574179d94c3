//! Instances at work on one topic: catching up, under load, idle.
//!
//! Everything is seen from outside: by their pages, in `/proc`, and in the report topic itself, which
//! is read from its end on.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::figures::{Reading, Span};
use crate::load::Load;
use crate::machine::cpu_seconds;
use crate::page::{Page, Scraper};
use crate::real::folder::KeptFolder;
use crate::real::free_ports;
use crate::real::process::{Process, new_folder, tenure};
use crate::topic::{Topic, now};

/// For everything that is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
const SCRAPE_EVERY: Duration = Duration::from_millis(100);
/// At most so many instances.
const PORTS: usize = 12;

/// How the work is shared.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub instances: u16,
    /// Whether they tell each other their results in a topic.
    pub reports: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.instances {
            1 => write!(f, "one instance")?,
            several => write!(f, "{several} instances")?,
        }
        if self.reports {
            write!(f, ", report topic")?;
        }
        Ok(())
    }
}

/// Running instances with nothing but the log to begin with.
pub struct Installation<'a> {
    topic: &'a Topic<'a>,
    partitions: i32,
    case: Case,
    reports: String,
    _folder: KeptFolder,
    instances: Vec<(Process, String)>,
    started: Instant,
}

impl<'a> Installation<'a> {
    /// Starts all instances of a case, under names of this run.
    pub fn start(topic: &'a Topic<'a>, partitions: u32, case: Case, name: &str) -> Self {
        let folder = KeptFolder::new("instances");
        for (file, text) in [
            ("digest.key", "000102030405060708090a0b0c0d0e0f"),
            ("token", "0123456789abcdef0123456789abcdef"),
        ] {
            let written = fs::write(folder.path().join(file), text);
            written.unwrap_or_else(|error| panic!("cannot write {file}: {error}"));
        }
        let reports = format!("reports-{name}");
        let started = Instant::now();
        let ports: [u16; PORTS] = free_ports();
        let instances = ports[..usize::from(case.instances)].iter().map(|port| {
            let address = format!("127.0.0.1:{port}");
            let mut command = tenure(&folder.path().join("state"));
            command.args(["run", "--listen", &address]);
            command.args(["--bootstrap-servers", topic.kafka.bootstrap_servers()]);
            command.args(["--topics", topic.name()]);
            let file = |name: &str| folder.path().join(name).display().to_string();
            let mut settings = vec![
                format!("kafka.group_id={name}"),
                format!("customer_digest_key_file={}", file("digest.key")),
                format!("cluster.token_file={}", file("token")),
                format!("cluster.advertise=http://{address}"),
            ];
            if case.reports {
                settings.push(format!("cluster.report_topic={reports}"));
            }
            for setting in &settings {
                command.args(["--set", setting]);
            }
            let process = Process::start(new_folder("tenure"), &command);
            (process, format!("http://{address}"))
        });
        let instances: Vec<_> = instances.collect();
        for (process, url) in &instances {
            process.wait_for_page(&format!("{url}/-/healthy"), PATIENCE);
        }
        Self {
            topic,
            partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
            case,
            reports,
            _folder: folder,
            instances,
            started,
        }
    }

    /// Follows them until the partitions are shared out evenly, and everybody serves numbers of after
    /// that.
    pub fn catch_up(&self) -> Reading {
        let in_topic = self.in_topic();
        let mut scrapers = self.scrapers();
        let mut shared_at = None;
        loop {
            let pages = self.pages(&mut scrapers);
            if shared_at.is_none() && self.shared_out(&pages) {
                shared_at = Some(seconds());
            }
            if shared_at.is_some_and(|at| pages.iter().all(|page| instant(page) >= at)) {
                return Reading {
                    events: in_topic,
                    applied: events(&pages),
                    took: self.started.elapsed(),
                    cpu_seconds: self.cpu_seconds(),
                };
            }
            assert!(self.started.elapsed() < PATIENCE, "waited in vain");
            thread::sleep(SCRAPE_EVERY);
        }
    }

    /// Whether each has its part, so that nothing will move.
    fn shared_out(&self, pages: &[Page]) -> bool {
        let each = f64::from(self.partitions) / f64::from(self.case.instances);
        let owned = pages
            .iter()
            .map(|page| page.total("tenure_assigned_partitions"));
        let even = |owned: f64| (each.floor()..=each.ceil()).contains(&owned);
        owned.clone().all(even) && owned.sum::<f64>() == f64::from(self.partitions)
    }

    /// How many records there are.
    fn in_topic(&self) -> f64 {
        let ends = (0..self.partitions)
            .map(|partition| self.topic.kafka.offsets(self.topic.name(), partition).1);
        ends.sum::<i64>() as f64
    }

    /// Sends events at a rate for a while.
    pub fn under_load(&self, rate: u32, span: Duration) -> Span {
        let (observed, _, _) = Load::run(self.topic, rate, || self.observe(span));
        observed
    }

    /// Sends nothing.
    pub fn idle(&self, span: Duration) -> Span {
        self.observe(span)
    }

    fn observe(&self, span: Duration) -> Span {
        let reports = self.case.reports.then(|| self.follow_reports());
        let mut scrapers = self.scrapers();
        let before = (self.cpu_seconds(), self.in_topic());
        let begun = Instant::now();
        let mut ages = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        while begun.elapsed() < span {
            let now = seconds();
            let pages = self.pages(&mut scrapers);
            ages.extend(pages.iter().map(|page| now - instant(page)));
            let until = Instant::now() + SCRAPE_EVERY;
            if let Some(consumer) = &reports {
                while let Some(message) = consumer.poll(until - Instant::now()) {
                    let message = message.unwrap_or_else(|error| panic!("report topic: {error}"));
                    records += 1;
                    bytes += message.payload_len() + message.key_len();
                }
            }
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        let seconds = begun.elapsed().as_secs_f64();
        Span {
            seconds,
            cpu_seconds: self.cpu_seconds() - before.0,
            events: self.in_topic() - before.1,
            ages,
            report_records_per_second: f64::from(records) / seconds,
            report_bytes_per_second: bytes as f64 / seconds,
        }
    }

    /// A consumer of what is written to the report topic from now on.
    fn follow_reports(&self) -> BaseConsumer {
        let mut client = self.topic.kafka.client_config();
        client
            .set("group.id", "bench")
            .set("enable.auto.commit", "false");
        let consumer: BaseConsumer = client
            .create()
            .unwrap_or_else(|error| panic!("no consumer: {error}"));
        let mut list = TopicPartitionList::new();
        let (_, end) = self.topic.kafka.offsets(&self.reports, 0);
        let assigned = list
            .add_partition_offset(&self.reports, 0, Offset::Offset(end))
            .and_then(|()| consumer.assign(&list));
        assigned.unwrap_or_else(|error| panic!("cannot read the report topic: {error}"));
        consumer
    }

    fn cpu_seconds(&self) -> f64 {
        let processes = self.instances.iter();
        processes
            .map(|(process, _)| cpu_seconds(process.pid()))
            .sum()
    }

    fn scrapers(&self) -> Vec<Scraper> {
        let urls = self.instances.iter();
        urls.map(|(_, url)| Scraper::new(&format!("{url}/metrics")))
            .collect()
    }

    fn pages(&self, scrapers: &mut [Scraper]) -> Vec<Page> {
        for (process, _) in &self.instances {
            if let Some(code) = process.exit_code() {
                panic!("tenure ended with {code}\n{}", process.tail());
            }
        }
        scrapers.iter_mut().map(Scraper::scrape).collect()
    }
}

/// Of the numbers on a page, in seconds since 1970; 0 while there are none.
fn instant(page: &Page) -> f64 {
    match page.sum("tenure_customers") {
        Some(_) => page.total("tenure_report_timestamp_seconds"),
        None => 0.0,
    }
}

/// What all of them have applied since their start.
fn events(pages: &[Page]) -> f64 {
    let pages = pages.iter();
    pages.map(|page| page.total("tenure_events_total")).sum()
}

fn seconds() -> f64 {
    now().as_millis() as f64 / 1000.0
}
