//! A batch of records of one partition, with their bytes side by side.
//!
//! The client's own message pins the memory of its whole message set, so values are copied here at
//! once: a memory copy of some 200 bytes costs less than keeping the message.

use std::ops::Range;

use crate::event::Timestamp;
use crate::kafka::Place;

/// A batch is handed on once it has this many bytes or records.
pub const FULL_BYTES: usize = 256 * 1024;
pub const FULL_RECORDS: usize = 1024;

/// Records of one partition.
#[derive(Debug)]
pub struct Batch {
    pub place: Place,
    heads: Vec<Head>,
    bytes: Vec<u8>,
    /// Records and bytes that the first record makes room for.
    room: (usize, usize),
}

#[derive(Debug)]
struct Head {
    offset: i64,
    recorded_at: Option<Timestamp>,
    /// Nothing for a null value.
    value: Option<Range<usize>>,
}

/// A record as the engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: i64,
    /// The Kafka timestamp, if the record has one.
    pub recorded_at: Option<Timestamp>,
    pub value: Option<&'a [u8]>,
}

impl Batch {
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            place,
            heads: Vec::new(),
            bytes: Vec::new(),
            room: (0, 0),
        }
    }

    /// Takes what was gathered. The next batch will make room for as much with its first record: a
    /// partition that is far behind fills one after the other, and growing each of them costs copies.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let mut next = Self::new(self.place);
        next.room = (self.heads.len(), self.bytes.len());
        std::mem::replace(self, next)
    }

    pub fn push(&mut self, record: Record<'_>) {
        if self.heads.is_empty() {
            self.heads.reserve(self.room.0);
            self.bytes.reserve(self.room.1);
        }
        let value = record.value.map(|value| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(value);
            start..self.bytes.len()
        });
        let Record {
            offset,
            recorded_at,
            ..
        } = record;
        self.heads.push(Head {
            offset,
            recorded_at,
            value,
        });
    }

    #[must_use]
    pub fn full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES || self.heads.len() >= FULL_RECORDS
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.heads.iter().map(|head| Record {
            offset: head.offset,
            recorded_at: head.recorded_at,
            value: head.value.clone().map(|range| &self.bytes[range]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut batch = Batch::new(Place {
            topic: 0,
            partition: 3,
        });
        let at = Some(Timestamp::FIRST);
        let records = [
            Record {
                offset: 5,
                recorded_at: at,
                value: Some(b"one"),
            },
            Record {
                offset: 6,
                recorded_at: None,
                value: None,
            },
            Record {
                offset: 9,
                recorded_at: at,
                value: Some(b""),
            },
            Record {
                offset: 10,
                recorded_at: at,
                value: Some(b"two"),
            },
        ];
        for record in records {
            batch.push(record);
        }
        assert!(batch.records().eq(records));
        assert!(!batch.full());
    }
}
