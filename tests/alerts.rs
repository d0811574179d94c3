//! Alerts from end to end: `tenure demo`, the rules of `tenure rules`, a real Prometheus, a real
//! Alertmanager with the configuration that is shipped, and a receiver of its messages.
//!
//! Nothing is waited out: no alert waits for longer than some evaluations, and groups are sent at
//! once.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need no broker")]
mod real;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use real::alertmanager::{Alertmanager, Receiver, ToldAlert};
use real::process::{Process, Signal};
use real::prometheus::{Alerting, Prometheus, Rule};
use real::{eventually, free_ports};

/// Scrapes and evaluations of the rules.
const INTERVAL: Duration = Duration::from_secs(1);
/// A debug build loads the history of the shop, beside others that do so too.
const LOADED: Duration = Duration::from_secs(90);
const DEADLINE: Duration = Duration::from_mins(1);

/// A demo that has loaded its history.
struct Demo {
    address: SocketAddr,
    process: Process,
}

impl Demo {
    fn start(scenario: &str) -> Self {
        let [port] = free_ports();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listen = address.to_string();
        let process = Process::tenure(&["demo", "--scenario", scenario, "--listen", &listen]);
        Self { address, process }
    }

    /// Reading what was there before the start is an alert of its own, if it takes long.
    fn wait_until_ready(&self) {
        let url = format!("http://{}/-/ready", self.address);
        self.process.wait_for_page(&url, LOADED);
    }
}

/// Rules that fit the demo, which keeps no state, and that nobody has to wait long for. Some
/// evaluations must pass: before its first scrape Prometheus knows no instance, and on a busy machine
/// a scrape can take longer than its second.
fn rules() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["rules", "--for", "10s", "--set", "state.url=null"])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The configuration that is shipped, with the receiver in the place of those that have to be
/// replaced, and without its waits.
fn configuration(receiver: &Receiver) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alertmanager/alertmanager.yml");
    let shipped = fs::read_to_string(path).expect("the shipped configuration");
    let of_test: Vec<String> = shipped
        .replace("http://pager.example.com/tenure", &receiver.url("/page"))
        .replace(
            "http://tickets.example.com/tenure",
            &receiver.url("/ticket"),
        )
        .lines()
        .map(|line| match line.split_once("group_") {
            Some((indent, rest)) if rest.starts_with("wait:") => format!("{indent}group_wait: 0s"),
            Some((indent, rest)) if rest.starts_with("interval:") => {
                format!("{indent}group_interval: 1s")
            }
            _ => line.to_owned(),
        })
        .collect();
    assert!(!of_test.iter().any(|line| line.contains("example.com")));
    of_test.join("\n")
}

/// Everything that an alert passes through.
struct Chain {
    demos: Vec<Demo>,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    receiver: Receiver,
}

impl Chain {
    fn start(scenarios: &[&str]) -> Self {
        let demos: Vec<Demo> = scenarios
            .iter()
            .map(|scenario| Demo::start(scenario))
            .collect();
        for demo in &demos {
            demo.wait_until_ready();
        }
        let receiver = Receiver::start();
        let alertmanager = Alertmanager::start(&configuration(&receiver));
        let targets: Vec<SocketAddr> = demos.iter().map(|demo| demo.address).collect();
        let rules = rules();
        let alerting = Alerting {
            rules: &rules,
            alertmanager: alertmanager.address(),
        };
        Self {
            demos,
            prometheus: Prometheus::alerting(&targets, INTERVAL, alerting),
            alertmanager,
            receiver,
        }
    }

    /// Names of the alerts that have fired since the start.
    fn told(&self) -> BTreeSet<String> {
        let samples = self
            .prometheus
            .query("count_over_time(ALERTS{alertstate=\"firing\"}[1h])");
        let samples = samples.expect("an answer").into_iter();
        samples
            .map(|sample| sample.labels["alertname"].clone())
            .collect()
    }

    /// Waits until each rule has been evaluated so many times more.
    fn wait_for_evaluations(&self, more: f64) {
        let before = self.prometheus.evaluations().unwrap_or_default();
        eventually(DEADLINE, "evaluations of the rules", || {
            let now = self.prometheus.evaluations()?;
            (now >= before + more)
                .then_some(())
                .ok_or_else(|| format!("{before}, and now {now}"))
        });
    }

    /// Waits until all that the rules look at is there, apart from what a healthy shop does not have.
    fn wait_for_inputs(&self) -> Vec<Rule> {
        let rules = self.prometheus.rules().expect("rules");
        for rule in &rules {
            for selector in selectors(&rule.query) {
                if ABSENT.iter().any(|absent| selector.contains(absent)) {
                    continue;
                }
                self.prometheus
                    .wait_until(&format!("count({selector})"), DEADLINE, |samples| {
                        !samples.is_empty()
                    });
            }
        }
        rules
    }
}

