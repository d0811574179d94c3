//! What stands on the metrics page: the report, then what the process says about itself.
//!
//! A page is put together from three parts. The report's is written once for each report and format;
//! the partitions' and the process's are small and written at each scrape.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::event::Timestamp;
use crate::measure::report::Report;
use crate::serve::exposition::{Exposition, Format};
use crate::serve::{Published, Source};
use crate::telemetry::partition::{PartitionStatus, ShardState};
use crate::telemetry::{Telemetry, catalogue};

/// The page of a report alone: its measures, what is withheld, and its instant.
#[must_use]
pub fn render(report: &Report, format: Format) -> String {
    let mut page = Exposition::new(format);
    measures(&mut page, report);
    page.finish()
}

/// The whole page as of now. `begun` is when the scrape began.
#[must_use]
pub fn scrape(
    source: &dyn Source,
    telemetry: &Telemetry,
    format: Format,
    begun: Instant,
) -> String {
    let mut page = Exposition::new(format);
    if let Some(published) = source.published() {
        page.part(published.text(format));
    }
    partitions(&mut page, &source.partitions());
    page.gathered(&telemetry.families());
    let duration = begun.elapsed().as_secs_f64();
    page.gauge(&catalogue::COLLECT_DURATION, [([], duration)]);
    page.finish()
}

/// The part of the page that belongs to one report.
pub(super) fn published(published: &Published, format: Format) -> String {
    let report = &*published.report;
    let mut page = Exposition::new(format);
    measures(&mut page, report);
    page.gauge(&catalogue::REPORT_COVERAGE, [([], published.coverage)]);
    page.gauge(
        &catalogue::SPLIT_CUSTOMERS,
        [([], report.split_customers as f64)],
    );
    page.gauge(
        &catalogue::HISTORY_START,
        published
            .history_start
            .map(|start| ([], start.as_seconds())),
    );
    let series = report
        .families
        .iter()
        .map(|family| ([family.measure.name], family.samples.len() as f64));
    page.gauge(&catalogue::SERIES, series);
    page.into_part()
}

fn measures(page: &mut Exposition, report: &Report) {
    page.report(report);
    let withheld = report
        .withheld
        .iter()
        .map(|withheld| ([withheld.measure, withheld.reason.name()], 1.0));
    page.gauge(&catalogue::MEASURES_WITHHELD, withheld);
    page.gauge(&catalogue::REPORT_TIMESTAMP, [([], report.at.as_seconds())]);
}

fn partitions(page: &mut Exposition, partitions: &[PartitionStatus]) {
    let numbers: Vec<String> = partitions
        .iter()
        .map(|status| status.partition.to_string())
        .collect();
    let gauge = |value: fn(&PartitionStatus) -> Option<f64>| {
        partitions
            .iter()
            .zip(&numbers)
            .filter_map(move |(status, number)| {
                Some(([&*status.topic, number.as_str()], value(status)?))
            })
    };
    page.gauge(
        &catalogue::PARTITION_END_OFFSET,
        gauge(|status| status.end_offset.map(|offset| offset as f64)),
    );
    page.gauge(
        &catalogue::PARTITION_POSITION_OFFSET,
        gauge(|status| status.position.map(|offset| offset as f64)),
    );
    page.gauge(
        &catalogue::PARTITION_COMMITTED_OFFSET,
        gauge(|status| status.committed.map(|offset| offset as f64)),
    );
    page.gauge(
        &catalogue::PARTITION_LAG,
        gauge(|status| status.lag().map(|lag| lag as f64)),
    );
    page.gauge(
        &catalogue::PARTITION_LAST_RECORD,
        gauge(|status| status.last_record_at.map(Timestamp::as_seconds)),
    );
    page.gauge(
        &catalogue::PARTITION_LAST_COMMIT,
        gauge(|status| status.committed_at.map(Timestamp::as_seconds)),
    );
    page.gauge(
        &catalogue::SHARD_WATERMARK,
        gauge(|status| status.complete_until.map(Timestamp::as_seconds)),
    );
    shard_states(page, partitions);
}

