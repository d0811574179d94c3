//! One walk over JSON text that keeps what is wanted and skips the rest.
//!
//! Owns the syntax of JSON and the places that are looked for, as a [`Tree`]. Promises to go from
//! front to back once, to take neither more than linear time nor memory by the depth of the text,
//! and to find fault with exactly what the decoder of native events does; but for keys given twice,
//! which are looked for only among those that a path names: what is read must not be ambiguous, the
//! rest is the sender's. Does not know what the texts mean.

use crate::event::Reason;
use crate::event::decode::MAX_DEPTH;
use crate::event::decode::structure::blank;
use crate::event::decode::unquote;

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
        let mut scanner = Scanner::new(text);
        match scanner.whole(&self.root, slots) {
            Ok(()) => Ok(()),
            Err(Fault::Syntax) => Err(Reason::InvalidJson),
            Err(Fault::Structure(reason)) => Err(if well_formed(text) {
                reason
            } else {
                Reason::InvalidJson
            }),
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

/// Whether the rest of a text with a fault of its structure is JSON all the same: bad syntax weighs
/// more.
#[cold]
fn well_formed(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// What ends a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    Structure(Reason),
}

type Walked = Result<(), Fault>;

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

/// A walk over a text.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a text.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    const fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    #[inline]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[inline]
    fn blanks(&mut self) {
        while self.byte().is_some_and(blank) {
            self.at += 1;
        }
    }

    #[inline]
    fn takes(&mut self, wanted: u8) -> bool {
        let found = self.byte() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expects(&mut self, wanted: u8) -> Walked {
        if self.takes(wanted) {
            return Ok(());
        }
        Err(Fault::Syntax)
    }

    fn whole(&mut self, node: &Node, slots: &mut Slots<'a>) -> Walked {
        self.blanks();
        self.value(node, 0, slots)?;
        self.blanks();
        if self.at == self.text.len() {
            return Ok(());
        }
        Err(Fault::Syntax)
    }

    /// Walks over a value of which something is wanted; `depth` brackets are open around it.
    fn value(&mut self, node: &Node, depth: usize, slots: &mut Slots<'a>) -> Walked {
        let start = self.at;
        match self.byte() {
            Some(b'{') if !node.keys.is_empty() => self.object(node, depth + 1, slots)?,
            Some(b'[') if !node.items.is_empty() => self.array(node, depth + 1, slots)?,
            _ => self.skip(depth)?,
        }
        for slot in &node.slots {
            slots[*slot] = Some(self.since(start));
        }
        Ok(())
    }

    fn object(&mut self, node: &Node, depth: usize, slots: &mut Slots<'a>) -> Walked {
        let mut found = Found::default();
        self.open(depth)?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            let (key, escaped) = self.key()?;
            match wanted(&node.keys, key, escaped) {
                Some(place) if !found.add(place) => {
                    return Err(Fault::Structure(Reason::InvalidJson));
                }
                Some(place) => self.value(&node.keys[place].1, depth, slots)?,
                None => self.skip(depth)?,
            }
            self.blanks();
            if !self.takes(b',') {
                return self.expects(b'}');
            }
            self.blanks();
        }
    }

    fn array(&mut self, node: &Node, depth: usize, slots: &mut Slots<'a>) -> Walked {
        self.open(depth)?;
        if self.takes(b']') {
            return Ok(());
        }
        let mut items = node.items.iter().peekable();
        for index in 0.. {
            match items.next_if(|(wanted, _)| *wanted == index) {
                Some((_, node)) => self.value(node, depth, slots)?,
                None => self.skip(depth)?,
            }
            self.blanks();
            if !self.takes(b',') {
                return self.expects(b']');
            }
            self.blanks();
        }
        Ok(())
    }

    /// Goes into an object or array, which is the `depth`th.
    fn open(&mut self, depth: usize) -> Walked {
        if depth > MAX_DEPTH {
            return Err(Fault::Structure(Reason::TooDeep));
        }
        self.at += 1;
        self.blanks();
        Ok(())
    }

    /// A key with its quotes, and whether it holds escapes; what follows is the value.
    #[inline]
    fn key(&mut self) -> Result<(&'a str, bool), Fault> {
        let start = self.at;
        let escaped = self.string()?;
        let key = self.since(start);
        self.blanks();
        self.expects(b':')?;
        self.blanks();
        Ok((key, escaped))
    }

    /// Walks over a value of which nothing is wanted but its end.
    fn skip(&mut self, depth: usize) -> Walked {
        // A bit for each bracket that is open, set for an object: the lowest is the innermost.
        let (mut objects, mut open) = (0_u64, 0_usize);
        loop {
            match self.byte() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.open(depth + open + 1)?;
                    let object = bracket == b'{';
                    if !self.takes(bracket + 2) {
                        objects = (objects << 1) | u64::from(object);
                        open += 1;
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(Fault::Syntax),
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                self.blanks();
                if self.takes(b',') {
                    self.blanks();
                    if object {
                        self.key()?;
                    }
                    break;
                }
                self.expects(if object { b'}' } else { b']' })?;
                objects >>= 1;
                open -= 1;
            }
        }
    }

    /// Walks over a text; whether it holds escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, Fault> {
        self.expects(b'"')?;
        let mut escaped = false;
        loop {
            self.at += plain(self.bytes().get(self.at..).unwrap_or_default());
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Fault::Syntax),
            }
            escaped = true;
        }
    }

    fn escape(&mut self) -> Walked {
        let length = match self.bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = self.bytes().get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(Fault::Syntax);
                }
                6
            }
            _ => return Err(Fault::Syntax),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Walked {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Walked {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start {
            return Ok(());
        }
        Err(Fault::Syntax)
    }

    fn word(&mut self, word: &[u8]) -> Walked {
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Fault::Syntax);
        }
        self.at += word.len();
        Ok(())
    }
}

