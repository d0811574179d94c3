//! The API of the program against Apache Kafka: the past is what a replay says, whoever asks.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need no Prometheus")]
mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tenure::measure::MEASURES;

use real::kafka::Kafka;
use real::process::{Process, Signal};
use real::{free_ports, http};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_secs(90);
const DAY: i64 = 86_400_000;

/// Few values of each open label are shown, so that which ones is decided again and again.
const SETTINGS: [&str; 7] = [
    "time_zone=Europe/Istanbul",
    "inactivity_timeout=60d",
    "periods=24h,7d,30d,this_month,last_month,last_quarter",
    "dimensions=plan,country",
    "max_segments=5",
    "max_label_values=2",
    "surveys.ces.max=7",
];

/// By name and sorted labels, the values as they are written in JSON.
type Values = BTreeMap<String, f64>;

/// The same events in a topic, in a file, and in a service that has read them.
struct Log {
    topic: &'static str,
    folder: tempfile::TempDir,
    service: Process,
    url: String,
    records: u64,
}

impl Log {
    fn start(topic: &'static str, customers: &str, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = generate(topic, &folder.path().join("events"), customers);
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        let servers = Kafka::shared().bootstrap_servers();
        let mut arguments = vec!["run", "--listen", &listen, "--topics", topic];
        arguments.extend(["--bootstrap-servers", servers]);
        // In one group with others it would wait for their rebalances.
        let group = format!("kafka.group_id={topic}");
        arguments.extend(["--set", &group]);
        let settings = SETTINGS.iter().chain(settings);
        arguments.extend(settings.flat_map(|setting| ["--set", setting]));
        let log = Self {
            topic,
            folder,
            service: Process::tenure(&arguments),
            url: format!("http://{listen}"),
            records,
        };
        log.wait_until_read();
        log
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("events")
    }

    fn page(&self) -> Result<Values, String> {
        Ok(parse(&http::get_ok(&format!("{}/metrics", self.url), &[])?))
    }

    /// Waits until every record is in a report.
    fn wait_until_read(&self) {
        let expected = self.records as f64;
        let read = || {
            let page = self.page()?;
            let taken: f64 = page
                .iter()
                .filter(|(series, _)| series.starts_with("tenure_events_total"))
                .map(|(_, value)| value)
                .sum();
            if taken >= expected {
                Ok(())
            } else {
                Err(format!("{taken} of {expected}"))
            }
        };
        self.service.wait_for(DEADLINE, "all records", read);
        let now = now_millis() as f64 / 1000.0;
        self.service
            .wait_for(DEADLINE, "a report from after that", || {
                let at = self.page()?.get("tenure_report_timestamp_seconds").copied();
                let at = at.ok_or("no report yet")?;
                if at >= now {
                    Ok(())
                } else {
                    Err(format!("the report of {at}"))
                }
            });
    }

    #[track_caller]
    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        http::get_ok(&format!("{}/api/v1/{path}", self.url), parameters).unwrap()
    }

    fn report(&self, at: i64) -> Values {
        let at = format!("{}.{:03}", at / 1000, at % 1000);
        read_report(&self.ask("report", &[("at", &at)]))
    }

    /// Adds an event to the topic, in the partition of its customer, and to the file.
    fn add(&mut self, partition: i32, event: &str) {
        let producer: BaseProducer = Kafka::shared().client_config().create().unwrap();
        let record = BaseRecord::<str, str>::to(self.topic).partition(partition);
        producer.send(record.payload(event)).unwrap();
        producer.flush(DEADLINE).unwrap();
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(self.file())
            .unwrap();
        writeln!(file, "{event}").unwrap();
        self.records += 1;
    }
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .unwrap()
        .to_string()
}

/// Generates the same events into a topic and into a file, and counts them.
fn generate(topic: &str, file: &Path, customers: &str) -> u64 {
    let until = rfc3339(now_millis());
    let generate = |target: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(["generate", "--customers", customers, "--days", "200"])
            .args(["--seed", "7", "--until", &until])
            .args(target)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{complaint}");
        output.stdout
    };
    let servers = Kafka::shared().bootstrap_servers();
    generate(&[
        "--to",
        "kafka",
        "--topic",
        topic,
        "--bootstrap-servers",
        servers,
        "--create-topic",
        "--partitions",
        "5",
    ]);
    let lines = generate(&[]);
    std::fs::write(file, &lines).unwrap();
    String::from_utf8(lines).unwrap().lines().count() as u64
}

