//! What is true at the instant itself: how many customers there are, who sleeps, what they are worth.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::ledger::base::Base;
use crate::ledger::texts::Texts;
use crate::measure::life::Life;
use crate::measure::runs::{Runs, Steps};

const DAY: i64 = 86_400_000;

/// For how long without an order a customer counts as dormant: label value and milliseconds.
pub const DORMANT_FOR: [(&str, i64); 4] = [
    ("30d", 30 * DAY),
    ("90d", 90 * DAY),
    ("180d", 180 * DAY),
    ("365d", 365 * DAY),
];

/// The sums of one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NowSums {
    /// Customers active at the instant.
    pub customers: u64,
    /// Of these, the ones without an order for so long, in the order of [`DORMANT_FOR`].
    pub dormant: [u64; 4],
    /// By currency.
    pub lifetime: BTreeMap<String, LifetimeSums>,
}

/// All orders ever in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

/// The sums while an evaluation is under way, of all its instants: currencies by code instead of
/// text.
#[derive(Debug)]
pub struct NowTally {
    steps: Steps,
    /// Active customers, and those of them who are dormant, in the order of [`DORMANT_FOR`].
    counts: Runs<5>,
    /// By instant and code of a currency: what is added from this instant on.
    lifetime: Vec<Vec<LifetimeSums>>,
}

impl NowTally {
    /// For instants in ascending order.
    #[must_use]
    pub fn new(instants: Vec<Timestamp>) -> Self {
        Self {
            counts: Runs::new(instants.len()),
            lifetime: vec![Vec::new(); instants.len()],
            steps: Steps::new(instants),
        }
    }

    /// Counts a customer.
    pub fn add(&mut self, life: &Life, base: Option<&Base>) {
        let first = self.steps.after(life.begins_at());
        let settled = self
            .steps
            .after(life.last_order_at().max(life.last_spell_from()));
        for step in first..settled {
            let at = self.steps.instants()[step];
            if life.active_at(at) {
                self.active(step..step + 1, life.last_order_before(at));
            }
        }
        // From here on nothing happens but that time goes by.
        let left = self.steps.after(life.last_spell_end()).max(settled);
        if settled < left {
            let last_order = life.last_order_before(Timestamp::LAST.plus_millis(1));
            self.active(settled..left, last_order);
        }
        self.lifetime(life, base);
    }

    /// Counts a customer who is active at some instants, among which there is no order.
    fn active(&mut self, steps: Range<usize>, last_order: Option<Timestamp>) {
        for (kind, (_, millis)) in (1..).zip(DORMANT_FOR) {
            let asleep = last_order.map_or(0, |order| self.steps.after(order.plus_millis(millis)));
            // Then it is not asleep for longer either.
            if asleep >= steps.end {
                break;
            }
            self.counts.add(asleep.max(steps.start)..steps.end, kind);
        }
        self.counts.add(steps, 0);
    }

    fn lifetime(&mut self, life: &Life, base: Option<&Base>) {
        // One bit for each code of a currency.
        let mut seen = [0_u64; 4];
        for revenue in base.iter().flat_map(|base| &base.revenue) {
            self.revenue(0, revenue.currency, revenue.millionths, &mut seen);
        }
        for order in &life.orders {
            let step = self.steps.after(order.at);
            let millionths = u128::from(order.millionths);
            self.revenue(step, order.currency, millionths, &mut seen);
        }
    }

    fn revenue(&mut self, step: usize, currency: u8, millionths: u128, seen: &mut [u64; 4]) {
        let Some(lifetime) = self.lifetime.get_mut(step) else {
            return;
        };
        let place = usize::from(currency);
        if lifetime.len() <= place {
            lifetime.resize(place + 1, LifetimeSums::default());
        }
        let (word, bit) = (&mut seen[place / 64], 1 << (place % 64));
        let sums = &mut lifetime[place];
        sums.customers += u64::from(*word & bit == 0);
        *word |= bit;
        sums.millionths += millionths;
    }

    /// The sums of each instant by text.
    pub fn finish(self, currencies: &Texts) -> impl Iterator<Item = NowSums> {
        let mut lifetime: BTreeMap<String, LifetimeSums> = BTreeMap::new();
        let steps = self.counts.totals().zip(self.lifetime);
        steps.map(move |([customers, dormant @ ..], added)| {
            let by_code = currencies.iter().zip(added);
            for (currency, sums) in by_code.filter(|(_, sums)| *sums != LifetimeSums::default()) {
                let known = lifetime.entry(currency.to_owned()).or_default();
                known.merge(sums);
            }
            NowSums {
                customers,
                dormant,
                lifetime: lifetime.clone(),
            }
        })
    }
}
