//! Tables: events in, numbers out, as text.
//!
//! ```text
//! set periods=24h,last_month timeout=30d          settings that differ from the table's defaults
//! # a remark
//! 2026-06-01T12:00 a1..a3,b churn price           time in UTC, customers, what happened to each
//! at 2026-07-01                                   the instant of the numbers that follow
//! page customers=3 withheld=none                  numbers of the whole page
//! 24h S=4 E=3 retention=3/4 reasons=price:1       numbers of one period
//! ```
//!
//! Events: `signup`, `purchase`, `churn [REASON]`, `nps SCORE`, `csat SCORE`, `ces SCORE`. Each may
//! be followed by `id=ID` (one of its own otherwise), `kafka=TIME`, `channel=TEXT`,
//! `amount=12.50` (10 otherwise), `currency=CODE` (EUR otherwise), and `@plan=pro`, an attribute.
//!
//! Numbers: `3`, `0.7`, `3/4`, `absent`, or `~0.2553`, which is right to the digits shown.
//!
//! Words with open labels list every series there is, or say `none`: `reasons=price:1,moved:2`,
//! `orders=EUR:4,TRY:1`, `group_revenue=promoter/EUR:40,none/EUR:10` (several labels in the order of
//! the page). Where a closed label ends the series, its values stand together, in the order of the
//! definition: `segments=pro/TR:3+1+0+0` are retained, lost, new and reactivated, `channels=web:1+0+2`
//! are answers to NPS, CSAT and CES.
//!
//! `withheld` lists every reason for which the ratios of retention, churn and departures of some
//! period are withheld, with those by NPS group, and by segment where there are dimensions.
//! `withheld_value` does so for the expected lifetime value, `withheld_expected` for the expected
//! departures, `withheld_cohorts` for the cohorts.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue;
use super::log::{Body, Fact, Log, Record, Survey};
use super::page::{Page, agree, series};
use super::period::length;
use super::settings::{Settings, StartsWith};

/// A log, how it is read, and the numbers that come out at some instants.
pub struct Case {
    pub name: &'static str,
    pub settings: Settings,
    pub log: Log,
    pub expectations: Vec<(i64, Expectation)>,
}

