//! When people are busy: time of day, day of the week, month of the year.
//!
//! Owns the translation between instants and *shares of the business* of a span: 0.5 is the instant
//! before which half of what happens in the span has happened. Whatever is uniform in shares has
//! the daily, weekly and yearly rhythm in instants, so that the lives of customers need not know of
//! clocks. Promises to be monotonic. Does not know customers.

/// One hour in milliseconds.
pub const HOUR: i64 = 3_600_000;
/// Twenty-four hours in milliseconds.
pub const DAY: i64 = 24 * HOUR;

/// Business by local hour: a quiet night, lunch, and a peak in the evening.
const BY_HOUR: [u64; 24] = [
    22, 12, 8, 6, 6, 10, 20, 38, 56, 70, 78, 84, 92, 86, 80, 78, 82, 90, 100, 118, 132, 124, 86, 46,
];
/// Business by weekday, from Monday.
const BY_WEEKDAY: [u64; 7] = [104, 98, 96, 98, 102, 106, 96];
/// Business by month, from January: holidays in summer, presents at the end of the year.
const BY_MONTH: [u64; 12] = [92, 90, 96, 97, 99, 95, 88, 87, 98, 104, 124, 130];

/// The rhythm of one span of whole days in one zone.
#[derive(Debug)]
pub struct Season {
    start: i64,
    /// Share of the business before each hour of the span, and 1 at the end.
    before: Vec<f64>,
    /// For each of as many equal shares as there are hours: the hour in which it begins.
    guide: Vec<u32>,
}

impl Season {
    /// The rhythm of `days` days from `start` (Unix milliseconds) at a fixed offset from UTC.
    pub fn new(start: i64, days: u32, offset_minutes: i32) -> Self {
        let hours = i64::from(days) * 24;
        let local = start + i64::from(offset_minutes) * 60_000;
        let weights = (0..hours).map(|hour| business_of_hour(local + hour * HOUR));
        let mut sums = vec![0_u64];
        let mut sum = 0;
        for weight in weights {
            sum += weight;
            sums.push(sum);
        }
        let before: Vec<f64> = sums.iter().map(|part| *part as f64 / sum as f64).collect();
        let guide = guide(&before);
        Self {
            start,
            before,
            guide,
        }
    }

    /// The instant before which this share, in `[0, 1)`, of the business is done.
    pub fn instant(&self, share: f64) -> i64 {
        let slots = self.guide.len();
        let slot = ((share * slots as f64) as usize).min(slots - 1);
        let mut hour = self.guide[slot] as usize;
        while hour + 2 < self.before.len() && self.before[hour + 1] <= share {
            hour += 1;
        }
        let (from, to) = (self.before[hour], self.before[hour + 1]);
        let millis = ((share - from) / (to - from) * HOUR as f64) as i64;
        self.start + hour as i64 * HOUR + millis.clamp(0, HOUR - 1)
    }

    /// The share of the business before an instant; 0 before the span, 1 after it.
    pub fn share(&self, instant: i64) -> f64 {
        let hours = self.guide.len() as i64;
        let millis = (instant - self.start).clamp(0, hours * HOUR);
        let hour = (millis / HOUR).min(hours - 1) as usize;
        let (from, to) = (self.before[hour], self.before[hour + 1]);
        from + (to - from) * ((millis - hour as i64 * HOUR) as f64 / HOUR as f64)
    }
}

fn guide(before: &[f64]) -> Vec<u32> {
    let slots = before.len() - 1;
    let mut hour = 0;
    (0..slots)
        .map(|slot| {
            let share = slot as f64 / slots as f64;
            while hour + 2 < before.len() && before[hour + 1] <= share {
                hour += 1;
            }
            hour as u32
        })
        .collect()
}

/// The business of the hour that begins at a local instant, in units without a meaning.
fn business_of_hour(local: i64) -> u64 {
    let day = local.div_euclid(DAY);
    let hour = local.rem_euclid(DAY) / HOUR;
    // 1970-01-01 was a Thursday.
    let weekday = (day + 3).rem_euclid(7);
    let (_, month, _) = date(day);
    BY_HOUR[hour as usize] * BY_WEEKDAY[weekday as usize] * BY_MONTH[usize::from(month) - 1]
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01.
///
/// The algorithm of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years are counted
/// from March, so that the leap day is the last of its year.
pub fn date(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z
    const NEW_YEAR: i64 = 1_767_225_600_000;

    #[test]
    fn shares_and_instants_are_inverse_and_monotonic() {
        for (days, offset) in [(1, 0), (30, 540), (400, -300)] {
            let start = NEW_YEAR - 7_654_321;
            let end = start + i64::from(days) * DAY;
            let season = Season::new(start, days, offset);
            let mut last = i64::MIN;
            for step in 0..10_000 {
                let share = f64::from(step) / 10_000.0;
                let instant = season.instant(share);
                assert!((start..end).contains(&instant) && instant >= last);
                let back = season.share(instant);
                assert!((back - share).abs() < 1e-6, "{share} came back as {back}");
                last = instant;
            }
            assert_eq!(season.share(start - 1).to_bits(), 0.0_f64.to_bits());
            assert_eq!(season.share(end).to_bits(), 1.0_f64.to_bits());
        }
    }

    #[test]
    fn evenings_and_decembers_are_busy_where_the_customer_lives() {
        let start = NEW_YEAR - 365 * DAY;
        let tokyo = Season::new(start, 365, 540);
        let during = |from: i64, to: i64| tokyo.share(from + to) - tokyo.share(from);
        let noon_utc = start + 100 * DAY + 11 * HOUR;
        let night = noon_utc + 8 * HOUR;
        assert!(during(noon_utc, HOUR) > 5.0 * during(night, HOUR));
        let week_of_december = during(start + 345 * DAY, 7 * DAY);
        let week_of_july = during(start + 195 * DAY, 7 * DAY);
        assert!(week_of_december > 1.3 * week_of_july);
    }

    #[test]
    fn dates_agree_with_the_calendar_library() {
        let epoch = jiff::civil::date(1970, 1, 1);
        let mut day = jiff::civil::date(1999, 12, 30);
        for _ in 0..26_000 {
            let since = epoch.until(day).expect("far from the end of time");
            let expected = (i64::from(day.year()), day.month() as u8, day.day() as u8);
            assert_eq!(date(i64::from(since.get_days())), expected);
            day = day.tomorrow().expect("far from the end of time");
        }
    }
}
