//! The rules of Grafana's dashboard-linter, in our own words, over all kinds of panels.
//!
//! Two of its seventeen rules are about Loki and have nothing to say here. The exceptions are those
//! of `.lint` beside the dashboards, in the form that the linter reads.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::files::{Dashboard, list, string, text};
use crate::promql::{Selected, named};

/// A breach of a rule: the rule, where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub rule: &'static str,
    pub panel: String,
    pub what: String,
}

/// Exceptions by rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    pub exclusions: BTreeMap<String, Excluded>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    pub entries: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    pub dashboard: String,
    pub panel: String,
    pub reason: String,
}

pub fn exceptions() -> Exceptions {
    serde_saphyr::from_str(&text(".lint")).unwrap()
}

impl Exceptions {
    pub fn excuse(&self, dashboard: &Dashboard, finding: &Finding) -> bool {
        self.exclusions.get(finding.rule).is_some_and(|excluded| {
            excluded.entries.iter().any(|entry| {
                entry.dashboard == string(&dashboard.json, "/title")
                    && entry.panel == finding.panel
                    && !entry.reason.is_empty()
            })
        })
    }
}

/// Units that our panels may have, of those that Grafana knows.
const UNITS: [&str; 8] = [
    "Bps",
    "bytes",
    "cps",
    "dateTimeAsIso",
    "none",
    "percentunit",
    "s",
    "short",
];

/// Every breach of a rule.
pub fn findings(dashboard: &Dashboard) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |rule, panel: &str, what: String| {
        found.push(Finding {
            rule,
            panel: panel.to_owned(),
            what,
        });
    };
    variables(dashboard, &mut add);
    if dashboard.json.get("editable") != Some(&Value::Bool(false)) {
        add("uneditable-dashboard", "", "it can be edited".to_owned());
    }
    for panel in dashboard.panels() {
        of_panel(panel, &mut add);
        let title = string(panel, "/title");
        for target in list(panel, "/targets") {
            of_query(title, string(target, "/expr"), &mut add);
        }
    }
    found
}

fn variables(dashboard: &Dashboard, add: &mut impl FnMut(&'static str, &str, String)) {
    let variable = |name: &str| {
        let mut all = dashboard.variables().iter();
        all.find(|variable| string(variable, "/name") == name)
    };
    let source = variable("datasource").is_some_and(|source| {
        string(source, "/type") == "datasource"
            && string(source, "/query") == "prometheus"
            && string(source, "/label") == "Data source"
    });
    if !source {
        let what = "no variable `datasource`, labelled `Data source`";
        add("template-datasource-rule", "", what.to_owned());
    }
    for (rule, name, label) in [
        ("template-job-rule", "job", "Job"),
        ("template-instance-rule", "instance", "Instance"),
    ] {
        let right = variable(name).is_some_and(|variable| {
            string(variable, "/type") == "query"
                && string(variable, "/datasource/uid") == "${datasource}"
                && string(variable, "/label") == label
                && string(variable, "/allValue") == ".+"
                && variable.get("multi") == Some(&Value::Bool(true))
        });
        if !right {
            let what = format!("`{name}` is no query of several values, of which all are `.+`");
            add(rule, "", what);
        }
    }
    let queries = dashboard.variables().iter();
    for query in queries.filter(|variable| string(variable, "/type") == "query") {
        let name = string(query, "/name");
        let text = string(query, "/query");
        let selector = text
            .strip_prefix("label_values(")
            .and_then(|rest| rest.rsplit_once(", "))
            .map(|(selector, _)| named(selector));
        if !matches!(selector, Some(Ok(_))) {
            add(
                "template-label-promql-rule",
                "",
                format!("`{name}`: {text}"),
            );
        }
        if query.get("refresh") != Some(&Value::from(2)) {
            let what = format!("`{name}` is not asked again when the time range changes");
            add("template-on-time-change-reload-rule", "", what);
        }
    }
}

fn of_panel(panel: &Value, add: &mut impl FnMut(&'static str, &str, String)) {
    let title = string(panel, "/title");
    let sources = list(panel, "/targets").iter().chain([panel]);
    for source in sources {
        let uid = string(source, "/datasource/uid");
        if uid != "${datasource}" {
            add("panel-datasource-rule", title, format!("it asks `{uid}`"));
        }
    }
    if title.is_empty() || string(panel, "/description").is_empty() {
        let what = "no title or no description".to_owned();
        add("panel-title-description-rule", title, what);
    }
    if list(panel, "/targets").is_empty() {
        add("panel-no-targets-rule", title, "no query".to_owned());
    }
    let defaults = [string(panel, "/fieldConfig/defaults/unit")];
    let overrides = list(panel, "/fieldConfig/overrides").iter();
    let properties = overrides.flat_map(|one| list(one, "/properties"));
    let others = properties
        .filter(|property| string(property, "/id") == "unit")
        .map(|property| string(property, "/value"));
    for unit in defaults.into_iter().chain(others) {
        if !UNITS.contains(&unit) {
            add("panel-units-rule", title, format!("unit `{unit}`"));
        }
    }
}

fn of_query(panel: &str, query: &str, add: &mut impl FnMut(&'static str, &str, String)) {
    // As the linter does: variables in quotes stay, durations become one that nobody writes.
    let query = query
        .replace("$__rate_interval", RATE_INTERVAL)
        .replace("$__range", "7h");
    let named = match named(&query) {
        Ok(named) => named,
        Err(error) => {
            add("target-promql-rule", panel, format!("{query}: {error}"));
            return;
        }
    };
    for selected in &named.selectors {
        for (rule, label, variable) in [
            ("target-job-rule", "job", "$job"),
            ("target-instance-rule", "instance", "$instance"),
        ] {
            if !selected.matches(label, variable) {
                add(rule, panel, format!("{} without {label}", selected.metric));
            }
        }
        if counter_as_it_stands(selected) {
            let what = format!("{} without rate or increase", selected.metric);
            add("target-counter-agg-rule", panel, what);
        }
    }
    for function in ["rate(", "irate("] {
        for part in query.split(function).skip(1) {
            let range = part.split_once('[').map(|(_, range)| range);
            if !range.is_some_and(|range| range.starts_with(RATE_INTERVAL)) {
                let what = format!("{function} of another range: {query}");
                add("target-rate-interval-rule", panel, what);
            }
        }
    }
}

const RATE_INTERVAL: &str = "1234567ms";

fn counter_as_it_stands(selected: &Selected) -> bool {
    let grows = ["rate", "irate", "increase"];
    let function = selected.range_of.as_deref().unwrap_or_default();
    selected.metric.ends_with("_total") && !grows.contains(&function)
}
