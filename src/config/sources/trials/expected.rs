//! What a test expects.

use super::record::instant;
use crate::config::complaint::{Place, quoted};
use crate::config::document::{Content, Node};
use crate::config::nearest::nearest;
use crate::config::sources::Reader;
use crate::config::sources::fields::Fields;
use crate::config::values::{self, Parsed, Trouble};
use crate::event::{Amount, EventType, Reason, Survey, Timestamp};

/// What should come out of a test's records, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    Event(Box<ExpectedEvent>),
    Rejected(ExpectedRejection),
    /// Every record is skipped.
    Skipped,
    /// Every record is a tombstone.
    Tombstone,
}

/// An event; only what is given is compared.
///
/// The outer option of a field is whether it is given, the inner one is null: it must be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedEvent {
    pub event_type: EventType,
    pub event_id: Option<String>,
    pub customer_id: Option<String>,
    pub occurred_at: Option<Timestamp>,
    pub amount: Option<Amount>,
    pub currency: Option<String>,
    pub reason: Option<Option<String>>,
    pub survey: Option<Survey>,
    pub score: Option<u8>,
    pub channel: Option<Option<String>>,
    /// By the place of the dimension in the configured order, with its name.
    pub attributes: Vec<(usize, String, Option<String>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedRejection {
    pub reason: Reason,
    /// Compared if it is given.
    pub field: Option<String>,
}

/// What expectations can refer to.
pub(super) struct Known<'a> {
    pub topic: &'a str,
    pub dimensions: &'a [String],
}

pub(super) const OF_TEST: [&str; 7] = [
    "name",
    "record",
    "records",
    "events",
    "skipped",
    "rejected",
    "tombstone",
];

const OF_EVENT: [&str; 13] = [
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
    "rejected",
    "order_id",
];

const OF_REJECTION: [&str; 2] = ["reason", "field"];

/// The fields of native events that a rejection can name.
const FIELDS: [&str; 11] = [
    "event_id",
    "type",
    "customer_id",
    "occurred_at",
    "order_id",
    "amount",
    "currency",
    "reason",
    "survey",
    "score",
    "channel",
];

const TYPES: [(&str, EventType); EventType::ALL.len()] = {
    let [a, b, c, d] = EventType::ALL;
    [(a.name(), a), (b.name(), b), (c.name(), c), (d.name(), d)]
};

const SURVEYS: [(&str, Survey); Survey::ALL.len()] = {
    let [a, b, c] = Survey::ALL;
    [(a.name(), a), (b.name(), b), (c.name(), c)]
};

const HELP: &str = "write `events:` with a list, `skipped: true`, `rejected: REASON` or `tombstone: \
                    true`";

