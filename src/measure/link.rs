//! Satisfaction and retention, side by side: what became of promoters and detractors, and whether
//! those who left had said so. Nothing here claims a cause.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Survey, Timestamp};
use crate::ledger::texts::Texts;
use crate::measure::block::Seen;
use crate::measure::counts::Counts;
use crate::measure::life::{Answer, Life, Standing};
use crate::measure::period::Interval;
use crate::measure::question::SCORED_MILLIS;
use crate::measure::scores::Group;
use crate::measure::windows::{Panes, WindowSet};

/// The NPS group of a customer at an instant: that of its latest answer before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownGroup {
    Promoter,
    Passive,
    Detractor,
    /// The customer never answered.
    None,
}

impl KnownGroup {
    pub const ALL: [Self; 4] = [Self::Promoter, Self::Passive, Self::Detractor, Self::None];

    /// The group of the latest score, if there was one.
    #[must_use]
    pub fn of(score: Option<u8>) -> Self {
        score.map_or(Self::None, |score| match Group::of(score) {
            Group::Promoter => Self::Promoter,
            Group::Passive => Self::Passive,
            Group::Detractor => Self::Detractor,
        })
    }

    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promoter => Group::Promoter.name(),
            Self::Passive => Group::Passive.name(),
            Self::Detractor => Group::Detractor.name(),
            Self::None => "none",
        }
    }
}

/// Customers of `S`, those that were retained and those that were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fates {
    pub retained: u64,
    pub lost: u64,
}

impl Fates {
    #[must_use]
    pub const fn total(self) -> u64 {
        self.retained + self.lost
    }

    const fn merge(&mut self, other: Self) {
        self.retained += other.retained;
        self.lost += other.lost;
    }
}

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LinkSums {
    /// In the order of [`KnownGroup::ALL`].
    pub groups: [GroupSums; 4],
    /// Customers with a low answer among those before they left, or before the end.
    pub low: Fates,
    /// Customers with such answers, none of them low.
    pub fine: Fates,
}

/// The sums of the customers of `S` in one NPS group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupSums {
    pub customers: Fates,
    /// Revenue in the period in millionths, by currency; also of free orders.
    pub revenue: BTreeMap<String, u128>,
}

impl LinkSums {
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.groups.iter_mut().zip(&other.groups) {
            mine.customers.merge(theirs.customers);
            for (currency, millionths) in &theirs.revenue {
                *mine.revenue.entry(currency.clone()).or_default() += millionths;
            }
        }
        self.low.merge(other.low);
        self.fine.merge(other.fine);
    }
}

/// The sums of the windows of a block while an evaluation is under way: currencies by code instead of
/// text.
#[derive(Debug, Default)]
pub struct LinkTally {
    /// In the order of [`KnownGroup::ALL`].
    groups: [GroupTally; 4],
    low: FateCounts,
    fine: FateCounts,
}

#[derive(Debug, Default)]
struct GroupTally {
    customers: FateCounts,
    /// By code of the currency and place of the window; nothing without orders.
    revenue: Vec<[Option<u128>; WindowSet::MOST]>,
}

#[derive(Debug, Default)]
struct FateCounts {
    retained: Counts,
    lost: Counts,
}

impl FateCounts {
    fn of(&self, place: usize) -> Fates {
        Fates {
            retained: self.retained.of(place),
            lost: self.lost.of(place),
        }
    }
}

impl LinkTally {
    /// Counts a customer in the windows at whose start it was active.
    pub fn add(&mut self, panes: &Panes, life: &Life, seen: &Seen<'_>) {
        let at_start = seen.standing.at_start();
        if at_start.is_empty() {
            return;
        }
        let mut unknown = at_start;
        let answers = seen.answers.iter();
        for answer in answers.filter(|answer| answer.what.survey == Survey::Nps) {
            let begun_later = unknown & answer.pane.not_begun;
            if !begun_later.is_empty() {
                let group = KnownGroup::of(Some(answer.what.score));
                self.groups[group as usize].add(begun_later, seen);
                unknown = unknown.without(begun_later);
            }
        }
        if !unknown.is_empty() {
            let group = KnownGroup::of(life.nps_before(panes.begin()));
            self.groups[group as usize].add(unknown, seen);
        }
        self.scores(panes, life, seen);
    }

