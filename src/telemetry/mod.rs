//! What the process says about itself: how far it has read, how fast it folds, what went wrong.
//!
//! Owns the catalogue of process metrics and the handles through which the parts count. Promises
//! that counting through a kept handle is one atomic addition, that known label sets are on the page
//! from the start at 0, and that no label value comes from a record. Knows the words of the input
//! ([`EventType`], [`Reason`]) and the `prometheus` crate; does not know shards, measures, Kafka's
//! client, or a text format.
//!
//! Numbers that belong to one report or to one partition are not kept here: they are read from
//! their owner at the scrape, so that two scrapes cannot race and nothing outlives its owner.

pub mod catalogue;
pub mod log;
pub mod ownership;
pub mod partition;
pub mod throttle;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

use self::ownership::OwnershipTelemetry;
use crate::event::{EventType, Reason};
use crate::telemetry::catalogue::Instrument;
use crate::telemetry::log::LogCounters;

/// The version of the crate, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The source revision given to the build as `TENURE_REVISION`, else `unknown`.
pub const REVISION: &str = match option_env!("TENURE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Every handle of the process, grouped by the part that counts.
pub struct Telemetry {
    registry: Registry,
    config_info: IntGaugeVec,
    pub kafka: KafkaTelemetry,
    pub fold: FoldTelemetry,
    pub evaluation: EvaluationTelemetry,
    pub durability: DurabilityTelemetry,
    pub ownership: OwnershipTelemetry,
    pub dead_letters: DeadLetterTelemetry,
    pub schemas: SchemaTelemetry,
    pub router: RouterTelemetry,
    pub reports: ReportTopicTelemetry,
    pub web: WebTelemetry,
    pub errors: ErrorCounters,
    pub log: LogCounters,
}

/// What the consumer counts.
pub struct KafkaTelemetry {
    /// 1 while the cluster answers; 0 at the start.
    pub up: IntGauge,
    topic_partitions: IntGaugeVec,
    assigned_partitions: IntGaugeVec,
    events_received: IntCounterVec,
    received_bytes: IntCounterVec,
}

/// The handles of one topic: ask for them once and keep them.
#[derive(Clone)]
pub struct TopicTelemetry {
    /// Partitions in the metadata of the cluster.
    pub partitions: IntGauge,
    /// Partitions owned by this instance.
    pub assigned_partitions: IntGauge,
    /// Records read.
    pub events_received: IntCounter,
    /// Bytes of their keys and values.
    pub received_bytes: IntCounter,
}

/// What the workers count while they fold.
pub struct FoldTelemetry {
    pub outcomes: OutcomeCounters,
    applied: [IntCounter; EventType::ALL.len()],
    rejected: [IntCounter; Reason::ALL.len()],
    /// Events more than `late_after` behind their shard's newest event; they are applied too.
    pub late: IntCounter,
    /// Values of configured dimensions that are neither text, number nor boolean.
    pub ignored_attributes: IntCounter,
    /// Seconds for folding one batch.
    pub apply_duration: Histogram,
    /// Seconds from the event's time to its application. In a hot loop, use its `local()` copy and
    /// flush that once a batch.
    pub event_delay: Histogram,
    /// Customers held, over all shards.
    pub state_customers: IntGauge,
    /// Bytes of memory held by all shards.
    pub state_bytes: IntGauge,
}

/// One counter for each outcome of a record; their sum is what was received.
pub struct OutcomeCounters {
    pub tombstone: IntCounter,
    pub skipped: IntCounter,
    pub rejected: IntCounter,
    pub duplicate: IntCounter,
    pub conflicting: IntCounter,
    pub redundant: IntCounter,
    pub applied: IntCounter,
}

/// What is counted of rejected records on their way to the dead-letter topic.
pub struct DeadLetterTelemetry {
    written: IntCounterVec,
    failures: IntCounterVec,
    /// Not acknowledged yet.
    pub pending: IntGauge,
}

/// The handles of the records of one topic that were rejected: ask for them once and keep them.
pub struct DeadLetterCounters {
    written: [IntCounter; Reason::ALL.len()],
    /// Given up.
    pub failures: IntCounter,
}

/// What is counted of questions to the schema registry.
pub struct SchemaTelemetry {
    /// There was a schema.
    pub answered: IntCounter,
    /// The registry knows no such schema.
    pub unknown: IntCounter,
    /// The registry wants to see other credentials.
    pub refused: IntCounter,
    /// There was no answer.
    pub failed: IntCounter,
    /// Schemas by which records can be read.
    pub known: IntGauge,
    /// Schemas that somebody waits for.
    pub awaited: IntGauge,
}

/// What is counted of routing; nothing where there is no router.
pub struct RouterTelemetry {
    events: IntCounterVec,
    lost: IntCounterVec,
    lag: IntGaugeVec,
    watermark: GaugeVec,
}

/// What is counted of the report topic; nothing where there is none.
pub struct ReportTopicTelemetry {
    written: IntCounterVec,
    failures: IntCounterVec,
    rejected: IntCounterVec,
    lag: IntGaugeVec,
    as_of: GaugeVec,
}

/// What is known of the web config file; nothing where there is none.
pub struct WebTelemetry {
    successful: GaugeVec,
    last_success: GaugeVec,
}

/// What the evaluation counts.
pub struct EvaluationTelemetry {
    /// Seconds for one evaluation of all measures.
    pub duration: Histogram,
    /// Evaluations that gave no report; the last one stays published.
    pub failures: IntCounter,
    overflowed: [IntCounter; OPEN_LABELS.len()],
}

/// What is counted when shards are made durable and when they are restored.
pub struct DurabilityTelemetry {
    /// Checkpoints begun.
    pub attempts: IntCounter,
    failures: IntCounterVec,
    last_success: GaugeVec,
    pub last_size: IntGauge,
    /// Seconds from the copy until it was durable.
    pub last_duration: Gauge,
    /// Seconds for which folding waited for a copy.
    pub pause: Histogram,
    restore_failures: IntCounterVec,
    /// Seconds for restoring all shards at the start.
    pub restore_duration: Gauge,
    /// 1 while the number of partitions is not the one that the state was made with.
    pub rekey_suspected: IntGauge,
}

/// Why a checkpoint was not written: the closed list of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointFailure {
    /// The store refused, or could not be reached.
    Store,
    /// The store gave no answer in time.
    Timeout,
    /// It could not be made sure that the topics are still those that were read.
    Identity,
    /// Rejected records were not yet acknowledged by the dead-letter topic.
    DeadLetters,
    /// What was copied could not be read back as it should be.
    SelfCheck,
}

