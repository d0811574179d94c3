//! The values of the configured dimensions, out of the object `attributes`.
//!
//! Looks only at text that is known to be well-formed and without a key given twice, walks it once,
//! and no further than the last dimension that is looked for.

use std::borrow::Cow;

use crate::event::check::cut;
use crate::event::decode::structure::{blank, end_of_string};
use crate::event::decode::{Json, unquote};
use crate::event::{Attributes, Rejection};

/// Reads an object; `dimensions` are the names in the configured order.
///
/// # Errors
/// `InvalidJson` where a value that is wanted holds half a surrogate pair.
pub fn read<'a>(object: &'a str, dimensions: &[String]) -> Result<Attributes<'a>, Rejection> {
    let mut attributes = Attributes::default();
    let mut missing = dimensions.len().min(attributes.values.len());
    let mut members = Members { rest: object };
    while missing > 0
        && let Some((key, raw)) = members.next()
    {
        let Some(dimension) = position(dimensions, key) else {
            continue;
        };
        let Some(value) = attributes.values.get_mut(dimension) else {
            continue;
        };
        missing -= 1;
        *value = match Json::of(raw) {
            Json::Text(raw) => Some(cut(unquote(raw)?)).filter(|text| !text.is_empty()),
            Json::Number(text) | Json::Bool(text) => Some(cut(Cow::Borrowed(text))),
            Json::Null => None,
            Json::Composite => {
                attributes.ignored += 1;
                None
            }
        };
    }
    Ok(attributes)
}

/// The dimension that a key in its quotes names.
fn position(dimensions: &[String], key: &str) -> Option<usize> {
    let inside = key.get(1..key.len() - 1)?;
    if !inside.as_bytes().contains(&b'\\') {
        return dimensions.iter().position(|name| name == inside);
    }
    let plain = unquote(key).ok()?;
    dimensions.iter().position(|name| *name == plain)
}

/// The members of an object: each key with its quotes, and the text of its value.
struct Members<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        // Between two members stand a bracket or a comma and blanks, and no quote.
        let (_, from_key) = self.rest.split_at_checked(self.rest.find('"')?)?;
        let (key, behind) = from_key.split_at_checked(end_of_string(from_key.as_bytes(), 0))?;
        let colon = |c: char| c == ':' || u8::try_from(c).is_ok_and(blank);
        let from_value = behind.trim_start_matches(colon);
        let (value, rest) = from_value.split_at_checked(end_of_value(from_value.as_bytes()))?;
        self.rest = rest;
        Some((key, value))
    }
}

/// The index behind the value that stands at the beginning.
fn end_of_value(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'"') => end_of_string(bytes, 0),
        Some(b'{' | b'[') => end_of_composite(bytes),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}') || blank(*byte);
            bytes.iter().position(ends).unwrap_or(bytes.len())
        }
    }
}

fn end_of_composite(bytes: &[u8]) -> usize {
    let mut open = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'"' => end_of_string(bytes, at),
            _ => at + 1,
        };
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
    }
    bytes.len()
}
