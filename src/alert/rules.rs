//! Rules as Prometheus has them, whatever they are about.
//!
//! Owns their form, their order in groups, and what all of them have in common: category, severity,
//! the addresses of runbook and dashboard. Does not know single alerts.

use std::fmt;

use super::settings::Setup;
use super::{Alert, Severity, business, pipeline};

/// Rules that are evaluated one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub name: &'static str,
    /// What the rules look at; comes first.
    pub records: Vec<Record>,
    pub rules: Vec<Rule>,
}

/// A recording rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name of the series that it makes.
    pub name: String,
    pub expression: String,
}

/// An alerting rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub alert: Alert,
    pub severity: Severity,
    pub expression: String,
    /// For how long it must hold, in milliseconds.
    pub for_millis: i64,
    /// For how long it goes on afterwards, in milliseconds.
    pub keep_firing_millis: i64,
    /// One sentence, always the same.
    pub summary: &'static str,
    /// Sentences with the numbers, as a template.
    pub description: String,
    /// Where to read on.
    pub runbook_url: String,
    /// Where to see it, if there are dashboards.
    pub dashboard_url: Option<String>,
}

/// What is particular to an alert.
pub(super) struct Told {
    pub alert: Alert,
    /// Unless configured otherwise.
    pub severity: Severity,
    pub expression: String,
    pub for_millis: i64,
    pub keep_firing_millis: i64,
    pub summary: &'static str,
    pub description: String,
    /// The end of the dashboard's address.
    pub dashboard: &'static str,
}

/// The rules of a service, in groups.
#[must_use]
pub fn groups(setup: &Setup) -> Vec<Group> {
    let (records, told) = business::alerts(setup);
    let group = |name, records, told: Vec<Told>| Group {
        name,
        records,
        rules: told
            .into_iter()
            .filter_map(|told| rule(setup, told))
            .collect(),
    };
    vec![
        group("tenure-business", records, told),
        group("tenure-pipeline", Vec::new(), pipeline::alerts(setup)),
    ]
    .into_iter()
    .filter(|group| !group.rules.is_empty())
    .collect()
}

/// None if the alert is left out.
fn rule(setup: &Setup, told: Told) -> Option<Rule> {
    let settings = &setup.alerts;
    let severity = settings.severity(told.alert, told.severity)?;
    let at_most = |millis: i64| millis.min(setup.longest_for_millis.unwrap_or(i64::MAX));
    let anchor = told.alert.name().to_lowercase();
    let dashboards = settings.dashboard_url.as_ref();
    Some(Rule {
        alert: told.alert,
        severity,
        expression: told.expression,
        for_millis: at_most(told.for_millis),
        keep_firing_millis: at_most(told.keep_firing_millis),
        summary: told.summary,
        description: told.description,
        runbook_url: format!("{}#{anchor}", settings.runbook_url),
        dashboard_url: dashboards.map(|base| format!("{base}/d/{}", told.dashboard)),
    })
}

/// A text as PromQL, templates and YAML take it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A length of time as Prometheus takes it; the argument is in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length(pub i64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 <= 0 {
            return f.write_str("0s");
        }
        let units = [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1000),
            ("ms", 1),
        ];
        let mut rest = self.0;
        for (unit, millis) in units {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

/// A length of time in seconds, as a number of PromQL.
pub(super) fn seconds(millis: i64) -> String {
    (millis as f64 / 1000.0).to_string()
}

/// What aggregates over instances, as in `without (instance, pod)`, with further labels.
pub(super) fn without(setup: &Setup, further: &[&str]) -> String {
    let own = ["instance", "pod"].into_iter();
    let configured = setup.instance_labels.iter().map(String::as_str);
    let labels: Vec<&str> = own
        .chain(configured)
        .chain(further.iter().copied())
        .collect();
    format!("without ({})", labels.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_prometheus_reads_them() {
        for (millis, expected) in [
            (0, "0s"),
            (500, "500ms"),
            (5 * 60_000, "5m"),
            (90 * 60_000, "1h30m"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(Length(millis).to_string(), expected);
        }
    }
}
