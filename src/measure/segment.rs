//! Segments: customers by the values of the configured dimensions, as one joint split.
//!
//! A customer's value of a dimension at `t` is the newest one told of before `t`, each dimension by
//! itself; of two told at one instant it is the larger text. So an event that tells of the plan alone
//! leaves the country as it was.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::event::{MAX_DIMENSIONS, Timestamp};
use crate::ledger::attributes::{ABSENT, Attributes, Values};
use crate::ledger::base::KnownValue;
use crate::measure::life::{Order, Status};
use crate::measure::orders::Sales;
use crate::measure::scores::Groups;

/// What stands for a dimension of which nothing is known.
pub const UNKNOWN: &str = "unknown";

/// A segment within one evaluation of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentCode(u32);

impl SegmentCode {
    /// Nothing is known in any dimension.
    pub const UNKNOWN: Self = Self(0);

    /// Segments are numbered as they come up, from 0.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize
    }

    /// The segments of these numbers.
    pub fn below(segments: usize) -> impl Iterator<Item = Self> {
        (0..=u32::MAX).map(Self).take(segments)
    }
}

/// The segments that come up in one evaluation of one shard, and the customer who is being read.
#[derive(Debug)]
pub struct Segments {
    dimensions: usize,
    codes: HashMap<Values, SegmentCode>,
    values: Vec<Values>,
    /// The values of the customer as far as it was read, and when each of them was told of.
    current: Values,
    told_at: [Timestamp; MAX_DIMENSIONS],
    code: SegmentCode,
    /// By code of what is told: the segment, if every dimension is told of.
    by_told: Vec<Option<SegmentCode>>,
    /// What was told last, if all of it holds, and when; that is not yet in `told_at`.
    repeated: Option<Repeated>,
}

/// Most of what customers tell is what they told before.
#[derive(Debug, Clone, Copy)]
struct Repeated {
    told: u32,
    at: Timestamp,
}

impl Segments {
    #[must_use]
    pub fn new(dimensions: usize) -> Self {
        let unknown = Values::default();
        Self {
            dimensions,
            codes: HashMap::from([(unknown, SegmentCode::UNKNOWN)]),
            values: vec![unknown],
            current: unknown,
            told_at: [Timestamp::FIRST; MAX_DIMENSIONS],
            code: SegmentCode::UNKNOWN,
            by_told: Vec::new(),
            repeated: None,
        }
    }

    /// Begins with the next customer: what is known from before the kept facts, if anything.
    pub fn begin(
        &mut self,
        base: Option<&[Option<KnownValue>; MAX_DIMENSIONS]>,
    ) -> Option<SegmentCode> {
        self.current = Values::default();
        self.told_at = [Timestamp::FIRST; MAX_DIMENSIONS];
        self.code = SegmentCode::UNKNOWN;
        self.repeated = None;
        let base = base?;
        for (dimension, known) in base.iter().enumerate() {
            if let Some(known) = known {
                self.current[dimension] = known.value;
                self.told_at[dimension] = known.at;
            }
        }
        self.code = self.code_of_current();
        Some(self.code)
    }

    /// Goes on with what an event of the customer at `at` told, which is not before the last one.
    #[inline]
    pub fn follow(&mut self, told: u32, at: Timestamp, attributes: &Attributes) -> SegmentCode {
        match &mut self.repeated {
            Some(known) if known.told == told => {
                known.at = at;
                self.code
            }
            _ => self.follow_other(told, at, attributes),
        }
    }

    fn follow_other(&mut self, told: u32, at: Timestamp, attributes: &Attributes) -> SegmentCode {
        if let Some(known) = self.repeated.take() {
            let values = attributes.values(known.told);
            for (value, told_at) in values.into_iter().zip(&mut self.told_at) {
                if value != ABSENT {
                    *told_at = known.at;
                }
            }
        }
        let values = attributes.values(told);
        let (mut changed, mut holds) = (false, true);
        for (dimension, value) in values.into_iter().take(self.dimensions).enumerate() {
            let (current, told_at) = (&mut self.current[dimension], &mut self.told_at[dimension]);
            if value == ABSENT {
                continue;
            }
            let text = |value| attributes.text(dimension, value);
            let tied = *told_at == at && *current != ABSENT;
            if *current != value && (!tied || text(value) > text(*current)) {
                *current = value;
                changed = true;
            }
            holds &= *current == value;
            *told_at = at;
        }
        if changed {
            self.code = self.code_after(told as usize, values);
        }
        self.repeated = holds.then_some(Repeated { told, at });
        self.code
    }

    fn code_after(&mut self, told: usize, values: Values) -> SegmentCode {
        // What is told as a whole needs no look at what was known before.
        if values != self.current {
            return self.code_of_current();
        }
        if self.by_told.len() <= told {
            self.by_told.resize(told + 1, None);
        }
        if let Some(code) = self.by_told[told] {
            return code;
        }
        let code = self.code_of_current();
        self.by_told[told] = Some(code);
        code
    }

