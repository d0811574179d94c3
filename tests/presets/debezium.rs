//! Debezium's changes of two tables: rows of customers that come, change and go, and rows of orders
//! that are paid after they were inserted.

use super::backend::{Backend, Record, rfc3339};
use super::history::{DAY, Fact, SECOND, What};

/// Tells sign-ups, departures, returns and orders, to the millisecond; departures without a reason.
/// Both tables are in one topic here, keyed by the customer.
pub struct Debezium {
    /// Whether the schema comes along, as the converter of Kafka Connect has it unless told
    /// otherwise.
    pub schema: bool,
}

impl Backend for Debezium {
    fn source(&self) -> String {
        "{ preset: debezium, options: { customers_table: customers, customer_time: since, churned: gone, paid_orders_table: orders } }"
            .into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        (!fact.is_answer()).then(|| fact.plain())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let id = self.customer(fact.customer);
        let at = fact.at;
        let row = |status: &str, visits: u32| {
            format!(
                r#"{{"id":"{id}","email":"{id}@mail.example","status":"{status}","visits":{visits},"since":"{}"}}"#,
                rfc3339(at)
            )
        };
        let change = |op: &str, before: Option<String>, after: Option<String>, number: u32| {
            self.change("customers", op, before, after, number, at)
                .key(format!(r#"{{"id":"{id}"}}"#))
        };
        match &fact.what {
            What::Signup { again: false } => vec![
                change("c", None, Some(row("active", 0)), fact.number),
                // Another column is changed.
                change(
                    "u",
                    Some(row("active", 0)),
                    Some(row("active", 1)),
                    1_000_000 + fact.number,
                ),
            ],
            What::Signup { again: true } => vec![change(
                "u",
                Some(row("gone", 3)),
                Some(row("active", 3)),
                fact.number,
            )],
            What::Churn { .. } => vec![
                change(
                    "u",
                    Some(row("active", 2)),
                    Some(row("gone", 2)),
                    fact.number,
                ),
                change(
                    "u",
                    Some(row("gone", 2)),
                    Some(row("gone", 3)),
                    1_000_000 + fact.number,
                ),
            ],
            What::Purchase { money } => {
                let order = |status: &str| {
                    format!(
                        r#"{{"id":{},"customer_id":"{id}","status":"{status}","total":"{}","currency":"{}","created_at":"{}"}}"#,
                        fact.number,
                        money.decimal(),
                        money.currency.to_lowercase(),
                        rfc3339(at),
                    )
                };
                let change = |op: &str, before: Option<&str>, after: &str, after_millis: i64| {
                    self.change(
                        "orders",
                        op,
                        before.map(order),
                        Some(order(after)),
                        fact.number,
                        at + after_millis,
                    )
                    .key(format!(r#"{{"customer_id":"{id}"}}"#))
                };
                vec![
                    change("c", None, "open", 0),
                    change("u", Some("open"), "paid", 60 * SECOND),
                    change("u", Some("paid"), "shipped", DAY),
                ]
            }
            What::Answer { .. } => Vec::new(),
        }
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let row = format!(
            r#"{{"id":"old-{number}","status":"active","since":"{}"}}"#,
            rfc3339(at)
        );
        let key = format!(r#"{{"id":"old-{number}"}}"#);
        let number = 3_000_000 + number;
        let change = |op: &str, before: Option<String>, after: Option<String>| {
            self.change("customers", op, before, after, number, at)
                .key(key.clone())
        };
        vec![
            // The snapshot, a deletion, and the tombstone that follows.
            change("r", None, Some(row.clone())),
            change("d", Some(row.clone()), None),
            Record {
                key: Some(key.clone().into_bytes()),
                headers: Vec::new(),
                value: None,
                timestamp: at,
            },
            self.change("addresses", "c", None, Some(row.clone()), number, at),
        ]
    }
}

impl Debezium {
    fn change(
        &self,
        table: &str,
        op: &str,
        before: Option<String>,
        after: Option<String>,
        lsn: u32,
        at: i64,
    ) -> Record {
        let row = |row: Option<String>| row.unwrap_or_else(|| "null".into());
        let payload = format!(
            r#"{{"before":{},"after":{},"source":{{"version":"3.0.0.Final","connector":"postgresql","name":"shop","ts_ms":{at},"snapshot":"{}","db":"shop","schema":"public","table":"{table}","txId":{lsn},"lsn":{lsn},"xmin":null}},"transaction":null,"op":"{op}","ts_ms":{}}}"#,
            row(before),
            row(after),
            op == "r",
            at + 400,
        );
        let value = if self.schema {
            format!(
                r#"{{"schema":{{"type":"struct","fields":[{{"field":"before","optional":true}},{{"field":"after","optional":true}}],"optional":false,"name":"shop.public.{table}.Envelope"}},"payload":{payload}}}"#
            )
        } else {
            payload
        };
        Record::of(value, at + SECOND)
    }
}
