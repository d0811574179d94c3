//! The service under test, through any number of ends and starts.
//!
//! Owns what an operator has: a configuration, a state folder that outlives the processes, the page
//! of the running one, and the answer of a replay to compare it with. Promises that nothing is
//! waited for longer than [`DEADLINE`]. Deliberately knows nothing of how the numbers come about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::real::folder::KeptFolder;
use crate::real::process::{Process, Signal, new_folder, tenure};
use crate::real::{free_ports, http};

/// Generous: the machine may be busy with other things.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// What a service is installed with, and what it leaves behind.
pub struct Installation {
    servers: String,
    topics: String,
    settings: Vec<String>,
    pub state: KeptFolder,
}

/// A running service.
pub struct Service {
    topics: String,
    pub process: Process,
    pub url: String,
}

/// Samples of a page by series, as it is written there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page(pub BTreeMap<String, f64>);

impl Installation {
    /// A service of these brokers and topics with nothing yet; settings as in `key=value`.
    pub fn new(servers: &str, topics: &str, settings: &[&str]) -> Self {
        Self::with_state(servers, topics, settings, KeptFolder::new("state"))
    }

    /// The same with its state in this folder.
    pub fn with_state(servers: &str, topics: &str, settings: &[&str], state: KeptFolder) -> Self {
        Self {
            servers: servers.to_owned(),
            topics: topics.to_owned(),
            settings: Vec::new(),
            state,
        }
        .with_settings(settings)
    }

    /// The same service with the same state under these settings in place of its own.
    pub fn with_settings(self, settings: &[&str]) -> Self {
        let topic = self.topics.split(',').next().unwrap_or_default();
        // A member by a name has its partitions back at once, however its process ended.
        let always = [
            "churn_events=complete".to_owned(),
            "state.interval=1s".to_owned(),
            format!("kafka.group_id={topic}"),
            "cluster.instance_id=it".to_owned(),
        ];
        let settings = settings.iter().map(|&text| text.to_owned());
        Self {
            settings: always.into_iter().chain(settings).collect(),
            ..self
        }
    }

    /// Starts the service.
    pub fn start(&self) -> Service {
        self.start_with(&[], |_| {})
    }

