//! A section of the web config file: keys with values, each read once.
//!
//! Owns the complaints about names and about the shape of values. Does not know what they mean.

use crate::config::complaint::{Complaint, Complaints, Place, quoted};
use crate::config::document::{Content, Name, Node};
use crate::config::layers::{given_twice, listed};
use crate::config::nearest::nearest;
use crate::config::values::{Parsed, Trouble};

/// What YAML takes for yes and for no.
const SWITCHES: [(&str, bool); 6] = [
    ("true", true),
    ("yes", true),
    ("on", true),
    ("false", false),
    ("no", false),
    ("off", false),
];

/// The values of a section by their names, as far as they were not yet taken.
pub struct Section {
    /// What stands before the names in a message.
    prefix: String,
    found: Vec<(Name, Node)>,
}

impl Section {
    /// The section in a node; `what` is how messages call it. None where there are no names at all;
    /// after a complaint about a name the others can still be read, for the complaints about them.
    pub fn of(node: Node, what: &str, known: &[&str], complaints: &mut Complaints) -> Option<Self> {
        let entries = match node.content {
            Content::Map(entries) => entries,
            Content::Nothing => Vec::new(),
            Content::Text(_) | Content::List(_) => {
                let help = format!("its keys are {}", listed(known));
                complain(
                    complaints,
                    &node.place,
                    format!("{what} holds keys, not a value"),
                    help,
                );
                return None;
            }
        };
        let named = what
            .strip_prefix('`')
            .and_then(|what| what.strip_suffix('`'));
        let mut section = Self {
            prefix: named.map_or_else(String::new, |named| format!("{named}.")),
            found: Vec::new(),
        };
        for (name, value) in entries {
            let twin = section
                .found
                .iter()
                .find(|(found, _)| found.text == name.text);
            if let Some((first, _)) = twin {
                complaints.add(given_twice(&name, &first.place));
            } else if known.contains(&name.text.as_str()) {
                section.found.push((name, value));
            } else {
                complaints.add(unknown(&name, what, known));
            }
        }
        Some(section)
    }

    /// Takes a value out, unless it is missing or nothing.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let at = self
            .found
            .iter()
            .position(|(found, _)| found.text == name)?;
        let (_, node) = self.found.swap_remove(at);
        (!matches!(node.content, Content::Nothing)).then_some(node)
    }

    /// Whether nothing is left that says anything.
    pub fn is_empty(&self) -> bool {
        self.found.iter().all(|(_, node)| match &node.content {
            Content::Nothing => true,
            Content::Text(text) => text.is_empty(),
            Content::List(_) | Content::Map(_) => false,
        })
    }

    /// A text with its place; an empty one counts as missing. None after a complaint.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it there"
    )]
    pub fn placed(
        &mut self,
        name: &str,
        complaints: &mut Complaints,
    ) -> Option<Option<(String, Place)>> {
        let Some(node) = self.take(name) else {
            return Some(None);
        };
        match node.content {
            Content::Text(text) if text.is_empty() => Some(None),
            Content::Text(text) => Some(Some((text, node.place))),
            Content::Nothing | Content::List(_) | Content::Map(_) => {
                let message = format!("`{}{name}` takes one value", self.prefix);
                complain(complaints, &node.place, message, "write a single value");
                None
            }
        }
    }

    /// A text, parsed.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it there"
    )]
    pub fn text<T>(
        &mut self,
        name: &str,
        complaints: &mut Complaints,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<Option<T>> {
        match self.placed(name, complaints)? {
            None => Some(None),
            Some((text, place)) => self
                .parsed(name, &place, complaints, parse(&text))
                .map(Some),
        }
    }

    /// A yes or a no.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it there"
    )]
    pub fn switch(&mut self, name: &str, complaints: &mut Complaints) -> Option<Option<bool>> {
        self.text(name, complaints, |text| {
            let lower = text.to_ascii_lowercase();
            let known = SWITCHES.into_iter().find(|(word, _)| *word == lower);
            known.map(|(_, on)| on).ok_or_else(|| Trouble {
                message: format!("{} is neither true nor false", quoted(text)),
                help: "write true or false".to_owned(),
            })
        })
    }

    /// The texts of a list, each parsed.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it there"
    )]
    pub fn list<T>(
        &mut self,
        name: &str,
        complaints: &mut Complaints,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<Option<Vec<T>>> {
        let Some(node) = self.take(name) else {
            return Some(None);
        };
        let Content::List(items) = node.content else {
            let message = format!("`{}{name}` takes a list", self.prefix);
            complain(complaints, &node.place, message, "write `[first, second]`");
            return None;
        };
        let (count, mut values) = (items.len(), Vec::new());
        for item in items {
            match item.content {
                Content::Text(text) => {
                    values.extend(self.parsed(name, &item.place, complaints, parse(&text)));
                }
                Content::Nothing | Content::List(_) | Content::Map(_) => {
                    let message = format!("`{}{name}` takes a list of texts", self.prefix);
                    complain(
                        complaints,
                        &item.place,
                        message,
                        "write one text for each item",
                    );
                }
            }
        }
        (values.len() == count).then_some(Some(values))
    }

    fn parsed<T>(
        &self,
        name: &str,
        place: &Place,
        complaints: &mut Complaints,
        parsed: Parsed<T>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(Trouble { message, help }) => {
                let message = format!("`{}{name}`: {message}", self.prefix);
                complain(complaints, place, message, help);
                None
            }
        }
    }
}

fn unknown(name: &Name, what: &str, known: &[&str]) -> Complaint {
    let help = match nearest(&name.text, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", listed(known)),
    };
    Complaint::error(format!("unknown key {} in {what}", quoted(&name.text)))
        .at(Some(&name.place))
        .help(help)
}

pub fn complain(
    complaints: &mut Complaints,
    place: &Place,
    message: impl Into<String>,
    help: impl Into<String>,
) {
    complaints.add(Complaint::error(message).at(Some(place)).help(help));
}
