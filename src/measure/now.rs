//! What is true at the instant itself: how many customers there are, who sleeps, what they are worth.

use std::collections::BTreeMap;

use crate::event::Timestamp;
use crate::ledger::base::Base;
use crate::ledger::texts::Texts;
use crate::measure::life::Life;

const DAY: i64 = 86_400_000;

/// For how long without an order a customer counts as dormant: label value and milliseconds.
pub const DORMANT_FOR: [(&str, i64); 4] = [
    ("30d", 30 * DAY),
    ("90d", 90 * DAY),
    ("180d", 180 * DAY),
    ("365d", 365 * DAY),
];

/// The sums of one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NowSums {
    /// Customers active at the instant.
    pub customers: u64,
    /// Of these, the ones without an order for so long, in the order of [`DORMANT_FOR`].
    pub dormant: [u64; 4],
    /// By currency.
    pub lifetime: BTreeMap<String, LifetimeSums>,
}

/// All orders ever in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LifetimeSums {
    /// Customers with such an order.
    pub customers: u64,
    pub millionths: u128,
}

impl LifetimeSums {
    const fn merge(&mut self, other: Self) {
        self.customers += other.customers;
        self.millionths += other.millionths;
    }
}

impl NowSums {
    pub fn merge(&mut self, other: &Self) {
        self.customers += other.customers;
        for (mine, theirs) in self.dormant.iter_mut().zip(other.dormant) {
            *mine += theirs;
        }
        for (currency, sums) in &other.lifetime {
            self.lifetime
                .entry(currency.clone())
                .or_default()
                .merge(*sums);
        }
    }
}

/// The sums while an evaluation is under way: currencies by code instead of text.
#[derive(Debug, Default)]
pub struct NowTally {
    sums: NowSums,
    lifetime: Vec<LifetimeSums>,
}

impl NowTally {
    /// Counts a customer as of `at`.
    pub fn add(&mut self, at: Timestamp, life: &Life, base: Option<&Base>) {
        if life.active_at(at) {
            self.sums.customers += 1;
            let last_order = life.last_order_before(at);
            for (count, (_, millis)) in self.sums.dormant.iter_mut().zip(DORMANT_FOR) {
                let sleeps = last_order.is_none_or(|order| order < at.minus_millis(millis));
                *count += u64::from(sleeps);
            }
        }
        self.lifetime(at, life, base);
    }

    fn lifetime(&mut self, at: Timestamp, life: &Life, base: Option<&Base>) {
        // One bit for each code of a currency.
        let mut seen = [0_u64; 4];
        for revenue in base.iter().flat_map(|base| &base.revenue) {
            self.order(revenue.currency, revenue.millionths, &mut seen);
        }
        for order in life.orders.iter().take_while(|order| order.at < at) {
            self.order(order.currency, u128::from(order.millionths), &mut seen);
        }
    }

    fn order(&mut self, currency: u8, millionths: u128, seen: &mut [u64; 4]) {
        let place = usize::from(currency);
        if self.lifetime.len() <= place {
            self.lifetime.resize(place + 1, LifetimeSums::default());
        }
        let (word, bit) = (&mut seen[place / 64], 1 << (place % 64));
        let sums = &mut self.lifetime[place];
        sums.customers += u64::from(*word & bit == 0);
        *word |= bit;
        sums.millionths += millionths;
    }

    /// The sums by text.
    #[must_use]
    pub fn finish(self, currencies: &Texts) -> NowSums {
        let mut sums = self.sums;
        let by_code = currencies.iter().zip(self.lifetime);
        for (currency, counted) in by_code.filter(|(_, counted)| counted.customers > 0) {
            let known = sums.lifetime.entry(currency.to_owned()).or_default();
            known.merge(counted);
        }
        sums
    }
}
