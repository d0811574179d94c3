//! Options: texts of a preset or a mapping file that its user sets.
//!
//! Owns their declaration, what is given for them, and that `${name}` in any text of the mapping is
//! replaced by it before the text is read. An option without a default must be given. A part that
//! uses an option which is null is left out.

use std::collections::BTreeMap;

use crate::config::complaint::{Place, quoted};
use crate::config::document::{Content, Name, Node};
use crate::config::layers::listed;
use crate::config::nearest::nearest;

use super::Reader;

const OF_OPTION: [&str; 2] = ["about", "default"];

/// The values of options by their names; nothing for null.
#[derive(Debug, Default)]
pub(super) struct Options(BTreeMap<String, Option<String>>);

/// A part of a mapping with its options put in.
pub(super) enum Filled {
    Whole(Node),
    /// It uses this option, which is null.
    LeftOut(String),
}

/// Why a text could not be filled.
enum Unfilled {
    Null(String),
    Unknown(String),
}

impl Options {
    /// Their values, as a file would have them, of those that are not null.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = self.0.iter();
        values.filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// The text with every `${name}` replaced.
    fn fill(&self, text: &str) -> Result<Option<String>, Unfilled> {
        if !text.contains("${") {
            return Ok(None);
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            filled.push_str(before);
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| Unfilled::Unknown(after.to_owned()))?;
            match self.0.get(name) {
                Some(Some(value)) => filled.push_str(value),
                Some(None) => return Err(Unfilled::Null(name.to_owned())),
                None => return Err(Unfilled::Unknown(name.to_owned())),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(Some(filled))
    }
}

impl Reader<'_> {
    /// The options of a mapping: declared in it, and given where it is used, at `place`.
    pub fn options(
        &mut self,
        declared: Option<Node>,
        given: Option<Node>,
        what: &str,
        place: &Place,
    ) -> Option<Options> {
        let declared = match declared {
            Some(node) => self.declared(node)?,
            None => Vec::new(),
        };
        let names: Vec<&str> = declared.iter().map(|(name, _)| name.as_str()).collect();
        let mut values = self.given(given, &names, what)?;
        let mut options = Options::default();
        for (name, default) in &declared {
            let value = match (values.remove(name), default) {
                (Some(value), _) => value,
                (None, Some(default)) => default.clone(),
                (None, None) => {
                    let help = format!("write `options: {{ {name}: ... }}` beside it");
                    self.complain(place, format!("{what} needs the option `{name}`"), help);
                    return None;
                }
            };
            options.0.insert(name.clone(), value);
        }
        Some(options)
    }

    /// Names and defaults; no default means that the option must be given.
    #[expect(
        clippy::option_option,
        reason = "two questions: is there a default, and is it null"
    )]
    fn declared(&mut self, node: Node) -> Option<Vec<(String, Option<Option<String>>)>> {
        let mut declared = Vec::new();
        for (name, node) in self.entries(node, "`options`", &[])? {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.text.is_empty() || !name.text.bytes().all(plain) {
                let message = format!("{} is no name of an option", quoted(&name.text));
                self.complain(&name.place, message, "use a-z, A-Z, 0-9 and _");
                return None;
            }
            let what = format!("the option {}", quoted(&name.text));
            let mut fields = self.fields(node, &what, &OF_OPTION)?;
            let default = match fields.take("default") {
                None => None,
                Some(node) if matches!(node.content, Content::Nothing) => Some(None),
                Some(node) => Some(Some(self.text(node, "default")?.0)),
            };
            if let Some(about) = fields.take("about") {
                self.text(about, "about")?;
            }
            declared.push((name.text, default));
        }
        Some(declared)
    }

    fn given(
        &mut self,
        node: Option<Node>,
        known: &[&str],
        what: &str,
    ) -> Option<BTreeMap<String, Option<String>>> {
        let mut given = BTreeMap::new();
        let Some(node) = node.filter(|node| !matches!(node.content, Content::Nothing)) else {
            return Some(given);
        };
        for (Name { text, place }, node) in self.entries(node, "`options`", &[])? {
            if !known.contains(&text.as_str()) {
                let help = match (nearest(&text, known.iter().copied()), known) {
                    (Some(near), _) => format!("did you mean `{near}`?"),
                    (None, []) => "remove it: there are none".to_owned(),
                    (None, known) => format!("its options are {}", listed(known)),
                };
                let message = format!("{what} has no option {}", quoted(&text));
                self.complain(&place, message, help);
                return None;
            }
            let value = match node.content {
                Content::Nothing => None,
                _ => Some(self.text(node, &text)?.0),
            };
            given.insert(text, value);
        }
        Some(given)
    }

    /// Puts the options into all texts of a part of a mapping, names included.
    pub fn filled(&mut self, node: Node, options: &Options) -> Option<Filled> {
        match fill(node, options) {
            Ok(node) => Some(Filled::Whole(node)),
            Err((_, Unfilled::Null(name))) => Some(Filled::LeftOut(name)),
            Err((place, Unfilled::Unknown(name))) => {
                let known: Vec<&str> = options.0.keys().map(String::as_str).collect();
                let help = match (nearest(&name, known.iter().copied()), known.as_slice()) {
                    (Some(near), _) => format!("did you mean `${{{near}}}`?"),
                    (None, []) => "declare it under `options` of the mapping file".to_owned(),
                    (None, known) => format!("the options here are {}", listed(known)),
                };
                let message = format!("there is no option {}", quoted(&name));
                self.complain(&place, message, help);
                None
            }
        }
    }

    /// The same for a part that cannot be left out.
    pub fn filled_whole(&mut self, node: Node, options: &Options) -> Option<Node> {
        let place = node.place.clone();
        match self.filled(node, options)? {
            Filled::Whole(node) => Some(node),
            Filled::LeftOut(name) => {
                let help = format!("give it under `options`: `{name}: ...`");
                self.complain(&place, format!("the option `{name}` is null"), help);
                None
            }
        }
    }
}

fn fill(node: Node, options: &Options) -> Result<Node, (Place, Unfilled)> {
    let Node { content, place } = node;
    let text = |text: String, place: &Place| match options.fill(&text) {
        Ok(filled) => Ok(filled.unwrap_or(text)),
        Err(unfilled) => Err((place.clone(), unfilled)),
    };
    let content = match content {
        Content::Nothing => Content::Nothing,
        Content::Text(given) => Content::Text(text(given, &place)?),
        Content::List(items) => {
            let items = items.into_iter().map(|item| fill(item, options));
            Content::List(items.collect::<Result<_, _>>()?)
        }
        Content::Map(entries) => {
            let entries = entries.into_iter().map(|(name, node)| {
                let name = Name {
                    text: text(name.text, &name.place)?,
                    place: name.place,
                };
                Ok((name, fill(node, options)?))
            });
            Content::Map(entries.collect::<Result<_, _>>()?)
        }
    };
    Ok(Node { content, place })
}
