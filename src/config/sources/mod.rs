//! The sources of topics: which of them do not hold native events, and how those become events.
//!
//! Owns the key `sources` and everything below it, the files of mappings that it names, and the
//! presets. Promises complaints like those of every other setting, each at its place in its own file,
//! for a path at the character that is wrong. Does not know how rules are applied.

mod expression;
mod fields;
mod mapping;
mod options;
mod preset;
pub mod trials;

use std::collections::BTreeMap;
use std::path::Path;

use super::complaint::{Complaint, Complaints, Place, Source, quoted};
use super::document::{self, Content, Node};
use super::keys::Key;
use super::layers::{Value, listed};
use super::nearest::nearest;
use super::reading::Reading;
use super::settings::Origin;
use super::{MAX_FILE_BYTES, ReadFile};
use crate::event::mapping::Rules;
use crate::ledger::sources::Sources;

use mapping::OF_MAPPING;
use options::Options;

pub use preset::{Preset, PresetOption, presets};

/// The preset that stands for native events.
const NATIVE: &str = "native";

/// What can stand below a topic: also the keys of a mapping.
const OF_SOURCE: [&str; 8] = [
    "preset",
    "mapping",
    "envelope",
    "format",
    "key_format",
    "skip",
    "otherwise",
    "events",
];
const OF_PRESET: [&str; 2] = ["preset", "options"];
const OF_FILE: [&str; 2] = ["mapping", "options"];

const HELP: &str = "write the name of a preset (`tenure presets` lists them), `native`, `{ preset: \
                    NAME, options: {...} }`, `{ mapping: FILE }`, or the mapping itself with \
                    `events:`";

/// How the records of one topic become events, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub topic: String,
    /// As a file would have it, but that of a mapping that stands in the configuration nothing is
    /// said but this.
    pub how: String,
    pub origin: Origin,
}

/// What a source is read with.
struct Reader<'a> {
    /// Files of mappings are relative to this.
    folder: &'a Path,
    read_file: &'a ReadFile<'a>,
    complaints: &'a mut Complaints,
}

impl Reading<'_> {
    /// The mappings of all topics, and how they were given; None after a complaint.
    pub fn sources(&mut self, topics: Option<&[String]>) -> Option<(Sources, Vec<Given>)> {
        let given = self.take(Key::Sources);
        let Value::Tree(node) = given.value else {
            return Some((Sources::default(), Vec::new()));
        };
        let mut reader = Reader {
            folder: self.folder,
            read_file: self.read_file,
            complaints: self.complaints,
        };
        let entries = reader.entries(node, "`sources`", &[])?;
        let (mut rules, mut all, mut sound) = (BTreeMap::new(), Vec::new(), true);
        for (topic, node) in entries {
            if let Some(known) = topics.filter(|known| !known.contains(&topic.text)) {
                let message = format!("`sources`: the topic {} is not read", quoted(&topic.text));
                let names: Vec<&str> = known.iter().map(String::as_str).collect();
                let help = match nearest(&topic.text, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("`kafka.topics` has {}", listed(&names)),
                };
                reader.complain(&topic.place, message, help);
                sound = false;
            }
            let origin = given.origin.at(topic.place.line());
            let Some((how, of_topic)) = reader.source(node) else {
                sound = false;
                continue;
            };
            if let Some(of_topic) = of_topic {
                rules.insert(topic.text.clone(), of_topic);
                all.push(Given {
                    topic: topic.text,
                    how,
                    origin,
                });
            }
        }
        sound.then(|| (Sources::new(rules), all))
    }
}

