//! The syntax of JSON, as a walk from front to back.
//!
//! Owns what is well-formed (RFC 8259) and how texts are read from their quotes. Promises to look at
//! a byte once, to copy nothing but texts with escapes, and to take neither more than linear time
//! nor memory by the depth of what it walks over. Does not know what is wanted: native events and
//! mappings both walk with it, so that they cannot differ in what JSON is.

use std::borrow::Cow;

use crate::event::decode::MAX_DEPTH;
use crate::event::{Reason, Rejection};

/// What ends a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    /// A bracket too many is open; what follows may be bad syntax, which weighs more.
    TooDeep,
    KeyTwice,
}

/// A part of a text, which is of less than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The part of that text.
    #[inline]
    pub fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// A JSON value, as far as a walk over it tells; where it stands, so that only what is read need be
/// cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    Text(Quoted),
    /// Whether it has neither decimals nor an exponent.
    Number {
        span: Span,
        integer: bool,
    },
    Bool(Span),
    Null,
    /// An object or an array.
    Composite(Span),
}

/// A JSON text with its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    span: Span,
    escaped: bool,
}

impl Quoted {
    /// The characters that are meant, out of the text that was walked over; it borrows unless there
    /// are escapes.
    ///
    /// # Errors
    /// `InvalidJson` for half a surrogate pair, which is well-formed JSON and no text.
    #[inline]
    pub fn plain(self, text: &str) -> Result<Cow<'_, str>, Rejection> {
        let Span { start, end } = self.span;
        if self.escaped {
            return unescape(self.span.of(text).as_bytes());
        }
        let inside = Span {
            start: start + 1,
            end: end - 1,
        };
        Ok(Cow::Borrowed(inside.of(text)))
    }
}

/// The characters of a JSON text with its quotes that is known to be well-formed.
///
/// # Errors
/// As [`Quoted::plain`].
#[inline]
pub fn unquote(quoted: &str) -> Result<Cow<'_, str>, Rejection> {
    if quoted.as_bytes().contains(&b'\\') {
        return unescape(quoted.as_bytes());
    }
    Ok(Cow::Borrowed(inside(quoted)))
}

/// Whether the characters of such a text are these.
pub fn is(quoted: &str, text: &str) -> bool {
    if quoted.as_bytes().contains(&b'\\') {
        return unquote(quoted).is_ok_and(|plain| plain == text);
    }
    inside(quoted) == text
}

fn inside(quoted: &str) -> &str {
    quoted.get(1..quoted.len() - 1).unwrap_or_default()
}

#[cold]
fn unescape<'a>(quoted: &[u8]) -> Result<Cow<'a, str>, Rejection> {
    serde_json::from_slice::<String>(quoted)
        .map(Cow::Owned)
        .map_err(|_| Rejection::new(Reason::InvalidJson))
}

/// The key of a member.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub quoted: &'a [u8],
    /// Whether it holds escapes.
    pub escaped: bool,
}

impl Key<'_> {
    /// What stands between the quotes.
    #[inline]
    pub fn inside(&self) -> &[u8] {
        self.quoted
            .get(1..self.quoted.len() - 1)
            .unwrap_or_default()
    }

    /// The characters that are meant.
    ///
    /// # Errors
    /// As [`Quoted::plain`].
    pub fn plain(&self) -> Result<Cow<'_, str>, Rejection> {
        unescape(self.quoted)
    }

    /// Whether its characters are these.
    #[inline]
    pub fn is(&self, text: &str) -> bool {
        if self.escaped {
            return self.plain().is_ok_and(|plain| plain == text);
        }
        self.inside() == text.as_bytes()
    }
}

/// What goes by while a value is walked over that nobody reads.
pub trait Passed<'a> {
    /// An object has a key.
    ///
    /// # Errors
    /// Whatever ends the walk.
    fn key(&mut self, key: Key<'a>) -> Result<(), Fault>;
    /// An object opens; the keys that follow are its own.
    fn open(&mut self);
    /// The innermost object closes.
    fn close(&mut self);
}

/// For whom it is nothing.
pub struct Unseen;

impl Passed<'_> for Unseen {
    #[inline]
    fn key(&mut self, _: Key<'_>) -> Result<(), Fault> {
        Ok(())
    }
    #[inline]
    fn open(&mut self) {}
    #[inline]
    fn close(&mut self) {}
}

