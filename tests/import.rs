//! `tenure import` against Apache Kafka: a topic that holds its last seven days and a file of all
//! customers say what the whole history says, a repeated or interrupted import changes nothing, and
//! what is wrong stops everything before the first record.

#![cfg(test)]

mod customers;
#[expect(dead_code, reason = "these tests need a broker and the program alone")]
mod real;
#[expect(dead_code, reason = "these tests read pages and end no service")]
mod service;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::generate::{Generator, GeneratorSettings, Record, Scenario};
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;

use customers::Table;
use real::eventually;
use real::folder::KeptFolder;
use real::kafka::Kafka;
use real::process::{Process, Signal, new_folder};
use service::{DEADLINE, Installation, Page};

const PARTITIONS: i32 = 3;
const DAY: i64 = 86_400_000;
/// Periods that begin after the seven days do.
const COVERED: [&str; 4] = ["1h", "24h", "3d", "6d"];
/// A period that begins before.
const UNCOVERED: &str = "30d";
/// Measures that look at what an export of customers does not hold: every order and every answer of
/// old, and what was usual in the weeks before.
const OLDER: [&str; 8] = [
    "tenure_customer_lifetime_value",
    "tenure_nps_change_score",
    "tenure_nps_change_standard_error",
    "tenure_scored_customers",
    "tenure_low_score_ratio",
    "tenure_departures_expected",
    "tenure_event_usual_gap_seconds",
    "tenure_event_week_ago_span_seconds",
];

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// The history of a shop up to now, in the order of arrival.
fn history(customers: u32) -> Vec<Record> {
    let mut generator = Generator::new(GeneratorSettings {
        customers,
        days: 200,
        seed: 11,
        until: now(),
        scenario: Scenario::Steady,
        live_rate: None,
    })
    .unwrap();
    let next = || {
        let mut record = Record::buffer();
        generator.next_into(&mut record).then_some(record)
    };
    std::iter::from_fn(next).collect()
}

/// Sends records as a producer would that was there all the time, its keys placed this way.
fn send(topic: &str, partitioner: &str, records: &[Record]) {
    let mut config = Kafka::shared().client_config();
    let producer: BaseProducer = config.set("partitioner", partitioner).create().unwrap();
    hand_over(&producer, topic, records);
}

/// The same in one transaction, behind which every partition has a marker.
fn send_in_a_transaction(topic: &str, records: &[Record]) {
    let mut config = Kafka::shared().client_config();
    config.set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.set("transactional.id", topic).create().unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    producer.begin_transaction().unwrap();
    hand_over(&producer, topic, records);
    producer.commit_transaction(DEADLINE).unwrap();
}

fn hand_over(producer: &BaseProducer, topic: &str, records: &[Record]) {
    for record in records {
        let message = BaseRecord::to(topic)
            .key(record.key.as_bytes())
            .payload(record.payload.as_slice())
            .timestamp(record.arrives_at.as_millis());
        producer.send(message).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

/// The records of a partition as offset, timestamp and value.
fn read(topic: &str, partition: i32) -> Vec<(i64, Timestamp, Vec<u8>)> {
    let kafka = Kafka::shared();
    let (low, high) = kafka.offsets(topic, partition);
    let mut config = kafka.client_config();
    let consumer: BaseConsumer = config.set("group.id", "reader").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(low))
        .unwrap();
    consumer.assign(&list).unwrap();
    let mut records = Vec::new();
    while records.len() < usize::try_from(high - low).unwrap() {
        let message = consumer.poll(DEADLINE).expect("a record in time").unwrap();
        let at = Timestamp::from_millis(message.timestamp().to_millis().unwrap());
        records.push((message.offset(), at, message.payload().unwrap().to_vec()));
    }
    records
}

/// Deletes what was recorded before, and answers from when on every partition holds everything.
fn behead(topic: &str, before: Timestamp) -> Timestamp {
    let first_left = |partition| {
        let records = read(topic, partition);
        let (offset, at, _) = records.iter().find(|(_, at, _)| *at >= before).unwrap();
        Kafka::shared().delete_records(topic, partition, *offset);
        *at
    };
    (0..PARTITIONS).map(first_left).max().unwrap()
}

/// What a service makes of each partition: the digests of its facts.
fn digests(topic: &str) -> Vec<u128> {
    let settings = Arc::new(FoldSettings::default());
    let decoder = Decoder::new(settings.decoding());
    let digest = |partition| {
        let mut shard = Shard::new(Arc::clone(&settings), 1);
        shard.start_at(0, 0);
        for (offset, at, value) in read(topic, partition) {
            shard.advance(0, offset, Some(at));
            shard.fold(&decoder.decode(&value, Some(at)).unwrap());
        }
        assert_eq!(shard.digest(), shard.digest_recomputed());
        shard.digest()
    };
    (0..PARTITIONS).map(digest).collect()
}

fn records_in(topic: &str) -> i64 {
    let count = |partition| {
        let (low, high) = Kafka::shared().offsets(topic, partition);
        high - low
    };
    (0..PARTITIONS).map(count).sum()
}

/// The arguments of an import into a topic.
fn import(topic: &str, file: &Path, config: Option<&Path>, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.arg("import").arg(file);
    command.args(["--bootstrap-servers", Kafka::shared().bootstrap_servers()]);
    command.args(["--topics", topic]).args(more);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command
}

/// Runs a command; its exit code, and all that it said.
fn said(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let texts = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), texts.concat())
}

