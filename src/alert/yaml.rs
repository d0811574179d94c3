//! Rules as text.
//!
//! Owns the two forms: a rule file of Prometheus, and the object `PrometheusRule` of its operator.
//! Promises the same text for the same rules. Does not know what the rules say.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::rules::{Group, Length, Record, Rule, quoted};

/// The metadata of a `PrometheusRule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub name: String,
    /// None for that of whoever applies it.
    pub namespace: Option<String>,
    pub labels: BTreeMap<String, String>,
}

/// A rule file of Prometheus.
#[must_use]
pub fn rule_file(groups: &[Group]) -> String {
    let mut text = Text::default();
    text.groups(groups);
    text.text
}

/// A `PrometheusRule` with the same rules.
#[must_use]
pub fn prometheus_rule(object: &Object, groups: &[Group]) -> String {
    let mut text = Text::default();
    text.line("apiVersion: monitoring.coreos.com/v1");
    text.line("kind: PrometheusRule");
    text.line("metadata:");
    text.inside(|text| {
        text.pair("name", &object.name);
        if let Some(namespace) = &object.namespace {
            text.pair("namespace", namespace);
        }
        if !object.labels.is_empty() {
            text.line("labels:");
            text.inside(|text| {
                for (name, value) in &object.labels {
                    text.pair(&quoted(name), value);
                }
            });
        }
    });
    text.line("spec:");
    text.inside(|text| text.groups(groups));
    text.text
}

/// Lines of YAML so far, and how far the next is indented.
#[derive(Debug, Default)]
struct Text {
    text: String,
    indent: usize,
}

impl Text {
    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{line}", "", indent = self.indent);
    }

    /// A name with a text that is none of YAML's own words.
    fn pair(&mut self, name: &str, value: &str) {
        self.line(&format!("{name}: {}", quoted(value)));
    }

    fn inside(&mut self, lines: impl FnOnce(&mut Self)) {
        self.indent += 2;
        lines(self);
        self.indent -= 2;
    }

    fn block(&mut self, name: &str, lines: &str) {
        self.line(&format!("{name}: |-"));
        self.inside(|text| lines.lines().for_each(|line| text.line(line)));
    }

    fn groups(&mut self, groups: &[Group]) {
        self.line("groups:");
        self.inside(|text| {
            for group in groups {
                text.line(&format!("- name: {}", group.name));
                text.inside(|text| {
                    text.line("rules:");
                    text.inside(|text| {
                        group.records.iter().for_each(|record| text.record(record));
                        group.rules.iter().for_each(|rule| text.rule(rule));
                    });
                });
            }
        });
    }

    fn record(&mut self, record: &Record) {
        self.line(&format!("- record: {}", record.name));
        self.inside(|text| text.block("expr", &record.expression));
    }

    fn rule(&mut self, rule: &Rule) {
        self.line(&format!("- alert: {}", rule.alert));
        self.inside(|text| {
            text.block("expr", &rule.expression);
            for (name, millis) in [
                ("for", rule.for_millis),
                ("keep_firing_for", rule.keep_firing_millis),
            ] {
                if millis > 0 {
                    text.line(&format!("{name}: {}", Length(millis)));
                }
            }
            text.line("labels:");
            text.inside(|text| {
                text.line(&format!("severity: {}", rule.severity.name()));
                text.line(&format!("category: {}", rule.alert.category().name()));
            });
            text.line("annotations:");
            text.inside(|text| {
                text.pair("summary", rule.summary);
                text.pair("description", &rule.description);
                text.pair("runbook_url", &rule.runbook_url);
                if let Some(url) = &rule.dashboard_url {
                    text.pair("dashboard_url", url);
                }
            });
        });
    }
}
