//! Who said what: the sources of settings, one over the other.
//!
//! ```text
//! flags  over  environment (TENURE_*)  over  file  over  defaults
//! ```
//!
//! Owns precedence, the names of keys in every source, and the origin of every value. Promises one
//! value for every key, of the shape that the key has. Does not know what the values mean.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::Override;
use super::complaint::{Complaint, Complaints, Place, Source, Span, quoted};
use super::document::{Content, Name, Node};
use super::keys::{self, Key, NOTHING, PREFIX, Shape};
use super::nearest::nearest;
use super::settings::Origin;
use super::sources;

/// The value of a key and where it comes from.
#[derive(Debug)]
pub struct Given {
    pub value: Value,
    pub origin: Origin,
    /// None for a default.
    pub place: Option<Place>,
}

/// A value by the shape of its key.
#[derive(Debug)]
pub enum Value {
    Nothing,
    Text(String),
    List(Vec<Item>),
    Map(Vec<Entry>),
    Tree(Node),
}

/// A text and where it stands.
#[derive(Debug)]
pub struct Item {
    pub text: String,
    pub place: Option<Place>,
}

/// A name with a text, in a map.
#[derive(Debug)]
pub struct Entry {
    pub name: Item,
    pub value: Item,
}

/// The values of all keys, the strongest source of each.
#[derive(Debug)]
pub struct Layers {
    given: BTreeMap<Key, Given>,
    file: String,
}

impl Layers {
    /// The defaults; `file` is how origins call the file.
    pub fn of_defaults(file: &str) -> Self {
        let default = |key: Key| Given {
            value: value(key.shape(), key.default_text(), &|_, _| None),
            origin: Origin::Default,
            place: None,
        };
        Self {
            given: Key::ALL
                .into_iter()
                .map(|key| (key, default(key)))
                .collect(),
            file: file.to_owned(),
        }
    }

    /// Takes the value of a key out; a second time there is nothing.
    pub fn take(&mut self, key: Key) -> Given {
        self.given.remove(&key).unwrap_or(Given {
            value: Value::Nothing,
            origin: Origin::Default,
            place: None,
        })
    }

    /// Where the value of a key comes from, unless it was taken out.
    pub fn origin(&self, key: Key) -> Option<&Origin> {
        self.given.get(&key).map(|given| &given.origin)
    }

    pub fn add_file(&mut self, root: Node, complaints: &mut Complaints) {
        match root.content {
            Content::Nothing => {}
            Content::Map(entries) => self.add_section("", entries, complaints),
            Content::Text(_) | Content::List(_) => complaints.add(
                Complaint::error("the file holds no keys")
                    .at(Some(&root.place))
                    .help("write one `key: value` on each line"),
            ),
        }
    }

    fn add_section(&mut self, path: &str, entries: Vec<(Name, Node)>, complaints: &mut Complaints) {
        let mut seen: BTreeMap<String, Place> = BTreeMap::new();
        for (name, node) in entries {
            if let Some(first) = seen.get(&name.text) {
                complaints.add(given_twice(&name, first));
                continue;
            }
            seen.insert(name.text.clone(), name.place.clone());
            let inner = match path {
                "" => name.text.clone(),
                _ => format!("{path}.{}", name.text),
            };
            // A dot inside a name is never the border of a section.
            let known = !name.text.contains('.');
            match Key::of_path(&inner).filter(|_| known) {
                Some(key) => self.add_node(key, node, complaints),
                None if known && keys::is_section(&inner) => match node.content {
                    Content::Nothing => {}
                    Content::Map(entries) => self.add_section(&inner, entries, complaints),
                    Content::Text(_) | Content::List(_) => complaints.add(
                        Complaint::error(format!("`{inner}` holds keys, not a value"))
                            .at(Some(&node.place))
                            .help(format!("its keys are {}", listed(&keys::names_in(&inner)))),
                    ),
                },
                None => complaints.add(unknown_key(path, &name)),
            }
        }
    }

    fn add_node(&mut self, key: Key, node: Node, complaints: &mut Complaints) {
        let place = node.place.clone();
        match shaped(key, node, complaints) {
            Ok(value) => {
                let origin = Origin::File {
                    name: self.file.clone(),
                    line: place.line(),
                };
                let place = Some(place);
                self.given.insert(
                    key,
                    Given {
                        value,
                        origin,
                        place,
                    },
                );
            }
            Err(complaint) => complaints.add(complaint),
        }
    }

    /// Takes what concerns Tenure; an empty variable counts as not set.
    pub fn add_environment(
        &mut self,
        variables: &[(OsString, OsString)],
        complaints: &mut Complaints,
    ) {
        for (variable, text) in variables {
            let Some(variable) = variable.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let Some(key) = Key::ALL.into_iter().find(|key| key.variable() == variable) else {
                complaints_of_stranger(variable, complaints);
                continue;
            };
            self.add_variable(key, variable, text, complaints);
        }
    }

