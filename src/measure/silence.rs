//! Silence: when events of each type came last, and how often they usually come.
//!
//! Owns what tells a source that has gone silent from one that is quiet at this hour. Counts events
//! and not customers: of one customer, events of one type at one millisecond are one.
//!
//! ```text
//!    T - 35d                       T - 28d               T - 7d                        T
//!      |                              |                     |                          |
//!      |                              |------ usual gap: how many events are here -----|
//!      |---- the newest 30 of these: how long did they take? -|           latest  o    |
//! ```
//!
//! What happened between two instants of a series is kept with the later of them, and carried on
//! from there at the end, so that an event costs the same for any number of instants.

use serde::{Deserialize, Serialize};

use crate::event::{EventType, Timestamp};
use crate::measure::life::Life;
use crate::measure::runs::{Runs, Steps};

const DAY: i64 = 86_400_000;

/// The usual gap is that of so long before the instant.
pub const USUAL_MILLIS: i64 = 28 * DAY;
/// How long before the instant the stretch to compare with ends.
pub const WEEK_MILLIS: i64 = 7 * DAY;
/// No event from longer before the instant matters.
pub const REACH_MILLIS: i64 = 35 * DAY;
/// So many events make a stretch.
pub const STRETCH: usize = 30;

/// Before everything that can happen.
const NEVER: Timestamp = Timestamp::from_millis(i64::MIN);

/// The sums of one instant and one type of event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SilenceSums {
    /// The newest event in the 35 days before the instant.
    pub latest: Option<Timestamp>,
    /// Events in the 28 days before the instant.
    pub events: u64,
    /// The newest events in the 28 days that end a week before the instant, the newest first: at most
    /// [`STRETCH`].
    pub week_ago: Vec<Timestamp>,
}

impl SilenceSums {
    pub fn merge(&mut self, other: &Self) {
        self.latest = self.latest.max(other.latest);
        self.events += other.events;
        for at in &other.week_ago {
            insert(&mut self.week_ago, *at);
        }
    }

    /// The events of a whole stretch took so long, counted back from a week before the instant, in
    /// milliseconds; None if there were fewer.
    #[must_use]
    pub fn stretch_millis(&self, at: Timestamp) -> Option<i64> {
        let first = self.week_ago.get(STRETCH - 1)?;
        Some(at.as_millis() - WEEK_MILLIS - first.as_millis())
    }
}

/// Keeps the newest of the times, the newest first.
fn insert(newest: &mut Vec<Timestamp>, at: Timestamp) {
    // Mostly so, once there are enough.
    if newest.get(STRETCH - 1).is_some_and(|last| *last >= at) {
        return;
    }
    let place = newest.partition_point(|other| *other > at);
    if place < STRETCH {
        newest.truncate(STRETCH - 1);
        newest.insert(place, at);
    }
}

/// The sums while an evaluation is under way, of all its instants.
#[derive(Debug)]
pub struct SilenceTally {
    steps: Steps,
    /// The same, a week earlier.
    week_ago: Steps,
    /// What happened earlier matters to no instant.
    since: Timestamp,
    counts: Runs<4>,
    /// By step: what lies between the instant before and this one.
    between: Vec<[Between; 4]>,
}

#[derive(Debug, Clone)]
struct Between {
    latest: Timestamp,
    /// A week earlier; the newest first.
    week_ago: Vec<Timestamp>,
}

impl Default for Between {
    fn default() -> Self {
        Self {
            latest: NEVER,
            week_ago: Vec::new(),
        }
    }
}

impl SilenceTally {
    /// For instants in ascending order.
    #[must_use]
    pub fn new(instants: Vec<Timestamp>) -> Self {
        let first = instants.first().copied().unwrap_or(Timestamp::FIRST);
        let week_ago = instants.iter().map(|at| at.minus_millis(WEEK_MILLIS));
        Self {
            week_ago: Steps::new(week_ago.collect()),
            since: first.minus_millis(REACH_MILLIS),
            counts: Runs::new(instants.len()),
            between: vec![<[Between; 4]>::default(); instants.len()],
            steps: Steps::new(instants),
        }
    }

    /// Counts the events of a customer.
    pub fn add(&mut self, life: &Life) {
        if life.last_event_at() < self.since {
            return;
        }
        self.add_all(EventType::Signup, life.signups.iter().copied());
        self.add_all(
            EventType::Purchase,
            life.orders.iter().map(|order| order.at),
        );
        self.add_all(EventType::Churn, life.churns.iter().copied());
        let answers = life.answers.iter().map(|answer| answer.at);
        self.add_all(EventType::SurveySubmitted, answers);
    }

    /// Counts events of one type and one customer, in order of time.
    fn add_all(&mut self, kind: EventType, times: impl DoubleEndedIterator<Item = Timestamp>) {
        let since = self.since;
        let mut later = None;
        for at in times.rev().take_while(|at| *at >= since) {
            if later.replace(at) != Some(at) {
                self.event(kind as usize, at);
            }
        }
    }

    fn event(&mut self, kind: usize, at: Timestamp) {
        let first = self.steps.after(at);
        let gone = self.steps.after(at.plus_millis(USUAL_MILLIS));
        self.counts.add(first..gone, kind);
        if let Some(between) = self.between.get_mut(first) {
            let latest = &mut between[kind].latest;
            *latest = at.max(*latest);
        }
        let first = self.week_ago.after(at);
        if let Some(between) = self.between.get_mut(first) {
            insert(&mut between[kind].week_ago, at);
        }
    }

    /// The sums of each instant, by type of event in the order of [`EventType::ALL`].
    pub fn finish(self) -> impl Iterator<Item = [SilenceSums; 4]> {
        let mut known = <[Between; 4]>::default();
        let steps = self.steps.instants().to_vec().into_iter();
        let added = self.counts.totals().zip(self.between);
        steps.zip(added).map(move |(at, (counts, between))| {
            let since = at.minus_millis(REACH_MILLIS);
            for (known, between) in known.iter_mut().zip(&between) {
                known.carry_on(between, since);
            }
            let mut sums = <[SilenceSums; 4]>::default();
            for ((sums, known), events) in sums.iter_mut().zip(&known).zip(counts) {
                *sums = SilenceSums {
                    latest: (known.latest >= since).then_some(known.latest),
                    events,
                    week_ago: known.week_ago.clone(),
                };
            }
            sums
        })
    }
}

impl Between {
    /// Adds what happened since, and drops what no longer matters.
    fn carry_on(&mut self, since_then: &Self, since: Timestamp) {
        self.latest = self.latest.max(since_then.latest);
        for at in &since_then.week_ago {
            insert(&mut self.week_ago, *at);
        }
        let kept = self.week_ago.partition_point(|at| *at >= since);
        self.week_ago.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_thirty_stay_in_whatever_order_they_come() {
        let at = Timestamp::from_millis;
        // 0, 37, 74 and so on modulo 100: each number below 100 once, in no order.
        let mut newest = Vec::new();
        for number in 0..100 {
            insert(&mut newest, at(number * 37 % 100));
        }
        let expected: Vec<Timestamp> = (70..100).rev().map(at).collect();
        assert_eq!(newest, expected);
        insert(&mut newest, at(99));
        assert_eq!(newest[..2], [at(99), at(99)]);
        assert_eq!(newest.last(), Some(&at(71)));
    }
}
