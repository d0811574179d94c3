//! The engine against the oracle: golden cases, random logs, and every way of delivering them.
//!
//! The engine is what the program runs: decoder, shards, evaluation, merge, report. Logs go through
//! it as JSON. No number may depend on the order of arrival, on repeats, on how customers are spread
//! over shards, or on what was pruned.

#![cfg(test)]

#[expect(dead_code, reason = "other tests use other parts of the oracle")]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use oracle::cases::cases;
use oracle::log::{Body, Fact, Log, Record};
use oracle::page::Page;
use oracle::random::{
    RandomCase, Stragglers, compare, pruned_case, random_case, shuffled, split_by_customer,
};
use oracle::settings::{DAY, Settings, StartsWith};
use oracle::table::{check, instant};
use tenure::engine::intake::take;
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::ledger::Shard;
use tenure::ledger::settings::{Better, CesMax, CesScale, FoldSettings};
use tenure::measure::partial::Partial;
use tenure::measure::pass::evaluate;
use tenure::measure::publish::{Context, reports};
use tenure::measure::question::{Question, Sections};
use tenure::measure::report::Report;
use tenure::measure::settings::{CustomerStart, EvaluationSettings};

fn fold_settings(settings: &Settings) -> FoldSettings {
    FoldSettings {
        history_millis: settings.history,
        duplicate_window_millis: settings.duplicate_window,
        dimensions: settings.dimensions.clone(),
        max_future_skew_millis: settings.max_future_skew,
        ces: CesScale {
            max: if settings.ces_max == 7 {
                CesMax::Seven
            } else {
                CesMax::Five
            },
            better: if settings.ces_high_is_better {
                Better::High
            } else {
                Better::Low
            },
        },
        ..FoldSettings::default()
    }
}

fn evaluation_settings(settings: &Settings) -> EvaluationSettings {
    EvaluationSettings {
        time_zone: TimeZone::get(&settings.time_zone).unwrap(),
        week_starts_on: match settings.week_starts_on.as_str() {
            "monday" => Weekday::Monday,
            "tuesday" => Weekday::Tuesday,
            "wednesday" => Weekday::Wednesday,
            "thursday" => Weekday::Thursday,
            "friday" => Weekday::Friday,
            "saturday" => Weekday::Saturday,
            "sunday" => Weekday::Sunday,
            other => panic!("{other} is no weekday"),
        },
        periods: settings
            .periods
            .iter()
            .map(|name| name.parse().unwrap())
            .collect(),
        customer_starts_with: match settings.customer_starts_with {
            StartsWith::Signup => CustomerStart::Signup,
            StartsWith::Purchase => CustomerStart::Purchase,
        },
        inactivity_timeout_millis: settings.inactivity_timeout,
        churn_events_complete: settings.churn_events_complete,
        customer_base_complete_since: settings
            .customer_base_complete_since
            .map(Timestamp::from_millis),
        churn_reasons: settings.churn_reasons.clone(),
        channels: settings.channels.clone(),
        max_segments: settings.max_segments,
        cohorts: settings.cohorts,
        max_label_values: settings.max_label_values,
    }
}

fn fold(log: &Log, settings: &Settings) -> Shard {
    fold_with_tombstones(log, settings, 0)
}

/// Folds a log with so many tombstones before each record, which share its timestamp: enough of
/// them make the shard believe in any leap of time at once.
fn fold_with_tombstones(log: &Log, settings: &Settings, tombstones: i64) -> Shard {
    let fold_settings = fold_settings(settings);
    let decoder = Decoder::new(fold_settings.decoding());
    let mut shard = Shard::new(Arc::new(fold_settings), 1);
    shard.start_at(0, 0);
    let mut offset = 0;
    for record in &log.records {
        let recorded_at = record.kafka_timestamp.map(Timestamp::from_millis);
        for _ in 0..tombstones {
            assert!(shard.advance(0, offset, recorded_at));
            offset += 1;
        }
        assert!(shard.advance(0, offset, recorded_at));
        assert!(
            !shard.advance(0, offset, recorded_at),
            "an offset counts once"
        );
        offset += 1;
        take(
            &mut shard,
            &decoder,
            Some(record.json().as_bytes()),
            recorded_at,
        );
    }
    shard
}