    fn add_variable(
        &mut self,
        key: Key,
        variable: &str,
        text: &OsStr,
        complaints: &mut Complaints,
    ) {
        if text.is_empty() {
            return;
        }
        let Some(text) = text.to_str() else {
            complaints.add(Complaint::error(format!(
                "the environment variable {variable} is not UTF-8"
            )));
            return;
        };
        if matches!(key.shape(), Shape::Map | Shape::Tree) {
            let place = Source::environment(variable, "***").place(whole(variable, "***"));
            complaints.add(file_only(key).at(Some(&place)));
            return;
        }
        let source = Source::environment(variable, text);
        let origin = Origin::Environment(variable.to_owned());
        let part = |start, width| Some(source.place(within(variable, start, width)));
        self.add_text(key, text, origin, &part);
    }

    pub fn add_flags(&mut self, flags: &[Override], complaints: &mut Complaints) {
        for Override { key, text, flag } in flags {
            let source = Source::flag(flag, text);
            let part = |start, width| Some(source.place(within(flag, start, width)));
            match Key::of_path(key) {
                Some(key) if matches!(key.shape(), Shape::Map | Shape::Tree) => {
                    complaints.add(file_only(key));
                }
                Some(key) => self.add_text(key, text, Origin::Flag(flag.clone()), &part),
                None => {
                    let message = format!("the flag {flag} sets `{key}`, which is no key");
                    complaints.add(Complaint::error(message));
                }
            }
        }
    }

    fn add_text(
        &mut self,
        key: Key,
        text: &str,
        origin: Origin,
        part: &dyn Fn(usize, usize) -> Option<Place>,
    ) {
        let given = Given {
            value: value(key.shape(), text, part),
            origin,
            place: part(0, text.chars().count()),
        };
        self.given.insert(key, given);
    }
}

/// A value as the environment has it; `part` is the place of a stretch of the text, in characters.
fn value(shape: Shape, text: &str, part: &dyn Fn(usize, usize) -> Option<Place>) -> Value {
    match shape {
        Shape::Scalar => Value::Text(text.trim().to_owned()),
        Shape::Optional => match text.trim() {
            "" | NOTHING => Value::Nothing,
            text => Value::Text(text.to_owned()),
        },
        Shape::List if text.trim().is_empty() => Value::List(Vec::new()),
        Shape::List => Value::List(items(text, part)),
        Shape::Map => Value::Map(Vec::new()),
        Shape::Tree => Value::Nothing,
    }
}

fn items(text: &str, part: &dyn Fn(usize, usize) -> Option<Place>) -> Vec<Item> {
    let mut start = 0;
    let mut items = Vec::new();
    for piece in text.split(',') {
        let item = piece.trim();
        let blank = piece.chars().count() - piece.trim_start().chars().count();
        items.push(Item {
            text: item.to_owned(),
            place: part(start + blank, item.chars().count()),
        });
        start += piece.chars().count() + 1;
    }
    items
}

/// A stretch of the text after a name and one separator.
fn within(name: &str, start: usize, width: usize) -> Span {
    Span {
        line: 1,
        column: name.chars().count() + 2 + start,
        width,
    }
}

fn whole(name: &str, text: &str) -> Span {
    within(name, 0, text.chars().count())
}

/// The content of a node in the shape that the key has.
fn shaped(key: Key, node: Node, complaints: &mut Complaints) -> Result<Value, Complaint> {
    let path = key.path();
    let place = node.place;
    let wrong = |message: String| Complaint::error(message).at(Some(&place));
    match (key.shape(), node.content) {
        (Shape::Scalar | Shape::Optional, Content::Text(text)) => Ok(Value::Text(text)),
        (Shape::Scalar | Shape::Optional | Shape::Tree, Content::Nothing) => Ok(Value::Nothing),
        (Shape::Scalar | Shape::Optional, Content::List(_)) => {
            let help = match key {
                Key::BootstrapServers => "write them as one text: host-1:9092,host-2:9092",
                _ => "write a single value",
            };
            Err(wrong(format!("`{path}` takes one value, not a list")).help(help))
        }
        (Shape::Scalar | Shape::Optional, Content::Map(_)) => {
            Err(wrong(format!("`{path}` takes one value, not keys")).help("write a single value"))
        }
        (Shape::List, Content::Nothing) => Ok(Value::List(Vec::new())),
        (Shape::List, Content::List(nodes)) => {
            let items = nodes
                .into_iter()
                .filter_map(|node| item(path, node, complaints));
            Ok(Value::List(items.collect()))
        }
        (Shape::List, Content::Text(_) | Content::Map(_)) => Err(wrong(format!(
            "`{path}` takes a list"
        ))
        .help(match key.default_text() {
            "" => format!("write `{}: [first, second]`", key.name()),
            default => format!("write for instance `{}: [{}]`", key.name(), spaced(default)),
        })),
        (Shape::Map, Content::Nothing) => Ok(Value::Map(Vec::new())),
        (Shape::Map, Content::Map(entries)) => Ok(Value::Map(map(path, entries, complaints))),
        (Shape::Tree, content @ Content::Map(_)) => Ok(Value::Tree(Node { content, place })),
        (Shape::Tree, Content::Text(_) | Content::List(_)) => Err(sources::wrong_shape(&place)),
        (Shape::Map, Content::Text(_) | Content::List(_)) => {
            Err(wrong(format!("`{path}` takes names with values"))
                .help("write one `name: value` on each line below it"))
        }
    }
}

