//! Windows side by side: for what happened at an instant, which windows it matters to, and how.
//!
//! Owns the sets of windows and the panes between their bounds. Promises that everything within one
//! pane matters to the same windows in the same way, so that the place of a fact in time is looked up
//! once for all windows. Knows neither facts nor measures.
//!
//! ```text
//!  7d                                          |=========|
//!  24h                                               |===|
//!  last_month                |===========|
//!  before last_month   |.....|
//!
//!  panes            0  |  1  |      2    |  3  |  4  | 5 |  6
//!  inside                     last_month        7d    7d
//!                                                     24h
//!  before               last_month
//! ```

use std::ops::{BitAnd, BitOr, BitOrAssign};

use crate::event::Timestamp;
use crate::measure::period::Interval;
use crate::measure::question::{SCORED_MILLIS, Window};

/// Some of the windows that are looked at together, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowSet(u64);

impl WindowSet {
    /// So many windows fit into a set.
    pub const MOST: usize = u64::BITS as usize;
    /// No window.
    pub const NONE: Self = Self(0);

    /// The first so many windows, at most [`WindowSet::MOST`].
    #[must_use]
    pub const fn first(windows: usize) -> Self {
        match u64::MAX.checked_shl(windows as u32) {
            Some(others) => Self(!others),
            None => Self(u64::MAX),
        }
    }

    /// One window.
    #[must_use]
    pub const fn only(place: usize) -> Self {
        Self(1 << place)
    }

    /// One bit for each window, the lowest for the first place.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn contains(self, place: usize) -> bool {
        self.0 >> place & 1 != 0
    }

    /// The windows of this set that are not in the other one.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn toggle(&mut self, place: usize) {
        self.0 ^= 1 << place;
    }
}

impl BitAnd for WindowSet {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for WindowSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for WindowSet {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl IntoIterator for WindowSet {
    type Item = usize;
    type IntoIter = Places;

    fn into_iter(self) -> Places {
        Places(self.0)
    }
}

/// The places of a set, ascending.
#[derive(Debug, Clone)]
pub struct Places(u64);

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(place)
    }
}

/// A stretch of time in which no window and nothing that a window compares with begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pane {
    /// Its number among all panes, in order of time.
    pub number: usize,
    /// Windows that begin later.
    pub not_begun: WindowSet,
    /// Windows that end later.
    pub not_over: WindowSet,
    /// Windows before which it lies, as far as they look back for orders.
    pub before: WindowSet,
    /// Windows in whose baseline it lies.
    pub baseline: WindowSet,
    /// Windows in the last 90 days before whose end it lies.
    pub scored: WindowSet,
}

impl Pane {
    /// Windows in which it lies.
    #[must_use]
    pub fn inside(&self) -> WindowSet {
        self.not_over.without(self.not_begun)
    }
}

/// At most [`WindowSet::MOST`] windows, and the panes they are made of.
#[derive(Debug)]
pub struct Panes {
    windows: Vec<Window>,
    /// Where panes begin, but the first, which begins before everything.
    bounds: Vec<Timestamp>,
    /// One more than bounds.
    panes: Vec<Pane>,
}

impl Panes {
    /// # Panics
    /// With more windows than a set can hold.
    #[must_use]
    pub fn new(windows: Vec<Window>) -> Self {
        assert!(windows.len() <= WindowSet::MOST, "too many windows");
        let mut changes: Vec<(Timestamp, usize, Side)> = Vec::new();
        for (place, window) in windows.iter().enumerate() {
            let Interval { start, end } = window.bounds;
            let scored = Interval {
                start: end.minus_millis(SCORED_MILLIS),
                end,
            };
            changes.push((start, place, Side::Begin));
            changes.push((end, place, Side::End));
            for (interval, side) in [
                (window.before, Side::Before),
                (window.baseline, Side::Baseline),
                (Some(scored), Side::Scored),
            ] {
                let bounds = interval.map(|interval| [interval.start, interval.end]);
                let bounds = bounds.into_iter().flatten();
                changes.extend(bounds.map(|bound| (bound, place, side)));
            }
        }
        changes.sort_by_key(|(at, _, _)| *at);
        let all = WindowSet::first(windows.len());
        let mut pane = Pane {
            not_begun: all,
            not_over: all,
            ..Pane::default()
        };
        let (mut bounds, mut panes) = (Vec::new(), vec![pane]);
        for together in changes.chunk_by(|(a, _, _), (b, _, _)| a == b) {
            for (_, place, side) in together {
                pane.change(*place, *side);
            }
            pane.number += 1;
            bounds.extend(together.first().map(|(at, _, _)| *at));
            panes.push(pane);
        }
        Self {
            windows,
            bounds,
            panes,
        }
    }

    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// All panes, in order of time.
    #[must_use]
    pub fn all(&self) -> &[Pane] {
        &self.panes
    }

