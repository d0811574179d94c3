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

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// All labels, `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
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
        for _ in 1..START_ATTEMPTS {
            if let Ok(prometheus) = Self::try_start(settings) {
                return prometheus;
            }
        }
        let started = Self::try_start(settings);
        started.unwrap_or_else(|failure| panic!("Prometheus did not start: {failure}"))
    }

    /// An error is the end of the process before it answered.
    fn try_start(settings: &str) -> Result<Self, String> {
        let [port] = free_ports();
        let folder = new_folder("prometheus");
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, settings)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
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
        "global:\n  scrape_interval: {0}ms\n  scrape_timeout: {0}ms\n\
         scrape_configs:\n  - job_name: tenure\n    static_configs:\n      - targets: [{1}]\n",
        interval.as_millis(),
        targets.join(", ")
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
