//! What operators are told of instances that share the work.
//!
//! By `tenure check`: each setting that would be refused by others, is of no use, or gives something
//! away has a sentence with a way out, and the report topic is looked at without being made. By the
//! instances themselves: who has what, and whether all is there.

#![cfg(test)]

#[expect(dead_code, reason = "these tests need brokers and nothing else")]
mod real;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use real::folder::KeptFolder;
use real::kafka::Kafka;
use real::process::Process;
use real::{free_ports, http};

/// What the program says of these settings, beside the files `digest-key` and `token`, and its exit code.
fn check(settings: &str, more: &[&str]) -> (i32, String) {
    let folder = KeptFolder::new("sharing");
    let file = folder.path().join("tenure.yaml");
    fs::write(&file, settings).unwrap();
    fs::write(folder.path().join("digest-key"), [7; 16]).unwrap();
    fs::write(folder.path().join("token"), "open-sesame-open-sesame").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["check", "--config", "tenure.yaml"])
        .args(more)
        .current_dir(folder.path())
        .env_remove("TENURE_CONFIG")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), text.concat())
}

/// The kinds of findings with a part of each sentence.
fn of_cluster(said: &str) -> Vec<(&str, &str)> {
    let about = ["cluster.", "state.url", "api.customers"];
    said.lines()
        .filter_map(|line| line.split_at_checked(9))
        .map(|(kind, sentence)| (kind.trim(), sentence))
        .filter(|(_, sentence)| about.iter().any(|about| sentence.contains(about)))
        .collect()
}

const SHARED: &str = "customer_digest_key_file: digest-key\n\
                      state: { url: /var/lib/tenure/shared }\n";

#[test]
fn settings_of_instances_that_share_the_work_are_told_of_with_a_way_out() {
    let note = ("note", "if instances do not all mount the same");
    let cases: [(&str, &[(&str, &str)]); 8] = [
        ("{}", &[]),
        (
            "{ report_topic: tenure-reports, token_file: token }",
            &[note],
        ),
        (
            "{ report_topic: tenure-reports }",
            &[("warning", "`openssl rand -hex 32` makes a token"), note],
        ),
        (
            "{ ownership: all, instance_id: one }",
            &[("warning", "there is no group: remove one of them")],
        ),
        (
            "{ ownership: all, report_topic: tenure-reports, token_file: token }",
            &[
                ("warning", "each has all of them: remove one of them"),
                note,
            ],
        ),
        (
            "{ report_topic: tenure-reports, token_file: token, advertise: http://tenure-0:9736 }\n\
             api: { customers: true, token_file: token }",
            &[("warning", "travel unencrypted"), note],
        ),
        (
            "{ report_topic: tenure-reports, token_file: token, advertise: http://localhost:9736 }\n\
             api: { customers: true, token_file: token }",
            &[note],
        ),
        (
            "{ report_topic: tenure-reports, token_file: token, advertise: https://tenure-0:9736 }\n\
             api: { customers: true, token_file: token }",
            &[note],
        ),
    ];
    for (cluster, expected) in cases {
        let settings = format!("{SHARED}cluster: {cluster}\n");
        let (code, said) = check(&settings, &["--offline"]);
        assert_eq!(code, 0, "{said}");
        let found = of_cluster(&said);
        let alike = found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|((kind, sentence), (expected, part))| {
                    kind == expected && sentence.contains(part)
                });
        assert!(alike, "{cluster}: {found:#?}");
        assert!(!said.contains("open-sesame"), "{said}");
    }
}

#[test]
fn a_folder_that_others_do_not_see_is_told_of() {
    for (state, kind, part) in [
        (
            "{ url: state }",
            "warning",
            "every instance needs to see the same one",
        ),
        ("{ url: null }", "note", "read again from its first record"),
    ] {
        let cluster = "{ report_topic: tenure-reports, token_file: token }";
        let settings =
            format!("customer_digest_key_file: digest-key\nstate: {state}\ncluster: {cluster}\n");
        let (code, said) = check(&settings, &["--offline"]);
        assert_eq!(code, 0, "{said}");
        let found = of_cluster(&said);
        let alike =
            matches!(&*found, [(found, sentence)] if *found == kind && sentence.contains(part));
        assert!(alike, "{state}: {found:#?}");
        let denied = check(&settings, &["--offline", "--deny-warnings"]).0;
        assert_eq!(denied, if kind == "warning" { 78 } else { 0 });
    }
}

