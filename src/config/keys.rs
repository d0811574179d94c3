//! The keys: their names, their shapes and their defaults, once for all sources.
//!
//! Owns the table. Promises that a default is text like any other, so that it takes the same way as
//! what a user writes. Does not know what the values mean.

/// A setting that can be written in a file, the environment or a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Listen,
    TimeZone,
    WeekStartsOn,
    Periods,
    EvaluationInterval,
    MaxStaleness,
    CustomerStartsWith,
    InactivityTimeout,
    ChurnEvents,
    CustomerBaseCompleteSince,
    Cohorts,
    History,
    LateAfter,
    DuplicateWindow,
    MaxFutureSkew,
    Currencies,
    ChurnReasons,
    Channels,
    MaxLabelValues,
    Dimensions,
    MaxSegments,
    CustomerDigestKeyFile,
    Corrections,
    Sources,
    CesMax,
    CesBetter,
    ApiOpen,
    ApiCustomers,
    ApiTokenFile,
    WebConfigFile,
    BootstrapServers,
    Topics,
    GroupId,
    Properties,
    PropertiesFiles,
    StateUrl,
    StateInterval,
    StateKeep,
    ShutdownGrace,
    DeadLettersTopic,
    SchemaRegistryUrl,
    SchemaRegistryUser,
    SchemaRegistryPasswordFile,
    SchemaRegistryCaFile,
    SchemaRegistryTimeout,
    RouterTo,
    RouterPartitions,
    RouterInside,
    ClusterOwnership,
    ClusterInstanceId,
    ClusterReportTopic,
    ClusterAdvertise,
    ClusterTokenFile,
    ClusterCaFile,
    AlertsRetentionTarget,
    AlertsNpsTarget,
    AlertsCsatTarget,
    AlertsTargetPeriod,
    AlertsSeverities,
    AlertsJob,
    AlertsRunbookUrl,
    AlertsDashboardUrl,
    LogFormat,
    LogLevel,
}

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One text.
    Scalar,
    /// One text, or nothing.
    Optional,
    /// Texts; in the environment and in flags separated by commas.
    List,
    /// Names with texts; in the file only.
    Map,
    /// Whatever its part makes of what stands there; in the file only.
    Tree,
}

/// What stands for nothing where an optional value is written as text.
pub const NOTHING: &str = "null";

impl Key {
    /// All keys, in the order of the documented file.
    pub const ALL: [Self; 64] = [
        Self::Listen,
        Self::TimeZone,
        Self::WeekStartsOn,
        Self::Periods,
        Self::EvaluationInterval,
        Self::MaxStaleness,
        Self::CustomerStartsWith,
        Self::InactivityTimeout,
        Self::ChurnEvents,
        Self::CustomerBaseCompleteSince,
        Self::Cohorts,
        Self::History,
        Self::LateAfter,
        Self::DuplicateWindow,
        Self::MaxFutureSkew,
        Self::Currencies,
        Self::ChurnReasons,
        Self::Channels,
        Self::MaxLabelValues,
        Self::Dimensions,
        Self::MaxSegments,
        Self::CustomerDigestKeyFile,
        Self::Corrections,
        Self::Sources,
        Self::CesMax,
        Self::CesBetter,
        Self::ApiOpen,
        Self::ApiCustomers,
        Self::ApiTokenFile,
        Self::WebConfigFile,
        Self::BootstrapServers,
        Self::Topics,
        Self::GroupId,
        Self::Properties,
        Self::PropertiesFiles,
        Self::StateUrl,
        Self::StateInterval,
        Self::StateKeep,
        Self::ShutdownGrace,
        Self::DeadLettersTopic,
        Self::SchemaRegistryUrl,
        Self::SchemaRegistryUser,
        Self::SchemaRegistryPasswordFile,
        Self::SchemaRegistryCaFile,
        Self::SchemaRegistryTimeout,
        Self::RouterTo,
        Self::RouterPartitions,
        Self::RouterInside,
        Self::ClusterOwnership,
        Self::ClusterInstanceId,
        Self::ClusterReportTopic,
        Self::ClusterAdvertise,
        Self::ClusterTokenFile,
        Self::ClusterCaFile,
        Self::AlertsRetentionTarget,
        Self::AlertsNpsTarget,
        Self::AlertsCsatTarget,
        Self::AlertsTargetPeriod,
        Self::AlertsSeverities,
        Self::AlertsJob,
        Self::AlertsRunbookUrl,
        Self::AlertsDashboardUrl,
        Self::LogFormat,
        Self::LogLevel,
    ];

