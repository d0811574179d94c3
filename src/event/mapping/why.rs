//! Why a record becomes what it becomes: which conditions held, and what stood at which path.
//!
//! Owns the explanation that people ask for when they try a mapping. Walks the record plainly, once
//! for every path, so it is far too slow for a stream; promises that what it says is what
//! [`Mapping::decode`](super::Mapping::decode) does, for every record whose JSON can be read. Does not
//! know what makes an event valid: that a field is wrong is said by the rejection, and what stood
//! where the field is looked for is said [here](Examination::look).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::event::mapping::path::{Path, Root, Step};
use crate::event::mapping::rule::{
    Amount, AmountUnit, Condition, Envelope, Otherwise, Rule, Rules, Test, Text, TextSource,
};
use crate::event::record::Record;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Missing,
    Null,
    /// A text of no characters, which counts as absent.
    Empty,
    /// A scalar, as its text.
    Text(String),
    /// An object or an array.
    Composite,
}

/// A path and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked<'r> {
    pub path: &'r Path,
    pub found: Found,
}

/// A test of a condition, what it looked at, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested<'r> {
    pub test: &'r Test,
    pub looked: Vec<Looked<'r>>,
    pub holds: bool,
}

/// Conditions of which any is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried<'r> {
    pub holds: bool,
    /// If one holds, its number from 0.
    pub alternative: Option<usize>,
    /// If one holds, its tests; or else of each the first test that fails.
    pub tests: Vec<Tested<'r>>,
}

/// What became of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWhy<'r> {
    pub when: Tried<'r>,
    /// Of a rule that holds and makes an event of each item.
    pub each: Option<EachWhy<'r>>,
}

/// What became of the items of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EachWhy<'r> {
    pub path: &'r Path,
    pub array: Array,
    /// Those that make an event, by their number from 0.
    pub taken: Vec<usize>,
    /// Those that do not, each with what kept it.
    pub left_out: Vec<(usize, Tried<'r>)>,
}

/// What stands where a rule looks for its array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Array {
    Absent,
    /// Something else, which is rejected.
    Other,
    /// With so many items.
    Of(usize),
}

/// Everything about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why<'r> {
    /// The first condition to skip that holds, unless the record is a tombstone.
    pub skip: Option<Tried<'r>>,
    /// In the order of the mapping; nothing of a record that is skipped or a tombstone.
    pub rules: Vec<RuleWhy<'r>>,
    pub outcome: Outcome,
}

/// What a record becomes, as far as the conditions decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Tombstone,
    Skipped,
    Unmapped,
    /// At least one; each is an event or a rejection.
    Parts(Vec<Part>),
}

/// One event that a record should make, or the rejection of what is no array (then without an item).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Number of the rule, from 0.
    pub rule: usize,
    /// Number of the item, from 0.
    pub item: Option<usize>,
}

/// A record under examination.
#[derive(Debug)]
pub struct Examination<'r> {
    rules: &'r Rules,
    record: Record<'r>,
    value: Option<&'r str>,
    cloud_event: CloudEvent<'r>,
}

/// How a record holds a CloudEvent.
#[derive(Debug)]
enum CloudEvent<'r> {
    None,
    /// The value is the envelope; its data, where there is any.
    Structured(Option<Cow<'r, str>>),
    /// The attributes are headers.
    Binary,
}

impl Found {
    /// Whether there is something: neither missing, null nor an empty text.
    #[must_use]
    pub const fn present(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Composite)
    }

    fn of_json(raw: Option<&str>) -> Self {
        let Some(raw) = raw.map(str::trim) else {
            return Self::Missing;
        };
        match raw.as_bytes().first() {
            None => Self::Missing,
            Some(b'{' | b'[') => Self::Composite,
            Some(b'n') => Self::Null,
            Some(b'"') => serde_json::from_str(raw).map_or(Self::Missing, Self::of_text),
            Some(_) => Self::Text(raw.to_owned()),
        }
    }

    fn of_text(text: String) -> Self {
        if text.is_empty() {
            Self::Empty
        } else {
            Self::Text(text)
        }
    }

    fn is_one_of(&self, texts: &[String]) -> bool {
        matches!(self, Self::Text(text) if texts.contains(text))
    }
}

