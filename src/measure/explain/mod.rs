//! The explanation of one number: what it means, what it is made of, and what moved it.
//!
//! Owns which number is meant by a name and some labels, with which instant it is compared, and why
//! there is none where there is none. Promises to be made of nothing but two [reports](Report) and
//! plain data, so that a file and a running service are explained alike, and that no text but that of
//! reports and settings gets into it. Does not know where reports come from, and draws no pages.
//!
//! ```text
//!           the window before          the period
//!        |----------------------|----------------------|
//!                       compared_with                  at
//!                  report before                       report now
//! ```

pub mod definition;
pub mod movers;
pub mod series;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::measure::catalogue::{DIMENSIONS, Measure, Needs};
use crate::measure::expected::EARLIEST_MILLIS;
use crate::measure::explain::definition::{deciding, definition};
use crate::measure::explain::movers::{Breakdown, breakdowns};
use crate::measure::period::{Interval, Period};
use crate::measure::report::{Report, WithheldReason};
use crate::measure::settings::EvaluationSettings;

pub use series::{Choice, Series};

/// What is without a period is compared with so long ago: 30 times 24 hours.
const WITHOUT_PERIOD_MILLIS: i64 = 30 * 86_400_000;

/// The instant whose report holds the window before the one that `period` has at `at`.
///
/// Rolling: a length earlier. Complete: the period's own start. To date: when as much of the unit
/// before had passed, or, where that one was shorter, its last millisecond. Without a period: 30 days
/// earlier.
#[must_use]
pub fn compared_with(
    period: Option<Period>,
    at: Timestamp,
    settings: &EvaluationSettings,
) -> Timestamp {
    let Some(period) = period else {
        return at.minus_millis(WITHOUT_PERIOD_MILLIS);
    };
    let interval =
        |period: Period| period.interval(at, &settings.time_zone, settings.week_starts_on);
    let bounds = interval(period);
    match period {
        Period::Rolling { .. } | Period::Complete(_) => bounds.start,
        Period::ToDate(unit) => {
            let before = interval(Period::Complete(unit));
            // At its very end, the unit would be the next one already.
            let last = before.end.minus_millis(1).max(before.start);
            before.start.plus_millis(bounds.millis()).min(last)
        }
    }
}

/// Everything there is to say about one number. Instants are texts, for people and for JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub metric: String,
    /// In the order of the page.
    pub labels: Vec<(String, String)>,
    /// The one sentence of the page.
    pub help: String,
    /// A paragraph.
    pub definition: String,
    pub formula: String,
    pub time_zone: String,
    pub now: Observation,
    pub before: Before,
    /// Now minus before, where both are published.
    pub change: Option<f64>,
    pub breakdowns: Vec<Breakdown>,
    /// The settings that decide this number.
    pub settings: Vec<Setting>,
    pub records: Option<Records>,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

/// The number as of one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub at: Moment,
    /// The bounds of the period; none where the measure has no period.
    pub period: Option<Span>,
    pub outcome: Outcome,
}

/// The number in the window before, or why it is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    Known(Observation),
    Unknown { at: Moment, why: String },
}

/// Whether there is a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    Published {
        value: f64,
        parts: Vec<Part>,
    },
    /// There is nothing to show a number of.
    Absent {
        why: String,
    },
    /// There is a number, but it would not be true.
    Withheld {
        reasons: Vec<Reason>,
    },
}

/// A named number that a value is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub value: f64,
}

/// Why a number is withheld, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// As on the page.
    pub reason: String,
    pub meaning: String,
    pub way_out: String,
}

/// One instant in UTC and in the configured time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// RFC 3339 in UTC.
    pub utc: String,
    /// Date, time and offset in the configured time zone.
    pub local: String,
}

/// The bounds of a period: the start is in it, the end is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub start: Moment,
    pub end: Moment,
    pub seconds: f64,
}

/// A setting with its value as a file would have it, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub key: String,
    pub value: String,
    pub origin: String,
}

