//! From merged sums to the report: every family in the order of the catalogue.
//!
//! A ratio whose denominator is zero has no series, and a measure that cannot be known is withheld
//! with its reason: never zero or NaN for "missing".

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Survey, Timestamp};
use crate::ledger::settings::CesScale;
use crate::ledger::shard::LogStart;
use crate::ledger::texts::{OTHER, UNSPECIFIED};
use crate::measure::evaluate::{INACTIVITY, Instant};
use crate::measure::partial::{Groups, Partial, PeriodSums};
use crate::measure::period::Period;
use crate::measure::report::{Family, Report, Sample, Withheld, WithheldReason};
use crate::measure::satisfaction::{
    low_effort, mean, nps, nps_with_bounds, satisfied, share_with_bounds,
};
use crate::measure::settings::EvaluationSettings;
use crate::measure::{Counts, MEASURES, Measure, Needs};

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

/// What a report depends on beside the sums.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub settings: &'a EvaluationSettings,
    pub ces: CesScale,
}

/// Makes the report of merged sums.
#[must_use]
pub fn report(partial: &Partial, instant: &Instant, context: Context<'_>) -> Report {
    let split = partial.split();
    let base = CustomerBase::of(context.settings, partial.log_start);
    let mut page = Page::new(context);
    page.split = split.customers > 0;
    page.churn_observable = partial.churn_seen
        || context.settings.churn_events_complete
        || context.settings.inactivity_timeout_millis.is_some();
    page.note_withheld();
    page.put("tenure_customers", [], partial.customers as f64);
    let shown = Shown::reasons(partial, context.settings);
    for ((period, bounds), sums) in instant.periods.iter().zip(&partial.periods) {
        page.base_complete = base.complete_at(bounds.start);
        page.note_withheld();
        page.retention(*period, sums, &shown);
        page.nps(*period, sums);
        page.csat(*period, sums);
        page.ces(*period, sums);
    }
    page.scales();
    Report {
        at: instant.at,
        periods: instant.periods.clone(),
        families: page.families,
        withheld: page.withheld.into_iter().collect(),
        split_customers: split.customers,
        split_partitions: split.shards,
        folded_labels: vec![("reason", shown.folded)],
    }
}

/// A report that publishes nothing but the scales, and says why of every other measure.
#[must_use]
pub fn withheld(instant: &Instant, context: Context<'_>, reason: WithheldReason) -> Report {
    let mut page = Page::new(context);
    page.scales();
    let mut withheld: Vec<Withheld> = MEASURES
        .iter()
        .filter(|measure| measure.counts != Counts::Settings)
        .map(|measure| Withheld {
            measure: measure.name,
            reason,
        })
        .collect();
    withheld.sort_unstable();
    Report {
        at: instant.at,
        periods: instant.periods.clone(),
        families: page.families,
        withheld,
        split_customers: 0,
        split_partitions: Vec::new(),
        folded_labels: Vec::new(),
    }
}

fn empty_families() -> Vec<Family> {
    MEASURES
        .iter()
        .map(|measure| Family {
            measure,
            samples: Vec::new(),
        })
        .collect()
}

/// The values of an open label that are shown; the rest is `other`.
#[derive(Debug)]
struct Shown<'a> {
    values: BTreeSet<&'a str>,
    /// Distinct values that became `other`.
    folded: u64,
}

