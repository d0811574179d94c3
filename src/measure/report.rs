//! The report: every published number of one instant, immutable.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::event::Timestamp;
use crate::measure::catalogue::Measure;
use crate::measure::period::{Interval, Period};

/// All measures as of one instant. Made by an evaluation, read by everyone, changed by nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// `T`: exactly the events before this instant are in the numbers.
    pub at: Timestamp,
    /// The periods with their bounds at `T`.
    pub periods: Vec<(Period, Interval)>,
    /// One for each measure of the catalogue, in its order; a withheld or absent one has no samples.
    pub families: Vec<Family>,
    /// What is not published though it is in the catalogue, and why; sorted.
    pub withheld: Vec<Withheld>,
    /// By period, in their order: of its lost customers, how the last spell of each ended, by reason
    /// as it is shown. The counts add up to the lost customers. Empty where they are withheld.
    pub lost_by_reason: Vec<BTreeMap<Label, u64>>,
    /// Sampled customers that were found in more than one shard; 0 where keying is right.
    pub split_customers: u64,
    /// The partitions in which those were found, ascending.
    pub split_partitions: Vec<usize>,
    /// By open label, the distinct values that are shown as `other`.
    pub folded_labels: Vec<(&'static str, u64)>,
}

/// The name or the value of a label.
pub type Label = Cow<'static, str>;

impl Report {
    /// A report of no periods and no measures.
    #[must_use]
    pub const fn empty(at: Timestamp) -> Self {
        Self {
            at,
            periods: Vec::new(),
            families: Vec::new(),
            withheld: Vec::new(),
            lost_by_reason: Vec::new(),
            split_customers: 0,
            split_partitions: Vec::new(),
            folded_labels: Vec::new(),
        }
    }

    /// The value of a series, if it is published.
    ///
    /// Labels may come in any order and must be all there.
    #[must_use]
    pub fn value(&self, measure: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.sample(measure, labels).map(|sample| sample.value)
    }

    /// A series, if it is published; labels as for [`Report::value`].
    #[must_use]
    pub fn sample(&self, measure: &str, labels: &[(&str, &str)]) -> Option<&Sample> {
        let family = self.family(measure)?;
        let fits = |sample: &&Sample| {
            sample.labels.len() == labels.len()
                && family.labelled(sample).all(|label| labels.contains(&label))
        };
        family.samples.iter().find(fits)
    }

    /// The family of a measure of the catalogue.
    #[must_use]
    pub fn family(&self, measure: &str) -> Option<&Family> {
        self.families
            .iter()
            .find(|family| family.measure.name == measure)
    }
}

/// The series of one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub measure: &'static Measure,
    /// The names of the labels, the configured dimensions among them.
    pub label_names: Vec<Label>,
    pub samples: Vec<Sample>,
}

impl Family {
    /// The family of a measure without any series, with the configured dimensions among its labels.
    #[must_use]
    pub fn empty(measure: &'static Measure, dimensions: &[String]) -> Self {
        let names = measure.label_names(dimensions);
        Self {
            measure,
            label_names: names.map(|name| Cow::Owned(name.to_owned())).collect(),
            samples: Vec::new(),
        }
    }

    /// The labels of one of its samples: names and values, in the order of the catalogue.
    pub fn labelled<'a>(&'a self, sample: &'a Sample) -> impl Iterator<Item = (&'a str, &'a str)> {
        let names = self.label_names.iter().map(AsRef::as_ref);
        names.zip(sample.labels.iter().map(AsRef::as_ref))
    }
}

/// One series: the values of its labels in the order of its family's names, and its value. Never
/// NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Vec<Label>,
    pub value: f64,
    /// What the value is made of, as far as the catalogue names parts; 0 beyond.
    pub parts: [f64; 3],
}

impl Sample {
    /// A series without parts.
    #[must_use]
    pub fn new(labels: impl Into<Vec<Label>>, value: f64) -> Self {
        Self {
            labels: labels.into(),
            value,
            parts: [0.0; 3],
        }
    }
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
    /// A window to compare with, or a cohort's month, lies before the kept history.
    HistoryTooShort,
}

impl WithheldReason {
    pub const ALL: [Self; 7] = [
        Self::CatchingUp,
        Self::Incomplete,
        Self::Degraded,
        Self::SplitCustomers,
        Self::NoChurnSource,
        Self::BaseIncomplete,
        Self::HistoryTooShort,
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
            Self::HistoryTooShort => "history_too_short",
        }
    }
}