/// What became of the records that were read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Records {
    /// Since when they are counted, to follow the word "since".
    pub since: String,
    pub read: u64,
    pub applied: u64,
    /// Kept without an effect as yet: a sign-up of somebody active, a churn of somebody who is not.
    pub redundant: u64,
    /// Among the applied and the redundant: long after their shard's newest event.
    pub late: u64,
    pub repeated: u64,
    /// Known id, other content: dropped.
    pub conflicting: u64,
    /// Left out because a correction says so.
    #[serde(default)]
    pub skipped: u64,
    /// By reason, of those reasons that came up.
    pub rejected: BTreeMap<String, u64>,
    /// Values of attributes that cannot be labels.
    pub ignored_attributes: u64,
}

/// What an explanation is made of beside the series.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub now: &'a Report,
    /// The report of [`compared_with`], or why there is none.
    pub before: Result<&'a Report, &'a str>,
    /// All settings in use; the ones that matter are picked.
    pub settings: &'a [Setting],
    pub evaluation: &'a EvaluationSettings,
    pub records: Option<&'a Records>,
}

impl Explanation {
    /// Explains a series that [`Series::find`] found in the report of now.
    #[must_use]
    pub fn of(series: &Series, evidence: Evidence<'_>) -> Self {
        let measure = series.measure;
        let words = definition(measure.name);
        let evaluation = evidence.evaluation;
        let zone = &evaluation.time_zone;
        let now = observed(series, evidence.now, zone);
        let before = match evidence.before {
            Ok(report) => Before::Known(observed(series, report, zone)),
            Err(why) => Before::Unknown {
                at: moment(
                    compared_with(series.period, evidence.now.at, evaluation),
                    zone,
                ),
                why: why.to_owned(),
            },
        };
        let (change, breakdowns) = match (&now.outcome, &before, evidence.before) {
            (Outcome::Published { value, .. }, Before::Known(before), Ok(report)) => {
                let earlier = before.outcome.value();
                // A sum that is absent is a sum of nothing; a quotient is unknown.
                let countable =
                    measure.parts.is_empty() && matches!(before.outcome, Outcome::Absent { .. });
                let moved = if earlier.is_some() || countable {
                    breakdowns(series, evidence.now, report)
                } else {
                    Vec::new()
                };
                (earlier.map(|earlier| value - earlier), moved)
            }
            _ => (None, Vec::new()),
        };
        let notes = notes(series, evidence, &breakdowns);
        let keys = deciding(measure, series.period);
        let matters = |setting: &&Setting| keys.contains(&setting.key.as_str());
        Self {
            metric: measure.name.to_owned(),
            labels: series.labels.clone(),
            help: measure.help.to_owned(),
            definition: words
                .map(|words| words.words)
                .unwrap_or_default()
                .to_owned(),
            formula: words
                .map(|words| words.formula)
                .unwrap_or_default()
                .to_owned(),
            time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
            now,
            before,
            change,
            breakdowns,
            settings: evidence.settings.iter().filter(matters).cloned().collect(),
            records: evidence.records.cloned(),
            notes,
        }
    }
}

impl Outcome {
    /// The value, if it is published.
    #[must_use]
    pub const fn value(&self) -> Option<f64> {
        match self {
            Self::Published { value, .. } => Some(*value),
            Self::Absent { .. } | Self::Withheld { .. } => None,
        }
    }
}

/// An instant as text, twice.
#[must_use]
pub fn moment(at: Timestamp, zone: &TimeZone) -> Moment {
    let local = jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|at| at.to_zoned(zone.clone()))
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string());
    Moment {
        utc: at.to_string(),
        local: local.unwrap_or_else(|_| at.to_string()),
    }
}

/// The bounds of a period as text.
#[must_use]
pub fn span(bounds: Interval, zone: &TimeZone) -> Span {
    Span {
        start: moment(bounds.start, zone),
        end: moment(bounds.end, zone),
        seconds: bounds.millis() as f64 / 1000.0,
    }
}