/// What a table says about a page.
#[derive(Debug)]
pub enum Expectation {
    /// The sum of these series, or none of them.
    Number {
        text: String,
        series: Vec<String>,
        number: Number,
    },
    /// All the series of a metric, of one period where it has periods.
    Listing {
        text: String,
        /// How the names of all these series begin.
        prefix: String,
        series: BTreeMap<String, Number>,
    },
    /// All the reasons for which these metrics are withheld.
    Withheld {
        text: String,
        metrics: Vec<&'static str>,
        reasons: BTreeSet<String>,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum Number {
    Absent,
    Exactly(f64),
    /// With the largest distance that rounds to the same digits.
    Rounded(f64, f64),
}

/// Compares what `engine` makes of the case with what the table says, and panics where they differ.
pub fn check(case: &Case, engine: impl Fn(&Log, &Settings, i64) -> Page) {
    let instants: BTreeSet<i64> = case.expectations.iter().map(|(at, _)| *at).collect();
    let pages: BTreeMap<i64, Page> = instants
        .into_iter()
        .map(|at| (at, engine(&case.log, &case.settings, at)))
        .collect();
    let complaints: Vec<String> = case
        .expectations
        .iter()
        .filter_map(|(at, expectation)| complaint(expectation, &pages[at]))
        .collect();
    assert!(
        complaints.is_empty(),
        "{}:\n{}",
        case.name,
        complaints.join("\n")
    );
}

fn complaint(expectation: &Expectation, page: &Page) -> Option<String> {
    match expectation {
        Expectation::Number {
            text,
            series,
            number,
        } => {
            let values: Vec<f64> = series
                .iter()
                .filter_map(|name| page.series.get(name).copied())
                .collect();
            let right = match number {
                Number::Absent => values.is_empty(),
                _ => {
                    let all_there = values.len() == series.len();
                    all_there && fits(&series[0], values.iter().sum(), *number)
                }
            };
            (!right).then(|| format!("  {text}: {series:?} is {values:?}"))
        }
        Expectation::Listing {
            text,
            prefix,
            series,
        } => {
            let found: BTreeMap<&String, f64> = page
                .series
                .iter()
                .filter(|(name, _)| name.starts_with(prefix))
                .map(|(name, value)| (name, *value))
                .collect();
            let right = found.len() == series.len()
                && series.iter().all(|(name, number)| {
                    let value = found.get(name);
                    value.is_some_and(|value| fits(name, *value, *number))
                });
            (!right).then(|| format!("  {text}: found {found:?}"))
        }
        Expectation::Withheld {
            text,
            metrics,
            reasons,
        } => {
            let found = |metric: &str| -> BTreeSet<String> {
                let of_metric = page.withheld.iter().filter(|(name, _)| name == metric);
                of_metric.map(|(_, reason)| reason.clone()).collect()
            };
            let right = metrics.iter().all(|metric| found(metric) == *reasons)
                && page
                    .withheld
                    .iter()
                    .all(|(metric, _)| catalogue::labels(metric, &[]).is_some());
            (!right).then(|| format!("  {text}: withheld is {:?}", page.withheld))
        }
    }
}

fn fits(series: &str, value: f64, number: Number) -> bool {
    match number {
        Number::Absent => false,
        Number::Exactly(wanted) => agree(series, value, wanted),
        Number::Rounded(wanted, distance) => (value - wanted).abs() <= distance,
    }
}

/// Reads the text of a case. Its settings are the usual ones, with `24h` as the only period.
pub fn read(name: &'static str, text: &str) -> Case {
    let mut case = Case {
        name,
        settings: Settings {
            periods: vec!["24h".to_owned()],
            ..Settings::default()
        },
        log: Log::default(),
        expectations: Vec::new(),
    };
    let mut at = None;
    let lines = text.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "set" => words[1..]
                .iter()
                .for_each(|word| set(&mut case.settings, word)),
            "at" => at = Some(instant(words[1])),
            first if first.contains('-') => {
                assert!(at.is_none(), "{name}: events come before numbers: {line}");
                event(&words, &mut case.log);
            }
            period => {
                let at = at.expect("numbers come after the line `at`");
                let known = period == "page" || case.settings.periods.iter().any(|p| p == period);
                assert!(known, "{name}: no such period: {line}");
                for word in &words[1..] {
                    let expectation = expectation(period, word, &case.settings);
                    case.expectations.push((at, expectation));
                }
            }
        }
    }
    assert!(!case.expectations.is_empty(), "{name}: expects nothing");
    case
}

fn pair(word: &str) -> (&str, &str) {
    word.split_once('=').expect("key=value")
}

/// Milliseconds since 1970 of `2026-06-01`, `2026-06-01T12:00`, `2026-06-01T12:00:00.001`, in UTC.
pub fn instant(text: &str) -> i64 {
    let civil: jiff::civil::DateTime = text.parse().expect("a date, or a date and a time");
    let zoned = civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .expect("an instant of our centuries");
    zoned.timestamp().as_millisecond()
}

fn set(settings: &mut Settings, word: &str) {
    let (key, value) = pair(word);
    let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
    match key {
        "zone" => settings.time_zone = value.to_owned(),
        "week" => settings.week_starts_on = value.to_owned(),
        "periods" => settings.periods = list(),
        "starts_with" => {
            settings.customer_starts_with = match value {
                "signup" => StartsWith::Signup,
                "purchase" => StartsWith::Purchase,
                _ => panic!("no start of a customer: {value}"),
            };
        }
        "timeout" => settings.inactivity_timeout = Some(length(value)),
        "churn_events" => settings.churn_events_complete = value == "complete",
        "base_complete_since" => settings.customer_base_complete_since = Some(instant(value)),
        "reasons" => settings.churn_reasons = list(),
        "dimensions" => settings.dimensions = list(),
        "max_segments" => settings.max_segments = value.parse().expect("a count"),
        "channels" => settings.channels = list(),
        "cohorts" => settings.cohorts = value.parse().expect("a count"),
        "max_label_values" => settings.max_label_values = value.parse().expect("a count"),
        "ces_max" => settings.ces_max = value.parse().expect("5 or 7"),
        "ces_better" => settings.ces_high_is_better = value == "high",
        "history" => settings.history = length(value),
        "duplicate_window" => settings.duplicate_window = length(value),
        "max_future_skew" => settings.max_future_skew = length(value),
        "from_the_beginning" => settings.log_starts_at_beginning = value == "yes",
        "log_start" => settings.log_start = Some(instant(value)),
        _ => panic!("no setting: {key}"),
    }
}

