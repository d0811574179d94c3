//! The examples of docs/mapping.md do what the document says: tests of mappings pass, configurations
//! are sound, and every key of a mapping is explained.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use tenure::config::{Settings, Sources, load};

const DOCUMENT: &str = include_str!("../docs/mapping.md");

/// The blocks of YAML, without the indentation that they have in lists.
fn blocks() -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in DOCUMENT.lines() {
        let text = line.trim_start();
        open = match open {
            Some((_, block)) if text == "```" => {
                blocks.push(block);
                None
            }
            Some((indent, block)) => {
                let line = line.get(indent..).unwrap_or_default();
                Some((indent, block + line + "\n"))
            }
            None => (text == "```yaml").then(|| (line.len() - text.len(), String::new())),
        };
    }
    blocks
}

/// The settings of a file, with others beside it.
fn settings(text: &str, others: &[(&str, &str)]) -> Settings {
    let mut files: BTreeMap<&str, &str> = others.iter().copied().collect();
    files.insert("tenure.yaml", text);
    let read_file = |path: &Path, _: u64| {
        let text = path.to_str().and_then(|path| files.get(path));
        text.map(|text| text.as_bytes().to_vec())
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let settings = load(&Sources {
        file: Some("tenure.yaml".into()),
        read_file: &read_file,
        ..Sources::none()
    });
    settings.unwrap_or_else(|complaints| panic!("{complaints}"))
}

#[test]
fn every_example_with_tests_passes_them() {
    let folder = tempfile::tempdir().unwrap();
    let examples: Vec<String> = blocks()
        .into_iter()
        .filter(|block| block.starts_with("source:"))
        .collect();
    assert!(examples.len() >= 9, "{} examples", examples.len());
    for (number, example) in examples.iter().enumerate() {
        let file = folder.path().join(format!("example-{number}.yaml"));
        fs::write(&file, example).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        let output = command.arg("test").arg(&file).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{example}\n{}", said.concat());
    }
}

#[test]
fn every_configuration_is_sound() {
    let blocks = blocks();
    let mapping = blocks
        .iter()
        .find_map(|block| block.strip_prefix("# mappings/crm.yaml\n"))
        .expect("an example of a file with options");
    let configurations = blocks.iter().filter(|block| block.starts_with("kafka:"));
    let mut mapped = 0;
    for text in configurations {
        let others = [("mappings/crm.yaml", mapping)];
        let text = text.replace(
            "mapping: mappings/crm.yaml",
            "mapping: mappings/crm.yaml, options: { closed: lost }",
        );
        mapped += settings(&text, &others).fold.sources.topics().count();
    }
    assert_eq!(mapped, 3);
}

#[test]
fn a_rule_that_uses_an_option_without_a_value_is_left_out() {
    let blocks = blocks();
    let mapping = blocks
        .iter()
        .find_map(|block| block.strip_prefix("# mappings/crm.yaml\n"))
        .expect("an example of a file with options");
    let check = |options: &str, rules: usize| {
        let text = format!(
            "sources:\n  customer-events: {{ mapping: crm.yaml, options: {{ {options} }} }}\n"
        );
        let settings = settings(&text, &[("crm.yaml", mapping)]);
        let of_topic = settings.fold.sources.of("customer-events").unwrap();
        assert_eq!(of_topic.events.len(), rules, "{options}");
    };
    check("closed: lost", 1);
    check("closed: lost, score_field: nps", 2);
    check("closed: null, score_field: nps", 1);
}

#[test]
fn the_example_of_several_topics_maps_three_of_them() {
    let settings = settings(
        include_str!("../config/examples/several-topics.yaml"),
        &[(
            "mappings/accounts.yaml",
            include_str!("../config/examples/mappings/accounts.yaml"),
        )],
    );
    assert!(settings.warnings.is_empty(), "{}", settings.warnings);
    let topics: Vec<&str> = settings.fold.sources.topics().collect();
    assert_eq!(topics, ["accounts", "feedback", "payments"]);
    assert_eq!(settings.mapped_topics(), [true, true, true, false]);
}
