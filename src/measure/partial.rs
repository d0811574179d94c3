//! Partials: what one shard contributes to a report. Merging them is addition.

use std::collections::{BTreeMap, HashMap};

use crate::event::Timestamp;
use crate::ledger::hash::CustomerDigest;
use crate::ledger::shard::LogStart;

/// Mergeable sums of one instant and one list of periods.
///
/// [`Partial::merge`] is associative and commutative, and [`Partial::empty`] is its identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Partial {
    pub at: Timestamp,
    /// Customers active at `at`.
    pub customers: u64,
    /// In the order of the configured periods.
    pub periods: Vec<PeriodSums>,
    /// Whether any churn event happened before `at`.
    pub churn_seen: bool,
    /// Where the known part of the log begins.
    pub log_start: LogStart,
    /// A sample of customers of each shard, by which split customers are found.
    pub samples: Vec<Sample>,
}

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeriodSums {
    pub retained: u64,
    pub lost: u64,
    pub new: u64,
    pub reactivated: u64,
    pub joined: u64,
    pub early_churn: u64,
    /// Spells that opened in the period.
    pub opened: u64,
    /// Spells that ended in the period, by reason as text.
    pub departures: BTreeMap<String, u64>,
    /// Customers by the group of their latest answer: promoters, passives, detractors.
    pub nps_customers: Groups,
    /// Answers by group.
    pub nps_responses: Groups,
    /// Answers by rating, from 1 up.
    pub csat: [u64; 5],
    /// Answers by rating, from 1 up; the last two are used on a scale of seven.
    pub ces: [u64; 7],
}

/// Counts of promoters, passives and detractors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Groups {
    pub promoters: u64,
    pub passives: u64,
    pub detractors: u64,
}

/// The digests of some customers of one shard: those whose low bits under the mask are all zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The shard's number.
    pub shard: usize,
    /// All ones up to some bit; at most 1,023.
    pub mask: u128,
    pub customers: Vec<CustomerDigest>,
}

/// Shards in which one customer was found more than once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Sampled customers that live in more than one shard.
    pub customers: u64,
    /// The numbers of the shards concerned, ascending.
    pub shards: Vec<usize>,
}

impl Groups {
    /// Counts an answer: 9 and 10 are promoters, 7 and 8 passives, 0 to 6 detractors.
    pub fn add(&mut self, score: u8) {
        match score {
            9.. => self.promoters += 1,
            7 | 8 => self.passives += 1,
            _ => self.detractors += 1,
        }
    }

    #[must_use]
    pub const fn total(self) -> u64 {
        self.promoters + self.passives + self.detractors
    }

    fn merge(&mut self, other: Self) {
        self.promoters += other.promoters;
        self.passives += other.passives;
        self.detractors += other.detractors;
    }
}

impl PeriodSums {
    /// `|S|`: customers active at the start.
    #[must_use]
    pub const fn at_start(&self) -> u64 {
        self.retained + self.lost
    }

    /// `|E|`: customers active at the end.
    #[must_use]
    pub const fn at_end(&self) -> u64 {
        self.retained + self.new + self.reactivated
    }

    /// All spells that ended in the period.
    #[must_use]
    pub fn departed(&self) -> u64 {
        self.departures.values().sum()
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.retained, other.retained),
            (&mut self.lost, other.lost),
            (&mut self.new, other.new),
            (&mut self.reactivated, other.reactivated),
            (&mut self.joined, other.joined),
            (&mut self.early_churn, other.early_churn),
            (&mut self.opened, other.opened),
        ] {
            *mine += theirs;
        }
        for (reason, count) in &other.departures {
            *self.departures.entry(reason.clone()).or_default() += count;
        }
        self.nps_customers.merge(other.nps_customers);
        self.nps_responses.merge(other.nps_responses);
        for (mine, theirs) in self.csat.iter_mut().zip(other.csat) {
            *mine += theirs;
        }
        for (mine, theirs) in self.ces.iter_mut().zip(other.ces) {
            *mine += theirs;
        }
    }
}

impl Partial {
    /// What no customers contribute.
    #[must_use]
    pub fn empty(at: Timestamp, periods: usize) -> Self {
        Self {
            at,
            customers: 0,
            periods: vec![PeriodSums::default(); periods],
            churn_seen: false,
            log_start: LogStart::Whole,
            samples: Vec::new(),
        }
    }

    /// Adds what other customers contribute at the same instant.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(
            self.at, other.at,
            "partials of different instants are never mixed"
        );
        self.customers += other.customers;
        for (mine, theirs) in self.periods.iter_mut().zip(&other.periods) {
            mine.merge(theirs);
        }
        self.churn_seen |= other.churn_seen;
        self.log_start = self.log_start.max(other.log_start);
        self.samples.extend(other.samples.iter().cloned());
        self.samples.sort_by_key(|sample| sample.shard);
    }

    /// Looks for customers that live in more than one shard.
    ///
    /// Samples are compared by their coarsest mask, so shards of any size can be compared.
    #[must_use]
    pub fn split(&self) -> Split {
        let mask = self
            .samples
            .iter()
            .map(|sample| sample.mask)
            .max()
            .unwrap_or(0);
        let mut first_seen: HashMap<u128, (usize, bool)> = HashMap::new();
        let mut split = Split::default();
        for sample in &self.samples {
            for customer in sample
                .customers
                .iter()
                .filter(|customer| customer.0 & mask == 0)
            {
                let (shard, known) = first_seen
                    .entry(customer.0)
                    .or_insert((sample.shard, false));
                if *shard != sample.shard {
                    split.shards.extend([*shard, sample.shard]);
                    split.customers += u64::from(!std::mem::replace(known, true));
                }
            }
        }
        split.shards.sort_unstable();
        split.shards.dedup();
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(shard: usize, mask: u128, customers: &[u128]) -> Sample {
        let customers = customers.iter().copied().map(CustomerDigest).collect();
        Sample {
            shard,
            mask,
            customers,
        }
    }

    #[test]
    fn a_customer_in_two_shards_is_found_and_the_shards_are_named() {
        let mut partial = Partial::empty(Timestamp::FIRST, 0);
        partial.samples = vec![
            sample(0, 0, &[1, 2, 4, 8]),
            sample(1, 1, &[6, 10]),
            sample(5, 0, &[3, 4, 5, 8]),
        ];
        assert_eq!(
            partial.split(),
            Split {
                customers: 2,
                shards: vec![0, 5]
            }
        );
        partial.samples.push(sample(6, 1, &[4]));
        assert_eq!(
            partial.split(),
            Split {
                customers: 2,
                shards: vec![0, 5, 6]
            }
        );
        partial.samples.push(sample(7, 7, &[16]));
        assert_eq!(
            partial.split(),
            Split {
                customers: 1,
                shards: vec![0, 5]
            }
        );
    }

    #[test]
    fn without_samples_nothing_is_split() {
        assert_eq!(
            Partial::empty(Timestamp::FIRST, 3).split(),
            Split::default()
        );
    }
}
