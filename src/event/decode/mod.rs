//! Bytes of a record to an [`Event`], or the reason why not.
//!
//! Owns the native JSON format. Promises to look at a record once from front to back, to borrow its
//! texts unless they hold escapes, to allocate nothing on the common path, and never to panic or to
//! take more than linear time. Which complaint wins when several fit is part of the contract:
//!
//! 1. `too_large`, `invalid_utf8`, bad syntax (`invalid_json`), then whichever comes first in the
//!    record of a key given twice (`invalid_json`) and `too_deep`;
//! 2. the field `type`, because it decides what the others mean;
//! 3. `event_id`, `customer_id`, `occurred_at`, then the fields of the type in the order of the
//!    documentation, then `attributes`.

mod attributes;
pub(in crate::event) mod structure;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::check::{self, cut};
use crate::event::{
    Amount, Attributes, Body, Event, EventType, Reason, Rejection, Survey, Timestamp,
};

/// The largest record that is read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// The deepest nesting that is read; the record itself is depth 1.
pub const MAX_DEPTH: usize = 64;
/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// Reasons, channels and attributes are cut to this many bytes, at a character's end: they become
/// labels.
pub const MAX_TEXT_BYTES: usize = 256;

/// What decoding depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeSettings {
    /// How far `occurred_at` may be ahead of the record's Kafka timestamp, in milliseconds.
    pub max_future_skew_millis: i64,
    /// Currency codes accepted beyond ISO 4217.
    pub currencies: BTreeSet<String>,
    /// The highest customer effort rating.
    pub ces_max: u8,
    /// The attributes that are read, at most [`MAX_DIMENSIONS`](crate::event::MAX_DIMENSIONS).
    pub dimensions: Vec<String>,
}

/// Decodes native events.
///
/// ```
/// use tenure::event::decode::{DecodeSettings, Decoder};
/// let decoder = Decoder::new(DecodeSettings::default());
/// let record = br#"{"event_id":"1","type":"signup","customer_id":42,"occurred_at":1762000000000}"#;
/// let event = decoder.decode(record, None).unwrap();
/// assert_eq!(event.customer, "42");
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    settings: DecodeSettings,
}

impl Default for DecodeSettings {
    fn default() -> Self {
        Self {
            max_future_skew_millis: 5 * 60_000,
            currencies: BTreeSet::new(),
            ces_max: 5,
            dimensions: Vec::new(),
        }
    }
}

impl Decoder {
    #[must_use]
    pub const fn new(settings: DecodeSettings) -> Self {
        Self { settings }
    }

    /// Decodes one record; `kafka_timestamp` is what the broker has for it.
    ///
    /// # Errors
    /// The first complaint in the order of the module's documentation.
    pub fn decode<'a>(
        &self,
        bytes: &'a [u8],
        kafka_timestamp: Option<Timestamp>,
    ) -> Result<Event<'a>, Rejection> {
        if bytes.len() > MAX_BYTES {
            return Err(Rejection::new(Reason::TooLarge));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Rejection::new(Reason::InvalidUtf8))?;
        let fields = Fields::read(text)?;
        let event_type = fields.event_type()?;
        let id = fields.event_id()?;
        let customer = fields.customer_id()?;
        let occurred_at = fields.occurred_at()?;
        self.settings.recorded(occurred_at, kafka_timestamp)?;
        let body = self.body(event_type, &fields)?;
        let attributes = fields.attributes(&self.settings.dimensions)?;
        Ok(Event {
            id,
            customer,
            occurred_at,
            body,
            attributes,
        })
    }

    fn body<'a>(&self, event_type: EventType, fields: &Fields<'a>) -> Result<Body<'a>, Rejection> {
        match event_type {
            EventType::Signup => Ok(Body::Signup),
            EventType::Purchase => {
                let amount = fields.amount()?;
                Ok(Body::Purchase {
                    amount,
                    currency: self
                        .settings
                        .currency(fields.required_text(Field::Currency)?)?,
                })
            }
            EventType::Churn => Ok(Body::Churn {
                reason: fields.optional_text(Field::Reason)?,
            }),
            EventType::SurveySubmitted => {
                let survey = fields.survey()?;
                let score = fields.required_integer(Field::Score)?;
                Ok(Body::Survey {
                    survey,
                    score: self.settings.score(survey, score)?,
                    channel: fields.optional_text(Field::Channel)?,
                })
            }
        }
    }
}

