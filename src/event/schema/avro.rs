//! Avro: binary records by the schema of their writer, as JSON.
//!
//! Owns what each type becomes:
//!
//! ```text
//! null boolean int long          as they are, every digit
//! float double                   the shortest number that is the same; "NaN", "Infinity", "-Infinity"
//! string enum uuid               a text
//! bytes fixed                    base64; a `fixed` that is a uuid has its usual form
//! decimal                        a number with all its decimals: 12990 with scale 2 is 129.90
//! date time-* timestamp-* ..     the integer: days, or thousandths (millionths, ..) of a second
//! record map                     an object
//! array                          an array
//! union                          what it holds, with nothing around it
//! ```
//!
//! Promises the bounds of [`schema`](super), and to read no byte that is not there. Fields keep the
//! names that the writer gave them; aliases and defaults, which are for readers with a schema of
//! their own, are not looked at. Does not know where schemas come from.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::event::schema::{MAX_DEPTH, MAX_JSON_BYTES, SchemaError, SchemaText, hinted, wire};
use crate::event::{Reason, Rejection};

/// Integers of decimals beyond so many bytes are no amounts.
const MOST_DECIMAL_BYTES: usize = 64;
/// Digits behind the point.
const MOST_SCALE: u64 = 64;

const NOT_OF_SCHEMA: &str = "its bytes are not what its schema says";

/// A schema with the names in it resolved.
#[derive(Debug)]
pub struct Schema {
    root: Type,
    /// What has a name, so that it can be inside of itself.
    named: Vec<Type>,
}

#[derive(Debug, Clone)]
enum Type {
    Null,
    Boolean,
    /// `int` and `long` are written alike.
    Integer,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Uuid,
    /// Nothing: the bytes say how many they are.
    Decimal {
        scale: usize,
        size: Option<usize>,
    },
    /// The symbols as JSON texts.
    Enum(Vec<String>),
    Array(Box<Self>),
    Map(Box<Self>),
    Union(Vec<Self>),
    Record(Vec<Field>),
    /// By its place among those with a name.
    Named(usize),
}

#[derive(Debug, Clone)]
struct Field {
    /// As JSON, with the colon.
    name: String,
    of: Type,
}

impl Schema {
    /// Reads a schema and those that it refers to.
    pub fn read(written: &SchemaText) -> Result<Self, SchemaError> {
        let mut reading = Reading::default();
        for (name, text) in &written.references {
            reading
                .text(text)
                .map_err(|error| SchemaError(format!("the schema of {name}: {error}")))?;
        }
        let root = reading.text(&written.text)?;
        // Every name that was begun has been told.
        let named = reading.named.into_iter().flatten().collect();
        Ok(Self { root, named })
    }

    /// Appends a record, without its id, as JSON.
    pub fn write_json(&self, bytes: &[u8], json: &mut Vec<u8>) -> Result<(), Rejection> {
        let most = json.len() + MAX_JSON_BYTES;
        let mut writing = Writing {
            schema: self,
            bytes,
            json,
            most,
        };
        writing.write(&self.root, 0)?;
        match writing.bytes {
            [] => Ok(()),
            _ => Err(NO_RECORD),
        }
    }
}

const NO_RECORD: Rejection = hinted(NOT_OF_SCHEMA);

/// The names that have come up while schemas are read.
#[derive(Default)]
struct Reading {
    places: HashMap<String, usize>,
    named: Vec<Option<Type>>,
}

