//! Everything of the crate against the broker that the client has built in.

#![cfg(test)]

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::bindings::{self, rd_kafka_resp_err_t};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use tenure_librdkafka::{
    Fetched, Header, Outgoing, Pump, Pumped, TopicIdsError, each_header, leader_epoch, produce,
    set_leader_epoch, topic_ids,
};

const TOPIC: &str = "events";
const PATIENCE: Duration = Duration::from_secs(20);
/// 2026-11-01T09:30:00Z.
const AT: i64 = 1_793_525_400_000;

/// The number of a record, and where it was written, partition and offset.
type Outcome = (usize, Result<(i32, i64), RDKafkaErrorCode>);

/// What the producer was told of its records.
#[derive(Default)]
struct Outcomes(Mutex<Vec<Outcome>>);

impl ClientContext for Outcomes {}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let result = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap()),
        };
        self.0.lock().unwrap().push((opaque, result));
    }
}

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 2, 1).unwrap();
    cluster
}

fn producer(cluster: &MockCluster<'_, DefaultProducerContext>) -> BaseProducer<Outcomes> {
    ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("message.max.bytes", "20000")
        .create_with_context(Outcomes::default())
        .unwrap()
}

fn consumer(cluster: &MockCluster<'_, DefaultProducerContext>) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap()
}

/// The outcomes of the first `count` records, by their number.
fn outcomes(producer: &BaseProducer<Outcomes>, count: usize) -> Vec<Outcome> {
    use rdkafka::producer::Producer as _;

    let deadline = Instant::now() + PATIENCE;
    loop {
        producer.poll(Duration::from_millis(10));
        let mut outcomes = producer.client().context().0.lock().unwrap().clone();
        if outcomes.len() >= count {
            outcomes.sort_unstable_by_key(|(number, _)| *number);
            return outcomes;
        }
        assert!(Instant::now() < deadline, "only {outcomes:?}");
    }
}

/// A record as it was read.
#[derive(Debug, PartialEq)]
struct Read {
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Reads so many records of partition 1 from its beginning.
fn read(consumer: &BaseConsumer, count: usize) -> Vec<Read> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 1, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while records.len() < count {
        assert!(Instant::now() < deadline, "only {records:?}");
        let Some(message) = consumer.poll(Duration::from_millis(50)) else {
            continue;
        };
        let mut message = message.unwrap();
        let mut headers = Vec::new();
        each_header(&mut message, |name, value| {
            headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
        })
        .unwrap();
        assert!(leader_epoch(&message).is_some_and(|epoch| epoch >= 0));
        records.push(Read {
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        });
    }
    records
}

#[test]
fn records_come_back_as_they_were_written_whatever_their_bytes() {
    let strange: [Header<'_>; 6] = [
        (b"\xff\xfe name that is no text", Some(b"\x00\x01\xff")),
        (b"", Some(b"a name without a letter")),
        (b"null", None),
        (b"empty", Some(b"")),
        (b"twice", Some(b"1")),
        (b"twice", Some(b"2")),
    ];
    let of = |timestamp, key, value, headers| Outgoing {
        topic: TOPIC,
        partition: Some(1),
        timestamp,
        key,
        value,
        headers,
    };
    let (key, value) = (&b"\x00key\xff"[..], &b"{\"\xc3\x28"[..]);
    let records = [
        of(Some(AT), Some(key), Some(value), &strange[..]),
        of(Some(AT + 1), None, None, &[]),
        of(Some(AT - 1), Some(b""), Some(b""), &strange[2..3]),
        of(Some(0), None, Some(value), &[]),
        of(None, None, Some(value), &[]),
    ];
    let cluster = cluster();
    let producer = producer(&cluster);
    for (number, record) in records.iter().enumerate() {
        produce(&producer, record, number).unwrap();
    }
    let expected: Vec<_> = (0..records.len())
        .map(|number| (number, Ok((1, i64::try_from(number).unwrap()))))
        .collect();
    assert_eq!(outcomes(&producer, records.len()), expected);

    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    for (written, read) in records.iter().zip(read(&consumer(&cluster), records.len())) {
        let expected = Read {
            timestamp: written.timestamp.map(|at| at.max(1)),
            key: owned(written.key),
            value: owned(written.value),
            headers: written
                .headers
                .iter()
                .map(|(name, value)| (name.to_vec(), owned(*value)))
                .collect(),
        };
        assert_eq!(read, expected);
    }
}

