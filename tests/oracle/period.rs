//! Periods: from a name and an instant to `[t0, t1)`.
//!
//! A calendar bound is found by looking at the local date minute by minute until the wanted one
//! comes. That is enough, because since 1972 every zone's offset and every change of it is a whole
//! number of minutes. Nothing is computed from rules of daylight saving.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::settings::Settings;

/// `[t0, t1)`, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub t0: i64,
    pub t1: i64,
}

impl Interval {
    pub fn contains(self, at: i64) -> bool {
        self.t0 <= at && at < self.t1
    }
}

/// The bounds of the period called `name`, evaluated at `at`.
///
/// The unit before the one that contains `at` is the unit that contains the last millisecond before
/// it began: so `yesterday` is the last day that existed, also where a zone left a date out.
pub fn interval(name: &str, at: i64, settings: &Settings) -> Interval {
    if let Some(unit) = name.strip_prefix("this_") {
        let t0 = start_of_unit(unit, at, settings);
        return Interval { t0, t1: at };
    }
    if let Some(unit) = name.strip_prefix("last_") {
        let t1 = start_of_unit(unit, at, settings);
        let t0 = start_of_unit(unit, t1 - 1, settings);
        return Interval { t0, t1 };
    }
    match name {
        "today" => interval("this_day", at, settings),
        "yesterday" => interval("last_day", at, settings),
        _ => Interval {
            t0: at - length(name),
            t1: at,
        },
    }
}

/// Whether the period is a fixed length that ends at the instant.
pub fn rolling(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit())
}

/// The window before a period whose bounds are `interval`: of the same length for a rolling one,
/// the unit before for a complete one, none for one to date.
pub fn before(name: &str, interval: Interval, settings: &Settings) -> Option<Interval> {
    let t1 = interval.t0;
    let unit = name.strip_prefix("last_");
    let unit = if name == "yesterday" {
        Some("day")
    } else {
        unit
    };
    let t0 = match unit {
        Some(unit) => start_of_unit(unit, t1 - 1, settings),
        None if rolling(name) => t1 - length(name),
        None => return None,
    };
    Some(Interval { t0, t1 })
}

/// A month of the calendar on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    pub year: i16,
    /// 1 to 12.
    pub number: i8,
}

impl Month {
    /// The month that contains `at`.
    pub fn of(at: i64, settings: &Settings) -> Self {
        let date = local_date(at, &zone(settings));
        Self {
            year: date.year(),
            number: date.month(),
        }
    }

    pub fn next(self) -> Self {
        match self.number {
            12 => Self {
                year: self.year + 1,
                number: 1,
            },
            _ => Self {
                number: self.number + 1,
                ..self
            },
        }
    }

    /// The first instant of the month, which is the end of the one before.
    pub fn start(self, settings: &Settings) -> i64 {
        let first_day = Date::new(self.year, self.number, 1).expect("a month of our centuries");
        start_of_day(first_day, &zone(settings))
    }

    /// `2026-10`
    pub fn name(self) -> String {
        format!("{:04}-{:02}", self.year, self.number)
    }
}

/// The milliseconds of `24h`, `7d`, `2w`, `90m`.
pub fn length(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => panic!("no length: {text}"),
    };
    number.parse::<i64>().expect("a number of units") * seconds * 1000
}

/// The first instant of the unit that contains `at`.
fn start_of_unit(unit: &str, at: i64, settings: &Settings) -> i64 {
    let zone = zone(settings);
    let first_day = first_day_of_unit(unit, local_date(at, &zone), settings);
    start_of_day(first_day, &zone)
}

/// The first instant whose date is that day or a later one.
fn start_of_day(first_day: Date, zone: &TimeZone) -> i64 {
    // The same days are asked for again and again.
    static KNOWN: Mutex<BTreeMap<(String, Date), i64>> = Mutex::new(BTreeMap::new());
    let key = (zone.iana_name().expect("a name").to_owned(), first_day);
    if let Some(start) = KNOWN.lock().expect("no panic").get(&key) {
        return *start;
    }

    // No zone is more than 15 hours ahead, so that day has begun nowhere yet.
    let utc_midnight = first_day
        .to_zoned(TimeZone::UTC)
        .expect("a date of our centuries");
    let mut instant = utc_midnight.timestamp().as_millisecond() - 15 * 60 * 60_000;
    while local_date(instant, zone) < first_day {
        instant += 60_000;
    }
    KNOWN.lock().expect("no panic").insert(key, instant);
    instant
}

/// Goes back day by day to the first one of the unit.
fn first_day_of_unit(unit: &str, date: Date, settings: &Settings) -> Date {
    let mut day = date;
    while !begins(unit, day, settings) {
        day = day.yesterday().expect("a date of our centuries");
    }
    day
}

fn begins(unit: &str, day: Date, settings: &Settings) -> bool {
    match unit {
        "day" => true,
        "week" => day.weekday() == weekday(&settings.week_starts_on),
        "month" => day.day() == 1,
        "quarter" => day.day() == 1 && [1, 4, 7, 10].contains(&day.month()),
        "year" => day.day() == 1 && day.month() == 1,
        _ => panic!("no unit of the calendar: {unit}"),
    }
}

fn weekday(name: &str) -> Weekday {
    match name {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => panic!("no day of the week: {name}"),
    }
}

fn zone(settings: &Settings) -> TimeZone {
    TimeZone::get(&settings.time_zone).expect("a zone of the IANA database")
}

/// The date on a calendar on the wall at that instant.
fn local_date(at: i64, zone: &TimeZone) -> Date {
    let instant = Timestamp::from_millisecond(at).expect("an instant of our centuries");
    zone.to_offset(instant).to_datetime(instant).date()
}
