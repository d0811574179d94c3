//! Ranges of the log, read once: every record in order, and a proper end wherever the log ends.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "these tests need a broker and no process of their own"
)]
mod real;

use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use real::eventually;
use real::kafka::Kafka;
use tenure::config::{Override, Settings, Sources, load};
use tenure::kafka::Place;
use tenure::kafka::range::{Range, RangeError, Ranges};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_mins(1);

fn settings(servers: &str, topics: &str) -> Settings {
    let flag = |key: &str, text: &str| Override {
        key: key.to_owned(),
        text: text.to_owned(),
        flag: "--set".to_owned(),
    };
    let flags = vec![
        flag("kafka.bootstrap_servers", servers),
        flag("kafka.topics", topics),
    ];
    load(&Sources {
        flags,
        ..Sources::none()
    })
    .unwrap()
}

fn ranges(servers: &str, topics: &str) -> Ranges {
    Ranges::new(&settings(servers, topics).kafka, DEADLINE).unwrap()
}

const fn place(topic: usize, partition: i32) -> Place {
    Place { topic, partition }
}

/// The offsets and values of a range.
fn read(ranges: &Ranges, range: Range) -> Result<Vec<(i64, String)>, RangeError> {
    let mut found = Vec::new();
    ranges.read(range, &mut |record| {
        let value = record.value.map(String::from_utf8_lossy);
        found.push((record.offset, value.unwrap_or_default().into_owned()));
    })?;
    Ok(found)
}

/// The whole of a partition as it is now.
fn whole(ranges: &Ranges, place: Place) -> Vec<(i64, String)> {
    let starts = ranges.starts().unwrap();
    let start = starts.iter().find(|start| start.place == place).unwrap();
    let range = Range {
        place,
        from: start.first_offset,
        until: start.end_offset,
    };
    read(ranges, range).unwrap()
}

