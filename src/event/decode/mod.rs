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
mod passed;
pub(in crate::event) mod structure;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::event::check::{self, cut};
use crate::event::decode::passed::FewKeys;
use crate::event::json::{Fault, Json, Passed, Scanner, blank};
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
        let mut fields = Fields::of(text);
        fields.read()?;
        let event_type = fields.event_type()?;
        let id = fields.event_id()?;
        let customer = fields.customer_id()?;
        let occurred_at = fields.occurred_at()?;
        self.settings.recorded(occurred_at, kafka_timestamp)?;
        let body = self.body(event_type, &fields)?;
        let mut attributes = Attributes::default();
        fields.attributes(&self.settings.dimensions, &mut attributes)?;
        Ok(Event {
            id,
            customer,
            occurred_at,
            body,
            attributes,
        })
    }

    #[inline]
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
    const ALL: [Self; FIELDS] = [
        Self::EventId,
        Self::Type,
        Self::CustomerId,
        Self::OccurredAt,
        Self::OrderId,
        Self::Amount,
        Self::Currency,
        Self::Reason,
        Self::Survey,
        Self::Score,
        Self::Channel,
        Self::Attributes,
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The field whose name in quotes stands first, without escapes: found by its first letter, and
    /// so without a look for the end of the key.
    #[inline]
    fn at(rest: &[u8]) -> Option<Self> {
        Some(match rest.get(1)? {
            b'e' if rest.starts_with(b"\"event_id\"") => Self::EventId,
            b't' if rest.starts_with(b"\"type\"") => Self::Type,
            b'c' if rest.starts_with(b"\"customer_id\"") => Self::CustomerId,
            b'o' if rest.starts_with(b"\"occurred_at\"") => Self::OccurredAt,
            b'o' if rest.starts_with(b"\"order_id\"") => Self::OrderId,
            b'a' if rest.starts_with(b"\"amount\"") => Self::Amount,
            b'c' if rest.starts_with(b"\"currency\"") => Self::Currency,
            b'r' if rest.starts_with(b"\"reason\"") => Self::Reason,
            b's' if rest.starts_with(b"\"survey\"") => Self::Survey,
            b's' if rest.starts_with(b"\"score\"") => Self::Score,
            b'c' if rest.starts_with(b"\"channel\"") => Self::Channel,
            b'a' if rest.starts_with(b"\"attributes\"") => Self::Attributes,
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

/// The values of the known fields as they stand in the record, which is well-formed.
#[derive(Debug)]
struct Fields<'a> {
    text: &'a str,
    values: [Option<Json>; FIELDS],
}

impl<'a> Fields<'a> {
    /// Of a record that is still to be read.
    const fn of(text: &'a str) -> Self {
        Self {
            text,
            values: [None; FIELDS],
        }
    }

    #[inline]
    fn read(&mut self) -> Result<(), Rejection> {
        let mut keys = FewKeys::default();
        match self.walk(&mut keys) {
            Ok(()) if keys.told_all() => Ok(()),
            Ok(()) => structure::check(self.text, 1).map_err(Rejection::new),
            Err(_) => Err(Rejection::new(whole_record_fault(self.text))),
        }
    }

    /// Walks over a record: known values are kept, all of them are checked.
    #[inline]
    fn walk(&mut self, keys: &mut FewKeys<'a>) -> Result<(), Fault> {
        let mut scanner = Scanner::new(self.text);
        scanner.blanks();
        if scanner.byte() != Some(b'{') {
            return Err(Fault::Syntax);
        }
        scanner.open(1)?;
        if scanner.takes(b'}') {
            return scanner.ends();
        }
        loop {
            match read_key(&mut scanner, keys)? {
                Some(field) => {
                    let value = scanner.value(1, keys)?;
                    if self.values[field as usize].replace(value).is_some() {
                        return Err(Fault::KeyTwice);
                    }
                }
                None => scanner.skip(1, keys)?,
            }
            if !scanner.goes_on(b'}')? {
                return scanner.ends();
            }
        }
    }

    #[inline]
    fn get(&self, field: Field) -> Option<Json> {
        self.values[field as usize]
    }

    fn required(&self, field: Field) -> Result<Json, Rejection> {
        match self.get(field) {
            None | Some(Json::Null) => Err(Rejection::of_field(Reason::MissingField, field.name())),
            Some(value) => Ok(value),
        }
    }

    fn required_text(&self, field: Field) -> Result<Cow<'a, str>, Rejection> {
        match self.required(field)? {
            Json::Text(text) => text.plain(self.text),
            _ => Err(Rejection::of_field(Reason::WrongType, field.name())),
        }
    }

    /// The text of an optional field; null and empty are absent.
    fn optional_text(&self, field: Field) -> Result<Option<Cow<'a, str>>, Rejection> {
        match self.get(field) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => {
                Ok(Some(cut(text.plain(self.text)?)).filter(|text| !text.is_empty()))
            }
            Some(_) => Err(Rejection::of_field(Reason::WrongType, field.name())),
        }
    }

    fn required_integer(&self, field: Field) -> Result<&'a str, Rejection> {
        match self.required(field)? {
            Json::Number {
                span,
                integer: true,
            } => Ok(span.of(self.text)),
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
            Json::Text(text) => text.plain(self.text)?,
            Json::Number {
                span,
                integer: true,
            } => Cow::Borrowed(match span.of(self.text) {
                "-0" => "0",
                digits => digits,
            }),
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
            Json::Text(text) => Timestamp::from_rfc3339(&text.plain(self.text)?),
            Json::Number {
                span,
                integer: true,
            } => span.of(self.text).parse().ok().map(Timestamp::from_millis),
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
            Json::Text(text) => Amount::from_decimal(&text.plain(self.text)?),
            Json::Number { span, .. } => Amount::from_json_number(span.of(self.text)),
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

    /// The values of the dimensions; the object is not walked where none are configured. They are
    /// put where they belong: handed back, they would be copied, which took 5 % of decoding.
    #[inline]
    fn attributes(
        &self,
        dimensions: &[String],
        attributes: &mut Attributes<'a>,
    ) -> Result<(), Rejection> {
        match self.get(Field::Attributes) {
            None | Some(Json::Null) => Ok(()),
            Some(Json::Composite(span)) if span.of(self.text).starts_with('{') => {
                if dimensions.is_empty() {
                    return Ok(());
                }
                attributes::read(span.of(self.text), dimensions, attributes)
            }
            Some(_) => Err(Rejection::of_field(
                Reason::WrongType,
                Field::Attributes.name(),
            )),
        }
    }
}

/// Goes over a key; the field that it names.
#[inline]
fn read_key<'a>(scanner: &mut Scanner<'a>, keys: &mut FewKeys<'a>) -> Result<Option<Field>, Fault> {
    if let Some(field) = Field::at(scanner.rest()) {
        scanner.known_key(field.name().len() + 2)?;
        return Ok(Some(field));
    }
    let key = scanner.key()?;
    if key.escaped
        && let Some(field) = Field::of(&key.plain().map_err(|_| Fault::Syntax)?)
    {
        return Ok(Some(field));
    }
    keys.key(key)?;
    Ok(None)
}

/// Why the text as a whole is no record, by another parser: whatever the walk stumbled over, bad
/// syntax further on weighs more.
#[cold]
fn whole_record_fault(text: &str) -> Reason {
    let read = if text.bytes().find(|byte| !blank(*byte)) == Some(b'{') {
        serde_json::from_str::<HashMap<String, &RawValue>>(text).map(drop)
    } else {
        serde_json::from_str::<IgnoredAny>(text).map(drop)
    };
    match read.map(|()| structure::check(text, 1)) {
        Err(_) => Reason::InvalidJson,
        Ok(Err(fault)) => fault,
        Ok(Ok(())) => Reason::WrongType,
    }
}

/// Whether the text of a JSON number is that of an integer.
pub(in crate::event) fn integer(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests;
