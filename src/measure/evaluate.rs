//! The evaluation: one pass over the customers of a shard, all periods at once.

use crate::event::Timestamp;
use crate::ledger::Shard;
use crate::ledger::customers::Row;
use crate::ledger::fact::{Facts, Kind};
use crate::ledger::hash::CustomerDigest;
use crate::measure::partial::{Partial, PeriodSums, Sample};
use crate::measure::period::{Interval, Period};
use crate::measure::settings::EvaluationSettings;
use crate::measure::spell::{Cause, Spell, SpellRules, spells};

/// How departures without a churn event are labelled.
pub const INACTIVITY: &str = "inactivity";

/// A shard contributes at most this many customers to the search for split ones; in a shard of
/// more, fewer bits decide, down to 1 customer in 1,024.
const SAMPLED: usize = 4096;
const COARSEST_MASK: u128 = 1023;

/// An instant with the bounds of every configured period.
#[derive(Debug, Clone)]
pub struct Instant {
    pub at: Timestamp,
    pub periods: Vec<(Period, Interval)>,
}

impl Instant {
    #[must_use]
    pub fn new(at: Timestamp, settings: &EvaluationSettings) -> Self {
        let bounds = |period: &Period| {
            (
                *period,
                period.interval(at, &settings.time_zone, settings.week_starts_on),
            )
        };
        Self {
            at,
            periods: settings.periods.iter().map(bounds).collect(),
        }
    }

    /// The earliest instant that any number looks at.
    fn earliest(&self) -> Timestamp {
        self.periods
            .iter()
            .map(|(_, bounds)| bounds.start)
            .min()
            .unwrap_or(self.at)
            .min(self.at)
    }
}

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

/// Evaluates one shard. `number` is its number, by which split customers are named.
///
/// Costs a pass over all customers of the shard.
///
/// # Errors
/// If a period begins before the shard's prune line.
pub fn evaluate(
    shard: &Shard,
    number: usize,
    instant: &Instant,
    settings: &EvaluationSettings,
) -> Result<Partial, HistoryGone> {
    if let Some(kept_since) = shard.prune_line()
        && instant.earliest() < kept_since
    {
        return Err(HistoryGone {
            needed: instant.earliest(),
            kept_since,
        });
    }
    let ranks = ranks(shard.reasons().iter());
    let rules = SpellRules {
        starts_with: settings.customer_starts_with,
        timeout_millis: settings.inactivity_timeout_millis,
        reason_ranks: &ranks,
    };
    let mut pass = Pass {
        shard,
        instant,
        rules,
        bounds: instant.periods.iter().map(|(_, bounds)| *bounds).collect(),
        earliest: instant.earliest(),
        counts: instant.periods.iter().map(|_| Counts::default()).collect(),
        customers: 0,
        always: 0,
        words: Vec::new(),
        spells: Vec::new(),
        latest: vec![None; instant.periods.len()],
    };
    let mut sampler = Sampler::default();
    for (row, customer) in shard.customers().iter() {
        pass.customer(row);
        sampler.offer(customer);
    }
    let mut partial = pass.finish();
    partial.samples = vec![sampler.sample(number)];
    Ok(partial)
}

/// By code, the place of each text among all in ascending order.
fn ranks<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut by_text: Vec<(&str, usize)> = texts.zip(0..).collect();
    by_text.sort_unstable();
    let mut ranks = vec![0; by_text.len()];
    for (rank, (_, code)) in (0..=u8::MAX).zip(by_text) {
        ranks[code] = rank;
    }
    ranks
}

/// The sums of one period while the pass is under way: departures by code instead of text.
#[derive(Debug)]
struct Counts {
    sums: PeriodSums,
    by_reason: Box<[u64; 256]>,
    by_inactivity: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            sums: PeriodSums::default(),
            by_reason: Box::new([0; 256]),
            by_inactivity: 0,
        }
    }
}

struct Pass<'a> {
    shard: &'a Shard,
    instant: &'a Instant,
    rules: SpellRules<'a>,
    bounds: Vec<Interval>,
    earliest: Timestamp,
    counts: Vec<Counts>,
    customers: u64,
    /// Customers active from before every period up to now: retained in each of them.
    always: u64,
    words: Vec<u64>,
    spells: Vec<Spell>,
    /// By period, the score of the customer's latest NPS answer in it.
    latest: Vec<Option<u8>>,
}

