//! Every preset against Apache Kafka: a made-up history, told as a backend would tell it, gives the
//! numbers of the same history in native events, series by series.
//!
//! Among the records are those that each backend sends besides, and deliveries a second time.

#![cfg(test)]

#[path = "presets/backend.rs"]
mod backend;
#[path = "presets/history.rs"]
mod history;
#[expect(
    dead_code,
    reason = "these tests need no Prometheus and no failing disk"
)]
mod real;
#[expect(dead_code, reason = "nothing is restored here")]
mod service;

#[path = "presets/adobe_commerce.rs"]
mod adobe_commerce;
#[path = "presets/cloudevents.rs"]
mod cloudevents;
#[path = "presets/commercetools.rs"]
mod commercetools;
#[path = "presets/debezium.rs"]
mod debezium;
#[path = "presets/delighted.rs"]
mod delighted;
#[path = "presets/formbricks.rs"]
mod formbricks;
#[path = "presets/lago.rs"]
mod lago;
#[path = "presets/saleor.rs"]
mod saleor;
#[path = "presets/segment.rs"]
mod segment;
#[path = "presets/shopify.rs"]
mod shopify;
#[path = "presets/snowplow.rs"]
mod snowplow;
#[path = "presets/stripe.rs"]
mod stripe;
#[path = "presets/typeform.rs"]
mod typeform;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use backend::{Backend, Record};
use history::{Dice, Fact, HOUR, history};
use real::kafka::Kafka;
use service::{DEADLINE, Installation, Page, now};

const PARTITIONS: i32 = 3;
/// Pieces of noise for each backend.
const NOISE: u32 = 40;
/// Of so many records one is delivered again.
const AGAIN: u64 = 12;

/// A backend with the facts that are its to tell.
struct Part<'a> {
    topic: &'a str,
    backend: &'a dyn Backend,
    takes: fn(&Fact) -> bool,
}

/// A record with its partition.
type Placed = (i32, Record);

/// What was sent to a topic.
#[derive(Default)]
struct Told {
    /// The native events of the same facts, one a line.
    native: String,
    facts: u32,
    records: i64,
}

/// Tells the facts to the topic, with noise and with repeats.
fn tell(part: &Part<'_>, facts: &[Fact], end: i64) -> Told {
    let mut told = Told::default();
    let said: Vec<Fact> = facts
        .iter()
        .filter(|fact| (part.takes)(fact))
        .filter_map(|fact| part.backend.says(fact))
        .collect();
    let mut records: Vec<Placed> = Vec::new();
    for moment in said.chunk_by(|one, next| (one.customer, one.at) == (next.customer, next.at)) {
        let partition = partition_of(moment[0].customer);
        let encoded = part.backend.encode_together(moment).into_iter();
        records.extend(encoded.map(|record| (partition, record)));
    }
    for fact in &said {
        let customer = part.backend.customer(fact.customer);
        writeln!(told.native, "{}", fact.native(&customer)).unwrap();
        told.facts += 1;
    }
    let mut dice = Dice(7);
    let again: Vec<Placed> = records
        .iter()
        .filter(|_| dice.below(AGAIN) == 0)
        .cloned()
        .map(|(partition, mut record)| {
            record.timestamp += HOUR;
            (partition, record)
        })
        .collect();
    records.extend(again);
    for number in 0..NOISE {
        let at = end - i64::from(number + 1) * HOUR;
        let noise = part.backend.noise(number, at).into_iter();
        records.extend(noise.map(|record| (partition_of(number), record)));
    }
    // The history is of one customer after the other; a topic is of one hour after the other.
    records.sort_by_key(|(_, record)| record.timestamp);
    told.records = i64::try_from(records.len()).unwrap();
    send(part.topic, &records);
    told
}

fn partition_of(customer: u32) -> i32 {
    i32::try_from(customer).unwrap() % PARTITIONS
}

fn send(topic: &str, records: &[Placed]) {
    let kafka = Kafka::shared();
    kafka.create_topic(topic, PARTITIONS, &[]);
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    for (partition, record) in records {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            });
        let mut sent = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(*partition)
            .timestamp(record.timestamp)
            .headers(headers);
        if let Some(key) = &record.key {
            sent = sent.key(key);
        }
        if let Some(value) = &record.value {
            sent = sent.payload(value);
        }
        while let Err((error, same)) = producer.send(sent) {
            assert!(error.to_string().contains("QueueFull"), "{error}");
            producer.poll(Duration::from_millis(20));
            sent = same;
        }
    }
    producer.flush(DEADLINE).unwrap();
}

