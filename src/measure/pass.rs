//! The pass: once over the customers of a shard, for all instants and periods of a question.
//!
//! A pass can be cut into slices. Between two of them the shard may go on folding: a customer whose
//! facts are about to change, and whose turn has not come, is evaluated before the change. So what
//! comes out is exact as of the moment at which the pass began, however long it takes.
//!
//! ```text
//!  rows      0 1 2 3 4 5 | 6 7 8 9 ..       | joined since
//!            evaluated   ^ their turn comes ^ end: not asked about
//!                     cursor     8 changes: evaluated now, left out later
//! ```

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;

use crate::event::Timestamp;
use crate::ledger::Shard;
use crate::ledger::customers::Row;
use crate::ledger::hash::CustomerDigest;
use crate::ledger::shard::LogStart;
use crate::measure::block::{self, Block};
use crate::measure::catalogue::Section;
use crate::measure::cohort::CohortTally;
use crate::measure::expected::ExpectedTally;
use crate::measure::life::Life;
use crate::measure::now::NowTally;
use crate::measure::partial::{Partial, Sample, Sums};
use crate::measure::question::{Instant, Question, Sections};
use crate::measure::segment::{SegmentTally, Segments};
use crate::measure::silence::SilenceTally;
use crate::measure::spell::SpellRules;

/// A shard contributes at most this many customers to the search for split ones; in a shard of
/// more, fewer bits decide, down to 1 customer in 1,024.
const SAMPLED: usize = 4096;
const COARSEST_MASK: u128 = 1023;

/// The facts of so many customers are fetched from memory at once: without it an evaluation would
/// spend a third of its time waiting for one after the other.
const FETCHED_TOGETHER: usize = 16;

/// The instant asked for needs facts that are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a period that begins at {needed} needs events from before {kept_since}, which are no longer \
     kept one by one: ask for a later instant, or raise `history` and read the topic again"
)]
pub struct HistoryGone {
    pub needed: Timestamp,
    pub kept_since: Timestamp,
}

/// Evaluates one shard at once. `number` is its number, by which split customers are named.
///
/// Costs a pass over all customers of the shard.
///
/// # Errors
/// If a period begins before the shard's prune line.
pub fn evaluate(
    shard: &Shard,
    number: usize,
    question: &Arc<Question>,
) -> Result<Partial, HistoryGone> {
    let mut pass = Pass::begin(shard, number, Arc::clone(question))?;
    pass.advance(shard, usize::MAX)?;
    Ok(pass.finish(shard))
}

/// An evaluation of one shard under way.
#[derive(Debug)]
pub struct Pass {
    question: Arc<Question>,
    number: usize,
    ranks: Vec<u8>,
    segments: Segments,
    blocks: Vec<Block>,
    /// By instant.
    segment_tallies: Vec<SegmentTally>,
    now: NowTally,
    cohorts: CohortTally,
    expected: ExpectedTally,
    silence: SilenceTally,
    sections: Sections,
    sampler: Sampler,
    /// Where the earliest period begins.
    earliest: Timestamp,
    latest: Timestamp,
    life: Life,
    cursor: usize,
    end: usize,
    out_of_turn: HashSet<Row>,
    first_churn_at: Option<Timestamp>,
    log_start: LogStart,
}

impl Pass {
    /// Begins with a shard as it is now.
    ///
    /// # Errors
    /// If a period begins before the shard's prune line.
    pub fn begin(
        shard: &Shard,
        number: usize,
        question: Arc<Question>,
    ) -> Result<Self, HistoryGone> {
        let earliest = question.earliest();
        check_history(shard, earliest)?;
        let dimensions = shard.settings().dimensions.len();
        let sections = if dimensions == 0 {
            question.sections.without(Section::Segments)
        } else {
            question.sections
        };
        let instants = || question.instants.iter().map(|instant| instant.at);
        let segments = |instant: &Instant| SegmentTally::new(instant.windows.len());
        Ok(Self {
            number,
            ranks: ranks(shard.reasons().iter()),
            segments: Segments::new(dimensions),
            blocks: Block::all(&question.instants),
            segment_tallies: question.instants.iter().map(segments).collect(),
            now: NowTally::new(instants().collect()),
            cohorts: CohortTally::new(instants(), &question.months),
            expected: ExpectedTally::new(&question.instants, shard.reasons()),
            silence: SilenceTally::new(instants().collect()),
            sections,
            sampler: Sampler::default(),
            earliest,
            latest: question.latest(),
            life: Life::default(),
            cursor: 0,
            end: shard.customers().len(),
            out_of_turn: HashSet::new(),
            first_churn_at: shard.first_churn_at(),
            log_start: shard.log_start(),
            question,
        })
    }

