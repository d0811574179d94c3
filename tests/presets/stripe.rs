//! Stripe's events: customers, invoices with all that is sent about one payment, and subscriptions
//! that end.

use super::backend::{Backend, Record};
use super::history::{Fact, SECOND, What};

/// Tells sign-ups, payments and departures, to the second; neither payments of nothing nor that
/// somebody is back, but by paying.
pub struct Stripe;

impl Backend for Stripe {
    fn source(&self) -> String {
        "stripe".into()
    }

    fn customer(&self, number: u32) -> String {
        format!("cus_{number:014}")
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        let told = match &fact.what {
            What::Signup { again } => !again,
            What::Purchase { money } => money.minor > 0,
            What::Churn { .. } => true,
            What::Answer { .. } => false,
        };
        told.then(|| fact.at_seconds())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let customer = self.customer(fact.customer);
        let number = fact.number;
        let event = |kind: &str, object: &str| event(kind, number, object, fact.at);
        match &fact.what {
            What::Signup { .. } => {
                let object = format!(
                    r#"{{"id":"{customer}","object":"customer","created":{},"email":"{customer}@mail.example","address":null,"livemode":true}}"#,
                    fact.at / SECOND
                );
                vec![
                    event("customer.created", &object),
                    event("customer.updated", &object),
                ]
            }
            What::Purchase { money } => {
                let (minor, currency) = (money.minor, money.currency.to_lowercase());
                // Some come with the customer expanded.
                let customer = match number % 5 {
                    0 => format!(r#"{{"id":"{customer}","object":"customer","delinquent":false}}"#),
                    _ => format!("{customer:?}"),
                };
                let payment = |id: &str, object: &str, received: &str| {
                    format!(
                        r#"{{"id":"{id}_{number}","object":"{object}","amount":{minor},"{received}":{minor},"currency":"{currency}","customer":{customer}}}"#
                    )
                };
                let invoice = format!(
                    r#"{{"id":"in_{number}","object":"invoice","amount_due":{minor},"amount_paid":{minor},"amount_remaining":0,"billing_reason":"subscription_cycle","currency":"{currency}","customer":{customer},"status":"paid","total":{minor}}}"#
                );
                let mut records = vec![
                    event("invoice.finalized", &invoice),
                    event(
                        "charge.succeeded",
                        &payment("ch", "charge", "amount_captured"),
                    ),
                    event(
                        "payment_intent.succeeded",
                        &payment("pi", "payment_intent", "amount_received"),
                    ),
                    event("invoice.payment_succeeded", &invoice),
                    event("invoice.paid", &invoice),
                ];
                if number.is_multiple_of(7) {
                    // Another event of the same happening.
                    records.push(self::event(
                        "invoice.paid",
                        1_000_000 + number,
                        &invoice,
                        fact.at,
                    ));
                }
                records
            }
            What::Churn { reason } => {
                let feedback = reason.map_or_else(|| "null".into(), |reason| format!("{reason:?}"));
                let object = format!(
                    r#"{{"id":"sub_{number}","object":"subscription","customer":"{customer}","status":"canceled","ended_at":{},"cancellation_details":{{"comment":null,"feedback":{feedback},"reason":null}}}}"#,
                    fact.at / SECOND
                );
                vec![
                    event("customer.subscription.updated", &object),
                    event("customer.subscription.deleted", &object),
                ]
            }
            What::Answer { .. } => Vec::new(),
        }
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let number = 2_000_000 + number;
        let invoice = |minor: u32| {
            format!(
                r#"{{"id":"in_{number}","object":"invoice","amount_paid":{minor},"currency":"eur","customer":"{}","total":{minor}}}"#,
                self.customer(0)
            )
        };
        let test = event("invoice.paid", number, &invoice(500), at);
        let live = String::from_utf8(test.value.clone().unwrap()).unwrap();
        let changed = |from: &str, to: &str| Record::of(live.replace(from, to), at + SECOND);
        vec![
            changed(r#""livemode":true"#, r#""livemode":false"#),
            // Of a connected account.
            changed(
                r#""object":"event""#,
                r#""object":"event","account":"acct_1""#,
            ),
            // A trial begins.
            event("invoice.paid", number, &invoice(0), at),
            event(
                "payout.paid",
                number,
                r#"{"id":"po_1","object":"payout","amount":5}"#,
                at,
            ),
        ]
    }
}

fn event(kind: &str, number: u32, object: &str, at: i64) -> Record {
    let value = format!(
        r#"{{"id":"evt_{kind}_{number}","object":"event","api_version":"2026-05-27.dahlia","created":{},"data":{{"object":{object}}},"livemode":true,"pending_webhooks":1,"request":{{"id":null,"idempotency_key":null}},"type":"{kind}"}}"#,
        at / SECOND
    );
    Record::of(value, at + SECOND)
}
