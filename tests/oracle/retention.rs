//! Retention, churn and departures: sets of customers at the bounds of each period.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact};
use super::page::Page;
use super::period::{Interval, length, rolling};
use super::settings::{DAY, Settings};
use super::spell::{Customers, Lives};
use super::withheld;

pub fn publish(
    facts: &[Fact],
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
    at: i64,
    page: &mut Page,
) {
    page.count("tenure_customers", &[], lives.active_at(at).len());
    publish_dormant(facts, lives, at, page);
    for (name, interval) in periods {
        publish_parts(lives, name, *interval, page);
        if withheld::reasons(facts, interval.t0, settings).is_empty() {
            publish_ratios(lives, name, *interval, page);
        }
        publish_expected(facts, lives, name, *interval, settings, page);
    }
    publish_reasons(lives, periods, settings, page);
}

/// Customers who are active at `at` and have not ordered for long, or never.
fn publish_dormant(facts: &[Fact], lives: &Lives, at: i64, page: &mut Page) {
    for days in [30, 90, 180, 365] {
        let window = Interval {
            t0: at - days * DAY,
            t1: at,
        };
        let ordered: Customers = facts
            .iter()
            .filter(|fact| matches!(fact.body, Body::Purchase { .. }) && window.contains(fact.at))
            .map(|fact| fact.customer.as_str())
            .collect();
        let dormant = lives.active_at(at).difference(&ordered).count();
        let label = format!("{days}d");
        page.count("tenure_dormant_customers", &[("for", &label)], dormant);
    }
}

fn publish_parts(lives: &Lives, name: &str, interval: Interval, page: &mut Page) {
    let at_start = lives.active_at(interval.t0);
    let at_end = lives.active_at(interval.t1);
    let period = [("period", name)];
    page.count("tenure_customers_at_start", &period, at_start.len());
    page.count("tenure_customers_at_end", &period, at_end.len());

    let parts = lives.parts(interval);
    let parts = [
        ("retained", parts.retained.len()),
        ("lost", parts.lost.len()),
        ("new", parts.new.len()),
        ("reactivated", parts.reactivated.len()),
    ];
    for (status, count) in parts {
        let labels = [("period", name), ("status", status)];
        page.count("tenure_period_customers", &labels, count);
    }

    let joined = lives.first_opened(|from| interval.contains(from));
    let early_churn = joined.difference(&at_end).count();
    page.count("tenure_joined_customers", &period, joined.len());
    page.count("tenure_early_churn_customers", &period, early_churn);
}

fn publish_ratios(lives: &Lives, name: &str, interval: Interval, page: &mut Page) {
    let at_start = lives.active_at(interval.t0);
    let at_end = lives.active_at(interval.t1);
    let retained = at_start.intersection(&at_end).count() as f64;
    let lost = at_start.difference(&at_end).count() as f64;
    let departures = lives.ended_in(interval).len() as f64;
    let could_leave = at_start.len() + lives.opened_in(interval);

    let period = [("period", name)];
    page.ratio("tenure_retention_ratio", &period, retained, at_start.len());
    page.ratio("tenure_churn_ratio", &period, lost, at_start.len());
    page.ratio("tenure_departure_ratio", &period, departures, could_leave);
}

/// The mean of the same window in each of the four weeks before, for a day and for a week.
fn publish_expected(
    facts: &[Fact],
    lives: &Lives,
    name: &str,
    interval: Interval,
    settings: &Settings,
    page: &mut Page,
) {
    if !has_expectation(name) {
        return;
    }
    let windows = weeks_before(interval);
    let earliest = windows[3].t0;
    let withheld = !withheld::reasons(facts, earliest, settings).is_empty();
    if withheld || lives.active_at(earliest).is_empty() {
        return;
    }
    let mut by_inactivity = 0;
    let mut by_churn = 0;
    for window in windows {
        for reason in lives.ended_in(window) {
            if reason == "inactivity" {
                by_inactivity += 1;
            } else {
                by_churn += 1;
            }
        }
    }
    for (source, departures) in [("churn", by_churn), ("inactivity", by_inactivity)] {
        let labels = [("period", name), ("source", source)];
        let mean = f64::from(departures) / 4.0;
        page.put("tenure_departures_expected", &labels, mean);
    }
}

/// Whether the period is one of 24 hours or 7 days, counted back from the instant.
pub fn has_expectation(name: &str) -> bool {
    rolling(name) && [DAY, 7 * DAY].contains(&length(name))
}

/// The same window 7, 14, 21 and 28 days earlier.
pub fn weeks_before(interval: Interval) -> [Interval; 4] {
    [7, 14, 21, 28].map(|days| Interval {
        t0: interval.t0 - days * DAY,
        t1: interval.t1 - days * DAY,
    })
}

fn publish_reasons(
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
    page: &mut Page,
) {
    let shown = shown_reasons(lives, periods, settings);
    for (name, interval) in periods {
        let mut departures: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in lives.ended_in(*interval) {
            let label = if shown.contains(reason) {
                reason
            } else {
                "other"
            };
            *departures.entry(label).or_default() += 1;
        }
        for (reason, count) in departures {
            let labels = [("period", name.as_str()), ("reason", reason)];
            page.count("tenure_departures", &labels, count);
        }
    }
}

/// The reasons that are label values: the same ones in every period of the page.
///
/// Either those on the allow-list, or those of most departures summed over all periods, ties by
/// text; and always the two that no backend has chosen. What is literally `other` takes no place.
fn shown_reasons(
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
) -> BTreeSet<String> {
    let always = ["unspecified", "inactivity"];
    let mut shown: BTreeSet<String> = always.iter().map(|text| (*text).to_owned()).collect();
    if !settings.churn_reasons.is_empty() {
        shown.extend(settings.churn_reasons.iter().cloned());
        return shown;
    }

    let mut departures: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, interval) in periods {
        for reason in lives.ended_in(*interval) {
            if !always.contains(&reason) && reason != "other" {
                *departures.entry(reason).or_default() += 1;
            }
        }
    }
    let mut ranked: Vec<(&str, usize)> = departures.into_iter().collect();
    ranked.sort_by(|(text, count), (other_text, other_count)| {
        other_count.cmp(count).then(text.cmp(other_text))
    });
    let most = ranked.into_iter().take(settings.max_label_values);
    shown.extend(most.map(|(text, _)| text.to_owned()));
    shown
}
