//! Periods: from a name and an instant to the interval `[t0, t1)`.
//!
//! Rolling periods are fixed lengths that end at the instant. Calendar periods have local midnights
//! as bounds, where a day starts at its first existing instant and can have 23 or 25 hours.
//!
//! ```text
//!      last_month               this_month
//! |------------------------|----------------->T
//! t0 of last_month         t1 of last_month
//!                          t0 of this_month
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

use crate::event::Timestamp;

/// A span of time that ends at, or is complete before, the instant of an evaluation.
///
/// ```
/// use tenure::measure::period::Period;
/// let period: Period = "this_month".parse().unwrap();
/// assert_eq!(period.to_string(), "this_month");
/// assert!("30days".parse::<Period>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A fixed number of units that ends at the instant.
    Rolling { count: u32, unit: RollingUnit },
    /// From the start of the unit that contains the instant up to the instant.
    ToDate(Unit),
    /// The unit before that one, whole.
    Complete(Unit),
}

/// The unit in which a rolling period is written; lengths are fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RollingUnit {
    Minutes,
    Hours,
    Days,
    Weeks,
}

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// A half-open interval of event time, `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// `t0`.
    pub start: Timestamp,
    /// `t1`.
    pub end: Timestamp,
}

/// A score is compared with at least so many days.
const SHORTEST_BASELINE_MILLIS: i64 = 28 * 86_400_000;

/// The lengths of the periods of which departures are expected: a day and a week.
const WEEKLY_MILLIS: [i64; 2] = [86_400_000, 7 * 86_400_000];

impl Interval {
    /// `t1 - t0`, in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.end.as_millis() - self.start.as_millis()
    }

    #[must_use]
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

impl RollingUnit {
    const ALL: [Self; 4] = [Self::Minutes, Self::Hours, Self::Days, Self::Weeks];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Minutes => "m",
            Self::Hours => "h",
            Self::Days => "d",
            Self::Weeks => "w",
        }
    }

    const fn millis(self) -> i64 {
        match self {
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
            Self::Days => 86_400_000,
            Self::Weeks => 7 * 86_400_000,
        }
    }
}

impl Unit {
    const ALL: [Self; 5] = [
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// The longest the unit can be, in milliseconds: a day of 25 hours.
    const fn longest_millis(self) -> i64 {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 31,
            Self::Quarter => 92,
            Self::Year => 366,
        };
        days * 86_400_000 + 3_600_000
    }

    fn first_day(self, date: Date, week_starts_on: Weekday) -> Date {
        match self {
            Self::Day => date,
            Self::Week => {
                let since = date.weekday().since(week_starts_on);
                date.saturating_sub(i64::from(since).days())
            }
            Self::Month => date.first_of_month(),
            Self::Quarter => {
                let first_month = (date.month() - 1) / 3 * 3 + 1;
                jiff::civil::date(date.year(), first_month, 1)
            }
            Self::Year => date.first_of_year(),
        }
    }
}

impl Period {
    /// The periods of a configuration that names none.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        use RollingUnit::{Days, Hours};
        vec![
            Self::Rolling {
                count: 24,
                unit: Hours,
            },
            Self::Rolling {
                count: 7,
                unit: Days,
            },
            Self::Rolling {
                count: 30,
                unit: Days,
            },
            Self::Rolling {
                count: 90,
                unit: Days,
            },
            Self::ToDate(Unit::Month),
            Self::Complete(Unit::Month),
            Self::Complete(Unit::Quarter),
        ]
    }

    /// How far back from the instant the period can begin, in milliseconds.
    #[must_use]
    pub const fn longest_millis(self) -> i64 {
        match self {
            Self::Rolling { count, unit } => count as i64 * unit.millis(),
            Self::ToDate(unit) => unit.longest_millis(),
            Self::Complete(unit) => 2 * unit.longest_millis(),
        }
    }

    /// The interval of the period for an evaluation at `at`.
    ///
    /// Instants outside the years that the calendar library knows (-9999 to 9999) saturate.
    #[must_use]
    pub fn interval(
        self,
        at: Timestamp,
        time_zone: &TimeZone,
        week_starts_on: Weekday,
    ) -> Interval {
        match self {
            Self::Rolling { count, unit } => Interval {
                start: at.minus_millis(i64::from(count) * unit.millis()),
                end: at,
            },
            Self::ToDate(unit) => {
                let first = unit.first_day(local_date(at, time_zone), week_starts_on);
                Interval {
                    start: start_of_day(first, time_zone),
                    end: at,
                }
            }
            Self::Complete(unit) => {
                let first = unit.first_day(local_date(at, time_zone), week_starts_on);
                let end = start_of_day(first, time_zone);
                // The unit of the last instant before, which is not always that of the date before:
                // zones that crossed the date line have skipped whole days.
                let last = local_date(end.minus_millis(1), time_zone);
                let before = unit.first_day(last, week_starts_on);
                Interval {
                    start: start_of_day(before, time_zone),
                    end,
                }
            }
        }
    }

    /// The window before the one with these bounds: as long, or the calendar unit before.
    ///
    /// There is none for a period to date.
    #[must_use]
    pub fn interval_before(
        self,
        bounds: Interval,
        time_zone: &TimeZone,
        week_starts_on: Weekday,
    ) -> Option<Interval> {
        match self {
            Self::Rolling { count, unit } => Some(Interval {
                start: bounds.start.minus_millis(i64::from(count) * unit.millis()),
                end: bounds.start,
            }),
            Self::Complete(_) => Some(self.interval(bounds.start, time_zone, week_starts_on)),
            Self::ToDate(_) => None,
        }
    }

    /// The length of a rolling period, in milliseconds, if it is one of 24 hours or 7 days, however
    /// written: one that has the same days of the week in it a week earlier.
    #[must_use]
    pub fn weekly_millis(self) -> Option<i64> {
        let Self::Rolling { count, unit } = self else {
            return None;
        };
        let length = i64::from(count) * unit.millis();
        WEEKLY_MILLIS.contains(&length).then_some(length)
    }

    /// What the Net Promoter Score of a rolling period is compared with: the window before it, twice
    /// as long and at least 28 days.
    #[must_use]
    pub fn baseline(self, bounds: Interval) -> Option<Interval> {
        let Self::Rolling { count, unit } = self else {
            return None;
        };
        let length = (2 * i64::from(count) * unit.millis()).max(SHORTEST_BASELINE_MILLIS);
        Some(Interval {
            start: bounds.start.minus_millis(length),
            end: bounds.start,
        })
    }
}

