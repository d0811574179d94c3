//! Prometheus, the real server, and promtool, which checks what is served to it.
//!
//! Owns a server that scrapes given addresses into a storage that goes with it. Promises answers as
//! its HTTP API gives them. Deliberately knows no metric.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::process::{Process, new_folder};
use super::{eventually, free_ports, http, installed};

const START: Duration = Duration::from_mins(1);

/// Somebody else can take a port between picking it and listening on it.
const START_ATTEMPTS: usize = 3;

/// The rule file, beside the settings.
const RULES: &str = "rules.yml";

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// All labels, `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// Rules to evaluate, and who is told of their alerts.
#[derive(Clone, Copy, Debug)]
pub struct Alerting<'a> {
    /// A rule file.
    pub rules: &'a str,
    pub alertmanager: SocketAddr,
}

/// A rule as the server has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    pub name: String,
    /// The expression.
    pub query: String,
    /// `ok`, once it has been evaluated.
    pub health: String,
    /// `alerting` or `recording`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A running server, killed and removed on drop.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    process: Process,
}

impl Prometheus {
    /// Starts a server that scrapes `/metrics` of the targets (job `tenure`) and waits until it
    /// answers.
    pub fn start(targets: &[SocketAddr], interval: Duration) -> Self {
        Self::start_with(&settings_of(targets, interval))
    }

    /// Starts a server with this configuration and waits until it answers.
    pub fn start_with(settings: &str) -> Self {
        Self::start_with_rules(settings, None)
    }

    /// Scrapes like [`Self::start`], with rules that are evaluated as often as the targets are
    /// scraped.
    pub fn alerting(targets: &[SocketAddr], interval: Duration, alerting: Alerting<'_>) -> Self {
        let Alerting {
            rules,
            alertmanager,
        } = alerting;
        let settings = settings_of(targets, interval) + &told_by(alertmanager);
        Self::start_with_rules(&settings, Some(rules))
    }

    fn start_with_rules(settings: &str, rules: Option<&str>) -> Self {
        for _ in 1..START_ATTEMPTS {
            if let Ok(prometheus) = Self::try_start(settings, rules) {
                return prometheus;
            }
        }
        let started = Self::try_start(settings, rules);
        started.unwrap_or_else(|failure| panic!("Prometheus did not start: {failure}"))
    }

    /// An error is the end of the process before it answered.
    fn try_start(settings: &str, rules: Option<&str>) -> Result<Self, String> {
        let [port] = free_ports();
        let folder = new_folder("prometheus");
        let write = |file: &str, text: &str| {
            let path = folder.path().join(file);
            fs::write(&path, text)
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        };
        if let Some(rules) = rules {
            write(RULES, rules);
        }
        write("prometheus.yml", settings);
        let mut server = Command::new(program("prometheus", "TENURE_PROMETHEUS"));
        server
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data");
        server.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(folder, &server);
        let url = format!("http://127.0.0.1:{port}");
        eventually(START, "Prometheus to be ready", || {
            match process.exit_code() {
                Some(code) => Ok(Err(format!("exit code {code}\n{}", process.tail()))),
                None => http::get_ok(&format!("{url}/-/ready"), &[]).map(Ok),
            }
        })?;
        Ok(Self { url, process })
    }

