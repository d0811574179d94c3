//! Attributes as small codes: the values of the configured dimensions, as they came together.
//!
//! ```text
//!  event            {"plan":"pro","country":"TR"}     {"plan":"basic"}
//!  values           plan: 1 pro, 2 basic              country: 1 TR
//!  combinations     0: (1, 1)                         1: (2, -)
//! ```
//!
//! One event gives one code, whatever number of dimensions it tells of. Codes are given per shard in
//! the order of arrival; they decide nothing, texts do.

use std::collections::HashMap;
use std::fmt::Write;

use crate::event::attributes::{Attributes as Told, MAX_DIMENSIONS};
use crate::ledger::hash::Hashes;
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};
use crate::ledger::texts::OTHER;

/// Combinations that have a code of their own in one shard; later ones are [`OTHER`] in every
/// dimension.
pub const MAX_COMBINATIONS: u32 = 65_535;

/// By dimension the code of a value; [`ABSENT`] where nothing is told.
pub type Values = [u32; MAX_DIMENSIONS];

/// The value code of a dimension of which nothing is told.
pub const ABSENT: u32 = 0;

/// The interned attributes of one shard.
///
/// Bounded: [`MAX_COMBINATIONS`] and one combinations, and as many values of at most 256 bytes in
/// each dimension.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    dimensions: [Dimension; MAX_DIMENSIONS],
    codes: HashMap<Values, u32>,
    combinations: Vec<Combination>,
}

#[derive(Debug, Clone, Default)]
struct Dimension {
    codes: HashMap<Box<str>, u32>,
    /// The text of code 1 and up.
    texts: Vec<Box<str>>,
    /// What all this takes, estimated.
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Combination {
    values: Values,
    hash: u64,
}

impl Attributes {
    /// The code of what an event tells, a new one if there is room; nothing if it tells nothing.
    pub fn code(&mut self, told: &Told<'_>, hashes: &Hashes) -> Option<u32> {
        if told.is_empty() {
            return None;
        }
        if let Some(code) = self.known(told) {
            return Some(code);
        }
        Some(if self.combinations.len() < MAX_COMBINATIONS as usize {
            self.add(told, hashes)
        } else {
            self.other(told, hashes)
        })
    }

    fn known(&self, told: &Told<'_>) -> Option<u32> {
        let mut values = Values::default();
        for (dimension, text) in told.iter() {
            values[dimension] = *self.dimensions[dimension].codes.get(text)?;
        }
        self.codes.get(&values).copied()
    }

    fn add(&mut self, told: &Told<'_>, hashes: &Hashes) -> u32 {
        let mut values = Values::default();
        for (dimension, text) in told.iter() {
            values[dimension] = self.dimensions[dimension].code(text);
        }
        self.insert(values, hashes)
    }

    /// What stands for the combinations beyond the limit: `other` in each dimension told of. There
    /// are at most 2^[`MAX_DIMENSIONS`] of these.
    fn other(&mut self, told: &Told<'_>, hashes: &Hashes) -> u32 {
        let mut values = Values::default();
        for (dimension, _) in told.iter() {
            values[dimension] = self.dimensions[dimension].code(OTHER);
        }
        match self.codes.get(&values) {
            Some(code) => *code,
            None => self.insert(values, hashes),
        }
    }

    fn insert(&mut self, values: Values, hashes: &Hashes) -> u32 {
        let code = u32::try_from(self.combinations.len()).unwrap_or(u32::MAX);
        let hash = hashes.text(&self.spelled(values));
        self.codes.insert(values, code);
        self.combinations.push(Combination { values, hash });
        code
    }

    /// The values as one text from which they can be told again.
    fn spelled(&self, values: Values) -> String {
        let mut spelled = String::new();
        for (dimension, value) in values.into_iter().enumerate() {
            if let Some(text) = self.text(dimension, value) {
                // Writing to a text cannot fail.
                let _ = write!(spelled, "{dimension}:{}:{text};", text.len());
            }
        }
        spelled
    }

    /// The values behind a code.
    #[must_use]
    pub fn values(&self, code: u32) -> Values {
        self.combinations
            .get(code as usize)
            .map_or(Values::default(), |combination| combination.values)
    }

    /// The hash of what stands behind a code.
    #[must_use]
    pub fn hash(&self, code: u32) -> u64 {
        self.combinations
            .get(code as usize)
            .map_or(0, |combination| combination.hash)
    }

