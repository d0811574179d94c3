//! CloudEvents in Kafka, one after the other structured and binary.

use super::backend::{Backend, Record, rfc3339};
use super::history::{Fact, SECOND, What};

/// Tells everything, to the millisecond.
pub struct CloudEvents;

const SOURCE: &str = "/shop";

impl Backend for CloudEvents {
    fn source(&self) -> String {
        "{ preset: cloudevents, options: { signup: com.example.customer.registered.v1, purchase: com.example.order.paid.v1 } }"
            .into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        Some(fact.clone())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let customer = self.customer(fact.customer);
        let (kind, data) = content(fact, &customer);
        let id = format!("e-{}", fact.number);
        let time = Some(fact.at);
        let records = [
            match fact.number % 3 {
                0 => structured(kind, &id, &customer, time, &data),
                1 => binary(kind, &id, &customer, time, data),
                // The data has the time. (That of Kafka would be another one for each delivery.)
                _ => structured(kind, &id, &customer, None, &dated(&data, fact.at)),
            },
            structured("com.example.mail.sent.v1", &id, &customer, time, "{}"),
        ];
        records
            .map(|record| Record {
                timestamp: fact.at + SECOND,
                ..record
            })
            .into()
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let id = format!("n-{number}");
        let (kind, data) = ("com.example.stock.changed.v1", r#"{"left":4}"#);
        let tombstone = Record {
            key: Some(id.clone().into_bytes()),
            headers: Vec::new(),
            value: None,
            timestamp: at,
        };
        [
            structured(kind, &id, "sku-1", Some(at), data),
            binary(kind, &id, "sku-1", Some(at), data.to_owned()),
            tombstone,
        ]
        .map(|record| Record {
            timestamp: at,
            ..record
        })
        .into()
    }
}

/// The type and the data.
fn content(fact: &Fact, customer: &str) -> (&'static str, String) {
    let text = |name: &str, value: Option<&str>| {
        value.map_or_else(String::new, |value| format!(r#","{name}":"{value}""#))
    };
    match &fact.what {
        What::Signup { .. } => ("com.example.customer.registered.v1", String::new()),
        What::Purchase { money } => (
            "com.example.order.paid.v1",
            format!(
                r#"{{"customer_id":"{customer}","amount":"{}","currency":"{}","lines":[{{"sku":"TEA","quantity":1}}]}}"#,
                money.decimal(),
                money.currency
            ),
        ),
        What::Churn { reason } => (
            "churn",
            format!(
                r#"{{"customer_id":"{customer}"{}}}"#,
                text("reason", *reason)
            ),
        ),
        What::Answer {
            survey,
            score,
            channel,
        } => (
            "survey_submitted",
            format!(
                r#"{{"customer_id":"{customer}","survey":"{survey}","score":{score}{}}}"#,
                text("channel", *channel)
            ),
        ),
    }
}

/// The data with a time in it.
fn dated(data: &str, at: i64) -> String {
    match data.strip_prefix('{') {
        Some(fields) => format!(r#"{{"occurred_at":{at},{fields}"#),
        None => format!(r#"{{"occurred_at":{at}}}"#),
    }
}

fn structured(kind: &str, id: &str, subject: &str, time: Option<i64>, data: &str) -> Record {
    let time = time.map_or_else(String::new, |at| format!(r#","time":"{}""#, rfc3339(at)));
    let data = match data {
        "" => String::new(),
        data => format!(r#","datacontenttype":"application/json","data":{data}"#),
    };
    let value = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"{SOURCE}","type":"{kind}","subject":"{subject}"{time}{data}}}"#
    );
    Record::of(value, 0).key(subject).header(
        "Content-Type",
        "application/CloudEvents+json; charset=utf-8",
    )
}

/// Without data the value is null, and the event is one all the same.
fn binary(kind: &str, id: &str, subject: &str, time: Option<i64>, data: String) -> Record {
    let record = Record {
        key: Some(subject.as_bytes().to_vec()),
        headers: Vec::new(),
        value: (!data.is_empty()).then(|| data.into_bytes()),
        timestamp: 0,
    };
    let record = record
        .header("ce_specversion", "1.0")
        .header("CE_ID", id)
        .header("ce_source", SOURCE)
        .header("ce_type", kind)
        .header("ce_subject", subject);
    match time {
        Some(at) => record.header("ce_time", rfc3339(at)),
        None => record,
    }
}
