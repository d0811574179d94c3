//! Alerts about Tenure itself, and what it reads.
//!
//! Owns what is looked at and said when instances are away, numbers are old or incomplete, state is
//! not kept, or records are not what they should be. Does not know how rules are written.

use super::guards::BRIDGE_MILLIS;
use super::guards::{
    CATCHING_UP_MILLIS, CHECKPOINT_INTERVALS, INSTANTS_APART_MILLIS, LAG_MILLIS,
    PARTIALS_WINDOW_MILLIS, REBALANCES, REJECTED_RATIO, REJECTED_RECORDS, REJECTED_WINDOW_MILLIS,
    REPORT_AGE_BOUNDS_MILLIS, REPORT_EVALUATIONS, SKEWED_RECORDS,
};
use super::rules::{Length, Told, quoted, seconds, without};
use super::settings::Setup;
use super::{Alert, Severity};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// When a report is old, in milliseconds.
pub(super) fn report_age_millis(setup: &Setup) -> i64 {
    let [least, most] = REPORT_AGE_BOUNDS_MILLIS;
    let before_withheld = (setup.max_staleness_millis / 4).clamp(least, most);
    before_withheld.max(REPORT_EVALUATIONS * setup.evaluation_interval_millis)
}

/// An alert with what most have in common.
fn told(
    alert: Alert,
    severity: Severity,
    for_millis: i64,
    expression: String,
    summary: &'static str,
    description: impl Into<String>,
) -> Told {
    Told {
        alert,
        severity,
        expression,
        for_millis,
        keep_firing_millis: 0,
        summary,
        description: description.into(),
        dashboard: "tenure-pipeline",
    }
}

/// The alerts of the pipeline.
pub(super) fn alerts(setup: &Setup) -> Vec<Told> {
    let metrics = Metrics {
        setup,
        job: quoted(&setup.alerts.job),
        over: without(setup, &[]),
    };
    let mut told = vec![
        metrics.instance_down(),
        metrics.down(),
        metrics.kafka_down(),
        metrics.report_too_old(),
        metrics.coverage_incomplete(),
        metrics.shard_degraded(),
        metrics.digest_mismatch(),
        metrics.split_customers(),
        metrics.lagging(),
        metrics.catching_up_too_long(),
    ];
    told.extend(metrics.checkpoint_too_old());
    told.extend([
        metrics.events_rejected(),
        metrics.routed_records_lost(),
        metrics.clock_skew(),
        metrics.series_limit_reached(),
    ]);
    told.extend(metrics.of_several_instances());
    told
}

/// The process metrics of one job.
struct Metrics<'a> {
    setup: &'a Setup,
    /// In quotes.
    job: String,
    /// What makes one series of those of the instances.
    over: String,
}

