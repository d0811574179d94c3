//! What every event must satisfy, whatever its record looked like.
//!
//! Owns the checks of single fields and the rejections that they end in. Promises that native and
//! mapped events are held against the same rules. Does not know where a value stood in a record.

use std::borrow::Cow;

use crate::event::currency::iso_4217;
use crate::event::decode::{DecodeSettings, MAX_ID_BYTES, MAX_TEXT_BYTES};
use crate::event::{EventType, Reason, Rejection, Survey, Timestamp};

/// The type of an event by its text.
///
/// # Errors
/// `UnknownType`.
#[inline]
pub fn event_type(text: &str) -> Result<EventType, Rejection> {
    match text {
        "signup" => Ok(EventType::Signup),
        "purchase" => Ok(EventType::Purchase),
        "churn" => Ok(EventType::Churn),
        "survey_submitted" => Ok(EventType::SurveySubmitted),
        _ => Err(Rejection::of_field(Reason::UnknownType, "type")),
    }
}

/// An id of 1 to 256 bytes, of the field of that name.
///
/// # Errors
/// `InvalidId`.
#[inline]
pub fn id<'a>(id: Cow<'a, str>, field: &'static str) -> Result<Cow<'a, str>, Rejection> {
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(Rejection::of_field(Reason::InvalidId, field));
    }
    Ok(id)
}

/// The instant of an event, where its text could be read at all.
///
/// # Errors
/// `InvalidTime`, with a hint where seconds stand for milliseconds.
#[inline]
pub fn plausible(at: Option<Timestamp>) -> Result<Timestamp, Rejection> {
    let invalid = Rejection::of_field(Reason::InvalidTime, "occurred_at");
    let at = at.ok_or(invalid)?;
    if at.plausible() {
        return Ok(at);
    }
    let seconds = at.as_millis().checked_mul(1000).map(Timestamp::from_millis);
    let hint = seconds
        .filter(|at| at.plausible())
        .map(|_| "seconds? integers are Unix milliseconds");
    Err(Rejection { hint, ..invalid })
}

/// The kind of a survey by its text.
///
/// # Errors
/// `UnknownType`.
#[inline]
pub fn survey(text: &str) -> Result<Survey, Rejection> {
    match text {
        "nps" => Ok(Survey::Nps),
        "csat" => Ok(Survey::Csat),
        "ces" => Ok(Survey::Ces),
        _ => Err(Rejection::of_field(Reason::UnknownType, "survey")),
    }
}

/// Cuts a text to [`MAX_TEXT_BYTES`], at the end of a character.
#[must_use]
pub fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return text;
    }
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

impl DecodeSettings {
    /// Holds the instant of an event against the one that Kafka has for its record.
    ///
    /// # Errors
    /// `InTheFuture`.
    #[inline]
    pub fn recorded(
        &self,
        occurred_at: Timestamp,
        recorded_at: Option<Timestamp>,
    ) -> Result<(), Rejection> {
        match recorded_at {
            Some(at) if occurred_at > at.plus_millis(self.max_future_skew_millis) => {
                Err(Rejection::of_field(Reason::InTheFuture, "occurred_at"))
            }
            _ => Ok(()),
        }
    }

    /// A currency of ISO 4217 or of the configuration.
    ///
    /// # Errors
    /// `UnknownCurrency`.
    #[inline]
    pub fn currency<'a>(&self, code: Cow<'a, str>) -> Result<Cow<'a, str>, Rejection> {
        if iso_4217(&code) || self.currencies.contains(code.as_ref()) {
            return Ok(code);
        }
        Err(Rejection {
            reason: Reason::UnknownCurrency,
            field: Some("currency"),
            hint: Some("codes beyond ISO 4217 are listed under `currencies`; codes are upper case"),
        })
    }

    /// A score on the scale of its survey, from the text of an integer.
    ///
    /// # Errors
    /// `ScoreOutOfRange`.
    #[inline]
    pub fn score(&self, survey: Survey, integer: &str) -> Result<u8, Rejection> {
        let (min, max) = match survey {
            Survey::Nps => (0, 10),
            Survey::Csat => (1, 5),
            Survey::Ces => (1, self.ces_max),
        };
        integer
            .parse::<u8>()
            .ok()
            .or(if integer == "-0" { Some(0) } else { None })
            .filter(|score| (min..=max).contains(score))
            .ok_or(Rejection::of_field(Reason::ScoreOutOfRange, "score"))
    }
}