    /// Evaluates up to `customers` more; true once all are done.
    ///
    /// # Errors
    /// If the shard's prune line has moved into a period since the pass began.
    pub fn advance(&mut self, shard: &Shard, customers: usize) -> Result<bool, HistoryGone> {
        check_history(shard, self.earliest)?;
        let until = self.end.min(self.cursor.saturating_add(customers));
        while self.cursor < until {
            let next = until.min(self.cursor + FETCHED_TOGETHER);
            for row in shard.customers().rows_between(self.cursor, next) {
                black_box(shard.customers().outer_words(row));
            }
            for row in shard.customers().rows_between(self.cursor, next) {
                if self.out_of_turn.is_empty() || !self.out_of_turn.remove(&row) {
                    self.customer(shard, row);
                }
            }
            self.cursor = next;
        }
        Ok(self.cursor == self.end)
    }

    /// To be called before anything of this customer changes: evaluates it if its turn has not come.
    pub fn before_change(&mut self, shard: &Shard, customer: CustomerDigest) {
        let Some(row) = shard.customers().find(customer) else {
            return;
        };
        let waits = (self.cursor..self.end).contains(&row.number());
        if waits && self.out_of_turn.insert(row) {
            self.customer(shard, row);
        }
    }

    fn customer(&mut self, shard: &Shard, row: Row) {
        self.sampler.offer(shard.customers().digest(row));
        let settings = &self.question.settings;
        let rules = SpellRules {
            starts_with: settings.customer_starts_with,
            timeout_millis: settings.inactivity_timeout_millis,
            reason_ranks: &self.ranks,
        };
        let life = &mut self.life;
        let base = shard.customers().base(row);
        life.read(shard, row, base, rules, &mut self.segments, self.latest);
        let sections = self.sections;
        if sections.contains(Section::Now) {
            self.now.add(life, base);
        }
        if sections.contains(Section::Cohorts) {
            self.cohorts.add(life, &self.question.months);
        }
        if sections.contains(Section::Retention) {
            self.expected.add(life);
        }
        if sections.contains(Section::Silence) {
            self.silence.add(life);
        }
        let instants = &self.question.instants;
        if sections.contains(Section::Segments) {
            for (instant, tally) in instants.iter().zip(&mut self.segment_tallies) {
                if life.active_at(instant.at) {
                    tally.active(life.segment_at(instant.at));
                }
            }
        }
        for block in &mut self.blocks {
            block.add(life, sections, &mut self.segment_tallies);
        }
    }

    /// What the shard contributes.
    #[must_use]
    pub fn finish(mut self, shard: &Shard) -> Partial {
        let mut periods = block::finish(
            self.blocks,
            &self.question.instants,
            &mut self.segment_tallies,
            shard,
        );
        for (period, expected) in self.expected.finish() {
            for (sums, expected) in periods.iter_mut().zip(expected) {
                sums[period].expected = expected;
            }
        }
        let first_churn_at = self.first_churn_at;
        let now = self.now.finish(shard.currencies());
        let cohorts = self.cohorts.finish(self.question.settings.cohorts);
        let currency = |code| shard.currencies().text(code).to_owned();
        let segments = self.segment_tallies.into_iter();
        let segments =
            segments.map(|tally| tally.finish(&self.segments, shard.attributes(), currency));
        let instants = self.question.instants.iter().zip(periods).zip(segments);
        let sums = instants.zip(now).zip(cohorts).zip(self.silence.finish());
        let sums = sums.map(
            |(((((instant, periods), segments), now), cohorts), silence)| Sums {
                churn_seen: first_churn_at.is_some_and(|first| first < instant.at),
                now,
                periods,
                segments,
                cohorts,
                silence,
            },
        );
        Partial {
            instants: sums.collect(),
            log_start: self.log_start,
            prune_line: shard.prune_line(),
            samples: vec![self.sampler.sample(self.number)],
        }
    }
}

fn check_history(shard: &Shard, needed: Timestamp) -> Result<(), HistoryGone> {
    match shard.prune_line() {
        Some(kept_since) if needed < kept_since => Err(HistoryGone { needed, kept_since }),
        _ => Ok(()),
    }
}

/// By code, the place of each text among all in ascending order.
pub(super) fn ranks<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut by_text: Vec<(&str, usize)> = texts.zip(0..).collect();
    by_text.sort_unstable();
    let mut ranks = vec![0; by_text.len()];
    for (rank, (_, code)) in (0..=u8::MAX).zip(by_text) {
        ranks[code] = rank;
    }
    ranks
}

/// Picks customers by their digest, so that every shard picks the same ones.
#[derive(Debug, Default)]
struct Sampler {
    mask: u128,
    customers: Vec<CustomerDigest>,
}

impl Sampler {
    fn offer(&mut self, customer: CustomerDigest) {
        if customer.0 & self.mask != 0 {
            return;
        }
        self.customers.push(customer);
        if self.customers.len() > SAMPLED && self.mask < COARSEST_MASK {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.customers.retain(|customer| customer.0 & mask == 0);
        }
    }

    fn sample(self, shard: usize) -> Sample {
        Sample {
            shard,
            mask: self.mask,
            customers: self.customers,
        }
    }
}
