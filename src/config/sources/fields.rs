//! The parts of a mapping as YAML: maps with known keys, lists, texts.

use crate::config::complaint::{Complaint, Place, quoted};
use crate::config::document::{Content, Name, Node};
use crate::config::layers::{given_twice, listed};
use crate::config::nearest::nearest;
use crate::config::values::{Parsed, Trouble};

use super::Reader;

/// The values of a map by their names.
#[derive(Debug)]
pub(super) struct Fields {
    found: Vec<(Name, Node)>,
}

impl Fields {
    /// Takes the value of a name out.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let mut names = self.found.iter();
        let at = names.position(|(found, _)| found.text == name)?;
        Some(self.found.remove(at).1)
    }

    /// Whether there is a value of that name.
    pub fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(found, _)| found.text == name)
    }

    /// Where the name of a value stands.
    pub fn place(&self, name: &str) -> Option<&Place> {
        let mut names = self.found.iter().map(|(found, _)| found);
        let found = names.find(|found| found.text == name)?;
        Some(&found.place)
    }

    /// The names of what was not taken.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.found.iter().map(|(name, _)| name)
    }

    /// What was not taken.
    pub fn rest(self) -> Vec<(Name, Node)> {
        self.found
    }
}

impl Reader<'_> {
    pub fn complain(&mut self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.complaints
            .add(Complaint::error(message).at(Some(place)).help(help));
    }

    /// The values by the names that there can be; None if there are no names at all. A name that
    /// cannot be there is complained of and left out.
    pub fn fields(&mut self, node: Node, what: &str, known: &[&str]) -> Option<Fields> {
        let entries = self.entries(node, what, known)?;
        let mut found = Vec::new();
        for (name, value) in entries {
            if known.contains(&name.text.as_str()) {
                found.push((name, value));
            } else {
                self.complaints.add(stranger(&name, what, known));
            }
        }
        Some(Fields { found })
    }

    /// The values of a map whose names can be anything, each once.
    pub fn entries(&mut self, node: Node, what: &str, known: &[&str]) -> Option<Vec<(Name, Node)>> {
        let Content::Map(given) = node.content else {
            let message = format!("{what} holds keys, not a value");
            let help = match known {
                [] => "write one `key: value` on each line below it".to_owned(),
                known => format!("its keys are {}", listed(known)),
            };
            self.complain(&node.place, message, help);
            return None;
        };
        let mut entries: Vec<(Name, Node)> = Vec::new();
        for (name, value) in given {
            match entries.iter().find(|(first, _)| first.text == name.text) {
                Some((first, _)) => self.complaints.add(given_twice(&name, &first.place)),
                None => entries.push((name, value)),
            }
        }
        Some(entries)
    }

    /// One text, with its place.
    pub fn text(&mut self, node: Node, name: &str) -> Option<(String, Place)> {
        match node.content {
            Content::Text(text) => Some((text, node.place)),
            Content::Nothing | Content::List(_) | Content::Map(_) => {
                let message = format!("`{name}` takes one text");
                self.complain(&node.place, message, "write a single value");
                None
            }
        }
    }

    /// One text, checked.
    pub fn parsed<T>(
        &mut self,
        node: Node,
        name: &str,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        let (text, place) = self.text(node, name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(Trouble { message, help }) => {
                self.complain(&place, format!("`{name}`: {message}"), help);
                None
            }
        }
    }

    /// One text or a list of them, at least one.
    pub fn texts(&mut self, node: Node, name: &str) -> Option<Vec<(String, Place)>> {
        let place = node.place.clone();
        let items = match node.content {
            Content::List(items) => items,
            content => vec![Node {
                content,
                place: node.place,
            }],
        };
        if items.is_empty() {
            let help = "write one text, or several as in `[first, second]`";
            self.complain(&place, format!("`{name}` is empty"), help);
            return None;
        }
        self.each(items, |reader, item| reader.text(item, name))
    }

    /// Something of each node; None after a complaint about any of them.
    pub fn each<T>(
        &mut self,
        nodes: Vec<Node>,
        mut read: impl FnMut(&mut Self, Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = nodes.len();
        let nodes = nodes.into_iter();
        let found: Vec<T> = nodes.filter_map(|node| read(self, node)).collect();
        (found.len() == count).then_some(found)
    }
}

fn stranger(name: &Name, what: &str, known: &[&str]) -> Complaint {
    let help = match nearest(&name.text, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", listed(known)),
    };
    Complaint::error(format!("unknown key {} in {what}", quoted(&name.text)))
        .at(Some(&name.place))
        .help(help)
}