/// Which of the keys that are looked for stands there, in its quotes.
#[inline]
fn wanted(keys: &[(Key, Node)], quoted: &str, escaped: bool) -> Option<usize> {
    if escaped {
        let plain = unquote(quoted).ok()?;
        return keys.iter().position(|(key, _)| *key.text == *plain);
    }
    let inside = inside(quoted);
    let own = mark(inside.as_bytes());
    keys.iter()
        .position(|(key, _)| key.mark == own && *key.text == *inside)
}

/// What stands between quotes.
fn inside(quoted: &str) -> &str {
    quoted.get(1..quoted.len() - 1).unwrap_or_default()
}

/// How many bytes go by before a quote, a backslash or a control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        // Sets the high bit of the first byte that is 0, and perhaps of some behind it.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let end = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    at + rest.iter().position(end).unwrap_or(rest.len())
}

/// The items of an array that is known to be well-formed, as JSON text; none of anything else.
pub struct Items<'a>(Scanner<'a>);

impl<'a> Items<'a> {
    pub fn of(array: &'a str) -> Self {
        Self(Scanner::new(array))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = &mut self.0;
        if !scanner.takes(if scanner.at == 0 { b'[' } else { b',' }) {
            return None;
        }
        scanner.blanks();
        let start = scanner.at;
        scanner.skip(0).ok()?;
        let item = scanner.since(start);
        scanner.blanks();
        Some(item)
    }
}

/// The value of a key in an object that is known to be well-formed; none in anything else.
///
/// # Errors
/// `InvalidJson` if the key is given twice.
pub fn member<'a>(object: &'a str, wanted: &str) -> Result<Option<&'a str>, Reason> {
    let mut scanner = Scanner::new(object);
    let mut found = None;
    while scanner.takes(if scanner.at == 0 { b'{' } else { b',' }) {
        scanner.blanks();
        let Ok((key, _)) = scanner.key() else { break };
        let start = scanner.at;
        if scanner.skip(0).is_err() {
            break;
        }
        if is(key, wanted) && found.replace(scanner.since(start)).is_some() {
            return Err(Reason::InvalidJson);
        }
        scanner.blanks();
    }
    Ok(found)
}

/// Whether a text in quotes is this one.
pub fn is(quoted: &str, text: &str) -> bool {
    let inside = inside(quoted);
    if inside.as_bytes().contains(&b'\\') {
        return unquote(quoted).is_ok_and(|plain| plain == text);
    }
    inside == text
}
