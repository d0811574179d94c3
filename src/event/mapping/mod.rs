//! Mappings: records of any shape to events, by rules that are data.

pub mod canonical;
pub mod path;
pub mod rule;
pub mod why;

use crate::event::decode::DecodeSettings;
use crate::event::record::Record;
use crate::event::source::Decoded;
use crate::event::{Reason, Rejection};

pub use rule::Rules;

/// Rules, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    rules: Rules,
    settings: DecodeSettings,
}

impl Mapping {
    #[must_use]
    pub const fn new(rules: Rules, settings: DecodeSettings) -> Self {
        Self { rules, settings }
    }

    /// What the mapping says.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Hands on what a record holds: one or more events or rejections, or once that it is skipped.
    pub fn decode(&self, record: Record<'_>, mut each: impl FnMut(Decoded<'_>)) {
        let _ = (record, &self.settings);
        each(Decoded::Rejected(Rejection::new(Reason::Unmapped)));
    }
}
