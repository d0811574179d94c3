//! A life: what the facts of one customer say, laid out for being asked at many instants.
//!
//! Everything here up to some instant depends on the facts before that instant alone, so a life that
//! was read for a late instant answers for every earlier one.
//!
//! ```text
//!  facts   signup  order  nps   attributes  order  churn      order
//!  spells    [===============================]                  [=====
//!  orders            o                        o                 o
//!  answers                  9
//!  segments  unknown          | pro, TR
//! ```

use crate::event::{Survey, Timestamp};
use crate::ledger::Shard;
use crate::ledger::base::Base;
use crate::ledger::customers::Row;
use crate::ledger::fact::{Fact, Kind, Word};
use crate::measure::link::KnownGroup;
use crate::measure::period::Interval;
use crate::measure::question::Window;
use crate::measure::segment::{SegmentCode, Segments};
use crate::measure::spell::{Spell, SpellRules, Walk};

/// What one customer did, by kind, each in order of time.
#[derive(Debug, Default)]
pub struct Life {
    pub spells: Vec<Spell>,
    /// The kept ones.
    pub orders: Vec<Order>,
    pub answers: Vec<Answer>,
    /// From when on which segment; before the first it is unknown.
    segments: Vec<(Timestamp, SegmentCode)>,
    /// The last order that is no longer kept.
    pruned_order_at: Option<Timestamp>,
    /// The score of the latest NPS answer that is no longer kept.
    pruned_nps: Option<u8>,
    /// Among the kept orders the customer's first ever, if it is among them.
    first_order: Option<usize>,
    words: Vec<u64>,
}

/// An order as it was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub at: Timestamp,
    pub millionths: u64,
    /// The code of the currency in its shard.
    pub currency: u8,
}

/// An answer to a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub at: Timestamp,
    pub survey: Survey,
    pub score: u8,
    /// The code of the channel in its shard.
    pub channel: u8,
}

/// What became of a customer over a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Retained,
    Lost,
    New,
    Reactivated,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Retained, Self::Lost, Self::New, Self::Reactivated];

    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retained => "retained",
            Self::Lost => "lost",
            Self::New => "new",
            Self::Reactivated => "reactivated",
        }
    }

    /// Whether the customer was active at the start: one of `S`.
    #[must_use]
    pub const fn at_start(self) -> bool {
        matches!(self, Self::Retained | Self::Lost)
    }

    /// Whether the customer was active at the end: one of `E`.
    #[must_use]
    pub const fn at_end(self) -> bool {
        !matches!(self, Self::Lost)
    }
}

impl Life {
    /// Reads the facts of a customer before `until` into the buffers of this life.
    pub fn read(
        &mut self,
        shard: &Shard,
        row: Row,
        rules: SpellRules<'_>,
        segments: &mut Segments,
        until: Timestamp,
    ) {
        let mut words = std::mem::take(&mut self.words);
        let facts = shard.customers().facts(row, &mut words);
        let base = shard.customers().base(row);
        self.begin(base, segments);
        let mut spells = std::mem::take(&mut self.spells);
        let mut walk = Walk::new(rules, base, &mut spells);
        let end = Word::first_at(until);
        for fact in facts.take_while(|fact| fact.word < end) {
            let (at, kind) = (fact.word.at(), fact.word.kind());
            walk.take(at, kind, fact.word.payload());
            self.take(fact, at, kind, shard, segments);
        }
        walk.finish();
        self.spells = spells;
        self.words = words;
        if self.pruned_order_at.is_none() {
            self.find_first_order(shard);
        }
    }

    fn begin(&mut self, base: Option<&Base>, segments: &mut Segments) {
        self.orders.clear();
        self.answers.clear();
        self.segments.clear();
        self.first_order = None;
        let Some(base) = base else {
            self.pruned_order_at = None;
            self.pruned_nps = None;
            segments.begin(None);
            return;
        };
        self.pruned_order_at = base.orders.map(|orders| orders.last);
        self.pruned_nps = base.last_nps.map(|(_, score)| score);
        if let Some(code) = segments.begin(base.attributes.as_deref()) {
            self.segments.push((Timestamp::FIRST, code));
        }
    }

