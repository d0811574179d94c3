//! The golden cases against the oracle, so that both can be believed before the engine is compared.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "the wire text and whole pages are for comparisons with the engine"
)]
mod oracle;

use std::collections::BTreeSet;

use oracle::page::names;
use oracle::{cases, catalogue, evaluate, table};

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
    ] {
        assert!(notice(wrong), "{wrong}");
    }
}
