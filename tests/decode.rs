//! The decoder against a plain reading of the same bytes by another parser.

#![cfg(test)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use tenure::event::decode::{DecodeSettings, Decoder, MAX_DEPTH};
use tenure::event::{Attributes, Body, Reason};

/// Any JSON value, some of it deep, with the keys that matter among the others.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-20_i64..20).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "nps",
            "csat",
            "ces",
            "EUR",
            "signup",
            "churn",
            "2026-11-01T09:30:00Z"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A valid event with some of its fields replaced, removed or added.
fn nearly_an_event() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let types = prop::sample::select(vec![
        "signup",
        "purchase",
        "churn",
        "survey_submitted",
        "refund",
    ]);
    let key = prop::sample::select(vec![
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
        "attributes",
        "other",
    ]);
    let changes = prop::collection::vec((key, prop::option::of(value())), 0..3);
    (types, changes).prop_map(|(event_type, changes)| {
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        for (key, value) in [
            ("event_id", json!("e-1")),
            ("type", json!(event_type)),
            ("customer_id", json!("c-1")),
            ("occurred_at", json!("2026-11-01T09:30:00Z")),
            ("amount", json!("12.50")),
            ("currency", json!("EUR")),
            ("survey", json!("nps")),
            ("score", json!(7)),
        ] {
            fields.insert(key.to_owned(), value);
        }
        for (key, value) in changes {
            match value {
                Some(value) => fields.insert(key.to_owned(), value),
                None => fields.remove(key),
            };
        }
        fields
    })
}

/// Attributes of which some are dimensions, with values of every kind.
fn attributes() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let key = prop_oneof![
        prop::sample::select(DIMENSIONS.to_vec()).prop_map(str::to_owned),
        ".{0,6}",
    ];
    let long = ".{0,4}|(é|\\u{1f600}|\\\\|\"){60,300}".prop_map(Value::from);
    prop::collection::btree_map(key, prop_oneof![value(), long], 0..7)
        .prop_map(|map| map.into_iter().collect())
}

const DIMENSIONS: [&str; 4] = ["plan", "country", "seats", "vip"];

/// The values of the dimensions by the words of the contract, each of at most 256 bytes, and how
/// many of them are ignored.
fn told(attributes: &serde_json::Map<String, Value>) -> (Vec<Option<String>>, u8) {
    let mut ignored = 0;
    let values = DIMENSIONS.map(|name| {
        let mut text = match attributes.get(name)? {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            scalar @ (Value::Bool(_) | Value::Number(_)) => scalar.to_string(),
            Value::Array(_) | Value::Object(_) => {
                ignored += 1;
                return None;
            }
        };
        while text.len() > 256 {
            text.pop();
        }
        (!text.is_empty()).then_some(text)
    });
    (values.to_vec(), ignored)
}

fn text<'a>(fields: &'a BTreeMap<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key).and_then(Value::as_str)
}

fn absent(fields: &BTreeMap<String, Value>, key: &str) -> bool {
    fields.get(key).is_none_or(Value::is_null)
}

