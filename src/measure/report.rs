//! The report: every published number of one instant, immutable.

use std::borrow::Cow;

use crate::event::Timestamp;
use crate::measure::Measure;
use crate::measure::period::{Interval, Period};

/// All measures as of one instant. Made by an evaluation, read by everyone, changed by nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// `T`: exactly the events before this instant are in the numbers.
    pub at: Timestamp,
    /// The configured periods with their bounds at `T`.
    pub periods: Vec<(Period, Interval)>,
    /// One for each measure of the catalogue, in its order; a withheld or absent one has no samples.
    pub families: Vec<Family>,
    /// What is not published though it is in the catalogue, and why; sorted.
    pub withheld: Vec<Withheld>,
    /// Sampled customers that were found in more than one shard; 0 where keying is right.
    pub split_customers: u64,
    /// The partitions in which those were found, ascending.
    pub split_partitions: Vec<usize>,
    /// By open label, the distinct values that are shown as `other`.
    pub folded_labels: Vec<(&'static str, u64)>,
}

impl Report {
    /// The value of a series, if it is published.
    ///
    /// Labels may come in any order and must be all there.
    #[must_use]
    pub fn value(&self, measure: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let family = self
            .families
            .iter()
            .find(|family| family.measure.name == measure)?;
        let fits = |sample: &&Sample| {
            sample.labels.len() == labels.len()
                && sample
                    .labels
                    .iter()
                    .all(|(name, value)| labels.contains(&(name, value.as_ref())))
        };
        family.samples.iter().find(fits).map(|sample| sample.value)
    }
}

/// The series of one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub measure: &'static Measure,
    pub samples: Vec<Sample>,
}

/// One series: its labels in the order of the catalogue, and its value. Never NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    pub value: f64,
}

/// A measure that is kept back, at least for some of its periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Withheld {
    /// The name of the measure.
    pub measure: &'static str,
    pub reason: WithheldReason,
}

/// Why a measure is withheld: the closed list of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WithheldReason {
    /// The newest instant that every partition has reached is older than `max_staleness`.
    CatchingUp,
    /// A partition is missing from the report.
    Incomplete,
    /// A shard has lost history.
    Degraded,
    /// Customers were found in two shards, so they would be counted twice.
    SplitCustomers,
    /// No inactivity timeout and no churn event before `T`: retention is unknown, not 100 %.
    NoChurnSource,
    /// The period begins before the log knows every customer.
    BaseIncomplete,
}

impl WithheldReason {
    pub const ALL: [Self; 6] = [
        Self::CatchingUp,
        Self::Incomplete,
        Self::Degraded,
        Self::SplitCustomers,
        Self::NoChurnSource,
        Self::BaseIncomplete,
    ];

    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CatchingUp => "catching_up",
            Self::Incomplete => "incomplete",
            Self::Degraded => "degraded",
            Self::SplitCustomers => "split_customers",
            Self::NoChurnSource => "no_churn_source",
            Self::BaseIncomplete => "base_incomplete",
        }
    }
}
