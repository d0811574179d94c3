//! The Kafka sink against the client's in-process mock of a cluster: a real client over a socket.

#![cfg(test)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use tenure::event::Timestamp;
use tenure::generate::sink::topic::{Topic, TopicSettings};
use tenure::generate::sink::{Sink, SinkError};
use tenure::generate::{Generator, GeneratorSettings, Record, Scenario};

const TOPIC: &str = "customer-events";
const PARTITIONS: i32 = 4;

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    MockCluster::new(1).expect("a mock cluster")
}

fn topic_settings(bootstrap_servers: String) -> TopicSettings {
    TopicSettings {
        bootstrap_servers,
        topic: TOPIC.into(),
        create_with_partitions: None,
        properties: BTreeMap::new(),
    }
}

fn records() -> Vec<Record> {
    let mut generator = Generator::new(GeneratorSettings {
        customers: 500,
        days: 30,
        seed: 9,
        until: Timestamp::from_millis(1_767_225_600_000),
        scenario: Scenario::Steady,
        live_rate: None,
    })
    .expect("settings in their ranges");
    std::iter::from_fn(|| {
        let mut record = Record::buffer();
        generator.next_into(&mut record).then_some(record)
    })
    .collect()
}

/// What a consumer finds: partition, key, payload, timestamp; in the order of each partition.
fn consume(servers: &str, count: usize) -> Vec<(i32, Vec<u8>, Vec<u8>, i64)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions
            .add_partition_offset(TOPIC, partition, Offset::Beginning)
            .expect("a partition");
    }
    consumer.assign(&partitions).expect("an assignment");
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut found = Vec::new();
    while found.len() < count {
        assert!(Instant::now() < deadline, "{} of {count}", found.len());
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            let message = message.expect("a message");
            found.push((
                message.partition(),
                message.key().expect("a key").to_vec(),
                message.payload().expect("a payload").to_vec(),
                message.timestamp().to_millis().expect("a timestamp"),
            ));
        }
    }
    assert!(
        consumer.poll(Duration::from_millis(300)).is_none(),
        "nothing beyond"
    );
    found
}

/// The hash by which the Java client places keys.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[test]
fn every_record_arrives_once_where_the_java_client_would_put_it() {
    // From the tests of Apache Kafka.
    assert_eq!(murmur2(b"21") as i32, -973_932_308);
    assert_eq!(murmur2(b"foobar") as i32, -790_332_482);

    let cluster = cluster();
    cluster.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    let records = records();
    let mut sink = Topic::open(&topic_settings(cluster.bootstrap_servers())).expect("a sink");
    for record in &records {
        sink.send(record).expect("room in the queue");
    }
    sink.finish().expect("every record delivered");

    let mut found = consume(&cluster.bootstrap_servers(), records.len());
    for (partition, key, _, _) in &found {
        let expected = (murmur2(key) & 0x7fff_ffff) % PARTITIONS as u32;
        assert_eq!(*partition as u32, expected);
    }
    let mut sent: Vec<_> = records
        .into_iter()
        .map(|record| {
            let key = record.key.into_bytes();
            let partition = ((murmur2(&key) & 0x7fff_ffff) % PARTITIONS as u32) as i32;
            (
                partition,
                key,
                record.payload,
                record.arrives_at.as_millis(),
            )
        })
        .collect();
    // Stable, so the order within a partition is compared.
    found.sort_by_key(|(partition, ..)| *partition);
    sent.sort_by_key(|(partition, ..)| *partition);
    assert!(
        found == sent,
        "what was consumed is what was sent, in its order"
    );
}

#[test]
fn a_full_queue_is_waited_for() {
    let cluster = cluster();
    cluster.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    let mut settings = topic_settings(cluster.bootstrap_servers());
    let small = ("queue.buffering.max.messages".into(), "10".into());
    settings
        .properties
        .extend([small, ("linger.ms".into(), "0".into())]);
    let mut sink = Topic::open(&settings).expect("a sink");
    let records = records();
    for record in &records {
        sink.send(record).expect("room in the queue, after a wait");
    }
    sink.finish().expect("every record delivered");
    consume(&cluster.bootstrap_servers(), records.len());
}

fn refusal(settings: &TopicSettings) -> String {
    match Topic::open(settings).err() {
        Some(error @ SinkError::Refused(_)) => error.to_string(),
        Some(other) => panic!("not a refusal: {other}"),
        None => panic!("opened"),
    }
}

#[test]
fn a_missing_topic_is_refused_and_not_created_by_the_question() {
    let cluster = cluster();
    let settings = topic_settings(cluster.bootstrap_servers());
    for _ in 0..2 {
        let message = refusal(&settings);
        assert!(
            message.contains("customer-events does not exist"),
            "{message}"
        );
        assert!(message.contains("--create-topic"), "{message}");
    }
}

#[test]
fn a_wrong_property_is_named_without_its_value() {
    let mut settings = topic_settings("localhost:1".into());
    let wrong = ("sasl.passwort".into(), "hunter2".into());
    settings.properties.extend([wrong]);
    let message = refusal(&settings);
    assert!(message.contains("sasl.passwort"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn records_that_are_not_acknowledged_are_an_error_at_the_end() {
    let cluster = cluster();
    cluster.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    let mut settings = topic_settings(cluster.bootstrap_servers());
    let brief = ("message.timeout.ms".into(), "1500".into());
    settings
        .properties
        .extend([brief, ("linger.ms".into(), "0".into())]);
    let mut sink = Topic::open(&settings).expect("a sink");
    cluster.broker_down(1).expect("a broker to stop");
    let sent = records()
        .iter()
        .take(50)
        .try_for_each(|record| sink.send(record));
    let ended = sent.and_then(|()| sink.finish());
    assert!(
        matches!(ended, Err(SinkError::Undelivered { .. })),
        "{ended:?}"
    );
}

/// Records in all partitions.
fn held(servers: &str) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .create()
        .expect("a consumer");
    (0..PARTITIONS)
        .map(|partition| {
            consumer
                .fetch_watermarks(TOPIC, partition, Duration::from_secs(10))
                .expect("the ends of a partition")
                .1
        })
        .sum()
}

/// A program that is ended when the test is over, however it ends.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn live_shop(servers: &str) -> Running {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["generate", "--to", "kafka", "--bootstrap-servers", servers])
        .args(["--customers", "500", "--days", "30", "--live", "100"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program");
    Running(program)
}

/// Waits until the topic holds so many records, and tells how many it holds then.
fn wait_until_held(servers: &str, at_least: i64) -> i64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let count = held(servers);
        if count >= at_least {
            return count;
        }
        assert!(Instant::now() < deadline, "{count} of {at_least}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_live_shop_goes_on_after_its_history_and_is_not_given_a_second_one() {
    let cluster = cluster();
    cluster.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    let servers = cluster.bootstrap_servers();

    let first = live_shop(&servers);
    // About 3.75 events a customer are history, all that is beyond is live.
    let with_history = wait_until_held(&servers, 2_200);
    drop(first);

    let second = live_shop(&servers);
    let after = wait_until_held(&servers, with_history + 100);
    drop(second);
    assert!(
        after < with_history + 1_500,
        "{with_history} records became {after}: the history was sent twice"
    );
}
