//! Whether the page is complete, and what it waits for.

use serde::Serialize;

use crate::measure::report::WithheldReason;
use crate::serve::Published;
use crate::telemetry::partition::PartitionStatus;

/// What the page waits for; nothing when it is ready.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readiness {
    /// At most one for each partition and reason.
    pub obstacles: Vec<Obstacle>,
}

/// One thing that keeps the page from being complete. Holds no personal data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Obstacle {
    /// No broker answers.
    KafkaUnreachable,
    /// A partition has not reached the end that was seen at the start.
    CatchingUp {
        topic: String,
        partition: i32,
        /// 0 to 100, where known.
        #[serde(skip_serializing_if = "Option::is_none")]
        percent: Option<f64>,
    },
    /// Nothing was evaluated yet.
    NoReport,
    /// The report keeps its numbers back.
    Withheld {
        /// A value of the label `reason` of `tenure_measures_withheld`.
        because: &'static str,
    },
}

impl Readiness {
    /// Judges by what is known of Kafka, of the partitions and of the latest report.
    ///
    /// Measures that are withheld because of the data itself (no churn source, an incomplete base,
    /// split customers) do not count: waiting would not help, and the rest of the page is complete.
    #[must_use]
    pub fn of(
        kafka_up: bool,
        partitions: &[PartitionStatus],
        published: Option<&Published>,
    ) -> Self {
        let unreachable = (!kafka_up).then_some(Obstacle::KafkaUnreachable);
        let behind = partitions
            .iter()
            .filter(|status| !status.ready)
            .map(Obstacle::catching_up);
        let report = published.is_none().then_some(Obstacle::NoReport);
        let withheld = WithheldReason::ALL
            .into_iter()
            .filter(|reason| passing(*reason) && withholds(published, *reason))
            .map(|reason| Obstacle::Withheld {
                because: reason.name(),
            });
        Self {
            obstacles: unreachable
                .into_iter()
                .chain(behind)
                .chain(report)
                .chain(withheld)
                .collect(),
        }
    }

    #[must_use]
    pub fn ready(&self) -> bool {
        self.obstacles.is_empty()
    }
}

impl Obstacle {
    fn catching_up(status: &PartitionStatus) -> Self {
        Self::CatchingUp {
            topic: status.topic.to_string(),
            partition: status.partition,
            // One decimal is all that anybody reads.
            percent: status
                .percent()
                .map(|percent| (percent * 10.0).floor() / 10.0),
        }
    }
}

/// Whether this reason goes away by waiting or by repair of this instance.
fn passing(reason: WithheldReason) -> bool {
    match reason {
        WithheldReason::CatchingUp | WithheldReason::Incomplete | WithheldReason::Degraded => true,
        WithheldReason::SplitCustomers
        | WithheldReason::NoChurnSource
        | WithheldReason::BaseIncomplete
        | WithheldReason::HistoryTooShort => false,
    }
}

fn withholds(published: Option<&Published>, reason: WithheldReason) -> bool {
    published.is_some_and(|published| {
        let withheld = &published.report.withheld;
        withheld.iter().any(|withheld| withheld.reason == reason)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::Timestamp;
    use crate::measure::report::{Report, Withheld};

    fn published(reasons: &[WithheldReason]) -> Published {
        let withheld = reasons.iter().map(|reason| Withheld {
            measure: "tenure_churn_ratio",
            reason: *reason,
        });
        let report = Report {
            withheld: withheld.collect(),
            ..Report::empty(Timestamp::from_millis(0))
        };
        Published::new(Arc::new(report), 1.0, None)
    }

    fn partition(position: i64, ready: bool) -> PartitionStatus {
        PartitionStatus {
            topic: "orders".into(),
            partition: 3,
            first_offset: Some(0),
            position: Some(position),
            end_offset: Some(300),
            committed: None,
            last_record_at: None,
            complete_until: None,
            committed_at: None,
            ready,
        }
    }

    fn check(
        kafka_up: bool,
        partitions: &[PartitionStatus],
        published: Option<&Published>,
        expected: &str,
    ) {
        let readiness = Readiness::of(kafka_up, partitions, published);
        let json = serde_json::to_string(&readiness.obstacles).expect("plain data");
        assert_eq!(json, expected);
        assert_eq!(readiness.ready(), expected == "[]");
    }

    #[test]
    fn ready_is_who_read_to_the_end_and_has_a_report() {
        use WithheldReason::{BaseIncomplete, CatchingUp, Degraded, NoChurnSource};
        let complete = published(&[]);
        check(true, &[partition(300, true)], Some(&complete), "[]");
        check(
            false,
            &[],
            None,
            r#"[{"reason":"kafka_unreachable"},{"reason":"no_report"}]"#,
        );
        check(
            true,
            &[partition(200, false), partition(300, true)],
            Some(&complete),
            r#"[{"reason":"catching_up","topic":"orders","partition":3,"percent":66.6}]"#,
        );
        let waiting = published(&[CatchingUp, CatchingUp, Degraded]);
        check(
            true,
            &[],
            Some(&waiting),
            r#"[{"reason":"withheld","because":"catching_up"},{"reason":"withheld","because":"degraded"}]"#,
        );
        check(
            true,
            &[],
            Some(&published(&[NoChurnSource, BaseIncomplete])),
            "[]",
        );
    }
}
