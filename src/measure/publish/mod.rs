//! From merged sums to the report: every family in the order of the catalogue.
//!
//! A ratio whose denominator is zero has no series, and a measure that cannot be known is withheld
//! with its reason: never zero or NaN for "missing". An open label has a series for every value that
//! was seen in its period.

mod cohorts;
mod labels;
mod link;
mod now;
mod orders;
mod retention;
mod satisfaction;
mod segments;
mod silence;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::event::Timestamp;
use crate::ledger::settings::CesScale;
use crate::ledger::shard::LogStart;
use crate::measure::catalogue::{Counts, DIMENSIONS, MEASURES, Measure, Needs, Section, position};
use crate::measure::cohort::Months;
use crate::measure::expected::EARLIEST_MILLIS;
use crate::measure::partial::{Partial, PeriodSums, Split, Sums};
use crate::measure::publish::labels::Shown;
use crate::measure::question::{Instant, Question, Window};
use crate::measure::report::{Family, Label, Report, Sample, Withheld, WithheldReason};
use crate::measure::settings::EvaluationSettings;

/// Since when the log knows every customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerBase {
    /// The log holds all history.
    Whole,
    /// Customers from before this instant may be unknown.
    Since(Timestamp),
    /// The log's head is gone, and nothing says when everybody has been seen.
    Unknown,
}

impl CustomerBase {
    /// What is known of a log that begins there.
    ///
    /// A configured instant wins; else everybody active has been seen one timeout after the start.
    #[must_use]
    pub fn of(settings: &EvaluationSettings, log_start: LogStart) -> Self {
        match (settings.customer_base_complete_since, log_start) {
            (Some(since), _) => Self::Since(since),
            (None, LogStart::Whole) => Self::Whole,
            (None, LogStart::At(start)) => settings
                .inactivity_timeout_millis
                .map_or(Self::Unknown, |timeout| {
                    Self::Since(start.plus_millis(timeout))
                }),
            (None, LogStart::Unknown) => Self::Unknown,
        }
    }

    fn complete_at(self, at: Timestamp) -> bool {
        match self {
            Self::Whole => true,
            Self::Since(since) => since <= at,
            Self::Unknown => false,
        }
    }
}

/// What a report depends on beside the sums and the question.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub ces: CesScale,
    /// The configured dimensions, in their order.
    pub dimensions: &'a [String],
    /// Customers may be in two shards although no sample shows it: the log was keyed anew.
    pub rekeyed: bool,
}

/// Makes the report of each instant of a question.
///
/// Measures of sections that were not asked for have no series.
#[must_use]
pub fn reports(partial: &Partial, question: &Question, context: Context<'_>) -> Vec<Report> {
    let split = partial.split();
    let base = CustomerBase::of(&question.settings, partial.log_start);
    let instants = question.instants.iter().zip(&partial.instants);
    let page = |(instant, sums): (&Instant, &Sums)| {
        let limits = Limits {
            split: split.customers > 0 || context.rekeyed,
            churn_observable: sums.churn_seen
                || question.settings.churn_events_complete
                || question.settings.inactivity_timeout_millis.is_some(),
            base,
            prune_line: partial.prune_line,
        };
        let page = Page::new(question, context, limits);
        page.report(instant, sums, &split)
    };
    instants.map(page).collect()
}

/// A report that publishes nothing but the scales, and says why of every other measure.
#[must_use]
pub fn withheld(instant: &Instant, context: Context<'_>, reason: WithheldReason) -> Report {
    let mut families = empty_families(context);
    let mut page = Put {
        families: &mut families,
    };
    satisfaction::scales(&mut page, context.ces);
    let mut withheld: Vec<Withheld> = MEASURES
        .iter()
        .filter(|measure| measure.counts != Counts::Settings && exists(measure, context))
        .map(|measure| Withheld {
            measure: measure.name,
            reason,
        })
        .collect();
    withheld.sort_unstable();
    Report {
        periods: instant.periods(),
        families,
        withheld,
        lost_by_reason: vec![BTreeMap::new(); instant.windows.len()],
        ..Report::empty(instant.at)
    }
}

/// Whether there can be series of the measure: segments need dimensions.
fn exists(measure: &Measure, context: Context<'_>) -> bool {
    !measure.has_label(DIMENSIONS) || !context.dimensions.is_empty()
}

/// Whether a measure has any meaning for the period.
fn defined(measure: &Measure, window: &Window) -> bool {
    match measure.name {
        retention::EXPECTED => window.period.weekly_millis().is_some(),
        _ => orders::defined(measure, window),
    }
}

