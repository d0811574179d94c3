//! Decoding: any bytes are an event within its bounds, or are refused for a reason that is true.
//!
//! Compares with a second reading of the same text, level by level, by the library's plain values.

use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tenure::event::decode::{
    DecodeSettings, Decoder, MAX_BYTES, MAX_DEPTH, MAX_ID_BYTES, MAX_TEXT_BYTES,
};
use tenure::event::{Amount, Body, Event, Reason, Rejection, Survey, Timestamp};

const DIMENSIONS: [&str; 3] = ["plan", "country", "seats"];
/// A currency that only the rich settings know.
const OWN_CURRENCY: &str = "PTS";

/// Checks what is made of a record, under plain and under rich settings, with and without a
/// timestamp of the broker.
///
/// # Panics
/// If the decoder breaks a promise.
pub fn check(bytes: &[u8]) {
    let rich = DecodeSettings {
        currencies: [OWN_CURRENCY.to_owned()].into(),
        ces_max: 7,
        dimensions: DIMENSIONS.map(str::to_owned).to_vec(),
        ..DecodeSettings::default()
    };
    let recorded_at = Timestamp::from_rfc3339("2026-11-01T00:00:00Z");
    for settings in [DecodeSettings::default(), rich] {
        let decoder = Decoder::new(settings.clone());
        for recorded_at in [None, recorded_at] {
            match decoder.decode(bytes, recorded_at) {
                Ok(event) => check_event(bytes, &event, &settings, recorded_at),
                Err(rejection) => check_rejection(bytes, rejection, &settings, recorded_at),
            }
        }
    }
}

/// The members of an object in their order, with the text of each value.
struct Members<'a>(Vec<(String, &'a str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, raw)) = map.next_entry::<String, &RawValue>()? {
                    members.push((key, raw.get()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// What is wrong with the structure of a well-formed value, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    TooDeep,
    KeyTwice,
    /// Somewhere in an object a key is no text; what else is wrong there is not looked at.
    KeyIsNoText,
}

fn fault(raw: &str, depth: usize) -> Option<Fault> {
    match raw.as_bytes().first() {
        Some(b'{' | b'[') if depth > MAX_DEPTH => Some(Fault::TooDeep),
        Some(b'{') => {
            let Ok(Members(members)) = serde_json::from_str(raw) else {
                return Some(Fault::KeyIsNoText);
            };
            let mut seen = std::collections::HashSet::new();
            members.into_iter().find_map(|(key, value)| {
                if seen.insert(key) {
                    fault(value, depth + 1)
                } else {
                    Some(Fault::KeyTwice)
                }
            })
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).unwrap();
            items
                .into_iter()
                .find_map(|item| fault(item.get(), depth + 1))
        }
        _ => None,
    }
}

/// The members of a sound record, or the reasons that its text as a whole allows.
fn members(bytes: &[u8]) -> Result<Vec<(String, &str)>, &'static [Reason]> {
    if bytes.len() > MAX_BYTES {
        return Err(&[Reason::TooLarge]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(&[Reason::InvalidUtf8]);
    };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        assert!(serde_json::from_str::<Value>(text).is_err());
        return Err(&[Reason::InvalidJson]);
    }
    let raw: &RawValue = serde_json::from_str(text).unwrap();
    let raw = raw.get();
    let members = serde_json::from_str(raw);
    if members.is_err() && raw.starts_with('{') {
        return Err(&[Reason::InvalidJson]);
    }
    match (fault(raw, 1), members) {
        (None, Ok(Members(members))) => Ok(members),
        (None, Err(_)) => Err(&[Reason::WrongType]),
        (Some(Fault::TooDeep), _) => Err(&[Reason::TooDeep]),
        (Some(Fault::KeyTwice), _) => Err(&[Reason::InvalidJson]),
        // What is too deep may come before it.
        (Some(Fault::KeyIsNoText), _) => Err(&[Reason::InvalidJson, Reason::TooDeep]),
    }
}

