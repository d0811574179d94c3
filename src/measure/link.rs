//! Satisfaction and retention, side by side: what became of promoters and detractors, and whether
//! those who left had said so. Nothing here claims a cause.

use std::collections::BTreeMap;

use crate::event::{Survey, Timestamp};
use crate::ledger::texts::Texts;
use crate::measure::life::{Life, Status, Within};
use crate::measure::period::Interval;
use crate::measure::question::{SCORED_MILLIS, Window};
use crate::measure::scores::Group;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fates {
    pub retained: u64,
    pub lost: u64,
}

impl Fates {
    const fn add(&mut self, status: Status) {
        match status {
            Status::Retained => self.retained += 1,
            Status::Lost => self.lost += 1,
            Status::New | Status::Reactivated => {}
        }
    }

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkSums {
    /// In the order of [`KnownGroup::ALL`].
    pub groups: [GroupSums; 4],
    /// Customers with a low answer among those before they left, or before the end.
    pub low: Fates,
    /// Customers with such answers, none of them low.
    pub fine: Fates,
}

/// The sums of the customers of `S` in one NPS group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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

/// The sums while an evaluation is under way: currencies by code instead of text.
#[derive(Debug, Default)]
pub struct LinkTally {
    sums: LinkSums,
    /// By group and by code of the currency; nothing without orders.
    revenue: [Vec<Option<u128>>; 4],
}

impl LinkTally {
    /// Counts a customer of a group who was retained, did not order and was not scored.
    pub const fn retained(&mut self, group: KnownGroup) {
        self.sums.groups[group as usize].customers.retained += 1;
    }

    /// Counts a customer, if it was active at the start of the period.
    pub fn add(&mut self, window: &Window, life: &Life, within: Within<'_>) {
        let Some(status) = within.status.filter(|status| status.at_start()) else {
            return;
        };
        let bounds = window.bounds;
        let group = KnownGroup::of(life.nps_before(bounds.start)) as usize;
        self.sums.groups[group].customers.add(status);
        for order in within.orders {
            let place = usize::from(order.currency);
            let revenue = &mut self.revenue[group];
            if revenue.len() <= place {
                revenue.resize(place + 1, None);
            }
            *revenue[place].get_or_insert(0) += u128::from(order.millionths);
        }
        if !within.answers_matter {
            return;
        }
        match low_score(life, bounds.end, status) {
            Some(true) => self.sums.low.add(status),
            Some(false) => self.sums.fine.add(status),
            None => {}
        }
    }

    /// The sums by text.
    #[must_use]
    pub fn finish(self, currencies: &Texts) -> LinkSums {
        let mut sums = self.sums;
        for (group, revenue) in sums.groups.iter_mut().zip(self.revenue) {
            for (currency, millionths) in currencies.iter().zip(revenue) {
                if let Some(millionths) = millionths {
                    *group.revenue.entry(currency.to_owned()).or_default() += millionths;
                }
            }
        }
        sums
    }
}

/// Whether a low answer is among those in the 90 days before a customer left, or before the end of
/// the period if it was retained; nothing without answers there.
fn low_score(life: &Life, period_end: Timestamp, status: Status) -> Option<bool> {
    let end = match status {
        Status::Lost => {
            let mut opened = life.spells.iter().rev();
            let last = opened.find(|spell| spell.from < period_end)?;
            last.end?.at
        }
        _ => period_end,
    };
    let before = Interval {
        start: end.minus_millis(SCORED_MILLIS),
        end,
    };
    let mut low = None;
    for answer in life.answers_in(before) {
        let this = match answer.survey {
            Survey::Nps => answer.score <= 6,
            Survey::Csat => answer.score <= 2,
            Survey::Ces => continue,
        };
        low = Some(low.unwrap_or(false) || this);
    }
    low
}