fn event(words: &[&str], log: &mut Log) {
    let (named, plain): (Vec<&str>, Vec<&str>) =
        words.iter().copied().partition(|word| word.contains('='));
    let named: BTreeMap<&str, &str> = named.into_iter().map(pair).collect();
    for key in named.keys() {
        let known = ["id", "kafka", "channel", "amount", "currency"].contains(key);
        assert!(known || key.starts_with('@'), "no part of an event: {key}");
    }
    let attributes: BTreeMap<String, String> = named
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix('@')?.to_owned(), (*value).to_owned())))
        .collect();
    let text = |key: &str| named.get(key).map(|value| (*value).to_owned());
    let score = || plain[3].parse().expect("a score");
    let survey = |survey| Body::Survey {
        survey,
        score: score(),
        channel: text("channel"),
    };
    let body = match plain[2] {
        "signup" => Body::Signup,
        "purchase" => Body::Purchase {
            micros: micros(named.get("amount").unwrap_or(&"10")),
            currency: text("currency").unwrap_or("EUR".to_owned()),
        },
        "churn" => Body::Churn {
            reason: plain.get(3).map(|reason| (*reason).to_owned()),
        },
        "nps" => survey(Survey::Nps),
        "csat" => survey(Survey::Csat),
        "ces" => survey(Survey::Ces),
        kind => panic!("no such event: {kind}"),
    };
    for customer in customers(plain[1]) {
        let number = log.records.len() as u64;
        log.records.push(Record {
            kafka_timestamp: named.get("kafka").map(|time| instant(time)),
            fact: Fact {
                customer,
                at: instant(plain[0]),
                id: text("id").unwrap_or_else(|| format!("event-{number}")),
                body: body.clone(),
                attributes: attributes.clone(),
            },
            spelling: number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        });
    }
}

/// The millionths of `12.5`.
fn micros(text: &str) -> u64 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{decimals:0<6}");
    digits.parse().expect("an amount of at most six decimals")
}

/// `a,b1..b3` is a, b1, b2, b3.
fn customers(text: &str) -> Vec<String> {
    let mut customers = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            None => customers.push(part.to_owned()),
            Some((first, last)) => {
                let digits = |text: &str| -> usize {
                    let number = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
                    number.parse().expect("a number after the letters")
                };
                let letters = first.trim_end_matches(|letter: char| letter.is_ascii_digit());
                let numbers = digits(first)..=digits(last);
                customers.extend(numbers.map(|number| format!("{letters}{number}")));
            }
        }
    }
    customers
}

fn expectation(period: &str, word: &str, settings: &Settings) -> Expectation {
    let (key, value) = pair(word);
    let text = format!("{period} {word}");
    if let Some(metrics) = withheld_together(key, settings) {
        let reasons = value.split(',').filter(|reason| *reason != "none");
        return Expectation::Withheld {
            text,
            metrics,
            reasons: reasons.map(str::to_owned).collect(),
        };
    }
    if let Some((_, metric, closed)) = LISTINGS.iter().find(|(word, ..)| *word == key) {
        return listing(text, metric, *closed, period, value, settings);
    }
    Expectation::Number {
        text,
        series: named_series(period, key),
        number: number(value),
    }
}

/// The metrics that are withheld for the same reasons.
fn withheld_together(key: &str, settings: &Settings) -> Option<Vec<&'static str>> {
    match key {
        "withheld" => {
            let mut metrics = vec![
                "tenure_retention_ratio",
                "tenure_churn_ratio",
                "tenure_departure_ratio",
                "tenure_nps_group_retention_ratio",
            ];
            if !settings.dimensions.is_empty() {
                metrics.push("tenure_segment_retention_ratio");
            }
            Some(metrics)
        }
        "withheld_expected" => Some(vec!["tenure_departures_expected"]),
        "withheld_value" => Some(vec!["tenure_expected_lifetime_value"]),
        "withheld_cohorts" => Some(vec!["tenure_cohort_retention_ratio"]),
        // Where there are no dimensions: never.
        "withheld_segments" => Some(vec!["tenure_segment_retention_ratio"]),
        _ => None,
    }
}