/// A shard is one partition of all topics, and in the worst of their states.
fn shard_states(page: &mut Exposition, partitions: &[PartitionStatus]) {
    let mut shards: BTreeMap<i32, ShardState> = BTreeMap::new();
    for PartitionStatus {
        partition, state, ..
    } in partitions
    {
        let worst = shards.entry(*partition).or_insert(*state);
        *worst = (*worst).max(*state);
    }
    let shards: Vec<(String, ShardState)> = shards
        .into_iter()
        .map(|(partition, state)| (partition.to_string(), state))
        .collect();
    let states = shards.iter().flat_map(|(partition, state)| {
        let value = |name| f64::from(state.name() == name);
        ShardState::NAMES.map(|name| ([partition.as_str(), name], value(name)))
    });
    page.gauge(&catalogue::SHARD_STATE, states);
    let degraded = shards.iter().filter_map(|(partition, state)| match state {
        ShardState::Degraded(reason) => Some(([partition.as_str(), reason.name()], 1.0)),
        ShardState::Ready | ShardState::CatchingUp | ShardState::Restoring => None,
    });
    page.gauge(&catalogue::SHARD_DEGRADED, degraded);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::event::Timestamp;
    use crate::measure::MEASURES;
    use crate::measure::report::{Withheld, WithheldReason};
    use crate::serve::exposition::tests::{ReadFamily, read, report};
    use crate::serve::readiness::Readiness;
    use crate::telemetry::catalogue::CATALOGUE;
    use crate::telemetry::partition::Degradation;

    struct Fixed {
        published: Option<Arc<Published>>,
        partitions: Vec<PartitionStatus>,
    }

    impl Source for Fixed {
        fn published(&self) -> Option<Arc<Published>> {
            self.published.clone()
        }

        fn partitions(&self) -> Vec<PartitionStatus> {
            self.partitions.clone()
        }

        fn readiness(&self) -> Readiness {
            Readiness::of(true, &self.partitions, self.published.as_deref())
        }

        fn alive(&self) -> bool {
            true
        }
    }

    fn withheld_report() -> Report {
        let mut report = report(&[("tenure_customers", &[], 12.0)]);
        report.withheld = vec![Withheld {
            measure: "tenure_retention_ratio",
            reason: WithheldReason::NoChurnSource,
        }];
        report
    }

    fn status(topic: &str, partition: i32, state: ShardState) -> PartitionStatus {
        PartitionStatus {
            topic: topic.into(),
            partition,
            first_offset: Some(0),
            position: Some(40),
            end_offset: Some(100),
            committed: Some(30),
            last_record_at: Some(Timestamp::from_millis(1_795_000_000_500)),
            complete_until: Some(Timestamp::from_millis(1_795_000_000_250)),
            committed_at: Some(Timestamp::from_millis(1_795_000_000_300)),
            state,
        }
    }

    fn full() -> Fixed {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let published = Published::new(Arc::new(withheld_report()), 0.5, Some(start));
        Fixed {
            published: Some(Arc::new(published)),
            partitions: vec![
                status("customers", 0, ShardState::Ready),
                status("customers", 1, ShardState::Degraded(Degradation::Truncated)),
                status("orders", 0, ShardState::CatchingUp),
                status("orders", 1, ShardState::Ready),
            ],
        }
    }

    fn families(source: &Fixed, format: Format) -> BTreeMap<String, ReadFamily> {
        let telemetry = Telemetry::new().expect("registered");
        telemetry.configured("0123456789abcdef", "fedcba9876543210");
        let _ = telemetry.kafka.topic("orders");
        telemetry.durability.succeeded(1_795_000_000.0);
        telemetry.web.succeeded(1_795_000_000.0);
        let _ = telemetry.dead_letters.topic("orders");
        telemetry.router.begin(&["orders".to_owned()]);
        telemetry.router.lags("orders", 0);
        telemetry.router.routed_until(1_795_000_000.0);
        telemetry.reports.begin(&["definition"]);
        telemetry.reports.lags(0);
        telemetry.reports.as_of(0, 1_795_000_000.0);
        read(&scrape(source, &telemetry, format, Instant::now()), format)
    }

    fn values(family: &ReadFamily) -> Vec<(Vec<&str>, f64)> {
        family
            .samples
            .iter()
            .map(|(_, labels, value)| {
                (
                    labels.iter().map(|(_, text)| text.as_str()).collect(),
                    *value,
                )
            })
            .collect()
    }

    #[test]
    fn every_name_of_the_catalogue_is_on_a_full_page_and_no_other() {
        let page = families(&full(), Format::Text004);
        let names: BTreeSet<&str> = page
            .keys()
            .map(String::as_str)
            .filter(|name| !name.starts_with("process_"))
            .collect();
        let expected: BTreeSet<&str> = CATALOGUE
            .iter()
            .map(|instrument| instrument.name)
            .chain(["tenure_customers"])
            .collect();
        assert_eq!(names, expected);
        for instrument in CATALOGUE {
            let (_, labels, _) = &page[instrument.name].samples[0];
            // As sets: the registry sorts the labels of what it keeps.
            let names: BTreeSet<&str> = labels
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| *name != "le")
                .collect();
            let expected: BTreeSet<&str> = instrument.labels.iter().copied().collect();
            assert_eq!(names, expected, "{}", instrument.name);
        }
    }

    #[test]
    fn both_formats_say_the_same() {
        let source = full();
        let text = families(&source, Format::Text004);
        let openmetrics = families(&source, Format::OpenMetrics100);
        let names = |page: &BTreeMap<String, ReadFamily>| -> BTreeSet<String> {
            page.values()
                .flat_map(|family| &family.samples)
                .map(|(name, labels, _)| format!("{name} {labels:?}"))
                .collect()
        };
        assert_eq!(names(&text), names(&openmetrics));
    }

    #[test]
    fn the_text_of_a_report_is_written_once_for_each_format() {
        let published = Published::new(Arc::new(withheld_report()), 1.0, None);
        for format in [Format::Text004, Format::OpenMetrics100] {
            let first = published.text(format);
            assert!(std::ptr::eq(first, published.text(format)));
            assert!(first.contains("tenure_customers 12\n"));
        }
        assert_ne!(
            published.text(Format::Text004),
            published.text(Format::OpenMetrics100)
        );
    }

    #[test]
    fn before_the_first_report_the_page_has_the_process_alone() {
        let source = Fixed {
            published: None,
            partitions: Vec::new(),
        };
        let page = families(&source, Format::OpenMetrics100);
        assert_eq!(values(&page["tenure_kafka_up"]), [(vec![], 0.0)]);
        assert!(!page.contains_key("tenure_report_timestamp_seconds"));
        assert!(!page.contains_key("tenure_shard_state"));
        assert!(!page.contains_key("tenure_customers"));
    }

    #[test]
    fn the_report_brings_its_instant_its_coverage_and_what_it_withholds() {
        let page = families(&full(), Format::Text004);
        assert_eq!(
            values(&page["tenure_report_timestamp_seconds"]),
            [(vec![], 1_795_000_000.123)]
        );
        assert_eq!(
            values(&page["tenure_report_coverage_ratio"]),
            [(vec![], 0.5)]
        );
        assert_eq!(values(&page["tenure_split_customers"]), [(vec![], 0.0)]);
        assert_eq!(
            values(&page["tenure_history_start_timestamp_seconds"]),
            [(vec![], 1_700_000_000.0)]
        );
        assert_eq!(
            values(&page["tenure_measures_withheld"]),
            [(vec!["tenure_retention_ratio", "no_churn_source"], 1.0)]
        );
        let series = values(&page["tenure_series"]);
        assert_eq!(series.len(), MEASURES.len());
        assert_eq!(series[0], (vec!["tenure_customers"], 1.0));
    }

    #[test]
    fn partitions_show_their_offsets_and_a_shard_is_as_bad_as_the_worst_of_its_topics() {
        let page = families(&full(), Format::Text004);
        assert_eq!(
            values(&page["tenure_kafka_partition_lag_records"])[3],
            (vec!["orders", "1"], 60.0)
        );
        assert_eq!(
            values(&page["tenure_shard_state"]),
            [
                (vec!["0", "restoring"], 0.0),
                (vec!["0", "catching_up"], 1.0),
                (vec!["0", "ready"], 0.0),
                (vec!["0", "degraded"], 0.0),
                (vec!["1", "restoring"], 0.0),
                (vec!["1", "catching_up"], 0.0),
                (vec!["1", "ready"], 0.0),
                (vec!["1", "degraded"], 1.0),
            ]
        );
        assert_eq!(
            values(&page["tenure_shard_degraded"]),
            [(vec!["1", "truncated"], 1.0)]
        );
    }

    #[test]
    fn a_partition_without_known_offsets_has_no_series_for_them() {
        let mut source = full();
        for status in &mut source.partitions {
            status.end_offset = None;
            status.committed = None;
        }
        let page = families(&source, Format::Text004);
        assert!(!page.contains_key("tenure_kafka_partition_end_offset"));
        assert!(!page.contains_key("tenure_kafka_partition_lag_records"));
        assert!(!page.contains_key("tenure_kafka_partition_committed_offset"));
        assert_eq!(
            page["tenure_kafka_partition_position_offset"].samples.len(),
            4
        );
    }

    #[test]
    fn a_page_of_a_report_alone_is_what_a_replay_prints() {
        let expected = "\
# HELP tenure_customers Customers active at the instant of the report.
# TYPE tenure_customers gauge
tenure_customers 12
# HELP tenure_measures_withheld 1 while a measure is withheld, at least for some of its periods.
# TYPE tenure_measures_withheld gauge
tenure_measures_withheld{measure=\"tenure_retention_ratio\",reason=\"no_churn_source\"} 1
# HELP tenure_report_timestamp_seconds Instant of the published report in seconds since 1970: exactly the events before it are in the numbers.
# TYPE tenure_report_timestamp_seconds gauge
tenure_report_timestamp_seconds 1795000000.123
";
        assert_eq!(render(&withheld_report(), Format::Text004), expected);
    }
}
