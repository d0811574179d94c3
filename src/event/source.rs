//! A source: how the records of one topic become events.

use std::sync::Arc;

use crate::event::decode::{DecodeSettings, Decoder};
use crate::event::mapping::{Mapping, Rules};
use crate::event::record::Record;
use crate::event::schema::{Formats, NoSchemas, Room, Schemas};
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
    /// The same, of records that have to become JSON first.
    Formatted(Formats, Box<Mapping>),
}

impl Source {
    /// Of native events.
    #[must_use]
    pub const fn native(settings: DecodeSettings) -> Self {
        Self::Native(Decoder::new(settings))
    }

    /// Of whatever the rules make events of. Where they say that records have schemas, nobody knows
    /// any yet.
    #[must_use]
    pub fn mapped(rules: Rules, settings: DecodeSettings) -> Self {
        let (value, key) = (rules.format, rules.key_format);
        let mapping = Box::new(Mapping::new(rules, settings));
        if !Formats::needed(value, key) {
            return Self::Mapped(mapping);
        }
        let schemas = Arc::new(NoSchemas);
        let formats = Formats {
            value,
            key,
            schemas,
        };
        Self::Formatted(formats, mapping)
    }

    /// The same with somebody who knows the schemas of records that have any.
    #[must_use]
    pub fn with_schemas(self, schemas: &Arc<dyn Schemas>) -> Self {
        match self {
            Self::Native(_) | Self::Mapped(_) => self,
            Self::Formatted(formats, mapping) => {
                let schemas = Arc::clone(schemas);
                Self::Formatted(Formats { schemas, ..formats }, mapping)
            }
        }
    }

    /// What records have to become JSON from, if they are not.
    #[must_use]
    pub const fn formats(&self) -> Option<&Formats> {
        match self {
            Self::Native(_) | Self::Mapped(_) => None,
            Self::Formatted(formats, _) => Some(formats),
        }
    }

    /// Whether keys and headers are looked at, so that they have to be kept with records.
    #[must_use]
    pub const fn needs_envelope(&self) -> bool {
        match self {
            Self::Native(_) => false,
            Self::Mapped(mapping) | Self::Formatted(_, mapping) => mapping.needs_envelope(),
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
            (Self::Formatted(formats, mapping), _) => {
                let mut room = Room::default();
                match formats.as_json(record, &mut room) {
                    Ok(record) => mapping.decode(record, each),
                    Err(rejection) => each(Decoded::Rejected(rejection)),
                }
            }
        }
    }
}
