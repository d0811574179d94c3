//! Records in the shapes of others, and the mappings that make events of them.
//!
//! Owns what the benchmark of mappings reads: about as large as the real ones, with as much around
//! the few fields that are wanted.

use std::path::PathBuf;

use tenure::config::{Sources, load};
use tenure::event::decode::DecodeSettings;
use tenure::event::record::Header;
use tenure::event::source::Source;

/// How many different records there are of each shape.
const RECORDS: usize = 1000;

/// Native events by way of a mapping, presets, and a batch of answers.
const CONFIGURATION: &str = "
kafka: { topics: [copied, segment, shopify, batch] }
sources:
  segment: segment
  shopify: shopify
  copied:
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
  batch:
    events:
      - each: value.answers
        each_when: { item.question.kind: nps }
        type: survey_submitted
        survey: nps
        event_id: { join: [value.response, item.id], with: \":\" }
        customer_id: item.user.id
        occurred_at: item.at
        score: item.score
";

/// The source of a topic of the configuration.
pub fn source(topic: &str) -> Source {
    let sources = Sources {
        file: Some(PathBuf::from("bench.yaml")),
        read_file: &|_, _| Ok(CONFIGURATION.as_bytes().to_vec()),
        ..Sources::none()
    };
    let settings = load(&sources).unwrap_or_else(|complaints| panic!("{complaints}"));
    let rules = settings.fold.sources.of(topic).cloned();
    let rules = rules.unwrap_or_else(|| panic!("no mapping of {topic}"));
    Source::mapped(rules, DecodeSettings::default())
}

/// What Shopify's webhooks have beside their body.
pub const SHOPIFY_HEADERS: [Header<'_>; 5] = [
    (b"X-Shopify-API-Version", Some(b"2026-10")),
    (b"X-Shopify-Hmac-Sha256", Some(b"c2lnbmF0dXJl")),
    (b"X-Shopify-Shop-Domain", Some(b"socks.example")),
    (b"X-Shopify-Topic", Some(b"orders/paid")),
    (b"X-Shopify-Webhook-Id", Some(b"5d7a1c9e")),
];

/// Calls of `track`: orders, sign-ups, and as many that are neither.
pub fn segment() -> Vec<Vec<u8>> {
    let names = [
        "Order Completed",
        "Product Viewed",
        "Signed Up",
        "Cart Viewed",
    ];
    records(|n| {
        let name = names[n % names.len()];
        format!(
            r#"{{"anonymousId":"5f0e3c11-7a52-4d0b-9c1f-{n:012}","context":{{"ip":"203.0.113.7","library":{{"name":"analytics.js","version":"2.11.1"}},"page":{{"path":"/thanks","title":"Thank you","url":"https://shop.example/thanks"}},"userAgent":"Mozilla/5.0 (X11; Linux x86_64)"}},"event":"{name}","messageId":"ajs-{n:032}","originalTimestamp":"2026-11-01T09:31:12.000Z","properties":{{"currency":"TRY","order_id":"o-{n}","products":[{{"price":29.9,"product_id":"p-1","quantity":1}}],"revenue":129.90}},"timestamp":"2026-11-01T09:31:12.250Z","type":"track","userId":"u-{n}"}}"#
        )
    })
}

/// Orders of six lines.
pub fn shopify() -> Vec<Vec<u8>> {
    let money = |amount: &str| {
        let one = format!(r#"{{"amount":"{amount}","currency_code":"TRY"}}"#);
        format!(r#"{{"presentment_money":{one},"shop_money":{one}}}"#)
    };
    let line = |n: usize| {
        let (price, none) = (money("21.65"), money("0.00"));
        format!(
            r#"{{"discount_allocations":[],"fulfillable_quantity":1,"fulfillment_status":null,"gift_card":false,"grams":90,"id":{id},"name":"Wool socks - M / blue","price":"21.65","price_set":{price},"product_exists":true,"product_id":{product},"properties":[],"quantity":1,"requires_shipping":true,"sku":"WS-M-B","tax_lines":[],"taxable":true,"title":"Wool socks","total_discount":"0.00","total_discount_set":{none},"variant_title":"M / blue","vendor":null}}"#,
            id = 4_000_000_000_000 + n,
            product = 7_000_000 + n,
        )
    };
    let address = r#"{"address1":"12 Long Street","city":"Izmir","country":"Turkey","country_code":"TR","first_name":"A.","last_name":"B.","latitude":null,"longitude":null,"phone":null,"province":null,"zip":"35000"}"#;
    records(|n| {
        let lines: Vec<String> = (0..6).map(|place| line(6 * n + place)).collect();
        format!(
            r#"{{"id":{id},"admin_graphql_api_id":"gid://shopify/Order/{id}","billing_address":{address},"browser_ip":"203.0.113.7","buyer_accepts_marketing":false,"cancel_reason":null,"cancelled_at":null,"confirmed":true,"created_at":"2026-11-01T09:30:58Z","currency":"TRY","current_total_price_set":{total},"customer":{{"created_at":"2026-03-02T08:00:00Z","default_address":{address},"email":"a@shop.example","id":{customer},"state":"enabled","tags":"","verified_email":true}},"discount_codes":[],"email":"a@shop.example","financial_status":"paid","line_items":[{lines}],"name":"1001","note":null,"order_number":1001,"processed_at":"2026-11-01T09:31:12Z","refunds":[],"shipping_address":{address},"shipping_lines":[],"source_name":"web","subtotal_price":"129.90","tags":"","tax_lines":[],"test":false,"total_price":"129.90","total_tax":"0.00","updated_at":"2026-11-01T09:31:13Z","user_id":null}}"#,
            id = 5_000_000_000_000 + n,
            customer = 6_000_000_000_000 + n,
            total = money("129.90"),
            lines = lines.join(","),
        )
    })
}

/// How many answers a batch has, of which three in four are taken.
pub const ANSWERS: usize = 20;

/// Answers of many people in one record.
pub fn batch() -> Vec<Vec<u8>> {
    records(|n| {
        let answer = |place: usize| {
            let kind = if place.is_multiple_of(4) {
                "text"
            } else {
                "nps"
            };
            let score = (n + place) % 11;
            format!(
                r#"{{"id":{place},"question":{{"id":"q-1","kind":"{kind}"}},"user":{{"id":"u-{n}-{place}","locale":"tr"}},"score":{score},"at":"2026-11-01T09:31:12Z"}}"#
            )
        };
        let answers: Vec<String> = (0..ANSWERS).map(answer).collect();
        format!(
            r#"{{"response":"r-{n}","answers":[{}]}}"#,
            answers.join(",")
        )
    })
}

fn records(record: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
    (0..RECORDS).map(|n| record(n).into_bytes()).collect()
}