fn publish(shards: &[Shard], settings: &Settings, at: i64) -> Report {
    let question = question(at, settings);
    let mut merged = Partial::empty(&question);
    for (number, shard) in shards.iter().enumerate() {
        assert_eq!(shard.digest(), shard.digest_recomputed());
        merged.merge(&evaluate(shard, number, &question).unwrap());
    }
    // Logs of the oracle are given as a whole, and what they miss at their head beside them.
    merged.log_start = match (settings.log_starts_at_beginning, settings.log_start) {
        (true, _) => tenure::ledger::shard::LogStart::Whole,
        (false, Some(at)) => tenure::ledger::shard::LogStart::At(Timestamp::from_millis(at)),
        (false, None) => tenure::ledger::shard::LogStart::Unknown,
    };
    let fold = fold_settings(settings);
    let context = Context {
        ces: fold.ces,
        dimensions: &fold.dimensions,
        rekeyed: false,
    };
    reports(&merged, &question, context).pop().unwrap()
}

fn question(at: i64, settings: &Settings) -> Arc<Question> {
    let evaluation = Arc::new(evaluation_settings(settings));
    Arc::new(Question::at(Timestamp::from_millis(at), evaluation))
}

fn page(report: &Report) -> Page {
    let mut page = Page::default();
    for family in &report.families {
        for sample in &family.samples {
            let labels: Vec<(&str, &str)> = family.labelled(sample).collect();
            page.put(family.measure.name, &labels, sample.value);
        }
    }
    for withheld in &report.withheld {
        page.withhold(withheld.measure, withheld.reason.name());
    }
    page
}

fn engine(log: &Log, settings: &Settings, at: i64) -> Page {
    page(&publish(&[fold(log, settings)], settings, at))
}

/// Every customer in one shard only, in any of up to five.
fn sharded(log: &Log, settings: &Settings, at: i64, seed: u64) -> Page {
    let count = 1 + (seed % 5) as usize;
    let shards: Vec<Shard> = split_by_customer(log, count, seed)
        .iter()
        .map(|part| fold(part, settings))
        .collect();
    page(&publish(&shards, settings, at))
}

/// How many seeds to try: `TENURE_CASES` for a longer run.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let count = std::env::var("TENURE_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    0..count.unwrap_or(usual)
}

#[test]
fn every_golden_case_holds() {
    for case in cases() {
        check(&case, engine);
    }
}

#[test]
fn random_logs_give_the_numbers_of_the_oracle() {
    for seed in seeds(3000) {
        compare(&random_case(seed), engine);
    }
}

#[test]
fn neither_the_order_of_arrival_nor_the_split_over_shards_matters() {
    for seed in seeds(1500) {
        compare(&random_case(seed), |log, settings, at| {
            sharded(&shuffled(log, seed), settings, at, seed)
        });
    }
}

#[test]
fn a_question_of_many_instants_gets_the_reports_of_each() {
    for seed in seeds(300) {
        let case = random_case(seed);
        let shard = fold(&case.log, &case.settings);
        let evaluation = Arc::new(evaluation_settings(&case.settings));
        let around = case.instants.iter().flat_map(|at| {
            let hours = [-2000, -500, -90, -24, -1, 0, 1, 30, 700];
            hours.map(|hours| Timestamp::from_millis(at + hours * 3_600_000))
        });
        let instants: BTreeSet<Timestamp> = around.collect();
        let ask = |instants: Vec<Timestamp>| {
            let question = Question::of(instants, Sections::ALL, Arc::clone(&evaluation));
            let partial = evaluate(&shard, 0, &Arc::new(question.clone())).unwrap();
            let fold = fold_settings(&case.settings);
            let context = Context {
                ces: fold.ces,
                dimensions: &fold.dimensions,
                rekeyed: false,
            };
            reports(&partial, &question, context)
        };
        let together = ask(instants.iter().copied().collect());
        assert_eq!(together.len(), instants.len());
        for (at, report) in instants.into_iter().zip(together) {
            assert_eq!(ask(vec![at]), [report], "seed {seed} at {at}");
        }
    }
}

#[test]
fn pruning_changes_no_number_of_the_kept_history() {
    let (mut cases, mut pruned) = (0, 0);
    for seed in seeds(600) {
        for stragglers in [Stragglers::None, Stragglers::Some] {
            let case: RandomCase = pruned_case(seed, stragglers);
            compare(&case, engine);
            compare(&case, |log, settings, at| {
                page(&publish(
                    &[fold_with_tombstones(log, settings, 16)],
                    settings,
                    at,
                ))
            });
            let shard = fold_with_tombstones(&case.log, &case.settings, 16);
            let based = shard
                .customers()
                .iter()
                .any(|(row, _)| shard.customers().base(row).is_some());
            cases += 1;
            pruned += u64::from(based);
        }
    }
    assert!(
        pruned * 2 > cases,
        "facts were pruned in {pruned} of {cases} cases only"
    );
}