impl<'a> Shown<'a> {
    /// Chosen once for a report: the allow-list, else the most frequent by the sum over all
    /// periods, ties by text. What Tenure itself says (`unspecified`, `inactivity`) is always shown.
    fn reasons(partial: &'a Partial, settings: &'a EvaluationSettings) -> Self {
        let own = [UNSPECIFIED, INACTIVITY];
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for (reason, count) in partial.periods.iter().flat_map(|sums| &sums.departures) {
            if !own.contains(&reason.as_str()) && reason != OTHER {
                *totals.entry(reason).or_default() += count;
            }
        }
        let allowed = &settings.churn_reasons;
        let mut ranked: Vec<(&str, u64)> = totals.into_iter().collect();
        let all = ranked.len();
        if allowed.is_empty() {
            ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            ranked.truncate(settings.max_label_values);
        } else {
            ranked.retain(|(reason, _)| allowed.iter().any(|allowed| allowed == reason));
        }
        let folded = (all - ranked.len()) as u64;
        let values = ranked
            .into_iter()
            .map(|(reason, _)| reason)
            .chain(own)
            .collect();
        Self { values, folded }
    }

    fn label(&self, value: &str) -> Cow<'static, str> {
        if self.values.contains(value) {
            Cow::Owned(value.to_owned())
        } else {
            OTHER.into()
        }
    }
}

struct Page<'a> {
    context: Context<'a>,
    families: Vec<Family>,
    withheld: BTreeSet<Withheld>,
    split: bool,
    churn_observable: bool,
    base_complete: bool,
}

impl<'a> Page<'a> {
    fn new(context: Context<'a>) -> Self {
        Self {
            context,
            families: empty_families(),
            withheld: BTreeSet::new(),
            split: false,
            churn_observable: true,
            base_complete: true,
        }
    }

