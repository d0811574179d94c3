//! A Kafka topic, filled by the reference client.
//!
//! Owns the producer: keyed records, placed like the Java client would, each exactly once per
//! session, with the arrival as timestamp. Promises that [`Topic::finish`] is only a success when
//! every record was acknowledged by all replicas in sync. Does not know what is in a record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::{Sink, SinkError};
use crate::generate::Record;

/// How long the cluster may take to describe itself.
const METADATA_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a new topic may take to be created and to be led.
const CREATION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait for room in the producer's queue before looking around.
const QUEUE_WAIT: Duration = Duration::from_millis(10);
/// Delivery reports are taken in at least once every so many records.
const POLL_EVERY: u32 = 512;
/// Defaults of the producer, over which the caller's properties win.
const PROPERTIES: [(&str, &str); 10] = [
    ("client.id", "tenure-generate"),
    // The placing of the Java client; the reference client's own default differs.
    ("partitioner", "murmur2_random"),
    // Implies acks=all, and keeps the order of a partition over retries.
    ("enable.idempotence", "true"),
    ("compression.type", "lz4"),
    ("linger.ms", "20"),
    ("batch.size", "524288"),
    ("queue.buffering.max.messages", "500000"),
    ("queue.buffering.max.kbytes", "262144"),
    // A cluster that went away is reported within a minute.
    ("message.timeout.ms", "60000"),
    ("enable.metrics.push", "false"),
];

/// Where and how to produce.
#[derive(Clone)]
pub struct TopicSettings {
    /// Comma-separated `host:port`.
    pub bootstrap_servers: String,
    pub topic: String,
    /// Create the topic with so many partitions if it does not exist.
    pub create_with_partitions: Option<u32>,
    /// Further properties of the client. They may hold secrets: never printed.
    pub properties: BTreeMap<String, String>,
}

/// A topic being filled.
pub struct Topic {
    servers: String,
    topic: String,
    producer: BaseProducer<Deliveries>,
    /// Records since delivery reports were taken in.
    unpolled: u32,
}

/// Takes delivery reports; keeps the first failure.
#[derive(Clone, Default)]
struct Deliveries {
    failure: Arc<Mutex<Option<KafkaError>>>,
}

impl Deliveries {
    fn failure(&self) -> Option<KafkaError> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn fail(&self, error: KafkaError) {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.fail(error.clone());
        }
    }
}