    /// The text of a value; nothing for [`ABSENT`].
    #[must_use]
    pub fn text(&self, dimension: usize, value: u32) -> Option<&str> {
        let place = value.checked_sub(1)? as usize;
        let text = self.dimensions.get(dimension)?.texts.get(place)?;
        Some(text)
    }

    /// How many combinations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.combinations.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.combinations.is_empty()
    }

    /// Bytes held, estimated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let entry = size_of::<(Values, u32)>() + size_of::<Combination>();
        let texts: usize = self
            .dimensions
            .iter()
            .map(|dimension| dimension.bytes)
            .sum();
        self.combinations.len() * entry * 3 / 2 + texts
    }
}

impl Dimension {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        self.texts.push(text.into());
        self.bytes += 2 * text.len() + 64;
        let code = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.codes.insert(text.into(), code);
        code
    }
}

impl Part for Attributes {
    type Needs<'a> = &'a Hashes;

    fn write(&self, out: &mut Writer) {
        for dimension in &self.dimensions {
            out.count(dimension.texts.len());
            for text in &dimension.texts {
                out.text(text);
            }
        }
        out.count(self.combinations.len());
        for combination in &self.combinations {
            for value in combination.values {
                out.u32(value);
            }
        }
    }

    fn read(from: &mut Reader<'_>, hashes: &Hashes) -> Result<Self, Unusable> {
        let mut attributes = Self::default();
        for dimension in &mut attributes.dimensions {
            for number in 0..from.count(4)? {
                dimension.code(from.text()?);
                if dimension.texts.len() != number + 1 {
                    return Err(Unusable::Damaged("a value has two codes"));
                }
            }
        }
        for _ in 0..from.count(4 * MAX_DIMENSIONS)? {
            let mut values = Values::default();
            for value in &mut values {
                *value = from.u32()?;
            }
            let known = |(dimension, value): (usize, &u32)| {
                *value == ABSENT || attributes.text(dimension, *value).is_some()
            };
            if !values.iter().enumerate().all(known) || attributes.codes.contains_key(&values) {
                return Err(Unusable::Damaged("attributes have no texts"));
            }
            attributes.insert(values, hashes);
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::ledger::settings::DigestKey;

    fn told<'a>(values: &[Option<&'a str>]) -> Told<'a> {
        let mut told = Told::default();
        for (place, value) in told.values.iter_mut().zip(values) {
            *place = value.map(Cow::Borrowed);
        }
        told
    }

    #[test]
    fn combinations_have_codes_and_give_their_texts_back() {
        let hashes = Hashes::new(DigestKey::BUILT_IN);
        let mut attributes = Attributes::default();
        let mut code = |values: &[Option<&str>]| attributes.code(&told(values), &hashes);
        assert_eq!(code(&[None, None]), None);
        assert_eq!(code(&[Some("pro"), Some("TR")]), Some(0));
        assert_eq!(code(&[Some("pro"), None]), Some(1));
        assert_eq!(code(&[None, Some("pro")]), Some(2));
        assert_eq!(code(&[Some("pro"), Some("TR")]), Some(0));
        let values = attributes.values(0);
        assert_eq!(attributes.text(0, values[0]), Some("pro"));
        assert_eq!(attributes.text(1, values[1]), Some("TR"));
        assert_eq!(attributes.text(2, values[2]), None);
        assert_ne!(attributes.hash(1), attributes.hash(2));
    }

    #[test]
    fn combinations_beyond_the_limit_are_other() {
        let hashes = Hashes::new(DigestKey::BUILT_IN);
        let mut attributes = Attributes::default();
        for number in 0..MAX_COMBINATIONS {
            let text = number.to_string();
            assert_eq!(
                attributes.code(&told(&[Some(&text)]), &hashes),
                Some(number)
            );
        }
        let other = attributes.code(&told(&[Some("one more")]), &hashes);
        assert_eq!(other, Some(MAX_COMBINATIONS));
        assert_eq!(
            other,
            attributes.code(&told(&[Some("and another")]), &hashes)
        );
        let [value, ..] = attributes.values(MAX_COMBINATIONS);
        assert_eq!(attributes.text(0, value), Some(OTHER));
        let both = attributes.code(&told(&[Some("one more"), Some("TR")]), &hashes);
        assert_eq!(both, Some(MAX_COMBINATIONS + 1));
        assert_eq!(attributes.code(&told(&[Some("7")]), &hashes), Some(7));
    }
}
