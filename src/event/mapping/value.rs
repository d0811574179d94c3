//! What a path leads to.
//!
//! Owns the kinds of values and how each is compared and read as text. Does not know where a value
//! stood, nor which field it is for.

use std::borrow::Cow;

use crate::event::Rejection;
use crate::event::json::{self, unquote};
use crate::event::mapping::rule::Case;

/// Something that is there: neither missing, null nor an empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A JSON text with its quotes.
    Quoted(&'a str),
    /// A text of a header, of the key or of the mapping itself.
    Text(Cow<'a, str>),
    /// By its digits, as they stand in the record.
    Number(Cow<'a, str>),
    Bool(&'a str),
    /// A JSON object or array.
    Composite(&'a str),
}

impl<'a> Value<'a> {
    /// Of well-formed JSON text.
    #[inline]
    pub fn of_json(raw: &'a str) -> Option<Self> {
        Some(match raw.as_bytes() {
            b"\"\"" | [] | [b'n', ..] => return None,
            [b'"', ..] => Self::Quoted(raw),
            [b'{' | b'[', ..] => Self::Composite(raw),
            [b't' | b'f', ..] => Self::Bool(raw),
            _ => Self::Number(Cow::Borrowed(raw)),
        })
    }

    /// Of bytes that hold no JSON; what is no UTF-8 is not there.
    pub fn of_bytes(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        (!text.is_empty()).then_some(Self::Text(Cow::Borrowed(text)))
    }

    /// Whether the text of the scalar is this one.
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Quoted(raw) => json::is(raw, text),
            Self::Text(own) | Self::Number(own) => own == text,
            Self::Bool(raw) => *raw == text,
            Self::Composite(_) => false,
        }
    }

    /// The text of the scalar; none of a composite.
    ///
    /// # Errors
    /// `InvalidJson` if it holds half a surrogate pair.
    #[inline]
    pub fn text(self) -> Result<Option<Cow<'a, str>>, Rejection> {
        Ok(Some(match self {
            Self::Quoted(raw) => unquote(raw)?,
            Self::Text(text) | Self::Number(text) => text,
            Self::Bool(raw) => Cow::Borrowed(raw),
            Self::Composite(_) => return Ok(None),
        }))
    }

    /// In upper or lower case, if it is a text.
    ///
    /// # Errors
    /// As [`Value::text`].
    pub fn in_case(self, case: Case) -> Result<Self, Rejection> {
        let text = match (case, self) {
            (Case::AsItIs, own) => return Ok(own),
            (_, Self::Quoted(raw)) => unquote(raw)?,
            (_, Self::Text(text)) => text,
            (_, other) => return Ok(other),
        };
        let changes = match case {
            Case::Upper => |c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit(),
            _ => |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit(),
        };
        Ok(Self::Text(match case {
            _ if !text.contains(changes) => text,
            Case::Upper => Cow::Owned(text.to_uppercase()),
            _ => Cow::Owned(text.to_lowercase()),
        }))
    }
}
