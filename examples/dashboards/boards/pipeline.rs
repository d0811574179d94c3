//! Whether the numbers can be believed: from the topic to the page, and what stands in the way.

use serde_json::json;

use super::panel::{Panel, Unit, bars, heat_map, lines, stat, table};
use super::query::{age, growth, of, quantile, rate, shared};
use super::{Board, empty, help};

pub fn board() -> Board {
    Board {
        uid: "tenure-pipeline",
        title: "Tenure / Pipeline",
        description: "What comes in, how far it was read, what was rejected, how safe the state \
                      is, and what it costs.",
        from: "now-6h",
        variables: Vec::new(),
        sections: vec![
            ("State", state()),
            ("Events", events()),
            ("How far", progress()),
            ("Instances", instances_together()),
            ("Durability", durability()),
            ("Work", work()),
            ("What it runs as", vec![builds(), settings()]),
        ],
    }
}

fn instances(title: &str, unit: Unit, metric: &str, expression: &str) -> Panel {
    stat(title, unit, help(metric), empty::PROCESS).query("{{job}}", expression)
}

fn state() -> Vec<Panel> {
    let up = stat(
        "Instances scraped",
        Unit::Count,
        "Instances that Prometheus reaches.",
        "when Prometheus has no target of this job.",
    )
    .query("{{job}}", &format!("sum by (job) ({})", of("up", "")))
    .thresholds("red", &[(1.0, "green")]);
    let kafka = instances(
        "Kafka",
        Unit::Count,
        "tenure_kafka_up",
        &format!("min by (job) ({})", of("tenure_kafka_up", "")),
    )
    .texts(&[("1", "up", Some("green")), ("0", "down", Some("red"))])
    .option("graphMode", json!("none"));
    let report = stat(
        "Age of the report",
        Unit::Seconds,
        help("tenure_report_timestamp_seconds"),
        "before the first report, and when no chosen instance was scraped.",
    )
    .query("{{job}}", &age("tenure_report_timestamp_seconds"))
    .thresholds("green", &[(120.0, "yellow"), (900.0, "red")]);
    let coverage = instances(
        "Coverage",
        Unit::Share,
        "tenure_report_coverage_ratio",
        &shared("tenure_report_coverage_ratio", ""),
    )
    .between(0.0, 1.0)
    .thresholds("red", &[(1.0, "green")]);
    let lag = instances(
        "Lag",
        Unit::Count,
        "tenure_kafka_partition_lag_records",
        &format!(
            "sum by (job) ({})",
            of("tenure_kafka_partition_lag_records", "")
        ),
    );
    let not_ready = stat(
        "Shards not ready",
        Unit::Count,
        "Partitions whose shard is being restored, catching up, or degraded.",
        empty::PROCESS,
    )
    .query(
        "{{job}}",
        &format!(
            "sum by (job) ({})",
            of("tenure_shard_state", r#"state!="ready""#)
        ),
    )
    .thresholds("green", &[(1.0, "yellow")]);
    let checkpoint = stat(
        "Age of the oldest checkpoint",
        Unit::Seconds,
        help("tenure_checkpoint_last_success_timestamp_seconds"),
        "while a shard has no checkpoint, and always without `state.url`.",
    )
    .query(
        "{{job}}",
        &age("tenure_checkpoint_last_success_timestamp_seconds"),
    );
    let rejected = stat(
        "Rejected in the time range",
        Unit::Share,
        "Share of the records that are no valid event, over the time range shown.",
        "when nothing was received in the time range.",
    )
    .query(
        "{{job}}",
        &format!(
            "{} / {}",
            growth("job", "tenure_events_total", r#"outcome="rejected""#),
            growth("job", "tenure_events_total", "")
        ),
    )
    .thresholds("green", &[(0.01, "yellow"), (0.1, "red")]);
    let split = instances(
        "Split customers",
        Unit::Count,
        "tenure_split_customers",
        &format!("max by (job) ({})", of("tenure_split_customers", "")),
    )
    .thresholds("green", &[(1.0, "red")]);
    let keys = stat(
        "Keys",
        Unit::Count,
        help("tenure_rekey_suspected"),
        empty::PROCESS,
    )
    .query(
        "{{job}}",
        &format!("max by (job) ({})", of("tenure_rekey_suspected", "")),
    )
    .texts(&[
        ("0", "as before", Some("green")),
        ("1", "spread anew", Some("red")),
    ])
    .option("graphMode", json!("none"));
    let measures = stat(
        "Withheld",
        Unit::Count,
        help("tenure_measures_withheld"),
        "before the first report, and when no chosen instance was scraped.",
    )
    .query(
        "{{job}}",
        &format!(
            "count by (job) (max by (job, measure) ({})) or max by (job) ({}) * 0",
            of("tenure_measures_withheld", ""),
            of("tenure_report_timestamp_seconds", "")
        ),
    )
    .thresholds("green", &[(1.0, "yellow")]);
    let failures = instances(
        "Failed evaluations in the time range",
        Unit::Count,
        "tenure_evaluation_failures_total",
        &growth("job", "tenure_evaluation_failures_total", ""),
    )
    .thresholds("green", &[(1.0, "red")]);
    vec![
        up, kafka, report, coverage, lag, not_ready, checkpoint, rejected, split, keys, measures,
        failures,
    ]
}

fn events() -> Vec<Panel> {
    let received = lines(
        "Records received",
        Unit::PerSecond,
        help("tenure_events_received_total"),
        empty::PROCESS,
    )
    .query(
        "{{topic}}",
        &rate("job, topic", "tenure_events_received_total", ""),
    )
    .above_zero();
    let types = lines(
        "Events applied by type",
        Unit::PerSecond,
        help("tenure_events_applied_total"),
        empty::PROCESS,
    )
    .query(
        "{{event}}",
        &rate("job, event", "tenure_events_applied_total", ""),
    )
    .stacked(false)
    .above_zero();
    let outcomes = lines(
        "Events that changed nothing, by outcome",
        Unit::PerSecond,
        help("tenure_events_total"),
        empty::PROCESS,
    )
    .query(
        "{{outcome}}",
        &rate(
            "job, outcome",
            "tenure_events_total",
            r#"outcome!="applied""#,
        ),
    )
    .query(
        "late, yet applied",
        &rate("job", "tenure_events_late_total", ""),
    )
    .above_zero();
    let rejected = bars(
        "Rejected in the time range, by reason",
        Unit::Count,
        help("tenure_events_rejected_total"),
        empty::PROCESS,
    )
    .query(
        "{{reason}}",
        &format!(
            "sort_desc({})",
            growth("job, reason", "tenure_events_rejected_total", "")
        ),
    )
    .above_zero();
    let letters = lines(
        "Dead letters",
        Unit::Count,
        "Rejected records that the dead-letter topic has not acknowledged yet; durable positions \
         wait for them.",
        empty::PROCESS,
    )
    .query(
        "pending",
        &format!("sum by (job) ({})", of("tenure_dead_letters_pending", "")),
    )
    .above_zero();
    let written = bars(
        "Dead letters in the time range, by reason",
        Unit::Count,
        help("tenure_dead_letters_total"),
        "without `dead_letters.topic`, and while nothing was rejected.",
    )
    .query(
        "{{reason}}",
        &format!(
            "sort_desc({})",
            growth("job, reason", "tenure_dead_letters_total", "")
        ),
    )
    .above_zero();
    let by_topic = |metric: &str| format!("sum by (job, topic) ({})", of(metric, ""));
    let topics = table(
        "Topics",
        "Partitions of each topic in the cluster, and those that the chosen instances own together.",
        "while Kafka has not answered yet.",
    )
    .labels(&["topic"])
    .column(
        "Partitions",
        Unit::Count,
        &format!("max by (job, topic) ({})", of("tenure_topic_partitions", "")),
    )
    .column("Owned", Unit::Count, &by_topic("tenure_assigned_partitions"));
    vec![
        received,
        types,
        outcomes,
        rejected,
        letters,
        written,
        sources(),
        topics,
    ]
}

/// Silence of each type of event, beside how long a gap usually is.
fn sources() -> Panel {
    let report = "max by (job) (".to_owned() + &of("tenure_report_timestamp_seconds", "") + ")";
    let by_event = |metric: &str| format!("max by (job, event) ({})", of(metric, ""));
    let latest = by_event("tenure_event_latest_timestamp_seconds");
    let usual = by_event("tenure_event_usual_gap_seconds");
    let silence = format!("-({latest} - on (job) group_left () {report})");
    table(
        "Sources: how long each type of event has been silent",
        "Time from the newest event of the type to the instant of the report, the gap that is usual \
         in 28 days, how many usual gaps the silence is, and how long the newest 30 events took one \
         week before. A source counts as silent beyond 6 usual gaps and beyond that stretch.",
        "of a type that had no event in 35 days, and while the measures are withheld.",
    )
    .labels(&["event"])
    .column("Silent for", Unit::Seconds, &silence)
    .column("Usual gap", Unit::Seconds, &usual)
    .column("Usual gaps", Unit::Number, &format!("{silence} / {usual}"))
    .column(
        "30 events a week ago took",
        Unit::Seconds,
        &by_event("tenure_event_week_ago_span_seconds"),
    )
}

fn progress() -> Vec<Panel> {
    let by_partition = |title: &str, unit: Unit, what: &str, expression: &str| {
        lines(title, unit, what, empty::PROCESS)
            .query("{{topic}} {{partition}}", expression)
            .above_zero()
    };
    let labels = "job, topic, partition";
    let since = |metric: &str| format!("time() - max by ({labels}) ({})", of(metric, ""));
    let lag = "tenure_kafka_partition_lag_records";
    let watermark = "tenure_shard_watermark_timestamp_seconds";
    let record = "tenure_kafka_partition_last_record_timestamp_seconds";
    let commit = "tenure_kafka_partition_last_commit_timestamp_seconds";
    let delay = heat_map(
        "Delay of events",
        Unit::Seconds,
        help("tenure_event_delay_seconds"),
        "when no event was applied.",
    )
    .query(
        "{{le}}",
        &format!(
            "sum by (le) (increase({}[$__rate_interval]))",
            of("tenure_event_delay_seconds_bucket", "")
        ),
    );
    let states = lines(
        "Shards by state",
        Unit::Count,
        help("tenure_shard_state"),
        empty::PROCESS,
    )
    .query(
        "{{state}}",
        &format!("sum by (job, state) ({})", of("tenure_shard_state", "")),
    )
    .stacked(false)
    .above_zero();
    vec![
        by_partition(
            "Lag by partition",
            Unit::Count,
            help(lag),
            &format!("max by ({labels}) ({})", of(lag, "")),
        ),
        by_partition(
            "Applied up to, before now",
            Unit::Seconds,
            "How far the instant up to which each partition is applied for certain lies back; the \
             report is of the earliest.",
            &since(watermark),
        ),
        by_partition(
            "Last record before now",
            Unit::Seconds,
            "How far the Kafka timestamp of the last applied record lies back: a partition that \
             lags, or one to which nothing is written.",
            &since(record),
        ),
        by_partition(
            "Last commit before now",
            Unit::Seconds,
            "How long ago an offset of the partition was committed last.",
            &since(commit),
        ),
        delay,
        states,
    ]
}

/// What instances that share the work do with each other.
fn instances_together() -> Vec<Panel> {
    let alone = "without `cluster.report_topic`, and when no chosen instance was scraped.";
    let owned = lines(
        "Partitions by instance",
        Unit::Count,
        help("tenure_assigned_partitions"),
        empty::PROCESS,
    )
    .query(
        "{{instance}}",
        &format!(
            "max by (job, instance) ({})",
            of("tenure_assigned_partitions", "")
        ),
    )
    .stacked(false)
    .above_zero();
    let moved = bars(
        "Rebalances in the time range",
        Unit::Count,
        help("tenure_rebalances_total"),
        empty::PROCESS,
    )
    .query(
        "{{instance}}",
        &growth("job, instance", "tenure_rebalances_total", ""),
    )
    .above_zero();
    let took = lines(
        "Taking partitions over",
        Unit::Seconds,
        help("tenure_rebalance_duration_seconds"),
        "when no partition moved lately, and when no chosen instance was scraped.",
    )
    .query(
        "half within",
        &quantile("0.5", "tenure_rebalance_duration_seconds"),
    )
    .query(
        "99 of 100 within",
        &quantile("0.99", "tenure_rebalance_duration_seconds"),
    )
    .above_zero();
    let said = lines(
        "Part of the report before now",
        Unit::Seconds,
        "How far the newest instant for which each partition has said its part lies back; the report \
         is of the newest that all of them have.",
        alone,
    )
    .query(
        "{{partition}}",
        &format!(
            "time() - max by (job, partition) ({})",
            of("tenure_partial_as_of_timestamp_seconds", "")
        ),
    )
    .above_zero();
    let written = lines(
        "Parts of reports",
        Unit::PerSecond,
        "Records that the report topic has from the chosen instances, attempts that failed, and what \
         was not heard, by reason.",
        alone,
    )
    .query("written", &rate("job", "tenure_partials_written_total", ""))
    .query(
        "failed",
        &rate("job", "tenure_partials_write_failures_total", ""),
    )
    .query(
        "not heard: {{reason}}",
        &rate("job, reason", "tenure_partials_rejected_total", ""),
    )
    .above_zero();
    let unread = lines(
        "Report topic not read yet",
        Unit::Count,
        help("tenure_partials_lag_records"),
        alone,
    )
    .query("{{instance}}", &of("tenure_partials_lag_records", ""))
    .above_zero();
    vec![owned, moved, took, said, written, unread]
}

fn durability() -> Vec<Panel> {
    let attempts = lines(
        "Checkpoints",
        Unit::PerSecond,
        "Checkpoints begun, and those that were not written, by reason.",
        empty::PROCESS,
    )
    .query(
        "begun",
        &rate("job", "tenure_checkpoint_attempts_total", ""),
    )
    .query(
        "failed: {{reason}}",
        &rate("job, reason", "tenure_checkpoint_failures_total", ""),
    )
    .above_zero();
    let size = lines(
        "Size of the last checkpoint",
        Unit::Bytes,
        help("tenure_checkpoint_last_size_bytes"),
        empty::PROCESS,
    )
    .query("{{instance}}", &of("tenure_checkpoint_last_size_bytes", ""))
    .above_zero();
    let duration = lines(
        "Duration of the last checkpoint and of the restore",
        Unit::Seconds,
        "Time from the beginning of the last complete checkpoint until it was durable, and time \
         for restoring all shards at the start.",
        empty::PROCESS,
    )
    .query(
        "checkpoint {{instance}}",
        &of("tenure_checkpoint_last_duration_seconds", ""),
    )
    .query(
        "restore {{instance}}",
        &of("tenure_restore_last_duration_seconds", ""),
    )
    .above_zero();
    let troubles = bars(
        "Failures in the time range",
        Unit::Count,
        "Checkpoints that could not be used at a start, by reason.",
        empty::PROCESS,
    )
    .query(
        "restore: {{reason}}",
        &growth("job, reason", "tenure_restore_failures_total", ""),
    )
    .above_zero();
    vec![attempts, size, duration, troubles]
}

fn work() -> Vec<Panel> {
    let took = |title: &str, metric: &str| {
        lines(
            title,
            Unit::Seconds,
            help(metric),
            "when there was none lately, and when no chosen instance was scraped.",
        )
        .query("half within", &quantile("0.5", metric))
        .query("99 of 100 within", &quantile("0.99", metric))
        .above_zero()
    };
    let memory = lines(
        "Memory",
        Unit::Bytes,
        "Memory of the process, and what the state of all shards takes of it.",
        empty::PROCESS,
    )
    .query(
        "process {{instance}}",
        &of("process_resident_memory_bytes", ""),
    )
    .query("state {{instance}}", &of("tenure_state_bytes", ""))
    .above_zero();
    let customers = lines(
        "Customers held",
        Unit::Count,
        help("tenure_state_customers"),
        empty::PROCESS,
    )
    .query("{{instance}}", &of("tenure_state_customers", ""))
    .above_zero();
    let cpu = lines(
        "Processor time",
        Unit::Share,
        "Share of one core that the process uses; 200 % are two cores.",
        empty::PROCESS,
    )
    .query(
        "{{instance}}",
        &rate("job, instance", "process_cpu_seconds_total", ""),
    )
    .above_zero();
    let bytes = lines(
        "Bytes received",
        Unit::BytesPerSecond,
        help("tenure_received_bytes_total"),
        empty::PROCESS,
    )
    .query(
        "{{topic}}",
        &rate("job, topic", "tenure_received_bytes_total", ""),
    )
    .above_zero();
    let page = lines(
        "Putting a page together",
        Unit::Seconds,
        help("tenure_collect_duration_seconds"),
        empty::PROCESS,
    )
    .query("{{instance}}", &of("tenure_collect_duration_seconds", ""))
    .above_zero();
    let series = bars(
        "Series by measure, the ten with the most",
        Unit::Count,
        help("tenure_series"),
        empty::MEASURE,
    )
    .query(
        "{{metric}}",
        &format!(
            "sort_desc(topk(10, max by (job, metric) ({})))",
            of("tenure_series", "")
        ),
    )
    .above_zero();
    let errors = lines(
        "Errors",
        Unit::PerSecond,
        help("tenure_errors_total"),
        empty::PROCESS,
    )
    .query(
        "{{stage}}: {{error_type}}",
        &rate("job, stage, error_type", "tenure_errors_total", ""),
    )
    .above_zero();
    let log = lines(
        "Log lines",
        Unit::PerSecond,
        help("tenure_log_messages_total"),
        empty::PROCESS,
    )
    .query(
        "{{level}}",
        &rate(
            "job, level",
            "tenure_log_messages_total",
            r#"level=~"warn|error""#,
        ),
    )
    .above_zero();
    vec![
        took("Applying a batch", "tenure_apply_duration_seconds"),
        took(
            "Evaluating all measures",
            "tenure_evaluation_duration_seconds",
        ),
        memory,
        cpu,
        customers,
        bytes,
        page,
        series,
        errors,
        log,
    ]
}

fn builds() -> Panel {
    table(
        "Versions",
        "Which build each instance runs, and since when.",
        empty::PROCESS,
    )
    .size(14, 7)
    .labels(&["instance", "version", "revision", "target"])
    .column(
        "Running since",
        Unit::Instant,
        &format!(
            "{} * 1000 * on (job, instance) group_left (version, revision, target) {}",
            of("process_start_time_seconds", ""),
            of("tenure_build_info", "")
        ),
    )
    .without("pod")
}

fn settings() -> Panel {
    table(
        "Settings",
        "Instances by the settings that they run with. Instances that must serve the same numbers \
         have one definition_hash.",
        empty::PROCESS,
    )
    .size(10, 7)
    .labels(&["definition_hash", "config_hash"])
    .column(
        "Instances",
        Unit::Count,
        &format!(
            "count by (job, config_hash, definition_hash) ({})",
            of("tenure_config_info", "")
        ),
    )
}
