//! The exchange with a real Kafka: what one instance says, the others hear, also those that start
//! later, and whatever becomes of brokers and the topic.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tenure::cluster::board::Complete;
use tenure::cluster::exchange::Exchange;
use tenure::cluster::grid::Grid;
use tenure::cluster::record::{Contribution, Definition, Held, Presence};
use tenure::config::KafkaSettings;
use tenure::event::Timestamp;
use tenure::ledger::shard::LogStart;
use tenure::measure::partial::{Partial, Sums};
use tenure::measure::segment::Segment;
use tenure::telemetry::Telemetry;

use real::eventually;
use real::kafka::{Kafka, KafkaOptions};

#[expect(dead_code, reason = "these tests need a broker alone")]
mod real;

const PATIENCE: Duration = Duration::from_mins(1);
const PARTITIONS: i32 = 2;
const GRID: i64 = 5_000;

fn definition() -> Definition {
    Definition::of(["of these tests"])
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Some grid instants before the present one.
fn instant(steps_before: i64) -> Timestamp {
    let grid = Grid::of(Duration::from_millis(GRID.unsigned_abs()));
    grid.after(grid.floor(now()), -steps_before)
}

/// An exchange on its thread, which ends with it.
struct Running {
    exchange: Arc<Exchange>,
    telemetry: Arc<Telemetry>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), KafkaError>>>,
}

