//! Paths: where in a record a text is looked for.
//!
//! ```text
//! value.order.lines[0].sku        keys, and the place in an array (from 0; -1 is the last one)
//! value.answers[field.ref=nps].number     the first item of which that path has that text
//! value.data."odd.key"            a key in quotes can hold anything
//! value[0].user_email             the root itself may be an array
//! key        key.id               the record's key as text, or inside of it, if it is JSON
//! header.X-Shopify-Topic          a header by its name, in any case
//! record.topic  .partition  .offset  .timestamp   where the record stands, and Kafka's timestamp
//! ce.id  ce.source  ce.type  ce.subject  ce.time  ce.data...   with `envelope: cloudevents`
//! item.score                      inside of a rule with `each`: the item
//! ```

use std::fmt;

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    Value,
    Key,
    /// The one step that follows is the name.
    Header,
    /// Followed by `topic`, `partition`, `offset` or `timestamp`.
    Record,
    /// An attribute of a CloudEvent, or `data` and what is in it.
    CloudEvent,
    Item,
}

/// A step from a JSON value into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Key(String),
    /// From the front from 0, from the back from -1.
    Index(i32),
    /// The first item in which the text at the path equals this one.
    Find {
        path: Vec<String>,
        text: String,
    },
}

/// Where in a record something is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    pub root: Root,
    pub steps: Vec<Step>,
}

impl Root {
    const ALL: [Self; 6] = [
        Self::Value,
        Self::Key,
        Self::Header,
        Self::Record,
        Self::CloudEvent,
        Self::Item,
    ];

    /// The word that a path begins with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Key => "key",
            Self::Header => "header",
            Self::Record => "record",
            Self::CloudEvent => "ce",
            Self::Item => "item",
        }
    }
}

/// What can be asked of a record itself.
const RECORD: [&str; 4] = ["topic", "partition", "offset", "timestamp"];

/// Longer paths lead deeper than records are read.
const MAX_STEPS: usize = 62;

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// The byte of the text at which it goes wrong, up to its length.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.help)
    }
}

impl std::error::Error for PathError {}

impl Path {
    /// Reads a path, as the documentation of the module has it.
    ///
    /// ```
    /// use tenure::event::mapping::path::Path;
    /// let path = Path::parse("value.answers[field.ref=nps].number").unwrap();
    /// assert_eq!(path.to_string(), "value.answers[field.ref=nps].number");
    /// assert_eq!(Path::parse("value.lines[x]").unwrap_err().at, 13);
    /// ```
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut reader = Reader { text, at: 0 };
        let root = reader.root()?;
        let mut steps = Vec::new();
        let mut places = Vec::new();
        while reader.at < text.len() {
            places.push(reader.at);
            steps.push(reader.step()?);
        }
        check(root, &steps, &places, text.len())?;
        Ok(Self { root, steps })
    }
}

/// Holds the steps against what their root has.
fn check(root: Root, steps: &[Step], places: &[usize], end: usize) -> Result<(), PathError> {
    let place = |step: usize| places.get(step).copied().unwrap_or(end);
    let error = |at: usize, message: &str, help: &str| {
        Err(PathError {
            at,
            message: message.to_owned(),
            help: help.to_owned(),
        })
    };
    if steps.len() > MAX_STEPS {
        let message = "the path leads deeper than records are read";
        return error(place(MAX_STEPS), message, "at most 62 steps");
    }
    match (root, steps) {
        (Root::Value | Root::Key | Root::Item, _) | (Root::Header, [Step::Key(_)]) => Ok(()),
        (Root::Header, [Step::Key(_), ..]) => error(
            place(1),
            "a header has nothing inside",
            "a name with dots or brackets stands in quotes: header.\"a.b\"",
        ),
        (Root::Header, _) => error(
            place(0),
            "the name of the header is missing",
            "for instance header.X-Shopify-Topic",
        ),
        (Root::Record, [Step::Key(name)]) if RECORD.contains(&name.as_str()) => Ok(()),
        (Root::Record, _) => error(
            place(0),
            "a record has no such part",
            "record.topic, record.partition, record.offset or record.timestamp",
        ),
        (Root::CloudEvent, [Step::Key(name), rest @ ..]) if rest.is_empty() || name == "data" => {
            Ok(())
        }
        (Root::CloudEvent, [Step::Key(_), ..]) => error(
            place(1),
            "an attribute of a CloudEvent has nothing inside",
            "only ce.data has: ce.data.order.id",
        ),
        (Root::CloudEvent, _) => error(
            place(0),
            "the name of the attribute is missing",
            "for instance ce.id, ce.type, ce.subject or ce.data.order.id",
        ),
    }
}

