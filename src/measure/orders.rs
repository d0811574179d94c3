//! Orders and revenue, as placed. Currencies are never added, and no float touches money before the
//! last division.

use std::collections::BTreeMap;

use crate::ledger::texts::Texts;
use crate::measure::life::{Life, Within};
use crate::measure::question::Window;

/// Orders of one currency and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CurrencySums {
    pub all: Sales,
    /// Orders that are not the first ever of their customer.
    pub repeat: Sales,
}

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
            mine.all.merge(sums.all);
            mine.repeat.merge(sums.repeat);
        }
        self.first_time += other.first_time;
        self.returning += other.returning;
        self.repeat_customers += other.repeat_customers;
        self.reorder_base += other.reorder_base;
        self.reordered += other.reordered;
    }
}

/// The sums while an evaluation is under way: currencies by code instead of text.
#[derive(Debug, Default)]
pub struct OrderTally {
    sums: OrderSums,
    currencies: Vec<CurrencySums>,
}

impl OrderTally {
    /// Counts the orders of a customer.
    pub fn add(&mut self, window: &Window, life: &Life, within: Within<'_>) {
        let orders = within.orders;
        if let Some(before) = window.before
            && life.ordered_in(before)
        {
            self.sums.reorder_base += 1;
            self.sums.reordered += u64::from(!orders.is_empty());
        }
        if orders.is_empty() {
            return;
        }
        if life.ordered_before(window.bounds.start) {
            self.sums.returning += 1;
        } else {
            self.sums.first_time += 1;
        }
        self.sums.repeat_customers += u64::from(orders.len() > 1);
        for (place, order) in (within.first_order..).zip(orders) {
            let repeat = life.is_repeat(place);
            let sums = self.currency(order.currency);
            sums.all.add(order.millionths);
            if repeat {
                sums.repeat.add(order.millionths);
            }
        }
    }

    fn currency(&mut self, code: u8) -> &mut CurrencySums {
        let place = usize::from(code);
        if self.currencies.len() <= place {
            self.currencies.resize(place + 1, CurrencySums::default());
        }
        &mut self.currencies[place]
    }

    /// The sums by text.
    #[must_use]
    pub fn finish(self, currencies: &Texts) -> OrderSums {
        let mut sums = self.sums;
        let by_code = currencies.iter().zip(self.currencies);
        for (currency, counted) in by_code.filter(|(_, counted)| counted.all.orders > 0) {
            let known = sums.currencies.entry(currency.to_owned()).or_default();
            known.all.merge(counted.all);
            known.repeat.merge(counted.repeat);
        }
        sums
    }
}
