//! Dead letters against Apache Kafka: what is rejected is kept as it was, nothing durable passes what
//! is not kept yet, and what is valid after all finds its way back.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need a broker and the program alone")]
mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use tenure::event::Reason;
use tenure_librdkafka::{Outgoing, each_header, produce};

use real::kafka::Kafka;
use real::process::{Process, Signal};
use real::{eventually, free_ports, http};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_secs(90);

/// A header with its value.
type Header = (Vec<u8>, Option<Vec<u8>>);

/// A record as it is sent or found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Record {
    partition: i32,
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

/// Where a record was written: partition and offset.
type Place = (i32, i64);

#[derive(Default)]
struct Deliveries(Mutex<BTreeMap<usize, Place>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let message = result.as_ref().unwrap();
        let place = (message.partition(), message.offset());
        self.0.lock().unwrap().insert(number, place);
    }
}

/// Writes records, and answers where each went.
fn send(topic: &str, records: &[Record]) -> Vec<Place> {
    let producer: BaseProducer<Deliveries> = Kafka::shared()
        .client_config()
        .create_with_context(Deliveries::default())
        .unwrap();
    for (number, record) in records.iter().enumerate() {
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_deref()))
            .collect();
        let outgoing = Outgoing {
            topic,
            partition: Some(record.partition),
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        produce(&producer, &outgoing, number).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
    let places = producer.context().0.lock().unwrap();
    places.values().copied().collect()
}

/// All records of a topic, in the order of each partition.
fn read(topic: &str, partitions: i32) -> Vec<Record> {
    let kafka = Kafka::shared();
    let consumer: BaseConsumer = kafka
        .client_config()
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..partitions {
        let (low, high) = kafka.offsets(topic, partition);
        left += high - low;
        list.add_partition_offset(topic, partition, Offset::Offset(low))
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while left > 0 {
        assert!(Instant::now() < deadline, "{left} records are missing");
        let Some(message) = consumer.poll(Duration::from_millis(50)) else {
            continue;
        };
        let mut message = message.unwrap();
        let mut headers = Vec::new();
        each_header(&mut message, |name, value| {
            headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
        })
        .unwrap();
        records.push(Record {
            partition: message.partition(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        });
        left -= 1;
    }
    records.sort_by_key(|record| record.partition);
    records
}

/// A running service with its address.
struct Service {
    process: Process,
    url: String,
}

/// Samples of a page by series.
type Page = BTreeMap<String, f64>;

impl Service {
    fn start(topic: &str, group: &str, settings: &[&str]) -> Self {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        let group = format!("kafka.group_id={group}");
        let mut arguments = vec![
            "run",
            "--listen",
            &listen,
            "--bootstrap-servers",
            Kafka::shared().bootstrap_servers(),
            "--topics",
            topic,
        ];
        for setting in settings.iter().chain([&group.as_str()]) {
            arguments.extend(["--set", setting]);
        }
        Self {
            process: Process::tenure(&arguments),
            url: format!("http://{listen}"),
        }
    }

    /// Waits until the page has this condition, and returns it.
    #[track_caller]
    fn page_when(&self, what: &str, condition: impl Fn(&Page) -> bool) -> Page {
        self.process.wait_for(DEADLINE, what, || {
            let text = http::get_ok(&format!("{}/metrics", self.url), &[])?;
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let samples = lines.filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                Some((series.to_owned(), value.parse().ok()?))
            });
            let page: Page = samples.collect();
            if condition(&page) {
                Ok(page)
            } else {
                Err(format!("{page:#?}"))
            }
        })
    }

    fn ends(mut self) -> String {
        self.process.send(Signal::Terminate);
        assert_eq!(self.process.wait(DEADLINE), 0, "{}", self.process.tail());
        self.process.stderr()
    }
}

/// The sum over the series of a metric.
fn sum(page: &Page, metric: &str) -> u64 {
    let of_metric = |series: &str| series.split('{').next() == Some(metric);
    let values = page.iter().filter(|(series, _)| of_metric(series));
    values.map(|(_, value)| *value as u64).sum()
}

