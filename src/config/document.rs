//! A file of settings as a tree of texts, each with its place.
//!
//! Owns the reading of YAML. Promises the text of every value as it was written (`on`, `1e3` and
//! `0x10` stay what they are), so that every key decides itself what its text means. Anchors,
//! aliases and merge keys are refused: settings are short, and a value stands where it is used.
//! Does not know which keys there are.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Options, Spanned};

use super::complaint::{Complaint, Place, Source, Span};

/// A value of the file and where it stands.
#[derive(Debug)]
pub struct Node {
    pub content: Content,
    pub place: Place,
}

/// What a value is made of.
#[derive(Debug)]
pub enum Content {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Name, Node)>),
}

/// A name in a map and where it stands.
#[derive(Debug, Clone)]
pub struct Name {
    pub text: String,
    pub place: Place,
}

/// Deeper nesting is no settings.
const MAX_DEPTH: usize = 16;

/// Reads a file of settings; `name` is how complaints call it. An empty file is an empty tree.
pub fn read(name: &str, text: &str) -> Result<Node, Complaint> {
    read_source(Source::file(name.to_owned(), text), text)
}

/// The same of a text whose lines are shown as the source has them.
pub fn read_source(source: Arc<Source>, text: &str) -> Result<Node, Complaint> {
    match serde_saphyr::from_str_with_options::<Spanned<Written>>(text, options()) {
        Ok(written) => Ok(Reader { text, source }.node(written)),
        Err(error) => Err(complaint(&error, &source)),
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! { max_aliases: 0, max_anchors: 0, max_depth: MAX_DEPTH },
    }
}

/// A value as the YAML library hands it over. What it takes for a number or a truth value is only
/// marked: its text is in the file.
enum Written {
    Nothing,
    Plain,
    Text(String),
    List(Vec<Spanned<Written>>),
    Map(Vec<(Spanned<String>, Spanned<Written>)>),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Written, E> {
        Ok(Written::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Written, E> {
        Ok(Written::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Written, E> {
        Ok(Written::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Written, E> {
        Ok(Written::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Written, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Written::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Written, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Written::Map(map))
    }
}

struct Reader<'a> {
    text: &'a str,
    source: Arc<Source>,
}

impl Reader<'_> {
    fn node(&self, written: Spanned<Written>) -> Node {
        let content = match written.value {
            Written::Nothing => Content::Nothing,
            Written::Plain => Content::Text(self.text_at(written.referenced)),
            Written::Text(text) => Content::Text(text),
            Written::List(items) => {
                Content::List(items.into_iter().map(|item| self.node(item)).collect())
            }
            Written::Map(entries) => {
                Content::Map(entries.into_iter().map(|entry| self.entry(entry)).collect())
            }
        };
        Node {
            content,
            place: place(&self.source, written.referenced),
        }
    }

    fn entry(&self, (name, value): (Spanned<String>, Spanned<Written>)) -> (Name, Node) {
        let name = Name {
            place: place(&self.source, name.referenced),
            text: name.value,
        };
        (name, self.node(value))
    }

    fn text_at(&self, location: Location) -> String {
        let span = location.span();
        let bytes = || {
            let start = usize::try_from(span.byte_offset()?).ok()?;
            let length = usize::try_from(span.byte_len()?).ok()?;
            self.text.get(start..start.checked_add(length)?)
        };
        bytes().unwrap_or_default().to_owned()
    }
}

fn place(source: &Arc<Source>, location: Location) -> Place {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    source.place(Span {
        line: size(location.line()).max(1),
        column: size(location.column()).max(1),
        width: size(location.span().len()),
    })
}

/// Says what the YAML library says, without the text of any value.
fn complaint(error: &Error, source: &Arc<Source>) -> Complaint {
    let at = error.location().map(|location| place(source, location));
    let (message, help) = explanation(error);
    let complaint = Complaint::error(message).at(at.as_ref());
    match help {
        Some(help) => complaint.help(help),
        None => complaint,
    }
}

fn explanation(error: &Error) -> (String, Option<&'static str>) {
    let (message, help) = match error {
        Error::UnknownAnchor { .. }
        | Error::Budget {
            breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. },
            ..
        } => (
            "anchors (`&`) and aliases (`*`) are not supported",
            "write the value where it is used; put a text that begins with `&` or `*` in quotes",
        ),
        Error::MergeKeyNotAllowed { .. } => (
            "merge keys (`<<`) are not supported",
            "write the keys where they are used",
        ),
        Error::MultipleDocuments { .. } => (
            "the file holds more than one YAML document",
            "remove the line `---` or `...` and what follows",
        ),
        Error::Unexpected { .. } | Error::NullIntoString { .. } => (
            "this cannot be a key",
            "write `key: value`, the key as a plain text",
        ),
        other => return syntax(&other.to_string()),
    };
    (message.to_owned(), Some(help))
}

/// The message of the parser, without the place at its end.
fn syntax(message: &str) -> (String, Option<&'static str>) {
    let message = message.split(" at line ").next().unwrap_or(message);
    if message.starts_with("unexpected character") {
        return (
            "not YAML: no value can begin with this character".to_owned(),
            Some("put the value in quotes"),
        );
    }
    let help = match message {
        "mapping values are not allowed in this context" => {
            Some("indent the line like its neighbours, and put a text that contains `: ` in quotes")
        }
        text if text.contains("tabs") => Some("indent with spaces"),
        text if text.contains("multiline quoted scalar") => {
            Some("a quote that was opened above is not closed")
        }
        text if text.contains("illegal placement") || text.contains("unclosed bracket") => {
            Some("close every `[` and `{`")
        }
        text if text.contains("did not find expected ',' or") => {
            Some("between `{` and `}`, or `[` and `]`, put a text with one of these in quotes")
        }
        text if text.contains("did not find expected key") => {
            Some("indent the line like its neighbours")
        }
        _ => None,
    };
    (format!("not YAML: {message}"), help)
}
