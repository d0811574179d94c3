//! Sums over the steps of a series, kept as changes from one step to the next: what holds for a run
//! of steps costs the same for any number of them.
//!
//! ```text
//!  steps      0   1   2   3   4   5
//!  add 1..4       +1          -1
//!  totals     0   1   1   1   0   0
//! ```

use std::ops::Range;

use crate::event::Timestamp;

/// The instants of a series, each of them one step.
#[derive(Debug, Clone)]
pub struct Steps {
    instants: Vec<Timestamp>,
}

impl Steps {
    /// For instants in ascending order.
    #[must_use]
    pub const fn new(instants: Vec<Timestamp>) -> Self {
        Self { instants }
    }

    #[must_use]
    pub fn instants(&self) -> &[Timestamp] {
        &self.instants
    }

    /// The first step that lies after `at`; the number of steps if none does.
    #[must_use]
    pub fn after(&self, at: Timestamp) -> usize {
        // Reports are of one instant, and that is decided without a search.
        match self.instants.as_slice() {
            [only] => usize::from(*only <= at),
            instants => instants.partition_point(|instant| *instant <= at),
        }
    }
}

/// Counts of several kinds by step.
#[derive(Debug, Clone)]
pub struct Runs<const KINDS: usize> {
    changes: Vec<[i64; KINDS]>,
}

impl<const KINDS: usize> Runs<KINDS> {
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self {
            changes: vec![[0; KINDS]; steps + 1],
        }
    }

    /// Adds one of a kind to each step of a range, which may be empty.
    pub fn add(&mut self, steps: Range<usize>, kind: usize) {
        if steps.start < steps.end {
            self.changes[steps.start][kind] += 1;
            self.changes[steps.end][kind] -= 1;
        }
    }

    /// The counts of each step.
    pub fn totals(self) -> impl Iterator<Item = [u64; KINDS]> {
        let mut total = [0_i64; KINDS];
        let steps = self.changes.len() - 1;
        self.changes.into_iter().take(steps).map(move |changes| {
            for (total, change) in total.iter_mut().zip(changes) {
                *total += change;
            }
            total.map(i64::unsigned_abs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_after_an_instant_is_found_in_series_of_any_length() {
        let at = Timestamp::from_millis;
        for length in 0..5 {
            let steps = Steps::new((0..length).map(|step| at(10 * step)).collect());
            for instant in -1..=10 * length {
                let expected = (0..length).filter(|step| 10 * step <= instant).count();
                assert_eq!(steps.after(at(instant)), expected, "{length} {instant}");
            }
        }
    }

    #[test]
    fn a_run_counts_at_each_of_its_steps() {
        let mut runs = Runs::<2>::new(4);
        runs.add(1..3, 0);
        runs.add(0..4, 0);
        runs.add(3..4, 1);
        runs.add(2..2, 1);
        let totals: Vec<[u64; 2]> = runs.totals().collect();
        assert_eq!(totals, [[1, 0], [2, 0], [2, 0], [1, 1]]);
    }
}
