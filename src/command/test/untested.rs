//! Which parts of a mapping no test of a file has touched.

use crate::event::mapping::Rules;
use crate::event::mapping::rule::TextSource;
use crate::event::mapping::why::{Outcome, Why};

/// What has held so far, of each part of a mapping.
#[derive(Debug, Default)]
pub struct Touched {
    /// By the number of the condition.
    skips: Vec<bool>,
    /// By the number of the rule: whether it made something of a record, and which type it makes.
    rules: Vec<(bool, Option<String>)>,
}

impl Touched {
    /// Nothing of these rules yet; native events have none.
    #[must_use]
    pub fn of(rules: Option<&Rules>) -> Self {
        let Some(rules) = rules else {
            return Self::default();
        };
        let types = rules
            .events
            .iter()
            .map(|rule| match &rule.event_type.source {
                TextSource::Fixed(text) => Some(text.clone()),
                _ => None,
            });
        Self {
            skips: vec![false; rules.skip.len()],
            rules: types.map(|event_type| (false, event_type)).collect(),
        }
    }

    pub fn add(&mut self, why: &Why<'_>) {
        let skip = why.skip.as_ref().and_then(|skip| skip.alternative);
        if let Some(held) = skip.and_then(|number| self.skips.get_mut(number)) {
            *held = true;
        }
        if let Outcome::Parts(parts) = &why.outcome {
            for part in parts {
                if let Some((made, _)) = self.rules.get_mut(part.rule) {
                    *made = true;
                }
            }
        }
    }

    /// What is left, unless it is nothing.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let rules = self.rules.iter().enumerate();
        let rules = rules
            .filter(|(_, (made, _))| !made)
            .map(|(number, (_, event_type))| match event_type {
                Some(event_type) => format!("rule {} ({event_type})", number + 1),
                None => format!("rule {}", number + 1),
            });
        let skips = self.skips.iter().enumerate();
        let skips = skips
            .filter(|(_, held)| !**held)
            .map(|(number, _)| format!("skip condition {}", number + 1));
        let left: Vec<_> = rules.chain(skips).collect();
        (!left.is_empty()).then(|| format!("no test reaches {}", left.join(", ")))
    }
}