/// What a withheld number means and what to do about it.
#[must_use]
pub fn reason(reason: WithheldReason) -> Reason {
    let (meaning, way_out) = match reason {
        WithheldReason::CatchingUp => (
            "the newest instant that every partition has reached is older than max_staleness",
            "wait until the lag is gone; /-/ready names the partitions that are waited for",
        ),
        WithheldReason::Incomplete => (
            "a partition is missing from the report",
            "see which one at /-/ready, and whether the topic still has the partitions that were \
             read; after a change of their number, restart",
        ),
        WithheldReason::Degraded => (
            "records were deleted from the log before they were read",
            "keep the records longer than the slowest reader takes, then restart and read again",
        ),
        WithheldReason::SplitCustomers => (
            "the records of one customer lie in several partitions, so it would be counted twice",
            "key the records by customer id, with one partitioner for all producers; \
             `tenure check` shows which are not",
        ),
        WithheldReason::NoChurnSource => (
            "no churn event has come and no inactivity_timeout is set, so nobody could have left: \
             retention is unknown, not 100 %",
            "set inactivity_timeout, send churn events, or set churn_events: complete if really \
             nobody left",
        ),
        WithheldReason::BaseIncomplete => (
            "the log begins in the middle of history: when the period began, customers from before \
             were unknown",
            "set customer_base_complete_since to when the log knew every customer, set an \
             inactivity_timeout, or wait until the period begins late enough",
        ),
        WithheldReason::HistoryTooShort => (
            "what the number compares with begins before the events that are kept one by one",
            "raise history and read the topic again, or ask for a shorter period",
        ),
    };
    Reason {
        reason: reason.name().to_owned(),
        meaning: meaning.to_owned(),
        way_out: way_out.to_owned(),
    }
}

/// Why a number of a report is missing: of a measure without labels, or by period alone.
///
/// None where the number is there, and where no such number can be meant.
#[must_use]
pub fn missing(report: &Report, measure: &Measure, period: Option<&str>) -> Option<Outcome> {
    let labels: Vec<(&str, &str)> = period
        .map(|period| ("period", period))
        .into_iter()
        .collect();
    let series = Series::find(report, measure.name, &labels).ok()?;
    match outcome(&series, report) {
        Outcome::Published { .. } => None,
        missing => Some(missing),
    }
}

fn observed(series: &Series, report: &Report, zone: &TimeZone) -> Observation {
    let bounds = series.period.and_then(|period| bounds_of(report, period));
    Observation {
        at: moment(report.at, zone),
        period: bounds.map(|bounds| span(bounds, zone)),
        outcome: outcome(series, report),
    }
}

fn bounds_of(report: &Report, period: Period) -> Option<Interval> {
    let mut periods = report.periods.iter();
    let found = periods.find(|(other, _)| *other == period)?;
    Some(found.1)
}

fn outcome(series: &Series, report: &Report) -> Outcome {
    if let Some(sample) = series.sample(report) {
        let parts = series.measure.parts.iter().zip(sample.parts);
        return Outcome::Published {
            value: sample.value,
            parts: parts
                .map(|(name, value)| Part {
                    name: (*name).to_owned(),
                    value,
                })
                .collect(),
        };
    }
    let withheld = report.withheld.iter();
    let reasons: Vec<Reason> = withheld
        .filter(|withheld| withheld.measure == series.measure.name)
        .filter(|withheld| concerns(withheld.reason, series, report))
        .map(|withheld| reason(withheld.reason))
        .collect();
    if reasons.is_empty() {
        let why = why_absent(series, report);
        Outcome::Absent { why }
    } else {
        Outcome::Withheld { reasons }
    }
}

