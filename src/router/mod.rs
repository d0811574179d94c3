//! The router: records of any topics, however keyed, become native events keyed by customer.
//!
//! Owns the way from the topics under `kafka.topics` to the one under `router.to`: membership in a
//! consumer group, the producer, and what may be committed. Promises that each event is written at
//! least once, that no committed offset is past an event or a rejected record that is not
//! acknowledged, that events keep the Kafka timestamp of their record, and that what is under way is
//! bounded in bytes. An event may be written again after a crash, or when partitions change hands:
//! it is the same fact then. Does not know shards, measures or HTTP.
//!
//! ```text
//!  kafka.topics --> group <group_id>-router --> decode, map --> encode, key --> router.to
//!                        ^                          |                             |
//!                        |                       rejected --> dead letters        |
//!                        +--- commit: below all that is not acknowledged <--------+
//! ```
//!
//! Whatever goes wrong ends a session: its clients are thrown away, and the next one begins at what
//! was committed. So there is one way back, the same as after a crash.

pub mod flights;
pub mod goal;
pub mod session;
pub mod topic;
pub mod traffic;
pub mod waiting;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;

use crate::config::{KafkaSettings, Settings};
use crate::event::schema::Schemas;
use crate::event::source::Source;
use crate::kafka::admission::{Admission, Open};
use crate::kafka::client::{configuration, producer_configuration};
use crate::kafka::letters::outbox::Outbox;
use crate::router::session::{Ended, Session};
use crate::router::topic::{Unusable, ensure};
use crate::telemetry::Telemetry;
use crate::telemetry::throttle::Throttle;

/// Between two sessions, and between two looks for the topic.
const PAUSE: Duration = Duration::from_secs(1);
/// How soon a stop is noticed meanwhile.
const NAP: Duration = Duration::from_millis(20);
/// A member that is gone without a word holds up the others for so long.
const SESSION_TIMEOUT: &str = "10000";

/// The consumer group of the routers of a service.
#[must_use]
pub fn group(group_id: &str) -> String {
    format!("{group_id}-router")
}

/// How the routers reach Kafka, with the topics that they read.
#[must_use]
pub fn kafka_settings(settings: &Settings) -> KafkaSettings {
    KafkaSettings {
        group_id: group(&settings.kafka.group_id),
        ..settings.kafka_as_configured()
    }
}

/// Routes, on the thread that runs it.
pub struct Router {
    kafka: KafkaSettings,
    to: String,
    partitions: i32,
    /// By the number of the topic in `kafka`.
    sources: Vec<Source>,
    dimensions: Vec<String>,
    telemetry: Arc<Telemetry>,
    outbox: Option<Arc<Outbox>>,
    /// What records may have to wait for. Asked by the thread that routes alone.
    admission: Mutex<Box<dyn Admission>>,
    joined: Arc<AtomicBool>,
    troubles: Throttle,
}