impl<'r> Examination<'r> {
    #[must_use]
    pub fn new(rules: &'r Rules, record: Record<'r>) -> Self {
        let value = record
            .value
            .and_then(|value| std::str::from_utf8(value).ok());
        let mut examination = Self {
            rules,
            record,
            value,
            cloud_event: CloudEvent::None,
        };
        if rules.envelope == Envelope::CloudEvents {
            examination.cloud_event = examination.found_cloud_event();
        }
        examination
    }

    /// Which conditions held, and what they looked at.
    #[must_use]
    pub fn why(&self) -> Why<'r> {
        let nothing = |outcome| Why {
            skip: None,
            rules: Vec::new(),
            outcome,
        };
        if self.record.value.is_none() && !matches!(self.cloud_event, CloudEvent::Binary) {
            return nothing(Outcome::Tombstone);
        }
        let skip = Some(self.any(&self.rules.skip, None)).filter(|tried| tried.holds);
        if skip.is_some() && !self.rules.skip.is_empty() {
            return Why {
                skip,
                ..nothing(Outcome::Skipped)
            };
        }
        let rules: Vec<_> = self.rules.events.iter().map(|it| self.rule(it)).collect();
        let outcome = self.outcome(&rules);
        Why {
            skip: None,
            rules,
            outcome,
        }
    }

    /// What stands at a path; `item` is the number of the item of a rule with `each`.
    #[must_use]
    pub fn look(&self, path: &Path, part: Part) -> Found {
        let rule = self.rules.events.get(part.rule);
        let each = rule.and_then(|rule| rule.each.as_ref());
        let items = each.and_then(|each| self.items(each)).unwrap_or_default();
        let item = part.item.and_then(|item| items.get(item));
        self.found(path, item.map(String::as_str))
    }

    /// The paths of the rule of a part at which a native field is looked for, with what stands there.
    #[must_use]
    pub fn look_for(&self, field: &str, part: Part) -> Vec<Looked<'r>> {
        let Some(rule) = self.rules.events.get(part.rule) else {
            return Vec::new();
        };
        let paths = paths_of(rule, field).into_iter();
        paths
            .map(|path| Looked {
                path,
                found: self.look(path, part),
            })
            .collect()
    }

    fn outcome(&self, rules: &[RuleWhy<'_>]) -> Outcome {
        let mut parts = Vec::new();
        for (number, rule) in rules.iter().enumerate().filter(|(_, it)| it.when.holds) {
            let part = |item| Part { rule: number, item };
            match &rule.each {
                None => parts.push(part(None)),
                Some(each) if each.array == Array::Other => parts.push(part(None)),
                Some(each) => parts.extend(each.taken.iter().map(|item| part(Some(*item)))),
            }
        }
        if !parts.is_empty() {
            return Outcome::Parts(parts);
        }
        match self.rules.otherwise {
            Otherwise::Unmapped if !rules.iter().any(|rule| rule.when.holds) => Outcome::Unmapped,
            Otherwise::Unmapped | Otherwise::Skipped => Outcome::Skipped,
        }
    }

    fn rule(&self, rule: &'r Rule) -> RuleWhy<'r> {
        let when = self.any(&rule.when, None);
        let each = rule.each.as_ref().filter(|_| when.holds);
        RuleWhy {
            each: each.map(|path| self.each(rule, path)),
            when,
        }
    }

    fn each(&self, rule: &'r Rule, path: &'r Path) -> EachWhy<'r> {
        let items = self.items(path);
        let mut why = EachWhy {
            path,
            array: match &items {
                Some(items) => Array::Of(items.len()),
                None if self.found(path, None).present() => Array::Other,
                None => Array::Absent,
            },
            taken: Vec::new(),
            left_out: Vec::new(),
        };
        for (number, item) in items.iter().flatten().enumerate() {
            let tried = self.any(&rule.each_when, Some(item));
            if tried.holds {
                why.taken.push(number);
            } else {
                why.left_out.push((number, tried));
            }
        }
        why
    }

    fn items(&self, each: &Path) -> Option<Vec<String>> {
        let raw = self.json_at(each, None)?;
        let items = array(&raw)?;
        Some(items.into_iter().map(str::to_owned).collect())
    }

    /// No conditions at all always hold.
    fn any(&self, conditions: &'r [Condition], item: Option<&str>) -> Tried<'r> {
        let mut failed = Vec::new();
        for (number, condition) in conditions.iter().enumerate() {
            let tests = condition.all.iter().map(|test| self.test(test, item));
            let mut tests: Vec<_> = tests.collect();
            match tests.iter().position(|test| !test.holds) {
                Some(first) => failed.push(tests.swap_remove(first)),
                None => {
                    return Tried {
                        holds: true,
                        alternative: Some(number),
                        tests,
                    };
                }
            }
        }
        Tried {
            holds: conditions.is_empty(),
            alternative: None,
            tests: failed,
        }
    }

    fn test(&self, test: &'r Test, item: Option<&str>) -> Tested<'r> {
        let look = |path: &'r Path| Looked {
            path,
            found: self.found(path, item),
        };
        let (looked, holds) = match test {
            Test::Is { path, texts } => {
                let looked = look(path);
                let holds = looked.found.is_one_of(texts);
                (vec![looked], holds)
            }
            Test::IsNot { path, texts } => {
                let looked = look(path);
                let holds = !looked.found.is_one_of(texts);
                (vec![looked], holds)
            }
            Test::Present { path, present } => {
                let looked = look(path);
                let holds = looked.found.present() == *present;
                (vec![looked], holds)
            }
            Test::Becomes {
                before,
                after,
                from,
                into,
            } => {
                let (before, after) = (look(before), look(after));
                let left = !before.found.is_one_of(into)
                    && (from.is_empty() || before.found.is_one_of(from));
                let holds = after.found.is_one_of(into) && left;
                (vec![after, before], holds)
            }
        };
        Tested {
            test,
            looked,
            holds,
        }
    }

    fn found(&self, path: &Path, item: Option<&str>) -> Found {
        let text = |text: Option<String>| text.map_or(Found::Missing, Found::of_text);
        match (path.root, path.steps.as_slice()) {
            (Root::Header, [Step::Key(name)]) => text(self.header(name)),
            (Root::Key, []) => text(self.record.key.and_then(utf_8)),
            (Root::Record, [Step::Key(name)]) => text(self.of_record(name)),
            (Root::CloudEvent, [Step::Key(name)])
                if name != "data" && matches!(self.cloud_event, CloudEvent::Binary) =>
            {
                text(self.header(&format!("ce_{name}")))
            }
            _ => Found::of_json(self.json_at(path, item).as_deref()),
        }
    }

    /// The JSON at a path, if it leads into JSON.
    fn json_at(&self, path: &Path, item: Option<&str>) -> Option<String> {
        let (start, steps): (Option<Cow<'_, str>>, &[Step]) = match (path.root, &path.steps[..]) {
            (Root::Value, steps) => (self.value.map(Cow::Borrowed), steps),
            // A key as a whole is a text, whatever it looks like.
            (Root::Key, []) | (Root::Header | Root::Record, _) => return None,
            (Root::Key, steps) => (self.record.key.and_then(utf_8).map(Cow::Owned), steps),
            (Root::Item, steps) => (item.map(Cow::Borrowed), steps),
            (Root::CloudEvent, steps) => match (&self.cloud_event, steps) {
                (CloudEvent::Structured(data), [Step::Key(name), rest @ ..]) if name == "data" => {
                    (data.clone(), rest)
                }
                (CloudEvent::Structured(_), steps @ [Step::Key(_)]) => {
                    (self.value.map(Cow::Borrowed), steps)
                }
                (CloudEvent::Binary, [Step::Key(name), rest @ ..]) if name == "data" => {
                    (self.value.map(Cow::Borrowed), rest)
                }
                _ => return None,
            },
        };
        let start = start?;
        let mut at: &str = &start;
        for step in steps {
            at = walk(at, step)?;
        }
        Some(at.to_owned())
    }

    /// The first header of that name, in any case, if it is a text.
    fn header(&self, name: &str) -> Option<String> {
        self.header_bytes(name).and_then(utf_8)
    }

    fn header_bytes(&self, name: &str) -> Option<&'r [u8]> {
        let named = |header: &[u8]| header.eq_ignore_ascii_case(name.as_bytes());
        let mut headers = self.record.headers.iter();
        let (_, value) = headers.find(|(header, _)| named(header))?;
        *value
    }

    fn of_record(&self, name: &str) -> Option<String> {
        match name {
            "topic" => Some(self.record.topic.to_owned()),
            "partition" => Some(self.record.partition.to_string()),
            "offset" => Some(self.record.offset.to_string()),
            "timestamp" => Some(self.record.recorded_at?.as_millis().to_string()),
            _ => None,
        }
    }

    fn found_cloud_event(&self) -> CloudEvent<'r> {
        const STRUCTURED: &str = "application/cloudevents+json";
        let structured = self
            .header_bytes("content-type")
            .and_then(|content_type| content_type.get(..STRUCTURED.len()))
            .is_some_and(|start| start.eq_ignore_ascii_case(STRUCTURED.as_bytes()));
        if structured {
            return CloudEvent::Structured(self.data());
        }
        if self.header_bytes("ce_id").is_some() || self.header_bytes("ce_type").is_some() {
            return CloudEvent::Binary;
        }
        let enveloped = self.value.and_then(|value| member(value, "specversion"));
        match enveloped {
            Some(_) => CloudEvent::Structured(self.data()),
            None => CloudEvent::None,
        }
    }

    fn data(&self) -> Option<Cow<'r, str>> {
        let value = self.value?;
        let encoded = member(value, "data_base64");
        let encoded = encoded.and_then(|raw| serde_json::from_str::<String>(raw).ok());
        let Some(encoded) = encoded.filter(|text| !text.is_empty()) else {
            return member(value, "data").map(Cow::Borrowed);
        };
        let bytes = STANDARD.decode(encoded).ok()?;
        String::from_utf8(bytes).ok().map(Cow::Owned)
    }
}

