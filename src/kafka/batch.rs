//! A batch of records of one partition, with their bytes side by side.
//!
//! The client's own message pins the memory of its whole message set, so values are copied here at
//! once: a memory copy of some 200 bytes costs less than keeping the message.
//!
//! A batch is filled by one thread and dropped by another. So that the memory need not be taken from
//! the system and cleared for each batch, it goes in a circle:
//!
//! ```text
//!   reader: push, take ----> batch ----> worker: drop
//!      ^                                      |
//!      +---- spares, SPARES at most <---------+
//! ```

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Timestamp;
use crate::kafka::Place;

/// What a header is counted as beside its bytes: a record may have a hundred thousand empty ones.
const HEADER: usize = size_of::<HeaderRange>();

/// A batch is handed on once it has this many bytes or records.
pub const FULL_BYTES: usize = 256 * 1024;
pub const FULL_RECORDS: usize = 1024;

/// Buffers that wait for the next batches; each was a batch on its way before.
const SPARES: usize = 32;
/// Larger buffers, of single large records, are not kept: all spares together have 24 MiB at most. A
/// full batch has half a MiB for its bytes at most, which grow by doubling, and its heads.
const SPARE_BYTES: usize = 3 * FULL_BYTES;

/// Records of one partition.
#[derive(Debug)]
pub struct Batch {
    pub place: Place,
    /// The epoch of the leader from which the last record came, if the broker tells it.
    pub leader_epoch: Option<i32>,
    buffers: Buffers,
    spares: Spares,
    /// Records and bytes that the first record makes room for, where no spare waits.
    room: (usize, usize),
}

/// The memory of a batch.
#[derive(Debug, Default)]
struct Buffers {
    heads: Vec<Head>,
    /// Keys and headers by record; empty where nobody wants them.
    wrappings: Vec<Wrapping>,
    headers: Vec<HeaderRange>,
    bytes: Vec<u8>,
}

/// Memory of batches that were dropped, for those to come. What was given back last is given out
/// first, as a processor may still have it near.
#[derive(Debug, Clone, Default)]
pub struct Spares(Arc<Mutex<Vec<Buffers>>>);

impl Spares {
    fn take(&self) -> Buffers {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spares.pop().unwrap_or_default()
    }

    fn give_back(&self, mut buffers: Buffers) {
        if buffers.heads.capacity() == 0 || buffers.bytes() > SPARE_BYTES {
            return;
        }
        buffers.heads.clear();
        buffers.wrappings.clear();
        buffers.headers.clear();
        buffers.bytes.clear();
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES {
            spares.push(buffers);
        }
    }
}

impl Buffers {
    /// What there is room for, in bytes.
    fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<Head>()
            + self.wrappings.capacity() * size_of::<Wrapping>()
            + self.headers.capacity() * HEADER
            + self.bytes.capacity()
    }
}

#[derive(Debug)]
struct Head {
    offset: i64,
    recorded_at: Option<Timestamp>,
    /// Nothing for a null value.
    value: Option<Range<usize>>,
}

/// Where the name and the value of a header are.
type HeaderRange = (Range<usize>, Option<Range<usize>>);

#[derive(Debug, Clone)]
struct Wrapping {
    key: Option<Range<usize>>,
    headers: Range<usize>,
}

