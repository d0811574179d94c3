//! Settings as used, grouped by the part that uses them.
//!
//! Owns the form in which checked settings are handed out and shown. Promises that no secret gets
//! into `Debug` or a description. Does not know how settings are written.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::alerts;
use super::complaint::Complaints;
use super::duration::Written;
use super::keys::{Key, NOTHING};
use super::sources;
use super::web::WebFile;
use crate::alert::Alert;
use crate::alert::settings::{AlertSettings, Setup};
use crate::event::source::Source;
use crate::ledger::settings::FoldSettings;
use crate::ledger::sources::Sources;
use crate::measure::settings::{CustomerStart, EvaluationSettings};

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the HTTP endpoint listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How often the numbers are evaluated.
    pub evaluation_interval: Duration,
    /// Numbers of an instant further back than this are withheld.
    pub max_staleness: Duration,
    /// What decides the state.
    pub fold: FoldSettings,
    /// What decides how the state is read.
    pub evaluation: EvaluationSettings,
    pub api: ApiSettings,
    /// Who may connect to the endpoint, where a file says so.
    pub web: Option<WebFile>,
    pub kafka: KafkaSettings,
    pub state: StateSettings,
    /// How long the process may take to end once it is asked to.
    pub shutdown_grace: Duration,
    pub dead_letters: DeadLetterSettings,
    pub schema_registry: SchemaRegistrySettings,
    pub router: RouterSettings,
    pub cluster: ClusterSettings,
    /// The mappings of the topics under `kafka.topics`, whoever reads them.
    pub mappings: Arc<Sources>,
    pub alerts: AlertSettings,
    pub log: LogSettings,
    /// No key was configured, so that anybody can compute the digest of a customer.
    pub built_in_digest_key: bool,
    /// What can be used but probably should not be.
    pub warnings: Complaints,
    pub(super) digest_key_file: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) corrections_files: Vec<PathBuf>,
    pub(super) sources: Vec<sources::Given>,
    pub(super) origins: Origins,
}

/// What the API answers beside the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Whether everybody who can connect may ask, and not only this machine.
    pub open: bool,
    /// Whether single customers can be looked up. Then there is a token, and a digest key of its own.
    pub customers: bool,
    /// What a client has to show: 16 to 4096 printable ASCII characters without blanks.
    pub token: Option<Secret>,
}

/// How Kafka is reached and what is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// At least one, each once. With a router it is the one that the router writes to.
    pub topics: Vec<String>,
    pub group_id: String,
    /// What is passed to librdkafka beside what Tenure decides itself, by name.
    pub properties: BTreeMap<String, Property>,
}

/// What becomes of records that are rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// The topic they are written to, none of those that are read; nothing if they are not kept.
    pub topic: Option<String>,
}

/// Who knows the schemas of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRegistrySettings {
    /// Without a slash at the end; the next is asked where one does not answer. None if no registry is
    /// configured.
    pub urls: Vec<String>,
    /// Together with a password.
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// Certificates of the authorities that may vouch for it (PEM); nothing: those of public services.
    pub authorities: Option<Vec<u8>>,
    /// How long one answer may take.
    pub timeout: Duration,
    pub(super) password_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
}

/// Whether and how records are keyed anew before the service reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterSettings {
    /// The topic that the router writes to, none of those that it reads; nothing without a router.
    pub to: Option<String>,
    /// The topics under `kafka.topics`: with a router those that it reads, else those of the service.
    pub from: Vec<String>,
    /// How many partitions `to` has.
    pub partitions: i32,
    /// Whether the service routes, or another process does.
    pub inside: bool,
}

/// How several instances share the work, and tell each other what they found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    pub ownership: Ownership,
    /// The name of this instance among the members of the group, which a restart keeps; nothing for a
    /// member that is a new one at each start.
    pub instance_id: Option<String>,
    /// The topic in which instances tell each other their parts of the report; nothing if there is one
    /// instance, or if each has everything.
    pub report_topic: Option<String>,
    /// Where other instances reach this one: `http://` or `https://` with host and port, without a
    /// slash at the end. Nothing: the name of the machine and the port that is listened on.
    pub advertise: Option<String>,
    /// What instances show each other; without it they do not answer each other's questions.
    pub token: Option<Secret>,
    /// Certificates of the authorities that may vouch for other instances (PEM); nothing: those of
    /// public services.
    pub authorities: Option<Vec<u8>>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
}

/// Which partitions an instance reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Those that the consumer group gives to it.
    Group,
    /// All of them, whoever else does.
    All,
}

impl Ownership {
    /// As in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::All => "all",
        }
    }
}

/// A property of librdkafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    Plain(String),
    /// Never to be shown.
    Secret(Secret),
}

