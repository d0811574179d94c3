//! The oracle and its random logs against themselves: laws that hold whatever the log.
//!
//! They would catch an oracle that is wrong in a way no golden case shows, and a generator that
//! has become too tame to find anything.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "the golden cases are checked by a test of their own"
)]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use oracle::evaluate;
use oracle::kept::{kept, known_before, rejected};
use oracle::log::{Body, Fact, Log, Record, Survey};
use oracle::page::{Page, agree, series};
use oracle::period::interval;
use oracle::random::{
    Dice, RandomCase, Stragglers, batches, compare, pruned_case, random_case, reach, shuffled,
    smallest, split_by_customer,
};
use oracle::settings::{Settings, StartsWith};
use oracle::spell;
use serde_json::value::RawValue;

const SEEDS: std::ops::Range<u64> = 0..200;

fn all_kinds() -> impl Iterator<Item = RandomCase> {
    SEEDS.flat_map(|seed| {
        [
            random_case(seed),
            pruned_case(seed, Stragglers::None),
            pruned_case(seed, Stragglers::Some),
        ]
    })
}

fn value(page: &Page, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
    page.series.get(&series(metric, labels)).copied()
}

#[test]
fn a_seed_decides_everything() {
    for seed in SEEDS {
        assert_eq!(random_case(seed), random_case(seed));
        assert_ne!(random_case(seed), random_case(seed + 1));
        let pruned = pruned_case(seed, Stragglers::Some);
        assert_eq!(pruned, pruned_case(seed, Stragglers::Some));
    }
}

#[test]
fn parts_add_up_and_ratios_stay_within_their_bounds() {
    for case in all_kinds() {
        for at in &case.instants {
            let page = evaluate(&case.log, &case.settings, *at);
            for name in &case.settings.periods {
                check_laws(&page, name, *at, &case);
            }
        }
    }
}

fn check_laws(page: &Page, name: &str, at: i64, case: &RandomCase) {
    let seed = case.seed;
    let period = [("period", name)];
    let count = |metric| value(page, metric, &period).expect("a count is always there");
    let ratio = |metric: &str| value(page, metric, &period);
    let labelled = |metric, label, text| {
        value(page, metric, &[("period", name), (label, text)]).expect("a closed label")
    };
    let part = |status| labelled("tenure_period_customers", "status", status);

    let at_start = count("tenure_customers_at_start");
    let at_end = count("tenure_customers_at_end");
    let (new, retained) = (part("new"), part("retained"));
    assert_eq!(at_start, retained + part("lost"), "seed {seed} {name}");
    assert_eq!(at_end, retained + new + part("reactivated"), "seed {seed}");
    let early_churn = count("tenure_early_churn_customers");
    assert_eq!(
        count("tenure_joined_customers"),
        new + early_churn,
        "seed {seed} {name}"
    );
    if interval(name, at, &case.settings).t1 == at {
        assert_eq!(
            Some(at_end),
            value(page, "tenure_customers", &[]),
            "seed {seed} {name}"
        );
    }

    if let Some(retention) = ratio("tenure_retention_ratio") {
        let churn = ratio("tenure_churn_ratio").expect("churn goes with retention");
        assert!((0.0..=1.0).contains(&retention), "seed {seed} {name}");
        assert!(
            agree("a_ratio", retention + churn, 1.0),
            "seed {seed} {name}"
        );
    }
    if let Some(departure) = ratio("tenure_departure_ratio") {
        assert!((0.0..=1.0).contains(&departure), "seed {seed} {name}");
    }
    for (metric, scale) in [("tenure_nps_score", 100.0), ("tenure_csat_ratio", 1.0)] {
        if let Some(middle) = ratio(metric) {
            let lower = ratio(&format!("{metric}_lower")).expect("a bound");
            let upper = ratio(&format!("{metric}_upper")).expect("a bound");
            // Wilson's bound of a share of 0 or 1 is that share, up to rounding.
            assert!(
                lower <= middle + 1e-12 && middle <= upper + 1e-12,
                "seed {seed} {name}"
            );
            assert!(lower >= -scale && upper <= scale, "seed {seed} {name}");
        }
    }
}

#[test]
fn who_is_active_can_be_told_without_spells() {
    for case in all_kinds() {
        for at in &case.instants {
            let facts = known_before(&case.log, &case.settings, *at);
            let active = customers(&facts)
                .into_iter()
                .filter(|customer| active_by_last_events(&facts, customer, *at, &case.settings))
                .count();
            let page = evaluate(&case.log, &case.settings, *at);
            let published = value(&page, "tenure_customers", &[]);
            assert_eq!(published, Some(active as f64), "seed {} at {at}", case.seed);
        }
    }
}

