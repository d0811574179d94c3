//! Expressions of a mapping: paths, texts, instants, amounts, conditions.
//!
//! Owns their syntax. Promises a complaint at the character of a path that is wrong. Does not know of
//! what they are parts, but for which roots of paths there are at a place.

use std::collections::BTreeMap;

use crate::config::complaint::{Place, quoted};
use crate::config::document::{Content, Node};
use crate::config::values::{self, Trouble};
use crate::event::mapping::path::{Path, Root};
use crate::event::mapping::rule::{
    Amount, AmountUnit, Case, Condition, Instant, Test, Text, TextSource, TimeForm,
};

use super::Reader;
use super::fields::Fields;

/// Which roots of paths there are at a place, beside those that are everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scope {
    /// The mapping has `envelope: cloudevents`.
    pub cloudevents: bool,
    /// The rule has `each`.
    pub item: bool,
}

const OF_TEXT: [&str; 7] = ["from", "map", "else", "case", "text", "join", "with"];
const OF_INSTANT: [&str; 3] = ["from", "as", "zone"];
const OF_AMOUNT: [&str; 3] = ["from", "unit", "digits"];
const OF_TEST: [&str; 5] = ["not", "present", "becomes", "before", "from"];

const CASES: [(&str, Case); 2] = [("upper", Case::Upper), ("lower", Case::Lower)];
const TRUTHS: [(&str, bool); 2] = [("true", true), ("false", false)];

/// What stands between the parts of a `join` that does not say it.
const BETWEEN: &str = ":";
/// No currency has more decimals, and no amount can be told to be smaller.
const MOST_DIGITS: usize = 6;

const TEXT_HELP: &str = "write a path, a list of paths, `{ from: PATH, map: {...} }`, `{ text: fixed }` \
                         or `{ join: [PATH, PATH] }`";
const TEST_HELP: &str = "write a text, a list of texts, `{ not: ... }`, `{ present: true }` or `{ \
                         becomes: ..., before: PATH }`";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Units,
    Minor,
}
const UNITS: [(&str, Unit); 2] = [("units", Unit::Units), ("minor", Unit::Minor)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Native,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Days,
    Naive,
}
const FORMS: [(&str, Form); 7] = [
    ("native", Form::Native),
    ("seconds", Form::Seconds),
    ("milliseconds", Form::Milliseconds),
    ("microseconds", Form::Microseconds),
    ("nanoseconds", Form::Nanoseconds),
    ("days", Form::Days),
    ("naive", Form::Naive),
];

