//! The mappings of topics, as a part of what decides the state.
//!
//! Owns which topics hold other than native events, and the fingerprint of all mappings. Promises that
//! it follows from what they say: not from the names of their files, nor from remarks or options in
//! them. Does not know how mappings are written.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::event::mapping::Rules;
use crate::ledger::hash::checksum;

/// The rules by the names of their topics; a topic without rules holds native events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    rules: BTreeMap<String, Rules>,
    fingerprint: Option<u128>,
}

impl Sources {
    #[must_use]
    pub fn new(rules: BTreeMap<String, Rules>) -> Self {
        let fingerprint = (!rules.is_empty()).then(|| fingerprint(&rules));
        Self { rules, fingerprint }
    }

    /// Mappings of which nothing is known but their fingerprint, to tell whether a state was made
    /// under them: nothing can be read by these.
    #[must_use]
    pub const fn known_by(fingerprint: Option<u128>) -> Self {
        Self {
            rules: BTreeMap::new(),
            fingerprint,
        }
    }

    /// The rules of a topic, if it has any.
    #[must_use]
    pub fn of(&self, topic: &str) -> Option<&Rules> {
        self.rules.get(topic)
    }

    /// The topics with rules, in the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().map(String::as_str)
    }

    /// The same for the same rules of the same topics, on every machine; nothing if all topics hold
    /// native events.
    #[must_use]
    pub const fn fingerprint(&self) -> Option<u128> {
        self.fingerprint
    }
}

fn fingerprint(rules: &BTreeMap<String, Rules>) -> u128 {
    let mut text = String::new();
    for (topic, rules) in rules {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "{} {topic} {}", topic.len(), rules.canonical());
    }
    checksum(text.as_bytes())
}
