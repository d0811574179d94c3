//! The headers of one record at a time, as bytes of our own.
//!
//! The client lends headers for one call alone, and a source wants to look at them in any order. So
//! they are copied, into the same memory for every record.

use std::ops::Range;

use rdkafka::message::BorrowedMessage;
use tenure_librdkafka::each_header;

use crate::event::record::Header;

/// The headers of the record that was looked at last.
#[derive(Debug, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    ranges: Vec<(Range<usize>, Option<Range<usize>>)>,
}

impl Headers {
    /// Copies the headers of a record; those that the client cannot read are none.
    pub fn read(&mut self, message: &mut BorrowedMessage<'_>) {
        self.bytes.clear();
        self.ranges.clear();
        let _ = each_header(message, |name, value| {
            let name = keep(&mut self.bytes, name);
            let value = value.map(|value| keep(&mut self.bytes, value));
            self.ranges.push((name, value));
        });
    }

    /// Names and values in the order of the record.
    #[must_use]
    pub fn list(&self) -> Vec<Header<'_>> {
        let headers = self.ranges.iter().map(|(name, value)| {
            let value = value.clone().map(|range| &self.bytes[range]);
            (&self.bytes[name.clone()], value)
        });
        headers.collect()
    }
}

fn keep(all: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = all.len();
    all.extend_from_slice(bytes);
    start..all.len()
}
