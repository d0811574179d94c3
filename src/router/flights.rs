//! Flights: what was read and is not yet acknowledged, by where it was read.
//!
//! Owns the answer to one question: up to which offset of each partition may be committed. Promises
//! that it is never past a record of which anything is still under way. Does no I/O.
//!
//! ```text
//!   offsets    40   41   42   43   44   45
//!   events     1    0    3    1    1         <- handed to the producer
//!   landed     1         2         1
//!                        ^                    42 has one event under way: commit 42
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::kafka::Place;

/// Everything that is under way.
#[derive(Debug, Default)]
pub struct Flights {
    tracks: BTreeMap<Place, Track>,
    under_way: HashMap<usize, Flight>,
    /// Of the next flight.
    number: usize,
    bytes: usize,
    /// How often partitions were given away.
    handovers: u64,
}

/// An event on its way.
#[derive(Debug)]
struct Flight {
    place: Place,
    offset: i64,
    bytes: usize,
}

/// A partition that is read.
#[derive(Debug)]
struct Track {
    /// Everything before it was read.
    next: i64,
    committed: Option<i64>,
    /// How many events of a record are under way, by its offset.
    open: BTreeMap<i64, u32>,
}

impl Track {
    fn durable(&self) -> i64 {
        let open = self.open.first_key_value();
        open.map_or(self.next, |(offset, _)| *offset)
    }
}

impl Flights {
    /// Begins to read a partition at this offset.
    pub fn begin(&mut self, place: Place, offset: i64) {
        let track = Track {
            next: offset,
            committed: None,
            open: BTreeMap::new(),
        };
        self.tracks.insert(place, track);
    }

    /// Reads none of the partitions any more: what is under way lands for nobody.
    pub fn forget_all(&mut self) {
        self.tracks.clear();
        self.under_way.clear();
        self.bytes = 0;
        self.handovers += 1;
    }

    /// Grows whenever partitions are given away: what was noted of them before is nobody's any more.
    #[must_use]
    pub fn handovers(&self) -> u64 {
        self.handovers
    }

    /// Whether a partition is read, and this offset of it is the next or a later one.
    #[must_use]
    pub fn expects(&self, place: Place, offset: i64) -> bool {
        let track = self.tracks.get(&place);
        track.is_some_and(|track| offset >= track.next)
    }

    /// Notes an event of a record, and answers with the number under which it is to be sent.
    pub fn takes_off(&mut self, place: Place, offset: i64, bytes: usize) -> usize {
        self.number += 1;
        let flight = Flight {
            place,
            offset,
            bytes,
        };
        self.under_way.insert(self.number, flight);
        self.bytes += bytes;
        if let Some(track) = self.tracks.get_mut(&place) {
            *track.open.entry(offset).or_default() += 1;
        }
        self.number
    }

    /// Notes that an event was acknowledged. False for one that nobody waits for.
    pub fn landed(&mut self, number: usize) -> bool {
        let Some(flight) = self.under_way.remove(&number) else {
            return false;
        };
        self.bytes -= flight.bytes;
        if let Some(track) = self.tracks.get_mut(&flight.place)
            && let Some(open) = track.open.get_mut(&flight.offset)
        {
            *open -= 1;
            if *open == 0 {
                track.open.remove(&flight.offset);
            }
        }
        true
    }

    /// Notes that a record was read, with everything that was made of it.
    pub fn read(&mut self, place: Place, offset: i64) {
        self.steps_to(place, offset + 1);
    }

    /// Notes that there is nothing to read before this offset.
    pub fn steps_to(&mut self, place: Place, next: i64) {
        if let Some(track) = self.tracks.get_mut(&place) {
            track.next = track.next.max(next);
        }
    }

    /// Bytes under way.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Up to which offset each partition that is read may be committed.
    #[must_use]
    pub fn durable(&self) -> Vec<(Place, i64)> {
        let tracks = self.tracks.iter();
        tracks
            .map(|(place, track)| (*place, track.durable()))
            .collect()
    }

