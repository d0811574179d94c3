//! Paths, compiled: what of a record is read once, and what is looked up when it is asked for.
//!
//! Owns the numbering of what is read, and where the parts of a CloudEvent stand. Promises that a
//! path means the same in every record. Does not know what the values are for.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smallvec::SmallVec;

use crate::event::decode::MAX_BYTES;
use crate::event::json::Items;
use crate::event::mapping::path::{Path, Root, Step};
use crate::event::mapping::rule::Envelope;
use crate::event::mapping::scan::{self, Slots, Tree, Turn};
use crate::event::mapping::value::Value;
use crate::event::record::Record;
use crate::event::{Reason, Rejection};

/// Slots up to this many need no allocation.
pub const USUAL_SLOTS: usize = 24;
/// And searches up to this many.
pub const USUAL_SEARCHES: usize = 4;

/// Where a record has a value.
#[derive(Debug, Clone)]
pub enum Place {
    Inside(Inside),
    Item(Inside),
    /// Inside the data of a CloudEvent.
    Data(Inside),
    /// An attribute of a CloudEvent: in the envelope, or in a header.
    Attribute {
        slot: usize,
        header: Box<[u8]>,
    },
    Header(Box<[u8]>),
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Nowhere,
}

/// A place within JSON that is read: from a slot on, the steps that are left.
#[derive(Debug, Clone)]
pub struct Inside {
    slot: usize,
    steps: Box<[Step]>,
    /// Where what the steps lead to is remembered: a search is made once for a record, however many
    /// rules and items ask for it.
    memory: usize,
}

/// What is read of a record, by all paths of a mapping.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Of the record's value; with CloudEvents, of one that is the envelope.
    value: Tree,
    /// Of the record's value, where it is the data of a CloudEvent.
    binary: Tree,
    /// Of data that the envelope holds as `data_base64`.
    data: Tree,
    key: Tree,
    /// By path, of all four.
    slots: BTreeMap<(Root, Vec<Step>), usize>,
    /// How many paths have steps that a walk from front to back cannot take.
    searches: usize,
    cloud_event: Option<CloudEvent>,
    /// Whether keys or headers are looked at.
    envelope: bool,
}

/// The slots of what tells how a CloudEvent is written.
#[derive(Debug, Clone, Copy)]
struct CloudEvent {
    spec_version: usize,
    data_base64: usize,
}

/// The items of a rule with `each`, and what is read of one.
#[derive(Debug, Clone, Default)]
pub struct ItemLayout {
    tree: Tree,
    slots: BTreeMap<Vec<Step>, usize>,
}

impl Layout {
    pub fn new(envelope: Envelope) -> Self {
        let mut layout = Self::default();
        if envelope == Envelope::CloudEvents {
            layout.envelope = true;
            layout.cloud_event = Some(CloudEvent {
                spec_version: layout.attribute("specversion"),
                data_base64: layout.attribute("data_base64"),
            });
        }
        layout
    }

    /// How many slots a record needs.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How much is remembered of a record that is read.
    pub const fn searches(&self) -> usize {
        self.searches
    }

    /// Whether keys or headers are looked at.
    pub const fn needs_envelope(&self) -> bool {
        self.envelope
    }

    /// Where a path leads to, within an item if there are any.
    pub fn place(&mut self, path: &Path, items: Option<&mut ItemLayout>) -> Place {
        match (path.root, path.steps.as_slice()) {
            (Root::Value, steps) => {
                let (ahead, inside) = self.inside(Root::Value, steps);
                self.value.add(turns(ahead), inside.slot);
                self.binary.add(turns(ahead), inside.slot);
                Place::Inside(inside)
            }
            (Root::Item, steps) => items.map_or(Place::Nowhere, |items| items.place(steps)),
            (Root::Header, [Step::Key(name)]) => {
                self.envelope = true;
                Place::Header(name.as_bytes().into())
            }
            (Root::Key, []) => {
                self.envelope = true;
                Place::Key
            }
            (Root::Key, steps) => {
                self.envelope = true;
                let (ahead, inside) = self.inside(Root::Key, steps);
                self.key.add(turns(ahead), inside.slot);
                Place::Inside(inside)
            }
            (Root::Record, [Step::Key(name)]) => match name.as_str() {
                "topic" => Place::Topic,
                "partition" => Place::Partition,
                "offset" => Place::Offset,
                "timestamp" => Place::Timestamp,
                _ => Place::Nowhere,
            },
            (Root::CloudEvent, steps) if self.cloud_event.is_some() => self.in_cloud_event(steps),
            _ => Place::Nowhere,
        }
    }

    fn in_cloud_event(&mut self, steps: &[Step]) -> Place {
        match steps {
            [Step::Key(name), ..] if name == "data" => {
                let (ahead, inside) = self.inside(Root::CloudEvent, steps);
                let in_data = ahead.get(1..).unwrap_or_default();
                self.value.add(turns(ahead), inside.slot);
                self.binary.add(turns(in_data), inside.slot);
                self.data.add(turns(in_data), inside.slot);
                Place::Data(inside)
            }
            [Step::Key(name)] => Place::Attribute {
                slot: self.attribute(name),
                header: format!("ce_{name}").into_bytes().into(),
            },
            _ => Place::Nowhere,
        }
    }

