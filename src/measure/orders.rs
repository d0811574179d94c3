//! Orders and revenue, as placed. Currencies are never added, and no float touches money before the
//! last division.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::texts::Texts;
use crate::measure::counts::Counts;
use crate::measure::life::{Life, Order};
use crate::measure::windows::{PaneSums, Panes, Placed, WindowSet};

/// Orders of one currency and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sales {
    pub orders: u64,
    /// In millionths of the currency's unit.
    pub millionths: u128,
}

impl Sales {
    pub fn add(&mut self, millionths: u64) {
        self.orders += 1;
        self.millionths += u128::from(millionths);
    }

    pub const fn merge(&mut self, other: Self) {
        self.orders += other.orders;
        self.millionths += other.millionths;
    }
}

/// The sales of one currency in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CurrencySums {
    pub all: Sales,
    /// Orders that are not the first ever of their customer.
    pub repeat: Sales,
}

impl CurrencySums {
    const fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        self.repeat.merge(other.repeat);
    }
}

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OrderSums {
    /// By currency, those with an order.
    pub currencies: BTreeMap<String, CurrencySums>,
    /// Customers with an order who never ordered before the period.
    pub first_time: u64,
    /// Customers with an order who ordered before it, too.
    pub returning: u64,
    /// Customers with at least two orders.
    pub repeat_customers: u64,
    /// Customers with an order in the window before.
    pub reorder_base: u64,
    /// Of these, the ones with an order in the period.
    pub reordered: u64,
}

impl OrderSums {
    /// Customers with an order.
    #[must_use]
    pub const fn customers(&self) -> u64 {
        self.first_time + self.returning
    }

    /// Orders of all currencies.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.currencies.values().map(|sums| sums.all.orders).sum()
    }

    pub fn merge(&mut self, other: &Self) {
        for (currency, sums) in &other.currencies {
            let mine = self.currencies.entry(currency.clone()).or_default();
            mine.merge(*sums);
        }
        self.first_time += other.first_time;
        self.returning += other.returning;
        self.repeat_customers += other.repeat_customers;
        self.reorder_base += other.reorder_base;
        self.reordered += other.reordered;
    }
}

/// The sums of the windows of a block while an evaluation is under way: currencies by code instead of
/// text.
#[derive(Debug)]
pub struct OrderTally {
    currencies: PaneSums<CurrencySums>,
    first_time: Counts,
    returning: Counts,
    repeat_customers: Counts,
    reorder_base: Counts,
    reordered: Counts,
}

impl OrderTally {
    #[must_use]
    pub fn new(panes: &Panes) -> Self {
        Self {
            currencies: PaneSums::new(panes),
            first_time: Counts::default(),
            returning: Counts::default(),
            repeat_customers: Counts::default(),
            reorder_base: Counts::default(),
            reordered: Counts::default(),
        }
    }

    /// Counts the orders of a customer, the newest first.
    pub fn add(&mut self, panes: &Panes, life: &Life, orders: &[Placed<Order>]) {
        let mut ordered = WindowSet::NONE;
        let mut repeatedly = WindowSet::NONE;
        let mut before = WindowSet::NONE;
        for Placed { pane, nth, what } in orders {
            let inside = pane.inside();
            repeatedly |= ordered & inside;
            ordered |= inside;
            before |= pane.before;
            if !inside.is_empty() {
                let sums = self.currencies.of(what.currency, pane);
                sums.all.add(what.millionths);
                if life.is_repeat(*nth) {
                    sums.repeat.add(what.millionths);
                }
            }
        }
        if !before.is_empty() {
            self.reorder_base.add(before);
            self.reordered.add(before & ordered);
        }
        if !ordered.is_empty() {
            let earlier = panes.at(life.first_order_at()).not_begun;
            self.returning.add(ordered & earlier);
            self.first_time.add(ordered.without(earlier));
            self.repeat_customers.add(repeatedly);
        }
    }

    /// The sums of a window by text.
    #[must_use]
    pub fn finish(&self, panes: &Panes, place: usize, currencies: &Texts) -> OrderSums {
        let mut sums = OrderSums {
            currencies: BTreeMap::new(),
            first_time: self.first_time.of(place),
            returning: self.returning.of(place),
            repeat_customers: self.repeat_customers.of(place),
            reorder_base: self.reorder_base.of(place),
            reordered: self.reordered.of(place),
        };
        let by_code = currencies.iter().zip(self.currencies.inside(panes, place));
        for (currency, parts) in by_code {
            let mut counted = CurrencySums::default();
            for part in parts {
                counted.merge(*part);
            }
            if counted.all.orders > 0 {
                let known = sums.currencies.entry(currency.to_owned()).or_default();
                known.merge(counted);
            }
        }
        sums
    }
}
