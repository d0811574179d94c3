//! What is under `deploy/` fits the program: files that are mounted exist, settings are taken,
//! commands have the flags that they are given, numbers that must agree do.
//!
//! What needs the programs that read these files (Helm, Kustomize, the loader of compose files) is
//! checked by `scripts/check-deploy`. Rules are taken anew with `TENURE_BLESS=1 cargo test --test
//! deploy`.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tenure::config::Key;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn tenure(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(arguments)
        .env_remove("TENURE_CONFIG")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}

/// What follows `key` on the only line of the text that begins with it.
fn only_value<'a>(text: &'a str, key: &str) -> &'a str {
    let values: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(key))
        .collect();
    assert_eq!(values.len(), 1, "{key} {values:?}");
    values[0].trim()
}

/// A whole number of seconds as `30s` or `30`.
fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap()
}

/// The services of the compose file: name and what is in it.
fn services() -> Vec<(String, String)> {
    let compose = text("deploy/compose/compose.yaml");
    let (_, body) = compose.split_once("\nservices:\n").unwrap();
    let (body, _) = body.split_once("\nvolumes:\n").unwrap();
    let mut services: Vec<(String, String)> = Vec::new();
    for line in body.lines() {
        let name = line
            .strip_prefix("  ")
            .and_then(|rest| rest.strip_suffix(':'));
        match name.filter(|name| !name.starts_with([' ', '#'])) {
            Some(name) => services.push((name.to_owned(), String::new())),
            None => {
                if let Some((_, service)) = services.last_mut() {
                    service.push_str(line);
                    service.push('\n');
                }
            }
        }
    }
    services
}

