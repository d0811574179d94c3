//! Orders and revenue: the purchases of each window, as placed.
//!
//! Money is added as whole millionths and turned into units last. Currencies are never added.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact};
use super::page::Page;
use super::period::{Interval, before};
use super::settings::{DAY, Settings};
use super::spell::Lives;
use super::withheld;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<'a> {
    pub customer: &'a str,
    pub at: i64,
    pub micros: u64,
    pub currency: &'a str,
}

pub fn publish(
    facts: &[Fact],
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
    page: &mut Page,
) {
    let orders = orders(facts);
    publish_lifetime_value(&orders, page);
    for (name, interval) in periods {
        publish_revenue(&orders, name, *interval, page);
        publish_buyers(&orders, name, *interval, page);
        if let Some(before) = before(name, *interval, settings) {
            publish_reorders(&orders, name, before, *interval, page);
        }
        if withheld::reasons(facts, interval.t0, settings).is_empty() {
            publish_expected_value(&orders, lives, name, *interval, page);
        }
    }
}

/// Every order there is.
pub fn orders(facts: &[Fact]) -> Vec<Order<'_>> {
    let mut orders = Vec::new();
    for fact in facts {
        if let Body::Purchase { micros, currency } = &fact.body {
            orders.push(Order {
                customer: &fact.customer,
                at: fact.at,
                micros: *micros,
                currency,
            });
        }
    }
    orders
}

pub fn within<'a>(orders: &[Order<'a>], interval: Interval) -> Vec<Order<'a>> {
    let inside = orders.iter().filter(|order| interval.contains(order.at));
    inside.copied().collect()
}

pub fn by_currency<'a>(orders: &[Order<'a>]) -> BTreeMap<&'a str, Vec<Order<'a>>> {
    let mut groups: BTreeMap<&str, Vec<Order>> = BTreeMap::new();
    for order in orders {
        groups.entry(order.currency).or_default().push(*order);
    }
    groups
}

pub fn customers<'a>(orders: &[Order<'a>]) -> BTreeSet<&'a str> {
    orders.iter().map(|order| order.customer).collect()
}

/// What orders in one currency come to, in units: the double that is nearest to the exact sum.
pub fn revenue(orders: &[Order]) -> f64 {
    let micros: u128 = orders.iter().map(|order| u128::from(order.micros)).sum();
    let decimal = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    decimal.parse().expect("a decimal number")
}

/// The orders that are not the first ever of their customers.
///
/// Of two first orders at one instant the smaller amount is the first, then the smaller currency;
/// where these are the same too, any one of them.
fn repeats<'a>(orders: &[Order<'a>]) -> Vec<Order<'a>> {
    let mut repeats = Vec::new();
    for customer in customers(orders) {
        let mut theirs: Vec<Order> = orders
            .iter()
            .filter(|order| order.customer == customer)
            .copied()
            .collect();
        theirs.sort_by_key(|order| (order.at, order.micros, order.currency));
        repeats.extend(theirs.into_iter().skip(1));
    }
    repeats
}

fn publish_lifetime_value(orders: &[Order], page: &mut Page) {
    for (currency, orders) in by_currency(orders) {
        page.ratio(
            "tenure_customer_lifetime_value",
            &[("currency", currency)],
            revenue(&orders),
            customers(&orders).len(),
        );
    }
}

fn publish_revenue(orders: &[Order], name: &str, interval: Interval, page: &mut Page) {
    let repeats = by_currency(&within(&repeats(orders), interval));
    for (currency, orders) in by_currency(&within(orders, interval)) {
        let labels = [("period", name), ("currency", currency)];
        let all = revenue(&orders);
        page.count("tenure_orders", &labels, orders.len());
        page.put("tenure_revenue", &labels, all);
        page.ratio("tenure_average_order_value", &labels, all, orders.len());
        let repeated = repeats.get(currency).map_or(0.0, |orders| revenue(orders));
        if all > 0.0 {
            page.put("tenure_repeat_revenue_ratio", &labels, repeated / all);
        }
    }
}

fn publish_buyers(orders: &[Order], name: &str, interval: Interval, page: &mut Page) {
    let inside = within(orders, interval);
    let ordering = customers(&inside);
    let earlier: Vec<Order> = orders
        .iter()
        .filter(|order| order.at < interval.t0)
        .copied()
        .collect();
    let returning = ordering.intersection(&customers(&earlier)).count();
    let repeating = ordering
        .iter()
        .filter(|customer| {
            let theirs = inside.iter().filter(|order| order.customer == **customer);
            theirs.count() >= 2
        })
        .count();

    let buyers = [
        ("first_time", ordering.len() - returning),
        ("returning", returning),
    ];
    for (buyer, count) in buyers {
        let labels = [("period", name), ("buyer", buyer)];
        page.count("tenure_ordering_customers", &labels, count);
    }
    page.count(
        "tenure_repeat_ordering_customers",
        &[("period", name)],
        repeating,
    );
    for (metric, part) in [
        ("tenure_orders_per_customer", inside.len()),
        ("tenure_repeat_purchase_ratio", repeating),
        ("tenure_returning_buyers_ratio", returning),
    ] {
        page.ratio(metric, &[("period", name)], part as f64, ordering.len());
    }
}

fn publish_reorders(
    orders: &[Order],
    name: &str,
    before: Interval,
    interval: Interval,
    page: &mut Page,
) {
    let base = customers(&within(orders, before));
    let ordering = customers(&within(orders, interval));
    let again = base.intersection(&ordering).count() as f64;
    let period = [("period", name)];
    page.count("tenure_reorder_base_customers", &period, base.len());
    page.ratio("tenure_reorder_ratio", &period, again, base.len());
}

/// Revenue per customer of the period, for as many periods as a customer stays.
fn publish_expected_value(
    orders: &[Order],
    lives: &Lives,
    name: &str,
    interval: Interval,
    page: &mut Page,
) {
    if interval.t1 - interval.t0 < 28 * DAY {
        return;
    }
    let at_start = lives.active_at(interval.t0).len() as f64;
    let at_end = lives.active_at(interval.t1).len() as f64;
    let lost = lives.parts(interval).lost.len() as f64;
    if lost == 0.0 {
        return;
    }
    let mean = at_start.midpoint(at_end);
    let churn = lost / at_start;
    for (currency, orders) in by_currency(&within(orders, interval)) {
        let labels = [("period", name), ("currency", currency)];
        let value = revenue(&orders) / mean / churn;
        page.put("tenure_expected_lifetime_value", &labels, value);
    }
}
