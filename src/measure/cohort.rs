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

use crate::event::Timestamp;
use crate::measure::life::Life;
use crate::measure::period::{month_of, months_until, start_of_month};

/// A calendar month, as the number of months since December 1999: nothing happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// How many months have ended by `at`, counted from December 1999.
    fn ended(&self, at: Timestamp) -> usize {
        let month = self.month(at).place();
        // At the very end of the last month the next one begins.
        month + usize::from(self.starts[month + 1] <= at)
    }
}

/// The sums of one cohort.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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

/// The cohorts while an evaluation is under way, of one instant.
#[derive(Debug, Default)]
pub struct CohortTally {
    cohorts: Vec<Option<Counted>>,
    ended: usize,
}

/// Where spells begin and end to cover month ends, by month since the cohort's own.
#[derive(Debug, Clone, Default)]
struct Counted {
    customers: u64,
    changes: Vec<i64>,
}

impl CohortTally {
    #[must_use]
    pub fn new(at: Timestamp, months: &Months) -> Self {
        Self {
            cohorts: Vec::new(),
            ended: months.ended(at),
        }
    }

    /// Counts a customer. Costs the same for any number of months.
    pub fn add(&mut self, at: Timestamp, life: &Life, months: &Months) {
        let Some(first) = life.spells.first().filter(|first| first.from < at) else {
            return;
        };
        let cohort = months.month(first.from).place();
        if self.cohorts.len() <= cohort {
            self.cohorts.resize(cohort + 1, None);
        }
        let ended = self.ended;
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

    /// The newest cohorts that have a customer.
    #[must_use]
    pub fn finish(self, newest: usize) -> CohortMap {
        let ended = self.ended;
        let cohorts = self.cohorts.into_iter().enumerate().rev();
        let counted = cohorts.filter_map(|(month, counted)| Some((month, counted?)));
        counted
            .take(newest)
            .map(|(month, counted)| {
                let sums = counted.into_sums(ended.saturating_sub(month));
                (Month(u16::try_from(month).unwrap_or(u16::MAX)), sums)
            })
            .collect()
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
