//! Configuration from outside: text in, settings or complaints out.
//!
//! `config/complaints.txt`, `config/corrections.txt` and `config/sources.txt` are the tables of
//! complaints; read them as their specification. The other tests keep `config/tenure.yaml` and the examples equal to the code.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tenure::config::{
    Complaints, Described, Key, LogFormat, Origin, Override, Property, Settings, Severity, Shape,
    Sources, StateUrl, load,
};
use tenure::event::{EventType, Timestamp};
use tenure::ledger::corrections::{EventIds, Offsets, Skip};
use tenure::ledger::settings::{DigestKey, FoldSettings};
use tenure::ledger::snapshot::fingerprint;
use tenure::measure::settings::{CustomerStart, EvaluationSettings};

/// What every secret of these tests is.
const CANARY: &str = "hunter2";

const DOCUMENTED: &str = include_str!("../config/tenure.yaml");

/// Files by their path; everything else is missing.
fn files(files: &[(&str, &str)]) -> impl Fn(&Path, u64) -> io::Result<Vec<u8>> + use<> {
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    move |path, _| {
        let text = path.to_str().and_then(|path| files.get(path));
        text.map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn load_file(text: &str) -> Result<Settings, Complaints> {
    load(&Sources {
        file: Some("tenure.yaml".into()),
        read_file: &files(&[("tenure.yaml", text)]),
        ..Sources::none()
    })
}

fn settings(text: &str) -> Settings {
    load_file(text).unwrap_or_else(|complaints| panic!("{complaints}"))
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs
        .iter()
        .map(|(name, text)| (name.into(), text.into()))
        .collect()
}

fn flag(flag: &str, key: &str, text: &str) -> Override {
    Override {
        key: key.to_owned(),
        text: text.to_owned(),
        flag: flag.to_owned(),
    }
}

fn described(settings: &Settings, key: &str) -> Described {
    let all = settings.describe();
    let found = all.into_iter().find(|described| described.key == key);
    found.unwrap_or_else(|| panic!("{key} is not described"))
}

// The table of complaints.

/// A case of the table: the sources, and what is said about them.
struct Case<'a> {
    title: &'a str,
    environment: Vec<(&'a str, &'a str)>,
    flags: Vec<Override>,
    file: String,
    /// Further files by their paths.
    others: Vec<(&'a str, String)>,
    expected: &'a str,
}

/// The files that the cases name.
const SECRETS: [(&str, &str); 9] = [
    ("/run/secret", "hunter2\n"),
    ("/run/empty", "\n"),
    ("/run/token", "hunter2-hunter2-hunter2\n"),
    ("keys/good", "00112233445566778899aabbccddeeff\n"),
    ("keys/short-token", "hunter2\n"),
    ("keys/two-tokens", "hunter2-hunter2\nhunter2-hunter2\n"),
    ("keys/token-with-blank", "hunter2 hunter2-hunter2\n"),
    ("keys/short", "0011223344\n"),
    (
        "keys/long",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
    ),
];

impl<'a> Case<'a> {
    /// A title after `## `, sources, `>>>`, and what is expected.
    fn read(block: &'a str) -> Self {
        let (title, rest) = block.split_once('\n').expect("a title");
        let (sources, expected) = rest.split_once(">>>\n").expect("what is expected");
        let mut case = Self {
            title,
            environment: Vec::new(),
            flags: Vec::new(),
            file: String::new(),
            others: Vec::new(),
            expected: expected.trim_end(),
        };
        for line in sources.lines() {
            if let Some(variable) = line.strip_prefix("$ ") {
                let pair = variable.split_once('=').expect("a variable");
                case.environment.push(pair);
            } else if let Some(written) = line.strip_prefix("> ") {
                let words: Vec<&str> = written.splitn(3, ' ').collect();
                case.flags.push(flag(words[0], words[1], words[2]));
            } else if let Some(path) = line.strip_prefix("@ ") {
                case.others.push((path, String::new()));
            } else {
                let file = case.others.last_mut().map(|(_, text)| text);
                let file = file.unwrap_or(&mut case.file);
                file.push_str(line);
                file.push('\n');
            }
        }
        case
    }

    fn check(&self) {
        let mut all = SECRETS.to_vec();
        all.push(("tenure.yaml", &self.file));
        all.extend(
            self.others
                .iter()
                .map(|(path, text)| (*path, text.as_str())),
        );
        let result = load(&Sources {
            file: Some("tenure.yaml".into()),
            environment: variables(&self.environment),
            flags: self.flags.clone(),
            read_file: &files(&all),
        });
        let said = match result {
            Ok(settings) => format!("used\n{}", settings.warnings),
            Err(complaints) => complaints.to_string(),
        };
        let said = said.trim_end();
        assert_eq!(said, self.expected, "\n## {}\n{said}\n", self.title);
        assert!(
            !said.contains(CANARY),
            "## {}: a secret is shown",
            self.title
        );
    }
}

#[test]
fn every_complaint_names_its_place_and_a_way_out() {
    let tables = [
        include_str!("config/complaints.txt"),
        include_str!("config/corrections.txt"),
        include_str!("config/sources.txt"),
    ];
    let cases = tables.iter().flat_map(|table| table.split("\n## ").skip(1));
    let cases: Vec<Case> = cases.map(Case::read).collect();
    assert!(cases.len() >= 50, "{} cases", cases.len());
    let titles: BTreeSet<&str> = cases.iter().map(|case| case.title).collect();
    assert_eq!(titles.len(), cases.len(), "a title is used twice");
    cases.iter().for_each(Case::check);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for (sources, expected) in [
        (
            Sources {
                file: Some("missing.yaml".into()),
                read_file: &files(&[]),
                ..Sources::none()
            },
            "error: could not read the configuration missing.yaml: entity not found\n  \
             = help: give the path of the file with --config; without a file, defaults are used\n",
        ),
        (
            Sources {
                file: Some("tenure.yaml".into()),
                read_file: &|_, _| Ok(b"listen: :1\ntime_zone: Z\xfcrich\n".to_vec()),
                ..Sources::none()
            },
            "error: the file is not UTF-8\n  --> tenure.yaml:2:13\n   |\n 2 | time_zone: Z\u{fffd}rich\n   \
             |             ^\n   = help: save it as UTF-8\n",
        ),
    ] {
        let complaints = load(&sources).expect_err("no settings");
        assert_eq!(complaints.to_string(), expected);
    }
}

#[test]
fn files_are_read_from_the_disk_up_to_a_mebibyte() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tenure.yaml");
    let load = || {
        load(&Sources {
            file: Some(file.clone()),
            ..Sources::none()
        })
    };
    std::fs::write(folder.path().join("digest"), [7; 16]).expect("a key");
    std::fs::write(&file, "customer_digest_key_file: digest\n").expect("a file");
    let settings = load().expect("settings");
    assert_eq!(settings.fold.digest_key, DigestKey([7; 16]));
    std::fs::write(&file, "# ".repeat(1 << 19) + "\n").expect("a file");
    let complaint = load().expect_err("too large").to_string();
    assert!(complaint.contains("it is larger than 1 MiB"), "{complaint}");
}

// Defaults and the documented file.

#[test]
fn without_any_source_the_parts_get_their_defaults() {
    let settings = load(&Sources::none()).expect("defaults");
    assert!(settings.warnings.is_empty());
    assert!(settings.built_in_digest_key);
    assert_eq!(settings.fold, FoldSettings::default());
    let (got, expected) = (&settings.evaluation, EvaluationSettings::default());
    assert_eq!(format!("{got:?}"), format!("{expected:?}"));
    assert_eq!(settings.listen.to_string(), "0.0.0.0:9736");
    assert_eq!(settings.evaluation_interval, Duration::from_secs(1));
    assert_eq!(settings.max_staleness, Duration::from_hours(1));
    assert_eq!(settings.kafka.bootstrap_servers, "localhost:9092");
    assert_eq!(settings.kafka.topics, ["customer-events"]);
    assert_eq!(settings.kafka.group_id, "tenure");
    assert!(settings.kafka.properties.is_empty());
    assert!(!settings.api.customers);
    assert!(settings.api.token.is_none());
    let state = &settings.state;
    assert_eq!(state.url, Some(StateUrl::Folder("./state".into())));
    assert_eq!((state.interval, state.keep), (Duration::from_mins(5), 3));
    assert_eq!(settings.shutdown_grace, Duration::from_secs(25));
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(settings.log.level, tracing::Level::INFO);
}

/// The dotted paths of a file, down to the keys of the code.
fn paths(value: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) if Key::of_path(path).is_none() => {
            for (name, inner) in map {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                paths(inner, &path, found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn the_documented_file_holds_every_key_and_nothing_else() {
    let value: serde_json::Value = serde_saphyr::from_str(DOCUMENTED).expect("a YAML file");
    let mut written = BTreeSet::new();
    paths(&value, "", &mut written);
    let known = Key::ALL.map(|key| key.path().to_owned()).into();
    assert_eq!(written, known);
}

#[test]
fn the_documented_file_says_the_defaults() {
    let file = settings(DOCUMENTED);
    assert!(file.warnings.is_empty(), "{}", file.warnings);
    let defaults = load(&Sources::none()).expect("defaults");
    let values = |settings: &Settings| -> Vec<(String, String)> {
        let all = settings.describe().into_iter();
        all.map(|described| (described.key, described.value))
            .collect()
    };
    assert_eq!(values(&file), values(&defaults));
    for described in file.describe() {
        assert!(
            matches!(described.origin, Origin::File { .. }),
            "{described:?}"
        );
    }
}

#[test]
fn every_key_is_explained_by_the_comment_above_it() {
    let lines: Vec<&str> = DOCUMENTED.lines().map(str::trim).collect();
    for key in Key::ALL {
        // Keys of a section on one line share its comment.
        let name = key.path().rsplit('.').next().unwrap_or_default();
        let section = key.path().split('.').rev().nth(1).unwrap_or_default();
        let starts = |line: &str| {
            line.starts_with(&format!("{name}:"))
                || !section.is_empty() && line.starts_with(&format!("{section}: {{"))
        };
        let at = lines
            .iter()
            .position(|line| starts(line))
            .unwrap_or_else(|| panic!("{} is not written", key.path()));
        assert!(lines[at - 1].starts_with("# "), "{}", key.path());
    }
}

// Sources.

#[test]
fn flags_are_stronger_than_the_environment_than_the_file_than_defaults() {
    let file = "history: 500d\nlate_after: 2d\nduplicate_window: 8d\n";
    let settings = load(&Sources {
        file: Some("tenure.yaml".into()),
        environment: variables(&[
            ("TENURE_LATE_AFTER", "3d"),
            ("TENURE_DUPLICATE_WINDOW", "9d"),
        ]),
        flags: vec![flag("--duplicates", "duplicate_window", "10d")],
        read_file: &files(&[("tenure.yaml", file)]),
    })
    .expect("settings");
    for (key, value, origin) in [
        ("max_future_skew", "5m", "default"),
        ("history", "500d", "tenure.yaml:1"),
        ("late_after", "3d", "TENURE_LATE_AFTER"),
        ("duplicate_window", "10d", "--duplicates"),
    ] {
        let described = described(&settings, key);
        assert_eq!(described.value, value, "{key}");
        assert_eq!(described.origin.to_string(), origin, "{key}");
    }
}

#[test]
fn a_bad_value_is_no_error_where_a_stronger_source_replaces_it() {
    let sources = Sources {
        file: Some("tenure.yaml".into()),
        environment: variables(&[("TENURE_HISTORY", "400d")]),
        read_file: &files(&[("tenure.yaml", "history: 400 days\n")]),
        ..Sources::none()
    };
    let settings = load(&sources).expect("settings");
    assert_eq!(described(&settings, "history").value, "400d");
}

/// A value of each key other than its default, as the environment has it, and as it is described.
fn other_value(key: Key) -> (&'static str, &'static str) {
    match key {
        Key::Listen => ("localhost:1", "127.0.0.1:1"),
        Key::TimeZone => ("Europe/Istanbul", "Europe/Istanbul"),
        Key::WeekStartsOn => ("sunday", "sunday"),
        Key::Periods => ("30d, today", "[30d, today]"),
        Key::EvaluationInterval => ("500ms", "500ms"),
        Key::MaxStaleness => ("90m", "1h30m"),
        Key::CustomerStartsWith => ("purchase", "purchase"),
        Key::InactivityTimeout => ("90d", "90d"),
        Key::ChurnEvents => ("complete", "complete"),
        Key::CustomerBaseCompleteSince => ("2024-07-01T00:00:00+03:00", "2024-06-30T21:00:00.000Z"),
        Key::Cohorts => ("24", "24"),
        Key::History => ("1000d", "1000d"),
        Key::LateAfter => ("0", "0s"),
        Key::DuplicateWindow => ("1w", "7d"),
        Key::MaxFutureSkew => ("1h", "1h"),
        Key::Currencies => ("POINTS,BTC", "[BTC, POINTS]"),
        Key::ChurnReasons => ("price, no need", "[price, no need]"),
        Key::Channels => ("email, in app", "[email, in app]"),
        Key::MaxLabelValues => ("50", "50"),
        Key::Dimensions => ("plan,country", "[plan, country]"),
        Key::MaxSegments => ("10000", "10000"),
        Key::CustomerDigestKeyFile => ("/run/key", "/run/key"),
        Key::Corrections => ("/run/corrections", "[/run/corrections]"),
        Key::CesMax => ("7", "7"),
        Key::CesBetter => ("high", "high"),
        Key::ApiOpen | Key::ApiCustomers => ("true", "true"),
        Key::WebConfigFile => ("/run/web.yml", "/run/web.yml"),
        Key::ApiTokenFile | Key::ClusterTokenFile => ("/run/token", "/run/token"),
        Key::BootstrapServers => ("a:1, b:2", "a:1,b:2"),
        Key::Topics => ("orders,surveys", "[orders, surveys]"),
        Key::GroupId => ("shop", "shop"),
        Key::Properties | Key::PropertiesFiles | Key::AlertsSeverities | Key::Sources => ("", ""),
        Key::StateUrl => ("file:///var/lib/tenure", "/var/lib/tenure"),
        Key::StateInterval => ("60s", "1m"),
        Key::StateKeep => ("12", "12"),
        Key::ShutdownGrace => ("2m", "2m"),
        Key::DeadLettersTopic => ("rejected", "rejected"),
        Key::SchemaRegistryUrl => ("http://a:8081/, https://b/x/", "http://a:8081,https://b/x"),
        Key::SchemaRegistryUser => ("reader", "reader"),
        Key::SchemaRegistryPasswordFile => ("/run/password", "/run/password"),
        Key::SchemaRegistryCaFile | Key::ClusterCaFile => ("/run/ca.pem", "/run/ca.pem"),
        Key::SchemaRegistryTimeout => ("700ms", "700ms"),
        Key::RouterTo => ("routed", "routed"),
        Key::RouterPartitions => ("36", "36"),
        Key::RouterInside => ("false", "false"),
        Key::ClusterOwnership => ("all", "all"),
        Key::ClusterInstanceId => ("tenure-0", "tenure-0"),
        Key::ClusterReportTopic => ("tenure-reports", "tenure-reports"),
        Key::ClusterAdvertise => ("https://tenure-0:9736/", "https://tenure-0:9736"),
        Key::AlertsRetentionTarget => ("0.90", "0.9"),
        Key::AlertsNpsTarget => ("-5.5", "-5.5"),
        Key::AlertsCsatTarget => ("1", "1"),
        Key::AlertsTargetPeriod => ("7d", "7d"),
        Key::AlertsJob => ("churn", "churn"),
        Key::AlertsRunbookUrl => ("https://wiki/tenure", "https://wiki/tenure"),
        Key::AlertsDashboardUrl => ("https://grafana/", "https://grafana"),
        Key::LogFormat => ("json", "json"),
        Key::LogLevel => ("trace", "trace"),
    }
}

#[test]
fn every_key_can_be_set_by_its_variable_and_by_a_flag() {
    let read_file = files(&[
        ("/run/key", "00112233445566778899aabbccddeeff\n"),
        ("/run/token", "hunter2-hunter2-hunter2\n"),
        ("/run/corrections", "corrections: []\n"),
        ("/run/password", "hunter2\n"),
        ("/run/ca.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("/run/web.yml", "http_server_config: { http2: false }\n"),
    ]);
    let of_file = |key: &Key| matches!(key.shape(), Shape::Map | Shape::Tree);
    for key in Key::ALL.into_iter().filter(|key| !of_file(key)) {
        let (text, expected) = other_value(key);
        let variable = key.variable();
        let needed: &[(&str, &str)] = match key {
            Key::ApiCustomers => &[
                ("TENURE_CUSTOMER_DIGEST_KEY_FILE", "/run/key"),
                ("TENURE_API_TOKEN_FILE", "/run/token"),
            ],
            Key::ClusterReportTopic => &[("TENURE_CUSTOMER_DIGEST_KEY_FILE", "/run/key")],
            Key::SchemaRegistryUser => &[("TENURE_SCHEMA_REGISTRY_PASSWORD_FILE", "/run/password")],
            Key::SchemaRegistryPasswordFile => &[("TENURE_SCHEMA_REGISTRY_USER", "reader")],
            _ => &[],
        };
        let by_variable = Sources {
            environment: variables(&[needed, &[(&variable, text)]].concat()),
            read_file: &read_file,
            ..Sources::none()
        };
        let by_flag = Sources {
            environment: variables(needed),
            flags: vec![flag("--it", key.path(), text)],
            read_file: &read_file,
            ..Sources::none()
        };
        for (sources, origin) in [
            (by_variable, Origin::Environment(variable.clone())),
            (by_flag, Origin::Flag("--it".to_owned())),
        ] {
            let settings = load(&sources).unwrap_or_else(|complaints| panic!("{complaints}"));
            let described = described(&settings, key.path());
            assert_eq!(
                (described.value.as_str(), &described.origin),
                (expected, &origin)
            );
        }
    }
}

#[test]
fn the_environment_holds_strangers_and_can_unset() {
    let settings = load(&Sources {
        file: Some("tenure.yaml".into()),
        environment: variables(&[
            ("PATH", "/bin"),
            ("TENURE_SERVICE_HOST", "10.0.0.1"),
            ("TENURE_PORT_9736_TCP_ADDR", "10.0.0.1"),
            ("TENURE_CONFIG", "tenure.yaml"),
            ("TENURE_HISTORY", ""),
            ("TENURE_INACTIVITY_TIMEOUT", "null"),
        ]),
        read_file: &files(&[("tenure.yaml", "inactivity_timeout: 90d\nhistory: 500d\n")]),
        ..Sources::none()
    })
    .expect("settings");
    assert!(settings.warnings.is_empty(), "{}", settings.warnings);
    assert_eq!(settings.evaluation.inactivity_timeout_millis, None);
    assert_eq!(described(&settings, "history").value, "500d");
}

#[test]
fn variables_are_named_after_the_paths() {
    assert_eq!(
        Key::InactivityTimeout.variable(),
        "TENURE_INACTIVITY_TIMEOUT"
    );
    let servers = Key::BootstrapServers.variable();
    assert_eq!(servers, "TENURE_KAFKA_BOOTSTRAP_SERVERS");
    let all: BTreeSet<String> = Key::ALL.into_iter().map(Key::variable).collect();
    assert_eq!(all.len(), Key::ALL.len());
}

// Values.

#[test]
fn yaml_forms_of_a_value_mean_the_same() {
    let block = "periods:\n  - 24h\n  - this_month\nlog:\n  level: debug\nkafka:\nlate_after: 0\n\
                 churn_reasons: [no, 1e3, 'on', \"null\"]\n";
    let settings = settings(block);
    assert_eq!(described(&settings, "periods").value, "[24h, this_month]");
    assert_eq!(settings.log.level, tracing::Level::DEBUG);
    assert_eq!(settings.fold.late_after_millis, 0);
    assert_eq!(
        settings.evaluation.churn_reasons,
        ["no", "1e3", "on", "null"]
    );
}

#[test]
fn an_empty_file_and_a_byte_order_mark_are_fine() {
    for text in [
        "",
        "# nothing\n",
        "---\n",
        "\u{feff}history: 800d\n",
        "kafka:\n  topics: [a]\r\n",
    ] {
        settings(text);
    }
}

#[test]
fn the_files_of_properties_become_secrets() {
    let text = "customer_digest_key_file: keys/digest\nkafka:\n  properties:\n    client.id: 0x10\n    \
                sasl.username: tenure\n  properties_files:\n    sasl.password: keys/password\n    \
                ssl.key.pem: /run/key.pem\n";
    let settings = load(&Sources {
        file: Some("/etc/tenure/tenure.yaml".into()),
        read_file: &files(&[
            ("/etc/tenure/tenure.yaml", text),
            (
                "/etc/tenure/keys/digest",
                "00112233445566778899AABBCCDDEEFF\n",
            ),
            ("/etc/tenure/keys/password", "hunter2 \r\n"),
            ("/run/key.pem", "-----BEGIN\nhunter2\n-----END\n\n"),
        ]),
        ..Sources::none()
    })
    .unwrap_or_else(|complaints| panic!("{complaints}"));
    let property = |name: &str| settings.kafka.properties[name].reveal();
    assert_eq!(property("client.id"), "0x10");
    assert_eq!(property("sasl.password"), "hunter2 ");
    assert_eq!(property("ssl.key.pem"), "-----BEGIN\nhunter2\n-----END\n");
    assert_eq!(settings.fold.digest_key.0[..3], [0x00, 0x11, 0x22]);
    assert!(!settings.built_in_digest_key);
    let plain = |name: &str| matches!(settings.kafka.properties[name], Property::Plain(_));
    assert!(plain("client.id"));
    assert!(!plain("sasl.username") && !plain("sasl.password"));
    let password = described(&settings, "kafka.properties_files.sasl.password");
    assert_eq!(password.value, "***");
    assert_eq!(password.origin.to_string(), "/etc/tenure/tenure.yaml:7");
    let client = described(&settings, "kafka.properties.client.id");
    assert_eq!(
        (client.value.as_str(), client.origin.to_string().as_str()),
        ("0x10", "/etc/tenure/tenure.yaml:4")
    );
}

#[test]
fn customers_are_looked_up_with_a_token_and_a_digest_key_of_its_own() {
    let text = "customer_digest_key_file: digest\napi:\n  customers: true\n  token_file: token\n";
    for end in ["", "\n", "\r\n"] {
        let token = format!("hunter2-hunter2!{end}");
        let settings = load(&Sources {
            file: Some("/etc/tenure/tenure.yaml".into()),
            read_file: &files(&[
                ("/etc/tenure/tenure.yaml", text),
                ("/etc/tenure/digest", "00112233445566778899aabbccddeeff\n"),
                ("/etc/tenure/token", &token),
            ]),
            ..Sources::none()
        })
        .unwrap_or_else(|complaints| panic!("{complaints}"));
        assert!(settings.warnings.is_empty(), "{}", settings.warnings);
        assert!(settings.api.customers);
        let token = settings.api.token.as_ref().expect("a token");
        assert_eq!(token.reveal(), "hunter2-hunter2!");
        let shown = format!("{settings:?}{:?}", settings.describe());
        assert!(!shown.contains(CANARY), "{shown}");
        let file = described(&settings, "api.token_file");
        assert_eq!(file.value, "/etc/tenure/token");
    }
}

#[test]
fn a_token_in_the_place_of_its_file_is_not_shown() {
    let complaint = |text: &str| {
        let complaints = load_file(&format!("api: {{ token_file: {text} }}\n"));
        complaints.expect_err("no settings").to_string()
    };
    for token in [
        "hunter2",
        "hunter2/hunter2+hunter2==",
        "\"hunter2 hunter2\"",
    ] {
        let shown = complaint(token);
        assert!(shown.contains("could not read that file"), "{shown}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let shown = complaint(digits);
    assert!(shown.contains("this is a token, not the path"), "{shown}");
    assert!(!shown.contains(digits), "{shown}");
}

#[test]
fn what_decides_the_numbers_is_in_their_hash_and_the_api_is_not() {
    let hash = |text: &str| settings(text).definition_hash();
    let default = hash("");
    for text in [
        "dimensions: [plan]\n",
        "max_segments: 10\n",
        "channels: [email]\n",
        "cohorts: 6\n",
    ] {
        assert_ne!(hash(text), default, "{text}");
    }
    let with_token = load(&Sources {
        file: Some("tenure.yaml".into()),
        read_file: &files(&[
            ("tenure.yaml", "api: { token_file: token }\n"),
            ("token", "hunter2-hunter2!"),
        ]),
        ..Sources::none()
    })
    .unwrap_or_else(|complaints| panic!("{complaints}"));
    assert_eq!(with_token.definition_hash(), default);
    assert_ne!(with_token.hash(), settings("").hash());
    assert_ne!(
        hash("dimensions: [plan, country]\n"),
        hash("dimensions: [country, plan]\n")
    );
}

const CORRECTIONS: &str = "\
corrections:
  - note: the nightly job churned customers by mistake
    skip: { topic: customer-events, partition: 3, offsets: 1200..41200 }
  - note: a test shop
    skip: { event_ids: ids.txt, type: churn }
";

#[test]
fn alerts_change_no_number_and_their_severities_are_described() {
    let text = "alerts:\n  nps_target: 30\n  job: shop\n  severities:\n    TenureLagging: critical\n    \
                TenureDown: none\n";
    let (default, alerts) = (settings(""), settings(text));
    assert_eq!(alerts.definition_hash(), default.definition_hash());
    assert_eq!(fingerprint(&alerts.fold), fingerprint(&default.fold));
    assert_ne!(alerts.hash(), default.hash());
    for (key, value, line) in [
        ("alerts.nps_target", "30", 2),
        ("alerts.severities.TenureLagging", "critical", 5),
        ("alerts.severities.TenureDown", "none", 6),
    ] {
        let described = described(&alerts, key);
        let name = "tenure.yaml".to_owned();
        assert_eq!(described.value, value);
        assert_eq!(described.origin, Origin::File { name, line });
    }
}

#[test]
fn corrections_are_read_from_their_files_relative_to_each_other() {
    let load = |ids: &str| {
        let settings = load(&Sources {
            file: Some("conf/tenure.yaml".into()),
            read_file: &files(&[
                ("conf/tenure.yaml", "corrections: [fixes/nightly.yaml]\n"),
                ("conf/fixes/nightly.yaml", CORRECTIONS),
                ("conf/fixes/ids.txt", ids),
            ]),
            ..Sources::none()
        });
        settings.unwrap_or_else(|complaints| panic!("{complaints}"))
    };
    let settings = load("018f-1\r\n\n018f-2\n018f-1");
    let [job, shop] = settings.fold.corrections.given() else {
        panic!("{:?}", settings.fold.corrections);
    };
    assert_eq!(job.note, "the nightly job churned customers by mistake");
    let offsets = Offsets {
        topic: "customer-events".to_owned(),
        partition: 3,
        first: 1200,
        last: 41200,
    };
    assert_eq!(job.skip, Skip::Offsets(offsets));
    assert_eq!(job.event, None);
    let ids = EventIds::new(["018f-1", "018f-2"], DigestKey::BUILT_IN);
    assert_eq!(shop.skip, Skip::Ids(ids));
    assert_eq!(shop.event, Some(EventType::Churn));
    assert_eq!(
        described(&settings, "corrections").value,
        "[conf/fixes/nightly.yaml]"
    );
    let same = load("018f-2\n018f-1\n");
    assert_eq!(same.definition_hash(), settings.definition_hash());
    assert_eq!(fingerprint(&same.fold), fingerprint(&settings.fold));
    let other = load("018f-2\n");
    assert_ne!(other.definition_hash(), settings.definition_hash());
    assert_ne!(fingerprint(&other.fold), fingerprint(&settings.fold));
}

#[test]
fn neither_the_order_nor_the_notes_of_corrections_make_another_state() {
    let load = |a: &str, b: &str| {
        let settings = load(&Sources {
            file: Some("tenure.yaml".into()),
            read_file: &files(&[
                ("tenure.yaml", "corrections: [a.yaml, b.yaml]\n"),
                ("a.yaml", &format!("corrections:\n{a}")),
                ("b.yaml", &format!("corrections:\n{b}")),
            ]),
            ..Sources::none()
        });
        let settings = settings.unwrap_or_else(|complaints| panic!("{complaints}"));
        (fingerprint(&settings.fold), settings.definition_hash())
    };
    let range = |note: &str| {
        format!(
            "  - note: {note}\n    skip: {{ topic: customer-events, partition: 0, offsets: 7 }}\n"
        )
    };
    let ids = |ids: &str| format!("  - note: why\n    skip: {{ event_ids: [{ids}] }}\n");
    let expected = load(&range("one"), &ids("a, b"));
    assert_eq!(load(&ids("b, a"), &range("two")), expected);
    assert_eq!(load("", &(ids("a") + &range("x") + &ids("b"))), expected);
    assert_ne!(load("", &ids("a, b")), expected);
    assert_ne!(load("", "").0, expected.0);
    let none = settings("");
    assert_eq!(load("", "").0, fingerprint(&none.fold));
}

#[test]
fn the_dimensions_keep_their_order() {
    let text = "dimensions: [plan, country, _tier9, B]\nchannels: [web, email]\nmax_segments: 1\ncohorts: 1\n";
    let settings = settings(text);
    assert!(settings.warnings.is_empty(), "{}", settings.warnings);
    assert_eq!(settings.fold.dimensions, ["plan", "country", "_tier9", "B"]);
    assert_eq!(
        settings.fold.decoding().dimensions,
        settings.fold.dimensions
    );
    assert_eq!(settings.evaluation.channels, ["web", "email"]);
    assert_eq!(
        (
            settings.evaluation.max_segments,
            settings.evaluation.cohorts
        ),
        (1, 1)
    );
}

#[test]
fn names_that_are_labels_already_are_no_dimensions() {
    for name in [
        "period",
        "status",
        "currency",
        "group",
        "survey",
        "channel",
        "reason",
        "rating",
        "cohort",
        "months_after",
        "buyer",
        "score",
        "for",
        "job",
        "instance",
        "le",
        "quantile",
        "min",
        "max",
        "better",
        "source",
        "event",
    ] {
        let complaints = load_file(&format!("dimensions: [{name}]\n")).expect_err("no settings");
        let expected = format!("`dimensions`: there is a label `{name}` already");
        assert_eq!(complaints.iter().next().expect("one").message(), expected);
    }
    // No label of a measure can be a dimension: both would stand on one series.
    for label in tenure::measure::MEASURES
        .iter()
        .flat_map(|measure| measure.labels)
    {
        assert!(
            load_file(&format!("dimensions: [{label}]\n")).is_err(),
            "{label}"
        );
    }
    let length = |length: usize| load_file(&format!("dimensions: [{}]\n", "x".repeat(length)));
    assert!(length(64).is_ok() && length(65).is_err());
}

#[test]
fn names_that_bring_trouble_are_warned_about() {
    for (name, expected) in [
        ("plan", None),
        ("country", None),
        ("plan_id", None),
        ("customer_type", None),
        ("type", Some("a label of the target")),
        ("customer", Some("a label of the target")),
        ("service", Some("a label of the target")),
        ("owner", Some("a label of the target")),
        ("zone", Some("a label of the target")),
        ("env", Some("a label of the target")),
        ("customer_id", Some("personal data")),
        ("customerId", Some("personal data")),
        ("email", Some("personal data")),
        ("E_Mail", Some("personal data")),
        ("phone_number", Some("personal data")),
    ] {
        let warnings = settings(&format!("dimensions: [{name}]\n")).warnings;
        match expected {
            None => assert!(warnings.is_empty(), "{warnings}"),
            Some(expected) => {
                assert_eq!(warnings.iter().count(), 1, "{name}");
                assert!(warnings.to_string().contains(expected), "{warnings}");
            }
        }
    }
}

#[test]
fn a_history_that_lacks_what_periods_are_compared_with_is_warned_about() {
    let warned = |periods: &str, history: i64| {
        let text = format!("periods: [{periods}]\nhistory: {history}d\ncohorts: 1\n");
        let warnings = settings(&text).warnings;
        let messages: Vec<String> = warnings
            .iter()
            .map(|warning| {
                let (_, what) = warning
                    .message()
                    .split_once("too short for ")
                    .expect("what");
                let help = warning.way_out().expect("a way out");
                let (_, enough) = help.rsplit_once("; ").expect("how much");
                format!("{what}, {enough}")
            })
            .collect();
        messages.join("; ")
    };
    let both = "tenure_nps_change_score and tenure_reorder_ratio";
    for (periods, history, expected) in [
        // A short period is compared with four weeks, a longer one with twice its length.
        ("24h", 91, String::new()),
        ("7d", 97, String::new()),
        ("80d", 241, String::new()),
        (
            "80d",
            240,
            "tenure_nps_change_score of `80d`, 241d would do".to_owned(),
        ),
        (
            "365d",
            800,
            "tenure_nps_change_score of `365d`, 1096d would do".to_owned(),
        ),
        (
            "365d",
            731,
            "tenure_nps_change_score of `365d`, 1096d would do".to_owned(),
        ),
        ("365d", 730, format!("{both} of `365d`, 1096d would do")),
        // Of three quarters each may have an hour more than its days.
        ("last_quarter", 278, String::new()),
        (
            "last_quarter",
            277,
            "tenure_reorder_ratio of `last_quarter`, 278d would do".to_owned(),
        ),
        (
            "last_year",
            823,
            "tenure_reorder_ratio of `last_year`, 1100d would do".to_owned(),
        ),
        ("this_year", 457, String::new()),
    ] {
        assert_eq!(
            warned(periods, history),
            expected,
            "{periods} in {history}d"
        );
    }
    assert!(settings("").warnings.is_empty());
}

#[test]
fn no_secret_gets_into_what_may_be_logged() {
    let text = "kafka:\n  properties:\n    sasl.password: hunter2\n    ssl.key.pem: |\n      hunter2\n    \
                sasl.oauthbearer.config: hunter2\n    sasl.username: hunter2\n    ssl.ca.pem: hunter2\n";
    let settings = settings(text);
    assert_eq!(settings.warnings.iter().count(), 3);
    for shown in [
        format!("{settings:?}"),
        format!("{settings:#?}"),
        format!("{:?}", settings.describe()),
        settings.warnings.to_string(),
    ] {
        assert!(!shown.contains(CANARY), "{shown}");
    }
    assert_eq!(settings.kafka.properties["sasl.password"].reveal(), CANARY);
}

#[test]
fn complaints_can_be_taken_apart() {
    let complaints = load_file("history: soon\nlistn: :1\n").expect_err("no settings");
    assert!(complaints.has_errors());
    let first = complaints.iter().next().expect("a complaint");
    assert_eq!(first.severity(), Severity::Error);
    assert_eq!(first.message(), "`history`: `soon` is no length of time");
    assert_eq!(first.location().as_deref(), Some("tenure.yaml:1:10"));
    assert!(first.way_out().is_some_and(|help| help.contains("90d")));
}

// Mappings.

const MAPPING: &str = "skip: { value.test: true }\nevents:\n  - when: { value.kind: new }\n    type: signup\n    \
                       event_id: value.id\n    customer_id: value.who\n    occurred_at: value.at\n";

/// A mapping in which everything occurs.
const FULL: &str = "\
envelope: cloudevents
skip: { value.test: true }
events:
  - when: { value.a: { becomes: [x, y], before: value.b, from: w }, value.k: { not: n, present: true } }
    each: value.list
    each_when: { item.kind: q }
    type: { from: item.type, map: { s: survey_submitted, p: purchase, c: churn }, else: churn }
    event_id: { join: [ce.id, { text: t }], with: \"-\" }
    customer_id: [key.id, header.h]
    occurred_at: { from: [item.at], as: naive, zone: Europe/Istanbul }
    amount: { from: item.cents, unit: minor, digits: { UGX: 2 } }
    currency: { from: item.currency, case: upper }
    reason: value.answers[ref=why].text
    survey: nps
    score: item.score
    channel: record.topic
    attributes: { plan: \"value[0].plan\" }
";

/// The fingerprint of the state with the topic's source written like this, beside further files.
fn state_of(source: &str, others: &[(&str, &str)]) -> u128 {
    let text = format!(
        "schema_registry: {{ url: \"http://registry:8081\" }}\nsources:\n  customer-events: {source}\n"
    );
    let mut all = others.to_vec();
    all.push(("tenure.yaml", &text));
    let settings = load(&Sources {
        file: Some("tenure.yaml".into()),
        read_file: &files(&all),
        ..Sources::none()
    });
    let settings = settings.unwrap_or_else(|complaints| panic!("{complaints}"));
    fingerprint(&settings.fold)
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("\n{}", lines.concat())
}

#[test]
fn what_a_mapping_says_decides_the_state_and_not_where_and_how_it_is_written() {
    let native = fingerprint(&FoldSettings::default());
    assert_eq!(state_of("native", &[]), native);
    assert_eq!(state_of("{ preset: native }", &[]), native);
    let mapped = state_of(&indented(MAPPING), &[]);
    assert_ne!(mapped, native);
    let with_remarks =
        format!("# Why\nabout: x\nenvelope: null\notherwise: unmapped\nformat: json\n{MAPPING}");
    let turned = "events:\n  - { occurred_at: [value.at], customer_id: value.who, type: { text: signup }, event_id: \
                  { from: value.id }, when: [{ value.kind: [new] }] }\nskip: [{ value.test: \"true\" }]\n";
    let with_options = MAPPING.replace("value.who", "${path}");
    let with_options = format!("options: {{ path: {{ default: value.x }} }}\n{with_options}");
    for (source, text) in [
        ("{ mapping: a.yaml }", MAPPING),
        ("{ mapping: b/c.yaml }", with_remarks.as_str()),
        ("{ mapping: d.yaml }", turned),
        (
            "{ mapping: e.yaml, options: { path: value.who } }",
            with_options.as_str(),
        ),
    ] {
        let path = source
            .trim_start_matches("{ mapping: ")
            .split([' ', ','])
            .next()
            .expect("a path");
        assert_eq!(state_of(source, &[(path, text)]), mapped, "{source}");
    }
}

#[test]
fn every_part_of_a_mapping_decides_the_state() {
    let state = |text: &str| state_of(&indented(text), &[]);
    let before = state(FULL);
    let mut seen = BTreeSet::from([before]);
    for (part, other) in [
        ("skip: { value.test: true }", "skip: { value.test: false }"),
        (
            "skip: { value.test: true }",
            "skip: { value.test: { present: true } }",
        ),
        ("skip: { value.test: true }", "otherwise: skipped"),
        ("skip: { value.test: true }", "format: avro"),
        ("skip: { value.test: true }", "key_format: avro"),
        ("[x, y]", "[x]"),
        ("before: value.b", "before: value.c"),
        (", from: w", ""),
        ("not: n, present: true", "not: n"),
        ("not: n, present: true", "not: n, present: false"),
        ("each: value.list", "each: value.items"),
        ("item.kind: q", "item.kind: r"),
        ("p: purchase,", "r: purchase,"),
        ("else: churn", "else: signup"),
        ("text: t", "text: u"),
        ("with: \"-\"", "with: \"/\""),
        ("[key.id, header.h]", "[header.h, key.id]"),
        ("as: naive, zone: Europe/Istanbul", "as: naive, zone: UTC"),
        ("as: naive, zone: Europe/Istanbul", "as: seconds"),
        ("as: naive, zone: Europe/Istanbul", "as: days"),
        ("digits: { UGX: 2 }", "digits: { UGX: 3 }"),
        ("unit: minor, digits: { UGX: 2 }", "digits: item.digits"),
        ("unit: minor, digits: { UGX: 2 }", "unit: units"),
        ("case: upper", "case: lower"),
        ("[ref=why]", "[ref=how]"),
        ("[ref=why]", "[1]"),
        ("survey: nps", "survey: csat"),
        ("score: item.score", "score: item.points"),
        ("channel: record.topic", "channel: ce.source"),
        ("value[0]", "value[-1]"),
        ("{ plan:", "{ level:"),
    ] {
        let changed = FULL.replacen(part, other, 1);
        assert_ne!(changed, FULL, "{part}");
        assert!(seen.insert(state(&changed)), "{part} -> {other}");
    }
}

#[test]
fn a_source_is_described_as_it_was_given_and_hashed_by_what_it_says() {
    let of = |source: &str| {
        let text = format!("sources:\n  customer-events: {source}\n");
        let read_file = files(&[
            ("tenure.yaml", &text),
            ("a.yaml", MAPPING),
            ("b.yaml", MAPPING),
        ]);
        load(&Sources {
            file: Some("tenure.yaml".into()),
            read_file: &read_file,
            ..Sources::none()
        })
        .unwrap_or_else(|complaints| panic!("{complaints}"))
    };
    let (a, b, native) = (
        of("{ mapping: a.yaml }"),
        of("{ mapping: b.yaml }"),
        of("native"),
    );
    let source = described(&a, "sources.customer-events");
    assert_eq!(source.value, "{ mapping: a.yaml }");
    assert_eq!(source.origin.to_string(), "tenure.yaml:2");
    assert_eq!(a.definition_hash(), b.definition_hash());
    assert_eq!(a.hash(), b.hash());
    let defaults = load(&Sources::none()).expect("defaults");
    assert_eq!(native.definition_hash(), defaults.definition_hash());
    assert_ne!(a.definition_hash(), defaults.definition_hash());
}

// Examples.

fn example(name: &str, text: &str) -> Settings {
    let settings = load(&Sources {
        file: Some(name.into()),
        read_file: &files(&[
            (name, text),
            (
                "/run/secrets/tenure-digest-key",
                "00112233445566778899aabbccddeeff\n",
            ),
            ("/run/secrets/kafka-password", "hunter2\n"),
            (
                "/run/secrets/tenure-peer-token",
                "hunter2-hunter2-hunter2\n",
            ),
        ]),
        ..Sources::none()
    })
    .unwrap_or_else(|complaints| panic!("{complaints}"));
    assert!(settings.warnings.is_empty(), "{}", settings.warnings);
    settings
}

#[test]
fn the_example_of_a_shop_counts_buyers() {
    let text = include_str!("../config/examples/shop-without-churn-events.yaml");
    let evaluation = example("shop.yaml", text).evaluation;
    assert_eq!(evaluation.customer_starts_with, CustomerStart::Purchase);
    assert_eq!(evaluation.inactivity_timeout_millis, Some(90 * 86_400_000));
    assert_eq!(evaluation.time_zone.iana_name(), Some("Europe/Istanbul"));
}

#[test]
fn the_example_of_several_instances_has_all_that_they_need_in_common() {
    let text = include_str!("../config/examples/several-instances.yaml");
    let settings = example("several-instances.yaml", text);
    assert!(!settings.built_in_digest_key);
    let cluster = &settings.cluster;
    assert_eq!(cluster.report_topic.as_deref(), Some("tenure-reports"));
    assert!(cluster.token.is_some());
    // What is each one's own is in no file that all of them have.
    assert_eq!((&cluster.instance_id, &cluster.advertise), (&None, &None));
    assert!(matches!(&settings.state.url, Some(StateUrl::Folder(folder)) if folder.is_absolute()));
}

#[test]
fn the_example_of_sasl_over_tls_takes_the_password_from_its_file() {
    let text = include_str!("../config/examples/sasl-tls.yaml");
    let settings = example("sasl-tls.yaml", text);
    assert!(!settings.built_in_digest_key);
    let properties = &settings.kafka.properties;
    assert_eq!(properties["sasl.password"].reveal(), CANARY);
    assert_eq!(properties["security.protocol"].reveal(), "SASL_SSL");
    // librdkafka agrees with every name and value.
    let mut config = rdkafka::ClientConfig::new();
    for (name, property) in properties {
        config.set(name, property.reveal());
    }
    assert!(config.create_native_config().is_ok());
}

#[test]
fn a_time_since_which_the_base_is_complete_is_an_instant() {
    let settings = settings("customer_base_complete_since: 2024-07-01T00:00:00Z\n");
    let since = settings.evaluation.customer_base_complete_since;
    assert_eq!(since, Timestamp::from_rfc3339("2024-07-01T00:00:00Z"));
}

// Damaged files.

const WITH_SECRETS: &str = "kafka:\n  topics: [orders]\n  properties:\n    sasl.password: hunter2\n    \
                            client.id: shop\n    ssl.key.pem: |\n      hunter2\n      hunter2\n    \
                            ssl.key.password: \"hunter2\"\n  group_id: tenure\nhistory: 800d\n";

/// The text with up to three bytes at one place replaced by another text.
fn damaged(text: &str, at: usize, length: usize, by: &str) -> Option<String> {
    let end = (at + length).min(text.len());
    Some(format!("{}{by}{}", text.get(..at)?, text.get(end..)?))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_damage_makes_a_secret_visible(
        at in 0..WITH_SECRETS.len(),
        length in 0_usize..4,
        by in "(|[:{}\\[\\]#&*!|>'\"%@`,?\n\t -]{1,2})",
    ) {
        let text = damaged(WITH_SECRETS, at, length, &by).expect("all of it is ASCII");
        let shown = match load_file(&text) {
            Ok(settings) => format!("{settings:?}{:?}{}", settings.describe(), settings.warnings),
            Err(complaints) => complaints.to_string(),
        };
        prop_assert!(!shown.contains(CANARY), "{text}\n{shown}");
    }

    #[test]
    fn no_damage_makes_the_loader_panic(
        at in 0..DOCUMENTED.len(),
        length in 0_usize..40,
        by in "\\PC{0,8}",
    ) {
        if let Some(text) = damaged(DOCUMENTED, at, length, &by)
            && let Err(complaints) = load_file(&text)
        {
            prop_assert!(complaints.has_errors());
            prop_assert!(complaints.to_string().contains("error: "));
        }
    }

    #[test]
    fn no_damage_of_a_mapping_makes_the_loader_panic(
        at in 0..FULL.len(),
        length in 0_usize..20,
        by in "(\\PC|[\\[\\]{}.:$,\"-]){0,6}",
    ) {
        if let Some(text) = damaged(FULL, at, length, &by) {
            let read_file = files(&[
                ("tenure.yaml", "sources: { customer-events: { mapping: m.yaml } }\n"),
                ("m.yaml", &text),
            ]);
            let loaded = load(&Sources {
                file: Some("tenure.yaml".into()),
                read_file: &read_file,
                ..Sources::none()
            });
            if let Err(complaints) = loaded {
                prop_assert!(complaints.to_string().contains("error: "));
            }
        }
    }
}