#[track_caller]
fn succeeds(command: Command) -> String {
    let (code, text) = said(command);
    assert_eq!(code, 0, "{text}");
    text
}

/// The value of a label of a series.
fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = series.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// Every number that rests on no older order or answer, and begins within what is known.
fn covered(page: &Page, since: Timestamp) -> Vec<(String, f64)> {
    let month = since.to_string()[..7].to_owned();
    let within = |series: &str| {
        let period = label(series, "period").is_none_or(|period| COVERED.contains(&period));
        let ratio = series.starts_with("tenure_cohort_retention_ratio");
        let cohort = label(series, "cohort").is_none_or(|cohort| !ratio || cohort > month.as_str());
        period && cohort
    };
    let name = |series: &str| series.split('{').next().unwrap_or_default().to_owned();
    let samples = page.0.iter();
    samples
        .filter(|(series, _)| within(series) && !OLDER.contains(&name(series).as_str()))
        .map(|(series, value)| (series.clone(), *value))
        .collect()
}

/// Numbers of the page that a replay of a whole file has, too, which leaves out those of the process.
fn of_report(page: Vec<(String, f64)>, replay: &Page) -> Vec<(String, f64)> {
    let name = |series: &str| series.split('{').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = replay.0.keys().map(|series| name(series)).collect();
    let own = |(series, _): &(String, f64)| names.contains(&name(series));
    page.into_iter().filter(own).collect()
}