/// The last activity is not over by timeout, and no churn came after it.
fn active_by_last_events(facts: &[Fact], customer: &str, at: i64, settings: &Settings) -> bool {
    let theirs = || {
        facts
            .iter()
            .filter(|fact| fact.customer == customer && fact.at < at)
    };
    let activities = theirs().filter(|fact| match fact.body {
        Body::Signup => settings.customer_starts_with == StartsWith::Signup,
        Body::Purchase { .. } => true,
        _ => false,
    });
    let Some(last_activity) = activities.map(|fact| fact.at).max() else {
        return false;
    };
    let gone =
        theirs().any(|fact| matches!(fact.body, Body::Churn { .. }) && fact.at > last_activity);
    let timed_out = settings
        .inactivity_timeout
        .is_some_and(|timeout| at > last_activity + timeout);
    !gone && !timed_out
}

fn customers(facts: &[Fact]) -> BTreeSet<&str> {
    facts.iter().map(|fact| fact.customer.as_str()).collect()
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    for case in all_kinds() {
        let other = shuffled(&case.log, case.seed);
        compare(&case, |_, settings, at| evaluate(&other, settings, at));
    }
}

#[test]
fn repeats_change_nothing() {
    for case in all_kinds() {
        compare(&case, |log, settings, at| {
            let mut once: Vec<Record> = Vec::new();
            for record in &log.records {
                let repeat = once
                    .iter()
                    .any(|earlier| earlier.fact == record.fact && !rejected(earlier, settings));
                if !repeat {
                    once.push(record.clone());
                }
            }
            let mut twice = log.clone();
            twice.records.extend(log.records.iter().cloned());
            let again = evaluate(&twice, settings, at);
            let without = evaluate(&Log { records: once }, settings, at);
            assert_eq!(again.differences(&without), Vec::<String>::new());
            again
        });
    }
}

#[test]
fn what_happens_at_or_after_an_instant_changes_nothing_at_it() {
    for case in SEEDS.map(random_case) {
        compare(&case, |log, settings, at| {
            let mut longer = log.clone();
            for (number, customer) in ["42", "c-a", "nobody else"].into_iter().enumerate() {
                longer.records.push(Record {
                    kafka_timestamp: None,
                    fact: Fact {
                        customer: customer.to_owned(),
                        at: at + number as i64,
                        id: "later".to_owned(),
                        body: Body::Churn { reason: None },
                        attributes: BTreeMap::from([("plan".to_owned(), "later".to_owned())]),
                    },
                    spelling: 0,
                });
            }
            evaluate(&longer, settings, at)
        });
    }
}

#[test]
fn counts_of_shards_add_up_to_those_of_the_whole() {
    for case in all_kinds() {
        let mut settings = case.settings.clone();
        // Which reasons, channels, segments and months are shown is decided on the whole.
        settings.max_label_values = usize::MAX;
        settings.max_segments = usize::MAX;
        settings.cohorts = usize::MAX;
        for at in &case.instants {
            let whole = evaluate(&case.log, &settings, *at);
            let mut sums: BTreeMap<String, f64> = BTreeMap::new();
            for shard in split_by_customer(&case.log, 3, case.seed) {
                for (name, value) in counts(&evaluate(&shard, &settings, *at)) {
                    *sums.entry(name).or_default() += value;
                }
            }
            assert_eq!(sums, counts(&whole), "seed {} at {at}", case.seed);
        }
    }
}

fn counts(page: &Page) -> BTreeMap<String, f64> {
    let series = page
        .series
        .iter()
        .map(|(name, value)| (name.clone(), *value));
    let counted = |name: &str| {
        let metric = name.split('{').next().unwrap_or_default();
        [
            "_customers",
            "_responses",
            "_departures",
            "_start",
            "_end",
            "_orders",
        ]
        .iter()
        .any(|suffix| metric.ends_with(suffix))
    };
    series.filter(|(name, _)| counted(name)).collect()
}

#[test]
fn a_split_keeps_customers_together_and_batches_keep_everything() {
    for case in all_kinds() {
        let shards = split_by_customer(&case.log, 3, case.seed);
        let homes: Vec<BTreeSet<&str>> = shards
            .iter()
            .map(|shard| {
                shard
                    .records
                    .iter()
                    .map(|record| record.fact.customer.as_str())
                    .collect()
            })
            .collect();
        for (index, home) in homes.iter().enumerate() {
            assert!(
                homes[index + 1..]
                    .iter()
                    .all(|other| home.is_disjoint(other))
            );
        }
        let records: usize = shards.iter().map(|shard| shard.records.len()).sum();
        assert_eq!(records, case.log.records.len());
        assert_eq!(batches(&case.log, case.seed).concat(), case.log.records);
        assert_eq!(shuffled(&case.log, 1).records.len(), case.log.records.len());
    }
}