impl Reader<'_> {
    pub(super) fn expected(
        &mut self,
        fields: &mut Fields,
        place: &Place,
        known: Option<&Known<'_>>,
    ) -> Option<Vec<Expected>> {
        let given = ["events", "skipped", "rejected", "tombstone"].map(|name| fields.take(name));
        match given {
            [Some(events), None, None, None] => self.expected_events(events, known),
            [None, Some(node), None, None] => self.truth(node, "skipped", Expected::Skipped),
            [None, None, Some(node), None] => {
                let rejected = self.expected_rejection(node)?;
                Some(vec![Expected::Rejected(rejected)])
            }
            [None, None, None, Some(node)] => self.truth(node, "tombstone", Expected::Tombstone),
            [None, None, None, None] => {
                self.complain(place, "the test does not say what it expects", HELP);
                None
            }
            given => {
                let second = given.into_iter().flatten().nth(1);
                let place = second.map_or(place.clone(), |node| node.place);
                let message = "the test expects two things at once";
                self.complain(&place, message, "rejections among events stand in `events`");
                None
            }
        }
    }

    fn truth(&mut self, node: Node, name: &str, expected: Expected) -> Option<Vec<Expected>> {
        self.parsed(node, name, |text| match text {
            "true" => Ok(vec![expected]),
            _ => Err(Trouble {
                message: format!("{} is not `true`", quoted(text)),
                help: HELP.to_owned(),
            }),
        })
    }

    fn expected_events(&mut self, node: Node, known: Option<&Known<'_>>) -> Option<Vec<Expected>> {
        let items = match node.content {
            Content::List(items) if !items.is_empty() => items,
            _ => {
                let help = "begin each event with a dash; a record that makes none is `skipped: \
                            true`, `rejected: REASON` or `tombstone: true`";
                self.complain(&node.place, "`events` takes a list of events", help);
                return None;
            }
        };
        let count = items.len();
        let items = items.into_iter();
        let expected: Vec<_> = items
            .filter_map(|it| self.expected_event(it, known))
            .collect();
        (expected.len() == count).then_some(expected)
    }

    fn expected_event(&mut self, node: Node, known: Option<&Known<'_>>) -> Option<Expected> {
        let place = node.place.clone();
        let mut fields = self.fields(node, "an event", &OF_EVENT)?;
        if let Some(order) = fields.take("order_id") {
            let help = "remove it: it is not kept, so there is nothing to compare";
            self.complain(&order.place, "`order_id` is not compared", help);
            return None;
        }
        if let Some(rejected) = fields.take("rejected") {
            let rejected = self.expected_rejection(rejected)?;
            if let Some((name, _)) = fields.rest().first() {
                let help = "an item is an event or a rejection";
                let message = format!("`{}` stands beside `rejected`", name.text);
                self.complain(&name.place, message, help);
                return None;
            }
            return Some(Expected::Rejected(rejected));
        }
        let Some(event_type) = fields.take("type") else {
            let help = "write `type:` with signup, purchase, churn or survey_submitted";
            self.complain(&place, "the event has no `type`", help);
            return None;
        };
        let event_type = self.parsed(event_type, "type", |text| values::choice(text, &TYPES))?;
        self.foreign_fields(&fields, event_type)?;
        let event = ExpectedEvent {
            event_type,
            event_id: self.expected_value(&mut fields, "event_id", text)?,
            customer_id: self.expected_value(&mut fields, "customer_id", text)?,
            occurred_at: self.expected_value(&mut fields, "occurred_at", instant)?,
            amount: self.expected_value(&mut fields, "amount", amount)?,
            currency: self.expected_value(&mut fields, "currency", text)?,
            reason: self.expected_value_or_null(&mut fields, "reason")?,
            survey: self
                .expected_value(&mut fields, "survey", |text| values::choice(text, &SURVEYS))?,
            score: self.expected_value(&mut fields, "score", score)?,
            channel: self.expected_value_or_null(&mut fields, "channel")?,
            attributes: self.expected_attributes(fields.take("attributes"), known)?,
        };
        Some(Expected::Event(Box::new(event)))
    }

    /// Complains of fields that events of that type do not have.
    fn foreign_fields(&mut self, fields: &Fields, event_type: EventType) -> Option<()> {
        let own: &[&str] = match event_type {
            EventType::Signup => &[],
            EventType::Purchase => &["amount", "currency"],
            EventType::Churn => &["reason"],
            EventType::SurveySubmitted => &["survey", "score", "channel"],
        };
        let bodies = ["amount", "currency", "reason", "survey", "score", "channel"];
        let mut names = fields.names();
        let foreign = names.find(|name| {
            let name = name.text.as_str();
            bodies.contains(&name) && !own.contains(&name)
        });
        let Some(foreign) = foreign else {
            return Some(());
        };
        let message = format!("a {} has no `{}`", event_type.name(), foreign.text);
        let place = foreign.place.clone();
        drop(names);
        self.complain(&place, message, "remove it: it is not kept");
        None
    }

    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it given"
    )]
    fn expected_value<T>(
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

    #[expect(
        clippy::option_option,
        reason = "three questions: is it right, is it given, and is it null"
    )]
    fn expected_value_or_null(
        &mut self,
        fields: &mut Fields,
        name: &str,
    ) -> Option<Option<Option<String>>> {
        match fields.take(name) {
            None => Some(None),
            Some(node) if matches!(node.content, Content::Nothing) => Some(Some(None)),
            Some(node) => self.parsed(node, name, text).map(|text| Some(Some(text))),
        }
    }

    fn expected_attributes(
        &mut self,
        node: Option<Node>,
        known: Option<&Known<'_>>,
    ) -> Option<Vec<(usize, String, Option<String>)>> {
        let Some(node) = node else {
            return Some(Vec::new());
        };
        let Content::Map(entries) = node.content else {
            let help = "write one `name: value` on each line below it";
            self.complain(&node.place, "`attributes` takes names with values", help);
            return None;
        };
        // Of a source that cannot be read nothing is known; the complaint about it is enough.
        let dimensions = known?.dimensions;
        let mut attributes = Vec::new();
        for (name, node) in entries {
            let Some(at) = dimensions.iter().position(|it| *it == name.text) else {
                let names = dimensions.iter().map(String::as_str);
                let help = match nearest(&name.text, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "only dimensions are read: write `settings: {{ dimensions: [{}] }}`",
                        name.text
                    ),
                };
                let message = format!("{} is no dimension", quoted(&name.text));
                self.complain(&name.place, message, help);
                return None;
            };
            let value = match node.content {
                Content::Nothing => None,
                _ => Some(self.text(node, &name.text)?.0),
            };
            attributes.push((at, name.text, value));
        }
        Some(attributes)
    }

    /// `rejected: REASON`, or with the field that is to blame.
    fn expected_rejection(&mut self, node: Node) -> Option<ExpectedRejection> {
        if matches!(node.content, Content::Text(_)) {
            let reason = self.parsed(node, "rejected", reason)?;
            return Some(ExpectedRejection {
                reason,
                field: None,
            });
        }
        let place = node.place.clone();
        let mut fields = self.fields(node, "`rejected`", &OF_REJECTION)?;
        let Some(of_reason) = fields.take("reason") else {
            let help =
                "write for instance `rejected: { reason: missing_field, field: customer_id }`";
            self.complain(&place, "`rejected` has no `reason`", help);
            return None;
        };
        let reason = self.parsed(of_reason, "reason", reason)?;
        let field = self.expected_value(&mut fields, "field", field)?;
        Some(ExpectedRejection { reason, field })
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside parsers that can fail"
)]
fn text(text: &str) -> Parsed<String> {
    Ok(text.to_owned())
}

fn reason(text: &str) -> Parsed<Reason> {
    let found = Reason::ALL.into_iter().find(|it| it.name() == text);
    found.ok_or_else(|| {
        let names = Reason::ALL.map(Reason::name);
        Trouble {
            message: format!("{} is no reason", quoted(text)),
            help: match nearest(text, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the reasons are {}", names.join(", ")),
            },
        }
    })
}

fn field(text: &str) -> Parsed<String> {
    if FIELDS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Trouble {
        message: format!("{} is no field of a native event", quoted(text)),
        help: match nearest(text, FIELDS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the fields are {}", FIELDS.join(", ")),
        },
    })
}

fn amount(text: &str) -> Parsed<Amount> {
    Amount::from_decimal(text).ok_or_else(|| Trouble {
        message: format!("{} is no amount", quoted(text)),
        help: "write it in units of the currency, as in \"129.90\"".to_owned(),
    })
}

fn score(text: &str) -> Parsed<u8> {
    text.parse().map_err(|_| Trouble {
        message: format!("{} is no score", quoted(text)),
        help: "write a whole number, as in 9".to_owned(),
    })
}
