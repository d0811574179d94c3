//! The console in a real browser: what a person sees, hears read out, clicks and types.
//!
//! The assertions are in `tests/browser/console.mjs`, beside what they need of a browser. Here are the
//! services that it looks at: one with numbers of every kind, one that cannot know who left, one that
//! reaches no Kafka. Screenshots are in `console/` of cargo's folder for tests.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need no Prometheus")]
mod real;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use real::kafka::Kafka;
use real::process::{Process, new_folder};
use real::{cache_folder, free_ports, http, on_path};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_secs(90);
/// For all that a browser does in one scenario.
const VISIT: Duration = Duration::from_mins(6);
const DAY: u128 = 86_400_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with the modules that drive a browser: where the variable says, else that of the cache
/// folder which was made from our lock file.
fn modules() -> PathBuf {
    if let Some(path) = env::var_os("TENURE_BROWSER_MODULES") {
        return PathBuf::from(path);
    }
    let lock = |folder: &Path| fs::read(folder.join("package-lock.json")).ok();
    let wanted = lock(&root().join("tests/browser"));
    let cached = cache_folder().and_then(|cache| fs::read_dir(cache).ok());
    let folders = cached.into_iter().flatten().flatten();
    folders
        .map(|entry| entry.path())
        .find(|path| path.join("node_modules").is_dir() && lock(path) == wanted)
        .expect("what drives a browser is not there; run ./scripts/test once: it installs that")
}

fn browser() -> PathBuf {
    let named = env::var_os("TENURE_CHROMIUM").map(PathBuf::from);
    let found = named.or_else(|| on_path("chromium"));
    found.expect("chromium is not there; run ./scripts/test once: it installs that")
}

/// Lets the browser go through a scenario.
#[track_caller]
fn visit(scenario: &str, url: &str) {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    fs::create_dir_all(&pictures).unwrap();
    let mut command = Command::new("node");
    command
        .arg(root().join("tests/browser/console.mjs"))
        .args([scenario, url])
        .arg(pictures)
        .env("TENURE_BROWSER_MODULES", modules())
        .env("TENURE_CHROMIUM", browser());
    let visitor = Process::start(new_folder("browser"), &command);
    assert_eq!(visitor.wait(VISIT), 0, "{}", visitor.stderr());
}

fn address() -> (String, String) {
    let [port] = free_ports();
    let listen = format!("127.0.0.1:{port}");
    let url = format!("http://{listen}/");
    (listen, url)
}

#[test]
fn every_number_is_shown_and_explains_itself() {
    let (listen, url) = address();
    let demo = Process::tenure(&["demo", "--listen", &listen, "--customers", "9000"]);
    demo.wait_for_page(&format!("{url}-/ready"), DEADLINE);
    visit("ready", &url);
}

#[test]
fn what_is_withheld_says_why_and_what_to_do() {
    let topic = "nobody-leaves";
    Kafka::shared().create_topic(topic, 1, &[]);
    let events = survey_events();
    send(topic, &events);
    let (listen, url) = address();
    let servers = Kafka::shared().bootstrap_servers();
    let service = Process::tenure(&[
        "run",
        "--listen",
        &listen,
        "--topics",
        topic,
        "--bootstrap-servers",
        servers,
    ]);
    service.wait_for(DEADLINE, "all events in a report", || {
        let page = http::get_ok(&format!("{url}metrics"), &[])?;
        let counted = format!("tenure_customers {}\n", events.len() / 2);
        page.contains(&counted).then_some(()).ok_or(page)
    });
    visit("withheld", &url);
}

#[test]
fn a_service_that_is_not_ready_or_away_says_so() {
    let (listen, url) = address();
    let [nowhere] = free_ports();
    let servers = format!("127.0.0.1:{nowhere}");
    let service = Process::tenure(&[
        "run",
        "--listen",
        &listen,
        "--topics",
        "orders",
        "--bootstrap-servers",
        &servers,
    ]);
    service.wait_for_page(&format!("{url}-/healthy"), DEADLINE);
    visit("not-ready", &url);
}

/// Customers who sign up and answer, on a channel whose name looks like markup, and never leave.
fn survey_events() -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let days_ago = |days: u128| now.as_millis() - days * DAY;
    let of = |customer: usize| {
        let head = |kind: &str, days: u128| {
            let at = days_ago(days);
            format!(
                r#""event_id":"{kind}-{customer}","type":"{kind}","customer_id":"c-{customer}","occurred_at":{at}"#
            )
        };
        let channel = if customer.is_multiple_of(2) {
            "email"
        } else {
            "<img src=x onerror=alert(1)>"
        };
        let score = customer % 11;
        [
            format!("{{{}}}", head("signup", 60)),
            format!(
                r#"{{{},"survey":"nps","score":{score},"channel":"{channel}"}}"#,
                head("survey_submitted", 3)
            ),
        ]
    };
    (0..40).flat_map(of).collect()
}

fn send(topic: &str, events: &[String]) {
    let producer: BaseProducer = Kafka::shared().client_config().create().unwrap();
    for event in events {
        let record = BaseRecord::<str, str>::to(topic).payload(event);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}
