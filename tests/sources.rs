//! Topics of several shapes against Apache Kafka: mapped JSON with headers, CloudEvents and native
//! events together are what the same facts are as native events, through ends, starts and changes of
//! a mapping.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need a broker and the program alone")]
mod real;
#[expect(
    dead_code,
    reason = "these tests degrade no shard and send with headers"
)]
mod service;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use real::folder::KeptFolder;
use real::kafka::Kafka;
use service::{DEADLINE, Installation, Page, Service, now};

const PARTITIONS: i32 = 3;
const CUSTOMERS: i64 = 90;
const DAY: i64 = 86_400_000;

const SETTINGS: [&str; 2] = ["periods=7d,30d", "dimensions=plan"];

/// A record to send.
#[derive(Default)]
struct Sent {
    topic: String,
    partition: i32,
    key: Option<String>,
    headers: Vec<(&'static str, String)>,
    value: Option<String>,
}

/// What every part of the records becomes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcomes {
    events: i64,
    skipped: i64,
    duplicates: i64,
    unmapped: i64,
    incomplete: i64,
    tombstones: i64,
}

/// Facts, as records of three topics and as lines of native events.
struct Shop {
    /// People as CloudEvents, orders as JSON with headers, feedback as native events.
    topics: [String; 3],
    rejected: String,
    folder: KeptFolder,
    records: Vec<Sent>,
    native: Vec<String>,
    outcomes: Outcomes,
    /// Records of which some part is rejected.
    letters: i64,
}