#[test]
fn a_failing_log_becomes_as_small_as_it_can_be() {
    let case = random_case(7);
    let fails = |log: &Log| {
        let churns = log
            .records
            .iter()
            .filter(|record| matches!(record.fact.body, Body::Churn { .. }));
        churns.count() >= 2
    };
    assert!(fails(&case.log) && case.log.records.len() > 2);
    let small = smallest(&case.log, fails);
    assert!(fails(&small));
    assert_eq!(small.records.len(), 2);
}

#[test]
fn an_engine_that_is_wrong_is_found() {
    type Mistake = fn(&Log, &Settings, i64) -> Page;
    let mistakes: [(&str, Mistake); 5] = [
        ("events at the instant count", |log, settings, at| {
            let mut page = evaluate(log, settings, at + 1);
            page.withheld = evaluate(log, settings, at).withheld;
            page
        }),
        ("repeats count twice", |log, settings, at| {
            let mut records = log.records.clone();
            for (number, record) in records.iter_mut().enumerate() {
                record.fact.id = number.to_string();
            }
            evaluate(&Log { records }, settings, at)
        }),
        ("the last to arrive wins", |log, settings, at| {
            let mut log = log.clone();
            log.records.reverse();
            evaluate(&log, settings, at)
        }),
        ("days are those of UTC", |log, settings, at| {
            let time_zone = "UTC".to_owned();
            evaluate(
                log,
                &Settings {
                    time_zone,
                    ..settings.clone()
                },
                at,
            )
        }),
        ("the timeout is a millisecond late", |log, settings, at| {
            let inactivity_timeout = settings.inactivity_timeout.map(|timeout| timeout + 1);
            evaluate(
                log,
                &Settings {
                    inactivity_timeout,
                    ..settings.clone()
                },
                at,
            )
        }),
    ];
    for (name, mistake) in mistakes {
        let found = SEEDS.clone().map(random_case).any(|case| {
            case.instants.iter().any(|at| {
                let right = evaluate(&case.log, &case.settings, *at);
                !right
                    .differences(&mistake(&case.log, &case.settings, *at))
                    .is_empty()
            })
        });
        assert!(found, "{name}");
    }
}

#[test]
#[should_panic(expected = "seed 3, at ")]
fn a_difference_names_its_seed() {
    compare(&random_case(3), |_, _, _| Page::default());
}

#[test]
fn pruned_cases_ask_about_kept_history_and_have_older_facts() {
    let (mut older, mut too_late) = (0, 0);
    for seed in SEEDS {
        for stragglers in [Stragglers::None, Stragglers::Some] {
            let case = pruned_case(seed, stragglers);
            let newest = case
                .log
                .records
                .iter()
                .filter_map(|record| record.kafka_timestamp)
                .max();
            let line = newest.expect("Kafka timestamps") - case.settings.history;
            for at in &case.instants {
                let reach = reach(&case.log, &case.settings, *at);
                assert!(*at >= line && reach >= line, "seed {seed} at {at}");
            }
            assert!(!case.instants.is_empty(), "seed {seed}");
            let old = |record: &&Record| record.fact.at < line;
            older += usize::from(case.log.records.iter().any(|record| old(&record)));
            let late = records_behind_the_line(&case);
            assert!(
                stragglers == Stragglers::Some || late == 0,
                "seed {seed}: {late}"
            );
            too_late += usize::from(late > 0);
        }
    }
    assert!(
        older > 360,
        "{older} of 400 logs have facts before the line"
    );
    assert!(
        too_late > 50,
        "{too_late} of 200 logs have records that come too late"
    );
}

/// Records whose event was older than the prune line when they arrived.
fn records_behind_the_line(case: &RandomCase) -> usize {
    let mut newest = i64::MIN;
    let mut behind = 0;
    for record in &case.log.records {
        newest = newest.max(record.kafka_timestamp.unwrap_or(i64::MIN));
        let line = newest.saturating_sub(case.settings.history);
        behind += usize::from(record.fact.at < line);
    }
    behind
}