/// The volumes of a service that are files here: source and target.
fn mounted_files(service: &str) -> Vec<(PathBuf, String)> {
    service
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ."))
        .map(|volume| {
            let mut parts = volume.split(':');
            let source = root()
                .join("deploy/compose")
                .join(format!(".{}", parts.next().unwrap()));
            (source, parts.next().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn the_compose_file_mounts_what_exists_and_bounds_each_service() {
    let services = services();
    let names: Vec<&str> = services.iter().map(|(name, _)| &**name).collect();
    let expected = "kafka topic generator tenure prometheus alertmanager grafana";
    assert_eq!(names.join(" "), expected);
    let mut mounted = 0;
    for (name, service) in &services {
        for (source, _) in mounted_files(service) {
            assert!(source.exists(), "{name}: {} is not there", source.display());
            mounted += 1;
        }
        assert!(
            service.contains("mem_limit: "),
            "{name}: no limit of memory"
        );
        assert!(
            service.contains("pids_limit: "),
            "{name}: no limit of processes"
        );
        let confined = service.contains("*confined") || service.contains("cap_drop: [ALL]");
        assert!(confined, "{name}: has capabilities");
        for line in service
            .lines()
            .filter(|line| line.trim().starts_with("ports:"))
        {
            assert!(
                line.contains("[\"127.0.0.1:"),
                "{name}: open to the network: {line}"
            );
        }
        for image in service
            .lines()
            .filter_map(|line| line.trim().strip_prefix("image: "))
        {
            let tag = image.rsplit_once(':').map_or("latest", |(_, tag)| tag);
            assert!(tag.contains('.'), "{name}: {image} is not pinned");
        }
    }
    assert!(mounted >= 6, "{mounted} mounted files");
}

#[test]
fn grafana_finds_its_dashboards_where_they_are_mounted() {
    let provider = text("deploy/grafana/provisioning/dashboards/tenure.yaml");
    let services = services();
    let (_, grafana) = services.iter().find(|(name, _)| name == "grafana").unwrap();
    let (folder, target) = mounted_files(grafana)
        .into_iter()
        .find(|(source, _)| source.ends_with("dashboards"))
        .unwrap();
    assert_eq!(only_value(&provider, "path:"), target);
    let home = only_value(grafana, "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH:");
    let home = home.strip_prefix(&format!("{target}/")).unwrap();
    assert!(folder.join(home).exists(), "{home}");
}

#[test]
fn the_generated_shop_is_started_with_flags_that_exist() {
    let services = services();
    let (_, generator) = services
        .iter()
        .find(|(name, _)| name == "generator")
        .unwrap();
    let (_, command) = generator.split_once("command:\n").unwrap();
    let mut arguments: Vec<String> = command
        .lines()
        .map_while(|line| line.strip_prefix("      - "))
        .map(|argument| argument.replace("${SCENARIO:-steady}", "steady"))
        .collect();
    assert!(arguments.contains(&"--live=20".to_owned()), "{arguments:?}");
    // Arguments are read in their order, so a wrong one is found before the help is.
    arguments.push("--help".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
    let output = tenure(&arguments);
    assert!(output.status.success(), "{}", said(&output));
    let output = tenure(&["generate", "--lively=20", "--help"]);
    assert!(
        !output.status.success(),
        "a flag that does not exist was taken"
    );
}

/// The settings inside the values of the chart.
fn settings_of_the_chart() -> String {
    let values = text("deploy/helm/tenure/values.yaml");
    let (_, rest) = values.split_once("\nconfig:\n").unwrap();
    let lines = rest.lines().map_while(|line| line.strip_prefix("  "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn settings_that_are_shipped_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("chart.yaml");
    let settings = settings_of_the_chart();
    assert!(settings.contains("bootstrap_servers"), "{settings}");
    fs::write(&chart, settings).unwrap();
    let shipped = [
        "deploy/compose/tenure.yaml",
        "deploy/image/tenure.yaml",
        "deploy/kubernetes/base/tenure.yaml",
        "scripts/release/debian/tenure.yaml",
    ];
    let files = shipped.iter().map(|file| root().join(file)).chain([chart]);
    for file in files {
        let output = tenure(&["check", "--offline", "--config", file.to_str().unwrap()]);
        assert!(
            output.status.success(),
            "{}: {}",
            file.display(),
            said(&output)
        );
    }
}

#[test]
fn settings_of_several_pods_are_taken_and_leave_nothing_to_be_wished() {
    let folder = tempfile::tempdir().unwrap();
    let settings = text("deploy/kubernetes/shared/tenure.yaml");
    assert!(settings.contains("/etc/tenure-secrets/token"), "{settings}");
    let secrets = folder.path().to_str().unwrap();
    let settings = settings.replace("/etc/tenure-secrets", secrets);
    let file = folder.path().join("tenure.yaml");
    fs::write(&file, settings).unwrap();
    fs::write(folder.path().join("digest-key"), "0f".repeat(16)).unwrap();
    fs::write(folder.path().join("token"), "0f".repeat(32)).unwrap();
    let check = |state: &str| {
        let state = format!("state.url={state}");
        let file = file.to_str().unwrap();
        let offline = ["check", "--offline", "--deny-warnings", "--config", file];
        let named = ["--set", &state, "--set", "cluster.instance_id=tenure-0"];
        tenure(&[&offline[..], &named[..]].concat())
    };
    let output = check("/var/lib/tenure/state");
    assert!(output.status.success(), "{}", said(&output));
    let output = check("state");
    assert!(!output.status.success(), "a folder of its own passes");
}

#[test]
fn a_pod_is_a_member_by_its_name_and_is_reached_by_it() {
    let shared = text("deploy/kubernetes/shared/statefulset.yaml");
    let service = text("deploy/kubernetes/base/service.yaml");
    let headless = "tenure-headless";
    assert!(service.contains(&format!("name: {headless}\n")));
    let port = Key::Listen.default_text().rsplit_once(':').unwrap().1;
    let address = format!("http://$(TENURE_CLUSTER_INSTANCE_ID).{headless}:{port}\n");
    assert!(shared.contains(&address), "{shared}");
    let one = text("deploy/kubernetes/base/statefulset.yaml");
    let chart = text("deploy/helm/tenure/templates/statefulset.yaml");
    let variables: Vec<String> = Key::ALL.iter().map(|key| key.variable()).collect();
    for (file, text) in [
        ("one pod", &one),
        ("several pods", &shared),
        ("the chart", &chart),
    ] {
        for name in text
            .split("name: ")
            .skip(1)
            .filter_map(|rest| rest.lines().next())
        {
            let known = name == "TENURE_CONFIG" || variables.iter().any(|known| known == name);
            assert!(known || !name.starts_with("TENURE_"), "{file}: {name}");
        }
    }
    for text in [&one, &chart] {
        let (_, rest) = text
            .split_once("name: TENURE_CLUSTER_INSTANCE_ID\n")
            .unwrap();
        let (value, _) = rest.split_once("metadata.name\n").unwrap();
        assert!(value.contains("fieldRef"), "{value}");
        // Pods are replaced one after the other, each once the one before is ready.
        assert!(text.contains("/-/ready?scope=instance"));
    }
}

#[test]
fn whoever_stops_the_service_waits_longer_than_it_takes_to_end() {
    let grace = seconds(Key::ShutdownGrace.default_text());
    let services = services();
    let (_, compose) = services.iter().find(|(name, _)| name == "tenure").unwrap();
    let check = |who: &str, text: &str, key: &str| {
        let patience = seconds(only_value(text, key));
        assert!(
            patience > grace,
            "{who} waits {patience} s, ending may take {grace} s"
        );
    };
    check("compose", compose, "stop_grace_period:");
    check(
        "systemd",
        &text("deploy/systemd/tenure.service"),
        "TimeoutStopSec=",
    );
    let statefulset = text("deploy/kubernetes/base/statefulset.yaml");
    check("Kubernetes", &statefulset, "terminationGracePeriodSeconds:");
    let values = text("deploy/helm/tenure/values.yaml");
    check("the chart", &values, "terminationGracePeriodSeconds:");
}

#[test]
fn one_release_has_one_version() {
    let check = |file: &str, key: &str| assert_eq!(only_value(&text(file), key), VERSION, "{file}");
    check("deploy/helm/tenure/Chart.yaml", "version:");
    check("deploy/helm/tenure/Chart.yaml", "appVersion:");
    check("deploy/Dockerfile", "ARG VERSION=");
    check("deploy/kubernetes/base/kustomization.yaml", "newTag:");
    check(
        "deploy/kubernetes/base/kustomization.yaml",
        "app.kubernetes.io/version:",
    );
    check(
        "deploy/kubernetes/monitoring/kustomization.yaml",
        "app.kubernetes.io/version:",
    );
}

#[test]
fn the_port_is_the_one_that_the_program_listens_on() {
    let listen = Key::Listen.default_text();
    let port = listen.rsplit_once(':').unwrap().1;
    let check = |file: &str, expected: &str| {
        let expected = expected.replace("PORT", port);
        assert!(text(file).contains(&expected), "{file} without {expected}");
    };
    check("deploy/Dockerfile", "EXPOSE PORT\n");
    check("deploy/Dockerfile", "TENURE_DEMO_LISTEN=0.0.0.0:PORT\n");
    check("deploy/compose/compose.yaml", "\"127.0.0.1:PORT:PORT\"");
    check("deploy/prometheus/prometheus.yml", "\"tenure:PORT\"");
    check(
        "deploy/kubernetes/base/statefulset.yaml",
        "containerPort: PORT\n",
    );
    check(
        "deploy/helm/tenure/templates/statefulset.yaml",
        "containerPort: PORT\n",
    );
    check("deploy/helm/tenure/values.yaml", "port: PORT\n");
}

#[test]
fn every_manifest_is_listed() {
    for folder in ["base", "monitoring", "shared"] {
        let folder = format!("deploy/kubernetes/{folder}");
        let kustomization = text(&format!("{folder}/kustomization.yaml"));
        let listed: BTreeSet<String> = kustomization
            .lines()
            .filter_map(|line| line.strip_prefix("  - "))
            .map(|entry| entry.strip_prefix("path: ").unwrap_or(entry))
            .filter(|entry| entry.ends_with("yaml"))
            .map(str::to_owned)
            .collect();
        let mut present = BTreeSet::new();
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // The settings are no object, and the list does not list itself.
            if !["kustomization.yaml", "tenure.yaml"].contains(&&*name) {
                present.insert(name);
            }
        }
        assert_eq!(listed, present, "{folder}");
    }
}

#[test]
fn manifests_and_chart_carry_the_rules_of_the_default_settings() {
    let rules = |arguments: &[&str]| {
        let output = tenure(&[&["rules"], arguments].concat());
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let check = |file: &str, expected: String| {
        if std::env::var_os("TENURE_BLESS").is_some() {
            fs::write(root().join(file), &expected).unwrap();
        }
        let same = text(file) == expected;
        assert!(
            same,
            "{file} differs: TENURE_BLESS=1 cargo test --test deploy"
        );
    };
    check("deploy/helm/tenure/files/rules.yaml", rules(&[]));
    let kubernetes = rules(&["--format", "kubernetes"]);
    check(
        "deploy/kubernetes/monitoring/prometheusrule.yaml",
        kubernetes,
    );
}

#[test]
fn the_image_is_built_from_what_is_not_ignored_and_runs_as_nobody() {
    let dockerfile = text("deploy/Dockerfile");
    let ignored: Vec<String> = text(".dockerignore")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '*']))
        .map(str::to_owned)
        .collect();
    let needed = [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "src",
        "shim",
        "benches",
        "config/presets",
        "deploy/image/tenure.yaml",
    ];
    for path in needed {
        assert!(root().join(path).exists(), "{path}");
        let hidden = ignored
            .iter()
            .any(|entry| Path::new(path).starts_with(entry));
        assert!(!hidden, "{path} is ignored");
    }
    // Both images are of one Debian, or the program would not find its C library.
    assert!(only_value(&dockerfile, "ARG BUILD_IMAGE=").ends_with("-bookworm"));
    assert!(only_value(&dockerfile, "ARG BASE_IMAGE=").contains("debian12:nonroot"));
    assert_eq!(only_value(&dockerfile, "USER"), "65532:65532");
    assert!(dockerfile.contains("CMD [\"/usr/bin/tenure\", \"healthcheck\"]"));
    for file in [
        "deploy/kubernetes/base/statefulset.yaml",
        "deploy/helm/tenure/templates/statefulset.yaml",
    ] {
        assert!(text(file).contains("runAsUser: 65532\n"), "{file}");
    }
}

/// The unit with the program where it is here, since its commands must exist.
fn unit(folder: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let unit = text("deploy/systemd/tenure.service")
        .replace("/usr/bin/tenure", env!("CARGO_BIN_EXE_tenure"));
    let file = folder.join("tenure.service");
    fs::write(&file, change(unit)).unwrap();
    file
}

fn systemd_analyze(arguments: &[&str], unit: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output()
        .expect("systemd-analyze of the package systemd")
}

#[test]
fn the_unit_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let output = systemd_analyze(&["verify", "--man=no"], &unit(folder.path(), |unit| unit));
    assert!(
        output.status.success() && said(&output).is_empty(),
        "{}",
        said(&output)
    );

    let misspelt = unit(folder.path(), |unit| {
        unit.replace("ProtectHome=", "ProtectHouse=")
    });
    let output = systemd_analyze(&["verify", "--man=no"], &misspelt);
    assert!(said(&output).contains("ProtectHouse"), "{}", said(&output));
}

#[test]
fn the_unit_exposes_at_most_2_of_10() {
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=20"];
    let folder = tempfile::tempdir().unwrap();
    let output = systemd_analyze(&arguments, &unit(folder.path(), |unit| unit));
    assert!(output.status.success(), "{}", said(&output));

    let open = unit(folder.path(), |unit| {
        unit.replace("ProtectSystem=strict", "")
            .replace("CapabilityBoundingSet=", "")
            .replace("PrivateDevices=yes", "")
    });
    let output = systemd_analyze(&arguments, &open);
    assert!(
        !output.status.success(),
        "an open service passes: {}",
        said(&output)
    );
}

/// A service of one answer, on a free port.
fn answering(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let length = stream.read(&mut head).unwrap();
        let asked = head[..length].starts_with(b"GET /-/healthy HTTP/1.1\r\n");
        let status = if asked { status } else { "404 Not Found" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
    });
    format!("http://{address}")
}

#[test]
fn a_health_check_tells_by_its_exit_code() {
    let check = |url: &str, expected: i32| {
        let output = tenure(&["healthcheck", "--url", url]);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{url}: {}",
            said(&output)
        );
    };
    check(&answering("200 OK"), 0);
    check(&answering("401 Unauthorized"), 0);
    check(&answering("503 Service Unavailable"), 1);
    // Bound and given back: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    check(&format!("http://{free}"), 69);
    check("https://127.0.0.1:9736", 2);
}

/// A program that is ended when the test is over, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_of_a_container_listens_where_the_image_says_and_is_healthy() {
    let mut demo = Running(
        Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(["demo", "--customers", "200"])
            // Another address of the loopback interface than the default.
            .env("TENURE_DEMO_LISTEN", "127.0.0.2:0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    // Read from as long as the demo lives, or what it says further would end it.
    let mut lines = BufReader::new(demo.0.stderr.take().unwrap()).lines();
    let url = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, address) = line.split_once("Tenure is at ")?;
            address
                .split('/')
                .nth(2)
                .map(|address| format!("http://{address}"))
        })
        .expect("an address before the end");
    assert!(url.starts_with("http://127.0.0.2:"), "{url}");
    let output = tenure(&["healthcheck", "--url", &url]);
    assert!(output.status.success(), "{}", said(&output));
}
