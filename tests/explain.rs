//! Explanations, statements and the curve of timeouts, of logs whose numbers were reckoned by hand.

#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use tempfile::NamedTempFile;
use tenure::measure::explain::{Before, Explanation, Outcome};

const AT: &str = "2026-11-01T00:00:00Z";

/// What a command wrote and how it ended.
struct Run {
    stdout: String,
    stderr: String,
    code: i32,
}

fn tenure(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(arguments)
        .env_remove("TENURE_CONFIG")
        .output()
        .unwrap();
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

/// The output of a command that succeeds.
fn told(arguments: &[&str]) -> String {
    let run = tenure(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
    run.stdout
}

/// Lines that must be there; how wide the columns are is no matter.
fn check_lines(text: &str, expected: &[&str]) {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = text.lines().map(words).collect();
    for line in expected {
        assert!(lines.contains(&words(line)), "`{line}` is not in\n{text}");
    }
}

/// Events of one line each: customer, type, time, and the rest as JSON.
fn log(events: &[(&str, &str, &str, &str)]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    for (id, (customer, kind, at, rest)) in events.iter().enumerate() {
        let comma = if rest.is_empty() { "" } else { "," };
        writeln!(
            file,
            r#"{{"event_id":"{id}","type":"{kind}","customer_id":"{customer}","occurred_at":"{at}"{comma}{rest}}}"#
        )
        .unwrap();
    }
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// Eight customers of two plans. In the window before (2 September to 2 October) one of eight
/// leaves, in the period (2 October to 1 November) three of seven.
fn plans() -> NamedTempFile {
    let pro = r#""attributes":{"plan":"pro"}"#;
    let basic = r#""attributes":{"plan":"basic"}"#;
    let joined = "2026-08-01T00:00:00Z";
    let order = |amount: u32| format!(r#""amount":"{amount}","currency":"EUR""#);
    let [hundred, twenty, more, fifty, ten] = [100, 20, 150, 50, 10].map(order);
    let score = |score: u32| format!(r#""survey":"nps","score":{score}"#);
    let [nine, three, full, two] = [9, 3, 10, 2].map(score);
    let (price, moved) = (r#""reason":"price""#, r#""reason":"moved""#);
    log(&[
        ("p1", "signup", joined, pro),
        ("p2", "signup", joined, pro),
        ("p3", "signup", joined, pro),
        ("p4", "signup", joined, pro),
        ("b1", "signup", joined, basic),
        ("b2", "signup", joined, basic),
        ("b3", "signup", joined, basic),
        ("b4", "signup", joined, basic),
        ("p1", "purchase", "2026-09-05T00:00:00Z", &hundred),
        ("b1", "purchase", "2026-09-05T00:00:00Z", &twenty),
        ("p1", "survey_submitted", "2026-09-06T00:00:00Z", &nine),
        ("b1", "survey_submitted", "2026-09-06T00:00:00Z", &three),
        ("b1", "churn", "2026-09-10T00:00:00Z", price),
        ("p3", "purchase", "2026-10-05T00:00:00Z", &more),
        ("p4", "purchase", "2026-10-05T00:00:00Z", &fifty),
        ("b3", "purchase", "2026-10-05T00:00:00Z", &ten),
        ("p1", "survey_submitted", "2026-10-06T00:00:00Z", &full),
        ("p3", "survey_submitted", "2026-10-06T00:00:00Z", &nine),
        ("b2", "survey_submitted", "2026-10-06T00:00:00Z", &two),
        ("p1", "churn", "2026-10-10T00:00:00Z", price),
        ("p2", "churn", "2026-10-11T00:00:00Z", moved),
        ("b2", "churn", "2026-10-12T00:00:00Z", price),
    ])
}

fn explain(file: &NamedTempFile, rest: &[&str]) -> String {
    let mut arguments = vec!["explain", "--at", AT, "--set", "dimensions=plan"];
    arguments.extend_from_slice(rest);
    arguments.push(path(file));
    told(&arguments)
}

#[test]
fn retention_is_explained_by_its_parts_and_by_who_moved_it() {
    let file = plans();
    let text = explain(&file, &["retention_ratio", "period=30d"]);
    check_lines(
        &text,
        &[
            r#"tenure_retention_ratio period="30d""#,
            "  as of 2026-11-01T00:00:00.000Z",
            "  0.571429 = 4 retained customers / 7 customers at the start",
            "  now     from  2026-10-02T00:00:00.000Z",
            "          to    2026-11-01T00:00:00.000Z",
            "  before  from  2026-09-02T00:00:00.000Z",
            "  value                    0.875  0.571429  -0.303571",
            "  retained customers           7         4         -3",
            // Of those lost: price 1 of 8 before, 2 of 7 now; moved 0 and 1 of 7.
            "  price  -0.125  -0.285714  -0.160714",
            "  moved       -  -0.142857  -0.142857",
            // 4/7 * (0.5 - 1) + (4/7 - 4/8) * (1 - 7/8), and the same of basic.
            "  pro           50.0 %  57.1 %             1       0.5  -0.276786",
            "  basic         50.0 %  42.9 %          0.75  0.666667  -0.026786",
            "  inactivity_timeout            null  (default)",
            "  22 read: 22 applied, 0 redundant, of these 0 late; 0 repeated, 0 conflicting,",
        ],
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let churn = explain(&file, &["tenure_churn_ratio", "period=30d"]);
    check_lines(
        &churn,
        &[
            "  0.428571 = 3 lost customers / 7 customers at the start",
            "  pro           50.0 %  57.1 %             0       0.5  +0.276786",
        ],
    );
}

#[test]
fn nps_and_revenue_are_split_up_by_segment() {
    let file = plans();
    let text = explain(&file, &["nps_score", "period=30d"]);
    check_lines(
        &text,
        &[
            "  33.333333 from 2 promoters, 0 passives, 1 detractors",
            "  tenure_nps_score: 0 -> 33.333333, that is +33.333333",
            // Both kept their scores; the weights moved by a sixth.
            "  basic         50.0 %  33.3 %          -100  -100  +16.666667",
            "  pro           50.0 %  66.7 %           100   100  +16.666667",
        ],
    );
    let text = explain(&file, &["revenue", "period=30d", "currency=EUR"]);
    check_lines(
        &text,
        &[
            "  210",
            "  value     120  210     +90",
            "  pro       100  200    +100",
            "  basic      20   10     -10",
        ],
    );
    let text = explain(
        &file,
        &["average_order_value", "period=30d", "currency=EUR"],
    );
    check_lines(
        &text,
        &[
            "  70 = 210 revenue / 3 orders",
            "  value       60   70     +10",
        ],
    );
    let text = explain(&file, &["customers"]);
    check_lines(
        &text,
        &[
            "  tenure_customers: 7 -> 4, that is -3",
            "  lost       -   -3      -3",
            "  pro         4    2      -2",
            "  basic       3    2      -1",
        ],
    );
}

#[test]
fn bounds_are_told_in_the_configured_zone_and_in_utc() {
    let file = plans();
    let zone = ["--set", "time_zone=Europe/Berlin"];
    let text = explain(
        &file,
        &[&zone[..], &["orders", "period=last_month", "currency=EUR"]].concat(),
    );
    check_lines(
        &text,
        &[
            "Period last_month, in Europe/Berlin and in UTC",
            "  now     from  2026-10-01 00:00:00.000 +02:00  2026-09-30T22:00:00.000Z",
            "          to    2026-11-01 00:00:00.000 +01:00  2026-10-31T23:00:00.000Z",
            "  before  from  2026-09-01 00:00:00.000 +02:00  2026-08-31T22:00:00.000Z",
            "  time_zone         Europe/Berlin  (--set)",
        ],
    );
}

#[test]
fn what_is_withheld_or_absent_says_why() {
    let file = log(&[("a", "signup", "2026-08-01T00:00:00Z", "")]);
    let text = explain(&file, &["retention_ratio", "period=30d"]);
    assert!(
        text.contains("  Withheld (no_churn_source): no churn event has come"),
        "{text}"
    );
    assert!(
        text.contains("  What to do: set inactivity_timeout"),
        "{text}"
    );
    assert!(!text.contains("  value"), "{text}");
    for (arguments, why) in [
        (
            &["nps_score", "period=30d"][..],
            "No value: nobody answered in the period.",
        ),
        (
            &["average_order_value", "period=7d", "currency=EUR"],
            "No value: no such currency was seen in the period, or there is nothing to",
        ),
        (
            &["reorder_ratio", "period=this_month"],
            "No value: a period to date has no window before that is as long.",
        ),
        (
            &[
                "expected_lifetime_value",
                "period=7d",
                "--set",
                "churn_events=complete",
            ],
            "No value: the period is shorter than 28 days, which is too short to project",
        ),
        (
            &[
                "departures_expected",
                "period=30d",
                "source=churn",
                "--set",
                "churn_events=complete",
            ],
            "No value: departures are expected of periods of exactly 24 hours or 7 days",
        ),
        (
            &[
                "departures_expected",
                "period=7d",
                "source=inactivity",
                "--set",
                "inactivity_timeout=30d",
            ],
            "No value: nobody was a customer at the start of the earliest of the four",
        ),
        (
            &["event_usual_gap_seconds", "event=churn"],
            "No value: there was no event of the type in the 28 days before.",
        ),
        (
            &["nps_change_score", "period=last_month"],
            "No value: only rolling periods, such as 30d, have a window before that the",
        ),
    ] {
        let text = explain(&file, arguments);
        assert!(text.contains(why), "{arguments:?}: {text}");
    }
    // Withheld because of what has happened by then, not of what came later.
    let file = log(&[
        ("a", "signup", "2026-09-20T00:00:00Z", ""),
        ("b", "signup", "2026-09-20T00:00:00Z", ""),
        ("a", "churn", "2026-10-20T00:00:00Z", ""),
    ]);
    let text = explain(&file, &["retention_ratio", "period=30d"]);
    assert!(text.contains("  0.5 = 1 retained"), "{text}");
    assert!(text.contains("Withheld then (no_churn_source)"), "{text}");
}

#[test]
fn periods_that_are_not_configured_can_be_asked_of_a_file() {
    let file = plans();
    let text = explain(&file, &["retention_ratio", "period=60d"]);
    check_lines(
        &text,
        &["  0.5 = 4 retained customers / 8 customers at the start"],
    );
}

#[test]
fn what_is_not_clear_is_asked_for_and_exits_as_wrong_usage() {
    let file = plans();
    let check = |arguments: &[&str], expected: &str| {
        let mut all = vec!["explain", "--at", AT];
        all.extend_from_slice(arguments);
        let run = tenure(&all);
        assert!(
            run.stderr.contains(expected),
            "{arguments:?}: {}",
            run.stderr
        );
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}");
    };
    let file = path(&file);
    check(&["retention_rate", file], "did you mean retention_ratio");
    check(
        &["retention_ratio", file],
        "give period=..: 24h, 7d, 30d, 90d, this_month, last_month, last_quarter",
    );
    check(
        &["departures", "period=30d", file],
        "give reason=..: moved, price\n  period=\"30d\" reason=\"moved\"  1\n  period=\"30d\" \
         reason=\"price\"  2\n",
    );
    check(
        &["customers", "period=30d", file],
        "the metric has no labels",
    );
    check(
        &["churn_ratio", "period=fortnight", file],
        "`fortnight` is no period",
    );
    check(
        &["churn_ratio", "period=30d", "period=7d", file],
        "given twice",
    );
    check(
        &["churn_ratio", "period=30d"],
        "give a file of events, or the running service",
    );
    check(
        &["churn_ratio", "period=30d", file, "--url", "http://x"],
        "not both",
    );
    check(
        &["churn_ratio", "period=30d", file, file],
        "nor the only file",
    );
    check(
        &["churn_ratio", "period=30d", "--url", "https://me:word@x"],
        "--password-file, not in the address",
    );
}

/// Answers one request with a status and a body; joins to the request line.
fn service(status: &str, body: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let length = stream.read(&mut chunk).unwrap();
            assert!(length > 0, "the request ended early");
            request.extend_from_slice(&chunk[..length]);
        }
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let request = String::from_utf8(request).unwrap();
        request.lines().next().unwrap().to_owned()
    });
    (url, served)
}

#[test]
fn the_explanation_of_a_service_reads_like_that_of_a_file() {
    let file = plans();
    let json = explain(&file, &["retention_ratio", "period=30d", "--json"]);
    let explanation: Explanation = serde_json::from_str(&json).unwrap();
    assert_eq!(explanation.metric, "tenure_retention_ratio");
    assert!(
        matches!(explanation.now.outcome, Outcome::Published { value, .. } if value == 4.0 / 7.0)
    );
    assert!(
        matches!(&explanation.before, Before::Known(before) if before.outcome.value() == Some(0.875))
    );
    for breakdown in &explanation.breakdowns {
        let effects: f64 = breakdown.movers.iter().map(|mover| mover.effect).sum();
        assert!(
            (effects - explanation.change.unwrap()).abs() < 1e-12,
            "{breakdown:?}"
        );
    }
    let (url, served) = service("200 OK", json);
    let asked = [
        "explain",
        "retention_ratio",
        "period=30d",
        "--at",
        AT,
        "--url",
        &url,
    ];
    let text = told(&asked);
    assert_eq!(text, explain(&file, &["retention_ratio", "period=30d"]));
    assert_eq!(
        served.join().unwrap(),
        "GET /api/v1/explain?metric=tenure_retention_ratio&period=30d\
         &at=2026-11-01T00%3A00%3A00.000Z HTTP/1.1"
    );
}

#[test]
fn a_service_that_refuses_or_is_not_there_decides_the_exit_code() {
    let refused = |message: &str| format!(r#"{{"error":{{"code":"x","message":"{message}"}}}}"#);
    for (status, body, code, expected) in [
        (
            "400 Bad Request",
            refused("give period=.."),
            2,
            "give period=..",
        ),
        ("503 Service Unavailable", refused("busy"), 69, "busy"),
        (
            "422 Unprocessable Content",
            refused("history gone"),
            1,
            "history gone",
        ),
        (
            "404 Not Found",
            "not found".to_owned(),
            1,
            "is it a tenure of this version?",
        ),
        ("200 OK", "{}".to_owned(), 1, "did not answer as expected"),
    ] {
        let (url, served) = service(status, body);
        let run = tenure(&["explain", "customers", "--url", &url]);
        served.join().unwrap();
        assert_eq!(run.code, code, "{status}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{status}: {}", run.stderr);
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let run = tenure(&["statement", "--period", "30d", "--url", &url]);
    assert_eq!(run.code, 69, "{}", run.stderr);
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events.ndjson")
}

#[test]
fn a_statement_adds_up_and_can_be_run_again() {
    let file = golden();
    let file = file.to_str().unwrap();
    let all = [
        "statement",
        "--period",
        "last_quarter",
        "--at",
        "2026-11-21T00:00:00Z",
    ];
    let berlin = ["--set", "time_zone=Europe/Berlin", file];
    let text = told(&[&all[..], &berlin].concat());
    check_lines(
        &text,
        &[
            "Statement of customers: last_quarter",
            "  start  2026-07-01 00:00:00.000 +02:00  2026-06-30T22:00:00.000Z",
            // Old-1, old-2 and s-1; old-3 joined within the last two hours of June in UTC.
            "  S: active at the start                         3",
            "  E: active at the end                           6",
            "  retention        (E - N) / S = (6 - 4) / 3  0.666667",
            "  churn            lost / S = 1 / 3  0.333333",
            "  departure ratio  departures / (S + opened) = 1 / (3 + 4)  0.142857",
            "  S + N - lost = E                  3 + 4 - 1 = 6  holds",
            "  lost by reason = lost             1 = 1          holds",
            "  lines read                 71",
            "  rejected: unknown_type      1",
            r#"  too "slow"\nand C:\ is full     1           1"#,
        ],
    );
    assert!(!text.contains("DOES NOT HOLD"), "{text}");
    // Word for word what the page says, with its lines joined.
    let again = text.split("Run it again\n").nth(1).unwrap();
    let again = again
        .split("  Evaluated by")
        .next()
        .unwrap()
        .replace('\\', "");
    let again: Vec<&str> = again.split_whitespace().skip(1).collect();
    assert!(again.contains(&"time_zone=Europe/Berlin"), "{again:?}");
    assert_eq!(told(&again), text);
}

#[test]
fn a_statement_in_markdown_has_the_same_numbers_and_escapes_texts() {
    let file = golden();
    let arguments = [
        "statement",
        "--period",
        "last_quarter",
        "--at",
        "2026-11-21T00:00:00Z",
    ];
    let format = ["--format", "markdown", file.to_str().unwrap()];
    let text = told(&[&arguments[..], &format].concat());
    check_lines(
        &text,
        &[
            "# Statement of customers: last\\_quarter",
            "| S: active at the start | 4 |",
            "| retention | (E - N) / S = (6 - 3) / 4 | 0.75 |",
            "| too \"slow\"\\\\nand C:\\\\ is full | 1 | 1 |",
        ],
    );
}

#[test]
fn a_statement_shows_no_ratio_that_is_withheld() {
    let file = log(&[
        ("a", "signup", "2026-08-01T00:00:00Z", ""),
        ("b", "signup", "2026-10-15T00:00:00Z", ""),
    ]);
    let text = told(&["statement", "--period", "30d", "--at", AT, path(&file)]);
    check_lines(
        &text,
        &[
            "  S: active at the start                         1",
            "  retention        withheld, see below      -",
            "  S + N - lost = E                  1 + 1 - 0 = 2  holds",
        ],
    );
    assert!(
        text.contains("Withheld: retention, churn, departure ratio (no_churn_source):"),
        "{text}"
    );
    let known = ["--set", "churn_events=complete", path(&file)];
    let text = told(&[&["statement", "--period", "30d", "--at", AT][..], &known].concat());
    check_lines(
        &text,
        &["  retention        (E - N) / S = (2 - 1) / 1      1"],
    );
}

/// What a service says of a month with ten customers at its start, and so many at its end.
fn reported(end: u32) -> String {
    let counts = [
        ("tenure_customers_at_start", "", 10),
        ("tenure_customers_at_end", "", end),
        ("tenure_period_customers", r#","status":"retained""#, 7),
        ("tenure_period_customers", r#","status":"lost""#, 3),
        ("tenure_period_customers", r#","status":"new""#, 1),
        ("tenure_period_customers", r#","status":"reactivated""#, 1),
        ("tenure_joined_customers", "", 1),
        ("tenure_early_churn_customers", "", 0),
    ];
    let measures = counts.map(|(name, label, count)| {
        format!(
            r#"{{"name":"{name}","series":[{{"labels":{{"period":"last_month"{label}}},"value":{count}}}]}}"#
        )
    });
    format!(
        r#"{{"at":"2026-11-02T00:00:00.000Z","periods":[{{"period":"last_month",
        "start":"2026-10-01T00:00:00.000Z","end":"2026-11-01T00:00:00.000Z"}}],
        "settings":[{{"key":"churn_reasons","value":"[too dear, moved]","origin":"tenure.yaml:4"}}],
        "definition_hash":"0011223344556677","version":"9.9.9",
        "positions":[{{"topic":"orders","partition":3,"base_offset":5,"next_offset":28}}],
        "digests":[{{"partition":3,"digest":"000102030405060708090a0b0c0d0e0f"}}],
        "measures":[{}],"withheld":[{{"measure":"tenure_churn_ratio","reason":"base_incomplete"}}],
        "lost_by_reason":[{{"period":"last_month","reasons":{{"moved":1,"too dear":2}}}}]}}"#,
        measures.join(",")
    )
}

#[test]
fn a_statement_of_a_service_names_its_log_and_fails_where_it_does_not_add_up() {
    let stated = |end: u32| {
        let (url, served) = service("200 OK", reported(end));
        let run = tenure(&["statement", "--period", "last_month", "--url", &url]);
        assert_eq!(served.join().unwrap(), "GET /api/v1/report HTTP/1.1");
        run
    };
    let run = stated(9);
    assert_eq!(run.code, 0, "{}", run.stderr);
    check_lines(
        &run.stdout,
        &[
            "  E: active at the end                           9",
            "  too dear     2           0",
            "  churn            withheld, see below      -",
            "  S + N - lost = E                  10 + 2 - 3 = 9  holds",
            "  orders          3     5              28",
            "  3          000102030405060708090a0b0c0d0e0f",
            "      --set 'churn_reasons=too dear,moved' \\",
        ],
    );
    let evaluated = "Evaluated by tenure 9.9.9, definition 0011223344556677;";
    assert!(run.stdout.contains(evaluated), "{}", run.stdout);
    let run = stated(8);
    assert_eq!(run.code, 1, "{}", run.stderr);
    check_lines(
        &run.stdout,
        &["  S + N - lost = E                  10 + 2 - 3 is not 8  DOES NOT HOLD"],
    );
    assert!(run.stderr.contains("do not add up"), "{}", run.stderr);
}

#[test]
fn the_curve_shows_who_comes_back_under_each_timeout() {
    let order = r#""amount":"1","currency":"EUR""#;
    // Regular orders every 20 days; slow ones after 45 days; gone ones never again.
    let file = log(&[
        ("regular", "purchase", "2026-08-20T00:00:00Z", order),
        ("regular", "purchase", "2026-09-09T00:00:00Z", order),
        ("regular", "purchase", "2026-09-29T00:00:00Z", order),
        ("regular", "purchase", "2026-10-19T00:00:00Z", order),
        ("slow", "purchase", "2026-09-06T00:00:00Z", order),
        ("slow", "purchase", "2026-10-21T00:00:00Z", order),
        ("gone", "purchase", "2026-09-06T00:00:00Z", order),
    ]);
    let timeouts = [
        "--inactivity-timeout",
        "60d,30d,40d",
        "--set",
        "periods=30d",
    ];
    let arguments = [&["replay", "--at", AT][..], &timeouts, &[path(&file)]].concat();
    let text = told(&arguments);
    check_lines(
        &text,
        &[
            "30d: 2026-10-02 00:00:00.000 +00:00 to 2026-11-01 00:00:00.000 +00:00",
            "  timeout  start  end  retained   churn  inactive  events  back   share  joined",
            // Both leave on 6 October, and the slow one is back on the 21st.
            "      30d      3    2    0.6667  0.3333         2       0     1  0.5000       0",
            "      40d      3    2    0.6667  0.3333         2       0     1  0.5000       0",
            "      60d      3    3    1.0000  0.0000         0       0     0       -       0",
        ],
    );
    // Each row is what the page says with that timeout.
    let set = [
        "--set",
        "inactivity_timeout=40d",
        "--set",
        "periods=30d",
        path(&file),
    ];
    let page = told(&[&["replay", "--at", AT][..], &set].concat());
    assert!(
        page.contains("tenure_churn_ratio{period=\"30d\"} 0.3333333333333333\n"),
        "{page}"
    );
    for wrong in ["fast", "null", "30 days"] {
        let run = tenure(&["replay", "--inactivity-timeout", wrong, path(&file)]);
        assert_ne!(run.code, 0, "{wrong}");
        assert_eq!(run.stdout, "", "{wrong}");
    }
}

#[test]
fn what_moved_a_number_adds_up_for_every_series_of_a_large_log() {
    use std::collections::BTreeMap;
    use tenure::command::file::{LinesArgs, evaluate_each, fold};
    use tenure::config::{Override, Sources, load};
    use tenure::measure::explain::{Evidence, Series, compared_with};

    let log = told(&[
        "generate",
        "--customers",
        "1500",
        "--days",
        "250",
        "--until",
        AT,
    ]);
    let set = |(key, text): (&str, &str)| Override {
        key: key.to_owned(),
        text: text.to_owned(),
        flag: "--set".to_owned(),
    };
    let settings = [
        ("dimensions", "plan,country"),
        ("max_segments", "7"),
        ("inactivity_timeout", "45d"),
        ("time_zone", "Europe/Istanbul"),
        ("periods", "7d,30d,this_month,last_month,last_quarter"),
    ];
    let flags = settings.map(set).to_vec();
    let settings = load(&Sources {
        flags,
        ..Sources::none()
    })
    .unwrap();
    let native = LinesArgs::default().source(&settings).unwrap();
    let (shard, _) = fold(&mut log.as_bytes(), &native, &settings).unwrap();
    let at = tenure::event::Timestamp::from_rfc3339("2026-10-20T09:30:00Z").unwrap();
    let (mut explained, mut split_up) = (0, BTreeMap::<String, u32>::new());
    let periods = settings.evaluation.periods.iter().copied().map(Some);
    for period in periods.chain([None]) {
        let before = compared_with(period, at, &settings.evaluation);
        let reports = evaluate_each(&shard, &[before, at], &settings.evaluation).unwrap();
        let [before, now] = reports.as_slice() else {
            panic!("{} reports", reports.len());
        };
        for family in &now.families {
            for sample in &family.samples {
                let labels: Vec<(&str, &str)> = family.labelled(sample).collect();
                let own = labels.iter().find(|(name, _)| *name == "period");
                if own.map(|(_, text)| text.parse().unwrap()) != period {
                    continue;
                }
                let series = Series::find(now, family.measure.name, &labels).unwrap();
                let evidence = Evidence {
                    now,
                    before: Ok(before),
                    settings: &[],
                    evaluation: &settings.evaluation,
                    records: None,
                };
                let explanation = Explanation::of(&series, evidence);
                assert_eq!(
                    explanation.now.outcome.value(),
                    Some(sample.value),
                    "{labels:?}"
                );
                explained += 1;
                for breakdown in explanation.breakdowns {
                    let effects: f64 = breakdown.movers.iter().map(|mover| mover.effect).sum();
                    let effects = effects + breakdown.others.map_or(0.0, |others| others.effect);
                    let change = breakdown.now - breakdown.before;
                    let largest = breakdown.now.abs().max(breakdown.before.abs()).max(1.0);
                    let near = (effects - change).abs() <= 1e-9 * largest;
                    assert!(near, "{} {labels:?}: {breakdown:?}", explanation.metric);
                    if breakdown.of == explanation.metric {
                        let own = explanation.change.unwrap_or(sample.value);
                        assert!((own - change).abs() <= 1e-9 * largest, "{breakdown:?}");
                    }
                    *split_up.entry(explanation.metric.clone()).or_default() += 1;
                }
            }
        }
    }
    assert!(explained > 1000, "{explained}");
    // Every measure that can be split up was.
    let names: Vec<&str> = split_up.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 20, "{names:?}");
}

/// The block of a language that comes next, and what follows it.
fn block<'a>(text: &'a str, language: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(&format!("```{language}\n"))?
        .1
        .split_once("```\n")
}

/// Runs the commands of a document, in one folder and in their order, and compares what they print
/// with what the document shows below them. Where it leaves something out, it says `...`.
#[track_caller]
fn prints_what_it_shows(document: &str, shown_outputs: usize) {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_tenure")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let shell = |command: &str| {
        let output = Command::new("sh")
            .args(["-e", "-c", command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    };
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let document = std::fs::read_to_string(document).unwrap();
    let (make_events, mut rest) = block(&document, "sh").unwrap();
    assert_eq!(shell(make_events), "");
    let mut examples = 0;
    while let Some((command, after)) = block(rest, "sh") {
        let (shown, after) = block(after, "text").unwrap();
        let printed = shell(command);
        for piece in shown.split("...\n") {
            assert!(printed.contains(piece), "{command}\nprints\n{printed}");
        }
        (rest, examples) = (after, examples + 1);
    }
    assert_eq!(examples, shown_outputs);
}

#[test]
fn the_examples_of_the_documents_are_what_the_commands_print() {
    prints_what_it_shows("docs/explain.md", 3);
    prints_what_it_shows("docs/numbers.md", 6);
}
