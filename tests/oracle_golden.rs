//! The golden cases against the oracle, so that both can be believed before the engine is compared.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "the wire text and whole pages are for comparisons with the engine"
)]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use oracle::{cases, evaluate, table};
use tenure::measure::MEASURES;

#[test]
fn the_oracle_agrees_with_every_golden_case() {
    for case in cases::cases() {
        table::check(&case, evaluate);
    }
}

#[test]
fn golden_cases_have_names_of_their_own() {
    let cases = cases::cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
}

#[test]
fn the_oracle_publishes_exactly_the_catalogue() {
    let full = table::read(
        "everything",
        "
        2026-06-08 a,b signup
        2026-06-10 a churn price
        2026-06-10 a nps 9
        2026-06-10 a csat 5
        2026-06-10 a ces 2
        at 2026-06-10T12:00
        page customers=1
        ",
    );
    let (at, _) = full.expectations[0];
    let page = evaluate(&full.log, &full.settings, at);

    let mut published: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for name in page.series.keys() {
        let (metric, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels = labels
            .split(',')
            .filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        let seen = published.entry(metric.to_owned()).or_default();
        seen.insert(labels.collect());
    }
    let catalogue: BTreeMap<String, BTreeSet<Vec<String>>> = MEASURES
        .iter()
        .map(|measure| {
            let labels = measure.labels.iter().map(|label| (*label).to_owned());
            (
                measure.name.to_owned(),
                BTreeSet::from([labels.collect::<Vec<_>>()]),
            )
        })
        .collect();
    assert_eq!(published, catalogue);
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
            set periods=24h
            2026-06-01 a,b signup
            2026-06-09T12:00 a churn price
            2026-06-09T12:00 a csat 4
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
    ] {
        assert!(!notice(right), "{right}");
    }
    for wrong in [
        "24h reasons=none",
        "24h reasons=price:2",
        "24h reasons=price:1,moved:1",
        "page withheld=no_churn_source",
        "24h csat=absent",
        "24h csat_lower=~0.208",
        "24h nps=0",
        "24h N=1",
        "24h retention=0.5000001",
    ] {
        assert!(notice(wrong), "{wrong}");
    }
}