impl Property {
    /// The value, for librdkafka alone: it may be a secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.reveal(),
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one who needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the state is kept beside memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// Nothing if it is in memory only.
    pub url: Option<StateUrl>,
    /// How often each shard is written.
    pub interval: Duration,
    /// How many checkpoints of each partition are kept, at least one.
    pub keep: usize,
}

/// A place for checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// A folder of this machine, or mounted there.
    Folder(PathBuf),
    /// A bucket, with the address as it was written.
    Bucket { kind: BucketKind, url: String },
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket { url, .. } => f.write_str(url),
        }
    }
}

/// The object stores that this build can speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketKind {
    #[cfg(feature = "s3")]
    S3,
    #[cfg(feature = "gs")]
    Gs,
    #[cfg(feature = "az")]
    Az,
}

/// How the process logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: tracing::Level,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// A line of the file, from 1.
    File {
        name: String,
        line: usize,
    },
    /// An environment variable, by its name.
    Environment(String),
    /// A flag, with its hyphens.
    Flag(String),
}

impl Origin {
    /// The same file at another line.
    pub(super) fn at(&self, line: usize) -> Self {
        match self {
            Self::File { name, .. } => Self::File {
                name: name.clone(),
                line,
            },
            other => other.clone(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Where the values come from: of the keys, of each property, and of each alert's severity.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    pub keys: BTreeMap<Key, Origin>,
    pub properties: BTreeMap<String, PropertyOrigin>,
    pub severities: BTreeMap<Alert, Origin>,
}

/// Under which of the two keys a property was set, and where.
#[derive(Debug, Clone)]
pub(super) struct PropertyOrigin {
    pub key: Key,
    pub origin: Origin,
}

/// A setting as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The dotted path.
    pub key: String,
    /// The value as a file would have it; `***` for a secret.
    pub value: String,
    pub origin: Origin,
}

/// What the keys of sources begin with.
const OF_SOURCE: &str = "sources.";

/// Whether the setting of a dotted key has a say in the numbers.
fn decides(key: &str) -> bool {
    let part = key.split('.').next().unwrap_or_default();
    ![
        "listen",
        "log",
        "api",
        "web",
        "kafka",
        "state",
        "shutdown_grace",
        "dead_letters",
        "schema_registry",
        "router",
        "cluster",
        "alerts",
        "evaluation_interval",
        "max_staleness",
    ]
    .contains(&part)
}

/// The same on every machine and in every version that knows the same keys.
fn hash_of(settings: &[Described]) -> String {
    let mut hasher = SipHasher13::new();
    for Described { key, value, .. } in settings {
        hasher.write(key.as_bytes());
        hasher.write(&[0xff]);
        hasher.write(value.as_bytes());
        hasher.write(&[0xff]);
    }
    format!("{:016x}", hasher.finish())
}

/// What is shown for a secret.
const MASK: &str = "***";

impl Settings {
    /// Which of the topics do not hold native events, in the order of the topics.
    #[must_use]
    pub fn mapped_topics(&self) -> Vec<bool> {
        let topics = self.kafka.topics.iter();
        topics
            .map(|topic| self.fold.sources.of(topic).is_some())
            .collect()
    }

    /// Of which topics the keys or the headers of records are looked at, in the order of the topics.
    #[must_use]
    pub fn topics_with_envelopes(&self) -> Vec<bool> {
        let sources = self.fold.sources_of(&self.kafka.topics);
        sources.iter().map(Source::needs_envelope).collect()
    }

    /// How Kafka is reached, with the topics under `kafka.topics`: those that are read first, by the
    /// service or by its router.
    #[must_use]
    pub fn kafka_as_configured(&self) -> KafkaSettings {
        KafkaSettings {
            topics: self.router.from.clone(),
            ..self.kafka.clone()
        }
    }

    /// The settings of who reads the topics under `kafka.topics` itself, each by its source, instead of
    /// what a router makes of them.
    #[must_use]
    pub fn of_the_sources(&self) -> Self {
        Self {
            kafka: self.kafka_as_configured(),
            fold: FoldSettings {
                sources: Arc::clone(&self.mappings),
                ..self.fold.clone()
            },
            ..self.clone()
        }
    }

    /// How the records of a topic under `kafka.topics` become events, whoever reads it.
    #[must_use]
    pub fn source_of(&self, topic: &str) -> Source {
        match self.mappings.of(topic) {
            Some(rules) => Source::mapped(rules.clone(), self.fold.decoding()),
            None => Source::native(self.fold.decoding()),
        }
    }

    /// A hash of all settings in use, as 16 hexadecimal digits. Secrets do not enter it.
    #[must_use]
    pub fn hash(&self) -> String {
        hash_of(&self.by_content(self.describe()))
    }

    /// The same of the settings that decide the numbers: two instances that differ in it disagree.
    #[must_use]
    pub fn definition_hash(&self) -> String {
        hash_of(&self.by_content(self.deciding()))
    }

    /// What counts of the files of corrections and of sources is what they say, not what they are
    /// called.
    fn by_content(&self, mut settings: Vec<Described>) -> Vec<Described> {
        let corrections = &self.fold.corrections;
        for setting in &mut settings {
            if setting.key == Key::Corrections.path() && !corrections.is_empty() {
                setting.value = format!("{:032x}", corrections.fingerprint());
            }
            let topic = setting.key.strip_prefix(OF_SOURCE);
            if let Some(rules) = topic.and_then(|topic| self.mappings.of(topic)) {
                setting.value = rules.canonical();
            }
        }
        settings
    }

    /// The settings that decide the numbers, in the order of the documented file, none of them
    /// secret.
    #[must_use]
    pub fn deciding(&self) -> Vec<Described> {
        let mut described = self.describe();
        described.retain(|setting| decides(&setting.key));
        described
    }

    /// Every setting in use, in the order of the documented file, secrets masked.
    #[must_use]
    pub fn describe(&self) -> Vec<Described> {
        let mut described = Vec::new();
        for key in Key::ALL {
            match self.value_text(key) {
                Some(value) => described.push(Described {
                    key: key.path().to_owned(),
                    value,
                    origin: self
                        .origins
                        .keys
                        .get(&key)
                        .cloned()
                        .unwrap_or(Origin::Default),
                }),
                None if key == Key::AlertsSeverities => described.extend(self.severities()),
                None if key == Key::Sources => described.extend(self.sources()),
                None => described.extend(self.properties_under(key)),
            }
        }
        described
    }

    /// The value of a key as a file would have it; None for the maps, which have a text for each
    /// name.
    fn value_text(&self, key: Key) -> Option<String> {
        let fold = &self.fold;
        let evaluation = &self.evaluation;
        let millis = |millis: i64| Written(millis).to_string();
        Some(match key {
            Key::Listen => self.listen.to_string(),
            Key::TimeZone => evaluation.time_zone.iana_name().unwrap_or("UTC").to_owned(),
            Key::WeekStartsOn => format!("{:?}", evaluation.week_starts_on).to_lowercase(),
            Key::Periods => list(&evaluation.periods),
            Key::EvaluationInterval => length(self.evaluation_interval),
            Key::MaxStaleness => length(self.max_staleness),
            Key::CustomerStartsWith => match evaluation.customer_starts_with {
                CustomerStart::Signup => "signup".to_owned(),
                CustomerStart::Purchase => "purchase".to_owned(),
            },
            Key::InactivityTimeout => optional(evaluation.inactivity_timeout_millis.map(Written)),
            Key::ChurnEvents => optional(evaluation.churn_events_complete.then_some("complete")),
            Key::CustomerBaseCompleteSince => optional(evaluation.customer_base_complete_since),
            Key::History => millis(fold.history_millis),
            Key::LateAfter => millis(fold.late_after_millis),
            Key::DuplicateWindow => millis(fold.duplicate_window_millis),
            Key::MaxFutureSkew => millis(fold.max_future_skew_millis),
            Key::Currencies => list(&fold.currencies),
            Key::ChurnReasons => list(&evaluation.churn_reasons),
            Key::MaxLabelValues => evaluation.max_label_values.to_string(),
            Key::CustomerDigestKeyFile => {
                optional(self.digest_key_file.as_ref().map(|path| path.display()))
            }
            Key::Channels => list(&evaluation.channels),
            Key::Dimensions => list(&fold.dimensions),
            Key::MaxSegments => evaluation.max_segments.to_string(),
            Key::Cohorts => evaluation.cohorts.to_string(),
            Key::ApiOpen => self.api.open.to_string(),
            Key::ApiCustomers => self.api.customers.to_string(),
            Key::ApiTokenFile => optional(self.token_file.as_ref().map(|path| path.display())),
            Key::WebConfigFile => optional(self.web.as_ref().map(|web| web.path.display())),
            Key::Corrections => list(self.corrections_files.iter().map(|path| path.display())),
            Key::CesMax => fold.ces.max.rating().to_string(),
            Key::CesBetter => fold.ces.better.name().to_owned(),
            Key::BootstrapServers => self.kafka.bootstrap_servers.clone(),
            Key::Topics => list(&self.router.from),
            Key::GroupId => self.kafka.group_id.clone(),
            Key::Properties | Key::PropertiesFiles | Key::AlertsSeverities | Key::Sources => {
                return None;
            }
            Key::StateUrl => optional(self.state.url.as_ref()),
            Key::StateInterval => length(self.state.interval),
            Key::StateKeep => self.state.keep.to_string(),
            Key::ShutdownGrace => length(self.shutdown_grace),
            Key::DeadLettersTopic => optional(self.dead_letters.topic.as_ref()),
            Key::SchemaRegistryUrl => {
                let urls = &self.schema_registry.urls;
                optional((!urls.is_empty()).then(|| urls.join(",")))
            }
            Key::SchemaRegistryUser => optional(self.schema_registry.user.as_ref()),
            Key::SchemaRegistryPasswordFile => optional(
                self.schema_registry
                    .password_file
                    .as_ref()
                    .map(|path| path.display()),
            ),
            Key::SchemaRegistryCaFile => optional(
                self.schema_registry
                    .ca_file
                    .as_ref()
                    .map(|path| path.display()),
            ),
            Key::SchemaRegistryTimeout => length(self.schema_registry.timeout),
            Key::RouterTo => optional(self.router.to.as_ref()),
            Key::RouterPartitions => self.router.partitions.to_string(),
            Key::RouterInside => self.router.inside.to_string(),
            Key::ClusterOwnership => self.cluster.ownership.name().to_owned(),
            Key::ClusterInstanceId => optional(self.cluster.instance_id.as_ref()),
            Key::ClusterReportTopic => optional(self.cluster.report_topic.as_ref()),
            Key::ClusterAdvertise => optional(self.cluster.advertise.as_ref()),
            Key::ClusterTokenFile => {
                optional(self.cluster.token_file.as_ref().map(|path| path.display()))
            }
            Key::ClusterCaFile => {
                optional(self.cluster.ca_file.as_ref().map(|path| path.display()))
            }
            Key::AlertsRetentionTarget => optional(self.alerts.retention_target),
            Key::AlertsNpsTarget => optional(self.alerts.nps_target),
            Key::AlertsCsatTarget => optional(self.alerts.csat_target),
            Key::AlertsTargetPeriod => self.alerts.target_period.to_string(),
            Key::AlertsJob => self.alerts.job.clone(),
            Key::AlertsRunbookUrl => self.alerts.runbook_url.clone(),
            Key::AlertsDashboardUrl => optional(self.alerts.dashboard_url.as_ref()),
            Key::LogFormat => match self.log.format {
                LogFormat::Text => "text".to_owned(),
                LogFormat::Json => "json".to_owned(),
            },
            Key::LogLevel => self.log.level.to_string().to_lowercase(),
        })
    }

    /// What the alert rules of these settings follow from, with the usual waits.
    #[must_use]
    pub fn alert_setup(&self) -> Setup {
        let millis = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let state = &self.state;
        Setup {
            alerts: self.alerts.clone(),
            periods: self.evaluation.periods.clone(),
            topics: self.kafka.topics.clone(),
            evaluation_interval_millis: millis(self.evaluation_interval),
            max_staleness_millis: millis(self.max_staleness),
            checkpoint_interval_millis: state.url.as_ref().map(|_| millis(state.interval)),
            longest_for_millis: None,
            instance_labels: Vec::new(),
        }
    }

    /// The topics that do not hold native events, and how they become such, as it was given.
    pub fn described_sources(&self) -> impl Iterator<Item = (&str, &str)> {
        let sources = self.sources.iter();
        sources.map(|given| (given.topic.as_str(), given.how.as_str()))
    }

    /// The sources of topics that do not hold native events.
    fn sources(&self) -> impl Iterator<Item = Described> {
        let sources = self.sources.iter();
        sources.map(|given| Described {
            key: format!("{}.{}", Key::Sources.path(), given.topic),
            value: given.how.clone(),
            origin: given.origin.clone(),
        })
    }

    /// The severities that are not the usual ones.
    fn severities(&self) -> impl Iterator<Item = Described> {
        let key = Key::AlertsSeverities.path();
        let origins = &self.origins.severities;
        self.alerts.severities.iter().map(move |(alert, severity)| {
            let origin = origins.get(alert).cloned();
            Described {
                key: format!("{key}.{alert}"),
                value: alerts::word(*severity).to_owned(),
                origin: origin.unwrap_or(Origin::Default),
            }
        })
    }

    /// The properties that were set under one of the two maps.
    fn properties_under(&self, map: Key) -> impl Iterator<Item = Described> {
        let origins = &self.origins.properties;
        self.kafka
            .properties
            .iter()
            .filter_map(move |(name, property)| {
                let PropertyOrigin { key, origin } = origins.get(name)?;
                (*key == map).then(|| Described {
                    key: format!("{}.{name}", key.path()),
                    value: match property {
                        Property::Plain(text) => text.clone(),
                        Property::Secret(_) => MASK.to_owned(),
                    },
                    origin: origin.clone(),
                })
            })
    }
}

fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

fn optional(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

fn length(duration: Duration) -> String {
    Written(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)).to_string()
}
