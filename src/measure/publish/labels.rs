//! The values of an open label that are shown; the rest is `other`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::texts::{OTHER, UNSPECIFIED};
use crate::measure::partial::Sums;
use crate::measure::report::Label;
use crate::measure::retention::INACTIVITY;
use crate::measure::settings::EvaluationSettings;

/// The values shown of one label.
#[derive(Debug)]
pub struct Shown<'a> {
    values: BTreeSet<&'a str>,
    /// Distinct values that became `other`.
    pub folded: u64,
}

impl<'a> Shown<'a> {
    /// Chosen once for a report, by the departures of all periods. What Tenure itself says
    /// (`unspecified`, `inactivity`) is always shown.
    pub fn reasons(sums: &'a Sums, settings: &'a EvaluationSettings) -> Self {
        let periods = sums.periods.iter();
        let counts = periods.flat_map(|sums| &sums.retention.departures);
        Self::of(
            counts.map(|(reason, count)| (reason.as_str(), *count)),
            &[UNSPECIFIED, INACTIVITY],
            &settings.churn_reasons,
            settings.max_label_values,
        )
    }

    /// The same of channels, by the answers of all periods.
    pub fn channels(sums: &'a Sums, settings: &'a EvaluationSettings) -> Self {
        let periods = sums.periods.iter();
        let counts = periods.flat_map(|sums| &sums.satisfaction.channels);
        Self::of(
            counts.map(|(channel, answers)| (channel.as_str(), answers.total())),
            &[UNSPECIFIED],
            &settings.channels,
            settings.max_label_values,
        )
    }

    /// The allow-list, else the most frequent values, ties by text.
    fn of(
        counts: impl Iterator<Item = (&'a str, u64)>,
        own: &[&'a str],
        allowed: &[String],
        limit: usize,
    ) -> Self {
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for (value, count) in counts.filter(|(value, _)| *value != OTHER && !own.contains(value)) {
            *totals.entry(value).or_default() += count;
        }
        let mut ranked: Vec<(&str, u64)> = totals.into_iter().collect();
        let all = ranked.len();
        if allowed.is_empty() {
            ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            ranked.truncate(limit);
        } else {
            ranked.retain(|(value, _)| allowed.iter().any(|allowed| allowed == value));
        }
        let folded = (all - ranked.len()) as u64;
        let shown = ranked.into_iter().map(|(value, _)| value);
        Self {
            values: shown.chain(own.iter().copied()).collect(),
            folded,
        }
    }

    pub fn label(&self, value: &str) -> Label {
        if self.values.contains(value) {
            Cow::Owned(value.to_owned())
        } else {
            OTHER.into()
        }
    }

    /// Counts by value as counts by label.
    pub fn folded_counts(&self, counts: &BTreeMap<String, u64>) -> BTreeMap<Label, u64> {
        let mut folded = BTreeMap::new();
        for (value, count) in counts {
            *folded.entry(self.label(value)).or_default() += count;
        }
        folded
    }
}
