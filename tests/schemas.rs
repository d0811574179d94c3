//! Records with schemas: Avro, Protobuf and JSON behind ids of a real schema registry, through Apache
//! Kafka, against the same events as the program itself would have them; with schemas that change,
//! and a registry that is away.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "these tests need a broker, a registry and the program"
)]
mod real;
#[expect(dead_code, reason = "nothing is lost here, and nothing ends badly")]
mod service;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use apache_avro::types::Value as Avro;
use apache_avro::{Schema, to_avro_datum};

use real::folder::KeptFolder;
use real::free_ports;
use real::http;
use real::kafka::Kafka;
use real::process::{Process, new_folder, tenure};
use real::registry::Registry;
use service::{DEADLINE, Installation, Page, Sent, Service, now, send};

const HOUR: i64 = 3_600_000;

/// The registry of the tests that need it to be there.
fn registry() -> &'static Registry {
    static SHARED: OnceLock<Registry> = OnceLock::new();
    SHARED.get_or_init(Registry::start)
}

/// The bytes of a record: the id in front of what follows.
fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], payload].concat()
}

fn avro(schema: &str, references: &[&str], value: Avro) -> Vec<u8> {
    let texts = references.iter().chain([&schema]);
    let mut schemas = Schema::parse_list(texts).unwrap();
    let own = schemas.pop().unwrap();
    let others: Vec<&Schema> = schemas.iter().collect();
    apache_avro::to_avro_datum_schemata(&own, others, value).unwrap()
}

fn text(text: &str) -> Avro {
    Avro::String(text.to_owned())
}

fn record(fields: &[(&str, Avro)]) -> Avro {
    let fields = fields.iter().cloned();
    Avro::Record(
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// A field of a Protobuf message that is a number.
fn number(tag: u8, number: u64) -> Vec<u8> {
    let mut bytes = vec![tag << 3];
    let mut rest = number;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A field of a Protobuf message that is a text or a message.
fn sized(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u8::try_from(content.len()).unwrap();
    [&[tag << 3 | 2, size], content].concat()
}

/// A configuration in a folder of its own.
struct Configuration {
    folder: KeptFolder,
}

impl Configuration {
    fn new(registry: &str, sources: &str) -> Self {
        let folder = KeptFolder::new("configuration");
        let text =
            format!("schema_registry: {{ url: '{registry}', timeout: 2s }}\nsources:\n{sources}");
        std::fs::write(folder.path().join("tenure.yaml"), text).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tenure.yaml")
    }

    fn start(&self, installation: &Installation) -> Service {
        let path = self.path();
        installation.start_with(&["--config", path.to_str().unwrap()], |_| {})
    }

    /// What a command says that succeeds, of the same topics and state.
    #[track_caller]
    fn told(&self, installation: &Installation, arguments: &[&str]) -> String {
        let output = tenure(installation.state.path())
            .args(arguments)
            .arg("--config")
            .arg(self.path())
            .args(["--topics", "orders,lives,answers"])
            .args(["--bootstrap-servers", Kafka::shared().bootstrap_servers()])
            .args(["--set", "churn_events=complete"])
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{}", text.concat());
        text.concat()
    }
}

/// Native events, for the replay.
#[derive(Default)]
struct Native(String);

impl Native {
    fn event(&mut self, id: &str, kind: &str, customer: u32, at: i64, more: &str) {
        writeln!(
            self.0,
            r#"{{"event_id":"{id}","type":"{kind}","customer_id":"{customer}","occurred_at":{at}{more}}}"#
        )
        .unwrap();
    }

    /// What they amount to as of an instant.
    fn replay(&self, installation: &Installation, at: f64) -> Page {
        let folder = KeptFolder::new("native");
        let file = folder.path().join("events.ndjson");
        std::fs::write(&file, &self.0).unwrap();
        installation.replay(&file, at)
    }
}

fn position(page: &Page, topic: &str, partition: i32) -> f64 {
    let series = format!(
        "tenure_kafka_partition_position_offset{{topic=\"{topic}\",partition=\"{partition}\"}}"
    );
    page.value(&series).unwrap_or(-1.0)
}

fn rejected(page: &Page, reason: &str) -> f64 {
    let series = format!("tenure_events_rejected_total{{reason=\"{reason}\"}}");
    page.value(&series).unwrap_or(-1.0)
}

const MONEY: &str = r#"{"type":"record","name":"Money","namespace":"shop","fields":[
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":4}},
    {"name":"currency","type":{"type":"enum","name":"Currency","symbols":["TRY","EUR"]}}]}"#;

/// The customer is called otherwise than later, and there is a field that goes.
const ORDER_1: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"id","type":"long"},
    {"name":"buyer","type":["null","string"]},
    {"name":"paid_at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"total","type":"Money"},
    {"name":"remark","type":"string","default":""}]}"#;

