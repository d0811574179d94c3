//! Cohorts: customers by the calendar month of their first spell ever, and who of them is left.
//!
//! ```text
//!  month      2026-08      2026-09      2026-10      2026-11   T
//!  cohort 2026-08   [00]         [01]         [02]             the cell 02 is asked at the end of
//!  cohort 2026-09                [00]         [01]             October, by the left limit
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::measure::life::Life;
use crate::measure::period::{month_of, months_until, start_of_month};
use crate::measure::runs::Runs;

/// A calendar month, as the number of months since December 1999: nothing happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Month(u16);

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = month_of(i32::from(self.0));
        write!(f, "{year:04}-{month:02}")
    }
}

impl Month {
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// The starts of the local months up to some instant.
#[derive(Debug, Clone)]
pub struct Months {
    /// Of December 1999 and every month up to the one after the instant's, ascending.
    starts: Arc<[Timestamp]>,
}

/// The mean length of a month, in milliseconds: a first guess.
const MEAN_MONTH: i64 = 2_629_746_000;

impl Months {
    /// All months from December 1999 to the one in which `latest` lies.
    #[must_use]
    pub fn until(latest: Timestamp, time_zone: &TimeZone) -> Self {
        let latest = latest.max(Timestamp::FIRST).min(Timestamp::LAST);
        let last = months_until(latest, time_zone) + 1;
        let starts = (0..=last).map(|month| start_of_month(month, time_zone));
        Self {
            starts: starts.collect(),
        }
    }

    /// The month in which an instant lies; the first or the last for what is outside.
    #[must_use]
    pub fn month(&self, at: Timestamp) -> Month {
        let last = self.starts.len() - 2;
        let since = (at.as_millis() - self.starts[0].as_millis()).max(0);
        let guess = usize::try_from(since / MEAN_MONTH).unwrap_or(last);
        let mut place = guess.min(last);
        while place > 0 && self.starts[place] > at {
            place -= 1;
        }
        while place < last && self.starts[place + 1] <= at {
            place += 1;
        }
        Month(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// When a month begins.
    #[must_use]
    pub fn start(&self, month: Month) -> Timestamp {
        self.starts[month.place()]
    }

    /// When the month so many months after another one ends, if it is known.
    #[must_use]
    pub fn end(&self, month: Month, months_after: usize) -> Option<Timestamp> {
        self.starts.get(month.place() + months_after + 1).copied()
    }
}

/// The sums of one cohort.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CohortSums {
    pub customers: u64,
    /// Customers active at the end of the cohort's month, of the next one, and so on.
    pub active: Vec<u64>,
}

/// By month, the cohorts that have a customer.
pub type CohortMap = BTreeMap<Month, CohortSums>;

/// Adds cohorts of other customers.
pub fn merge(mine: &mut CohortMap, theirs: &CohortMap) {
    for (month, theirs) in theirs {
        let mine = mine.entry(*month).or_default();
        mine.customers += theirs.customers;
        mine.active
            .resize(mine.active.len().max(theirs.active.len()), 0);
        for (mine, theirs) in mine.active.iter_mut().zip(&theirs.active) {
            *mine += theirs;
        }
    }
}

/// The cohorts while an evaluation is under way, of all its instants.
///
/// What holds at the latest instant holds at every earlier one for the months that had ended by then.
/// Only the cohort of an instant's own month is smaller there than it will be.
#[derive(Debug)]
pub struct CohortTally {
    instants: Vec<Asked>,
    cohorts: Vec<Option<Counted>>,
    /// Customers of the cohort of an instant's own month who came at that instant or later.
    not_yet: Runs<1>,
}

/// An instant with the place of the month in which it lies: so many months have ended by then.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Timestamp,
    month: usize,
}

/// Where spells begin and end to cover month ends, by month since the cohort's own.
#[derive(Debug, Clone, Default)]
struct Counted {
    customers: u64,
    changes: Vec<i64>,
}

impl CohortTally {
    /// For instants in ascending order.
    #[must_use]
    pub fn new(instants: impl Iterator<Item = Timestamp>, months: &Months) -> Self {
        let asked = |at| Asked {
            at,
            month: months.month(at).place(),
        };
        let instants: Vec<Asked> = instants.map(asked).collect();
        Self {
            cohorts: Vec::new(),
            not_yet: Runs::new(instants.len()),
            instants,
        }
    }

