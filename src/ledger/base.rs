//! A base: what is kept of a customer's facts older than the prune line.
//!
//! Every part is a minimum, a maximum or a sum, so a base does not depend on the order in which
//! facts were folded into it, nor on the evaluation settings: whether the customer was active at the
//! line, and since when it is one, are derived when they are asked for.

use crate::event::Timestamp;
use crate::ledger::fact::{Fact, Kind};

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
    /// Takes up a fact; `text_of` gives the text of a currency code, which decides ties.
    pub fn fold<'a>(&mut self, fact: Fact, text_of: impl Fn(u8) -> &'a str) {
        let at = fact.word.at();
        match fact.word.kind() {
            Kind::Churn => self.last_churn_at = self.last_churn_at.max(Some(at)),
            Kind::Signup => Span::extend(&mut self.signups, at),
            Kind::Order => {
                Span::extend(&mut self.orders, at);
                let order = (at, fact.amount(), fact.word.payload());
                let key = |(at, amount, code): (Timestamp, u64, u8)| (at, amount, text_of(code));
                if self.first_order.is_none_or(|first| key(order) < key(first)) {
                    self.first_order = Some(order);
                }
                self.add_revenue(fact.word.payload(), fact.amount());
            }
            Kind::Nps => {
                self.last_nps = self.last_nps.max(Some((at, fact.word.score())));
            }
            Kind::Csat | Kind::Ces => {}
        }
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
    pub fn words(&self, customer: u128, hash_of: impl Fn(u8) -> u64) -> Vec<u64> {
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
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fact::answer;

    #[test]
    fn a_base_does_not_depend_on_the_order_of_its_facts() {
        let at = |millis| Timestamp::FIRST.plus_millis(millis);
        let facts = [
            Fact::new(at(5), Kind::Signup, 0, 1),
            Fact::new(at(2), Kind::Signup, 0, 2),
            Fact::new(at(9), Kind::Churn, 1, 3),
            Fact::new(at(3), Kind::Churn, 0, 4),
            Fact::order(at(4), 2, 700, 5),
            Fact::order(at(4), 1, 700, 6),
            Fact::order(at(8), 1, 100, 7),
            Fact::new(at(6), Kind::Nps, answer(9, 0), 8),
            Fact::new(at(6), Kind::Nps, answer(3, 0), 9),
        ];
        let fold = |order: &mut dyn Iterator<Item = Fact>| {
            let mut base = Base::default();
            order.for_each(|fact| base.fold(fact, |code| ["", "EUR", "CHF"][usize::from(code)]));
            base
        };
        let expected = Base {
            signups: Some(Span {
                first: at(2),
                last: at(5),
            }),
            orders: Some(Span {
                first: at(4),
                last: at(8),
            }),
            last_churn_at: Some(at(9)),
            last_nps: Some((at(6), 9)),
            first_order: Some((at(4), 700, 2)),
            revenue: vec![
                Revenue {
                    currency: 1,
                    orders: 2,
                    millionths: 800,
                },
                Revenue {
                    currency: 2,
                    orders: 1,
                    millionths: 700,
                },
            ],
        };
        for start in 0..facts.len() {
            let turned = || facts.iter().copied().cycle().skip(start).take(facts.len());
            assert_eq!(fold(&mut turned()), expected);
            let mut backwards: Vec<Fact> = turned().collect();
            backwards.reverse();
            assert_eq!(fold(&mut backwards.into_iter()), expected);
        }
    }
}
