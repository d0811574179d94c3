//! `/api/v1/status`: how the service is doing, and why numbers are missing, in words.
//!
//! Everything in it is known already: an answer costs no pass.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::Timestamp;
use crate::measure::catalogue::MEASURES;
use crate::measure::explain::{Outcome, Reason, Records, missing, reason};
use crate::measure::report::{Report, WithheldReason};
use crate::serve::api::Desk;
use crate::serve::api::body::Time;
use crate::serve::api::explain::records;
use crate::serve::readiness::{Obstacle, Readiness};
use crate::serve::{Instance, Published, Sharing};
use crate::telemetry::partition::{PartitionStatus, ShardState};
use crate::telemetry::{CheckpointFailure, DurabilityTelemetry, REVISION, Telemetry, VERSION};

/// The body of `/api/v1/status`.
#[derive(Serialize)]
pub(super) struct StatusBody {
    version: &'static str,
    revision: &'static str,
    definition_hash: String,
    /// As the calendar periods of the numbers have it.
    time_zone: String,
    alive: bool,
    ready: bool,
    waiting_for: Vec<ObstacleBody>,
    report: Option<ReportState>,
    kafka_up: bool,
    /// Over all partitions; none while there are none, and while that of one is unknown.
    lag_records: Option<i64>,
    partitions: Vec<PartitionBody>,
    /// None where instances do not tell each other of their parts.
    cluster: Option<ClusterBody>,
    checkpoint: CheckpointBody,
    dead_letters_pending: i64,
    records: Records,
    withheld: Vec<WithheldBody>,
    missing: Vec<MissingBody>,
}

#[derive(Serialize)]
struct ObstacleBody {
    #[serde(flatten)]
    obstacle: Obstacle,
    sentence: String,
}

#[derive(Serialize)]
struct ReportState {
    at: Time,
    coverage: f64,
    history_start: Option<Time>,
    split_customers: u64,
}

#[derive(Serialize)]
struct PartitionBody {
    topic: String,
    partition: i32,
    state: &'static str,
    /// Why it is degraded.
    because: Option<&'static str>,
    percent: Option<f64>,
    next_offset: Option<i64>,
    end_offset: Option<i64>,
    lag_records: Option<i64>,
    complete_until: Option<Time>,
    last_record_at: Option<Time>,
    committed_offset: Option<i64>,
}

/// The instances that share the work.
#[derive(Serialize)]
struct ClusterBody {
    /// This one.
    instance: String,
    report_topic_read: bool,
    /// How many there are to share.
    partitions: Option<i32>,
    /// Those that nobody who is there says to own; none while that is not known.
    unowned: Option<Vec<i32>>,
    instances: Vec<InstanceBody>,
}

#[derive(Serialize)]
struct InstanceBody {
    name: String,
    address: String,
    heard_at: Time,
    partitions: Vec<i32>,
    degraded: Vec<i32>,
    complete_until: Option<Time>,
}

#[derive(Serialize)]
struct CheckpointBody {
    /// Of the oldest among the newest checkpoints of the shards; none while a shard has none.
    last_success_at: Option<Time>,
    attempts: u64,
    failures: u64,
}

/// A reason that withholds, once, with all that it withholds.
#[derive(Serialize)]
struct WithheldBody {
    #[serde(flatten)]
    reason: Reason,
    measures: Vec<&'static str>,
}