/// Why a checkpoint was not used at a start: the closed list of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreFailure {
    /// Its bytes are not those that were written.
    Damaged,
    /// It has a format of another version.
    Format,
    /// It was made under other settings.
    Settings,
    /// The store refused, or could not be reached.
    Store,
}

/// The labels whose values come from events, as far as they are bounded: what does not fit is `other`.
pub const OPEN_LABELS: [&str; 3] = ["reason", "channel", "segment"];

/// One counter for each [`Failure`].
pub struct ErrorCounters([IntCounter; Failure::ALL.len()]);

/// What can go wrong without ending the process: the closed list of `error_type` and its `stage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection to a broker, or it broke.
    Transport,
    /// The broker refused the credentials, or the TLS handshake failed.
    Authentication,
    /// The credentials lack a permission.
    Authorization,
    /// A configured topic, or a partition of it, does not exist.
    UnknownTopic,
    /// The log no longer holds the offset to read from.
    OffsetOutOfRange,
    /// A batch of records was damaged on its way or on disk.
    BadMessage,
    /// The client cannot go on.
    Fatal,
    /// Any other complaint of the client while reading.
    Client,
    /// Committing an offset failed.
    Commit,
    /// A worker thread ended that should not have.
    WorkerLost,
    /// A connection could not be accepted.
    Accept,
}

impl Failure {
    pub const ALL: [Self; 11] = [
        Self::Transport,
        Self::Authentication,
        Self::Authorization,
        Self::UnknownTopic,
        Self::OffsetOutOfRange,
        Self::BadMessage,
        Self::Fatal,
        Self::Client,
        Self::Commit,
        Self::WorkerLost,
        Self::Accept,
    ];

