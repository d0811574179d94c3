//! The dashboards against the program and a real Prometheus: every query returns data.

#![cfg(test)]

#[expect(dead_code, reason = "these tests look at data and not at legends")]
#[path = "dashboards/files.rs"]
mod files;
#[expect(
    dead_code,
    reason = "these tests send no signals and look at no faults"
)]
mod real;
#[expect(
    dead_code,
    reason = "these tests compare no numbers and look at no checkpoints"
)]
mod service;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use files::{Dashboard, Query, expand, explanations, list, string};
use real::folder::KeptFolder;
use real::kafka::Kafka;
use real::process::Process;
use real::prometheus::{Prometheus, Sample};
use real::{eventually, free_ports, http};
use service::{Installation, send, signup};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_mins(3);
/// Short, so that rates have their samples soon.
const INTERVAL: Duration = Duration::from_secs(1);

/// Panels without data on a healthy demo; the second test fills each of them.
const EMPTY_IN_THE_DEMO: [(&str, &str); 6] = [
    (
        "Age of the oldest checkpoint",
        "the demo keeps no state, as its broker forgets everything",
    ),
    (
        "Dead letters in the time range, by reason",
        "the demo rejects nothing and has no topic for it",
    ),
    (
        "Taking partitions over",
        "the demo takes them over once, before anybody scrapes",
    ),
    (
        "Part of the report before now",
        "the demo is alone, and tells nobody",
    ),
    ("Parts of reports", "the demo is alone, and tells nobody"),
    (
        "Report topic not read yet",
        "the demo is alone, and hears nobody",
    ),
];

/// A running demo that a Prometheus scrapes.
struct Demo {
    url: String,
    prometheus: Prometheus,
    // Ends with the test.
    _process: Process,
}

impl Demo {
    fn start() -> Self {
        let [port] = free_ports();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listen = address.to_string();
        let process = Process::tenure(&["demo", "--customers", "3000", "--listen", &listen]);
        eventually(DEADLINE, "the demo to be ready", || {
            http::get_ok(&format!("http://{listen}/-/ready"), &[])
        });
        Self {
            url: format!("http://{listen}"),
            prometheus: Prometheus::start(&[address], INTERVAL),
            _process: process,
        }
    }
}

/// Whether an answer has something to show.
fn shows(samples: &[Sample]) -> bool {
    samples.iter().any(|sample| sample.value.is_finite())
}

/// Asks all these questions until each has an answer, and panics with those that have none.
#[track_caller]
fn check_answers(prometheus: &Prometheus, questions: Vec<(String, String)>) {
    let started = Instant::now();
    let mut open = questions;
    eventually(DEADLINE, "an answer to every query", || {
        let mut errors = Vec::new();
        open.retain(|(place, question)| match prometheus.query(question) {
            Ok(samples) => !shows(&samples),
            Err(error) => {
                errors.push(format!("{place}: {question}: {error}"));
                true
            }
        });
        // What cannot be asked is not waited for.
        assert!(errors.is_empty(), "{errors:#?}");
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("after {:?} empty: {open:#?}", started.elapsed()))
        }
    });
}

fn question(query: &Query) -> (String, String) {
    (query.place.clone(), expand(&query.expression, "30d"))
}

fn exception(query: &Query) -> bool {
    let mut exceptions = EMPTY_IN_THE_DEMO.iter();
    exceptions.any(|(panel, _)| query.panel == *panel)
}

#[test]
fn every_query_of_every_dashboard_returns_data_from_a_demo() {
    let demo = Demo::start();
    let mut questions = Vec::new();
    for dashboard in files::all() {
        let panels = dashboard.queries();
        questions.extend(
            panels
                .iter()
                .filter(|query| !exception(query))
                .map(question),
        );
        for variable in dashboard.label_values() {
            let label = &variable.label;
            let values = format!("group by ({label}) ({})", variable.selector);
            let place = format!("{}: ${}", dashboard.file, variable.name);
            questions.push((place, expand(&values, "30d")));
        }
        // Alerts and withheld measures are no part of a healthy service; a start always is.
        let starts = dashboard.annotations().into_iter();
        let starts = starts.filter(|annotation| annotation.panel == "Restarts");
        questions.extend(starts.map(|query| question(&query)));
    }
    assert!(questions.len() > 150, "{} queries", questions.len());
    check_answers(&demo.prometheus, questions);
    check_rows(&demo.prometheus);
    check_explanations(&demo.url);
    let nothing = demo.prometheus.query(&withheld()).unwrap();
    assert_eq!(nothing.len(), 1);
    assert_eq!(nothing[0].labels["reason"], "nothing");
}

