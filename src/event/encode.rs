//! An [`Event`] to native JSON.
//!
//! Owns the text of events that are written on. Promises that decoding it under the same settings
//! gives the same event again, whatever its texts hold, so that who reads it counts as if the
//! original had been read. Does not know where it is written to, nor what the record held beside the
//! event: that is left behind.

use crate::event::{Amount, Attributes, Body, Event};

/// Writes an event behind what `out` holds; `dimensions` are the names of its attributes, in the
/// configured order.
///
/// ```
/// use tenure::event::decode::{DecodeSettings, Decoder};
/// use tenure::event::encode::encode;
/// let decoder = Decoder::new(DecodeSettings::default());
/// let record = br#"{"event_id":"1","type":"signup","customer_id":42,"occurred_at":"2026-11-01T00:00:00Z"}"#;
/// let event = decoder.decode(record, None).unwrap();
/// let mut written = Vec::new();
/// encode(&event, &[], &mut written);
/// assert_eq!(decoder.decode(&written, None).unwrap(), event);
/// ```
pub fn encode(event: &Event<'_>, dimensions: &[String], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"event_id\":");
    quoted(out, &event.id);
    out.extend_from_slice(b",\"type\":");
    quoted(out, event.body.event_type().name());
    out.extend_from_slice(b",\"customer_id\":");
    quoted(out, &event.customer);
    out.extend_from_slice(b",\"occurred_at\":");
    integer(out, event.occurred_at.as_millis());
    body(out, &event.body);
    attributes(out, &event.attributes, dimensions);
    out.push(b'}');
}

fn body(out: &mut Vec<u8>, body: &Body<'_>) {
    match body {
        Body::Signup => {}
        Body::Purchase { amount, currency } => {
            out.extend_from_slice(b",\"amount\":\"");
            money(out, *amount);
            out.push(b'"');
            member(out, "currency", currency);
        }
        Body::Churn { reason } => optional(out, "reason", reason.as_deref()),
        Body::Survey {
            survey,
            score,
            channel,
        } => {
            member(out, "survey", survey.name());
            out.extend_from_slice(b",\"score\":");
            integer(out, i64::from(*score));
            optional(out, "channel", channel.as_deref());
        }
    }
}

/// A value that was ignored is written as one that is ignored again, so that it counts again where
/// ignored values are counted. Which of those without a value it was is not known, and makes no
/// difference.
fn attributes(out: &mut Vec<u8>, attributes: &Attributes<'_>, dimensions: &[String]) {
    let mut ignored = attributes.ignored;
    let mut members = 0;
    for (dimension, name) in dimensions.iter().enumerate() {
        let value = attributes.get(dimension);
        if value.is_none() && ignored == 0 {
            continue;
        }
        let start: &[u8] = if members == 0 {
            b",\"attributes\":{"
        } else {
            b","
        };
        members += 1;
        out.extend_from_slice(start);
        quoted(out, name);
        out.push(b':');
        if let Some(text) = value {
            quoted(out, text);
        } else {
            ignored -= 1;
            out.extend_from_slice(b"[]");
        }
    }
    if members > 0 {
        out.push(b'}');
    }
}

fn optional(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        member(out, name, text);
    }
}

/// A further member; the name needs no escapes.
fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b',');
    quoted(out, name);
    out.push(b':');
    quoted(out, text);
}

/// A JSON string.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| escaped(*byte)) {
        out.extend_from_slice(&rest[..at]);
        escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

const fn escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        _ => {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', DIGITS[high], DIGITS[low]]);
        }
    }
}

fn money(out: &mut Vec<u8>, amount: Amount) {
    let (whole, mut decimals) = (
        amount.millionths() / 1_000_000,
        amount.millionths() % 1_000_000,
    );
    digits(out, whole, 1);
    if decimals == 0 {
        return;
    }
    let mut width = 6;
    while decimals.is_multiple_of(10) {
        decimals /= 10;
        width -= 1;
    }
    out.push(b'.');
    digits(out, decimals, width);
}

fn integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    digits(out, number.unsigned_abs(), 1);
}