    /// The slot of an attribute in the envelope.
    fn attribute(&mut self, name: &str) -> usize {
        let steps = [Step::Key(name.to_owned())];
        let (ahead, inside) = self.inside(Root::CloudEvent, &steps);
        self.value.add(turns(ahead), inside.slot);
        inside.slot
    }

    /// What of the steps a walk from front to back can take, and a place from there on.
    fn inside<'p>(&mut self, root: Root, steps: &'p [Step]) -> (&'p [Step], Inside) {
        let (ahead, steps) = split(steps);
        let next = self.slots.len();
        let slot = *self.slots.entry((root, ahead.to_vec())).or_insert(next);
        let memory = self.searches;
        self.searches += usize::from(!steps.is_empty());
        let inside = Inside {
            slot,
            steps: steps.into(),
            memory,
        };
        (ahead, inside)
    }

    /// Reads what is wanted of a record; `data` keeps what had to be decoded first.
    ///
    /// # Errors
    /// `TooLarge`, `InvalidUtf8`, and as [`Tree::read`].
    pub fn read<'a>(
        &self,
        record: &Record<'a>,
        data: &'a OnceCell<Vec<u8>>,
        slots: &mut Slots<'a>,
    ) -> Result<Mode, Reason> {
        if let Some(key) = record.key
            && !self.key.is_empty()
            && read(key, &self.key, slots).is_err()
        {
            slots.fill(None);
        }
        let Some(cloud_event) = self.cloud_event else {
            let value = record.value.unwrap_or_default();
            return read(value, &self.value, slots).map(|()| Mode::Plain);
        };
        let mode = Mode::of_headers(record);
        match (mode, record.value) {
            (Some(Mode::Binary), None) => return Ok(Mode::Binary),
            (Some(Mode::Binary), Some(value)) => {
                return read(value, &self.binary, slots).map(|()| Mode::Binary);
            }
            (_, value) => read(value.unwrap_or_default(), &self.value, slots)?,
        }
        if mode.is_none() && slots[cloud_event.spec_version].is_none() {
            return Ok(Mode::Plain);
        }
        if let Some(base64) = slots[cloud_event.data_base64].and_then(Value::of_json)
            && !self.data.is_empty()
        {
            read(decoded(base64, data)?, &self.data, slots)?;
        }
        Ok(Mode::Structured)
    }
}

/// Bytes out of the text that stands for them.
fn decoded<'a>(base64: Value<'a>, data: &'a OnceCell<Vec<u8>>) -> Result<&'a [u8], Reason> {
    let text = base64.text().ok().flatten().ok_or(Reason::InvalidJson)?;
    let bytes = STANDARD
        .decode(text.as_bytes())
        .map_err(|_| Reason::InvalidJson)?;
    Ok(data.get_or_init(|| bytes))
}

fn read<'a>(bytes: &'a [u8], tree: &Tree, slots: &mut Slots<'a>) -> Result<(), Reason> {
    if bytes.len() > MAX_BYTES {
        return Err(Reason::TooLarge);
    }
    if tree.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::InvalidUtf8)?;
    tree.read(text, slots)
}

impl ItemLayout {
    fn place(&mut self, steps: &[Step]) -> Place {
        let (ahead, steps) = split(steps);
        let next = self.slots.len();
        let slot = *self.slots.entry(ahead.to_vec()).or_insert(next);
        self.tree.add(turns(ahead), slot);
        Place::Item(Inside {
            slot,
            steps: steps.into(),
            memory: 0,
        })
    }

    /// Reads what is wanted of an item.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub fn read<'a>(
        &self,
        item: &'a str,
    ) -> Result<SmallVec<[Option<&'a str>; USUAL_SLOTS]>, Reason> {
        let mut slots = SmallVec::from_elem(None, self.slots.len());
        self.tree.read(item, &mut slots)?;
        Ok(slots)
    }
}

/// The steps that a walk from front to back can take, and the rest.
fn split(steps: &[Step]) -> (&[Step], &[Step]) {
    let ahead = |step: &Step| turn(step).is_some();
    let end = steps.iter().position(|step| !ahead(step));
    steps.split_at(end.unwrap_or(steps.len()))
}

fn turns(steps: &[Step]) -> impl Iterator<Item = Turn<'_>> {
    steps.iter().filter_map(turn)
}

fn turn(step: &Step) -> Option<Turn<'_>> {
    match step {
        Step::Key(key) => Some(Turn::Key(key)),
        Step::Index(index) => usize::try_from(*index).ok().map(Turn::Item),
        Step::Find { .. } => None,
    }
}

/// How a record holds a CloudEvent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It holds none.
    Plain,
    /// The value is the envelope.
    Structured,
    /// Headers are the envelope, the value is the data.
    Binary,
}

/// What a content type of the structured mode begins with.
const STRUCTURED: &[u8] = b"application/cloudevents+json";