#[test]
fn seven_days_and_an_import_say_what_the_whole_history_says() {
    let kafka = Kafka::shared();
    let topic = "last-seven-days";
    kafka.create_topic(topic, PARTITIONS, &[("retention.ms", "-1")]);
    let records = history(900);
    send(topic, "murmur2_random", &records);
    let began = records.last().unwrap().arrives_at.minus_millis(7 * DAY);
    let since = behead(topic, began);
    assert!(
        since < now().minus_millis(6 * DAY),
        "{since}: the periods must be covered"
    );

    let folder = new_folder("import");
    let whole = folder.path().join("whole.ndjson");
    let lines: Vec<u8> = records
        .iter()
        .flat_map(|record| [&record.payload[..], b"\n"].concat())
        .collect();
    fs::write(&whole, lines).unwrap();
    let file = folder.path().join("customers.csv");
    fs::write(&file, Table::of(&records, since).csv()).unwrap();
    let config = folder.path().join("tenure.yaml");
    fs::write(&config, "# a shop\ndimensions: [plan, country]\n").unwrap();
    let config_flag = ["--config", config.to_str().unwrap()];

    let periods = format!("periods={},{UNCOVERED}", COVERED.join(","));
    let dimensions = "dimensions=plan,country";
    let servers = kafka.bootstrap_servers();
    let unknown = Installation::new(servers, topic, &[&periods]).start_with(&config_flag, |_| {});
    let page = unknown.page_at(records_end(topic));
    let withheld = page.withheld("base_incomplete");
    assert!(withheld.contains("tenure_retention_ratio"), "{withheld:?}");
    assert_eq!(page.of("tenure_retention_ratio").count(), 0);
    drop(unknown);

    let given = ["--complete-since", &since.to_string()];
    let text = succeeds(import(topic, &file, Some(&config), &given));
    assert!(text.contains("placed by murmur2"), "{text}");
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        format!("# a shop\ndimensions: [plan, country]\ncustomer_base_complete_since: {since}\n")
    );
    let once = digests(topic);

    for (timeout, twice) in [("null", false), ("60d", true)] {
        if twice {
            let text = succeeds(import(topic, &file, Some(&config), &given));
            assert!(text.contains("stays as it is"), "{text}");
            assert_eq!(digests(topic), once);
        }
        let timeout = format!("inactivity_timeout={timeout}");
        let settings = [periods.as_str(), dimensions, &timeout];
        let installation = Installation::new(servers, topic, &settings);
        let service = installation.start_with(&config_flag, |_| {});
        let page = service.page_at(records_end(topic));
        let at = Timestamp::from_millis((page.time() * 1000.0).round() as i64);
        let truth = installation.replay(&whole, page.time());
        let expected = covered(&truth, since);
        let got = of_report(covered(&page, since), &truth);
        assert!(expected.len() > 300, "{} numbers", expected.len());
        for (series, value) in &expected {
            let own = got.iter().find(|(own, _)| own == series);
            assert_eq!(
                own.map(|(_, own)| own),
                Some(value),
                "{series} at {at}, {timeout}"
            );
        }
        assert_eq!(got.len(), expected.len());
        let ratio =
            |period: &str| page.value(&format!("tenure_retention_ratio{{period=\"{period}\"}}"));
        for period in COVERED {
            assert!(ratio(period).is_some(), "{period}, {timeout}");
        }
        assert_eq!(ratio(UNCOVERED), None);
        assert!(
            page.withheld("base_incomplete")
                .contains("tenure_retention_ratio")
        );
    }
}

/// Where positions are once everything is read.
fn records_end(topic: &str) -> i64 {
    let end = |partition| Kafka::shared().offsets(topic, partition).1;
    (0..PARTITIONS).map(end).sum()
}

#[test]
fn an_import_that_was_killed_is_finished_by_the_next_one() {
    let kafka = Kafka::shared();
    for topic in ["killed", "at-peace"] {
        kafka.create_topic(topic, PARTITIONS, &[("retention.ms", "-1")]);
    }
    let folder = new_folder("import");
    let file = folder.path().join("customers.jsonl");
    let mut lines = String::new();
    for customer in 0..20_000 {
        let since = 1_700_000_000_000_i64 + customer * 1000;
        let written = writeln!(
            lines,
            "{{\"customer_id\":\"c-{customer}\",\"active_since\":{since},\"first_order_at\":{since},\
             \"first_order_amount\":{customer}.5}}"
        );
        written.unwrap();
    }
    fs::write(&file, lines).unwrap();
    let more = ["--currency", "EUR", "--print-only"];

    succeeds(import("at-peace", &file, None, &more));
    let command = import("killed", &file, None, &more);
    let mut process = Process::start(new_folder("killed"), &command);
    eventually(DEADLINE, "some records", || match records_in("killed") {
        0 => Err("none yet".to_owned()),
        count => Ok(count),
    });
    process.send(Signal::Kill);
    drop(process);
    let left = records_in("killed");
    assert!(left < 40_000, "{left}: it was killed too late");
    let text = succeeds(import("killed", &file, None, &more));
    assert!(text.contains("wrote 20000 customers"), "{text}");
    assert_eq!(records_in("killed"), left + 40_000);
    assert_eq!(digests("killed"), digests("at-peace"));
}

