//! Counts of customers in many windows, added a set of windows at a time.
//!
//! ```text
//!  set        1 0 1 1 0 0 0 1                      one bit a window
//!  spread     01 00 01 01 00 00 00 01              one byte a window, added to a word of eight counts
//!  totals     each byte, added up before one of them can overflow
//! ```
//!
//! Counting window by window would cost a loop of unforeseeable length for each customer.

use crate::measure::windows::WindowSet;

const LANES: usize = WindowSet::MOST / 8;

/// By eight bits: a word with one in each byte whose bit is set.
const SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < table.len() {
        let mut place = 0;
        while place < 8 {
            if bits >> place & 1 != 0 {
                table[bits] |= 1 << (8 * place);
            }
            place += 1;
        }
        bits += 1;
    }
    table
};

/// For each window, how many sets it was in.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Eight windows each, one byte a window.
    lanes: [u64; LANES],
    /// So many sets were added since the lanes were empty, so no byte is larger.
    added: u8,
    /// What the lanes held before, by window, as far as any was counted.
    totals: Vec<u64>,
}

impl Counts {
    /// Adds one to each window of a set.
    #[inline]
    pub fn add(&mut self, set: WindowSet) {
        let mut bits = set.bits();
        for lane in &mut self.lanes {
            if bits == 0 {
                break;
            }
            *lane += SPREAD[usize::from(bits as u8)];
            bits >>= 8;
        }
        self.added += 1;
        if self.added == u8::MAX {
            self.add_up();
        }
    }

    #[cold]
    fn add_up(&mut self) {
        // Few windows need few totals: of segments there can be many.
        let used = self.lanes.iter().rposition(|lane| *lane != 0);
        let used = 8 * used.map_or(0, |last| last + 1);
        self.totals.resize(used.max(self.totals.len()), 0);
        let bytes = self.lanes.iter().flat_map(|lane| lane.to_le_bytes());
        for (total, byte) in self.totals.iter_mut().zip(bytes) {
            *total += u64::from(byte);
        }
        self.lanes = [0; LANES];
        self.added = 0;
    }

    /// The count of a window.
    #[must_use]
    pub fn of(&self, place: usize) -> u64 {
        let waiting = self.lanes[place / 8].to_le_bytes()[place % 8];
        self.totals.get(place).copied().unwrap_or(0) + u64::from(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_is_counted_as_often_as_it_was_in_a_set() {
        let mut counts = Counts::default();
        for sets in 0..1_000 {
            counts.add(WindowSet::first(sets % 65));
        }
        for place in 0..WindowSet::MOST {
            let expected = (0..1_000).filter(|sets| sets % 65 > place).count();
            assert_eq!(counts.of(place), expected as u64, "{place}");
        }
    }
}