fn item(path: &str, node: Node, complaints: &mut Complaints) -> Option<Item> {
    match node.content {
        Content::Text(text) => Some(Item {
            text,
            place: Some(node.place),
        }),
        Content::Nothing | Content::List(_) | Content::Map(_) => {
            complaints.add(
                Complaint::error(format!("`{path}` takes a list of texts"))
                    .at(Some(&node.place))
                    .help("write one text for each item; put `null` or `~` in quotes if you mean the text"),
            );
            None
        }
    }
}

fn map(path: &str, entries: Vec<(Name, Node)>, complaints: &mut Complaints) -> Vec<Entry> {
    let mut seen: BTreeMap<String, Place> = BTreeMap::new();
    let mut map = Vec::new();
    for (name, node) in entries {
        if let Some(first) = seen.get(&name.text) {
            complaints.add(given_twice(&name, first));
            continue;
        }
        seen.insert(name.text.clone(), name.place.clone());
        match node.content {
            Content::Text(text) => map.push(Entry {
                name: Item {
                    text: name.text,
                    place: Some(name.place),
                },
                value: Item {
                    text,
                    place: Some(node.place),
                },
            }),
            Content::Nothing | Content::List(_) | Content::Map(_) => complaints.add(
                Complaint::error(format!("`{path}` takes one text for each name"))
                    .at(Some(&name.place))
                    .help("write dotted names on one level, for instance `security.protocol: SSL`"),
            ),
        }
    }
    map
}

pub(super) fn given_twice(name: &Name, first: &Place) -> Complaint {
    Complaint::error(format!("{} is given twice", quoted(&name.text)))
        .at(Some(&name.place))
        .help(format!(
            "it stands on line {} already; remove one of them",
            first.line()
        ))
}

fn unknown_key(section: &str, name: &Name) -> Complaint {
    let message = match section {
        "" => format!("unknown key {}", quoted(&name.text)),
        _ => format!("unknown key {} in `{section}`", quoted(&name.text)),
    };
    Complaint::error(message)
        .at(Some(&name.place))
        .help(way_out(section, &name.text))
}

/// Help for an unknown key: the right spelling, the right section, or what there is.
fn way_out(section: &str, name: &str) -> String {
    let known = keys::names_in(section);
    // Who wrote it into a section meant that one, if it has something like it.
    let near = nearest(name, known.iter().copied());
    if let Some(near) = near.filter(|_| !section.is_empty()) {
        return format!("did you mean `{near}`?");
    }
    let elsewhere = Key::ALL
        .into_iter()
        .find(|key| key.name() == name || key.path() == name);
    if let Some(key) = elsewhere {
        return match key.path().rsplit_once('.') {
            Some((home, plain)) => format!("write `{plain}` inside of `{home}:`, indented"),
            None => format!("write `{}` at the beginning of its line", key.path()),
        };
    }
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", listed(&known)),
    }
}

/// Warns about a variable that is nearly one of ours; others may be there for other programs.
fn complaints_of_stranger(variable: &str, complaints: &mut Complaints) {
    let variables: Vec<String> = Key::ALL.into_iter().map(Key::variable).collect();
    let names = variables
        .iter()
        .filter_map(|variable| variable.strip_prefix(PREFIX));
    let Some(near) = variable
        .strip_prefix(PREFIX)
        .and_then(|name| nearest(name, names))
    else {
        return;
    };
    complaints.add(
        Complaint::warning(format!(
            "the environment variable {} is ignored: there is no such key",
            quoted(variable)
        ))
        .help(format!("did you mean `{PREFIX}{near}`?")),
    );
}

fn file_only(key: Key) -> Complaint {
    Complaint::error(format!("`{}` can be set in the file only", key.path()))
        .help("write it into the file given by --config")
}

pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn spaced(list: &str) -> String {
    list.replace(',', ", ")
}
