//! The router against Apache Kafka: whatever the keys and the partitions of what is read, and however
//! often a router dies, every number is what a replay of the same events says, and no report is of an
//! instant up to which not everything was routed.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need no Prometheus")]
mod real;
#[expect(dead_code, reason = "these tests degrade no shard")]
mod service;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Message, Offset, TopicPartitionList};

use real::folder::KeptFolder;
use real::kafka::Kafka;
use real::process::{Process, Signal};
use real::{eventually, free_ports, http};
use service::{DEADLINE, Installation, Page, Sent, Service, now, rfc3339, send};

/// Customers, orders and surveys, with these numbers of partitions.
const PARTITIONS: [i32; 3] = [2, 5, 3];

/// Topics of one test with the events in them, none of them keyed.
struct Feed {
    names: [String; 3],
    folder: KeptFolder,
    /// The events sent so far, as lines.
    lines: Mutex<Vec<Vec<u8>>>,
}

impl Feed {
    fn new(name: &str) -> Self {
        let names = ["customers", "orders", "surveys"].map(|topic| format!("{name}-{topic}"));
        for (topic, partitions) in names.iter().zip(PARTITIONS) {
            Kafka::shared().create_topic(topic, partitions, &[]);
        }
        Self {
            names,
            folder: KeptFolder::new("feed"),
            lines: Mutex::default(),
        }
    }

    /// Sends events without keys, each to the topic of its type and to any partition.
    fn send(&self, events: Vec<Vec<u8>>) {
        let mut by_topic: [Vec<Sent>; 3] = Default::default();
        for (number, event) in (0_i32..).zip(&events) {
            let text = String::from_utf8_lossy(event);
            let topic = match () {
                () if text.contains("\"type\":\"purchase\"") => 1,
                () if text.contains("\"type\":\"survey_submitted\"") => 2,
                () => 0,
            };
            let partition = number % PARTITIONS[topic];
            by_topic[topic].push((partition, None, Some(event.clone())));
        }
        let client = Kafka::shared().client_config();
        for (topic, records) in self.names.iter().zip(by_topic) {
            if !records.is_empty() {
                send(&client, topic, records);
            }
        }
        self.lines.lock().unwrap().extend(events);
    }

    /// The file with everything sent.
    fn file(&self) -> PathBuf {
        let file = self.folder.path().join("events.ndjson");
        let mut text = self.lines.lock().unwrap().join(&b"\n"[..]);
        text.push(b'\n');
        fs::write(&file, text).unwrap();
        file
    }

    /// A configuration file in which a router that died is missed soon.
    fn configuration(&self, router: &str) -> PathBuf {
        let file = self.folder.path().join("tenure.yaml");
        let mut text = String::new();
        let topics = self.names.join(", ");
        let servers = Kafka::shared().bootstrap_servers();
        // That of the service, which asks how far the routers of its group are.
        let group = &self.names[0];
        writeln!(
            text,
            "kafka:\n  bootstrap_servers: {servers}\n  topics: [{topics}]\n  group_id: {group}\n  \
             properties: {{ session.timeout.ms: 2000, heartbeat.interval.ms: 300 }}\n\
             router: {router}"
        )
        .unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn service(&self, router: &str, settings: &[&str]) -> (Installation, Vec<String>) {
        let file = self.configuration(router);
        let servers = Kafka::shared().bootstrap_servers();
        let installation = Installation::new(servers, &self.names.join(","), settings);
        let more = vec!["--config".to_owned(), file.display().to_string()];
        (installation, more)
    }

    fn lag(&self, page: &Page) -> Option<f64> {
        let lag = |name: &String| {
            let series = format!("tenure_router_lag_records{{topic=\"{name}\"}}");
            page.value(&series)
        };
        self.names.iter().map(lag).sum()
    }
}

fn start(installation: &Installation, more: &[String]) -> Service {
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    installation.start_with(&more, |_| {})
}

/// A router in a process of its own, with its address.
struct Router {
    process: Process,
    url: String,
}

impl Router {
    fn start(feed: &Feed, settings: &[&str]) -> Self {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        let file = feed.folder.path().join("tenure.yaml");
        let file = file.display().to_string();
        let mut arguments = vec!["route", "--config", &file, "--listen", &listen];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        Self {
            process: Process::tenure(&arguments),
            url: format!("http://{listen}"),
        }
    }

