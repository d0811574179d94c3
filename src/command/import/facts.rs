//! What a customer's line becomes: ordinary native events.
//!
//! Owns which events say what a line says, and their ids. Promises that the same line makes the same
//! events, byte for byte, so that importing twice changes nothing, and that nothing is told which the
//! topic holds itself. Does not know files and Kafka.
//!
//! ```text
//!  active_since      a sign-up
//!  first, last order two purchases; one, if they are the same
//!  last_activity     another sign-up, if it is later than these: activity, and nothing else
//!  last_nps_at       an answer
//!  churned_at        a churn; a millisecond later, if something opened at that very instant
//!  attributes        told by the newest of the sign-ups and the churn
//! ```

use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use crate::command::import::row::{Order, Row};
use crate::event::{EventType, Timestamp};

/// With what the ids of imported events begin.
pub const ID_PREFIX: &str = "base-";

/// An event of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<'a> {
    pub at: Timestamp,
    pub what: What<'a>,
    /// Whether it carries the customer's attributes.
    attributes: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    Signup,
    Purchase(&'a Order),
    Nps(u8),
    Churn(Option<&'a str>),
}

impl What<'_> {
    pub const fn event_type(self) -> EventType {
        match self {
            Self::Signup => EventType::Signup,
            Self::Purchase(_) => EventType::Purchase,
            Self::Nps(_) => EventType::SurveySubmitted,
            Self::Churn(_) => EventType::Churn,
        }
    }

    const fn opens(self) -> bool {
        matches!(self, Self::Signup | Self::Purchase(_))
    }
}

/// The events of a line that happened before `until`, from where on the topic knows itself.
pub fn of(row: &Row, until: Timestamp) -> Vec<Told<'_>> {
    let told = |at, what| Told {
        at,
        what,
        attributes: false,
    };
    let mut events = Vec::with_capacity(4);
    events.extend(row.active_since.map(|at| told(at, What::Signup)));
    let orders = [&row.first_order, &row.last_order].map(Option::as_ref);
    let second = orders[1].filter(|last| orders[0] != Some(last));
    for order in [orders[0], second].into_iter().flatten() {
        events.push(told(order.at, What::Purchase(order)));
    }
    // A sign-up that never was would show in what is usual of sign-ups: only where nothing else says
    // that the customer was active.
    let says_more = |at: &Timestamp| {
        let later = events.iter().any(|event| event.at >= *at);
        !later && row.churned_at != Some(*at)
    };
    let active = row.last_activity.filter(says_more);
    events.extend(active.map(|at| told(at, What::Signup)));
    events.extend(row.last_nps.map(|(at, score)| told(at, What::Nps(score))));
    if let Some(at) = row.churned_at {
        // A churn comes before what opens at the same instant; of one line, leaving comes last.
        let opened = events
            .iter()
            .any(|event| event.what.opens() && event.at == at);
        let at = at.plus_millis(i64::from(opened));
        events.push(told(at, What::Churn(row.reason.as_deref())));
    }
    events.retain(|event| event.at < until);
    carry_attributes(&mut events);
    events
}

/// Orders and answers carry them only where nothing else can: their ids must not depend on them, or
/// a changed attribute would make another order.
fn carry_attributes(events: &mut [Told<'_>]) {
    let fit = |event: &Told<'_>| matches!(event.what, What::Signup | What::Churn(_));
    let newest = (0..events.len()).max_by_key(|place| (fit(&events[*place]), events[*place].at));
    if let Some(place) = newest {
        events[place].attributes = true;
    }
}

/// Writes events.
pub struct Writer<'a> {
    /// The names of the attributes, in the order of the cells.
    pub attributes: &'a [String],
}

/// The form of the topic.
#[derive(Serialize)]
struct Written<'a> {
    event_id: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    customer_id: &'a str,
    occurred_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    survey: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'a str, &'a str>,
}

