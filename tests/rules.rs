//! The alert rules: they are what the command prints, name what there is, fire when they should with
//! the texts they should, and are quiet just below each of their guards.
//!
//! `deploy/prometheus/rules/tests/` holds the unit tests of the rules for promtool; read them as the
//! specification. [`MUTATIONS`] shows that they test: each of these changes to a rule breaks one.
//!
//! `TENURE_BLESS=1 cargo test --test rules` writes the committed rules anew.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "of the real parts these tests need the tools alone"
)]
mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use promql_parser::label::Matchers;
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::{Value, json};
use tenure::alert::guards::{
    DEPARTURE_GUARD, DepartureGuard, NPS_FAR_POINTS, NPS_GUARDS, NpsGuard,
    RETENTION_LEAST_CUSTOMERS, SILENT_GAPS,
};
use tenure::alert::rules::{Group, groups};
use tenure::alert::settings::Setup;
use tenure::alert::yaml::rule_file;
use tenure::alert::{Alert, Category};
use tenure::config::{Override, Settings, Sources, load};
use tenure::measure::MEASURES;
use tenure::telemetry::catalogue::CATALOGUE;

/// Flags that give every rule: the targets have no default.
const TARGETS: [(&str, &str); 3] = [
    ("alerts.retention_target", "0.9"),
    ("alerts.nps_target", "30"),
    ("alerts.csat_target", "0.8"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn settings(set: &[(&str, &str)]) -> Settings {
    let flags = set.iter().map(|(key, text)| Override {
        key: (*key).to_owned(),
        text: (*text).to_owned(),
        flag: "--set".to_owned(),
    });
    let sources = Sources {
        flags: flags.collect(),
        ..Sources::none()
    };
    load(&sources).unwrap_or_else(|complaints| panic!("{complaints}"))
}

fn all_rules() -> Vec<Group> {
    groups(&settings(&TARGETS).alert_setup())
}

/// What `tenure` says to standard output and standard error, and its exit code.
fn tenure(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

fn run(variable: &str, in_cache: &str, name: &str, arguments: &[&str], folder: &Path) -> Output {
    let program = real::installed(variable, in_cache, Some(name));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.output().unwrap()
}

fn promtool(arguments: &[&str], folder: &Path) -> Result<String, String> {
    let in_cache = "prometheus/usr/bin/promtool";
    said(run(
        "TENURE_PROMTOOL",
        in_cache,
        "promtool",
        arguments,
        folder,
    ))
}

fn amtool(arguments: &[&str]) -> Result<String, String> {
    let in_cache = "alertmanager/usr/bin/amtool";
    said(run("TENURE_AMTOOL", in_cache, "amtool", arguments, root()))
}

fn said(output: Output) -> Result<String, String> {
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(text)
    }
}

// The files.

const DEFAULT_RULES: &str = "deploy/prometheus/rules/tenure.yaml";
const RULES_WITH_TARGETS: &str = "deploy/prometheus/rules/tests/rules/with-targets.yaml";

#[test]
fn the_committed_rules_are_what_the_command_prints() {
    let set: Vec<String> = TARGETS
        .iter()
        .map(|(key, text)| format!("{key}={text}"))
        .collect();
    let mut with_targets = vec!["rules"];
    for assignment in &set {
        with_targets.extend(["--set", assignment]);
    }
    let committed: [(&str, &[&str]); 2] = [
        (DEFAULT_RULES, &["rules"]),
        (RULES_WITH_TARGETS, &with_targets),
    ];
    for (file, arguments) in committed {
        let (code, printed, notes) = tenure(arguments);
        assert_eq!((code, notes.as_str()), (0, ""));
        if std::env::var_os("TENURE_BLESS").is_some() {
            fs::write(root().join(file), &printed).unwrap();
        }
        assert!(
            read(file) == printed,
            "{file} is not what is printed: TENURE_BLESS=1 cargo test --test rules"
        );
        let checked = promtool(
            &["check", "rules", "--lint=all", "--lint-fatal", file],
            root(),
        );
        checked.unwrap_or_else(|found| panic!("{found}"));
    }
}

#[test]
fn a_prometheus_rule_holds_the_same_groups() {
    let (code, file, _) = tenure(&["rules"]);
    assert_eq!(code, 0);
    let (code, object, _) = tenure(&[
        "rules",
        "--format=kubernetes",
        "--namespace=shop",
        "--labels=release=prometheus,team=data",
    ]);
    assert_eq!(code, 0);
    let file: Value = serde_saphyr::from_str(&file).unwrap();
    let object: Value = serde_saphyr::from_str(&object).unwrap();
    assert_eq!(object["apiVersion"], "monitoring.coreos.com/v1");
    assert_eq!(object["kind"], "PrometheusRule");
    assert_eq!(
        object["metadata"],
        json!({
            "name": "tenure",
            "namespace": "shop",
            "labels": {"release": "prometheus", "team": "data"},
        })
    );
    assert_eq!(object["spec"], file);
    let (code, _, said) = tenure(&["rules", "--namespace=shop"]);
    assert_eq!(code, 2, "{said}");
}

// The names in the expressions.

/// What an expression looks at, and the labels that it names.
#[derive(Debug, Default)]
struct Names {
    /// Each selector with the labels that it matches.
    selected: Vec<(String, BTreeSet<String>)>,
    labels: BTreeSet<String>,
}

impl Names {
    fn of(expression: &str) -> Self {
        let parsed = parser::parse(expression);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}:\n{expression}"));
        let mut names = Self::default();
        walk_expr(&mut names, &parsed).unwrap();
        names
    }

    fn selector(&mut self, selector: &VectorSelector) {
        let Matchers { matchers, .. } = &selector.matchers;
        let labels = matchers.iter().map(|matcher| matcher.name.clone());
        let name = selector.name.clone().unwrap();
        self.selected.push((name, labels.collect()));
    }

    fn modifier(&mut self, modifier: Option<&LabelModifier>) {
        if let Some(modifier) = modifier {
            self.labels.extend(modifier.labels().labels.iter().cloned());
        }
    }
}

impl ExprVisitor for Names {
    type Error = String;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, String> {
        match expression {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::Aggregate(aggregate) => self.modifier(aggregate.modifier.as_ref()),
            Expr::Binary(binary) => {
                let modifier = binary.modifier.as_ref();
                self.modifier(modifier.and_then(|modifier| modifier.matching.as_ref()));
            }
            _ => {}
        }
        Ok(true)
    }
}

/// Every metric of the page with its labels, and what Prometheus adds.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let labels = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
    let measures = MEASURES
        .iter()
        .map(|measure| (measure.name, measure.labels));
    let process = CATALOGUE
        .iter()
        .map(|instrument| (instrument.name, instrument.labels));
    let outside = [("up", [].as_slice()), ("process_start_time_seconds", &[])];
    measures
        .chain(process)
        .chain(outside)
        .map(|(name, named)| (name.to_owned(), labels(named)))
        .collect()
}