/// Whether the contract takes the event, by its words and with the values of another parser.
fn acceptable(fields: &BTreeMap<String, Value>) -> bool {
    let id = |key| text(fields, key).is_some_and(|id| !id.is_empty() && id.len() <= 256);
    let integer = |key| {
        fields
            .get(key)
            .is_some_and(|value| value.is_i64() || value.is_u64())
    };
    let optional = |key| absent(fields, key) || text(fields, key).is_some();
    let instant = match fields.get("occurred_at") {
        Some(Value::String(text)) => text == "2026-11-01T09:30:00Z",
        Some(Value::Number(number)) => number
            .as_i64()
            .is_some_and(|millis| (946_684_800_000..=3_155_759_999_999).contains(&millis)),
        _ => false,
    };
    let amount = match fields.get("amount") {
        Some(Value::String(text)) => text == "12.50",
        Some(Value::Number(number)) => number
            .as_f64()
            .is_some_and(|amount| (0.0..999_999_999_999.0).contains(&amount)),
        _ => false,
    };
    let attributes = absent(fields, "attributes") || fields["attributes"].is_object();
    let body = match text(fields, "type") {
        Some("signup") => true,
        Some("purchase") => amount && text(fields, "currency") == Some("EUR"),
        Some("churn") => optional("reason"),
        Some("survey_submitted") => {
            let scale = match text(fields, "survey") {
                Some("nps") => 0..=10,
                Some("csat" | "ces") => 1..=5,
                _ => return false,
            };
            let score = fields.get("score").and_then(Value::as_i64);
            score.is_some_and(|score| scale.contains(&score)) && optional("channel")
        }
        _ => false,
    };
    id("event_id") && (id("customer_id") || integer("customer_id")) && instant && body && attributes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn an_event_is_taken_exactly_if_the_contract_takes_it(fields in nearly_an_event()) {
        let record = serde_json::to_vec(&fields).unwrap();
        let decoder = Decoder::new(DecodeSettings::default());
        let decoded = decoder.decode(&record, None);
        prop_assert_eq!(decoded.is_ok(), acceptable(&fields), "{:?}: {:?}", fields, decoded);
        if let Ok(event) = decoded {
            prop_assert_eq!(text(&fields, "event_id"), Some(event.id.as_ref()));
            if let Body::Survey { score, .. } = event.body {
                prop_assert_eq!(fields["score"].as_u64(), Some(u64::from(score)));
            }
        }
    }

    #[test]
    fn attributes_are_read_as_another_parser_reads_them(
        attributes in attributes(),
        pretty: bool,
        escaped: bool,
    ) {
        let decoder = Decoder::new(DecodeSettings {
            dimensions: DIMENSIONS.map(str::to_owned).to_vec(),
            ..DecodeSettings::default()
        });
        let fields = json!({
            "event_id": "1", "type": "signup", "customer_id": "c",
            "occurred_at": "2026-11-01T09:30:00Z", "attributes": attributes,
        });
        let mut record = if pretty {
            serde_json::to_string_pretty(&fields).unwrap()
        } else {
            fields.to_string()
        };
        if escaped {
            record = record.replace("\"plan\"", "\"\\u0070lan\"");
        }
        let event = decoder.decode(record.as_bytes(), None).unwrap();
        let (values, ignored) = told(&attributes);
        let read: Vec<Option<String>> = (0..DIMENSIONS.len())
            .map(|dimension| event.attributes.get(dimension).map(str::to_owned))
            .collect();
        prop_assert_eq!((read, event.attributes.ignored), (values, ignored), "{}", record);
        let unread = Decoder::new(DecodeSettings::default());
        let event = unread.decode(record.as_bytes(), None).unwrap();
        prop_assert_eq!(event.attributes, Attributes::default());
    }

    #[test]
    fn the_order_of_keys_and_blanks_between_them_do_not_matter(fields in nearly_an_event()) {
        let decoder = Decoder::new(DecodeSettings::default());
        let compact = serde_json::to_string(&fields).unwrap();
        let parts: Vec<String> = fields
            .iter()
            .rev()
            .map(|(key, value)| format!(" {}\t:\n{}", json!(key), serde_json::to_string_pretty(value).unwrap()))
            .collect();
        let spread = format!("\r\n{{{} }} ", parts.join(","));
        prop_assert_eq!(
            decoder.decode(compact.as_bytes(), None),
            decoder.decode(spread.as_bytes(), None)
        );
    }

    #[test]
    fn bytes_of_any_kind_are_taken_calmly(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let decoder = Decoder::new(DecodeSettings::default());
        let rejection = decoder.decode(&bytes, None).unwrap_err();
        match std::str::from_utf8(&bytes) {
            Err(_) => prop_assert_eq!(rejection.reason, Reason::InvalidUtf8),
            Ok(text) => prop_assert_eq!(
                rejection.reason == Reason::InvalidJson,
                serde_json::from_str::<serde::de::IgnoredAny>(text).is_err()
            ),
        }
    }

    #[test]
    fn depth_and_keys_given_twice_are_found_wherever_they_are(inner in value(), depth in 0_usize..80, twice: bool) {
        let (open, close) = ("{\"a\":[".repeat(depth), "]}".repeat(depth));
        let key = if twice { "\"k\":0,\"k\":0" } else { "\"k\":0,\"l\":0" };
        let record = format!(
            r#"{{"event_id":"1","type":"signup","customer_id":"c","occurred_at":1762000000000,"x":{open}{{{key}}}{close},"y":{inner}}}"#
        );
        let decoder = Decoder::new(DecodeSettings::default());
        let decoded = decoder.decode(record.as_bytes(), None).map(|_| ()).map_err(|error| error.reason);
        // The record is depth 1, each repetition adds two, the innermost object one.
        let expected = match (2 * depth + 2 > MAX_DEPTH, twice) {
            (true, _) => Err(Reason::TooDeep),
            (false, true) => Err(Reason::InvalidJson),
            (false, false) => Ok(()),
        };
        prop_assert_eq!(decoded, expected);
    }
}