/// Lets backends tell the history, each its part, and compares what the service makes of it with
/// what a replay makes of the same facts.
#[track_caller]
fn check(parts: &[Part<'_>]) {
    let end = (now() * 1000.0) as i64 - 2 * HOUR;
    let facts = history(end);
    let told: Vec<Told> = parts.iter().map(|part| tell(part, &facts, end)).collect();

    let folder = tempfile::tempdir().unwrap();
    let native = folder.path().join("native.ndjson");
    let lines: String = told.iter().map(|told| told.native.as_str()).collect();
    std::fs::write(&native, lines).unwrap();
    let configuration = folder.path().join("tenure.yaml");
    let mut text = String::from("sources:\n");
    for part in parts {
        writeln!(text, "  {}: {}", part.topic, part.backend.source()).unwrap();
    }
    std::fs::write(&configuration, text).unwrap();

    let topics: Vec<&str> = parts.iter().map(|part| part.topic).collect();
    let servers = Kafka::shared().bootstrap_servers();
    let installation = Installation::new(servers, &topics.join(","), &[]);
    let service = installation.start_with(&["--config", configuration.to_str().unwrap()], |_| {});
    let page = service.page_at(told.iter().map(|told| told.records).sum());
    let counted = outcomes(&page);
    let facts: u32 = told.iter().map(|told| told.facts).sum();
    assert!(facts > 100, "{facts} facts are no test");
    assert_eq!(
        [counted["rejected"], counted["conflicting"]],
        [0.0, 0.0],
        "{counted:?}\n{}",
        service.process.tail()
    );
    assert_eq!(
        counted["applied"] + counted["redundant"],
        f64::from(facts),
        "{counted:?}"
    );
    assert!(counted["duplicate"] > 0.0, "{counted:?}");
    assert!(counted["skipped"] > 0.0, "{counted:?}");
    let compared = page.same_numbers(&installation.replay(&native, page.time()));
    assert!(compared > 50, "{compared} series are no test");
    service.ends_well();
}

/// What became of the records, by outcome.
fn outcomes(page: &Page) -> BTreeMap<String, f64> {
    page.of("tenure_events_total")
        .map(|(series, value)| {
            let (_, rest) = series.split_once("outcome=\"").unwrap();
            (rest.trim_end_matches("\"}").to_owned(), value)
        })
        .collect()
}

/// One backend that tells all it can.
#[track_caller]
fn check_alone(topic: &str, backend: &dyn Backend) {
    check(&[Part {
        topic,
        backend,
        takes: |_| true,
    }]);
}

#[test]
fn every_preset_is_told_by_a_backend() {
    let told: [&dyn Backend; 13] = [
        &adobe_commerce::AdobeCommerce,
        &cloudevents::CloudEvents,
        &commercetools::Commercetools,
        &debezium::Debezium { schema: true },
        &delighted::Delighted,
        &formbricks::Formbricks,
        &lago::Lago,
        &saleor::Saleor,
        &segment::Segment,
        &shopify::Shopify,
        &snowplow::Snowplow,
        &stripe::Stripe,
        &typeform::Typeform,
    ];
    let told: BTreeSet<String> = told.iter().map(|backend| preset_of(*backend)).collect();
    let presets = tenure::config::sources::presets().into_iter();
    let presets: BTreeSet<String> = presets.map(|preset| preset.name.to_owned()).collect();
    assert_eq!(told, presets);
}

/// The name of the preset that reads a backend.
fn preset_of(backend: &dyn Backend) -> String {
    let source = backend.source();
    let name = source.trim_start_matches("{ preset: ");
    name.split(',').next().unwrap_or_default().to_owned()
}

#[test]
fn snowplow_tells_the_native_numbers() {
    check_alone("preset-snowplow", &snowplow::Snowplow);
}

#[test]
fn debezium_with_the_schema_tells_the_native_numbers() {
    check_alone("preset-debezium", &debezium::Debezium { schema: true });
}

#[test]
fn delighted_tells_the_native_numbers() {
    check_alone("preset-delighted", &delighted::Delighted);
}

#[test]
fn formbricks_tells_the_native_numbers() {
    check_alone("preset-formbricks", &formbricks::Formbricks);
}

#[test]
fn typeform_tells_the_native_numbers() {
    check_alone("preset-typeform", &typeform::Typeform);
}

#[test]
fn several_backends_tell_one_history_together() {
    check(&[
        Part {
            topic: "together-tables",
            backend: &debezium::Debezium { schema: false },
            takes: |fact| !fact.is_purchase(),
        },
        Part {
            topic: "together-visits",
            backend: &snowplow::Snowplow,
            takes: Fact::is_purchase,
        },
        Part {
            topic: "together-answers",
            backend: &typeform::Typeform,
            takes: |_| true,
        },
    ]);
}

#[test]
fn lago_tells_the_native_numbers() {
    check_alone("preset-lago", &lago::Lago);
}

#[test]
fn cloudevents_tells_the_native_numbers() {
    check_alone("preset-cloudevents", &cloudevents::CloudEvents);
}

#[test]
fn segment_tells_the_native_numbers() {
    check_alone("preset-segment", &segment::Segment);
}

#[test]
fn shopify_tells_the_native_numbers() {
    check_alone("preset-shopify", &shopify::Shopify);
}

#[test]
fn stripe_tells_the_native_numbers() {
    check_alone("preset-stripe", &stripe::Stripe);
}

#[test]
fn saleor_tells_the_native_numbers() {
    check_alone("preset-saleor", &saleor::Saleor);
}

#[test]
fn commercetools_tells_the_native_numbers() {
    check_alone("preset-commercetools", &commercetools::Commercetools);
}

#[test]
fn adobe_commerce_tells_the_native_numbers() {
    check_alone("preset-adobe-commerce", &adobe_commerce::AdobeCommerce);
}
