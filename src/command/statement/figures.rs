//! The figures of a statement, and whether they add up.
//!
//! Owns the two ways to them: a report, and the JSON of a service. Promises that what is withheld is
//! never a figure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::command::Failure;
use crate::command::explain::plain_settings;
use crate::command::paper::number;
use crate::config::Settings;
use crate::event::Timestamp;
use crate::measure::explain::{Reason, Records, Setting, reason};
use crate::measure::period::{Interval, Period};
use crate::measure::report::{Report, WithheldReason};
use crate::telemetry::VERSION;

/// What a statement is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub at: Timestamp,
    pub period: Period,
    pub bounds: Interval,
    /// Of this period alone, by measure and the value of the other label, if there is one.
    values: BTreeMap<(String, String), f64>,
    /// By measure.
    withheld: Vec<(String, String)>,
    /// None where it is withheld.
    pub lost_by_reason: Option<BTreeMap<String, u64>>,
    pub settings: Vec<Setting>,
    /// The hash of the settings that decide the numbers.
    pub definition_hash: String,
    /// Of the program that evaluated.
    pub version: String,
    pub origin: Origin,
}

/// Where the figures come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    File {
        path: String,
        lines: i64,
        digest: String,
        records: Records,
    },
    Service {
        url: String,
        positions: Vec<LogPosition>,
        digests: Vec<ShardDigest>,
    },
}

/// A number of the statement, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    Known(f64),
    Absent,
    Withheld(Vec<Reason>),
}

/// Two sides that must be equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub rule: &'static str,
    /// With numbers in it.
    pub filled: String,
    pub left: f64,
    pub right: f64,
}

impl Check {
    /// Exactly: all are counts.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.left == self.right
    }
}

/// What the service answers to a question for a report, as far as a statement needs it.
#[derive(Debug, Deserialize)]
pub struct ReportJson {
    at: Value,
    periods: Vec<PeriodJson>,
    settings: Vec<Setting>,
    definition_hash: String,
    version: String,
    positions: Vec<LogPosition>,
    digests: Vec<ShardDigest>,
    measures: Vec<MeasureJson>,
    withheld: Vec<WithheldJson>,
    lost_by_reason: Vec<LostJson>,
}

#[derive(Debug, Deserialize)]
struct PeriodJson {
    period: String,
    start: Value,
    end: Value,
}

/// The records of one partition that are in the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogPosition {
    pub topic: String,
    pub partition: i32,
    pub base_offset: i64,
    pub next_offset: i64,
}

/// The digest of the facts of one partition, as 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ShardDigest {
    pub partition: i32,
    pub digest: String,
}

#[derive(Debug, Deserialize)]
struct MeasureJson {
    name: String,
    series: Vec<SeriesJson>,
}

#[derive(Debug, Deserialize)]
struct SeriesJson {
    labels: BTreeMap<String, String>,
    value: f64,
}

#[derive(Debug, Deserialize)]
struct WithheldJson {
    measure: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct LostJson {
    period: String,
    reasons: BTreeMap<String, u64>,
}

impl Figures {
    /// The figures of one period of a report.
    ///
    /// # Errors
    /// If the report does not have the period.
    pub fn of_report(
        report: &Report,
        period: Period,
        settings: &Settings,
        origin: Origin,
    ) -> Result<Self, Failure> {
        let mut periods = report.periods.iter();
        let at = periods
            .position(|(other, _)| *other == period)
            .ok_or_else(|| Failure::work("the report lacks the period"))?;
        let name = period.to_string();
        let mut values = Values::new(&name);
        for family in &report.families {
            for sample in &family.samples {
                values.add(family.measure.name, family.labelled(sample), sample.value);
            }
        }
        let lost = report.lost_by_reason.get(at);
        let lost = lost.map(|lost| {
            lost.iter()
                .map(|(reason, count)| (reason.to_string(), *count))
        });
        let withheld = report.withheld.iter();
        Ok(Self {
            at: report.at,
            period,
            bounds: report.periods[at].1,
            lost_by_reason: lost
                .map(Iterator::collect)
                .filter(|_| values.has_customers()),
            values: values.by_measure,
            withheld: withheld
                .map(|withheld| {
                    (
                        withheld.measure.to_owned(),
                        withheld.reason.name().to_owned(),
                    )
                })
                .collect(),
            settings: plain_settings(settings),
            definition_hash: settings.definition_hash(),
            version: VERSION.to_owned(),
            origin,
        })
    }

