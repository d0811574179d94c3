//! The page: what is published at one instant, as text and number.

use std::collections::{BTreeMap, BTreeSet};

/// Every series with its value, and what is withheld.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// `tenure_departures{period="24h",reason="price"}` and its value.
    pub series: BTreeMap<String, f64>,
    /// Name of the metric and reason.
    pub withheld: BTreeSet<(String, String)>,
}

impl Page {
    pub fn put(&mut self, metric: &str, labels: &[(&str, &str)], value: f64) {
        let before = self.series.insert(series(metric, labels), value);
        assert!(before.is_none(), "{} twice", series(metric, labels));
    }

    /// A count, exact.
    pub fn count(&mut self, metric: &str, labels: &[(&str, &str)], count: usize) {
        self.put(metric, labels, count as f64);
    }

    /// A ratio, absent where the denominator is 0.
    pub fn ratio(&mut self, metric: &str, labels: &[(&str, &str)], part: f64, whole: usize) {
        if whole > 0 {
            self.put(metric, labels, part / whole as f64);
        }
    }

    pub fn withhold(&mut self, metric: &str, reason: &str) {
        self.withheld.insert((metric.to_owned(), reason.to_owned()));
    }

    /// What `other` has different, a line each; none if the pages agree.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.series.keys().chain(other.series.keys()).collect();
        let mut lines = Vec::new();
        for name in names {
            let (here, there) = (self.series.get(name), other.series.get(name));
            let same = match (here, there) {
                (Some(here), Some(there)) => agree(name, *here, *there),
                _ => false,
            };
            if !same {
                lines.push(format!("{name}: {} and {}", shown(here), shown(there)));
            }
        }
        for (metric, reason) in self.withheld.symmetric_difference(&other.withheld) {
            let side = if self.withheld.contains(&(metric.clone(), reason.clone())) {
                "only in the first page"
            } else {
                "only in the second page"
            };
            lines.push(format!("withheld {metric} {reason}: {side}"));
        }
        lines
    }
}

fn shown(value: Option<&f64>) -> String {
    value.map_or("absent".to_owned(), ToString::to_string)
}

/// Counts are equal; ratios, scores, bounds and money agree to twelve digits.
///
/// Near zero the difference is held against 1, since a bound of 0 is a difference of equal terms.
pub fn agree(series: &str, left: f64, right: f64) -> bool {
    let metric = series.split('{').next().unwrap_or_default();
    let rounded = [
        "_ratio",
        "_score",
        "_lower",
        "_upper",
        "_error",
        "_revenue",
        "_value",
        "_per_customer",
    ]
    .iter()
    .any(|suffix| metric.ends_with(suffix));
    if rounded {
        (left - right).abs() <= 1e-12 * left.abs().max(right.abs()).max(1.0)
    } else {
        left == right
    }
}

/// The name of a series as Prometheus writes it, labels in the given order.
pub fn series(metric: &str, labels: &[(&str, &str)]) -> String {
    let mut text = metric.to_owned();
    for (place, (name, value)) in labels.iter().enumerate() {
        text.push(if place == 0 { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        text.push_str(&escaped(value));
        text.push('"');
    }
    if !labels.is_empty() {
        text.push('}');
    }
    text
}

/// The metric and the names of the labels, in order, of what [`series`] made.
pub fn names(series: &str) -> (String, Vec<String>) {
    let Some((metric, mut rest)) = series.split_once('{') else {
        return (series.to_owned(), Vec::new());
    };
    let mut labels = Vec::new();
    while let Some((label, value)) = rest.split_once("=\"") {
        labels.push(label.trim_start_matches(',').to_owned());
        rest = value;
        // The value ends at the first quote without a backslash of its own.
        let mut backslash = false;
        let end = rest.find(|letter| {
            let ends = letter == '"' && !backslash;
            backslash = letter == '\\' && !backslash;
            ends
        });
        rest = &rest[end.expect("a quote at the end") + 1..];
    }
    (metric.to_owned(), labels)
}

fn escaped(value: &str) -> String {
    // Nearly all are plain, and there are many.
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return value.to_owned();
    }
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