const ORDER_2: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"plan","type":["null","string"],"default":null},
    {"name":"customer","type":["null","string"],"default":null,"aliases":["buyer"]},
    {"name":"id","type":"long"},
    {"name":"paid_at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"total","type":"Money"}]}"#;

const LIVES: &str = r#"syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "shop/reason.proto";
message Unused { string text = 1; }
message Life {
  enum What { WHAT_UNKNOWN = 0; STARTED = 1; ENDED = 2; }
  string event = 1;
  uint64 customer = 2;
  What what = 3;
  google.protobuf.Timestamp at = 4;
  Reason reason = 5;
}"#;

const REASON: &str = "syntax = \"proto3\"; package shop; message Reason { string code = 1; }";

const SURVEY: &str = r#"{"type":"object","properties":{"score":{"type":"integer"}}}"#;

const SOURCES: &str = r"
  orders:
    format: avro
    key_format: avro
    events:
      - type: purchase
        event_id: { join: [{ text: o }, value.id] }
        customer_id: [value.customer, value.buyer, key]
        occurred_at: { from: value.paid_at, as: microseconds }
        amount: value.total.amount
        currency: value.total.currency
  lives:
    format: protobuf
    events:
      - type: { from: value.what, map: { STARTED: signup, ENDED: churn } }
        event_id: value.event
        customer_id: value.customer
        occurred_at: value.at
        reason: value.reason.code
  answers:
    format: json_schema
    events:
      - type: survey_submitted
        event_id: value.id
        customer_id: value.customer
        occurred_at: value.at
        survey: nps
        score: value.score
";

/// An order of a customer, in the first or the second form.
fn order(form: u8, id: u32, customer: u32, at: i64) -> Vec<u8> {
    // 1.2345 for each.
    let amount = i64::from(id + 1) * 12_345;
    let money = record(&[
        (
            "amount",
            Avro::Decimal(amount.to_be_bytes().to_vec().into()),
        ),
        ("currency", Avro::Enum(0, "TRY".to_owned())),
    ]);
    let customer = Avro::Union(1, Box::new(text(&customer.to_string())));
    let (id, at) = (Avro::Long(id.into()), Avro::TimestampMicros(at * 1000));
    let order = match form {
        1 => record(&[
            ("id", id),
            ("buyer", customer),
            ("paid_at", at),
            ("total", money),
            ("remark", text("as \"ever\"\n")),
        ]),
        _ => record(&[
            ("plan", Avro::Union(0, Box::new(Avro::Null))),
            ("customer", customer),
            ("id", id),
            ("paid_at", at),
            ("total", money),
        ]),
    };
    avro(if form == 1 { ORDER_1 } else { ORDER_2 }, &[MONEY], order)
}

fn life(event: &str, customer: u32, what: u64, at: i64, reason: &str) -> Vec<u8> {
    let seconds = number(1, u64::try_from(at / 1000).unwrap());
    let nanos = number(2, u64::try_from(at % 1000 * 1_000_000).unwrap());
    // The second message of its file.
    [
        vec![2, 2],
        sized(1, event.as_bytes()),
        number(2, customer.into()),
        number(3, what),
        sized(4, &[seconds, nanos].concat()),
        sized(5, &sized(1, reason.as_bytes())),
    ]
    .concat()
}

fn purchase(id: u32) -> String {
    let amount = i64::from(id + 1) * 12_345;
    let (whole, part) = (amount / 10_000, amount % 10_000);
    format!(",\"amount\":\"{whole}.{part:04}\",\"currency\":\"TRY\"")
}

#[test]
fn records_with_schemas_count_like_native_events_also_while_their_schemas_change() {
    let kafka = Kafka::shared();
    for topic in ["orders", "lives", "answers"] {
        kafka.create_topic(topic, 2, &[]);
    }
    let registry = registry();
    registry.register("shop-money", "AVRO", MONEY, &[]);
    let money = &[("shop.Money", "shop-money")];
    let first = registry.register("orders-value", "AVRO", ORDER_1, money);
    let second = registry.register("orders-value", "AVRO", ORDER_2, money);
    let key = registry.register("orders-key", "AVRO", r#"{"type":"string"}"#, &[]);
    registry.register("shop-reason", "PROTOBUF", REASON, &[]);
    let reason = &[("shop/reason.proto", "shop-reason")];
    let lives = registry.register("lives-value", "PROTOBUF", LIVES, reason);
    let answers = registry.register("answers-value", "JSON", SURVEY, &[]);
    assert_ne!(first, second);

    let begin = (now() * 1000.0) as i64 - 48 * HOUR;
    let mut native = Native::default();
    let (mut of_orders, mut of_lives, mut of_answers) = (Vec::new(), Vec::new(), Vec::new());
    let keyed = |customer: u32| {
        let key_bytes = to_avro_datum(
            &Schema::parse_str("\"string\"").unwrap(),
            text(&customer.to_string()),
        );
        (customer as i32 % 2, framed(key, &key_bytes.unwrap()))
    };
    for customer in 0..120_u32 {
        let at = begin + i64::from(customer) * 60_000;
        let partition = customer as i32 % 2;
        let id = format!("s{customer}");
        of_lives.push((
            partition,
            None,
            Some(framed(lives, &life(&id, customer, 1, at, ""))),
        ));
        native.event(&id, "signup", customer, at, "");
        // The second form begins in the middle, and the first does not end there.
        let form = if customer > 60 && customer % 3 != 0 {
            2
        } else {
            1
        };
        let id = if form == 1 { first } else { second };
        let (partition, key) = keyed(customer);
        let value = framed(id, &order(form, customer, customer, at + HOUR));
        of_orders.push((partition, key, value));
        native.event(
            &format!("o{customer}"),
            "purchase",
            customer,
            at + HOUR,
            &purchase(customer),
        );
        if customer % 4 == 0 {
            let id = format!("a{customer}");
            let (score, at) = (customer % 11, at + 2 * HOUR);
            let json =
                format!(r#"{{"id":"{id}","customer":{customer},"at":{at},"score":{score}}}"#);
            of_answers.push((partition, None, Some(framed(answers, json.as_bytes()))));
            native.event(
                &id,
                "survey_submitted",
                customer,
                at,
                &format!(",\"survey\":\"nps\",\"score\":{score}"),
            );
        }
        if customer % 7 == 0 {
            let (id, at) = (format!("c{customer}"), at + 3 * HOUR);
            let value = framed(lives, &life(&id, customer, 2, at, "price"));
            of_lives.push((partition, None, Some(value)));
            native.event(&id, "churn", customer, at, ",\"reason\":\"price\"");
        }
    }
    let records = of_orders.len() + of_lives.len() + of_answers.len();
    send_keyed("orders", &of_orders);
    send(&kafka.client_config(), "lives", of_lives);
    send(&kafka.client_config(), "answers", of_answers);

    let configuration = Configuration::new(&registry.url(), SOURCES);
    let installation = Installation::new(kafka.bootstrap_servers(), "orders,lives,answers", &[]);
    let service = configuration.start(&installation);
    let page = service.page_at(i64::try_from(records).unwrap());
    assert_eq!(page.sum("tenure_events_rejected_total"), 0.0, "{page:#?}");
    let numbers = page.same_numbers(&native.replay(&installation, page.time()));
    assert!(numbers > 100, "{numbers} numbers");
    assert_eq!(page.value("tenure_customers"), Some(102.0));
    assert_eq!(page.value("tenure_schemas_known"), Some(4.0));
    service.ends_well();

    // Commands ask for the schemas themselves.
    let told = configuration.told(&installation, &["verify", "--from-beginning"]);
    assert!(
        told.contains("159 records") && told.contains("129 records"),
        "{told}"
    );
    let from = [
        "tap",
        "--from",
        "beginning",
        "--limit",
        "288",
        "--show-values",
    ];
    let told = configuration.told(&installation, &from);
    for expected in ["purchase", "signup", "churn", "survey_submitted", "STARTED"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(!told.contains("rejected"), "{told}");
    let told = configuration.told(&installation, &["check"]);
    assert!(!told.contains("rejected"), "{told}");
}

/// Sends records with keys of bytes.
fn send_keyed(topic: &str, records: &[(i32, Vec<u8>, Vec<u8>)]) {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    let producer: BaseProducer = Kafka::shared().client_config().create().unwrap();
    for (partition, key, value) in records {
        let record = BaseRecord::to(topic).partition(*partition);
        producer
            .send(record.key(key).payload(value))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

const SIGNUP_1: &str = r#"{"type":"record","name":"Signup","fields":[
    {"name":"customer","type":"string"},{"name":"at","type":"long"}]}"#;
const SIGNUP_2: &str = r#"{"type":"record","name":"Signup","fields":[
    {"name":"plan","type":"string","default":"free"},
    {"name":"customer","type":"string"},{"name":"at","type":"long"}]}"#;

fn signup_source(topic: &str) -> String {
    format!(
        "  {topic}:
    format: avro
    events:
      - type: signup
        event_id: {{ join: [{{ text: signup- }}, value.customer] }}
        customer_id: value.customer
        occurred_at: {{ from: value.at, as: milliseconds }}
"
    )
}

fn signup(form: u8, id: u32, customer: u32, at: i64) -> Vec<u8> {
    let (customer, at) = (text(&customer.to_string()), Avro::Long(at));
    let payload = match form {
        1 => avro(SIGNUP_1, &[], record(&[("customer", customer), ("at", at)])),
        _ => avro(
            SIGNUP_2,
            &[],
            record(&[("plan", text("pro")), ("customer", customer), ("at", at)]),
        ),
    };
    framed(id, &payload)
}

#[test]
fn while_the_registry_is_away_only_partitions_with_a_new_schema_wait_for_it() {
    let kafka = Kafka::shared();
    kafka.create_topic("away", 2, &[]);
    kafka.create_topic("away-native", 2, &[]);
    let mut registry = Registry::start();
    let first = registry.register("away-value", "AVRO", SIGNUP_1, &[]);
    let second = registry.register("away-value", "AVRO", SIGNUP_2, &[]);
    let configuration = Configuration::new(&registry.url(), &signup_source("away"));
    let topics = "away,away-native";
    let installation = Installation::new(kafka.bootstrap_servers(), topics, &[]);
    let at = (now() * 1000.0) as i64 - HOUR;
    let native = RefCell::new(Native::default());
    let mut sent = 0;
    let mut next = |form: u8, partition: i32, count: u32| {
        let id = if form == 1 { first } else { second };
        let customers = sent..sent + count;
        sent += count;
        let records = customers.map(|customer| {
            native
                .borrow_mut()
                .event(&format!("signup-{customer}"), "signup", customer, at, "");
            (partition, None, Some(signup(form, id, customer, at)))
        });
        let records: Vec<Sent> = records.collect();
        send(&kafka.client_config(), "away", records);
    };

    next(1, 0, 20);
    next(1, 1, 20);
    let service = configuration.start(&installation);
    service.page_at(40);
    registry.kill();

    // A known schema needs nobody; a new one holds its partition, with what lies behind it.
    next(1, 0, 10);
    next(2, 0, 10);
    next(1, 0, 10);
    next(1, 1, 10);
    let of_native = |partition: i32, customers: std::ops::Range<u32>| {
        let before = native.borrow().0.len();
        for customer in customers {
            let id = format!("signup-{customer}");
            native.borrow_mut().event(&id, "signup", customer, at, "");
        }
        let lines = native.borrow().0[before..].to_owned();
        let records = lines
            .lines()
            .map(|line| (partition, None, Some(line.into())));
        send(&kafka.client_config(), "away-native", records);
    };
    of_native(0, 5_000..5_010);
    let page = service.page_when("what need not wait", |page| {
        position(page, "away", 0) == 30.0
            && position(page, "away", 1) == 30.0
            && position(page, "away-native", 0) == 10.0
            && page.value("tenure_schemas_awaited") == Some(1.0)
    });
    assert_eq!(page.sum("tenure_events_rejected_total"), 0.0, "{page:#?}");
    let (code, body) = http::get(&format!("{}/-/ready", service.url), &[]).unwrap();
    assert_eq!(code, 503, "{body}");
    assert!(body.contains("schemas_awaited"), "{body}");
    let line = service
        .process
        .wait_for_line("the schema registry does not answer", DEADLINE);
    assert!(line.contains(&format!("schema={second}")), "{line}");
    // Others go on while it is held, for as long as that takes.
    next(1, 1, 10);
    let page = service.page_when("what need not wait, once more", |page| {
        position(page, "away", 1) == 40.0
    });
    assert_eq!(position(&page, "away", 0), 30.0, "{page:#?}");

    registry.boot();
    let page = service.page_at(100);
    assert_eq!(page.sum("tenure_events_rejected_total"), 0.0, "{page:#?}");
    assert_eq!(page.value("tenure_schemas_awaited"), Some(0.0));
    assert_eq!(page.value("tenure_customers"), Some(100.0));
    page.same_numbers(&native.borrow().replay(&installation, page.time()));
    service.ends_well();

    // A start without the registry: what was folded is there, what comes has to wait.
    registry.kill();
    next(1, 0, 5);
    of_native(1, 6_000..6_010);
    let service = configuration.start(&installation);
    let page = service.page_when("the native topic", |page| {
        position(page, "away-native", 1) == 10.0
            && page.value("tenure_schemas_awaited") == Some(1.0)
    });
    assert_eq!(position(&page, "away", 0), 50.0, "{page:#?}");
    registry.boot();
    let page = service.page_at(115);
    assert_eq!(page.value("tenure_customers"), Some(115.0));
    page.same_numbers(&native.borrow().replay(&installation, page.time()));
    service.ends_well();
}

#[test]
fn a_router_holds_the_partition_of_a_new_schema_while_the_registry_is_away_and_routes_the_others() {
    let kafka = Kafka::shared();
    // Not keyed by customer, and not partitioned like the routed topic.
    kafka.create_topic("routed-away", 2, &[]);
    let mut registry = Registry::start();
    let first = registry.register("routed-away-value", "AVRO", SIGNUP_1, &[]);
    let second = registry.register("routed-away-value", "AVRO", SIGNUP_2, &[]);
    let sources = format!(
        "{}router: {{ to: routed-away-events, partitions: 3 }}\nmax_staleness: 365d\n",
        signup_source("routed-away")
    );
    let configuration = Configuration::new(&registry.url(), &sources);
    let installation = Installation::new(kafka.bootstrap_servers(), "routed-away", &[]);
    let at = (now() * 1000.0) as i64 - HOUR;
    let mut native = Native::default();
    let mut sent = 0;
    let mut next = |native: &mut Native, form: u8, partition: i32, count: u32| {
        let id = if form == 1 { first } else { second };
        let customers = sent..sent + count;
        sent += count;
        let records = customers.map(|customer| {
            native.event(&format!("signup-{customer}"), "signup", customer, at, "");
            (partition, None, Some(signup(form, id, customer, at)))
        });
        let records: Vec<Sent> = records.collect();
        send(&kafka.client_config(), "routed-away", records);
    };
    let routed = |page: &Page| page.value("tenure_router_events_total").unwrap_or(0.0);

    next(&mut native, 1, 0, 20);
    next(&mut native, 1, 1, 20);
    let service = configuration.start(&installation);
    service.page_when("what the registry knows", |page| routed(page) == 40.0);
    registry.kill();
    next(&mut native, 1, 0, 10);
    next(&mut native, 2, 0, 10);
    next(&mut native, 1, 0, 10);
    next(&mut native, 1, 1, 10);
    let page = service.page_when("what need not wait", |page| {
        routed(page) == 60.0 && page.value("tenure_schemas_awaited") == Some(1.0)
    });
    assert_eq!(page.sum("tenure_events_rejected_total"), 0.0, "{page:#?}");
    next(&mut native, 1, 1, 10);
    let page = service.page_when("the other partition", |page| {
        let lag = page.value("tenure_router_lag_records{topic=\"routed-away\"}");
        routed(page) == 70.0 && lag == Some(20.0)
    });
    assert_eq!(page.sum("tenure_events_rejected_total"), 0.0, "{page:#?}");

    // Another router comes and goes: the partition that is held changes hands, and comes back.
    let [port] = free_ports();
    let listen = format!("127.0.0.1:{port}");
    let path = configuration.path();
    let mut other = tenure(installation.state.path());
    other.args(["route", "--listen", &listen, "--config"]);
    other.arg(&path);
    other.args(["--topics", "routed-away", "--bootstrap-servers"]);
    other.arg(kafka.bootstrap_servers());
    let other = Process::start(new_folder("other"), &other);
    other.wait_for_line("the router has its partitions", DEADLINE);
    drop(other);
    next(&mut native, 1, 1, 10);
    service.page_when("the other partition, once more", |page| {
        routed(page) >= 80.0
    });

    registry.boot();
    let page = service.page_when("everything", |page| {
        page.value("tenure_customers") == Some(100.0)
    });
    assert!(routed(&page) >= 100.0, "{page:#?}");
    assert_eq!(page.sum("tenure_events_rejected_total"), 0.0, "{page:#?}");
    page.same_numbers(&native.replay(&installation, page.time()));
    service.ends_well();
}

#[test]
fn what_has_no_schema_or_is_not_of_it_is_rejected_and_holds_nobody_up_for_long() {
    let kafka = Kafka::shared();
    kafka.create_topic("odd", 1, &[]);
    let registry = registry();
    let id = registry.register("odd-value", "AVRO", SIGNUP_1, &[]);
    let json = registry.register("odd-json", "JSON", SURVEY, &[]);
    let at = (now() * 1000.0) as i64 - HOUR;
    let good = |customer| signup(1, id, customer, at);
    let mut cut = good(1);
    cut.pop();
    let mut long = good(1);
    long.push(0);
    let no_text = framed(id, &[2, 0xff, 2]);
    let values = [
        good(0),
        b"{\"customer\":\"1\"}".to_vec(),
        vec![],
        vec![0, 0, 0],
        cut,
        long,
        framed(json, b"{}"),
        no_text,
        framed(7_000_001, b"x"),
        framed(7_000_001, b"x"),
        // After the first, ids that nobody knows are not waited for one by one.
        framed(7_000_002, b"x"),
        framed(7_000_003, b"x"),
        good(1),
    ];
    let count = values.len();
    let records = values.map(|value| (0, None, Some(value)));
    send(&kafka.client_config(), "odd", records);
    let configuration = Configuration::new(&registry.url(), &signup_source("odd"));
    let installation = Installation::new(kafka.bootstrap_servers(), "odd", &[]);
    let service = configuration.start(&installation);
    let page = service.page_at(i64::try_from(count).unwrap());
    assert_eq!(rejected(&page, "invalid_json"), 6.0, "{page:#?}");
    assert_eq!(rejected(&page, "invalid_utf8"), 1.0);
    assert_eq!(rejected(&page, "unmapped"), 4.0);
    assert_eq!(page.value("tenure_customers"), Some(2.0));
    service
        .process
        .wait_for_line("the registry does not know it", DEADLINE);
    service.ends_well();
}
