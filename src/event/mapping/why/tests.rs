//! What is said of a record is what becomes of it.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::{Examination, Found, Outcome};
use crate::event::decode::DecodeSettings;
use crate::event::mapping::path::{Path, Root, Step};
use crate::event::mapping::rule::{
    Case, Condition, Envelope, Format, Instant, Otherwise, Rule, Rules, Test, Text, TextSource,
    TimeForm,
};
use crate::event::record::{Header, Record};
use crate::event::source::{Decoded, Source};
use crate::event::{Reason, Rejection};

const KEYS: [&str; 5] = ["a", "b", "id", "data", "specversion"];
const TEXTS: [&str; 4] = ["x", "y", "1", "true"];

fn a_step() -> impl Strategy<Value = Step> {
    let key = select(&KEYS[..]).prop_map(|key| Step::Key(key.to_owned()));
    let find =
        (vec(select(&KEYS[..]), 1..3), select(&TEXTS[..])).prop_map(|(path, text)| Step::Find {
            path: path.into_iter().map(str::to_owned).collect(),
            text: text.to_owned(),
        });
    prop_oneof![6 => key, 2 => (-2..3).prop_map(Step::Index), 1 => find]
}

fn a_path() -> impl Strategy<Value = Path> {
    let key = |name: &str| Step::Key(name.to_owned());
    let inside = (
        select(vec![Root::Value, Root::Value, Root::Item, Root::Key]),
        vec(a_step(), 0..3),
    );
    let header = select(vec!["h", "ce_id", "content-type"])
        .prop_map(move |name| (Root::Header, vec![key(name)]));
    let of_record = select(vec!["topic", "partition", "offset", "timestamp"])
        .prop_map(move |name| (Root::Record, vec![key(name)]));
    let attribute =
        select(vec!["id", "type", "a"]).prop_map(move |name| (Root::CloudEvent, vec![key(name)]));
    let data = vec(a_step(), 0..2).prop_map(move |steps| {
        let steps = [vec![key("data")], steps].concat();
        (Root::CloudEvent, steps)
    });
    prop_oneof![6 => inside, 2 => header, 1 => of_record, 1 => attribute, 1 => data]
        .prop_map(|(root, steps)| Path { root, steps })
}

fn some_texts() -> impl Strategy<Value = Vec<String>> {
    vec(select(&TEXTS[..]).prop_map(str::to_owned), 1..3)
}

fn a_test() -> impl Strategy<Value = Test> {
    let is = (a_path(), some_texts()).prop_map(|(path, texts)| Test::Is { path, texts });
    let is_not = (a_path(), some_texts()).prop_map(|(path, texts)| Test::IsNot { path, texts });
    let present =
        (a_path(), any::<bool>()).prop_map(|(path, present)| Test::Present { path, present });
    let becomes = (
        a_path(),
        a_path(),
        some_texts(),
        some_texts(),
        any::<bool>(),
    )
        .prop_map(|(before, after, from, into, bound)| Test::Becomes {
            before,
            after,
            from: if bound { from } else { Vec::new() },
            into,
        });
    prop_oneof![2 => is, 2 => is_not, 2 => present, 1 => becomes]
}

fn some_conditions(most: usize) -> impl Strategy<Value = Vec<Condition>> {
    vec(
        vec(a_test(), 1..3).prop_map(|all| Condition { all }),
        0..=most,
    )
}

fn text(source: TextSource) -> Text {
    Text {
        source,
        map: None,
        otherwise: None,
        case: Case::AsItIs,
    }
}

fn a_text() -> impl Strategy<Value = Text> {
    vec(a_path(), 1..3).prop_map(|first| text(TextSource::First(first)))
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let each = option::of((a_path(), some_conditions(1)));
    let fields = (a_text(), a_text(), vec(a_path(), 1..3));
    (some_conditions(2), each, fields).prop_map(|(when, each, fields)| {
        let (event_id, customer_id, occurred_at) = fields;
        let (each, each_when) = each.map_or((None, Vec::new()), |(each, when)| (Some(each), when));
        Rule {
            when,
            each,
            each_when,
            event_id,
            event_type: text(TextSource::Fixed("signup".to_owned())),
            customer_id,
            occurred_at: Instant {
                first: occurred_at,
                form: TimeForm::Native,
            },
            amount: None,
            currency: None,
            reason: None,
            survey: None,
            score: None,
            channel: None,
            attributes: BTreeMap::new(),
        }
    })
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let otherwise = select(vec![Otherwise::Unmapped, Otherwise::Skipped]);
    let envelope = select(vec![Envelope::None, Envelope::CloudEvents]);
    (envelope, some_conditions(1), vec(a_rule(), 1..4), otherwise).prop_map(
        |(envelope, skip, events, otherwise)| Rules {
            envelope,
            format: Format::Json,
            key_format: Format::Json,
            skip,
            events,
            otherwise,
        },
    )
}

fn some_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!("")),
        Just(json!("2026-11-01T00:00:00Z")),
        select(&TEXTS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let object = vec((select(&KEYS[..]), inner.clone()), 0..5).prop_map(|members| {
            let members = members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value));
            Value::Object(members.collect::<Map<_, _>>())
        });
        prop_oneof![2 => object, 1 => vec(inner, 0..4).prop_map(Value::Array)]
    })
}

