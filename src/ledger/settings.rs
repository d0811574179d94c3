//! What decides the state: the settings that are part of a shard's fingerprint.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::decode::DecodeSettings;
use crate::event::source::Source;
use crate::ledger::corrections::Corrections;
use crate::ledger::sources::Sources;

/// The settings a fold depends on. Another value of any of them makes another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldSettings {
    /// Key of the digests of customers, events and facts.
    pub digest_key: DigestKey,
    /// How far back facts are kept, in milliseconds; what is older is folded into bases.
    pub history_millis: i64,
    /// How long event ids are remembered, in milliseconds.
    pub duplicate_window_millis: i64,
    /// How far `occurred_at` may be ahead of the record's Kafka timestamp, in milliseconds.
    pub max_future_skew_millis: i64,
    /// Currency codes accepted beyond ISO 4217.
    pub currencies: BTreeSet<String>,
    /// The scale of customer effort scores.
    pub ces: CesScale,
    /// The attributes whose values are kept of each customer, each once, at most
    /// [`MAX_DIMENSIONS`](crate::event::MAX_DIMENSIONS). Their order decides the order of labels.
    pub dimensions: Vec<String>,
    /// The records of the log that must not count.
    pub corrections: Arc<Corrections>,
    /// How the records of topics become events that do not hold native ones.
    pub sources: Arc<Sources>,
    /// Events further behind their shard's newest event are counted as late, in milliseconds.
    /// Counts only: the facts do not depend on it.
    pub late_after_millis: i64,
}

impl FoldSettings {
    /// Whether a state that was folded under other settings can be gone on with under these, from the
    /// next record on: customers, facts and codes would be the same, and only what is kept, rejected
    /// or asked of later records differs.
    #[must_use]
    pub fn continues(&self, before: &Self) -> bool {
        let mut like_these = before.clone();
        like_these.history_millis = self.history_millis;
        like_these.duplicate_window_millis = self.duplicate_window_millis;
        like_these.max_future_skew_millis = self.max_future_skew_millis;
        like_these.late_after_millis = self.late_after_millis;
        like_these.currencies.clone_from(&self.currencies);
        like_these.sources = Arc::clone(&self.sources);
        // Places of dimensions stay what they are.
        if self.dimensions.starts_with(&before.dimensions) {
            like_these.dimensions.clone_from(&self.dimensions);
        }
        like_these == *self
    }

    /// How the records of a topic become events.
    #[must_use]
    pub fn source_of(&self, topic: &str) -> Source {
        match self.sources.of(topic) {
            Some(rules) => Source::mapped(rules.clone(), self.decoding()),
            None => Source::native(self.decoding()),
        }
    }

    /// The same for topics, in their order.
    #[must_use]
    pub fn sources_of(&self, topics: &[String]) -> Vec<Source> {
        topics.iter().map(|topic| self.source_of(topic)).collect()
    }

    /// What decoding depends on.
    #[must_use]
    pub fn decoding(&self) -> DecodeSettings {
        DecodeSettings {
            max_future_skew_millis: self.max_future_skew_millis,
            currencies: self.currencies.clone(),
            ces_max: self.ces.max.rating(),
            dimensions: self.dimensions.clone(),
        }
    }
}

/// A 128-bit secret; never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DigestKey(pub [u8; 16]);

impl DigestKey {
    /// The constant that stands in when no key is configured.
    pub const BUILT_IN: Self = Self(*b"tenure-built-in!");
}

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

/// The scale on which customer effort is rated, from 1 up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CesScale {
    pub max: CesMax,
    /// Which end of the scale stands for little effort.
    pub better: Better,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CesMax {
    Five,
    Seven,
}

impl CesMax {
    #[must_use]
    pub const fn rating(self) -> u8 {
        match self {
            Self::Five => 5,
            Self::Seven => 7,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    High,
    Low,
}

impl Better {
    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }
}

const DAY: i64 = 86_400_000;

impl Default for FoldSettings {
    fn default() -> Self {
        Self {
            digest_key: DigestKey::BUILT_IN,
            history_millis: 800 * DAY,
            duplicate_window_millis: 7 * DAY,
            max_future_skew_millis: 5 * 60_000,
            currencies: BTreeSet::new(),
            ces: CesScale {
                max: CesMax::Five,
                better: Better::Low,
            },
            dimensions: Vec::new(),
            corrections: Arc::default(),
            sources: Arc::default(),
            late_after_millis: DAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_goes_on_under_what_changes_no_fact() {
        let before = FoldSettings {
            dimensions: vec!["plan".to_owned()],
            ..FoldSettings::default()
        };
        let check = |change: fn(&mut FoldSettings), continues: bool| {
            let mut now = before.clone();
            change(&mut now);
            assert_eq!(now.continues(&before), continues, "{now:?}");
        };
        check(|_| {}, true);
        check(|now| now.history_millis *= 2, true);
        check(|now| now.duplicate_window_millis = 0, true);
        check(|now| now.max_future_skew_millis = 0, true);
        check(
            |now| now.currencies = BTreeSet::from(["POINTS".to_owned()]),
            true,
        );
        check(
            |now| now.sources = Arc::new(Sources::known_by(Some(1))),
            true,
        );
        check(|now| now.dimensions.push("country".to_owned()), true);
        check(|now| now.dimensions.insert(0, "country".to_owned()), false);
        check(|now| now.dimensions.clear(), false);
        check(|now| now.digest_key = DigestKey([0; 16]), false);
        check(|now| now.ces.max = CesMax::Seven, false);
    }
}