impl Reading {
    fn text(&mut self, text: &str) -> Result<Type, SchemaError> {
        // A schema of one name is handed out with and without quotes around it.
        let schema = serde_json::from_str(text).or_else(|error| match text.trim() {
            word if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                Ok(Value::String(word.to_owned()))
            }
            _ => Err(wrong(format_args!("it is not JSON: {error}"))),
        })?;
        self.schema(&schema, "")
    }

    fn schema(&mut self, schema: &Value, space: &str) -> Result<Type, SchemaError> {
        match schema {
            Value::String(name) => self.called(name, space),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.schema(branch, space));
                branches.collect::<Result<_, _>>().map(Type::Union)
            }
            Value::Object(_) => self.object(schema, space),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Err(wrong("a type is a name, a list or an object"))
            }
        }
    }

    fn called(&self, name: &str, space: &str) -> Result<Type, SchemaError> {
        Ok(match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "int" | "long" => Type::Integer,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::Text,
            _ => {
                let place = self.places.get(&full(name, space)).copied();
                // A name without a space is also looked for where there is none.
                let place = place.or_else(|| self.places.get(name).copied());
                Type::Named(place.ok_or_else(|| {
                    wrong(format_args!(
                        "the type `{name}` is not told before it is used"
                    ))
                })?)
            }
        })
    }

    fn object(&mut self, schema: &Value, space: &str) -> Result<Type, SchemaError> {
        let kind = &schema["type"];
        let Some(kind) = kind.as_str() else {
            // A type around a type, which some generators write.
            return self.schema(kind, space);
        };
        let logical = schema["logicalType"].as_str().unwrap_or_default();
        match (kind, logical) {
            ("record" | "error", _) => self.record(schema, space),
            ("enum", _) => {
                let symbols = schema["symbols"].as_array();
                let symbols = symbols.ok_or_else(|| wrong("an enum without `symbols`"))?;
                let symbols = symbols.iter().map(Value::to_string).collect();
                self.name(schema, space, Type::Enum(symbols))
            }
            ("fixed", _) => {
                let size = schema["size"].as_u64();
                let size = size.and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or_else(|| wrong("a fixed without `size`"))?;
                let of = match logical {
                    "decimal" => decimal(schema, Some(size))?,
                    "uuid" if size == 16 => Type::Uuid,
                    _ => Type::Fixed(size),
                };
                self.name(schema, space, of)
            }
            ("array", _) => {
                let items = self.schema(&schema["items"], space)?;
                Ok(Type::Array(Box::new(items)))
            }
            ("map", _) => {
                let values = self.schema(&schema["values"], space)?;
                Ok(Type::Map(Box::new(values)))
            }
            ("bytes", "decimal") => decimal(schema, None),
            _ => self.called(kind, space),
        }
    }

    fn record(&mut self, schema: &Value, space: &str) -> Result<Type, SchemaError> {
        let (name, space) = names(schema, space)?;
        let place = self.begin(name);
        let fields = schema["fields"].as_array();
        let fields = fields.ok_or_else(|| wrong("a record without `fields`"))?;
        let mut seen = Vec::new();
        for field in fields {
            let name = field["name"].as_str();
            let name = name.ok_or_else(|| wrong("a field without `name`"))?;
            let written = format!("{}:", Value::from(name));
            if seen.iter().any(|field: &Field| field.name == written) {
                return Err(wrong(format_args!("two fields called `{name}`")));
            }
            let of = self.schema(&field["type"], &space)?;
            seen.push(Field { name: written, of });
        }
        self.named[place] = Some(Type::Record(seen));
        Ok(Type::Named(place))
    }

    fn name(&mut self, schema: &Value, space: &str, of: Type) -> Result<Type, SchemaError> {
        let (name, _) = names(schema, space)?;
        let place = self.begin(name);
        self.named[place] = Some(of);
        Ok(Type::Named(place))
    }

    /// A place for a name; of what is told twice, as the parts of several schemas may be, the last
    /// holds.
    fn begin(&mut self, name: String) -> usize {
        self.named.push(None);
        self.places.insert(name, self.named.len() - 1);
        self.named.len() - 1
    }
}

fn wrong(what: impl ToString) -> SchemaError {
    SchemaError(what.to_string())
}