/// Reads a path from its beginning to its end.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn takes(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn error<T>(&self, message: impl Into<String>, help: &str) -> Result<T, PathError> {
        Err(PathError {
            at: self.at,
            message: message.into(),
            help: help.to_owned(),
        })
    }

    fn root(&mut self) -> Result<Root, PathError> {
        let word = self.plain();
        match Root::ALL.into_iter().find(|root| root.name() == word) {
            Some(root) => {
                self.at += word.len();
                Ok(root)
            }
            None if word.is_empty() => self.error("a path is missing", ROOTS),
            None => self.error(format!("no path begins with `{word}`"), ROOTS),
        }
    }

    fn step(&mut self) -> Result<Step, PathError> {
        if self.takes('.') {
            return self.key().map(Step::Key);
        }
        if !self.takes('[') {
            return self.error(
                "a dot or a bracket must follow",
                "keys with odd characters stand in quotes: value.\"odd key\"",
            );
        }
        let inside = self.rest();
        let digits = inside.strip_prefix('-').unwrap_or(inside);
        if digits.starts_with(|c: char| c.is_ascii_digit()) && !self.searches() {
            return self.index();
        }
        self.find()
    }

    /// Whether an equals sign comes before the bracket closes.
    fn searches(&self) -> bool {
        let end = self.rest().find(['=', ']', '"']);
        end.is_some_and(|end| !self.rest()[end..].starts_with(']'))
    }

    fn index(&mut self) -> Result<Step, PathError> {
        let inside = self.rest();
        let end = inside.find(']').unwrap_or(inside.len());
        let Ok(index) = inside[..end].parse() else {
            return self.error(
                "this is no place in an array",
                "a whole number: from 0 at the front, or from -1 at the back",
            );
        };
        self.at += end;
        self.closed()?;
        Ok(Step::Index(index))
    }

    fn find(&mut self) -> Result<Step, PathError> {
        let mut path = vec![self.key()?];
        while self.takes('.') {
            path.push(self.key()?);
        }
        if !self.takes('=') {
            return self.error(
                "an equals sign is missing",
                "a place like [0], or a search like [field.ref=nps]",
            );
        }
        let text = if self.rest().starts_with('"') {
            self.quoted()?
        } else {
            let end = self.rest().find(']').unwrap_or(self.rest().len());
            let text = self.rest()[..end].to_owned();
            if text.is_empty() {
                return self.error(
                    "the text to look for is missing",
                    "for instance [field.ref=nps]; nothing is equal to an empty text",
                );
            }
            self.at += end;
            text
        };
        self.closed()?;
        Ok(Step::Find { path, text })
    }

    fn closed(&mut self) -> Result<(), PathError> {
        if self.takes(']') {
            return Ok(());
        }
        self.error("the bracket is not closed", "a `]` belongs here")
    }

    fn key(&mut self) -> Result<String, PathError> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let key = self.plain();
        if key.is_empty() {
            return self.error(
                "a key is missing",
                "keys with odd characters stand in quotes: value.\"odd.key\"",
            );
        }
        self.at += key.len();
        Ok(key.to_owned())
    }

    /// What stands here up to a character that has a meaning of its own.
    fn plain(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(odd).unwrap_or(rest.len())]
    }

    fn quoted(&mut self) -> Result<String, PathError> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    _ => {
                        self.at += at;
                        return self.error(
                            "a backslash stands alone",
                            "in quotes, \\\" is a quote and \\\\ a backslash",
                        );
                    }
                },
                _ => text.push(character),
            }
        }
        self.error("the quotes are not closed", "a `\"` is missing at the end")
    }
}