/// A word, the metric of which it lists all series, and the values of a closed label that stand
/// together, with its name.
type Listing = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static [&'static str])>,
);

const LISTINGS: &[Listing] = &[
    ("reasons", "tenure_departures", None),
    ("expected_departures", "tenure_departures_expected", None),
    (
        "channels",
        "tenure_channel_responses",
        Some(("survey", &["nps", "csat", "ces"])),
    ),
    ("channel_groups", "tenure_channel_nps_responses", None),
    ("channel_nps", "tenure_channel_nps_response_score", None),
    ("channel_csat", "tenure_channel_csat_ratio", None),
    ("channel_ces", "tenure_channel_ces_mean_score", None),
    ("orders", "tenure_orders", None),
    ("revenue", "tenure_revenue", None),
    ("average", "tenure_average_order_value", None),
    ("repeat_revenue", "tenure_repeat_revenue_ratio", None),
    ("lifetime", "tenure_customer_lifetime_value", None),
    ("expected", "tenure_expected_lifetime_value", None),
    (
        "groups",
        "tenure_nps_group_customers",
        Some(("status", &["retained", "lost"])),
    ),
    ("group_retention", "tenure_nps_group_retention_ratio", None),
    ("group_revenue", "tenure_nps_group_revenue", None),
    (
        "group_revenue_each",
        "tenure_nps_group_revenue_per_customer",
        None,
    ),
    (
        "scored",
        "tenure_scored_customers",
        Some(("score", &["low", "fine"])),
    ),
    ("low_score", "tenure_low_score_ratio", None),
    (
        "segments",
        "tenure_segment_customers",
        Some(("status", &["retained", "lost", "new", "reactivated"])),
    ),
    ("segment_retention", "tenure_segment_retention_ratio", None),
    ("segment_groups", "tenure_segment_nps_customers", None),
    ("segment_nps", "tenure_segment_nps_score", None),
    ("segment_orders", "tenure_segment_orders", None),
    ("segment_revenue", "tenure_segment_revenue", None),
    ("cohorts", "tenure_cohort_customers", None),
    ("cells", "tenure_cohort_retention_ratio", None),
    ("latest", "tenure_event_latest_timestamp_seconds", None),
    ("usual_gap", "tenure_event_usual_gap_seconds", None),
    ("week_ago", "tenure_event_week_ago_span_seconds", None),
];

/// `pro/TR:3+1+0+0,free/TR:0+0+1+0`
fn listing(
    text: String,
    metric: &str,
    closed: Option<(&str, &[&str])>,
    period: &str,
    value: &str,
    settings: &Settings,
) -> Expectation {
    let names = catalogue::labels(metric, &settings.dimensions).expect("a metric");
    let by_period = names.first().is_some_and(|name| name == "period");
    assert_eq!(by_period, period != "page", "{text}");
    let closed_name = closed.map_or("", |(name, _)| name);
    let open_names: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| *name != "period" && *name != closed_name)
        .collect();

    let mut expected = BTreeMap::new();
    for part in value.split(',').filter(|part| *part != "none") {
        let (open, numbers) = part.rsplit_once(':').expect("labels:number");
        let open: Vec<&str> = open.split('/').collect();
        assert_eq!(open.len(), open_names.len(), "{text}");
        let mut values: BTreeMap<&str, &str> = open_names.iter().copied().zip(open).collect();
        values.insert("period", period);
        let closed_values = closed.map_or(&[""][..], |(_, values)| values);
        let numbers: Vec<&str> = numbers.split('+').collect();
        assert_eq!(numbers.len(), closed_values.len(), "{text}");
        for (closed_value, text) in closed_values.iter().zip(numbers) {
            values.insert(closed_name, closed_value);
            let labels: Vec<(&str, &str)> = names
                .iter()
                .map(|name| (name.as_str(), values[name.as_str()]))
                .collect();
            expected.insert(series(metric, &labels), number(text));
        }
    }
    let prefix = if by_period {
        format!("{metric}{{period=\"{period}\"")
    } else {
        format!("{metric}{{")
    };
    Expectation::Listing {
        text,
        prefix,
        series: expected,
    }
}

