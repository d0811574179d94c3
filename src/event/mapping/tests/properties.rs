//! What holds for any record: nothing panics, copying is what the native decoder does, and what is
//! read in one walk is what a plain search finds.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::*;
use crate::event::decode::Decoder;
use crate::event::decode::structure;
use crate::event::mapping::path::{Root, Step};
use crate::event::mapping::scan::Tree;

const KEYS: [&str; 6] = ["a", "b", "c", "d\"", "é", ""];

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-20..20_i32).prop_map(Json::from),
        select(&["", "x", "1", "a\\\"é", "]}", "\n"][..]).prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(select(&KEYS[..]).prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || select(&KEYS[..]).prop_map(str::to_owned);
    let text = select(&["x", "1", "true", "a\\\"é"][..]);
    let step = prop_oneof![
        4 => key().prop_map(Step::Key),
        2 => (-3..3_i32).prop_map(Step::Index),
        1 => (prop::collection::vec(key(), 1..3), text)
            .prop_map(|(path, text)| Step::Find { path, text: text.to_owned() }),
    ];
    prop::collection::vec(step, 0..5)
}

/// What stands at the steps, looked for one after another.
fn naive<'j>(value: &'j Json, steps: &[Step]) -> Option<&'j Json> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.as_object()?.get(key),
        Step::Index(index) => {
            let items = value.as_array()?;
            let place = match usize::try_from(*index) {
                Ok(place) => place,
                Err(_) => items.len().checked_sub(index.unsigned_abs() as usize)?,
            };
            items.get(place)
        }
        Step::Find { path, text } => value.as_array()?.iter().find(|item| {
            let found = path
                .iter()
                .try_fold(*item, |value, key| value.as_object()?.get(key));
            match found {
                Some(Json::String(own)) => own == text,
                Some(Json::Bool(own)) => text.parse() == Ok(*own),
                Some(Json::Number(own)) => own.as_i64() == text.parse().ok(),
                _ => false,
            }
        }),
    })
}

/// The text of a value as an id is made of it, if one can be.
fn as_id(value: Option<&Json>) -> String {
    match value {
        Some(Json::String(text)) if !text.is_empty() => text.clone(),
        Some(Json::Number(number)) => number.to_string(),
        None | Some(Json::Null | Json::String(_)) => "missing_field event_id".to_owned(),
        Some(_) => "wrong_type event_id".to_owned(),
    }
}

/// A rule whose id stands at a path, and whose other fields are always there.
fn of_path(root: Root, steps: Vec<Step>) -> Rule {
    Rule {
        event_id: of(TextSource::First(vec![Path { root, steps }])),
        event_type: fixed("signup"),
        customer_id: fixed("c"),
        occurred_at: at(&["record.timestamp"], TimeForm::Native),
        attributes: BTreeMap::new(),
        ..native()
    }
}

/// The values of one field, of all kinds that native and mapped events take alike.
fn field(name: &'static str) -> impl Strategy<Value = String> {
    let own: &'static [&'static str] = match name {
        "type" => &[
            "\"signup\"",
            "\"purchase\"",
            "\"churn\"",
            "\"survey_submitted\"",
            "\"sign\\u0075p\"",
            "\"refund\"",
            "7",
        ],
        "event_id" => &["\"1\"", "\"\\u0031x\"", "true", "[1]"],
        "customer_id" => &["\"c\"", "42", "-0", "1.5", "{}"],
        "occurred_at" => &[
            "\"2026-11-01T09:30:00Z\"",
            "\"2026-11-01T10:15:00.001Z\"",
            "1762000000123",
            "1762000000",
            "\"1762000000123\"",
            "1.5",
            "\"now\"",
        ],
        "amount" => &[
            "\"129.90\"",
            "119.96999999999998",
            "\"-1\"",
            "-0",
            "1e3",
            "\"1e3\"",
            "[]",
        ],
        "currency" => &["\"EUR\"", "\"POINTS\"", "\"eur\"", "978"],
        "reason" | "channel" => &["\"price\"", "\"\"", "\"\\u00e9\\n\"", "[\"x\"]"],
        "survey" => &["\"nps\"", "\"csat\"", "\"ces\"", "\"NPS\"", "1"],
        "score" => &["0", "5", "9", "11", "-1", "true", "9e0", "99999999999"],
        _ => &[
            r#"{"plan":"pro","country":"TR"}"#,
            r#"{"plan":1.50,"country":null}"#,
            r#"{"plan":[],"country":"","x":{"y":1}}"#,
            r#"{"plan":"a","plan":"b"}"#,
        ],
    };
    // A score may be a text in a mapping only, so there the text itself is found fault with.
    let no_text = if name == "score" { "{}" } else { "\"\\ud800\"" };
    prop_oneof![
        8 => select(own).prop_map(str::to_owned),
        1 => Just("null".to_owned()),
        1 => Just(no_text.to_owned()),
    ]
}

