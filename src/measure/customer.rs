//! What is known of one customer, for whoever has to answer it: no measure, the facts themselves.
//!
//! Everything is as of an instant, under the settings of the evaluation, so that what is told of a
//! customer is what the numbers rest on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Survey, Timestamp};
use crate::ledger::Shard;
use crate::ledger::attributes::ABSENT;
use crate::ledger::base::Base;
use crate::ledger::customers::Row;
use crate::ledger::fact::{Fact, Kind};
use crate::ledger::hash::CustomerDigest;
use crate::measure::pass::ranks;
use crate::measure::retention::INACTIVITY;
use crate::measure::settings::EvaluationSettings;
use crate::measure::spell::{Cause, Spell, SpellRules, Walk};

/// So many of the newest orders are told one by one.
pub const NEWEST_ORDERS: usize = 100;

/// One customer as of an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Exactly the events before this instant are told.
    pub at: Timestamp,
    pub active: bool,
    /// In order of time. Of the past that is no longer kept one by one there is at most one.
    pub spells: Vec<KnownSpell>,
    /// The newest kept ones, at most [`NEWEST_ORDERS`], the newest first.
    pub orders: Vec<KnownOrder>,
    /// All orders ever.
    pub orders_total: u64,
    /// All orders ever by currency, ascending by its text.
    pub revenue: Vec<KnownRevenue>,
    /// The latest answer to each survey that was ever answered, as far as it is kept.
    pub answers: Vec<KnownAnswer>,
    /// The value of each configured dimension, in their order, where one is known.
    pub attributes: Vec<Option<KnownAttribute>>,
    pub first_order_at: Option<Timestamp>,
    /// The first event that is known.
    pub known_since: Option<Timestamp>,
    /// From when on every event is kept one by one; nothing while nothing was pruned or read.
    pub history_start: Option<Timestamp>,
}

/// An interval of activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSpell {
    pub from: Timestamp,
    /// Nothing while the spell goes on.
    pub to: Option<Timestamp>,
    /// How it ended, as the label `reason` of departures says it.
    pub reason: Option<String>,
}

/// An order as it was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownOrder {
    pub at: Timestamp,
    pub millionths: u64,
    pub currency: String,
}

/// All orders in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRevenue {
    pub currency: String,
    pub orders: u64,
    pub millionths: u128,
}

/// An answer to a survey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAnswer {
    pub survey: Survey,
    pub score: u8,
    /// Nothing where the answer is no longer kept one by one.
    pub channel: Option<String>,
    pub at: Timestamp,
}

/// The value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAttribute {
    pub value: String,
    /// Since when nothing else was told, as far as it is kept.
    pub since: Timestamp,
}

impl Customer {
    /// What a shard knows of a customer, if it knows it at all.
    #[must_use]
    pub fn find(
        shard: &Shard,
        customer: CustomerDigest,
        settings: &EvaluationSettings,
        at: Timestamp,
    ) -> Option<Self> {
        let row = shard.customers().find(customer)?;
        Some(Self::of(shard, row, settings, at))
    }

    fn of(shard: &Shard, row: Row, settings: &EvaluationSettings, at: Timestamp) -> Self {
        let mut words = Vec::new();
        let facts = shard.customers().facts(row, &mut words);
        let base = shard.customers().base(row);
        let ranks = ranks(shard.reasons().iter());
        let rules = SpellRules {
            starts_with: settings.customer_starts_with,
            timeout_millis: settings.inactivity_timeout_millis,
            reason_ranks: &ranks,
        };
        let facts: Vec<Fact> = facts.take_while(|fact| fact.word.at() < at).collect();
        let mut found = Vec::new();
        let mut walk = Walk::new(rules, base, &mut found);
        for fact in &facts {
            walk.take(fact.word.at(), fact.word.kind(), fact.word.payload());
        }
        walk.finish();
        let revenue = revenue(shard, base, &facts);
        Self {
            at,
            active: found.iter().any(|spell| spell.active_at(at)),
            spells: found.iter().map(|spell| told(shard, spell, at)).collect(),
            orders: newest_orders(shard, &facts),
            orders_total: revenue.iter().map(|revenue| revenue.orders).sum(),
            revenue,
            answers: latest_answers(shard, base, &facts),
            attributes: (0..shard.settings().dimensions.len())
                .map(|dimension| attribute(shard, base, &facts, dimension))
                .collect(),
            first_order_at: first_order(base, &facts),
            known_since: known_since(base, &facts),
            history_start: shard.prune_line(),
        }
    }
}

/// A spell whose timeout lies ahead goes on.
fn told(shard: &Shard, spell: &Spell, at: Timestamp) -> KnownSpell {
    let end = spell.end.filter(|end| end.at < at);
    let reason = |cause| match cause {
        Cause::Churn(code) => shard.reasons().text(code).to_owned(),
        Cause::Inactivity => INACTIVITY.to_owned(),
    };
    KnownSpell {
        from: spell.from,
        to: end.map(|end| end.at),
        reason: end.map(|end| reason(end.cause)),
    }
}

