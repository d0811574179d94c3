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

/// Before everything that can happen.
const NEVER: Timestamp = Timestamp::from_millis(i64::MIN);
/// After everything that can happen.
const FOREVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// What one customer did, by kind, each in order of time.
#[derive(Debug)]
pub struct Life {
    pub spells: Vec<Spell>,
    /// When the kept sign-ups happened.
    pub signups: Vec<Timestamp>,
    /// When the kept churn events happened.
    pub churns: Vec<Timestamp>,
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
    begins_at: Timestamp,
    last: Last,
    words: Vec<u64>,
}

/// When each kind of thing happened last; [`NEVER`] where it did not.
#[derive(Debug, Clone, Copy)]
struct Last {
    spell_from: Timestamp,
    /// When the last spell ended or will end; [`FOREVER`] if nothing ends it.
    spell_end: Timestamp,
    order: Timestamp,
    answer: Timestamp,
    segment: Timestamp,
    /// An event of any type.
    event: Timestamp,
}

impl Last {
    const NOTHING: Self = Self {
        spell_from: NEVER,
        spell_end: NEVER,
        order: NEVER,
        answer: NEVER,
        segment: NEVER,
        event: NEVER,
    };
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

impl Default for Life {
    fn default() -> Self {
        Self {
            spells: Vec::new(),
            signups: Vec::new(),
            churns: Vec::new(),
            orders: Vec::new(),
            answers: Vec::new(),
            segments: Vec::new(),
            pruned_order_at: None,
            pruned_nps: None,
            first_order: None,
            begins_at: Timestamp::FIRST,
            last: Last::NOTHING,
            words: Vec::new(),
        }
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
        self.begins_at = match (base, facts.clone().next()) {
            (None, Some(first)) => first.word.at(),
            (None, None) | (Some(_), _) => Timestamp::FIRST,
        };
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
        self.last = self.find_last();
    }

    fn find_last(&self) -> Last {
        let spell = self.spells.last();
        let order = self.orders.last().map_or(NEVER, |order| order.at);
        let answer = self.answers.last().map_or(NEVER, |answer| answer.at);
        let signup = self.signups.last().copied().unwrap_or(NEVER);
        let churn = self.churns.last().copied().unwrap_or(NEVER);
        Last {
            spell_from: spell.map_or(NEVER, |spell| spell.from),
            spell_end: spell.map_or(NEVER, |spell| spell.end.map_or(FOREVER, |end| end.at)),
            order,
            answer,
            segment: self.segments.last().map_or(NEVER, |(told_at, _)| *told_at),
            event: order.max(answer).max(signup).max(churn),
        }
    }

    fn begin(&mut self, base: Option<&Base>, segments: &mut Segments) {
        self.signups.clear();
        self.churns.clear();
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
            Kind::Churn => return self.churns.push(at),
            Kind::Signup => return self.signups.push(at),
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
        if self
            .orders
            .get(1)
            .is_none_or(|second| second.at != first.at)
        {
            self.first_order = Some(0);
            return;
        }
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

    /// Nothing of the customer is from before this instant.
    #[must_use]
    pub const fn begins_at(&self) -> Timestamp {
        self.begins_at
    }

    /// The last kept order; before everything if there is none.
    #[must_use]
    pub const fn last_order_at(&self) -> Timestamp {
        self.last.order
    }

    /// The last kept event of any type; before everything if there is none.
    #[must_use]
    pub const fn last_event_at(&self) -> Timestamp {
        self.last.event
    }

    /// When the last spell began; before everything if there is none.
    #[must_use]
    pub const fn last_spell_from(&self) -> Timestamp {
        self.last.spell_from
    }

    /// When the last spell ended or will end: before everything if there is none, after everything if
    /// nothing ends it.
    #[must_use]
    pub const fn last_spell_end(&self) -> Timestamp {
        self.last.spell_end
    }

    /// Whether anything happened in a window, or in what it is compared with, beside that a spell
    /// ended. Once not so, it never is in a later window of the period.
    #[must_use]
    pub fn stirs_in(&self, window: &Window) -> bool {
        let last = &self.last;
        last.spell_from >= window.bounds.start
            || last.order >= window.orders_since
            || last.answer >= window.answers_since
            || last.segment >= window.bounds.start
    }

    /// How closely a window has to look at the customer.
    #[must_use]
    pub fn look(&self, window: &Window) -> Look {
        let end = self.last.spell_end;
        if self.stirs_in(window) || (window.bounds.start <= end && end < window.bounds.end) {
            Look::Closely
        } else if end >= window.bounds.end {
            Look::Retained
        } else {
            Look::Away
        }
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
        let mut known = self.answers.iter().rev();
        let latest = known.find(|answer| answer.at < at && answer.survey == Survey::Nps);
        latest.map(|answer| answer.score).or(self.pruned_nps)
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
        let last = &self.last;
        let came_or_went = self.came_or_went_in(bounds);
        let status = if came_or_went {
            self.status(bounds)
        } else {
            (last.spell_end >= bounds.end).then_some(Status::Retained)
        };
        let orders_matter = last.order >= window.orders_since;
        let (first_order, orders) = if orders_matter {
            within(&self.orders, bounds, |order| order.at)
        } else {
            (0, [].as_slice())
        };
        let answers_matter = last.answer >= window.answers_since;
        let answers = if answers_matter {
            self.answers_in(bounds)
        } else {
            &[]
        };
        Within {
            status,
            came_or_went,
            segment_settled: last.segment < bounds.start,
            orders_matter,
            first_order,
            orders,
            answers_matter,
            answers,
        }
    }

    /// Whether a spell began or ended between the bounds, as far as the last one tells.
    fn came_or_went_in(&self, bounds: Interval) -> bool {
        let (from, end) = (self.last.spell_from, self.last.spell_end);
        end >= bounds.start && (end < bounds.end || from >= bounds.start)
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

/// How closely a window has to look at a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Something happened.
    Closely,
    /// Nothing happened, and the customer was active all the while.
    Retained,
    /// Nothing happened, and the customer was not active.
    Away,
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