impl Reader<'_> {
    /// What stands below a topic: in words, and its rules unless it is native.
    fn source(&mut self, node: Node) -> Option<(String, Option<Rules>)> {
        let place = node.place.clone();
        match node.content {
            Content::Text(name) if name == NATIVE => Some((name, None)),
            Content::Text(name) => {
                let (options, rules) = self.preset(&name, &place, None)?;
                Some((how("preset", &name, &options), Some(rules)))
            }
            Content::Map(entries) => {
                let has = |key: &str| entries.iter().any(|(name, _)| name.text == key);
                let (preset, file) = (has("preset"), has("mapping"));
                let node = Node {
                    content: Content::Map(entries),
                    place,
                };
                match (preset, file) {
                    (true, _) => self.preset_with_options(node),
                    (false, true) => self.file_with_options(node),
                    (false, false) => self.inline(node),
                }
            }
            Content::Nothing | Content::List(_) => {
                self.complain(&place, "this is no source of events", HELP);
                None
            }
        }
    }

    fn preset_with_options(&mut self, node: Node) -> Option<(String, Option<Rules>)> {
        let mut fields = self.fields(node, "a source with a preset", &OF_PRESET)?;
        let (name, place) = self.text(fields.take("preset")?, "preset")?;
        let options = fields.take("options");
        if name == NATIVE && options.is_none() {
            return Some((name, None));
        }
        let (options, rules) = self.preset(&name, &place, options)?;
        Some((how("preset", &name, &options), Some(rules)))
    }

    fn preset(
        &mut self,
        name: &str,
        place: &Place,
        options: Option<Node>,
    ) -> Option<(Options, Rules)> {
        let Some(text) = preset::text_of(name) else {
            let names = preset::names();
            let help = match nearest(name, names.iter().copied().chain([NATIVE])) {
                Some(near) => format!("did you mean `{near}`?"),
                None if name.contains(['/', '.']) => {
                    format!("write `{{ mapping: {name} }}` for a file of a mapping")
                }
                None => format!("the presets are {}", listed(&names)),
            };
            self.complain(place, format!("there is no preset {}", quoted(name)), help);
            return None;
        };
        let source = Source::shown(format!("preset {name}"), text);
        match document::read_source(source, text) {
            Ok(root) => self.mapping(root, options, &format!("the preset `{name}`"), place),
            Err(complaint) => {
                self.complaints.add(complaint);
                None
            }
        }
    }

    fn file_with_options(&mut self, node: Node) -> Option<(String, Option<Rules>)> {
        let mut fields = self.fields(node, "a source with a mapping file", &OF_FILE)?;
        let (path, place) = self.text(fields.take("mapping")?, "mapping")?;
        let file = self.folder.join(&path);
        let shown = quoted(&file.to_string_lossy());
        let bytes = match (self.read_file)(&file, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("`mapping`: could not read {shown}: {error}");
                let help = "write the path of a file with a mapping, relative to the folder of this \
                            file; a preset is `{ preset: NAME }`";
                self.complain(&place, message, help);
                return None;
            }
        };
        let source = Source::shown(file.display().to_string(), &String::from_utf8_lossy(&bytes));
        let read = std::str::from_utf8(&bytes)
            .map_err(|error| super::not_utf8(&source, &bytes, error.valid_up_to()))
            .and_then(|text| document::read_source(source.clone(), text));
        let root = match read {
            Ok(root) => root,
            Err(complaint) => {
                self.complaints.add(complaint);
                return None;
            }
        };
        let what = format!("the mapping {shown}");
        let (options, rules) = self.mapping(root, fields.take("options"), &what, &place)?;
        Some((how("mapping", &path, &options), Some(rules)))
    }

    /// A file with a mapping, and what is given for its options where it is used, at `place`.
    fn mapping(
        &mut self,
        root: Node,
        given: Option<Node>,
        what: &str,
        place: &Place,
    ) -> Option<(Options, Rules)> {
        let mut fields = self.fields(root, what, &OF_MAPPING)?;
        let options = self.options(fields.take("options"), given, what, place)?;
        let rules = self.rules(fields, &options, what, place)?;
        Some((options, rules))
    }

    /// A mapping that stands in the configuration itself.
    fn inline(&mut self, node: Node) -> Option<(String, Option<Rules>)> {
        let place = node.place.clone();
        if let Content::Map(entries) = &node.content
            && let Some((name, _)) = entries.iter().find(|(name, _)| name.text == "options")
        {
            let help = "options are for presets and files of mappings: write the texts themselves \
                        into this mapping";
            let message = "a mapping that stands where it is used has no `options`";
            self.complain(&name.place, message, help);
            return None;
        }
        let fields = self.fields(node, "a source", &OF_SOURCE)?;
        if !fields.has("events") {
            self.complain(&place, "this is no source of events", HELP);
            return None;
        }
        let rules = self.rules(fields, &Options::default(), "the mapping", &place)?;
        Some(("a mapping".to_owned(), Some(rules)))
    }
}

/// A source as a file would have it.
fn how(kind: &str, name: &str, options: &Options) -> String {
    let options: Vec<String> = options
        .given()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    match (kind, options.as_slice()) {
        ("preset", []) => name.to_owned(),
        (kind, []) => format!("{{ {kind}: {name} }}"),
        (kind, options) => format!(
            "{{ {kind}: {name}, options: {{ {} }} }}",
            options.join(", ")
        ),
    }
}

/// A complaint that a key can be set in the file only, with what stands there.
pub(super) fn wrong_shape(place: &Place) -> Complaint {
    Complaint::error("`sources` takes topics with their sources")
        .at(Some(place))
        .help(
            "write one `topic: source` on each line below it, for instance `shop-orders: shopify`",
        )
}