    /// Whether this offset was not committed yet.
    #[must_use]
    pub fn is_news(&self, place: Place, offset: i64) -> bool {
        let track = self.tracks.get(&place);
        track.is_some_and(|track| track.committed.is_none_or(|committed| committed < offset))
    }

    /// Notes what is being committed.
    pub fn committed(&mut self, place: Place, offset: i64) {
        if let Some(track) = self.tracks.get_mut(&place) {
            track.committed = Some(offset);
        }
    }

    /// What was committed may not have been: all of it is news again.
    pub fn commit_again(&mut self) {
        for track in self.tracks.values_mut() {
            track.committed = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place {
        topic: 1,
        partition: 4,
    };

    fn durable(flights: &Flights) -> i64 {
        flights.durable()[0].1
    }

    #[test]
    fn a_record_is_durable_once_all_of_its_events_are() {
        let mut flights = Flights::default();
        flights.begin(PLACE, 40);
        assert_eq!(durable(&flights), 40);
        let first = flights.takes_off(PLACE, 40, 10);
        let second = flights.takes_off(PLACE, 40, 10);
        flights.read(PLACE, 40);
        flights.read(PLACE, 41);
        assert_eq!((durable(&flights), flights.bytes()), (40, 20));
        assert!(flights.landed(second));
        assert_eq!(durable(&flights), 40);
        assert!(flights.landed(first));
        assert_eq!((durable(&flights), flights.bytes()), (42, 0));
        assert!(!flights.landed(first));
        flights.steps_to(PLACE, 45);
        flights.steps_to(PLACE, 43);
        assert_eq!(durable(&flights), 45);
        assert!(!flights.expects(PLACE, 44) && flights.expects(PLACE, 45));
    }

    #[test]
    fn what_lands_for_a_partition_that_was_given_away_changes_nothing() {
        let mut flights = Flights::default();
        flights.begin(PLACE, 5);
        let old = flights.takes_off(PLACE, 5, 1);
        flights.forget_all();
        assert!(flights.is_empty() && flights.durable().is_empty());
        assert_eq!(flights.handovers(), 1);
        flights.begin(PLACE, 5);
        flights.takes_off(PLACE, 5, 1);
        flights.read(PLACE, 5);
        assert!(!flights.landed(old));
        assert_eq!(durable(&flights), 5);
    }

    #[test]
    fn what_is_committed_is_no_news_until_it_failed() {
        let mut flights = Flights::default();
        flights.begin(PLACE, 5);
        assert!(flights.is_news(PLACE, 5));
        flights.committed(PLACE, 5);
        assert!(!flights.is_news(PLACE, 5) && flights.is_news(PLACE, 6));
        flights.commit_again();
        assert!(flights.is_news(PLACE, 5));
    }

    proptest! {
        /// Whatever the order in which events land, the durable offset never goes back, and never
        /// passes a record with an event under way.
        #[test]
        fn the_durable_offset_follows_the_slowest_event(
            events in proptest::collection::vec(0..4_usize, 1..40),
            order in proptest::collection::vec(any::<usize>(), 200),
        ) {
            let mut flights = Flights::default();
            flights.begin(PLACE, 0);
            let mut waiting: Vec<(usize, i64)> = Vec::new();
            for (offset, count) in (0..).zip(&events) {
                for _ in 0..*count {
                    waiting.push((flights.takes_off(PLACE, offset, 7), offset));
                }
                flights.read(PLACE, offset);
            }
            let end = i64::try_from(events.len()).unwrap();
            let mut before = 0;
            for pick in order {
                let slowest = waiting.iter().map(|(_, offset)| *offset).min().unwrap_or(end);
                prop_assert_eq!(durable(&flights), slowest);
                prop_assert!(durable(&flights) >= before);
                prop_assert_eq!(flights.bytes(), waiting.len() * 7);
                before = durable(&flights);
                if waiting.is_empty() {
                    break;
                }
                let (number, _) = waiting.swap_remove(pick % waiting.len());
                prop_assert!(flights.landed(number));
            }
        }
    }
}
