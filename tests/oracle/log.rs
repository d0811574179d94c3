//! A log: the records of a topic in the order in which they arrived.
//!
//! The oracle reads the structured [`Fact`]; everybody else gets its [JSON text](Record::json), in
//! one of the many spellings the wire format allows.

use serde_json::{Map, Value, json};

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
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    Signup,
    Purchase {
        cents: u64,
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

impl Record {
    /// The record's value on the wire.
    pub fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("event_id".to_owned(), json!(self.fact.id));
        object.insert("type".to_owned(), json!(self.fact.body.event_type()));
        object.insert("customer_id".to_owned(), self.customer());
        object.insert("occurred_at".to_owned(), self.occurred_at());
        match &self.fact.body {
            Body::Signup => {}
            Body::Purchase { cents, currency } => {
                object.insert("amount".to_owned(), self.amount(*cents));
                object.insert("currency".to_owned(), json!(currency));
            }
            Body::Churn { reason } => self.optional(&mut object, "reason", reason.as_deref()),
            Body::Survey {
                survey,
                score,
                channel,
            } => {
                object.insert("survey".to_owned(), json!(survey.name()));
                object.insert("score".to_owned(), json!(score));
                self.optional(&mut object, "channel", channel.as_deref());
            }
        }
        if self.choice(8, 3) == 0 {
            object.insert("unknown".to_owned(), json!({"nested": [1, null, "x"]}));
        }
        Value::Object(object).to_string()
    }

    /// A number below `count`, another one for each `place`.
    fn choice(&self, place: u32, count: u64) -> u64 {
        self.spelling.rotate_right(place * 7) % count
    }

    /// An integer stands for its decimal text.
    fn customer(&self) -> Value {
        let name = &self.fact.customer;
        match name.parse::<i64>() {
            Ok(number) if number.to_string() == *name && self.choice(1, 2) == 0 => json!(number),
            _ => json!(name),
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

    fn amount(&self, cents: u64) -> Value {
        let text = format!("{}.{:02}", cents / 100, cents % 100);
        match self.choice(3, 4) {
            0 if cents.is_multiple_of(100) => json!(cents / 100),
            0 => json!(cents as f64 / 100.0),
            1 => json!(format!("{text}0000")),
            _ => json!(text),
        }
    }

    /// Missing, null and empty mean the same.
    fn optional(&self, object: &mut Map<String, Value>, field: &str, text: Option<&str>) {
        match (text, self.choice(4, 3)) {
            (Some(text), _) => {
                object.insert(field.to_owned(), json!(text));
            }
            (None, 0) => {
                object.insert(field.to_owned(), Value::Null);
            }
            (None, 1) => {
                object.insert(field.to_owned(), json!(""));
            }
            (None, _) => {}
        }
    }
}
