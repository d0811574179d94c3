//! What the numbers depend on beside the log and the instant, in plain values.

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;

/// Every setting that decides a number; instants and lengths in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// An IANA name.
    pub time_zone: String,
    /// `monday` and so on.
    pub week_starts_on: String,
    /// As on the page: `24h`, `this_month`.
    pub periods: Vec<String>,
    pub customer_starts_with: StartsWith,
    pub inactivity_timeout: Option<i64>,
    /// No churn event means that nobody left.
    pub churn_events_complete: bool,
    pub customer_base_complete_since: Option<i64>,
    /// Empty: the most frequent ones are shown.
    pub churn_reasons: Vec<String>,
    pub max_label_values: usize,
    /// Names of the attributes that make segments, in the order of the labels.
    pub dimensions: Vec<String>,
    pub max_segments: usize,
    /// Empty: the most frequent ones are shown.
    pub channels: Vec<String>,
    /// How many months of first spells are shown.
    pub cohorts: usize,
    /// Highest rating of customer effort, 5 or 7.
    pub ces_max: u8,
    /// Whether a high rating stands for little effort.
    pub ces_high_is_better: bool,
    pub history: i64,
    pub duplicate_window: i64,
    pub max_future_skew: i64,
    /// Whether the first record of the log was the first there ever was.
    pub log_starts_at_beginning: bool,
    /// When the log starts, where that is known.
    pub log_start: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartsWith {
    Signup,
    Purchase,
}

impl Default for Settings {
    fn default() -> Self {
        let periods = "24h 7d 30d 90d this_month last_month last_quarter";
        Self {
            time_zone: "UTC".to_owned(),
            week_starts_on: "monday".to_owned(),
            periods: periods.split(' ').map(str::to_owned).collect(),
            customer_starts_with: StartsWith::Signup,
            inactivity_timeout: None,
            churn_events_complete: false,
            customer_base_complete_since: None,
            churn_reasons: Vec::new(),
            max_label_values: 20,
            dimensions: Vec::new(),
            max_segments: 200,
            channels: Vec::new(),
            cohorts: 12,
            ces_max: 5,
            ces_high_is_better: false,
            history: 800 * DAY,
            duplicate_window: 7 * DAY,
            max_future_skew: 5 * 60_000,
            log_starts_at_beginning: true,
            log_start: None,
        }
    }
}
