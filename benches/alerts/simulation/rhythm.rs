//! When answers and departures come: by hour of the day and day of the week.

use super::{DAY, Step};

/// Business by hour: a quiet night, lunch, and a peak in the evening.
const BY_HOUR: [f64; 24] = [
    22., 12., 8., 6., 6., 10., 20., 38., 56., 70., 78., 84., 92., 86., 80., 78., 82., 90., 100.,
    118., 132., 124., 86., 46.,
];
/// Business by weekday, from Monday: most surveys are sent on working days.
const BY_WEEKDAY: [f64; 7] = [118., 112., 108., 106., 104., 80., 72.];

const HOUR: Step = DAY / 24;

/// The mean number that comes in each step of a week.
#[derive(Debug, Clone)]
pub struct Rhythm(Vec<f64>);

impl Rhythm {
    /// So many a day in the mean over a week.
    pub fn new(a_day: f64) -> Self {
        let weights = (0..7 * 24).map(|hour| BY_HOUR[hour % 24] * BY_WEEKDAY[hour / 24]);
        let weights: Vec<f64> = weights.collect();
        let a_week: f64 = weights.iter().sum();
        let mean = |weight: &f64| 7.0 * a_day * weight / a_week / HOUR as f64;
        Self(weights.iter().map(mean).collect())
    }

    /// The mean number that comes in a step.
    pub fn mean(&self, at: Step) -> f64 {
        self.0[at / HOUR % self.0.len()]
    }
}
