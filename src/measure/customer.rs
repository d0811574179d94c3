//! What is known of one customer, for whoever has to answer it: no measure, the facts themselves.
//!
//! Everything is as of an instant, under the settings of the evaluation, so that what is told of a
//! customer is what the numbers rest on.

use std::collections::BTreeMap;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSpell {
    pub from: Timestamp,
    /// Nothing while the spell goes on.
    pub to: Option<Timestamp>,
    /// How it ended, as the label `reason` of departures says it.
    pub reason: Option<String>,
}

/// An order as it was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOrder {
    pub at: Timestamp,
    pub millionths: u64,
    pub currency: String,
}

/// All orders in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRevenue {
    pub currency: String,
    pub orders: u64,
    pub millionths: u128,
}

/// An answer to a survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAnswer {
    pub survey: Survey,
    pub score: u8,
    /// Nothing where the answer is no longer kept one by one.
    pub channel: Option<String>,
    pub at: Timestamp,
}

/// The value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
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