/// Series and values of a page in text 0.0.4.
fn parse(text: &str) -> Values {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// The measures of a page, and what is withheld.
fn measures(page: Values) -> Values {
    let measure = |series: &str| {
        let name = series.split('{').next().unwrap_or_default();
        name == "tenure_measures_withheld" || MEASURES.iter().any(|measure| measure.name == name)
    };
    page.into_iter()
        .filter(|(series, _)| measure(series))
        .collect()
}

fn replay(file: &Path, at: i64, settings: &[&str]) -> Values {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.args(["replay", "--at", &rfc3339(at)]);
    for setting in SETTINGS.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    let output = command.arg(file).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    measures(parse(std::str::from_utf8(&output.stdout).unwrap()))
}

#[derive(Deserialize)]
struct ReportBody {
    measures: Vec<MeasureBody>,
    withheld: Vec<WithheldBody>,
}

#[derive(Deserialize)]
struct MeasureBody {
    name: String,
    labels: Vec<String>,
    series: Vec<SampleBody>,
}

#[derive(Deserialize)]
struct SampleBody {
    labels: BTreeMap<String, String>,
    /// As it is written: a reader of JSON may round.
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct WithheldBody {
    measure: String,
    reason: String,
}

/// A report in the form of a page.
fn read_report(body: &str) -> Values {
    let report: ReportBody = serde_json::from_str(body).unwrap();
    let mut values = Values::new();
    for measure in report.measures {
        for sample in measure.series {
            let labels = measure
                .labels
                .iter()
                .map(|name| (name, &sample.labels[name]));
            let series = written(&measure.name, labels);
            values.insert(series, sample.value.get().parse().unwrap());
        }
    }
    for withheld in report.withheld {
        let labels = [("measure", withheld.measure), ("reason", withheld.reason)];
        values.insert(written("tenure_measures_withheld", labels), 1.0);
    }
    values
}

fn written(
    name: &str,
    labels: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> String {
    let labels: Vec<String> = labels
        .into_iter()
        .map(|(name, value)| {
            let value = value.as_ref().replace('\\', "\\\\").replace('"', "\\\"");
            format!("{}=\"{}\"", name.as_ref(), value.replace('\n', "\\n"))
        })
        .collect();
    if labels.is_empty() {
        return name.to_owned();
    }
    format!("{name}{{{}}}", labels.join(","))
}

#[track_caller]
fn check_same(asked: &Values, expected: &Values, what: &str) {
    let bits = |values: &Values| -> BTreeMap<String, u64> {
        let values = values.iter();
        values
            .map(|(series, value)| (series.clone(), value.to_bits()))
            .collect()
    };
    let (asked_bits, expected_bits) = (bits(asked), bits(expected));
    let series: BTreeSet<&String> = asked_bits.keys().chain(expected_bits.keys()).collect();
    let different: Vec<String> = series
        .into_iter()
        .filter(|series| asked_bits.get(*series) != expected_bits.get(*series))
        .map(|series| {
            format!(
                "{series}: {:?} {:?}",
                asked.get(series),
                expected.get(series)
            )
        })
        .collect();
    assert!(different.is_empty(), "{what}: {different:#?}");
}

#[test]
fn a_past_instant_is_what_a_replay_says_and_late_arrivals_change_it() {
    let mut log = Log::start("travelled", "4000", &[]);
    let now = now_millis() - 5000;
    let instants = [40, 3, 150, 0, 91, 199].map(|days| now - days * DAY - days % 7 * 3_600_123);
    for at in instants {
        let expected = replay(&log.file(), at, &[]);
        assert!(expected.len() > 200, "{} series", expected.len());
        check_same(&log.report(at), &expected, &rfc3339(at));
    }

    // Somebody of whom nobody knew joined a hundred days ago, ordered, and left.
    let before = log.report(instants[0]);
    for (kind, days, more) in [
        ("signup", 100, ""),
        (
            "purchase",
            60,
            r#","order_id":"o","amount":"12.34","currency":"EUR""#,
        ),
        ("churn", 45, r#","reason":"moved""#),
        ("survey_submitted", 95, r#","survey":"nps","score":3"#),
    ] {
        let at = rfc3339(now - days * DAY);
        let event = format!(
            r#"{{"event_id":"late-{kind}","type":"{kind}","customer_id":"late","occurred_at":"{at}"{more}}}"#
        );
        log.add(2, &event);
    }
    log.wait_until_read();
    for at in instants {
        check_same(&log.report(at), &replay(&log.file(), at, &[]), &rfc3339(at));
    }
    assert_ne!(log.report(instants[0]), before, "the past has changed");
    check_refusals(&log);
}

/// What cannot be known is refused before anything is evaluated.
fn check_refusals(log: &Log) {
    let ahead = rfc3339(now_millis() + DAY);
    for (path, at, code, way_out) in [
        (
            "report",
            "2001-01-01T00:00:00Z",
            "history_gone",
            "raise `history`",
        ),
        (
            "report",
            ahead.as_str(),
            "not_reached",
            "every partition has reached is 20",
        ),
        (
            "series",
            "2001-01-01T00:00:00Z",
            "history_gone",
            "ask for a later instant",
        ),
        ("series", &ahead, "not_reached", "an earlier one"),
    ] {
        let url = format!("{}/api/v1/{path}", log.url);
        let parameters = match path {
            "report" => vec![("at", at)],
            _ => vec![("metric", "tenure_customers"), ("start", at), ("end", at)],
        };
        let (status, body) = http::get(&url, &parameters).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &answer["error"]["code"]),
            (422, &Value::from(code))
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(way_out), "{message}");
    }
}

#[derive(Deserialize)]
struct SeriesBody {
    series: Vec<LineBody>,
    withheld: Vec<WithheldAt>,
}

#[derive(Deserialize)]
struct LineBody {
    labels: BTreeMap<String, String>,
    points: Vec<(f64, Box<RawValue>)>,
}

#[derive(Deserialize)]
struct WithheldAt {
    at: String,
    reason: String,
}

/// By instant, the values of a series, in the form of a page.
fn read_series(body: &str, measure: &tenure::measure::Measure) -> BTreeMap<i64, Values> {
    let answer: SeriesBody = serde_json::from_str(body).unwrap();
    let dimensions = ["plan".to_owned(), "country".to_owned()];
    let names: Vec<&str> = measure.label_names(&dimensions).collect();
    let mut by_instant: BTreeMap<i64, Values> = BTreeMap::new();
    for line in answer.series {
        let labels = names.iter().map(|name| (name, &line.labels[*name]));
        let series = written(measure.name, labels);
        for (at, value) in line.points {
            let values = by_instant.entry((at * 1000.0).round() as i64).or_default();
            values.insert(series.clone(), value.get().parse().unwrap());
        }
    }
    for withheld in answer.withheld {
        let at: jiff::Timestamp = withheld.at.parse().unwrap();
        let labels = [("measure", measure.name), ("reason", &withheld.reason)];
        let values = by_instant.entry(at.as_millisecond()).or_default();
        values.insert(written("tenure_measures_withheld", labels), 1.0);
    }
    by_instant
}

#[test]
fn a_series_is_the_reports_of_its_instants() {
    let since = rfc3339(now_millis() - 120 * DAY);
    let base = format!("customer_base_complete_since={since}");
    let log = Log::start("drawn", "3000", &[&base]);
    let start = now_millis() - 100 * DAY;
    let step = 11 * DAY + 60_000;
    let instants: Vec<i64> = (0..9).map(|number| start + number * step).collect();
    let reports: Vec<Values> = instants.iter().map(|at| log.report(*at)).collect();
    let (first, last) = (rfc3339(start), rfc3339(instants[8] + step - 1));
    let seconds = (step / 1000).to_string();
    let span = [
        ("start", first.as_str()),
        ("end", &last),
        ("step", &seconds),
    ];
    let mut points = 0;
    for measure in MEASURES {
        let mut filters = vec![vec![]];
        if measure.has_label("period") {
            filters.extend(["7d", "30d", "last_month"].map(|period| vec![("period", period)]));
        }
        if measure.has_label("status") {
            filters.push(vec![("period", "30d"), ("status", "retained")]);
        }
        for filter in filters {
            let mut parameters = vec![("metric", measure.name)];
            parameters.extend(span.iter().copied().chain(filter.iter().copied()));
            let mut asked = read_series(&log.ask("series", &parameters), measure);
            for (at, report) in instants.iter().zip(&reports) {
                let name = |series: &str| series.split('{').next() == Some(measure.name);
                let filtered = |series: &str| {
                    let mut filter = filter.iter();
                    filter.all(|(name, value)| series.contains(&format!("{name}=\"{value}\"")))
                };
                let expected: Values = report
                    .iter()
                    .filter(|(series, _)| name(series) && filtered(series))
                    .map(|(series, value)| (series.clone(), *value))
                    .collect();
                let mut values = asked.remove(at).unwrap_or_default();
                // A report names a measure that is withheld for any period, a series for its own.
                values.retain(|series, _| {
                    let withheld = series.starts_with("tenure_measures_withheld");
                    assert!(!withheld || report.contains_key(series), "{series}");
                    !withheld
                });
                points += values.len();
                check_same(&values, &expected, &format!("{} {filter:?}", measure.name));
            }
            assert!(asked.is_empty(), "{} at {:?}", measure.name, asked.keys());
        }
    }
    assert!(points > 10_000, "{points} points");
    check_withheld_by_period(&log, start);
    check_other_periods(&log, instants[8]);
}

/// The base is complete since 120 days: a window that begins before that says nothing, whatever
/// other periods there are.
fn check_withheld_by_period(log: &Log, start: i64) {
    for (metric, period, withheld) in [
        ("tenure_retention_ratio", "7d", false),
        ("tenure_retention_ratio", "30d", true),
        ("tenure_segment_retention_ratio", "7d", false),
        ("tenure_segment_retention_ratio", "30d", true),
    ] {
        let start = rfc3339(start);
        let parameters = [
            ("metric", metric),
            ("period", period),
            ("start", &start),
            ("end", &start),
        ];
        let answer: Value = serde_json::from_str(&log.ask("series", &parameters)).unwrap();
        let reasons = answer["withheld"].as_array().unwrap();
        assert_eq!(!reasons.is_empty(), withheld, "{metric} {period}");
        assert_eq!(answer["series"].as_array().unwrap().is_empty(), withheld);
        let expected = |reason: &Value| reason["reason"] == "base_incomplete";
        assert!(reasons.iter().all(expected), "{reasons:?}");
    }
}

/// A period that is not configured is what it would be if it were the only one.
fn check_other_periods(log: &Log, at: i64) {
    let since = rfc3339(at - 150 * DAY);
    let alone = [
        "periods=10d",
        &format!("customer_base_complete_since={since}"),
    ];
    let expected = replay(&log.file(), at, &alone);
    let at = rfc3339(at);
    for metric in [
        "tenure_retention_ratio",
        "tenure_departures",
        "tenure_segment_revenue",
        "tenure_channel_responses",
    ] {
        let measure = tenure::measure::catalogue::measure(metric).unwrap();
        let parameters = [
            ("metric", metric),
            ("period", "10d"),
            ("start", &at),
            ("end", &at),
        ];
        let asked = read_series(&log.ask("series", &parameters), measure);
        let of_metric = |(series, _): &(&String, &f64)| series.split('{').next() == Some(metric);
        let expected = expected.iter().filter(of_metric);
        let expected: Values = expected
            .map(|(series, value)| (series.clone(), *value))
            .collect();
        assert!(!expected.is_empty(), "{metric}");
        check_same(asked.values().next().unwrap(), &expected, metric);
    }
}

/// Asks for a customer with these headers; the status and the body.
fn look_up(log: &Log, id: &str, authorization: Option<&str>) -> (u16, String) {
    let mut request = ureq::get(format!("{}/api/v1/customers", log.url)).query("id", id);
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    let request = request.config().http_status_as_error(false).build();
    let mut response = request.call().unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), body)
}

/// Exact millionths of a decimal text.
fn millionths(text: &str) -> i128 {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{rest:0<6}").parse().unwrap()
}

#[test]
fn a_customer_is_shown_to_who_has_the_token_and_its_id_is_nowhere_else() {
    let secrets = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let token = "0123456789abcdef0123456789abcdef";
    let key = secret("key", "00112233445566778899aabbccddeeff\n");
    let settings = [
        "api.customers=true".to_owned(),
        format!("api.token_file={}", secret("token", token)),
        format!("customer_digest_key_file={key}"),
        "log.level=trace".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut log = Log::start("looked_up", "500", &settings);
    let id = "Jörg +49/30 & Söhne?";
    let now = now_millis();
    for (number, (kind, days, more)) in [
        (
            "signup",
            90,
            r#","attributes":{"plan":"free","country":"DE"}"#,
        ),
        (
            "purchase",
            80,
            r#","order_id":"1","amount":"0.1","currency":"EUR""#,
        ),
        (
            "purchase",
            70,
            r#","order_id":"2","amount":"0.2","currency":"EUR","attributes":{"plan":"pro"}"#,
        ),
        (
            "survey_submitted",
            65,
            r#","survey":"nps","score":4,"channel":"email""#,
        ),
        ("churn", 60, r#","reason":"price""#),
        (
            "purchase",
            10,
            r#","order_id":"3","amount":"999999999999","currency":"USD""#,
        ),
        ("survey_submitted", 9, r#","survey":"nps","score":9"#),
    ]
    .into_iter()
    .enumerate()
    {
        let at = rfc3339(now - days * DAY);
        log.add(1, &format!(
            r#"{{"event_id":"own-{number}","type":"{kind}","customer_id":"{id}","occurred_at":"{at}"{more}}}"#
        ));
    }
    log.wait_until_read();

    let bearer = format!("Bearer {token}");
    let (status, body) = look_up(&log, id, Some(&bearer));
    assert_eq!(status, 200, "{body}");
    let shown: Value = serde_json::from_str(&body).unwrap();
    let at = |days: i64| Value::from(jiff_millis(now - days * DAY));
    let plan = serde_json::json!({"value": "pro", "since": at(70)});
    let country = serde_json::json!({"value": "DE", "since": at(90)});
    let order = |days, amount: &str, currency: &str| serde_json::json!({"at": at(days), "amount": amount, "currency": currency});
    for (field, expected) in [
        ("active", Value::from(true)),
        ("known_since", at(90)),
        ("first_order_at", at(80)),
        ("orders_total", Value::from(3)),
        (
            "spells",
            serde_json::json!([
                {"from": at(90), "to": at(60), "reason": "price"},
                {"from": at(10), "to": null, "reason": null},
            ]),
        ),
        (
            "orders",
            Value::from(vec![
                order(10, "999999999999", "USD"),
                order(70, "0.2", "EUR"),
                order(80, "0.1", "EUR"),
            ]),
        ),
        (
            "revenue",
            serde_json::json!([
                {"currency": "EUR", "orders": 2, "amount": "0.3"},
                {"currency": "USD", "orders": 1, "amount": "999999999999"},
            ]),
        ),
        (
            "answers",
            serde_json::json!([
                {"survey": "nps", "score": 9, "channel": "unspecified", "at": at(9)},
            ]),
        ),
        (
            "attributes",
            serde_json::json!({"plan": plan, "country": country}),
        ),
    ] {
        assert_eq!(shown[field], expected, "{field}");
    }
    check_generated_customers(&log, &bearer);
    let wrong = format!("Bearer {}", &token[1..]);
    let basic = format!("Basic {token}");
    for (asked, authorization, status, code) in [
        (id, None, 401, "unauthorized"),
        (id, Some(wrong.as_str()), 401, "unauthorized"),
        (id, Some(&basic), 401, "unauthorized"),
        (id, Some("Bearer "), 401, "unauthorized"),
        (
            "nobody-of-that-name",
            Some(&bearer),
            404,
            "unknown_customer",
        ),
        ("", Some(&bearer), 400, "bad_parameter"),
        (&"x".repeat(257), Some(&bearer), 400, "bad_parameter"),
    ] {
        let (given, body) = look_up(&log, asked, authorization);
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (given, &answer["error"]["code"]),
            (status, &Value::from(code))
        );
        assert!(asked.is_empty() || !body.contains(asked), "{body}");
    }
    assert!(!body.contains("rg +49") && !body.contains("hne?"), "{body}");
    for page in ["metrics", "", "-/ready", "api/v1/report"] {
        let page = http::get_ok(&format!("{}/{page}", log.url), &[]).unwrap();
        check_absent(&page, id, token);
    }
    let lines = log.service.stderr();
    assert!(lines.contains("looking up single customers"), "{lines}");
    check_absent(&lines, id, token);
    check_absent(&lines, "nobody-of-that-name", token);
}

fn jiff_millis(millis: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap())
}

/// Neither as it is, nor as it stands in a query.
fn check_absent(text: &str, id: &str, token: &str) {
    for hidden in [id, token, "J%C3%B6rg", "J%c3%b6rg", "rg+%2B49", "+49/30"] {
        assert!(!text.contains(hidden), "{hidden} is shown");
    }
}

/// What is shown of customers of the file is what the file says.
fn check_generated_customers(log: &Log, bearer: &str) {
    let mut orders: BTreeMap<String, BTreeMap<String, (String, i128)>> = BTreeMap::new();
    for line in std::fs::read_to_string(log.file()).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["type"] == "purchase" {
            let text = |field: &str| match &event[field] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let of_customer = orders.entry(text("customer_id")).or_default();
            let order = (text("currency"), millionths(&text("amount")));
            of_customer.insert(text("event_id"), order);
        }
    }
    let mut checked = 0;
    for (id, orders) in orders
        .iter()
        .filter(|(_, orders)| orders.len() > 3)
        .take(20)
    {
        let (status, body) = look_up(log, id, Some(bearer));
        assert_eq!(status, 200, "{body}");
        let shown: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(shown["orders_total"], orders.len());
        let mut expected: BTreeMap<&str, i128> = BTreeMap::new();
        for (currency, amount) in orders.values() {
            *expected.entry(currency).or_default() += amount;
        }
        let revenue = shown["revenue"].as_array().unwrap().iter();
        let revenue = revenue.map(|part| {
            let amount = millionths(part["amount"].as_str().unwrap());
            (part["currency"].as_str().unwrap(), amount)
        });
        assert_eq!(revenue.collect::<BTreeMap<_, _>>(), expected);
        checked += 1;
    }
    assert_eq!(checked, 20);
}

#[test]
fn a_long_question_holds_up_neither_scrapes_nor_new_events() {
    let mut log = Log::start("busy", "24000", &[]);
    let url = format!("{}/api/v1/series", log.url);
    // The windows of so many instants reach over most of the log, so hardly a customer is quiet.
    let end = rfc3339(now_millis() - 1000);
    let start = rfc3339(now_millis() - 1000 - 1999 * 3 * 3_600_000);
    let ask = move || {
        let asked = Instant::now();
        let metric = ("metric", "tenure_retention_ratio");
        let span = [metric, ("start", &start), ("end", &end), ("step", "3h")];
        let answer = http::get(&url, &span);
        (answer, asked.elapsed())
    };
    let question = std::thread::spawn(ask.clone());
    let mut scrapes = Vec::new();
    let mut seen = 0;
    while !question.is_finished() {
        let at = rfc3339(now_millis());
        log.add(seen % 5, &format!(
            r#"{{"event_id":"new-{seen}","type":"signup","customer_id":"new-{}","occurred_at":"{at}"}}"#,
            seen % 5
        ));
        let sent = Instant::now();
        loop {
            let begun = Instant::now();
            let page = log.page().unwrap();
            scrapes.push(begun.elapsed());
            let taken: f64 = page
                .iter()
                .filter(|(series, _)| series.starts_with("tenure_events_total"))
                .map(|(_, value)| value)
                .sum();
            if taken >= log.records as f64 {
                break;
            }
            assert!(sent.elapsed() < DEADLINE, "an event is waited for");
        }
        if !question.is_finished() {
            seen += 1;
        }
    }
    let (answer, took) = question.join().unwrap();
    let (status, body) = answer.unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(seen >= 2, "{seen} events were taken in during {took:?}");
    scrapes.sort_unstable();
    let usual = scrapes[scrapes.len() / 2];
    let longest = scrapes[scrapes.len() - 1];
    println!(
        "{took:?}: {} scrapes, {usual:?} to {longest:?}, {seen} events",
        scrapes.len()
    );
    assert!(usual < Duration::from_millis(250), "{usual:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    check_stop(log, ask);
}

/// A question that is under way does not hold up the end.
fn check_stop(
    mut log: Log,
    ask: impl FnOnce() -> (Result<(u16, String), String>, Duration) + Send + 'static,
) {
    // Whoever is told to wait, or refused, knows that the other one is being answered.
    let question = std::thread::spawn(ask);
    let second = format!("{}/api/v1/report", log.url);
    let at = rfc3339(now_millis() - DAY);
    let begun = Instant::now();
    while !question.is_finished() && begun.elapsed() < DEADLINE {
        let asked = Instant::now();
        let (status, body) = http::get(&second, &[("at", &at)]).unwrap();
        if status == 503 {
            assert!(
                body.contains("busy") && asked.elapsed() >= Duration::from_secs(5),
                "{body}"
            );
            break;
        }
    }
    assert!(
        !question.is_finished(),
        "the question is too short for this"
    );
    let asked = Instant::now();
    log.service.send(Signal::Terminate);
    assert_eq!(log.service.wait(DEADLINE), 0);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    let (answer, _) = question.join().unwrap();
    assert!(answer.is_err() || answer.is_ok_and(|(status, _)| status == 503));
}

/// The output of a command about the service, and of the same about the file.
fn both(log: &Log, command: &[&str]) -> [String; 2] {
    let file = log.file();
    let settings = SETTINGS.iter().flat_map(|setting| ["--set", setting]);
    let of_file: Vec<&str> = settings.chain([file.to_str().unwrap()]).collect();
    [vec!["--url", &log.url], of_file].map(|source| {
        let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(command)
            .args(source)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    })
}

#[test]
fn numbers_are_explained_and_stated_as_by_a_file_of_the_same_events() {
    let log = Log::start("explained", "2000", &[]);
    let at = rfc3339(now_millis() - 3 * DAY);
    for asked in [
        &["retention_ratio", "period=30d"][..],
        &["churn_ratio", "period=last_month"],
        &["customers"],
        &["nps_score", "period=this_month"],
        &["average_order_value", "period=30d", "currency=USD"],
        &[
            "cohort_retention_ratio",
            "cohort=1999-01",
            "months_after=00",
        ],
    ] {
        let command = [&["explain", "--json", "--at", &at][..], asked].concat();
        let mut split_up = 0;
        let [of_service, of_file] = both(&log, &command).map(|json| {
            let mut body: Value = serde_json::from_str(&json).unwrap();
            let records = body["records"].take();
            assert_eq!(records["read"], log.records, "{asked:?}");
            split_up = body["breakdowns"].as_array().unwrap().len();
            // The service shows no text that it has not seen, and where settings come from differs.
            for field in ["settings", "labels"] {
                body[field].take();
            }
            body
        });
        assert_eq!(of_service, of_file, "{asked:?}");
        assert!(split_up > 0 || asked[0].starts_with("cohort"), "{asked:?}");
    }
    let command = ["statement", "--period", "last_quarter", "--at", &at];
    let [of_service, of_file] = both(&log, &command).map(|page| {
        assert!(
            page.contains("lost by reason = lost") && page.contains("holds"),
            "{page}"
        );
        let definition = page.split("definition ").nth(1).unwrap();
        let definition = definition[..16].to_owned();
        (
            page.split("Settings in force").next().unwrap().to_owned(),
            definition,
        )
    });
    assert_eq!(of_service, of_file);
}
