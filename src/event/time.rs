//! Instants of events: milliseconds of UTC, read from RFC 3339 or Unix milliseconds.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// An instant in UTC, to the millisecond, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 2000-01-01T00:00:00.000Z, the first instant an event may have.
    pub const FIRST: Self = Self(946_684_800_000);
    /// 2069-12-31T23:59:59.999Z, the last instant an event may have.
    pub const LAST: Self = Self(3_155_759_999_999);

    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since 1970, as Prometheus wants instants, to the millisecond.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    #[must_use]
    pub const fn minus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Whether an event may have happened then: 2000-01-01 up to 2069-12-31, both included.
    #[must_use]
    pub fn plausible(self) -> bool {
        (Self::FIRST..=Self::LAST).contains(&self)
    }

    /// Reads an RFC 3339 instant with its zone; what is below a millisecond is cut off.
    ///
    /// A leap second counts as the second before it, which is what Unix time makes of it at best.
    ///
    /// ```
    /// use tenure::event::Timestamp;
    /// let at = Timestamp::from_rfc3339("2026-11-08T18:00:00.0009+03:00").unwrap();
    /// assert_eq!(at.to_string(), "2026-11-08T15:00:00.000Z");
    /// assert_eq!(Timestamp::from_rfc3339("2026-11-08T18:00:00"), None);
    /// ```
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (civil, zone) = Civil::read(text.as_bytes())?;
        let offset_minutes = zone_offset(zone)?;
        Some(civil.in_utc().plus_millis(-offset_minutes * 60_000))
    }

    /// Reads an instant that may lack its zone, and then is of this one: `2026-11-01 09:30:00`.
    ///
    /// Where clocks are set back and a time comes twice it is the earlier one; where they are set
    /// forward, it is what it would be if they were not.
    ///
    /// ```
    /// use tenure::event::Timestamp;
    /// let zone = jiff::tz::TimeZone::get("Europe/Istanbul").unwrap();
    /// let at = |text| Timestamp::from_local(text, &zone).unwrap().to_string();
    /// assert_eq!(at("2026-11-01 09:30:00.5"), "2026-11-01T06:30:00.500Z");
    /// assert_eq!(at("2026-11-01T09:30:00+01:00"), "2026-11-01T08:30:00.000Z");
    /// ```
    #[must_use]
    pub fn from_local(text: &str, zone: &TimeZone) -> Option<Self> {
        let (civil, rest) = Civil::read(text.as_bytes())?;
        if !rest.is_empty() {
            return Self::from_rfc3339(text);
        }
        let at = zone.to_timestamp(civil.of_calendar()?).ok()?;
        Some(Self(at.as_millisecond()))
    }

    /// Reads a number of Unix time, whose unit is this many powers of ten of a millisecond: 3 for
    /// seconds, -3 for microseconds. What is below a millisecond is cut off.
    ///
    /// ```
    /// use tenure::event::Timestamp;
    /// let at = Timestamp::from_unix("1762000000.1239", 3).unwrap();
    /// assert_eq!(at.as_millis(), 1_762_000_000_123);
    /// ```
    #[must_use]
    pub fn from_unix(text: &str, power: i32) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(decimals.bytes());
        if whole.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        // How many digits stand before the point, in milliseconds.
        let before = (whole.len() as i64)
            .checked_add(exponent.parse::<i32>().ok()?.into())?
            .checked_add(power.into())?;
        let before = usize::try_from(before).unwrap_or(0);
        let mut millis = 0_i64;
        for digit in digits().take(before) {
            millis = millis
                .checked_mul(10)?
                .checked_add(i64::from(digit - b'0'))?;
        }
        if millis > 0 {
            for _ in whole.len() + decimals.len()..before {
                millis = millis.checked_mul(10)?;
            }
        }
        Some(Self(if negative { -millis } else { millis }))
    }
}

/// A date and a time of some zone.
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    millis_of_minute: i64,
}

impl Civil {
    /// Reads `2026-11-08T18:00:00`, with decimals or none; what follows it is left.
    #[inline]
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        if bytes.len() < 19
            || bytes[4] != b'-'
            || bytes[7] != b'-'
            || !matches!(bytes[10], b'T' | b't' | b' ')
            || bytes[13] != b':'
            || bytes[16] != b':'
        {
            return None;
        }
        let year =
            i64::from(two_digits(&bytes[0..2])?) * 100 + i64::from(two_digits(&bytes[2..4])?);
        let month = two_digits(&bytes[5..7])?;
        let day = two_digits(&bytes[8..10])?;
        let hour = two_digits(&bytes[11..13])?;
        let minute = two_digits(&bytes[14..16])?;
        let second = two_digits(&bytes[17..19])?;
        if !(1..=12).contains(&month)
            || day < 1
            || day > days_of_month(year, month)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let (fraction, rest) = milliseconds(&bytes[19..])?;
        let millis_of_minute = if second == 60 {
            59_999
        } else {
            i64::from(second) * 1000 + fraction
        };
        let civil = Self {
            year,
            month,
            day,
            hour,
            minute,
            millis_of_minute,
        };
        Some((civil, rest))
    }

    #[inline]
    fn in_utc(&self) -> Timestamp {
        let hours = days_since_1970(self.year, self.month, self.day) * 24 + i64::from(self.hour);
        Timestamp((hours * 60 + i64::from(self.minute)) * 60_000 + self.millis_of_minute)
    }

    fn of_calendar(&self) -> Option<DateTime> {
        DateTime::new(
            i16::try_from(self.year).ok()?,
            self.month.cast_signed(),
            self.day.cast_signed(),
            self.hour.cast_signed(),
            self.minute.cast_signed(),
            (self.millis_of_minute / 1000) as i8,
            (self.millis_of_minute % 1000) as i32 * 1_000_000,
        )
        .ok()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms since 1970", self.0),
        }
    }
}