/// The first instant of the month that begins so many months after December 1999.
pub fn start_of_month(months: i32, time_zone: &TimeZone) -> Timestamp {
    let (year, month) = month_of(months);
    start_of_day(jiff::civil::date(year, month, 1), time_zone)
}

/// The year and the month, 1 to 12, so many months after December 1999.
pub fn month_of(months: i32) -> (i16, i8) {
    let months = months + 11;
    let year = 1999 + months.div_euclid(12);
    let month = months.rem_euclid(12) + 1;
    (i16::try_from(year).unwrap_or(i16::MAX), month as i8)
}

/// How many months after December 1999 the local month of an instant is.
pub fn months_until(at: Timestamp, time_zone: &TimeZone) -> i32 {
    let date = local_date(at, time_zone);
    (i32::from(date.year()) - 1999) * 12 + i32::from(date.month()) - 12
}

/// The local date of an instant.
///
/// A day starts at its first existing instant, so a date that a zone skipped whole has no instants
/// and never comes up here.
fn local_date(at: Timestamp, time_zone: &TimeZone) -> Date {
    zoned(at, time_zone).date()
}

fn zoned(at: Timestamp, time_zone: &TimeZone) -> Zoned {
    let bounds = (
        jiff::Timestamp::MIN.as_millisecond(),
        jiff::Timestamp::MAX.as_millisecond(),
    );
    let millis = at.as_millis().clamp(bounds.0, bounds.1);
    jiff::Timestamp::from_millisecond(millis)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(time_zone.clone())
}

/// The first instant of a local day: midnight, or where a gap swallows it, the end of the gap.
fn start_of_day(date: Date, time_zone: &TimeZone) -> Timestamp {
    let start = date
        .to_zoned(time_zone.clone())
        .and_then(|midnight| midnight.start_of_day())
        .map(|start| start.timestamp())
        .unwrap_or(if date.year() < 1970 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
    Timestamp::from_millis(start.as_millisecond())
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rolling { count, unit } => write!(f, "{count}{}", unit.suffix()),
            Self::ToDate(Unit::Day) => f.write_str("today"),
            Self::ToDate(unit) => write!(f, "this_{unit}"),
            Self::Complete(Unit::Day) => f.write_str("yesterday"),
            Self::Complete(unit) => write!(f, "last_{unit}"),
        }
    }
}

/// The name of a period that there is none of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no period: a length like 24h, 7d, 2w or 90m (1m to 10000d), or one of today, this_week, this_month, \
     this_quarter, this_year, yesterday, last_week, last_month, last_quarter, last_year"
)]
pub struct UnknownPeriod(pub String);

impl FromStr for Period {
    type Err = UnknownPeriod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        for unit in Unit::ALL {
            for period in [Self::ToDate(unit), Self::Complete(unit)] {
                if period.to_string() == text {
                    return Ok(period);
                }
            }
        }
        let rolling = RollingUnit::ALL.into_iter().find_map(|unit| {
            let digits = text.strip_suffix(unit.suffix())?;
            let plain =
                !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            let count = digits.parse().ok().filter(|_| plain)?;
            Some(Self::Rolling { count, unit })
        });
        let longest = 10_000 * RollingUnit::Days.millis();
        rolling
            .filter(|period| period.longest_millis() <= longest)
            .ok_or_else(|| UnknownPeriod(text.to_owned()))
    }
}
