//! Whether the page is complete, and what it waits for.

use serde::Serialize;

use crate::measure::report::WithheldReason;
use crate::serve::Published;
use crate::telemetry::partition::{PartitionStatus, ShardState};

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
    /// The report topic is not read up to the end that it had at the start.
    ReportTopicUnread,
    /// The consumer group has not said yet which partitions are this instance's.
    PartitionsUnknown,
    /// The next record of some partition has a schema that the registry has not told yet.
    SchemasAwaited { schemas: usize },
    /// A partition has not reached the end that was seen at the start.
    CatchingUp {
        topic: String,
        partition: i32,
        /// 0 to 100, where known.
        #[serde(skip_serializing_if = "Option::is_none")]
        percent: Option<f64>,
    },
    /// The checkpoint of a shard is being looked for, or loaded.
    Restoring { partition: i32 },
    /// The numbers of a shard would be wrong.
    Degraded {
        topic: String,
        partition: i32,
        /// A value of the label `reason` of `tenure_shard_degraded`.
        because: &'static str,
    },
    /// The router is not a member of its group yet.
    NotRouting,
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
        let behind = partitions.iter().filter_map(Obstacle::of);
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

    /// Without what may wait for other instances: whether this one has done its own part. Whoever
    /// replaces instances one after the other has to go by this, as a report of all may only be possible
    /// once the last one is replaced.
    #[must_use]
    pub fn of_this_instance(self) -> Self {
        let own = |obstacle: &Obstacle| {
            !matches!(obstacle, Obstacle::NoReport | Obstacle::Withheld { .. })
        };
        Self {
            obstacles: self.obstacles.into_iter().filter(own).collect(),
        }
    }
}

impl Obstacle {
    fn of(status: &PartitionStatus) -> Option<Self> {
        let partition = status.partition;
        Some(match status.state {
            ShardState::Ready => return None,
            ShardState::Restoring => Self::Restoring { partition },
            ShardState::CatchingUp => Self::catching_up(status),
            ShardState::Degraded(reason) => Self::Degraded {
                topic: status.topic.to_string(),
                partition,
                because: reason.name(),
            },
        })
    }

    /// The same for people, as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::KafkaUnreachable => {
                "Kafka does not answer: look at kafka.bootstrap_servers and at the log.".to_owned()
            }
            Self::PartitionsUnknown => {
                "The consumer group has not said yet which partitions are to be read here.".to_owned()
            }
            Self::ReportTopicUnread => {
                "What other instances have said is not read yet: look at cluster.report_topic and at \
                 the log."
                    .to_owned()
            }
            Self::SchemasAwaited { schemas } => format!(
                "Partitions wait for the schema registry, which has not told {schemas} of the schemas \
                 that they need: look at schema_registry.url and at the log."
            ),
            Self::CatchingUp {
                topic,
                partition,
                percent: Some(percent),
            } => format!("Partition {partition} of {topic} is being read: {percent} %."),
            Self::CatchingUp {
                topic, partition, ..
            } => format!("Partition {partition} of {topic} is being read."),
            Self::Restoring { partition } => {
                format!("Partition {partition} is restored from its checkpoint.")
            }
            Self::Degraded {
                topic,
                partition,
                because,
            } => format!("The log of {topic} partition {partition} is not what it was: {because}."),
            Self::NotRouting => "The router has not joined its group yet.".to_owned(),
            Self::NoReport => "Nothing was evaluated yet.".to_owned(),
            Self::Withheld { because } => format!("The numbers are withheld: {because}."),
        }
    }

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
    use crate::telemetry::partition::Degradation;

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

    fn partition(position: i64, state: ShardState) -> PartitionStatus {
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
            state,
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
    fn each_obstacle_is_told_in_a_sentence_that_names_what_it_is_about() {
        let topic = || "orders".to_owned();
        let at = |percent| Obstacle::CatchingUp {
            topic: topic(),
            partition: 3,
            percent,
        };
        let degraded = Obstacle::Degraded {
            topic: topic(),
            partition: 3,
            because: "truncated",
        };
        for (obstacle, expected) in [
            (Obstacle::KafkaUnreachable, "Kafka does not answer"),
            (
                Obstacle::PartitionsUnknown,
                "The consumer group has not said yet",
            ),
            (
                Obstacle::ReportTopicUnread,
                "What other instances have said is not read yet",
            ),
            (
                Obstacle::SchemasAwaited { schemas: 2 },
                "has not told 2 of the schemas",
            ),
            (
                at(Some(66.6)),
                "Partition 3 of orders is being read: 66.6 %.",
            ),
            (at(None), "Partition 3 of orders is being read."),
            (
                Obstacle::Restoring { partition: 3 },
                "Partition 3 is restored",
            ),
            (Obstacle::NotRouting, "not joined its group"),
            (
                degraded,
                "orders partition 3 is not what it was: truncated.",
            ),
            (Obstacle::NoReport, "Nothing was evaluated yet."),
            (
                Obstacle::Withheld {
                    because: "incomplete",
                },
                "withheld: incomplete.",
            ),
        ] {
            let sentence = obstacle.sentence();
            assert!(sentence.contains(expected), "{sentence}");
            assert!(sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn ready_is_who_read_to_the_end_and_has_a_report() {
        use WithheldReason::{BaseIncomplete, CatchingUp, Degraded, NoChurnSource};
        let complete = published(&[]);
        check(
            true,
            &[partition(300, ShardState::Ready)],
            Some(&complete),
            "[]",
        );
        check(
            false,
            &[],
            None,
            r#"[{"reason":"kafka_unreachable"},{"reason":"no_report"}]"#,
        );
        check(
            true,
            &[
                partition(200, ShardState::CatchingUp),
                partition(300, ShardState::Ready),
            ],
            Some(&complete),
            r#"[{"reason":"catching_up","topic":"orders","partition":3,"percent":66.6}]"#,
        );
        let gone = ShardState::Degraded(Degradation::HistoryGone);
        check(
            true,
            &[partition(0, ShardState::Restoring), partition(7, gone)],
            Some(&complete),
            r#"[{"reason":"restoring","partition":3},{"reason":"degraded","topic":"orders","partition":3,"because":"history_gone"}]"#,
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