fn orders(facts: &[Fact]) -> impl DoubleEndedIterator<Item = &Fact> {
    let order = |fact: &&Fact| fact.word.kind() == Kind::Order;
    facts.iter().filter(order)
}

fn newest_orders(shard: &Shard, facts: &[Fact]) -> Vec<KnownOrder> {
    let order = |fact: &Fact| KnownOrder {
        at: fact.word.at(),
        millionths: fact.amount(),
        currency: shard.currencies().text(fact.word.payload()).to_owned(),
    };
    orders(facts).rev().take(NEWEST_ORDERS).map(order).collect()
}

fn revenue(shard: &Shard, base: Option<&Base>, facts: &[Fact]) -> Vec<KnownRevenue> {
    let pruned = base.map_or(&[][..], |base| &base.revenue);
    let pruned = pruned
        .iter()
        .map(|part| (part.currency, part.orders, part.millionths));
    let kept = orders(facts).map(|fact| (fact.word.payload(), 1, u128::from(fact.amount())));
    let mut by_currency: BTreeMap<&str, (u64, u128)> = BTreeMap::new();
    for (code, orders, millionths) in pruned.chain(kept) {
        let sums = by_currency
            .entry(shard.currencies().text(code))
            .or_default();
        sums.0 += orders;
        sums.1 += millionths;
    }
    let known = |(currency, (orders, millionths)): (&str, (u64, u128))| KnownRevenue {
        currency: currency.to_owned(),
        orders,
        millionths,
    };
    by_currency.into_iter().map(known).collect()
}

/// Facts of one instant come by ascending score, so the last one is the latest of a survey.
fn latest_answers(shard: &Shard, base: Option<&Base>, facts: &[Fact]) -> Vec<KnownAnswer> {
    let latest = |survey: Survey| {
        let kind = match survey {
            Survey::Nps => Kind::Nps,
            Survey::Csat => Kind::Csat,
            Survey::Ces => Kind::Ces,
        };
        let kept = facts.iter().rev().find(|fact| fact.word.kind() == kind);
        let kept = kept.map(|fact| KnownAnswer {
            survey,
            score: fact.word.score(),
            channel: Some(shard.channels().text(fact.word.channel()).to_owned()),
            at: fact.word.at(),
        });
        let pruned = base
            .and_then(|base| base.last_nps)
            .filter(|_| survey == Survey::Nps);
        kept.or(pruned.map(|(at, score)| KnownAnswer {
            survey,
            score,
            channel: None,
            at,
        }))
    };
    Survey::ALL.into_iter().filter_map(latest).collect()
}

fn attribute(
    shard: &Shard,
    base: Option<&Base>,
    facts: &[Fact],
    dimension: usize,
) -> Option<KnownAttribute> {
    let attributes = shard.attributes();
    let text = |value| attributes.text(dimension, value);
    let pruned = base.and_then(|base| *base.attributes.as_deref()?.get(dimension)?);
    let mut values: Vec<(Timestamp, u32)> = pruned
        .map(|known| (known.at, known.value))
        .into_iter()
        .collect();
    for fact in facts
        .iter()
        .filter(|fact| fact.word.kind() == Kind::Attributes)
    {
        let (at, value) = (
            fact.word.at(),
            attributes.values(fact.word.attributes())[dimension],
        );
        match values.last_mut() {
            _ if value == ABSENT => {}
            // Of two values told of at one instant the larger text counts.
            Some((last, known)) if *last == at => {
                if text(value) > text(*known) {
                    *known = value;
                }
            }
            _ => values.push((at, value)),
        }
    }
    let (_, current) = *values.last()?;
    let unchanged = values.iter().rev();
    let (since, _) = unchanged
        .take_while(|(_, value)| *value == current)
        .last()?;
    Some(KnownAttribute {
        value: text(current)?.to_owned(),
        since: *since,
    })
}

fn first_order(base: Option<&Base>, facts: &[Fact]) -> Option<Timestamp> {
    let pruned = base.and_then(|base| base.orders).map(|span| span.first);
    let kept = orders(facts).next().map(|fact| fact.word.at());
    pruned.into_iter().chain(kept).min()
}

