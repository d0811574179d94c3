//! What a customer event is.
//!
//! Owns the vocabulary of the input: [`Event`], its parts, and the closed list of reasons for which
//! a record is [rejected](Rejection). Knows the wire format only in [`decode`]. Does not know
//! partitions, facts or measures.

pub mod amount;
pub mod attributes;
pub mod check;
pub mod currency;
pub mod decode;
pub mod encode;
mod json;
pub mod mapping;
pub mod record;
pub mod schema;
pub mod source;
pub mod time;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use amount::Amount;
pub use attributes::{Attributes, MAX_DIMENSIONS};
pub use time::Timestamp;

/// One thing that happened to one customer, as decoded from a record.
///
/// Texts borrow from the record unless they held escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Unique per event, 1 to 256 bytes.
    pub id: Cow<'a, str>,
    /// The customer as the backend names it, 1 to 256 bytes. Personal data: only its digest is kept.
    pub customer: Cow<'a, str>,
    /// When it happened, which is all that decides: arrival time does not.
    pub occurred_at: Timestamp,
    /// What happened.
    pub body: Body<'a>,
    /// What it tells of the customer, of the configured dimensions.
    pub attributes: Attributes<'a>,
}

/// What happened, with what each kind of event carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    Signup,
    Purchase {
        amount: Amount,
        /// An ISO 4217 code, or one listed under `currencies`.
        currency: Cow<'a, str>,
    },
    Churn {
        reason: Option<Cow<'a, str>>,
    },
    Survey {
        survey: Survey,
        /// On the scale of the survey.
        score: u8,
        channel: Option<Cow<'a, str>>,
    },
}

/// The `type` of an event, as a label value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    Signup,
    Purchase,
    Churn,
    SurveySubmitted,
}

impl EventType {
    pub const ALL: [Self; 4] = [
        Self::Signup,
        Self::Purchase,
        Self::Churn,
        Self::SurveySubmitted,
    ];

    /// The text of the wire and of the label `event`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Purchase => "purchase",
            Self::Churn => "churn",
            Self::SurveySubmitted => "survey_submitted",
        }
    }
}

impl Body<'_> {
    #[must_use]
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::Signup => EventType::Signup,
            Self::Purchase { .. } => EventType::Purchase,
            Self::Churn { .. } => EventType::Churn,
            Self::Survey { .. } => EventType::SurveySubmitted,
        }
    }
}

/// The kind of a survey, declared by the event and never guessed from the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Survey {
    Nps,
    Csat,
    Ces,
}

impl Survey {
    pub const ALL: [Self; 3] = [Self::Nps, Self::Csat, Self::Ces];

    /// The text of the wire and of the label `survey`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nps => "nps",
            Self::Csat => "csat",
            Self::Ces => "ces",
        }
    }
}

/// Why a record did not become an event: the closed list of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    InvalidJson,
    InvalidUtf8,
    TooLarge,
    TooDeep,
    MissingField,
    WrongType,
    UnknownType,
    InvalidTime,
    InTheFuture,
    InvalidAmount,
    UnknownCurrency,
    ScoreOutOfRange,
    InvalidId,
    Unmapped,
}

impl Reason {
    pub const ALL: [Self; 14] = [
        Self::InvalidJson,
        Self::InvalidUtf8,
        Self::TooLarge,
        Self::TooDeep,
        Self::MissingField,
        Self::WrongType,
        Self::UnknownType,
        Self::InvalidTime,
        Self::InTheFuture,
        Self::InvalidAmount,
        Self::UnknownCurrency,
        Self::ScoreOutOfRange,
        Self::InvalidId,
        Self::Unmapped,
    ];

    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::UnknownType => "unknown_type",
            Self::InvalidTime => "invalid_time",
            Self::InTheFuture => "in_the_future",
            Self::InvalidAmount => "invalid_amount",
            Self::UnknownCurrency => "unknown_currency",
            Self::ScoreOutOfRange => "score_out_of_range",
            Self::InvalidId => "invalid_id",
            Self::Unmapped => "unmapped",
        }
    }
}

/// A refused record: the reason, the field it is about, and a hint for people.
///
/// Never holds anything of the record itself, so it can be logged as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// The name of the native field, where one is to blame.
    pub field: Option<&'static str>,
    /// What the way out may be, for instance "looks like seconds: milliseconds are expected".
    pub hint: Option<&'static str>,
}

impl Rejection {
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            field: None,
            hint: None,
        }
    }

    #[must_use]
    pub const fn of_field(reason: Reason, field: &'static str) -> Self {
        Self {
            reason,
            field: Some(field),
            hint: None,
        }
    }
}