    fn page(&self) -> Result<Page, String> {
        let text = http::get_ok(&format!("{}/metrics", self.url), &[])?;
        Ok(Page::parse(&text))
    }

    #[track_caller]
    fn page_when(&self, what: &str, condition: impl Fn(&Page) -> bool) -> Page {
        self.process.wait_for(DEADLINE, what, || {
            let page = self.page()?;
            if condition(&page) {
                Ok(page)
            } else {
                Err(format!("not on the page: {page:#?}"))
            }
        })
    }

    #[track_caller]
    fn ready(&self) {
        self.process
            .wait_for_page(&format!("{}/-/ready", self.url), DEADLINE);
    }

    #[track_caller]
    fn ends_well(mut self) {
        self.process.send(Signal::Terminate);
        assert_eq!(self.process.wait(DEADLINE), 0, "{}", self.process.tail());
    }
}

/// Waits for a report of an instant from now on. By its instant alone, everything that was sent before
/// is in it.
#[track_caller]
fn report_from_now_on(service: &Service) -> Page {
    let now = now();
    service.page_when("a report from now on", |page| {
        page.time() >= now && page.withheld("catching_up").is_empty()
    })
}

/// Compares all numbers with those of a replay of everything that was sent.
#[track_caller]
fn agrees(feed: &Feed, installation: &Installation, service: &Service) -> Page {
    let page = report_from_now_on(service);
    let compared = page.same_numbers(&installation.replay(&feed.file(), page.time()));
    assert!(compared > 60, "{compared} numbers compared");
    assert_eq!(page.value("tenure_split_customers"), Some(0.0));
    page
}

fn history(customers: u32, seed: u32) -> Vec<Vec<u8>> {
    let generated = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["generate", "--customers", &customers.to_string()])
        .args(["--days", "120", "--seed", &seed.to_string()])
        .args(["--until", &rfc3339(now() - 1.0)])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(generated.status.success());
    let lines = generated.stdout.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(<[u8]>::to_vec).collect()
}

const SETTINGS: [&str; 3] = [
    "inactivity_timeout=60d",
    "dimensions=plan,country",
    "periods=7d,30d,last_month",
];

#[test]
fn routed_input_of_any_keys_and_partitions_gives_the_numbers_of_keyed_input_and_of_a_replay() {
    let feed = Feed::new("routed");
    let events = history(400, 1);
    let half = events.len() / 2;
    feed.send(events[..half].to_vec());

    let (installation, more) = feed.service("{ to: routed-events, partitions: 4 }", &SETTINGS);
    let service = start(&installation, &more);
    agrees(&feed, &installation, &service);
    feed.send(events[half..].to_vec());
    let page = agrees(&feed, &installation, &service);
    let line = service
        .process
        .wait_for_line("made the topic of the router", DEADLINE);
    assert!(line.contains("partitions=4"), "{line}");
    assert_eq!(
        page.value("tenure_router_events_total"),
        Some(events.len() as f64)
    );
    assert_eq!(feed.lag(&page), Some(0.0));
    // What is routed is counted once, by who reads it in the end.
    assert_eq!(page.sum("tenure_events_total"), events.len() as f64);
    let log = service.process.stderr();
    service.ends_well();
    assert!(!log.contains("ERROR"), "{log}");

    // Native input that is keyed from the start.
    let kafka = Kafka::shared();
    kafka.create_topic("routed-keyed", 4, &[]);
    send(&kafka.client_config(), "routed-keyed", keyed(&events, 4));
    let installation = Installation::new(kafka.bootstrap_servers(), "routed-keyed", &SETTINGS);
    let service = installation.start();
    agrees(&feed, &installation, &service);
    service.ends_well();

    // Without a router customers are found in several partitions, and nothing is said of them.
    let orders = &feed.names[1];
    let unkeyed = Installation::new(kafka.bootstrap_servers(), orders, &SETTINGS);
    let service = unkeyed.start();
    let page = service.page_when("split customers", |page| {
        page.value("tenure_split_customers") > Some(0.0)
    });
    assert!(
        page.withheld("split_customers")
            .contains("tenure_customers")
    );
    assert_eq!(page.value("tenure_customers"), None);
}