#[test]
fn without_a_partition_the_key_decides() {
    let cluster = cluster();
    let producer = producer(&cluster);
    for number in 0..20 {
        let key = [b'k', u8::try_from(number / 2).unwrap()];
        let record = Outgoing {
            topic: TOPIC,
            partition: None,
            timestamp: Some(AT),
            key: Some(&key),
            value: None,
            headers: &[],
        };
        produce(&producer, &record, number).unwrap();
    }
    let partitions: Vec<i32> = outcomes(&producer, 20)
        .into_iter()
        .map(|(_, outcome)| outcome.unwrap().0)
        .collect();
    assert!(partitions.chunks(2).all(|pair| pair[0] == pair[1]));
    assert!(partitions.contains(&0) && partitions.contains(&1));
}

#[test]
fn what_cannot_be_written_is_told() {
    let cluster = cluster();
    let producer = producer(&cluster);
    let record = |topic, partition, value| Outgoing {
        topic,
        partition,
        timestamp: None,
        key: None,
        value,
        headers: &[],
    };
    let large = vec![b'.'; 30_000];
    for (number, (record, code)) in [
        (
            record(TOPIC, None, Some(&large[..])),
            Some(RDKafkaErrorCode::MessageSizeTooLarge),
        ),
        (record("a\0b", None, None), None),
    ]
    .into_iter()
    .enumerate()
    {
        let error = produce(&producer, &record, number).unwrap_err();
        assert_eq!(error.rdkafka_error_code(), code, "{error}");
    }
    // The client learns from the brokers that there is no such partition.
    let told = match produce(&producer, &record(TOPIC, Some(7), None), 7) {
        Ok(()) => outcomes(&producer, 1)[0].1.unwrap_err(),
        Err(error) => error.rdkafka_error_code().unwrap(),
    };
    assert_eq!(told, RDKafkaErrorCode::UnknownPartition);
}

#[test]
fn the_leader_epoch_of_a_position_is_kept_by_the_list() {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 1, Offset::Offset(5))
        .unwrap();
    assert!(set_leader_epoch(&mut list, TOPIC, 1, 42));
    assert!(!set_leader_epoch(&mut list, TOPIC, 0, 42));
    assert!(!set_leader_epoch(&mut list, "another", 1, 42));
    assert!(!set_leader_epoch(&mut list, "a\0b", 1, 42));
    let copy = list.clone();
    let name = std::ffi::CString::new(TOPIC).unwrap();
    // SAFETY: the list and the name are alive, and the function only reads them.
    let element =
        unsafe { bindings::rd_kafka_topic_partition_list_find(copy.ptr(), name.as_ptr(), 1) };
    // SAFETY: the list has the element, and is alive.
    let epoch = unsafe { bindings::rd_kafka_topic_partition_get_leader_epoch(element) };
    assert_eq!(epoch, 42);
}

/// The broker that the client has built in leaves the question for identities unanswered, so this
/// is about what needs no answer; real brokers are asked in a test of the package at the root.
#[test]
fn questions_without_sense_are_not_asked() {
    let cluster = cluster();
    let consumer = consumer(&cluster);
    let ids = |names: &[&str]| topic_ids(consumer.client(), names, PATIENCE);
    assert_eq!(ids(&[]), Ok(Vec::new()));
    assert!(matches!(
        ids(&["a\0b"]),
        Err(TopicIdsError::Client(KafkaError::Nul(_)))
    ));
}

#[test]
fn brokers_that_do_not_answer_are_not_waited_for_longer_than_asked() {
    // Bound, so that nobody else takes the port, but never accepted from.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let consumer: BaseConsumer = ClientConfig::new()
        .set(
            "bootstrap.servers",
            silent.local_addr().unwrap().to_string(),
        )
        .set("group.id", "test")
        .create()
        .unwrap();
    let asked_at = Instant::now();
    let answer = topic_ids(consumer.client(), &[TOPIC], Duration::from_millis(300));
    assert!(
        matches!(answer, Err(TopicIdsError::Client(_))),
        "{answer:?}"
    );
    assert!(asked_at.elapsed() < Duration::from_secs(5));
}

/// What a consumer's context was told.
#[derive(Default)]
struct Told {
    statistics: AtomicUsize,
    commits: AtomicUsize,
    errors: Mutex<Vec<RDKafkaErrorCode>>,
    lines: AtomicUsize,
    rebalances: Mutex<Vec<(rd_kafka_resp_err_t, usize)>>,
}

impl ClientContext for Told {
    fn stats_raw(&self, statistics: &[u8]) {
        assert_eq!(statistics.first(), Some(&b'{'));
        self.statistics.fetch_add(1, Ordering::Relaxed);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        assert!(!reason.is_empty());
        let code = error.rdkafka_error_code().unwrap();
        self.errors.lock().unwrap().push(code);
    }