/// The fields of a native event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    EventId,
    Type,
    CustomerId,
    OccurredAt,
    OrderId,
    Amount,
    Currency,
    Reason,
    Survey,
    Score,
    Channel,
    Attributes,
}

const FIELDS: usize = 12;

impl Field {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "event_id" => Self::EventId,
            "type" => Self::Type,
            "customer_id" => Self::CustomerId,
            "occurred_at" => Self::OccurredAt,
            "order_id" => Self::OrderId,
            "amount" => Self::Amount,
            "currency" => Self::Currency,
            "reason" => Self::Reason,
            "survey" => Self::Survey,
            "score" => Self::Score,
            "channel" => Self::Channel,
            "attributes" => Self::Attributes,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::EventId => "event_id",
            Self::Type => "type",
            Self::CustomerId => "customer_id",
            Self::OccurredAt => "occurred_at",
            Self::OrderId => "order_id",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Reason => "reason",
            Self::Survey => "survey",
            Self::Score => "score",
            Self::Channel => "channel",
            Self::Attributes => "attributes",
        }
    }
}

/// The values of the known fields as they stand in the record, checked to be well-formed JSON.
#[derive(Debug, Default)]
struct Fields<'a> {
    raw: [Option<&'a str>; FIELDS],
}

/// One JSON value, by the kind its first byte tells.
#[derive(Debug, Clone, Copy)]
enum Json<'a> {
    /// With its quotes.
    Text(&'a str),
    Number(&'a str),
    Bool(&'a str),
    Null,
    Composite,
}

impl<'a> Json<'a> {
    fn of(raw: &'a str) -> Self {
        match raw.as_bytes().first() {
            Some(b'"') => Self::Text(raw),
            Some(b'{' | b'[') => Self::Composite,
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Bool(raw),
            _ => Self::Number(raw),
        }
    }
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, Rejection> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let mut fields = Self::default();
        let read = reader
            .deserialize_map(RecordVisitor {
                fields: &mut fields,
            })
            .and_then(|structure| reader.end().map(|()| structure));
        match read {
            Ok(Ok(())) => Ok(fields),
            Ok(Err(fault)) => Err(Rejection::new(fault)),
            Err(_) => Err(Rejection::new(whole_record_fault(text))),
        }
    }

    fn get(&self, field: Field) -> Option<Json<'a>> {
        self.raw[field as usize].map(Json::of)
    }

    fn required(&self, field: Field) -> Result<Json<'a>, Rejection> {
        match self.get(field) {
            None | Some(Json::Null) => Err(Rejection::of_field(Reason::MissingField, field.name())),
            Some(value) => Ok(value),
        }
    }

    fn required_text(&self, field: Field) -> Result<Cow<'a, str>, Rejection> {
        match self.required(field)? {
            Json::Text(raw) => unquote(raw),
            _ => Err(Rejection::of_field(Reason::WrongType, field.name())),
        }
    }

    /// The text of an optional field; null and empty are absent.
    fn optional_text(&self, field: Field) -> Result<Option<Cow<'a, str>>, Rejection> {
        match self.get(field) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(raw)) => Ok(Some(cut(unquote(raw)?)).filter(|text| !text.is_empty())),
            Some(_) => Err(Rejection::of_field(Reason::WrongType, field.name())),
        }
    }

    fn required_integer(&self, field: Field) -> Result<&'a str, Rejection> {
        match self.required(field)? {
            Json::Number(text) if integer(text) => Ok(text),
            _ => Err(Rejection::of_field(Reason::WrongType, field.name())),
        }
    }

    fn event_type(&self) -> Result<EventType, Rejection> {
        check::event_type(&self.required_text(Field::Type)?)
    }

    fn event_id(&self) -> Result<Cow<'a, str>, Rejection> {
        check::id(self.required_text(Field::EventId)?, Field::EventId.name())
    }

    fn customer_id(&self) -> Result<Cow<'a, str>, Rejection> {
        let id = match self.required(Field::CustomerId)? {
            Json::Text(raw) => unquote(raw)?,
            Json::Number("-0") => Cow::Borrowed("0"),
            Json::Number(text) if integer(text) => Cow::Borrowed(text),
            _ => {
                return Err(Rejection::of_field(
                    Reason::WrongType,
                    Field::CustomerId.name(),
                ));
            }
        };
        check::id(id, Field::CustomerId.name())
    }

    fn occurred_at(&self) -> Result<Timestamp, Rejection> {
        let at = match self.required(Field::OccurredAt)? {
            Json::Text(raw) => Timestamp::from_rfc3339(&unquote(raw)?),
            Json::Number(text) if integer(text) => text.parse().ok().map(Timestamp::from_millis),
            _ => {
                return Err(Rejection::of_field(
                    Reason::WrongType,
                    Field::OccurredAt.name(),
                ));
            }
        };
        check::plausible(at)
    }

    fn amount(&self) -> Result<Amount, Rejection> {
        let amount = match self.required(Field::Amount)? {
            Json::Text(raw) => Amount::from_decimal(&unquote(raw)?),
            Json::Number(text) => Amount::from_json_number(text),
            _ => return Err(Rejection::of_field(Reason::WrongType, Field::Amount.name())),
        };
        amount.ok_or(Rejection::of_field(
            Reason::InvalidAmount,
            Field::Amount.name(),
        ))
    }

    fn survey(&self) -> Result<Survey, Rejection> {
        check::survey(&self.required_text(Field::Survey)?)
    }

    /// The values of the dimensions; the object is not walked where none are configured.
    fn attributes(&self, dimensions: &[String]) -> Result<Attributes<'a>, Rejection> {
        match self.raw[Field::Attributes as usize] {
            None | Some("null") => Ok(Attributes::default()),
            Some(raw) if raw.starts_with('{') && dimensions.is_empty() => Ok(Attributes::default()),
            Some(raw) if raw.starts_with('{') => attributes::read(raw, dimensions),
            Some(_) => Err(Rejection::of_field(
                Reason::WrongType,
                Field::Attributes.name(),
            )),
        }
    }
}

