//! What Segment and RudderStack write to Kafka: every call of every user, signed in or not.

use super::backend::{Backend, Record, rfc3339};
use super::history::{DAY, Fact, HOUR, SECOND, What};

/// Tells everything, to the millisecond: what the specs have no event for, by events of one's own.
pub struct Segment;

impl Backend for Segment {
    fn source(&self) -> String {
        "{ preset: segment, options: { churn: Account Closed, nps: NPS Answered, csat: CSAT Answered, ces: CES Answered, score: rating } }"
            .into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        Some(fact.clone())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let customer = self.customer(fact.customer);
        let (event, properties) = content(fact);
        let call = |message: &str, event: &str| {
            let body = format!(r#""event":"{event}","properties":{properties}"#);
            call("track", message, Some(&customer), fact.at, &body)
        };
        let message = format!("m-{}", fact.number);
        let mut records = vec![call(&message, event)];
        if fact.is_purchase() {
            records.push(call(&format!("started-{message}"), "Checkout Started"));
            if fact.number.is_multiple_of(4) {
                // The server reports it as well as the browser.
                records.push(call(&format!("server-{message}"), event));
            }
        }
        records
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let body = r#""event":"Order Completed","properties":{"order_id":"guest","revenue":10,"currency":"TRY"}"#;
        let user = Some("c-1");
        vec![
            call("track", &format!("n-{number}"), None, at, body),
            call(
                "identify",
                &format!("i-{number}"),
                user,
                at,
                r#""traits":{"plan":"pro"}"#,
            ),
            call(
                "page",
                &format!("p-{number}"),
                user,
                at,
                r#""name":"Order Completed","properties":{"path":"/thanks"}"#,
            ),
            call(
                "alias",
                &format!("a-{number}"),
                user,
                at,
                r#""previousId":"anonymous""#,
            ),
        ]
    }
}

/// The name of the event and its properties.
fn content(fact: &Fact) -> (&'static str, String) {
    let quoted = |value: Option<&str>| value.map_or_else(|| "null".into(), |it| format!("{it:?}"));
    match &fact.what {
        What::Signup { .. } => ("Signed Up", r#"{"type":"organic"}"#.into()),
        What::Purchase { money } => {
            let amount = money.decimal();
            // With `revenue` the total is not looked at.
            let amounts = match fact.number % 2 {
                0 => format!(r#""revenue":{amount},"total":999999"#),
                _ => format!(r#""total":"{amount}""#),
            };
            let currency = money.currency;
            let properties = format!(
                r#"{{"order_id":"o-{}",{amounts},"currency":"{currency}","products":[{{"sku":"TEA","quantity":1}}]}}"#,
                fact.number
            );
            ("Order Completed", properties)
        }
        What::Churn { reason } => (
            "Account Closed",
            format!(r#"{{"reason":{}}}"#, quoted(*reason)),
        ),
        What::Answer {
            survey,
            score,
            channel,
        } => {
            let event = match *survey {
                "nps" => "NPS Answered",
                "csat" => "CSAT Answered",
                _ => "CES Answered",
            };
            let channel = quoted(*channel);
            (
                event,
                format!(r#"{{"rating":{score},"channel":{channel}}}"#),
            )
        }
    }
}

/// A call, from a device whose clock is some days ahead.
fn call(kind: &str, message: &str, user: Option<&str>, at: i64, body: &str) -> Record {
    let user = user.map_or_else(|| "null".into(), |user| format!("{user:?}"));
    let value = format!(
        r#"{{"type":"{kind}","messageId":"{message}","userId":{user},"anonymousId":"5d0c1f7e","channel":"web","context":{{"ip":"203.0.113.24","locale":"tr-TR","library":{{"name":"analytics.js","version":"2.1.0"}}}},"integrations":{{}},"originalTimestamp":"{}","sentAt":"{}","receivedAt":"{}","timestamp":"{}",{body}}}"#,
        rfc3339(at + 3 * DAY),
        rfc3339(at + 3 * DAY + HOUR),
        rfc3339(at + HOUR),
        rfc3339(at),
    );
    Record::of(value, at + HOUR + SECOND)
}