/// From when on every customer must be known for a measure that needs to know who left.
fn known_since(measure: &Measure, window: &Window) -> Timestamp {
    match measure.name {
        retention::EXPECTED => window.bounds.start.minus_millis(EARLIEST_MILLIS),
        _ => window.bounds.start,
    }
}

fn empty_families(context: Context<'_>) -> Vec<Family> {
    let family = |measure| Family::empty(measure, context.dimensions);
    MEASURES.iter().map(family).collect()
}

/// What stands against publishing everything.
#[derive(Debug, Clone, Copy)]
struct Limits {
    split: bool,
    churn_observable: bool,
    base: CustomerBase,
    prune_line: Option<Timestamp>,
}

/// A report in the making.
struct Page<'a> {
    question: &'a Question,
    context: Context<'a>,
    limits: Limits,
    families: Vec<Family>,
    withheld: BTreeSet<Withheld>,
}

impl<'a> Page<'a> {
    fn new(question: &'a Question, context: Context<'a>, limits: Limits) -> Self {
        Self {
            question,
            context,
            limits,
            families: empty_families(context),
            withheld: BTreeSet::new(),
        }
    }

    fn report(mut self, instant: &Instant, sums: &Sums, split: &Split) -> Report {
        let settings = &self.question.settings;
        let reasons = Shown::reasons(sums, settings);
        let channels = Shown::channels(sums, settings);
        let segments = segments::ShownSegments::of(sums, settings.max_segments);
        self.withhold_all();
        if self.wants(Section::Now) {
            self.now(&sums.now);
        }
        for (window, sums) in instant.windows.iter().zip(&sums.periods) {
            self.withhold_of(window);
            if self.wants(Section::Retention) {
                self.retention(window, &sums.retention, &reasons);
                self.expected(window, &sums.expected);
            }
            if self.wants(Section::Satisfaction) {
                self.satisfaction(window, sums, &channels);
            }
            if self.wants(Section::Orders) {
                self.orders(window, sums);
            }
            if self.wants(Section::Link) {
                self.link(window, &sums.link);
            }
        }
        if self.wants(Section::Segments) && !self.context.dimensions.is_empty() {
            self.segments(instant, &segments);
        }
        if self.wants(Section::Cohorts) {
            self.cohorts(instant, sums);
        }
        if self.wants(Section::Silence) {
            self.silence(instant.at, &sums.silence);
        }
        if self.wants(Section::Satisfaction) {
            let families = &mut self.families;
            satisfaction::scales(&mut Put { families }, self.context.ces);
        }
        let lost = |sums: &PeriodSums| reasons.folded_counts(&sums.retention.lost_by_reason);
        let lost_by_reason = if self.limits.split {
            vec![BTreeMap::new(); sums.periods.len()]
        } else {
            sums.periods.iter().map(lost).collect()
        };
        Report {
            at: instant.at,
            periods: instant.periods(),
            families: self.families,
            withheld: self.withheld.into_iter().collect(),
            lost_by_reason,
            split_customers: split.customers,
            split_partitions: split.shards.clone(),
            folded_labels: vec![
                ("reason", reasons.folded),
                ("channel", channels.folded),
                ("segment", segments.folded),
            ],
        }
    }

    fn wants(&self, section: Section) -> bool {
        self.question.sections.contains(section)
    }

