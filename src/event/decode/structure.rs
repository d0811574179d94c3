//! What JSON parsers let pass and the contract does not: keys given twice, and nesting too deep.
//!
//! Looks only at text that is known to be well-formed, so that one pass over its tokens is enough.

use std::borrow::Cow;
use std::collections::HashSet;

use smallvec::SmallVec;

use crate::event::Reason;
use crate::event::decode::MAX_DEPTH;
use crate::event::json::blank;

/// Objects with more keys than this are checked by a hash set: linear search would be quadratic.
const FEW: usize = 16;
/// Keys and levels up to these need no allocation.
const USUAL_KEYS: usize = 8;
const USUAL_LEVELS: usize = 4;

/// The keys of one object.
#[derive(Debug, Default)]
pub struct Keys<'a> {
    few: SmallVec<[Cow<'a, str>; USUAL_KEYS]>,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Keys<'a> {
    /// Adds a key; false if it was there.
    pub fn insert(&mut self, key: Cow<'a, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(key);
            return true;
        }
        self.many.get_or_insert_default().insert(key)
    }
}

/// Checks a well-formed value that stands at `depth` (the record is depth 1).
///
/// # Errors
/// `InvalidJson` for a key given twice in one object, or one that is no text; `TooDeep`.
pub fn check(text: &str, depth: usize) -> Result<(), Reason> {
    let bytes = text.as_bytes();
    // One entry for each open bracket: the keys of an object, nothing for an array.
    let mut open: SmallVec<[Option<Keys<'_>>; USUAL_LEVELS]> = SmallVec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                if depth + open.len() > MAX_DEPTH {
                    return Err(Reason::TooDeep);
                }
                open.push((byte == b'{').then(Keys::default));
                at += 1;
            }
            b'}' | b']' => {
                open.pop();
                at += 1;
            }
            b'"' => {
                let end = end_of_string(bytes, at);
                let after = end + bytes[end..].iter().take_while(|byte| blank(**byte)).count();
                // In well-formed JSON a colon follows a string only where it is a key.
                if bytes.get(after) == Some(&b':')
                    && let Some(Some(keys)) = open.last_mut()
                    && !keys.insert(key(&text[at..end])?)
                {
                    return Err(Reason::InvalidJson);
                }
                at = after;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// The index behind the closing quote of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn key(quoted: &str) -> Result<Cow<'_, str>, Reason> {
    if quoted.as_bytes().contains(&b'\\') {
        return serde_json::from_str::<String>(quoted)
            .map(Cow::Owned)
            .map_err(|_| Reason::InvalidJson);
    }
    Ok(Cow::Borrowed(&quoted[1..quoted.len() - 1]))
}