    /// Publishes a value under its labels, or withholds it.
    ///
    /// # Panics
    /// If the catalogue has no such measure with as many labels: a slip of this module.
    fn put<const N: usize>(&mut self, name: &str, labels: [Cow<'static, str>; N], value: f64) {
        let at = MEASURES.iter().position(|measure| measure.name == name);
        let at = at.unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        let measure = &MEASURES[at];
        assert_eq!(measure.labels.len(), N, "the labels of {name}");
        debug_assert!(value.is_finite(), "{name} is {value}");
        if self.reasons_to_withhold(measure).next().is_none() {
            let labels = measure.labels.iter().copied().zip(labels).collect();
            self.families[at].samples.push(Sample { labels, value });
        }
    }

    /// Notes what is withheld as things stand, also where there would be no value to publish.
    fn note_withheld(&mut self) {
        for measure in MEASURES {
            let reasons = self.reasons_to_withhold(measure);
            self.withheld.extend(reasons.map(|reason| Withheld {
                measure: measure.name,
                reason,
            }));
        }
    }

    /// The same for a ratio or score, which has no series where its denominator is zero.
    fn put_some<const N: usize>(
        &mut self,
        name: &str,
        labels: [Cow<'static, str>; N],
        value: Option<f64>,
    ) {
        if let Some(value) = value {
            self.put(name, labels, value);
        }
    }

    fn reasons_to_withhold(
        &self,
        measure: &Measure,
    ) -> impl Iterator<Item = WithheldReason> + use<> {
        let needs_departures = measure.needs == Needs::Departures;
        let checks = [
            (
                self.split && measure.counts == Counts::Customers,
                WithheldReason::SplitCustomers,
            ),
            (
                needs_departures && !self.churn_observable,
                WithheldReason::NoChurnSource,
            ),
            (
                needs_departures && !self.base_complete,
                WithheldReason::BaseIncomplete,
            ),
        ];
        checks
            .into_iter()
            .filter(|(applies, _)| *applies)
            .map(|(_, reason)| reason)
    }

    fn retention(&mut self, period: Period, sums: &PeriodSums, shown: &Shown<'_>) {
        let label = || Cow::from(period.to_string());
        let (start, end) = (sums.at_start(), sums.at_end());
        self.put("tenure_customers_at_start", [label()], start as f64);
        self.put("tenure_customers_at_end", [label()], end as f64);
        for (status, count) in [
            ("retained", sums.retained),
            ("lost", sums.lost),
            ("new", sums.new),
            ("reactivated", sums.reactivated),
        ] {
            self.put(
                "tenure_period_customers",
                [label(), status.into()],
                count as f64,
            );
        }
        self.put_some(
            "tenure_retention_ratio",
            [label()],
            ratio(sums.retained, start),
        );
        self.put_some("tenure_churn_ratio", [label()], ratio(sums.lost, start));
        self.put("tenure_joined_customers", [label()], sums.joined as f64);
        self.put(
            "tenure_early_churn_customers",
            [label()],
            sums.early_churn as f64,
        );
        let mut departures: BTreeMap<Cow<'static, str>, u64> = BTreeMap::new();
        for (reason, count) in &sums.departures {
            *departures.entry(shown.label(reason)).or_default() += count;
        }
        for (reason, count) in departures {
            self.put("tenure_departures", [label(), reason], count as f64);
        }
        let ratio = ratio(sums.departed(), start + sums.opened);
        self.put_some("tenure_departure_ratio", [label()], ratio);
    }

    fn nps(&mut self, period: Period, sums: &PeriodSums) {
        let label = || Cow::from(period.to_string());
        for (group, count) in by_group(sums.nps_customers) {
            self.put(
                "tenure_nps_customers",
                [label(), group.into()],
                count as f64,
            );
        }
        if let Some(score) = nps_with_bounds(sums.nps_customers) {
            self.put("tenure_nps_score", [label()], score.value);
            self.put("tenure_nps_score_lower", [label()], score.lower);
            self.put("tenure_nps_score_upper", [label()], score.upper);
        }
        for (group, count) in by_group(sums.nps_responses) {
            self.put(
                "tenure_nps_responses",
                [label(), group.into()],
                count as f64,
            );
        }
        self.put_some(
            "tenure_nps_response_score",
            [label()],
            nps(sums.nps_responses),
        );
    }

    fn csat(&mut self, period: Period, sums: &PeriodSums) {
        let label = || Cow::from(period.to_string());
        for (rating, count) in (1..=5).zip(sums.csat) {
            self.put(
                "tenure_csat_responses",
                [label(), rating_label(rating)],
                count as f64,
            );
        }
        if let Some(share) = share_with_bounds(satisfied(&sums.csat), sums.csat.iter().sum()) {
            self.put("tenure_csat_ratio", [label()], share.value);
            self.put("tenure_csat_ratio_lower", [label()], share.lower);
            self.put("tenure_csat_ratio_upper", [label()], share.upper);
        }
        self.put_some("tenure_csat_mean_score", [label()], mean(&sums.csat));
    }

    fn ces(&mut self, period: Period, sums: &PeriodSums) {
        let label = || Cow::from(period.to_string());
        let scale = self.context.ces;
        for (rating, count) in (1..=scale.max.rating()).zip(sums.ces) {
            self.put(
                "tenure_ces_responses",
                [label(), rating_label(rating)],
                count as f64,
            );
        }
        self.put_some("tenure_ces_mean_score", [label()], mean(&sums.ces));
        let share = ratio(low_effort(&sums.ces, scale), sums.ces.iter().sum());
        self.put_some("tenure_ces_low_effort_ratio", [label()], share);
    }

    fn scales(&mut self) {
        for survey in Survey::ALL {
            let (min, max, better) = match survey {
                Survey::Nps => (0, 10, "high"),
                Survey::Csat => (1, 5, "high"),
                Survey::Ces => (
                    1,
                    self.context.ces.max.rating(),
                    self.context.ces.better.name(),
                ),
            };
            let labels = [
                survey.name().into(),
                rating_label(min),
                rating_label(max),
                better.into(),
            ];
            self.put("tenure_survey_scale_info", labels, 1.0);
        }
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn by_group(groups: Groups) -> [(&'static str, u64); 3] {
    [
        ("promoter", groups.promoters),
        ("passive", groups.passives),
        ("detractor", groups.detractors),
    ]
}

fn rating_label(rating: u8) -> Cow<'static, str> {
    Cow::Owned(rating.to_string())
}