fn value(members: &[(String, &str)], name: &str) -> Option<Value> {
    let (_, raw) = members.iter().find(|(key, _)| key == name)?;
    // A number beyond every float is a number all the same.
    let number = || Value::from(f64::MAX);
    Some(
        serde_json::from_str(raw).unwrap_or_else(|_| match raw.as_bytes()[0] {
            b'-' | b'0'..=b'9' => number(),
            _ => Value::String("half of a pair".to_owned()),
        }),
    )
}

fn raw<'a>(members: &[(String, &'a str)], name: &str) -> &'a str {
    let found = members.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, raw)| raw)
}

fn integer(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_event(
    bytes: &[u8],
    event: &Event<'_>,
    settings: &DecodeSettings,
    recorded_at: Option<Timestamp>,
) {
    let members = members(bytes).expect("an event of a record that is sound");
    let text = |name| value(&members, name).and_then(|value| value.as_str().map(str::to_owned));
    assert_eq!(text("event_id").as_deref(), Some(event.id.as_ref()));
    let customer = match raw(&members, "customer_id") {
        "-0" => Some("0".to_owned()),
        raw if integer(raw) => Some(raw.to_owned()),
        _ => text("customer_id"),
    };
    assert_eq!(customer.as_deref(), Some(event.customer.as_ref()));
    for id in [&event.id, &event.customer] {
        assert!((1..=MAX_ID_BYTES).contains(&id.len()));
    }
    assert!(event.occurred_at.plausible());
    if let Some(at) = recorded_at {
        assert!(event.occurred_at <= at.plus_millis(settings.max_future_skew_millis));
    }
    let expected_type = event.body.event_type().name();
    assert_eq!(text("type").as_deref(), Some(expected_type));
    check_body(&event.body, &members, settings);
    for (dimension, shown) in event.attributes.iter() {
        assert!(dimension < settings.dimensions.len());
        assert!((1..=MAX_TEXT_BYTES).contains(&shown.len()));
    }
    assert!(usize::from(event.attributes.ignored) <= settings.dimensions.len());
    let again = serde_json::to_vec(&written(event, settings)).unwrap();
    let read = Decoder::new(settings.clone()).decode(&again, recorded_at);
    let mut expected = event.clone();
    expected.attributes.ignored = 0;
    assert_eq!(
        read.as_ref(),
        Ok(&expected),
        "what is written again is read again"
    );
}

fn check_body(body: &Body<'_>, members: &[(String, &str)], settings: &DecodeSettings) {
    match body {
        Body::Signup => {}
        Body::Purchase { amount, currency } => {
            assert!(*amount <= Amount::MAX);
            let known = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
            assert!(known || settings.currencies.contains(currency.as_ref()));
            let near = match value(members, "amount") {
                Some(Value::String(text)) => text.parse::<f64>().ok(),
                Some(number) => number.as_f64(),
                None => None,
            };
            let near = near.expect("a number");
            let exact = amount.millionths() as f64 / 1e6;
            assert!(
                (near - exact).abs() <= 1e-6 + near.abs() * 1e-12,
                "{near} {exact}"
            );
        }
        Body::Churn { reason: text } | Body::Survey { channel: text, .. } => {
            if let Some(text) = text {
                assert!((1..=MAX_TEXT_BYTES).contains(&text.len()));
            }
        }
    }
    if let Body::Survey { survey, score, .. } = body {
        assert!(scale(*survey, settings).contains(&i64::from(*score)));
        let given = value(members, "score").and_then(|score| score.as_f64());
        assert_eq!(given, Some(f64::from(*score)));
    }
}

fn scale(survey: Survey, settings: &DecodeSettings) -> std::ops::RangeInclusive<i64> {
    match survey {
        Survey::Nps => 0..=10,
        Survey::Csat => 1..=5,
        Survey::Ces => 1..=i64::from(settings.ces_max),
    }
}

/// The event as a record once more, in one plain spelling.
fn written(event: &Event<'_>, settings: &DecodeSettings) -> Value {
    let mut fields = serde_json::json!({
        "event_id": event.id,
        "customer_id": event.customer,
        "occurred_at": event.occurred_at.as_millis(),
        "type": event.body.event_type().name(),
    });
    match &event.body {
        Body::Signup => {}
        Body::Purchase { amount, currency } => {
            fields["amount"] = amount.to_string().into();
            fields["currency"] = currency.as_ref().into();
        }
        Body::Churn { reason } => fields["reason"] = reason.as_deref().into(),
        Body::Survey {
            survey,
            score,
            channel,
        } => {
            fields["survey"] = survey.name().into();
            fields["score"] = (*score).into();
            fields["channel"] = channel.as_deref().into();
        }
    }
    for (dimension, value) in event.attributes.iter() {
        fields["attributes"][&settings.dimensions[dimension]] = value.into();
    }
    fields
}

/// Checks that a reason is true of the record.
fn check_rejection(
    bytes: &[u8],
    rejection: Rejection,
    settings: &DecodeSettings,
    recorded_at: Option<Timestamp>,
) {
    let members = match members(bytes) {
        Ok(members) => members,
        Err(allowed) => {
            assert!(
                allowed.contains(&rejection.reason),
                "{rejection:?}, not {allowed:?}"
            );
            assert_eq!(rejection.field, None);
            return;
        }
    };
    if rejection.reason == Reason::InvalidJson {
        let half = |raw: &str| raw.starts_with('"') && serde_json::from_str::<String>(raw).is_err();
        let attributes = serde_json::from_str(raw(&members, "attributes"));
        let attributes = attributes.map_or(Vec::new(), |Members(members)| members);
        let mut all = members.iter().chain(&attributes);
        assert!(all.any(|(_, raw)| half(raw)), "no reason for {rejection:?}");
        return;
    }
    let field = rejection.field.expect("a field to blame");
    let given = value(&members, field);
    let raw = raw(&members, field);
    let (number, text) = match &given {
        Some(Value::Number(_)) => (true, None),
        Some(Value::String(text)) => (false, Some(text.as_str())),
        _ => (false, None),
    };
    let f64 = given.as_ref().and_then(Value::as_f64);
    let true_of = match rejection.reason {
        Reason::MissingField => given.is_none() || given == Some(Value::Null),
        Reason::WrongType => {
            given.is_some()
                && match field {
                    "customer_id" | "occurred_at" => text.is_none() && !integer(raw),
                    "amount" => text.is_none() && !number,
                    "score" => !integer(raw),
                    "attributes" => !raw.starts_with('{'),
                    _ => text.is_none(),
                }
        }
        Reason::UnknownType => text.is_some_and(|text| {
            let known = ["signup", "purchase", "churn", "survey_submitted"];
            let known_surveys = ["nps", "csat", "ces"];
            match field {
                "type" => !known.contains(&text),
                _ => !known_surveys.contains(&text),
            }
        }),
        Reason::InvalidTime => {
            let plausible = |millis| Timestamp::from_millis(millis).plausible();
            text.is_some() || !raw.parse::<i64>().is_ok_and(plausible)
        }
        Reason::InTheFuture => recorded_at.is_some(),
        Reason::InvalidAmount => match text {
            Some(text) => {
                let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
                let digits = |text: &str, most: usize| {
                    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
                };
                !(digits(whole, 12) && digits(decimals, 6))
            }
            None => {
                f64.is_none_or(|amount| !(0.0..999_999_999_999.0).contains(&amount))
                // Less than a millionth below zero is below zero, whatever a float makes of it.
                || raw.starts_with('-')
            }
        },
        Reason::UnknownCurrency => text.is_some_and(|text| {
            !["EUR", "USD", "TRY"].contains(&text) && !settings.currencies.contains(text)
        }),
        Reason::ScoreOutOfRange => {
            let survey = value(&members, "survey");
            let survey = Survey::ALL
                .into_iter()
                .find(|known| survey == Some(known.name().into()));
            let scale = scale(survey.expect("a survey before its score"), settings);
            !raw.parse().is_ok_and(|score: i64| scale.contains(&score))
        }
        Reason::InvalidId => {
            let length = text.map_or(raw.len(), str::len);
            !(1..=MAX_ID_BYTES).contains(&length)
        }
        Reason::InvalidJson
        | Reason::InvalidUtf8
        | Reason::TooLarge
        | Reason::TooDeep
        | Reason::Unmapped => false,
    };
    assert!(true_of, "{rejection:?} is not true");
}