/// The text of the customer's id.
fn customer(event: &[u8]) -> String {
    let event: serde_json::Value = serde_json::from_slice(event).unwrap();
    match &event["customer_id"] {
        serde_json::Value::String(text) => text.clone(),
        number => number.to_string(),
    }
}

#[test]
fn a_routed_record_has_the_customer_as_its_key_and_says_where_it_came_from() {
    let feed = Feed::new("told");
    let at = (now() * 1000.0) as i64 - 1000;
    let value = format!(
        r#"{{ "type": "signup", "event_id": "e-1", "customer_id": 42, "occurred_at": {at},
              "attributes": {{ "plan": "pro", "note": "unused" }} }}"#
    );
    feed.send(vec![value.into_bytes()]);
    feed.configuration("{ to: told-events, partitions: 3, inside: false }");
    let router = Router::start(&feed, &["dimensions=plan"]);
    router.ready();
    router.page_when("an event", |page| {
        page.value("tenure_router_events_total") == Some(1.0)
    });

    let consumer: BaseConsumer = Kafka::shared()
        .client_config()
        .set("group.id", "told")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..3 {
        list.add_partition_offset("told-events", partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let message = eventually(DEADLINE, "the record", || {
        let polled = consumer.poll(Duration::from_millis(50)).ok_or("nothing")?;
        polled.map_err(|error| error.to_string())
    });
    assert_eq!(message.key(), Some(&b"42"[..]));
    // What Java's partitioner says of this key: murmur2("42") without its sign, modulo 3.
    assert_eq!(message.partition(), 1);
    let expected = format!(
        r#"{{"event_id":"e-1","type":"signup","customer_id":"42","occurred_at":{at},"attributes":{{"plan":"pro"}}}}"#
    );
    assert_eq!(message.payload(), Some(expected.as_bytes()));
    let headers = message.headers().unwrap();
    let headers: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|header| (header.key, header.value.unwrap()))
        .collect();
    let expected: [(&str, &[u8]); 3] = [
        ("tenure-source-topic", b"told-customers"),
        ("tenure-source-partition", b"0"),
        ("tenure-source-offset", b"0"),
    ];
    assert_eq!(headers, expected);
    router.ends_well();
}

/// Sign-ups of the moment, and when each was acknowledged: a report has to have those of before its
/// instant.
struct Flow<'a> {
    feed: &'a Feed,
    /// When it happened and when the brokers had it, in seconds.
    signups: Mutex<Vec<(f64, f64)>>,
    stop: AtomicBool,
}

impl<'a> Flow<'a> {
    const fn new(feed: &'a Feed) -> Self {
        Self {
            feed,
            signups: Mutex::new(Vec::new()),
            stop: AtomicBool::new(false),
        }
    }

