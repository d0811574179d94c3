//! Sums over the steps of a series, kept as changes from one step to the next: what holds for a run
//! of steps costs the same for any number of them.
//!
//! ```text
//!  steps      0   1   2   3   4   5
//!  add 1..4       +1          -1
//!  totals     0   1   1   1   0   0
//! ```

use std::ops::Range;

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
