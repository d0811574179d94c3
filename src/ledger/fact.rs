//! A fact: what is kept of one event, in one or two sorted words.
//!
//! ```text
//!   63                          20        12            0
//!  +------------------------------+---------+------------+
//!  | milliseconds since 2000 * 7  | payload | id check   |
//!  |   + kind            44 bits  |  8 bits |   12 bits  |
//!  +------------------------------+---------+------------+
//!  an order:  | 0 | id check 20 bits | amount in millionths, 43 bits |
//!        or:  | 1 | id check 3 bits  | amount in millionths, 60 bits |
//!  an answer: | id check, 64 bits                                    |
//!
//!   kind        payload                    id check
//!   churn       code of the reason         of the id
//!   signup      0                          of the id
//!   order       code of the currency       of the id
//!   nps..ces    score                      code of the channel
//!   attributes  code of what is told, in the 20 bits of both
//! ```
//!
//! Sorting the words sorts the facts by time and, at one instant, by kind: churn comes before the
//! events that open a spell, which is the rule. 70 years of milliseconds times seven kinds need
//! 43.8 bits; side by side they would need 45. Payload codes are given per shard in the order of
//! arrival, so they decide neither order nor equality of what they stand for: texts do.
//!
//! Two events of one customer that agree in everything but their ids are told apart by the id check.
//! Orders and answers are counted, so they get many bits: a false match of two such orders has the
//! probability 2^-32 (2^-15 above 8.7 million units of a currency), of two answers 2^-64. Two
//! sign-ups or two churns of one instant open and close the same spell, so 12 bits are enough. What two
//! events tell of attributes at one instant is the same fact if it is the same, so it needs no check.

use crate::event::{Survey, Timestamp};

/// What kind of event a fact comes from, in the order in which they count at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Churn,
    Signup,
    Order,
    Nps,
    Csat,
    Ces,
    /// What an event told of the configured dimensions, beside what it was.
    Attributes,
}

const KINDS: u64 = 7;
const CHECK_BITS: u32 = 12;
const PAYLOAD_BITS: u32 = 8;
const LOW_BITS: u32 = CHECK_BITS + PAYLOAD_BITS;
const ALL_CODES: u64 = (1 << LOW_BITS) - 1;

/// A fact as it is stored; equal facts are one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub word: Word,
    /// The second word; 0 if the kind has none.
    pub detail: u64,
}

const LARGE: u64 = 1 << 63;
const AMOUNT_BITS: u32 = 43;
const LARGE_AMOUNT_BITS: u32 = 60;

impl Fact {
    /// A sign-up or a churn; `id` is a hash of the event's id.
    #[must_use]
    pub fn new(at: Timestamp, kind: Kind, payload: u8, id: u64) -> Self {
        debug_assert!(!kind.has_detail());
        Self {
            word: Word::new(at, kind, payload, id),
            detail: 0,
        }
    }

    /// An answer to a survey, with the code of its channel.
    #[must_use]
    pub fn answer(at: Timestamp, survey: Survey, score: u8, channel: u8, id: u64) -> Self {
        Self {
            word: Word::new(at, kind_of(survey), score, u64::from(channel)),
            detail: id,
        }
    }

    /// What an event told of attributes, by a code of at most 20 bits.
    #[must_use]
    pub fn attributes(at: Timestamp, code: u32) -> Self {
        let (payload, check) = ((code >> CHECK_BITS) as u8, u64::from(code));
        Self {
            word: Word::new(at, Kind::Attributes, payload, check),
            detail: 0,
        }
    }

    /// An order of an amount in millionths, of at most 60 bits.
    #[must_use]
    pub fn order(at: Timestamp, currency: u8, amount: u64, id: u64) -> Self {
        let check = id >> CHECK_BITS;
        let detail = if amount < 1 << AMOUNT_BITS {
            amount | (check << AMOUNT_BITS) & !LARGE
        } else {
            amount | check << LARGE_AMOUNT_BITS | LARGE
        };
        Self {
            word: Word::new(at, Kind::Order, currency, id),
            detail,
        }
    }