    /// The figures of one period of what a service answered.
    ///
    /// # Errors
    /// If the service does not have the period, or its instants are none.
    pub fn of_service(report: ReportJson, period: Period, url: &str) -> Result<Self, Failure> {
        let name = period.to_string();
        let found = report.periods.iter().find(|found| found.period == name);
        let Some(found) = found else {
            let names: Vec<&str> = report
                .periods
                .iter()
                .map(|found| found.period.as_str())
                .collect();
            return Err(Failure::usage(format!(
                "the service is not configured for {name}; its periods are {}",
                names.join(", ")
            )));
        };
        let mut values = Values::new(&name);
        for measure in &report.measures {
            for series in &measure.series {
                let labels = series.labels.iter();
                let labels = labels.map(|(name, value)| (name.as_str(), value.as_str()));
                values.add(&measure.name, labels, series.value);
            }
        }
        let mut lost = report.lost_by_reason.into_iter();
        let lost = lost.find(|lost| lost.period == name);
        let withheld = report.withheld.into_iter();
        Ok(Self {
            at: instant(&report.at)?,
            period,
            bounds: Interval {
                start: instant(&found.start)?,
                end: instant(&found.end)?,
            },
            lost_by_reason: lost
                .map(|lost| lost.reasons)
                .filter(|_| values.has_customers()),
            values: values.by_measure,
            withheld: withheld
                .map(|withheld| (withheld.measure, withheld.reason))
                .collect(),
            settings: report.settings,
            definition_hash: report.definition_hash,
            version: report.version,
            origin: Origin::Service {
                url: url.to_owned(),
                positions: report.positions,
                digests: report.digests,
            },
        })
    }

    /// The figure of a measure that has no label beside the period.
    #[must_use]
    pub fn of(&self, measure: &str) -> Figure {
        self.labelled(measure, "")
    }

    /// The figure of a measure with one more label.
    #[must_use]
    pub fn labelled(&self, measure: &str, value: &str) -> Figure {
        let key = (measure.to_owned(), value.to_owned());
        if let Some(value) = self.values.get(&key) {
            return Figure::Known(*value);
        }
        let reasons = self.withheld.iter();
        let reasons: Vec<Reason> = reasons
            .filter(|(withheld, _)| withheld == measure)
            .map(|(_, name)| explained(name))
            .collect();
        if reasons.is_empty() {
            Figure::Absent
        } else {
            Figure::Withheld(reasons)
        }
    }

    /// The departures of the period by reason.
    pub fn departures(&self) -> impl Iterator<Item = (&str, f64)> {
        let values = self.values.iter();
        values
            .filter(|((measure, _), _)| measure == "tenure_departures")
            .map(|((_, reason), count)| (reason.as_str(), *count))
    }

    fn count(&self, measure: &str, label: &str) -> Option<f64> {
        match self.labelled(measure, label) {
            Figure::Known(value) => Some(value),
            Figure::Absent | Figure::Withheld(_) => None,
        }
    }

    /// The six numbers of customers; None where they are withheld.
    #[must_use]
    pub fn customers(&self) -> Option<Customers> {
        let status = |status: &str| self.count("tenure_period_customers", status);
        Some(Customers {
            start: self.count("tenure_customers_at_start", "")?,
            end: self.count("tenure_customers_at_end", "")?,
            retained: status("retained")?,
            lost: status("lost")?,
            new: status("new")?,
            reactivated: status("reactivated")?,
            joined: self.count("tenure_joined_customers", "")?,
            early_churn: self.count("tenure_early_churn_customers", "")?,
        })
    }

