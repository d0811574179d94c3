//! Dead letters: rejected records, kept in a topic of their own until somebody looks at them.
//!
//! Owns the form of a letter, the way to the topic ([`outbox`]) and back ([`opening`]). Promises that
//! key, value, headers and timestamp of a record stay as they were, whatever their bytes, and that
//! who reads a letter back gets exactly the record again. Does not know why a record was rejected.
//!
//! ```text
//!   record:  key | value | timestamp | headers
//!   letter:  key | value | timestamp | headers, tenure-reason, tenure-field, tenure-source-topic,
//!                                      tenure-source-partition, tenure-source-offset
//! ```

pub mod opening;
pub mod outbox;
pub mod producer;
pub mod returns;

use crate::event::{Reason, Timestamp};
use crate::kafka::Place;
use crate::kafka::batch::Envelope;

/// The headers of ours, in the order in which they are added.
const REASON: &str = "tenure-reason";
const FIELD: &str = "tenure-field";
const TOPIC: &str = "tenure-source-topic";
const PARTITION: &str = "tenure-source-partition";
const OFFSET: &str = "tenure-source-offset";
const OURS: [&str; 5] = [REASON, FIELD, TOPIC, PARTITION, OFFSET];

/// The name of a header and its value, which may be null.
pub type Header = (Vec<u8>, Option<Vec<u8>>);

/// Where a record came from, as headers of the record that was made of it: the same as a letter has.
#[derive(Debug)]
pub struct PlaceHeaders<'a> {
    topic: &'a str,
    partition: String,
    offset: String,
}

impl<'a> PlaceHeaders<'a> {
    /// The headers that name this place in a log.
    #[must_use]
    pub fn of(topic: &'a str, partition: i32, offset: i64) -> Self {
        Self {
            topic,
            partition: partition.to_string(),
            offset: offset.to_string(),
        }
    }

    /// Names and values.
    #[must_use]
    pub fn headers(&self) -> [(&[u8], Option<&[u8]>); 3] {
        [
            (TOPIC.as_bytes(), Some(self.topic.as_bytes())),
            (PARTITION.as_bytes(), Some(self.partition.as_bytes())),
            (OFFSET.as_bytes(), Some(self.offset.as_bytes())),
        ]
    }
}

/// A rejected record that is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    pub place: Place,
    pub offset: i64,
    pub recorded_at: Option<Timestamp>,
    pub envelope: Envelope<'a>,
    /// Nothing for a null value, which a source can look behind, at the headers.
    pub value: Option<&'a [u8]>,
    pub reason: Reason,
    /// The field that is to blame, if one is.
    pub field: Option<&'static str>,
}

/// Why a record was rejected, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A name of [`Reason`], or one that a later version knows.
    pub reason: String,
    pub field: Option<String>,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl Origin {
    /// The headers that say so.
    fn headers(&self) -> Vec<Header> {
        let header = |name: &str, value: &str| (name.into(), Some(value.into()));
        let mut headers = vec![header(REASON, &self.reason)];
        headers.extend(self.field.iter().map(|field| header(FIELD, field)));
        headers.push(header(TOPIC, &self.topic));
        headers.push(header(PARTITION, &self.partition.to_string()));
        headers.push(header(OFFSET, &self.offset.to_string()));
        headers
    }

    /// Takes our headers from the end of those of a letter, so that those of the record are left;
    /// nothing if the record is no letter, and then nothing is taken.
    fn take_from(headers: &mut Vec<Header>) -> Option<Self> {
        let mut taken: [Option<String>; OURS.len()] = Default::default();
        let mut kept = headers.len();
        // A record may itself bring headers of these names, before ours.
        while let Some((name, value)) = kept.checked_sub(1).map(|last| &headers[last]) {
            let number = OURS.iter().position(|known| known.as_bytes() == name)?;
            if taken[number].is_some() {
                return None;
            }
            taken[number] = Some(String::from_utf8(value.clone()?).ok()?);
            kept -= 1;
            if number == 0 {
                break;
            }
        }
        let [reason, field, topic, partition, offset] = taken;
        let origin = Self {
            reason: reason?,
            field,
            topic: topic?,
            partition: partition?.parse().ok()?,
            offset: offset?.parse().ok()?,
        };
        headers.truncate(kept);
        Some(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(field: Option<&str>) -> Origin {
        Origin {
            reason: "invalid_amount".to_owned(),
            field: field.map(str::to_owned),
            topic: "orders".to_owned(),
            partition: 3,
            offset: 41,
        }
    }

    #[test]
    fn the_headers_of_a_record_are_left_when_ours_are_taken() {
        let header = |name: &[u8], value: Option<&[u8]>| (name.to_vec(), value.map(<[u8]>::to_vec));
        let strange = vec![
            header(b"\xff", Some(b"\x00")),
            header(b"tenure-reason", None),
            header(b"tenure-source-offset", Some(b"7")),
        ];
        for own in [Vec::new(), strange] {
            for origin in [origin(None), origin(Some("amount"))] {
                let mut headers = own.clone();
                headers.extend(origin.headers());
                assert_eq!(Origin::take_from(&mut headers), Some(origin));
                assert_eq!(headers, own);
            }
        }
    }

    #[test]
    fn a_record_that_is_no_letter_stays_as_it_is() {
        let whole = origin(Some("amount")).headers();
        for missing in [0, 2, 3, 4] {
            let mut headers = whole.clone();
            headers.remove(missing);
            let before = headers.clone();
            assert_eq!(Origin::take_from(&mut headers), None, "{missing}");
            assert_eq!(headers, before);
        }
        for broken in [None, Some(b"\xff".to_vec()), Some(b"x".to_vec())] {
            let mut headers = whole.clone();
            headers[4].1 = broken;
            assert_eq!(Origin::take_from(&mut headers), None);
        }
        assert_eq!(Origin::take_from(&mut Vec::new()), None);
    }
}
