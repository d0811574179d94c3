//! Commands that read the log once: what they find in a real broker, beside checkpoints written by
//! hand.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need a broker and the program")]
mod real;

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use tempfile::TempDir;

use real::kafka::Kafka;
use real::process::{Process, new_folder};
use real::{free_ports, http};
use tenure::checkpoint::{Circumstances, Header, Objects, Shelf};
use tenure::config::StateUrl;
use tenure::engine::intake::take;
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::ledger::Shard;
use tenure::ledger::hash::Hashes;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::shard::LastRecord;
use tenure::ledger::snapshot::{fingerprint, write};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_mins(2);

/// 1 November 2026.
const START: i64 = 1_793_491_200_000;
const MINUTE: i64 = 60_000;

/// A record of a partition: when it was written, and what.
type Written = (i64, String);

/// Events of a partition, some of them repeats, and one that is none.
fn events(partition: i32, count: i64) -> Vec<Written> {
    let event = |number: i64| {
        let at = START + number * MINUTE;
        let customer = format!("c-{partition}-{}", number % 40);
        let of = match number % 5 {
            0 => r#""type":"signup""#.to_owned(),
            1 | 2 => r#""type":"purchase","amount":"9.90","currency":"EUR""#.to_owned(),
            3 => format!(
                r#""type":"survey_submitted","survey":"nps","score":{}"#,
                number % 11
            ),
            _ if number % 7 == 0 => r#""type":"churn","reason":"price""#.to_owned(),
            _ => r#""type":"signup""#.to_owned(),
        };
        // Every eleventh repeats the one before it.
        let id = number - i64::from(number % 11 == 5);
        let text = format!(
            r#"{{"event_id":"e-{partition}-{id}","customer_id":"{customer}","occurred_at":{at},{of}}}"#
        );
        (
            at,
            if number == 13 {
                "no event".to_owned()
            } else {
                text
            },
        )
    };
    (0..count).map(event).collect()
}