#[test]
fn a_file_that_is_not_right_is_refused_by_line_and_column_and_nothing_is_written() {
    let kafka = Kafka::shared();
    let topic = "untouched";
    kafka.create_topic(topic, PARTITIONS, &[]);
    let folder = new_folder("import");
    let file = folder.path().join("customers.csv");
    let secret = "secret-42";
    let check = |text: &str, more: &[&str], expected_code: i32, expected: &[&str]| {
        fs::write(&file, text).unwrap();
        let (code, said) = said(import(topic, &file, None, more));
        assert_eq!(code, expected_code, "{text}: {said}");
        for word in expected {
            assert!(said.contains(word), "{text}: {word} is not in: {said}");
        }
        assert!(!said.contains(secret), "{said}");
        assert_eq!(records_in(topic), 0, "{text}");
    };
    let good = "customer_id,active_since\na,2026-01-01T00:00:00Z\n";
    check(
        "email\nsecret-42\n",
        &[],
        1,
        &["line 1", "--column customer_id=NAME"],
    );
    check("customer_id;since\n", &[], 1, &["--delimiter ';'"]);
    check("customer_id\nsecret-42\n", &[], 1, &["active_since"]);
    check(
        &format!("{good}secret-42,yesterday\n{secret},\nsecret-42\n"),
        &[],
        1,
        &[
            "line 3, column active_since: invalid_time",
            "line 4, column active_since: missing_field",
            "line 5: wrong_columns",
            "3 of 4 lines",
            "--skip-bad",
        ],
    );
    check(
        &format!("{good}secret-42,2026-01-01 10:00:00\r\n"),
        &[],
        1,
        &["line 3", "--time-zone"],
    );
    check(
        &format!("{good}secret-42,2126-01-01T00:00:00Z\n"),
        &[],
        1,
        &["line 3", "2000 to 2069"],
    );
    check(
        &format!("{good}secret-42,2066-01-01T00:00:00Z\n"),
        &[],
        1,
        &["in_the_future"],
    );
    check(
        &format!("{good}{secret},2026-01-01T00:00:00Z\n{secret},2026-01-02T00:00:00Z\n"),
        &[],
        1,
        &["line 4, column customer_id: repeated_customer"],
    );
    check(
        "customer_id,first_order_at,first_order_amount,first_order_currency\n\
         secret-42,2026-01-01T00:00:00Z,5,POINTS\n",
        &[],
        1,
        &["line 2, column first_order_currency: unknown_currency"],
    );
    let long = "x".repeat(300);
    check(
        &format!("customer_id,active_since\n{long},2026-01-01T00:00:00Z\n"),
        &[],
        1,
        &["line 2, column customer_id: invalid_id"],
    );
    check(
        "customer_id,active_since\n",
        &[],
        1,
        &["holds no customers"],
    );
    check(
        good,
        &["--column", "since=active"],
        2,
        &["there is no column `since`"],
    );
    check(
        good,
        &["--column", "active_since=created"],
        1,
        &["no column `created`"],
    );
    check(
        good,
        &["--topic", "elsewhere"],
        2,
        &["add it to kafka.topics"],
    );
    check(
        good,
        &["--complete-since", "2026-01-01T00:00:00Z"],
        2,
        &["neither the file nor the topic"],
    );
    check(
        good,
        &["--set", "customer_starts_with=purchase"],
        1,
        &["only orders make customers"],
    );
    check(
        good,
        &["--dry-run"],
        0,
        &["1 customers", "1 signup", "nothing was written"],
    );
    check(
        &format!("phone,{good}").replace("\na", "\n1,a"),
        &["--dry-run"],
        0,
        &["ignored: phone"],
    );
    // What is bad may be left out.
    fs::write(&file, format!("{good}secret-42,yesterday\n")).unwrap();
    let text = succeeds(import(topic, &file, None, &["--skip-bad", "--print-only"]));
    assert!(
        text.contains("line 3") && text.contains("wrote 1 customers"),
        "{text}"
    );
    assert_eq!(records_in(topic), 1);
}