/// How often the generator reaches what is nasty, over all seeds.
#[test]
fn random_logs_are_nasty() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for case in SEEDS.map(random_case) {
        for trait_of_it in traits(&case) {
            *seen.entry(trait_of_it).or_default() += 1;
        }
    }
    for (name, least_percent) in [
        ("two steps at one instant", 80),
        ("a churn and an activity at one instant", 70),
        ("a step at t0", 30),
        ("a step at t1", 50),
        ("a step at last activity plus timeout", 10),
        ("a repeat", 70),
        ("a conflict", 30),
        ("a twin", 60),
        ("rejected for its score", 60),
        ("rejected for the future", 15),
        ("no Kafka timestamps", 15),
        ("answers to every survey", 40),
        ("withheld no_churn_source", 4),
        ("withheld base_incomplete", 15),
        ("withheld for one period and not for another", 3),
        ("other", 6),
        ("inactivity", 40),
        ("reactivated", 30),
        ("early churn", 25),
        ("retention between 0 and 1", 10),
    ] {
        let count = seen.get(name).copied().unwrap_or_default();
        let least = least_percent * SEEDS.count() / 100;
        assert!(count >= least, "{name}: {count} logs, wanted {least}");
    }
}

fn traits(case: &RandomCase) -> BTreeSet<&'static str> {
    let mut traits = BTreeSet::new();
    let mut add = |name, holds: bool| {
        if holds {
            traits.insert(name);
        }
    };
    let (records, settings) = (&case.log.records, &case.settings);
    let facts: Vec<Fact> = kept(&case.log, settings).into_iter().collect();
    let is_step = |fact: &Fact| !matches!(fact.body, Body::Survey { .. });
    let is_churn = |fact: &Fact| matches!(fact.body, Body::Churn { .. });
    for (left, right) in pairs(&facts) {
        let together = left.customer == right.customer && left.at == right.at;
        let steps = together && is_step(left) && is_step(right);
        add("two steps at one instant", steps);
        add(
            "a churn and an activity at one instant",
            steps && is_churn(left) != is_churn(right),
        );
        add("a twin", together && left.body == right.body);
        let timeout = settings.inactivity_timeout.unwrap_or(i64::MAX);
        let apart = right.at.abs_diff(left.at) == timeout.unsigned_abs();
        let same = left.customer == right.customer && is_step(left) && is_step(right);
        add("a step at last activity plus timeout", same && apart);
    }
    for (left, right) in pairs(records) {
        let id = |record: &Record| (record.fact.customer.clone(), record.fact.id.clone());
        let valid = !rejected(left, settings) && !rejected(right, settings);
        add("a repeat", valid && left.fact == right.fact);
        add(
            "a conflict",
            valid && id(left) == id(right) && left.fact != right.fact,
        );
    }
    for record in records.iter().filter(|record| rejected(record, settings)) {
        let untimed = Record {
            kafka_timestamp: None,
            ..record.clone()
        };
        add("rejected for the future", !rejected(&untimed, settings));
        let survey = matches!(record.fact.body, Body::Survey { .. });
        add(
            "rejected for its score",
            survey && rejected(&untimed, settings),
        );
    }
    add(
        "no Kafka timestamps",
        records
            .iter()
            .all(|record| record.kafka_timestamp.is_none()),
    );
    let answered = |wanted| {
        facts
            .iter()
            .any(|fact| matches!(fact.body, Body::Survey { survey, .. } if survey == wanted))
    };
    add(
        "answers to every survey",
        [Survey::Nps, Survey::Csat, Survey::Ces]
            .into_iter()
            .all(answered),
    );
    for at in &case.instants {
        let page = evaluate(&case.log, settings, *at);
        for name in &settings.periods {
            let interval = interval(name, *at, settings);
            add(
                "a step at t0",
                facts
                    .iter()
                    .any(|fact| is_step(fact) && fact.at == interval.t0),
            );
            add(
                "a step at t1",
                facts
                    .iter()
                    .any(|fact| is_step(fact) && fact.at == interval.t1),
            );
        }
        let positive = |part: &str| {
            page.series
                .iter()
                .any(|(name, value)| name.contains(part) && *value > 0.0)
        };
        add("other", positive("reason=\"other\""));
        add("inactivity", positive("reason=\"inactivity\""));
        add("reactivated", positive("reactivated"));
        add("early churn", positive("early_churn"));
        let between = |(name, value): (&String, &f64)| {
            name.starts_with("tenure_retention_ratio") && *value > 0.0 && *value < 1.0
        };
        add("retention between 0 and 1", page.series.iter().any(between));
        let withheld = |reason: &str| page.withheld.iter().any(|(_, text)| text == reason);
        add("withheld no_churn_source", withheld("no_churn_source"));
        add("withheld base_incomplete", withheld("base_incomplete"));
        let published = positive("tenure_retention_ratio");
        add(
            "withheld for one period and not for another",
            withheld("base_incomplete") && published,
        );
    }
    traits
}

