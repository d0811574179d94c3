//! The program against Apache Kafka and Prometheus: what is scraped is what a replay says.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need no broker of their own kind")]
mod real;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use real::kafka::Kafka;
use real::process::{Process, Signal};
use real::prometheus::{Prometheus, Sample, promtool_check_metrics};
use real::{eventually, free_ports, http};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_secs(90);

/// Samples of a page by series, as it is written there.
type Page = BTreeMap<String, f64>;

/// A running service with its address.
struct Service {
    process: Process,
    url: String,
    port: u16,
}

impl Service {
    /// Starts `tenure run` on a topic of the shared broker.
    fn start(topics: &str, settings: &[&str]) -> Self {
        Self::start_at(Kafka::shared().bootstrap_servers(), topics, settings)
    }

    fn start_at(servers: &str, topics: &str, settings: &[&str]) -> Self {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        let mut arguments = vec![
            "run",
            "--listen",
            &listen,
            "--bootstrap-servers",
            servers,
            "--topics",
            topics,
        ];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        let process = Process::tenure(&arguments);
        Self {
            process,
            url: format!("http://{listen}"),
            port,
        }
    }

    fn metrics(&self) -> Result<Page, String> {
        Ok(parse(&http::get_ok(&format!("{}/metrics", self.url), &[])?))
    }

    /// Waits until the page has this condition, and returns it.
    #[track_caller]
    fn page_when(&self, what: &str, condition: impl Fn(&Page) -> bool) -> Page {
        self.process.wait_for(DEADLINE, what, || {
            let page = self.metrics()?;
            if condition(&page) {
                Ok(page)
            } else {
                Err(format!("not on the page: {page:#?}"))
            }
        })
    }

    /// Waits until so many records were taken in and a report was made after that.
    #[track_caller]
    fn page_after(&self, records: u64) -> Page {
        let taken = |page: &Page| sum(page, "tenure_events_total") as u64 >= records;
        self.page_when("all records", taken);
        let now = now_millis() as f64 / 1000.0;
        self.page_when("a report from after that", |page| {
            value(page, "tenure_report_timestamp_seconds").is_some_and(|at| at >= now)
        })
    }

    #[track_caller]
    fn ends_well_on(mut self, signal: Signal, within: Duration) {
        let asked = Instant::now();
        self.process.send(signal);
        assert_eq!(self.process.wait(DEADLINE), 0, "{}", self.process.tail());
        assert!(asked.elapsed() < within, "it took {:?}", asked.elapsed());
    }
}

/// Series and values of a page in text 0.0.4.
fn parse(text: &str) -> Page {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        })
        .collect()
}

fn value(page: &Page, series: &str) -> Option<f64> {
    page.get(series).copied()
}

/// The sum over the series of a metric.
fn sum(page: &Page, metric: &str) -> f64 {
    of_metric(page, metric).map(|(_, value)| value).sum()
}

fn of_metric<'a>(page: &'a Page, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    page.iter().filter_map(move |(series, value)| {
        let rest = series.strip_prefix(metric)?;
        (rest.is_empty() || rest.starts_with('{')).then_some((series.as_str(), *value))
    })
}