    /// The value of the label `error_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::UnknownTopic => "unknown_topic",
            Self::OffsetOutOfRange => "offset_out_of_range",
            Self::BadMessage => "bad_message",
            Self::Fatal => "fatal",
            Self::Client => "client",
            Self::Commit => "commit",
            Self::WorkerLost => "worker_lost",
            Self::Accept => "accept",
        }
    }

    /// The value of the label `stage`.
    #[must_use]
    pub const fn stage(self) -> &'static str {
        match self {
            Self::Transport
            | Self::Authentication
            | Self::Authorization
            | Self::UnknownTopic
            | Self::OffsetOutOfRange
            | Self::BadMessage
            | Self::Fatal
            | Self::Client
            | Self::Commit => "receiving",
            Self::WorkerLost => "processing",
            Self::Accept => "exporting",
        }
    }
}

impl Telemetry {
    /// Registers every process metric, with known label sets at 0.
    ///
    /// # Errors
    /// When two metrics of the catalogue have one name, which a test rules out.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        register_build_info(&registry)?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(Self {
            config_info: gauges(&registry, &catalogue::CONFIG_INFO)?,
            kafka: KafkaTelemetry::new(&registry)?,
            fold: FoldTelemetry::new(&registry)?,
            evaluation: EvaluationTelemetry::new(&registry)?,
            durability: DurabilityTelemetry::new(&registry)?,
            ownership: OwnershipTelemetry::new(&registry)?,
            dead_letters: DeadLetterTelemetry::new(&registry)?,
            schemas: SchemaTelemetry::new(&registry)?,
            router: RouterTelemetry::new(&registry)?,
            reports: ReportTopicTelemetry::new(&registry)?,
            web: WebTelemetry::new(&registry)?,
            errors: ErrorCounters::new(&registry)?,
            log: LogCounters::new(&registry)?,
            registry,
        })
    }

    /// Says which settings are in force.
    pub fn configured(&self, config_hash: &str, definition_hash: &str) {
        self.config_info
            .with_label_values(&[config_hash, definition_hash])
            .set(1);
    }

    /// The present values of everything kept here, ordered by name.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

impl SchemaTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let requests = counters(registry, &catalogue::SCHEMA_REQUESTS)?;
        let outcome = |name: &str| requests.with_label_values(&[name]);
        Ok(Self {
            answered: outcome("answered"),
            unknown: outcome("unknown"),
            refused: outcome("refused"),
            failed: outcome("failed"),
            known: gauge(registry, &catalogue::SCHEMAS_KNOWN)?,
            awaited: gauge(registry, &catalogue::SCHEMAS_AWAITED)?,
        })
    }
}

impl RouterTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            events: counters(registry, &catalogue::ROUTER_EVENTS)?,
            lost: counters(registry, &catalogue::ROUTER_RECORDS_LOST)?,
            lag: gauges(registry, &catalogue::ROUTER_LAG)?,
            watermark: real_gauges(registry, &catalogue::ROUTER_WATERMARK)?,
        })
    }

    /// Shows what was counted so far, which is nothing, of a router of these topics.
    pub fn begin(&self, topics: &[String]) {
        self.events().inc_by(0);
        for topic in topics {
            self.lost(topic).inc_by(0);
        }
    }

    /// Events written and acknowledged; begins at 0.
    #[must_use]
    pub fn events(&self) -> IntCounter {
        self.events.with_label_values::<&str>(&[])
    }

    /// Records of a topic that were deleted before they were read; begins at 0.
    #[must_use]
    pub fn lost(&self, topic: &str) -> IntCounter {
        self.lost.with_label_values(&[topic])
    }

    /// So many records of a topic are not routed yet.
    pub fn lags(&self, topic: &str, records: i64) {
        self.lag.with_label_values(&[topic]).set(records);
    }

    /// Everything up to this instant in seconds since 1970 is routed.
    pub fn routed_until(&self, at: f64) {
        self.watermark.with_label_values::<&str>(&[]).set(at);
    }
}

