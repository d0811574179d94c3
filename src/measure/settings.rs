//! How the facts are read: settings that are free to change at any time, without a replay.

use jiff::tz::TimeZone;

use crate::event::Timestamp;
use crate::measure::period::Period;

/// The arguments of an evaluation beside the instant.
#[derive(Debug, Clone)]
pub struct EvaluationSettings {
    pub time_zone: TimeZone,
    pub week_starts_on: jiff::civil::Weekday,
    /// Each once, in the order of the page.
    pub periods: Vec<Period>,
    pub customer_starts_with: CustomerStart,
    /// A spell ends this long after the last activity, in milliseconds.
    pub inactivity_timeout_millis: Option<i64>,
    /// `churn_events: complete`: no churn event means that nobody left.
    pub churn_events_complete: bool,
    /// Since when the log holds every customer, where it does not hold all history.
    pub customer_base_complete_since: Option<Timestamp>,
    /// The reasons shown as labels; empty: the most frequent ones.
    pub churn_reasons: Vec<String>,
    /// How many values an open label may have before the rest is `other`.
    pub max_label_values: usize,
    /// The survey channels shown as labels; empty: the most frequent ones.
    pub channels: Vec<String>,
    /// How many combinations of attribute values are shown before the rest is `other`.
    pub max_segments: usize,
    /// How many of the newest cohorts are shown, in months.
    pub cohorts: usize,
}

/// The event that makes a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerStart {
    /// A sign-up or a purchase.
    Signup,
    /// A purchase; sign-ups open nothing and are not activity.
    Purchase,
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self {
            time_zone: TimeZone::UTC,
            week_starts_on: jiff::civil::Weekday::Monday,
            periods: Period::defaults(),
            customer_starts_with: CustomerStart::Signup,
            inactivity_timeout_millis: None,
            churn_events_complete: false,
            customer_base_complete_since: None,
            churn_reasons: Vec::new(),
            max_label_values: 20,
            channels: Vec::new(),
            max_segments: 200,
            cohorts: 12,
        }
    }
}