/// What a replay of the file prints, as of an instant.
fn replay(file: &Path, at: &str, settings: &[&str]) -> Page {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.args(["replay", "--at", at]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.arg(file).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&String::from_utf8(output.stdout).unwrap())
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn rfc3339(seconds: f64) -> String {
    let millis = (seconds * 1000.0).round() as i64;
    jiff::Timestamp::from_millisecond(millis)
        .unwrap()
        .to_string()
}

/// Generates the same events into a topic and into a file.
fn generate(topic: &str, file: &Path, customers: &str) -> u64 {
    let until = jiff::Timestamp::from_millisecond(now_millis())
        .unwrap()
        .to_string();
    let stream = [
        "--customers",
        customers,
        "--days",
        "200",
        "--seed",
        "7",
        "--until",
        &until,
    ];
    let servers = Kafka::shared().bootstrap_servers();
    let sent = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .arg("generate")
        .args(stream)
        .args([
            "--to",
            "kafka",
            "--topic",
            topic,
            "--bootstrap-servers",
            servers,
        ])
        .args(["--create-topic", "--partitions", "6"])
        .output()
        .unwrap();
    assert!(
        sent.status.success(),
        "{}",
        String::from_utf8_lossy(&sent.stderr)
    );
    let lines = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .arg("generate")
        .args(stream)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    std::fs::write(file, &lines.stdout).unwrap();
    lines.stdout.split(|byte| *byte == b'\n').count() as u64 - 1
}

/// The series that Prometheus has of one scrape, without the labels that it adds.
fn scraped(samples: Vec<Sample>) -> Page {
    let series = |sample: Sample| {
        let mut labels = sample.labels;
        let name = labels.remove("__name__").unwrap();
        labels.remove("instance");
        labels.remove("job");
        (format!("{name} {labels:?}"), sample.value)
    };
    samples.into_iter().map(series).collect()
}

/// A page's series in the form of [`scraped`].
fn normal(page: &Page) -> Page {
    let series = |(series, value): (&String, &f64)| {
        let (name, rest) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels(rest.strip_suffix('}').unwrap());
        (format!("{name} {labels:?}"), *value)
    };
    page.iter().map(series).collect()
}

/// Labels as they are written on a page, without their escapes.
fn labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters.next().unwrap() {
                (at, '"') => break at + 1,
                (_, '\\') => match characters.next().unwrap().1 {
                    'n' => value.push('\n'),
                    escaped => value.push(escaped),
                },
                (_, character) => value.push(character),
            }
        };
        labels.insert(name.to_owned(), value);
        text = rest[end..].trim_start_matches(',');
    }
    labels
}

#[test]
fn what_prometheus_scrapes_is_what_a_replay_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let records = generate("scraped", &file, "20000");
    let settings = [
        "time_zone=Europe/Istanbul",
        "inactivity_timeout=60d",
        "dimensions=plan,country",
        "periods=24h,7d,30d,90d,365d,today,this_week,this_month,last_month,this_quarter,last_quarter",
    ];
    let service = Service::start("scraped", &settings);
    service.page_after(records);

    let address = format!("127.0.0.1:{}", service.port).parse().unwrap();
    let prometheus = Prometheus::start(&[address], Duration::from_secs(1));
    let compared = compare_scrapes(&prometheus, &file, &settings);
    assert!(compared > 3 * 4000, "{compared} series compared");

    let text = http::get_ok(&format!("{}/metrics", service.url), &[]).unwrap();
    promtool_check_metrics(&text).unwrap();
    let page = service.metrics().unwrap();
    assert_eq!(value(&page, "tenure_kafka_up"), Some(1.0));
    assert_eq!(sum(&page, "tenure_kafka_partition_lag_records"), 0.0);
    assert_eq!(
        of_metric(&page, "tenure_shard_watermark_timestamp_seconds").count(),
        6
    );
    assert_eq!(sum(&page, "tenure_config_info"), 1.0);
    service.page_when("commits", |page| {
        sum(page, "tenure_kafka_partition_committed_offset") == records as f64
    });
    assert_eq!(value(&page, "tenure_split_customers"), Some(0.0));
    // What 365 days are compared with lies before the kept history.
    let changes = [
        "tenure_nps_change_score",
        "tenure_nps_change_standard_error",
    ];
    assert_eq!(withheld(&page, "history_too_short"), changes);
    assert_eq!(of_metric(&page, "tenure_measures_withheld").count(), 2);
    let (code, _) = http::get(&format!("{}/-/ready", service.url), &[]).unwrap();
    assert_eq!(code, 200);
    service.ends_well_on(Signal::Terminate, Duration::from_secs(3));
}

/// Compares three scrapes with replays at the instants that they name; the number of values.
fn compare_scrapes(prometheus: &Prometheus, file: &Path, settings: &[&str]) -> usize {
    let mut compared = 0;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let (at, page) = eventually(DEADLINE, "another report in Prometheus", || {
            // A moment ago, so that the scrape is stored whole.
            let moment = now_millis() as f64 / 1000.0 - 2.0;
            let page = scraped(prometheus.query_at("{job=~\".+\"}", moment)?);
            let at = value(&page, "tenure_report_timestamp_seconds {}").ok_or("no report yet")?;
            if seen.contains(&at) {
                Err("the same report".to_owned())
            } else {
                Ok((at, page))
            }
        });
        seen.push(at);
        let expected = normal(&replay(file, &rfc3339(at), settings));
        for (series, expected) in &expected {
            assert_eq!(
                value(&page, series),
                Some(*expected),
                "{series} at {}",
                rfc3339(at)
            );
            compared += 1;
        }
        let domain: Vec<&str> = expected
            .keys()
            .filter_map(|key| key.split(' ').next())
            .collect();
        let unexpected: Vec<&String> = page
            .keys()
            .filter(|key| {
                key.split(' ')
                    .next()
                    .is_some_and(|name| domain.contains(&name))
            })
            .filter(|key| !expected.contains_key(*key))
            .collect();
        assert!(unexpected.is_empty(), "in Prometheus only: {unexpected:?}");
    }
    compared
}