    fn take(
        &mut self,
        fact: Fact,
        at: Timestamp,
        kind: Kind,
        shard: &Shard,
        segments: &mut Segments,
    ) {
        let survey = match kind {
            Kind::Churn | Kind::Signup => return,
            Kind::Order => {
                self.orders.push(Order {
                    at,
                    millionths: fact.amount(),
                    currency: fact.word.payload(),
                });
                return;
            }
            Kind::Attributes => {
                let code = segments.follow(fact.word.attributes(), at, shard.attributes());
                match self.segments.last_mut() {
                    Some((last, known)) if *last == at => *known = code,
                    Some((_, known)) if *known == code => {}
                    _ => self.segments.push((at, code)),
                }
                return;
            }
            Kind::Nps => Survey::Nps,
            Kind::Csat => Survey::Csat,
            Kind::Ces => Survey::Ces,
        };
        self.answers.push(Answer {
            at,
            survey,
            score: fact.word.score(),
            channel: fact.word.channel(),
        });
    }

    /// Of several first orders at one instant the smallest amount is the first, then the smallest
    /// text of the currency.
    fn find_first_order(&mut self, shard: &Shard) {
        let Some(first) = self.orders.first() else {
            return;
        };
        let key = |order: &Order| (order.millionths, shard.currencies().text(order.currency));
        let tied = self.orders.iter().take_while(|order| order.at == first.at);
        self.first_order = tied
            .enumerate()
            .min_by(|(_, a), (_, b)| key(a).cmp(&key(b)))
            .map(|(at, _)| at);
    }

    /// What became of the customer between the bounds, if it was active at either.
    #[must_use]
    pub fn status(&self, bounds: Interval) -> Option<Status> {
        let first = self.spells.first()?;
        let (mut at_start, mut at_end) = (false, false);
        for spell in &self.spells {
            at_start |= spell.active_at(bounds.start);
            at_end |= spell.active_at(bounds.end);
        }
        match (at_start, at_end) {
            (true, true) => Some(Status::Retained),
            (true, false) => Some(Status::Lost),
            (false, true) if first.from >= bounds.start => Some(Status::New),
            (false, true) => Some(Status::Reactivated),
            (false, false) => None,
        }
    }

    #[must_use]
    pub fn active_at(&self, at: Timestamp) -> bool {
        self.spells.iter().any(|spell| spell.active_at(at))
    }

    /// Whether the customer placed an order between the bounds.
    #[must_use]
    pub fn ordered_in(&self, bounds: Interval) -> bool {
        !within(&self.orders, bounds, |order| order.at).1.is_empty()
    }

    /// Whether the order at that place is not the customer's first ever.
    #[must_use]
    pub fn is_repeat(&self, place: usize) -> bool {
        self.first_order != Some(place)
    }

    /// Whether the customer placed an order before `at`, kept or not.
    #[must_use]
    pub fn ordered_before(&self, at: Timestamp) -> bool {
        self.pruned_order_at.is_some_and(|last| last < at)
            || self.orders.first().is_some_and(|order| order.at < at)
    }

    /// The last order before `at`.
    #[must_use]
    pub fn last_order_before(&self, at: Timestamp) -> Option<Timestamp> {
        let kept = self.orders.iter().rev().map(|order| order.at);
        kept.chain(self.pruned_order_at).find(|order| *order < at)
    }

    /// The answers between the bounds.
    #[must_use]
    pub fn answers_in(&self, bounds: Interval) -> &[Answer] {
        within(&self.answers, bounds, |answer| answer.at).1
    }

    /// The score of the latest NPS answer between the bounds; of two at one instant the larger.
    #[must_use]
    pub fn latest_nps_in(&self, bounds: Interval) -> Option<u8> {
        latest_nps(self.answers_in(bounds))
    }

    /// The score of the latest NPS answer before `at`.
    #[must_use]
    pub fn nps_before(&self, at: Timestamp) -> Option<u8> {
        let before = self.answers.partition_point(|answer| answer.at < at);
        latest_nps(&self.answers[..before]).or(self.pruned_nps)
    }