/// The columns of a table come from several queries, and make one row where all labels agree: so
/// all of them have the same labels.
#[track_caller]
fn check_rows(prometheus: &Prometheus) {
    let mut joined = 0;
    for dashboard in files::all() {
        for panel in dashboard.panels() {
            let targets = list(panel, "/targets");
            if string(panel, "/type") != "table" || targets.len() < 2 {
                continue;
            }
            let labels_of = |target| {
                let query = expand(string(target, "/expr"), "30d");
                let samples = prometheus.query(&query).unwrap().into_iter();
                samples.map(|sample| {
                    let labels = sample.labels.into_keys();
                    labels.filter(|label| label != "__name__").collect()
                })
            };
            let labels: BTreeSet<Vec<String>> = targets.iter().flat_map(labels_of).collect();
            assert_eq!(labels.len(), 1, "{}: {labels:?}", string(panel, "/title"));
            joined += 1;
        }
    }
    assert!(joined >= 6, "{joined} tables");
}

/// What a link asks the console to explain, the service can explain.
#[track_caller]
fn check_explanations(url: &str) {
    let mut asked = BTreeSet::new();
    for dashboard in files::all() {
        for link in dashboard.panels().into_iter().flat_map(explanations) {
            let (_, number) = link.split_once("#explain=").unwrap();
            let number = number.replace("${__data.fields.period}", "7d");
            asked.insert(expand(&number.replace("${period}", "30d"), "30d"));
        }
    }
    assert!(asked.len() >= 15, "{asked:?}");
    for number in asked {
        http::get_ok(&format!("{url}/api/v1/explain?metric={number}"), &[]).unwrap();
    }
}

/// The query of the table of withheld measures.
fn withheld() -> String {
    let queries = files::all().swap_remove(0).queries().into_iter();
    let mut queries = queries.filter(|query| query.panel == "Withheld measures");
    expand(&queries.next().unwrap().expression, "30d")
}

#[test]
fn what_is_empty_on_a_demo_is_filled_when_there_is_something_to_show() {
    let kafka = Kafka::shared();
    kafka.create_topic("dashboards", 2, &[]);
    kafka.create_topic("dashboards-rejected", 1, &[]);
    let no_event = |at: u32| (0, None, Some(format!("no event {at}").into_bytes()));
    let records = (0..20)
        .map(|customer| ((customer % 2) as i32, None, Some(signup(customer))))
        .chain((0..5).map(no_event));
    send(&kafka.client_config(), "dashboards", records);
    let folder = KeptFolder::new("key");
    let key = folder.path().join("digest.key");
    fs::write(&key, "000102030405060708090a0b0c0d0e0f\n").unwrap();
    let key = format!("customer_digest_key_file={}", key.display());
    let settings = [
        "churn_events=null",
        "dead_letters.topic=dashboards-rejected",
        "cluster.report_topic=dashboards-reports",
        &key,
    ];
    let installation = Installation::new(kafka.bootstrap_servers(), "dashboards", &settings);
    let service = installation.start();
    let address = service
        .url
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let prometheus = Prometheus::start(&[address], INTERVAL);
    prometheus.wait_until("tenure_rebalances_total", DEADLINE, |samples| {
        !samples.is_empty()
    });
    // Who comes later takes a partition over.
    let later = ["--set", "cluster.instance_id=later"];
    let later = installation.start_with(&later, |_| {});

    let all = files::all();
    let queries: Vec<Query> = all.iter().flat_map(Dashboard::queries).collect();
    for (panel, why) in EMPTY_IN_THE_DEMO {
        assert!(queries.iter().any(|query| query.panel == panel), "{why}");
    }
    let filled: Vec<_> = queries.iter().filter(|query| exception(query)).collect();
    let annotations = all.iter().flat_map(Dashboard::annotations);
    let annotations: Vec<Query> = annotations
        .filter(|annotation| annotation.panel == "Withheld")
        .collect();
    let filled = filled.into_iter().chain(&annotations).map(question);
    check_answers(&prometheus, filled.collect());

    // Nobody can be seen leaving, so the ratios that rest on it are named with the reason.
    let rows = prometheus.wait_until(&withheld(), DEADLINE, |samples| {
        samples.iter().any(|sample| {
            sample.labels["reason"] == "no_churn_source"
                && sample.labels.get("measure").map(String::as_str) == Some("tenure_churn_ratio")
        })
    });
    assert!(rows.len() >= 5, "{rows:?}");
    // A headline of what is withheld is gone, and does not stay at its last value.
    let overview = files::all().swap_remove(0).queries();
    let churn = overview
        .iter()
        .find(|query| query.panel == "Churn")
        .unwrap();
    assert_eq!(prometheus.query(&question(churn).1), Ok(Vec::new()));
    later.ends_well();
    service.ends_well();
}