impl Writer<'_> {
    /// Replaces what `out` held by the event as the topic has it.
    pub fn write(&self, row: &Row, told: &Told<'_>, out: &mut Vec<u8>) {
        let attributes = if told.attributes {
            self.attributes_of(row)
        } else {
            BTreeMap::new()
        };
        let order = match told.what {
            What::Purchase(order) => Some(order),
            What::Signup | What::Nps(_) | What::Churn(_) => None,
        };
        let score = match told.what {
            What::Nps(score) => Some(score),
            What::Signup | What::Purchase(_) | What::Churn(_) => None,
        };
        let reason = match told.what {
            What::Churn(reason) => reason,
            What::Signup | What::Purchase(_) | What::Nps(_) => None,
        };
        let written = Written {
            event_id: id(row, told, &attributes),
            event_type: told.what.event_type().name(),
            customer_id: &row.customer,
            occurred_at: told.at.to_string(),
            amount: order.map(|order| order.amount.to_string()),
            currency: order.map(|order| order.currency.as_str()),
            survey: score.map(|_| "nps"),
            score,
            reason,
            attributes,
        };
        out.clear();
        // Texts into memory: nothing can fail.
        let _ = serde_json::to_writer(out, &written);
    }

    fn attributes_of<'a>(&'a self, row: &'a Row) -> BTreeMap<&'a str, &'a str> {
        let cells = self.attributes.iter().zip(&row.attributes);
        cells
            .filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
            .collect()
    }
}

