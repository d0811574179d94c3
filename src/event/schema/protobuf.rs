//! Protobuf: messages of a file of the registry, as JSON.
//!
//! Owns what a message becomes: fields under the names of the file, 64-bit integers as numbers with
//! every digit, enums by name, `bytes` as base64, timestamps as RFC 3339, and fields without presence
//! also where they are zero. The files of `google/protobuf` are compiled in. Promises the bounds of
//! [`schema`](super). Does not know where files come from.

use std::collections::BTreeMap;

use prost_reflect::bytes::BufMut as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::event::schema::{MAX_JSON_BYTES, SchemaError, SchemaText, hinted, wire};
use crate::event::{Reason, Rejection};

/// Under which name the file itself is compiled: no import is called so.
const ITSELF: &str = "schema of the registry.proto";

const NO_SUCH_MESSAGE: &str = "its schema has no such message";
const NO_MESSAGE: &str = "it is not a message of its schema";

/// A file, compiled with what it imports.
#[derive(Debug)]
pub struct Schema {
    pool: DescriptorPool,
    /// Not the messages of maps, which no file writes down and which are not counted.
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    descriptor: MessageDescriptor,
    inner: Vec<Message>,
}

impl Message {
    fn all(of: impl Iterator<Item = MessageDescriptor>) -> Vec<Self> {
        of.filter(|message| !message.is_map_entry())
            .map(|descriptor| Self {
                inner: Self::all(descriptor.child_messages()),
                descriptor,
            })
            .collect()
    }
}

/// The files that a schema refers to, by the paths of its imports.
struct Imports(BTreeMap<String, String>);

impl FileResolver for Imports {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = self.0.get(name);
        let text = text.ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, text)
    }
}

impl Schema {
    /// Compiles a file.
    pub fn read(written: &SchemaText) -> Result<Self, SchemaError> {
        let mut files: BTreeMap<String, String> = written.references.iter().cloned().collect();
        files.insert(ITSELF.to_owned(), written.text.clone());
        let mut resolver = ChainFileResolver::new();
        resolver.add(Imports(files));
        resolver.add(GoogleFileResolver::new());
        let wrong = |error: protox::Error| SchemaError(error.to_string());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_imports(true);
        compiler.open_file(ITSELF).map_err(wrong)?;
        let pool = compiler.descriptor_pool();
        let file = pool.get_file_by_name(ITSELF);
        let messages = file.map(|file| Message::all(file.messages()));
        Ok(Self {
            messages: messages.unwrap_or_default(),
            pool,
        })
    }

    /// Appends a record, without its id, as JSON.
    pub fn write_json(&self, bytes: &[u8], json: &mut Vec<u8>) -> Result<(), Rejection> {
        let (indexes, bytes) = wire::indexes(bytes)?;
        let message = self.message(&indexes).ok_or(hinted(NO_SUCH_MESSAGE))?;
        let message =
            DynamicMessage::decode(message.clone(), bytes).map_err(|_| hinted(NO_MESSAGE))?;
        let options = SerializeOptions::new()
            .stringify_64_bit_integers(false)
            .use_proto_field_name(true)
            .skip_default_fields(false);
        let mut serializer = serde_json::Serializer::new(json.limit(MAX_JSON_BYTES).writer());
        message
            .serialize_with_options(&mut serializer, &options)
            .map_err(|error| match error.is_io() {
                true => Rejection::new(Reason::TooLarge),
                // A timestamp that no calendar has, for instance.
                false => hinted(NO_MESSAGE),
            })
    }

    fn message(&self, indexes: &[usize]) -> Option<&MessageDescriptor> {
        let (last, around) = indexes.split_last()?;
        let mut messages = &self.messages;
        for index in around {
            messages = &messages.get(*index)?.inner;
        }
        messages.get(*last).map(|message| &message.descriptor)
    }

