//! Files of tests of mappings: records as they come, and what should become of them.
//!
//! Owns their form: a source as a configuration has it, or a configuration and one of its topics, and
//! tests of which each has its records and what is expected. Promises complaints like those of every
//! other setting, at their places in the file. What stands in such a file may be shown, because who
//! reads the complaint wrote it. Does not know how records are decoded and how what comes out is
//! compared.

mod expected;
mod record;

use std::path::{Path, PathBuf};

use super::Reader;
use crate::config::complaint::{Complaint, Complaints, Place, Source as Lines, quoted};
use crate::config::document::{self, Content, Name, Node};
use crate::config::layers::Layers;
use crate::config::settings::Settings;
use crate::config::{MAX_FILE_BYTES, ReadFile, Sources, load, not_utf8, parts, read_file};
use crate::event::Timestamp;
use expected::Known;

pub use expected::{Expected, ExpectedEvent, ExpectedRejection};

/// A file of tests, read.
#[derive(Debug)]
pub struct Trials {
    /// What the records are read with.
    pub settings: Settings,
    /// The topic whose source is tested.
    pub topic: String,
    pub trials: Vec<Trial>,
}

/// One test.
#[derive(Debug)]
pub struct Trial {
    pub name: String,
    /// As `file:line`.
    pub place: String,
    pub samples: Vec<Sample>,
    pub expected: Vec<Expected>,
}

/// A record of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub recorded_at: Option<Timestamp>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<String>)>,
    pub value: Option<Vec<u8>>,
}

const OF_FILE: [&str; 5] = ["source", "config", "topic", "settings", "tests"];

/// What `settings` may say: that on which decoding depends.
const OF_SETTINGS: [&str; 4] = ["currencies", "dimensions", "max_future_skew", "surveys"];

/// Samples are JSON, so nobody is asked for schemas; but a source that has them must name somebody.
const NO_REGISTRY: &str = "http://localhost";

/// How the source of a file is called that names no topic.
const TOPIC: &str = "sample";

const MOST_TESTS: usize = 10_000;

/// Reads a file of tests.
///
/// # Errors
/// With every complaint at once.
pub fn trials(file: &Path) -> Result<Trials, Complaints> {
    trials_with(file, &read_file)
}

fn trials_with(file: &Path, read_file: &ReadFile<'_>) -> Result<Trials, Complaints> {
    let mut complaints = Complaints::default();
    let name = file.display().to_string();
    let read = root(&name, file, read_file).map_err(|complaint| complaints.add(complaint));
    let trials = read.ok().and_then(|root| {
        let mut reader = Reader {
            folder: file.parent().unwrap_or(Path::new("")),
            read_file,
            complaints: &mut complaints,
        };
        reader.trials(root, &name)
    });
    complaints.sort();
    match trials {
        Some(trials) if !complaints.has_errors() => Ok(trials),
        _ => Err(complaints),
    }
}

fn root(name: &str, file: &Path, read_file: &ReadFile<'_>) -> Result<Node, Complaint> {
    let bytes = read_file(file, MAX_FILE_BYTES).map_err(|error| {
        Complaint::error(format!(
            "could not read the tests {}: {error}",
            quoted(name)
        ))
        .help("give the path of a file of tests; `tenure test --help` shows one")
    })?;
    let source = Lines::shown(name.to_owned(), &String::from_utf8_lossy(&bytes));
    match std::str::from_utf8(&bytes) {
        Ok(text) => document::read_source(source, text),
        Err(error) => Err(not_utf8(&source, &bytes, error.valid_up_to())),
    }
}