/// From customer, kind, instant and content: the same fact has the same id in every import.
fn id(row: &Row, told: &Told<'_>, attributes: &BTreeMap<&str, &str>) -> String {
    let mut hasher = SipHasher13::new();
    // A byte that no text holds ends each part.
    let mut part = |text: &[u8]| {
        hasher.write(text);
        hasher.write(&[0xff]);
    };
    part(row.customer.as_bytes());
    part(told.what.event_type().name().as_bytes());
    part(&told.at.as_millis().to_le_bytes());
    match told.what {
        What::Signup => {}
        What::Purchase(order) => {
            part(&order.amount.millionths().to_le_bytes());
            part(order.currency.as_bytes());
        }
        What::Nps(score) => part(&[score]),
        What::Churn(reason) => part(reason.unwrap_or_default().as_bytes()),
    }
    if matches!(told.what, What::Signup | What::Churn(_)) {
        for (name, value) in attributes {
            part(name.as_bytes());
            part(value.as_bytes());
        }
    }
    format!("{ID_PREFIX}{:032x}", hasher.finish128().as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Amount;
    use crate::event::decode::{DecodeSettings, Decoder};

    fn at(day: i64) -> Timestamp {
        Timestamp::FIRST.plus_millis(day * 86_400_000)
    }

    fn order(day: i64, amount: &str) -> Order {
        Order {
            at: at(day),
            amount: Amount::from_decimal(amount).unwrap(),
            currency: "EUR".to_owned(),
        }
    }

    fn row() -> Row {
        Row {
            customer: "c-1\"é".to_owned(),
            ..Row::default()
        }
    }

    /// The events as `day type`, with `*` where the attributes are and `+1` a millisecond later.
    fn check(row: &Row, until: i64, expected: &str) {
        let text = |event: &Told<'_>| {
            let millis = event.at.as_millis() - Timestamp::FIRST.as_millis();
            let late = if millis % 86_400_000 == 1 { "+1" } else { "" };
            let star = if event.attributes { "*" } else { "" };
            let kind = event.what.event_type().name();
            format!("{}{late} {kind}{star}", millis / 86_400_000)
        };
        let events: Vec<String> = of(row, at(until)).iter().map(text).collect();
        assert_eq!(events.join(", "), expected, "{row:?}");
    }

    #[test]
    fn a_line_becomes_what_it_says_and_nothing_that_the_topic_holds() {
        let since = |day| Row {
            active_since: Some(at(day)),
            ..row()
        };
        check(&since(1), 9, "1 signup*");
        check(&since(9), 9, "");
        let active = |day| Row {
            last_activity: Some(at(day)),
            ..since(1)
        };
        check(&active(5), 9, "1 signup, 5 signup*");
        check(&active(1), 9, "1 signup*");
        check(&active(9), 9, "1 signup*");
        let orders = Row {
            first_order: Some(order(2, "5")),
            last_order: Some(order(4, "7.50")),
            last_activity: Some(at(4)),
            ..since(1)
        };
        check(&orders, 9, "1 signup*, 2 purchase, 4 purchase");
        check(&orders, 4, "1 signup*, 2 purchase");
        let active_later = Row {
            last_activity: Some(at(5)),
            ..orders
        };
        check(
            &active_later,
            9,
            "1 signup, 2 purchase, 4 purchase, 5 signup*",
        );
        let one_order = Row {
            first_order: Some(order(2, "5")),
            last_order: Some(order(2, "5")),
            ..row()
        };
        check(&one_order, 9, "2 purchase*");
        let left = |day, active: Row| Row {
            churned_at: Some(at(day)),
            ..active
        };
        check(&left(6, active(5)), 9, "1 signup, 5 signup, 6 churn*");
        check(&left(6, active(6)), 9, "1 signup, 6 churn*");
        check(&left(3, active(5)), 9, "1 signup, 5 signup*, 3 churn");
        check(&left(1, since(1)), 9, "1 signup, 1+1 churn*");
        let answered = Row {
            last_nps: Some((at(7), 10)),
            ..since(1)
        };
        check(&answered, 9, "1 signup*, 7 survey_submitted");
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let row = Row {
            active_since: Some(at(1)),
            first_order: Some(order(2, "1299.90")),
            last_nps: Some((at(3), 7)),
            churned_at: Some(at(4)),
            reason: Some("too \"dear\"".to_owned()),
            attributes: vec![None, Some("pro\n".to_owned())],
            ..row()
        };
        let names = ["country".to_owned(), "plan".to_owned()];
        let writer = Writer { attributes: &names };
        let decoder = Decoder::new(DecodeSettings {
            dimensions: names.to_vec(),
            ..DecodeSettings::default()
        });
        let mut bytes = Vec::new();
        let (mut ids, mut told) = (std::collections::BTreeSet::new(), 0);
        for event in of(&row, at(9)) {
            writer.write(&row, &event, &mut bytes);
            let decoded = decoder.decode(&bytes, None).unwrap();
            assert_eq!(decoded.customer, row.customer);
            assert_eq!(decoded.occurred_at, event.at);
            assert_eq!(decoded.body.event_type(), event.what.event_type());
            if let crate::event::Body::Churn { reason } = &decoded.body {
                assert_eq!(reason.as_deref(), Some("too \"dear\""));
                let plan = decoded.attributes.iter().next();
                assert_eq!(
                    plan.map(|(place, text)| (place, text.to_string())),
                    Some((1, "pro\n".to_owned()))
                );
            }
            told += 1;
            ids.insert(decoded.id.to_string());
        }
        assert_eq!((told, ids.len()), (4, 4));
    }

    #[test]
    fn an_id_depends_on_what_is_told_and_an_order_s_not_on_attributes() {
        let names = ["plan".to_owned()];
        let writer = Writer { attributes: &names };
        let ids = |row: &Row| -> Vec<String> {
            let id = |event: &Told<'_>| {
                let mut bytes = Vec::new();
                writer.write(row, event, &mut bytes);
                let text = String::from_utf8(bytes).unwrap();
                text.split('"').nth(3).unwrap().to_owned()
            };
            of(row, at(9)).iter().map(id).collect()
        };
        let with = |plan: &str, amount: &str, customer: &str| Row {
            customer: customer.to_owned(),
            active_since: Some(at(1)),
            first_order: Some(order(2, amount)),
            attributes: vec![Some(plan.to_owned())],
            ..row()
        };
        let first = ids(&with("pro", "5", "a"));
        assert_eq!(first, ids(&with("pro", "5.0", "a")));
        let other_plan = ids(&with("basic", "5", "a"));
        assert_ne!(first[0], other_plan[0]);
        assert_eq!(first[1], other_plan[1]);
        assert_ne!(first[1], ids(&with("pro", "6", "a"))[1]);
        assert_ne!(first[0], ids(&with("pro", "5", "b"))[0]);
        let orders_alone = |plan: &str| Row {
            active_since: None,
            ..with(plan, "5", "a")
        };
        assert_eq!(ids(&orders_alone("pro")), ids(&orders_alone("basic")));
    }
}
