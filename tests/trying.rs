//! Trying a mapping: tests of mappings with what they say when they fail, the presets with theirs, and
//! a look at live records of Apache Kafka that shows nothing of anybody.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need a broker alone")]
mod real;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;
use tempfile::TempDir;

use real::kafka::Kafka;
use real::process::new_folder;

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_secs(90);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn samples() -> PathBuf {
    root().join("tests/trying")
}

/// What a command wrote and how it ended.
struct Run {
    stdout: String,
    stderr: String,
    code: i32,
}

fn tenure(folder: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("TENURE_CONFIG")
        .output()
        .unwrap();
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

/// A folder with these files.
fn folder_of(files: &[(&str, &str)]) -> TempDir {
    let folder = new_folder("trying");
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    folder
}

#[test]
fn tests_that_pass_are_one_line() {
    let run = tenure(&samples(), &["test", "good.yaml"]);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("ok      good.yaml: 6 tests\n", "")
    );
    assert_eq!(run.code, 0);
    let run = tenure(
        &samples(),
        &["test", "--untested", "good.yaml", "good.yaml"],
    );
    let one = "ok      good.yaml: 6 tests\n        no test reaches rule 2 (signup)\n";
    assert_eq!(run.stdout, format!("{one}{one}all 12 tests pass\n"));
    assert_eq!(run.code, 0);
}

#[test]
fn tests_that_fail_say_what_came_and_why() {
    let run = tenure(&samples(), &["test", "failing.yaml", "good.yaml"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stderr, "error: 12 of 18 tests failed: see above\n");
    let golden = fs::read_to_string(samples().join("failing.txt")).unwrap();
    assert_eq!(run.stdout, golden, "got:\n{}", run.stdout);
}

/// The file, the place of the complaint in it, and words of the complaint and its help.
const WRONG: [(&str, &str, &[&str]); 20] = [
    ("tests: []", ":1:8", &["`tests` takes a list of tests"]),
    (
        "tests: [{name: a}]",
        ":1:1",
        &["names no source", "`source: NAME`"],
    ),
    (
        "source: native\nconfig: a.yaml\ntests: [{name: a}]",
        ":2:9",
        &["`source` and `config`"],
    ),
    (
        "source: natve\ntests: [{name: a, record: {value: x}, skipped: true}]",
        ":1:9",
        &["no preset `natve`", "did you mean `native`?"],
    ),
    (
        "source: { mapping: none.yaml }\ntests: [{name: a, record: {value: x}, skipped: true}]",
        ":1:20",
        &["could not read"],
    ),
    (
        "config: none.yaml\ntopic: a\ntests: [{name: a, record: {value: x}, skipped: true}]",
        "",
        &["could not read the configuration"],
    ),
    (
        "config: tenure.yaml\ntests: [{name: a, record: {value: x}, skipped: true}]",
        ":1:9",
        &["no `topic`", "one of orders"],
    ),
    (
        "config: tenure.yaml\ntopic: order\ntests: [{name: a, record: {value: x}, skipped: true}]",
        ":2:8",
        &["no topic `order`"],
    ),
    (
        "source: native\nsettings: { history: 400d }\ntests: [{name: a, record: {value: x}, skipped: true}]",
        ":2:13",
        &["unknown key `history` in `settings`", "`currencies`"],
    ),
    (
        "source: native\ntests: [{nam: a, record: {value: x}, skipped: true}]",
        ":2:10",
        &["unknown key `nam` in a test", "did you mean `name`?"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: {a: 1}}, skipped: true}]",
        ":2:35",
        &["`value` takes the record as a text", "`value: |`"],
    ),
    (
        "source: native\ntests: [{name: a, record: {key: a}, skipped: true}]",
        ":2:27",
        &["the record has no `value`", "`value: null`"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: x, value_file: y}, skipped: true}]",
        ":2:27",
        &["more than one value"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value_base64: '!'}, skipped: true}]",
        ":2:42",
        &["no base64"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: x}}]",
        ":2:9",
        &["does not say what it expects", "`skipped: true`"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: x}, events: []}]",
        ":2:47",
        &["`events` takes a list of events"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: x}, rejected: missing}]",
        ":2:49",
        &["`missing` is no reason", "did you mean `missing_field`?"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: x}, events: [{type: signup, amount: 1}]}]",
        ":2:63",
        &["a signup has no `amount`"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: x}, events: [{type: sign_up}]}]",
        ":2:55",
        &["did you mean `signup`?"],
    ),
    (
        "source: native\ntests: [{name: a, record: {value: x}, events: [{type: signup, attributes: {plan: a}}]}]",
        ":2:76",
        &["`plan` is no dimension", "dimensions: [plan]"],
    ),
];

