//! The tree keeps its shape: layers, purity, and documents that say what the code says.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tenure::event::Reason;
use tenure::measure::report::WithheldReason;
use tenure::telemetry::catalogue::{CATALOGUE, Kind};

/// What each module may know of the crate, beside itself.
const LAYERS: [(&str, &[&str]); 15] = [
    ("event", &[]),
    ("ledger", &["event"]),
    ("measure", &["ledger", "event"]),
    ("alert", &["measure"]),
    ("config", &["alert", "measure", "ledger", "event"]),
    ("checkpoint", &["config", "ledger", "event"]),
    ("telemetry", &["event"]),
    ("registry", &["config", "telemetry", "event"]),
    ("generate", &["event"]),
    ("kafka", &["config", "telemetry", "event"]),
    ("router", &["kafka", "config", "telemetry", "event"]),
    (
        "cluster",
        &["kafka", "config", "telemetry", "measure", "ledger", "event"],
    ),
    ("serve", &["config", "measure", "telemetry", "event"]),
    (
        "engine",
        &[
            "cluster",
            "router",
            "kafka",
            "registry",
            "serve",
            "checkpoint",
            "config",
            "telemetry",
            "measure",
            "ledger",
            "event",
        ],
    ),
    (
        "command",
        &[
            "engine",
            "router",
            "checkpoint",
            "kafka",
            "registry",
            "serve",
            "checkpoint",
            "config",
            "telemetry",
            "generate",
            "alert",
            "measure",
            "ledger",
            "event",
        ],
    ),
];

/// Modules without I/O, clocks, threads, logs and metrics, and what would break that.
const PURE: [&str; 4] = ["event", "ledger", "measure", "alert"];
const IMPURE: [&str; 14] = [
    "std::time",
    "std::io",
    "std::fs",
    "std::net",
    "std::thread",
    "std::sync::Mutex",
    "SystemTime",
    "::now()",
    "tokio",
    "tracing",
    "prometheus::",
    "rdkafka",
    "println!",
    "std::env",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file of a module.
fn sources(module: &str) -> Vec<(PathBuf, String)> {
    sources_in(root().join("src").join(module))
}

/// Every source file below a folder.
fn sources_in(folder: PathBuf) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

/// The modules of the crate that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    text.split("crate::").skip(1).map(word).collect()
}

#[test]
fn dependencies_point_one_way() {
    let modules: BTreeSet<&str> = LAYERS.iter().map(|(module, _)| *module).collect();
    let on_disk: BTreeSet<String> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(
        on_disk
            .iter()
            .all(|module| modules.contains(module.as_str())),
        "{on_disk:?}"
    );
    for (module, allowed) in LAYERS {
        for (path, text) in sources(module) {
            for name in named(&text)
                .iter()
                .filter(|name| modules.contains(name.as_str()))
            {
                assert!(
                    name == module || allowed.contains(&name.as_str()),
                    "{} knows {name}, which {module} must not",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_pure_modules_are_pure() {
    for module in PURE {
        for (path, text) in sources(module) {
            let code: Vec<&str> = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            for word in IMPURE {
                let found = code.iter().find(|line| line.contains(word));
                assert!(found.is_none(), "{}: {word} in {found:?}", path.display());
            }
        }
    }
}

#[test]
fn no_lint_is_allowed_without_a_word() {
    for folder in ["src", "shim"] {
        for (path, text) in sources_in(root().join(folder)) {
            assert!(
                !text.contains("#[allow("),
                "{}: use #[expect] with a reason",
                path.display()
            );
        }
    }
}

/// The rows of all tables of a document: cells without backticks, with bars unescaped.
fn rows(document: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let cell = |cell: &str| cell.trim().replace('`', "").replace('\u{0}', "|");
    text.lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.replace("\\|", "\u{0}");
            line.trim_matches('|').split('|').map(cell).collect()
        })
        .collect()
}

#[test]
fn the_document_of_operations_has_every_process_metric() {
    let documented: BTreeMap<String, Vec<String>> = rows("docs/operations.md")
        .into_iter()
        .filter(|row| row.len() == 4 && row[0].starts_with("tenure_"))
        .map(|row| (row[0].clone(), row[1..].to_vec()))
        .collect();
    let names: BTreeSet<&str> = CATALOGUE.iter().map(|instrument| instrument.name).collect();
    assert_eq!(
        documented
            .keys()
            .map(String::as_str)
            .collect::<BTreeSet<_>>(),
        names
    );
    for instrument in CATALOGUE {
        let kind = match instrument.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let expected = [kind, &instrument.labels.join(", "), instrument.help];
        assert_eq!(documented[instrument.name], expected, "{}", instrument.name);
    }
}

#[test]
fn every_reason_is_documented() {
    let events = fs::read_to_string(root().join("docs/events.md")).unwrap();
    for reason in Reason::ALL {
        assert!(
            events.contains(&format!("`{}`", reason.name())),
            "{}",
            reason.name()
        );
    }
    let measures = fs::read_to_string(root().join("docs/measures.md")).unwrap();
    for reason in WithheldReason::ALL {
        assert!(
            measures.contains(&format!("`{}`", reason.name())),
            "{}",
            reason.name()
        );
    }
}

#[test]
fn the_samples_of_the_documentation_are_events() {
    use tenure::event::decode::{DecodeSettings, Decoder};

    let decoder = Decoder::new(DecodeSettings::default());
    let mut samples = 0;
    for document in ["docs/events.md", "README.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for block in text.split("```json").skip(1) {
            let block = block.split("```").next().unwrap();
            for line in block.lines().filter(|line| line.contains("\"event_id\"")) {
                let decoded = decoder.decode(line.as_bytes(), None);
                assert!(decoded.is_ok(), "{document}: {line}: {decoded:?}");
                samples += 1;
            }
        }
    }
    assert!(samples >= 4, "{samples} samples");
}

#[test]
fn every_test_that_the_document_of_faults_names_exists() {
    let mut named = 0;
    for row in rows("docs/faults.md") {
        let [fault, _, tests] = row.as_slice() else {
            panic!("{row:?} is no row of a fault, what is done, and its tests");
        };
        let header = fault == "Fault" || fault.starts_with("---");
        let names = tests
            .split([' ', ','])
            .filter_map(|word| word.split_once("::"));
        let mut of_row = 0;
        for (file, test) in names {
            let text = fs::read_to_string(root().join(file));
            let text = text.unwrap_or_else(|error| panic!("{fault}: {file}: {error}"));
            assert!(
                text.contains(&format!("fn {test}(")),
                "{fault}: {file} has no {test}"
            );
            of_row += 1;
        }
        assert!(
            header || of_row > 0 || tests.starts_with("None "),
            "{fault}: neither a test nor a word why there is none"
        );
        named += of_row;
    }
    assert!(named > 40, "{named} tests");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut documents = vec![
        root().join("README.md"),
        root().join("ARCHITECTURE.md"),
        root().join("CONTRIBUTING.md"),
        root().join("CHANGELOG.md"),
    ];
    documents.extend(
        fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    for document in documents
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(document).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{}: {link}", document.display());
        }
    }
}
