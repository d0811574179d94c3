//! What was true: the numbers of any instant, from the list of all events.
//!
//! Owns the comparison of a page with it. The events are folded once, by what `tenure replay` does
//! with a file, and evaluated for each instant; some instants are held against the command itself,
//! and against the oracle, which shares nothing with the program. Promises that a number counts as
//! right only if it is the same to the last digit. Knows neither instances nor Kafka.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tenure::command::file::{LinesArgs, evaluate_at, fold};
use tenure::config::{Override, Settings, Sources, load};
use tenure::event::Timestamp;
use tenure::ledger::Shard;
use tenure::measure::MEASURES;
use tenure::serve::exposition::Format;
use tenure::serve::page::render;

use super::fleet::SETTINGS;
use crate::oracle;
use crate::oracle::log::{Body, Fact, Survey};
use crate::service::rfc3339;

/// The metric that says which measures have no numbers, and why.
pub const WITHHELD: &str = "tenure_measures_withheld";

/// Numbers by series; labels are in the order of their names.
pub type Numbers = BTreeMap<String, f64>;

/// The events, folded.
pub struct Reference {
    text: String,
    settings: Settings,
    shard: Shard,
    known: HashMap<i64, Numbers>,
}

/// What became of a page.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Numbers that are as they should be.
    pub right: usize,
    /// Families without numbers, of which the page says so.
    pub withheld: usize,
    /// What is wrong, a line each.
    pub wrong: Vec<String>,
}

impl Reference {
    /// Of newline-delimited events.
    pub fn of(text: String) -> Self {
        let flags = SETTINGS.iter().map(|setting| {
            let (key, value) = setting.split_once('=').unwrap();
            Override {
                key: key.to_owned(),
                text: value.to_owned(),
                flag: "--set".to_owned(),
            }
        });
        let settings = load(&Sources {
            flags: flags.collect(),
            ..Sources::none()
        });
        let settings = settings.unwrap();
        let lines = LinesArgs::default().source(&settings);
        let lines = lines.unwrap_or_else(|_| panic!("lines of native events have a source"));
        let (shard, tally) = fold(&mut text.as_bytes(), &lines, &settings).unwrap();
        assert_eq!(tally.rejected().count(), 0, "every event is a good one");
        Self {
            text,
            settings,
            shard,
            known: HashMap::new(),
        }
    }

    /// All numbers of an instant in milliseconds, and what has none.
    pub fn at(&mut self, at: i64) -> &Numbers {
        let (shard, settings) = (&self.shard, &self.settings.evaluation);
        self.known.entry(at).or_insert_with(|| {
            let report = evaluate_at(shard, Timestamp::from_millis(at), settings);
            let report = report.unwrap_or_else(|failure| panic!("{failure:?}"));
            numbers(&render(&report, Format::Text004))
        })
    }

    /// Holds all numbers of a page of this instant against what was true.
    pub fn judge(&mut self, at: i64, page: &Numbers) -> Verdict {
        let truth = self.at(at);
        let withheld = |numbers: &Numbers| -> BTreeSet<String> {
            let series = numbers.keys().filter(|series| name(series) == WITHHELD);
            series
                .filter_map(|series| label(series, "measure"))
                .collect()
        };
        let silent = withheld(page);
        let mut verdict = Verdict {
            withheld: silent.difference(&withheld(truth)).count(),
            ..Verdict::default()
        };
        let series: BTreeSet<&String> = page.keys().chain(truth.keys()).collect();
        for series in series {
            let family = name(series);
            if family == WITHHELD {
                continue;
            }
            let (found, expected) = (page.get(series), truth.get(series));
            match (found, expected) {
                (Some(found), Some(expected)) if found.to_bits() == expected.to_bits() => {
                    verdict.right += 1;
                }
                (None, Some(_)) if silent.contains(family) => {}
                _ => verdict.wrong.push(format!(
                    "{series} is {found:?} and should be {expected:?} at {}",
                    rfc3339(at as f64 / 1000.0)
                )),
            }
        }
        verdict
    }