    fn run(&self) {
        let mut customer = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let mut events = Vec::new();
            let at = (now() * 1000.0).round() as i64;
            for _ in 0..20 {
                let (id, kind, more) = (
                    customer / 2,
                    customer % 2,
                    r#","amount":1,"currency":"EUR""#,
                );
                let (kind, more) = [("signup", ""), ("purchase", more)][kind];
                events.push(
                    format!(
                        r#"{{"event_id":"{kind}-{id}","type":"{kind}","customer_id":"c-{id}","occurred_at":{at}{more}}}"#
                    )
                    .into_bytes(),
                );
                customer += 1;
            }
            self.feed.send(events);
            let acknowledged = now();
            let signups = (0..10).map(|_| (at as f64 / 1000.0, acknowledged));
            self.signups.lock().unwrap().extend(signups);
        }
    }

    /// Looks whether a report has every sign-up that was there at its instant, and none from after it.
    fn check(&self, page: &Page) -> bool {
        let (Some(customers), at) = (page.value("tenure_customers"), page.time()) else {
            return false;
        };
        let signups = self.signups.lock().unwrap();
        let there = signups
            .iter()
            .filter(|(_, acknowledged)| *acknowledged < at);
        let there = there.count();
        assert!(
            customers >= there as f64,
            "the report as of {at} has {customers} customers, and {there} had signed up"
        );
        true
    }
}

#[test]
fn no_report_is_ahead_of_the_routers_however_often_they_are_killed() {
    let feed = Feed::new("killed");
    let router = "{ to: killed-events, partitions: 4, inside: false }";
    let (installation, more) = feed.service(router, &["periods=7d"]);
    let service = start(&installation, &more);
    let flow = Flow::new(&feed);
    let (mut checked, mut kills) = (0, 0);
    let mut routers = [0, 1].map(|_| Some(Router::start(&feed, &[])));
    thread::scope(|scope| {
        let _stopped = Stop(&flow.stop);
        scope.spawn(|| flow.run());
        let mut seen = 0.0;
        while kills < 6 {
            // Several reports between two kills, so that some of what they kill is under way.
            for _ in 0..3 {
                let page = service.page_when("another report", |page| page.time() > seen + 0.2);
                seen = page.time();
                checked += usize::from(flow.check(&page));
            }
            let victim = &mut routers[kills % 2];
            if let Some(mut killed) = victim.take() {
                killed.process.send(Signal::Kill);
                killed.process.wait(DEADLINE);
            }
            kills += 1;
            // Every third time nobody routes for a moment.
            if kills % 3 == 0
                && let Some(mut other) = routers[kills % 2].take()
            {
                other.process.send(Signal::Kill);
                other.process.wait(DEADLINE);
            }
            let page = service.page().unwrap();
            flow.check(&page);
            for router in &mut routers {
                router.get_or_insert_with(|| Router::start(&feed, &[]));
            }
        }
    });
    let signups = flow.signups.lock().unwrap().len();
    assert!(checked >= 10 && signups > 100, "{checked} of {signups}");
    let page = agrees(&feed, &installation, &service);
    assert_eq!(page.value("tenure_customers"), Some(signups as f64));
    assert_eq!(page.sum("tenure_router_records_lost_total"), 0.0);
    for router in routers.into_iter().flatten() {
        router.ends_well();
    }
    service.ends_well();
}

/// Tells a flow to stop, also when a check fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_service_that_routes_and_is_killed_goes_on_where_it_was() {
    let feed = Feed::new("inside");
    let settings = ["periods=7d"];
    let (installation, more) = feed.service("{ to: inside-events, partitions: 4 }", &settings);
    let flow = Flow::new(&feed);
    thread::scope(|scope| {
        let _stopped = Stop(&flow.stop);
        scope.spawn(|| flow.run());
        for _ in 0..3 {
            let mut service = start(&installation, &more);
            let mut seen = 0.0;
            for _ in 0..3 {
                let page = service.page_when("another report", |page| page.time() > seen + 0.2);
                seen = page.time();
                flow.check(&page);
            }
            service.process.send(Signal::Kill);
            service.process.wait(DEADLINE);
        }
    });
    let service = start(&installation, &more);
    let page = agrees(&feed, &installation, &service);
    let signups = flow.signups.lock().unwrap().len();
    assert_eq!(page.value("tenure_customers"), Some(signups as f64));
    service.ends_well();
}

