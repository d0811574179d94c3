//! Virtual partitions whose truth at any instant can be counted.

use super::dice::Dice;

/// Milliseconds for which a record can stay out of sight of readers, after it was recorded.
pub const LATE: i64 = 1_500;

#[derive(Clone, Copy)]
pub struct Event {
    pub occurred_at: i64,
    pub recorded_at: i64,
    visible_at: i64,
}

#[derive(Default)]
pub struct Partition {
    events: Vec<Event>,
}

impl Partition {
    pub fn append(&mut self, now: i64, dice: &mut Dice) {
        let before = self.events.last();
        let recorded_at = now.max(before.map_or(0, |event| event.recorded_at + 1));
        let visible_at = recorded_at + dice.between(0, LATE);
        let late = if dice.one_in(4) {
            dice.between(0, 60_000)
        } else {
            0
        };
        self.events.push(Event {
            occurred_at: recorded_at - late,
            recorded_at,
            visible_at: visible_at.max(before.map_or(0, |event| event.visible_at)),
        });
    }

    pub fn event(&self, offset: i64) -> Event {
        self.events[usize::try_from(offset).unwrap()]
    }

    /// The end of the partition as who asks then is told.
    pub fn end(&self, now: i64) -> i64 {
        let visible = self.events.partition_point(|event| event.visible_at <= now);
        i64::try_from(visible).unwrap()
    }

    /// The offset of the first record that was recorded at an instant or later.
    pub fn recorded_before(&self, at: i64) -> i64 {
        let before = self.events.partition_point(|event| event.recorded_at < at);
        i64::try_from(before).unwrap()
    }

    /// How many events before an instant there are between two offsets.
    pub fn truth(&self, at: i64, first: i64, next: i64) -> u64 {
        let range = usize::try_from(first).unwrap()..usize::try_from(next).unwrap();
        let known = self.events[range].iter();
        known.filter(|event| event.occurred_at < at).count() as u64
    }
}