impl Metrics<'_> {
    /// The series of a metric.
    fn of(&self, metric: &str, matchers: &str) -> String {
        let separator = if matchers.is_empty() { "" } else { ", " };
        format!("{metric}{{job={}{separator}{matchers}}}", self.job)
    }

    fn max(&self, metric: &str, matchers: &str) -> String {
        format!("max {} ({})", self.over, self.of(metric, matchers))
    }

    fn instance_down(&self) -> Told {
        told(
            Alert::InstanceDown,
            Severity::Warning,
            5 * MINUTE,
            format!("{} == 0", self.of("up", "")),
            "An instance of Tenure cannot be scraped.",
            "Prometheus cannot scrape {{ $labels.instance }} of {{ $labels.job }}.",
        )
    }

    fn down(&self) -> Told {
        told(
            Alert::Down,
            Severity::Critical,
            5 * MINUTE,
            format!(
                "{} == 0\nor\nabsent({})",
                self.max("up", ""),
                self.of("up", "")
            ),
            "No instance of Tenure can be scraped.",
            "Prometheus can scrape no instance of {{ $labels.job }}, or knows none. There are no numbers, \
             and no alerts about customers.",
        )
    }

    fn kafka_down(&self) -> Told {
        told(
            Alert::KafkaDown,
            Severity::Critical,
            5 * MINUTE,
            format!("{} == 0", self.max("tenure_kafka_up", "")),
            "The Kafka cluster does not answer.",
            "No instance of {{ $labels.job }} gets an answer from the Kafka cluster. The numbers stand \
             still.",
        )
    }

    /// How long ago something was, or else how long the process runs that never had it.
    fn ago_or_never(&self, at: &str, millis: i64) -> String {
        let limit = seconds(millis);
        let begun = self.of("process_start_time_seconds", "");
        let over = &self.over;
        format!(
            "time() - {at} > {limit}\nor\n(time() - min {over} ({begun}) > {limit}\n  unless {at})"
        )
    }

    fn report_too_old(&self) -> Told {
        let bridge = Length(BRIDGE_MILLIS);
        let over = &self.over;
        let report = self.of("tenure_report_timestamp_seconds", "");
        let at = format!("max {over} (last_over_time({report}[{bridge}]))");
        let withheld = Length(self.setup.max_staleness_millis);
        told(
            Alert::ReportTooOld,
            Severity::Critical,
            5 * MINUTE,
            self.ago_or_never(&at, report_age_millis(self.setup)),
            "The numbers are old.",
            format!(
                "The newest report of {{{{ $labels.job }}}} is of {{{{ $value | humanizeDuration }}}} ago, or \
                 there has been none since it started so long ago. Numbers older than {withheld} are \
                 withheld, and alerts about customers are held back."
            ),
        )
    }

    fn coverage_incomplete(&self) -> Told {
        told(
            Alert::CoverageIncomplete,
            Severity::Critical,
            15 * MINUTE,
            format!("{} < 1", self.max("tenure_report_coverage_ratio", "")),
            "Part of the customers is missing in the numbers.",
            "Only {{ $value | humanizePercentage }} of the partitions are in the report of \
             {{ $labels.job }}.",
        )
    }

    fn shard_degraded(&self) -> Told {
        let degraded = self.max("tenure_shard_degraded", "");
        told(
            Alert::ShardDegraded,
            Severity::Critical,
            5 * MINUTE,
            format!("count without (partition) ({degraded} == 1)"),
            "Part of the log is missing, or is not what was read.",
            "{{ $value }} partitions of {{ $labels.job }} are degraded: {{ $labels.reason }}. All numbers \
             are withheld.",
        )
    }

    /// Losses are found when a router takes partitions over, often before its first scrape, so there
    /// is no increase to see.
    fn routed_records_lost(&self) -> Told {
        let lost = self.max("tenure_router_records_lost_total", "");
        told(
            Alert::RoutedRecordsLost,
            Severity::Warning,
            0,
            format!("{lost} > 0"),
            "Records were deleted before they were routed.",
            "{{ $value }} records of the topic {{ $labels.topic }} were gone when the router of \
             {{ $labels.job }} came to them. Their events are in no number.",
        )
    }

    /// A self-check is counted while the process runs; damage is found at its start, before the first
    /// scrape, so there is no increase to see.
    fn digest_mismatch(&self) -> Told {
        let over = &self.over;
        let checked = self.of("tenure_checkpoint_failures_total", "reason=\"self_check\"");
        let restored = self.of("tenure_restore_failures_total", "reason=\"damaged\"");
        let begun = self.of("process_start_time_seconds", "");
        let hour = seconds(HOUR);
        told(
            Alert::DigestMismatch,
            Severity::Critical,
            0,
            format!(
                "max {over} (increase({checked}[1h])) > 0\nor\nmax {over} (\n  {restored} > 0\n  \
                 and ignoring (reason) time() - {begun} < {hour}\n)"
            ),
            "State and its digest do not agree.",
            "{{ if eq $labels.reason \"damaged\" }}A checkpoint of {{ $labels.job }} was found damaged at \
             a start, and left aside.{{ else }}A copy of the state of {{ $labels.job }} could not be read \
             back: it is not written, and what is in memory may be wrong.{{ end }}",
        )
    }

    fn split_customers(&self) -> Told {
        told(
            Alert::SplitCustomers,
            Severity::Warning,
            5 * MINUTE,
            format!("{} > 0", self.max("tenure_split_customers", "")),
            "Customers have events in more than one partition.",
            "{{ $value }} of the sampled customers of {{ $labels.job }} were found in two partitions. What \
             counts customers is withheld.",
        )
    }

    /// Not while what was there before the start is read, which has an alert of its own.
    fn lagging(&self) -> Told {
        let over = without(self.setup, &["partition"]);
        let catching_up = without(self.setup, &["partition", "state"]);
        let complete = self.of("tenure_shard_watermark_timestamp_seconds", "");
        let lag = self.max("tenure_kafka_partition_lag_records", "");
        let state = self.of("tenure_shard_state", "state=~\"restoring|catching_up\"");
        let limit = seconds(LAG_MILLIS);
        told(
            Alert::Lagging,
            Severity::Warning,
            10 * MINUTE,
            format!(
                "time() - min {over} ({complete}) > {limit}\n\
                 and sum without (partition) ({lag}) > 0\n\
                 unless ignoring (topic) max {catching_up} ({state}) == 1"
            ),
            "Records wait to be read.",
            "{{ $labels.job }} is {{ $value | humanizeDuration }} behind in the topic {{ $labels.topic }}, \
             and so are the numbers.",
        )
    }

    fn catching_up_too_long(&self) -> Told {
        let state = self.max("tenure_shard_state", "state=~\"restoring|catching_up\"");
        told(
            Alert::CatchingUpTooLong,
            Severity::Warning,
            CATCHING_UP_MILLIS,
            format!("sum without (partition, state) ({state}) > 0"),
            "Reading what was there before the start takes long.",
            format!(
                "{{{{ $value }}}} partitions of {{{{ $labels.job }}}} have been restoring or catching up for \
                 more than {}.",
                Length(CATCHING_UP_MILLIS)
            ),
        )
    }

    fn checkpoint_too_old(&self) -> Option<Told> {
        let interval = self.setup.checkpoint_interval_millis?;
        let success = self.of("tenure_checkpoint_last_success_timestamp_seconds", "");
        let at = format!("min {} ({success})", self.over);
        Some(told(
            Alert::CheckpointTooOld,
            Severity::Warning,
            5 * MINUTE,
            self.ago_or_never(&at, CHECKPOINT_INTERVALS * interval),
            "The state is not kept.",
            format!(
                "The newest complete checkpoint of {{{{ $labels.job }}}} is {{{{ $value | humanizeDuration \
                 }}}} old, or there has been none since it started so long ago; there should be one \
                 every {}. A restart would read that much again.",
                Length(interval)
            ),
        ))
    }

    fn events_rejected(&self) -> Told {
        let window = Length(REJECTED_WINDOW_MILLIS);
        let over = &self.over;
        let increase = |matchers| {
            let events = self.of("tenure_events_total", matchers);
            format!("sum without (outcome) (increase({events}[{window}]))")
        };
        let rejected = increase("outcome=\"rejected\"");
        let all = increase("");
        told(
            Alert::EventsRejected,
            Severity::Warning,
            5 * MINUTE,
            format!(
                "max {over} (\n  {rejected}\n  / {all}\n) > {REJECTED_RATIO}\n\
                 and max {over} ({rejected}) >= {REJECTED_RECORDS}"
            ),
            "Records are rejected that should be events.",
            format!(
                "{{{{ $value | humanizePercentage }}}} of the records that {{{{ $labels.job }}}} read within \
                 {window} are no valid events, and are in no number."
            ),
        )
    }

    fn clock_skew(&self) -> Told {
        let window = Length(REJECTED_WINDOW_MILLIS);
        let over = without(self.setup, &["reason"]);
        let early = self.of("tenure_events_rejected_total", "reason=\"in_the_future\"");
        told(
            Alert::ClockSkew,
            Severity::Info,
            5 * MINUTE,
            format!("max {over} (increase({early}[{window}])) >= {SKEWED_RECORDS}"),
            "Events are of the future.",
            format!(
                "About {{{{ $value | printf \"%.0f\" }}}} records within {window} were rejected by \
                 {{{{ $labels.job }}}} because their events are further ahead of their Kafka timestamps than \
                 max_future_skew allows: the clock of a producer is wrong."
            ),
        )
    }

    /// The counter begins anew with the process, and grows at once to what it was: that is no news.
    fn series_limit_reached(&self) -> Told {
        let over = &self.over;
        let folded = self.of("tenure_label_values_overflow_total", "");
        told(
            Alert::SeriesLimitReached,
            Severity::Warning,
            0,
            format!(
                "max {over} ({folded}) > 0\n\
                 unless max {over} ({folded}) <= max {over} (max_over_time({folded}[1d] offset 1h))"
            ),
            "More label values than are shown.",
            "{{ $value }} values of the label {{ $labels.label }} of {{ $labels.job }} are shown as `other`, \
             more than yesterday.",
        )
        .keeping(DAY)
    }

    /// What can go wrong only where there are several instances.
    fn of_several_instances(&self) -> [Told; 5] {
        [
            self.instances_disagree(),
            self.partition_owned_twice(),
            self.rebalancing(),
            self.definitions_differ(),
            self.partials_rejected(),
        ]
    }

    fn instances_disagree(&self) -> Told {
        let over = &self.over;
        let apart = |metric: &str, least: &str| {
            let of = self.of(metric, "");
            format!("max {over} ({of})\n  - min {over} ({of}) > {least}")
        };
        let evaluations = REPORT_EVALUATIONS * self.setup.evaluation_interval_millis;
        let instants = seconds(INSTANTS_APART_MILLIS.max(evaluations));
        told(
            Alert::InstancesDisagree,
            Severity::Warning,
            15 * MINUTE,
            format!(
                "{}\nor\n{}",
                apart("tenure_report_timestamp_seconds", &instants),
                apart("tenure_report_coverage_ratio", "0")
            ),
            "Instances do not serve the same numbers.",
            "The instances of {{ $labels.job }} serve reports of different instants, or some of them lack \
             partitions that others have. Rules and dashboards take the larger value.",
        )
    }

    /// Where every instance has all partitions there is no group, and so no rebalance.
    fn partition_owned_twice(&self) -> Told {
        let over = without(self.setup, &["state"]);
        let ready = self.of("tenure_shard_state", "state=\"ready\"");
        let members = self.of("tenure_rebalances_total", "");
        told(
            Alert::PartitionOwnedTwice,
            Severity::Warning,
            10 * MINUTE,
            format!(
                "count without (partition) (\n  count {over} (\n    {ready} == 1\n    and ignoring \
                 (partition, state) {members} > 0\n  ) > 1\n)"
            ),
            "Several instances have the same partition.",
            "{{ $value }} partitions of {{ $labels.job }} are read by more than one instance of the group. \
             The numbers are right, and made twice.",
        )
    }

    fn rebalancing(&self) -> Told {
        let over = &self.over;
        let moved = self.of("tenure_rebalances_total", "");
        told(
            Alert::Rebalancing,
            Severity::Warning,
            0,
            format!("max {over} (increase({moved}[1h])) > {REBALANCES}"),
            "Partitions move again and again.",
            "An instance of {{ $labels.job }} was given partitions, or had some taken, about {{ $value | \
             printf \"%.0f\" }} times within 1h. Each time the numbers stand still for a moment.",
        )
    }

    fn definitions_differ(&self) -> Told {
        let over = without(self.setup, &["config_hash"]);
        let settings = self.of("tenure_config_info", "");
        told(
            Alert::DefinitionsDiffer,
            Severity::Warning,
            15 * MINUTE,
            format!("count without (definition_hash) (count {over} ({settings})) > 1"),
            "Instances count by different settings.",
            "The instances of {{ $labels.job }} run with {{ $value }} different settings that decide the \
             numbers. What they say is not added up, so the numbers stand still.",
        )
    }

    /// What a former owner says late is turned away too, and that is as it should be.
    fn partials_rejected(&self) -> Told {
        let over = &self.over;
        let window = Length(PARTIALS_WINDOW_MILLIS);
        let reasons = "reason=~\"definition|decode|future\"";
        let rejected = self.of("tenure_partials_rejected_total", reasons);
        told(
            Alert::PartialsRejected,
            Severity::Warning,
            15 * MINUTE,
            format!("max {over} (increase({rejected}[{window}])) > 0"),
            "What other instances say is not heard.",
            "Instances of {{ $labels.job }} turn away records of the report topic: {{ $labels.reason }}. The \
             partitions of whoever writes them are missing in new reports.",
        )
    }
}

impl Told {
    fn keeping(self, millis: i64) -> Self {
        Self {
            keep_firing_millis: millis,
            ..self
        }
    }
}