#[test]
fn every_metric_and_label_in_the_rules_is_on_the_page() {
    let of_target = ["job", "instance", "pod"].map(str::to_owned);
    let mut known = metrics();
    let mut looked_at = BTreeSet::new();
    for group in all_rules() {
        let records = group.records.iter().map(|record| &record.expression);
        let alerts = group.rules.iter().map(|rule| &rule.expression);
        for (index, expression) in records.chain(alerts).enumerate() {
            let names = Names::of(expression);
            assert!(!names.selected.is_empty(), "{expression}");
            let mut labels: BTreeSet<String> = of_target.iter().cloned().collect();
            for (metric, matched) in &names.selected {
                let of_metric = known.get(metric);
                let of_metric = of_metric.unwrap_or_else(|| panic!("{metric} in {expression}"));
                labels.extend(of_metric.iter().cloned());
                for label in matched {
                    let is_known = of_metric.contains(label) || of_target.contains(label);
                    assert!(is_known, "{metric} has no label {label}: {expression}");
                }
                assert!(matched.contains("job"), "{metric} of any job: {expression}");
                looked_at.insert(metric.clone());
            }
            let strange: Vec<&String> = names.labels.difference(&labels).collect();
            assert!(strange.is_empty(), "{strange:?} in {expression}");
            // What is recorded can be looked at by what comes after it, with the labels that are left.
            if let Some(record) = group.records.get(index) {
                let (level, _) = record.name.split_once(':').unwrap();
                let left = level.split('_').map(str::to_owned);
                known.insert(record.name.clone(), left.collect());
            }
        }
    }
    for group in all_rules() {
        for record in group
            .records
            .iter()
            .filter(|record| record.name.contains(":last"))
        {
            assert!(
                looked_at.contains(&record.name),
                "{} is of no use",
                record.name
            );
        }
    }
}

#[test]
fn what_the_descriptions_ask_for_is_recorded() {
    let mut asked = 0;
    for group in all_rules() {
        let recorded: BTreeSet<&str> = group.records.iter().map(|record| &*record.name).collect();
        for rule in &group.rules {
            for query in rule
                .description
                .split('`')
                .filter(|part| part.contains("{job=%q"))
            {
                let (name, _) = query.split_once('{').unwrap();
                assert!(recorded.contains(name), "{}: {name}", rule.alert);
                asked += 1;
            }
        }
    }
    assert_eq!(asked, 6);
}

// The unit tests of the rules, alert by alert: with the rules of one alert alone they are fast.

/// The unit tests, by file.
fn unit_tests() -> Vec<(PathBuf, Value)> {
    let folder = root().join("deploy/prometheus/rules/tests");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    let parsed = |path: PathBuf| {
        let tests = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap());
        (path, tests.unwrap())
    };
    files.into_iter().map(parsed).collect()
}