    /// What the command says, which reads the events from a file.
    pub fn replayed(&self, at: i64, folder: &Path) -> Numbers {
        let file = folder.join("events.ndjson");
        fs::write(&file, &self.text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command.args(["replay", "--at", &rfc3339(at as f64 / 1000.0)]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        let output = command.arg(file).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        numbers(&String::from_utf8(output.stdout).unwrap())
    }

    /// What the oracle says otherwise, a line each.
    pub fn differs_from_oracle(&mut self, at: i64) -> Vec<String> {
        let records = self.text.lines().map(|line| oracle::log::Record {
            kafka_timestamp: None,
            fact: fact(line),
            spelling: 0,
        });
        let log = oracle::log::Log {
            records: records.collect(),
        };
        let settings = oracle::settings::Settings {
            dimensions: vec!["plan".to_owned(), "country".to_owned()],
            periods: ["24h", "7d", "30d", "this_month"].map(str::to_owned).into(),
            inactivity_timeout: Some(45 * oracle::settings::DAY),
            ..oracle::settings::Settings::default()
        };
        let page = oracle::evaluate(&log, &settings, at);
        let expected: Numbers = page
            .series
            .into_iter()
            .map(|(series, value)| (canonical(&series), value))
            .collect();
        let own = self.at(at);
        let series: BTreeSet<&String> = own.keys().chain(expected.keys()).collect();
        series
            .into_iter()
            .filter(|series| name(series) != WITHHELD)
            .filter(|series| match (own.get(*series), expected.get(*series)) {
                (Some(own), Some(expected)) => !oracle::page::agree(series, *own, *expected),
                _ => true,
            })
            .map(|series| {
                let (own, expected) = (own.get(series), expected.get(series));
                format!("{series} is {own:?}, and {expected:?} by the oracle")
            })
            .collect()
    }
}

/// A report of the API.
#[derive(Deserialize)]
struct ReportBody {
    measures: Vec<MeasureBody>,
    withheld: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct MeasureBody {
    name: String,
    series: Vec<SampleBody>,
}

#[derive(Deserialize)]
struct SampleBody {
    labels: BTreeMap<String, String>,
    /// As it is written: a reader of JSON may round.
    value: Box<RawValue>,
}

/// The same of a report of the API.
pub fn of_report(report: &str) -> Numbers {
    let report: ReportBody = serde_json::from_str(report).unwrap();
    let mut numbers = Numbers::new();
    let pairs = |labels: &BTreeMap<String, String>, metric: &str| {
        let labels = labels.iter();
        written(
            metric,
            labels.map(|(name, value)| (name.as_str(), value.as_str())),
        )
    };
    for measure in &report.measures {
        for sample in &measure.series {
            let series = pairs(&sample.labels, &measure.name);
            numbers.insert(series, sample.value.get().parse().unwrap());
        }
    }
    let withheld = report.withheld.iter();
    numbers.extend(withheld.map(|labels| (pairs(labels, WITHHELD), 1.0)));
    numbers
}

/// Why a measure has no numbers, if that is what the series says.
pub fn withheld_for(series: &str) -> Option<String> {
    (name(series) == WITHHELD).then(|| label(series, "reason"))?
}

/// The measures of a page in text 0.0.4, and what is withheld.
pub fn numbers(page: &str) -> Numbers {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let counts = is_measure(name(series));
        counts.then(|| (canonical(series), value.parse().unwrap()))
    });
    samples.collect()
}

/// Whether it is a measure, or says which of them have no numbers.
pub fn is_measure(metric: &str) -> bool {
    metric == WITHHELD || MEASURES.iter().any(|measure| measure.name == metric)
}

/// The metric of a series.
pub fn name(series: &str) -> &str {
    series.split('{').next().unwrap_or_default()
}

/// A series with its labels in the order of their names.
pub fn written<'a>(metric: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    labels.sort_unstable();
    format!("{metric}{{{}}}", labels.join(","))
}

/// A series of a page as [`written`] has it.
fn canonical(series: &str) -> String {
    let (metric, mut rest) = series.split_once('{').unwrap_or((series, ""));
    let mut labels = Vec::new();
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let (value, after) = unquoted(quoted);
        labels.push((label.trim_start_matches(','), value));
        rest = after;
    }
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
    written(metric, labels)
}

/// The value of a label up to its closing quote, and what follows.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    panic!("no closing quote: {text}");
}

fn label(series: &str, label: &str) -> Option<String> {
    let (_, rest) = series.split_once(&format!("{label}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[derive(Deserialize)]
struct Line {
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    customer_id: Value,
    occurred_at: Value,
    amount: Option<Value>,
    currency: Option<String>,
    reason: Option<String>,
    survey: Option<String>,
    score: Option<i64>,
    channel: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// A text, or a number as a text.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// An event as the oracle has it.
fn fact(line: &str) -> Fact {
    let line: Line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let body = match line.kind.as_str() {
        "signup" => Body::Signup,
        "purchase" => Body::Purchase {
            micros: micros(&text(&line.amount.unwrap())),
            currency: line.currency.unwrap(),
        },
        "churn" => Body::Churn {
            reason: line.reason,
        },
        _ => Body::Survey {
            survey: match line.survey.as_deref() {
                Some("nps") => Survey::Nps,
                Some("csat") => Survey::Csat,
                _ => Survey::Ces,
            },
            score: line.score.unwrap(),
            channel: line.channel,
        },
    };
    Fact {
        customer: text(&line.customer_id),
        at: line.occurred_at.as_i64().unwrap_or_else(|| {
            let at: jiff::Timestamp = text(&line.occurred_at).parse().unwrap();
            at.as_millisecond()
        }),
        id: line.event_id,
        body,
        attributes: line.attributes,
    }
}

/// Millionths of `units.cents`.
fn micros(amount: &str) -> u64 {
    let (units, cents) = amount.split_once('.').unwrap_or((amount, ""));
    let cents: u64 = format!("{cents:0<6}").parse().unwrap();
    units.parse::<u64>().unwrap() * 1_000_000 + cents
}