    /// What must hold between the figures; nothing where they are withheld.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let Some(customers) = self.customers() else {
            return Vec::new();
        };
        let Customers {
            start,
            end,
            retained,
            lost,
            new,
            reactivated,
            joined,
            early_churn,
        } = customers;
        let fresh = customers.fresh();
        let mut checks = vec![
            sum(
                "retained + lost = S",
                &[(retained, ' '), (lost, '+')],
                start,
            ),
            sum(
                "retained + new + reactivated = E",
                &[(retained, ' '), (new, '+'), (reactivated, '+')],
                end,
            ),
            sum(
                "S + N - lost = E",
                &[(start, ' '), (fresh, '+'), (lost, '-')],
                end,
            ),
            sum(
                "new + early churn = joined",
                &[(new, ' '), (early_churn, '+')],
                joined,
            ),
        ];
        if let Some(reasons) = &self.lost_by_reason {
            let counts: Vec<(f64, char)> =
                reasons.values().map(|count| (*count as f64, '+')).collect();
            let mut check = sum("lost by reason = lost", &counts, lost);
            if counts.len() > 4 {
                // The table above has them all.
                let relation = if check.holds() { "=" } else { "is not" };
                check.filled = format!("{} {relation} {}", number(check.left), number(lost));
            }
            checks.push(check);
        }
        checks
    }
}

/// Customers of the period. Whole numbers all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Customers {
    pub start: f64,
    pub end: f64,
    pub retained: f64,
    pub lost: f64,
    pub new: f64,
    pub reactivated: f64,
    pub joined: f64,
    pub early_churn: f64,
}

impl Customers {
    /// `N`: at the end, but not at the start.
    #[must_use]
    pub fn fresh(&self) -> f64 {
        self.new + self.reactivated
    }
}

fn sum(rule: &'static str, summands: &[(f64, char)], right: f64) -> Check {
    let mut filled = String::new();
    let mut left = 0.0;
    for (at, (value, sign)) in summands.iter().enumerate() {
        left += if *sign == '-' { -value } else { *value };
        if at > 0 {
            filled.extend([' ', *sign, ' ']);
        }
        filled.push_str(&number(*value));
    }
    if summands.is_empty() {
        filled.push('0');
    }
    let relation = if left == right { "=" } else { "is not" };
    Check {
        rule,
        filled: format!("{filled} {relation} {}", number(right)),
        left,
        right,
    }
}

/// Values of one period on their way into a statement.
struct Values<'a> {
    period: &'a str,
    by_measure: BTreeMap<(String, String), f64>,
}

impl<'a> Values<'a> {
    fn new(period: &'a str) -> Self {
        Self {
            period,
            by_measure: BTreeMap::new(),
        }
    }

    /// Takes a series of the period with at most one more label.
    fn add<'l>(
        &mut self,
        measure: &str,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        value: f64,
    ) {
        let (mut of_period, mut others) = (false, Vec::new());
        for (name, text) in labels {
            if name == "period" {
                of_period = text == self.period;
            } else {
                others.push(text.to_owned());
            }
        }
        if of_period && others.len() < 2 {
            let other = others.pop().unwrap_or_default();
            self.by_measure.insert((measure.to_owned(), other), value);
        }
    }

    fn has_customers(&self) -> bool {
        let key = ("tenure_customers_at_start".to_owned(), String::new());
        self.by_measure.contains_key(&key)
    }
}

/// A reason of the page by its name; one of another version is told as it is.
fn explained(name: &str) -> Reason {
    let known = WithheldReason::ALL.into_iter();
    let mut known = known.filter(|reason| reason.name() == name);
    known.next().map(reason).unwrap_or_else(|| Reason {
        reason: name.to_owned(),
        meaning: "the service says so".to_owned(),
        way_out: "see the service's documentation".to_owned(),
    })
}