impl Reader<'_> {
    /// A path, of a text at a place.
    pub fn path_of(&mut self, text: &str, place: &Place, name: &str, scope: Scope) -> Option<Path> {
        let path = match Path::parse(text) {
            Ok(path) => path,
            Err(error) => {
                let at = text.get(..error.at).unwrap_or(text).chars().count();
                let place = place.behind(text, at);
                let message = format!("`{name}`: {} is no path: {}", quoted(text), error.message);
                self.complain(&place, message, error.help);
                return None;
            }
        };
        let missing = match path.root {
            Root::CloudEvent if !scope.cloudevents => Some((
                "CloudEvents",
                "write `envelope: cloudevents` into the mapping, or begin the path with `value`, \
                 `key` or `header`",
            )),
            Root::Item if !scope.item => Some((
                "items",
                "an `item` is there beside `each` only, but not in `when`: write the array as \
                 `each: PATH`, and what decides by item as `each_when`",
            )),
            _ => None,
        };
        match missing {
            None => Some(path),
            Some((what, help)) => {
                let message = format!("`{name}`: {}: there are no {what} here", quoted(text));
                self.complain(place, message, help);
                None
            }
        }
    }

    pub fn path(&mut self, node: Node, name: &str, scope: Scope) -> Option<Path> {
        let (text, place) = self.text(node, name)?;
        self.path_of(&text, &place, name, scope)
    }

    /// One path or a list of them.
    pub fn paths(&mut self, node: Node, name: &str, scope: Scope) -> Option<Vec<Path>> {
        let texts = self.texts(node, name)?;
        let count = texts.len();
        let texts = texts.into_iter();
        let paths: Vec<Path> = texts
            .filter_map(|(text, place)| self.path_of(&text, &place, name, scope))
            .collect();
        (paths.len() == count).then_some(paths)
    }

    /// A text from somewhere in the record.
    pub fn expression(&mut self, node: Node, name: &str, scope: Scope) -> Option<Text> {
        let plain = |source| Text {
            source,
            map: None,
            otherwise: None,
            case: Case::AsItIs,
        };
        if !matches!(node.content, Content::Map(_)) {
            let paths = self.paths(node, name, scope)?;
            return Some(plain(TextSource::First(paths)));
        }
        let place = node.place.clone();
        let mut fields = self.fields(node, &format!("`{name}`"), &OF_TEXT)?;
        let map = match fields.take("map") {
            Some(node) => Some(self.map(node)?),
            None => None,
        };
        let otherwise = match fields.take("else") {
            Some(node) => Some(self.text(node, "else")?.0),
            None => None,
        };
        let case = match fields.take("case") {
            Some(node) => self.parsed(node, "case", |text| values::choice(text, &CASES))?,
            None => Case::AsItIs,
        };
        let source = self.text_source(&mut fields, &place, name, scope)?;
        Some(Text {
            map,
            otherwise,
            case,
            ..plain(source)
        })
    }

    /// Where a text comes from: `from`, `text` or `join`.
    fn text_source(
        &mut self,
        fields: &mut Fields,
        place: &Place,
        name: &str,
        scope: Scope,
    ) -> Option<TextSource> {
        let with = fields.take("with");
        match ["from", "text", "join"].map(|key| fields.take(key)) {
            [Some(from), None, None] if with.is_none() => {
                Some(TextSource::First(self.paths(from, name, scope)?))
            }
            [None, Some(text), None] if with.is_none() => {
                let (text, place) = self.text(text, "text")?;
                if text.is_empty() {
                    self.complain(&place, "`text` is empty", "write the text that all have");
                    return None;
                }
                Some(TextSource::Fixed(text))
            }
            [None, None, Some(join)] => {
                let with = match with {
                    Some(node) => self.text(node, "with")?.0,
                    None => BETWEEN.to_owned(),
                };
                self.join(join, with, name, scope)
            }
            [_, _, None] if with.is_some() => {
                let help = "it stands between the parts of a `join`";
                self.complain(place, "`with` stands without `join`", help);
                None
            }
            [None, None, None] => {
                self.complain(
                    place,
                    format!("`{name}` does not say from where"),
                    TEXT_HELP,
                );
                None
            }
            _ => {
                let message = format!("`{name}` takes one of `from`, `text` and `join`");
                self.complain(place, message, TEXT_HELP);
                None
            }
        }
    }

    fn join(&mut self, node: Node, with: String, name: &str, scope: Scope) -> Option<TextSource> {
        let place = node.place.clone();
        let parts = match node.content {
            Content::List(parts) if parts.len() > 1 => parts,
            _ => {
                let help = "write at least two parts, as in `join: [value.kind, value.id]`; a fixed \
                            one is `{ text: order }`";
                self.complain(&place, "`join` takes a list of parts", help);
                return None;
            }
        };
        let parts = self.each(parts, |reader, part| {
            let place = part.place.clone();
            let text = reader.expression(part, name, scope)?;
            if text.map.is_none() && text.otherwise.is_none() && text.case == Case::AsItIs {
                return Some(text.source);
            }
            let help = "write `map`, `else` and `case` beside `join`: they are for the whole text";
            reader.complain(&place, "a part of a `join` is taken as it is", help);
            None
        })?;
        Some(TextSource::Join { parts, with })
    }

    fn map(&mut self, node: Node) -> Option<BTreeMap<String, String>> {
        let place = node.place.clone();
        let entries = self.entries(node, "`map`", &[])?;
        if entries.is_empty() {
            let help =
                "write what stands there, and what it means: `\"Order Completed\": purchase`";
            self.complain(&place, "`map` is empty", help);
            return None;
        }
        let count = entries.len();
        let mut map = BTreeMap::new();
        for (name, node) in entries {
            if let Some((text, _)) = self.text(node, "map") {
                map.insert(name.text, text);
            }
        }
        (map.len() == count).then_some(map)
    }

    pub fn instant(&mut self, node: Node, scope: Scope) -> Option<Instant> {
        const NAME: &str = "occurred_at";
        if !matches!(node.content, Content::Map(_)) {
            return Some(Instant {
                first: self.paths(node, NAME, scope)?,
                form: TimeForm::Native,
            });
        }
        let place = node.place.clone();
        let mut fields = self.fields(node, "`occurred_at`", &OF_INSTANT)?;
        let Some(from) = fields.take("from") else {
            let help = "write for instance `{ from: value.created, as: seconds }`";
            self.complain(&place, "`occurred_at` does not say from where", help);
            return None;
        };
        let first = self.paths(from, NAME, scope)?;
        let form = match fields.take("as") {
            Some(node) => self.parsed(node, "as", |text| values::choice(text, &FORMS))?,
            None => Form::Native,
        };
        let zone = match fields.take("zone") {
            Some(node) => {
                let place = node.place.clone();
                Some((self.parsed(node, "zone", values::time_zone)?, place))
            }
            None => None,
        };
        let form = match (form, zone) {
            (Form::Naive, Some((zone, _))) => TimeForm::Naive(zone),
            (Form::Naive, None) => {
                let help = "write `zone:` with the zone of the clock that wrote these times, such \
                            as UTC or Europe/Istanbul";
                self.complain(&place, "times `as: naive` need a `zone`", help);
                return None;
            }
            (_, Some((_, place))) => {
                let help = "write `as: naive` beside it, or remove the zone";
                self.complain(&place, "`zone` is for times `as: naive`", help);
                return None;
            }
            (Form::Native, None) => TimeForm::Native,
            (Form::Seconds, None) => TimeForm::Seconds,
            (Form::Milliseconds, None) => TimeForm::Milliseconds,
            (Form::Microseconds, None) => TimeForm::Microseconds,
            (Form::Nanoseconds, None) => TimeForm::Nanoseconds,
            (Form::Days, None) => TimeForm::Days,
        };
        Some(Instant { first, form })
    }

    pub fn amount(&mut self, node: Node, scope: Scope) -> Option<Amount> {
        const NAME: &str = "amount";
        if !matches!(node.content, Content::Map(_)) {
            return Some(Amount {
                first: self.paths(node, NAME, scope)?,
                unit: AmountUnit::Units,
            });
        }
        let place = node.place.clone();
        let mut fields = self.fields(node, "`amount`", &OF_AMOUNT)?;
        let Some(from) = fields.take("from") else {
            let help = "write for instance `{ from: value.amount_paid, unit: minor }`";
            self.complain(&place, "`amount` does not say from where", help);
            return None;
        };
        let first = self.paths(from, NAME, scope)?;
        let unit = match fields.take("unit") {
            Some(node) => Some(self.parsed(node, "unit", |text| values::choice(text, &UNITS))?),
            None => None,
        };
        let unit = match (unit, fields.take("digits")) {
            (None | Some(Unit::Units), None) => AmountUnit::Units,
            (Some(Unit::Minor), None) => AmountUnit::Minor {
                digits: BTreeMap::new(),
            },
            (unit, Some(digits)) => match digits.content {
                Content::Map(_) if unit == Some(Unit::Minor) => AmountUnit::Minor {
                    digits: self.digits(digits)?,
                },
                Content::Text(_) if unit != Some(Unit::Units) => AmountUnit::Scaled {
                    digits: self.path(digits, "digits", scope)?,
                },
                _ => {
                    let help = "write `unit: minor` with `digits: { UGX: 2 }` for currencies with \
                                other decimals than ISO 4217 says, or `digits: PATH` where the \
                                record says how many there are";
                    self.complain(&digits.place, "these `digits` do not fit `unit`", help);
                    return None;
                }
            },
        };
        Some(Amount { first, unit })
    }

    fn digits(&mut self, node: Node) -> Option<BTreeMap<String, u8>> {
        let mut digits = BTreeMap::new();
        for (code, node) in self.entries(node, "`digits`", &[])? {
            if let Err(Trouble { message, help }) = values::currency(&code.text) {
                self.complain(&code.place, format!("`digits`: {message}"), help);
                return None;
            }
            let number = self.parsed(node, &code.text, |text| {
                values::count(text, 0..=MOST_DIGITS)
            })?;
            digits.insert(code.text, u8::try_from(number).ok()?);
        }
        Some(digits)
    }

    /// A map of tests, of which all must hold.
    pub fn condition(&mut self, node: Node, name: &str, scope: Scope) -> Option<Condition> {
        let place = node.place.clone();
        let entries = self.entries(node, &format!("`{name}`"), &[])?;
        if entries.is_empty() {
            let help = "write a path and the text that must stand there, or leave the key out";
            self.complain(&place, format!("`{name}` is empty"), help);
            return None;
        }
        let (mut all, mut sound) = (Vec::new(), true);
        for (path, node) in entries {
            let path = self.path_of(&path.text, &path.place, name, scope);
            match self.tests_at(path, node, scope) {
                Some(tests) => all.extend(tests),
                None => sound = false,
            }
        }
        sound.then_some(Condition { all })
    }

    /// What must hold at a path; None after a complaint, be it about the path.
    fn tests_at(&mut self, path: Option<Path>, node: Node, scope: Scope) -> Option<Vec<Test>> {
        let place = node.place.clone();
        match node.content {
            Content::Text(_) | Content::List(_) => {
                let texts = self.test_texts(node)?;
                Some(vec![Test::Is { path: path?, texts }])
            }
            Content::Nothing => {
                let help = "write `{ present: false }` for what is missing, null or empty";
                self.complain(&place, "a test cannot ask for nothing", help);
                None
            }
            Content::Map(_) => self.rich_tests(path, node, scope),
        }
    }

    fn rich_tests(&mut self, path: Option<Path>, node: Node, scope: Scope) -> Option<Vec<Test>> {
        let place = node.place.clone();
        let mut fields = self.fields(node, "a test", &OF_TEST)?;
        let (before, from) = (fields.take("before"), fields.take("from"));
        let [not, present, becomes] = ["not", "present", "becomes"].map(|key| fields.take(key));
        if let (None, Some(stray)) = (&becomes, before.as_ref().or(from.as_ref())) {
            let help = "write `{ becomes: closed, before: PATH, from: open }`";
            self.complain(
                &stray.place,
                "`before` and `from` stand beside `becomes`",
                help,
            );
            return None;
        }
        if not.is_none() && present.is_none() && becomes.is_none() {
            self.complain(&place, "the test asks nothing", TEST_HELP);
            return None;
        }
        let mut tests = Vec::new();
        if let Some(present) = present {
            let present = self.parsed(present, "present", |text| values::choice(text, &TRUTHS))?;
            let path = path.clone()?;
            tests.push(Test::Present { path, present });
        }
        if let Some(not) = not {
            let texts = self.test_texts(not)?;
            let path = path.clone()?;
            tests.push(Test::IsNot { path, texts });
        }
        if let Some(into) = becomes {
            tests.push(self.becomes(path?, into, (before, from), &place, scope)?);
        }
        Some(tests)
    }

    fn becomes(
        &mut self,
        after: Path,
        into: Node,
        (before, from): (Option<Node>, Option<Node>),
        place: &Place,
        scope: Scope,
    ) -> Option<Test> {
        let Some(before) = before else {
            let help = "write `before:` with the path of the value before the change";
            self.complain(place, "`becomes` has no `before`", help);
            return None;
        };
        let into = self.test_texts(into)?;
        let from = match from {
            Some(node) => self.test_texts(node)?,
            None => Vec::new(),
        };
        let before = self.path(before, "before", scope)?;
        Some(Test::Becomes {
            before,
            after,
            from,
            into,
        })
    }

    fn test_texts(&mut self, node: Node) -> Option<Vec<String>> {
        let texts = self.texts(node, "when")?;
        Some(texts.into_iter().map(|(text, _)| text).collect())
    }
}
