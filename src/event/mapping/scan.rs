//! One walk over JSON text that keeps what is wanted and skips the rest.
//!
//! Owns the places that are looked for, as a [`Tree`]. Promises to go from front to back once, and
//! to find fault with exactly what the decoder of native events does; but for keys given twice,
//! which are looked for only among those that a path names: what is read must not be ambiguous, the
//! rest is the sender's. Does not know what the texts mean.

use crate::event::Reason;
use crate::event::json::{self, Fault, Members, Scanner, Unseen};

/// What is wanted, found by the number of its slot: the JSON text of a value.
pub type Slots<'a> = [Option<&'a str>];

/// The places that are looked for in a value, joined where their paths begin alike.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    root: Node,
}

/// A place that is looked for, or on the way to one.
#[derive(Debug, Clone, Default)]
struct Node {
    /// Where the text of the value that stands here is put.
    slots: Vec<usize>,
    keys: Vec<(Key, Self)>,
    /// Places in an array, ascending.
    items: Vec<(usize, Self)>,
}

/// A key that is looked for.
#[derive(Debug, Clone)]
struct Key {
    text: Box<str>,
    /// What tells most other keys from it without a look at all of their bytes.
    mark: u32,
}

/// The length of a key, and its first and its last byte.
#[inline]
fn mark(key: &[u8]) -> u32 {
    let first = key.first().copied().unwrap_or_default();
    let last = key.last().copied().unwrap_or_default();
    ((key.len() as u32) << 16) | (u32::from(first) << 8) | u32::from(last)
}

/// A step that a walk from front to back can take.
#[derive(Debug, Clone, Copy)]
pub enum Turn<'a> {
    Key(&'a str),
    Item(usize),
}

impl Tree {
    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.root.slots.is_empty() && self.root.keys.is_empty() && self.root.items.is_empty()
    }

    /// Looks for a place, whose text goes into `slot`.
    pub fn add<'t>(&mut self, turns: impl Iterator<Item = Turn<'t>>, slot: usize) {
        let node = turns.fold(&mut self.root, |node, turn| match turn {
            Turn::Key(key) => child(
                &mut node.keys,
                |(known, _)| *known.text == *key,
                || Key {
                    text: key.into(),
                    mark: mark(key.as_bytes()),
                },
            ),
            Turn::Item(index) => child(&mut node.items, |(known, _)| *known == index, || index),
        });
        if !node.slots.contains(&slot) {
            node.slots.push(slot);
        }
        self.root.sort();
    }

    /// Walks over a text that holds one value.
    ///
    /// # Errors
    /// `InvalidJson` for bad syntax wherever it stands, else what comes first of a key given twice
    /// (`InvalidJson`) and `TooDeep`.
    pub fn read<'a>(&self, text: &'a str, slots: &mut Slots<'a>) -> Result<(), Reason> {
        let mut walk = Walk {
            scanner: Scanner::new(text),
            slots,
        };
        match walk.whole(&self.root) {
            Ok(()) => Ok(()),
            Err(Fault::TooDeep) if well_formed(text) => Err(Reason::TooDeep),
            Err(_) => Err(Reason::InvalidJson),
        }
    }
}

/// The child that is `known`, or a new one.
fn child<K>(
    children: &mut Vec<(K, Node)>,
    known: impl Fn(&(K, Node)) -> bool,
    key: impl FnOnce() -> K,
) -> &mut Node {
    let at = children.iter().position(known).unwrap_or_else(|| {
        children.push((key(), Node::default()));
        children.len() - 1
    });
    &mut children[at].1
}

impl Node {
    fn sort(&mut self) {
        self.items.sort_by_key(|(index, _)| *index);
        let keys = self.keys.iter_mut().map(|(_, node)| node);
        keys.chain(self.items.iter_mut().map(|(_, node)| node))
            .for_each(Self::sort);
    }
}

/// Whether a text that is too deep is JSON all the same: bad syntax weighs more.
#[cold]
fn well_formed(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The members of an object that are looked for and have been found, by their place in the tree.
#[derive(Default)]
struct Found {
    first: u64,
    others: Vec<usize>,
}

impl Found {
    /// Whether it is found for the first time.
    fn add(&mut self, place: usize) -> bool {
        if place < 64 {
            let bit = 1 << place;
            let new = self.first & bit == 0;
            self.first |= bit;
            return new;
        }
        let new = !self.others.contains(&place);
        if new {
            self.others.push(place);
        }
        new
    }
}

/// A walk that fills slots.
struct Walk<'s, 'a> {
    scanner: Scanner<'a>,
    slots: &'s mut Slots<'a>,
}

impl Walk<'_, '_> {
    fn whole(&mut self, node: &Node) -> Result<(), Fault> {
        self.scanner.blanks();
        self.value(node, 0)?;
        self.scanner.ends()
    }

    /// Goes over a value of which something is wanted; `depth` brackets are open around it.
    fn value(&mut self, node: &Node, depth: usize) -> Result<(), Fault> {
        let start = self.scanner.at();
        match self.scanner.byte() {
            Some(b'{') if !node.keys.is_empty() => self.object(node, depth + 1)?,
            Some(b'[') if !node.items.is_empty() => self.array(node, depth + 1)?,
            _ => self.scanner.skip(depth, &mut Unseen)?,
        }
        for slot in &node.slots {
            self.slots[*slot] = Some(self.scanner.since(start));
        }
        Ok(())
    }

    fn object(&mut self, node: &Node, depth: usize) -> Result<(), Fault> {
        let mut found = Found::default();
        self.scanner.open(depth)?;
        if self.scanner.takes(b'}') {
            return Ok(());
        }
        loop {
            match wanted(&node.keys, self.scanner.key()?) {
                Some(place) if !found.add(place) => return Err(Fault::KeyTwice),
                Some(place) => self.value(&node.keys[place].1, depth)?,
                None => self.scanner.skip(depth, &mut Unseen)?,
            }
            if !self.scanner.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, node: &Node, depth: usize) -> Result<(), Fault> {
        self.scanner.open(depth)?;
        if self.scanner.takes(b']') {
            return Ok(());
        }
        let mut items = node.items.iter().peekable();
        for index in 0.. {
            match items.next_if(|(wanted, _)| *wanted == index) {
                Some((_, node)) => self.value(node, depth)?,
                None => self.scanner.skip(depth, &mut Unseen)?,
            }
            if !self.scanner.goes_on(b']')? {
                break;
            }
        }
        Ok(())
    }
}

/// Which of the keys that are looked for this one is.
#[inline]
fn wanted(keys: &[(Key, Node)], key: json::Key<'_>) -> Option<usize> {
    if key.escaped {
        let plain = key.plain().ok()?;
        return keys.iter().position(|(known, _)| *known.text == *plain);
    }
    let inside = key.inside();
    let own = mark(inside);
    keys.iter()
        .position(|(known, _)| known.mark == own && known.text.as_bytes() == inside)
}

/// The value of a key in an object that is known to be well-formed; none in anything else.
///
/// # Errors
/// `InvalidJson` if the key is given twice.
pub fn member<'a>(object: &'a str, wanted: &str) -> Result<Option<&'a str>, Reason> {
    let mut found = None;
    for (key, _, value) in Members::of(object) {
        if key.is(wanted) && found.replace(value).is_some() {
            return Err(Reason::InvalidJson);
        }
    }
    Ok(found)
}
