//! A base: what is kept of a customer's facts older than the prune line.
//!
//! Every part is a minimum, a maximum, a set or a sum over that set, so a base does not depend on the
//! order in which facts were folded into it or on repeats, nor on the evaluation settings: whether
//! the customer was active at the line, and since when it is one, are derived when they are asked
//! for. Of each order a fingerprint of 32 bits stays, so that a repeat that comes years later does
//! not count as revenue again.

use crate::event::Timestamp;
use crate::event::attributes::MAX_DIMENSIONS;
use crate::ledger::attributes::{ABSENT, Attributes};
use crate::ledger::fact::{Fact, Kind};
use crate::ledger::hash::Hashes;
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};
use crate::ledger::texts::Texts;

/// The past of one customer, before the prune line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base {
    pub signups: Option<Span>,
    pub orders: Option<Span>,
    pub last_churn_at: Option<Timestamp>,
    /// The latest NPS answer; of two at one instant the larger score.
    pub last_nps: Option<(Timestamp, u8)>,
    /// The first order with its amount and currency code; of two at one instant the smaller amount.
    pub first_order: Option<(Timestamp, u64, u8)>,
    /// Orders and revenue in millionths, by currency code in ascending order.
    pub revenue: Vec<Revenue>,
    /// By dimension the newest value; of two at one instant the larger text.
    pub attributes: Option<Box<[Option<KnownValue>; MAX_DIMENSIONS]>>,
    /// Fingerprints of the orders, ascending.
    order_fingerprints: Vec<u32>,
}

/// A value of a dimension, and when it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownValue {
    pub at: Timestamp,
    /// Its code within the dimension.
    pub value: u32,
}

/// What the codes in facts and bases stand for.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    pub currencies: &'a Texts,
    pub attributes: &'a Attributes,
}

/// The first and the last instant of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub first: Timestamp,
    pub last: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revenue {
    pub currency: u8,
    pub orders: u64,
    pub millionths: u128,
}

impl Span {
    fn extend(span: &mut Option<Self>, at: Timestamp) {
        *span = Some(match *span {
            None => Self {
                first: at,
                last: at,
            },
            Some(Self { first, last }) => Self {
                first: first.min(at),
                last: last.max(at),
            },
        });
    }
}

impl Base {
    /// Takes up a fact; `fingerprint` is a hash of it. False if it said nothing new: of an order that
    /// it is known, of attributes that the same or newer ones are.
    pub fn fold(&mut self, fact: Fact, fingerprint: u32, codes: Codes<'_>) -> bool {
        let at = fact.word.at();
        match fact.word.kind() {
            Kind::Churn => self.last_churn_at = self.last_churn_at.max(Some(at)),
            Kind::Signup => Span::extend(&mut self.signups, at),
            Kind::Order => return self.order(fact, fingerprint, codes),
            Kind::Nps => {
                self.last_nps = self.last_nps.max(Some((at, fact.word.score())));
            }
            Kind::Csat | Kind::Ces => {}
            Kind::Attributes => {
                return self.told(fact.word.attributes(), at, codes.attributes);
            }
        }
        true
    }

    fn order(&mut self, fact: Fact, fingerprint: u32, codes: Codes<'_>) -> bool {
        let Err(place) = self.order_fingerprints.binary_search(&fingerprint) else {
            return false;
        };
        self.order_fingerprints.insert(place, fingerprint);
        let at = fact.word.at();
        Span::extend(&mut self.orders, at);
        let order = (at, fact.amount(), fact.word.payload());
        let key = |(at, amount, code)| (at, amount, codes.currencies.text(code));
        if self.first_order.is_none_or(|first| key(order) < key(first)) {
            self.first_order = Some(order);
        }
        self.add_revenue(fact.word.payload(), fact.amount());
        true
    }

    fn told(&mut self, code: u32, at: Timestamp, attributes: &Attributes) -> bool {
        let known = self.attributes.get_or_insert_default();
        let mut news = false;
        for (dimension, value) in attributes.values(code).into_iter().enumerate() {
            if value == ABSENT {
                continue;
            }
            let key = |known: KnownValue| (known.at, attributes.text(dimension, known.value));
            let told = KnownValue { at, value };
            let known = &mut known[dimension];
            if known.is_none_or(|known| key(told) > key(known)) {
                *known = Some(told);
                news = true;
            }
        }
        news
    }

