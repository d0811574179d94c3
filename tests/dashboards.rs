//! The Grafana dashboards: they are what the generator writes, keep the rules of Grafana's linter
//! and of its schema, and name nothing that the program does not have.

#![cfg(test)]

#[path = "../examples/dashboards/boards/mod.rs"]
mod boards;
#[expect(dead_code, reason = "these tests tell queries apart by their place")]
#[path = "dashboards/files.rs"]
mod files;
#[path = "dashboards/lint.rs"]
mod lint;
#[path = "dashboards/promql.rs"]
mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use files::{Query, expand, explanations, list, string};
use lint::{exceptions, findings};
use promql::named;
use tenure::measure::MEASURES;
use tenure::measure::catalogue::DIMENSIONS;
use tenure::telemetry::catalogue::{CATALOGUE, Kind};

#[test]
fn the_committed_files_are_what_the_generator_writes() {
    let written: Vec<&str> = boards::files().iter().map(|(name, _)| *name).collect();
    assert_eq!(written, files::FILES);
    for (name, text) in boards::files() {
        assert!(
            files::text(name) == text,
            "{name} is another; write it with: cargo run --example dashboards"
        );
    }
}

#[test]
fn the_identities_are_those_that_links_and_alerts_use() {
    let uids = ["overview", "segments", "satisfaction", "pipeline"];
    for (dashboard, uid) in files::all().iter().zip(uids) {
        let json = &dashboard.json;
        assert_eq!(string(json, "/uid"), format!("tenure-{uid}"));
        assert_eq!(json["schemaVersion"], json!(42));
        assert_eq!(json["tags"], json!(["tenure"]));
        let ids: BTreeSet<u64> = list(json, "/panels")
            .iter()
            .filter_map(|panel| panel["id"].as_u64())
            .collect();
        assert_eq!(ids.len(), list(json, "/panels").len(), "ids repeat");
    }
}

#[test]
fn panels_fill_the_grid_without_overlaps_and_holes() {
    for dashboard in files::all() {
        let mut taken: BTreeMap<(u64, u64), &str> = BTreeMap::new();
        for panel in list(&dashboard.json, "/panels") {
            let title = string(panel, "/title");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| {
                let side = panel["gridPos"][side].as_u64();
                side.unwrap_or_else(|| panic!("{title} has no place"))
            });
            assert!(w > 0 && h > 0 && x + w <= 24, "{title} is outside");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (y, x))) {
                let before = taken.insert(cell, title);
                assert_eq!(before, None, "{title} lies over it at {cell:?}");
            }
        }
        let height = taken.keys().map(|(y, _)| y + 1).max().unwrap_or_default();
        let file = dashboard.file;
        assert_eq!(taken.len() as u64, 24 * height, "{file} has holes");
    }
}

#[test]
fn every_panel_says_what_it_shows_and_when_it_is_empty() {
    for dashboard in files::all() {
        for panel in dashboard.panels() {
            let title = string(panel, "/title");
            let description = string(panel, "/description");
            let (what, empty) = description.split_once("\n\nEmpty ").unwrap_or_default();
            assert!(what.len() > 20 && what.ends_with('.'), "{title}: {what}");
            assert!(empty.len() > 20 && empty.ends_with('.'), "{title}: {empty}");
        }
        let titles = dashboard.panels().into_iter();
        let titles: BTreeSet<&str> = titles.map(|panel| string(panel, "/title")).collect();
        assert_eq!(titles.len(), dashboard.panels().len(), "titles repeat");
        assert!(titles.contains("Withheld measures"));
    }
}

#[test]
fn headlines_of_measures_lead_to_their_explanation() {
    let mut links = 0;
    for dashboard in files::all() {
        for panel in dashboard.panels() {
            for url in explanations(panel) {
                let rest = url.strip_prefix("${tenure_url:raw}/#explain=").unwrap();
                let metric = rest.split('&').next().unwrap();
                let measure = MEASURES.iter().find(|measure| measure.name == metric);
                let labels = rest.split('&').skip(1);
                let named: Vec<&str> = labels
                    .filter_map(|pair| pair.split_once('=').map(|(label, _)| label))
                    .collect();
                assert_eq!(named, measure.unwrap().labels, "{url}");
                let asked = list(panel, "/targets").iter();
                let mut asked = asked.map(|target| string(target, "/expr"));
                assert!(asked.any(|query| query.contains(metric)), "{url}");
                links += 1;
            }
        }
    }
    assert!(links >= 20, "{links} links");
}