fn known_since(base: Option<&Base>, facts: &[Fact]) -> Option<Timestamp> {
    let pruned = base.into_iter().flat_map(|base| {
        let spans = [base.signups, base.orders].into_iter().flatten();
        let told = base
            .attributes
            .iter()
            .flat_map(|known| known.iter().flatten());
        spans
            .map(|span| span.first)
            .chain(base.last_churn_at)
            .chain(base.last_nps.map(|(at, _)| at))
            .chain(told.map(|known| known.at))
    });
    let kept = facts.first().map(|fact| fact.word.at());
    pruned.chain(kept).min()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::decode::Decoder;
    use crate::ledger::settings::FoldSettings;

    fn june(day: i64) -> Timestamp {
        let june = Timestamp::from_rfc3339("2026-06-01T00:00:00Z").unwrap();
        june.plus_millis((day - 1) * 86_400_000)
    }

    /// A customer who joined on the 1st, ordered on the 2nd and 3rd, left on the 4th, and ordered
    /// again on the 25th; somebody else who never did anything but answer.
    fn shard() -> Shard {
        let settings = FoldSettings {
            history_millis: 10 * 86_400_000,
            dimensions: vec!["plan".to_owned(), "country".to_owned()],
            ..FoldSettings::default()
        };
        let decoder = Decoder::new(settings.decoding());
        let mut shard = Shard::new(Arc::new(settings), 1);
        shard.start_at(0, 0);
        for (number, (day, customer, rest)) in [
            (
                1,
                "a",
                r#""type":"signup","attributes":{"plan":"free","country":"TR"}"#,
            ),
            (
                2,
                "a",
                r#""type":"purchase","amount":"0.1","currency":"TRY""#,
            ),
            (
                3,
                "a",
                r#""type":"purchase","amount":"0.2","currency":"TRY""#,
            ),
            (
                3,
                "a",
                r#""type":"survey_submitted","survey":"nps","score":2,"channel":"app""#,
            ),
            (
                3,
                "a",
                r#""type":"survey_submitted","survey":"csat","score":2"#,
            ),
            (4, "a", r#""type":"churn","reason":"price""#),
            (
                25,
                "a",
                r#""type":"purchase","amount":"7","currency":"EUR","attributes":{"plan":"pro"}"#,
            ),
            (
                26,
                "a",
                r#""type":"survey_submitted","survey":"ces","score":1,"attributes":{"plan":"pro"}"#,
            ),
            (
                9,
                "b",
                r#""type":"survey_submitted","survey":"nps","score":9"#,
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let at = june(day);
            let event = format!(
                r#"{{"event_id":"{number}","customer_id":"{customer}","occurred_at":"{at}",{rest}}}"#
            );
            let event = decoder.decode(event.as_bytes(), None).unwrap();
            assert!(shard.fold(&event).outcome.kept());
        }
        shard
    }

    fn find(shard: &Shard, id: &str, at: Timestamp) -> Option<Customer> {
        let settings = EvaluationSettings {
            inactivity_timeout_millis: Some(30 * 86_400_000),
            ..EvaluationSettings::default()
        };
        Customer::find(shard, shard.customer(id), &settings, at)
    }

    #[test]
    fn what_is_known_of_a_customer_is_what_was_before_the_instant() {
        let shard = shard();
        let now = find(&shard, "a", june(27)).unwrap();
        let spell = |from, to: Option<i64>, reason: Option<&str>| KnownSpell {
            from: june(from),
            to: to.map(june),
            reason: reason.map(str::to_owned),
        };
        let spells = [spell(1, Some(4), Some("price")), spell(25, None, None)];
        assert_eq!((now.active, &now.spells[..]), (true, &spells[..]));
        let orders: Vec<u64> = now.orders.iter().map(|order| order.millionths).collect();
        assert_eq!(orders, [7_000_000, 200_000, 100_000]);
        assert_eq!(now.answers.len(), 3);
        let plan = now.attributes[0].clone().unwrap();
        assert_eq!((plan.value.as_str(), plan.since), ("pro", june(25)));

        let before = find(&shard, "a", june(25)).unwrap();
        assert_eq!((before.active, &before.spells[..]), (false, &spells[..1]));
        assert_eq!(
            (before.orders_total, before.first_order_at),
            (2, Some(june(2)))
        );
        let later = find(&shard, "a", june(60)).unwrap();
        let ended = spell(25, Some(55), Some(INACTIVITY));
        assert_eq!((later.active, &later.spells[1]), (false, &ended));
        let none = find(&shard, "b", june(1)).unwrap();
        assert_eq!((none.active, none.known_since), (false, None));
        assert_eq!(find(&shard, "c", june(60)), None);
    }

    #[test]
    fn what_is_not_kept_one_by_one_is_still_in_the_sums() {
        let mut shard = shard();
        let whole = find(&shard, "a", june(27)).unwrap();
        for offset in 0..40 {
            assert!(shard.advance(0, offset, Some(june(27))));
        }
        let line = shard.prune_line().unwrap();
        assert!(june(4) < line && line < june(25), "{line}");
        let pruned = find(&shard, "a", june(27)).unwrap();
        assert_eq!(pruned.history_start, Some(line));
        assert_eq!(pruned.revenue, whole.revenue);
        assert_eq!((pruned.orders.len(), pruned.orders_total), (1, 3));
        assert_eq!(pruned.first_order_at, whole.first_order_at);
        assert_eq!(pruned.known_since, whole.known_since);
        assert_eq!((pruned.active, pruned.spells.len()), (true, 2));
        assert_eq!(pruned.attributes, whole.attributes);
        let nps = KnownAnswer {
            survey: Survey::Nps,
            score: 2,
            channel: None,
            at: june(3),
        };
        let surveys: Vec<Survey> = pruned.answers.iter().map(|answer| answer.survey).collect();
        assert_eq!(pruned.answers[0], nps);
        assert_eq!(surveys, [Survey::Nps, Survey::Ces]);
    }
}
