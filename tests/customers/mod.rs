//! What a backend knows of its customers at an instant, from its own events: one row for each.
//!
//! Owns the export that the imports of the tests read. It follows from the definition of the columns
//! alone, as a query in SQL would, and takes nothing of the import itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use tenure::event::Timestamp;
use tenure::generate::Record;

/// An event as its backend has it.
#[derive(Debug, Clone)]
struct Event {
    at: Timestamp,
    kind: String,
    value: Value,
}

/// The customers with what happened to each before the instant, in order of time.
pub struct Table(BTreeMap<String, Vec<Event>>);

impl Table {
    /// Everybody of whom something happened before `at`, each event once.
    pub fn of(records: &[Record], at: Timestamp) -> Self {
        let (mut customers, mut seen) = (BTreeMap::<String, Vec<Event>>::new(), BTreeSet::new());
        for record in records.iter().filter(|record| record.occurred_at < at) {
            let value: Value = serde_json::from_slice(&record.payload).unwrap();
            if !seen.insert(value["event_id"].as_str().unwrap().to_owned()) {
                continue;
            }
            let kind = match value["survey"].as_str() {
                Some(survey) => survey.to_owned(),
                None => value["type"].as_str().unwrap().to_owned(),
            };
            let at = record.occurred_at;
            let events = customers.entry(record.key.clone()).or_default();
            events.push(Event { at, kind, value });
        }
        for events in customers.values_mut() {
            events.sort_by_key(|event| event.at);
        }
        Self(customers)
    }

    /// The rows, as a database would write them.
    pub fn csv(&self) -> String {
        let mut text = "customer_id,active_since,last_activity,first_order_at,first_order_amount,\
                        first_order_currency,last_order_at,last_order_amount,last_order_currency,\
                        last_nps_at,last_nps_score,churned_at,reason,plan,attributes.country\n"
            .to_owned();
        for (customer, events) in &self.0 {
            let of = |kinds: &[&str]| -> Vec<&Event> {
                let kinds = kinds.to_vec();
                let found = events.iter();
                found
                    .filter(|event| kinds.contains(&event.kind.as_str()))
                    .collect()
            };
            let (active, orders) = (of(&["signup", "purchase"]), of(&["purchase"]));
            let Some(first) = active.first() else {
                continue;
            };
            let (answer, left) = (of(&["nps"]).pop().cloned(), of(&["churn"]).pop().cloned());
            let newest = events.last().unwrap();
            let mut cells = vec![
                customer.clone(),
                time(Some(first)),
                time(active.last().copied()),
            ];
            cells.extend(order(orders.first().copied()));
            cells.extend(order(orders.last().copied()));
            let score = answer
                .as_ref()
                .map(|event| event.value["score"].to_string());
            cells.extend([time(answer.as_ref()), score.unwrap_or_default()]);
            let reason = left
                .as_ref()
                .and_then(|event| event.value["reason"].as_str());
            cells.extend([time(left.as_ref()), reason.unwrap_or_default().to_owned()]);
            let told = &newest.value["attributes"];
            cells.extend(["plan", "country"].map(|name| told[name].as_str().unwrap().to_owned()));
            writeln!(text, "{}", cells.join(",")).unwrap();
        }
        text
    }
}

fn time(event: Option<&Event>) -> String {
    event.map_or_else(String::new, |event| event.at.to_string())
}

fn order(event: Option<&Event>) -> [String; 3] {
    let Some(event) = event else {
        return [const { String::new() }; 3];
    };
    let amount = match &event.value["amount"] {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    [
        time(Some(event)),
        amount,
        event.value["currency"].as_str().unwrap().to_owned(),
    ]
}