impl Topic {
    /// Connects, and makes sure that the topic exists.
    ///
    /// # Errors
    /// When the properties are wrong, the cluster does not answer, or the topic does not exist and
    /// is not to be created.
    pub fn open(settings: &TopicSettings) -> Result<Self, SinkError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &settings.bootstrap_servers);
        for (name, value) in PROPERTIES {
            config.set(name, value);
        }
        for (name, value) in &settings.properties {
            config.set(name, value);
        }
        let servers = &settings.bootstrap_servers;
        let producer: BaseProducer<Deliveries> = config
            .create_with_context(Deliveries::default())
            .map_err(|error| failure(servers, &error))?;
        let sink = Self {
            servers: servers.clone(),
            topic: settings.topic.clone(),
            producer,
            unpolled: 0,
        };
        if !sink.exists()? {
            match settings.create_with_partitions {
                Some(partitions) => sink.create(&config, partitions)?,
                None => {
                    return Err(SinkError::Refused(format!(
                        "topic {} does not exist at {servers}: create it, or pass --create-topic",
                        settings.topic
                    )));
                }
            }
        }
        Ok(sink)
    }

    /// Whether the topic exists. Asks for all topics: asking for one by name may create it.
    fn exists(&self) -> Result<bool, SinkError> {
        let metadata = self
            .producer
            .client()
            .fetch_metadata(None, METADATA_TIMEOUT)
            .map_err(|error| self.failure(&error))?;
        Ok(metadata
            .topics()
            .iter()
            .any(|topic| topic.name() == self.topic && !topic.partitions().is_empty()))
    }

    /// Whether any partition of the topic has a record, be it one that was deleted since.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn holds_records(&self) -> Result<bool, SinkError> {
        let client = self.producer.client();
        let metadata = client
            .fetch_metadata(Some(&self.topic), METADATA_TIMEOUT)
            .map_err(|error| self.failure(&error))?;
        let partitions = metadata
            .topics()
            .iter()
            .flat_map(rdkafka::metadata::MetadataTopic::partitions);
        for partition in partitions {
            let (_, end) = client
                .fetch_watermarks(&self.topic, partition.id(), METADATA_TIMEOUT)
                .map_err(|error| self.failure(&error))?;
            if end > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn create(&self, config: &ClientConfig, partitions: u32) -> Result<(), SinkError> {
        let partitions = i32::try_from(partitions)
            .map_err(|_| SinkError::Refused("too many partitions".into()))?;
        // What is generated lies in the past: with a limited retention it would be deleted at once.
        let topic = NewTopic::new(&self.topic, partitions, TopicReplication::Fixed(-1))
            .set("retention.ms", "-1")
            .set("message.timestamp.type", "CreateTime");
        let mut config = config.clone();
        for (name, _) in PROPERTIES.iter().skip(1) {
            config.remove(name);
        }
        let admin: AdminClient<DefaultClientContext> =
            config.create().map_err(|error| self.failure(&error))?;
        let options = AdminOptions::new().operation_timeout(Some(CREATION_TIMEOUT));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| SinkError::Refused(error.to_string()))?;
        let results = runtime
            .block_on(admin.create_topics([&topic], &options))
            .map_err(|error| self.failure(&error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(SinkError::Refused(format!(
                        "could not create topic {name} at {}: {code}",
                        self.servers
                    )));
                }
            }
        }
        self.wait_until_it_exists()
    }

    fn wait_until_it_exists(&self) -> Result<(), SinkError> {
        let deadline = Instant::now() + CREATION_TIMEOUT;
        while !self.exists()? {
            if Instant::now() > deadline {
                return Err(SinkError::Undelivered {
                    servers: self.servers.clone(),
                    reason: format!("topic {} was created but does not appear", self.topic),
                });
            }
            self.producer.poll(QUEUE_WAIT);
        }
        Ok(())
    }

    /// The first record that could not be delivered, or what is fatal to the producer.
    fn check(&self) -> Result<(), SinkError> {
        let context = self.producer.context();
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            return Err(SinkError::Undelivered {
                servers: self.servers.clone(),
                reason: format!("{code}: {reason}"),
            });
        }
        match context.failure() {
            Some(error) => Err(self.failure(&error)),
            None => Ok(()),
        }
    }

    fn failure(&self, error: &KafkaError) -> SinkError {
        failure(&self.servers, error)
    }

    fn poll(&mut self, timeout: Duration) -> Result<(), SinkError> {
        self.unpolled = 0;
        self.producer.poll(timeout);
        self.check()
    }
}

impl Sink for Topic {
    fn send(&mut self, record: &Record) -> Result<(), SinkError> {
        loop {
            let message = BaseRecord::to(&self.topic)
                .key(record.key.as_bytes())
                .payload(record.payload.as_slice())
                .timestamp(record.arrives_at.as_millis());
            match self.producer.send(message) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.poll(QUEUE_WAIT)?;
                }
                Err((error, _)) => return Err(self.failure(&error)),
            }
        }
        self.unpolled += 1;
        if self.unpolled >= POLL_EVERY {
            self.poll(Duration::ZERO)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.poll(Duration::ZERO)
    }

    /// Waits for every record, each of which fails at the latest after the message timeout.
    fn finish(&mut self) -> Result<(), SinkError> {
        while self.producer.in_flight_count() > 0 {
            match self.producer.flush(QUEUE_WAIT) {
                Ok(()) | Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) => {}
                Err(error) => return Err(self.failure(&error)),
            }
            self.check()?;
        }
        self.check()
    }
}

/// Sorts errors of the client into those that pass and those that don't.
fn failure(servers: &str, error: &KafkaError) -> SinkError {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => {
            SinkError::Refused(format!("property {name}: {reason}"))
        }
        KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure) => {
            SinkError::Undelivered {
                servers: servers.into(),
                reason: "no broker answered".into(),
            }
        }
        _ => SinkError::Undelivered {
            servers: servers.into(),
            reason: match error.rdkafka_error_code() {
                Some(code) => code.to_string(),
                None => error.to_string(),
            },
        },
    }
}
