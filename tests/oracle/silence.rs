//! Silent sources: which events of each type there were lately, and a week ago.

use std::collections::BTreeSet;

use super::log::Fact;
use super::page::Page;
use super::period::Interval;
use super::settings::DAY;

const TYPES: [&str; 4] = ["signup", "purchase", "churn", "survey_submitted"];

pub fn publish(facts: &[Fact], at: i64, page: &mut Page) {
    for kind in TYPES {
        let label = [("event", kind)];

        if let Some(latest) = times(facts, kind, at - 35 * DAY, at).last() {
            let metric = "tenure_event_latest_timestamp_seconds";
            page.put(metric, &label, seconds(*latest));
        }

        let usual = times(facts, kind, at - 28 * DAY, at).len();
        if usual > 0 {
            let gap = seconds(28 * DAY) / usual as f64;
            page.put("tenure_event_usual_gap_seconds", &label, gap);
        }

        let week_ago = at - 7 * DAY;
        let mut newest_first = times(facts, kind, week_ago - 28 * DAY, week_ago);
        newest_first.reverse();
        if newest_first.len() >= 30 {
            let span = seconds(week_ago - newest_first[29]);
            page.put("tenure_event_week_ago_span_seconds", &label, span);
        }
    }
}

/// When the events of a type in `[t0, t1)` happened, in order of time. Of one customer, those of one
/// instant are one.
fn times(facts: &[Fact], kind: &str, t0: i64, t1: i64) -> Vec<i64> {
    let interval = Interval { t0, t1 };
    let mut events: BTreeSet<(i64, &str)> = BTreeSet::new();
    for fact in facts {
        if fact.body.event_type() == kind && interval.contains(fact.at) {
            events.insert((fact.at, fact.customer.as_str()));
        }
    }
    events.into_iter().map(|(at, _)| at).collect()
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
