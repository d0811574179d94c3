//! The records of a test.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Sample;
use crate::config::MAX_FILE_BYTES;
use crate::config::complaint::{Place, quoted};
use crate::config::document::{Content, Node};
use crate::config::sources::Reader;
use crate::config::sources::fields::Fields;
use crate::config::values::{self, Parsed, Trouble};
use crate::event::Timestamp;

const OF_RECORD: [&str; 10] = [
    "key",
    "key_base64",
    "headers",
    "value",
    "value_file",
    "value_base64",
    "timestamp",
    "topic",
    "partition",
    "offset",
];

/// Bytes that may be null; the outer option is a complaint.
type Bytes = Option<Option<Vec<u8>>>;

impl Reader<'_> {
    /// The one record or the several ones of a test.
    pub(super) fn samples(
        &mut self,
        record: Option<Node>,
        records: Option<Node>,
        place: &Place,
        topic: &str,
    ) -> Option<Vec<Sample>> {
        let items = match (record, records) {
            (Some(record), None) => vec![record],
            (
                None,
                Some(Node {
                    content: Content::List(items),
                    ..
                }),
            ) if !items.is_empty() => items,
            (None, Some(node)) => {
                let help = "begin each record with a dash, or write one below `record`";
                self.complain(&node.place, "`records` takes a list of records", help);
                return None;
            }
            (None, None) => {
                let help = "write `record:` and below it `value: |` with the JSON";
                self.complain(place, "the test has no `record`", help);
                return None;
            }
            (Some(_), Some(records)) => {
                let help = "put all of them into `records`";
                self.complain(&records.place, "the test has `record` and `records`", help);
                return None;
            }
        };
        let count = items.len();
        let items = items.into_iter().enumerate();
        let samples: Vec<_> = items
            .filter_map(|(number, item)| self.sample(item, number, topic))
            .collect();
        (samples.len() == count).then_some(samples)
    }

    fn sample(&mut self, node: Node, number: usize, topic: &str) -> Option<Sample> {
        let place = node.place.clone();
        let mut fields = self.fields(node, "a record", &OF_RECORD)?;
        let value = self.value(&mut fields, &place);
        let key = self.key(&mut fields);
        let headers = self.headers(fields.take("headers"));
        let recorded_at = self.optional(&mut fields, "timestamp", instant);
        let topic = self.or(&mut fields, "topic", topic.to_owned(), values::topic);
        let partition = self.or(&mut fields, "partition", 0, whole_number::<i32>);
        let offset = self.or(&mut fields, "offset", number as i64, whole_number::<i64>);
        let sample = Sample {
            topic: topic?,
            partition: partition?,
            offset: offset?,
            recorded_at: recorded_at?,
            key: key?,
            headers: headers?,
            value: value?,
        };
        Some(sample)
    }

    fn value(&mut self, fields: &mut Fields, place: &Place) -> Bytes {
        let given = ["value", "value_file", "value_base64"].map(|name| fields.take(name));
        match given {
            [Some(node), None, None] => self.value_text(node),
            [None, Some(node), None] => self.value_file(node).map(Some),
            [None, None, Some(node)] => self.parsed(node, "value_base64", base64).map(Some),
            [None, None, None] => {
                let help = "write `value: |` with the JSON below it, `value_file: FILE`, or \
                            `value: null` for a record without one";
                self.complain(place, "the record has no `value`", help);
                None
            }
            _ => {
                let help = "write one of `value`, `value_file` and `value_base64`";
                self.complain(place, "the record has more than one value", help);
                None
            }
        }
    }

    fn value_text(&mut self, node: Node) -> Bytes {
        match node.content {
            Content::Nothing => Some(None),
            Content::Text(text) => Some(Some(text.into_bytes())),
            Content::List(_) | Content::Map(_) => {
                let help = "write `value: |` and the JSON on the lines below it, indented: it is \
                            read as the backend writes it";
                self.complain(&node.place, "`value` takes the record as a text", help);
                None
            }
        }
    }

    fn value_file(&mut self, node: Node) -> Option<Vec<u8>> {
        let (path, place) = self.text(node, "value_file")?;
        let file = self.folder.join(PathBuf::from(&path));
        match (self.read_file)(&file, MAX_FILE_BYTES) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let message = format!("`value_file`: could not read {}: {error}", quoted(&path));
                let help = "write the path of a file that holds the value, relative to this file";
                self.complain(&place, message, help);
                None
            }
        }
    }

    fn key(&mut self, fields: &mut Fields) -> Bytes {
        match (fields.take("key"), fields.take("key_base64")) {
            (None, None) => Some(None),
            (Some(node), None) if matches!(node.content, Content::Nothing) => Some(None),
            (Some(node), None) => {
                let (text, _) = self.text(node, "key")?;
                Some(Some(text.into_bytes()))
            }
            (None, Some(node)) => self.parsed(node, "key_base64", base64).map(Some),
            (Some(_), Some(node)) => {
                let help = "write the one or the other";
                self.complain(&node.place, "the record has two keys", help);
                None
            }
        }
    }

    fn headers(&mut self, node: Option<Node>) -> Option<Vec<(String, Option<String>)>> {
        let Some(node) = node else {
            return Some(Vec::new());
        };
        let entries = match node.content {
            Content::Nothing => return Some(Vec::new()),
            Content::Map(entries) => entries,
            Content::Text(_) | Content::List(_) => {
                let help = "write one `Name: value` on each line below it";
                self.complain(&node.place, "`headers` takes names with values", help);
                return None;
            }
        };
        let mut headers = Vec::new();
        for (name, node) in entries {
            let value = match node.content {
                Content::Nothing => None,
                _ => Some(self.text(node, &name.text)?.0),
            };
            headers.push((name.text, value));
        }
        Some(headers)
    }

    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it there"
    )]
    fn optional<T>(
        &mut self,
        fields: &mut Fields,
        name: &str,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<Option<T>> {
        match fields.take(name) {
            None => Some(None),
            Some(node) => self.parsed(node, name, parse).map(Some),
        }
    }

    fn or<T>(
        &mut self,
        fields: &mut Fields,
        name: &str,
        otherwise: T,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        let given = self.optional(fields, name, parse)?;
        Some(given.unwrap_or(otherwise))
    }
}

/// RFC 3339 with a zone, or milliseconds since 1970.
pub(super) fn instant(text: &str) -> Parsed<Timestamp> {
    let millis = || text.parse().ok().map(Timestamp::from_millis);
    Timestamp::from_rfc3339(text)
        .or_else(millis)
        .ok_or_else(|| Trouble {
            message: format!("{} is no instant", quoted(text)),
            help: "write it as 2026-11-01T09:30:00Z, or as milliseconds since 1970".to_owned(),
        })
}

fn whole_number<T: std::str::FromStr>(text: &str) -> Parsed<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| Trouble {
        message: format!("{} is no whole number", quoted(text)),
        help: "write digits, from 0".to_owned(),
    })
}

fn base64(text: &str) -> Parsed<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(text).map_err(|error| Trouble {
        message: format!("this is no base64: {error}"),
        help: "write what `base64` makes of the bytes".to_owned(),
    })
}
