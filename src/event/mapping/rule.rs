//! What a mapping says, as data: when a rule applies, and where each field comes from.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::event::mapping::path::Path;

/// Everything that a mapping says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub envelope: Envelope,
    /// Of what `value` is made.
    pub format: Format,
    /// Of what `key` is made, where a path goes into it.
    pub key_format: Format,
    /// A record for which any of these holds is skipped.
    pub skip: Vec<Condition>,
    /// Every one whose condition holds makes an event, or one for each item.
    pub events: Vec<Rule>,
    /// What becomes of a record for which no rule holds.
    pub otherwise: Otherwise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Envelope {
    #[default]
    None,
    /// CloudEvents, structured or binary, each record by its headers.
    CloudEvents,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    #[default]
    Json,
    /// With a schema of the registry: the five bytes of its wire format come first.
    Avro,
    Protobuf,
    JsonSchema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Otherwise {
    /// It is rejected as `unmapped`, so that it is seen.
    #[default]
    Unmapped,
    Skipped,
}

/// Tests of which all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    pub all: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// The scalar at the path has one of these texts; what is absent has none.
    Is { path: Path, texts: Vec<String> },
    /// The opposite: it has none of them, or is absent.
    IsNot { path: Path, texts: Vec<String> },
    /// There is something (`true`), or it is missing, null or an empty text (`false`).
    Present { path: Path, present: bool },
    /// A change of state: the text at `after` is among `into`, and the one at `before` was not, and
    /// is among `from` unless that is empty. An absent `before` counts as not among `into`.
    Becomes {
        before: Path,
        after: Path,
        from: Vec<String>,
        into: Vec<String>,
    },
}

/// How one kind of event is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Any of these; none at all is always.
    pub when: Vec<Condition>,
    /// An array: one event for each of its items, which `item` stands for.
    pub each: Option<Path>,
    /// Looked at with `item` bound; none at all is always.
    pub each_when: Vec<Condition>,
    pub event_id: Text,
    pub event_type: Text,
    pub customer_id: Text,
    pub occurred_at: Instant,
    /// Of purchases.
    pub amount: Option<Amount>,
    pub currency: Option<Text>,
    /// Of churns.
    pub reason: Option<Text>,
    /// Of surveys.
    pub survey: Option<Text>,
    pub score: Option<Text>,
    pub channel: Option<Text>,
    /// By the name of the dimension.
    pub attributes: BTreeMap<String, Text>,
}

impl Rule {
    /// Whether it rejects whatever it applies to, because that has no type: how a mapping lets be
    /// seen what does not look like its backend.
    #[must_use]
    pub fn makes_nothing(&self) -> bool {
        let TextSource::First(paths) = &self.event_type.source else {
            return false;
        };
        let lacks = |condition: &Condition, path: &Path| {
            condition.all.iter().any(|test| {
                matches!(test, Test::Present { path: absent, present: false } if absent == path)
            })
        };
        let typeless = |when: &Condition| paths.iter().all(|path| lacks(when, path));
        self.event_type.otherwise.is_none()
            && !self.when.is_empty()
            && self.when.iter().all(typeless)
    }
}

/// A text, from where it comes first, in the form that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub source: TextSource,
    /// What stands there to what it means; a text that is not among them is `otherwise`.
    pub map: Option<BTreeMap<String, String>>,
    /// In place of what is not in the map, or absent; nothing: it is absent.
    pub otherwise: Option<String>,
    pub case: Case,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSource {
    /// The same for all.
    Fixed(String),
    /// The first that is present: neither missing, null nor an empty text.
    First(Vec<Path>),
    /// Parts of which every one must be present, put together.
    Join {
        parts: Vec<TextSource>,
        with: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Case {
    #[default]
    AsItIs,
    Upper,
    Lower,
}

/// A point in time, from the first path at which there is something.
#[derive(Debug, Clone, PartialEq)]
pub struct Instant {
    pub first: Vec<Path>,
    pub form: TimeForm,
}

impl Eq for Instant {}

#[derive(Debug, Clone, PartialEq)]
pub enum TimeForm {
    /// A text is RFC 3339 with its zone, an integer is Unix milliseconds: as native events have it.
    Native,
    /// Unix time, as a number or as its text; seconds may have decimals.
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    /// Days since 1970, at midnight of UTC.
    Days,
    /// Local time of a zone without saying so (`2026-11-01 09:30:00`, with `T` or a blank, decimals
    /// or none); a text that does have a zone keeps it. Where clocks are set back, the earlier one;
    /// where they are set forward, as if they were not.
    Naive(TimeZone),
}

/// An amount of money, from the first path at which there is something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    pub first: Vec<Path>,
    pub unit: AmountUnit,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AmountUnit {
    /// Units of the currency, as a decimal text or a number.
    Units,
    /// The smallest units that the currency has by ISO 4217, or as said here for single codes.
    Minor { digits: BTreeMap<String, u8> },
    /// The record says how many decimals there are.
    Scaled { digits: Path },
}