impl Running {
    fn start(kafka: &Kafka, topic: &str, instance: &str, definition: Definition) -> Self {
        let settings = KafkaSettings {
            bootstrap_servers: kafka.bootstrap_servers().to_owned(),
            topics: vec!["events".to_owned()],
            group_id: "shared".to_owned(),
            properties: BTreeMap::new(),
        };
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let exchange = Arc::new(Exchange::new(
            &settings,
            topic,
            instance,
            definition,
            Grid::of(Duration::from_millis(GRID.unsigned_abs())),
            Arc::clone(&telemetry),
        ));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (exchange, stop) = (Arc::clone(&exchange), Arc::clone(&stop));
            move || exchange.run(&stop)
        });
        Self {
            exchange,
            telemetry,
            stop,
            thread: Some(thread),
        }
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    fn wait_until_caught_up(&self) {
        eventually(PATIENCE, "the end of the report topic", || {
            let caught_up = self.exchange.board().is_caught_up();
            caught_up.then_some(()).ok_or(String::new())
        });
    }

    fn wait_for_complete(&self, at: Timestamp) -> Arc<Complete> {
        eventually(PATIENCE, "a complete instant", || {
            let complete = self.exchange.board().complete();
            let found = complete.as_ref().map(|complete| complete.at);
            complete
                .filter(|complete| complete.at == at)
                .ok_or_else(|| format!("{found:?} is complete, not {at}"))
        })
    }

    fn contribute(&self, partition: i32, at: Timestamp, customers: u64) {
        let contribution = contribution(partition, at, customers);
        self.exchange.contribute(contribution).unwrap();
    }

    fn rejected(&self, reason: &str) -> u64 {
        self.telemetry.reports.rejected(reason).get()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn contribution(partition: i32, at: Timestamp, customers: u64) -> Contribution {
    let mut sums = Sums::default();
    sums.now.customers = customers;
    Contribution {
        partition,
        at,
        partitions: PARTITIONS,
        keyed_by: PARTITIONS,
        offsets: vec![Some((0, 100))],
        digest: 0,
        generation: 1,
        partial: Partial {
            instants: vec![sums],
            log_start: LogStart::Whole,
            prune_line: None,
            samples: Vec::new(),
        },
    }
}

fn presence(instance: &str, partition: i32) -> Presence {
    Presence {
        instance: instance.to_owned(),
        address: format!("http://{instance}:9736"),
        written_at: now(),
        partitions: PARTITIONS,
        shards: vec![Held {
            partition,
            generation: 1,
            reached: Some(now()),
            degraded: false,
        }],
    }
}

fn customers(complete: &Complete) -> Vec<u64> {
    let said = complete.contributions.iter();
    said.map(|said| said.partial.instants[0].now.customers)
        .collect()
}

/// The settings of a topic, as the brokers tell them.
fn settings_of(kafka: &Kafka, topic: &str) -> BTreeMap<String, Option<String>> {
    let admin: AdminClient<DefaultClientContext> = kafka.client_config().create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let named = ResourceSpecifier::Topic(topic);
    let options = AdminOptions::new();
    let described = runtime.block_on(admin.describe_configs([&named], &options));
    let described = described.unwrap().pop().unwrap().unwrap();
    let entries = described.entries.into_iter();
    entries.map(|entry| (entry.name, entry.value)).collect()
}

#[test]
fn what_one_instance_says_others_hear_and_those_that_start_later() {
    let kafka = Kafka::shared();
    let topic = "reports";
    let first = Running::start(kafka, topic, "first", definition());
    let second = Running::start(kafka, topic, "second", definition());
    first.wait_until_caught_up();
    second.wait_until_caught_up();

    let settings = settings_of(kafka, topic);
    let setting = |name: &str| settings[name].as_deref();
    assert_eq!(setting("cleanup.policy"), Some("compact"));
    assert_eq!(setting("max.message.bytes"), Some("16777216"));
    assert_eq!(setting("message.timestamp.type"), Some("LogAppendTime"));

    first.exchange.announce(&presence("first", 0)).unwrap();
    second.exchange.announce(&presence("second", 1)).unwrap();
    for steps_before in (1..9).rev() {
        first.contribute(0, instant(steps_before), 10);
        second.contribute(1, instant(steps_before), 5);
    }
    let at = instant(1);
    first.contribute(0, at, 11);
    second.contribute(1, at, 7);
    for running in [&first, &second] {
        let complete = running.wait_for_complete(at);
        assert_eq!(complete.contributions.len(), 2);
        eventually(PATIENCE, "all owners", || {
            let owners = running.exchange.board().owners(now());
            let addresses: Vec<&str> = owners.values().map(|o| o.address.as_str()).collect();
            let expected = ["http://first:9736", "http://second:9736"];
            (addresses == expected)
                .then_some(())
                .ok_or(format!("{owners:?}"))
        });
    }

    let mut third = Running::start(kafka, topic, "third", definition());
    let complete = third.wait_for_complete(at);
    assert_eq!(complete.contributions.len(), 2);
    third.exchange.announce(&presence("third", 1)).unwrap();
    let named = |name: &str| {
        let board = second.exchange.board();
        board.instances().any(|(there, _)| there.instance == name)
    };
    eventually(PATIENCE, "a third instance", || {
        named("third").then_some(()).ok_or(String::new())
    });
    third.exchange.depart();
    third.end();
    eventually(PATIENCE, "its end", || {
        (!named("third")).then_some(()).ok_or(String::new())
    });
    assert!(first.telemetry.reports.written().get() > 0);
    assert_eq!(first.telemetry.reports.failures().get(), 0);
}

#[test]
fn what_is_not_of_this_definition_is_counted_and_not_heard() {
    let kafka = Kafka::shared();
    let topic = "foreign";
    let other = Definition::of(["of other tests"]);
    let ours = Running::start(kafka, topic, "ours", definition());
    let theirs = Running::start(kafka, topic, "theirs", other);
    ours.wait_until_caught_up();
    theirs.wait_until_caught_up();
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    let key = format!("c/shared/{}/00000/0", definition());
    for (key, value) in [("anything", "at all"), (key.as_str(), "not a contribution")] {
        let record = BaseRecord::to(topic).partition(0).key(key).payload(value);
        producer.send(record).unwrap();
    }
    producer.flush(PATIENCE).unwrap();

    let at = instant(0);
    for partition in 0..PARTITIONS {
        theirs.contribute(partition, at, 1);
    }
    theirs.wait_for_complete(at);
    eventually(PATIENCE, "refusals", || {
        let found = (ours.rejected("definition"), ours.rejected("decode"));
        (found == (2, 2)).then_some(()).ok_or(format!("{found:?}"))
    });
    assert!(ours.exchange.board().complete().is_none());
}

#[test]
fn a_contribution_of_many_segments_fits() {
    let kafka = Kafka::shared();
    let topic = "large";
    let running = Running::start(kafka, topic, "only", definition());
    let at = instant(0);
    running.wait_until_caught_up();
    for partition in 0..PARTITIONS {
        let mut contribution = contribution(partition, at, 1);
        let segments = &mut contribution.partial.instants[0].segments;
        for number in 0..100_000_u64 {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let segment = Segment {
                active: mixed,
                periods: Vec::new(),
            };
            segments.insert(vec![format!("segment {mixed}")], segment);
        }
        running.exchange.contribute(contribution).unwrap();
    }
    let complete = running.wait_for_complete(at);
    let segments = |said: &Arc<Contribution>| said.partial.instants[0].segments.len();
    let segments: Vec<usize> = complete.contributions.iter().map(segments).collect();
    assert_eq!(segments, [100_000; 2]);
}

#[test]
fn an_outage_costs_no_memory_and_no_contribution_that_still_matters() {
    let mut kafka = Kafka::start(&KafkaOptions::default());
    let running = Running::start(&kafka, "reports", "only", definition());
    running.wait_until_caught_up();
    running.contribute(0, instant(100), 1);
    running.contribute(1, instant(100), 1);
    running.wait_for_complete(instant(100));
    kafka.kill(1);
    for steps_before in (1..100).rev() {
        running.contribute(0, instant(steps_before), 2);
        running.contribute(1, instant(steps_before), 3);
        assert!(running.exchange.waiting() <= 8);
    }
    let at = instant(1);
    running.contribute(0, at, 4);
    running.contribute(1, at, 5);
    kafka.boot(1);
    let complete = running.wait_for_complete(at);
    assert_eq!(customers(&complete), [4, 5]);
}

#[test]
fn a_topic_that_is_made_anew_is_read_from_its_beginning() {
    let kafka = Kafka::shared();
    let topic = "anew";
    let first = Running::start(kafka, topic, "first", definition());
    first.wait_until_caught_up();
    for steps_before in (8..40).rev() {
        first.contribute(0, instant(steps_before), 1);
    }
    eventually(PATIENCE, "contributions to be written", || {
        match first.exchange.waiting() {
            0 => Ok(()),
            waiting => Err(format!("{waiting} wait")),
        }
    });
    kafka.delete_topic(topic);
    let at = instant(1);
    first.contribute(0, at, 1);
    first.contribute(1, at, 2);
    let complete = first.wait_for_complete(at);
    assert_eq!(customers(&complete), [1, 2]);
    let second = Running::start(kafka, topic, "second", definition());
    assert_eq!(customers(&second.wait_for_complete(at)), [1, 2]);
}
