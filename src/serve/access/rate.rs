//! How many requests are answered: a bucket of tokens, one more in each interval.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::web::Rate;

/// Tokens, one for each request.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// The instant from which on the bucket is full if nobody takes anything.
    full_at: Mutex<Instant>,
}

impl Bucket {
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: Mutex::new(Instant::now()),
        }
    }

    /// Takes a token, if there is one.
    pub fn admits(&self) -> bool {
        self.admits_at(Instant::now())
    }

    fn admits_at(&self, now: Instant) -> bool {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_after = full_at.saturating_duration_since(now) + self.rate.interval;
        let capacity: Duration = self.rate.interval.saturating_mul(self.rate.burst);
        if full_after > capacity {
            return false;
        }
        *full_at = now + full_after;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_one_in_each_interval() {
        let interval = Duration::from_secs(10);
        let bucket = Bucket::new(Rate { interval, burst: 3 });
        let start = Instant::now();
        let taken = |at: u64| bucket.admits_at(start + Duration::from_secs(at));
        let admitted = [0, 0, 0, 0, 9, 10, 11, 19, 20, 100, 100, 100, 100].map(taken);
        let expected = [
            true, true, true, false, false, true, false, false, true, true, true, true, false,
        ];
        assert_eq!(admitted, expected);
    }
}
