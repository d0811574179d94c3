//! Shopify's webhooks: an order when it is created, paid and updated, with test orders and guests.

use super::backend::{Backend, Record};
use super::history::{Fact, HOUR, Money, SECOND, What};

/// Tells sign-ups and orders, to the second; of who comes back there is no event.
pub struct Shopify;

/// The first id of a customer, and of an order.
const CUSTOMERS: u64 = 8_117_724_000_000;
const ORDERS: u64 = 6_120_045_000_000;

impl Backend for Shopify {
    fn source(&self) -> String {
        "shopify".into()
    }

    fn customer(&self, number: u32) -> String {
        (CUSTOMERS + u64::from(number)).to_string()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        let told = matches!(
            fact.what,
            What::Signup { again: false } | What::Purchase { .. }
        );
        told.then(|| fact.at_seconds())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let customer = self.customer(fact.customer);
        let at = fact.at;
        match &fact.what {
            What::Signup { .. } => {
                let body = format!(
                    r#"{{"id":{customer},"created_at":"{}","updated_at":"{}","state":"enabled","email":"{customer}@mail.example","currency":"TRY","addresses":[]}}"#,
                    local(at),
                    local(at)
                );
                vec![
                    webhook("customers/create", &customer, body.clone(), at),
                    webhook("customers/update", &customer, body, at + HOUR),
                ]
            }
            What::Purchase { money } => {
                let paid = Order {
                    id: ORDERS + u64::from(fact.number),
                    customer: format!(r#"{{"id":{customer},"state":"enabled"}}"#),
                    money: *money,
                    test: false,
                    at,
                };
                [
                    ("orders/create", SECOND),
                    ("orders/paid", 2 * SECOND),
                    ("orders/updated", 2 * SECOND),
                    ("orders/fulfilled", HOUR),
                ]
                .map(|(topic, later)| webhook(topic, &customer, paid.body(), at + later))
                .into()
            }
            What::Churn { .. } | What::Answer { .. } => Vec::new(),
        }
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let id = 2 * ORDERS + u64::from(number);
        let of = |customer: &str, test: bool| Order {
            id,
            customer: customer.to_owned(),
            money: Money {
                minor: 500,
                digits: 2,
                currency: "TRY",
            },
            test,
            at,
        };
        let somebody = format!(r#"{{"id":{CUSTOMERS}}}"#);
        let refund = format!(
            r#"{{"id":{id},"order_id":{ORDERS},"created_at":"{}","note":"broken","transactions":[{{"amount":"5.00","kind":"refund"}}]}}"#,
            local(at)
        );
        vec![
            webhook("orders/paid", "guest", of("null", false).body(), at),
            webhook("orders/paid", "test", of(&somebody, true).body(), at),
            webhook("orders/paid", "test", of(&somebody, false).body(), at)
                .header("X-Shopify-Test", "true"),
            webhook("refunds/create", "refund", refund, at),
        ]
    }
}

struct Order {
    id: u64,
    /// As JSON.
    customer: String,
    money: Money,
    test: bool,
    at: i64,
}

impl Order {
    fn body(&self) -> String {
        let (amount, currency) = (self.money.decimal(), self.money.currency);
        format!(
            r#"{{"id":{},"created_at":"{}","processed_at":"{}","updated_at":"{}","financial_status":"paid","test":{},"currency":"{currency}","presentment_currency":"USD","total_price":"{amount}","current_total_price":"0.00","total_price_set":{{"shop_money":{{"amount":"{amount}","currency_code":"{currency}"}},"presentment_money":{{"amount":"3.62","currency_code":"USD"}}}},"customer":{},"line_items":[{{"id":1,"sku":"TEA","price":"{amount}","quantity":1}}]}}"#,
            self.id,
            local(self.at + 40 * SECOND),
            local(self.at),
            local(self.at + 41 * SECOND),
            self.test,
            self.customer
        )
    }
}

fn webhook(topic: &str, key: &str, body: String, at: i64) -> Record {
    Record::of(body, at + SECOND)
        .key(key)
        .header("X-Shopify-Topic", topic)
        .header("X-Shopify-Shop-Domain", "anatolia-goods.myshopify.com")
        .header("X-Shopify-API-Version", "2026-07")
}

/// The time in the zone of the shop, three hours ahead.
fn local(millis: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millis + 3 * HOUR).unwrap();
    format!("{}+03:00", at.strftime("%Y-%m-%dT%H:%M:%S"))
}