/// What the tests of one alert check of it, without the rest.
fn of_alert(alert: Alert, file: &Value) -> Option<Value> {
    let name = alert.name();
    let about = |check: &&Value| check["alertname"] == *name;
    let of_test = |test: &Value| {
        let checks = test["alert_rule_test"].as_array().unwrap();
        let checks: Vec<&Value> = checks.iter().filter(about).collect();
        let mut own = test.clone();
        own["alert_rule_test"] = json!(checks);
        (!checks.is_empty()).then_some(own)
    };
    let tests = file["tests"].as_array().unwrap().iter();
    let tests: Vec<Value> = tests.filter_map(of_test).collect();
    let mut own = file.clone();
    own["rule_files"] = json!(["rules.yaml"]);
    let group = match alert.category() {
        Category::Business => "tenure-business",
        Category::Pipeline => "tenure-pipeline",
    };
    own["group_eval_order"] = json!([group]);
    own["tests"] = json!(tests);
    (!tests.is_empty()).then_some(own)
}

/// The rules of one alert alone.
fn rules_of(alert: Alert) -> String {
    let mut setup: Setup = settings(&TARGETS).alert_setup();
    let others = Alert::ALL.iter().filter(|other| **other != alert);
    setup.alerts.severities = others.map(|other| (*other, None)).collect();
    rule_file(&groups(&setup))
}

/// Runs the unit tests of an alert against these rules.
fn try_rules(alert: Alert, rules: &str, tests: &[(PathBuf, Value)]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let mut files = vec!["test".to_owned(), "rules".to_owned()];
    for (index, own) in tests
        .iter()
        .filter_map(|(_, file)| of_alert(alert, file))
        .enumerate()
    {
        let name = format!("test-{index}.yaml");
        // JSON is YAML.
        fs::write(folder.path().join(&name), own.to_string()).unwrap();
        files.push(name);
    }
    let arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    promtool(&arguments, folder.path()).map(|_| ())
}

