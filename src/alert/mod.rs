//! Alerts: the rules by which Prometheus tells people that something is wrong.
//!
//! Owns which alerts there are, what they look at, their thresholds and their texts. Promises rules
//! that fit one configuration: its periods, topics, intervals, targets and severities. Deliberately
//! does not know where rules are written to, how they are evaluated, or who is told.
//!
//! ```text
//! settings --+
//! guards ----+--> business, pipeline --> rules --> yaml
//! inputs ----+    what fires, and what   in        a file, or a
//!                 it says                groups    PrometheusRule
//! ```

mod business;
pub mod guards;
mod inputs;
mod pipeline;
pub mod rules;
pub mod settings;
pub mod yaml;

use std::fmt;

/// What an alert asks of whoever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Look at it now, also at night.
    Critical,
    /// Look at it on the next working day.
    Warning,
    /// Know it when you look at something else.
    Info,
}

impl Severity {
    /// The value of the label `severity`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// What an alert is about: the value of the label `category`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The customers. Means nothing while the numbers are not there, incomplete or old.
    Business,
    /// Tenure itself, and what it reads.
    Pipeline,
}

impl Category {
    /// The value of the label `category`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::Pipeline => "pipeline",
        }
    }
}

macro_rules! alerts {
    ($($category:ident { $($variant:ident,)* })*) => {
        /// An alert, by what it is called everywhere.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Alert {
            $($(
                #[doc = concat!("See `", stringify!($variant), "` in the runbook.")]
                $variant,
            )*)*
        }

        impl Alert {
            /// Every alert, in the order of the rules.
            pub const ALL: &[Self] = &[$($(Self::$variant,)*)*];

            /// The name without `Tenure`.
            const fn plain(self) -> &'static str {
                match self {
                    $($(Self::$variant => stringify!($variant),)*)*
                }
            }

            /// What the alert is about.
            #[must_use]
            pub const fn category(self) -> Category {
                match self {
                    $($(Self::$variant)|* => Category::$category,)*
                }
            }
        }
    };
}

alerts! {
    Business {
        NpsDropped,
        NpsDroppedFar,
        NpsAlertBlind,
        ChurnSpike,
        InactivitySpike,
        RetentionBelowTarget,
        NpsBelowTarget,
        CsatBelowTarget,
        SourceSilent,
    }
    Pipeline {
        InstanceDown,
        Down,
        KafkaDown,
        ReportTooOld,
        CoverageIncomplete,
        ShardDegraded,
        DigestMismatch,
        SplitCustomers,
        Lagging,
        CatchingUpTooLong,
        CheckpointTooOld,
        EventsRejected,
        RoutedRecordsLost,
        ClockSkew,
        SeriesLimitReached,
        InstancesDisagree,
        PartitionOwnedTwice,
        Rebalancing,
        DefinitionsDiffer,
        PartialsRejected,
    }
}

impl Alert {
    /// The value of the label `alertname`, as in `TenureNpsDropped`.
    #[must_use]
    pub fn name(self) -> String {
        format!("Tenure{}", self.plain())
    }

    /// The alert of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let plain = name.strip_prefix("Tenure")?;
        let mut all = Self::ALL.iter().copied();
        all.find(|alert| alert.plain() == plain)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenure{}", self.plain())
    }
}