/// A record in native form, complete or not, in any order, with blanks anywhere.
fn native_record() -> impl Strategy<Value = String> {
    let names = [
        "type",
        "event_id",
        "customer_id",
        "occurred_at",
        "amount",
        "currency",
        "reason",
        "survey",
        "score",
        "channel",
        "attributes",
    ];
    let member = |name: &'static str| {
        let written = match name {
            "attributes" => prop_oneof![Just("{}".to_owned()), field(name)].boxed(),
            _ => field(name).boxed(),
        };
        let value = prop::option::weighted(0.92, written);
        value.prop_map(move |value| value.map(|value| format!("\"{name}\": {value}")))
    };
    let others = select(
        &[
            "\"x\":[[1]]",
            "\"y\" : {\"type\":1}",
            "\"z\":\"\\\\\"",
            "\"type\":1",
        ][..],
    );
    let others = prop::collection::vec(others.prop_map(str::to_owned), 0..2);
    let members: Vec<_> = names.into_iter().map(member).collect();
    (members, others).prop_flat_map(|(members, others)| {
        let members: Vec<String> = members.into_iter().flatten().chain(others).collect();
        Just(members)
            .prop_shuffle()
            .prop_map(|members| format!("{{ {} }}", members.join(" ,\t")))
    })
}

/// Whether a native record says something that mapped ones are free to take in another way.
fn own_contract(record: &str) -> bool {
    record.contains("\"attributes\": \"") || record.contains("\"attributes\": null")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_mapping_that_copies_says_what_the_native_decoder_says(value in native_record()) {
        prop_assume!(!own_contract(&value));
        let at = Timestamp::from_millis(KAFKA_TIME);
        let decoded = Decoder::new(settings()).decode(value.as_bytes(), Some(at));
        let expected = line(&decoded.map_or_else(Decoded::Rejected, Decoded::Event));
        prop_assert_eq!(outcome(&rules([native()]), record(&[], &value)), expected, "{}", value);
    }

    #[test]
    fn what_one_walk_reads_is_what_a_plain_search_finds(
        value in json(),
        paths in prop::collection::vec(steps(), 1..8),
        pretty in any::<bool>(),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        // All in one mapping, so that they share the walk; ids that are the same are complained of.
        let together = rules(paths.iter().map(|steps| Rule {
            channel: None,
            ..of_path(Root::Value, steps.clone())
        }));
        let mapping = Mapping::new(together, settings());
        let mut told = Vec::new();
        mapping.decode(record(&[], &text), |decoded| told.push(line(&decoded)));
        prop_assert_eq!(told.len(), paths.len());
        let mut seen = BTreeSet::new();
        for (told, steps) in told.iter().zip(&paths) {
            let mut expected = as_id(naive(&value, steps));
            if !expected.contains('_') && !seen.insert(expected.clone()) {
                expected = "invalid_id event_id".to_owned();
            }
            let told = told.strip_suffix(" c 2026-11-01T10:10:00.000Z Signup").unwrap_or(told);
            prop_assert_eq!(told, expected, "{:?} in {}", steps, text);
        }
    }

    #[test]
    fn items_are_read_as_the_same_value_alone_would_be(items in prop::collection::vec(json(), 1..5), steps in steps()) {
        let text = serde_json::to_string(&Json::from(items.clone())).unwrap();
        let of_items = rules([Rule { each: Some(path("value")), ..of_path(Root::Item, steps.clone()) }]);
        let alone = rules([of_path(Root::Value, steps)]);
        let mut told = Vec::new();
        Mapping::new(of_items, settings()).decode(record(&[], &text), |decoded| told.push(line(&decoded)));
        prop_assert_eq!(told.len(), items.len());
        for (told, item) in told.iter().zip(&items) {
            let expected = outcome(&alone, record(&[], &item.to_string()));
            prop_assert!(*told == expected || told == "invalid_id event_id", "{}: {}", told, expected);
        }
    }

    #[test]
    fn the_walk_finds_fault_with_what_the_other_decoder_does(
        value in json(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), select(&b"{}[]:,\"\\u0-+.eE1tn \x01/"[..])), 0..3),
    ) {
        let mut bytes = value.to_string().into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let got = Tree::default().read(&text, &mut []);
        let expected = match serde_json::from_str::<&RawValue>(&text) {
            Err(_) => Err(Reason::InvalidJson),
            // Keys given twice are none of its business where it reads nothing.
            Ok(raw) => match structure::check(raw.get(), 1) {
                Err(Reason::TooDeep) => Err(Reason::TooDeep),
                _ => Ok(()),
            },
        };
        prop_assert_eq!(got, expected, "{}", text);
    }

    #[test]
    fn any_bytes_are_taken_calmly(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        value in json(),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = value.to_string().into_bytes();
        let half = &whole[..cut.index(whole.len() + 1)];
        let rules = [rules([native(), answers()]), cloud_events()];
        for value in [&bytes[..], &whole, half] {
            for rules in &rules {
                let headers: &[(&[u8], Option<&[u8]>)] = &[(&bytes, Some(value)), (b"ce_id", Some(&bytes))];
                for headers in [&[], headers] {
                    let record = Record { value: Some(value), key: Some(&bytes), ..record(headers, "") };
                    prop_assert!(!outcome(rules, record).is_empty());
                }
            }
        }
    }

    #[test]
    fn a_path_that_is_shown_is_read_again(steps in steps(), root in select(&[Root::Value, Root::Key, Root::Item][..])) {
        let path = Path { root, steps };
        let shown = path.to_string();
        // An empty key can be written, an empty text to look for cannot be meant.
        prop_assert_eq!(Path::parse(&shown), Ok(path), "{}", shown);
    }

    #[test]
    fn any_text_is_a_path_or_refused_at_a_place_in_it(text in "(value|key|header|record|ce|item|x)?[.\\[\\]a=\"\\\\ é0-]{0,12}") {
        match Path::parse(&text) {
            Ok(path) => prop_assert_eq!(Path::parse(&path.to_string()), Ok(path)),
            Err(error) => prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at)),
        }
    }
}
