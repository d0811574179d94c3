//! Many values, large amounts and odd input: bounded, counted, and nothing else is lost.

#![cfg(test)]

use std::collections::BTreeSet;
use std::sync::Arc;

use tenure::engine::intake::{Tally, take};
use tenure::event::decode::Decoder;
use tenure::event::{Reason, Timestamp};
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::measure::catalogue::Section;
use tenure::measure::partial::Partial;
use tenure::measure::pass::evaluate;
use tenure::measure::publish::{Context, reports};
use tenure::measure::question::Question;
use tenure::measure::report::Report;
use tenure::measure::settings::EvaluationSettings;

const JUNE: i64 = 1_780_272_000_000;
const DAY: i64 = 86_400_000;

/// Shards that take records as the workers do, customers spread over them.
struct Shards {
    shards: Vec<Shard>,
    decoder: Decoder,
    tally: Tally,
    records: i64,
}

impl Shards {
    fn new(count: usize, dimensions: &[&str]) -> Self {
        let fold = Arc::new(FoldSettings {
            dimensions: dimensions.iter().map(ToString::to_string).collect(),
            ..FoldSettings::default()
        });
        let shard = |_| {
            let mut shard = Shard::new(Arc::clone(&fold), 1);
            shard.start_at(0, 0);
            shard
        };
        Self {
            shards: (0..count).map(shard).collect(),
            decoder: Decoder::new(fold.decoding()),
            tally: Tally::default(),
            records: 0,
        }
    }

    /// A record of a customer, on a day of June 2026.
    fn take(&mut self, customer: usize, day: i64, fields: &str) {
        let at = JUNE + (day - 1) * DAY;
        let record = format!(
            r#"{{"event_id":"{}","customer_id":"c{customer}","occurred_at":{at},{fields}}}"#,
            self.records
        );
        let count = self.shards.len();
        let shard = &mut self.shards[customer % count];
        assert!(shard.advance(0, self.records, None));
        self.records += 1;
        let fate = take(shard, &self.decoder, Some(record.as_bytes()), None);
        self.tally.add(fate);
    }

    fn report(&self, evaluation: EvaluationSettings) -> Report {
        let at = Timestamp::from_millis(JUNE + 30 * DAY);
        let question = Arc::new(Question::at(at, Arc::new(evaluation)));
        let mut merged = Partial::empty(&question);
        for (number, shard) in self.shards.iter().enumerate() {
            assert_eq!(shard.digest(), shard.digest_recomputed());
            merged.merge(&evaluate(shard, number, &question).unwrap());
        }
        let fold = self.shards[0].settings();
        let context = Context {
            ces: fold.ces,
            dimensions: &fold.dimensions,
            rekeyed: false,
        };
        reports(&merged, &question, context).pop().unwrap()
    }
}

/// The sum of the series of a measure whose labels hold all of these.
fn sum(report: &Report, measure: &str, labels: &[(&str, &str)]) -> f64 {
    let family = report.family(measure).unwrap();
    let fits = |sample: &&tenure::measure::report::Sample| {
        let own: Vec<(&str, &str)> = family.labelled(sample).collect();
        labels.iter().all(|label| own.contains(label))
    };
    let values = family.samples.iter().filter(fits);
    values.map(|sample| sample.value).sum()
}

fn value(report: &Report, measure: &str, labels: &[(&str, &str)]) -> f64 {
    let value = report.value(measure, labels);
    value.unwrap_or_else(|| panic!("{measure} {labels:?} is absent"))
}