    /// The amount of an order, in millionths.
    #[must_use]
    pub const fn amount(self) -> u64 {
        let bits = if self.detail & LARGE == 0 {
            AMOUNT_BITS
        } else {
            LARGE_AMOUNT_BITS
        };
        self.detail & ((1 << bits) - 1)
    }

    /// The fact that sorts before every other one with its word or a greater one.
    #[must_use]
    pub const fn least(word: Word) -> Self {
        Self { word, detail: 0 }
    }
}

impl Kind {
    /// Whether a second word belongs to the fact.
    #[must_use]
    pub const fn has_detail(self) -> bool {
        !matches!(self, Self::Churn | Self::Signup | Self::Attributes)
    }
}

/// The first word of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(pub u64);

impl Word {
    /// Packs a fact of a plausible instant; of `check` the low 12 bits are kept.
    #[must_use]
    pub fn new(at: Timestamp, kind: Kind, payload: u8, check: u64) -> Self {
        debug_assert!(at.plausible());
        let millis = (at.as_millis() - Timestamp::FIRST.as_millis()).cast_unsigned();
        let head = millis * KINDS + kind as u64;
        let check = check & ((1 << CHECK_BITS) - 1);
        Self(head << LOW_BITS | u64::from(payload) << CHECK_BITS | check)
    }

    /// The smallest word of an instant: what happened before it sorts before this word.
    #[must_use]
    pub fn first_at(at: Timestamp) -> Self {
        let millis = (at.as_millis() - Timestamp::FIRST.as_millis())
            .max(0)
            .cast_unsigned();
        let millis = millis.min((u64::MAX >> LOW_BITS) / KINDS);
        Self((millis * KINDS) << LOW_BITS)
    }

    #[must_use]
    pub const fn at(self) -> Timestamp {
        let millis = (self.0 >> LOW_BITS) / KINDS;
        Timestamp::FIRST.plus_millis(millis.cast_signed())
    }

    #[must_use]
    pub const fn kind(self) -> Kind {
        match (self.0 >> LOW_BITS) % KINDS {
            0 => Kind::Churn,
            1 => Kind::Signup,
            2 => Kind::Order,
            3 => Kind::Nps,
            4 => Kind::Csat,
            5 => Kind::Ces,
            _ => Kind::Attributes,
        }
    }

    #[must_use]
    pub const fn payload(self) -> u8 {
        (self.0 >> CHECK_BITS) as u8
    }

    /// The rating of a survey.
    #[must_use]
    pub const fn score(self) -> u8 {
        self.payload()
    }

    /// The code of a survey's channel.
    #[must_use]
    pub const fn channel(self) -> u8 {
        self.0 as u8
    }

    /// The code of what an event told of attributes.
    #[must_use]
    pub const fn attributes(self) -> u32 {
        (self.0 & ALL_CODES) as u32
    }

    /// What of the word does not depend on the codes of a shard: time, kind, score and id check.
    #[must_use]
    pub const fn without_codes(self) -> u64 {
        let codes: u64 = match self.kind() {
            Kind::Churn | Kind::Order => 0xff << CHECK_BITS,
            Kind::Nps | Kind::Csat | Kind::Ces => (1 << CHECK_BITS) - 1,
            Kind::Attributes => ALL_CODES,
            Kind::Signup => 0,
        };
        self.0 & !codes
    }
}

/// The kind of an answer to a survey.
#[must_use]
pub const fn kind_of(survey: Survey) -> Kind {
    match survey {
        Survey::Nps => Kind::Nps,
        Survey::Csat => Kind::Csat,
        Survey::Ces => Kind::Ces,
    }
}

/// The facts of one customer in order, walked word by word.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    words: &'a [u64],
}

impl<'a> Facts<'a> {
    /// Takes words as [`crate::ledger::customers`] stores them: details follow their first word.
    #[must_use]
    pub const fn new(words: &'a [u64]) -> Self {
        Self { words }
    }

    /// The words that are left to walk.
    #[must_use]
    pub const fn words(&self) -> &'a [u64] {
        self.words
    }
}