#[test]
fn what_is_not_routed_yet_holds_the_report_back_and_what_was_deleted_before_is_counted() {
    let feed = Feed::new("behind");
    let router = "{ to: behind-events, partitions: 4, inside: false }";
    let (installation, more) = feed.service(router, &["max_staleness=1s"]);
    let first = Router::start(&feed, &[]);
    first.ready();
    feed.send(history(50, 2));
    let service = start(&installation, &more);
    agrees(&feed, &installation, &service);
    first.ends_well();

    let events = feed.lines.lock().unwrap().len();
    let at = (now() * 1000.0) as i64;
    let more_signups = (0..40).map(|n| {
        let event = format!(
            r#"{{"event_id":"late-{n}","type":"signup","customer_id":"late-{n}","occurred_at":{at}}}"#
        );
        event.into_bytes()
    });
    let kafka = Kafka::shared();
    feed.send(more_signups.collect());
    let sent_at = now();
    let page = service.page_when("numbers that are held back", |page| {
        page.withheld("catching_up").contains("tenure_customers")
    });
    assert_eq!(feed.lag(&page), Some(40.0));
    assert!(
        page.time() < sent_at,
        "nobody has routed what was sent then"
    );
    let (code, _) = http::get(&format!("{}/-/ready", service.url), &[]).unwrap();
    assert_eq!(code, 503);

    // Half of it is deleted before it is routed.
    let (_, end) = kafka.offsets(&feed.names[0], 0);
    kafka.delete_records(&feed.names[0], 0, end);
    let second = Router::start(&feed, &[]);
    let page = report_from_now_on(&service);
    assert_eq!(feed.lag(&page), Some(0.0));
    assert_eq!(page.sum("tenure_events_total"), (events + 20) as f64);
    let lost = format!(
        "tenure_router_records_lost_total{{topic=\"{}\"}}",
        feed.names[0]
    );
    let page = second.page_when("what was lost", |page| page.value(&lost) > Some(0.0));
    assert_eq!(page.value(&lost), Some(20.0));
    second
        .process
        .wait_for_line("records were deleted before they were routed", DEADLINE);
    second.ends_well();
    service.ends_well();
}

#[test]
fn nothing_is_committed_past_a_rejected_record_that_is_not_kept_yet() {
    let feed = Feed::new("rejected");
    let router = "{ to: rejected-events, partitions: 2, inside: false }";
    feed.configuration(router);
    let mut events = history(30, 3);
    let good = events.len();
    events.insert(0, b"{\"type\":\"signup\"}".to_vec());
    events.insert(1, b"not json".to_vec());
    feed.send(events);
    let settings = ["dead_letters.topic=rejected-letters"];
    let router = Router::start(&feed, &settings);
    let page = router.page_when("all events", |page| {
        page.value("tenure_router_events_total") == Some(good as f64)
    });
    assert_eq!(page.value("tenure_dead_letters_pending"), Some(2.0));
    let lag = feed.lag(&page).unwrap();
    assert!(lag >= 2.0, "{lag} records behind");
    let rejected = r#"tenure_events_total{outcome="rejected"}"#;
    assert_eq!(page.value(rejected), Some(2.0));
    assert_eq!(page.sum("tenure_events_total"), 2.0);

    let kafka = Kafka::shared();
    kafka.create_topic("rejected-letters", 1, &[]);
    let page = router.page_when("nothing behind", |page| feed.lag(page) == Some(0.0));
    assert_eq!(page.sum("tenure_dead_letters_total"), 2.0);
    assert_eq!(kafka.offsets("rejected-letters", 0), (0, 2));
    let letters = format!(
        "tenure_dead_letters_total{{reason=\"missing_field\",topic=\"{}\"}}",
        feed.names[0]
    );
    assert_eq!(page.value(&letters), Some(1.0));
    router.ends_well();
}

