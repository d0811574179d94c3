//! A record with what it becomes, as text or as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::command::Failure;
use crate::command::becoming::{Account, Became, Made, Sight};
use crate::command::paper::plain;
use crate::event::Survey;
use crate::event::record::Record;

/// A record to be shown.
pub struct Shown<'a> {
    pub record: Record<'a>,
    pub account: &'a Account<'a>,
    pub sight: &'a Sight,
    /// Whether key, headers and value are shown too.
    pub values: bool,
}

impl Shown<'_> {
    /// A line for the record, indented ones for what it becomes, deeper ones for the reasons.
    #[must_use]
    pub fn text(&self) -> String {
        let Record {
            topic,
            partition,
            offset,
            recorded_at,
            ..
        } = self.record;
        let time = recorded_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let size = self.record.value.map_or(0, <[u8]>::len);
        let mut text = format!("{topic} {partition}:{offset}  {time}  {size} bytes\n");
        for (number, became) in self.account.parts.iter().enumerate() {
            let _ = writeln!(text, "  {}", became.line(self.sight));
            for reason in self.account.reasons(number, self.sight) {
                let _ = writeln!(text, "    {reason}");
            }
        }
        if self.values {
            self.add_values(&mut text);
        }
        text
    }

    fn add_values(&self, text: &mut String) {
        if let Some(key) = self.record.key {
            let _ = writeln!(text, "    key {}", lossy(key));
        }
        for (name, value) in self.record.headers {
            let value = value.map_or_else(|| "null".to_owned(), lossy);
            let _ = writeln!(text, "    header {}: {value}", lossy(name));
        }
        if let Some(value) = self.record.value {
            let _ = writeln!(text, "    value {}", lossy(value));
        }
    }

    /// One object on one line.
    pub fn json(&self) -> Result<String, Failure> {
        let becomes = self.account.parts.iter().enumerate();
        let becomes: Vec<Value> = becomes
            .map(|(number, became)| self.part(number, became))
            .collect();
        let mut object = json!({
            "topic": self.record.topic,
            "partition": self.record.partition,
            "offset": self.record.offset,
            "time": self.record.recorded_at.map(|at| at.to_string()),
            "bytes": self.record.value.map_or(0, <[u8]>::len),
            "becomes": becomes,
        });
        if self.values {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = self.record.headers.iter();
            let headers: Vec<_> = headers
                .map(|(name, value)| json!([text(name), value.map(text)]))
                .collect();
            object["key"] = json!(self.record.key.map(text));
            object["headers"] = json!(headers);
            object["value"] = json!(self.record.value.map(text));
        }
        let line =
            serde_json::to_string(&object).map_err(|error| Failure::work(error.to_string()))?;
        Ok(line + "\n")
    }

    fn part(&self, number: usize, became: &Became) -> Value {
        match became {
            Became::Event(made) => json!({ "outcome": "event", "event": self.event(made) }),
            Became::Tombstone => json!({ "outcome": "tombstone" }),
            Became::Skipped => json!({
                "outcome": "skipped",
                "why": self.account.reasons(number, self.sight),
            }),
            Became::Rejected(rejection) => json!({
                "outcome": "rejected",
                "reason": rejection.reason.name(),
                "field": rejection.field,
                "hint": rejection.hint,
                "why": self.account.reasons(number, self.sight),
            }),
        }
    }

    /// The fields that it has, by the names of native events.
    fn event(&self, made: &Made) -> Value {
        let attributes: Map<String, Value> = made
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let fields = [
            ("type", json!(made.event_type.name())),
            ("event_id", json!(self.sight.id(&made.id))),
            ("customer_id", json!(self.sight.id(&made.customer))),
            ("occurred_at", json!(made.occurred_at.to_string())),
            ("amount", json!(made.amount.map(|it| it.to_string()))),
            ("currency", json!(made.currency)),
            ("reason", json!(made.reason)),
            ("survey", json!(made.survey.map(Survey::name))),
            ("score", json!(made.score)),
            ("channel", json!(made.channel)),
            ("attributes", json!(attributes)),
        ];
        let there = |value: &Value| !value.is_null() && *value != json!({});
        let fields = fields.into_iter().filter(|(_, value)| there(value));
        Value::Object(
            fields
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

/// Bytes on one line, whatever they are.
fn lossy(bytes: &[u8]) -> String {
    plain(&String::from_utf8_lossy(bytes))
}