/// Does the same with all of them, several at a time, and says what went wrong.
fn in_parallel<T: Sync>(items: &[T], attempt: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(failure) = attempt(item) {
                failures.lock().unwrap().push(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    failures.into_inner().unwrap()
}

#[test]
fn every_alert_fires_with_its_text_and_is_quiet_below_its_guards() {
    let tests = unit_tests();
    for alert in Alert::ALL {
        let of_file = |(_, file): &(PathBuf, Value)| of_alert(*alert, file);
        let files: Vec<Value> = tests.iter().filter_map(of_file).collect();
        let checks = files
            .iter()
            .flat_map(|file| file["tests"].as_array().unwrap());
        let checks = checks.flat_map(|test| test["alert_rule_test"].as_array().unwrap());
        let (fires, quiet): (Vec<&Value>, Vec<&Value>) =
            checks.partition(|check| check["exp_alerts"].is_array());
        assert!(!fires.is_empty(), "no test sees {alert} fire");
        assert!(!quiet.is_empty(), "no test sees {alert} quiet");
    }
    let failures = in_parallel(Alert::ALL, |alert| {
        let found = try_rules(*alert, &rules_of(*alert), &tests).err()?;
        Some(format!("{alert}: {found}"))
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Changes to the rules of an alert, each of which breaks one of its unit tests.
const MUTATIONS: &[(Alert, &[(&str, &str)])] = &[
    (
        Alert::NpsDropped,
        &[
            ("period=\"24h\"} > 10", "period=\"24h\"} >= 10"),
            ("period=\"24h\"} > 10", "period=\"24h\"} > 10.6"),
            ("> 3.7 *", "> 3.6 *"),
            ("> 3.7 *", "> 3.8 *"),
            (">= 20\n", ">= 19\n"),
            (">= 20\n", "> 20\n"),
            ("period=\"7d\"} > 5", "period=\"7d\"} >= 5"),
            ("period=\"7d\"} > 5", "period=\"7d\"} > 5.6"),
            (">= 50", ">= 49"),
            (">= 50", "> 50"),
            ("period=\"30d\"} > 5", "period=\"30d\"} >= 5"),
            ("period=\"30d\"} > 5", "period=\"30d\"} > 5.6"),
            ("> 3.2 *", "> 3.1 *"),
            ("> 3.2 *", "> 3.3 *"),
            (">= 100", ">= 99"),
            (">= 100", "> 100"),
            ("-job_period", "job_period"),
            ("max without (period)", "max without (group)"),
            ("\n        for: 1h", "\n        for: 55m"),
            ("\n        for: 1h", "\n        for: 61m"),
            ("keep_firing_for: 1d", "keep_firing_for: 23h"),
            ("keep_firing_for: 1d", "keep_firing_for: 25h"),
            ("[10m]", "[5m]"),
            ("[10m]", "[20m]"),
            ("max without (instance, pod)", "max without (pod)"),
            (
                "sum without (group) (max without (instance, pod)",
                "sum without (group) (sum without (instance, pod)",
            ),
            ("sum without (group)", "max without (group)"),
            ("severity: warning", "severity: critical"),
        ],
    ),
    (
        Alert::NpsDroppedFar,
        &[
            ("period=\"24h\"} > 20", "period=\"24h\"} >= 20"),
            ("period=\"24h\"} > 20", "period=\"24h\"} > 20.6"),
            ("period=\"7d\"} > 20", "period=\"7d\"} >= 20"),
            ("period=\"7d\"} > 20", "period=\"7d\"} > 20.6"),
            ("period=\"30d\"} > 20", "period=\"30d\"} >= 20"),
            ("period=\"30d\"} > 20", "period=\"30d\"} > 20.6"),
            ("> 3.7 *", "> 3.6 *"),
            ("> 3.2 *", "> 3.1 *"),
            (">= 20\n", ">= 19\n"),
            (">= 50", ">= 49"),
            (">= 100", ">= 99"),
            ("\n        for: 1h", "\n        for: 55m"),
            ("\n        for: 1h", "\n        for: 61m"),
            ("keep_firing_for: 3d", "keep_firing_for: 71h"),
            ("keep_firing_for: 3d", "keep_firing_for: 73h"),
            ("severity: critical", "severity: warning"),
        ],
    ),
    (
        Alert::NpsAlertBlind,
        &[
            ("< 100", "<= 100"),
            ("< 100", "< 99"),
            ("< 50", "<= 50"),
            ("< 50", "< 49"),
            ("< 20", "<= 20"),
            ("< 20", "< 19"),
            ("[7d:1h]", "[3d:1h]"),
            ("offset 6d", "offset 5d"),
            ("for: 1h", "for: 2h"),
            ("for: 1h\n", "for: 0s\n"),
        ],
    ),
    (
        Alert::ChurnSpike,
        &[
            ("+ 5 *", "+ 4.9 *"),
            ("+ 5 *", "+ 5.2 *"),
            ("> 1.3 *", ">= 1.3 *"),
            ("> 1.3 *", "> 1.31 *"),
            (", 2)", ", 1.9)"),
            (", 2)", ", 2.5)"),
            (", reason!=\"inactivity\"", ""),
            ("sum without (reason) (max", "sum without (reason) (sum"),
            ("sum without (reason)", "max without (reason)"),
            ("for: 30m", "for: 25m"),
            ("for: 30m", "for: 31m"),
            ("keep_firing_for: 1d", "keep_firing_for: 23h"),
            ("keep_firing_for: 1d", "keep_firing_for: 25h"),
            ("severity: warning", "severity: info"),
        ],
    ),
    (
        Alert::InactivitySpike,
        &[
            ("+ 5 *", "+ 4.9 *"),
            ("+ 5 *", "+ 5.2 *"),
            ("> 1.3 *", ">= 1.3 *"),
            ("> 1.3 *", "> 1.31 *"),
            (", 2)", ", 1.9)"),
            (", 2)", ", 2.5)"),
            ("reason=\"inactivity\"", "reason!=\"inactivity\""),
            ("for: 30m", "for: 25m"),
            ("for: 30m", "for: 31m"),
            ("keep_firing_for: 1d", "keep_firing_for: 23h"),
            ("keep_firing_for: 1d", "keep_firing_for: 25h"),
            ("severity: info", "severity: warning"),
        ],
    ),
    (
        Alert::RetentionBelowTarget,
        &[
            ("< 0.9\n", "<= 0.9\n"),
            ("< 0.9\n", "< 0.899\n"),
            (">= 200", ">= 199"),
            (">= 200", "> 200"),
            ("\n        for: 1h", "\n        for: 55m"),
            ("\n        for: 1h", "\n        for: 65m"),
            ("keep_firing_for: 1h", "keep_firing_for: 50m"),
            ("keep_firing_for: 1h", "keep_firing_for: 90m"),
        ],
    ),
    (
        Alert::NpsBelowTarget,
        &[
            ("< 30\n", "<= 30\n"),
            ("< 30\n", "< 29.9\n"),
            ("tenure_nps_score_upper", "tenure_nps_score"),
            ("\n        for: 1h", "\n        for: 55m"),
            ("\n        for: 1h", "\n        for: 65m"),
            ("keep_firing_for: 1h", "keep_firing_for: 50m"),
            ("keep_firing_for: 1h", "keep_firing_for: 90m"),
        ],
    ),
    (
        Alert::CsatBelowTarget,
        &[
            ("< 0.8\n", "<= 0.8\n"),
            ("< 0.8\n", "< 0.799\n"),
            ("tenure_csat_ratio_upper", "tenure_csat_ratio"),
            ("\n        for: 1h", "\n        for: 55m"),
            ("\n        for: 1h", "\n        for: 65m"),
            ("keep_firing_for: 1h", "keep_firing_for: 50m"),
            ("keep_firing_for: 1h", "keep_firing_for: 90m"),
        ],
    ),
    (
        Alert::SourceSilent,
        &[
            ("> 6 *", "> 5 *"),
            ("> 6 *", "> 7 *"),
            (
                "> job_event:tenure_event_week_ago_span_seconds",
                "> 0 * job_event:tenure_event_week_ago_span_seconds",
            ),
            ("< 900\n", "<= 900\n"),
            ("< 900\n", "< 899\n"),
            ("== 1\n", "> 0.9\n"),
            ("for: 10m", "for: 9m"),
            ("for: 10m", "for: 11m"),
            ("severity: critical", "severity: warning"),
            ("severity: warning", "severity: critical"),
            ("purchase|churn", "purchase|signup"),
        ],
    ),
    (
        Alert::InstanceDown,
        &[
            ("== 0", "== 1"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
            ("severity: warning", "severity: critical"),
        ],
    ),
    (
        Alert::Down,
        &[
            ("== 0", "== 2"),
            ("max without", "min without"),
            ("(instance, pod)", "(instance)"),
            ("absent(up", "absent(1 + up * 0 or vector(1) or up"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::KafkaDown,
        &[
            ("== 0", "== 2"),
            ("max without", "min without"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::ReportTooOld,
        &[
            ("> 900", ">= 900"),
            ("> 900", "> 960"),
            ("[10m]", "[5m]"),
            ("max without", "min without"),
            ("unless", "and"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::CoverageIncomplete,
        &[
            ("< 1\n", "<= 1\n"),
            ("< 1\n", "< 0.875\n"),
            ("max without", "min without"),
            ("for: 15m", "for: 14m"),
            ("for: 15m", "for: 16m"),
        ],
    ),
    (
        Alert::ShardDegraded,
        &[
            ("== 1", ">= 0"),
            ("count without", "max without"),
            ("(max without", "(sum without"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::DigestMismatch,
        &[
            ("[1h]", "[2h]"),
            ("< 3600", "<= 3600"),
            ("< 3600", "< 3540"),
            ("reason=\"self_check\"", "reason=~\".+\""),
            ("reason=\"damaged\"", "reason=~\".+\""),
            ("[1h])) > 0", "[1h])) > 2"),
            ("reason=\"damaged\"} > 0", "reason=\"damaged\"} > 1"),
        ],
    ),
    (
        Alert::RoutedRecordsLost,
        &[("> 0\n", ">= 0\n"), ("> 0\n", "> 7\n")],
    ),
    (
        Alert::SplitCustomers,
        &[
            ("> 0\n", ">= 0\n"),
            ("> 0\n", "> 3\n"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::Lagging,
        &[
            ("> 300", ">= 300"),
            ("> 300", "> 360"),
            (")) > 0", ")) >= 0"),
            (")) > 0", ")) > 1"),
            ("restoring|catching_up", "restoring"),
            ("restoring|catching_up", "catching_up"),
            ("time() - min", "time() - max"),
            ("for: 10m", "for: 9m"),
            ("for: 10m", "for: 11m"),
        ],
    ),
    (
        Alert::CatchingUpTooLong,
        &[
            ("> 0\n", ">= 0\n"),
            ("> 0\n", "> 2\n"),
            ("restoring|catching_up", "restoring"),
            ("restoring|catching_up", "catching_up"),
            ("restoring|catching_up", "restoring|catching_up|ready"),
            ("for: 30m", "for: 29m"),
            ("for: 30m", "for: 31m"),
        ],
    ),
    (
        Alert::CheckpointTooOld,
        &[
            ("> 900", ">= 900"),
            ("> 900", "> 960"),
            (
                "min without (instance, pod) (tenure_checkpoint",
                "max without (instance, pod) (tenure_checkpoint",
            ),
            ("unless", "and"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::EventsRejected,
        &[
            ("> 0.01\n", ">= 0.01\n"),
            ("> 0.01\n", "> 0.0102\n"),
            (">= 10\n", ">= 9\n"),
            (">= 10\n", "> 10\n"),
            ("[15m]", "[10m]"),
            ("max without", "sum without"),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::ClockSkew,
        &[
            (">= 10\n", ">= 9\n"),
            (">= 10\n", "> 10\n"),
            ("[15m]", "[10m]"),
            ("[15m]", "[20m]"),
            ("reason=\"in_the_future\"", "reason=~\".+\""),
            ("for: 5m", "for: 4m"),
            ("for: 5m", "for: 6m"),
        ],
    ),
    (
        Alert::SeriesLimitReached,
        &[
            ("> 0\n", ">= 0\n"),
            ("> 0\n", "> 1\n"),
            ("max_over_time", "min_over_time"),
            (" offset 1h", ""),
            ("keep_firing_for: 1d", "keep_firing_for: 23h"),
            ("keep_firing_for: 1d", "keep_firing_for: 26h"),
        ],
    ),
    (
        Alert::InstancesDisagree,
        &[
            ("> 300\n", ">= 300\n"),
            ("> 300\n", "> 306\n"),
            ("> 0\n", ">= 0\n"),
            ("> 0\n", "> 0.25\n"),
            ("or\n", "and\n"),
            ("for: 15m", "for: 14m"),
            ("for: 15m", "for: 16m"),
            ("severity: warning", "severity: critical"),
        ],
    ),
    (
        Alert::PartitionOwnedTwice,
        &[
            ("> 1\n", ">= 1\n"),
            ("> 1\n", "> 2\n"),
            ("state=\"ready\"", "state=~\".+\""),
            ("== 1", ">= 0"),
            ("total{job=\"tenure\"} > 0", "total{job=\"tenure\"} >= 0"),
            ("count without (partition)", "max without (partition)"),
            ("for: 10m", "for: 9m"),
            ("for: 10m", "for: 11m"),
        ],
    ),
    (
        Alert::Rebalancing,
        &[
            ("> 6\n", ">= 6\n"),
            ("> 6\n", "> 7\n"),
            ("max without", "sum without"),
            ("[1h]", "[30m]"),
            ("[1h]", "[2h]"),
        ],
    ),
    (
        Alert::DefinitionsDiffer,
        &[
            ("> 1\n", ">= 1\n"),
            ("> 1\n", "> 2\n"),
            ("config_hash", "definition_hash"),
            ("for: 15m", "for: 14m"),
            ("for: 15m", "for: 16m"),
        ],
    ),
    (
        Alert::PartialsRejected,
        &[
            ("> 0\n", ">= 0\n"),
            ("> 0\n", "> 5\n"),
            ("definition|decode|future", "definition|decode"),
            ("definition|decode|future", "decode|future"),
            ("definition|decode|future", "definition|future"),
            ("definition|decode|future", ".+"),
            ("[5m]", "[15m]"),
            ("[5m]", "[1m]"),
            ("for: 15m", "for: 14m"),
            ("for: 15m", "for: 16m"),
        ],
    ),
];

#[test]
fn a_change_to_any_guard_breaks_a_unit_test() {
    let mutated: BTreeSet<Alert> = MUTATIONS.iter().map(|(alert, _)| *alert).collect();
    assert_eq!(mutated, Alert::ALL.iter().copied().collect());
    let tests = unit_tests();
    let mutations: Vec<(Alert, &str, &str)> = MUTATIONS
        .iter()
        .flat_map(|(alert, changes)| changes.iter().map(|(from, to)| (*alert, *from, *to)))
        .collect();
    let survivors = in_parallel(&mutations, |(alert, from, to)| {
        let rules = rules_of(*alert);
        let changed = rules.replace(from, to);
        if changed == rules {
            return Some(format!("{alert}: there is no {from}"));
        }
        match try_rules(*alert, &changed, &tests) {
            Ok(()) => Some(format!("{alert}: {from} -> {to} breaks no unit test")),
            Err(found) if !found.contains("exp:") => Some(format!("{alert}: {to}: {found}")),
            Err(_) => None,
        }
    });
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

// What the rules follow from.

/// The one line of the rules that holds this text, without what surrounds it.
fn lines_with<'a>(rules: &'a str, text: &str) -> Vec<&'a str> {
    rules
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(text))
        .collect()
}

#[test]
fn rules_follow_the_settings() {
    let rules = |set: &[(&str, &str)]| rule_file(&groups(&settings(set).alert_setup()));
    let default = rules(&[]);
    assert_eq!(lines_with(&default, "BelowTarget"), Vec::<&str>::new());
    assert!(default.contains("job=\"tenure\", period=~\"24h|7d|30d\""));
    assert!(
        default.contains("tenure_checkpoint_last_success_timestamp_seconds{job=\"tenure\"}) > 900")
    );

    // Periods are taken by their length, and called as they are configured.
    let renamed = rules(&[("periods", "1d,1w,4w,this_month")]);
    assert!(renamed.contains("period=~\"1d|1w\"") && !renamed.contains("30d"));
    let months = rules(&[("periods", "this_month")]);
    for gone in ["TenureNpsDropped", "TenureChurnSpike", "tenure_departures"] {
        assert!(!months.contains(gone), "{gone}");
    }
    assert!(months.contains("TenureSourceSilent") && months.contains("TenureDown"));

    // Intervals.
    assert!(
        rules(&[("state.interval", "1h")])
            .contains("last_success_timestamp_seconds{job=\"tenure\"}) > 10800")
    );
    assert!(!rules(&[("state.url", "null")]).contains("TenureCheckpointTooOld"));
    let old = "tenure_report_timestamp_seconds{job=\"tenure\"}[10m])) > ";
    for (set, age) in [
        (vec![], "900"),
        (vec![("max_staleness", "20m")], "300"),
        (vec![("max_staleness", "1m")], "60"),
        (vec![("max_staleness", "30d")], "900"),
        (
            vec![("max_staleness", "2h"), ("evaluation_interval", "10m")],
            "1800",
        ),
    ] {
        let rules = rules(&set);
        assert!(rules.contains(&format!("{old}{age}\n")), "{set:?}");
        assert!(
            rules.contains(&format!("last10m{{job=\"tenure\"}} < {age}\n")),
            "{set:?}"
        );
    }

    // Targets of a period of one's own.
    let targets = [&TARGETS[..], &[("alerts.target_period", "this_month")]].concat();
    let targeted = rules(&targets);
    assert_eq!(
        lines_with(&targeted, "alert: Tenure")
            .iter()
            .filter(|line| line.contains("BelowTarget"))
            .count(),
        3
    );
    assert!(
        targeted.contains(
            "tenure_retention_ratio:last10m{job=\"tenure\", period=\"this_month\"} < 0.9"
        )
    );

    // Names and addresses.
    let shop = rules(&[
        ("alerts.job", "shop \"eu\""),
        ("alerts.runbook_url", "https://wiki/tenure"),
        ("alerts.dashboard_url", "https://grafana/"),
        ("kafka.topics", "orders,surveys"),
    ]);
    assert!(shop.contains("{job=\"shop \\\"eu\\\"\"}") && !shop.contains("job=\"tenure\""));
    assert!(shop.contains("runbook_url: \"https://wiki/tenure#tenuredown\""));
    assert!(shop.contains("dashboard_url: \"https://grafana/d/tenure-satisfaction\""));
    assert!(shop.contains("event in orders, surveys for"));
}

#[test]
fn severities_are_as_configured_and_none_leaves_an_alert_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenure.yaml");
    let severities =
        "TenureDown: none\n    TenureLagging: critical\n    TenureSourceSilent: info\n";
    fs::write(&file, format!("alerts:\n  severities:\n    {severities}")).unwrap();
    let (code, rules, _) = tenure(&["rules", "--config", file.to_str().unwrap()]);
    assert_eq!(code, 0);
    let rules: Value = serde_saphyr::from_str(&rules).unwrap();
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for group in rules["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            if let Some(alert) = rule["alert"].as_str() {
                let severity = rule["labels"]["severity"].as_str().unwrap();
                found.entry(alert).or_default().insert(severity);
            }
        }
    }
    assert!(!found.contains_key("TenureDown"));
    for (alert, severity) in [
        ("TenureLagging", "critical"),
        ("TenureSourceSilent", "info"),
        ("TenureNpsDropped", "warning"),
    ] {
        assert_eq!(found[alert], [severity].into(), "{alert}");
    }
}

#[test]
fn waits_can_be_shortened_and_instances_told_apart_by_more_labels() {
    let (code, rules, _) = tenure(&["rules", "--for", "1m", "--drop-labels", "node,host"]);
    assert_eq!(code, 0);
    let waits: BTreeSet<&str> = rules
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("for: ") || line.starts_with("keep_firing_for: "))
        .collect();
    assert_eq!(waits, ["for: 1m", "keep_firing_for: 1m"].into());
    assert!(rules.contains("max without (instance, pod, node, host) (up"));
    assert!(!rules.contains("(instance, pod)"));
    let (_, none, _) = tenure(&["rules", "--for", "0s"]);
    assert!(lines_with(&none, "for: ").is_empty());
    for wrong in ["--for=soon", "--for=-1m", "--drop-labels=a-b", "--labels=a"] {
        let (code, _, said) = tenure(&["rules", wrong]);
        assert_eq!(code, 2, "{said}");
    }
}

#[test]
fn a_missing_period_is_told_by_the_command_and_by_check() {
    let missing = "`periods` has no 24h and no 30d, so the alerts TenureNpsDropped, \
                   TenureNpsDroppedFar, TenureNpsAlertBlind see less than they could";
    let gone = "`periods` has no 24h, so the alerts TenureChurnSpike, TenureInactivitySpike see less \
                than they could";
    let set = ["--set", "periods=7d,this_month"];
    let (code, _, notes) = tenure(&[&["rules"], &set[..]].concat());
    assert_eq!(code, 0);
    assert_eq!(notes, format!("note: {missing}\nnote: {gone}\n"));
    let (code, found, _) = tenure(&[&["check", "--offline"], &set[..]].concat());
    assert_eq!(code, 0);
    for sentence in [missing, gone] {
        assert!(found.contains(&format!("warning  {sentence}\n")), "{found}");
    }
    let (code, _, _) = tenure(&[&["check", "--offline", "--deny-warnings"], &set[..]].concat());
    assert_eq!(code, 78);
    let (_, found, _) = tenure(&["check", "--offline", "--set", "periods=today"]);
    let none = "`periods` has no 24h and no 7d, so there are no alerts TenureChurnSpike, \
                TenureInactivitySpike";
    assert!(found.contains(none), "{found}");
    let (code, found, _) = tenure(&["check", "--offline", "--deny-warnings"]);
    assert_eq!(code, 0, "{found}");
}

// Where alerts go, and what is written about them.

const ALERTMANAGER: &str = "deploy/alertmanager/alertmanager.yml";

#[test]
fn alerts_are_routed_by_severity() {
    amtool(&["check-config", ALERTMANAGER]).unwrap_or_else(|found| panic!("{found}"));
    for group in all_rules() {
        for rule in &group.rules {
            let receiver = match rule.severity.name() {
                "critical" => "page",
                "warning" => "ticket",
                _ => "info",
            };
            let alert = format!("alertname={}", rule.alert);
            let severity = format!("severity={}", rule.severity.name());
            let category = format!("category={}", rule.alert.category().name());
            let verdict = amtool(&[
                "config",
                "routes",
                "test",
                &format!("--config.file={ALERTMANAGER}"),
                &format!("--verify.receivers={receiver}"),
                "job=tenure",
                &alert,
                &severity,
                &category,
            ]);
            verdict.unwrap_or_else(|found| panic!("{}: {found}", rule.alert));
        }
    }
}

#[test]
fn what_holds_alerts_back_is_absence_coverage_and_age() {
    let file: Value = serde_saphyr::from_str(&read(ALERTMANAGER)).unwrap();
    let mut sources = BTreeSet::new();
    for rule in file["inhibit_rules"].as_array().unwrap() {
        assert_eq!(rule["equal"], json!(["job", "namespace", "cluster"]));
        let matchers = ["source_matchers", "target_matchers"].map(|side| rule[side].to_string());
        for side in &matchers {
            for name in side.split(|c: char| !c.is_alphanumeric()) {
                let named = name.starts_with("Tenure") && name != "Tenure";
                assert!(!named || Alert::of_name(name).is_some(), "{name}");
            }
        }
        let names = matchers[0].split(|c: char| !c.is_alphanumeric());
        sources.extend(names.filter_map(Alert::of_name));
    }
    let expected = [Alert::Down, Alert::ReportTooOld, Alert::CoverageIncomplete];
    assert_eq!(sources, expected.into());
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() {
    let runbook = read("docs/runbook.md");
    let sections: Vec<(&str, &str)> = runbook
        .split("\n### ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap())
        .collect();
    let names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
    let alerts: Vec<String> = Alert::ALL.iter().map(|alert| alert.name()).collect();
    assert_eq!(names, alerts);
    for (name, text) in sections {
        for part in ["**What it means.**", "**How to look.**", "**What to do.**"] {
            assert!(text.contains(part), "{name} lacks {part}");
        }
        for word in text.split('`').skip(1).step_by(2) {
            let metric = word
                .split(['{', '[', ' ', '(', ')'])
                .find(|w| w.starts_with("tenure_"));
            if let Some(metric) = metric {
                assert!(metrics().contains_key(metric), "{name}: {metric}");
            }
        }
    }
}

#[test]
fn the_documentation_lists_every_alert_with_its_severity_and_its_wait() {
    let document = read("docs/alerts.md");
    let mut listed: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for line in document
        .lines()
        .filter(|line| line.starts_with("| [Tenure"))
    {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, wait, severity] = cells.as_slice() else {
            panic!("{line}");
        };
        let (name, link) = name.trim_start_matches('[').split_once(']').unwrap();
        assert_eq!(link, format!("(runbook.md#{})", name.to_lowercase()));
        let row = ((*wait).to_owned(), (*severity).to_owned());
        listed.entry(name.to_owned()).or_default().insert(row);
    }
    let mut expected: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let rules: Value = serde_saphyr::from_str(&rule_file(&all_rules())).unwrap();
    for group in rules["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or("0s").to_owned();
            if let Some(alert) = rule["alert"].as_str() {
                let row = (text(&rule["for"]), text(&rule["labels"]["severity"]));
                expected.entry(alert.to_owned()).or_default().insert(row);
            }
        }
    }
    assert_eq!(listed, expected);
}

#[test]
fn the_documentation_says_the_thresholds() {
    let document = read("docs/alerts.md");
    let row = |name: &str| {
        let start = format!("| [{name}]");
        let mut lines = document.lines();
        lines
            .find(|line| line.starts_with(&start))
            .unwrap()
            .to_owned()
    };
    let dropped = row("TenureNpsDropped");
    for guard in NPS_GUARDS {
        let NpsGuard {
            period,
            points,
            errors,
            answers,
        } = guard;
        assert!(dropped.contains(&format!("`{period}`")), "{dropped}");
        assert!(dropped.contains(&format!("{points} points and {errors} standard errors")));
        assert!(
            dropped.contains(&format!(" {answers}")),
            "{answers}: {dropped}"
        );
    }
    let far = row("TenureNpsDroppedFar");
    assert!(far.contains(&format!("{NPS_FAR_POINTS} points")), "{far}");
    let spike = row("TenureChurnSpike");
    let DepartureGuard {
        roots,
        factor,
        least_expected,
    } = DEPARTURE_GUARD;
    for said in [
        format!("{roots} times the square root"),
        format!("{factor} times the expected"),
        format!("at least {least_expected} counts"),
    ] {
        assert!(spike.contains(&said), "{said}: {spike}");
    }
    let silent = row("TenureSourceSilent");
    assert!(
        silent.contains(&format!("{SILENT_GAPS} times the usual gap")),
        "{silent}"
    );
    let retention = row("TenureRetentionBelowTarget");
    assert!(retention.contains(&format!("{RETENTION_LEAST_CUSTOMERS} customers")));
}
