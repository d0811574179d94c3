//! Delighted's webhooks: a response when it is made, and once more when a comment is added.

use super::backend::{Backend, Record};
use super::history::{Fact, HOUR, SECOND, What};

/// Tells answers, to the second and without a channel.
pub struct Delighted;

impl Backend for Delighted {
    fn source(&self) -> String {
        "delighted".into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        fact.is_answer().then(|| fact.at_seconds().plain())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        let What::Answer { survey, score, .. } = fact.what else {
            return Vec::new();
        };
        let customer = self.customer(fact.customer);
        let created = fact.at;
        let webhook = |kind: &str, comment: &str, updated: i64| {
            response(
                kind,
                fact.number,
                &format!(r#"{{"id":"{customer}","email":"{customer}@mail.example","name":null,"created_at":1700000000}}"#),
                survey,
                &score.to_string(),
                comment,
                [created, updated],
            )
            .key(customer.clone())
        };
        let mut records = vec![webhook("survey_response.created", "null", created)];
        if fact.number.is_multiple_of(3) {
            let comment = r#""It went well.""#;
            records.push(webhook(
                "survey_response.updated",
                comment,
                created + HOUR / 4,
            ));
        }
        records
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let number = 1_000_000 + number;
        let person = r#"{"id":"c-1","email":"c-1@mail.example"}"#;
        vec![
            Record::of(
                format!(
                    r#"{{"event_type":"unsubscribe.created","event_id":"u{number}","event_data":{{"person":{person}}}}}"#
                ),
                at,
            ),
            response(
                "survey_response.created",
                number,
                person,
                "thumbs",
                "1",
                "null",
                [at, at],
            ),
            // An answer that is taken back.
            response(
                "survey_response.updated",
                number,
                person,
                "nps",
                "null",
                "null",
                [at, at],
            ),
        ]
    }
}

fn response(
    kind: &str,
    number: u32,
    person: &str,
    survey: &str,
    score: &str,
    comment: &str,
    [created, updated]: [i64; 2],
) -> Record {
    let value = format!(
        r#"{{"event_type":"{kind}","event_id":"{number:x}-{updated:x}","event_data":{{"id":"{number}","person":{person},"survey_type":"{survey}","score":{score},"comment":{comment},"permalink":"https://example.test/r/{number}","created_at":{},"updated_at":{},"person_properties":{{"Delighted Source":"Email"}},"notes":[],"tags":[],"additional_answers":[]}}}}"#,
        created / SECOND,
        updated / SECOND,
    );
    Record::of(value, updated + SECOND)
}