    fn code_of_current(&mut self) -> SegmentCode {
        if let Some(code) = self.codes.get(&self.current) {
            return *code;
        }
        let code = SegmentCode(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.codes.insert(self.current, code);
        self.values.push(self.current);
        code
    }

    /// The texts of a segment, by dimension.
    fn texts(&self, code: usize, attributes: &Attributes) -> Vec<String> {
        let values = self.values[code].iter().take(self.dimensions).enumerate();
        values
            .map(|(dimension, value)| attributes.text(dimension, *value).unwrap_or(UNKNOWN))
            .map(str::to_owned)
            .collect()
    }
}

/// The sums of one segment in one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SegmentSums {
    /// In the order of [`Status::ALL`].
    pub customers: [u64; 4],
    /// By the latest answer of each customer in the window.
    pub nps: Groups,
    /// By currency.
    pub sales: BTreeMap<String, Sales>,
}

impl SegmentSums {
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.customers.iter_mut().zip(other.customers) {
            *mine += theirs;
        }
        self.nps.merge(other.nps);
        for (currency, sales) in &other.sales {
            self.sales
                .entry(currency.clone())
                .or_default()
                .merge(*sales);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.customers == [0; 4] && self.nps.total() == 0 && self.sales.is_empty()
    }
}

/// One segment of a report: who is in it at the instant, and its sums by period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Segment {
    /// Customers active at the instant: by them it is decided which segments are shown.
    pub active: u64,
    /// In the order of the periods.
    pub periods: Vec<SegmentSums>,
}

impl Segment {
    pub fn merge(&mut self, other: &Self) {
        self.active += other.active;
        self.periods
            .resize(other.periods.len(), SegmentSums::default());
        for (mine, theirs) in self.periods.iter_mut().zip(&other.periods) {
            mine.merge(theirs);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active == 0 && self.periods.iter().all(SegmentSums::is_empty)
    }
}

/// By the texts of a segment in the order of the dimensions.
pub type SegmentMap = BTreeMap<Vec<String>, Segment>;

/// What is counted while an evaluation is under way, of one instant: by code instead of text.
#[derive(Debug)]
pub struct SegmentTally {
    /// By segment.
    active: Vec<u64>,
    /// By segment and period.
    counted: Vec<CountedPeriod>,
    periods: usize,
}

#[derive(Debug, Clone, Default)]
struct CountedPeriod {
    customers: [u64; 4],
    nps: Groups,
    /// Few currencies are used within one segment, so they are looked through.
    sales: Vec<(u8, Sales)>,
}

impl SegmentTally {
    #[must_use]
    pub const fn new(periods: usize) -> Self {
        Self {
            active: Vec::new(),
            counted: Vec::new(),
            periods,
        }
    }

    /// Makes room for a segment.
    fn know(&mut self, code: SegmentCode) {
        let segments = code.place() + 1;
        if self.active.len() < segments {
            self.active.resize(segments, 0);
            let periods = segments * self.periods;
            self.counted.resize(periods, CountedPeriod::default());
        }
    }

    fn period(&mut self, code: SegmentCode, period: usize) -> &mut CountedPeriod {
        self.know(code);
        &mut self.counted[code.place() * self.periods + period]
    }

    /// Counts a customer who is active at the instant.
    pub fn active(&mut self, code: SegmentCode) {
        self.know(code);
        self.active[code.place()] += 1;
    }

    /// Adds customers who were retained in a period, in one segment all the while.
    pub fn stayed(&mut self, code: SegmentCode, period: usize, customers: u64) {
        if customers > 0 {
            self.period(code, period).customers[Status::Retained as usize] += customers;
        }
    }

    /// Counts what became of a customer in a period.
    pub fn status(&mut self, code: SegmentCode, period: usize, status: Status) {
        self.period(code, period).customers[status as usize] += 1;
    }

    /// Counts the latest NPS answer of a customer in a period.
    pub fn score(&mut self, code: SegmentCode, period: usize, score: u8) {
        self.period(code, period).nps.add(score);
    }

    /// Counts an order in a period.
    pub fn order(&mut self, code: SegmentCode, period: usize, order: &Order) {
        let sales = self.period(code, period).sales(order.currency);
        sales.add(order.millionths);
    }

    /// The sums by text.
    #[must_use]
    pub fn finish(
        self,
        segments: &Segments,
        attributes: &Attributes,
        currency: impl Fn(u8) -> String,
    ) -> SegmentMap {
        let mut map = SegmentMap::new();
        let mut counted = self.counted.into_iter();
        for (code, active) in self.active.into_iter().enumerate() {
            let sums = counted.by_ref().take(self.periods);
            let segment = Segment {
                active,
                periods: sums.map(|sums| sums.into_sums(&currency)).collect(),
            };
            if !segment.is_empty() {
                let texts = segments.texts(code, attributes);
                map.entry(texts).or_default().merge(&segment);
            }
        }
        map
    }
}

impl CountedPeriod {
    fn sales(&mut self, currency: u8) -> &mut Sales {
        let place = self.sales.iter().position(|(known, _)| *known == currency);
        let place = place.unwrap_or_else(|| {
            self.sales.push((currency, Sales::default()));
            self.sales.len() - 1
        });
        &mut self.sales[place].1
    }

    fn into_sums(self, currency: impl Fn(u8) -> String) -> SegmentSums {
        let mut sales: BTreeMap<String, Sales> = BTreeMap::new();
        for (code, sum) in self.sales {
            sales.entry(currency(code)).or_default().merge(sum);
        }
        SegmentSums {
            customers: self.customers,
            nps: self.nps,
            sales,
        }
    }
}