impl Pass<'_> {
    fn customer(&mut self, row: Row) {
        let mut words = std::mem::take(&mut self.words);
        let facts = self.shard.customers().facts(row, &mut words);
        let mut found = std::mem::take(&mut self.spells);
        let base = self.shard.customers().base(row);
        spells(facts.clone(), base, self.rules, self.instant.at, &mut found);
        self.retention(&found);
        self.satisfaction(facts);
        self.spells = found;
        self.words = words;
    }

    fn retention(&mut self, spells: &[Spell]) {
        let (Some(first), Some(last)) = (spells.first(), spells.last()) else {
            return;
        };
        let at = self.instant.at;
        let active_now = last.active_at(at);
        self.customers += u64::from(active_now);
        if spells.len() == 1 && active_now && last.from < self.earliest {
            self.always += 1;
            return;
        }
        if last.end.is_some_and(|end| end.at < self.earliest) {
            return;
        }
        for (bounds, counts) in self.bounds.iter().zip(&mut self.counts) {
            counts.add(*bounds, first.from, spells);
        }
    }

    fn satisfaction(&mut self, facts: Facts<'_>) {
        let mut answered = false;
        for fact in facts.take_while(|fact| fact.word.at() < self.instant.at) {
            let kind = fact.word.kind();
            if !matches!(kind, Kind::Nps | Kind::Csat | Kind::Ces) {
                continue;
            }
            let at = fact.word.at();
            if at < self.earliest {
                continue;
            }
            let score = fact.word.score();
            for (period, bounds) in self.bounds.iter().enumerate() {
                if !bounds.contains(at) {
                    continue;
                }
                let sums = &mut self.counts[period].sums;
                match kind {
                    Kind::Nps => {
                        sums.nps_responses.add(score);
                        // Facts of one instant come by ascending score, so the larger one stays.
                        self.latest[period] = Some(score);
                        answered = true;
                    }
                    Kind::Csat => count_rating(&mut sums.csat, score),
                    _ => count_rating(&mut sums.ces, score),
                }
            }
        }
        if answered {
            for (latest, counts) in self.latest.iter_mut().zip(&mut self.counts) {
                if let Some(score) = latest.take() {
                    counts.sums.nps_customers.add(score);
                }
            }
        }
    }

    fn finish(self) -> Partial {
        let reasons: Vec<&str> = self.shard.reasons().iter().collect();
        let churn_seen = self
            .shard
            .first_churn_at()
            .is_some_and(|first| first < self.instant.at);
        let periods = self.counts.into_iter().map(|counts| {
            let mut sums = counts.into_sums(&reasons);
            sums.retained += self.always;
            sums
        });
        Partial {
            at: self.instant.at,
            customers: self.customers,
            periods: periods.collect(),
            churn_seen,
            log_start: self.shard.log_start(),
            samples: Vec::new(),
        }
    }
}

fn count_rating(counts: &mut [u64], rating: u8) {
    if let Some(count) = usize::from(rating)
        .checked_sub(1)
        .and_then(|at| counts.get_mut(at))
    {
        *count += 1;
    }
}

impl Counts {
    fn add(&mut self, bounds: Interval, joined_at: Timestamp, spells: &[Spell]) {
        let (mut at_start, mut at_end) = (false, false);
        for spell in spells {
            at_start |= spell.active_at(bounds.start);
            at_end |= spell.active_at(bounds.end);
            self.sums.opened += u64::from(bounds.contains(spell.from));
            if let Some(end) = spell.end
                && bounds.contains(end.at)
            {
                match end.cause {
                    Cause::Churn(reason) => self.by_reason[usize::from(reason)] += 1,
                    Cause::Inactivity => self.by_inactivity += 1,
                }
            }
        }
        match (at_start, at_end) {
            (true, true) => self.sums.retained += 1,
            (true, false) => self.sums.lost += 1,
            (false, true) if joined_at >= bounds.start => self.sums.new += 1,
            (false, true) => self.sums.reactivated += 1,
            (false, false) => {}
        }
        if bounds.contains(joined_at) {
            self.sums.joined += 1;
            self.sums.early_churn += u64::from(!at_end);
        }
    }

    fn into_sums(self, reasons: &[&str]) -> PeriodSums {
        let mut sums = self.sums;
        let by_reason = reasons.iter().copied().zip(*self.by_reason);
        for (reason, count) in by_reason.chain([(INACTIVITY, self.by_inactivity)]) {
            if count > 0 {
                *sums.departures.entry(reason.to_owned()).or_default() += count;
            }
        }
        sums
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
