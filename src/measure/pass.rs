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
use std::ops::Range;
use std::sync::Arc;

use crate::event::Timestamp;
use crate::ledger::Shard;
use crate::ledger::customers::Row;
use crate::ledger::hash::CustomerDigest;
use crate::ledger::shard::LogStart;
use crate::measure::catalogue::Section;
use crate::measure::cohort::CohortTally;
use crate::measure::expected::{ExpectedSums, ExpectedTally};
use crate::measure::life::{Life, Look, Within};
use crate::measure::link::LinkTally;
use crate::measure::now::NowTally;
use crate::measure::orders::OrderTally;
use crate::measure::partial::{Partial, PeriodSums, Sample, Sums};
use crate::measure::question::{Instant, Question, Sections, Window};
use crate::measure::retention::RetentionTally;
use crate::measure::runs::Runs;
use crate::measure::satisfaction::SatisfactionTally;
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
    tallies: Vec<Tally>,
    now: NowTally,
    cohorts: CohortTally,
    expected: ExpectedTally,
    silence: SilenceTally,
    /// By period, customers who were retained over a run of instants and did nothing, by group.
    retained: Vec<Runs<4>>,
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
        let steps = question.instants.len();
        let periods = question
            .instants
            .first()
            .map_or(0, |instant| instant.windows.len());
        Ok(Self {
            number,
            ranks: ranks(shard.reasons().iter()),
            segments: Segments::new(dimensions),
            tallies: question.instants.iter().map(Tally::new).collect(),
            now: NowTally::new(instants().collect()),
            cohorts: CohortTally::new(instants(), &question.months),
            expected: ExpectedTally::new(&question.instants, shard.reasons()),
            silence: SilenceTally::new(instants().collect()),
            retained: vec![Runs::new(steps); periods],
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
                black_box(shard.customers().first_word(row));
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
        life.read(shard, row, rules, &mut self.segments, self.latest);
        let sections = self.sections;
        if sections.contains(Section::Now) {
            self.now.add(life, shard.customers().base(row));
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
            for (instant, tally) in instants.iter().zip(&mut self.tallies) {
                if life.active_at(instant.at) {
                    tally.segments.active(life.segment_at(instant.at));
                }
            }
        }
        let group = life.latest_group() as usize;
        for (period, retained) in self.retained.iter_mut().enumerate() {
            let part = Part::of(life, instants, period);
            for step in part.closely.chain(part.leaving) {
                let window = &instants[step].windows[period];
                self.tallies[step].add(period, window, life, sections);
            }
            if sections.contains(Section::Segments) {
                for tally in &mut self.tallies[part.retained.clone()] {
                    tally.segments.retained(life.latest_segment(), period);
                }
            }
            retained.add(part.retained, group);
        }
    }

    /// What the shard contributes.
    #[must_use]
    pub fn finish(mut self, shard: &Shard) -> Partial {
        for (period, retained) in self.retained.into_iter().enumerate() {
            for (tally, groups) in self.tallies.iter_mut().zip(retained.totals()) {
                tally.windows[period].retained(groups);
            }
        }
        for (period, expected) in self.expected.finish() {
            for (tally, expected) in self.tallies.iter_mut().zip(expected) {
                tally.windows[period].expected = expected;
            }
        }
        let first_churn_at = self.first_churn_at;
        let now = self.now.finish(shard.currencies());
        let cohorts = self.cohorts.finish(self.question.settings.cohorts);
        let instants = self.question.instants.iter().zip(self.tallies);
        let sums = instants.zip(now).zip(cohorts).zip(self.silence.finish());
        let sums = sums.map(|((((instant, tally), now), cohorts), silence)| Sums {
            churn_seen: first_churn_at.is_some_and(|first| first < instant.at),
            now,
            cohorts,
            silence,
            ..tally.finish(shard, &self.segments)
        });
        Partial {
            instants: sums.collect(),
            log_start: self.log_start,
            prune_line: shard.prune_line(),
            samples: vec![self.sampler.sample(self.number)],
        }
    }
}

