//! Snowplow's enriched events as JSON: an action with the transaction in an array beside it, events
//! of one's own, and everything that visitors do.

use super::backend::{Backend, Record, rfc3339};
use super::history::{DAY, Fact, HOUR, Money, What};

/// Tells sign-ups, departures and orders, to the millisecond; departures without a reason.
pub struct Snowplow;

/// The field of an action of the e-commerce plugin.
const ACTION: &str =
    "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1";
const TRANSACTION: &str = "contexts_com_snowplowanalytics_snowplow_ecommerce_transaction_1";

impl Backend for Snowplow {
    fn source(&self) -> String {
        "{ preset: snowplow, options: { signup_event: account_created, churn_event: account_closed } }"
            .into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        (!fact.is_answer()).then(|| fact.plain())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let customer = Some(self.customer(fact.customer));
        let event = |name: &str, rest: &str| {
            enriched(fact.number, customer.as_deref(), name, fact.at, rest)
        };
        match fact.what {
            What::Signup { .. } => vec![event(
                "account_created",
                r#""unstruct_event_com_example_account_created_1":{"plan":"basic"}"#,
            )],
            What::Churn { .. } => vec![event(
                "account_closed",
                r#""unstruct_event_com_example_account_closed_1":{"by":"customer"}"#,
            )],
            What::Purchase { money } => vec![
                event("page_view", r#""page_urlpath":"/checkout""#),
                event(
                    "snowplow_ecommerce_action",
                    &format!(r#""{ACTION}":{{"type":"checkout_step"}}"#),
                ),
                event(
                    "snowplow_ecommerce_action",
                    &transaction(fact.number, money),
                ),
            ],
            What::Answer { .. } => Vec::new(),
        }
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let money = Money {
            minor: 990,
            digits: 2,
            currency: "EUR",
        };
        let number = 1_000_000 + number;
        let bought = transaction(number, money);
        let robot = format!(
            r#"{bought},"contexts_com_iab_snowplow_spiders_and_robots_1":[{{"spiderOrRobot":true,"category":"SPIDER_OR_ROBOT"}}]"#
        );
        vec![
            // A guest buys something.
            enriched(number, None, "snowplow_ecommerce_action", at, &bought),
            enriched(number, Some("c-1"), "snowplow_ecommerce_action", at, &robot),
            enriched(
                number,
                Some("c-1"),
                "snowplow_ecommerce_action",
                at,
                &format!(r#""{ACTION}":{{"type":"refund"}}"#),
            ),
        ]
    }
}

fn transaction(order: u32, money: Money) -> String {
    format!(
        r#""{ACTION}":{{"type":"transaction"}},"{TRANSACTION}":[{{"transaction_id":"o-{order}","revenue":{},"currency":"{}","payment_method":"card","total_quantity":1}}]"#,
        money.decimal(),
        money.currency,
    )
}

fn enriched(number: u32, user: Option<&str>, name: &str, at: i64, rest: &str) -> Record {
    let user_id = user.map_or("null".into(), |user| format!("\"{user}\""));
    // The clock of the visitor is a day behind, the derived time is the right one.
    let value = format!(
        r#"{{"app_id":"shop","platform":"web","collector_tstamp":"{}","dvce_created_tstamp":"{}","event":"unstruct","event_id":"{}","user_id":{user_id},"domain_userid":"d-{number}","v_tracker":"js-4.1.0","event_name":"{name}","event_vendor":"com.example",{rest},"derived_tstamp":"{}"}}"#,
        rfc3339(at + 3000),
        rfc3339(at - DAY),
        format_args!("5e0a-{number}-{name}"),
        // Some loaders write times without the zone.
        if number.is_multiple_of(2) {
            rfc3339(at)
        } else {
            rfc3339(at).replace('T', " ").replace('Z', "")
        },
    );
    let record = Record::of(value, at + HOUR / 60);
    match user {
        Some(user) => record.key(user),
        None => record,
    }
}