/// Whether so many letters are written and none waits.
fn kept(letters: usize) -> impl Fn(&Page) -> bool {
    move |page| {
        sum(page, "tenure_dead_letters_total") == letters as u64
            && page.get("tenure_dead_letters_pending") == Some(&0.0)
    }
}

/// Runs a command of the program, and returns its exit code and its outputs.
fn tenure(topic: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(arguments)
        .args(["--bootstrap-servers", Kafka::shared().bootstrap_servers()])
        .args(["--topics", topic])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// An event of a customer, so many days ago.
fn event(event_type: &str, customer: u32, days_ago: i64, more: &str) -> Vec<u8> {
    let at = now_millis() - days_ago * 86_400_000 - 1000;
    format!(
        r#"{{"event_id":"{event_type}-{customer}-{days_ago}","type":"{event_type}","customer_id":"c-{customer}","occurred_at":{at}{more}}}"#
    )
    .into_bytes()
}

fn record(value: Vec<u8>) -> Record {
    Record {
        timestamp: Some(now_millis()),
        value: Some(value),
        ..Record::default()
    }
}

fn header(name: &[u8], value: &[u8]) -> Header {
    (name.to_vec(), Some(value.to_vec()))
}

/// A record for each reason that there is without a mapping, and the field that is to blame.
fn rejected_records() -> Vec<(Reason, Option<&'static str>, Vec<u8>)> {
    let raw = |text: &str| text.as_bytes().to_vec();
    vec![
        (Reason::InvalidJson, None, raw("not json")),
        (
            Reason::InvalidUtf8,
            None,
            b"{\"event_id\":\"\xff\"}".to_vec(),
        ),
        (Reason::TooLarge, None, vec![b' '; 300 * 1024]),
        (
            Reason::TooDeep,
            None,
            raw(&format!("{{\"x\":{}{}}}", "[".repeat(70), "]".repeat(70))),
        ),
        (
            Reason::MissingField,
            Some("type"),
            raw("{\"event_id\":\"1\"}"),
        ),
        (Reason::WrongType, None, raw("[1,2]")),
        (Reason::UnknownType, Some("type"), event("refund", 1, 1, "")),
        (
            Reason::InvalidTime,
            Some("occurred_at"),
            raw(r#"{"event_id":"1","type":"signup","customer_id":"c","occurred_at":1762000000}"#),
        ),
        (
            Reason::InTheFuture,
            Some("occurred_at"),
            event("signup", 1, -2, ""),
        ),
        (
            Reason::InvalidAmount,
            Some("amount"),
            event("purchase", 1, 1, r#","amount":"-1","currency":"EUR""#),
        ),
        (
            Reason::UnknownCurrency,
            Some("currency"),
            event("purchase", 1, 1, r#","amount":1,"currency":"POINTS""#),
        ),
        (
            Reason::ScoreOutOfRange,
            Some("score"),
            event("survey_submitted", 1, 1, r#","survey":"nps","score":11"#),
        ),
        (
            Reason::InvalidId,
            Some("event_id"),
            raw(r#"{"event_id":"","type":"signup","customer_id":"c","occurred_at":1762000000000}"#),
        ),
    ]
}

#[test]
fn a_record_rejected_for_any_reason_is_kept_with_all_its_bytes() {
    let kafka = Kafka::shared();
    kafka.create_topic("strange", 3, &[]);
    // One partition less than the source: the key decides where the third goes.
    kafka.create_topic("strange-rejected", 2, &[]);
    let rejected = rejected_records();
    let reasons: BTreeSet<Reason> = rejected.iter().map(|(reason, _, _)| *reason).collect();
    assert_eq!(reasons.len(), Reason::ALL.len() - 1, "all but `unmapped`");

    let mut records = Vec::new();
    for (number, (_, _, value)) in (0..).zip(&rejected) {
        records.push(Record {
            partition: number % 3,
            timestamp: Some(now_millis() - i64::from(number)),
            key: match number % 3 {
                0 => None,
                1 => Some(Vec::new()),
                _ => Some(b"\x00\xff key".to_vec()),
            },
            value: Some(value.clone()),
            headers: match number % 4 {
                0 => Vec::new(),
                1 => vec![
                    header(b"\xff\xfe no text", b"\x00\x01\xff"),
                    (b"null".to_vec(), None),
                    header(b"", b""),
                ],
                // What Tenure adds must not be mixed up with what was there.
                2 => vec![header(b"tenure-reason", b"mine"), header(b"twice", b"1")],
                _ => vec![header(b"twice", b"1"), header(b"twice", b"2")],
            },
        });
    }
    let places = send("strange", &records);
    // Between them what is not rejected: it is no letter.
    let good: Vec<Record> = (0..50)
        .map(|n| record(event("signup", n, 20, "")))
        .collect();
    send("strange", &good);
    send("strange", &[Record::default()]);

    let service = Service::start(
        "strange",
        "strange",
        &["dead_letters.topic=strange-rejected"],
    );
    let page = service.page_when("all letters", kept(records.len()));
    for (reason, _, _) in &rejected {
        let name = reason.name();
        let series = format!("tenure_dead_letters_total{{reason=\"{name}\",topic=\"strange\"}}");
        assert_eq!(page.get(&series), Some(&1.0), "{series}");
    }
    assert_eq!(sum(&page, "tenure_dead_letter_failures_total"), 0);
    let letters = read("strange-rejected", 2);
    assert_eq!(letters.len(), records.len());
    for ((record, (partition, offset)), (reason, field, _)) in
        records.iter().zip(&places).zip(&rejected)
    {
        let of_value = |letter: &&Record| letter.value == record.value;
        let letter = letters.iter().find(of_value).unwrap();
        let mut headers = record.headers.clone();
        headers.push(header(b"tenure-reason", reason.name().as_bytes()));
        headers.extend(field.map(|field| header(b"tenure-field", field.as_bytes())));
        headers.push(header(b"tenure-source-topic", b"strange"));
        headers.push(header(
            b"tenure-source-partition",
            partition.to_string().as_bytes(),
        ));
        headers.push(header(
            b"tenure-source-offset",
            offset.to_string().as_bytes(),
        ));
        let expected = Record {
            partition: if *partition < 2 {
                *partition
            } else {
                letter.partition
            },
            headers,
            ..record.clone()
        };
        assert_eq!(*letter, expected, "{}", reason.name());
    }
    let log = service.ends();
    assert!(log.contains("strange-rejected"), "{log}");
    assert!(
        !log.contains("c-1") && !log.contains("no dead-letter topic"),
        "{log}"
    );
}

/// The committed offset of partition 0; nothing if there is none.
fn committed(topic: &str, group: &str) -> Option<i64> {
    let consumer: BaseConsumer = Kafka::shared()
        .client_config()
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    let committed = consumer.committed_offsets(list, DEADLINE).unwrap();
    match committed.elements()[0].offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

#[test]
fn no_position_passes_a_record_that_the_topic_does_not_have_yet() {
    let kafka = Kafka::shared();
    kafka.create_topic("waiting", 1, &[]);
    let good = |n| record(event("signup", n, 20, ""));
    let mut records: Vec<Record> = (0..7).map(good).collect();
    records.push(record(b"rejected".to_vec()));
    records.extend((10..30).map(good));
    send("waiting", &records);

    let service = Service::start(
        "waiting",
        "waiting",
        &["dead_letters.topic=waiting-rejected"],
    );
    // Folding goes on: the numbers are those of all records.
    let page = service.page_when("all customers", |page| {
        page.get("tenure_customers") == Some(&27.0)
    });
    assert_eq!(page.get("tenure_dead_letters_pending"), Some(&1.0));
    eventually(DEADLINE, "a commit", || {
        let committed = committed("waiting", "waiting");
        committed.map(|_| ()).ok_or_else(|| "none".to_owned())
    });
    // More is read and committed, but not past the letter.
    send("waiting", &[good(40)]);
    let ends = service.page_when("one more customer", |page| {
        page.get("tenure_customers") == Some(&28.0)
    });
    let lag = "tenure_kafka_partition_lag_records{topic=\"waiting\",partition=\"0\"}";
    assert_eq!(ends.get(lag), Some(&0.0));
    let commits = "tenure_kafka_partition_committed_offset{topic=\"waiting\",partition=\"0\"}";
    service.page_when("the commit to be seen", |page| {
        page.get(commits) == Some(&7.0)
    });
    assert_eq!(committed("waiting", "waiting"), Some(7));
    let line = service.process.wait_for_line("cannot be written", DEADLINE);
    assert!(
        line.contains("waiting-rejected") && line.contains("does not exist"),
        "{line}"
    );

    // A crash loses nothing: what is read again is rejected again.
    drop(service);
    let service = Service::start(
        "waiting",
        "waiting",
        &["dead_letters.topic=waiting-rejected"],
    );
    service.page_when("the letter to wait again", |page| {
        page.get("tenure_dead_letters_pending") == Some(&1.0)
    });
    kafka.create_topic("waiting-rejected", 1, &[]);
    service.page_when("the letter", kept(1));
    assert_eq!(read("waiting-rejected", 1).len(), 1);
    eventually(DEADLINE, "a commit of everything", || {
        match committed("waiting", "waiting") {
            Some(29) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let log = service.ends();
    assert!(log.contains("takes records again"), "{log}");
}

#[test]
fn a_missing_topic_holds_up_neither_what_is_valid_nor_the_end() {
    Kafka::shared().create_topic("quiet", 1, &[]);
    let good: Vec<Record> = (0..500)
        .map(|n| record(event("signup", n, 20, "")))
        .collect();
    send("quiet", &good);
    let settings = ["dead_letters.topic=quiet-rejected", "shutdown_grace=4s"];
    let service = Service::start("quiet", "quiet", &settings);
    service.page_when("all customers", |page| {
        page.get("tenure_customers") == Some(&500.0)
    });
    let commits = "tenure_kafka_partition_committed_offset{topic=\"quiet\",partition=\"0\"}";
    service.page_when("all to be committed", |page| {
        page.get(commits) == Some(&500.0)
    });
    send("quiet", &[record(b"rejected".to_vec())]);
    service.page_when("the letter to wait", |page| {
        page.get("tenure_dead_letters_pending") == Some(&1.0)
    });
    let asked = Instant::now();
    service.ends();
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(committed("quiet", "quiet"), Some(500));
}

#[test]
fn a_record_too_large_for_the_topic_is_given_up_and_no_other_with_it() {
    let kafka = Kafka::shared();
    kafka.create_topic("large", 1, &[]);
    kafka.create_topic("large-rejected", 1, &[("max.message.bytes", "2000")]);
    let mut records: Vec<Record> = (0..40).map(|n| record(vec![b'a' + n % 20; 300])).collect();
    records[17].value = Some(vec![b'.'; 5000]);
    let places = send("large", &records);

    let service = Service::start("large", "large", &["dead_letters.topic=large-rejected"]);
    let page = service.page_when("all other letters", kept(39));
    assert_eq!(sum(&page, "tenure_dead_letter_failures_total"), 1);
    let values = |records: &[Record]| {
        let mut values: Vec<_> = records.iter().map(|record| record.value.clone()).collect();
        values.sort();
        values
    };
    let letters = read("large-rejected", 1);
    records.remove(17);
    assert_eq!(values(&letters), values(&records));
    let log = service.ends();
    let line = log
        .lines()
        .find(|line| line.contains("is too large"))
        .unwrap();
    assert!(line.contains(&format!("offset={}", places[17].1)), "{line}");
}

#[test]
fn letters_are_listed_and_those_that_are_valid_by_now_go_back() {
    let kafka = Kafka::shared();
    kafka.create_topic("points", 2, &[]);
    kafka.create_topic("points-rejected", 2, &[]);
    let mut records: Vec<Record> = (0..10)
        .map(|n| record(event("signup", n, 20, "")))
        .collect();
    for n in 0..10 {
        let value = event("purchase", n, 5, r#","amount":"2.50","currency":"POINTS""#);
        records.push(Record {
            key: Some(b"\xff".to_vec()),
            headers: vec![header(b"\xfe", b"1"), (b"\xfe".to_vec(), None)],
            ..record(value)
        });
        records.push(record(event(
            "survey_submitted",
            n,
            5,
            r#","survey":"nps""#,
        )));
    }
    for (n, record) in (0..).zip(&mut records) {
        // Ten sign-ups, then an order and an answer of each in turn.
        let customer = if n < 10 { n } else { (n - 10) / 2 };
        record.partition = customer % 2;
    }
    let source = records.len();
    send("points", &records);
    let letters = "dead_letters.topic=points-rejected";
    let service = Service::start("points", "points", &[letters]);
    service.page_when("the letters", kept(20));
    service.ends();

    // The list, without a word of a record.
    let list = |more: &[&str]| {
        let arguments = [&["dead-letters", "list", "--set", letters], more].concat();
        let (code, out, err) = tenure("points", &arguments);
        assert_eq!(code, 0, "{err}");
        (out, err)
    };
    let (out, _) = list(&[]);
    assert_eq!(out.lines().count(), 21, "{out}");
    assert!(
        out.contains("unknown_currency") && out.contains("missing_field"),
        "{out}"
    );
    assert!(
        !out.contains("c-3") && !out.contains("customer_id"),
        "{out}"
    );
    let only = ["--reason", "unknown_currency", "--format", "json"];
    let (out, _) = list(&only);
    let lines: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 10);
    for line in &lines {
        assert_eq!(line["reason"], "unknown_currency");
        assert_eq!(
            (&line["field"], &line["topic"]),
            (&"currency".into(), &"points".into())
        );
        assert!(
            line["offset"].is_i64() && line.get("value").is_none(),
            "{line}"
        );
    }
    let (out, err) = list(&[&only[..], &["--limit", "3", "--show-values"]].concat());
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(
        out.contains("POINTS") && err.contains("there are more"),
        "{out}{err}"
    );

    // Nothing is valid under the same configuration, and a dry run writes nothing.
    let replay = |more: &[&str]| {
        let arguments = [&["dead-letters", "replay", "--set", letters], more].concat();
        let (code, out, err) = tenure("points", &arguments);
        assert_eq!(code, 0, "{err}");
        let numbers =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        out.lines().map(numbers).collect::<Vec<_>>()
    };
    let all = |valid: &str, rejected: &str| ["all", valid, rejected, "0"].map(str::to_owned);
    assert_eq!(replay(&[]).last().unwrap(), &all("0", "20"));
    let corrected = ["--set", "currencies=POINTS"];
    let dry = [&corrected[..], &["--dry-run"]].concat();
    assert_eq!(replay(&dry).last().unwrap(), &all("10", "10"));
    assert_eq!(read("points", 2).len(), source);

    // Those that are valid go back as they were, as often as one likes.
    for times in 1..=2 {
        let table = replay(&corrected);
        assert!(
            table.contains(
                &["unknown_currency", "10", "0", "0"]
                    .map(str::to_owned)
                    .to_vec()
            )
        );
        let found = read("points", 2);
        assert_eq!(found.len(), source + 10 * times);
        let orders: Vec<&Record> = records
            .iter()
            .filter(|record| record.key.is_some())
            .collect();
        for order in orders {
            let same = found.iter().filter(|record| *record == order).count();
            assert_eq!(same, 1 + times, "{order:?}");
        }
    }
    let service = Service::start("points", "again", &["currencies=POINTS"]);
    let page = service.page_when("all records", |page| {
        sum(page, "tenure_events_total") == (source + 20) as u64
            && page.contains_key("tenure_revenue{period=\"30d\",currency=\"POINTS\"}")
    });
    let revenue = |page: &Page| {
        page.get("tenure_revenue{period=\"30d\",currency=\"POINTS\"}")
            .copied()
    };
    assert_eq!(revenue(&page), Some(25.0));
    service.ends();
}

#[test]
fn the_commands_say_what_is_missing() {
    Kafka::shared().create_topic("nothing", 1, &[]);
    for command in ["list", "replay"] {
        let (code, _, err) = tenure("nothing", &["dead-letters", command]);
        assert_eq!(code, 78, "{err}");
        assert!(err.contains("dead_letters.topic is not set"), "{err}");
        let letters = ["--set", "dead_letters.topic=not-there"];
        let (code, _, err) = tenure(
            "nothing",
            &[&["dead-letters", command], &letters[..]].concat(),
        );
        assert_eq!(code, 69, "{err}");
        assert!(err.contains("`not-there` does not exist"), "{err}");
    }
}