    /// Counts the answers before a customer left, or before the end.
    fn scores(&mut self, panes: &Panes, life: &Life, seen: &Seen<'_>) {
        let Standing { retained, lost, .. } = seen.standing;
        if !seen.answers.is_empty() {
            let (mut low, mut fine) = (WindowSet::NONE, WindowSet::NONE);
            for answer in seen.answers {
                match is_low(&answer.what) {
                    Some(true) => low |= answer.pane.scored,
                    Some(false) => fine |= answer.pane.scored,
                    None => {}
                }
            }
            self.low.retained.add(retained & low);
            self.fine.retained.add((retained & fine).without(low));
        }
        if life.answers.is_empty() {
            return;
        }
        for place in lost {
            let one = WindowSet::only(place);
            match low_before_leaving(life, panes.windows()[place].bounds.end) {
                Some(true) => self.low.lost.add(one),
                Some(false) => self.fine.lost.add(one),
                None => {}
            }
        }
    }

    /// The sums of a window by text.
    #[must_use]
    pub fn finish(&self, place: usize, currencies: &Texts) -> LinkSums {
        LinkSums {
            groups: self
                .groups
                .each_ref()
                .map(|group| group.finish(place, currencies)),
            low: self.low.of(place),
            fine: self.fine.of(place),
        }
    }
}

impl GroupTally {
    /// Counts a customer who was in the group at the start of some windows.
    fn add(&mut self, windows: WindowSet, seen: &Seen<'_>) {
        let Standing { retained, lost, .. } = seen.standing;
        self.customers.retained.add(windows & retained);
        if !lost.is_empty() {
            self.customers.lost.add(windows & lost);
        }
        for order in seen.orders {
            let inside = order.pane.inside() & windows;
            if inside.is_empty() {
                continue;
            }
            let place = usize::from(order.what.currency);
            if self.revenue.len() <= place {
                self.revenue.resize(place + 1, [None; WindowSet::MOST]);
            }
            let revenue = &mut self.revenue[place];
            for place in inside {
                *revenue[place].get_or_insert(0) += u128::from(order.what.millionths);
            }
        }
    }

    fn finish(&self, place: usize, currencies: &Texts) -> GroupSums {
        let mut sums = GroupSums {
            customers: self.customers.of(place),
            revenue: BTreeMap::new(),
        };
        for (currency, revenue) in currencies.iter().zip(&self.revenue) {
            if let Some(millionths) = revenue[place] {
                *sums.revenue.entry(currency.to_owned()).or_default() += millionths;
            }
        }
        sums
    }
}

/// Whether an answer is a low one; nothing if it does not say.
const fn is_low(answer: &Answer) -> Option<bool> {
    match answer.survey {
        Survey::Nps => Some(answer.score <= 6),
        Survey::Csat => Some(answer.score <= 2),
        Survey::Ces => None,
    }
}

/// Whether a low answer is among those in the 90 days before a customer left for good in a period that
/// ends then; nothing without answers there.
fn low_before_leaving(life: &Life, period_end: Timestamp) -> Option<bool> {
    let mut opened = life.spells.iter().rev();
    let last = opened.find(|spell| spell.from < period_end)?;
    let end = last.end?.at;
    let before = Interval {
        start: end.minus_millis(SCORED_MILLIS),
        end,
    };
    let answers = life.answers.iter();
    let within = answers.filter(|answer| before.contains(answer.at));
    within.filter_map(is_low).reduce(|a, b| a || b)
}
