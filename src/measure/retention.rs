//! Retention and churn: what became of the customers of a period, and who departed, why.

use std::collections::BTreeMap;

use crate::ledger::texts::Texts;
use crate::measure::life::{Life, Status};
use crate::measure::period::Interval;
use crate::measure::spell::{Cause, End};

/// How departures without a churn event are labelled.
pub const INACTIVITY: &str = "inactivity";

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetentionSums {
    /// In the order of [`Status::ALL`].
    pub customers: [u64; 4],
    /// Customers whose first spell ever opened in the period.
    pub joined: u64,
    /// Of these, the ones who are not active at its end.
    pub early_churn: u64,
    /// Spells that opened in the period.
    pub opened: u64,
    /// Spells that ended in the period, by reason as text.
    pub departures: BTreeMap<String, u64>,
    /// Lost customers, by the reason for which their last spell ended.
    pub lost_by_reason: BTreeMap<String, u64>,
}

impl RetentionSums {
    #[must_use]
    pub const fn of(&self, status: Status) -> u64 {
        self.customers[status as usize]
    }

    /// `|S|`: customers active at the start.
    #[must_use]
    pub const fn at_start(&self) -> u64 {
        self.of(Status::Retained) + self.of(Status::Lost)
    }

    /// `|E|`: customers active at the end.
    #[must_use]
    pub const fn at_end(&self) -> u64 {
        self.of(Status::Retained) + self.of(Status::New) + self.of(Status::Reactivated)
    }

    /// All spells that ended in the period.
    #[must_use]
    pub fn departed(&self) -> u64 {
        self.departures.values().sum()
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.customers.iter_mut().zip(other.customers) {
            *mine += theirs;
        }
        self.joined += other.joined;
        self.early_churn += other.early_churn;
        self.opened += other.opened;
        add_up(&mut self.departures, &other.departures);
        add_up(&mut self.lost_by_reason, &other.lost_by_reason);
    }
}

fn add_up(mine: &mut BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>) {
    for (reason, count) in theirs {
        *mine.entry(reason.clone()).or_default() += count;
    }
}

/// The sums while an evaluation is under way: reasons by code instead of text.
#[derive(Debug, Default)]
pub struct RetentionTally {
    sums: RetentionSums,
    departures: ByCause,
    lost: ByCause,
}

#[derive(Debug)]
struct ByCause {
    by_reason: Box<[u64; 256]>,
    by_inactivity: u64,
}

impl Default for ByCause {
    fn default() -> Self {
        Self {
            by_reason: Box::new([0; 256]),
            by_inactivity: 0,
        }
    }
}

impl RetentionTally {
    /// Counts what became of a customer.
    pub fn status(&mut self, status: Option<Status>) {
        if let Some(status) = status {
            self.sums.customers[status as usize] += 1;
        }
    }

    /// Counts what a customer's spells say beside its status.
    pub fn spells(&mut self, bounds: Interval, life: &Life, status: Option<Status>) {
        let Some(first) = life.spells.first() else {
            return;
        };
        if bounds.contains(first.from) {
            self.sums.joined += 1;
            let at_end = status.is_some_and(Status::at_end);
            self.sums.early_churn += u64::from(!at_end);
        }
        let mut last_end = None;
        for spell in &life.spells {
            self.sums.opened += u64::from(bounds.contains(spell.from));
            if let Some(end) = spell.end
                && bounds.contains(end.at)
            {
                self.departures.add(end);
                last_end = Some(end);
            }
        }
        if let (Some(Status::Lost), Some(end)) = (status, last_end) {
            self.lost.add(end);
        }
    }

    /// The sums by text.
    #[must_use]
    pub fn finish(self, reasons: &Texts) -> RetentionSums {
        RetentionSums {
            departures: self.departures.by_text(reasons),
            lost_by_reason: self.lost.by_text(reasons),
            ..self.sums
        }
    }
}

impl ByCause {
    fn add(&mut self, end: End) {
        match end.cause {
            Cause::Churn(reason) => self.by_reason[usize::from(reason)] += 1,
            Cause::Inactivity => self.by_inactivity += 1,
        }
    }

    fn by_text(self, reasons: &Texts) -> BTreeMap<String, u64> {
        let mut by_text = BTreeMap::new();
        let by_reason = reasons.iter().zip(*self.by_reason);
        for (reason, count) in by_reason.chain([(INACTIVITY, self.by_inactivity)]) {
            if count > 0 {
                *by_text.entry(reason.to_owned()).or_default() += count;
            }
        }
        by_text
    }
}
