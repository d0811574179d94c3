//! Repeated log lines: one in ten seconds, with the number of those left out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least time between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets one line of a kind pass in ten seconds.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Past>);

#[derive(Debug, Default)]
struct Past {
    passed_at: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// The number of lines left out since the last one if this one may be written.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if past
            .passed_at
            .is_some_and(|passed_at| now < passed_at + PAUSE)
        {
            past.suppressed += 1;
            return None;
        }
        past.passed_at = Some(now);
        Some(std::mem::take(&mut past.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_passes_and_counts_those_left_out() {
        let throttle = Throttle::default();
        let start = Instant::now();
        assert_eq!(throttle.pass_at(start), Some(0));
        assert_eq!(throttle.pass_at(start), None);
        assert_eq!(throttle.pass_at(start + PAUSE / 2), None);
        assert_eq!(throttle.pass_at(start + PAUSE), Some(2));
        assert_eq!(throttle.pass_at(start + PAUSE * 2), Some(0));
    }
}