    /// What happened earlier lies in the first pane, before everything that windows look at.
    #[must_use]
    pub fn begin(&self) -> Timestamp {
        let last = Timestamp::from_millis(i64::MAX);
        self.bounds.first().copied().unwrap_or(last)
    }

    /// The pane before everything that windows look at.
    #[must_use]
    pub fn first(&self) -> &Pane {
        &self.panes[0]
    }

    /// The pane in which an instant lies.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> &Pane {
        &self.panes[self.bounds.partition_point(|bound| *bound <= at)]
    }
}

/// What changes at a bound.
#[derive(Debug, Clone, Copy)]
enum Side {
    Begin,
    End,
    Before,
    Baseline,
    Scored,
}

impl Pane {
    /// Of an interval that is empty, the end undoes what the start did.
    const fn change(&mut self, place: usize, side: Side) {
        let set = match side {
            Side::Begin => &mut self.not_begun,
            Side::End => &mut self.not_over,
            Side::Before => &mut self.before,
            Side::Baseline => &mut self.baseline,
            Side::Scored => &mut self.scored,
        };
        set.toggle(place);
    }
}

/// Something that happened, and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Placed<T> {
    pub pane: Pane,
    /// Its place among all of its kind of the customer, in order of time.
    pub nth: usize,
    pub what: T,
}

/// Sums by code and pane, of which those of windows are made at the end: what happens is added once,
/// however many windows it lies in.
#[derive(Debug)]
pub struct PaneSums<T> {
    panes: usize,
    /// Of each code all panes.
    sums: Vec<T>,
}

impl<T: Clone + Default> PaneSums<T> {
    #[must_use]
    pub const fn new(panes: &Panes) -> Self {
        Self {
            panes: panes.panes.len(),
            sums: Vec::new(),
        }
    }

    /// The sum of a code in a pane.
    pub fn of(&mut self, code: u8, pane: &Pane) -> &mut T {
        let place = usize::from(code) * self.panes + pane.number;
        if self.sums.len() <= place {
            let codes = usize::from(code) + 1;
            self.sums.resize(codes * self.panes, T::default());
        }
        &mut self.sums[place]
    }

    /// By code, what lies inside a window, pane by pane.
    pub fn inside<'a>(
        &'a self,
        panes: &'a Panes,
        place: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = &'a T>> {
        self.sums.chunks(self.panes).map(move |sums| {
            let inside = panes.panes.iter().zip(sums);
            inside.filter_map(move |(pane, sum)| pane.inside().contains(place).then_some(sum))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::settings::EvaluationSettings;

    #[test]
    fn sets_have_places() {
        assert_eq!(WindowSet::first(0), WindowSet::NONE);
        assert!(WindowSet::first(64).into_iter().eq(0..64));
        let (few, more) = (WindowSet::first(3), WindowSet::first(5));
        assert!(more.without(few).into_iter().eq([3, 4]));
        assert_eq!((few & more, few | more), (few, more));
        assert!(few.contains(2) && !few.contains(3));
    }

    /// By the bounds of each window, which are walked one by one.
    #[test]
    fn a_pane_says_what_the_bounds_of_each_window_say() {
        let settings = EvaluationSettings {
            periods: ["24h", "30d", "this_month", "last_month", "last_quarter"]
                .map(|period| period.parse().unwrap())
                .to_vec(),
            ..EvaluationSettings::default()
        };
        // The month to date is empty at the first instant.
        let instants = ["2026-01-01T00:00:00Z", "2026-03-09T11:30:00Z"];
        let instants = instants.map(|text| Timestamp::from_rfc3339(text).unwrap());
        let windows: Vec<Window> = instants
            .into_iter()
            .flat_map(|at| {
                let settings = &settings;
                let periods = settings.periods.iter();
                periods.map(move |period| Window::new(*period, at, settings))
            })
            .collect();
        let panes = Panes::new(windows.clone());
        let near = panes.bounds.iter();
        for at in near.flat_map(|at| [-1, 0, 1].map(|millis| at.plus_millis(millis))) {
            let pane = panes.at(at);
            for (place, window) in windows.iter().enumerate() {
                let end = window.bounds.end;
                let start = end.minus_millis(SCORED_MILLIS);
                let within = |interval: Option<Interval>| {
                    interval.is_some_and(|interval| interval.contains(at))
                };
                let expected = [
                    (pane.inside(), window.bounds.contains(at)),
                    (pane.not_begun, at < window.bounds.start),
                    (pane.not_over, at < window.bounds.end),
                    (pane.before, within(window.before)),
                    (pane.baseline, within(window.baseline)),
                    (pane.scored, within(Some(Interval { start, end }))),
                ];
                for (nth, (set, expected)) in expected.into_iter().enumerate() {
                    assert_eq!(set.contains(place), expected, "{nth} of {place} at {at}");
                }
            }
        }
        let before = panes.begin().minus_millis(1);
        assert_eq!(panes.at(before).number, 0);
        assert_eq!(panes.at(before).not_begun, WindowSet::first(windows.len()));
    }
}