#[test]
fn a_file_of_tests_that_is_wrong_is_complained_of_at_its_place() {
    for (text, place, words) in WRONG {
        let files = [
            ("wrong.yaml", text),
            ("tenure.yaml", "kafka: { topics: [orders] }\n"),
        ];
        let folder = folder_of(&files);
        let run = tenure(folder.path(), &["test", "wrong.yaml"]);
        assert_eq!(run.code, 78, "{text}\n{}", run.stderr);
        assert_eq!(run.stdout, "wrong   wrong.yaml\n");
        let place = match place {
            "" => String::new(),
            place => format!("--> wrong.yaml{place}\n"),
        };
        let all = words.iter().copied().chain([place.as_str()]);
        for word in all {
            assert!(run.stderr.contains(word), "{text}\n{word}\n{}", run.stderr);
        }
        assert!(
            run.stderr.contains("1 of 1 file cannot be used"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn the_source_of_a_topic_of_a_configuration_can_be_tested() {
    let folder = folder_of(&[
        (
            "config/tenure.yaml",
            "kafka: { topics: [orders, native] }\ndimensions: [plan]\n\
             sources:\n  orders:\n    events:\n      - type: signup\n        event_id: value.id\n        \
             customer_id: value.id\n        occurred_at: record.timestamp\n        \
             attributes: { plan: value.plan }\n",
        ),
        (
            "tests/orders.yaml",
            "config: ../config/tenure.yaml\ntopic: orders\ntests:\n  - name: a\n    record: { value: \
             '{\"id\":1,\"plan\":\"pro\"}', timestamp: 2026-11-01T00:00:00Z }\n    events: [{ type: \
             signup, customer_id: 1, attributes: { plan: pro } }]\n",
        ),
        (
            "tests/native.yaml",
            "config: ../config/tenure.yaml\ntopic: native\ntests:\n  - name: a\n    record: { value: \
             '{\"id\":1}' }\n    rejected: { reason: missing_field, field: type }\n",
        ),
        // Samples of records with schemas are JSON, and nobody is asked for the schemas.
        (
            "tests/avro.yaml",
            "source:\n  format: avro\n  events:\n    - { type: signup, event_id: value.id, customer_id: \
             value.id, occurred_at: value.at }\ntests:\n  - name: a\n    record: { value: \
             '{\"id\":1,\"at\":1793577600000}' }\n    events: [{ type: signup, customer_id: 1 }]\n",
        ),
    ]);
    let files = ["tests/orders.yaml", "tests/native.yaml", "tests/avro.yaml"];
    let check = || {
        let run = tenure(folder.path(), &[&["test"], &files[..]].concat());
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    };
    check();
    // With a router the sources are those of the topics that it reads.
    let file = folder.path().join("config/tenure.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{text}router: {{ to: routed }}\n")).unwrap();
    check();
}

#[test]
fn every_preset_has_tests_that_pass() {
    let folder = root().join("config/presets");
    let mut presets = BTreeSet::new();
    for line in tenure(root(), &["presets", "--format", "json"])
        .stdout
        .lines()
    {
        let preset: Value = serde_json::from_str(line).unwrap();
        let name = preset["name"].as_str().unwrap();
        assert!(!preset["about"].as_str().unwrap().is_empty(), "{name}");
        let printed = tenure(root(), &["presets", name]);
        let file = fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
        assert_eq!(printed.stdout, file);
        assert!(printed.stderr.contains(&format!("mappings/{name}.yaml")));
        presets.insert(name.to_owned());
    }
    let list = tenure(root(), &["presets"]).stdout;
    let listed = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(' '));
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    assert_eq!(listed, presets);
    assert!(presets.len() >= 13, "{presets:?}");

    let tests = fs::read_dir(folder.join("tests")).unwrap();
    let tests: Vec<PathBuf> = tests.map(|entry| entry.unwrap().path()).collect();
    let yaml = |file: &&PathBuf| file.extension().is_some_and(|it| it == "yaml");
    let files = tests.iter().filter(yaml);
    let files: Vec<&str> = files.map(|file| file.to_str().unwrap()).collect();
    for preset in &presets {
        let own = folder.join(format!("tests/{preset}.yaml"));
        assert!(tests.contains(&own), "{preset} has no tests");
    }
    let run = tenure(root(), &[&["test"], files.as_slice()].concat());
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn the_example_of_the_help_passes() {
    let help = tenure(root(), &["test", "--help"]).stdout;
    let (_, example) = help.split_once("\n  source: shopify\n").unwrap();
    let (example, _) = example.split_once("\n\nOf an event").unwrap();
    let order = r#"{"id":1,"total_price":"129.90","currency":"TRY","customer":{"id":42},
        "processed_at":"2026-11-01T09:31:12Z","created_at":"2026-11-01T09:31:00Z"}"#;
    let folder = folder_of(&[
        ("example.yaml", &format!("  source: shopify\n{example}\n")),
        ("samples/order.json", order),
    ]);
    let run = tenure(folder.path(), &["test", "example.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let tap = tenure(root(), &["tap", "--help"]).stdout;
    for example in tap.lines().filter(|line| line.starts_with("  tenure tap")) {
        // All that is wrong with it is that there is no such file.
        let arguments: Vec<&str> = example.split_whitespace().skip(1).collect();
        let run = tenure(folder.path(), &arguments);
        assert_eq!(run.code, 78, "{example}\n{}", run.stderr);
        assert!(run.stderr.contains("could not read the configuration"));
    }
}

/// A record as it is sent: partition, key, kind and value.
type Sent<'a> = (i32, &'a str, &'a str, &'a str);

/// Texts of records that nobody may see who did not ask for them.
const SECRETS: [&str; 6] = [
    "kundin",
    "4711",
    "pseudonym",
    "gizli",
    "orders/returned",
    "1500000",
];

fn send(topic: &str, records: &[Sent<'_>]) {
    let producer: BaseProducer = Kafka::shared().client_config().create().unwrap();
    for (partition, key, kind, value) in records {
        let headers = OwnedHeaders::new().insert(Header {
            key: "Kind",
            value: (!kind.is_empty()).then_some(*kind),
        });
        let record = BaseRecord::to(topic)
            .partition(*partition)
            .key(*key)
            .payload(*value)
            .headers(headers)
            .timestamp(1_793_577_601_000);
        producer.send(record).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

/// Topics with a record of every outcome, and a configuration that reads them.
fn topics(name: &str) -> (TempDir, [String; 2]) {
    let topics = [format!("{name}-shop"), format!("{name}-native")];
    let kafka = Kafka::shared();
    // They need not be alike for somebody who only looks on.
    kafka.create_topic(&topics[0], 3, &[]);
    kafka.create_topic(&topics[1], 1, &[]);
    send(
        &topics[0],
        &[
            (
                0,
                "kundin-4711",
                "orders/paid",
                r#"{"id":"gizli-1","paid_at":"2026-11-01T09:31:12Z","total":12990,"currency":"try","customer":{"id":"kundin-4711"}}"#,
            ),
            (
                1,
                "kundin-4711",
                "orders/paid",
                r#"{"id":"gizli-2","paid_at":"gizli","total":12990,"currency":"try","customer":{"id":"kundin-4711"}}"#,
            ),
            (2, "kundin-4711", "orders/returned", r#"{"id":"gizli-3"}"#),
            (2, "kundin-4711", "orders/draft", r#"{"id":"gizli-4"}"#),
            (
                0,
                "kundin-4711",
                "surveys/answered",
                r#"{"id":"gizli-5","customer":"pseudonym","at":"2026-11-01T00:00:00Z","answers":[{"kind":"nps","score":9},{"kind":"csat","score":1500000}]}"#,
            ),
        ],
    );
    send(
        &topics[1],
        &[
            (
                0,
                "kundin-4711",
                "",
                r#"{"event_id":"gizli-6","type":"signup","customer_id":"kundin-4711","occurred_at":"2026-11-01T00:00:00Z"}"#,
            ),
            (0, "kundin-4711", "", "gizli"),
        ],
    );
    let folder = folder_of(&[(
        "tenure.yaml",
        &format!(
            "kafka:\n  bootstrap_servers: {}\n  topics: [{}, {}]\n  group_id: {name}\nsources:\n  \
             {}: {{ mapping: {} }}\n",
            kafka.bootstrap_servers(),
            topics[0],
            topics[1],
            topics[0],
            samples().join("shop.yaml").display(),
        ),
    )]);
    (folder, topics)
}

fn tap(folder: &TempDir, arguments: &[&str]) -> Run {
    let run = tenure(
        folder.path(),
        &[&["tap", "--config", "tenure.yaml"], arguments].concat(),
    );
    assert_eq!(run.code, 0, "{arguments:?}\n{}", run.stderr);
    run
}

#[test]
fn a_tap_tells_what_records_become_and_nothing_of_anybody() {
    let (folder, topics) = topics("tapped");
    let run = tap(&folder, &["--limit", "7"]);
    let all = format!("{}{}", run.stdout, run.stderr);
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} in\n{all}");
    }
    let json = tap(&folder, &["--limit", "7", "--format", "json"]);
    for secret in SECRETS {
        assert!(
            !json.stdout.contains(secret),
            "{secret} in\n{}",
            json.stdout
        );
    }
    for line in [
        "  purchase 129.9 TRY at 2026-11-01T09:31:12.000Z, customer <aaaaaa-9999>, event \
         <aaaaaa/aaaa:aaaaa-9>",
        "  rejected: invalid_time, field occurred_at",
        "    rule 1: value.paid_at is <aaaaa>",
        "  rejected: unmapped",
        "    rules 1, 2, 4: header.Kind is <aaaaaa/aaaaaaaa>, not `orders/paid` or \
         `customers/create` or `surveys/answered`",
        "    rule 3: value.after.status is missing, not `closed`",
        "  skipped",
        "    header.Kind is `orders/draft`",
        "  survey_submitted nps 9 at 2026-11-01T00:00:00.000Z, customer <aaaaaaaaa>, event \
         <aaaaa-9:aaa>",
        "  rejected: score_out_of_range, field score",
        "    rule 4, item 2: item.score is <9999999>",
        "  signup at 2026-11-01T00:00:00.000Z, customer <aaaaaa-9999>, event <aaaaa-9>",
        "  rejected: invalid_json",
        &format!("{} 2:1  2026-11-02T00:00:01.000Z  16 bytes", topics[0]),
    ] {
        assert!(
            run.stdout.lines().any(|it| it == line),
            "{line}\nis not in\n{}",
            run.stdout
        );
    }
    for line in [
        "7 records, of which 7 are shown: 1 purchase, 4 rejected, 1 signup, 1 skipped, 1 \
         survey_submitted",
        "rejected: 1 invalid_json, 1 invalid_time occurred_at, 1 score_out_of_range score, 1 \
         unmapped",
    ] {
        assert!(
            run.stderr.lines().any(|it| it == line),
            "{line}\nis not in\n{}",
            run.stderr
        );
    }
    committed_nothing("tapped", &topics);
}

/// A look leaves no trace.
fn committed_nothing(group: &str, topics: &[String]) {
    let consumer: BaseConsumer = Kafka::shared()
        .client_config()
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for topic in topics {
        list.add_partition(topic, 0);
    }
    let committed = consumer.committed_offsets(list, DEADLINE).unwrap();
    for element in committed.elements() {
        assert_eq!(element.offset(), rdkafka::Offset::Invalid);
    }
}

#[test]
fn a_tap_shows_values_to_who_asks_and_only_what_is_wanted() {
    let (folder, topics) = topics("chosen");
    let [shop, native] = &topics;
    let of = |arguments: &[&str]| -> Vec<Value> {
        let run = tap(&folder, &[arguments, &["--format", "json"]].concat());
        let lines = run.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let shown = of(&[
        "--show-values",
        "--topic",
        native,
        "--limit",
        "1",
        "--from",
        "beginning",
    ]);
    assert_eq!(shown[0]["key"], "kundin-4711");
    assert_eq!(shown[0]["headers"][0][0], "Kind");
    assert_eq!(
        shown[0]["becomes"][0]["event"]["customer_id"],
        "kundin-4711"
    );
    assert!(shown[0]["value"].as_str().unwrap().contains("gizli-6"));

    let offsets = |records: &[Value]| -> BTreeSet<(String, i64)> {
        let place = |record: &Value| {
            let topic = record["topic"].as_str().unwrap().to_owned();
            (topic, record["offset"].as_i64().unwrap())
        };
        records.iter().map(place).collect()
    };
    let place = |topic: &str, offset: i64| (topic.to_owned(), offset);
    for (arguments, expected) in [
        (
            vec!["--only", "unmapped", "--limit", "1"],
            vec![place(shop, 0)],
        ),
        (
            vec!["--only", "signup,purchase", "--limit", "2"],
            vec![place(shop, 0), place(native, 0)],
        ),
        (
            vec!["--only", "skipped", "--limit", "1"],
            vec![place(shop, 1)],
        ),
        (
            vec!["--from", "1", "--topic", native, "--limit", "1"],
            vec![place(native, 1)],
        ),
        (
            vec!["--topic", native, "--limit", "1"],
            vec![place(native, 1)],
        ),
    ] {
        let all = [vec!["--from", "beginning"], arguments.clone()].concat();
        let arguments = if arguments.contains(&"--only") {
            all
        } else {
            arguments
        };
        let found = of(&arguments);
        assert_eq!(
            offsets(&found),
            expected.into_iter().collect(),
            "{arguments:?}"
        );
    }
    let text = tap(&folder, &["--show-values", "--topic", shop, "--limit", "5"]).stdout;
    for line in [
        "    key kundin-4711",
        "    header Kind: orders/returned",
        r#"    value {"id":"gizli-3"}"#,
        "    rule 1: value.paid_at is `gizli`",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line}\nis not in\n{text}"
        );
    }
    let nothing = tap(&folder, &["--from", "end", "--for", "1s"]);
    assert_eq!(nothing.stdout, "");
    assert!(
        nothing.stderr.contains("no records came"),
        "{}",
        nothing.stderr
    );

    let stranger = tenure(
        folder.path(),
        &["tap", "--config", "tenure.yaml", "--topic", "none"],
    );
    assert_eq!(stranger.code, 2);
    assert!(stranger.stderr.contains(native), "{}", stranger.stderr);
    let missing = tenure(
        folder.path(),
        &[
            "tap",
            "--config",
            "tenure.yaml",
            "--set",
            "sources=",
            "--topics",
            "none",
        ],
    );
    assert_ne!(missing.code, 0);
}