/// How a customer's part in one period goes on over the instants.
///
/// ```text
///  instants   0 .. | closely ..... | retained ........ | leaving .... | ..
///             not  | something     | nothing happens   | a spell has  | nothing of it
///             here | happens       | and it is active  | ended        | any more
/// ```
struct Part {
    closely: Range<usize>,
    retained: Range<usize>,
    leaving: Range<usize>,
}

impl Part {
    fn of(life: &Life, instants: &[Instant], period: usize) -> Self {
        // Reports are of one instant, and that is decided without a search.
        if let [only] = instants {
            return match life.look(&only.windows[period]) {
                Look::Closely => Self::new(0, 1, 1, 1),
                Look::Retained => Self::new(0, 0, 1, 1),
                Look::Away => Self::new(0, 0, 0, 0),
            };
        }
        // What holds for the windows of the first instants, and for none after them.
        let first = |holds: &dyn Fn(&Window) -> bool| {
            instants.partition_point(|instant| holds(&instant.windows[period]))
        };
        let (begins_at, end) = (life.begins_at(), life.last_spell_end());
        let begin = first(&|window| window.bounds.end <= begins_at);
        let settled = first(&|window| life.stirs_in(window)).max(begin);
        let left = first(&|window| window.bounds.end <= end).max(settled);
        let gone = first(&|window| window.bounds.start <= end).max(left);
        Self::new(begin, settled, left, gone)
    }

    const fn new(begin: usize, settled: usize, left: usize, gone: usize) -> Self {
        Self {
            closely: begin..settled,
            retained: settled..left,
            leaving: left..gone,
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

/// The sums of the windows of one instant while the pass is under way.
#[derive(Debug)]
struct Tally {
    segments: SegmentTally,
    windows: Vec<WindowTally>,
}

#[derive(Debug, Default)]
struct WindowTally {
    retention: RetentionTally,
    expected: ExpectedSums,
    satisfaction: SatisfactionTally,
    orders: OrderTally,
    link: LinkTally,
}

impl Tally {
    fn new(instant: &Instant) -> Self {
        let windows = instant.windows.iter().map(|_| WindowTally::default());
        Self {
            segments: SegmentTally::new(instant.windows.len()),
            windows: windows.collect(),
        }
    }

    /// Counts what a customer did in the window of a period.
    fn add(&mut self, period: usize, window: &Window, life: &Life, sections: Sections) {
        let within = life.within(window);
        self.windows[period].add(window, life, within, sections);
        if sections.contains(Section::Segments) {
            self.segments.add(period, window, life, within);
        }
    }

    fn finish(self, shard: &Shard, segments: &Segments) -> Sums {
        let currency = |code| shard.currencies().text(code).to_owned();
        let periods = self.windows.into_iter().map(|tally| PeriodSums {
            retention: tally.retention.finish(shard.reasons()),
            expected: tally.expected,
            satisfaction: tally.satisfaction.finish(shard.channels()),
            orders: tally.orders.finish(shard.currencies()),
            link: tally.link.finish(shard.currencies()),
        });
        Sums {
            periods: periods.collect(),
            segments: self.segments.finish(segments, shard.attributes(), currency),
            ..Sums::default()
        }
    }
}

impl WindowTally {
    /// Counts customers who were active all the while and did nothing, by NPS group.
    fn retained(&mut self, groups: [u64; 4]) {
        self.retention.retained(groups.iter().sum());
        self.link.retained(groups);
    }

    fn add(&mut self, window: &Window, life: &Life, within: Within<'_>, sections: Sections) {
        self.retention.status(within.status);
        if sections.contains(Section::Retention) && within.came_or_went {
            self.retention.spells(window.bounds, life, within.status);
        }
        if sections.contains(Section::Satisfaction) && within.answers_matter {
            self.satisfaction.add(window, life, within);
        }
        if sections.contains(Section::Orders) && within.orders_matter {
            self.orders.add(window, life, within);
        }
        if sections.contains(Section::Link) {
            self.link.add(window, life, within);
        }
    }
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
