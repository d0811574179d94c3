//! The input contract as a table: a record in, the event or the complaint out.

use super::*;

const KAFKA_TIME: i64 = 1_793_527_800_000; // 2026-11-01T10:10:00Z

fn outcome(record: &[u8]) -> String {
    let decoder = Decoder::new(DecodeSettings {
        currencies: BTreeSet::from(["POINTS".to_owned()]),
        dimensions: vec!["a".to_owned()],
        ..DecodeSettings::default()
    });
    match decoder.decode(record, Some(Timestamp::from_millis(KAFKA_TIME))) {
        Ok(event) => format!(
            "{} {} {} {:?}",
            event.id, event.customer, event.occurred_at, event.body
        ),
        Err(Rejection {
            reason,
            field,
            hint,
        }) => [Some(reason.name()), field, hint]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn check(record: &str, expected: &str) {
    assert_eq!(outcome(record.as_bytes()), expected, "{record}");
}

/// A sign-up with `fields` before the required ones.
fn signup(fields: &str) -> String {
    format!(
        r#"{{{fields}"event_id":"1","type":"signup","customer_id":"c","occurred_at":"2026-11-01T09:30:00Z"}}"#
    )
}

/// An event of a type with the fields that type needs.
fn event(event_type: &str, fields: &str) -> String {
    format!(
        r#"{{"event_id":"1","type":"{event_type}","customer_id":"c","occurred_at":"2026-11-01T09:30:00Z",{fields}}}"#
    )
}

const SIGNUP: &str = "1 c 2026-11-01T09:30:00.000Z Signup";

#[test]
fn the_samples_of_the_documentation_are_read() {
    check(
        r#"{"event_id":"018f-1","type":"signup","customer_id":"c-42","occurred_at":"2026-11-01T09:30:00.000Z","attributes":{"plan":"pro","country":"TR"}}"#,
        "018f-1 c-42 2026-11-01T09:30:00.000Z Signup",
    );
    check(
        r#"{"event_id":"018f-2","type":"purchase","customer_id":"c-42","occurred_at":"2026-11-01T09:31:12.250Z","order_id":"o-7","amount":"129.90","currency":"TRY","channel":"web"}"#,
        r#"018f-2 c-42 2026-11-01T09:31:12.250Z Purchase { amount: Amount(129900000), currency: "TRY" }"#,
    );
    check(
        r#"{"event_id":"018f-3","type":"survey_submitted","customer_id":"c-42","occurred_at":"2026-10-08T18:00:00.000+03:00","survey":"nps","score":9,"channel":"email"}"#,
        r#"018f-3 c-42 2026-10-08T15:00:00.000Z Survey { survey: Nps, score: 9, channel: Some("email") }"#,
    );
    check(
        r#"{"event_id":"018f-4","type":"churn","customer_id":"c-42","occurred_at":"2026-10-20T11:00:00.000Z","reason":"price"}"#,
        r#"018f-4 c-42 2026-10-20T11:00:00.000Z Churn { reason: Some("price") }"#,
    );
}

#[test]
fn what_is_no_record_is_refused_whole() {
    for record in [
        "",
        " ",
        "{",
        "nonsense",
        "{}x",
        "{'a':1}",
        "\u{feff}{}",
        "{\"a\":01}",
        "{\"a\":NaN}",
    ] {
        check(record, "invalid_json");
    }
    for record in ["[]", "1", "\"text\"", "null", "true", "[{}]", "1e400"] {
        check(record, "wrong_type");
    }
    assert_eq!(outcome(b"{\"event_id\":\"\xff\"}"), "invalid_utf8");
    assert_eq!(outcome(&vec![b' '; MAX_BYTES + 1]), "too_large");
    let full = signup(&format!("\"note\":\"{}\",", "x".repeat(MAX_BYTES)));
    let record = full.replacen(&"x".repeat(full.len() - MAX_BYTES), "", 1);
    assert_eq!(record.len(), MAX_BYTES);
    check(&record, SIGNUP);
}

#[test]
fn a_key_given_twice_is_refused_at_any_depth() {
    check(&signup(r#""event_id":"2","#), "invalid_json");
    check(&signup(r#""x":1,"x":1,"#), "invalid_json");
    check(&signup(r#""x":1,"\u0078":1,"#), "invalid_json");
    check(&signup(r#""typ\u0065":"churn","#), "invalid_json");
    check(&signup(r#""x":{"y":[{"z":1,"z" :2}]},"#), "invalid_json");
    check(
        &signup(r#""x":{"y":[{"z":1},{"z":2}],"z":"y","w":{"y":1}},"#),
        SIGNUP,
    );
    check(&signup(r#""x":{"a\"b":"\\","c":"a\":"},"#), SIGNUP);
    check(&signup(r#""x":{"\ud800":1},"#), "invalid_json");
    let many = |last: &str| {
        let keys: String = (0..5000).fold(String::new(), |keys, n| keys + &format!("\"k{n}\":0,"));
        signup(&format!("{keys}{last}"))
    };
    check(&many(""), SIGNUP);
    check(&many("\"k4711\":0,"), "invalid_json");
}

#[test]
fn many_and_escaped_keys_are_looked_at_like_few() {
    let keys = |from: usize, to: usize| {
        (from..to).fold(String::new(), |keys, n| keys + &format!("\"k{n}\":0,"))
    };
    for count in 6..11 {
        let many = keys(0, count);
        let inside = many.trim_end_matches(',');
        check(&signup(&many), SIGNUP);
        check(&signup(&format!("{many}\"k0\":0,")), "invalid_json");
        check(&signup(&format!("{many}\"k\\u0030\":0,")), "invalid_json");
        check(&signup(&format!("{many}\"x\":{{{inside}}},")), SIGNUP);
        check(
            &signup(&format!("{many}\"x\":{{{many}\"k0\":0}},")),
            "invalid_json",
        );
        check(
            &signup(&format!("\"x\":{{{inside}}},\"x\":0,")),
            "invalid_json",
        );
        let opened = "{\"a\":".repeat(count);
        let closed = "}".repeat(count);
        check(
            &signup(&format!(
                "\"x\":{opened}{{}}{closed},\"y\":{opened}0{closed},"
            )),
            SIGNUP,
        );
        check(
            &signup(&format!("\"x\":{opened}{{\"b\":0,\"b\":0}}{closed},")),
            "invalid_json",
        );
        // Whichever comes first, also where the walk has lost count of the keys.
        let deep = format!("\"z\":{}{},", "[".repeat(64), "]".repeat(64));
        check(&signup(&format!("{many}\"k0\":0,{deep}")), "invalid_json");
        check(&signup(&format!("{many}{deep}\"k0\":0,")), "too_deep");
        check(
            &signup(&format!("{many}{deep}\"\\ud800\":0,")),
            "invalid_json",
        );
        check(&signup(&format!("{many}{deep}\"x\":01,")), "invalid_json");
    }
}

#[test]
fn names_of_fields_may_have_escapes_and_blanks_around_them() {
    let escaped = r#"{ "event_\u0069d" : "1" , "type"	:"signup","customer_id"
:"c" ,"occurred_at": "2026-11-01T09:30:00Z" }"#;
    check(escaped, SIGNUP);
    for changed in [
        "\"event_idx\":1,",
        "\"event_i\":1,",
        "\"\":1,",
        "\"e\":1,",
        "\"types\":1,",
    ] {
        check(&signup(changed), SIGNUP);
    }
}

#[test]
fn nesting_is_read_to_depth_64() {
    let nested = |levels: usize| {
        signup(&format!(
            "\"x\":{}{},",
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    check(&nested(63), SIGNUP);
    check(&nested(64), "too_deep");
    check(&nested(100_000), "too_deep");
    check(
        &signup(&format!("\"x\":{}", "[".repeat(100_000))),
        "invalid_json",
    );
    check(
        &format!("{}{}", "[".repeat(64), "]".repeat(64)),
        "wrong_type",
    );
    check(&format!("{}{}", "[".repeat(65), "]".repeat(65)), "too_deep");
    check(&format!("{}1", "[".repeat(100_000)), "invalid_json");
}

#[test]
fn fields_that_nobody_asked_for_are_ignored() {
    check(
        &signup(
            r#""x":1e400,"y":-0.0,"z":"\ud800","amount":"many","score":99,"channel":7,"reason":{},"#,
        ),
        SIGNUP,
    );
    check(&signup(r#""order_id":7,"#), SIGNUP);
    check(
        &event("churn", r#""channel":[1]"#),
        "1 c 2026-11-01T09:30:00.000Z Churn { reason: None }",
    );
}

#[test]
fn the_type_decides_first() {
    check("{}", "missing_field type");
    check(r#"{"type":null}"#, "missing_field type");
    check(r#"{"type":1}"#, "wrong_type type");
    check(r#"{"type":"refund"}"#, "unknown_type type");
    check(r#"{"type":"Signup"}"#, "unknown_type type");
    check(r#"{"type":"signup"}"#, "missing_field event_id");
}

#[test]
fn ids_have_1_to_256_bytes() {
    let with = |event_id: &str, customer_id: &str| {
        outcome(
            format!(
                r#"{{"event_id":{event_id},"type":"signup","customer_id":{customer_id},"occurred_at":0}}"#
            )
            .as_bytes(),
        )
    };
    let long = format!("\"{}\"", "x".repeat(257));
    let longest = format!("\"{}\"", "é".repeat(128));
    assert_eq!(with("\"\"", "\"c\""), "invalid_id event_id");
    assert_eq!(with(&long, "\"c\""), "invalid_id event_id");
    assert_eq!(with("7", "\"c\""), "wrong_type event_id");
    assert_eq!(with("null", "\"c\""), "missing_field event_id");
    assert_eq!(with("\"1\"", "\"\""), "invalid_id customer_id");
    assert_eq!(with("\"1\"", &long), "invalid_id customer_id");
    assert_eq!(with("\"1\"", &"9".repeat(257)), "invalid_id customer_id");
    assert_eq!(with("\"1\"", "1.0"), "wrong_type customer_id");
    assert_eq!(with("\"1\"", "1e3"), "wrong_type customer_id");
    assert_eq!(with("\"1\"", "true"), "wrong_type customer_id");
    assert_eq!(with("\"1\"", "\"\\ud800\""), "invalid_json");
    // The next complaint shows that both ids passed.
    for (event_id, customer_id) in [
        (longest.as_str(), longest.as_str()),
        ("\"\\u0000\"", "-0"),
        ("\"1\"", &"9".repeat(256)),
    ] {
        assert!(with(event_id, customer_id).starts_with("invalid_time"));
    }
}

#[test]
fn integer_ids_are_their_decimal_text() {
    let id = |text: &str| signup("").replace("\"c\"", text);
    check(&id("42"), "1 42 2026-11-01T09:30:00.000Z Signup");
    check(&id("-42"), "1 -42 2026-11-01T09:30:00.000Z Signup");
    check(&id("-0"), "1 0 2026-11-01T09:30:00.000Z Signup");
    check(
        &id("12345678901234567890123456789012345678901"),
        "1 12345678901234567890123456789012345678901 2026-11-01T09:30:00.000Z Signup",
    );
}

#[test]
fn times_are_rfc_3339_or_unix_milliseconds_of_2000_to_2069() {
    let at = |value: &str| {
        let record = signup("").replace("\"2026-11-01T09:30:00Z\"", value);
        let decoder = Decoder::new(DecodeSettings::default());
        match decoder.decode(record.as_bytes(), None) {
            Ok(event) => event.occurred_at.to_string(),
            Err(rejection) => format!(
                "{} {}",
                rejection.reason.name(),
                rejection.hint.unwrap_or("")
            ),
        }
    };
    assert_eq!(at("1762000000123"), "2025-11-01T12:26:40.123Z");
    assert_eq!(
        at("\"2069-12-31T23:59:59.9999Z\""),
        "2069-12-31T23:59:59.999Z"
    );
    assert_eq!(at("946684800000"), "2000-01-01T00:00:00.000Z");
    assert_eq!(
        at("1762000000"),
        "invalid_time seconds? integers are Unix milliseconds"
    );
    for value in [
        "946684799999",
        "3155760000000",
        "-1",
        "99999999999999999999",
        "\"1762000000123\"",
        "\"2026-11-01\"",
        "\"2026-11-01T09:30:00\"",
        "\"1999-12-31T23:59:59Z\"",
        "\"\"",
        "\"0001-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59Z\"",
    ] {
        assert_eq!(at(value), "invalid_time ", "{value}");
    }
    for value in ["1762000000123.0", "1.7e12", "true", "{}"] {
        assert_eq!(at(value), "wrong_type ", "{value}");
    }
}

#[test]
fn an_event_may_be_five_minutes_ahead_of_its_record_and_no_more() {
    let at = |millis: i64| signup("").replace("\"2026-11-01T09:30:00Z\"", &millis.to_string());
    check(
        &at(KAFKA_TIME + 300_000),
        "1 c 2026-11-01T10:15:00.000Z Signup",
    );
    check(&at(KAFKA_TIME + 300_001), "in_the_future occurred_at");
    let record = at(KAFKA_TIME + 300_001);
    assert!(
        Decoder::new(DecodeSettings::default())
            .decode(record.as_bytes(), None)
            .is_ok()
    );
}

#[test]
fn amounts_are_exact() {
    let amount = |value: &str| {
        let text =
            outcome(event("purchase", &format!(r#""amount":{value},"currency":"EUR""#)).as_bytes());
        text.split_once("Amount(")
            .and_then(|(_, rest)| rest.split_once(')'))
            .map_or(text.clone(), |(digits, _)| digits.to_owned())
    };
    assert_eq!(amount("\"129.90\""), "129900000");
    assert_eq!(amount("119.96999999999998"), "119970000");
    assert_eq!(amount("0"), "0");
    assert_eq!(amount("\"999999999999.999999\""), "999999999999999999");
    for value in [
        "-1",
        "\"-1\"",
        "\"1e3\"",
        "\"1.0000000\"",
        "\"\"",
        "1e400",
        "\"1 \"",
        "1000000000000",
    ] {
        assert_eq!(amount(value), "invalid_amount amount", "{value}");
    }
    assert_eq!(amount("null"), "missing_field amount");
    assert_eq!(amount("[1]"), "wrong_type amount");
    check(
        &event("purchase", r#""currency":"EUR""#),
        "missing_field amount",
    );
}

#[test]
fn currencies_are_iso_4217_or_configured() {
    let hint = "codes beyond ISO 4217 are listed under `currencies`; codes are upper case";
    let currency = |value: &str| {
        outcome(event("purchase", &format!(r#""amount":1,"currency":{value}"#)).as_bytes())
    };
    assert!(currency("\"TRY\"").ends_with(r#"currency: "TRY" }"#));
    assert!(currency("\"POINTS\"").ends_with(r#"currency: "POINTS" }"#));
    for code in ["\"try\"", "\"BTC\"", "\"\"", "\"EURO\""] {
        assert_eq!(currency(code), format!("unknown_currency currency {hint}"));
    }
    assert_eq!(currency("null"), "missing_field currency");
    assert_eq!(currency("978"), "wrong_type currency");
}

#[test]
fn scores_lie_on_the_scale_of_their_survey() {
    let survey = |survey: &str, score: &str| {
        outcome(
            event(
                "survey_submitted",
                &format!(r#""survey":{survey},"score":{score}"#),
            )
            .as_bytes(),
        )
    };
    for (kind, low, high) in [("\"nps\"", -1, 11), ("\"csat\"", 0, 6), ("\"ces\"", 0, 6)] {
        assert_eq!(survey(kind, &low.to_string()), "score_out_of_range score");
        assert_eq!(survey(kind, &high.to_string()), "score_out_of_range score");
        assert!(survey(kind, &(low + 1).to_string()).contains(&format!("score: {}", low + 1)));
        assert!(survey(kind, &(high - 1).to_string()).contains(&format!("score: {}", high - 1)));
    }
    assert!(survey("\"nps\"", "-0").contains("score: 0"));
    assert_eq!(
        survey("\"nps\"", "99999999999999999999"),
        "score_out_of_range score"
    );
    for score in ["9.0", "9e0", "\"9\"", "true"] {
        assert_eq!(survey("\"nps\"", score), "wrong_type score", "{score}");
    }
    assert_eq!(survey("\"nps\"", "null"), "missing_field score");
    assert_eq!(survey("\"NPS\"", "9"), "unknown_type survey");
    assert_eq!(survey("1", "9"), "wrong_type survey");
    check(
        &event("survey_submitted", r#""score":9"#),
        "missing_field survey",
    );
}

#[test]
fn optional_texts_may_be_null_or_empty_but_not_of_another_type() {
    let reason = |value: &str| outcome(event("churn", &format!(r#""reason":{value}"#)).as_bytes());
    assert!(reason("null").ends_with("Churn { reason: None }"));
    assert!(reason("\"\"").ends_with("Churn { reason: None }"));
    assert!(reason("\"a\\u00e9\"").ends_with("Churn { reason: Some(\"aé\") }"));
    assert_eq!(reason("1"), "wrong_type reason");
    let long = reason(&format!("\"{}\"", "é".repeat(200)));
    assert!(long.contains(&"é".repeat(128)) && !long.contains(&"é".repeat(129)));
    assert_eq!(
        outcome(
            event(
                "survey_submitted",
                r#""survey":"nps","score":1,"channel":{}"#
            )
            .as_bytes()
        ),
        "wrong_type channel"
    );
}

#[test]
fn attributes_are_an_object_or_absent() {
    check(&signup(r#""attributes":null,"#), SIGNUP);
    check(&signup(r#""attributes":{},"#), SIGNUP);
    check(&signup(r#""attributes":{"plan":["odd"]},"#), SIGNUP);
    check(&signup(r#""attributes":[],"#), "wrong_type attributes");
    check(&signup(r#""attributes":"pro","#), "wrong_type attributes");
    check(&signup(r#""attributes":{"a":1,"a":1},"#), "invalid_json");
}

/// What a sign-up with these attributes tells of the dimensions `plan` and `country`.
fn dimensions(attributes: &str) -> String {
    let names = ["plan", "country"];
    let decoder = Decoder::new(DecodeSettings {
        dimensions: names.map(str::to_owned).to_vec(),
        ..DecodeSettings::default()
    });
    let record = signup(&format!(r#""attributes":{attributes},"#));
    match decoder.decode(record.as_bytes(), None) {
        Ok(event) => {
            let attributes = event.attributes;
            assert_eq!(attributes.is_empty(), attributes.iter().next().is_none());
            let values = attributes
                .iter()
                .map(|(dimension, value)| format!("{}={value}", names[dimension]));
            let ignored =
                (attributes.ignored > 0).then(|| format!("ignored {}", attributes.ignored));
            values.chain(ignored).collect::<Vec<_>>().join(" ")
        }
        Err(rejection) => rejection.reason.name().to_owned(),
    }
}

#[test]
fn the_attributes_of_configured_dimensions_are_read() {
    for (attributes, expected) in [
        ("null", ""),
        ("{}", ""),
        (r#"{"plan":"pro","country":"TR"}"#, "plan=pro country=TR"),
        (
            r#"{"country":"TR","seats":5,"plan":"pro"}"#,
            "plan=pro country=TR",
        ),
        (
            " { \"plan\" :\t\"pro\" ,\r\n\"country\": \"TR\" } ",
            "plan=pro country=TR",
        ),
        // Names are compared whole, and by their characters.
        (r#"{"Plan":"a","plans":"b","pla":"c","":"d"}"#, ""),
        (r#"{"pl\u0061n":"pro"}"#, "plan=pro"),
        (r#"{"\"plan":1,"a\\":"plan","country":"TR"}"#, "country=TR"),
        // Texts keep their characters, numbers their digits.
        (
            r#"{"plan":"a\u00e9\n\"","country":" "}"#,
            "plan=aé\n\" country= ",
        ),
        (r#"{"plan":"}","country":"],{\\"}"#, "plan=} country=],{\\"),
        (r#"{"plan":1.50,"country":-0}"#, "plan=1.50 country=-0"),
        (r#"{"plan":1E+2}"#, "plan=1E+2"),
        (
            r#"{"plan":true,"country":false}"#,
            "plan=true country=false",
        ),
        // Nothing is told by these.
        (r#"{"plan":"","country":null}"#, ""),
        (r#"{"plan":[],"country":{}}"#, "ignored 2"),
        (r#"{"plan":["pro"],"country":"TR"}"#, "country=TR ignored 1"),
        (
            r#"{"plan":{"country":"]}"},"country":"TR"}"#,
            "country=TR ignored 1",
        ),
        (r#"{"seats":[1,"\"}",{"plan":2}],"plan":"pro"}"#, "plan=pro"),
        (r#"{"seats":{},"colour":[]}"#, ""),
        // The record as a whole is checked all the same.
        (r#"{"plan":"pro","plan":"pro"}"#, "invalid_json"),
        (r#"{"plan":"pro","seats":{"a":1,"a":2}}"#, "invalid_json"),
        (r#"{"plan":"\ud800"}"#, "invalid_json"),
        (r#"{"plan":"pro","seats":"\ud800"}"#, "plan=pro"),
        (r#"["plan"]"#, "wrong_type"),
        (r#""plan""#, "wrong_type"),
        ("0", "wrong_type"),
        ("true", "wrong_type"),
    ] {
        assert_eq!(dimensions(attributes), expected, "{attributes}");
    }
}

#[test]
fn values_are_cut_at_the_end_of_a_character() {
    for (value, expected) in [
        (
            format!("\"x{}\"", "é".repeat(200)),
            format!("x{}", "é".repeat(127)),
        ),
        (format!("\"{}\"", "\\u00e9".repeat(200)), "é".repeat(128)),
        (format!("\"{}\"", "x".repeat(256)), "x".repeat(256)),
        ("1".repeat(300), "1".repeat(256)),
    ] {
        let attributes = format!(r#"{{"plan":{value}}}"#);
        assert_eq!(
            dimensions(&attributes),
            format!("plan={expected}"),
            "{value}"
        );
    }
}

#[test]
fn values_borrow_from_the_record_unless_they_hold_escapes() {
    let decoder = Decoder::new(DecodeSettings {
        dimensions: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        ..DecodeSettings::default()
    });
    let record = signup(r#""attributes":{"a":"x","b":7,"c":true,"d":"\u0078"},"#);
    let event = decoder.decode(record.as_bytes(), None).unwrap();
    let borrowed = event.attributes.values.each_ref().map(|value| match value {
        Some(Cow::Borrowed(_)) => 'b',
        Some(Cow::Owned(_)) => 'o',
        None => '-',
    });
    assert_eq!(borrowed, ['b', 'b', 'b', 'o']);
    assert_eq!(event.attributes.get(3), Some("x"));
    assert_eq!(event.attributes.get(4), None);
}

#[test]
fn without_dimensions_no_attribute_is_read() {
    let decoder = Decoder::new(DecodeSettings::default());
    let record = signup(r#""attributes":{"plan":["pro"],"country":"TR"},"#);
    let event = decoder.decode(record.as_bytes(), None).unwrap();
    assert_eq!(event.attributes, Attributes::default());
}

#[test]
fn every_cut_and_every_changed_byte_of_a_record_is_taken_calmly() {
    let record = event(
        "purchase",
        r#""amount":"1.5","currency":"EUR","attributes":{"a":[1,{"b":"\u00e9"}]}"#,
    );
    for end in 0..record.len() {
        outcome(&record.as_bytes()[..end]);
    }
    for at in 0..record.len() {
        for byte in 0..=255 {
            let mut bytes = record.clone().into_bytes();
            bytes[at] = byte;
            outcome(&bytes);
        }
    }
}
