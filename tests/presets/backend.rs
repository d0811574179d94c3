//! A backend as its topic sees it: which facts it can tell, and the records in which it does.
//!
//! Owns what all encoders share. Deliberately knows nothing of presets or of how they read.

use super::history::Fact;

/// A record as it stands in the topic; the partition is chosen by the customer.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
    /// Nothing is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Of Kafka, in Unix milliseconds; not before what the record tells, or it comes from the
    /// future.
    pub timestamp: i64,
}

impl Record {
    /// Of this text, at this time, without key and headers.
    pub fn of(value: impl Into<String>, timestamp: i64) -> Self {
        Self {
            key: None,
            headers: Vec::new(),
            value: Some(value.into().into_bytes()),
            timestamp,
        }
    }

    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into().into_bytes());
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A backend whose records a preset reads.
pub trait Backend {
    /// What stands under the topic in `sources:`.
    fn source(&self) -> String;

    /// The id that it gives to a customer, by which its events name it.
    fn customer(&self, number: u32) -> String {
        format!("c-{number}")
    }

    /// What it can tell of a fact, with the precision that it has; nothing if it cannot tell it.
    fn says(&self, fact: &Fact) -> Option<Fact>;

    /// The records in which it tells a fact as [`Backend::says`] returned it: the one that counts,
    /// and others about the same thing that must not count again. (Deliveries of the same record a
    /// second time need not be among them, they are added for all.)
    fn encode(&self, fact: &Fact) -> Vec<Record>;

    /// The records of facts of one customer and one instant, such as the answers of one form.
    fn encode_together(&self, facts: &[Fact]) -> Vec<Record> {
        facts.iter().flat_map(|fact| self.encode(fact)).collect()
    }

    /// Records that must count nothing at all: other types of events, guests, tests. They are
    /// asked for with 0, 1, 2 and so on, and a time.
    fn noise(&self, number: u32, at: i64) -> Vec<Record>;
}

/// RFC 3339 with milliseconds and `Z`.
pub fn rfc3339(millis: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap();
    format!("{at:.3}")
}

/// RFC 3339 with full seconds and `Z`.
pub fn rfc3339_seconds(millis: i64) -> String {
    let at = jiff::Timestamp::from_second(millis.div_euclid(1000)).unwrap();
    format!("{at:.0}")
}