    /// Starts the service with further arguments, and with a command that is prepared further.
    pub fn start_with(&self, more: &[&str], prepare: impl FnOnce(&mut Command)) -> Service {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        let mut command = tenure(self.state.path());
        command.args(["run", "--listen", &listen]);
        command.args(["--bootstrap-servers", &self.servers]);
        command.args(["--topics", &self.topics]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.args(more);
        prepare(&mut command);
        Service {
            topics: self.topics.clone(),
            process: Process::start(new_folder("tenure"), &command),
            url: format!("http://{listen}"),
        }
    }

    /// The checkpoints that are complete, sorted by partition and offset.
    pub fn checkpoints(&self) -> Vec<PathBuf> {
        let files = self.state.files().into_iter();
        files
            .filter(|file| file.extension().is_some_and(|end| end == "ckpt"))
            .collect()
    }

    /// The offsets of the complete checkpoints of a partition, ascending.
    pub fn checkpoint_offsets(&self, partition: i32) -> Vec<i64> {
        let folder = format!("p{partition:05}");
        let checkpoints = self.checkpoints().into_iter();
        checkpoints
            .filter(|file| {
                file.parent()
                    .is_some_and(|parent| parent.ends_with(&folder))
            })
            .filter_map(|file| file.file_stem()?.to_str()?.split_once('-')?.0.parse().ok())
            .collect()
    }

    /// Refolds the log and compares it with every checkpoint, by the program's own means.
    #[track_caller]
    pub fn verifies(&self) {
        let mut command = tenure(self.state.path());
        command.args(["verify", "--from-beginning"]);
        command.args(["--bootstrap-servers", &self.servers]);
        command.args(["--topics", &self.topics]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{}", text.concat());
    }

    /// What a replay of the file says as of an instant, under the same settings.
    pub fn replay(&self, file: &Path, at: f64) -> Page {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command.args(["replay", "--at", &rfc3339(at)]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        let output = command.arg(file).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        Page::parse(&String::from_utf8(output.stdout).unwrap())
    }
}

impl Service {
    pub fn page(&self) -> Result<Page, String> {
        let text = http::get_ok(&format!("{}/metrics", self.url), &[])?;
        Ok(Page::parse(&text))
    }

    /// Waits until the page has this condition, and returns it.
    #[track_caller]
    pub fn page_when(&self, what: &str, condition: impl Fn(&Page) -> bool) -> Page {
        self.process.wait_for(DEADLINE, what, || {
            let page = self.page()?;
            if condition(&page) {
                Ok(page)
            } else {
                Err(format!("not on the page: {page:#?}"))
            }
        })
    }

    /// Waits until the positions of all partitions add up to this, and for a report of after that
    /// in which nothing is withheld for want of records.
    #[track_caller]
    pub fn page_at(&self, records: i64) -> Page {
        let position = "tenure_kafka_partition_position_offset";
        self.page_when(&format!("position {records}"), |page| {
            page.sum(position) == records as f64
        });
        let now = now();
        self.page_when("a report from after that", |page| {
            page.time() >= now && page.withheld("catching_up").is_empty()
        })
    }

    /// Waits until this partition is degraded for this reason, and checks that the page, the log
    /// and the readiness all say so, and that no number is shown.
    #[track_caller]
    pub fn degraded(&self, partition: i32, reason: &str) -> Page {
        let state = format!("tenure_shard_state{{partition=\"{partition}\",state=\"degraded\"}}");
        let why = format!("tenure_shard_degraded{{partition=\"{partition}\",reason=\"{reason}\"}}");
        let page = self.page_when(&format!("{partition} degraded: {reason}"), |page| {
            page.value(&why) == Some(1.0)
                && page.value(&state) == Some(1.0)
                && !page.withheld("degraded").is_empty()
        });
        assert!(
            page.withheld("degraded").contains("tenure_customers"),
            "{page:#?}"
        );
        assert_eq!(page.value("tenure_customers"), None);
        let line = self
            .process
            .wait_for_line(&format!("reason=\"{reason}\""), DEADLINE);
        let topic = format!("topic=\"{}\"", self.topics);
        let place = format!("partition={partition}");
        assert!(line.contains(&topic) || line.contains(&place), "{line}");
        let (code, body) = http::get(&format!("{}/-/ready", self.url), &[]).unwrap();
        assert_eq!(code, 503, "{body}");
        page
    }

    /// Sends the signal that service managers send, and checks that the service ends well.
    #[track_caller]
    pub fn ends_well(self) {
        self.ends_well_within(Duration::from_secs(30));
    }

    #[track_caller]
    pub fn ends_well_within(mut self, time: Duration) {
        let asked = Instant::now();
        self.process.send(Signal::Terminate);
        assert_eq!(self.process.wait(DEADLINE), 0, "{}", self.process.tail());
        assert!(asked.elapsed() < time, "it took {:?}", asked.elapsed());
    }
}

impl Page {
    /// Reads a page in text 0.0.4.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    pub fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The instant of the report; 0 while there is none.
    pub fn time(&self) -> f64 {
        self.value("tenure_report_timestamp_seconds").unwrap_or(0.0)
    }

    /// The series of a metric with their values.
    pub fn of<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(series, value)| {
            let rest = series.strip_prefix(metric)?;
            (rest.is_empty() || rest.starts_with('{')).then_some((series.as_str(), *value))
        })
    }

    pub fn sum(&self, metric: &str) -> f64 {
        self.of(metric).map(|(_, value)| value).sum()
    }

    /// The measures that are withheld for this reason.
    pub fn withheld(&self, reason: &str) -> BTreeSet<String> {
        let reason = format!("reason=\"{reason}\"");
        let series = self.of("tenure_measures_withheld");
        series
            .filter(|(series, _)| series.contains(&reason))
            .filter_map(|(series, _)| {
                let (_, rest) = series.split_once("measure=\"")?;
                Some(rest.split_once('"')?.0.to_owned())
            })
            .collect()
    }

    /// Compares every number of a report, page or replay, with what a replay says of the same
    /// instant; answers how many there are.
    #[track_caller]
    pub fn same_numbers(&self, replay: &Self) -> usize {
        let name = |series: &str| series.split('{').next().unwrap_or_default().to_owned();
        let names: BTreeSet<String> = replay.0.keys().map(|series| name(series)).collect();
        let own: BTreeMap<&String, &f64> = self
            .0
            .iter()
            .filter(|(series, _)| names.contains(&name(series)))
            .collect();
        let expected: BTreeMap<&String, &f64> = replay.0.iter().collect();
        for (series, value) in &expected {
            assert_eq!(own.get(series), Some(value), "{series} at {}", self.time());
        }
        for series in own.keys() {
            assert!(expected.contains_key(series), "on the page only: {series}");
        }
        expected.len()
    }
}

/// A record to send: its partition, key and value.
pub type Sent = (i32, Option<String>, Option<Vec<u8>>);

/// Sends records to chosen partitions, in order, and waits until the brokers have them.
pub fn send(client: &ClientConfig, topic: &str, records: impl IntoIterator<Item = Sent>) {
    let producer: BaseProducer = client.create().unwrap();
    let mut sent = 0_u64;
    for (partition, key, value) in records {
        let mut record = BaseRecord::<str, [u8]>::to(topic).partition(partition);
        if let Some(key) = &key {
            record = record.key(key);
        }
        if let Some(value) = &value {
            record = record.payload(value);
        }
        while let Err((error, again)) = producer.send(record) {
            assert!(error.to_string().contains("QueueFull"), "{error}");
            producer.poll(Duration::from_millis(50));
            record = again;
        }
        sent += 1;
    }
    producer.flush(DEADLINE).unwrap();
    assert!(sent > 0, "nothing to send");
}

/// Sign-ups of these customers some time ago, to one partition, in batches of a few.
pub fn signups(
    client: &ClientConfig,
    topic: &str,
    partition: i32,
    customers: std::ops::Range<u32>,
) {
    let mut client = client.clone();
    client.set("batch.num.messages", "10");
    let records = customers.map(|customer| (partition, None, Some(signup(customer))));
    send(&client, topic, records);
}

pub fn signup(customer: u32) -> Vec<u8> {
    let at = (now() * 1000.0) as i64 - 3_600_000;
    format!(
        r#"{{"event_id":"signup-{customer}","type":"signup","customer_id":"c-{customer}","occurred_at":{at}}}"#
    )
    .into_bytes()
}

/// Seconds since 1970.
pub fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

pub fn rfc3339(seconds: f64) -> String {
    let millis = (seconds * 1000.0).round() as i64;
    jiff::Timestamp::from_millisecond(millis)
        .unwrap()
        .to_string()
}
