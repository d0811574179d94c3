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
use crate::measure::segment::{SegmentCode, Segments};
use crate::measure::spell::{Spell, SpellRules, Walk};
use crate::measure::windows::{Pane, Panes, WindowSet};

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
    segment: Timestamp,
    /// An event of any type.
    event: Timestamp,
}

impl Last {
    const NOTHING: Self = Self {
        spell_from: NEVER,
        spell_end: NEVER,
        order: NEVER,
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

/// What became of a customer in the windows of a block; in those of no set it was never active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub retained: WindowSet,
    pub lost: WindowSet,
    pub new: WindowSet,
    pub reactivated: WindowSet,
    /// Windows in which a spell began or ended.
    pub moved: WindowSet,
}

impl Standing {
    #[must_use]
    pub const fn of(&self, status: Status) -> WindowSet {
        match status {
            Status::Retained => self.retained,
            Status::Lost => self.lost,
            Status::New => self.new,
            Status::Reactivated => self.reactivated,
        }
    }

    /// Whether the customer was retained wherever it was active at all.
    #[must_use]
    pub fn all_retained(&self) -> bool {
        (self.lost | self.new | self.reactivated).is_empty()
    }

    /// Windows at whose start the customer was active.
    #[must_use]
    pub fn at_start(&self) -> WindowSet {
        self.retained | self.lost
    }

    /// Windows at whose end the customer was active.
    #[must_use]
    pub fn at_end(&self) -> WindowSet {
        self.retained | self.new | self.reactivated
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
    /// Reads the facts of a customer before `until` into the buffers of this life; `base` is what is
    /// left of earlier ones.
    pub fn read(
        &mut self,
        shard: &Shard,
        row: Row,
        base: Option<&Base>,
        rules: SpellRules<'_>,
        segments: &mut Segments,
        until: Timestamp,
    ) {
        let mut scratch = std::mem::take(&mut self.words);
        let words = shard.customers().facts(row, &mut scratch).words();
        self.begin(base, segments);
        self.begins_at = match (base, words.first()) {
            (None, Some(first)) => Word(*first).at(),
            (None, None) | (Some(_), _) => Timestamp::FIRST,
        };
        self.walk(words, base, rules, shard, segments, until);
        self.words = scratch;
        if self.pruned_order_at.is_none() {
            self.find_first_order(shard);
        }
        self.last = self.find_last();
    }

    /// Walks over words as [`Facts`](crate::ledger::fact::Facts) does, but decides only once what kind
    /// of fact each is: nobody can foretell it, and a wrong guess costs as much as reading a fact.
    fn walk(
        &mut self,
        mut words: &[u64],
        base: Option<&Base>,
        rules: SpellRules<'_>,
        shard: &Shard,
        segments: &mut Segments,
        until: Timestamp,
    ) {
        let mut spells = std::mem::take(&mut self.spells);
        let mut walk = Walk::new(rules, base, &mut spells);
        let end = Word::first_at(until);
        while let [first, rest @ ..] = words
            && let word = Word(*first)
            && word < end
        {
            let at = word.at();
            words = match word.kind() {
                Kind::Churn => {
                    walk.churn(at, word.payload());
                    self.churns.push(at);
                    rest
                }
                Kind::Signup => {
                    walk.signup(at);
                    self.signups.push(at);
                    rest
                }
                Kind::Order => {
                    walk.order(at);
                    let (detail, rest) = rest.split_first().unwrap_or((&0, &[]));
                    let detail = *detail;
                    self.orders.push(Order {
                        at,
                        millionths: Fact { word, detail }.amount(),
                        currency: word.payload(),
                    });
                    rest
                }
                Kind::Nps => self.answer(word, at, Survey::Nps, rest),
                Kind::Csat => self.answer(word, at, Survey::Csat, rest),
                Kind::Ces => self.answer(word, at, Survey::Ces, rest),
                Kind::Attributes => {
                    self.told(
                        segments.follow(word.attributes(), at, shard.attributes()),
                        at,
                    );
                    rest
                }
            };
        }
        walk.finish();
        self.spells = spells;
    }

    /// Takes an answer, and passes over its second word.
    fn answer<'a>(
        &mut self,
        word: Word,
        at: Timestamp,
        survey: Survey,
        rest: &'a [u64],
    ) -> &'a [u64] {
        self.answers.push(Answer {
            at,
            survey,
            score: word.score(),
            channel: word.channel(),
        });
        rest.get(1..).unwrap_or_default()
    }

    fn told(&mut self, code: SegmentCode, at: Timestamp) {
        match self.segments.last_mut() {
            Some((_, known)) if *known == code => {}
            Some((last, known)) if *last == at => *known = code,
            _ => self.segments.push((at, code)),
        }
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

    /// What became of the customer in each window.
    #[must_use]
    pub fn standing(&self, panes: &Panes) -> Standing {
        let (mut at_start, mut at_end) = (WindowSet::NONE, WindowSet::NONE);
        let mut moved = WindowSet::NONE;
        let mut first = panes.first();
        for spell in self.spells.iter().rev() {
            // Before `from` a spell has not begun, and it lasts up to its end, which belongs to it.
            let (from, end) = match spell.end {
                Some(end) if end.at < panes.begin() => {
                    // It matters to no window, and neither do those before it.
                    first = panes.first();
                    break;
                }
                Some(end) => (panes.at(spell.from), *panes.at(end.at)),
                None => (panes.at(spell.from), Pane::default()),
            };
            at_start |= from.not_begun.without(end.not_begun);
            at_end |= from.not_over.without(end.not_over);
            moved = moved | from.inside() | end.inside();
            first = from;
        }
        let came = at_end.without(at_start);
        let known = first.not_begun;
        Standing {
            retained: at_start & at_end,
            lost: at_start.without(at_end),
            new: came.without(known),
            reactivated: came & known,
            moved,
        }
    }

    #[must_use]
    pub fn active_at(&self, at: Timestamp) -> bool {
        self.spells.iter().any(|spell| spell.active_at(at))
    }

    /// Whether the order at that place is not the customer's first ever.
    #[must_use]
    pub fn is_repeat(&self, place: usize) -> bool {
        self.first_order != Some(place)
    }

    /// The first order, or the last one that is no longer kept; after everything if there is none.
    #[must_use]
    pub fn first_order_at(&self) -> Timestamp {
        let kept = self.orders.first().map(|order| order.at);
        self.pruned_order_at.or(kept).unwrap_or(FOREVER)
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

    /// The last order before `at`.
    #[must_use]
    pub fn last_order_before(&self, at: Timestamp) -> Option<Timestamp> {
        let kept = self.orders.iter().rev().map(|order| order.at);
        kept.chain(self.pruned_order_at).find(|order| *order < at)
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

    /// When the latest segment began; before everything if none is known.
    #[must_use]
    pub const fn last_segment_at(&self) -> Timestamp {
        self.last.segment
    }

    /// The segment in which the customer ended.
    #[must_use]
    pub fn latest_segment(&self) -> SegmentCode {
        let segment = self.segments.last();
        segment.map_or(SegmentCode::UNKNOWN, |(_, code)| *code)
    }
}
