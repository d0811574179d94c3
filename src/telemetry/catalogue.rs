//! Every process metric with its type, labels and help: one table.
//!
//! The registered metrics, those written at the scrape, and the tests that look for clashes of names
//! all read it. Measures are not here: they have their own catalogue.

/// One process metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Instrument {
    pub name: &'static str,
    pub kind: Kind,
    /// In the order of the page.
    pub labels: &'static [&'static str],
    /// One sentence for a tooltip.
    pub help: &'static str,
}

/// How a metric behaves, which is what its TYPE line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until a restart; its name ends in `_total`.
    Counter,
    /// A value of one instant.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
}

macro_rules! catalogue {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Instrument = Instrument {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// Every process metric of Tenure's own, in the order of this file.
        pub static CATALOGUE: &[&Instrument] = &[$(&$constant),*];
    };
}

catalogue! {
    BUILD_INFO = Gauge "tenure_build_info" ["version", "revision", "rustversion", "target"]
        "Build information; always 1.";

    CONFIG_INFO = Gauge "tenure_config_info" ["config_hash", "definition_hash"]
        "Identity of the settings, and of those that decide the numbers; always 1.";

    KAFKA_UP = Gauge "tenure_kafka_up" []
        "1 if the Kafka cluster answers.";
    TOPIC_PARTITIONS = Gauge "tenure_topic_partitions" ["topic"]
        "Partitions of the topic in the metadata of the cluster.";
    ASSIGNED_PARTITIONS = Gauge "tenure_assigned_partitions" ["topic"]
        "Partitions of the topic owned by this instance.";
    EVENTS_RECEIVED = Counter "tenure_events_received_total" ["topic"]
        "Records read from Kafka.";
    RECEIVED_BYTES = Counter "tenure_received_bytes_total" ["topic"]
        "Bytes of keys and values read from Kafka.";

    PARTITION_END_OFFSET = Gauge "tenure_kafka_partition_end_offset" ["topic", "partition"]
        "End of the partition: the offset that its next record will have.";
    PARTITION_POSITION_OFFSET = Gauge "tenure_kafka_partition_position_offset" ["topic", "partition"]
        "Offset of the next record to apply.";
    PARTITION_COMMITTED_OFFSET = Gauge "tenure_kafka_partition_committed_offset" ["topic", "partition"]
        "Offset committed last.";
    PARTITION_LAG = Gauge "tenure_kafka_partition_lag_records" ["topic", "partition"]
        "Records between the applied position and the end of the partition.";
    PARTITION_LAST_RECORD = Gauge "tenure_kafka_partition_last_record_timestamp_seconds" ["topic", "partition"]
        "Kafka timestamp of the last applied record, in seconds since 1970.";
    PARTITION_LAST_COMMIT = Gauge "tenure_kafka_partition_last_commit_timestamp_seconds" ["topic", "partition"]
        "When an offset was committed last, in seconds since 1970.";
    SHARD_WATERMARK = Gauge "tenure_shard_watermark_timestamp_seconds" ["topic", "partition"]
        "Instant up to which the partition is applied for certain, in seconds since 1970; the report is of the earliest.";
    SHARD_STATE = Gauge "tenure_shard_state" ["partition", "state"]
        "1 for the present state of the shard (restoring, catching_up, ready or degraded), 0 for the others.";
    SHARD_DEGRADED = Gauge "tenure_shard_degraded" ["partition", "reason"]
        "1 while the numbers of the shard would be wrong: topic_missing, bad_batch, records_deleted, truncated, recreated or history_gone.";
    REKEY_SUSPECTED = Gauge "tenure_rekey_suspected" []
        "1 while the topics have another number of partitions than the state was made with, so that customers may be in two.";

    REBALANCES = Counter "tenure_rebalances_total" []
        "Times that the consumer group gave partitions to this instance, or took them.";
    REBALANCE_LAST = Gauge "tenure_rebalance_last_timestamp_seconds" []
        "When it did so last, in seconds since 1970; 0 before.";
    REBALANCE_DURATION = Histogram "tenure_rebalance_duration_seconds" []
        "Time from a change of the partitions that this instance owns until all of them are restored and read.";

    CHECKPOINT_ATTEMPTS = Counter "tenure_checkpoint_attempts_total" []
        "Checkpoints begun.";
    CHECKPOINT_FAILURES = Counter "tenure_checkpoint_failures_total" ["reason"]
        "Checkpoints that were not written, by reason: store, timeout, identity, dead_letters or self_check.";
    CHECKPOINT_LAST_SUCCESS = Gauge "tenure_checkpoint_last_success_timestamp_seconds" []
        "Oldest among the newest complete checkpoints of the shards, in seconds since 1970; none while a shard has none.";
    CHECKPOINT_LAST_SIZE = Gauge "tenure_checkpoint_last_size_bytes" []
        "Size of the last complete checkpoint.";
    CHECKPOINT_LAST_DURATION = Gauge "tenure_checkpoint_last_duration_seconds" []
        "Time from the beginning of the last complete checkpoint until it was durable.";
    CHECKPOINT_PAUSE = Histogram "tenure_checkpoint_pause_seconds" []
        "Time that folding waited for the copy of a shard.";
    RESTORE_FAILURES = Counter "tenure_restore_failures_total" ["reason"]
        "Checkpoints that could not be used at a start, by reason: damaged, format, settings or store.";
    RESTORE_LAST_DURATION = Gauge "tenure_restore_last_duration_seconds" []
        "Time for restoring all shards at the start.";

    STATE_CUSTOMERS = Gauge "tenure_state_customers" []
        "Customers held in memory, active or not.";
    STATE_BYTES = Gauge "tenure_state_bytes" []
        "Memory held by the state of all shards.";
    EVENTS = Counter "tenure_events_total" ["outcome"]
        "Events by outcome: tombstone, skipped, rejected, duplicate, conflicting, redundant or applied; the sum is what was received, after splitting.";
    EVENTS_APPLIED = Counter "tenure_events_applied_total" ["event"]
        "Events applied or kept as redundant, by type.";
    EVENTS_REJECTED = Counter "tenure_events_rejected_total" ["reason"]
        "Records that are no valid event, by reason.";
    EVENTS_LATE = Counter "tenure_events_late_total" []
        "Events applied although more than late_after behind the newest event of their shard.";
    ATTRIBUTES_IGNORED = Counter "tenure_attributes_ignored_total" []
        "Attribute values of a configured dimension that are neither text, number nor boolean.";
    DEAD_LETTERS = Counter "tenure_dead_letters_total" ["topic", "reason"]
        "Rejected records that the dead-letter topic has, by the topic they were read from.";
    DEAD_LETTER_FAILURES = Counter "tenure_dead_letter_failures_total" ["topic"]
        "Rejected records that were given up, because the dead-letter topic takes none so large.";
    DEAD_LETTERS_PENDING = Gauge "tenure_dead_letters_pending" []
        "Rejected records that the dead-letter topic has not acknowledged yet; durable positions wait for them.";
    SCHEMA_REQUESTS = Counter "tenure_schema_registry_requests_total" ["outcome"]
        "Questions to the schema registry by outcome: answered, unknown, refused or failed.";
    SCHEMAS_KNOWN = Gauge "tenure_schemas_known" []
        "Schemas by which records can be read.";
    SCHEMAS_AWAITED = Gauge "tenure_schemas_awaited" []
        "Schemas that the registry has not told yet; partitions whose next record needs one wait.";
    ROUTER_EVENTS = Counter "tenure_router_events_total" []
        "Events that the router has written to its topic; what it turns away is counted in tenure_events_total.";
    ROUTER_RECORDS_LOST = Counter "tenure_router_records_lost_total" ["topic"]
        "Records that were deleted from a topic before the router read them.";
    ROUTER_LAG = Gauge "tenure_router_lag_records" ["topic"]
        "Records of a topic that are not routed yet.";
    ROUTER_WATERMARK = Gauge "tenure_router_watermark_timestamp_seconds" []
        "Instant up to which everything is routed, in seconds since 1970; no report is of a later one.";
    PARTIALS_WRITTEN = Counter "tenure_partials_written_total" []
        "Parts of reports that the report topic has from this instance.";
    PARTIALS_WRITE_FAILURES = Counter "tenure_partials_write_failures_total" []
        "Attempts to write to the report topic that failed; they are repeated, or something newer is written.";
    PARTIALS_REJECTED = Counter "tenure_partials_rejected_total" ["reason"]
        "Records of the report topic that were not heard, by reason: old_generation, definition, decode or future.";
    PARTIALS_LAG = Gauge "tenure_partials_lag_records" []
        "Records of the report topic that this instance has not read yet.";
    PARTIAL_AS_OF = Gauge "tenure_partial_as_of_timestamp_seconds" ["partition"]
        "Newest instant for which the partition has said its part of the report, in seconds since 1970.";
    ERRORS = Counter "tenure_errors_total" ["error_type", "stage"]
        "Errors by type and stage: receiving, processing or exporting.";
    APPLY_DURATION = Histogram "tenure_apply_duration_seconds" []
        "Time for applying one batch of records.";
    EVENT_DELAY = Histogram "tenure_event_delay_seconds" []
        "Time from an event's occurred_at to its application.";

    EVALUATION_DURATION = Histogram "tenure_evaluation_duration_seconds" []
        "Time for evaluating all measures.";
    EVALUATION_FAILURES = Counter "tenure_evaluation_failures_total" []
        "Evaluations that gave no numbers, because the kept history no longer reaches back far enough.";
    LABEL_VALUES_OVERFLOW = Counter "tenure_label_values_overflow_total" ["label"]
        "Label values newly folded into other, by label (max_label_values, max_segments).";

    REPORT_TIMESTAMP = Gauge "tenure_report_timestamp_seconds" []
        "Instant of the published report in seconds since 1970: exactly the events before it are in the numbers.";
    REPORT_COVERAGE = Gauge "tenure_report_coverage_ratio" []
        "Share of the partitions that are in the published report, 0 to 1.";
    MEASURES_WITHHELD = Gauge "tenure_measures_withheld" ["measure", "reason"]
        "1 while a measure is withheld, at least for some of its periods.";
    SPLIT_CUSTOMERS = Gauge "tenure_split_customers" []
        "Sampled customers found in two shards; must be 0.";
    HISTORY_START = Gauge "tenure_history_start_timestamp_seconds" []
        "Instant from which every event is kept one by one, in seconds since 1970 (history).";
    SERIES = Gauge "tenure_series" ["metric"]
        "Series of the published report by measure.";
    COLLECT_DURATION = Gauge "tenure_collect_duration_seconds" []
        "Time for putting this page together.";

    WEB_CONFIG_SUCCESSFUL = Gauge "tenure_web_config_last_reload_successful" []
        "1 while the web config file in force is what stands in the file, 0 after a change that cannot be used; none without such a file.";
    WEB_CONFIG_LAST_SUCCESS = Gauge "tenure_web_config_last_reload_success_timestamp_seconds" []
        "When the web config file in force was read, in seconds since 1970; none without such a file.";

    LOG_MESSAGES = Counter "tenure_log_messages_total" ["level"]
        "Log lines written, by level.";
}