fn number(text: &str) -> Number {
    if text == "absent" {
        return Number::Absent;
    }
    if let Some((part, whole)) = text.split_once('/') {
        let [part, whole] = [part, whole].map(|text| text.parse::<f64>().expect("a number"));
        return Number::Exactly(part / whole);
    }
    if let Some(rounded) = text.strip_prefix('~') {
        let decimals = rounded
            .split_once('.')
            .map_or(0, |(_, digits)| digits.len());
        let distance = 0.5 * 0.1_f64.powi(decimals as i32) + 1e-12;
        return Number::Rounded(rounded.parse().expect("a number"), distance);
    }
    Number::Exactly(text.parse().expect("a number"))
}

/// The series that a word of the table stands for; more than one are added.
fn named_series(period: &str, key: &str) -> Vec<String> {
    let of_period = |metric: &str| series(metric, &[("period", period)]);
    let labelled = |metric: &str, label: &str, value: &str| {
        series(metric, &[("period", period), (label, value)])
    };
    let status = |value: &str| labelled("tenure_period_customers", "status", value);
    let one = match key {
        "N" => return vec![status("new"), status("reactivated")],
        "customers" => "tenure_customers".to_owned(),
        "S" => of_period("tenure_customers_at_start"),
        "E" => of_period("tenure_customers_at_end"),
        "retained" | "lost" | "new" | "reactivated" => status(key),
        "retention" => of_period("tenure_retention_ratio"),
        "churn" => of_period("tenure_churn_ratio"),
        "joined" => of_period("tenure_joined_customers"),
        "early" => of_period("tenure_early_churn_customers"),
        "departure" => of_period("tenure_departure_ratio"),
        "promoter" | "passive" | "detractor" => labelled("tenure_nps_customers", "group", key),
        "nps" => of_period("tenure_nps_score"),
        "nps_lower" => of_period("tenure_nps_score_lower"),
        "nps_upper" => of_period("tenure_nps_score_upper"),
        "response_score" => of_period("tenure_nps_response_score"),
        "csat" => of_period("tenure_csat_ratio"),
        "csat_lower" => of_period("tenure_csat_ratio_lower"),
        "csat_upper" => of_period("tenure_csat_ratio_upper"),
        "csat_mean" => of_period("tenure_csat_mean_score"),
        "ces_mean" => of_period("tenure_ces_mean_score"),
        "low_effort" => of_period("tenure_ces_low_effort_ratio"),
        "change" => of_period("tenure_nps_change_score"),
        "change_error" => of_period("tenure_nps_change_standard_error"),
        "first_time" | "returning" => labelled("tenure_ordering_customers", "buyer", key),
        "repeating" => of_period("tenure_repeat_ordering_customers"),
        "orders_each" => of_period("tenure_orders_per_customer"),
        "repeat_purchase" => of_period("tenure_repeat_purchase_ratio"),
        "returning_buyers" => of_period("tenure_returning_buyers_ratio"),
        "reorder_base" => of_period("tenure_reorder_base_customers"),
        "reorder" => of_period("tenure_reorder_ratio"),
        _ => match key.split_once(':') {
            Some(("responses", group)) => labelled("tenure_nps_responses", "group", group),
            Some(("csat", rating)) => labelled("tenure_csat_responses", "rating", rating),
            Some(("ces", rating)) => labelled("tenure_ces_responses", "rating", rating),
            Some(("answered", survey)) => {
                labelled("tenure_survey_customers_ratio", "survey", survey)
            }
            Some(("dormant", days)) => series("tenure_dormant_customers", &[("for", days)]),
            Some(("scale", scale)) => scale_series(scale),
            _ => panic!("no number is called {key}"),
        },
    };
    vec![one]
}

/// `ces,1,5,low`
fn scale_series(text: &str) -> String {
    let values: Vec<&str> = text.split(',').collect();
    let names = ["survey", "min", "max", "better"];
    let labels: Vec<(&str, &str)> = names.into_iter().zip(values).collect();
    series("tenure_survey_scale_info", &labels)
}