/// Whether a reason that some period of the measure has can be that of this series.
///
/// A base that is complete for a period is so for every one that begins later.
fn concerns(reason: WithheldReason, series: &Series, report: &Report) -> bool {
    if reason != WithheldReason::BaseIncomplete || series.measure.needs != Needs::Departures {
        return true;
    }
    let Some(bounds) = series.period.and_then(|period| bounds_of(report, period)) else {
        return true;
    };
    let start = match series.measure.name {
        "tenure_departures_expected" => bounds.start.minus_millis(EARLIEST_MILLIS),
        _ => bounds.start,
    };
    let known = report.periods.iter().any(|(period, earlier)| {
        let period = period.to_string();
        let labels = [("period", period.as_str())];
        earlier.start <= start && report.value("tenure_churn_ratio", &labels).is_some()
    });
    !known
}

/// Why a series that nothing withholds has no value.
fn why_absent(series: &Series, report: &Report) -> String {
    let measure = series.measure;
    let to_date = matches!(series.period, Some(Period::ToDate(_)));
    let rolling = matches!(series.period, Some(Period::Rolling { .. }));
    let bounds = series.period.and_then(|period| bounds_of(report, period));
    let family = report.family(measure.name);
    let dimensions = family.is_some_and(|family| family.label_names.len() >= measure.labels.len());
    let why = match measure.name {
        _ if measure.has_label(DIMENSIONS) && !dimensions => {
            "no dimensions are configured, so there are no segments"
        }
        "tenure_nps_change_score" | "tenure_nps_change_standard_error" if !rolling => {
            "only rolling periods, such as 30d, have a window before that the change is measured from"
        }
        "tenure_nps_change_score" | "tenure_nps_change_standard_error" => {
            "nobody answered in the period, or nobody in the window before it"
        }
        "tenure_reorder_ratio" | "tenure_reorder_base_customers" if to_date => {
            "a period to date has no window before that is as long"
        }
        "tenure_expected_lifetime_value"
            if bounds.is_some_and(|bounds| bounds.millis() < 28 * 86_400_000) =>
        {
            "the period is shorter than 28 days, which is too short to project from"
        }
        "tenure_expected_lifetime_value" => {
            "nobody left in the period, nobody was there at its start, or nothing was ordered in \
             the currency"
        }
        "tenure_departures_expected"
            if series
                .period
                .is_none_or(|period| period.weekly_millis().is_none()) =>
        {
            "departures are expected of periods of exactly 24 hours or 7 days only"
        }
        "tenure_departures_expected" => {
            "nobody was a customer at the start of the earliest of the four windows, four weeks \
             before the period"
        }
        "tenure_event_latest_timestamp_seconds" => {
            "there was no event of the type in the 35 days before"
        }
        "tenure_event_usual_gap_seconds" => "there was no event of the type in the 28 days before",
        "tenure_event_week_ago_span_seconds" => {
            "there were fewer than 30 events of the type in the 28 days that ended a week before"
        }
        "tenure_cohort_retention_ratio" => {
            "the month has not ended, the cohort has no customer, or it is older than the ones shown"
        }
        "tenure_cohort_customers" => "the cohort has no customer, or is older than the ones shown",
        _ => "",
    };
    if !why.is_empty() {
        return why.to_owned();
    }
    let open = ["reason", "currency", "channel"];
    let open: Vec<&str> = open
        .into_iter()
        .filter(|name| measure.has_label(name))
        .collect();
    let seen = if measure.has_label(DIMENSIONS) {
        Some("no such segment, or nothing of the kind in it, was seen".to_owned())
    } else if open.is_empty() {
        None
    } else {
        Some(format!("no such {} was seen", open.join(" or ")))
    };
    let nothing = measure.parts.last().map(|_| match measure.parts {
        [_, denominator] => format!("there is nothing to divide by: {denominator} are 0"),
        _ => "nobody answered".to_owned(),
    });
    let place = if series.period.is_some() {
        " in the period"
    } else {
        ""
    };
    match (seen, nothing) {
        (Some(seen), Some(nothing)) => format!("{seen}{place}, or {nothing}"),
        (Some(seen), None) => format!("{seen}{place}"),
        (None, Some(nothing)) => format!("{nothing}{place}"),
        (None, None) => "nothing of the kind was seen".to_owned(),
    }
}

