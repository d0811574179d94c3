//! Departures expected: how many spells ended in the same window of each of the four weeks before.
//!
//! ```text
//!       4 weeks before       3                    2                    1
//!        [==]                [==]                 [==]                 [==]                 [==]
//!        ^                                                                                t0   T
//!        somebody must be a customer here
//! ```
//!
//! Costs a few comparisons for a customer who did not leave in all that time, and for a series of
//! instants a few searches for each spell, however many instants there are.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::ledger::texts::Texts;
use crate::measure::life::Life;
use crate::measure::period::Period;
use crate::measure::question::Instant;
use crate::measure::retention::INACTIVITY;
use crate::measure::runs::{Runs, Steps};
use crate::measure::spell::{Cause, End};

/// How many weeks an expectation rests on.
pub const WEEKS: i64 = 4;
const WEEK: i64 = 7 * 86_400_000;

/// How long before a period the earliest of its windows begins.
pub const EARLIEST_MILLIS: i64 = WEEKS * WEEK;

/// What departures come from: the values of the label `source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A churn event.
    Churn,
    /// The timeout, or a churn event that gives it as its reason.
    Inactivity,
}

impl Source {
    pub const ALL: [Self; 2] = [Self::Churn, Self::Inactivity];

    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::Inactivity => INACTIVITY,
        }
    }
}

/// The sums of the four windows of one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExpectedSums {
    /// In the order of [`Source::ALL`].
    pub departures: [u64; 2],
    /// Customers active at the start of the earliest window.
    pub customers: u64,
}

impl ExpectedSums {
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.departures.iter_mut().zip(other.departures) {
            *mine += theirs;
        }
        self.customers += other.customers;
    }
}

/// The sums while an evaluation is under way, of all its instants and the periods concerned.
#[derive(Debug)]
pub struct ExpectedTally {
    steps: Steps,
    periods: Vec<OfPeriod>,
    /// The code of the reason that is counted with the timeouts.
    inactivity: Option<u8>,
}

#[derive(Debug)]
struct OfPeriod {
    /// Among the configured periods.
    place: usize,
    length: i64,
    /// What ended earlier matters to no instant.
    since: Timestamp,
    /// What ends from here on neither.
    until: Timestamp,
    /// Departures in the order of [`Source::ALL`], then customers.
    counts: Runs<3>,
}

const CUSTOMERS: usize = Source::ALL.len();

impl ExpectedTally {
    /// For instants in ascending order, all with the same periods.
    #[must_use]
    pub fn new(instants: &[Instant], reasons: &Texts) -> Self {
        let steps = Steps::new(instants.iter().map(|instant| instant.at).collect());
        let mut periods = Vec::new();
        if let (Some(first), Some(last)) = (instants.first(), instants.last()) {
            for (place, window) in first.windows.iter().enumerate() {
                let Some(length) = window.period.weekly_millis() else {
                    continue;
                };
                periods.push(OfPeriod {
                    place,
                    length,
                    since: earliest(window.period, first.at),
                    until: last.at.minus_millis(WEEK),
                    counts: Runs::new(instants.len()),
                });
            }
        }
        Self {
            steps,
            periods,
            inactivity: (0..=u8::MAX)
                .zip(reasons.iter())
                .find_map(|(code, reason)| (reason == INACTIVITY).then_some(code)),
        }
    }

    /// Counts the spells of a customer.
    pub fn add(&mut self, life: &Life) {
        for period in &mut self.periods {
            for spell in life.spells.iter().rev() {
                let before = EARLIEST_MILLIS + period.length;
                let begin = self.steps.after(spell.from.plus_millis(before));
                let Some(end) = spell.end else {
                    let steps = begin..self.steps.instants().len();
                    period.counts.add(steps, CUSTOMERS);
                    continue;
                };
                if end.at < period.since {
                    break;
                }
                let gone = self.steps.after(end.at.plus_millis(before));
                period.counts.add(begin..gone, CUSTOMERS);
                if end.at < period.until {
                    let source = source(end, self.inactivity);
                    period.departure(&self.steps, end.at, source);
                }
            }
        }
    }

    /// By place of a period: the sums of each instant.
    pub fn finish(self) -> impl Iterator<Item = (usize, impl Iterator<Item = ExpectedSums>)> {
        let sums = |[churn, inactivity, customers]: [u64; 3]| ExpectedSums {
            departures: [churn, inactivity],
            customers,
        };
        let periods = self.periods.into_iter();
        periods.map(move |period| (period.place, period.counts.totals().map(sums)))
    }
}

impl OfPeriod {
    /// Counts a departure at each instant in one of whose windows it lies.
    fn departure(&mut self, steps: &Steps, at: Timestamp, source: Source) {
        for week in 1..=WEEKS {
            let later = at.plus_millis(week * WEEK);
            let within = steps.after(later)..steps.after(later.plus_millis(self.length));
            self.counts.add(within, source as usize);
        }
    }
}

/// Where the earliest of the windows begins.
fn earliest(period: Period, at: Timestamp) -> Timestamp {
    at.minus_millis(EARLIEST_MILLIS + period.longest_millis())
}

fn source(end: End, inactivity: Option<u8>) -> Source {
    match end.cause {
        Cause::Churn(reason) if Some(reason) != inactivity => Source::Churn,
        Cause::Churn(_) | Cause::Inactivity => Source::Inactivity,
    }
}