fn producer() -> BaseProducer {
    Kafka::shared().client_config().create().unwrap()
}

/// A partition, a key and a value.
type Sent<'a> = (i32, Option<&'a str>, Option<Vec<u8>>);

/// Sends records to chosen partitions, in order.
fn send(topic: &str, records: &[Sent<'_>]) {
    let producer = producer();
    for (partition, key, value) in records {
        let mut record = BaseRecord::<str, [u8]>::to(topic).partition(*partition);
        if let Some(key) = key {
            record = record.key(*key);
        }
        if let Some(value) = value {
            record = record.payload(value.as_slice());
        }
        while let Err((error, again)) = producer.send(record) {
            assert!(error.to_string().contains("QueueFull"), "{error}");
            producer.poll(Duration::from_millis(50));
            record = again;
        }
    }
    producer.flush(DEADLINE).unwrap();
}

/// An event of a customer, so many days ago.
fn event(event_type: &str, customer: u32, days_ago: i64, more: &str) -> Vec<u8> {
    let at = now_millis() - days_ago * 86_400_000 - 1000;
    format!(
        r#"{{"event_id":"{event_type}-{customer}-{days_ago}","type":"{event_type}","customer_id":"c-{customer}","occurred_at":{at}{more}}}"#
    )
    .into_bytes()
}

fn withheld(page: &Page, reason: &str) -> Vec<String> {
    let mut measures: Vec<String> = of_metric(page, "tenure_measures_withheld")
        .filter(|(series, _)| series.contains(&format!("reason=\"{reason}\"")))
        .filter_map(|(series, _)| {
            let (_, rest) = series.split_once("measure=\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        })
        .collect();
    measures.sort();
    measures
}

/// What rests on seeing customers leave, without dimensions.
const LEAVING: [&str; 7] = [
    "tenure_churn_ratio",
    "tenure_cohort_retention_ratio",
    "tenure_departure_ratio",
    "tenure_departures_expected",
    "tenure_expected_lifetime_value",
    "tenure_nps_group_retention_ratio",
    "tenure_retention_ratio",
];

#[test]
fn without_a_churn_event_or_a_timeout_retention_is_withheld_and_the_log_says_so() {
    Kafka::shared().create_topic("no-churn", 2, &[]);
    let records: Vec<_> = (0..20)
        .map(|n| ((n % 2) as i32, None, Some(event("signup", n, 40, ""))))
        .collect();
    send("no-churn", &records);
    let service = Service::start("no-churn", &[]);
    let page = service.page_after(20);
    assert_eq!(withheld(&page, "no_churn_source"), LEAVING);
    assert_eq!(of_metric(&page, "tenure_retention_ratio").count(), 0);
    assert_eq!(value(&page, "tenure_customers"), Some(20.0));
    assert_eq!(
        value(&page, "tenure_customers_at_start{period=\"30d\"}"),
        Some(20.0)
    );
    service
        .process
        .wait_for_line("no churn event and no inactivity_timeout", DEADLINE);

    // One churn event makes churn observable, without a restart.
    send(
        "no-churn",
        &[(0, None, Some(event("churn", 0, 1, ",\"reason\":\"price\"")))],
    );
    let page = service.page_when("retention", |page| {
        value(page, "tenure_retention_ratio{period=\"30d\"}").is_some()
    });
    assert_eq!(
        value(&page, "tenure_retention_ratio{period=\"30d\"}"),
        Some(0.95)
    );
    assert_eq!(
        value(&page, "tenure_departures{period=\"30d\",reason=\"price\"}"),
        Some(1.0)
    );
    assert!(withheld(&page, "no_churn_source").is_empty());
}

#[test]
fn a_log_without_its_head_withholds_ratios_of_periods_before_the_base_is_complete() {
    let kafka = Kafka::shared();
    kafka.create_topic("no-head", 2, &[]);
    let records: Vec<_> = (0..40)
        .map(|n| ((n % 2) as i32, None, Some(event("signup", n, 40, ""))))
        .chain([(0, None, Some(event("churn", 0, 1, "")))])
        .collect();
    send("no-head", &records);
    kafka.delete_records("no-head", 0, 10);

    let service = Service::start("no-head", &[]);
    let page = service.page_after(31);
    assert_eq!(withheld(&page, "base_incomplete"), LEAVING);
    assert_eq!(of_metric(&page, "tenure_retention_ratio").count(), 0);
    service
        .process
        .wait_for_line("the log does not begin at its beginning", DEADLINE);
    service
        .process
        .wait_for_line("before every customer is known", DEADLINE);
    drop(service);

    let since = rfc3339(now_millis() as f64 / 1000.0 - 10.0 * 86_400.0);
    let setting = format!("customer_base_complete_since={since}");
    let service = Service::start("no-head", &[&setting]);
    let page = service.page_after(31);
    let periods: Vec<&str> = of_metric(&page, "tenure_retention_ratio")
        .map(|(series, _)| series)
        .collect();
    assert!(
        periods.contains(&"tenure_retention_ratio{period=\"7d\"}"),
        "{periods:?}"
    );
    assert!(
        !periods.contains(&"tenure_retention_ratio{period=\"30d\"}"),
        "{periods:?}"
    );
    assert_eq!(withheld(&page, "base_incomplete"), LEAVING);
}

#[test]
fn records_keyed_by_something_else_withhold_customer_measures_and_name_the_partitions() {
    Kafka::shared().create_topic("split", 3, &[]);
    let records: Vec<_> = (0..300_u32)
        .flat_map(|n| {
            let nps = event("survey_submitted", n, 3, ",\"survey\":\"nps\",\"score\":9");
            [
                ((n % 3) as i32, None, Some(event("signup", n, 40, ""))),
                // The order went where its own id led, not the customer's: partition 0 or 2.
                ((n % 2 * 2) as i32, None, Some(nps)),
            ]
        })
        .collect();
    send("split", &records);
    let service = Service::start("split", &["churn_events=complete"]);
    let page = service.page_after(600);
    let held_back = withheld(&page, "split_customers");
    assert!(
        held_back.contains(&"tenure_customers".to_owned()),
        "{held_back:?}"
    );
    assert!(
        held_back.contains(&"tenure_nps_score".to_owned()),
        "{held_back:?}"
    );
    assert_eq!(value(&page, "tenure_customers"), None);
    // Two thirds of the even and of the odd ones each: all of them are compared, they are few.
    assert_eq!(value(&page, "tenure_split_customers"), Some(200.0));
    // Answers are counted by event, so they are right wherever they lie.
    let promoters = "tenure_nps_responses{period=\"7d\",group=\"promoter\"}";
    assert_eq!(value(&page, promoters), Some(300.0));
    let line = service
        .process
        .wait_for_line("found in several partitions", DEADLINE);
    assert!(line.contains("partitions=[0, 1, 2]"), "{line}");
}

#[test]
fn each_damaged_record_is_counted_by_its_reason_and_everything_else_is_right() {
    Kafka::shared().create_topic("damaged", 2, &[]);
    let damaged: Vec<(&str, Vec<u8>)> = vec![
        ("invalid_json", b"{\"event_id\":".to_vec()),
        ("invalid_json", b"".to_vec()),
        ("invalid_json", b"{\"a\":1,\"a\":2}".to_vec()),
        ("invalid_utf8", b"{\"event_id\":\"\xff\"}".to_vec()),
        ("too_large", vec![b' '; 300 * 1024]),
        ("too_deep", format!("{{\"x\":{}{}}}", "[".repeat(70), "]".repeat(70)).into_bytes()),
        ("missing_field", b"{}".to_vec()),
        ("wrong_type", b"[1,2]".to_vec()),
        ("unknown_type", event("refund", 1, 1, "")),
        ("invalid_time", b"{\"event_id\":\"1\",\"type\":\"signup\",\"customer_id\":\"c\",\"occurred_at\":1762000000}".to_vec()),
        ("in_the_future", event("signup", 1, -2, "")),
        ("invalid_amount", event("purchase", 1, 1, ",\"amount\":\"-1\",\"currency\":\"EUR\"")),
        ("unknown_currency", event("purchase", 1, 1, ",\"amount\":1,\"currency\":\"eur\"")),
        ("score_out_of_range", event("survey_submitted", 1, 1, ",\"survey\":\"nps\",\"score\":11")),
        ("invalid_id", b"{\"event_id\":\"\",\"type\":\"signup\",\"customer_id\":\"c\",\"occurred_at\":1762000000000}".to_vec()),
    ];
    let mut records = Vec::new();
    for (n, (_, value)) in (0_u32..).zip(&damaged) {
        records.push((0, None, Some(value.clone())));
        records.push((0, None, Some(event("signup", n, 20, ""))));
        records.push((1, Some("gone"), None));
    }
    records.push((
        0,
        None,
        Some(event("churn", 3, 2, ",\"reason\":\"canary-7c1d\"")),
    ));
    records.push((
        0,
        None,
        Some(event("churn", 3, 2, ",\"reason\":\"canary-7c1d\"")),
    ));
    send("damaged", &records);

    let service = Service::start("damaged", &["churn_reasons=price"]);
    let page = service.page_after(records.len() as u64);
    let mut expected: BTreeMap<&str, f64> = BTreeMap::new();
    for (reason, _) in &damaged {
        *expected.entry(reason).or_default() += 1.0;
    }
    for (series, count) in of_metric(&page, "tenure_events_rejected_total") {
        let reason = series.split('"').nth(1).unwrap();
        assert_eq!(
            count,
            expected.get(reason).copied().unwrap_or(0.0),
            "{reason}"
        );
    }
    let good = damaged.len() as f64;
    for (outcome, count) in [
        ("rejected", good),
        ("tombstone", good),
        ("applied", good + 1.0),
        ("duplicate", 1.0),
        ("redundant", 0.0),
    ] {
        let series = format!("tenure_events_total{{outcome=\"{outcome}\"}}");
        assert_eq!(value(&page, &series), Some(count), "{outcome}");
    }
    assert_eq!(value(&page, "tenure_customers"), Some(good - 1.0));
    assert_eq!(
        value(&page, "tenure_departures{period=\"7d\",reason=\"other\"}"),
        Some(1.0)
    );
    // Nothing of a record gets into the log or, beyond the allow-list, onto the page.
    let (stderr, text) = (service.process.stderr(), format!("{page:?}"));
    for canary in ["canary-7c1d", "c-3", "signup-", "churn-3"] {
        assert!(
            !stderr.contains(canary) && !text.contains(canary),
            "{canary}"
        );
    }
    assert!(stderr.contains("rejected a record"), "{stderr}");
}

#[test]
fn topics_that_are_partitioned_alike_are_read_together() {
    let kafka = Kafka::shared();
    kafka.create_topic("together-customers", 3, &[]);
    kafka.create_topic("together-orders", 3, &[]);
    kafka.create_topic("together-surveys", 2, &[]);
    for n in 0..30 {
        let partition = (n % 3) as i32;
        send(
            "together-customers",
            &[(partition, None, Some(event("signup", n, 20, "")))],
        );
        let order = event("purchase", n, 2, ",\"amount\":\"5\",\"currency\":\"EUR\"");
        send("together-orders", &[(partition, None, Some(order))]);
    }
    let topics = "together-customers,together-orders";
    let service = Service::start(
        topics,
        &["customer_starts_with=purchase", "churn_events=complete"],
    );
    let page = service.page_after(60);
    assert_eq!(value(&page, "tenure_customers"), Some(30.0));
    assert_eq!(
        value(&page, "tenure_joined_customers{period=\"7d\"}"),
        Some(30.0)
    );
    assert_eq!(value(&page, "tenure_split_customers"), Some(0.0));
    assert_eq!(sum(&page, "tenure_assigned_partitions"), 6.0);
    drop(service);

    let service = Service::start("together-customers,together-surveys", &[]);
    let line = service
        .process
        .wait_for_line("different numbers of partitions", DEADLINE);
    assert!(line.contains("together-surveys: 2"), "{line}");
    let (code, _) = http::get(&format!("{}/-/ready", service.url), &[]).unwrap();
    assert_eq!(code, 503);
}

#[test]
fn a_service_without_a_broker_answers_and_says_so_and_ends_at_once() {
    let [nobody] = free_ports();
    let service = Service::start_at(&format!("127.0.0.1:{nobody}"), "customer-events", &[]);
    let page = service.page_when("the page", |page| !page.is_empty());
    assert_eq!(value(&page, "tenure_kafka_up"), Some(0.0));
    assert_eq!(value(&page, "tenure_customers"), None);
    let (code, body) = http::get(&format!("{}/-/ready", service.url), &[]).unwrap();
    assert_eq!(code, 503);
    assert!(body.contains("kafka_unreachable"), "{body}");
    assert_eq!(
        http::get(&format!("{}/-/healthy", service.url), &[])
            .unwrap()
            .0,
        200
    );
    service.process.wait_for_line("cannot read yet", DEADLINE);
    service.ends_well_on(Signal::Interrupt, Duration::from_secs(3));
}

#[test]
fn a_topic_that_comes_later_is_waited_for() {
    let service = Service::start("comes-later", &["churn_events=complete"]);
    service
        .process
        .wait_for_line("topic `comes-later` does not exist", DEADLINE);
    Kafka::shared().create_topic("comes-later", 1, &[]);
    send("comes-later", &[(0, None, Some(event("signup", 1, 1, "")))]);
    let page = service.page_after(1);
    assert_eq!(value(&page, "tenure_customers"), Some(1.0));
}

#[test]
fn markers_of_transactions_do_not_hold_back_the_report() {
    Kafka::shared().create_topic("transactions", 1, &[]);
    let mut config: ClientConfig = Kafka::shared().client_config();
    config.set("transactional.id", "test");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    for n in 0..4 {
        producer.begin_transaction().unwrap();
        let value = event("signup", n, 1, "");
        producer
            .send(BaseRecord::<str, [u8]>::to("transactions").payload(&value))
            .unwrap();
        producer.flush(DEADLINE).unwrap();
        if n % 2 == 0 {
            producer.commit_transaction(DEADLINE).unwrap();
        } else {
            producer.abort_transaction(DEADLINE).unwrap();
        }
    }
    let service = Service::start("transactions", &["churn_events=complete"]);
    let page = service.page_after(2);
    assert_eq!(value(&page, "tenure_customers"), Some(2.0));
    let page = service.page_when("no lag", |page| {
        sum(page, "tenure_kafka_partition_lag_records") == 0.0
    });
    assert_eq!(sum(&page, "tenure_events_total"), 2.0);
}

#[test]
fn records_deleted_before_they_were_read_withhold_everything() {
    let kafka = Kafka::shared();
    kafka.create_topic("lost", 1, &[]);
    let signups = |from, to| -> Vec<Sent<'static>> {
        (from..to)
            .map(|n| (0, None, Some(event("signup", n, 1, ""))))
            .collect()
    };
    send("lost", &signups(0, 10));
    let mut service = Service::start("lost", &["churn_events=complete"]);
    assert_eq!(
        value(&service.page_after(10), "tenure_customers"),
        Some(10.0)
    );

    service.process.send(Signal::Stop);
    eventually(DEADLINE, "the process to stand still", || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", service.process.pid()))
            .map_err(|error| error.to_string())?;
        if state.contains(") T ") {
            Ok(())
        } else {
            Err(state)
        }
    });
    // A fetch under way when the process stopped can still be answered, with the first of these.
    for from in [10, 20, 30] {
        send("lost", &signups(from, from + 10));
    }
    kafka.delete_records("lost", 0, 35);
    service.process.send(Signal::Continue);

    let page = service.page_when("degraded", |page| !withheld(page, "degraded").is_empty());
    assert!(withheld(&page, "degraded").contains(&"tenure_customers".to_owned()));
    assert_eq!(value(&page, "tenure_customers"), None);
    let line = service
        .process
        .wait_for_line("does not have the offset", DEADLINE);
    assert!(
        line.contains("partition=0") && line.contains("low=35"),
        "{line}"
    );
    let degraded = r#"tenure_shard_degraded{partition="0",reason="records_deleted"} 1"#;
    let scraped = http::get_ok(&format!("{}/metrics", service.url), &[]).unwrap();
    assert!(scraped.contains(degraded), "{scraped}");
    let (code, body) = http::get(&format!("{}/-/ready", service.url), &[]).unwrap();
    assert_eq!(code, 503, "{body}");
    assert!(body.contains("records_deleted"), "{body}");
    let report = format!("{}/api/v1/report", service.url);
    let (code, body) = http::get(&report, &[("at", &rfc3339(1_793_491_200.0))]).unwrap();
    assert!(code == 409 && body.contains("degraded"), "{code} {body}");
}

#[test]
fn a_check_says_what_is_in_the_topic_and_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    generate("checked", &folder.path().join("events.ndjson"), "3000");
    let (code, good) = check("checked", &[]);
    assert_eq!(code, 0, "{good}");
    for text in [
        "ok       brokers answer",
        "ok       topic checked: 6 partitions",
        "100.0 % of the records with a value are events",
        "no customer was seen in two partitions; 100.0 % of the keys are the customer id",
        "ok       churn is observable",
        "inactivity_timeout: ",
    ] {
        assert!(good.contains(text), "{text} is missing in\n{good}");
    }
    let (code, missing) = check("nowhere-to-be-found", &[]);
    assert_eq!(code, 69, "{missing}");

    Kafka::shared().create_topic("checked-odd", 2, &[("retention.ms", "604800000")]);
    let mut records: Vec<_> = (0..50)
        .map(|n| (0, None, Some(event("signup", n % 25, i64::from(n), ""))))
        .collect();
    records.push((1, None, Some(event("signup", 3, 90, ""))));
    records.push((1, None, Some(b"{}".to_vec())));
    send("checked-odd", &records);
    let (code, odd) = check("checked-odd", &[]);
    assert_eq!(code, 78, "{odd}");
    for text in [
        "error    1 of 25 customers have events in more than one partition ({0, 1})",
        "rejected: 1 with missing_field of `type`, the first at checked-odd partition 1 offset 1",
        "churn is not observable",
        "keeps records for 7 days only",
    ] {
        assert!(odd.contains(text), "{text} is missing in\n{odd}");
    }
    assert!(!odd.contains("c-3"), "{odd}");
}

fn check(topic: &str, more: &[&str]) -> (i32, String) {
    let servers = Kafka::shared().bootstrap_servers();
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["check", "--bootstrap-servers", servers, "--topics", topic])
        .args(more)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), text.concat())
}

