//! A log: the records of a topic in the order in which they arrived.
//!
//! The oracle reads the structured [`Fact`]; everybody else gets its [JSON text](Record::json), in
//! one of the many spellings the wire format allows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Records in order of arrival.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log {
    pub records: Vec<Record>,
}

/// One record of the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Milliseconds since 1970.
    pub kafka_timestamp: Option<i64>,
    pub fact: Fact,
    /// Chooses among the texts that mean the same; decides no number.
    pub spelling: u64,
}

/// What one record says. Two facts are equal exactly if they are repeats of one event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub customer: String,
    /// Milliseconds since 1970.
    pub at: i64,
    pub id: String,
    pub body: Body,
    /// Name of a dimension, configured or not, and its value, which is never an empty text.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    Signup,
    Purchase {
        /// Millionths of the currency's unit, less than 10^18.
        micros: u64,
        currency: String,
    },
    /// Never an empty text: that is no reason.
    Churn {
        reason: Option<String>,
    },
    Survey {
        survey: Survey,
        score: i64,
        channel: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Survey {
    Nps,
    Csat,
    Ces,
}

impl Survey {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nps => "nps",
            Self::Csat => "csat",
            Self::Ces => "ces",
        }
    }
}

impl Body {
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Purchase { .. } => "purchase",
            Self::Churn { .. } => "churn",
            Self::Survey { .. } => "survey_submitted",
        }
    }
}

/// Names of dimensions of which a record may say that it has no value.
const DIMENSIONS: [&str; 3] = ["plan", "country", "tier_2"];

impl Record {
    /// The record's value on the wire.
    pub fn json(&self) -> String {
        let mut fields = vec![
            field("event_id", &quoted(&self.fact.id)),
            field("type", &quoted(self.fact.body.event_type())),
            field("customer_id", &self.customer()),
            field("occurred_at", &self.occurred_at().to_string()),
        ];
        match &self.fact.body {
            Body::Signup => {}
            Body::Purchase { micros, currency } => {
                fields.push(field("amount", &self.amount(*micros)));
                fields.push(field("currency", &quoted(currency)));
            }
            Body::Churn { reason } => fields.extend(self.optional("reason", reason.as_deref())),
            Body::Survey {
                survey,
                score,
                channel,
            } => {
                fields.push(field("survey", &quoted(survey.name())));
                fields.push(field("score", &score.to_string()));
                fields.extend(self.optional("channel", channel.as_deref()));
            }
        }
        fields.extend(self.attributes());
        if self.choice(8, 3) == 0 {
            fields.push(field("unknown", r#"{"nested": [1, null, "x"]}"#));
        }
        if self.choice(7, 4) == 0 {
            fields.reverse();
        }
        format!("{{{}}}", fields.join(","))
    }

    /// A number below `count`, another one for each `place`.
    fn choice(&self, place: u32, count: u64) -> u64 {
        self.spelling.rotate_right(place * 7) % count
    }

    /// An integer stands for its decimal text.
    fn customer(&self) -> String {
        let name = &self.fact.customer;
        match name.parse::<i64>() {
            Ok(number) if number.to_string() == *name && self.choice(1, 2) == 0 => name.clone(),
            _ => quoted(name),
        }
    }

    fn occurred_at(&self) -> Value {
        let at = self.fact.at;
        let Ok(instant) = jiff::Timestamp::from_millisecond(at) else {
            return json!(at);
        };
        let local = |hours: i64, minutes: i64, zone: &str| {
            let shifted = at + (hours * 60 + minutes) * 60_000;
            let shifted = jiff::Timestamp::from_millisecond(shifted).unwrap_or(instant);
            json!(format!("{shifted:.3}").replace('Z', zone))
        };
        match self.choice(2, 6) {
            0 => json!(at),
            1 => local(3, 0, "+03:00"),
            2 => local(-5, -30, "-05:30"),
            3 => json!(format!("{instant:.3}").replace('Z', "999Z")),
            4 if at % 1000 == 0 => json!(format!("{instant:.0}")),
            _ => json!(format!("{instant:.3}")),
        }
    }

    /// Texts and numbers, of which a number may have more decimals than count.
    fn amount(&self, micros: u64) -> String {
        let (whole, decimals) = (micros / 1_000_000, micros % 1_000_000);
        let long = format!("{whole}.{decimals:06}");
        let short = long.trim_end_matches('0').trim_end_matches('.');
        match self.choice(3, 7) {
            0 => quoted(&long),
            1 => long,
            2 => short.to_owned(),
            3 => format!("{long}4999"),
            4 => format!("{micros}e-6"),
            5 if whole < 1_000_000 => quoted(&format!("00{short}")),
            _ => quoted(short),
        }
    }

    /// Missing, null and empty mean the same.
    fn optional(&self, name: &str, text: Option<&str>) -> Option<String> {
        match (text, self.choice(4, 3)) {
            (Some(text), _) => Some(field(name, &quoted(text))),
            (None, 0) => Some(field(name, "null")),
            (None, 1) => Some(field(name, r#""""#)),
            (None, _) => None,
        }
    }

    /// Missing, null, and an object without any value mean the same.
    fn attributes(&self) -> Option<String> {
        let mut members: Vec<String> = Vec::new();
        for (place, (name, value)) in (9..).zip(&self.fact.attributes) {
            let bare = plain_number_or_boolean(value) && self.choice(place, 2) == 0;
            let value = if bare { value.clone() } else { quoted(value) };
            members.push(field(name, &value));
        }
        for (place, name) in (12..).zip(DIMENSIONS) {
            let no_value = [
                "",
                "",
                "",
                "null",
                r#""""#,
                "[1]",
                r#"{"plan":"pro"}"#,
                "[]",
            ];
            let value = no_value[self.choice(place, 8) as usize];
            if !self.fact.attributes.contains_key(name) && !value.is_empty() {
                members.push(field(name, value));
            }
        }
        if self.choice(5, 3) == 0 {
            members.push(field("Plan", r#""of nobody's interest""#));
            members.push(field("", "[{}]"));
        }
        match (members.is_empty(), self.choice(6, 3)) {
            (true, 0) => None,
            (true, 1) => Some(field("attributes", "null")),
            _ => Some(field("attributes", &format!("{{{}}}", members.join(",")))),
        }
    }
}

fn field(name: &str, value: &str) -> String {
    format!("{}:{value}", quoted(name))
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// Whether the text is a number or a boolean of JSON, which stand for their text.
fn plain_number_or_boolean(text: &str) -> bool {
    let value = serde_json::from_str(text);
    let plain = matches!(value, Ok(Value::Number(_) | Value::Bool(_)));
    plain && text.trim() == text
}
