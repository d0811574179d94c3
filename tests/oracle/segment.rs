//! Segments: customers, answers and orders by the values of the configured dimensions.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Fact, Survey};
use super::orders::{Order, by_currency, orders, revenue, within};
use super::page::Page;
use super::period::Interval;
use super::satisfaction::{Groups, answers, latest_by_customer};
use super::settings::Settings;
use super::spell::Lives;
use super::withheld;

/// A value for each dimension, in the order of the dimensions.
type Segment = Vec<String>;

const STATUSES: [&str; 4] = ["retained", "lost", "new", "reactivated"];

pub fn publish(
    facts: &[Fact],
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
    at: i64,
    page: &mut Page,
) {
    if settings.dimensions.is_empty() {
        return;
    }
    let windows: Vec<Window> = periods
        .iter()
        .map(|(name, interval)| Window::new(facts, lives, name, *interval, settings))
        .collect();
    let shown = shown(facts, lives, &windows, settings, at);
    for window in &windows {
        window.publish(facts, &shown, settings, page);
    }
}

/// The customer's value at `t`: of its newest attribute before, of two at one instant the larger
/// text; `unknown` without one.
fn value_at(facts: &[Fact], customer: &str, dimension: &str, t: i64) -> String {
    let mut values = BTreeSet::new();
    for fact in facts {
        if let Some(value) = fact.attributes.get(dimension)
            && fact.customer == customer
            && fact.at < t
        {
            values.insert((fact.at, value.as_str()));
        }
    }
    values
        .last()
        .map_or("unknown", |(_, value)| value)
        .to_owned()
}

fn segment_at(facts: &[Fact], customer: &str, t: i64, settings: &Settings) -> Segment {
    settings
        .dimensions
        .iter()
        .map(|dimension| value_at(facts, customer, dimension, t))
        .collect()
}

/// What happened in a period, each with the segment to which it belongs.
struct Window<'a> {
    name: &'a str,
    interval: Interval,
    /// The segment and status of each customer.
    statuses: Vec<(Segment, &'static str)>,
    /// The segment and latest score of everybody who answered.
    scores: Vec<(Segment, i64)>,
    placed: Vec<(Segment, Order<'a>)>,
}

impl<'a> Window<'a> {
    fn new(
        facts: &'a [Fact],
        lives: &Lives,
        name: &'a str,
        interval: Interval,
        settings: &Settings,
    ) -> Self {
        let at = |customer: &str, t: i64| segment_at(facts, customer, t, settings);
        let parts = lives.parts(interval);
        let mut statuses = Vec::new();
        for (status, customers, t) in [
            ("retained", parts.retained, interval.t0),
            ("lost", parts.lost, interval.t0),
            ("new", parts.new, interval.t1),
            ("reactivated", parts.reactivated, interval.t1),
        ] {
            statuses.extend(customers.iter().map(|customer| (at(customer, t), status)));
        }
        let latest = latest_by_customer(&answers(facts, Survey::Nps, interval));
        let scores = latest
            .into_iter()
            .map(|(customer, score)| (at(customer, interval.t1), score))
            .collect();
        let placed = within(&orders(facts), interval)
            .into_iter()
            .map(|order| (at(order.customer, interval.t1), order))
            .collect();
        Self {
            name,
            interval,
            statuses,
            scores,
            placed,
        }
    }

    fn segments(&self) -> BTreeSet<Segment> {
        let statuses = self.statuses.iter().map(|(segment, _)| segment);
        let scores = self.scores.iter().map(|(segment, _)| segment);
        let placed = self.placed.iter().map(|(segment, _)| segment);
        statuses.chain(scores).chain(placed).cloned().collect()
    }

    fn publish(
        &self,
        facts: &[Fact],
        shown: &BTreeSet<Segment>,
        settings: &Settings,
        page: &mut Page,
    ) {
        let retention_known = withheld::reasons(facts, self.interval.t0, settings).is_empty();
        for (segment, statuses) in by_segment(&self.statuses, shown) {
            let count = |wanted: &str| {
                let those = statuses.iter().filter(|status| **status == wanted);
                those.count()
            };
            for status in STATUSES {
                let labels = self.labels(&segment, Some(("status", status)), settings);
                page.count("tenure_segment_customers", &labels, count(status));
            }
            if retention_known {
                let labels = self.labels(&segment, None, settings);
                let retained = count("retained");
                let at_start = retained + count("lost");
                let metric = "tenure_segment_retention_ratio";
                page.ratio(metric, &labels, retained as f64, at_start);
            }
        }
        for (segment, scores) in by_segment(&self.scores, shown) {
            let groups = Groups::of(&scores);
            for (group, count) in groups.counts() {
                if count > 0 {
                    let labels = self.labels(&segment, Some(("group", group)), settings);
                    page.count("tenure_segment_nps_customers", &labels, count);
                }
            }
            if let Some(score) = groups.score() {
                let labels = self.labels(&segment, None, settings);
                page.put("tenure_segment_nps_score", &labels, score);
            }
        }
        for (segment, orders) in by_segment(&self.placed, shown) {
            for (currency, orders) in by_currency(&orders) {
                let labels = self.labels(&segment, Some(("currency", currency)), settings);
                page.count("tenure_segment_orders", &labels, orders.len());
                page.put("tenure_segment_revenue", &labels, revenue(&orders));
            }
        }
    }

    /// The period, the dimensions, and the last label where there is one.
    fn labels<'b>(
        &'b self,
        segment: &'b Segment,
        last: Option<(&'b str, &'b str)>,
        settings: &'b Settings,
    ) -> Vec<(&'b str, &'b str)> {
        let mut labels = vec![("period", self.name)];
        for (dimension, value) in settings.dimensions.iter().zip(segment) {
            labels.push((dimension, value));
        }
        labels.extend(last);
        labels
    }
}

/// All that belongs to each segment; those that are not shown are one, whose every value is
/// `other`.
fn by_segment<T: Copy>(
    all: &[(Segment, T)],
    shown: &BTreeSet<Segment>,
) -> BTreeMap<Segment, Vec<T>> {
    let mut groups: BTreeMap<Segment, Vec<T>> = BTreeMap::new();
    for (segment, one) in all {
        let label = if shown.contains(segment) {
            segment.clone()
        } else {
            other(segment.len())
        };
        groups.entry(label).or_default().push(*one);
    }
    groups
}

fn other(dimensions: usize) -> Segment {
    vec!["other".to_owned(); dimensions]
}

/// The segments that are label values: the same ones everywhere on the page.
///
/// Those with the most customers at the instant of the page, ties by the values; also those that
/// occur in a period and have no customer any more. What is literally `other` takes no place.
fn shown(
    facts: &[Fact],
    lives: &Lives,
    windows: &[Window],
    settings: &Settings,
    at: i64,
) -> BTreeSet<Segment> {
    let mut customers: BTreeMap<Segment, usize> = BTreeMap::new();
    for segment in windows.iter().flat_map(Window::segments) {
        customers.insert(segment, 0);
    }
    for customer in lives.active_at(at) {
        let segment = segment_at(facts, customer, at, settings);
        *customers.entry(segment).or_default() += 1;
    }
    customers.remove(&other(settings.dimensions.len()));

    let mut ranked: Vec<(Segment, usize)> = customers.into_iter().collect();
    ranked.sort_by(|(values, count), (other_values, other_count)| {
        other_count.cmp(count).then(values.cmp(other_values))
    });
    let most = ranked.into_iter().take(settings.max_segments);
    most.map(|(segment, _)| segment).collect()
}
