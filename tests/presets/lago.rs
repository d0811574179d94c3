//! Lago's webhooks, bridged to Kafka: subscriptions that start and end, invoices on their way to
//! being paid.

use super::backend::{Backend, Record, rfc3339, rfc3339_seconds};
use super::history::{Fact, Money, SECOND, What};

/// Tells sign-ups, departures and payments, to the second; departures without a reason.
pub struct Lago;

impl Backend for Lago {
    fn source(&self) -> String {
        "lago".into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        (!fact.is_answer()).then(|| fact.at_seconds().plain())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let customer = self.customer(fact.customer);
        let id = uuid(fact.number);
        match &fact.what {
            What::Signup { .. } => vec![
                customer_created(&customer, fact.at),
                subscription(
                    "subscription.started",
                    &id,
                    &customer,
                    fact.at,
                    Plans::same(),
                ),
            ],
            What::Churn { .. } => vec![
                subscription(
                    "subscription.terminated",
                    &id,
                    &customer,
                    fact.at,
                    Plans::same(),
                ),
                // Somebody else changes the plan: an end and a start that say so.
                subscription(
                    "subscription.terminated",
                    &uuid(1_000_000 + fact.number),
                    "c-0",
                    fact.at,
                    Plans::to("scale"),
                ),
                subscription(
                    "subscription.started",
                    &uuid(2_000_000 + fact.number),
                    "c-0",
                    fact.at,
                    Plans::from("starter"),
                ),
            ],
            What::Purchase { money } => [
                ("invoice.created", "pending"),
                ("invoice.generated", "pending"),
                ("invoice.payment_status_updated", "failed"),
                ("invoice.payment_status_updated", "succeeded"),
            ]
            .map(|(kind, status)| invoice(kind, status, &id, &customer, *money, fact.at))
            .into(),
            What::Answer { .. } => Vec::new(),
        }
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        vec![Record::of(
            format!(
                r#"{{"webhook_type":"wallet.updated","object_type":"wallet","organization_id":"{}","wallet":{{"lago_id":"{}","external_customer_id":"c-1","balance_cents":{number}}}}}"#,
                uuid(1),
                uuid(3_000_000 + number),
            ),
            at,
        )]
    }
}

/// The plans before and after a change.
struct Plans {
    previous: Option<&'static str>,
    next: Option<&'static str>,
}

impl Plans {
    const fn same() -> Self {
        Self {
            previous: None,
            next: None,
        }
    }

    const fn to(next: &'static str) -> Self {
        Self {
            previous: None,
            next: Some(next),
        }
    }

    const fn from(previous: &'static str) -> Self {
        Self {
            previous: Some(previous),
            next: None,
        }
    }
}

fn uuid(number: u32) -> String {
    format!("1a901a90-1a90-1a90-1a90-{number:012}")
}

fn customer_created(customer: &str, at: i64) -> Record {
    let value = format!(
        r#"{{"webhook_type":"customer.created","object_type":"customer","organization_id":"{}","customer":{{"lago_id":"{}","external_id":"{customer}","currency":"EUR","created_at":"{}"}}}}"#,
        uuid(1),
        uuid(2),
        rfc3339_seconds(at),
    );
    Record::of(value, at)
}

fn subscription(kind: &str, id: &str, customer: &str, at: i64, plans: Plans) -> Record {
    let text = |plan: Option<&str>| plan.map_or("null".into(), |plan| format!("\"{plan}\""));
    let ended = kind == "subscription.terminated";
    let (started, terminated) = if ended {
        (
            rfc3339(at - 3600 * SECOND),
            format!("\"{}\"", rfc3339_seconds(at)),
        )
    } else {
        (rfc3339(at), "null".into())
    };
    let value = format!(
        r#"{{"webhook_type":"{kind}","object_type":"subscription","organization_id":"{}","subscription":{{"lago_id":"{id}","external_id":"sub-{customer}","external_customer_id":"{customer}","plan_code":"growth","plan_amount_cents":4900,"plan_amount_currency":"EUR","status":"{}","started_at":"{started}","terminated_at":{terminated},"canceled_at":null,"created_at":"{started}","previous_plan_code":{},"next_plan_code":{}}}}}"#,
        uuid(1),
        if ended { "terminated" } else { "active" },
        text(plans.previous),
        text(plans.next),
    );
    Record::of(value, at + SECOND)
        .key(customer)
        .header("X-Lago-Unique-Key", id)
}

fn invoice(kind: &str, status: &str, id: &str, customer: &str, money: Money, at: i64) -> Record {
    // An invoice is older than its payment, and each webhook says when it was changed last.
    let updated = if status == "succeeded" {
        at
    } else {
        at - 60 * SECOND
    };
    let value = format!(
        r#"{{"webhook_type":"{kind}","object_type":"invoice","organization_id":"{}","invoice":{{"lago_id":"{id}","number":"LAG-1","issuing_date":"2026-01-01","invoice_type":"subscription","status":"finalized","payment_status":"{status}","currency":"{}","fees_amount_cents":{},"taxes_amount_cents":0,"total_amount_cents":{},"self_billed":false,"created_at":"{}","updated_at":"{}","customer":{{"external_id":"{customer}"}},"subscriptions":[{{"external_customer_id":"{customer}","plan_code":"growth"}}]}}}}"#,
        uuid(1),
        money.currency,
        money.minor,
        money.minor,
        rfc3339_seconds(at - 120 * SECOND),
        rfc3339_seconds(updated),
    );
    Record::of(value, updated + SECOND).key(customer)
}
