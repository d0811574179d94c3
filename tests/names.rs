//! One catalogue: the program, the oracle, the documentation and the golden page name the same
//! measures, with the same labels and the same help; and no other page, rule, dashboard or script
//! names a metric that there is not.

#![cfg(test)]

#[expect(dead_code, reason = "only the oracle's list of names is used here")]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use oracle::catalogue;
use oracle::page::names;
use tenure::measure::MEASURES;
use tenure::measure::catalogue::DIMENSIONS;
use tenure::telemetry::catalogue::CATALOGUE;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap()
}

/// The rows of the documentation's tables of measures: name, labels and help.
fn documented() -> Vec<(String, String, String)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| `tenure_")?.split('|').collect();
        let [name, labels, help, ""] = cells.as_slice() else {
            return None;
        };
        let name = format!("tenure_{}", name.trim().strip_suffix('`')?);
        let labels = labels.replace('`', "").trim().to_owned();
        Some((name, labels, help.trim().to_owned()))
    };
    read("docs/measures.md").lines().filter_map(row).collect()
}

#[test]
fn the_oracle_lists_the_measures_of_the_program_with_their_labels() {
    let theirs: BTreeMap<&str, Vec<&str>> = catalogue::metrics()
        .iter()
        .map(|(name, labels)| {
            let placeholder = |label: &&'static str| match *label {
                catalogue::DIMENSIONS => DIMENSIONS,
                label => label,
            };
            (*name, labels.iter().map(placeholder).collect())
        })
        .collect();
    let ours: BTreeMap<&str, Vec<&str>> = MEASURES
        .iter()
        .map(|measure| (measure.name, measure.labels.to_vec()))
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn the_documentation_lists_the_measures_of_the_program_with_their_labels_and_help() {
    let mut documented = documented();
    let mut ours: Vec<(String, String, String)> = MEASURES
        .iter()
        .map(|measure| {
            let labels = measure.labels.join(", ");
            (measure.name.to_owned(), labels, measure.help.to_owned())
        })
        .collect();
    documented.sort();
    ours.sort();
    for (documented, ours) in documented.iter().zip(&ours) {
        assert_eq!(documented, ours);
    }
    assert_eq!(documented.len(), ours.len());
}

#[test]
fn the_golden_page_shows_every_measure_with_its_labels_and_help() {
    let page = read("tests/golden/page.txt");
    let dimensions = ["plan".to_owned(), "country".to_owned()];
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut help, mut name) = ("", "");
    for line in page.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            (name, help) = described.split_once(' ').unwrap();
            families.insert(name, vec![help]);
        } else if !line.starts_with('#') {
            assert!(line.starts_with(name), "{line} under {name}: {help}");
            families.get_mut(name).unwrap().push(line);
        }
    }
    for measure in MEASURES {
        let family = &families[measure.name];
        assert_eq!(family[0], measure.help);
        assert!(family.len() > 1, "{} has no series", measure.name);
        let expected: Vec<&str> = measure.label_names(&dimensions).collect();
        for line in &family[1..] {
            let (_, labels) = names(line.rsplit_once(' ').unwrap().0);
            assert_eq!(labels, expected, "{line}");
        }
    }
}

/// Texts for people and machines that name metrics.
const NAMING: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "config",
    "deploy",
    "docs",
    "examples",
    "src/serve/console",
];

/// What reads like a metric and is none: a variable of the dashboards, and the names of packages.
const NO_METRICS: [&str; 2] = ["tenure_url", "tenure_0"];

fn texts(path: PathBuf, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            texts(entry.unwrap().path(), found);
        }
    } else {
        found.push(path);
    }
}

/// The words that begin like our metrics, without the names of recorded series and paths.
fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
    let part_of_a_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = text.match_indices("tenure_").map(|(at, _)| at);
    begins
        .filter(move |at| {
            let before = text[..*at].chars().next_back();
            before.is_none_or(|c| !part_of_a_word(c) && c != ':' && !c.is_alphanumeric())
        })
        .map(move |at| {
            let rest = &text[at..];
            &rest[..rest.find(|c| !part_of_a_word(c)).unwrap_or(rest.len())]
        })
}

#[test]
fn every_metric_that_is_named_anywhere_is_on_the_page() {
    let measures = MEASURES.iter().map(|measure| measure.name);
    let process = CATALOGUE.iter().map(|instrument| instrument.name);
    let known: BTreeSet<&str> = measures.chain(process).collect();
    // Part of a name that stands for all that begin so, as in `tenure_ces_*`.
    let family = |word: &str| {
        known
            .iter()
            .any(|name| name.starts_with(&format!("{word}_")))
    };
    let is_known = |word: &str| {
        let histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| word.strip_suffix(suffix));
        known.contains(word)
            || NO_METRICS.contains(&word)
            || histogram.is_some_and(|name| known.contains(name))
            || family(word.trim_end_matches('_'))
    };
    let mut files = Vec::new();
    for path in NAMING {
        texts(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &mut files);
    }
    let mut named = BTreeSet::new();
    for file in files {
        // Pictures are no text.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for word in metrics_in(&text) {
            assert!(is_known(word), "{}: there is no {word}", file.display());
            named.insert(word.to_owned());
        }
    }
    let unnamed: Vec<&&str> = known
        .iter()
        .filter(|name| !named.contains(**name))
        .collect();
    assert!(unnamed.is_empty(), "no document names {unnamed:?}");
}