    fn add_revenue(&mut self, currency: u8, millionths: u64) {
        let at = match self
            .revenue
            .binary_search_by_key(&currency, |revenue| revenue.currency)
        {
            Ok(at) => at,
            Err(at) => {
                self.revenue.insert(
                    at,
                    Revenue {
                        currency,
                        orders: 0,
                        millionths: 0,
                    },
                );
                at
            }
        };
        self.revenue[at].orders += 1;
        self.revenue[at].millionths += u128::from(millionths);
    }

    /// Words that stand for the base in the digest: codes replaced by the hashes of their texts.
    pub fn words(&self, customer: u128, codes: Codes<'_>, hashes: &Hashes) -> Vec<u64> {
        let hash_of = |code| codes.currencies.hash(code);
        let instant =
            |at: Option<Timestamp>| at.map_or(u64::MAX, |at| at.as_millis().cast_unsigned());
        let mut words = vec![customer as u64, (customer >> 64) as u64];
        for span in [self.signups, self.orders] {
            words.push(instant(span.map(|span| span.first)));
            words.push(instant(span.map(|span| span.last)));
        }
        words.push(instant(self.last_churn_at));
        words.push(instant(self.last_nps.map(|(at, _)| at)));
        words.push(
            self.last_nps
                .map_or(u64::MAX, |(_, score)| u64::from(score)),
        );
        if let Some((_, amount, code)) = self.first_order {
            words.extend([amount, hash_of(code)]);
        }
        let mut revenue: Vec<[u64; 4]> = self
            .revenue
            .iter()
            .map(|part| {
                let (low, high) = (part.millionths as u64, (part.millionths >> 64) as u64);
                [hash_of(part.currency), part.orders, low, high]
            })
            .collect();
        revenue.sort_unstable();
        words.extend(revenue.into_iter().flatten());
        words.extend(self.order_fingerprints.iter().copied().map(u64::from));
        for (dimension, known) in (0..).zip(self.attributes.iter().flat_map(|known| known.iter())) {
            if let Some(known) = known {
                let text = codes.attributes.text(dimension, known.value);
                let text = hashes.text(text.unwrap_or_default());
                words.extend([dimension as u64, instant(Some(known.at)), text]);
            }
        }
        words
    }
}

impl Part for Base {
    type Needs<'a> = ();

