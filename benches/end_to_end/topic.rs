//! The topic that is read: a year of events that ends now, and how fast the bare client reads it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::history::{DAYS, history};
use crate::machine::cpu_seconds;
use crate::real::kafka::Kafka;
use crate::table::{Table, grouped};
use tenure::config::KafkaSettings;
use tenure::event::Timestamp;
use tenure::generate::Record;
use tenure::generate::sink::topic::{Topic as Producer, TopicSettings};
use tenure::generate::sink::{Sink, SinkError};
use tenure::kafka::client::configuration;

/// The name of the topic.
pub const NAME: &str = "customer-events";

/// Longest pause of a drain before it counts as stuck.
const PAUSE: Duration = Duration::from_secs(30);

/// A filled topic.
pub struct Topic<'a> {
    pub kafka: &'a Kafka,
    pub records: u64,
    pub customers: u32,
    partitions: u32,
    bytes: u64,
    took: Duration,
}

/// One pass of the bare client over the topic.
pub struct Drain {
    pub records_per_second: f64,
    pub cpu_seconds: f64,
}

impl<'a> Topic<'a> {
    /// Creates the topic and produces a year of events of so many customers.
    pub fn fill(kafka: &'a Kafka, customers: u32, partitions: u32) -> Self {
        eprintln!("filling a topic of {partitions} partitions with {customers} customers' year");
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        kafka.create_topic(NAME, count, &[]);
        let mut topic = Self {
            kafka,
            records: 0,
            customers,
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
            self.records += 1;
            self.bytes += (record.key.len() + record.payload.len()) as u64;
        }
        producer.finish()?;
        self.took = started.elapsed();
        Ok(())
    }

    /// A producer for this topic, with properties beyond those of the generator.
    pub fn producer(&self, properties: &[(&str, &str)]) -> Result<Producer, SinkError> {
        let properties = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Producer::open(&TopicSettings {
            bootstrap_servers: self.kafka.bootstrap_servers().to_owned(),
            topic: NAME.to_owned(),
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
                 lz4, {} partitions; generated and produced in {:.0} s",
                grouped(self.records as f64),
                grouped(f64::from(self.customers)),
                self.partitions,
                self.took.as_secs_f64()
            ),
        );
    }

    /// Polls every record with the client's configuration of the program, and counts them.
    pub fn drain(&self) -> Drain {
        let consumer = self.consumer();
        let pid = std::process::id();
        let (mut cpu, mut started) = (cpu_seconds(pid), Instant::now());
        let (mut count, mut bytes) = (0, 0);
        while count < self.records {
            match consumer.poll(PAUSE) {
                Some(Ok(message)) => {
                    if count == 0 {
                        (cpu, started) = (cpu_seconds(pid), Instant::now());
                    }
                    count += 1;
                    bytes += message.payload_len() + message.key_len();
                }
                Some(Err(error)) => panic!("cannot drain the topic: {error}"),
                None => panic!("only {count} of {} records came", self.records),
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!(bytes as u64, self.bytes, "what was written is what is read");
        Drain {
            records_per_second: count as f64 / seconds,
            cpu_seconds: cpu_seconds(pid) - cpu,
        }
    }

    fn consumer(&self) -> BaseConsumer {
        let settings = KafkaSettings {
            bootstrap_servers: self.kafka.bootstrap_servers().to_owned(),
            topics: vec![NAME.to_owned()],
            group_id: "drain".to_owned(),
            properties: BTreeMap::new(),
        };
        let created = configuration(&settings).create();
        let consumer: BaseConsumer = created.unwrap_or_else(|error| panic!("no consumer: {error}"));
        let mut list = TopicPartitionList::new();
        list.add_partition_range(NAME, 0, i32::try_from(self.partitions).unwrap_or(1) - 1);
        let assigned = list
            .set_all_offsets(Offset::Beginning)
            .and_then(|()| consumer.assign(&list));
        assigned.unwrap_or_else(|error| panic!("cannot assign: {error}"));
        consumer
    }
}

/// Now, as the records' timestamps have it.
pub fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_millis(now.map_or(0, |now| now.as_millis() as i64))
}