#[test]
fn the_report_topic_is_looked_at_and_not_made() {
    let kafka = Kafka::shared();
    kafka.create_topic("sharing-events", 3, &[]);
    kafka.create_topic("sharing-compacted", 1, &[("cleanup.policy", "compact")]);
    kafka.create_topic("sharing-deleted", 2, &[]);
    let check = |report_topic: &str| {
        let servers = kafka.bootstrap_servers();
        let settings = format!(
            "{SHARED}kafka: {{ bootstrap_servers: {servers:?}, topics: [sharing-events] }}\n\
             cluster: {{ report_topic: {report_topic}, token_file: token }}\n"
        );
        let (code, said) = check(&settings, &[]);
        assert_eq!(code, 0, "{said}");
        said
    };
    let cases: [(&str, &[&str]); 4] = [
        (
            "sharing-compacted",
            &["topic sharing-compacted: takes parts of reports"],
        ),
        (
            "sharing-deleted",
            &[
                "has 2 partitions, and the first one alone",
                "cleanup.policy=delete: set it to compact",
            ],
        ),
        (
            "sharing-missing",
            &["is not there yet: the first instance makes it"],
        ),
        (
            "sharing-missing",
            &["is not there yet: the first instance makes it"],
        ),
    ];
    for (topic, expected) in cases {
        let said = check(topic);
        for part in expected {
            assert!(said.contains(part), "{part} is missing in\n{said}");
        }
    }
}

const DEADLINE: Duration = Duration::from_mins(2);

/// An instance with a name, which listens on this port.
fn instance(folder: &KeptFolder, name: &str, port: u16) -> Process {
    let file = folder.path().join("tenure.yaml").display().to_string();
    let listen = format!("127.0.0.1:{port}");
    let name = format!("cluster.instance_id={name}");
    Process::tenure(&[
        "run", "--config", &file, "--listen", &listen, "--set", &name,
    ])
}

/// By name of the instance, its partitions, as the instance at this port tells; nothing while it has not
/// read what the others say, or partitions have nobody.
fn shares(port: u16) -> Result<BTreeMap<String, Vec<i64>>, String> {
    let status = http::get_ok(&format!("http://127.0.0.1:{port}/api/v1/status"), &[])?;
    let status: Value = serde_json::from_str(&status).map_err(|error| error.to_string())?;
    let cluster = &status["cluster"];
    if cluster["unowned"] != Value::Array(Vec::new()) {
        return Err(format!("partitions have nobody: {cluster}"));
    }
    let share = |instance: &Value| {
        let partitions = instance["partitions"].as_array().unwrap().iter();
        let partitions = partitions.map(|one| one.as_i64().unwrap()).collect();
        (instance["name"].as_str().unwrap().to_owned(), partitions)
    };
    Ok(cluster["instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(share)
        .collect())
}

#[test]
fn every_instance_tells_who_has_what_and_is_ready_once_all_is_there() {
    let kafka = Kafka::shared();
    kafka.create_topic("sharing-work", 4, &[]);
    let folder = KeptFolder::new("sharing");
    let servers = kafka.bootstrap_servers();
    let settings = format!(
        "customer_digest_key_file: digest-key\n\
         kafka: {{ bootstrap_servers: {servers:?}, topics: [sharing-work], group_id: sharing-work }}\n\
         state: {{ url: state }}\n\
         cluster: {{ report_topic: sharing-reports, token_file: token }}\n"
    );
    fs::write(folder.path().join("tenure.yaml"), settings).unwrap();
    fs::write(folder.path().join("digest-key"), "0f".repeat(16)).unwrap();
    fs::write(folder.path().join("token"), "0f".repeat(32)).unwrap();
    let ports: [u16; 2] = free_ports();
    let processes =
        [("one", ports[0]), ("two", ports[1])].map(|(name, port)| instance(&folder, name, port));
    for (process, port) in processes.iter().zip(ports) {
        let shares = process.wait_for(DEADLINE, "shares of two", || {
            let shares = shares(port)?;
            let two = shares.values().all(|partitions| partitions.len() == 2);
            (two && shares.len() == 2)
                .then_some(shares)
                .ok_or_else(|| "not two each".to_owned())
        });
        let mut all: Vec<i64> = shares.into_values().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
        for path in ["/-/ready?scope=instance", "/-/ready"] {
            process.wait_for_page(&format!("http://127.0.0.1:{port}{path}"), DEADLINE);
        }
    }
}
