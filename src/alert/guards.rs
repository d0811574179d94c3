//! The thresholds of the rules: how much, how sure, how many, how long.
//!
//! Owns every number that decides when an alert fires. Promises that the rules and whoever measures
//! how good they are take the same ones from here. Does not know how a rule is written.

use crate::measure::period::{Period, RollingUnit};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// When a fall of the Net Promoter Score over one period is more than noise. All three must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NpsGuard {
    /// The rolling period whose score is set against that of the window before it; a configured
    /// period of the same length counts, however it is written.
    pub period: Period,
    /// The score fell by more than so many points, 0 to 200.
    pub points: f64,
    /// It fell by more than so many standard errors of the change.
    pub errors: f64,
    /// At least so many customers answered in the period.
    pub answers: u32,
}

/// When departures in a period are more than chance. Both must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepartureGuard {
    /// There are more than the expected ones and so many of their square roots.
    pub roots: f64,
    /// There are more than so many times the expected ones.
    pub factor: f64,
    /// Fewer expected departures count as so many, or in a small shop a single one would be a spike.
    pub least_expected: f64,
}

/// A day: `24h`.
pub const DAY_PERIOD: Period = Period::Rolling {
    count: 24,
    unit: RollingUnit::Hours,
};
/// A week: `7d`.
pub const WEEK_PERIOD: Period = Period::Rolling {
    count: 7,
    unit: RollingUnit::Days,
};
/// A month of fixed length: `30d`.
pub const MONTH_PERIOD: Period = Period::Rolling {
    count: 30,
    unit: RollingUnit::Days,
};

/// The windows in which a fall of the NPS is looked for; one that sees it is enough.
///
/// The shortest is looked at most often in relation to its length, so it has to be the surest.
pub const NPS_GUARDS: [NpsGuard; 3] = [
    NpsGuard {
        period: DAY_PERIOD,
        points: 10.0,
        errors: 3.7,
        answers: 20,
    },
    NpsGuard {
        period: WEEK_PERIOD,
        points: 5.0,
        errors: 3.2,
        answers: 50,
    },
    NpsGuard {
        period: MONTH_PERIOD,
        points: 5.0,
        errors: 3.2,
        answers: 100,
    },
];

/// A fall that passes a guard of [`NPS_GUARDS`] in errors and answers, and is of more points than
/// this, is critical.
pub const NPS_FAR_POINTS: f64 = 20.0;

/// How long a fall of the NPS has to be seen before the alert fires, in milliseconds.
pub const NPS_FOR_MILLIS: i64 = HOUR;

/// How long the alert goes on firing after the fall is no longer seen, in milliseconds.
pub const NPS_KEEP_FIRING_MILLIS: i64 = DAY;

/// How long the critical alert goes on firing after a fall by more than [`NPS_FAR_POINTS`] is no
/// longer seen, in milliseconds.
///
/// Longer than the other: one large drop moves around that threshold for days, with every answer
/// that comes and goes, and would page again and again.
pub const NPS_FAR_KEEP_FIRING_MILLIS: i64 = 3 * DAY;

/// For so long no guard of [`NPS_GUARDS`] had enough answers: the alert is blind. In milliseconds.
pub const NPS_BLIND_MILLIS: i64 = 7 * DAY;

/// The windows in which departures are compared with what is expected of them; one is enough.
pub const DEPARTURE_PERIODS: [Period; 2] = [DAY_PERIOD, WEEK_PERIOD];

/// When departures, by churn events or by inactivity, are a spike.
///
/// Five roots, because what is expected is itself the mean of four windows, so that the difference
/// varies by 1.25 of it, and because it is looked at in overlapping windows all the time: with four,
/// a shop that 3 to 10 customers leave a day was paged 3 to 8 times a year for nothing.
pub const DEPARTURE_GUARD: DepartureGuard = DepartureGuard {
    roots: 5.0,
    factor: 1.3,
    least_expected: 2.0,
};

/// How long a spike has to be seen before the alert fires, in milliseconds.
pub const DEPARTURE_FOR_MILLIS: i64 = 30 * MINUTE;

/// How long the alert goes on firing after the spike is no longer seen, in milliseconds.
pub const DEPARTURE_KEEP_FIRING_MILLIS: i64 = DAY;

/// Retention below its target is told only of at least so many customers at the period's start.
pub const RETENTION_LEAST_CUSTOMERS: u32 = 200;

/// How long a number has to be below its target, in milliseconds.
pub const TARGET_FOR_MILLIS: i64 = HOUR;

/// A source is silent after so many of its usual gaps without an event.
pub const SILENT_GAPS: f64 = 6.0;

/// How long a source has to be silent beyond that, in milliseconds.
pub const SILENT_FOR_MILLIS: i64 = 10 * MINUTE;

/// A series that is missing counts as its last value for so long, so that a restart of Tenure does
/// not begin the wait of an alert anew. In milliseconds.
pub const BRIDGE_MILLIS: i64 = 10 * MINUTE;

/// The share of rejected records from which on it is an alert, above 0 and at most 1.
pub const REJECTED_RATIO: f64 = 0.01;
/// So many rejected records at least, within [`REJECTED_WINDOW_MILLIS`].
pub const REJECTED_RECORDS: f64 = 10.0;
/// The window in which rejected records are counted, in milliseconds.
pub const REJECTED_WINDOW_MILLIS: i64 = 15 * MINUTE;

/// Events that are too far in the future are told of from so many on, within
/// [`REJECTED_WINDOW_MILLIS`].
pub const SKEWED_RECORDS: f64 = 10.0;

/// A partition lags when records wait in it and it is complete only up to so long ago. Milliseconds.
pub const LAG_MILLIS: i64 = 5 * MINUTE;

/// Reading what was there before the start is late after so long, in milliseconds.
pub const CATCHING_UP_MILLIS: i64 = 30 * MINUTE;

/// A checkpoint is old after so many of its intervals.
pub const CHECKPOINT_INTERVALS: i64 = 3;

/// A report is old at a quarter of `max_staleness`, at which its numbers are withheld; within these
/// bounds, in milliseconds.
pub const REPORT_AGE_BOUNDS_MILLIS: [i64; 2] = [MINUTE, 15 * MINUTE];

/// A report is never old before so many evaluations are missing.
pub const REPORT_EVALUATIONS: i64 = 3;

/// Instances serve reports whose instants may differ by so much, in milliseconds: they read the same
/// topic a moment apart, and are scraped at different moments.
pub const INSTANTS_APART_MILLIS: i64 = 5 * MINUTE;

/// A group that gives or takes partitions of an instance more often than this, within an hour, does not
/// come to rest.
pub const REBALANCES: f64 = 6.0;

/// Within this time records of the report topic are turned away, in milliseconds. Shorter than the wait
/// of the alert, as whoever starts reads all that others have left there, once.
pub const PARTIALS_WINDOW_MILLIS: i64 = 5 * MINUTE;