/// Decimal digits, with leading zeros up to `width`.
fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut from = digits.len();
    while number > 0 || digits.len() - from < width {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[from..]);
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::event::decode::{DecodeSettings, Decoder, MAX_BYTES};
    use crate::event::{Survey, Timestamp};

    fn settings() -> DecodeSettings {
        DecodeSettings {
            dimensions: ["plan", "country", "ti\"er", "\u{1}"]
                .map(str::to_owned)
                .into(),
            ..DecodeSettings::default()
        }
    }

    /// A text of 1 to 256 bytes, with what needs escapes in it.
    fn text() -> impl Strategy<Value = Cow<'static, str>> {
        let cut = |text: String| {
            let mut end = text.len().min(256);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            Cow::Owned(text[..end].to_owned())
        };
        prop_oneof![
            "[a-z0-9-]{1,20}".prop_map(cut),
            "[\\x00-\\x7f]{1,256}".prop_map(cut),
            "\\PC{1,256}".prop_map(cut),
        ]
    }

    fn amount() -> impl Strategy<Value = Amount> {
        let millionths = prop_oneof![
            0..=Amount::MAX.millionths(),
            (0..1_000_000_000_u64).prop_map(|cents| cents * 10_000),
            (0..1_000_u64).prop_map(|units| units * 1_000_000),
        ];
        millionths.prop_filter_map("an amount", Amount::from_millionths)
    }

    fn any_body() -> impl Strategy<Value = Body<'static>> {
        let optional = || proptest::option::of(text());
        let score = |survey: Survey| match survey {
            Survey::Nps => 0..=10_u8,
            Survey::Csat | Survey::Ces => 1..=5,
        };
        prop_oneof![
            Just(Body::Signup),
            (amount(), prop_oneof!["EUR", "TRY", "JPY"]).prop_map(|(amount, currency)| {
                let currency = Cow::Owned(currency);
                Body::Purchase { amount, currency }
            }),
            optional().prop_map(|reason| Body::Churn { reason }),
            proptest::sample::select(&Survey::ALL[..])
                .prop_flat_map(move |survey| (Just(survey), score(survey), optional()))
                .prop_map(|(survey, score, channel)| Body::Survey {
                    survey,
                    score,
                    channel,
                }),
        ]
    }

    fn any_attributes() -> impl Strategy<Value = Attributes<'static>> {
        let values = proptest::array::uniform4(proptest::option::of(text()));
        (values, 0..=4_u8).prop_map(|(values, ignored)| {
            let missing = values.iter().filter(|value| value.is_none()).count();
            Attributes {
                ignored: ignored.min(u8::try_from(missing).unwrap()),
                values,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same_event(
            (id, customer, at) in (text(), text(), 946_684_800_000..3_155_759_999_999_i64),
            (body, attributes) in (any_body(), any_attributes()),
        ) {
            let event = Event {
                id,
                customer,
                occurred_at: Timestamp::from_millis(at),
                body,
                attributes,
            };
            let settings = settings();
            let mut written = Vec::new();
            encode(&event, &settings.dimensions, &mut written);
            prop_assert!(written.len() <= MAX_BYTES);
            let decoder = Decoder::new(settings);
            prop_assert_eq!(decoder.decode(&written, None), Ok(event));
        }
    }

    #[test]
    fn the_text_is_short_and_in_the_order_of_the_documentation() {
        let event = Event {
            id: Cow::Borrowed("e-\"1\""),
            customer: Cow::Borrowed("c-42"),
            occurred_at: Timestamp::from_millis(1_793_527_872_250),
            body: Body::Purchase {
                amount: Amount::from_decimal("129.90").unwrap(),
                currency: Cow::Borrowed("TRY"),
            },
            attributes: Attributes {
                values: [None, Some(Cow::Borrowed("TR")), None, None],
                ignored: 1,
            },
        };
        let mut out = Vec::new();
        encode(&event, &settings().dimensions, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"event_id":"e-\"1\"","type":"purchase","customer_id":"c-42","occurred_at":1793527872250,"amount":"129.9","currency":"TRY","attributes":{"plan":[],"country":"TR"}}"#
        );
    }
}