    /// The dotted path, the shape, and the default as text.
    const fn row(self) -> (&'static str, Shape, &'static str) {
        use Shape::{List, Map, Optional, Scalar, Tree};
        match self {
            Self::Listen => ("listen", Scalar, "0.0.0.0:9736"),
            Self::TimeZone => ("time_zone", Scalar, "UTC"),
            Self::WeekStartsOn => ("week_starts_on", Scalar, "monday"),
            Self::Periods => {
                let default = "24h,7d,30d,90d,this_month,last_month,last_quarter";
                ("periods", List, default)
            }
            Self::EvaluationInterval => ("evaluation_interval", Scalar, "1s"),
            Self::MaxStaleness => ("max_staleness", Scalar, "1h"),
            Self::CustomerStartsWith => ("customer_starts_with", Scalar, "signup"),
            Self::InactivityTimeout => ("inactivity_timeout", Optional, NOTHING),
            Self::ChurnEvents => ("churn_events", Optional, NOTHING),
            Self::CustomerBaseCompleteSince => ("customer_base_complete_since", Optional, NOTHING),
            Self::Cohorts => ("cohorts", Scalar, "12"),
            Self::History => ("history", Scalar, "800d"),
            Self::LateAfter => ("late_after", Scalar, "1d"),
            Self::DuplicateWindow => ("duplicate_window", Scalar, "7d"),
            Self::MaxFutureSkew => ("max_future_skew", Scalar, "5m"),
            Self::Currencies => ("currencies", List, ""),
            Self::ChurnReasons => ("churn_reasons", List, ""),
            Self::Channels => ("channels", List, ""),
            Self::MaxLabelValues => ("max_label_values", Scalar, "20"),
            Self::Dimensions => ("dimensions", List, ""),
            Self::MaxSegments => ("max_segments", Scalar, "200"),
            Self::CustomerDigestKeyFile => ("customer_digest_key_file", Optional, NOTHING),
            Self::Corrections => ("corrections", List, ""),
            Self::Sources => ("sources", Tree, ""),
            Self::CesMax => ("surveys.ces.max", Scalar, "5"),
            Self::CesBetter => ("surveys.ces.better", Scalar, "low"),
            Self::ApiOpen => ("api.open", Scalar, "false"),
            Self::ApiCustomers => ("api.customers", Scalar, "false"),
            Self::ApiTokenFile => ("api.token_file", Optional, NOTHING),
            Self::WebConfigFile => ("web.config_file", Optional, NOTHING),
            Self::BootstrapServers => ("kafka.bootstrap_servers", Scalar, "localhost:9092"),
            Self::Topics => ("kafka.topics", List, "customer-events"),
            Self::GroupId => ("kafka.group_id", Scalar, "tenure"),
            Self::Properties => ("kafka.properties", Map, ""),
            Self::PropertiesFiles => ("kafka.properties_files", Map, ""),
            Self::StateUrl => ("state.url", Optional, "./state"),
            Self::StateInterval => ("state.interval", Scalar, "5m"),
            Self::StateKeep => ("state.keep", Scalar, "3"),
            Self::ShutdownGrace => ("shutdown_grace", Scalar, "25s"),
            Self::DeadLettersTopic => ("dead_letters.topic", Optional, NOTHING),
            Self::SchemaRegistryUrl => ("schema_registry.url", Optional, NOTHING),
            Self::SchemaRegistryUser => ("schema_registry.user", Optional, NOTHING),
            Self::SchemaRegistryPasswordFile => {
                ("schema_registry.password_file", Optional, NOTHING)
            }
            Self::SchemaRegistryCaFile => ("schema_registry.ca_file", Optional, NOTHING),
            Self::SchemaRegistryTimeout => ("schema_registry.timeout", Scalar, "5s"),
            Self::RouterTo => ("router.to", Optional, NOTHING),
            Self::RouterPartitions => ("router.partitions", Scalar, "12"),
            Self::RouterInside => ("router.inside", Scalar, "true"),
            Self::ClusterOwnership => ("cluster.ownership", Scalar, "group"),
            Self::ClusterInstanceId => ("cluster.instance_id", Optional, NOTHING),
            Self::ClusterReportTopic => ("cluster.report_topic", Optional, NOTHING),
            Self::ClusterAdvertise => ("cluster.advertise", Optional, NOTHING),
            Self::ClusterTokenFile => ("cluster.token_file", Optional, NOTHING),
            Self::ClusterCaFile => ("cluster.ca_file", Optional, NOTHING),
            Self::AlertsRetentionTarget => ("alerts.retention_target", Optional, NOTHING),
            Self::AlertsNpsTarget => ("alerts.nps_target", Optional, NOTHING),
            Self::AlertsCsatTarget => ("alerts.csat_target", Optional, NOTHING),
            Self::AlertsTargetPeriod => ("alerts.target_period", Scalar, "30d"),
            Self::AlertsSeverities => ("alerts.severities", Map, ""),
            Self::AlertsJob => ("alerts.job", Scalar, "tenure"),
            Self::AlertsRunbookUrl => ("alerts.runbook_url", Scalar, "docs/runbook.md"),
            Self::AlertsDashboardUrl => ("alerts.dashboard_url", Optional, NOTHING),
            Self::LogFormat => ("log.format", Scalar, "text"),
            Self::LogLevel => ("log.level", Scalar, "info"),
        }
    }

    /// The name with the sections it is in, as in `kafka.group_id`.
    #[must_use]
    pub const fn path(self) -> &'static str {
        self.row().0
    }

    #[must_use]
    pub const fn shape(self) -> Shape {
        self.row().1
    }

    /// The default as the environment would have it.
    #[must_use]
    pub const fn default_text(self) -> &'static str {
        self.row().2
    }

    /// The environment variable, as in `TENURE_KAFKA_GROUP_ID`.
    #[must_use]
    pub fn variable(self) -> String {
        let name = self.path().replace('.', "_").to_ascii_uppercase();
        format!("{PREFIX}{name}")
    }

    /// The name without its sections.
    pub fn name(self) -> &'static str {
        self.path().rsplit('.').next().unwrap_or(self.path())
    }

    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.path() == path)
    }
}

/// What the names of all environment variables begin with.
pub const PREFIX: &str = "TENURE_";

/// Whether keys are inside of this path.
pub fn is_section(path: &str) -> bool {
    Key::ALL.iter().any(|key| {
        key.path()
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The names that can stand directly in a section, each once; the empty path is the whole file.
pub fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Key::ALL
        .iter()
        .filter_map(|key| match section {
            "" => Some(key.path()),
            _ => key.path().strip_prefix(section)?.strip_prefix('.'),
        })
        .filter_map(|rest| rest.split('.').next())
        .collect();
    names.dedup();
    names
}