impl ReportTopicTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            written: counters(registry, &catalogue::PARTIALS_WRITTEN)?,
            failures: counters(registry, &catalogue::PARTIALS_WRITE_FAILURES)?,
            rejected: counters(registry, &catalogue::PARTIALS_REJECTED)?,
            lag: gauges(registry, &catalogue::PARTIALS_LAG)?,
            as_of: real_gauges(registry, &catalogue::PARTIAL_AS_OF)?,
        })
    }

    /// Shows what was counted so far, which is nothing; these are the reasons for not hearing records.
    pub fn begin(&self, reasons: &[&str]) {
        self.written().inc_by(0);
        self.failures().inc_by(0);
        for reason in reasons {
            self.rejected(reason).inc_by(0);
        }
    }

    /// Contributions that the topic has; begins at 0.
    #[must_use]
    pub fn written(&self) -> IntCounter {
        self.written.with_label_values::<&str>(&[])
    }

    /// Attempts to write that failed; begins at 0.
    #[must_use]
    pub fn failures(&self) -> IntCounter {
        self.failures.with_label_values::<&str>(&[])
    }

    /// Records that were not heard for this reason, which is one of a closed list.
    #[must_use]
    pub fn rejected(&self, reason: &str) -> IntCounter {
        self.rejected.with_label_values(&[reason])
    }

    /// So many records are not read yet.
    pub fn lags(&self, records: i64) {
        self.lag.with_label_values::<&str>(&[]).set(records);
    }

    /// The newest part of a partition is of this instant in seconds since 1970.
    pub fn as_of(&self, partition: i32, at: f64) {
        self.as_of
            .with_label_values(&[&partition.to_string()])
            .set(at);
    }
}

impl WebTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            successful: real_gauges(registry, &catalogue::WEB_CONFIG_SUCCESSFUL)?,
            last_success: real_gauges(registry, &catalogue::WEB_CONFIG_LAST_SUCCESS)?,
        })
    }

    /// The file was read at this instant in seconds since 1970, and is in force.
    pub fn succeeded(&self, at: f64) {
        self.successful.with_label_values::<&str>(&[]).set(1.0);
        self.last_success.with_label_values::<&str>(&[]).set(at);
    }

    /// The file has changed, and cannot be used as it is.
    pub fn failed(&self) {
        self.successful.with_label_values::<&str>(&[]).set(0.0);
    }
}

impl KafkaTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            up: gauge(registry, &catalogue::KAFKA_UP)?,
            topic_partitions: gauges(registry, &catalogue::TOPIC_PARTITIONS)?,
            assigned_partitions: gauges(registry, &catalogue::ASSIGNED_PARTITIONS)?,
            events_received: counters(registry, &catalogue::EVENTS_RECEIVED)?,
            received_bytes: counters(registry, &catalogue::RECEIVED_BYTES)?,
        })
    }

    /// The handles of a configured topic, whose series begin at 0.
    #[must_use]
    pub fn topic(&self, name: &str) -> TopicTelemetry {
        TopicTelemetry {
            partitions: self.topic_partitions.with_label_values(&[name]),
            assigned_partitions: self.assigned_partitions.with_label_values(&[name]),
            events_received: self.events_received.with_label_values(&[name]),
            received_bytes: self.received_bytes.with_label_values(&[name]),
        }
    }
}

impl FoldTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let outcomes = counters(registry, &catalogue::EVENTS)?;
        let applied = counters(registry, &catalogue::EVENTS_APPLIED)?;
        let rejected = counters(registry, &catalogue::EVENTS_REJECTED)?;
        Ok(Self {
            outcomes: OutcomeCounters {
                tombstone: outcomes.with_label_values(&["tombstone"]),
                skipped: outcomes.with_label_values(&["skipped"]),
                rejected: outcomes.with_label_values(&["rejected"]),
                duplicate: outcomes.with_label_values(&["duplicate"]),
                conflicting: outcomes.with_label_values(&["conflicting"]),
                redundant: outcomes.with_label_values(&["redundant"]),
                applied: outcomes.with_label_values(&["applied"]),
            },
            applied: EventType::ALL.map(|event| applied.with_label_values(&[event.name()])),
            rejected: Reason::ALL.map(|reason| rejected.with_label_values(&[reason.name()])),
            late: counter(registry, &catalogue::EVENTS_LATE)?,
            ignored_attributes: counter(registry, &catalogue::ATTRIBUTES_IGNORED)?,
            apply_duration: histogram(registry, &catalogue::APPLY_DURATION, &APPLY_BUCKETS)?,
            event_delay: histogram(registry, &catalogue::EVENT_DELAY, &DELAY_BUCKETS)?,
            state_customers: gauge(registry, &catalogue::STATE_CUSTOMERS)?,
            state_bytes: gauge(registry, &catalogue::STATE_BYTES)?,
        })
    }

    /// Events of this type that were applied or kept as redundant.
    #[must_use]
    pub fn applied(&self, event: EventType) -> &IntCounter {
        &self.applied[event as usize]
    }

    /// Records rejected for this reason.
    #[must_use]
    pub fn rejected(&self, reason: Reason) -> &IntCounter {
        &self.rejected[reason as usize]
    }
}

