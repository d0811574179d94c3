//! The parts of a file of tests: maps with known keys, texts, lists.

use std::path::Path;

use crate::config::ReadFile;
use crate::config::complaint::{Complaint, Complaints, Place, quoted};
use crate::config::document::{Content, Name, Node};
use crate::config::layers::{given_twice, listed};
use crate::config::nearest::nearest;
use crate::config::values::{Parsed, Trouble};

/// The reading of one file, with what is wrong with it so far.
pub(super) struct Reader<'a> {
    pub name: &'a str,
    /// Files named in it are relative to this.
    pub folder: &'a Path,
    pub read_file: &'a ReadFile<'a>,
    pub complaints: &'a mut Complaints,
}

/// The values of a map by their names.
pub(super) struct Fields {
    found: Vec<(Name, Node)>,
    /// No name was unknown or given twice.
    pub sound: bool,
}

impl Fields {
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let names = self.found.iter().map(|(found, _)| found.text.as_str());
        let at = names.into_iter().position(|found| found == name)?;
        Some(self.found.remove(at).1)
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

    /// The values by the names that there can be; None if there are no names at all.
    pub fn fields(&mut self, node: Node, what: &str, known: &[&str]) -> Option<Fields> {
        let Content::Map(entries) = node.content else {
            let message = format!("{what} holds keys, not a value");
            let help = format!("its keys are {}", listed(known));
            self.complain(&node.place, message, help);
            return None;
        };
        let mut fields = Fields {
            found: Vec::new(),
            sound: true,
        };
        for (name, value) in entries {
            let mut earlier = fields.found.iter().map(|(found, _)| found);
            let twin = earlier.find(|found| found.text == name.text);
            let complaint = match twin {
                Some(first) => given_twice(&name, &first.place),
                None if known.contains(&name.text.as_str()) => {
                    fields.found.push((name, value));
                    continue;
                }
                None => stranger(&name, what, known),
            };
            self.complaints.add(complaint);
            fields.sound = false;
        }
        Some(fields)
    }

    /// A single text, with its place.
    pub fn text(&mut self, node: Node, name: &str) -> Option<(String, Place)> {
        let Content::Text(text) = node.content else {
            let message = format!("`{name}` takes one text");
            self.complain(&node.place, message, "write a single value");
            return None;
        };
        Some((text, node.place))
    }

    /// A single text, checked.
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
