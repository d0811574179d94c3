//! Instants of events: milliseconds of UTC, read from RFC 3339 or Unix milliseconds.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// An instant in UTC, to the millisecond, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    year: u32,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    millis_of_minute: u32,
}

impl Civil {
    /// Reads `2026-11-08T18:00:00`, with decimals or none; what follows it is left.
    #[inline]
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (date, rest) = bytes.split_first_chunk::<8>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (seconds, rest) = rest.split_first_chunk::<3>()?;
        let &[b':', s1, s2] = seconds else {
            return None;
        };
        let &[d1, d2, separator, h1, h2, colon, n1, n2] = time;
        let date = pairs_of_digits(*date, *b"0000-00-")?;
        let time = pairs_of_digits([d1, d2, b'T', h1, h2, colon, n1, n2], *b"00T00:00")?;
        let year = u32::from(date[0]) * 100 + u32::from(date[2]);
        let (month, day) = (date[5], time[0]);
        let (hour, minute) = (time[3], time[6]);
        let second = two_digits(s1, s2)?;
        if !matches!(separator, b'T' | b't' | b' ')
            || !(1..=12).contains(&month)
            || day < 1
            || day > days_of_month(year, month)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let (fraction, rest) = milliseconds(rest)?;
        let millis_of_minute = if second == 60 {
            59_999
        } else {
            u32::from(second) * 1000 + fraction
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
        let minutes = u32::from(self.hour) * 60 + u32::from(self.minute);
        // A day has 86,400,000 of them, far from what 32 bits hold.
        let millis_of_day = minutes * 60_000 + self.millis_of_minute;
        let days = days_since_1970(self.year, self.month, self.day);
        Timestamp(days * 86_400_000 + i64::from(millis_of_day))
    }

    fn of_calendar(&self) -> Option<DateTime> {
        DateTime::new(
            i16::try_from(self.year).ok()?,
            self.month.cast_signed(),
            self.day.cast_signed(),
            self.hour.cast_signed(),
            self.minute.cast_signed(),
            (self.millis_of_minute / 1000) as i8,
            (self.millis_of_minute % 1000).cast_signed() * 1_000_000,
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

/// The values of two digits each, at the place of the first of them, of eight bytes that have digits
/// where the pattern has `0`, and elsewhere what the pattern has.
///
/// All eight bytes are looked at together, in a word: byte by byte, reading the instant of an event
/// took more instructions.
///
/// ```text
/// text      2  0  2  6  -  1  1  -
/// pattern   0  0  0  0  -  0  0  -
/// pairs    20  . 26  .  . 11  .  .      (the others mean nothing)
/// ```
#[inline]
fn pairs_of_digits(text: [u8; 8], pattern: [u8; 8]) -> Option<[u8; 8]> {
    const HIGH: u64 = u64::MAX / 255 * 0x80;
    let most = pattern.map(|byte| if byte == b'0' { 9 } else { 0 });
    // A digit differs from `0` by its value, what is no digit by more than 9.
    let digits = u64::from_le_bytes(text) ^ u64::from_le_bytes(pattern);
    let room = u64::from_le_bytes(most.map(|most| 0x7f - most));
    if (digits.wrapping_add(room) | digits) & HIGH != 0 {
        return None;
    }
    Some((digits * 10).wrapping_add(digits >> 8).to_le_bytes())
}

#[inline]
fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| tens * 10 + ones)
}

/// The milliseconds of an optional fraction, and what follows it.
#[inline]
fn milliseconds(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', digits)) = bytes.split_first() else {
        return Some((0, bytes));
    };
    let mut millis = 0;
    let mut count = 0;
    while let Some(&byte) = digits.get(count)
        && byte.is_ascii_digit()
    {
        let worth = [100, 10, 1].get(count).copied().unwrap_or(0);
        millis += u32::from(byte - b'0') * worth;
        count += 1;
    }
    (count > 0).then(|| (millis, &digits[count..]))
}

/// Minutes east of UTC, of `Z` or `+hh:mm`.
#[inline]
fn zone_offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = two_digits(h1, h2).filter(|hours| *hours <= 23)?;
            let minutes = two_digits(m1, m2).filter(|minutes| *minutes <= 59)?;
            let offset = i64::from(hours) * 60 + i64::from(minutes);
            Some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

#[inline]
fn days_of_month(year: u32, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, of the years 0 to 9999.
///
/// Counts years from March, so that the leap day is the last of its year and every month's start
/// is a linear function: the algorithm of Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms". The years count from 400 before year 0, so that none is negative.
#[inline]
fn days_since_1970(year: u32, month: u8, day: u8) -> i64 {
    let year = year + 400 - u32::from(month <= 2);
    let month_from_march = (u32::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + u32::from(day) - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    i64::from(days) - 146_097 - 719_468
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
    fn the_whole_range_of_years_agrees_with_the_calendar_library() {
        for year in 0..=9999 {
            for (month, day) in [(1, 1), (2, 28), (3, 1), (12, 30)] {
                let text = format!("{year:04}-{month:02}-{day:02}T00:00:00Z");
                let expected: jiff::Timestamp = text.parse().expect("a date of the library");
                let read = Timestamp::from_rfc3339(&text).map(Timestamp::as_millis);
                assert_eq!(read, Some(expected.as_millisecond()), "{text}");
            }
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