/// What a shop might send, and the rules that make events of it: an order is a purchase, and with a
/// rating an answer too.
const SHOP: &str = r#"
  shop:
    otherwise: skipped
    events:
      - when: { header.X-Kind: [order] }
        type: purchase
        event_id: { join: [{ text: order }, value.id], with: "-" }
        customer_id: value.customer.id
        occurred_at: { from: value.at, as: seconds }
        amount: { from: value.total, unit: minor }
        currency: { from: value.currency, case: upper }
        attributes: { plan: value.customer.plan }
      - when: { header.X-Kind: [order], value.rating: { present: true } }
        type: survey_submitted
        survey: csat
        event_id: { join: [{ text: rating }, value.id], with: "-" }
        customer_id: value.customer.id
        occurred_at: { from: value.at, as: seconds }
        score: value.rating
"#;

#[test]
fn records_of_any_shape_are_routed_by_their_sources_and_one_record_can_be_several_events() {
    let kafka = Kafka::shared();
    kafka.create_topic("shop", 3, &[]);
    kafka.create_topic("shop-rejected", 1, &[]);
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    let at = now() as i64 - 3600;
    let mut lines = String::new();
    for n in 0..60 {
        let (customer, cents) = (n % 20, 1000 + n);
        // The last answer is on no scale, and its order counts all the same.
        let rating = if n == 59 { 9 } else { 1 + n % 5 };
        let value = format!(
            r#"{{"id":{n},"at":{at},"total":{cents},"currency":"eur","rating":{rating},"customer":{{"id":{customer},"plan":"p{}"}}}}"#,
            customer % 2
        );
        let kind = if n == 30 { "refund" } else { "order" };
        let headers = OwnedHeaders::new().insert(Header {
            key: "X-Kind",
            value: Some(kind),
        });
        let record = BaseRecord::<(), str>::to("shop");
        let record = record.partition(n % 3).payload(&value).headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        if kind == "order" {
            writeln!(lines, r#"{{"event_id":"order-{n}","type":"purchase","customer_id":{customer},"occurred_at":{at}000,"amount":"{}.{:02}","currency":"EUR","attributes":{{"plan":"p{}"}}}}"#, cents / 100, cents % 100, customer % 2).unwrap();
        }
        if kind == "order" && rating < 6 {
            writeln!(lines, r#"{{"event_id":"rating-{n}","type":"survey_submitted","survey":"csat","customer_id":{customer},"occurred_at":{at}000,"score":{rating}}}"#).unwrap();
        }
    }
    producer.flush(DEADLINE).unwrap();

    let folder = KeptFolder::new("shop");
    let (file, events) = ("tenure.yaml", "events.ndjson");
    let [file, events] = [file, events].map(|name| folder.path().join(name));
    fs::write(&events, &lines).unwrap();
    let text = format!(
        "sources:{SHOP}router: {{ to: shop-events, partitions: 2 }}\n\
         dead_letters: {{ topic: shop-rejected }}\n"
    );
    fs::write(&file, text).unwrap();
    let settings = ["dimensions=plan", "customer_starts_with=purchase"];
    let installation = Installation::new(kafka.bootstrap_servers(), "shop", &settings);
    let service = start(
        &installation,
        &["--config".to_owned(), file.display().to_string()],
    );
    let page = report_from_now_on(&service);
    let compared = page.same_numbers(&installation.replay(&events, page.time()));
    assert!(compared > 60, "{compared} numbers compared");
    let routed = lines.lines().count() as f64;
    assert_eq!(page.value("tenure_router_events_total"), Some(routed));
    for (outcome, expected) in [("rejected", 1.0), ("skipped", 1.0)] {
        let series = format!("tenure_events_total{{outcome=\"{outcome}\"}}");
        assert_eq!(page.value(&series), Some(expected), "{outcome}");
    }
    assert_eq!(page.sum("tenure_events_total"), routed + 2.0);
    assert_eq!(kafka.offsets("shop-rejected", 0), (0, 1));
    service.ends_well();
}

/// Events keyed by customer, to the partition that a hash of the key has among so many.
fn keyed(events: &[Vec<u8>], partitions: u32) -> Vec<Sent> {
    let record = |event: &Vec<u8>| {
        let key = customer(event);
        let hash = key
            .bytes()
            .fold(0_u32, |sum, byte| sum * 31 % 1009 + u32::from(byte));
        let partition = i32::try_from(hash % partitions).unwrap();
        (partition, Some(key), Some(event.clone()))
    };
    events.iter().map(record).collect()
}

/// Writes everything that is in the topic now into another one, by one command; answers what the log
/// says.
#[track_caller]
fn written_anew(from: &str, to: &str, partitions: &str) -> String {
    let [port] = free_ports();
    let listen = format!("127.0.0.1:{port}");
    let servers = Kafka::shared().bootstrap_servers();
    let process = Process::tenure(&[
        "route",
        "--bootstrap-servers",
        servers,
        "--topics",
        from,
        "--to",
        to,
        "--partitions",
        partitions,
        "--until-caught-up",
        "--listen",
        &listen,
    ]);
    assert_eq!(process.wait(DEADLINE), 0, "{}", process.tail());
    process.stderr()
}

#[test]
fn a_topic_that_grew_under_load_is_written_anew_by_one_command() {
    let kafka = Kafka::shared();
    kafka.create_topic("grown", 2, &[]);
    let events = history(200, 7);
    let (before, after) = events.split_at(events.len() / 2);
    send(&kafka.client_config(), "grown", keyed(before, 2));
    kafka.grow_topic("grown", 4);
    let written = |topic: &str| -> i64 { (0..4).map(|one| kafka.offsets(topic, one).1).sum() };
    let log = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for some in after.chunks(after.len() / 20) {
                send(&kafka.client_config(), "grown", keyed(some, 4));
            }
        });
        let log = written_anew("grown", "grown-4", "4");
        assert!(written("grown-4") >= i64::try_from(before.len()).unwrap());
        sending.join().unwrap();
        log
    });
    assert!(log.contains("group=\"tenure-grown-4-router\""), "{log}");
    // What came meanwhile, and then nothing more: it goes on where it ended.
    let all = i64::try_from(events.len()).unwrap();
    for _ in 0..2 {
        written_anew("grown", "grown-4", "4");
        assert_eq!(written("grown-4"), all);
    }
    // Another topic gets everything again, whatever the first one has.
    written_anew("grown", "grown-again", "4");
    assert_eq!(written("grown-again"), all);

    let folder = KeptFolder::new("grown");
    let file = folder.path().join("events.ndjson");
    fs::write(&file, events.join(&b"\n"[..])).unwrap();
    let numbers = |topic: &str| {
        let installation = Installation::new(kafka.bootstrap_servers(), topic, &SETTINGS[..1]);
        (installation.start(), installation)
    };
    let (service, installation) = numbers("grown-4");
    let page = report_from_now_on(&service);
    let compared = page.same_numbers(&installation.replay(&file, page.time()));
    assert!(compared > 60, "{compared} numbers compared");
    assert_eq!(page.value("tenure_split_customers"), Some(0.0));
    service.ends_well();

    // As it is, customers are in two partitions, and what counts them is withheld.
    let (service, _installation) = numbers("grown");
    service.page_when("split customers", |page| {
        page.withheld("split_customers")
            .contains("tenure_customers")
    });
    service.ends_well();
}

#[test]
fn a_topic_with_another_number_of_partitions_is_not_written_to() {
    let feed = Feed::new("refused");
    Kafka::shared().create_topic("refused-events", 3, &[]);
    feed.configuration("{ to: refused-events, partitions: 4, inside: false }");
    let router = Router::start(&feed, &[]);
    assert_ne!(router.process.wait(DEADLINE), 0);
    let log = router.process.stderr();
    assert!(log.contains("has 3 partitions and not 4"), "{log}");
    assert_eq!(Kafka::shared().offsets("refused-events", 0), (0, 0));

    feed.configuration("{ to: null }");
    let router = Router::start(&feed, &[]);
    assert_eq!(router.process.wait(DEADLINE), 78);
    let log = router.process.stderr();
    assert!(log.contains("`router.to` is not set"), "{log}");
}
