//! Saleor's webhooks: arrays of one object, an order in each of its events.

use super::backend::{Backend, Record, rfc3339};
use super::history::{Fact, HOUR, Money, SECOND, What};

/// Tells sign-ups and orders, to the millisecond; of who comes back there is no event.
pub struct Saleor;

impl Backend for Saleor {
    fn source(&self) -> String {
        "saleor".into()
    }

    fn customer(&self, number: u32) -> String {
        format!("buyer-{number}@mail.example")
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        let told = matches!(
            fact.what,
            What::Signup { again: false } | What::Purchase { .. }
        );
        told.then(|| fact.clone())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let email = self.customer(fact.customer);
        match &fact.what {
            What::Signup { .. } => {
                let body = format!(
                    r#"[{{"type":"User","id":"VXNlcjo{}","default_shipping_address":null,"default_billing_address":null,"addresses":[],"email":"{email}","is_active":true,"date_joined":"{}","private_metadata":{{}},"metadata":{{}}}}]"#,
                    fact.number,
                    rfc3339(fact.at)
                );
                vec![
                    webhook("customer_created", body.clone(), fact.at),
                    webhook("customer_updated", body, fact.at + HOUR),
                ]
            }
            What::Purchase { money } => {
                // As it was typed at the checkout.
                let typed = match fact.number % 2 {
                    0 => email.to_uppercase(),
                    _ => email,
                };
                let body = order(
                    fact.number,
                    &format!("{typed:?}"),
                    "checkout",
                    *money,
                    fact.at,
                );
                [
                    ("order_created", 0),
                    ("order_confirmed", SECOND),
                    ("order_paid", HOUR),
                    ("order_fully_paid", HOUR),
                    ("order_updated", HOUR),
                    ("order_fulfilled", 2 * HOUR),
                ]
                .map(|(event, later)| webhook(event, body.clone(), fact.at + later))
                .into()
            }
            What::Churn { .. } | What::Answer { .. } => Vec::new(),
        }
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let id = 1_000_000 + number;
        let money = Money {
            minor: 500,
            digits: 2,
            currency: "TRY",
        };
        let somebody = r#""buyer-1@mail.example""#;
        vec![
            webhook(
                "order_fully_paid",
                order(id, "null", "draft", money, at),
                at,
            ),
            webhook(
                "order_fully_paid",
                order(id, r#""""#, "draft", money, at),
                at,
            ),
            webhook(
                "order_fully_paid",
                order(id, somebody, "reissue", money, at),
                at,
            ),
            webhook(
                "product_updated",
                r#"[{"type":"Product","id":"UHJvZHVjdDox"}]"#.into(),
                at,
            ),
        ]
    }
}

fn order(number: u32, email: &str, origin: &str, money: Money, at: i64) -> String {
    let (amount, currency) = (money.decimal(), money.currency);
    format!(
        r#"[{{"type":"Order","id":"T3JkZXI6{number}","channel":{{"type":"Channel","id":"Q2hhbm5lbDox","slug":"tr","currency_code":"{currency}"}},"shipping_address":null,"billing_address":null,"discounts":[],"number":{number},"user_email":{email},"created":"{}","lines":[{{"type":"OrderLine","quantity":1,"currency":"{currency}","total_price_gross_amount":"{amount}"}}],"payments":[],"meta":{{"issued_at":"{}","version":"3.20.14"}},"status":"unfulfilled","origin":"{origin}","total_net_amount":"0.01","total_gross_amount":"{amount}"}}]"#,
        rfc3339(at),
        rfc3339(at + SECOND)
    )
}

fn webhook(event: &str, body: String, at: i64) -> Record {
    Record::of(body, at + SECOND)
        .header("Saleor-Event", event)
        .header("Saleor-Domain", "shop.example.com")
        .header("Saleor-Schema-Version", "3.20")
}
