//! One mapping: its conditions, its rules, and what they must have.
//!
//! Owns which keys a mapping and a rule have, and what a rule needs for the types of events it can
//! make. Promises rules of which every one can make an event. Does not know where the mapping stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::complaint::Place;
use crate::config::document::{Content, Node};
use crate::config::layers::listed;
use crate::config::values::{self, Trouble};
use crate::event::mapping::path::Path;
use crate::event::mapping::rule::{
    Case, Condition, Envelope, Format, Otherwise, Rule, Rules, Text, TextSource,
};
use crate::event::{EventType, Survey};

use super::Reader;
use super::expression::Scope;
use super::fields::Fields;
use super::options::{Filled, Options};

/// The keys of a mapping.
pub(super) const OF_MAPPING: [&str; 8] = [
    "about",
    "options",
    "envelope",
    "format",
    "key_format",
    "skip",
    "otherwise",
    "events",
];

const OF_RULE: [&str; 14] = [
    "when",
    "each",
    "each_when",
    "type",
    "event_id",
    "customer_id",
    "occurred_at",
    "amount",
    "currency",
    "reason",
    "survey",
    "score",
    "channel",
    "attributes",
];

/// The fields that only some types of events have, and whether those must have them.
const OF_TYPES: [(&str, EventType, bool); 6] = [
    ("amount", EventType::Purchase, true),
    ("currency", EventType::Purchase, true),
    ("reason", EventType::Churn, false),
    ("survey", EventType::SurveySubmitted, true),
    ("score", EventType::SurveySubmitted, true),
    ("channel", EventType::SurveySubmitted, false),
];

const ENVELOPES: [(&str, Envelope); 1] = [("cloudevents", Envelope::CloudEvents)];
const FORMATS: [(&str, Format); 4] = [
    ("json", Format::Json),
    ("avro", Format::Avro),
    ("protobuf", Format::Protobuf),
    ("json_schema", Format::JsonSchema),
];
const OTHERWISE: [(&str, Otherwise); 2] = [
    ("unmapped", Otherwise::Unmapped),
    ("skipped", Otherwise::Skipped),
];
const TYPES: [(&str, ()); EventType::ALL.len()] = {
    let [a, b, c, d] = EventType::ALL;
    [
        (a.name(), ()),
        (b.name(), ()),
        (c.name(), ()),
        (d.name(), ()),
    ]
};
const SURVEYS: [(&str, ()); Survey::ALL.len()] = {
    let [a, b, c] = Survey::ALL;
    [(a.name(), ()), (b.name(), ()), (c.name(), ())]
};

const EXAMPLE: &str = "write for instance `- when: { value.kind: order }` with `type: purchase` and \
                       where its fields come from below it; see docs/mapping.md";

/// To what a rule applies.
struct Applies {
    when: Vec<Condition>,
    each: Option<Path>,
    each_when: Vec<Condition>,
}