const ROOTS: &str = "paths begin with value, key, header, record, ce or item: value.customer.id";

/// Whether a character means something in a path, so that a key that has it stands in quotes.
fn odd(character: char) -> bool {
    matches!(character, '.' | '[' | ']' | '=' | '"' | '\\')
        || character.is_whitespace()
        || character.is_control()
}

impl fmt::Display for Path {
    /// As it is read; reading it again gives the same path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.name())?;
        self.steps.iter().try_for_each(|step| step.fmt(f))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".{}", Key(key)),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Find { path, text } => {
                let path: Vec<String> = path.iter().map(|key| Key(key).to_string()).collect();
                write!(f, "[{}={}]", path.join("."), Key(text))
            }
        }
    }
}

/// A key, in quotes if it needs them.
struct Key<'a>(&'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && !self.0.contains(odd) {
            return f.write_str(self.0);
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_the_way_out() {
        for (text, at, message) in [
            ("", 0, "a path is missing"),
            ("customer.id", 0, "no path begins with `customer`"),
            ("value.", 6, "a key is missing"),
            ("value..id", 6, "a key is missing"),
            ("value.a b", 7, "a dot or a bracket must follow"),
            ("value.a=b", 7, "a dot or a bracket must follow"),
            ("valuea", 0, "no path begins with `valuea`"),
            ("value.\"a", 6, "the quotes are not closed"),
            ("value.\"a\\n\"", 8, "a backslash stands alone"),
            ("value[", 6, "a key is missing"),
            ("value[]", 6, "a key is missing"),
            ("value[0", 7, "the bracket is not closed"),
            ("value[1.5]", 6, "this is no place in an array"),
            ("value[99999999999]", 6, "this is no place in an array"),
            ("value[ref]", 9, "an equals sign is missing"),
            ("value[ref=]", 10, "the text to look for is missing"),
            ("value[ref=x", 11, "the bracket is not closed"),
            ("value[ref=\"x\"y]", 13, "the bracket is not closed"),
            ("header", 6, "the name of the header is missing"),
            ("header[0]", 6, "the name of the header is missing"),
            ("header.a.b", 8, "a header has nothing inside"),
            ("record", 6, "a record has no such part"),
            ("record.key", 6, "a record has no such part"),
            ("record.topic.x", 6, "a record has no such part"),
            ("ce", 2, "the name of the attribute is missing"),
            ("ce[0]", 2, "the name of the attribute is missing"),
            (
                "ce.id.x",
                5,
                "an attribute of a CloudEvent has nothing inside",
            ),
        ] {
            let error = Path::parse(text).unwrap_err();
            assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
            assert!(!error.help.is_empty(), "{text}");
        }
        let deep = format!("value{}", ".a".repeat(63));
        assert_eq!(Path::parse(&deep).unwrap_err().at, 5 + 2 * 62);
    }

    #[test]
    fn paths_are_read_and_shown_alike() {
        for text in [
            "value",
            "value.a.b",
            "value[0].a[-1]",
            "value.$set.a-b_c:d/e@f",
            "value.é",
            "value.\"a.b\".\"\".\"q\\\"\\\\\"",
            "value.answers[field.ref=nps].number",
            "value.answers[\"a.b\".\"c d\"=\"x]y\"]",
            "value.lines[0=1]",
            "key",
            "key.payload.id",
            "header.X-Shopify-Topic",
            "header.\"a.b\"",
            "record.timestamp",
            "ce.id",
            "ce.data.order[0].id",
            "item",
            "item.score",
        ] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        let shown = |text| Path::parse(text).unwrap().to_string();
        assert_eq!(shown("value.\"a\""), "value.a");
        assert_eq!(shown("value[ref=two words]"), "value[ref=\"two words\"]");
    }
}