fn some_headers() -> impl Strategy<Value = Vec<Header<'static>>> {
    let headers: Vec<Header<'static>> = vec![
        (b"h", Some(b"x")),
        (b"H", None),
        (b"ce_id", Some(b"1")),
        (b"CE_TYPE", Some(b"y")),
        (
            b"Content-Type",
            Some(b"Application/CloudEvents+JSON; charset=utf-8"),
        ),
        (b"content-type", Some(b"application/json")),
    ];
    vec(select(headers), 0..3)
}

/// What decoding made of a record, as far as conditions decide it.
#[derive(Debug, PartialEq)]
enum Made {
    Tombstone,
    Skipped,
    Unmapped,
    Parts(Vec<Result<(String, String), Rejection>>),
}

fn made(rules: &Rules, record: Record<'_>) -> Made {
    let source = Source::mapped(rules.clone(), DecodeSettings::default());
    let (mut parts, mut whole) = (Vec::new(), None);
    source.decode(record, |decoded| match decoded {
        Decoded::Tombstone => whole = Some(Made::Tombstone),
        Decoded::Skipped => whole = Some(Made::Skipped),
        Decoded::Rejected(rejection) if rejection.reason == Reason::Unmapped => {
            whole = Some(Made::Unmapped);
        }
        Decoded::Rejected(rejection) => parts.push(Err(rejection)),
        Decoded::Event(event) => {
            parts.push(Ok((event.id.into_owned(), event.customer.into_owned())));
        }
    });
    match whole {
        Some(whole) => {
            assert_eq!(parts, [], "beside {whole:?}");
            whole
        }
        None => Made::Parts(parts),
    }
}

/// The text that stands first among what was looked at.
fn first(found: impl IntoIterator<Item = Found>) -> Option<String> {
    found
        .into_iter()
        .find(Found::present)
        .map(|found| match found {
            Found::Text(text) => text,
            other => format!("{other:?}"),
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn an_explanation_never_disagrees_with_what_is_decoded(
        rules in some_rules(),
        value in option::weighted(0.95, some_json()),
        key in option::of(some_json()),
        headers in some_headers(),
    ) {
        let value = value.map(|value| value.to_string());
        let key = key.map(|key| key.to_string());
        let record = Record {
            topic: "x",
            partition: 1,
            offset: 0,
            recorded_at: None,
            key: key.as_deref().map(str::as_bytes),
            headers: &headers,
            value: value.as_deref().map(str::as_bytes),
        };
        let examination = Examination::new(&rules, record);
        match (examination.why().outcome, made(&rules, record)) {
            (Outcome::Tombstone, Made::Tombstone)
            | (Outcome::Skipped, Made::Skipped)
            | (Outcome::Unmapped, Made::Unmapped) => {}
            (Outcome::Parts(parts), Made::Parts(made)) => {
                prop_assert_eq!(parts.len(), made.len());
                for (part, made) in parts.into_iter().zip(made) {
                    let looked = |field| {
                        let looked = examination.look_for(field, part);
                        first(looked.into_iter().map(|looked| looked.found))
                    };
                    match made {
                        Ok((id, customer)) => {
                            prop_assert_eq!(Some(id), looked("event_id"));
                            prop_assert_eq!(Some(customer), looked("customer_id"));
                        }
                        Err(Rejection { reason: Reason::MissingField, field, .. }) => {
                            prop_assert_eq!(None, looked(field.unwrap_or_default()));
                        }
                        Err(Rejection { field: Some(field), .. }) => {
                            prop_assert!(looked(field).is_some());
                        }
                        Err(rejection) => {
                            prop_assert_eq!(rejection.reason, Reason::WrongType);
                            prop_assert_eq!(part.item, None);
                        }
                    }
                }
            }
            (said, made) => prop_assert!(false, "said {said:?}, made {made:?}"),
        }
    }
}

fn is(path: &str, text: &str) -> Test {
    Test::Is {
        path: Path::parse(path).unwrap(),
        texts: vec![text.to_owned()],
    }
}

#[test]
fn what_stands_at_a_path_is_told_apart() {
    let value = br#"{"a":{"b":[{"id":"x"},{"id":12.50}],"null":null,"empty":"","yes":true}}"#;
    let record = Record {
        key: Some(b"k-1"),
        headers: &[(b"Kind", Some(b"paid"))],
        ..Record::of_value(value)
    };
    let rules = Rules {
        envelope: Envelope::None,
        format: Format::Json,
        key_format: Format::Json,
        skip: vec![Condition {
            all: vec![is("header.kind", "paid"), is("value.a.yes", "false")],
        }],
        events: Vec::new(),
        otherwise: Otherwise::Unmapped,
    };
    let examination = Examination::new(&rules, record);
    let text = |text: &str| Found::Text(text.to_owned());
    for (path, expected) in [
        ("value.a.b", Found::Composite),
        ("value.a.b[0].id", text("x")),
        ("value.a.b[-1].id", text("12.50")),
        ("value.a.b[id=x].id", text("x")),
        ("value.a.b[2].id", Found::Missing),
        ("value.a.null", Found::Null),
        ("value.a.null.b", Found::Missing),
        ("value.a.empty", Found::Empty),
        ("value.a.yes", text("true")),
        ("key", text("k-1")),
        ("key.id", Found::Missing),
        ("header.KIND", text("paid")),
        ("record.offset", text("0")),
        ("ce.id", Found::Missing),
    ] {
        let path = Path::parse(path).unwrap();
        assert_eq!(examination.found(&path, None), expected, "{path}");
    }
    let why = examination.why();
    assert_eq!(why.outcome, Outcome::Unmapped);
    assert_eq!(why.skip, None);
}