#[test]
fn the_demo_serves_numbers_and_ends_within_two_seconds() {
    let [port] = free_ports();
    let listen = format!("127.0.0.1:{port}");
    let process = Process::tenure(&["demo", "--customers", "2000", "--listen", &listen]);
    let demo = Service {
        process,
        url: format!("http://{listen}"),
        port,
    };
    let page = demo.page_when("numbers", |page| {
        value(page, "tenure_customers").is_some_and(|customers| customers > 1000.0)
    });
    assert!(value(&page, "tenure_retention_ratio{period=\"30d\"}").is_some());
    assert!(value(&page, "tenure_nps_score{period=\"30d\"}").is_some());
    assert_eq!(of_metric(&page, "tenure_measures_withheld").count(), 0);
    let before = sum(&page, "tenure_events_total");
    demo.page_when("live events", |page| {
        sum(page, "tenure_events_total") > before + 10.0
    });
    demo.ends_well_on(Signal::Interrupt, Duration::from_secs(2));
}

#[test]
fn a_reader_that_goes_away_is_no_failure_of_generate() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["generate", "--customers", "50000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn wrong_configuration_ends_with_78_and_wrong_usage_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("tenure.yaml");
    let mut out = std::fs::File::create(&file).unwrap();
    out.write_all(b"listen: 127.0.0.1:0\ninactivity_timeuot: 90d\n")
        .unwrap();
    let exit = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(arguments)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let file = file.to_str().unwrap();
    for command in ["run", "check"] {
        let (code, text) = exit(&[command, "--config", file]);
        assert_eq!(code, 78, "{text}");
        assert!(
            text.contains("tenure.yaml:2:1") && text.contains("inactivity_timeout"),
            "{text}"
        );
    }
    assert_eq!(exit(&["run", "--nonsense"]).0, 2);
    assert_eq!(exit(&["replay", "/does/not/exist"]).0, 1);
}
