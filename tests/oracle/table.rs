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
//! `reasons` lists every reason of the period, `withheld` every reason for which the three ratios
//! of retention, churn and departures are withheld; both are `none` where there is nothing.

use std::collections::{BTreeMap, BTreeSet};

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
    /// All the departures of a period: series and their values.
    Departures {
        period: String,
        departures: BTreeMap<String, f64>,
    },
    /// All that is withheld: metric and reason.
    Withheld(BTreeSet<(String, String)>),
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
                Number::Exactly(wanted) => {
                    values.len() == series.len() && agree(&series[0], values.iter().sum(), *wanted)
                }
                Number::Rounded(wanted, distance) => {
                    values.len() == series.len()
                        && (values.iter().sum::<f64>() - wanted).abs() <= *distance
                }
            };
            (!right).then(|| format!("  {text}: {series:?} is {values:?}"))
        }
        Expectation::Departures { period, departures } => {
            let prefix = format!("tenure_departures{{period=\"{period}\",");
            let found: BTreeMap<String, f64> = page
                .series
                .iter()
                .filter(|(name, _)| name.starts_with(&prefix))
                .map(|(name, value)| (name.clone(), *value))
                .collect();
            (found != *departures)
                .then(|| format!("  {departures:?} wanted, departures are {found:?}"))
        }
        Expectation::Withheld(withheld) => (page.withheld != *withheld)
            .then(|| format!("  {withheld:?} wanted, withheld is {:?}", page.withheld)),
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
                    case.expectations.push((at, expectation(period, word)));
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

fn expectation(period: &str, word: &str) -> Expectation {
    let (key, value) = pair(word);
    match key {
        "withheld" => Expectation::Withheld(withheld(value)),
        "reasons" => Expectation::Departures {
            period: period.to_owned(),
            departures: departures(period, value),
        },
        _ => Expectation::Number {
            text: format!("{period} {word}"),
            series: named_series(period, key),
            number: number(value),
        },
    }
}

fn withheld(reasons: &str) -> BTreeSet<(String, String)> {
    let ratios = [
        "tenure_retention_ratio",
        "tenure_churn_ratio",
        "tenure_departure_ratio",
    ];
    let reasons = reasons.split(',').filter(|reason| *reason != "none");
    reasons
        .flat_map(|reason| ratios.map(|metric| (metric.to_owned(), reason.to_owned())))
        .collect()
}

fn departures(period: &str, value: &str) -> BTreeMap<String, f64> {
    let pairs = value.split(',').filter(|pair| *pair != "none");
    pairs
        .map(|pair| {
            let (reason, count) = pair.split_once(':').expect("reason:count");
            let labels = [("period", period), ("reason", reason)];
            let count = count.parse().expect("a count");
            (series("tenure_departures", &labels), count)
        })
        .collect()
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
        _ => match key.split_once(':') {
            Some(("responses", group)) => labelled("tenure_nps_responses", "group", group),
            Some(("csat", rating)) => labelled("tenure_csat_responses", "rating", rating),
            Some(("ces", rating)) => labelled("tenure_ces_responses", "rating", rating),
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