fn pairs<T>(all: &[T]) -> impl Iterator<Item = (&T, &T)> {
    let with_later = move |index: usize| {
        all[index + 1..]
            .iter()
            .map(move |right| (&all[index], right))
    };
    (0..all.len()).flat_map(with_later)
}

#[test]
fn spells_never_overlap_and_never_are_empty() {
    for case in all_kinds() {
        let facts: Vec<Fact> = kept(&case.log, &case.settings).into_iter().collect();
        for customer in customers(&facts) {
            let theirs = facts.iter().filter(|fact| fact.customer == customer);
            let spells = spell::spells(theirs, &case.settings);
            for (index, spell) in spells.iter().enumerate() {
                let to = spell.end.as_ref().map_or(i64::MAX, |end| end.to);
                assert!(spell.from < to, "seed {}", case.seed);
                assert!(spell::active(&spells, spell.from + 1));
                if let Some(next) = spells.get(index + 1) {
                    assert!(to <= next.from, "seed {}", case.seed);
                }
            }
        }
    }
}

#[test]
fn the_wire_text_says_what_the_fact_says() {
    for case in all_kinds() {
        for record in &case.log.records {
            let text = record.json();
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let customer = match &json["customer_id"] {
                serde_json::Value::String(name) => name.clone(),
                number => number.to_string(),
            };
            let at = match &json["occurred_at"] {
                serde_json::Value::String(time) => time
                    .parse::<jiff::Timestamp>()
                    .expect("an instant")
                    .as_nanosecond()
                    .div_euclid(1_000_000),
                number => i128::from(number.as_i64().expect("milliseconds")),
            };
            assert_eq!(customer, record.fact.customer, "{text}");
            assert_eq!(at, i128::from(record.fact.at), "{text}");
            assert_eq!(json["event_id"], record.fact.id, "{text}");
            assert_eq!(body(&json, &text), record.fact.body, "{text}");
            assert_eq!(attributes(&text), record.fact.attributes, "{text}");
        }
    }
}

/// Reads the wire text back, the dull way.
fn body(json: &serde_json::Value, json_text: &str) -> Body {
    let text = |field: &str| {
        let text = json[field].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    match json["type"].as_str() {
        Some("signup") => Body::Signup,
        Some("purchase") => {
            let amount = members(json_text)["amount"].get();
            Body::Purchase {
                micros: micros(amount.trim_matches('"')),
                currency: text("currency").expect("a currency"),
            }
        }
        Some("churn") => Body::Churn {
            reason: text("reason"),
        },
        _ => Body::Survey {
            survey: match json["survey"].as_str() {
                Some("nps") => Survey::Nps,
                Some("csat") => Survey::Csat,
                _ => Survey::Ces,
            },
            score: json["score"].as_i64().expect("a score"),
            channel: text("channel"),
        },
    }
}

/// The text of each member of an object.
fn members(json: &str) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(json).expect("an object")
}

/// Rounded, since no text of ours lies in the middle.
fn micros(amount: &str) -> u64 {
    if let Some(micros) = amount.strip_suffix("e-6") {
        return micros.parse().expect("digits");
    }
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = format!("{whole}{:.6}", format!("{decimals:0<6}"));
    let round_up = decimals.chars().nth(6).is_some_and(|digit| digit >= '5');
    digits.parse::<u64>().expect("digits") + u64::from(round_up)
}

/// The attributes that have a value, by the text of numbers and booleans.
fn attributes(json: &str) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let all = members(json)
        .get("attributes")
        .map_or("null", |raw| raw.get());
    let all: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(all).expect("an object");
    for (name, value) in all.unwrap_or_default() {
        let text = match value.get().as_bytes()[0] {
            b'"' => serde_json::from_str(value.get()).expect("a text"),
            b'n' | b'[' | b'{' => continue,
            _ => value.get().to_owned(),
        };
        if !text.is_empty() && ["plan", "country", "tier_2"].contains(&name.as_str()) {
            attributes.insert(name, text);
        }
    }
    attributes
}

#[test]
fn dice_reach_every_number_below_their_bound() {
    let mut dice = Dice::new(1);
    let numbers: BTreeSet<u64> = (0..200).map(|_| dice.below(7)).collect();
    assert_eq!(numbers, (0..7).collect());
}