impl Reader<'_> {
    fn trials(&mut self, root: Node, name: &str) -> Option<Trials> {
        let place = root.place.clone();
        let mut fields = self.fields(root, "a file of tests", &OF_FILE)?;
        let tests = fields.take("tests");
        let (source, config) = (fields.take("source"), fields.take("config"));
        let (topic, settings) = (fields.take("topic"), fields.take("settings"));
        let topic = match topic {
            Some(node) => Some(self.text(node, "topic")?),
            None => None,
        };
        let read = match (source, config) {
            (Some(source), None) => {
                let topic = topic.map_or(TOPIC.to_owned(), |(text, _)| text);
                let settings = self.of_source(name, &topic, source, settings);
                settings.map(|settings| (settings, topic))
            }
            (None, Some(config)) => self.of_configuration(config, topic, settings.as_ref()),
            (None, None) => {
                let help = "write `source: NAME` as it stands below a topic in `sources:`, or \
                            `config: FILE` and `topic: NAME`";
                self.complain(&place, "the file names no source", help);
                None
            }
            (Some(_), Some(config)) => {
                let help = "the source of a topic of a configuration is tested with `config` and \
                            `topic` alone";
                self.complain(&config.place, "the file has `source` and `config`", help);
                None
            }
        };
        let known = read.as_ref().map(|(settings, topic)| Known {
            topic,
            dimensions: &settings.fold.dimensions,
        });
        let trials = self.trial_list(tests, name, &place, known.as_ref());
        let ((settings, topic), trials) = (read?, trials?);
        Some(Trials {
            settings,
            topic,
            trials,
        })
    }

    /// The settings of a configuration in which the one topic has this source.
    fn of_source(
        &mut self,
        file: &str,
        topic: &str,
        source: Node,
        settings: Option<Node>,
    ) -> Option<Settings> {
        let place = source.place.clone();
        let name = |text: &str| Name {
            text: text.to_owned(),
            place: place.clone(),
        };
        let node = |content| Node {
            content,
            place: place.clone(),
        };
        let mut entries = match settings {
            Some(settings) => self.fields(settings, "`settings`", &OF_SETTINGS)?.rest(),
            None => Vec::new(),
        };
        let topics = node(Content::List(vec![node(Content::Text(topic.to_owned()))]));
        let kafka = node(Content::Map(vec![(name("topics"), topics)]));
        entries.push((name("kafka"), kafka));
        let url = node(Content::Text(NO_REGISTRY.to_owned()));
        let registry = node(Content::Map(vec![(name("url"), url)]));
        entries.push((name("schema_registry"), registry));
        let sources = node(Content::Map(vec![(name(topic), source)]));
        entries.push((name("sources"), sources));
        let mut layers = Layers::of_defaults(file);
        layers.add_file(node(Content::Map(entries)), self.complaints);
        parts::settings(layers, self.folder, self.read_file, self.complaints)
    }

    /// The settings of a configuration, and the topic of it that is tested.
    fn of_configuration(
        &mut self,
        config: Node,
        topic: Option<(String, Place)>,
        settings: Option<&Node>,
    ) -> Option<(Settings, String)> {
        if let Some(settings) = settings {
            let help = "change the configuration, or test its mapping with `source` instead";
            let message = "`settings` are those of the configuration";
            self.complain(&settings.place, message, help);
        }
        let (config, place) = self.text(config, "config")?;
        let sources = Sources {
            file: Some(self.folder.join(PathBuf::from(config))),
            environment: Vec::new(),
            flags: Vec::new(),
            read_file: self.read_file,
        };
        let loaded = match load(&sources) {
            Ok(loaded) => loaded,
            Err(complaints) => {
                for complaint in &complaints {
                    self.complaints.add(complaint.clone());
                }
                return None;
            }
        };
        let topics = loaded.router.from.iter().map(String::as_str);
        let topics: Vec<&str> = topics.collect();
        let Some((topic, place)) = topic else {
            let help = format!("write `topic:` with one of {}", topics.join(", "));
            self.complain(&place, "the file has `config`, and no `topic`", help);
            return None;
        };
        if !topics.contains(&topic.as_str()) {
            let message = format!("the configuration has no topic {}", quoted(&topic));
            let help = format!("its `kafka.topics` are {}", topics.join(", "));
            self.complain(&place, message, help);
            return None;
        }
        Some((loaded, topic))
    }

    fn trial_list(
        &mut self,
        tests: Option<Node>,
        file: &str,
        whole: &Place,
        known: Option<&Known<'_>>,
    ) -> Option<Vec<Trial>> {
        let (items, place) = match tests.map(|node| (node.content, node.place)) {
            Some((Content::List(items), place)) if !items.is_empty() => (items, place),
            other => {
                let place = other.map_or(whole.clone(), |(_, place)| place);
                let help = "begin each test with a dash: `- name: what it shows`";
                self.complain(&place, "`tests` takes a list of tests", help);
                return None;
            }
        };
        if items.len() > MOST_TESTS {
            let help = format!("write at most {MOST_TESTS} into one file");
            self.complain(&place, format!("there are {} tests", items.len()), help);
            return None;
        }
        let count = items.len();
        let items = items.into_iter();
        let trials: Vec<_> = items
            .filter_map(|item| self.trial(item, file, known))
            .collect();
        (trials.len() == count).then_some(trials)
    }

    fn trial(&mut self, node: Node, file: &str, known: Option<&Known<'_>>) -> Option<Trial> {
        let place = node.place.clone();
        let mut fields = self.fields(node, "a test", &expected::OF_TEST)?;
        let name = match fields.take("name") {
            Some(node) => self.text(node, "name").map(|(text, _)| text),
            None => {
                let help = "write `name:` with a sentence that says what it shows";
                self.complain(&place, "the test has no `name`", help);
                None
            }
        };
        let topic = known.map_or(TOPIC, |known| known.topic);
        let samples = self.samples(fields.take("record"), fields.take("records"), &place, topic);
        let expected = self.expected(&mut fields, &place, known);
        let (name, samples, expected) = (name?, samples?, expected?);
        Some(Trial {
            name,
            place: format!("{file}:{}", place.line()),
            samples,
            expected,
        })
    }
}
