//! Satisfaction beside retention: what customers said, and whether they stayed.

use std::collections::BTreeMap;

use super::log::{Body, Fact, Survey};
use super::orders::{Order, by_currency, orders, revenue, within};
use super::page::Page;
use super::period::Interval;
use super::settings::{DAY, Settings};
use super::spell::{Customers, Lives};
use super::withheld;

const GROUPS: [&str; 4] = ["promoter", "passive", "detractor", "none"];

pub fn publish(
    facts: &[Fact],
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
    page: &mut Page,
) {
    for (name, interval) in periods {
        let retention_known = withheld::reasons(facts, interval.t0, settings).is_empty();
        publish_groups(facts, lives, name, *interval, retention_known, page);
        publish_scored(facts, lives, name, *interval, page);
    }
}

/// The group of the customer's latest answer before `t`, of two at one instant the larger.
fn group_at(facts: &[Fact], customer: &str, t: i64) -> &'static str {
    let mut scores = BTreeMap::new();
    for fact in facts {
        if let Body::Survey { survey, score, .. } = fact.body
            && survey == Survey::Nps
            && fact.customer == customer
            && fact.at < t
        {
            scores.insert((fact.at, score), score);
        }
    }
    match scores.into_values().next_back() {
        None => "none",
        Some(9..=10) => "promoter",
        Some(7..=8) => "passive",
        Some(_) => "detractor",
    }
}

fn publish_groups(
    facts: &[Fact],
    lives: &Lives,
    name: &str,
    interval: Interval,
    retention_known: bool,
    page: &mut Page,
) {
    let parts = lives.parts(interval);
    let placed = within(&orders(facts), interval);
    for group in GROUPS {
        let of_group = |customers: &Customers| -> usize {
            let theirs = customers
                .iter()
                .filter(|customer| group_at(facts, customer, interval.t0) == group);
            theirs.count()
        };
        let retained = of_group(&parts.retained);
        let lost = of_group(&parts.lost);
        for (status, count) in [("retained", retained), ("lost", lost)] {
            let labels = [("period", name), ("group", group), ("status", status)];
            page.count("tenure_nps_group_customers", &labels, count);
        }

        let at_start = retained + lost;
        if retention_known {
            page.ratio(
                "tenure_nps_group_retention_ratio",
                &[("period", name), ("group", group)],
                retained as f64,
                at_start,
            );
        }

        let theirs: Vec<Order> = placed
            .iter()
            .filter(|order| {
                let customer = order.customer;
                let at_start = parts.retained.contains(customer) || parts.lost.contains(customer);
                at_start && group_at(facts, customer, interval.t0) == group
            })
            .copied()
            .collect();
        for (currency, orders) in by_currency(&theirs) {
            let labels = [("period", name), ("group", group), ("currency", currency)];
            let revenue = revenue(&orders);
            page.put("tenure_nps_group_revenue", &labels, revenue);
            let metric = "tenure_nps_group_revenue_per_customer";
            page.ratio(metric, &labels, revenue, at_start);
        }
    }
}

/// What those said last who left, and those who stayed: 90 days before they left, or before the
/// period ended.
fn publish_scored(facts: &[Fact], lives: &Lives, name: &str, interval: Interval, page: &mut Page) {
    let parts = lives.parts(interval);
    for (status, customers) in [("retained", parts.retained), ("lost", parts.lost)] {
        let (mut low, mut fine) = (0_usize, 0_usize);
        for customer in customers {
            let until = match status {
                "lost" => lives
                    .last_end(customer, interval.t1)
                    .expect("who is lost has left"),
                _ => interval.t1,
            };
            let window = Interval {
                t0: until - 90 * DAY,
                t1: until,
            };
            match was_low(facts, customer, window) {
                Some(true) => low += 1,
                Some(false) => fine += 1,
                None => {}
            }
        }

        for (score, count) in [("low", low), ("fine", fine)] {
            let labels = [("period", name), ("status", status), ("score", score)];
            page.count("tenure_scored_customers", &labels, count);
        }
        page.ratio(
            "tenure_low_score_ratio",
            &[("period", name), ("status", status)],
            low as f64,
            low + fine,
        );
    }
}

/// Whether a low score is among the customer's answers in the window; none without an answer.
fn was_low(facts: &[Fact], customer: &str, window: Interval) -> Option<bool> {
    let mut answers = Vec::new();
    for fact in facts {
        if let Body::Survey { survey, score, .. } = fact.body
            && fact.customer == customer
            && window.contains(fact.at)
        {
            match survey {
                Survey::Nps => answers.push(score <= 6),
                Survey::Csat => answers.push(score <= 2),
                Survey::Ces => {}
            }
        }
    }
    (!answers.is_empty()).then(|| answers.contains(&true))
}