/// What is not on the page of a demo in which nothing goes wrong.
const ABSENT: [&str; 5] = [
    // A shop whose customers say that they leave has no timeout.
    "reason=\"inactivity\"",
    "_by_inactivity:",
    // There is no shard of which something is missing.
    "tenure_shard_degraded",
    // Its events are keyed by customer: nothing has to be routed.
    "tenure_router_",
    // It shares the work with nobody.
    "tenure_partials_",
];

/// The series that an expression selects.
fn selectors(expression: &str) -> Vec<&str> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    expression
        .match_indices('{')
        .filter_map(|(brace, _)| {
            let name = expression[..brace].trim_end_matches(of_name).len();
            let end = expression[brace..].find('}')?;
            Some(&expression[name..=brace + end])
        })
        .collect()
}

#[track_caller]
fn assert_told(told: &(String, ToldAlert), path: &str, severity: &str, description: &str) {
    let (
        posted_to,
        ToldAlert {
            labels,
            annotations,
            ..
        },
    ) = told;
    assert_eq!(posted_to, path, "{labels:?}");
    assert_eq!(labels["severity"], severity);
    assert_eq!(labels["job"], "tenure");
    assert!(!annotations["summary"].is_empty());
    assert!(
        annotations["description"].contains(description),
        "{annotations:?}"
    );
    assert!(
        !annotations["description"].contains("{{"),
        "{annotations:?}"
    );
    let anchor = format!("docs/runbook.md#{}", labels["alertname"].to_lowercase());
    assert!(
        annotations["runbook_url"].ends_with(&anchor),
        "{annotations:?}"
    );
}

#[test]
fn a_drop_of_the_nps_reaches_its_receiver_and_an_outage_holds_it_back() {
    let mut chain = Chain::start(&["nps-drop", "nps-drop"]);
    let told = chain.receiver.wait_for("TenureNpsDropped", DEADLINE);
    assert_told(
        &told,
        "/ticket",
        "warning",
        "The Net Promoter Score of tenure fell by ",
    );
    assert!(
        !told.1.labels.contains_key("instance"),
        "one alert for all instances"
    );

    // One of the two is away: somebody is told, and nothing else is held back.
    let away = chain.demos[0].address.to_string();
    chain.demos[0].process.send(Signal::Kill);
    let told = chain.receiver.wait_for("TenureInstanceDown", DEADLINE);
    assert_told(&told, "/ticket", "warning", &away);
    assert_eq!(told.1.labels["instance"], away);
    chain.wait_for_evaluations(5.0);
    let held = chain
        .alertmanager
        .alerts("TenureNpsDropped")
        .expect("alerts");
    assert!(
        held.iter().all(|alert| alert.status.state == "active"),
        "{held:?}"
    );
    assert!(!chain.told().contains("TenureDown"));

    // Both are: one alert says so, and the others are held back by it.
    chain.demos[1].process.send(Signal::Kill);
    let told = chain.receiver.wait_for("TenureDown", DEADLINE);
    assert_told(&told, "/page", "critical", "no instance of tenure");
    for name in ["TenureNpsDropped", "TenureInstanceDown"] {
        chain
            .alertmanager
            .wait_for_alerts(name, DEADLINE, |alerts| {
                let held_back = |state: &str| state == "suppressed";
                !alerts.is_empty()
                    && alerts.iter().all(|alert| held_back(&alert.status.state))
                    && alerts
                        .iter()
                        .all(|alert| !alert.status.inhibited_by.is_empty())
            });
    }
}

#[test]
fn more_departures_than_usual_reach_their_receiver() {
    let chain = Chain::start(&["churn-spike"]);
    let told = chain.receiver.wait_for("TenureChurnSpike", DEADLINE);
    assert_told(
        &told,
        "/ticket",
        "warning",
        "times as many customers of tenure left by churn events",
    );
    chain.wait_for_inputs();
    chain.wait_for_evaluations(3.0);
    assert_eq!(
        chain.told(),
        BTreeSet::from(["TenureChurnSpike".to_owned()])
    );
}

#[test]
fn where_nothing_goes_wrong_nobody_is_told_anything() {
    let chain = Chain::start(&["steady"]);
    let rules = chain.wait_for_inputs();
    let alerts = rules.iter().filter(|rule| rule.kind == "alerting").count();
    assert!(alerts >= 20, "{alerts} alerts");
    // A quarter of a minute in which the shop goes on, with all inputs there.
    chain.wait_for_evaluations(15.0);
    let rules = chain.prometheus.rules().expect("rules");
    for rule in &rules {
        assert_eq!(rule.health, "ok", "{}: {}", rule.name, rule.query);
    }
    assert_eq!(chain.told(), BTreeSet::new());
    assert!(chain.receiver.messages().is_empty());
}
