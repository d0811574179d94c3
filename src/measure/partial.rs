//! Partials: what one shard contributes to a report. Merging them is addition.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::ledger::hash::CustomerDigest;
use crate::ledger::shard::LogStart;
use crate::measure::cohort::{self, CohortMap};
use crate::measure::expected::ExpectedSums;
use crate::measure::link::LinkSums;
use crate::measure::now::NowSums;
use crate::measure::orders::OrderSums;
use crate::measure::question::{Instant, Question};
use crate::measure::retention::RetentionSums;
use crate::measure::satisfaction::SatisfactionSums;
use crate::measure::segment::SegmentMap;
use crate::measure::silence::SilenceSums;

/// Mergeable sums of the instants of one question.
///
/// [`Partial::merge`] is associative and commutative, and [`Partial::empty`] is its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// In the order of the question's instants.
    pub instants: Vec<Sums>,
    /// Where the known part of the log begins.
    pub log_start: LogStart,
    /// Facts before it are not kept one by one.
    pub prune_line: Option<Timestamp>,
    /// A sample of customers of each shard, by which split customers are found.
    pub samples: Vec<Sample>,
}

/// The sums of one instant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// Whether any churn event happened before the instant.
    pub churn_seen: bool,
    pub now: NowSums,
    /// In the order of the configured periods.
    pub periods: Vec<PeriodSums>,
    pub segments: SegmentMap,
    pub cohorts: CohortMap,
    /// By type of event, in the order of [`EventType::ALL`](crate::event::EventType::ALL).
    pub silence: [SilenceSums; 4],
}

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PeriodSums {
    pub retention: RetentionSums,
    /// Zero for periods of which no departures are expected.
    pub expected: ExpectedSums,
    pub satisfaction: SatisfactionSums,
    pub orders: OrderSums,
    pub link: LinkSums,
}

/// The digests of some customers of one shard: those whose low bits under the mask are all zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The shard's number.
    pub shard: usize,
    /// All ones up to some bit: the coarser, the fewer customers are in the sample.
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

impl Sample {
    /// The same sample with no more than so many customers, in ascending order: by a coarser mask, so
    /// that other shards can still be compared.
    fn thin(&mut self, most: usize) {
        while self.customers.len() > most && self.mask < u128::MAX {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.customers.retain(|customer| customer.0 & mask == 0);
        }
        self.customers.sort_unstable();
    }
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        self.churn_seen |= other.churn_seen;
        self.now.merge(&other.now);
        for (mine, theirs) in self.periods.iter_mut().zip(&other.periods) {
            mine.merge(theirs);
        }
        for (texts, segment) in &other.segments {
            match self.segments.get_mut(texts) {
                Some(mine) => mine.merge(segment),
                None => {
                    self.segments.insert(texts.clone(), segment.clone());
                }
            }
        }
        cohort::merge(&mut self.cohorts, &other.cohorts);
        for (mine, theirs) in self.silence.iter_mut().zip(&other.silence) {
            mine.merge(theirs);
        }
    }
}

impl PeriodSums {
    fn merge(&mut self, other: &Self) {
        self.retention.merge(&other.retention);
        self.expected.merge(other.expected);
        self.satisfaction.merge(&other.satisfaction);
        self.orders.merge(&other.orders);
        self.link.merge(&other.link);
    }
}

impl Partial {
    /// What no customers contribute.
    #[must_use]
    pub fn empty(question: &Question) -> Self {
        let sums = |instant: &Instant| Sums {
            periods: vec![PeriodSums::default(); instant.windows.len()],
            ..Sums::default()
        };
        Self {
            instants: question.instants.iter().map(sums).collect(),
            log_start: LogStart::Whole,
            prune_line: None,
            samples: Vec::new(),
        }
    }

    /// Whether this can be an answer to a question, by its instants and periods.
    #[must_use]
    pub fn answers(&self, question: &Question) -> bool {
        let asked = question.instants.iter();
        let fits = |(sums, asked): (&Sums, &Instant)| sums.periods.len() == asked.windows.len();
        self.instants.len() == question.instants.len() && self.instants.iter().zip(asked).all(fits)
    }

    /// Adds what other customers contribute to the same question.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(
            self.instants.len(),
            other.instants.len(),
            "partials of different questions are never mixed"
        );
        for (mine, theirs) in self.instants.iter_mut().zip(&other.instants) {
            mine.merge(theirs);
        }
        self.log_start = self.log_start.max(other.log_start);
        self.prune_line = self.prune_line.max(other.prune_line);
        self.samples.extend(other.samples.iter().cloned());
        self.samples.sort_by_key(|sample| sample.shard);
    }

    /// Leaves no more than so many customers in each sample; nothing else changes.
    pub fn thin(&mut self, most: usize) {
        for sample in &mut self.samples {
            sample.thin(most);
        }
    }

    /// Whether its parts fit together: that of one instant, with the same periods wherever there are
    /// any.
    #[must_use]
    pub fn is_of_one_instant(&self) -> bool {
        let [sums] = self.instants.as_slice() else {
            return false;
        };
        let mut segments = sums.segments.values();
        segments.all(|segment| segment.periods.len() == sums.periods.len())
    }

    /// What is known of one period alone, by its place: what no period has, and segments, are left
    /// out.
    #[must_use]
    pub fn of_period(&self, place: usize) -> Self {
        let sums = |sums: &Sums| Sums {
            churn_seen: sums.churn_seen,
            periods: sums.periods.get(place).cloned().into_iter().collect(),
            ..Sums::default()
        };
        Self {
            instants: self.instants.iter().map(sums).collect(),
            log_start: self.log_start,
            prune_line: self.prune_line,
            samples: self.samples.clone(),
        }
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
    use std::sync::Arc;

    use super::*;

    fn sample(shard: usize, mask: u128, customers: &[u128]) -> Sample {
        let customers = customers.iter().copied().map(CustomerDigest).collect();
        Sample {
            shard,
            mask,
            customers,
        }
    }

    fn empty() -> Partial {
        Partial::empty(&Question::at(Timestamp::FIRST, Arc::default()))
    }

    #[test]
    fn a_customer_in_two_shards_is_found_and_the_shards_are_named() {
        let mut partial = empty();
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
    fn a_thinned_sample_has_the_same_customers_under_a_coarser_mask() {
        let customers: Vec<u128> = (0..1000).rev().map(|number| number << 1).collect();
        let mut thinned = sample(0, 1, &customers);
        thinned.thin(200);
        let expected: Vec<u128> = (0..125).map(|number| number << 4).collect();
        assert_eq!(thinned, sample(0, 15, &expected));
        let mut small = sample(0, 1, &[6, 2, 4]);
        small.thin(3);
        assert_eq!(small, sample(0, 1, &[2, 4, 6]));
    }

    #[test]
    fn without_samples_nothing_is_split() {
        assert_eq!(empty().split(), Split::default());
    }
}