/// The paths at which a rule looks for a native field, in the order in which it does.
#[must_use]
pub fn paths_of<'r>(rule: &'r Rule, field: &str) -> Vec<&'r Path> {
    let of = |text: &'r Text| {
        let mut paths = Vec::new();
        paths_of_source(&text.source, &mut paths);
        paths
    };
    let of_optional = |text: &'r Option<Text>| text.as_ref().map(of).unwrap_or_default();
    match field {
        "event_id" => of(&rule.event_id),
        "type" => of(&rule.event_type),
        "customer_id" => of(&rule.customer_id),
        "occurred_at" => rule.occurred_at.first.iter().collect(),
        "amount" => rule
            .amount
            .as_ref()
            .map(paths_of_amount)
            .unwrap_or_default(),
        "currency" => of_optional(&rule.currency),
        "reason" => of_optional(&rule.reason),
        "survey" => of_optional(&rule.survey),
        "score" => of_optional(&rule.score),
        "channel" => of_optional(&rule.channel),
        _ => Vec::new(),
    }
}

fn paths_of_amount(amount: &Amount) -> Vec<&Path> {
    let mut paths: Vec<_> = amount.first.iter().collect();
    if let AmountUnit::Scaled { digits } = &amount.unit {
        paths.push(digits);
    }
    paths
}

