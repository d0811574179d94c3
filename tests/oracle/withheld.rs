//! What is withheld because it could be false: everything that needs departures to be observable
//! and the customer base to be known.

use super::cohort;
use super::log::{Body, Fact};
use super::page::Page;
use super::period::Interval;
use super::retention;
use super::settings::{DAY, Settings};
use super::spell::Lives;

/// Names what is withheld for a period, or for a cohort, that is on the page.
pub fn publish(
    facts: &[Fact],
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
    page: &mut Page,
) {
    let starts: Vec<i64> = periods.iter().map(|(_, interval)| interval.t0).collect();
    let starts_of_long: Vec<i64> = periods
        .iter()
        .filter(|(_, interval)| interval.t1 - interval.t0 >= 28 * DAY)
        .map(|(_, interval)| interval.t0)
        .collect();
    let starts_of_weeks_before: Vec<i64> = periods
        .iter()
        .filter(|(name, _)| retention::has_expectation(name))
        .map(|(_, interval)| retention::weeks_before(*interval)[3].t0)
        .collect();
    let starts_of_months: Vec<i64> = cohort::shown(lives, settings)
        .iter()
        .map(|month| month.start(settings))
        .collect();

    let mut names = vec![
        ("tenure_retention_ratio", &starts),
        ("tenure_churn_ratio", &starts),
        ("tenure_departure_ratio", &starts),
        ("tenure_nps_group_retention_ratio", &starts),
        ("tenure_departures_expected", &starts_of_weeks_before),
        ("tenure_expected_lifetime_value", &starts_of_long),
        ("tenure_cohort_retention_ratio", &starts_of_months),
    ];
    if !settings.dimensions.is_empty() {
        names.push(("tenure_segment_retention_ratio", &starts));
    }
    for (metric, starts) in names {
        if no_churn_source(facts, settings) {
            page.withhold(metric, "no_churn_source");
        }
        if starts.iter().any(|start| base_incomplete(*start, settings)) {
            page.withhold(metric, "base_incomplete");
        }
    }
}

/// Why the ratios of what starts then are withheld; empty if they are true.
pub fn reasons(facts: &[Fact], start: i64, settings: &Settings) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if no_churn_source(facts, settings) {
        reasons.push("no_churn_source");
    }
    if base_incomplete(start, settings) {
        reasons.push("base_incomplete");
    }
    reasons
}

/// Whether nothing could tell that a customer left. The facts are those before `T`.
fn no_churn_source(facts: &[Fact], settings: &Settings) -> bool {
    let churn_seen = facts
        .iter()
        .any(|fact| matches!(fact.body, Body::Churn { .. }));
    settings.inactivity_timeout.is_none() && !churn_seen && !settings.churn_events_complete
}

fn base_incomplete(start: i64, settings: &Settings) -> bool {
    start < base_complete_since(settings)
}

/// Since when every customer is known: always is the smallest instant, never the largest.
fn base_complete_since(settings: &Settings) -> i64 {
    if let Some(since) = settings.customer_base_complete_since {
        return since;
    }
    if settings.log_starts_at_beginning {
        return i64::MIN;
    }
    match (settings.log_start, settings.inactivity_timeout) {
        (Some(start), Some(timeout)) => start + timeout,
        _ => i64::MAX,
    }
}