    /// The segment of the customer at `at`, by what was known before it.
    #[must_use]
    pub fn segment_at(&self, at: Timestamp) -> SegmentCode {
        let known = self.segments.iter().rev().find(|(since, _)| *since < at);
        known.map_or(SegmentCode::UNKNOWN, |(_, code)| *code)
    }

    /// What the customer did in a window, and what became of it.
    #[must_use]
    pub fn within(&self, window: &Window) -> Within<'_> {
        let bounds = window.bounds;
        let settled = self.settled_in(bounds);
        let status = settled.unwrap_or_else(|| self.status(bounds));
        let (first_order, orders) = within(&self.orders, bounds, |order| order.at);
        let last_order = self.orders.last().map(|order| order.at);
        let last_answer = self.answers.last().map(|answer| answer.at);
        let last_segment = self.segments.last().map(|(told_at, _)| *told_at);
        Within {
            status,
            came_or_went: settled.is_none(),
            segment_settled: last_segment.is_none_or(|at| at < bounds.start),
            orders_matter: last_order.is_some_and(|at| at >= window.orders_since),
            first_order,
            orders,
            answers_matter: last_answer.is_some_and(|at| at >= window.answers_since),
            answers: self.answers_in(bounds),
        }
    }

    /// The status of a customer whose last spell began before the bounds, or ended before them; for
    /// others nothing.
    fn settled_in(&self, bounds: Interval) -> Option<Option<Status>> {
        let Some(last) = self.spells.last() else {
            return Some(None);
        };
        match last.end {
            Some(end) if end.at < bounds.start => Some(None),
            Some(end) if end.at < bounds.end => None,
            _ => (last.from < bounds.start).then_some(Some(Status::Retained)),
        }
    }

    /// The group of the latest NPS answer there is.
    #[must_use]
    pub fn latest_group(&self) -> KnownGroup {
        KnownGroup::of(latest_nps(&self.answers).or(self.pruned_nps))
    }

    /// The segment in which the customer ended.
    #[must_use]
    pub fn latest_segment(&self) -> SegmentCode {
        let segment = self.segments.last();
        segment.map_or(SegmentCode::UNKNOWN, |(_, code)| *code)
    }
}

/// What a customer did in a window, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Within<'a> {
    /// Nothing if the customer was active neither at the start nor at the end.
    pub status: Option<Status>,
    /// Whether a spell began or ended in the window, as far as is known without a closer look.
    pub came_or_went: bool,
    /// Whether the customer stayed in one segment, its latest.
    pub segment_settled: bool,
    /// Whether there are orders in the window, or in the one before it.
    pub orders_matter: bool,
    /// The place of the first of the orders among all of the customer's.
    pub first_order: usize,
    pub orders: &'a [Order],
    /// Whether there are answers in the window, or in what it is compared with.
    pub answers_matter: bool,
    pub answers: &'a [Answer],
}

impl Within<'_> {
    /// Whether the customer was active all the while, or never, and did nothing that the window looks
    /// at. Most customers are quiet in most windows.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        !self.came_or_went && self.segment_settled && !self.orders_matter && !self.answers_matter
    }

    /// The score of the latest NPS answer; of two at one instant the larger.
    #[must_use]
    pub fn latest_nps(&self) -> Option<u8> {
        latest_nps(self.answers)
    }

    /// Whether the customer was active at the end.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.status.is_some_and(Status::at_end)
    }
}

/// Facts of one instant come by ascending score, so the last one has the larger.
fn latest_nps(answers: &[Answer]) -> Option<u8> {
    let mut latest = answers.iter().rev();
    latest
        .find(|answer| answer.survey == Survey::Nps)
        .map(|answer| answer.score)
}

/// The items between the bounds, and the place of the first. Most customers have few of them, and
/// the newest matter most, so they are looked through from the end.
fn within<T>(items: &[T], bounds: Interval, at: impl Fn(&T) -> Timestamp) -> (usize, &[T]) {
    let mut end = items.len();
    while end > 0 && at(&items[end - 1]) >= bounds.end {
        end -= 1;
    }
    let mut start = end;
    while start > 0 && at(&items[start - 1]) >= bounds.start {
        start -= 1;
    }
    (start, &items[start..end])
}