/// A number of a measure without labels, or by period alone, that is not in the report.
#[derive(Serialize)]
struct MissingBody {
    metric: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

pub(super) fn status(desk: &Desk) -> StatusBody {
    let source = &desk.source;
    let published = source.published();
    let report = published.as_deref().map(|published| &*published.report);
    let partitions = source.partitions();
    let readiness = source.readiness();
    let telemetry: &Telemetry = &desk.telemetry;
    let zone = &desk.api.evaluation.time_zone;
    StatusBody {
        version: VERSION,
        revision: REVISION,
        definition_hash: desk.api.definition_hash.clone(),
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        alive: source.alive(),
        ready: readiness.ready(),
        waiting_for: obstacles(readiness),
        report: published.as_deref().map(ReportState::of),
        kafka_up: telemetry.kafka.up.get() == 1,
        lag_records: lag(&partitions),
        partitions: partitions.iter().map(PartitionBody::of).collect(),
        cluster: source.sharing().map(ClusterBody::of),
        checkpoint: CheckpointBody::of(&telemetry.durability),
        dead_letters_pending: telemetry.dead_letters.pending.get(),
        records: records(&telemetry.fold),
        withheld: report.map(withheld).unwrap_or_default(),
        missing: report.map(all_missing).unwrap_or_default(),
    }
}

fn lag(partitions: &[PartitionStatus]) -> Option<i64> {
    let lags = partitions.iter().map(PartitionStatus::lag);
    lags.reduce(|sum, lag| Some(sum? + lag?)).flatten()
}

fn obstacles(readiness: Readiness) -> Vec<ObstacleBody> {
    let told = |obstacle: Obstacle| ObstacleBody {
        sentence: obstacle.sentence(),
        obstacle,
    };
    readiness.obstacles.into_iter().map(told).collect()
}

impl ReportState {
    fn of(published: &Published) -> Self {
        Self {
            at: Time(published.report.at),
            coverage: published.coverage,
            history_start: published.history_start.map(Time),
            split_customers: published.report.split_customers,
        }
    }
}

impl PartitionBody {
    fn of(status: &PartitionStatus) -> Self {
        Self {
            topic: status.topic.to_string(),
            partition: status.partition,
            state: status.state.name(),
            because: match status.state {
                ShardState::Degraded(reason) => Some(reason.name()),
                ShardState::Ready | ShardState::CatchingUp | ShardState::Restoring => None,
            },
            percent: status.percent(),
            next_offset: status.position,
            end_offset: status.end_offset,
            lag_records: status.lag(),
            complete_until: status.complete_until.map(Time),
            last_record_at: status.last_record_at.map(Time),
            committed_offset: status.committed,
        }
    }
}

impl ClusterBody {
    fn of(sharing: Sharing) -> Self {
        let instances = &sharing.instances;
        let owned = |partition: &i32| {
            let mut instances = instances.iter();
            instances.any(|instance| instance.partitions.contains(partition))
        };
        let known = sharing.partitions.filter(|_| sharing.caught_up);
        Self {
            unowned: known.map(|count| (0..count).filter(|one| !owned(one)).collect()),
            instance: sharing.instance,
            report_topic_read: sharing.caught_up,
            partitions: sharing.partitions,
            instances: sharing
                .instances
                .into_iter()
                .map(InstanceBody::of)
                .collect(),
        }
    }
}

impl InstanceBody {
    fn of(instance: Instance) -> Self {
        Self {
            name: instance.name,
            address: instance.address,
            heard_at: Time(instance.heard_at),
            partitions: instance.partitions,
            degraded: instance.degraded,
            complete_until: instance.complete_until.map(Time),
        }
    }
}

impl CheckpointBody {
    fn of(durability: &DurabilityTelemetry) -> Self {
        let failures = CheckpointFailure::ALL.map(|reason| durability.failed(reason).get());
        let millis = |seconds: f64| Timestamp::from_millis((seconds * 1000.0).round() as i64);
        Self {
            last_success_at: durability.last_success().map(millis).map(Time),
            attempts: durability.attempts.get(),
            failures: failures.iter().sum(),
        }
    }
}

fn withheld(report: &Report) -> Vec<WithheldBody> {
    let mut measures: BTreeMap<WithheldReason, Vec<&'static str>> = BTreeMap::new();
    for withheld in &report.withheld {
        let of = measures.entry(withheld.reason).or_default();
        of.push(withheld.measure);
    }
    let each = measures.into_iter();
    each.map(|(why, measures)| WithheldBody {
        reason: reason(why),
        measures,
    })
    .collect()
}

fn all_missing(report: &Report) -> Vec<MissingBody> {
    let periods: Vec<String> = report.periods.iter().map(|(p, _)| p.to_string()).collect();
    let mut all = Vec::new();
    for measure in MEASURES {
        let of: Vec<Option<&String>> = match measure.labels {
            [] => vec![None],
            ["period"] => periods.iter().map(Some).collect(),
            _ => continue,
        };
        for period in of {
            let outcome = missing(report, measure, period.map(String::as_str));
            all.extend(outcome.map(|outcome| MissingBody {
                metric: measure.name,
                period: period.cloned(),
                outcome,
            }));
        }
    }
    all
}
