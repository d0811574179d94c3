//! A source: how the records of one topic become events.

use crate::event::decode::{DecodeSettings, Decoder};
use crate::event::mapping::{Mapping, Rules};
use crate::event::record::Record;
use crate::event::{Event, Rejection};

/// What a record holds, or one part of it.
#[derive(Debug)]
pub enum Decoded<'a> {
    Event(Event<'a>),
    /// A null value: no error, and nothing changes.
    Tombstone,
    /// A condition of the mapping says so.
    Skipped,
    Rejected(Rejection),
}

/// How the records of a topic become events.
#[derive(Debug, Clone)]
pub enum Source {
    Native(Decoder),
    Mapped(Box<Mapping>),
}

impl Source {
    /// Of native events.
    #[must_use]
    pub const fn native(settings: DecodeSettings) -> Self {
        Self::Native(Decoder::new(settings))
    }

    /// Of whatever the rules make events of.
    #[must_use]
    pub fn mapped(rules: Rules, settings: DecodeSettings) -> Self {
        Self::Mapped(Box::new(Mapping::new(rules, settings)))
    }

    /// Whether keys and headers are looked at, so that they have to be kept with records.
    #[must_use]
    pub const fn needs_envelope(&self) -> bool {
        match self {
            Self::Native(_) => false,
            Self::Mapped(mapping) => mapping.needs_envelope(),
        }
    }

    /// Hands on what a record holds, at least once.
    pub fn decode(&self, record: Record<'_>, mut each: impl FnMut(Decoded<'_>)) {
        match (self, record.value) {
            (Self::Native(_), None) => each(Decoded::Tombstone),
            (Self::Native(decoder), Some(value)) => each(
                decoder
                    .decode(value, record.recorded_at)
                    .map_or_else(Decoded::Rejected, Decoded::Event),
            ),
            (Self::Mapped(mapping), _) => mapping.decode(record, each),
        }
    }
}