fn paths_of_source<'r>(source: &'r TextSource, paths: &mut Vec<&'r Path>) {
    match source {
        TextSource::Fixed(_) => {}
        TextSource::First(first) => paths.extend(first),
        TextSource::Join { parts, .. } => {
            for part in parts {
                paths_of_source(part, paths);
            }
        }
    }
}

fn utf_8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn member<'j>(raw: &'j str, name: &str) -> Option<&'j str> {
    let mut members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(raw).ok()?;
    members.remove(name).map(RawValue::get)
}

fn array(raw: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

fn walk<'j>(raw: &'j str, step: &Step) -> Option<&'j str> {
    match step {
        Step::Key(name) => member(raw, name),
        Step::Index(index) => {
            let items = array(raw)?;
            let distance = usize::try_from(index.unsigned_abs()).ok()?;
            let at = match *index {
                0.. => distance,
                _ => items.len().checked_sub(distance)?,
            };
            items.get(at).copied()
        }
        Step::Find { path, text } => {
            let holds = |item: &&str| {
                let at = path.iter().try_fold(*item, |at, name| member(at, name));
                matches!(Found::of_json(at), Found::Text(found) if found == *text)
            };
            array(raw)?.into_iter().find(holds)
        }
    }
}

#[cfg(test)]
mod tests;