impl DeadLetterTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            written: counters(registry, &catalogue::DEAD_LETTERS)?,
            failures: counters(registry, &catalogue::DEAD_LETTER_FAILURES)?,
            pending: gauge(registry, &catalogue::DEAD_LETTERS_PENDING)?,
        })
    }

    /// The handles of a topic that is read, whose series begin at 0.
    #[must_use]
    pub fn topic(&self, name: &str) -> DeadLetterCounters {
        let written = |reason: Reason| self.written.with_label_values(&[name, reason.name()]);
        DeadLetterCounters {
            written: Reason::ALL.map(written),
            failures: self.failures.with_label_values(&[name]),
        }
    }
}

impl DeadLetterCounters {
    /// Records rejected for this reason that the dead-letter topic has.
    #[must_use]
    pub fn written(&self, reason: Reason) -> &IntCounter {
        &self.written[reason as usize]
    }
}

impl EvaluationTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let overflow = counters(registry, &catalogue::LABEL_VALUES_OVERFLOW)?;
        Ok(Self {
            duration: histogram(
                registry,
                &catalogue::EVALUATION_DURATION,
                &EVALUATION_BUCKETS,
            )?,
            failures: counter(registry, &catalogue::EVALUATION_FAILURES)?,
            overflowed: OPEN_LABELS.map(|label| overflow.with_label_values(&[label])),
        })
    }

    /// Values of this label newly folded into `other`; nothing if it is none of [`OPEN_LABELS`].
    #[must_use]
    pub fn overflowed(&self, label: &str) -> Option<&IntCounter> {
        let mut labels = OPEN_LABELS.iter().zip(&self.overflowed);
        let (_, counter) = labels.find(|(name, _)| **name == label)?;
        Some(counter)
    }
}

impl CheckpointFailure {
    pub const ALL: [Self; 5] = [
        Self::Store,
        Self::Timeout,
        Self::Identity,
        Self::DeadLetters,
        Self::SelfCheck,
    ];

    /// The value of the label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Timeout => "timeout",
            Self::Identity => "identity",
            Self::DeadLetters => "dead_letters",
            Self::SelfCheck => "self_check",
        }
    }
}

impl RestoreFailure {
    pub const ALL: [Self; 4] = [Self::Damaged, Self::Format, Self::Settings, Self::Store];

    /// The value of the label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Format => "format",
            Self::Settings => "settings",
            Self::Store => "store",
        }
    }
}

impl DurabilityTelemetry {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let failures = counters(registry, &catalogue::CHECKPOINT_FAILURES)?;
        for reason in CheckpointFailure::ALL {
            let _ = failures.with_label_values(&[reason.name()]);
        }
        let restore_failures = counters(registry, &catalogue::RESTORE_FAILURES)?;
        for reason in RestoreFailure::ALL {
            let _ = restore_failures.with_label_values(&[reason.name()]);
        }
        Ok(Self {
            attempts: counter(registry, &catalogue::CHECKPOINT_ATTEMPTS)?,
            failures,
            last_success: real_gauges(registry, &catalogue::CHECKPOINT_LAST_SUCCESS)?,
            last_size: gauge(registry, &catalogue::CHECKPOINT_LAST_SIZE)?,
            last_duration: real_gauge(registry, &catalogue::CHECKPOINT_LAST_DURATION)?,
            pause: histogram(registry, &catalogue::CHECKPOINT_PAUSE, &PAUSE_BUCKETS)?,
            restore_failures,
            restore_duration: real_gauge(registry, &catalogue::RESTORE_LAST_DURATION)?,
            rekey_suspected: gauge(registry, &catalogue::REKEY_SUSPECTED)?,
        })
    }

    /// Seconds since 1970 of the oldest among the newest checkpoints of all shards. There is no series
    /// before the first call: while a shard has none, no instant would be true.
    pub fn succeeded(&self, oldest: f64) {
        self.last_success.with_label_values::<&str>(&[]).set(oldest);
    }

    /// The instant told last, in seconds since 1970; `None` before.
    #[must_use]
    pub fn last_success(&self) -> Option<f64> {
        let families = self.last_success.collect();
        let metric = families.first()?.get_metric().first()?;
        Some(metric.get_gauge().get_value())
    }

    /// Checkpoints that were not written for this reason.
    #[must_use]
    pub fn failed(&self, reason: CheckpointFailure) -> IntCounter {
        self.failures.with_label_values(&[reason.name()])
    }

    /// Checkpoints that were not used at a start for this reason.
    #[must_use]
    pub fn not_restored(&self, reason: RestoreFailure) -> IntCounter {
        self.restore_failures.with_label_values(&[reason.name()])
    }
}