fn decimal(schema: &Value, size: Option<usize>) -> Result<Type, SchemaError> {
    let scale = match &schema["scale"] {
        Value::Null => Some(0),
        scale => scale.as_u64().filter(|scale| *scale <= MOST_SCALE),
    };
    let scale = scale.and_then(|scale| usize::try_from(scale).ok());
    let scale = scale.ok_or_else(|| wrong("a decimal whose `scale` is none"))?;
    Ok(Type::Decimal { scale, size })
}

/// The full name that a schema gives itself, and the space in which what is inside of it stands.
fn names(schema: &Value, space: &str) -> Result<(String, String), SchemaError> {
    let name = schema["name"].as_str();
    let name = name.ok_or_else(|| wrong("a named type without `name`"))?;
    let space = schema["namespace"].as_str().unwrap_or(space);
    let name = full(name, space);
    let space = name.rsplit_once('.').map_or("", |(space, _)| space);
    let space = space.to_owned();
    Ok((name, space))
}

fn full(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() {
        name.to_owned()
    } else {
        format!("{space}.{name}")
    }
}

/// A record on its way to JSON.
struct Writing<'a, 'b> {
    schema: &'a Schema,
    /// What has not been read yet.
    bytes: &'a [u8],
    json: &'b mut Vec<u8>,
    /// How long the JSON may become.
    most: usize,
}

impl<'a> Writing<'a, '_> {
    fn write(&mut self, of: &'a Type, depth: usize) -> Result<(), Rejection> {
        match of {
            Type::Null => self.json.extend_from_slice(b"null"),
            Type::Boolean => match self.take(1)? {
                [0] => self.json.extend_from_slice(b"false"),
                [1] => self.json.extend_from_slice(b"true"),
                _ => return Err(NO_RECORD),
            },
            Type::Integer => {
                let number = self.long()?;
                self.value(&number)?;
            }
            Type::Float => {
                let number = f32::from_le_bytes(self.array()?);
                if number.is_finite() {
                    self.value(&number)?;
                } else {
                    self.not_finite(f64::from(number))?;
                }
            }
            Type::Double => {
                let number = f64::from_le_bytes(self.array()?);
                if number.is_finite() {
                    self.value(&number)?;
                } else {
                    self.not_finite(number)?;
                }
            }
            Type::Bytes => {
                let bytes = self.sized()?;
                self.base64(bytes)?;
            }
            Type::Text => {
                let text = self.text()?;
                self.value(text)?;
            }
            Type::Fixed(size) => {
                let bytes = self.take(*size)?;
                self.base64(bytes)?;
            }
            Type::Uuid => {
                let bytes = u128::from_be_bytes(self.array()?);
                self.value(&hyphenated(bytes))?;
            }
            Type::Decimal { scale, size } => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                let number = decimal_text(bytes, *scale).ok_or(Rejection {
                    hint: Some("it has a decimal of more than 64 bytes"),
                    ..Rejection::new(Reason::TooLarge)
                })?;
                self.json.extend_from_slice(number.as_bytes());
            }
            Type::Enum(symbols) => {
                let symbol = self.chosen(symbols)?;
                self.json.extend_from_slice(symbol.as_bytes());
            }
            Type::Union(branches) => {
                let branch = self.chosen(branches)?;
                self.write(branch, depth)?;
            }
            Type::Array(items) => {
                let depth = deeper(depth)?;
                self.json.push(b'[');
                self.blocks(|writing| writing.write(items, depth))?;
                self.json.push(b']');
            }
            Type::Map(values) => {
                let depth = deeper(depth)?;
                self.json.push(b'{');
                self.blocks(|writing| {
                    let name = writing.text()?;
                    writing.value(name)?;
                    writing.json.push(b':');
                    writing.write(values, depth)
                })?;
                self.json.push(b'}');
            }
            Type::Record(fields) => self.record(fields, deeper(depth)?)?,
            Type::Named(place) => {
                let of = self.schema.named.get(*place).ok_or(NO_RECORD)?;
                self.write(of, depth)?;
            }
        }
        if self.json.len() > self.most {
            return Err(Rejection::new(Reason::TooLarge));
        }
        Ok(())
    }

    fn record(&mut self, fields: &'a [Field], depth: usize) -> Result<(), Rejection> {
        let mut before = b'{';
        for field in fields {
            self.json.push(before);
            self.json.extend_from_slice(field.name.as_bytes());
            self.write(&field.of, depth)?;
            before = b',';
        }
        if fields.is_empty() {
            self.json.push(b'{');
        }
        self.json.push(b'}');
        Ok(())
    }

    /// Items come in blocks, each with their number in front; a negative one is followed by the size
    /// of the block, which is of use to who wants to skip it. A block of none is the end.
    fn blocks(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Rejection>,
    ) -> Result<(), Rejection> {
        let mut first = true;
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                if !first {
                    self.json.push(b',');
                }
                first = false;
                item(self)?;
            }
        }
    }

    /// Which of several it is, by its number in front.
    fn chosen<T>(&mut self, among: &'a [T]) -> Result<&'a T, Rejection> {
        let number = usize::try_from(self.long()?).map_err(|_| NO_RECORD)?;
        among.get(number).ok_or(NO_RECORD)
    }

    fn value<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Rejection> {
        serde_json::to_writer(&mut *self.json, value).map_err(|_| NO_RECORD)
    }

    fn not_finite(&mut self, number: f64) -> Result<(), Rejection> {
        self.value(match number {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        })
    }

    fn base64(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        self.value(&STANDARD.encode(bytes))
    }

    fn long(&mut self) -> Result<i64, Rejection> {
        wire::long(&mut self.bytes).ok_or(NO_RECORD)
    }

    fn text(&mut self) -> Result<&'a str, Rejection> {
        std::str::from_utf8(self.sized()?).map_err(|_| Rejection::new(Reason::InvalidUtf8))
    }

    fn sized(&mut self) -> Result<&'a [u8], Rejection> {
        let size = usize::try_from(self.long()?).map_err(|_| NO_RECORD)?;
        self.take(size)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], Rejection> {
        let (taken, rest) = self.bytes.split_at_checked(size).ok_or(NO_RECORD)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], Rejection> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(NO_RECORD)?;
        self.bytes = rest;
        Ok(*taken)
    }
}

