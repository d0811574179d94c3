//! Whether the kept history is long enough for what is asked of it.
//!
//! Owns how far back each period, baseline and cohort reaches. Promises an error where numbers would
//! be wrong, and a warning, with the measures' names, where some would be missing. Does not know how
//! the measures are evaluated.

use super::complaint::{Complaint, Place};
use super::duration::Written;
use super::keys::Key;
use super::parts::DAY;
use super::reading::{Checked, Reading};
use crate::measure::period::Period;

/// A period can begin this long before the history does, so that spells from before are known.
const BEYOND_PERIODS: i64 = 90 * DAY;
/// Reports are of an instant a little before the newest record, from which the history is counted.
const BEHIND_NEWEST: i64 = DAY;
/// The baseline of a change is at least this long.
const SHORTEST_BASELINE: i64 = 28 * DAY;
const LONGEST_MONTH: i64 = 31 * DAY;

impl Reading<'_> {
    /// Checks the history against periods, baselines, cohorts and the timeout.
    pub fn check_history(&mut self) {
        let Checked {
            history_millis: Some(history),
            inactivity_timeout_millis,
            cohorts,
            periods,
        } = std::mem::take(&mut self.checked)
        else {
            return;
        };
        let longest = periods
            .iter()
            .max_by_key(|(period, _)| period.longest_millis());
        if let Some((longest, place)) = longest {
            self.check_longest(history, *longest, place.as_ref());
        }
        for (period, place) in &periods {
            self.check_comparisons(history, *period, place.as_ref());
        }
        if let Some(cohorts) = cohorts {
            self.check_cohorts(history, cohorts);
        }
        if let Some(timeout) = inactivity_timeout_millis {
            self.check_timeout(history, timeout);
        }
    }

    fn check_longest(&mut self, history: i64, longest: Period, place: Option<&Place>) {
        let needed = longest.longest_millis() + BEYOND_PERIODS;
        if history < needed {
            let place = self.places.get(&Key::History).or(place);
            let message = format!(
                "`history` of {} is too short for `{longest}`",
                Written(history)
            );
            let help = format!(
                "write at least {}, which is the longest period and 90d, or remove the period",
                whole_days(needed)
            );
            self.complaints
                .add(Complaint::error(message).at(place).help(help));
        }
    }

    /// Some measures set a period against what was before it.
    fn check_comparisons(&mut self, history: i64, period: Period, place: Option<&Place>) {
        let reaches = [
            ("tenure_nps_change_score", baseline_reach(period)),
            ("tenure_reorder_ratio", window_before_reach(period)),
        ];
        let short = |reach: &i64| history < reach + BEHIND_NEWEST;
        let missing: Vec<(&str, i64)> = reaches
            .into_iter()
            .filter_map(|(measure, reach)| Some((measure, reach.filter(short)?)))
            .collect();
        let Some(reach) = missing.iter().map(|(_, reach)| *reach).max() else {
            return;
        };
        let measures: Vec<&str> = missing.iter().map(|(measure, _)| *measure).collect();
        let place = self.places.get(&Key::History).or(place);
        let message = format!(
            "`history` of {} is too short for {} of `{period}`",
            Written(history),
            measures.join(" and ")
        );
        let help = format!(
            "this is withheld (`history_too_short`), because what the period is compared with is no \
             longer known; {} would do",
            whole_days(reach + BEHIND_NEWEST)
        );
        self.complaints
            .add(Complaint::warning(message).at(place).help(help));
    }

    fn check_cohorts(&mut self, history: i64, cohorts: usize) {
        let months = i64::try_from(cohorts).unwrap_or(i64::MAX);
        let needed = months.saturating_add(1).saturating_mul(LONGEST_MONTH);
        if history < needed {
            let keys = [Key::History, Key::Cohorts];
            let place = keys.iter().find_map(|key| self.places.get(key));
            let message = format!(
                "`history` of {} is too short for {cohorts} `cohorts`",
                Written(history)
            );
            let help = format!(
                "the older cells of tenure_cohort_retention_ratio will be missing; write at least \
                 {}, or fewer cohorts",
                whole_days(needed)
            );
            self.complaints
                .add(Complaint::warning(message).at(place).help(help));
        }
    }

    fn check_timeout(&mut self, history: i64, timeout: i64) {
        if timeout >= history {
            let message = format!(
                "`inactivity_timeout` of {} is not shorter than `history` of {}",
                Written(timeout),
                Written(history)
            );
            let help = "within the history nobody would ever count as lost";
            self.error(&[Key::InactivityTimeout, Key::History], message, help);
        }
    }
}

/// How far back the baseline of a change begins; only rolling periods have one.
fn baseline_reach(period: Period) -> Option<i64> {
    let length = period.longest_millis();
    match period {
        Period::Rolling { .. } => Some(length + SHORTEST_BASELINE.max(2 * length)),
        Period::ToDate(_) | Period::Complete(_) => None,
    }
}

/// How far back the window before the period begins; those to date have none.
fn window_before_reach(period: Period) -> Option<i64> {
    let longest = period.longest_millis();
    match period {
        Period::Rolling { .. } => Some(2 * longest),
        // The running unit, the period and the one before it.
        Period::Complete(_) => Some(longest / 2 * 3),
        Period::ToDate(_) => None,
    }
}

/// A length in days, rounded up.
fn whole_days(millis: i64) -> String {
    let days = millis.div_euclid(DAY) + i64::from(millis.rem_euclid(DAY) > 0);
    Written(days * DAY).to_string()
}