fn two_digits(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

/// The milliseconds of an optional fraction, and what follows it.
fn milliseconds(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = bytes.split_first() else {
        return Some((0, bytes));
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        return None;
    }
    let digit = |at: usize| {
        if at < count {
            i64::from(digits[at] - b'0')
        } else {
            0
        }
    };
    Some((digit(0) * 100 + digit(1) * 10 + digit(2), &digits[count..]))
}

/// Minutes east of UTC, of `Z` or `+hh:mm`.
fn zone_offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [
            sign @ (b'+' | b'-'),
            hour @ ..,
            b':',
            minute_tens,
            minute_ones,
        ] if hour.len() == 2 => {
            let hours = two_digits(hour).filter(|hours| *hours <= 23)?;
            let minutes =
                two_digits(&[*minute_tens, *minute_ones]).filter(|minutes| *minutes <= 59)?;
            let offset = i64::from(hours) * 60 + i64::from(minutes);
            Some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

fn days_of_month(year: i64, month: u8) -> u8 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
///
/// Counts years from March, so that the leap day is the last of its year and every month's start
/// is a linear function: the algorithm of Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms".
fn days_since_1970(year: i64, month: u8, day: u8) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let got = Timestamp::from_rfc3339(text).map(|at| at.to_string());
        assert_eq!(got.as_deref(), expected, "{text}");
    }

    #[test]
    fn instants_are_read_with_their_zone_and_cut_to_milliseconds() {
        check("2026-11-01T09:30:00.000Z", Some("2026-11-01T09:30:00.000Z"));
        check("2026-11-01t09:30:00z", Some("2026-11-01T09:30:00.000Z"));
        check("2026-11-01 09:30:00Z", Some("2026-11-01T09:30:00.000Z"));
        check(
            "2026-11-08T18:00:00.000+03:00",
            Some("2026-11-08T15:00:00.000Z"),
        );
        check(
            "2026-01-01T00:30:00-01:45",
            Some("2026-01-01T02:15:00.000Z"),
        );
        check("2026-11-01T09:30:00.1Z", Some("2026-11-01T09:30:00.100Z"));
        check(
            "2026-11-01T09:30:00.123999999999Z",
            Some("2026-11-01T09:30:00.123Z"),
        );
        check("2024-02-29T23:59:60Z", Some("2024-02-29T23:59:59.999Z"));
        check("2000-01-01T00:00:00Z", Some("2000-01-01T00:00:00.000Z"));
        check("2069-12-31T23:59:59.999Z", Some("2069-12-31T23:59:59.999Z"));
    }

    #[test]
    fn what_is_not_an_instant_is_refused() {
        for text in [
            "",
            "2026-11-01",
            "2026-11-01T09:30:00",
            "2026-11-01T09:30Z",
            "2026-11-01T09:30:00.Z",
            "2026-11-01T09:30:00,5Z",
            "2026-13-01T09:30:00Z",
            "2026-00-01T09:30:00Z",
            "2025-02-29T09:30:00Z",
            "2026-04-31T09:30:00Z",
            "2026-11-01T24:00:00Z",
            "2026-11-01T09:60:00Z",
            "2026-11-01T09:30:61Z",
            "2026-11-01T09:30:00+0300",
            "2026-11-01T09:30:00+24:00",
            "2026-11-01T09:30:00+03:60",
            "2026-11-01T09:30:00Z ",
            "2026-11-01T09:30:00ZZ",
            "2026-11-01T09:30:00[Europe/Berlin]",
            "+026-11-01T09:30:00Z",
            "２026-11-01T09:30:00Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn every_day_agrees_with_the_calendar_library() {
        let mut date = jiff::civil::date(1999, 12, 30);
        for _ in 0..26_000 {
            let text = format!("{date}T12:34:56.789Z");
            let expected: jiff::Timestamp = text.parse().expect("a date of the library");
            assert_eq!(
                Timestamp::from_rfc3339(&text).map(Timestamp::as_millis),
                Some(expected.as_millisecond())
            );
            date = date.tomorrow().expect("far from the end of time");
        }
    }
}
