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

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
    pairs.iter().map(own).collect()
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

fn amount(place: &str, unit: AmountUnit) -> Amount {
    Amount {
        first: paths(&[place]),
        unit,
    }
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
        amount: Some(amount("value.amount", AmountUnit::Units)),
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

#[test]
fn a_record_is_refused_as_a_whole_as_native_ones_are() {
    let rules = rules([native()]);
    let deep = |levels: usize| {
        let nested = format!("\"x\":{}{},", "[".repeat(levels), "]".repeat(levels));
        signup(&nested)
    };
    for (value, expected) in [
        (String::new(), "invalid_json"),
        ("{".to_owned(), "invalid_json"),
        (signup("\"x\":01,"), "invalid_json"),
        (signup("\"x\":\"\u{1}\","), "invalid_json"),
        (signup(r#""x":"\q","#), "invalid_json"),
        (signup("") + "1", "invalid_json"),
        (deep(63), SIGNUP),
        (deep(64), "too_deep"),
        (deep(100_000), "too_deep"),
        (deep(64) + "!", "invalid_json"),
        (signup(r#""event_id":"2","#), "invalid_json"),
        (signup(r#""event\u005fid":"2","#), "invalid_json"),
        // Nobody reads these: what they say twice is the sender's.
        (signup(r#""x":1,"x":1,"y":{"a":1,"a":1},"#), SIGNUP),
        (signup(r#""x":"\ud800","y":1e400,"#), SIGNUP),
        (
            signup(&format!("\"x\":\"{}\",", "x".repeat(256 * 1024))),
            "too_large",
        ),
        ("7".to_owned(), "missing_field type"),
        ("[]".to_owned(), "missing_field type"),
    ] {
        check(&rules, &value, expected);
    }
    let invalid = Record::of_value(b"{\"event_id\":\"\xff\"}");
    assert_eq!(outcome(&rules, invalid), "invalid_utf8");
    let tombstone = Record {
        value: None,
        ..Record::of_value(b"")
    };
    assert_eq!(outcome(&rules, tombstone), "tombstone");
}

/// What the event id becomes, out of a value.
fn event_id(id: Text, headers: &[(&[u8], Option<&[u8]>)], value: &str) -> String {
    let rule = Rule {
        event_id: id,
        event_type: fixed("signup"),
        customer_id: fixed("c"),
        occurred_at: at(&["record.timestamp"], TimeForm::Native),
        ..native()
    };
    let line = outcome(&rules([rule]), record(headers, value));
    match line.split_once(" c 2026-11-01T10:10:00.000Z Signup") {
        Some((id, "")) => id.to_owned(),
        _ => line,
    }
}

#[test]
fn paths_lead_into_value_key_headers_and_the_record() {
    let headers: &[(&[u8], Option<&[u8]>)] = &[
        (b"X-Topic", Some(b"orders/paid")),
        (b"x-topic", Some(b"second")),
        (b"none", None),
        (b"odd", Some(b"\xff")),
        (b"odd", Some(b"fine")),
        (b"empty", Some(b"")),
    ];
    let value = r#"{"a":{"b.c":[{"id":"x"},{"id":12},{"id":true,"in":{"ref":"nps"},"n":[1,[5,6]]},
        {"id":null,"in":{"ref":7}}]},"\u0065scaped":"\u00e9","t":"","o":{},"a b":"blank"}"#;
    for (place, expected) in [
        ("value.a.\"b.c\"[0].id", "x"),
        ("value.a.\"b.c\"[1].id", "12"),
        ("value.a.\"b.c\"[2].n[1][0]", "5"),
        ("value.a.\"b.c\"[2].n[1][-1]", "6"),
        ("value.a.\"b.c\"[-2].n[-1][0]", "5"),
        ("value.a.\"b.c\"[-4].id", "x"),
        ("value.a.\"b.c\"[-5].id", "missing_field event_id"),
        ("value.a.\"b.c\"[4].id", "missing_field event_id"),
        ("value.a.\"b.c\"[in.ref=nps].n[0]", "1"),
        ("value.a.\"b.c\"[id=12].id", "12"),
        ("value.a.\"b.c\"[id=true].in.ref", "nps"),
        ("value.a.\"b.c\"[in.ref=7].in.ref", "7"),
        ("value.a.\"b.c\"[id=nobody].id", "missing_field event_id"),
        ("value.a.\"b.c\"[3].id", "missing_field event_id"),
        ("value.a.\"b.c\"[2].id", "wrong_type event_id"),
        ("value.a.\"b.c\"", "wrong_type event_id"),
        ("value.a[0]", "missing_field event_id"),
        ("value.a.\"b.c\".id", "missing_field event_id"),
        ("value.escaped", "é"),
        ("value.\"a b\"", "blank"),
        ("value.t", "missing_field event_id"),
        ("value.o", "wrong_type event_id"),
        ("value.o.x", "missing_field event_id"),
        ("value", "wrong_type event_id"),
        ("key", r#"{"id":7}"#),
        ("key.id", "7"),
        ("key.no", "missing_field event_id"),
        ("header.X-Topic", "orders/paid"),
        ("header.X-TOPIC", "orders/paid"),
        ("header.none", "missing_field event_id"),
        ("header.odd", "missing_field event_id"),
        ("header.empty", "missing_field event_id"),
        ("header.nobody", "missing_field event_id"),
        ("record.topic", "orders"),
        ("record.partition", "3"),
        ("record.offset", "12"),
        ("record.timestamp", "1793527800000"),
        // These have nothing at them here.
        ("item.id", "missing_field event_id"),
        ("ce.id", "missing_field event_id"),
    ] {
        assert_eq!(
            event_id(first(&[place]), headers, value),
            expected,
            "{place}"
        );
    }
}

#[test]
fn the_root_may_be_an_array() {
    let value = r#" [ {"id" : "x" } , [ 1 ] , 7 ] "#;
    for (place, expected) in [
        ("value[0].id", "x"),
        ("value[1][0]", "1"),
        ("value[2]", "7"),
        ("value[-1]", "7"),
        ("value[3]", "missing_field event_id"),
        ("value[id=x].id", "x"),
        ("value.id", "missing_field event_id"),
    ] {
        assert_eq!(event_id(first(&[place]), &[], value), expected, "{place}");
    }
}

#[test]
fn keys_that_are_no_json_have_nothing_inside() {
    for (key, expected) in [
        (None, "missing_field event_id"),
        (Some(&b"{\"id\":7"[..]), "missing_field event_id"),
        (Some(b"\xff"), "missing_field event_id"),
        (Some(b""), "missing_field event_id"),
        (Some(b"[{\"id\":7}]"), "missing_field event_id"),
        (
            Some(b"{\"id\":\"k\"}"),
            "k c 2026-11-01T09:30:00.000Z Signup",
        ),
    ] {
        let rules = rules([Rule {
            event_id: first(&["key.id"]),
            ..native()
        }]);
        let value = signup("");
        let record = Record {
            key,
            ..record(&[], &value)
        };
        assert_eq!(outcome(&rules, record), expected);
    }
}

#[test]
fn a_key_given_twice_is_refused_wherever_a_path_goes_by() {
    for (place, value) in [
        ("value.a.b", r#"{"a":{"b":1,"b":1}}"#),
        ("value.a.b", r#"{"a":1,"a":{"b":1}}"#),
        ("value.a[0].b", r#"{"a":[{"b":1,"b":1}]}"#),
        ("value.a[-1].b", r#"{"a":[{"b":1,"b":1}]}"#),
        ("value.a[b=1].c", r#"{"a":[{"b":1,"b":1}]}"#),
        ("value.a[b=1].c", r#"{"a":[{"b":1,"c":2,"c":3}]}"#),
    ] {
        assert_eq!(
            event_id(first(&[place]), &[], value),
            "invalid_json",
            "{value}"
        );
    }
    let value = r#"{"a":{"b":"x","c":1,"c":1}}"#;
    assert_eq!(event_id(first(&["value.a.b"]), &[], value), "x");
}

#[test]
fn texts_are_found_mapped_cased_and_joined() {
    let value =
        r#"{"a":"Order Completed","n":7,"b":true,"null":null,"empty":"","o":{},"u":"\u0041b"}"#;
    let mapped = |place: &str, otherwise: Option<&str>| Text {
        map: Some(map(&[
            ("Order Completed", "done"),
            ("7", "seven"),
            ("true", "yes"),
        ])),
        otherwise: otherwise.map(str::to_owned),
        ..first(&[place])
    };
    let cased = |case: Case, text: Text| Text { case, ..text };
    for (text, expected) in [
        (
            first(&["value.null", "value.empty", "value.no", "value.a"]),
            "Order Completed",
        ),
        (first(&["value.n", "value.a"]), "7"),
        (first(&["value.b"]), "wrong_type event_id"),
        (first(&["value.o", "value.a"]), "wrong_type event_id"),
        (first(&["value.u"]), "Ab"),
        (mapped("value.a", None), "done"),
        (mapped("value.n", None), "seven"),
        (mapped("value.b", None), "yes"),
        (mapped("value.u", None), "missing_field event_id"),
        (mapped("value.u", Some("other")), "other"),
        (mapped("value.no", Some("other")), "other"),
        (mapped("value.o", Some("other")), "wrong_type event_id"),
        (cased(Case::Upper, first(&["value.a"])), "ORDER COMPLETED"),
        (cased(Case::Lower, first(&["value.u"])), "ab"),
        (cased(Case::Lower, first(&["value.n"])), "7"),
        // What stands in the record changes its case, and is mapped then.
        (
            Text {
                map: Some(map(&[("order completed", "Done")])),
                ..cased(Case::Lower, first(&["value.a"]))
            },
            "Done",
        ),
        (fixed("always"), "always"),
        (
            join(&["value.a", "=x", "value.n", "value.b"], ":"),
            "Order Completed:x:7:true",
        ),
        (join(&["value.u", "value.u"], ""), "AbAb"),
        (
            join(&["value.a", "value.no"], ":"),
            "missing_field event_id",
        ),
        (join(&["value.a", "value.o"], ":"), "wrong_type event_id"),
        (join(&["value.n"], ":"), "7"),
    ] {
        assert_eq!(event_id(text.clone(), &[], value), expected, "{text:?}");
    }
}

#[test]
fn half_a_surrogate_pair_is_no_text_where_it_is_wanted() {
    let value = r#"{"a":"\ud800"}"#;
    assert_eq!(event_id(first(&["value.a"]), &[], value), "invalid_json");
    assert_eq!(event_id(fixed("x"), &[], value), "x");
}

#[test]
fn ids_are_texts_or_integers_of_1_to_256_bytes() {
    let long = "9".repeat(257);
    for (id, expected) in [
        ("42", "42"),
        ("-42", "-42"),
        ("-0", "0"),
        ("\"42\"", "42"),
        ("1.0", "wrong_type event_id"),
        ("1e3", "wrong_type event_id"),
        ("true", "wrong_type event_id"),
        ("[1]", "wrong_type event_id"),
        (&long, "invalid_id event_id"),
    ] {
        let value = format!(r#"{{"id":{id}}}"#);
        assert_eq!(
            event_id(first(&["value.id"]), &[], &value),
            expected,
            "{id}"
        );
    }
}

/// Whether a record of this value is skipped by these tests.
fn skipped(tests: &[Test], value: &str) -> bool {
    let rules = Rules {
        skip: when(tests.iter().cloned()),
        ..rules([native()])
    };
    outcome(&rules, record(&[], value)) == "skipped"
}

#[test]
fn conditions_compare_the_texts_of_scalars() {
    let value = r#"{"live":false,"kind":"b","n":12,"empty":"","null":null,"o":{},"e":"\u0062"}"#;
    let is_not = |place: &str, texts: &[&str]| Test::IsNot {
        path: path(place),
        texts: own(texts),
    };
    let present = |place: &str, present| Test::Present {
        path: path(place),
        present,
    };
    for (test, expected) in [
        (is("value.live", &["false"]), true),
        (is("value.live", &["true"]), false),
        (is("value.kind", &["a", "b"]), true),
        (is("value.e", &["b"]), true),
        (is("value.n", &["12"]), true),
        (is("value.n", &["12.0"]), false),
        (is("value.o", &["{}"]), false),
        (is("value.empty", &[""]), false),
        (is("value.null", &["null"]), false),
        (is("value.no", &["b"]), false),
        (is_not("value.kind", &["a"]), true),
        (is_not("value.kind", &["a", "b"]), false),
        (is_not("value.no", &["b"]), true),
        (present("value.kind", true), true),
        (present("value.o", true), true),
        (present("value.empty", true), false),
        (present("value.null", false), true),
        (present("value.no", false), true),
        (present("value.n", false), false),
        (is("key.id", &["7"]), true),
        (is("record.topic", &["orders"]), true),
    ] {
        assert_eq!(
            skipped(std::slice::from_ref(&test), value),
            expected,
            "{test:?}"
        );
    }
    // All tests of a condition must hold.
    let live = is("value.live", &["false"]);
    assert!(skipped(&[live.clone(), is("value.n", &["12"])], value));
    assert!(!skipped(&[live, is("value.n", &["13"])], value));
}

#[test]
fn a_transition_is_seen_once() {
    let becomes = |from: &[&str]| Test::Becomes {
        before: path("value.before.status"),
        after: path("value.after.status"),
        from: own(from),
        into: own(&["closed", "gone"]),
    };
    let any = becomes(&[]);
    let open = becomes(&["open"]);
    for (before, after, of_any, of_open) in [
        ("\"open\"", "\"closed\"", true, true),
        ("\"trial\"", "\"closed\"", true, false),
        ("\"closed\"", "\"closed\"", false, false),
        ("\"gone\"", "\"closed\"", false, false),
        ("\"open\"", "\"open\"", false, false),
        ("null", "\"closed\"", true, false),
        ("\"open\"", "null", false, false),
    ] {
        let value = format!(r#"{{"before":{{"status":{before}}},"after":{{"status":{after}}}}}"#);
        assert_eq!(
            skipped(std::slice::from_ref(&any), &value),
            of_any,
            "{value}"
        );
        assert_eq!(
            skipped(std::slice::from_ref(&open), &value),
            of_open,
            "{value}"
        );
    }
    // A row that is new has no before at all.
    assert!(skipped(
        &[any],
        r#"{"before":null,"after":{"status":"gone"}}"#
    ));
}

#[test]
fn any_condition_of_a_list_is_enough_and_what_no_rule_takes_is_unmapped_or_skipped() {
    let rule = Rule {
        when: [when([is("value.x", &["1"])]), when([is("value.x", &["2"])])].concat(),
        ..native()
    };
    let rules = rules([rule]);
    check(&rules, &signup(r#""x":1,"#), SIGNUP);
    check(&rules, &signup(r#""x":2,"#), SIGNUP);
    check(&rules, &signup(r#""x":3,"#), "unmapped");
    let rules = Rules {
        otherwise: Otherwise::Skipped,
        ..rules
    };
    check(&rules, &signup(r#""x":3,"#), "skipped");
    check(&rules, "{]", "invalid_json");
}

/// When a sign-up happened whose time stands at `value.t`.
fn occurred_at(form: TimeForm, value: &str) -> String {
    let rule = Rule {
        event_type: fixed("signup"),
        event_id: fixed("1"),
        customer_id: fixed("c"),
        occurred_at: at(&["value.t"], form),
        ..native()
    };
    let mapping = Mapping::new(rules([rule]), settings());
    let value = format!(r#"{{"t":{value}}}"#);
    let mut told = String::new();
    mapping.decode(Record::of_value(value.as_bytes()), |decoded| {
        told = match decoded {
            Decoded::Event(event) => event.occurred_at.to_string(),
            Decoded::Rejected(Rejection { reason, hint, .. }) => {
                format!("{} {}", reason.name(), hint.unwrap_or_default())
            }
            other => format!("{other:?}"),
        }
    });
    told.trim_end().to_owned()
}

#[test]
fn times_are_read_in_every_form() {
    let naive = |zone: &str| TimeForm::Naive(jiff::tz::TimeZone::get(zone).unwrap());
    let berlin = naive("Europe/Berlin");
    for (form, value, expected) in [
        (
            TimeForm::Native,
            "1762000000123",
            "2025-11-01T12:26:40.123Z",
        ),
        (
            TimeForm::Native,
            "\"2025-11-01T12:26:40Z\"",
            "2025-11-01T12:26:40.000Z",
        ),
        (
            TimeForm::Native,
            "1762000000",
            "invalid_time seconds? integers are Unix milliseconds",
        ),
        (TimeForm::Native, "\"1762000000123\"", "invalid_time"),
        (TimeForm::Native, "1762000000123.5", "wrong_type"),
        (TimeForm::Native, "true", "wrong_type"),
        (TimeForm::Native, "null", "missing_field"),
        (TimeForm::Native, "\"\"", "missing_field"),
        (TimeForm::Seconds, "1762000000", "2025-11-01T12:26:40.000Z"),
        (
            TimeForm::Seconds,
            "\"1762000000\"",
            "2025-11-01T12:26:40.000Z",
        ),
        (
            TimeForm::Seconds,
            "1762000000.9999",
            "2025-11-01T12:26:40.999Z",
        ),
        (
            TimeForm::Seconds,
            "1.7620000005e9",
            "2025-11-01T12:26:40.500Z",
        ),
        (
            TimeForm::Seconds,
            "1762000000123",
            "invalid_time milliseconds? the mapping says another unit",
        ),
        (TimeForm::Seconds, "0e2000000000", "invalid_time"),
        (TimeForm::Seconds, "1e2000000000", "invalid_time"),
        (TimeForm::Seconds, "\"soon\"", "invalid_time"),
        (TimeForm::Seconds, "{}", "wrong_type"),
        (
            TimeForm::Milliseconds,
            "\"1762000000123\"",
            "2025-11-01T12:26:40.123Z",
        ),
        (
            TimeForm::Microseconds,
            "1762000000123999",
            "2025-11-01T12:26:40.123Z",
        ),
        (
            TimeForm::Nanoseconds,
            "1762000000123999999",
            "2025-11-01T12:26:40.123Z",
        ),
        (TimeForm::Days, "20393", "2025-11-01T00:00:00.000Z"),
        (TimeForm::Days, "20393.5", "invalid_time"),
        (
            berlin.clone(),
            "\"2026-07-01 12:00:00\"",
            "2026-07-01T10:00:00.000Z",
        ),
        (
            berlin.clone(),
            "\"2026-12-01T12:00:00.25\"",
            "2026-12-01T11:00:00.250Z",
        ),
        (
            berlin.clone(),
            "\"2026-12-01 12:00:00Z\"",
            "2026-12-01T12:00:00.000Z",
        ),
        // Clocks are set back at 3:00 on 25 October, and forward at 2:00 on 29 March.
        (
            berlin.clone(),
            "\"2026-10-25 02:30:00\"",
            "2026-10-25T00:30:00.000Z",
        ),
        (
            berlin.clone(),
            "\"2026-03-29 02:30:00\"",
            "2026-03-29T01:30:00.000Z",
        ),
        (berlin.clone(), "\"2026-12-01\"", "invalid_time"),
        (berlin.clone(), "\"2026-12-01 12:00:00 \"", "invalid_time"),
        (berlin, "1762000000", "wrong_type"),
        (
            naive("UTC"),
            "\"2026-12-01 23:59:60\"",
            "2026-12-01T23:59:59.999Z",
        ),
    ] {
        assert_eq!(
            occurred_at(form.clone(), value),
            expected,
            "{form:?} {value}"
        );
    }
}

#[test]
fn headers_hold_times_as_text() {
    for (text, expected) in [
        ("1793527800000", "1 c 2026-11-01T10:10:00.000Z Signup"),
        (
            "2026-11-01T10:10:00Z",
            "1 c 2026-11-01T10:10:00.000Z Signup",
        ),
        ("yesterday", "invalid_time occurred_at"),
        ("1793528100001", "in_the_future occurred_at"),
    ] {
        let rules = rules([Rule {
            occurred_at: at(&["header.at"], TimeForm::Native),
            ..native()
        }]);
        let value = signup("");
        let headers: &[(&[u8], Option<&[u8]>)] = &[(b"at", Some(text.as_bytes()))];
        assert_eq!(outcome(&rules, record(headers, &value)), expected, "{text}");
    }
}

/// What a purchase becomes whose amount is made of this value.
fn purchase(unit: AmountUnit, value: &str) -> String {
    let rule = Rule {
        event_type: fixed("purchase"),
        amount: Some(amount("value.amount", unit)),
        currency: Some(Text {
            case: Case::Upper,
            ..first(&["value.currency"])
        }),
        ..native()
    };
    let text = outcome(&rules([rule]), record(&[], &signup(&format!("{value},"))));
    let Some((_, body)) = text.split_once("Amount(") else {
        return text;
    };
    body.replace(')', "")
        .replace(", currency: ", " ")
        .replace(" }", "")
        .replace('"', "")
}

#[test]
fn amounts_are_exact_in_every_unit() {
    let minor = || AmountUnit::Minor {
        digits: BTreeMap::from([("ISK".to_owned(), 2), ("POINTS".to_owned(), 1)]),
    };
    let scaled = || AmountUnit::Scaled {
        digits: path("value.digits"),
    };
    for (unit, value, expected) in [
        (
            AmountUnit::Units,
            r#""amount":"129.90","currency":"try""#,
            "129900000 TRY",
        ),
        (
            AmountUnit::Units,
            r#""amount":119.96999999999998,"currency":"TRY""#,
            "119970000 TRY",
        ),
        (
            AmountUnit::Units,
            r#""amount":"-1","currency":"TRY""#,
            "invalid_amount amount",
        ),
        (
            AmountUnit::Units,
            r#""amount":-0.01,"currency":"TRY""#,
            "invalid_amount amount",
        ),
        (
            AmountUnit::Units,
            r#""amount":true,"currency":"TRY""#,
            "wrong_type amount",
        ),
        (
            AmountUnit::Units,
            r#""amount":"","currency":"TRY""#,
            "missing_field amount",
        ),
        (
            AmountUnit::Units,
            r#""amount":"1","currency":"btc""#,
            "unknown_currency currency",
        ),
        (
            AmountUnit::Units,
            r#""amount":"1","currency":978"#,
            "wrong_type currency",
        ),
        (
            AmountUnit::Units,
            r#""amount":"1""#,
            "missing_field currency",
        ),
        (
            AmountUnit::Units,
            r#""amount":"x""#,
            "invalid_amount amount",
        ),
        (
            minor(),
            r#""amount":12990,"currency":"eur""#,
            "129900000 EUR",
        ),
        (
            minor(),
            r#""amount":"12990","currency":"EUR""#,
            "129900000 EUR",
        ),
        (
            minor(),
            r#""amount":12990,"currency":"jpy""#,
            "12990000000 JPY",
        ),
        (
            minor(),
            r#""amount":12990,"currency":"KWD""#,
            "12990000 KWD",
        ),
        (minor(), r#""amount":12990,"currency":"CLF""#, "1299000 CLF"),
        (
            minor(),
            r#""amount":12990,"currency":"isk""#,
            "129900000 ISK",
        ),
        (
            minor(),
            r#""amount":12990,"currency":"POINTS""#,
            "1299000000 POINTS",
        ),
        (
            minor(),
            r#""amount":12990.5,"currency":"EUR""#,
            "129905000 EUR",
        ),
        (minor(), r#""amount":1e4,"currency":"EUR""#, "100000000 EUR"),
        (
            minor(),
            r#""amount":"1.00000","currency":"EUR""#,
            "invalid_amount amount",
        ),
        (
            minor(),
            r#""amount":1,"currency":"XAU""#,
            "invalid_amount amount",
        ),
        (minor(), r#""amount":1"#, "missing_field currency"),
        (minor(), r#""currency":"EUR""#, "missing_field amount"),
        (
            minor(),
            r#""amount":-1,"currency":"EUR""#,
            "invalid_amount amount",
        ),
        (
            minor(),
            r#""amount":99999999999999,"currency":"EUR""#,
            "999999999999990000 EUR",
        ),
        (
            minor(),
            r#""amount":100000000000000,"currency":"EUR""#,
            "invalid_amount amount",
        ),
        (
            scaled(),
            r#""amount":12990,"digits":2,"currency":"EUR""#,
            "129900000 EUR",
        ),
        (
            scaled(),
            r#""amount":12990,"digits":"3","currency":"EUR""#,
            "12990000 EUR",
        ),
        (
            scaled(),
            r#""amount":12990,"digits":0,"currency":"EUR""#,
            "12990000000 EUR",
        ),
        (
            scaled(),
            r#""amount":15000000,"digits":7,"currency":"EUR""#,
            "1500000 EUR",
        ),
        (
            scaled(),
            r#""amount":1,"digits":-1,"currency":"EUR""#,
            "invalid_amount amount",
        ),
        (
            scaled(),
            r#""amount":1,"digits":19,"currency":"EUR""#,
            "invalid_amount amount",
        ),
        (
            scaled(),
            r#""amount":1,"currency":"EUR""#,
            "missing_field amount",
        ),
    ] {
        assert_eq!(purchase(unit, value), expected, "{value}");
    }
}

#[test]
fn scores_are_whole_numbers_however_they_are_written() {
    let survey = |fields: &str| {
        let rule = Rule {
            event_type: fixed("survey_submitted"),
            ..native()
        };
        outcome(&rules([rule]), record(&[], &signup(&format!("{fields},"))))
    };
    for (score, expected) in [
        ("9", "score: 9,"),
        ("\"9\"", "score: 9,"),
        ("9.0", "score: 9,"),
        ("\"10.00\"", "score: 10,"),
        ("-0", "score: 0,"),
        ("9.5", "wrong_type score"),
        ("9e0", "wrong_type score"),
        ("\"nine\"", "wrong_type score"),
        ("\"9.\"", "wrong_type score"),
        ("true", "wrong_type score"),
        ("[9]", "wrong_type score"),
        ("11", "score_out_of_range score"),
        ("-1", "score_out_of_range score"),
        ("null", "missing_field score"),
    ] {
        let told = survey(&format!(r#""survey":"nps","score":{score}"#));
        assert!(told.contains(expected), "{score}: {told}");
    }
    assert_eq!(survey(r#""survey":"NPS","score":9"#), "unknown_type survey");
    assert_eq!(survey(r#""score":9"#), "missing_field survey");
    assert!(
        survey(r#""survey":"csat","score":5,"channel":7"#)
            .contains(r#"survey: Csat, score: 5, channel: Some("7")"#)
    );
}

#[test]
fn what_a_rule_does_not_say_is_missing() {
    let bare = |kind: &str| Rule {
        event_type: fixed(kind),
        amount: None,
        currency: None,
        reason: None,
        survey: None,
        score: None,
        channel: None,
        attributes: BTreeMap::new(),
        ..native()
    };
    for (kind, expected) in [
        ("signup", SIGNUP),
        (
            "churn",
            "1 c 2026-11-01T09:30:00.000Z Churn { reason: None }",
        ),
        ("purchase", "missing_field amount"),
        ("survey_submitted", "missing_field survey"),
        ("refund", "unknown_type type"),
    ] {
        check(&rules([bare(kind)]), &signup(""), expected);
    }
}

#[test]
fn the_attributes_of_dimensions_are_kept_like_native_ones() {
    let rule = Rule {
        attributes: BTreeMap::from([
            ("plan".to_owned(), first(&["value.plan"])),
            (
                "country".to_owned(),
                first(&["value.a.country", "value.country"]),
            ),
            // No dimension: of no interest.
            ("colour".to_owned(), first(&["value.colour"])),
        ]),
        ..native()
    };
    let rules = rules([rule]);
    for (fields, expected) in [
        (r#""plan":"pro","country":"TR","#, " 0=pro 1=TR"),
        (r#""plan":1.50,"country":true,"#, " 0=1.50 1=true"),
        (r#""plan":null,"country":"","#, ""),
        (r#""plan":{},"a":{"country":"DE"},"country":"TR","#, " 1=DE"),
        (r#""colour":1,"colour":2,"#, ""),
    ] {
        check(&rules, &signup(fields), &format!("{SIGNUP}{expected}"));
    }
    let mapping = Mapping::new(rules, settings());
    let value = signup(r#""plan":{},"country":[1],"#);
    mapping.decode(Record::of_value(value.as_bytes()), |decoded| {
        let Decoded::Event(event) = decoded else {
            panic!("{decoded:?}");
        };
        assert_eq!(event.attributes.ignored, 2);
    });
}

/// Answers in an array, each an event.
fn answers() -> Rule {
    Rule {
        each: Some(path("value.answers")),
        each_when: when([is("item.kind", &["nps", "csat"])]),
        event_id: join(&["value.event_id", "item.in.id"], "/"),
        event_type: fixed("survey_submitted"),
        survey: Some(first(&["item.kind"])),
        score: Some(first(&["item.score"])),
        ..native()
    }
}

#[test]
fn an_array_makes_an_event_of_each_item() {
    let nps = |id: &str, score: u8| {
        format!(
            "1/{id} c 2026-11-01T09:30:00.000Z Survey {{ survey: Nps, score: {score}, channel: None }}"
        )
    };
    let rules = rules([answers()]);
    for (items, expected) in [
        (
            r#"[ {"kind":"nps","score":9,"in":{"id":"a"}} , {"kind":"nps","score":3,"in":{"id":2}} ]"#,
            format!("{}\n{}", nps("a", 9), nps("2", 3)),
        ),
        (
            r#"[{"kind":"text"},{"kind":"nps","score":9,"in":{"id":"a"}},7]"#,
            nps("a", 9),
        ),
        // Items that are rejected do not stop the others.
        (
            r#"[{"kind":"nps","score":11,"in":{"id":"a"}},{"kind":"nps","score":1,"in":{"id":"b"}}]"#,
            format!("score_out_of_range score\n{}", nps("b", 1)),
        ),
        (
            r#"[{"kind":"nps","score":9,"in":{"id":"a"}},{"kind":"nps","score":9,"score":8,"in":{"id":"b"}},
                {"kind":"nps","score":1,"in":{}}]"#,
            format!("{}\ninvalid_json\nmissing_field event_id", nps("a", 9)),
        ),
        // Ids must differ.
        (
            r#"[{"kind":"nps","score":9,"in":{"id":"a"}},{"kind":"nps","score":8,"in":{"id":"b"}},
                {"kind":"nps","score":1,"in":{"id":"a"}},{"kind":"nps","score":2,"in":{"id":"b"}}]"#,
            format!(
                "{}\n{}\ninvalid_id event_id\ninvalid_id event_id",
                nps("a", 9),
                nps("b", 8)
            ),
        ),
        ("[]", "skipped".to_owned()),
        (r#"[{"kind":"text"}]"#, "skipped".to_owned()),
        ("null", "skipped".to_owned()),
        ("{}", "wrong_type".to_owned()),
    ] {
        check(
            &rules,
            &signup(&format!(r#""answers":{items},"#)),
            &expected,
        );
    }
    check(&rules, &signup(""), "skipped");
}

#[test]
fn every_rule_that_holds_makes_its_events_in_order() {
    let rules = rules([
        Rule {
            when: when([is("value.x", &["1"])]),
            ..native()
        },
        Rule {
            event_id: fixed("2"),
            ..native()
        },
        Rule {
            event_id: fixed("2"),
            ..native()
        },
        answers(),
    ]);
    let second = SIGNUP.replacen('1', "2", 1);
    check(
        &rules,
        &signup(r#""x":1,"#),
        &format!("{SIGNUP}\n{second}\ninvalid_id event_id"),
    );
    check(
        &rules,
        &signup(""),
        &format!("{second}\ninvalid_id event_id"),
    );
}

#[test]
fn many_items_take_linear_time() {
    let items: Vec<String> = (0..5_000)
        .map(|n| format!(r#"{{"kind":"nps","score":9,"in":{{"id":{n}}}}}"#))
        .collect();
    let value = signup(&format!(r#""answers":[{}],"#, items.join(",")));
    assert!(value.len() < 256 * 1024);
    let rule = Rule {
        // What is searched for in the whole record is searched for once.
        customer_id: first(&["value.answers[in.id=4999].in.id"]),
        ..answers()
    };
    let told = outcome(&rules([rule]), record(&[], &value));
    assert_eq!(
        told.lines().filter(|line| line.contains(" 4999 ")).count(),
        5_000
    );
}

/// A rule over the attributes of CloudEvents.
fn cloud_events() -> Rules {
    Rules {
        envelope: Envelope::CloudEvents,
        ..rules([Rule {
            when: when([is("ce.type", &["com.shop.signup"])]),
            event_id: join(&["ce.source", "ce.id"], "#"),
            event_type: fixed("signup"),
            customer_id: first(&["ce.subject", "ce.data.customer.id"]),
            occurred_at: at(&["ce.time", "record.timestamp"], TimeForm::Native),
            ..native()
        }])
    }
}

#[test]
fn cloud_events_are_read_structured_and_binary() {
    let structured: &[(&[u8], Option<&[u8]>)] = &[(
        b"Content-Type",
        Some(b"application/CloudEvents+json; charset=UTF-8"),
    )];
    let binary: &[(&[u8], Option<&[u8]>)] = &[
        (b"content-type", Some(b"application/json")),
        (b"CE_specversion", Some(b"1.0")),
        (b"CE_Id", Some(b"1")),
        (b"ce_source", Some(b"/shop")),
        (b"ce_type", Some(b"com.shop.signup")),
        (b"ce_time", Some(b"2026-11-01T09:30:00Z")),
    ];
    let with_subject = [binary, &[(&b"ce_subject"[..], Some(&b"s"[..]))]].concat();
    let envelope = |fields: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"1","source":"/shop","type":"com.shop.signup",
                "time":"2026-11-01T09:30:00Z"{fields}}}"#
        )
    };
    let event = |customer: &str| format!("/shop#1 {customer} 2026-11-01T09:30:00.000Z Signup");
    let check = |headers: &[(&[u8], Option<&[u8]>)], value: Option<&str>, expected: &str| {
        let record = Record {
            value: value.map(str::as_bytes),
            ..record(headers, "")
        };
        assert_eq!(outcome(&cloud_events(), record), expected, "{value:?}");
    };
    let data = r#"{"customer":{"id":42}}"#;
    for headers in [structured, &[]] {
        check(headers, Some(&envelope(r#","subject":"s""#)), &event("s"));
        check(
            headers,
            Some(&envelope(&format!(r#","data":{data}"#))),
            &event("42"),
        );
        check(
            headers,
            Some(&envelope(
                r#","data_base64":"eyJjdXN0b21lciI6eyJpZCI6IjY0In19""#,
            )),
            &event("64"),
        );
        check(
            headers,
            Some(&envelope(r#","data_base64":"%%%""#)),
            "invalid_json",
        );
        check(
            headers,
            Some(&envelope(r#","data_base64":"e30""#)),
            "invalid_json",
        );
        check(headers, Some(&envelope("")), "missing_field customer_id");
        check(headers, None, "tombstone");
    }
    check(binary, Some(data), &event("42"));
    check(&with_subject, Some(data), &event("s"));
    check(&with_subject, None, &event("s"));
    check(binary, None, "missing_field customer_id");
    check(binary, Some("{"), "invalid_json");
    // Without headers, only a version tells an envelope.
    let bare = r#"{"id":"1","source":"/shop","type":"com.shop.signup","subject":"s"}"#;
    check(&[], Some(bare), "unmapped");
    check(
        structured,
        Some(bare),
        "/shop#1 s 2026-11-01T10:10:00.000Z Signup",
    );
}

#[test]
fn keys_and_headers_are_kept_only_where_they_are_looked_at() {
    let needs = |id: &str| {
        let rule = Rule {
            event_id: first(&[id]),
            ..native()
        };
        Mapping::new(rules([rule]), settings()).needs_envelope()
    };
    for (place, expected) in [
        ("value.a", false),
        ("record.offset", false),
        ("key", true),
        ("key.id", true),
        ("header.a", true),
    ] {
        assert_eq!(needs(place), expected, "{place}");
    }
    assert!(Mapping::new(cloud_events(), settings()).needs_envelope());
}

#[test]
fn texts_borrow_from_the_record_or_the_mapping() {
    let mapping = Mapping::new(rules([native()]), settings());
    let value = signup(r#""attributes":{"plan":"pro"},"#);
    mapping.decode(Record::of_value(value.as_bytes()), |decoded| {
        let Decoded::Event(event) = decoded else {
            panic!("{decoded:?}");
        };
        let texts = [
            Some(event.id),
            Some(event.customer),
            event.attributes.values[0].clone(),
        ];
        assert!(
            texts
                .iter()
                .all(|text| matches!(text, Some(std::borrow::Cow::Borrowed(_))))
        );
    });
}

#[test]
fn rules_that_differ_have_canonical_texts_that_differ() {
    let base = || rules([native(), answers()]);
    let mut all = vec![base(), cloud_events(), rules([native()]), rules([])];
    let mut change = |change: &dyn Fn(&mut Rules)| {
        let mut changed = base();
        change(&mut changed);
        all.push(changed);
    };
    change(&|rules| rules.format = Format::Avro);
    change(&|rules| rules.key_format = Format::Protobuf);
    change(&|rules| rules.otherwise = Otherwise::Skipped);
    change(&|rules| rules.skip = when([is("value.a", &["b", "c"])]));
    change(&|rules| rules.skip = when([is("value.a", &["b"]), is("value.a", &["c"])]));
    change(&|rules| rules.skip = when([is("value.a", &["b:c"])]));
    change(&|rules| rules.skip = when([is("value.a.b", &["c"])]));
    change(&|rules| rules.skip = when([is("value.\"a.b\"", &["c"])]));
    change(&|rules| rules.events[0].when = when([is("value.a", &["b"])]));
    change(&|rules| rules.events[0].each_when = when([is("value.a", &["b"])]));
    change(&|rules| rules.events[0].event_id = fixed("value.event_id"));
    change(&|rules| rules.events[0].event_id = join(&["value.event_id"], ""));
    change(&|rules| rules.events[0].event_id.case = Case::Lower);
    change(&|rules| rules.events[0].event_id.otherwise = Some(String::new()));
    change(&|rules| rules.events[0].event_id.map = Some(map(&[])));
    change(&|rules| rules.events[0].event_id.map = Some(map(&[("a", "b")])));
    change(&|rules| rules.events[0].reason = None);
    change(&|rules| rules.events[0].channel = None);
    change(&|rules| {
        rules.events[0].amount = Some(amount(
            "value.amount",
            AmountUnit::Minor {
                digits: BTreeMap::new(),
            },
        ));
    });
    change(&|rules| rules.events[0].occurred_at.form = TimeForm::Seconds);
    change(&|rules| {
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        rules.events[0].occurred_at.form = TimeForm::Naive(zone);
    });
    change(&|rules| {
        let zone = jiff::tz::TimeZone::get("Europe/Paris").unwrap();
        rules.events[0].occurred_at.form = TimeForm::Naive(zone);
    });
    change(&|rules| rules.events[1].each = Some(path("value.answers[-1]")));
    change(&|rules| rules.events[1].each = Some(path("value.answers[a=-1]")));
    change(&|rules| rules.events.reverse());
    let texts: BTreeSet<String> = all.iter().map(Rules::canonical).collect();
    assert_eq!(texts.len(), all.len());
    assert_eq!(base().canonical(), base().canonical());
}

#[test]
fn the_canonical_text_stays_what_it_is() {
    // Checkpoints of running services depend on it.
    let rules = rules([Rule {
        when: when([is("header.kind", &["é"])]),
        ..answers()
    }]);
    assert_eq!(
        rules.canonical(),
        "(event (when (is (header 4:kind )2:é ))(each (value 7:answers ))\
         (each_when (is (item 4:kind )3:nps 4:csat ))\
         (event_id (join 1:/ (first (value 8:event_id ))(first (item 2:in 2:id ))))\
         (type (text 16:survey_submitted ))(customer_id (first (value 11:customer_id )))\
         (occurred_at (first (value 11:occurred_at )))(amount (first (value 6:amount )))\
         (currency (first (value 8:currency )))(reason (first (value 6:reason )))\
         (survey (first (item 4:kind )))(score (first (item 5:score )))\
         (channel (first (value 7:channel )))\
         (attribute 7:country (first (value 10:attributes 7:country )))\
         (attribute 4:plan (first (value 10:attributes 4:plan ))))"
    );
}

mod properties;
