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

use oracle::kept::{kept, known_before, rejected, seen};
use oracle::log::{Body, Fact, Log, Record, Survey};
use oracle::page::{Page, agree, names, series};
use oracle::period::{Month, interval};
use oracle::random::{
    Dice, RandomCase, Stragglers, batches, compare, pruned_case, random_case, reach, shuffled,
    smallest, split_by_customer,
};
use oracle::retention::{has_expectation, weeks_before};
use oracle::settings::{DAY, Settings, StartsWith};
use oracle::spell;
use oracle::{catalogue, evaluate};
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

/// Fewer of them, for laws that need many pages of each.
fn some_of_all_kinds() -> impl Iterator<Item = RandomCase> {
    all_kinds().take(180)
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
                check_sums(&page, name, &case);
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

/// The sum over all series of a metric with these labels among theirs.
fn sum(page: &Page, metric: &str, labels: &[(&str, &str)]) -> f64 {
    let of_metric = |name: &str| name.split('{').next() == Some(metric);
    let wanted: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    page.series
        .iter()
        .filter(|(name, _)| of_metric(name) && wanted.iter().all(|label| name.contains(label)))
        .map(|(_, value)| value)
        .sum()
}

/// Whatever customers, answers and orders are split by, the parts are the whole.
fn check_sums(page: &Page, name: &str, case: &RandomCase) {
    let seed = case.seed;
    let total = |metric: &str, label: &str, value: &str| {
        sum(page, metric, &[("period", name), (label, value)])
    };
    let segmented = !case.settings.dimensions.is_empty();
    for status in ["retained", "lost", "new", "reactivated"] {
        let part = total("tenure_period_customers", "status", status);
        if segmented {
            let segments = total("tenure_segment_customers", "status", status);
            assert_eq!(segments, part, "seed {seed} {name} {status}");
        }
        if ["retained", "lost"].contains(&status) {
            let groups = total("tenure_nps_group_customers", "status", status);
            assert_eq!(groups, part, "seed {seed} {name} {status}");
            let scored = total("tenure_scored_customers", "status", status);
            assert!(scored <= part, "seed {seed} {name} {status}");
        }
    }
    for group in ["promoter", "passive", "detractor"] {
        let responses = total("tenure_nps_responses", "group", group);
        let channels = total("tenure_channel_nps_responses", "group", group);
        assert_eq!(channels, responses, "seed {seed} {name} {group}");
        if segmented {
            let customers = total("tenure_nps_customers", "group", group);
            let segments = total("tenure_segment_nps_customers", "group", group);
            assert_eq!(segments, customers, "seed {seed} {name} {group}");
        }
    }
    for survey in ["nps", "csat", "ces"] {
        let metric = format!("tenure_{survey}_responses");
        let responses = sum(page, &metric, &[("period", name)]);
        let channels = total("tenure_channel_responses", "survey", survey);
        assert_eq!(channels, responses, "seed {seed} {name} {survey}");
        let share = value(
            page,
            "tenure_survey_customers_ratio",
            &[("period", name), ("survey", survey)],
        );
        assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
    }
    for currency in ["EUR", "TRY", "USD"] {
        let revenue = total("tenure_revenue", "currency", currency);
        let repeated = total("tenure_repeat_revenue_ratio", "currency", currency);
        assert!((0.0..=1.0).contains(&repeated), "seed {seed} {name}");
        let groups = total("tenure_nps_group_revenue", "currency", currency);
        assert!(groups <= revenue * (1.0 + 1e-12), "seed {seed} {name}");
        if segmented {
            let orders = total("tenure_orders", "currency", currency);
            let segments = total("tenure_segment_orders", "currency", currency);
            assert_eq!(segments, orders, "seed {seed} {name} {currency}");
            let segments = total("tenure_segment_revenue", "currency", currency);
            assert!(agree("a_revenue", segments, revenue), "seed {seed} {name}");
        }
    }
    let ordering = sum(page, "tenure_ordering_customers", &[("period", name)]);
    let repeating = sum(
        page,
        "tenure_repeat_ordering_customers",
        &[("period", name)],
    );
    let orders = sum(page, "tenure_orders", &[("period", name)]);
    let each = sum(page, "tenure_orders_per_customer", &[("period", name)]);
    assert!(
        repeating <= ordering && ordering + repeating <= orders,
        "seed {seed} {name}"
    );
    assert!(
        agree("a_ratio", each * ordering, orders),
        "seed {seed} {name}"
    );
}

#[test]
fn every_series_is_of_a_listed_metric_with_exactly_its_labels() {
    for case in all_kinds() {
        for at in &case.instants {
            for series in evaluate(&case.log, &case.settings, *at).series.keys() {
                let (metric, labels) = names(series);
                let listed = catalogue::labels(&metric, &case.settings.dimensions);
                assert_eq!(Some(labels), listed, "seed {}: {series}", case.seed);
            }
        }
    }
}

#[test]
fn what_a_period_is_compared_with_is_a_period_of_an_earlier_page() {
    let (mut changes, mut bases) = (0, 0);
    for case in some_of_all_kinds() {
        for at in &case.instants {
            let page = evaluate(&case.log, &case.settings, *at);
            for name in &case.settings.periods {
                let period = [("period", name.as_str())];
                let interval = interval(name, *at, &case.settings);
                if let Some(base) = value(&page, "tenure_reorder_base_customers", &period) {
                    let settings = Settings {
                        periods: vec![name.clone()],
                        ..case.settings.clone()
                    };
                    let before = evaluate(&case.log, &settings, interval.t0);
                    let ordering = sum(&before, "tenure_ordering_customers", &period);
                    assert_eq!(base, ordering, "seed {} {name}", case.seed);
                    bases += usize::from(base > 0.0);
                }
                if let Some(change) = value(&page, "tenure_nps_change_score", &period) {
                    let days = 28 * 24 * 60 * 60;
                    let seconds = days.max(2 * (interval.t1 - interval.t0) / 1000);
                    let baseline = format!("{seconds}s");
                    let settings = Settings {
                        periods: vec![baseline.clone()],
                        ..case.settings.clone()
                    };
                    let before = evaluate(&case.log, &settings, interval.t0);
                    let before = sum(&before, "tenure_nps_score", &[("period", &baseline)]);
                    let now = sum(&page, "tenure_nps_score", &period);
                    assert!(agree("a_score", change, now - before), "seed {}", case.seed);
                    changes += 1;
                }
            }
        }
    }
    assert!(
        bases > 100 && changes > 50,
        "{bases} bases, {changes} changes"
    );
}

#[test]
fn what_is_expected_is_the_mean_of_what_four_earlier_pages_told() {
    let mut expected = 0;
    for case in some_of_all_kinds() {
        for at in &case.instants {
            let page = evaluate(&case.log, &case.settings, *at);
            for name in &case.settings.periods {
                let of = |source| {
                    let labels = [("period", name.as_str()), ("source", source)];
                    value(&page, "tenure_departures_expected", &labels)
                };
                let (Some(churn), Some(inactivity)) = (of("churn"), of("inactivity")) else {
                    assert_eq!(of("churn"), of("inactivity"), "both or none");
                    continue;
                };
                let (mut all, mut timeouts) = (0.0, 0.0);
                for weeks in 1..=4 {
                    let earlier = at - weeks * 7 * DAY;
                    let earlier = evaluate(&case.log, &case.settings, earlier);
                    let period = ("period", name.as_str());
                    let metric = "tenure_departures";
                    all += sum(&earlier, metric, &[period]);
                    timeouts += sum(&earlier, metric, &[period, ("reason", "inactivity")]);
                }
                assert_eq!(inactivity, timeouts / 4.0, "seed {} {name}", case.seed);
                assert_eq!(churn, (all - timeouts) / 4.0, "seed {} {name}", case.seed);
                expected += usize::from(all > 0.0);
            }
        }
    }
    assert!(expected > 40, "{expected} expectations");
}

#[test]
fn silence_is_told_by_pages_of_other_instants_too() {
    let (mut stretches, mut gaps) = (0, 0);
    for case in some_of_all_kinds() {
        for at in &case.instants {
            let ago = |millis: i64| evaluate(&case.log, &case.settings, at - millis);
            let page = ago(0);
            for event in ["signup", "purchase", "churn", "survey_submitted"] {
                let label = [("event", event)];
                let of =
                    |page, metric: &str| value(page, &format!("tenure_event_{metric}"), &label);
                let latest = of(&page, "latest_timestamp_seconds");
                if let Some(gap) = of(&page, "usual_gap_seconds") {
                    // As many events as fit, the newest of them within those 28 days.
                    let events = 28.0 * 86_400.0 / gap;
                    assert!((events - events.round()).abs() < 1e-6, "seed {}", case.seed);
                    let silent = *at as f64 / 1000.0 - latest.expect("there is an event");
                    assert!(
                        silent > 0.0 && silent <= 28.0 * 86_400.0,
                        "seed {}",
                        case.seed
                    );
                    gaps += 1;
                }
                if let Some(span) = of(&page, "week_ago_span_seconds") {
                    // A week ago, that many events had just come.
                    let before = ago(7 * DAY);
                    let latest = of(&before, "latest_timestamp_seconds").expect("30 events");
                    let silent = (at - 7 * DAY) as f64 / 1000.0 - latest;
                    assert!(0.0 < silent && silent <= span, "seed {}", case.seed);
                    let gap = of(&before, "usual_gap_seconds").expect("30 events");
                    assert!(gap <= 28.0 * 86_400.0 / 30.0, "seed {}", case.seed);
                    stretches += 1;
                }
            }
        }
    }
    assert!(
        stretches > 30 && gaps > 500,
        "{stretches} stretches, {gaps} gaps"
    );
}

#[test]
fn the_newest_cells_of_all_cohorts_are_the_customers_at_the_end_of_that_month() {
    let mut checked = 0;
    for case in some_of_all_kinds() {
        let settings = Settings {
            cohorts: usize::MAX,
            churn_events_complete: true,
            log_starts_at_beginning: true,
            customer_base_complete_since: None,
            ..case.settings.clone()
        };
        for at in &case.instants {
            let page = evaluate(&case.log, &settings, *at);
            let mut newest: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
            for (name, share) in &page.series {
                let Some(labels) = name.strip_prefix("tenure_cohort_retention_ratio") else {
                    continue;
                };
                let labels: Vec<&str> = labels.split('"').collect();
                let cell = (labels[3].parse().expect("a number"), *share);
                let last = newest.entry(labels[1]).or_insert(cell);
                if cell.0 > last.0 {
                    *last = cell;
                }
            }
            let active: f64 = newest
                .iter()
                .map(|(month, (_, share))| {
                    share * sum(&page, "tenure_cohort_customers", &[("cohort", month)])
                })
                .sum();
            let end = Month::of(*at, &settings).start(&settings);
            let at_end = evaluate(&case.log, &settings, end);
            let customers = sum(&at_end, "tenure_customers", &[]);
            assert!(
                agree("a_ratio", active, customers),
                "seed {} at {at}",
                case.seed
            );
            checked += usize::from(active > 0.0);
        }
    }
    assert!(checked > 300, "{checked} instants with customers");
}

#[test]
fn how_many_label_values_are_shown_changes_no_total() {
    for case in some_of_all_kinds() {
        let few = Settings {
            max_label_values: 1,
            max_segments: 1,
            ..case.settings.clone()
        };
        let many = Settings {
            max_label_values: usize::MAX,
            max_segments: usize::MAX,
            ..case.settings.clone()
        };
        for at in &case.instants {
            let few = counts(&evaluate(&case.log, &few, *at));
            let many = counts(&evaluate(&case.log, &many, *at));
            let open = ["reason", "channel", "plan", "country", "tier_2"];
            assert_eq!(
                without_labels(&few, &open),
                without_labels(&many, &open),
                "seed {} at {at}",
                case.seed
            );
        }
    }
}

/// The sums of series that differ in nothing but the values of these labels; none of zeros.
fn without_labels(series: &BTreeMap<String, f64>, labels: &[&str]) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (name, value) in series.iter().filter(|(_, value)| **value != 0.0) {
        let mut rest = name.clone();
        for label in labels {
            if let Some((before, after)) = rest.clone().split_once(&format!("{label}=\"")) {
                // A value has neither of the two letters that could end it too early.
                let after = after.replace("\\\\", "").replace("\\\"", "");
                let (_, after) = after.split_once('"').expect("a quote at the end");
                rest = format!("{before}{after}");
            }
        }
        *sums.entry(rest).or_default() += value;
    }
    sums
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
    for case in some_of_all_kinds() {
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
    let mistakes: [(&str, Mistake); 9] = [
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
        ("attributes of answers are nothing", |log, settings, at| {
            let mut log = log.clone();
            for record in &mut log.records {
                if matches!(record.fact.body, Body::Survey { .. }) {
                    record.fact.attributes.clear();
                }
            }
            evaluate(&log, settings, at)
        }),
        ("amounts are cut to whole units", |log, settings, at| {
            let mut log = log.clone();
            for record in &mut log.records {
                if let Body::Purchase { micros, .. } = &mut record.fact.body {
                    *micros -= *micros % 1_000_000;
                }
            }
            evaluate(&log, settings, at)
        }),
        ("a segment too many is shown", |log, settings, at| {
            let max_segments = settings.max_segments + 1;
            evaluate(
                log,
                &Settings {
                    max_segments,
                    ..settings.clone()
                },
                at,
            )
        }),
        ("dimensions go by name", |log, settings, at| {
            let mut dimensions = settings.dimensions.clone();
            dimensions.sort();
            evaluate(
                log,
                &Settings {
                    dimensions,
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
    let (mut older, mut too_late, mut at_the_line) = (0, 0, 0);
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
                at_the_line += usize::from(reach == line);
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
        at_the_line > 150,
        "{at_the_line} instants need just what is kept, and no more"
    );
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
        ("a repeat with other attributes", 20),
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
        ("orders of one customer at one instant", 60),
        (
            "orders at one instant that differ in the currency alone",
            15,
        ),
        ("two values of a dimension at one instant", 40),
        ("a value at t0 or t1", 30),
        ("a score 90 days before an end", 15),
        ("low scores of the lost", 10),
        ("a change", 15),
        ("a segment that is not shown", 20),
        ("two segments with customers", 20),
        ("a channel that is not shown", 15),
        ("two currencies in a period", 25),
        ("repeat revenue between 0 and 1", 20),
        ("reorder ratio between 0 and 1", 5),
        ("an expected value", 8),
        ("revenue of a group", 15),
        ("a cell between 0 and 1", 15),
        ("cohorts withheld", 5),
        ("cohorts left out", 10),
        ("expected departures", 8),
        ("a departure on the bound of a week before", 4),
        ("a stretch of a week ago", 8),
        ("events of one type and one customer at one instant", 60),
        ("an event 7, 28 or 35 days before the instant", 30),
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
        add(
            "events of one type and one customer at one instant",
            together && left.body.event_type() == right.body.event_type(),
        );
        if let (
            Body::Purchase { micros, currency },
            Body::Purchase {
                micros: other_micros,
                currency: other_currency,
            },
        ) = (&left.body, &right.body)
        {
            add("orders of one customer at one instant", together);
            add(
                "orders at one instant that differ in the currency alone",
                together && micros == other_micros && currency != other_currency,
            );
        }
        for name in &settings.dimensions {
            let (value, other) = (left.attributes.get(name), right.attributes.get(name));
            let differ = value.is_some() && other.is_some() && value != other;
            add(
                "two values of a dimension at one instant",
                together && differ,
            );
        }
        let score = |fact: &Fact| matches!(fact.body, Body::Survey { .. });
        let days = (right.at - left.at).abs() == 90 * 24 * 3_600_000;
        let same_customer = left.customer == right.customer;
        add(
            "a score 90 days before an end",
            same_customer
                && days
                && score(left) != score(right)
                && (is_churn(left) || is_churn(right)),
        );
        let timeout = settings.inactivity_timeout.unwrap_or(i64::MAX);
        let apart = right.at.abs_diff(left.at) == timeout.unsigned_abs();
        let same = left.customer == right.customer && is_step(left) && is_step(right);
        add("a step at last activity plus timeout", same && apart);
    }
    for (left, right) in pairs(records) {
        let id = |record: &Record| (record.fact.customer.clone(), record.fact.id.clone());
        let valid = !rejected(left, settings) && !rejected(right, settings);
        let seen_fact = |record: &Record| seen(&record.fact, settings);
        let same = valid && seen_fact(left) == seen_fact(right);
        add("a repeat", same);
        add(
            "a repeat with other attributes",
            same && left.fact != right.fact,
        );
        add(
            "a conflict",
            valid && id(left) == id(right) && seen_fact(left) != seen_fact(right),
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
                "a value at t0 or t1",
                facts.iter().any(|fact| {
                    let looked_at = |name| fact.attributes.contains_key(name);
                    let at_bound = fact.at == interval.t0 || fact.at == interval.t1;
                    at_bound && settings.dimensions.iter().any(looked_at)
                }),
            );
            let currencies = facts.iter().filter(|fact| interval.contains(fact.at));
            let currencies: BTreeSet<&str> = currencies
                .filter_map(|fact| match &fact.body {
                    Body::Purchase { currency, .. } => Some(currency.as_str()),
                    _ => None,
                })
                .collect();
            add("two currencies in a period", currencies.len() > 1);
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
        let between = |metric: &str| {
            let between = |(name, value): (&String, &f64)| {
                name.starts_with(metric) && *value > 0.0 && *value < 1.0
            };
            page.series.iter().any(between)
        };
        add(
            "retention between 0 and 1",
            between("tenure_retention_ratio"),
        );
        add(
            "repeat revenue between 0 and 1",
            between("tenure_repeat_revenue_ratio"),
        );
        add(
            "reorder ratio between 0 and 1",
            between("tenure_reorder_ratio"),
        );
        add(
            "a cell between 0 and 1",
            between("tenure_cohort_retention_ratio"),
        );
        add(
            "low scores of the lost",
            positive("status=\"lost\",score=\"low\""),
        );
        add("a change", positive("tenure_nps_change_standard_error"));
        add(
            "an expected value",
            positive("tenure_expected_lifetime_value"),
        );
        add(
            "expected departures",
            positive("tenure_departures_expected"),
        );
        add("a stretch of a week ago", positive("week_ago_span"));
        let ago = |fact: &Fact| [7, 28, 35].contains(&((*at - fact.at) / DAY));
        add(
            "an event 7, 28 or 35 days before the instant",
            facts
                .iter()
                .any(|fact| ago(fact) && (*at - fact.at) % DAY == 0),
        );
        let weekly = settings.periods.iter().filter(|name| has_expectation(name));
        let bounds: Vec<i64> = weekly
            .flat_map(|name| weeks_before(interval(name, *at, settings)))
            .flat_map(|window| [window.t0, window.t1])
            .collect();
        add(
            "a departure on the bound of a week before",
            facts
                .iter()
                .any(|fact| is_churn(fact) && bounds.contains(&fact.at)),
        );
        add("revenue of a group", positive("tenure_nps_group_revenue{"));
        add("a channel that is not shown", positive("channel=\"other\""));
        let all = evaluate(
            &case.log,
            &Settings {
                max_segments: usize::MAX,
                cohorts: usize::MAX,
                ..settings.clone()
            },
            *at,
        );
        let count = |page: &Page, metric: &str| {
            page.series
                .keys()
                .filter(|name| name.starts_with(metric))
                .count()
        };
        let segments = count(&page, "tenure_segment_customers{");
        add("two segments with customers", segments > 4);
        add(
            "a segment that is not shown",
            count(&all, "tenure_segment_customers{") > segments,
        );
        add(
            "cohorts left out",
            count(&all, "tenure_cohort_customers{") > count(&page, "tenure_cohort_customers{"),
        );
        let metrics: BTreeSet<&str> = page
            .withheld
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        add(
            "cohorts withheld",
            metrics.contains("tenure_cohort_retention_ratio"),
        );
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