/// A sign-up each day, of which the oldest are no longer kept, evaluated just after and just before
/// what a measure looks back to leaves the kept history.
#[test]
fn what_looks_back_beyond_the_kept_history_is_withheld_and_nothing_else() {
    const LATEST: &str = "tenure_event_latest_timestamp_seconds";
    const USUAL_GAP: &str = "tenure_event_usual_gap_seconds";
    const WEEK_AGO: &str = "tenure_event_week_ago_span_seconds";
    const EXPECTED: &str = "tenure_departures_expected";
    let start = instant("2026-01-01");
    let mut log = Log::default();
    for day in 0..200 {
        let at = start + day * DAY;
        let fact = Fact {
            customer: format!("c{}", day % 3),
            at,
            id: format!("e{day}"),
            body: Body::Signup,
            attributes: BTreeMap::new(),
        };
        let record = Record {
            kafka_timestamp: Some(at),
            fact,
            spelling: 0,
        };
        log.records.push(record);
    }
    let settings = Settings {
        periods: ["24h", "7d"].map(str::to_owned).to_vec(),
        churn_events_complete: true,
        history: 100 * DAY,
        ..Settings::default()
    };
    let shards = [fold_with_tombstones(&log, &settings, 16)];
    let line = shards[0].prune_line().unwrap().as_millis();
    assert!(line > start + 90 * DAY);
    let both = ["24h", "7d"].as_slice();
    for (days, earlier, withheld, expected) in [
        (35, 0, &[][..], both),
        (35, 1, &[EXPECTED, LATEST, WEEK_AGO], &["24h"]),
        (29, 0, &[EXPECTED, LATEST, WEEK_AGO], &["24h"]),
        (29, 1, &[EXPECTED, LATEST, WEEK_AGO], &[]),
        (28, 0, &[EXPECTED, LATEST, WEEK_AGO], &[]),
        (28, 1, &[EXPECTED, LATEST, USUAL_GAP, WEEK_AGO], &[]),
    ] {
        let at = line + days * DAY - earlier;
        let page = page(&publish(&shards, &settings, at));
        let whole = oracle::evaluate(&log, &settings, at);
        let all = [EXPECTED, LATEST, USUAL_GAP, WEEK_AGO];
        let of = |metric: &str| -> Vec<&String> {
            let series = page.series.keys();
            series.filter(|name| name.starts_with(metric)).collect()
        };
        for metric in all {
            let told = (metric.to_owned(), "history_too_short".to_owned());
            let is_withheld = withheld.contains(&metric);
            assert_eq!(
                page.withheld.contains(&told),
                is_withheld,
                "{metric} {days}"
            );
            let shown =
                metric == EXPECTED && !expected.is_empty() || metric != EXPECTED && !is_withheld;
            let published = of(metric);
            assert!(
                published.is_empty() != shown || metric == WEEK_AGO,
                "{metric} {days}"
            );
            for name in published {
                assert_eq!(
                    page.series.get(name),
                    whole.series.get(name),
                    "{name} {days}"
                );
            }
        }
        assert_eq!(of(EXPECTED).len(), 2 * expected.len(), "{days}");
    }
}

#[test]
fn the_digest_does_not_depend_on_the_order_of_arrival() {
    for seed in seeds(300) {
        let case = random_case(seed);
        let digests = [
            &case.log,
            &shuffled(&case.log, seed),
            &shuffled(&case.log, !seed),
        ]
        .map(|log| fold(log, &case.settings).digest());
        assert!(
            digests.iter().all(|digest| *digest == digests[0]),
            "seed {seed}"
        );
    }
}

/// Partials of the shards of random logs, all of one instant.
fn partials(seed: u64) -> Vec<Partial> {
    let case = random_case(seed);
    let question = question(case.instants[0], &case.settings);
    let parts = split_by_customer(&case.log, 3, seed);
    let partial = |(number, log): (usize, &Log)| {
        evaluate(&fold(log, &case.settings), number, &question).unwrap()
    };
    parts.iter().enumerate().map(partial).collect()
}

fn merged(empty: &Partial, parts: &[&Partial]) -> Partial {
    let mut sum = empty.clone();
    for part in parts {
        sum.merge(part);
    }
    sum
}

#[test]
fn merging_is_addition() {
    for seed in seeds(300) {
        let case = random_case(seed);
        let empty = Partial::empty(&question(case.instants[0], &case.settings));
        let parts = partials(seed);
        let [a, b, c] = [&parts[0], &parts[1], &parts[2]];
        let merged = |parts: &[&Partial]| merged(&empty, parts);
        assert_eq!(
            merged(&[a]),
            *a,
            "the empty partial is no identity, seed {seed}"
        );
        assert_eq!(
            merged(&[a, b]),
            merged(&[b, a]),
            "the order matters, seed {seed}"
        );
        let left = merged(&[&merged(&[a, b]), c]);
        let right = merged(&[a, &merged(&[b, c])]);
        assert_eq!(left, right, "the brackets matter, seed {seed}");
    }
}
