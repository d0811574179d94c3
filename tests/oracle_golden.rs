//! The golden cases against the oracle, so that both can be believed before the engine is compared.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "the wire text and whole pages are for comparisons with the engine"
)]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use oracle::page::names;
use oracle::{cases, catalogue, evaluate, table};
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
fn every_measure_of_the_program_is_known_with_the_same_labels() {
    let listed: BTreeMap<&str, &[&str]> = catalogue::metrics().iter().copied().collect();
    for measure in MEASURES {
        let labels = listed.get(measure.name).copied();
        // How the program writes that a measure has the configured dimensions is its own affair.
        let has_dimensions = labels.is_some_and(|labels| labels.contains(&catalogue::DIMENSIONS));
        assert!(
            has_dimensions || labels == Some(measure.labels),
            "{}: {labels:?}",
            measure.name
        );
    }
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