/// Why the text as a whole is no record: it is no JSON, or JSON of another kind.
#[cold]
fn whole_record_fault(text: &str) -> Reason {
    match serde_json::from_str::<&RawValue>(text) {
        Err(_) => Reason::InvalidJson,
        // An object that is well-formed can still hold a key that is no text.
        Ok(raw) if raw.get().starts_with('{') => Reason::InvalidJson,
        Ok(raw) => match structure::check(raw.get(), 1) {
            Err(fault) => fault,
            Ok(()) => Reason::WrongType,
        },
    }
}

/// Whether the text of a JSON number is that of an integer.
pub(in crate::event) fn integer(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The text of a JSON string; it borrows unless there are escapes.
pub(in crate::event) fn unquote(raw: &str) -> Result<Cow<'_, str>, Rejection> {
    let inside = raw.get(1..raw.len() - 1).unwrap_or_default();
    if !inside.as_bytes().contains(&b'\\') {
        return Ok(Cow::Borrowed(inside));
    }
    // Half a surrogate pair is well-formed JSON and no text.
    serde_json::from_str::<String>(raw)
        .map(Cow::Owned)
        .map_err(|_| Rejection::new(Reason::InvalidJson))
}

/// Reads the record's object: known values are kept, all of them are checked.
struct RecordVisitor<'f, 'a> {
    fields: &'f mut Fields<'a>,
}

impl<'a> Visitor<'a> for RecordVisitor<'_, 'a> {
    type Value = Result<(), Reason>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// A fault of the structure does not end the reading: bad syntax further on weighs more.
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fault = Ok(());
        let mut others = structure::Keys::default();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let raw = map.next_value::<&'a RawValue>()?.get();
            let given_twice = match Field::of(&key) {
                Some(field) => self.fields.raw[field as usize].replace(raw).is_some(),
                None => !others.insert(key),
            };
            if fault.is_ok() {
                fault = match raw.as_bytes().first() {
                    _ if given_twice => Err(Reason::InvalidJson),
                    Some(b'{' | b'[') => structure::check(raw, 2),
                    _ => Ok(()),
                };
            }
        }
        Ok(fault)
    }
}

/// A key that borrows from the record unless it holds escapes.
struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
