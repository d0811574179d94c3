//! The clock of a shard: time as the log tells it.
//!
//! Nothing here asks what time it is. The clock goes by the Kafka timestamps of the records, so
//! every instance that folds the same records sees the same clock.

use crate::event::Timestamp;
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};

/// How far the clock may leap without confirmation, in milliseconds.
const LEAP: i64 = 86_400_000;
/// Records in a row that must agree before a leap is believed.
const WITNESSES: u32 = 16;

/// The newest Kafka timestamp of a shard, in two degrees of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogClock {
    newest: Option<Timestamp>,
    confirmed: Option<Timestamp>,
    /// The smallest instant of the leaping records in a row, and their number.
    leap: Option<(Timestamp, u32)>,
}

impl LogClock {
    /// Takes note of a record's timestamp; implausible ones (before 2000, after 2069) are ignored.
    pub fn observe(&mut self, at: Timestamp) {
        if !at.plausible() {
            return;
        }
        self.newest = self.newest.max(Some(at));
        if let Some(confirmed) = self.confirmed
            && at <= confirmed.plus_millis(LEAP)
        {
            self.confirmed = Some(confirmed.max(at));
            self.leap = None;
            return;
        }
        let (first, count) = self.leap.unwrap_or((at, 0));
        let leap = (first.min(at), count + 1);
        if leap.1 >= WITNESSES {
            self.confirmed = Some(leap.0);
            self.leap = None;
        } else {
            self.leap = Some(leap);
        }
    }

    /// The newest timestamp seen.
    #[must_use]
    pub const fn newest(self) -> Option<Timestamp> {
        self.newest
    }

    /// The newest timestamp that can be trusted with deleting things: a leap of more than a day
    /// counts only after 16 records in a row have made it, so that one producer with a wrong clock
    /// cannot prune the history or make a partition look read.
    #[must_use]
    pub const fn confirmed(self) -> Option<Timestamp> {
        self.confirmed
    }
}

impl Part for LogClock {
    type Needs<'a> = ();

    fn write(&self, out: &mut Writer) {
        out.instant(self.newest);
        out.instant(self.confirmed);
        out.instant(self.leap.map(|(at, _)| at));
        out.u32(self.leap.map_or(0, |(_, count)| count));
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Result<Self, Unusable> {
        let (newest, confirmed) = (from.instant()?, from.instant()?);
        let (leap, count) = (from.instant()?, from.u32()?);
        let implausible = |at: &Timestamp| !at.plausible();
        let possible = leap.map_or(0..1, |_| 1..WITNESSES).contains(&count);
        if [newest, confirmed, leap].iter().flatten().any(implausible) || !possible {
            return Err(Unusable::Damaged("a clock is none"));
        }
        Ok(Self {
            newest,
            confirmed,
            leap: leap.map(|at| (at, count)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::FIRST.plus_millis(n * LEAP)
    }

    #[test]
    fn a_leap_needs_sixteen_witnesses_in_a_row() {
        let mut clock = LogClock::default();
        for _ in 0..15 {
            clock.observe(day(100));
            assert_eq!(clock.confirmed(), None);
        }
        clock.observe(day(101));
        assert_eq!(clock.confirmed(), Some(day(100)));
        clock.observe(day(101));
        assert_eq!(clock.confirmed(), Some(day(101)));
        for _ in 0..40 {
            clock.observe(day(5000));
            clock.observe(day(90));
        }
        assert_eq!(clock.confirmed(), Some(day(101)));
        assert_eq!(clock.newest(), Some(day(5000)));
        for n in 0..16 {
            clock.observe(day(300 + n));
        }
        assert_eq!(clock.confirmed(), Some(day(300)));
    }

    #[test]
    fn implausible_timestamps_are_ignored() {
        let mut clock = LogClock::default();
        clock.observe(Timestamp::from_millis(-1));
        clock.observe(Timestamp::from_millis(i64::MAX));
        assert_eq!(clock, LogClock::default());
    }
}