/// What a record has beside its value, as bytes that nobody looks into.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub key: Option<&'a [u8]>,
    headers: &'a [HeaderRange],
    bytes: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Names and values in the order of the record.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let bytes = self.bytes;
        self.headers.iter().map(move |(name, value)| {
            let value = value.clone().map(|range| &bytes[range]);
            (&bytes[name.clone()], value)
        })
    }
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
    /// An empty batch whose memory is its own.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self::with_spares(place, Spares::default())
    }

    /// An empty batch that takes its memory from these spares, and gives it back there.
    #[must_use]
    pub fn with_spares(place: Place, spares: Spares) -> Self {
        Self {
            place,
            leader_epoch: None,
            buffers: Buffers::default(),
            spares,
            room: (0, 0),
        }
    }

    /// Takes what was gathered. The next batch will make room for as much with its first record: a
    /// partition that is far behind fills one after the other, and growing each of them costs copies.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let mut next = Self::with_spares(self.place, self.spares.clone());
        next.room = (self.len(), self.buffers.bytes.len());
        std::mem::replace(self, next)
    }

    pub fn push(&mut self, record: Record<'_>) {
        if self.buffers.heads.capacity() == 0 {
            self.buffers = self.spares.take();
            self.buffers.heads.reserve(self.room.0);
            self.buffers.bytes.reserve(self.room.1);
        }
        let value = record.value.map(|value| self.keep(value));
        let Record {
            offset,
            recorded_at,
            ..
        } = record;
        self.buffers.heads.push(Head {
            offset,
            recorded_at,
            value,
        });
    }

    /// Keeps the key of the record pushed last, for its [`Envelope`]; its headers follow.
    pub fn push_key(&mut self, key: Option<&[u8]>) {
        let key = key.map(|key| self.keep(key));
        let end = self.buffers.headers.len();
        self.buffers.wrappings.push(Wrapping {
            key,
            headers: end..end,
        });
    }

    /// Keeps a header of the record whose key was pushed last.
    pub fn push_header(&mut self, name: &[u8], value: Option<&[u8]>) {
        let name = self.keep(name);
        let value = value.map(|value| self.keep(value));
        self.buffers.headers.push((name, value));
        if let Some(wrapping) = self.buffers.wrappings.last_mut() {
            wrapping.headers.end = self.buffers.headers.len();
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.buffers.bytes.len();
        self.buffers.bytes.extend_from_slice(bytes);
        start..self.buffers.bytes.len()
    }

    #[must_use]
    pub fn full(&self) -> bool {
        let bytes = self.buffers.bytes.len() + self.buffers.headers.len() * HEADER;
        bytes >= FULL_BYTES || self.buffers.heads.len() >= FULL_RECORDS
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffers.heads.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.buffers.heads.len()
    }

    /// The last record.
    #[must_use]
    pub fn last(&self) -> Option<Record<'_>> {
        self.buffers.heads.last().map(|head| self.record(head))
    }

    /// Key and headers of the record at this place in the batch; empty if they were not kept.
    #[must_use]
    pub fn envelope(&self, index: usize) -> Envelope<'_> {
        let wrapping = self.buffers.wrappings.get(index);
        let headers = wrapping.map_or(0..0, |wrapping| wrapping.headers.clone());
        let key = wrapping.and_then(|wrapping| wrapping.key.clone());
        Envelope {
            key: key.map(|range| &self.buffers.bytes[range]),
            headers: &self.buffers.headers[headers],
            bytes: &self.buffers.bytes,
        }
    }

    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.buffers.heads.iter().map(|head| self.record(head))
    }

    fn record(&self, head: &Head) -> Record<'_> {
        Record {
            offset: head.offset,
            recorded_at: head.recorded_at,
            value: head.value.clone().map(|range| &self.buffers.bytes[range]),
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.spares.give_back(std::mem::take(&mut self.buffers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of one partition with so many records of ten bytes.
    fn batch(spares: &Spares, records: i64) -> Batch {
        let place = Place {
            topic: 0,
            partition: 0,
        };
        let mut batch = Batch::with_spares(place, spares.clone());
        for offset in 0..records {
            batch.push(Record {
                offset,
                recorded_at: None,
                value: Some(b"ten bytes."),
            });
            batch.push_key(Some(b"key"));
            batch.push_header(b"name", None);
        }
        batch
    }

    fn waiting(spares: &Spares) -> usize {
        spares.0.lock().unwrap().len()
    }

    #[test]
    fn memory_goes_from_batch_to_batch_and_records_do_not() {
        let spares = Spares::default();
        drop(batch(&spares, 100));
        assert_eq!(waiting(&spares), 1);
        let again = batch(&spares, 2);
        assert_eq!(waiting(&spares), 0);
        assert!(again.buffers.bytes.capacity() >= 1000);
        assert_eq!(again.len(), 2);
        assert!(again.records().all(|it| it.value == Some(b"ten bytes.")));
        let envelope = again.envelope(1);
        assert_eq!(envelope.key, Some(&b"key"[..]));
        assert!(envelope.headers().eq([(&b"name"[..], None)]));
    }

    #[test]
    fn no_more_memory_waits_than_the_bound_says() {
        let spares = Spares::default();
        drop(batch(&spares, 0));
        assert_eq!(waiting(&spares), 0, "nothing is kept of nothing");
        drop(batch(&spares, SPARE_BYTES as i64 / 10));
        assert_eq!(waiting(&spares), 0, "what is large is not kept");
        let many: Vec<Batch> = (0..2 * SPARES).map(|_| batch(&spares, 1)).collect();
        drop(many);
        assert_eq!(waiting(&spares), SPARES);
    }

    #[test]
    fn what_is_taken_gives_its_memory_back_and_leaves_an_empty_batch() {
        let spares = Spares::default();
        let mut filled = batch(&spares, 3);
        let taken = filled.take();
        assert!(filled.is_empty() && taken.len() == 3);
        drop(taken);
        assert_eq!(waiting(&spares), 1);
    }

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
        assert_eq!(batch.last(), Some(records[3]));
        assert!(batch.records().eq(records));
        assert!(!batch.full());
        assert!(batch.envelope(3).key.is_none());
    }

    #[test]
    fn keys_and_headers_stay_with_their_record() {
        let mut batch = Batch::new(Place {
            topic: 0,
            partition: 0,
        });
        let headers: [(&[u8], Option<&[u8]>); 3] =
            [(b"\xff", Some(b"1")), (b"", None), (b"\xff", Some(b""))];
        for (offset, key, headers) in [
            (0, Some(&b"\x00"[..]), &headers[..2]),
            (1, None, &[]),
            (2, Some(b""), &headers[2..]),
        ] {
            batch.push(Record {
                offset,
                recorded_at: None,
                value: Some(b"value"),
            });
            batch.push_key(key);
            for (name, value) in headers {
                batch.push_header(name, *value);
            }
        }
        let found = |index| {
            let envelope = batch.envelope(index);
            (envelope.key, envelope.headers().collect::<Vec<_>>())
        };
        assert_eq!(found(0), (Some(&b"\x00"[..]), headers[..2].to_vec()));
        assert_eq!(found(1), (None, Vec::new()));
        assert_eq!(found(2), (Some(&b""[..]), headers[2..].to_vec()));
        assert!(batch.records().all(|record| record.value == Some(b"value")));
    }

    #[test]
    fn a_batch_of_headers_alone_is_full_at_some_time() {
        let mut batch = Batch::new(Place {
            topic: 0,
            partition: 0,
        });
        batch.push(Record {
            offset: 0,
            recorded_at: None,
            value: None,
        });
        batch.push_key(None);
        for _ in 0..FULL_BYTES / HEADER {
            assert!(!batch.full());
            batch.push_header(b"", None);
        }
        batch.push_header(b"", None);
        assert!(batch.full());
    }
}