#[test]
fn ten_thousand_values_of_an_attribute_stay_within_the_bound_and_totals_stay_right() {
    let mut shards = Shards::new(3, &["plan", "country"]);
    for customer in 0..10_000 {
        // A few large segments among many of one customer each.
        let plan = if customer % 4 == 0 {
            format!("large {}", customer % 7)
        } else {
            format!("own {customer}")
        };
        let attributes = format!(r#""attributes":{{"plan":"{plan}","country":"TR"}}"#);
        shards.take(customer, 1, &format!(r#""type":"signup",{attributes}"#));
        if customer % 3 == 0 {
            shards.take(customer, 10, r#""type":"churn""#);
        } else {
            let order = r#""type":"purchase","amount":"1.10","currency":"EUR""#;
            shards.take(customer, 20, order);
            let answer = r#""type":"survey_submitted","survey":"nps","score":9"#;
            shards.take(customer, 21, answer);
        }
    }
    let limit = 50;
    let report = shards.report(EvaluationSettings {
        max_segments: limit,
        periods: vec![
            "24h".parse().unwrap(),
            "30d".parse().unwrap(),
            "90d".parse().unwrap(),
        ],
        ..EvaluationSettings::default()
    });
    for family in &report.families {
        if family.measure.section == Section::Segments {
            let segments: BTreeSet<&str> = family
                .samples
                .iter()
                .map(|sample| sample.labels[1].as_ref())
                .collect();
            assert!(segments.len() <= limit + 1, "{}", family.measure.name);
            assert!(family.samples.len() <= 3 * 4 * (limit + 1));
        }
    }
    // A third of the small segments left within the longest period, so they occur nowhere.
    let segments = 7 + 5_000;
    let folded = ("segment", segments - limit as u64);
    assert!(
        report.folded_labels.contains(&folded),
        "{:?}",
        report.folded_labels
    );
    for period in ["24h", "30d", "90d"] {
        let of = |measure, label| sum(&report, measure, &[("period", period), label]);
        for status in ["retained", "lost", "new", "reactivated"] {
            let label = ("status", status);
            let whole = of("tenure_period_customers", label);
            assert_eq!(
                of("tenure_segment_customers", label),
                whole,
                "{period} {status}"
            );
        }
        for group in ["promoter", "passive", "detractor"] {
            let label = ("group", group);
            let whole = of("tenure_nps_customers", label);
            assert_eq!(
                of("tenure_segment_nps_customers", label),
                whole,
                "{period} {group}"
            );
        }
        let label = ("currency", "EUR");
        assert_eq!(
            of("tenure_segment_orders", label),
            of("tenure_orders", label)
        );
        let revenue = of("tenure_revenue", label);
        assert!((of("tenure_segment_revenue", label) - revenue).abs() < 1e-6);
    }
    let orders = [("period", "30d"), ("currency", "EUR")];
    assert_eq!(value(&report, "tenure_orders", &orders), 6_666.0);
    assert_eq!(value(&report, "tenure_revenue", &orders), 7_332.6);
    let other = [
        ("period", "90d"),
        ("plan", "other"),
        ("country", "other"),
        ("status", "new"),
    ];
    assert!(value(&report, "tenure_segment_customers", &other) > 4_000.0);
}

#[test]
fn more_combinations_than_a_shard_tells_apart_are_other_and_totals_stay_right() {
    let mut shards = Shards::new(1, &["plan"]);
    let customers = 66_000;
    for customer in 0..customers {
        let fields = format!(r#""type":"signup","attributes":{{"plan":"p{customer}"}}"#);
        shards.take(customer, 1, &fields);
    }
    let report = shards.report(EvaluationSettings {
        periods: vec!["90d".parse().unwrap()],
        ..EvaluationSettings::default()
    });
    let all = sum(&report, "tenure_segment_customers", &[("status", "new")]);
    assert_eq!(all, customers as f64);
    let shown = &report.family("tenure_segment_customers").unwrap().samples;
    assert_eq!(shown.len(), 4 * 201);
    // 65,535 of their own, one that is other already, 200 of them shown.
    let folded = ("segment", 65_535 - 200);
    assert!(
        report.folded_labels.contains(&folded),
        "{:?}",
        report.folded_labels
    );
}

#[test]
fn odd_input_is_counted_and_costs_nothing_else() {
    let mut shards = Shards::new(1, &["plan"]);
    shards.take(
        1,
        1,
        r#""type":"signup","attributes":{"plan":["pro"],"other":{}}"#,
    );
    shards.take(1, 2, r#""type":"signup","attributes":"pro""#);
    shards.take(1, 3, r#""type":"signup","attributes":{"plan":12.50}"#);
    let purchase = |amount: &str, currency: &str| {
        format!(r#""type":"purchase","amount":{amount},"currency":"{currency}""#)
    };
    let largest = r#""999999999999.999999""#;
    shards.take(1, 4, &purchase(largest, "EUR"));
    shards.take(1, 4, &purchase(largest, "EUR"));
    shards.take(1, 4, &purchase("0", "EUR"));
    shards.take(1, 4, &purchase("1000000000000", "EUR"));
    shards.take(1, 4, &purchase("-0.01", "EUR"));
    shards.take(1, 4, &purchase(r#""0.0000001""#, "EUR"));
    shards.take(1, 4, &purchase("1e400", "EUR"));
    shards.take(1, 4, &purchase("1", "XBT"));
    shards.take(1, 4, &purchase("1", "eur"));
    shards.take(1, 4, &purchase("0.000001", "USD"));
    let rejected: Vec<(Reason, u64)> = shards.tally.rejected().collect();
    let expected = [
        (Reason::WrongType, 1),
        (Reason::InvalidAmount, 4),
        (Reason::UnknownCurrency, 2),
    ];
    assert_eq!(rejected, expected);
    assert_eq!(shards.tally.ignored_attributes, 1);
    assert_eq!(shards.tally.applied + shards.tally.redundant, 6);

    let report = shards.report(EvaluationSettings::default());
    let of = |measure, currency| {
        value(
            &report,
            measure,
            &[("period", "30d"), ("currency", currency)],
        )
    };
    assert_eq!(of("tenure_orders", "EUR"), 3.0);
    assert_eq!(of("tenure_revenue", "EUR"), 1_999_999_999_999.999_998);
    assert_eq!(of("tenure_revenue", "USD"), 0.000_001);
    let segment = [("period", "24h"), ("plan", "12.50"), ("status", "retained")];
    assert_eq!(value(&report, "tenure_segment_customers", &segment), 1.0);
}
