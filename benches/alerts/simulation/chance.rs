//! Draws: the bits are those of the simulation of crashes, the distributions stand here.

#[path = "../../../tests/simulation/dice.rs"]
#[expect(dead_code, reason = "only the bits are needed")]
mod dice;

use dice::Dice;

/// A stream of draws, the same for the same numbers.
#[derive(Debug, Clone)]
pub struct Chance(Dice);

impl Chance {
    /// The stream of a cell of a table and of a run in it.
    pub fn of(seed: u64, cell: u64, run: u64) -> Self {
        let mut of_seed = Dice::new(seed);
        let mut of_cell = Dice::new(of_seed.next() ^ cell);
        Self(Dice::new(of_cell.next() ^ run))
    }

    /// A number in `[0, 1)`.
    pub fn share(&mut self) -> f64 {
        (self.0.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number in `[0, end)`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    /// A number of independent rare things, Poisson distributed: uniform numbers are multiplied
    /// until the product falls below the probability of none (Knuth, "The Art of Computer
    /// Programming", volume 2). For means up to some tens.
    pub fn count(&mut self, mean: f64) -> usize {
        let none = (-mean).exp();
        let mut product = self.share();
        let mut count = 0;
        while product > none {
            count += 1;
            product *= self.share();
        }
        count
    }
}