type Walked = Result<(), Fault>;

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

    /// How many bytes have been gone over.
    #[inline]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The byte that comes next.
    #[inline]
    pub fn byte(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    /// What has been gone over from `start` on.
    #[inline]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[inline]
    pub fn blanks(&mut self) {
        while self.byte().is_some_and(blank) {
            self.at += 1;
        }
    }

    /// Goes over a byte if it is the one that is wanted.
    #[inline]
    pub fn takes(&mut self, wanted: u8) -> bool {
        let found = self.byte() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Goes over a byte that must be there.
    ///
    /// # Errors
    /// `Syntax` if it is not.
    #[inline]
    pub fn expects(&mut self, wanted: u8) -> Walked {
        if self.takes(wanted) {
            return Ok(());
        }
        Err(Fault::Syntax)
    }

    /// Goes over the blanks at the end of the text.
    ///
    /// # Errors
    /// `Syntax` if anything else is left.
    #[inline]
    pub fn ends(&mut self) -> Walked {
        self.blanks();
        if self.at == self.text.len() {
            return Ok(());
        }
        Err(Fault::Syntax)
    }

    /// Goes into an object or array, which is the `depth`th.
    ///
    /// # Errors
    /// `TooDeep`.
    #[inline]
    pub fn open(&mut self, depth: usize) -> Walked {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.at += 1;
        self.blanks();
        Ok(())
    }

    /// Goes over what is between two members or items: true after a comma, false after `closing`.
    ///
    /// # Errors
    /// `Syntax` if there is neither.
    #[inline]
    pub fn goes_on(&mut self, closing: u8) -> Result<bool, Fault> {
        if !self.takes(b',') {
            self.blanks();
            if !self.takes(b',') {
                self.expects(closing)?;
                return Ok(false);
            }
        }
        self.blanks();
        Ok(true)
    }

    /// What comes next.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes().get(self.at..).unwrap_or_default()
    }

    /// Goes over a key and the colon; what follows is the value.
    ///
    /// # Errors
    /// `Syntax`.
    #[inline]
    pub fn key(&mut self) -> Result<Key<'a>, Fault> {
        let start = self.at;
        let escaped = self.string()?;
        let quoted = self.bytes().get(start..self.at).unwrap_or_default();
        self.colon()?;
        Ok(Key { quoted, escaped })
    }

    /// Goes over a key that is known to stand here, of so many bytes with its quotes, and the colon.
    ///
    /// # Errors
    /// `Syntax`.
    #[inline]
    pub fn known_key(&mut self, length: usize) -> Walked {
        self.at += length;
        self.colon()
    }

    #[inline]
    fn colon(&mut self) -> Walked {
        if !self.takes(b':') {
            self.blanks();
            self.expects(b':')?;
        }
        self.blanks();
        Ok(())
    }

    /// Goes over a value and tells what it is; `depth` brackets are open around it.
    ///
    /// # Errors
    /// `Syntax`, `TooDeep`, or what ends the walk for who looks at what goes by.
    #[inline]
    pub fn value(&mut self, depth: usize, passed: &mut impl Passed<'a>) -> Result<Json, Fault> {
        let start = self.at;
        Ok(match self.byte() {
            Some(b'"') => {
                let escaped = self.string()?;
                let span = self.span(start);
                Json::Text(Quoted { span, escaped })
            }
            Some(b'-' | b'0'..=b'9') => {
                let integer = self.number()?;
                let span = self.span(start);
                Json::Number { span, integer }
            }
            Some(b'n') => {
                self.word(b"null")?;
                Json::Null
            }
            Some(b't' | b'f') => {
                self.skip(depth, passed)?;
                Json::Bool(self.span(start))
            }
            _ => {
                self.skip(depth, passed)?;
                Json::Composite(self.span(start))
            }
        })
    }

    #[inline]
    fn span(&self, start: usize) -> Span {
        Span {
            start: start as u32,
            end: self.at as u32,
        }
    }

    /// Goes over a value of which nothing is wanted but its end.
    ///
    /// # Errors
    /// As [`Scanner::value`].
    pub fn skip(&mut self, depth: usize, passed: &mut impl Passed<'a>) -> Walked {
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
                            passed.open();
                            passed.key(self.key()?)?;
                        }
                        continue;
                    }
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                }
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
                if self.goes_on(if object { b'}' } else { b']' })? {
                    if object {
                        passed.key(self.key()?)?;
                    }
                    break;
                }
                if object {
                    passed.close();
                }
                objects >>= 1;
                open -= 1;
            }
        }
    }

    /// Goes over a text; whether it holds escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, Fault> {
        self.expects(b'"')?;
        self.at += plain(self.rest());
        if self.takes(b'"') {
            return Ok(false);
        }
        self.string_from_escape()
    }

    /// Goes over what is left of a text, from an escape on. Kept apart so that texts without escapes
    /// are gone over in few instructions wherever there can be one.
    #[inline(never)]
    fn string_from_escape(&mut self) -> Result<bool, Fault> {
        while !self.takes(b'"') {
            if self.byte() != Some(b'\\') {
                return Err(Fault::Syntax);
            }
            self.escape()?;
            self.at += plain(self.rest());
        }
        Ok(true)
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

    /// Goes over a number; whether it has neither decimals nor an exponent.
    #[inline]
    fn number(&mut self) -> Result<bool, Fault> {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        let mut integer = true;
        if self.takes(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            integer = false;
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        Ok(integer)
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

pub const fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// How many bytes go by before a quote, a backslash or a control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let (words, _) = bytes.as_chunks::<8>();
    for (place, eight) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        // Sets the high bit of the first byte that is below a bound, and perhaps of some behind it.
        // A quote (0x22) with its second bit turned is the next above the control characters.
        let control_or_quote = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        let found = (control_or_quote | backslash) & !word & HIGH;
        if found != 0 {
            return place * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    plain_from(bytes, words.len() * 8)
}

/// The same byte by byte, from a place on.
#[inline(never)]
fn plain_from(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let end = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    start + rest.iter().position(end).unwrap_or(rest.len())
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
        scanner.skip(0, &mut Unseen).ok()?;
        let item = scanner.since(start);
        scanner.blanks();
        Some(item)
    }
}

/// The members of an object that is known to be well-formed; none of anything else.
pub struct Members<'a>(Scanner<'a>);

impl<'a> Members<'a> {
    pub fn of(object: &'a str) -> Self {
        Self(Scanner::new(object))
    }
}

impl<'a> Iterator for Members<'a> {
    /// The key, the value, and its text.
    type Item = (Key<'a>, Json, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = &mut self.0;
        if !scanner.takes(if scanner.at == 0 { b'{' } else { b',' }) {
            return None;
        }
        scanner.blanks();
        let key = scanner.key().ok()?;
        let start = scanner.at;
        let value = scanner.value(0, &mut Unseen).ok()?;
        let text = scanner.since(start);
        scanner.blanks();
        Some((key, value, text))
    }
}