impl ErrorCounters {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let errors = counters(registry, &catalogue::ERRORS)?;
        Ok(Self(Failure::ALL.map(|failure| {
            errors.with_label_values(&[failure.name(), failure.stage()])
        })))
    }

    /// How often this went wrong.
    #[must_use]
    pub fn of(&self, failure: Failure) -> &IntCounter {
        &self.0[failure as usize]
    }
}

/// A shard of a hundred thousand customers is copied in some 10 ms.
const PAUSE_BUCKETS: [f64; 9] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
/// A batch of a few hundred events takes some 0.1 ms; one that waits for an evaluation, a second.
const APPLY_BUCKETS: [f64; 10] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0,
];
/// From live streams to replays of last month: seconds, minutes, hours, days.
const DELAY_BUCKETS: [f64; 14] = [
    0.1,
    0.5,
    1.0,
    5.0,
    15.0,
    60.0,
    300.0,
    1_800.0,
    3_600.0,
    21_600.0,
    86_400.0,
    259_200.0,
    604_800.0,
    2_592_000.0,
];
/// About 0.2 s for a million customers, 2 s for ten.
const EVALUATION_BUCKETS: [f64; 11] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

fn register_build_info(registry: &Registry) -> prometheus::Result<()> {
    gauges(registry, &catalogue::BUILD_INFO)?
        .with_label_values(&[
            VERSION,
            REVISION,
            env!("TENURE_RUSTVERSION"),
            env!("TENURE_TARGET"),
        ])
        .set(1);
    Ok(())
}

fn options(instrument: &Instrument) -> Opts {
    Opts::new(instrument.name, instrument.help)
}

