//! The topic that is read: a year of events that ends now, and how fast the bare client reads it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::history::{DAYS, history};
use crate::machine::cpu_seconds;
use crate::names::Names;
use crate::real::kafka::Kafka;
use crate::table::{Table, grouped};
use tenure::config::KafkaSettings;
use tenure::event::{EventType, Timestamp};
use tenure::generate::Record;
use tenure::generate::sink::topic::{Topic as Producer, TopicSettings};
use tenure::generate::sink::{Sink, SinkError};
use tenure::kafka::client::configuration;
use tenure_librdkafka::{Fetched, Pump, Pumped};

/// Longest pause of a drain before it counts as stuck.
const PAUSE: Duration = Duration::from_secs(30);

/// A filled topic.
pub struct Topic<'a> {
    pub kafka: &'a Kafka,
    pub records: u64,
    pub customers: u32,
    pub names: Names,
    name: String,
    compression: String,
    partitions: u32,
    bytes: u64,
    took: Duration,
}

/// The bare client's passes over the topic.
pub struct Drain {
    /// The fastest way that there is: by lists, as the program itself reads.
    pub by_lists: Pass,
    /// The usual way: one `poll` for each record.
    pub one_by_one: Pass,
}

/// One pass of the bare client over the topic.
pub struct Pass {
    pub records_per_second: f64,
    pub cpu_per_million: f64,
}

/// A pass that goes on.
struct Passing<'a> {
    topic: &'a Topic<'a>,
    cpu_seconds: f64,
    started: Instant,
    records: u64,
    bytes: u64,
}

impl<'a> Passing<'a> {
    fn new(topic: &'a Topic<'a>) -> Self {
        Self {
            topic,
            cpu_seconds: cpu_seconds(std::process::id()),
            started: Instant::now(),
            records: 0,
            bytes: 0,
        }
    }

    fn add(&mut self, bytes: usize) {
        if self.records == 0 {
            // What is measured begins with the first record.
            *self = Self::new(self.topic);
        }
        self.records += 1;
        self.bytes += bytes as u64;
    }

    fn ended(&self) -> bool {
        self.records >= self.topic.records
    }

    fn check_pause(&self, came: bool) {
        let (count, records) = (self.records, self.topic.records);
        assert!(came, "only {count} of {records} records came");
    }

    fn end(self) -> Pass {
        let seconds = self.started.elapsed().as_secs_f64();
        let cpu = cpu_seconds(std::process::id()) - self.cpu_seconds;
        assert_eq!(
            self.bytes, self.topic.bytes,
            "what was written is what is read"
        );
        Pass {
            records_per_second: self.records as f64 / seconds,
            cpu_per_million: cpu * 1e6 / self.records as f64,
        }
    }
}

impl<'a> Topic<'a> {
    /// Creates a topic and produces a year of events of so many customers.
    pub fn fill(kafka: &'a Kafka, customers: u32, partitions: u32, compression: &str) -> Self {
        eprintln!("filling a topic of {partitions} partitions with {customers} customers' year");
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        let name = format!("customer-events-{customers}");
        kafka.create_topic(&name, count, &[]);
        let mut topic = Self {
            kafka,
            records: 0,
            customers,
            names: Names::default(),
            name,
            compression: compression.to_owned(),
            partitions,
            bytes: 0,
            took: Duration::ZERO,
        };
        let produced = topic.produce();
        produced.unwrap_or_else(|error| panic!("cannot fill the topic: {error}"));
        topic
    }

    fn produce(&mut self) -> Result<(), SinkError> {
        let started = Instant::now();
        let mut producer = self.producer(&[])?;
        let mut generator = history(self.customers, now(), None);
        let mut record = Record::buffer();
        while generator.next_into(&mut record) {
            producer.send(&record)?;
            if record.event_type == EventType::Signup && !record.repeat {
                self.names.push(&record.key);
            }
            self.records += 1;
            self.bytes += (record.key.len() + record.payload.len()) as u64;
        }
        producer.finish()?;
        self.took = started.elapsed();
        Ok(())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A producer for this topic, with properties beyond those of the generator.
    pub fn producer(&self, properties: &[(&str, &str)]) -> Result<Producer, SinkError> {
        let compression = [("compression.type", self.compression.as_str())];
        let properties = compression
            .iter()
            .chain(properties)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Producer::open(&TopicSettings {
            bootstrap_servers: self.kafka.bootstrap_servers().to_owned(),
            topic: self.name.clone(),
            create_with_partitions: None,
            properties: properties.collect(),
        })
    }

    pub fn describe(&self, table: &mut Table) {
        let mean = self.bytes as f64 / self.records as f64;
        table.row(
            "topic",
            format!(
                "{} events of {} customers in {DAYS} days, {mean:.0} bytes of key and value each, \
                 {}, {} partitions; generated and produced in {:.0} s",
                grouped(self.records as f64),
                grouped(f64::from(self.customers)),
                self.compression,
                self.partitions,
                self.took.as_secs_f64()
            ),
        );
    }

    /// Takes every record with the client's configuration of the program, and counts them: one by one,
    /// and by lists.
    pub fn drain(&self) -> Drain {
        Drain {
            one_by_one: self.drain_one_by_one(),
            by_lists: self.drain_by_lists(),
        }
    }

    fn drain_one_by_one(&self) -> Pass {
        let consumer = self.consumer();
        let mut passing = Passing::new(self);
        while !passing.ended() {
            let polled = consumer.poll(PAUSE);
            passing.check_pause(polled.is_some());
            match polled {
                Some(Ok(message)) => passing.add(message.payload_len() + message.key_len()),
                Some(Err(error)) => panic!("cannot drain the topic: {error}"),
                None => {}
            }
        }
        passing.end()
    }

    fn drain_by_lists(&self) -> Pass {
        let consumer = self.consumer();
        let pump = Pump::assigned(&consumer);
        let mut pump = pump.unwrap_or_else(|| panic!("the client has no group"));
        let mut passing = Passing::new(self);
        while !passing.ended() {
            let pumped = pump.poll(PAUSE, |pumped| {
                match pumped {
                    Pumped::Records(run) => run.for_each(|record| passing.add(length(&record))),
                    Pumped::Failed(failed) => {
                        panic!("cannot drain the topic: {}", failed.error)
                    }
                }
                ControlFlow::<()>::Continue(())
            });
            passing.check_pause(pumped == ControlFlow::Continue(true));
        }
        passing.end()
    }

    fn consumer(&self) -> BaseConsumer {
        let settings = KafkaSettings {
            bootstrap_servers: self.kafka.bootstrap_servers().to_owned(),
            topics: vec![self.name.clone()],
            group_id: "drain".to_owned(),
            properties: BTreeMap::new(),
        };
        let created = configuration(&settings).create();
        let consumer: BaseConsumer = created.unwrap_or_else(|error| panic!("no consumer: {error}"));
        let mut list = TopicPartitionList::new();
        list.add_partition_range(
            &self.name,
            0,
            i32::try_from(self.partitions).unwrap_or(1) - 1,
        );
        let assigned = list
            .set_all_offsets(Offset::Beginning)
            .and_then(|()| consumer.assign(&list));
        assigned.unwrap_or_else(|error| panic!("cannot assign: {error}"));
        consumer
    }
}

/// Bytes of key and value.
fn length(record: &Fetched<'_>) -> usize {
    record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len)
}

/// Now, as the records' timestamps have it.
pub fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_millis(now.map_or(0, |now| now.as_millis() as i64))
}