/// RFC 3339, or seconds since 1970.
fn instant(value: &Value) -> Result<Timestamp, Failure> {
    let read = match value {
        Value::String(text) => Timestamp::from_rfc3339(text),
        Value::Number(seconds) => seconds
            .as_f64()
            .map(|seconds| Timestamp::from_millis((seconds * 1000.0).round() as i64)),
        _ => None,
    };
    read.ok_or_else(|| Failure::work("the service answered with an instant that is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_shown_with_their_numbers_and_wrong_ones_are_seen() {
        let check = sum(
            "S + N - lost = E",
            &[(3.0, ' '), (2.0, '+'), (1.0, '-')],
            4.0,
        );
        assert_eq!(
            (check.filled.as_str(), check.holds()),
            ("3 + 2 - 1 = 4", true)
        );
        let check = sum("retained + lost = S", &[(3.0, ' '), (2.0, '+')], 4.0);
        assert_eq!(
            (check.filled.as_str(), check.holds()),
            ("3 + 2 is not 4", false)
        );
        assert_eq!(sum("lost by reason = lost", &[], 0.0).filled, "0 = 0");
    }

    /// What a service with one partition and one period answers.
    fn answered(end: u64, withheld: &str) -> ReportJson {
        let series = |measure: &str, labels: &str, value: u64| {
            format!(
                r#"{{"name":"tenure_{measure}","help":"..","labels":[],"series":[{{"labels":{{"period":"last_month"{labels}}},"value":{value}}}]}}"#
            )
        };
        let status = |status: &str, count| {
            series(
                "period_customers",
                &format!(r#","status":"{status}""#),
                count,
            )
        };
        let measures = [
            series("customers_at_start", "", 10),
            series("customers_at_end", "", end),
            status("retained", 7),
            status("lost", 3),
            status("new", 1),
            status("reactivated", 1),
            series("joined_customers", "", 2),
            series("early_churn_customers", "", 1),
        ];
        let json = format!(
            r#"{{"at":"2026-11-21T00:00:00.000Z","coverage":1,
            "periods":[{{"period":"last_month","start":1790812800,"end":"2026-11-01T00:00:00Z"}}],
            "settings":[{{"key":"time_zone","value":"UTC","origin":"default"}}],
            "definition_hash":"0011223344556677","version":"0.1.0",
            "positions":[{{"topic":"t","partition":0,"base_offset":0,"next_offset":28}}],
            "digests":[{{"partition":0,"digest":"00"}}],
            "measures":[{}],"withheld":[{withheld}],
            "lost_by_reason":[{{"period":"last_month","reasons":{{"price":2,"moved":1}}}}]}}"#,
            measures.join(",")
        );
        serde_json::from_str(&json).unwrap()
    }

    fn figures(end: u64, withheld: &str) -> Figures {
        let period = "last_month".parse().unwrap();
        Figures::of_service(answered(end, withheld), period, "http://x").unwrap()
    }

    #[test]
    fn the_answer_of_a_service_is_a_statement_that_adds_up_or_not() {
        let good = figures(9, "");
        assert_eq!(good.bounds.start.to_string(), "2026-10-01T00:00:00.000Z");
        assert_eq!(good.checks().len(), 5);
        assert!(
            good.checks().iter().all(Check::holds),
            "{:?}",
            good.checks()
        );
        let bad = figures(8, "");
        let broken: Vec<&str> = bad
            .checks()
            .iter()
            .filter(|check| !check.holds())
            .map(|check| check.rule)
            .collect();
        assert_eq!(
            broken,
            ["retained + new + reactivated = E", "S + N - lost = E"]
        );
    }

    #[test]
    fn what_is_withheld_is_no_figure() {
        let withheld = r#"{"measure":"tenure_churn_ratio","reason":"no_churn_source"}"#;
        let figures = figures(9, withheld);
        assert_eq!(figures.of("tenure_retention_ratio"), Figure::Absent);
        let expected = reason(WithheldReason::NoChurnSource);
        assert_eq!(
            figures.of("tenure_churn_ratio"),
            Figure::Withheld(vec![expected])
        );
    }

    #[test]
    fn a_period_that_the_service_lacks_is_refused_with_those_it_has() {
        let period = "30d".parse().unwrap();
        let refused = Figures::of_service(answered(9, ""), period, "http://x").unwrap_err();
        assert!(
            refused.to_string().contains("its periods are last_month"),
            "{refused}"
        );
    }
}
