//! Waiting: records of the router that need something to be known before they can be read.
//!
//! Owns the first such record of each partition, with those that the client had handed out already
//! when the partition was paused. Promises that nothing of a partition is read before them. Does not
//! know what they wait for.

use std::collections::{BTreeMap, VecDeque};

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use tenure_librdkafka::each_header;

use crate::event::Timestamp;
use crate::kafka::Place;
use crate::kafka::admission::Awaited;
use crate::kafka::batch::{self, Batch, Envelope};

/// A record with all that it has.
#[derive(Debug)]
pub struct Parcel {
    pub place: Place,
    pub offset: i64,
    pub recorded_at: Option<Timestamp>,
    /// One record, with key and headers.
    batch: Batch,
}

impl Parcel {
    /// Copies a record.
    #[must_use]
    pub fn of(place: Place, message: &mut BorrowedMessage<'_>) -> Self {
        let recorded_at = message.timestamp().to_millis();
        let recorded_at = recorded_at.filter(|millis| *millis >= 0);
        let recorded_at = recorded_at.map(Timestamp::from_millis);
        let mut batch = Batch::new(place);
        batch.push(batch::Record {
            offset: message.offset(),
            recorded_at,
            value: message.payload(),
        });
        batch.push_key(message.key());
        // Headers that the client cannot read are no headers: the rest of the record is kept.
        let _ = each_header(message, |name, value| batch.push_header(name, value));
        Self {
            place,
            offset: message.offset(),
            recorded_at,
            batch,
        }
    }

    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.batch.last().and_then(|record| record.value)
    }

    #[must_use]
    pub fn envelope(&self) -> Envelope<'_> {
        self.batch.envelope(0)
    }
}

/// What waits, by partition.
#[derive(Debug, Default)]
pub struct Waiting {
    partitions: BTreeMap<Place, Held>,
}

#[derive(Debug)]
struct Held {
    awaited: Awaited,
    parcels: VecDeque<Parcel>,
}

impl Waiting {
    #[must_use]
    pub fn holds(&self, place: Place) -> bool {
        self.partitions.contains_key(&place)
    }

    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        self.partitions.keys().copied().collect()
    }

    /// Holds a record, which must be read before any other of its partition.
    pub fn hold(&mut self, parcel: Parcel, awaited: Awaited) {
        let held = self.partitions.entry(parcel.place).or_insert(Held {
            awaited,
            parcels: VecDeque::new(),
        });
        held.awaited = awaited;
        held.parcels.push_front(parcel);
    }

    /// Holds a record that comes after those that are held of its partition; one that is there
    /// already, because the partition was read again from where it is committed, is not held twice.
    pub fn hold_behind(&mut self, parcel: Parcel) {
        if let Some(held) = self.partitions.get_mut(&parcel.place)
            && held
                .parcels
                .back()
                .is_none_or(|last| last.offset < parcel.offset)
        {
            held.parcels.push_back(parcel);
        }
    }

    /// Takes the next record of some partition whose turn has come; nothing if there is none.
    pub fn take(&mut self, came: impl Fn(Awaited) -> bool) -> Option<Parcel> {
        let mut ready = self.partitions.values_mut();
        let held = ready.find(|held| !held.parcels.is_empty() && came(held.awaited))?;
        held.parcels.pop_front()
    }

    /// Takes out the partitions of which nothing waits any more.
    pub fn take_emptied(&mut self) -> Vec<Place> {
        let empty = |held: &Held| held.parcels.is_empty();
        let emptied = self.partitions.iter();
        let emptied: Vec<Place> = emptied
            .filter(|(_, held)| empty(held))
            .map(|(place, _)| *place)
            .collect();
        self.partitions.retain(|_, held| !empty(held));
        emptied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32) -> Place {
        Place {
            topic: 0,
            partition,
        }
    }

    fn parcel(partition: i32, offset: i64) -> Parcel {
        let mut batch = Batch::new(place(partition));
        batch.push(batch::Record {
            offset,
            recorded_at: None,
            value: Some(b"value"),
        });
        batch.push_key(Some(b"key"));
        Parcel {
            place: place(partition),
            offset,
            recorded_at: None,
            batch,
        }
    }

    fn taken(waiting: &mut Waiting, came: &[u32]) -> Vec<(i32, i64)> {
        let next = || waiting.take(|Awaited(number)| came.contains(&number));
        std::iter::from_fn(next)
            .map(|parcel| (parcel.place.partition, parcel.offset))
            .collect()
    }

    #[test]
    fn records_are_read_in_order_once_what_they_wait_for_has_come_and_no_sooner() {
        let mut waiting = Waiting::default();
        waiting.hold(parcel(0, 7), Awaited(1));
        waiting.hold_behind(parcel(0, 8));
        waiting.hold_behind(parcel(0, 10));
        waiting.hold(parcel(1, 3), Awaited(2));
        assert!(waiting.holds(place(0)) && !waiting.holds(place(2)));
        assert_eq!(taken(&mut waiting, &[]), []);
        assert_eq!(taken(&mut waiting, &[1]), [(0, 7), (0, 8), (0, 10)]);
        assert_eq!(waiting.take_emptied(), [place(0)]);
        assert_eq!(waiting.places(), [place(1)]);
        assert_eq!(taken(&mut waiting, &[1, 2]), [(1, 3)]);
        assert_eq!(waiting.take_emptied(), [place(1)]);
    }

    #[test]
    fn a_record_that_has_to_wait_again_stays_the_first_of_its_partition() {
        let mut waiting = Waiting::default();
        waiting.hold(parcel(0, 7), Awaited(1));
        waiting.hold_behind(parcel(0, 8));
        let first = waiting.take(|_| true).expect("it came");
        waiting.hold(first, Awaited(2));
        assert_eq!(taken(&mut waiting, &[1]), []);
        assert_eq!(taken(&mut waiting, &[2]), [(0, 7), (0, 8)]);
    }

    #[test]
    fn a_record_that_is_handed_out_once_more_is_held_once() {
        let mut waiting = Waiting::default();
        waiting.hold_behind(parcel(0, 6));
        assert!(!waiting.holds(place(0)), "nothing is waited for");
        waiting.hold(parcel(0, 7), Awaited(1));
        for offset in [7, 8, 7, 8] {
            waiting.hold_behind(parcel(0, offset));
        }
        let held = waiting.take(|_| true).expect("it came");
        assert_eq!(held.value(), Some(&b"value"[..]));
        assert_eq!(held.envelope().key, Some(&b"key"[..]));
        assert_eq!(taken(&mut waiting, &[1]), [(0, 8)]);
    }
}
