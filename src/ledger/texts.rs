//! Texts as small codes: the reasons, currencies and channels of one shard.

use std::collections::HashMap;

use crate::ledger::hash::Hashes;
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};

/// What stands for the texts beyond the limit.
pub const OTHER: &str = "other";
/// What stands for a reason or channel that is missing.
pub const UNSPECIFIED: &str = "unspecified";

const MARKS: usize = 32;

/// Codes given in order of arrival, up to a limit; what comes later is [`OTHER`].
///
/// Bounded: `limit + 1` texts of at most 256 bytes each.
#[derive(Debug, Clone)]
pub struct Texts {
    codes: HashMap<Box<str>, u8>,
    entries: Vec<Entry>,
    /// By [`mark`] the code of the text seen last: there are few texts, and mostly it is the same one.
    seen: [u8; MARKS],
    /// The code of [`OTHER`], and the number of codes that stand for a text of their own.
    limit: u8,
}

#[derive(Debug, Clone)]
struct Entry {
    text: Box<str>,
    hash: u64,
}

impl Texts {
    /// Codes `0..limit` for texts, `limit` for what is beyond; `first` gets code 0.
    #[must_use]
    pub fn new(limit: u8, first: &str, hashes: &Hashes) -> Self {
        let mut texts = Self {
            codes: HashMap::new(),
            entries: Vec::new(),
            seen: [0; MARKS],
            limit,
        };
        texts.code(first, hashes);
        texts
    }

    /// The code of a text, a new one if there is room.
    pub fn code(&mut self, text: &str, hashes: &Hashes) -> u8 {
        let mark = mark(text);
        let seen = self.seen[mark];
        if let Some(entry) = self.entries.get(usize::from(seen))
            && *entry.text == *text
            // The entry of what is beyond the limit may read like a text of its own.
            && seen < self.limit
        {
            return seen;
        }
        let code = self.look_up(text, hashes);
        self.seen[mark] = code;
        code
    }

    fn look_up(&mut self, text: &str, hashes: &Hashes) -> u8 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        let next = u8::try_from(self.entries.len()).unwrap_or(self.limit);
        if next >= self.limit {
            if self.entries.len() == usize::from(self.limit) {
                self.entries.push(Entry {
                    text: OTHER.into(),
                    hash: hashes.text(OTHER),
                });
            }
            return self.limit;
        }
        self.codes.insert(text.into(), next);
        self.entries.push(Entry {
            text: text.into(),
            hash: hashes.text(text),
        });
        next
    }

    /// The text of a code that was given out.
    #[must_use]
    pub fn text(&self, code: u8) -> &str {
        self.entries
            .get(usize::from(code))
            .map_or(OTHER, |entry| &entry.text)
    }

    /// The hash of the text of a code.
    #[must_use]
    pub fn hash(&self, code: u8) -> u64 {
        self.entries
            .get(usize::from(code))
            .map_or(0, |entry| entry.hash)
    }

    /// All texts in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.text.as_ref())
    }
}

/// A number below [`MARKS`] that differs between most texts: of the length and the last byte.
fn mark(text: &str) -> usize {
    let last = text.as_bytes().last().map_or(0, |last| usize::from(*last));
    (text.len() * 5 + last) % MARKS
}

impl Part for Texts {
    /// How many texts have a code of their own, and the hashes.
    type Needs<'a> = (u8, &'a Hashes);

    fn write(&self, out: &mut Writer) {
        out.count(self.entries.len());
        for entry in &self.entries {
            out.text(&entry.text);
        }
    }

    fn read(from: &mut Reader<'_>, (limit, hashes): (u8, &Hashes)) -> Result<Self, Unusable> {
        let count = from.count(4)?;
        let mut texts = Self {
            codes: HashMap::new(),
            entries: Vec::new(),
            seen: [0; MARKS],
            limit,
        };
        for number in 0..count {
            let text = from.text()?;
            // Giving the codes once more gives the same ones, or the list is none.
            texts.code(text, hashes);
            if texts.entries.len() != number + 1 {
                return Err(Unusable::Damaged("a text has two codes"));
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::settings::DigestKey;

    #[test]
    fn texts_beyond_the_limit_are_other() {
        let hashes = Hashes::new(DigestKey::BUILT_IN);
        let mut texts = Texts::new(3, UNSPECIFIED, &hashes);
        let codes: Vec<u8> = [
            "unspecified",
            "price",
            "support",
            "price",
            "late",
            "later",
            "support",
        ]
        .into_iter()
        .map(|text| texts.code(text, &hashes))
        .collect();
        assert_eq!(codes, [0, 1, 2, 1, 3, 3, 2]);
        assert_eq!(
            texts.iter().collect::<Vec<_>>(),
            ["unspecified", "price", "support", "other"]
        );
        assert_eq!(texts.hash(3), hashes.text("other"));
    }
}