    /// How many files were compiled, those of the imports among them.
    #[must_use]
    pub fn files(&self) -> usize {
        self.pool.files().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::schema::Language;

    const ORDER: &str = r#"
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
import "shop/money.proto";

message Ignored { string a = 1; }

message Order {
  enum Status { UNKNOWN = 0; PAID = 1; }
  message Line { string sku = 1; }
  int64 id = 1;
  uint64 number = 2;
  Status status = 3;
  google.protobuf.Timestamp paid_at = 4;
  Money total = 5;
  map<string, string> labels = 6;
  repeated Line lines = 7;
  optional string note = 8;
  bytes raw = 9;
  int32 score = 10;
}
"#;
    const MONEY: &str =
        "syntax = \"proto3\"; package shop.v1; message Money { string amount = 1; }";

    fn schema() -> Schema {
        let written = SchemaText {
            language: Language::Protobuf,
            text: ORDER.to_owned(),
            references: vec![("shop/money.proto".to_owned(), MONEY.to_owned())],
        };
        Schema::read(&written).expect("files that fit together")
    }

    fn json(bytes: &[u8]) -> Result<String, Rejection> {
        let mut json = Vec::new();
        schema().write_json(bytes, &mut json)?;
        Ok(String::from_utf8(json).expect("JSON is text"))
    }

    #[test]
    fn a_message_is_an_object_with_the_names_of_the_file() {
        let order = [
            // The second message of the file.
            &[2, 2][..],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[
                0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            &[0x18, 1],
            // 1,700,000,000 s and 500,000,000 ns.
            &[
                0x22, 12, 0x08, 0x80, 0xe2, 0xcf, 0xaa, 0x06, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01,
            ],
            &[0x2a, 8, 0x0a, 6],
            b"129.90",
            &[0x32, 6, 0x0a, 1, b'k', 0x12, 1, b'v'],
            &[0x3a, 3, 0x0a, 1, b's'],
            &[0x4a, 2, 1, 255],
        ]
        .concat();
        assert_eq!(
            json(&order).as_deref(),
            Ok(
                r#"{"id":9223372036854775807,"number":18446744073709551615,"status":"PAID","paid_at":"2023-11-14T22:13:20.500Z","total":{"amount":"129.90"},"labels":{"k":"v"},"lines":[{"sku":"s"}],"raw":"Af8=","score":0}"#
            )
        );
        // The message inside of another: a map's own message does not count.
        assert_eq!(
            json(&[4, 2, 0, 0x0a, 1, b's']).as_deref(),
            Ok(r#"{"sku":"s"}"#)
        );
        assert_eq!(json(&[0]).as_deref(), Ok(r#"{"a":""}"#));
    }

    #[test]
    fn fields_and_symbols_that_came_later_do_no_harm() {
        // Field 99, and the status 7.
        let order = [2, 2, 0x18, 7, 0x9a, 0x06, 1, b'x'];
        let text = json(&order).expect("a message");
        assert!(text.contains(r#""status":7"#), "{text}");
        assert!(!text.contains("note"), "{text}");
    }

    #[test]
    fn what_is_no_message_is_rejected() {
        for bytes in [
            &[][..],
            &[2, 8],
            &[4, 0, 0],
            &[2, 2, 0x08],
            &[2, 2, 0x0a, 5, 1],
            &[2, 2, 0x0f],
        ] {
            let rejection = json(bytes).expect_err("no message");
            assert_eq!(rejection.reason, Reason::InvalidJson, "{bytes:?}");
            assert!(rejection.hint.is_some());
        }
    }

    #[test]
    fn an_empty_message_repeated_does_not_grow_without_end() {
        let mut order = vec![2, 2];
        for _ in 0..100_000 {
            order.extend([0x3a, 0]);
        }
        let rejection = json(&order).expect_err("a megabyte of JSON");
        assert_eq!(rejection.reason, Reason::TooLarge);
    }

    #[test]
    fn what_does_not_compile_is_told() {
        let text = |text: &str| SchemaText {
            language: Language::Protobuf,
            text: text.to_owned(),
            references: Vec::new(),
        };
        for (schema, expected) in [
            ("message", "expected"),
            (
                "syntax = \"proto3\"; import \"not/there.proto\";",
                "not/there.proto",
            ),
            ("syntax = \"proto3\"; message A { B b = 1; }", "B"),
        ] {
            let error = Schema::read(&text(schema)).expect_err(schema);
            assert!(error.0.contains(expected), "{schema}: {error}");
        }
    }
}
