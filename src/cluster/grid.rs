//! The grid: the instants at which instances that share the work evaluate, the same for all of them.
//!
//! ```text
//!  1970          T - step        T          T + step
//!   |----- ... -----|------------|------------|------->
//!                                ^     ^
//!                            floor   reached
//! ```

use std::time::Duration;

use crate::event::Timestamp;

/// However often a single instance evaluates: instances tell each other no more than this often.
const LEAST_MILLIS: i64 = 5_000;

/// Multiples of one length of time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    step_millis: i64,
}

impl Grid {
    /// The grid of instances that evaluate this often, or every 5 seconds if that is longer.
    #[must_use]
    pub fn of(evaluation_interval: Duration) -> Self {
        let millis = i64::try_from(evaluation_interval.as_millis()).unwrap_or(i64::MAX);
        Self {
            step_millis: millis.max(LEAST_MILLIS),
        }
    }

    /// The time between two instants, in milliseconds: at least 5,000.
    #[must_use]
    pub const fn step_millis(self) -> i64 {
        self.step_millis
    }

    /// The last instant of the grid that is not after this one.
    #[must_use]
    pub const fn floor(self, at: Timestamp) -> Timestamp {
        let millis = at.as_millis();
        Timestamp::from_millis(millis - millis.rem_euclid(self.step_millis))
    }

    /// Whether this is one of the instants.
    #[must_use]
    pub const fn has(self, at: Timestamp) -> bool {
        at.as_millis() % self.step_millis == 0
    }

    /// So many steps after an instant.
    #[must_use]
    pub const fn after(self, at: Timestamp, steps: i64) -> Timestamp {
        at.plus_millis(self.step_millis.saturating_mul(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_multiples_of_the_interval_and_never_closer_than_five_seconds() {
        let check = |interval: u64, at: i64, floor: i64| {
            let grid = Grid::of(Duration::from_millis(interval));
            let expected = Timestamp::from_millis(floor);
            assert_eq!(
                grid.floor(Timestamp::from_millis(at)),
                expected,
                "{interval}"
            );
            assert!(grid.has(expected));
        };
        check(1_000, 1_762_000_004_999, 1_762_000_000_000);
        check(1_000, 1_762_000_005_000, 1_762_000_005_000);
        check(60_000, 1_762_000_085_000, 1_762_000_080_000);
        check(5_000, -1, -5_000);
    }

    #[test]
    fn steps_lead_from_instant_to_instant() {
        let grid = Grid::of(Duration::from_secs(7));
        let at = Timestamp::from_millis(70_000);
        assert_eq!(grid.after(at, 3), Timestamp::from_millis(91_000));
        assert_eq!(grid.after(at, -1), Timestamp::from_millis(63_000));
        assert!(!grid.has(Timestamp::from_millis(71_000)));
    }
}
