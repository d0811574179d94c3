//! How fast records go.
//!
//! Owns the arithmetic of a rate limit: which record is due when. Promises no drift: what was late
//! is caught up with. Does not wait itself and asks no clock; the elapsed time is an argument.

use std::time::Duration;

/// A limit of records a second, from the first one on.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Records a second, above 0.
    rate: f64,
}

impl Pace {
    /// A limit of that many records a second; none when it is not a positive number.
    #[must_use]
    pub fn new(rate: f64) -> Option<Self> {
        (rate.is_finite() && rate > 0.0).then_some(Self { rate })
    }

    /// How long the next record has to wait when so many were sent in the time elapsed.
    #[must_use]
    pub fn wait(&self, sent: u64, elapsed: Duration) -> Duration {
        let due = sent as f64 / self.rate;
        Duration::try_from_secs_f64(due - elapsed.as_secs_f64()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_waits_for_its_turn_and_a_late_one_for_nothing() {
        let check = |rate: f64, sent: u64, elapsed_millis: u64, expected_millis: u64| {
            let wait =
                Pace::new(rate).map(|pace| pace.wait(sent, Duration::from_millis(elapsed_millis)));
            assert_eq!(wait, Some(Duration::from_millis(expected_millis)));
        };
        check(100.0, 0, 0, 0);
        check(100.0, 1, 0, 10);
        check(100.0, 200, 1_500, 500);
        check(100.0, 200, 2_500, 0);
        check(0.5, 1, 500, 1_500);
    }

    #[test]
    fn no_rate_is_not_a_rate() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Pace::new(rate).is_none(), "{rate}");
        }
    }
}