#[test]
fn keys_go_where_the_other_producers_put_them_or_nowhere() {
    let kafka = Kafka::shared();
    let folder = new_folder("import");
    let file = folder.path().join("customers.csv");
    let old: Vec<Record> = history(60)
        .into_iter()
        .map(|record| Record {
            arrives_at: now(),
            ..record
        })
        .collect();
    let mut text = "customer_id,active_since\n".to_owned();
    let keys: BTreeSet<&str> = old.iter().map(|record| record.key.as_str()).collect();
    for key in &keys {
        writeln!(text, "{key},2020-01-01T00:00:00Z").unwrap();
    }
    fs::write(&file, text).unwrap();
    let cases = [
        ("murmur2_random", "murmur2", "crc32"),
        ("consistent_random", "crc32", "murmur2"),
        ("fnv1a_random", "fnv1a", "murmur2"),
    ];
    for (partitioner, name, other) in cases {
        let topic = format!("placed-by-{name}");
        kafka.create_topic(&topic, PARTITIONS, &[]);
        send(&topic, partitioner, &old);
        let (code, said) = said(import(&topic, &file, None, &["--partitioner", other]));
        assert_eq!(code, 78, "{said}");
        assert!(said.contains("counted twice"), "{said}");
        let said = succeeds(import(&topic, &file, None, &["--print-only"]));
        assert!(said.contains(&format!("placed by {name}")), "{said}");
        // No customer is in two partitions.
        let mut seen = BTreeSet::new();
        for partition in 0..PARTITIONS {
            let decoder = Decoder::new(FoldSettings::default().decoding());
            let customers: BTreeSet<String> = read(&topic, partition)
                .iter()
                .map(|(_, _, value)| decoder.decode(value, None).unwrap().customer.into_owned())
                .collect();
            assert!(seen.is_disjoint(&customers), "{name}");
            seen.extend(customers);
        }
        assert_eq!(seen.len(), keys.len());
    }
    kafka.create_topic("transacted", PARTITIONS, &[]);
    send_in_a_transaction("transacted", &old);
    let started = Instant::now();
    let said = succeeds(import("transacted", &file, None, &["--dry-run"]));
    assert!(said.contains("placed by murmur2"), "{said}");
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "it waited for markers"
    );
    kafka.create_topic("compacted", PARTITIONS, &[("cleanup.policy", "compact")]);
    let (code, said) = self::said(import("compacted", &file, None, &[]));
    assert_eq!((code, said.contains("is compacted")), (78, true), "{said}");
    kafka.create_topic("forgetful", PARTITIONS, &[("retention.ms", "604800000")]);
    let said = succeeds(import("forgetful", &file, None, &["--dry-run"]));
    assert!(said.contains("keeps records for 7.0 days"), "{said}");
}

#[test]
fn behind_a_router_the_base_begins_where_the_topics_that_are_routed_do() {
    let kafka = Kafka::shared();
    let folder = new_folder("import");
    let file = folder.path().join("customers.csv");
    fs::write(&file, "customer_id,active_since\na,2026-01-01T00:00:00Z\n").unwrap();
    kafka.create_topic("unkeyed", PARTITIONS, &[("retention.ms", "-1")]);
    kafka.create_topic("routed", 2, &[("retention.ms", "-1")]);
    let records = history(200);
    send("unkeyed", "random", &records);
    let since = behead("unkeyed", now().minus_millis(20 * DAY));
    let set = [
        "--set",
        "router.to=routed",
        "--set",
        "router.partitions=2",
        "--print-only",
    ];
    let text = succeeds(import("unkeyed", &file, None, &set));
    assert!(text.contains("wrote 1 customers to topic routed"), "{text}");
    assert!(
        text.contains(&format!("records begin at {since}")),
        "{text}"
    );
}

