//! A record of a topic as sources read it: value, key, headers, and where it stands.

use crate::event::Timestamp;

/// The name of a header and its value, which may be null; bytes of any kind.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// A record, borrowed from whoever holds its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// What the broker has as its timestamp.
    pub recorded_at: Option<Timestamp>,
    pub key: Option<&'a [u8]>,
    /// In the order of the record; a name may come more than once.
    pub headers: &'a [Header<'a>],
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// A record of which nothing is known but its value.
    #[must_use]
    pub const fn of_value(value: &'a [u8]) -> Self {
        Self {
            topic: "",
            partition: 0,
            offset: 0,
            recorded_at: None,
            key: None,
            headers: &[],
            value: Some(value),
        }
    }
}