impl Iterator for Facts<'_> {
    type Item = Fact;

    fn next(&mut self) -> Option<Fact> {
        let (&first, rest) = self.words.split_first()?;
        let word = Word(first);
        if word.kind().has_detail()
            && let Some((&detail, rest)) = rest.split_first()
        {
            self.words = rest;
            return Some(Fact { word, detail });
        }
        self.words = rest;
        Some(Fact { word, detail: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS_IN_ORDER: [Kind; 7] = [
        Kind::Churn,
        Kind::Signup,
        Kind::Order,
        Kind::Nps,
        Kind::Csat,
        Kind::Ces,
        Kind::Attributes,
    ];

    #[test]
    fn words_give_back_what_was_packed() {
        for at in [
            Timestamp::FIRST,
            Timestamp::LAST,
            Timestamp::from_millis(1_793_527_800_123),
        ] {
            for kind in KINDS_IN_ORDER {
                for payload in [0, 1, 0xaf, 255] {
                    let word = Word::new(at, kind, payload, 0xfff);
                    assert_eq!(
                        (word.at(), word.kind(), word.payload()),
                        (at, kind, payload)
                    );
                }
            }
        }
        let answer = Fact::answer(Timestamp::LAST, Survey::Ces, 10, 255, u64::MAX);
        assert_eq!((answer.word.score(), answer.word.channel()), (10, 255));
        for code in [0, 4095, 4096, 65_535, (1 << 20) - 1] {
            let told = Fact::attributes(Timestamp::LAST, code);
            assert_eq!(
                (told.word.kind(), told.word.attributes()),
                (Kind::Attributes, code)
            );
        }
    }

    #[test]
    fn words_sort_by_time_then_kind() {
        let early = Timestamp::from_millis(1_793_527_800_000);
        let late = early.plus_millis(1);
        for (kind, next) in KINDS_IN_ORDER.into_iter().zip(&KINDS_IN_ORDER[1..]) {
            assert!(Word::new(early, kind, 255, 0xfff) < Word::new(early, *next, 0, 0));
        }
        let last = Word::new(early, Kind::Attributes, 255, 0xfff);
        assert!(last < Word::new(late, Kind::Churn, 0, 0));
        assert!(Word::first_at(late) > last);
        assert!(Word::first_at(late) <= Word::new(late, Kind::Churn, 0, 0));
        assert_eq!(Word::first_at(Timestamp::from_millis(0)), Word(0));
        assert!(
            Word::first_at(Timestamp::from_millis(i64::MAX))
                > Word::new(Timestamp::LAST, Kind::Attributes, 255, 0xfff)
        );
    }

    #[test]
    fn orders_and_answers_are_walked_with_their_details() {
        let facts = [
            Fact::new(Timestamp::FIRST, Kind::Signup, 0, 1),
            Fact::order(Timestamp::FIRST, 3, 5, 2),
            Fact::answer(Timestamp::FIRST, Survey::Nps, 9, 1, u64::MAX),
            Fact::attributes(Timestamp::FIRST, 70_000),
            Fact::new(Timestamp::LAST, Kind::Churn, 1, 3),
        ];
        let mut words = Vec::new();
        for fact in facts {
            words.push(fact.word.0);
            words.extend(fact.word.kind().has_detail().then_some(fact.detail));
        }
        assert_eq!(words.len(), 7);
        assert!(Facts::new(&words).eq(facts));
    }

    #[test]
    fn amounts_of_any_size_come_back_beside_the_id() {
        for amount in [0, 1, (1 << 43) - 1, 1 << 43, 999_999_999_999_999_999] {
            for id in [0, 1 << 12, u64::MAX, 0x1234_5678_9abc_def0] {
                let order = Fact::order(Timestamp::LAST, 255, amount, id);
                assert_eq!(order.amount(), amount, "{amount} {id:x}");
            }
        }
        let order = |id| Fact::order(Timestamp::FIRST, 1, 5, id);
        assert_ne!(order(1 << 12), order(1 << 31));
        assert_eq!(order(0), order(1 << 32));
    }
}