    /// The address of the server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Evaluates an expression that gives an instant vector, now.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>, String> {
        self.ask(&[("query", expression)])
    }

    /// Evaluates an expression that gives an instant vector, at an instant in Unix seconds.
    pub fn query_at(&self, expression: &str, at: f64) -> Result<Vec<Sample>, String> {
        self.ask(&[("query", expression), ("time", &format!("{at:.3}"))])
    }

    /// Asks an expression again and again until the answer fits, and returns that answer.
    #[track_caller]
    pub fn wait_until(
        &self,
        expression: &str,
        deadline: Duration,
        fits: impl Fn(&[Sample]) -> bool,
    ) -> Vec<Sample> {
        self.process
            .wait_for(deadline, &format!("an answer to {expression}"), || {
                let samples = self.query(expression)?;
                if fits(&samples) {
                    Ok(samples)
                } else {
                    Err(format!("it is {samples:?}"))
                }
            })
    }

    /// All rules, in the order of their files and groups.
    pub fn rules(&self) -> Result<Vec<Rule>, String> {
        let body = http::get_ok(&format!("{}/api/v1/rules", self.url), &[])?;
        let answer: Rules = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let groups = answer.data.groups.into_iter();
        Ok(groups.flat_map(|group| group.rules).collect())
    }

    /// How often the group of rules that was evaluated least has been evaluated, by the server's own
    /// count.
    pub fn evaluations(&self) -> Result<f64, String> {
        let page = http::get_ok(&format!("{}/metrics", self.url), &[])?;
        let lines = page.lines();
        let counts =
            lines.filter(|line| line.starts_with("prometheus_rule_group_iterations_total{"));
        let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        let least = counts.reduce(f64::min);
        least.ok_or_else(|| "no group has been evaluated".to_owned())
    }

    fn ask(&self, parameters: &[(&str, &str)]) -> Result<Vec<Sample>, String> {
        let (status, body) = http::get(&format!("{}/api/v1/query", self.url), parameters)?;
        let answer: Answer = serde_json::from_str(&body)
            .map_err(|error| format!("status {status}, not an answer: {error}: {body}"))?;
        let data = answer
            .data
            .ok_or_else(|| format!("status {status}: {body}"))?;
        data.result.into_iter().map(Element::into_sample).collect()
    }
}

#[derive(Deserialize)]
struct Rules {
    data: Groups,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Element>,
}

#[derive(Deserialize)]
struct Element {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

impl Element {
    fn into_sample(self) -> Result<Sample, String> {
        let (_, text) = self.value;
        let value = text
            .parse()
            .map_err(|error| format!("value '{text}': {error}"))?;
        Ok(Sample {
            labels: self.metric,
            value,
        })
    }
}

fn settings_of(targets: &[SocketAddr], interval: Duration) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
    format!(
        "global:\n  scrape_interval: {0}ms\n  scrape_timeout: {0}ms\n  evaluation_interval: {0}ms\n\
         scrape_configs:\n  - job_name: tenure\n    static_configs:\n      - targets: [{1}]\n",
        interval.as_millis(),
        targets.join(", ")
    )
}

/// The settings of a server that has rules.
fn told_by(alertmanager: SocketAddr) -> String {
    format!(
        "rule_files: [{RULES}]\nalerting:\n  alertmanagers:\n    \
         - static_configs:\n        - targets: ['{alertmanager}']\n"
    )
}

/// Checks a page in the text format as `promtool check metrics` does: an error is what it found.
pub fn promtool_check_metrics(page: &str) -> Result<(), String> {
    let mut promtool = Command::new(program("promtool", "TENURE_PROMTOOL"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run promtool: {error}"))?;
    if let Some(mut input) = promtool.stdin.take() {
        // On a page that it cannot parse promtool stops reading; its verdict follows.
        let _ = input.write_all(page.as_bytes());
    }
    let output = promtool
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let found = [output.stdout, output.stderr].concat();
    if output.status.success() && found.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&found)
    ))
}

/// Checks a web config file as `promtool check web-config` does: an error is what it found.
pub fn promtool_check_web_config(file: &Path) -> Result<(), String> {
    let output = Command::new(program("promtool", "TENURE_PROMTOOL"))
        .args(["check", "web-config"])
        .arg(file)
        .output()
        .map_err(|error| format!("cannot run promtool: {error}"))?;
    let found = [output.stdout, output.stderr].concat();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&found).into_owned())
}

fn program(name: &str, variable: &str) -> std::path::PathBuf {
    installed(variable, &format!("prometheus/usr/bin/{name}"), Some(name))
}