    fn write(&self, out: &mut Writer) {
        for span in [self.signups, self.orders] {
            out.instant(span.map(|span| span.first));
            out.instant(span.map(|span| span.last));
        }
        out.instant(self.last_churn_at);
        out.instant(self.last_nps.map(|(at, _)| at));
        out.u8(self.last_nps.map_or(0, |(_, score)| score));
        let (at, amount, code) = self
            .first_order
            .map_or((None, 0, 0), |(at, amount, code)| (Some(at), amount, code));
        out.instant(at);
        out.u64(amount);
        out.u8(code);
        out.count(self.revenue.len());
        for revenue in &self.revenue {
            out.u8(revenue.currency);
            out.u64(revenue.orders);
            out.u128(revenue.millionths);
        }
        out.count(self.order_fingerprints.len());
        for fingerprint in &self.order_fingerprints {
            out.u32(*fingerprint);
        }
        let known = self.attributes.as_deref().copied().unwrap_or_default();
        for known in known {
            out.instant(known.map(|known| known.at));
            out.u32(known.map_or(ABSENT, |known| known.value));
        }
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Result<Self, Unusable> {
        let mut span = || -> Result<Option<Span>, Unusable> {
            let ends = (from.instant()?, from.instant()?);
            Ok(ends.0.zip(ends.1).map(|(first, last)| Span { first, last }))
        };
        let (signups, orders) = (span()?, span()?);
        let last_churn_at = from.instant()?;
        let (answered_at, score) = (from.instant()?, from.u8()?);
        let (ordered_at, amount, code) = (from.instant()?, from.u64()?, from.u8()?);
        let mut base = Self {
            signups,
            orders,
            last_churn_at,
            last_nps: answered_at.map(|at| (at, score)),
            first_order: ordered_at.map(|at| (at, amount, code)),
            ..Self::default()
        };
        for _ in 0..from.count(25)? {
            base.revenue.push(Revenue {
                currency: from.u8()?,
                orders: from.u64()?,
                millionths: from.u128()?,
            });
        }
        for _ in 0..from.count(4)? {
            base.order_fingerprints.push(from.u32()?);
        }
        let mut attributes = [None; MAX_DIMENSIONS];
        for known in &mut attributes {
            let (at, value) = (from.instant()?, from.u32()?);
            *known = at.map(|at| KnownValue { at, value });
        }
        if attributes.iter().any(Option::is_some) {
            base.attributes = Some(Box::new(attributes));
        }
        if !base.order_fingerprints.is_sorted() || !base.revenue.is_sorted_by_key(|r| r.currency) {
            return Err(Unusable::Damaged("a base is in no order"));
        }
        Ok(base)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::event::{Attributes as Told, Survey};
    use crate::ledger::settings::DigestKey;

    fn told(values: [Option<&'static str>; 2]) -> Told<'static> {
        let mut told = Told::default();
        for (place, value) in told.values.iter_mut().zip(values) {
            *place = value.map(Cow::Borrowed);
        }
        told
    }

    #[test]
    fn a_base_does_not_depend_on_the_order_of_its_facts_or_on_repeats() {
        let hashes = Hashes::new(DigestKey::BUILT_IN);
        let mut currencies = Texts::new(255, "", &hashes);
        let (eur, chf) = (
            currencies.code("EUR", &hashes),
            currencies.code("CHF", &hashes),
        );
        let mut attributes = Attributes::default();
        let mut code = |values| attributes.code(&told(values), &hashes).unwrap();
        let (basic, pro) = (code([Some("basic"), None]), code([Some("pro"), None]));
        let (max, tr) = (code([Some("max"), None]), code([None, Some("TR")]));
        let codes = Codes {
            currencies: &currencies,
            attributes: &attributes,
        };
        let at = |millis| Timestamp::FIRST.plus_millis(millis);
        let facts = [
            Fact::new(at(5), Kind::Signup, 0, 1),
            Fact::new(at(2), Kind::Signup, 0, 2),
            Fact::new(at(9), Kind::Churn, 1, 3),
            Fact::new(at(3), Kind::Churn, 0, 4),
            Fact::order(at(4), chf, 700, 5),
            Fact::order(at(4), eur, 700, 6),
            Fact::order(at(8), eur, 100, 7),
            Fact::answer(at(6), Survey::Nps, 9, 0, 8),
            Fact::answer(at(6), Survey::Nps, 3, 0, 9),
            Fact::attributes(at(1), max),
            Fact::attributes(at(7), basic),
            Fact::attributes(at(7), pro),
            Fact::attributes(at(2), tr),
        ];
        let fold = |order: &mut dyn Iterator<Item = Fact>| {
            let mut base = Base::default();
            order.for_each(|fact| {
                base.fold(fact, fact.detail as u32 ^ fact.word.0 as u32, codes);
            });
            base
        };
        let expected = fold(&mut facts.iter().copied());
        let span = |first, last| {
            Some(Span {
                first: at(first),
                last: at(last),
            })
        };
        assert_eq!(
            (expected.signups, expected.orders),
            (span(2, 5), span(4, 8))
        );
        assert_eq!(expected.last_churn_at, Some(at(9)));
        assert_eq!(expected.last_nps, Some((at(6), 9)));
        assert_eq!(expected.first_order, Some((at(4), 700, chf)));
        let revenue = |currency, orders, millionths| Revenue {
            currency,
            orders,
            millionths,
        };
        assert_eq!(
            expected.revenue,
            [revenue(eur, 2, 800), revenue(chf, 1, 700)]
        );
        let known = expected
            .attributes
            .as_deref()
            .unwrap()
            .map(|known| known.map(|known| known.at));
        assert_eq!(known[..2], [Some(at(7)), Some(at(2))]);
        let value = expected.attributes.as_deref().unwrap()[0].unwrap().value;
        assert_eq!(attributes.text(0, value), Some("pro"));
        for start in 0..facts.len() {
            let turned = || {
                facts
                    .iter()
                    .copied()
                    .cycle()
                    .skip(start)
                    .take(facts.len() + 4)
            };
            assert_eq!(fold(&mut turned()), expected);
            let mut backwards: Vec<Fact> = turned().collect();
            backwards.reverse();
            assert_eq!(fold(&mut backwards.into_iter()), expected);
        }
    }
}
