//! Mappings: whatever a record is, each of the presets makes events of it that are within their
//! bounds, or something else, and the same again; and a mapping that copies agrees with the decoder
//! of native events.
//!
//! The bytes are a record as text: a character that chooses the mapping and a line end, lines of
//! headers (`name: value`; the key is called `:key`), an empty line, and the value.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use tenure::config::{Sources, load};
use tenure::event::decode::{DecodeSettings, Decoder, MAX_ID_BYTES, MAX_TEXT_BYTES};
use tenure::event::record::{Header, Record};
use tenure::event::source::{Decoded, Source};
use tenure::event::{Body, Event, Reason, Timestamp};

/// Native events field by field, what paths can do beside that, and the presets with their options.
const CONFIGURATION: &str = r#"
kafka: { topics: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] }
sources:
  a:
    events:
      - type: value.type
        event_id: value.event_id
        customer_id: value.customer_id
        occurred_at: value.occurred_at
        amount: value.amount
        currency: value.currency
        reason: value.reason
        survey: value.survey
        score: value.score
        channel: value.channel
        attributes: { plan: value.attributes.plan, country: value.attributes.country }
  b:
    envelope: cloudevents
    skip: { "value[-1].skip": true }
    otherwise: skipped
    events:
      - when: [{ "value.a[b.c=1].d": { present: true } }, { value.e: { becomes: [x], before: value.f } }]
        each: value.items
        each_when: { "item.kind": { not: [z] } }
        type: { from: item.kind, map: { s: signup, p: purchase, c: churn }, else: survey_submitted }
        event_id: { join: [key.id, "item.id", header.id, record.offset], with: "-" }
        customer_id: ["item[-1]", ce.subject, ce.data.customer, "value.a[b.c=1].d"]
        occurred_at: { from: ["item.at", ce.time], as: naive, zone: Europe/Istanbul }
        amount: { from: "item.amount", unit: minor, digits: { UGX: 2 } }
        currency: { from: "item.currency", case: upper }
        survey: nps
        score: "item.score"
      - type: signup
        event_id: ce.id
        customer_id: ce.data.customer
        occurred_at: { from: value.at, as: seconds }
  c: { preset: cloudevents }
  d: segment
  e: shopify
  f: stripe
  g: saleor
  h: commercetools
  i: adobe-commerce
  j: snowplow
  k: { preset: debezium, options: { customers_table: customers, orders_table: orders } }
  l: lago
  m: delighted
  n: { preset: formbricks, options: { nps_question: nps, csat_question: csat } }
  o: { preset: typeform, options: { nps_question: recommend, csat_question: satisfied } }
"#;

fn settings() -> DecodeSettings {
    DecodeSettings {
        currencies: ["PTS".to_owned()].into(),
        dimensions: ["plan", "country"].map(str::to_owned).to_vec(),
        ..DecodeSettings::default()
    }
}

/// The sources in the order of their topics; the first one copies.
fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let sources = Sources {
            file: Some(PathBuf::from("fuzz.yaml")),
            read_file: &|_, _| Ok(CONFIGURATION.as_bytes().to_vec()),
            ..Sources::none()
        };
        let read = load(&sources).unwrap_or_else(|complaints| panic!("{complaints}"));
        let sources = &read.fold.sources;
        let rules = sources.topics().filter_map(|topic| sources.of(topic));
        rules
            .map(|rules| Source::mapped(rules.clone(), settings()))
            .collect()
    })
}

/// Checks what a mapping makes of a record.
///
/// # Panics
/// If the mapping breaks a promise.
pub fn check(bytes: &[u8]) {
    let sources = sources();
    let [chosen, b'\n', rest @ ..] = bytes else {
        return;
    };
    let mut headers: Vec<Header<'_>> = Vec::new();
    let mut key = None;
    let mut value = rest;
    while let Some(end) = value.iter().position(|byte| *byte == b'\n') {
        let line = &value[..end];
        value = &value[end + 1..];
        let Some(colon) = line.windows(2).position(|pair| pair == b": ") else {
            break;
        };
        match (&line[..colon], &line[colon + 2..]) {
            (b":key", text) => key = Some(text),
            (name, text) => headers.push((name, Some(text))),
        }
    }
    let record = Record {
        recorded_at: Timestamp::from_rfc3339("2026-11-10T00:00:00Z"),
        key,
        headers: &headers,
        ..Record::of_value(value)
    };
    check_source(&sources[usize::from(*chosen) % sources.len()], record);
    check_source(&sources[0], record);
    check_copy(&sources[0], value);
}

/// What becomes of a record is within bounds, and the same whenever it is asked for.
fn check_source(source: &Source, record: Record<'_>) {
    let mut outcomes = Vec::new();
    let mut ids = BTreeSet::new();
    source.decode(record, |decoded| {
        if let Decoded::Event(event) = &decoded {
            check_event(event, record.recorded_at);
            assert!(ids.insert(event.id.clone().into_owned()), "an id twice");
        }
        outcomes.push(format!("{decoded:?}"));
    });
    assert!(!outcomes.is_empty());
    let mut again = outcomes.iter();
    source.decode(record, |decoded| {
        assert_eq!(Some(&format!("{decoded:?}")), again.next());
    });
    assert_eq!(again.next(), None);
}

fn check_event(event: &Event<'_>, recorded_at: Option<Timestamp>) {
    for id in [&event.id, &event.customer] {
        assert!((1..=MAX_ID_BYTES).contains(&id.len()));
    }
    assert!(event.occurred_at.plausible());
    if let Some(at) = recorded_at {
        assert!(event.occurred_at <= at.plus_millis(settings().max_future_skew_millis));
    }
    for (_, shown) in event.attributes.iter() {
        assert!((1..=MAX_TEXT_BYTES).contains(&shown.len()));
    }
    match &event.body {
        Body::Churn { reason: text } | Body::Survey { channel: text, .. } => {
            let length = text.as_ref().map_or(1, |text| text.len());
            assert!((1..=MAX_TEXT_BYTES).contains(&length));
        }
        Body::Purchase { currency, .. } => assert!(currency.len() == 3),
        Body::Signup => {}
    }
}

/// What is a native event is the same event by a mapping that copies; and what the mapping cannot
/// even read is none.
fn check_copy(copying: &Source, value: &[u8]) {
    let native = Decoder::new(settings()).decode(value, None);
    copying.decode(Record::of_value(value), |decoded| {
        match (decoded, &native) {
            (Decoded::Event(mapped), Ok(native)) => assert_eq!(&mapped, native),
            (other, Ok(native)) => panic!("{native:?} became {other:?}"),
            (Decoded::Rejected(mapped), Err(native)) => {
                let whole = [
                    Reason::TooLarge,
                    Reason::InvalidUtf8,
                    Reason::InvalidJson,
                    Reason::TooDeep,
                ];
                if mapped.field.is_none()
                    && whole.contains(&mapped.reason)
                    && native.field.is_none()
                {
                    assert!(whole.contains(&native.reason) || native.reason == Reason::WrongType);
                }
            }
            _ => {}
        }
    });
}
