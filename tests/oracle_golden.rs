//! The golden cases against the oracle, so that both can be believed before the engine is compared.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "the wire text and whole pages are for comparisons with the engine"
)]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use oracle::log::{Body, Fact, Log, Record};
use oracle::page::{names, series};
use oracle::settings::{DAY, Settings};
use oracle::{cases, catalogue, evaluate, table};

#[test]
fn the_oracle_agrees_with_every_golden_case() {
    for case in cases::cases() {
        table::check(&case, evaluate);
    }
}

/// The worked example of the documentation: a purchase at every full ten minutes, then none.
#[test]
fn a_source_is_silent_once_the_same_time_a_week_ago_held_thirty_events() {
    const MINUTE: i64 = 60_000;
    let at = table::instant("2026-06-29");
    let mut log = Log::default();
    for silent in [6, 4] {
        let last = at - silent * 60 * MINUTE;
        log.records.clear();
        for number in 0..40 * 144 {
            let fact = Fact {
                customer: format!("c{}", number % 7),
                at: last - number * 10 * MINUTE,
                id: format!("e{number}"),
                body: Body::Purchase {
                    micros: 1,
                    currency: "EUR".to_owned(),
                },
                attributes: BTreeMap::new(),
            };
            log.records.push(Record {
                kafka_timestamp: None,
                fact,
                spelling: 0,
            });
        }
        let page = evaluate(&log, &Settings::default(), at);
        let of = |metric: &str| page.series[&series(metric, &[("event", "purchase")])];
        let latest = of("tenure_event_latest_timestamp_seconds");
        let gap = of("tenure_event_usual_gap_seconds");
        let span = of("tenure_event_week_ago_span_seconds");
        assert_eq!(latest, last as f64 / 1000.0);
        assert_eq!(span, 18_000.0);
        let purchases = 28 * 144 - silent * 6 + 1;
        assert_eq!(gap, (28 * DAY / 1000) as f64 / purchases as f64);
        let nothing_since = at as f64 / 1000.0 - latest;
        assert!(nothing_since > 6.0 * gap);
        assert_eq!(nothing_since > span, silent == 6);
    }
}

#[test]
fn golden_cases_have_names_of_their_own() {
    let cases = cases::cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
}

#[test]
fn the_golden_cases_show_every_metric_with_exactly_its_labels() {
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for case in cases::cases() {
        for (at, _) in &case.expectations {
            let page = evaluate(&case.log, &case.settings, *at);
            for series in page.series.keys() {
                let (metric, labels) = names(series);
                let listed = catalogue::labels(&metric, &case.settings.dimensions);
                assert_eq!(Some(labels), listed, "{}: {series}", case.name);
                shown.insert(metric);
            }
        }
    }
    let listed: BTreeSet<String> = catalogue::metrics()
        .iter()
        .map(|(metric, _)| (*metric).to_owned())
        .collect();
    assert_eq!(listed.len(), catalogue::metrics().len());
    assert_eq!(shown, listed);
}

#[test]
#[should_panic(expected = "24h S=2")]
fn a_wrong_number_is_noticed() {
    let case = table::read(
        "wrong",
        "
        2026-06-01 a signup
        at 2026-06-10
        24h S=2 E=1
        ",
    );
    table::check(&case, evaluate);
}

#[test]
fn every_way_to_be_wrong_is_noticed() {
    let notice = |numbers: &'static str| {
        let text = format!(
            "
            set periods=24h dimensions=plan
            2026-06-01 a,b signup @plan=pro
            2026-06-09T12:00 a churn price
            2026-06-09T12:00 a csat 4 channel=web
            2026-06-09T13:00 b purchase amount=2.5
            at 2026-06-10
            {numbers}
            "
        );
        let case = table::read("wrong", &text);
        let checked = std::panic::catch_unwind(|| table::check(&case, evaluate));
        checked.is_err()
    };
    for right in [
        "24h reasons=price:1",
        "page withheld=none",
        "24h csat=1 csat_lower=~0.207 nps=absent N=0 retention=1/2",
        "24h orders=EUR:1 revenue=EUR:2.5 segment_revenue=pro/EUR:5/2",
        "24h segments=pro:1+1+0+0 channels=web:0+1+0 channel_nps=none",
        "page cohorts=2026-06:2 cells=none lifetime=EUR:~2.5 withheld_cohorts=none",
        "24h expected_departures=none",
        "page latest=signup:1780272000,churn:1781006400,survey_submitted:1781006400,purchase:1781010000",
        "page usual_gap=signup:1209600,churn:2419200,survey_submitted:2419200,purchase:2419200",
    ] {
        assert!(!notice(right), "{right}");
    }
    for wrong in [
        "24h reasons=none",
        "24h reasons=price:2",
        "24h reasons=price:1,moved:1",
        "page withheld=no_churn_source",
        "page withheld_cohorts=no_churn_source",
        "page withheld_segments=base_incomplete",
        "24h csat=absent",
        "24h csat_lower=~0.208",
        "24h nps=0",
        "24h N=1",
        "24h retention=0.5000001",
        "24h orders=none",
        "24h orders=EUR:2",
        "24h orders=EUR:1,TRY:0",
        "24h revenue=EUR:2.500001",
        "24h segments=pro:1+1+0+1",
        "24h segments=free:1+1+0+0",
        "24h segment_revenue=pro/TRY:2.5",
        "24h channels=none",
        "24h channels=web:1+0+0",
        "24h channel_nps=web:0",
        "page cohorts=2026-06:1",
        "page cells=2026-06/00:1",
        "page lifetime=EUR:~2.4",
        "24h expected_departures=churn:0,inactivity:0",
        "page withheld_expected=base_incomplete",
        "page latest=signup:1780272000",
        "page usual_gap=signup:2419200,churn:2419200,survey_submitted:2419200,purchase:2419200",
        "page week_ago=signup:0",
    ] {
        assert!(notice(wrong), "{wrong}");
    }
}
