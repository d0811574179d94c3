//! What an evaluation is asked: instants, with the windows of their periods, and which measures.
//!
//! ```text
//!        baseline of the change score: max(28d, 2 * length)
//!   |-------------------------------------|
//!                      before: as long    |     the period
//!                    |--------------------|--------------------->  T
//!                                         t0                     t1
//!          90 days before t0 |------------|   low scores before leaving
//! ```

use std::sync::Arc;

use crate::event::Timestamp;
use crate::measure::catalogue::Section;
use crate::measure::cohort::Months;
use crate::measure::period::{Interval, Period};
use crate::measure::settings::EvaluationSettings;

/// How long before leaving an answer counts as one before leaving: 90 times 24 hours.
pub const SCORED_MILLIS: i64 = 90 * 86_400_000;

/// Instants to evaluate in one pass over the facts, all under the same settings.
#[derive(Debug, Clone)]
pub struct Question {
    pub settings: Arc<EvaluationSettings>,
    /// Ascending, each once.
    pub instants: Vec<Instant>,
    pub sections: Sections,
    pub months: Months,
}

impl Question {
    /// All measures as of one instant.
    #[must_use]
    pub fn at(instant: Timestamp, settings: Arc<EvaluationSettings>) -> Self {
        Self::of([instant], Sections::ALL, settings)
    }

    /// Some measures as of several instants, in any order.
    #[must_use]
    pub fn of(
        instants: impl IntoIterator<Item = Timestamp>,
        sections: Sections,
        settings: Arc<EvaluationSettings>,
    ) -> Self {
        let mut instants: Vec<Timestamp> = instants.into_iter().collect();
        instants.sort_unstable();
        instants.dedup();
        let latest = instants.last().copied().unwrap_or(Timestamp::FIRST);
        let months = Months::until(latest, &settings.time_zone);
        let instants = instants.into_iter().map(|at| Instant::new(at, &settings));
        Self {
            instants: instants.collect(),
            settings,
            sections,
            months,
        }
    }

    /// The latest instant.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        self.instants
            .last()
            .map_or(Timestamp::FIRST, |instant| instant.at)
    }

    /// Where the earliest period begins: without the facts from there on there is no answer.
    #[must_use]
    pub fn earliest(&self) -> Timestamp {
        let first = |instant: &Instant| {
            let starts = instant.windows.iter().map(|window| window.bounds.start);
            starts.chain([instant.at]).min().unwrap_or(instant.at)
        };
        self.instants
            .iter()
            .map(first)
            .min()
            .unwrap_or(Timestamp::FIRST)
    }
}

/// One instant with the windows of every period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// `T`.
    pub at: Timestamp,
    /// In the order of the configured periods.
    pub windows: Vec<Window>,
}

/// A period at an instant, and the windows its measures compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub period: Period,
    pub bounds: Interval,
    /// The window before, as long; of a complete calendar period the one before. None to date.
    pub before: Option<Interval>,
    /// Of a rolling period: what its Net Promoter Score is compared with.
    pub baseline: Option<Interval>,
}

impl Instant {
    #[must_use]
    pub fn new(at: Timestamp, settings: &EvaluationSettings) -> Self {
        let window = |period: &Period| Window::new(*period, at, settings);
        Self {
            at,
            windows: settings.periods.iter().map(window).collect(),
        }
    }

    /// The periods with their bounds.
    #[must_use]
    pub fn periods(&self) -> Vec<(Period, Interval)> {
        let period = |window: &Window| (window.period, window.bounds);
        self.windows.iter().map(period).collect()
    }
}

impl Window {
    #[must_use]
    pub fn new(period: Period, at: Timestamp, settings: &EvaluationSettings) -> Self {
        let bounds = period.interval(at, &settings.time_zone, settings.week_starts_on);
        let before = period.interval_before(bounds, &settings.time_zone, settings.week_starts_on);
        let baseline = period.baseline(bounds);
        Self {
            period,
            bounds,
            before,
            baseline,
        }
    }

    /// Answers from here on can be ones before leaving.
    #[must_use]
    pub fn scored_since(&self) -> Timestamp {
        self.bounds.start.minus_millis(SCORED_MILLIS)
    }
}

/// The sections of an evaluation that are wanted; the others are left out and cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sections(u8);

impl Sections {
    pub const ALL: Self = Self(u8::MAX);

    #[must_use]
    pub const fn only(section: Section) -> Self {
        Self(1 << section as u8)
    }

    #[must_use]
    pub const fn without(self, section: Section) -> Self {
        Self(self.0 & !(1 << section as u8))
    }

    /// One bit for each section, as [`Sections::from_bits`] takes them.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The sections whose bits are set, by their place in the list of all sections.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    #[must_use]
    pub const fn contains(self, section: Section) -> bool {
        self.0 & 1 << section as u8 != 0
    }
}
