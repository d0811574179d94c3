//! The client: its configuration, and what its callbacks report.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::KafkaSettings;
use crate::telemetry::throttle::Throttle;
use crate::telemetry::{Failure, Telemetry};

/// What Tenure sets for everybody; the configuration's `kafka.properties` may override these.
const TUNING: [(&str, &str); 10] = [
    ("queued.min.messages", "50000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "20"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.message.max.bytes", "1048576"),
    ("fetch.max.bytes", "33554432"),
    ("topic.metadata.refresh.interval.ms", "60000"),
    ("socket.keepalive.enable", "true"),
    ("enable.metrics.push", "false"),
    ("metadata.recovery.strategy", "rebootstrap"),
];

/// What correctness rests on; the configuration may not touch these.
///
/// Offsets are the state's business, so the client neither stores nor resets them, and a damaged
/// batch must be noticed.
const FIXED: [(&str, &str); 7] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("enable.partition.eof", "false"),
    ("allow.auto.create.topics", "false"),
];

/// What a producer needs of that: records once, in whole, and for as long as it takes. What waits is
/// bounded by who produces, and no topic is made by writing to it.
const OF_PRODUCERS: [(&str, &str); 6] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("message.timeout.ms", "0"),
    ("allow.auto.create.topics", "false"),
    ("delivery.report.only.error", "false"),
    ("linger.ms", "20"),
];

/// How large a record may be is for the brokers to say; the configuration may lower it.
const LARGEST_RECORD: (&str, &str) = ("message.max.bytes", "1000000000");

/// Properties that begin so are for consumers; a producer would complain of them.
const OF_CONSUMERS: [&str; 10] = [
    "fetch.",
    "queued.",
    "session.timeout.",
    "heartbeat.",
    "group.",
    "max.poll.",
    "max.partition.fetch.",
    "coordinator.",
    "consume.",
    "offset.",
];

/// The consumer that everything here shares.
pub type Consumer = BaseConsumer<Context>;

/// The client's configuration from Tenure's. Never to be printed: it may hold secrets.
#[must_use]
pub fn configuration(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in TUNING {
        config.set(name, value);
    }
    config.set("client.id", "tenure");
    for (name, property) in &settings.properties {
        config.set(name, property.reveal());
    }
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    config.set("group.id", &settings.group_id);
    for (name, value) in FIXED {
        config.set(name, value);
    }
    // What the callbacks say goes to our own log.
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// The configuration of a producer that reaches the same brokers in the same way. Never to be
/// printed: it may hold secrets.
#[must_use]
pub fn producer_configuration(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set(LARGEST_RECORD.0, LARGEST_RECORD.1);
    for (name, value) in TUNING.into_iter().filter(|(name, _)| !of_consumers(name)) {
        config.set(name, value);
    }
    config.set("client.id", "tenure");
    for (name, value) in producer_properties(settings) {
        config.set(name, value);
    }
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    for (name, value) in OF_PRODUCERS {
        config.set(name, value);
    }
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// The configured properties that mean something to a producer. They may hold secrets.
pub fn producer_properties(settings: &KafkaSettings) -> impl Iterator<Item = (&str, &str)> {
    let properties = settings.properties.iter();
    properties
        .filter(|(name, _)| !of_consumers(name))
        .map(|(name, property)| (name.as_str(), property.reveal()))
}

fn of_consumers(name: &str) -> bool {
    OF_CONSUMERS.iter().any(|start| name.starts_with(start))
}

/// Logs what a client says, at most once in ten seconds.
pub fn say(lines: &Throttle, facility: &str, message: &str) {
    // Credentials have no business in a log, whatever the client thinks.
    let lower = message.to_ascii_lowercase();
    if lower.contains("password") || lower.contains("secret") {
        return;
    }
    if let Some(suppressed) = lines.pass() {
        tracing::info!(facility, message, suppressed, "the Kafka client says");
    }
}

/// Receives what the client says beside records.
pub struct Context {
    telemetry: Arc<Telemetry>,
    errors: Throttle,
    lines: Throttle,
}

impl Context {
    #[must_use]
    pub fn new(telemetry: Arc<Telemetry>) -> Self {
        Self {
            telemetry,
            errors: Throttle::default(),
            lines: Throttle::default(),
        }
    }

    /// Counts a failure of the client and logs it, at most once in ten seconds.
    pub fn failed(&self, error: &KafkaError) {
        self.telemetry.errors.of(failure(error)).inc();
        if let Some(suppressed) = self.errors.pass() {
            tracing::warn!(%error, suppressed, "the Kafka client reports an error, and goes on");
        }
    }
}

/// Which of the counted failures an error is.
#[must_use]
pub fn failure(error: &KafkaError) -> Failure {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::NetworkException,
        ) => Failure::Transport,
        Some(
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL,
        ) => Failure::Authentication,
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => Failure::Authorization,
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition,
        ) => Failure::UnknownTopic,
        Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => {
            Failure::OffsetOutOfRange
        }
        Some(
            RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::BadCompression
            | RDKafkaErrorCode::NotImplemented,
        ) => Failure::BadMessage,
        Some(RDKafkaErrorCode::Fatal) => Failure::Fatal,
        _ => Failure::Client,
    }
}

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        say(&self.lines, facility, message);
    }

    fn error(&self, error: KafkaError, _reason: &str) {
        // Said by who asks for it, and no failure.
        let at_end = matches!(
            error,
            KafkaError::PartitionEOF(_) | KafkaError::Global(RDKafkaErrorCode::PartitionEOF)
        );
        if !at_end {
            self.failed(&error);
        }
    }
}

impl ConsumerContext for Context {}