    fn log(&self, _: RDKafkaLogLevel, facility: &str, _: &str) {
        assert!(!facility.is_empty());
        self.lines.fetch_add(1, Ordering::Relaxed);
    }
}

impl ConsumerContext for Told {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: rd_kafka_resp_err_t,
        list: &mut TopicPartitionList,
    ) {
        let told = (code, list.count());
        self.rebalances.lock().unwrap().push(told);
        if code == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            list.set_all_offsets(Offset::Beginning).unwrap();
            consumer.assign(list).unwrap();
        } else {
            consumer.unassign().unwrap();
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, offsets: &TopicPartitionList) {
        result.unwrap();
        for element in offsets.elements() {
            assert_eq!(element.topic(), TOPIC);
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

fn talkative(servers: &str, properties: &[(&str, &str)]) -> BaseConsumer<Told> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("group.id", "test")
        .set("fetch.wait.max.ms", "10")
        .set("statistics.interval.ms", "20");
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config.create_with_context(Told::default()).unwrap()
}

/// Writes so many records to each of the two partitions; each has its number as its value.
fn write(cluster: &MockCluster<'_, DefaultProducerContext>, count: usize) {
    let producer = producer(cluster);
    let mut written = 0;
    for partition in 0..2 {
        for number in 0..count {
            let value = number.to_string();
            let record = Outgoing {
                topic: TOPIC,
                partition: Some(partition),
                timestamp: Some(AT),
                key: (number % 2 == 0).then_some(b"key"),
                value: Some(value.as_bytes()),
                headers: &[(b"name", Some(b"value"))],
            };
            produce(&producer, &record, written).unwrap();
            written += 1;
        }
    }
    outcomes(&producer, written);
}

fn assign(consumer: &BaseConsumer<Told>) {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(TOPIC, 0, 1);
    list.set_all_offsets(Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
}

/// Pumps until a condition on what came holds: values by partition, and errors.
fn pump_until(
    pump: &mut Pump<'_, Told>,
    until: impl Fn(&[Vec<String>; 2], &[KafkaError]) -> bool,
) -> ([Vec<String>; 2], Vec<KafkaError>) {
    let deadline = Instant::now() + PATIENCE;
    let (mut values, mut errors) = ([Vec::new(), Vec::new()], Vec::new());
    while !until(&values, &errors) {
        assert!(Instant::now() < deadline, "only {values:?} and {errors:?}");
        let outcome = pump.poll(Duration::from_millis(10), |pumped| {
            match pumped {
                Pumped::Records(run) => {
                    assert_eq!(run.topic, TOPIC);
                    let values = &mut values[usize::try_from(run.partition).unwrap()];
                    values.extend(run.map(|mut record| looked_at(&mut record)));
                }
                Pumped::Failed(failed) => errors.push(failed.error),
            }
            ControlFlow::<()>::Continue(())
        });
        assert!(outcome.is_continue());
    }
    (values, errors)
}

/// The value of a record that [`write`] wrote; everything else of it is looked at.
fn looked_at(record: &mut Fetched<'_>) -> String {
    let number = record.offset();
    assert_eq!(record.key(), (number % 2 == 0).then_some(&b"key"[..]));
    assert_eq!(record.timestamp(), Some(AT));
    assert!(record.leader_epoch().is_some_and(|epoch| epoch >= 0));
    let mut headers = Vec::new();
    record
        .each_header(|name, value| headers.push((name.to_vec(), value.map(<[u8]>::to_vec))))
        .unwrap();
    assert_eq!(headers, [(b"name".to_vec(), Some(b"value".to_vec()))]);
    let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
    assert_eq!(value, number.to_string());
    value
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn a_pump_hands_on_every_record_in_order_and_tells_the_context_everything_else() {
    let cluster = cluster();
    write(&cluster, 2000);
    let consumer = talkative(
        &cluster.bootstrap_servers(),
        &[("auto.commit.interval.ms", "20"), ("debug", "topic")],
    );
    let told = consumer.context();
    let mut pump = Pump::assigned(&consumer).unwrap();
    assign(&consumer);
    let (values, errors) = pump_until(&mut pump, |values, _| {
        values.iter().all(|values| values.len() >= 2000)
            && told.statistics.load(Ordering::Relaxed) > 1
            && told.commits.load(Ordering::Relaxed) > 0
            && told.lines.load(Ordering::Relaxed) > 0
    });
    assert_eq!(values, [numbers(2000), numbers(2000)]);
    assert_eq!(errors, []);
}

#[test]
fn what_came_before_a_pump_and_what_comes_after_it_is_told_too() {
    let cluster = cluster();
    write(&cluster, 10);
    let consumer = talkative(&cluster.bootstrap_servers(), &[]);
    let told = consumer.context();
    assign(&consumer);
    // Statistics are in the queue of the records by the time when records are there.
    let deadline = Instant::now() + PATIENCE;
    while consumer.position().unwrap().count() == 0 {
        assert!(Instant::now() < deadline);
    }
    let mut pump = Pump::assigned(&consumer).unwrap();
    let (values, _) = pump_until(&mut pump, |values, _| {
        values.iter().all(|values| values.len() >= 10)
            && told.statistics.load(Ordering::Relaxed) > 0
    });
    assert_eq!(values, [numbers(10), numbers(10)]);
    drop(pump);
    let before = told.statistics.load(Ordering::Relaxed);
    while told.statistics.load(Ordering::Relaxed) < before + 2 {
        assert!(Instant::now() < deadline);
        assert!(consumer.poll(Duration::from_millis(10)).is_none());
    }
}

#[test]
fn a_pump_of_a_subscriber_tells_of_rebalances() {
    let cluster = cluster();
    write(&cluster, 300);
    let consumer = talkative(&cluster.bootstrap_servers(), &[]);
    let told = consumer.context();
    let mut pump = Pump::subscribed(&consumer).unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    let (values, _) = pump_until(&mut pump, |values, _| {
        values.iter().all(|values| values.len() >= 300)
            && told.statistics.load(Ordering::Relaxed) > 0
    });
    assert_eq!(values, [numbers(300), numbers(300)]);
    consumer.unsubscribe();
    pump_until(&mut pump, |_, _| told.rebalances.lock().unwrap().len() > 1);
    assert_eq!(
        *told.rebalances.lock().unwrap(),
        [
            (rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, 2),
            (rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, 2),
        ]
    );
}

#[test]
fn an_error_in_the_place_of_a_record_says_which_position_it_has_moved() {
    let cluster = cluster();
    write(&cluster, 5);
    let consumer = talkative(
        &cluster.bootstrap_servers(),
        &[("auto.offset.reset", "error")],
    );
    let mut pump = Pump::assigned(&consumer).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 1, Offset::Offset(100))
        .unwrap();
    consumer.assign(&list).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut failures = Vec::new();
    while failures.is_empty() {
        assert!(Instant::now() < deadline, "no error came");
        // Without waiting all comes in lists.
        let outcome = pump.poll(Duration::ZERO, |pumped| {
            if let Pumped::Failed(failed) = pumped {
                let moved = failed.moved.unwrap();
                failures.push((
                    failed.error,
                    moved.topic.to_owned(),
                    moved.partition,
                    moved.to,
                ));
            }
            ControlFlow::<()>::Continue(())
        });
        assert!(outcome.is_continue());
    }
    let code = RDKafkaErrorCode::AutoOffsetReset;
    let error = KafkaError::MessageConsumption(code);
    assert_eq!(failures, [(error, TOPIC.to_owned(), 1, 101)]);
    let positions = consumer.position().unwrap();
    let position = positions.find_partition(TOPIC, 1).unwrap().offset();
    assert_eq!(position, Offset::Offset(101));
    assert_eq!(*consumer.context().errors.lock().unwrap(), [code]);
}

#[test]
fn a_pump_tells_of_brokers_that_are_gone() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    let consumer = talkative(&address, &[]);
    let mut pump = Pump::assigned(&consumer).unwrap();
    let (_, errors) = pump_until(&mut pump, |_, errors| !errors.is_empty());
    let told = consumer.context().errors.lock().unwrap();
    assert_eq!(told.len(), errors.len());
    assert_eq!(errors[0].rdkafka_error_code(), Some(told[0]));
}

#[test]
fn what_is_not_handed_on_after_a_break_is_given_back() {
    let cluster = cluster();
    write(&cluster, 1000);
    let consumer = talkative(&cluster.bootstrap_servers(), &[]);
    let mut pump = Pump::assigned(&consumer).unwrap();
    for _ in 0..3 {
        assign(&consumer);
        let deadline = Instant::now() + PATIENCE;
        let first = loop {
            assert!(Instant::now() < deadline);
            let outcome = pump.poll(Duration::from_millis(10), |pumped| match pumped {
                Pumped::Records(mut run) => ControlFlow::Break(run.next().unwrap().offset()),
                Pumped::Failed(_) => ControlFlow::Continue(()),
            });
            if let ControlFlow::Break(first) = outcome {
                break first;
            }
        };
        assert_eq!(first, 0, "everything comes again once it is assigned anew");
    }
}