impl Shop {
    fn open(name: &str) -> Self {
        let topic = |what: &str| format!("{name}-{what}");
        let mut shop = Self {
            topics: ["people", "orders", "feedback"].map(topic),
            rejected: topic("rejected"),
            folder: KeptFolder::new("shop"),
            records: Vec::new(),
            native: Vec::new(),
            outcomes: Outcomes::default(),
            letters: 0,
        };
        for topic in shop.topics.iter().chain([&shop.rejected]) {
            Kafka::shared().create_topic(topic, PARTITIONS, &[]);
        }
        let today = (now() * 1000.0) as i64;
        for customer in 0..CUSTOMERS {
            shop.customer(customer, today - 60 * DAY + customer * 7_000_000);
        }
        let lines = shop.native.join("\n");
        fs::write(shop.file("native.ndjson"), lines).unwrap();
        shop
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn send(
        &mut self,
        topic: usize,
        customer: i64,
        headers: Vec<(&'static str, String)>,
        value: String,
    ) {
        self.records.push(Sent {
            topic: self.topics[topic].clone(),
            partition: (customer % i64::from(PARTITIONS)) as i32,
            key: Some(format!("k-{customer}")),
            headers,
            value: Some(value),
        });
    }

    /// A fact as a native event.
    fn fact(&mut self, kind: &str, id: &str, customer: i64, at: i64, rest: &str) -> String {
        let event = format!(
            r#"{{"event_id":"{id}","type":"{kind}","customer_id":"c-{customer}","occurred_at":{at}{rest}}}"#
        );
        self.native.push(event.clone());
        self.outcomes.events += 1;
        event
    }

    fn customer(&mut self, customer: i64, at: i64) {
        self.signs_up(customer, at);
        for order in 0..customer % 4 {
            self.orders(customer, order, at + (order + 1) * 5 * DAY);
        }
        if customer % 3 == 0 {
            let (id, at) = (format!("answer-{customer}"), at + 20 * DAY);
            let rest = format!(r#","survey":"nps","score":{}"#, customer % 11);
            let event = self.fact("survey_submitted", &id, customer, at, &rest);
            self.send(2, customer, Vec::new(), event);
        }
        if customer % 5 == 0 {
            let (id, at) = (format!("gone-{customer}"), at + 30 * DAY);
            let event = self.fact("churn", &id, customer, at, r#","reason":"price""#);
            self.send(2, customer, Vec::new(), event);
        }
    }

    /// Every other one as a structured CloudEvent, the others as binary ones.
    fn signs_up(&mut self, customer: i64, at: i64) {
        let plan = ["free", "pro"][(customer % 2) as usize];
        let rest = format!(r#","attributes":{{"plan":"{plan}"}}"#);
        let id = format!("/people:{customer}");
        self.fact("signup", &id, customer, at, &rest);
        let time = jiff::Timestamp::from_millisecond(at).unwrap().to_string();
        let data = format!(r#"{{"tier":"{plan}","name":"Somebody {customer}"}}"#);
        if customer % 2 == 0 {
            let kind = (
                "content-type",
                "Application/CloudEvents+JSON; charset=utf-8".to_owned(),
            );
            let value = format!(
                r#"{{"specversion":"1.0","id":"{customer}","source":"/people","type":"created","subject":"c-{customer}","time":"{time}","data":{data}}}"#
            );
            self.send(0, customer, vec![kind], value);
        } else {
            let headers = [
                ("ce_specversion", "1.0".to_owned()),
                ("ce_id", customer.to_string()),
                ("ce_source", "/people".to_owned()),
                ("ce_type", "created".to_owned()),
                ("ce_subject", format!("c-{customer}")),
                ("ce_time", time),
            ];
            self.send(0, customer, headers.into(), data);
        }
        if customer % 9 == 0 {
            let headers = vec![("ce_type", "renamed".to_owned()), ("ce_id", "1".to_owned())];
            self.send(0, customer, headers, "{}".to_owned());
            self.outcomes.unmapped += 1;
            self.letters += 1;
        }
    }

    /// An order of two payments comes when it is created, when it is paid, and sometimes again.
    fn orders(&mut self, customer: i64, order: i64, at: i64) {
        let number = format!("{customer}-{order}");
        let at = at / 1000;
        let mut payments = Vec::new();
        for (payment, cents) in [(1, 1299 + customer), (2, 250)] {
            let rest = format!(
                r#","amount":"{}.{:02}","currency":"EUR""#,
                cents / 100,
                cents % 100
            );
            let id = format!("{number}/{payment}");
            self.fact("purchase", &id, customer, at * 1000, &rest);
            payments.push(format!(
                r#"{{"id":{payment},"paid_at":{at},"total_cents":{cents},"currency":"eur"}}"#
            ));
        }
        let broken = customer % 10 == 7;
        if broken {
            payments.insert(1, format!(r#"{{"id":3,"paid_at":{at},"currency":"eur"}}"#));
            payments.push(format!(r#"{{"id":4,"paid_at":{at},"total_cents":5}}"#));
        }
        let value = format!(
            r#"{{"order":{{"number":"{number}","buyer":{{"id":{customer}}}}},"payments":[{}]}}"#,
            payments.join(",")
        );
        let again = if customer % 8 == 3 { 2 } else { 1 };
        let what = |event: &str| vec![("shop-EVENT", event.to_owned())];
        self.send(1, customer, what("order.created"), value.clone());
        self.outcomes.skipped += 1;
        for _ in 0..again {
            self.send(1, customer, what("order.paid"), value.clone());
            self.outcomes.incomplete += if broken { 2 } else { 0 };
            self.letters += i64::from(broken);
        }
        self.outcomes.duplicates += (again - 1) * 2;
    }

    fn null_values(&mut self) {
        self.records.push(Sent {
            topic: self.topics[1].clone(),
            ..Sent::default()
        });
        self.outcomes.tombstones += 1;
        // A binary CloudEvent without data is an event all the same, and this one says no time.
        let headers = [
            ("ce_type", "created"),
            ("ce_id", "x"),
            ("ce_subject", "c-x"),
        ];
        self.records.push(Sent {
            topic: self.topics[0].clone(),
            headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
            ..Sent::default()
        });
        self.outcomes.incomplete += 1;
        self.letters += 1;
    }

    fn produce(&self) {
        let producer: BaseProducer = Kafka::shared().client_config().create().unwrap();
        for record in &self.records {
            let mut headers = OwnedHeaders::new();
            for (key, value) in &record.headers {
                headers = headers.insert(Header {
                    key,
                    value: Some(value),
                });
            }
            let mut sent = BaseRecord::<str, str>::to(&record.topic)
                .partition(record.partition)
                .headers(headers);
            if let Some(key) = &record.key {
                sent = sent.key(key);
            }
            if let Some(value) = &record.value {
                sent = sent.payload(value);
            }
            producer.send(sent).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
    }

    /// Writes a configuration; `otherwise` is what becomes of what no rule takes.
    fn configure(&self, otherwise: &str) -> String {
        let [people, orders, _] = &self.topics;
        let text = format!(
            r#"
dead_letters: {{ topic: {rejected} }}
sources:
  {people}: {{ mapping: people.yaml, options: {{ created: created }} }}
  {orders}:
    skip: {{ header.Shop-Event: order.created }}
    events:
      - when: {{ header.Shop-Event: order.paid }}
        each: value.payments
        type: purchase
        event_id: {{ join: [value.order.number, item.id], with: / }}
        customer_id: {{ join: [{{ text: c }}, value.order.buyer.id], with: "-" }}
        occurred_at: {{ from: item.paid_at, as: seconds }}
        amount: {{ from: item.total_cents, unit: minor }}
        currency: {{ from: item.currency, case: upper }}
"#,
            rejected = self.rejected,
        );
        let people = format!(
            r#"
options: {{ created: {{ about: the type of a new customer }} }}
envelope: cloudevents
otherwise: {otherwise}
events:
  - when: {{ ce.type: "${{created}}" }}
    type: signup
    event_id: {{ join: [ce.source, ce.id] }}
    customer_id: ce.subject
    occurred_at: ce.time
    attributes: {{ plan: ce.data.tier }}
"#
        );
        fs::write(self.file("people.yaml"), people).unwrap();
        let file = self.file("tenure.yaml");
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// What the counters of a service that has read everything say.
    #[track_caller]
    fn check_counters(&self, page: &Page) {
        let outcome = |name: &str| {
            let series = format!("tenure_events_total{{outcome=\"{name}\"}}");
            page.value(&series).unwrap_or(0.0) as i64
        };
        let reason = |name: &str| {
            let series = format!("tenure_events_rejected_total{{reason=\"{name}\"}}");
            page.value(&series).unwrap_or(0.0) as i64
        };
        let found = Outcomes {
            events: outcome("applied") + outcome("redundant"),
            skipped: outcome("skipped"),
            duplicates: outcome("duplicate"),
            unmapped: reason("unmapped"),
            incomplete: reason("missing_field"),
            tombstones: outcome("tombstone"),
        };
        assert_eq!(found, self.outcomes);
        assert_eq!(
            outcome("rejected"),
            self.outcomes.unmapped + self.outcomes.incomplete
        );
    }

    /// Holds the page against a replay of the native events, series by series.
    #[track_caller]
    fn check_numbers(&self, service: &Service, installation: &Installation) -> Page {
        let page = service.page_at(self.records.len() as i64);
        let replay = installation.replay(&self.file("native.ndjson"), page.time());
        let compared = page.same_numbers(&replay);
        assert!(compared > 50, "{compared} numbers");
        page
    }

    /// Letters that are written by now.
    fn letters(&self) -> i64 {
        let kafka = Kafka::shared();
        let ends = (0..PARTITIONS).map(|partition| kafka.offsets(&self.rejected, partition).1);
        ends.sum()
    }
}

fn run(installation: &Installation, config: &str, topics: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.env("TENURE_STATE_URL", installation.state.path());
    command
        .args(words)
        .args(["--config", config, "--topics", topics]);
    command.args(["--bootstrap-servers", Kafka::shared().bootstrap_servers()]);
    command.args(["--set", "churn_events=complete"]);
    for setting in SETTINGS {
        command.args(["--set", setting]);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{error}")
}

#[test]
fn three_shapes_of_topics_give_the_numbers_of_native_events_through_restarts_and_changes() {
    let mut shop = Shop::open("shapes");
    shop.null_values();
    shop.produce();
    let config = shop.configure("unmapped");
    let topics = shop.topics.join(",");
    let servers = Kafka::shared().bootstrap_servers();
    let installation = Installation::new(servers, &topics, &SETTINGS);
    let arguments = ["--config", config.as_str()];

    let service = installation.start_with(&arguments, |_| {});
    let page = shop.check_numbers(&service, &installation);
    shop.check_counters(&page);
    service.page_when("all letters", |page| {
        page.sum("tenure_dead_letters_total") == shop.letters as f64
    });
    assert_eq!(shop.letters(), shop.letters, "one letter for each record");
    let listed = run(&installation, &config, &topics, &["dead-letters", "list"]);
    assert!(text(&listed).contains("missing_field"), "{}", text(&listed));
    service.page_when("checkpoints of everything", |_| {
        let ends = (0..PARTITIONS).map(|partition| {
            let offsets = installation.checkpoint_offsets(partition);
            offsets.last().copied().unwrap_or(0)
        });
        ends.sum::<i64>() == shop.records.len() as i64
    });
    service.ends_well();

    // From its checkpoints: nothing is read again.
    let service = installation.start_with(&arguments, |_| {});
    let page = shop.check_numbers(&service, &installation);
    assert_eq!(page.sum("tenure_events_total"), 0.0);
    service.ends_well();
    let verified = run(
        &installation,
        &config,
        &topics,
        &["verify", "--from-beginning"],
    );
    assert!(verified.status.success(), "{}", text(&verified));

    // Another mapping is another state: all is read again, and counted by the new rules.
    shop.configure("skipped");
    shop.outcomes.skipped += shop.outcomes.unmapped;
    shop.outcomes.unmapped = 0;
    let service = installation.start_with(&arguments, |_| {});
    let page = shop.check_numbers(&service, &installation);
    shop.check_counters(&page);
    service.ends_well();

    // What the old rules rejected would be taken now, but not what is still incomplete.
    let replayed = run(
        &installation,
        &config,
        &topics,
        &["dead-letters", "replay", "--dry-run"],
    );
    let shown = text(&replayed);
    let row = |name: &str| -> Vec<i64> {
        let line = shown
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not in\n{shown}"));
        line.split_whitespace()
            .skip(1)
            .map(|number| number.parse().unwrap())
            .collect()
    };
    assert_eq!(row("unmapped"), [10, 0, 0]);
    assert_eq!(row("missing_field")[0], 0);
    assert!(row("missing_field")[1] > 10, "{shown}");
}

#[test]
fn a_check_says_of_each_topic_what_maps_and_what_does_not() {
    let shop = Shop::open("checked");
    shop.produce();
    let config = shop.configure("unmapped");
    let topics = shop.topics.join(",");
    let servers = Kafka::shared().bootstrap_servers();
    let installation = Installation::new(servers, &topics, &SETTINGS);
    let checked = text(&run(&installation, &config, &topics, &["check"]));
    for expected in [
        "source of checked-people: { mapping: people.yaml, options: { created: created } }, 1 rules",
        "checked-people, mapped: 90.0 % of the records with a value are events: 90 signup",
        "unmapped, the first at checked-people partition",
        "checked-orders, mapped: 86.9 % of the records with a value are events:",
        "missing_field of `amount`",
        "are skipped by the mapping",
        "checked-feedback, native: 100.0 %",
    ] {
        assert!(checked.contains(expected), "{expected}\n{checked}");
    }
    let mistaken = fs::read_to_string(&config)
        .unwrap()
        .replace("order.paid", "order.payed");
    fs::write(&config, mistaken).unwrap();
    let checked = run(&installation, &config, &topics, &["check"]);
    assert!(!checked.status.success());
    let expected = "checked-orders, mapped: none of the records becomes an event";
    assert!(text(&checked).contains(expected), "{}", text(&checked));
}

#[test]
fn lines_of_a_file_can_be_values_of_a_mapped_topic() {
    let folder = KeptFolder::new("lines");
    let write = |name: &str, text: &str| -> PathBuf {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let mapped = write(
        "mapped.ndjson",
        "{\"made\":{\"id\":1,\"who\":7,\"day\":20750}}\n{\"made\":{\"id\":2,\"who\":8,\"day\":20751}}\n{\"lost\":{}}\n",
    );
    let native = write(
        "native.ndjson",
        "{\"event_id\":\"1\",\"type\":\"signup\",\"customer_id\":\"7\",\"occurred_at\":1792800000000}\n\
         {\"event_id\":\"2\",\"type\":\"signup\",\"customer_id\":\"8\",\"occurred_at\":1792886400000}\n",
    );
    let config = write(
        "tenure.yaml",
        "sources:\n  customer-events:\n    otherwise: skipped\n    events:\n      - when: { value.made: { present: true } }\n        \
         type: signup\n        event_id: value.made.id\n        customer_id: value.made.who\n        \
         occurred_at: { from: value.made.day, as: days }\n",
    );
    let replay = |file: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command
            .args(["replay", "--config"])
            .arg(&config)
            .args(more)
            .arg(file);
        command.output().unwrap()
    };
    let by_mapping = replay(&mapped, &["--source", "customer-events"]);
    let plain = replay(&native, &[]);
    assert!(by_mapping.status.success(), "{}", text(&by_mapping));
    assert_eq!(by_mapping.stdout, plain.stdout);
    assert!(
        text(&by_mapping).contains("2 applied"),
        "{}",
        text(&by_mapping)
    );
    assert!(
        text(&by_mapping).contains("1 skipped"),
        "{}",
        text(&by_mapping)
    );
    let stranger = replay(&mapped, &["--source", "customers"]);
    assert_eq!(stranger.status.code(), Some(2));
    let expected = "none of kafka.topics, which are customer-events";
    assert!(text(&stranger).contains(expected), "{}", text(&stranger));
}