    /// Counts a customer. Costs the same for any number of months and instants.
    pub fn add(&mut self, life: &Life, months: &Months) {
        let Some(latest) = self.instants.last().copied() else {
            return;
        };
        let Some(first) = life.spells.first().filter(|first| first.from < latest.at) else {
            return;
        };
        let cohort = months.month(first.from).place();
        if self.cohorts.len() <= cohort {
            self.cohorts.resize(cohort + 1, None);
        }
        let instants = &self.instants;
        let begun = instants.partition_point(|asked| asked.month < cohort);
        let came = instants.partition_point(|asked| asked.at <= first.from);
        self.not_yet.add(begun..came, 0);
        let ended = latest.month;
        let counted = self.cohorts[cohort].get_or_insert_default();
        counted.customers += 1;
        let mut begin = cohort;
        for (nth, spell) in life.spells.iter().enumerate() {
            // The spell covers the ends of the months from the one in which it began up to the one
            // before that in which it ended. The first began in the cohort's own month.
            if nth > 0 {
                begin = months.month(spell.from).place();
            }
            let end = spell.end.map_or(ended, |end| months.month(end.at).place());
            let end = end.min(ended);
            if begin < end {
                counted.change(begin - cohort, 1);
                counted.change(end - cohort, -1);
            }
        }
    }

    /// At each instant, the newest cohorts that have a customer.
    pub fn finish(self, newest: usize) -> impl Iterator<Item = CohortMap> {
        let cells = self.instants.last().map_or(0, |latest| latest.month);
        let cohorts: Vec<(usize, CohortSums)> = self
            .cohorts
            .into_iter()
            .enumerate()
            .filter_map(|(month, counted)| {
                let sums = counted?.into_sums(cells.saturating_sub(month));
                Some((month, sums))
            })
            .collect();
        let instants = self.instants.into_iter().zip(self.not_yet.totals());
        instants.map(move |(asked, [not_yet])| {
            let known = cohorts.iter().rev();
            let then = known.filter_map(|(month, sums)| {
                let missing = if *month == asked.month { not_yet } else { 0 };
                let customers = sums.customers - missing;
                let had_begun = *month <= asked.month && customers > 0;
                let cells = asked.month.saturating_sub(*month).min(sums.active.len());
                had_begun.then(|| {
                    let sums = CohortSums {
                        customers,
                        active: sums.active[..cells].to_vec(),
                    };
                    (Month(u16::try_from(*month).unwrap_or(u16::MAX)), sums)
                })
            });
            then.take(newest).collect()
        })
    }
}

impl Counted {
    fn change(&mut self, months_after: usize, by: i64) {
        if self.changes.len() <= months_after {
            self.changes.resize(months_after + 1, 0);
        }
        self.changes[months_after] += by;
    }

    fn into_sums(mut self, cells: usize) -> CohortSums {
        self.changes.resize(cells, 0);
        let mut active = 0;
        let cells = self.changes.into_iter().map(|change| {
            active += change;
            active.unsigned_abs()
        });
        CohortSums {
            customers: self.customers,
            active: cells.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn months_are_local_and_have_names() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let months = Months::until(at("2026-11-22T00:00:00Z"), &zone);
        let check = |instant: &str, expected: &str| {
            assert_eq!(months.month(at(instant)).to_string(), expected, "{instant}");
        };
        check("2000-01-01T04:59:59.999Z", "1999-12");
        check("2000-01-01T05:00:00Z", "2000-01");
        check("2026-11-01T03:59:59.999Z", "2026-10");
        check("2026-11-01T04:00:00Z", "2026-11");
        check("2069-01-01T00:00:00Z", "2026-11");
        let october = months.month(at("2026-10-15T00:00:00Z"));
        assert_eq!(months.start(october), at("2026-10-01T04:00:00Z"));
        assert_eq!(months.end(october, 0), Some(at("2026-11-01T04:00:00Z")));
        assert_eq!(months.end(october, 1), Some(at("2026-12-01T05:00:00Z")));
        assert_eq!(months.end(october, 2), None);
    }
}