fn notes(series: &Series, evidence: Evidence<'_>, breakdowns: &[Breakdown]) -> Vec<String> {
    let mut notes = Vec::new();
    let folded = evidence.now.folded_labels.iter();
    for (label, values) in folded.filter(|(_, values)| *values > 0) {
        let slices = breakdowns
            .iter()
            .any(|breakdown| breakdown.by.contains(label));
        let own = match *label {
            "segment" => series.measure.has_label(DIMENSIONS),
            label => series.measure.has_label(label),
        };
        let concerned = slices || own;
        if concerned {
            notes.push(format!(
                "{values} distinct values of {label} are shown as other; which ones can differ \
                 between now and before"
            ));
        }
    }
    if matches!(series.period, Some(Period::ToDate(_))) {
        notes.push(
            "the window before is the same elapsed time of the unit before, not the whole of it"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_before_ends_where_it_can_be_compared() {
        let check = |period: Option<&str>, zone: &str, at: &str, expected: &str| {
            let instant = |text: &str| Timestamp::from_rfc3339(text).unwrap();
            let settings = EvaluationSettings {
                time_zone: TimeZone::get(zone).unwrap(),
                ..EvaluationSettings::default()
            };
            let parsed = period.map(|period| period.parse().unwrap());
            let before = compared_with(parsed, instant(at), &settings);
            assert_eq!(before, instant(expected), "{period:?} in {zone} at {at}");
            if let Some(period) = parsed {
                let bounds = |at| period.interval(at, &settings.time_zone, settings.week_starts_on);
                let (now, before) = (bounds(instant(at)), bounds(before));
                assert!(before.end <= now.start, "{period} in {zone} at {at}");
            }
        };
        let at = "2026-11-21T12:00:00Z";
        check(None, "UTC", at, "2026-10-22T12:00:00Z");
        check(Some("30d"), "Europe/Berlin", at, "2026-10-22T12:00:00Z");
        check(Some("last_month"), "UTC", at, "2026-10-01T00:00:00Z");
        check(
            Some("last_quarter"),
            "Europe/Berlin",
            at,
            "2026-06-30T22:00:00Z",
        );
        check(Some("this_month"), "UTC", at, "2026-10-21T12:00:00Z");
        check(Some("today"), "UTC", at, "2026-11-20T12:00:00Z");
        // February was over before so much of it had passed.
        let end = "2026-02-28T23:59:59.999Z";
        check(Some("this_month"), "UTC", "2026-03-31T12:00:00Z", end);
        // An empty period to date is compared with an empty one.
        check(
            Some("this_month"),
            "UTC",
            "2026-11-01T00:00:00Z",
            "2026-10-01T00:00:00Z",
        );
        // A day of 25 hours after one of 24.
        let late = "2026-10-25T22:30:00Z";
        check(
            Some("today"),
            "Europe/Berlin",
            late,
            "2026-10-24T21:59:59.999Z",
        );
    }

    #[test]
    fn every_reason_to_withhold_says_what_to_do() {
        for withheld in WithheldReason::ALL {
            let Reason {
                reason,
                meaning,
                way_out,
            } = reason(withheld);
            assert_eq!(reason, withheld.name());
            assert!(meaning.len() > 30 && way_out.len() > 30, "{reason}");
            assert!(
                !meaning.contains("  ") && !way_out.contains("  "),
                "{reason}"
            );
        }
    }

    #[test]
    fn moments_are_told_in_both_zones() {
        let at = Timestamp::from_rfc3339("2026-06-30T22:00:00Z").unwrap();
        let told = moment(at, &TimeZone::get("Europe/Berlin").unwrap());
        assert_eq!(told.utc, "2026-06-30T22:00:00.000Z");
        assert_eq!(told.local, "2026-07-01 00:00:00.000 +02:00");
    }
}
