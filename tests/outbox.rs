//! The outbox against brokers that refuse: whatever they say, every letter is written in the end.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tenure::config::KafkaSettings;
use tenure::event::Reason;
use tenure::kafka::Place;
use tenure::kafka::batch::{Batch, Record};
use tenure::kafka::letters::Letter;
use tenure::kafka::letters::outbox::Outbox;
use tenure::telemetry::Telemetry;

const DEADLINE: Duration = Duration::from_mins(1);
const LETTERS: i64 = 50;
const PLACE: Place = Place {
    topic: 0,
    partition: 0,
};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn outbox(cluster: &Cluster, telemetry: &Arc<Telemetry>) -> Outbox {
    let settings = KafkaSettings {
        bootstrap_servers: cluster.bootstrap_servers(),
        topics: vec!["events".to_owned()],
        group_id: "test".to_owned(),
        properties: BTreeMap::new(),
    };
    Outbox::new(&settings, "rejected", Arc::clone(telemetry))
}

fn hand_over(outbox: &Outbox, offset: i64) {
    let value = format!("letter {offset}").into_bytes();
    let record = Record {
        offset,
        recorded_at: None,
        value: Some(&value),
    };
    let mut batch = Batch::new(PLACE);
    batch.push(record);
    batch.push_key(None);
    outbox.hand_over(&Letter {
        place: PLACE,
        offset,
        recorded_at: record.recorded_at,
        envelope: batch.envelope(0),
        value: Some(&value),
        reason: Reason::InvalidJson,
        field: None,
    });
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many letters the topic has.
fn written(cluster: &Cluster) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let (low, high) = consumer.fetch_watermarks("rejected", 0, DEADLINE).unwrap();
    high - low
}

/// Hands letters over while the cluster is as `before` leaves it, then lets `after` mend it.
#[track_caller]
fn check(name: &str, before: impl FnOnce(&Cluster), after: impl FnOnce(&Cluster)) {
    let cluster: Cluster = MockCluster::new(1).unwrap();
    let telemetry = Arc::new(Telemetry::new().unwrap());
    before(&cluster);
    let outbox = outbox(&cluster, &telemetry);
    let outbox = Arc::new(outbox);
    let stop = Arc::new(AtomicBool::new(false));
    // Not scoped: a failure must not wait for a thread that has something left to write.
    let running = std::thread::spawn({
        let (outbox, stop) = (Arc::clone(&outbox), Arc::clone(&stop));
        move || outbox.run(&stop)
    });
    {
        for offset in 0..LETTERS {
            hand_over(&outbox, offset);
        }
        assert_eq!(telemetry.dead_letters.pending.get(), LETTERS, "{name}");
        assert_eq!(outbox.durable(PLACE, LETTERS), 0, "{name}");
        after(&cluster);
        wait_for(name, || outbox.acknowledged_below(PLACE).is_none());
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap();
    }
    assert_eq!(outbox.durable(PLACE, LETTERS), LETTERS, "{name}");
    let counters = telemetry.dead_letters.topic("events");
    let acknowledged = counters.written(Reason::InvalidJson).get();
    assert_eq!(acknowledged, LETTERS.unsigned_abs(), "{name}");
    assert_eq!(counters.failures.get(), 0, "{name}");
    assert_eq!(telemetry.dead_letters.pending.get(), 0, "{name}");
    assert!(written(&cluster) >= LETTERS, "{name}");
}

fn with_topic(cluster: &Cluster) {
    cluster.create_topic("rejected", 1, 1).unwrap();
}

#[test]
fn letters_are_written_after_any_refusal_of_the_brokers() {
    use RDKafkaRespErr as E;
    // By request and error, so many times in a row.
    for (request, error, times) in [
        (
            RDKafkaApiKey::Produce,
            E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            2,
        ),
        (
            RDKafkaApiKey::Produce,
            E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            1,
        ),
        (
            RDKafkaApiKey::Produce,
            E::RD_KAFKA_RESP_ERR_INVALID_RECORD,
            3,
        ),
        (
            RDKafkaApiKey::Produce,
            E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            3,
        ),
        (
            RDKafkaApiKey::Produce,
            E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            2,
        ),
        (
            RDKafkaApiKey::Produce,
            E::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
            1,
        ),
        (
            RDKafkaApiKey::Produce,
            E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            2,
        ),
        (
            RDKafkaApiKey::InitProducerId,
            E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            2,
        ),
    ] {
        let refuse = |cluster: &Cluster| {
            with_topic(cluster);
            cluster.request_errors(request, &vec![error; times]);
        };
        check(&format!("{request:?} {error:?}"), refuse, |_| {});
    }
}

#[test]
fn letters_wait_for_brokers_that_are_away() {
    let away = |cluster: &Cluster| {
        with_topic(cluster);
        cluster.broker_down(1).unwrap();
    };
    check("no broker", away, |cluster| {
        cluster.broker_up(1).unwrap();
    });
}