/// The router cannot go on: trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    #[error("the Kafka client refuses its configuration (kafka.properties): {0}")]
    Client(#[from] KafkaError),
    #[error(
        "the topic `{topic}` (router.to) has {found} partitions and not {configured} \
         (router.partitions): write `partitions: {found}`, or name another topic under router.to, \
         into which everything is routed anew; with more partitions in the same topic, customers \
         would be in two of them"
    )]
    Partitions {
        topic: String,
        found: usize,
        configured: i32,
    },
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Router {
    /// The router of these settings; nothing if they have none.
    #[must_use]
    pub fn new(settings: &Settings, telemetry: Arc<Telemetry>) -> Option<Self> {
        let to = settings.router.to.clone()?;
        let kafka = kafka_settings(settings);
        let outbox = settings.dead_letters.topic.as_ref().map(|topic| {
            let outbox = Outbox::new(&kafka, topic, Arc::clone(&telemetry));
            Arc::new(outbox)
        });
        Some(Self {
            to,
            partitions: settings.router.partitions,
            sources: kafka
                .topics
                .iter()
                .map(|topic| settings.source_of(topic))
                .collect(),
            dimensions: settings.fold.dimensions.clone(),
            kafka,
            telemetry,
            outbox,
            admission: Mutex::new(Box::new(Open)),
            joined: Arc::new(AtomicBool::new(false)),
            troubles: Throttle::default(),
        })
    }

    /// With schemas for the topics whose records need them, and who says when they are known.
    #[must_use]
    pub fn with_schemas(
        mut self,
        schemas: &Arc<dyn Schemas>,
        admission: impl FnOnce(&[Source]) -> Box<dyn Admission>,
    ) -> Self {
        let sources = self.sources.into_iter();
        self.sources = sources.map(|source| source.with_schemas(schemas)).collect();
        self.admission = Mutex::new(admission(&self.sources));
        self
    }

    fn admission(&self) -> MutexGuard<'_, Box<dyn Admission>> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Routes until told to stop, and then commits what is acknowledged and leaves the group.
    ///
    /// Brokers that do not answer, and topics that are not there, are waited for.
    ///
    /// # Errors
    /// If trying again would not help.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), RouterError> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let letters = self.outbox.as_deref().map(|outbox| {
                let thread = std::thread::Builder::new().name("router-letters".to_owned());
                thread.spawn_scoped(scope, || outbox.run(&over))
            });
            let routed = letters
                .transpose()
                .map_err(RouterError::Thread)
                .and_then(|letters| {
                    let routed = self.sessions(stop);
                    over.store(true, Ordering::Relaxed);
                    let kept = letters.map_or(Ok(Ok(())), std::thread::ScopedJoinHandle::join);
                    // A panic there has been told of on its thread.
                    let kept = kept.unwrap_or(Ok(()));
                    routed.and(kept.map_err(RouterError::Client))
                });
            over.store(true, Ordering::Relaxed);
            routed
        })
    }

    /// From now on nobody waits for room among the rejected records.
    pub fn close(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.close();
        }
    }

    /// Whether it is a member of its group at present, be it without partitions.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    fn sessions(&self, stop: &AtomicBool) -> Result<(), RouterError> {
        self.telemetry.router.begin(&self.kafka.topics);
        if !self.topic_is_there(stop)? {
            return Ok(());
        }
        tracing::info!(
            from = self.kafka.topics.join(","),
            to = self.to,
            partitions = self.partitions,
            group = self.kafka.group_id,
            "routing"
        );
        while !stop.load(Ordering::Relaxed) {
            let ended = Session::begin(self)?.run(stop);
            self.joined.store(false, Ordering::Relaxed);
            match ended {
                Ended::Stopped => break,
                Ended::Broken(reason) => {
                    if let Some(suppressed) = self.troubles.pass() {
                        tracing::warn!(
                            reason,
                            suppressed,
                            "routing was interrupted, and begins again at what was committed"
                        );
                    }
                    nap(PAUSE, stop);
                }
            }
        }
        Ok(())
    }

    /// Waits until the topic is there, and makes it if it is not. False if stopped before.
    fn topic_is_there(&self, stop: &AtomicBool) -> Result<bool, RouterError> {
        while !stop.load(Ordering::Relaxed) {
            match ensure(&self.producer_config(), &self.to, self.partitions) {
                Ok(()) => return Ok(true),
                Err(Unusable::Partitions(found)) => {
                    return Err(RouterError::Partitions {
                        topic: self.to.clone(),
                        found,
                        configured: self.partitions,
                    });
                }
                Err(Unusable::Client(error)) => return Err(RouterError::Client(error)),
                Err(Unusable::NotYet(reason)) => {
                    if let Some(suppressed) = self.troubles.pass() {
                        let topic = &self.to;
                        tracing::warn!(topic, reason, suppressed, "cannot route yet, trying again");
                    }
                }
            }
            nap(PAUSE, stop);
        }
        Ok(false)
    }

    fn consumer_config(&self) -> ClientConfig {
        let mut config = configuration(&self.kafka);
        config.set("partition.assignment.strategy", "roundrobin");
        if !self.kafka.properties.contains_key("session.timeout.ms") {
            config.set("session.timeout.ms", SESSION_TIMEOUT);
        }
        config
    }

    /// Keys decide partitions as with the Java client, so that whoever else looks for the events of a
    /// customer finds them.
    fn producer_config(&self) -> ClientConfig {
        let mut config = producer_configuration(&self.kafka);
        let packed = ["compression.type", "compression.codec"];
        if !packed
            .iter()
            .any(|name| self.kafka.properties.contains_key(*name))
        {
            config.set("compression.type", "lz4");
        }
        config.set("partitioner", "murmur2_random");
        config
    }
}

fn nap(length: Duration, stop: &AtomicBool) {
    let until = Instant::now() + length;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(NAP.min(length));
    }
}
