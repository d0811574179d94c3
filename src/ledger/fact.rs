//! A fact: what is kept of one event, in one or two sorted words.
//!
//! ```text
//!   63                          20        12            0
//!  +------------------------------+---------+------------+
//!  | milliseconds since 2000 * 7  | payload | id check   |
//!  |   + kind            44 bits  |  8 bits |   12 bits  |
//!  +------------------------------+---------+------------+
//!  | order only: the amount in millionths        64 bits |
//!  +-----------------------------------------------------+
//!
//!   kind        payload
//!   churn       code of the reason
//!   signup      0
//!   order       code of the currency
//!   nps..ces    score (4 bits), code of the channel (4 bits)
//! ```
//!
//! Sorting the words sorts the facts by time and, at one instant, by kind: churn comes before the
//! events that open a spell, which is the rule. 70 years of milliseconds times seven kinds need
//! 43.8 bits; side by side they would need 45. Payload codes are given per shard in the order of
//! arrival, so they decide neither order nor equality of what they stand for: texts do.

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
}

/// Room for one kind more than there are today.
const KINDS: u64 = 7;
const CHECK_BITS: u32 = 12;
const PAYLOAD_BITS: u32 = 8;
const LOW_BITS: u32 = CHECK_BITS + PAYLOAD_BITS;

/// A fact as it is stored; equal facts are one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub word: Word,
    /// In millionths; 0 unless the fact is an order.
    pub amount: u64,
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
            _ => Kind::Ces,
        }
    }

    #[must_use]
    pub const fn payload(self) -> u8 {
        (self.0 >> CHECK_BITS) as u8
    }

    /// The rating of a survey.
    #[must_use]
    pub const fn score(self) -> u8 {
        self.payload() >> 4
    }

    /// The code of a survey's channel.
    #[must_use]
    pub const fn channel(self) -> u8 {
        self.payload() & 0xf
    }

    /// What of the word does not depend on the codes of a shard: time, kind, score and id check.
    #[must_use]
    pub const fn without_codes(self) -> u64 {
        let codes: u64 = match self.kind() {
            Kind::Churn | Kind::Order => 0xff << CHECK_BITS,
            Kind::Nps | Kind::Csat | Kind::Ces => 0x0f << CHECK_BITS,
            Kind::Signup => 0,
        };
        self.0 & !codes
    }
}

/// The payload of an answer.
#[must_use]
pub const fn answer(score: u8, channel: u8) -> u8 {
    score << 4 | channel & 0xf
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
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    words: &'a [u64],
}

impl<'a> Facts<'a> {
    /// Takes words as [`crate::ledger::customers`] stores them: each order followed by its amount.
    #[must_use]
    pub const fn new(words: &'a [u64]) -> Self {
        Self { words }
    }
}

impl Iterator for Facts<'_> {
    type Item = Fact;

    fn next(&mut self) -> Option<Fact> {
        let (&first, rest) = self.words.split_first()?;
        let word = Word(first);
        if word.kind() == Kind::Order
            && let Some((&amount, rest)) = rest.split_first()
        {
            self.words = rest;
            return Some(Fact { word, amount });
        }
        self.words = rest;
        Some(Fact { word, amount: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS_IN_ORDER: [Kind; 6] = [
        Kind::Churn,
        Kind::Signup,
        Kind::Order,
        Kind::Nps,
        Kind::Csat,
        Kind::Ces,
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
        let word = Word::new(Timestamp::LAST, Kind::Ces, answer(10, 15), 7);
        assert_eq!((word.score(), word.channel()), (10, 15));
    }

    #[test]
    fn words_sort_by_time_then_kind() {
        let early = Timestamp::from_millis(1_793_527_800_000);
        let late = early.plus_millis(1);
        for (kind, next) in KINDS_IN_ORDER.into_iter().zip(&KINDS_IN_ORDER[1..]) {
            assert!(Word::new(early, kind, 255, 0xfff) < Word::new(early, *next, 0, 0));
        }
        assert!(Word::new(early, Kind::Ces, 255, 0xfff) < Word::new(late, Kind::Churn, 0, 0));
        assert!(Word::first_at(late) > Word::new(early, Kind::Ces, 255, 0xfff));
        assert!(Word::first_at(late) <= Word::new(late, Kind::Churn, 0, 0));
        assert_eq!(Word::first_at(Timestamp::from_millis(0)), Word(0));
        assert!(
            Word::first_at(Timestamp::from_millis(i64::MAX))
                > Word::new(Timestamp::LAST, Kind::Ces, 255, 0xfff)
        );
    }

    #[test]
    fn an_order_is_walked_with_its_amount() {
        let signup = Word::new(Timestamp::FIRST, Kind::Signup, 0, 1);
        let order = Word::new(Timestamp::FIRST, Kind::Order, 3, 2);
        let churn = Word::new(Timestamp::LAST, Kind::Churn, 1, 3);
        let words = [signup.0, order.0, 5, churn.0];
        let facts: Vec<_> = Facts::new(&words)
            .map(|fact| (fact.word, fact.amount))
            .collect();
        assert_eq!(facts, [(signup, 0), (order, 5), (churn, 0)]);
    }
}