impl Reader<'_> {
    /// The rules of a mapping whose keys have been read; `place` is where it is used.
    pub fn rules(
        &mut self,
        mut fields: Fields,
        options: &Options,
        what: &str,
        place: &Place,
    ) -> Option<Rules> {
        if let Some(about) = fields.take("about") {
            self.text(about, "about")?;
        }
        let envelope = self.word(&mut fields, "envelope", options, &ENVELOPES);
        let format = self.word(&mut fields, "format", options, &FORMATS);
        let key_format = self.word(&mut fields, "key_format", options, &FORMATS);
        let otherwise = self.word(&mut fields, "otherwise", options, &OTHERWISE);
        let scope = Scope {
            // After a complaint about it, none follows about the paths.
            cloudevents: envelope != Some(None),
            item: false,
        };
        let skip = match fields.take("skip") {
            Some(node) => self.skip(node, options, scope),
            None => Some(Vec::new()),
        };
        let events = match fields.take("events") {
            Some(node) => self.events(node, options, scope, what, place),
            None => {
                self.complain(place, format!("{what} has no `events`"), EXAMPLE);
                None
            }
        };
        Some(Rules {
            envelope: envelope?.unwrap_or_default(),
            format: format?.unwrap_or_default(),
            key_format: key_format?.unwrap_or_default(),
            skip: skip?,
            events: events?,
            otherwise: otherwise?.unwrap_or_default(),
        })
    }

    /// One of a few words, if it is given.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it given"
    )]
    fn word<T: Copy>(
        &mut self,
        fields: &mut Fields,
        name: &str,
        options: &Options,
        words: &[(&'static str, T)],
    ) -> Option<Option<T>> {
        let Some(node) = fields.take(name) else {
            return Some(None);
        };
        if matches!(node.content, Content::Nothing) {
            return Some(None);
        }
        let node = self.filled_whole(node, options)?;
        self.parsed(node, name, |text| values::choice(text, words))
            .map(Some)
    }

    /// One map of tests or a list of them; those that use an option which is null are left out.
    fn skip(&mut self, node: Node, options: &Options, scope: Scope) -> Option<Vec<Condition>> {
        let filled = self.each(listed_nodes(node), |reader, node| {
            match reader.filled(node, options)? {
                Filled::Whole(node) => reader.condition(node, "skip", scope).map(Some),
                Filled::LeftOut(_) => Some(None),
            }
        })?;
        Some(filled.into_iter().flatten().collect())
    }

    fn conditions(&mut self, node: Node, name: &str, scope: Scope) -> Option<Vec<Condition>> {
        self.each(listed_nodes(node), |reader, node| {
            reader.condition(node, name, scope)
        })
    }

    fn events(
        &mut self,
        node: Node,
        options: &Options,
        scope: Scope,
        what: &str,
        place: &Place,
    ) -> Option<Vec<Rule>> {
        let at = node.place;
        let rules = match node.content {
            Content::List(rules) if !rules.is_empty() => rules,
            _ => {
                self.complain(&at, "`events` takes a list of rules", EXAMPLE);
                return None;
            }
        };
        let mut unset = BTreeSet::new();
        let rules = self.each(rules, |reader, node| {
            match reader.filled(node, options)? {
                Filled::Whole(node) => reader.rule(node, scope).map(Some),
                Filled::LeftOut(option) => {
                    unset.insert(option);
                    Some(None)
                }
            }
        })?;
        let rules: Vec<Rule> = rules.into_iter().flatten().collect();
        if rules.is_empty() {
            let unset: Vec<&str> = unset.iter().map(String::as_str).collect();
            let message = format!("{what} makes no events without one of its options");
            let help = format!("set {} under `options`", listed(&unset));
            self.complain(place, message, help);
            return None;
        }
        Some(rules)
    }

    fn rule(&mut self, node: Node, scope: Scope) -> Option<Rule> {
        let place = node.place.clone();
        let mut fields = self.fields(node, "a rule of `events`", &OF_RULE)?;
        // After a complaint about `each` there is an item all the same, so that none follows from it.
        let within = Scope {
            item: fields.has("each"),
            ..scope
        };
        let applies = self.applies(&mut fields, scope, within);
        let types = self.types(&mut fields, &place, within);
        let makes = types.as_ref().and_then(|(_, makes)| makes.as_ref());
        let complete = self.check_fields(&fields, makes, &place);
        let rule = self.body(&mut fields, &place, within, applies, types);
        complete.and(rule)
    }

    /// To which records a rule applies, and to which items of them.
    fn applies(&mut self, fields: &mut Fields, scope: Scope, within: Scope) -> Option<Applies> {
        let when = match fields.take("when") {
            Some(node) => self.conditions(node, "when", scope),
            None => Some(Vec::new()),
        };
        let each = match fields.take("each") {
            Some(node) => self.path(node, "each", scope).map(Some),
            None => Some(None),
        };
        let each_when = match fields.take("each_when") {
            Some(node) if !within.item => {
                self.complain(
                    &node.place,
                    "`each_when` stands without `each`",
                    "use `when`",
                );
                None
            }
            Some(node) => self.conditions(node, "each_when", within),
            None => Some(Vec::new()),
        };
        Some(Applies {
            when: when?,
            each: each?,
            each_when: each_when?,
        })
    }

    /// The fields of the events that a rule makes.
    fn body(
        &mut self,
        fields: &mut Fields,
        place: &Place,
        scope: Scope,
        applies: Option<Applies>,
        types: Option<(Text, Option<BTreeSet<EventType>>)>,
    ) -> Option<Rule> {
        let event_id = self.required(fields, "event_id", place, scope);
        let customer_id = self.required(fields, "customer_id", place, scope);
        let occurred_at = match fields.take("occurred_at") {
            Some(node) => self.instant(node, scope),
            None => {
                self.missing("occurred_at", place);
                None
            }
        };
        let amount = match fields.take("amount") {
            Some(node) => self.amount(node, scope).map(Some),
            None => Some(None),
        };
        let survey = match fields.take("survey") {
            Some(node) => self
                .among(node, "survey", &SURVEYS, scope)
                .map(|(text, _)| Some(text)),
            None => Some(None),
        };
        let [currency, reason, score, channel] =
            ["currency", "reason", "score", "channel"].map(|name| match fields.take(name) {
                Some(node) => self.expression(node, name, scope).map(Some),
                None => Some(None),
            });
        let attributes = self.attributes(fields, scope);
        let Applies {
            when,
            each,
            each_when,
        } = applies?;
        Some(Rule {
            when,
            each,
            each_when,
            event_id: event_id?,
            event_type: types?.0,
            customer_id: customer_id?,
            occurred_at: occurred_at?,
            amount: amount?,
            currency: currency?,
            reason: reason?,
            survey: survey?,
            score: score?,
            channel: channel?,
            attributes: attributes?,
        })
    }

    fn required(
        &mut self,
        fields: &mut Fields,
        name: &str,
        place: &Place,
        scope: Scope,
    ) -> Option<Text> {
        match fields.take(name) {
            Some(node) => self.expression(node, name, scope),
            None => {
                self.missing(name, place);
                None
            }
        }
    }

    fn missing(&mut self, name: &str, place: &Place) {
        let help = match name {
            "event_id" => {
                "write where the id of the event is; it must be another one for each event and the \
                 same again for a repeat, as in `{ join: [value.kind, value.id] }`"
            }
            "occurred_at" => "write where the time is at which it happened",
            "type" => "write signup, purchase, churn or survey_submitted, or where it stands",
            _ => "write where it stands in the record",
        };
        self.complain(place, format!("the rule has no `{name}`"), help);
    }

    /// The type of the events, and which ones there can be, as far as the rule tells.
    fn types(
        &mut self,
        fields: &mut Fields,
        place: &Place,
        scope: Scope,
    ) -> Option<(Text, Option<BTreeSet<EventType>>)> {
        let Some(node) = fields.take("type") else {
            self.missing("type", place);
            return None;
        };
        let (text, words) = self.among(node, "type", &TYPES, scope)?;
        let makes = words.map(|words| {
            let types = EventType::ALL.into_iter();
            types.filter(|event| words.contains(event.name())).collect()
        });
        Some((text, makes))
    }

    /// A text that is one of a few words: fixed, or from the record. Which ones there can be, unless
    /// the record alone says it.
    fn among(
        &mut self,
        node: Node,
        name: &str,
        words: &[(&'static str, ())],
        scope: Scope,
    ) -> Option<(Text, Option<BTreeSet<String>>)> {
        let place = node.place.clone();
        if let Content::Text(text) = &node.content
            && !begins_like_a_path(text)
        {
            let text = text.clone();
            self.check_word(&text, name, words, &place)?;
            let fixed = Text {
                source: TextSource::Fixed(text.clone()),
                map: None,
                otherwise: None,
                case: Case::AsItIs,
            };
            return Some((fixed, Some(BTreeSet::from([text]))));
        }
        let text = self.expression(node, name, scope)?;
        let fixed = match &text.source {
            TextSource::Fixed(text) => Some(text),
            TextSource::First(_) | TextSource::Join { .. } => None,
        };
        let known: BTreeSet<String> = match &text.map {
            Some(map) => map.values().chain(&text.otherwise).cloned().collect(),
            None => fixed.into_iter().chain(&text.otherwise).cloned().collect(),
        };
        for word in &known {
            self.check_word(word, name, words, &place)?;
        }
        let told = text.map.is_some() || fixed.is_some();
        Some((text, told.then_some(known)))
    }

    fn check_word(
        &mut self,
        word: &str,
        name: &str,
        words: &[(&'static str, ())],
        place: &Place,
    ) -> Option<()> {
        match values::choice(word, words) {
            Ok(()) => Some(()),
            Err(Trouble { message, help }) => {
                self.complain(place, format!("`{name}`: {message}"), help);
                None
            }
        }
    }

    /// Whether a rule has what the events need that it makes, and nothing that none of them has.
    fn check_fields(
        &mut self,
        fields: &Fields,
        makes: Option<&BTreeSet<EventType>>,
        place: &Place,
    ) -> Option<()> {
        let Some(makes) = makes else {
            return Some(());
        };
        let mut sound = Some(());
        for (name, event, needed) in OF_TYPES {
            let (has, made) = (fields.has(name), makes.contains(&event));
            if made && needed && !has {
                let help = match name {
                    "survey" => "write nps, csat or ces, or where it stands in the record",
                    "currency" => {
                        "write where the code stands, or `{ text: EUR }` if it is always the same"
                    }
                    _ => "write where it stands in the record",
                };
                let message = format!("the rule has no `{name}`, which every {} has", event.name());
                self.complain(place, message, help);
                sound = None;
            }
            if has && !made {
                let message = format!("`{name}` is a field of {} alone", event.name());
                let place = fields.place(name).unwrap_or(place);
                self.complain(
                    place,
                    message,
                    "remove it: the events of this rule have none",
                );
                sound = None;
            }
        }
        sound
    }

    fn attributes(&mut self, fields: &mut Fields, scope: Scope) -> Option<BTreeMap<String, Text>> {
        let Some(node) = fields.take("attributes") else {
            return Some(BTreeMap::new());
        };
        let entries = self.entries(node, "`attributes`", &[])?;
        let count = entries.len();
        let mut attributes = BTreeMap::new();
        for (name, node) in entries {
            if let Err(Trouble { message, help }) = values::dimension(&name.text) {
                self.complain(&name.place, format!("`attributes`: {message}"), help);
                continue;
            }
            if let Some(text) = self.expression(node, &name.text, scope) {
                attributes.insert(name.text, text);
            }
        }
        (attributes.len() == count).then_some(attributes)
    }
}

/// The items of a list, or the one node that is none.
fn listed_nodes(node: Node) -> Vec<Node> {
    match node.content {
        Content::List(items) => items,
        content => vec![Node {
            content,
            place: node.place,
        }],
    }
}

/// Whether the text begins with a root of paths, so that it is meant to be one.
fn begins_like_a_path(text: &str) -> bool {
    let root = text.split(['.', '[', '"']).next().unwrap_or_default();
    let roots = ["value", "key", "header", "record", "ce", "item"];
    text.contains(['.', '[']) || roots.contains(&root)
}
