//! The values of the configured dimensions, out of the object `attributes`.
//!
//! Looks only at text that is known to be well-formed and without a key given twice, walks it once,
//! and no further than the last dimension that is looked for.

use std::borrow::Cow;

use crate::event::check::cut;
use crate::event::json::{Json, Key, Members, unquote};
use crate::event::{Attributes, Rejection};

/// Reads an object into attributes that have no value yet; `dimensions` are the names in the configured order.
///
/// # Errors
/// `InvalidJson` where a value that is wanted holds half a surrogate pair.
pub fn read<'a>(
    object: &'a str,
    dimensions: &[String],
    attributes: &mut Attributes<'a>,
) -> Result<(), Rejection> {
    let mut missing = dimensions.len().min(attributes.values.len());
    let mut members = Members::of(object);
    while missing > 0
        && let Some((key, value, text)) = members.next()
    {
        let Some(dimension) = position(dimensions, key) else {
            continue;
        };
        let Some(told) = attributes.values.get_mut(dimension) else {
            continue;
        };
        missing -= 1;
        *told = match value {
            Json::Text(_) => Some(cut(unquote(text)?)).filter(|text| !text.is_empty()),
            Json::Number { .. } | Json::Bool(_) => Some(cut(Cow::Borrowed(text))),
            Json::Null => None,
            Json::Composite(_) => {
                attributes.ignored += 1;
                None
            }
        };
    }
    Ok(())
}

/// The dimension that a key names.
fn position(dimensions: &[String], key: Key<'_>) -> Option<usize> {
    dimensions.iter().position(|name| key.is(name))
}