impl Mode {
    /// As headers tell it, if they do.
    pub fn of_headers(record: &Record<'_>) -> Option<Self> {
        let structured = header(record, b"content-type")
            .and_then(|content_type| content_type.get(..STRUCTURED.len()))
            .is_some_and(|start| start.eq_ignore_ascii_case(STRUCTURED));
        if structured {
            return Some(Self::Structured);
        }
        let binary = header(record, b"ce_id").or_else(|| header(record, b"ce_type"));
        binary.map(|_| Self::Binary)
    }
}

/// The value of the first header of that name, in any case.
fn header<'a>(record: &Record<'a>, name: &[u8]) -> Option<&'a [u8]> {
    let found = |(known, _): &&(&[u8], _)| known.eq_ignore_ascii_case(name);
    record.headers.iter().find(found)?.1
}

/// A record of which everything that is wanted has been read.
#[derive(Clone, Copy)]
pub struct View<'s, 'a> {
    pub record: &'s Record<'a>,
    pub mode: Mode,
    pub slots: &'s Slots<'a>,
    /// What has been searched for already.
    pub memory: &'s [Remembered<'a>],
    /// Of the item at hand, if there is one.
    pub item: &'s Slots<'a>,
}

/// What a search came to, once it has been made.
pub type Remembered<'a> = Cell<Option<Result<Option<&'a str>, Reason>>>;

impl<'a> View<'_, 'a> {
    /// What stands at a place, if there is anything.
    ///
    /// # Errors
    /// `InvalidJson` where a key on the way is given twice.
    #[inline]
    pub fn value(&self, place: &Place) -> Result<Option<Value<'a>>, Rejection> {
        let number = |number: i64| Some(Value::Number(Cow::Owned(number.to_string())));
        Ok(match place {
            Place::Item(inside) => read_json(walk(self.item, inside))?,
            Place::Data(_) if self.mode == Mode::Plain => None,
            Place::Inside(inside) | Place::Data(inside) => return self.inside(inside),
            Place::Attribute { slot, header } => match self.mode {
                Mode::Plain => None,
                Mode::Structured => self.slots[*slot].and_then(Value::of_json),
                Mode::Binary => self.header(header),
            },
            Place::Header(name) => self.header(name),
            Place::Key => self.record.key.and_then(Value::of_bytes),
            Place::Topic => Value::of_bytes(self.record.topic.as_bytes()),
            Place::Partition => number(self.record.partition.into()),
            Place::Offset => number(self.record.offset),
            Place::Timestamp => self
                .record
                .recorded_at
                .and_then(|at| number(at.as_millis())),
            Place::Nowhere => None,
        })
    }

    #[inline]
    fn inside(&self, inside: &Inside) -> Result<Option<Value<'a>>, Rejection> {
        if inside.steps.is_empty() {
            return Ok(self.slots[inside.slot].and_then(Value::of_json));
        }
        let memory = &self.memory[inside.memory];
        let found = memory.get().unwrap_or_else(|| walk(self.slots, inside));
        memory.set(Some(found));
        read_json(found)
    }

    fn header(&self, name: &[u8]) -> Option<Value<'a>> {
        header(self.record, name).and_then(Value::of_bytes)
    }

    /// What stands first at any of the places.
    ///
    /// # Errors
    /// As [`View::value`].
    #[inline]
    pub fn first(&self, places: &[Place]) -> Result<Option<Value<'a>>, Rejection> {
        for place in places {
            if let Some(value) = self.value(place)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

fn read_json(found: Result<Option<&str>, Reason>) -> Result<Option<Value<'_>>, Rejection> {
    let raw = found.map_err(Rejection::new)?;
    Ok(raw.and_then(Value::of_json))
}

/// Takes the steps that are left from a slot on.
fn walk<'a>(slots: &Slots<'a>, inside: &Inside) -> Result<Option<&'a str>, Reason> {
    let mut at = slots[inside.slot];
    for step in &inside.steps {
        let Some(raw) = at else { break };
        at = take(raw, step)?;
    }
    Ok(at)
}

fn take<'a>(raw: &'a str, step: &Step) -> Result<Option<&'a str>, Reason> {
    match step {
        Step::Key(key) => scan::member(raw, key),
        Step::Index(index) => Ok(match usize::try_from(*index) {
            Ok(index) => Items::of(raw).nth(index),
            Err(_) => {
                let back = index.unsigned_abs() as usize;
                let place = Items::of(raw).count().checked_sub(back);
                place.and_then(|place| Items::of(raw).nth(place))
            }
        }),
        Step::Find { path, text } => {
            for item in Items::of(raw) {
                if has(item, path, text)? {
                    return Ok(Some(item));
                }
            }
            Ok(None)
        }
    }
}

/// Whether the text at a path is this one.
fn has(item: &str, path: &[String], text: &str) -> Result<bool, Reason> {
    let mut at = Some(item);
    for key in path {
        let Some(raw) = at else { break };
        at = scan::member(raw, key)?;
    }
    Ok(at
        .and_then(Value::of_json)
        .is_some_and(|value| value.is(text)))
}
