//! Events of Adobe Commerce: every save of a customer and of an order, with local times.

use super::backend::{Backend, Record, rfc3339};
use super::history::{DAY, Fact, HOUR, Money, SECOND, What};

/// Tells sign-ups and orders, to the second; of who comes back there is no event.
pub struct AdobeCommerce;

const ORDER: &str = "sales_order_save_commit_after";
const CUSTOMER: &str = "customer_save_commit_after";

impl Backend for AdobeCommerce {
    fn source(&self) -> String {
        "{ preset: adobe-commerce, options: { time_zone: Europe/Istanbul } }".into()
    }

    fn customer(&self, number: u32) -> String {
        (1000 + number).to_string()
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
        match &fact.what {
            What::Signup { .. } => [0, DAY]
                .map(|later| {
                    let value = format!(
                        r#"{{"entity_id":"{customer}","website_id":"1","email":"{customer}@mail.example","created_at":"{}","updated_at":"{}"}}"#,
                        local(fact.at),
                        local(fact.at + later)
                    );
                    event(CUSTOMER, &value, fact.at + later)
                })
                .into(),
            What::Purchase { money } => [
                ("new", 0),
                ("pending_payment", SECOND),
                ("processing", 70 * SECOND),
                ("processing", HOUR),
                ("complete", 2 * HOUR),
            ]
            .map(|(state, later)| {
                let value = order(
                    fact.number,
                    &format!("{customer:?}"),
                    state,
                    *money,
                    [fact.at, fact.at + later],
                );
                event(ORDER, &value, fact.at + later)
            })
            .into(),
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
        vec![
            event(ORDER, &order(id, "null", "processing", money, [at, at]), at),
            event(
                ORDER,
                &order(id, r#""1001""#, "canceled", money, [at, at]),
                at,
            ),
            event(ORDER, r#"{"ext_order_id":"ERP-7"}"#, at),
            event("catalog_product_save_commit_after", r#"{"sku":"TEA"}"#, at),
        ]
    }
}

fn order(number: u32, customer: &str, state: &str, money: Money, [at, saved]: [i64; 2]) -> String {
    // Four decimals, also where the currency has none.
    let amount = match money.decimal() {
        whole if money.digits == 0 => format!("{whole}.0000"),
        amount => format!(
            "{amount:0<width$}",
            width = amount.len() + 4 - usize::from(money.digits)
        ),
    };
    format!(
        r#"{{"entity_id":"{number}","increment_id":"{number:09}","state":"{state}","status":"{state}","customer_id":{customer},"created_at":"{}","updated_at":"{}","grand_total":"{amount}","order_currency_code":"{}","base_grand_total":"1.0000","base_currency_code":"USD","items":[{{"sku":"TEA","qty_ordered":"1.0000"}}]}}"#,
        local(at),
        local(saved),
        money.currency
    )
}

/// An event of an observer: one after the other inside of `event`, and as the CloudEvent that it is.
fn event(observer: &str, value: &str, at: i64) -> Record {
    let time = rfc3339(at + SECOND);
    let event = format!(
        r#"{{"specversion":"1.0","id":"e-{observer}-{at}","source":"urn:uuid:9a0cc1f2","type":"com.adobe.commerce.observer.{observer}","datacontenttype":"application/json","time":"{time}","data":{{"key":"k","value":{value},"source":"shop.production","_metadata":{{"commerceVersion":"2.4.8"}}}}}}"#
    );
    let value = if at / SECOND % 2 == 0 {
        event
    } else {
        format!(r#"{{"event_id":"e-{at}","event":{event},"recipient_client_id":"4e1f0a9c"}}"#)
    };
    Record::of(value, at + 2 * SECOND)
}

/// The time in the zone of the shop, three hours ahead, without saying so.
fn local(millis: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millis + 3 * HOUR).unwrap();
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