    fn months(&self) -> &'a Months {
        &self.question.months
    }

    /// Names what is withheld whatever the period.
    fn withhold_all(&mut self) {
        for measure in MEASURES {
            if !exists(measure, self.context) {
                continue;
            }
            if self.limits.split && measure.counts == Counts::Customers {
                self.withhold(measure, WithheldReason::SplitCustomers);
            }
            if !self.limits.churn_observable && measure.needs == Needs::Departures {
                self.withhold(measure, WithheldReason::NoChurnSource);
            }
        }
    }

    /// Names what is withheld of one period, also where there would be no value to publish.
    fn withhold_of(&mut self, window: &Window) {
        for measure in MEASURES {
            let concerns = measure.has_label("period") && defined(measure, window);
            if !concerns || !exists(measure, self.context) {
                continue;
            }
            let known = self.limits.base.complete_at(known_since(measure, window));
            if measure.needs == Needs::Departures && !known {
                self.withhold(measure, WithheldReason::BaseIncomplete);
            }
            if self.too_old(measure, window) {
                self.withhold(measure, WithheldReason::HistoryTooShort);
            }
        }
    }

    /// Whether a measure looks at facts from before the kept history: what its period is compared
    /// with can begin long before the period itself.
    fn too_old(&self, measure: &Measure, window: &Window) -> bool {
        let needed = match measure.name {
            "tenure_nps_change_score" | "tenure_nps_change_standard_error" => {
                window.baseline.map(|baseline| baseline.start)
            }
            "tenure_reorder_base_customers" | "tenure_reorder_ratio" => {
                window.before.map(|before| before.start)
            }
            "tenure_scored_customers" | "tenure_low_score_ratio" => Some(window.scored_since()),
            retention::EXPECTED => Some(known_since(measure, window)),
            _ => None,
        };
        needed
            .zip(self.limits.prune_line)
            .is_some_and(|(needed, line)| needed < line)
    }

    fn may_publish(&self, measure: &Measure, since: Option<Timestamp>) -> bool {
        let departures = measure.needs == Needs::Departures;
        let split = self.limits.split && measure.counts == Counts::Customers;
        let unobservable = departures && !self.limits.churn_observable;
        let unknown = departures && since.is_some_and(|since| !self.limits.base.complete_at(since));
        !(split || unobservable || unknown)
    }

    /// A place for values of a period.
    fn of<'p>(&'p mut self, window: &'p Window) -> OfPeriod<'p, 'a> {
        OfPeriod {
            period: Cow::Owned(window.period.to_string()),
            page: self,
            window,
        }
    }

    /// Publishes a value that belongs to no period, or withholds it; `since` is when its customers
    /// must have been known, if that matters.
    fn put(
        &mut self,
        name: &str,
        since: Option<Timestamp>,
        labels: impl Into<Vec<Label>>,
        value: f64,
        parts: &[f64],
    ) {
        let Some(at) = position(name) else {
            debug_assert!(false, "{name} is not in the catalogue");
            return;
        };
        if self.may_publish(&MEASURES[at], since) {
            let families = &mut self.families;
            Put { families }.put(at, labels.into(), value, parts);
        }
    }

    fn withhold(&mut self, measure: &Measure, reason: WithheldReason) {
        self.withheld.insert(Withheld {
            measure: measure.name,
            reason,
        });
    }
}

/// Where the series of one period go.
struct OfPeriod<'p, 'a> {
    page: &'p mut Page<'a>,
    window: &'p Window,
    period: Label,
}

impl OfPeriod<'_, '_> {
    /// Publishes a value under the period and further labels, or withholds it.
    fn put(&mut self, name: &str, labels: &[Label], value: f64, parts: &[f64]) {
        let Some(at) = position(name) else {
            debug_assert!(false, "{name} is not in the catalogue");
            return;
        };
        let measure = &MEASURES[at];
        let since = known_since(measure, self.window);
        if self.page.may_publish(measure, Some(since)) && !self.page.too_old(measure, self.window) {
            let mut all = Vec::with_capacity(labels.len() + 1);
            all.push(Cow::clone(&self.period));
            all.extend_from_slice(labels);
            let families = &mut self.page.families;
            Put { families }.put(at, all, value, parts);
        }
    }

    fn count(&mut self, name: &str, labels: &[Label], count: u64) {
        self.put(name, labels, count as f64, &[]);
    }

    /// A quotient of counts, which has no series where there is nothing to divide by.
    fn ratio(&mut self, name: &str, labels: &[Label], part: u64, whole: u64) {
        self.quotient(name, labels, part as f64, whole as f64);
    }

    fn quotient(&mut self, name: &str, labels: &[Label], part: f64, whole: f64) {
        if whole > 0.0 {
            self.put(name, labels, part / whole, &[part, whole]);
        }
    }
}

/// Puts samples into families, whatever stands against it.
struct Put<'f> {
    families: &'f mut Vec<Family>,
}

impl Put<'_> {
    fn put(&mut self, at: usize, labels: Vec<Label>, value: f64, parts: &[f64]) {
        let family = &mut self.families[at];
        let measure = family.measure;
        debug_assert_eq!(family.label_names.len(), labels.len(), "{}", measure.name);
        debug_assert_eq!(measure.parts.len(), parts.len(), "{}", measure.name);
        debug_assert!(value.is_finite(), "{} is {value}", measure.name);
        let mut all = [0.0; 3];
        for (place, part) in all.iter_mut().zip(parts) {
            *place = *part;
        }
        family.samples.push(Sample {
            labels,
            value,
            parts: all,
        });
    }
}

fn owned(text: &str) -> Label {
    Cow::Owned(text.to_owned())
}

/// Millionths as units, to the nearest double.
fn units(millionths: u128) -> f64 {
    const EXACT: u128 = 1 << 53;
    if millionths <= EXACT {
        return millionths as f64 / 1e6;
    }
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.parse().unwrap_or(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_nearest_double() {
        assert_eq!(units(0).to_string(), "0");
        assert_eq!(units(119_970_000).to_string(), "119.97");
        let large: u128 = 123_456_789_012_345_678_901;
        assert_eq!(units(large), 123_456_789_012_345.67);
    }
}
