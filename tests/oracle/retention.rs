//! Retention, churn and departures: sets of customers at the bounds of each period.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact};
use super::page::Page;
use super::period::Interval;
use super::settings::Settings;
use super::spell::{self, Spell};

/// The measures that need departures to be observable and the customer base to be known.
const RATIOS: [&str; 3] = [
    "tenure_retention_ratio",
    "tenure_churn_ratio",
    "tenure_departure_ratio",
];

type Customers<'a> = BTreeSet<&'a str>;

pub fn publish(
    facts: &[Fact],
    periods: &[(String, Interval)],
    settings: &Settings,
    at: i64,
    page: &mut Page,
) {
    let lives = Lives::new(facts, settings);
    page.count("tenure_customers", &[], lives.active_at(at).len());
    for (name, interval) in periods {
        publish_parts(&lives, name, *interval, page);
        let withheld = withheld(facts, *interval, settings);
        if withheld.is_empty() {
            publish_ratios(&lives, name, *interval, page);
        }
        for reason in withheld {
            for metric in RATIOS {
                page.withhold(metric, reason);
            }
        }
    }
    publish_reasons(&lives, periods, settings, page);
}

/// The spells of everybody.
struct Lives<'a> {
    spells: BTreeMap<&'a str, Vec<Spell>>,
}

impl<'a> Lives<'a> {
    fn new(facts: &'a [Fact], settings: &Settings) -> Self {
        let customers: Customers = facts.iter().map(|fact| fact.customer.as_str()).collect();
        let mut spells = BTreeMap::new();
        for customer in customers {
            let theirs = facts.iter().filter(|fact| fact.customer == customer);
            spells.insert(customer, spell::spells(theirs, settings));
        }
        Self { spells }
    }

    fn those(&self, which: impl Fn(&[Spell]) -> bool) -> Customers<'a> {
        self.spells
            .iter()
            .filter(|(_, spells)| which(spells))
            .map(|(customer, _)| *customer)
            .collect()
    }

    fn active_at(&self, t: i64) -> Customers<'a> {
        self.those(|spells| spell::active(spells, t))
    }

    /// Whose first spell ever opened at an instant that `when` accepts.
    fn first_opened(&self, when: impl Fn(i64) -> bool) -> Customers<'a> {
        self.those(|spells| {
            let first = spells.iter().map(|spell| spell.from).min();
            first.is_some_and(&when)
        })
    }

    fn opened_in(&self, interval: Interval) -> usize {
        let spells = self.spells.values().flatten();
        spells.filter(|spell| interval.contains(spell.from)).count()
    }

    /// The reason of every spell that ended in the interval.
    fn ended_in(&self, interval: Interval) -> Vec<&str> {
        let ends = self
            .spells
            .values()
            .flatten()
            .filter_map(|spell| spell.end.as_ref());
        ends.filter(|end| interval.contains(end.to))
            .map(|end| end.reason.as_str())
            .collect()
    }
}

fn publish_parts(lives: &Lives, name: &str, interval: Interval, page: &mut Page) {
    let at_start = lives.active_at(interval.t0);
    let at_end = lives.active_at(interval.t1);
    let period = [("period", name)];
    page.count("tenure_customers_at_start", &period, at_start.len());
    page.count("tenure_customers_at_end", &period, at_end.len());

    let first_since_start = lives.first_opened(|from| from >= interval.t0);
    let arrived: Customers = at_end.difference(&at_start).copied().collect();
    let parts = [
        ("retained", at_start.intersection(&at_end).count()),
        ("lost", at_start.difference(&at_end).count()),
        ("new", arrived.intersection(&first_since_start).count()),
        (
            "reactivated",
            arrived.difference(&first_since_start).count(),
        ),
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

/// Why the ratios of that period are withheld; empty if they are true.
fn withheld(facts: &[Fact], interval: Interval, settings: &Settings) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    // The facts are those before T.
    let churn_seen = facts
        .iter()
        .any(|fact| matches!(fact.body, Body::Churn { .. }));
    if settings.inactivity_timeout.is_none() && !churn_seen && !settings.churn_events_complete {
        reasons.push("no_churn_source");
    }
    if interval.t0 < base_complete_since(settings) {
        reasons.push("base_incomplete");
    }
    reasons
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
/// text; and always the two that no backend has chosen.
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
            if !always.contains(&reason) {
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