#[test]
fn the_rules_of_the_linter_are_kept() {
    let exceptions = exceptions();
    let mut excused = BTreeSet::new();
    let mut left = Vec::new();
    for dashboard in files::all() {
        for finding in findings(&dashboard) {
            if exceptions.excuse(&dashboard, &finding) {
                excused.insert((finding.rule, finding.panel));
            } else {
                left.push((dashboard.file, finding));
            }
        }
    }
    assert!(left.is_empty(), "{left:#?}");
    let entries = exceptions.exclusions.values();
    let entries: usize = entries.map(|excluded| excluded.entries.len()).sum();
    assert_eq!(entries, excused.len(), "an exception excuses nothing");
}

/// A mistake, and the rule that must find it.
type Mistake = (&'static str, fn(&mut Value));

#[test]
fn every_rule_finds_its_mistake() {
    let mistakes: [Mistake; 15] = [
        ("template-datasource-rule", |json| {
            variable(json, "datasource")["label"] = json!("Source");
        }),
        ("template-job-rule", |json| {
            variable(json, "job")["allValue"] = json!(".*");
        }),
        ("template-instance-rule", |json| {
            variable(json, "instance")["multi"] = json!(false);
        }),
        ("template-label-promql-rule", |json| {
            variable(json, "job")["query"] = json!("label_values(up{, job)");
        }),
        ("template-on-time-change-reload-rule", |json| {
            variable(json, "period")["refresh"] = json!(1);
        }),
        ("panel-datasource-rule", |json| {
            panel(json)["datasource"]["uid"] = json!("prometheus");
        }),
        ("panel-title-description-rule", |json| {
            panel(json)["description"] = json!("");
        }),
        ("panel-units-rule", |json| {
            panel(json)["fieldConfig"]["defaults"]["unit"] = json!("percents");
        }),
        ("panel-no-targets-rule", |json| {
            panel(json)["targets"] = json!([]);
        }),
        ("target-promql-rule", |json| query(json, "sum by (")),
        ("target-rate-interval-rule", |json| {
            query(json, r#"rate(up{job=~"$job", instance=~"$instance"}[5m])"#);
        }),
        ("target-job-rule", |json| {
            query(json, r#"up{instance=~"$instance"}"#);
        }),
        ("target-instance-rule", |json| {
            query(json, r#"up{job=~"$job", instance="$instance"}"#);
        }),
        ("target-counter-agg-rule", |json| {
            query(json, r#"sum(a_total{job=~"$job", instance=~"$instance"})"#);
        }),
        ("uneditable-dashboard", |json| {
            json["editable"] = json!(true);
        }),
    ];
    for (rule, make) in mistakes {
        let mut dashboard = files::all().swap_remove(0);
        assert_eq!(findings(&dashboard), []);
        make(&mut dashboard.json);
        let rules: BTreeSet<&str> = findings(&dashboard).iter().map(|one| one.rule).collect();
        assert_eq!(rules, BTreeSet::from([rule]));
    }
}

fn variable<'a>(json: &'a mut Value, name: &str) -> &'a mut Value {
    let all = json["templating"]["list"].as_array_mut().unwrap();
    let mut all = all.iter_mut();
    all.find(|variable| variable["name"] == name).unwrap()
}

/// The first panel that is no heading.
fn panel(json: &mut Value) -> &mut Value {
    &mut json["panels"][1]
}

fn query(json: &mut Value, expression: &str) {
    panel(json)["targets"][0]["expr"] = json!(expression);
}

/// Every metric that a query may name, with its labels.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let owned = |labels: &[&str]| -> BTreeSet<String> {
        let labels = labels.iter().filter(|label| **label != DIMENSIONS);
        labels.map(|&label| label.to_owned()).collect()
    };
    let measures = MEASURES
        .iter()
        .map(|measure| (measure.name.to_owned(), owned(measure.labels)));
    let process = CATALOGUE.iter().flat_map(|instrument| {
        let labels = owned(instrument.labels);
        let series: &[&str] = match instrument.kind {
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            Kind::Counter | Kind::Gauge => &[""],
        };
        series.iter().map(move |end| {
            let mut labels = labels.clone();
            labels.extend((*end == "_bucket").then(|| "le".to_owned()));
            (format!("{}{end}", instrument.name), labels)
        })
    });
    let standard = [
        ("up", [].as_slice()),
        ("process_start_time_seconds", &[]),
        ("process_resident_memory_bytes", &[]),
        ("process_cpu_seconds_total", &[]),
        (
            "ALERTS",
            &["alertname", "alertstate", "severity", "event", "period"],
        ),
    ];
    let standard = standard.map(|(name, labels)| (name.to_owned(), owned(labels)));
    measures.chain(process).chain(standard).collect()
}

/// The labels between `{{` and `}}`.
fn legend_labels(legend: &str) -> impl Iterator<Item = &str> {
    let parts = legend.split("{{").skip(1);
    parts.filter_map(|part| part.split_once("}}").map(|(label, _)| label))
}

#[test]
fn every_metric_and_label_of_the_queries_exists() {
    let known = known();
    let mut asked = BTreeSet::new();
    for dashboard in files::all() {
        let variables = dashboard.label_values().into_iter().map(|variable| Query {
            place: format!("{}: ${}", dashboard.file, variable.name),
            panel: String::new(),
            legend: format!("{{{{{}}}}}", variable.label),
            expression: variable.selector,
        });
        let all = dashboard.queries().into_iter();
        for query in all.chain(dashboard.annotations()).chain(variables) {
            check_names(&query, &known, &mut asked);
        }
    }
    // What nobody looks at is listed, so that a new metric is thought of.
    let unseen: Vec<&str> = known
        .keys()
        .map(String::as_str)
        .filter(|name| {
            !asked.contains(*name) && !name.ends_with("_sum") && !name.ends_with("_count")
        })
        .collect();
    assert_eq!(unseen, NOT_ON_ANY_DASHBOARD);
}

fn check_names(
    query: &Query,
    known: &BTreeMap<String, BTreeSet<String>>,
    asked: &mut BTreeSet<String>,
) {
    let place = &query.place;
    let expression = expand(&query.expression, "30d");
    let named = named(&expression).unwrap_or_else(|error| panic!("{place}: {error}"));
    let target = ["job", "instance", "pod"].map(str::to_owned);
    let mut labels: BTreeSet<String> = named.made.iter().cloned().chain(target).collect();
    assert!(!named.selectors.is_empty(), "{place} asks for nothing");
    for selected in &named.selectors {
        let metric = &selected.metric;
        let own = known.get(metric);
        let own = own.unwrap_or_else(|| panic!("{place}: there is no {metric}"));
        for matcher in &selected.matchers {
            let name = &matcher.name;
            let exists = own.contains(name) || name == "job" || name == "instance";
            assert!(exists, "{place}: {metric} has no label {name}");
        }
        labels.extend(own.iter().cloned());
        asked.insert(metric.clone());
    }
    let legend = legend_labels(&query.legend);
    for label in named.labels.iter().map(String::as_str).chain(legend) {
        assert!(labels.contains(label), "{place}: no metric has {label}");
    }
}

/// Metrics that no dashboard shows: parts of others that are shown, and details that a person
/// looks up when something is wrong.
const NOT_ON_ANY_DASHBOARD: [&str; 26] = [
    "tenure_attributes_ignored_total",
    "tenure_channel_nps_responses",
    "tenure_checkpoint_pause_seconds_bucket",
    "tenure_dead_letter_failures_total",
    "tenure_early_churn_customers",
    "tenure_history_start_timestamp_seconds",
    "tenure_kafka_partition_committed_offset",
    "tenure_kafka_partition_end_offset",
    "tenure_kafka_partition_position_offset",
    "tenure_nps_group_customers",
    "tenure_nps_responses",
    "tenure_orders_per_customer",
    "tenure_rebalance_last_timestamp_seconds",
    "tenure_reorder_base_customers",
    "tenure_repeat_ordering_customers",
    "tenure_router_events_total",
    "tenure_router_lag_records",
    "tenure_router_records_lost_total",
    "tenure_router_watermark_timestamp_seconds",
    "tenure_schema_registry_requests_total",
    "tenure_schemas_awaited",
    "tenure_schemas_known",
    "tenure_scored_customers",
    "tenure_shard_degraded",
    "tenure_web_config_last_reload_success_timestamp_seconds",
    "tenure_web_config_last_reload_successful",
];

/// What the compiler says of each file, held against Grafana's own types.
fn schema(files: &[PathBuf]) -> BTreeMap<PathBuf, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(root.join("tests/grafana/check.mjs"))
        .args(files)
        .env("TENURE_GRAFANA_SCHEMA", packages())
        .output()
        .expect("node is installed by ./scripts/test");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The folder into which `scripts/test` installed the packages.
fn packages() -> PathBuf {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from);
    let cache = variable("TENURE_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("tenure")))
        .or_else(|| Some(variable("HOME")?.join(".cache/tenure")));
    let folder = variable("TENURE_GRAFANA_SCHEMA").or_else(|| Some(cache?.join("grafana-schema")));
    let folder = folder.filter(|folder| folder.join("node_modules").exists());
    folder.expect("run ./scripts/test once: it installs what the tests need")
}

#[test]
fn the_dashboards_are_of_grafanas_schema_and_a_misspelt_field_is_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards");
    let good: Vec<PathBuf> = files::FILES.iter().map(|file| folder.join(file)).collect();
    let wrong = tempfile::tempdir().unwrap();
    // One mistake of every kind of thing: text, what is wrong in its place, what must be named.
    let mistakes = [
        (r#""schemaVersion""#, r#""schemaversion""#, "schemaversion"),
        (r#""gridPos""#, r#""gridpos""#, "gridpos"),
        (r#""graphMode""#, r#""graphmode""#, "graphmode"),
        (r#""graphMode": "area""#, r#""graphMode": "areas""#, "areas"),
        (r#""legendFormat""#, r#""legend""#, "legend"),
        (r#""spanNulls""#, r#""spanNull""#, "spanNull"),
        (r#""noValue""#, r#""novalue""#, "novalue"),
        (
            r#""id": "custom.lineWidth""#,
            r#""id": "custom.width""#,
            "custom.width",
        ),
        (r#""allValue""#, r#""allvalue""#, "allvalue"),
        (r#""keepTime""#, r#""keeptime""#, "keeptime"),
        (r#""titleFormat""#, r#""titleformat""#, "titleformat"),
        (r#""id": "merge""#, r#""id": "merges""#, "merges"),
        (r#""type": "stat""#, r#""type": "stats""#, "stats"),
    ];
    let text = files::text("overview.json");
    let mut files = good.clone();
    for (at, (from, to, _)) in mistakes.iter().enumerate() {
        assert!(text.contains(from), "{from}");
        let file = wrong.path().join(format!("{at}.json"));
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        files.push(file);
    }
    let found = schema(&files);
    for file in &good {
        assert!(
            found[file].is_empty(),
            "{}: {:#?}",
            file.display(),
            found[file]
        );
    }
    for (file, (from, to, named)) in files[good.len()..].iter().zip(mistakes) {
        let messages = found[file].concat();
        assert!(messages.contains(named), "{to} for {from}: {messages}");
    }
}

#[test]
fn the_provisioning_names_the_folder_and_the_source_of_the_dashboards() {
    #[derive(serde::Deserialize)]
    struct Dashboards {
        #[serde(rename = "apiVersion")]
        api_version: u32,
        providers: Vec<BTreeMap<String, Value>>,
    }
    #[derive(serde::Deserialize)]
    struct Sources {
        #[serde(rename = "apiVersion")]
        api_version: u32,
        datasources: Vec<BTreeMap<String, Value>>,
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/provisioning");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let boards: Dashboards = serde_saphyr::from_str(&read("dashboards/tenure.yaml")).unwrap();
    assert_eq!(boards.api_version, 1);
    let [provider] = boards.providers.as_slice() else {
        panic!("{:?}", boards.providers);
    };
    assert_eq!(provider["type"], json!("file"));
    assert_eq!(
        provider["options"]["path"],
        json!("/etc/grafana/dashboards/tenure")
    );
    let sources: Sources = serde_saphyr::from_str(&read("datasources/tenure.yaml")).unwrap();
    assert_eq!(sources.api_version, 1);
    let [source] = sources.datasources.as_slice() else {
        panic!("{:?}", sources.datasources);
    };
    assert_eq!(source["type"], json!("prometheus"));
    assert_eq!(source["isDefault"], json!(true));
}