fn produce(kafka: &Kafka, topic: &str, partition: i32, records: &[Written]) {
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    send(&producer, topic, partition, records);
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, records: &[Written]) {
    for (at, value) in records {
        let record = BaseRecord::<str, str>::to(topic)
            .partition(partition)
            .timestamp(*at)
            .payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

/// A shelf in a folder of its own.
struct State {
    folder: TempDir,
    topics: Vec<String>,
    settings: Arc<FoldSettings>,
}

impl State {
    /// Of one topic, or of several with commas between them.
    fn new(topics: &str) -> Self {
        Self {
            folder: new_folder("state"),
            topics: topics.split(',').map(str::to_owned).collect(),
            settings: Arc::new(FoldSettings::default()),
        }
    }

    fn shelf(&self) -> Shelf {
        let url = StateUrl::Folder(self.folder.path().to_owned());
        let objects = Objects::open(&url).unwrap();
        let print = fingerprint(&self.settings);
        Shelf::new(Arc::new(objects), &self.topics, print, 10)
    }

    /// An empty shard that begins at the beginning.
    fn empty(&self) -> Shard {
        let mut shard = Shard::new(Arc::clone(&self.settings), self.topics.len());
        for topic in 0..self.topics.len() {
            shard.start_at(topic, 0);
        }
        shard
    }

    /// Folds the records up to an offset into a shard, as a service would.
    fn fold(&self, records: &[Written], next_offset: i64) -> Shard {
        let mut shard = self.empty();
        self.fold_on(&mut shard, 0, records, 0..next_offset);
        shard
    }

    /// Folds the records of a topic at these offsets.
    fn fold_on(&self, shard: &mut Shard, topic: usize, records: &[Written], offsets: Range<i64>) {
        let decoder = Decoder::new(self.settings.decoding());
        let hashes = Hashes::new(self.settings.digest_key);
        let numbered = (0..).zip(records);
        for (offset, (at, value)) in numbered.filter(|(offset, _)| offsets.contains(offset)) {
            let (at, value) = (Some(Timestamp::from_millis(*at)), Some(value.as_bytes()));
            assert!(shard.advance(topic, offset, at));
            take(shard, &decoder, value, at);
            let last = LastRecord {
                offset,
                hash: hashes.record(at, value),
                leader_epoch: Some(0),
            };
            shard.saw(topic, last);
        }
    }

    fn save(&self, partition: i32, shard: &Shard) {
        let topics = self.topics.iter().map(|topic| (topic.clone(), None));
        let topics: Vec<_> = topics.collect();
        let header = Header::of(
            shard,
            &Circumstances {
                partition,
                partitions: 2,
                topics: &topics,
                complete_until: None,
                created_at: Timestamp::from_millis(START),
                accepted: &[],
                changed: &[],
            },
        );
        self.shelf().save(header, write(shard)).unwrap();
    }

    /// Runs a command on the topic and answers its exit code, its data and its other words.
    fn run(&self, kafka: &Kafka, arguments: &[&str]) -> (i32, String, String) {
        let state = format!("state.url={}", self.folder.path().display());
        let servers = kafka.bootstrap_servers();
        let (command, rest) = arguments.split_first().unwrap();
        let mut all = vec![*command, "--set", &state, "--bootstrap-servers", servers];
        let topics = self.topics.join(",");
        all.extend(["--topics", &topics]);
        all.extend(rest);
        let process = Process::tenure(&all);
        let code = process.wait(DEADLINE);
        (code, process.stdout(), process.stderr())
    }

    /// The verdicts of `verify`, with where each began and ended, and the exit code.
    #[track_caller]
    fn check(&self, kafka: &Kafka, arguments: &[&str], code: i32, expected: &[(Value, &str)]) {
        let arguments: Vec<&str> = ["verify", "--format", "json"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let (exit, stdout, stderr) = self.run(kafka, &arguments);
        let told: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
        let lines: Vec<(Value, &str)> = told["comparisons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| {
                let place = serde_json::json!([line["partition"], line["from"], line["to"]]);
                (place, line["verdict"].as_str().unwrap())
            })
            .collect();
        assert_eq!(lines, expected, "{stdout}{stderr}");
        assert_eq!(exit, code, "{stdout}{stderr}");
    }
}

fn at(partition: i32, from: impl Into<Option<i64>>, to: i64) -> Value {
    serde_json::json!([partition, from.into(), to])
}

fn lines(path: &Path, records: &[&[Written]]) {
    let lines: Vec<&str> = records
        .iter()
        .flat_map(|records| records.iter().map(|(_, value)| value.as_str()))
        .collect();
    fs::write(path, lines.join("\n")).unwrap();
}

#[test]
fn checkpoints_that_are_what_the_log_says_are_told_from_those_that_are_not() {
    let kafka = Kafka::shared();
    kafka.create_topic("verified", 2, &[]);
    let records = [events(0, 500), events(1, 300)];
    for (partition, records) in (0..).zip(&records) {
        produce(kafka, "verified", partition, records);
    }
    let state = State::new("verified");
    for offset in [200, 350, 480] {
        state.save(0, &state.fold(&records[0], offset));
    }
    state.save(1, &state.fold(&records[1], 300));
    let ok = [
        (at(0, 200, 350), "ok"),
        (at(0, 350, 480), "ok"),
        (at(1, None, 300), "ok"),
    ];
    state.check(kafka, &[], 0, &ok);
    state.check(kafka, &["--partition", "0"], 0, &ok[..2]);
    let whole = [
        (at(0, None, 200), "ok"),
        (at(0, 200, 350), "ok"),
        (at(0, 350, 480), "ok"),
    ];
    let arguments = ["--from-beginning", "--partition", "0"];
    state.check(kafka, &arguments, 0, &whole);

    // A file of the same records adds up to the same, whatever the order of the partitions.
    let folder = new_folder("files");
    let file = folder.path().join("all.ndjson");
    let path = file.to_str().unwrap();
    lines(&file, &[&records[1], &records[0][..480]]);
    let of_file = |verdict| [(serde_json::json!([null, null, 780]), verdict)];
    state.check(kafka, &[path], 0, &of_file("ok"));
    lines(&file, &[&records[1][..299], &records[0][..480]]);
    state.check(kafka, &[path], 1, &of_file("differs"));

    let (code, stdout, stderr) = state.run(kafka, &["verify", "--partition", "2"]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    let (code, stdout, _) = state.run(kafka, &["verify"]);
    assert_eq!(code, 0, "{stdout}");
    let line = stdout.lines().next().unwrap();
    assert!(
        line.starts_with("partition 0  200..350  150 records, "),
        "{line}"
    );
    assert!(line.ends_with("  ok"), "{line}");

    // Facts that no record tells, under a checksum and a digest that fit them.
    let mut forged = records[0].clone();
    forged[300].1 = forged[299].1.replace("e-0-299", "e-0-forged");
    state.save(0, &state.fold(&forged, 490));
    let differs = [
        (at(0, 200, 350), "ok"),
        (at(0, 350, 480), "ok"),
        (at(0, 480, 490), "differs"),
    ];
    state.check(kafka, &["--partition", "0"], 1, &differs);
    let (_, stdout, stderr) = state.run(kafka, &["verify"]);
    assert!(stdout.contains("DIFFERS: the facts"), "{stdout}");
    assert!(stderr.contains("1 of 4 comparisons"), "{stderr}");
}

#[test]
fn several_topics_and_markers_at_the_ends_are_verified() {
    let kafka = Kafka::shared();
    let topics = ["verified-signups", "verified-orders"];
    let records = [events(0, 60), events(0, 45)];
    for (topic, records) in topics.into_iter().zip(&records) {
        kafka.create_topic(topic, 1, &[]);
        let producer: BaseProducer = kafka
            .client_config()
            .set("transactional.id", topic)
            .create()
            .unwrap();
        producer.init_transactions(DEADLINE).unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, topic, 0, records);
        producer.commit_transaction(DEADLINE).unwrap();
    }
    let state = State::new(&topics.join(","));
    let mut shard = state.empty();
    state.fold_on(&mut shard, 0, &records[0], 0..20);
    state.fold_on(&mut shard, 1, &records[1], 0..30);
    state.save(0, &shard);
    state.fold_on(&mut shard, 1, &records[1], 30..45);
    state.fold_on(&mut shard, 0, &records[0], 20..60);
    // The markers are stepped over.
    shard.skip_to(0, 61);
    shard.skip_to(1, 46);
    state.save(0, &shard);
    state.check(kafka, &[], 0, &[(at(0, 50, 107), "ok")]);
    let whole = [(at(0, None, 50), "ok"), (at(0, 50, 107), "ok")];
    state.check(kafka, &["--from-beginning"], 0, &whole);
}

#[test]
fn what_is_remembered_beside_the_facts_is_verified_too() {
    let kafka = Kafka::shared();
    kafka.create_topic("verified-memory", 1, &[]);
    let records = events(0, 100);
    produce(kafka, "verified-memory", 0, &records);
    let state = State::new("verified-memory");
    // The same facts, out of a log that had one repeat less.
    let mut other = records.clone();
    let mut twice = state.fold(&records, 50);
    twice.saw(
        0,
        state.fold(&records, 50).position(0).unwrap().last.unwrap(),
    );
    state.save(0, &twice);
    let repeat = 60;
    other[repeat].0 += 400 * 24 * 60 * MINUTE;
    let forged = state.fold(&other, 80);
    assert_eq!(forged.digest(), state.fold(&records, 80).digest());
    state.save(0, &forged);
    state.check(kafka, &[], 1, &[(at(0, 50, 80), "differs")]);
}

#[test]
fn what_the_log_no_longer_tells_is_not_compared() {
    let kafka = Kafka::shared();
    kafka.create_topic("verified-head", 1, &[]);
    let records = events(0, 400);
    produce(kafka, "verified-head", 0, &records);
    let state = State::new("verified-head");
    let (code, _, stderr) = state.run(kafka, &["verify"]);
    assert_eq!(code, 69, "{stderr}");
    for offset in [100, 200, 300] {
        state.save(0, &state.fold(&records, offset));
    }
    kafka.delete_records("verified-head", 0, 150);
    let head = [(at(0, None, 100), "not compared"), (at(0, 200, 300), "ok")];
    state.check(kafka, &[], 0, &head);
    let none = [100, 200, 300].map(|to| (at(0, None, to), "not compared"));
    state.check(kafka, &["--from-beginning"], 69, &none);
    let (code, stdout, stderr) = state.run(kafka, &["verify", "--set", "history=900d"]);
    assert_eq!((code, stdout.as_str()), (69, ""), "{stderr}");
    assert!(
        stderr.contains("3 checkpoints of these topics under other"),
        "{stderr}"
    );
    // Another log of the same name, which is as long.
    let mut other = records;
    other[199].1 = "other".to_owned();
    let state = State::new("verified-head");
    for offset in [200, 300] {
        state.save(0, &state.fold(&other, offset));
    }
    state.check(kafka, &[], 69, &[(at(0, 200, 300), "not compared")]);
}

const CORRECTIONS: &str = "\
corrections:
  - note: a load test
    skip: { topic: corrected, partition: 1, offsets: 10..29 }
  - note: orders by mistake
    skip: { event_ids: [e-0-1, e-0-2, e-0-6], type: purchase }
  - note: a typing error
    skip: { event_ids: [e-9-9] }
";

#[test]
fn corrections_are_tried_on_the_topic_and_on_a_file() {
    let kafka = Kafka::shared();
    kafka.create_topic("corrected", 2, &[]);
    let records = [events(0, 100), events(1, 60)];
    for (partition, records) in (0..).zip(&records) {
        produce(kafka, "corrected", partition, records);
    }
    let folder = new_folder("corrections");
    let file = folder.path().join("corrections.yaml");
    fs::write(&file, CORRECTIONS).unwrap();
    let setting = format!("corrections={}", file.display());
    let state = State::new("corrected");
    let until = "2026-11-01T12:00:00Z";
    let arguments = ["corrections", "--set", &setting, "--at", until];
    let effect = |further: &[&str]| -> (Value, String) {
        let arguments = [&arguments[..], &["--format", "json"], further].concat();
        let (code, stdout, stderr) = state.run(kafka, &arguments);
        assert_eq!(code, 0, "{stderr}");
        (serde_json::from_str(&stdout).unwrap(), stderr)
    };
    let (told, stderr) = effect(&[]);
    assert_eq!((&told["read"], &told["skipped"]), (&160.into(), &23.into()));
    let of = |told: &Value| -> Vec<u64> {
        let corrections = told["corrections"].as_array().unwrap().iter();
        corrections
            .map(|one| one["records"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(of(&told), [20, 3, 0]);
    assert!(
        stderr.contains("`a typing error` (1 event id) skips no record"),
        "{stderr}"
    );
    let orders = told["differences"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["measure"] == "tenure_orders" && one["labels"]["period"] == "24h")
        .unwrap_or_else(|| panic!("{told:#}"));
    let [before, after] = ["before", "after"].map(|side| orders[side].as_f64().unwrap());
    // Of the twenty records eight are orders, of which some repeat.
    assert!(before - after > 3.0 && before - after <= 11.0, "{orders}");

    let events = folder.path().join("events.ndjson");
    lines(&events, &[&records[0], &records[1]]);
    let (told, stderr) = effect(&[events.to_str().unwrap()]);
    assert_eq!(of(&told), [0, 3, 0], "lines have no offsets");
    assert!(
        stderr.contains("(offsets 10..29 of corrected partition 1) skips no"),
        "{stderr}"
    );

    let (code, stdout, _) = state.run(kafka, &arguments);
    assert_eq!(code, 0);
    for expected in [
        "Corrections, as of 2026-11-01T12:00:00.000Z",
        "a load test",
        "23 of 160 records are skipped.",
        "tenure_orders",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    assert!(!stdout.contains("e-0-1"), "an id is shown");
    // A page of the file with the corrections is the page of a file without those lines.
    let page = |file: &Path, setting: &[&str]| {
        let replay = ["replay", "--at", until, file.to_str().unwrap()];
        let (code, stdout, stderr) = state.run(kafka, &[&replay[..], setting].concat());
        assert_eq!(code, 0, "{stderr}");
        stdout
    };
    let corrected = page(&events, &["--set", &setting]);
    let kept = |records: &[Written]| -> Vec<Written> {
        let wrong = |text: &str| {
            ["e-0-1\"", "e-0-2\"", "e-0-6\""]
                .iter()
                .any(|id| text.contains(id))
        };
        let kept = records.iter().filter(|(_, text)| !wrong(text));
        kept.cloned().collect()
    };
    let without = folder.path().join("without.ndjson");
    lines(&without, &[&kept(&records[0]), &records[1]]);
    assert_eq!(corrected, page(&without, &[]));
    let (code, _, stderr) = state.run(kafka, &["corrections"]);
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn corrections_hold_for_a_service_and_are_told_by_a_check() {
    let kafka = Kafka::shared();
    kafka.create_topic("corrected-live", 2, &[]);
    produce(kafka, "corrected-live", 1, &events(1, 60));
    let folder = new_folder("corrections");
    let file = folder.path().join("corrections.yaml");
    let text = CORRECTIONS.replace("topic: corrected,", "topic: corrected-live,");
    fs::write(&file, text.replace("e-0-", "e-1-")).unwrap();
    let setting = format!("corrections={}", file.display());
    let state = State::new("corrected-live");
    let (code, stdout, stderr) = state.run(kafka, &["check", "--set", &setting]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let told = "correction `a load test`: skips offsets 10..29 of corrected-live partition 1";
    assert!(stdout.contains(told), "{stdout}");
    assert!(!stdout.contains("skips nothing"), "{stdout}");
    let beyond = fs::read_to_string(&file)
        .unwrap()
        .replace("10..29", "60..70");
    fs::write(&file, beyond).unwrap();
    let (_, stdout, _) = state.run(kafka, &["check", "--set", &setting]);
    assert!(stdout.contains("the partition ends at 60"), "{stdout}");
    fs::write(
        &file,
        fs::read_to_string(&file)
            .unwrap()
            .replace("60..70", "10..29"),
    )
    .unwrap();

    let [port] = free_ports();
    let address = format!("127.0.0.1:{port}");
    let url = format!("state.url={}", state.folder.path().display());
    let service = Process::tenure(&[
        "run",
        "--listen",
        &address,
        "--bootstrap-servers",
        kafka.bootstrap_servers(),
        "--topics",
        "corrected-live",
        "--set",
        &setting,
        "--set",
        &url,
    ]);
    service.wait_for_line("a correction is in force", DEADLINE);
    let metrics = format!("http://{address}/metrics");
    service.wait_for(DEADLINE, "the skipped records", || {
        let page = http::get_ok(&metrics, &[])?;
        let skipped = r#"tenure_events_total{outcome="skipped"} 23"#;
        if page.contains(skipped) {
            Ok(())
        } else {
            let counted = page
                .lines()
                .filter(|line| line.starts_with("tenure_events_total"));
            Err(counted.collect::<Vec<_>>().join("\n"))
        }
    });
}
