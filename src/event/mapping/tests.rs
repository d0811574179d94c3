//! What mappings mean, as tables: rules and a record in, events or complaints out.

use std::collections::{BTreeMap, BTreeSet};

use super::path::Path;
use super::rule::{
    Amount, AmountUnit, Case, Condition, Envelope, Format, Instant, Otherwise, Rule, Rules, Test,
    Text, TextSource, TimeForm,
};
use super::*;
use crate::event::Timestamp;

const KAFKA_TIME: i64 = 1_793_527_800_000; // 2026-11-01T10:10:00Z

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().map(|text| path(text)).collect()
}

/// The first that is present.
fn first(texts: &[&str]) -> Text {
    of(TextSource::First(paths(texts)))
}

fn fixed(text: &str) -> Text {
    of(TextSource::Fixed(text.to_owned()))
}

fn join(parts: &[&str], with: &str) -> Text {
    let part = |text: &&str| match text.strip_prefix('=') {
        Some(fixed) => TextSource::Fixed(fixed.to_owned()),
        None => TextSource::First(paths(&[text])),
    };
    of(TextSource::Join {
        parts: parts.iter().map(part).collect(),
        with: with.to_owned(),
    })
}

fn of(source: TextSource) -> Text {
    Text {
        source,
        map: None,
        otherwise: None,
        case: Case::AsItIs,
    }
}

fn map(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    let own = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
    Some(pairs.iter().map(own).collect())
}

fn is(place: &str, texts: &[&str]) -> Test {
    Test::Is {
        path: path(place),
        texts: own(texts),
    }
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn at(texts: &[&str], form: TimeForm) -> Instant {
    Instant {
        first: paths(texts),
        form,
    }
}

fn amount(place: &str, unit: AmountUnit) -> Option<Amount> {
    Some(Amount {
        first: paths(&[place]),
        unit,
    })
}

fn when(tests: impl IntoIterator<Item = Test>) -> Vec<Condition> {
    vec![Condition {
        all: tests.into_iter().collect(),
    }]
}

/// A rule that takes every field from where native events have it.
fn native() -> Rule {
    let field = |name: &str| first(&[&format!("value.{name}")]);
    Rule {
        when: Vec::new(),
        each: None,
        each_when: Vec::new(),
        event_id: field("event_id"),
        event_type: field("type"),
        customer_id: field("customer_id"),
        occurred_at: at(&["value.occurred_at"], TimeForm::Native),
        amount: amount("value.amount", AmountUnit::Units),
        currency: Some(field("currency")),
        reason: Some(field("reason")),
        survey: Some(field("survey")),
        score: Some(field("score")),
        channel: Some(field("channel")),
        attributes: ["plan", "country"]
            .map(|name| (name.to_owned(), field(&format!("attributes.{name}"))))
            .into(),
    }
}

fn rules(events: impl IntoIterator<Item = Rule>) -> Rules {
    Rules {
        envelope: Envelope::None,
        format: Format::Json,
        key_format: Format::Json,
        skip: Vec::new(),
        events: events.into_iter().collect(),
        otherwise: Otherwise::Unmapped,
    }
}

fn settings() -> DecodeSettings {
    DecodeSettings {
        currencies: BTreeSet::from(["POINTS".to_owned()]),
        dimensions: own(&["plan", "country"]),
        ..DecodeSettings::default()
    }
}

/// What becomes of a record, one line for each part.
fn outcome(rules: &Rules, record: Record<'_>) -> String {
    let mapping = Mapping::new(rules.clone(), settings());
    let mut lines = Vec::new();
    mapping.decode(record, |decoded| lines.push(line(&decoded)));
    lines.join("\n")
}

fn line(decoded: &Decoded<'_>) -> String {
    match decoded {
        Decoded::Event(event) => {
            let body = format!("{:?}", event.body);
            let attributes: Vec<String> = event
                .attributes
                .iter()
                .map(|(dimension, value)| format!(" {dimension}={value}"))
                .collect();
            let (id, customer, at) = (&event.id, &event.customer, event.occurred_at);
            format!("{id} {customer} {at} {body}{}", attributes.concat())
        }
        Decoded::Tombstone => "tombstone".to_owned(),
        Decoded::Skipped => "skipped".to_owned(),
        Decoded::Rejected(Rejection { reason, field, .. }) => {
            let field = field.map(|field| format!(" {field}")).unwrap_or_default();
            format!("{}{field}", reason.name())
        }
    }
}

fn record<'a>(headers: &'a [(&'a [u8], Option<&'a [u8]>)], value: &'a str) -> Record<'a> {
    Record {
        topic: "orders",
        partition: 3,
        offset: 12,
        recorded_at: Some(Timestamp::from_millis(KAFKA_TIME)),
        key: Some(br#"{"id":7}"#),
        headers,
        value: Some(value.as_bytes()),
    }
}

fn check(rules: &Rules, value: &str, expected: &str) {
    assert_eq!(outcome(rules, record(&[], value)), expected, "{value}");
}

/// A sign-up in native form, with more fields before the others.
fn signup(fields: &str) -> String {
    format!(
        r#"{{{fields}"event_id":"1","type":"signup","customer_id":"c","occurred_at":"2026-11-01T09:30:00Z"}}"#
    )
}

const SIGNUP: &str = "1 c 2026-11-01T09:30:00.000Z Signup";

#[test]
fn a_mapping_that_copies_makes_the_native_event() {
    let rules = rules([native()]);
    check(&rules, &signup(""), SIGNUP);
    check(
        &rules,
        &signup(r#""attributes":{"plan":"pro","country":["TR"]},"#),
        "1 c 2026-11-01T09:30:00.000Z Signup 0=pro",
    );
    check(
        &rules,
        &signup(r#""amount":12.5,"currency":"EUR","#).replace("signup", "purchase"),
        r#"1 c 2026-11-01T09:30:00.000Z Purchase { amount: Amount(12500000), currency: "EUR" }"#,
    );
}
