//! The committed dashboards as what they are made of: panels, queries, variables.
//!
//! Owns the places in the JSON. Deliberately knows nothing of PromQL or of metrics.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The files below `deploy/grafana/dashboards`, in reading order.
pub const FILES: [&str; 4] = [
    "overview.json",
    "segments-and-cohorts.json",
    "satisfaction.json",
    "pipeline.json",
];

/// One dashboard.
#[derive(Clone, Debug)]
pub struct Dashboard {
    pub file: &'static str,
    pub json: Value,
}

/// A query of a panel, or of an annotation.
#[derive(Clone, Debug)]
pub struct Query {
    /// File, panel and query, for a person.
    pub place: String,
    pub panel: String,
    pub expression: String,
    pub legend: String,
}

/// A variable that is asked for the values of a label.
#[derive(Clone, Debug)]
pub struct LabelValues {
    pub name: String,
    pub selector: String,
    pub label: String,
}

pub fn text(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards");
    fs::read_to_string(folder.join(file)).unwrap()
}

pub fn all() -> Vec<Dashboard> {
    FILES
        .iter()
        .map(|file| Dashboard {
            file,
            json: serde_json::from_str(&text(file)).unwrap(),
        })
        .collect()
}

/// The text of a field; empty if it is not there.
pub fn string<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

impl Dashboard {
    /// Every panel but the headings of sections.
    pub fn panels(&self) -> Vec<&Value> {
        let panels = list(&self.json, "/panels").iter();
        panels
            .filter(|panel| string(panel, "/type") != "row")
            .collect()
    }

    pub fn variables(&self) -> &[Value] {
        list(&self.json, "/templating/list")
    }

    /// The queries of all panels.
    pub fn queries(&self) -> Vec<Query> {
        let of_panel = |panel: &Value| -> Vec<Query> {
            let title = string(panel, "/title").to_owned();
            let queries = list(panel, "/targets").iter().map(|target| Query {
                place: format!("{}: {title}: {}", self.file, string(target, "/refId")),
                panel: title.clone(),
                expression: string(target, "/expr").to_owned(),
                legend: string(target, "/legendFormat").to_owned(),
            });
            queries.collect()
        };
        self.panels().into_iter().flat_map(of_panel).collect()
    }

    /// The queries of the annotations of our own.
    pub fn annotations(&self) -> Vec<Query> {
        let own = list(&self.json, "/annotations/list").iter();
        own.filter(|annotation| annotation.get("builtIn").is_none())
            .map(|annotation| Query {
                place: format!("{}: {}", self.file, string(annotation, "/name")),
                panel: string(annotation, "/name").to_owned(),
                expression: string(annotation, "/target/expr").to_owned(),
                legend: ["/titleFormat", "/textFormat"]
                    .map(|field| string(annotation, field))
                    .join(" "),
            })
            .collect()
    }

    /// The variables that are queries.
    pub fn label_values(&self) -> Vec<LabelValues> {
        let queries = self.variables().iter();
        queries
            .filter(|variable| string(variable, "/type") == "query")
            .map(|variable| {
                let query = string(variable, "/query");
                let inner = query
                    .strip_prefix("label_values(")
                    .and_then(|rest| rest.strip_suffix(')'));
                let (selector, label) = inner.and_then(|inner| inner.rsplit_once(", ")).unwrap();
                LabelValues {
                    name: string(variable, "/name").to_owned(),
                    selector: selector.to_owned(),
                    label: label.to_owned(),
                }
            })
            .collect()
    }
}

/// The links of a panel and of its columns to explanations of numbers.
pub fn explanations(panel: &Value) -> Vec<&str> {
    let defaults = list(panel, "/fieldConfig/defaults/links").iter();
    let overrides = list(panel, "/fieldConfig/overrides").iter();
    let of_columns = overrides
        .flat_map(|one| list(one, "/properties"))
        .filter(|property| string(property, "/id") == "links")
        .flat_map(|property| list(property, "/value"));
    let links = defaults.chain(of_columns);
    links.map(|link| string(link, "/url")).collect()
}

/// A query as Grafana would send it, with the choices of a reader; longer names come first.
pub fn expand(expression: &str, period: &str) -> String {
    let choices = [
        ("$__rate_interval", "20s"),
        ("$__range", "60s"),
        ("$instance", ".+"),
        ("$period", period),
        ("$survey", "nps"),
        ("$job", ".+"),
    ];
    let expanded = choices
        .iter()
        .fold(expression.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
    assert!(!expanded.contains('$'), "a variable is left in {expanded}");
    expanded
}