#[test]
fn the_configuration_is_changed_in_one_line_or_not_at_all() {
    let kafka = Kafka::shared();
    kafka.create_topic("configured", PARTITIONS, &[("retention.ms", "-1")]);
    let folder = KeptFolder::new("import");
    let file = folder.path().join("customers.csv");
    fs::write(&file, "customer_id,active_since\na,2026-01-01T00:00:00Z\n").unwrap();
    let config = folder.path().join("tenure.yaml");
    // The topic's records begin with the first import.
    succeeds(import("configured", &file, None, &["--print-only"]));
    let since = now().to_string();
    let check = |before: &str, more: &[&str], expected_code: i32, after: &str, word: &str| {
        let _ = fs::remove_file(&config);
        fs::write(&config, before).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
        let given = [&["--complete-since", since.as_str()], more].concat();
        let (code, said) = said(import("configured", &file, Some(&config), &given));
        assert_eq!(code, expected_code, "{before}: {said}");
        assert!(said.contains(word), "{before}: {word} is not in: {said}");
        let after = after.replace("NEW", &since);
        assert_eq!(fs::read_to_string(&config).unwrap(), after, "{said}");
        let mode = fs::metadata(&config).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let files = folder.files();
        assert_eq!(files.len(), 2, "{files:?}");
    };
    let key = "customer_base_complete_since";
    let changes = |before: &str, after: &str| check(before, &[], 0, after, "restart the service");
    changes(
        "# mine\nhistory: 900d  # long\n",
        &format!("# mine\nhistory: 900d  # long\n{key}: NEW\n"),
    );
    changes(
        &format!("{key}: null   # why\nhistory: 900d"),
        &format!("{key}: NEW   # why\nhistory: 900d"),
    );
    changes(
        &format!("{key}: 2000-01-01T00:00:00Z\r\nhistory: 900d\r\n"),
        &format!("{key}: NEW\r\nhistory: 900d\r\n"),
    );
    changes(
        "log:\r\n  level: warn\r\n",
        &format!("log:\r\n  level: warn\r\n{key}: NEW\r\n"),
    );
    changes(
        &format!("kafka:\n  group_id: a\n# {key}: null\n  topics: [b]\n"),
        &format!("kafka:\n  group_id: a\n# {key}: null\n  topics: [b]\n{key}: NEW\n"),
    );
    changes(
        &format!("history: 900d\n# {key}: null\nlate_after: 2d\n"),
        &format!("history: 900d\n# {key}: null\n{key}: NEW\nlate_after: 2d\n"),
    );
    let leaves = |text: &str, more: &[&str], code, word: &str| check(text, more, code, text, word);
    leaves("{ history: 900d }\n", &[], 78, "no place for one more line");
    leaves(
        "history: 900d\n",
        &["--print-only"],
        0,
        "for the configuration",
    );
    leaves("history: 900d\n", &["--dry-run"], 0, "nothing was written");
    leaves(
        "history: 900d\n",
        &["--set", "customer_base_complete_since=2027-01-01T00:00:00Z"],
        78,
        "the flag --set says otherwise",
    );

    // One that may not be written is left alone, even by root.
    fs::write(&config, "history: 900d\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o440)).unwrap();
    let given = ["--complete-since", &since];
    let (code, read_only) = said(import("configured", &file, Some(&config), &given));
    assert_eq!(
        (code, read_only.contains("read-only")),
        (78, true),
        "{read_only}"
    );
    assert_eq!(fs::read_to_string(&config).unwrap(), "history: 900d\n");
    // What is earlier stays, unless somebody says otherwise.
    let _ = fs::remove_file(&config);
    let earlier = format!("{key}: 2024-01-01T00:00:00Z\n");
    fs::write(&config, &earlier).unwrap();
    let text = succeeds(import("configured", &file, Some(&config), &[]));
    assert!(text.contains("stays as it is"), "{text}");
    assert_eq!(fs::read_to_string(&config).unwrap(), earlier);
}

#[test]
fn nothing_answers_is_told_apart_from_a_bad_file() {
    let folder = new_folder("import");
    let file = folder.path().join("customers.csv");
    fs::write(&file, "customer_id,active_since\na,2026-01-01T00:00:00Z\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.arg("import").arg(&file);
    command.args(["--bootstrap-servers", "127.0.0.1:1"]);
    let (code, text) = said(command);
    assert_eq!(code, 69, "{text}");
    assert!(text.contains("no broker answers"), "{text}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.arg("import").arg(folder.path().join("nothing.csv"));
    let (code, text) = said(command);
    assert_eq!((code, text.contains("could not read")), (1, true), "{text}");
}
