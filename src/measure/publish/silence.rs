//! The families that tell whether events still come.

use crate::event::{EventType, Timestamp};
use crate::measure::catalogue::measure;
use crate::measure::publish::Page;
use crate::measure::report::{Label, WithheldReason};
use crate::measure::silence::{REACH_MILLIS, SilenceSums, USUAL_MILLIS};

const LATEST: &str = "tenure_event_latest_timestamp_seconds";
const USUAL_GAP: &str = "tenure_event_usual_gap_seconds";
const WEEK_AGO: &str = "tenure_event_week_ago_span_seconds";

impl Page<'_> {
    pub(super) fn silence(&mut self, at: Timestamp, sums: &[SilenceSums; 4]) {
        let reaches = [
            (LATEST, REACH_MILLIS),
            (USUAL_GAP, USUAL_MILLIS),
            (WEEK_AGO, REACH_MILLIS),
        ];
        for (name, reach) in reaches {
            let needed = at.minus_millis(reach);
            if self.limits.prune_line.is_some_and(|line| needed < line) {
                if let Some(measure) = measure(name) {
                    self.withhold(measure, WithheldReason::HistoryTooShort);
                }
                continue;
            }
            for (kind, sums) in EventType::ALL.into_iter().zip(sums) {
                if let Some((value, parts)) = value(name, sums, at) {
                    let labels: [Label; 1] = [kind.name().into()];
                    self.put(name, None, labels, value, &parts);
                }
            }
        }
    }
}

/// A value and its parts, if there were enough events.
fn value(name: &str, sums: &SilenceSums, at: Timestamp) -> Option<(f64, Vec<f64>)> {
    match name {
        LATEST => Some((seconds(sums.latest?.as_millis()), Vec::new())),
        USUAL_GAP => {
            let (usual, events) = (seconds(USUAL_MILLIS), sums.events as f64);
            (sums.events > 0).then(|| (usual / events, vec![usual, events]))
        }
        _ => Some((seconds(sums.stretch_millis(at)?), Vec::new())),
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