fn deeper(depth: usize) -> Result<usize, Rejection> {
    if depth >= MAX_DEPTH {
        return Err(Rejection::new(Reason::TooDeep));
    }
    Ok(depth + 1)
}

/// The usual form of a uuid.
fn hyphenated(uuid: u128) -> String {
    let digits = format!("{uuid:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| &digits[part]).join("-")
}

/// An integer in two's complement, its first byte the highest, as a number with so many decimals.
fn decimal_text(bytes: &[u8], scale: usize) -> Option<String> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    // Bytes that repeat the sign say nothing.
    let filling = if negative { 0xff } else { 0 };
    let start = bytes.iter().position(|byte| *byte != filling);
    let mut magnitude = bytes[start.unwrap_or(bytes.len())..].to_vec();
    if magnitude.len() > MOST_DECIMAL_BYTES {
        return None;
    }
    if negative {
        magnitude.insert(0, filling);
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let mut digits = digits(magnitude);
    while digits.len() <= scale {
        digits.push('0');
    }
    if scale > 0 {
        digits.insert(scale, '.');
    }
    if negative {
        digits.push('-');
    }
    Some(digits.chars().rev().collect())
}

/// The decimal digits of an unsigned integer, the lowest first.
fn digits(mut number: Vec<u8>) -> String {
    let mut digits = String::new();
    if number.len() <= size_of::<u128>() {
        let mut rest = number
            .iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        while rest > 0 {
            digits.push(char::from(b'0' + (rest % 10) as u8));
            rest /= 10;
        }
        return digits;
    }
    while number.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u16;
        for byte in &mut number {
            let part = rest << 8 | u16::from(*byte);
            *byte = (part / 10) as u8;
            rest = part % 10;
        }
        digits.push(char::from(b'0' + rest as u8));
    }
    digits
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Value as Avro;
    use apache_avro::{Schema as Theirs, to_avro_datum};

    use super::*;
    use crate::event::schema::Language;

    fn read(schema: &str, references: &[(&str, &str)]) -> Result<Schema, SchemaError> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Schema::read(&SchemaText {
            language: Language::Avro,
            text: schema.to_owned(),
            references: references.iter().map(own).collect(),
        })
    }

    fn json(schema: &Schema, bytes: &[u8]) -> Result<String, Rejection> {
        let mut json = Vec::new();
        schema.write_json(bytes, &mut json)?;
        Ok(String::from_utf8(json).expect("JSON is text"))
    }

    /// Writes the value with another implementation, and reads it with ours.
    fn check(schema: &str, value: Avro, expected: &str) {
        let theirs = Theirs::parse_str(schema).expect("a schema");
        let bytes = to_avro_datum(&theirs, value).expect("a value of the schema");
        let ours = read(schema, &[]).expect("a schema");
        assert_eq!(json(&ours, &bytes).as_deref(), Ok(expected), "{schema}");
        serde_json::from_str::<Value>(expected).expect("JSON");
        for cut in 0..bytes.len() {
            assert!(
                json(&ours, &bytes[..cut]).is_err(),
                "{schema} cut at {cut} of {}",
                bytes.len()
            );
        }
        let more = [&bytes[..], &[0]].concat();
        assert_eq!(json(&ours, &more), Err(NO_RECORD), "{schema} and a byte");
    }

    #[test]
    fn every_type_is_the_json_of_the_table() {
        let union = r#"["null","long","string"]"#;
        let in_union = |place, value| Avro::Union(place, Box::new(value));
        for (schema, value, expected) in [
            (r#""null""#, Avro::Null, "null"),
            (r#""boolean""#, Avro::Boolean(true), "true"),
            (r#""int""#, Avro::Int(-65), "-65"),
            (r#""long""#, Avro::Long(i64::MIN), "-9223372036854775808"),
            (r#""long""#, Avro::Long(i64::MAX), "9223372036854775807"),
            (r#""float""#, Avro::Float(0.1), "0.1"),
            (r#""double""#, Avro::Double(1e300), "1e+300"),
            (r#""double""#, Avro::Double(f64::NAN), "\"NaN\""),
            (r#""double""#, Avro::Double(f64::INFINITY), "\"Infinity\""),
            (
                r#""string""#,
                Avro::String("a \"b\"\n\u{e9}".to_owned()),
                "\"a \\\"b\\\"\\n\u{e9}\"",
            ),
            (r#""bytes""#, Avro::Bytes(vec![1, 2, 255]), "\"AQL/\""),
            (
                r#"{"type":"fixed","name":"f","size":3}"#,
                Avro::Fixed(3, vec![1, 2, 255]),
                "\"AQL/\"",
            ),
            (
                r#"{"type":"enum","name":"e","symbols":["a","b"]}"#,
                Avro::Enum(1, "b".to_owned()),
                "\"b\"",
            ),
            (
                r#"{"type":"int","logicalType":"date"}"#,
                Avro::Date(20_000),
                "20000",
            ),
            (
                r#"{"type":"long","logicalType":"timestamp-micros"}"#,
                Avro::TimestampMicros(1_700_000_000_123_456),
                "1700000000123456",
            ),
            (
                r#"{"type":"array","items":"int"}"#,
                Avro::Array(vec![Avro::Int(1), Avro::Int(2)]),
                "[1,2]",
            ),
            (
                r#"{"type":"array","items":"null"}"#,
                Avro::Array(vec![]),
                "[]",
            ),
            (
                r#"{"type":"map","values":"long"}"#,
                Avro::Map([("a b".to_owned(), Avro::Long(7))].into()),
                "{\"a b\":7}",
            ),
            (union, in_union(0, Avro::Null), "null"),
            (union, in_union(1, Avro::Long(3)), "3"),
            (union, in_union(2, Avro::String("x".to_owned())), "\"x\""),
        ] {
            check(schema, value, expected);
        }
    }

    #[test]
    fn a_record_has_its_fields_under_their_names_also_inside_of_itself() {
        let schema = r#"{"type":"record","name":"Order","namespace":"shop.v1","fields":[
            {"name":"id","type":"long"},
            {"name":"buyer","type":["null",{"type":"record","name":"Buyer","fields":[
                {"name":"name","type":"string"}]}],"default":null},
            {"name":"friend","type":["null","shop.v1.Buyer"]},
            {"name":"other","type":["null","Buyer"]},
            {"name":"of","type":["null","Order"]}]}"#;
        let ours = read(schema, &[]).expect("a schema");
        // id 3, buyer, friend and other "a", and an order around another that has none of them.
        let buyer = [2, 2, b'a'];
        let inner = [8, 0, 0, 0, 0];
        let bytes = [&[6][..], &buyer, &buyer, &buyer, &[2], &inner].concat();
        assert_eq!(
            json(&ours, &bytes).as_deref(),
            Ok(
                r#"{"id":3,"buyer":{"name":"a"},"friend":{"name":"a"},"other":{"name":"a"},"of":{"id":4,"buyer":null,"friend":null,"other":null,"of":null}}"#
            )
        );
    }

    #[test]
    fn decimals_keep_every_digit() {
        for (bytes, scale, expected) in [
            (&[0x32, 0xbe][..], 2, "129.90"),
            (&[0x00, 0x32, 0xbe], 2, "129.90"),
            (&[0xff], 2, "-0.01"),
            (&[0xff, 0x7f], 0, "-129"),
            (&[0x80], 1, "-12.8"),
            (&[0xff, 0x00], 1, "-25.6"),
            (&[], 2, "0.00"),
            (&[0, 0], 0, "0"),
            (&[5], 6, "0.000005"),
            (
                &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                4,
                "922337203685477.5807",
            ),
            (
                &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                0,
                "340282366920938463463374607431768211456",
            ),
        ] {
            assert_eq!(
                decimal_text(bytes, scale).as_deref(),
                Some(expected),
                "{bytes:?}"
            );
        }
        assert_eq!(decimal_text(&[1; MOST_DECIMAL_BYTES + 1], 0), None);
    }

    #[test]
    fn decimals_and_uuids_are_found_by_their_logical_types() {
        let money = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
        let ours = read(money, &[]).expect("a schema");
        assert_eq!(
            json(&ours, &[4, 0x32, 0xbe]).as_deref(),
            Ok("129.90"),
            "two bytes"
        );
        let fixed = r#"{"type":"fixed","name":"m","size":4,"logicalType":"decimal","precision":9,"scale":2}"#;
        let ours = read(fixed, &[]).expect("a schema");
        assert_eq!(
            json(&ours, &[0xff, 0xff, 0xcd, 0x42]).as_deref(),
            Ok("-129.90")
        );
        let uuid = r#"{"type":"fixed","name":"u","size":16,"logicalType":"uuid"}"#;
        let ours = read(uuid, &[]).expect("a schema");
        let bytes = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes();
        assert_eq!(
            json(&ours, &bytes).as_deref(),
            Ok("\"01234567-89ab-cdef-0123-456789abcdef\"")
        );
    }

    #[test]
    fn a_schema_can_refer_to_others() {
        let money =
            r#"{"type":"record","name":"shop.Money","fields":[{"name":"cents","type":"long"}]}"#;
        let order =
            r#"{"type":"record","name":"shop.Order","fields":[{"name":"total","type":"Money"}]}"#;
        let ours = read(order, &[("shop.Money", money)]).expect("both schemas");
        assert_eq!(json(&ours, &[8]).as_deref(), Ok(r#"{"total":{"cents":4}}"#));
        let alone = read(order, &[]).expect_err("half a schema");
        assert!(alone.0.contains("`Money`"), "{alone}");
    }

    #[test]
    fn what_is_no_schema_is_told() {
        for (schema, expected) in [
            ("", "JSON"),
            ("{", "JSON"),
            ("7", "a type is"),
            (r#"{"type":"record","name":"r"}"#, "`fields`"),
            (r#"{"type":"record","fields":[]}"#, "`name`"),
            (r#"{"type":"enum","name":"e"}"#, "`symbols`"),
            (r#"{"type":"fixed","name":"f"}"#, "`size`"),
            (r#"{"type":"array","items":"nothing"}"#, "`nothing`"),
            (
                r#"{"type":"bytes","logicalType":"decimal","scale":-1}"#,
                "`scale`",
            ),
            (
                r#"{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
                "`a`",
            ),
        ] {
            let error = read(schema, &[]).expect_err(schema);
            assert!(error.0.contains(expected), "{schema}: {error}");
        }
    }

    #[test]
    fn whatever_the_bytes_are_what_comes_out_is_json() {
        let schema = r#"{"type":"record","name":"r","fields":[
            {"name":"a","type":["null","long","string",{"type":"map","values":"double"}]},
            {"name":"b","type":{"type":"array","items":["null","r","float"]}},
            {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}},
            {"name":"d","type":{"type":"enum","name":"e","symbols":["x","y"]}}]}"#;
        let ours = read(schema, &[]).expect("a schema");
        // A generator of numbers (Knuth's), so that every run sees the same bytes.
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        let mut read = 0;
        // Nothing, a null and 1.0, 12.990, and the second symbol.
        let record = [0, 4, 0, 4, 0, 0, 0x80, 0x3f, 0, 4, 0x32, 0xbe, 2];
        assert_eq!(
            json(&ours, &record).as_deref(),
            Ok(r#"{"a":null,"b":[null,1.0],"c":12.990,"d":"y"}"#)
        );
        for _ in 0..200_000 {
            let mut bytes = record.to_vec();
            for _ in 0..next() % 4 {
                let place = next() as usize % bytes.len();
                match next() % 3 {
                    0 => bytes[place] = next() as u8,
                    1 => bytes.insert(place, next() as u8 & 0x07),
                    _ => drop(bytes.remove(place)),
                }
            }
            if let Ok(text) = json(&ours, &bytes) {
                serde_json::from_str::<Value>(&text).expect("JSON");
                read += 1;
            }
        }
        assert!(read > 10_000, "{read} of them were records");
    }

    #[test]
    fn bytes_that_claim_much_cost_little() {
        let many = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
        let empty = r#"{"type":"record","name":"r","fields":[]}"#;
        for items in [r#""null""#, empty] {
            let schema = format!(r#"{{"type":"array","items":{items}}}"#);
            let ours = read(&schema, &[]).expect("a schema");
            let rejection = json(&ours, &many).expect_err("a huge array");
            assert_eq!(rejection.reason, Reason::TooLarge, "{items}");
        }
        let itself = r#"{"type":"record","name":"r","fields":[{"name":"r","type":"r"}]}"#;
        let ours = read(itself, &[]).expect("a schema");
        let rejection = json(&ours, &[]).expect_err("a record without an end");
        assert_eq!(rejection.reason, Reason::TooDeep);
        let ours = read(r#""string""#, &[]).expect("a schema");
        assert_eq!(
            json(&ours, &many).map_err(|it| it.reason),
            Err(Reason::InvalidJson)
        );
        assert_eq!(
            json(&ours, &[2, 0xff]).map_err(|it| it.reason),
            Err(Reason::InvalidUtf8)
        );
    }
}