fn gauge(registry: &Registry, instrument: &Instrument) -> prometheus::Result<IntGauge> {
    let gauge = IntGauge::with_opts(options(instrument))?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn real_gauge(registry: &Registry, instrument: &Instrument) -> prometheus::Result<Gauge> {
    let gauge = Gauge::with_opts(options(instrument))?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn real_gauges(registry: &Registry, instrument: &Instrument) -> prometheus::Result<GaugeVec> {
    let gauges = GaugeVec::new(options(instrument), instrument.labels)?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

fn gauges(registry: &Registry, instrument: &Instrument) -> prometheus::Result<IntGaugeVec> {
    let gauges = IntGaugeVec::new(options(instrument), instrument.labels)?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

fn counter(registry: &Registry, instrument: &Instrument) -> prometheus::Result<IntCounter> {
    let counter = IntCounter::with_opts(options(instrument))?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn counters(registry: &Registry, instrument: &Instrument) -> prometheus::Result<IntCounterVec> {
    let counters = IntCounterVec::new(options(instrument), instrument.labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn histogram(
    registry: &Registry,
    instrument: &Instrument,
    buckets: &[f64],
) -> prometheus::Result<Histogram> {
    let options = HistogramOpts::from(options(instrument)).buckets(buckets.to_vec());
    let histogram = Histogram::with_opts(options)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus::proto::MetricType;

    use super::*;
    use crate::telemetry::catalogue::{CATALOGUE, Kind};

    fn telemetry() -> Telemetry {
        let telemetry = Telemetry::new().expect("the catalogue has no clash");
        let _ = telemetry.kafka.topic("orders");
        let _ = telemetry.dead_letters.topic("orders");
        telemetry
    }

    /// The value of the one counter or gauge with these label values.
    fn value(telemetry: &Telemetry, name: &str, labels: &[&str]) -> f64 {
        let families = telemetry.families();
        let family = families
            .iter()
            .find(|family| family.name() == name)
            .unwrap_or_else(|| panic!("no family {name}"));
        let metric = family
            .get_metric()
            .iter()
            .find(|metric| {
                labels
                    .iter()
                    .all(|label| metric.get_label().iter().any(|pair| pair.value() == *label))
            })
            .unwrap_or_else(|| panic!("no series {name} {labels:?}"));
        match family.get_field_type() {
            MetricType::COUNTER => metric.get_counter().get_value(),
            _ => metric.get_gauge().get_value(),
        }
    }

    #[test]
    fn every_kept_metric_is_in_the_catalogue_as_it_is() {
        let catalogue: BTreeMap<&str, &Instrument> = CATALOGUE
            .iter()
            .map(|instrument| (instrument.name, *instrument))
            .collect();
        for family in telemetry().families() {
            if family.name().starts_with("process_") {
                continue;
            }
            let instrument = catalogue
                .get(family.name())
                .unwrap_or_else(|| panic!("{} is not in the catalogue", family.name()));
            let kind = match family.get_field_type() {
                MetricType::COUNTER => Kind::Counter,
                MetricType::HISTOGRAM => Kind::Histogram,
                _ => Kind::Gauge,
            };
            assert_eq!(kind, instrument.kind, "{}", family.name());
            assert_eq!(family.help(), instrument.help, "{}", family.name());
        }
    }

    #[test]
    fn every_name_follows_the_conventions() {
        for instrument in CATALOGUE {
            let Instrument {
                name, kind, help, ..
            } = *instrument;
            assert!(name.starts_with("tenure_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.'), "{name}: help is a sentence");
        }
    }

    #[test]
    fn known_label_sets_begin_at_zero() {
        let telemetry = telemetry();
        for outcome in [
            "tombstone",
            "skipped",
            "rejected",
            "duplicate",
            "conflicting",
            "redundant",
            "applied",
        ] {
            assert_eq!(value(&telemetry, "tenure_events_total", &[outcome]), 0.0);
        }
        for reason in Reason::ALL {
            let name = "tenure_events_rejected_total";
            assert_eq!(value(&telemetry, name, &[reason.name()]), 0.0);
        }
        for failure in Failure::ALL {
            let labels = [failure.name(), failure.stage()];
            assert_eq!(value(&telemetry, "tenure_errors_total", &labels), 0.0);
        }
        for label in OPEN_LABELS {
            let name = "tenure_label_values_overflow_total";
            assert_eq!(value(&telemetry, name, &[label]), 0.0);
        }
        assert_eq!(
            value(&telemetry, "tenure_assigned_partitions", &["orders"]),
            0.0
        );
    }

    #[test]
    fn every_handle_counts_on_the_series_of_its_own_name() {
        let telemetry = telemetry();
        for (index, event) in EventType::ALL.into_iter().enumerate() {
            telemetry.fold.applied(event).inc_by(index as u64 + 1);
            let name = "tenure_events_applied_total";
            assert_eq!(value(&telemetry, name, &[event.name()]), index as f64 + 1.0);
        }
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            telemetry.fold.rejected(reason).inc_by(index as u64 + 1);
            let name = "tenure_events_rejected_total";
            assert_eq!(
                value(&telemetry, name, &[reason.name()]),
                index as f64 + 1.0
            );
        }
        for (index, failure) in Failure::ALL.into_iter().enumerate() {
            telemetry.errors.of(failure).inc_by(index as u64 + 1);
            let name = "tenure_errors_total";
            assert_eq!(
                value(&telemetry, name, &[failure.name()]),
                index as f64 + 1.0
            );
        }
    }

    #[test]
    fn folded_values_count_on_their_own_label() {
        let telemetry = telemetry();
        for (index, label) in OPEN_LABELS.into_iter().enumerate() {
            let counter = telemetry.evaluation.overflowed(label);
            counter.expect("a label").inc_by(index as u64 + 1);
            let name = "tenure_label_values_overflow_total";
            assert_eq!(value(&telemetry, name, &[label]), index as f64 + 1.0);
        }
        assert!(telemetry.evaluation.overflowed("period").is_none());
    }

    #[test]
    fn the_build_says_what_made_it() {
        let telemetry = telemetry();
        assert_eq!(
            value(&telemetry, "tenure_build_info", &[VERSION, REVISION]),
            1.0
        );
        assert!(env!("TENURE_RUSTVERSION").starts_with("1."));
    }
}
