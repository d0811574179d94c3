//! Messages of a commercetools Subscription, one after the other in the Platform format and as
//! CloudEvents.

use super::backend::{Backend, Record, rfc3339};
use super::history::{Fact, Money, SECOND, What};

/// Tells sign-ups, orders and the erasure of customers, to the millisecond; of who comes back there
/// is no message.
pub struct Commercetools;

/// The message that is a departure here.
const ERASED: &str = "CustomerDeleted";

impl Backend for Commercetools {
    fn source(&self) -> String {
        format!("{{ preset: commercetools, options: {{ churn: {ERASED} }} }}")
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        match &fact.what {
            What::Signup { again: false } | What::Purchase { .. } => Some(fact.clone()),
            What::Churn { .. } => Some(Fact {
                what: What::Churn {
                    reason: Some(ERASED),
                },
                ..fact.clone()
            }),
            What::Signup { again: true } | What::Answer { .. } => None,
        }
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let customer = self.customer(fact.customer);
        let number = fact.number;
        match &fact.what {
            What::Signup { .. } => {
                let content = format!(r#""customer":{{"id":"{customer}","version":1}}"#);
                vec![
                    message(
                        "CustomerCreated",
                        number,
                        "customer",
                        &customer,
                        &content,
                        fact.at,
                    ),
                    change("ResourceCreated", "customer", &customer, fact.at),
                ]
            }
            What::Purchase { money } => {
                let id = format!("o-{number}");
                let who = format!(r#""customerId":"{customer}""#);
                let content = order(&id, &who, *money);
                let paid = r#""paymentState":"Paid","oldPaymentState":"Pending""#;
                vec![
                    message("OrderCreated", number, "order", &id, &content, fact.at),
                    change("ResourceCreated", "order", &id, fact.at),
                    message(
                        "OrderPaymentStateChanged",
                        1_000_000 + number,
                        "order",
                        &id,
                        paid,
                        fact.at + SECOND,
                    ),
                ]
            }
            What::Churn { .. } => {
                vec![message(ERASED, number, "customer", &customer, "", fact.at)]
            }
            What::Answer { .. } => Vec::new(),
        }
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let number = 2_000_000 + number;
        let id = format!("o-{number}");
        let money = Money {
            minor: 500,
            digits: 2,
            currency: "TRY",
        };
        let guest = order(
            &id,
            r#""anonymousId":"a-1","customerEmail":"guest@mail.example""#,
            money,
        );
        let imported = order(&id, r#""customerId":"c-1""#, money);
        vec![
            message("OrderCreated", number, "order", &id, &guest, at),
            message("OrderImported", number, "order", &id, &imported, at),
            change("ResourceCreated", "subscription", "s-1", at),
        ]
    }
}

fn order(id: &str, who: &str, money: Money) -> String {
    let Money {
        minor,
        digits,
        currency,
    } = money;
    let price = |minor: i64| {
        format!(
            r#"{{"type":"centPrecision","currencyCode":"{currency}","centAmount":{minor},"fractionDigits":{digits}}}"#
        )
    };
    format!(
        r#""order":{{"type":"Order","id":"{id}","version":1,{who},"totalPrice":{},"taxedPrice":{{"totalNet":{}}},"orderState":"Open","lineItems":[],"billingAddress":{{"country":"TR"}}}}"#,
        price(minor),
        price(1)
    )
}

fn message(kind: &str, number: u32, resource: &str, id: &str, content: &str, at: i64) -> Record {
    let time = rfc3339(at);
    let comma = if content.is_empty() { "" } else { "," };
    let message = format!(
        r#"{{"notificationType":"Message","projectKey":"shop","id":"m-{kind}-{number}","version":1,"sequenceNumber":1,"resource":{{"typeId":"{resource}","id":"{id}"}},"resourceVersion":1,"type":"{kind}"{comma}{content},"createdAt":"{time}","lastModifiedAt":"{time}"}}"#
    );
    let value = if number.is_multiple_of(2) {
        message
    } else {
        format!(
            r#"{{"specversion":"1.0","id":"e-{kind}-{number}","type":"com.commercetools.{resource}.message.{kind}","source":"/shop/{resource}s","subject":"{id}","time":"{}","sequence":"1","sequencetype":"Integer","data":{message}}}"#,
            rfc3339(at + SECOND)
        )
    };
    Record::of(value, at + SECOND).key(id)
}

fn change(kind: &str, resource: &str, id: &str, at: i64) -> Record {
    let value = format!(
        r#"{{"notificationType":"{kind}","projectKey":"shop","resource":{{"typeId":"{resource}","id":"{id}"}},"version":1,"modifiedAt":"{}"}}"#,
        rfc3339(at)
    );
    Record::of(value, at + SECOND).key(id)
}
