//! Schemas: records that are Avro, Protobuf or JSON behind the id of a schema, as JSON.
//!
//! Owns the wire format (five bytes in front of everything), what a schema is once it is read, and
//! the way from a record's bytes to the JSON text that mappings go through. Promises that numbers
//! keep every digit, that nothing of a record takes more than [`MAX_JSON_BYTES`] on the way, and that
//! what cannot be read is a [`Rejection`]. Does not know where schemas come from: it asks
//! [`Schemas`], which answers at once.
//!
//! ```text
//! 00 00 00 00 2a 02 ..          magic byte, id 42, and Avro by that schema
//! 00 00 00 00 2b 00 0a ..       id 43, the first message of that file, and Protobuf
//! 00 00 00 00 2c 7b 22 ..       id 44, and JSON, for which the schema is not needed
//! ```

pub mod avro;
#[cfg(feature = "protobuf")]
pub mod protobuf;
pub mod wire;

use std::fmt;
use std::sync::Arc;

use crate::event::mapping::rule::Format;
use crate::event::record::Record;
use crate::event::{Reason, Rejection};

/// What a key or a value may take as JSON: what any record may take.
pub const MAX_JSON_BYTES: usize = 256 * 1024;
/// How deep the JSON may be, the record itself being depth 1.
pub const MAX_DEPTH: usize = 64;

/// In what language a schema is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Avro,
    Protobuf,
    JsonSchema,
}

/// A schema as somebody wrote it, with everything that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaText {
    pub language: Language,
    pub text: String,
    /// Under which names it refers to others, and what they say: an Avro name, or the path of an
    /// import. Each stands behind those that it refers to itself.
    pub references: Vec<(String, String)>,
}

/// A schema, ready to read records by.
#[derive(Debug)]
pub enum Schema {
    Avro(avro::Schema),
    #[cfg(feature = "protobuf")]
    Protobuf(protobuf::Schema),
    /// JSON is read without it.
    Json,
}

/// Why records cannot be read by a schema. Holds names of the schema, nothing of any record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError(pub String);

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

impl Schema {
    /// Reads a schema; an error if it is not one, or none that this build can read records by.
    pub fn read(written: &SchemaText) -> Result<Self, SchemaError> {
        match written.language {
            Language::Avro => avro::Schema::read(written).map(Self::Avro),
            #[cfg(feature = "protobuf")]
            Language::Protobuf => protobuf::Schema::read(written).map(Self::Protobuf),
            #[cfg(not(feature = "protobuf"))]
            Language::Protobuf => Err(SchemaError(
                "this build reads no Protobuf (it was made without the feature `protobuf`)"
                    .to_owned(),
            )),
            Language::JsonSchema => Ok(Self::Json),
        }
    }

    /// Of which format records with this schema are.
    const fn format(&self) -> Format {
        match self {
            Self::Avro(_) => Format::Avro,
            #[cfg(feature = "protobuf")]
            Self::Protobuf(_) => Format::Protobuf,
            Self::Json => Format::JsonSchema,
        }
    }
}

/// What is known of the schema with an id.
#[derive(Debug, Clone)]
pub enum Found {
    Schema(Arc<Schema>),
    /// There is none with that id.
    None,
    /// There is one, and it cannot be read.
    Unreadable,
    /// Nobody has found out yet.
    NotYet,
}

/// Whoever knows schemas by their ids; answers at once.
pub trait Schemas: fmt::Debug + Send + Sync {
    fn find(&self, id: u32) -> Found;
}

/// Nobody: for where no registry is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSchemas;

impl Schemas for NoSchemas {
    fn find(&self, _: u32) -> Found {
        Found::NotYet
    }
}

/// Of what format the keys and values of a topic are, and who knows their schemas.
#[derive(Debug, Clone)]
pub struct Formats {
    pub value: Format,
    pub key: Format,
    pub schemas: Arc<dyn Schemas>,
}

/// Room for the JSON of a key and a value, to be used again for the next record.
#[derive(Debug, Clone, Default)]
pub struct Room {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Formats {
    /// Whether there is anything to do at all: JSON is what mappings read.
    #[must_use]
    pub fn needed(value: Format, key: Format) -> bool {
        value != Format::Json || key != Format::Json
    }

    /// The ids of the schemas without which a record with this key and value cannot be read; none
    /// for what is not of its format.
    pub fn ids(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> impl Iterator<Item = u32> {
        let id = |format, bytes: Option<&[u8]>| {
            let needs = matches!(format, Format::Avro | Format::Protobuf);
            wire::open(bytes.filter(|_| needs)?).ok().map(|(id, _)| id)
        };
        // A record without a value is a tombstone, whatever its key is.
        let key = key.filter(|_| value.is_some());
        id(self.key, key).into_iter().chain(id(self.value, value))
    }

    /// The record with its key and its value as JSON.
    pub fn as_json<'a>(
        &self,
        record: Record<'a>,
        room: &'a mut Room,
    ) -> Result<Record<'a>, Rejection> {
        let Some(value) = record.value else {
            return Ok(record);
        };
        let value = self.part(self.value, value, &mut room.value)?;
        let key = record.key.filter(|key| !key.is_empty());
        let key = key.map(|key| self.part(self.key, key, &mut room.key));
        Ok(Record {
            key: key.transpose()?,
            value: Some(value),
            ..record
        })
    }

    fn part<'a>(
        &self,
        format: Format,
        bytes: &'a [u8],
        room: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], Rejection> {
        if format == Format::Json {
            return Ok(bytes);
        }
        if bytes.len() > MAX_JSON_BYTES {
            return Err(Rejection::new(Reason::TooLarge));
        }
        let (id, payload) = wire::open(bytes)?;
        if format == Format::JsonSchema {
            return Ok(payload);
        }
        room.clear();
        match self.schemas.find(id) {
            Found::Schema(schema) if schema.format() != format => return Err(hinted(OTHER_FORMAT)),
            Found::Schema(schema) => match &*schema {
                Schema::Avro(schema) => schema.write_json(payload, room)?,
                #[cfg(feature = "protobuf")]
                Schema::Protobuf(schema) => schema.write_json(payload, room)?,
                Schema::Json => return Ok(payload),
            },
            Found::None => return Err(unmapped(NO_SUCH_SCHEMA)),
            Found::Unreadable => return Err(unmapped(UNREADABLE_SCHEMA)),
            Found::NotYet => return Err(unmapped(NO_REGISTRY)),
        }
        Ok(room)
    }
}

const OTHER_FORMAT: &str =
    "its schema is of another format: `format` of the mapping says what values are made of";
const NO_SUCH_SCHEMA: &str =
    "the schema registry knows no schema with the id that the record begins with";
const UNREADABLE_SCHEMA: &str = "its schema cannot be read: the log says why";
const NO_REGISTRY: &str = "its schema is not known: schema_registry.url says who knows it";

/// Not of the format of its source: what `invalid_json` stands for beyond JSON.
const fn hinted(hint: &'static str) -> Rejection {
    Rejection {
        reason: Reason::InvalidJson,
        field: None,
        hint: Some(hint),
    }
}

const fn unmapped(hint: &'static str) -> Rejection {
    Rejection {
        reason: Reason::Unmapped,
        field: None,
        hint: Some(hint),
    }
}