fn produce(producer: &BaseProducer, topic: &str, partition: i32, values: &[String]) {
    for value in values {
        let record = BaseRecord::<str, str>::to(topic)
            .partition(partition)
            .key(value)
            .payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

fn values(numbers: std::ops::Range<i64>) -> Vec<String> {
    numbers.map(|number| format!("value-{number}")).collect()
}

fn numbered(numbers: std::ops::Range<i64>) -> Vec<(i64, String)> {
    numbers.clone().zip(values(numbers)).collect()
}

#[test]
fn a_range_has_its_records_and_no_others_whatever_is_read_before() {
    let kafka = Kafka::shared();
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    for topic in ["range-a", "range-b"] {
        kafka.create_topic(topic, 3, &[]);
        produce(&producer, topic, 0, &values(0..5000));
        produce(&producer, topic, 2, &values(0..10));
    }
    let ranges = ranges(kafka.bootstrap_servers(), "range-a,range-b");
    for topic in [1, 0] {
        for (partition, from, until) in [
            (0, 10, 4000),
            (0, 0, 5000),
            (2, 3, 4),
            (1, 0, 0),
            (2, 9, 10),
        ] {
            let range = Range {
                place: place(topic, partition),
                from,
                until,
            };
            assert_eq!(read(&ranges, range).unwrap(), numbered(from..until));
        }
    }
    assert_eq!(whole(&ranges, place(0, 1)), []);
}

#[test]
fn a_log_that_lacks_a_part_of_the_range_is_an_error() {
    let kafka = Kafka::shared();
    kafka.create_topic("range-short", 1, &[]);
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    produce(&producer, "range-short", 0, &values(0..100));
    kafka.delete_records("range-short", 0, 40);
    let ranges = ranges(kafka.bootstrap_servers(), "range-short");
    let of = |from, until| Range {
        place: place(0, 0),
        from,
        until,
    };
    let topic = "range-short".to_owned();
    let gone = RangeError::Gone {
        topic: topic.clone(),
        partition: 0,
        offset: 39,
        low: 40,
    };
    assert_eq!(read(&ranges, of(39, 100)), Err(gone));
    let short = RangeError::Short {
        topic,
        partition: 0,
        until: 101,
        high: 100,
    };
    assert_eq!(read(&ranges, of(40, 101)), Err(short));
    assert_eq!(read(&ranges, of(40, 100)).unwrap(), numbered(40..100));
    assert_eq!(whole(&ranges, place(0, 0)), numbered(40..100));
    kafka.delete_records("range-short", 0, 100);
    assert_eq!(whole(&ranges, place(0, 0)), []);
}

#[test]
fn markers_and_aborted_records_at_the_end_are_no_reason_to_wait() {
    let kafka = Kafka::shared();
    kafka.create_topic("range-transactions", 1, &[]);
    let producer: BaseProducer = kafka
        .client_config()
        .set("transactional.id", "range")
        .create()
        .unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    let ranges = ranges(kafka.bootstrap_servers(), "range-transactions");
    let mut expected = Vec::new();
    let started = Instant::now();
    for (round, commit) in [true, false, true, false, false].into_iter().enumerate() {
        producer.begin_transaction().unwrap();
        let values = values(round as i64 * 10..round as i64 * 10 + 10);
        produce(&producer, "range-transactions", 0, &values);
        // Five rounds of ten records and a marker.
        let first = round as i64 * 11;
        if commit {
            producer.commit_transaction(DEADLINE).unwrap();
            expected.extend((first..).zip(values));
        } else {
            producer.abort_transaction(DEADLINE).unwrap();
        }
        eventually(DEADLINE, "the marker", || {
            let (_, high) = kafka.offsets("range-transactions", 0);
            if high == first + 11 {
                Ok(())
            } else {
                Err(format!("{high}"))
            }
        });
        eventually(DEADLINE, "the end of the transaction", || {
            let end = ranges.starts().unwrap()[0].end_offset;
            if end == first + 11 {
                Ok(())
            } else {
                Err(format!("{end}"))
            }
        });
        assert_eq!(whole(&ranges, place(0, 0)), expected, "round {round}");
    }
    // An open transaction is not yet part of the log.
    producer.begin_transaction().unwrap();
    produce(&producer, "range-transactions", 0, &values(0..5));
    assert_eq!(whole(&ranges, place(0, 0)), expected);
    producer.abort_transaction(DEADLINE).unwrap();
    assert!(started.elapsed() < DEADLINE, "an end was waited for");
    // A range that ends on a marker, and one that is nothing else.
    for (from, until, count) in [(5, 11, 5), (10, 11, 0), (11, 22, 0), (11, 23, 1)] {
        let range = Range {
            place: place(0, 0),
            from,
            until,
        };
        assert_eq!(
            read(&ranges, range).unwrap().len(),
            count,
            "{from}..{until}"
        );
    }
}

#[test]
fn what_was_compacted_away_is_stepped_over() {
    let kafka = Kafka::shared();
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("segment.bytes", "1048576"),
        ("segment.ms", "100"),
        ("max.compaction.lag.ms", "100"),
        ("delete.retention.ms", "0"),
    ];
    kafka.create_topic("range-compacted", 1, &settings);
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    let ranges = ranges(kafka.bootstrap_servers(), "range-compacted");
    produce(&producer, "range-compacted", 0, &values(0..50));
    eventually(DEADLINE, "compaction", || {
        // Each key anew, so that the older ones can go once their segment is closed.
        produce(&producer, "range-compacted", 0, &values(0..50));
        let found = whole(&ranges, place(0, 0));
        let end = ranges.starts().unwrap()[0].end_offset;
        if (found.len() as i64) < end {
            Ok(())
        } else {
            Err(format!("{end} records"))
        }
    });
    // A range whose own end may be compacted away ends all the same.
    let range = Range {
        place: place(0, 0),
        from: 0,
        until: 60,
    };
    assert!(read(&ranges, range).unwrap().len() < 60);
}

#[test]
fn a_broker_that_hands_out_nothing_is_given_up_after_the_patience() {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic("range-silent", 1, 1).unwrap();
    let servers = cluster.bootstrap_servers();
    let producer: BaseProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .create()
        .unwrap();
    produce(&producer, "range-silent", 0, &values(0..10));
    let patience = Duration::from_secs(1);
    let ranges = Ranges::new(&settings(&servers, "range-silent").kafka, patience).unwrap();
    assert_eq!(whole(&ranges, place(0, 0)), numbered(0..10));
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    cluster.request_errors(RDKafkaApiKey::Fetch, &vec![refusal; 10_000]);
    let range = Range {
        place: place(0, 0),
        from: 4,
        until: 10,
    };
    match read(&ranges, range) {
        Err(RangeError::Silent {
            offset: 4,
            until: 10,
            waited,
            ..
        }) => assert!(waited >= patience),
        other => panic!("{other:?}"),
    }
}
